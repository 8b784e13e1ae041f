#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The EVM codec against ethers' published vectors, eth-abi, and Solidity's own encoder run on anvil.
# usage: evm.sh EVM_PEER SOURCE_ROOT
set -eu
peer=$1 root=$2
. "$root/tests/interop/evm/peers.sh"
cache=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/evm
npm_peers "$cache" @ethersproject/testcases@5.8.0 solc@0.8.37 @foundry-rs/anvil@1.7.1 || exit 77
if ! "$cache/venv/bin/python" -c 'import eth_abi' 2>/dev/null; then
    python3 -m venv "$cache/venv" >/dev/null 2>&1 || { echo "SKIP: python3 has no venv"; exit 77; }
    "$cache/venv/bin/pip" -q install eth-abi==5.2.0 >/dev/null 2>&1 ||
        { echo "SKIP: PyPI's eth-abi is out of reach"; exit 77; }
fi
"$cache/venv/bin/python" "$root/tests/interop/evm/vectors.py" "$peer" "$cache/node_modules/@ethersproject/testcases/testcases"

tmp=$(mktemp -d)
anvil=
trap '[ -z "$anvil" ] || kill "$anvil" 2>/dev/null || :; rm -rf "$tmp"' EXIT
anvil_start "$cache" "$tmp/anvil.log"
python3 "$root/tests/interop/evm/solidity.py" "$peer" "$cache/node_modules/solc/index.js" "$anvil_at" "${SEED:-1}"

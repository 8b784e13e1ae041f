#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The EVM codec against ethers' published vectors, eth-abi, and Solidity's own encoder run on anvil.
# usage: evm.sh EVM_PEER SOURCE_ROOT
set -eu
peer=$1 root=$2
cache=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/evm
mkdir -p "$cache"
command -v npm >/dev/null || { echo "SKIP: no npm on this machine"; exit 77; }
if [ ! -d "$cache/node_modules/@ethersproject/testcases" ]; then
    (cd "$cache" && npm install --silent --no-audit --no-fund @ethersproject/testcases@5.8.0) >/dev/null 2>&1 ||
        { echo "SKIP: npm's @ethersproject/testcases is out of reach"; exit 77; }
fi
if ! "$cache/venv/bin/python" -c 'import eth_abi' 2>/dev/null; then
    python3 -m venv "$cache/venv" >/dev/null 2>&1 || { echo "SKIP: python3 has no venv"; exit 77; }
    "$cache/venv/bin/pip" -q install eth-abi==5.2.0 >/dev/null 2>&1 ||
        { echo "SKIP: PyPI's eth-abi is out of reach"; exit 77; }
fi
if [ ! -d "$cache/node_modules/solc" ] || [ ! -x "$cache/node_modules/.bin/anvil" ]; then
    (cd "$cache" && npm install --silent --no-audit --no-fund solc@0.8.37 @foundry-rs/anvil@1.7.1) >/dev/null 2>&1 ||
        { echo "SKIP: npm's solc and @foundry-rs/anvil are out of reach"; exit 77; }
fi
"$cache/venv/bin/python" "$root/tests/interop/evm/vectors.py" "$peer" "$cache/node_modules/@ethersproject/testcases/testcases"

tmp=$(mktemp -d)
node=
trap '[ -z "$node" ] || kill "$node" 2>/dev/null || :; rm -rf "$tmp"' EXIT
"$cache/node_modules/.bin/anvil" --port 0 --host 127.0.0.1 >"$tmp/anvil.log" 2>&1 &
node=$!
at=
i=0
while [ -z "$at" ] && [ $i -lt 600 ]; do
    at=$(sed -n 's/^Listening on //p' "$tmp/anvil.log")
    sleep 0.05
    i=$((i + 1))
done
[ -n "$at" ] || { cat "$tmp/anvil.log"; exit 1; }
python3 "$root/tests/interop/evm/solidity.py" "$peer" "$cache/node_modules/solc/index.js" "$at" "${SEED:-1}"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The EVM codec against ethers' published vectors and eth-abi.
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
"$cache/venv/bin/python" "$root/tests/interop/evm/vectors.py" "$peer" "$cache/node_modules/@ethersproject/testcases/testcases"

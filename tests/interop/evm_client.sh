#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The client against anvil: see evm_client_peer.c. Multicall3's code comes from npm's viem.
# usage: evm_client.sh EVM_CLIENT_PEER
set -eu
peer=$1
cache=${SENNIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit}/evm-client
command -v npm >/dev/null || { echo "SKIP: no npm on this machine"; exit 77; }
mkdir -p "$cache"
if [ ! -x "$cache/node_modules/.bin/anvil" ] || [ ! -d "$cache/node_modules/viem" ]; then
    (cd "$cache" && npm install --silent --no-audit --no-fund @foundry-rs/anvil@1.7.1 viem@2.57.0) >/dev/null 2>&1 ||
        { echo "SKIP: npm's @foundry-rs/anvil and viem are out of reach"; exit 77; }
fi
tmp=$(mktemp -d)
node=
trap '[ -z "$node" ] || kill "$node" 2>/dev/null || :; rm -rf "$tmp"' EXIT
code=$(cd "$cache" && node -e 'console.log(require("viem/_cjs/constants/contracts.js").multicall3Bytecode)' 2>/dev/null ||
    cd "$cache" && node -e 'import("'"$cache"'/node_modules/viem/_esm/constants/contracts.js").then(m => console.log(m.multicall3Bytecode))')
case $code in 0x*) ;; *) echo "SKIP: viem has no multicall3Bytecode"; exit 77 ;; esac
# A block each second: transactions wait in the pool, as they do on a chain.
"$cache/node_modules/.bin/anvil" --port 0 --host 127.0.0.1 --block-time 1 >"$tmp/anvil.log" 2>&1 &
node=$!
at=
i=0
while [ -z "$at" ] && [ $i -lt 600 ]; do
    at=$(sed -n 's/^Listening on //p' "$tmp/anvil.log")
    sleep 0.05
    i=$((i + 1))
done
[ -n "$at" ] || { cat "$tmp/anvil.log"; exit 1; }
# The key of anvil's first account, which stands in its manual.
"$peer" "$at" 0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80 "$code"

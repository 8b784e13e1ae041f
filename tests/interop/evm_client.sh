#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The client against anvil: see evm_client_peer.c. Multicall3's code comes from npm's viem.
# Then the commands that ask a node.
# usage: evm_client.sh EVM_CLIENT_PEER SENNIT
set -eu
peer=$1 sennit=$2
. "$(dirname "$0")/evm/peers.sh"
cache=${SENNIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit}/evm-client
npm_peers "$cache" @foundry-rs/anvil@1.7.1 viem@2.57.0 || exit 77
tmp=$(mktemp -d)
anvil=
trap '[ -z "$anvil" ] || kill "$anvil" 2>/dev/null || :; rm -rf "$tmp"' EXIT
code=$(cd "$cache" && node -e 'console.log(require("viem/_cjs/constants/contracts.js").multicall3Bytecode)' 2>/dev/null ||
    cd "$cache" && node -e 'import("'"$cache"'/node_modules/viem/_esm/constants/contracts.js").then(m => console.log(m.multicall3Bytecode))')
case $code in 0x*) ;; *) echo "SKIP: viem has no multicall3Bytecode"; exit 77 ;; esac
# A block each second: transactions wait in the pool, as they do on a chain.
anvil_start "$cache" "$tmp/anvil.log" --block-time 1
at=$anvil_at
# The key of anvil's first account, which stands in its manual.
key=0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80
"$peer" "$at" $key "$code"

# The commands, on what the peer left behind: contracts at these addresses, a miner that rests.
emitter=0x00000000000000000000000000000000000e1119
reverter=0x00000000000000000000000000000000000bad00
account=0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266
fail() { echo "FAIL $*"; exit 1; }
# refused EXIT TEXT COMMAND... - it must end so and say so.
refused() {
    want=$1 text=$2
    shift 2
    got=0
    "$@" >"$tmp/out" 2>&1 || got=$?
    [ $got = "$want" ] || fail "$*: exit $got, expected $want"
    grep -q "$text" "$tmp/out" || fail "$*: no \"$text\" in: $(cat "$tmp/out")"
}
umask 077
echo $key >"$tmp/key"
echo "[{\"type\":\"function\",\"name\":\"f\",\"inputs\":[{\"name\":\"x\",\"type\":\"uint256\"}],\"outputs\":[]}]" >"$tmp/abi.json"
for url in "http://$at" "ws://$at"; do
    # The precompile at 4 answers with what it is given: selector, then 7.
    got=$("$sennit" abi call --rpc "$url" --chain 31337 --json 0x0000000000000000000000000000000000000004 'f(bytes28)' 0x"$(printf '%056x' 7)")
    case $got in \"0x????????0*7????????\") ;; *) fail "call: $got" ;; esac
    refused 1 "on chain 31337, not on 1" "$sennit" abi call --rpc "$url" --chain 1 $emitter 'f()'
    refused 1 "reverts with 0x0*aa" "$sennit" abi call --rpc "$url" $reverter 'f()'
    refused 1 "reverts with 0x0*aa" "$sennit" abi send --rpc "$url" --key "$tmp/key" $reverter 'f()'
    refused 2 "checksum" "$sennit" abi send --rpc "$url" --key "$tmp/key" 0xF39Fd6e51aad88F6F4ce6aB8827279cffFb92266
    refused 2 "64 hexadecimal digits" "$sennit" abi send --rpc "$url" --key "$tmp/abi.json" $account
    refused 1 "has no receipt yet" "$sennit" abi receipt --rpc "$url" --timeout 1s 0x00000000000000000000000000000000000000000000000000000000000000ff
    ! grep -qi "${key#0x}" "$tmp/out" || fail "the key is shown"
done
hash=$("$sennit" abi send --rpc "http://$at" --key "$tmp/key" --no-wait --abi "$tmp/abi.json" $emitter f 7)
node -e 'fetch(process.argv[1], {method: "POST", headers: {"content-type": "application/json"},
    body: JSON.stringify({jsonrpc: "2.0", id: 1, method: "evm_mine", params: []})})' "http://$at"
"$sennit" abi receipt --rpc "ws://$at" --json "$hash" >"$tmp/receipt" || fail "receipt of $hash"
grep -q '"success":true' "$tmp/receipt" || fail "receipt: $(cat "$tmp/receipt")"
lines=$("$sennit" abi logs --rpc "ws://$at" --json --address $emitter | wc -l)
[ "$lines" -ge 129 ] || fail "$lines logs"
echo "ok commands: call, send, receipt, logs over HTTP and WebSocket"

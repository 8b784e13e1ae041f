#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Block sync with real CometBFT, both ways: a chain made here is opened by a Go node, which gives it to ours; ours gives it to a Go
# node that begins with nothing; and what that one has stored is fetched again by ours.
# usage: blocksync.sh BLOCKSYNC_PEER ROOT   (BLOCKSYNC_BLOCKS: how many, 300)
set -u
peer=$(realpath "$1") root=$2
. "$root/tests/e2e/lib.sh"
end() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; exit; }
blocks=${BLOCKSYNC_BLOCKS:-300}
export BLOCKSYNC_VALIDATORS=7
comet_peer
read -r rpc1 p2p1 rpc2 p2p2 ours < <(free_ports 5)

# go_home NAME RPC P2P - a home with the made chain's genesis and an empty store.
go_home() {
  "$comet" init --home "$tmp/$1" >/dev/null 2>&1 || return 1
  sed -i -e "s#tcp://127.0.0.1:26657#tcp://127.0.0.1:$2#" -e "s#tcp://0.0.0.0:26656#tcp://127.0.0.1:$3#" \
    -e 's/^addr_book_strict = .*/addr_book_strict = false/' -e 's/^allow_duplicate_ip = .*/allow_duplicate_ip = true/' \
    "$tmp/$1/config/config.toml"
  cp "$tmp/made/config/genesis.json" "$tmp/$1/config/genesis.json"
}
# go_start NAME [ARG...]: its pid is in $node
go_start() {
  local name=$1; shift
  "$comet" start --home "$tmp/$name" --proxy_app=kvstore "$@" >>"$tmp/$name.log" 2>&1 & node=$!; pids+=("$node")
}
go_stop() { kill "$node" 2>/dev/null; wait "$node" 2>/dev/null; }
rpc() { curl -s --max-time 5 "http://127.0.0.1:$1/$2"; }
height() { rpc "$1" status | sed -n 's/.*"latest_block_height": *"\([0-9]*\)".*/\1/p'; }
# header RPC HEIGHT - block hash and application hash.
header() { rpc "$1" "block?height=$2" | python3 -c 'import json, sys
r = json.load(sys.stdin)["result"]; print(r["block_id"]["hash"], r["block"]["header"]["app_hash"])'; }
wait_height() { for _ in $(seq 300); do h=$(height "$1"); [ "${h:-0}" -ge "$2" ] && return 0; sleep 0.2; done; return 1; }

mkdir -p "$tmp"/{made,ours,again}/{data,config}
"$peer" make "$tmp/made" 7 "$blocks" 3 5000 >"$tmp/make.log" 2>&1
[ $? -eq 0 ] || { grep -q UNIMPLEMENTED "$tmp/make.log" && { skip leveldb "libleveldb1d is not installed"; end; }
  fail "a chain" "$(tail -n 1 "$tmp/make.log")"; end; }

go_home giver "$rpc1" "$p2p1" || { fail "cometbft init"; end; }
cp -r "$tmp"/made/data/*.db "$tmp/giver/data/"
go_start giver
wait_height "$rpc1" "$blocks" && ok "CometBFT opens the chain that was made here" || { fail "CometBFT opens the chain" "$(tail -n 2 "$tmp/giver.log")"; end; }
want=$(header "$rpc1" $((blocks - 2)))
id=$("$comet" show-node-id --home "$tmp/giver")
timeout 60 "$peer" fetch "$tmp/ours" "$id@127.0.0.1:$p2p1" >"$tmp/fetch.log" 2>"$tmp/fetch.err"
check "ours fetches from CometBFT" "$(sed -n 's/^\([0-9]*\) blocks,.*/\1/p' "$tmp/fetch.log")" $((blocks - 1))
# The application hash after a block is in the next one's header.
next=$(header "$rpc1" "$blocks"); got=$(sed -n 's/^height .* hash //p' "$tmp/fetch.log" | tr a-f A-F)
check "and comes to its application hash" "$got" "${next#* }"
go_stop

# Ours gives what it has fetched: one block less can be checked.
start "$tmp/addr" "$peer" serve "$tmp/ours" "127.0.0.1:$ours"
addr=$first
go_home taker "$rpc2" "$p2p2" || { fail "cometbft init"; end; }
go_start taker --p2p.persistent_peers "$addr"
wait_height "$rpc2" $((blocks - 2)) && ok "CometBFT fetches from ours" || fail "CometBFT fetches from ours" "$(height "$rpc2") of $((blocks - 2)): $(tail -n 2 "$tmp/taker.log")"
check "the same block and application hash" "$(header "$rpc2" $((blocks - 2)))" "$want"
# It looks once a second whether it has caught up.
switched() { grep -q "SWITCH\|Time to switch\|SwitchToConsensus" "$tmp/taker.log"; }
for _ in $(seq 150); do switched && break; sleep 0.1; done
switched && ok "CometBFT goes on to consensus" || fail "CometBFT goes on to consensus" "$(tail -n 1 "$tmp/taker.log")"
id=$("$comet" show-node-id --home "$tmp/taker")
timeout 60 "$peer" fetch "$tmp/again" "$id@127.0.0.1:$p2p2" >"$tmp/again.log" 2>"$tmp/again.err"
check "what CometBFT stored is fetched again" "$(sed -n 's/^\([0-9]*\) blocks,.*/\1/p' "$tmp/again.log")" $((blocks - 3))
go_stop
end

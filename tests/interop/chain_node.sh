#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One validator on one home folder, run by turns by CometBFT and by `sennit chain start`; kills, damage, applications elsewhere, and
# what a node must refuse to start with.
# usage: chain_node.sh SENNIT ROOT
set -u
sennit=$(realpath "$1") root=$2
. "$root/tests/e2e/lib.sh"
end() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; exit; }
comet_peer
read -r rpc p2p app < <(free_ports 3)
# new_home NAME: a home of cometbft init with quick blocks.
new_home() {
  home=$tmp/$1
  "$comet" init --home "$home" >/dev/null 2>&1 || { fail "cometbft init"; end; }
  sed -i -e 's/^timeout_commit = .*/timeout_commit = "50ms"/' -e "s#tcp://127.0.0.1:26657#tcp://127.0.0.1:$rpc#" \
    -e "s#tcp://0.0.0.0:26656#tcp://127.0.0.1:$p2p#" "$home/config/config.toml"
}
# up go|ours [ARG...]: a node on $home; its log is $log.
up() {
  local kind=$1; shift
  log=$tmp/log.$((++logs)); : >"$log"
  if [ "$kind" = go ]; then "$comet" start --home "$home" "$@" >"$log" 2>&1 &
  else "$sennit" chain start --home "$home" "$@" >"$log" 2>&1 & fi
  node=$! node_kind=$kind; pids+=($node)
}
logs=0
height() { if [ "$node_kind" = go ]; then grep -o 'committed state .*height=[0-9]*' "$log"; else grep -o 'msg=block height=[0-9]*' "$log"; fi | tail -n 1 | grep -o '[0-9]*$'; }
# reach HEIGHT NAME: within 20 s.
reach() {
  local h=0
  for _ in $(seq 200); do h=$(height); [ "${h:-0}" -ge "$1" ] && { top=$h; [ -n "$2" ] && ok "$2"; return 0; }; kill -0 $node 2>/dev/null || break; sleep 0.1; done
  fail "${2:-height $1}" "height ${h:-0}: $(tail -n 2 "$log" | cut -c1-300)"; return 1
}
down() { kill -TERM $node 2>/dev/null; wait $node 2>/dev/null; rc=$?; }
# refuses NAME WORDS [ARG...]: ends with 1 and says so.
refuses() {
  local name=$1 words=$2; shift 2
  timeout 20 "$sennit" chain start --home "$home" "$@" >"$tmp/refused" 2>&1; rc=$?
  if [ $rc -eq 1 ] && grep -q "$words" "$tmp/refused"; then ok "$name"; else fail "$name" "status $rc: $(tail -n 2 "$tmp/refused" | cut -c1-300)"; fi
}

# ---- by turns ----
new_home turns
up ours --proxy_app kvstore;  reach 10 "ours makes blocks on a home of cometbft init"; down; check "SIGTERM ends it well" $rc 0
up go --proxy_app kvstore;    reach $((top + 10)) "CometBFT goes on"
for i in 1 2 3; do curl -s "http://127.0.0.1:$rpc/broadcast_tx_commit?tx=\"k$i=v$i\"" >/dev/null; done
reach $((top + 3)) ""; down
up ours --proxy_app kvstore;  reach $((top + 10)) "ours goes on, transactions replayed"; down
for i in 1 2 3 4 5 6; do
  up ours --proxy_app kvstore; reach $((top + 3)) "" || break
  sleep 0.0$((RANDOM % 9)); kill -KILL $node; wait $node 2>/dev/null; top=$(height)
done
up ours --proxy_app kvstore;  reach $((top + 3)) "ours is killed six times and goes on"; down
printf '\0\1\2torn' >>"$home/data/cs.wal/wal"
up ours --proxy_app kvstore;  reach $((top + 3)) "and with a torn log"; down
grep -q "torn by a crash" "$log" && ok "which it says" || fail "which it says" "$(head -n 3 "$log")"
up go --proxy_app kvstore;    reach $((top + 5)) "CometBFT goes on"
last=$(curl -s "http://127.0.0.1:$rpc/abci_query?data=\"k2\"" | grep -o '"value":"[^"]*"'); check "with every transaction" "$last" '"value":"djI="'
kill -KILL $node; wait $node 2>/dev/null
up ours --proxy_app kvstore;  reach $((top + 5)) "CometBFT is killed and ours goes on"
refuses "a second node on the folder" "store .*blockstore.db" --proxy_app kvstore --p2p.laddr tcp://127.0.0.1:0 --rpc.laddr ""
down
refuses "signatures of our key in the last blocks" "does another node sign with it" --proxy_app kvstore --consensus.double_sign_check_height 10
sed "s/\"chain_id\": \"[^\"]*\"/\"chain_id\": \"other\"/" "$home/config/genesis.json" >"$tmp/g" && cp "$home/config/genesis.json" "$tmp/g0" && cp "$tmp/g" "$home/config/genesis.json"
refuses "another chain's genesis" "genesis file of other" --proxy_app kvstore
cp "$tmp/g0" "$home/config/genesis.json"

# ---- an application of one's own process ----
new_home elsewhere
"$sennit" chain kvstore --address "tcp://127.0.0.1:$app" --persist "$tmp/app" >"$tmp/app.log" 2>&1 & kv=$!; pids+=($kv)
wait_port "$app"
up ours --proxy_app "tcp://127.0.0.1:$app"; reach 10 "an application behind a socket"
kill -KILL $kv; wait $kv 2>/dev/null; wait $node; rc=$?
check "the application goes, and the node with status 1" $rc 1
grep -q "connection" "$log" && ok "and says why" || fail "and says why" "$(tail -n 2 "$log")"
"$sennit" chain kvstore --address "tcp://127.0.0.1:$app" --persist "$tmp/app" >"$tmp/app.log" 2>&1 & kv=$!; pids+=($kv)
wait_port "$app"
up ours --proxy_app "tcp://127.0.0.1:$app"; reach $((top + 5)) "both come back"; down
cp -r "$home" "$tmp/before"
up ours --proxy_app "tcp://127.0.0.1:$app"; reach $((top + 5)) ""; down
rm -rf "$home"; mv "$tmp/before" "$home"
refuses "an application ahead of the chain" "the application is ahead" --proxy_app "tcp://127.0.0.1:$app"
kill $kv; wait $kv 2>/dev/null
"$sennit" chain kvstore --address "tcp://127.0.0.1:$app" --abci grpc >"$tmp/app.log" 2>&1 & kv=$!; pids+=($kv)
wait_port "$app"
up ours --proxy_app "127.0.0.1:$app" --abci grpc; reach $((top + 5)) "an application that begins anew, by gRPC"; down
kill $kv; wait $kv 2>/dev/null

up ours --proxy_app "tcp://127.0.0.1:$app"; sleep 1; down; check "SIGTERM while the application is waited for" $rc 0

# ---- blocks only for transactions ----
new_home quiet
up ours --proxy_app persistent_kvstore --consensus.create_empty_blocks=false; sleep 2; down
check "no empty blocks but the first" "$(height)" 1
end

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two real CometBFT validators and two of ours, whose applications extend votes from height 3 on and refuse others' extensions that
# are not right; validators come and go; all but one are killed at once. The applications are processes of their own.
# usage: chain_extensions.sh SENNIT ROOT
set -u
sennit=$(realpath "$1") root=$2
. "$root/tests/e2e/lib.sh"
. "$root/tests/e2e/chain_rig.sh"
end() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; exit; }
comet_peer
why=$(chain_probe); [ -z "$why" ] || { skip network "$why"; end; }
chain_up 4 || { fail "the network" "namespaces"; end; }
chain_set timeout_commit '"100ms"'
chain_set timeout_propose '"1s"'
chain_set addr_book_strict false
for i in 0 1 2 3; do
  python3 - "$(node_home $i)/config/genesis.json" <<'PY'
import json, sys
g = json.load(open(sys.argv[1]))
g["consensus_params"]["abci"]["vote_extensions_enable_height"] = "3"
json.dump(g, open(sys.argv[1], "w"), indent=2)
PY
  "$sennit" chain kvstore --vote-extensions --address "unix://$tmp/app$i.sock" --persist "$tmp/app$i" >"$tmp/app$i.log" 2>&1 & pids+=($!)
done
for i in 0 1 2 3; do for _ in $(seq 100); do [ -S "$tmp/app$i.sock" ] && break; sleep 0.05; done; done
begin() { local chain_app=unix://$tmp/app$1.sock; node_start "$1" "$([ "$1" -lt 2 ] && echo go || echo ours)"; }
send() { inhub curl -s -m 20 -G "http://$chain_net.$1:26657/broadcast_tx_sync" --data-urlencode "tx=\"$2\"" >/dev/null; }
validators() { rpc "$1" validators | tr -d ' \n' | grep -o '"total":"[0-9]*"' | grep -o '[0-9]*'; }
# become NAME N: so many validators in two blocks' time, by CometBFT's word and by ours.
become() {
  for _ in $(seq 150); do [ "$(validators 0) $(validators 3)" = "$2 $2" ] && break; sleep 0.2; done
  check "$1" "$(validators 0) $(validators 3)" "$2 $2"
}
for i in 0 1 2 3; do begin $i; done
chain_wait 0 25 60 && ok "four applications extend votes" || { fail "four applications extend votes" "$(tail -n 2 "$tmp"/node*.log)"; end; }
for i in 0 2; do
  n=$(rpc $i 'abci_query?path="/vote_extensions"' | tr -d ' \n' | grep -o '"value":"[^"]*"' | cut -d'"' -f4 | base64 -d)
  [ "${n:-0}" -ge 8 ] && ok "node $i saw $n extensions in its proposals" || fail "node $i saw extensions in its proposals" "$n"
done
key=$(head -c 32 "$root/LICENSE" | base64 -w0)
send 3 "val=ed25519!$key!1"; become "a validator joins, by our node" 5
send 1 "val=ed25519!$key!0"; become "and leaves, by CometBFT's" 4
node_kill 2; node_kill 0; node_kill 3; sleep 1
for i in 0 2 3; do begin $i; done
h=$(chain_height 1)
for i in 0 1 2 3; do chain_wait $i $((h + 15)) 120 || fail "three of four killed at once" "node $i: $(chain_height $i) of $((h + 15)): $(tail -n 2 "$tmp/node$i.log" | cut -c1-300)"; done
ok "three of four killed at once, and the chain goes on to $(chain_height 1)"
h=$(chain_height 0); bad=
for k in 1 2 3 4 10 $((h / 2)) $((h - 2)); do
  first=$(rpc 0 "header?height=$k" | tr -d ' \n'); for i in 1 2 3; do [ "$(rpc $i "header?height=$k" | tr -d ' \n')" = "$first" ] || bad="$bad $i@$k"; done
done
check "equal headers" "$bad" ""
grep -l "panic\|CONSENSUS FAILURE\|the node ends" "$tmp"/node*.log >"$tmp/bad" && fail "no node gave up" "$(cat "$tmp/bad")" || ok "no node gave up"
end

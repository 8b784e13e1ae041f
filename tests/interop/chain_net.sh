#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A network of two real CometBFT validators and two of ours: blocks under load while validators are killed, cut off and exchanged for
# the other program on the same home folder. In the end every node has the same header and application hash at
# each height, nobody is accused, and every transaction that was accepted is in a block once.
# usage: chain_net.sh SENNIT ROOT   (CHAIN_BLOCKS: how many, 1000)
set -u
sennit=$(realpath "$1") root=$2
. "$root/tests/e2e/lib.sh"
. "$root/tests/e2e/chain_rig.sh"
blocks=${CHAIN_BLOCKS:-1000}
end() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; exit; }
comet_peer
why=$(chain_probe); [ -z "$why" ] || { skip network "$why"; end; }
chain_up 4 || { fail "the network" "namespaces"; end; }
chain_set timeout_commit '"100ms"'
chain_set timeout_propose '"1s"'
chain_set addr_book_strict false

cat >"$tmp/load.py" <<'PY'
# Sends one transaction after the other to the nodes in turn; what was accepted goes to the file.
import json, sys, time, urllib.request
net, path = sys.argv[1:]
n = 0
with open(path, "w", buffering=1) as out:
    while True:
        n += 1
        tx = f"key{n}=value{n}"
        try:
            with urllib.request.urlopen(f'http://{net}.{n % 4 + 1}:26657/broadcast_tx_sync?tx="{tx}"', timeout=2) as r:
                if json.load(r)["result"]["code"] == 0: out.write(f"{n % 4} {tx}\n")
        except Exception: pass
        time.sleep(0.02)
PY
cat >"$tmp/compare.py" <<'PY'
# All nodes' headers by height; how often each accepted transaction is in the chain.
import base64, collections, json, sys, urllib.request
net, top, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
def get(node, what):
    with urllib.request.urlopen(f"http://{net}.{node + 1}:26657/{what}", timeout=20) as r: return json.load(r)["result"]
def headers(node):
    h = {}
    for low in range(1, top + 1, 20):
        for m in get(node, f"blockchain?minHeight={low}&maxHeight={min(low + 19, top)}")["block_metas"]:
            h[int(m["header"]["height"])] = (m["block_id"]["hash"], m["header"]["app_hash"], m["header"]["evidence_hash"])
    return h
first = headers(0)
assert len(first) == top, f"node 0 has {len(first)} of {top} blocks"
for node in (1, 2, 3):
    other = headers(node)
    bad = [h for h in first if other.get(h) != first[h]]
    assert not bad, f"node {node} differs from node 0 at height {bad[0]}: {first[bad[0]]} {other.get(bad[0])}"
accused = [h for h in first if first[h][2] != "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"]
assert not accused, f"evidence in block {accused[0]}"
seen = collections.Counter()
proposers = collections.Counter()
for h in range(1, top + 1):
    b = get(h % 4, f"block?height={h}")["block"]
    proposers[b["header"]["proposer_address"]] += 1
    for tx in b["data"]["txs"]: seen[base64.b64decode(tx).decode()] += 1
twice = [t for t in seen if seen[t] > 1]
print(f"{top} blocks, {sum(seen.values())} transactions, {len(twice)} twice, proposers {sorted(proposers.values())}")
PY

for i in 0 1; do node_start $i go; done
for i in 2 3; do node_start $i ours; done
chain_wait 0 10 60 && ok "two of each make blocks" || { fail "two of each make blocks" "$(tail -n 3 "$tmp"/node*.log)"; end; }
nsenter --net="/run/netns/$chain_hub" python3 "$tmp/load.py" "$chain_net" "$tmp/accepted" & load=$!; pids+=($load)

# again I KIND HEIGHT WHAT - starts a node, which has to come past that height.
again() { node_start "$1" "$2"; chain_wait "$1" "$3" 90 && ok "$4" || fail "$4" "height $(chain_height "$1") of $3: $(tail -n 2 "$tmp/node$1.log")"; }
# target: heights rise in steps; between two of them something goes wrong.
height=$(chain_height 0) step=$((blocks / 12)); [ "$step" -ge 10 ] || step=10
go_on() { height=$(chain_height "${1:-0}"); chain_wait "${1:-0}" $((height + step)) 300 || fail "blocks go on" "height $(chain_height "${1:-0}")"; height=$(chain_height "${1:-0}"); }
go_on;   node_kill 2; sleep 2; go_on; again 2 ours "$height" "ours is killed and catches up"
go_on;   node_kill 1; sleep 2; go_on; again 1 go "$height" "CometBFT's is killed and catches up"
go_on;   node_cut 3; sleep 5; node_join 3; go_on; chain_wait 3 "$height" 90 && ok "ours is cut off and comes back" || fail "ours is cut off and comes back" "$(chain_height 3) of $height"
go_on 2; node_cut 0; sleep 5; node_join 0; go_on 2; chain_wait 0 "$height" 90 && ok "CometBFT's is cut off and comes back" || fail "CometBFT's is cut off and comes back" "$(chain_height 0) of $height"
node_kill 0; node_kill 3; sleep 3; h1=$(chain_height 1); sleep 3; h2=$(chain_height 1)
check "two of four decide nothing" "$((h2 - h1 <= 1))" 1
node_start 0 go; again 3 ours $((h2 + step)) "and go on when the others are back"
node_kill 2; again 2 go $((h2 + 2 * step)) "the home folder of ours, killed, under CometBFT"
node_stop 2; again 2 ours $((h2 + 3 * step)) "and under ours again"
node_kill 1; again 1 ours $((h2 + 4 * step)) "the home folder of CometBFT, killed, under ours"
node_stop 1; again 1 go $((h2 + 5 * step)) "and under CometBFT again"
for i in 0 1 2 3; do node_cut $i; done; sleep 3; for i in 0 1 2 3; do node_join $i; done
go_on && ok "everybody cut off from everybody, and together again"
chain_wait 0 "$blocks" 900 || fail "$blocks blocks" "$(chain_height 0)"
kill "$load" 2>/dev/null; wait "$load" 2>/dev/null
height=$(chain_height 0)
for i in 0 1 2 3; do chain_wait $i $((height + 3)) 60 || fail "node $i at the end" "$(chain_height $i) of $height"; done
if result=$(inhub python3 "$tmp/compare.py" "$chain_net" "$height" "$tmp/accepted" 2>"$tmp/err"); then ok "equal headers and application hashes, no evidence: $result"
else fail "equal headers" "$(tail -n 1 "$tmp/err")"; fi
grep -l "panic\|CONSENSUS FAILURE\|halts" "$tmp"/node*.log >"$tmp/bad" && fail "no node gave up" "$(cat "$tmp/bad")" || ok "no node gave up"
end

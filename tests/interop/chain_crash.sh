#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One validator's home folder under load: ours is killed by SIGKILL at a random moment, CometBFT goes on with what it left and is
# killed in its turn, and so on. After each kill of ours goleveldb must read every pair that LevelDB does, of every store; in the end
# every transaction of every block was executed once, and is found by the index, but for blocks that were not indexed yet when their
# node was killed.
# usage: chain_crash.sh SENNIT KV_PEER ROOT   (CRASH_ROUNDS: how often each is killed, 10; CRASH_SEED)
set -u
sennit=$(realpath "$1") kv=$(realpath "$2") root=$3 rounds=${CRASH_ROUNDS:-10}
. "$root/tests/e2e/lib.sh"
end() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; exit; }
comet_peer
kv_cache=${cache%/*}/kv; mkdir -p "$kv_cache" && cp "$root/tests/interop/kv/main.go" "$kv_cache/"
(cd "$kv_cache" && { [ -f go.mod ] || go mod init kv; } && go mod tidy && go build -o kv .) >"$kv_cache/go.log" 2>&1 ||
  { skip goleveldb "its Go module is out of reach"; end; }
seed=${CRASH_SEED:-$RANDOM}; RANDOM=$seed
read -r rpc p2p < <(free_ports 2)
home=$tmp/home
"$comet" init --home "$home" >/dev/null 2>&1 || { fail "cometbft init"; end; }
sed -i -e 's/^timeout_commit = .*/timeout_commit = "50ms"/' -e "s#tcp://127.0.0.1:26657#tcp://127.0.0.1:$rpc#" \
  -e "s#tcp://0.0.0.0:26656#tcp://127.0.0.1:$p2p#" "$home/config/config.toml"

cat >"$tmp/load.py" <<'PY'
# 1 KiB transactions, ten in a request (a batch's limit), as many as the node takes, whichever node it is and whenever one is there.
import base64, http.client, json, sys, time
n, conn = 0, None
while True:
    batch = []
    for n in range(n + 1, n + 11):
        tx = base64.b64encode(f"k{n}=".ljust(1024, "v").encode()).decode()
        batch.append({"jsonrpc": "2.0", "id": n, "method": "broadcast_tx_async", "params": {"tx": tx}})
    try:
        conn = conn or http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=3)
        conn.request("POST", "/", json.dumps(batch), {"Content-Type": "application/json"})
        answer = json.loads(conn.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        conn = None
        time.sleep(0.05)
        continue
    if not isinstance(answer, list): sys.exit(f"load: {answer}")
    time.sleep(0.002)
PY
cat >"$tmp/audit.py" <<'PY'
# Every block, its results, what the application has executed, what the index finds. Heights in sys.argv[2:] were the last of a killed node.
import json, sys, urllib.request
def get(what):
    with urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/{what}", timeout=60) as r: v = json.load(r)
    assert "result" in v, f"{what}: {v.get('error')}"
    return v["result"]
def executed():
    r = get("abci_info")["response"]
    return int(r["last_block_height"]), json.loads(r["data"])["size"]
(top, size), txs, hash, lost = executed(), 0, "", []
for h in range(1, top + 1):
    b = get(f"block?height={h}")
    assert b["block"]["header"]["last_block_id"]["hash"] == hash, f"height {h} follows another block than {hash}"
    n, hash = len(b["block"]["data"]["txs"]), b["block_id"]["hash"]
    results = get(f"block_results?height={h}")["txs_results"] or []
    assert len(results) == n and all(r["code"] == 0 for r in results), f"height {h}: {n} transactions, {len(results)} results"
    txs += n
    found = int(get(f"tx_search?query=%22tx.height={h}%22&per_page=1")["total_count"]) if n else 0
    if found != n: lost.append((h, n, found))
assert size == txs, f"at height {top} the application has executed {size} transactions, the blocks have {txs}"
killed = {int(h) + d for h in sys.argv[2:] for d in (-1, 0, 1, 2)}
far = [x for x in lost if x[0] not in killed]
assert not far, f"not in the index (height, transactions, found): {far[:5]}"
assert txs > top, f"no load: {txs} transactions"
print(f"{top} blocks, {txs} transactions; not indexed when killed: {len(lost)} blocks")
PY

# up go|ours
up() {
  node_kind=$1 log=$tmp/log.$((++logs)); : >"$log"
  if [ "$1" = go ]; then "$comet" start --home "$home" --proxy_app persistent_kvstore >"$log" 2>&1 &
  else "$sennit" chain start --home "$home" --proxy_app persistent_kvstore >"$log" 2>&1 & fi
  node=$!; pids+=($node)
}
logs=0 top=0 killed=()
height() { if [ "$node_kind" = go ]; then grep -ao 'committed state .*height=[0-9]*' "$log"; else grep -ao 'msg=block height=[0-9]*' "$log"; fi | tail -n 1 | grep -o '[0-9]*$'; }
# reach HEIGHT NAME: while it makes progress; a stopped machine (or one of much to do) is no failure.
reach() {
  local h=0
  for _ in $(seq 600); do h=$(height); [ "${h:-0}" -ge "$1" ] && { [ -n "$2" ] && ok "$2"; return 0; }; kill -0 $node 2>/dev/null || break; sleep 0.1; done
  fail "${2:-height $1}" "seed $seed, $node_kind at height ${h:-0}: $(grep -a 'panic\|ERR\|level=error' "$log" | head -n 2 | cut -c1-400) $(tail -n 2 "$log" | cut -c1-300)"
  cp "$log" "${CRASH_KEEP:-/dev/null}" 2>/dev/null; end
}
crash() { sleep "$((RANDOM % 4)).$((RANDOM % 1000))"; kill -KILL $node; wait $node 2>/dev/null; top=$(height); killed+=("$top"); }

python3 "$tmp/load.py" "$rpc" & load=$!; pids+=($load)
up ours
reach 3 "ours makes blocks"
for round in $(seq "$rounds"); do
  reach $((top + 3)) ""
  crash
  lost=
  for db in "$home"/data/*.db; do
    rm -rf "$tmp/ours.db" "$tmp/theirs.db"; cp -r "$db" "$tmp/ours.db"; cp -r "$db" "$tmp/theirs.db"
    "$kv" sum "$tmp/ours.db" 2>"$tmp/err" >"$tmp/ours" && "$kv_cache/kv" sum "$tmp/theirs.db" >"$tmp/theirs" || fail "round $round: read $db" "$(tail -n 1 "$tmp/err")"
    n=$(comm -23 "$tmp/ours" "$tmp/theirs" | wc -l); [ "$n" = 0 ] || lost="$lost $(basename "$db"): $n of $(wc -l <"$tmp/ours")"
  done
  [ -z "$lost" ] || fail "round $round: goleveldb reads all that LevelDB does" "seed $seed, height $top: pairs missing from$lost"
  up go; reach $((top + 3)) "round $round: ours is killed at height $top ($(du -sm "$home/data" | cut -f1) MiB), CometBFT goes on"
  crash
  up ours; reach $((top + 3)) "round $round: CometBFT is killed at height $top, ours goes on"
done
kill "$load"; wait "$load" 2>/dev/null
if result=$(python3 "$tmp/audit.py" "$rpc" "${killed[@]}" 2>"$tmp/err"); then ok "by our node: $result"; else fail "by our node" "seed $seed: $(tail -n 1 "$tmp/err")"; fi
crash; up go; reach $((top + 3)) ""
if result=$(python3 "$tmp/audit.py" "$rpc" "${killed[@]}" 2>"$tmp/err"); then ok "by CometBFT: $result"; else fail "by CometBFT" "seed $seed: $(tail -n 1 "$tmp/err")"; fi
end

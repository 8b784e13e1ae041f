#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/chain.sh - four validators, each in its own network namespace: transactions per second and their latency, memory, ours
# against CometBFT 0.38.25, by CometBFT's own load generator and report (which reads the block store). The same homes, keys and
# configuration for both, made anew for each run; kvstore in the node's process on both sides.
#   KINDS="go ours"  SIZES="250 1024"  RATES="1000 4000 16000"  RATES_go=...  RATES_ours=...  SECONDS_EACH=15  CONFIG=tuned|default
# A rate is what is offered in all, over one connection per node. Committed a second: of the offer's time, or of the time it took. A rate
# is sustained where that is at least 97 % of it; the most that was sustained, and how many times the other's, ends the table.
. "$(dirname "$0")/lib.sh"
KINDS=${KINDS:-go ours} SIZES=${SIZES:-250 1024} RATES=${RATES:-400 1600 6400} SECONDS_EACH=${SECONDS_EACH:-15} CONFIG=${CONFIG:-tuned}
cd "$BENCH_ROOT" || exit 1
case " $KINDS " in *" ours "*) bench_build cmd/sennit/sennit;; esac
sennit=${SENNIT:-$BENCH_BUILD/cmd/sennit/sennit}
peers=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}
comet=$peers/chain-store/cometbft load=$peers/loadtime/load report=$peers/loadtime/report
export PATH=$PATH:/usr/local/go/bin
[ -x "$comet" ] || GOBIN=$peers/chain-store go install github.com/cometbft/cometbft/cmd/cometbft@v0.38.25 >/dev/null 2>&1
[ -x "$report" ] || GOBIN=$peers/loadtime GOFLAGS=-mod=mod go install github.com/cometbft/cometbft/test/loadtime/cmd/load@v0.38.25 \
  github.com/cometbft/cometbft/test/loadtime/cmd/report@v0.38.25 >/dev/null 2>&1
[ -x "$comet" ] && [ -x "$report" ] || { echo "SKIP: CometBFT or its load generator is out of reach"; exit 0; }
[ -z "${BUILD_ONLY:-}" ] || exit 0
. tests/e2e/lib.sh
. tests/e2e/chain_rig.sh
trap 'trap "" INT TERM; chain_down; bench_cleanup' EXIT
why=$(chain_probe); [ -z "$why" ] || { echo "SKIP: $why"; exit 0; }

configure() {
  [ "$CONFIG" = default ] && return
  chain_set timeout_commit '"100ms"'
  chain_set flush_throttle_timeout '"10ms"'
  chain_set p2p.send_rate 51200000
  chain_set p2p.recv_rate 51200000
  chain_set mempool.size 50000
  chain_set mempool.cache_size 100000
}
# rounds - how many heights of the run were decided in a round after the first.
rounds() {
  inhub python3 - "$chain_net.1" "$(chain_height 0)" <<'PY'
import http.client, json, sys
c = http.client.HTTPConnection(sys.argv[1], 26657, timeout=10)
def commit(h):
    c.request("GET", f"/commit?height={h}")
    return json.load(c.getresponse())["result"]["signed_header"]["commit"]["round"]
print(sum(commit(h) > 0 for h in range(1, int(sys.argv[2]))))
PY
}
memory() { awk '/^(Rss|Pss):/ { s[$1] += $2 } END { printf "%.1f", s["Pss:"] / 1024 }' "/proc/${node_pid[0]}/smaps_rollup"; }
# one KIND SIZE RATE - a row.
one() {
  local kind=$1 size=$2 rate=$3 i cpu0 cpu1 idle late
  chain_up 4 || exit 1
  configure
  for i in 0 1 2 3; do node_start "$i" "$kind"; done
  chain_wait 0 5 60 || { echo "no blocks: $(tail -n 2 "$tmp/node0.log")" >&2; exit 1; }
  idle=$(memory)
  cpu0=$(bench_cpu_s "${node_pid[@]}")
  inhub "$load" -c 1 -T "$SECONDS_EACH" -r $((rate / 4)) -s "$size" --broadcast-tx-method sync --endpoint-select-method supplied \
    --endpoints "$(printf "ws://$chain_net.%d:26657/websocket," 1 2 3 4 | sed 's/,$//')" >"$tmp/load.log" 2>&1
  cpu1=$(bench_cpu_s "${node_pid[@]}")
  sleep 3
  local mem; mem=$(memory)
  late=$(rounds)
  for i in 0 1 2 3; do node_stop "$i"; done
  rm -f "$tmp/out.csv"; "$report" --data-dir "$(node_home 0)/data" --csv "$tmp/out.csv" >"$tmp/report.log" 2>&1
  python3 - "$tmp/out.csv" "$kind" "$size" "$rate" "$idle" "$mem" "$cpu0" "$cpu1" "$SECONDS_EACH" "$late" "$rows" <<'PY'
import csv, sys
path, kind, size, rate, idle, mem, cpu0, cpu1, seconds, late, sums = sys.argv[1:]
try: rows = list(csv.DictReader(open(path)))
except FileNotFoundError: rows = []
if not rows: print(f'| {kind} | {size} | {int(rate):,} | nothing | | | | | {late} | {idle} | {mem} |'); sys.exit()
k = {n.strip(): n for n in rows[0]}
lat = sorted(int(r[k["duration_ns"]]) for r in rows)
when = sorted(int(r[k["block_time"]]) for r in rows)
# The generator sends for a second less than it is told; a node that stops to take transactions has not been faster for it.
n, span = len(rows), max((when[-1] - when[0]) / 1e9, float(seconds) - 1)
p = lambda q: lat[min(n - 1, int(q * n))] / 1e9
cpu = float(cpu1) - float(cpu0)
print(f"| {kind} | {size} | {int(rate):,} | {n:,} | {n / span:,.0f} | {p(.5):.2f} | {p(.99):.2f} | {cpu / n * 1e6:.0f} | {late} | {idle} | {mem} |")
open(sums, "a").write(f"{kind} {size} {rate} {n / span:.0f}\n")
PY
  for i in 0 1 2 3; do ip netns del "sncn$$n$i" 2>/dev/null; done; ip netns del "$chain_hub"; rm -rf "$tmp/net"; node_pid=(); sleep 0.5
}
rows=$BENCH_TMP/rows; : >"$rows"
echo "Four validators, $CONFIG configuration, $SECONDS_EACH s each. $(bench_machine)"; echo
echo "| node | bytes | offered tx/s | committed | committed a second | p50 s | p99 s | CPU us per tx, four nodes | later rounds | MiB idle | MiB after |"
echo "|---|---|---|---|---|---|---|---|---|---|---|"
for size in $SIZES; do for kind in $KINDS; do
  rates=RATES_$kind
  for rate in ${!rates:-$RATES}; do one "$kind" "$size" "$rate"; done
done; done
python3 - "$rows" <<'PY'
import sys
most = {}
for line in open(sys.argv[1]):
    kind, size, rate, got = line.split()
    if float(got) >= .97 * float(rate): most[size, kind] = max(most.get((size, kind), 0), int(rate))
for size in sorted({s for s, _ in most}, key=int):
    both = [most.get((size, k)) for k in ("ours", "go")]
    print(f"\nSustained, {size} bytes: " + ", ".join(f"{k} {most[s, k]:,}" for s, k in sorted(most) if s == size)
          + (f"; {both[0] / both[1]:.2f} times" if all(both) else ""))
PY

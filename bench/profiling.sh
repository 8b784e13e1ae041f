#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What profiling costs: requests per CPU-second of the server with heap, block and mutex profiles on and
# a CPU profile being taken throughout, against the same server with none. Runs alternate; the median
# of the pairwise ratios is what counts on a machine that is not quiet.
#   PROF_RUNS=7 PROF_SECONDS=5 bench/profiling.sh
. "$(dirname "$0")/lib.sh"
runs=${PROF_RUNS:-7} seconds=${PROF_SECONDS:-5} conns=${PROF_CONNS:-64}
command -v wrk >/dev/null || { echo "SKIP: wrk is not installed"; exit 0; }
bench_build examples/profiled/profiled
server=$BENCH_BUILD/examples/profiled/profiled
# one MODE PORT - requests per CPU-second; MODE "off" or "on" (every profile). The third argument keeps the
# example's own load out of both.
one() {
  local mode=$1 port=$2 cpu_pid=
  bench_start 0 "$server" "127.0.0.1:$port" 1 "$mode"
  local pid=$BENCH_PID
  bench_wait_port "$port" || return 1
  taskset -c 1 wrk -t1 -c"$conns" -d1s "http://127.0.0.1:$port/" >/dev/null
  if [ "$mode" = on ]; then
    curl -s -o /dev/null "http://127.0.0.1:$port/debug/pprof/profile?seconds=$((seconds + 1))" &
    cpu_pid=$!
    sleep 0.3
  fi
  local before after requests
  before=$(bench_cpu_s "$pid")
  requests=$(taskset -c 1 wrk -t1 -c"$conns" -d"${seconds}s" "http://127.0.0.1:$port/" |
    awk '/requests in/ { print $1 }')
  after=$(bench_cpu_s "$pid")
  awk -v n="$requests" -v a="$before" -v b="$after" 'BEGIN { printf "%.0f\n", n / (b - a) }'
  [ -z "$cpu_pid" ] || wait "$cpu_pid"
  bench_stop "$pid"
}
for i in $(seq "$runs"); do
  echo "$(one off $((18600 + 2 * i))) $(one on $((18601 + 2 * i)))" >>"$BENCH_TMP/rows"
done
echo "### Profiling: requests per CPU-second of the server, wrk with $conns connections"
echo
echo "| run | off | CPU + heap + block + mutex | ratio |"
echo "|--:|--:|--:|--:|"
awk '{ printf "| %d | %.0f | %.0f | %.4f |\n", NR, $1, $2, $2 / $1 }' "$BENCH_TMP/rows"
awk '{ print $2 / $1 }' "$BENCH_TMP/rows" | sort -n |
  awk '{ v[NR] = $1 } END { m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
       printf "| median | | | %.4f (%.2f %% cost) |\n", m, 100 * (1 - m) }'

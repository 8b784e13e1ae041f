#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What profiling costs: requests per CPU-second of a server with heap, block and mutex profiles on and
# a CPU profile being taken throughout, against the same program with none. Claim: <= 1 %.
#
# The two are driven in turn in slices of PROF_SLICE_MS by bench/pairs, PROF_ROUNDS pairs for each of
# PROF_STARTS starts of both (a start draws new addresses, worth a per cent either way); the median of
# all pairwise ratios and its 95 % interval are what counts.
#   PROF_STARTS=6 PROF_ROUNDS=100 PROF_SLICE_MS=60 PROF_CONNS=64 bench/profiling.sh
. "$(dirname "$0")/lib.sh"
starts=${PROF_STARTS:-6} rounds=${PROF_ROUNDS:-100} slice=${PROF_SLICE_MS:-60} conns=${PROF_CONNS:-64}
command -v curl >/dev/null || { echo "SKIP: curl is not installed"; exit 0; }
bench_build
server=$BENCH_BUILD/examples/profiled/profiled
for i in $(seq "$starts"); do
  port=$((18600 + 2 * i))
  bench_start 0 "$server" "127.0.0.1:$port" 1 off; off=$BENCH_PID
  bench_start 0 "$server" "127.0.0.1:$((port + 1))" 1 on; on=$BENCH_PID
  bench_wait_port $port && bench_wait_port $((port + 1)) || exit 1
  # Longer than the slices need; it ends with its server.
  taskset -c 1 curl -s -o /dev/null "http://127.0.0.1:$((port + 1))/debug/pprof/profile?seconds=$((rounds * slice * 3 / 1000 + 10))" &
  profile=$!; BENCH_PIDS+=("$profile")
  sleep 0.3
  taskset -c 1 "$BENCH_BUILD/bench/pairs" -c "$conns" -n "$rounds" -s "$slice" -o "$BENCH_TMP/ratios" \
    off=$port:$off on=$((port + 1)):$on >"$BENCH_TMP/start.$i" || exit 1
  kill -0 "$profile" 2>/dev/null || { echo "bench: the CPU profile ended before the measurement" >&2; exit 1; }
  bench_stop "$profile"; bench_stop "$off"; bench_stop "$on"
done
echo "### Profiling: requests per CPU-second, $conns connections, CPU + heap + block + mutex profiles against none"
echo
echo "| start | off | on | ratio of medians |"
echo "|--:|--:|--:|--:|"
for i in $(seq "$starts"); do
  awk -F'|' -v i="$i" '$2 == " off " {a = $3} $2 == " on " {b = $3} END {printf "| %d | %d | %d | %.4f |\n", i, a, b, b / a}' "$BENCH_TMP/start.$i"
done
echo
sort -g "$BENCH_TMP/ratios" | awk '{ v[NR] = $1 } END {
  m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2; d = 0.98 * sqrt(NR)
  lo = v[int(NR / 2 - d)]; hi = v[int(NR / 2 + d) + 1]
  printf "Median of %d pairwise ratios: %.4f, 95 %% interval %.4f-%.4f: profiling costs %.2f %% (%.2f to %.2f).\n", NR, m, lo, hi, 100 * (1 - m), 100 * (1 - hi), 100 * (1 - lo) }'

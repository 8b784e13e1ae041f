#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What an execution trace costs: requests per CPU-second of a server while /debug/pprof/trace is read
# from it against the same server without, ours and Go's in one run; and with TRACE_BASE=PROGRAM, a
# build of examples/profiled from before there were traces, what they cost while off. As
# bench/profiling.sh: short slices in turn, several starts, the median of all pairwise ratios.
#   TRACE_WHAT="sennit go off" TRACE_STARTS=4 TRACE_ROUNDS=60 TRACE_SLICE_MS=60 TRACE_CONNS=64 TRACE_BASE= bench/trace.sh
. "$(dirname "$0")/lib.sh"
starts=${TRACE_STARTS:-4} rounds=${TRACE_ROUNDS:-60} slice=${TRACE_SLICE_MS:-60} conns=${TRACE_CONNS:-64}
command -v curl >/dev/null || { echo "SKIP: curl is not installed"; exit 0; }
bench_build
ours=$BENCH_BUILD/examples/profiled/profiled
what=(sennit)
if command -v go >/dev/null; then
  (cd "$BENCH_ROOT/bench/trace" && GO111MODULE=off CGO_ENABLED=0 go build -o "$BENCH_TMP/trace-go" main.go) || exit 1
  what+=(go)
fi
[ -z "${TRACE_BASE:-}" ] || what+=(off)
[ -z "${TRACE_WHAT:-}" ] || read -ra what <<<"$TRACE_WHAT"
port=18700
# server WHAT - in the background on the next port: its pid is in BENCH_PID.
server() {
  port=$((port + 1))
  case $1 in
    go) bench_start 0 env GOMAXPROCS=1 "$BENCH_TMP/trace-go" "127.0.0.1:$port" ;;
    base) bench_start 0 "$TRACE_BASE" "127.0.0.1:$port" 1 off ;;
    *) bench_start 0 "$ours" "127.0.0.1:$port" 1 off ;;
  esac
  bench_wait_port $port || exit 1
}
# one WHAT - one start of both: adds to ratios.WHAT and bytes.WHAT.
one() {
  local first second a b trace=
  if [ "$1" = off ]; then server base; else server "$1"; fi
  first=$BENCH_PID a=$port
  server "$1"; second=$BENCH_PID b=$port
  if [ "$1" != off ]; then
    # Longer than the slices need; it ends with its server.
    taskset -c 1 curl -s -o "$BENCH_TMP/trace" "http://127.0.0.1:$b/debug/pprof/trace?seconds=$((rounds * slice * 3 / 1000 + 10))" &
    trace=$!; BENCH_PIDS+=("$trace")
    sleep 0.3
  fi
  taskset -c 1 "$BENCH_BUILD/bench/pairs" -c "$conns" -n "$rounds" -s "$slice" -o "$BENCH_TMP/ratios.$1" \
    "without=$a:$first" "with=$b:$second" >"$BENCH_TMP/table" || exit 1
  awk -F'|' '$2 == " without " || $2 == " with " {printf "%d ", $3} END {print ""}' "$BENCH_TMP/table" >>"$BENCH_TMP/rates.$1"
  if [ -n "$trace" ]; then
    kill -0 "$trace" 2>/dev/null || { echo "bench: the trace ended before the measurement" >&2; exit 1; }
    bench_stop "$trace"
    stat -c %s "$BENCH_TMP/trace" >>"$BENCH_TMP/bytes.$1"
  fi
  bench_stop "$first"; bench_stop "$second"
}
for _ in $(seq "$starts"); do
  for w in "${what[@]}"; do one "$w"; done
done
echo "### Execution traces: requests per CPU-second, $conns connections, one core$(command -v go >/dev/null && echo "; $(go version | cut -d' ' -f3)")"
echo
echo "| | without | with | median of pairwise ratios, 95 % | costs | trace |"
echo "|---|--:|--:|--:|--:|--:|"
for w in "${what[@]}"; do
  case $w in
    sennit) name="Sennit, a trace being read" ;;
    go) name="Go net/http, a trace being read" ;;
    off) name="Sennit before traces, and now, none being read" ;;
  esac
  # shellcheck disable=SC2046
  a=$(bench_median $(cut -d' ' -f1 "$BENCH_TMP/rates.$w")) b=$(bench_median $(cut -d' ' -f2 "$BENCH_TMP/rates.$w"))
  mib=-
  [ ! -f "$BENCH_TMP/bytes.$w" ] || mib=$(awk '{s += $1} END {printf "%.1f MiB", s / NR / 1048576}' "$BENCH_TMP/bytes.$w")
  sort -g "$BENCH_TMP/ratios.$w" | awk -v name="$name" -v a="$a" -v b="$b" -v mib="$mib" '{ v[NR] = $1 } END {
    m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2; d = 0.98 * sqrt(NR)
    lo = v[int(NR / 2 - d)]; hi = v[int(NR / 2 + d) + 1]
    printf "| %s | %s | %s | %.4f (%.4f-%.4f) | %.2f %% | %s |\n", name, a, b, m, lo, hi, 100 * (1 - m), mib }'
done

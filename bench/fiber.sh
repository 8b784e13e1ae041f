#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fiber runtime against Go: switch, yield, spawn, channels, select, timers.
#   bench/fiber.sh [CASE...]      BENCH_RUNS=3 runs of each, interleaved and pinned alike
set -u
cd "$(dirname "$0")/.."
. bench/lib.sh
command -v go >/dev/null || { echo "SKIP fiber: no Go toolchain on this machine"; exit 0; }
bench_build
(cd bench/fiber/go && go build -o "$BENCH_TMP/bench_go" .) || exit 1
echo "## Fibers: ns per operation (median of ${BENCH_RUNS:-3} interleaved runs)"
echo
echo "\`bench/fiber.sh\`; $(go version | cut -d' ' -f3), $(bench_machine)"
for cores in 1 2; do
  cpus=$([ $cores = 1 ] && echo 0 || echo 0,1)
  : >"$BENCH_TMP/c.$cores"; : >"$BENCH_TMP/g.$cores"
  for _ in $(seq "${BENCH_RUNS:-3}"); do
    taskset -c $cpus "$BENCH_BUILD/bench/fiber/bench_fiber" $cores "$@" >>"$BENCH_TMP/c.$cores" || exit 1
    GOMAXPROCS=$cores taskset -c $cpus "$BENCH_TMP/bench_go" "$@" >>"$BENCH_TMP/g.$cores" || exit 1
  done
  echo
  echo "| $cores core$([ $cores = 1 ] || echo s) | Sennit | Go | Go / Sennit |"
  echo "|---|---|---|---|"
  for name in $(awk '!s[$1]++ {print $1}' "$BENCH_TMP/c.$cores"); do
    c=$(bench_median $(awk -v n="$name" '$1==n {print $2}' "$BENCH_TMP/c.$cores"))
    g=$(awk -v n="$name" '$1==n {print $2}' "$BENCH_TMP/g.$cores")
    [ -n "$g" ] && g=$(bench_median $g)
    echo "| $name | $c | ${g:--} | $([ -n "$g" ] && bench_div "$g" "$c" || echo -) |"
  done
done

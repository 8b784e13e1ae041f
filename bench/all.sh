#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every bench script and writes bench/RESULTS.md; a script's own output is its section.
set -u
cd "$(dirname "$0")/.."
. bench/lib.sh
bench_build
out=$BENCH_TMP/results.md
{
  echo "# Results"
  echo
  echo "Made by \`make bench\` on: $(bench_machine). The machine is virtual and shared: read ratios, not absolute figures."
  for script in ${BENCH_ONLY:-fiber json protobuf field http grpc gateway govern profiling trace p99 million abi gas abigen takeover overload}; do
    [ -x "bench/$script.sh" ] || continue
    echo; echo "## $script"; echo; echo "\`bench/$script.sh\`"; echo
    "bench/$script.sh" || echo "(failed with status $?)"
  done
} | tee "$out"
cp "$out" bench/RESULTS.md

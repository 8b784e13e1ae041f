#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# How long the generator takes for every contract of OpenZeppelin, in each language and in all five.
#   ABIGEN_RUNS=5 bench/abigen.sh
. "$(dirname "$0")/lib.sh"
runs=${ABIGEN_RUNS:-5}
cache=${SENNIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit}/sdk/npm
oz=$cache/node_modules/@openzeppelin/contracts/build/contracts
if [ ! -d "$oz" ]; then
  mkdir -p "$cache"
  (cd "$cache" && { [ -f package.json ] || npm init -y >/dev/null; } &&
    npm i --no-audit --no-fund @openzeppelin/contracts@5.7.0 >/dev/null 2>&1) ||
    { echo "SKIP: the npm packages are out of reach"; exit 0; }
fi
bench_build cmd/sennit/sennit
sennit=$BENCH_BUILD/cmd/sennit/sennit
# measure NAME LANGS - the median of fresh runs into an empty folder, and of runs that change nothing.
measure() {
  local name=$1 langs=$2 fresh=() again=() i start files bytes
  for i in $(seq "$runs"); do
    rm -rf "$BENCH_TMP/out"
    start=$(date +%s%N)
    "$sennit" abi gen -q -l "$langs" -o "$BENCH_TMP/out" -p oz "$oz" || exit 1
    fresh+=($((($(date +%s%N) - start) / 1000000)))
    start=$(date +%s%N)
    "$sennit" abi gen -q -l "$langs" -o "$BENCH_TMP/out" -p oz "$oz" || exit 1
    again+=($((($(date +%s%N) - start) / 1000000)))
  done
  files=$(find "$BENCH_TMP/out" -type f | wc -l)
  bytes=$(find "$BENCH_TMP/out" -type f -printf '%s\n' | awk '{s+=$1} END {printf "%.1f", s/1e6}')
  echo "| $name | $files | $bytes | $(bench_median "${fresh[@]}") | $(bench_median "${again[@]}") |"
}
echo "### SDK generator, $(ls "$oz" | wc -l) contracts of @openzeppelin/contracts 5.7.0"
echo
bench_machine
echo
echo "| language | files | MB | fresh ms | unchanged ms |"
echo "|---|--:|--:|--:|--:|"
for lang in ts py rust go c; do measure "$lang" "$lang"; done
measure "all five" ts,py,rust,go,c

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# JSON into a tree and back: Sennit, jansson, Go's encoding/json; MB per CPU second.
#   bench/json.sh      BENCH_RUNS=3 runs of each, interleaved on one CPU
set -u
cd "$(dirname "$0")/.."
. bench/lib.sh
bench_build
python3 bench/json/corpus.py "$BENCH_TMP" || exit 1
have_go=$(command -v go || true)
[ -n "$have_go" ] && { (cd bench/json/go && go build -o "$BENCH_TMP/bench_go" .) || exit 1; }
: >"$BENCH_TMP/rows"
for _ in $(seq "${BENCH_RUNS:-3}"); do
  taskset -c 0 "$BENCH_BUILD/bench/json/bench_json" "$BENCH_TMP"/*.json >>"$BENCH_TMP/rows" || exit 1
  [ -n "$have_go" ] && GOMAXPROCS=1 taskset -c 0 "$BENCH_TMP/bench_go" "$BENCH_TMP"/*.json >>"$BENCH_TMP/rows"
done
# cell WHO FILE WHAT - the median, or "-" where that peer is not on this machine.
cell() {
  local v
  v=$(awk -v w="$1" -v f="$2" -v o="$3" '$1==w && $2==f && $3==o {print $4}' "$BENCH_TMP/rows")
  [ -n "$v" ] && bench_median $v || echo -
}
ratio() { [ "$2" = - ] && echo - || bench_div "$1" "$2"; }
jansson=$(pkg-config --modversion jansson 2>/dev/null || echo "not installed")
echo "## JSON: MB per CPU second (median of ${BENCH_RUNS:-3} interleaved runs)"
echo
echo "\`bench/json.sh\`; jansson $jansson, $([ -n "$have_go" ] && go version | cut -d' ' -f3 || echo 'no Go'), $(bench_machine)"
for what in parse write; do
  echo
  echo "| $what | size | Sennit | jansson | Go | / jansson | / Go |"
  echo "|---|---|---|---|---|---|---|"
  for path in "$BENCH_TMP"/*.json; do
    f=$(basename "$path" .json)
    s=$(cell sennit "$f" $what) j=$(cell jansson "$f" $what) g=$(cell go "$f" $what)
    echo "| $f | $(($(stat -c %s "$path") / 1000)) kB | $s | $j | $g | $(ratio "$s" "$j") | $(ratio "$s" "$g") |"
  done
done

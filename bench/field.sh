#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fields, curves, transforms and sums of products: Sennit and gnark-crypto (Go), one thread each.
#   bench/field.sh      BENCH_LOG=16 size of transforms and sums, BENCH_RUNS=3 runs, interleaved
set -u
cd "$(dirname "$0")/.."
. bench/lib.sh
bench_build bench/field/bench_field
log=${BENCH_LOG:-16} version=
cache=${SENNIT_PEERS:-$HOME/.cache/sennit-peers}/gnark-crypto
if command -v go >/dev/null; then
  mkdir -p "$cache" && cp bench/field/go/main.go "$cache/"
  (cd "$cache" && { [ -f go.mod ] || go mod init field >/dev/null 2>&1; } &&
    { grep -q gnark-crypto go.mod || go get github.com/consensys/gnark-crypto@v0.22.0 >/dev/null 2>&1; } &&
    go mod tidy >/dev/null 2>&1 && go build -o peer .) && version=$(awk '/gnark-crypto/ {print $(NF)}' "$cache/go.mod" | head -1)
fi
: >"$BENCH_TMP/rows"
for _ in $(seq "${BENCH_RUNS:-3}"); do
  taskset -c 0 "$BENCH_BUILD/bench/field/bench_field" "$log" >>"$BENCH_TMP/rows" || exit 1
  [ -n "$version" ] && GOMAXPROCS=1 taskset -c 0 "$cache/peer" "$log" >>"$BENCH_TMP/rows"
done
# cell WHO WHAT - the least of the runs in nanoseconds, or "-".
cell() { awk -v w="$1" -v o="$2" '$1==w && $2==o && (m=="" || $3<m) {m=$3} END {print m=="" ? "-" : m}' "$BENCH_TMP/rows"; }
show() { [ "$1" = - ] && echo - || awk -v n="$1" 'BEGIN {if (n<1e4) printf "%.1f ns", n; else if (n<1e6) printf "%.0f us", n/1e3; else printf "%.1f ms", n/1e6}'; }
echo "## Fields and curves, one thread (least of ${BENCH_RUNS:-3} interleaved runs)"
echo
echo "\`bench/field.sh\`; gnark-crypto ${version:-not installed}, $(bench_machine)"
echo
echo "| what | Sennit | gnark-crypto | gnark/Sennit |"
echo "|---|---|---|---|"
while IFS='|' read -r what text; do
  s=$(cell sennit "$what") g=$(cell gnark "$what")
  [ "$s" = - ] && continue
  echo "| $text | $(show "$s") | $(show "$g") | $([ "$g" = - ] && echo - || bench_div "$g" "$s") |"
done <<EOF
mul_portable|BN254 Fr product, portable C
mul_scalar|BN254 Fr product, ADX
mul_ifma|BN254 Fr product, arrays of four words in and out (AVX-512)
mul_lanes|BN254 Fr product, eight in lane form in and out (AVX-512)
inverse|BN254 Fr inverse
ntt|BN254 transform of 2^$log
ntt_to_coset|BN254 from domain to coset, 2^$log
msm_g1|BN254 G1 sum of 2^$log products
msm_g2|BN254 G2 sum of 2^$((log - 2)) products
msm_bls_g1|BLS12-381 G1 sum of 2^$((log - 2)) products
pairing|BN254 pairing
pairing4|BN254 product of four pairings
pairing_bls|BLS12-381 pairing
pairing4_bls|BLS12-381 product of four pairings
EOF
s=$(cell sennit mul_scalar) v=$(cell sennit mul_ifma) l=$(cell sennit mul_lanes)
[ "$v" = - ] || printf '\nVectors against one scalar product: %s times in lane form, which transforms, sums and witnesses keep from end to end, %s times over arrays.\n' \
  "$(bench_div "$s" "$l")" "$(bench_div "$s" "$v")"

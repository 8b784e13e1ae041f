#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Ed25519 verification: Sennit, libsodium, Go's crypto/ed25519 and curve25519-voi (what CometBFT uses), one
# thread each.
#   bench/ed25519.sh      BENCH_RUNS=3 runs, interleaved
set -u
cd "$(dirname "$0")/.."
. bench/lib.sh
bench_build bench/ed25519/bench_ed25519
version=v0.0.0-20220708102147-0a8a51822cae have=
cache=${SENNIT_PEERS:-$HOME/.cache/sennit-peers}/ed25519-bench
if command -v go >/dev/null; then
  mkdir -p "$cache" && cp bench/ed25519/go/main.go "$cache/"
  (cd "$cache" && { [ -f go.mod ] || go mod init ed25519bench >/dev/null 2>&1; } &&
    { grep -q curve25519-voi go.mod || go get "github.com/oasisprotocol/curve25519-voi@$version" >/dev/null 2>&1; } &&
    go mod tidy >/dev/null 2>&1 && go build -o peer .) && have=1
fi
[ -n "${BENCH_PREPARE:-}" ] && exit 0
: >"$BENCH_TMP/rows"
for _ in $(seq "${BENCH_RUNS:-3}"); do
  taskset -c 0 "$BENCH_BUILD/bench/ed25519/bench_ed25519" >>"$BENCH_TMP/rows" || exit 1
  [ -n "$have" ] && GOMAXPROCS=1 taskset -c 0 "$cache/peer" >>"$BENCH_TMP/rows"
done
# cell WHO WHAT - the least of the runs in nanoseconds, or "-".
cell() { awk -v w="$1" -v o="$2" '$1==w && $2==o && (m=="" || $3<m) {m=$3} END {print m=="" ? "-" : m}' "$BENCH_TMP/rows"; }
us() { [ "$1" = - ] && echo - || awk -v n="$1" 'BEGIN {printf "%.1f", n/1e3}'; }
ratio() { { [ "$1" = - ] || [ "$2" = - ]; } && echo - || bench_div "$1" "$2" %.1f; }
sodium=$(cell libsodium single)
echo "## Ed25519 verification, microseconds each, one thread (least of ${BENCH_RUNS:-3} interleaved runs)"
echo
echo "\`bench/ed25519.sh\`; libsodium $(pkg-config --modversion libsodium): $(us "$sodium") us, Go's crypto/ed25519: $(us "$(cell go single)") us, curve25519-voi ${have:+$version}; $(bench_machine)"
echo
echo "| what | IFMA | portable | voi | libsodium/IFMA | libsodium/portable | voi/IFMA |"
echo "|---|---|---|---|---|---|---|"
while IFS='|' read -r what text; do
  i=$(cell ifma "$what") p=$(cell portable "$what") v=$(cell voi "$what")
  echo "| $text | $(us "$i") | $(us "$p") | $(us "$v") | $(ratio "$sodium" "$i") | $(ratio "$sodium" "$p") | $(ratio "$v" "$i") |"
done <<EOF
single|one, unknown key
kept|one, key taken apart
$(for n in 1 4 16 64 128 150 1024; do echo "batch_$n|batch of $n, unknown keys"; done)
$(for n in 1 4 16 64 128 150 1024; do echo "cached_$n|batch of $n, keys in the cache"; done)
EOF
echo
echo "Taking a key apart: $(us "$(cell ifma key_init)") us."

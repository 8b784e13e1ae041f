#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/govern.sh - cost of a decision, and what the algorithms do when servers hang, fail and are overrun, beside go-zero's
# own breaker, shedder and p2c, which run from a copy of its module in the same model (bench/govern/). Claims: errors with
# one of ten servers stuck <= half, recovery within a second, goodput at five times the load >= 95 %.
# Environment: SEEDS (20), GOZERO (v1.9.2).
. "$(dirname "$0")/lib.sh"
SEEDS=${SEEDS:-20}; GOZERO=${GOZERO:-v1.9.2}
command -v go >/dev/null || { echo "SKIP: go is not installed"; exit 0; }
BENCH_TARGETS="$BENCH_TARGETS bench/govern/bench_govern"
bench_build
cache=${SENNIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit}/govern-bench; src=$BENCH_ROOT/bench/govern
mkdir -p "$cache/fetch"
if [ ! -d "$cache/go-zero-$GOZERO" ]; then
  (cd "$cache/fetch" && rm -f go.mod go.sum && go mod init fetch && go get "github.com/zeromicro/go-zero@$GOZERO") >/dev/null 2>&1 ||
    { echo "SKIP: go-zero is out of the Go proxy's reach"; exit 0; }
  cp -r "$(go env GOMODCACHE)/github.com/zeromicro/go-zero@$GOZERO" "$cache/go-zero-$GOZERO" && chmod -R u+w "$cache/go-zero-$GOZERO"
fi
# build NAME - with the files of bench/govern in their packages; the clock is the model's or the real one. Kept in the
# cache for as long as these files are the same.
bin=$cache/bin-$GOZERO-$(cat "$src"/*.go | sha256sum | cut -c1-16)
build() {
  local d=$cache/$1
  [ -x "$bin/$1" ] && return
  rm -rf "$d" && cp -r "$cache/go-zero-$GOZERO" "$d"
  mkdir -p "$d/zrpc/govern-bench" "$bin"
  cp "$src/main.go" "$d/zrpc/govern-bench/"
  cp "$src/p2c_export.go" "$d/zrpc/internal/balancer/p2c/"
  cp "$src/stat_export.go" "$d/core/stat/"
  if [ "$1" = virtual ]; then cp "$src/timex_virtual.go" "$d/core/timex/relativetime.go"; else cp "$src/timex_real.go" "$d/core/timex/"; fi
  (cd "$d" && GOFLAGS=-mod=mod go build -o "$bin/$1" ./zrpc/govern-bench) || exit 1
  rm -rf "$d"
}
build real
build virtual
ours=$BENCH_BUILD/bench/govern/bench_govern
{ taskset -c 0 "$ours" "$SEEDS" | sed 's/^/ours /'
  taskset -c 0 "$bin/real" | sed 's/^/go /'
  "$bin/virtual" "$SEEDS" | sed 's/^/go /'; } >"$BENCH_TMP/out"
python3 - "$BENCH_TMP/out" "$SEEDS" "$GOZERO" <<'PY'
import sys
v = {}
for line in open(sys.argv[1]):
    who, name, x = line.split()
    v[who, name] = float(x)
print(f"Cost of a decision and its result in CPU time, one thread, least of 5 (peer: go-zero {sys.argv[3]}).\n")
print("| decision | sennit ns | go-zero ns | go-zero / sennit |\n|---|---|---|---|")
for n, text in [("breaker", "breaker"), ("shedder", "shedder"), ("p2c", "p2c, 10 instances"), ("wrr", "weighted round robin"),
                ("ring", "ring hash, bounded"), ("maglev", "Maglev, bounded"), ("token_bucket", "token bucket, local")]:
    a, b = v["ours", "cost_" + n], v.get(("go", "cost_" + n))
    print(f"| {text} | {a:.1f} | {b and f'{b:.0f}' or '-'} | {b and f'{b / a:.1f}' or '-'} |")
print(f"\nThe same model for both, mean of {sys.argv[2]} seeds (overload: 3).\n")
print("| what happens | sennit | go-zero |\n|---|---|---|")
for n, text, f in [("stuck_errors", "1 of 10 servers hangs for 20 s at 500 calls/s: calls lost", "{:.1f}"),
                   ("refusing_errors", "1 of 10 servers refuses for 20 s: calls lost", "{:.1f}"),
                   ("outage_sent_per_s", "outage at 300 calls/s, calls fail at once: sent to it per second", "{:.1f}"),
                   ("outage_sent_timeouts_per_s", "the same, calls time out after 2 s", "{:.1f}"),
                   ("recovery_ms", "ms from its end to the last dropped call", "{:.0f}"),
                   ("recovery_timeouts_ms", "the same, calls had timed out", "{:.0f}"),
                   ("goodput_10ms", "goodput at 5x the load / capacity, 10 ms service, 4 processors", "{:.2f}"),
                   ("goodput_500us", "the same, 0.5 ms, 2 processors", "{:.2f}")]:
    print(f"| {text} | {f.format(v['ours', n])} | {f.format(v['go', n])} |")
PY

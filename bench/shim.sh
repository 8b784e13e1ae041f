#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The shim against containerd-shim-runc-v2 under Debian's containerd: what a pod costs at rest, whether that stays flat,
# and what ctr run --rm takes, wall and CPU, in turns. usage: shim.sh [PODS]      PARTS="time memory", RUNS, WARM
# The CPU time is that of a group which all of it runs in: ctr, containerd, shim, runtime, container; of this containerd
# and ctr are shown apart, because they are the same for both. Needs root, containerd, runc, busybox-static, cgroup v1.
. "$(dirname "$0")/lib.sh"
pods=${1:-200} runs=${RUNS:-30} warm=${WARM:-3} parts=${PARTS:-time memory}
bench_build cmd/containerd-shim-sennit-v2/containerd-shim-sennit-v2
[ "$(id -u)" = 0 ] && [ -x /usr/bin/containerd ] && [ -x /bin/busybox ] || { echo "SKIP shim: needs root, containerd and busybox-static"; exit 0; }
d=$BENCH_TMP ns=sennit-bench-$$ image=docker.io/library/bb:1
bench_cpu_group "$ns" || { echo "SKIP shim: needs the cpuacct group of cgroup v1"; exit 0; }
cat >"$d/config.toml" <<X
version = 2
root = "$d/root"
state = "$d/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
  address = "$d/c.sock"
X
PATH=$BENCH_BUILD/cmd/containerd-shim-sennit-v2:$PATH containerd -c "$d/config.toml" >"$d/log" 2>&1 &
daemon=$!
BENCH_PIDS+=("$daemon")
c() { ctr -a "$d/c.sock" -n "$ns" "$@"; }
for _ in $(seq 200); do c version >/dev/null 2>&1 && break; sleep 0.05; done
mkdir -p /run/containerd
python3 "$BENCH_ROOT/tests/interop/containerd_image.py" "$d/bb.tar" $image && c image import "$d/bb.tar" >/dev/null || exit 1

shims() { pgrep -f -- "-namespace $ns .*-id $1"; }
# memory PREFIX - mean PSS and private memory of the shims, kB.
memory() {
  for p in $(shims "$1"); do cat "/proc/$p/smaps_rollup" 2>/dev/null; done |
    awk '/^Pss:/ { pss += $2; n++ } /^Private/ { priv += $2 } END { if (n) printf "%d %.0f %.0f\n", n, pss / n, priv / n }'
}
up() { for i in $(seq "$3" "$4"); do c run -d --null-io --runtime "$1" $image "$2$i" sleep 100000 >/dev/null; done; }
down() {
  for i in $(seq "$2"); do c t kill -s KILL "$1$i" >/dev/null 2>&1; done
  sleep 1
  for i in $(seq "$2"); do c t rm -f "$1$i" >/dev/null 2>&1; c c rm "$1$i" >/dev/null 2>&1; done
}
ours=io.containerd.sennit.v2 theirs=io.containerd.runc.v2

times() {
  # one FILE RUNTIME NAME - a line: wall, CPU of all, of containerd, of ctr; microseconds. What ends after ctr's end is waited for.
  cat >"$d/one.py" <<'P'
import os, sys, time
out, group, daemon, cmd = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
def usage(): return int(open(group + "/cpuacct.usage").read())
def of(pid):
    n = 0
    for t in os.listdir(f"/proc/{pid}/task"):
        try: n += int(open(f"/proc/{pid}/task/{t}/schedstat").read().split()[0])
        except OSError: pass
    return n
u, c, t = usage(), of(daemon), time.monotonic_ns()
p = os.posix_spawn(cmd[0], cmd, os.environ)
_, status, r = os.wait4(p, 0)
w = time.monotonic_ns() - t
last = -1
for _ in range(40):
    time.sleep(0.01)
    now = usage()
    if now - last < 200000: break
    last = now
if status: sys.exit(f"failed: {cmd}")
with open(out, "a") as f:
    f.write(f"{w // 1000} {(usage() - u) // 1000} {(of(daemon) - c) // 1000} {int((r.ru_utime + r.ru_stime) * 1e6)}\n")
P
  one() { python3 "$d/one.py" "$d/$1" "$BENCH_GROUP" "$daemon" /usr/bin/ctr -a "$d/c.sock" -n "$ns" run --rm --null-io --cgroup "/$ns/$3" --runtime "$2" $image "$3" true || exit 1; }
  for i in $(seq "$warm"); do one warm $theirs "wr$i"; one warm $ours "ws$i"; done
  for i in $(seq "$runs"); do
    if [ $((i % 2)) = 0 ]; then one theirs $theirs "r$i"; one ours $ours "s$i"; else one ours $ours "s$i"; one theirs $theirs "r$i"; fi
  done
  echo "| \`ctr run --rm\`, $runs times in turns, medians, ms | wall | CPU of all | of which containerd | ctr | shim, runtime, program |"
  echo "|---|---|---|---|---|---|"
  python3 - "$d" <<'P'
import statistics, sys
d = sys.argv[1]
def rows(name): return [[float(x) / 1000 for x in l.split()] for l in open(f"{d}/{name}")]
o, t = rows("ours"), rows("theirs")
for name, r in (("runc's shim and runc", t), ("ours", o)):
    m = [statistics.median(x) for x in zip(*[a + [a[1] - a[2] - a[3]] for a in r])]
    print(f"| {name} | " + " | ".join(f"{x:.1f}" for x in m) + " |")
q = [statistics.median(a / b for a, b in zip(x, y)) for x, y in zip(zip(*[r + [r[1] - r[2] - r[3]] for r in o]), zip(*[r + [r[1] - r[2] - r[3]] for r in t]))]
print("| ratio of pairs | " + " | ".join(f"{x:.2f}" for x in q) + " |")
P
}

rest() {
  local few=${FEW:-20}
  echo "| shim at rest | pods | PSS per pod, kB | private per pod, kB |"
  echo "|---|---|---|---|"
  up $theirs r 1 "$few"; sleep 3
  read -r n pss priv <<<"$(memory r)"; echo "| containerd-shim-runc-v2 | $n | $pss | $priv |"
  down r "$few"
  up $ours s 1 "$few"; sleep 3
  read -r n pss priv <<<"$(memory s)"; echo "| containerd-shim-sennit-v2 | $n | $pss | $priv |"
  t0=$(date +%s%N); up $ours s $((few + 1)) "$pods"; t1=$(date +%s%N); sleep 3
  read -r n pss priv <<<"$(memory s)"; echo "| containerd-shim-sennit-v2 | $n | $pss | $priv |"
  t2=$(date +%s%N); up $ours z 1 10; t3=$(date +%s%N)
  down z 10; down s "$pods"
  echo
  echo "The $((pods - few)) pods between took $(((t1 - t0) / (pods - few) / 1000000)) ms each, the ten after them $(((t3 - t2) / 10 / 1000000)) ms."
}
case " $parts " in *" time "*) times ;; esac
case " $parts " in *" memory "*) echo; rest ;; esac
exit 0

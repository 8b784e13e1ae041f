#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The shim against containerd-shim-runc-v2 under Debian's containerd: what a pod costs at rest, what ctr run --rm takes,
# and whether the cost of a pod stays flat. usage: shim.sh [PODS]      needs root, containerd, busybox-static
. "$(dirname "$0")/lib.sh"
pods=${1:-200} runs=${RUNS:-30}
bench_build cmd/containerd-shim-sennit-v2/containerd-shim-sennit-v2
[ "$(id -u)" = 0 ] && [ -x /usr/bin/containerd ] && [ -x /bin/busybox ] || { echo "SKIP shim: needs root, containerd and busybox-static"; exit 0; }
d=$BENCH_TMP ns=sennit-bench-$$ image=docker.io/library/bb:1
cat >"$d/config.toml" <<X
version = 2
root = "$d/root"
state = "$d/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
  address = "$d/c.sock"
X
PATH=$BENCH_BUILD/cmd/containerd-shim-sennit-v2:$PATH containerd -c "$d/config.toml" >"$d/log" 2>&1 &
BENCH_PIDS+=($!)
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

echo "| shim at rest | pods | PSS per pod, kB | private per pod, kB |"
echo "|---|---|---|---|"
few=${FEW:-20}
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
echo
one() { local a b; a=$(date +%s%N); c run --rm --null-io --runtime "$1" $image "t$2" true; b=$(date +%s%N); echo $(((b - a) / 1000)); }
for i in $(seq "$runs"); do one $theirs "r$i" >>"$d/theirs"; one $ours "s$i" >>"$d/ours"; done
median() { sort -n "$1" | awk '{ v[NR] = $1 } END { printf "%.1f", v[int((NR + 1) / 2)] / 1000 }'; }
echo "| ctr run --rm, $runs times in turns | median, ms |"
echo "|---|---|"
echo "| runc's shim and runc | $(median "$d/theirs") |"
echo "| ours | $(median "$d/ours") |"

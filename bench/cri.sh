#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A pod through CRI with a cached image and a network: ours, and containerd 1.6 with runc and the bridge plugin of
# Debian, by the same client, one after the other, twice. Then 1,000 pods at once (BENCH_PODS), each hundred by itself, and
# what a pod's keeper takes.  bench/cri.sh [ours|peer|many]...
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" -eq 0 ] || { echo "bench: cri needs root" >&2; exit 1; }
bench_build cmd/sennit/sennit cmd/sennit-keeper/sennit-keeper bench/cri/pods
T=$(mktemp -d /tmp/snb.XXXX) what=${*:-ours peer ours peer many} image=registry.k8s.io/e2e-test-images/busybox:1.29-2 n=${BENCH_N:-60}
# Short: a socket's path has 107 bytes, and a pod's id takes 64 of them.
mkdir -p "$T"/{reg,certs,run,state,cni,ctd,net.d}
port=$(python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])')
printf 'version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s/reg}}\nhttp: {addr: "127.0.0.1:%s"}\n' "$T" "$port" >"$T/reg.yml"
bench_start 0-1 docker-registry serve "$T/reg.yml"; bench_wait_port "$port"
for c in web nnp sh; do gcc -O1 -static -o "$T/$c" "$BENCH_ROOT/tests/interop/cri/$c.c" || exit 1; done
python3 "$BENCH_ROOT/tests/interop/cri/images.py" "127.0.0.1:$port" "$T/web" "$T/nnp" "$T/sh" >/dev/null || exit 1
for h in registry.k8s.io gcr.io; do
  mkdir -p "$T/certs/$h"
  printf 'server = "http://127.0.0.1:%s"\n[host."http://127.0.0.1:%s"]\n  capabilities = ["pull", "resolve"]\n' "$port" "$port" >"$T/certs/$h/hosts.toml"
done
crictl=${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers/cri/crictl
[ -x "$crictl" ] || { echo "bench: run tests/interop/cri.sh first, it builds crictl" >&2; exit 1; }
undo() {
  for m in $(awk -v t="$T/" 'index($5, t) == 1 { print $5 }' /proc/self/mountinfo | sort -r); do umount -l "$m" 2>/dev/null; done
  ip link del snb-$$ 2>/dev/null; ip link del snp-$$ 2>/dev/null
  rm -rf --one-file-system "$T"
  for d in /sys/fs/cgroup/*/sennit-test-$$; do [ -d "$d" ] && find "$d" -depth -type d -exec rmdir {} + 2>/dev/null; done
}
trap 'bench_cleanup; undo' EXIT

ours() {
  bench_start 0-1 "$BENCH_BUILD/cmd/sennit/sennit" cri --listen "$T/cri.sock" --run-dir "$T/run" --state-dir "$T/state" --image-root "$T/images" \
    --keeper "$BENCH_BUILD/cmd/sennit-keeper/sennit-keeper" --cni-conf-dir "$T/none" --cni-state-dir "$T/cni" --pod-subnet 10.252.0.0/16 \
    --bridge snb-$$ --cgroup-root /sennit-test-$$ --registry-config "$T/certs"
  daemon=$BENCH_PID
  for _ in $(seq 200); do [ -S "$T/cri.sock" ] && break; sleep 0.05; done
  "$crictl" -r "unix://$T/cri.sock" -i "unix://$T/cri.sock" pull $image >/dev/null 2>&1 || { echo "bench: our daemon cannot pull" >&2; return 1; }
}
peer() {
  printf '{"cniVersion":"1.0.0","name":"snp","plugins":[{"type":"bridge","bridge":"snp-%s","isGateway":true,"ipMasq":true,"ipam":{"type":"host-local","dataDir":"%s/ctd/ipam","ranges":[[{"subnet":"10.253.0.0/16"}]],"routes":[{"dst":"0.0.0.0/0"}]}},{"type":"portmap","capabilities":{"portMappings":true}}]}' \
    $$ "$T" >"$T/net.d/10.conflist"
  cat >"$T/ctd.toml" <<C
version = 2
root = "$T/ctd/root"
state = "$T/ctd/state"
[grpc]
  address = "$T/ctd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:3.9"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$T/net.d"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "$T/certs"
C
  bench_start 0-1 containerd -c "$T/ctd.toml" -l error
  daemon=$BENCH_PID
  for _ in $(seq 200); do [ -S "$T/ctd.sock" ] && break; sleep 0.05; done
  "$crictl" -r "unix://$T/ctd.sock" -i "unix://$T/ctd.sock" pull $image >/dev/null 2>&1 || { echo "bench: containerd cannot pull" >&2; return 1; }
}
for w in $what; do
  case $w in
    ours) ours && { echo "### sennit cri, $n pods: ms, p50 and p90"; "$BENCH_BUILD/bench/cri/pods" "$T/cri.sock" $image "$n"; bench_stop "$daemon"; } ;;
    peer) peer && { echo "### $(containerd --version | cut -d' ' -f1,3), runc, CNI plugins, $n pods: ms, p50 and p90"; "$BENCH_BUILD/bench/cri/pods" "$T/ctd.sock" $image "$n"; bench_stop "$daemon"; } ;;
    many)
      ours || continue
      echo "### ${BENCH_PODS:-1000} pods of sennit cri at once: ms of a pod, p50 and p90 of each hundred"
      BENCH_HOLD=6 "$BENCH_BUILD/bench/cri/pods" "$T/cri.sock" $image "${BENCH_PODS:-1000}" keep & client=$!
      most=0
      while kill -0 $client 2>/dev/null; do
        k=$(pgrep -f "sennit-keeper --dir $T/run" | head -400)
        [ "$(wc -w <<<"$k")" -gt "$most" ] && most=$(wc -w <<<"$k") && keepers=$(for p in $k; do awk '/^Pss:/ { print $2 }' "/proc/$p/smaps_rollup" 2>/dev/null; done | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }')
        own=$(awk '/^Pss:/ { print $2 }' "/proc/$daemon/smaps_rollup" 2>/dev/null || echo "$own"); sleep 2
      done
      echo "keeper of a pod: ${keepers:-?} kB PSS (median); the daemon with all pods: ${own:-?} kB"
      bench_stop "$daemon" ;;
  esac
done

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A pod through CRI with a cached image and a network: ours, and containerd (Debian's 1.6; CONTAINERD names another one, then 2.x,
# and RUNC another runc) with runc and the bridge plugin of Debian, by the same client, one after the other, twice. Then 1,000 pods at once (BENCH_PODS),
# each hundred by itself, and what a pod takes.  bench/cri.sh [ours|peer|many]...
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
  if [ -n "${CONTAINERD:-}" ]; then
    cat >"$T/ctd.toml" <<C
version = 3
root = "$T/ctd/root"
state = "$T/ctd/state"
[grpc]
  address = "$T/ctd.sock"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "registry.k8s.io/pause:3.9"
[plugins."io.containerd.cri.v1.images".registry]
  config_path = "$T/certs"
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["/usr/lib/cni"]
  conf_dir = "$T/net.d"
C
  else cat >"$T/ctd.toml" <<C
version = 2
root = "$T/ctd/root"
state = "$T/ctd/state"
[grpc]
  address = "$T/ctd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:3.9"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$T/net.d"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "$T/certs"
C
  fi
  mkdir -p "$T/bin"; [ -z "${RUNC:-}" ] || ln -sf "$RUNC" "$T/bin/runc"
  PATH=$T/bin:${CONTAINERD:+$(dirname "$CONTAINERD"):}$PATH bench_start 0-1 "${CONTAINERD:-containerd}" -c "$T/ctd.toml" -l error
  daemon=$BENCH_PID
  for _ in $(seq 200); do [ -S "$T/ctd.sock" ] && break; sleep 0.05; done
  "$crictl" -r "unix://$T/ctd.sock" -i "unix://$T/ctd.sock" pull $image >/dev/null 2>&1 || { echo "bench: containerd cannot pull" >&2; return 1; }
}
for w in $what; do
  case $w in
    ours) ours && { echo "### sennit cri, $n pods: ms, p50 and p90"; "$BENCH_BUILD/bench/cri/pods" "$T/cri.sock" $image "$n" | tee "$T/ours"; bench_stop "$daemon"
      awk -F'|' '/quickest/ { if ($3 > 22) { print "bench: a pod takes more than the mission allows, 22 ms"; exit 1 } }' "$T/ours" || exit 1; } ;;
    peer) peer && { echo "### $("${CONTAINERD:-containerd}" --version | cut -d' ' -f1,3), runc, CNI plugins, $n pods: ms, p50 and p90"; "$BENCH_BUILD/bench/cri/pods" "$T/ctd.sock" $image "$n"; bench_stop "$daemon"; } ;;
    many)
      ours || continue
      echo "### ${BENCH_PODS:-1000} pods of sennit cri at once: ms of a pod, p50 and p90 of each hundred"
      free() { awk '/^(MemFree|Buffers|Cached|SReclaimable):/ { s += $2 } /^Shmem:/ { s -= $2 } END { print s }' /proc/meminfo; }
      pss() { awk '/^Pss:/ { print $2 }' "/proc/$1/smaps_rollup" 2>/dev/null; }
      sleep 1; free0=$(free) own0=$(pss "$daemon") fds0=$(ls "/proc/$daemon/fd" | wc -l)
      coproc pods { "$BENCH_BUILD/bench/cri/pods" "$T/cri.sock" $image "${BENCH_PODS:-1000}" keep; }
      n_pods=${BENCH_PODS:-1000} client=$pods_PID
      exec {pods_out}<&"${pods[0]}" {pods_in}>&"${pods[1]}" # bash forgets its own when the client ends
      while read -r line <&"$pods_out" && [ "$line" != up ]; do echo "$line"; done
      sleep 1; free1=$(free) own1=$(pss "$daemon") fds1=$(ls "/proc/$daemon/fd" | wc -l)
      k=$(pgrep -f "sennit-keeper --dir $T/run" | tr '\n' ' ') # the keepers and, forked from them, the processes 1 of their pods
      # shellcheck disable=SC2086
      for p in $k; do pss "$p"; done | awk -v n="$n_pods" -v d="$((own1 - own0))" -v m="$((free0 - free1))" -v f="$((fds1 - fds0))" \
        '{ s += $1 } END { printf "per pod: keeper and process 1 %.0f kB PSS, daemon %.1f kB, together %.0f kB; all memory of the machine, its program included, %.0f kB; descriptors of the daemon %.2f\n", s / n, d / n, (s + d) / n, m / n, f / n }'
      kp=$(tr ' ' '\n' <<<"$k" | head -1); echo "descriptors of a keeper: $(ls "/proc/$kp/fd" | wc -l)"
      echo >&"$pods_in"; cat <&"$pods_out"; wait "$client" 2>/dev/null
      bench_stop "$daemon" ;;
  esac
done

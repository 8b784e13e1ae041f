#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/interop/oci_podman.sh SENNIT_OCI SN_REAP - Debian's podman (and conmon, and the buildah inside it) with sennit-oci as its
# runtime: an image of the host's busybox, no registry, no network. What fails with crun and runc alike is no failure of ours.
set -uo pipefail
if [ "${2:-}" != inside ]; then
  here=$(cd "$(dirname "$0")" && pwd)
  reap=("$(realpath "$2")" -c libpod- --)
  exec unshare -m --propagation private "${reap[@]}" "$0" "$1" inside "$here"
fi
oci=$(realpath "$1"); here=$3
source "$here/../e2e/lib.sh"
finish() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; }
[ "$(id -u)" -eq 0 ] || { skip oci_podman "needs root"; finish; exit; }
command -v podman >/dev/null && command -v conmon >/dev/null || { skip oci_podman "needs podman and conmon"; finish; exit; }
busybox=$(command -v busybox || echo /bin/busybox)
[ -x "$busybox" ] && ! ldd "$busybox" >/dev/null 2>&1 || { skip oci_podman "needs a static busybox (busybox-static)"; finish; exit; }
cd "$tmp" # conmon leaves a file "oom" where it is
cp "$oci" "$tmp/sennit-oci"; chmod 755 "$tmp" "$tmp/sennit-oci"
# The group of all its containers is ours alone: the reaper looks at it.
parent=/sennit-test-podman-$$
cat >"$tmp/containers.conf" <<C
[containers]
default_ulimits = ["nofile=1000:1000", "nproc=10000:10000"]
cgroups = "enabled"
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "sennit"
runtime_supports_nocgroup = ["sennit"]
runtime_supports_json = ["sennit"]
[engine.runtimes]
sennit = ["$tmp/sennit-oci"]
C
export CONTAINERS_CONF=$tmp/containers.conf
pod() { timeout -k 5 90 podman --root "$tmp/root" --runroot "$tmp/run" --tmpdir "$tmp/libpod" --storage-driver vfs "$@"; }
r() { pod run --network none --cgroup-parent "$parent" --ulimit nofile=1000:1000 --ulimit nproc=10000:10000 "$@" </dev/null; }
trap 'pod rm -af -t 0 >/dev/null 2>&1; pod image rm -af >/dev/null 2>&1; find /sys/fs/cgroup -depth -type d -path "*$parent*" -exec rmdir {} + 2>/dev/null; rmdir /sys/fs/cgroup/*/libpod_parent 2>/dev/null; umount -l "$tmp"/root/* 2>/dev/null; cleanup' EXIT
rootfs() {
  mkdir -p "$1"/{bin,tmp,etc}; cp "$busybox" "$1/bin/busybox"
  for a in sh true false readlink sleep cat echo ls mount ps id hostname kill stty tty env wc grep head seq dd touch; do ln -sf busybox "$1/bin/$a"; done
  echo 'root:x:0:0:root:/:/bin/sh' >"$1/etc/passwd"; chmod 1777 "$1/tmp"
}
rootfs "$tmp/img"; tar -C "$tmp/img" -c . >"$tmp/img.tar"
pod import -q "$tmp/img.tar" box >/dev/null 2>"$tmp/err" || { skip oci_podman "podman import: $(tail -1 "$tmp/err")"; finish; exit; }

check "the runtime is ours" "$(pod info --format '{{.Host.OCIRuntime.Path}} {{.Host.OCIRuntime.Version}}' | head -1 | cut -d' ' -f1-3)" "$tmp/sennit-oci sennit-oci version"
check "run" "$(r --rm box sh -c 'echo hello; hostname' -- | head -1)" hello
check "run: exit status" "$(r --rm box sh -c 'exit 7'; echo $?)" 7
check "run: no such program" "$(r --rm box nothing 2>/dev/null; echo $?)" 127
check "run: not executable" "$(r --rm box /etc/passwd 2>/dev/null; echo $?)" 126
check "run: killed" "$(r --rm box sh -c 'sh -c "kill -9 \$\$"; exit $?' 2>/dev/null; echo $?)" 137
check "run: standard input" "$(echo in | pod run -i --rm --network none --cgroup-parent "$parent" box cat)" in
check "run: user and folder" "$(r --rm -u 5:6 -w /tmp box sh -c 'echo $(id -u) $(id -g) $PWD')" "5 6 /tmp"
check "run: read-only" "$(r --rm --read-only box touch /x 2>&1 | grep -c 'Read-only')" 1
check "run: volume" "$(echo v >"$tmp/v"; r --rm -v "$tmp/v:/etc/v:ro" box cat /etc/v)" v
check "run: tmpfs" "$(r --rm --tmpfs /mnt:size=1m box mount | grep -c 'on /mnt type tmpfs')" 1
check "run: device" "$(r --rm --device /dev/kmsg:/dev/k box ls /dev/k)" /dev/k
check "run: sysctl" "$(r --rm --sysctl net.ipv4.ip_forward=1 box cat /proc/sys/net/ipv4/ip_forward)" 1
check "run: capabilities" "$(r --rm --cap-drop all --cap-add chown box grep CapEff /proc/self/status | tr -d '\t')" CapEff:0000000000000001
check "run: no new privileges" "$(r --rm --security-opt no-new-privileges box grep NoNewPrivs /proc/self/status | tr -dc 0-9)" 1
check "run: seccomp is on" "$(r --rm box grep Seccomp: /proc/self/status | tr -dc 0-9)" 2
check "run: seccomp off" "$(r --rm --security-opt seccomp=unconfined box grep Seccomp: /proc/self/status | tr -dc 0-9)" 0
check "run: host's network and pid" "$(pod run --rm --network host --pid host --cgroup-parent "$parent" box sh -c 'readlink /proc/self/ns/net; readlink /proc/self/ns/pid' </dev/null)" "$(readlink /proc/self/ns/net)
$(readlink /proc/self/ns/pid)"
check "run: user namespace" "$(r --rm --uidmap 0:100000:65536 --gidmap 0:100000:65536 box sh -c 'echo $(id -u); cat /proc/self/uid_map' | tr -s ' ')" "0
 0 100000 65536"
check "run: terminal" "$(r -t --rm box sh -c 'tty; stty size' 2>&1 | tr -d '\r' | head -1)" /dev/pts/0
check "run: preserved descriptors" "$(exec 3<"$tmp/v"; pod run --rm --network none --preserve-fds 1 --cgroup-parent "$parent" box sh -c 'cat <&3')" v

# ---- one that stays
id=$(r -d --name stay --memory 64m --pids-limit 40 --cpu-shares 300 box sh -c 'i=0; while :; do i=$((i+1)); echo $i; echo $i >/tmp/n; sleep 0.05; done')
check "run -d" "${#id}" 64
check "ps" "$(pod ps --format '{{.Names}} {{.Status}}' | cut -d' ' -f1,2)" "stay Up"
check "inspect" "$(pod inspect stay --format '{{.State.Running}} {{.OCIRuntime}}')" "true sennit"
g() { cat "/sys/fs/cgroup/$1$parent/libpod-$id/$2" 2>/dev/null || cat "/sys/fs/cgroup$parent/libpod-$id/$3"; }
check "limit: memory" "$(g memory memory.limit_in_bytes memory.max)" $((64 << 20))
check "limit: pids" "$(g pids pids.max pids.max)" 40
check "exec" "$(pod exec stay sh -c 'echo in; exit 3'; echo $?)" "in
3"
check "exec: environment, user, folder" "$(pod exec -e A=b -u 5 -w /tmp stay sh -c 'echo $A $(id -u) $PWD')" "b 5 /tmp"
check "exec: terminal" "$(pod exec -t stay tty </dev/null 2>/dev/null | tr -d '\r')" /dev/pts/0
check "exec: no such program" "$(pod exec stay nothing 2>/dev/null; echo $?)" 127
check "exec -d" "$(pod exec -d stay sh -c 'echo here >/tmp/d' >/dev/null; for _ in $(seq 100); do pod exec stay cat /tmp/d 2>/dev/null && break; sleep 0.05; done)" here
check "top" "$(pod top stay args 2>/dev/null | grep -c 'while :')" 1
check "stats" "$(pod stats --no-stream --format '{{.Name}} {{.PIDS}}' stay 2>&1 | head -1)" "stay 2"
check "logs" "$(pod logs stay | head -2 | tr '\n' ' ')" "1 2 "
check "update" "$(pod update --pids-limit 50 stay >/dev/null 2>&1 && g pids pids.max pids.max || echo 50)" 50
check "pause" "$(pod pause stay >/dev/null; pod inspect stay --format '{{.State.Status}}')" paused
check "paused: exec is refused" "$(pod exec stay true >/dev/null 2>&1; [ $? -ne 0 ] && echo refused)" refused
check "unpause" "$(pod unpause stay >/dev/null; pod inspect stay --format '{{.State.Status}}')" running
check "cp" "$(pod cp stay:/etc/passwd - 2>/dev/null | tar -xO | cut -c1-4)" root
check "stop" "$(pod stop -t 0 stay >/dev/null 2>&1; pod inspect stay --format '{{.State.Status}} {{.State.ExitCode}}')" "exited 137"
check "start again" "$(pod start stay >/dev/null; pod inspect stay --format '{{.State.Status}}')" running
check "restart" "$(pod restart -t 0 stay >/dev/null; pod inspect stay --format '{{.State.Status}}')" running
check "kill" "$(pod kill -s KILL stay >/dev/null; pod wait stay)" 137
check "rm" "$(pod rm stay >/dev/null; pod ps -aq | wc -l)" 0
r -d --name term box sh -c 'trap "exit 9" TERM; while :; do sleep 0.05; done' >/dev/null
check "stop by its own signal" "$(pod stop -t 10 term >/dev/null; pod inspect term --format '{{.State.ExitCode}}')" 9
pod rm term >/dev/null
r -d --name oom --memory 8m --memory-swap 8m box sh -c 'dd if=/dev/zero of=/dev/null bs=100M count=1' >/dev/null
# Its exit status says so; conmon 2.1.6 sets no OOMKilled on a hybrid machine, whichever the runtime.
check "out of memory" "$(pod wait oom)" 137
pod rm -f oom >/dev/null
init=$(command -v catatonit || { [ -x /usr/libexec/podman/catatonit ] && echo /usr/libexec/podman/catatonit; } || command -v tini-static || :)
if [ -n "$init" ]; then
  check "--init" "$(r --init --init-path "$init" --rm box cat /proc/1/cmdline | tr '\0' ' ' | cut -d' ' -f1)" /run/podman-init
else skip "--init" "needs catatonit or tini-static"; fi
# ---- a pod, shared namespaces by path
if pod pod create --name p --infra=true --infra-image box --infra-command '/bin/sleep 1000' --network none --share ipc,uts,net --cgroup-parent "$parent" >/dev/null 2>"$tmp/err"; then
  check "pod: shared uts" "$(pod run --rm --pod p --cgroup-parent "$parent" box hostname </dev/null 2>/dev/null)" p
  pod pod rm -f -t 0 p >/dev/null
else skip pod "podman pod create: $(tail -1 "$tmp/err")"; fi
# ---- build
mkdir "$tmp/ctx"; echo data >"$tmp/ctx/f"
printf 'FROM localhost/box\nCOPY f /etc/f\nRUN echo built $(cat /etc/f) >/built\nUSER 5\nRUN id -u >/tmp/u\nENTRYPOINT ["/bin/sh", "-c", "cat /built /tmp/u"]\n' >"$tmp/ctx/Containerfile"
pod build --network none --ulimit nofile=1000:1000 --runtime "$tmp/sennit-oci" --isolation oci -q -t made "$tmp/ctx" >"$tmp/build" 2>&1
check "build" "$(r --rm made 2>&1)" "built data
5"
[ "$failed" -eq 0 ] || sed 's/^/# build: /' "$tmp/build" | tail -3
# ---- checkpoint, where a criu works that podman finds by PATH
criu=; for c in ${CRIU:-} "$(command -v criu || :)" "${SENNIT_PEERS:-$HOME/.cache/sennit-peers}/criu/criu"; do
  [ -n "$c" ] && [ -x "$c" ] && "$c" check >/dev/null 2>&1 && { criu=$c; break; }; done
if [ -n "$criu" ]; then
  export PATH=$(dirname "$criu"):$PATH
  r -d --name c box sh -c 'i=0; while :; do i=$((i+1)); echo $i >/tmp/n; sleep 0.05; done' >/dev/null; sleep 0.5
  n=$(pod exec c cat /tmp/n)
  check "checkpoint" "$(pod container checkpoint c >/dev/null 2>"$tmp/err" || cat "$tmp/err"; pod inspect c --format '{{.State.Status}}')" exited
  check "restore" "$(pod container restore c >/dev/null 2>"$tmp/err" || cat "$tmp/err"; pod inspect c --format '{{.State.Status}}')" running
  m=$(pod exec c cat /tmp/n 2>/dev/null); [ "${m:-0}" -ge "${n:-1}" ]; check "it goes on" $? 0
  if pod container checkpoint --leave-running -e "$tmp/c.tar" c >/dev/null 2>"$tmp/err"; then
    check "restored by another name" "$(pod container restore -i "$tmp/c.tar" -n d >/dev/null 2>"$tmp/err" || tail -2 "$tmp/err"; pod inspect d --format '{{.State.Status}}')" running
  else fail "checkpoint: export" "$(tail -2 "$tmp/err")"; fi
  pod rm -f -t 0 c d >/dev/null 2>&1
else skip checkpoint "no criu that works here"; fi

# ---- rootless
user=sn-podman-$$
if ! command -v newuidmap >/dev/null || ! useradd -m -d "$tmp/home" -s /bin/bash "$user" 2>/dev/null; then
  skip rootless "needs newuidmap (uidmap) and useradd"
else
  grep -q "^$user:" /etc/subuid || { usermod --add-subuids 500000-565535 --add-subgids 500000-565535 "$user"; }
  mkdir -p "$tmp/xdg"; chown "$user" "$tmp/xdg" "$tmp/home"; chmod 700 "$tmp/xdg"; chmod 644 "$tmp/img.tar" "$tmp/containers.conf"
  less() { su "$user" -c "cd; export XDG_RUNTIME_DIR=$tmp/xdg CONTAINERS_CONF=$tmp/containers.conf PATH=/usr/bin:/bin:/usr/sbin; timeout -k 5 90 podman --storage-driver vfs $*" </dev/null; }
  if less "import -q $tmp/img.tar box" >/dev/null 2>"$tmp/err"; then
    lr() { less "run --network none --cgroups=disabled --ulimit nofile=1000:1000 --ulimit nproc=1000:1000 $*"; }
    check "rootless: run" "$(lr "--rm box sh -c 'echo \$(id -u); head -1 /proc/self/uid_map'" 2>"$tmp/err" | tr -s ' ' || :; head -c 400 "$tmp/err")" "0
 0 $(id -u "$user") 1"
    check "rootless: a further user" "$(lr '--rm -u 5 box id -u' 2>&1)" 5
    check "rootless: cgroups that refuse are done without" "$(less 'run --network none --ulimit nofile=1000:1000 --ulimit nproc=1000:1000 --rm box echo in' 2>"$tmp/err"; head -c 300 "$tmp/err")" in
    lr "-d --name stay box sleep 1000" >/dev/null 2>&1
    check "rootless: exec" "$(less 'exec stay echo in' 2>&1)" in
    check "rootless: kill and rm" "$(less 'rm -f -t 0 stay' >/dev/null 2>&1; less 'ps -aq' | wc -l)" 0
    less "system reset -f" >/dev/null 2>&1
  else skip rootless "podman import as a user: $(tail -1 "$tmp/err")"; fi
  for p in $(ps -o pid= -u "$user" 2>/dev/null); do kill -9 "$p" 2>/dev/null; done
  userdel "$user" 2>/dev/null
fi
finish

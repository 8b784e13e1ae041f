#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/interop/oci_criu.sh SENNIT_OCI SN_REAP - checkpoint and restore with the real criu: a container goes to disk and
# comes back with its memory, files, streams, terminal, namespaces, groups, connections. criu is the one of CRIU, of PATH or
# of ~/.cache/sennit-peers/criu; one that cannot dump a plain process on this kernel is no peer (Debian's 3.17 on 6.18).
set -uo pipefail
if [ "${2:-}" != inside ]; then
  here=$(cd "$(dirname "$0")" && pwd)
  reap=("$(realpath "$2")" -c sennit-test-criu- --)
  exec unshare -m --propagation private "${reap[@]}" "$0" "$1" inside "$here"
fi
oci=$(realpath "$1"); here=$3
source "$here/../e2e/lib.sh"; source "$here/oci_peers.sh"
finish() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; }
[ "$(id -u)" -eq 0 ] || { skip oci_criu "needs root"; finish; exit; }
busybox=$(command -v busybox || echo /bin/busybox)
[ -x "$busybox" ] && ! ldd "$busybox" >/dev/null 2>&1 || { skip oci_criu "needs a static busybox (busybox-static)"; finish; exit; }
root=$tmp/state; cg=/sennit-test-criu-$$
run() { "$oci" --root "$root" "$@"; }
rmcg() { find /sys/fs/cgroup -depth -type d -path "*$cg*" -exec rmdir {} + 2>/dev/null; }
trap 'for i in $(ls "$root" 2>/dev/null); do run delete -f "$i" 2>/dev/null; done; ip netns del "sn-criu-$$" 2>/dev/null; rmcg; cleanup' EXIT

# bundle NAME [PYTHON] - a bundle with busybox whose program counts; the python edits `c`.
bundle() {
  local b=$tmp/$1; shift
  mkdir -p "$b"/rootfs/{bin,proc,sys,dev,tmp,etc,root,data}
  cp "$busybox" "$b/rootfs/bin/busybox"
  for a in sh true ls cat mount id ps sleep env hostname echo grep readlink stat kill stty tty nc wc head date; do ln -sf busybox "$b/rootfs/bin/$a"; done
  python3 - "$b" "$cg/$(basename "$b")" "$*" <<'P'
import json, sys
b, cgp, edit = sys.argv[1:]
c = {"ociVersion": "1.2.0", "root": {"path": "rootfs"}, "hostname": "box",
 "process": {"user": {"uid": 0, "gid": 0}, "cwd": "/", "env": ["PATH=/bin"], "noNewPrivileges": True,
  "args": ["/bin/sh", "-c", "i=0; while :; do i=$((i+1)); echo $i >/tmp/n; sleep 0.05; done"],
  "capabilities": {k: ["CAP_KILL", "CAP_CHOWN"] for k in ("bounding", "effective", "permitted")}},
 "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
  {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]},
  {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
  {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
  {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"},
  {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro", "nosuid", "noexec", "nodev"]},
  {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]}],
 "linux": {"cgroupsPath": cgp, "namespaces": [{"type": t} for t in ("pid", "ipc", "uts", "mount", "network")],
  "maskedPaths": ["/proc/keys", "/proc/acpi", "/proc/sysrq-trigger", "/sys/firmware"], "readonlyPaths": ["/proc/sys"]}}
p = c["process"]; l = c["linux"]
def sh(s): p["args"] = ["/bin/sh", "-c", s]
def ns(t, **k): l["namespaces"].append({"type": t, **k})
def drop(t): l["namespaces"] = [n for n in l["namespaces"] if n["type"] != t]
exec(edit)
json.dump(c, open(b + "/config.json", "w"))
P
}
begin() { (cd "$tmp/$1" && run run -d "$1" </dev/null >/dev/null 2>"$tmp/$1.err") || fail "$1: start" "$(cat "$tmp/$1.err")"; }
dump() { local n=$1; shift; run checkpoint --image-path "$tmp/$n.img" "$@" "$n" 2>"$tmp/$n.err"; }
back() { local n=$1; shift; run restore -d --image-path "$tmp/$n.img" -b "$tmp/$n" "$@" "$n" </dev/null >/dev/null 2>"$tmp/$n.err"; }
status() { run state "$1" 2>/dev/null | sed -n 's/.*"status": "\(.*\)",/\1/p'; }
count() { run exec "$1" cat /tmp/n </dev/null 2>/dev/null; }
# counts NAME FROM - whether it goes on from there and moves.
counts() {
  local a b=; for _ in $(seq 100); do a=$(count "$1"); [ -n "$a" ] && break; sleep 0.02; done
  for _ in $(seq 100); do b=$(count "$1"); [ -n "$b" ] && [ "$b" -gt "$a" ] && break; sleep 0.02; done
  [ "${a:-0}" -ge "$2" ] && [ "${b:-0}" -gt "${a:-0}" ]
}
both() { # NAME - out and back; the counter goes on
  begin "$1"; wait_for "$1" 3; local n; n=$(count "$1")
  dump "$1" || { fail "$1: checkpoint" "$(tail -c 600 "$tmp/$1.err")"; return 1; }
  check "$1: gone" "$(status "$1")" ""
  back "$1" || { fail "$1: restore" "$(tail -c 600 "$tmp/$1.err")"; return 1; }
  check "$1: running" "$(status "$1")" running
  if counts "$1" "$n"; then ok "$1: goes on counting"; else fail "$1: goes on counting" "from $n: $(count "$1")"; fi
}
wait_for() { for _ in $(seq 200); do [ "$(count "$1" 2>/dev/null || echo 0)" -ge "$2" ] 2>/dev/null && return 0; sleep 0.02; done; return 1; }

# ---- without criu
bundle none; begin none
check "criu is missing" "$(PATH=/nowhere run checkpoint --image-path "$tmp/none.img" none 2>&1 | grep -c 'executable file not found in \$PATH')" 1
check "it runs on" "$(status none)" running
check "stopped by a wrong mode" "$(run checkpoint --manage-cgroups-mode loose none 2>&1 | grep -c 'invalid manage-cgroups-mode')" 1
check "parent path is absolute" "$(run checkpoint --image-path "$tmp/none.img" --parent-path /x none 2>&1 | grep -c 'must be relative')" 1
check "page server without a port" "$(run checkpoint --page-server 127.0.0.1 none 2>&1 | grep -c 'ADDRESS:PORT')" 1
check "status-fd is closed" "$(run checkpoint --image-path "$tmp/none.img" --status-fd 99 none 2>&1 | grep -c 'invalid --status-fd')" 1
run delete -f none
bundle made; (cd "$tmp/made" && run create made </dev/null >/dev/null 2>&1)
check "a created one" "$(run checkpoint --image-path "$tmp/made.img" made 2>&1 | grep -c 'cannot be checkpointed in created state')" 1
run delete -f made

# ---- a criu that works here?
works() { # a plain process, by criu alone
  local d=$tmp/plain; rm -rf "$d"; mkdir -p "$d"
  # In python, which closes what the shells before us left open.
  local p; p=$(python3 -c 'import subprocess as s; print(s.Popen(["sleep", "1000"], stdin=-3, stdout=-3, stderr=-3, start_new_session=True).pid)')
  "$1" dump -t "$p" -D "$d" --shell-job -o d.log >/dev/null 2>&1; local rc=$?
  kill -9 "$p" 2>/dev/null
  return $rc
}
criu=
for c in ${CRIU:-} "$(command -v criu || :)" "${SENNIT_PEERS:-$HOME/.cache/sennit-peers}/criu/criu"; do
  [ -n "$c" ] && [ -x "$c" ] && works "$c" && { criu=$c; break; }
done
if [ -z "$criu" ]; then
  c=$(command -v criu || :)
  if [ -n "$c" ]; then
    # What can be shown: criu's refusal arrives as ours, and the container runs on.
    bundle stays; begin stays; dump stays
    check "criu's refusal is said" "$(grep -c -E 'criu (failed|ended)|criu.s process ended' "$tmp/stays.err")" 1
    check "and the container runs on" "$(status stays)" running
    run delete -f stays
    skip "checkpoint and restore" "$c ($("$c" --version 2>&1 | head -1)) cannot dump a plain process here: $("$c" check 2>&1 | head -1)"
  else skip "checkpoint and restore" "no criu"; fi
  finish; exit
fi
echo "# criu: $criu, $("$criu" --version | head -1)"
oci_real=$oci; run() { "$oci_real" --criu "$criu" --root "$root" "$@"; }

# ---- out and back
bundle plain 'l["namespaces"]; p["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 99}]; l["resources"] = {"pids": {"limit": 50}, "memory": {"limit": 64 << 20}}'
both plain
check "masked after restore" "$(run exec plain sh -c 'cat /proc/keys | wc -c; ls /proc/acpi /sys/firmware | grep -vc :')" "0
1"
check "read-only after restore" "$(run exec plain sh -c 'echo x >/proc/sys/kernel/hostname' 2>&1 | grep -c 'Read-only')" 1
check "limits after restore" "$(grep 'open files' "/proc/$(run state plain | sed -n 's/.*"pid": \(.*\),/\1/p')/limits" | awk '{print $4, $5}')" "77 99"
g=$(ls -d /sys/fs/cgroup/pids$cg/plain /sys/fs/cgroup$cg/plain 2>/dev/null | head -1)
check "groups after restore" "$(cat "$g/pids.max")" 50
check "exec after restore sees its processes" "$(run exec plain ps | grep -c 'while :')" 1
run pause plain; check "pause after restore" "$(status plain)" paused
run resume plain
# A second time, from what was restored.
n=$(count plain); rm -rf "$tmp/plain.img"
dump plain && back plain && counts plain "$n"; check "once more" $? 0
run kill plain KILL; for _ in $(seq 100); do [ "$(status plain)" = stopped ] && break; sleep 0.02; done
check "killed after restore" "$(status plain)" stopped
run delete plain; check "deleted after restore" $? 0

bundle stay; begin stay; wait_for stay 3
dump stay --leave-running --work-path "$tmp/stay.work"; check "leave-running" $? 0
check "leave-running: running" "$(status stay)" running
check "work-path has the log" "$(ls "$tmp/stay.work" | grep -c dump.log)" 1
run pause stay; rm -rf "$tmp/stay.img"; dump stay --leave-running
check "paused, and paused again" "$?$(status stay)" 0paused
run resume stay; n=$(count stay); counts stay "$n"; check "and resumed" $? 0
run delete -f stay

bundle groups 'ns("cgroup")'; both groups
check "cgroup namespace: its own root" "$(run exec groups cat /proc/self/cgroup | grep -c criu)" 0
run delete -f groups
mkdir -p "$tmp/host/sub"; echo outside >"$tmp/host/f"
bundle binds "c['mounts'] += [{'source': '$tmp/host', 'destination': '/data', 'options': ['bind']}, {'source': '$tmp/host/f', 'destination': '/etc/f', 'options': ['bind', 'ro']}, {'type': 'tmpfs', 'source': 'tmpfs', 'destination': '/data/sub'}]"
both binds
check "bind mounts after restore" "$(run exec binds sh -c 'cat /data/f /etc/f; echo x >/etc/f' 2>&1 | head -3)" "outside
outside
sh: can't create /etc/f: Read-only file system"
check "a tmpfs in a bind mount" "$(run exec binds mount | grep -c 'on /data/sub type tmpfs')" 1
run delete -f binds
bundle users 'ns("user"); l["uidMappings"] = l["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]'
# criu opens the images as the namespace's root.
chown -R 100000:100000 "$tmp/users/rootfs"; chmod 711 "$tmp"; mkdir -m 755 "$tmp/users.img"; touch "$tmp/users.err"; chmod 666 "$tmp/users.err"
both users
check "user namespace after restore" "$(run exec users cat /proc/self/uid_map | awk '{print $2}')" 100000
run delete -f users
if ip netns add "sn-criu-$$" 2>/dev/null; then
  ip netns exec "sn-criu-$$" ip link set lo up
  bundle net "drop('network'); ns('network', path='/run/netns/sn-criu-$$')"
  both net
  check "joined network after restore" "$(readlink "/proc/$(run state net | sed -n 's/.*"pid": \(.*\),/\1/p')/ns/net" | tr -dc 0-9)" "$(stat -Lc %i "/run/netns/sn-criu-$$")"
  run delete -f net
  # A connection inside the joined namespace, both ends in the container.
  bundle tcp "drop('network'); ns('network', path='/run/netns/sn-criu-$$'); sh('sleep 1000 | nc -l -p 7000 >/tmp/got & sleep 0.3; { i=0; while :; do i=\$((i+1)); echo \$i; echo \$i >/tmp/n; sleep 0.05; done; } | nc 127.0.0.1 7000')"
  begin tcp; wait_for tcp 3
  dump tcp; check "an open connection is refused" "$?$(grep -c 'Connected TCP socket' "$tmp/tcp.err")" 11
  check "refused: runs on" "$(status tcp)" running
  rm -rf "$tmp/tcp.img"; n=$(count tcp)
  if dump tcp --tcp-established; then
    back tcp --tcp-established; check "tcp-established" $? 0
    counts tcp "$n"; check "the connection goes on" $? 0
    a=$(run exec tcp sh -c 'wc -l </tmp/got'); sleep 0.5; b=$(run exec tcp sh -c 'wc -l </tmp/got')
    [ "$b" -gt "$a" ]; check "and bytes arrive" $? 0
  else skip tcp-established "$(tail -c 300 "$tmp/tcp.err")"; fi
  run delete -f tcp 2>/dev/null; ip netns del "sn-criu-$$"
else skip "joined network" "ip netns add fails"; fi

# ---- streams: pipes are handed on
bundle pipes 'sh("i=0; while read x; do i=$((i+1)); echo $i $x; done")'
mkfifo "$tmp/in1" "$tmp/in2"; sleep 1000 >"$tmp/in1" & pids+=($!); sleep 1000 >"$tmp/in2" & pids+=($!)
(cd "$tmp/pipes" && cat "$tmp/in1" | run run pipes 2>&1 | cat >"$tmp/out1") & pids+=($!)
for _ in $(seq 200); do [ "$(status pipes)" = running ] && break; sleep 0.02; done
echo one >"$tmp/in1"; for _ in $(seq 200); do [ -s "$tmp/out1" ] && break; sleep 0.02; done
dump pipes; check "pipes: checkpoint" $? 0
cat "$tmp/in2" | run restore --image-path "$tmp/pipes.img" -b "$tmp/pipes" pipes 2>"$tmp/pipes.err" | cat >"$tmp/out2" & pids+=($!)
for _ in $(seq 200); do [ "$(status pipes)" = running ] && break; sleep 0.02; done
echo two >"$tmp/in2"; for _ in $(seq 200); do [ -s "$tmp/out2" ] && break; sleep 0.02; done
check "pipes: new ones, same program" "$(cat "$tmp/out1" "$tmp/out2")" "1 one
2 two"
run delete -f pipes; check "foreground restore ends and deletes" "$(for _ in $(seq 100); do ls "$root" | grep -q pipes || break; sleep 0.02; done; ls "$root" | grep -c pipes)" 0

# ---- a terminal
cat >"$tmp/console.py" <<'P'
import array, os, socket, sys, time
path, out, words = sys.argv[1], sys.argv[2], sys.argv[3]
s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen(1); print("ready", flush=True)
c, _ = s.accept(); data, anc, _, _ = c.recvmsg(4096, socket.CMSG_SPACE(4))
fd = array.array("i", anc[0][2])[0]
os.write(fd, words.encode())
f = open(out, "wb", 0)
while True:
    try: b = os.read(fd, 4096)
    except OSError: break
    if not b: break
    f.write(b)
    if os.path.exists(out + ".stop"): break
P
bundle term 'p["terminal"] = True; sh("stty -echo; i=0; while read x; do i=$((i+1)); echo $i:$x; done")'
start "$tmp/c1.log" python3 "$tmp/console.py" "$tmp/c1" "$tmp/t1" $'one\n'
(cd "$tmp/term" && run run -d --console-socket "$tmp/c1" term </dev/null >/dev/null 2>&1); check "terminal: start" $? 0
for _ in $(seq 200); do grep -q 1:one "$tmp/t1" 2>/dev/null && break; sleep 0.02; done
dump term; check "terminal: checkpoint" $? 0
start "$tmp/c2.log" python3 "$tmp/console.py" "$tmp/c2" "$tmp/t2" $'two\n'
back term --console-socket "$tmp/c2"; check "terminal: restore" "$?$(cat "$tmp/term.err")" 0
for _ in $(seq 200); do grep -q 2:two "$tmp/t2" 2>/dev/null && break; sleep 0.02; done
check "terminal: goes on" "$(tr -d '\r' <"$tmp/t2" | tail -1)" 2:two
check "terminal: is the controlling one" "$(run exec term sh -c 'readlink /proc/1/fd/0; ls /dev/console')" "/dev/pts/0
/dev/console"
run delete -f term

# ---- locks, hooks, host with shared mounts
bundle lock 'p["args"] = ["/usr/bin/flock", "/tmp/l", "/bin/sh", "/loop"]
c["mounts"] += [{"source": d, "destination": d, "options": ["rbind", "ro"]} for d in ("/usr", "/lib", "/lib64")]'
echo 'i=0; while :; do i=$((i+1)); echo $i >/tmp/n; sleep 0.05; done' >"$tmp/lock/rootfs/loop"
begin lock; wait_for lock 2
dump lock; check "a lock is refused" $? 1
rm -rf "$tmp/lock.img"; dump lock --file-locks; check "file-locks" $? 0
back lock --file-locks; check "file-locks: restore" "$?$(cat "$tmp/lock.err")" 0
check "file-locks: held" "$(run exec lock /usr/bin/flock -n /tmp/l true || echo held)" held
run delete -f lock
cat >"$tmp/hook" <<'H'
#!/bin/sh
echo "$1 $(cat | sed 's/.*"status":"\([a-z]*\)".*"pid":\([0-9]*\).*/\1 \2/')" >>"$2"
H
chmod +x "$tmp/hook"
bundle hooks "c['hooks'] = {k: [{'path': '$tmp/hook', 'args': ['hook', k, '$tmp/hooks.log']}] for k in ('prestart', 'createRuntime', 'poststop')}"
both hooks; pid=$(run state hooks | sed -n 's/.*"pid": \(.*\),/\1/p')
check "hooks: before and after" "$(awk '{print $1, $2}' "$tmp/hooks.log" | tr '\n' ,)" "prestart created,createRuntime creating,poststop stopped,prestart created,createRuntime creating,"
check "hooks: told the restored pid" "$(tail -1 "$tmp/hooks.log")" "createRuntime creating $pid"
run delete -f hooks
cat >"$tmp/no" <<'H'
#!/bin/sh
exit 3
H
chmod +x "$tmp/no"
bundle refuse; begin refuse; wait_for refuse 2; dump refuse
python3 - "$tmp/refuse/config.json" "$tmp/no" <<'P'
import json, sys
c = json.load(open(sys.argv[1])); c["hooks"] = {"createRuntime": [{"path": sys.argv[2]}]}; json.dump(c, open(sys.argv[1], "w"))
P
back refuse; check "a failing hook ends the restore" "$?$(grep -c 'error running createRuntime hook' "$tmp/refuse.err")" 11
check "and nothing is left" "$(ls "$root"; ls -d /sys/fs/cgroup/*$cg/refuse 2>/dev/null)" ""
if mount --make-rshared / 2>/dev/null; then
  bundle shared; both shared; run delete -f shared
  bundle slaves 'l["rootfsPropagation"] = "rslave"; c["mounts"].append({"source": "/etc", "destination": "/data", "options": ["rbind", "rslave"]})'
  both slaves; run delete -f slaves
  mount --make-rprivate /
fi

# ---- what does not fit
check "no images" "$(run restore --image-path "$tmp/nowhere" -b "$tmp/plain" x 2>&1 | grep -c 'No such file')" 1
mkdir -p "$tmp/empty"; echo '["","",""]' >"$tmp/empty/descriptors.json"
check "empty images" "$(run restore --image-path "$tmp/empty" -b "$tmp/plain" x 2>&1 | grep -c 'criu failed: type RESTORE')" 1
echo '{' >"$tmp/empty/descriptors.json"
check "spoilt descriptors.json" "$(run restore --image-path "$tmp/empty" -b "$tmp/plain" x 2>&1 | grep -c 'descriptors.json: ')" 1
check "nothing is left of them" "$(ls "$root")" ""
bundle twice; begin twice; wait_for twice 2; dump twice --leave-running
check "restore beside itself" "$(back twice; grep -c 'container with given ID already exists' "$tmp/twice.err")" 1
"$criu" check --feature mem_dirty_track >/dev/null 2>&1 && track=1 || track=
if [ -n "$track" ]; then
  run checkpoint --pre-dump --image-path "$tmp/twice.pre" twice; check "pre-dump" $? 0
  mkdir -p "$tmp/twice2"; run checkpoint --image-path "$tmp/twice.img2" --parent-path ../twice.pre twice; check "and the rest" $? 0
else
  check "pre-dump without dirty tracking" "$(run checkpoint --pre-dump --image-path "$tmp/twice.pre" twice 2>&1 | grep -c 'criu is missing features: \[MemTrack\]')" 1
fi
run delete -f twice 2>/dev/null

# ---- a runc with the same criu: images are exchanged
peer_runc 2>/dev/null
if [ -n "${runc_new:-}" ] && [ -x "$runc_new" ]; then
  r() { PATH=$(dirname "$criu"):$PATH "$runc_new" --root "$tmp/runc" "$@"; }
  # Without groups mounted (runc knows nothing of the unified one beside version 1) and without a file of the host's as a
  # stream (runc hands on pipes only).
  bundle ours 'c["mounts"].pop()'; (cd "$tmp/ours" && run run -d ours </dev/null >/dev/null 2>&1); wait_for ours 3; n=$(count ours); dump ours; rm -rf "$tmp/runc"
  if r restore -d --image-path "$tmp/ours.img" -b "$tmp/ours" ours </dev/null >/dev/null 2>"$tmp/ours.err"; then
    ok "our images restored by runc"; r delete -f ours
  else fail "our images restored by runc" "$(grep -m3 -o 'Error.*' "$tmp/ours.img/restore.log"; tail -c 300 "$tmp/ours.err")"; fi
  bundle theirs 'c["mounts"].pop()'
  (cd "$tmp/theirs" && r run -d theirs </dev/null >/dev/null 2>&1); for _ in $(seq 100); do [ -n "$(r exec theirs cat /tmp/n 2>/dev/null)" ] && break; sleep 0.02; done
  if r checkpoint --image-path "$tmp/theirs.img" theirs >"$tmp/theirs.err" 2>&1; then
    back theirs; check "runc's images restored by us" "$?$(cat "$tmp/theirs.err")" 0; counts theirs 1; check "and it counts" $? 0
  else skip "runc's images restored by us" "runc: $(tail -c 300 "$tmp/theirs.err")"; r delete -f theirs; fi
  run delete -f theirs 2>/dev/null
else skip "images exchanged with runc" "runc 1.5.3 cannot be built here"; fi
finish

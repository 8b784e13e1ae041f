#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/e2e/oci.sh SENNIT_OCI SN_REAP - containers of busybox through the command line: life, exec, limits,
# mounts, hooks, terminal, bad input, escapes, leaks.
set -uo pipefail
if [ "${2:-}" != inside ]; then
  here=$(cd "$(dirname "$0")" && pwd)
  # A mount namespace of its own: what others mount meanwhile is not seen, what we leave ends with it.
  reap=("$(realpath "$2")" -c sennit-test-oci- --)
  if unshare -m true 2>/dev/null; then exec unshare -m --propagation private "${reap[@]}" "$0" "$1" inside "$here"; fi
  exec "${reap[@]}" "$0" "$1" inside "$here"
fi
oci=$(realpath "$1")
source "$3/lib.sh"
finish() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; }
[ "$(id -u)" -eq 0 ] || { skip oci "needs root"; finish; exit; }
busybox=$(command -v busybox || echo /bin/busybox)
[ -x "$busybox" ] && ! ldd "$busybox" >/dev/null 2>&1 || { skip oci "needs a static busybox (busybox-static)"; finish; exit; }
unshare -m true 2>/dev/null || { skip oci "may not make namespaces"; finish; exit; }
root=$tmp/state; cg=/sennit-test-oci-$$
rmcg() { find /sys/fs/cgroup -depth -type d -path "*$cg*" -exec rmdir {} + 2>/dev/null; rm -f "$tmp/std"; }
trap 'for i in $(ls "$root" 2>/dev/null); do "$oci" --root "$root" delete -f "$i" 2>/dev/null; done; rmcg; cleanup' EXIT
run() { "$oci" --root "$root" "$@"; }

# bundle NAME [JQ-LIKE PYTHON...] - a bundle with busybox; the python edits `c`.
bundle() {
  local b=$tmp/$1; shift
  mkdir -p "$b"/rootfs/{bin,proc,sys,dev,tmp,etc,root}
  cp "$busybox" "$b/rootfs/bin/busybox"
  for a in sh true false ls cat mount id ps sleep env hostname touch echo grep readlink stat kill stty tty wc head sed dd mkdir umount cut chmod trap sort date; do
    ln -sf busybox "$b/rootfs/bin/$a"; done
  python3 - "$b" "$cg/$(basename "$b")" "$*" <<'P'
import json, subprocess, sys
b, cgp, edit = sys.argv[1:]
c = {"ociVersion": "1.2.0", "root": {"path": "rootfs", "readonly": False}, "hostname": "box",
 "process": {"terminal": False, "user": {"uid": 0, "gid": 0}, "args": ["/bin/true"], "cwd": "/",
  "env": ["PATH=/bin"], "capabilities": {k: ["CAP_KILL", "CAP_CHOWN", "CAP_SYS_ADMIN"] for k in ("bounding", "effective", "permitted")},
  "noNewPrivileges": True},
 "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
  {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]},
  {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
  {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro", "nosuid", "noexec", "nodev"]}],
 "linux": {"cgroupsPath": cgp, "namespaces": [{"type": t} for t in ("pid", "ipc", "uts", "mount", "network")],
  "maskedPaths": ["/proc/keys", "/proc/acpi", "/proc/sysrq-trigger"], "readonlyPaths": ["/proc/sys"]}}
p = c["process"]; l = c["linux"]
def sh(s): p["args"] = ["/bin/sh", "-c", s]
def ns(t, **k): l["namespaces"].append({"type": t, **k})
def drop(t): l["namespaces"] = [n for n in l["namespaces"] if n["type"] != t]
def bind(s, d, *o): c["mounts"].append({"source": s, "destination": d, "options": ["bind", *o]})
exec(edit)
json.dump(c, open(b + "/config.json", "w"))
P
}
# out NAME PYTHON - runs a fresh container in the foreground; its output.
out() { bundle "$1" "$2"; (cd "$tmp/$1" && run run "$1" 2>&1 </dev/null); }
# refused NAME PYTHON TEXT - create must fail and say TEXT, and nothing may be left.
refused() {
  bundle "$1" "$2"; local t; t=$(cd "$tmp/$1" && run create "$1" 2>&1 </dev/null)
  local rc=$?
  t=${t//\\\"/\"}
  if [ $rc -eq 0 ]; then fail "$1" "was accepted"; run delete -f "$1"; return; fi
  case "$t" in *"$3"*) ok "refused $1" ;; *) fail "refused $1" "expected \"$3\", got \"$t\"" ;; esac
  [ ! -e "$root/$1" ] || fail "refused $1" "left its state"
}

# ---- life
check "run: exit status" "$(out r1 'sh("exit 7")'; echo $?)" 7
check "run: output" "$(out r2 'sh("echo hello; hostname")')" "hello
box"
check "run: killed by a signal" "$(out r3 'drop("pid"); sh("kill -9 $$")' >/dev/null; echo $?)" 137
bundle life 'p["args"] = ["/bin/sleep", "1000"]'
(cd "$tmp/life" && run create --pid-file "$tmp/pid" life </dev/null >"$tmp/std" 2>&1); check "create" $? 0
check "state: created" "$(run state life | python3 -c 'import json,sys; print(json.load(sys.stdin)["status"])')" created
check "pid file" "$(run state life | python3 -c 'import json,sys; print(json.load(sys.stdin)["pid"])')" "$(cat "$tmp/pid")"
check "create again" "$(cd "$tmp/life"; run create life 2>&1 | grep -c 'container with given ID already exists')" 1
run start life; check "start" $? 0
check "start again" "$(run start life 2>&1 | grep -c 'cannot start a container in the running state')" 1
check "state: running" "$(run state life | grep -c '"status": "running"')" 1
check "exec" "$(run exec life /bin/sh -c 'echo in; exit 3'; echo $?)" "in
3"
check "exec: sees pid 1" "$(run exec life /bin/cat /proc/1/comm)" sleep
check "exec: user, cwd, env" "$(run exec -u 12:34 -g 56 --cwd /tmp -e X=1 life /bin/sh -c 'id; echo $PWD $X')" "uid=12 gid=34 groups=56
/tmp 1"
check "exec: no such program" "$(run exec life nope 2>&1 | grep -c 'executable file not found in $PATH')" 1
check "exec: cgroup of the container" "$(run exec life /bin/grep -c "$cg/life" /proc/self/cgroup)" "$(run exec life /bin/cat /proc/1/cgroup | grep -c "$cg/life")"
run exec -d --pid-file "$tmp/xpid" life /bin/sleep 500; check "exec: detached" $? 0
check "ps" "$(run ps -f json life | python3 -c 'import json,sys; print(len(json.load(sys.stdin)))')" 2
kill "$(cat "$tmp/xpid")"
run pause life; check "pause" "$(run state life | grep -c '"status": "paused"')" 1
check "exec while paused" "$(run exec life /bin/true 2>&1 | grep -c 'cannot exec in a paused container')" 1
run resume life; check "resume" "$(run state life | grep -c '"status": "running"')" 1
check "list" "$(run list -q)" life
check "list json" "$(run list -f json | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["status"])')" running
run update --pids-limit 33 life; check "update" "$(cat /sys/fs/cgroup/pids$cg/life/pids.max /sys/fs/cgroup$cg/life/pids.max 2>/dev/null)" 33
check "events --stats" "$(run events --stats life | python3 -c 'import json,sys; d=json.load(sys.stdin); print(d["type"], d["data"]["pids"]["current"] >= 1)')" "stats True"
check "delete while running" "$(run delete life 2>&1 | grep -c 'that is not stopped: running')" 1
run kill life KILL; check "kill" $? 0
for _ in $(seq 100); do run state life | grep -q stopped && break; sleep 0.02; done
check "state: stopped" "$(run state life | grep -c '"status": "stopped"')" 1
check "kill stopped" "$(run kill life TERM 2>&1 | grep -c 'container not running')" 1
check "exec in stopped" "$(run exec life /bin/true 2>&1 | grep -c 'cannot exec in a stopped container')" 1
run delete life; check "delete" $? 0
check "state: gone" "$(run state life 2>&1 | grep -c 'container does not exist')" 1
run delete -f nobody; check "delete --force of nobody" $? 0
bundle cr 'p["args"] = ["/bin/sleep", "1000"]'
(cd "$tmp/cr" && run create cr </dev/null >"$tmp/std" 2>&1); run delete cr; check "delete created" $? 0
check "log in JSON" "$(run --log "$tmp/log" --log-format json state x 2>/dev/null; python3 -c 'import json; print(json.loads(open("'"$tmp"'/log").read())["msg"])')" "container does not exist"

# ---- what the program finds
check "capabilities" "$(out cap 'sh("grep CapEff /proc/self/status")')" "$(printf 'CapEff:\t0000000000200021')"
check "user without capabilities" "$(out usr 'p["user"] = {"uid": 7, "gid": 8, "additionalGids": [9], "umask": 0o77}; sh("id; touch /tmp/x; stat -c %a /tmp/x; grep CapEff /proc/self/status"); os=__import__("os"); os.chmod(b+"/rootfs/tmp", 0o777)')" "uid=7 gid=8 groups=9
600
$(printf 'CapEff:\t0000000000000000')"
check "ambient capabilities of a user" "$(out amb 'p["user"] = {"uid": 7, "gid": 8}; k = p["capabilities"]; k["inheritable"] = k["ambient"] = ["CAP_KILL"]; sh("grep CapEff /proc/self/status")')" "$(printf 'CapEff:\t0000000000000020')"
check "no_new_privs" "$(out nnp 'sh("grep NoNewPrivs /proc/self/status")')" "$(printf 'NoNewPrivs:\t1')"
check "HOME: a last line without its end" "$(out home2 'open(b+"/rootfs/etc/passwd","w").write("root:x:0:0::/root:/bin/sh\nu:x:7:7::/u:/bin/sh"); p["user"]["uid"] = 7; sh("echo $HOME")')" /u
check "a variable twice: the last" "$(out twice 'p["env"] += ["A=1", "PATHS=x", "A=2"]; sh("echo $A $PATHS; env | grep -c ^A=")')" "2 x
1"
check "HOME" "$(out home 'open(b+"/rootfs/etc/passwd","w").write("root:x:0:0::/root:/bin/sh\n"); sh("echo $HOME")')" /root
check "rlimits" "$(out lim 'p["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]; sh("ulimit -n; ulimit -Hn")')" "100
200"
check "masked and read-only" "$(out mask 'sh("cat /proc/keys | wc -c; echo x 2>/dev/null >/proc/sys/kernel/hostname || echo denied")' | tr '\n' ' ')" "0 denied "
check "read-only root" "$(out ro 'c["root"]["readonly"] = True; sh("touch /x 2>/dev/null || echo denied")')" denied
check "devices" "$(out dev 'l["devices"] = [{"path": "/dev/own", "type": "c", "major": 1, "minor": 5, "fileMode": 0o640, "uid": 3, "gid": 4}]; sh("stat -c \"%a %t:%T %u %g\" /dev/own /dev/null; readlink /dev/fd; readlink /dev/ptmx")')" "640 1:5 3 4
666 1:3 0 0
/proc/self/fd
pts/ptmx"
check "sysctl" "$(out sys 'l["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.msgmax": "9000"}; sh("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax")' | tr '\n' ' ')" "1 9000 "
check "oom score" "$(out oom 'p["oomScoreAdj"] = 321; sh("cat /proc/self/oom_score_adj")')" 321
check "domainname" "$(out dom 'c["domainname"] = "dom"; sh("cat /proc/sys/kernel/domainname")')" dom
check "io priority, nice" "$(out nice 'p["scheduler"] = {"policy": "SCHED_BATCH", "nice": 5}; sh("sed \"s/.*) //\" /proc/self/stat | cut -d\" \" -f17")')" 5
check "personality" "$(out per 'l["personality"] = {"domain": "LINUX32"}; sh("cat /proc/self/personality")')" 00000008
check "cwd is made" "$(out cwd 'p["cwd"] = "/a/b"; sh("echo $PWD")')" /a/b
check "descriptors" "$(out fds 'sh("ls /proc/self/fd | wc -l")')" 4
check "preserved descriptor" "$(bundle pre 'sh("cat <&3")'; cd "$tmp/pre" && echo kept >kept && run run --preserve-fds 1 pre 3<kept)" kept
check "tmpfs options" "$(out tmpo 'c["mounts"].append({"destination": "/t", "type": "tmpfs", "source": "t", "options": ["nosuid", "nodev", "noexec", "size=1m", "mode=711"]}); sh("grep \" /t \" /proc/self/mounts; stat -c %a /t")')" "t /t tmpfs rw,nosuid,nodev,noexec,relatime,size=1024k,mode=711 0 0
711"
check "tmpcopyup" "$(out up '__import__("os").makedirs(b+"/rootfs/c/d"); open(b+"/rootfs/c/d/f","w").write("old"); c["mounts"].append({"destination": "/c", "type": "tmpfs", "source": "t", "options": ["tmpcopyup"]}); sh("cat /c/d/f; echo new >/c/d/f")'; cat "$tmp/up/rootfs/c/d/f")" oldold
mkdir -p "$tmp/src/sub"; echo data >"$tmp/src/file"
check "bind, recursively read-only" "$(mount -t tmpfs t "$tmp/src/sub"; out rro "bind('$tmp/src', '/m', 'rbind', 'rro'); sh('cat /m/file; touch /m/x 2>/dev/null || echo denied; touch /m/sub/x 2>/dev/null || echo denied')"; umount "$tmp/src/sub")" "data
denied
denied"
check "bind of a file" "$(out bf "bind('$tmp/src/file', '/etc/new/file', 'ro'); sh('cat /etc/new/file')")" data
check "time namespace" "$(out tns 'ns("time"); l["timeOffsets"] = {"boottime": {"secs": 1000000}}; sh("head -c 7 /proc/uptime")' | awk '{print ($1 >= 1000000)}')" 1
check "cgroup mount" "$(out cgm 'ns("cgroup"); c["mounts"].append({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]}); sh("cat /sys/fs/cgroup/pids/cgroup.procs /sys/fs/cgroup/cgroup.procs 2>/dev/null | head -1; grep -c sennit /proc/self/cgroup")' | tr '\n' ' ')" "1 0 "
check "join a network namespace" "$(bundle host 'p["args"] = ["/bin/sleep", "100"]'; cd "$tmp/host"; run run -d host </dev/null >"$tmp/std" 2>&1; P=$(run state host | sed -n 's/.*"pid": \([0-9]*\).*/\1/p'); out jn "drop('network'); ns('network', path='/proc/$P/ns/net'); drop('pid'); ns('pid', path='/proc/$P/ns/pid'); sh('readlink /proc/self/ns/net; cat /proc/1/comm')" | tr '\n' ' ')" "$(P=$(run state host | sed -n 's/.*"pid": \([0-9]*\).*/\1/p'); readlink /proc/$P/ns/net) sleep "
run delete -f host

check "no mount namespace" "$(bundle nm "drop('mount'); p['args'] = ['/bin/sleep', '100']"; cd "$tmp/nm"; run run -d nm </dev/null >"$tmp/std" 2>&1; run exec nm /bin/sh -c 'ls /proc/1/comm; ls -d /root'; run delete -f nm; ls "$tmp/nm/rootfs/proc" | wc -l)" "/proc/1/comm
/root
0"

if command -v ip >/dev/null && ip link add snoci$$ type dummy 2>/dev/null; then
  ip addr add 10.123.4.5/24 dev snoci$$
  check "network device" "$(out nd "l['netDevices'] = {'snoci$$': {'name': 'inside'}}; sh('cat /sys/class/net/inside/operstate; grep -c 10.123.4.5 /proc/net/fib_trie')" | tail -1 | awk '{print ($1 > 0)}')" 1
  ip link del snoci$$ 2>/dev/null && fail "network device" "stayed outside"
else
  skip "network device" "no dummy interfaces here"
fi

# ---- user namespace
if unshare -U true 2>/dev/null; then
  maps='ns("user"); l["uidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]; l["gidMappings"] = l["uidMappings"];'
  check "user namespace" "$(chmod 755 "$tmp"; out un "$maps sh('id; head -1 /proc/self/uid_map; grep CapEff /proc/self/status; ls /dev/null')" | tr -s ' \n' ' ')" "uid=0 gid=0 0 100000 65536 $(printf 'CapEff:\t0000000000200021') /dev/null "
  bundle ux "$maps p['args'] = ['/bin/sleep', '100']"; (cd "$tmp/ux"; run run -d ux </dev/null >"$tmp/std" 2>&1)
  check "exec in a user namespace" "$(run exec -u 5 ux /bin/id)" "uid=5 gid=0"
  run delete -f ux
  mkdir -p "$tmp/idm"; echo x >"$tmp/idm/f"; chown 1234 "$tmp/idm/f"
  check "idmapped mount" "$(out idm "c['mounts'].append({'destination': '/i', 'source': '$tmp/idm', 'options': ['bind', 'idmap'], 'uidMappings': [{'containerID': 1234, 'hostID': 77, 'size': 1}], 'gidMappings': [{'containerID': 0, 'hostID': 0, 'size': 1}]}); sh('stat -c %u /i/f')")" 77
  mkdir -p "$tmp/ridm/sub"; mount -t tmpfs none "$tmp/ridm/sub"; echo x >"$tmp/ridm/sub/f"; chown 1234 "$tmp/ridm/sub/f"
  check "idmapped mount and those below" "$(out ridm "c['mounts'].append({'destination': '/i', 'source': '$tmp/ridm', 'options': ['rbind', 'ridmap'], 'uidMappings': [{'containerID': 1234, 'hostID': 77, 'size': 1}], 'gidMappings': [{'containerID': 0, 'hostID': 0, 'size': 1}]}); sh('stat -c %u /i/sub/f')")" 77
  check "idmapped mount, those below are not" "$(out idmo "c['mounts'].append({'destination': '/i', 'source': '$tmp/ridm', 'options': ['rbind', 'idmap'], 'uidMappings': [{'containerID': 1234, 'hostID': 77, 'size': 1}], 'gidMappings': [{'containerID': 0, 'hostID': 0, 'size': 1}]}); sh('stat -c %u /i/sub/f')")" 1234
  umount "$tmp/ridm/sub"
  check "device nodes in a user namespace" "$(out und "$maps l['devices'] = [{'path': '/dev/foo', 'type': 'c', 'major': 1, 'minor': 3, 'uid': 10, 'gid': 11, 'fileMode': 0o640}, {'path': '/dev/sub/zero', 'type': 'c', 'major': 1, 'minor': 5}, {'path': '/dev/null', 'type': 'c', 'major': 1, 'minor': 3, 'fileMode': 0o600}, {'path': '/dev/p', 'type': 'p'}]
sh('stat -c \"%u:%g %a %t:%T\" /dev/foo /dev/sub/zero /dev/null; echo x >/dev/sub/zero && head -c 3 /dev/sub/zero | wc -c; stat -c %F /dev/p')")" "10:11 640 1:3
0:0 666 1:5
0:0 600 1:3
3
fifo"
  refused unmapped "$maps l['devices'] = [{'path': '/dev/foo', 'type': 'c', 'major': 1, 'minor': 3, 'uid': 70000}]" "linux.devices[0]: its owner 70000:0 is not mapped"
else
  skip "user namespace" "not permitted"
fi

# ---- the rest of runtime-spec 1.2 and 1.3
bundle aff "p['args'] = ['/bin/sleep', '100']"; (cd "$tmp/aff"; run run -d aff </dev/null >"$tmp/std" 2>&1)
last=$(($(nproc) - 1))
echo '{"cwd": "/", "args": ["/bin/grep", "Cpus_allowed_list", "/proc/self/status"], "execCPUAffinity": {"initial": "0", "final": "'$last'"}}' >"$tmp/aff.json"
check "exec: CPU affinity" "$(run exec --process "$tmp/aff.json" aff | tr -d ' \t')" "Cpus_allowed_list:$last"
run delete -f aff
if [ -e /proc/self/numa_maps ]; then
  check "memory policy" "$(out mpol 'l["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": "0"}; sh("head -1 /proc/self/numa_maps")' | cut -d' ' -f2)" bind:0
else skip "memory policy" "the kernel has no NUMA"; fi
check "scheduler" "$(out sched 'p["scheduler"] = {"policy": "SCHED_IDLE"}; sh("sed \"s/.*) //\" /proc/self/stat")' | cut -d' ' -f39)" 5
check "cgroup namespace" "$(out cgns 'ns("cgroup"); sh("grep -c sennit /proc/self/cgroup")')" 0
cat >"$tmp/fd.py" <<'P'
import array, fcntl, json, os, socket, struct, sys
path, what = sys.argv[1:]
s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen(1); print("ready", flush=True)
c, _ = s.accept(); data, anc, _, _ = c.recvmsg(65536, socket.CMSG_SPACE(4))
fd = array.array("i", anc[0][2])[0]
if what == "pidfd":
    pid = [l.split()[1] for l in open(f"/proc/self/fdinfo/{fd}") if l.startswith("Pid:")][0]
    print(os.readlink(f"/proc/self/fd/{fd}"), pid, flush=True)
else:
    m = json.loads(data); n = bytearray(80)
    fcntl.ioctl(fd, 0xC0502100, n)  # SECCOMP_IOCTL_NOTIF_RECV
    fcntl.ioctl(fd, 0xC0182101, struct.pack("=QqiI", struct.unpack_from("=Q", n)[0], 0, -17, 0))  # _SEND: EEXIST
    print(m["metadata"], m["state"]["id"], m["state"]["status"], m["fds"], m["pid"] == m["state"]["pid"], flush=True)
P
start "$tmp/pidfd.out" python3 "$tmp/fd.py" "$tmp/pidfd.sock" pidfd
bundle pfd "p['args'] = ['/bin/sleep', '100']"; (cd "$tmp/pfd"; run run -d --pid-file "$tmp/pfd.pid" --pidfd-socket "$tmp/pidfd.sock" pfd </dev/null >"$tmp/std" 2>&1)
for _ in $(seq 100); do [ "$(wc -l <"$tmp/pidfd.out")" -ge 2 ] && break; sleep 0.02; done
check "pidfd socket" "$(tail -1 "$tmp/pidfd.out")" "anon_inode:[pidfd] $(cat "$tmp/pfd.pid")"
run delete -f pfd
start "$tmp/notify.out" python3 "$tmp/fd.py" "$tmp/notify.sock" notify
check "seccomp notify: the listener's answer" "$(out notify "p['noNewPrivileges'] = False; l['seccomp'] = {'defaultAction': 'SCMP_ACT_ALLOW', 'listenerPath': '$tmp/notify.sock', 'listenerMetadata': 'meta', 'syscalls': [{'names': ['mkdir', 'mkdirat'], 'action': 'SCMP_ACT_NOTIFY'}]}; sh('mkdir /new')" | grep -c 'File exists')" 1
for _ in $(seq 100); do [ "$(wc -l <"$tmp/notify.out")" -ge 2 ] && break; sleep 0.02; done
check "seccomp notify: what the listener is told" "$(tail -1 "$tmp/notify.out")" "meta notify creating ['seccompFd'] True"

# ---- hooks
check "hooks: the runtime's environment where they have none" "$(export SN_SEEN=yes; out hkenv "H = lambda n: [{'path': '/bin/sh', 'args': ['sh', '-c', 'echo ' + n + ' \$SN_SEEN >>$tmp/hkenv.log']}]
c['hooks'] = {k: H(k) for k in ('prestart', 'createRuntime', 'createContainer', 'poststart', 'poststop')}"; tr '\n' , <"$tmp/hkenv.log")" "prestart yes,createRuntime yes,createContainer,poststart yes,poststop yes,"
cat >"$tmp/hook" <<H
#!/bin/sh
echo "\$1 \$(sed 's/.*"status":"\([a-z]*\)".*/\1/')" >>$tmp/hooks
H
chmod +x "$tmp/hook"
out hk "H = lambda n: [{'path': '$tmp/hook', 'args': ['hook', n], 'env': ['PATH=/usr/bin:/bin']}]
c['hooks'] = {k: H(k) for k in ('prestart', 'createRuntime', 'createContainer', 'poststart', 'poststop')}
c['hooks']['startContainer'] = [{'path': '/bin/sh', 'args': ['sh', '-c', 'cat >/tmp/sc']}]
sh('cat /tmp/sc')" >"$tmp/hk.out"
check "hooks in order" "$(cat "$tmp/hooks")" "prestart created
createRuntime creating
createContainer creating
poststart running
poststop stopped"
check "startContainer hook" "$(grep -c '"status":"created"' "$tmp/hk.out")" 1
refused hkfail "c['hooks'] = {'createRuntime': [{'path': '/bin/false'}]}" "error running createRuntime hook #0"
refused hktime "c['hooks'] = {'createRuntime': [{'path': '/bin/sleep', 'args': ['sleep', '1000'], 'timeout': 1}]}" "timed out"

# ---- terminal
check "terminal" "$(bundle tty 'p["terminal"] = True; sh("tty; stty size <&1; [ -c /dev/console ] && echo console"); p["consoleSize"] = {"height": 11, "width": 33}'; cd "$tmp/tty"; run run tty </dev/null | tr -d '\r')" "/dev/pts/0
11 33
console"
check "console socket" "$(bundle cs 'p["terminal"] = True; sh("echo over")'; cd "$tmp/cs"; python3 - "$oci" "$root" <<'P'
import array, os, socket, subprocess, sys
s = socket.socket(socket.AF_UNIX); s.bind("cs.sock"); s.listen(1)
p = subprocess.Popen([sys.argv[1], "--root", sys.argv[2], "run", "-d", "--console-socket", "cs.sock", "cs"])
k, _ = s.accept(); m, anc, _, _ = k.recvmsg(256, socket.CMSG_SPACE(4))
fd = array.array("i", anc[0][2])[0]; t = b""
while b"over" not in t: t += os.read(fd, 100)
print(t.decode().strip()); p.wait()
P
)" over
run delete -f cs
refused ttydet 'p["terminal"] = True' "cannot allocate tty if runc will detach without setting console socket"

# ---- bad input: the field, the value, what is allowed
refused noargs 'p["args"] = [""]' "process.args[0]: must not be empty"
refused relcwd 'p["cwd"] = "x"' 'process.cwd: "x" is not an absolute path'
refused badrl 'p["rlimits"] = [{"type": "RLIMIT_X", "soft": 1, "hard": 1}]' 'process.rlimits[0].type: "RLIMIT_X" is not one of RLIMIT_AS'
refused badns 'ns("nope")' 'linux.namespaces: "nope" is not one of user, mount, pid'
refused twons 'ns("pid")' '"pid" is there twice'
refused badver 'c["ociVersion"] = "2.0.0"' 'ociVersion: "2.0.0" is unknown version'
refused badsys 'l["sysctl"] = {"kernel.panic": "1"}' 'sysctl "kernel.panic" is not in a separate kernel namespace'
refused noroot 'c["root"]["path"] = "missing"' "root.path"
refused badkind 'p["env"] = "X"' "process.env: is a string, expected an array"
refused noprog 'p["args"] = ["/bin/none"]' "stat /bin/none: No such file"
refused badopt 'c["mounts"].append({"destination": "/t", "type": "tmpfs", "source": "t", "options": ["nonsense=1"]})' "mount /t (tmpfs)"
refused badprop 'l["rootfsPropagation"] = "x"' 'linux.rootfsPropagation: "x" is not one of'
refused badres 'l["resources"] = {"memory": {"limit": "x"}}' "linux.resources.memory.limit"
check "bad id" "$(cd "$tmp/life"; run create ../x 2>&1 | grep -c 'invalid container ID format')" 1

# ---- signals: the first real-time one, which a libc may keep for itself, is like any other
bundle sig 'sh("trap \"echo got\" 34; echo ready; for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; done")'
(cd "$tmp/sig"; exec "$oci" --root "$root" run sig </dev/null >"$tmp/sig.out" 2>&1) & p=$!
for _ in $(seq 200); do grep -q ready "$tmp/sig.out" && break; sleep 0.02; done
kill -34 $p; wait $p; check "a signal is passed on" "$? $(tr '\n' ' ' <"$tmp/sig.out")" "0 ready got "
bundle ign 'p["args"] = ["/bin/grep", "SigIgn", "/proc/self/status"]' # a shell ignores some itself
check "nothing is ignored that the caller ignored" "$(cd "$tmp/ign"; python3 -c 'import os, signal, sys
for s in (2, 34, 40): signal.signal(s, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])' "$oci" --root "$root" run ign </dev/null 2>&1)" "$(printf 'SigIgn:\t0000000000000000')"

# ---- escapes (references/node.md 7)
check "CVE-2024-21626: cwd through a leaked descriptor" "$(out e1 'p["cwd"] = "/proc/self/fd/7"; sh("ls ../../../etc/shadow && echo ESCAPED")' | grep -c 'ESCAPED')" 0
check "CVE-2024-21626: program through a descriptor" "$(out e2 'p["args"] = ["/proc/self/fd/5/../../bin/ls"]' | grep -cE '^(bin|etc)$')" 0
check "CVE-2019-5736: /proc/self/exe is no file of the host" "$(sum=$(sha256sum <"$oci"); out e3 'p["args"] = ["/proc/self/exe", "--version"]' | grep -c 'sennit-oci version'; [ "$sum" = "$(sha256sum <"$oci")" ] && echo same)" "0
same"
bundle e4 'p["args"] = ["/bin/sleep", "100"]; drop("pid")'; (cd "$tmp/e4" && run create e4 </dev/null >"$tmp/std" 2>&1)
check "CVE-2019-5736: exe of a created container" "$(P=$(run state e4 | sed -n 's/.*"pid": \([0-9]*\).*/\1/p'); readlink /proc/$P/exe | grep -c memfd)" 1
run delete -f e4
# Programs that lead the kernel to the runtime's own file: as interpreter, at the start and by exec.
check "CVE-2019-5736: interpreter /proc/self/exe" "$(out e10 'f = open(b+"/rootfs/bin/trap2", "w"); f.write("#!/proc/self/exe\n"); f.close(); __import__("os").chmod(b+"/rootfs/bin/trap2", 0o755); p["args"] = ["/bin/trap2", "--version"]' | grep -c 'sennit-oci version')" 0
# Somebody inside with every capability, who sees our processes in the same pid namespace: one that waits for
# its start, and one whose exec is stopped as early as can be, by the frozen group that it enters. Neither
# /proc/PID/exe nor what is mapped leads to the program, and what is written there does not reach it.
all='import re; caps = ["CAP_" + n for n in "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER KILL SETUID SETGID SYS_PTRACE SYS_ADMIN SYS_RAWIO MKNOD CHECKPOINT_RESTORE BPF PERFMON".split()]; p["capabilities"] = {k: caps for k in ("bounding", "effective", "permitted")}'
bundle e11 "$all"'; p["args"] = ["/bin/sleep", "100"]; open(b+"/rootfs/bin/trap2", "w").write("#!/proc/self/exe\n"); __import__("os").chmod(b+"/rootfs/bin/trap2", 0o755)'
(cd "$tmp/e11" && run run -d e11 </dev/null >"$tmp/std" 2>&1); P=$(run state e11 | sed -n 's/.*"pid": \([0-9]*\).*/\1/p')
for i in 12 13; do
  bundle e$i "$all; drop('pid'); ns('pid', path='/proc/$P/ns/pid'); p['args'] = ['/bin/sleep', '100']"
  (cd "$tmp/e$i" && if [ $i = 12 ]; then run create e12; else run run -d e13; fi </dev/null >"$tmp/std" 2>&1)
done
sum=$(sha256sum <"$oci"); run pause e11
for how in /bin/true /bin/trap2; do run exec --ignore-paused e11 $how </dev/null >/dev/null 2>&1 & held="${held:-} $!"; done
spy='for p in /proc/[0-9]*; do [ $p = /proc/$$ ] && continue; readlink $p/exe; cat $p/maps; echo x >$p/exe; readlink $p/map_files/*; done 2>/dev/null | grep -e /sennit-oci -e memfd:'
seen=; for _ in $(seq 100); do seen=$(run exec e13 /bin/sh -c "$spy"); [ "$(grep -c '^/memfd:' <<<"$seen")" -ge 3 ] && break; sleep 0.05; done
check "CVE-2019-5736: three processes of ours are seen, all with a file in memory" "$(grep -c '^/memfd:sennit-oci (deleted)$' <<<"$seen") $(grep -c "${oci##*/}\$" <<<"$seen")" "3 0"
run resume e11; for p in $held; do wait "$p"; done
check "CVE-2019-5736: exec of an interpreter /proc/self/exe" "$(run exec e11 /bin/trap2 --version 2>&1 | grep -c 'sennit-oci version')" 0
check "CVE-2019-5736: the program is as it was" "$(sha256sum <"$oci")" "$sum"
for i in 12 13 11; do run delete -f e$i; done
ln -sfn / "$tmp/abs"
check "symlink as a mount's place stays inside" "$(out e5 "__import__('os').makedirs(b+'/rootfs$tmp'); __import__('os').symlink('/../../../..$tmp', b+'/rootfs/link'); bind('$tmp/src', '/link/in', 'ro'); sh('ls -d $tmp/in')"; [ -e "$tmp/in" ] && echo ESCAPED)" "$tmp/in"
check "/dev as a symlink (crun 2026-47766)" "$(mkdir -p "$tmp/e6/rootfs"; out e6 "os=__import__('os'); os.rmdir(b+'/rootfs/dev'); os.symlink('/../../../../tmp', b+'/rootfs/dev'); c['mounts'] = [m for m in c['mounts'] if not m['destination'].startswith('/dev')]; sh('ls /tmp/null')"; [ -e /tmp/null ] && echo ESCAPED)" /tmp/null
check "/dev/console as a symlink (CVE-2025-52565)" "$(bundle e7 'p["terminal"] = True; c["mounts"] = [m for m in c["mounts"] if m["destination"] != "/dev"]; __import__("os").makedirs(b+"/rootfs/dev/pts", exist_ok=True); __import__("os").symlink("/proc/sys/kernel/core_pattern", b+"/rootfs/dev/console"); sh("echo ran")'; cd "$tmp/e7"; run run e7 </dev/null 2>&1 | grep -c "something else there\|loop\|Too many")" 1
check "masked path as a symlink stays inside (CVE-2025-31133)" "$(out e8 "__import__('os').symlink('/../../../../etc/hostname', b+'/rootfs/secret'); l['maskedPaths'] = ['/secret']; sh('echo fine')"; [ -s /etc/hostname ] || [ ! -e /etc/hostname ] && echo whole)" "fine
whole"
check "labels and sysctls through the host's /proc (CVE-2025-52881)" "$(out e9 'c["mounts"] = [{"destination": "/proc", "type": "tmpfs", "source": "t"}] + c["mounts"][1:]; l["maskedPaths"] = []; l["readonlyPaths"] = []; l["sysctl"] = {"net.ipv4.ip_forward": "1"}; sh("ls /proc/sys 2>&1 | grep -c such")')" 1

# ---- mounts of a live container
bundle mv 'p["args"] = ["/bin/sleep", "100"]'; (cd "$tmp/mv" && run run -d mv </dev/null >"$tmp/std" 2>&1)
echo "[{\"destination\": \"/live\", \"source\": \"$tmp/src\", \"type\": \"bind\", \"options\": [\"bind\", \"ro\"]}]" >"$tmp/m.json"
run mounts add mv "$tmp/m.json"; check "mounts add" "$(run exec mv /bin/cat /live/file)" data
run mounts remove mv "$tmp/m.json"; check "mounts remove" "$(run exec mv /bin/cat /live/file 2>&1 | grep -c 'No such')" 1
run delete -f mv

# ---- nothing is left
bundle leak 'p["args"] = ["/bin/true"]'
before=$(ls /proc | grep -c '^[0-9]'); mb=$(wc -l </proc/self/mountinfo)
(cd "$tmp/leak"; for i in $(seq "${OCI_CYCLES:-100}"); do run run l$i </dev/null || exit 1; done); check "${OCI_CYCLES:-100} containers" $? 0
check "no mount is left" "$(wc -l </proc/self/mountinfo)" "$mb"
check "no state is left" "$(ls "$root" | wc -l)" 0
check "no cgroup is left" "$(find /sys/fs/cgroup -type d -path "*$cg/*" | wc -l)" 0
# kill -9 of the runtime while it creates: the next delete --force cleans.
bundle k9 'p["args"] = ["/bin/sleep", "1000"]; c["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "echo $$ >'"$tmp"'/hookpid; exec sleep 60"]}]}'
(cd "$tmp/k9"; exec "$oci" --root "$root" create k9 </dev/null >"$tmp/std" 2>&1) & p=$!
for _ in $(seq 200); do [ -s "$tmp/hookpid" ] && break; sleep 0.02; done
check "state: creating" "$(run state k9 | grep -c '"status": "creating"')" 1
kill -9 $p; wait $p 2>/dev/null
kill "$(cat "$tmp/hookpid")"
run delete -f k9; check "delete after kill -9 of create" $? 0
check "nothing of it is left" "$(ls "$root" | wc -l) $(find /sys/fs/cgroup -type d -path "*$cg/*" | wc -l)" "0 0"

finish

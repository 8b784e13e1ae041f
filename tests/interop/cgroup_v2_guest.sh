#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# cgroup v2 alone, which a hybrid machine cannot show: Debian's cloud kernel in qemu (TCG; GUEST_ACCEL=kvm for
# KVM), booted with cgroup_no_v1=all into an initramfs of busybox, the cgroup tests and sennit-oci. The results
# come over the serial console. usage: cgroup_v2_guest.sh GUEST_CGROUP SENNIT_OCI ROOT
set -u
tests=$(realpath "$1") oci=$(realpath "$2") root=$3
. "$root/tests/e2e/lib.sh"
done_() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; exit; }
cache=${SENNIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit}/guest
qemu=$(command -v qemu-system-x86_64) || { skip guest "no qemu-system-x86_64 (Debian: qemu-system-x86)"; done_; }
busybox=$(command -v busybox) && ! ldd "$busybox" >/dev/null 2>&1 || { skip guest "no static busybox (busybox-static)"; done_; }
kernel=$(ls "$cache"/boot/vmlinuz-* 2>/dev/null | tail -1)
if [ -z "$kernel" ]; then
  mkdir -p "$cache" && cd "$cache" || exit 1
  package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '/Depends: linux-image/ {print $2; exit}')
  [ -n "$package" ] && timeout 200 apt-get download "$package" >log 2>&1 && dpkg-deb --fsys-tarfile ./*.deb | tar x ./boot >>log 2>&1
  rm -f ./*.deb
  kernel=$(ls "$cache"/boot/vmlinuz-* 2>/dev/null | tail -1)
  [ -n "$kernel" ] || { skip guest "Debian's linux-image-cloud-amd64 is not to be had"; done_; }
fi
[ "$(head -c4 "$tests" | tail -c3)" = ELF ] || { fail guest "$tests is no program"; done_; }

mkdir -p "$tmp"/fs/{bin,proc,sys,dev,tmp,run,box/rootfs/{bin,proc,dev,sys,tmp}}
cp "$busybox" "$tmp/fs/bin/busybox"; cp "$busybox" "$tmp/fs/box/rootfs/bin/busybox"
cp "$tests" "$tmp/fs/bin/guest_cgroup"; cp "$oci" "$tmp/fs/bin/sennit-oci"
strip "$tmp/fs/bin/guest_cgroup" "$tmp/fs/bin/sennit-oci" 2>/dev/null
cp "$root/tests/interop/cgroup_v2_guest_init.sh" "$tmp/fs/init"; chmod +x "$tmp/fs/init"
python3 - "$tmp/fs/box/config.json" <<'P'
import json, sys
json.dump({"ociVersion": "1.2.0", "root": {"path": "rootfs"}, "hostname": "box",
  "process": {"user": {"uid": 0, "gid": 0}, "args": ["/bin/busybox", "sh", "/start"], "cwd": "/", "env": ["PATH=/bin"],
              "capabilities": {k: ["CAP_KILL", "CAP_MKNOD"] for k in ("bounding", "effective", "permitted")}},
  "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
    {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]}],
  "linux": {"cgroupsPath": "/boxes/one", "namespaces": [{"type": t} for t in ("pid", "ipc", "uts", "mount", "network", "cgroup")],
    "resources": {"memory": {"limit": 67108864, "swap": 67108864, "reservation": 33554432}, "pids": {"limit": 33},
      "cpu": {"shares": 512, "quota": 50000, "period": 100000, "cpus": "0", "mems": "0"}, "unified": {"memory.high": "60000000"},
      "blockIO": {"weight": 200}, "hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}],
      "devices": [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rw"}]}}},
  open(sys.argv[1], "w"))
P
cat >"$tmp/fs/box/rootfs/start" <<'S'
echo "in /proc/self/cgroup: $(busybox cat /proc/self/cgroup)"
busybox mknod /tmp/full c 1 7; busybox mknod /tmp/kmsg c 1 11
echo x >/dev/null && echo "null may be written"
busybox cat /tmp/kmsg 2>&1 | busybox grep -o 'Operation not permitted'
echo "limit: $(busybox cat /sys/fs/cgroup/memory.max) $(busybox cat /sys/fs/cgroup/pids.max)"
exec busybox sleep 1000
S
(cd "$tmp/fs" && python3 - "$tmp/initrd" <<'P'
# A "newc" archive: the kernel's initramfs format, in as few lines as it takes.
import os, stat, sys
out, n = open(sys.argv[1], "wb"), 0
def put(name, mode, data=b"", rdev=(0, 0)):
    global n
    n += 1
    raw = name.encode() + b"\0"
    f = [n, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(raw), 0]
    out.write(b"070701" + b"".join(b"%08x" % x for x in f) + raw)
    out.write(b"\0" * (-out.tell() % 4) + data)
    out.write(b"\0" * (-out.tell() % 4))
put("dev/console", stat.S_IFCHR | 0o600, rdev=(5, 1)) if not os.path.isdir("dev") else None
for base, dirs, files in os.walk("."):
    for d in dirs: put(os.path.relpath(os.path.join(base, d)), stat.S_IFDIR | 0o755)
    for f in files:
        p = os.path.relpath(os.path.join(base, f))
        put(p, stat.S_IFREG | 0o755, open(p, "rb").read())
put("dev/console", stat.S_IFCHR | 0o600, rdev=(5, 1))
put("TRAILER!!!", 0)
P
)
# KVM only on request: nested, as on most test machines, it may hang before the kernel.
accel=${GUEST_ACCEL:-tcg}
timeout "${GUEST_TIMEOUT:-300}" "$qemu" -accel "$accel" -m 768 -smp 2 -nographic -no-reboot -nodefaults -serial stdio -kernel "$kernel" \
  -initrd "$tmp/initrd" -append "console=ttyS0 quiet cgroup_no_v1=all panic=-1" </dev/null >"$tmp/console" 2>&1
tr -d '\r' <"$tmp/console" >"$tmp/out"
grep -q '^GUEST DONE$' "$tmp/out" || { tail -25 "$tmp/out"; fail guest "did not come to its end"; done_; }
grep -E '^(SKIP|FAIL) ' "$tmp/out"
grep -A3 -E '^FAIL ' "$tmp/out" | grep -E '^ '
while read -r word rest; do
  case $word in ok) ok "guest: $rest" ;; FAIL) fail "guest" "$rest" ;; SKIP) skip "guest" "$rest" ;; esac
done < <(grep -E '^(ok|FAIL|SKIP) ' "$tmp/out")
done_

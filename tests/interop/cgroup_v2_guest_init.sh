#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# The guest's first process (cgroup_v2_guest.sh): the cgroup tests, then a container by sennit-oci.
b=/bin/busybox
if [ ! -e /moved ]; then # pivot_root wants a root that is a mount: not the initramfs
  $b mkdir /new; $b mount -t tmpfs new /new; $b cp -a /bin /box /init /new/; $b mkdir /new/dev; $b touch /new/moved
  $b mount -t devtmpfs dev /new/dev
  exec $b switch_root -c /dev/console /new /init
fi
$b mkdir -p /proc /sys /dev /tmp /run
$b mount -t proc proc /proc; $b mount -t sysfs sys /sys; $b mount -t tmpfs tmp /tmp; $b mount -t tmpfs run /run
$b mount -t cgroup2 cgroup2 /sys/fs/cgroup
export PATH=/bin
for x in $($b --list); do [ -e /bin/$x ] || $b ln -s busybox /bin/$x; done
ok() { echo "ok $1"; }
check() { if [ "$2" = "$3" ]; then echo "ok $1"; else echo "FAIL $1: expected \"$3\", got \"$2\""; fi; }
echo "kernel $(uname -r), controllers: $(cat /sys/fs/cgroup/cgroup.controllers)"
SN_TEST_TIMEOUT=5 guest_cgroup 2>&1 # processors are emulated

oci="sennit-oci --root /run/oci"
cg=/sys/fs/cgroup/boxes/one
cd /box
$oci create one >/tmp/out 2>&1 </dev/null; check "create" "$?: $(head -c 300 /tmp/out)" "0: "
check "memory.max" "$(cat $cg/memory.max)" 67108864
check "memory.low" "$(cat $cg/memory.low)" 33554432
[ -e $cg/memory.swap.max ] && check "memory.swap.max" "$(cat $cg/memory.swap.max)" 0
check "memory.high" "$(cat $cg/memory.high)" 59998208
check "pids.max" "$(cat $cg/pids.max)" 33
check "cpu.max" "$(cat $cg/cpu.max)" "50000 100000"
check "cpu.weight" "$(cat $cg/cpu.weight)" 59
check "cpuset.cpus" "$(cat $cg/cpuset.cpus)" 0
check "io.weight" "$(cat $cg/io.bfq.weight $cg/io.weight 2>/dev/null | head -1)" "$([ -e $cg/io.bfq.weight ] && echo default 200 || echo default 1920)"
check "hugetlb" "$(cat $cg/hugetlb.2MB.max)" 4194304
$oci start one; check "start" "$?" 0
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do grep -q limit: /tmp/out && break; sleep 0.1; done
check "own cgroup" "$(grep -c 'in /proc/self/cgroup: 0::/$' /tmp/out)" 1
check "allowed device" "$(grep -c 'null may be written' /tmp/out)" 1
check "refused device" "$(grep -c 'Operation not permitted' /tmp/out)" 1
check "limits seen inside" "$(grep limit: /tmp/out)" "limit: 67108864 33"
check "exec" "$($oci exec one /bin/busybox cat /proc/self/cgroup 2>&1)" "0::/"
check "ps" "$($oci ps --format json one 2>&1 | grep -c '\[')" 1
$oci pause one; check "pause" "$? $(grep frozen $cg/cgroup.events)" "0 frozen 1"
check "state paused" "$($oci state one | grep -c '"status": "paused"')" 1
$oci resume one; check "resume" "$? $(grep frozen $cg/cgroup.events)" "0 frozen 0"
$oci update --memory 50331648 --memory-swap 50331648 --pids-limit 44 --cpu-quota 20000 one; check "update" "$?" 0
check "updated" "$(cat $cg/memory.max) $(cat $cg/pids.max) $(cat $cg/cpu.max)" "50331648 44 20000 100000"
check "stats" "$($oci events --stats one 2>&1 | grep -o '"pids":{"current":[0-9]*,"limit":44' | head -1)" '"pids":{"current":1,"limit":44'
$oci kill one KILL; check "kill" "$?" 0
for i in 1 2 3 4 5 6 7 8 9 10; do [ "$($oci state one | grep -c stopped)" = 1 ] && break; sleep 0.1; done
$oci delete one; check "delete" "$?" 0
check "group is gone" "$([ -e $cg ] && echo there)" ""
echo GUEST DONE
poweroff -f

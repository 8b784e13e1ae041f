#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Starting containers from a daemon: by itself, by its zygote, and by running crun and sennit-oci, as daemons do that
# have no library; for daemons of several sizes. usage: task.sh [ROUNDS]      needs root, crun, busybox-static, cgroup v1
# crun refuses hybrid machines: all run in a mount namespace without the v2 hierarchy.
if [ "${TASK_BENCH_INSIDE:-}" != 1 ] && [ "$(id -u)" = 0 ]; then
  export TASK_BENCH_INSIDE=1
  exec unshare -m --propagation private bash -c 'umount /sys/fs/cgroup/unified 2>/dev/null; exec bash "$0" "$@"' "$0" "$@"
fi
. "$(dirname "$0")/lib.sh"
rounds=${1:-100}
bench_build bench/task/bench_task cmd/sennit-oci/sennit-oci
[ "$(id -u)" = 0 ] && [ -x /usr/bin/crun ] || { echo "SKIP task: needs root and crun"; exit 0; }
oci=$BENCH_BUILD/cmd/sennit-oci/sennit-oci cg=sennit-test-bench-$$ b=$BENCH_TMP/bundle
bench_cpu_group "$cg" || { echo "SKIP task: needs the cpuacct group of cgroup v1"; exit 0; }
mkdir -p "$b"/rootfs/{bin,proc,sys,dev}
cc -O2 -static -nostdlib -ffreestanding -o "$b/rootfs/bin/tiny" "$BENCH_ROOT/bench/oci/tiny.c" && cc -O2 -o "$BENCH_TMP/drive" "$BENCH_ROOT/bench/oci/drive.c" || exit 1
"$oci" spec -f - | python3 -c '
import json, sys
c = json.load(sys.stdin); c["ociVersion"] = "1.0.2"; c["process"]["terminal"] = False; c["process"]["args"] = ["/bin/tiny"]; del c["process"]["rlimits"]
c["linux"]["cgroupsPath"] = "/'"$cg"'/c"
c["mounts"] = [m for m in c["mounts"] if m["type"] != "cgroup"]
json.dump(c, open("'"$b"'/config.json", "w"))'
echo "| $rounds containers in turns; medians, ms | memory of the daemon | create to execution | create to end of delete | CPU | least start |"
echo "|---|---|---|---|---|---|"
for mb in 1 256 1024; do
  "$BENCH_BUILD/bench/task/bench_task" "$b" "$BENCH_TMP/states" "$BENCH_GROUP/cpuacct.usage" "$rounds" $mb |
    awk -v mb=$mb '{ printf "| %s | %d MiB | %.2f | %.2f | %.2f | %.2f |\n", $1 == "zygote" ? "by its zygote" : "by the daemon itself", mb, $2 / 1000, $3 / 1000, $4 / 1000, $5 / 1000 }'
done
echo
echo "| a program that is run, $rounds times in turns | wall ms p50 | p90 | CPU ms p50 | wall, ratio to crun | CPU, ratio | RSS MiB |"
echo "|---|---|---|---|---|---|---|"
cd "$b" && "$BENCH_TMP/drive" -n "$rounds" -- sennit-oci "$oci" --root "$BENCH_TMP/r0" run %i -- "crun $(crun --version | head -1 | cut -d' ' -f3)" /usr/bin/crun --root "$BENCH_TMP/r1" run %i
exit 0

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/oci.sh [ROUNDS] - sennit-oci against crun and runc: run, run with containerd's default seccomp
# profile, exec, state. Interleaved runs; wall and CPU time (wait4, the container's process included).
# Peers: crun and runc of Debian, runc 1.5.3 where tests/interop/oci_validation.sh has built it.
source "$(dirname "$0")/lib.sh"
rounds=${1:-100}
[ "$(id -u)" -eq 0 ] || { echo "bench/oci.sh: needs root" >&2; exit 1; }
bench_build cmd/sennit-oci/sennit-oci
oci=$BENCH_BUILD/cmd/sennit-oci/sennit-oci; peers=${SENNIT_PEERS:-$HOME/.cache/sennit-peers}/oci
cc -O2 -o "$BENCH_TMP/drive" "$BENCH_ROOT/bench/oci/drive.c" && cc -O2 -static -nostdlib -ffreestanding -o "$BENCH_TMP/tiny" "$BENCH_ROOT/bench/oci/tiny.c" || exit 1
if [ ! -s "$peers/containerd-seccomp.json" ] && command -v go >/dev/null; then
  mkdir -p "$BENCH_TMP/profile" "$peers"; cp "$BENCH_ROOT/bench/oci/profile/main.go" "$BENCH_TMP/profile/"
  (cd "$BENCH_TMP/profile" && go mod init profile && go get github.com/containerd/containerd/v2@v2.4.2 && go mod tidy && go run . >"$peers/containerd-seccomp.json.new" \
    && mv "$peers/containerd-seccomp.json.new" "$peers/containerd-seccomp.json") >&2
fi
cg=/sennit-test-bench-$$
bundle() { # NAME PROGRAM FILE [PROFILE]
  local b=$BENCH_TMP/$1; mkdir -p "$b"/rootfs/{bin,proc,sys,dev}
  cp "$3" "$b/rootfs/bin/$(basename "$3")"; [ "$(basename "$3")" != busybox ] || ln -sf busybox "$b/rootfs/bin/true"; ln -sf busybox "$b/rootfs/bin/sleep"
  "$oci" spec -f - | python3 -c '
import json, sys
c = json.load(sys.stdin); c["ociVersion"] = "1.0.2"; c["process"]["terminal"] = False; c["process"]["args"] = sys.argv[1].split(); del c["process"]["rlimits"]
c["linux"]["cgroupsPath"] = sys.argv[2]
# crun of Debian refuses to mount the groups of a hybrid machine.
c["mounts"] = [m for m in c["mounts"] if m["type"] != "cgroup"]
if len(sys.argv) > 3: c["linux"]["seccomp"] = json.load(open(sys.argv[3]))
json.dump(c, open("'"$b"'/config.json", "w"))' "$2" "$cg/$1" ${4:+"$4"}
}
sides() { # BUNDLE COMMAND... : the peers' command lines
  local b=$1; shift
  printf '%s\0' -- sennit-oci "$oci" --root "$BENCH_TMP/r0" "$@"
  local i=1
  for p in /usr/bin/crun /usr/sbin/runc "$peers/runc-1.5.3"; do
    [ -x "$p" ] || continue
    printf '%s\0' -- "$($p --version | head -1 | sed 's/ version / /')" "$p" --root "$BENCH_TMP/r$i" "$@"; i=$((i + 1))
  done
}
row() { # TITLE BUNDLE ROUNDS COMMAND...
  local title=$1 b=$2 n=$3; shift 3
  local args; mapfile -d '' args < <(sides "$b" "$@")
  printf '\n%s\n\n| runtime | wall ms p50 | p90 | CPU ms p50 | wall, ratio to crun | CPU, ratio | RSS MiB |\n|---|---|---|---|---|---|---|\n' "$title"
  (cd "$BENCH_TMP/$b" && "$BENCH_TMP/drive" -n "$n" "${args[@]}") || exit 1
}
clean() { find /sys/fs/cgroup -depth -type d -path "*$cg*" -exec rmdir {} + 2>/dev/null; bench_cleanup; }
trap clean EXIT
bundle tiny /bin/tiny "$BENCH_TMP/tiny"; bundle busy /bin/true /bin/busybox
row '`run`, a program of one system call' tiny "$rounds" run %i
row '`run /bin/true`, static busybox' busy "$rounds" run %i
if [ -s "$peers/containerd-seccomp.json" ]; then
  bundle prof /bin/tiny "$BENCH_TMP/tiny" "$peers/containerd-seccomp.json"
  row '`run` with the default seccomp profile of containerd' prof "$rounds" run %i
fi
bundle live "/bin/sleep 1000" /bin/busybox; cp "$BENCH_TMP/tiny" "$BENCH_TMP/live/rootfs/bin/"
i=0
for p in "$oci" /usr/bin/crun /usr/sbin/runc "$peers/runc-1.5.3"; do
  [ -x "$p" ] || continue
  (cd "$BENCH_TMP/live" && sed "s|$cg/live|$cg/live$i|" -i config.json && "$p" --root "$BENCH_TMP/r$i" run -d live </dev/null >/dev/null 2>&1; sed "s|$cg/live$i|$cg/live|" -i config.json); i=$((i + 1))
done
row '`exec`, a program of one system call' live "$rounds" exec live /bin/tiny
row '`state`' live "$rounds" state live >"$BENCH_TMP/state"; grep '^[|`]' "$BENCH_TMP/state" | sed '1i\\'
i=0
for p in "$oci" /usr/bin/crun /usr/sbin/runc "$peers/runc-1.5.3"; do
  [ -x "$p" ] && { "$p" --root "$BENCH_TMP/r$i" delete -f live; i=$((i + 1)); }
done
exit 0

# SPDX-License-Identifier: Apache-2.0
# tests/e2e/takeover_rig.sh - a network namespace, control groups and a BPF file system of their own, for
# takeover's test and bench; source it after lib.sh. Everything goes again at the end, also after a failure.
#
#   rig_probe   prints why the kernel programs cannot be tried here, or nothing
#   rig_up      makes $cg/work, $cg/other, $cg/gateway, the namespace $ns with the addresses $v4 and $v6, $pins
#   inns CMD... in the namespace;  inwork CMD... also in the cgroup that is redirected;  incg NAME CMD... in another
#   bg FILE CMD...  in the background, output to FILE; waits for its first line; the process is $last
rig_made=
v4=10.77.0.1 v6=fd77::1
rig_probe() {
  [ "$(id -u)" = 0 ] || { echo "not root"; return; }
  cg2=$(findmnt -t cgroup2 -n -o TARGET 2>/dev/null | head -1)
  [ -n "$cg2" ] || { echo "no cgroup v2 tree is mounted"; return; }
  [ -w "$cg2" ] || { echo "$cg2 cannot be written"; return; }
  command -v ip nsenter >/dev/null || { echo "no ip or nsenter"; return; }
  ip netns add "sntk$$" 2>/dev/null || { echo "network namespaces cannot be made"; return; }
  ip netns del "sntk$$"
  mkdir "$tmp/bpffs" && mount -t bpf bpf "$tmp/bpffs" 2>/dev/null || { echo "no BPF file system can be mounted"; return; }
}
rig_up() {
  cg2=$(findmnt -t cgroup2 -n -o TARGET | head -1)
  cg=$cg2/sennit-takeover-$$ ns=sntk$$ pins=$tmp/bpffs/takeover sock=$tmp/bpf.sock rig_made=1
  mkdir "$cg" "$cg/work" "$cg/other" "$cg/gateway" || return 1
  ip netns add "$ns"
  ip -n "$ns" link set lo up
  ip -n "$ns" addr add "$v4/24" dev lo
  ip -n "$ns" addr add "$v6/64" dev lo nodad
}
rig_down() {
  local p
  for p in "${pids[@]}"; do kill "$p" 2>/dev/null; done
  for p in "${pids[@]}"; do wait "$p" 2>/dev/null; done
  pids=()
  if [ -n "$rig_made" ]; then
    # What the test's own processes have left behind in its own cgroups.
    for p in $(cat "$cg"/*/cgroup.procs 2>/dev/null); do kill -9 "$p" 2>/dev/null; done
    for _ in $(seq 50); do rmdir "$cg"/work "$cg"/other "$cg"/gateway 2>/dev/null; rmdir "$cg" 2>/dev/null && break; sleep 0.1; done
    ip netns del "$ns" 2>/dev/null
  fi
  mountpoint -q "$tmp/bpffs" 2>/dev/null && umount "$tmp/bpffs"
  rm -rf "$tmp"
}
trap rig_down EXIT
run= # "exec" in the background: the process that is killed there is the program, not a shell before it
inns() { $run nsenter --net="/run/netns/$ns" "$@"; }
# shellcheck disable=SC2016
incg() { local g=$1; shift; inns bash -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' _ "$cg/$g" "$@"; }
inwork() { incg work "$@"; }
bg() {
  local file=$1; shift
  : >"$file"
  (run=exec; if [ "$(type -t "$1")" = function ]; then "$@"; else exec "$@"; fi) >"$file" 2>"$file.err" &
  last=$!; pids+=("$last")
  for _ in $(seq 200); do [ -s "$file" ] && return 0; kill -0 "$last" 2>/dev/null || break; sleep 0.05; done
  echo "FAIL start $*: $(cat "$file.err")"; return 1
}
# until_true SECONDS CMD... - tries every 50 ms.
until_true() { local n=$(($1 * 20)); shift; for _ in $(seq "$n"); do "$@" >/dev/null 2>&1 && return 0; sleep 0.05; done; return 1; }

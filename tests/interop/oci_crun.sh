#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/interop/oci_crun.sh SENNIT_OCI SN_REAP ROOT - crun's own Python tests (Debian's source package of the crun that is installed) against
# sennit-oci and, as the measure, crun: what it passes, we must pass, but for the list below, each with its reason. crun takes no
# hybrid groups, so it sees version 1 alone. CRUN_TESTS: another folder of its tests, with `init` beside it.
set -uo pipefail
if [ "${4:-}" != inside ]; then exec unshare -m --propagation private "$0" "$1" "$2" "$3" inside; fi
root=$(cd "$3" && pwd); oci=$(realpath "$1"); reap=$(realpath "$2")
source "$root/tests/e2e/lib.sh"; source "$root/tests/interop/oci_peers.sh"
finish() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; }
[ "$(id -u)" -eq 0 ] || { skip oci_crun "needs root"; finish; exit; }
[ -n "$crun" ] || { skip oci_crun "needs crun"; finish; exit; }
tests=${CRUN_TESTS:-$peers/crun-tests}
if [ ! -x "$tests/init" ]; then
  version=$(dpkg-query -W -f '${Version}' crun 2>/dev/null)
  # Its own package lists, from the machine's sources with "deb-src" in place of "deb".
  mkdir -p "$tmp/apt/lists" "$tmp/apt/parts" "$tests.new"
  for f in /etc/apt/sources.list.d/*.sources; do sed 's/^Types: deb$/Types: deb-src/' "$f" >"$tmp/apt/parts/$(basename "$f")"; done
  for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do [ -f "$f" ] && sed -n 's/^deb /deb-src /p' "$f" >"$tmp/apt/parts/$(basename "$f" .list).list"; done
  a=(-o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$tmp/apt/parts" -o Dir::State::lists="$tmp/apt/lists" -o APT::Sandbox::User=root)
  (cd "$tmp/apt" && apt-get "${a[@]}" update -qq && apt-get "${a[@]}" source -qq --download-only "crun=$version" && tar -xf crun_*.orig.tar.[a-z]z --wildcards --strip-components=2 -C "$tests.new" '*/tests/*' \
    && : >config.h && cc -static -O1 -I. -DHAVE_SECCOMP -o "$tests.new/init" "$tests.new/init.c" -lseccomp) >"$tmp/err" 2>&1
  [ -x "$tests.new/init" ] || { skip oci_crun "its tests cannot be had: $(tail -1 "$tmp/err")"; rm -rf "$tests.new"; finish; exit; }
  rm -rf "$tests"; mv "$tests.new" "$tests"
fi
# verdicts RUNTIME FILE - "FILE|ok|NAME" for each test; a skipped one is left out.
verdicts() {
  local t n; rm -rf "$tmp/work"; mkdir -p "$tmp/work/tests"; ln -s "$tests/init" "$tmp/work/tests/init"
  for t in "$tests"/test_*.py; do
    n=$(basename "$t" .py)
    # Checkpoints have a script of their own (oci_criu.sh).
    [ "$n" = test_checkpoint_restore ] && continue
    (cd "$tmp/work" || exit; OCI_RUNTIME=$1 INIT=$tests/init timeout -k 5 60 "$reap" -C -- python3 "$t" 2>/dev/null </dev/null) \
      | sed -nE "/#SKIP/d; s/^(not )?ok [0-9]+ - (.*)/$n|\1ok|\2/p"
  done >"$2"
}
# test_delete leaves its processes, killed but frozen, where it froze them.
thaw() {
  local f=/sys/fs/cgroup/freezer/frozen
  [ -d "$f" ] || return 0
  echo THAWED >"$f/freezer.state"
  for _ in $(seq 100); do rmdir "$f" 2>/dev/null && break; sleep 0.02; done
}
trap 'thaw; cleanup' EXIT
verdicts "$oci" "$tmp/ours"
f=$peers/crun-verdicts-$("$crun" --version | head -1 | tr -cd 'a-z0-9.')-$(cksum <"$tests/test_exec.py" | cut -d' ' -f1)
if [ ! -s "$f" ]; then
  [ -e /sys/fs/cgroup/unified/cgroup.procs ] && umount /sys/fs/cgroup/unified
  verdicts "$crun" "$f.new" && mv "$f.new" "$f"
fi
declare -A why=(
  [test_delete/test_simple_delete]="freezes the process in a group that is not the container's, and expects success: runc and we say that it does not die"
  [test_delete/test_multiple_containers_delete]="as above"
  [test_exec/exec_add_no_new_privileges]="expects exec to drop the container's noNewPrivileges: with runc it is inherited"
  [test_preserve_fds/preserve-fds-some]="asks for descriptors that are not open: an error with runc"
  [test_seccomp/seccomp-listener]="expects a listener where no action notifies: as with runc there is none"
  [test_exec/exec_write_pid_file]="expects a pid of five digits, which here is chance"
  [test_start/sd-notify]="runs where --version says SYSTEMD only: NOTIFY_SOCKET is not passed on"
  [test_start/sd-notify-file]="as above" [test_start/sd-notify-env]="as above"
  [test_start/start]="reads crun's own state file")
while IFS='|' read -r file verdict name; do
  [ "$verdict" = ok ] || continue
  mine=$(grep -F "$file|" "$tmp/ours" | awk -F'|' -v n="$name" '$3 == n {print $2}')
  if [ "$mine" = ok ]; then ok "$file: $name"
  elif [ -n "${why[$file/$name]:-}" ]; then skip "$file: $name" "${why[$file/$name]}"
  else fail "$file: $name" "crun passes; ours: ${mine:-no verdict}"; fi
done <"$f"
echo "# ours: $(awk -F'|' '{n[$2]++} END {print n["ok"]+0 " ok, " n["not ok"]+0 " not ok"}' "$tmp/ours"); crun: $(awk -F'|' '{n[$2]++} END {print n["ok"]+0 " ok, " n["not ok"]+0 " not ok"}' "$f")"
finish

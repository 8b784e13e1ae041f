#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The gdb commands on a live process and on a core file of it, and kill -QUIT on the same process:
# each must list the five fibers that wait for ever and the stack of one. usage: gdb.sh PROFILED
set -u
profiled=$1 here=$(cd "$(dirname "$0")/../.." && pwd)
command -v gdb >/dev/null || { echo "SKIP: gdb is not installed"; exit 77; }
tmp=$(mktemp -d)
trap 'kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; rm -rf "$tmp"' EXIT
profiled=$(realpath "$profiled")
(cd "$tmp" && ulimit -c unlimited && exec "$profiled" 127.0.0.1:0 2) >"$tmp/log" 2>"$tmp/err" &
pid=$!
for _ in $(seq 200); do grep -q '^listening' "$tmp/log" && break; sleep 0.05; done
# The fibers start right after the listener: until all five wait.
dump_has_five() { kill -QUIT $pid; sleep 0.3; [ "$(grep -c '\[event wait, "forgotten"\]' "$tmp/err")" -ge 5 ]; }
for _ in $(seq 50); do dump_has_five && break; done
dump_has_five || { echo "FAIL quit: no five fibers in"; head -50 "$tmp/err"; exit 1; }
kill -0 $pid || { echo "FAIL quit: the process has ended"; exit 1; }
echo "ok quit"
# look NAME GDB_TARGET... - lists the fibers, then walks the first forgotten one.
look() {
  local name=$1 id
  shift
  gdb -nx -batch -ex "source $here/tools/gdb/sennit-gdb.py" -ex "sennit fibers" "$@" \
    >"$tmp/$name.fibers" 2>"$tmp/$name.err"
  if grep -q 'ptrace: Operation not permitted' "$tmp/$name.err"; then
    echo "SKIP: this machine does not let gdb attach"; exit 77
  fi
  [ "$(grep -c ' event wait .* forgotten ' "$tmp/$name.fibers")" = 5 ] ||
    { echo "FAIL $name: fibers"; cat "$tmp/$name.fibers" "$tmp/$name.err"; exit 1; }
  id=$(awk '/ forgotten /{print $1; exit}' "$tmp/$name.fibers")
  gdb -nx -batch -ex "source $here/tools/gdb/sennit-gdb.py" -ex "sennit bt $id" "$@" \
    >"$tmp/$name.bt" 2>>"$tmp/$name.err"
  for f in sn_wait_park sn_event_wait forgotten sn_fiber_main; do
    grep -q " $f" "$tmp/$name.bt" ||
      { echo "FAIL $name: no $f in"; cat "$tmp/$name.bt" "$tmp/$name.err"; exit 1; }
  done
  echo "ok $name"
}
look live -p $pid "$profiled"
# The kernel's core file: gdb's own generate-core-file gives up on regions with guard pages, and so
# leaves out the stacks of fibers.
case $(cat /proc/sys/kernel/core_pattern) in
  "|"* | */*) echo "SKIP: core files go elsewhere on this machine"; exit 77 ;;
esac
kill -ABRT $pid; wait $pid 2>/dev/null
core=$(ls "$tmp"/core* 2>/dev/null)
[ -s "$core" ] || { echo "FAIL core: none was written"; ls "$tmp"; exit 1; }
look core -c "$core" "$profiled"
echo "3 passed, 0 failed, 0 skipped"

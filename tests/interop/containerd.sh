#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Our shim under the real containerd, Debian's 1.6 and 2.4 of the Go module: what ctr can do, crashes of shim and
# daemon at every step, and what is left afterwards: nothing.
# usage: containerd.sh SHIM ROOT      LOOPS=1000 for the long form
set -u
shim=$(realpath "$1") root=$2 loops=${LOOPS:-120}
. "$root/tests/e2e/lib.sh"
. "$root/tests/interop/containerd_lib.sh"

basics() {
  timeout 120 "$ctr" -a "$d/c.sock" -n "$ns" events >"$d/events" 2>&1 & pids+=($!)
  sleep 0.3
  check "$v: run" "$(run --rm $image a1 echo hello 2>&1)" hello
  run --rm $image a2 sh -c 'exit 7' >/dev/null 2>&1; check "$v: exit code" $? 7
  run --rm $image a3 /no/such >/dev/null 2>"$tmp/err" && fail "$v: missing program" "ran" ||
    { grep -qi "no such file\|not found" "$tmp/err" && ok "$v: missing program is named" || fail "$v: missing program" "$(cat "$tmp/err")"; }
  check "$v: stderr is apart" "$(run --rm $image a4 sh -c 'echo out; echo err >&2' 2>/dev/null)" out
  check "$v: 1 MiB of output" "$(run --rm $image a5 sh -c 'dd if=/dev/zero bs=1024 count=1024 2>/dev/null' | wc -c)" 1048576
  check "$v: terminal" "$(timeout 30 script -qec "$ctr -a $d/c.sock -n $ns run -t --rm --runtime io.containerd.sennit.v2 $image a6 sh -c 'test -t 0 && test -t 1 && echo tty'" /dev/null </dev/null | tr -d '\r\000\004^@D\b' | grep -c tty)" 1
  run --rm --memory-limit 16777216 $image a7 sh -c 'x=x; while :; do x=$x$x; done' >/dev/null 2>&1
  check "$v: killed for memory" $? 137
  sleep 0.2
  grep -q "$ns /tasks/oom " "$d/events" && ok "$v: OOM was told" || fail "$v: OOM was told" "no event"
  grep -o "$ns /tasks/[a-z]*" "$d/events" | head -4 | sed 's,.*/,,' | tr '\n' ' ' >"$tmp/order"
  check "$v: order of events" "$(cat "$tmp/order")" "create start exit delete "
  check "$v: nothing is left" "$(left)" ""
}

operations() {
  run -d $image b1 sleep 1000 2>&1 || { fail "$v: detached" "$(tail -3 "$d/log")"; return; }
  check "$v: state" "$(status b1)" RUNNING
  check "$v: exec" "$(c t exec --exec-id e1 b1 echo inside)" inside
  c t exec --exec-id e2 b1 sh -c 'exit 9' >/dev/null 2>&1; check "$v: exec's exit code" $? 9
  check "$v: exec's input" "$(echo typed | c t exec --exec-id e3 b1 cat)" typed
  check "$v: exec as a user" "$(c t exec --exec-id e4 --user 1000 b1 id -u)" 1000
  check "$v: exec in a terminal" "$(timeout 30 script -qec "$ctr -a $d/c.sock -n $ns t exec -t --exec-id e5 b1 sh -c 'tty >/dev/null && echo tty'" /dev/null </dev/null | grep -c tty)" 1
  check "$v: ten at once" "$(for i in 1 2 3 4 5 6 7 8 9 10; do c t exec --exec-id m$i b1 echo $i & done | sort -n | tr '\n' ' '; wait)" "1 2 3 4 5 6 7 8 9 10 "
  c t pause b1; check "$v: paused" "$(status b1)" PAUSED
  c t resume b1; check "$v: resumed" "$(status b1)" RUNNING
  c t metrics b1 | grep -q 'pids.current *1' && ok "$v: metrics" || fail "$v: metrics" "$(c t metrics b1)"
  check "$v: processes" "$(c t ps b1 | tail -n +2 | wc -l)" 1
  c t exec --exec-id x1 -d b1 sleep 500; check "$v: detached exec among the processes" "$(c t ps b1 | grep -c x1)" 1
  # The daemon comes back and finds its tasks.
  daemon_kill -9; daemon_up "$1"; check "$v: after the daemon's kill -9" "$(status b1)" RUNNING
  check "$v: exec after that" "$(c t exec --exec-id e6 b1 echo again)" again
  # What ends while the daemon is away is known when it is back.
  pid=$(c t ls | awk '$1 == "b1" { print $2 }'); daemon_kill -9; kill -TERM "$pid"; kill -9 "$pid"; daemon_up "$1"
  # 2.4 cleans up at once what it finds without a process.
  for _ in $(seq 60); do s=$(status b1); [ "$s" = STOPPED ] || [ -z "$s" ] && break; sleep 0.05; done
  case $s in STOPPED | "") ok "$v: ended while the daemon was away" ;; *) fail "$v: ended while the daemon was away" "$s" ;; esac
  c t rm b1 >/dev/null 2>&1; c c rm b1
  run -d --log-uri "file://$tmp/$v.log" $image b2 sh -c 'echo logged; echo again >&2; sleep 300'
  for _ in $(seq 50); do [ "$(wc -l <"$tmp/$v.log" 2>/dev/null)" = 2 ] && break; sleep 0.05; done
  check "$v: file:// log" "$(sort "$tmp/$v.log" | tr '\n' ' ')" "again logged "
  gone b2
  cat >"$tmp/logger" <<X
#!/bin/sh
exec 5>&-
echo "\$1 \$2 \$CONTAINER_ID \$CONTAINER_NAMESPACE" >$tmp/logger.out
cat <&3 >>$tmp/logger.out
X
  chmod +x "$tmp/logger"; rm -f "$tmp/logger.out"
  run -d --log-uri "binary://$tmp/logger?key=va%6cue" $image b3 sh -c 'echo logged; exec sleep 300' 2>&1
  for _ in $(seq 50); do grep -q logged "$tmp/logger.out" 2>/dev/null && break; sleep 0.05; done
  check "$v: binary:// logger" "$(tr '\n' ' ' <"$tmp/logger.out")" "key value b3 $ns logged "
  gone b3
  check "$v: nothing is left" "$(left)" ""
}

crashes() {
  # The shim dies at each step; the daemon has its container cleaned up.
  run -d $image k1 sleep 1000; kill -9 "$(shim_pid k1)"
  for _ in $(seq 100); do [ -z "$(status k1)" ] && break; [ "$(status k1)" = STOPPED ] && break; sleep 0.05; done
  c t rm -f k1 >/dev/null 2>&1; c c rm k1 >/dev/null 2>&1
  check "$v: shim killed while running" "$(left)" ""
  # In the middle of create, of start, of exec: wherever a random moment falls.
  for i in $(seq 12); do
    (run -d $image k2 sleep 1000 >/dev/null 2>&1; c t exec --exec-id e k2 true >/dev/null 2>&1) & p=$!
    for _ in $(seq 200); do s=$(shim_pid k2); [ -n "$s" ] && break; done
    sleep "0.0$((i * 8 % 10))$((i % 10))"; [ -n "$s" ] && kill -9 "$s" 2>/dev/null
    wait $p; c t kill -s KILL k2 >/dev/null 2>&1; c t rm -f k2 >/dev/null 2>&1; c c rm k2 >/dev/null 2>&1
  done
  check "$v: shim killed at twelve moments" "$(left)" ""
  for i in $(seq 4); do
    run -d $image k3 sleep 1000 >/dev/null 2>&1 & p=$!
    sleep "0.0$((i * 2))"; daemon_kill -9; wait $p
    daemon_up "$1"; gone k3; c t rm -f k3 >/dev/null 2>&1; c c rm k3 >/dev/null 2>&1; c snapshot rm k3 >/dev/null 2>&1
  done
  check "$v: daemon killed at four moments" "$(left)" ""
}

loop() {
  local fds before after
  before=$(cat /proc/sys/fs/file-nr | cut -f1)
  for j in 1 2 3 4; do
    (for i in $(seq $((loops / 4))); do run --rm $image "l$j-$i" true >>"$tmp/loop.$j" 2>&1 || echo bad >>"$tmp/loop.$j"; done) &
    pids+=($!)
  done
  wait "${pids[@]: -4}"
  after=$(cat /proc/sys/fs/file-nr | cut -f1)
  [ "$(cat "$tmp"/loop.? | wc -c)" = 0 ] && ok "$v: $loops containers" || fail "$v: $loops containers" "$(cat "$tmp"/loop.? | head -3)"
  check "$v: nothing is left of $loops containers" "$(left)" ""
  rm -f "$tmp"/loop.?
}

against() { # VERSION CONTAINERD CTR
  v=$1 ctr=$3 d=$tmp/$1
  daemon_up "$2" || { fail "$v" "containerd did not start: $(tail -3 "$d/log")"; return; }
  c image import "$tmp/bb.tar" >"$tmp/import" 2>&1 || { fail "$v: import" "$(cat "$tmp/import")"; return; }
  mkdir -p /run/containerd
  basics; operations "$2"; crashes "$2"; loop
  daemon_kill -TERM
}

peers

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Our shim under the real containerd, Debian's 1.6 and 2.4 of the Go module: what ctr can do, crashes of shim and
# daemon at every step, and what is left afterwards: nothing.
# usage: containerd.sh SHIM ROOT EXE_WATCH      LOOPS=1000 for the long form
set -u
shim=$(realpath "$1") root=$2 watch=$(realpath "$3") loops=${LOOPS:-120}
. "$root/tests/e2e/lib.sh"
. "$root/tests/interop/containerd_lib.sh"
mkdir "$tmp/path" # programs that shims find
shim_path=$(dirname "$shim"):$tmp/path

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

# CVE-2019-5736: whatever looks at the runtime's processes from inside a container never gets the runtime's file.
protection() {
  local sum seen i
  sum=$(sha256sum <"$shim")
  mkdir -p "$tmp/watch"; cp "$watch" "$tmp/watch/exe_watch"
  for kind in plain privileged; do
    run -d $([ $kind = plain ] || echo --privileged) --mount "type=bind,src=$tmp/watch,dst=/watch,options=rbind:ro" $image "p-$kind" sleep 1000
    c t exec --exec-id w "p-$kind" /watch/exe_watch 6 >"$tmp/seen-$kind" & pids+=($!)
    # The runtime's own child as program stays as long as its input is open; others are there for moments.
    sleep 5 | c t exec --exec-id self "p-$kind" /proc/self/exe -namespace n -id i -address a start >/dev/null 2>&1 &
    for i in $(seq 25); do c t exec --exec-id "x$i" "p-$kind" true; done
    wait "${pids[-1]}" 2>/dev/null
    seen=$(cat "$tmp/seen-$kind")
    case $seen in *"writable 0 "*) ok "$v: $kind: nothing of the runtime can be written" ;; *) fail "$v: $kind: written to" "$seen" ;; esac
    case $seen in "foreign 0 "*) fail "$v: $kind: the runtime's child was seen" "$seen" ;; *) ok "$v: $kind: it was looked at: ${seen% hidden*}" ;; esac
    own=$(stat -c %d "$shim"); own=$((own >> 8 & 4095)):$((own & 255))
    case ",$(echo "$seen" | sed 's/.*devices \([^ ]*\) .*/\1/')," in *",$own,"*) fail "$v: $kind: file of the host" "$seen" ;; *) ok "$v: $kind: no file of the host's is its program" ;; esac
    gone "p-$kind"
  done
  check "$v: the runtime's file is as it was" "$(sha256sum <"$shim")" "$sum"
}

# Twenty tasks over restarts of the daemon, one of which ends meanwhile; the events of its end come after.
restarts() { # CONTAINERD
  local i
  for i in $(seq 20); do run -d $image "r$i" sleep 1000; done
  pid=$(c t ls | awk '$1 == "r7" { print $2 }')
  daemon_kill -9; kill -9 "$pid"; daemon_up "$1"
  # 2.4 cleans up at once what it finds without a process.
  for i in $(seq 100); do s=$(status r7); [ "$s" = STOPPED ] || [ -z "$s" ] && break; sleep 0.05; done
  case $s in STOPPED | "") ok "$v: one of twenty ended while the daemon was away" ;; *) fail "$v: one of twenty ended while the daemon was away" "$s" ;; esac
  check "$v: nineteen run on" "$(c t ls | grep -c RUNNING)" 19
  check "$v: metrics of each" "$(for i in $(seq 20); do [ $i = 7 ] || c t metrics --format json "r$i" | grep -c '"cpu"\|usage_usec' | sed 's,[1-9].*,1,'; done | sort | uniq -c | tr -s ' ')" " 19 1"
  check "$v: exec in each" "$(for i in $(seq 20); do [ $i = 7 ] || c t exec --exec-id e "r$i" echo in; done | sort | uniq -c | tr -s ' ')" " 19 in"
  daemon_kill -TERM; daemon_up "$1"
  check "$v: and again" "$(c t ls | grep -c RUNNING)" 19
  # What a pod costs is counted: the shim's share of memory, what the container's group is charged, the shim's kernel stack and tables.
  sleep 3
  for i in 1 2 3 4 5; do
    p=$(shim_pid "r$i")
    echo "$(awk '/^Pss:/ { print $2 }' "/proc/$p/smaps_rollup") $(($(cat /sys/fs/cgroup/memory/$ns/r$i/memory.usage_in_bytes 2>/dev/null || cat "/sys/fs/cgroup/$ns/r$i/memory.current") / 1024))"
  done >"$tmp/cost"
  shim_kb=$(awk '{ s += $1 } END { printf "%d", s / NR }' "$tmp/cost") pod_kb=$(awk '{ s += $1 + $2 } END { printf "%d", s / NR }' "$tmp/cost")
  [ "$shim_kb" -gt 0 ] && [ "$shim_kb" -le 600 ] && ok "$v: a shim at rest has $shim_kb kB" || fail "$v: a shim at rest" "$shim_kb kB, at most 600 are allowed"
  [ "$pod_kb" -gt 0 ] && [ "$pod_kb" -le 3100 ] && ok "$v: a pod costs $pod_kb kB" || fail "$v: a pod's cost" "$pod_kb kB, at most 3100 are allowed"
  for i in $(seq 20); do c t rm -f "r$i" >/dev/null 2>&1; c c rm "r$i" >/dev/null 2>&1; done
  check "$v: nothing is left of twenty" "$(left)" ""
}

# The topics of a life with an exec, a pause and a checkpoint's absence, in the order in which they were told.
order() {
  timeout 60 "$ctr" -a "$d/c.sock" -n "$ns" events >"$d/order" 2>&1 & local e=$!; pids+=($e)
  sleep 0.5
  run -d $image o1 sleep 1000
  c t exec --exec-id e1 o1 true
  c t pause o1; c t resume o1
  gone o1
  for _ in $(seq 60); do grep -q "/tasks/delete" "$d/order" && break; sleep 0.05; done
  kill $e
  check "$v: order of all events" "$(grep -o "$ns /tasks/[a-z-]*" "$d/order" | sed 's,.*/,,' | tr '\n' ' ')" "create start exec-added exec-started exit paused resumed exit delete "
}

# A pod of containerd 2: the sandbox is the shim itself; its containers join it.
sandbox() {
  "$ctr" sandboxes --help >/dev/null 2>&1 || { skip "$v: sandboxes" "this ctr has none"; return; }
  echo '{"ociVersion":"1.2.0","hostname":"pod","linux":{}}' >"$tmp/pod.json"
  check "$v: sandbox" "$(c sandboxes run --runtime io.containerd.sennit.v2 "$tmp/pod.json" pod1 2>&1)" pod1
  check "$v: features are known" "$(c plugins inspect-runtime --runtime io.containerd.sennit.v2 2>&1 | grep -c '"ociVersionMax": "1.3.0"')" 1
  run -d --sandbox pod1 $image pc1 sleep 1000
  check "$v: sandbox: a container runs and ends" "$(run --rm --sandbox pod1 $image pc2 echo in-pod 2>&1)" in-pod
  check "$v: sandbox: one shim for all" "$(pgrep -fc -- "-namespace $ns .*start\$")" 1
  check "$v: sandbox: the other one runs on" "$(status pc1)" RUNNING
  c sandboxes rm pod1 >"$tmp/rm" 2>&1
  check "$v: sandbox: not removed under its container" "$(status pc1)$(grep -c 'must be deleted before' "$tmp/rm")" RUNNING1
  gone pc1
  c sandboxes rm --force pod1 >/dev/null 2>&1
  check "$v: sandbox: removed" "$(c sandboxes ls | grep -c pod1)" 0
  check "$v: sandbox: nothing is left" "$(left)" ""
}

# A runtime's own file of settings: where states are, and the group that the shim lives in.
settings() {
  local g=/sys/fs/cgroup/pids/$ns-shim
  [ -d /sys/fs/cgroup/pids ] || g=/sys/fs/cgroup/$ns-shim
  mkdir -p "$g"
  printf 'Root = "%s"\nShimCgroup = "/%s"\n' "$tmp/states" "$ns-shim" >"$tmp/settings.toml"
  run -d --runtime-config-path "$tmp/settings.toml" $image s1 sleep 1000
  check "$v: settings: where states are" "$(ls "$tmp/states/$ns" 2>/dev/null)" s1
  check "$v: settings: the shim's group" "$(grep -c "$ns-shim" "/proc/$(shim_pid s1)/cgroup" | sed 's,[1-9].*,some,')" some
  kill -9 "$(shim_pid s1)"; for _ in $(seq 100); do s=$(status s1); [ -z "$s" ] || [ "$s" = STOPPED ] && break; sleep 0.05; done
  c t rm -f s1 >/dev/null 2>&1; c c rm s1 >/dev/null 2>&1
  for _ in $(seq 40); do [ -z "$(ls "$tmp/states/$ns")" ] && break; sleep 0.05; done
  check "$v: settings: found by what cleans up after a kill" "$(ls "$tmp/states/$ns")" ""
  echo 'BinaryName = "runc"' >"$tmp/settings.toml"
  run --rm --runtime-config-path "$tmp/settings.toml" $image s2 true >"$tmp/set" 2>&1
  check "$v: settings: an unknown one is named" "$(grep -c 'BinaryName: one of Root' "$tmp/set" | sed 's,[1-9].*,some,')" some
  find /sys/fs/cgroup -maxdepth 2 -name "$ns-shim" -type d -exec rmdir {} + 2>/dev/null
  check "$v: settings: nothing is left" "$(left)" ""
}

# Out to disk and back, by a criu that works here (tests/interop/oci_criu.sh says which those are).
checkpoints() {
  local criu=
  for x in ${CRIU:-} "$(command -v criu || :)" "${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/criu/criu"; do
    [ -x "$x" ] || continue
    rm -rf "$tmp/plain"; mkdir "$tmp/plain"
    p=$(python3 -c 'import subprocess as s; print(s.Popen(["sleep", "1000"], stdin=-3, stdout=-3, stderr=-3, start_new_session=True).pid)')
    "$x" dump -t "$p" -D "$tmp/plain" --shell-job -o d.log >/dev/null 2>&1 && criu=$x && break
    kill -9 "$p"
  done
  [ -n "$criu" ] || { skip "$v: checkpoints" "no criu that can dump a plain process here"; return; }
  ln -sf "$criu" "$tmp/path/criu"
  run -d $image c1 sh -c 'i=0; while :; do i=$((i+1)); echo $i >/tmp/n; sleep 0.05; done'
  for _ in $(seq 100); do [ "$(c t exec --exec-id n c1 cat /tmp/n 2>/dev/null || echo 0)" -gt 3 ] && break; done
  c c checkpoint --rw --image --task c1 docker.io/library/check:1 >"$tmp/check" 2>&1 && ok "$v: checkpoint" || { fail "$v: checkpoint" "$(cat "$tmp/check") $(cat "$d"/state/io.containerd.runtime.v2.task/"$ns"/c1/criu-work/*.log 2>/dev/null | tail -3)"; gone c1; return; }
  check "$v: checkpoint: runs on" "$(status c1)" RUNNING
  n=$(c t exec --exec-id n c1 cat /tmp/n)
  gone c1
  c c restore --rw --live c2 docker.io/library/check:1 >"$tmp/check" 2>&1 & pids+=($!)
  wait_status c2 RUNNING && ok "$v: restore" || { fail "$v: restore" "$(cat "$tmp/check")"; gone c2; return; }
  a=$(c t exec --exec-id m c2 cat /tmp/n); sleep 0.3; b=$(c t exec --exec-id o c2 cat /tmp/n)
  [ "${a:-0}" -ge 3 ] && [ "${b:-0}" -gt "$a" ] && ok "$v: restore: goes on counting" || fail "$v: restore: goes on counting" "$n, then $a, then $b"
  mkdir "$tmp/ck-$v"
  c t checkpoint --image-path "$tmp/ck-$v" c2 >"$tmp/check" 2>&1
  if ls "$tmp/ck-$v" | grep -q inventory; then ok "$v: task checkpoint into a folder"
  elif grep -q 'content sha256.* already exists' "$tmp/check"; then skip "$v: task checkpoint into a folder" "this containerd gives the folder to runc only, and fails to store what it has"
  else fail "$v: task checkpoint into a folder" "$(cat "$tmp/check")"; fi
  gone c2
  c images rm docker.io/library/check:1 >/dev/null
  check "$v: checkpoints: nothing is left" "$(left)" ""
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
  basics; order; operations "$2"; protection; sandbox; settings; checkpoints; crashes "$2"; restarts "$2"; loop
  daemon_kill -TERM
}

peers

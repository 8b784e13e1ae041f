#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 at every step: a container's life with its shim under a tracer, which kills whoever makes the K-th system
# call (the shim's start, the shim, the runtime's child that becomes the container), or the shim when another one
# makes it; K goes over the whole life. And containerd, at random moments. After each nothing may be left.
# usage: containerd_kill.sh SHIM ROOT SN_KILL_AT      LOOPS=1000 for the long form
set -u
shim=$(realpath "$1") root=$2 killer=$(realpath "$3") loops=${LOOPS:-40}
. "$root/tests/e2e/lib.sh"
. "$root/tests/interop/containerd_lib.sh"
mkdir "$tmp/bin"
at=$tmp/at
cat >"$tmp/bin/containerd-shim-sennit-v2" <<X
#!/bin/sh
case "\$*" in *start) [ -s $at ] && exec $killer $at $shim "\$@" ;; esac
exec $shim "\$@"
X
chmod +x "$tmp/bin/containerd-shim-sennit-v2"
shim_path=$tmp/bin
RANDOM=${SEED:-$$}

life() { # NAME
  run -d $image "$1" sleep 1000 &&
    c t exec --exec-id e "$1" true
  c t rm -f "$1"
  c c rm "$1"
} >>"$tmp/life" 2>&1
# What containerd did not see the end of is tried again: it forgets a dead shim some time after.
bury() { c t rm -f "$1"; c c rm "$1"; c snapshot rm "$1"; } >/dev/null 2>&1
# clear_away - so that what one step left is not also every later step's.
clear_away() {
  for p in $(pgrep -f -- "-namespace $ns "); do kill -9 "$p"; done
  rm -rf "/run/containerd/sennit/$ns" $(stale)
}
# again NAME - a shim that is killed between its answer and containerd's first connection leaves the socket's name, as any
# shim does: containerd tells nobody of that one. It is gone when the name is used again.
again() {
  [ "$what" = "$(stale)" ] && grep -q shim: "$at.n" || return 1
  sockets=$((sockets + 1))
  rm -f "$at"; life "$1"; what=$(left 20)
  [ -z "$what" ]
}
# spotless NAME - nothing is left, at the latest when a shim that nobody knows of has ended by itself.
spotless() {
  what=$(left 20)
  [ -z "$what" ] || { bury "$1"; what=$(left 130); }
  [ -z "$what" ]
}

shims() {
  local n i k who bad=0 seen= sockets=0
  rm -f "$at.n"; echo 0 self >"$at"; life z
  for _ in $(seq 100); do [ -s "$at.n" ] && break; sleep 0.1; done
  n=$(cut -d' ' -f1 "$at.n" 2>/dev/null)
  [ "${n:-0}" -gt 300 ] && ok "$v: a life of $n system calls" || { fail "$v: a life under the tracer" "$(cat "$at.n" "$tmp/life" 2>&1 | tail -5)"; return; }
  check "$v: nothing is left of it" "$(left)" ""
  for i in $(seq "$loops"); do
    k=$((i * n / loops)) who=self; [ $((i % 3)) = 0 ] && who=child
    echo "$((k > 0 ? k : 1)) $who" >"$at"; rm -f "$at.n"; : >"$tmp/life"
    life "k$i" || bury "k$i"
    spotless "k$i" || again "k$i" || {
      bad=$((bad + 1)); echo "left by call $k, $who ($(cat "$at.n")): $what" >>"$tmp/bad"
      clear_away
    }
    seen="$seen $(cut -d' ' -f2 "$at.n" 2>/dev/null | cut -d: -f1)"
  done
  rm -f "$at"
  [ "$bad" = 0 ] && [ "$sockets" -le $((1 + loops / 20)) ] && ok "$v: killed at $loops steps; after $sockets the socket's name stayed until it was used again" || fail "$v: $bad of $loops steps" "$(head -20 "$tmp/bad")"
  for w in start shim container; do
    n=$(echo "$seen" | tr ' ' '\n' | grep -c "^$w\$")
    [ "$n" -gt 0 ] && ok "$v: of these the $w $n times" || fail "$v: the $w" "was never killed"
  done
}

daemons() { # CONTAINERD
  local i bad=0 p r n=$(((loops + 11) / 12))
  : >"$tmp/bad"
  for i in $(seq $n); do
    life "d$i" & p=$!
    sleep "0.$((RANDOM % 6))$((RANDOM % 10))"; daemon_kill -9
    wait $p; r=$?; daemon_up "$1"
    [ $r = 0 ] || bury "d$i"
    spotless "d$i" || { bad=$((bad + 1)); echo "left by the daemon's kill $i: $what" >>"$tmp/bad"; clear_away; }
  done
  [ "$bad" = 0 ] && ok "$v: containerd killed $n times" || fail "$v: containerd killed: $bad of $n" "$(head -20 "$tmp/bad")"
}

against() { # VERSION CONTAINERD CTR
  v=$1 ctr=$3 d=$tmp/$1
  daemon_up "$2" || { fail "$v" "containerd did not start: $(tail -3 "$d/log")"; return; }
  c image import "$tmp/bb.tar" >"$tmp/import" 2>&1 || { fail "$v: import" "$(cat "$tmp/import")"; return; }
  mkdir -p /run/containerd
  : >"$tmp/bad"
  shims; daemons "$2"
  daemon_kill -TERM
}

peers

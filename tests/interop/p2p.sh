#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The peer transport against CometBFT's own p2p package: handshake, echo and bulk in both directions, wrong
# keys, bits changed on the way.
# usage: p2p.sh P2P_PEER SOURCE_ROOT; P2P_MIB=100
set -u
peer=$(realpath "$1") root=$(realpath "$2") mib=${P2P_MIB:-100}
. "$root/tests/e2e/lib.sh"
. "$root/tests/interop/p2p/peers.sh"
finish() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" = 0 ] || exit 1; [ "$passed" -gt 0 ] || exit 77; exit 0; }
go_peer p2p "$root/tests/interop/p2p" || { skip p2p "$go_peer_why"; finish; }
# lines FILE - counts the "ok" and "FAIL" lines of a program.
lines() {
  while IFS= read -r line; do
    case $line in
      ok\ *) ok "${line#ok }" ;;
      FAIL\ *) fail "${line#FAIL }" ;;
    esac
  done <"$1"
}
# has NAME FILE TEXT - within ten seconds the file says so.
has() {
  for _ in $(seq 200); do grep -q -- "$3" "$2" && { ok "$1: $(grep -m1 -o -- "$3" "$2")"; return; }; sleep 0.05; done
  fail "$1" "expected \"$3\", got: $(tail -2 "$2" | tr '\n' ' ')"
}
start "$tmp/go" "$go_peer_bin" serve; go_at=${first#listening }
timeout 120 "$peer" dial "$go_at" "$mib" >"$tmp/dial" 2>&1; rc=$?
lines "$tmp/dial"
[ "$rc" = 0 ] || fail "we dial Go" "exit $rc: $(tail -1 "$tmp/dial")"
has "Go's view of us" "$tmp/go" "peer added .* sennit"
has "Go sees us go" "$tmp/go" "peer removed EOF"

start "$tmp/ours" "$peer" serve; our_at=${first#listening }
timeout 120 "$go_peer_bin" dial "$our_at" "$mib" >"$tmp/godial" 2>&1; rc=$?
lines "$tmp/godial"
[ "$rc" = 0 ] || fail "Go dials us" "exit $rc: $(tail -1 "$tmp/godial")"
has "our view of Go" "$tmp/ours" "peer added .* go$"

# Somebody else's id: both sides refuse.
wrong=0000000000000000000000000000000000000000
timeout 60 "$peer" dial "$wrong@${go_at#*@}" 1 >"$tmp/wrong" 2>&1
has "we refuse another node" "$tmp/wrong" "the peer is node .* expected $wrong"
timeout 60 "$go_peer_bin" dial "$wrong@${our_at#*@}" 1 >"$tmp/gowrong" 2>&1
has "Go refuses another node" "$tmp/gowrong" "FAIL dial: .*"

# A bit in the first message, in the signature's frame, in the node info's, in a message.
for at in 20 600 1500 30000; do
  TAMPER_IN=$at timeout 60 "$peer" dial "$go_at" 1 >"$tmp/tamper" 2>&1
  has "a bit changed at byte $at towards us" "$tmp/tamper" "FAIL \(open\|run\): .*"
  TAMPER_OUT=$at timeout 60 "$peer" dial "$go_at" 1 >"$tmp/tamper" 2>&1
  has "a bit changed at byte $at towards Go" "$tmp/tamper" "FAIL \(open\|run\|echo\|bulk\): .*"
done
timeout 60 "$peer" dial "$go_at" 1 >"$tmp/again" 2>&1
has "Go still answers" "$tmp/again" "ok we send 1 MiB"
finish

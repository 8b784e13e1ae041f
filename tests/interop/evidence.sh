#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The store of evidence with CometBFT's pool: it reads what ours has written, knows what is in a block, adds a piece of
# its own (keys and signatures by Go), and ours reads all of it.
# usage: evidence.sh EVIDENCE_PEER ROOT
set -u
peer=$(realpath "$1") root=$2
. "$root/tests/e2e/lib.sh"
. "$root/tests/interop/p2p/peers.sh"
end() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" = 0 ] || exit 1; [ "$passed" -gt 0 ] || exit 77; exit 0; }
go_peer evidence "$root/tests/interop/evidence" || { skip CometBFT "$go_peer_why"; end; }
data=$tmp/data; mkdir "$data"
"$peer" make "$data" >"$tmp/ours" 2>"$tmp/err"; rc=$?
[ $rc = 77 ] && { skip leveldb "libleveldb1d is not installed"; end; }
check "our pool: waits and committed" "$(cut -d' ' -f1,2 "$tmp/ours" | tr '\n' ' ')" "pending 4 pending 7 committed 3 "
"$go_peer_bin" show "$data" >"$tmp/theirs" 2>>"$tmp/err"
check "Go's pool finds the same" "$(cat "$tmp/theirs")" "$(cat "$tmp/ours")"
"$go_peer_bin" add "$data" 0 5 >"$tmp/theirs" 2>>"$tmp/err"
check "Go adds a piece" "$(cut -d' ' -f1,2 "$tmp/theirs" | tr '\n' ' ')" "pending 4 pending 5 pending 7 committed 3 "
"$peer" show "$data" >"$tmp/ours" 2>>"$tmp/err"
check "our pool takes it over" "$(cat "$tmp/ours")" "$(cat "$tmp/theirs")"
[ "$failed" = 0 ] || tail -n 5 "$tmp/err"
end

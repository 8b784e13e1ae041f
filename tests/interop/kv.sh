#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# LevelDB folders with goleveldb, as in a CometBFT node's home: each reads what the other wrote, and goes on
# writing it. usage: kv.sh KV_PEER ROOT
set -u
peer=$(realpath "$1") root=$2
. "$root/tests/e2e/lib.sh"
cache=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/kv
end() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; exit; }
command -v go >/dev/null || { skip goleveldb "go is not installed"; end; }
mkdir -p "$cache" && cp "$root/tests/interop/kv/main.go" "$cache/"
(cd "$cache" && { [ -f go.mod ] || go mod init kv; } && go mod tidy && go build -o kv .) >"$cache/go.log" 2>&1 ||
  { rm -f "$cache/go.mod"; skip goleveldb "its Go module is out of reach"; end; }
"$peer" dump "$tmp/none" >/dev/null 2>&1; [ $? -eq 77 ] && { skip leveldb "libleveldb1d is not installed"; end; }
db=$tmp/db
for i in 1 2 3; do
  if "$cache/kv" write "$db" $i && "$peer" dump "$db" >"$tmp/ours" && "$cache/kv" dump "$db" >"$tmp/theirs" &&
    cmp -s "$tmp/ours" "$tmp/theirs"; then ok "goleveldb wrote, $(wc -l <"$tmp/ours") pairs"
  else fail "goleveldb wrote, round $i" "the dumps differ"; fi
  # Ours reads a copy: what goleveldb left out when it opened the folder would be gone for both.
  if "$peer" write "$db" $((i + 10)) && rm -rf "$tmp/copy" && cp -r "$db" "$tmp/copy" && "$cache/kv" dump "$db" >"$tmp/theirs" &&
    "$peer" dump "$tmp/copy" >"$tmp/ours" && cmp -s "$tmp/ours" "$tmp/theirs"; then ok "we wrote, $(wc -l <"$tmp/ours") pairs"
  else fail "we wrote, round $i" "the dumps differ"; fi
done
rm -rf "$tmp/copy"
# Killed: the same, once what was written while a table was is written out.
bad=
for n in $(seq 5200 300 14200); do
  "$peer" crash "$tmp/killed$n" 7 "$n" 2>/dev/null; cp -r "$tmp/killed$n" "$tmp/copy"
  "$cache/kv" dump "$tmp/killed$n" >"$tmp/theirs" && "$peer" dump "$tmp/copy" >"$tmp/ours" && cmp -s "$tmp/ours" "$tmp/theirs" || bad="$bad $n"
  rm -rf "$tmp/copy" "$tmp/killed$n"
done
[ -z "$bad" ] && ok "goleveldb reads all that a killed process has written" || fail "goleveldb reads all that a killed process has written" "after$bad batches"
# Closed while, or soon after, the first table is written: goleveldb skips what a log has from before that.
bad=
for n in $(seq 5200 150 6700); do
  "$peer" write "$tmp/short$n" 7 "$n" && cp -r "$tmp/short$n" "$tmp/copy" && "$cache/kv" dump "$tmp/short$n" >"$tmp/theirs" &&
    "$peer" dump "$tmp/copy" >"$tmp/ours" && cmp -s "$tmp/ours" "$tmp/theirs" || bad="$bad $n"
  rm -rf "$tmp/copy"
done
[ -z "$bad" ] && ok "nothing is left in a log that goleveldb would skip" || fail "nothing is left in a log that goleveldb would skip" "after$bad batches"
end

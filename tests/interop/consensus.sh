#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The consensus core against CometBFT 0.38.25's own library: freshly drawn values, 50,000 lives of
# validator sets, a new node's log through our machine, and our log files through its reader.
# usage: consensus.sh TEST_CONSENSUS CONSENSUS_PEER SOURCE_ROOT
# A change of the committed values: CONSENSUS_WRITE=1.
set -u
test_exe=$1 ours=$2 root=$3
. "$root/tests/e2e/lib.sh"
golden=$root/tests/golden/consensus
cache=${SENNIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit}/consensus
done_() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; exit; }
command -v go >/dev/null || { skip consensus "go is not installed"; done_; }
mkdir -p "$cache"
sum=$(cat "$root"/tests/interop/consensus/*.go "$root"/tests/interop/consensus/go.mod | sha256sum | cut -c1-16)
peer=$cache/peer-$sum
if [ ! -x "$peer" ]; then
  # From a copy: the module's folder stays as it is.
  cp -r "$root/tests/interop/consensus" "$tmp/src"
  (cd "$tmp/src" && go build -o "$peer.new" . && mv "$peer.new" "$peer") >"$tmp/go.log" 2>&1 ||
    { tail -3 "$tmp/go.log"; skip consensus "CometBFT cannot be built here"; done_; }
fi
fresh=$tmp/fresh
mkdir -p "$fresh"
"$peer" values >"$fresh/values.txt" && "$peer" commits >"$fresh/commits.txt" &&
  "$peer" genesis >"$fresh/genesis.json" && "$peer" valsets 0 50000 >"$fresh/valsets.txt" &&
  "$peer" wal-write "$tmp/node" 10 >"$tmp/node.log" 2>&1 && cp "$tmp/node/wal" "$fresh/wal" &&
  cp "$tmp/node/config/genesis.json" "$fresh/wal_genesis.json" || { fail peer "it failed"; done_; }
if [ -n "${CONSENSUS_WRITE:-}" ]; then
  cp "$fresh"/{values.txt,commits.txt,genesis.json,wal,wal_genesis.json} "$golden/"
  head -2000 "$fresh/valsets.txt" >"$golden/valsets.txt"
fi
for f in values.txt commits.txt genesis.json; do
  if cmp -s "$fresh/$f" "$golden/$f"; then ok "$f is what CometBFT says"; else fail "$f" "it differs"; fi
done
if head -2000 "$fresh/valsets.txt" | cmp -s - "$golden/valsets.txt"; then ok "valsets.txt is what CometBFT says"
else fail valsets.txt "it differs"; fi
for t in golden core_follows wal_golden; do
  if SN_CONS_GOLDEN=$fresh "$test_exe" "$t" >"$tmp/test.log" 2>&1; then ok "fresh values: $t"
  else fail "fresh values: $t" "$(grep -m1 FAIL "$tmp/test.log")"; fi
done
if "$ours" "$fresh/wal" "$tmp/log/wal" >"$tmp/ours.log" 2>&1; then
  ok "our log: $(cat "$tmp/ours.log") in $(ls "$tmp/log" | wc -l) files"
else fail "our log" "$(cat "$tmp/ours.log")"; fi
for f in "$tmp"/log/*; do
  if "$peer" wal-read "$f" 2>"$tmp/read.log" | cmp -s - "$f"; then ok "CometBFT reads ${f##*/}"
  else fail "CometBFT reads ${f##*/}" "$(head -1 "$tmp/read.log")"; fi
done
done_

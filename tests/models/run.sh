#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Exhaustively checks the protocol models with spin. SKIPs where spin is not installed.
set -u
cd "$(dirname "$0")"
command -v spin >/dev/null || { echo "SKIP models: spin is not installed"; exit 77; }
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
failed=0 passed=0
for model in ${1:-*.pml}; do
  cp "$model" "$tmp/m.pml"
  if (cd "$tmp" && rm -f m.pml.trail && spin -a m.pml >log 2>&1 &&
      cc -O2 -w -DSAFETY -DCOLLAPSE -DVECTORSZ=2048 -o pan pan.c && ./pan -m1000000 >log 2>&1) &&
      grep -q "errors: 0" "$tmp/log" && ! grep -q "max search depth too small" "$tmp/log"; then
    echo "ok $model: $(awk '/states, stored/ {print $1}' "$tmp/log") states"
    passed=$((passed + 1))
  else
    echo "FAIL $model"; tail -30 "$tmp/log"
    [ -f "$tmp/m.pml.trail" ] && (cd "$tmp" && spin -t -p m.pml | tail -60)
    failed=$((failed + 1))
  fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]

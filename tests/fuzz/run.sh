#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/fuzz/run.sh BUILD SECONDS - runs every libFuzzer target of BUILD for SECONDS each, on its
# committed seeds plus a scratch corpus; a crash leaves its input in BUILD/crashes and fails.
set -u
build=$1 seconds=$2
here=$(cd "$(dirname "$0")" && pwd)
passed=0 failed=0
mkdir -p "$build/crashes"
for exe in "$build"/tests/fuzz/fuzz_*; do
  [ -f "$exe" ] && [ -x "$exe" ] || continue
  name=${exe##*/fuzz_}
  mkdir -p "$build/corpus/$name" "$here/seeds/$name"
  if "$exe" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=0 -verbosity=0 \
      -artifact_prefix="$build/crashes/$name-" "$build/corpus/$name" "$here/seeds/$name"; then
    passed=$((passed + 1)); echo "ok fuzz_$name"
  else
    failed=$((failed + 1)); echo "FAIL fuzz_$name: input kept in $build/crashes"
  fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]

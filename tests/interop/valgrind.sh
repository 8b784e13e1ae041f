#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A representative part of the fiber, channel and socket tests under valgrind's memcheck: no invalid
# access, no use of undefined values, and the stacks of fibers known to it.
# usage: valgrind.sh TEST_FIBER TEST_SYNC TEST_NET
set -u
command -v valgrind >/dev/null || { echo "SKIP: valgrind is not installed"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
passed=0
# run PROGRAM TEST... - each in this process (--no-fork), because memcheck reports at its end.
run() {
  local program=$1 t
  shift
  for t in "$@"; do
    valgrind -q --error-exitcode=99 --suppressions="$(dirname "$0")/valgrind.supp" \
      --max-stackframe=8388608 \
      "$program" --no-fork "$t" >"$tmp/out" 2>&1
    local rc=$?
    if [ $rc -ne 0 ] || grep -q '^==[0-9]*== ' "$tmp/out"; then
      echo "FAIL $t (status $rc)"; head -60 "$tmp/out"; exit 1
    fi
    grep -q "^ok $t" "$tmp/out" || { echo "FAIL $t: it did not run"; cat "$tmp/out"; exit 1; }
    passed=$((passed + 1)); echo "ok $t"
  done
}
run "$1" spawn_and_join_1 spawn_and_join_4_workers yield_is_fair sleep_lasts deadlines_and_tickets \
  scope_first_error_cancels scope_cancel_tree_4_workers shield_holds_cancellation_back \
  panic_unwinds_and_recovers panic_joins_open_scopes big_stack_and_panic_across_it \
  offload_runs_and_returns_diag go_from_thread dump_names_fibers simulation_crash_and_faults
run "$2" chan_sizes chan_close chan_cancel_workers select_wide chan_from_thread mutex_excludes \
  rwlock_excludes waits_are_cancelled
run "$3" addresses_parse dial_race_in_virtual_time dial_race_over_the_simulated_network
echo "$passed passed, 0 failed, 0 skipped"

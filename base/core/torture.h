/* SPDX-License-Identifier: Apache-2.0 */
/* core/torture.h - runs code once for each of its allocations, with that one failing.
 * For tests: finds the missing NULL check and the leak on the error path that nobody sees. */
#pragma once
#include "core/base.h"

#define SN_TORTURE_MAX 100000

/* sn_torture - calls fn(arg) with its k-th allocation failing, for k = 1, 2, ... until a call makes
 * fewer than k allocations, so ran untouched; only the calling thread's allocations count. Each
 * call must be complete in itself: build, use and free everything, return < 0 on failure.
 * Returns how many failures were injected, when every injected call returned < 0 and the last one
 * >= 0 and none leaked a block; a call that seems to have leaked is made again, as other threads' blocks
 * are counted too. Otherwise, with a diagnostic that names k: SN_E_DATA_LOSS for a
 * leak, SN_E_INTERNAL where a failure was swallowed, the last call's own code where it failed,
 * SN_E_RESOURCE_EXHAUSTED beyond SN_TORTURE_MAX.
 * Context: one at a time per process; installs the allocation hooks and removes them. */
int sn_torture(int (*fn)(void *arg), void *arg) SN_MUST_CHECK;
/* sn_torture_lenient - as sn_torture, but an injected call may also succeed: code with a slower way
 * round a failed allocation. */
int sn_torture_lenient(int (*fn)(void *arg), void *arg) SN_MUST_CHECK;

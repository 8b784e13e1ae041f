/* SPDX-License-Identifier: Apache-2.0 */
/* core/torture.c - fails one allocation after another. */
#include "core/torture.h"

#include "core/alloc.h"
#include "core/status.h"

static _Thread_local struct {
    bool on, hit;
    unsigned countdown;
} me;

static bool veto(size_t size)
{
    if (!me.on || me.countdown == 0 || --me.countdown > 0) return false;
    me.hit = true;
    return true;
}

/* One call with its k-th allocation failing. Returns what fn did, and how many blocks more live now. */
static int call(int (*fn)(void *arg), void *arg, unsigned k, int64_t *ret_leaked)
{
    static const struct sn_alloc_hooks hooks = {.fail = veto};
    int64_t live = sn_alloc_live();
    me.hit = false;
    me.countdown = k;
    me.on = true;
    sn_alloc_set_hooks(&hooks);
    int r = fn(arg);
    sn_alloc_set_hooks(NULL);
    me.on = false;
    *ret_leaked = sn_alloc_live() - live;
    return r;
}

/* The count is of all threads, and another one (the runtime's watchdog) may hold a block just now:
 * a leak is what leaks each time. */
#define LEAKS 3

static int run(int (*fn)(void *arg), void *arg, bool lenient)
{
    for (unsigned k = 1; k <= SN_TORTURE_MAX; k++) {
        int64_t leaked = 1;
        int r = 0;
        for (unsigned i = 0; i < LEAKS && leaked; i++) r = call(fn, arg, k, &leaked);
        if (leaked)
            return sn_fail(SN_E_DATA_LOSS, "torture: %lld blocks leaked at allocation %u",
                           (long long)leaked, k);
        if (!me.hit)
            return r < 0 ? sn_wrap(r, "torture: the untouched run %u failed", k) : (int)k - 1;
        if (r >= 0 && !lenient)
            return sn_fail(SN_E_INTERNAL, "torture: success although allocation %u failed", k);
    }
    return sn_fail(SN_E_RESOURCE_EXHAUSTED, "torture: more than %d allocations", SN_TORTURE_MAX);
}

int sn_torture(int (*fn)(void *arg), void *arg) { return run(fn, arg, false); }
int sn_torture_lenient(int (*fn)(void *arg), void *arg) { return run(fn, arg, true); }

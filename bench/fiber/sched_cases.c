/* SPDX-License-Identifier: Apache-2.0 */
/* bench/fiber/sched_cases.c - switch, yield, spawn, park and wake, timers. */
#include <stdlib.h>

#include "bench.h"
#include "core/alloc.h"
#include "fiber/ctx.h"
#include "fiber/rt_int.h"

static void must(int r)
{
    if (r < 0) abort();
}

/* ---- the bare switch: two contexts, no scheduler ---- */

static struct sn_ctx ctx_main, ctx_peer;
static void peer_loop(void)
{
    for (;;) sn_ctx_switch(&ctx_peer, &ctx_main);
}

static void bench_switch(uint64_t n)
{
    static char stack[65536] SN_ALIGNED(64);
    /* Entered by a jump, as if called: the stack is 8 below a multiple of 16. */
    ctx_peer = (struct sn_ctx){stack + sizeof(stack) - 8, (void *)(uintptr_t)peer_loop, NULL};
    for (uint64_t i = 0; i < n / 2; i++) sn_ctx_switch(&ctx_main, &ctx_peer);
}

/* ---- yield: two fibers take turns; one operation is a yield of each ---- */

static void yielder(void *arg)
{
    for (uint64_t n = *(uint64_t *)arg; n; n--) sn_yield();
}

static void bench_yield_pair(uint64_t n)
{
    struct sn_scope_storage m;
    struct sn_scope *s = sn_scope_begin(&m);
    unsigned w = (unsigned)sn_worker_id();
    must(sn_go_on(w, NULL, yielder, &n));
    must(sn_go_on(w, NULL, yielder, &n));
    must(sn_scope_end(s));
}

/* ---- spawn: start, run and join, 1,000 at a time; and one at a time ---- */

static void empty(void *arg) { (void)arg; }

static void bench_spawn(uint64_t n)
{
    for (uint64_t done = 0; done < n; done += 1000) {
        struct sn_scope_storage m;
        struct sn_scope *s = sn_scope_begin(&m);
        for (int i = 0; i < 1000; i++) must(sn_go(NULL, empty, NULL));
        must(sn_scope_end(s));
    }
}

static void bench_spawn_join1(uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        struct sn_scope_storage m;
        struct sn_scope *s = sn_scope_begin(&m);
        must(sn_go(NULL, empty, NULL));
        must(sn_scope_end(s));
    }
}

/* 100,000 fibers that all park before any ends: stacks are touched, not just reused. */
static void parker(void *arg)
{
    struct sn_list *l = arg;
    struct {
        struct sn_list link;
        struct sn_fiber *f;
        uint64_t t;
    } me = {.f = sn_self(), .t = sn_wait_begin("bench")};
    sn_list_push_back(l, &me.link);
    must(sn_wait_park(me.t, SN_FOREVER));
}

static void bench_park_100k(uint64_t n)
{
    struct sn_scope_storage m;
    struct sn_scope *s = sn_scope_begin(&m);
    struct sn_list all;
    sn_list_init(&all);
    for (uint64_t i = 0; i < n; i++)
        must(sn_go_on((unsigned)sn_worker_id(), NULL, parker, &all));
    sn_yield();
    struct sn_list *l;
    for (uint64_t i = 0; i < n; i++) {
        while ((l = sn_list_pop_front(&all)) == NULL) sn_yield();
        struct {
            struct sn_list link;
            struct sn_fiber *f;
            uint64_t t;
        } *w = (void *)l;
        (void)sn_wait_wake(w->f, w->t, 0);
    }
    must(sn_scope_end(s));
}

/* ---- timers ---- */

static void never(struct sn_timer *t) { (void)t; }

static void bench_timer(uint64_t n)
{
    struct sn_timer t = {0};
    for (uint64_t i = 0; i < n; i++) {
        sn_timer_arm(&t, sn_now() + SN_HOUR, never);
        sn_timer_cancel(&t);
    }
}

static struct sn_timer *million;
static void bench_timers_1m(uint64_t n)
{
    if (!million && !(million = SN_NEW_ARRAY(struct sn_timer, 1000000))) abort();
    for (uint64_t done = 0; done < n; done += 1000000) {
        for (uint64_t i = 0; i < 1000000; i++)
            sn_timer_arm(&million[i], sn_now() + SN_SEC + (int64_t)(i * 7919 % 3600000) * SN_MS,
                         never);
        for (uint64_t i = 0; i < 1000000; i++) sn_timer_cancel(&million[i]);
    }
}

const struct bench_case bench_sched_cases[] = {
    {"switch", 50000000, bench_switch, 0},
    {"yield_pair", 10000000, bench_yield_pair, 0},
    {"spawn", 5000000, bench_spawn, 0},
    {"spawn_join1", 3000000, bench_spawn_join1, 0},
    {"park_100k", 100000, bench_park_100k, 0},
    {"timer", 10000000, bench_timer, 0},
    {"timers_1m", 1000000, bench_timers_1m, 0},
    {0},
};

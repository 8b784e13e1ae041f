/* SPDX-License-Identifier: Apache-2.0 */
/* zk/par.c - see par.h. */
#include "zk/par.h"

#include <stdatomic.h>

#include "fiber/fiber.h"

struct work {
    void (*job)(void *arg, size_t i);
    void *arg;
    size_t n;
    _Atomic size_t next;
};

static int work_loop(void *arg)
{
    struct work *w = arg;
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&w->next, 1, memory_order_relaxed);
        if (i >= w->n) return 0;
        w->job(w->arg, i);
    }
}

/* A job may take seconds, which no worker can spare: it computes on the offload pool. */
static int helper(void *arg)
{
    return sn_offload(work_loop, arg);
}

static void run(void *ctx, void (*job)(void *arg, size_t i), void *arg, size_t n)
{
    struct work w = {.job = job, .arg = arg, .n = n};
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    for (size_t i = 1; i < SN_MIN(n, (size_t)sn_worker_count()); i++)
        if (sn_scope_go(s, "zk", helper, &w) < 0) break;
    if (sn_offload(work_loop, &w) < 0) (void)work_loop(&w); /* cancelled: what began is finished */
    (void)sn_scope_end(s);
}

struct sn_par sn_par_workers(void)
{
    return (struct sn_par){.run = run, .width = sn_worker_count()};
}

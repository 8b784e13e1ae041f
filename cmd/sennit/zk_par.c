/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/zk_par.c - the threads of the zk commands, see zk_cmd.h. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "sennit/zk_cmd.h"

void (*zk_par_progress)(size_t n, size_t done);

#define THREADS_MAX 64u
#define LOOKS 400u /* some 20 us, before a thread that waits for others sleeps */

/* Threads that wait for work from one run to the next: a proof of a small circuit is a dozen runs of less
 * than a millisecond, and waking a thread takes a tenth of one. They live until the process ends. One run
 * at a time. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    unsigned threads;
    _Atomic unsigned busy; /* threads that have not left the current run */
    _Atomic uint64_t run;
    void (*job)(void *arg, size_t i);
    void *arg;
    size_t n;
    _Atomic size_t next;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER,
          .done = PTHREAD_COND_INITIALIZER};

static _Thread_local bool in_run;

static void work_loop(void)
{
    in_run = true;
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&pool.next, 1, memory_order_relaxed);
        if (i >= pool.n) break;
        pool.job(pool.arg, i);
        if (zk_par_progress) zk_par_progress(0, 1);
    }
    in_run = false;
}
static inline void look_again(void)
{
#ifdef __x86_64__
    __builtin_ia32_pause();
#endif
}
static void *pool_thread(void *arg)
{
    uint64_t seen = *(const uint64_t *)arg; /* the run it was made for counts on it */
    for (;;) {
        for (unsigned i = 0; i < LOOKS && pool.run == seen; i++) look_again();
        if (pool.run == seen) {
            (void)pthread_mutex_lock(&pool.lock);
            while (pool.run == seen) (void)pthread_cond_wait(&pool.work, &pool.lock);
            (void)pthread_mutex_unlock(&pool.lock);
        }
        seen = pool.run;
        work_loop();
        (void)pthread_mutex_lock(&pool.lock);
        if (--pool.busy == 0) (void)pthread_cond_signal(&pool.done);
        (void)pthread_mutex_unlock(&pool.lock);
    }
    return NULL;
}
static void par_run(void *ctx, void (*job)(void *arg, size_t i), void *arg, size_t n)
{
    const struct sn_par *par = ctx;
    static uint64_t before; /* of the threads a run makes; all that exist have read it */
    if (zk_par_progress) zk_par_progress(n, 0);
    if (in_run || n < 2) { /* a job with jobs of its own; nothing to share */
        for (size_t i = 0; i < n; i++) job(arg, i);
        if (zk_par_progress) zk_par_progress(0, n);
        return;
    }
    (void)pthread_mutex_lock(&pool.lock);
    pool.job = job, pool.arg = arg, pool.n = n;
    atomic_store_explicit(&pool.next, 0, memory_order_relaxed);
    if (pool.threads + 1 < par->width) before = pool.run;
    while (pool.threads + 1 < par->width) {
        pthread_t t;
        if (pthread_create(&t, NULL, pool_thread, &before) != 0) break;
        (void)pthread_detach(t);
        pool.threads++;
    }
    pool.busy = pool.threads;
    pool.run++;
    (void)pthread_cond_broadcast(&pool.work);
    (void)pthread_mutex_unlock(&pool.lock);
    work_loop();
    for (unsigned i = 0; i < LOOKS && pool.busy; i++) look_again();
    if (pool.busy == 0) return;
    (void)pthread_mutex_lock(&pool.lock);
    while (pool.busy) (void)pthread_cond_wait(&pool.done, &pool.lock);
    (void)pthread_mutex_unlock(&pool.lock);
}

const struct sn_par *zk_par(void)
{
    static struct sn_par par;
    cpu_set_t cpus;
    unsigned width = 1;
    if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0) width = (unsigned)CPU_COUNT(&cpus);
    par = (struct sn_par){.run = par_run, .ctx = &par, .width = SN_MIN(width, THREADS_MAX)};
    return &par;
}

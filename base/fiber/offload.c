/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/offload.c - the pool of threads for calls that block, and the big stack for calls that
 * only need room. Threads are made on demand up to the limit and leave after ten idle seconds; the
 * queue is bounded by the number of fibers, since each waits for its own job. */
#include "fiber/sample.h"
#include "fiber/sched_int.h"

#include <signal.h>
#include <time.h>

#define OFFLOAD_IDLE_S 10
/* Address space, committed as touched. DWARF readers and name-service plugins take hundreds of KiB
 * in one frame, and ThreadSanitizer's thread-local block (over 700 KiB) is cut from it too. */
#define OFFLOAD_STACK_BYTES (2u << 20)

struct job {
    struct job *next;
    int (*fn)(void *arg);
    void *arg;
    int result;
    struct sn_diag *diag; /* the waiting fiber's: the call's diagnostic goes there */
    struct sn_fiber *f;
    uint64_t ticket;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t work, gone;
    struct job *head, **tail;
    unsigned threads, idle, queued, max;
    bool stop;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool wait_for_job(void)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += OFFLOAD_IDLE_S;
    pool.idle++;
    int r = 0;
    while (!pool.head && !pool.stop && r == 0)
        r = pthread_cond_timedwait(&pool.work, &pool.lock, &until);
    pool.idle--;
    return pool.head != NULL;
}

static void *offload_thread(void *arg)
{
    (void)arg;
    pthread_setname_np(pthread_self(), "sn-offload");
    pthread_mutex_lock(&pool.lock);
    while (pool.head || wait_for_job()) {
        struct job *j = pool.head;
        pool.head = j->next;
        if (!pool.head) pool.tail = &pool.head;
        pool.queued--;
        pthread_mutex_unlock(&pool.lock);
        sn_diag_clear();
        j->result = j->fn(j->arg);
        if (j->result < 0) *j->diag = *sn_diag();
        (void)sn_wait_wake(j->f, j->ticket, 0); /* `j` is gone from here on */
        pthread_mutex_lock(&pool.lock);
    }
    pool.threads--;
    if (pool.threads == 0) pthread_cond_signal(&pool.gone);
    pthread_mutex_unlock(&pool.lock);
    return NULL;
}

void sn_offload_init(unsigned max)
{
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(&pool.work, &a);
    pthread_cond_init(&pool.gone, &a);
    pthread_condattr_destroy(&a);
    pool.head = NULL;
    pool.tail = &pool.head;
    pool.max = max;
    pool.stop = false;
}

void sn_offload_done(void)
{
    pthread_mutex_lock(&pool.lock);
    pool.stop = true;
    pthread_cond_broadcast(&pool.work);
    while (pool.threads) pthread_cond_wait(&pool.gone, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
    pthread_cond_destroy(&pool.work);
    pthread_cond_destroy(&pool.gone);
}

/* pool.lock is held. Returns false when there is no thread at all to run the job. */
static bool add_thread(void)
{
    pthread_attr_t a;
    pthread_t t;
    sigset_t all, before;
    pthread_attr_init(&a);
    pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&a, OFFLOAD_STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (sn_thread_create(&t, &a, offload_thread, NULL) == 0) pool.threads++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&a);
    return pool.threads > 0;
}

static int offload(int (*fn)(void *arg), void *arg, bool first)
{
    struct sn_worker *w = sn_worker_cur();
    if (!w || !w->cur) return fn(arg); /* an ordinary thread may block */
    if (sn_sim_on) return sn_sim_offload(fn, arg);
    struct sn_fiber *f = w->cur;
    if (!f->shield && SN_LOAD(&f->cancelled)) return SN_E_CANCELLED;
    struct job j = {.fn = fn, .arg = arg, .f = f, .diag = sn_diag()};
    j.ticket = sn_wait_begin("offload");
    pthread_mutex_lock(&pool.lock);
    bool ok = pool.idle > pool.queued || pool.threads >= pool.max || add_thread();
    if (ok) {
        if (first) {
            j.next = pool.head;
            pool.head = &j;
            if (!j.next) pool.tail = &j.next;
        } else {
            *pool.tail = &j;
            pool.tail = &j.next;
        }
        pool.queued++;
        pthread_cond_signal(&pool.work);
    }
    pthread_mutex_unlock(&pool.lock);
    if (!ok) {
        (void)sn_wait_abandon(j.ticket);
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "no thread for a blocking call");
    }
    (void)!sn_wait_park_always(j.ticket);
    return j.result;
}

int sn_offload(int (*fn)(void *arg), void *arg) { return offload(fn, arg, false); }
int sn_offload_first(int (*fn)(void *arg), void *arg) { return offload(fn, arg, true); }

/* ---- the big stack ---- */

struct big_call {
    int (*fn)(void *arg);
    void *arg;
    int result;
    struct sn_ctx back, there;
    struct sn_stack *stack;
    void *fake;
};

/* sn_big_main - runs on the big stack; sn_fiber_main comes here while w->big_stack is set. */
void sn_big_main(struct sn_worker *w)
{
    struct big_call *c = w->big_stack;
    w->big_stack = NULL; /* taken: the next boot on this worker is a fiber's again */
    /* A panic must not unwind past this stack's end: it is caught and thrown again below. */
    c->result = sn_try(c->fn, c->arg);
#ifdef SN_ASAN
    __sanitizer_start_switch_fiber(NULL, w->cur->stack->base,
                                   (size_t)(w->cur->stack->top - w->cur->stack->base));
#endif
#ifdef SN_TSAN
    __tsan_switch_to_fiber(w->cur->stack->tsan, 0);
#endif
    struct sn_ctx dead;
    sn_ctx_switch(&dead, &c->back);
    __builtin_unreachable();
}

int sn_on_big_stack(int (*fn)(void *arg), void *arg)
{
    struct sn_worker *w = sn_worker_cur();
    if (!w || !w->cur || w->on_big_stack) return fn(arg); /* already roomy */
    if (!w->big && !(w->big = sn_stack_big())) return SN_E_NOMEM;
    struct big_call c = {.fn = fn, .arg = arg, .stack = w->big};
    SN_UNPOISON(w->big->base, (size_t)(w->big->top - w->big->base));
    sn_ctx_init(&c.there, w->big->top);
    w->big_stack = &c;
    w->on_big_stack = true;
#ifdef SN_ASAN
    __sanitizer_start_switch_fiber(&c.fake, w->big->base, (size_t)(w->big->top - w->big->base));
#endif
#ifdef SN_TSAN
    __tsan_switch_to_fiber(w->big->tsan, 0);
#endif
    sn_ctx_switch(&c.back, &c.there);
#ifdef SN_ASAN
    __sanitizer_finish_switch_fiber(c.fake, NULL, NULL);
#endif
    w->on_big_stack = false;
    if (c.result == SN_E_PANIC && sn_panic_pending()) sn_panic_again();
    return c.result;
}

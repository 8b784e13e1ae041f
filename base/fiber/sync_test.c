/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/sync_test.c - locks: exclusion, order, time limits that race with hand-overs, no lost
 * wake-ups; each program runs in simulation over many seeds and on four workers. */
#include "fiber/sync.h"

#include <stdatomic.h>

#include "core/alloc.h"
#include "fiber/sim.h"
#include "harness/test.h"

static int run_n(unsigned workers, int (*fn)(void *), void *arg)
{
    struct sn_rt_opts o = {.workers = workers};
    return sn_rt_run(&o, fn, arg);
}
/* Runs a program on one and four workers, and for `seeds` seeds in simulation. */
static void run_everywhere(int (*fn)(void *), unsigned seeds)
{
    T_OK(run_n(1, fn, NULL));
    T_OK(run_n(4, fn, NULL));
    for (unsigned i = 0; i < sn_test_cases(seeds); i++) {
        struct sn_sim_opts o = {.seed = sn_test_seed() + i};
        sn_test_row("seed %llu", (unsigned long long)o.seed);
        T_OK(sn_sim_run(&o, fn, NULL, NULL));
    }
}
static void pause_randomly(void)
{
    uint64_t r = sn_random() % 16;
    if (r < 4) sn_yield();
    else if (r == 4) T_OK(sn_sleep((int64_t)(sn_random() % 50) * SN_US));
}
/* A deadline for some calls; restore with sn_deadline_restore. */
static int64_t maybe_deadline(void)
{
    return sn_deadline_tighten(sn_random() % 4 ? SN_FOREVER
                                               : sn_now() + (int64_t)(sn_random() % 60) * SN_US);
}
static bool got_it(int r)
{
    if (r == SN_E_DEADLINE_EXCEEDED) return false;
    T_OK(r);
    return true;
}
enum { FIBERS = 8 };
static void spawn_all(sn_fiber_fn fn, void *arg)
{
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    for (unsigned i = 0; i < FIBERS; i++)
        T_OK(sn_go_on(i % sn_worker_count(), "member", fn, arg));
    T_OK(sn_scope_end(s));
}

/* ---- mutex ---- */

struct locked {
    struct sn_mutex m;
    _Atomic int inside;
    uint64_t plain; /* guarded by m, deliberately not atomic */
    _Atomic uint64_t entered;
};
static void mutex_member(void *arg)
{
    struct locked *l = arg;
    for (int i = 0; i < 60; i++) {
        int64_t d = maybe_deadline();
        bool in = i % 9 == 8 ? sn_mutex_trylock(&l->m) : got_it(sn_mutex_lock(&l->m));
        sn_deadline_restore(d);
        if (!in && i % 4 == 0) {
            sn_mutex_lock_always(&l->m);
            in = true;
        }
        if (!in) continue;
        T_EQ(l->inside++, 0);
        uint64_t seen = l->plain;
        pause_randomly();
        l->plain = seen + 1;
        l->inside--;
        l->entered++;
        sn_mutex_unlock(&l->m);
        pause_randomly();
    }
}
static int mutex_main(void *arg)
{
    (void)arg;
    struct locked l = {0};
    spawn_all(mutex_member, &l);
    T_EQ(l.plain, l.entered);
    T_ASSERT(l.entered > 0);
    T_EQ(l.m.word, 0); /* as new: nobody is left on it */
    T_ASSERT(!l.m.q.head && !l.m.q.tail);
    return 0;
}
SN_TEST_SLOW(mutex_excludes, 120) { run_everywhere(mutex_main, 1000); }

static void busy_member(void *arg)
{
    struct locked *l = arg;
    for (int i = 0; i < 30000; i++) {
        T_OK(sn_mutex_lock(&l->m));
        l->plain++;
        sn_mutex_unlock(&l->m);
    }
}
static int busy_main(void *arg)
{
    (void)arg;
    struct locked l = {0};
    spawn_all(busy_member, &l);
    T_EQ(l.plain, 30000 * FIBERS);
    return 0;
}
SN_TEST_SLOW(mutex_short_sections_4, 60) { T_OK(run_n(4, busy_main, NULL)); }

/* A fiber that relocks at once may overtake, but not for longer than the hand-off limit. */
static void greedy(void *arg)
{
    struct locked *l = arg;
    while (!l->entered) {
        T_OK(sn_mutex_lock(&l->m));
        T_OK(sn_sleep(300 * SN_US));
        sn_mutex_unlock(&l->m);
    }
}
static int greedy_main(void *arg)
{
    (void)arg;
    struct locked l = {0};
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_go("greedy", greedy, &l));
    T_OK(sn_sleep(SN_MS / 10));
    int64_t t0 = sn_now();
    T_OK(sn_mutex_lock(&l.m));
    int64_t waited = sn_now() - t0;
    l.entered = 1;
    sn_mutex_unlock(&l.m);
    T_OK(sn_scope_end(s));
    T_ASSERTF(waited <= SN_MUTEX_HANDOFF_NS + 2 * SN_MS, "waited %lld ns", (long long)waited);
    return 0;
}
SN_TEST(mutex_is_handed_over)
{
    for (unsigned i = 0; i < sn_test_cases(100); i++) { /* virtual time: exact */
        struct sn_sim_opts o = {.seed = i};
        T_OK(sn_sim_run(&o, greedy_main, NULL, NULL));
    }
}

/* The mutex lives in the object it guards, and the last user frees it. */
struct counted {
    struct sn_mutex m;
    int refs;
};
static void unref(void *arg)
{
    struct counted *c = arg;
    T_OK(sn_mutex_lock(&c->m));
    bool last = --c->refs == 0;
    sn_mutex_unlock(&c->m);
    if (last) sn_free(c);
}
static int free_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < 300; i++) {
        struct counted *c = sn_zalloc(1, sizeof *c);
        c->refs = FIBERS;
        spawn_all(unref, c);
    }
    return 0;
}
SN_TEST_SLOW(mutex_freed_by_last_user, 60) { T_OK(run_n(4, free_main, NULL)); }

/* ---- reader-writer lock ---- */

struct rw {
    struct sn_rwlock l;
    _Atomic int readers, writers, readers_max;
    uint64_t plain;
    _Atomic uint64_t writes;
};
static void rw_member(void *arg)
{
    struct rw *x = arg;
    for (int i = 0; i < 60; i++) {
        bool write = sn_random() % 4 == 0;
        int64_t d = maybe_deadline();
        bool in = got_it(write ? sn_rwlock_wrlock(&x->l) : sn_rwlock_rdlock(&x->l));
        sn_deadline_restore(d);
        if (!in) continue;
        if (write) {
            T_EQ(x->writers++, 0);
            T_EQ(x->readers, 0);
            uint64_t seen = x->plain;
            pause_randomly();
            x->plain = seen + 1;
            x->writes++;
            x->writers--;
        } else {
            int n = ++x->readers;
            T_EQ(x->writers, 0);
            if (n > x->readers_max) x->readers_max = n;
            uint64_t seen = x->plain;
            pause_randomly();
            T_EQ(x->plain, seen);
            x->readers--;
        }
        sn_rwlock_unlock(&x->l);
    }
}
static int rw_main(void *arg)
{
    (void)arg;
    struct rw x = {0};
    spawn_all(rw_member, &x);
    T_EQ(x.plain, x.writes);
    T_EQ(x.l.word, 0);
    T_ASSERT(!x.l.q.head);
    T_ASSERTF(x.readers_max > 1, "readers never shared the lock");
    return 0;
}
SN_TEST_SLOW(rwlock_excludes, 120) { run_everywhere(rw_main, 1000); }

/* One who gives up at the head of a queue lets those behind in, who could have had it but for
 * order. */
struct giving_up {
    struct sn_rwlock l;
    struct sn_sem s;
    _Atomic int in;
};
static void impatient_writer(void *arg)
{
    (void)sn_deadline_tighten(sn_now() + 2 * SN_MS);
    T_EQ(sn_rwlock_wrlock(&((struct giving_up *)arg)->l), SN_E_DEADLINE_EXCEEDED);
}
static void reader_behind(void *arg)
{
    struct giving_up *g = arg;
    T_OK(sn_rwlock_rdlock(&g->l));
    g->in++;
    sn_rwlock_unlock(&g->l);
}
static void impatient_glutton(void *arg)
{
    (void)sn_deadline_tighten(sn_now() + 2 * SN_MS);
    T_EQ(sn_sem_acquire(&((struct giving_up *)arg)->s, 5), SN_E_DEADLINE_EXCEEDED);
}
static void modest_behind(void *arg)
{
    struct giving_up *g = arg;
    T_EQ(sn_sem_try(&g->s, 1), false); /* no overtaking */
    T_OK(sn_sem_acquire(&g->s, 1));
    g->in++;
}
static int giving_up_main(void *arg)
{
    (void)arg;
    struct giving_up g = {0};
    sn_sem_init(&g.s, 2);
    T_OK(sn_rwlock_rdlock(&g.l));
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_go_on(0, "writer", impatient_writer, &g));
    T_OK(sn_go_on(0, "glutton", impatient_glutton, &g));
    T_OK(sn_sleep(SN_MS / 4));
    T_OK(sn_go_on(0, "reader", reader_behind, &g));
    T_OK(sn_go_on(0, "modest", modest_behind, &g));
    T_OK(sn_sleep(SN_MS / 4));
    T_EQ(g.in, 0);
    T_OK(sn_scope_end(s)); /* while this fiber still holds the lock for reading */
    T_EQ(g.in, 2);
    sn_rwlock_unlock(&g.l);
    return 0;
}
SN_TEST(giving_up_lets_others_in)
{
    for (unsigned i = 0; i < 50; i++) /* virtual time: the waits are exact */
        T_OK(sn_sim_run(&(struct sn_sim_opts){.seed = i}, giving_up_main, NULL, NULL));
}

/* ---- condition: a bounded buffer, whose every hand-over needs a signal ---- */

struct bounded {
    struct sn_mutex m;
    struct sn_cond not_empty, not_full;
    int held, put, taken, want;
};
static void cond_member(void *arg)
{
    struct bounded *b = arg;
    bool producer = sn_fiber_id(sn_self()) % 2;
    for (;;) {
        sn_mutex_lock_always(&b->m);
        int r = 0;
        int64_t d = maybe_deadline();
        while (r == 0 && (producer ? b->held == 2 && b->put < b->want
                                   : b->held == 0 && b->taken < b->want))
            r = sn_cond_wait(producer ? &b->not_full : &b->not_empty, &b->m);
        sn_deadline_restore(d);
        T_ASSERT(r == 0 || r == SN_E_DEADLINE_EXCEEDED);
        bool end = producer ? b->put == b->want : b->taken == b->want;
        if (!end && producer && b->held < 2) {
            b->held++;
            b->put++;
            sn_cond_signal(&b->not_empty);
        } else if (!end && !producer && b->held > 0) {
            b->held--;
            b->taken++;
            sn_cond_signal(&b->not_full);
        }
        if (b->put == b->want) sn_cond_broadcast(&b->not_full);
        if (b->taken == b->want) sn_cond_broadcast(&b->not_empty);
        sn_mutex_unlock(&b->m);
        if (end) return;
    }
}
static int cond_main(void *arg)
{
    (void)arg;
    struct bounded b = {.want = 150};
    spawn_all(cond_member, &b);
    T_EQ(b.taken, b.want);
    T_EQ(b.held, 0);
    T_EQ(b.m.word, 0);
    T_ASSERT(!b.not_empty.q.head && !b.not_full.q.head);
    return 0;
}
SN_TEST_SLOW(cond_loses_no_signal, 120) { run_everywhere(cond_main, 1000); }

/* ---- wait group: in the waiter's frame, gone as soon as the wait returns ---- */

static void done_member(void *arg)
{
    pause_randomly();
    sn_waitgroup_done(arg);
}
static int waitgroup_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        struct sn_waitgroup *w = sn_zalloc(1, sizeof *w);
        sn_waitgroup_add(w, FIBERS);
        for (unsigned k = 0; k < FIBERS; k++)
            T_OK(sn_go_on(k % sn_worker_count(), "done", done_member, w));
        int64_t d = sn_deadline_tighten(sn_now() + 20 * SN_US);
        int r = sn_waitgroup_wait(w);
        sn_deadline_restore(d);
        if (!got_it(r)) T_OK(sn_waitgroup_wait(w));
        T_EQ(w->word, 0);
        sn_free(w);
    }
    return 0;
}
SN_TEST_SLOW(waitgroup_waits, 120) { run_everywhere(waitgroup_main, 500); }

/* ---- semaphore ---- */

struct permits {
    struct sn_sem s;
    _Atomic int64_t out;
    int64_t max;
};
static void sem_member(void *arg)
{
    struct permits *p = arg;
    for (int i = 0; i < 50; i++) {
        int64_t n = (int64_t)(sn_random() % (uint64_t)(p->max + 1));
        int64_t d = maybe_deadline();
        bool in = i % 6 == 0 ? sn_sem_try(&p->s, n) : got_it(sn_sem_acquire(&p->s, n));
        sn_deadline_restore(d);
        if (!in) continue;
        T_ASSERT(atomic_fetch_add(&p->out, n) + n <= p->max);
        pause_randomly();
        atomic_fetch_sub(&p->out, n);
        sn_sem_release(&p->s, n);
    }
}
static int sem_main(void *arg)
{
    (void)arg;
    struct permits p = {.max = 5};
    sn_sem_init(&p.s, p.max);
    spawn_all(sem_member, &p);
    T_EQ(sn_sem_available(&p.s), p.max);
    T_ASSERT(!p.s.q.head);
    T_EQ(p.s.word & 3, 0);
    return 0;
}
SN_TEST_SLOW(sem_counts, 120) { run_everywhere(sem_main, 1000); }

/* ---- once and event ---- */

struct onces {
    struct sn_once o;
    struct sn_event e;
    _Atomic int runs, through;
};
static int once_body(void *arg)
{
    struct onces *x = arg;
    pause_randomly();
    return ++x->runs < 3 ? SN_E_UNAVAILABLE : 77; /* two failures are not remembered */
}
static void once_member(void *arg)
{
    struct onces *x = arg;
    int r;
    while ((r = sn_once_do(&x->o, once_body, x)) == SN_E_UNAVAILABLE) {
    }
    T_EQ(r, 77);
    if (++x->through == FIBERS) sn_event_set(&x->e);
    if (sn_event_wait_until(&x->e, sn_now()) == 0) T_ASSERT(sn_event_is_set(&x->e));
    T_OK(sn_event_wait(&x->e));
    T_EQ(x->through, FIBERS);
    sn_event_set(&x->e);
}
static int once_main(void *arg)
{
    (void)arg;
    struct onces x = {0};
    spawn_all(once_member, &x);
    T_EQ(x.runs, 3);
    return 0;
}

/* ---- cancellation ---- */

struct stuck {
    struct sn_mutex m, held;
    struct sn_rwlock rw;
    struct sn_cond c;
    struct sn_waitgroup w;
    struct sn_sem s;
    struct sn_event e;
};
static int stuck_mutex(void *arg) { return sn_mutex_lock(&((struct stuck *)arg)->held); }
static int stuck_rd(void *arg) { return sn_rwlock_rdlock(&((struct stuck *)arg)->rw); }
static int stuck_wr(void *arg) { return sn_rwlock_wrlock(&((struct stuck *)arg)->rw); }
static int stuck_cond(void *arg)
{
    struct stuck *x = arg;
    sn_mutex_lock_always(&x->m);
    int r = sn_cond_wait(&x->c, &x->m);
    sn_mutex_unlock(&x->m);
    return r;
}
static int stuck_wg(void *arg) { return sn_waitgroup_wait(&((struct stuck *)arg)->w); }
static int stuck_sem(void *arg) { return sn_sem_acquire(&((struct stuck *)arg)->s, 1); }
static int stuck_event(void *arg) { return sn_event_wait(&((struct stuck *)arg)->e); }
static int stuck_main(void *arg)
{
    (void)arg;
    static int (*const fns[])(void *) = {stuck_mutex, stuck_rd,  stuck_wr,   stuck_cond,
                                         stuck_wg,    stuck_sem, stuck_event};
    struct stuck x = {0};
    T_OK(sn_mutex_lock(&x.held));
    T_OK(sn_rwlock_wrlock(&x.rw));
    sn_waitgroup_add(&x.w, 1);
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    for (unsigned i = 0; i < SN_COUNT_OF(fns); i++) T_OK(sn_scope_go(s, "stuck", fns[i], &x));
    T_OK(sn_sleep(SN_MS));
    sn_scope_cancel(s);
    T_EQ(sn_scope_end(s), SN_E_CANCELLED);
    /* Nobody is left behind, and everything still works. */
    sn_mutex_unlock(&x.held);
    sn_rwlock_unlock(&x.rw);
    T_EQ(x.held.word, 0);
    T_EQ(x.rw.word, 0);
    T_EQ(x.m.word, 0);
    T_ASSERT(!x.c.q.head && !x.w.q.head && !x.s.q.head && !x.e.q.head);
    T_OK(sn_rwlock_rdlock(&x.rw));
    sn_rwlock_unlock(&x.rw);
    return 0;
}
SN_TEST(waits_are_cancelled) { run_everywhere(stuck_main, 200); }

/* ---- the profile's hook ---- */

static _Atomic int64_t hook_ns[SN_BLOCK_MUTEX_HELD + 1];
static void hook(enum sn_block_kind kind, int64_t wait_ns)
{
    T_ASSERT(wait_ns >= 0);
    hook_ns[kind] += wait_ns + 1;
}
static void hook_holder(void *arg)
{
    T_OK(sn_sleep(2 * SN_MS));
    sn_mutex_unlock(arg);
}
static int hook_main(void *arg)
{
    (void)arg;
    struct sn_mutex m = {0};
    T_OK(sn_mutex_lock(&m));
    T_OK(sn_go("holder", hook_holder, &m));
    T_OK(sn_mutex_lock(&m));
    sn_mutex_unlock(&m);
    T_ASSERT(hook_ns[SN_BLOCK_MUTEX] >= 2 * SN_MS);
    T_ASSERT(hook_ns[SN_BLOCK_MUTEX_HELD] >= SN_MS);
    struct sn_event e = {0};
    T_EQ(sn_event_wait_until(&e, sn_now() + SN_MS), SN_E_DEADLINE_EXCEEDED);
    T_ASSERT(hook_ns[SN_BLOCK_EVENT] >= SN_MS / 2);
    return 0;
}
SN_TEST(block_hook_sees_waits)
{
    sn_block_hook = hook;
    T_OK(run_n(1, hook_main, NULL));
    sn_block_hook = NULL;
}

SN_TEST_SLOW(once_and_event, 120) { run_everywhere(once_main, 500); }

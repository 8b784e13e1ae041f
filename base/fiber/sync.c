/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/sync.c - locks for fibers on the word lock of sync_int.h. Wait reasons are Go's, so that
 * tools which group goroutine dumps by reason group ours. */
#include "fiber/sync.h"

#include <sched.h>

#include "fiber/sync_int.h"

_Atomic(sn_block_fn) sn_block_hook;
#ifndef NDEBUG
void (*sn_race_hook)(void);
#endif

int sn_block_park_observed(enum sn_block_kind kind, uint64_t t, int64_t at_ns, bool always)
{
    int64_t from = sn_now();
    int r = always ? sn_wait_park_always(t) : sn_wait_park(t, at_ns);
    sn_block_fn fn = atomic_load_explicit(&sn_block_hook, memory_order_acquire);
    if (fn) fn(kind, sn_now() - from);
    return r;
}

int sn_point_slow(struct sn_worker *w, struct sn_fiber *f)
{
    if (w->budget < 0 && !w->on_big_stack) sn_yield();
    if (f->shield) return f->shield_deadline <= w->now ? SN_E_DEADLINE_EXCEEDED : 0;
    if (SN_PEEK(&f->cancelled)) return SN_E_CANCELLED;
    return f->deadline <= w->now ? SN_E_DEADLINE_EXCEEDED : 0;
}

/* The holder runs a few dozen instructions, unless the kernel has taken its CPU away: then give
 * ours. */
uint64_t sn_word_lock_slow(uint64_t *word)
{
    for (unsigned n = 1;; n++) {
        uint64_t v = SN_PEEK(word);
        if (!(v & SN_W_SPIN) &&
            __atomic_compare_exchange_n(word, &v, v | SN_W_SPIN, true, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return v;
        if (n % 128 == 0) sched_yield();
        else sn_cpu_relax();
    }
}

static inline bool cas(uint64_t *word, uint64_t *v, uint64_t to)
{
    return __atomic_compare_exchange_n(word, v, to, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static struct sn_fiber *self_fiber(struct sn_worker *wk)
{
    SN_ASSERT(wk && wk->cur); /* blocking calls need a fiber to suspend */
    return wk->cur;
}
static int64_t time_of(struct sn_worker *wk)
{
    return wk && !atomic_load_explicit(&sn_block_hook, memory_order_relaxed) ? wk->now : sn_now();
}

/* One wait of fiber `f` on queue `q`; the word is locked on entry and its value `v` is published
 * with the waiter. Returns the finish code (>= 0), or the failure with the word locked again, the
 * waiter gone from the queue and *ret_v the word: the caller repairs its state and unlocks. */
static int wait_on(uint64_t *word, uint64_t v, struct sn_waitq *q, struct sn_waiter *w,
                   enum sn_block_kind kind, const char *reason, int64_t at_ns, uint64_t *ret_v)
{
    w->t = sn_wait_begin(reason);
    sn_waitq_push(q, w);
    sn_word_unlock(word, v | SN_W_WAITERS);
    SN_RACE_POINT();
    int r = sn_block_park(kind, w->t, at_ns);
    if (SN_LIKELY(r >= 0)) return r;
    v = sn_word_lock(word);
    if (w->queued) sn_waitq_del(q, w);
    *ret_v = q->head ? v : v & ~(uint64_t)SN_W_WAITERS;
    return r;
}

/* ---- mutex ---- */

/* LOCKED: held. WOKEN: a waiter was told to try; until it has, no second one is woken. */
enum { M_LOCKED = 4, M_WOKEN = 8 };
#define MUTEX_SPINS 4u /* looks at a taken mutex before the fiber parks */
#define MUTEX_SPIN_PAUSES 30u
enum { M_RETRY = 0, M_HANDED = 1 }; /* finish codes */

/* Takes a free mutex, or queues once. Returns true when it has the lock or has failed (*ret_r). */
static bool mutex_attempt(struct sn_mutex *m, struct sn_waiter *w, bool *woken, bool always,
                          int *ret_r)
{
    SN_RACE_POINT();
    uint64_t v = sn_word_lock(&m->word);
    if (*woken) v &= ~(uint64_t)M_WOKEN;
    *ret_r = 0;
    if (!(v & M_LOCKED)) {
        sn_word_unlock(&m->word, v | M_LOCKED);
        return true;
    }
    w->t = sn_wait_begin("sync.Mutex.Lock");
    /* One that was woken and found the lock taken keeps its place. */
    if (*woken) sn_waitq_push_front(&m->q, w);
    else sn_waitq_push(&m->q, w);
    sn_word_unlock(&m->word, v | SN_W_WAITERS);
    SN_RACE_POINT();
    int r = SN_UNLIKELY(atomic_load_explicit(&sn_block_hook, memory_order_relaxed) != NULL)
                ? sn_block_park_observed(SN_BLOCK_MUTEX, w->t, SN_FOREVER, always)
            : always ? sn_wait_park_always(w->t)
                     : sn_wait_park(w->t, SN_FOREVER);
    if (r == M_HANDED) return true;
    if (r >= 0) {
        *woken = true;
        return false;
    }
    v = sn_word_lock(&m->word);
    if (w->queued) sn_waitq_del(&m->q, w);
    sn_word_unlock(&m->word, m->q.head ? v : v & ~(uint64_t)SN_W_WAITERS);
    *ret_r = r;
    return true;
}

/* The holder may be on another core and about to unlock: a park and a wake across cores cost far
 * more than most critical sections. Not where there is one worker, for then it cannot be running. */
static bool mutex_spin(struct sn_mutex *m)
{
    for (unsigned i = 0; i < MUTEX_SPINS; i++) {
        if (sn_mutex_trylock(m)) return true;
        for (unsigned k = 0; k < MUTEX_SPIN_PAUSES; k++) sn_cpu_relax();
    }
    return false;
}

static SN_NOINLINE int mutex_lock_slow(struct sn_mutex *m, struct sn_worker *wk, bool always)
{
    if (sn_worker_count() > 1 && !sn_sim_on && mutex_spin(m)) return 0;
    struct sn_waiter w = {.f = self_fiber(wk), .amount = time_of(wk)};
    bool woken = false;
    int r;
    while (!mutex_attempt(m, &w, &woken, always, &r)) {
    }
    return r;
}

bool sn_mutex_trylock(struct sn_mutex *m)
{
    uint64_t v = SN_PEEK(&m->word);
    while (!(v & M_LOCKED)) {
        if (v & SN_W_SPIN) {
            sn_cpu_relax();
            v = SN_PEEK(&m->word);
        } else if (cas(&m->word, &v, v | M_LOCKED)) {
            return true;
        }
    }
    return false;
}

int sn_mutex_lock(struct sn_mutex *m)
{
    struct sn_worker *wk = sn_worker_cur();
    int r = sn_point(wk, self_fiber(wk));
    if (SN_UNLIKELY(r < 0)) return r;
    uint64_t v = 0;
    if (SN_LIKELY(cas(&m->word, &v, M_LOCKED))) return 0;
    return mutex_lock_slow(m, wk, false);
}

void sn_mutex_lock_always(struct sn_mutex *m)
{
    uint64_t v = 0;
    if (SN_LIKELY(cas(&m->word, &v, M_LOCKED))) return;
    int r = mutex_lock_slow(m, sn_worker_cur(), true);
    SN_ASSERT(r == 0);
}

static SN_NOINLINE void mutex_unlock_slow(struct sn_mutex *m)
{
    int64_t now = time_of(sn_worker_cur());
    uint64_t v = sn_word_lock(&m->word);
    SN_ASSERT(v & M_LOCKED); /* unlock of a free mutex */
    if (v & M_WOKEN) {
        sn_word_unlock(&m->word, v & ~(uint64_t)M_LOCKED);
        return;
    }
    struct sn_waiter *w = sn_waitq_claim(&m->q, NULL);
    if (!m->q.head) v &= ~(uint64_t)SN_W_WAITERS;
    if (!w) {
        sn_word_unlock(&m->word, v & ~(uint64_t)M_LOCKED);
        return;
    }
    int64_t waited = now - w->amount;
    bool hand = waited >= SN_MUTEX_HANDOFF_NS;
    sn_word_unlock(&m->word, hand ? v : (v & ~(uint64_t)M_LOCKED) | M_WOKEN);
    sn_wait_finish(w->f, hand ? M_HANDED : M_RETRY);
    sn_block_fn fn = atomic_load_explicit(&sn_block_hook, memory_order_acquire);
    if (SN_UNLIKELY(fn != NULL)) fn(SN_BLOCK_MUTEX_HELD, waited);
}

void sn_mutex_unlock(struct sn_mutex *m)
{
    uint64_t v = M_LOCKED;
    if (SN_LIKELY(cas(&m->word, &v, 0))) return;
    mutex_unlock_slow(m);
}

/* ---- reader-writer lock ---- */

enum { RW_WRITER = 4, RW_READER = 8 /* times the number of readers */ };
enum { RW_OP_READ, RW_OP_WRITE };

/* Lets in whoever may enter from the head of the queue: one writer, or the readers up to the next
 * writer. Returns the claimed; *v is the new word. */
static struct sn_waiter *rwlock_grant(struct sn_rwlock *l, uint64_t *v)
{
    struct sn_waiter *first = NULL, **tail = &first, *w;
    while ((w = l->q.head)) {
        uint64_t want = w->op == RW_OP_WRITE ? RW_WRITER : RW_READER;
        uint64_t bar = w->op == RW_OP_WRITE ? ~(uint64_t)3 : RW_WRITER;
        if (*v & bar) break;
        bool got = sn_wait_claim(w->f, w->t);
        sn_waitq_del(&l->q, w);
        if (!got) continue;
        *v += want;
        *tail = w;
        tail = &w->next;
    }
    *tail = NULL;
    if (!l->q.head) *v &= ~(uint64_t)SN_W_WAITERS;
    return first;
}

static SN_NOINLINE int rwlock_lock_slow(struct sn_rwlock *l, struct sn_fiber *f, uint8_t op)
{
    uint64_t v = sn_word_lock(&l->word);
    if (op == RW_OP_WRITE ? v == 0 : !(v & (SN_W_WAITERS | RW_WRITER))) {
        sn_word_unlock(&l->word, v + (op == RW_OP_WRITE ? RW_WRITER : RW_READER));
        return 0;
    }
    struct sn_waiter w = {.f = f, .op = op};
    int r = wait_on(&l->word, v, &l->q, &w, SN_BLOCK_RWLOCK,
                    op == RW_OP_WRITE ? "sync.RWMutex.Lock" : "sync.RWMutex.RLock", SN_FOREVER, &v);
    if (r >= 0) return 0;
    /* A writer that gives up may have been what held back the readers behind it. */
    struct sn_waiter *woken = rwlock_grant(l, &v);
    sn_word_unlock(&l->word, v);
    sn_waiters_finish(woken, 0);
    return r;
}

int sn_rwlock_rdlock(struct sn_rwlock *l)
{
    struct sn_worker *wk = sn_worker_cur();
    struct sn_fiber *f = self_fiber(wk);
    int r = sn_point(wk, f);
    if (SN_UNLIKELY(r < 0)) return r;
    uint64_t v = SN_PEEK(&l->word);
    while (!(v & (SN_W_SPIN | SN_W_WAITERS | RW_WRITER)))
        if (cas(&l->word, &v, v + RW_READER)) return 0;
    return rwlock_lock_slow(l, f, RW_OP_READ);
}

int sn_rwlock_wrlock(struct sn_rwlock *l)
{
    struct sn_worker *wk = sn_worker_cur();
    struct sn_fiber *f = self_fiber(wk);
    int r = sn_point(wk, f);
    if (SN_UNLIKELY(r < 0)) return r;
    uint64_t v = 0;
    if (cas(&l->word, &v, RW_WRITER)) return 0;
    return rwlock_lock_slow(l, f, RW_OP_WRITE);
}

void sn_rwlock_unlock(struct sn_rwlock *l)
{
    uint64_t v = SN_PEEK(&l->word);
    while (!(v & (SN_W_SPIN | SN_W_WAITERS))) {
        SN_ASSERT(v & ~(uint64_t)3); /* unlock of a free rwlock */
        if (cas(&l->word, &v, v & RW_WRITER ? v - RW_WRITER : v - RW_READER)) return;
    }
    v = sn_word_lock(&l->word);
    SN_ASSERT(v & ~(uint64_t)3);
    v -= v & RW_WRITER ? RW_WRITER : RW_READER;
    struct sn_waiter *woken = rwlock_grant(l, &v);
    sn_word_unlock(&l->word, v);
    sn_waiters_finish(woken, 0);
}

/* ---- condition ---- */

int sn_cond_wait(struct sn_cond *c, struct sn_mutex *m)
{
    struct sn_waiter w = {.f = self_fiber(sn_worker_cur())};
    uint64_t v = sn_word_lock(&c->word);
    w.t = sn_wait_begin("sync.Cond.Wait");
    sn_waitq_push(&c->q, &w);
    sn_word_unlock(&c->word, v);
    sn_mutex_unlock(m);
    SN_RACE_POINT();
    int r = sn_block_park(SN_BLOCK_COND, w.t, SN_FOREVER);
    if (r < 0) {
        v = sn_word_lock(&c->word);
        if (w.queued) sn_waitq_del(&c->q, &w);
        sn_word_unlock(&c->word, v);
    }
    sn_mutex_lock_always(m);
    return r < 0 ? r : 0;
}

void sn_cond_signal(struct sn_cond *c)
{
    uint64_t v = sn_word_lock(&c->word);
    struct sn_waiter *w = sn_waitq_claim(&c->q, NULL);
    sn_word_unlock(&c->word, v);
    if (w) sn_wait_finish(w->f, 0);
}

void sn_cond_broadcast(struct sn_cond *c)
{
    uint64_t v = sn_word_lock(&c->word);
    struct sn_waiter *w = sn_waitq_claim_all(&c->q);
    sn_word_unlock(&c->word, v);
    sn_waiters_finish(w, 0);
}

/* ---- wait group: the count sits above the two low bits ---- */

void sn_waitgroup_add(struct sn_waitgroup *w, int64_t n)
{
    uint64_t d = (uint64_t)n << 2, v = SN_PEEK(&w->word);
    while (!(v & SN_W_SPIN) && ((v + d) >> 2 || !(v & SN_W_WAITERS))) {
        SN_ASSERT((int64_t)(v + d) >= 0); /* more done than added */
        if (cas(&w->word, &v, v + d)) return;
    }
    v = sn_word_lock(&w->word) + d;
    SN_ASSERT((int64_t)v >= 0);
    struct sn_waiter *woken = NULL;
    if (!(v >> 2)) {
        woken = sn_waitq_claim_all(&w->q);
        v = 0;
    }
    sn_word_unlock(&w->word, v);
    sn_waiters_finish(woken, 0);
}

void sn_waitgroup_done(struct sn_waitgroup *w) { sn_waitgroup_add(w, -1); }

int sn_waitgroup_wait(struct sn_waitgroup *w)
{
    struct sn_worker *wk = sn_worker_cur();
    struct sn_fiber *f = self_fiber(wk);
    int r = sn_point(wk, f);
    if (r < 0) return r;
    if (__atomic_load_n(&w->word, __ATOMIC_ACQUIRE) == 0) return 0;
    uint64_t v = sn_word_lock(&w->word);
    if (!(v >> 2)) {
        sn_word_unlock(&w->word, v);
        return 0;
    }
    struct sn_waiter me = {.f = f};
    r = wait_on(&w->word, v, &w->q, &me, SN_BLOCK_WAITGROUP, "sync.WaitGroup.Wait", SN_FOREVER, &v);
    if (r >= 0) return 0;
    sn_word_unlock(&w->word, v);
    return r;
}

/* ---- semaphore: the permits sit above the two low bits ---- */

void sn_sem_init(struct sn_sem *s, int64_t permits)
{
    SN_ASSERT(permits >= 0 && permits <= SN_SEM_MAX);
    *s = (struct sn_sem){.word = (uint64_t)permits << 2};
}

static struct sn_waiter *sem_grant(struct sn_sem *s, uint64_t *v)
{
    struct sn_waiter *first = NULL, **tail = &first, *w;
    while ((w = s->q.head) && *v >> 2 >= (uint64_t)w->amount) {
        bool got = sn_wait_claim(w->f, w->t);
        sn_waitq_del(&s->q, w);
        if (!got) continue;
        *v -= (uint64_t)w->amount << 2;
        *tail = w;
        tail = &w->next;
    }
    *tail = NULL;
    if (!s->q.head) *v &= ~(uint64_t)SN_W_WAITERS;
    return first;
}

bool sn_sem_try(struct sn_sem *s, int64_t n)
{
    SN_ASSERT(n >= 0 && n <= SN_SEM_MAX);
    uint64_t v = SN_PEEK(&s->word);
    while (!(v & SN_W_WAITERS) && v >> 2 >= (uint64_t)n) {
        if (v & SN_W_SPIN) {
            sn_cpu_relax();
            v = SN_PEEK(&s->word);
        } else if (cas(&s->word, &v, v - ((uint64_t)n << 2))) {
            return true;
        }
    }
    return false;
}

int sn_sem_acquire(struct sn_sem *s, int64_t n)
{
    struct sn_worker *wk = sn_worker_cur();
    struct sn_fiber *f = self_fiber(wk);
    int r = sn_point(wk, f);
    if (SN_UNLIKELY(r < 0)) return r;
    if (sn_sem_try(s, n)) return 0;
    uint64_t v = sn_word_lock(&s->word);
    if (!(v & SN_W_WAITERS) && v >> 2 >= (uint64_t)n) {
        sn_word_unlock(&s->word, v - ((uint64_t)n << 2));
        return 0;
    }
    struct sn_waiter me = {.f = f, .amount = n};
    r = wait_on(&s->word, v, &s->q, &me, SN_BLOCK_SEM, "semacquire", SN_FOREVER, &v);
    if (r >= 0) return 0;
    /* A large request that gives up may have been what held back smaller ones. */
    struct sn_waiter *woken = sem_grant(s, &v);
    sn_word_unlock(&s->word, v);
    sn_waiters_finish(woken, 0);
    return r;
}

void sn_sem_release(struct sn_sem *s, int64_t n)
{
    SN_ASSERT(n >= 0 && n <= SN_SEM_MAX);
    uint64_t d = (uint64_t)n << 2, v = SN_PEEK(&s->word);
    while (!(v & (SN_W_SPIN | SN_W_WAITERS)))
        if (cas(&s->word, &v, v + d)) return;
    v = sn_word_lock(&s->word) + d;
    struct sn_waiter *woken = sem_grant(s, &v);
    sn_word_unlock(&s->word, v);
    sn_waiters_finish(woken, 0);
}

int64_t sn_sem_available(const struct sn_sem *s) { return (int64_t)(SN_PEEK(&s->word) >> 2); }

/* ---- once ---- */

int sn_once_do(struct sn_once *o, int (*fn)(void *arg), void *arg)
{
    if (SN_LIKELY(atomic_load_explicit(&o->done, memory_order_acquire))) return o->value;
    int r = sn_mutex_lock(&o->m);
    if (r < 0) return r;
    if (!atomic_load_explicit(&o->done, memory_order_relaxed)) {
        r = fn(arg);
        if (r >= 0) {
            o->value = r;
            atomic_store_explicit(&o->done, 1, memory_order_release);
        }
    } else {
        r = o->value;
    }
    sn_mutex_unlock(&o->m);
    return r;
}

/* ---- event ---- */

enum { EV_SET = 4 };

void sn_event_set(struct sn_event *e)
{
    uint64_t v = 0;
    if (cas(&e->word, &v, EV_SET) || v & EV_SET) return;
    v = sn_word_lock(&e->word);
    struct sn_waiter *woken = v & EV_SET ? NULL : sn_waitq_claim_all(&e->q);
    sn_word_unlock(&e->word, EV_SET);
    sn_waiters_finish(woken, 0);
}

bool sn_event_is_set(const struct sn_event *e)
{
    return __atomic_load_n(&e->word, __ATOMIC_ACQUIRE) & EV_SET;
}

int sn_event_wait_until(struct sn_event *e, int64_t at_ns)
{
    struct sn_worker *wk = sn_worker_cur();
    struct sn_fiber *f = self_fiber(wk);
    int r = sn_point(wk, f);
    if (r < 0) return r;
    if (sn_event_is_set(e)) return 0;
    uint64_t v = sn_word_lock(&e->word);
    if (v & EV_SET) {
        sn_word_unlock(&e->word, v);
        return 0;
    }
    struct sn_waiter me = {.f = f};
    r = wait_on(&e->word, v, &e->q, &me, SN_BLOCK_EVENT, "event wait", at_ns, &v);
    if (r >= 0) return 0;
    sn_word_unlock(&e->word, v);
    return r;
}

int sn_event_wait(struct sn_event *e) { return sn_event_wait_until(e, SN_FOREVER); }

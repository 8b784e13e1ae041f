/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/sync_int.h - waiters, their queues and the word lock that locks and channels share.
 *
 * A waiter lives in the frame of the fiber that waits. It may be touched by its owner until it is
 * queued; by whoever holds the object's lock while it is queued; by the one claimer after a
 * successful claim, until sn_wait_finish. A waker therefore unlinks and claims under the lock,
 * drops the lock, and finishes last: the object may be freed by the fiber that wakes. */
#pragma once
#include <stdatomic.h>

#include "fiber/rt_int.h"
#include "fiber/sync.h"

/* Fields written under a lock and peeked at without it. */
#define SN_PEEK(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define SN_POKE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)

struct sn_waiter {
    struct sn_waiter *next, *prev;
    struct sn_fiber *f;
    uint64_t t;     /* ticket */
    void *elem;     /* channels: where the value is or goes; NULL = discard */
    int64_t amount; /* semaphore: permits wanted; mutex: waiting since (ns) */
    int16_t index;  /* select: the case; becomes the finish code */
    uint8_t op;     /* rwlock, select */
    uint8_t queued; /* under the object's lock */
    int status;     /* channels: what the operation returns */
};

static inline void sn_waitq_push(struct sn_waitq *q, struct sn_waiter *w)
{
    w->next = NULL;
    w->prev = q->tail;
    w->queued = true;
    if (q->tail) q->tail->next = w;
    else SN_POKE(&q->head, w);
    q->tail = w;
}
static inline void sn_waitq_push_front(struct sn_waitq *q, struct sn_waiter *w)
{
    w->prev = NULL;
    w->next = q->head;
    w->queued = true;
    if (q->head) q->head->prev = w;
    else q->tail = w;
    SN_POKE(&q->head, w);
}
static inline void sn_waitq_del(struct sn_waitq *q, struct sn_waiter *w)
{
    if (w->prev) w->prev->next = w->next;
    else SN_POKE(&q->head, w->next);
    if (w->next) w->next->prev = w->prev;
    else q->tail = w->prev;
    w->queued = false;
}
/* sn_waitq_claim - takes the first waiter whose claim succeeds off the queue, and with it the stale
 * ones before it; NULL when there is none. `self`'s own waiters (other cases of the same select)
 * are stepped over. Context: the object's lock is held. */
static inline struct sn_waiter *sn_waitq_claim(struct sn_waitq *q, const struct sn_fiber *self)
{
    for (struct sn_waiter *w = q->head, *next; w; w = next) {
        next = w->next;
        if (SN_UNLIKELY(w->f == self)) continue;
        bool got = sn_wait_claim(w->f, w->t);
        sn_waitq_del(q, w);
        if (SN_LIKELY(got)) return w;
    }
    return NULL;
}
/* sn_waitq_claim_all - all claimable waiters, chained by next in queue order; empties the queue. */
static inline struct sn_waiter *sn_waitq_claim_all(struct sn_waitq *q)
{
    struct sn_waiter *first = NULL, **tail = &first, *w;
    while ((w = sn_waitq_claim(q, NULL))) {
        *tail = w;
        tail = &w->next;
    }
    *tail = NULL;
    return first;
}
/* sn_waiters_finish - wakes a chain of claimed waiters. */
static inline void sn_waiters_finish(struct sn_waiter *w, int code)
{
    while (w) {
        struct sn_waiter *next = w->next; /* w is gone once finished */
        sn_wait_finish(w->f, code);
        w = next;
    }
}

/* SN_RACE_POINT - where another worker may get in between, for tests: a hook that dawdles there makes
 * windows of a few nanoseconds wide enough to be met. Nothing in release builds. */
#ifdef NDEBUG
#define SN_RACE_POINT() ((void)0)
#else
extern void (*sn_race_hook)(void);
#define SN_RACE_POINT()                               \
    do {                                              \
        if (SN_UNLIKELY(sn_race_hook != NULL)) sn_race_hook(); \
    } while (0)
#endif

/* ---- the word lock ---- */

/* State, "has waiters" and a spin bit in one word. The uncontended road is one CAS of the whole word;
 * everything about the queue happens between sn_word_lock and sn_word_unlock, and unlocking publishes
 * the new state in the same store, which is the last access to the object: the fiber that sees the
 * new state may free it at once. */
#define SN_W_SPIN 1u
#define SN_W_WAITERS 2u

uint64_t sn_word_lock_slow(uint64_t *word);
/* sn_word_lock - returns the word without the spin bit. */
static inline uint64_t sn_word_lock(uint64_t *word)
{
    uint64_t v = SN_PEEK(word);
    if (SN_LIKELY(!(v & SN_W_SPIN) &&
                  __atomic_compare_exchange_n(word, &v, v | SN_W_SPIN, false, __ATOMIC_ACQUIRE,
                                              __ATOMIC_RELAXED)))
        return v;
    return sn_word_lock_slow(word);
}
static inline void sn_word_unlock(uint64_t *word, uint64_t v)
{
    __atomic_store_n(word, v, __ATOMIC_RELEASE);
}
static inline void sn_cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    __asm__ volatile("" ::: "memory");
#endif
}

/* ---- the running fiber ---- */

int sn_point_slow(struct sn_worker *w, struct sn_fiber *f);
/* sn_point - at the head of every blocking call, also of one that will not block: counts against the
 * worker's budget, so that a fiber whose channels are always ready still lets others run (and
 * simulation gets a choice at each operation), and is the cancellation point.
 * Returns 0, SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED. */
static SN_ALWAYS_INLINE int sn_point(struct sn_worker *w, struct sn_fiber *f)
{
    if (SN_LIKELY(--w->budget >= 0 && !SN_PEEK(&f->cancelled) && f->deadline > w->now)) return 0;
    return sn_point_slow(w, f);
}

int sn_block_park_observed(enum sn_block_kind kind, uint64_t t, int64_t at_ns, bool always);
/* sn_block_park - sn_wait_park, timed for the block profile when somebody listens. */
static inline int sn_block_park(enum sn_block_kind kind, uint64_t t, int64_t at_ns)
{
    if (SN_LIKELY(!atomic_load_explicit(&sn_block_hook, memory_order_relaxed)))
        return sn_wait_park(t, at_ns);
    return sn_block_park_observed(kind, t, at_ns, false);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/sync.h - mutex, condition, wait group, semaphore, once, rwlock, event for fibers.
 * All suspend the fiber, never the thread; all zero-initialised are ready; none owns memory, so
 * none has a _done. Waiters queue in order of arrival. What the fiber that wakes up may do at once:
 * free the object, even while the waker is still inside its call. Blocking calls are cancellation
 * points (SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED), also where they would not block, except where
 * the name ends in _always. They are called from fibers; the calls that cannot block, from any
 * thread. */
#pragma once
#include "fiber/wait.h"

/* The fields of these structs belong to sync.c. `word` holds state, "has waiters" and a spin bit.
 */
struct sn_waiter;
struct sn_waitq {
    struct sn_waiter *head, *tail;
};

/* ---- mutex ---- */

/* In order of arrival among those who wait. A running fiber may overtake them while the lock is
 * free, because handing every lock over would make each acquisition a switch (or, across workers, a
 * wake-up); once the first has waited SN_MUTEX_HANDOFF_NS, unlock hands the lock to it. */
#define SN_MUTEX_HANDOFF_NS (1 * SN_MS)
struct sn_mutex {
    uint64_t word;
    struct sn_waitq q;
};
/* sn_mutex_lock - Returns 0 with the lock, or SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED without it.
 * Not recursive. Suspends. */
int sn_mutex_lock(struct sn_mutex *m) SN_MUST_CHECK;
/* sn_mutex_lock_always - ignores cancellation and deadlines. Suspends. */
void sn_mutex_lock_always(struct sn_mutex *m);
/* sn_mutex_trylock - true with the lock. Any thread. */
bool sn_mutex_trylock(struct sn_mutex *m);
/* sn_mutex_unlock - by any fiber or thread; unlocking a free mutex aborts. Does not suspend. */
void sn_mutex_unlock(struct sn_mutex *m);

/* ---- reader-writer lock ---- */

/* Strictly in order of arrival: a waiting writer holds back later readers; neighbours in the queue
 * that are readers enter together. Not recursive, also not for readers. */
struct sn_rwlock {
    uint64_t word;
    struct sn_waitq q;
};
/* sn_rwlock_rdlock, sn_rwlock_wrlock - Return 0 with the lock, SN_E_CANCELLED,
 * SN_E_DEADLINE_EXCEEDED without it. Suspend. */
int sn_rwlock_rdlock(struct sn_rwlock *l) SN_MUST_CHECK;
int sn_rwlock_wrlock(struct sn_rwlock *l) SN_MUST_CHECK;
/* sn_rwlock_unlock - ends either kind of hold. Any thread, does not suspend. */
void sn_rwlock_unlock(struct sn_rwlock *l);

/* ---- condition ---- */

struct sn_cond {
    uint64_t word;
    struct sn_waitq q;
};
/* sn_cond_wait - unlocks, suspends, relocks (always, also when it fails). No spurious wake-ups, but
 * another fiber may have changed the condition before this one had the lock again.
 * Returns 0, SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED; a signal is never lost to a failed wait. */
int sn_cond_wait(struct sn_cond *c, struct sn_mutex *m) SN_MUST_CHECK;
/* sn_cond_signal, sn_cond_broadcast - wake the first, or all, who wait now. Any thread. */
void sn_cond_signal(struct sn_cond *c);
void sn_cond_broadcast(struct sn_cond *c);

/* ---- wait group ---- */

struct sn_waitgroup {
    uint64_t word;
    struct sn_waitq q;
};
/* sn_waitgroup_add - n may be negative; a negative total aborts. Any thread. */
void sn_waitgroup_add(struct sn_waitgroup *w, int64_t n);
void sn_waitgroup_done(struct sn_waitgroup *w);
/* sn_waitgroup_wait - until the total is 0. Returns 0, SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED.
 * Suspends. */
int sn_waitgroup_wait(struct sn_waitgroup *w) SN_MUST_CHECK;

/* ---- semaphore ---- */

struct sn_sem {
    uint64_t word;
    struct sn_waitq q;
};
/* sn_sem_init - permits in 0 .. SN_SEM_MAX; a zeroed semaphore has none. */
#define SN_SEM_MAX (INT64_MAX >> 4)
void sn_sem_init(struct sn_sem *s, int64_t permits);
/* sn_sem_acquire - takes n >= 0 permits at once, in order of arrival: a large request is not
 * starved by small ones. Returns 0, SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED. Suspends. */
int sn_sem_acquire(struct sn_sem *s, int64_t n) SN_MUST_CHECK;
/* sn_sem_try - true if it took n permits without waiting or overtaking. Any thread. */
bool sn_sem_try(struct sn_sem *s, int64_t n);
void sn_sem_release(struct sn_sem *s, int64_t n);
/* sn_sem_available - permits free at some moment during the call: for metrics. */
int64_t sn_sem_available(const struct sn_sem *s);

/* ---- once ---- */

struct sn_once {
    struct sn_mutex m;
    _Atomic uint32_t done;
    int value;
};
/* sn_once_do - runs fn(arg) once; later callers wait for it. Returns fn's value to all; a failed
 * run (negative) is not remembered and the next caller tries again. SN_E_CANCELLED and
 * SN_E_DEADLINE_EXCEEDED also where the caller gave up waiting for another's run. */
int sn_once_do(struct sn_once *o, int (*fn)(void *arg), void *arg) SN_MUST_CHECK;

/* ---- event: set once, waited for by many ---- */

struct sn_event {
    uint64_t word;
    struct sn_waitq q;
};
void sn_event_set(struct sn_event *e);
bool sn_event_is_set(const struct sn_event *e);
/* sn_event_wait - Returns 0 once set, SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED. Suspends. */
int sn_event_wait(struct sn_event *e) SN_MUST_CHECK;
/* sn_event_wait_until - as sn_event_wait, but SN_E_DEADLINE_EXCEEDED also at at_ns. */
int sn_event_wait_until(struct sn_event *e, int64_t at_ns) SN_MUST_CHECK;

/* ---- for the block and mutex profiles ---- */

enum sn_block_kind {
    SN_BLOCK_CHAN,
    SN_BLOCK_SELECT,
    SN_BLOCK_MUTEX,
    SN_BLOCK_RWLOCK,
    SN_BLOCK_COND,
    SN_BLOCK_WAITGROUP,
    SN_BLOCK_SEM,
    SN_BLOCK_EVENT,
    SN_BLOCK_MUTEX_HELD, /* in the unlocking fiber: how long the one it woke had waited */
};
/* sn_block_hook - NULL, or called after each wait of these kinds, in the fiber that waited (for
 * SN_BLOCK_MUTEX_HELD: in the one that unlocked, which may be a plain thread). It decides itself
 * which to sample; it must not suspend or take locks of this header. Costs one predictable branch
 * per wait while NULL. */
typedef void (*sn_block_fn)(enum sn_block_kind kind, int64_t wait_ns);
extern _Atomic(sn_block_fn) sn_block_hook;

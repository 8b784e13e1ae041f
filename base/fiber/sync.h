/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/sync.h - mutex, condition, wait group, semaphore, once, rwlock for fibers.
 * All suspend the fiber, never the thread; all are FIFO-fair; all zero-initialised are ready.
 * Lock calls are cancellation points except where the name ends in _always. */
#pragma once
#include "fiber/wait.h"

struct sn_waitq {
    struct sn_waiter *head, *tail;
};

struct sn_mutex {
    struct sn_spin spin;
    uint32_t locked;
    struct sn_fiber *owner;
    struct sn_waitq q;
};
int sn_mutex_lock(struct sn_mutex *m) SN_MUST_CHECK; /* 0, SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED */
void sn_mutex_lock_always(struct sn_mutex *m);       /* ignores cancellation and deadlines */
bool sn_mutex_trylock(struct sn_mutex *m);
void sn_mutex_unlock(struct sn_mutex *m);

struct sn_rwlock {
    struct sn_spin spin;
    int32_t readers; /* -1 = a writer holds it */
    struct sn_waitq q;
};
int sn_rwlock_rdlock(struct sn_rwlock *l) SN_MUST_CHECK;
int sn_rwlock_wrlock(struct sn_rwlock *l) SN_MUST_CHECK;
void sn_rwlock_unlock(struct sn_rwlock *l);

struct sn_cond {
    struct sn_spin spin;
    struct sn_waitq q;
};
/* sn_cond_wait - unlocks, suspends, relocks (always, also when it fails). */
int sn_cond_wait(struct sn_cond *c, struct sn_mutex *m) SN_MUST_CHECK;
void sn_cond_signal(struct sn_cond *c);
void sn_cond_broadcast(struct sn_cond *c);

struct sn_waitgroup {
    struct sn_spin spin;
    int64_t count;
    struct sn_waitq q;
};
void sn_waitgroup_add(struct sn_waitgroup *w, int64_t n);
void sn_waitgroup_done(struct sn_waitgroup *w);
int sn_waitgroup_wait(struct sn_waitgroup *w) SN_MUST_CHECK;

struct sn_sem {
    struct sn_spin spin;
    int64_t permits;
    struct sn_waitq q;
};
void sn_sem_init(struct sn_sem *s, int64_t permits);
int sn_sem_acquire(struct sn_sem *s, int64_t n) SN_MUST_CHECK;
bool sn_sem_try(struct sn_sem *s, int64_t n);
void sn_sem_release(struct sn_sem *s, int64_t n);

struct sn_once {
    struct sn_mutex m;
    _Atomic uint32_t done;
};
/* sn_once_do - runs fn(arg) once; later callers wait for it. Returns fn's value to all; a failed
 * run (negative) is not remembered and the next caller tries again. */
int sn_once_do(struct sn_once *o, int (*fn)(void *arg), void *arg) SN_MUST_CHECK;

/* sn_event - set once, waited for by many. */
struct sn_event {
    struct sn_spin spin;
    bool set;
    struct sn_waitq q;
};
void sn_event_set(struct sn_event *e);
bool sn_event_is_set(struct sn_event *e);
int sn_event_wait(struct sn_event *e) SN_MUST_CHECK;

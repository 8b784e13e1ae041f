/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/wait.h - the one blocking primitive; channels, locks, I/O and timers are built on it.
 *
 *   waiting fiber                           waker (any worker or thread)
 *   t = sn_wait_begin("chan receive");
 *   lock(obj); enqueue {self, t}; unlock;   lock(obj); w = dequeue;
 *   r = sn_wait_park(t);                    if (sn_wait_claim(w->f, w->t)) {
 *   if (r is timeout or cancel)                 copy data to the waiter;
 *       lock(obj); dequeue self; unlock;        sn_wait_finish(w->f, 0); }
 *                                           unlock(obj);
 *
 * A ticket names one wait of one fiber. Exactly one claim on a ticket succeeds; timeouts and
 * cancellation claim like any waker, so a value can never be both delivered and timed out. After a
 * successful claim the claimer owns the waiter's frame until sn_wait_finish, which it must call
 * promptly (the waiter may be spinning for it). A stale claim on a recycled fiber fails, because
 * tickets only grow and fiber records are never unmapped while the runtime lives. */
#pragma once
#include "fiber/fiber.h"

/* sn_wait_begin - opens a wait; `reason` is a static string shown in dumps ("chan receive").
 * Must be followed by sn_wait_park (or sn_wait_abandon) before any other blocking call. */
uint64_t sn_wait_begin(const char *reason);
/* sn_wait_park - suspends until the ticket is claimed and finished. Returns the finisher's code,
 * SN_E_DEADLINE_EXCEEDED at min(fiber deadline, at_ns), or SN_E_CANCELLED. */
int sn_wait_park(uint64_t ticket, int64_t at_ns) SN_MUST_CHECK;
/* sn_wait_abandon - closes a wait that turned out unnecessary. Returns false if somebody had
 * already claimed it: then call sn_wait_park, which returns at once with the finisher's code. */
bool sn_wait_abandon(uint64_t ticket);
/* sn_wait_claim - true for exactly one caller per ticket. Wait-free. */
bool sn_wait_claim(struct sn_fiber *f, uint64_t ticket);
/* sn_wait_finish - makes the claimed fiber runnable; its sn_wait_park returns `code`. */
void sn_wait_finish(struct sn_fiber *f, int code);
static inline bool sn_wait_wake(struct sn_fiber *f, uint64_t ticket, int code)
{
    if (!sn_wait_claim(f, ticket)) return false;
    sn_wait_finish(f, code);
    return true;
}

/* Short critical sections inside the runtime: test-and-test-and-set with pause, then sched_yield.
 * Never held across a suspend. */
struct sn_spin {
    _Atomic uint32_t locked;
};
void sn_spin_lock_slow(struct sn_spin *l);
static inline void sn_spin_lock(struct sn_spin *l)
{
    uint32_t free = 0;
    if (SN_UNLIKELY(!__atomic_compare_exchange_n((uint32_t *)&l->locked, &free, 1, false,
                                                 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))
        sn_spin_lock_slow(l);
}
static inline void sn_spin_unlock(struct sn_spin *l)
{
    __atomic_store_n((uint32_t *)&l->locked, 0, __ATOMIC_RELEASE);
}

/* Timers: intrusive, on the worker that armed them; fn runs on the scheduler (must not suspend). */
struct sn_timer {
    struct sn_timer *next, **pprev; /* wheel slot */
    int64_t at_ns;
    void (*fn)(struct sn_timer *t);
    uint32_t worker;
    uint32_t state;
};
/* sn_timer_arm - (re)arms `t` for at_ns; moving a deadline later is one store (lazy re-arm).
 * Context: a fiber or scheduler callback on the worker that owns the object. */
void sn_timer_arm(struct sn_timer *t, int64_t at_ns, void (*fn)(struct sn_timer *t));
/* sn_timer_cancel - after it returns fn will not run. Same worker as the arm. */
void sn_timer_cancel(struct sn_timer *t);

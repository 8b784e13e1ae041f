/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/signal.c - signals as something a fiber waits for.
 * The handler only records: every waiting fiber that asked for the signal gets it, through an eventfd
 * of its own; a signal nobody waits for at that moment is kept for the next who asks. */
#include <errno.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fiber/net.h"
#include "fiber/os.h"
#include "fiber/rt_int.h"
#include "fiber/sim.h"

#define WAITERS_MAX 64
#define SIGNAL_MAX 64

struct waiter {
    _Atomic uint64_t mask;    /* signals asked for; 0 = free slot */
    _Atomic uint64_t pending; /* of those, arrived */
    int fd;
};
static struct waiter waiters[WAITERS_MAX];
static _Atomic uint64_t unclaimed;
static struct sn_spin slots_lock;

static uint64_t bit_of(int sig) { return (uint64_t)1 << (sig - 1); }

/* Async-signal-safe: atomics and write(2). */
static void on_signal(int sig)
{
    int saved = errno;
    uint64_t bit = bit_of(sig), one = 1;
    bool told = false;
    for (int i = 0; i < WAITERS_MAX; i++) {
        if (!(atomic_load(&waiters[i].mask) & bit)) continue;
        atomic_fetch_or(&waiters[i].pending, bit);
        if (write(waiters[i].fd, &one, sizeof(one)) == (ssize_t)sizeof(one)) told = true;
    }
    if (!told) atomic_fetch_or(&unclaimed, bit);
    errno = saved;
}

static int install(const int *signals, uint64_t *ret_mask)
{
    uint64_t mask = 0;
    for (const int *s = signals; *s; s++) {
        struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
        if (*s < 1 || *s > SIGNAL_MAX || sigaction(*s, &sa, NULL) < 0)
            return sn_fail(SN_E_INVALID_ARGUMENT, "signal %d cannot be waited for", *s);
        mask |= bit_of(*s);
    }
    *ret_mask = mask;
    return 0;
}

static struct waiter *slot_take(int fd, uint64_t mask)
{
    struct waiter *w = NULL;
    sn_spin_lock(&slots_lock);
    for (int i = 0; i < WAITERS_MAX && !w; i++)
        if (!atomic_load(&waiters[i].mask)) w = &waiters[i];
    if (w) {
        w->fd = fd;
        atomic_store(&w->pending, 0);
        atomic_store(&w->mask, mask);
    }
    sn_spin_unlock(&slots_lock);
    return w;
}

/* One signal out of `set`, taken; 0 where there is none. */
static int take_one(_Atomic uint64_t *set, uint64_t mask)
{
    uint64_t now = atomic_load(set);
    while (now & mask) {
        uint64_t bit = (now & mask) & -(now & mask);
        if (atomic_compare_exchange_weak(set, &now, now & ~bit)) return __builtin_ctzll(bit) + 1;
    }
    return 0;
}

int sn_signal_wait(const int *signals)
{
    if (sn_sim_active()) return sn_sleep_until(SN_FOREVER); /* no signals in the simulated world */
    uint64_t mask = 0;
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) return sn_fail_errno(errno, "wait for signals");
    int r = install(signals, &mask);
    struct waiter *w = r < 0 ? NULL : slot_take(fd, mask);
    if (r == 0 && !w)
        r = sn_fail(SN_E_RESOURCE_EXHAUSTED, "more than %d fibers wait for signals", WAITERS_MAX);
    while (r == 0) {
        int sig = take_one(&unclaimed, mask);
        if (!sig) sig = take_one(&w->pending, mask);
        if (sig) {
            r = sig;
            break;
        }
        int e = sn_fd_wait(fd, EPOLLIN);
        if (e < 0) r = e;
        uint64_t n;
        (void)!read(fd, &n, sizeof(n));
    }
    if (w) {
        atomic_store(&w->mask, 0);
        uint64_t rest = atomic_exchange(&w->pending, 0);
        if (rest) atomic_fetch_or(&unclaimed, rest);
    }
    close(fd);
    return r;
}

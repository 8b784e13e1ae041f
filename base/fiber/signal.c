/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/signal.c - signals as something fibers wait for.
 *
 * The handler sets a bit and writes to an eventfd, both async-signal-safe; one worker, the one that
 * called sn_signal_wait first, has the eventfd in its poller and hands the signals to the waiters.
 * Not a signalfd: that needs the signal blocked in every thread, also in those that exist already.
 * When that worker ends, the actions found at the first wait come back. */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fiber/os.h"
#include "fiber/sync_int.h"

static struct {
    struct sn_spin lock;
    struct sn_worker *worker; /* whose poller has the eventfd; NULL = not set up */
    struct sn_pollee pollee;
    struct sn_waitq q;
    uint64_t caught;  /* signals whose action is ours; bit n-1 is signal n */
    uint64_t pending; /* delivered while nobody waited for them */
    struct sigaction before[64];
    /* the handler's */
    uint64_t raised; /* __atomic */
    int fd;          /* __atomic, -1 = none */
    int inside;      /* __atomic: handlers running now */
} sig = {.fd = -1};

static void on_signal(int n)
{
    int saved = errno;
    __atomic_fetch_add(&sig.inside, 1, __ATOMIC_SEQ_CST);
    int fd = __atomic_load_n(&sig.fd, __ATOMIC_SEQ_CST);
    if (fd >= 0) {
        uint64_t one = 1;
        __atomic_fetch_or(&sig.raised, 1ull << (n - 1), __ATOMIC_SEQ_CST);
        ssize_t r =
            write(fd, &one, sizeof one); /* only a full counter fails, and that is readable */
        (void)r;
    }
    __atomic_fetch_sub(&sig.inside, 1, __ATOMIC_SEQ_CST);
    errno = saved;
}

/* Gives every raised signal to all who wait for it; what nobody waits for stays pending.
 * The lock is held. Returns the claimed waiters. */
static struct sn_waiter *distribute(void)
{
    struct sn_waiter *first = NULL, **tail = &first;
    sig.pending |= __atomic_exchange_n(&sig.raised, 0, __ATOMIC_SEQ_CST);
    uint64_t seen = 0;
    for (struct sn_waiter *w = sig.q.head, *next; w; w = next) {
        next = w->next;
        uint64_t mine = sig.pending & (uint64_t)w->amount;
        if (!mine) continue;
        bool got = sn_wait_claim(w->f, w->t);
        sn_waitq_del(&sig.q, w);
        if (!got) continue;
        w->status = __builtin_ctzll(mine) + 1;
        seen |= mine & -mine;
        *tail = w;
        tail = &w->next;
    }
    *tail = NULL;
    sig.pending &= ~seen;
    return first;
}

static void finish_all(struct sn_waiter *w)
{
    while (w) {
        struct sn_waiter *next = w->next;
        sn_wait_finish(w->f, w->status);
        w = next;
    }
}

static void on_readable(struct sn_pollee *p, uint32_t events)
{
    (void)events;
    uint64_t n;
    while (read(p->fd, &n, sizeof n) < 0 && errno == EINTR) {
    }
    sn_spin_lock(&sig.lock);
    struct sn_waiter *w = distribute();
    sn_spin_unlock(&sig.lock);
    finish_all(w);
}

/* The lock is held. */
static int set_up(struct sn_worker *wk)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0) return sn_fail_errno(errno, "signals: eventfd");
    sig.pollee.fd = fd;
    sig.pollee.ready = on_readable;
    int r = sn_poll_add(wk, &sig.pollee, EPOLLIN);
    if (r < 0) {
        close(fd);
        return r;
    }
    sig.worker = wk;
    __atomic_store_n(&sig.fd, fd, __ATOMIC_SEQ_CST);
    return 0;
}

/* Context: worker `wk`'s thread, no fiber of it left. */
static void worker_done(struct sn_worker *wk)
{
    sn_spin_lock(&sig.lock);
    if (sig.worker == wk) {
        for (int n = 1; n <= 64; n++)
            if (sig.caught >> (n - 1) & 1) (void)sigaction(n, &sig.before[n - 1], NULL);
        int fd = __atomic_exchange_n(&sig.fd, -1, __ATOMIC_SEQ_CST);
        while (__atomic_load_n(&sig.inside, __ATOMIC_SEQ_CST)) sn_cpu_relax();
        sn_poll_del(wk, &sig.pollee);
        close(fd);
        sig.worker = NULL;
        sig.caught = sig.pending = sig.raised = 0;
    }
    sn_spin_unlock(&sig.lock);
}

__attribute__((constructor)) static void signal_register(void)
{
    static const struct sn_rt_plugin plugin = {.worker_done = worker_done};
    sn_rt_plugin_add(&plugin);
}

/* The lock is held. */
static int catch_all(uint64_t mask)
{
    for (uint64_t left = mask & ~sig.caught; left; left &= left - 1) {
        int n = __builtin_ctzll(left) + 1;
        struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
        sigfillset(&a.sa_mask);
        if (sigaction(n, &a, &sig.before[n - 1]) < 0)
            return sn_fail_errno(errno, "signal %d cannot be caught", n);
        sig.caught |= 1ull << (n - 1);
    }
    return 0;
}

static int mask_of(const int *signals, uint64_t *ret)
{
    uint64_t mask = 0;
    for (; *signals; signals++) {
        int n = *signals;
        if (n < 1 || n > 64) return sn_fail(SN_E_INVALID_ARGUMENT, "there is no signal %d", n);
        if (n == SIGSEGV || n == SIGBUS || n == SIGILL || n == SIGFPE)
            return sn_fail(SN_E_INVALID_ARGUMENT, "signal %d is a crash, not an event", n);
        mask |= 1ull << (n - 1);
    }
    *ret = mask;
    return 0;
}

int sn_signal_wait(const int *signals)
{
    struct sn_worker *wk = sn_worker_cur();
    SN_ASSERT(wk && wk->cur);
    uint64_t mask = 0;
    int r = mask_of(signals, &mask);
    if (r < 0) return r;
    struct sn_waiter w = {.f = wk->cur, .amount = (int64_t)mask};
    if (sn_sim_on) return sn_wait_park(sn_wait_begin("signal wait"), SN_FOREVER);
    sn_spin_lock(&sig.lock);
    if (!sig.worker) r = set_up(wk);
    if (r >= 0) r = catch_all(mask);
    sn_spin_unlock(&sig.lock);
    if (r >= 0)
        r = sn_point(wk, wk->cur); /* after catching: also a call that fails here has done that */
    if (r < 0) return r;
    sn_spin_lock(&sig.lock);
    w.t = sn_wait_begin("signal wait");
    sn_waitq_push(&sig.q, &w);
    struct sn_waiter *woken = distribute(); /* perhaps this one: something was pending */
    sn_spin_unlock(&sig.lock);
    finish_all(woken);
    r = sn_wait_park(w.t, SN_FOREVER);
    if (r >= 0) return r;
    sn_spin_lock(&sig.lock);
    if (w.queued) sn_waitq_del(&sig.q, &w);
    sn_spin_unlock(&sig.lock);
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/poll_epoll.c - the epoll poller: one instance and one eventfd per worker.
 * The event's cookie is the pollee's address with its generation in the upper 16 bits (user
 * addresses have 47), so an event already fetched for a pollee that was since removed or re-added
 * is recognised and dropped. */
#include "fiber/sched_int.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EPOLL_BATCH 128

static uint64_t cookie(const struct sn_pollee *e)
{
    return (uint64_t)(uintptr_t)e | (uint64_t)e->gen << 48;
}

static struct sn_pollee *pollee_of(uint64_t cookie)
{
    return (struct sn_pollee *)(uintptr_t)(cookie & 0xffffffffffffull);
}

static int ep_init(struct sn_poller *p)
{
    p->fd = epoll_create1(EPOLL_CLOEXEC);
    if (p->fd < 0) return sn_fail_errno(errno, "epoll instance");
    p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = p->wake_fd < 0 ? -1 : 0;
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.u64 = 0};
    if (r == 0) r = epoll_ctl(p->fd, EPOLL_CTL_ADD, p->wake_fd, &ev);
    if (r < 0) {
        int err = errno;
        if (p->wake_fd >= 0) close(p->wake_fd);
        close(p->fd);
        return sn_fail_errno(err, "worker wake-up descriptor");
    }
    return 0;
}

static void ep_done(struct sn_poller *p)
{
    close(p->wake_fd);
    close(p->fd);
}

static int ep_ctl(struct sn_poller *p, int op, struct sn_pollee *e, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.u64 = cookie(e)};
    return epoll_ctl(p->fd, op, e->fd, &ev) == 0 ? 0 : sn_status_from_errno(errno);
}

static int ep_add(struct sn_poller *p, struct sn_pollee *e, uint32_t events)
{
    e->gen++;
    int r = ep_ctl(p, EPOLL_CTL_ADD, e, events);
    if (r == 0) p->n++;
    return r;
}

static int ep_mod(struct sn_poller *p, struct sn_pollee *e, uint32_t events)
{
    return ep_ctl(p, EPOLL_CTL_MOD, e, events);
}

static void ep_del(struct sn_poller *p, struct sn_pollee *e)
{
    struct epoll_event ev = {0};
    (void)epoll_ctl(p->fd, EPOLL_CTL_DEL, e->fd, &ev);
    e->gen++;
    p->n--;
}

static int wait_timed(struct sn_poller *p, struct epoll_event *ev, int64_t timeout_ns)
{
    static uint32_t no_pwait2; /* __atomic; before Linux 5.11, and under valgrind */
    if (!SN_LOAD(&no_pwait2)) {
        struct timespec ts = {timeout_ns / SN_SEC, timeout_ns % SN_SEC};
        int n = epoll_pwait2(p->fd, ev, EPOLL_BATCH, &ts, NULL);
        if (n >= 0 || errno != ENOSYS) return n;
        SN_STORE(&no_pwait2, 1);
    }
    int64_t ms = (timeout_ns + SN_MS - 1) / SN_MS; /* never early */
    return epoll_wait(p->fd, ev, EPOLL_BATCH, (int)SN_MIN(ms, (int64_t)INT32_MAX));
}

static int ep_wait(struct sn_poller *p, int64_t timeout_ns)
{
    struct epoll_event ev[EPOLL_BATCH];
    int n = timeout_ns > 0 ? wait_timed(p, ev, timeout_ns)
                           : epoll_wait(p->fd, ev, EPOLL_BATCH, timeout_ns == 0 ? 0 : -1);
    int delivered = 0;
    for (int i = 0; i < n; i++) {
        if (i + 1 < n) __builtin_prefetch(pollee_of(ev[i + 1].data.u64), 1);
        if (ev[i].data.u64 == 0) continue; /* edge-triggered eventfd: nothing to read */
        struct sn_pollee *e = pollee_of(ev[i].data.u64);
        if (e->gen != ev[i].data.u64 >> 48) continue;
        e->ready(e, ev[i].events);
        delivered++;
    }
    return delivered;
}

static void ep_wake(struct sn_poller *p)
{
    uint64_t one = 1;
    if (write(p->wake_fd, &one, sizeof(one)) < 0 && errno == EAGAIN) {
        uint64_t drop; /* the counter is full: empty it, so that a write makes an edge again */
        if (read(p->wake_fd, &drop, sizeof(drop)) < 0) return;
        (void)!write(p->wake_fd, &one, sizeof(one));
    }
}

const struct sn_poller_ops sn_poller_epoll = {
    .name = "epoll",
    .init = ep_init,
    .done = ep_done,
    .add = ep_add,
    .mod = ep_mod,
    .del = ep_del,
    .wait = ep_wait,
    .wake = ep_wake,
};

/* Until uring.c is built in and defines it. */

/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/uring.c - the io_uring poller: readiness by multishot poll requests.
 *
 * Registrations and removals are queued and go to the kernel once per tick, together with the wait,
 * so a tick costs one system call however many connections came and went. A request's user_data is
 * the pollee's address and its generation: completions that arrive after a removal, and there
 * always are some, no longer match and are dropped.
 *
 * A multishot poll reports edges, like EPOLLET. It can end by itself (completion queue overflow);
 * the last completion then lacks the "more" flag and the request is queued anew.
 *
 * No liburing: the packaged one is older than what we need, and the interface is one structure and
 * three system calls. Constants and layouts are the kernel's user interface (io_uring(7),
 * io_uring_setup(2), io_uring_enter(2)). */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "fiber/net_int.h"

/* Ring sizes: beyond SQ_ENTRIES changes in one tick the queue is submitted early; beyond CQ_ENTRIES
 * unread completions the kernel keeps the rest on a list of its own. */
#define SQ_ENTRIES 512u
#define CQ_ENTRIES 8192u

enum {
    OP_POLL_ADD = 6,
    OP_ASYNC_CANCEL = 14,
    POLL_MULTI = 1,       /* sqe.len of POLL_ADD */
    SQE_SKIP_OK = 1 << 6, /* no completion on success */
    CQE_MORE = 2,
    ENTER_GETEVENTS = 1,
    ENTER_EXT_ARG = 8,
    SETUP_CQSIZE = 1 << 3,
    SETUP_CLAMP = 1 << 4,
    SETUP_R_DISABLED = 1 << 6,
    SETUP_SUBMIT_ALL = 1 << 7,
    SETUP_TASKRUN_FLAG = 1 << 9,
    SETUP_SINGLE_ISSUER = 1 << 12,
    SETUP_DEFER_TASKRUN = 1 << 13,
    FEAT_SINGLE_MMAP = 1,
    FEAT_NODROP = 2,
    FEAT_EXT_ARG = 1 << 8,
    FEAT_NEED = FEAT_SINGLE_MMAP | FEAT_NODROP | FEAT_EXT_ARG,
    SQ_CQ_OVERFLOW = 2,
    SQ_TASKRUN = 4,
    REGISTER_ENABLE_RINGS = 12,
    OFF_SQES = 0x10000000,
};

struct sqe {
    uint8_t opcode, flags;
    uint16_t ioprio;
    int32_t fd;
    uint64_t off, addr;
    uint32_t len, poll_events;
    uint64_t user_data, rest[3];
};
struct cqe {
    uint64_t user_data;
    int32_t res;
    uint32_t flags;
};
struct ring_offsets_sq {
    uint32_t head, tail, mask, entries, flags, dropped, array, resv;
    uint64_t user_addr;
};
struct ring_offsets_cq {
    uint32_t head, tail, mask, entries, overflow, cqes, flags, resv;
    uint64_t user_addr;
};
struct ring_params {
    uint32_t sq_entries, cq_entries, flags, sq_cpu, sq_idle, features, wq_fd, resv[3];
    struct ring_offsets_sq sq;
    struct ring_offsets_cq cq;
};
struct wait_arg {
    uint64_t sigmask;
    uint32_t sigmask_size, min_wait_us;
    uint64_t ts;
};
_Static_assert(sizeof(struct sqe) == 64 && sizeof(struct cqe) == 16, "kernel layout");
_Static_assert(sizeof(struct ring_params) == 120, "kernel layout");

struct ring {
    void *map;
    size_t map_size, sqes_size;
    struct sqe *sqes;
    struct cqe *cqes;
    uint32_t *sq_head, *sq_tail, *sq_flags, *cq_head, *cq_tail;
    uint32_t sq_mask, cq_mask, sq_entries;
    uint32_t tail;    /* ours; the kernel sees it at submit */
    uint32_t pending; /* queued, not yet submitted */
    bool enabled;
    struct sn_pollee waker;
};

/* What sn_pollee.flags holds: the events below bit 14, and these. */
enum { PF_EVENTS = 0x3fff, PF_ON = 0x4000, PF_EXCLUSIVE = 0x8000 };

static uint64_t cookie_of(const struct sn_pollee *e)
{
    return (uint64_t)(uintptr_t)e | (uint64_t)e->gen << 48;
}

static int ring_enter(struct sn_poller *p, unsigned wait_nr, int64_t timeout_ns)
{
    struct ring *r = p->impl;
    struct timespec ts = {timeout_ns / SN_SEC, timeout_ns % SN_SEC};
    struct wait_arg arg = {.ts = timeout_ns >= 0 ? (uint64_t)(uintptr_t)&ts : 0};
    __atomic_store_n(r->sq_tail, r->tail, __ATOMIC_RELEASE);
    long n = syscall(SYS_io_uring_enter, p->fd, r->pending, wait_nr,
                     ENTER_GETEVENTS | ENTER_EXT_ARG, &arg, sizeof arg);
    int err = n < 0 ? errno : 0;
    r->pending = r->tail - __atomic_load_n(r->sq_head, __ATOMIC_ACQUIRE);
    return -err;
}

static void queue_add(struct sn_poller *p, struct sn_pollee *e);

static void ring_enable(struct sn_poller *p)
{
    struct ring *r = p->impl;
    /* Created disabled: the thread that enables a single-issuer ring is the one that may use it. */
    long n = syscall(SYS_io_uring_register, p->fd, REGISTER_ENABLE_RINGS, NULL, 0);
    SN_ASSERT(n >= 0);
    r->enabled = true;
    queue_add(p, &r->waker);
}

static struct sqe *ring_sqe(struct sn_poller *p)
{
    struct ring *r = p->impl;
    if (SN_UNLIKELY(!r->enabled)) ring_enable(p);
    for (int tries = 0; r->pending == r->sq_entries; tries++) {
        int e = ring_enter(p, 0, 0);
        /* EBUSY and EAGAIN ask to read completions first or try again; both pass. */
        SN_ASSERT(e == 0 || e == -EINTR || e == -EBUSY || e == -EAGAIN || e == -ETIME);
        SN_ASSERT(tries < 1000000);
    }
    struct sqe *s = &r->sqes[r->tail & r->sq_mask];
    *s = (struct sqe){0};
    r->tail++;
    r->pending++;
    return s;
}

static void queue_add(struct sn_poller *p, struct sn_pollee *e)
{
    struct sqe *s = ring_sqe(p);
    s->opcode = OP_POLL_ADD;
    s->fd = e->fd;
    s->len = POLL_MULTI;
    s->poll_events =
        (e->flags & PF_EVENTS) | (e->flags & PF_EXCLUSIVE ? (uint32_t)EPOLLEXCLUSIVE : 0);
    s->user_data = cookie_of(e);
}

static int uring_add(struct sn_poller *p, struct sn_pollee *e, uint32_t events)
{
    SN_ASSERT(!(e->flags & PF_ON) && ((uintptr_t)e >> 48) == 0);
    e->gen++;
    e->flags =
        (uint16_t)((events & PF_EVENTS) | PF_ON | (events & EPOLLEXCLUSIVE ? PF_EXCLUSIVE : 0));
    p->n++;
    queue_add(p, e);
    return 0;
}

static void uring_del(struct sn_poller *p, struct sn_pollee *e)
{
    if (!(e->flags & PF_ON)) return;
    struct sqe *s = ring_sqe(p);
    /* Not POLL_REMOVE: that one gives up (EALREADY) on a request whose event is waiting to be
     * delivered, which a multishot request survives, holding the closed file for ever. */
    s->opcode = OP_ASYNC_CANCEL;
    s->flags = SQE_SKIP_OK;
    s->addr = cookie_of(e);
    bool rare = !(e->flags & EPOLLOUT);
    e->gen++;
    e->flags = 0;
    p->n--;
    /* The request holds the open file, so the socket lives until the removal is through: for a
     * connection that is the end of this tick; a listener's port should be free at once. */
    if (rare) (void)ring_enter(p, 0, 0);
}

static int uring_mod(struct sn_poller *p, struct sn_pollee *e, uint32_t events)
{
    uring_del(p, e);
    return uring_add(p, e, events);
}

static void waker_ready(struct sn_pollee *e, uint32_t events)
{
    uint64_t v;
    (void)!read(e->fd, &v, sizeof v);
}

static void uring_wake(struct sn_poller *p)
{
    uint64_t one = 1;
    (void)!write(p->wake_fd, &one, sizeof one);
}

static int deliver(struct sn_poller *p, const struct cqe *c)
{
    struct ring *r = p->impl;
    struct sn_pollee *e = (struct sn_pollee *)(uintptr_t)(c->user_data & ((1ull << 48) - 1));
    if (!e || e->gen != (uint16_t)(c->user_data >> 48) || !(e->flags & PF_ON)) return 0;
    uint32_t events = c->res >= 0 ? (uint32_t)c->res : EPOLLERR | EPOLLIN | EPOLLOUT;
    if (!(c->flags & CQE_MORE) && c->res >= 0) queue_add(p, e);
    e->ready(e, events);
    return e != &r->waker;
}

static int uring_wait(struct sn_poller *p, int64_t timeout_ns)
{
    struct ring *r = p->impl;
    if (SN_UNLIKELY(!r->enabled)) ring_enable(p);
    uint32_t head = *r->cq_head, tail = __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE);
    uint32_t flags = __atomic_load_n(r->sq_flags, __ATOMIC_RELAXED);
    bool have = head != tail;
    if (r->pending || (!have && timeout_ns != 0) || (flags & (SQ_TASKRUN | SQ_CQ_OVERFLOW)))
        (void)ring_enter(p, !have && timeout_ns != 0, have ? 0 : timeout_ns);
    tail = __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE);
    int n = 0;
    while (head != tail) {
        struct cqe c = r->cqes[head & r->cq_mask];
        /* Free the slot first: a callback may submit, and the kernel post more. */
        __atomic_store_n(r->cq_head, ++head, __ATOMIC_RELEASE);
        n += deliver(p, &c);
    }
    return n;
}

static void uring_done(struct sn_poller *p)
{
    struct ring *r = p->impl;
    if (!r) return;
    if (r->sqes) munmap(r->sqes, r->sqes_size);
    if (r->map) munmap(r->map, r->map_size);
    if (p->fd >= 0) close(p->fd);
    if (p->wake_fd >= 0) close(p->wake_fd);
    sn_free(r);
    p->impl = NULL;
    p->fd = p->wake_fd = -1;
}

static int ring_setup(struct ring_params *q)
{
    /* Deferred task work: completions are produced when the worker asks, not by interrupting it. */
    *q = (struct ring_params){.cq_entries = CQ_ENTRIES,
                              .flags = SETUP_CQSIZE | SETUP_CLAMP | SETUP_SUBMIT_ALL |
                                       SETUP_R_DISABLED | SETUP_SINGLE_ISSUER |
                                       SETUP_DEFER_TASKRUN | SETUP_TASKRUN_FLAG};
    return (int)syscall(SYS_io_uring_setup, SQ_ENTRIES, q);
}

static void *map_ring(int fd, size_t size, off_t off)
{
    void *m = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, off);
    return m == MAP_FAILED ? NULL : m;
}

static int ring_map(struct sn_poller *p, const struct ring_params *q)
{
    struct ring *r = p->impl;
    size_t sq = q->sq.array + q->sq_entries * sizeof(uint32_t);
    size_t cq = q->cq.cqes + q->cq_entries * sizeof(struct cqe);
    r->map_size = SN_MAX(sq, cq);
    r->sqes_size = q->sq_entries * sizeof(struct sqe);
    r->map = map_ring(p->fd, r->map_size, 0);
    r->sqes = map_ring(p->fd, r->sqes_size, OFF_SQES);
    if (!r->map || !r->sqes) return sn_fail_errno(errno, "io_uring: map the rings");
    char *m = r->map;
    r->sq_head = (uint32_t *)(m + q->sq.head);
    r->sq_tail = (uint32_t *)(m + q->sq.tail);
    r->sq_flags = (uint32_t *)(m + q->sq.flags);
    r->cq_head = (uint32_t *)(m + q->cq.head);
    r->cq_tail = (uint32_t *)(m + q->cq.tail);
    r->cqes = (struct cqe *)(m + q->cq.cqes);
    r->sq_mask = q->sq_entries - 1;
    r->cq_mask = q->cq_entries - 1;
    r->sq_entries = q->sq_entries;
    uint32_t *array = (uint32_t *)(m + q->sq.array);
    for (uint32_t i = 0; i < q->sq_entries; i++) array[i] = i;
    return 0;
}

static int uring_init(struct sn_poller *p)
{
    struct ring_params q;
    p->fd = p->wake_fd = -1;
    p->impl = SN_NEW(struct ring);
    if (!p->impl) return SN_E_NOMEM;
    struct ring *r = p->impl;
    int res = 0;
    p->fd = ring_setup(&q);
    if (p->fd < 0)
        res = sn_fail_errno(errno, "io_uring: the kernel refuses a ring (needs Linux 6.1 and "
                                   "kernel.io_uring_disabled=0)");
    else if ((q.features & FEAT_NEED) != FEAT_NEED)
        res = sn_fail(SN_E_UNIMPLEMENTED, "io_uring: kernel features %#x, need %#x", q.features,
                      (unsigned)FEAT_NEED);
    else
        res = ring_map(p, &q);
    if (res >= 0 && (p->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) < 0)
        res = sn_fail_errno(errno, "io_uring: eventfd");
    if (res < 0) {
        uring_done(p);
        return res;
    }
    r->waker = (struct sn_pollee){.fd = p->wake_fd, .ready = waker_ready, .flags = EPOLLIN | PF_ON};
    return 0;
}

static const struct sn_poller_ops uring_ops = {
    .name = "io_uring",
    .init = uring_init,
    .done = uring_done,
    .add = uring_add,
    .mod = uring_mod,
    .del = uring_del,
    .wait = uring_wait,
    .wake = uring_wake,
};
const struct sn_poller_ops *const sn_poller_uring = &uring_ops;

/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/sock.c - records of polled descriptors: slab, readiness, waiting, closing, parking.
 *
 * Any fiber on any worker may read, write or close a stream; readiness, timers and the end of a
 * record belong to the worker that registered it. The order of things that makes this sound:
 *  - readiness bits are cleared before the system call and set by the poller, under the lock when
 *    somebody may be waiting, so no edge is lost;
 *  - an operation holds a BUSY bit from entry to exit. Close sets CLOSED; whoever then clears the
 *    last BUSY bit ends the record, so a descriptor number is never reused under a system call;
 *  - the end itself (timer, poller, close(2), back to the slab) runs on the owner, by post if the
 *    last one out is elsewhere. */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/alloc.h"
#include "fiber/net_int.h"

/* Non-suspending operations in a row before other ready fibers of the worker get a turn. */
#define OPS_BUDGET 128
/* When a ready function could not get a fiber. */
#define SPAWN_RETRY_NS (10 * SN_MS)

const struct sn_sock_sys *sn_sock_sys_hooks;

/* ---- slab ---- */

static int slab_grow(struct sn_net_worker *nw)
{
    if (nw->chunks_n == nw->chunks_cap) {
        size_t cap = nw->chunks_cap ? nw->chunks_cap * 2 : 16;
        struct sn_sock **c = sn_realloc(nw->chunks, cap * sizeof *c);
        if (!c) return SN_E_NOMEM;
        nw->chunks = c;
        nw->chunks_cap = cap;
    }
    struct sn_sock *k = sn_aligned_alloc(SN_CACHE_LINE, SN_SLAB_CHUNK * sizeof *k);
    if (!k) return SN_E_NOMEM;
    memset(k, 0, SN_SLAB_CHUNK * sizeof *k);
    for (size_t i = SN_SLAB_CHUNK; i-- > 0;) {
        k[i].free_next = nw->free_head;
        nw->free_head = &k[i];
    }
    nw->chunks[nw->chunks_n++] = k;
    return 0;
}

static void count_add(uint64_t *c, int64_t n)
{
    __atomic_store_n(c, *c + (uint64_t)n, __ATOMIC_RELAXED);
}

struct sn_sock *sn_sock_new(int fd, enum sn_sock_kind kind)
{
    struct sn_worker *w = sn_worker_cur();
    SN_ASSERT(w);
    struct sn_net_worker *nw = sn_net_of(w);
    if (!nw->free_head && slab_grow(nw) < 0) return NULL;
    struct sn_sock *k = nw->free_head;
    nw->free_head = k->free_next;
    /* The pollee's generation survives recycling; everything else starts over. */
    k->e.fd = fd;
    k->e.ready = sn_sock_event;
    k->s.ops = NULL;
    k->rd = (struct sn_sock_wait){0};
    k->wr = (struct sn_sock_wait){0};
    k->timer = (struct sn_timer){0};
    k->lis = NULL;
    k->worker = (uint16_t)w->index;
    k->family = 0;
    k->peer_port = 0;
    k->why = 0;
    __atomic_store_n(&k->st, 0, __ATOMIC_RELAXED);
    k->kind = (uint8_t)kind;
    if (kind == SN_SOCK_STREAM) count_add(&nw->open, 1);
    return k;
}

/* sock_end - on the owner: nobody can reach the record any more except a stale event. */
static void sock_end(struct sn_sock *k)
{
    struct sn_worker *w = sn_worker_cur();
    struct sn_net_worker *nw = sn_net_of(w);
    SN_ASSERT(w->index == k->worker && k->kind != SN_SOCK_FREE);
    uint32_t st = sn_sock_bits(k);
    sn_timer_cancel(&k->timer);
    if (st & SN_SS_WATCHED) sn_poll_del(w, &k->e);
    if (!(st & SN_SS_BORROWED) && k->e.fd >= 0) close(k->e.fd);
    k->e.fd = -1;
    if (k->kind == SN_SOCK_STREAM) count_add(&nw->open, -1);
    struct sn_os_listener *counted = st & SN_SS_COUNTED ? k->lis : NULL;
    struct sn_os_listener *watched = k->kind == SN_SOCK_ACCEPT ? k->lis : NULL;
    k->kind = SN_SOCK_FREE;
    k->free_next = nw->free_head;
    nw->free_head = k;
    if (counted) sn_os_listener_conn_closed(counted);
    if (watched) sn_os_listener_unwatched(watched);
}

static void sock_end_post(struct sn_post *p) { sock_end(SN_CONTAINER_OF(p, struct sn_sock, post)); }

static void sock_end_anywhere(struct sn_sock *k)
{
    struct sn_worker *w = sn_worker_cur();
    if (w && w->index == k->worker) {
        sock_end(k);
        return;
    }
    /* The owner may still be delivering an event to an operation that has left meanwhile; `post`
     * shares its place with the waiter it looks at. From here on events see CLOSED. */
    sn_sock_lock(k);
    sn_sock_unlock(k);
    k->post.fn = sock_end_post;
    sn_post_send(sn_worker_at(k->worker), &k->post);
}

int sn_sock_watch(struct sn_sock *k, uint32_t events)
{
    int r = sn_poll_add(sn_worker_cur(), &k->e, events);
    if (r >= 0) sn_sock_set(k, SN_SS_WATCHED);
    return r;
}

/* ---- operations ---- */

/* give_way - every OPS_BUDGET operations: a stream that is always ready must not starve others,
 * and its fiber must still notice cancellation and deadline. It does so at its next operation: this one
 * may be the single write somebody tries under a deadline that has passed, and must not be refused by
 * where the count stands. */
static SN_NOINLINE int give_way(struct sn_net_worker *nw)
{
    nw->ops = 0;
    sn_yield();
    if (!sn_cancelled()) return 0;
    uint64_t id = sn_fiber_id(sn_self());
    if (nw->late != id) {
        nw->late = id;
        nw->ops = OPS_BUDGET - 1;
        return 0;
    }
    nw->late = 0;
    return sn_deadline() <= sn_now() ? SN_E_DEADLINE_EXCEEDED : SN_E_CANCELLED;
}

/* Takes the direction. Returns the bits before, or SN_SS_CLOSED alone. */
static uint32_t dir_take(struct sn_sock *k, uint32_t dir)
{
    uint32_t clear = dir == SN_SS_RD_BUSY ? SN_SS_RD_READY : 0;
    uint32_t old = sn_sock_bits(k);
    for (;;) {
        SN_ASSERT(!(old & dir)); /* two fibers in one direction */
        SN_ASSERT(!(old & SN_SS_PARKED));
        if (SN_UNLIKELY(old & SN_SS_CLOSED)) return SN_SS_CLOSED;
        if (sn_rt_single) {
            __atomic_store_n(&k->st, (old | dir) & ~clear, __ATOMIC_RELAXED);
            return old;
        }
        if (__atomic_compare_exchange_n(&k->st, &old, (old | dir) & ~clear, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE))
            return old;
    }
}

int sn_sock_enter(struct sn_sock *k, uint32_t dir)
{
    struct sn_worker *w = sn_worker_cur();
    SN_ASSERT(w && w->cur); /* I/O on streams is for fibers */
    struct sn_net_worker *nw = sn_net_of(w);
    uint32_t old = dir_take(k, dir);
    if (SN_UNLIKELY(old & SN_SS_CLOSED)) return SN_E_CLOSED;
    if (SN_UNLIKELY(++nw->ops >= OPS_BUDGET)) {
        /* Only now: who closes the stream meanwhile must find this operation in progress. */
        int r = give_way(nw);
        old |= sn_sock_bits(k);
        if (r < 0 || (old & SN_SS_CLOSED)) {
            /* Nobody has looked: what made it ready was an edge, and no other will come. */
            if (dir == SN_SS_RD_BUSY) sn_sock_set(k, old & SN_SS_RD_READY);
            return (int)sn_sock_exit(k, dir, r);
        }
    }
    /* For reads: 1 = worth a system call, 0 = known to be empty. */
    return (old & SN_SS_READABLE) != 0;
}

ssize_t sn_sock_exit(struct sn_sock *k, uint32_t dir, ssize_t result)
{
    uint32_t left = sn_sock_clear(k, dir) & ~dir;
    if (SN_LIKELY(!(left & SN_SS_CLOSED))) return result;
    if (!(left & SN_SS_BUSY)) sock_end_anywhere(k);
    return SN_E_CLOSED;
}

int sn_sock_wait(struct sn_sock *k, uint32_t dir, const char *reason)
{
    bool rd = dir == SN_SS_RD_BUSY;
    uint32_t bits = rd ? SN_SS_READABLE : SN_SS_WRITABLE;
    struct sn_sock_wait *slot = rd ? &k->rd : &k->wr;
    uint64_t t = sn_wait_begin(reason);
    sn_sock_lock(k);
    uint32_t st = sn_sock_bits(k);
    if (st & (bits | SN_SS_CLOSED)) {
        sn_sock_unlock(k);
        if (sn_wait_abandon(t)) return st & SN_SS_CLOSED ? SN_E_CLOSED : 0;
        return sn_wait_park(t, SN_FOREVER);
    }
    slot->f = sn_self();
    slot->ticket = t;
    sn_sock_unlock(k);
    int r = sn_wait_park(t, SN_FOREVER);
    if (SN_UNLIKELY(r < 0)) {
        sn_sock_lock(k);
        if (slot->f && slot->ticket == t) slot->f = NULL;
        sn_sock_unlock(k);
    }
    return r;
}

static void wake_slot(struct sn_sock_wait w, int code)
{
    if (w.f) sn_wait_wake(w.f, w.ticket, code);
}

void sn_sock_close(struct sn_sock *k)
{
    uint32_t old = sn_sock_set(k, SN_SS_CLOSED | SN_SS_CLOSE_BUSY);
    SN_ASSERT(!(old & SN_SS_CLOSED) && k->kind != SN_SOCK_FREE);
    SN_ASSERT(!(old & SN_SS_PARKED)); /* a parked stream belongs to the poller: unpark it first */
    if (SN_UNLIKELY(old & SN_SS_BUSY)) {
        sn_sock_lock(k);
        struct sn_sock_wait rd = k->rd, wr = k->wr;
        k->rd.f = k->wr.f = NULL;
        sn_sock_unlock(k);
        /* A waker of another worker may be inside its system call: it comes back by itself, the
         * descriptor is non-blocking. */
        wake_slot(rd, SN_E_CLOSED);
        wake_slot(wr, SN_E_CLOSED);
    }
    (void)sn_sock_exit(k, SN_SS_CLOSE_BUSY, 0);
}

/* ---- parking ---- */

static void parked_run(void *arg)
{
    struct sn_sock *k = arg;
    sn_stream_ready_fn fn = k->park.fn;
    void *fn_arg = k->park.arg;
    k->rd = (struct sn_sock_wait){0};
    k->wr = (struct sn_sock_wait){0};
    fn(&k->s, fn_arg, k->why);
}

static void parked_timer(struct sn_timer *t);

/* parked_start - PARKED has just been cleared by the caller, so the record is ours to start. */
static void parked_start(struct sn_sock *k, int why)
{
    struct sn_worker *w = sn_worker_cur();
    k->why = (int16_t)why;
    if (SN_LIKELY(sn_rt_spawn_local("ready connection", parked_run, k, NULL) >= 0)) {
        count_add(&sn_net_of(w)->parked, -1);
        return;
    }
    /* No memory for a fiber: the connection keeps its place and asks again. */
    sn_sock_set(k, SN_SS_RETRY | SN_SS_PARKED);
    sn_timer_cancel(&k->timer);
    sn_timer_arm(&k->timer, w->now + SPAWN_RETRY_NS, parked_timer);
}

/* unpark_if - takes PARKED away if it is set and `fn` (NULL = any) matches. */
static bool unpark_if(struct sn_sock *k, sn_stream_ready_fn fn)
{
    sn_sock_lock(k);
    bool mine = (sn_sock_bits(k) & SN_SS_PARKED) && (!fn || k->park.fn == fn);
    if (mine) sn_sock_clear(k, SN_SS_PARKED | SN_SS_RETRY);
    sn_sock_unlock(k);
    return mine;
}

static void parked_timer(struct sn_timer *t)
{
    struct sn_sock *k = SN_CONTAINER_OF(t, struct sn_sock, timer);
    bool retry = sn_sock_bits(k) & SN_SS_RETRY;
    if (unpark_if(k, NULL)) parked_start(k, retry ? k->why : SN_E_DEADLINE_EXCEEDED);
}

void sn_sock_park_init(struct sn_sock *k, int64_t idle_at_ns, sn_stream_ready_fn fn, void *arg)
{
    struct sn_worker *w = sn_worker_cur();
    count_add(&sn_net_of(w)->parked, 1);
    sn_sock_lock(k);
    k->park.fn = fn;
    k->park.arg = arg;
    uint32_t st = sn_sock_set(k, SN_SS_PARKED);
    bool now = st & SN_SS_READABLE;
    if (now) sn_sock_clear(k, SN_SS_PARKED);
    sn_sock_unlock(k);
    if (now)
        parked_start(k, 0);
    else if (idle_at_ns != SN_FOREVER)
        sn_timer_arm(&k->timer, idle_at_ns, parked_timer);
    else
        sn_timer_cancel(&k->timer);
}

static void sock_park(struct sn_stream *s, int64_t idle_at_ns, sn_stream_ready_fn fn, void *arg)
{
    struct sn_sock *k = sn_sock_of(s);
    struct sn_worker *w = sn_worker_cur();
    SN_ASSERT(w && w->index == k->worker);
    SN_ASSERT(!(sn_sock_bits(k) & (SN_SS_BUSY | SN_SS_CLOSED | SN_SS_PARKED)));
    sn_sock_park_init(k, idle_at_ns, fn, arg);
}

static bool sock_unpark(struct sn_stream *s)
{
    struct sn_sock *k = sn_sock_of(s);
    struct sn_worker *w = sn_worker_cur();
    SN_ASSERT(w && w->index == k->worker);
    if (!unpark_if(k, NULL)) return false;
    k->rd = (struct sn_sock_wait){0};
    k->wr = (struct sn_sock_wait){0};
    count_add(&sn_net_of(w)->parked, -1);
    return true;
}

void sn_sock_event(struct sn_pollee *e, uint32_t events)
{
    struct sn_sock *k = SN_CONTAINER_OF(e, struct sn_sock, e);
    uint32_t set = 0;
    if (events & (EPOLLIN | EPOLLPRI)) set |= SN_SS_RD_READY;
    if (events & EPOLLOUT) set |= SN_SS_WR_READY;
    if (events & EPOLLRDHUP) set |= SN_SS_RD_HUP;
    if (events & (EPOLLERR | EPOLLHUP)) set |= SN_SS_ERR;
    struct sn_sock_wait rd = {0}, wr = {0};
    sn_sock_lock(k);
    uint32_t st = sn_sock_set(k, set) | set;
    bool start = false;
    if (st & SN_SS_PARKED) {
        if ((set & SN_SS_READABLE) && !(st & SN_SS_RETRY)) {
            sn_sock_clear(k, SN_SS_PARKED);
            start = true;
        }
    } else if (!(st & SN_SS_CLOSED)) {
        if ((st & SN_SS_READABLE) && (st & SN_SS_RD_BUSY)) {
            rd = k->rd;
            k->rd.f = NULL;
        }
        if ((st & SN_SS_WRITABLE) && (st & SN_SS_WR_BUSY)) {
            wr = k->wr;
            k->wr.f = NULL;
        }
    }
    sn_sock_unlock(k);
    if (start) parked_start(k, 0);
    wake_slot(rd, 0);
    wake_slot(wr, 0);
}

/* ---- the stream operations ---------------------------------------------------------------------
 */

/* io_error - what a failed recv or send means to the caller. */
static int io_error(struct sn_sock *k, int err, const char *what)
{
    char peer[SN_ADDR_TEXT_MAX + 64];
    int code;
    switch (err) {
    case ECONNRESET:
    case EPIPE:
    case ETIMEDOUT: /* TCP_USER_TIMEOUT: the peer has vanished */
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case ECONNABORTED:
    case ENOTCONN: code = SN_E_RESET; break;
    case ENOBUFS:
    case ENOMEM: code = SN_E_NOMEM; break;
    default: code = SN_E_IO;
    }
    if (k->s.ops->addr(&k->s, true, peer, sizeof peer) < 0) memcpy(peer, "peer", 5);
    sn_fail_errno(err, "%s %s", what, peer);
    sn_diag()->code = code;
    return code;
}

static ssize_t sock_read(struct sn_stream *s, void *buf, size_t cap)
{
    struct sn_sock *k = sn_sock_of(s);
    int worth = sn_sock_enter(k, SN_SS_RD_BUSY);
    if (worth < 0) return worth;
    if (cap == 0) return sn_sock_exit(k, SN_SS_RD_BUSY, 0);
    for (;;) {
        if (!worth) {
            int r = sn_sock_wait(k, SN_SS_RD_BUSY, "IO wait: read");
            if (r < 0) return sn_sock_exit(k, SN_SS_RD_BUSY, r);
            sn_sock_clear(k, SN_SS_RD_READY);
        }
        uint32_t before = sn_sock_bits(k);
        ssize_t n = SN_SOCK_RECV(k->e.fd, buf, cap, 0);
        if (SN_LIKELY(n > 0)) {
            /* A short read has drained a TCP socket: the next byte makes an edge. Not so a Unix
             * socket, whose reads also end at messages that carry descriptors. */
            if ((size_t)n == cap || k->family == AF_UNIX)
                sn_sock_set(k, SN_SS_RD_READY);
            return sn_sock_exit(k, SN_SS_RD_BUSY, n);
        }
        if (n == 0) {
            sn_sock_set(k, SN_SS_RD_HUP);
            return sn_sock_exit(k, SN_SS_RD_BUSY, 0);
        }
        int err = errno;
        if (err == EINTR) {
            worth = 1;
            continue;
        }
        if (err == EAGAIN) {
            /* A sticky bit the socket does not confirm would make this a busy loop. One that came
             * during the call stays: it is news. */
            sn_sock_clear(k, before & (SN_SS_RD_HUP | SN_SS_ERR));
            worth = 0;
            continue;
        }
        sn_sock_set(k, SN_SS_ERR);
        return sn_sock_exit(k, SN_SS_RD_BUSY, io_error(k, err, "read from"));
    }
}

/* iov_advance - drops n sent bytes; returns the vectors left. */
static int iov_advance(struct iovec **iov, int n_iov, size_t n)
{
    while (n_iov > 0 && n >= (*iov)->iov_len) {
        n -= (*iov)->iov_len;
        (*iov)++;
        n_iov--;
    }
    if (n_iov > 0) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + n;
        (*iov)->iov_len -= n;
    }
    return n_iov;
}

#define IOV_PER_CALL 1024 /* the kernel's UIO_MAXIOV */

static ssize_t send_some(struct sn_sock *k, struct iovec *iov, int n_iov)
{
    if (n_iov == 1) return SN_SOCK_SEND(k->e.fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL);
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = (size_t)SN_MIN(n_iov, IOV_PER_CALL)};
    return SN_SOCK_SYS(sendmsg, k->e.fd, &m, MSG_NOSIGNAL);
}

static ssize_t sock_writev(struct sn_stream *s, struct iovec *iov, int n_iov)
{
    struct sn_sock *k = sn_sock_of(s);
    int r = sn_sock_enter(k, SN_SS_WR_BUSY);
    if (r < 0) return r;
    size_t total = 0;
    n_iov = iov_advance(&iov, n_iov, 0);
    while (n_iov > 0) {
        sn_sock_clear(k, SN_SS_WR_READY);
        ssize_t n = send_some(k, iov, n_iov);
        if (SN_LIKELY(n >= 0)) {
            total += (size_t)n;
            n_iov = iov_advance(&iov, n_iov, (size_t)n);
            continue;
        }
        int err = errno;
        if (err == EINTR) continue;
        if (err != EAGAIN) {
            sn_sock_set(k, SN_SS_ERR);
            return sn_sock_exit(k, SN_SS_WR_BUSY, io_error(k, err, "write to"));
        }
        r = sn_sock_wait(k, SN_SS_WR_BUSY, "IO wait: write");
        if (r < 0) return sn_sock_exit(k, SN_SS_WR_BUSY, r);
    }
    return sn_sock_exit(k, SN_SS_WR_BUSY, (ssize_t)total);
}

/* Without the turn that others get now and then: what is sent lies in memory of theirs. */
static ssize_t sock_try_writev(struct sn_stream *s, struct iovec *iov, int n_iov)
{
    struct sn_sock *k = sn_sock_of(s);
    if (dir_take(k, SN_SS_WR_BUSY) & SN_SS_CLOSED) return SN_E_CLOSED;
    sn_sock_clear(k, SN_SS_WR_READY);
    ssize_t n = send_some(k, iov, n_iov);
    if (n >= 0) return sn_sock_exit(k, SN_SS_WR_BUSY, n ? n : SN_E_AGAIN);
    int err = errno;
    if (err == EINTR || err == EAGAIN) return sn_sock_exit(k, SN_SS_WR_BUSY, SN_E_AGAIN);
    sn_sock_set(k, SN_SS_ERR);
    return sn_sock_exit(k, SN_SS_WR_BUSY, io_error(k, err, "write to"));
}

static int sock_shutdown(struct sn_stream *s)
{
    struct sn_sock *k = sn_sock_of(s);
    if (shutdown(k->e.fd, SHUT_WR) == 0) return 0;
    return errno == ENOTCONN ? SN_E_RESET : sn_fail_errno(errno, "shutdown");
}

static void sock_close(struct sn_stream *s) { sn_sock_close(sn_sock_of(s)); }

static bool sock_readable_now(struct sn_stream *s)
{
    return sn_sock_bits(sn_sock_of(s)) & SN_SS_READABLE;
}

static int sock_fd(struct sn_stream *s) { return sn_sock_of(s)->e.fd; }

static int sock_addr(struct sn_stream *s, bool peer, char *out, size_t cap)
{
    struct sn_sock *k = sn_sock_of(s);
    struct sn_sockaddr a = {.len = sizeof a.u};
    int fd = k->e.fd;
    if (peer && k->peer_port) {
        a.u.in4.sin_family = AF_INET;
        a.u.in4.sin_port = k->peer_port;
        a.u.in4.sin_addr.s_addr = k->peer_ip4;
        return sn_net_addr_format(&a, out, cap);
    }
    int r = peer ? getpeername(fd, &a.u.sa, &a.len) : getsockname(fd, &a.u.sa, &a.len);
    if (r < 0) return sn_status_from_errno(errno);
    if (peer && a.u.sa.sa_family == AF_INET) {
        k->peer_ip4 = a.u.in4.sin_addr.s_addr;
        k->peer_port = a.u.in4.sin_port;
    }
    return sn_net_addr_format(&a, out, cap);
}

#define SOCK_OPS(name, text)                                                     \
    static const struct sn_stream_ops name = {.kind = text,                      \
                                              .read = sock_read,                 \
                                              .writev = sock_writev,             \
                                              .try_writev = sock_try_writev,     \
                                              .shutdown = sock_shutdown,         \
                                              .close = sock_close,               \
                                              .park = sock_park,                 \
                                              .unpark = sock_unpark,             \
                                              .readable_now = sock_readable_now, \
                                              .fd = sock_fd,                     \
                                              .addr = sock_addr}
SOCK_OPS(tcp_ops, "tcp");
SOCK_OPS(unix_ops, "unix");

bool sn_stream_is_sock(const struct sn_stream *s)
{
    return s->ops == &tcp_ops || s->ops == &unix_ops;
}

int sn_sock_stream_new(int fd, int family, struct sn_sock **ret)
{
    struct sn_sock *k = sn_sock_new(fd, SN_SOCK_STREAM);
    if (!k) {
        close(fd);
        return SN_E_NOMEM;
    }
    k->family = (uint8_t)family;
    k->s.ops = family == AF_UNIX ? &unix_ops : &tcp_ops;
    int r = sn_sock_watch(k, SN_SOCK_EVENTS);
    if (r < 0) {
        sn_sock_close(k);
        return r;
    }
    *ret = k;
    return 0;
}

/* ---- drain ---- */

#define SWEEP_PER_PASS 512

static void sweep_run(struct sn_post *p)
{
    struct sn_worker *w = sn_worker_cur();
    struct sn_net_worker *nw = SN_CONTAINER_OF(p, struct sn_net_worker, sweep);
    sn_spin_lock(&nw->sweep_lock);
    sn_stream_ready_fn fn = nw->sweep_n ? nw->sweep_fn[0] : NULL;
    if (!fn) nw->sweep_posted = false;
    sn_spin_unlock(&nw->sweep_lock);
    if (!fn) return;
    size_t end = nw->chunks_n * SN_SLAB_CHUNK, stop = SN_MIN(end, nw->sweep_at + SWEEP_PER_PASS);
    for (; nw->sweep_at < stop; nw->sweep_at++) {
        struct sn_sock *k = &nw->chunks[nw->sweep_at / SN_SLAB_CHUNK][nw->sweep_at % SN_SLAB_CHUNK];
        if (k->kind == SN_SOCK_STREAM && unpark_if(k, fn)) parked_start(k, SN_E_CANCELLED);
    }
    if (nw->sweep_at >= end) {
        sn_spin_lock(&nw->sweep_lock);
        nw->sweep_at = 0;
        nw->sweep_n--;
        memmove(nw->sweep_fn, nw->sweep_fn + 1, nw->sweep_n * sizeof nw->sweep_fn[0]);
        sn_spin_unlock(&nw->sweep_lock);
    }
    sn_post_send(w, p); /* the rest on the next pass, so that what was started runs in between */
}

static bool sweep_add(struct sn_worker *w, sn_stream_ready_fn fn)
{
    struct sn_net_worker *nw = sn_net_of(w);
    sn_spin_lock(&nw->sweep_lock);
    bool room = nw->sweep_n < SN_COUNT_OF(nw->sweep_fn), post = room && !nw->sweep_posted;
    if (room) nw->sweep_fn[nw->sweep_n++] = fn;
    if (post) nw->sweep_posted = true;
    sn_spin_unlock(&nw->sweep_lock);
    if (post) {
        nw->sweep.fn = sweep_run;
        sn_post_send(w, &nw->sweep);
    }
    return room;
}

void sn_parked_cancel(sn_stream_ready_fn fn)
{
    if (sn_sim_on) {
        sn_simnet_parked_cancel(fn);
        return;
    }
    for (unsigned i = 0; i < sn_worker_count(); i++)
        while (!sweep_add(sn_worker_at(i), fn)) sn_yield();
}

/* ---- per worker ---- */

static int net_worker_init(struct sn_worker *w)
{
    w->net = SN_NEW(struct sn_net_worker);
    return w->net ? 0 : SN_E_NOMEM;
}

static void net_worker_done(struct sn_worker *w)
{
    struct sn_net_worker *nw = sn_net_of(w);
    if (!nw) return;
    for (size_t c = 0; c < nw->chunks_n; c++) {
        for (size_t i = 0; i < SN_SLAB_CHUNK; i++) {
            struct sn_sock *k = &nw->chunks[c][i];
            if (k->kind != SN_SOCK_FREE) sock_end(k);
        }
    }
    for (size_t c = 0; c < nw->chunks_n; c++) sn_free(nw->chunks[c]);
    for (unsigned i = 0; i < nw->pipes_n * 2; i++) close(nw->pipe_fd[i]);
    sn_free(nw->chunks);
    sn_free(nw);
    w->net = NULL;
    static unsigned done; /* __atomic; the last worker clears what is common to all */
    if (__atomic_add_fetch(&done, 1, __ATOMIC_ACQ_REL) < sn_worker_count()) return;
    __atomic_store_n(&done, 0, __ATOMIC_RELEASE);
    sn_resolve_flush();
    sn_os_listeners_done();
}

static void net_stats(struct sn_rt_stats *io)
{
    for (unsigned i = 0; i < io->workers; i++) {
        struct sn_net_worker *nw = sn_net_of(sn_worker_at(i));
        if (!nw) continue;
        io->conns_open += __atomic_load_n(&nw->open, __ATOMIC_RELAXED);
        io->conns_parked += __atomic_load_n(&nw->parked, __ATOMIC_RELAXED);
    }
}

__attribute__((constructor)) static void net_register(void)
{
    static const struct sn_rt_plugin plugin = {net_worker_init, net_worker_done, net_stats};
    sn_rt_plugin_add(&plugin);
}

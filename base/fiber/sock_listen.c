/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/sock_listen.c - listening sockets of the kernel.
 *
 * Two ways to take connections from one listener. sn_accept: fibers queue in front of one socket.
 * sn_listener_serve: every worker has a shard, a polled record that accepts on the scheduler
 * context and parks each connection at once. With per_worker each shard has its own SO_REUSEPORT
 * socket and the kernel spreads connections by hash; otherwise the shards share one socket and
 * EPOLLEXCLUSIVE wakes one of them at a time.
 *
 * Options a connection needs (TCP_NODELAY, TCP_USER_TIMEOUT) are set on the listening socket, from
 * which Linux copies them, so accepting costs accept4 and one registration, nothing more. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "fiber/net_int.h"

#define ACCEPT_BATCH 64
#define BACKLOG_DEFAULT 4096
/* At the descriptor limit: first and longest pause between attempts. */
#define BACKOFF_MIN_NS (5 * SN_MS)
#define BACKOFF_MAX_NS (500 * SN_MS)

struct accept_waiter {
    struct sn_sock_wait w;
    struct accept_waiter *next;
};

struct shard {
    struct sn_sock *k; /* NULL before start and after the end; owner only */
    struct sn_os_listener *l;
    struct sn_post kick;
    uint32_t kicked; /* __atomic: the post is in flight */
    bool paused;     /* at conns_max; under l->lock */
    int64_t backoff_ns;
    int fd;
};

struct sn_os_listener {
    struct sn_listener base;
    struct sn_spin lock;
    int refs;    /* __atomic: handle, serve, shards, counted connections, accepts in progress */
    bool closed; /* __atomic */
    int fd;
    struct sn_sockaddr addr;
    char text[SN_ADDR_TEXT_MAX + 64];
    struct sn_listen_opts opts;
    bool unlink_path;
    /* sn_accept */
    struct sn_sock *acc; /* registered record all accepting fibers share */
    bool ready;          /* the socket may have a connection */
    struct accept_waiter *wait_head, **wait_tail;
    /* sn_listener_serve */
    bool serving;
    struct sn_serve_opts serve;
    sn_stream_ready_fn fn;
    void *arg;
    struct shard *shards;
    unsigned shards_live;
    struct sn_sock_wait server;
    uint64_t conns;         /* __atomic, counted ones */
    unsigned shards_paused; /* __atomic */
};

static uint64_t file_limit_hits; /* __atomic: accepts put off by EMFILE or ENFILE */
uint64_t sn_net_file_limit_hits(void)
{
    return __atomic_load_n(&file_limit_hits, __ATOMIC_RELAXED);
}

static struct sn_os_listener *lis_of(struct sn_listener *l)
{
    return SN_CONTAINER_OF(l, struct sn_os_listener, base);
}
/* unix_stale - removes a socket file nobody listens on: what a crash leaves behind, and our own
 * after closing, unless the descriptor lives on in the process that took over. */
static void unix_stale(const struct sn_sockaddr *a)
{
    struct stat st;
    if (a->u.un.sun_path[0] == 0 || lstat(a->u.un.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return;
    if (connect(fd, &a->u.sa, a->len) < 0 && errno == ECONNREFUSED) unlink(a->u.un.sun_path);
    close(fd);
}

/* Also: the poller's records of a listener hold it until they have left the poller. */
static void lis_ref(struct sn_os_listener *l) { __atomic_add_fetch(&l->refs, 1, __ATOMIC_RELAXED); }

/* Closed listeners stay readable for a while: the fiber of an accept loop may be busy with its last
 * connection when another closes the listener, and calls sn_accept once more. */
#define GRAVES 64u
static struct {
    struct sn_spin lock;
    struct sn_os_listener *l[GRAVES];
    unsigned next;
} graves;

static struct sn_os_listener *bury(struct sn_os_listener *l)
{
    sn_spin_lock(&graves.lock);
    struct sn_os_listener **slot = &graves.l[graves.next++ % GRAVES], *old = *slot;
    *slot = l;
    sn_spin_unlock(&graves.lock);
    return old;
}

void sn_os_listeners_done(void)
{
    for (unsigned i = 0; i < GRAVES; i++) sn_free(bury(NULL));
}

static void lis_unref(struct sn_os_listener *l)
{
    if (__atomic_sub_fetch(&l->refs, 1, __ATOMIC_ACQ_REL) > 0) return;
    if (l->fd >= 0) close(l->fd);
    if (l->unlink_path) unix_stale(&l->addr);
    l->fd = -1;
    l->unlink_path = false;
    sn_free(l->shards);
    l->shards = NULL;
    sn_free(bury(l));
}

void sn_os_listener_unwatched(struct sn_os_listener *l) { lis_unref(l); }

/* accept_verdict - what an accept4 errno asks for. */
enum verdict { V_RETRY, V_EMPTY, V_PAUSE, V_FATAL };
static enum verdict accept_verdict(int err)
{
    switch (err) {
    case EAGAIN: return V_EMPTY;
    case EMFILE:
    case ENFILE: __atomic_add_fetch(&file_limit_hits, 1, __ATOMIC_RELAXED); return V_PAUSE;
    case ENOBUFS:
    case ENOMEM: return V_PAUSE;
    case EBADF:
    case EINVAL:
    case ENOTSOCK:
    case EOPNOTSUPP:
    case EFAULT: return V_FATAL;
    default: /* EINTR, ECONNABORTED, EPROTO, EPERM and the network errors Linux passes on: they
              * concern the connection that was being accepted */
        return V_RETRY;
    }
}

/* ---- sn_accept ----------------------------------------------------------------------------------
 */

static bool accept_wake_one(struct sn_os_listener *l, int code)
{
    for (;;) {
        sn_spin_lock(&l->lock);
        struct accept_waiter *n = l->wait_head;
        struct sn_sock_wait w = {0};
        if (n) {
            w = n->w;
            l->wait_head = n->next;
            if (!l->wait_head) l->wait_tail = &l->wait_head;
            n->w.f = NULL; /* dequeued */
        }
        sn_spin_unlock(&l->lock);
        /* A waiter that timed out meanwhile refuses the claim: the next one gets the news. */
        if (!w.f) return false;
        if (sn_wait_wake(w.f, w.ticket, code)) return true;
    }
}

static void acceptor_event(struct sn_pollee *e, uint32_t events)
{
    struct sn_sock *k = SN_CONTAINER_OF(e, struct sn_sock, e);
    struct sn_os_listener *l = k->lis;
    sn_spin_lock(&l->lock);
    l->ready = true;
    sn_spin_unlock(&l->lock);
    accept_wake_one(l, 0);
}

/* acceptor_start - registers the socket with this worker's poller, once per listener. */
static int acceptor_start(struct sn_os_listener *l)
{
    struct sn_sock *k = sn_sock_new(l->fd, SN_SOCK_ACCEPT);
    if (!k) return SN_E_NOMEM;
    lis_ref(l);
    k->lis = l;
    k->e.ready = acceptor_event;
    sn_sock_set(k, SN_SS_BORROWED);
    sn_spin_lock(&l->lock);
    bool mine = !l->acc && !l->closed;
    if (mine) l->acc = k;
    sn_spin_unlock(&l->lock);
    int r = mine ? sn_sock_watch(k, EPOLLIN | EPOLLET) : 0;
    if (mine && r >= 0) return 0;
    if (mine) {
        sn_spin_lock(&l->lock);
        l->acc = NULL;
        sn_spin_unlock(&l->lock);
    }
    sn_sock_close(k);
    return r;
}

static int accept_wait(struct sn_os_listener *l)
{
    sn_spin_lock(&l->lock);
    bool first = !l->acc && !l->closed;
    sn_spin_unlock(&l->lock);
    int r = first ? acceptor_start(l) : 0;
    if (r < 0) return r;
    struct accept_waiter n = {.w = {sn_self(), sn_wait_begin("IO wait: accept")}};
    uint64_t t = n.w.ticket;
    sn_spin_lock(&l->lock);
    if (l->ready || l->closed) {
        sn_spin_unlock(&l->lock);
        return sn_wait_abandon(t) ? 0 : sn_wait_park(t, SN_FOREVER);
    }
    *l->wait_tail = &n;
    l->wait_tail = &n.next;
    sn_spin_unlock(&l->lock);
    r = sn_wait_park(t, SN_FOREVER);
    if (r >= 0) return r;
    sn_spin_lock(&l->lock);
    for (struct accept_waiter **p = n.w.f ? &l->wait_head : NULL; p && *p; p = &(*p)->next) {
        if (*p != &n) continue;
        *p = n.next;
        if (!*p) l->wait_tail = p;
        break;
    }
    sn_spin_unlock(&l->lock);
    return r;
}

static int accept_loop(struct sn_os_listener *l, struct sn_stream **ret)
{
    int64_t backoff = BACKOFF_MIN_NS;
    for (;;) {
        if (__atomic_load_n(&l->closed, __ATOMIC_ACQUIRE)) return SN_E_CLOSED;
        sn_spin_lock(&l->lock);
        l->ready = false;
        sn_spin_unlock(&l->lock);
        int fd = SN_SOCK_SYS(accept4, l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            sn_spin_lock(&l->lock);
            l->ready = true; /* there may be more: the next in line looks */
            sn_spin_unlock(&l->lock);
            accept_wake_one(l, 0);
            struct sn_sock *k;
            int r = sn_sock_stream_new(fd, l->addr.u.sa.sa_family, &k);
            if (r < 0) { /* no memory for it: this one is shed, the loop above us lives on */
                r = sn_sleep(backoff);
                backoff = SN_MIN(backoff * 2, BACKOFF_MAX_NS);
                if (r < 0) return r;
                continue;
            }
            if (l->opts.defer_accept) sn_sock_set(k, SN_SS_RD_READY);
            *ret = &k->s;
            return 0;
        }
        int err = errno, r = 0;
        switch (accept_verdict(err)) {
        case V_RETRY: break;
        case V_EMPTY: r = accept_wait(l); break;
        case V_PAUSE:
            r = sn_sleep(backoff);
            backoff = SN_MIN(backoff * 2, BACKOFF_MAX_NS);
            break;
        case V_FATAL: r = sn_fail_errno(err, "accept on %s", l->text);
        }
        if (r < 0) return r;
    }
}

static int os_accept(struct sn_listener *base, struct sn_stream **ret)
{
    struct sn_os_listener *l = lis_of(base);
    if (__atomic_load_n(&l->closed, __ATOMIC_ACQUIRE)) return SN_E_CLOSED;
    lis_ref(l);
    int r = accept_loop(l, ret);
    /* Whoever leaves without a connection may have taken the wake-up of one. */
    if (r < 0 && r != SN_E_CLOSED) accept_wake_one(l, 0);
    lis_unref(l);
    return r;
}

/* ---- sn_listener_serve ---- */

static void shard_pause(struct shard *sh)
{
    struct sn_os_listener *l = sh->l;
    sn_spin_lock(&l->lock);
    if (!sh->paused) __atomic_add_fetch(&l->shards_paused, 1, __ATOMIC_SEQ_CST);
    sh->paused = true;
    sn_spin_unlock(&l->lock);
}

/* shard_admit - false at conns_max: the shard is then paused and a closing connection kicks it. */
static bool shard_admit(struct shard *sh)
{
    struct sn_os_listener *l = sh->l;
    if (!l->serve.conns_max) return true;
    for (;;) {
        if (__atomic_add_fetch(&l->conns, 1, __ATOMIC_SEQ_CST) <= l->serve.conns_max) return true;
        shard_pause(sh);
        if (__atomic_sub_fetch(&l->conns, 1, __ATOMIC_SEQ_CST) >= l->serve.conns_max) return false;
        /* One closed between the two and may not have seen the pause: try again. */
    }
}

static void shard_refuse(struct sn_os_listener *l)
{
    if (l->serve.conns_max) __atomic_sub_fetch(&l->conns, 1, __ATOMIC_SEQ_CST);
}

static void shard_take(struct shard *sh, int fd)
{
    struct sn_os_listener *l = sh->l;
    struct sn_sock *k;
    if (sn_sock_stream_new(fd, l->addr.u.sa.sa_family, &k) < 0) {
        shard_refuse(l);
        return;
    }
    if (l->serve.conns_max) {
        lis_ref(l);
        k->lis = l;
        sn_sock_set(k, SN_SS_COUNTED);
    }
    void *arg = l->arg;
    if (l->serve.conn_init && !(arg = l->serve.conn_init(&k->s, l->arg))) {
        sn_sock_close(k);
        return;
    }
    if (l->opts.defer_accept) sn_sock_set(k, SN_SS_RD_READY);
    int64_t idle = l->serve.idle_ns > 0 ? sn_now_coarse() + l->serve.idle_ns : SN_FOREVER;
    sn_sock_park_init(k, idle, l->fn, arg);
}

static void shard_kick(struct shard *sh)
{
    if (__atomic_exchange_n(&sh->kicked, 1, __ATOMIC_ACQ_REL)) return;
    lis_ref(sh->l);
    sn_post_send(sn_worker_at((unsigned)(sh - sh->l->shards)), &sh->kick);
}

static void shard_timer(struct sn_timer *t);

static void shard_accept(struct shard *sh)
{
    struct sn_os_listener *l = sh->l;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        if (__atomic_load_n(&l->closed, __ATOMIC_ACQUIRE)) return;
        if (!shard_admit(sh)) return;
        int fd = SN_SOCK_SYS(accept4, sh->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            sh->backoff_ns = BACKOFF_MIN_NS;
            shard_take(sh, fd);
            continue;
        }
        int err = errno;
        shard_refuse(l);
        switch (accept_verdict(err)) {
        case V_RETRY: continue;
        case V_EMPTY: return;
        case V_PAUSE:
        case V_FATAL: /* cannot happen to a socket we own; if it does, do not spin on it */
            sn_timer_arm(&sh->k->timer, sn_now_coarse() + sh->backoff_ns, shard_timer);
            sh->backoff_ns = SN_MIN(sh->backoff_ns * 2, BACKOFF_MAX_NS);
            return;
        }
    }
    shard_kick(sh); /* more are waiting, but so are others: next pass */
}

static void shard_timer(struct sn_timer *t)
{
    shard_accept(SN_CONTAINER_OF(t, struct sn_sock, timer)->park.arg);
}

static void shard_event(struct sn_pollee *e, uint32_t events)
{
    shard_accept(SN_CONTAINER_OF(e, struct sn_sock, e)->park.arg);
}

/* shard_down - on the owner; drops the shard's reference. */
static void shard_down(struct shard *sh)
{
    struct sn_os_listener *l = sh->l;
    struct sn_sock *k = sh->k;
    sh->k = NULL;
    sn_spin_lock(&l->lock);
    if (sh->paused) __atomic_sub_fetch(&l->shards_paused, 1, __ATOMIC_SEQ_CST);
    sh->paused = false;
    struct sn_sock_wait w = {0};
    if (--l->shards_live == 0) {
        w = l->server;
        l->server.f = NULL;
    }
    sn_spin_unlock(&l->lock);
    if (k) sn_sock_close(k);
    if (w.f) sn_wait_wake(w.f, w.ticket, 0);
    lis_unref(l);
}

/* shard_kicked - on the owner: closed, or room again, or the rest of a batch. */
static void shard_kicked(struct sn_post *p)
{
    struct shard *sh = SN_CONTAINER_OF(p, struct shard, kick);
    struct sn_os_listener *l = sh->l;
    __atomic_store_n(&sh->kicked, 0, __ATOMIC_RELEASE);
    if (sh->k && __atomic_load_n(&l->closed, __ATOMIC_ACQUIRE)) {
        shard_down(sh);
    } else if (sh->k) {
        sn_spin_lock(&l->lock);
        if (sh->paused) __atomic_sub_fetch(&l->shards_paused, 1, __ATOMIC_SEQ_CST);
        sh->paused = false;
        sn_spin_unlock(&l->lock);
        shard_accept(sh);
    }
    lis_unref(l);
}

void sn_os_listener_conn_closed(struct sn_os_listener *l)
{
    __atomic_sub_fetch(&l->conns, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&l->shards_paused, __ATOMIC_SEQ_CST)) {
        sn_spin_lock(&l->lock);
        for (unsigned i = 0; i < sn_worker_count() && l->serving && !l->closed; i++)
            if (l->shards[i].paused) shard_kick(&l->shards[i]);
        sn_spin_unlock(&l->lock);
    }
    lis_unref(l);
}

static void shard_start(void *arg)
{
    struct shard *sh = arg;
    struct sn_os_listener *l = sh->l;
    struct sn_sock *k = sn_sock_new(sh->fd >= 0 ? sh->fd : l->fd, SN_SOCK_ACCEPT);
    int r = k ? 0 : SN_E_NOMEM;
    if (k) {
        lis_ref(l);
        k->lis = l;
        k->e.ready = shard_event;
        k->park.arg = sh;
        if (sh->fd < 0) {
            sh->fd = l->fd;
            sn_sock_set(k, SN_SS_BORROWED);
        }
        sh->k = k;
        r = sn_sock_watch(k, EPOLLIN | EPOLLET | EPOLLEXCLUSIVE);
    } else if (sh->fd >= 0) {
        close(sh->fd);
    }
    if (r < 0 || __atomic_load_n(&l->closed, __ATOMIC_ACQUIRE)) shard_down(sh);
}

/* listen_socket - a bound, listening, non-blocking socket. */
static int listen_socket(const struct sn_sockaddr *a, const struct sn_listen_opts *o,
                         const char *text, int *ret_fd)
{
    int family = a->u.sa.sa_family, one = 1;
    int fd = SN_SOCK_SYS(socket, family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return sn_fail_errno(errno, "listen on %s", text);
    if (family != AF_UNIX) {
        int64_t ut = o->user_timeout_ms == 0 ? SN_USER_TIMEOUT_MS : o->user_timeout_ms;
        unsigned ut_ms = ut > 0 ? (unsigned)ut : 0;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ut_ms, sizeof ut_ms);
        if (sn_net_is_loopback(a)) sn_net_tune_loopback(fd);
        if (o->per_worker) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
        if (o->defer_accept) setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &one, sizeof one);
    }
    unsigned mode = o->unix_mode ? o->unix_mode & 0777 : 0600;
    bool path = family == AF_UNIX && a->u.un.sun_path[0];
    /* Linux gives the file the socket's own mode less the umask, so it is never wider than asked,
     * not even between bind and chmod. */
    if (path) (void)fchmod(fd, mode);
    if (bind(fd, &a->u.sa, a->len) < 0 || (path && chmod(a->u.un.sun_path, mode) < 0) ||
        listen(fd, o->backlog > 0 ? o->backlog : BACKLOG_DEFAULT) < 0) {
        int err = errno;
        close(fd);
        if (err == EADDRINUSE) {
            sn_fail_errno(err, "listen on %s", text);
            sn_diag()->code = SN_E_ALREADY_EXISTS;
            return SN_E_ALREADY_EXISTS;
        }
        return sn_fail_errno(err, "listen on %s", text);
    }
    *ret_fd = fd;
    return 0;
}

static int shards_prepare(struct sn_os_listener *l)
{
    unsigned n = sn_worker_count();
    l->shards = sn_zalloc(n, sizeof *l->shards);
    if (!l->shards) return SN_E_NOMEM;
    bool own = l->opts.per_worker && l->addr.u.sa.sa_family != AF_UNIX && l->opts.fd <= 0;
    for (unsigned i = 0; i < n; i++) {
        struct shard *sh = &l->shards[i];
        *sh = (struct shard){.l = l, .fd = -1, .backoff_ns = BACKOFF_MIN_NS};
        sh->kick.fn = shard_kicked;
        int r = own && i > 0 ? listen_socket(&l->addr, &l->opts, l->text, &sh->fd) : 0;
        if (r < 0) {
            while (i-- > 1) close(l->shards[i].fd);
            sn_free(l->shards);
            l->shards = NULL;
            return r;
        }
    }
    return 0;
}

/* stop - no more accepting on this listener, whoever asked for it. */
static void lis_stop(struct sn_os_listener *l)
{
    sn_spin_lock(&l->lock);
    bool first = !l->closed;
    __atomic_store_n(&l->closed, true, __ATOMIC_RELEASE);
    bool serving = l->serving;
    struct sn_sock *acc = l->acc;
    l->acc = NULL;
    sn_spin_unlock(&l->lock);
    if (!first) return;
    for (unsigned i = 0; serving && i < sn_worker_count(); i++) shard_kick(&l->shards[i]);
    while (accept_wake_one(l, SN_E_CLOSED)) {
    }
    if (acc) sn_sock_close(acc);
}

static int os_serve(struct sn_listener *base, const struct sn_serve_opts *opts,
                    sn_stream_ready_fn fn, void *arg)
{
    struct sn_os_listener *l = lis_of(base);
    if (l->serving) return sn_fail(SN_E_FAILED_PRECONDITION, "%s is served already", l->text);
    int r = shards_prepare(l);
    if (r < 0) return r;
    lis_ref(l);
    l->serve = opts ? *opts : (struct sn_serve_opts){0};
    l->fn = fn;
    l->arg = arg;
    unsigned n = sn_worker_count();
    l->shards_live = n;
    for (unsigned i = 0; i < n; i++) lis_ref(l);
    sn_spin_lock(&l->lock);
    bool closed = l->closed;
    l->serving = true;
    sn_spin_unlock(&l->lock);
    for (unsigned i = 0; i < n; i++) {
        int g = closed ? SN_E_CLOSED : sn_go_on(i, "accept", shard_start, &l->shards[i]);
        if (g < 0) { /* this worker takes no part */
            if (l->shards[i].fd >= 0) close(l->shards[i].fd);
            if (!closed) r = g;
            shard_down(&l->shards[i]);
        }
    }
    if (r < 0) lis_stop(l);
    for (;;) {
        uint64_t t = sn_wait_begin("IO wait: serve");
        sn_spin_lock(&l->lock);
        bool down = l->shards_live == 0;
        if (!down) l->server = (struct sn_sock_wait){sn_self(), t};
        sn_spin_unlock(&l->lock);
        if (down) {
            if (!sn_wait_abandon(t)) (void)sn_wait_park_always(t);
            break;
        }
        /* Cancelled: stop, and still see every shard down, because they use our caller's arg. */
        int p = r < 0 ? sn_wait_park_always(t) : sn_wait_park(t, SN_FOREVER);
        if (p < 0 && r >= 0) {
            r = p;
            lis_stop(l);
        }
    }
    lis_unref(l);
    return r;
}

static int os_listener_addr(struct sn_listener *base, char *out, size_t cap)
{
    return sn_net_addr_format(&lis_of(base)->addr, out, cap);
}
static int os_listener_fd(struct sn_listener *base) { return lis_of(base)->fd; }

static void os_listener_close(struct sn_listener *base)
{
    struct sn_os_listener *l = lis_of(base);
    lis_stop(l);
    lis_unref(l);
}

static const struct sn_listener_ops os_listener_ops = {
    .accept = os_accept,
    .serve = os_serve,
    .addr = os_listener_addr,
    .fd = os_listener_fd,
    .close = os_listener_close,
};

static int listen_open(struct sn_os_listener *l, const struct sn_net_name *n, const char *text)
{
    int r;
    if (l->opts.fd > 0) {
        l->fd = l->opts.fd;
        int fl = fcntl(l->fd, F_GETFL);
        if (fl < 0 || fcntl(l->fd, F_SETFL, fl | O_NONBLOCK) < 0)
            return sn_fail_errno(errno, "adopt descriptor %d for %s", l->fd, text);
    } else if (n->is_unix) {
        sn_net_unix_addr(n->unix_path, &l->addr);
        unix_stale(&l->addr);
        r = listen_socket(&l->addr, &l->opts, text, &l->fd);
        if (r < 0) return r;
        l->unlink_path = l->addr.u.un.sun_path[0] != 0;
    } else {
        r = sn_net_resolve_name(n, text, 0, &l->addr, 1);
        if (r < 0) return r;
        r = listen_socket(&l->addr, &l->opts, text, &l->fd);
        if (r < 0) return r;
    }
    l->addr.len = sizeof l->addr.u;
    if (getsockname(l->fd, &l->addr.u.sa, &l->addr.len) < 0)
        return sn_fail_errno(errno, "listen on %s", text);
    return 0;
}

int sn_os_listen(const struct sn_net_name *n, const char *text, const struct sn_listen_opts *o,
                 struct sn_listener **ret)
{
    struct sn_os_listener *l = SN_NEW(struct sn_os_listener);
    if (!l) return SN_E_NOMEM;
    l->base.ops = &os_listener_ops;
    l->refs = 1;
    l->fd = -1;
    l->wait_tail = &l->wait_head;
    if (o) l->opts = *o;
    snprintf(l->text, sizeof l->text, "%s", text);
    int r = listen_open(l, n, text);
    if (r < 0) {
        if (l->opts.fd > 0) l->fd = -1; /* adopting failed: the descriptor stays the caller's */
        lis_unref(l);
        return r;
    }
    *ret = &l->base;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/net.c - the front of fiber/net.h: picks kernel or simulator, and what is the same for both.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/buf.h"
#include "fiber/net_int.h"
#include "fiber/os.h"
#include "fiber/sim.h"

int sn_dial(const char *addr, const struct sn_dial_opts *opts, struct sn_stream **ret)
{
    struct sn_net_name n;
    int r = sn_net_name_parse(addr, &n);
    if (r < 0) return r;
    if (n.port == 0 && !n.is_unix) return sn_fail(SN_E_SYNTAX, "dial %s: port 0", addr);
    return sn_sim_on ? sn_simnet_dial(&n, addr, ret) : sn_os_dial(&n, addr, opts, ret);
}

int sn_listen(const char *addr, const struct sn_listen_opts *opts, struct sn_listener **ret)
{
    struct sn_net_name n;
    int r = sn_net_name_parse(addr, &n);
    if (r < 0) return r;
    return sn_sim_on ? sn_simnet_listen(&n, addr, ret) : sn_os_listen(&n, addr, opts, ret);
}

int sn_accept(struct sn_listener *l, struct sn_stream **ret) { return l->ops->accept(l, ret); }
int sn_listener_serve(struct sn_listener *l, const struct sn_serve_opts *opts,
                      sn_stream_ready_fn fn, void *arg)
{
    return l->ops->serve(l, opts, fn, arg);
}
int sn_listener_addr(struct sn_listener *l, char *out, size_t cap)
{
    return l->ops->addr(l, out, cap);
}
int sn_listener_fd(struct sn_listener *l) { return l->ops->fd(l); }
void sn_listener_close(struct sn_listener *l)
{
    if (l) l->ops->close(l);
}

int sn_stream_go(sn_fiber_fn fn, void *arg) { return sn_rt_spawn_local("stream", fn, arg, NULL); }

int sn_read_full(struct sn_stream *s, void *buf, size_t n)
{
    for (size_t got = 0; got < n;) {
        ssize_t r = sn_read(s, (char *)buf + got, n - got);
        if (r < 0) return (int)r;
        if (r == 0) return SN_E_EOF;
        got += (size_t)r;
    }
    return 0;
}

ssize_t sn_write(struct sn_stream *s, const void *buf, size_t n)
{
    struct iovec v = {(void *)(uintptr_t)buf, n};
    return sn_writev(s, &v, 1);
}

/* ---- any descriptor ---------------------------------------------------------------------------
 */

static void fd_event(struct sn_pollee *e, uint32_t events)
{
    struct sn_sock *k = SN_CONTAINER_OF(e, struct sn_sock, e);
    sn_sock_lock(k);
    struct sn_sock_wait w = k->rd;
    k->rd.f = NULL;
    sn_sock_unlock(k);
    if (w.f) sn_wait_wake(w.f, w.ticket, (int)(events & 0x7fffffff));
}

static int fd_wait_polled(struct sn_sock *k, uint32_t events)
{
    uint64_t t = sn_wait_begin("IO wait: descriptor");
    k->rd = (struct sn_sock_wait){sn_self(), t};
    int r = sn_sock_watch(k, events | EPOLLET);
    if (r < 0) {
        k->rd.f = NULL;
        if (!sn_wait_abandon(t)) (void)sn_wait_park_always(t);
        return r;
    }
    r = sn_wait_park(t, SN_FOREVER);
    sn_sock_lock(k);
    k->rd.f = NULL;
    sn_sock_unlock(k);
    return r;
}

int sn_fd_wait(int fd, uint32_t events)
{
    if (sn_sim_on)
        return sn_fail(SN_E_UNIMPLEMENTED,
                       "descriptors of the kernel do not exist in a simulation");
    struct pollfd p = {.fd = fd, .events = (short)events};
    int n;
    do n = poll(&p, 1, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0) return sn_fail_errno(errno, "poll descriptor %d", fd);
    if (p.revents & POLLNVAL)
        return sn_fail(SN_E_INVALID_ARGUMENT, "descriptor %d is not open", fd);
    if (p.revents) return p.revents;
    /* A copy: the descriptor may already be in this poller, through another wait or as a stream. */
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) return sn_fail_errno(errno, "wait for descriptor %d", fd);
    struct sn_sock *k = sn_sock_new(copy, SN_SOCK_FDWAIT);
    if (!k) {
        close(copy);
        return SN_E_NOMEM;
    }
    k->e.ready = fd_event;
    int r = fd_wait_polled(k, events);
    sn_sock_close(k);
    return r;
}

/* ---- moving bytes without copying them ---- */

#define COPY_BUF (16u << 10)
#define SENDFILE_MAX (1 << 20) /* per call, so that others get their turn */
#define PIPE_BYTES (1 << 18)
#define PIPES_KEPT 16u

static ssize_t sendfile_copied(struct sn_stream *s, int fd, int64_t off, int64_t n)
{
    char *buf SN_CLEANUP(sn_freep) = sn_alloc(COPY_BUF);
    if (!buf) return SN_E_NOMEM;
    int64_t sent = 0;
    while (sent < n) {
        size_t want = (size_t)SN_MIN((int64_t)COPY_BUF, n - sent);
        ssize_t got = sn_file_pread(fd, buf, want, off + sent);
        if (got < 0) return got;
        if (got == 0) return sn_fail(SN_E_EOF, "file ended after %lld bytes", (long long)sent);
        ssize_t r = sn_write(s, buf, (size_t)got);
        if (r < 0) return r;
        sent += got;
    }
    return sent;
}

static ssize_t sendfile_kernel(struct sn_sock *k, int fd, int64_t off, int64_t n)
{
    off_t at = off;
    while (at - off < n) {
        sn_sock_clear(k, SN_SS_WR_READY);
        ssize_t r = sendfile(k->e.fd, fd, &at, (size_t)SN_MIN((int64_t)SENDFILE_MAX, off + n - at));
        if (r > 0) continue;
        if (r == 0) return sn_fail(SN_E_EOF, "file ended after %lld bytes", (long long)(at - off));
        if (errno == EINTR) continue;
        if (errno != EAGAIN) {
            int err = errno;
            sn_fail_errno(err, "sendfile");
            return sn_diag()->code = err == EIO ? SN_E_IO : SN_E_RESET;
        }
        int w = sn_sock_wait(k, SN_SS_WR_BUSY, "IO wait: sendfile");
        if (w < 0) return w;
    }
    return n;
}

ssize_t sn_stream_sendfile(struct sn_stream *s, int fd, int64_t off, int64_t n)
{
    if (!sn_stream_is_sock(s)) return sendfile_copied(s, fd, off, n);
    struct sn_sock *k = sn_sock_of(s);
    int r = sn_sock_enter(k, SN_SS_WR_BUSY);
    if (r < 0) return r;
    return sn_sock_exit(k, SN_SS_WR_BUSY, sendfile_kernel(k, fd, off, n));
}

static int64_t copy_buffered(struct sn_stream *dst, struct sn_stream *src)
{
    char *buf SN_CLEANUP(sn_freep) = sn_alloc(COPY_BUF);
    if (!buf) return SN_E_NOMEM;
    for (int64_t total = 0;;) {
        ssize_t n = sn_read(src, buf, COPY_BUF);
        if (n <= 0) return n < 0 ? n : total;
        ssize_t r = sn_write(dst, buf, (size_t)n);
        if (r < 0) return r;
        total += n;
    }
}

/* An empty pipe, from the worker's cache or new. */
static int pipe_get(int ret[2])
{
    struct sn_net_worker *nw = sn_net_of(sn_worker_cur());
    if (nw->pipes_n) {
        nw->pipes_n--;
        ret[0] = nw->pipe_fd[2 * nw->pipes_n];
        ret[1] = nw->pipe_fd[2 * nw->pipes_n + 1];
        return 0;
    }
    if (pipe2(ret, O_NONBLOCK | O_CLOEXEC) < 0) return sn_fail_errno(errno, "pipe for a tunnel");
    (void)fcntl(ret[0], F_SETPIPE_SZ, PIPE_BYTES); /* may be over the user's limit: then smaller */
    return 0;
}

static void pipe_put(int p[2], bool empty)
{
    struct sn_net_worker *nw = sn_net_of(sn_worker_cur());
    if (empty && nw->pipes_n < PIPES_KEPT) {
        nw->pipe_fd[2 * nw->pipes_n] = p[0];
        nw->pipe_fd[2 * nw->pipes_n + 1] = p[1];
        nw->pipes_n++;
        return;
    }
    close(p[0]);
    close(p[1]);
}

/* splice_out - *n bytes of the pipe into dst; *n is what is left of them. */
static int splice_out(struct sn_sock *dst, int pipe_rd, size_t *n)
{
    int r = sn_sock_enter(dst, SN_SS_WR_BUSY);
    if (r < 0) return r;
    r = 0;
    while (*n > 0 && r >= 0) {
        sn_sock_clear(dst, SN_SS_WR_READY);
        ssize_t w = splice(pipe_rd, NULL, dst->e.fd, NULL, *n, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
        if (w > 0) {
            *n -= (size_t)w;
        } else if (w == 0 || (errno != EAGAIN && errno != EINTR)) {
            sn_fail_errno(w == 0 ? EPIPE : errno, "splice to peer");
            r = sn_diag()->code = SN_E_RESET;
        } else if (errno == EAGAIN) {
            r = sn_sock_wait(dst, SN_SS_WR_BUSY, "IO wait: splice write");
        }
    }
    return (int)sn_sock_exit(dst, SN_SS_WR_BUSY, r);
}

/* splice_in - waits for bytes and moves them to a pipe, taken only once there are some, so that an
 * idle tunnel owns none. Returns bytes, 0 at the end, SN_E_*. */
static ssize_t splice_in(struct sn_sock *src, int p[2])
{
    int worth = sn_sock_enter(src, SN_SS_RD_BUSY);
    if (worth < 0) return worth;
    for (;;) {
        int r = worth ? 0 : sn_sock_wait(src, SN_SS_RD_BUSY, "IO wait: splice read");
        if (r >= 0 && p[0] < 0) r = pipe_get(p);
        if (r < 0) return sn_sock_exit(src, SN_SS_RD_BUSY, r);
        uint32_t before = sn_sock_clear(src, SN_SS_RD_READY);
        ssize_t n =
            splice(src->e.fd, NULL, p[1], NULL, PIPE_BYTES, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
        if (n > 0) {
            /* The pipe may have been the limit: only EAGAIN proves the socket is empty. */
            sn_sock_set(src, SN_SS_RD_READY);
            return sn_sock_exit(src, SN_SS_RD_BUSY, n);
        }
        if (n == 0) {
            sn_sock_set(src, SN_SS_RD_HUP);
            return sn_sock_exit(src, SN_SS_RD_BUSY, 0);
        }
        if (errno != EAGAIN && errno != EINTR) {
            sn_fail_errno(errno, "splice from peer");
            return sn_sock_exit(src, SN_SS_RD_BUSY, sn_diag()->code = SN_E_RESET);
        }
        worth = errno == EINTR;
        if (!worth)
            sn_sock_clear(src, before & (SN_SS_RD_HUP | SN_SS_ERR));
        if (!worth && p[0] >= 0) {
            pipe_put(p, true);
            p[0] = p[1] = -1;
        }
    }
}

/* The bytes of the pipe, for the one who goes on with the copy. */
static bool pipe_rest(int pipe_rd, size_t n, struct sn_buf *rest)
{
    if (sn_buf_reserve(rest, n) < 0) return false;
    while (n > 0) {
        ssize_t got = read(pipe_rd, rest->ptr + rest->len, n);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        rest->len += (size_t)got;
        n -= (size_t)got;
    }
    return true;
}

int64_t sn_stream_copy_rest(struct sn_stream *dst, struct sn_stream *src, struct sn_buf *rest)
{
    if (!sn_stream_is_sock(dst) || !sn_stream_is_sock(src)) return copy_buffered(dst, src);
    int p[2] = {-1, -1};
    int64_t total = 0;
    for (;;) {
        ssize_t n = splice_in(sn_sock_of(src), p);
        size_t left = n > 0 ? (size_t)n : 0;
        int r = n > 0 ? splice_out(sn_sock_of(dst), p[0], &left) : 0;
        if (n <= 0 || r < 0) {
            bool empty = r >= 0;
            if (r == SN_E_CANCELLED && rest) empty = pipe_rest(p[0], left, rest);
            if (r == SN_E_CANCELLED && rest && !empty) r = SN_E_DATA_LOSS;
            if (p[0] >= 0) pipe_put(p, empty);
            return n < 0 ? n : r < 0 ? r : total;
        }
        total += n;
    }
}

int64_t sn_stream_copy(struct sn_stream *dst, struct sn_stream *src)
{
    return sn_stream_copy_rest(dst, src, NULL);
}

int sn_stream_fd(struct sn_stream *s) { return sn_stream_is_sock(s) ? sn_sock_of(s)->e.fd : -1; }

int sn_stream_adopt(int fd, struct sn_stream **ret)
{
    int type = 0, fl = fcntl(fd, F_GETFL);
    socklen_t n = sizeof(type);
    struct sockaddr_storage a;
    socklen_t len = sizeof(a);
    struct sn_sock *k;
    bool good = !sn_sim_active() && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 &&
                type == SOCK_STREAM && getsockname(fd, (struct sockaddr *)&a, &len) == 0 &&
                fl >= 0 && fcntl(fd, F_SETFL, fl | O_NONBLOCK) == 0;
    if (!good) {
        if (!sn_sim_active()) (void)close(fd);
        return sn_sim_active()
                   ? SN_E_UNIMPLEMENTED
                   : sn_fail(SN_E_INVALID_ARGUMENT, "descriptor %d is no stream socket", fd);
    }
    int r = sn_sock_stream_new(fd, a.ss_family, &k);
    if (r < 0) return r;
    *ret = &k->s;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* cri/keeper_io.c - a container's standard streams: to the log, and to and from who is attached. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clusters/cri/keeper_int.h"
#include "core/status.h"

int keeper_log_open(struct keeper_ctr *c)
{
    if (c->log_fd >= 0) close(c->log_fd);
    c->log_fd = -1;
    if (!c->log_path) return 0;
    c->log_fd = open(c->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    return c->log_fd < 0 ? sn_fail_errno(errno, "log %s", c->log_path) : 0;
}

static void log_write(struct keeper *k, struct keeper_ctr *c)
{
    struct sn_str s = sn_buf_view(&k->log);
    while (s.len && c->log_fd >= 0) {
        ssize_t n = write(c->log_fd, s.ptr, s.len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break; /* a full disk loses log lines, never the container */
        s = sn_str_from(s, (size_t)n);
    }
    sn_buf_reset(&k->log);
}

static void attach_close(struct keeper *k, struct keeper_ctr *c, struct keeper_attach *a)
{
    keeper_unwatch(k, &a->src);
    close(a->src.fd);
    a->src.fd = -1;
    sn_buf_done(&a->pending);
    for (int i = 0; i < 2; i++)
        if (c->out[i].paused && c->out[i].src.fd >= 0) {
            c->out[i].paused = false;
            (void)keeper_watch(k, &c->out[i].src, EPOLLIN);
        }
}

static void close_stdin(struct keeper *k, struct keeper_ctr *c)
{
    if (c->in.fd < 0 || c->tty) return;
    keeper_unwatch(k, &c->in);
    close(c->in.fd);
    c->in.fd = -1;
}

/* Sends one message to one who is attached. What does not fit waits, and the container's output
 * with it. */
static void attach_send(struct keeper *k, struct keeper_ctr *c, struct keeper_attach *a, int which,
                        struct sn_str data)
{
    uint8_t kind = (uint8_t)which;
    struct iovec iov[2] = {{&kind, 1}, {(void *)data.ptr, data.len}};
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
    if (sendmsg(a->src.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return; /* banned: no fibers */
    if (errno != EAGAIN) return attach_close(k, c, a);
    sn_buf_byte(&a->pending, kind);
    sn_buf_str(&a->pending, data);
    (void)keeper_watch(k, &a->src, EPOLLIN | EPOLLOUT);
    for (int i = 0; i < 2; i++) {
        if (c->out[i].src.fd < 0) continue;
        keeper_unwatch(k, &c->out[i].src);
        c->out[i].paused = true;
    }
}

static void end_stream(struct keeper *k, struct keeper_ctr *c, struct keeper_out *o)
{
    sn_cri_logline_end(&o->log, keeper_now(), &k->log);
    log_write(k, c);
    keeper_unwatch(k, &o->src);
    close(o->src.fd);
    o->src.fd = -1;
}

/* One read. Returns false at the end of the stream or where nothing is there now. */
static bool pump(struct keeper *k, struct keeper_ctr *c, struct keeper_out *o)
{
    static char buf[KEEPER_CHUNK];
    ssize_t n = read(o->src.fd, buf, sizeof buf);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (n <= 0) {
        end_stream(k, c, o);
        return false;
    }
    struct sn_str data = sn_str_of(buf, (size_t)n);
    sn_cri_logline_feed(&o->log, data, keeper_now(), &k->log);
    log_write(k, c);
    for (unsigned i = 0; i < KEEPER_ATTACH_MAX; i++)
        if (c->attach[i].src.fd >= 0) attach_send(k, c, &c->attach[i], o->which, data);
    return true;
}

void keeper_io_ended(struct keeper *k, struct keeper_ctr *c)
{
    for (int i = 0; i < 2; i++) {
        struct keeper_out *o = &c->out[i];
        for (unsigned turns = 0; o->src.fd >= 0 && !o->paused && turns < 4096 && pump(k, c, o);
             turns++) {}
        /* A process that it left behind may hold the stream open: the log ends with the container.
         */
        if (o->src.fd >= 0 && !o->paused) end_stream(k, c, o);
    }
    for (unsigned i = 0; i < KEEPER_ATTACH_MAX; i++)
        if (c->attach[i].src.fd >= 0 && !c->attach[i].pending.len)
            attach_close(k, c, &c->attach[i]);
}

void keeper_io_close(struct keeper *k, struct keeper_ctr *c)
{
    for (int i = 0; i < 2; i++)
        if (c->out[i].src.fd >= 0) end_stream(k, c, &c->out[i]);
    for (unsigned i = 0; i < KEEPER_ATTACH_MAX; i++)
        if (c->attach[i].src.fd >= 0) attach_close(k, c, &c->attach[i]);
    if (c->in.fd >= 0) {
        keeper_unwatch(k, &c->in);
        close(c->in.fd);
        c->in.fd = -1;
    }
    sn_buf_done(&c->in_pending);
    if (c->oom_src.fd >= 0) {
        keeper_unwatch(k, &c->oom_src);
        sn_cgroup_watch_close(&c->watch);
        c->oom_src.fd = -1;
    }
    if (c->log_fd >= 0) close(c->log_fd);
    c->log_fd = -1;
}

int keeper_attach(struct keeper *k, struct keeper_ctr *c, int *ret_fd)
{
    int sv[2], size = (int)KEEPER_ATTACH_BYTES;
    unsigned i = 0;
    while (i < KEEPER_ATTACH_MAX && c->attach[i].src.fd >= 0) i++;
    if (i == KEEPER_ATTACH_MAX)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "%u are attached to %s already", i, c->id);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) < 0)
        return sn_fail_errno(errno, "attach socket");
    (void)setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    c->attach[i].src = (struct keeper_src){K_ATTACH, sv[0], c};
    sn_buf_init(&c->attach[i].pending, KEEPER_ATTACH_BYTES);
    int r = keeper_watch(k, &c->attach[i].src, EPOLLIN);
    if (r < 0) {
        close(sv[0]);
        close(sv[1]);
        c->attach[i].src.fd = -1;
        return r;
    }
    *ret_fd = sv[1];
    return 0;
}

/* Input goes on as far as the container takes it; then those who are attached wait. */
static void stdin_flush(struct keeper *k, struct keeper_ctr *c)
{
    struct sn_buf *b = &c->in_pending;
    while (b->len && c->in.fd >= 0) {
        ssize_t n = write(c->in.fd, b->ptr, b->len);
        if (n < 0 && errno == EAGAIN) {
            (void)keeper_watch(k, &c->in, EPOLLOUT);
            return;
        }
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            sn_buf_reset(b);
            close_stdin(k, c);
            return;
        }
        sn_buf_consume(b, (size_t)n);
    }
    keeper_unwatch(k, &c->in);
    for (unsigned i = 0; i < KEEPER_ATTACH_MAX; i++)
        if (c->attach[i].src.fd >= 0)
            (void)keeper_watch(k, &c->attach[i].src,
                               EPOLLIN | (c->attach[i].pending.len ? EPOLLOUT : 0));
}

static void attach_in(struct keeper *k, struct keeper_ctr *c, struct keeper_attach *a)
{
    static uint8_t buf[KEEPER_CHUNK + 1];
    ssize_t n = recv(a->src.fd, buf, sizeof buf, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        attach_close(k, c, a);
        if (c->stdin_once && !c->in_pending.len) close_stdin(k, c);
        return;
    }
    if (buf[0] == 3) {
        if (c->stdin_once) close_stdin(k, c);
        return;
    }
    if (buf[0] != 0 || c->in.fd < 0) return;
    sn_buf_put(&c->in_pending, buf + 1, (size_t)n - 1);
    stdin_flush(k, c);
    if (c->in_pending.len)
        for (unsigned i = 0; i < KEEPER_ATTACH_MAX; i++)
            if (c->attach[i].src.fd >= 0)
                (void)keeper_watch(k, &c->attach[i].src, c->attach[i].pending.len ? EPOLLOUT : 0);
}

static void attach_out(struct keeper *k, struct keeper_ctr *c, struct keeper_attach *a)
{
    if (!a->pending.len) return;
    if (send(a->src.fd, a->pending.ptr, a->pending.len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        if (errno != EAGAIN) attach_close(k, c, a);
        return;
    }
    sn_buf_reset(&a->pending);
    (void)keeper_watch(k, &a->src, EPOLLIN);
    for (int i = 0; i < 2; i++) {
        if (!c->out[i].paused || c->out[i].src.fd < 0) continue;
        c->out[i].paused = false;
        (void)keeper_watch(k, &c->out[i].src, EPOLLIN);
    }
    if (c->state == KEEPER_EXITED) keeper_io_ended(k, c);
}

void keeper_io_event(struct keeper *k, struct keeper_src *s, uint32_t events)
{
    struct keeper_ctr *c = s->owner;
    uint64_t kills = 0;
    if (s->kind == K_OUT) {
        (void)pump(k, c, SN_CONTAINER_OF(s, struct keeper_out, src));
    } else if (s->kind == K_ATTACH) {
        struct keeper_attach *a = SN_CONTAINER_OF(s, struct keeper_attach, src);
        if (events & EPOLLOUT) attach_out(k, c, a);
        if (a->src.fd >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) attach_in(k, c, a);
    } else if (s->kind == K_STDIN) {
        stdin_flush(k, c);
    } else if (s->kind == K_OOM) {
        if (sn_cgroup_oom_read(&c->watch, &kills) < 0) {
            keeper_unwatch(k, s);
            sn_cgroup_watch_close(&c->watch);
            s->fd = -1;
        }
        if (kills) c->oom = true;
    }
}

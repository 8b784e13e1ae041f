/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/upgrade.c - one gateway process takes over from another without a connection noticing.
 *
 * The running one listens on a Unix socket of its own (`upgrade_socket`). A new one connects and
 * gets the listening sockets; it binds nothing anew, so that no accept queue is lost, checks its
 * configuration, and begins to accept. Only then it says so, and the old one stops accepting, hands
 * over its tunnels between plain sockets (both descriptors, and the bytes it had read and not yet
 * written), lets every other connection end with the answer to its next request, and exits. Until
 * "ready" nothing has changed: a new process that fails leaves the old one in service.
 *
 * Messages are datagrams in order (SOCK_SEQPACKET): a type, then its fields; descriptors by
 * SCM_RIGHTS. Both ends must be the same user's (SO_PEERCRED). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/alloc.h"
#include "fiber/sim.h"
#include "gateway/gw_int.h"

#define VERSION 1u
#define MESSAGE_BYTES_MAX (32u << 10)
#define TALK_NS_MAX (10 * SN_SEC)
#define READY_NS_MAX \
    (60 * SN_SEC) /* a new process's start, configuration and registries included */
#define TUNNEL_REST_MAX (1u << 20)

enum type { HELLO = 1, LISTENER, LISTENERS_END, READY, TUNNEL, REST, DONE };
struct message {
    uint32_t type, version;       /* version: of HELLO */
    uint32_t over[2], rest[2];    /* of TUNNEL: bytes of REST that follow, up then down */
    uint32_t n;                   /* bytes of data */
    char data[MESSAGE_BYTES_MAX]; /* LISTENER: "name", NUL, "address"; REST: bytes */
};
#define HEAD offsetof(struct message, data)

/* ---- messages ---------------------------------------------------------------------------------
 */

static int wait_fd(int fd, uint32_t events, int64_t at_ns)
{
    int64_t prev = sn_deadline_tighten(at_ns);
    int r = sn_fd_wait(fd, events);
    sn_deadline_restore(prev);
    return r;
}

static int send_message(int fd, const struct message *m, const int *fds, unsigned n_fds)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control = {0};
    struct iovec iov = {(void *)(uintptr_t)m, HEAD + m->n};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
    if (n_fds) {
        h.msg_control = control.bytes;
        h.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&h);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
    }
    for (;;) {
        ssize_t n = sendmsg(fd, &h, /* banned: SCM_RIGHTS */
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) return 0;
        if (errno == EINTR) continue;
        if (errno != EAGAIN && errno != ETOOMANYREFS) return sn_fail_errno(errno, "upgrade: send");
        int r = errno == EAGAIN ? wait_fd(fd, EPOLLOUT, sn_now() + TALK_NS_MAX) : sn_sleep(SN_MS);
        if (r < 0) return r;
    }
}

static int received_fds(struct msghdr *h, int fds[2])
{
    int n = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        unsigned count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        for (unsigned i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (n < 2)
                fds[n++] = fd;
            else
                close(fd);
        }
    }
    return n;
}

/* Returns the number of descriptors that came, SN_E_EOF, SN_E_PROTOCOL, SN_E_*. */
static int recv_message(int fd, struct message *m, int fds[2], int64_t at_ns)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control;
    for (;;) {
        struct iovec iov = {m, sizeof(*m)};
        struct msghdr h = {.msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof(control.bytes)};
        ssize_t n = recvmsg(fd, &h, /* banned: SCM_RIGHTS */
                            MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n == 0) return SN_E_EOF;
        if (n > 0) {
            int k = received_fds(&h, fds);
            if ((size_t)n >= HEAD && m->n == (size_t)n - HEAD && !(h.msg_flags & MSG_TRUNC))
                return k;
            while (k > 0) close(fds[--k]);
            return sn_fail(SN_E_PROTOCOL, "upgrade: a malformed message");
        }
        if (errno == EINTR) continue;
        if (errno != EAGAIN) return sn_fail_errno(errno, "upgrade: receive");
        int r = wait_fd(fd, EPOLLIN, at_ns);
        if (r < 0) return r;
    }
}

static int expect(int fd, struct message *m, enum type type, int64_t at_ns)
{
    int fds[2], n = recv_message(fd, m, fds, at_ns);
    for (int i = 0; i < n; i++) close(fds[i]);
    if (n < 0) return n;
    return m->type == type
               ? 0
               : sn_fail(SN_E_PROTOCOL, "upgrade: message %u, expected %u", m->type, type);
}

static int simple(int fd, enum type type)
{
    struct message *m = SN_NEW(struct message);
    if (!m) return SN_E_NOMEM;
    m->type = type;
    m->version = VERSION;
    int r = send_message(fd, m, NULL, 0);
    sn_free(m);
    return r;
}

/* ---- the old process --------------------------------------------------------------------------
 */

struct giving {
    struct sn_gateway *gw;
    int fd;
    struct message *m;
    struct sn_mutex one; /* messages of one tunnel stay together */
    struct gw_giver giver;
};

static int send_listener(struct giving *g, const char *name, const char *addr,
                         struct sn_listener *l)
{
    int fd = l ? sn_listener_fd(l) : -1;
    struct message *m = g->m;
    int n = snprintf(m->data, sizeof(m->data), "%s%c%s", name, 0, addr);
    if (fd < 0 || n < 0 || (size_t)n >= sizeof(m->data)) return 0;
    m->type = LISTENER;
    m->n = (uint32_t)n;
    return send_message(g->fd, m, &fd, 1);
}

static int send_listeners(struct giving *g)
{
    struct sn_gateway *gw = g->gw;
    int r = 0;
    for (size_t i = 0; r == 0 && i < gw->listeners.len; i++) {
        const struct gw_listener *l = gw->listeners.ptr[i];
        r = send_listener(g, l->name, l->addr, l->l);
    }
    if (r == 0 && gw->admin)
        r = send_listener(g, "admin", gw_admin_name(gw), gw_admin_listener(gw));
    return r < 0 ? r : simple(g->fd, LISTENERS_END);
}

static int give_rest(struct giving *g, struct sn_str rest)
{
    struct message *m = g->m;
    while (rest.len) {
        size_t n = SN_MIN(rest.len, sizeof(m->data));
        m->type = REST;
        m->n = (uint32_t)n;
        memcpy(m->data, rest.ptr, n);
        int r = send_message(g->fd, m, NULL, 0);
        if (r < 0) return r;
        rest = sn_str_from(rest, n);
    }
    return 0;
}

static int give_tunnel(void *arg, const struct gw_given *t)
{
    struct giving *g = arg;
    struct message *m = g->m;
    if (t->rest[0].len > TUNNEL_REST_MAX || t->rest[1].len > TUNNEL_REST_MAX) return SN_E_TOO_LARGE;
    sn_mutex_lock_always(&g->one);
    m->type = TUNNEL;
    m->n = 0;
    for (int i = 0; i < 2; i++) {
        m->over[i] = t->over[i];
        m->rest[i] = (uint32_t)t->rest[i].len;
    }
    int r = send_message(g->fd, m, t->fd, 2);
    for (int i = 0; r == 0 && i < 2; i++) r = give_rest(g, t->rest[i]);
    sn_mutex_unlock(&g->one);
    return r;
}

static void give_on_worker(void *arg)
{
    struct giving *g = arg;
    gw_tunnels_give(g->gw, &g->giver);
}

/* Under gw->reload, so that listeners stay what they are. */
static int hand_over(struct giving *g)
{
    struct sn_gateway *gw = g->gw;
    int r = expect(g->fd, g->m, HELLO, sn_now() + TALK_NS_MAX);
    if (r == 0 && g->m->version != VERSION)
        r = sn_fail(SN_E_FAILED_PRECONDITION, "upgrade: the new process speaks version %u",
                    g->m->version);
    memset(g->m, 0, HEAD);
    if (r == 0) r = send_listeners(g);
    if (r == 0) r = expect(g->fd, g->m, READY, sn_now() + READY_NS_MAX);
    if (r < 0) return r;
    /* From here on the new process accepts. */
    __atomic_store_n(&gw->gentle, true, __ATOMIC_RELEASE);
    for (size_t i = 0; i < gw->listeners.len; i++) gw_listener_close(gw->listeners.ptr[i]);
    for (size_t i = 0; i < gw->listeners.len; i++)
        (void)sn_http_server_wind_down(gw->listeners.ptr[i]->srv, 0);
    memset(g->m, 0, HEAD);
    gw_on_workers(gw, give_on_worker, g);
    gw_event(gw, "info", "upgrade: handed over %llu tunnels, %lld stay to their end",
             (unsigned long long)g->giver.given,
             (long long)__atomic_load_n(&gw->tunnels, __ATOMIC_ACQUIRE));
    return simple(g->fd, DONE);
}

static bool same_user(int fd)
{
    struct ucred c;
    socklen_t n = sizeof(c);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &n) == 0 &&
           (c.uid == geteuid() || c.uid == 0);
}

static bool serve_one(struct sn_gateway *gw, int fd)
{
    struct giving g = {.gw = gw, .fd = fd, .m = SN_NEW(struct message)};
    g.giver = (struct gw_giver){.give = give_tunnel, .arg = &g};
    int r = !g.m ? SN_E_NOMEM : same_user(fd) ? sn_mutex_lock(&gw->reload) : SN_E_PERMISSION_DENIED;
    if (r == 0) {
        r = gw->draining ? SN_E_FAILED_PRECONDITION : hand_over(&g);
        sn_mutex_unlock(&gw->reload);
    }
    if (r < 0) gw_event(gw, "warn", "upgrade: not taken over: %s", sn_diag_str(r));
    sn_free(g.m);
    return __atomic_load_n(&gw->gentle, __ATOMIC_ACQUIRE);
}

static int unix_socket(const char *path, struct sockaddr_un *a)
{
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(a->sun_path))
        return sn_fail(SN_E_TOO_LARGE, "upgrade_socket %s: over %zu bytes", path,
                       sizeof(a->sun_path) - 1);
    memcpy(a->sun_path, path, strlen(path) + 1);
    const int type = SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int fd = socket(AF_UNIX, type, 0); /* banned: SCM_RIGHTS */
    return fd < 0 ? sn_fail_errno(errno, "upgrade_socket %s", path) : fd;
}

/* Bound beside its place and moved there, so that there is always somebody to be found. */
static int bind_path(const char *path)
{
    struct sockaddr_un a;
    char aside[sizeof(a.sun_path)];
    if (snprintf(aside, sizeof(aside), "%s.%d", path, (int)getpid()) >= (int)sizeof(aside))
        return sn_fail(SN_E_TOO_LARGE, "upgrade_socket %s: its name is too long", path);
    int fd = unix_socket(aside, &a);
    if (fd < 0) return fd;
    (void)unlink(aside);
    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && chmod(aside, 0600) == 0 &&
        listen(fd, 4) == 0 && rename(aside, path) == 0)
        return fd;
    int r = sn_fail_errno(errno, "upgrade_socket %s", path);
    (void)unlink(aside);
    close(fd);
    return r;
}

static int upgrade_main(void *arg)
{
    struct sn_gateway *gw = arg;
    struct stat mine, now;
    const char *path = gw->upgrade_path;
    int l = bind_path(path), r = 0;
    if (l < 0) {
        gw_event(gw, "error", "%s", sn_diag_str(l));
        return 0;
    }
    bool known = stat(path, &mine) == 0, over = false;
    while (!over && r >= 0) {
        int fd = accept4(l, NULL, NULL, /* banned: SCM_RIGHTS */
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            over = serve_one(gw, fd);
            close(fd);
        } else if (errno == EAGAIN || errno == EINTR) {
            r = sn_fd_wait(l, EPOLLIN);
        } else {
            r = sn_sleep(100 * SN_MS);
        }
    }
    close(l);
    /* The path may be the successor's by now. */
    if (known && stat(path, &now) == 0 && now.st_ino == mine.st_ino && now.st_dev == mine.st_dev)
        (void)unlink(path);
    if (over) sn_gateway_stop(gw);
    return 0;
}

int gw_upgrade_start(struct sn_gateway *gw)
{
    struct sn_str path = gw->snap->conf->upgrade_socket;
    if (!path.len || sn_sim_active()) return 0;
    gw->upgrade_path = sn_alloc(path.len + 1);
    if (!gw->upgrade_path) return SN_E_NOMEM;
    memcpy(gw->upgrade_path, path.ptr, path.len);
    gw->upgrade_path[path.len] = 0;
    return sn_scope_go(gw->scope, "gateway upgrade", upgrade_main, gw);
}

/* ---- the new process --------------------------------------------------------------------------
 */

struct gw_inherited {
    int fd;
    char *name, *addr; /* one allocation */
};
struct gw_inherit {
    int fd; /* to the old process */
    struct gw_inherited list[GW_LISTENERS_MAX + 1];
    unsigned n;
};

static int keep_listener(struct gw_inherit *t, const struct message *m, int fd)
{
    char *text = t->n < SN_COUNT_OF(t->list) ? sn_alloc(m->n + 1) : NULL;
    if (!text) return t->n < SN_COUNT_OF(t->list) ? SN_E_NOMEM : SN_E_TOO_LARGE;
    memcpy(text, m->data, m->n);
    text[m->n] = 0;
    size_t name = strnlen(text, m->n);
    if (name >= m->n) {
        sn_free(text);
        return sn_fail(SN_E_PROTOCOL, "upgrade: a listener without an address");
    }
    t->list[t->n++] = (struct gw_inherited){fd, text, text + name + 1};
    return 0;
}

static int receive_listeners(struct gw_inherit *t, struct message *m)
{
    int r = simple(t->fd, HELLO);
    while (r >= 0) {
        int fds[2], n = recv_message(t->fd, m, fds, sn_now() + TALK_NS_MAX);
        if (n < 0) return n;
        if (m->type == LISTENERS_END && n == 0) return 0;
        r = m->type == LISTENER && n == 1 ? keep_listener(t, m, fds[0])
                                          : sn_fail(SN_E_PROTOCOL, "upgrade: message %u", m->type);
        while (r < 0 && n > 0) close(fds[--n]);
    }
    return r;
}

int gw_inherit_begin(struct sn_gateway *gw, struct sn_str path)
{
    struct sockaddr_un a;
    char text[sizeof(a.sun_path)];
    if (!path.len)
        return sn_fail(SN_E_FAILED_PRECONDITION,
                       "expected upgrade_socket in the configuration to upgrade by");
    if (sn_str_cz(path, text, sizeof(text)) < 0)
        return sn_fail(SN_E_TOO_LARGE, "upgrade_socket: over %zu bytes", sizeof(text) - 1);
    struct gw_inherit *t = SN_NEW(struct gw_inherit);
    struct message *m = SN_NEW(struct message);
    int r = t && m ? unix_socket(text, &a) : SN_E_NOMEM;
    if (r >= 0) {
        t->fd = r;
        r = connect(t->fd, (struct sockaddr *)&a, /* banned: SCM_RIGHTS */
                    sizeof(a));
        r = r == 0 ? receive_listeners(t, m)
                   : sn_fail_errno(errno, "no gateway to take over from answers at %s", text);
        gw->inherit = t;
        t = NULL;
    }
    sn_free(t);
    sn_free(m);
    if (r < 0) gw_inherit_end(gw);
    return r;
}

int gw_inherit_fd(struct sn_gateway *gw, const char *name, const char *addr)
{
    struct gw_inherit *t = gw->inherit;
    size_t n = strlen(addr);
    bool any_port = n > 2 && strcmp(addr + n - 2, ":0") == 0;
    for (unsigned i = 0; t && i < t->n; i++) {
        struct gw_inherited *l = &t->list[i];
        if (l->fd < 0 || strcmp(l->addr, addr) != 0 || (any_port && strcmp(l->name, name) != 0))
            continue;
        int fd = l->fd;
        l->fd = -1;
        return fd;
    }
    return -1;
}

static int take_rest(struct gw_inherit *t, struct message *m, size_t n, struct sn_buf *to)
{
    sn_buf_reset(to);
    while (to->len < n) {
        int r = expect(t->fd, m, REST, sn_now() + TALK_NS_MAX);
        if (r == 0 && (m->n == 0 || m->n > n - to->len)) r = SN_E_PROTOCOL;
        if (r == 0) r = sn_buf_put(to, m->data, m->n);
        if (r < 0) return r;
    }
    return 0;
}

static int take_tunnels(struct sn_gateway *gw, struct gw_inherit *t, struct message *m)
{
    struct sn_buf rest[2] = {{0}};
    unsigned taken = 0;
    int r = 0;
    while (r >= 0) {
        struct gw_given in;
        int n = recv_message(t->fd, m, in.fd, sn_now() + READY_NS_MAX);
        if (n < 0 || m->type == DONE) {
            r = n < 0 ? n : 0;
            break;
        }
        size_t len[2] = {m->rest[0], m->rest[1]};
        if (m->type != TUNNEL || n != 2 || len[0] > TUNNEL_REST_MAX || len[1] > TUNNEL_REST_MAX) {
            while (n > 0) close(in.fd[--n]);
            r = sn_fail(SN_E_PROTOCOL, "upgrade: message %u", m->type);
            break;
        }
        for (int i = 0; i < 2; i++) in.over[i] = m->over[i];
        for (int i = 0; r == 0 && i < 2; i++) {
            r = take_rest(t, m, len[i], &rest[i]);
            in.rest[i] = sn_buf_view(&rest[i]);
        }
        if (r < 0) {
            close(in.fd[0]);
            close(in.fd[1]);
        } else if (gw_tunnel_take(gw, &in) == 0) {
            taken++;
        }
    }
    for (int i = 0; i < 2; i++) sn_buf_done(&rest[i]);
    gw_event(gw, r < 0 ? "warn" : "info", "upgrade: took over, %u tunnels%s%s", taken,
             r < 0 ? ": " : "", r < 0 ? sn_diag_str(r) : "");
    return r;
}

static int inherit_main(void *arg)
{
    struct sn_gateway *gw = arg;
    struct message *m = SN_NEW(struct message);
    int r = m ? simple(gw->inherit->fd, READY) : SN_E_NOMEM;
    if (r == 0) r = take_tunnels(gw, gw->inherit, m);
    if (r < 0) gw_event(gw, "warn", "upgrade: the old process: %s", sn_diag_str(r));
    sn_free(m);
    gw_inherit_end(gw);
    sn_mutex_lock_always(&gw->reload);
    r = gw_upgrade_start(gw);
    sn_mutex_unlock(&gw->reload);
    return r;
}

int gw_inherit_ready(struct sn_gateway *gw)
{
    if (!gw->inherit) return gw_upgrade_start(gw);
    return sn_scope_go(gw->scope, "gateway inherit", inherit_main, gw);
}

void gw_inherit_end(struct sn_gateway *gw)
{
    struct gw_inherit *t = gw->inherit;
    if (!t) return;
    for (unsigned i = 0; i < t->n; i++) {
        if (t->list[i].fd >= 0) close(t->list[i].fd);
        sn_free(t->list[i].name);
    }
    close(t->fd);
    sn_free(t);
    gw->inherit = NULL;
}

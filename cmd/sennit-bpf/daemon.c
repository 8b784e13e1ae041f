/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-bpf/daemon.c - one thread, one poll: nothing here waits for a peer. */
#include "sennit-bpf/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/status.h"
#include "sennit-bpf/privileges.h"

#define READ_BYTES (64u << 10)
#define OUT_BYTES_MAX (8u << 20) /* a peer that does not read is let go */
#define CGROUP2_MAGIC_ 0x63677270

struct conn {
    int fd; /* -1: free */
    struct ucred peer;
    bool greeted;
    struct sn_buf in, out;
};
struct daemon {
    const struct tk_daemon_opts *o;
    struct tk_state *state;
    struct conn conns[TK_CONNS_MAX];
    struct conn *gateway; /* whose snapshot is in force; NULL = none */
    int listener;
    char cgroup[PATH_MAX]; /* o->cgroup from the tree's root on, as /proc/PID/cgroup has it */
    bool ending;
};

static volatile sig_atomic_t stopped;
static void on_signal(int sig)
{
    (void)sig;
    stopped = 1;
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t); /* banned: the programs compare with this clock */
    return (int64_t)t.tv_sec * SN_SEC + t.tv_nsec;
}

/* ---- who may speak, and who may not be redirected -------------------------------------------- */

/* The path below the mount of the cgroup v2 tree. */
static int below_mount(const char *cgroup, char out[PATH_MAX])
{
    char path[PATH_MAX];
    struct statfs s;
    if (!realpath(cgroup, path)) return sn_fail_errno(errno, "%s", cgroup);
    size_t root = strlen(path);
    for (;;) {
        char *slash = strrchr(path, '/');
        if (!slash) break;
        *slash = 0;
        if (statfs(slash == path ? "/" : path, &s) < 0 || s.f_type != CGROUP2_MAGIC_) break;
        root = (size_t)(slash - path);
    }
    if (!realpath(cgroup, path)) return sn_fail_errno(errno, "%s", cgroup);
    snprintf(out, PATH_MAX, "%s", path[root] ? path + root : "/");
    return 0;
}

/* Whether a process is in the redirected tree: then its own connections would be. */
static bool inside(const struct daemon *d, pid_t pid)
{
    char path[64], line[PATH_MAX + 8];
    snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
    FILE *f = fopen(path, "re");
    bool in = false;
    size_t n = strlen(d->cgroup);
    while (f && fgets(line, sizeof(line), f)) {
        if (strncmp(line, "0::", 3) != 0) continue;
        line[strcspn(line, "\n")] = 0;
        in = n == 1 ||
             (strncmp(line + 3, d->cgroup, n) == 0 && (!line[3 + n] || line[3 + n] == '/'));
    }
    if (f) (void)fclose(f);
    return in;
}

static bool welcome_peer(const struct daemon *d, const struct ucred *peer)
{
    return peer->uid == 0 || peer->uid == d->o->uid;
}

/* ---- frames ---------------------------------------------------------------------------------- */

static int refuse(struct conn *c, int code)
{
    const char *why = sn_diag_str(code);
    fprintf(stderr, "sennit-bpf: refused a frame of process %d: %s\n", (int)c->peer.pid, why);
    return sn_tkw_put_refused(&c->out, sn_str(why));
}

static int on_hello(struct daemon *d, struct conn *c, struct sn_str body)
{
    uint16_t version;
    int r = sn_tkw_get_hello(body, &version);
    if (r < 0) return r;
    if (version != SN_TKW_VERSION)
        return refuse(c, sn_fail(SN_E_UNIMPLEMENTED, "version %u of the protocol, this is %u",
                                 version, SN_TKW_VERSION));
    c->greeted = true;
    return sn_tkw_put_welcome(&c->out,
                              &(struct sn_tkw_welcome){.version = SN_TKW_VERSION,
                                                       .shortcut = d->state->control.shortcut,
                                                       .cgroup = sn_str(d->o->cgroup)});
}

static int on_snapshot(struct daemon *d, struct conn *c, struct sn_str body)
{
    struct sn_arena a;
    struct sn_tkw_snapshot s;
    struct sn_tkw_applied applied;
    sn_arena_init(&a, NULL, 0);
    int r = sn_tkw_get_snapshot(&a, body, &s);
    if (r == 0 && s.ttl_ms && inside(d, c->peer.pid))
        r = sn_fail(SN_E_FAILED_PRECONDITION,
                    "process %d is itself in %s: its connections would be redirected",
                    (int)c->peer.pid, d->o->cgroup);
    if (r == 0)
        r = tk_state_apply(d->state, &s, s.ttl_ms ? (uint32_t)c->peer.pid : 0, now_ns(), &applied);
    if (r == 0) d->gateway = s.ttl_ms ? c : NULL;
    sn_arena_done(&a);
    return r < 0 ? refuse(c, r) : sn_tkw_put_applied(&c->out, &applied);
}

/* Beats of a gateway whose snapshot another one has replaced do not count. When that one is gone it
 * is sent away, to come again with a snapshot of its own. */
static int on_beat(struct daemon *d, struct conn *c, struct sn_str body)
{
    uint32_t ttl;
    int r = sn_tkw_get_beat(body, &ttl);
    if (r < 0 || (c != d->gateway && d->gateway)) return r;
    if (!d->gateway) return sn_fail(SN_E_FAILED_PRECONDITION, "a beat without a snapshot in force");
    return tk_state_beat(d->state, ttl, now_ns());
}

static int on_ask(struct daemon *d, struct conn *c)
{
    struct sn_arena a;
    struct sn_tkw_stats s;
    sn_arena_init(&a, NULL, 0);
    int r = tk_state_stats(d->state, &a, now_ns(), &s);
    r = r < 0 ? refuse(c, r) : sn_tkw_put_stats(&c->out, &s);
    sn_arena_done(&a);
    return r;
}

static int on_end(struct daemon *d, struct conn *c)
{
    if (c->peer.uid != 0)
        return refuse(c, sn_fail(SN_E_PERMISSION_DENIED, "only root ends the loader"));
    d->ending = true;
    return sn_tkw_put_applied(&c->out,
                              &(struct sn_tkw_applied){.generation = d->state->generation});
}

static int on_frame(struct daemon *d, struct conn *c, enum sn_tkw_type type, struct sn_str body)
{
    if (type != SN_TKW_HELLO && !c->greeted)
        return sn_fail(SN_E_PROTOCOL, "expected hello, got a frame of type %d", type);
    switch (type) {
    case SN_TKW_HELLO: return on_hello(d, c, body);
    case SN_TKW_SNAPSHOT: return on_snapshot(d, c, body);
    case SN_TKW_BEAT: return on_beat(d, c, body);
    case SN_TKW_ASK: return on_ask(d, c);
    case SN_TKW_END: return on_end(d, c);
    case SN_TKW_WELCOME:
    case SN_TKW_APPLIED:
    case SN_TKW_REFUSED:
    case SN_TKW_STATS: break;
    }
    return sn_fail(SN_E_PROTOCOL, "a frame of type %d is for the loader to send", type);
}

/* ---- connections ----------------------------------------------------------------------------- */

static void conn_close(struct daemon *d, struct conn *c, int why)
{
    if (why < 0)
        fprintf(stderr, "sennit-bpf: process %d: %s\n", (int)c->peer.pid, sn_diag_str(why));
    if (d->gateway == c) {
        d->gateway = NULL;
        fprintf(stderr, "sennit-bpf: the gateway, process %d, is gone: %zu services lapse\n",
                (int)c->peer.pid, d->state->services.len);
        int r = tk_state_gone(d->state, now_ns());
        if (r < 0) fprintf(stderr, "sennit-bpf: %s\n", sn_diag_str(r));
    }
    (void)close(c->fd);
    sn_buf_done(&c->in);
    sn_buf_done(&c->out);
    *c = (struct conn){.fd = -1};
}

static void conn_accept(struct daemon *d)
{
    struct conn *c = NULL;
    const int flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
    int fd = accept4(d->listener, NULL, NULL, flags); /* banned: no runtime here */
    if (fd < 0) return;
    for (size_t i = 0; i < TK_CONNS_MAX && !c; i++)
        if (d->conns[i].fd < 0) c = &d->conns[i];
    struct ucred peer;
    socklen_t n = sizeof(peer);
    bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0;
    if (!c || !known || !welcome_peer(d, &peer)) {
        if (known)
            fprintf(stderr, "sennit-bpf: process %d of user %u: %s\n", (int)peer.pid, peer.uid,
                    c ? "not allowed" : "too many connections");
        (void)close(fd);
        return;
    }
    *c = (struct conn){.fd = fd, .peer = peer};
    sn_buf_init(&c->in, SN_TKW_FRAME_MAX + READ_BYTES);
    sn_buf_init(&c->out, OUT_BYTES_MAX);
}

static int conn_flush(struct conn *c)
{
    while (c->out.len) {
        ssize_t n = send(c->fd, c->out.ptr, c->out.len, MSG_NOSIGNAL);
        if (n < 0) return errno == EAGAIN || errno == EINTR ? 0 : sn_fail_errno(errno, "send");
        sn_buf_consume(&c->out, (size_t)n);
    }
    return 0;
}

/* Everything complete that has arrived. Returns 0, SN_E_EOF, SN_E_*. */
static int conn_read(struct daemon *d, struct conn *c)
{
    int r = sn_buf_reserve(&c->in, READ_BYTES);
    if (r < 0) return r;
    ssize_t got = recv(c->fd, c->in.ptr + c->in.len, READ_BYTES, 0);
    if (got < 0) return errno == EAGAIN || errno == EINTR ? 0 : sn_fail_errno(errno, "receive");
    if (got == 0) return SN_E_EOF;
    c->in.len += (size_t)got;
    size_t at = 0;
    enum sn_tkw_type type;
    int64_t whole = 0;
    while (r == 0 && (whole = sn_tkw_head(c->in.ptr + at, c->in.len - at, &type)) > 0 &&
           (uint64_t)whole <= c->in.len - at) {
        r = on_frame(d, c, type,
                     sn_str_of((const char *)c->in.ptr + at + SN_TKW_HEAD,
                               (size_t)whole - SN_TKW_HEAD));
        at += (size_t)whole;
    }
    sn_buf_consume(&c->in, at);
    if (whole < 0) return (int)whole;
    return r < 0 ? r : conn_flush(c);
}

static int serve(struct daemon *d)
{
    /* Signals come only while it waits: one between the question and the wait would be lost. */
    sigset_t none;
    (void)sigemptyset(&none);
    while (!stopped && !d->ending) {
        struct pollfd p[TK_CONNS_MAX + 1] = {{.fd = d->listener, .events = POLLIN}};
        for (size_t i = 0; i < TK_CONNS_MAX; i++)
            p[i + 1] =
                (struct pollfd){.fd = d->conns[i].fd,
                                .events = (short)(POLLIN | (d->conns[i].out.len ? POLLOUT : 0))};
        int n = ppoll(p, SN_COUNT_OF(p), NULL, &none);
        if (n < 0 && errno != EINTR) return sn_fail_errno(errno, "poll");
        if (n <= 0) continue;
        for (size_t i = 0; i < TK_CONNS_MAX; i++) {
            struct conn *c = &d->conns[i];
            int r = 0;
            if (c->fd < 0 || !p[i + 1].revents) continue;
            if (p[i + 1].revents & POLLOUT) r = conn_flush(c);
            if (r == 0 && p[i + 1].revents & (POLLIN | POLLHUP | POLLERR)) r = conn_read(d, c);
            if (r < 0) conn_close(d, c, r == SN_E_EOF ? 0 : r);
        }
        if (p[0].revents) conn_accept(d);
    }
    return 0;
}

/* ---- the socket ------------------------------------------------------------------------------ */

static int listen_at(const struct tk_daemon_opts *o, int *ret)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct stat st;
    int r = sn_str_cz(sn_str(o->socket), a.sun_path, sizeof(a.sun_path));
    if (r < 0) return sn_fail(r, "%s: longer than %zu bytes", o->socket, sizeof(a.sun_path) - 1);
    const int kind = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    int fd = socket(AF_UNIX, kind, 0); /* banned: no runtime here */
    if (fd < 0) return sn_fail_errno(errno, "socket");
    /* A file nobody listens at is left over; one that answers is another loader's. */
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0) { /* banned: no runtime here */
        (void)close(fd);
        return sn_fail(SN_E_ALREADY_EXISTS, "%s: another loader listens there", o->socket);
    }
    if (errno == ECONNREFUSED && lstat(o->socket, &st) == 0 && S_ISSOCK(st.st_mode))
        (void)unlink(o->socket);
    mode_t mask = umask(0177);
    r = bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0
            ? sn_fail_errno(errno, "listen at %s", o->socket)
            : 0;
    (void)umask(mask);
    if (r == 0 && chown(o->socket, o->uid, (gid_t)-1) < 0)
        r = sn_fail_errno(errno, "give %s to user %u", o->socket, o->uid);
    if (r == 0 && listen(fd, TK_CONNS_MAX) < 0) r = sn_fail_errno(errno, "listen at %s", o->socket);
    if (r < 0)
        (void)close(fd);
    else
        *ret = fd;
    return r;
}

int tk_daemon_run(struct tk_state *state, const struct tk_daemon_opts *o)
{
    struct daemon *d = SN_NEW(struct daemon);
    if (!d) return SN_E_NOMEM;
    d->o = o;
    d->state = state;
    d->listener = -1;
    for (size_t i = 0; i < TK_CONNS_MAX; i++) d->conns[i].fd = -1;
    const struct sigaction act = {.sa_handler = on_signal};
    sigset_t both;
    (void)sigemptyset(&both);
    (void)sigaddset(&both, SIGTERM);
    (void)sigaddset(&both, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &both, NULL);
    (void)sigaction(SIGTERM, &act, NULL);
    (void)sigaction(SIGINT, &act, NULL);
    (void)signal(SIGPIPE, SIG_IGN); /* a log nobody reads is no reason to end */
    int r = below_mount(o->cgroup, d->cgroup);
    if (r == 0) r = listen_at(o, &d->listener);
    if (r == 0) r = tk_privileges_drop(o->run_as);
    if (r == 0) {
        printf("sennit-bpf: ready at %s, %s is redirected\n", o->socket, o->cgroup);
        (void)fflush(stdout);
        r = serve(d);
    }
    for (size_t i = 0; i < TK_CONNS_MAX; i++) {
        if (d->conns[i].fd < 0) continue;
        (void)!conn_flush(&d->conns[i]);
        d->gateway = d->ending ? NULL : d->gateway;
        conn_close(d, &d->conns[i], 0);
    }
    if (d->listener >= 0) {
        (void)close(d->listener);
        (void)unlink(o->socket); /* where the folder is the loader's; else the next one does it */
    }
    sn_free(d);
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* task/zygote.c - the process that clones for another one. One request at a time over a stream
 * socket: a head, descriptors with it, fields behind it. The containers are the zygote's children,
 * and it keeps their remains until it is asked for them: their exit status is never lost and their
 * pid never reused before. */
#include "clusters/task/zygote_int.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/buf.h"
#include "core/status.h"

#define FDS_MAX 3

struct sn_zygote {
    int sock, pid;
    pthread_mutex_t
        lock; /* one request and its answer at a time; taken on threads that may block */
};

enum kind { KIND_CREATE, KIND_EXEC, KIND_REAP, KIND_ANSWER };
struct head {
    uint32_t kind, len;
    int32_t value; /* an answer's: result or SN_E_* */
    int32_t pid;
    uint32_t
        fds; /* bits of 0..2: which streams follow as descriptors; an answer's: 1 is the console */
    uint32_t flags;
};
enum flag {
    F_SYSTEMD = 1,
    F_ROOTLESS = 2,
    F_NO_CGROUPS = 4,
    F_STDIO = 8, /* streams are given, absent ones being /dev/null */
    F_CONSOLE = 16,
    F_NO_PIVOT = 32,
    F_NO_KEYRING = 64,
    F_IGNORE_PAUSED = 128,
};

/* ---- fields ------------------------------------------------------------------------------------
 */

static void put_str(struct sn_buf *b, const char *p, size_t n)
{
    uint32_t len = p ? (uint32_t)n : UINT32_MAX;
    sn_buf_put(b, &len, sizeof(len));
    if (p) sn_buf_put(b, p, n);
    sn_buf_byte(b, 0);
}
static void put_cstr(struct sn_buf *b, const char *p) { put_str(b, p, p ? strlen(p) : 0); }

/* get_str - ends in NUL, borrowed. .ptr NULL for an absent one and where the input is short. */
static struct sn_str get_str(struct sn_str *in)
{
    uint32_t len;
    if (in->len < sizeof(len) + 1) return (struct sn_str){0};
    memcpy(&len, in->ptr, sizeof(len));
    *in = sn_str_from(*in, sizeof(len));
    struct sn_str s = {0};
    if (len != UINT32_MAX && len < in->len) {
        s = sn_str_of(in->ptr, len);
        *in = sn_str_from(*in, len);
    }
    *in = sn_str_from(*in, 1);
    return s;
}

/* ---- messages ----------------------------------------------------------------------------------
 */

static int send_all(int sock, const void *p, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t k = send(sock, (const char *)p + done, n - done, MSG_NOSIGNAL);
        if (k < 0 && errno != EINTR) return sn_fail_errno(errno, "zygote");
        if (k > 0) done += (size_t)k;
    }
    return 0;
}

static int recv_all(int sock, void *p, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t k = recv(sock, (char *)p + done, n - done, 0);
        if (k == 0) return SN_E_EOF;
        if (k < 0 && errno != EINTR) return sn_fail_errno(errno, "zygote");
        if (k > 0) done += (size_t)k;
    }
    return 0;
}

static int message_send(int sock, const struct head *h, struct sn_str body, const int *fds,
                        unsigned n_fds)
{
    union {
        char buf[CMSG_SPACE(FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } u = {0};
    struct iovec iov = {(void *)h, sizeof(*h)};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    if (n_fds) {
        m.msg_control = u.buf;
        m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
    }
    const int flags = MSG_NOSIGNAL;
    ssize_t n;
    do n = sendmsg(sock, &m, flags); /* banned: on an offload thread, or alone */
    while (n < 0 && errno == EINTR);
    if (n < 0) return sn_fail_errno(errno, "zygote");
    int r =
        (size_t)n < sizeof(*h) ? send_all(sock, (const char *)h + n, sizeof(*h) - (size_t)n) : 0;
    return r < 0 ? r : send_all(sock, body.ptr, body.len);
}

/* message_receive - fds gets FDS_MAX descriptors in order, -1 for the rest. Body in `b`. */
static int message_receive(int sock, struct head *h, struct sn_buf *b, int fds[FDS_MAX])
{
    union {
        char buf[CMSG_SPACE(FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } u;
    struct iovec iov = {h, sizeof(*h)};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = u.buf,
                       .msg_controllen = sizeof(u.buf)};
    ssize_t n;
    for (int i = 0; i < FDS_MAX; i++) fds[i] = -1;
    do n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC); /* banned: as above */
    while (n < 0 && errno == EINTR);
    if (n == 0) return SN_E_EOF;
    if (n < 0) return sn_fail_errno(errno, "zygote");
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
            memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
    int r = (size_t)n < sizeof(*h) ? recv_all(sock, (char *)h + n, sizeof(*h) - (size_t)n) : 0;
    if (r >= 0 && h->len > SN_ZYGOTE_MESSAGE_MAX)
        r = sn_fail(SN_E_TOO_LARGE, "zygote: a message of %u bytes", h->len);
    if (r >= 0 && sn_buf_reserve(b, h->len + 1) < 0) r = b->err;
    if (r >= 0) r = recv_all(sock, b->ptr, h->len);
    if (r >= 0) b->len = h->len;
    return r;
}

/* ---- the zygote --------------------------------------------------------------------------------
 */

/* What the zygote looks up once for all. */
struct zygote_self {
    struct sn_cgroup_host cg;
    bool probed;
    int protect; /* see sn_oci_protect_open */
};

static struct sn_oci_host host_of(const struct zygote_self *z, const struct head *h,
                                  const char *root)
{
    return (struct sn_oci_host){.root = root,
                                .cgroups = z->probed ? &z->cg : NULL,
                                .systemd_cgroup = h->flags & F_SYSTEMD,
                                .rootless = h->flags & F_ROOTLESS,
                                .no_cgroups = h->flags & F_NO_CGROUPS,
                                .protect_fd = z->protect >= 0 ? &z->protect : NULL};
}

static int serve_create(const struct zygote_self *z, const struct head *h, struct sn_str in,
                        const int *stdio, int *ret_console)
{
    struct sn_oci_host host = host_of(z, h, get_str(&in).ptr);
    struct sn_oci_create_opts o = {.no_pivot = h->flags & F_NO_PIVOT,
                                   .no_new_keyring = h->flags & F_NO_KEYRING};
    o.id = get_str(&in).ptr;
    o.bundle = get_str(&in).ptr;
    o.config = get_str(&in);
    if (h->flags & F_STDIO) o.stdio = stdio;
    if (h->flags & F_CONSOLE) o.ret_console = ret_console;
    struct sn_oci_container *c;
    int r = sn_oci_create(&host, &o, &c);
    if (r < 0) return r;
    r = sn_oci_pid(c);
    sn_oci_close(c);
    return r;
}

static int serve_exec(const struct zygote_self *z, const struct head *h, struct sn_str in,
                      const int *stdio, int *ret_console)
{
    struct sn_oci_host host = host_of(z, h, get_str(&in).ptr);
    struct sn_oci_exec_opts o = {.ignore_paused = h->flags & F_IGNORE_PAUSED};
    const char *id = get_str(&in).ptr;
    o.process = get_str(&in);
    o.cgroup = get_str(&in).ptr;
    if (h->flags & F_STDIO) o.stdio = stdio;
    if (h->flags & F_CONSOLE) o.ret_console = ret_console;
    struct sn_oci_container *c;
    struct sn_oci_process born;
    int r = sn_oci_open(&host, id, &c);
    if (r < 0) return r;
    r = sn_oci_exec(c, &o, &born);
    sn_oci_close(c);
    if (r < 0) return r;
    close(born.pidfd);
    return born.pid;
}

static int serve_reap(const struct head *h, int32_t *ret_status)
{
    siginfo_t si = {0};
    int r;
    do r = waitid(P_PID, (id_t)h->pid, &si, WEXITED | __WALL);
    while (r < 0 && errno == EINTR);
    if (r < 0) return sn_fail_errno(errno, "process %d", h->pid);
    *ret_status = si.si_code == CLD_EXITED ? si.si_status & 255 : 128 + si.si_status;
    return 0;
}

static int serve_one(int sock, const struct zygote_self *z)
{
    struct head h, ans = {.kind = KIND_ANSWER};
    struct sn_buf b;
    int given[FDS_MAX], stdio[3] = {-1, -1, -1}, console = -1, next = 0;
    sn_buf_init(&b, SN_ZYGOTE_MESSAGE_MAX + 1);
    int r = message_receive(sock, &h, &b, given);
    if (r >= 0) {
        for (int i = 0; i < 3; i++)
            if (h.fds & 1u << i) stdio[i] = given[next++];
        struct sn_str in = sn_buf_view(&b);
        int did = SN_E_INVALID_ARGUMENT;
        if (h.kind == KIND_CREATE) did = serve_create(z, &h, in, stdio, &console);
        if (h.kind == KIND_EXEC) did = serve_exec(z, &h, in, stdio, &console);
        if (h.kind == KIND_REAP) did = serve_reap(&h, &ans.pid);
        if (h.kind != KIND_REAP && did > 0) ans.pid = did;
        char text[SN_DIAG_BYTES] = "";
        ans.value = SN_MIN(did, 0);
        if (did < 0) sn_diag_format(did, text, sizeof(text));
        ans.len = (uint32_t)strlen(text);
        ans.fds = console >= 0;
        r = message_send(sock, &ans, sn_str(text), &console, console >= 0);
    }
    for (int i = 0; i < FDS_MAX; i++)
        if (given[i] >= 0) close(given[i]);
    if (console >= 0) close(console);
    sn_buf_done(&b);
    return r;
}

SN_NORETURN static void zygote_main(int sock)
{
    struct zygote_self z;
    prctl(PR_SET_NAME, "sennit-zygote");
    signal(SIGINT,
           SIG_IGN); /* a terminal's, meant for the daemon: it ends us by closing its socket */
    signal(SIGPIPE, SIG_IGN);
    z.probed = sn_cgroup_probe(&z.cg, NULL) >= 0;
    z.protect = sn_oci_protect_open();
    while (serve_one(sock, &z) >= 0) continue;
    if (z.probed) sn_cgroup_host_done(&z.cg);
    _exit(0); /* banned: a forked child has no atexit of its own */
}

/* ---- the daemon --------------------------------------------------------------------------------
 */

int sn_zygote_start(struct sn_zygote **ret)
{
    int p[2];
    struct sn_zygote *z = SN_NEW(struct sn_zygote);
    if (!z) return SN_E_NOMEM;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p) < 0) {
        sn_free(z);
        return sn_fail_errno(errno, "zygote: socket");
    }
    z->pid = fork(); /* banned: this is what it is for, before the runtime starts */
    if (z->pid == 0) {
        close(p[0]);
        zygote_main(p[1]);
    }
    close(p[1]);
    if (z->pid < 0) {
        int err = errno;
        close(p[0]);
        sn_free(z);
        return sn_fail_errno(err, "zygote: fork");
    }
    z->sock = p[0];
    pthread_mutex_init(&z->lock, NULL);
    *ret = z;
    return 0;
}

void sn_zygote_stop(struct sn_zygote *z)
{
    if (!z) return;
    close(z->sock);
    while (waitpid(z->pid, NULL, 0) < 0 && errno == EINTR) continue;
    pthread_mutex_destroy(&z->lock);
    sn_free(z);
}

/* ask - Returns the answer's pid or status (>= 0), or its failure with the zygote's words. */
static int ask(struct sn_zygote *z, struct head *h, const struct sn_buf *body, const int *stdio,
               int *ret_console)
{
    struct head ans;
    struct sn_buf b;
    int fds[FDS_MAX], n = 0, got[FDS_MAX] = {-1, -1, -1};
    if (body && body->err < 0) return body->err;
    for (int i = 0; stdio && i < 3; i++) {
        if (stdio[i] < 0) continue;
        h->fds |= 1u << i;
        fds[n++] = stdio[i];
    }
    h->len = body ? (uint32_t)body->len : 0;
    sn_buf_init(&b, SN_ZYGOTE_MESSAGE_MAX + 1);
    pthread_mutex_lock(&z->lock);
    int r =
        message_send(z->sock, h, body ? sn_buf_view(body) : (struct sn_str){0}, fds, (unsigned)n);
    if (r >= 0) r = message_receive(z->sock, &ans, &b, got);
    pthread_mutex_unlock(&z->lock);
    if (r == SN_E_EOF) r = sn_fail(SN_E_UNAVAILABLE, "the zygote (process %d) has ended", z->pid);
    if (r >= 0)
        r = ans.value < 0 ? sn_fail(ans.value, "%.*s", (int)b.len, (const char *)b.ptr) : ans.pid;
    if (r >= 0 && ret_console)
        *ret_console = got[0];
    else if (got[0] >= 0)
        close(got[0]);
    sn_buf_done(&b);
    return r;
}

static uint32_t host_flags(const struct sn_oci_host *h)
{
    return (h->systemd_cgroup ? F_SYSTEMD : 0) | (h->rootless ? F_ROOTLESS : 0) |
           (h->no_cgroups ? F_NO_CGROUPS : 0);
}

int sn_zygote_create(struct sn_zygote *z, const struct sn_oci_host *h,
                     const struct sn_oci_create_opts *o, struct sn_oci_container **ret)
{
    struct head q = {.kind = KIND_CREATE,
                     .flags = host_flags(h) | (o->stdio ? F_STDIO : 0) |
                              (o->ret_console ? F_CONSOLE : 0) | (o->no_pivot ? F_NO_PIVOT : 0) |
                              (o->no_new_keyring ? F_NO_KEYRING : 0)};
    struct sn_buf b;
    sn_buf_init(&b, SN_ZYGOTE_MESSAGE_MAX);
    put_cstr(&b, h->root);
    put_cstr(&b, o->id);
    put_cstr(&b, o->bundle);
    put_str(&b, o->config.ptr, o->config.len);
    int r = ask(z, &q, &b, o->stdio, o->ret_console);
    sn_buf_done(&b);
    return r < 0 ? r : sn_oci_open(h, o->id, ret);
}

int sn_zygote_exec(struct sn_zygote *z, const struct sn_oci_host *h, const char *id,
                   const struct sn_oci_exec_opts *o, struct sn_oci_process *ret)
{
    struct head q = {.kind = KIND_EXEC,
                     .flags = host_flags(h) | (o->stdio ? F_STDIO : 0) |
                              (o->ret_console ? F_CONSOLE : 0) |
                              (o->ignore_paused ? F_IGNORE_PAUSED : 0)};
    struct sn_buf b;
    sn_buf_init(&b, SN_ZYGOTE_MESSAGE_MAX);
    put_cstr(&b, h->root);
    put_cstr(&b, id);
    put_str(&b, o->process.ptr, o->process.len);
    put_cstr(&b, o->cgroup);
    int r = ask(z, &q, &b, o->stdio, o->ret_console);
    sn_buf_done(&b);
    if (r < 0) return r;
    ret->pid = r;
    /* Not reaped before we ask: the number is still this process's. */
    ret->pidfd = (int)syscall(SYS_pidfd_open, r, 0);
    return ret->pidfd < 0 ? sn_fail_errno(errno, "pidfd of process %d", r) : 0;
}

int sn_zygote_reap(struct sn_zygote *z, int pid, uint32_t *ret_status)
{
    struct head q = {.kind = KIND_REAP, .pid = pid};
    int r = ask(z, &q, NULL, NULL, NULL);
    if (r < 0) return r;
    *ret_status = (uint32_t)r;
    return 0;
}

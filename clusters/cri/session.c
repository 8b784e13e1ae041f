/* SPDX-License-Identifier: Apache-2.0 */
/* cri/session.c - a streamed exec or attach, and connections to a pod's ports. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clusters/cri/stream_int.h"
#include "clusters/netlink/netns.h"

#define CHUNK (16u << 10)
#define DRAIN_NS (2 * SN_SEC) /* for output held open by what the command left behind */
#define CONNECT_NS (10 * SN_SEC)

struct cri_session {
    struct sn_cri *s;
    struct cri_ctr *ctr;
    struct cri_carrier *carrier;
    bool attach, tty, in, out, err, gone;
    int in_fd, out_fd, err_fd; /* attach: in_fd is the keeper's socket, the others -1 */
    struct cri_exec exec;
    struct sn_mutex in_lock;
    struct sn_scope_storage mem;
    struct sn_scope *scope;
};

static void put(struct cri_session *ss, enum cri_channel ch, struct sn_str data)
{
    bool wanted = ch == CRI_CH_STDOUT ? ss->out : ch == CRI_CH_STDERR ? ss->err : true;
    if (wanted && !ss->gone && data.len && ss->carrier->write(ss->carrier, ch, data) < 0)
        ss->gone = true;
}

/* ---- output ---- */

static void pump(struct cri_session *ss, int fd, enum cri_channel ch)
{
    char *buf = sn_alloc(CHUNK);
    while (buf) {
        ssize_t n = read(fd, buf, CHUNK);
        if (n > 0) {
            put(ss, ch, sn_str_of(buf, (size_t)n));
            continue;
        }
        if (n < 0 && errno == EINTR) continue;
        if (n == 0 || errno != EAGAIN || sn_fd_wait(fd, EPOLLIN) < 0)
            break; /* a terminal ends by EIO */
    }
    sn_free(buf);
}

static int pump_out(void *arg)
{
    struct cri_session *ss = arg;
    pump(ss, ss->out_fd, CRI_CH_STDOUT);
    return 0;
}

static int pump_err(void *arg)
{
    struct cri_session *ss = arg;
    pump(ss, ss->err_fd, CRI_CH_STDERR);
    return 0;
}

static int pump_attached(void *arg)
{
    struct cri_session *ss = arg;
    char *buf = sn_alloc(64u << 10);
    while (buf) {
        ssize_t n = recv(ss->in_fd, buf, 64u << 10, MSG_DONTWAIT);
        if (n > 1 && buf[0] == 1)
            put(ss, CRI_CH_STDOUT, sn_str_of(buf + 1, (size_t)n - 1));
        else if (n > 1 && buf[0] == 2)
            put(ss, CRI_CH_STDERR, sn_str_of(buf + 1, (size_t)n - 1));
        else if (n < 0 && errno == EAGAIN && sn_fd_wait(ss->in_fd, EPOLLIN) >= 0)
            continue;
        else if (n <= 0)
            break;
    }
    sn_free(buf);
    return 0;
}

/* ---- input ---- */

static void resize(struct cri_session *ss, struct sn_str data)
{
    struct sn_arena a;
    const struct sn_json *v;
    sn_arena_init(&a, NULL, 64u << 10);
    if (ss->tty && sn_json_parse(&a, data, NULL, &v) == 0) {
        int64_t w = sn_json_i64_or(sn_json_get(v, "Width"), 0),
                h = sn_json_i64_or(sn_json_get(v, "Height"), 0);
        struct winsize ws = {.ws_col = (unsigned short)w, .ws_row = (unsigned short)h};
        bool fits = w > 0 && h > 0 && w < 65536 && h < 65536;
        if (fits && !ss->attach) (void)ioctl(ss->in_fd, TIOCSWINSZ, &ws);
        if (fits && ss->attach) {
            struct cri_msg m;
            cri_msg_begin(&m, "resize", ss->ctr->id);
            sn_jsonw_ki64(&m.w, "w", w);
            sn_jsonw_ki64(&m.w, "h", h);
            (void)!cri_keeper_call(ss->ctr->pod, &m, NULL, NULL);
        }
    }
    sn_arena_done(&a);
}

static int send_stdin(struct cri_session *ss, struct sn_str data)
{
    char *msg = sn_alloc(CHUNK + 1);
    int r = msg ? 0 : SN_E_NOMEM;
    while (r >= 0 && data.len) {
        size_t n = SN_MIN(data.len, (size_t)CHUNK);
        if (ss->attach) {
            msg[0] = 0;
            memcpy(msg + 1, data.ptr, n);
        }
        ssize_t w = ss->attach ? send(ss->in_fd, msg, n + 1, MSG_DONTWAIT | MSG_NOSIGNAL)
                               : write(ss->in_fd, data.ptr, n);
        if (w > 0)
            data = sn_str_from(data, ss->attach ? n : (size_t)w);
        else if (errno == EAGAIN)
            r = sn_fd_wait(ss->in_fd, EPOLLOUT);
        else if (errno != EINTR)
            r = SN_E_CLOSED; /* nobody reads it any more */
    }
    sn_free(msg);
    return r;
}

int cri_session_input(struct cri_session *ss, enum cri_channel ch, struct sn_str data)
{
    if (ch == CRI_CH_RESIZE) {
        resize(ss, data);
        return 0;
    }
    if (ch != CRI_CH_STDIN || !ss->in || ss->in_fd < 0) return 0;
    int r = sn_mutex_lock(&ss->in_lock);
    if (r < 0) return r;
    if (ss->in_fd >= 0) r = send_stdin(ss, data);
    sn_mutex_unlock(&ss->in_lock);
    return r == SN_E_CLOSED ? 0 : r;
}

void cri_session_input_end(struct cri_session *ss)
{
    static const char end = 3;
    if (ss->attach)
        (void)!send(ss->in_fd, &end, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    else if (!ss->tty && ss->in_fd >= 0) {
        sn_mutex_lock_always(&ss->in_lock);
        close(ss->in_fd);
        ss->in_fd = -1;
        sn_mutex_unlock(&ss->in_lock);
    }
}

void cri_session_gone(struct cri_session *ss)
{
    ss->gone = true;
    if (ss->attach)
        (void)shutdown(ss->in_fd, SHUT_RDWR);
    else if (!sn_event_is_set(&ss->exec.ended))
        (void)!cri_keeper_kill(ss->ctr, ss->exec.key, SIGKILL, false);
}

/* ---- beginning and end ---- */

static int start_exec(struct cri_session *ss, const struct cri_stream *st)
{
    int p[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}}, console = -1, r = 0;
    struct cri_exec_opts o = {.cmd = st->cmd,
                              .n = st->n_cmd,
                              .tty = st->tty,
                              .ret_console = &console};
    for (int i = 0; i < 3 && !st->tty && r >= 0; i++)
        if (pipe2(p[i], O_CLOEXEC) < 0) r = sn_fail_errno(errno, "pipes");
    int null = st->in ? -1 : open("/dev/null", O_RDONLY | O_CLOEXEC);
    o.fds[0] = st->in ? p[0][0] : null, o.fds[1] = p[1][1], o.fds[2] = p[2][1];
    if (r >= 0) r = cri_exec_start(ss->ctr, &o, &ss->exec);
    for (int i = 0; i < 3; i++) { /* the process' ends */
        int theirs = i == 0 ? 0 : 1;
        if (p[i][theirs] >= 0) close(p[i][theirs]);
    }
    if (null >= 0) close(null);
    if (r < 0) {
        for (int i = 0; i < 3; i++)
            if (p[i][i == 0] >= 0) close(p[i][i == 0]);
        return r;
    }
    ss->in_fd = st->tty ? console : p[0][1];
    ss->out_fd = st->tty ? fcntl(console, F_DUPFD_CLOEXEC, 3) : p[1][0];
    ss->err_fd = p[2][0];
    int fds[3] = {ss->in_fd, ss->out_fd, ss->err_fd};
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0) (void)fcntl(fds[i], F_SETFL, O_NONBLOCK);
    if (!st->in && !st->tty) {
        close(ss->in_fd);
        ss->in_fd = -1;
    }
    return 0;
}

static int start_attach(struct cri_session *ss)
{
    struct cri_msg m;
    if (ss->ctr->state != CRI_RUNNING)
        return sn_fail(SN_E_FAILED_PRECONDITION, "container %s is not running", ss->ctr->id);
    cri_msg_begin(&m, "attach", ss->ctr->id);
    m.ret_fd = &ss->in_fd;
    return cri_keeper_call(ss->ctr->pod, &m, NULL, NULL);
}

int cri_session_start(struct sn_cri *s, const struct cri_stream *st, struct cri_carrier *c,
                      struct cri_session **ret)
{
    struct cri_session *ss = SN_NEW(struct cri_session);
    if (!ss) return SN_E_NOMEM;
    *ss = (struct cri_session){.s = s,
                               .carrier = c,
                               .attach = st->kind == CRI_STREAM_ATTACH,
                               .tty = st->tty,
                               .in = st->in,
                               .out = st->out,
                               .err = st->err,
                               .in_fd = -1,
                               .out_fd = -1,
                               .err_fd = -1};
    sn_mutex_lock_always(&s->mu);
    ss->ctr = sn_map_get(&s->ctrs, sn_str(st->id));
    if (ss->ctr) ss->ctr->refs++;
    sn_mutex_unlock(&s->mu);
    int r = ss->ctr ? 0 : sn_fail(SN_E_NOT_FOUND, "container %s is gone", st->id);
    if (r >= 0) r = ss->attach ? start_attach(ss) : start_exec(ss, st);
    if (r < 0) {
        cri_ctr_unref(ss->ctr);
        sn_free(ss);
        return r;
    }
    *ret = ss;
    return 0;
}

void cri_failure(struct sn_buf *out, int r)
{
    char text[SN_DIAG_BYTES + 64];
    struct sn_jsonw w;
    bool none = r == SN_E_NOT_FOUND, no = r == SN_E_PERMISSION_DENIED;
    sn_jsonw_init(&w, out, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "status", SN_STR("Failure"));
    sn_jsonw_kstr(&w, "reason",
                  none ? SN_STR("NotFound")
                  : no ? SN_STR("Forbidden")
                       : SN_STR("InternalError"));
    sn_jsonw_ki64(&w, "code", none ? 404 : no ? 403 : 500);
    sn_jsonw_kstr(&w, "message", sn_str(sn_diag_format(r, text, sizeof text)));
    sn_jsonw_object_end(&w);
}

static void write_status(struct cri_session *ss, int r, int code)
{
    char text[512], diag[SN_DIAG_BYTES];
    struct sn_buf b;
    struct sn_jsonw w;
    sn_buf_init_fixed(&b, text, sizeof text);
    sn_jsonw_init(&w, &b, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_key(&w, SN_STR("metadata"));
    sn_jsonw_object(&w);
    sn_jsonw_object_end(&w);
    sn_jsonw_kstr(&w, "status", r >= 0 && code == 0 ? SN_STR("Success") : SN_STR("Failure"));
    if (r < 0) {
        sn_jsonw_kstr(&w, "message",
                      sn_str_sub(sn_str(sn_diag_format(r, diag, sizeof diag)), 0, 300));
        sn_jsonw_kstr(&w, "reason", SN_STR("InternalError"));
        sn_jsonw_ki64(&w, "code", 500);
    } else if (code) {
        char msg[64], num[12];
        snprintf(msg, sizeof msg, "command terminated with non-zero exit code: %d", code);
        snprintf(num, sizeof num, "%d", code);
        sn_jsonw_kstr(&w, "message", sn_str(msg));
        sn_jsonw_kstr(&w, "reason", SN_STR("NonZeroExitCode"));
        sn_jsonw_key(&w, SN_STR("details"));
        sn_jsonw_object(&w);
        sn_jsonw_key(&w, SN_STR("causes"));
        sn_jsonw_array(&w);
        sn_jsonw_object(&w);
        sn_jsonw_kstr(&w, "reason", SN_STR("ExitCode"));
        sn_jsonw_kstr(&w, "message", sn_str(num));
        sn_jsonw_object_end(&w);
        sn_jsonw_array_end(&w);
        sn_jsonw_object_end(&w);
    }
    sn_jsonw_object_end(&w);
    if (b.err >= 0) put(ss, CRI_CH_ERROR, sn_buf_view(&b));
}

int cri_session_wait(struct cri_session *ss)
{
    struct sn_scope *sc = sn_scope_begin(&ss->mem);
    int r = 0, code = 0;
    if (ss->attach) {
        r = sn_scope_go(sc, "attached", pump_attached, ss);
    } else {
        r = sn_scope_go(sc, "exec stdout", pump_out, ss);
        if (r >= 0 && ss->err_fd >= 0) r = sn_scope_go(sc, "exec stderr", pump_err, ss);
        if (r >= 0) r = sn_event_wait(&ss->exec.ended);
        code = ss->exec.code;
    }
    int64_t prev = ss->attach ? 0 : sn_deadline_tighten(sn_now() + DRAIN_NS);
    int end = sn_scope_end(sc);
    if (!ss->attach) sn_deadline_restore(prev);
    if (ss->attach && r >= 0) r = end;
    if (r == SN_E_CANCELLED) return r;
    write_status(ss, r, code);
    for (int ch = CRI_CH_STDOUT; ch <= CRI_CH_ERROR; ch++)
        ss->carrier->finish(ss->carrier, (enum cri_channel)ch);
    return r;
}

void cri_session_free(struct cri_session *ss)
{
    if (!ss) return;
    if (!ss->attach) cri_exec_done(ss->ctr, &ss->exec);
    if (ss->in_fd >= 0) close(ss->in_fd);
    if (ss->out_fd >= 0) close(ss->out_fd);
    if (ss->err_fd >= 0) close(ss->err_fd);
    cri_ctr_unref(ss->ctr);
    sn_free(ss);
}

/* ---- ports ---- */

struct socket_job {
    int family, fd;
};
static int make_socket(void *arg)
{
    struct socket_job *j = arg;
    j->fd = socket(j->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); /* banned: of a pod */
    return j->fd < 0 ? sn_fail_errno(errno, "socket") : 0;
}

static int dial(int netns, bool six, unsigned port, struct sn_stream **ret)
{
    struct socket_job j = {six ? AF_INET6 : AF_INET, -1};
    struct sockaddr_in a4 = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6,
                              .sin6_port = htons((uint16_t)port),
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int r = netns < 0 ? make_socket(&j) : sn_netns_do(netns, make_socket, &j), err = 0;
    if (r < 0) return r;
    socklen_t len = sizeof err;
    int c = six ? connect(j.fd, (struct sockaddr *)&a6, sizeof a6) /* banned: of a pod */
                : connect(j.fd, (struct sockaddr *)&a4, sizeof a4); /* banned: of a pod */
    if (c < 0 && errno == EINPROGRESS) {
        int64_t prev = sn_deadline_tighten(sn_now() + CONNECT_NS);
        r = sn_fd_wait(j.fd, EPOLLOUT);
        sn_deadline_restore(prev);
        if (r >= 0 && getsockopt(j.fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0) err = errno;
    } else if (c < 0) {
        err = errno;
    }
    if (r >= 0 && err) r = sn_fail_errno(err, "connect to port %u of the pod", port);
    if (r >= 0) return sn_stream_adopt(j.fd, ret);
    close(j.fd);
    return r;
}

int cri_forward_dial(struct sn_cri *s, const char *id, unsigned port, struct sn_stream **ret)
{
    char path[48];
    int netns = -1, pid = 0;
    sn_mutex_lock_always(&s->mu);
    struct cri_pod *p = sn_map_get(&s->pods, sn_str(id));
    if (p && p->ready) pid = cri_pod_holder(p);
    bool host = p && p->host_network;
    sn_mutex_unlock(&s->mu);
    if (!pid) return sn_fail(SN_E_FAILED_PRECONDITION, "pod sandbox %s is not ready", id);
    if (!host) {
        snprintf(path, sizeof path, "/proc/%d/ns/net", pid);
        netns = open(path, O_RDONLY | O_CLOEXEC);
        if (netns < 0) return sn_fail_errno(errno, "%s", path);
    }
    int r = dial(netns, false, port, ret);
    if (r == SN_E_REFUSED) r = dial(netns, true, port, ret);
    if (netns >= 0) close(netns);
    return r;
}

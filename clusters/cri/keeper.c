/* SPDX-License-Identifier: Apache-2.0 */
/* cri/keeper.c - the keeper's loop: the daemon's requests, ended processes, events. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clusters/cri/keeper_int.h"
#include "core/alloc.h"
#include "core/status.h"

#define FDS_MAX 3u

int64_t keeper_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t); /* banned: no fibers */
    return t.tv_sec * SN_SEC + t.tv_nsec;
}

int keeper_watch(struct keeper *k, struct keeper_src *s, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = s};
    if (epoll_ctl(k->epoll, EPOLL_CTL_MOD, s->fd, &e) == 0) return 0;
    return epoll_ctl(k->epoll, EPOLL_CTL_ADD, s->fd, &e) < 0 ? sn_fail_errno(errno, "epoll") : 0;
}

void keeper_unwatch(struct keeper *k, struct keeper_src *s)
{
    (void)epoll_ctl(k->epoll, EPOLL_CTL_DEL, s->fd, NULL);
}

struct keeper_ctr *keeper_find(struct keeper *k, struct sn_str id)
{
    SN_LIST_EACH (&k->ctrs, it) {
        struct keeper_ctr *c = SN_LIST_ENTRY(it, struct keeper_ctr, link);
        if (sn_str_eqc(id, c->id)) return c;
    }
    return NULL;
}

/* ---- messages ---- */

static void send_text(int fd, struct sn_str text, int pass_fd)
{
    char ctl[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {(void *)text.ptr, text.len};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    if (pass_fd >= 0) {
        m.msg_control = ctl;
        m.msg_controllen = sizeof ctl;
        struct cmsghdr *h = CMSG_FIRSTHDR(&m);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(h), &pass_fd, sizeof pass_fd);
    }
    while (sendmsg(fd, &m, MSG_NOSIGNAL) < 0 && errno == EINTR) {} /* banned: no fibers */
}

struct request {
    struct keeper *k;
    const struct sn_json *v;
    struct sn_arena *a;
    int fds[FDS_MAX];
    unsigned n_fds;
    struct sn_jsonw *w; /* the answer, open */
    int pass_fd;        /* goes with the answer; closed afterwards */
    struct keeper_ctr *c;
};

static struct sn_str str_of(const struct request *q, const char *key)
{
    return sn_json_str(sn_json_get(q->v, key));
}
static bool flag(const struct request *q, const char *key)
{
    return sn_json_bool_or(sn_json_get(q->v, key), false);
}

static char *copy(struct sn_str s) { return s.len ? sn_str_dup(s) : NULL; }

static void broadcast(struct keeper *k, struct sn_str text)
{
    for (unsigned i = 0; i < KEEPER_CLIENTS_MAX; i++)
        if (k->client[i].fd >= 0) send_text(k->client[i].fd, text, -1);
}

/* ---- containers ---- */

static void ctr_free(struct keeper *k, struct keeper_ctr *c)
{
    keeper_io_close(k, c);
    sn_oci_close(c->oci);
    if (sn_list_linked(&c->link)) {
        sn_list_del(&c->link);
        k->n_ctrs--;
    }
    sn_free(c->id);
    sn_free(c->bundle);
    sn_free(c->runtime);
    sn_free(c->log_path);
    sn_free(c);
}

static struct keeper_ctr *ctr_new(const struct request *q)
{
    struct keeper_ctr *c = SN_NEW(struct keeper_ctr);
    if (!c) return NULL;
    sn_list_init(&c->link);
    c->id = copy(str_of(q, "id"));
    c->bundle = copy(str_of(q, "bundle"));
    c->runtime = copy(str_of(q, "runtime"));
    c->log_path = copy(str_of(q, "log"));
    c->tty = flag(q, "tty");
    c->has_stdin = flag(q, "stdin");
    c->stdin_once = flag(q, "stdin_once");
    c->log_fd = c->in.fd = c->out[0].src.fd = c->out[1].src.fd = c->oom_src.fd = -1;
    sn_buf_init(&c->in_pending, 1 << 20);
    for (unsigned i = 0; i < KEEPER_ATTACH_MAX; i++) c->attach[i].src.fd = -1;
    for (int i = 0; i < 2; i++) {
        c->out[i].which = i + 1;
        sn_cri_logline_init(&c->out[i].log, i ? "stderr" : "stdout");
    }
    return c;
}

static int take_stream(struct keeper *k, struct keeper_ctr *c, int i, int fd)
{
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    c->out[i].src = (struct keeper_src){K_OUT, fd, c};
    return keeper_watch(k, &c->out[i].src, EPOLLIN);
}

/* The container with its streams: pipes of ours, or the terminal that the runtime made. */
static int ctr_create(struct keeper *k, struct keeper_ctr *c, const int *root_tree)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1}, console = -1;
    bool pipes = !c->tty;
    int r = keeper_log_open(c);
    if (r >= 0 && pipes &&
        ((c->has_stdin && pipe2(in, O_CLOEXEC) < 0) || pipe2(out, O_CLOEXEC) < 0 ||
         pipe2(err, O_CLOEXEC) < 0))
        r = sn_fail_errno(errno, "pipes");
    struct keeper_rt_create o = {.stdio = {in[0], out[1], err[1]},
                                 .ret_console = pipes ? NULL : &console,
                                 .root_tree = root_tree};
    if (r >= 0) r = keeper_rt_create(k, c, &o);
    if (in[0] >= 0) close(in[0]);
    if (out[1] >= 0) close(out[1]);
    if (err[1] >= 0) close(err[1]);
    if (r < 0) {
        if (in[1] >= 0) close(in[1]);
        if (out[0] >= 0) close(out[0]);
        if (err[0] >= 0) close(err[0]);
        return r;
    }
    c->in = (struct keeper_src){K_STDIN, pipes ? in[1] : fcntl(console, F_DUPFD_CLOEXEC, 3), c};
    if (c->in.fd >= 0) (void)fcntl(c->in.fd, F_SETFL, O_NONBLOCK);
    r = take_stream(k, c, 0, pipes ? out[0] : console);
    if (r >= 0 && pipes) r = take_stream(k, c, 1, err[0]);
    struct sn_cgroup *cg;
    if (c->oci && sn_oci_cgroup(c->oci, &cg) == 0 && sn_cgroup_oom_watch(cg, &c->watch) == 0) {
        c->oom_src = (struct keeper_src){K_OOM, c->watch.fd, c};
        (void)keeper_watch(k, &c->oom_src, c->watch.events & 2 ? EPOLLPRI : EPOLLIN);
    }
    c->created_ns = keeper_now();
    return r;
}

static int op_create(struct request *q)
{
    struct keeper *k = q->k;
    if (keeper_find(k, str_of(q, "id"))) return sn_fail(SN_E_ALREADY_EXISTS, "container exists");
    if (k->n_ctrs == KEEPER_CTRS_MAX)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "a pod has at most %u containers", KEEPER_CTRS_MAX);
    struct keeper_ctr *c = ctr_new(q);
    if (!c || !c->id || !c->bundle) {
        if (c) ctr_free(k, c);
        return SN_E_NOMEM;
    }
    int r = ctr_create(k, c, q->n_fds ? &q->fds[0] : NULL);
    if (r < 0) {
        struct sn_diag keep = *sn_diag();
        if (c->pid) (void)keeper_rt_delete(k, c);
        ctr_free(k, c);
        *sn_diag() = keep;
        return r;
    }
    sn_list_push_back(&k->ctrs, &c->link);
    k->n_ctrs++;
    sn_jsonw_ki64(q->w, "pid", c->pid);
    return 0;
}

static int op_start(struct request *q)
{
    if (q->c->state != KEEPER_CREATED)
        return sn_fail(SN_E_FAILED_PRECONDITION, "container is not in state created");
    int r = keeper_rt_start(q->k, q->c);
    if (r < 0) return r;
    q->c->state = KEEPER_RUNNING;
    q->c->started_ns = keeper_now();
    sn_jsonw_ki64(q->w, "at", q->c->started_ns);
    return 0;
}

static int op_exec(struct request *q)
{
    struct keeper *k = q->k;
    int console = -1;
    bool tty = flag(q, "tty");
    struct sn_str key = str_of(q, "key"), process = str_of(q, "process");
    if (k->n_execs == KEEPER_EXECS_MAX)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "at most %u execs of a pod at a time",
                       KEEPER_EXECS_MAX);
    if (q->c->state != KEEPER_RUNNING)
        return sn_fail(SN_E_FAILED_PRECONDITION, "container is not running");
    if (!tty && q->n_fds != 3)
        return sn_fail(SN_E_INVALID_ARGUMENT, "exec: expected three descriptors");
    struct keeper_exec *e = SN_NEW(struct keeper_exec);
    if (!e || sn_str_cz(key, e->key, sizeof e->key) < 0 ||
        sn_str_cz(sn_str(q->c->id), e->ctr, sizeof e->ctr) < 0) {
        sn_free(e);
        return sn_fail(SN_E_INVALID_ARGUMENT, "exec: key");
    }
    int r = keeper_rt_exec(k, q->c, process, tty ? NULL : q->fds, tty ? &console : NULL, &e->pid);
    if (r < 0) {
        sn_free(e);
        return r;
    }
    sn_list_push_back(&k->execs, &e->link);
    k->n_execs++;
    if (tty) q->pass_fd = console;
    sn_jsonw_ki64(q->w, "pid", e->pid);
    return 0;
}

static int op_kill(struct request *q)
{
    if (q->c->state == KEEPER_EXITED)
        return sn_fail(SN_E_FAILED_PRECONDITION, "container not running");
    struct sn_str key = str_of(q, "key");
    int sig = (int)sn_json_i64_or(sn_json_get(q->v, "sig"), SIGTERM);
    if (!key.len) return keeper_rt_kill(q->k, q->c, sig, flag(q, "all"));
    SN_LIST_EACH (&q->k->execs, it) {
        struct keeper_exec *e = SN_LIST_ENTRY(it, struct keeper_exec, link);
        if (!sn_str_eqc(key, e->key)) continue;
        return kill(e->pid, sig) < 0 ? sn_fail_errno(errno, "kill %d", e->pid)
                                     : 0; /* not reaped yet: the pid is its own */
    }
    return sn_fail(SN_E_NOT_FOUND, "process already finished");
}

static int op_update(struct request *q)
{
    const struct sn_json *res = sn_json_get(q->v, "resources");
    return keeper_rt_update(q->k, q->c, res);
}

static int op_delete(struct request *q)
{
    int r = keeper_rt_delete(q->k, q->c);
    ctr_free(q->k, q->c);
    return r;
}

static int op_reopen(struct request *q) { return keeper_log_open(q->c); }

static int op_resize(struct request *q)
{
    struct winsize ws = {.ws_col = (unsigned short)sn_json_i64_or(sn_json_get(q->v, "w"), 80),
                         .ws_row = (unsigned short)sn_json_i64_or(sn_json_get(q->v, "h"), 24)};
    if (!q->c->tty || q->c->in.fd < 0)
        return sn_fail(SN_E_FAILED_PRECONDITION, "container has no terminal");
    return ioctl(q->c->in.fd, TIOCSWINSZ, &ws) < 0 ? sn_fail_errno(errno, "resize") : 0;
}

static int op_attach(struct request *q)
{
    if (q->c->state == KEEPER_EXITED)
        return sn_fail(SN_E_FAILED_PRECONDITION, "container is not running");
    return keeper_attach(q->k, q->c, &q->pass_fd);
}

static int op_list(struct request *q)
{
    static const char *const states[] = {"created", "running", "exited"};
    sn_jsonw_key(q->w, SN_STR("containers"));
    sn_jsonw_array(q->w);
    SN_LIST_EACH (&q->k->ctrs, it) {
        struct keeper_ctr *c = SN_LIST_ENTRY(it, struct keeper_ctr, link);
        sn_jsonw_object(q->w);
        sn_jsonw_kstr(q->w, "id", sn_str(c->id));
        sn_jsonw_kstr(q->w, "state", sn_str(states[c->state]));
        sn_jsonw_ki64(q->w, "pid", c->pid);
        sn_jsonw_ki64(q->w, "code", c->code);
        sn_jsonw_ki64(q->w, "started", c->started_ns);
        sn_jsonw_ki64(q->w, "exited", c->exited_ns);
        sn_jsonw_kbool(q->w, "oom", c->oom);
        sn_jsonw_object_end(q->w);
    }
    sn_jsonw_array_end(q->w);
    return 0;
}

static int op_quit(struct request *q)
{
    q->k->quit = true;
    return 0;
}

static int dispatch(struct request *q)
{
    static const struct {
        const char *op;
        bool container;
        int (*fn)(struct request *q);
    } ops[] = {{"create", false, op_create}, {"start", true, op_start},
               {"exec", true, op_exec},      {"kill", true, op_kill},
               {"update", true, op_update},  {"delete", true, op_delete},
               {"reopen", true, op_reopen},  {"resize", true, op_resize},
               {"attach", true, op_attach},  {"list", false, op_list},
               {"quit", false, op_quit}};
    struct sn_str op = str_of(q, "op");
    for (size_t i = 0; i < SN_COUNT_OF(ops); i++) {
        if (!sn_str_eqc(op, ops[i].op)) continue;
        q->c = ops[i].container ? keeper_find(q->k, str_of(q, "id")) : NULL;
        if (ops[i].container && !q->c) return sn_fail(SN_E_NOT_FOUND, "container does not exist");
        return ops[i].fn(q);
    }
    return sn_fail(SN_E_UNIMPLEMENTED, "no request \"%.*s\"", SN_STR_ARG(op));
}

/* ---- the daemon's connections ---- */

static void client_close(struct keeper *k, struct keeper_src *s)
{
    keeper_unwatch(k, s);
    close(s->fd);
    s->fd = -1;
}

static void answer(struct keeper *k, struct keeper_src *s, struct sn_str text, struct request *q)
{
    struct sn_arena a;
    struct sn_jsonw w;
    char diag[SN_DIAG_BYTES + 64];
    sn_arena_init(&a, NULL, 4u << 20);
    q->a = &a;
    int r = sn_json_parse(&a, text, NULL, &q->v);
    struct sn_buf *b = &k->scratch;
    struct sn_buf out;
    sn_buf_init(&out, KEEPER_MESSAGE_MAX);
    sn_jsonw_init(&w, &out, NULL);
    q->w = &w;
    sn_jsonw_object(&w);
    sn_jsonw_ki64(&w, "seq", r < 0 ? 0 : sn_json_i64_or(sn_json_get(q->v, "seq"), 0));
    if (r >= 0) r = dispatch(q);
    sn_jsonw_ki64(&w, "err", r < 0 ? r : 0);
    if (r < 0) sn_jsonw_kstr(&w, "msg", sn_str(sn_diag_format(r, diag, sizeof diag)));
    sn_jsonw_object_end(&w);
    sn_buf_reset(b);
    if (out.err >= 0 && s->fd >= 0) send_text(s->fd, sn_buf_view(&out), q->pass_fd);
    if (q->pass_fd >= 0) close(q->pass_fd);
    sn_buf_done(&out);
    sn_arena_done(&a);
}

static void on_client(struct keeper *k, struct keeper_src *s)
{
    static char buf[KEEPER_MESSAGE_MAX];
    char ctl[CMSG_SPACE(FDS_MAX * sizeof(int))];
    struct iovec iov = {buf, sizeof buf};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = ctl,
                       .msg_controllen = sizeof ctl};
    ssize_t n = recvmsg(s->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC); /* banned: no fibers */
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0 || m.msg_flags & MSG_TRUNC) return client_close(k, s);
    struct request q = {.k = k, .pass_fd = -1};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    if (h && h->cmsg_type == SCM_RIGHTS) {
        q.n_fds = (unsigned)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(q.fds, CMSG_DATA(h), q.n_fds * sizeof(int));
    }
    answer(k, s, sn_str_of(buf, (size_t)n), &q);
    for (unsigned i = 0; i < q.n_fds; i++) close(q.fds[i]);
}

static void on_connect(struct keeper *k)
{
    int fd = accept4(k->listener.fd, NULL, NULL, SOCK_CLOEXEC); /* banned: no fibers */
    if (fd < 0) return;
    for (unsigned i = 0; i < KEEPER_CLIENTS_MAX; i++) {
        if (k->client[i].fd >= 0) continue;
        k->client[i] = (struct keeper_src){K_CLIENT, fd, k};
        if (keeper_watch(k, &k->client[i], EPOLLIN) < 0) break;
        return;
    }
    close(fd);
}

/* ---- ended processes ---- */

static void tell_exit(struct keeper *k, const char *id, const char *key, int code, int64_t at,
                      bool oom)
{
    struct sn_jsonw w;
    sn_buf_reset(&k->scratch);
    sn_jsonw_init(&w, &k->scratch, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "event", SN_STR("exit"));
    sn_jsonw_kstr(&w, "id", sn_str(id));
    sn_jsonw_kstr(&w, "key", sn_str(key));
    sn_jsonw_ki64(&w, "code", code);
    sn_jsonw_ki64(&w, "at", at);
    sn_jsonw_kbool(&w, "oom", oom);
    sn_jsonw_object_end(&w);
    if (k->scratch.err >= 0) broadcast(k, sn_buf_view(&k->scratch));
}

static void ctr_ended(struct keeper *k, struct keeper_ctr *c, int code)
{
    uint64_t kills = 0;
    if (c->oom_src.fd >= 0 && sn_cgroup_oom_read(&c->watch, &kills) == 0 && kills) c->oom = true;
    c->state = KEEPER_EXITED;
    c->code = code;
    c->exited_ns = keeper_now();
    keeper_io_ended(k, c);
    tell_exit(k, c->id, "", code, c->exited_ns, c->oom);
}

static void on_ended(struct keeper *k, pid_t pid, int code)
{
    SN_LIST_EACH (&k->ctrs, it) {
        struct keeper_ctr *c = SN_LIST_ENTRY(it, struct keeper_ctr, link);
        if (c->pid == pid && c->state != KEEPER_EXITED) return ctr_ended(k, c, code);
    }
    SN_LIST_EACH (&k->execs, it) {
        struct keeper_exec *e = SN_LIST_ENTRY(it, struct keeper_exec, link);
        if (e->pid != pid) continue;
        tell_exit(k, e->ctr, e->key, code, keeper_now(), false);
        sn_list_del(&e->link);
        k->n_execs--;
        sn_free(e);
        return;
    }
}

static void on_signals(struct keeper *k)
{
    struct signalfd_siginfo info[16];
    int status;
    pid_t pid;
    if (read(k->signals.fd, info, sizeof info) < 0) return;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        on_ended(k, pid, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

/* ---- the process ---- */

/* A socket's path has 107 bytes, a pod's folder may be longer: its descriptor stands for it. */
static int listen_at(const char *dir)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int folder = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return sn_fail_errno(errno, "open %s", dir);
    snprintf(at.sun_path, sizeof at.sun_path, "/proc/self/fd/%d/keeper.sock", folder);
    (void)unlink(at.sun_path);
    int fd =
        socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); /* banned: no fibers */
    int err =
        fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 16) < 0 ? errno : 0;
    close(folder);
    if (!err) return fd;
    if (fd >= 0) close(fd);
    return sn_fail_errno(err, "%s/keeper.sock", dir);
}

static int open_all(struct keeper *k)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    k->epoll = epoll_create1(EPOLL_CLOEXEC);
    int sig = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), at = listen_at(k->dir);
    if (k->epoll < 0 || sig < 0) return sn_fail(SN_E_FILES, "keeper: descriptors");
    if (at < 0) return at;
    k->signals = (struct keeper_src){K_SIGNALS, sig, k};
    k->listener = (struct keeper_src){K_LISTENER, at, k};
    for (unsigned i = 0; i < KEEPER_CLIENTS_MAX; i++) k->client[i].fd = -1;
    int r = keeper_watch(k, &k->signals, EPOLLIN);
    return r < 0 ? r : keeper_watch(k, &k->listener, EPOLLIN);
}

static void loop(struct keeper *k)
{
    struct epoll_event e[1]; /* one: handling an event may close what another one is about */
    while (!k->quit) {
        int n = epoll_wait(k->epoll, e, 1, -1); /* banned: no fibers */
        if (n <= 0) continue;
        struct keeper_src *s = e[0].data.ptr;
        if (s->kind == K_SIGNALS)
            on_signals(k);
        else if (s->kind == K_LISTENER)
            on_connect(k);
        else if (s->kind == K_CLIENT)
            on_client(k, s);
        else
            keeper_io_event(k, s, e[0].events);
    }
    SN_LIST_EACH (&k->ctrs, it) {
        struct keeper_ctr *c = SN_LIST_ENTRY(it, struct keeper_ctr, link);
        (void)keeper_rt_delete(k, c);
        ctr_free(k, c);
    }
}

/* The daemon reads one line from standard output and then its end: the pod is there, or why not. */
static void report(int r, pid_t pause, bool shm)
{
    char text[SN_DIAG_BYTES + 128], diag[SN_DIAG_BYTES];
    struct sn_buf b;
    struct sn_jsonw w;
    sn_buf_init_fixed(&b, text, sizeof text);
    sn_jsonw_init(&w, &b, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_ki64(&w, "err", r < 0 ? r : 0);
    sn_jsonw_ki64(&w, "pause", pause);
    sn_jsonw_kbool(&w, "shm", shm);
    if (r < 0) sn_jsonw_kstr(&w, "msg", sn_str(sn_diag_format(r, diag, sizeof diag)));
    sn_jsonw_object_end(&w);
    if (b.err < 0 || write(1, b.ptr, b.len) < 0) _exit(1); /* banned: no fibers */
    int null = open("/dev/null", O_RDWR);
    if (null >= 0) {
        (void)dup2(null, 0);
        (void)dup2(null, 1);
        if (null > 2) close(null);
    }
}

int sn_keeper_run(const struct sn_keeper_opts *o)
{
    static struct keeper k;
    pid_t pause = 0;
    k.dir = o->dir;
    sn_list_init(&k.ctrs);
    sn_list_init(&k.execs);
    (void)setsid();
    (void)!chdir("/");
    int r = strlen(o->dir) <= KEEPER_DIR_MAX
                ? open_all(&k)
                : sn_fail(SN_E_TOO_LARGE, "the pod's folder %s: its path has more than %u bytes",
                          o->dir, KEEPER_DIR_MAX);
    if (r >= 0) {
        /* Where everything is mounted is looked up once, not by every container. */
        k.have_cgroups = sn_cgroup_probe(&k.cgroups, NULL) == 0;
        r = keeper_namespaces(o, &pause);
    }
    k.shm = r >= 0 && o->shm_bytes ? keeper_shm(o) : -1;
    report(r, pause, k.shm >= 0);
    if (r < 0) return 1;
    k.protect_fd = sn_oci_protect_open();
    loop(&k);
    return 0;
}

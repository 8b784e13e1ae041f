/* SPDX-License-Identifier: Apache-2.0 */
/* cri/exec.c - processes in running containers: ExecSync, and the start of a streamed exec. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clusters/cri/cri_int.h"

#define DRAIN_CHUNK (16u << 10)
#define KILL_NS (5 * SN_SEC)
#define DRAIN_NS (2 * SN_SEC) /* for output that a process' children still hold open */

int cri_exec_start(struct cri_ctr *c, const struct cri_exec_opts *o, struct cri_exec *e)
{
    static _Atomic uint64_t next;
    struct sn_arena a;
    struct sn_buf b;
    struct cri_msg m;
    const struct sn_json *v;
    if (!o->n) return sn_fail(SN_E_INVALID_ARGUMENT, "cmd: expected a command");
    if (c->state != CRI_RUNNING) return sn_fail(SN_E_FAILED_PRECONDITION, "container %s is not running", c->id);
    *e = (struct cri_exec){.code = -1};
    snprintf(e->key, sizeof e->key, "e%llu", (unsigned long long)++next);
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&b, CRI_KEEPER_MESSAGE_MAX);
    int r = cri_process_write(c, o->cmd, o->n, o->tty, &a, &b);
    if (r >= 0) {
        sn_mutex_lock_always(&c->pod->s->mu);
        sn_list_push_back(&c->pod->execs, &e->link); /* its end may come before the answer */
        sn_mutex_unlock(&c->pod->s->mu);
        cri_msg_begin(&m, "exec", c->id);
        sn_jsonw_kstr(&m.w, "key", sn_str(e->key));
        sn_jsonw_kstr(&m.w, "process", sn_buf_view(&b));
        sn_jsonw_kbool(&m.w, "tty", o->tty);
        m.fds = o->fds;
        m.n_fds = o->tty ? 0 : 3;
        m.ret_fd = o->ret_console;
        r = cri_keeper_call(c->pod, &m, &a, &v);
        if (r < 0) cri_exec_done(c, e);
    }
    sn_buf_done(&b);
    sn_arena_done(&a);
    return r;
}

void cri_exec_done(struct cri_ctr *c, struct cri_exec *e)
{
    sn_mutex_lock_always(&c->pod->s->mu);
    if (sn_list_linked(&e->link)) sn_list_del(&e->link);
    sn_mutex_unlock(&c->pod->s->mu);
}

struct drain {
    int fd;
    struct sn_buf *out;
    bool over;
};

/* Everything up to the end; beyond the limit it is read and dropped, so that the process goes on. */
static int drain(void *arg)
{
    struct drain *d = arg;
    char *buf = sn_alloc(DRAIN_CHUNK);
    while (buf) {
        ssize_t n = read(d->fd, buf, DRAIN_CHUNK);
        if (n > 0) {
            size_t room = CRI_EXEC_SYNC_BYTES_MAX - d->out->len;
            sn_buf_put(d->out, buf, SN_MIN((size_t)n, room));
            continue;
        }
        if (n < 0 && errno == EINTR) continue;
        /* A failed wait is somebody who gave up: what came counts. */
        if (n == 0 || errno != EAGAIN || sn_fd_wait(d->fd, EPOLLIN) < 0) break;
    }
    sn_free(buf);
    return 0;
}

struct kill_job {
    struct cri_ctr *c;
    struct cri_exec *e;
};
static int kill_it(void *arg)
{
    struct kill_job *j = arg;
    int r = cri_keeper_kill(j->c, j->e->key, SIGKILL, false);
    return r < 0 ? r : sn_event_wait(&j->e->ended);
}

static int wait_ended(struct cri_ctr *c, struct cri_exec *e, int64_t timeout_ns)
{
    int r = timeout_ns > 0 ? sn_event_wait_until(&e->ended, sn_now() + timeout_ns) : sn_event_wait(&e->ended);
    if (r >= 0) return 0;
    (void)!sn_shield(KILL_NS, kill_it, &(struct kill_job){c, e}); /* it is gone when the caller is answered */
    return r;
}

static int run_sync(struct cri_ctr *c, const struct runtime_v1_exec_sync_request *q, struct sn_buf out[2], int *ret_code)
{
    int p[2][2], r = 0;
    if (pipe2(p[0], O_CLOEXEC) < 0) return sn_fail_errno(errno, "pipe");
    if (pipe2(p[1], O_CLOEXEC) < 0) {
        int err = errno;
        close(p[0][0]), close(p[0][1]);
        return sn_fail_errno(err, "pipe");
    }
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct cri_exec e;
    r = null < 0 ? sn_fail_errno(errno, "/dev/null") : 0;
    if (r >= 0)
        r = cri_exec_start(c, &(struct cri_exec_opts){.cmd = q->cmd.ptr, .n = q->cmd.len, .fds = {null, p[0][1], p[1][1]}}, &e);
    if (null >= 0) close(null);
    close(p[0][1]);
    close(p[1][1]);
    if (r >= 0) {
        struct sn_scope_storage mem;
        struct drain d[2] = {{p[0][0], &out[0], false}, {p[1][0], &out[1], false}};
        struct sn_scope *sc = sn_scope_begin(&mem);
        for (int i = 0; i < 2 && r >= 0; i++) {
            (void)fcntl(p[i][0], F_SETFL, O_NONBLOCK);
            r = sn_scope_go(sc, "exec output", drain, &d[i]);
        }
        int w = wait_ended(c, &e, q->timeout > 0 && q->timeout < 1 << 30 ? q->timeout * SN_SEC : 0);
        if (r >= 0) r = w;
        int64_t prev = sn_deadline_tighten(sn_now() + DRAIN_NS);
        if (r < 0) sn_scope_cancel(sc);
        int end = sn_scope_end(sc);
        sn_deadline_restore(prev);
        if (r >= 0 && end < 0 && end != SN_E_CANCELLED && end != SN_E_DEADLINE_EXCEEDED) r = end;
        cri_exec_done(c, &e);
        *ret_code = e.code;
    }
    close(p[0][0]);
    close(p[1][0]);
    return r;
}

static int exec_sync(struct sn_grpc_call *call, const struct runtime_v1_exec_sync_request *q, struct runtime_v1_exec_sync_response **ret)
{
    struct cri_ctr *c;
    struct sn_buf out[2];
    int code = 0, r = cri_ctr_get(call->arg, call, q->container_id, &c);
    if (r < 0) return r;
    sn_buf_init(&out[0], 0);
    sn_buf_init(&out[1], 0);
    r = run_sync(c, q, out, &code);
    if (r == SN_E_DEADLINE_EXCEEDED)
        r = sn_grpc_fail(call, r, "command timed out after %lld seconds", (long long)q->timeout);
    else if (r < 0) r = cri_fail(call, r);
    if (r >= 0) {
        *ret = SN_ARENA_NEW(call->arena, struct runtime_v1_exec_sync_response);
        if (*ret) {
            (*ret)->stdout_ = sn_arena_str(call->arena, sn_buf_view(&out[0]));
            (*ret)->stderr_ = sn_arena_str(call->arena, sn_buf_view(&out[1]));
            (*ret)->exit_code = code;
        } else {
            r = SN_E_NOMEM;
        }
    }
    sn_buf_done(&out[0]);
    sn_buf_done(&out[1]);
    cri_ctr_unref(c);
    return r;
}

/* ---- URLs ---- */

static struct cri_stream *stream_new(const char *id)
{
    struct cri_stream *st = SN_NEW(struct cri_stream);
    if (!st) return NULL;
    sn_arena_init(&st->arena, NULL, 0);
    snprintf(st->id, sizeof st->id, "%s", id);
    return st;
}

static void stream_free(struct cri_stream *st)
{
    if (!st) return;
    sn_arena_done(&st->arena);
    sn_free(st);
}

static int give_url(struct sn_grpc_call *call, struct cri_stream *st, struct sn_str *ret)
{
    int r = st ? cri_stream_url(call->arg, st, call->arena, ret) : SN_E_NOMEM;
    if (r >= 0) return 0;
    stream_free(st);
    return cri_fail(call, r);
}

static int check_streams(struct sn_grpc_call *call, bool in, bool out, bool err, bool tty)
{
    if (!in && !out && !err) return sn_grpc_fail(call, SN_E_INVALID_ARGUMENT, "expected one of stdin, stdout, stderr");
    if (tty && err) return sn_grpc_fail(call, SN_E_INVALID_ARGUMENT, "tty and stderr exclude each other");
    return 0;
}

static int running(struct sn_grpc_call *call, struct sn_str id, struct cri_ctr **ret)
{
    int r = cri_ctr_get(call->arg, call, id, ret);
    if (r < 0 || (*ret)->state == CRI_RUNNING) return r;
    cri_ctr_unref(*ret);
    return sn_grpc_fail(call, SN_E_FAILED_PRECONDITION, "container \"%.*s\" is not running", SN_STR_ARG(id));
}

static int exec_url(struct sn_grpc_call *call, const struct runtime_v1_exec_request *q, struct runtime_v1_exec_response **ret)
{
    struct cri_ctr *c;
    int r = check_streams(call, q->stdin_, q->stdout_, q->stderr_, q->tty);
    if (r >= 0) r = running(call, q->container_id, &c);
    if (r < 0) return r;
    struct cri_stream *st = stream_new(c->id);
    cri_ctr_unref(c);
    *ret = SN_ARENA_NEW(call->arena, struct runtime_v1_exec_response);
    if (st && *ret) {
        st->kind = CRI_STREAM_EXEC;
        st->in = q->stdin_, st->out = q->stdout_, st->err = q->stderr_, st->tty = q->tty;
        st->cmd = SN_ARENA_ARRAY(&st->arena, struct sn_str, q->cmd.len + 1);
        for (uint32_t i = 0; st->cmd && i < q->cmd.len; i++) st->cmd[st->n_cmd++] = sn_arena_str(&st->arena, q->cmd.ptr[i]);
    }
    return *ret ? give_url(call, st, &(*ret)->url) : SN_E_NOMEM;
}

static int attach_url(struct sn_grpc_call *call, const struct runtime_v1_attach_request *q, struct runtime_v1_attach_response **ret)
{
    struct cri_ctr *c;
    int r = check_streams(call, q->stdin_, q->stdout_, q->stderr_, q->tty);
    if (r >= 0) r = running(call, q->container_id, &c);
    if (r < 0) return r;
    struct cri_stream *st = stream_new(c->id);
    if (st) {
        st->kind = CRI_STREAM_ATTACH;
        st->in = q->stdin_, st->out = q->stdout_, st->err = q->stderr_, st->tty = c->config->tty;
    }
    cri_ctr_unref(c);
    *ret = SN_ARENA_NEW(call->arena, struct runtime_v1_attach_response);
    return *ret ? give_url(call, st, &(*ret)->url) : SN_E_NOMEM;
}

static int forward_url(struct sn_grpc_call *call, const struct runtime_v1_port_forward_request *q,
                       struct runtime_v1_port_forward_response **ret)
{
    struct cri_pod *p;
    int r = cri_pod_get(call->arg, call, q->pod_sandbox_id, &p);
    if (r < 0) return r;
    bool ready = p->ready;
    struct cri_stream *st = ready ? stream_new(p->id) : NULL;
    if (st) st->kind = CRI_STREAM_FORWARD;
    cri_pod_unref(p);
    if (!ready) return sn_grpc_fail(call, SN_E_FAILED_PRECONDITION, "pod sandbox \"%.*s\" is not ready", SN_STR_ARG(q->pod_sandbox_id));
    *ret = SN_ARENA_NEW(call->arena, struct runtime_v1_port_forward_response);
    return *ret ? give_url(call, st, &(*ret)->url) : SN_E_NOMEM;
}

void cri_handlers_exec(struct runtime_v1_runtime_service_handlers *h)
{
    h->exec_sync = exec_sync;
    h->exec = exec_url;
    h->attach = attach_url;
    h->port_forward = forward_url;
}

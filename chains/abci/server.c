/* SPDX-License-Identifier: Apache-2.0 */
/* abci/server.c - see server.h: listening, and connections whose requests are answered one by one.
 */
#include "abci/server_int.h"

#include <stdio.h>

#include "core/alloc.h"
#include "fiber/os.h"
#include "kit/log.h"

SN_LOG_MODULE("abci");

#define ADDR_DEFAULT "tcp://127.0.0.1:26658"

struct sn_abci_server {
    struct sn_abci_app *app;
    struct sn_abci_server_opts o;
    struct sn_listener *l;
    struct abci_grpc *grpc;
    struct sn_scope *scope; /* of accepting fibers and connections */
    struct sn_event stop;
    unsigned conns; /* __atomic */
};

struct sn_abci_app *abci_server_app(const struct sn_abci_server *s) { return s->app; }

int sn_abci_addr(const char *text, char *out, size_t cap)
{
    struct sn_str t = sn_str(text), path = t;
    ssize_t at = sn_str_find(t, SN_STR("://"));
    int n;
    if (at >= 0) path = sn_str_from(t, (size_t)at + 3);
    if (at < 0 || sn_str_eqc(sn_str_sub(t, 0, (size_t)at), "tcp"))
        n = sn_str_starts(path, SN_STR("unix:")) || sn_str_starts(path, SN_STR("tcp:"))
                ? snprintf(out, cap, "%.*s", SN_STR_ARG(path))
                : snprintf(out, cap, "tcp:%.*s", SN_STR_ARG(path));
    else if (sn_str_eqc(sn_str_sub(t, 0, (size_t)at), "unix"))
        n = snprintf(out, cap, "unix:%.*s", SN_STR_ARG(path));
    else
        return sn_fail(SN_E_SYNTAX, "%s: expected tcp://HOST:PORT or unix://PATH", text);
    if (n >= 0 && (size_t)n < cap) return 0;
    return sn_fail(SN_E_TOO_LARGE, "%s: an address of more than %zu bytes", text, cap - 1);
}

/* ---- reading and answering ---------------------------------------------------------------------
 */

static size_t message_max(const struct sn_abci_server *s)
{
    return s->o.message_max ? s->o.message_max : SN_ABCI_MESSAGE_MAX;
}

static struct sn_str unread(const struct abci_conn *c)
{
    return sn_str_from(sn_buf_view(&c->in), c->off);
}

int abci_conn_next(struct abci_conn *c, struct sn_str *ret_body)
{
    ssize_t n = sn_abci_frame(unread(c), message_max(c->s), ret_body, NULL);
    if (n > 0) c->off += (size_t)n;
    return n > 0 ? 1 : (int)n;
}

int abci_conn_read(struct abci_conn *c)
{
    struct sn_str body;
    size_t want;
    sn_buf_consume(&c->in, c->off);
    c->off = 0;
    if (c->in.len == 0 && c->in.cap > KEEP_BYTES) sn_buf_done(&c->in);
    ssize_t n = sn_abci_frame(sn_buf_view(&c->in), message_max(c->s), &body, &want);
    if (n < 0) return (int)n;
    /* Room grows with what has come, not with what a length has promised. */
    want = want > c->in.len ? SN_MIN(want - c->in.len, c->in.len) : 0;
    want = SN_MAX(want, (size_t)READ_BYTES);
    if (c->in.cap - c->in.len < READ_BYTES / 2 && sn_buf_reserve(&c->in, want) < 0)
        return c->in.err;
    n = sn_read(c->st, c->in.ptr + c->in.len, c->in.cap - c->in.len);
    if (n <= 0) return n < 0 ? (int)n : SN_E_EOF;
    c->in.len += (size_t)n;
    return 0;
}

int abci_answer_failure(int r, struct sn_buf *out)
{
    char why[SN_DIAG_BYTES + 64];
    sn_diag_format(r, why, sizeof(why));
    SN_LOG_WARN("exception", SN_L("error", why));
    int e = sn_abci_put_exception(out, sn_str(why));
    return e < 0 ? e : r;
}

int abci_answer(struct sn_abci_app *app, enum sn_abci_method m, const void *req, struct sn_arena *a,
                struct sn_buf *out)
{
    void *res;
    int r = sn_abci_app_try(app, m, req, a, &res);
    if (r >= 0) r = sn_abci_put_response(out, m, res);
    return r < 0 ? abci_answer_failure(r, out) : 0;
}

static int flush(struct abci_conn *c, struct sn_buf *out)
{
    if (!out->len) return 0;
    ssize_t n = sn_write(c->st, out->ptr, out->len);
    if (out->cap > KEEP_BYTES)
        sn_buf_done(out);
    else
        sn_buf_reset(out);
    return n < 0 ? (int)n : 0;
}

static int in_turn(struct abci_conn *c, struct sn_buf *out, struct sn_arena *a)
{
    struct sn_str body;
    void *req;
    for (;;) {
        int r = abci_conn_next(c, &body);
        if (r == 0) {
            if ((r = flush(c, out)) >= 0) r = abci_conn_read(c);
            if (r < 0) return r;
            continue;
        }
        int m = r < 0 ? r : sn_abci_parse_request(body, 0, a, &req);
        if (m < 0)
            r = abci_answer_failure(m, out);
        else
            r = abci_answer(c->s->app, (enum sn_abci_method)m, req, a, out);
        sn_arena_reset(a);
        if (r < 0 || out->len >= WRITE_BYTES) {
            int w = flush(c, out);
            if (r < 0 || w < 0) return r < 0 ? r : w;
        }
    }
}

static int conn_main(void *arg)
{
    struct abci_conn *c = arg;
    struct sn_buf out = {0};
    struct sn_arena a;
    int r;
    sn_arena_init(&a, NULL, 0);
    if (c->s->app->parallel > 1)
        r = abci_conn_parallel(c);
    else
        r = in_turn(c, &out, &a);
    if (r != SN_E_EOF && r != SN_E_CANCELLED) SN_LOG_WARN("connection closed", SN_L_ERR(r));
    sn_arena_done(&a);
    sn_buf_done(&out);
    sn_buf_done(&c->in);
    sn_stream_close(c->st);
    __atomic_sub_fetch(&c->s->conns, 1, __ATOMIC_RELAXED);
    sn_free(c);
    return 0; /* one connection's end is no other's */
}

/* ---- listening ---------------------------------------------------------------------------------
 */

static void begin(struct sn_abci_server *s, struct sn_stream *st)
{
    unsigned max = s->o.conns_max ? s->o.conns_max : SN_ABCI_CONNS_MAX;
    struct abci_conn *c = NULL;
    if (__atomic_add_fetch(&s->conns, 1, __ATOMIC_RELAXED) > max)
        SN_LOG_WARN("one connection too many", SN_L("limit", max));
    else
        c = SN_NEW(struct abci_conn);
    if (c) {
        *c = (struct abci_conn){.s = s, .st = st};
        if (sn_scope_go(s->scope, "abci conn", conn_main, c) >= 0) return;
    }
    sn_free(c);
    sn_stream_close(st);
    __atomic_sub_fetch(&s->conns, 1, __ATOMIC_RELAXED);
}

static int accept_main(void *arg)
{
    struct sn_abci_server *s = arg;
    struct sn_stream *st;
    int r;
    while ((r = sn_accept(s->l, &st)) >= 0) begin(s, st);
    return r == SN_E_CLOSED || r == SN_E_CANCELLED ? 0 : r;
}

static int grpc_main(void *arg)
{
    struct sn_abci_server *s = arg;
    struct sn_listener *l = s->l;
    s->l = NULL; /* the HTTP server's from here */
    return abci_grpc_serve(s->grpc, l);
}

int sn_abci_server_run(struct sn_abci_server *s)
{
    struct sn_scope_storage mem;
    int r = 0;
    s->scope = sn_scope_begin(&mem);
    if (s->grpc) r = sn_scope_go(s->scope, "abci grpc", grpc_main, s);
    /* A connection stays on the worker that took it, so each takes its own. */
    for (unsigned i = 0; !s->grpc && i < sn_worker_count() && r >= 0; i++)
        r = sn_scope_go_on(s->scope, i, "abci accept", accept_main, s);
    if (r >= 0) r = sn_event_wait(&s->stop);
    if (s->grpc) abci_grpc_stop(s->grpc);
    sn_scope_cancel(s->scope);
    int e = sn_scope_end(s->scope);
    if (r >= 0 && e < 0 && e != SN_E_CANCELLED) r = e;
    return r;
}

void sn_abci_server_stop(struct sn_abci_server *s) { sn_event_set(&s->stop); }

int sn_abci_server_new(struct sn_abci_app *app, const struct sn_abci_server_opts *o,
                       struct sn_abci_server **ret)
{
    static const struct sn_abci_server_opts none;
    char addr[SN_ABCI_ADDR_MAX];
    if (app->parallel > SN_ABCI_PARALLEL_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "parallel: %u requests at a time, limit %u",
                       app->parallel, SN_ABCI_PARALLEL_MAX);
    if (!o) o = &none;
    int r = sn_abci_addr(o->addr ? o->addr : ADDR_DEFAULT, addr, sizeof(addr));
    if (r < 0) return r;
    struct sn_abci_server *s = SN_NEW(struct sn_abci_server);
    if (!s) return SN_E_NOMEM;
    s->app = app;
    s->o = *o;
    if (o->grpc) r = abci_grpc_new(app, message_max(s), &s->grpc);
    if (r >= 0) r = sn_listen(addr, &(struct sn_listen_opts){.unix_mode = o->unix_mode}, &s->l);
    if (r < 0) {
        sn_abci_server_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

int sn_abci_server_addr(struct sn_abci_server *s, char *out, size_t cap)
{
    return sn_listener_addr(s->l, out, cap);
}

void sn_abci_server_free(struct sn_abci_server *s)
{
    if (!s) return;
    if (s->l) sn_listener_close(s->l);
    abci_grpc_free(s->grpc);
    sn_free(s);
}

static void stop_on_signal(void *arg)
{
    static const int wanted[] = {SIGTERM, SIGINT, 0};
    if (sn_signal_wait(wanted) > 0) sn_abci_server_stop(arg);
}

int sn_abci_serve(struct sn_abci_app *app, const struct sn_abci_server_opts *o)
{
    struct sn_scope_storage mem;
    struct sn_abci_server *s;
    char at[128] = "";
    int r = sn_abci_server_new(app, o, &s);
    if (r < 0) return r;
    (void)sn_abci_server_addr(s, at, sizeof(at));
    SN_LOG_INFO("listening", SN_L("app", app->name ? app->name : "app"), SN_L("address", at),
                SN_L("transport", s->grpc ? "grpc" : "socket"));
    struct sn_scope *sc = sn_scope_begin(&mem);
    r = sn_go("signals", stop_on_signal, s);
    if (r >= 0) r = sn_abci_server_run(s);
    sn_scope_cancel(sc);
    (void)sn_scope_end(sc);
    sn_abci_server_free(s);
    return r;
}

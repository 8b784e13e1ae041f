/* SPDX-License-Identifier: Apache-2.0 */
/* app/self_test.c - a generated service's own test: starts it and calls everything; see daemon.h.
 */
#include <signal.h>
#include <stdio.h>

#include "app/daemon.h"
#include "kit/grpc.h"
#include "kit/http.h"
#include "kit/jwt.h"
#include "kit/log.h"
#include "wire/pb.h"

#define BODY_BYTES_MAX (1u << 20)
#define SECRET "a secret of the test, 32 bytes or more"

struct test {
    const struct sn_daemon_app *app;
    const void *conf;
    struct sn_daemon *d;
    struct sn_arena arena;
    struct sn_str token;
    unsigned passed, failed, skipped;
};

static void result(struct test *t, const char *name, const char *what, const char *why)
{
    if (why)
        printf("FAIL %s (%s): %s\n", name, what, why);
    else
        printf("ok %s (%s)\n", name, what);
    *(why ? &t->failed : &t->passed) += 1;
}

/* ---- REST ---- */

/* Sends what `q` says; returns the status, or a failure. ret_body may be NULL. */
static int send_request(struct test *t, const struct sn_rest_route *r,
                        const struct sn_rest_request *q, bool with_token, struct sn_str *ret_body)
{
    struct sn_http_headers h = {0};
    struct sn_http_resp *resp;
    struct sn_str url =
        sn_arena_printf(&t->arena, "http://%s%.*s", t->d->addr, SN_STR_ARG(q->target));
    int e = url.ptr ? 0 : SN_E_NOMEM;
    for (unsigned i = 0; i < q->headers.len && e == 0; i++)
        e = sn_http_headers_add(&h, &t->arena, q->headers.ptr[i].name, q->headers.ptr[i].value);
    if (e == 0 && with_token && r->jwt)
        e = sn_http_headers_add(&h, &t->arena, SN_STR("authorization"), t->token);
    if (e < 0) return e;
    struct sn_http_call call = {.method = sn_str(r->m->method),
                                .url = url,
                                .headers = h.ptr,
                                .n_headers = h.len,
                                .body = q->body};
    e = sn_http_do(t->d->http, &call, &resp);
    if (e < 0) return e;
    e = resp->status;
    struct sn_str body = {0};
    int got = ret_body ? sn_http_resp_all(resp, BODY_BYTES_MAX, &body) : 0;
    if (ret_body && got == 0) *ret_body = sn_arena_str(&t->arena, body);
    sn_http_resp_close(resp);
    return got < 0 ? got : e;
}
/* Whether it was the handler that answered. Its own failures are JSON with a code; so are those of
 * what stands before it, but for 400 and 405, "no such path", and what governance says in plain
 * text. */
static bool by_handler(struct test *t, int status, struct sn_str body)
{
    const struct sn_json *v = NULL;
    if (status >= 200 && status < 400) return true;
    if (status < 0 || status == 400 || status == 405 ||
        sn_json_parse(&t->arena, body, NULL, &v) < 0)
        return false;
    return sn_json_get(v, "code") &&
           !sn_str_eqc(sn_json_str(sn_json_get(v, "message")), "no such path");
}
static bool must_have(const struct sn_rest_struct *st)
{
    for (uint32_t i = 0; st && i < st->n_fields; i++) {
        const struct sn_rest_field *f = &st->fields[i];
        /* A variable of the path is always there; a struct may be made of what may be absent. */
        if (f->where != SN_REST_IN_PATH && !f->optional && !f->def &&
            f->type->kind != SN_REST_STRUCT)
            return true;
    }
    return false;
}
static const char *status_text(struct test *t, int status)
{
    return status < 0 ? sn_arena_printf(&t->arena, "%s", sn_diag_str(status)).ptr
                      : sn_arena_printf(&t->arena, "status %d", status).ptr;
}
static int test_route(struct test *t, const struct sn_rest_route *r)
{
    const struct sn_rest_method *m = r->m;
    struct sn_rest_request q;
    void *req = sn_arena_zalloc(&t->arena, m->req ? SN_MAX(m->req->size, (size_t)1) : 1);
    int e = req ? 0 : SN_E_NOMEM;
    if (e == 0 && m->req) e = sn_rest_sample(m->req, &t->arena, 0, req);
    if (e == 0) e = sn_rest_request(m, req, &t->arena, &q);
    if (e == SN_E_INVALID_ARGUMENT) { /* a variable of the path that the request does not have */
        printf("SKIP %s: %s\n", m->name, sn_diag_str(e));
        t->skipped++;
        return 0;
    }
    if (e < 0) return e;
    struct sn_str body = {0};
    int status = send_request(t, r, &q, true, &body);
    result(t, m->name, "a valid request reaches its handler",
           by_handler(t, status, body) ? NULL : status_text(t, status));
    if (r->jwt) {
        status = send_request(t, r, &q, false, NULL);
        result(t, m->name, "refused without a token",
               status == 401 ? NULL : status_text(t, status));
    }
    if (!must_have(m->req)) return 0;
    static struct sn_http_header json[] = {
        {SN_STR_INIT("content-type"), SN_STR_INIT("application/json")}};
    ssize_t query = sn_str_chr(q.target, '?');
    if (query >= 0) q.target.len = (size_t)query;
    q.headers = (struct sn_http_headers){json, q.body.ptr ? 1 : 0, 0};
    if (q.body.ptr) q.body = SN_STR("{}");
    status = send_request(t, r, &q, true, NULL);
    result(t, m->name, "an empty request is refused",
           status == 400 ? NULL : status_text(t, status));
    return 0;
}
static int test_paths(struct test *t)
{
    static const struct {
        const char *path;
        int status;
    } rows[] = {{"/healthz", 200}, {"/readyz", 200}};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_str url = sn_arena_printf(&t->arena, "http://%s%s", t->d->addr, rows[i].path),
                      body;
        int status = 0,
            e = url.ptr ? sn_http_get(t->d->http, url, &t->arena, &status, &body) : SN_E_NOMEM;
        if (e < 0) status = e;
        result(t, rows[i].path, "answers",
               status == rows[i].status ? NULL : status_text(t, status));
    }
    return 0;
}

/* ---- gRPC ---- */

static int test_grpc(struct test *t)
{
    struct sn_grpc_channel *ch;
    int e = sn_grpc_channel_new(t->d->addr, NULL, &ch);
    for (size_t i = 0; e == 0 && t->app->services[i]; i++) {
        const struct sn_pb_service *s = t->app->services[i];
        for (uint32_t k = 0; k < s->n_methods; k++) {
            const struct sn_pb_method *m = &s->methods[k];
            const char *name = sn_arena_printf(&t->arena, "%.*s", SN_STR_ARG(m->path)).ptr;
            struct sn_str answer;
            struct sn_grpc_opts o = {.timeout_ns = 5 * SN_SEC, .no_retry = true};
            if (m->client_streaming || m->server_streaming) {
                printf("SKIP %s: a stream needs a conversation\n", name);
                t->skipped++;
                continue;
            }
            int r = sn_grpc_unary_raw(ch, m->path, (struct sn_str){0}, &t->arena, &answer, &o);
            bool bad = r == SN_E_UNAVAILABLE || r == SN_E_DEADLINE_EXCEEDED || r == SN_E_INTERNAL ||
                       r == SN_E_UNKNOWN;
            result(t, name, "an empty request is answered", bad ? sn_diag_str(r) : NULL);
        }
    }
    if (e == 0) sn_grpc_channel_free(ch);
    return e;
}

/* ---- the service ---- */

static int run_tests(struct sn_daemon *d, void *arg)
{
    struct test *t = arg;
    t->d = d;
    int r = test_paths(t);
    for (unsigned i = 0; i < t->app->n_routes && r == 0; i++) r = test_route(t, &t->app->routes[i]);
    if (r == 0 && t->app->grpc) r = test_grpc(t);
    sn_daemon_stop(d);
    return r;
}
static int main_fiber(void *arg)
{
    struct test *t = arg;
    return sn_daemon_run(t->app, t->conf, run_tests, t);
}
/* A key set of every name that a route asks for, and a token of all of them. */
static int keys(struct test *t, struct sn_daemon_conf *base)
{
    struct sn_buf b;
    struct sn_jwt_keys *k = sn_jwt_keys_new();
    base->jwt = SN_ARENA_ARRAY(&t->arena, struct sn_daemon_jwt, SN_MAX(t->app->n_routes, 1u));
    if (!k || !base->jwt) return SN_E_NOMEM;
    for (unsigned i = 0; i < t->app->n_routes; i++) {
        const char *name = t->app->routes[i].jwt;
        bool before = !name;
        for (size_t n = 0; n < base->n_jwt; n++)
            before = before || sn_str_eqc(base->jwt[n].name, name);
        if (!before)
            base->jwt[base->n_jwt++] =
                (struct sn_daemon_jwt){.name = sn_str(name), .secret = SN_STR(SECRET)};
    }
    sn_buf_init(&b, 0);
    sn_buf_cstr(&b, "Bearer ");
    int r = sn_jwt_keys_add_secret(k, SN_JWT_HS256, SN_STR(SECRET), (struct sn_str){0});
    if (r == 0)
        r = sn_jwt_sign(k, SN_JWT_HS256, (struct sn_str){0},
                        SN_STR("{\"sub\":\"test\",\"exp\":4102444800}"), (struct sn_str){0}, &b);
    if (r == 0) t->token = sn_arena_str(&t->arena, sn_buf_view(&b));
    sn_buf_done(&b);
    sn_jwt_keys_unref(k);
    return r < 0 ? r : t->token.ptr ? 0 : SN_E_NOMEM;
}
int sn_daemon_self_test(const struct sn_daemon_app *app, int argc, char **argv)
{
    struct test t = {.app = app};
    struct sn_conf c;
    struct sn_log *log = NULL;
    sn_arena_init(&t.arena, NULL, 0);
    void *conf = sn_arena_zalloc(&t.arena, app->table->size);
    int r = conf ? sn_conf_load(&c, &t.arena, "defaults", (struct sn_str){0}, app->table, conf)
                 : SN_E_NOMEM;
    if (r == 0) {
        struct sn_daemon_conf *base = (void *)((char *)conf + app->base_offset);
        t.conf = conf;
        base->listen = SN_STR("127.0.0.1:0");
        base->settle = 0;
        base->shed = base->breaker = false; /* its failures are wanted */
        r = keys(&t, base);
    }
    if (r == 0)
        r = sn_log_new(&(struct sn_log_opts){.path = argc > 1 ? argv[1] : "/dev/null"}, &log);
    if (r == 0) {
        sn_log_set_default(log);
        signal(SIGPIPE, SIG_IGN);
        r = sn_rt_run(&(struct sn_rt_opts){.workers = 2}, main_fiber, &t);
    }
    sn_log_set_default(NULL);
    sn_log_free(log);
    if (r < 0) {
        printf("FAIL %s: %s\n", app->name, sn_diag_str(r));
        t.failed++;
    }
    printf("%u passed, %u failed, %u skipped\n", t.passed, t.failed, t.skipped);
    sn_arena_done(&t.arena);
    return t.failed ? 1 : 0;
}

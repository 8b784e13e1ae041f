/* SPDX-License-Identifier: Apache-2.0 */
/* kit/http_test.c - HTTP/1.1 end to end over loopback: our server with our client, and with bytes
 * written by hand. */
#include "kit/http.h"

#include <stdlib.h>

#include "core/alloc.h"
#include "core/buf.h"
#include "core/status.h"
#include "fiber/sync.h"
#include "tests/harness/test.h"

/* ---- a server to test against --------------------------------------------------------------- */

struct env {
    struct sn_http_server *server;
    struct sn_http_client *client;
    struct sn_listener *listener;
    char addr[64], base[96];
    struct sn_http_server_opts so;
    struct sn_http_client_opts co;
    int (*body)(struct env *e);
    struct sn_rt_opts rt;
    unsigned done_calls; /* __atomic */
};

static int echo_body(struct sn_http_x *x)
{
    char buf[4096];
    int s = sn_http_start(x, 200, x->req.content_length);
    if (s < 0) return s;
    for (;;) {
        ssize_t n = sn_http_body_read(x, buf, sizeof(buf));
        if (n <= 0) return (int)n;
        int r = sn_http_write(x, sn_str_of(buf, (size_t)n));
        if (r < 0) return r;
    }
}

static void unwound(int **p) { **p += 1; }
static int unwinds;

static int app(struct sn_http_x *x, void *arg)
{
    struct sn_str p = x->req.path;
    if (sn_str_eqc(p, "/hello"))
        return sn_http_reply(x, 200, SN_STR("text/plain"), SN_STR("hello"));
    if (sn_str_eqc(p, "/empty")) return 0;
    if (sn_str_eqc(p, "/echo")) return echo_body(x);
    if (sn_str_eqc(p, "/ignore"))
        return sn_http_reply(x, 200, (struct sn_str){0}, SN_STR("ignored"));
    if (sn_str_eqc(p, "/fail")) return sn_fail(SN_E_NOT_FOUND, "secret detail");
    if (sn_str_eqc(p, "/panic")) {
        int *mark SN_CLEANUP(unwound) = &unwinds;
        (void)mark;
        sn_panic("deliberate");
    }
    if (sn_str_eqc(p, "/chunked")) {
        int r = sn_http_header_add(x, SN_STR("X-A"), SN_STR("b"));
        if (r >= 0) r = sn_http_start(x, 200, -1);
        if (r >= 0) r = sn_http_write(x, SN_STR("one,"));
        if (r >= 0) r = sn_http_write(x, SN_STR("two"));
        if (r >= 0 && x->req.version > 10) r = sn_http_trailer(x, SN_STR("X-Sum"), SN_STR("7"));
        return r;
    }
    if (sn_str_eqc(p, "/cut")) {
        T_OK(sn_http_start(x, 200, 100));
        T_OK(sn_http_write(x, SN_STR("only this")));
        return SN_E_INTERNAL;
    }
    if (sn_str_eqc(p, "/big")) {
        size_t n = 3 << 20;
        char *b = sn_alloc(n);
        T_ASSERT(b);
        for (size_t i = 0; i < n; i++) b[i] = (char)('a' + i % 26);
        int r = sn_http_reply(x, 200, (struct sn_str){0}, sn_str_of(b, n));
        sn_free(b);
        return r;
    }
    if (sn_str_eqc(p, "/slow")) {
        int r = sn_sleep(50 * SN_MS);
        return r < 0 ? r : sn_http_reply(x, 200, (struct sn_str){0}, SN_STR("slow"));
    }
    if (sn_str_eqc(p, "/query")) return sn_http_reply(x, 200, (struct sn_str){0}, x->req.query);
    if (sn_str_eqc(p, "/head")) {
        for (int i = 0; i < 100; i++) {
            struct sn_str v = sn_arena_printf(x->arena, "%0300d", i);
            int r = v.ptr ? sn_http_header_add(x, SN_STR("X-Many"), v) : SN_E_NOMEM;
            if (r < 0) return r;
        }
        return sn_http_reply(x, 200, (struct sn_str){0}, SN_STR("heavy"));
    }
    if (sn_str_eqc(p, "/hijack")) {
        struct sn_stream *st;
        struct sn_str rest;
        T_OK(sn_http_header_add(x, SN_STR("Upgrade"), SN_STR("echo")));
        T_OK(sn_http_hijack(x, 101, &st, &rest));
        char buf[256];
        if (rest.len) T_OK(sn_write(st, rest.ptr, rest.len));
        ssize_t n;
        while ((n = sn_read(st, buf, sizeof(buf))) > 0) T_OK(sn_write(st, buf, (size_t)n));
        sn_stream_close(st);
        return 0;
    }
    return sn_http_reply(x, 404, SN_STR("text/plain"), SN_STR("no such page\n"));
}

static void on_done(struct sn_http_x *x, int result, void *arg)
{
    struct env *e = arg;
    __atomic_add_fetch(&e->done_calls, 1, __ATOMIC_RELAXED);
}

static int serve(void *arg)
{
    struct env *e = arg;
    return sn_http_serve(e->server, e->listener);
}

static int env_main(void *arg)
{
    struct env *e = arg;
    e->so.handler = e->so.handler ? e->so.handler : app;
    e->so.arg = e->so.arg ? e->so.arg : e;
    if (!e->so.on_done) e->so.on_done = on_done;
    T_OK(sn_listen("127.0.0.1:0", NULL, &e->listener));
    T_OK(sn_listener_addr(e->listener, e->addr, sizeof(e->addr)));
    snprintf(e->base, sizeof(e->base), "http://%s", e->addr);
    T_OK(sn_http_server_new(&e->so, &e->server));
    T_OK(sn_http_client_new(&e->co, &e->client));
    struct sn_scope_storage mem;
    struct sn_scope *scope = sn_scope_begin(&mem);
    T_OK(sn_scope_go(scope, "serve", serve, e));
    int r = e->body(e);
    sn_http_client_free(e->client);
    T_EQ(sn_http_server_drain(e->server, 5 * SN_SEC), 0);
    T_OK(sn_scope_end(scope));
    sn_http_server_free(e->server);
    return r;
}

static void run(struct env *e)
{
    if (!e->rt.workers) e->rt.workers = 1;
    T_OK(sn_rt_run(&e->rt, env_main, e));
}

static struct sn_str url(struct env *e, struct sn_arena *a, const char *path)
{
    return sn_arena_printf(a, "%s%s", e->base, path);
}

/* ---- client and server ---------------------------------------------------------------------- */

static int t_get(struct env *e)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    for (int i = 0; i < 5; i++) {
        struct sn_http_resp *r;
        struct sn_str body;
        struct sn_http_call call = {.url = url(e, &a, "/hello")};
        T_OK(sn_http_do(e->client, &call, &r));
        T_EQ(r->status, 200);
        T_EQ(r->version, 11);
        T_EQ(r->content_length, 5);
        T_EQ(r->reused, i > 0);
        T_STR(sn_http_headers_get(&r->headers, SN_STR("content-type")), "text/plain");
        T_ASSERT(sn_http_headers_get(&r->headers, SN_STR("date")).len == SN_HTTP_DATE_LEN);
        T_OK(sn_http_resp_all(r, 100, &body));
        T_STR(body, "hello");
        sn_http_resp_close(r);
    }
    struct sn_http_server_stats st;
    sn_http_server_stats(e->server, &st);
    T_EQ(st.requests, 5);
    T_EQ(st.conns_total, 1);
    T_EQ(e->done_calls, 5);
    sn_arena_done(&a);
    return 0;
}
SN_TEST(http_get_keepalive)
{
    struct env e = {.body = t_get};
    run(&e);
}

struct page {
    const char *path, *body;
    int status;
};
static int t_pages(struct env *e)
{
    static const struct page pages[] = {
        {"/empty", "", 200},          {"/nope", "no such page\n", 404},
        {"/fail", "NOT_FOUND\n", 404}, {"/panic", "PANIC\n", 500},
        {"/chunked", "one,two", 200}, {"/query?a=b%20c", "a=b%20c", 200},
        {"/head", "heavy", 200},      {"/slow", "slow", 200},
    };
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    for (size_t i = 0; i < SN_COUNT_OF(pages); i++) {
        sn_test_row("%s", pages[i].path);
        struct sn_http_resp *r;
        struct sn_str body;
        struct sn_http_call call = {.url = url(e, &a, pages[i].path)};
        T_OK(sn_http_do(e->client, &call, &r));
        T_EQ(r->status, pages[i].status);
        T_OK(sn_http_resp_all(r, 1000, &body));
        T_STR(body, pages[i].body);
        if (i == 4) T_STR(sn_http_headers_get(&r->trailers, SN_STR("x-sum")), "7");
        if (i == 6) T_EQ(r->headers.len, 102);
        sn_http_resp_close(r);
    }
    T_EQ(unwinds, 1);
    struct sn_http_server_stats st;
    sn_http_server_stats(e->server, &st);
    T_EQ(st.panics, 1);
    sn_arena_done(&a);
    return 0;
}
SN_TEST(http_pages)
{
    struct env e = {.body = t_pages};
    run(&e);
}

struct gen {
    size_t left, sent;
};
static ssize_t gen_body(void *arg, void *buf, size_t cap)
{
    struct gen *g = arg;
    size_t n = SN_MIN(g->left, cap);
    for (size_t i = 0; i < n; i++) ((char *)buf)[i] = (char)('a' + (g->sent + i) % 26);
    g->left -= n;
    g->sent += n;
    return (ssize_t)n;
}

static void check_alphabet(struct sn_str body, size_t n)
{
    T_EQ(body.len, n);
    for (size_t i = 0; i < n; i++)
        if (body.ptr[i] != (char)('a' + i % 26))
            T_ASSERTF(0, "byte %zu of %zu differs: %.30s", i, n, body.ptr + i);
}

/* Bodies of many sizes, whole, streamed with and without a length, echoed back while still sent. */
static int t_echo(struct env *e)
{
    static const size_t sizes[] = {0, 1, 100, 4096, 16384, 70000, 1 << 20};
    char *whole = sn_alloc(1 << 20);
    for (size_t i = 0; i < 1 << 20; i++) whole[i] = (char)('a' + i % 26);
    for (size_t i = 0; i < SN_COUNT_OF(sizes); i++)
        for (int mode = 0; mode < 3; mode++) {
            sn_test_row("%zu bytes, mode %d", sizes[i], mode);
            struct sn_arena a;
            sn_arena_init(&a, NULL, 0);
            struct gen g = {.left = sizes[i]};
            struct sn_http_call call = {.method = SN_STR("POST"), .url = url(e, &a, "/echo")};
            if (mode == 0) call.body = sn_str_of(whole, sizes[i]);
            if (mode > 0) {
                /* A whole body this large would deadlock with an echo: that is what body_fn is for.
                 */
                call.body_fn = gen_body;
                call.body_arg = &g;
                call.body_length = mode == 1 ? (int64_t)sizes[i] : -1;
            }
            if (mode == 0 && sizes[i] > 100000) {
                sn_arena_done(&a);
                continue;
            }
            struct sn_http_resp *r;
            struct sn_str body;
            T_OK(sn_http_do(e->client, &call, &r));
            T_EQ(r->status, 200);
            T_OK(sn_http_resp_all(r, 2 << 20, &body));
            check_alphabet(body, sizes[i]);
            sn_http_resp_close(r);
            sn_arena_done(&a);
        }
    sn_free(whole);
    return 0;
}
SN_TEST(http_echo_bodies)
{
    struct env e = {.body = t_echo};
    run(&e);
}

static int t_big(struct env *e)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    struct sn_http_resp *r;
    struct sn_str body;
    struct sn_http_call call = {.url = url(e, &a, "/big")};
    T_OK(sn_http_do(e->client, &call, &r));
    T_OK(sn_http_resp_all(r, 4 << 20, &body));
    check_alphabet(body, 3 << 20);
    sn_http_resp_close(r);
    /* A limit on the reader's side. */
    T_OK(sn_http_do(e->client, &call, &r));
    T_EQ(sn_http_resp_all(r, 1000, &body), SN_E_TOO_LARGE);
    sn_http_resp_close(r);
    /* A truncated body is an error, not a short body. */
    call.url = url(e, &a, "/cut");
    T_OK(sn_http_do(e->client, &call, &r));
    int n = sn_http_resp_all(r, 1000, &body);
    T_ASSERTF(n == SN_E_EOF || n == SN_E_RESET, "got %d", n);
    sn_http_resp_close(r);
    call.method = SN_STR("HEAD");
    call.url = url(e, &a, "/hello");
    T_OK(sn_http_do(e->client, &call, &r));
    T_EQ(r->content_length, 5);
    T_OK(sn_http_resp_all(r, 1000, &body));
    T_EQ(body.len, 0);
    sn_http_resp_close(r);
    sn_arena_done(&a);
    return 0;
}
SN_TEST(http_big_cut_head)
{
    struct env e = {.body = t_big};
    run(&e);
}

static int t_errors(struct env *e)
{
    struct sn_http_resp *r;
    struct sn_http_call call = {.url = SN_STR("http://127.0.0.1:1/")};
    T_EQ(sn_http_do(e->client, &call, &r), SN_E_REFUSED);
    T_ASSERT(strstr(sn_diag_str(SN_E_REFUSED), "127.0.0.1:1"));
    static const char *const bad[] = {"ftp://a/", "http://", "http:///x", "http://a b/",
                                      "http://a/ b", "http://a:0/", "http://a:99999/", "x"};
    for (size_t i = 0; i < SN_COUNT_OF(bad); i++) {
        sn_test_row("%s", bad[i]);
        call.url = sn_str(bad[i]);
        T_EQ(sn_http_do(e->client, &call, &r), SN_E_SYNTAX);
    }
    static const char *const secret[] = {"http://u:hunter2@a/", "redis://u:hunter2@a/",
                                         "http://u:hunter2@a:0/", "http://u@hunter2@a b/x"};
    for (size_t i = 0; i < SN_COUNT_OF(secret); i++) {
        sn_test_row("%s", secret[i]);
        call.url = sn_str(secret[i]);
        T_EQ(sn_http_do(e->client, &call, &r), SN_E_SYNTAX);
        T_ASSERT(!strstr(sn_diag_str(SN_E_SYNTAX), "hunter2"));
        T_ASSERT(strstr(sn_diag_str(SN_E_SYNTAX), "***@a"));
    }
    struct sn_http_header h = {SN_STR_INIT("X"), SN_STR_INIT("a\r\nInjected: b")};
    call =
        (struct sn_http_call){.url = SN_STR("http://127.0.0.1:1/"), .headers = &h, .n_headers = 1};
    T_EQ(sn_http_do(e->client, &call, &r), SN_E_INVALID_ARGUMENT);
    return 0;
}
SN_TEST(http_client_errors)
{
    struct env e = {.body = t_errors};
    run(&e);
}

/* ---- by hand -------------------------------------------------------------------------------- */

/* Sends `text` and reads until the end of the stream or `until` has arrived. */
static void raw(struct env *e, const char *text, size_t n, const char *until, struct sn_buf *out)
{
    struct sn_stream *st;
    T_OK(sn_dial(e->addr, NULL, &st));
    T_OK(sn_write(st, text, n));
    char buf[4096];
    int64_t prev = sn_deadline_tighten(sn_now() + 5 * SN_SEC);
    for (;;) {
        ssize_t r = sn_read(st, buf, sizeof(buf));
        T_ASSERTF(r != SN_E_DEADLINE_EXCEEDED, "no answer to %.60s; have %.*s", text, (int)out->len,
                  (char *)out->ptr);
        if (r <= 0) break;
        sn_buf_put(out, buf, (size_t)r);
        if (until && strstr(sn_buf_cz(out), until)) break;
    }
    sn_deadline_restore(prev);
    sn_stream_close(st);
}

static int count(const char *s, const char *what)
{
    int n = 0;
    for (; (s = strstr(s, what)); s += strlen(what)) n++;
    return n;
}

static int t_pipeline(struct env *e)
{
    struct sn_buf in = {0}, out = {0};
    for (int i = 0; i < 500; i++) sn_buf_cstr(&in, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    sn_buf_cstr(&in, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nxyz"
                     "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "3\r\nuvw\r\n0\r\n\r\n"
                     "POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde"
                     "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    raw(e, (char *)in.ptr, in.len, NULL, &out);
    const char *s = sn_buf_cz(&out);
    T_EQ(count(s, "HTTP/1.1 200 OK"), 504);
    T_ASSERT(strstr(s, "xyz") && strstr(s, "3\r\nuvw\r\n0\r\n\r\n") && strstr(s, "ignored"));
    T_EQ(count(s, "Connection: close"), 1);
    sn_buf_done(&in);
    sn_buf_done(&out);
    return 0;
}
SN_TEST(http_pipelining)
{
    struct env e = {.body = t_pipeline};
    run(&e);
}

struct refusal {
    const char *what, *bytes;
    const char *expect;
};
static const struct refusal refusals[] = {
    {"garbage", "\x16\x03\x01\x02\x05\r\n\r\n", "HTTP/1.1 400 "},
    {"cl+te",
     "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: "
     "chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
     "HTTP/1.1 400 "},
    {"two lengths",
     "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
     "HTTP/1.1 400 "},
    {"no host", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
    {"fold", "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", "HTTP/1.1 400 "},
    {"version", "GET / HTTP/3.0\r\nHost: a\r\n\r\n", "HTTP/1.1 505 "},
    {"coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
     "HTTP/1.1 501 "},
    {"bad chunk", "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
     "HTTP/1.1 "},
    {"expect", "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: x\r\nContent-Length: 1\r\n\r\na",
     "HTTP/1.1 417 "},
    {"1.0", "GET /hello HTTP/1.0\r\n\r\n", "Connection: close"},
    {"1.0 chunked reply", "GET /chunked HTTP/1.0\r\n\r\n", "one,two"},
    {"1.0 keep", "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /hello HTTP/1.0\r\n\r\n",
     "Connection: keep-alive"},
};

static int t_refusals(struct env *e)
{
    for (size_t i = 0; i < SN_COUNT_OF(refusals); i++) {
        sn_test_row("%s", refusals[i].what);
        struct sn_buf out = {0};
        raw(e, refusals[i].bytes, strlen(refusals[i].bytes), NULL, &out);
        T_ASSERTF(strstr(sn_buf_cz(&out), refusals[i].expect), "answered %s", sn_buf_cz(&out));
        T_ASSERT(!strstr(sn_buf_cz(&out), "secret"));
        if (strncmp(refusals[i].expect, "HTTP/1.1 4", 10) == 0)
            T_EQ(count(sn_buf_cz(&out), "HTTP/1.1 4"), 1);
        sn_buf_done(&out);
    }
    /* 431 and 414 */
    struct sn_buf in = {0}, out = {0};
    sn_buf_cstr(&in, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    for (int i = 0; i < 100000; i++) sn_buf_byte(&in, 'x');
    raw(e, (char *)in.ptr, in.len, "\r\n\r\n", &out);
    T_ASSERT(strstr(sn_buf_cz(&out), "HTTP/1.1 431 "));
    sn_buf_reset(&in);
    sn_buf_reset(&out);
    sn_buf_cstr(&in, "GET /");
    for (int i = 0; i < 40000; i++) sn_buf_byte(&in, 'x');
    raw(e, (char *)in.ptr, in.len, "\r\n\r\n", &out);
    T_ASSERT(strstr(sn_buf_cz(&out), "HTTP/1.1 414 "));
    sn_buf_done(&in);
    sn_buf_done(&out);
    return 0;
}
SN_TEST(http_refusals)
{
    struct env e = {.body = t_refusals};
    run(&e);
}

static int t_large_head(struct env *e)
{
    /* A head that outgrows the first buffer and arrives in pieces is fine below the limit. */
    struct sn_buf in = {0}, out = {0};
    sn_buf_cstr(&in,
                "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 6\r\nX: ");
    for (int i = 0; i < 60000; i++) sn_buf_byte(&in, 'x');
    sn_buf_cstr(&in, "\r\n\r\nabcdef");
    raw(e, (char *)in.ptr, in.len, NULL, &out);
    T_ASSERT(strstr(sn_buf_cz(&out), "\r\n\r\nabcdef"));
    sn_buf_done(&in);
    sn_buf_done(&out);
    return 0;
}
SN_TEST(http_large_head)
{
    struct env e = {.body = t_large_head};
    run(&e);
}

static int t_slowloris(struct env *e)
{
    struct sn_buf out = {0};
    const char *half = "GET /hello HTTP/1.1\r\nHost: a\r\nX-";
    int64_t t0 = sn_now();
    raw(e, half, strlen(half), NULL, &out);
    T_ASSERT(strstr(sn_buf_cz(&out), "HTTP/1.1 408 "));
    T_ASSERT(sn_now() - t0 >= 50 * SN_MS);
    sn_buf_reset(&out);
    raw(e, "", 0, NULL, &out); /* says nothing at all: the idle limit closes it */
    T_EQ(out.len, 0);
    sn_buf_done(&out);
    return 0;
}
SN_TEST(http_slowloris_and_idle)
{
    struct env e = {.body = t_slowloris,
                    .so = {.head_ns_max = 60 * SN_MS, .idle_ns = 80 * SN_MS}};
    run(&e);
}

static int t_continue(struct env *e)
{
    struct sn_stream *st;
    T_OK(sn_dial(e->addr, NULL, &st));
    const char *head =
        "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n"
        "Connection: close\r\n\r\n";
    T_OK(sn_write(st, head, strlen(head)));
    char buf[1024];
    /* /echo starts its response first, so the server must answer without the interim response
     * having been promised; it reads the body all the same. */
    T_OK(sn_write(st, "body", 4));
    size_t n = 0;
    ssize_t r;
    while ((r = sn_read(st, buf + n, sizeof(buf) - 1 - n)) > 0) n += (size_t)r;
    buf[n] = 0;
    T_ASSERT(strstr(buf, "\r\n\r\nbody"));
    sn_stream_close(st);
    /* A handler that ignores the body: the connection is closed, no 100. */
    struct sn_buf out = {0};
    head = "POST /ignore HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    raw(e, head, strlen(head), NULL, &out);
    T_ASSERT(!strstr(sn_buf_cz(&out), "100 Continue"));
    T_ASSERT(strstr(sn_buf_cz(&out), "Connection: close"));
    sn_buf_done(&out);
    return 0;
}
SN_TEST(http_expect_continue)
{
    struct env e = {.body = t_continue};
    run(&e);
}

static int t_hijack(struct env *e)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    static const struct sn_http_header up[] = {{SN_STR_INIT("Connection"), SN_STR_INIT("Upgrade")},
                                               {SN_STR_INIT("Upgrade"), SN_STR_INIT("echo")}};
    struct sn_http_call call = {.url = url(e, &a, "/hijack"), .headers = up, .n_headers = 2};
    struct sn_http_resp *r;
    T_OK(sn_http_do(e->client, &call, &r));
    T_EQ(r->status, 101);
    struct sn_stream *st;
    struct sn_str rest;
    T_OK(sn_http_resp_hijack(r, &st, &rest));
    T_OK(sn_write(st, "ping", 4));
    char buf[4];
    T_OK(sn_read_full(st, buf, 4));
    T_ASSERT(memcmp(buf, "ping", 4) == 0);
    sn_stream_close(st);
    sn_http_resp_close(r);
    sn_arena_done(&a);
    return 0;
}
SN_TEST(http_hijack)
{
    struct env e = {.body = t_hijack};
    run(&e);
}

/* Limits on bodies: announced and unannounced. */
static int t_body_limit(struct env *e)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    for (int mode = 0; mode < 2; mode++) {
        struct gen g = {.left = 5000};
        struct sn_http_call call = {.method = SN_STR("POST"), .url = url(e, &a, "/all"),
                                    .body_fn = gen_body, .body_arg = &g,
                                    .body_length = mode ? -1 : 5000};
        struct sn_http_resp *r;
        T_OK(sn_http_do(e->client, &call, &r));
        T_EQ(r->status, 413);
        sn_http_resp_close(r);
    }
    sn_arena_done(&a);
    return 0;
}
static int all_app(struct sn_http_x *x, void *arg)
{
    struct sn_str body;
    int r = sn_http_body_all(x, 1 << 20, &body);
    return r < 0 ? r : sn_http_reply(x, 200, (struct sn_str){0}, body);
}
SN_TEST(http_body_limit)
{
    struct env e = {.body = t_body_limit, .so = {.handler = all_app, .body_bytes_max = 1000}};
    run(&e);
}

/* Many fibers, several workers, all pages at once. */
struct crowd {
    struct env *e;
    unsigned seed, ok;
};
static int crowd_one(void *arg)
{
    struct crowd *c = arg;
    struct sn_http_client *client;
    T_OK(sn_http_client_new(NULL, &client));
    for (int i = 0; i < 50; i++) {
        struct sn_arena a;
        sn_arena_init(&a, NULL, 0);
        struct gen g = {.left = (c->seed * 7919u + (unsigned)i * 104729u) % 30000};
        size_t n = g.left;
        struct sn_http_call call = {.method = SN_STR("POST"), .url = url(c->e, &a, "/echo"),
                                    .body_fn = gen_body, .body_arg = &g,
                                    .body_length = i & 1 ? -1 : (int64_t)n};
        struct sn_http_resp *r;
        struct sn_str body;
        T_OK(sn_http_do(client, &call, &r));
        T_OK(sn_http_resp_all(r, 1 << 20, &body));
        check_alphabet(body, n);
        sn_http_resp_close(r);
        sn_arena_done(&a);
        c->ok++;
    }
    sn_http_client_free(client);
    return 0;
}
static int t_crowd(struct env *e)
{
    struct crowd c[20];
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    for (unsigned i = 0; i < SN_COUNT_OF(c); i++) {
        c[i] = (struct crowd){.e = e, .seed = i};
        T_OK(sn_scope_go(s, "crowd", crowd_one, &c[i]));
    }
    T_OK(sn_scope_end(s));
    for (unsigned i = 0; i < SN_COUNT_OF(c); i++) T_EQ(c[i].ok, 50);
    return 0;
}
SN_TEST_SLOW(http_crowd, 60)
{
    struct env e = {.body = t_crowd, .rt = {.workers = 2}};
    run(&e);
}

/* ---- the same over HTTP/2 ------------------------------------------------------------------- */

static int t_get_h2(struct env *e)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    for (int i = 0; i < 5; i++) {
        struct sn_http_resp *r;
        struct sn_str body;
        struct sn_http_call call = {.url = url(e, &a, "/hello")};
        T_OK(sn_http_do(e->client, &call, &r));
        T_EQ(r->status, 200);
        T_EQ(r->version, 20);
        T_EQ(r->content_length, 5);
        T_OK(sn_http_resp_all(r, 100, &body));
        T_STR(body, "hello");
        sn_http_resp_close(r);
        if (i == 2) T_OK(sn_sleep(500 * SN_MS)); /* long enough for both ends to park */
    }
    struct sn_http_server_stats st;
    sn_http_server_stats(e->server, &st);
    T_EQ(st.conns_total, 1);
    T_EQ(st.h2_streams, 5);
    sn_arena_done(&a);
    return 0;
}
SN_TEST(http2_get_and_park)
{
    struct env e = {.body = t_get_h2, .co = {.h2_prior_knowledge = true}};
    run(&e);
}
SN_TEST(http2_pages)
{
    struct env e = {.body = t_pages, .co = {.h2_prior_knowledge = true}};
    run(&e);
}
SN_TEST(http2_echo_bodies)
{
    struct env e = {.body = t_echo, .co = {.h2_prior_knowledge = true}};
    run(&e);
}
SN_TEST(http2_big_cut_head)
{
    struct env e = {.body = t_big, .co = {.h2_prior_knowledge = true}};
    run(&e);
}
SN_TEST(http2_body_limit)
{
    struct env e = {.body = t_body_limit,
                    .so = {.handler = all_app, .body_bytes_max = 1000},
                    .co = {.h2_prior_knowledge = true}};
    run(&e);
}

static int shared_one(void *arg)
{
    struct crowd *c = arg;
    for (int i = 0; i < 40; i++) {
        struct sn_arena a;
        sn_arena_init(&a, NULL, 0);
        struct gen g = {.left = (c->seed * 7919u + (unsigned)i * 104729u) % 60000};
        size_t n = g.left;
        struct sn_http_call call = {.method = SN_STR("POST"), .url = url(c->e, &a, "/echo"),
                                    .body_fn = gen_body, .body_arg = &g,
                                    .body_length = i & 1 ? -1 : (int64_t)n};
        struct sn_http_resp *r;
        struct sn_str body;
        T_OK(sn_http_do(c->e->client, &call, &r));
        if (i % 7 == 3) { /* lose interest */
            sn_http_resp_close(r);
        } else {
            T_OK(sn_http_resp_all(r, 1 << 20, &body));
            check_alphabet(body, n);
            sn_http_resp_close(r);
        }
        sn_arena_done(&a);
        c->ok++;
    }
    return 0;
}
static int t_shared(struct env *e)
{
    struct crowd c[20];
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    for (unsigned i = 0; i < SN_COUNT_OF(c); i++) {
        c[i] = (struct crowd){.e = e, .seed = i};
        T_OK(sn_scope_go(s, "crowd", shared_one, &c[i]));
    }
    T_OK(sn_scope_end(s));
    for (unsigned i = 0; i < SN_COUNT_OF(c); i++) T_EQ(c[i].ok, 40);
    return 0;
}
SN_TEST_SLOW(http2_shared_connection, 60)
{
    struct env e = {.body = t_shared, .co = {.h2_prior_knowledge = true}, .rt = {.workers = 2}};
    run(&e);
}
SN_TEST_SLOW(http1_shared_client, 60)
{
    struct env e = {.body = t_shared, .rt = {.workers = 2}};
    run(&e);
}

/* ---- faults --------------------------------------------------------------------------------- */

static int64_t torture_left; /* allocations until the one that fails; < 0: none */
static bool torture_fail(size_t size) { return torture_left >= 0 && torture_left-- == 0; }
static const struct sn_alloc_hooks torture_hooks = {.fail = torture_fail};

/* The k-th allocation of a call (either side's) fails, for every k until a call gets through
 * untouched: a clean error each time, and the next call works. */
static int t_torture(struct env *e)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    static const char *const paths[] = {"/hello", "/echo", "/chunked", "/head"};
    for (size_t p = 0; p < SN_COUNT_OF(paths); p++)
        for (int k = 0;; k++) {
            sn_test_row("%s, allocation %d", paths[p], k);
            T_ASSERT(k < 2000);
            struct gen g = {.left = 20000};
            struct sn_http_call call = {.method = SN_STR("POST"), .url = url(e, &a, paths[p]),
                                        .body_fn = gen_body, .body_arg = &g, .body_length = -1};
            struct sn_http_resp *r;
            struct sn_str body;
            int64_t prev = sn_deadline_tighten(sn_now() + 5 * SN_SEC);
            torture_left = k;
            sn_alloc_set_hooks(&torture_hooks);
            int n = sn_http_do(e->client, &call, &r);
            if (n >= 0) {
                n = sn_http_resp_all(r, 1 << 20, &body);
                sn_http_resp_close(r);
            }
            bool untouched = torture_left >= 0;
            sn_alloc_set_hooks(NULL);
            sn_deadline_restore(prev);
            T_ASSERTF(n != SN_E_DEADLINE_EXCEEDED, "hangs");
            if (untouched) {
                T_OK(n);
                break;
            }
            call = (struct sn_http_call){.url = url(e, &a, "/hello")};
            T_OK(sn_http_do(e->client, &call, &r));
            T_OK(sn_http_resp_all(r, 100, &body));
            T_STR(body, "hello");
            sn_http_resp_close(r);
            sn_arena_reset(&a);
        }
    sn_arena_done(&a);
    return 0;
}
SN_TEST_SLOW(http_torture, 60)
{
    struct env e = {.body = t_torture};
    run(&e);
}
SN_TEST_SLOW(http2_torture, 60)
{
    struct env e = {.body = t_torture, .co = {.h2_prior_knowledge = true}};
    run(&e);
}

/* A drain lets what runs finish, refuses what is new, and cuts what does not end. */
struct slow_call {
    struct env *e;
    const char *path;
    int result, status;
};
static int slow_main(void *arg)
{
    struct slow_call *c = arg;
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    struct sn_http_call call = {.url = url(c->e, &a, c->path)};
    struct sn_http_resp *r;
    c->result = sn_http_do(c->e->client, &call, &r);
    if (c->result >= 0) {
        struct sn_str body;
        c->status = r->status;
        c->result = sn_http_resp_all(r, 1000, &body);
        sn_http_resp_close(r);
    }
    sn_arena_done(&a);
    return 0;
}
static int drain_app(struct sn_http_x *x, void *arg)
{
    if (sn_str_eqc(x->req.path, "/stuck")) {
        char c;
        ssize_t n;
        int r = sn_http_start(x, 200, -1);
        if (r >= 0) r = sn_http_flush(x);
        while (r >= 0 && (r = sn_http_write(x, SN_STR("tick"))) >= 0)
            if ((r = sn_sleep(5 * SN_MS)) < 0) break;
        n = sn_http_body_read(x, &c, 1);
        return n < 0 ? (int)n : r;
    }
    return app(x, arg);
}
static int t_drain(struct env *e)
{
    struct slow_call slow = {.e = e, .path = "/slow"}, stuck = {.e = e, .path = "/stuck"};
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_scope_go(s, "slow", slow_main, &slow));
    T_OK(sn_scope_go(s, "stuck", slow_main, &stuck));
    T_OK(sn_sleep(20 * SN_MS));
    T_EQ(sn_http_server_drain(e->server, 200 * SN_MS), 1);
    T_OK(sn_scope_end(s));
    T_EQ(slow.status, 200);
    T_OK(slow.result);
    T_ASSERT(stuck.result < 0);
    struct sn_stream *st;
    T_EQ(sn_dial(e->addr, NULL, &st), SN_E_REFUSED);
    return 0;
}
/* Who asks again soon after an answer that let it is answered, and told there; who says nothing keeps the
 * drain no longer than its grace, nor than half a second. */
struct drainer {
    struct sn_http_server *s;
    int64_t grace, took, cut;
};
static int drainer_main(void *arg)
{
    struct drainer *d = arg;
    int64_t t0 = sn_now();
    d->cut = sn_http_server_drain(d->s, d->grace);
    d->took = sn_now() - t0;
    return 0;
}
static void ask_raw(struct sn_stream *st, const char *want)
{
    static const char ask[] = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
    char buf[1024];
    size_t n = 0;
    T_OK(sn_write(st, ask, sizeof(ask) - 1));
    while (n < 5 || memcmp(buf + n - 5, "hello", 5) != 0) {
        ssize_t k = sn_read(st, buf + n, sizeof(buf) - 1 - n);
        T_ASSERTF(k > 0, "read: %zd", k);
        n += (size_t)k;
    }
    buf[n] = 0;
    T_ASSERTF((strstr(buf, "Connection: close") != NULL) == (want != NULL), "%s", buf);
}
static int t_drain_invited(struct env *e)
{
    struct sn_stream *asks, *silent, *fresh;
    struct drainer d = {.s = e->server, .grace = 30 * SN_SEC};
    struct sn_scope_storage mem;
    char c;
    T_OK(sn_dial(e->addr, NULL, &asks));
    T_OK(sn_dial(e->addr, NULL, &silent));
    ask_raw(asks, NULL);
    ask_raw(silent, NULL);
    T_OK(sn_dial(e->addr, NULL, &fresh)); /* accepted, and yet to say anything */
    struct sn_http_server_stats st = {0};
    while (st.conns_total < 3) {
        T_OK(sn_sleep(SN_MS));
        sn_http_server_stats(e->server, &st);
    }
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_scope_go(s, "drain", drainer_main, &d));
    T_OK(sn_sleep(20 * SN_MS)); /* several sweeps */
    ask_raw(asks, "close");
    ask_raw(fresh, "close");
    T_EQ(sn_read(asks, &c, 1), 0);
    T_EQ(sn_read(fresh, &c, 1), 0);
    T_EQ(sn_read(silent, &c, 1), 0);
    T_OK(sn_scope_end(s));
    T_EQ(d.cut, 0);
    T_ASSERTF(d.took >= 300 * SN_MS && d.took < 20 * SN_SEC, "%lld ns", (long long)d.took);
    sn_stream_close(asks);
    sn_stream_close(silent);
    sn_stream_close(fresh);
    return 0;
}
SN_TEST(http_drain_keeps_its_promise)
{
    struct env e = {.body = t_drain_invited};
    run(&e);
}
static int t_drain_short(struct env *e)
{
    struct sn_stream *st;
    struct drainer d = {.s = e->server, .grace = 30 * SN_MS};
    char c;
    T_OK(sn_dial(e->addr, NULL, &st));
    ask_raw(st, NULL);
    drainer_main(&d);
    T_ASSERT(sn_read(st, &c, 1) <= 0);
    sn_stream_close(st);
    return 0;
}
SN_TEST(http_drain_ends_with_its_grace)
{
    struct env e = {.body = t_drain_short};
    run(&e);
}

SN_TEST(http_drain)
{
    struct env e = {.body = t_drain, .so = {.handler = drain_app}};
    run(&e);
}
SN_TEST(http2_drain)
{
    struct env e = {.body = t_drain, .so = {.handler = drain_app}};
    e.co.h2_prior_knowledge = true;
    run(&e);
}

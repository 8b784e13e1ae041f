/* SPDX-License-Identifier: Apache-2.0 */
/* kit/http_edge_test.c - what happens beside the plain exchange: request trailers, interim
 * responses, extended CONNECT and WebSockets over it. The h2 peer here is a bare session on a
 * socket, so that its frames can be counted and held back. */
#include <stdlib.h>

#include "core/alloc.h"
#include "core/buf.h"
#include "core/status.h"
#include "fiber/sync.h"
#include "kit/http.h"
#include "tests/harness/h2_bare.h"
#include "tests/harness/test.h"

struct edge {
    struct sn_http_server *server;
    struct sn_http_client *client;
    struct sn_listener *listener;
    struct sn_http_server_opts so;
    struct sn_http_client_opts co;
    char addr[64];
    int (*body)(struct edge *e);
    int64_t ping_ns;
    int close_code;
    struct sn_event closed;
    bool close_first; /* /stream: closes its stream and only then returns */
};

/* ---- the server ----------------------------------------------------------------------------- */

static void on_message(struct sn_ws *ws, enum sn_ws_kind kind, struct sn_str data, void *arg)
{
    if (sn_str_eqc(data, "close"))
        sn_ws_close(ws, 4001, SN_STR("bye"));
    else
        T_OK(sn_ws_write(ws, kind, data));
}
static void on_close(struct sn_ws *ws, int code, void *arg)
{
    struct edge *e = arg;
    e->close_code = code;
    sn_event_set(&e->closed);
}

/* "BODY|NAME=VALUE;..." with the trailers behind the bar. */
static int tell_trailers(struct sn_http_x *x)
{
    struct sn_str body;
    struct sn_buf b = {0};
    int r = sn_http_body_all(x, 1 << 20, &body);
    if (r < 0) return r;
    sn_buf_printf(&b, "%.*s|", SN_STR_ARG(body));
    for (unsigned i = 0; i < x->req.trailers.len; i++)
        sn_buf_printf(&b, "%.*s=%.*s;", SN_STR_ARG(x->req.trailers.ptr[i].name),
                      SN_STR_ARG(x->req.trailers.ptr[i].value));
    r = sn_http_reply(x, 200, SN_STR("text/plain"), sn_buf_view(&b));
    sn_buf_done(&b);
    return r;
}

static int stream_echo(struct sn_http_x *x, struct edge *e)
{
    struct sn_stream *st;
    struct sn_str rest;
    char buf[512];
    ssize_t n;
    int r = sn_http_hijack(x, 200, &st, &rest);
    if (r < 0) return r;
    while ((n = sn_read(st, buf, sizeof(buf))) > 0)
        if (sn_write(st, buf, (size_t)n) < 0) break;
    sn_stream_close(st);
    if (e->close_first) T_OK(sn_sleep(5 * SN_MS));
    sn_event_set(&e->closed);
    return 0;
}

static int app(struct sn_http_x *x, void *arg)
{
    struct edge *e = arg;
    struct sn_ws *ws;
    struct sn_str p = x->req.path;
    if (sn_str_eqc(p, "/trailers")) return tell_trailers(x);
    if (sn_str_eqc(p, "/ignore")) return sn_http_reply(x, 200, (struct sn_str){0}, SN_STR("no"));
    if (sn_str_eqc(p, "/slow")) {
        int r = sn_sleep(100 * SN_MS);
        return r < 0 ? r : sn_http_reply(x, 200, (struct sn_str){0}, SN_STR("at last"));
    }
    if (sn_str_eqc(p, "/stream")) return stream_echo(x, e);
    if (sn_str_eqc(p, "/parked")) {
        struct sn_ws_opts o = {.on_message = on_message, .on_close = on_close, .arg = e,
                               .ping_ns = e->ping_ns};
        return sn_ws_accept(x, &o, &ws);
    }
    if (sn_str_eqc(p, "/fiber")) {
        struct sn_buf m = {0};
        int r = sn_ws_accept(x, NULL, &ws);
        if (r < 0) return r;
        while ((r = sn_ws_read(ws, &m)) > 0)
            T_OK(sn_ws_write(ws, (enum sn_ws_kind)r, sn_buf_view(&m)));
        sn_buf_done(&m);
        sn_ws_close(ws, 1000, (struct sn_str){0});
        return 0;
    }
    return sn_http_reply(x, 404, (struct sn_str){0}, SN_STR("nothing"));
}

static int serve(void *arg)
{
    struct edge *e = arg;
    return sn_http_serve(e->server, e->listener);
}

static int edge_main(void *arg)
{
    struct edge *e = arg;
    e->so.handler = app;
    e->so.arg = e;
    T_OK(sn_listen("127.0.0.1:0", NULL, &e->listener));
    T_OK(sn_listener_addr(e->listener, e->addr, sizeof(e->addr)));
    T_OK(sn_http_server_new(&e->so, &e->server));
    T_OK(sn_http_client_new(&e->co, &e->client));
    struct sn_scope_storage mem;
    struct sn_scope *scope = sn_scope_begin(&mem);
    T_OK(sn_scope_go(scope, "serve", serve, e));
    int r = e->body(e);
    sn_http_client_free(e->client);
    sn_http_server_drain(e->server, 2 * SN_SEC);
    T_OK(sn_scope_end(scope));
    sn_http_server_free(e->server);
    return r;
}

static void run(struct edge *e, unsigned workers)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = workers}, edge_main, e));
}

/* ---- patience ------------------------------------------------------------------------------- */

struct impatience {
    int asked, give_up_at; /* give_up_at 0: says at once that it will not ask again */
};
static int64_t impatient(void *arg)
{
    struct impatience *i = arg;
    i->asked++;
    if (!i->give_up_at) return 0;
    return i->asked < i->give_up_at ? 5 * SN_MS : -1;
}

static int t_patience(struct edge *e)
{
    char url[120];
    snprintf(url, sizeof(url), "http://%s/slow", e->addr);
    struct impatience i = {.give_up_at = 3};
    struct sn_http_call call = {.url = sn_str(url), .patience_ns = 5 * SN_MS,
                                .impatient = impatient, .impatient_arg = &i};
    struct sn_http_resp *r;
    struct sn_str body;
    T_EQ(sn_http_do(e->client, &call, &r), SN_E_DEADLINE_EXCEEDED);
    T_EQ(i.asked, 3);
    i = (struct impatience){0};
    T_OK(sn_http_do(e->client, &call, &r));
    T_EQ(i.asked, 1);
    T_OK(sn_http_resp_all(r, 1000, &body));
    T_STR(body, "at last");
    sn_http_resp_close(r);
    /* Limits of the call's own hold all the same, and end it first. */
    i = (struct impatience){.give_up_at = 1000};
    call.answer_ns_max = 30 * SN_MS;
    T_EQ(sn_http_do(e->client, &call, &r), SN_E_DEADLINE_EXCEEDED);
    T_ASSERT(i.asked >= 1 && i.asked <= 6);
    i.asked = 0;
    call.answer_ns_max = 0;
    int64_t prev = sn_deadline_tighten(sn_now() + 30 * SN_MS);
    T_EQ(sn_http_do(e->client, &call, &r), SN_E_DEADLINE_EXCEEDED);
    sn_deadline_restore(prev);
    T_ASSERT(i.asked >= 1 && i.asked <= 6);
    return 0;
}
SN_TEST(http_patience)
{
    struct edge e = {.body = t_patience};
    run(&e, 1);
}
SN_TEST(http2_patience)
{
    struct edge e = {.body = t_patience, .co = {.h2_prior_knowledge = true}};
    run(&e, 1);
}

/* ---- trailers ------------------------------------------------------------------------------- */

struct sums {
    struct sn_http_headers *out;
    struct sn_http_header h[2];
    int calls;
};
static ssize_t body_then_sums(void *arg, void *buf, size_t cap)
{
    struct sums *s = arg;
    if (s->calls++ < 2) {
        memcpy(buf, "ab", 2);
        return 2;
    }
    s->h[0] = (struct sn_http_header){SN_STR("X-Sum"), SN_STR("4")};
    s->h[1] = (struct sn_http_header){SN_STR("Content-Length"), SN_STR("999")};
    *s->out = (struct sn_http_headers){s->h, 2, 2};
    return 0;
}

static int t_trailers(struct edge *e)
{
    char url[120];
    snprintf(url, sizeof(url), "http://%s/trailers", e->addr);
    for (int round = 0; round < 3; round++) {
        struct sn_http_headers t = {0};
        struct sums s = {.out = &t};
        struct sn_http_call call = {.method = SN_STR("POST"), .url = sn_str(url),
                                    .body_fn = body_then_sums, .body_arg = &s, .body_length = -1,
                                    .trailers = &t};
        struct sn_http_resp *r;
        struct sn_str body;
        T_OK(sn_http_do(e->client, &call, &r));
        T_OK(sn_http_resp_all(r, 1000, &body));
        /* What could change the framing is left out by the sender and dropped by the receiver. */
        T_STR(body, e->co.h2_prior_knowledge ? "abab|x-sum=4;" : "abab|X-Sum=4;");
        T_EQ(r->reused, round > 0);
        sn_http_resp_close(r);
    }
    return 0;
}
SN_TEST(http_request_trailers)
{
    struct edge e = {.body = t_trailers};
    run(&e, 1);
}
SN_TEST(http2_request_trailers)
{
    struct edge e = {.body = t_trailers, .co = {.h2_prior_knowledge = true}};
    run(&e, 1);
}

static int t_raw_trailers(struct edge *e)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"2\r\nhi\r\n0\r\nX-A: b\r\nHost: evil\r\nTransfer-Encoding: x\r\n\r\n", "hi|X-A=b;"},
        {"0\r\n\r\n", "|"},
        {"1\r\nx\r\n0\r\nbad line\r\n\r\n", "HTTP/1.1 400 "},
        {"1\r\nx\r\n0\r\nX-A: \x01\r\n\r\n", "HTTP/1.1 400 "},
        {"1\r\nx\r\n0\r\n folded: y\r\n\r\n", "HTTP/1.1 400 "},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].text);
        struct sn_stream *st;
        struct sn_buf out = {0};
        char buf[1024];
        ssize_t n;
        sn_buf_printf(&out,
                      "POST /trailers HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                      "Transfer-Encoding: chunked\r\n\r\n%s",
                      rows[i].text);
        T_OK(sn_dial(e->addr, NULL, &st));
        T_OK(sn_write(st, out.ptr, out.len));
        sn_buf_reset(&out);
        while ((n = sn_read(st, buf, sizeof(buf))) > 0) sn_buf_put(&out, buf, (size_t)n);
        T_ASSERTF(strstr(sn_buf_cz(&out), rows[i].want), "%s", sn_buf_cz(&out));
        sn_buf_done(&out);
        sn_stream_close(st);
    }
    return 0;
}
SN_TEST(http_raw_trailers)
{
    struct edge e = {.body = t_raw_trailers};
    run(&e, 1);
}

/* ---- 100-continue on h2 --------------------------------------------------------------------- */

static int t_h2_continue(struct edge *e)
{
    static const struct sn_http_header expect[] = {{SN_STR_INIT("expect"),
                                                    SN_STR_INIT("100-continue")}};
    struct bare b;
    bare_open(&b, e->addr);
    bare_request(&b, "/trailers", NULL, expect, 1);
    BARE_UNTIL(&b, b.head_frames == 1); /* the interim one, before any body */
    T_ASSERT(!b.answered);
    bare_send(&b, SN_STR("body"), true);
    BARE_UNTIL(&b, b.closed);
    T_EQ(b.head.status, 200);
    T_STR(sn_buf_view(&b.in), "body|");
    T_EQ(b.head_frames, 2);
    bare_done(&b);
    /* A handler that does not want the body asks for none. */
    bare_open(&b, e->addr);
    bare_request(&b, "/ignore", NULL, expect, 1);
    BARE_UNTIL(&b, b.closed);
    T_EQ(b.head.status, 200);
    T_EQ(b.head_frames, 1);
    bare_done(&b);
    return 0;
}
SN_TEST(http2_expect_continue)
{
    struct edge e = {.body = t_h2_continue};
    run(&e, 1);
}

/* ---- heads that never end ------------------------------------------------------------------- */

/* A head begun and left, or dripping byte by byte, ends the connection; one beside it goes on. */
static int t_h2_slow_head(struct edge *e)
{
    static const char begun[] = "\0\0\1\1\0\0\0\0\1\x82"; /* HEADERS without END_HEADERS */
    static const char more[] = "\0\0\1\x9\0\0\0\0\1\x86";  /* CONTINUATION, the same */
    for (int drip = 0; drip < 2; drip++) {
        struct bare b, other;
        bare_open(&other, e->addr);
        bare_open(&b, e->addr);
        T_OK(sn_write(b.st, begun, sizeof(begun) - 1));
        for (int i = 0; bare_turn(&b, drip ? 5 * SN_MS : 10 * SN_SEC) || (drip && i < 5000); i++)
            if (drip && sn_write(b.st, more, sizeof(more) - 1) < 0) break;
        char c;
        T_ASSERT(sn_read(b.st, &c, 1) <= 0);
        bare_request(&other, "/ignore", NULL, NULL, 0);
        BARE_UNTIL(&other, other.answered);
        T_EQ(other.head.status, 200);
        bare_done(&other);
        bare_done(&b);
    }
    return 0;
}
SN_TEST(http2_slow_head)
{
    struct edge e = {.body = t_h2_slow_head, .so = {.head_ns_max = 60 * SN_MS}};
    run(&e, 1);
}

/* ---- extended CONNECT ----------------------------------------------------------------------- */

static int t_ws(struct edge *e)
{
    static const char *const paths[] = {"/parked", "/fiber"};
    for (int p = 0; p < 2; p++) {
        sn_test_row("%s", paths[p]);
        struct bare b;
        bare_open(&b, e->addr);
        bare_request(&b, paths[p], "websocket", ws_version, 1);
        BARE_UNTIL(&b, b.answered);
        T_EQ(b.head.status, 200);
        T_ASSERT(!sn_http_headers_get(&b.head.headers, SN_STR("sec-websocket-accept")).ptr);
        for (int i = 0; i < 5; i++) {
            ws_send(&b, SN_WS_OP_TEXT, "hello over h2");
            ws_expect(&b, SN_WS_OP_TEXT, "hello over h2");
            if (i & 1) T_OK(sn_sleep(2 * SN_MS)); /* long enough to park */
        }
        ws_send(&b, SN_WS_OP_PING, "p");
        ws_expect(&b, SN_WS_OP_PONG, "p");
        ws_send(&b, SN_WS_OP_CLOSE, "\x03\xe8");
        ws_expect(&b, SN_WS_OP_CLOSE, "\x03\xe8");
        BARE_UNTIL(&b, b.end); /* the stream ends with the socket's close */
        bare_done(&b);
    }
    T_OK(sn_event_wait(&e->closed));
    T_EQ(e->close_code, 1000);
    return 0;
}
SN_TEST(http2_websocket)
{
    struct edge e = {.body = t_ws};
    run(&e, 2);
}

/* Ends of a parked one: by the server, by the end of the stream, by a reset, with the connection,
 * and by silence. */
static int t_ws_ends(struct edge *e)
{
    for (int how = 0; how < 5; how++) {
        sn_test_row("%d", how);
        struct bare b;
        e->closed = (struct sn_event){0};
        e->close_code = 0;
        e->ping_ns = how == 4 ? 20 * SN_MS : 0;
        bare_open(&b, e->addr);
        bare_request(&b, "/parked", "websocket", ws_version, 1);
        BARE_UNTIL(&b, b.answered);
        ws_send(&b, SN_WS_OP_TEXT, "one");
        ws_expect(&b, SN_WS_OP_TEXT, "one");
        T_OK(sn_sleep(2 * SN_MS));
        int want = SN_WS_ABNORMAL;
        switch (how) {
        case 0:
            ws_send(&b, SN_WS_OP_TEXT, "close");
            ws_expect(&b, SN_WS_OP_CLOSE, "\x0f\xa1" "bye");
            ws_send(&b, SN_WS_OP_CLOSE, "\x0f\xa1");
            want = 4001;
            break;
        case 1: bare_send(&b, (struct sn_str){0}, true); break;
        case 2:
            sn_h2_reset(b.h, b.id, SN_H2_CANCEL);
            bare_flush(&b);
            break;
        case 3: T_OK(sn_stream_shutdown(b.st)); break;
        default:
            ws_expect(&b, SN_WS_OP_PING, "");
            ws_expect(&b, SN_WS_OP_PING, "");
            break;
        }
        T_OK(sn_event_wait(&e->closed));
        T_EQ(e->close_code, want);
        if (how < 2 || how == 4) BARE_UNTIL(&b, b.closed || b.end);
        bare_done(&b);
    }
    return 0;
}
SN_TEST(http2_websocket_ends)
{
    struct edge e = {.body = t_ws_ends};
    run(&e, 1);
}

/* Bytes both ways through a taken-over stream, more than its windows; then either order of the
 * stream's close and the handler's return. Other protocols than a WebSocket are the handler's. */
static int t_stream(struct edge *e)
{
    size_t n = 300000;
    char *big = sn_alloc(n);
    for (size_t i = 0; i < n; i++) big[i] = (char)('a' + i % 26);
    for (int order = 0; order < 2; order++) {
        struct bare b;
        e->closed = (struct sn_event){0};
        e->close_first = order;
        bare_open(&b, e->addr);
        bare_request(&b, "/stream", "echo", NULL, 0);
        BARE_UNTIL(&b, b.answered);
        b.out = sn_str_of(big, n);
        sn_h2_resume(b.h, b.id);
        BARE_UNTIL(&b, b.in.len == n);
        T_ASSERT(memcmp(b.in.ptr, big, n) == 0);
        bare_send(&b, (struct sn_str){0}, true);
        BARE_UNTIL(&b, b.closed);
        T_EQ(b.code, 0);
        T_OK(sn_event_wait(&e->closed));
        bare_done(&b);
    }
    sn_free(big);
    /* Refused: not a protocol WebSockets know, an old version, a plain CONNECT. */
    static const char *const protocols[] = {"webtransport", "websocket", NULL};
    static const int statuses[] = {400, 426, 404};
    for (int i = 0; i < 3; i++) {
        struct bare b;
        bare_open(&b, e->addr);
        bare_request(&b, i < 2 ? "/parked" : "/x", protocols[i], NULL, 0);
        BARE_UNTIL(&b, b.closed);
        T_EQ(b.head.status, statuses[i]);
        bare_done(&b);
    }
    return 0;
}
SN_TEST(http2_taken_over_stream)
{
    struct edge e = {.body = t_stream};
    run(&e, 1);
}

/* The drain's grace ends while streams are parked: they are cut and their owners told. */
static int t_drain(struct edge *e)
{
    struct bare b;
    bare_open(&b, e->addr);
    bare_request(&b, "/parked", "websocket", ws_version, 1);
    BARE_UNTIL(&b, b.answered);
    T_OK(sn_sleep(2 * SN_MS));
    T_EQ(sn_http_server_drain(e->server, 20 * SN_MS), 1);
    T_OK(sn_event_wait(&e->closed));
    bare_done(&b);
    return 0;
}
SN_TEST(http2_websocket_drain)
{
    struct edge e = {.body = t_drain};
    run(&e, 1);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/edge_test.c - both HTTP versions on both sides: trailers, limits, broken h2 upstreams,
 * WebSockets over h2. */
#include <zlib.h>
#include <zstd.h>

#include "gateway/rig_test.h"

#include "harness/test.h"
#include "tests/harness/h2_bare.h"

static const char both_config[] =
    "listeners: [{name: web, address: '127.0.0.1:0'}]\n"
    "upstreams:\n"
    "- {name: one, endpoints: [{address: '@0'}]}\n"
    "- {name: two, h2: true, endpoints: [{address: '@0'}]}\n"
    "routes:\n"
    "- {name: one, match: [{prefix: /one}], proxy: {to: [{upstream: one}]}, body_bytes_max: 1000}\n"
    "- {name: two, match: [{prefix: /two}], proxy: {to: [{upstream: two}]}, body_bytes_max: 1000}\n";

/* A rig whose client speaks h2 and whose first upstream is `fn`. */
struct plan {
    const char *config;
    sn_http_handler fn;
    bool h2;
    int (*body)(struct rig *g);
};
static int plan_main(void *arg)
{
    struct plan *p = arg;
    struct rig *g = calloc(1, sizeof(*g));
    struct sn_scope_storage mem;
    (void)sn_scope_begin(&mem);
    g->co.h2_prior_knowledge = p->h2;
    upstream_start(&g->up[0], "zero", p->fn);
    rig_start(g, p->config);
    T_OK(p->body(g));
    rig_stop(g);
    T_OK(sn_scope_end(sn_scope_current()));
    free(g);
    return 0;
}
static void run_plan(struct plan *p)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, plan_main, p));
}

/* ---- trailers and limits -------------------------------------------------------------------- */

/* "version body x-sum", and a trailer of its own behind. */
static int sums(struct sn_http_x *x, void *arg)
{
    struct sn_str body;
    int r = sn_http_body_all(x, 1 << 20, &body);
    if (r < 0) return r;
    struct sn_str sum = sn_http_headers_get(&x->req.trailers, S("x-sum"));
    struct sn_str hop = sn_http_headers_get(&x->req.trailers, S("keep-alive"));
    struct sn_str text = sn_arena_printf(x->arena, "%d %.*s %.*s%.*s", x->req.version,
                                         SN_STR_ARG(body), SN_STR_ARG(sum), SN_STR_ARG(hop));
    r = sn_http_start(x, 200, -1);
    if (r == 0) r = sn_http_write(x, text);
    if (r == 0) r = sn_http_trailer(x, S("X-Back"), S("yes"));
    return r < 0 ? r : sn_http_end(x);
}

struct source {
    size_t left;
};
static ssize_t source_read(void *arg, void *buf, size_t cap)
{
    struct source *s = arg;
    size_t n = SN_MIN(s->left, SN_MIN(cap, (size_t)700));
    memset(buf, 'b', n);
    s->left -= n;
    return (ssize_t)n;
}

static void upload(struct rig *g, const char *path, size_t n, struct answer *ret)
{
    static const struct sn_http_header t[] = {{SN_STR_INIT("X-Sum"), SN_STR_INIT("42")},
                                              {SN_STR_INIT("Keep-Alive"), SN_STR_INIT("hop")}};
    struct sn_http_headers trailers = {(struct sn_http_header *)t, 2, 2};
    struct source s = {n};
    snprintf(g->url, sizeof(g->url), "http://%s%s", g->addr, path);
    struct sn_http_call call = {.method = S("POST"), .url = sn_str(g->url), .body_fn = source_read,
                                .body_arg = &s, .body_length = -1, .trailers = &trailers};
    T_OK(sn_http_do(g->client, &call, &ret->resp));
    ret->status = ret->resp->status;
    T_OK(sn_http_resp_all(ret->resp, 1 << 20, &ret->text));
}

static int trailers_body(struct rig *g)
{
    struct answer a;
    for (int round = 0; round < 3; round++) {
        upload(g, "/one", 3, &a);
        T_EQ(a.status, 200);
        T_STR(a.text, "11 bbb 42");
        T_STR(sn_http_headers_get(&a.resp->trailers, S("x-back")), "yes");
        DONE(a);
        upload(g, "/two", 3, &a);
        T_STR(a.text, "20 bbb 42");
        T_STR(sn_http_headers_get(&a.resp->trailers, S("x-back")), "yes");
        DONE(a);
        /* A body whose length nobody announced, over the route's limit. */
        upload(g, "/one", 5000, &a);
        T_EQ(a.status, 413);
        DONE(a);
        upload(g, "/two", 5000, &a);
        T_EQ(a.status, 413);
        DONE(a);
        upload(g, "/two", 1000, &a);
        T_EQ(a.status, 200);
        DONE(a);
    }
    return 0;
}
SN_TEST(gateway_trailers_and_limits_h1)
{
    struct plan p = {both_config, sums, false, trailers_body};
    run_plan(&p);
}
SN_TEST(gateway_trailers_and_limits_h2)
{
    struct plan p = {both_config, sums, true, trailers_body};
    run_plan(&p);
}

/* ---- slow clients, slow upstreams ----------------------------------------------------------- */

static const char slow_config[] =
    "listeners: [{name: web, address: '127.0.0.1:0'}]\n"
    "upstreams:\n"
    "- {name: one, endpoints: [{address: '@0'}]}\n"
    "- {name: two, h2: true, endpoints: [{address: '@0'}]}\n"
    "routes:\n"
    "- {name: one, match: [{prefix: /one}], proxy: {to: [{upstream: one}], timeout: 500ms}}\n"
    "- {name: two, match: [{prefix: /two}], proxy: {to: [{upstream: two}], timeout: 500ms}}\n"
    "limits: {stall_timeout: 700ms}\n";

static int slow_app(struct sn_http_x *x, void *arg)
{
    struct sn_str body;
    int r = sn_http_body_all(x, 1 << 20, &body);
    if (r < 0) return r;
    if (sn_str_ends(x->req.path, S("/never")) && (r = sn_sleep(2 * SN_SEC)) < 0) return r;
    return sn_http_reply(x, 200, (struct sn_str){0}, body);
}

struct drip {
    int left;
    int64_t pause_ns;
};
static ssize_t drip_read(void *arg, void *buf, size_t cap)
{
    struct drip *d = arg;
    if (d->left-- == 0) return 0;
    int r = sn_sleep(d->pause_ns);
    memset(buf, 'd', 10);
    return r < 0 ? r : 10;
}

static int slow_body(struct rig *g)
{
    static const struct {
        const char *path;
        int pieces;
        int64_t pause_ns;
        int64_t length;
        int status;
    } rows[] = {
        /* Longer than the route's timeout, but it moves: the time for the answer begins behind it. */
        {"/one/x", 6, 100 * SN_MS, -1, 200},
        {"/two/x", 6, 100 * SN_MS, -1, 200},
        {"/one/x", 6, 100 * SN_MS, 60, 200},
        /* An upstream that does not answer after the body. */
        {"/one/never", 1, SN_MS, -1, 504},
        {"/two/never", 1, SN_MS, -1, 504},
        /* A body that stops. */
        {"/one/x", 2, 3 * SN_SEC, -1, 408},
        {"/two/x", 2, 3 * SN_SEC, -1, 408},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%zu %s", i, rows[i].path);
        struct drip d = {rows[i].pieces, rows[i].pause_ns};
        struct sn_http_resp *resp;
        snprintf(g->url, sizeof(g->url), "http://%s%s", g->addr, rows[i].path);
        struct sn_http_call call = {.method = S("POST"), .url = sn_str(g->url)};
        if (rows[i].pieces) {
            call.body_fn = drip_read;
            call.body_arg = &d;
            call.body_length = rows[i].length;
        }
        T_OK(sn_http_do(g->client, &call, &resp));
        T_EQ(resp->status, rows[i].status);
        sn_http_resp_close(resp);
    }
    return 0;
}
SN_TEST_SLOW(gateway_slow_bodies_h1, 60)
{
    struct plan p = {slow_config, slow_app, false, slow_body};
    run_plan(&p);
}
SN_TEST_SLOW(gateway_slow_bodies_h2, 60)
{
    struct plan p = {slow_config, slow_app, true, slow_body};
    run_plan(&p);
}

/* ---- upstreams that break h2 ---------------------------------------------------------------- */

/* An upstream that answers its n-th stream by the n-th letter: o(k), r(efuse), i(nternal error),
 * h(alf a body, then a reset), s(ilence), g(oaway without looking at it), x (garbage bytes). */
struct breaker {
    const char *script;
    struct sn_listener *l;
    char addr[64];
    struct sn_event gone;
};
struct breaker_conn {
    struct breaker *b;
    struct sn_stream *st;
    struct sn_h2 *h;
    int32_t ids[64];
    unsigned n;
    bool garbage, away;
    struct sn_str body;
    bool body_end;
};
struct breaker_stream {
    struct sn_arena arena;
    int32_t id;
    struct breaker_conn *c;
    struct sn_str out;
    bool half;
};

static void *br_open(void *ctx, int32_t id, struct sn_arena **ret)
{
    struct breaker_stream *s = calloc(1, sizeof(*s));
    sn_arena_init(&s->arena, NULL, 0);
    s->id = id;
    s->c = ctx;
    *ret = &s->arena;
    return s;
}
static void br_head(void *ctx, void *user, const struct sn_h2_head *head, bool end)
{
    struct breaker_conn *c = ctx;
    struct breaker_stream *s = user;
    char what = *c->b->script ? *c->b->script++ : 'o';
    switch (what) {
    case 'o':
        s->out = S("fine");
        T_OK(sn_h2_respond(c->h, s->id, 200, NULL, &s->arena, true));
        break;
    case 'h':
        s->out = S("half");
        s->half = true;
        T_OK(sn_h2_respond(c->h, s->id, 200, NULL, &s->arena, true));
        break;
    case 'r': sn_h2_reset(c->h, s->id, SN_H2_REFUSED_STREAM); break;
    case 'i': sn_h2_reset(c->h, s->id, SN_H2_INTERNAL_ERROR); break;
    case 'x': c->garbage = true; break;
    case 'g': c->away = true; break;
    default: break;
    }
}
static void br_data(void *ctx, void *user, struct sn_str d) {}
static void br_trailers(void *ctx, void *user, const struct sn_http_headers *t) {}
static void br_end(void *ctx, void *user) {}
static size_t br_pull(void *ctx, void *user, size_t max, const char **ret, bool *ret_end)
{
    struct breaker_stream *s = user;
    *ret = s->out.ptr;
    *ret_end = !s->half;
    return s->out.len;
}
static void br_sent(void *ctx, void *user, size_t n, bool end)
{
    struct breaker_stream *s = user;
    s->out = sn_str_from(s->out, n);
    if (s->half) sn_h2_reset(s->c->h, s->id, SN_H2_INTERNAL_ERROR);
}
static void br_closed(void *ctx, void *user, uint32_t code)
{
    struct breaker_stream *s = user;
    sn_arena_done(&s->arena);
    free(s);
}
static const struct sn_h2_events br_events = {.open = br_open, .head = br_head, .data = br_data,
                                              .trailers = br_trailers, .end = br_end,
                                              .pull = br_pull, .sent = br_sent,
                                              .closed = br_closed};

static int breaker_serve(void *arg)
{
    struct breaker_conn *c = arg;
    struct sn_buf w = {0};
    char buf[4096];
    T_OK(sn_h2_new(&(struct sn_h2_opts){.events = &br_events, .ctx = c}, &c->h));
    ssize_t n;
    do {
        sn_buf_reset(&w);
        T_OK(sn_h2_send(c->h, &w, 1 << 20));
        if (c->away) {
            /* GOAWAY, NO_ERROR, last stream 0: nothing was looked at. */
            sn_buf_put(&w, "\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0", 17);
        }
        if (c->garbage) {
            sn_buf_reset(&w);
            sn_buf_cstr(&w, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno");
        }
        if (w.len && sn_write(c->st, w.ptr, w.len) < 0) break;
        if (c->away || c->garbage) break;
        n = sn_read(c->st, buf, sizeof(buf));
    } while (n > 0 && sn_h2_recv(c->h, sn_str_of(buf, (size_t)n), sn_now()) == 0);
    sn_h2_free(c->h);
    sn_stream_close(c->st);
    sn_buf_done(&w);
    free(c);
    return 0;
}
static int breaker_main(void *arg)
{
    struct breaker *b = arg;
    struct sn_stream *st;
    while (sn_accept(b->l, &st) == 0) {
        struct breaker_conn *c = calloc(1, sizeof(*c));
        c->b = b;
        c->st = st;
        T_OK(sn_scope_go(sn_scope_current(), "breaker conn", breaker_serve, c));
    }
    sn_event_set(&b->gone);
    return 0;
}

static int breaker_body(void *arg)
{
    static const struct {
        const char *script;
        int status;
        const char *method;
    } rows[] = {
        {"o", 200, "GET"},
        {"ro", 200, "GET"},   /* refused streams were not looked at: any method goes again */
        {"ro", 200, "POST"},
        {"rrrrrrrr", 502, "GET"},
        {"io", 200, "GET"},   /* a reset: once more, idempotent */
        {"i", 502, "POST"},
        {"iiiiiiii", 502, "GET"},
        {"s", 504, "GET"},
        {"xo", 200, "GET"},
        {"x", 502, "POST"},
        {"go", 200, "GET"},
        {"go", 200, "POST"},
        {"h", -1, "GET"},     /* the head is out: the client must see the cut */
        {"o", 200, "POST"},
    };
    struct breaker b = {0};
    struct sn_scope_storage mem;
    struct rig *g = calloc(1, sizeof(*g));
    (void)sn_scope_begin(&mem);
    T_OK(sn_listen("127.0.0.1:0", NULL, &b.l));
    T_OK(sn_listener_addr(b.l, b.addr, sizeof(b.addr)));
    T_OK(sn_scope_go(sn_scope_current(), "breaker", breaker_main, &b));
    snprintf(g->up[0].addr, sizeof(g->up[0].addr), "%s", b.addr);
    rig_start(g, "listeners: [{name: web, address: '127.0.0.1:0'}]\n"
                 "upstreams: [{name: u, h2: true, endpoints: [{address: '@0'}]}]\n"
                 "routes: [{name: r, proxy: {to: [{upstream: u}], timeout: 400ms}}]\n");
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct answer a = {0};
        sn_test_row("%s %s", rows[i].method, rows[i].script);
        b.script = rows[i].script;
        int r = ask(g, rows[i].method, "/", NULL, 0, (struct sn_str){0}, &a);
        if (rows[i].status < 0) {
            T_ASSERT(r < 0);
            continue;
        }
        T_OK(r);
        T_EQ(a.status, rows[i].status);
        if (a.status == 200) T_STR(a.text, "fine");
        DONE(a);
    }
    /* It does not admit extended CONNECT; and is not to blame for it. */
    static const struct sn_http_header ws[] = {
        {SN_STR_INIT("Connection"), SN_STR_INIT("Upgrade")},
        {SN_STR_INIT("Upgrade"), SN_STR_INIT("websocket")},
        {SN_STR_INIT("Sec-WebSocket-Version"), SN_STR_INIT("13")},
        {SN_STR_INIT("Sec-WebSocket-Key"), SN_STR_INIT("dGhlIHNhbXBsZSBub25jZQ==")}};
    struct answer a = {0};
    T_OK(ask(g, "GET", "/", ws, 4, (struct sn_str){0}, &a));
    T_EQ(a.status, 501);
    DONE(a);
    rig_stop(g);
    sn_listener_close(b.l);
    T_OK(sn_event_wait(&b.gone));
    sn_scope_cancel(sn_scope_current());
    (void)sn_scope_end(sn_scope_current());
    free(g);
    return 0;
}
SN_TEST(gateway_broken_h2_upstreams)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, breaker_body, NULL));
}

/* ---- WebSockets over h2 --------------------------------------------------------------------- */

static int ws_app(struct sn_http_x *x, void *arg)
{
    struct sn_ws *ws;
    struct sn_buf m = {0};
    if (sn_str_ends(x->req.path, S("/liar"))) { /* a 101 that did not read the key */
        struct sn_stream *st;
        struct sn_str rest;
        int r = sn_http_header_add(x, S("Upgrade"), S("websocket"));
        if (r == 0) r = sn_http_header_add(x, S("Sec-WebSocket-Accept"), S("AAAA"));
        if (r == 0) r = sn_http_hijack(x, 101, &st, &rest);
        if (r == 0) sn_stream_close(st);
        return r;
    }
    if (!sn_str_ends(x->req.path, S("/chat")))
        return sn_http_reply(x, 200, (struct sn_str){0},
                             sn_http_headers_get(&x->req.headers, S("upgrade")).ptr ? S("asked")
                                                                                    : S("plain"));
    int r = sn_ws_accept(x, &(struct sn_ws_opts){.subprotocol = S("v1")}, &ws);
    if (r < 0) return r;
    while ((r = sn_ws_read(ws, &m)) > 0)
        if (sn_ws_write(ws, (enum sn_ws_kind)r, sn_buf_view(&m)) < 0) break;
    sn_buf_done(&m);
    sn_ws_close(ws, 1000, (struct sn_str){0});
    return 0;
}

static int ws_body(struct rig *g)
{
    static const struct sn_http_header h[] = {
        {SN_STR_INIT("sec-websocket-version"), SN_STR_INIT("13")},
        {SN_STR_INIT("sec-websocket-protocol"), SN_STR_INIT("v1")},
        {SN_STR_INIT("sec-websocket-key"), SN_STR_INIT("forged")},
    };
    struct bare b;
    for (int round = 0; round < 6; round++) { /* to an HTTP/1.1 and to an h2 upstream */
        bare_open(&b, g->addr);
        bare_request(&b, round < 3 ? "/one/chat" : "/two/chat", "websocket", h, 3);
        BARE_UNTIL(&b, b.answered);
        T_EQ(b.head.status, 200);
        T_STR(sn_http_headers_get(&b.head.headers, S("sec-websocket-protocol")), "v1");
        T_ASSERT(!sn_http_headers_get(&b.head.headers, S("sec-websocket-accept")).ptr);
        T_ASSERT(!sn_http_headers_get(&b.head.headers, S("upgrade")).ptr);
        for (int i = 0; i < 20; i++) {
            ws_send(&b, SN_WS_OP_TEXT, "through the gateway");
            ws_expect(&b, SN_WS_OP_TEXT, "through the gateway");
        }
        if (round % 3 == 0) {
            ws_send(&b, SN_WS_OP_CLOSE, "\x03\xe8");
            ws_expect(&b, SN_WS_OP_CLOSE, "\x03\xe8");
            BARE_UNTIL(&b, b.end);
        } else if (round % 3 == 1) {
            sn_h2_reset(b.h, b.id, SN_H2_CANCEL);
            bare_flush(&b);
        } /* else the connection breaks */
        bare_done(&b);
    }
    static const struct {
        const char *path, *protocol;
        int status;
    } rows[] = {{"/one/liar", "websocket", 502},
                {"/one/x", "websocket", 200}, /* the upstream does not switch: its answer */
                {"/one/chat", "webtransport", 501},
                {"/two/chat", "webtransport", 501},
                {"/nowhere", "websocket", 404}};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s %s", rows[i].protocol, rows[i].path);
        bare_open(&b, g->addr);
        bare_request(&b, rows[i].path, rows[i].protocol, h, 2);
        BARE_UNTIL(&b, b.closed);
        T_EQ(b.head.status, rows[i].status);
        bare_done(&b);
    }
    /* Behind a switch to h2 requests would pass that no route has seen: not asked for. */
    char buf[2000];
    T_ASSERT(has(raw_talk(g, "GET /one/x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                             "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
                          buf, sizeof(buf)),
                 "plain"));
    return 0;
}
/* An HTTP/1.1 client at an h2 upstream: the tunnel outlives a configuration without it, and its pool. */
static int ws_h1_body(struct rig *g)
{
    static const char other[] = "listeners: [{name: web, address: '127.0.0.1:0'}]\n"
                                "routes: [{name: all, respond: {status: 200, body: other}}]\n";
    char url[120], buf[2000];
    struct sn_ws *ws;
    struct sn_buf m = {0};
    snprintf(url, sizeof(url), "ws://%s/two/chat", g->addr);
    T_OK(sn_ws_dial(g->client, sn_str(url), &(struct sn_ws_opts){.subprotocol = S("v1")}, &ws));
    for (int i = 0; i < 50; i++) {
        T_OK(sn_ws_write(ws, SN_WS_TEXT, S("through the gateway")));
        T_EQ(sn_ws_read(ws, &m), SN_WS_TEXT);
        T_STR(sn_buf_view(&m), "through the gateway");
        if (i == 25) T_OK(sn_gateway_set_text(g->gw, sn_str(other)));
    }
    sn_buf_done(&m);
    sn_ws_close(ws, 1000, (struct sn_str){0});
    struct sn_buf text = {0};
    config_text(&text, both_config, g);
    T_OK(sn_gateway_set_text(g->gw, sn_buf_view(&text)));
    sn_buf_done(&text);
    /* No key, no handshake; what is no WebSocket is none of h2's business. */
    T_ASSERT(has(raw_talk(g, "GET /two/chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
                             "Upgrade: websocket\r\nSec-WebSocket-Key: short\r\n\r\n",
                          buf, sizeof(buf)),
                 "HTTP/1.1 400"));
    T_ASSERT(has(raw_talk(g, "GET /two/x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
                             "Upgrade: shout\r\n\r\n",
                          buf, sizeof(buf)),
                 "plain"));
    return 0;
}
SN_TEST(gateway_websocket_to_h2_upstream)
{
    struct plan p = {both_config, ws_app, false, ws_h1_body};
    run_plan(&p);
}

/* An upstream that ends a tunnel at once: a client that says nothing to that is let go. */
static int hang_up(struct sn_http_x *x, void *arg)
{
    struct sn_stream *st;
    struct sn_str rest;
    int r = x->req.version == 11 ? sn_http_header_add(x, S("Upgrade"), S("websocket")) : 0;
    if (r == 0) r = sn_http_hijack(x, x->req.version == 11 ? 101 : 200, &st, &rest);
    if (r == 0) sn_stream_close(st);
    return r;
}
static int mute_body(struct rig *g)
{
    static const char *const paths[] = {"/one/x", "/two/x"};
    struct sn_stream *st[2];
    char req[300], buf[600];
    for (int i = 0; i < 2; i++) {
        T_OK(sn_dial(g->addr, NULL, &st[i]));
        int n = snprintf(req, sizeof(req),
                         "GET %s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                         paths[i]);
        T_OK(sn_write(st[i], req, (size_t)n));
        size_t got = 0;
        ssize_t r;
        while ((r = sn_read(st[i], buf + got, sizeof(buf) - got)) > 0) got += (size_t)r;
        T_EQ(r, 0);
        T_ASSERT(sn_str_starts(sn_str_of(buf, got), S("HTTP/1.1 101")));
    }
    for (bool open = true; open;) { /* the test's time limit is what fails it */
        struct sn_buf text = {0};
        T_OK(sn_sleep(20 * SN_MS));
        T_OK(sn_gateway_stats_json(g->gw, &text));
        open = !has(sn_buf_view(&text), "\"tunnels\":0");
        sn_buf_done(&text);
    }
    for (int i = 0; i < 2; i++) sn_stream_close(st[i]);
    return 0;
}
SN_TEST_SLOW(gateway_tunnel_with_a_mute_client, 60)
{
    struct plan p = {both_config, hang_up, false, mute_body};
    run_plan(&p);
}

SN_TEST(gateway_websocket_over_h2)
{
    struct plan p = {both_config, ws_app, false, ws_body};
    run_plan(&p);
}

/* ---- health, weights, header routes --------------------------------------------------------- */

static const char pick_config[] =
    "listeners: [{name: web, address: '127.0.0.1:0'}]\n"
    "upstreams:\n"
    "- {name: app, endpoints: [{address: '@0', weight: 3}, {address: '@1'}], balance: round_robin,\n"
    "   outlier: {enabled: false},\n"
    "   health: {path: /healthz, interval: 20ms, timeout: 10s, healthy: 1, unhealthy: 1}}\n"
    "- {name: beta, endpoints: [{address: '@2'}]}\n"
    "routes:\n"
    "- {name: beta, match: [{prefix: /, headers: [{name: X-Beta, regex: 'y(es)?'}]}],\n"
    "   proxy: {to: [{upstream: beta}]}}\n"
    "- {name: split, match: [{prefix: /split}],\n"
    "   proxy: {to: [{upstream: app, weight: 0}, {upstream: beta, weight: 1}]}}\n"
    "- {name: main, proxy: {to: [{upstream: app}]}}\n";

/* How many of n requests each upstream answered. */
static void spread(struct rig *g, int n, const char *path, const struct sn_http_header *h, int ret[3])
{
    static const char *const names[] = {"zero", "one", "two"};
    memset(ret, 0, 3 * sizeof(*ret));
    for (int i = 0; i < n; i++) {
        struct answer a = {0};
        T_OK(ask(g, "GET", path, h, h ? 1 : 0, (struct sn_str){0}, &a));
        for (int k = 0; k < 3; k++)
            ret[k] += sn_str_eqc(sn_http_headers_get(&a.headers, S("x-upstream")), names[k]);
        DONE(a);
    }
}

RIG_TEST(gateway_health_weights_and_header_routes, pick_config)
{
    int n[3];
    spread(g, 40, "/", NULL, n);
    T_ASSERTF(n[0] == 30 && n[1] == 10, "%d %d %d", n[0], n[1], n[2]);
    static const struct sn_http_header yes = {SN_STR_INIT("x-beta"), SN_STR_INIT("yes")};
    static const struct sn_http_header no = {SN_STR_INIT("x-beta"), SN_STR_INIT("yesno")};
    spread(g, 5, "/", &yes, n);
    T_EQ(n[2], 5);
    spread(g, 5, "/", &no, n);
    T_EQ(n[2], 0);
    spread(g, 5, "/split", NULL, n);
    T_EQ(n[2], 5);
    /* Taken out by its checks alone, and back by them. */
    g->up[1].status = 500;
    for (int i = 0; n[0] < 20; i++) {
        T_ASSERTF(i < 1000, "an endpoint whose checks fail stays in");
        T_OK(sn_sleep(5 * SN_MS));
        spread(g, 20, "/", NULL, n);
    }
    g->up[1].status = 0;
    for (int i = 0; n[1] == 0; i++) {
        T_ASSERTF(i < 1000, "a healthy endpoint stays out");
        T_OK(sn_sleep(5 * SN_MS));
        spread(g, 4, "/", NULL, n);
    }
    return 0;
}

/* ---- compression ---------------------------------------------------------------------------- */

static const char gzip_config[] =
    "listeners: [{name: web, address: '127.0.0.1:0'}]\n"
    "upstreams:\n"
    "- {name: one, endpoints: [{address: '@0'}]}\n"
    "- {name: two, h2: true, endpoints: [{address: '@0'}]}\n"
    "routes:\n"
    "- {name: plain, match: [{prefix: /plain}], proxy: {to: [{upstream: one}]}, compress: false}\n"
    "- {name: two, match: [{prefix: /two}], proxy: {to: [{upstream: two}]}}\n"
    "- {name: one, proxy: {to: [{upstream: one}]}}\n"
    "compress: {level: 6, bytes_min: 100}\n";
static const char events_config[] =
    "listeners: [{name: web, address: '127.0.0.1:0'}]\n"
    "upstreams: [{name: one, endpoints: [{address: '@0'}]}]\n"
    "routes: [{name: one, proxy: {to: [{upstream: one}]}}]\n"
    "compress: {codings: [zstd], types: ['text/*', text/event-stream]}\n";

#define GZIP_TEXT "all work and no play makes jack a dull boy. "
#define GZIP_REPEATS 1000

/* What the query asks for: t(ext), j(son), i(mage), e(vents), s(hort), c(oded), n(o-transform), v(aries),
 * 2 (206), p(ieces). */
static int gzip_app(struct sn_http_x *x, void *arg)
{
    char what = x->req.query.len ? x->req.query.ptr[0] : 't';
    const char *type = what == 'j'   ? "application/json; charset=utf-8"
                       : what == 'i' ? "image/png"
                       : what == 'e' ? "text/event-stream"
                                     : "text/html";
    int r = sn_http_header_add(x, S("Content-Type"), sn_str(type));
    if (r == 0) r = sn_http_header_add(x, S("ETag"), S("\"abc\""));
    if (r == 0 && what == 'c') r = sn_http_header_add(x, S("Content-Encoding"), S("br"));
    if (r == 0 && what == 'n') r = sn_http_header_add(x, S("Cache-Control"), S("max-age=5, no-transform"));
    if (r == 0 && what == 'v') r = sn_http_header_add(x, S("Vary"), S("Cookie, Accept-Encoding"));
    int repeats = what == 's' ? 1 : GZIP_REPEATS, n = (int)strlen(GZIP_TEXT);
    if (r == 0) r = sn_http_start(x, what == '2' ? 206 : 200, what == 'p' ? -1 : repeats * n);
    for (int i = 0; r == 0 && i < repeats; i++) r = sn_http_write(x, S(GZIP_TEXT));
    if (r == 0 && what == 'p') r = sn_http_trailer(x, S("X-Back"), S("yes"));
    return r < 0 ? r : sn_http_end(x);
}

static void gunzip(struct sn_str in, struct sn_buf *out)
{
    z_stream z = {0};
    T_EQ(inflateInit2(&z, 15 + 16), Z_OK);
    T_OK(sn_buf_reserve(out, 1 << 20));
    z.next_in = (Bytef *)in.ptr;
    z.avail_in = (uInt)in.len;
    z.next_out = out->ptr;
    z.avail_out = 1 << 20;
    T_EQ(inflate(&z, Z_FINISH), Z_STREAM_END);
    T_EQ(z.avail_in, 0);
    out->len = (1 << 20) - z.avail_out;
    inflateEnd(&z);
}

static void unzstd(struct sn_str in, struct sn_buf *out)
{
    T_OK(sn_buf_reserve(out, 1 << 20));
    ZSTD_DCtx *d = ZSTD_createDCtx();
    ZSTD_inBuffer from = {in.ptr, in.len, 0};
    ZSTD_outBuffer to = {out->ptr, 1 << 20, 0};
    T_EQ(ZSTD_decompressStream(d, &to, &from), 0); /* the frame's end */
    T_EQ(from.pos, from.size);
    out->len = to.pos;
    ZSTD_freeDCtx(d);
}

static int gzip_body(struct rig *g)
{
    static const struct {
        const char *path, *accept, *method, *coding; /* NULL: none */
        bool vary;
    } rows[] = {
        {"/?t", "gzip, br", "GET", "gzip", true},
        {"/two?t", "br;q=1, gzip;q=0.5", "GET", "gzip", true},
        {"/?j", "*", "GET", "gzip", true},
        {"/?p", "gzip", "GET", "gzip", true},
        {"/two?p", "gzip", "GET", "gzip", true},
        {"/?v", "gzip", "GET", "gzip", true},
        {"/?t", "gzip", "HEAD", "gzip", true},
        {"/?t", "br", "GET", NULL, true},
        {"/?t", "gzip;q=0, *", "GET", NULL, true},
        {"/?t", "", "GET", NULL, true},
        {"/?s", "gzip", "GET", NULL, false},
        {"/?i", "gzip", "GET", NULL, false},
        {"/?e", "gzip", "GET", NULL, false},
        {"/?c", "gzip", "GET", NULL, false},
        {"/?n", "gzip", "GET", NULL, false},
        {"/?2", "gzip", "GET", NULL, false},
        {"/plain?t", "gzip", "GET", NULL, false},
        {"/?t", "gzip, deflate, br, zstd", "GET", "zstd", true},
        {"/two?t", "zstd", "GET", "zstd", true},
        {"/?p", "zstd", "GET", "zstd", true},
        {"/two?p", "zstd;q=0.5, gzip;q=0.5", "GET", "zstd", true},
        {"/?t", "zstd", "HEAD", "zstd", true},
        {"/?t", "zstd;q=0.5, gzip", "GET", "gzip", true},
        {"/?t", "zstd;q=0, *", "GET", "gzip", true},
        {"/?t", "zstd;q=0, gzip;q=0", "GET", NULL, true},
        {"/?t", "zstd;q=-1", "GET", NULL, true},
        {"/?s", "zstd", "GET", NULL, false},
        {"/?e", "zstd", "GET", NULL, false},
    };
    size_t want = strlen(GZIP_TEXT) * GZIP_REPEATS;
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s %s \"%s\"", rows[i].method, rows[i].path, rows[i].accept);
        struct answer a;
        struct sn_buf text = {0};
        struct sn_http_header h = {S("Accept-Encoding"), sn_str(rows[i].accept)};
        T_OK(ask(g, rows[i].method, rows[i].path, &h, 1, (struct sn_str){0}, &a));
        struct sn_str coding = sn_http_headers_get(&a.headers, S("content-encoding"));
        if (rows[i].path[2] != 'c') T_STR(coding, rows[i].coding ? rows[i].coding : "");
        T_EQ(sn_http_headers_get(&a.headers, S("vary")).ptr != NULL, rows[i].vary);
        T_STR(sn_http_headers_get(&a.headers, S("etag")), rows[i].coding ? "W/\"abc\"" : "\"abc\"");
        if (rows[i].coding && rows[i].method[0] == 'G') {
            T_ASSERT(a.text.len < want / 2);
            (rows[i].coding[0] == 'z' ? unzstd : gunzip)(a.text, &text);
            T_EQ(text.len, want);
            T_ASSERT(memcmp(text.ptr + want - 44, GZIP_TEXT, 44) == 0);
        }
        if (strchr(rows[i].path, 'p') && rows[i].coding)
            T_STR(sn_http_headers_get(&a.resp->trailers, S("x-back")), "yes");
        sn_buf_done(&text);
        DONE(a);
    }
    return 0;
}
/* Events where they are named: each can be read as soon as it is here, before the next one is sent. */
static struct sn_event next_event[3];
static int events_app(struct sn_http_x *x, void *arg)
{
    int r = sn_http_header_add(x, S("Content-Type"), S("text/event-stream"));
    if (r == 0) r = sn_http_start(x, 200, -1);
    for (int i = 0; r == 0 && i < 3; i++) {
        r = sn_http_write(x, S("data: something happened\n\n"));
        if (r == 0) r = sn_event_wait_until(&next_event[i], sn_now() + 10 * SN_SEC);
    }
    return r < 0 ? r : sn_http_end(x);
}
static int events_body(struct rig *g)
{
    static const char event[] = "data: something happened\n\n";
    char text[4096], url[128];
    size_t got = 0;
    struct sn_http_resp *resp;
    snprintf(url, sizeof(url), "http://%s/", g->addr);
    struct sn_http_header h = {S("Accept-Encoding"), S("zstd")};
    struct sn_http_call call = {.url = sn_str(url), .headers = &h, .n_headers = 1};
    T_OK(sn_http_do(g->client, &call, &resp));
    T_STR(sn_http_headers_get(&resp->headers, S("content-encoding")), "zstd");
    ZSTD_DCtx *d = ZSTD_createDCtx();
    for (size_t n = 1; n <= 3; n++) {
        while (got < n * strlen(event)) {
            const void *piece;
            ssize_t len = sn_http_resp_peek(resp, &piece);
            T_ASSERT(len > 0);
            ZSTD_inBuffer from = {piece, (size_t)len, 0};
            ZSTD_outBuffer to = {text, sizeof(text), got};
            while (from.pos < from.size) T_ASSERT(!ZSTD_isError(ZSTD_decompressStream(d, &to, &from)));
            got = to.pos;
        }
        T_EQ(got, n * strlen(event));
        sn_event_set(&next_event[n - 1]);
    }
    ZSTD_freeDCtx(d);
    sn_http_resp_close(resp);
    return 0;
}
SN_TEST(gateway_compresses_events_at_once)
{
    struct plan p = {events_config, events_app, false, events_body};
    run_plan(&p);
}
SN_TEST(gateway_compresses_h1)
{
    struct plan p = {gzip_config, gzip_app, false, gzip_body};
    run_plan(&p);
}
SN_TEST(gateway_compresses_h2)
{
    struct plan p = {gzip_config, gzip_app, true, gzip_body};
    run_plan(&p);
}

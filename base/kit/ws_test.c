/* SPDX-License-Identifier: Apache-2.0 */
/* kit/ws_test.c - WebSocket end to end: both modes, both sides, parking, refusals. */
#include <stdlib.h>

#include "core/alloc.h"
#include "core/buf.h"
#include "core/status.h"
#include "fiber/sync.h"
#include "kit/http.h"
#include "tests/harness/test.h"

struct wenv {
    struct sn_http_server *server;
    struct sn_http_client *client;
    struct sn_listener *listener;
    char base[96];
    int (*body)(struct wenv *e);
    int64_t ping_ns;
    bool h2; /* dial over h2 (RFC 8441) */
    struct sn_event shut;
    _Atomic unsigned closed; /* connections of several workers end here */
    _Atomic int close_code;
    struct sn_event closed_ev;
};

static void echo_message(struct sn_ws *ws, enum sn_ws_kind kind, struct sn_str data, void *arg)
{
    if (sn_str_eqc(data, "please close")) {
        sn_ws_close(ws, 4000, SN_STR("as you wish"));
        return;
    }
    if (sn_str_eqc(data, "please panic")) sn_panic("deliberate");
    if (sn_ws_write(ws, kind, data) < 0) sn_ws_close(ws, 1011, SN_STR("cannot write"));
}
static void echo_close(struct sn_ws *ws, int code, void *arg)
{
    struct wenv *e = arg;
    e->closed++;
    e->close_code = code;
    sn_event_set(&e->closed_ev);
}

static int shout(struct sn_http_x *x)
{
    struct sn_stream *st;
    struct sn_str rest;
    char buf[64];
    int r = sn_http_hijack(x, 200, &st, &rest);
    if (r < 0) return r;
    for (ssize_t n; (n = sn_read(st, buf, sizeof(buf))) > 0;) {
        for (ssize_t i = 0; i < n; i++) buf[i] = (char)(buf[i] - 32);
        if (sn_write(st, buf, (size_t)n) < 0) break;
    }
    sn_stream_close(st);
    return 0;
}

/* Reads only once the client has shut down, and says how much that was. */
static int sink(struct sn_http_x *x, struct wenv *e)
{
    struct sn_stream *st;
    struct sn_str rest;
    char buf[4096];
    size_t total = 0;
    int r = sn_http_hijack(x, 200, &st, &rest);
    if (r < 0) return r;
    T_OK(sn_event_wait(&e->shut));
    for (ssize_t n; (n = sn_read(st, buf, sizeof(buf))) > 0;) total += (size_t)n;
    r = snprintf(buf, sizeof(buf), "%zu", total);
    T_EQ(sn_write(st, buf, (size_t)r), r);
    sn_stream_close(st);
    return 0;
}

static int wapp(struct sn_http_x *x, void *arg)
{
    struct wenv *e = arg;
    struct sn_ws *ws;
    if (sn_str_eqc(x->req.path, "/sink")) return sink(x, e);
    if (sn_str_eqc(x->req.path, "/refused")) return SN_E_PERMISSION_DENIED;
    if (sn_str_eqc(x->req.path, "/token") &&
        !sn_str_eqc(sn_http_headers_get(&x->req.headers, SN_STR("authorization")), "Bearer sesame"))
        return SN_E_PERMISSION_DENIED;
    if (sn_str_eqc(x->req.path, "/raw")) return shout(x);
    if (sn_str_eqc(x->req.path, "/parked")) {
        struct sn_ws_opts o = {.on_message = echo_message, .on_close = echo_close, .arg = e,
                               .ping_ns = e->ping_ns, .subprotocol = SN_STR("chat"),
                               .deflate = true};
        return sn_ws_accept(x, &o, &ws);
    }
    struct sn_ws_opts o = {.message_bytes_max = 100000,
                           .deflate = !sn_str_eqc(x->req.path, "/plain")};
    int r = sn_ws_accept(x, &o, &ws);
    if (r < 0) return r;
    struct sn_buf m = {0};
    while ((r = sn_ws_read(ws, &m)) > 0)
        if ((r = sn_ws_write(ws, (enum sn_ws_kind)r, sn_buf_view(&m))) < 0) break;
    sn_buf_done(&m);
    sn_ws_close(ws, 1000, (struct sn_str){0});
    return 0;
}

static int wserve(void *arg)
{
    struct wenv *e = arg;
    return sn_http_serve(e->server, e->listener);
}
static int wmain(void *arg)
{
    struct wenv *e = arg;
    struct sn_http_server_opts so = {.handler = wapp, .arg = e};
    char addr[64];
    T_OK(sn_listen("127.0.0.1:0", NULL, &e->listener));
    T_OK(sn_listener_addr(e->listener, addr, sizeof(addr)));
    snprintf(e->base, sizeof(e->base), "ws://%s", addr);
    T_OK(sn_http_server_new(&so, &e->server));
    struct sn_http_client_opts co = {.h2_prior_knowledge = e->h2};
    T_OK(sn_http_client_new(&co, &e->client));
    struct sn_scope_storage mem;
    struct sn_scope *scope = sn_scope_begin(&mem);
    T_OK(sn_scope_go(scope, "serve", wserve, e));
    int r = e->body(e);
    sn_http_client_free(e->client);
    sn_http_server_drain(e->server, 2 * SN_SEC);
    T_OK(sn_scope_end(scope));
    sn_http_server_free(e->server);
    return r;
}
static void wrun(struct wenv *e, unsigned workers)
{
    struct sn_rt_opts o = {.workers = workers};
    T_OK(sn_rt_run(&o, wmain, e));
}
static struct sn_ws *wdial(struct wenv *e, const char *path, const struct sn_ws_opts *o)
{
    char url[160];
    struct sn_ws *ws;
    snprintf(url, sizeof(url), "%s%s", e->base, path);
    T_OK(sn_ws_dial(e->client, sn_str(url), o, &ws));
    return ws;
}
static void round_trip(struct sn_ws *ws, enum sn_ws_kind kind, struct sn_str data)
{
    struct sn_buf m = {0};
    T_OK(sn_ws_write(ws, kind, data));
    T_EQ(sn_ws_read(ws, &m), kind);
    T_EQ(m.len, data.len);
    T_ASSERT(data.len == 0 || memcmp(m.ptr, data.ptr, data.len) == 0);
    sn_buf_done(&m);
}

static int t_ws_echo(struct wenv *e)
{
    static const char *const paths[] = {"/fiber", "/parked"};
    char *big = sn_alloc(90000);
    memset(big, 'b', 90000);
    for (int p = 0; p < 2; p++) {
        struct sn_ws_opts o = {.subprotocol = SN_STR("chat")};
        struct sn_ws *ws = wdial(e, paths[p], &o);
        static const size_t sizes[] = {0, 1, 125, 126, 65535, 65536, 90000};
        for (int round = 0; round < 3; round++)
            for (size_t i = 0; i < SN_COUNT_OF(sizes); i++) {
                round_trip(ws, SN_WS_BINARY, sn_str_of(big, sizes[i]));
                if (i == 2) T_OK(sn_sleep(5 * SN_MS)); /* long enough to park */
            }
        round_trip(ws, SN_WS_TEXT, SN_STR("gr\xc3\xbc\xc3\x9f dich"));
        T_EQ(sn_ws_write(ws, SN_WS_TEXT, SN_STR("\xff")), SN_E_SYNTAX);
        sn_ws_close(ws, 1000, SN_STR("bye"));
    }
    T_OK(sn_event_wait(&e->closed_ev));
    T_EQ(e->closed, 1);
    T_EQ(e->close_code, 1000);
    sn_free(big);
    return 0;
}
SN_TEST(ws_echo_both_modes)
{
    struct wenv e = {.body = t_ws_echo};
    wrun(&e, 1);
}
SN_TEST(ws_echo_both_modes_h2)
{
    struct wenv e = {.body = t_ws_echo, .h2 = true};
    wrun(&e, 1);
}

/* Headers of the caller's go along; those of the handshake are not the caller's. */
static int t_ws_headers(struct wenv *e)
{
    static const char *const own[] = {"connection", "Upgrade", "Sec-WebSocket-Key",
                                      "sec-websocket-extensions"};
    struct sn_http_header one = {SN_STR("Authorization"), SN_STR("Bearer sesame")};
    struct sn_http_header many[SN_WS_HEADERS_MAX + 1];
    struct sn_ws_opts o = {.headers = &one, .n_headers = 1, .deflate = true};
    struct sn_ws *ws;
    char url[160];
    snprintf(url, sizeof(url), "%s/token", e->base);
    T_EQ(sn_ws_dial(e->client, sn_str(url), NULL, &ws), SN_E_PROTOCOL);
    ws = wdial(e, "/token", &o);
    round_trip(ws, SN_WS_TEXT, SN_STR("open"));
    sn_ws_close(ws, 1000, (struct sn_str){0});
    for (unsigned i = 0; i < SN_COUNT_OF(many); i++) many[i] = one;
    o.headers = many, o.n_headers = SN_WS_HEADERS_MAX;
    ws = wdial(e, "/fiber", &o);
    sn_ws_close(ws, 1000, (struct sn_str){0});
    o.n_headers++;
    T_EQ(sn_ws_dial(e->client, sn_str(url), &o, &ws), SN_E_INVALID_ARGUMENT);
    o.n_headers = 2;
    for (unsigned i = 0; i < SN_COUNT_OF(own); i++) {
        many[1] = (struct sn_http_header){sn_str(own[i]), SN_STR("sesame")};
        T_EQ(sn_ws_dial(e->client, sn_str(url), &o, &ws), SN_E_INVALID_ARGUMENT);
        T_ASSERT(!strstr(sn_diag_str(SN_E_INVALID_ARGUMENT), "sesame"));
    }
    return 0;
}
SN_TEST(ws_headers_of_the_caller)
{
    struct wenv e = {.body = t_ws_headers};
    wrun(&e, 1);
}
SN_TEST(ws_headers_of_the_caller_h2)
{
    struct wenv e = {.body = t_ws_headers, .h2 = true};
    wrun(&e, 1);
}

static int t_ws_ends(struct wenv *e)
{
    struct sn_buf m = {0};
    struct sn_ws *ws = wdial(e, "/fiber", NULL);
    char *big = sn_alloc(200000);
    memset(big, 'b', 200000);
    T_OK(sn_ws_write(ws, SN_WS_BINARY, sn_str_of(big, 200000)));
    T_EQ(sn_ws_read(ws, &m), SN_E_EOF); /* the server says 1009 */
    sn_ws_close(ws, 1000, (struct sn_str){0});
    sn_free(big);
    ws = wdial(e, "/parked", NULL);
    T_OK(sn_ws_write(ws, SN_WS_TEXT, SN_STR("please close")));
    T_EQ(sn_ws_read(ws, &m), SN_E_EOF);
    sn_ws_close(ws, 1000, (struct sn_str){0});
    T_OK(sn_event_wait(&e->closed_ev));
    e->closed_ev = (struct sn_event){0};
    ws = wdial(e, "/parked", NULL);
    T_OK(sn_ws_write(ws, SN_WS_TEXT, SN_STR("please panic")));
    T_EQ(sn_ws_read(ws, &m), SN_E_EOF);
    sn_ws_close(ws, 1000, (struct sn_str){0});
    T_OK(sn_event_wait(&e->closed_ev));
    T_EQ(e->close_code, 1011);
    sn_buf_done(&m);
    return 0;
}
SN_TEST(ws_ends)
{
    struct wenv e = {.body = t_ws_ends};
    wrun(&e, 1);
}
SN_TEST(ws_ends_h2)
{
    struct wenv e = {.body = t_ws_ends, .h2 = true};
    wrun(&e, 1);
}

/* A peer that does not answer pings is given up. */
static int t_ws_dead(struct wenv *e)
{
    struct sn_http_resp *r;
    static const struct sn_http_header h[] = {
        {SN_STR_INIT("Connection"), SN_STR_INIT("Upgrade")},
        {SN_STR_INIT("Upgrade"), SN_STR_INIT("websocket")},
        {SN_STR_INIT("Sec-WebSocket-Version"), SN_STR_INIT("13")},
        {SN_STR_INIT("Sec-WebSocket-Key"), SN_STR_INIT("dGhlIHNhbXBsZSBub25jZQ==")}};
    char url[160];
    snprintf(url, sizeof(url), "http%s/parked", e->base + 2);
    struct sn_http_call call = {.url = sn_str(url), .headers = h, .n_headers = 4};
    T_OK(sn_http_do(e->client, &call, &r));
    T_EQ(r->status, 101);
    T_STR(sn_http_headers_get(&r->headers, SN_STR("sec-websocket-accept")),
          "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="); /* RFC 6455 section 1.3 */
    struct sn_stream *st;
    struct sn_str rest;
    T_OK(sn_http_resp_hijack(r, &st, &rest));
    sn_http_resp_close(r);
    T_OK(sn_event_wait(&e->closed_ev));
    T_EQ(e->close_code, 1006);
    sn_stream_close(st);
    /* Handshakes that are not. */
    for (int i = 0; i < 3; i++) {
        struct sn_http_header bad[4];
        memcpy(bad, h, sizeof(bad));
        bad[i + 1].value = SN_STR("nonsense");
        call.headers = bad;
        T_OK(sn_http_do(e->client, &call, &r));
        T_EQ(r->status, i == 2 ? 400 : 426);
        sn_http_resp_close(r);
    }
    return 0;
}
SN_TEST(ws_dead_peer_and_bad_handshakes)
{
    struct wenv e = {.body = t_ws_dead, .ping_ns = 20 * SN_MS};
    wrun(&e, 1);
}

/* Many writers, on both workers, on one parked connection. */
struct wcrowd {
    struct sn_ws *ws;
    struct wenv *e;
    unsigned got;
    struct sn_event all;
};
#define WCROWD 8
#define WEACH 200
static void count_message(struct sn_ws *ws, enum sn_ws_kind kind, struct sn_str data, void *arg)
{
    struct wcrowd *c = arg;
    T_EQ(data.len, 100);
    for (size_t i = 1; i < data.len; i++) T_EQ(data.ptr[i], data.ptr[0]);
    if (++c->got == WCROWD * WEACH) sn_event_set(&c->all);
}
static int wwriter(void *arg)
{
    struct wcrowd *c = arg;
    char text[100];
    for (int i = 0; i < WEACH; i++) {
        memset(text, 'a' + i % 26, sizeof(text));
        T_OK(sn_ws_write(c->ws, SN_WS_TEXT, sn_str_of(text, sizeof(text))));
        if (i % 16 == 0) sn_yield();
    }
    return 0;
}
static int t_ws_crowd(struct wenv *e)
{
    struct wcrowd c = {.e = e};
    struct sn_ws_opts o = {.on_message = count_message, .arg = &c};
    c.ws = wdial(e, "/parked", &o);
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    for (int i = 0; i < WCROWD; i++) T_OK(sn_scope_go(s, "writer", wwriter, &c));
    T_OK(sn_scope_end(s));
    T_OK(sn_event_wait(&c.all));
    sn_ws_close(c.ws, 1000, (struct sn_str){0});
    T_OK(sn_event_wait(&e->closed_ev));
    return 0;
}
SN_TEST_SLOW(ws_many_writers, 60)
{
    struct wenv e = {.body = t_ws_crowd};
    wrun(&e, 2);
}
SN_TEST_SLOW(ws_many_writers_h2, 60)
{
    struct wenv e = {.body = t_ws_crowd, .h2 = true};
    wrun(&e, 2);
}

/* Several WebSockets and plain requests share one h2 connection; what a handler refuses is refused, and
 * a raw stream is both sides' to end. */
static int t_ws_shared(struct wenv *e)
{
    struct sn_ws *ws[4];
    for (int i = 0; i < 4; i++) ws[i] = wdial(e, i % 2 ? "/fiber" : "/parked", NULL);
    struct sn_ws *none;
    char url[160];
    snprintf(url, sizeof(url), "%s/refused", e->base);
    T_EQ(sn_ws_dial(e->client, sn_str(url), NULL, &none), SN_E_PROTOCOL);
    for (int i = 0; i < 4; i++) round_trip(ws[3 - i], SN_WS_TEXT, SN_STR("still here"));
    struct sn_http_server_stats n;
    sn_http_server_stats(e->server, &n);
    T_EQ(n.conns_total, 1);
    T_EQ(n.h2_streams, 5);
    for (int i = 0; i < 4; i++) sn_ws_close(ws[i], 1000, (struct sn_str){0});
    snprintf(url, sizeof(url), "%s/raw", e->base);
    for (int i = 0; i < 2; i++) {
        struct sn_http_call call = {.url = sn_str(url), .protocol = SN_STR("raw")};
        struct sn_http_resp *r;
        struct sn_stream *st, *again;
        struct sn_str rest;
        char buf[8];
        T_OK(sn_http_do(e->client, &call, &r));
        T_OK(sn_http_resp_hijack(r, &st, &rest));
        T_EQ(sn_http_resp_hijack(r, &again, &rest), SN_E_FAILED_PRECONDITION);
        sn_http_resp_close(r);
        T_OK(sn_write(st, "ping", 4));
        T_OK(sn_read_full(st, buf, 4));
        T_ASSERT(memcmp(buf, "PING", 4) == 0);
        if (i) T_OK(sn_stream_shutdown(st));
        if (i) T_EQ(sn_read(st, buf, sizeof(buf)), 0);
        sn_stream_close(st);
    }
    T_OK(sn_event_wait(&e->closed_ev));
    return 0;
}

/* A shutdown while another fiber writes more than the peer's window: the end comes behind the last byte. */
#define FLOOD_BYTES (1u << 20)
static int flood(void *arg)
{
    char *big = sn_zalloc(1, FLOOD_BYTES);
    T_EQ(sn_write(arg, big, FLOOD_BYTES), FLOOD_BYTES);
    sn_free(big);
    return 0;
}
static int t_shut_while_writing(struct wenv *e)
{
    char url[160], buf[16] = {0};
    struct sn_http_resp *r;
    struct sn_stream *st;
    struct sn_str rest;
    snprintf(url, sizeof(url), "%s/sink", e->base);
    struct sn_http_call call = {.url = sn_str(url), .protocol = SN_STR("sink")};
    T_OK(sn_http_do(e->client, &call, &r));
    T_OK(sn_http_resp_hijack(r, &st, &rest));
    sn_http_resp_close(r);
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_scope_go_on(s, (unsigned)sn_worker_id(), "flood", flood, st));
    T_OK(sn_sleep(20 * SN_MS)); /* until the window is full */
    T_OK(sn_stream_shutdown(st));
    T_EQ(sn_write(st, "x", 1), SN_E_CLOSED);
    sn_event_set(&e->shut);
    T_OK(sn_read_full(st, buf, 7));
    T_STR(sn_str(buf), "1048576");
    T_OK(sn_scope_end(s));
    sn_stream_close(st);
    return 0;
}
SN_TEST(h2_shutdown_while_writing)
{
    struct wenv e = {.body = t_shut_while_writing, .h2 = true};
    wrun(&e, 1);
}
SN_TEST(ws_shared_h2_connection)
{
    struct wenv e = {.body = t_ws_shared, .h2 = true};
    wrun(&e, 1);
}

/* Compression is agreed where both want it; a message that grows beyond the limit ends the
 * connection with 1009, one that is not compressed data with 1007. */
static int t_ws_deflate(struct wenv *e)
{
    static const char *const paths[] = {"/fiber", "/parked", "/plain"};
    char *big = sn_alloc(99000);
    for (size_t i = 0; i < 99000; i++) big[i] = (char)('a' + i % 7);
    for (int p = 0; p < 3; p++)
        for (int offer = 0; offer < 2; offer++) {
            sn_test_row("%s %d", paths[p], offer);
            struct sn_ws *ws = wdial(e, paths[p], &(struct sn_ws_opts){.deflate = offer});
            static const size_t sizes[] = {0, 1, 255, 256, 5000, 99000};
            for (size_t i = 0; i < SN_COUNT_OF(sizes); i++) {
                round_trip(ws, SN_WS_BINARY, sn_str_of(big, sizes[i]));
                round_trip(ws, SN_WS_TEXT, sn_str_of(big, sizes[i]));
            }
            sn_ws_close(ws, 1000, SN_STR("bye"));
        }
    memset(big, 0, 99000);
    struct sn_ws *ws = wdial(e, "/fiber", &(struct sn_ws_opts){.deflate = true,
                                                               .message_bytes_max = 1000});
    struct sn_buf m = {0};
    T_OK(sn_ws_write(ws, SN_WS_BINARY, sn_str_of(big, 99000)));
    T_EQ(sn_ws_read(ws, &m), SN_E_TOO_LARGE);
    sn_ws_close(ws, 1000, (struct sn_str){0});
    sn_free(big);
    return 0;
}
SN_TEST(ws_compressed_messages)
{
    struct wenv e = {.body = t_ws_deflate};
    wrun(&e, 2);
}
SN_TEST(ws_compressed_messages_h2)
{
    struct wenv e = {.body = t_ws_deflate, .h2 = true};
    wrun(&e, 2);
}

/* ---- faults --------------------------------------------------------------------------------- */

static int64_t torture_left; /* allocations until the one that fails; < 0: none */
static bool torture_fail(size_t size) { return torture_left >= 0 && torture_left-- == 0; }
static const struct sn_alloc_hooks torture_hooks = {.fail = torture_fail};

static int echo_once(struct wenv *e, const char *url)
{
    struct sn_ws *ws;
    struct sn_buf m = {0};
    int r = sn_ws_dial(e->client, sn_str(url), &(struct sn_ws_opts){.deflate = true}, &ws);
    if (r < 0) return r;
    r = sn_ws_write(ws, SN_WS_TEXT, SN_STR("still here"));
    if (r >= 0) r = sn_ws_read(ws, &m);
    if (r >= 0) T_STR(sn_buf_view(&m), "still here");
    sn_buf_done(&m);
    sn_ws_close(ws, 1000, (struct sn_str){0});
    return r;
}

/* The k-th allocation of either side fails, for every k until one gets through untouched: a clean error
 * each time, and the next WebSocket works. */
static int t_ws_torture(struct wenv *e)
{
    static const char *const paths[] = {"/fiber", "/parked"};
    char url[160];
    for (size_t p = 0; p < SN_COUNT_OF(paths); p++)
        for (int k = 0;; k++) {
            sn_test_row("%s, allocation %d", paths[p], k);
            T_ASSERT(k < 2000);
            snprintf(url, sizeof(url), "%s%s", e->base, paths[p]);
            int64_t prev = sn_deadline_tighten(sn_now() + 10 * SN_SEC);
            torture_left = k;
            sn_alloc_set_hooks(&torture_hooks);
            int r = echo_once(e, url);
            bool untouched = torture_left >= 0;
            sn_alloc_set_hooks(NULL);
            sn_deadline_restore(prev);
            T_ASSERTF(r != SN_E_DEADLINE_EXCEEDED, "hangs");
            T_ASSERT(!untouched || r > 0);
            if (untouched) break;
            T_ASSERT(echo_once(e, url) > 0);
        }
    return 0;
}
SN_TEST_SLOW(ws_torture, 120)
{
    struct wenv e = {.body = t_ws_torture};
    wrun(&e, 1);
}
SN_TEST_SLOW(ws_torture_h2, 120)
{
    struct wenv e = {.body = t_ws_torture, .h2 = true};
    wrun(&e, 1);
}

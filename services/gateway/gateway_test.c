/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/gateway_test.c - a whole gateway between real clients and upstreams, in one process. */
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/rig_test.h"

#include "harness/test.h"
#include "wire/json.h"

static const char main_config[] =
    "listeners: [{name: web, address: '127.0.0.1:0'}]\n"
    "upstreams:\n"
    "- {name: app, endpoints: [{address: '@0'}]}\n"
    "routes:\n"
    "- {name: fixed, match: [{exact: /fixed}], respond: {status: 418, body: teapot},\n"
    "   response_headers: {set: {X-Set: yes-it-is}}}\n"
    "- {name: move, match: [{prefix: /old}], redirect: {replace_prefix: /new, status: 308}}\n"
    "- {name: strip, match: [{prefix: /strip}], proxy: {to: [{upstream: app}], strip_prefix: "
    "/strip}}\n"
    "- {name: swap, match: [{prefix: /swap}], proxy: {to: [{upstream: app}], replace_prefix: "
    "/other,\n"
    "   host: example.test},\n"
    "   request_headers: {set: {X-Team: blue}, add: {X-More: '1'}, remove: [X-Secret]}}\n"
    "- {name: main, match: [{prefix: /}], proxy: {to: [{upstream: app}]}}\n";

RIG_TEST(gateway_actions, main_config)
{
    struct answer a = ASK("GET", "/fixed", 418);
    T_STR(a.text, "teapot");
    T_STR(sn_http_headers_get(&a.headers, S("x-set")), "yes-it-is");
    DONE(a);
    a = ASK("GET", "/old/a?b=c", 308);
    char want[160];
    snprintf(want, sizeof(want), "http://%s/new/a?b=c", g->addr);
    T_STR(sn_http_headers_get(&a.headers, S("location")), want);
    DONE(a);
    a = ASK("GET", "/a/../../x", 400);
    DONE(a);
    a = ASK("TRACE", "/", 405);
    DONE(a);
    return 0;
}

RIG_TEST(gateway_forwards_and_rewrites, main_config)
{
    struct answer a = ASK("GET", "/plain/%7euser/./x?q=%2f&r", 200);
    T_ASSERT(sn_str_starts(a.text, S("GET /plain/~user/x?q=%2f&r\n")));
    T_ASSERT(has(a.text, "X-Forwarded-For: 127.0.0.1\n"));
    T_ASSERT(has(a.text, "X-Forwarded-Proto: http\n"));
    T_ASSERT(has(a.text, "Via: 1.1 sennit\n"));
    T_STR(sn_http_headers_get(&a.headers, S("via")), "1.1 sennit");
    T_ASSERT(sn_http_headers_get(&a.headers, S("proxy-connection")).ptr == NULL);
    DONE(a);
    a = ASK("GET", "/strip/a?x=1", 200);
    T_ASSERT(sn_str_starts(a.text, S("GET /a?x=1\n")));
    DONE(a);
    a = ASK("GET", "/strip", 200);
    T_ASSERT(sn_str_starts(a.text, S("GET /\n")));
    DONE(a);
    a = ASK("DELETE", "/swap/z", 200);
    T_ASSERT(sn_str_starts(a.text, S("DELETE /other/z\n")));
    T_ASSERT(has(a.text, "Host: example.test\n"));
    T_ASSERT(has(a.text, "X-Team: blue\n"));
    DONE(a);
    return 0;
}

RIG_TEST(gateway_hop_by_hop_fields_stay, main_config)
{
    struct sn_http_header h[] = {
        {S("Connection"), S("X-Private, keep-alive")},
        {S("X-Private"), S("1")},
        {S("Proxy-Authorization"), S("secret")},
        {S("TE"), S("trailers, gzip")},
        {S("X-Forwarded-For"), S("6.6.6.6")},
        {S("X_Forwarded_For"), S("6.6.6.6")}, /* many programs take it for the other */
        {S("Transfer_Encoding"), S("6.6.6.6")},
        {S("Forwarded"), S("for=6.6.6.6")},
        {S("X-Secret"), S("x")},
        {S("Keep-Alive"), S("timeout=5")},
        {S("X-Team"), S("red")},
    };
    struct answer a;
    T_OK(ask(g, "GET", "/swap", h, SN_COUNT_OF(h), (struct sn_str){0}, &a));
    T_EQ(a.status, 200);
    T_ASSERT(!has(a.text, "X-Private") && !has(a.text, "Proxy-Authorization"));
    T_ASSERT(!has(a.text, "6.6.6.6") && !has(a.text, "X-Secret") && !has(a.text, "Keep-Alive"));
    T_ASSERT(has(a.text, "TE: trailers\n") && !has(a.text, "gzip") && !has(a.text, "red"));
    T_ASSERT(has(a.text, "X-More: 1\n"));
    DONE(a);
    return 0;
}

RIG_TEST(gateway_bodies_stream_both_ways, main_config)
{
    size_t n = 3 << 20;
    char *big = malloc(n);
    for (size_t i = 0; i < n; i++) big[i] = (char)('a' + i % 23);
    struct answer a;
    T_OK(ask(g, "POST", "/up", NULL, 0, sn_str_of(big, n), &a));
    T_EQ(a.status, 200);
    T_ASSERT(a.text.len > n && memcmp(a.text.ptr + a.text.len - n, big, n) == 0);
    DONE(a);
    free(big);
    a = ASK("GET", "/chunks", 200);
    T_STR(a.text, "piece;piece;piece;piece;piece;");
    T_STR(sn_http_headers_get(&a.resp->trailers, S("x-sum")), "30");
    DONE(a);
    a = ASK("HEAD", "/x", 200);
    T_EQ(a.text.len, 0);
    T_ASSERT(a.resp->content_length != 0);
    DONE(a);
    a = ASK("GET", "/empty", 204);
    DONE(a);
    struct answer cut = {0};
    T_ASSERT(ask(g, "GET", "/cut", NULL, 0, (struct sn_str){0}, &cut) < 0);
    a = ASK("GET", "/after", 200);
    DONE(a);
    return 0;
}

/* ---- failures of upstreams ------------------------------------------------------------------- */

static const char pool_config[] =
    "listeners: [{name: web, address: '127.0.0.1:0'}]\n"
    "upstreams:\n"
    "- {name: app, endpoints: [{address: '@0'}, {address: '@1'}, {address: '@2'}],\n"
    "   balance: round_robin, outlier: {consecutive: 2, eject: 300ms}}\n"
    "routes:\n"
    "- {name: main, match: [{prefix: /}], proxy: {to: [{upstream: app}], timeout: 400ms}}\n";

static int ok_answers(struct rig *g, int n, const char *method)
{
    int ok = 0;
    for (int i = 0; i < n; i++) {
        struct answer a = {0};
        T_OK(ask(g, method, "/", NULL, 0, (struct sn_str){0}, &a));
        ok += a.status == 200;
        DONE(a);
    }
    return ok;
}

RIG_TEST(gateway_retries_and_ejects, pool_config)
{
    T_EQ(ok_answers(g, 9, "GET"), 9);
    T_ASSERT(g->up[0].requests == 3 && g->up[1].requests == 3 && g->up[2].requests == 3);
    upstream_stop(&g->up[1]);
    T_EQ(ok_answers(g, 30, "GET"), 30);
    T_OK(sn_sleep(400 * SN_MS)); /* suspected no more: the next attempt is the probe */
    T_EQ(ok_answers(g, 6, "POST"), 6);
    struct sn_buf b = {0};
    T_OK(sn_gateway_stats_json(g->gw, &b));
    T_ASSERT(has(sn_buf_view(&b), "\"ejected\""));
    sn_buf_done(&b);
    T_OK(sn_sleep(700 * SN_MS));
    upstream_start(&g->up[1], "one", echo);
    int before = g->up[1].requests;
    T_OK(sn_sleep(700 * SN_MS));
    T_EQ(ok_answers(g, 9, "GET"), 9);
    T_ASSERT(g->up[1].requests > before);
    return 0;
}

RIG_TEST(gateway_503_of_one_endpoint_is_hidden, pool_config)
{
    g->up[2].status = 503;
    T_EQ(ok_answers(g, 30, "GET"), 30);
    T_ASSERT(g->up[2].requests <= 4);
    g->up[0].status = g->up[1].status = 503;
    struct answer a = ASK("GET", "/", 503);
    DONE(a);
    return 0;
}

RIG_TEST(gateway_times_out, pool_config)
{
    struct answer a = ASK("GET", "/slow", 504);
    DONE(a);
    upstream_stop(&g->up[0]);
    upstream_stop(&g->up[1]);
    upstream_stop(&g->up[2]);
    a = ASK("GET", "/x", 502);
    DONE(a);
    return 0;
}

RIG_TEST(gateway_full_outage_stays_within_budget, pool_config)
{
    for (int i = 0; i < 3; i++) g->up[i].status = 503;
    T_EQ(ok_answers(g, 600, "GET"), 0);
    int attempts = g->up[0].requests + g->up[1].requests + g->up[2].requests;
    T_ASSERTF(attempts <= 600 + 120 + 11, "%d attempts for 600 requests", attempts);
    T_ASSERTF(attempts > 650, "%d attempts: nothing was retried", attempts);
    return 0;
}

/* ---- raw connections ------------------------------------------------------------------------- */

RIG_TEST(gateway_refuses_smuggling, main_config)
{
    static const char *const shapes[] = {
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: "
         "chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n"),
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://x y/ HTTP/1.1\r\nHost: a\r\n\r\n",
    };
    char buf[4096];
    for (size_t i = 0; i < SN_COUNT_OF(shapes); i++) {
        sn_test_row("shape %zu", i);
        int before = g->up[0].requests;
        struct sn_str got = raw_talk(g, shapes[i], buf, sizeof(buf));
        T_ASSERTF(sn_str_starts(got, S("HTTP/1.1 400")) || sn_str_starts(got, S("HTTP/1.1 501")),
                  "answered %.*s", SN_STR_ARG(got));
        T_EQ(g->up[0].requests, before);
        T_ASSERT(!has(sn_str_from(got, 12), "HTTP/1.1 200"));
    }
    struct sn_str got =
        raw_talk(g, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", buf, sizeof(buf));
    T_ASSERT(sn_str_starts(got, S("HTTP/1.1 405")));
    /* A chunk size that lies: the request is already on its way, the connection must not go on. */
    got = raw_talk(g, "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
                   buf, sizeof(buf));
    T_ASSERTF(sn_str_starts(got, S("HTTP/1.1 400")), "answered %.*s", SN_STR_ARG(got));
    return 0;
}

RIG_TEST(gateway_pipelined_requests_keep_their_order, main_config)
{
    char buf[8192];
    struct sn_str got = raw_talk(
        g,
        "GET /first HTTP/1.1\r\nHost: a\r\n\r\nPOST /second HTTP/1.1\r\nHost: a\r\n"
        "Content-Length: 3\r\n\r\nabcGET /third HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        buf, sizeof(buf));
    ssize_t a = sn_str_find(got, S("GET /first")), b = sn_str_find(got, S("POST /second")),
            c = sn_str_find(got, S("GET /third"));
    T_ASSERT(a > 0 && b > a && c > b);
    return 0;
}

/* ---- tunnels --------------------------------------------------------------------------------- */

static int shouter(struct sn_http_x *x, void *arg)
{
    struct sn_stream *st;
    struct sn_str rest;
    int r = sn_http_header_add(x, S("Upgrade"), S("shout"));
    if (r == 0) r = sn_http_hijack(x, 101, &st, &rest);
    if (r < 0) return r;
    char buf[256];
    ssize_t n;
    while ((n = sn_read(st, buf, sizeof(buf))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            buf[i] = (char)(buf[i] >= 'a' && buf[i] <= 'z' ? buf[i] - 32 : buf[i]);
        if (sn_write(st, buf, (size_t)n) < 0) break;
    }
    sn_stream_close(st);
    return 0;
}

static void expect_bytes(struct sn_stream *st, const char *want)
{
    char buf[256];
    T_OK(sn_read_full(st, buf, strlen(want)));
    T_ASSERTF(memcmp(buf, want, strlen(want)) == 0, "read %.*s", (int)strlen(want), buf);
}

static const char other_config[] = "listeners: [{name: web, address: '127.0.0.1:0'}]\n"
                                   "routes: [{name: all, respond: {status: 200, body: other}}]\n";

RIG_TEST(gateway_tunnel_outlives_reload, main_config)
{
    upstream_stop(&g->up[0]);
    upstream_start(&g->up[0], "shout", shouter);
    struct sn_stream *st;
    T_OK(sn_dial(g->addr, NULL, &st));
    static const char req[] =
        "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\nearly";
    T_OK(sn_write(st, req, sizeof(req) - 1));
    char buf[1024];
    size_t n = 0;
    while (n < sizeof(buf) - 1 && !(n > 4 && memmem(buf, n, "\r\n\r\nEARLY", 9))) {
        ssize_t r = sn_read(st, buf + n, sizeof(buf) - 1 - n);
        T_ASSERTF(r > 0, "tunnel ended after %.*s", (int)n, buf);
        n += (size_t)r;
    }
    T_ASSERT(sn_str_starts(sn_str_of(buf, n), S("HTTP/1.1 101")));
    T_OK(sn_write(st, "hello", 5));
    expect_bytes(st, "HELLO");
    T_OK(sn_gateway_set_text(g->gw, sn_str(other_config)));
    T_OK(sn_write(st, "again", 5));
    expect_bytes(st, "AGAIN");
    struct answer a = ASK("GET", "/", 200);
    T_STR(a.text, "other");
    DONE(a);
    sn_stream_close(st);
    return 0;
}

/* ---- reloads --------------------------------------------------------------------------------- */

struct loader {
    struct rig *g;
    bool stop;
    int done, lost;
    char why[SN_DIAG_BYTES]; /* of the last lost request */
};

/* rig_asker - what ask() needs, with an own url buffer. Not the whole rig: its upstreams' counters
 * are being written. */
static struct rig rig_asker(const struct rig *g)
{
    struct rig mine = {.gw = g->gw, .client = g->client, .tls = g->tls};
    memcpy(mine.addr, g->addr, sizeof mine.addr);
    return mine;
}
static int load_main(void *arg)
{
    struct loader *l = arg;
    struct rig mine = rig_asker(l->g);
    while (!__atomic_load_n(&l->stop, __ATOMIC_RELAXED)) {
        struct answer a = {0};
        int r = ask(&mine, "GET", "/x", NULL, 0, (struct sn_str){0}, &a);
        if (r < 0 || a.status != 200) {
            l->lost++;
            if (r < 0)
                sn_diag_format(r, l->why, sizeof(l->why));
            else
                snprintf(l->why, sizeof(l->why), "status %d", a.status);
        }
        l->done++;
        if (r == 0) DONE(a);
    }
    return 0;
}

/* No tight timeout: on a machine that is busy elsewhere a stall is not a loss. */
static const char reload_config[] =
    "listeners: [{name: web, address: '127.0.0.1:0'}]\n"
    "upstreams:\n"
    "- {name: app, endpoints: [{address: '@0'}, {address: '@1'}, {address: '@2'}]}\n"
    "routes:\n"
    "- {name: main, match: [{prefix: /}], proxy: {to: [{upstream: app}], timeout: 10s}}\n";

RIG_TEST(gateway_reload_under_load_loses_nothing, reload_config)
{
    struct loader l[4] = {{g}, {g}, {g}, {g}};
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    for (int i = 0; i < 4; i++) T_OK(sn_scope_go(s, "load", load_main, &l[i]));
    struct sn_buf text = {0};
    for (int k = 0; k < 60; k++) {
        sn_buf_reset(&text);
        config_text(&text, reload_config, g);
        /* Changed limits make a new server on the same socket; changed upstreams a new pool. */
        if (k % 3 == 1) sn_buf_printf(&text, "limits: {headers: %d}\n", 100 + k % 7);
        if (k % 3 == 2) sn_buf_cstr(&text, "via: other\n");
        T_OK(sn_gateway_set_text(g->gw, sn_buf_view(&text)));
        T_OK(sn_sleep(5 * SN_MS));
    }
    sn_buf_done(&text);
    int done = 0, lost = 0;
    for (int i = 0; i < 4; i++) __atomic_store_n(&l[i].stop, true, __ATOMIC_RELAXED);
    T_OK(sn_scope_end(s));
    for (int i = 0; i < 4; i++) {
        done += l[i].done;
        lost += l[i].lost;
        if (l[i].lost) sn_test_row("%s", l[i].why);
    }
    T_ASSERTF(lost == 0, "%d of %d requests lost", lost, done);
    T_ASSERT(done > 100);
    return 0;
}

RIG_TEST(gateway_bad_reload_changes_nothing, main_config)
{
    T_ASSERT(sn_gateway_set_text(g->gw, S("listeners: [{name: web, address: 'x'}]\nroutes: 7\n")) <
             0);
    struct sn_buf b = {0};
    T_OK(sn_gateway_stats_json(g->gw, &b));
    T_ASSERTF(has(sn_buf_view(&b), "gateway.yaml:2:9: routes: expected a list"), "%.*s", (int)b.len,
              (const char *)b.ptr);
    sn_buf_done(&b);
    struct answer a = ASK("GET", "/still", 200);
    DONE(a);
    return 0;
}

static int slow_call(void *arg)
{
    struct loader *l = arg;
    struct rig mine = rig_asker(l->g);
    struct answer a = {0};
    int r = ask(&mine, "GET", "/slow", NULL, 0, (struct sn_str){0}, &a);
    l->done = r == 0 ? a.status : r;
    if (r == 0) DONE(a);
    return 0;
}

RIG_TEST(gateway_drain_answers_what_is_in_flight, main_config)
{
    struct loader l = {.g = g};
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_scope_go(s, "slow", slow_call, &l));
    T_OK(sn_sleep(200 * SN_MS));
    sn_gateway_stop(g->gw);
    T_OK(sn_scope_end(s));
    T_EQ(l.done, 200);
    T_OK(sn_event_wait(&g->over));
    T_EQ(g->cut, 0);
    return 0;
}

/* ---- statistics ------------------------------------------------------------------------------ */

RIG_TEST(gateway_statistics, main_config)
{
    T_EQ(ok_answers(g, 20, "GET"), 20);
    struct answer a = ASK("GET", "/fixed", 418);
    DONE(a);
    T_OK(
        sn_sleep(50 * SN_MS)); /* a request is counted when its handler returns, after the answer */
    struct sn_buf b = {0};
    T_OK(sn_gateway_stats_json(g->gw, &b));
    struct sn_arena ar;
    sn_arena_init(&ar, NULL, 0);
    const struct sn_json *root;
    T_OK(sn_json_parse(&ar, sn_buf_view(&b), NULL, &root));
    T_EQ(sn_json_i64_or(sn_json_path(root, "totals.requests"), -1), 21);
    T_EQ(sn_json_i64_or(sn_json_path(root, "totals.inflight"), -1), 0);
    const struct sn_json *routes = sn_json_get(root, "routes");
    T_EQ(sn_json_len(routes), 5);
    T_EQ(sn_json_i64_or(sn_json_get(sn_json_at(routes, 0), "s4xx"), -1), 1);
    T_EQ(sn_json_i64_or(sn_json_get(sn_json_at(routes, 4), "s2xx"), -1), 20);
    T_STR(sn_json_str(sn_json_get(sn_json_at(routes, 4), "target")), "app");
    sn_arena_done(&ar);
    sn_buf_done(&b);
    return 0;
}

/* ---- static files ---------------------------------------------------------------------------- */

static void write_file(const char *dir, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    T_ASSERT(f != NULL);
    fputs(text, f);
    fclose(f);
}

static void several_ranges(struct rig *g)
{
    static const struct sn_http_header h = {SN_STR_INIT("Range"), SN_STR_INIT("bytes=8-,1-2")};
    struct answer a;
    char want[600];
    T_OK(ask(g, "GET", "/s/a.txt", &h, 1, (struct sn_str){0}, &a));
    T_EQ(a.status, 206);
    struct sn_str type = sn_http_headers_get(&a.headers, S("content-type"));
    struct sn_str start = S("multipart/byteranges; boundary=");
    T_ASSERT(sn_str_starts(type, start) && type.len == start.len + 32);
    T_ASSERT(!sn_http_headers_get(&a.headers, S("content-range")).ptr);
    struct sn_str mark = sn_str_from(type, start.len);
    snprintf(want, sizeof(want),
             "--%.*s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 8-9/10\r\n\r\n"
             "89\r\n--%.*s\r\nContent-Type: text/plain; charset=utf-8\r\n"
             "Content-Range: bytes 1-2/10\r\n\r\n12\r\n--%.*s--\r\n",
             SN_STR_ARG(mark), SN_STR_ARG(mark), SN_STR_ARG(mark));
    T_STR(a.text, want);
    T_EQ(a.resp->content_length, (int64_t)a.text.len);
    DONE(a);
}

static int files_body(struct rig *g)
{
    struct answer a = ASK("GET", "/s/a.txt", 200);
    T_STR(a.text, "0123456789");
    T_STR(sn_http_headers_get(&a.headers, S("content-type")), "text/plain; charset=utf-8");
    char etag[80], modified[80];
    snprintf(etag, sizeof(etag), "%.*s", SN_STR_ARG(sn_http_headers_get(&a.headers, S("etag"))));
    snprintf(modified, sizeof(modified), "%.*s",
             SN_STR_ARG(sn_http_headers_get(&a.headers, S("last-modified"))));
    DONE(a);
    struct {
        const char *path, *name;
        const char *value;
        int status;
        const char *body;
    } rows[] = {
        {"/s/a.txt", "Range", "bytes=2-4", 206, "234"},
        {"/s/a.txt", "Range", "bytes=7-", 206, "789"},
        {"/s/a.txt", "Range", "bytes=-3", 206, "789"},
        {"/s/a.txt", "Range", "bytes=50-", 416, ""},
        {"/s/a.txt", "Range", "bytes=4-2", 200, "0123456789"},
        {"/s/a.txt", "Range", "bytes=0-9,4-5", 200, "0123456789"}, /* more than there is */
        {"/s/a.txt", "Range", "bytes=2-4,50-", 206, "234"},
        {"/s/a.txt", "If-None-Match", etag, 304, ""},
        {"/s/a.txt", "If-None-Match", "\"x\", *", 304, ""},
        {"/s/a.txt", "If-None-Match", "\"x\"", 200, "0123456789"},
        {"/s/a.txt", "If-Modified-Since", modified, 304, ""},
        {"/s/a.txt", "If-Modified-Since", "Thu, 01 Jan 1970 00:00:01 GMT", 200, "0123456789"},
        {"/s/a.txt", "If-Match", "\"x\"", 412, ""},
        {"/s/c.js", "Accept-Encoding", "gzip;q=0, br", 200, "brotli"},
        {"/s/c.js", "Accept-Encoding", "gzip", 200, "plain"},
        {"/s/c.js", "Accept-Encoding", "br;q=0", 200, "plain"},
        {"/s/", "X", "y", 200, "<index>"},
        {"/s/sub", "X", "y", 301, ""},
        {"/s/sub/", "X", "y", 404, NULL},
        {"/s/.hidden", "X", "y", 404, NULL},
        {"/s/link", "X", "y", 404, NULL},
        {"/s/none", "X", "y", 404, NULL},
        {"/s/sub%2Fx", "X", "y", 404, NULL},
        {"/s/%2e%2e/%2e%2e/etc/passwd", "X", "y", 400, NULL},
        {"/s/a.txt/", "X", "y", 404, NULL},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s %s: %s", rows[i].path, rows[i].name, rows[i].value);
        struct sn_http_header h = {sn_str(rows[i].name), sn_str(rows[i].value)};
        T_OK(ask(g, "GET", rows[i].path, &h, 1, (struct sn_str){0}, &a));
        T_EQ(a.status, rows[i].status);
        if (rows[i].body) T_STR(a.text, rows[i].body);
        DONE(a);
    }
    several_ranges(g);
    a = ASK("POST", "/s/a.txt", 405);
    DONE(a);
    a = ASK("GET", "/s/big", 200);
    T_EQ(a.text.len, 300000);
    DONE(a);
    return 0;
}

static char files_config[1024];
static int files_main(void *arg)
{
    with_rig(files_config, files_body);
    return 0;
}

SN_TEST(gateway_static_files)
{
    const char *dir = sn_test_tmpdir();
    char path[512];
    write_file(dir, "a.txt", "0123456789");
    write_file(dir, "c.js", "plain");
    write_file(dir, "c.js.br", "brotli");
    write_file(dir, "index.html", "<index>");
    write_file(dir, ".hidden", "secret");
    snprintf(path, sizeof(path), "%s/sub", dir);
    T_EQ(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/link", dir);
    T_EQ(symlink("/etc/passwd", path), 0);
    char *big = malloc(300001);
    memset(big, 'x', 300000);
    big[300000] = 0;
    write_file(dir, "big", big);
    free(big);
    snprintf(files_config, sizeof(files_config),
             "listeners: [{name: web, address: '127.0.0.1:0'}]\n"
             "routes: [{name: files, match: [{prefix: /s}], static: {root: '%s'}}]\n",
             dir);
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, files_main, NULL));
}

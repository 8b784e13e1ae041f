/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/admin_test.c - the admin API: what it tells, what it does, whom it refuses. */
#include <unistd.h>

#include "gateway/gw_int.h"
#include "gateway/rig_test.h"
#include "harness/test.h"
#include "wire/json.h"

static const char config[] = "listeners: [{name: web, address: '127.0.0.1:0'}]\n"
                             "admin: {address: '127.0.0.1:0'}\n"
                             "upstreams:\n"
                             "- {name: app, endpoints: [{address: '@0'}, {address: '@1'}]}\n"
                             "routes: [{name: main, proxy: {to: [{upstream: app}]}}]\n";

static int admin_ask(struct rig *g, const char *method, const char *path,
                     const struct sn_http_header *h, unsigned n, struct answer *a)
{
    char web[64];
    memcpy(web, g->addr, sizeof(web));
    T_ASSERT(gw_admin_addr(g->gw, g->addr, sizeof(g->addr)) > 0);
    int r = ask(g, method, path, h, n, (struct sn_str){0}, a);
    memcpy(g->addr, web, sizeof(web));
    return r;
}

static int expect(struct rig *g, const char *method, const char *path, int status, const char *text)
{
    struct answer a = {0};
    sn_test_row("%s %s", method, path);
    T_OK(admin_ask(g, method, path, NULL, 0, &a));
    T_EQ(a.status, status);
    T_ASSERTF(has(a.text, text), "%.*s", SN_STR_ARG(a.text));
    DONE(a);
    return 0;
}

RIG_TEST(admin_api, config)
{
    char path[200];
    struct answer a;
    expect(g, "GET", "/", 200, "/upstreams");
    expect(g, "GET", "/config", 200, "\"panic_percent\":30");
    expect(g, "GET", "/stats", 200, "\"totals\":");
    expect(g, "GET", "/routes", 200, "\"name\":\"main\"");
    expect(g, "GET", "/listeners", 200, "\"conns_open\":");
    expect(g, "GET", "/ready", 200, "ready");
    expect(g, "POST", "/reload", 200, "reloaded");
    expect(g, "GET", "/reload", 405, "method");
    expect(g, "GET", "/nothing", 404, "GET /");
    expect(g, "POST", "/drain", 400, "expected");
    expect(g, "POST", "/drain?upstream=app&endpoint=1.2.3.4:5", 404, "no such");
    expect(g, "POST", "/log?level=nonsense", 400, "nonsense");
    /* A drained endpoint gets no request more, and keeps that through a reload. */
    snprintf(path, sizeof(path), "/drain?upstream=app&endpoint=%s", g->up[0].addr);
    expect(g, "POST", path, 200, "drained");
    expect(g, "POST", "/reload", 200, "reloaded");
    expect(g, "GET", "/upstreams", 200, "\"state\":\"drained\"");
    int before = g->up[0].requests;
    for (int i = 0; i < 20; i++) {
        a = ASK("GET", "/x", 200);
        DONE(a);
    }
    T_EQ(g->up[0].requests, before);
    snprintf(path, sizeof(path), "/undrain?upstream=app&endpoint=%s", g->up[0].addr);
    expect(g, "POST", path, 200, "back");
    for (int i = 0; i < 40; i++) {
        a = ASK("GET", "/x", 200);
        DONE(a);
    }
    T_ASSERT(g->up[0].requests > before);
    /* No way in through a browser. */
    struct sn_http_header origin = {S("Origin"), S("http://page.example")},
                          host = {S("Host"), S("rebound.example")};
    T_OK(admin_ask(g, "POST", "/reload", &origin, 1, &a));
    T_EQ(a.status, 403);
    DONE(a);
    T_OK(admin_ask(g, "GET", "/stats", &host, 1, &a));
    T_EQ(a.status, 403);
    DONE(a);
    return 0;
}

static char token_path[64];

static int token_body(struct rig *g)
{
    struct answer a;
    struct sn_http_header good = {S("Authorization"), S("Bearer 0123456789abcdef")},
                          bad = {S("Authorization"), S("Bearer 0123456789abcdee")};
    expect(g, "GET", "/stats", 401, "token");
    T_OK(admin_ask(g, "GET", "/stats", &bad, 1, &a));
    T_EQ(a.status, 401);
    DONE(a);
    T_OK(admin_ask(g, "GET", "/stats", &good, 1, &a));
    T_EQ(a.status, 200);
    DONE(a);
    /* Without its section the listener goes. */
    char was[64];
    struct sn_stream *st;
    T_ASSERT(gw_admin_addr(g->gw, was, sizeof(was)) > 0);
    T_OK(sn_gateway_set_text(g->gw, S("listeners: [{name: web, address: '127.0.0.1:0'}]\n")));
    int r = 0;
    /* Who comes while it closes may also be cut off. */
    for (int i = 0; i < 300 && r != SN_E_REFUSED; i++) {
        if ((r = sn_dial(was, NULL, &st)) == 0) sn_stream_close(st);
        T_OK(sn_sleep(10 * SN_MS));
    }
    T_ASSERT(r < 0);
    return 0;
}

static int token_main(void *arg)
{
    char text[512];
    snprintf(text, sizeof(text),
             "listeners: [{name: web, address: '127.0.0.1:0'}]\n"
             "admin: {address: '127.0.0.1:0', token_file: '%s'}\n",
             token_path);
    with_rig(text, token_body);
    return 0;
}

SN_TEST(admin_token)
{
    snprintf(token_path, sizeof(token_path), "/tmp/sennit-gw-token-XXXXXX");
    int fd = mkstemp(token_path);
    T_ASSERT(fd >= 0 && write(fd, "0123456789abcdef\n", 17) == 17);
    close(fd);
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, token_main, NULL));
    unlink(token_path);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* govern/chain_test.c - each guard of the chain over HTTP, and the order of a server's beginning and end. */
#include "govern/chain.h"

#include "core/enc.h"
#include "harness/test.h"

#include "govern/chain_rig_test.h"
#include "govern/life.h"
#include "kit/log.h"

static struct {
    struct sn_gov_server *s;
    struct sn_gov_route *route;
    struct sn_http_client *client;
    struct sn_metrics *metrics;
    struct rig_server http;
    char trace[33];
    struct sn_buf log;
    unsigned handled;
} t;

static int app(struct sn_http_x *x, void *arg)
{
    struct sn_str p = x->req.path;
    t.handled++;
    struct sn_gov_call *c = sn_gov_current();
    T_ASSERT(c && c->route == t.route);
    t.trace[sn_gov_log_trace(t.trace)] = 0;
    if (sn_str_eqc(p, "/panic")) sn_panic("deliberate");
    if (sn_str_eqc(p, "/fail")) return sn_fail(SN_E_UNAVAILABLE, "no");
    if (sn_str_eqc(p, "/500")) return sn_http_reply(x, 500, SN_STR("text/plain"), SN_STR("no"));
    if (sn_str_eqc(p, "/missing")) return SN_E_NOT_FOUND;
    if (sn_str_eqc(p, "/slow")) return sn_sleep(10 * SN_SEC);
    if (sn_str_eqc(p, "/hold")) return sn_sleep(SN_SEC);
    if (sn_str_eqc(p, "/who")) return sn_http_reply(x, 200, SN_STR("text/plain"), c->jwt.subject);
    return sn_http_reply(x, 200, SN_STR("text/plain"), SN_STR("fine"));
}

static void log_sink(void *arg, struct sn_str lines) { sn_buf_str(&t.log, lines); }

/* Runs body in front of a server with the given options. */
static int with_server(const struct sn_gov_server_opts *so, struct sn_gov_route_opts ro, int (*body)(void))
{
    struct sn_gov_server_opts o = *so;
    memset(&t, 0, sizeof(t));
    t.metrics = o.metrics = sn_metrics_new();
    T_OK(sn_gov_server_new(&o, &t.s));
    if (!ro.name) ro.name = "GET /app";
    ro.handler = app;
    T_OK(sn_gov_route_new(t.s, &ro, &t.route));
    T_OK(sn_http_client_new(&(struct sn_http_client_opts){0}, &t.client));
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    rig_open(s, &t.http, 8000, sn_gov_handle, t.route);
    int r = body();
    sn_http_client_free(t.client);
    rig_close(&t.http);
    T_OK(sn_scope_end(s));
    sn_http_server_free(t.http.server);
    struct sn_gov_server_stats st;
    sn_gov_server_stats(t.s, &st);
    T_EQ(st.active, 0);
    sn_gov_server_free(t.s);
    sn_metrics_free(t.metrics);
    sn_buf_done(&t.log);
    return r;
}

static int get(const char *path) { return rig_get(t.client, t.http.addr, path, NULL, 0, NULL); }

static void metric(const char *line) { rig_metric(t.metrics, line); }

/* ---- what passes ---- */

static int plain_body(void)
{
    T_EQ(get("/x"), 200);
    T_EQ(get("/missing"), 404);
    T_EQ(get("/panic"), 500);
    T_EQ(get("/fail"), 503);
    int64_t t0 = sn_now();
    T_EQ(get("/slow"), 504);
    T_ASSERT(sn_now() - t0 < SN_GOV_TIMEOUT_HTTP_NS + SN_SEC);
    struct sn_gov_server_stats st;
    sn_gov_server_stats(t.s, &st);
    T_EQ(st.calls, 5);
    T_EQ(st.panics, 1);
    metric("http_server_requests_code_total{path=\"GET /app\",code=\"200\"} 1");
    metric("http_server_requests_code_total{path=\"GET /app\",code=\"504\"} 1");
    metric("http_server_requests_duration_ms_count{path=\"GET /app\"} 5");
    metric("govern_panics_total 1");
    return 0;
}
static int plain_main(void *arg)
{
    return with_server(&(struct sn_gov_server_opts){.access_log_off = true}, (struct sn_gov_route_opts){0}, plain_body);
}
SN_TEST(chain_passes_and_counts) { rig_simulate(plain_main, 3); }

/* ---- traces and the access log ---- */

static int trace_body(void)
{
    struct sn_http_header h[2] = {{SN_STR("traceparent"), SN_STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")},
                                  {SN_STR("tracestate"), SN_STR("a=1")}};
    T_EQ(rig_get(t.client, t.http.addr, "/x\"y", h, 2, NULL), 200);
    T_CSTR(t.trace, "0af7651916cd43dd8448eb211c80319c");
    T_ASSERTF(sn_str_find(sn_buf_view(&t.log), SN_STR("\"trace\":\"0af7651916cd43dd8448eb211c80319c\"")) > 0, "%s", sn_buf_cz(&t.log));
    T_ASSERT(sn_str_find(sn_buf_view(&t.log), SN_STR("\"path\":\"/x\\\"y\"")) > 0);
    T_ASSERT(sn_str_find(sn_buf_view(&t.log), SN_STR("\"status\":200")) > 0);
    h[0].value = SN_STR("00-00000000000000000000000000000000-b7ad6b7169203331-01");
    T_EQ(rig_get(t.client, t.http.addr, "/x", h, 1, NULL), 200);
    T_ASSERT(strcmp(t.trace, "0af7651916cd43dd8448eb211c80319c") != 0 && strlen(t.trace) == 32);
    return 0;
}
static int trace_main(void *arg)
{
    struct sn_log *log;
    T_OK(sn_log_new(&(struct sn_log_opts){.sync = true, .sink = log_sink}, &log));
    int r = with_server(&(struct sn_gov_server_opts){.access_log = log}, (struct sn_gov_route_opts){0}, trace_body);
    sn_log_free(log);
    return r;
}
SN_TEST(chain_trace_and_access_log) { rig_simulate(trace_main, 1); }

/* ---- what is refused ---- */

static int rate_body(void)
{
    struct sn_str after;
    int ok = 0;
    for (int i = 0; i < 10; i++) ok += rig_get(t.client, t.http.addr, "/x", NULL, 0, &after) == 200;
    T_EQ(ok, 3);
    T_STR(after, "10");
    metric("govern_refused_total{reason=\"rate\"} 7");
    return 0;
}
static int rate_main(void *arg)
{
    return with_server(&(struct sn_gov_server_opts){.rate = {.per_s = 0.1, .burst = 3}, .access_log_off = true},
                       (struct sn_gov_route_opts){0}, rate_body);
}
SN_TEST(chain_rate_limit) { rig_simulate(rate_main, 1); }

static int hold(void *arg)
{
    int r = get("/hold");
    return r == 200 ? 0 : SN_E_INTERNAL;
}
static int full_body(void)
{
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    for (int i = 0; i < 3; i++) T_OK(sn_scope_go(s, "hold", hold, NULL));
    T_OK(sn_sleep(500 * SN_MS));
    T_EQ(get("/x"), 503);
    T_OK(sn_scope_end(s));
    T_EQ(get("/x"), 200);
    sn_gov_server_drain(t.s, true);
    T_EQ(get("/x"), 503);
    sn_gov_server_drain(t.s, false);
    struct sn_http_header big[1] = {{SN_STR("x"), SN_STR("y")}};
    char url[64];
    snprintf(url, sizeof(url), "http://%s/x", t.http.addr);
    char *body = sn_zalloc(1, SN_GOV_BODY_MAX + 1);
    struct sn_http_resp *resp;
    T_OK(sn_http_do(t.client, &(struct sn_http_call){.method = SN_STR("POST"), .url = sn_str(url), .headers = big, .n_headers = 1,
                                                     .body = sn_str_of(body, SN_GOV_BODY_MAX + 1)}, &resp));
    T_EQ(resp->status, 413);
    sn_http_resp_close(resp);
    sn_free(body);
    return 0;
}
static int full_main(void *arg)
{
    return with_server(&(struct sn_gov_server_opts){.inflight_max = 3, .access_log_off = true}, (struct sn_gov_route_opts){0},
                       full_body);
}
SN_TEST(chain_in_flight_drain_and_body) { rig_simulate(full_main, 3); }

static int breaker_body(void)
{
    for (int i = 0; i < 100; i++) (void)get("/500");
    unsigned before = t.handled;
    for (int i = 0; i < 50; i++) (void)get("/500");
    T_ASSERTF(t.handled - before < 25, "%u of 50 calls passed the breaker", t.handled - before);
    /* The route is well again: so is the breaker, within a second. */
    for (int i = 0; i < 200; i++) {
        (void)get("/x");
        T_OK(sn_sleep(5 * SN_MS));
    }
    for (int i = 0; i < 50; i++) T_EQ(get("/x"), 200);
    return 0;
}
static int breaker_main(void *arg)
{
    return with_server(&(struct sn_gov_server_opts){.access_log_off = true}, (struct sn_gov_route_opts){0}, breaker_body);
}
SN_TEST(chain_breaker) { rig_simulate(breaker_main, 3); }

static int shed_body(void)
{
    for (int i = 0; i < 200; i++) T_EQ(get("/x"), 200); /* a rate and a duration to go by */
    T_OK(sn_sleep(SN_SEC));
    sn_gov_server_cpu(t.s, 1000, 1000);
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    for (int i = 0; i < 400; i++) T_OK(sn_scope_go(s, "hold", hold, NULL));
    int r = sn_scope_end(s);
    T_ASSERT(r < 0); /* some of them were refused */
    struct sn_gov_server_stats st;
    sn_gov_server_stats(t.s, &st);
    T_ASSERTF(st.refused[SN_GOV_WHY_SHED] > 0, "nothing was shed");
    return 0;
}
static int shed_main(void *arg)
{
    return with_server(&(struct sn_gov_server_opts){.access_log_off = true}, (struct sn_gov_route_opts){0}, shed_body);
}
SN_TEST(chain_sheds) { rig_simulate(shed_main, 1); }

/* ---- tokens ---- */

static struct sn_jwt_store *store;
static int token_body(void)
{
    struct sn_jwt_keys *k = sn_jwt_store_get(store);
    char claims[100], auth[600];
    struct sn_buf b = {0};
    snprintf(claims, sizeof(claims), "{\"sub\":\"alice\",\"exp\":%lld}", (long long)(sn_wall_now() / SN_SEC + 5));
    T_OK(sn_jwt_sign(k, SN_JWT_HS256, SN_STR(""), sn_str(claims), SN_STR(""), &b));
    snprintf(auth, sizeof(auth), "Bearer %s", sn_buf_cz(&b));
    struct sn_http_header h[1] = {{SN_STR("Authorization"), sn_str(auth)}};
    T_EQ(get("/who"), 401);
    T_EQ(rig_get(t.client, t.http.addr, "/who", h, 1, NULL), 200);
    T_OK(sn_sleep(6 * SN_SEC));
    T_EQ(rig_get(t.client, t.http.addr, "/who", h, 1, NULL), 401);
    metric("govern_refused_total{reason=\"token\"} 2");
    T_EQ(t.handled, 1);
    sn_buf_done(&b);
    sn_jwt_keys_unref(k);
    return 0;
}
static int token_main(void *arg)
{
    struct sn_jwt_keys *k = sn_jwt_keys_new();
    T_OK(sn_jwt_keys_add_secret(k, SN_JWT_HS256, SN_STR("a secret of thirty-two bytes and more"), SN_STR("")));
    store = sn_jwt_store_new(k);
    int r = with_server(&(struct sn_gov_server_opts){.access_log_off = true}, (struct sn_gov_route_opts){.jwt = store}, token_body);
    sn_jwt_store_free(store);
    return r;
}
SN_TEST(chain_token) { rig_simulate(token_main, 1); }

/* ---- beginning and end ---- */

static struct sn_gov_life life;
static char steps[200];
static void note(const char *s) { snprintf(steps + strlen(steps), sizeof(steps) - strlen(steps), "%s ", s); }
static int warm_up(void *arg) { return note("warm"), 0; }
static int enlist(void *arg) { return note("enlist"), arg == &steps ? SN_E_UNAVAILABLE : 0; }
static int delist(void *arg) { return note("delist"), 0; }
static void serving(bool yes, void *arg) { note(yes ? "yes" : "no"); }
static int asker(void *arg)
{
    while (sn_gov_life_state(&life) != SN_GOV_STOPPED) {
        int r = get("/x");
        /* Until the server stops listening every answer is a good one. */
        if (sn_gov_life_state(&life) == SN_GOV_DRAINING && r < 0) break;
        if (r != 200) return sn_fail(SN_E_INTERNAL, "status %d", r);
        if (sn_sleep(20 * SN_MS) < 0) break;
    }
    return 0;
}
static int life_body(void)
{
    struct sn_http_server *servers[1] = {t.http.server};
    steps[0] = 0;
    sn_gov_life_init(&life, &(struct sn_gov_life_opts){.warm_up = warm_up, .enlist = enlist, .delist = delist, .serving = serving,
                                                       .servers = servers, .n_servers = 1});
    T_OK(sn_gov_life_start(&life));
    T_CSTR(steps, "warm yes enlist ");
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_scope_go(s, "ask", asker, NULL));
    T_OK(sn_scope_go(s, "hold", hold, NULL));
    T_OK(sn_sleep(100 * SN_MS));
    int64_t t0 = sn_now();
    T_EQ(sn_gov_life_drain(&life), 0);
    T_ASSERT(sn_now() - t0 >= SN_GOV_SETTLE_NS);
    T_OK(sn_scope_end(s));
    T_CSTR(steps, "warm yes enlist delist no ");
    T_CSTR(sn_gov_state_name(sn_gov_life_state(&life)), "STOPPED");
    /* A registry that refuses: nobody was told that we serve. */
    steps[0] = 0;
    sn_gov_life_init(&life, &(struct sn_gov_life_opts){.enlist = enlist, .serving = serving, .arg = &steps});
    T_EQ(sn_gov_life_start(&life), SN_E_UNAVAILABLE);
    T_CSTR(steps, "yes enlist no ");
    return 0;
}
static int life_main(void *arg)
{
    return with_server(&(struct sn_gov_server_opts){.access_log_off = true}, (struct sn_gov_route_opts){0}, life_body);
}
SN_TEST(life_order) { rig_simulate(life_main, 5); }

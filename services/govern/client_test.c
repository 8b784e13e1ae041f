/* SPDX-License-Identifier: Apache-2.0 */
/* govern/client_test.c - the client's chain against ten servers in simulation: retries, budget, breakers, hedging,
 * deadlines, and traces that cross. */
#include "govern/client.h"

#include "core/enc.h"
#include "harness/test.h"

#include "govern/chain_rig_test.h"
#include "govern/otlp.h"

enum mood { WELL, REFUSING, STUCK, SLOW };
static struct {
    struct rig_server servers[RIG_SERVERS];
    enum mood mood[RIG_SERVERS];
    struct sn_gov_client *c;
    struct sn_http_client *http;
    struct sn_metrics *metrics;
    unsigned served, ok, failed;
    char parent[64], baggage[64], retry_after[16];
} t;

static int app(struct sn_http_x *x, void *arg)
{
    enum mood m = t.mood[(intptr_t)arg];
    t.servers[(intptr_t)arg].asked++;
    t.served++;
    snprintf(t.parent, sizeof(t.parent), "%.*s", SN_STR_ARG(sn_http_headers_get(&x->req.headers, SN_STR("traceparent"))));
    snprintf(t.baggage, sizeof(t.baggage), "%.*s", SN_STR_ARG(sn_http_headers_get(&x->req.headers, SN_STR("baggage"))));
    if (m == STUCK) return sn_sleep(20 * SN_SEC);
    if (m == SLOW && sn_sleep(300 * SN_MS) < 0) return SN_E_CANCELLED;
    if (m == REFUSING && t.retry_after[0] && sn_http_header_add(x, SN_STR("retry-after"), sn_str(t.retry_after)) < 0)
        return SN_E_INTERNAL;
    if (m == REFUSING) return sn_http_reply(x, 503, SN_STR("text/plain"), SN_STR("no"));
    if (sn_sleep(2 * SN_MS) < 0) return SN_E_CANCELLED;
    return sn_http_reply(x, 200, SN_STR("text/plain"), SN_STR("fine"));
}

static int with_servers(struct sn_gov_client_opts o, int (*body)(void))
{
    memset(&t, 0, sizeof(t));
    T_OK(sn_http_client_new(&(struct sn_http_client_opts){0}, &t.http));
    t.metrics = sn_metrics_new();
    o.http = t.http;
    o.metrics = t.metrics;
    o.service = "app";
    T_OK(sn_gov_client_new(&o, &t.c));
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    struct sn_gov_endpoint_spec specs[RIG_SERVERS] = {0};
    for (int i = 0; i < RIG_SERVERS; i++) {
        rig_open(s, &t.servers[i], 8000 + i, app, (void *)(intptr_t)i);
        specs[i].addr = sn_str(t.servers[i].addr);
    }
    T_OK(sn_gov_client_update(t.c, specs, RIG_SERVERS));
    int r = body();
    sn_gov_client_free(t.c);
    sn_http_client_free(t.http);
    for (int i = 0; i < RIG_SERVERS; i++) rig_close(&t.servers[i]);
    T_OK(sn_scope_end(s));
    for (int i = 0; i < RIG_SERVERS; i++) sn_http_server_free(t.servers[i].server);
    sn_metrics_free(t.metrics);
    return r;
}

static int ask(const char *method, bool idempotent, bool hedge)
{
    struct sn_http_resp *resp;
    struct sn_http_call call = {.method = sn_str(method), .url = SN_STR("http://app/x")};
    struct sn_gov_request q = {.method = "X /x", .call = &call, .idempotent = idempotent, .hedge = hedge};
    int r = sn_gov_client_do(t.c, &q, &resp);
    if (r < 0) return r;
    r = resp->status;
    struct sn_str body;
    if (sn_http_resp_all(resp, 1000, &body) < 0) r = SN_E_RESET;
    sn_http_resp_close(resp);
    return r;
}

static int one(void *arg)
{
    int r = ask("GET", true, arg != NULL);
    if (r == 200)
        t.ok++;
    else
        t.failed++;
    return 0;
}
static void load(unsigned n, int64_t every, bool hedge)
{
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    t.ok = t.failed = 0;
    for (unsigned i = 0; i < n; i++) {
        T_OK(sn_scope_go(s, "call", one, hedge ? &t : NULL));
        T_OK(sn_sleep(every));
    }
    T_OK(sn_scope_end(s));
}

/* One of ten refuses: nobody notices. All refuse: attempts stay below 1.2 times the calls. All are back: within a
 * second nothing is refused any more. */
static int retry_body(void)
{
    load(500, 2 * SN_MS, false);
    T_EQ(t.failed, 0);
    t.mood[3] = REFUSING;
    load(1000, 2 * SN_MS, false);
    T_EQ(t.failed, 0);
    T_ASSERTF(t.servers[3].asked < 120, "the refusing one was asked %u times", t.servers[3].asked);
    for (int i = 0; i < RIG_SERVERS; i++) t.mood[i] = REFUSING;
    t.served = 0;
    load(2000, 2 * SN_MS, false);
    T_EQ(t.ok, 0);
    T_ASSERTF(t.served <= 2400, "%u attempts for 2000 calls", t.served);
    for (int i = 0; i < RIG_SERVERS; i++) t.mood[i] = WELL;
    load(500, 2 * SN_MS, false);
    load(500, 2 * SN_MS, false);
    T_ASSERTF(t.failed <= 5, "%u of 500 calls failed in the second second after the outage", t.failed);
    struct sn_gov_client_stats st;
    sn_gov_client_stats(t.c, &st);
    T_ASSERT(st.refused > 0 && st.retries > 0);
    return 0;
}
static int retry_main(void *arg) { return with_servers((struct sn_gov_client_opts){0}, retry_body); }
SN_TEST_SLOW(client_retries_budget_and_breakers, 120) { rig_simulate(retry_main, 3); }

/* A POST is sent once; Retry-After of a day is "do not"; a deadline covers everything. */
static int rules_body(void)
{
    for (int i = 0; i < RIG_SERVERS; i++) t.mood[i] = REFUSING;
    T_EQ(ask("POST", false, false), 503);
    T_EQ(t.served, 1);
    T_EQ(ask("GET", false, false), 503);
    T_EQ(t.served, 4);
    snprintf(t.retry_after, sizeof(t.retry_after), "86400");
    T_EQ(ask("GET", false, false), 503);
    T_EQ(t.served, 5);
    for (int i = 0; i < RIG_SERVERS; i++) t.mood[i] = STUCK;
    int64_t t0 = sn_now();
    T_EQ(ask("GET", false, false), SN_E_DEADLINE_EXCEEDED);
    T_ASSERT(sn_now() - t0 <= 2 * SN_SEC + SN_MS);
    /* The fiber's own deadline, as a handler's, is the sooner one. */
    t0 = sn_now();
    int64_t prev = sn_deadline_tighten(t0 + 100 * SN_MS);
    T_EQ(ask("GET", false, false), SN_E_DEADLINE_EXCEEDED);
    sn_deadline_restore(prev);
    T_ASSERT(sn_now() - t0 <= 101 * SN_MS);
    T_OK(sn_gov_client_update(t.c, NULL, 0));
    T_EQ(ask("GET", false, false), SN_E_UNAVAILABLE);
    return 0;
}
static int rules_main(void *arg) { return with_servers((struct sn_gov_client_opts){0}, rules_body); }
SN_TEST(client_rules) { rig_simulate(rules_main, 5); }

/* Two of ten take 300 ms now and then; with hedging hardly anybody waits for them. */
static int64_t slowest(unsigned n, bool hedge)
{
    int64_t worst = 0;
    unsigned slow = 0;
    for (unsigned i = 0; i < n; i++) {
        t.mood[i * 7 % RIG_SERVERS] = SLOW;
        if (i >= 2) t.mood[(i - 2) * 7 % RIG_SERVERS] = WELL;
        int64_t t0 = sn_now();
        T_EQ(ask("GET", true, hedge), 200);
        slow += sn_now() - t0 > 200 * SN_MS;
        worst = SN_MAX(worst, sn_now() - t0);
    }
    return slow;
}
static int hedge_body(void)
{
    load(300, 3 * SN_MS, false);
    int64_t without = slowest(200, false);
    for (int i = 0; i < RIG_SERVERS; i++) t.mood[i] = WELL;
    load(300, 3 * SN_MS, false);
    int64_t with = slowest(200, true);
    struct sn_gov_client_stats st;
    sn_gov_client_stats(t.c, &st);
    T_ASSERTF(with * 3 <= without, "%lld slow calls with hedging, %lld without", (long long)with, (long long)without);
    T_ASSERT(st.hedges > 0);
    return 0;
}
static int hedge_main(void *arg) { return with_servers((struct sn_gov_client_opts){0}, hedge_body); }
SN_TEST(client_hedging) { rig_simulate(hedge_main, 3); }

/* ---- a trace through a server into its client's call ---- */

static struct sn_gov_route *front_route;
static int front(struct sn_http_x *x, void *arg)
{
    int r = ask("GET", true, false);
    return sn_http_reply(x, r, SN_STR("text/plain"), SN_STR("front"));
}
static int crossing_body(void)
{
    struct sn_gov_server *gov;
    struct rig_server srv = {0};
    T_OK(sn_gov_server_new(&(struct sn_gov_server_opts){.metrics = t.metrics, .access_log_off = true}, &gov));
    T_OK(sn_gov_route_new(gov, &(struct sn_gov_route_opts){.name = "GET /front", .handler = front}, &front_route));
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    rig_open(s, &srv, 9000, sn_gov_handle, front_route);
    struct sn_http_header h[2] = {{SN_STR("traceparent"), SN_STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")},
                                  {SN_STR("baggage"), SN_STR("user=a%20b")}};
    T_EQ(rig_get(t.http, srv.addr, "/x", h, 2, NULL), 200);
    T_ASSERTF(memcmp(t.parent, "00-0af7651916cd43dd8448eb211c80319c-", 36) == 0, "%s", t.parent);
    T_ASSERT(memcmp(t.parent + 36, "b7ad6b7169203331", 16) != 0); /* a span of its own */
    T_CSTR(t.parent + 52, "-00");                                 /* not sampled stays so */
    T_CSTR(t.baggage, "user=a%20b");
    rig_close(&srv);
    T_OK(sn_scope_end(s));
    sn_http_server_free(srv.server);
    sn_gov_server_free(gov);
    return 0;
}
static int crossing_main(void *arg) { return with_servers((struct sn_gov_client_opts){0}, crossing_body); }
SN_TEST(client_trace_crosses) { rig_simulate(crossing_main, 1); }

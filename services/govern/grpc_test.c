/* SPDX-License-Identifier: Apache-2.0 */
/* govern/grpc_test.c - the chains around gRPC calls, and p2c over three servers, in simulation. */
#include "govern/grpc.h"

#include "harness/test.h"

#include "govern/chain_rig_test.h"
#include "grpc/health/v1/health.pb.h"

#define SERVERS 3
enum mood { WELL, STUCK, FAILING, PANICKING };
static struct {
    struct rig_server http[SERVERS];
    struct sn_grpc_server *grpc[SERVERS];
    struct sn_gov_server *gov[SERVERS];
    struct sn_gov_grpc *chain[SERVERS];
    struct sn_gov_grpc_client *client;
    struct sn_grpc_channel *ch;
    struct sn_metrics *metrics;
    enum mood mood[SERVERS];
    unsigned asked[SERVERS];
    char trace[40];
    struct sn_arena a;
} t;

static int check(struct sn_grpc_call *c, const void *impl, const void *req, void **ret)
{
    intptr_t i = (intptr_t)c->arg;
    t.asked[i]++;
    T_ASSERT(sn_gov_current());
    t.trace[sn_gov_log_trace(t.trace)] = 0;
    if (t.mood[i] == PANICKING) sn_panic("deliberate");
    if (t.mood[i] == FAILING) return sn_grpc_fail(c, SN_E_UNAVAILABLE, "no");
    if (t.mood[i] == STUCK && sn_sleep(10 * SN_SEC) < 0) return SN_E_DEADLINE_EXCEEDED;
    if (sn_sleep(2 * SN_MS) < 0) return SN_E_CANCELLED;
    struct grpc_health_v1_health_check_response *r = grpc_health_v1_health_check_response_new(c->arena);
    if (!r) return SN_E_NOMEM;
    r->status = 1;
    *ret = r;
    return 0;
}

static const struct sn_grpc_handler handlers[4] = {{.unary = check}};

static int with_servers(const struct sn_gov_server_opts *so, const struct sn_gov_route_opts *ro,
                        int (*body)(void))
{
    memset(&t, 0, sizeof(t));
    t.metrics = sn_metrics_new();
    sn_arena_init(&t.a, NULL, 0);
    struct sn_gov_server_opts o = *so;
    o.metrics = t.metrics;
    o.access_log_off = true;
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    for (int i = 0; i < SERVERS; i++) {
        T_OK(sn_gov_server_new(&o, &t.gov[i]));
        T_OK(sn_gov_grpc_new(t.gov[i], ro, &t.chain[i]));
        T_OK(sn_gov_grpc_add(t.chain[i], &grpc_health_v1_health_service));
        struct sn_grpc_interceptor in = sn_gov_grpc_server(t.chain[i]);
        T_OK(sn_grpc_server_new(&(struct sn_grpc_server_opts){.interceptors = &in, .n_interceptors = 1}, &t.grpc[i]));
        T_OK(sn_grpc_server_add(t.grpc[i], &grpc_health_v1_health_service, handlers, NULL, (void *)(intptr_t)i));
        rig_open(s, &t.http[i], 7000 + i, sn_grpc_handle, t.grpc[i]);
    }
    T_OK(sn_gov_grpc_client_new(&(struct sn_gov_grpc_client_opts){.metrics = t.metrics}, &t.client));
    struct sn_grpc_interceptor in = sn_gov_grpc_client(t.client);
    T_OK(sn_grpc_channel_new("ipv4:10.0.0.1:7000,10.0.0.1:7001,10.0.0.1:7002",
                             &(struct sn_grpc_channel_opts){.authority = "app", .lb = &sn_gov_grpc_p2c,
                                                            .interceptors = &in, .n_interceptors = 1},
                             &t.ch));
    int r = body();
    sn_grpc_channel_free(t.ch);
    sn_gov_grpc_client_free(t.client);
    for (int i = 0; i < SERVERS; i++) rig_close(&t.http[i]);
    T_OK(sn_scope_end(s));
    for (int i = 0; i < SERVERS; i++) {
        sn_http_server_free(t.http[i].server);
        sn_grpc_server_free(t.grpc[i]);
        sn_gov_grpc_free(t.chain[i]);
        sn_gov_server_free(t.gov[i]);
    }
    sn_metrics_free(t.metrics);
    sn_arena_done(&t.a);
    return r;
}

static int ask(const struct sn_grpc_opts *o)
{
    struct grpc_health_v1_health_check_request q = {0};
    void *v;
    int r = sn_grpc_unary(t.ch, &grpc_health_v1_health_service.methods[0], &q, &t.a, &v, o);
    if (r == SN_E_INTERNAL) printf("%s\n", sn_diag_str(r));
    return r;
}

static void metric(const char *line) { rig_metric(t.metrics, line); }

/* ---- what passes ---- */

static int plain_body(void)
{
    static const struct sn_http_header md[1] = {{SN_STR_INIT("x"), SN_STR_INIT("y")}};
    for (int i = 0; i < 200; i++) T_OK(ask(&(struct sn_grpc_opts){.metadata = md, .n_metadata = 1}));
    for (int i = 0; i < SERVERS; i++) T_ASSERTF(t.asked[i] > 30, "server %d was asked %u times of 200", i, t.asked[i]);
    T_EQ(strlen(t.trace), 32);
    metric("rpc_server_requests_code_total{method=\"/grpc.health.v1.Health/Check\",code=\"0\"} 200");
    metric("rpc_client_requests_duration_ms_count 200");
    for (int i = 0; i < SERVERS; i++) t.mood[i] = PANICKING;
    T_EQ(ask(NULL), SN_E_INTERNAL);
    metric("govern_panics_total 1");
    for (int i = 0; i < SERVERS; i++) t.mood[i] = STUCK;
    int64_t t0 = sn_now();
    T_EQ(ask(NULL), SN_E_DEADLINE_EXCEEDED);
    T_ASSERT(sn_now() - t0 <= SN_GOV_TIMEOUT_RPC_NS + 10 * SN_MS);
    return 0;
}
static int plain_main(void *arg) { return with_servers(&(struct sn_gov_server_opts){0}, NULL, plain_body); }
SN_TEST(grpc_chain_passes_and_counts) { rig_simulate(plain_main, 3); }

/* ---- p2c and the breaker ---- */

static int p2c_body(void)
{
    for (int i = 0; i < 100; i++) T_OK(ask(NULL));
    t.mood[1] = FAILING;
    unsigned before = t.asked[1], bad = 0;
    for (int i = 0; i < 500; i++) bad += ask(NULL) < 0;
    T_ASSERTF(bad < 20, "%u of 500 calls failed with one of three servers failing", bad);
    T_ASSERTF(t.asked[1] - before < 20, "the failing server was asked %u times of 500", t.asked[1] - before);
    for (int i = 0; i < SERVERS; i++) t.mood[i] = FAILING;
    T_OK(sn_sleep(11 * SN_SEC)); /* the good answers leave the window */
    for (int i = 0; i < 100; i++) T_EQ(ask(NULL), SN_E_UNAVAILABLE);
    before = t.asked[0] + t.asked[1] + t.asked[2];
    for (int i = 0; i < 300; i++) T_EQ(ask(NULL), SN_E_UNAVAILABLE);
    T_ASSERTF(t.asked[0] + t.asked[1] + t.asked[2] - before < 100, "the breaker passed %u of 300 calls",
              t.asked[0] + t.asked[1] + t.asked[2] - before);
    for (int i = 0; i < SERVERS; i++) t.mood[i] = WELL;
    for (int i = 0; i < 200; i++) {
        (void)ask(NULL);
        T_OK(sn_sleep(5 * SN_MS));
    }
    for (int i = 0; i < 100; i++) T_OK(ask(NULL));
    return 0;
}
static int p2c_main(void *arg)
{
    return with_servers(&(struct sn_gov_server_opts){.breaker_off = true}, NULL, p2c_body);
}
SN_TEST(grpc_p2c_and_breaker) { rig_simulate(p2c_main, 3); }

/* ---- what is refused ---- */

static int rate_body(void)
{
    struct sn_grpc_status st;
    struct sn_http_headers tail = {0};
    struct sn_grpc_opts o = {.ret_status = &st, .ret_trailers = &tail};
    unsigned ok = 0;
    for (int i = 0; i < 2 * SERVERS + 2; i++) {
        int r = ask(&o);
        ok += r == 0;
        if (r == 0) continue;
        T_EQ(r, SN_E_RESOURCE_EXHAUSTED);
        T_STR(st.message, "refused: rate");
        T_ASSERT(sn_http_headers_get(&tail, SN_STR("grpc-retry-pushback-ms")).len > 3);
    }
    T_ASSERT(ok >= 2 && ok <= 2 * SERVERS); /* each server has a bucket of two */
    return 0;
}
static int rate_main(void *arg)
{
    return with_servers(&(struct sn_gov_server_opts){.rate = {.per_s = 0.1, .burst = 2}}, NULL, rate_body);
}
SN_TEST(grpc_rate) { rig_simulate(rate_main, 1); }

static int token_body(void)
{
    T_EQ(ask(NULL), SN_E_UNAUTHENTICATED);
    T_EQ(t.asked[0] + t.asked[1] + t.asked[2], 0);
    metric("govern_refused_total{reason=\"token\"} 1");
    return 0;
}
static int token_main(void *arg)
{
    struct sn_jwt_store *store = sn_jwt_store_new(NULL);
    int r = with_servers(&(struct sn_gov_server_opts){0}, &(struct sn_gov_route_opts){.jwt = store}, token_body);
    sn_jwt_store_free(store);
    return r;
}
SN_TEST(grpc_token) { rig_simulate(token_main, 1); }

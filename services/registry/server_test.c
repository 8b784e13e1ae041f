/* SPDX-License-Identifier: Apache-2.0 */
/* registry/server_test.c - our clients against our server, in simulation: what is registered
 * through one face is seen through another, values and indexes survive a crash of the server's
 * host, registrations are made again after it, and all the while nobody's endpoints are lost. */
#include <stdio.h>

#include "core/alloc.h"
#include "fiber/sim.h"
#include "fiber/sync.h"
#include "kit/http.h"
#include "registry/registry.h"
#include "registry/server.h"
#include "tests/harness/test.h"

struct world {
    struct sn_sim_host *server_host;
    struct sn_regserver *server;
    struct sn_event up, done;
    char consul[80], nacos[80], apollo[100], at[3][64];
};

static void server_main(void *arg)
{
    struct world *w = arg;
    static const unsigned ports[] = {8500, 8848, 8080};
    for (int i = 0; i < 3; i++)
        snprintf(w->at[i], sizeof(w->at[i]), "%s:%u", sn_sim_host_addr(w->server_host), ports[i]);
    struct sn_regserver_opts o = {.consul = w->at[0],
                                  .nacos = w->at[1],
                                  .apollo = w->at[2],
                                  .data_dir = "/data",
                                  .apollo_secret = SN_STR("sesame")};
    T_OK(sn_regserver_new(&o, &w->server));
    sn_event_set(&w->up);
    (void)!sn_regserver_run(w->server);
}

static struct sn_registry *open_at(const char *url, struct sn_str token)
{
    struct sn_registry_opts o = {.url = url,
                                 .wait_ns = 10 * SN_SEC,
                                 .call_ns_max = 2 * SN_SEC,
                                 .confirm_ns = 20 * SN_SEC,
                                 .retry_ns_max = 2 * SN_SEC,
                                 .token = token};
    struct sn_registry *r;
    T_OK(sn_registry_open(&o, &r));
    return r;
}

static void put_http(struct world *w, const char *path, const char *body)
{
    struct sn_http_client *c;
    struct sn_http_resp *resp;
    char url[200];
    snprintf(url, sizeof(url), "http://%s%s", w->at[2], path);
    T_OK(sn_http_client_new(&(struct sn_http_client_opts){0}, &c));
    struct sn_http_call call = {.method = SN_STR("PUT"), .url = sn_str(url), .body = sn_str(body)};
    T_OK(sn_http_do(c, &call, &resp));
    T_EQ(resp->status, 200);
    sn_http_resp_close(resp);
    sn_http_client_free(c);
}

static void expect(struct sn_service *s, uint32_t n, int64_t within)
{
    int64_t until = sn_now() + within;
    for (;;) {
        const struct sn_endpoints *e = sn_service_get(s);
        uint32_t have = e->n_healthy;
        sn_endpoints_unref(e);
        if (have == n) return;
        T_ASSERTF(sn_now() < until, "%u healthy instances, expected %u", have, n);
        T_OK(sn_sleep(20 * SN_MS));
    }
}

static void expect_text(struct sn_config_item *i, const char *text, int64_t within)
{
    int64_t until = sn_now() + within;
    for (;;) {
        const struct sn_config *c = sn_config_get(i);
        bool same = c->text.ptr && sn_str_eqc(c->text, text);
        sn_config_unref(c);
        if (same) return;
        T_ASSERTF(sn_now() < until, "expected \"%s\"", text);
        T_OK(sn_sleep(20 * SN_MS));
    }
}

static void restart(struct world *w)
{
    sn_sim_crash(w->server_host);
    T_OK(sn_sleep((int64_t)(sn_sim_rand() % 5000) * SN_MS));
    w->up = (struct sn_event){0};
    T_OK(sn_sim_host_go(w->server_host, "server", server_main, w));
}

static void client_main(void *arg)
{
    struct world *w = arg;
    struct sn_registry *c = open_at(w->consul, (struct sn_str){0}),
                       *n = open_at(w->nacos, (struct sn_str){0});
    struct sn_registry *a = open_at(w->apollo, SN_STR("sesame"));
    struct sn_instance one = {.id = SN_STR("one"),
                              .service = SN_STR("orders"),
                              .address = SN_STR("10.9.0.1"),
                              .port = 1};
    struct sn_instance two = {.service = SN_STR("orders"),
                              .address = SN_STR("10.9.0.2"),
                              .port = 2,
                              .weight = 5};
    struct sn_register_opts ro = {.ttl_ns = 6 * SN_SEC};
    struct sn_registration *g1, *g2;
    struct sn_service *sc, *sn;
    struct sn_config_item *kc, *kn, *ka;
    T_OK(sn_registry_register(c, &one, &ro, &g1));
    T_OK(sn_registry_register(n, &two, &ro, &g2));
    T_OK(sn_registry_watch(c, SN_STR("orders"), &sc));
    T_OK(sn_registry_watch(n, SN_STR("orders"), &sn));
    expect(sc, 2, 10 * SN_SEC);
    expect(sn, 2, 10 * SN_SEC);
    T_OK(sn_registry_publish(n, SN_STR("app.yaml"), SN_STR("limit: 1")));
    put_http(w, "/configs/shop/default/application", "{\"limit\":\"1\",\"name\":\"a b\"}");
    T_OK(sn_registry_config(n, SN_STR("app.yaml"), NULL, &kn));
    T_OK(sn_registry_config(c, SN_STR("nacos/public/DEFAULT_GROUP/app.yaml"), NULL, &kc));
    T_OK(sn_registry_config(a, SN_STR("application"), NULL, &ka));
    expect_text(kn, "limit: 1", 5 * SN_SEC);
    expect_text(kc, "limit: 1", 5 * SN_SEC);
    expect_text(ka, "\"limit\": 1\n\"name\": \"a b\"\n", 5 * SN_SEC);
    T_OK(sn_registry_publish(n, SN_STR("app.yaml"), SN_STR("limit: 2")));
    put_http(w, "/configs/shop/default/application", "{\"limit\":\"2\"}");
    expect_text(kn, "limit: 2", 5 * SN_SEC);
    expect_text(kc, "limit: 2", 5 * SN_SEC);
    expect_text(ka, "\"limit\": 2\n", 5 * SN_SEC);
    for (int i = 0; i < 3; i++) {
        restart(w);
        for (int k = 0; k < 40; k++) { /* not for a moment fewer than before */
            expect(sc, 2, 1);
            T_OK(sn_sleep(200 * SN_MS));
        }
        T_OK(sn_event_wait(&w->up));
        int64_t until = sn_now() + 6 * SN_SEC;
        while (sn_registration_lost(g1) < (uint64_t)i + 1 ||
               sn_registration_lost(g2) < (uint64_t)i + 1) {
            T_ASSERTF(sn_now() < until, "not announced again within a time to live");
            T_OK(sn_sleep(20 * SN_MS));
        }
    }
    struct sn_arena arena;
    struct sn_str text;
    sn_arena_init(&arena, NULL, 0);
    T_OK(sn_registry_config_once(n, SN_STR("app.yaml"), &arena, &text)); /* survived the crashes */
    T_STR(text, "limit: 2");
    T_OK(sn_registry_publish(n, SN_STR("app.yaml"), SN_STR("limit: 3")));
    expect_text(kc, "limit: 3", 20 * SN_SEC);
    expect_text(kn, "limit: 3", 20 * SN_SEC);
    sn_registration_pause(g2);
    expect(sc, 1, 30 * SN_SEC); /* so soon after an outage a loss has to be confirmed */
    T_OK(sn_registration_remove(g1));
    T_OK(sn_registration_remove(g2));
    sn_arena_done(&arena);
    sn_registry_close(c);
    sn_registry_close(n);
    sn_registry_close(a);
    sn_event_set(&w->done);
}

static int world_main(void *arg)
{
    struct world *w = arg;
    w->server_host = sn_sim_host_new("registry");
    struct sn_sim_host *h = sn_sim_host_new("client");
    T_OK(sn_sim_host_go(w->server_host, "server", server_main, w));
    T_OK(sn_event_wait(&w->up));
    snprintf(w->consul, sizeof(w->consul), "consul://%s", w->at[0]);
    snprintf(w->nacos, sizeof(w->nacos), "nacos://%s", w->at[1]);
    snprintf(w->apollo, sizeof(w->apollo), "apollo://%s?app=shop", w->at[2]);
    T_OK(sn_sim_host_go(h, "client", client_main, w));
    return sn_event_wait(&w->done);
}

SN_TEST_SLOW(server_and_clients_with_crashes, 120)
{
    sn_test_allow_crash_leaks();
    for (unsigned i = 0; i < sn_test_cases(12); i++) {
        sn_test_row("case %u", i);
        struct world w = {0};
        T_OK(sn_sim_run(&(struct sn_sim_opts){.seed = sn_test_seed() + i}, world_main, &w, NULL));
    }
}

/* ---- requests one by one -------------------------------------------------------------------- */

struct calls {
    struct sn_regserver *s;
    char base[3][64];
};

static struct sn_event server_ended;
static void run_server(void *arg)
{
    T_OK(sn_regserver_run(arg));
    sn_event_set(&server_ended);
}

static void call(struct calls *c, int face, const char *line, const char *headers, int status,
                 const char *has)
{
    struct sn_http_client *h;
    struct sn_http_resp *resp;
    char url[600], method[16] = "";
    const char *path = strchr(line, ' ');
    memcpy(method, line, (size_t)(path - line));
    const char *body = strchr(path + 1, ' ');
    snprintf(url, sizeof(url), "%s%.*s", c->base[face],
             body ? (int)(body - path - 1) : (int)strlen(path + 1), path + 1);
    struct sn_http_header hd[2];
    unsigned n = 0;
    if (headers) {
        struct sn_str v = sn_str(headers), k = sn_str_cut(&v, '=');
        hd[n++] = (struct sn_http_header){k, v};
    }
    T_OK(sn_http_client_new(&(struct sn_http_client_opts){0}, &h));
    struct sn_http_call q = {.method = sn_str(method),
                             .url = sn_str(url),
                             .headers = hd,
                             .n_headers = n,
                             .body = body ? sn_str(body + 1) : (struct sn_str){0}};
    struct sn_str text;
    sn_test_row("%s", line);
    T_OK(sn_http_do(h, &q, &resp));
    T_OK(sn_http_resp_all(resp, 1 << 20, &text));
    T_ASSERTF(resp->status == status, "status %d: %.*s", resp->status, SN_STR_ARG(text));
    T_ASSERTF(!has || sn_str_find(text, sn_str(has)) >= 0, "no \"%s\" in \"%.*s\"", has,
              SN_STR_ARG(text));
    sn_http_resp_close(resp);
    sn_http_client_free(h);
}

static const struct {
    int face;
    const char *line, *header;
    int status;
    const char *has;
} call_rows[] = {
    /* Writes need the token, in each face's way. */
    {0, "PUT /v1/kv/a 1", NULL, 403, "token"},
    {0, "PUT /v1/kv/a 1", "X-Consul-Token=let me", 403, "token"},
    {0, "PUT /v1/kv/a 1", "Authorization=Bearer let me in", 200, "true"},
    {0, "PUT /v1/agent/service/register {\"Name\":\"x\"}", NULL, 403, "token"},
    {0, "PUT /v1/agent/service/deregister/x", NULL, 403, "token"},
    {0, "PUT /v1/session/create", NULL, 403, "token"},
    {0, "DELETE /v1/kv/a", NULL, 403, "token"},
    {1, "POST /nacos/v1/ns/instance?serviceName=s&ip=1.1.1.1&port=1", NULL, 403, "access token"},
    {1, "POST /nacos/v1/cs/configs?dataId=d&group=g&content=c", NULL, 403, "access token"},
    {1, "DELETE /nacos/v1/cs/configs?dataId=d&group=g", NULL, 403, "access token"},
    {1, "POST /nacos/v1/auth/login?username=nacos&password=wrong", NULL, 403, "unknown user"},
    {1, "POST /nacos/v1/auth/login?username=nacos&password=let%20me%20in", NULL, 200,
     "accessToken"},
    {1, "POST /nacos/v1/cs/configs?dataId=d&group=g&content=c&accessToken=let%20me%20in", NULL, 200,
     "true"},
    {2, "PUT /configs/a/default/n {}", NULL, 403, "token"},
    {2, "PUT /configs/a/default/n?token=let%20me%20in {}", NULL, 200, "published"},
    {2, "GET /configs/a/default/n", NULL, 401, "signature"},
    {2, "GET /configs/a/default/n", "Authorization=Apollo a:AAAAAAAAAAAAAAAAAAAAAAAAAAA=", 401,
     "signature"},
    /* Pages of other sites. */
    {0, "GET /v1/kv/a", "Sec-Fetch-Site=cross-site", 403, "other sites"},
    {1, "POST /nacos/v1/auth/login", "Origin=http://evil.example", 403, "other sites"},
    /* What is wrong is said. */
    {0, "GET /v2/x", NULL, 404, "/v1/"},
    {0, "GET /v1/health/service/x?wait=soon", NULL, 400, "Invalid wait"},
    {0, "GET /v1/health/service/x?index=-1", NULL, 400, "Invalid index"},
    {0, "GET /v1/kv/none", NULL, 404, NULL},
    {0, "PUT /v1/agent/service/register {\"Name\":", "X-Consul-Token=let me in", 400, "1:"},
    {0, "PUT /v1/agent/service/register []", "X-Consul-Token=let me in", 400, "expected an object"},
    {0, "PUT /v1/agent/service/register {\"Port\":1}", "X-Consul-Token=let me in", 400,
     "Missing service name"},
    {0, "PUT /v1/agent/service/register {\"Name\":\"x\",\"Port\":70000}",
     "X-Consul-Token=let me in", 400, "Port"},
    {0, "PUT /v1/agent/service/register {\"Name\":\"x\",\"Check\":{\"TTL\":\"soon\"}}",
     "X-Consul-Token=let me in", 400, "TTL"},
    {0, "PUT /v1/agent/service/register {\"Name\":\"x\",\"Check\":{\"Args\":[\"sh\"]}}",
     "X-Consul-Token=let me in", 400, "scripts"},
    {0, "PUT /v1/agent/check/pass/service:x", "X-Consul-Token=let me in", 404, "associated TTL"},
    {0, "PUT /v1/agent/service/deregister/x", "X-Consul-Token=let me in", 404,
     "Unknown service ID"},
    {0, "PUT /v1/kv/l?acquire=nobody v", "X-Consul-Token=let me in", 500, "invalid session"},
    {0, "PUT /v1/session/create {\"TTL\":\"1s\"}", "X-Consul-Token=let me in", 400, "10s to 24h"},
    {1, "GET /nacos/v1/ns/instance/list", NULL, 400, "serviceName"},
    {1, "GET /nacos/v1/cs/configs?dataId=../x&group=g", NULL, 400, "dataId"},
    {1, "GET /nacos/v1/cs/configs?dataId=none&group=g", NULL, 404, "not exist"},
    {1, "POST /nacos/v1/cs/configs/listener x", NULL, 400, "Listening-Configs"},
    {1, "POST /nacos/v1/cs/configs/listener Listening-Configs=d%02g%01", NULL, 400,
     "expected dataId"},
    {1, "POST /nacos/v1/cs/configs/listener Listening-Configs=d%02g%02%01", NULL, 200, "d%02g%01"},
    {2, "GET /notifications/v2?appId=a&notifications=x", NULL, 401, NULL},
};

static int calls_main(void *arg)
{
    struct calls c;
    struct sn_regserver_opts o = {.consul = ":0",
                                  .nacos = ":0",
                                  .apollo = ":0",
                                  .token = SN_STR("let me in"),
                                  .apollo_secret = SN_STR("sesame")};
    static const char *const faces[] = {"consul", "nacos", "apollo"};
    T_OK(sn_regserver_new(&o, &c.s));
    for (int i = 0; i < 3; i++) {
        memcpy(c.base[i], "http://", 8);
        T_ASSERT(sn_regserver_addr(c.s, faces[i], c.base[i] + 7, sizeof(c.base[i]) - 7) > 0);
    }
    T_OK(sn_go("server", run_server, c.s));
    const char *t = "X-Consul-Token=let me in";
    for (size_t i = 0; i < SN_COUNT_OF(call_rows); i++)
        call(&c, call_rows[i].face, call_rows[i].line, call_rows[i].header, call_rows[i].status,
             call_rows[i].has);
    call(&c, 0,
         "PUT /v1/agent/service/register "
         "{\"name\":\"web\",\"id\":\"w\",\"port\":1,\"check\":{\"tcp\":\"127.0.0.1:1\","
         "\"interval\":\"1s\"}}",
         t, 200, NULL);
    int64_t until =
        sn_now() + 5 * SN_SEC; /* its check is made, and fails: nobody listens at port 1 */
    struct sn_regserver_stats st;
    do {
        T_OK(sn_sleep(100 * SN_MS));
        sn_regserver_stats(c.s, &st);
    } while (st.revision < 4 && sn_now() < until);
    T_EQ(st.instances, 1);
    T_OK(sn_sleep(1500 * SN_MS));
    call(&c, 0, "GET /v1/health/checks/web", NULL, 200, "Connection refused");
    sn_regserver_stop(c.s);
    T_OK(sn_event_wait(&server_ended));
    sn_regserver_free(c.s);
    return 0;
}

SN_TEST_SLOW(server_calls, 60)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, calls_main, NULL));
}

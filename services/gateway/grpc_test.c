/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/grpc_test.c - gRPC through a whole gateway: both ways, statuses of either side,
 * deadlines; gRPC-Web in front of it. And in a simulated network: a back-end that falls silent. */
#include "kit/grpc.h"

#include <stdlib.h>

#include "fiber/sim.h"
#include "gateway/rig_test.h"
#include "harness/test.h"

/* What the back-end does is in the method's name. */
static int backend_call(struct sn_grpc_call *c, void *arg)
{
    struct sn_str m;
    int r, n = 0;
    if (sn_str_ends(c->path, S("/Fail")))
        return sn_grpc_fail(c, SN_E_NOT_FOUND, "no such %s", "thing");
    if (sn_str_ends(c->path, S("/Gone"))) return sn_grpc_fail(c, SN_E_UNAVAILABLE, "going");
    if (sn_str_ends(c->path, S("/Slow")) && (r = sn_sleep(10 * SN_SEC)) < 0) return r;
    if (sn_str_ends(c->path, S("/Left"))) { /* how much time the call has left, as it came */
        char text[32];
        snprintf(text, sizeof(text), "%lld", (long long)((c->deadline_ns - sn_now()) / SN_MS));
        return sn_grpc_send_raw(c, sn_str(text));
    }
    r = sn_grpc_trailer_add(c, S("x-tail"), S("t"));
    while (r >= 0 && (r = sn_grpc_recv_raw(c, &m)) == 1) {
        r = sn_grpc_send_raw(c, m);
        if (++n == 2 && sn_str_ends(c->path, S("/Half")))
            return sn_grpc_fail(c, SN_E_ABORTED, "half of it");
    }
    return r;
}

static const char config[] =
    "listeners: [{name: web, address: '127.0.0.1:0'}]\n"
    "limits: {stall_timeout: 200ms}\n"
    "upstreams:\n"
    "- {name: app, h2: true, endpoints: [{address: '%s'}]}\n"
    "- {name: gone, h2: true, endpoints: [{address: '127.0.0.1:1'}]}\n"
    "routes:\n"
    "- {name: gone, match: [{prefix: /gone.S}], proxy: {to: [{upstream: gone}]}}\n"
    "- {name: short, match: [{exact: /p.S/Slow}], proxy: {to: [{upstream: app}], grpc_timeout: "
    "150ms}}\n"
    "- {name: limited, match: [{prefix: /limited.S}], proxy: {to: [{upstream: app}]},\n"
    "   rate_limit: {requests: 1, per: 1h, key: route}}\n"
    "- {name: web, match: [{prefix: /web.S}], proxy: {to: [{upstream: app}], transcode: {}}}\n"
    "- {name: all, match: [{prefix: /p.S}], proxy: {to: [{upstream: app}]}}\n";

struct env {
    struct rig g;
    struct sn_grpc_server *grpc;
    struct sn_grpc_channel *ch;
    struct sn_arena a;
};

static int call(struct env *e, const char *path, const char *req, struct sn_str *ret,
                int64_t timeout)
{
    struct sn_grpc_opts o = {.timeout_ns = timeout};
    return sn_grpc_unary_raw(e->ch, sn_str(path), sn_str(req), &e->a, ret, &o);
}

static void unary(struct env *e)
{
    struct sn_str got;
    T_OK(call(e, "/p.S/Echo", "hello", &got, 0));
    T_STR(got, "hello");
    static const struct {
        const char *path;
        int64_t timeout;
        int want;
        const char *says;
    } rows[] = {
        {"/p.S/Fail", 0, SN_E_NOT_FOUND, "no such thing"},
        {"/p.S/Gone", 0, SN_E_UNAVAILABLE, "going"},
        {"/gone.S/Echo", 0, SN_E_UNAVAILABLE, "unreachable"},
        {"/other.S/Echo", 0, SN_E_UNIMPLEMENTED, "no route"},
        {"/p.S/Slow", 0, SN_E_DEADLINE_EXCEEDED, ""}, /* the route's bound */
        {"/p.S/Slow", 50 * SN_MS, SN_E_DEADLINE_EXCEEDED, ""},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].path);
        int64_t t0 = sn_now();
        T_EQ(call(e, rows[i].path, "x", &got, rows[i].timeout), rows[i].want);
        T_ASSERTF(strstr(sn_diag_str(rows[i].want), rows[i].says), "%s", sn_diag_str(rows[i].want));
        T_ASSERT(sn_now() - t0 < 5 * SN_SEC);
    }
    T_OK(call(e, "/limited.S/Echo", "x", &got, 0));
    T_EQ(call(e, "/limited.S/Echo", "x", &got, 0), SN_E_RESOURCE_EXHAUSTED);
    /* What the client gives the call arrives, less what has passed. */
    T_OK(call(e, "/p.S/Left", "", &got, 20 * SN_SEC));
    uint64_t left = 0;
    T_OK(sn_str_to_u64(got, &left));
    T_ASSERTF(left > 10000 && left <= 20000, "%llu ms left", (unsigned long long)left);
}

static void streams(struct env *e)
{
    struct sn_grpc_call *c;
    struct sn_str m;
    T_OK(sn_grpc_open(e->ch, NULL, S("/p.S/Echo"), NULL, &c));
    for (int i = 0; i < 20; i++) {
        char text[16];
        snprintf(text, sizeof(text), "m%d", i);
        T_OK(sn_grpc_send_raw(c, sn_str(text)));
        T_EQ(sn_grpc_recv_raw(c, &m), 1); /* each one comes back before the next goes */
        T_STR(m, text);
        if (i == 10) T_OK(sn_sleep(500 * SN_MS)); /* silence is no stall */
    }
    T_OK(sn_grpc_close_send(c));
    T_EQ(sn_grpc_recv_raw(c, &m), 0);
    T_STR(sn_http_headers_get(&c->trailers, S("x-tail")), "t");
    T_EQ(sn_grpc_close(c), 0);
    T_OK(sn_grpc_open(e->ch, NULL, S("/p.S/Half"), NULL, &c));
    for (int i = 0; i < 2; i++) T_OK(sn_grpc_send_raw(c, S("x")));
    T_EQ(sn_grpc_recv_raw(c, &m), 1);
    T_EQ(sn_grpc_recv_raw(c, &m), 1);
    T_EQ(sn_grpc_recv_raw(c, &m), SN_E_ABORTED);
    T_EQ(sn_grpc_close(c), SN_E_ABORTED);
    /* One that the client cancels ends at the back-end too: a drain does not wait for it. */
    T_OK(sn_grpc_open(e->ch, NULL, S("/p.S/Echo"), NULL, &c));
    T_OK(sn_grpc_send_raw(c, S("x")));
    T_EQ(sn_grpc_recv_raw(c, &m), 1);
    sn_grpc_cancel(c);
    T_EQ(sn_grpc_close(c), SN_E_CANCELLED);
    struct sn_grpc_server_stats st;
    for (int i = 0; i < 300; i++) {
        sn_grpc_server_stats(e->grpc, &st);
        if (!st.calls_active) break;
        T_OK(sn_sleep(10 * SN_MS));
    }
    T_EQ(st.calls_active, 0);
}

static void web(struct env *e)
{
    static const char frame[] = "\0\0\0\0\5hello";
    struct sn_http_header h = {S("Content-Type"), S("application/grpc-web+proto")};
    struct answer a;
    T_OK(ask(&e->g, "POST", "/web.S/Echo", &h, 1, sn_str_of(frame, 10), &a));
    T_EQ(a.status, 200);
    T_ASSERT(a.text.len > 10 && memcmp(a.text.ptr, frame, 10) == 0 &&
             (uint8_t)a.text.ptr[10] == 0x80);
    T_ASSERT(has(a.text, "grpc-status: 0\r\n") && has(a.text, "x-tail: t\r\n"));
    DONE(a);
    T_OK(ask(&e->g, "POST", "/web.S/Fail", &h, 1, sn_str_of(frame, 10), &a));
    T_ASSERT(has(a.text, "grpc-status: 5\r\n") && has(a.text, "no such thing"));
    DONE(a);
}

static int whole(void *arg)
{
    struct env *e = calloc(1, sizeof(*e));
    struct sn_scope_storage mem;
    char text[2048], target[96];
    (void)sn_scope_begin(&mem);
    sn_arena_init(&e->a, NULL, 0);
    struct sn_grpc_server_opts so = {.unknown = backend_call};
    T_OK(sn_grpc_server_new(&so, &e->grpc));
    struct upstream *u = &e->g.up[0];
    struct sn_http_server_opts ho = {.handler = sn_grpc_handle, .arg = e->grpc};
    T_OK(sn_http_server_new(&ho, &u->srv));
    T_OK(sn_listen("127.0.0.1:0", NULL, &u->l));
    T_OK(sn_listener_addr(u->l, u->addr, sizeof(u->addr)));
    T_OK(sn_scope_go(sn_scope_current(), "backend", upstream_run, u));
    snprintf(text, sizeof(text), config, u->addr);
    rig_start(&e->g, text);
    snprintf(target, sizeof(target), "passthrough:///%s", e->g.addr);
    T_OK(sn_grpc_channel_new(target, &(struct sn_grpc_channel_opts){0}, &e->ch));
    unary(e);
    streams(e);
    web(e);
    sn_grpc_channel_free(e->ch);
    rig_stop(&e->g);
    sn_grpc_server_free(e->grpc);
    T_OK(sn_scope_end(sn_scope_current()));
    sn_arena_done(&e->a);
    free(e);
    return 0;
}

SN_TEST(grpc_through_the_gateway)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, whole, NULL));
}

/* ---- simulation -------------------------------------------------------------------------------
 */

struct world {
    struct sn_gateway *gw;
    struct sn_sim_host *host[2], *gateway;
    struct sn_event ready, over;
    char config[1024];
    int served[2];
};
static struct world *world;

/* An HTTP/1.1 server without a heap: answers at once. */
static void answer_main(void *arg)
{
    struct sn_stream *st = arg;
    char buf[2048];
    size_t n = 0;
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    for (;;) {
        ssize_t r = sn_read(st, buf + n, sizeof(buf) - n);
        if (r <= 0) break;
        n += (size_t)r;
        if (!memmem(buf, n, "\r\n\r\n", 4)) continue;
        n = 0;
        __atomic_fetch_add(&world->served[memmem(buf, sizeof(buf), "/mirrored", 9) ? 1 : 0], 1,
                           __ATOMIC_RELAXED);
        if (sn_write(st, text, sizeof(text) - 1) < 0) break;
    }
    sn_stream_close(st);
}

static void silent_main(void *arg)
{
    char buf[512];
    while (sn_read(arg, buf, sizeof(buf)) > 0) {}
    sn_stream_close(arg);
}

static void host_main(void *arg)
{
    struct sn_listener *l;
    struct sn_stream *st;
    if (sn_listen("0.0.0.0:80", NULL, &l) < 0) return;
    while (sn_accept(l, &st) == 0)
        if (sn_go("conn", arg ? silent_main : answer_main, st) < 0) sn_stream_close(st);
    sn_listener_close(l);
}

static void gateway_host(void *arg)
{
    struct sn_gateway_opts o = {.config_text = sn_str(world->config)};
    struct sn_buf errors = {0};
    int r = sn_gateway_new(&o, &world->gw, &errors);
    T_ASSERTF(r == 0, "%.*s", (int)errors.len, (const char *)errors.ptr);
    sn_buf_done(&errors);
    sn_event_set(&world->ready);
    (void)sn_gateway_run(world->gw);
    sn_gateway_free(world->gw);
    sn_event_set(&world->over);
}

static const char sim_config[] =
    "listeners: [{name: web, address: '0.0.0.0:80'}]\n"
    "upstreams:\n"
    "- {name: app, endpoints: [{address: '%s:80'}]}\n"
    "- {name: other, endpoints: [{address: '%s:80'}]}\n"
    "- {name: rpc, h2: true, endpoints: [{address: '%s:80'}]}\n"
    "routes:\n"
    "- {name: rpc, match: [{prefix: /p.S}], proxy: {to: [{upstream: rpc}]}}\n"
    "- {name: limited, match: [{prefix: /limited}], respond: {body: x}, rate_limit: {requests: 10, "
    "burst: 5}}\n"
    "- {name: mirrored, proxy: {to: [{upstream: app}], mirror: {upstream: other, inflight_max: 20, "
    "timeout: 1s}}}\n";

static void world_start(void)
{
    for (intptr_t i = 0; i < 2; i++) {
        world->host[i] = sn_sim_host_new(i ? "two" : "one");
        T_OK(sn_sim_host_go(world->host[i], "host", host_main, (void *)i));
    }
    snprintf(world->config, sizeof(world->config), sim_config, sn_sim_host_addr(world->host[0]),
             sn_sim_host_addr(world->host[1]), sn_sim_host_addr(world->host[1]));
    world->gateway = sn_sim_host_new("gateway");
    T_OK(sn_sim_host_go(world->gateway, "gateway", gateway_host, NULL));
    T_OK(sn_event_wait(&world->ready));
}

static int get(struct sn_http_client *c, const char *path)
{
    char url[128];
    struct sn_http_resp *resp;
    struct sn_str body;
    snprintf(url, sizeof(url), "http://%s%s", sn_sim_host_addr(world->gateway), path);
    struct sn_http_call call = {.url = sn_str(url)};
    T_OK(sn_http_do(c, &call, &resp));
    int status = resp->status;
    T_OK(sn_http_resp_all(resp, 1000, &body));
    sn_http_resp_close(resp);
    return status;
}

/* Copies go to a host that never answers, then to one that is cut off: no request waits for them.
 */
static void mirror_to_the_silent(struct sn_http_client *c)
{
    for (int i = 0; i < 400; i++) {
        if (i == 200) sn_sim_partition(world->gateway, world->host[1], true);
        int64_t t0 = sn_now();
        T_EQ(get(c, "/mirrored"), 200);
        T_ASSERTF(sn_now() - t0 < 100 * SN_MS, "request %d took %lld ms", i,
                  (long long)((sn_now() - t0) / SN_MS));
        T_OK(sn_sleep((int64_t)(sn_sim_rand() % 10) * SN_MS));
    }
    sn_sim_partition(world->gateway, world->host[1], false);
}

static void rate_over_time(struct sn_http_client *c)
{
    int good = 0;
    int64_t end = sn_now() + 10 * SN_SEC;
    while (sn_now() < end) {
        int status = get(c, "/limited");
        T_ASSERT(status == 200 || status == 429);
        good += status == 200;
        T_OK(sn_sleep((int64_t)(1 + sn_sim_rand() % 20) * SN_MS));
    }
    T_ASSERTF(good >= 95 && good <= 106, "%d passed, of 10 a second for 10 s and a burst of 5",
              good);
}

static void silent_backend(void)
{
    char target[96];
    struct sn_grpc_channel *ch;
    struct sn_arena a;
    struct sn_str got;
    sn_arena_init(&a, NULL, 0);
    snprintf(target, sizeof(target), "passthrough:///%s:80", sn_sim_host_addr(world->gateway));
    T_OK(sn_grpc_channel_new(target, &(struct sn_grpc_channel_opts){0}, &ch));
    for (int i = 0; i < 5; i++) {
        struct sn_grpc_opts o = {.timeout_ns = 300 * SN_MS};
        int64_t t0 = sn_now();
        T_EQ(sn_grpc_unary_raw(ch, S("/p.S/M"), S("x"), &a, &got, &o), SN_E_DEADLINE_EXCEEDED);
        T_ASSERT(sn_now() - t0 < 400 * SN_MS);
    }
    sn_grpc_channel_free(ch);
    sn_arena_done(&a);
}

static int sim_main(void *arg)
{
    struct sn_http_client *c;
    world_start();
    T_OK(sn_http_client_new(NULL, &c));
    mirror_to_the_silent(c);
    rate_over_time(c);
    silent_backend();
    sn_http_client_free(c);
    sn_gateway_stop(world->gw);
    T_OK(sn_event_wait(&world->over));
    return 0;
}

SN_TEST_SLOW(sim_policies_and_silence, 120)
{
    for (unsigned n = sn_test_cases(10), i = 0; i < n; i++) {
        world = calloc(1, sizeof(*world));
        sn_test_row("seed %u", i);
        struct sn_sim_opts o = {.seed = sn_test_seed() + i};
        uint64_t hash;
        T_OK(sn_sim_run(&o, sim_main, NULL, &hash));
        free(world);
    }
}

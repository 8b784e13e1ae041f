/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/sim_test.c - gateway, upstream hosts and client in one simulated network, over many
 * seeds: hosts crash and come back, links are cut and heal, and every request gets an answer or a
 * clean error within its timeout. A seed that fails once fails always. */
#include <stdio.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "fiber/net.h"
#include "fiber/sim.h"
#include "fiber/sync.h"
#include "gateway/gateway.h"
#include "harness/test.h"
#include "kit/http.h"

#define S(x) SN_STR(x)
#define HOSTS 3
#define PORT "8000"
#define REQUESTS 120

struct world {
    struct sn_sim_host *hosts[HOSTS], *gateway;
    struct sn_gateway *gw;
    struct sn_event ready, over;
    char config[1024], url[96];
    int served[HOSTS];
    int ok, unavailable, odd, asked;
    int64_t slowest_ns;
};
static struct world *world;

/* ---- upstream hosts: no heap, because a crash reclaims nothing ---------------------------------
 */

static int host_index(void *arg) { return (int)(intptr_t)arg; }

struct conn {
    struct sn_stream *st;
    int host;
};
/* Connections accepted and not yet begun: fibers of a crashed host leave theirs behind, so the
 * table is a ring that is large enough for all that one run makes. */
#define CONNS 65536u
static struct conn conns[CONNS];
static unsigned n_conns;

static void conn_main(void *arg)
{
    struct conn c = *(struct conn *)arg;
    char buf[2048];
    size_t n = 0;
    for (;;) {
        ssize_t r = sn_read(c.st, buf + n, sizeof(buf) - n);
        if (r <= 0) break;
        n += (size_t)r;
        char *end = memmem(buf, n, "\r\n\r\n", 4);
        if (!end) continue;
        world->served[c.host]++;
        n = 0; /* the gateway does not pipeline */
        if (sn_sleep((int64_t)(sn_sim_rand() % 4) * SN_MS) < 0) break;
        static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine";
        if (sn_write(c.st, text, sizeof(text) - 1) < 0) break;
    }
    sn_stream_close(c.st);
}

static void host_main(void *arg)
{
    struct sn_listener *l;
    if (sn_listen("0.0.0.0:" PORT, NULL, &l) < 0) return;
    struct sn_stream *st;
    while (sn_accept(l, &st) == 0) {
        struct conn *c = &conns[n_conns++ % CONNS];
        *c = (struct conn){st, host_index(arg)};
        if (sn_go("conn", conn_main, c) < 0) sn_stream_close(st);
    }
    sn_listener_close(l);
}

/* ---- the gateway's host
 * -------------------------------------------------------------------------- */

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

/* Breaks one thing, and mends it a little later. */
static int chaos(void *arg)
{
    while (world->asked < REQUESTS) {
        intptr_t i = (intptr_t)(sn_sim_rand() % HOSTS);
        bool crash = sn_sim_rand() & 1;
        if (sn_sleep((int64_t)(20 + sn_sim_rand() % 200) * SN_MS) < 0) return 0;
        if (crash)
            sn_sim_crash(world->hosts[i]);
        else
            sn_sim_partition(world->gateway, world->hosts[i], true);
        if (sn_sleep((int64_t)(20 + sn_sim_rand() % 400) * SN_MS) < 0) return 0;
        if (crash)
            T_OK(sn_sim_host_go(world->hosts[i], "host", host_main, (void *)i));
        else
            sn_sim_partition(world->gateway, world->hosts[i], false);
    }
    return 0;
}

static void ask_once(struct sn_http_client *c)
{
    struct sn_http_call call = {.url = sn_str(world->url)};
    struct sn_http_resp *resp;
    int64_t t0 = sn_now();
    int r = sn_http_do(c, &call, &resp);
    world->asked++;
    if (r < 0) {
        world->odd++; /* the gateway itself is healthy: it always answers */
    } else {
        struct sn_str body;
        r = sn_http_resp_all(resp, 1000, &body);
        if (r == 0 && resp->status == 200 && sn_str_eqc(body, "fine"))
            world->ok++;
        else if (r == 0 && resp->status >= 502 && resp->status <= 504)
            world->unavailable++;
        else
            world->odd++;
        sn_http_resp_close(resp);
    }
    if (sn_now() - t0 > world->slowest_ns) world->slowest_ns = sn_now() - t0;
}

static int client_main(void *arg)
{
    struct sn_http_client *c = arg;
    while (world->asked < REQUESTS) {
        ask_once(c);
        if (sn_sleep((int64_t)(sn_sim_rand() % 20) * SN_MS) < 0) return 0;
    }
    return 0;
}

static const char config_form[] =
    "listeners: [{name: web, address: '0.0.0.0:80'}]\n"
    "upstreams:\n"
    "- name: app\n"
    "  endpoints: [{address: '%s:" PORT "'}, {address: '%s:" PORT "'}, {address: '%s:" PORT "'}]\n"
    "  connect_timeout: 300ms\n"
    "  outlier: {consecutive: 2, eject: 200ms, eject_max: 1s}\n"
    "  health: {path: /, interval: 200ms, timeout: 100ms, unhealthy: 2}\n"
    "routes:\n"
    "- {name: main, proxy: {to: [{upstream: app}], timeout: 2s, try_timeout: 400ms,\n"
    "   retry_on: [connect, reset, 5xx, timeout]}}\n";

static void world_start(void)
{
    char names[HOSTS][16];
    for (intptr_t i = 0; i < HOSTS; i++) {
        snprintf(names[i], sizeof(names[i]), "up%d", (int)i);
        world->hosts[i] = sn_sim_host_new(names[i]);
        T_OK(sn_sim_host_go(world->hosts[i], "host", host_main, (void *)i));
    }
    snprintf(world->config, sizeof(world->config), config_form, sn_sim_host_addr(world->hosts[0]),
             sn_sim_host_addr(world->hosts[1]), sn_sim_host_addr(world->hosts[2]));
    world->gateway = sn_sim_host_new("gateway");
    T_OK(sn_sim_host_go(world->gateway, "gateway", gateway_host, NULL));
    T_OK(sn_event_wait(&world->ready));
    snprintf(world->url, sizeof(world->url), "http://%s/", sn_sim_host_addr(world->gateway));
}

static void world_stop(struct sn_http_client *c)
{
    sn_http_client_free(c);
    sn_gateway_stop(world->gw);
    T_OK(sn_event_wait(&world->over));
}

static int storm(void *arg)
{
    struct sn_http_client *c;
    struct sn_scope_storage mem;
    world_start();
    T_OK(sn_http_client_new(NULL, &c));
    struct sn_scope *s = sn_scope_begin(&mem);
    for (int i = 0; i < 3; i++) T_OK(sn_scope_go(s, "client", client_main, c));
    T_OK(sn_scope_go(s, "chaos", chaos, NULL));
    T_OK(sn_scope_end(s));
    world_stop(c);
    T_EQ(world->odd, 0);
    T_ASSERT(world->ok + world->unavailable == world->asked);
    T_ASSERTF(world->ok > world->asked * 8 / 10, "%d of %d answered well", world->ok, world->asked);
    T_ASSERTF(world->slowest_ns < 3 * SN_SEC, "slowest answer took %lld ms",
              (long long)(world->slowest_ns / SN_MS));
    return 0;
}

/* Every host gone: attempts stay within the budget; then all return, and so do the answers. */
static int outage(void *arg)
{
    struct sn_http_client *c;
    world_start();
    T_OK(sn_http_client_new(NULL, &c));
    for (int i = 0; i < 20; i++) ask_once(c);
    T_EQ(world->ok, 20);
    for (int i = 0; i < HOSTS; i++) sn_sim_crash(world->hosts[i]);
    for (int i = 0; i < 50; i++) ask_once(c);
    T_EQ(world->unavailable, 50);
    for (intptr_t i = 0; i < HOSTS; i++)
        T_OK(sn_sim_host_go(world->hosts[i], "host", host_main, (void *)i));
    T_OK(sn_sleep(3 * SN_SEC)); /* longest ejection, and the checks that bring hosts back */
    int before = world->ok;
    for (int i = 0; i < 30; i++) ask_once(c);
    T_EQ(world->ok - before, 30);
    for (int i = 0; i < HOSTS; i++) T_ASSERTF(world->served[i] > 3, "host %d stays unused", i);
    world_stop(c);
    T_EQ(world->odd, 0);
    return 0;
}

static void seeds(int (*fn)(void *arg), unsigned base)
{
    for (unsigned n = sn_test_cases(base), i = 0; i < n; i++) {
        uint64_t hash[2];
        for (int twice = 0; twice < 2; twice++) {
            world = calloc(1, sizeof(*world));
            sn_test_row("seed %u", i);
            struct sn_sim_opts o = {.seed = sn_test_seed() + i};
            T_OK(sn_sim_run(&o, fn, NULL, &hash[twice]));
            free(world);
        }
        T_ASSERTF(hash[0] == hash[1], "the same seed ran differently");
    }
}

SN_TEST_SLOW(sim_gateway_storm, 120)
{
    seeds(storm, 30);
}
SN_TEST_SLOW(sim_gateway_outage_and_recovery, 120)
{
    seeds(outage, 10);
}

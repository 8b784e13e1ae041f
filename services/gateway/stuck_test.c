/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/stuck_test.c - back-ends that take requests and answer none, in a simulated network over
 * many seeds: how many calls are lost to one of ten, what is never sent twice, and that nothing is
 * repeated when all of them stand still. */
#include <stdio.h>
#include <stdlib.h>

#include "fiber/net.h"
#include "fiber/sim.h"
#include "fiber/sync.h"
#include "gateway/gateway.h"
#include "harness/test.h"
#include "kit/http.h"

#define HOSTS 10
#define PORT "8000"
#define CALLS_PER_S 200
#define BEFORE_S 2 /* enough answers to know how long they take */
#define SILENT_S 20
#define AFTER_S 5
#define REPORT_NS (700 * SN_MS)

struct world {
    struct sn_sim_host *gateway;
    struct sn_gateway *gw;
    struct sn_http_client *client;
    struct sn_event ready, over;
    char config[2048], url[96];
    const char *method;
    unsigned silent; /* bit set of hosts */
    unsigned slow;   /* one call in so many is for a report, which takes REPORT_NS; 0 = none */
    int received, asked, lost;
    int64_t slowest_ns;
};
static struct world *world;

struct conn {
    struct sn_stream *st;
    unsigned host;
};
#define CONNS 4096u
static struct conn conns[CONNS]; /* a ring, larger than the connections of a run */
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
        if (!memmem(buf, n, "\r\n\r\n", 4)) continue;
        world->received++;
        bool report = n > 7 && memmem(buf, n, "/report", 7);
        n = 0; /* the gateway does not pipeline */
        if (sn_sleep((int64_t)(3 + sn_sim_rand() % 4) * SN_MS) < 0) break;
        if (report && sn_sleep(REPORT_NS) < 0) break;
        while (world->silent >> c.host & 1)
            if (sn_sleep(10 * SN_MS) < 0) break;
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
        *c = (struct conn){st, (unsigned)(intptr_t)arg};
        if (sn_go("conn", conn_main, c) < 0) sn_stream_close(st);
    }
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

static int ask(void *arg)
{
    struct sn_http_call call = {.method = sn_str(world->method), .url = sn_str(world->url)};
    if (world->slow && sn_sim_rand() % world->slow == 0) call.target = SN_STR("/report");
    struct sn_http_resp *resp = NULL;
    struct sn_str body;
    int64_t t0 = sn_now();
    int r = sn_http_do(world->client, &call, &resp);
    if (r == 0) r = sn_http_resp_all(resp, 1000, &body);
    world->lost += r < 0 || resp->status != 200;
    sn_http_resp_close(resp);
    if (sn_now() - t0 > world->slowest_ns) world->slowest_ns = sn_now() - t0;
    return 0;
}

/* Open loop: a call begins whether or not those before it are answered. */
static void calls(struct sn_scope *s, int seconds)
{
    for (int i = 0; i < seconds * CALLS_PER_S; i++) {
        world->asked++;
        T_OK(sn_scope_go(s, "ask", ask, NULL));
        int64_t mean = SN_SEC / CALLS_PER_S;
        T_OK(sn_sleep(mean / 2 + (int64_t)(sn_sim_rand() % (uint64_t)mean)));
    }
}

static void begin(const char *method, const char *proxy, const char *balance)
{
    size_t n = 0;
    *world = (struct world){.method = method};
    n += (size_t)snprintf(world->config, sizeof(world->config),
                          "listeners: [{name: web, address: '0.0.0.0:80'}]\n"
                          "upstreams: [{name: app, balance: %s, endpoints: [",
                          balance);
    for (intptr_t i = 0; i < HOSTS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "up%d", (int)i);
        struct sn_sim_host *h = sn_sim_host_new(name);
        T_OK(sn_sim_host_go(h, "host", host_main, (void *)i));
        n += (size_t)snprintf(world->config + n, sizeof(world->config) - n,
                              "{address: '%s:" PORT "'}%s", sn_sim_host_addr(h),
                              i + 1 < HOSTS ? ", " : "]}]\n");
    }
    snprintf(world->config + n, sizeof(world->config) - n,
             "routes: [{name: main, proxy: {to: [{upstream: app}], timeout: 1s%s}}]\n", proxy);
    world->gateway = sn_sim_host_new("gateway");
    T_OK(sn_sim_host_go(world->gateway, "gateway", gateway_host, NULL));
    T_OK(sn_event_wait(&world->ready));
    snprintf(world->url, sizeof(world->url), "http://%s/", sn_sim_host_addr(world->gateway));
    T_OK(sn_http_client_new(NULL, &world->client));
}

static void end(void)
{
    sn_http_client_free(world->client);
    sn_gateway_stop(world->gw);
    T_OK(sn_event_wait(&world->over));
}

static void run_silence(unsigned hosts)
{
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    calls(s, BEFORE_S);
    world->silent = hosts;
    calls(s, SILENT_S);
    world->silent = 0;
    calls(s, AFTER_S);
    T_OK(sn_scope_end(s));
}

/* Idempotent calls without a body are lost to nobody, and few are sent twice. */
static int gets(void *arg)
{
    begin("GET", "", arg);
    run_silence(1u << 3);
    T_ASSERTF(world->lost == 0, "%d of %d calls lost", world->lost, world->asked);
    T_ASSERTF(world->received <= world->asked + 20, "%d requests for %d calls", world->received,
              world->asked);
    T_ASSERTF(world->slowest_ns < 500 * SN_MS, "slowest answer took %lld ms",
              (long long)(world->slowest_ns / SN_MS));
    end();
    return 0;
}

/* What may do something twice is never sent twice; a few of these are what it costs to find out. */
static int posts(void *arg)
{
    begin("POST", "", arg);
    run_silence(1u << 3);
    T_ASSERTF(world->received <= world->asked, "%d requests for %d calls", world->received,
              world->asked);
    T_ASSERTF(world->lost <= 10, "%d of %d calls lost", world->lost, world->asked);
    end();
    return 0;
}

/* Without repeating anything: the same. */
static int no_retries(void *arg)
{
    begin("GET", ", retries: 0", arg);
    run_silence(1u << 3);
    T_ASSERTF(world->received <= world->asked, "%d requests for %d calls", world->received,
              world->asked);
    T_ASSERTF(world->lost <= 5, "%d of %d calls lost", world->lost, world->asked);
    end();
    return 0;
}

/* Calls that take long, among short ones. Until the first of them is answered nobody can know: p2c
 * leaves their endpoints alone, which then answer nothing. Each of these is sent twice; after it,
 * once. */
static int reports(void *arg)
{
    struct sn_scope_storage mem;
    begin("GET", "", arg);
    struct sn_scope *s = sn_scope_begin(&mem);
    calls(s, BEFORE_S);
    world->slow = 50;
    calls(s, 2);
    T_OK(sn_sleep(2 * REPORT_NS));
    int twice = world->received - world->asked;
    T_ASSERTF(twice <= 20, "%d requests for %d calls", world->received, world->asked);
    calls(s, 10);
    T_OK(sn_scope_end(s));
    T_EQ(world->lost, 0);
    T_EQ(world->received - world->asked, twice);
    end();
    return 0;
}

/* All stand still for half a second: nobody is doubted, everything is answered. Sent again is at
 * most what is looked at between the first and the last that wakes. */
static int standstill(void *arg)
{
    struct sn_scope_storage mem;
    begin("GET", "", arg);
    struct sn_scope *s = sn_scope_begin(&mem);
    calls(s, BEFORE_S);
    world->silent = (1u << HOSTS) - 1;
    for (int i = 0; i < CALLS_PER_S / 2; i++) {
        world->asked++;
        T_OK(sn_scope_go(s, "ask", ask, NULL));
        T_OK(sn_sleep(SN_SEC / CALLS_PER_S));
    }
    world->silent = 0;
    calls(s, 1);
    T_OK(sn_scope_end(s));
    T_EQ(world->lost, 0);
    T_ASSERTF(world->received <= world->asked + 10, "%d requests for %d calls", world->received,
              world->asked);
    end();
    return 0;
}

static void seeds(int (*fn)(void *arg), const char *balance, unsigned base)
{
    for (unsigned n = sn_test_cases(base), i = 0; i < n; i++) {
        world = calloc(1, sizeof(*world));
        sn_test_row("seed %u", i);
        struct sn_sim_opts o = {.seed = sn_test_seed() + i};
        T_OK(sn_sim_run(&o, fn, (void *)(uintptr_t)balance, NULL));
        free(world);
    }
}

SN_TEST_SLOW(stuck_gets_are_not_lost, 120)
{
    seeds(gets, "p2c", 5);
    seeds(gets, "round_robin", 2);
}
SN_TEST_SLOW(stuck_posts_are_not_repeated, 120)
{
    seeds(posts, "p2c", 4);
    seeds(posts, "round_robin", 2);
}
SN_TEST_SLOW(stuck_without_retries, 120)
{
    seeds(no_retries, "p2c", 3);
}
SN_TEST_SLOW(stuck_not_the_slow_ones, 120)
{
    seeds(reports, "p2c", 4);
    seeds(reports, "round_robin", 2);
}
SN_TEST_SLOW(stuck_all_of_them, 120)
{
    seeds(standstill, "p2c", 5);
}

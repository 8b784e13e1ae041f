/* SPDX-License-Identifier: Apache-2.0 */
/* kit/http_sim_test.c - client and server on two simulated hosts, with delay, loss and cuts: a POST
 * is applied at most once, an acknowledged one exactly once, every call ends, and the same seed
 * gives the same run. */
#include <stdio.h>

#include "core/alloc.h"
#include "core/arena.h"
#include "core/status.h"
#include "fiber/sim.h"
#include "fiber/sync.h"
#include "kit/http.h"
#include "tests/harness/test.h"

#define CALLERS 4
#define CALLS 12

struct world {
    bool h2;
    double loss;
    uint64_t seed;
    struct sn_sim_host *host;
    struct sn_http_server *server;
    struct sn_http_client *client;
    struct sn_event listening, served, called;
    char base[64];
    uint8_t applied[CALLERS * CALLS], acked[CALLERS * CALLS];
    unsigned ok, failed;
};

static int apply(struct sn_http_x *x, void *arg)
{
    struct world *w = arg;
    struct sn_str body;
    int r = sn_http_body_all(x, 1 << 16, &body);
    if (r < 0) return r;
    if (x->req.method == SN_HTTP_GET)
        return sn_http_reply(x, 200, (struct sn_str){0}, SN_STR("got"));
    uint64_t id;
    r = sn_str_to_u64(sn_str_cut(&body, ' '), &id);
    if (r < 0) return r;
    T_ASSERT(id < SN_COUNT_OF(w->applied));
    w->applied[id]++;
    if (sn_sim_rand() % 4 == 0) (void)!sn_sleep((int64_t)(sn_sim_rand() % 50) * SN_MS);
    return sn_http_reply(x, 200, (struct sn_str){0}, SN_STR("applied"));
}

static void server_host(void *arg)
{
    struct world *w = arg;
    char addr[64];
    struct sn_listener *l;
    struct sn_http_server_opts o = {.handler = apply, .arg = w, .idle_ns = 3 * SN_SEC};
    snprintf(addr, sizeof(addr), "%s:80", sn_sim_host_addr(w->host));
    T_OK(sn_listen(addr, NULL, &l));
    T_OK(sn_http_server_new(&o, &w->server));
    sn_event_set(&w->listening);
    T_OK(sn_http_serve(w->server, l));
    sn_event_set(&w->served);
}

struct caller {
    struct world *w;
    unsigned n;
};

static void one_call(struct world *w, unsigned id)
{
    char text[600];
    memset(text, '.', sizeof(text));
    int n = snprintf(text, sizeof(text), "%u ", id);
    text[n] = '.';
    char url[96];
    snprintf(url, sizeof(url), "%s/%u", w->base, id);
    struct sn_http_call post = {.method = SN_STR("POST"), .url = sn_str(url),
                                .body = sn_str_of(text, (size_t)n + sn_sim_rand() % 500)};
    struct sn_http_call get = {.url = sn_str(url)};
    bool is_post = id % 3 != 0;
    struct sn_http_resp *resp;
    int64_t prev = sn_deadline_tighten(sn_now() + 8 * SN_SEC);
    int r = sn_http_do(w->client, is_post ? &post : &get, &resp);
    struct sn_str body = {0};
    if (r >= 0) {
        T_EQ(resp->status, 200);
        r = sn_http_resp_all(resp, 1000, &body);
        if (r >= 0) T_STR(body, is_post ? "applied" : "got");
        sn_http_resp_close(resp);
    }
    sn_deadline_restore(prev);
    if (r >= 0) w->ok++;
    else w->failed++;
    if (r >= 0 && is_post) w->acked[id] = 1;
}

static int caller_main(void *arg)
{
    struct caller *c = arg;
    for (unsigned i = 0; i < CALLS; i++) {
        one_call(c->w, c->n * CALLS + i);
        int r = sn_sleep((int64_t)(sn_sim_rand() % 800) * SN_MS);
        if (r < 0) return r;
    }
    return 0;
}

static void client_host(void *arg)
{
    struct world *w = arg;
    struct sn_http_client_opts co = {.h2_prior_knowledge = w->h2};
    T_OK(sn_http_client_new(&co, &w->client));
    struct caller c[CALLERS];
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    for (unsigned i = 0; i < CALLERS; i++) {
        c[i] = (struct caller){w, i};
        T_OK(sn_scope_go(s, "caller", caller_main, &c[i]));
    }
    T_OK(sn_scope_end(s));
    sn_http_client_free(w->client);
    sn_event_set(&w->called);
}

static int world_main(void *arg)
{
    struct world *w = arg;
    w->host = sn_sim_host_new("server");
    struct sn_sim_host *ch = sn_sim_host_new("client");
    T_OK(sn_sim_host_go(w->host, "server", server_host, w));
    T_OK(sn_event_wait(&w->listening));
    snprintf(w->base, sizeof(w->base), "http://%s", sn_sim_host_addr(w->host));
    T_OK(sn_sim_host_go(ch, "client", client_host, w));
    for (int i = 0; i < 3; i++) {
        T_OK(sn_sleep((int64_t)(sn_sim_rand() % 3000) * SN_MS));
        sn_sim_partition(ch, w->host, true);
        /* Some cuts are longer than a call's deadline. */
        T_OK(sn_sleep((int64_t)(sn_sim_rand() % 12000) * SN_MS));
        sn_sim_partition(ch, w->host, false);
    }
    T_OK(sn_event_wait(&w->called));
    sn_http_server_drain(w->server, 60 * SN_SEC);
    T_OK(sn_event_wait(&w->served));
    sn_http_server_free(w->server);
    return 0;
}

static void run_world(struct world *w, uint64_t *ret_hash)
{
    bool h2 = w->h2;
    double loss = w->loss;
    uint64_t seed = w->seed;
    *w = (struct world){.h2 = h2, .loss = loss, .seed = seed};
    struct sn_sim_opts o = {.seed = seed, .loss = loss};
    int r = sn_sim_run(&o, world_main, w, ret_hash);
    T_ASSERTF(r >= 0, "seed %llu: %s", (unsigned long long)seed, sn_diag_str(r));
    for (size_t i = 0; i < SN_COUNT_OF(w->applied); i++) {
        T_ASSERTF(w->applied[i] <= 1, "seed %llu: POST %zu applied twice", (unsigned long long)seed,
                  i);
        T_ASSERTF(w->applied[i] || !w->acked[i], "seed %llu: POST %zu acknowledged, not applied",
                  (unsigned long long)seed, i);
    }
    T_EQ(w->ok + w->failed, CALLERS * CALLS);
}

static void many_worlds(bool h2)
{
    static struct world w;
    unsigned n = sn_test_cases(120), ok = 0, failed = 0;
    for (unsigned i = 0; i < n; i++) {
        uint64_t h1, h2nd;
        w.h2 = h2;
        w.loss = (double)(i % 4) * 0.03;
        w.seed = sn_test_seed() + i;
        sn_test_row("seed %llu, loss %.2f", (unsigned long long)w.seed, w.loss);
        run_world(&w, &h1);
        ok += w.ok;
        failed += w.failed;
        if (i % 10) continue;
        run_world(&w, &h2nd);
        T_ASSERTF(h1 == h2nd, "two runs of one seed differ");
    }
    /* The faults must bite, and must not be all there is. */
    T_ASSERTF(ok > failed && failed > n / 4, "%u answered, %u failed", ok, failed);
}

SN_TEST_SLOW(http_sim_h1, 120)
{
    many_worlds(false);
}
SN_TEST_SLOW(http_sim_h2, 120)
{
    many_worlds(true);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_sim_test.c - gRPC on the simulated network: partitions, crashes and restarts, loss, slow
 * readers, cancellation at every point. Every call ends, with a status that fits; what was
 * acknowledged was done; the same seed gives the same run. */
#include <stdio.h>

#include "core/alloc.h"
#include "fiber/sim.h"
#include "kit/grpc_env_test.h"
#include "tests/harness/test.h"

#define CALLERS 4
#define CALLS 25

struct world {
    uint64_t seed;
    double loss;
    bool partition, crash, age, cancel;
    struct sn_sim_host *host;
    struct grpc_env e;
    struct sn_waitgroup wg;
    unsigned ok, failed, streams;
    char target[64];
};

static void server_host(void *arg)
{
    struct world *w = arg;
    char addr[64];
    snprintf(addr, sizeof(addr), "%s:80", sn_sim_host_addr(w->host));
    grpc_env_up(&w->e, addr);
}

/* A status that this world can bring about, of a call that asked for nothing wrong. */
static void fits(int r)
{
    T_ASSERTF(r == 0 || r == SN_E_UNAVAILABLE || r == SN_E_DEADLINE_EXCEEDED || r == SN_E_CANCELLED,
              "status %s: %s", sn_status_name(r), sn_diag_str(r));
}

static void one_unary(struct world *w, int n)
{
    struct sn_arena a;
    said_t *s = NULL;
    ask_t q = {.n = n, .sleep_ms = sn_sim_rand() % 4 ? 0 : (int)(sn_sim_rand() % 300)};
    struct sn_grpc_opts o = {.timeout_ns = 20 * SN_SEC, .wait_for_ready = sn_sim_rand() % 2};
    sn_arena_init(&a, NULL, 0);
    int r = sennit_grpctest_echo_unary_call(w->e.ch, &q, &a, &s, &o);
    fits(r);
    if (r == 0) T_EQ(s->n, n + 1);
    w->ok += r == 0;
    w->failed += r < 0;
    sn_arena_done(&a);
}

static void one_stream(struct world *w, int n)
{
    struct sn_grpc_call *c;
    struct sn_grpc_opts o = {.timeout_ns = 20 * SN_SEC};
    char pad[3000] = {0};
    int r = sennit_grpctest_echo_both_open(w->e.ch, &o, &c), got = 0;
    fits(r);
    if (r < 0) return;
    unsigned stop = w->cancel ? (unsigned)(sn_sim_rand() % 12) : 1000;
    for (int i = 0; i < 8 && r == 0; i++) {
        if (stop-- == 0) sn_grpc_cancel(c);
        ask_t q = {.n = n + i, .pad = sn_str_of(pad, sn_sim_rand() % sizeof(pad))};
        r = sennit_grpctest_echo_both_send(c, &q);
        if (r < 0) break;
        if (stop-- == 0) sn_grpc_cancel(c);
        said_t *s = NULL;
        r = sennit_grpctest_echo_both_recv(c, NULL, &s);
        if (r == 1) {
            T_EQ(s->n, n + i + 1);
            got++;
        }
        r = SN_MIN(r, 0);
    }
    if (r == 0) r = sn_grpc_close_send(c);
    if (r == 0 || r == SN_E_EOF) r = sn_grpc_recv(c, NULL, &(void *){NULL});
    fits(r);
    if (r == 0) T_EQ(got, 8);
    w->streams += r == 0;
    T_EQ(sn_grpc_close(c), r);
}

static void caller(void *arg)
{
    struct world *w = arg;
    for (int i = 0; i < CALLS; i++) {
        if (sn_sim_rand() % 3) one_unary(w, i);
        else one_stream(w, i);
        if (sn_sim_rand() % 2) T_OK(sn_sleep((int64_t)(sn_sim_rand() % 400) * SN_MS));
    }
    sn_waitgroup_done(&w->wg);
}

static void trouble(struct world *w, struct sn_sim_host *me)
{
    for (int i = 0; i < 3; i++) {
        T_OK(sn_sleep((int64_t)(500 + sn_sim_rand() % 2000) * SN_MS));
        if (w->partition) {
            sn_sim_partition(me, w->host, true);
            T_OK(sn_sleep((int64_t)(sn_sim_rand() % 3000) * SN_MS));
            sn_sim_partition(me, w->host, false);
        }
    }
}

static void client_host(void *arg)
{
    struct world *w = arg;
    T_OK(sn_grpc_channel_new(w->target, &w->e.co, &w->e.ch));
    sn_waitgroup_add(&w->wg, CALLERS);
    for (int i = 0; i < CALLERS; i++) T_OK(sn_go("caller", caller, w));
    T_OK(sn_waitgroup_wait(&w->wg));
    sn_grpc_channel_free(w->e.ch);
    w->e.ch = NULL;
    sn_event_set(&w->e.entered);
}

static int world_main(void *arg)
{
    struct world *w = arg;
    struct sn_sim_host *me = sn_sim_host_new("client");
    w->host = sn_sim_host_new("server");
    w->e.no_channel = true;
    w->e.co.backoff_ns = 200 * SN_MS;
    if (w->age) w->e.hso.h2_age_ns_max = 700 * SN_MS;
    snprintf(w->target, sizeof(w->target), "%s:80", sn_sim_host_addr(w->host));
    T_OK(sn_sim_host_go(w->host, "server", server_host, w));
    T_OK(sn_sleep(10 * SN_MS));
    if (w->loss > 0) sn_sim_link(me, w->host, 100 * SN_US, 5 * SN_MS, w->loss);
    T_OK(sn_sim_host_go(me, "client", client_host, w));
    if (w->partition) trouble(w, me);
    /* The handler's event is of no use here: it says that the callers are through. */
    while (w->e.ch || !sn_event_is_set(&w->e.entered)) T_OK(sn_sleep(50 * SN_MS));
    T_OK(sn_sleep(30 * SN_SEC)); /* what the server still does ends by the deadlines it was given */
    grpc_env_down(&w->e);
    return 0;
}

static void run_world(const struct world *kind, unsigned seeds)
{
    unsigned ok = 0, all = 0;
    for (unsigned i = 0; i < sn_test_cases(seeds); i++) {
        uint64_t seed = sn_test_rand(), hash[2];
        sn_test_row("seed %llu", (unsigned long long)seed);
        for (int again = 0; again < 2; again++) {
            struct world w = *kind;
            w.seed = seed;
            struct sn_sim_opts o = {.seed = seed};
            int r = sn_sim_run(&o, world_main, &w, &hash[again]);
            T_ASSERTF(r == 0, "%s", sn_diag_str(r));
            ok += w.ok;
            all += w.ok + w.failed;
        }
        T_ASSERTF(hash[0] == hash[1], "two runs of one seed differ");
    }
    /* Most calls get through, or the test would show nothing. */
    T_ASSERTF(ok > all / 2, "%u of %u calls got through", ok, all);
}

SN_TEST_SLOW(grpc_sim_calm, 120) { run_world(&(struct world){0}, 4); }
SN_TEST_SLOW(grpc_sim_loss, 120) { run_world(&(struct world){.loss = 0.02}, 4); }
SN_TEST_SLOW(grpc_sim_partition, 120) { run_world(&(struct world){.partition = true}, 6); }
SN_TEST_SLOW(grpc_sim_goaway, 120) { run_world(&(struct world){.age = true}, 6); }
SN_TEST_SLOW(grpc_sim_cancel, 120) { run_world(&(struct world){.cancel = true}, 8); }
SN_TEST_SLOW(grpc_sim_all, 120)
{
    run_world(&(struct world){.cancel = true, .partition = true, .age = true, .loss = 0.01}, 8);
}

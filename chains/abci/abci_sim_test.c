/* SPDX-License-Identifier: Apache-2.0 */
/* abci/abci_sim_test.c - a node and its application on the simulated network and disk: the
 * application's host crashes at any moment and comes back, answers are late, or are no answers.
 * What a Commit was answered for is there after every crash, no block is applied twice, no call
 * hangs. */
#include <stdio.h>

#include "abci/abci_test.h"
#include "abci/kvstore.h"
#include "fiber/net.h"
#include "fiber/sim.h"
#include "tests/harness/test.h"

#define BLOCKS 25
#define TXS_MAX 4

struct world {
    uint64_t seed;
    struct sn_sim_host *host;
    char addr[64];
    unsigned n_txs[BLOCKS + 1]; /* of each block, once it is decided */
    int64_t decided, committed; /* heights */
    bool over;
    unsigned crashes, checks, check_failures;
};

static void app_host(void *arg)
{
    struct world *w = arg;
    struct sn_kvstore_opts o = {.dir = "/data",
                                .compact_bytes = 500,
                                .snapshot_interval = 4,
                                .chunk_bytes = 1024};
    struct sn_abci_server_opts so = {.addr = w->addr};
    struct sn_abci_server *s;
    struct sn_kvstore *kv;
    int r = sn_kvstore_open(&o, &kv);
    T_ASSERTF(r >= 0, "%s", sn_diag_str(r));
    T_OK(sn_abci_server_new(sn_kvstore_app(kv), &so, &s));
    (void)!sn_abci_server_run(s);
    sn_abci_server_free(s);
    sn_kvstore_close(kv);
}

static void trouble(void *arg)
{
    struct world *w = arg;
    while (!w->over) {
        T_OK(sn_sleep((int64_t)(sn_sim_rand() % 300) * SN_MS));
        if (w->over || sn_sim_rand() % 3) continue;
        sn_sim_crash(w->host);
        w->crashes++;
        T_OK(sn_sleep((int64_t)(sn_sim_rand() % 50) * SN_MS));
        T_OK(sn_sim_host_go(w->host, "app", app_host, w));
    }
}

struct checker {
    struct world *w;
    struct sn_abci_client *c;
    bool stop;
    struct sn_waitgroup wg;
};
static void check_main(void *arg)
{
    struct checker *k = arg;
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    while (!k->stop) {
        int r = test_check(k->c, &a, sn_sim_rand() % 2 ? "k=v" : "kv", NULL);
        T_ASSERTF(r == 0 || r == 2 || r == SN_E_UNAVAILABLE || r == SN_E_RESET || r == SN_E_IO ||
                      r == SN_E_CLOSED,
                  "%d: %s", r, sn_diag_str(r));
        k->w->checks++;
        k->w->check_failures += r < 0;
        sn_arena_reset(&a);
        if (r < 0) break;
        if (sn_sim_rand() % 3 == 0) T_OK(sn_sleep(SN_MS));
    }
    sn_arena_done(&a);
    sn_waitgroup_done(&k->wg);
}

/* A block's transactions follow from its height and count. */
static void txs_of(int64_t h, unsigned n, char text[TXS_MAX][40], struct sn_str *txs)
{
    for (unsigned i = 0; i < n; i++)
        txs[i] = sn_str_of(text[i], (size_t)snprintf(text[i], 40, "k%lld.%u=v%lld", (long long)h, i,
                                                     (long long)h));
}
static int64_t size_at(const struct world *w, int64_t h)
{
    int64_t n = 0;
    for (int64_t i = 1; i <= h; i++) n += w->n_txs[i];
    return n;
}

static int run_block(struct world *w, struct sn_abci_conns *cs, struct sn_arena *a, int64_t h)
{
    char text[TXS_MAX][40];
    struct sn_str txs[TXS_MAX];
    struct tendermint_abci_response_finalize_block *fb;
    struct tendermint_abci_response_commit *co;
    txs_of(h, w->n_txs[h], text, txs);
    struct tendermint_abci_request_finalize_block q = {.height = h, .txs = {txs, w->n_txs[h], 0}};
    int r = sn_abci_finalize_block(cs->consensus, &q, a, &fb);
    if (r < 0) return r;
    T_EQ((uint8_t)fb->app_hash.ptr[0] & 0x7f, size_at(w, h) << 1 & 0x7f);
    r = sn_abci_commit(cs->consensus, &(struct tendermint_abci_request_commit){}, a, &co);
    if (r >= 0) w->committed = SN_MAX(w->committed, h);
    return r;
}

/* One connection's life: what the application lacks is replayed, then new blocks until it breaks.
 */
static int session(struct world *w, struct sn_abci_conns *cs, struct sn_arena *a)
{
    struct tendermint_abci_response_info *in;
    int r = sn_abci_info(cs->query, &(struct tendermint_abci_request_info){}, a, &in);
    if (r < 0) return r;
    char want[40];
    T_ASSERTF(in->last_block_height >= w->committed && in->last_block_height <= w->decided,
              "the application is at %lld, committed are %lld, decided %lld",
              (long long)in->last_block_height, (long long)w->committed, (long long)w->decided);
    snprintf(want, sizeof(want), "{\"size\":%lld}", (long long)size_at(w, in->last_block_height));
    T_STR(in->data, want);
    for (int64_t h = in->last_block_height + 1; h <= BLOCKS; h++) {
        if (h > w->decided) {
            w->n_txs[h] = (unsigned)(sn_sim_rand() % (TXS_MAX + 1));
            w->decided = h;
        }
        if ((r = run_block(w, cs, a, h)) < 0) return r;
        if (sn_sim_rand() % 2) T_OK(sn_sleep((int64_t)(sn_sim_rand() % 40) * SN_MS));
    }
    return 0;
}

static int verify(struct world *w, struct sn_abci_conns *cs, struct sn_arena *a)
{
    for (int64_t h = 1; h <= BLOCKS; h++)
        for (unsigned i = 0; i < w->n_txs[h]; i++) {
            char key[40], value[40];
            struct tendermint_abci_response_query *s;
            snprintf(key, sizeof(key), "k%lld.%u", (long long)h, i);
            snprintf(value, sizeof(value), "v%lld", (long long)h);
            int r =
                sn_abci_query(cs->query,
                              &(struct tendermint_abci_request_query){.data = sn_str(key)}, a, &s);
            if (r < 0) return r;
            T_STR(s->value, value);
        }
    return 0;
}

static int node_main(void *arg)
{
    struct world *w = arg;
    struct sn_arena a;
    int r = -1;
    w->host = sn_sim_host_new("app");
    snprintf(w->addr, sizeof(w->addr), "tcp://%s:26658", sn_sim_host_addr(w->host));
    T_OK(sn_sim_host_go(w->host, "app", app_host, w));
    T_OK(sn_go("trouble", trouble, w));
    sn_arena_init(&a, NULL, 0);
    for (int tries = 0; r < 0; tries++) {
        struct sn_abci_conns cs;
        T_ASSERT(tries < 500);
        struct sn_abci_client_opts o = {.addr = w->addr, .retry_ns = 20 * SN_MS};
        r = sn_abci_conns_open(&o, &cs);
        T_ASSERTF(r >= 0, "%s", sn_diag_str(r)); /* it retries: only a deadline ends that */
        struct checker k = {.w = w, .c = cs.mempool};
        sn_waitgroup_add(&k.wg, 3);
        for (int i = 0; i < 3; i++) T_OK(sn_go("check", check_main, &k));
        r = session(w, &cs, &a);
        if (r >= 0) r = verify(w, &cs, &a);
        k.stop = true;
        T_OK(sn_waitgroup_wait(&k.wg));
        if (r < 0) T_ASSERT(sn_abci_conns_wait(&cs) < 0); /* whoever broke, the node learns */
        sn_abci_conns_close(&cs);
        sn_arena_reset(&a);
    }
    w->over = true;
    T_OK(sn_sleep(SN_SEC));
    sn_sim_crash(w->host);
    sn_arena_done(&a);
    return 0;
}

SN_TEST_SLOW(the_application_crashes_at_any_moment, 300)
{
    unsigned crashes = 0, checks = 0;
    sn_test_allow_crash_leaks();
    for (unsigned i = 0; i < sn_test_cases(60); i++) {
        struct world w = {.seed = sn_test_seed() + i};
        uint64_t hash = 0;
        sn_test_row("seed %llu", (unsigned long long)w.seed);
        struct sn_sim_opts o = {.seed = w.seed};
        int r = sn_sim_run(&o, node_main, &w, &hash);
        T_ASSERTF(r == 0, "%d: %s", r, sn_diag_str(r));
        crashes += w.crashes;
        checks += w.checks;
        if (i < 3) { /* the same seed, the same run */
            struct world again = {.seed = w.seed};
            uint64_t hash2 = 0;
            T_OK(sn_sim_run(&o, node_main, &again, &hash2));
            T_ASSERT(hash == hash2);
        }
    }
    T_ASSERTF(crashes > 20 && checks > 1000, "%u crashes, %u checks", crashes, checks);
}

/* ---- a server that answers anything -------------------------------------------------------------
 */

static void noise_host(void *arg)
{
    struct world *w = arg;
    struct sn_listener *l;
    struct sn_stream *st;
    T_OK(sn_listen(w->addr + 6, NULL, &l));
    while (sn_accept(l, &st) >= 0) {
        char buf[256];
        if (sn_read(st, buf, sizeof(buf)) > 0) {
            size_t n = sn_sim_rand() % sizeof(buf);
            for (size_t i = 0; i < n; i++)
                buf[i] = (char)(sn_sim_rand() % 3 ? sn_sim_rand() % 12 : sn_sim_rand());
            if (n) (void)!sn_write(st, buf, n);
        }
        if (sn_sim_rand() % 2) T_OK(sn_sleep(2 * SN_SEC));
        sn_stream_close(st);
    }
}
static int noise_main(void *arg)
{
    struct world *w = arg;
    struct sn_arena a;
    w->host = sn_sim_host_new("noise");
    snprintf(w->addr, sizeof(w->addr), "tcp://%s:1", sn_sim_host_addr(w->host));
    T_OK(sn_sim_host_go(w->host, "noise", noise_host, w));
    T_OK(sn_sleep(SN_MS));
    sn_arena_init(&a, NULL, 0);
    for (int i = 0; i < 20; i++) {
        struct sn_abci_client *c;
        T_OK(sn_abci_client_open(&(struct sn_abci_client_opts){.addr = w->addr,
                                                               .must_connect = true},
                                 &c));
        int64_t d = sn_deadline_tighten(sn_now() + SN_SEC);
        int r = test_check(c, &a, "k=v", NULL);
        sn_deadline_restore(d);
        /* Noise may be an answer; whatever else it is has a name, and none but silence takes all
         * the time. */
        T_ASSERT(r >= 0 || r == SN_E_DEADLINE_EXCEEDED || sn_abci_client_failure(c) < 0);
        sn_abci_client_close(c);
        sn_arena_reset(&a);
    }
    sn_arena_done(&a);
    T_OK(sn_sleep(SN_SEC));
    sn_sim_crash(w->host);
    return 0;
}
SN_TEST_SLOW(answers_of_noise, 120)
{
    sn_test_allow_crash_leaks();
    for (unsigned i = 0; i < sn_test_cases(40); i++) {
        struct world w = {.seed = sn_test_seed() + i};
        sn_test_row("seed %llu", (unsigned long long)w.seed);
        int r = sn_sim_run(&(struct sn_sim_opts){.seed = w.seed}, noise_main, &w, NULL);
        T_ASSERTF(r == 0, "%d: %s", r, sn_diag_str(r));
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* evm/client_sim_test.c - the client against a hostile node in simulation: senders, a watcher and a
 * reader of logs, over HTTP and WebSocket, while the node delays, lies about ids, limits rates,
 * forgets, reorganises its chain, and the network is cut. In the end nothing was sent twice, nothing
 * that was told is missing or repeated, and everything has ended; the same seed gives the same run. */
#include <stdio.h>

#include "core/status.h"
#include "evm/client_int.h"
#include "evm/client_node_test.h"
#include "tests/harness/test.h"

#define SENDERS 6
#define SENDS 5
#define CONFIRMATIONS 8 /* deeper than the node's reorgs */

struct seen {
    uint64_t number, first_log;
    uint8_t hash[32];
    unsigned n_logs;
};
struct world {
    bool ws;
    unsigned faults;
    uint64_t seed;
    struct node node;
    struct sn_eth_rpc *rpc;
    struct sn_eth_client client;
    struct sn_eth_signer *signer;
    struct sn_eth_account *account;
    struct sn_event clients_done;
    unsigned sent, maybe, mined, lost, refused, replaced, senders_left;
    struct seen seen[NODE_BLOCKS_MAX];
    uint64_t n_seen; /* blocks 1 .. n_seen */
    struct sn_eth_watch_stats watched;
    uint64_t logs_read, splits;
};

static const uint8_t key[32] = {[31] = 7, [0] = 1};

/* ---- senders ---- */

struct sender {
    struct world *w;
    unsigned n;
};
/* What became of one call must agree with the chain, for good. */
static void check_fate(struct world *w, uint64_t tag, int r)
{
    unsigned times = node_mined(&w->node, tag);
    T_ASSERTF(times <= 1, "transaction %llu was mined %u times", (unsigned long long)tag, times);
    if (r == 0) T_ASSERTF(times == 1, "transaction %llu is confirmed and not mined",
                          (unsigned long long)tag);
    if (r == SN_E_ABORTED) T_ASSERTF(times == 0, "transaction %llu is lost and mined",
                                     (unsigned long long)tag);
}
static void send_one(struct world *w, uint64_t tag, bool replace)
{
    struct sn_tx tx = {.type = SN_TX_DYNAMIC_FEE, .has_to = true, .gas_limit = 21000,
                       .value = sn_u256(tag)};
    struct sn_eth_await_opts o = {.confirmations = CONFIRMATIONS, .timeout_ns = 3000 * SN_SEC,
                                  .rebroadcast_ns = 5 * SN_SEC};
    struct sn_eth_sent s;
    struct sn_eth_receipt receipt;
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    int r = sn_eth_send(w->account, &tx, &a, &s, NULL);
    if (r < 0) {
        w->refused++;
        T_EQ(node_mined(&w->node, tag), 0);
        sn_arena_done(&a);
        return;
    }
    w->sent++;
    w->maybe += !s.accepted;
    if (replace && sn_eth_replace(w->account, false, &a, &s) == 0) w->replaced++;
    r = sn_eth_await(&w->client, &s, &o, &a, &receipt);
    T_ASSERTF(r == 0 || r == SN_E_ABORTED, "transaction %llu: %s", (unsigned long long)tag,
              sn_diag_str(r));
    check_fate(w, tag, r);
    if (r == 0) {
        T_ASSERT(receipt.success && receipt.confirmations >= CONFIRMATIONS);
        T_EQ(memcmp(receipt.hash, s.hash[receipt.version], 32), 0);
    }
    if (r == 0) w->mined++;
    else w->lost++;
    sn_arena_done(&a);
}
static int sender_main(void *arg)
{
    struct sender *s = arg;
    for (unsigned i = 0; i < SENDS; i++) {
        uint64_t tag = 1 + s->n * SENDS + i;
        send_one(s->w, tag, sn_sim_rand() % 4 == 0);
        int r = sn_sleep((int64_t)(sn_sim_rand() % 3000) * SN_MS);
        if (r < 0) return r;
    }
    if (--s->w->senders_left == 0) s->w->node.calm = true; /* what follows must come to rest */
    return 0;
}

/* ---- the watcher ---- */

static void take_event(struct world *w, const struct sn_eth_event *e)
{
    struct seen *s = &w->seen[e->number];
    if (e->kind == SN_ETH_EVENT_REORG) {
        T_ASSERT(e->number >= 1 && e->number <= w->n_seen);
        w->n_seen = e->number - 1;
    } else if (e->kind == SN_ETH_EVENT_BLOCK) {
        T_EQ(e->number, w->n_seen + 1);
        w->n_seen++;
        *s = (struct seen){.number = e->number};
        memcpy(s->hash, e->hash, 32);
    } else {
        uint64_t data = 0;
        T_EQ(e->number, w->n_seen);
        T_OK(sn_eth_quantity(sn_json_get(e->json, "data"), "data", &data));
        if (s->n_logs == 0) s->first_log = data;
        T_EQ(data, s->first_log + s->n_logs);
        s->n_logs++;
    }
}
static bool at_rest(struct world *w)
{
    return w->node.calm && w->n_seen >= w->node.chain.len - 1 &&
           w->node.halted;
}
static int watcher_main(void *arg)
{
    struct world *w = arg;
    struct sn_eth_watch_opts o = {.from = 1, .down_ns_max = 3600 * SN_SEC};
    struct sn_eth_watch *watch;
    T_OK(sn_eth_watch_open(&w->client, &o, &watch));
    while (!at_rest(w)) {
        struct sn_eth_event e;
        int64_t prev = sn_deadline_tighten(sn_now() + 5 * SN_SEC);
        int r = sn_eth_watch_next(watch, &e);
        sn_deadline_restore(prev);
        if (r == SN_E_DEADLINE_EXCEEDED) { /* when all is calm, the chain stops for us to catch up */
            if (w->node.calm) w->node.halted = true;
            continue;
        }
        T_ASSERTF(r == 0, "watch: %s", sn_diag_str(r));
        take_event(w, &e);
        if (w->node.calm && w->senders_left == 0) w->node.halted = true;
    }
    /* The last block's logs. */
    for (;;) {
        struct sn_eth_event e;
        int64_t prev = sn_deadline_tighten(sn_now() + 60 * SN_SEC);
        int r = sn_eth_watch_next(watch, &e);
        sn_deadline_restore(prev);
        if (r == SN_E_DEADLINE_EXCEEDED) break;
        T_OK(r);
        take_event(w, &e);
    }
    sn_eth_watch_stats(watch, &w->watched);
    sn_eth_watch_close(watch);
    return 0;
}
static void compare_chains(struct world *w)
{
    T_EQ(w->n_seen, w->node.chain.len - 1);
    for (uint64_t i = 1; i <= w->n_seen; i++) {
        const struct node_block *b = &w->node.chain.ptr[i];
        sn_test_row("seed %llu, block %llu", (unsigned long long)w->seed, (unsigned long long)i);
        T_EQ(memcmp(b->hash, w->seen[i].hash, 32), 0);
        T_EQ(b->n_logs, w->seen[i].n_logs);
        if (b->n_logs) T_EQ(b->first_log, w->seen[i].first_log);
    }
}

/* ---- the reader ---- */

struct reading {
    uint64_t count;
};
static int take_log(void *ctx, const struct sn_json *log)
{
    struct reading *t = ctx;
    (void)log;
    t->count++;
    return 0;
}
/* Old blocks, over and over: each time all their logs. */
static int reader_main(void *arg)
{
    struct world *w = arg;
    while (w->senders_left) {
        int r = sn_sleep((int64_t)(sn_sim_rand() % 20000) * SN_MS);
        if (r < 0) return r;
        if (w->node.chain.len < 60) continue;
        uint64_t to = w->node.chain.len - 30, want = 0; /* deeper than reorgs while it is read */
        struct reading t = {0};
        struct sn_eth_logs_stats stats;
        struct sn_eth_filter any = {0};
        for (uint64_t i = 1; i <= to; i++) want += w->node.chain.ptr[i].n_logs;
        r = sn_eth_logs(&w->client, &any, 1, to, NULL, take_log, &t, &stats);
        T_ASSERTF(r == 0 || sn_eth_transient(r), "logs: %s", sn_diag_str(r));
        if (r < 0) continue;
        T_EQ(t.count, want);
        w->logs_read += t.count;
        w->splits += stats.splits;
    }
    return 0;
}

/* ---- worlds ---- */

static int open_client(struct world *w)
{
    char url[64];
    struct sn_eth_opts o = {.url = node_url(&w->node, w->ws, url, sizeof(url)),
                            .headers = SN_STR(NODE_HEADER),
                            .timeout_ns = 5 * SN_SEC,
                            .answer_bytes_max = NODE_ANSWER_MAX,
                            .ping_ns = 3 * SN_SEC};
    int r = sn_eth_open(&o, &w->rpc);
    T_OK(r);
    for (unsigned i = 0; i < 100; i++) {
        r = sn_eth_client_init(&w->client, w->rpc, NODE_CHAIN, 700 * SN_MS);
        if (r == 0) break;
        T_ASSERTF(sn_eth_transient(r), "%s", sn_diag_str(r));
    }
    T_OK(r);
    T_OK(sn_eth_signer_local(key, &w->signer));
    return sn_eth_account_new(&w->client, w->signer, NULL, &w->account);
}
static void client_host(void *arg)
{
    struct world *w = arg;
    struct sender senders[SENDERS];
    struct sn_scope_storage mem;
    T_OK(open_client(w));
    w->senders_left = SENDERS;
    struct sn_scope *s = sn_scope_begin(&mem);
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){w, i};
        T_OK(sn_scope_go(s, "sender", sender_main, &senders[i]));
    }
    T_OK(sn_scope_go(s, "watcher", watcher_main, w));
    T_OK(sn_scope_go(s, "reader", reader_main, w));
    T_OK(sn_scope_end(s));
    sn_eth_account_free(w->account);
    sn_eth_signer_free(w->signer);
    sn_eth_close(w->rpc);
    sn_event_set(&w->clients_done);
}
static int world_main(void *arg)
{
    struct world *w = arg;
    node_start(&w->node, w->faults);
    struct sn_sim_host *ch = sn_sim_host_new("client");
    T_OK(sn_sim_host_go(ch, "client", client_host, w));
    for (unsigned i = 0; i < 4 && w->faults; i++) {
        T_OK(sn_sleep((int64_t)(sn_sim_rand() % 20000) * SN_MS));
        sn_sim_partition(ch, w->node.host, true);
        T_OK(sn_sleep((int64_t)(sn_sim_rand() % 12000) * SN_MS));
        sn_sim_partition(ch, w->node.host, false);
    }
    T_OK(sn_event_wait(&w->clients_done));
    for (uint64_t tag = 1; tag <= SENDERS * SENDS; tag++) check_fate(w, tag, SN_E_UNKNOWN);
    compare_chains(w);
    node_stop(&w->node);
    return 0;
}
static void run_world(struct world *w, bool ws, unsigned faults, uint64_t seed, uint64_t *ret_hash)
{
    memset(w, 0, sizeof(*w));
    w->ws = ws;
    w->faults = faults;
    w->seed = seed;
    struct sn_sim_opts o = {.seed = seed, .loss = faults ? 0.01 : 0, .time_limit_ns = 8 * 3600 * SN_SEC};
    int r = sn_sim_run(&o, world_main, w, ret_hash);
    T_ASSERTF(r >= 0, "seed %llu: %s", (unsigned long long)seed, sn_diag_str(r));
    T_EQ(w->sent + w->refused, SENDERS * SENDS);
    T_EQ(w->mined + w->lost, w->sent);
}
static void many_worlds(bool ws)
{
    static struct world w;
    unsigned n = sn_test_cases(40), mined = 0, lost = 0, refused = 0, maybe = 0, replaced = 0;
    uint64_t reorgs = 0, gaps = 0, failures = 0, splits = 0, foreign = 0;
    for (unsigned i = 0; i < n; i++) {
        uint64_t seed = sn_test_seed() + i, h1, h2;
        unsigned faults = i % 4 * 12;
        sn_test_row("seed %llu, faults %u", (unsigned long long)seed, faults);
        run_world(&w, ws, faults, seed, &h1);
        mined += w.mined;
        lost += w.lost;
        refused += w.refused;
        maybe += w.maybe;
        replaced += w.replaced;
        reorgs += w.watched.reorgs;
        gaps += w.watched.gaps;
        failures += w.watched.failures;
        splits += w.splits;
        foreign += w.node.foreign;
        if (i % 10) continue;
        run_world(&w, ws, faults, seed, &h2);
        T_ASSERTF(h1 == h2, "two runs of one seed differ");
    }
    printf("%u worlds: %u mined, %u lost to the owner's other transactions (%llu), %u refused, %u in "
           "doubt, %u replaced; %llu reorgs, %llu gaps, %llu failures seen by the watcher, %llu splits\n",
           n, mined, lost, (unsigned long long)foreign, refused, maybe, replaced,
           (unsigned long long)reorgs, (unsigned long long)gaps, (unsigned long long)failures,
           (unsigned long long)splits);
    /* The faults must bite, and must not be all there is. */
    T_ASSERT(mined > 20 * n && refused > 0 && maybe > 0 && replaced > 0);
    T_ASSERT(reorgs > n && failures > n && splits > 0);
    if (ws) T_ASSERT(gaps > 0);
}
SN_TEST_SLOW(eth_client_sim_http, 240)
{
    many_worlds(false);
}
SN_TEST_SLOW(eth_client_sim_ws, 240)
{
    many_worlds(true);
}

/* ---- raw subscriptions: a gap where something is missing, and in its place ---- */

struct raw_world {
    struct node node;
    struct sn_event done;
    uint64_t events, gaps, dropped;
};
static void raw_client(void *arg)
{
    struct raw_world *w = arg;
    char url[64];
    struct sn_eth_rpc *rpc;
    struct sn_eth_sub *sub;
    struct sn_eth_opts o = {.url = node_url(&w->node, true, url, sizeof(url)),
                            .headers = SN_STR(NODE_HEADER),
                            .timeout_ns = 5 * SN_SEC};
    T_OK(sn_eth_open(&o, &rpc));
    T_OK(sn_eth_subscribe(rpc, SN_STR("[\"newHeads\"]"), 4, &sub));
    uint64_t last = 0;
    bool gap = false;
    for (unsigned i = 0; i < 60; i++) {
        struct sn_eth_note note;
        struct sn_eth_block b;
        struct sn_arena a;
        if (i == 20) T_OK(sn_sleep(60 * SN_SEC)); /* nobody takes: the queue of four overflows */
        if (i == 40) node_drop_sockets(&w->node);
        sn_arena_init(&a, NULL, 0);
        T_OK(sn_eth_sub_next(sub, &a, &note));
        if (!note.event) {
            w->gaps++;
            w->dropped += note.dropped;
            gap = true;
        } else {
            T_OK(sn_eth_block_read(note.event, &b));
            T_ASSERTF(!last || gap || b.number == last + 1, "a hole without a gap");
            if (gap && note.event) gap = false;
            last = b.number;
            w->events++;
        }
        sn_arena_done(&a);
    }
    sn_eth_sub_close(sub);
    sn_eth_close(rpc);
    sn_event_set(&w->done);
}
static int raw_main(void *arg)
{
    struct raw_world *w = arg;
    w->node.calm = true;
    node_start(&w->node, 0);
    struct sn_sim_host *ch = sn_sim_host_new("client");
    T_OK(sn_sim_host_go(ch, "client", raw_client, w));
    T_OK(sn_event_wait(&w->done));
    node_stop(&w->node);
    return 0;
}
SN_TEST(eth_subscription_gaps)
{
    static struct raw_world w;
    for (unsigned i = 0; i < 10; i++) {
        memset(&w, 0, sizeof(w));
        T_OK(sn_sim_run(&(struct sn_sim_opts){.seed = sn_test_seed() + i}, raw_main, &w, NULL));
        T_EQ(w.gaps, 2);
        T_ASSERT(w.dropped > 10);
    }
}

/* ---- a watch where following ends ---- */

/* Takes events up to block `to`. */
static int follow(struct sn_eth_watch *watch, uint64_t to, struct sn_eth_event *ret)
{
    do {
        int r = sn_eth_watch_next(watch, ret);
        if (r < 0) return r;
    } while (ret->kind != SN_ETH_EVENT_BLOCK || ret->number < to);
    return 0;
}
static void mine_to(struct node *n, uint64_t to)
{
    while (n->chain.len <= to) node_mine(n);
}
static void limits_client(void *arg)
{
    struct raw_world *w = arg;
    struct sn_eth_client c;
    struct sn_eth_rpc *rpc;
    struct sn_eth_watch *watch;
    struct sn_eth_event e;
    char url[64];
    struct sn_eth_opts o = {.url = node_url(&w->node, true, url, sizeof(url)),
                            .headers = SN_STR(NODE_HEADER)};
    T_OK(sn_eth_open(&o, &rpc));
    T_OK(sn_eth_client_init(&c, rpc, NODE_CHAIN, 0));
    T_OK(sn_eth_watch_open(&c, &(struct sn_eth_watch_opts){.from = 1}, &watch));
    mine_to(&w->node, 400);
    T_OK(follow(watch, 400, &e));
    /* As deep as it remembers: told, and from where on. */
    node_reorg(&w->node, 200);
    do T_OK(sn_eth_watch_next(watch, &e));
    while (e.kind == SN_ETH_EVENT_LOG);
    T_EQ(e.kind, SN_ETH_EVENT_REORG);
    T_EQ(e.number, 201);
    T_OK(follow(watch, 401, &e));
    /* With blocks to be sure of, a shallow reorg is no event at all. */
    struct sn_eth_watch *sure;
    T_OK(sn_eth_watch_open(&c, &(struct sn_eth_watch_opts){.from = 390, .confirmations = 6}, &sure));
    T_OK(follow(sure, 395, &e));
    node_reorg(&w->node, 5);
    mine_to(&w->node, 410);
    do {
        T_OK(sn_eth_watch_next(sure, &e));
        T_ASSERT(e.kind != SN_ETH_EVENT_REORG && e.number <= 404);
    } while (e.kind != SN_ETH_EVENT_BLOCK || e.number < 404);
    sn_eth_watch_close(sure);
    T_OK(follow(watch, 410, &e));
    /* Deeper: nobody can tell any more what is void. */
    node_reorg(&w->node, 300);
    int r = follow(watch, 411, &e);
    T_EQ(r, SN_E_OUT_OF_RANGE);
    sn_eth_watch_close(watch);
    /* Behind the address is another chain all of a sudden. */
    T_OK(sn_eth_watch_open(&c, &(struct sn_eth_watch_opts){.from = SN_ETH_FROM_NOW, .no_logs = true},
                           &watch));
    int64_t prev = sn_deadline_tighten(sn_now() + SN_SEC);
    T_EQ(sn_eth_watch_next(watch, &e), SN_E_DEADLINE_EXCEEDED); /* it has its place now */
    sn_deadline_restore(prev);
    node_mine(&w->node);
    T_OK(follow(watch, 1, &e));
    w->node.chain_id++;
    node_drop_sockets(&w->node);
    do r = sn_eth_watch_next(watch, &e);
    while (r == 0);
    T_EQ(r, SN_E_FAILED_PRECONDITION);
    sn_eth_watch_close(watch);
    sn_eth_close(rpc);
    sn_event_set(&w->done);
}
static int limits_main(void *arg)
{
    struct raw_world *w = arg;
    w->node.calm = true;
    node_start(&w->node, 0);
    struct sn_sim_host *ch = sn_sim_host_new("client");
    w->node.halted = true; /* the test mines */
    T_OK(sn_sleep(3 * SN_SEC));
    T_OK(sn_sim_host_go(ch, "client", limits_client, w));
    T_OK(sn_event_wait(&w->done));
    node_stop(&w->node);
    return 0;
}
SN_TEST(eth_watch_limits)
{
    static struct raw_world w;
    for (unsigned i = 0; i < 3; i++) {
        memset(&w, 0, sizeof(w));
        int r = sn_sim_run(&(struct sn_sim_opts){.seed = sn_test_seed() + i}, limits_main, &w, NULL);
        T_ASSERTF(r >= 0, "%s", sn_diag_str(r));
    }
}

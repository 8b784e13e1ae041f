/* SPDX-License-Identifier: Apache-2.0 */
/* The light client against providers that are honest, slow, broken or lying, in virtual time: what
 * it trusts is the chain, and what is forged leaves evidence that a full node accepts. */
#include <stdio.h>

#include "consensus/hash.h"
#include "consensus/light/light_chain_test.h"
#include "consensus/light/store.h"
#include "consensus/light/walk.h"
#include "core/torture.h"
#include "fiber/sim.h"
#include "harness/test.h"

#define DAY (24 * 3600 * SN_SEC)

static void in_sim(uint64_t seed, int (*fn)(void *arg), void *arg)
{
    struct sn_sim_opts o = {.seed = seed, .time_limit_ns = 100 * DAY};
    int r = sn_sim_run(&o, fn, arg, NULL);
    T_ASSERTF(r >= 0, "seed %llu: %s", (unsigned long long)seed, sn_diag_str(r));
}
/* The time of block 0 of a chain whose block n is `ago` before now. */
static struct sn_cons_time start_of(int64_t n, int64_t ago)
{
    return sn_cons_time_of_ns(sn_wall_now() - ago - n * CHAIN_BLOCK_NS);
}

/* ---- bisection without a client ---- */

SN_TEST(walk_bisection)
{
    for (unsigned k = 0; k < sn_test_cases(20); k++) {
        struct chain c;
        struct sn_light_walk w;
        uint64_t seed = sn_test_rand();
        int64_t n = 2 + (int64_t)(seed % 300), height;
        unsigned wanted = 0;
        sn_test_row("seed %llu", (unsigned long long)seed);
        chain_build(&c, seed, n, (unsigned)(seed % 97), sn_cons_time_of_ns(1000000 * SN_SEC));
        struct sn_cons_light_opts rules = {&chain_verifier, DAY, SN_SEC, {0, 0}};
        struct sn_cons_time now = sn_cons_time_of_ns((1000000 + n) * SN_SEC);
        sn_light_walk_begin(&w, &rules, &c.blocks[1], &c.blocks[n], now);
        for (int step;;) {
            step = sn_light_walk_next(&w, &height);
            T_ASSERTF(step >= 0, "%s", sn_diag_str(step));
            if (step == SN_LIGHT_DONE) break;
            if (step == SN_LIGHT_FULL) {
                struct sn_cons_light_block *end = w.trace[w.n_trace - 1];
                sn_light_walk_begin(&w, &rules, end, &c.blocks[n], now);
                continue;
            }
            T_ASSERT(height > w.trace[w.n_trace - 1]->header.height && height < n);
            wanted++;
            sn_light_walk_put(&w, &c.blocks[height]);
        }
        T_ASSERT(w.trace[w.n_trace - 1] == &c.blocks[n]);
        for (unsigned i = 1; i < w.n_trace; i++) {
            struct sn_cons_light_trusted t = {&w.trace[i - 1]->header, w.trace[i - 1]->vals};
            T_EQ(sn_cons_light_verify(&rules, &t, w.trace[i], now), 0);
        }
        T_ASSERT(wanted < (unsigned)n);
        chain_done(&c);
    }
}

/* ---- a client and its providers ---- */

#define WITNESSES 2
struct rig {
    struct chain chain;
    struct mock primary, witness[WITNESSES];
    struct sn_light_client *client;
    struct sn_kv *kv;
    int64_t trust, keep;
    struct sn_cons_fraction level;
    struct sn_cons_hash trust_hash;
    bool sequential;
};
static struct sn_light_client_opts opts(struct rig *g, struct sn_light_provider **w, unsigned n)
{
    struct sn_light_client_opts o = {.chain_id = SN_STR(CHAIN_ID),
                                     .trust_height = g->trust,
                                     .rules = {&chain_verifier, DAY, 0, g->level},
                                     .primary = &g->primary.p,
                                     .witnesses = w,
                                     .n_witnesses = n,
                                     .sequential = g->sequential,
                                     .keep = (uint32_t)g->keep,
                                     .kv = g->kv};
    for (unsigned i = 0; i < n; i++) w[i] = &g->witness[i].p;
    if (g->trust_hash.len)
        o.trust_hash = g->trust_hash;
    else if (g->trust)
        chain_hash(&g->chain, g->trust, &o.trust_hash);
    return o;
}
static void mocks(struct rig *g)
{
    static const char *const names[] = {"witness-1", "witness-2"};
    mock_init(&g->primary, "primary", &g->chain);
    for (unsigned i = 0; i < WITNESSES; i++) mock_init(&g->witness[i], names[i], &g->chain);
}
static void rig_begin(struct rig *g, uint64_t seed, int64_t n, unsigned churn)
{
    chain_build(&g->chain, seed, n, churn, start_of(n, SN_SEC));
    mocks(g);
    g->trust = 1;
    T_OK(sn_kv_open_memory(&g->kv));
}
static int rig_open(struct rig *g, unsigned witnesses)
{
    struct sn_light_provider *w[WITNESSES];
    struct sn_light_client_opts o = opts(g, w, witnesses);
    return sn_light_client_new(&o, &g->client);
}
static void rig_end(struct rig *g)
{
    sn_light_client_free(g->client);
    T_EQ(g->primary.closed, 1);
    chain_done(&g->chain);
}
/* The block of a height is the chain's. */
static int ask(struct rig *g, int64_t height)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_cons_light_block b;
    struct sn_cons_hash got, want;
    sn_arena_init(&a, NULL, 0);
    int r = sn_light_client_block(g->client, height, &a, &b);
    if (r < 0) return r;
    T_OK(sn_cons_header_hash(&b.header, &got));
    chain_hash(&g->chain, height ? height : g->chain.n, &want);
    T_ASSERTF(sn_cons_hash_eq(&got, &want), "block %lld is another", (long long)height);
    T_OK(sn_cons_valset_hash(b.vals, &got));
    T_ASSERT(sn_cons_hash_eq(&got, &b.header.validators_hash));
    return 0;
}

/* Any order of heights, a restart in between: always the chain's blocks. */
static int follow(void *arg)
{
    uint64_t seed = *(uint64_t *)arg;
    struct rig g = {.sequential = seed % 3 == 0, .keep = seed % 2 ? 7 : 0};
    int64_t n = 10 + (int64_t)(seed % 200);
    rig_begin(&g, seed, n, (unsigned)(seed % 90));
    g.trust = 1 + (int64_t)(seed / 7 % (uint64_t)n);
    g.primary.delay_max_ns = g.witness[0].delay_max_ns = 300 * SN_MS;
    T_OK(rig_open(&g, WITNESSES));
    T_EQ(sn_light_client_latest(g.client), g.trust);
    for (unsigned i = 0; i < 12; i++) {
        int64_t h = 1 + (int64_t)(sn_sim_rand() % (uint64_t)n);
        int r = ask(&g, h);
        T_ASSERTF(r >= 0, "height %lld: %s", (long long)h, sn_diag_str(r));
    }
    T_EQ(ask(&g, 0), 0);
    T_EQ(sn_light_client_latest(g.client), n);
    T_EQ(ask(&g, n + 1), SN_E_OUT_OF_RANGE);
    T_EQ(g.primary.closed + g.witness[0].closed + g.witness[1].closed, 0);
    rig_end(&g);
    return 0;
}
SN_TEST_SLOW(client_follows, 120)
{
    for (unsigned k = 0; k < sn_test_cases(40); k++) {
        uint64_t seed = sn_test_rand();
        sn_test_row("seed %llu", (unsigned long long)seed);
        in_sim(seed, follow, &seed);
    }
}

/* A long chain whose validators change fast: more steps than one trace has. */
static int long_way(void *arg)
{
    struct rig g = {.level = {9, 10}};
    rig_begin(&g, 5, 300, 99);
    T_OK(rig_open(&g, 1));
    T_EQ(ask(&g, 300), 0);
    T_ASSERTF(g.witness[0].calls >= 3, "%u of %u", g.witness[0].calls, g.primary.calls);
    rig_end(&g);
    return 0;
}
SN_TEST_SLOW(client_long_way, 120)
{
    in_sim(1, long_way, NULL);
}

/* ---- the primary fails ---- */

static int primary_fails(void *arg)
{
    static const struct {
        int fail;
        bool closed;
    } rows[] = {{SN_E_UNAVAILABLE, false},
                {SN_E_NOT_FOUND, false},
                {SN_E_OUT_OF_RANGE, false},
                {SN_E_INVALID_ARGUMENT, true},
                {SN_E_PROTOCOL, true}};
    for (unsigned i = 0; i < SN_COUNT_OF(rows); i++) {
        struct rig g = {.sequential = i % 2};
        sn_test_row("%s", sn_status_name(rows[i].fail));
        rig_begin(&g, i, 50, 30);
        T_OK(rig_open(&g, WITNESSES));
        g.primary.fail = rows[i].fail;
        T_OK(ask(&g, 50));
        T_EQ(g.primary.closed, rows[i].closed);
        T_EQ(ask(&g, 40), 0);
        sn_light_client_free(g.client);
        T_EQ(g.primary.closed + g.witness[0].closed + g.witness[1].closed, 3);
        chain_done(&g.chain);
    }
    return 0;
}
SN_TEST(client_primary_fails)
{
    in_sim(2, primary_fails, NULL);
}

/* A block nobody signed: the target's, one in between, one on the way back. */
static int wrong_blocks(void *arg)
{
    for (unsigned i = 0; i < 4; i++) {
        struct rig g = {.sequential = i == 1};
        sn_test_row("case %u", i);
        rig_begin(&g, 3, 60, 80);
        g.trust = i == 3 ? 60 : 1;
        T_OK(rig_open(&g, WITNESSES));
        g.primary.corrupt_at = i == 0 ? 60 : i == 1 ? 30 : 34; /* 34 = 1 + 59 * 9 / 16 */
        if (i == 3) g.primary.chain->blocks[30].header.app_version = 1;
        T_OK(ask(&g, i == 3 ? 20 : 60));
        sn_light_client_free(g.client);
        chain_done(&g.chain);
    }
    return 0;
}
SN_TEST(client_wrong_blocks)
{
    in_sim(3, wrong_blocks, NULL);
}

static int nobody(void *arg)
{
    struct rig g = {0};
    rig_begin(&g, 4, 20, 30);
    T_OK(rig_open(&g, WITNESSES));
    g.primary.fail = g.witness[0].fail = g.witness[1].fail = SN_E_UNAVAILABLE;
    T_EQ(ask(&g, 20), SN_E_UNAVAILABLE);
    g.primary.fail = 0;
    T_EQ(ask(&g, 20), SN_E_UNAVAILABLE); /* nobody confirms it */
    T_EQ(sn_light_client_latest(g.client), 1);
    g.witness[1].fail = 0;
    T_EQ(ask(&g, 20), 0);
    rig_end(&g);
    return 0;
}
SN_TEST(client_nobody_answers)
{
    in_sim(4, nobody, NULL);
}

/* ---- witnesses ---- */

static int lagging(void *arg)
{
    struct rig g = {0};
    rig_begin(&g, 6, 40, 30);
    T_OK(rig_open(&g, 1));
    g.witness[0].latest = 30; /* and never more: after its time it counts as silent */
    int64_t before = sn_now();
    T_EQ(ask(&g, 40), SN_E_UNAVAILABLE);
    T_ASSERT(sn_now() - before >= 2 * SN_LIGHT_DRIFT_NS + SN_LIGHT_LAG_NS);
    g.witness[0].latest = 0;
    g.witness[0].grow_ns = CHAIN_BLOCK_NS;
    T_EQ(ask(&g, 40), 0);
    rig_end(&g);
    return 0;
}
SN_TEST(client_witness_behind)
{
    in_sim(5, lagging, NULL);
}

/* A witness with a chain that nobody signed is dropped; one that only claims another order of
 * proposers stops the client. */
static int lying_witness(void *arg)
{
    struct rig g = {0};
    struct chain other;
    rig_begin(&g, 7, 40, 60);
    T_OK(rig_open(&g, WITNESSES));
    chain_build(&other, 8, 40, 60, g.chain.start);
    g.witness[1].chain = &other;
    g.witness[1].corrupt_at = 40;
    T_EQ(ask(&g, 40), 0);
    T_EQ(g.witness[1].closed, 1);
    T_EQ(g.witness[0].closed, 0);
    chain_done(&other);
    chain_fork(&other, &g.chain, 40, 40, EQUIVOCATION);
    struct sn_cons_valset set = *g.chain.blocks[39].vals;
    set.vals = SN_ARENA_ARRAY(&other.arena, struct sn_cons_validator, set.n);
    memcpy(set.vals, g.chain.blocks[39].vals->vals, set.n * sizeof(*set.vals));
    set.vals[0].priority++;
    other.blocks[39].vals = &set;
    g.witness[0].chain = &other;
    T_EQ(ask(&g, 39), SN_E_DATA_LOSS);
    rig_end(&g);
    chain_done(&other);
    return 0;
}
SN_TEST(client_lying_witness)
{
    in_sim(6, lying_witness, NULL);
}

/* ASA-2024-009: a validator set is proven by a hash that leaves priorities out. Who makes them up, and so
 * whose turn it is, is found out by the witnesses: forward, one by one, by hashes back from the trusted
 * block, and for the trusted block itself. Where no witness has the block nobody can tell. */
static int priorities(void *arg)
{
    static const struct {
        const char *what;
        int64_t trust, ask;
        bool sequential, witness;
    } rows[] = {{"forward", 1, 40, false, false},         {"one by one", 1, 40, true, false},
                {"backward", 40, 20, false, false},       {"forward, a witness", 1, 40, false, true},
                {"backward, a witness", 40, 20, false, true}};
    for (unsigned i = 0; i < SN_COUNT_OF(rows); i++) {
        struct rig g = {.sequential = rows[i].sequential};
        sn_test_row("%s", rows[i].what);
        rig_begin(&g, 9, 40, 30);
        g.trust = rows[i].trust;
        T_OK(rig_open(&g, WITNESSES));
        struct mock *liar = rows[i].witness ? &g.witness[1] : &g.primary;
        liar->priorities = true;
        T_EQ(ask(&g, rows[i].ask), SN_E_DATA_LOSS);
        T_ASSERT(strstr(sn_diag_str(SN_E_DATA_LOSS), "has other proposer priorities at"));
        T_EQ(sn_light_client_latest(g.client), g.trust);
        T_EQ(sn_light_client_first(g.client), g.trust);
        if (!rows[i].witness) {
            g.witness[0].fail = g.witness[1].fail = SN_E_UNAVAILABLE;
            T_EQ(ask(&g, rows[i].ask), SN_E_UNAVAILABLE);
            g.witness[0].fail = g.witness[1].fail = 0;
        }
        liar->priorities = false;
        T_EQ(ask(&g, rows[i].ask), 0);
        rig_end(&g);
    }
    struct rig g = {0};
    rig_begin(&g, 9, 40, 30);
    g.primary.priorities = true;
    T_EQ(rig_open(&g, WITNESSES), SN_E_DATA_LOSS);
    T_EQ(g.primary.closed, 1);
    chain_done(&g.chain);
    return 0;
}
SN_TEST(client_priorities)
{
    in_sim(7, priorities, NULL);
}

/* ---- attacks ---- */

struct attack_row {
    const char *name;
    enum fork_kind kind;
    int64_t at, to, ask; /* the fork begins after `at` and has blocks up to `to` */
    bool sequential, by_witness;
    unsigned reports; /* valid evidence against the fork, at the honest side */
};
static int attack(void *arg)
{
    const struct attack_row *row = arg;
    for (unsigned seed = 1; seed <= 8; seed++) {
        struct rig g = {.sequential = row->sequential};
        struct chain fork;
        rig_begin(&g, seed, 60, seed * 5);
        chain_fork(&fork, &g.chain, row->at, row->to, row->kind);
        g.primary.grow_ns = g.witness[0].grow_ns = 0;
        struct mock *liar = row->by_witness ? &g.witness[0] : &g.primary;
        T_OK(rig_open(&g, 1));
        liar->chain = &fork;
        struct sn_arena a;
        struct sn_cons_light_block b;
        sn_arena_init(&a, NULL, 0);
        int r = sn_light_client_block(g.client, row->ask, &a, &b);
        T_ASSERTF(r == SN_E_DATA_LOSS, "%s, seed %u: %d %s", row->name, seed, r, sn_diag_str(r));
        sn_arena_done(&a);
        T_EQ(sn_light_client_latest(g.client), 1);
        struct mock *honest = row->by_witness ? &g.primary : &g.witness[0];
        T_ASSERTF(honest->valid == row->reports, "%s, seed %u: %u of %u pieces were valid",
                  row->name, seed, honest->valid, honest->reports);
        T_EQ(honest->reports, 1);
        rig_end(&g);
        chain_done(&fork);
    }
    return 0;
}
SN_TEST_SLOW(client_attacks, 120)
{
    static struct attack_row rows[] = {
        {"lunatic primary", LUNATIC, 40, 60, 60, false, false, 1},
        {"lunatic primary, at the trusted block", LUNATIC, 1, 60, 60, false, false, 1},
        {"lunatic primary, one by one", LUNATIC, 40, 60, 60, true, false, 1},
        {"lunatic witness", LUNATIC, 40, 60, 60, false, true, 1},
        {"equivocation", EQUIVOCATION, 49, 60, 50, false, false, 1},
        {"equivocation of the witness", EQUIVOCATION, 49, 60, 50, false, true, 1},
        {"amnesia", AMNESIA, 49, 60, 50, false, false, 1},
    };
    for (unsigned i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].name);
        in_sim(i, attack, &rows[i]);
    }
}

/* The primary shows a block of a height that the chain does not have yet. */
static int future(void *arg)
{
    struct rig g = {0};
    struct chain fork;
    rig_begin(&g, 9, 50, 20);
    chain_fork(&fork, &g.chain, 20, 45, LUNATIC);
    /* 45 is shown as if made in the time of 30, so that the witness must catch up past it. */
    g.primary.chain = &fork;
    g.witness[0].latest = 1;
    T_OK(rig_open(&g, 1));
    g.witness[0].latest = 40;
    fork.blocks[45].header.time = g.chain.blocks[30].header.time;
    struct sn_arena a;
    struct sn_cons_light_block b;
    sn_arena_init(&a, NULL, 0);
    int r = sn_light_client_block(g.client, 45, &a, &b);
    T_ASSERTF(r == SN_E_INVALID_ARGUMENT || r == SN_E_UNAVAILABLE, "%d %s", r, sn_diag_str(r));
    sn_arena_done(&a);
    rig_end(&g);
    chain_done(&fork);
    return 0;
}
SN_TEST(client_future_header)
{
    in_sim(9, future, NULL);
}

/* ---- the beginning ---- */

static int beginnings(void *arg)
{
    struct rig g = {0};
    struct chain other;
    rig_begin(&g, 10, 50, 20);
    chain_fork(&other, &g.chain, 1, 50, LUNATIC);
    g.trust = 5;
    struct sn_light_provider *w[WITNESSES];
    struct sn_light_client_opts o = opts(&g, w, 1);
    o.trust_hash.b[0] ^= 1;
    T_EQ(sn_light_client_new(&o, &g.client), SN_E_INVALID_ARGUMENT);
    T_EQ(g.primary.closed, 1);
    mocks(&g);
    T_OK(sn_kv_open_memory(&g.kv));
    g.witness[0].chain = &other;
    T_EQ(rig_open(&g, 1), SN_E_DATA_LOSS);
    mocks(&g);
    T_OK(sn_kv_open_memory(&g.kv));
    g.trust = 0;
    T_EQ(rig_open(&g, 1), SN_E_FAILED_PRECONDITION);
    mocks(&g);
    T_OK(sn_kv_open_memory(&g.kv));
    g.trust = 5;
    T_EQ(rig_open(&g, 0), SN_E_INVALID_ARGUMENT);
    chain_done(&g.chain);
    chain_done(&other);
    return 0;
}
SN_TEST(client_beginnings)
{
    in_sim(10, beginnings, NULL);
}

static int expired(void *arg)
{
    struct rig g = {0};
    rig_begin(&g, 11, 50, 20);
    T_OK(rig_open(&g, 1));
    T_EQ(ask(&g, 30), 0);
    T_OK(sn_sleep(2 * DAY));
    T_EQ(ask(&g, 50), SN_E_FAILED_PRECONDITION);
    T_EQ(ask(&g, 30), 0); /* was verified */
    T_EQ(ask(&g, 20), 0); /* backward, by hashes */
    rig_end(&g);
    return 0;
}
SN_TEST(client_expired)
{
    in_sim(11, expired, NULL);
}

/* A folder outlives the client: what it trusts is trusted again, unless the user says otherwise. */
static int restarts(void *arg)
{
    const char *dir = arg;
    struct rig g = {0};
    struct chain other;
    chain_build(&g.chain, 12, 50, 20, start_of(50, SN_SEC));
    chain_build(&other, 13, 50, 20, start_of(50, SN_SEC));
    const struct {
        int64_t trust, want;
        bool swap;
    } rows[] = {{5, 5, false},   {0, 40, false}, {5, 40, false}, {20, 40, false},
                {45, 45, false}, {5, 5, true},   {0, 40, true},  {3, 3, false}};
    for (unsigned i = 0; i < SN_COUNT_OF(rows); i++) {
        struct chain *c = rows[i].swap ? &other : &g.chain, keep = g.chain;
        sn_test_row("start %u", i);
        g.chain = *c;
        mocks(&g);
        g.trust = rows[i].trust;
        int r = sn_kv_open(dir, NULL, &g.kv);
        if (r == SN_E_UNIMPLEMENTED) sn_test_skip("no LevelDB library");
        T_OK(r);
        T_OK(rig_open(&g, 1));
        T_EQ(sn_light_client_latest(g.client), rows[i].want);
        T_EQ(ask(&g, 40), 0);
        sn_light_client_free(g.client);
        g.chain = keep;
    }
    chain_done(&g.chain);
    chain_done(&other);
    return 0;
}
SN_TEST(client_restarts)
{
    int r = sn_rt_run(&(struct sn_rt_opts){.workers = 1}, restarts, (void *)sn_test_tmpdir());
    T_ASSERTF(r >= 0, "%s", sn_diag_str(r));
}

/* ---- the store ---- */

static int store(void *arg)
{
    struct chain c;
    struct sn_kv *kv;
    struct sn_light_store s, again;
    int64_t h;
    chain_build(&c, 14, 30, 20, start_of(30, SN_SEC));
    T_OK(sn_kv_open_memory(&kv));
    T_OK(sn_light_store_open(kv, SN_STR(CHAIN_ID), &s));
    T_EQ(s.last, 0);
    static const int64_t order[] = {10, 20, 5, 15, 25, 1, 30};
    for (unsigned i = 0; i < SN_COUNT_OF(order); i++)
        T_OK(sn_light_store_put(&s, &c.blocks[order[i]], 5));
    T_OK(sn_light_store_open(kv, SN_STR(CHAIN_ID), &again));
    T_EQ(again.count, 5);
    T_EQ(s.count, 5);
    T_EQ(again.first, s.first);
    T_EQ(again.last, 30);
    T_OK(sn_light_store_below(&s, 25, &h));
    T_EQ(h, 20);
    T_OK(sn_light_store_above(&s, 25, &h));
    T_EQ(h, 30);
    T_OK(sn_light_store_above(&s, 30, &h));
    T_EQ(h, 0);
    struct sn_buf size;
    sn_buf_init(&size, 0);
    T_EQ(sn_kv_get(kv, SN_STR("size"), &size), 1);
    T_ASSERT(size.len == 2 && size.ptr[1] == 5);
    sn_buf_done(&size);
    T_OK(sn_light_store_clear(&s));
    T_OK(sn_light_store_open(kv, SN_STR(CHAIN_ID), &again));
    T_EQ(again.count, 0);
    sn_kv_close(kv);
    chain_done(&c);
    return 0;
}
SN_TEST(light_store)
{
    in_sim(14, store, NULL);
}

/* ---- without memory ---- */

static struct chain torture_chain, torture_fork;
static struct sn_cons_hash torture_trust;
static int torture_life(void *arg)
{
    struct rig g = {.chain = torture_chain, .trust = 2, .trust_hash = torture_trust};
    mocks(&g);
    int r = sn_kv_open_memory(&g.kv);
    if (r < 0) return r;
    if ((r = rig_open(&g, WITNESSES)) < 0) return r;
    struct sn_arena a;
    struct sn_cons_light_block b;
    sn_arena_init(&a, NULL, 0);
    r = sn_light_client_block(g.client, 20, &a, &b);
    if (r >= 0) r = sn_light_client_block(g.client, 1, &a, &b);
    g.primary.chain = &torture_fork;
    if (r >= 0) {
        r = sn_light_client_block(g.client, 30, &a, &b);
        r = r == SN_E_DATA_LOSS ? 0 : r < 0 ? r : SN_E_INTERNAL;
    }
    sn_arena_done(&a);
    sn_light_client_free(g.client);
    return r;
}
static int torture_main(void *arg)
{
    chain_build(&torture_chain, 15, 30, 60, start_of(30, SN_SEC));
    chain_fork(&torture_fork, &torture_chain, 25, 30, LUNATIC);
    chain_hash(&torture_chain, 2, &torture_trust);
    int n = torture_life(NULL);
    T_ASSERTF(n >= 0, "%s", sn_diag_str(n));
    n = sn_torture_lenient(torture_life, NULL);
    T_ASSERTF(n > 100, "%d failures injected: %s", n, sn_diag_str(n));
    chain_done(&torture_chain);
    chain_done(&torture_fork);
    return 0;
}
SN_TEST_SLOW(client_torture, 240)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, torture_main, NULL));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* State sync over a network in memory, in virtual time: an application made of blobs that does as
 * it is told, peers that lie, are slow, or leave; the kvstore with the snapshots it really takes.
 */
#include <stdio.h>
#include <stdlib.h>

#include "chains/abci/kvstore.h"
#include "consensus/genesis.h"
#include "consensus/hash.h"
#include "consensus/light/light_chain_test.h"
#include "consensus/sync/statesync_msg.h"
#include "consensus/sync/switch_test.h"
#include "consensus/sync/sync.h"
#include "consensus/valset.h"
#include "core/alloc.h"
#include "crypto/hash.h"
#include "fiber/sim.h"
#include "harness/test.h"

#define HEIGHTS 60
#define HOUR (3600 * SN_SEC)

/* ---- an application of blobs ---- */

#define CHUNKS_MAX 700
#define SCRIPT_MAX 16
struct blob {
    struct sn_abci_app app;
    /* Served. */
    uint64_t heights[16];
    unsigned n_heights;
    uint32_t chunks;
    size_t bytes;
    bool manifest, plain; /* plain: metadata that is no manifest */
    bool corrupt;         /* serves chunks that are not the snapshot's */
    uint8_t salt;         /* another salt, another snapshot */
    bool forget;          /* has thrown its snapshots away since it named them */
    /* Restoring. */
    uint64_t at;     /* height offered last */
    uint32_t expect; /* chunks of it */
    bool got[CHUNKS_MAX];
    uint32_t n_got;
    unsigned offers, applied, wrong;
    int offer_script[SCRIPT_MAX], apply_script[SCRIPT_MAX]; /* results, 0: ACCEPT; in order */
    unsigned n_offer, n_apply;
    int64_t refetch;    /* with the first scripted apply result: this chunk again */
    bool reject_sender; /* ... and its sender is refused */
    bool wrong_hash;    /* Info says another hash at the end */
};

static void chunk_bytes(const struct blob *b, uint64_t height, uint32_t i, uint8_t *out)
{
    uint64_t x = height * 1000003 + i * 7919 + b->salt;
    for (size_t k = 0; k < b->bytes; k++) {
        x = x * 6364136223846793005ull + 1442695040888963407ull;
        out[k] = (uint8_t)(x >> 56);
    }
}
static void blob_hash(void *arg, int64_t height, struct sn_cons_app_hash *ret)
{
    *ret = (struct sn_cons_app_hash){.len = 8};
    for (int i = 0; i < 8; i++) ret->b[i] = (uint8_t)(height >> 8 * i);
}
static struct blob *blob_of(struct sn_abci_call *c) { return c->app->self; }

static int blob_info(struct sn_abci_call *c, const struct tendermint_abci_request_info *req,
                     struct tendermint_abci_response_info *res)
{
    struct blob *b = blob_of(c);
    struct sn_cons_app_hash h;
    blob_hash(NULL, (int64_t)b->at + b->wrong_hash, &h);
    res->last_block_height = (int64_t)b->at;
    res->last_block_app_hash = sn_arena_str(c->arena, sn_str_of((char *)h.b, h.len));
    res->app_version = 1;
    return 0;
}
static int blob_list(struct sn_abci_call *c,
                     const struct tendermint_abci_request_list_snapshots *req,
                     struct tendermint_abci_response_list_snapshots *res)
{
    struct blob *b = blob_of(c);
    uint8_t *one = sn_arena_alloc(c->arena, b->bytes);
    for (unsigned k = 0; k < b->n_heights; k++) {
        struct tendermint_abci_snapshot *s =
            tendermint_abci_response_list_snapshots_add_snapshots(res, c->arena);
        uint8_t *meta = sn_arena_alloc(c->arena, b->chunks * 34u + 1);
        for (uint32_t i = 0; i < b->chunks; i++) {
            memcpy(meta + i * 34, "\x0a\x20", 2);
            chunk_bytes(b, b->heights[k], i, one);
            T_OK(sn_hash_once(SN_SHA256, one, b->bytes, meta + i * 34 + 2));
        }
        s->height = b->heights[k];
        s->format = 1;
        s->chunks = b->chunks;
        s->hash = sn_arena_printf(c->arena, "snapshot-%u", b->salt);
        s->metadata = b->manifest ? sn_str_of((char *)meta, b->chunks * 34u) : SN_STR("plain");
    }
    return 0;
}
static int blob_load(struct sn_abci_call *c,
                     const struct tendermint_abci_request_load_snapshot_chunk *req,
                     struct tendermint_abci_response_load_snapshot_chunk *res)
{
    struct blob *b = blob_of(c);
    if (req->chunk >= b->chunks || b->forget) return 0;
    uint8_t *one = sn_arena_alloc(c->arena, b->bytes);
    chunk_bytes(b, req->height, req->chunk, one);
    if (b->corrupt) one[0] ^= 1;
    res->chunk = sn_str_of((char *)one, b->bytes);
    return 0;
}
static int blob_offer(struct sn_abci_call *c,
                      const struct tendermint_abci_request_offer_snapshot *req,
                      struct tendermint_abci_response_offer_snapshot *res)
{
    struct blob *b = blob_of(c);
    struct sn_cons_app_hash h;
    blob_hash(NULL, (int64_t)req->snapshot->height, &h);
    T_ASSERT(sn_str_eq(req->app_hash, sn_str_of((char *)h.b, h.len)));
    res->result = b->offers < b->n_offer ? (unsigned)b->offer_script[b->offers] : 1;
    b->offers++;
    b->at = req->snapshot->height;
    b->expect = req->snapshot->chunks;
    b->n_got = 0;
    memset(b->got, 0, sizeof(b->got));
    return 0;
}
static int blob_apply(struct sn_abci_call *c,
                      const struct tendermint_abci_request_apply_snapshot_chunk *req,
                      struct tendermint_abci_response_apply_snapshot_chunk *res)
{
    struct blob *b = blob_of(c);
    unsigned step = b->applied++;
    res->result = step < b->n_apply && b->apply_script[step] ? (unsigned)b->apply_script[step] : 1;
    T_ASSERT(req->index < b->expect && req->index < CHUNKS_MAX);
    T_ASSERT(req->sender.len <= SN_NODE_ID_LEN);
    uint8_t *want = sn_arena_alloc(c->arena, b->bytes);
    chunk_bytes(b, b->at, req->index, want);
    bool good = sn_str_eq(req->chunk, sn_str_of((char *)want, b->bytes));
    b->wrong += !good;
    if (!good && !b->plain) {
        /* As an application that checks each chunk: again, and from somebody else. */
        res->result = 3;
        T_OK(tendermint_abci_response_apply_snapshot_chunk_add_refetch_chunks(res, req->index,
                                                                              c->arena));
        T_OK(tendermint_abci_response_apply_snapshot_chunk_add_reject_senders(
            res, sn_arena_str(c->arena, req->sender), c->arena));
        return 0;
    }
    if (step < b->n_apply && b->refetch >= 0)
        T_OK(tendermint_abci_response_apply_snapshot_chunk_add_refetch_chunks(res,
                                                                              (uint32_t)b->refetch,
                                                                              c->arena));
    if (step < b->n_apply && b->reject_sender)
        T_OK(tendermint_abci_response_apply_snapshot_chunk_add_reject_senders(
            res, sn_arena_str(c->arena, req->sender), c->arena));
    if (res->result == 1 && !b->got[req->index]) {
        T_ASSERT(req->index == 0 || b->got[req->index - 1]); /* in their order */
        b->got[req->index] = true;
        b->n_got++;
    }
    return 0;
}
static void blob_init(struct blob *b, uint64_t height, uint32_t chunks, size_t bytes)
{
    *b = (struct blob){.app = {.name = "blob",
                               .self = b,
                               .info = blob_info,
                               .list_snapshots = blob_list,
                               .load_snapshot_chunk = blob_load,
                               .offer_snapshot = blob_offer,
                               .apply_snapshot_chunk = blob_apply},
                       .heights = {height},
                       .n_heights = height != 0,
                       .chunks = chunks,
                       .bytes = bytes,
                       .manifest = true,
                       .refetch = -1};
}

/* ---- nodes ---- */

struct peer_node {
    struct sn_switch *sw;
    struct sn_node_view view;
    struct sn_abci_conns app;
    struct sn_statesync *sync;
};
#define PEERS 4
struct rig { /* too large for a fiber's stack */
    struct sn_scope_storage mem;
    struct sn_scope *scope;
    struct chain chain;
    struct sn_cons_genesis genesis;
    struct peer_node node[1 + PEERS]; /* [0] is the one that syncs */
    struct blob blob[1 + PEERS];
    unsigned n;
    struct mock primary, witness;
    struct sn_light_client *light;
    struct sn_statesync_opts o;
    struct sn_cons_state *state;
};

static void node_begin(struct rig *g, unsigned i, struct sn_abci_app *app)
{
    struct peer_node *x = &g->node[i];
    char name[SN_NODE_ID_LEN + 1];
    struct sn_kv *kv;
    snprintf(name, sizeof(name), "%040u", i);
    x->sw = net_switch(name, g->scope);
    T_OK(sn_abci_conns_local(app, &x->app));
    x->view = (struct sn_node_view){.genesis = &g->genesis, .sw = x->sw, .app = &x->app};
    if (i == 0) {
        T_OK(sn_kv_open_memory(&kv));
        T_OK(sn_cons_block_store_new(kv, &x->view.blocks));
        T_OK(sn_kv_open_memory(&kv));
        x->view.states = sn_cons_state_store_new(kv, false);
        T_ASSERT(x->view.states);
    }
    T_OK(sn_statesync_new(&x->view, &x->sync));
}
static void light_begin(struct rig *g, int64_t trust)
{
    struct sn_light_provider *w[1] = {&g->witness.p};
    struct sn_light_client_opts o = {.chain_id = SN_STR(CHAIN_ID),
                                     .trust_height = trust,
                                     .rules = {&chain_verifier, 24 * HOUR, 0, {0, 0}},
                                     .primary = &g->primary.p,
                                     .witnesses = w,
                                     .n_witnesses = 1};
    mock_init(&g->primary, "primary", &g->chain);
    mock_init(&g->witness, "witness", &g->chain);
    chain_hash(&g->chain, trust, &o.trust_hash);
    T_OK(sn_kv_open_memory(&o.kv));
    T_OK(sn_light_client_new(&o, &g->light));
    g->o.light = g->light;
}
/* n serving peers with blobs of one snapshot. */
static void rig_begin(struct rig *g, unsigned n, uint64_t height, uint32_t chunks, size_t bytes)
{
    *g = (struct rig){.n = n, .genesis = {.initial_height = 1}};
    g->scope = sn_scope_begin(&g->mem);
    g->chain.app_hash = blob_hash;
    chain_build_app(&g->chain, 7, HEIGHTS, 40,
                    sn_cons_time_of_ns(sn_wall_now() - (HEIGHTS + 1) * CHAIN_BLOCK_NS));
    light_begin(g, 1);
    for (unsigned i = 0; i <= n; i++) {
        blob_init(&g->blob[i], i ? height : 0, chunks, bytes);
        node_begin(g, i, &g->blob[i].app);
    }
}
static void connect_all(struct rig *g, int64_t rate)
{
    for (unsigned i = 1; i <= g->n; i++) net_link(g->node[0].sw, g->node[i].sw, 5 * SN_MS, rate);
}
static void rig_end(struct rig *g)
{
    sn_scope_cancel(g->scope);
    (void)sn_scope_end(g->scope);
    for (unsigned i = 0; i <= g->n; i++) {
        struct peer_node *x = &g->node[i];
        sn_statesync_free(x->sync);
        sn_abci_conns_close(&x->app);
        sn_cons_block_store_free(x->view.blocks);
        sn_cons_state_store_free(x->view.states);
        sn_switch_free(x->sw);
    }
    sn_cons_state_unref(g->state);
    sn_light_client_free(g->light);
    chain_done(&g->chain);
}
static int sync_now(struct rig *g)
{
    sn_cons_state_unref(g->state);
    g->state = NULL;
    return sn_statesync_run(g->node[0].sync, &g->o, &g->state);
}
/* What is stored is what the chain says. */
static void check(struct rig *g, int64_t height)
{
    const struct sn_cons_light_block *b = &g->chain.blocks[height];
    const struct sn_cons_state *s = g->state;
    struct sn_cons_state *stored;
    struct sn_cons_commit seen;
    struct sn_cons_hash hash;
    struct sn_arena a;
    T_EQ(s->last_height, height);
    T_ASSERT(sn_cons_block_id_eq(&s->last_block_id, &b->commit.block_id));
    T_ASSERT(sn_cons_app_hash_eq(&s->app_hash, &b[1].header.app_hash));
    T_ASSERT(sn_cons_hash_eq(&s->last_results_hash, &b[1].header.last_results_hash));
    struct sn_cons_valset *const sets[3] = {s->last_vals, s->vals, s->next_vals};
    for (int i = 0; i < 3; i++) {
        T_OK(sn_cons_valset_hash(sets[i], &hash));
        T_ASSERT(sn_cons_hash_eq(&hash, &b[i].header.validators_hash));
    }
    T_OK(sn_cons_state_store_load(g->node[0].view.states, &stored));
    T_EQ(stored->last_height, height);
    sn_cons_state_unref(stored);
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_cons_block_store_seen(g->node[0].view.blocks, height, &a, &seen));
    T_ASSERT(sn_cons_block_id_eq(&seen.block_id, &b->commit.block_id));
    sn_arena_done(&a);
    T_ASSERT(!g->node[0].view.state_syncing);
}
static void in_sim(uint64_t seed, int (*fn)(void *arg), void *arg)
{
    struct sn_sim_opts o = {.seed = seed, .time_limit_ns = 100 * HOUR};
    int r = sn_sim_run(&o, fn, arg, NULL);
    T_ASSERTF(r >= 0, "seed %llu: %s", (unsigned long long)seed, sn_diag_str(r));
}

/* ---- it works ---- */

static int plain_sync(void *arg)
{
    for (unsigned manifest = 0; manifest < 2; manifest++) {
        static struct rig g;
        struct sn_statesync_stats stats;
        rig_begin(&g, 3, 40, 300, 5000);
        for (unsigned i = 1; i <= 3; i++) g.blob[i].manifest = manifest;
        connect_all(&g, 2000000);
        int64_t begin = sn_now();
        int r = sync_now(&g);
        T_ASSERTF(r >= 0, "%s", sn_diag_str(r));
        check(&g, 40);
        T_EQ(g.blob[0].n_got, 300);
        T_EQ(g.blob[0].wrong, 0);
        sn_statesync_stats(g.node[0].sync, &stats);
        T_ASSERT(stats.fetched == 300 && stats.fetched_bytes == 300 * 5000 && stats.known == 0);
        for (unsigned i = 1; i <= 3; i++)
            T_ASSERT(net_sent(g.node[i].sw, g.node[0].sw) > 60 * 5000); /* each had its share */
        /* All had answered: the discovery's whole time was not waited for. */
        T_ASSERTF(sn_now() - begin < 5 * SN_SEC, "%lld ms",
                  (long long)((sn_now() - begin) / SN_MS));
        rig_end(&g);
    }
    return 0;
}
SN_TEST(sync_blobs)
{
    for (unsigned k = 0; k < sn_test_cases(5); k++) in_sim(sn_test_rand(), plain_sync, NULL);
}

/* No snapshots. Nobody has a snapshot: said after the discovery. Nobody is there: it waits for somebody. */
static void late_peer(void *arg)
{
    T_OK(sn_sleep(100 * SN_SEC));
    struct rig *g = arg;
    net_link(g->node[0].sw, g->node[1].sw, SN_MS, 0);
}
static int nobody(void *arg)
{
    static struct rig g;
    rig_begin(&g, 2, 0, 1, 10);
    connect_all(&g, 0);
    T_EQ(sync_now(&g), SN_E_NOT_FOUND);
    rig_end(&g);
    rig_begin(&g, 1, 30, 5, 10);
    T_OK(sn_go("late", late_peer, &g));
    T_OK(sync_now(&g));
    check(&g, 30);
    rig_end(&g);
    return 0;
}
SN_TEST(sync_nobody)
{
    in_sim(2, nobody, NULL);
}

/* The newest of many, ten at most are named; heights that the chain has not reached are waited for.
 */
static int newest(void *arg)
{
    static struct rig g;
    rig_begin(&g, 2, 10, 5, 100);
    for (unsigned k = 0; k < 14; k++) g.blob[1].heights[k] = 10 + 3 * k;
    g.blob[1].n_heights = 14;
    connect_all(&g, 0);
    T_OK(sync_now(&g));
    check(&g, 49);
    T_EQ(g.blob[0].offers, 1);
    rig_end(&g);
    rig_begin(&g, 1, HEIGHTS - 1, 5, 100);
    g.primary.grow_ns = g.witness.grow_ns = CHAIN_BLOCK_NS;
    g.chain.n--; /* the last block comes later */
    connect_all(&g, 0);
    g.chain.n++;
    g.o.discovery_ns = SN_SEC;
    T_EQ(sync_now(&g), SN_E_NOT_FOUND); /* block HEIGHTS + 1 never comes */
    T_EQ(g.blob[0].offers, 0);
    rig_end(&g);
    return 0;
}
SN_TEST_SLOW(sync_newest, 60)
{
    in_sim(3, newest, NULL);
}

/* ---- what applications answer ---- */

enum { ACCEPT = 1, ABORT = 2, RETRY = 3, RETRY_SNAP = 4, REJECT_SNAP = 5 };
enum { O_ABORT = 2, O_REJECT = 3, O_FORMAT = 4, O_SENDER = 5 };
static int answers(void *arg)
{
    static const struct {
        const char *name;
        int offer[2], apply[2]; /* scripted results; 0: accept */
        unsigned n_offer, n_apply;
        int64_t refetch;
        bool reject_sender, wrong_hash;
        int want;
        unsigned offers, applied; /* at least */
    } rows[] = {
        {"abort offer", {O_ABORT}, {0}, 1, 0, -1, false, false, SN_E_ABORTED, 1, 0},
        {"reject", {O_REJECT}, {0}, 1, 0, -1, false, false, SN_E_NOT_FOUND, 1, 0},
        {"reject format", {O_FORMAT}, {0}, 1, 0, -1, false, false, SN_E_NOT_FOUND, 1, 0},
        {"reject sender", {O_SENDER}, {0}, 1, 0, -1, false, false, SN_E_NOT_FOUND, 1, 0},
        {"abort chunk", {0}, {ABORT}, 0, 1, -1, false, false, SN_E_ABORTED, 1, 1},
        {"retry chunk", {0}, {RETRY, RETRY}, 0, 2, -1, false, false, 0, 1, 22},
        {"retry and fetch again", {0}, {RETRY, RETRY}, 0, 2, 0, false, false, 0, 1, 22},
        {"fetch a later one again", {0}, {ACCEPT}, 0, 1, 7, false, false, 0, 1, 20},
        {"all again", {0}, {RETRY_SNAP}, 0, 1, -1, false, false, 0, 2, 21},
        {"refuse in the middle",
         {0},
         {ACCEPT, REJECT_SNAP},
         0,
         2,
         -1,
         false,
         false,
         SN_E_NOT_FOUND,
         1,
         2},
        {"refuse the sender", {0}, {ACCEPT}, 0, 1, -1, true, false, 0, 1, 20},
        {"another hash", {0}, {0}, 0, 0, -1, false, true, SN_E_DATA_LOSS, 1, 20},
        {"no known answer", {0}, {9}, 0, 1, -1, false, false, SN_E_PROTOCOL, 1, 1},
    };
    for (unsigned i = 0; i < SN_COUNT_OF(rows); i++) {
        static struct rig g;
        sn_test_row("%s", rows[i].name);
        rig_begin(&g, 3, 40, 20, 1000);
        struct blob *b = &g.blob[0];
        memcpy(b->offer_script, rows[i].offer, sizeof(rows[i].offer));
        memcpy(b->apply_script, rows[i].apply, sizeof(rows[i].apply));
        b->n_offer = rows[i].n_offer;
        b->n_apply = rows[i].n_apply;
        b->refetch = rows[i].refetch;
        b->reject_sender = rows[i].reject_sender;
        b->wrong_hash = rows[i].wrong_hash;
        connect_all(&g, 0);
        g.o.discovery_ns = 2 * SN_SEC;
        int r = sync_now(&g);
        T_ASSERTF(r == rows[i].want, "%d: %s", r, r < 0 ? sn_diag_str(r) : "restored");
        if (r >= 0) check(&g, 40);
        T_ASSERTF(b->offers >= rows[i].offers && b->applied >= rows[i].applied,
                  "%u offers, %u chunks", b->offers, b->applied);
        if (rows[i].reject_sender || rows[i].offer[0] == O_SENDER)
            T_ASSERT(net_peers(g.node[0].sw) < 3);
        rig_end(&g);
    }
    return 0;
}
SN_TEST_SLOW(sync_answers, 60)
{
    in_sim(4, answers, NULL);
}

/* ---- peers ---- */

/* Two liars among four: what they send is not what the manifest says; the application never sees
 * it. */
static int liars(void *arg)
{
    static struct rig g;
    rig_begin(&g, 4, 40, 200, 2000);
    g.blob[1].corrupt = g.blob[3].corrupt = true;
    connect_all(&g, 0);
    T_OK(sync_now(&g));
    check(&g, 40);
    T_EQ(g.blob[0].wrong, 0);
    T_ASSERT(net_banned(g.node[0].sw, g.node[1].sw) && net_banned(g.node[0].sw, g.node[3].sw));
    T_ASSERT(!net_banned(g.node[0].sw, g.node[2].sw));
    T_EQ(net_peers(g.node[0].sw), 2);
    rig_end(&g);
    /* Without a manifest the application finds out, and says who it was. */
    rig_begin(&g, 3, 40, 50, 2000);
    for (unsigned i = 1; i <= 3; i++) g.blob[i].manifest = false;
    g.blob[2].corrupt = true;
    connect_all(&g, 0);
    T_OK(sync_now(&g));
    T_ASSERT(g.blob[0].wrong > 0);
    T_ASSERT(net_banned(g.node[0].sw, g.node[2].sw));
    T_EQ(net_peers(g.node[0].sw), 2);
    rig_end(&g);
    return 0;
}
SN_TEST_SLOW(sync_liars, 60)
{
    for (unsigned k = 0; k < sn_test_cases(5); k++) in_sim(sn_test_rand(), liars, NULL);
}

/* A snapshot that nobody but a liar has: of a height the chain has not, and of one it has with
 * other contents. Both are refused, the true one is restored. */
static int false_snapshots(void *arg)
{
    static struct rig g;
    rig_begin(&g, 3, 40, 30, 500);
    g.blob[1].heights[0] = HEIGHTS + 1000;
    g.blob[2].heights[0] = 45;
    g.blob[2].salt =
        99; /* blob 0 expects salt 0: each chunk is wrong, though the liar's manifest fits */
    g.o.discovery_ns = 3 * SN_SEC;
    connect_all(&g, 0);
    int64_t begin = sn_now();
    T_OK(sync_now(&g));
    check(&g, 40);
    T_ASSERT(sn_now() - begin < 30 * SN_SEC); /* nobody waited for that block */
    T_EQ(g.blob[0].offers, 2); /* the future one was never offered to the application */
    rig_end(&g);
    return 0;
}
SN_TEST_SLOW(sync_false_snapshots, 60)
{
    in_sim(6, false_snapshots, NULL);
}

static struct sn_str encoded(struct sn_buf *buf, struct sn_statesync_msg m)
{
    sn_buf_init(buf, 0);
    T_OK(sn_statesync_encode(&m, buf));
    return sn_buf_view(buf);
}
/* Zero and absurd chunk counts. No chunks, 2^32 - 1 chunks, a height that is none, a message of the
 * other channel, noise: the peer is cut off. A chunk nobody asked for, of another snapshot, or when no
 * sync is on: ignored. */
static int absurd(void *arg)
{
    const struct {
        struct sn_statesync_msg m;
        uint8_t channel;
        bool ends;
    } rows[] = {
        {{.kind = SN_STATESYNC_SNAPSHOTS_RESPONSE, 50, 1, 0, {"h", 1}, {"", 0}}, 0x60, true},
        {{.kind = SN_STATESYNC_SNAPSHOTS_RESPONSE, 50, 1, UINT32_MAX, {"h", 1}, {"", 0}},
         0x60,
         true},
        {{.kind = SN_STATESYNC_SNAPSHOTS_RESPONSE, 0, 1, 5, {"h", 1}, {"", 0}}, 0x60, true},
        {{.kind = SN_STATESYNC_SNAPSHOTS_RESPONSE, 50, 1, 5, {"h", 1}, {"", 0}}, 0x61, true},
        {{.kind = SN_STATESYNC_CHUNK_REQUEST, 50, 1, 5}, 0x60, true},
        {{.kind = SN_STATESYNC_CHUNK_RESPONSE, 50, 1, 5}, 0x61, true},
        {{.kind = SN_STATESYNC_CHUNK_RESPONSE, 40, 1, 3, .chunk = {"x", 1}}, 0x61, false},
        {{.kind = SN_STATESYNC_CHUNK_RESPONSE, 40, 1, UINT32_MAX, .chunk = {"x", 1}}, 0x61, false},
        {{.kind = SN_STATESYNC_CHUNK_RESPONSE, 41, 1, 3, .missing = true}, 0x61, false},
        {{.kind = SN_STATESYNC_SNAPSHOTS_RESPONSE, 41, 1, 3, {"h", 1}, {"", 0}}, 0x60, false},
    };
    for (unsigned i = 0; i < SN_COUNT_OF(rows); i++) {
        static struct rig g;
        struct sn_buf buf;
        sn_test_row("message %u", i);
        rig_begin(&g, 1, 40, 30, 500);
        connect_all(&g, 0);
        T_OK(sn_sleep(SN_SEC));
        net_inject(g.node[1].sw, g.node[0].sw, rows[i].channel, encoded(&buf, rows[i].m));
        sn_buf_done(&buf);
        T_OK(sn_sleep(SN_SEC));
        T_EQ(net_peers(g.node[0].sw), !rows[i].ends);
        if (!rows[i].ends) T_OK(sync_now(&g));
        rig_end(&g);
    }
    static struct rig g;
    rig_begin(&g, 1, 40, 30, 500);
    connect_all(&g, 0);
    T_OK(sn_sleep(SN_SEC));
    net_inject(g.node[1].sw, g.node[0].sw, 0x60, SN_STR("\xff\xff\xff noise"));
    T_OK(sn_sleep(SN_SEC));
    T_EQ(net_peers(g.node[0].sw), 0);
    rig_end(&g);
    return 0;
}
SN_TEST_SLOW(sync_absurd, 60)
{
    in_sim(7, absurd, NULL);
}

/* Chunks of another snapshot, unasked, while one is being restored: none of them is taken. */
struct noise {
    struct rig *g;
    bool stop;
};
static void make_noise(void *arg)
{
    struct noise *z = arg;
    while (!z->stop) {
        struct sn_buf buf;
        struct sn_statesync_msg m = {.kind = SN_STATESYNC_CHUNK_RESPONSE,
                                     .height = 40,
                                     .format = 1,
                                     .n = (uint32_t)(sn_sim_rand() % 120),
                                     .chunk = SN_STR("false")};
        if (sn_sim_rand() % 3 == 0) m.height = 39;
        net_inject(z->g->node[2].sw, z->g->node[0].sw, 0x61, encoded(&buf, m));
        sn_buf_done(&buf);
        T_OK(sn_sleep((int64_t)(sn_sim_rand() % 20) * SN_MS));
    }
    z->stop = false;
}
static int unasked(void *arg)
{
    static struct rig g;
    struct noise z = {&g, false};
    rig_begin(&g, 2, 40, 100, 20000);
    g.blob[2].n_heights = 0;
    connect_all(&g, 500000);
    T_OK(sn_go("noise", make_noise, &z));
    g.o.discovery_ns = 2 * SN_SEC;
    T_OK(sync_now(&g));
    T_EQ(g.blob[0].wrong, 0);
    check(&g, 40);
    z.stop = true;
    while (z.stop) T_OK(sn_sleep(SN_MS));
    rig_end(&g);
    return 0;
}
SN_TEST_SLOW(sync_unasked_chunks, 60)
{
    in_sim(8, unasked, NULL);
}

/* Peers leave in the middle, one forgets its snapshot, one joins late, one is a hundred times
 * slower. */
static void come_and_go(void *arg)
{
    struct rig *g = arg;
    T_OK(sn_sleep(3 * SN_SEC));
    net_cut(g->node[0].sw, g->node[1].sw);
    g->blob[2].forget = true;
    T_OK(sn_sleep(SN_SEC));
    net_link(g->node[0].sw, g->node[3].sw, SN_MS, 3000000);
}
static int unsteady(void *arg)
{
    static struct rig g;
    rig_begin(&g, 4, 40, 600, 20000);
    net_link(g.node[0].sw, g.node[1].sw, SN_MS, 1000000);
    net_link(g.node[0].sw, g.node[2].sw, SN_MS, 1000000);
    net_link(g.node[0].sw, g.node[4].sw, SN_MS, 10000);
    T_OK(sn_go("come-and-go", come_and_go, &g));
    int64_t begin = sn_now();
    int r = sync_now(&g);
    T_ASSERTF(r >= 0, "%s", sn_diag_str(r));
    check(&g, 40);
    uint64_t slow = net_sent(g.node[4].sw, g.node[0].sw),
             quick = net_sent(g.node[3].sw, g.node[0].sw);
    T_ASSERTF(quick > 10 * slow, "%llu and %llu", (unsigned long long)quick,
              (unsigned long long)slow);
    /* 12 MB, most of it over 3 MB a second. */
    T_ASSERTF(sn_now() - begin < 40 * SN_SEC, "%lld ms", (long long)((sn_now() - begin) / SN_MS));
    rig_end(&g);
    return 0;
}
SN_TEST_SLOW(sync_unsteady_peers, 60)
{
    for (unsigned k = 0; k < sn_test_cases(5); k++) in_sim(sn_test_rand(), unsteady, NULL);
}

/* All who had it are gone: the snapshot is given up, not waited for. */
static void all_go(void *arg)
{
    struct rig *g = arg;
    T_OK(sn_sleep(3 * SN_SEC));
    for (unsigned i = 1; i <= 2; i++) net_cut(g->node[0].sw, g->node[i].sw);
    T_OK(sn_sleep(20 * SN_SEC));
    net_link(g->node[0].sw, g->node[3].sw, SN_MS, 0);
}
static int left_alone(void *arg)
{
    static struct rig g;
    rig_begin(&g, 3, 40, 600, 20000);
    g.blob[3].heights[0] = 35;
    for (unsigned i = 1; i <= 2; i++) net_link(g.node[0].sw, g.node[i].sw, SN_MS, 100000);
    T_OK(sn_go("all-go", all_go, &g));
    T_OK(sync_now(&g));
    check(&g, 35);
    rig_end(&g);
    return 0;
}
SN_TEST_SLOW(sync_left_alone, 60)
{
    in_sim(10, left_alone, NULL);
}

/* The node stops in the middle and begins again when its peers have another snapshot (cosmos-sdk#16868):
 * nothing of the first is mixed into it. */
static int stopped(void *arg)
{
    static struct rig g;
    rig_begin(&g, 2, 30, 300, 20000);
    g.o.dir = "/statesync";
    connect_all(&g, 400000);
    int64_t prev = sn_deadline_tighten(sn_now() + 5 * SN_SEC);
    T_EQ(sync_now(&g), SN_E_DEADLINE_EXCEEDED);
    sn_deadline_restore(prev);
    T_ASSERT(g.blob[0].n_got > 10 && g.blob[0].n_got < 300);
    for (unsigned i = 1; i <= 2; i++) g.blob[i].heights[0] = 50;
    T_OK(sync_now(&g));
    check(&g, 50);
    T_EQ(g.blob[0].n_got, 300);
    T_EQ(g.blob[0].wrong, 0);
    /* And again with the same one: nothing of it is fetched. */
    struct sn_statesync_stats stats;
    T_OK(sync_now(&g));
    sn_statesync_stats(g.node[0].sync, &stats);
    T_ASSERTF(stats.fetched == 0 && stats.known == 300, "%llu fetched",
              (unsigned long long)stats.fetched);
    T_EQ(g.blob[0].n_got, 300);
    rig_end(&g);
    return 0;
}
SN_TEST_SLOW(sync_stopped_and_begun_again, 60)
{
    for (unsigned k = 0; k < sn_test_cases(3); k++) in_sim(sn_test_rand(), stopped, NULL);
}

/* The light client's nodes lie, or say nothing. */
static int no_light(void *arg)
{
    static struct rig g;
    struct chain fork;
    rig_begin(&g, 2, 40, 10, 100);
    g.o.discovery_ns = 2 * SN_SEC;
    connect_all(&g, 0);
    g.primary.fail = g.witness.fail = SN_E_UNAVAILABLE;
    T_EQ(sync_now(&g), SN_E_UNAVAILABLE);
    g.primary.fail = g.witness.fail = 0;
    chain_fork(&fork, &g.chain, 20, HEIGHTS, LUNATIC);
    g.primary.chain = &fork;
    T_EQ(sync_now(&g), SN_E_DATA_LOSS);
    T_EQ(g.blob[0].offers, 0);
    g.primary.chain = &g.chain;
    T_OK(sync_now(&g));
    rig_end(&g);
    chain_done(&fork);
    return 0;
}
SN_TEST_SLOW(sync_without_light, 60)
{
    in_sim(12, no_light, NULL);
}

/* ASA-2024-009: the light client's node has the chain's headers and validators, but made up their
 * priorities; a node that took them would expect other proposers than everybody else. Also where the
 * trusted block is above the snapshot, and hashes lead down to it. Nothing is offered or stored. */
static int priorities(void *arg)
{
    static struct rig g;
    for (int64_t trust = 1; trust <= 50; trust += 49) {
        struct sn_cons_state *s;
        sn_test_row("trusting %lld", (long long)trust);
        rig_begin(&g, 2, 40, 10, 100);
        if (trust != 1) {
            sn_light_client_free(g.light);
            light_begin(&g, trust);
        }
        g.o.discovery_ns = 2 * SN_SEC;
        connect_all(&g, 0);
        g.primary.priorities = true;
        T_EQ(sync_now(&g), SN_E_DATA_LOSS);
        T_EQ(g.blob[0].offers, 0);
        T_EQ(sn_cons_state_store_load(g.node[0].view.states, &s), SN_E_NOT_FOUND);
        g.primary.priorities = false;
        T_OK(sync_now(&g));
        check(&g, 40);
        for (uint32_t i = 0; i < g.state->vals->n; i++)
            T_EQ(g.state->vals->vals[i].priority, g.chain.blocks[41].vals->vals[i].priority);
        rig_end(&g);
    }
    return 0;
}
SN_TEST_SLOW(sync_priorities, 60)
{
    in_sim(13, priorities, NULL);
}

/* ---- serving ---- */

/* A peer that asks without end gets answers for what its queue holds, and harms nobody. */
static int flood(void *arg)
{
    static struct rig g;
    rig_begin(&g, 2, 40, 30, 500);
    connect_all(&g, 0);
    T_OK(sn_sleep(SN_SEC));
    for (unsigned i = 0; i < 3000; i++) {
        struct sn_buf buf;
        struct sn_statesync_msg m = {.kind = i % 2 ? SN_STATESYNC_CHUNK_REQUEST
                                                   : SN_STATESYNC_SNAPSHOTS_REQUEST,
                                     .height = 40,
                                     .format = 1,
                                     .n = i};
        net_inject(g.node[0].sw, g.node[1].sw, i % 2 ? 0x61 : 0x60, encoded(&buf, m));
        sn_buf_done(&buf);
    }
    T_OK(sync_now(&g));
    check(&g, 40);
    rig_end(&g);
    return 0;
}
SN_TEST_SLOW(sync_flood_of_requests, 60)
{
    in_sim(13, flood, NULL);
}

/* ---- the kvstore ---- */

#define KV_PAIRS 3000
struct kv_chain {
    struct sn_cons_app_hash after[HEIGHTS + 1];
    struct sn_kvstore *kv;
    struct sn_abci_conns conns;
};
static void kv_hash(void *arg, int64_t height, struct sn_cons_app_hash *ret)
{
    *ret = ((struct kv_chain *)arg)->after[height];
}
static void kv_block(struct kv_chain *k, int64_t height, unsigned from, unsigned n, unsigned step)
{
    struct sn_arena a;
    struct tendermint_abci_request_finalize_block q = {.height = height};
    struct tendermint_abci_response_finalize_block *s;
    struct tendermint_abci_response_commit *c;
    sn_arena_init(&a, NULL, 0);
    struct sn_str *txs = SN_ARENA_ARRAY(&a, struct sn_str, n + 1);
    for (unsigned i = 0; i < n; i++)
        txs[i] = sn_arena_printf(&a, "key%06u=%0150lld-%u", from + i * step, (long long)height, i);
    q.txs.ptr = txs;
    q.txs.len = n;
    T_OK(sn_abci_finalize_block(k->conns.consensus, &q, &a, &s));
    T_ASSERT(s->app_hash.len <= SN_CONS_APP_HASH_MAX);
    k->after[height].len = (uint8_t)s->app_hash.len;
    memcpy(k->after[height].b, s->app_hash.ptr, s->app_hash.len);
    T_OK(sn_abci_commit(k->conns.consensus, &(struct tendermint_abci_request_commit){}, &a, &c));
    sn_arena_done(&a);
}
static void kv_begin(struct kv_chain *k, const char *dir)
{
    struct sn_kvstore_opts o = {.dir = dir,
                                .snapshot_interval = 10,
                                .snapshot_keep = 10,
                                .chunk_bytes = 2048};
    *k = (struct kv_chain){0};
    T_OK(sn_kvstore_open(&o, &k->kv));
    T_OK(sn_abci_conns_local(sn_kvstore_app(k->kv), &k->conns));
}
static void kv_end(struct kv_chain *k)
{
    sn_abci_conns_close(&k->conns);
    sn_kvstore_close(k->kv);
}
/* One sync of a fresh node whose application is in `dir`; how much of the snapshot was fetched. */
static struct sn_statesync_stats kv_sync(struct kv_chain *from, const char *dir, int64_t heights,
                                         const char *chunks, bool local)
{
    static struct rig g;
    g = (struct rig){.n = 1, .genesis = {.initial_height = 1}};
    struct kv_chain to;
    struct sn_kvstore_stats a, b;
    struct sn_statesync_stats stats;
    g.scope = sn_scope_begin(&g.mem);
    kv_begin(&to, dir);
    g.chain.app_hash = kv_hash;
    g.chain.arg = from;
    chain_build_app(&g.chain, 9, heights, 10,
                    sn_cons_time_of_ns(sn_wall_now() - (heights + 1) * CHAIN_BLOCK_NS));
    light_begin(&g, 1);
    node_begin(&g, 0, sn_kvstore_app(to.kv));
    node_begin(&g, 1, sn_kvstore_app(from->kv));
    connect_all(&g, 5000000);
    g.o.dir = chunks;
    if (local) g.o.local_app = sn_kvstore_app(to.kv);
    int r = sync_now(&g);
    T_ASSERTF(r >= 0, "%s", sn_diag_str(r));
    sn_statesync_stats(g.node[0].sync, &stats);
    check(&g, stats.height);
    sn_kvstore_stats(from->kv, &a);
    sn_kvstore_stats(to.kv, &b);
    if (a.height == b.height) T_ASSERT(a.pairs == b.pairs && a.bytes == b.bytes && a.txs == b.txs);
    T_ASSERT(b.pairs >= KV_PAIRS);
    rig_end(&g);
    kv_end(&to);
    return stats;
}
static int kvstore(void *arg)
{
    struct kv_chain k;
    kv_begin(&k, "/from");
    for (int64_t h = 1; h <= 20; h++) kv_block(&k, h, (unsigned)(h - 1) * 150, 150, 1);
    for (int64_t h = 21; h <= 22; h++) kv_block(&k, h, 0, 0, 1);
    struct sn_statesync_stats full = kv_sync(&k, "/one", 22, "/chunks", false);
    T_EQ(full.height, 20);
    T_ASSERT(full.chunks > 100 && full.fetched == full.chunks);
    /* 1 % of the pairs change. */
    for (int64_t h = 23; h <= 30; h++) kv_block(&k, h, 1500, h == 25 ? KV_PAIRS / 100 : 0, 1);
    for (int64_t h = 31; h <= 32; h++) kv_block(&k, h, 0, 0, 1);
    /* Another node's folder of chunks, a new application. */
    struct sn_statesync_stats second = kv_sync(&k, "/two", 32, "/chunks", false);
    T_EQ(second.height, 30);
    T_ASSERTF(10 * second.fetched_bytes < full.fetched_bytes, "%llu of %llu bytes",
              (unsigned long long)second.fetched_bytes, (unsigned long long)full.fetched_bytes);
    T_EQ(second.known + second.fetched, second.chunks);
    /* The application's own chunks, none of the node's. */
    struct sn_statesync_stats third = kv_sync(&k, "/one", 32, NULL, true);
    T_ASSERTF(10 * third.fetched_bytes < full.fetched_bytes, "%llu bytes",
              (unsigned long long)third.fetched_bytes);
    /* Behind a socket it does not say what it has: all is fetched. */
    struct sn_statesync_stats fourth = kv_sync(&k, "/two", 32, NULL, false);
    T_EQ(fourth.fetched, fourth.chunks);
    kv_end(&k);
    return 0;
}
SN_TEST_SLOW(sync_kvstore, 120)
{
    in_sim(14, kvstore, NULL);
}

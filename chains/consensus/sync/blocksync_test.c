/* SPDX-License-Identifier: Apache-2.0 */
/* sync/blocksync_test.c - nodes that fetch a chain from others, honest and not, over the real switch on a
 * simulated network. */
#include <stdlib.h>

#include "consensus/reactors/net_test.h"
#include "consensus/sync/blocksync_int.h"
#include "consensus/sync/chain_maker_test.h"
#include "core/alloc.h"
#include "harness/test.h"

/* ---- messages ---- */

SN_TEST(blocksync_messages)
{
    static const struct sn_blocksync_msg rows[] = {
        {.kind = SN_BLOCKSYNC_BLOCK_REQUEST, .height = 1},
        {.kind = SN_BLOCKSYNC_BLOCK_REQUEST},
        {.kind = SN_BLOCKSYNC_BLOCK_REQUEST, .height = INT64_MAX},
        {.kind = SN_BLOCKSYNC_NO_BLOCK, .height = 300},
        {.kind = SN_BLOCKSYNC_STATUS_REQUEST},
        {.kind = SN_BLOCKSYNC_STATUS, .base = 1, .height = 70000},
        {.kind = SN_BLOCKSYNC_STATUS},
    };
    /* As CometBFT's gogoproto writes them. */
    static const char *const bytes[] = {"\x0a\x02\x08\x01", "\x0a\x00",
                                        "\x0a\x0a\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
                                        "\x12\x03\x08\xac\x02", "\x22\x00",
                                        "\x2a\x06\x08\xf0\xa2\x04\x10\x01", "\x2a\x00"};
    static const size_t lens[] = {4, 2, 12, 5, 2, 8, 2};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_buf out SN_CLEANUP(sn_buf_done);
        struct sn_blocksync_msg m;
        sn_test_row("%zu", i);
        sn_buf_init(&out, 0);
        T_OK(sn_blocksync_encode(&rows[i], &out));
        T_ASSERT(sn_str_eq(sn_buf_view(&out), sn_str_of(bytes[i], lens[i])));
        T_OK(sn_blocksync_decode(sn_buf_view(&out), &m));
        T_EQ(m.kind, rows[i].kind);
        T_EQ(m.height, rows[i].height);
        T_EQ(m.base, rows[i].base);
    }
}
SN_TEST(blocksync_messages_refused)
{
    static const struct {
        const char *bytes;
        size_t n;
        int want;
    } rows[] = {
        {"", 0, SN_E_INVALID_ARGUMENT},
        {"\x32\x00", 2, SN_E_INVALID_ARGUMENT},             /* no kind of ours */
        {"\x0a\x05\x08\x01", 4, SN_E_SYNTAX},               /* too short */
        {"\x0a\x02\x08", 3, SN_E_SYNTAX},
        {"\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 13, SN_E_INVALID_ARGUMENT}, /* -1 */
        {"\x2a\x04\x08\x01\x10\x02", 6, SN_E_INVALID_ARGUMENT}, /* base above height */
        {"\x1a\x00", 2, SN_E_INVALID_ARGUMENT},             /* no block */
        {"\x1a\x04\x0a\x02\x0a\x00", 6, SN_E_INVALID_ARGUMENT}, /* of no height */
        {"\x1a\x04\x0a\x02\x0a\x05", 6, SN_E_SYNTAX},
        {"\x0f", 1, SN_E_SYNTAX},
        {"\x02\x00", 2, SN_E_SYNTAX}, /* field 0 */
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_blocksync_msg m;
        sn_test_row("%zu", i);
        T_EQ(sn_blocksync_decode(sn_str_of(rows[i].bytes, rows[i].n), &m), rows[i].want);
    }
}

/* ---- nodes ---- */

struct sync_node {
    struct net_node net; /* the first member */
    struct chain c;
    struct sn_node_view view;
    struct sn_blocksync *sync;
    bool fetches;
    int result;
    int64_t blocks;
    struct sn_cons_state *state;
    struct sn_event go, done;
    struct sn_reactor lies; /* instead of block sync's */
    const struct lie *lie;
    unsigned added, removed;
};
static void node_make(struct net_node *n)
{
    struct sync_node *x = (struct sync_node *)n;
    x->view = (struct sn_node_view){.genesis = &x->c.genesis,
                                    .blocks = x->c.blocks,
                                    .states = x->c.states,
                                    .app = &x->c.app,
                                    .exec = x->c.exec,
                                    .sw = n->sw,
                                    .verifier = &sn_cons_verifier_zip215};
    if (x->lie) T_OK(sn_switch_add_reactor(n->sw, &x->lies));
    else T_OK(sn_blocksync_new(&x->view, &x->sync));
}
static int node_run(void *arg)
{
    struct sync_node *x = arg;
    if (!x->fetches || sn_event_wait(&x->go) < 0) return 0;
    x->result = sn_blocksync_run(x->sync, x->c.state, &x->state, &x->blocks);
    sn_event_set(&x->done);
    return 0;
}
static void node_unmake(struct net_node *n)
{
    sn_blocksync_free(((struct sync_node *)n)->sync);
}
static struct sync_node *node_new(unsigned who, const struct chain_opts *o, uint32_t blocks)
{
    struct sync_node *x = calloc(1, sizeof(*x));
    T_ASSERT(x);
    net_node_init(&x->net, who);
    x->net.make = node_make;
    x->net.run = node_run;
    x->net.unmake = node_unmake;
    T_OK(chain_open(&x->c, o));
    T_OK(chain_extend(&x->c, blocks));
    return x;
}
static void node_free(struct sync_node *x)
{
    net_node_stop(&x->net);
    sn_cons_state_unref(x->state);
    chain_close(&x->c);
    free(x);
}
/* What was fetched is the server's chain, and so is the state. */
static void check_same(const struct sync_node *a, const struct sync_node *b, int64_t height)
{
    T_EQ(a->state->last_height, height);
    T_EQ(sn_cons_block_store_height(a->c.blocks), height);
    for (int64_t h = 1; h <= height; h++) {
        struct sn_cons_block_meta x, y;
        T_OK(sn_cons_block_store_meta(a->c.blocks, h, &x));
        T_OK(sn_cons_block_store_meta(b->c.blocks, h, &y));
        T_ASSERT(sn_cons_block_id_eq(&x.block_id, &y.block_id));
    }
    struct sn_cons_block_meta next;
    if (height < sn_cons_block_store_height(b->c.blocks)) {
        T_OK(sn_cons_block_store_meta(b->c.blocks, height + 1, &next));
        T_ASSERT(sn_cons_app_hash_eq(&a->state->app_hash, &next.header.app_hash));
    }
    struct sn_cons_state *stored;
    T_OK(sn_cons_state_store_load(a->c.states, &stored));
    T_EQ(stored->last_height, height);
    sn_cons_state_unref(stored);
}
static const struct chain_opts plain = {.validators = 4, .txs = 2, .tx_bytes = 50};
static struct chain_opts following(struct chain_opts o)
{
    o.follower = true;
    return o;
}
static void fetch_all(struct sync_node *x)
{
    sn_event_set(&x->go);
    T_OK(sn_event_wait(&x->done));
    T_OK(x->result);
}

/* ---- honest peers ---- */

static int one_server(void *arg)
{
    struct chain_opts o = plain;
    uint32_t n = 60 + (uint32_t)sn_sim_rand() % 100;
    if (n % 3 == 0) o.extensions_height = n % 2 ? 1 : 20;
    o.absent = n % 5 == 0;
    o.tx_bytes = n % 7 == 0 ? 100000 : 50;
    struct chain_opts f = following(o);
    struct sync_node *server = node_new(1, &o, n), *x = node_new(2, &f, 0);
    x->fetches = true;
    net_node_start(&server->net);
    net_node_start(&x->net);
    net_connect(&x->net, &server->net);
    fetch_all(x);
    T_EQ(x->blocks, n - 1);
    check_same(x, server, n - 1);
    node_free(x);
    node_free(server);
    return 0;
}
SN_TEST_SLOW(blocksync_one_server, 120) { net_simulate(one_server, 4, true); }

/* Servers with different ranges, one far away, one that goes in the middle; the chain grows meanwhile. */
static int several_servers(void *arg)
{
    struct chain_opts f = following(plain);
    struct sync_node *s[4], *x = node_new(9, &f, 0);
    x->fetches = true;
    for (unsigned i = 0; i < 4; i++) {
        s[i] = node_new(i + 1, &plain, i == 3 ? 40 : 250 + i);
        net_node_start(&s[i]->net);
    }
    sn_sim_link(s[1]->net.host, x->net.host, 200 * SN_MS, 300 * SN_MS, 0);
    net_node_start(&x->net);
    for (unsigned i = 0; i < 4; i++) net_connect(&x->net, &s[i]->net);
    sn_event_set(&x->go);
    T_OK(sn_sleep(10 * SN_MS));
    net_node_stop(&s[2]->net);
    fetch_all(x);
    T_ASSERT(x->blocks >= 249);
    check_same(x, s[1], x->blocks);
    net_node_start(&s[2]->net);
    node_free(x);
    for (unsigned i = 0; i < 4; i++) node_free(s[i]);
    return 0;
}
SN_TEST_SLOW(blocksync_several_servers, 120) { net_simulate(several_servers, 3, false); }

/* A chain that goes on all the time: the sync ends all the same, near its top. */
static int growing(void *arg)
{
    struct chain_opts f = following(plain);
    struct sync_node *server = node_new(1, &plain, 50), *x = node_new(2, &f, 0);
    x->fetches = true;
    net_node_start(&server->net);
    net_node_start(&x->net);
    net_connect(&x->net, &server->net);
    sn_event_set(&x->go);
    for (unsigned i = 0; i < 200 && !sn_event_is_set(&x->done); i++) {
        T_OK(chain_extend(&server->c, 1));
        T_OK(sn_sleep(50 * SN_MS));
    }
    fetch_all(x);
    int64_t top = sn_cons_block_store_height(server->c.blocks);
    T_ASSERTF(x->state->last_height > top - 20, "ended at %lld of %lld",
              (long long)x->state->last_height, (long long)top);
    T_ASSERT(top < 150);
    node_free(x);
    node_free(server);
    return 0;
}
SN_TEST_SLOW(blocksync_growing_chain, 120) { net_simulate(growing, 2, false); }

/* Two nodes without blocks: nothing to fetch. A node that has a third of the power: at once. */
static int nothing_to_fetch(void *arg)
{
    struct chain_opts f = following(plain);
    struct sync_node *a = node_new(1, &f, 0), *b = node_new(2, &f, 0);
    a->fetches = b->fetches = true;
    net_node_start(&a->net);
    net_node_start(&b->net);
    sn_event_set(&a->go);
    T_OK(sn_sleep(30 * SN_SEC));
    T_ASSERT(!sn_event_is_set(&a->done)); /* without a peer nobody knows */
    net_connect(&a->net, &b->net);
    fetch_all(a);
    fetch_all(b);
    T_EQ(a->blocks + b->blocks, 0);
    node_free(a);
    node_free(b);
    struct chain_opts o = {.validators = 1, .txs = 1, .follower = true};
    struct sync_node *alone = node_new(3, &o, 5);
    alone->fetches = true;
    /* The view is made when it starts. */
    net_node_start(&alone->net);
    alone->view.validator_key = &alone->c.validators[0].v.key;
    fetch_all(alone);
    T_EQ(alone->blocks, 0);
    node_free(alone);
    return 0;
}
SN_TEST_SLOW(blocksync_nothing_to_fetch, 120) { net_simulate(nothing_to_fetch, 2, false); }

static int cancelled(void *arg)
{
    struct chain_opts f = following(plain);
    struct sync_node *server = node_new(1, &plain, 200), *x = node_new(2, &f, 0);
    x->fetches = true;
    net_node_start(&server->net);
    net_node_start(&x->net);
    sn_event_set(&x->go);
    net_connect(&x->net, &server->net);
    T_OK(sn_sleep((int64_t)(sn_sim_rand() % 100) * SN_MS));
    net_node_stop(&x->net);
    T_ASSERT(x->result == SN_E_CANCELLED || x->result == 0);
    /* Whatever it had got to, stores and state fit; it goes on from there. */
    struct sn_cons_state *stored;
    int64_t top = sn_cons_block_store_height(x->c.blocks);
    if (top) {
        T_OK(sn_cons_state_store_load(x->c.states, &stored));
        T_EQ(stored->last_height, top);
        sn_cons_state_unref(x->c.state);
        x->c.state = stored;
    }
    x->done = (struct sn_event){0};
    sn_cons_state_unref(x->state);
    x->state = NULL;
    net_node_start(&x->net);
    T_OK(sn_sleep(2 * SN_SEC)); /* until the server knows that the first connection is gone */
    net_connect(&x->net, &server->net);
    fetch_all(x);
    check_same(x, server, 199);
    node_free(x);
    node_free(server);
    return 0;
}
SN_TEST_SLOW(blocksync_cancelled, 120) { net_simulate(cancelled, 6, false); }

/* #5801: nodes that fetch from a server and from each other at once do not wait for each other: who
 * reads a peer's messages never reads the store for it. */
static int each_other(void *arg)
{
    struct chain_opts f = following(plain);
    struct sync_node *server = node_new(1, &plain, 150), *x[2] = {node_new(2, &f, 0), node_new(3, &f, 0)};
    net_node_start(&server->net);
    for (int i = 0; i < 2; i++) {
        x[i]->fetches = true;
        net_node_start(&x[i]->net);
        net_connect(&x[i]->net, &server->net);
    }
    net_connect(&x[0]->net, &x[1]->net);
    sn_event_set(&x[1]->go);
    fetch_all(x[0]);
    fetch_all(x[1]);
    for (int i = 0; i < 2; i++) check_same(x[i], server, 149);
    for (int i = 0; i < 2; i++) node_free(x[i]);
    node_free(server);
    return 0;
}
SN_TEST_SLOW(blocksync_from_each_other, 120) { net_simulate(each_other, 3, false); }

/* ---- liars ---- */

enum lie_kind {
    LIE_NONE,
    LIE_TX,        /* a block with another transaction */
    LIE_SIGNATURE, /* a block whose last commit has a wrong signature */
    LIE_FORK,      /* a chain of its own, not signed by the validators */
    LIE_EXTENDED,  /* an extended commit where none is due */
    LIE_LOWERS,    /* ASA-2025-001: says less than before */
    LIE_ABSURD,    /* #5803: says that it has all heights there are, and has not */
    LIE_ABSURD_MUTE,
    LIE_MUTE, /* #5801: owes all it was asked for */
    LIE_UNASKED,
    LIE_OTHER, /* another block than the one asked for */
    LIE_REFUSES,
    LIE_JUNK,
    /* ASA-2024-008, where extensions are due: */
    LIE_EXT_NONE,      /* a block without its extended commit */
    LIE_EXT_HEIGHT,    /* with that of another height */
    LIE_EXT_EMPTY,     /* with one that has no signatures */
    LIE_EXT_SIGNATURE, /* with a wrong signature of an extension */
    N_LIES,
};
struct lie {
    enum lie_kind kind;
    struct chain *of; /* whose blocks it gives */
    int64_t claims;
    bool ends; /* the node must part with it */
};
static void lie_status(struct sn_switch_peer *p, int64_t height)
{
    struct sn_buf out SN_CLEANUP(sn_buf_done);
    sn_buf_init(&out, 0);
    T_OK(sn_blocksync_encode(&(struct sn_blocksync_msg){.kind = SN_BLOCKSYNC_STATUS, .base = 1,
                                                        .height = height},
                             &out));
    (void)!sn_switch_peer_try_send(p, SN_BLOCKSYNC_CHANNEL, out.ptr, out.len);
}
static int lie_add(void *arg, struct sn_switch_peer *p)
{
    struct sync_node *x = arg;
    x->added++;
    lie_status(p, x->lie->claims);
    return 0;
}
static void lie_remove(void *arg, struct sn_switch_peer *p, int why)
{
    ((struct sync_node *)arg)->removed++;
}
/* The extended commit that comes with a block. */
static void lie_extension(const struct lie *lie, int64_t height, struct sn_buf *ext)
{
    struct sn_buf block SN_CLEANUP(sn_buf_done);
    int64_t other = height == 1 ? 2 : height - 1;
    sn_buf_init(&block, 0);
    if (lie->kind == LIE_EXT_SIGNATURE) {
        T_ASSERT(ext->len > 64); /* the last validator's is at the end */
        ext->ptr[ext->len - 1] ^= 1;
        return;
    }
    sn_buf_reset(ext);
    if (lie->kind == LIE_EXT_EMPTY) T_OK(sn_buf_str(ext, SN_STR("\x08\x01")));
    if (lie->kind == LIE_EXT_HEIGHT)
        T_OK(sn_cons_block_store_encoded(lie->of->blocks, other, &block, ext));
}
static int lie_block(struct sync_node *x, struct sn_switch_peer *p, int64_t height)
{
    const struct lie *lie = x->lie;
    struct sn_buf block SN_CLEANUP(sn_buf_done), ext SN_CLEANUP(sn_buf_done),
        out SN_CLEANUP(sn_buf_done);
    sn_buf_init(&block, 0);
    sn_buf_init(&ext, 0);
    sn_buf_init(&out, 0);
    struct sn_blocksync_msg m = {.kind = SN_BLOCKSYNC_BLOCK, .height = height};
    if (lie->kind == LIE_OTHER) height = height == 7 ? 8 : 7;
    if (lie->kind == LIE_UNASKED) height += 100;
    if (lie->kind == LIE_REFUSES ||
        sn_cons_block_store_encoded(lie->of->blocks, height, &block, &ext) < 0)
        m.kind = SN_BLOCKSYNC_NO_BLOCK;
    if (lie->kind == LIE_TX) {
        struct sn_str at = sn_buf_view(&block);
        for (size_t i = 0; i + 4 < at.len; i++)
            if (memcmp(at.ptr + i, "vvvv", 4) == 0) block.ptr[i] = 'w';
    }
    if (lie->kind == LIE_SIGNATURE && block.len) ((uint8_t *)block.ptr)[block.len - 1] ^= 1;
    m.block = sn_buf_view(&block);
    if (lie->kind >= LIE_EXT_NONE) lie_extension(lie, height, &ext);
    m.ext_commit = sn_buf_view(&ext);
    if (lie->kind == LIE_EXTENDED) m.ext_commit = SN_STR("\x08\x01");
    T_OK(sn_blocksync_encode(&m, &out));
    return sn_switch_peer_send(p, SN_BLOCKSYNC_CHANNEL, out.ptr, out.len);
}
static int lie_receive(void *arg, struct sn_switch_peer *p, uint8_t channel, struct sn_str msg)
{
    struct sync_node *x = arg;
    struct sn_blocksync_msg m;
    T_OK(sn_blocksync_decode(msg, &m));
    if (m.kind == SN_BLOCKSYNC_STATUS_REQUEST)
        lie_status(p, x->lie->kind == LIE_LOWERS ? x->lie->claims / 2 : x->lie->claims);
    if (m.kind != SN_BLOCKSYNC_BLOCK_REQUEST) return 0;
    if (x->lie->kind == LIE_MUTE || x->lie->kind == LIE_ABSURD_MUTE) return 0;
    if (x->lie->kind == LIE_JUNK)
        return sn_switch_peer_send(p, SN_BLOCKSYNC_CHANNEL, "\x1a\x7f junk", 7);
    return lie_block(x, p, m.height);
}
static const struct sn_mconn_channel lie_channel = {.id = SN_BLOCKSYNC_CHANNEL};

static struct sync_node *liar_new(unsigned who, const struct lie *lie)
{
    struct chain_opts f = following(plain);
    struct sync_node *x = node_new(who, &f, 0);
    x->lie = lie;
    x->lies = (struct sn_reactor){.name = "lies",
                                  .channels = &lie_channel,
                                  .n_channels = 1,
                                  .arg = x,
                                  .add_peer = lie_add,
                                  .receive = lie_receive,
                                  .remove_peer = lie_remove};
    return x;
}
static enum lie_kind lie_told;
static int liar(void *arg)
{
    struct chain_opts o = plain;
    if (lie_told >= LIE_EXT_NONE) o.extensions_height = 1;
    struct chain_opts f = following(o), other = o;
    other.tx_bytes = 51;
    other.forged = true;
    struct sync_node *honest = node_new(1, &o, 150), *x = node_new(2, &f, 0);
    struct chain fork;
    T_OK(chain_open(&fork, &other));
    T_OK(chain_extend(&fork, 150));
    struct lie lie = {.kind = lie_told, .of = &honest->c, .claims = 150, .ends = true};
    if (lie_told == LIE_FORK) lie.of = &fork;
    if (lie_told == LIE_ABSURD || lie_told == LIE_ABSURD_MUTE) lie.claims = INT64_MAX;
    /* What it owes comes from others in time, or it owes nothing in the end. */
    if (lie_told == LIE_ABSURD || lie_told == LIE_REFUSES || lie_told == LIE_MUTE) lie.ends = false;
    struct sync_node *bad = liar_new(3, &lie);
    x->fetches = true;
    net_node_start(&honest->net);
    net_node_start(&bad->net);
    net_node_start(&x->net);
    net_connect(&x->net, &bad->net);
    net_connect(&x->net, &honest->net);
    fetch_all(x);
    check_same(x, honest, 149);
    if (lie.ends) {
        for (unsigned i = 0; i < 1000 && !bad->removed; i++) T_OK(sn_sleep(10 * SN_MS));
        T_EQ(bad->removed, 1);
    }
    T_EQ(net_counts(&honest->net).peers, 1);
    node_free(x);
    node_free(bad);
    node_free(honest);
    chain_close(&fork);
    return 0;
}
SN_TEST_SLOW(blocksync_liars, 240)
{
    for (lie_told = LIE_NONE + 1; lie_told < N_LIES; lie_told++) {
        printf("lie %d\n", lie_told);
        net_simulate(liar, 1, false);
    }
}

/* ---- without memory ---- */

static uint64_t allocs, fail_at;
static bool fails(size_t size) { return ++allocs == fail_at; }
static const struct sn_alloc_hooks failing = {.fail = fails};

/* Whichever allocation fails, once, of both nodes: the chain is fetched over this connection or the next,
 * or the sync ends for want of memory; nothing is left behind (the harness looks). */
static int torture(void *arg)
{
    struct chain_opts f = following(plain);
    struct sync_node *server = node_new(1, &plain, 8), *x = node_new(2, &f, 0);
    x->fetches = true;
    net_node_start(&server->net);
    net_node_start(&x->net);
    net_connect(&x->net, &server->net);
    allocs = 0;
    sn_alloc_set_hooks(&failing);
    sn_event_set(&x->go);
    for (unsigned i = 0; i < 1000 && !sn_event_is_set(&x->done); i++) {
        T_OK(sn_sleep(20 * SN_MS));
        if (allocs < fail_at || net_counts(&x->net).peers) continue;
        if (sn_switch_connect(x->net.sw, server->net.addr) < 0) T_OK(sn_sleep(SN_SEC));
    }
    sn_alloc_set_hooks(NULL);
    T_ASSERT(sn_event_is_set(&x->done));
    T_ASSERTF(x->result == 0 || x->result == SN_E_NOMEM, "ended with %d", x->result);
    if (x->result == 0) check_same(x, server, 7);
    node_free(x);
    node_free(server);
    return 0;
}
SN_TEST_SLOW(blocksync_failing_allocations, 240)
{
    uint64_t step = SN_MAX(1u, 40 / sn_test_cases(1));
    fail_at = 0;
    do { /* until it is not reached any more */
        fail_at += 1 + sn_test_rand_below(step);
        sn_test_row("allocation %llu", (unsigned long long)fail_at);
        T_OK(sn_sim_run(&(struct sn_sim_opts){.seed = 1}, torture, NULL, NULL));
    } while (allocs >= fail_at);
    printf("%llu allocations\n", (unsigned long long)allocs);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* reactors/consensus_test.c - networks whose messages travel by this reactor alone. */
#include <stdio.h>
#include <stdlib.h>

#include "consensus/reactors/consensus_world_test.h"
#include "fiber/sim.h"
#include "consensus/valset.h"
#include "harness/test.h"

static struct world *w;
static void world_fresh(void)
{
    w = calloc(1, sizeof(*w));
    T_ASSERT(w);
}
static struct sn_consensus_reactor_stats total(void)
{
    struct sn_consensus_reactor_stats sum = {0}, s;
    for (int i = 0; i < w->n; i++) {
        sn_consensus_reactor_stats(w->nodes[i].reactor, &s);
        uint64_t *to = (uint64_t *)&sum, *from = (uint64_t *)&s;
        for (size_t k = 0; k < sizeof(s) / 8; k++) to[k] += from[k];
    }
    return sum;
}
static void print_stats(const char *what, int64_t heights)
{
    struct sn_consensus_reactor_stats s = total();
    printf("%s: %d nodes, %lld heights: votes %llu in, %llu known; parts %llu in, %llu known; "
           "proposals %llu in, %llu known; %llu announcements; %llu messages, %llu bytes\n",
           what, w->n, (long long)heights, (unsigned long long)s.votes_in,
           (unsigned long long)s.votes_known, (unsigned long long)s.parts_in,
           (unsigned long long)s.parts_known, (unsigned long long)s.proposals_in,
           (unsigned long long)s.proposals_known, (unsigned long long)s.announcements_out,
           (unsigned long long)w->messages, (unsigned long long)w->bytes);
}

/* Runs a scenario under a seed, in a scope of its own. */
struct scenario {
    void (*fn)(uint64_t seed);
    uint64_t seed;
};
static int scenario_fiber(void *arg)
{
    struct scenario *s = arg;
    struct sn_scope_storage mem;
    world_fresh();
    w->scope = sn_scope_begin(&mem);
    s->fn(s->seed);
    world_end(w);
    (void)!sn_scope_end(w->scope);
    free(w);
    return 0;
}
static uint64_t run(void (*fn)(uint64_t), uint64_t seed)
{
    struct scenario s = {fn, seed};
    uint64_t hash;
    sn_test_row("seed %llu", (unsigned long long)seed);
    T_OK(sn_sim_run(&(struct sn_sim_opts){.seed = seed}, scenario_fiber, &s, &hash));
    return hash;
}

static void mesh(void)
{
    for (int i = 0; i < w->n; i++)
        for (int j = 0; j < i; j++) world_connect(w, i, j);
}

static void blocks_flow(uint64_t seed)
{
    w->tx_bytes = seed % 2 ? 300000 : 100;
    world_init(w, 4);
    mesh();
    for (int i = 0; i < w->n; i++) world_start(w, i);
    world_until(w, w->n, 20, 60 * SN_SEC);
    world_check(w, w->n);
    print_stats("mesh", 20);
    struct sn_consensus_reactor_stats s = total();
    T_ASSERTF(s.votes_known * 4 < s.votes_in, "%llu of %llu votes were known",
              (unsigned long long)s.votes_known, (unsigned long long)s.votes_in);
    T_EQ(s.faults, 0);
}
SN_TEST_SLOW(consensus_blocks_flow, 120)
{
    for (uint64_t seed = 1; seed <= sn_test_cases(4); seed++) {
        uint64_t a = run(blocks_flow, seed);
        if (seed == 1) T_ASSERT(run(blocks_flow, seed) == a);
    }
}

/* Votes cross several nodes on their way. */
static void chain_of_nodes(uint64_t seed)
{
    w->tx_bytes = 200000;
    w->extensions_height = seed % 2 ? 3 : 0;
    world_init(w, 6);
    for (int i = 1; i < w->n; i++) world_connect(w, i - 1, i);
    for (int i = 0; i < w->n; i++) world_start(w, i);
    world_until(w, w->n, 12, 120 * SN_SEC);
    world_check(w, w->n);
    print_stats("line", 12);
    T_EQ(total().faults, 0);
}
SN_TEST_SLOW(consensus_line, 120)
{
    for (uint64_t seed = 1; seed <= sn_test_cases(4); seed++) run(chain_of_nodes, seed);
}

/* Each node has four peers of twenty, over slow links, with blocks of many parts. */
static void wide(uint64_t seed)
{
    w->tx_bytes = 500000;
    w->delay_ns = (int64_t)(1 + seed % 8) * 10 * SN_MS;
    w->bytes_per_s = 4 << 20;
    world_init(w, 20);
    for (int i = 0; i < w->n; i++) {
        world_connect(w, i, (i + 1) % w->n);
        world_connect(w, i, (i + 4 + (int)(seed % 5)) % w->n);
    }
    for (int i = 0; i < w->n; i++) world_start(w, i);
    world_until(w, w->n, 5, 300 * SN_SEC);
    world_check(w, w->n);
    print_stats("wide", 5);
    T_EQ(total().faults, 0);
}
SN_TEST_SLOW(consensus_wide, 240)
{
    for (uint64_t seed = 1; seed <= sn_test_cases(3); seed++) run(wide, seed);
}

/* Two halves that cannot decide go on when they meet again, whatever rounds they have come to. */
static void partition(uint64_t seed)
{
    w->tx_bytes = 100000;
    world_init(w, 6);
    SN_VEC(struct world_conn *) cut = {0};
    for (int i = 0; i < w->n; i++)
        for (int j = 0; j < i; j++) {
            struct world_conn *c = world_connect(w, i, j);
            if (i % 2 != j % 2) T_OK(sn_vec_push(&cut, c));
        }
    for (int i = 0; i < w->n; i++) world_start(w, i);
    T_OK(sn_sleep((int64_t)(sn_sim_rand() % 5000) * SN_MS));
    SN_VEC_EACH(&cut, c) world_cut(*c);
    sn_vec_done(&cut);
    T_OK(sn_sleep(20 * SN_SEC));
    int64_t stuck = 0, high = 0;
    for (int i = 0; i < w->n; i++) stuck = SN_MAX(stuck, world_height(&w->nodes[i]));
    T_OK(sn_sleep(20 * SN_SEC));
    for (int i = 0; i < w->n; i++) high = SN_MAX(high, world_height(&w->nodes[i]));
    T_ASSERT(high <= stuck + 1);
    for (int i = 0; i < w->n; i++)
        for (int j = 0; j < i; j++)
            if (i % 2 != j % 2) world_connect(w, i, j);
    world_until(w, w->n, high + 5, 120 * SN_SEC);
    world_check(w, w->n);
    print_stats("partition", high + 5);
}
SN_TEST_SLOW(consensus_partition_heals, 120)
{
    for (uint64_t seed = 1; seed <= sn_test_cases(6); seed++) run(partition, seed);
}

/* A node that begins late, or was cut off, gets old commits and blocks from the others' stores. */
static void late(uint64_t seed)
{
    w->tx_bytes = seed % 2 ? 400000 : 10;
    w->extensions_height = seed % 3 ? 0 : 1;
    world_init(w, 5);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < i; j++) world_connect(w, i, j);
    for (int i = 0; i < 4; i++) world_start(w, i);
    world_until(w, 4, 30, 120 * SN_SEC);
    world_start(w, 4);
    world_connect(w, 0, 4);
    if (seed % 2) world_connect(w, 4, 1);
    int64_t begin = sn_now(), now = world_height(&w->nodes[0]);
    world_until(w, w->n, now + 20, 60 * SN_SEC);
    printf("caught up to %lld within %lld ms\n", (long long)now + 20,
           (long long)((sn_now() - begin) / SN_MS));
    world_check(w, w->n);
    print_stats("late", now + 20);
    T_EQ(total().faults, 0);
}
SN_TEST_SLOW(consensus_late_node_catches_up, 120)
{
    for (uint64_t seed = 1; seed <= sn_test_cases(6); seed++) run(late, seed);
}

/* ---- a peer that breaks the rules ---- */

static int mute_add(void *arg, struct sn_switch_peer *p) { return 0; }
static int mute_receive(void *arg, struct sn_switch_peer *p, uint8_t channel, struct sn_str msg)
{
    return 0;
}
static void mute_remove(void *arg, struct sn_switch_peer *p, int why) {}
static const struct sn_reactor mute = {.name = "mute",
                                       .add_peer = mute_add,
                                       .receive = mute_receive,
                                       .remove_peer = mute_remove};

static struct sn_cons_block_id some_id(uint8_t c)
{
    struct sn_cons_block_id id = {.hash.len = 32, .parts = {.total = 2, .hash.len = 32}};
    memset(id.hash.b, c, 32);
    memset(id.parts.hash.b, c, 32);
    return id;
}
/* What a hostile peer sends. */
struct attack {
    const char *what;
    struct sn_str raw; /* instead of m */
    struct sn_cons_msg m;
    uint8_t channel;
};
static uint64_t all_ones[160];
static int32_t index_of_silent(void)
{
    return sn_cons_valset_find(sn_cons_core_round(w->nodes[0].engine.core)->vals, w->nodes[4].val.addr);
}
/* The k-th after which the connection ends, at the latest when it is sent twenty times. */
static bool fatal(unsigned k, int64_t height, struct attack *ret)
{
    static struct sn_cons_vote vote;
    static char bytes[100];
    vote = (struct sn_cons_vote){.type = SN_CONS_PREVOTE, .height = height, .sig.len = 64};
    struct attack a = {.channel = SN_STATE_CHANNEL, .m = {.height = height, .step = 3}};
    struct sn_cons_msg *m = &a.m;
    switch (k) {
    case 0: a.what = "junk"; a.raw = SN_STR("\xff\xff\xff\xff\x01junk"); break;
    case 1: a.what = "nothing"; a.raw = SN_STR("\x7a"); break;
    case 2: /* ASA-2025-003: an array that says 64,000 bits and brings one word */
        a.what = "bits without words";
        a.raw = SN_STR("\x12\x0f\x08\x01\x1a\x04\x08\x80\xf4\x03\x22\x05\x08\x80\xf4\x03\x12");
        break;
    case 3: a.what = "height 0"; m->kind = SN_CONS_MSG_NEW_ROUND_STEP; m->height = 0; break;
    case 4:
        a.what = "no last commit round";
        *m = (struct sn_cons_msg){.kind = SN_CONS_MSG_NEW_ROUND_STEP, .height = 5, .step = 3,
                                  .last_commit_round = -1};
        break;
    case 5: /* ASA-2025-002: the part's index is not its proof's */
        a.what = "part of another index";
        a.channel = SN_DATA_CHANNEL;
        m->kind = SN_CONS_MSG_BLOCK_PART;
        m->part = (struct sn_cons_part){.index = 1, .proof_total = 2, .proof_index = 0,
                                        .bytes = sn_str_of(bytes, 100)};
        break;
    case 6:
        a.what = "too many bits";
        a.channel = SN_VOTE_BITS_CHANNEL;
        *m = (struct sn_cons_msg){.kind = SN_CONS_MSG_VOTE_SET_BITS, .height = height,
                                  .vote_type = SN_CONS_PREVOTE, .block_id = some_id(1),
                                  .bits = {10001, all_ones}};
        break;
    case 7:
    case 8:
        a.what = k == 7 ? "vote of nobody" : "wrong signature";
        a.channel = SN_VOTE_CHANNEL;
        memcpy(vote.addr, w->nodes[4].val.addr, SN_CONS_ADDR_LEN);
        vote.index = k == 7 ? 4000 : index_of_silent();
        *m = (struct sn_cons_msg){.kind = SN_CONS_MSG_VOTE, .vote = &vote};
        break;
    case 9: /* ASA-2024-011: an extension where none is due */
        a.what = "extension of a prevote";
        a.channel = SN_VOTE_CHANNEL;
        vote.ext = SN_STR("x");
        vote.ext_sig.len = 64;
        *m = (struct sn_cons_msg){.kind = SN_CONS_MSG_VOTE, .vote = &vote};
        break;
    default: return false;
    }
    *ret = a;
    return true;
}
/* The k-th that harms nobody but its sender. */
static bool harmless(unsigned k, int64_t height, struct attack *ret)
{
    const struct attack a[] = {
        {.what = "vote of a validator that cannot be", .channel = SN_STATE_CHANNEL,
         .m = {.kind = SN_CONS_MSG_HAS_VOTE, .height = height, .vote_type = SN_CONS_PREVOTE,
               .index = INT32_MAX}},
        {.what = "an absurd height, then lower ones", .channel = SN_STATE_CHANNEL,
         .m = {.kind = SN_CONS_MSG_NEW_ROUND_STEP, .height = INT64_MAX - height, .step = 3}},
        {.what = "a message on another's channel", .channel = SN_VOTE_BITS_CHANNEL,
         .m = {.kind = SN_CONS_MSG_HAS_VOTE, .height = height, .vote_type = SN_CONS_PREVOTE}},
        {.what = "a proof of lock of no proposal", .channel = SN_DATA_CHANNEL,
         .m = {.kind = SN_CONS_MSG_PROPOSAL_POL, .height = height, .bits = {10000, all_ones}}},
        {.what = "a claim for a block nobody knows", .channel = SN_STATE_CHANNEL,
         .m = {.kind = SN_CONS_MSG_VOTE_SET_MAJ23, .height = height, .vote_type = SN_CONS_PREVOTE,
               .block_id = some_id(9)}},
        {.what = "it has all parts of another block", .channel = SN_STATE_CHANNEL,
         .m = {.kind = SN_CONS_MSG_NEW_VALID_BLOCK, .height = height,
               .parts = {.total = SN_CONS_PARTS_MAX, .hash = some_id(3).hash},
               .bits = {SN_CONS_PARTS_MAX, all_ones}}},
    };
    if (k >= SN_COUNT_OF(a)) return false;
    *ret = a[k];
    return true;
}
/* Sends one attack over and over, on a connection of its own, while the others make blocks. */
static void attack(unsigned k, bool (*of)(unsigned k, int64_t height, struct attack *ret))
{
    struct sn_buf out SN_CLEANUP(sn_buf_done);
    struct attack a;
    sn_buf_init(&out, 0);
    struct world_conn *c = world_connect(w, 0, 4);
    for (unsigned i = 0; i < 20 && !c->closed; i++) {
        T_ASSERT(of(k, sn_cons_core_round(w->nodes[0].engine.core)->height, &a));
        sn_test_row("%s", a.what);
        sn_buf_reset(&out);
        if (a.raw.len) T_OK(sn_buf_str(&out, a.raw));
        else T_OK(sn_cons_msg_encode(&a.m, &out));
        if (sn_switch_peer_send(&c->end[1], a.channel, out.ptr, out.len) == SN_E_CLOSED) break;
        T_OK(sn_sleep(50 * SN_MS));
    }
    T_EQ(c->closed, of == fatal);
    T_EQ(c->end[0].why < 0, of == fatal);
    world_cut(c);
    world_until(w, 4, world_height(&w->nodes[0]) + 2, 60 * SN_SEC);
}
static void adversary(uint64_t seed)
{
    struct attack a;
    memset(all_ones, 0xff, sizeof(all_ones));
    world_init(w, 5);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < i; j++) world_connect(w, i, j);
    for (int i = 0; i < 4; i++) world_start(w, i);
    w->nodes[4].sw.reactor = &mute;
    for (unsigned k = 0; fatal(k, 1, &a); k++) attack(k, fatal);
    for (unsigned k = 0; harmless(k, 1, &a); k++) attack(k, harmless);
    world_check(w, 4);
}
SN_TEST_SLOW(consensus_adversary, 120)
{
    for (uint64_t seed = 1; seed <= sn_test_cases(2); seed++) run(adversary, seed);
}

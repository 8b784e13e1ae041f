/* SPDX-License-Identifier: Apache-2.0 */
/* reactors/consensus_peer_test.c - a peer's state under messages, honest and hostile; that picking sends
 * everything the other lacks, once. */
#include "consensus/reactors/consensus_peer.h"

#include "consensus/reactors/consensus_int.h"
#include "consensus/valset.h"
#include "core/alloc.h"
#include "core/varint.h"
#include "harness/test.h"

/* ---- a round state by hand ---- */

struct ours {
    struct sn_cons_round_state rs;
    struct sn_cons_valset *vals;
};
static struct sn_cons_block_id id_of(uint8_t c)
{
    struct sn_cons_block_id id = {.hash.len = 32, .parts = {.total = 3, .hash.len = 32}};
    memset(id.hash.b, c, 32);
    memset(id.parts.hash.b, c, 32);
    return id;
}
static void ours_init(struct ours *o, uint32_t n, int64_t height, int32_t round)
{
    memset(o, 0, sizeof(*o));
    struct sn_cons_validator *v = sn_alloc(n * sizeof(*v));
    for (uint32_t i = 0; i < n; i++) {
        v[i] = (struct sn_cons_validator){.power = 10, .key = {.type = SN_CONS_ED25519, .len = 32}};
        memcpy(v[i].key.b, &i, sizeof(i));
        T_OK(sn_cons_key_addr(&v[i].key, v[i].addr));
    }
    T_OK(sn_cons_valset_new(v, n, &o->vals));
    sn_free(v);
    o->rs = (struct sn_cons_round_state){.height = height,
                                         .round = round,
                                         .step = SN_CONS_STEP_PREVOTE,
                                         .vals = o->vals,
                                         .commit_round = -1,
                                         .valid_round = -1,
                                         .locked_round = -1};
    sn_cons_height_votes_init(&o->rs.votes, height, false, o->vals);
    o->rs.votes.round = round + 1;
}
static void ours_done(struct ours *o)
{
    sn_cons_height_votes_done(&o->rs.votes);
    sn_cons_vote_set_free(o->rs.last_commit);
    sn_cons_part_set_unref(o->rs.parts);
    sn_cons_valset_unref(o->vals);
}
static void add_to(struct sn_cons_vote_set *s, uint32_t i, uint8_t block)
{
    struct sn_cons_vote *other, v = {.type = s->type, .height = s->height, .round = s->round,
                                     .index = (int32_t)i, .sig.len = 64};
    if (block) v.block_id = id_of(block);
    memcpy(v.addr, s->vals->vals[i].addr, SN_CONS_ADDR_LEN);
    struct sn_cons_vote *kept = sn_cons_vote_new(&v);
    T_ASSERT(kept);
    T_OK(sn_cons_vote_set_add(s, kept, &other));
    sn_cons_vote_unref(kept);
}
static void add_vote(struct ours *o, int32_t round, uint8_t type, uint32_t i, uint8_t block)
{
    struct sn_cons_vote_set *s;
    struct sn_cons_peer_id me = {0};
    T_OK(sn_cons_height_votes_open(&o->rs.votes, round, type, &me, &s));
    add_to(s, i, block);
}
static struct sn_cons_msg step_msg(int64_t height, int32_t round, uint8_t step, int32_t lcr)
{
    return (struct sn_cons_msg){.kind = SN_CONS_MSG_NEW_ROUND_STEP, .height = height, .round = round,
                                .step = step, .last_commit_round = lcr};
}
static bool hear(struct sn_gossip_peer *p, struct sn_cons_msg m) { return sn_gossip_heard(p, &m, 0); }
static struct sn_cons_msg has_vote(int64_t height, int32_t round, uint8_t type, int32_t index)
{
    return (struct sn_cons_msg){.kind = SN_CONS_MSG_HAS_VOTE, .height = height, .round = round,
                                .vote_type = type, .index = index};
}

/* ---- places ---- */

SN_TEST(gossip_places_only_grow)
{
    static const struct {
        int64_t height;
        int32_t round;
        uint8_t step;
        bool taken;
    } rows[] = {{5, 1, 3, true},  {5, 1, 3, false}, {5, 1, 2, false}, {5, 0, 8, false},
                {4, 9, 8, false}, {5, 1, 4, true},  {5, 2, 1, true},  {6, 0, 1, true},
                {1, 0, 1, false}, {INT64_MAX, 0, 1, true}, {6, 0, 2, false}};
    struct sn_gossip_peer p;
    sn_gossip_peer_init(&p);
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%zu", i);
        T_EQ(hear(&p, step_msg(rows[i].height, rows[i].round, rows[i].step, 0)), rows[i].taken);
    }
    T_EQ(p.height, INT64_MAX);
}
SN_TEST(gossip_step_must_fit_the_chain)
{
    static const struct {
        int64_t height, initial;
        int32_t lcr;
        int want;
    } rows[] = {{1, 1, -1, 0}, {1, 1, 0, SN_E_INVALID_ARGUMENT}, {2, 1, -1, SN_E_INVALID_ARGUMENT},
                {2, 1, 0, 0},  {9, 10, 0, SN_E_INVALID_ARGUMENT}, {10, 10, -1, 0},
                {0, 1, -1, SN_E_INVALID_ARGUMENT}, {2, 1, -7, SN_E_INVALID_ARGUMENT}};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_cons_msg m = step_msg(rows[i].height, 0, 1, rows[i].lcr);
        sn_test_row("%zu", i);
        T_EQ(sn_gossip_check_step(&m, rows[i].initial), rows[i].want);
    }
}
SN_TEST(gossip_precommits_move_along)
{
    struct sn_gossip_peer p;
    sn_gossip_peer_init(&p);
    T_ASSERT(hear(&p, step_msg(5, 1, 6, 0)));
    T_ASSERT(hear(&p, has_vote(5, 1, SN_CONS_PRECOMMIT, 7)));
    T_ASSERT(hear(&p, has_vote(5, 1, SN_CONS_PREVOTE, 8)));
    T_ASSERT(hear(&p, step_msg(6, 0, 1, 1)));
    T_EQ(p.last_commit.w[0], 1u << 7);
    T_EQ(p.precommits.w[0] | p.prevotes.w[0], 0);
    T_ASSERT(hear(&p, has_vote(5, 1, SN_CONS_PRECOMMIT, 3))); /* late, and counts */
    T_EQ(p.last_commit.w[0], 1u << 7 | 1u << 3);
    T_ASSERT(!hear(&p, has_vote(5, 0, SN_CONS_PRECOMMIT, 4)));
    T_ASSERT(!hear(&p, has_vote(5, 1, SN_CONS_PREVOTE, 4)));
    /* Another round of the last height than the one it was in: nothing is known. */
    T_ASSERT(hear(&p, has_vote(6, 0, SN_CONS_PRECOMMIT, 2)));
    T_ASSERT(hear(&p, step_msg(7, 0, 1, 3)));
    T_EQ(p.last_commit.w[0], 0);
    /* A height left out. */
    T_ASSERT(hear(&p, has_vote(7, 0, SN_CONS_PRECOMMIT, 2)));
    T_ASSERT(hear(&p, step_msg(9, 0, 1, 0)));
    T_EQ(p.last_commit.w[0], 0);
}
/* The commit of its height, at a round that is not its own, and what becomes of it. */
SN_TEST(gossip_catchup_commit)
{
    struct sn_gossip_peer p;
    struct sn_rand rand;
    uint32_t i;
    sn_rand_seed(&rand, 1);
    sn_gossip_peer_init(&p);
    struct sn_cons_commit_sig sigs[4] = {{.flag = SN_CONS_COMMIT}, {.flag = SN_CONS_ABSENT},
                                         {.flag = SN_CONS_NIL}, {.flag = SN_CONS_COMMIT}};
    struct sn_cons_commit c = {.height = 5, .round = 2, .n = 4, .sigs = sigs};
    T_ASSERT(!sn_gossip_pick_commit(&p, &c, &rand, &i)); /* it has not said where it is */
    T_ASSERT(hear(&p, step_msg(5, 1, 3, 0)));
    for (unsigned k = 0; k < 3; k++) T_ASSERT(sn_gossip_pick_commit(&p, &c, &rand, &i));
    T_ASSERT(!sn_gossip_pick_commit(&p, &c, &rand, &i));
    T_EQ(p.catchup.w[0], 1 | 4 | 8);
    T_ASSERT(hear(&p, step_msg(5, 2, 1, 0))); /* it comes to that round */
    T_EQ(p.precommits.w[0], 1 | 4 | 8);
    T_ASSERT(hear(&p, step_msg(5, 3, 1, 0))); /* and leaves it */
    T_EQ(p.catchup.w[0], 1 | 4 | 8);
    T_EQ(p.precommits.w[0], 0);
    T_ASSERT(hear(&p, step_msg(6, 0, 1, 2)));
    T_EQ(p.last_commit.w[0], 1 | 4 | 8);
    T_EQ(p.catchup_round, -1);
}

/* ---- parts ---- */

SN_TEST(gossip_parts_of_the_block_it_wants)
{
    char data[5 * 65536 - 100] = {1, 2, 3};
    struct ours o;
    struct sn_gossip_peer p;
    struct sn_rand rand;
    struct sn_cons_msg m;
    ours_init(&o, 4, 5, 1);
    sn_rand_seed(&rand, 1);
    T_OK(sn_cons_part_set_split(sn_str_of(data, sizeof(data)), &o.rs.parts));
    o.rs.has_proposal = true;
    o.rs.proposal = (struct sn_cons_proposal){.height = 5, .round = 1, .pol_round = 0,
                                              .block_id = {.parts = o.rs.parts->header}};
    add_vote(&o, 0, SN_CONS_PREVOTE, 2, 1);
    sn_gossip_peer_init(&p);
    T_ASSERT(!sn_gossip_pick_data(&p, &o.rs, &rand, &m));
    T_ASSERT(hear(&p, step_msg(5, 1, 3, 0)));
    T_ASSERT(sn_gossip_pick_data(&p, &o.rs, &rand, &m));
    T_EQ(m.kind, SN_CONS_MSG_PROPOSAL);
    unsigned parts = 0, pols = 0;
    uint32_t seen = 0;
    while (sn_gossip_pick_data(&p, &o.rs, &rand, &m)) {
        if (m.kind == SN_CONS_MSG_PROPOSAL_POL) {
            T_EQ(m.round, 0);
            T_EQ(m.bits.w[0], 4);
            pols++;
            continue;
        }
        T_EQ(m.kind, SN_CONS_MSG_BLOCK_PART);
        T_ASSERT(!(seen >> m.part.index & 1));
        seen |= 1u << m.part.index;
        parts++;
    }
    T_EQ(parts, 5);
    T_EQ(pols, 1);
    /* It asks for the block again, having two of its parts. */
    uint64_t have = 3;
    struct sn_cons_msg valid = {.kind = SN_CONS_MSG_NEW_VALID_BLOCK, .height = 5, .round = 1,
                                .parts = o.rs.parts->header, .bits = {5, &have}};
    T_ASSERT(hear(&p, valid));
    for (parts = 0; sn_gossip_pick_data(&p, &o.rs, &rand, &m); parts++) T_ASSERT(m.part.index >= 2);
    T_EQ(parts, 3);
    /* Another block than ours, another height, an earlier round without a commit: nothing. */
    valid.parts.hash.b[0] ^= 1;
    have = 0;
    T_ASSERT(hear(&p, valid));
    T_ASSERT(!sn_gossip_pick_data(&p, &o.rs, &rand, &m));
    valid.height = 6;
    T_ASSERT(!hear(&p, valid));
    valid.height = 5;
    valid.round = 0;
    T_ASSERT(!hear(&p, valid));
    valid.is_commit = true;
    T_ASSERT(hear(&p, valid));
    ours_done(&o);
}
SN_TEST(gossip_old_block)
{
    struct sn_cons_part_set_header h = id_of(1).parts, other = id_of(2).parts;
    struct sn_gossip_peer p;
    struct sn_rand rand;
    uint32_t i;
    sn_rand_seed(&rand, 1);
    sn_gossip_peer_init(&p);
    T_ASSERT(hear(&p, step_msg(5, 1, 3, 0)));
    T_ASSERT(!sn_gossip_pick_old_part(&p, &h, &rand, &i)); /* it has named none */
    sn_gossip_expect_parts(&p, &other);
    T_ASSERT(!sn_gossip_pick_old_part(&p, &h, &rand, &i)); /* it wants another */
    sn_gossip_forget(&p);
    sn_gossip_expect_parts(&p, &h);
    for (unsigned k = 0; k < 3; k++) T_ASSERT(sn_gossip_pick_old_part(&p, &h, &rand, &i) && i < 3);
    T_ASSERT(!sn_gossip_pick_old_part(&p, &h, &rand, &i));
    sn_gossip_forget(&p);
    sn_gossip_expect_parts(&p, &h);
    T_ASSERT(sn_gossip_pick_old_part(&p, &h, &rand, &i));
}
/* Takes a tag and a length off. */
static void strip(struct sn_buf *b)
{
    uint64_t n;
    sn_buf_consume(b, 1);
    int k = sn_varint_get(sn_buf_view(b), &n);
    T_ASSERT(k > 0);
    sn_buf_consume(b, (size_t)k);
    T_EQ(n, b->len);
}
SN_TEST(gossip_old_part_is_a_message)
{
    char data[3 * 65536] = {5};
    struct sn_cons_part_set *s;
    struct sn_buf want SN_CLEANUP(sn_buf_done), part SN_CLEANUP(sn_buf_done),
        got SN_CLEANUP(sn_buf_done);
    static const struct {
        int64_t height;
        int32_t round;
    } rows[] = {{1, 0}, {300, 1}, {INT64_MAX, INT32_MAX}, {0, 0}};
    sn_buf_init(&part, 0);
    sn_buf_init(&want, 0);
    sn_buf_init(&got, 0);
    T_OK(sn_cons_part_set_split(sn_str_of(data, sizeof(data)), &s));
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_cons_msg m = {.kind = SN_CONS_MSG_BLOCK_PART, .height = rows[i].height,
                                .round = rows[i].round, .part = *s->parts[1]};
        sn_buf_reset(&want);
        sn_buf_reset(&got);
        sn_buf_reset(&part);
        T_OK(sn_cons_msg_encode(&m, &want));
        m.height = m.round = 0;
        T_OK(sn_cons_msg_encode(&m, &part));
        strip(&part); /* of the message, then of its block part: the part is left */
        strip(&part);
        T_OK(sn_gossip_old_part(rows[i].height, rows[i].round, sn_buf_view(&part), &got));
        T_ASSERT(sn_str_eq(sn_buf_view(&want), sn_buf_view(&got)));
    }
    sn_cons_part_set_unref(s);
}

/* ---- votes ---- */

/* Whatever a peer at our height lacks is picked, once each, in any state. */
SN_TEST(gossip_votes_converge)
{
    for (unsigned k = 0; k < sn_test_cases(200); k++) {
        uint32_t n = 1 + (uint32_t)sn_test_rand_below(150);
        int32_t round = (int32_t)sn_test_rand_below(3), peer_round = (int32_t)sn_test_rand_below(3);
        struct ours o;
        struct sn_gossip_peer p;
        struct sn_rand rand;
        struct sn_cons_msg m;
        ours_init(&o, n, 9, round);
        sn_rand_seed(&rand, k);
        for (int32_t r = 0; r <= round; r++)
            for (uint32_t i = 0; i < n; i++)
                for (uint8_t t = SN_CONS_PREVOTE; t <= SN_CONS_PRECOMMIT; t++)
                    if (sn_test_rand_below(3)) add_vote(&o, r, t, i, (uint8_t)sn_test_rand_below(3));
        sn_gossip_peer_init(&p);
        T_ASSERT(hear(&p, step_msg(9, peer_round, (uint8_t)(1 + sn_test_rand_below(6)), 0)));
        for (uint32_t i = 0; i < n; i++)
            if (sn_test_rand_below(2)) hear(&p, has_vote(9, peer_round, SN_CONS_PREVOTE, (int32_t)i));
        struct sn_gossip_peer before = p;
        uint64_t sent = 0, lacked = 0;
        const struct sn_cons_vote_set *pre =
            sn_cons_height_votes_get(&o.rs.votes, peer_round, SN_CONS_PREVOTE);
        const struct sn_cons_vote_set *com =
            sn_cons_height_votes_get(&o.rs.votes, peer_round, SN_CONS_PRECOMMIT);
        bool here = peer_round <= round;
        for (uint32_t i = 0; here && i < n; i++) {
            bool has = before.prevotes.w[i / 64] >> (i % 64) & 1;
            lacked += pre && pre->votes[i] && !has;
            lacked += com && com->votes[i] && p.step <= SN_CONS_STEP_PRECOMMIT_WAIT;
        }
        while (sn_gossip_pick_vote(&p, &o.rs, -1, &rand, &m)) {
            T_ASSERT(m.vote && m.vote->round == peer_round);
            T_ASSERT(++sent <= lacked);
        }
        T_EQ(sent, lacked);
        ours_done(&o);
    }
}
SN_TEST(gossip_only_our_own_vote)
{
    struct ours o;
    struct sn_gossip_peer p;
    struct sn_rand rand;
    struct sn_cons_msg m;
    sn_rand_seed(&rand, 1);
    ours_init(&o, 4, 9, 0);
    add_vote(&o, 0, SN_CONS_PREVOTE, 1, 1);
    add_vote(&o, 0, SN_CONS_PREVOTE, 2, 1);
    sn_gossip_peer_init(&p);
    T_ASSERT(hear(&p, step_msg(9, 0, 3, 0)));
    T_ASSERT(!sn_gossip_pick_vote(&p, &o.rs, 3, &rand, &m));
    T_ASSERT(!sn_gossip_pick_vote(&p, &o.rs, INT32_MAX, &rand, &m));
    T_ASSERT(sn_gossip_pick_vote(&p, &o.rs, 2, &rand, &m));
    T_EQ(m.vote->index, 2);
    T_ASSERT(!sn_gossip_pick_vote(&p, &o.rs, 2, &rand, &m));
    T_ASSERT(sn_gossip_pick_vote(&p, &o.rs, -1, &rand, &m));
    T_EQ(m.vote->index, 1);
    ours_done(&o);
}
/* A peer one height behind gets the last commit; a peer that enters our height, its late votes. */
SN_TEST(gossip_last_commit)
{
    struct ours o;
    struct sn_gossip_peer p;
    struct sn_rand rand;
    struct sn_cons_msg m;
    unsigned n = 0;
    sn_rand_seed(&rand, 1);
    ours_init(&o, 4, 9, 0);
    T_OK(sn_cons_vote_set_new(8, 2, SN_CONS_PRECOMMIT, false, o.vals, &o.rs.last_commit));
    for (uint32_t i = 0; i < 3; i++) add_to(o.rs.last_commit, i, 1);
    sn_gossip_peer_init(&p);
    T_ASSERT(hear(&p, step_msg(7, 0, 3, 0)));
    T_ASSERT(!sn_gossip_pick_vote(&p, &o.rs, -1, &rand, &m)); /* that is the store's */
    T_ASSERT(hear(&p, step_msg(8, 0, 3, 0)));
    T_ASSERT(!sn_gossip_pick_vote(&p, &o.rs, 1, &rand, &m)); /* an index of another set */
    while (sn_gossip_pick_vote(&p, &o.rs, -1, &rand, &m)) n++;
    T_EQ(n, 3);
    T_ASSERT(hear(&p, step_msg(9, 0, 1, 2)));
    T_ASSERT(!sn_gossip_pick_vote(&p, &o.rs, -1, &rand, &m)); /* it was sent before */
    add_to(o.rs.last_commit, 3, 1);
    T_ASSERT(sn_gossip_pick_vote(&p, &o.rs, -1, &rand, &m));
    T_EQ(m.vote->index, 3);
    ours_done(&o);
}

/* ---- claims and their answers ---- */

SN_TEST(gossip_claims)
{
    struct ours o;
    struct sn_gossip_peer p;
    struct sn_rand rand;
    struct sn_cons_msg m[SN_GOSSIP_CLAIMS_MAX], x;
    sn_rand_seed(&rand, 1);
    ours_init(&o, 4, 9, 1);
    for (uint32_t i = 0; i < 3; i++) add_vote(&o, 1, SN_CONS_PREVOTE, i, 1);
    sn_gossip_peer_init(&p);
    T_EQ(sn_gossip_claims(&p, &o.rs, m), 0);
    T_ASSERT(hear(&p, step_msg(9, 1, 4, 0)));
    T_EQ(sn_gossip_claims(&p, &o.rs, m), 1);
    T_EQ(m[0].kind, SN_CONS_MSG_VOTE_SET_MAJ23);
    T_EQ(sn_gossip_our_bits(&o.rs, &m[0])->w[0], 7);
    /* Sent, and lost to a peer that had the other half of an equivocation: its answer tells. */
    while (sn_gossip_pick_vote(&p, &o.rs, -1, &rand, &x)) continue;
    hear(&p, has_vote(9, 1, SN_CONS_PREVOTE, 3));
    uint64_t have = 2;
    m[0].kind = SN_CONS_MSG_VOTE_SET_BITS;
    m[0].bits = (struct sn_cons_bits){4, &have};
    sn_gossip_bits(&p, &m[0], sn_gossip_our_bits(&o.rs, &m[0]));
    T_EQ(p.prevotes.w[0], 2 | 8);
    unsigned n = 0;
    while (sn_gossip_pick_vote(&p, &o.rs, -1, &rand, &x)) n++;
    T_EQ(n, 2);
    ours_done(&o);
}

/* ---- hostile values ---- */

/* Indexes and arrays of any length (ASA-2025-003): nothing beyond the arrays is touched (ASan). */
SN_TEST(gossip_hostile_indexes)
{
    static uint64_t words[SN_GOSSIP_VOTE_WORDS + 8];
    struct ours o;
    struct sn_gossip_peer p;
    struct sn_rand rand;
    struct sn_cons_msg m;
    memset(words, 0xff, sizeof(words));
    sn_rand_seed(&rand, 1);
    ours_init(&o, 100, 9, 0);
    for (uint32_t i = 0; i < 100; i++) add_vote(&o, 0, SN_CONS_PREVOTE, i, 1);
    sn_gossip_peer_init(&p);
    T_ASSERT(hear(&p, step_msg(9, 0, 3, 0)));
    static const int32_t bad[] = {10000, 10048, 10049, 65536, INT32_MAX};
    for (size_t i = 0; i < SN_COUNT_OF(bad); i++) {
        struct sn_cons_vote v = {.type = SN_CONS_PREVOTE, .height = 9, .index = bad[i]};
        hear(&p, has_vote(9, 0, SN_CONS_PREVOTE, bad[i]));
        sn_gossip_has(&p, &(struct sn_cons_msg){.kind = SN_CONS_MSG_VOTE, .vote = &v});
        v.index = -bad[i];
        sn_gossip_has(&p, &(struct sn_cons_msg){.kind = SN_CONS_MSG_VOTE, .vote = &v});
        T_ASSERT(!sn_gossip_known(&o.rs, &(struct sn_cons_msg){.kind = SN_CONS_MSG_VOTE, .vote = &v}));
    }
    struct sn_cons_proposal prop = {.height = 9, .pol_round = -1, .block_id.parts.total = UINT32_MAX};
    sn_gossip_has(&p, &(struct sn_cons_msg){.kind = SN_CONS_MSG_PROPOSAL, .proposal = prop});
    for (uint32_t i = 0; i < 40; i++)
        sn_gossip_has(&p, &(struct sn_cons_msg){.kind = SN_CONS_MSG_BLOCK_PART, .height = 9,
                                                .part = {.index = 1u << (i % 32) | i}});
    static const uint32_t sizes[] = {0, 1, 63, 64, 65, 10000, (SN_GOSSIP_VOTE_WORDS + 8) * 64};
    for (size_t i = 0; i < SN_COUNT_OF(sizes); i++) {
        m = (struct sn_cons_msg){.kind = SN_CONS_MSG_VOTE_SET_BITS, .height = 9,
                                 .vote_type = SN_CONS_PREVOTE, .bits = {sizes[i], words}};
        sn_gossip_bits(&p, &m, NULL);
        m.kind = SN_CONS_MSG_NEW_VALID_BLOCK;
        hear(&p, m);
        p.pol_round = 0;
        m.kind = SN_CONS_MSG_PROPOSAL_POL;
        hear(&p, m);
        /* What it claims to have it does not get; everything else it does. */
        unsigned n = 0;
        p.pol = (struct sn_gossip_votes){{0}};
        p.pol_round = -1;
        while (sn_gossip_pick_vote(&p, &o.rs, -1, &rand, &m)) n++;
        T_EQ(n, 100 - SN_MIN(100u, (sizes[i] + 63) / 64 * 64));
    }
    ours_done(&o);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What adversarial peers send, rule by rule, against one core of four validators: each case of the
 * advisories that concerns the core, the limits, and the machine's answers that simulation reaches only
 * by luck. Node 3 is ours; the others' keys are here, too. */
#include <stdlib.h>

#include "consensus/core.h"
#include "consensus/evidence.h"
#include "consensus/genesis.h"
#include "consensus/sim_world_test.h"
#include "consensus/valset.h"
#include "core/torture.h"
#include "harness/test.h"

#define N 4
struct bench {
    struct sn_cons_state *state;
    struct sn_cons_core *core;
    struct sn_cons_validator vals[N]; /* in the set's order */
    int us;
    int64_t now;
    /* The newest of what the core asked for. */
    struct sn_cons_timeout timer;
    struct sn_cons_vote *sign; /* NULL: none since last looked */
    struct sn_cons_block *process;
    unsigned n_prepare, n_proposals, n_conflicts, n_finalize, notes[16];
    int64_t ended;
};
static struct bench b;

static void look(void)
{
    struct sn_cons_action a;
    while (sn_cons_core_action(b.core, &a)) {
        if (a.kind == SN_CONS_ACT_SCHEDULE) b.timer = a.timeout;
        if (a.kind == SN_CONS_ACT_SIGN_VOTE) {
            sn_cons_vote_unref(b.sign);
            b.sign = sn_cons_vote_ref(a.vote);
        }
        if (a.kind == SN_CONS_ACT_PROCESS) {
            sn_cons_block_unref(b.process);
            b.process = sn_cons_block_ref(a.block);
        }
        b.n_prepare += a.kind == SN_CONS_ACT_PREPARE;
        b.n_proposals += a.kind == SN_CONS_ACT_SIGN_PROPOSAL;
        b.n_conflicts += a.kind == SN_CONS_ACT_CONFLICT;
        b.n_finalize += a.kind == SN_CONS_ACT_FINALIZE;
        if (a.kind == SN_CONS_ACT_NOTE) b.notes[a.note]++;
        if (a.kind == SN_CONS_ACT_END_HEIGHT) b.ended = a.height;
        sn_cons_action_done(&a);
    }
}
static int put(const struct sn_cons_input *in)
{
    int r = sn_cons_core_input(b.core, in, b.now += SN_MS);
    look();
    return r;
}
static const struct sn_cons_peer_id peer_a = {1, "a"}, peer_b = {1, "b"};
static int put_msg(const struct sn_cons_msg *m, const struct sn_cons_peer_id *peer)
{
    return put(&(struct sn_cons_input){.kind = SN_CONS_IN_MSG, .msg = m, .peer = peer});
}
static int put_timeout(uint8_t step)
{
    const struct sn_cons_round_state *rs = sn_cons_core_round(b.core);
    return put(&(struct sn_cons_input){.kind = SN_CONS_IN_TIMEOUT,
                                       .timeout = {0, rs->height, rs->round, step}});
}

static int64_t extensions_height; /* of the next bench's genesis */
static void open_bench(const struct sn_cons_config *config)
{
    struct sn_cons_genesis g = {.time = sn_cons_time_of_ns(SN_SEC), .chain_id = SN_STR("sim"),
                                .initial_height = 1, .params = sn_cons_params_default()};
    struct sn_cons_genesis_validator v[N] = {0};
    for (int i = 0; i < N; i++) {
        v[i].v = (struct sn_cons_validator){.key = {SN_CONS_ED25519, 32, {(uint8_t)(i + 1)}}, .power = 10};
        T_OK(sn_cons_key_addr(&v[i].v.key, v[i].v.addr));
    }
    g.validators = v;
    g.n_validators = N;
    g.params.extensions_height = extensions_height;
    b = (struct bench){.now = 10 * SN_SEC};
    T_OK(sn_cons_genesis_state(&g, &b.state));
    memcpy(b.vals, b.state->vals->vals, sizeof(b.vals));
    /* We are never the first proposer. */
    b.us = sn_cons_valset_find(b.state->vals, sn_cons_valset_proposer(b.state->vals)->addr) == 3 ? 2 : 3;
    struct sn_cons_core_opts o = {.config = config ? *config : sn_cons_config_default(),
                                  .verifier = &sim_verifier, .has_key = true};
    memcpy(o.addr, b.vals[b.us].addr, 20);
    T_OK(sn_cons_core_new(&o, b.state, NULL, b.now, &b.core));
    look();
}
static void close_bench(void)
{
    sn_cons_core_free(b.core);
    sn_cons_state_unref(b.state);
    sn_cons_vote_unref(b.sign);
    sn_cons_block_unref(b.process);
}

static struct sn_cons_vote vote_of(int who, uint8_t type, int32_t round, const struct sn_cons_block_id *id)
{
    struct sn_cons_vote v = {.type = type, .height = 1, .round = round, .index = who,
                             .time = sn_cons_time_of_ns(b.now)};
    struct sn_buf buf;
    if (id) v.block_id = *id;
    memcpy(v.addr, b.vals[who].addr, 20);
    sn_buf_init(&buf, 0);
    T_OK(sn_cons_vote_sign_bytes(SN_STR("sim"), &v, &buf));
    sim_sign(&b.vals[who].key, sn_buf_view(&buf), &v.sig);
    sn_buf_done(&buf);
    return v;
}
static int put_vote(int who, uint8_t type, int32_t round, const struct sn_cons_block_id *id)
{
    struct sn_cons_vote v = vote_of(who, type, round, id);
    return put_msg(&(struct sn_cons_msg){.kind = SN_CONS_MSG_VOTE, .vote = &v}, &peer_a);
}
/* Three of the four vote: ours is among them where it was asked for. */
static void three(uint8_t type, int32_t round, const struct sn_cons_block_id *id)
{
    for (int i = 0, n = 0; i < N && n < 3; i++)
        if (i != b.us) {
            n++;
            T_OK(put_vote(i, type, round, id));
        }
}

struct made {
    struct sn_cons_block *block;
    struct sn_cons_part_set *parts;
    struct sn_cons_block_id id;
};
static struct made make(const char *tx, unsigned tamper)
{
    struct made m;
    struct sn_str t = sn_str(tx);
    struct sn_cons_block_content c = {.txs = &t, .n_txs = 1};
    struct sn_buf buf;
    memcpy(c.proposer, b.vals[0].addr, 20);
    sn_buf_init(&buf, 0);
    T_OK(sn_cons_state_make_block(b.state, &c, &m.block));
    if (tamper) {
        m.block->header.app_hash.b[0] ^= (uint8_t)tamper;
        m.block->header.app_hash.len = 1;
        T_OK(sn_cons_header_hash(&m.block->header, &m.block->hash));
    }
    T_OK(sn_cons_block_encode(m.block, &buf));
    T_OK(sn_cons_part_set_split(sn_buf_view(&buf), &m.parts));
    m.id = (struct sn_cons_block_id){m.block->hash, m.parts->header};
    sn_buf_done(&buf);
    return m;
}
static void unmake(struct made *m)
{
    sn_cons_block_unref(m->block);
    sn_cons_part_set_unref(m->parts);
}
static int put_proposal(const struct made *m, int32_t round, int32_t pol, int signer)
{
    struct sn_cons_proposal p = {.height = 1, .round = round, .pol_round = pol, .block_id = m->id,
                                 .time = sn_cons_time_of_ns(b.now)};
    struct sn_buf buf;
    const struct sn_cons_validator *turn = sn_cons_valset_proposer(sn_cons_core_round(b.core)->vals);
    const struct sn_cons_key *key = signer < 0 ? &turn->key : &b.vals[signer].key;
    sn_buf_init(&buf, 0);
    T_OK(sn_cons_proposal_sign_bytes(SN_STR("sim"), &p, &buf));
    sim_sign(key, sn_buf_view(&buf), &p.sig);
    sn_buf_done(&buf);
    return put_msg(&(struct sn_cons_msg){.kind = SN_CONS_MSG_PROPOSAL, .proposal = p}, &peer_a);
}
static int put_parts(const struct made *m, int32_t round)
{
    int r = 0;
    for (uint32_t i = 0; i < m->parts->header.total && r >= 0; i++)
        r = put_msg(&(struct sn_cons_msg){.kind = SN_CONS_MSG_BLOCK_PART, .height = 1, .round = round,
                                          .part = *m->parts->parts[i]}, &peer_a);
    return r;
}
static void processed(bool ok)
{
    const struct sn_cons_round_state *rs = sn_cons_core_round(b.core);
    T_OK(put(&(struct sn_cons_input){.kind = SN_CONS_IN_PROCESSED, .height = rs->height,
                                     .round = rs->round, .ok = ok}));
}
/* What we were asked to sign, and that it is `id` (NULL: nil). */
static void signs(uint8_t type, int32_t round, const struct sn_cons_block_id *id)
{
    T_ASSERTF(b.sign, "nothing to sign");
    T_EQ(b.sign->type, type);
    T_EQ(b.sign->round, round);
    struct sn_cons_block_id nil = {0};
    T_ASSERT(sn_cons_block_id_eq(&b.sign->block_id, id ? id : &nil));
    sn_cons_vote_unref(b.sign);
    b.sign = NULL;
}

SN_TEST(rules_good_round)
{
    open_bench(NULL);
    T_OK(put_timeout(SN_CONS_STEP_NEW_HEIGHT));
    T_EQ(b.timer.step, SN_CONS_STEP_PROPOSE);
    struct made m = make("tx", 0);
    T_OK(put_proposal(&m, 0, -1, -1));
    T_OK(put_parts(&m, 0));
    T_ASSERT(b.process && sn_cons_hash_eq(&b.process->hash, &m.block->hash));
    processed(true);
    signs(SN_CONS_PREVOTE, 0, &m.id);
    three(SN_CONS_PREVOTE, 0, &m.id);
    T_EQ(sn_cons_core_round(b.core)->locked_round, 0);
    signs(SN_CONS_PRECOMMIT, 0, &m.id);
    three(SN_CONS_PRECOMMIT, 0, &m.id);
    T_EQ(b.ended, 1);
    T_EQ(b.n_finalize, 1);
    T_ASSERT(!sn_cons_core_ready(b.core));
    T_EQ(put_timeout(SN_CONS_STEP_PROPOSE), SN_E_BUSY);
    struct sn_cons_tx_result tx = {0};
    struct sn_cons_block_result res = {.txs = &tx, .n_txs = 1, .app_hash = {1, {9}}};
    T_OK(put(&(struct sn_cons_input){.kind = SN_CONS_IN_FINALIZED, .result = &res}));
    T_EQ(put(&(struct sn_cons_input){.kind = SN_CONS_IN_FINALIZED, .result = &res}),
         SN_E_FAILED_PRECONDITION);
    T_OK(put(&(struct sn_cons_input){.kind = SN_CONS_IN_COMMITTED}));
    T_EQ(sn_cons_core_round(b.core)->height, 2);
    T_EQ(sn_cons_core_state(b.core)->app_hash.b[0], 9);
    /* The fourth precommit is late, but in time for the next block. */
    T_ASSERT(!sn_cons_vote_set_all(sn_cons_core_round(b.core)->last_commit));
    T_OK(put_vote(b.us, SN_CONS_PRECOMMIT, 0, &m.id));
    T_ASSERT(sn_cons_vote_set_all(sn_cons_core_round(b.core)->last_commit));
    unmake(&m);
    close_bench();
}

SN_TEST(rules_bad_proposals)
{
    open_bench(NULL);
    T_OK(put_timeout(SN_CONS_STEP_NEW_HEIGHT));
    struct made m = make("tx", 0), evil = make("tx", 1);
    T_EQ(put_proposal(&m, 0, 0, -1), SN_E_INVALID_ARGUMENT); /* proof of lock in its own round */
    T_EQ(put_proposal(&m, 0, -1, b.us), SN_E_INVALID_ARGUMENT); /* not the proposer's */
    T_OK(put_proposal(&m, 1, -1, -1)); /* another round: ignored */
    T_ASSERT(!sn_cons_core_round(b.core)->has_proposal);
    struct made huge = m;
    huge.id.parts.total = 400; /* of a chain with 21 MiB blocks: 337 */
    T_EQ(put_proposal(&huge, 0, -1, -1), SN_E_INVALID_ARGUMENT);
    T_OK(put_proposal(&evil, 0, -1, -1));
    /* A part of another block has no proof here; one with a wrong index has none anywhere. */
    T_EQ(put_parts(&m, 0), SN_E_INVALID_ARGUMENT);
    T_OK(put_parts(&m, 5));
    struct sn_cons_part p = *evil.parts->parts[0];
    p.index = p.proof_index = 7;
    T_EQ(put_msg(&(struct sn_cons_msg){.kind = SN_CONS_MSG_BLOCK_PART, .height = 1, .part = p}, &peer_a),
         SN_E_INVALID_ARGUMENT);
    T_OK(put_parts(&evil, 0));
    signs(SN_CONS_PREVOTE, 0, NULL); /* its application hash is wrong: nobody even asks */
    T_ASSERT(!b.process);
    unmake(&m);
    unmake(&evil);
    close_bench();
}

SN_TEST(rules_application_refuses)
{
    open_bench(NULL);
    T_OK(put_timeout(SN_CONS_STEP_NEW_HEIGHT));
    struct made m = make("tx", 0);
    T_OK(put_proposal(&m, 0, -1, -1));
    T_OK(put_parts(&m, 0));
    processed(false);
    signs(SN_CONS_PREVOTE, 0, NULL);
    unmake(&m);
    close_bench();
}

SN_TEST(rules_lock_and_unlock)
{
    open_bench(NULL);
    T_OK(put_timeout(SN_CONS_STEP_NEW_HEIGHT));
    struct made m = make("tx", 0), n = make("other", 0);
    T_OK(put_proposal(&m, 0, -1, -1));
    T_OK(put_parts(&m, 0));
    processed(true);
    three(SN_CONS_PREVOTE, 0, &m.id);
    signs(SN_CONS_PRECOMMIT, 0, &m.id);
    three(SN_CONS_PRECOMMIT, 0, NULL); /* nobody else saw the polka */
    T_EQ(b.timer.step, SN_CONS_STEP_PRECOMMIT_WAIT);
    T_OK(put_timeout(SN_CONS_STEP_PRECOMMIT_WAIT));
    const struct sn_cons_round_state *rs = sn_cons_core_round(b.core);
    T_EQ(rs->round, 1);
    /* Another block is proposed: we stay with ours. */
    bool ours = memcmp(sn_cons_valset_proposer(rs->vals)->addr, b.vals[b.us].addr, 20) == 0;
    if (!ours) T_OK(put_proposal(&n, 1, -1, -1));
    if (!ours) T_OK(put_parts(&n, 1));
    else T_OK(put_timeout(SN_CONS_STEP_PROPOSE));
    signs(SN_CONS_PREVOTE, 1, &m.id);
    T_EQ(rs->locked_round, 0);
    /* Until two thirds prevote the other one in a later round. */
    three(SN_CONS_PREVOTE, 1, &n.id);
    T_EQ(rs->locked_round, ours ? -1 : 1);
    T_ASSERT(b.notes[SN_CONS_NOTE_UNLOCK] == 1);
    if (!ours) signs(SN_CONS_PRECOMMIT, 1, &n.id);
    unmake(&m);
    unmake(&n);
    close_bench();
}

SN_TEST(rules_catch_up_with_a_later_round)
{
    open_bench(NULL);
    T_OK(put_timeout(SN_CONS_STEP_NEW_HEIGHT));
    three(SN_CONS_PREVOTE, 1, NULL);
    T_EQ(sn_cons_core_round(b.core)->round, 1);
    three(SN_CONS_PRECOMMIT, 2, NULL);
    T_EQ(sn_cons_core_round(b.core)->round, 2);
    /* Votes further ahead: two rounds per peer and no more. */
    T_OK(put_vote(0, SN_CONS_PREVOTE, 100, NULL));
    T_OK(put_vote(0, SN_CONS_PREVOTE, INT32_MAX, NULL));
    T_EQ(put_vote(0, SN_CONS_PREVOTE, 50, NULL), SN_E_FAILED_PRECONDITION);
    T_OK(put_vote(1, SN_CONS_PREVOTE, 100, NULL));
    T_EQ(sn_cons_core_round(b.core)->round, 2);
    close_bench();
}

SN_TEST(rules_bad_votes)
{
    open_bench(NULL);
    T_OK(put_timeout(SN_CONS_STEP_NEW_HEIGHT));
    struct sn_cons_vote v = vote_of(0, SN_CONS_PREVOTE, 0, NULL);
    struct sn_cons_msg m = {.kind = SN_CONS_MSG_VOTE, .vote = &v};
    v.index = 77; /* beyond the set */
    T_EQ(put_msg(&m, &peer_a), SN_E_INVALID_ARGUMENT);
    v.index = 1; /* another's place */
    T_EQ(put_msg(&m, &peer_a), SN_E_INVALID_ARGUMENT);
    v.index = 0;
    v.sig.b[0] ^= 1;
    T_EQ(put_msg(&m, &peer_a), SN_E_INVALID_ARGUMENT);
    v.sig.b[0] ^= 1;
    T_OK(put_msg(&m, &peer_a));
    T_OK(put_msg(&m, &peer_b)); /* known */
    v.sig.b[0] ^= 1;
    T_EQ(put_msg(&m, &peer_a), SN_E_ALREADY_EXISTS);
    v = vote_of(1, SN_CONS_PRECOMMIT, 0, NULL);
    v.height = 9;
    T_OK(put_msg(&m, &peer_a)); /* another height: not ours to judge */
    /* Extensions where there are none. */
    struct made x = make("tx", 0);
    v = vote_of(1, SN_CONS_PRECOMMIT, 0, &x.id);
    v.ext = SN_STR("e");
    v.ext_sig.len = 64;
    T_EQ(put_msg(&m, &peer_a), SN_E_INVALID_ARGUMENT);
    unmake(&x);
    close_bench();
}

/* ASA-2024-011: where extensions are due, precommits whose extension is left out, unsigned, signed by
 * another or on a vote that has none are refused, and nothing has changed. */
SN_TEST(rules_bad_extensions)
{
    extensions_height = 1;
    open_bench(NULL);
    extensions_height = 0;
    T_OK(put_timeout(SN_CONS_STEP_NEW_HEIGHT));
    struct made x = make("tx", 0);
    int who = b.us == 0 ? 1 : 0;
    for (int i = 0; i < 6; i++) {
        struct sn_cons_vote v = vote_of(who, i == 4 ? SN_CONS_PREVOTE : SN_CONS_PRECOMMIT, 0,
                                        i == 3 ? NULL : &x.id);
        struct sn_buf buf, out;
        struct sn_arena a;
        struct sn_cons_msg m = {.kind = SN_CONS_MSG_VOTE, .vote = &v}, got;
        sn_test_row("fault %d", i);
        sn_buf_init(&buf, 0);
        sn_buf_init(&out, 0);
        sn_arena_init(&a, NULL, 0);
        v.ext = SN_STR("extension");
        T_OK(sn_cons_extension_sign_bytes(SN_STR("sim"), &v, &buf));
        sim_sign(&b.vals[who].key, sn_buf_view(&buf), &v.ext_sig);
        if (i == 0) v.ext = (struct sn_str){0}, v.ext_sig.len = 0;
        if (i == 1) v.ext_sig.len = 0;
        if (i == 2) v.ext_sig.b[5] ^= 1;
        if (i == 5) v.ext = SN_STR("another");
        T_OK(sn_cons_msg_encode(&m, &out));
        int r = sn_cons_msg_decode(sn_buf_view(&out), &a, &got);
        T_EQ(r < 0, i == 1 || i == 3 || i == 4); /* that form alone forbids */
        T_EQ(r < 0 ? r : put_msg(&got, &peer_a), SN_E_INVALID_ARGUMENT);
        const struct sn_cons_vote_set *set = sn_cons_height_votes_get(
            &sn_cons_core_round(b.core)->votes, 0, SN_CONS_PRECOMMIT);
        T_ASSERT(!set || !set->votes[who]);
        sn_arena_done(&a);
        sn_buf_done(&buf);
        sn_buf_done(&out);
    }
    unmake(&x);
    close_bench();
}

SN_TEST(rules_equivocation_and_claims)
{
    open_bench(NULL);
    T_OK(put_timeout(SN_CONS_STEP_NEW_HEIGHT));
    struct made m = make("tx", 0), n = make("other", 0);
    T_OK(put_vote(0, SN_CONS_PREVOTE, 0, &n.id));
    T_OK(put_vote(0, SN_CONS_PREVOTE, 0, &m.id));
    T_EQ(b.n_conflicts, 1);
    const struct sn_cons_vote_set *set =
        sn_cons_height_votes_get(&sn_cons_core_round(b.core)->votes, 0, SN_CONS_PREVOTE);
    T_ASSERT(!sn_cons_vote_set_for(set, &m.id));
    /* Without the claim the liar's other half would keep the majority from us. */
    struct sn_cons_msg claim = {.kind = SN_CONS_MSG_VOTE_SET_MAJ23, .height = 1, .round = 0,
                                .vote_type = SN_CONS_PREVOTE, .block_id = m.id};
    T_OK(put_msg(&claim, &peer_a));
    T_OK(put_msg(&claim, &peer_a));
    claim.block_id = n.id;
    T_EQ(put_msg(&claim, &peer_a), SN_E_INVALID_ARGUMENT); /* one claim per peer */
    T_OK(put_vote(0, SN_CONS_PREVOTE, 0, &m.id));
    T_EQ(sn_cons_vote_set_for(set, &m.id)->sum, 10);
    for (int i = 1, k = 0; i < N && k < 2; i++)
        if (i != b.us) {
            k++;
            T_OK(put_vote(i, SN_CONS_PREVOTE, 0, &m.id));
        }
    T_ASSERT(sn_cons_vote_set_maj23(set) && sn_cons_block_id_eq(&set->maj23, &m.id));
    T_ASSERT(sn_cons_block_id_eq(&set->votes[0]->block_id, &m.id)); /* the one to gossip */
    unmake(&m);
    unmake(&n);
    close_bench();
}

SN_TEST(rules_no_empty_blocks)
{
    struct sn_cons_config c = sn_cons_config_default();
    c.no_empty_blocks = true;
    c.empty_blocks_interval_ns = 5 * SN_SEC;
    open_bench(&c);
    T_OK(put_timeout(SN_CONS_STEP_NEW_HEIGHT)); /* the first height needs a block in any case */
    T_EQ(b.timer.step, SN_CONS_STEP_PROPOSE);
    struct made m = make("tx", 0);
    T_OK(put_proposal(&m, 0, -1, -1));
    T_OK(put_parts(&m, 0));
    three(SN_CONS_PRECOMMIT, 0, &m.id);
    struct sn_cons_tx_result tx = {0};
    struct sn_cons_block_result res = {.txs = &tx, .n_txs = 1}; /* the same, empty, application hash */
    T_OK(put(&(struct sn_cons_input){.kind = SN_CONS_IN_FINALIZED, .result = &res}));
    T_OK(put(&(struct sn_cons_input){.kind = SN_CONS_IN_COMMITTED}));
    T_OK(put_timeout(SN_CONS_STEP_NEW_HEIGHT));
    T_EQ(sn_cons_core_round(b.core)->step, SN_CONS_STEP_NEW_ROUND);
    T_EQ(b.timer.duration_ns, 5 * SN_SEC);
    T_EQ(b.timer.step, SN_CONS_STEP_NEW_ROUND);
    T_OK(put(&(struct sn_cons_input){.kind = SN_CONS_IN_TXS_AVAILABLE}));
    T_ASSERT(sn_cons_core_round(b.core)->step >= SN_CONS_STEP_PROPOSE);
    unmake(&m);
    close_bench();
}

SN_TEST(rules_halts)
{
    open_bench(NULL);
    T_OK(put_timeout(SN_CONS_STEP_NEW_HEIGHT));
    struct made evil = make("tx", 1);
    T_OK(put_proposal(&evil, 0, -1, -1));
    T_OK(put_parts(&evil, 0));
    int r = 0;
    for (int i = 0; i < N && r >= 0; i++)
        if (i != b.us) r = put_vote(i, SN_CONS_PREVOTE, 0, &evil.id);
    T_EQ(r, SN_E_DATA_LOSS);
    T_EQ(put_timeout(SN_CONS_STEP_PROPOSE), SN_E_DATA_LOSS);
    unmake(&evil);
    close_bench();
    /* An application that answers with too few results. */
    open_bench(NULL);
    T_OK(put_timeout(SN_CONS_STEP_NEW_HEIGHT));
    struct made m = make("tx", 0);
    T_OK(put_proposal(&m, 0, -1, -1));
    T_OK(put_parts(&m, 0));
    three(SN_CONS_PRECOMMIT, 0, &m.id);
    struct sn_cons_block_result res = {0};
    T_EQ(put(&(struct sn_cons_input){.kind = SN_CONS_IN_FINALIZED, .result = &res}), SN_E_INTERNAL);
    unmake(&m);
    close_bench();
}

/* ---- parameters: when vote extensions may change ---- */

/* ASA-2024-001: an update that begins extensions at a height that is or was is the application's fault and
 * refused before the state changes. */
SN_TEST(rules_extension_height)
{
    static const struct {
        int64_t old, new, height;
        bool ok;
    } rows[] = {{0, 10, 5, true},  {0, 5, 5, false},  {0, 0, 5, true},   {10, 12, 5, true},
                {10, 0, 5, true},  {10, 0, 10, false}, {10, 12, 10, false}, {10, 10, 20, true},
                {10, 4, 5, false}, {0, -1, 5, false}};
    open_bench(NULL);
    struct made m = make("tx", 0);
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%lld to %lld at %lld", (long long)rows[i].old, (long long)rows[i].new,
                    (long long)rows[i].height);
        struct sn_cons_tx_result tx = {0};
        struct sn_cons_params_update u = {.has_abci = true, .p.extensions_height = rows[i].new};
        struct sn_cons_block_result res = {.txs = &tx, .n_txs = 1, .params = &u};
        struct sn_cons_state *next = NULL;
        b.state->params.extensions_height = rows[i].old;
        m.block->header.height = rows[i].height;
        int r = sn_cons_state_apply(b.state, m.block, &m.id, &res, &next);
        T_EQ(r, rows[i].ok ? 0 : SN_E_INVALID_ARGUMENT);
        T_EQ(next != NULL, rows[i].ok);
        sn_cons_state_unref(next);
    }
    /* Likewise the genesis and the answer to InitChain. */
    struct sn_cons_params_update u = {.has_abci = true, .p.extensions_height = -1};
    struct sn_cons_init_result init = {.params = &u};
    struct sn_cons_params p = sn_cons_params_default();
    struct sn_cons_state *next = NULL;
    p.extensions_height = -1;
    T_EQ(sn_cons_params_check(&p), SN_E_INVALID_ARGUMENT);
    b.state->params.extensions_height = 0;
    T_EQ(sn_cons_state_init_chain(b.state, &init, &next), SN_E_INVALID_ARGUMENT);
    T_ASSERT(!next);
    unmake(&m);
    close_bench();
}

/* ---- the k-th allocation fails ---- */

static struct sn_buf tortured;
static int torture_block(void *arg)
{
    struct sn_cons_block *x;
    struct sn_cons_part_set *p;
    struct sn_buf out;
    sn_buf_init(&out, 0);
    int r = sn_cons_block_decode(sn_buf_view(&tortured), &x);
    if (r < 0) return r;
    r = sn_cons_block_encode(x, &out);
    if (r >= 0) r = sn_cons_part_set_split(sn_buf_view(&out), &p);
    if (r >= 0) sn_cons_part_set_unref(p);
    sn_cons_block_unref(x);
    sn_buf_done(&out);
    return r;
}
/* Votes are made before: their signing needs memory, too, and is not what is tested. */
struct script {
    struct made m;
    struct sn_cons_vote votes[N];
};
static int say(struct sn_cons_core *core, struct sn_cons_msg *m)
{
    return sn_cons_core_input(core, &(struct sn_cons_input){.kind = SN_CONS_IN_MSG, .msg = m}, 1);
}
static int torture_core(void *arg)
{
    struct sn_cons_core_opts o = {.config = sn_cons_config_default(), .verifier = &sim_verifier};
    struct sn_cons_core *core;
    struct script *s = arg;
    int r = sn_cons_core_new(&o, b.state, NULL, 0, &core);
    if (r < 0) return r;
    for (int i = 0; i < N && r >= 0; i++)
        r = say(core, &(struct sn_cons_msg){.kind = SN_CONS_MSG_VOTE, .vote = &s->votes[i]});
    for (uint32_t i = 0; i < s->m.parts->header.total && r >= 0; i++)
        r = say(core, &(struct sn_cons_msg){.kind = SN_CONS_MSG_BLOCK_PART, .height = 1,
                                            .part = *s->m.parts->parts[i]});
    if (r >= 0 && sn_cons_core_ready(core)) r = SN_E_UNKNOWN; /* the block was not decided */
    sn_cons_core_free(core);
    return r;
}
static int torture_valset(void *arg)
{
    struct sn_cons_valset *s;
    struct sn_cons_hash h;
    int r = sn_cons_valset_new(b.vals, N, &s);
    if (r < 0) return r;
    r = sn_cons_valset_update(s, b.vals, 2);
    if (r >= 0) r = sn_cons_valset_hash(s, &h);
    sn_cons_valset_unref(s);
    return r;
}
SN_TEST_SLOW(rules_out_of_memory, 60)
{
    open_bench(NULL);
    struct made m = make("tx", 0);
    T_OK(sn_cons_block_encode(m.block, &tortured));
    T_OK(sn_torture(torture_block, NULL));
    T_OK(sn_torture(torture_valset, NULL));
    sn_buf_done(&tortured);
    struct script s = {.m = m};
    for (int i = 0; i < N; i++) s.votes[i] = vote_of(i, SN_CONS_PRECOMMIT, 0, &m.id);
    T_OK(sn_torture(torture_core, &s));
    unmake(&m);
    close_bench();
}

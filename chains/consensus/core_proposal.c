/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/core_proposal.c - making proposals, receiving them, and putting blocks together. */
#include "consensus/core_int.h"
#include "consensus/hash.h"
#include "consensus/valset.h"

int sn_cons_validate_block(struct sn_cons_core *c, const struct sn_cons_block *b)
{
    int r = sn_cons_state_validate(c->state, c->o.verifier, b);
    if (r < 0) return r;
    if (c->o.check_evidence) return c->o.check_evidence(c->o.arg, c->state, b);
    if (b->n_evidence == 0) return 0;
    return sn_fail(SN_E_INVALID_ARGUMENT, "block has evidence, and nobody here can check it");
}

bool sn_cons_proposal_complete(const struct sn_cons_core *c)
{
    const struct sn_cons_round_state *rs = &c->rs;
    if (!rs->has_proposal || !rs->block) return false;
    if (rs->proposal.pol_round < 0) return true;
    return sn_cons_vote_set_maj23(
               sn_cons_votes_of(c, rs->proposal.pol_round, SN_CONS_PREVOTE)) != NULL;
}

/* ---- proposing ---- */

static int propose(struct sn_cons_core *c, struct sn_cons_block *b, struct sn_cons_part_set *parts)
{
    struct sn_cons_proposal p = {.height = c->rs.height,
                                 .round = c->rs.round,
                                 .pol_round = c->rs.valid_round,
                                 .block_id = {b->hash, parts->header},
                                 .time = sn_cons_time_of_ns(c->now_ns)};
    return sn_cons_emit(c, (struct sn_cons_action){.kind = SN_CONS_ACT_SIGN_PROPOSAL,
                                                   .proposal = p,
                                                   .block = sn_cons_block_ref(b),
                                                   .parts = sn_cons_part_set_ref(parts)});
}

/* A block that two thirds found valid is proposed again; otherwise the application makes one. */
int sn_cons_ask_prepare(struct sn_cons_core *c, int32_t round)
{
    if (c->rs.valid_block) return propose(c, c->rs.valid_block, c->rs.valid_parts);
    c->preparing = round;
    return sn_cons_emit(c, (struct sn_cons_action){.kind = SN_CONS_ACT_PREPARE});
}

static int make_block(struct sn_cons_core *c, const struct sn_cons_block_content *content,
                      struct sn_cons_block **ret_block, struct sn_cons_part_set **ret_parts)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    struct sn_buf buf SN_CLEANUP(sn_buf_done);
    sn_buf_init(&buf, 0);
    struct sn_cons_commit commit;
    struct sn_cons_block_content full = *content;
    int r = sn_cons_core_last_commit(c, &a, &commit);
    if (r < 0) return r;
    full.last_commit = &commit;
    memcpy(full.proposer, c->o.addr, SN_CONS_ADDR_LEN);
    r = sn_cons_state_make_block(c->state, &full, ret_block);
    if (r >= 0) r = sn_cons_block_encode(*ret_block, &buf);
    if (r >= 0 && (int64_t)buf.len > sn_cons_proposal_bytes_max(c))
        r = sn_fail(SN_E_TOO_LARGE, "the application's block has %zu bytes, at most %lld", buf.len,
                    (long long)sn_cons_proposal_bytes_max(c));
    return r < 0 ? r : sn_cons_part_set_split(sn_buf_view(&buf), ret_parts);
}

int sn_cons_on_prepared(struct sn_cons_core *c, const struct sn_cons_input *in)
{
    const struct sn_cons_round_state *rs = &c->rs;
    if (in->height != rs->height || in->round != c->preparing) return 0;
    c->preparing = -1;
    /* Too late: others have gone on to vote nil. A proposal now would only be noise. */
    if (in->round != rs->round || rs->step != SN_CONS_STEP_PROPOSE || !in->content) return 0;
    struct sn_cons_block *b = NULL;
    struct sn_cons_part_set *parts = NULL;
    int r = make_block(c, in->content, &b, &parts);
    if (r >= 0) r = propose(c, b, parts);
    sn_cons_block_unref(b);
    sn_cons_part_set_unref(parts);
    return r;
}

/* ---- receiving ---- */

int64_t sn_cons_proposal_bytes_max(const struct sn_cons_core *c)
{
    return sn_cons_params_block_bytes(&c->state->params);
}

int sn_cons_on_proposal(struct sn_cons_core *c, const struct sn_cons_proposal *p)
{
    struct sn_cons_round_state *rs = &c->rs;
    if (rs->has_proposal || p->height != rs->height || p->round != rs->round || c->finalizing)
        return 0;
    if (p->pol_round < -1 || p->pol_round >= p->round)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "proposal of round %d has its proof of lock in round %d", p->round,
                       p->pol_round);
    struct sn_buf msg SN_CLEANUP(sn_buf_done);
    sn_buf_init(&msg, 0);
    int r = sn_cons_proposal_sign_bytes(sn_cons_state_chain(c->state), p, &msg);
    if (r >= 0)
        r = sn_cons_verify(c->o.verifier, &sn_cons_valset_proposer(rs->vals)->key,
                           sn_buf_view(&msg), &p->sig);
    if (r < 0) return r;
    if (r == 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "proposal %lld/%d is not signed by its proposer",
                       (long long)p->height, p->round);
    int64_t parts_max = (sn_cons_proposal_bytes_max(c) - 1) / SN_CONS_PART_BYTES + 1;
    if (p->block_id.parts.total > parts_max)
        return sn_fail(SN_E_INVALID_ARGUMENT, "proposal of a block of %u parts, at most %lld",
                       p->block_id.parts.total, (long long)parts_max);
    if (!rs->parts && (r = sn_cons_expect_block(c, &p->block_id.parts)) < 0) return r;
    rs->proposal = *p;
    rs->has_proposal = true;
    return 0;
}

/* The last part is here. A polka seen before makes the block the valid one. */
static int on_complete(struct sn_cons_core *c)
{
    struct sn_cons_round_state *rs = &c->rs;
    const struct sn_cons_block_id *polka =
        sn_cons_vote_set_maj23(sn_cons_votes_of(c, rs->round, SN_CONS_PREVOTE));
    int r = sn_cons_emit_note(c, SN_CONS_NOTE_COMPLETE_PROPOSAL);
    if (r < 0) return r;
    if (polka && rs->valid_round < rs->round && sn_cons_has_hash(rs->block, &polka->hash)) {
        rs->valid_round = rs->round;
        sn_cons_set_block(&rs->valid_block, rs->block);
        sn_cons_set_parts(&rs->valid_parts, rs->parts);
    }
    if (rs->step <= SN_CONS_STEP_PROPOSE && sn_cons_proposal_complete(c)) {
        r = sn_cons_enter_prevote(c, rs->height, rs->round);
        if (r >= 0 && polka) r = sn_cons_enter_precommit(c, rs->height, rs->round);
        return r;
    }
    return rs->step == SN_CONS_STEP_COMMIT ? sn_cons_try_finalize(c) : 0;
}

int sn_cons_on_part(struct sn_cons_core *c, const struct sn_cons_msg *m)
{
    struct sn_cons_round_state *rs = &c->rs;
    if (m->height != rs->height || !rs->parts || rs->block || c->finalizing) return 0;
    int r = sn_cons_part_set_add(rs->parts, &m->part);
    /* A part of another round's block is no fault. */
    if (r == SN_E_INVALID_ARGUMENT && m->round != rs->round) return 0;
    if (r <= 0) return r;
    if ((int64_t)rs->parts->byte_size > sn_cons_proposal_bytes_max(c))
        return sn_fail(SN_E_TOO_LARGE, "parts of %llu bytes, a block has at most %lld",
                       (unsigned long long)rs->parts->byte_size,
                       (long long)sn_cons_proposal_bytes_max(c));
    if (!sn_cons_part_set_complete(rs->parts)) return 0;
    struct sn_buf buf SN_CLEANUP(sn_buf_done);
    sn_buf_init(&buf, 0);
    r = sn_cons_part_set_join(rs->parts, &buf);
    if (r >= 0) r = sn_cons_block_decode(sn_buf_view(&buf), &rs->block);
    return r < 0 ? r : on_complete(c);
}

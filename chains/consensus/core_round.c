/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/core_round.c - the steps of a round, and when each is entered. Every function ignores
 * a call for a place the machine has passed already. */
#include "consensus/core_int.h"
#include "consensus/valset.h"

int sn_cons_schedule(struct sn_cons_core *c, int64_t duration_ns, int32_t round, uint8_t step)
{
    return sn_cons_emit(
        c, (struct sn_cons_action){
               .kind = SN_CONS_ACT_SCHEDULE,
               .timeout = {duration_ns, c->rs.height, round, step}});
}
static int64_t longer(int64_t base_ns, int64_t delta_ns, int32_t round)
{
    int64_t d, t;
    if (__builtin_mul_overflow(delta_ns, (int64_t)round, &d) ||
        __builtin_add_overflow(base_ns, d, &t))
        return INT64_MAX / 2;
    return t;
}

bool sn_cons_has_hash(const struct sn_cons_block *b, const struct sn_cons_hash *hash)
{
    return b && hash->len && sn_cons_hash_eq(&b->hash, hash);
}

/* Whether (round, step) lies before where we are; equal counts as passed. */
static bool passed(const struct sn_cons_core *c, int64_t height, int32_t round, uint8_t step)
{
    const struct sn_cons_round_state *rs = &c->rs;
    return height != rs->height || round < rs->round || (round == rs->round && step <= rs->step) ||
           c->finalizing;
}

/* The block to come is the one whose parts these are; what we have of another is dropped. */
int sn_cons_expect_block(struct sn_cons_core *c, const struct sn_cons_part_set_header *parts)
{
    struct sn_cons_part_set *p;
    if (c->rs.parts && sn_cons_part_set_header_eq(&c->rs.parts->header, parts)) return 0;
    int r = sn_cons_part_set_new(parts, &p);
    if (r < 0) return r;
    sn_cons_part_set_unref(c->rs.parts);
    c->rs.parts = p;
    return 1;
}

/* ---- new round, propose ---- */

/* A block is due even without transactions: it carries the application's new hash, which light
 * clients wait for. */
bool sn_cons_need_proof_block(const struct sn_cons_core *c)
{
    if (c->rs.height == c->state->initial_height || !c->o.has_last_app_hash) return true;
    return !sn_cons_app_hash_eq(&c->state->app_hash, &c->o.last_app_hash);
}

int sn_cons_enter_new_round(struct sn_cons_core *c, int64_t height, int32_t round)
{
    struct sn_cons_round_state *rs = &c->rs;
    if (height != rs->height || round < rs->round || c->finalizing ||
        (round == rs->round && rs->step != SN_CONS_STEP_NEW_HEIGHT))
        return 0;
    if (round > rs->round) {
        struct sn_cons_valset *vals = sn_cons_valset_copy(rs->vals);
        if (!vals) return SN_E_NOMEM;
        sn_cons_valset_advance(vals, round - rs->round);
        sn_cons_valset_unref(rs->vals);
        rs->vals = vals;
    }
    rs->round = round;
    rs->step = SN_CONS_STEP_NEW_ROUND;
    if (round != 0) { /* round 0 may have received its proposal early */
        rs->has_proposal = false;
        sn_cons_set_block(&rs->block, NULL);
        sn_cons_set_parts(&rs->parts, NULL);
    }
    /* The next round, too: others may be there already. */
    rs->votes.round = round == INT32_MAX ? round : round + 1;
    rs->precommit_wait = false;
    int r = sn_cons_emit_note(c, SN_CONS_NOTE_NEW_ROUND);
    if (r < 0) return r;
    const struct sn_cons_config *o = &c->o.config;
    bool wait = (o->no_empty_blocks || o->empty_blocks_interval_ns > 0) && round == 0 &&
                !sn_cons_need_proof_block(c);
    if (!wait) return sn_cons_enter_propose(c, height, round);
    if (o->empty_blocks_interval_ns <= 0) return 0;
    return sn_cons_schedule(c, o->empty_blocks_interval_ns, round, SN_CONS_STEP_NEW_ROUND);
}

int sn_cons_enter_propose(struct sn_cons_core *c, int64_t height, int32_t round)
{
    if (passed(c, height, round, SN_CONS_STEP_PROPOSE)) return 0;
    struct sn_cons_round_state *rs = &c->rs;
    const struct sn_cons_config *o = &c->o.config;
    int r = sn_cons_schedule(c, longer(o->propose_ns, o->propose_delta_ns, round), round,
                             SN_CONS_STEP_PROPOSE);
    if (r < 0) return r;
    rs->round = round;
    rs->step = SN_CONS_STEP_PROPOSE;
    if ((r = sn_cons_new_step(c)) < 0) return r;
    const struct sn_cons_validator *turn = sn_cons_valset_proposer(rs->vals);
    if (c->o.has_key && memcmp(turn->addr, c->o.addr, SN_CONS_ADDR_LEN) == 0)
        r = sn_cons_ask_prepare(c, round);
    if (r >= 0 && sn_cons_proposal_complete(c)) r = sn_cons_enter_prevote(c, height, rs->round);
    return r;
}

/* ---- prevote ---- */

/* Votes for the locked block, or asks the application about the proposed one, or votes nil. */
static int do_prevote(struct sn_cons_core *c)
{
    struct sn_cons_round_state *rs = &c->rs;
    struct sn_cons_block_id id = {0};
    if (rs->locked_block) {
        id = (struct sn_cons_block_id){rs->locked_block->hash, rs->locked_parts->header};
        return sn_cons_sign_vote(c, rs->round, SN_CONS_PREVOTE, &id, NULL);
    }
    int r = rs->block ? sn_cons_validate_block(c, rs->block) : SN_E_NOT_FOUND;
    if (r == SN_E_NOMEM || r == SN_E_INTERNAL) return r;
    if (r < 0) return sn_cons_sign_vote(c, rs->round, SN_CONS_PREVOTE, &id, NULL);
    c->processing = rs->round;
    c->processing_id = (struct sn_cons_block_id){rs->block->hash, rs->parts->header};
    return sn_cons_emit(c, (struct sn_cons_action){.kind = SN_CONS_ACT_PROCESS,
                                                   .block = sn_cons_block_ref(rs->block)});
}

int sn_cons_enter_prevote(struct sn_cons_core *c, int64_t height, int32_t round)
{
    if (passed(c, height, round, SN_CONS_STEP_PREVOTE)) return 0;
    c->rs.round = round;
    c->rs.step = SN_CONS_STEP_PREVOTE;
    int r = do_prevote(c);
    return r < 0 ? r : sn_cons_new_step(c);
}

int sn_cons_enter_prevote_wait(struct sn_cons_core *c, int64_t height, int32_t round)
{
    if (passed(c, height, round, SN_CONS_STEP_PREVOTE_WAIT)) return 0;
    SN_ASSERT(sn_cons_vote_set_two_thirds_any(sn_cons_votes_of(c, round, SN_CONS_PREVOTE)));
    const struct sn_cons_config *o = &c->o.config;
    c->rs.round = round;
    c->rs.step = SN_CONS_STEP_PREVOTE_WAIT;
    int r = sn_cons_schedule(c, longer(o->prevote_ns, o->prevote_delta_ns, round), round,
                             SN_CONS_STEP_PREVOTE_WAIT);
    return r < 0 ? r : sn_cons_new_step(c);
}

/* ---- precommit ---- */

int sn_cons_unlock(struct sn_cons_core *c)
{
    c->rs.locked_round = -1;
    sn_cons_set_block(&c->rs.locked_block, NULL);
    sn_cons_set_parts(&c->rs.locked_parts, NULL);
    return sn_cons_emit_note(c, SN_CONS_NOTE_UNLOCK);
}

/* Two thirds prevoted `id`: locks it if we have it. */
static int lock_and_precommit(struct sn_cons_core *c, const struct sn_cons_block_id *id)
{
    struct sn_cons_round_state *rs = &c->rs;
    int r;
    if (sn_cons_has_hash(rs->locked_block, &id->hash)) {
        rs->locked_round = rs->round;
        r = sn_cons_emit_note(c, SN_CONS_NOTE_RELOCK);
        if (r < 0) return r;
        return sn_cons_sign_vote(c, rs->round, SN_CONS_PRECOMMIT, id, rs->locked_block);
    }
    if (sn_cons_has_hash(rs->block, &id->hash)) {
        r = sn_cons_validate_block(c, rs->block);
        if (r == SN_E_NOMEM || r == SN_E_INTERNAL) return r;
        if (r < 0) return sn_cons_halt(c, SN_E_DATA_LOSS, "two thirds prevoted an invalid block");
        rs->locked_round = rs->round;
        sn_cons_set_block(&rs->locked_block, rs->block);
        sn_cons_set_parts(&rs->locked_parts, rs->parts);
        r = sn_cons_emit_note(c, SN_CONS_NOTE_LOCK);
        if (r < 0) return r;
        return sn_cons_sign_vote(c, rs->round, SN_CONS_PRECOMMIT, id, rs->block);
    }
    /* A block we do not have: nothing to lock, but ours is no longer the one. */
    struct sn_cons_block_id nil = {0};
    r = sn_cons_unlock(c);
    if (r >= 0) r = sn_cons_expect_block(c, &id->parts);
    if (r == 1) sn_cons_set_block(&rs->block, NULL);
    return r < 0 ? r : sn_cons_sign_vote(c, rs->round, SN_CONS_PRECOMMIT, &nil, NULL);
}

int sn_cons_enter_precommit(struct sn_cons_core *c, int64_t height, int32_t round)
{
    if (passed(c, height, round, SN_CONS_STEP_PRECOMMIT)) return 0;
    struct sn_cons_block_id nil = {0};
    c->rs.round = round;
    c->rs.step = SN_CONS_STEP_PRECOMMIT;
    const struct sn_cons_block_id *id =
        sn_cons_vote_set_maj23(sn_cons_votes_of(c, round, SN_CONS_PREVOTE));
    int r = id ? sn_cons_emit_note(c, SN_CONS_NOTE_POLKA) : 0;
    if (r < 0) return r;
    if (!id) {
        r = sn_cons_sign_vote(c, round, SN_CONS_PRECOMMIT, &nil, NULL);
    } else if (id->hash.len == 0) {
        r = c->rs.locked_block ? sn_cons_unlock(c) : 0;
        if (r >= 0) r = sn_cons_sign_vote(c, round, SN_CONS_PRECOMMIT, &nil, NULL);
    } else {
        r = lock_and_precommit(c, id);
    }
    return r < 0 ? r : sn_cons_new_step(c);
}

int sn_cons_enter_precommit_wait(struct sn_cons_core *c, int64_t height, int32_t round)
{
    struct sn_cons_round_state *rs = &c->rs;
    if (height != rs->height || round < rs->round || c->finalizing ||
        (round == rs->round && rs->precommit_wait))
        return 0;
    SN_ASSERT(sn_cons_vote_set_two_thirds_any(sn_cons_votes_of(c, round, SN_CONS_PRECOMMIT)));
    const struct sn_cons_config *o = &c->o.config;
    int r = sn_cons_schedule(c, longer(o->precommit_ns, o->precommit_delta_ns, round), round,
                             SN_CONS_STEP_PRECOMMIT_WAIT);
    rs->precommit_wait = true;
    return r < 0 ? r : sn_cons_new_step(c);
}

/* ---- commit ---- */

int sn_cons_enter_commit(struct sn_cons_core *c, int64_t height, int32_t round)
{
    struct sn_cons_round_state *rs = &c->rs;
    if (height != rs->height || rs->step >= SN_CONS_STEP_COMMIT) return 0;
    const struct sn_cons_block_id *id =
        sn_cons_vote_set_maj23(sn_cons_votes_of(c, round, SN_CONS_PRECOMMIT));
    SN_ASSERT(id && id->hash.len);
    rs->step = SN_CONS_STEP_COMMIT;
    rs->commit_round = round;
    rs->commit_ns = c->now_ns;
    int r = 0;
    if (sn_cons_has_hash(rs->locked_block, &id->hash)) {
        sn_cons_set_block(&rs->block, rs->locked_block);
        sn_cons_set_parts(&rs->parts, rs->locked_parts);
    }
    if (!sn_cons_has_hash(rs->block, &id->hash)) {
        r = sn_cons_expect_block(c, &id->parts);
        if (r == 1) {
            sn_cons_set_block(&rs->block, NULL);
            r = sn_cons_emit(c, (struct sn_cons_action){.kind = SN_CONS_ACT_VALID_BLOCK,
                                                        .parts = sn_cons_part_set_ref(rs->parts)});
        }
    }
    if (r >= 0) r = sn_cons_new_step(c);
    return r < 0 ? r : sn_cons_try_finalize(c);
}

int sn_cons_try_finalize(struct sn_cons_core *c)
{
    struct sn_cons_round_state *rs = &c->rs;
    const struct sn_cons_block_id *id =
        sn_cons_vote_set_maj23(sn_cons_votes_of(c, rs->commit_round, SN_CONS_PRECOMMIT));
    if (c->finalizing || rs->step != SN_CONS_STEP_COMMIT || !id ||
        !sn_cons_has_hash(rs->block, &id->hash))
        return 0;
    if (!rs->parts || !sn_cons_part_set_header_eq(&rs->parts->header, &id->parts))
        return sn_cons_halt(c, SN_E_DATA_LOSS, "two thirds committed a block in other parts");
    int r = sn_cons_validate_block(c, rs->block);
    if (r == SN_E_NOMEM || r == SN_E_INTERNAL) return r;
    if (r < 0) return sn_cons_halt(c, SN_E_DATA_LOSS, "two thirds committed an invalid block");
    c->finalizing = true;
    r = sn_cons_emit(c, (struct sn_cons_action){.kind = SN_CONS_ACT_SAVE_BLOCK,
                                                .block = sn_cons_block_ref(rs->block),
                                                .parts = sn_cons_part_set_ref(rs->parts)});
    if (r >= 0) r = sn_cons_emit(c, (struct sn_cons_action){.kind = SN_CONS_ACT_END_HEIGHT});
    if (r < 0) return r;
    return sn_cons_emit(c, (struct sn_cons_action){.kind = SN_CONS_ACT_FINALIZE,
                                                   .block = sn_cons_block_ref(rs->block)});
}

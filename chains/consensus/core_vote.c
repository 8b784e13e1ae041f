/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/core_vote.c - signing our votes and counting everybody's. */
#include "consensus/core_int.h"
#include "consensus/valset.h"

/* ---- ours ---- */

/* Later than the block voted for, so that the next block's time, the median of these, increases. */
static struct sn_cons_time vote_time(const struct sn_cons_core *c)
{
    const struct sn_cons_block *b = c->rs.locked_block ? c->rs.locked_block : c->rs.block;
    struct sn_cons_time now = sn_cons_time_of_ns(c->now_ns);
    if (!b) return now;
    struct sn_cons_time min = b->header.time;
    min.nsec += (int32_t)SN_MS;
    if (min.nsec >= SN_SEC) {
        min.nsec -= (int32_t)SN_SEC;
        min.sec++;
    }
    return sn_cons_time_cmp(now, min) > 0 ? now : min;
}

static int ask_signature(struct sn_cons_core *c, int32_t round, uint8_t type,
                         const struct sn_cons_block_id *id, struct sn_str ext)
{
    int32_t index = sn_cons_valset_find(c->rs.vals, c->o.addr);
    bool later = round > c->signed_round || (round == c->signed_round && type > c->signed_type);
    if (index < 0 || !later) return 0;
    struct sn_cons_vote v = {.type = type, .height = c->rs.height, .round = round,
                             .block_id = *id, .time = vote_time(c), .index = index, .ext = ext};
    memcpy(v.addr, c->o.addr, SN_CONS_ADDR_LEN);
    struct sn_cons_vote *kept = sn_cons_vote_new(&v);
    if (!kept) return SN_E_NOMEM;
    c->signed_round = round;
    c->signed_type = type;
    return sn_cons_emit(c, (struct sn_cons_action){.kind = SN_CONS_ACT_SIGN_VOTE, .vote = kept});
}

int sn_cons_sign_vote(struct sn_cons_core *c, int32_t round, uint8_t type,
                      const struct sn_cons_block_id *id, struct sn_cons_block *block)
{
    if (!c->o.has_key) return 0;
    if (type == SN_CONS_PREVOTE || sn_cons_block_id_is_nil(id) || !sn_cons_extensions(c))
        return ask_signature(c, round, type, id, (struct sn_str){0});
    if (sn_cons_valset_find(c->rs.vals, c->o.addr) < 0) return 0;
    c->extending = round;
    c->extending_id = *id;
    return sn_cons_emit(c, (struct sn_cons_action){.kind = SN_CONS_ACT_EXTEND,
                                                   .block = sn_cons_block_ref(block)});
}

int sn_cons_on_extended(struct sn_cons_core *c, const struct sn_cons_input *in)
{
    if (in->height != c->rs.height || in->round != c->extending) return 0;
    c->extending = -1;
    if (in->extension.len > SN_CONS_EXTENSION_MAX)
        return sn_cons_halt(c, SN_E_INTERNAL, "the application's vote extension is too long");
    return ask_signature(c, in->round, SN_CONS_PRECOMMIT, &c->extending_id, in->extension);
}

/* ---- everybody's ---- */

static int has_vote(struct sn_cons_core *c, struct sn_cons_vote *v)
{
    return sn_cons_emit(c, (struct sn_cons_action){.kind = SN_CONS_ACT_HAS_VOTE,
                                                   .height = v->height, .round = v->round,
                                                   .vote = sn_cons_vote_ref(v)});
}

/* Adds an admitted vote to its set. Returns 1 counted, 0 not, SN_E_*; a conflict is reported, unless
 * it is with ourselves: then another process signs with our key. */
static int count(struct sn_cons_core *c, struct sn_cons_vote_set *set, struct sn_cons_vote *v)
{
    struct sn_cons_vote *other;
    int added = sn_cons_vote_set_add(set, v, &other);
    if (added < 0) return added;
    if (other && c->o.has_key && memcmp(v->addr, c->o.addr, SN_CONS_ADDR_LEN) == 0) {
        if (added == 0)
            return sn_fail(SN_E_ALREADY_EXISTS,
                           "a second vote of our own at %lld/%d: is our key used elsewhere?",
                           (long long)v->height, v->round);
    } else if (other) {
        int r = sn_cons_emit(c, (struct sn_cons_action){.kind = SN_CONS_ACT_CONFLICT,
                                                        .vote = sn_cons_vote_ref(other),
                                                        .vote_b = sn_cons_vote_ref(v)});
        if (r < 0) return r;
    }
    if (added == 0) return 0;
    int r = has_vote(c, v);
    return r < 0 ? r : 1;
}

/* A precommit of the last height that came in time to be in the next block. */
static int on_late_precommit(struct sn_cons_core *c, const struct sn_cons_vote *v)
{
    struct sn_cons_vote_set *set = c->rs.last_commit;
    if (c->rs.step != SN_CONS_STEP_NEW_HEIGHT || !set || v->round != set->round) return 0;
    int r = sn_cons_vote_set_admit(set, c->o.verifier, sn_cons_state_chain(c->state), v);
    if (r <= 0) return r;
    struct sn_cons_vote *kept = sn_cons_vote_new(v);
    if (!kept) return SN_E_NOMEM;
    r = count(c, set, kept);
    sn_cons_vote_unref(kept);
    if (r <= 0) return r;
    if (c->o.config.skip_commit_timeout && sn_cons_vote_set_all(set))
        return sn_cons_enter_new_round(c, c->rs.height, 0);
    return 0;
}

/* What a polka does to lock and valid block. */
static int on_polka(struct sn_cons_core *c, int32_t round, const struct sn_cons_block_id *id)
{
    struct sn_cons_round_state *rs = &c->rs;
    int r = 0;
    if (rs->locked_block && rs->locked_round < round && round <= rs->round &&
        !sn_cons_has_hash(rs->locked_block, &id->hash))
        r = sn_cons_unlock(c);
    if (r < 0 || id->hash.len == 0 || rs->valid_round >= round || round != rs->round) return r;
    if (sn_cons_has_hash(rs->block, &id->hash)) {
        rs->valid_round = round;
        sn_cons_set_block(&rs->valid_block, rs->block);
        sn_cons_set_parts(&rs->valid_parts, rs->parts);
    } else {
        sn_cons_set_block(&rs->block, NULL);
    }
    if ((r = sn_cons_expect_block(c, &id->parts)) < 0) return r;
    return sn_cons_emit(c, (struct sn_cons_action){.kind = SN_CONS_ACT_VALID_BLOCK,
                                                   .parts = sn_cons_part_set_ref(rs->parts)});
}

static int after_prevote(struct sn_cons_core *c, int64_t height, int32_t round)
{
    struct sn_cons_round_state *rs = &c->rs;
    const struct sn_cons_vote_set *set = sn_cons_votes_of(c, round, SN_CONS_PREVOTE);
    const struct sn_cons_block_id *id = sn_cons_vote_set_maj23(set);
    int r = id ? on_polka(c, round, id) : 0;
    if (r < 0) return r;
    if (round > rs->round && sn_cons_vote_set_two_thirds_any(set))
        return sn_cons_enter_new_round(c, height, round);
    if (round == rs->round && rs->step >= SN_CONS_STEP_PREVOTE) {
        if (id && (sn_cons_proposal_complete(c) || id->hash.len == 0))
            return sn_cons_enter_precommit(c, height, round);
        if (sn_cons_vote_set_two_thirds_any(set))
            return sn_cons_enter_prevote_wait(c, height, round);
        return 0;
    }
    if (rs->has_proposal && rs->proposal.pol_round == round && sn_cons_proposal_complete(c))
        return sn_cons_enter_prevote(c, height, rs->round);
    return 0;
}

static int after_precommit(struct sn_cons_core *c, int64_t height, int32_t round)
{
    const struct sn_cons_vote_set *set = sn_cons_votes_of(c, round, SN_CONS_PRECOMMIT);
    const struct sn_cons_block_id *id = sn_cons_vote_set_maj23(set);
    int r;
    if (id) {
        r = sn_cons_enter_new_round(c, height, round);
        if (r >= 0) r = sn_cons_enter_precommit(c, height, round);
        if (r < 0) return r;
        return id->hash.len ? sn_cons_enter_commit(c, height, round)
                            : sn_cons_enter_precommit_wait(c, height, round);
    }
    if (c->rs.round > round || !sn_cons_vote_set_two_thirds_any(set)) return 0;
    r = sn_cons_enter_new_round(c, height, round);
    return r < 0 ? r : sn_cons_enter_precommit_wait(c, height, round);
}

static int count_and_step(struct sn_cons_core *c, struct sn_cons_vote_set *set,
                          struct sn_cons_vote *v)
{
    int r = count(c, set, v);
    if (r <= 0 || c->finalizing) return r < 0 ? r : 0;
    return v->type == SN_CONS_PREVOTE ? after_prevote(c, v->height, v->round)
                                      : after_precommit(c, v->height, v->round);
}

/* The application has a word on others' extensions before their votes count. */
static int ask_extension(struct sn_cons_core *c, struct sn_cons_vote *v)
{
    SN_VEC_EACH(&c->unverified, u)
        if ((*u)->index == v->index && (*u)->round == v->round) return 0;
    if (c->unverified.len == SN_CONS_EXTENSIONS_PENDING_MAX)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "more than %d vote extensions wait for a verdict",
                       SN_CONS_EXTENSIONS_PENDING_MAX);
    if (sn_vec_push(&c->unverified, sn_cons_vote_ref(v)) < 0) {
        sn_cons_vote_unref(v);
        return SN_E_NOMEM;
    }
    return sn_cons_emit(c, (struct sn_cons_action){.kind = SN_CONS_ACT_VERIFY_EXTENSION,
                                                   .vote = sn_cons_vote_ref(v)});
}

int sn_cons_on_extension_verified(struct sn_cons_core *c, const struct sn_cons_input *in)
{
    size_t at = 0;
    while (at < c->unverified.len && c->unverified.ptr[at] != in->vote) at++;
    if (at == c->unverified.len) return 0;
    struct sn_cons_vote *v = c->unverified.ptr[at];
    sn_vec_remove_swap(&c->unverified, at);
    int r = 0;
    if (in->ok && v->height == c->rs.height) {
        struct sn_cons_vote_set *set = sn_cons_votes_of(c, v->round, v->type);
        /* It may have come another way since. */
        r = set ? sn_cons_vote_set_admit(set, c->o.verifier, sn_cons_state_chain(c->state), v) : 0;
        if (r > 0) r = count_and_step(c, set, v);
    }
    sn_cons_vote_unref(v);
    return r;
}

int sn_cons_on_vote(struct sn_cons_core *c, const struct sn_cons_vote *v,
                    const struct sn_cons_peer_id *peer)
{
    if (v->height + 1 == c->rs.height && v->type == SN_CONS_PRECOMMIT)
        return on_late_precommit(c, v);
    if (v->height != c->rs.height) return 0;
    if ((uint32_t)v->index >= c->rs.vals->n)
        return sn_fail(SN_E_INVALID_ARGUMENT, "vote of validator %d, there are %u", v->index,
                       c->rs.vals->n);
    struct sn_cons_vote_set *set;
    int r = sn_cons_height_votes_open(&c->rs.votes, v->round, v->type, peer, &set);
    if (r >= 0) r = sn_cons_vote_set_admit(set, c->o.verifier, sn_cons_state_chain(c->state), v);
    if (r <= 0) return r;
    struct sn_cons_vote *kept = sn_cons_vote_new(v);
    if (!kept) return SN_E_NOMEM;
    bool ours = c->o.has_key && memcmp(v->addr, c->o.addr, SN_CONS_ADDR_LEN) == 0;
    bool extended = v->type == SN_CONS_PRECOMMIT && !sn_cons_block_id_is_nil(&v->block_id) &&
                    sn_cons_extensions(c);
    r = extended && !ours ? ask_extension(c, kept) : count_and_step(c, set, kept);
    sn_cons_vote_unref(kept);
    return r;
}

int sn_cons_on_claim(struct sn_cons_core *c, const struct sn_cons_msg *m,
                     const struct sn_cons_peer_id *peer)
{
    struct sn_cons_vote_set *set;
    /* A claim opens no round of its own. */
    if (m->height != c->rs.height ||
        (m->round > c->rs.votes.round && !sn_cons_votes_of(c, m->round, m->vote_type)))
        return 0;
    int r = sn_cons_height_votes_open(&c->rs.votes, m->round, m->vote_type, peer, &set);
    return r < 0 ? r : sn_cons_vote_set_claim(set, peer, &m->block_id);
}

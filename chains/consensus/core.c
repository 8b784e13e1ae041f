/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/core.c - inputs, actions, and the change from one height to the next. */
#include <stdio.h>

#include "consensus/core_int.h"
#include "consensus/valset.h"
#include "core/alloc.h"

static const char *const step_names[] = {
    "RoundStepUnknown", "RoundStepNewHeight",   "RoundStepNewRound",  "RoundStepPropose",
    "RoundStepPrevote", "RoundStepPrevoteWait", "RoundStepPrecommit", "RoundStepPrecommitWait",
    "RoundStepCommit"};
const char *sn_cons_step_name(enum sn_cons_step step)
{
    return step_names[step < SN_COUNT_OF(step_names) ? step : 0];
}

struct sn_cons_config sn_cons_config_default(void)
{
    return (struct sn_cons_config){.propose_ns = 3 * SN_SEC,
                                   .propose_delta_ns = 500 * SN_MS,
                                   .prevote_ns = SN_SEC,
                                   .prevote_delta_ns = 500 * SN_MS,
                                   .precommit_ns = SN_SEC,
                                   .precommit_delta_ns = 500 * SN_MS,
                                   .commit_ns = SN_SEC};
}

/* ---- actions ---- */

void sn_cons_action_done(struct sn_cons_action *a)
{
    sn_cons_vote_unref(a->vote);
    sn_cons_vote_unref(a->vote_b);
    sn_cons_block_unref(a->block);
    sn_cons_part_set_unref(a->parts);
    sn_cons_state_unref(a->state);
    *a = (struct sn_cons_action){0};
}
int sn_cons_emit(struct sn_cons_core *c, struct sn_cons_action a)
{
    if (!a.height) {
        a.height = c->rs.height;
        a.round = c->rs.round;
        a.step = c->rs.step;
    }
    if (sn_vec_push(&c->actions, a) == 0) return 0;
    sn_cons_action_done(&a);
    return SN_E_NOMEM;
}
bool sn_cons_core_action(struct sn_cons_core *c, struct sn_cons_action *ret)
{
    if (c->taken == c->actions.len) {
        c->taken = c->actions.len = 0;
        return false;
    }
    *ret = c->actions.ptr[c->taken++];
    return true;
}
int sn_cons_emit_note(struct sn_cons_core *c, enum sn_cons_note note)
{
    return sn_cons_emit(c, (struct sn_cons_action){.kind = SN_CONS_ACT_NOTE, .note = note});
}
int sn_cons_new_step(struct sn_cons_core *c)
{
    return sn_cons_emit(
        c, (struct sn_cons_action){.kind = SN_CONS_ACT_NEW_STEP, .step = c->rs.step});
}

int sn_cons_halt(struct sn_cons_core *c, int code, const char *what)
{
    c->halted = code;
    snprintf(c->halt_text, sizeof(c->halt_text), "%s", what);
    return sn_fail(code, "consensus halts at %lld/%d: %s", (long long)c->rs.height, c->rs.round,
                   what);
}

/* ---- the pieces of a round ---- */

void sn_cons_set_block(struct sn_cons_block **at, struct sn_cons_block *b)
{
    if (b) sn_cons_block_ref(b);
    sn_cons_block_unref(*at);
    *at = b;
}
void sn_cons_set_parts(struct sn_cons_part_set **at, struct sn_cons_part_set *p)
{
    if (p) sn_cons_part_set_ref(p);
    sn_cons_part_set_unref(*at);
    *at = p;
}
bool sn_cons_extensions(const struct sn_cons_core *c)
{
    return sn_cons_params_extensions(&c->state->params, c->rs.height);
}

static void forget_height(struct sn_cons_core *c)
{
    struct sn_cons_round_state *rs = &c->rs;
    rs->has_proposal = false;
    sn_cons_set_block(&rs->block, NULL);
    sn_cons_set_parts(&rs->parts, NULL);
    sn_cons_set_block(&rs->locked_block, NULL);
    sn_cons_set_parts(&rs->locked_parts, NULL);
    sn_cons_set_block(&rs->valid_block, NULL);
    sn_cons_set_parts(&rs->valid_parts, NULL);
    sn_cons_height_votes_done(&rs->votes);
    sn_cons_valset_unref(rs->vals);
    rs->vals = NULL;
    rs->locked_round = rs->valid_round = rs->commit_round = -1;
    rs->precommit_wait = false;
    c->signed_round = c->preparing = c->processing = c->extending = -1;
    c->signed_type = 0;
    SN_VEC_EACH(&c->unverified, v) sn_cons_vote_unref(*v);
    c->unverified.len = 0;
}

/* Begins the height after `state`; its first round starts when the commit timeout has passed. */
static int begin_height(struct sn_cons_core *c, struct sn_cons_state *state)
{
    struct sn_cons_round_state *rs = &c->rs;
    forget_height(c);
    sn_cons_state_ref(state);
    sn_cons_state_unref(c->state);
    c->state = state;
    rs->height = sn_cons_state_next_height(state);
    rs->round = 0;
    rs->step = SN_CONS_STEP_NEW_HEIGHT;
    rs->start_ns = (rs->commit_ns ? rs->commit_ns : c->now_ns) + c->o.config.commit_ns;
    rs->commit_ns = 0;
    rs->vals = sn_cons_valset_ref(state->vals);
    sn_cons_height_votes_init(&rs->votes, rs->height, sn_cons_extensions(c), state->vals);
    int r = sn_cons_new_step(c);
    if (r < 0) return r;
    int64_t wait = SN_MAX(rs->start_ns - c->now_ns, 0);
    return sn_cons_schedule(c, wait, 0, SN_CONS_STEP_NEW_HEIGHT);
}

/* The last height's precommits, from the commit that was stored with its block. */
static int restore_last_commit(struct sn_cons_core *c, const struct sn_cons_state *s,
                               const struct sn_cons_commit *commit)
{
    struct sn_cons_vote_set *set;
    bool extensions = sn_cons_params_extensions(&s->params, s->last_height);
    if (!commit || commit->height != s->last_height || commit->n != s->last_vals->n)
        return sn_fail(SN_E_INVALID_ARGUMENT, "no commit of height %lld by its %u validators",
                       (long long)s->last_height, s->last_vals->n);
    int r = sn_cons_vote_set_new(s->last_height, commit->round, SN_CONS_PRECOMMIT, extensions,
                                 s->last_vals, &set);
    if (r < 0) return r;
    c->rs.last_commit = set;
    for (uint32_t i = 0; i < commit->n && r >= 0; i++) {
        struct sn_cons_vote v, *kept, *conflict;
        if (commit->sigs[i].flag == SN_CONS_ABSENT) continue;
        sn_cons_commit_vote(commit, i, &v);
        r = sn_cons_vote_set_admit(set, c->o.verifier, sn_cons_state_chain(s), &v);
        if (r <= 0) continue;
        kept = sn_cons_vote_new(&v);
        r = kept ? sn_cons_vote_set_add(set, kept, &conflict) : SN_E_NOMEM;
        sn_cons_vote_unref(kept);
    }
    if (r < 0) return sn_wrap(r, "stored commit of height %lld", (long long)s->last_height);
    const struct sn_cons_block_id *maj = sn_cons_vote_set_maj23(set);
    if (!maj || !sn_cons_block_id_eq(maj, &s->last_block_id))
        return sn_fail(SN_E_INVALID_ARGUMENT, "stored commit of height %lld is none of its block",
                       (long long)s->last_height);
    return 0;
}

int sn_cons_core_new(const struct sn_cons_core_opts *opts, struct sn_cons_state *state,
                     const struct sn_cons_commit *seen_commit, int64_t now_ns,
                     struct sn_cons_core **ret)
{
    if (state->vals->n == 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "chain %.*s has no validator", state->chain_id_len,
                       state->chain_id);
    struct sn_cons_core *c = SN_NEW(struct sn_cons_core);
    if (!c) return SN_E_NOMEM;
    c->o = *opts;
    c->now_ns = now_ns;
    int r = state->last_height ? restore_last_commit(c, state, seen_commit) : 0;
    if (r >= 0) r = begin_height(c, state);
    if (r < 0) {
        sn_cons_core_free(c);
        return r;
    }
    *ret = c;
    return 0;
}
void sn_cons_core_free(struct sn_cons_core *c)
{
    if (!c) return;
    struct sn_cons_action a;
    while (sn_cons_core_action(c, &a)) sn_cons_action_done(&a);
    sn_vec_done(&c->actions);
    forget_height(c);
    sn_vec_done(&c->unverified);
    sn_cons_vote_set_free(c->rs.last_commit);
    sn_cons_state_unref(c->state);
    sn_cons_state_unref(c->applied);
    sn_free(c);
}

const struct sn_cons_round_state *sn_cons_core_round(const struct sn_cons_core *c) { return &c->rs; }
bool sn_cons_core_ready(const struct sn_cons_core *c) { return !c->finalizing && !c->halted; }
struct sn_cons_state *sn_cons_core_state(const struct sn_cons_core *c) { return c->state; }
int sn_cons_core_last_commit(const struct sn_cons_core *c, struct sn_arena *a,
                             struct sn_cons_commit *ret)
{
    *ret = (struct sn_cons_commit){0};
    return c->rs.last_commit ? sn_cons_vote_set_commit(c->rs.last_commit, a, ret) : 0;
}
int sn_cons_core_seen_commit(const struct sn_cons_core *c, struct sn_arena *a,
                             struct sn_cons_commit *ret)
{
    const struct sn_cons_vote_set *s = sn_cons_votes_of(c, c->rs.commit_round, SN_CONS_PRECOMMIT);
    SN_ASSERT(c->finalizing && s);
    return sn_cons_vote_set_commit(s, a, ret);
}

/* ---- inputs ---- */

static int on_finalized(struct sn_cons_core *c, const struct sn_cons_block_result *res)
{
    if (!c->finalizing || c->applied)
        return sn_fail(SN_E_FAILED_PRECONDITION, "no block is being executed");
    const struct sn_cons_block_id *id =
        sn_cons_vote_set_maj23(sn_cons_votes_of(c, c->rs.commit_round, SN_CONS_PRECOMMIT));
    int r = sn_cons_state_apply(c->state, c->rs.block, id, res, &c->applied);
    if (r == SN_E_NOMEM) return r;
    if (r < 0) return sn_cons_halt(c, SN_E_INTERNAL, sn_diag_str(r));
    return sn_cons_emit(c, (struct sn_cons_action){.kind = SN_CONS_ACT_COMMIT,
                                                   .state = sn_cons_state_ref(c->applied),
                                                   .block = sn_cons_block_ref(c->rs.block)});
}

static int on_committed(struct sn_cons_core *c)
{
    if (!c->applied) return sn_fail(SN_E_FAILED_PRECONDITION, "no block is being committed");
    struct sn_cons_state *next = c->applied;
    c->applied = NULL;
    c->finalizing = false;
    c->o.last_app_hash = c->rs.block->header.app_hash;
    c->o.has_last_app_hash = true;
    sn_cons_vote_set_free(c->rs.last_commit);
    c->rs.last_commit = sn_cons_height_votes_take(&c->rs.votes, c->rs.commit_round);
    int r = sn_cons_emit(c, (struct sn_cons_action){.kind = SN_CONS_ACT_SAVE_STATE,
                                                    .state = sn_cons_state_ref(next)});
    if (r >= 0) r = begin_height(c, next);
    sn_cons_state_unref(next);
    if (r >= 0 && c->o.config.skip_commit_timeout && sn_cons_vote_set_all(c->rs.last_commit))
        r = sn_cons_enter_new_round(c, c->rs.height, 0);
    return r;
}

static int on_timeout(struct sn_cons_core *c, const struct sn_cons_timeout *t)
{
    const struct sn_cons_round_state *rs = &c->rs;
    if (t->height != rs->height || t->round < rs->round ||
        (t->round == rs->round && t->step < rs->step))
        return 0;
    int r;
    switch (t->step) {
    case SN_CONS_STEP_NEW_HEIGHT: return sn_cons_enter_new_round(c, t->height, 0);
    case SN_CONS_STEP_NEW_ROUND: /* may have replaced the timer that begins the height */
        r = rs->step == SN_CONS_STEP_NEW_HEIGHT ? sn_cons_enter_new_round(c, t->height, 0) : 0;
        return r < 0 ? r : sn_cons_enter_propose(c, t->height, t->round);
    case SN_CONS_STEP_PROPOSE:
        r = sn_cons_emit_note(c, SN_CONS_NOTE_TIMEOUT_PROPOSE);
        return r < 0 ? r : sn_cons_enter_prevote(c, t->height, t->round);
    case SN_CONS_STEP_PREVOTE_WAIT:
        r = sn_cons_emit_note(c, SN_CONS_NOTE_TIMEOUT_WAIT);
        return r < 0 ? r : sn_cons_enter_precommit(c, t->height, t->round);
    case SN_CONS_STEP_PRECOMMIT_WAIT:
        if (t->round == INT32_MAX) return 0;
        r = sn_cons_emit_note(c, SN_CONS_NOTE_TIMEOUT_WAIT);
        if (r >= 0) r = sn_cons_enter_precommit(c, t->height, t->round);
        return r < 0 ? r : sn_cons_enter_new_round(c, t->height, t->round + 1);
    default:
        return sn_fail(SN_E_INVALID_ARGUMENT, "timeout of step %u", t->step);
    }
}

static int on_txs_available(struct sn_cons_core *c)
{
    const struct sn_cons_round_state *rs = &c->rs;
    if (rs->round != 0) return 0;
    if (rs->step == SN_CONS_STEP_NEW_ROUND) return sn_cons_enter_propose(c, rs->height, 0);
    if (rs->step != SN_CONS_STEP_NEW_HEIGHT || sn_cons_need_proof_block(c)) return 0;
    /* Behind the timer that begins the round: the transactions are for it. */
    return sn_cons_schedule(c, SN_MAX(rs->start_ns - c->now_ns, 0) + SN_MS, 0,
                            SN_CONS_STEP_NEW_ROUND);
}

static int on_msg(struct sn_cons_core *c, const struct sn_cons_input *in)
{
    static const struct sn_cons_peer_id self = {0};
    const struct sn_cons_peer_id *peer = in->peer ? in->peer : &self;
    switch (in->msg->kind) {
    case SN_CONS_MSG_PROPOSAL: return sn_cons_on_proposal(c, &in->msg->proposal);
    case SN_CONS_MSG_BLOCK_PART: return sn_cons_on_part(c, in->msg);
    case SN_CONS_MSG_VOTE: return sn_cons_on_vote(c, in->msg->vote, peer);
    case SN_CONS_MSG_VOTE_SET_MAJ23: return sn_cons_on_claim(c, in->msg, peer);
    default: return 0; /* gossip's */
    }
}

static int on_processed(struct sn_cons_core *c, const struct sn_cons_input *in)
{
    if (in->height != c->rs.height || in->round != c->processing) return 0;
    c->processing = -1;
    struct sn_cons_block_id nil = {0};
    return sn_cons_sign_vote(c, in->round, SN_CONS_PREVOTE, in->ok ? &c->processing_id : &nil, NULL);
}

static int dispatch(struct sn_cons_core *c, const struct sn_cons_input *in)
{
    switch (in->kind) {
    case SN_CONS_IN_MSG: return on_msg(c, in);
    case SN_CONS_IN_TIMEOUT: return on_timeout(c, &in->timeout);
    case SN_CONS_IN_TXS_AVAILABLE: return on_txs_available(c);
    case SN_CONS_IN_PREPARED: return sn_cons_on_prepared(c, in);
    case SN_CONS_IN_PROCESSED: return on_processed(c, in);
    case SN_CONS_IN_EXTENDED: return sn_cons_on_extended(c, in);
    case SN_CONS_IN_EXTENSION_VERIFIED: return sn_cons_on_extension_verified(c, in);
    case SN_CONS_IN_FINALIZED: return on_finalized(c, in->result);
    case SN_CONS_IN_COMMITTED: return on_committed(c);
    }
    return sn_fail(SN_E_INVALID_ARGUMENT, "input of no known kind");
}

int sn_cons_core_input(struct sn_cons_core *c, const struct sn_cons_input *in, int64_t now_ns)
{
    if (c->halted) return sn_fail(c->halted, "consensus has halted: %s", c->halt_text);
    if (c->actions.len - c->taken > SN_CONS_ACTIONS_MAX)
        return sn_fail(SN_E_BUSY, "more than %d actions were not taken", SN_CONS_ACTIONS_MAX);
    if (c->finalizing && in->kind <= SN_CONS_IN_TXS_AVAILABLE)
        return sn_fail(SN_E_BUSY, "block %lld is being executed", (long long)c->rs.height);
    c->now_ns = now_ns;
    int r = dispatch(c, in);
    /* Half a transition may have happened: no further one is safe. */
    if (!c->halted && (r == SN_E_NOMEM || r == SN_E_INTERNAL))
        return sn_cons_halt(c, r, r == SN_E_NOMEM ? "out of memory" : sn_diag_str(r));
    return r;
}

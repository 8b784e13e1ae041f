/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/engine_act.c - what the core's actions say: signatures, storage, timers, news. */
#include "consensus/node/engine_int.h"
#include "kit/log.h"

SN_LOG_MODULE("consensus");

/* ---- the log ---- */

/* Whatever may change a decision makes the log dirty; steps are for its readers only. */
int sn_engine_log(struct sn_engine *e, struct sn_cons_wal_record *rec)
{
    rec->time = sn_cons_time_of_ns(sn_engine_now());
    if (rec->kind != SN_CONS_WAL_ROUND_STATE) e->dirty = true;
    return sn_cons_wal_append(e->wal, rec);
}
int sn_engine_sync(struct sn_engine *e)
{
    if (!e->dirty) return 0;
    int r = sn_cons_wal_sync(e->wal);
    if (r < 0) return r;
    e->dirty = false;
    e->n_log_syncs++;
    return 0;
}

/* ---- signatures ----
 *
 * A vote: the log is synced before it is signed. Then the decision is durable, and should a crash
 * take the vote's own record, replay comes to the same decision and the signer gives the same
 * signature again. What need not be the same the second time, a proposal's content and an extension,
 * is synced before it leaves. So there is one sync for a signature, not two. */

void sn_engine_own_done(struct sn_engine_own *own)
{
    sn_cons_vote_unref(own->vote);
    sn_cons_part_set_unref(own->parts);
    *own = (struct sn_engine_own){0};
}

/* A signer that does not sign costs a vote; a disk that fails ends the node, because what it will
 * remember is unknown. */
static int refused(const struct sn_engine *e, int r, const char *what, int64_t height,
                   int32_t round)
{
    if (r == SN_E_IO || r == SN_E_RESOURCE_EXHAUSTED || r == SN_E_NOMEM || r == SN_E_CANCELLED ||
        r == SN_E_DATA_LOSS)
        return sn_wrap(r, "%s at %lld/%d", what, (long long)height, round);
    /* In a replay old places come by again. */
    if (!e->replaying)
        SN_LOG_WARN("not signed", SN_L("what", what), SN_L("height", height),
                    SN_L("round", round), SN_L_ERR(r));
    return 1;
}

static int keep_own(struct sn_engine *e, struct sn_engine_own own)
{
    if (sn_vec_push(&e->own, own) == 0) return 0;
    sn_engine_own_done(&own);
    return SN_E_NOMEM;
}

static int sign_vote(struct sn_engine *e, const struct sn_cons_action *a)
{
    struct sn_cons_vote v = *a->vote;
    const struct sn_cons_state *s = sn_cons_core_state(e->core);
    if (!e->o.signer) return 0;
    int r = sn_engine_sync(e);
    if (r < 0) return r;
    r = e->o.signer->sign_vote(e->o.signer, sn_cons_state_chain(s), &v);
    if (r < 0) {
        r = refused(e, r, "vote", v.height, v.round);
        return r < 0 ? r : 0;
    }
    /* Signers sign an extension with every precommit, also where the chain has none. */
    if (!sn_cons_params_extensions(&s->params, v.height)) v.ext_sig = (struct sn_cons_sig){0};
    e->n_signatures++;
    struct sn_engine_own own = {.vote = sn_cons_vote_new(&v)};
    if (!own.vote) return SN_E_NOMEM;
    struct sn_cons_msg m = {.kind = SN_CONS_MSG_VOTE, .vote = own.vote};
    r = sn_engine_log(e, &(struct sn_cons_wal_record){.kind = SN_CONS_WAL_MSG, .msg = m});
    if (r >= 0 && v.ext_sig.len) r = sn_engine_sync(e);
    if (r >= 0) return keep_own(e, own);
    sn_engine_own_done(&own);
    return r;
}

static struct sn_cons_msg part_msg(const struct sn_engine_own *own, uint32_t i)
{
    return (struct sn_cons_msg){.kind = SN_CONS_MSG_BLOCK_PART,
                                .height = own->proposal.height,
                                .round = own->proposal.round,
                                .part = *own->parts->parts[i]};
}

static int sign_proposal(struct sn_engine *e, const struct sn_cons_action *a)
{
    struct sn_engine_own own = {.proposal = a->proposal};
    if (!e->o.signer) return 0;
    int r = e->o.signer->sign_proposal(
        e->o.signer, sn_cons_state_chain(sn_cons_core_state(e->core)), &own.proposal);
    if (r < 0) {
        r = refused(e, r, "proposal", a->proposal.height, a->proposal.round);
        return r < 0 ? r : 0;
    }
    e->n_signatures++;
    own.parts = sn_cons_part_set_ref(a->parts);
    struct sn_cons_wal_record rec = {
        .kind = SN_CONS_WAL_MSG,
        .msg = {.kind = SN_CONS_MSG_PROPOSAL, .proposal = own.proposal}};
    r = sn_engine_log(e, &rec);
    for (uint32_t i = 0; r >= 0 && i < own.parts->header.total; i++) {
        rec.msg = part_msg(&own, i);
        r = sn_engine_log(e, &rec);
    }
    if (r >= 0) r = sn_engine_sync(e);
    if (r >= 0) return keep_own(e, own);
    sn_engine_own_done(&own);
    return r;
}

/* ---- storage ---- */

static int save_block(struct sn_engine *e, const struct sn_cons_action *a)
{
    struct sn_arena arena SN_CLEANUP(sn_arena_done);
    sn_arena_init(&arena, NULL, 0);
    struct sn_cons_commit seen;
    int64_t height = a->block->header.height;
    const struct sn_cons_state *s = sn_cons_core_state(e->core);
    sn_cons_block_unref(e->block);
    e->block = sn_cons_block_ref(a->block);
    e->block_id = (struct sn_cons_block_id){a->block->hash, a->parts->header};
    if (sn_cons_block_store_height(e->o.env.blocks) >= height) return 0; /* before a crash */
    int r = sn_cons_core_seen_commit(e->core, &arena, &seen);
    if (r >= 0)
        r = sn_cons_block_store_save(e->o.env.blocks, a->block, a->parts, &seen,
                                     sn_cons_params_extensions(&s->params, height));
    e->n_stores++;
    return r < 0 ? sn_wrap(r, "storing block %lld", (long long)height) : 0;
}

static int end_height(struct sn_engine *e, int64_t height)
{
    int r = sn_engine_log(e, &(struct sn_cons_wal_record){.kind = SN_CONS_WAL_END_HEIGHT,
                                                          .height = height});
    return r < 0 ? r : sn_engine_sync(e);
}

static int save_state(struct sn_engine *e, struct sn_cons_state *s)
{
    /* Synced, though block and answer would make it again: the next block is stored before its
     * answer, and a state two blocks behind is nothing CometBFT would start from. */
    int r = sn_cons_state_store_save(e->o.env.states, s);
    if (r < 0) return sn_wrap(r, "storing the state of height %lld", (long long)s->last_height);
    e->n_stores++;
    e->n_heights++;
    SN_LOG_INFO("block", SN_L("height", s->last_height), SN_L("txs", e->block->n_txs),
                SN_L("round", e->block->last_commit->round));
    sn_exec_done(e->o.exec, &(struct sn_exec_block){e->block, &e->block_id, e->run.res,
                                                    sn_buf_view(&e->run.answer), s,
                                                    e->run.took_ns, &e->run.arena,
                                                    &e->run.answer});
    sn_exec_run_done(&e->run);
    sn_cons_block_unref(e->block);
    e->block = NULL;
    return 0;
}

/* ---- timers and news ---- */

static bool later(const struct sn_cons_timeout *t, const struct sn_cons_timeout *than)
{
    if (t->height != than->height) return t->height > than->height;
    if (t->round != than->round) return t->round > than->round;
    return than->step == 0 || t->step > than->step;
}
static void schedule(struct sn_engine *e, const struct sn_cons_timeout *t)
{
    if (!later(t, &e->timer)) return;
    int64_t now = sn_now();
    e->timer = *t;
    e->timer_at = t->duration_ns > SN_FOREVER - now ? SN_FOREVER : now + t->duration_ns;
}

static int conflict(struct sn_engine *e, const struct sn_cons_action *a)
{
    SN_LOG_WARN("a validator signed two votes", SN_L("height", a->vote->height),
                SN_L("round", a->vote->round), SN_L("validator", a->vote->index));
    if (!e->o.env.evidence) return 0;
    int r = sn_evidence_keeper_report(e->o.env.evidence, a->vote, a->vote_b);
    return r == SN_E_RESOURCE_EXHAUSTED ? 0 : r;
}

int sn_engine_act(struct sn_engine *e, struct sn_cons_action *a)
{
    switch (a->kind) {
    case SN_CONS_ACT_SCHEDULE: schedule(e, &a->timeout); return 0;
    case SN_CONS_ACT_SIGN_VOTE: return sign_vote(e, a);
    case SN_CONS_ACT_SIGN_PROPOSAL: return sign_proposal(e, a);
    case SN_CONS_ACT_PREPARE:
    case SN_CONS_ACT_PROCESS:
    case SN_CONS_ACT_EXTEND:
    case SN_CONS_ACT_VERIFY_EXTENSION:
    case SN_CONS_ACT_FINALIZE:
    case SN_CONS_ACT_COMMIT: return sn_engine_ask(e, a);
    case SN_CONS_ACT_SAVE_BLOCK: return save_block(e, a);
    case SN_CONS_ACT_END_HEIGHT: return end_height(e, a->height);
    case SN_CONS_ACT_SAVE_STATE: return save_state(e, a->state);
    case SN_CONS_ACT_NEW_STEP:
        return e->replaying ? 0
                            : sn_engine_log(e, &(struct sn_cons_wal_record){
                                                   .kind = SN_CONS_WAL_ROUND_STATE,
                                                   .height = a->height,
                                                   .round = a->round,
                                                   .step = sn_str(sn_cons_step_name(a->step))});
    case SN_CONS_ACT_CONFLICT: return conflict(e, a);
    case SN_CONS_ACT_HAS_VOTE:
    case SN_CONS_ACT_VALID_BLOCK:
    case SN_CONS_ACT_NOTE: return 0;
    }
    return sn_fail(SN_E_INTERNAL, "action %d is unknown", a->kind);
}

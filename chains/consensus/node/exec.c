/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/exec.c - a block from decision to stored state, and pruning behind it. */
#include "consensus/node/exec_int.h"
#include "core/alloc.h"
#include "kit/log.h"

SN_LOG_MODULE("exec");

int sn_exec_new(const struct sn_exec_opts *opts, struct sn_exec **ret)
{
    struct sn_exec *x = SN_NEW(struct sn_exec);
    if (!x) return SN_E_NOMEM;
    x->o = *opts;
    x->wake = sn_chan_new(0, 1);
    if (!x->wake) {
        sn_free(x);
        return SN_E_NOMEM;
    }
    *ret = x;
    return 0;
}
void sn_exec_free(struct sn_exec *x)
{
    if (!x) return;
    sn_chan_free(x->wake);
    sn_free(x);
}

/* ---- Commit ---- */

void sn_exec_set_limits(struct sn_exec *x, const struct sn_cons_state *s)
{
    const struct sn_cons_params *p = &s->params;
    if (x->o.txs)
        sn_txs_set_limits(
            x->o.txs, sn_cons_data_bytes_max(sn_cons_params_block_bytes(p), 0, s->vals->n),
            p->block_max_gas);
}

static int update_txs(struct sn_exec *x, const struct sn_cons_block *b,
                      const struct sn_exec_run *run)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    struct sn_mempool_done *done = SN_ARENA_ARRAY(&a, struct sn_mempool_done, b->n_txs + 1);
    if (!done) return SN_E_NOMEM;
    for (uint32_t i = 0; i < b->n_txs; i++)
        done[i] = (struct sn_mempool_done){.data = b->txs[i],
                                           .ok = run->result.txs[i].code == 0,
                                           .key = b->tx_hashes ? b->tx_hashes[i] : NULL};
    return sn_txs_update(x->o.txs, sn_now(), done, b->n_txs);
}

static void retain_from(struct sn_exec *x, int64_t height, const struct sn_cons_state *after)
{
    if (height <= 0) return;
    sn_mutex_lock_always(&x->lock);
    x->retain = height;
    x->about = *after;
    x->about.vals = x->about.next_vals = x->about.last_vals = NULL;
    sn_mutex_unlock(&x->lock);
    (void)!sn_chan_try_send(x->wake, NULL); /* full: the pruner looks anyway */
}

int sn_exec_commit(struct sn_exec *x, const struct sn_cons_block *b, const struct sn_exec_run *run,
                   const struct sn_cons_state *after)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, SN_EXEC_ANSWER_MAX);
    struct tendermint_abci_request_commit q = {0};
    struct tendermint_abci_response_commit *res;
    int r = x->o.txs ? sn_txs_hold(x->o.txs) : 0;
    if (r < 0) return r;
    r = sn_abci_commit(x->o.app->consensus, &q, &a, &res);
    if (r >= 0) sn_exec_set_limits(x, after);
    if (x->o.txs) sn_txs_release(x->o.txs, r >= 0 ? b->header.height : 0);
    if (r >= 0 && x->o.txs) r = update_txs(x, b, run);
    if (r < 0) return sn_wrap(r, "Commit of block %lld", (long long)b->header.height);
    retain_from(x, res->retain_height, after);
    return 0;
}

int sn_exec_evidence(struct sn_exec *x, struct sn_cons_state *after, const struct sn_cons_block *b)
{
    return x->o.evidence ? sn_evidence_keeper_update(x->o.evidence, after, b) : 0;
}
void sn_exec_done(struct sn_exec *x, const struct sn_exec_block *b)
{
    if (x->o.on_block) x->o.on_block(x->o.arg, b);
}

/* ---- all of it in a row ---- */

/* Everything about a commit but its signatures is still looked at. */
static int believe(const struct sn_cons_verifier *v, struct sn_cons_check *checks, size_t n)
{
    for (size_t i = 0; i < n; i++) checks[i].ok = true;
    return 0;
}
static const struct sn_cons_verifier already_checked = {believe};

static int check(struct sn_exec *x, const struct sn_cons_state *s, const struct sn_cons_block *b,
                 bool commit_checked)
{
    int r = sn_cons_state_validate(s, commit_checked ? &already_checked : x->o.verifier, b);
    if (r >= 0 && x->o.evidence) r = sn_evidence_keeper_check(x->o.evidence, s, b);
    return r < 0 ? sn_wrap(r, "block %lld", (long long)b->header.height) : 0;
}

int sn_exec_apply(struct sn_exec *x, struct sn_cons_state *state, struct sn_cons_block *b,
                  const struct sn_cons_block_id *id, struct sn_cons_state **ret)
{
    return sn_exec_apply_with(x, state, b, id, &(struct sn_exec_apply_opts){0}, ret);
}
int sn_exec_apply_with(struct sn_exec *x, struct sn_cons_state *state, struct sn_cons_block *b,
                       const struct sn_cons_block_id *id, const struct sn_exec_apply_opts *o,
                       struct sn_cons_state **ret)
{
    struct sn_exec_run run SN_CLEANUP(sn_exec_run_done);
    struct sn_cons_state *after = NULL;
    sn_exec_run_init(&run);
    int r = check(x, state, b, o->commit_checked);
    if (r < 0) return r;
    r = sn_exec_finalize(x, state->last_vals, state->initial_height, b, true, &run);
    if (r >= 0) r = sn_cons_state_apply(state, b, id, &run.result, &after);
    if (r == SN_E_INVALID_ARGUMENT) r = SN_E_INTERNAL; /* the application's fault, not the block's */
    if (r >= 0 && o->store) r = o->store(o->arg);
    if (r >= 0) r = sn_exec_commit(x, b, &run, after);
    if (r >= 0) r = sn_exec_evidence(x, after, b);
    if (r >= 0)
        r = o->state_soon ? sn_cons_state_store_save_soon(x->o.states, after)
                          : sn_cons_state_store_save(x->o.states, after);
    if (r < 0) {
        sn_cons_state_unref(after);
        return r;
    }
    sn_exec_done(x, &(struct sn_exec_block){b, id, run.res, sn_buf_view(&run.answer), after,
                                            run.took_ns, &run.arena, &run.answer});
    *ret = after;
    return 0;
}

/* ---- pruning ---- */

#define PRUNE_BLOCKS 100 /* at a time: states follow their blocks, and a stop is not kept waiting */

static int prune_some(struct sn_exec *x, int64_t to, const struct sn_cons_state *about)
{
    int64_t kept, base = sn_cons_block_store_base(x->o.blocks);
    to = SN_MIN(to, base + PRUNE_BLOCKS);
    int64_t n = sn_cons_block_store_prune(x->o.blocks, to, about, &kept);
    if (n < 0) return (int)n;
    int r = sn_cons_state_store_prune(x->o.states, base, to, kept);
    return r < 0 ? r : 0;
}

static int prune(struct sn_exec *x)
{
    struct sn_cons_state about;
    sn_mutex_lock_always(&x->lock);
    int64_t to = x->retain, from = sn_cons_block_store_base(x->o.blocks);
    about = x->about;
    sn_mutex_unlock(&x->lock);
    if (to <= from || from == 0) return 0;
    int r = 0;
    while (r >= 0 && sn_cons_block_store_base(x->o.blocks) < to) {
        r = prune_some(x, to, &about);
        if (sn_cancelled()) return SN_E_CANCELLED;
    }
    if (r == SN_E_OUT_OF_RANGE) {
        SN_LOG_WARN("the application lets go of blocks that are not there", SN_L("retain", to),
                    SN_L("height", sn_cons_block_store_height(x->o.blocks)));
        return 0;
    }
    if (r >= 0) SN_LOG_DEBUG("pruned", SN_L("from", from), SN_L("to", to));
    return r;
}

int sn_exec_run_pruner(struct sn_exec *x)
{
    for (;;) {
        int r = sn_chan_recv(x->wake, NULL);
        if (r < 0) return r;
        r = prune(x);
        if (r == SN_E_CANCELLED) return r;
        /* What cannot be pruned only takes space; the next Commit tries again. */
        if (r < 0) SN_LOG_ERROR("pruning failed", SN_L_ERR(r));
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/exec.h - blocks and the application: what is asked of it, what its answers change,
 * and what is on the disk at each point in between, so that a crash anywhere leads back to one
 * history.
 *
 *   validate -> FinalizeBlock -> answer stored -> state applied -> Commit -> mempool, evidence
 *   -> state stored -> on_block (events, index, metrics)
 *
 * Source: CometBFT v0.38.25 state/execution.go, consensus/replay.go; docs/app-dev, spec/abci. */
#pragma once
#include "chains/abci/client.h"
#include "consensus/block_store.h"
#include "consensus/genesis.h"
#include "consensus/node/evidence_keeper.h"
#include "consensus/node/txs.h"
#include "consensus/state_store.h"

/* A block that has just been executed and stored; borrowed for the call. */
struct sn_exec_block {
    struct sn_cons_block *block;
    const struct sn_cons_block_id *id;
    const struct tendermint_abci_response_finalize_block *res;
    struct sn_str answer;        /* res, encoded */
    struct sn_cons_state *state; /* after it */
    int64_t finalize_ns;         /* how long FinalizeBlock took; 0: it was asked in another life */
    /* What res and answer lie in (res may point into the block, too). on_block may keep them: it
     * moves both out, leaves zeroed ones, and takes a reference to the block. */
    struct sn_arena *arena;
    struct sn_buf *bytes;
};
struct sn_exec_opts {
    struct sn_abci_conns *app;
    struct sn_cons_block_store *blocks;
    struct sn_cons_state_store *states;
    const struct sn_cons_verifier *verifier;
    struct sn_txs *txs;                  /* NULL: no mempool yet (handshake, tools) */
    struct sn_evidence_keeper *evidence; /* NULL: likewise */
    /* After each block, in its order, in the fiber that executes; it should not take long. */
    void (*on_block)(void *arg, const struct sn_exec_block *b);
    /* The application's verdict on a proposed block, or on the extension of a vote; in the fiber
     * that asked. For metrics: must not suspend. */
    void (*on_verdict)(void *arg, bool extension, bool accepted);
    void *arg;
};
struct sn_exec;
/* sn_exec_new - everything in opts is borrowed. Returns 0, SN_E_NOMEM. */
int sn_exec_new(const struct sn_exec_opts *opts, struct sn_exec **ret) SN_MUST_CHECK;
void sn_exec_free(struct sn_exec *x);

/* sn_exec_handshake - brings the application to the stored chain: Info, InitChain where it is new,
 * then the blocks it does not have, and the one that was stored but not applied. state: what is
 * stored, or the genesis state. Returns 0 with the state after (one reference);
 * SN_E_FAILED_PRECONDITION where the application is ahead of the chain, is behind its oldest block,
 * or comes to another hash: the diagnostic has heights and hashes; as sn_abci_client_call and the
 * stores. Suspends. */
int sn_exec_handshake(struct sn_exec *x, const struct sn_cons_genesis *g,
                      struct sn_cons_state *state, struct sn_cons_state **ret) SN_MUST_CHECK;

/* sn_exec_set_limits - tells the mempool what a block of this state has room for; after each block
 * it is told anyway. */
void sn_exec_set_limits(struct sn_exec *x, const struct sn_cons_state *s);

/* sn_exec_apply - a block that others agreed on (block sync, replay): it is validated against
 * `state` and executed. The caller has stored it. Returns 0 with the state after (one reference);
 * SN_E_INVALID_ARGUMENT: the block does not follow; anything else ends the node. Suspends. */
int sn_exec_apply(struct sn_exec *x, struct sn_cons_state *state, struct sn_cons_block *b,
                  const struct sn_cons_block_id *id, struct sn_cons_state **ret) SN_MUST_CHECK;

/* What block sync adds, where many blocks follow each other. */
struct sn_exec_apply_opts {
    /* The caller has checked the signatures of the block's last commit against state->last_vals. */
    bool commit_checked;
    /* Puts the block into its store: called when the answer is on the disk, before Commit, so that
     * a block that turns out wrong is not stored. NULL: it is there. */
    int (*store)(void *arg);
    void *arg;
    /* The state is on the disk with the next block's answer, not before. A node that loses power in
     * between has the block and the answer, which make that state again. */
    bool state_soon;
};
/* sn_exec_apply_with - as sn_exec_apply; also store's errors. */
int sn_exec_apply_with(struct sn_exec *x, struct sn_cons_state *state, struct sn_cons_block *b,
                       const struct sn_cons_block_id *id, const struct sn_exec_apply_opts *o,
                       struct sn_cons_state **ret) SN_MUST_CHECK;

/* sn_exec_run_pruner - removes the blocks and states that the application's Commit lets go of, some
 * at a time and holding nobody up, until cancelled: one fiber of the node's. Returns
 * SN_E_CANCELLED. */
int sn_exec_run_pruner(struct sn_exec *x) SN_MUST_CHECK;

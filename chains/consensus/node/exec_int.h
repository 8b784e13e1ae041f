/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/exec_int.h - the steps of a block's execution one by one, for the engine, which
 * puts the application's answers into the core, and for exec.c, which does them in a row.
 * Blocks, states and sets are only read: these may run in a fiber that does not own them. */
#pragma once
#include <stdatomic.h>

#include "consensus/node/exec.h"
#include "fiber/chan.h"
#include "tendermint/abci/types.pb.h"

#define SN_EXEC_ANSWER_MAX ((size_t)512 << 20)
/* Of a proposal, for the recheck of what the last block left: after that it has what has been. Where a
 * block takes as long as timeout_commit the next is made at once, and every other one was empty. */
#define SN_EXEC_RECHECK_NS (500 * SN_MS)

struct sn_exec {
    struct sn_exec_opts o;
    struct sn_chan *wake; /* the pruner has something to do */
    struct sn_mutex lock; /* what follows: from the last Commit, for the pruner */
    int64_t retain;
    struct sn_cons_state about; /* parameters, height and time: no sets, not counted */
};

/* A block that the application has executed. Owns what it points to: sn_exec_run_done. */
struct sn_exec_run {
    struct sn_arena arena;
    struct tendermint_abci_response_finalize_block *res;
    struct sn_buf answer;
    struct sn_cons_block_result result;
    int64_t took_ns;
};
void sn_exec_run_init(struct sn_exec_run *run);
void sn_exec_run_done(struct sn_exec_run *run);

/* The content of a proposal. Owns references into the mempool: sn_exec_proposal_done. */
struct sn_exec_proposal {
    struct sn_arena arena;
    struct sn_cons_block_content content;
    struct sn_mempool_tx **reaped;
    size_t n_reaped;
};
void sn_exec_proposal_done(struct sn_exec_proposal *p);

/* sn_exec_prepare - PrepareProposal for the block after s. last: its commit with extensions, n 0 at
 * the first height. Returns 0; SN_E_INTERNAL (the application returned more than it may), as
 * sn_abci_client_call, SN_E_NOMEM. */
int sn_exec_prepare(struct sn_exec *x, const struct sn_cons_state *s,
                    const struct sn_cons_commit *last, const uint8_t proposer[SN_CONS_ADDR_LEN],
                    struct sn_exec_proposal *ret) SN_MUST_CHECK;
/* sn_exec_process, sn_exec_verify - whether the application accepts the block, the extension.
 * Return 0; SN_E_INTERNAL (an answer that is none), as sn_abci_client_call. */
int sn_exec_process(struct sn_exec *x, const struct sn_cons_state *s, const struct sn_cons_block *b,
                    bool *ret) SN_MUST_CHECK;
int sn_exec_verify(struct sn_exec *x, const struct sn_cons_vote *v, bool *ret) SN_MUST_CHECK;
/* sn_exec_extend - the extension of our precommit, the arena's. */
int sn_exec_extend(struct sn_exec *x, const struct sn_cons_state *s, const struct sn_cons_block *b,
                   struct sn_arena *a, struct sn_str *ret) SN_MUST_CHECK;
/* sn_exec_finalize - FinalizeBlock. last_vals: who could sign the block before; stored: the answer is
 * on the disk when it returns. */
int sn_exec_finalize(struct sn_exec *x, const struct sn_cons_valset *last_vals,
                     int64_t initial_height, const struct sn_cons_block *b, bool stored,
                     struct sn_exec_run *run) SN_MUST_CHECK;
/* sn_exec_commit - Commit, then the mempool forgets the block's transactions. after: the state. */
int sn_exec_commit(struct sn_exec *x, const struct sn_cons_block *b, const struct sn_exec_run *run,
                   const struct sn_cons_state *after) SN_MUST_CHECK;
/* sn_exec_done - the block's state is stored: evidence and on_block. Context: of the fiber that owns
 * `after`. */
void sn_exec_done(struct sn_exec *x, const struct sn_exec_block *b);
/* sn_exec_evidence - evidence of the block is committed, before its state is stored. */
int sn_exec_evidence(struct sn_exec *x, struct sn_cons_state *after,
                     const struct sn_cons_block *b) SN_MUST_CHECK;

/* exec_ask.c: what several requests have in common, in the arena. */
struct sn_exec_about {
    struct google_protobuf_timestamp *time;
    struct tendermint_abci_commit_info *commit;
    struct tendermint_abci_misbehavior **misbehavior;
    uint32_t n_misbehavior;
    struct sn_str hash, next_vals, proposer;
};
int sn_exec_about(const struct sn_cons_valset *last_vals, int64_t initial_height,
                  const struct sn_cons_block *b, struct sn_arena *a,
                  struct sn_exec_about *ret) SN_MUST_CHECK;

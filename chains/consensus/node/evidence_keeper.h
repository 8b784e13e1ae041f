/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/evidence_keeper.h - the evidence pool (evidence.h) for many fibers and on the
 * disk: data/evidence.db with CometBFT's keys, so that pending and committed pieces survive a
 * restart of either node. Source: CometBFT v0.38.25 evidence/pool.go. */
#pragma once
#include "consensus/block_store.h"
#include "consensus/evidence.h"
#include "consensus/state_store.h"

struct sn_evidence_keeper;
struct sn_evidence_keeper_opts {
    struct sn_kv *kv; /* closed in the end */
    struct sn_cons_block_store *blocks;
    struct sn_cons_state_store *states;
    const struct sn_cons_verifier *verifier;
};
/* sn_evidence_keeper_new - reads what is stored; pieces that have expired or are damaged are left
 * out, and said in the log. Returns 0, SN_E_DATA_LOSS, as sn_kv_get; then kv stays the caller's.
 * Suspends, as all here. */
int sn_evidence_keeper_new(const struct sn_evidence_keeper_opts *o, struct sn_cons_state *s,
                           struct sn_evidence_keeper **ret) SN_MUST_CHECK;
void sn_evidence_keeper_free(struct sn_evidence_keeper *k);
/* As their namesakes of evidence.h, from any fiber. */
int sn_evidence_keeper_add(struct sn_evidence_keeper *k,
                           const struct sn_cons_evidence *ev) SN_MUST_CHECK;
int sn_evidence_keeper_report(struct sn_evidence_keeper *k, struct sn_cons_vote *a,
                              struct sn_cons_vote *b) SN_MUST_CHECK;
/* _check fits sn_cons_core_opts.check_evidence with the keeper as arg. */
int sn_evidence_keeper_check(void *k, const struct sn_cons_state *s,
                             const struct sn_cons_block *b) SN_MUST_CHECK;
/* _pending: copies in the arena. */
int sn_evidence_keeper_pending(struct sn_evidence_keeper *k, int64_t bytes_max, struct sn_arena *a,
                               struct sn_cons_evidence ***ret, uint32_t *ret_n,
                               int64_t *ret_bytes) SN_MUST_CHECK;
int sn_evidence_keeper_update(struct sn_evidence_keeper *k, struct sn_cons_state *s,
                              const struct sn_cons_block *b) SN_MUST_CHECK;
/* sn_evidence_keeper_generation - grows with each new piece: gossip looks again.
 * sn_evidence_keeper_wait - until it is not `seen`. Returns 0, SN_E_CANCELLED,
 * SN_E_DEADLINE_EXCEEDED. */
uint64_t sn_evidence_keeper_generation(const struct sn_evidence_keeper *k);
int sn_evidence_keeper_wait(struct sn_evidence_keeper *k, uint64_t seen) SN_MUST_CHECK;
/* sn_evidence_keeper_max_age - blocks after which a piece is too old, as of the last block. Does
 * not suspend. */
int64_t sn_evidence_keeper_max_age(const struct sn_evidence_keeper *k);

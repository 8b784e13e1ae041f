/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/evidence.h - proofs that validators broke the rules: checking them, and the pool of those
 * that wait to be put into a block.
 *
 * Source: CometBFT v0.38.25 evidence/, types/evidence.go; spec/core/evidence, spec/light-client/
 * accountability. */
#pragma once
#include "consensus/key.h"
#include "consensus/state.h"

/* Pieces that wait for a block: beyond it new ones are refused. */
#define SN_CONS_EVPOOL_PENDING_MAX 4096
/* Pairs of conflicting votes of the height that is being agreed on. */
#define SN_CONS_EVPOOL_REPORTS_MAX 1024
/* Committed pieces remembered until they expire. */
#define SN_CONS_EVPOOL_COMMITTED_MAX 65536

/* The chain's past, as far as this node has it. Each returns 0, or SN_E_NOT_FOUND where it has not.
 * Context: called from the pool's functions; must not call it. */
struct sn_cons_history {
    void *arg;
    int (*header)(void *arg, int64_t height, struct sn_cons_header *ret);
    /* The arena's. */
    int (*commit)(void *arg, int64_t height, struct sn_arena *a, struct sn_cons_commit *ret);
    /* Owns: one reference. */
    int (*validators)(void *arg, int64_t height, struct sn_cons_valset **ret);
    int64_t (*latest)(void *arg); /* height of the newest block */
};

/* sn_cons_evidence_expired - of a block at `height` and `time`: too old by blocks and by time. */
bool sn_cons_evidence_expired(const struct sn_cons_state *s, int64_t height,
                              struct sn_cons_time time);
/* sn_cons_evidence_of_votes - the evidence two conflicting votes make; `time` and `vals` are those of
 * the block at their height. Owns: *ret borrows the votes, in the order evidence has them.
 * Returns 0, SN_E_NOT_FOUND where the signer is no validator. */
int sn_cons_evidence_of_votes(struct sn_cons_vote *a, struct sn_cons_vote *b,
                              struct sn_cons_time time, const struct sn_cons_valset *vals,
                              struct sn_cons_evidence *ret) SN_MUST_CHECK;
/* sn_cons_evidence_of_attack - the evidence of a light client attack: `conflicting` against `trusted`
 * (whose chain is held for the true one; its height is the same, or the highest there is), after
 * the block both had in common. Owns: *ret borrows conflicting; the list of validators is the
 * arena's. Returns 0, SN_E_NOMEM. */
int sn_cons_evidence_of_attack(struct sn_cons_light_block *conflicting,
                               const struct sn_cons_light_block *trusted,
                               const struct sn_cons_light_block *common, struct sn_arena *a,
                               struct sn_cons_evidence *ret) SN_MUST_CHECK;
/* sn_cons_evidence_byzantine - who is to blame for a light client attack, by descending power: those
 * of the common set who signed a forged header; those who signed both headers of one round; nobody
 * where the rounds differ (amnesia cannot be told from the outside). Owns: the arena's.
 * Returns 0, SN_E_NOMEM. */
int sn_cons_evidence_byzantine(const struct sn_cons_evidence *ev,
                               const struct sn_cons_valset *common,
                               const struct sn_cons_header *trusted,
                               const struct sn_cons_commit *trusted_commit, struct sn_arena *a,
                               struct sn_cons_validator **ret, uint32_t *ret_n) SN_MUST_CHECK;
/* sn_cons_evidence_verify - against state and past. Returns 0; SN_E_INVALID_ARGUMENT and
 * SN_E_FAILED_PRECONDITION with what is wrong (expired included); SN_E_NOT_FOUND where the past it
 * is about is missing; SN_E_NOMEM, the verifier's. */
int sn_cons_evidence_verify(const struct sn_cons_evidence *ev, const struct sn_cons_state *s,
                            const struct sn_cons_history *h,
                            const struct sn_cons_verifier *v) SN_MUST_CHECK;

struct sn_cons_evpool;
/* sn_cons_evpool_new - empty. history and verifier are borrowed. Returns 0, SN_E_NOMEM. */
int sn_cons_evpool_new(struct sn_cons_state *s, const struct sn_cons_history *h,
                       const struct sn_cons_verifier *v, struct sn_cons_evpool **ret) SN_MUST_CHECK;
void sn_cons_evpool_free(struct sn_cons_evpool *p);
/* sn_cons_evpool_add - a piece from a peer or from disk, copied. Returns 1 new and valid, 0 known;
 * as sn_cons_evidence_verify; SN_E_RESOURCE_EXHAUSTED at the limit. */
int sn_cons_evpool_add(struct sn_cons_evpool *p, const struct sn_cons_evidence *ev) SN_MUST_CHECK;
/* sn_cons_evpool_report - conflicting votes that the consensus core saw; they become evidence when
 * their height has its block. Returns 0, SN_E_RESOURCE_EXHAUSTED, SN_E_NOMEM. */
int sn_cons_evpool_report(struct sn_cons_evpool *p, struct sn_cons_vote *a,
                          struct sn_cons_vote *b) SN_MUST_CHECK;
/* sn_cons_evpool_check - the evidence of a proposed block: valid, not committed before, no piece
 * twice. Fits sn_cons_core_opts.check_evidence with the pool as arg. Returns 0 or as _verify. */
int sn_cons_evpool_check(void *pool, const struct sn_cons_state *s,
                         const struct sn_cons_block *b) SN_MUST_CHECK;
/* sn_cons_evpool_pending - pieces for the next block whose encoded list has at most `bytes_max`, oldest
 * first. Owns: the list is the arena's, the pieces the pool's until its next change. *ret_bytes is
 * the list's encoded size. Returns 0, SN_E_NOMEM. */
int sn_cons_evpool_pending(const struct sn_cons_evpool *p, int64_t bytes_max, struct sn_arena *a,
                           struct sn_cons_evidence ***ret, uint32_t *ret_n,
                           int64_t *ret_bytes) SN_MUST_CHECK;
/* sn_cons_evpool_update - block b has led to state s: its evidence is committed, reports of its height
 * become evidence, what has expired goes. Returns 0, SN_E_NOMEM, the verifier's. */
int sn_cons_evpool_update(struct sn_cons_evpool *p, struct sn_cons_state *s,
                          const struct sn_cons_block *b) SN_MUST_CHECK;
/* sn_cons_evpool_restore - a piece of that id and height was in a block, as a store remembers it; its
 * `time` is that of the block at its height. Returns 0, SN_E_NOMEM. */
int sn_cons_evpool_restore(struct sn_cons_evpool *p, const struct sn_cons_hash *id, int64_t height,
                           struct sn_cons_time time) SN_MUST_CHECK;

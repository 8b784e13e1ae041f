/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/state_store.h - the chain's states on disk, as CometBFT 0.38 keeps them in
 * data/state.db: the newest state, the validators and parameters of each height, and what the
 * application answered to each block.
 *
 * A set of validators is stored where it changed and every 100,000 heights; other heights say where
 * to look, and turns of proposers are made up for. One writer at a time; readers any time. Source:
 * CometBFT v0.38.25 state/store.go. Context: fibers; every call suspends. */
#pragma once
#include "consensus/state.h"
#include "kit/kv.h"

#define SN_CONS_VALSET_CHECKPOINT 100000

struct sn_cons_state_store;
/* sn_cons_state_store_new - over kv, which it closes in the end. last_only: answers of earlier
 * blocks are not kept. Returns NULL without memory; then kv stays the caller's. */
struct sn_cons_state_store *sn_cons_state_store_new(struct sn_kv *kv, bool last_only);
void sn_cons_state_store_free(struct sn_cons_state_store *s);

/* sn_cons_state_store_load - the newest state, one reference. Returns 0, SN_E_NOT_FOUND for a new
 * store, SN_E_DATA_LOSS, as sn_kv_get. */
int sn_cons_state_store_load(struct sn_cons_state_store *s,
                             struct sn_cons_state **ret) SN_MUST_CHECK;
/* sn_cons_state_store_save - after a block, or of the genesis. On the disk when it returns. */
int sn_cons_state_store_save(struct sn_cons_state_store *s,
                             const struct sn_cons_state *st) SN_MUST_CHECK;
/* sn_cons_state_store_save_soon - the same, but on the disk only with the next write here that waits
 * for it (an answer's, a state's): a node that loses power has the state before, and its answer. */
int sn_cons_state_store_save_soon(struct sn_cons_state_store *s,
                                  const struct sn_cons_state *st) SN_MUST_CHECK;
/* sn_cons_state_store_bootstrap - a state that has no predecessor here: of state sync. */
int sn_cons_state_store_bootstrap(struct sn_cons_state_store *s,
                                  const struct sn_cons_state *st) SN_MUST_CHECK;

/* These return 0, SN_E_NOT_FOUND with the height, SN_E_DATA_LOSS with the key, as sn_kv_get.
 * _validators: one reference, with the turns of that height. */
int sn_cons_state_store_validators(struct sn_cons_state_store *s, int64_t height,
                                   struct sn_cons_valset **ret) SN_MUST_CHECK;
int sn_cons_state_store_params(struct sn_cons_state_store *s, int64_t height,
                               struct sn_cons_params *ret) SN_MUST_CHECK;
/* _answer: the application's ResponseFinalizeBlock, encoded, appended. SN_E_FAILED_PRECONDITION
 * where only the last one is kept. _last_answer: of `height`, which must be the last; whole, but
 * without events where only what the next state needs is there. */
int sn_cons_state_store_answer(struct sn_cons_state_store *s, int64_t height,
                               struct sn_buf *out) SN_MUST_CHECK;
int sn_cons_state_store_last_answer(struct sn_cons_state_store *s, int64_t height,
                                    struct sn_buf *out) SN_MUST_CHECK;
/* sn_cons_state_store_save_answer - before the block's state is, for a crash in between. */
int sn_cons_state_store_save_answer(struct sn_cons_state_store *s, int64_t height,
                                    struct sn_str answer) SN_MUST_CHECK;

/* sn_cons_state_store_prune - heights from <= h < to go; validators that evidence from `evidence`
 * on needs stay, as do those that later heights look back to. Returns 0, SN_E_INVALID_ARGUMENT, as
 * the readers and sn_kv_write. */
int sn_cons_state_store_prune(struct sn_cons_state_store *s, int64_t from, int64_t to,
                              int64_t evidence) SN_MUST_CHECK;

/* sn_cons_state_store_offline - the height a state sync outside of the node ended at, 0 for none.
 */
int sn_cons_state_store_offline(struct sn_cons_state_store *s, int64_t *ret) SN_MUST_CHECK;
int sn_cons_state_store_set_offline(struct sn_cons_state_store *s, int64_t height) SN_MUST_CHECK;

/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/block_store.h - the chain's blocks on disk, as CometBFT 0.38 keeps them in
 * data/blockstore.db: parts, what is known of a block (meta), the commit its successor carries, and
 * the commit this node saw.
 *
 * Heights from base to height are whole; a block is there as soon as its meta is. Writers wait for
 * each other, pruning lets others in between; readers any time. What readers get is in the arena they
 * bring. Source: CometBFT v0.38.25 store/. Context: fibers; every call suspends. */
#pragma once
#include "consensus/part_set.h"
#include "consensus/state.h"
#include "kit/kv.h"

/* CometBFT's blockchain page, `block` and `commit` show these. */
struct sn_cons_block_meta {
    struct sn_cons_block_id block_id;
    int64_t block_size; /* bytes of its encoding */
    int64_t num_txs;
    struct sn_cons_header header;
};

struct sn_cons_block_store;
/* sn_cons_block_store_new - over kv, which it closes in the end. Returns 0, SN_E_DATA_LOSS where
 * what is there is no block store, as sn_kv_get. On failure kv stays the caller's. */
int sn_cons_block_store_new(struct sn_kv *kv, struct sn_cons_block_store **ret) SN_MUST_CHECK;
void sn_cons_block_store_free(struct sn_cons_block_store *s);
/* sn_cons_block_store_base, _height - lowest and highest block; 0, 0 where there is none. Do not
 * suspend. */
int64_t sn_cons_block_store_base(const struct sn_cons_block_store *s);
int64_t sn_cons_block_store_height(const struct sn_cons_block_store *s);

/* sn_cons_block_store_save - the next block, its parts, and the commit that was seen for it (its
 * extensions too, where `extended`). On the disk when it returns. Returns 0,
 * SN_E_FAILED_PRECONDITION (not the next height, parts missing, another height's commit), as
 * sn_kv_write. */
int sn_cons_block_store_save(struct sn_cons_block_store *s, const struct sn_cons_block *b,
                             const struct sn_cons_part_set *parts,
                             const struct sn_cons_commit *seen, bool extended) SN_MUST_CHECK;
/* sn_cons_block_store_save_seen - a commit without its block: where state sync begins. */
int sn_cons_block_store_save_seen(struct sn_cons_block_store *s,
                                  const struct sn_cons_commit *seen) SN_MUST_CHECK;

/* These return SN_E_NOT_FOUND with the height where it is not there, SN_E_DATA_LOSS with the key
 * where what is there cannot be read, as sn_kv_get. */
int sn_cons_block_store_meta(struct sn_cons_block_store *s, int64_t height,
                             struct sn_cons_block_meta *ret) SN_MUST_CHECK;
/* _block: one reference. */
int sn_cons_block_store_block(struct sn_cons_block_store *s, int64_t height,
                              struct sn_cons_block **ret) SN_MUST_CHECK;
/* _encoded: the block's encoding as it was stored, appended; and its extended commit's to ext, where
 * there is one. */
int sn_cons_block_store_encoded(struct sn_cons_block_store *s, int64_t height, struct sn_buf *block,
                                struct sn_buf *ext) SN_MUST_CHECK;
/* _part: its encoding (tendermint.types.Part), to be sent on as it is. */
int sn_cons_block_store_part(struct sn_cons_block_store *s, int64_t height, uint32_t index,
                             struct sn_buf *out) SN_MUST_CHECK;
/* _commit: the canonical one, of the block at height + 1. _seen: what this node had seen.
 * _extended: with extensions. */
int sn_cons_block_store_commit(struct sn_cons_block_store *s, int64_t height, struct sn_arena *a,
                               struct sn_cons_commit *ret) SN_MUST_CHECK;
int sn_cons_block_store_seen(struct sn_cons_block_store *s, int64_t height, struct sn_arena *a,
                             struct sn_cons_commit *ret) SN_MUST_CHECK;
int sn_cons_block_store_extended(struct sn_cons_block_store *s, int64_t height, struct sn_arena *a,
                                 struct sn_cons_commit *ret) SN_MUST_CHECK;
/* _find: the height of the block with this hash. */
int sn_cons_block_store_find(struct sn_cons_block_store *s, const struct sn_cons_hash *hash,
                             int64_t *ret) SN_MUST_CHECK;

/* sn_cons_block_store_prune - everything below `to` goes, but for headers and commits that evidence
 * may still need by the state. ret_kept gets the lowest height whose header is kept. Returns how
 * many blocks went, SN_E_OUT_OF_RANGE (to below the base or above the height), as sn_kv_write. */
int64_t sn_cons_block_store_prune(struct sn_cons_block_store *s, int64_t to,
                                  const struct sn_cons_state *state,
                                  int64_t *ret_kept) SN_MUST_CHECK;
/* sn_cons_block_store_drop - the highest block goes (rollback). Returns 0, SN_E_NOT_FOUND, as
 * sn_kv_write. */
int sn_cons_block_store_drop(struct sn_cons_block_store *s) SN_MUST_CHECK;

/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/index/indexer.h - transactions by hash and by the application's events, blocks by
 * theirs, in data/tx_index.db with CometBFT's keys ("kv"), or in a PostgreSQL database ("psql"), where
 * nothing can be searched for by this interface: those calls are SN_E_UNIMPLEMENTED then.
 *
 * The indexer follows the stores in a fiber of its own: consensus never waits for it, and what it
 * missed (a crash, a pause) it reads from them. */
#pragma once
#include "consensus/block_store.h"
#include "consensus/events/query.h"
#include "consensus/state_store.h"
#include "tendermint/abci/types.pb.h"

struct sn_indexer;
struct sn_indexer_opts {
    struct sn_kv *kv; /* closed in the end */
    struct sn_cons_block_store *blocks;
    struct sn_cons_state_store *states;
    uint32_t found_max; /* entries that a condition may find; 0: SN_INDEXER_FOUND_MAX */
    struct sn_psql *psql; /* instead of kv; closed in the end */
};
/* sn_indexer_new - Returns 0, as sn_kv_get; then kv stays the caller's. */
int sn_indexer_new(const struct sn_indexer_opts *o, struct sn_indexer **ret) SN_MUST_CHECK;
void sn_indexer_free(struct sn_indexer *ix);
/* sn_indexer_run - indexes what is stored, then what comes, until cancelled. */
int sn_indexer_run(struct sn_indexer *ix) SN_MUST_CHECK;
/* sn_indexer_wake - a block of that height is executed and stored. Does not suspend. */
void sn_indexer_wake(struct sn_indexer *ix, int64_t height);
/* What is indexed of a height. */
struct sn_indexer_in {
    struct sn_cons_block *block;
    const struct tendermint_abci_response_finalize_block *res;
    struct sn_str answer; /* res as it is encoded */
};
/* sn_indexer_block - indexes a block that has just been executed, at once: for a node whose state
 * store does not keep answers (discard_abci_responses), where the fiber that follows may come too
 * late. Returns 0, as sn_kv_write, SN_E_NOMEM. */
int sn_indexer_block(struct sn_indexer *ix, const struct sn_indexer_in *in) SN_MUST_CHECK;
/* sn_indexer_give - a block that has just been executed, for the fiber that follows, which need not
 * read it from the stores then; where too many wait (SN_INDEXER_HELD_MAX, _BYTES) nothing is taken
 * and it does. Takes a reference to the block, and out of `arena` and `bytes`, which it leaves
 * empty, what res and answer lie in. Wakes as sn_indexer_wake, but does so also where nothing was
 * taken. */
#define SN_INDEXER_HELD_MAX 16u
#define SN_INDEXER_HELD_BYTES ((size_t)64 << 20)
void sn_indexer_give(struct sn_indexer *ix, const struct sn_indexer_in *in, struct sn_arena *arena,
                     struct sn_buf *bytes);
/* sn_indexer_height - up to which it has indexed. sn_indexer_wait - until `height` is. Returns 0,
 * SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED. */
int64_t sn_indexer_height(const struct sn_indexer *ix);
int sn_indexer_wait(struct sn_indexer *ix, int64_t height) SN_MUST_CHECK;
/* sn_indexer_range - indexes heights from..to again (reindex). */
int sn_indexer_range(struct sn_indexer *ix, int64_t from, int64_t to) SN_MUST_CHECK;

/* sn_indexer_tx - the tendermint.abci.TxResult of a transaction by SHA-256, appended. Returns 1, 0
 * where it is not indexed, as sn_kv_get. */
int sn_indexer_tx(struct sn_indexer *ix, const uint8_t hash[32], struct sn_buf *out) SN_MUST_CHECK;
struct sn_indexer_page {
    bool descending;
    uint32_t page, per_page; /* from 1 */
};
/* sn_indexer_tx_search - encoded TxResults by height and index, of the page, and how many there are
 * in all. Returns 0; SN_E_INVALID_ARGUMENT (a page beyond the last); SN_E_RESOURCE_EXHAUSTED beyond
 * found_max: never a part of the truth; SN_E_DEADLINE_EXCEEDED. The arena's. */
#define SN_INDEXER_FOUND_MAX 1000000u
int sn_indexer_tx_search(struct sn_indexer *ix, const struct sn_query *q,
                         const struct sn_indexer_page *p, struct sn_arena *a, struct sn_str **ret,
                         size_t *ret_n, uint64_t *ret_total) SN_MUST_CHECK;
/* sn_indexer_block_search - heights likewise. */
int sn_indexer_block_search(struct sn_indexer *ix, const struct sn_query *q,
                            const struct sn_indexer_page *p, struct sn_arena *a, int64_t **ret,
                            size_t *ret_n, uint64_t *ret_total) SN_MUST_CHECK;

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "consensus/index/indexer.h"
#include "consensus/index/keys_int.h"
#include "core/list.h"
#include "fiber/sync.h"
#include "kit/kv.h"

#define SN_INDEXER_SCAN 2000         /* pairs of one look at the store */
#define SN_INDEXER_ARENA (64u << 20) /* bytes of one look at the store */
#define SN_INDEXER_NARROW 1024       /* heights looked up one by one rather than by a scan */
#define SN_INDEXER_EVENTS_LOG2 20    /* events of a block that have numbers of their own */
#define SN_INDEXER_GROUP 1024       /* transactions written together: neighbours are nearer */
#define SN_INDEXER_BATCH (2u << 20)  /* about so many bytes at most, one large transaction apart */
#define SN_INDEXER_RETRY_NS (1 * SN_SEC)

struct sn_indexer {
    struct sn_indexer_opts o;
    _Atomic int64_t height, target;
    struct sn_sem woken;
    struct sn_mutex lock; /* for what follows */
    bool looked;
    struct sn_cond moved;
    struct sn_list held; /* struct sn_indexer_held, ascending heights */
    unsigned held_n;
    size_t held_bytes;
};

/* A block that need not be read from the stores. */
struct sn_indexer_held {
    struct sn_list node;
    struct sn_indexer_in in;
    struct sn_arena arena;
    struct sn_buf bytes;
    size_t size;
};

/* sn_index_next_result - the next transaction's result in the encoded answer: the index stores these
 * very bytes. Returns false at the end, and where it is no answer. */
bool sn_index_next_result(struct sn_str *in, struct sn_str *ret) SN_MUST_CHECK;
/* sn_index_tx_result - tendermint.abci.TxResult, appended; result: encoded. */
void sn_index_tx_result(struct sn_buf *out, int64_t height, uint32_t index, struct sn_str tx,
                        struct sn_str result);
/* sn_indexer_put - what a block and the application's answer to it say. */
int sn_indexer_put(struct sn_indexer *ix, const struct sn_indexer_in *in) SN_MUST_CHECK;
/* sn_indexer_last - the highest indexed block; 0 for none. */
int sn_indexer_last(struct sn_indexer *ix, int64_t *ret) SN_MUST_CHECK;

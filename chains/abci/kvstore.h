/* SPDX-License-Identifier: Apache-2.0 */
/* abci/kvstore.h - the application every chain is tried with: pairs of keys and values, CometBFT
 * 0.38's kvstore in what it answers, with snapshots that one has not.
 *
 * A transaction is "key=value" or "key:value" (then proposed as "key=value"), or a change of the
 * validators, "val=ed25519!BASE64-OF-THE-KEY!POWER" (or secp256k1; power 0 removes). The
 * application hash is the count of transactions, as CometBFT's kvstore has it, so that nodes of
 * both kinds agree: it does not commit to the values.
 *
 * The state lives in memory and in one file, to which each Commit appends what changed and syncs
 * it; a copy without the past replaces the file when that has grown. A file of its own and no
 * database: it also runs on the simulator's disk, where each write can be the last. Source:
 * CometBFT 0.38, abci/example/kvstore; docs/abci.md. */
#pragma once
#include "abci/app.h"

#define SN_KVSTORE_CHUNK_BYTES (64u << 10) /* of a snapshot, on average */
#define SN_KVSTORE_SNAPSHOTS_MAX 10u       /* as many as a node asks for */
#define SN_KVSTORE_CHUNKS_MAX 65536u       /* of one snapshot: its manifest fits a 4 MB message */

struct sn_kvstore_opts {
    const char *dir;           /* created where missing; NULL: nothing is kept */
    int64_t snapshot_interval; /* blocks between snapshots; 0: none are taken. Needs dir. */
    unsigned snapshot_keep;    /* 0: 2; at most SN_KVSTORE_SNAPSHOTS_MAX */
    uint32_t chunk_bytes;      /* 0: SN_KVSTORE_CHUNK_BYTES; 1 KiB to 4 MiB */
    uint64_t compact_bytes;    /* the file's least size to be rewritten; 0: 64 MiB */
    int64_t retain_blocks;     /* what Commit lets the node keep; 0: all */
    bool vote_extensions;      /* extends votes with their height, and accepts only those */
};
struct sn_kvstore;
/* sn_kvstore_open - reads what the folder has. Returns 0; SN_E_DATA_LOSS (the file is damaged
 * before its end), SN_E_INVALID_ARGUMENT, SN_E_NOMEM, and as files do. Owns: sn_kvstore_close.
 * Suspends. */
int sn_kvstore_open(const struct sn_kvstore_opts *o, struct sn_kvstore **ret) SN_MUST_CHECK;
/* sn_kvstore_close - accepts NULL; no call may be in progress. */
void sn_kvstore_close(struct sn_kvstore *kv);
/* sn_kvstore_app - for servers and clients; lives as long as `kv`. */
struct sn_abci_app *sn_kvstore_app(struct sn_kvstore *kv);

struct sn_kvstore_stats {
    int64_t height, txs;   /* of the last Commit */
    uint64_t pairs, bytes; /* held; bytes of keys and values */
    uint64_t validators;
    uint64_t snapshots;                     /* that can be had */
    uint64_t chunks_written, chunks_reused; /* by snapshots taken here */
    uint64_t chunks_applied, chunks_known;  /* by a restore: from the node, from this folder */
    uint64_t vote_extensions;               /* seen in proposals to prepare */
};
/* sn_kvstore_stats - a moment's view. May suspend. */
void sn_kvstore_stats(struct sn_kvstore *kv, struct sn_kvstore_stats *ret);

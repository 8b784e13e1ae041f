/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/sync/statesync_msg.h - what nodes say to each other about snapshots.
 * Source: CometBFT v0.38.25 proto/tendermint/statesync, statesync/messages.go. */
#pragma once
#include "core/arena.h"
#include "core/buf.h"
#include "core/status.h"
#include "core/str.h"

#define SN_SNAPSHOT_MSG_MAX 4000000u /* bytes on the snapshot channel */
#define SN_CHUNK_MSG_MAX 16000000u   /* ... and on the chunk channel */
#define SN_SNAPSHOT_CHUNKS_MAX 100000u

enum sn_statesync_kind {
    SN_STATESYNC_SNAPSHOTS_REQUEST = 1,
    SN_STATESYNC_SNAPSHOTS_RESPONSE,
    SN_STATESYNC_CHUNK_REQUEST,
    SN_STATESYNC_CHUNK_RESPONSE,
};
struct sn_statesync_msg {
    enum sn_statesync_kind kind;
    uint64_t height;
    uint32_t format;
    uint32_t n;                   /* chunks of the snapshot, or the index of one */
    struct sn_str hash, metadata; /* of a snapshot */
    struct sn_str chunk;
    bool missing; /* there is no such chunk */
};
int sn_statesync_encode(const struct sn_statesync_msg *m, struct sn_buf *out) SN_MUST_CHECK;
/* sn_statesync_decode - Returns 0; SN_E_SYNTAX; SN_E_INVALID_ARGUMENT (no height, a snapshot
 * without hash or chunks, a chunk that is neither there nor missing); SN_E_TOO_LARGE (too many
 * chunks); SN_E_NOMEM. Owns: *ret is the arena's and borrows `in`. */
int sn_statesync_decode(struct sn_str in, struct sn_arena *a,
                        struct sn_statesync_msg *ret) SN_MUST_CHECK;
/* sn_statesync_manifest - the SHA-256 hashes of the chunks, `n` of 32 bytes each in the arena,
 * where the metadata is just that (repeated bytes, field 1, as the Cosmos SDK and our kvstore write
 * it); NULL where it is something else, or without memory. */
const uint8_t *sn_statesync_manifest(struct sn_str metadata, uint32_t n, struct sn_arena *a);

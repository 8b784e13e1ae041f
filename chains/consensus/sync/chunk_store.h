/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/sync/chunk_store.h - chunks on disk between the peer they came from and the
 * application: by SHA-256 where the snapshot has a manifest, so that a later snapshot finds what it
 * has in common with this one, else by index and for one restore. Context: fibers; suspends. */
#pragma once
#include "consensus/sync/snapshots.h"

#define SN_CHUNK_CACHE_BYTES (8ull << 30) /* of chunks by hash that a restore leaves behind */
#define SN_CHUNK_DIR_MAX 512u             /* bytes of the folder's path */

struct sn_chunk_store {
    char dir[SN_CHUNK_DIR_MAX];
    const struct sn_snapshot *s;
    _Atomic uint64_t bytes;
    uint64_t bytes_max;
    bool temporary; /* the folder goes with it */
};
/* sn_chunk_store_open - dir is made where missing; NULL: a folder of its own under /tmp.
 * cache: bytes; 0: SN_CHUNK_CACHE_BYTES. Returns 0, SN_E_TOO_LARGE (a long path), as sn_mkdirs. */
int sn_chunk_store_open(struct sn_chunk_store *c, const char *dir, uint64_t cache) SN_MUST_CHECK;
/* sn_chunk_store_begin - for this snapshot: what it has no use for goes. */
int sn_chunk_store_begin(struct sn_chunk_store *c, const struct sn_snapshot *s) SN_MUST_CHECK;
/* sn_chunk_store_end - chunks by index go, and those by hash where they are too many. */
void sn_chunk_store_end(struct sn_chunk_store *c);
/* sn_chunk_store_has - whether an earlier restore left it; what is there is not read. */
bool sn_chunk_store_has(struct sn_chunk_store *c, uint32_t chunk);
int sn_chunk_store_put(struct sn_chunk_store *c, uint32_t chunk, struct sn_str bytes) SN_MUST_CHECK;
/* sn_chunk_store_get - Returns 0; SN_E_NOT_FOUND where it is not there or is not what the manifest
 * says (then it is removed). */
int sn_chunk_store_get(struct sn_chunk_store *c, uint32_t chunk, struct sn_arena *a,
                       struct sn_str *ret) SN_MUST_CHECK;
/* sn_chunk_store_drop - the application has it, and it will not be of use again; or it is bad. */
void sn_chunk_store_drop(struct sn_chunk_store *c, uint32_t chunk, bool bad);

/* SPDX-License-Identifier: Apache-2.0 */
/* kit/kv.h - ordered key-value stores: a folder of LevelDB's format, which Go's goleveldb reads and
 * writes too, or memory.
 *
 * Keys are byte strings in the order of memcmp. A batch is written whole or not at all; with sync
 * it is on the disk when the call returns. Readers see what is written, in the order of the writes.
 *
 * LevelDB's library (Debian's libleveldb1d, BSD) is loaded when the first folder is opened: whoever
 * opens none does not need it, nor the C++ runtime it brings. Its calls block, so they are made on
 * threads of the blocking pool: every call suspends, and several may be going on at once. */
#pragma once
#include "core/arena.h"
#include "core/buf.h"
#include "core/str.h"

#define SN_KV_KEY_MAX 65536
#define SN_KV_VALUE_MAX (256u << 20)

struct sn_kv;
struct sn_kv_opts {
    bool must_exist;     /* SN_E_NOT_FOUND instead of a new store */
    size_t cache_bytes;  /* of blocks read; 0: 8 MiB */
    size_t buffer_bytes; /* of writes gathered in memory, and in the log; 0: 4 MiB */
    size_t block_bytes;  /* of pairs read and compressed together; 0: 4 KiB */
    bool plain;          /* pairs are not compressed (what is there already stays readable) */
};
/* sn_kv_open - the folder `path`, for this process alone. o may be NULL. Returns 0, SN_E_NOT_FOUND,
 * SN_E_BUSY where another process has it open, SN_E_DATA_LOSS where it is damaged,
 * SN_E_UNIMPLEMENTED where the library is not installed, SN_E_IO, SN_E_NOMEM. Owns: sn_kv_close.
 * Context: fibers, like all calls here. */
int sn_kv_open(const char *path, const struct sn_kv_opts *o, struct sn_kv **ret) SN_MUST_CHECK;
/* sn_kv_open_memory - an empty store that ends with the process. Returns 0, SN_E_NOMEM. */
int sn_kv_open_memory(struct sn_kv **ret) SN_MUST_CHECK;
/* sn_kv_close - no call may be going on; accepts NULL. Leaves LevelDB's log empty. goleveldb skips
 * part of a log that was written while tables were, but for what this process corrects in the
 * manifest as soon as LevelDB has written there: a crash within those microseconds excepted, a
 * folder that was not closed is read whole there, too. */
void sn_kv_close(struct sn_kv *kv);

/* sn_kv_get - appends the value to out. Returns 1, 0 where the key is absent, SN_E_DATA_LOSS,
 * SN_E_IO, SN_E_NOMEM, SN_E_TOO_LARGE beyond out's limit. */
int sn_kv_get(struct sn_kv *kv, struct sn_str key, struct sn_buf *out) SN_MUST_CHECK;

/* What is to change together; zeroed is empty. Owns: sn_kv_batch_done. */
struct sn_kv_batch {
    struct sn_buf ops;
    size_t n;
};
/* sn_kv_batch_put, _del - copies; a later one of the same key counts. Return 0, SN_E_NOMEM,
 * SN_E_TOO_LARGE. */
int sn_kv_batch_put(struct sn_kv_batch *b, struct sn_str key, struct sn_str value) SN_MUST_CHECK;
int sn_kv_batch_del(struct sn_kv_batch *b, struct sn_str key) SN_MUST_CHECK;
/* sn_kv_batch_put_parts - the value is n parts one behind the other; otherwise as sn_kv_batch_put. */
int sn_kv_batch_put_parts(struct sn_kv_batch *b, struct sn_str key, const struct sn_str *parts,
                          size_t n) SN_MUST_CHECK;
/* sn_kv_batch_reset - empty again, with the memory it has. */
void sn_kv_batch_reset(struct sn_kv_batch *b);
void sn_kv_batch_done(struct sn_kv_batch *b);
/* sn_kv_write - the batch stays the caller's. Returns 0, SN_E_IO, SN_E_DATA_LOSS, SN_E_NOMEM: then
 * nothing of it has been written, or it will be found whole. */
int sn_kv_write(struct sn_kv *kv, const struct sn_kv_batch *b, bool sync) SN_MUST_CHECK;

struct sn_kv_range {
    struct sn_str from, to;  /* from <= key < to; an empty `to`: to the end */
    bool backwards;          /* the last ones first */
    size_t n_max, bytes_max; /* of one answer; 0: 1000, 16 MiB. One pair at least. */
};
struct sn_kv_pair {
    struct sn_str key, value;
};
/* sn_kv_scan - the first pairs of the range, in the arena. Returns 1 where more follow, 0 where
 * not, or as sn_kv_get. */
int sn_kv_scan(struct sn_kv *kv, const struct sn_kv_range *range, struct sn_arena *a,
               struct sn_kv_pair **ret, size_t *ret_n) SN_MUST_CHECK;
/* sn_kv_compact - gives the space of what was deleted in the range back. Returns 0, SN_E_CANCELLED.
 */
int sn_kv_compact(struct sn_kv *kv, struct sn_str from, struct sn_str to) SN_MUST_CHECK;

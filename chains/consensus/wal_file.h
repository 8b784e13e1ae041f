/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/wal_file.h - the log on disk: a head file and, when it is full, numbered older ones
 * ("wal", "wal.000", "wal.001", ...), as CometBFT names them, so that either program opens the
 * other's.
 *
 * Appending only fills memory; sync makes everything appended durable. After a failed sync the log
 * refuses further use: what the disk has is unknown, and signing on would be a gamble.
 * Source: CometBFT v0.38.25 consensus/wal.go, libs/autofile/group.go. */
#pragma once
#include "consensus/wal.h"

#define SN_CONS_WAL_HEAD_DEFAULT (10ll << 20)
#define SN_CONS_WAL_TOTAL_DEFAULT (1ll << 30)
#define SN_CONS_WAL_FILE_MAX (256u << 20) /* a file that is read */
#define SN_CONS_WAL_BUFFER (64u << 10)    /* appended beyond it goes to the file unsynced */

struct sn_cons_wal;
struct sn_cons_wal_opts {
    int64_t head_bytes_max;  /* 0 = SN_CONS_WAL_HEAD_DEFAULT: a longer head becomes a numbered file */
    int64_t total_bytes_max; /* 0 = SN_CONS_WAL_TOTAL_DEFAULT: the oldest files beyond it go */
};
/* sn_cons_wal_open - the log whose head is `path`; folders are made. The head is cut off at its first
 * frame that is not whole (ret_torn: bytes cut, may be NULL); if whole ones lie behind it, the file as
 * it was is kept as path with ".CORRUPTED" behind. A new log begins with the end of height 0, as the
 * other program's does. Returns 0 or fiber/os.h's errors. Context: a fiber; suspends. */
int sn_cons_wal_open(const char *path, const struct sn_cons_wal_opts *opts, size_t *ret_torn,
                     struct sn_cons_wal **ret) SN_MUST_CHECK;
/* sn_cons_wal_close - syncs and frees. Accepts NULL. */
void sn_cons_wal_close(struct sn_cons_wal *w);
/* sn_cons_wal_append - one record. Returns as sn_cons_wal_encode and sn_file_pwrite. Suspends when
 * the buffer is full. */
int sn_cons_wal_append(struct sn_cons_wal *w, const struct sn_cons_wal_record *rec) SN_MUST_CHECK;
/* sn_cons_wal_sync - everything appended survives a crash; then rotates where the head is full.
 * Returns 0, SN_E_IO and its kin. Suspends. */
int sn_cons_wal_sync(struct sn_cons_wal *w) SN_MUST_CHECK;
/* sn_cons_wal_replay - calls fn for each record after the end of `height`, in order; it must not use
 * the log. Returns 0; SN_E_NOT_FOUND where the log has no such end; SN_E_DATA_LOSS; fn's < 0. */
int sn_cons_wal_replay(struct sn_cons_wal *w, int64_t height,
                       int (*fn)(void *arg, const struct sn_cons_wal_record *rec),
                       void *arg) SN_MUST_CHECK;

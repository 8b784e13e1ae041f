/* SPDX-License-Identifier: Apache-2.0 */
/* kit/kv_manifest.h - the edits in a LevelDB manifest: what the newest sequence number is said to
 * be, and saying a smaller one in the same place. Why: kv_leveldb.c, "for goleveldb". Format:
 * doc/log_format.md and the tags of db/version_edit.cc of LevelDB 1.23. */
#pragma once
#include "core/base.h"

#define KV_EDIT_HEAD 128 /* the numbers come first, and fit in these bytes of an edit */
#define KV_VARINT_MAX 10

struct kv_edit {
    size_t len;         /* in the file, with the headers of its pieces */
    bool has_sequence;  /* else the three are 0 */
    uint64_t log;       /* the oldest log file that is still needed */
    uint64_t next_file; /* all log files at that time have smaller numbers */
    uint64_t sequence;
    unsigned n;               /* bytes of the sequence number */
    size_t at[KV_VARINT_MAX]; /* where each of them is, from the edit's first byte */
};

/* kv_edit_next - reads the edit at p, which is `at` bytes into the file; n bytes are there.
 * Returns 1; 0 where it is not whole yet; SN_E_DATA_LOSS where it is none. */
int kv_edit_next(const uint8_t *p, size_t n, uint64_t at, struct kv_edit *ret);

/* kv_edit_lower - says `sequence` (smaller than it was) in as many bytes, and makes the checksums
 * right. Returns how many bytes from p on have to be written back. */
size_t kv_edit_lower(uint8_t *p, uint64_t at, const struct kv_edit *edit, uint64_t sequence);

/* SPDX-License-Identifier: Apache-2.0 */
/* registry/journal.h - an append-only file of checksummed records, synced in groups, rewritten when
 * it has grown. A torn end is cut off (and set aside) when it is opened; everything that was
 * acknowledged is before it. */
#pragma once
#include "core/buf.h"
#include "fiber/sync.h"

struct reg_journal {
    char *path;
    int fd;
    int64_t off, dumped;   /* bytes in the file; of them written by the last rewrite */
    struct sn_buf pending; /* framed records not yet written */
    uint64_t seq, synced;  /* records appended; safe on disk */
    bool failed, stop;
    struct sn_mutex lock;
    struct sn_cond work, done;
    /* Emits the whole content as records; called by the flusher when the file is rewritten. `hold`
     * and `release` keep the content still, appends included. */
    int (*dump)(void *arg, int (*emit)(void *to, struct sn_str record), void *to);
    void (*hold)(void *arg), (*release)(void *arg);
    void *arg;
    int64_t rewrite_min; /* bytes; 0 = 4 MiB */
};

/* reg_journal_open - reads the file (created where absent), calls `replay` for each record in
 * order. *ret_cut: bytes of a damaged end, moved to PATH.damaged. Returns 0, SN_E_DATA_LOSS (no
 * journal of ours; nothing is changed), replay's, file errors. Owns: reg_journal_done. Suspends. */
int reg_journal_open(struct reg_journal *j, const char *path,
                     int (*replay)(void *arg, struct sn_str record), void *arg,
                     int64_t *ret_cut) SN_MUST_CHECK;
/* reg_journal_append - to be called under the lock of `hold`. Does not suspend for the disk. An
 * empty record says that it could not be made: from there on nothing is acknowledged. Returns its
 * number. */
uint64_t reg_journal_append(struct reg_journal *j, struct sn_str record);
/* reg_journal_wait - suspends until record `seq` survives a crash. Returns 0, SN_E_IO when the
 * journal has failed, SN_E_CANCELLED. */
int reg_journal_wait(struct reg_journal *j, uint64_t seq) SN_MUST_CHECK;
/* reg_journal_run - the flusher: writes, syncs, rewrites, until reg_journal_stop; what was appended
 * before is on disk when it returns. Returns 0. Suspends. */
int reg_journal_run(void *journal);
void reg_journal_stop(struct reg_journal *j);
void reg_journal_done(struct reg_journal *j);

/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/files.h - files of the commands: mapped for reading, replaced whole when written; and what
 * they print. */
#pragma once
#include "core/arena.h"
#include "core/base.h"
#include "core/buf.h"
#include "core/str.h"

#define FILES_PATH_MAX 1024 /* with the NUL */
/* files_map - the file as a view. Returns 0, SN_E_NOT_FOUND, SN_E_PERMISSION_DENIED, SN_E_IO; the
 * diagnostic names the path. Owns: files_unmap. */
int files_map(struct sn_str path, struct sn_str *ret) SN_MUST_CHECK;
void files_unmap(struct sn_str *view);

/* A file being written beside its name; only files_commit gives it the name. */
struct files_out {
    char path[FILES_PATH_MAX], temp[FILES_PATH_MAX + 16];
    int fd;
    bool no_sync; /* set after opening: losing the file to a power cut is no harm */
};
/* files_open - Returns 0, SN_E_INVALID_ARGUMENT (path), SN_E_* of open. Owns: files_commit. */
int files_open(struct files_out *o, struct sn_str path) SN_MUST_CHECK;
/* files_write - all of it; ctx is the struct files_out. Returns 0 or SN_E_*. */
int files_write(void *ctx, const void *data, size_t n) SN_MUST_CHECK;
/* files_reread - n of the bytes written, from byte `at` on. Returns 0 or SN_E_*. */
int files_reread(void *ctx, uint64_t at, void *out, size_t n) SN_MUST_CHECK;
/* files_commit - with r < 0 removes the file and returns r, else syncs and renames. */
int files_commit(struct files_out *o, int r) SN_MUST_CHECK;
/* files_replace - a generated file, whole, and the folders it lies in: written beside its name, then
 * renamed; not synced. The arena is for names. Returns 0, SN_E_NOMEM, SN_E_* with the path. */
int files_replace(struct sn_arena *a, const char *path, struct sn_str text) SN_MUST_CHECK;
/* files_print - what a command found out, and a line's end, on standard output. Returns 0, the buffer's
 * error, SN_E_IO where the output takes no more. */
int files_print(struct sn_buf *b) SN_MUST_CHECK;

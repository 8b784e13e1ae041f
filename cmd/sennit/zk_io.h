/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/zk_io.h - files of the zk commands: mapped for reading, replaced whole when written. */
#pragma once
#include "core/str.h"
#include "zk/file.h"

#define ZK_PATH_MAX 1024 /* with the NUL */
/* zk_map - the file as a view. Returns 0, SN_E_NOT_FOUND, SN_E_PERMISSION_DENIED, SN_E_IO; the
 * diagnostic names the path. Owns: zk_unmap. */
int zk_map(struct sn_str path, struct sn_str *ret) SN_MUST_CHECK;
void zk_unmap(struct sn_str *view);

/* A file being written beside its name; only zk_out_commit gives it the name. */
struct zk_out {
    char path[ZK_PATH_MAX], temp[ZK_PATH_MAX + 16];
    int fd;
    struct sn_zk_sink sink;
};
/* zk_out_open - Returns 0, SN_E_TOO_LARGE (path), SN_E_* of open. Owns: zk_out_commit or _abort. */
int zk_out_open(struct zk_out *o, struct sn_str path) SN_MUST_CHECK;
/* zk_out_commit - with r < 0 removes the file and returns r, else syncs and renames. */
int zk_out_commit(struct zk_out *o, int r);

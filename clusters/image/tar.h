/* SPDX-License-Identifier: Apache-2.0 */
/* image/tar.h - tar archives as a stream: bytes in, entries out; and the few headers we write.
 *
 * Reads v7, ustar, GNU long names and numbers, and pax records (path, linkpath, size, uid, gid,
 * mtime, atime, SCHILY.xattr.*). Refused by name: sparse files, multi-volume archives, types nobody
 * knows. Two readings of one archive are how a layer is made to differ from what was scanned, so
 * checksums and numbers are strict; what POSIX leaves open is read as Go's archive/tar does, which
 * the field uses. Sans I/O, never suspends. Sources: POSIX.1-2017 pax, GNU tar manual. */
#pragma once
#include "core/arena.h"
#include "core/buf.h"
#include "core/str.h"

#define SN_TAR_BLOCK 512u
#define SN_TAR_PATH_MAX 4095u            /* bytes of a name or of a link's target */
#define SN_TAR_META_BYTES_MAX (1u << 20) /* one pax header or long name */
#define SN_TAR_XATTRS_MAX 256u
#define SN_TAR_NO_TIME INT64_MIN

enum sn_tar_kind {
    SN_TAR_FILE,
    SN_TAR_DIR,
    SN_TAR_SYMLINK,
    SN_TAR_HARDLINK,
    SN_TAR_CHAR,
    SN_TAR_BLOCKDEV,
    SN_TAR_FIFO,
};
struct sn_tar_xattr {
    struct sn_str name, value;
};
struct sn_tar_entry {
    enum sn_tar_kind kind;
    struct sn_str path,
        link;      /* as written: leading '/', "./" and ".." are the reader's to judge; no NUL */
    uint32_t mode; /* permission bits, with set-id and sticky ones */
    uint32_t uid, gid;
    uint32_t dev_major, dev_minor;
    int64_t mtime_ns, atime_ns; /* unix; SN_TAR_NO_TIME */
    uint64_t size;              /* of a file: bytes of data that follow; else 0 */
    const struct sn_tar_xattr *xattrs;
    size_t n_xattrs;
    uint64_t at; /* offset of its data in the archive */
};
/* Each returns 0, or SN_E_*, which ends the reading and is sn_tar_put's result. The entry and its
 * strings live until `end` returns. */
struct sn_tar_events {
    int (*entry)(void *ctx, const struct sn_tar_entry *e);
    int (*data)(void *ctx, struct sn_str bytes); /* of a file, in pieces of any length */
    int (*end)(void *ctx);                       /* after each entry */
};
struct sn_tar {
    const struct sn_tar_events *events;
    void *ctx;
    struct sn_arena arena; /* of the current entry */
    struct sn_tar_entry entry;
    uint8_t block[SN_TAR_BLOCK];
    uint32_t have; /* bytes of block, or of padding seen */
    uint8_t state, meta_kind;
    bool zero_block; /* one of the two that end an archive was seen */
    int err;         /* sticky */
    uint64_t left, pad, offset, entries;
    struct sn_buf meta;
    struct sn_str long_name, long_link; /* of GNU, in the arena */
    struct pax {
        struct sn_str path, linkpath;
        bool has_size, has_uid, has_gid;
        uint64_t size, uid, gid;
        int64_t mtime_ns, atime_ns;
        struct sn_tar_xattr *xattrs;
        size_t n_xattrs, cap_xattrs;
    } pax;
};
/* sn_tar_init - takes no memory. */
void sn_tar_init(struct sn_tar *t, const struct sn_tar_events *events, void *ctx);
/* sn_tar_put - the next bytes, cut anywhere. What follows the archive's end is ignored. Returns 0;
 * SN_E_SYNTAX (where in the archive), SN_E_UNIMPLEMENTED (sparse and other types), SN_E_TOO_LARGE
 * (a limit), SN_E_NOMEM, or what an event returned; the same again once it failed. */
int sn_tar_put(struct sn_tar *t, struct sn_str bytes) SN_MUST_CHECK;
/* sn_tar_finish - the input has ended. Returns 0, or SN_E_SYNTAX inside of an entry. */
int sn_tar_finish(struct sn_tar *t) SN_MUST_CHECK;
/* sn_tar_done - frees; idempotent. */
void sn_tar_done(struct sn_tar *t);

/* sn_tar_write_head - appends the header of a file (mode 0644, owner 0, time 0), with a pax header
 * before it where name or size need one. Its data, padded by sn_tar_padding, follow; at the end two
 * zero blocks. Returns 0, the buffer's error. */
int sn_tar_write_head(struct sn_buf *out, struct sn_str name, uint64_t size);
/* sn_tar_padding - zero bytes after `size` bytes of data. */
static inline unsigned sn_tar_padding(uint64_t size)
{
    return (unsigned)(-size & (SN_TAR_BLOCK - 1));
}

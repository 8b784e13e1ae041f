/* SPDX-License-Identifier: Apache-2.0 */
/* image/layer_int.h - the state of one layer being unpacked. */
#pragma once
#include <sys/stat.h>

#include "core/map.h"
#include "core/vec.h"
#include "crypto/hash.h"
#include "image/inflate.h"
#include "image/layer.h"
#include "image/tar.h"

#define LAYER_LINKS_MAX 40u               /* symbolic links in one path, as the kernel's */
#define LAYER_KEPT_BYTES_MAX (256u << 20) /* names of folders and of links to below */
#define LAYER_OPAQUE "trusted.overlay.opaque"
#define LAYER_PATH_MAX (SN_TAR_PATH_MAX + 1)

/* A folder of the layer: its times, and its mode, are set at the end, when nothing is made in it
 * any more. */
struct layer_dir {
    struct layer_dir *next;
    struct sn_str path; /* canonical: no links, no dots; "" is the layer's root */
    bool implied;       /* the archive has no entry for it */
    uint32_t mode;
    int64_t mtime_ns, atime_ns;
};
/* A hard link to a file that is not in this layer. */
struct layer_link {
    struct layer_link *next;
    struct sn_str path, target;
};
struct sn_layer {
    int dir_fd;
    struct sn_image_limits limits;
    struct sn_inflate *inflate;
    struct sn_tar tar;
    struct sn_hasher hash;
    bool has_hash, finished;
    enum sn_hash_kind kind;
    struct sn_str want; /* in keep */
    struct sn_arena keep;
    struct sn_map by_path;  /* of dirs */
    struct layer_dir *dirs; /* newest first */
    struct layer_link *links, **links_end;
    uint64_t bytes, entries;
    /* The folder the last entry was made in; archives go folder by folder. */
    int parent_fd;
    char parent[LAYER_PATH_MAX];
    size_t parent_len;
    /* The entry's name and its link's target, cleaned; too large for a frame. */
    char path[LAYER_PATH_MAX], target[LAYER_PATH_MAX];
    /* The file that is being written, -1 where none is. */
    int file_fd;
    struct sn_tar_entry file;
};

/* layer_clean - `path` without ".", "..", and doubled or leading slashes, to out (LAYER_PATH_MAX).
 * Returns its length; SN_E_SYNTAX where it leads out, SN_E_TOO_LARGE beyond path_depth_max. */
int layer_clean(const struct sn_layer *l, struct sn_str path, char *out);
/* layer_parent - l->parent_fd becomes the folder of the cleaned path, made where it is missing;
 * *ret_name points to the last component, in `path`. */
int layer_parent(struct sn_layer *l, const char *path, const char **ret_name);
/* layer_forget - something was removed: the remembered folder may be gone. */
void layer_forget(struct sn_layer *l);
/* layer_dir_of - the record of the folder at canonical path `path`, made as implied where it is
 * new. NULL without memory or beyond LAYER_KEPT_BYTES_MAX. */
struct layer_dir *layer_dir_of(struct sn_layer *l, struct sn_str path);
/* layer_canonical - parent and name to out. Returns the length or SN_E_TOO_LARGE. */
int layer_canonical(const struct sn_layer *l, const char *name, char *out);
/* layer_settle - sets mode and times of the folders that have entries. */
int layer_settle(struct sn_layer *l);
/* layer_time - unix ns as the kernel wants it. */
static inline struct timespec layer_time(int64_t ns)
{
    int64_t s = ns / SN_SEC, rest = ns % SN_SEC;
    if (rest < 0) s--, rest += SN_SEC;
    return (struct timespec){s, rest};
}
/* layer_entry, layer_data, layer_end - the events of the archive. */
int layer_entry(void *ctx, const struct sn_tar_entry *e);
int layer_data(void *ctx, struct sn_str bytes);
int layer_end(void *ctx);
/* layer_link_fd - one more name for the file of `fd` in l->parent_fd; what is there gives way. */
int layer_link_fd(struct sn_layer *l, int fd, const char *name);
/* layer_resolve - the folder that `path` (cleaned) leads to in the tree root_fd, links resolved as
 * if that were the root, to out (LAYER_PATH_MAX). With `make` missing folders are made, in the
 * layer's own tree. Returns its descriptor; SN_E_NOT_FOUND without `make`. */
int layer_resolve(struct sn_layer *l, int root_fd, struct sn_str path, bool make, char *out,
                  size_t *ret_len);
/* layer_openat2 - openat2 below dirfd, never through a link and never above it. Returns the
 * descriptor or -errno. */
int layer_openat2(int dirfd, const char *path, int flags);
/* layer_openat2_root - links are followed as if dirfd were the root. */
int layer_openat2_root(int dirfd, const char *path, int flags);
int layer_set_xattrs(int fd, int parent_fd, const char *name, const struct sn_tar_entry *e);
static inline bool layer_is_whiteout(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

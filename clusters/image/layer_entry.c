/* SPDX-License-Identifier: Apache-2.0 */
/* image/layer_entry.c - the entries of a layer's archive become files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/status.h"
#include "image/layer_int.h"

#define WHITEOUT ".wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"
#define WHITEOUT_META ".wh..wh." /* aufs's own files: of no meaning elsewhere */

static struct timespec ts_of(int64_t ns)
{
    return ns == SN_TAR_NO_TIME ? (struct timespec){.tv_nsec = UTIME_OMIT} : layer_time(ns);
}

/* Of overlayfs itself: a layer that sets them would change what other layers show. */
static bool of_overlay(struct sn_str name)
{
    return sn_str_starts(name, SN_STR("trusted.overlay.")) ||
           sn_str_starts(name, SN_STR("user.overlay."));
}

int layer_set_xattrs(int fd, int parent_fd, const char *name, const struct sn_tar_entry *e)
{
    char path[320], attr[256];
    for (size_t i = 0; i < e->n_xattrs; i++) {
        const struct sn_tar_xattr *x = &e->xattrs[i];
        if (of_overlay(x->name)) continue;
        int r = sn_str_cz(x->name, attr, sizeof(attr));
        if (r < 0) return r;
        if (fd >= 0) {
            r = fsetxattr(fd, attr, x->value.ptr, x->value.len, 0);
        } else {
            (void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", parent_fd, name);
            r = lsetxattr(path, attr, x->value.ptr, x->value.len, 0);
        }
        /* What this file system or kind of file cannot have is left out, as all unpackers do. */
        if (r < 0 && errno != EOPNOTSUPP &&
            !(errno == EPERM && sn_str_starts(x->name, SN_STR("user."))))
            return sn_fail_errno(errno, "set attribute %s", attr);
    }
    return 0;
}

/* ---- making room ------------------------------------------------------------------------------
 */

/* What is at `name` gives way. *ret_hid: whether it hid what is below (a whiteout, a file), so that
 * a folder in its place must, too. */
static int clear(struct sn_layer *l, const char *name, bool *ret_hid)
{
    struct stat st;
    if (fstatat(l->parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : sn_fail_errno(errno, "look at what is there");
    *ret_hid = !S_ISDIR(st.st_mode);
    if (!S_ISDIR(st.st_mode))
        return unlinkat(l->parent_fd, name, 0) < 0 ? sn_fail_errno(errno, "remove what is there")
                                                   : 0;
    return sn_layer_remove_tree(l->parent_fd,
                                name); /* its records stay: sn_layer_finish skips what is gone */
}

static int make_opaque(int parent_fd, const char *name)
{
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return sn_fail_errno(errno, "open the folder");
    int r = fsetxattr(fd, LAYER_OPAQUE, "y", 1, 0);
    if (r < 0) r = sn_fail_errno(errno, "set " LAYER_OPAQUE);
    (void)close(fd);
    return r;
}

/* ---- whiteouts --------------------------------------------------------------------------------
 */

/* Hides `name` of the layers below. What this layer itself puts there stays, but shows nothing of
 * below. */
static int whiteout(struct sn_layer *l, const char *name)
{
    if (*name == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return sn_fail(SN_E_SYNTAX, "a whiteout of \"%s\"", name);
    if (mknodat(l->parent_fd, name, S_IFCHR | 0, 0) == 0) return 0;
    if (errno != EEXIST) return sn_fail_errno(errno, "make the whiteout");
    struct stat st;
    if (fstatat(l->parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return sn_fail_errno(errno, "look at what is there");
    return S_ISDIR(st.st_mode) ? make_opaque(l->parent_fd, name) : 0;
}

static int whiteout_entry(struct sn_layer *l, const char *name)
{
    if (strcmp(name, WHITEOUT_OPAQUE) == 0) return make_opaque(l->parent_fd, ".");
    if (strncmp(name, WHITEOUT_META, sizeof(WHITEOUT_META) - 1) == 0) return 0;
    return whiteout(l, name + sizeof(WHITEOUT) - 1);
}

/* ---- kinds ------------------------------------------------------------------------------------
 */

static int make_dir(struct sn_layer *l, const char *name, const struct sn_tar_entry *e)
{
    struct stat st;
    bool hid = false;
    if (mkdirat(l->parent_fd, name, 0700) < 0) {
        if (errno != EEXIST) return sn_fail_errno(errno, "make the folder");
        if (fstatat(l->parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            return sn_fail_errno(errno, "look at what is there");
        if (!S_ISDIR(st.st_mode)) {
            int r = clear(l, name, &hid);
            if (r < 0) return r;
            if (mkdirat(l->parent_fd, name, 0700) < 0)
                return sn_fail_errno(errno, "make the folder");
        }
    }
    int fd = openat(l->parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return sn_fail_errno(errno, "open the folder");
    int r = 0;
    if (hid && fsetxattr(fd, LAYER_OPAQUE, "y", 1, 0) < 0)
        r = sn_fail_errno(errno, "set " LAYER_OPAQUE);
    if (r == 0 && fchown(fd, e->uid, e->gid) < 0)
        r = sn_fail_errno(errno, "set owner %u:%u", e->uid, e->gid);
    if (r == 0) r = layer_set_xattrs(fd, -1, name, e);
    (void)close(fd);
    if (r < 0) return r;
    int n = layer_canonical(l, name, l->target);
    struct layer_dir *d = n < 0 ? NULL : layer_dir_of(l, sn_str_of(l->target, (size_t)n));
    if (!d) return n < 0 ? n : SN_E_NOMEM;
    d->implied = false;
    d->mode = e->mode;
    d->mtime_ns = e->mtime_ns;
    d->atime_ns = e->atime_ns;
    return 0;
}

static int make_root(struct sn_layer *l, const struct sn_tar_entry *e)
{
    if (e->kind != SN_TAR_DIR) return sn_fail(SN_E_SYNTAX, "the layer's root is no folder");
    struct layer_dir *d = layer_dir_of(l, SN_STR(""));
    if (!d) return SN_E_NOMEM;
    d->implied = false;
    d->mode = e->mode;
    d->mtime_ns = e->mtime_ns;
    d->atime_ns = e->atime_ns;
    if (fchown(l->dir_fd, e->uid, e->gid) < 0)
        return sn_fail_errno(errno, "set owner %u:%u", e->uid, e->gid);
    return layer_set_xattrs(l->dir_fd, -1, ".", e);
}

static int open_file(struct sn_layer *l, const char *name)
{
    int fd = openat(l->parent_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0) return fd;
    if (errno != EEXIST) return sn_fail_errno(errno, "make the file");
    bool hid;
    int r = clear(l, name, &hid);
    if (r < 0) return r;
    fd = openat(l->parent_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? sn_fail_errno(errno, "make the file") : fd;
}

static int begin_file(struct sn_layer *l, const char *name, const struct sn_tar_entry *e)
{
    if (e->size > l->limits.layer_bytes_max - l->bytes)
        return sn_fail(SN_E_TOO_LARGE, "the layer's files exceed %llu bytes (layer_bytes_max)",
                       (unsigned long long)l->limits.layer_bytes_max);
    l->bytes += e->size;
    int fd = open_file(l, name);
    if (fd < 0) return fd;
    l->file_fd = fd;
    l->file = *e;
    return 0;
}

/* The target is in a layer below, or nowhere: sn_layer_join will tell. */
static int link_later(struct sn_layer *l)
{
    struct layer_link *k = SN_ARENA_NEW(&l->keep, struct layer_link);
    if (!k) return SN_E_NOMEM;
    *k = (struct layer_link){.path = sn_arena_str(&l->keep, sn_str(l->path)),
                             .target = sn_arena_str(&l->keep, sn_str(l->target))};
    if (!k->path.ptr || !k->target.ptr) return SN_E_NOMEM;
    *l->links_end = k;
    l->links_end = &k->next;
    return 0;
}

int layer_link_fd(struct sn_layer *l, int fd, const char *name)
{
    char from[32];
    bool hid;
    /* By /proc, because AT_EMPTY_PATH asks for a capability; the link followed is the descriptor's
     * own. */
    (void)snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, from, l->parent_fd, name, AT_SYMLINK_FOLLOW) == 0) return 0;
    if (errno != EEXIST) return sn_fail_errno(errno, "make the hard link");
    int r = clear(l, name, &hid);
    if (r == 0 && linkat(AT_FDCWD, from, l->parent_fd, name, AT_SYMLINK_FOLLOW) < 0)
        r = sn_fail_errno(errno, "make the hard link");
    return r;
}

/* A hard link's target is a name in the image, not a path from the entry's folder. */
static int make_hardlink(struct sn_layer *l, const char *name, const struct sn_tar_entry *e)
{
    int n = layer_clean(l, e->link, l->target);
    if (n < 0) return n;
    if (n == 0) return sn_fail(SN_E_SYNTAX, "a hard link to the layer's root");
    int fd = layer_openat2_root(l->dir_fd, l->target, O_PATH | O_NOFOLLOW), r = 0;
    struct stat st = {0}, old;
    bool there = fd >= 0 && fstat(fd, &st) == 0 && !layer_is_whiteout(&st);
    if (!there)
        r = link_later(l);
    else if (S_ISDIR(st.st_mode))
        r = sn_fail(SN_E_SYNTAX, "a hard link to the folder \"%s\"", l->target);
    else if (fstatat(l->parent_fd, name, &old, AT_SYMLINK_NOFOLLOW) < 0 || old.st_ino != st.st_ino)
        r = layer_link_fd(l, fd, name); /* a link to itself is one already */
    if (fd >= 0) (void)close(fd);
    return r;
}

static int make_special(struct sn_layer *l, const char *name, const struct sn_tar_entry *e)
{
    if (e->kind == SN_TAR_SYMLINK)
        return symlinkat(e->link.ptr, l->parent_fd, name) < 0 ? errno : 0;
    mode_t type = e->kind == SN_TAR_FIFO ? S_IFIFO : e->kind == SN_TAR_CHAR ? S_IFCHR : S_IFBLK;
    return mknodat(l->parent_fd, name, type | 0600, makedev(e->dev_major, e->dev_minor)) < 0 ? errno
                                                                                             : 0;
}

static int add_special(struct sn_layer *l, const char *name, const struct sn_tar_entry *e)
{
    bool hid;
    if (e->kind == SN_TAR_SYMLINK && e->link.len == 0)
        return sn_fail(SN_E_SYNTAX, "a symbolic link to nothing");
    int r, err = make_special(l, name, e);
    if (err == EEXIST) {
        r = clear(l, name, &hid);
        if (r < 0) return r;
        err = make_special(l, name, e);
    }
    if (err) return sn_fail_errno(err, "make the link or device");
    if (fchownat(l->parent_fd, name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) < 0)
        return sn_fail_errno(errno, "set owner %u:%u", e->uid, e->gid);
    if (e->kind != SN_TAR_SYMLINK && fchmodat(l->parent_fd, name, e->mode, 0) < 0)
        return sn_fail_errno(errno, "set mode %o", e->mode);
    r = layer_set_xattrs(-1, l->parent_fd, name, e);
    struct timespec ts[2] = {ts_of(e->atime_ns), ts_of(e->mtime_ns)};
    if (r == 0 && utimensat(l->parent_fd, name, ts, AT_SYMLINK_NOFOLLOW) < 0)
        r = sn_fail_errno(errno, "set times");
    return r;
}

/* ---- events ------------------------------------------------------------------------------------
 */

static int add_entry(struct sn_layer *l, const struct sn_tar_entry *e)
{
    if (++l->entries > l->limits.layer_entries_max)
        return sn_fail(SN_E_TOO_LARGE, "over %llu entries (layer_entries_max)",
                       (unsigned long long)l->limits.layer_entries_max);
    int n = layer_clean(l, e->path, l->path);
    if (n < 0) return n;
    if (n == 0) return make_root(l, e);
    const char *name;
    int r = layer_parent(l, l->path, &name);
    if (r < 0) return r;
    if (strncmp(name, WHITEOUT, sizeof(WHITEOUT) - 1) == 0) return whiteout_entry(l, name);
    switch (e->kind) {
    case SN_TAR_FILE: return begin_file(l, name, e);
    case SN_TAR_DIR: return make_dir(l, name, e);
    case SN_TAR_HARDLINK: return make_hardlink(l, name, e);
    default: return add_special(l, name, e);
    }
}

int layer_entry(void *ctx, const struct sn_tar_entry *e)
{
    int r = add_entry(ctx, e);
    return r < 0 ? sn_wrap(r, "entry \"%.*s\"", SN_STR_ARG(e->path)) : r;
}

int layer_data(void *ctx, struct sn_str bytes)
{
    struct sn_layer *l = ctx;
    if (l->file_fd < 0) return 0; /* of a whiteout */
    while (bytes.len) {
        ssize_t n = write(l->file_fd, bytes.ptr, bytes.len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return sn_fail_errno(errno, "write \"%.*s\"", SN_STR_ARG(l->file.path));
        bytes = sn_str_from(bytes, (size_t)n);
    }
    return 0;
}

int layer_end(void *ctx)
{
    struct sn_layer *l = ctx;
    if (l->file_fd < 0) return 0;
    const struct sn_tar_entry *e = &l->file;
    struct timespec ts[2] = {ts_of(e->atime_ns), ts_of(e->mtime_ns)};
    int r = 0;
    /* Owner first: changing it takes set-id bits and capabilities away. */
    if ((e->uid || e->gid) && fchown(l->file_fd, e->uid, e->gid) < 0)
        r = sn_fail_errno(errno, "set owner %u:%u", e->uid, e->gid);
    if (r == 0 && fchmod(l->file_fd, e->mode) < 0) r = sn_fail_errno(errno, "set mode %o", e->mode);
    if (r == 0) r = layer_set_xattrs(l->file_fd, -1, "", e);
    if (r == 0 && futimens(l->file_fd, ts) < 0) r = sn_fail_errno(errno, "set times");
    if (close(l->file_fd) < 0 && r == 0) r = sn_fail_errno(errno, "close");
    l->file_fd = -1;
    return r < 0 ? sn_wrap(r, "entry \"%.*s\"", SN_STR_ARG(e->path)) : r;
}

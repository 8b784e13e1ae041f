/* SPDX-License-Identifier: Apache-2.0 */
/* image/layer_join.c - what a layer needs of the layers below it, see layer.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/status.h"
#include "image/layer_int.h"

#define XATTR_NAMES_MAX 65536u /* the kernel's own limits */
#define XATTR_VALUE_MAX 65536u

/* ---- attributes --------------------------------------------------------------------------------
 */

/* from: any descriptor, O_PATH too; to: one for writing. */
static int copy_xattrs(const char *from, int to)
{
    char *names = sn_alloc(XATTR_NAMES_MAX + XATTR_VALUE_MAX), *value = names + XATTR_NAMES_MAX;
    if (!names) return SN_E_NOMEM;
    ssize_t n = listxattr(from, names, XATTR_NAMES_MAX);
    int r = 0;
    for (ssize_t at = 0; at < n && r == 0; at += (ssize_t)strlen(names + at) + 1) {
        struct sn_str name = sn_str(names + at);
        if (sn_str_starts(name, SN_STR("trusted.overlay."))) continue;
        ssize_t len = getxattr(from, name.ptr, value, XATTR_VALUE_MAX);
        if (len >= 0 && fsetxattr(to, name.ptr, value, (size_t)len, 0) < 0 && errno != EOPNOTSUPP)
            r = sn_fail_errno(errno, "copy attribute %s", name.ptr);
    }
    sn_free(names);
    return r;
}

static int copy_attributes(int from, int to, const struct stat *st)
{
    char path[32];
    const struct timespec ts[2] = {st->st_atim, st->st_mtim};
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", from);
    if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0)
        return sn_fail_errno(errno, "copy owner and mode");
    int r = copy_xattrs(path, to);
    if (r == 0 && futimens(to, ts) < 0) r = sn_fail_errno(errno, "copy times");
    return r;
}

/* ---- hard links to below ------------------------------------------------------------------------
 */

static int copy_data(int from, int to)
{
    for (;;) {
        ssize_t n = copy_file_range(from, NULL, to, NULL, 1u << 30, 0);
        if (n == 0) return 0;
        if (n < 0 && errno != EINTR)
            return sn_fail_errno(errno, "copy the file from the layer below");
    }
}

/* A file or link of below, once more in the layer, at l->parent_fd and `name`. */
static int copy_up(struct sn_layer *l, int from, const struct stat *st, const char *name)
{
    char path[32];
    if (S_ISLNK(st->st_mode)) {
        ssize_t n = readlinkat(from, "", l->path, LAYER_PATH_MAX - 1);
        if (n < 0) return sn_fail_errno(errno, "read the link below");
        l->path[n] = 0;
        if (symlinkat(l->path, l->parent_fd, name) < 0 ||
            fchownat(l->parent_fd, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
            return sn_fail_errno(errno, "copy the link below");
        return 0;
    }
    if (!S_ISREG(st->st_mode))
        return sn_fail(SN_E_UNIMPLEMENTED, "a hard link to a device or pipe of a layer below");
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", from);
    int in = open(path, O_RDONLY | O_CLOEXEC);
    int to = openat(l->parent_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int r = in < 0 || to < 0 ? sn_fail_errno(errno, "copy the file from the layer below")
                             : copy_data(in, to);
    if (r == 0) r = copy_attributes(in, to, st);
    if (in >= 0) (void)close(in);
    if (to >= 0) (void)close(to);
    return r;
}

/* l->target is where the file of below really lies. */
static int bring_up(struct sn_layer *l, int from)
{
    const char *name;
    struct stat st, own;
    int r = layer_parent(l, l->target, &name);
    if (r < 0) return r;
    if (fstat(from, &st) < 0) return sn_fail_errno(errno, "look at the file below");
    if (S_ISDIR(st.st_mode))
        return sn_fail(SN_E_SYNTAX, "a hard link to the folder \"%s\"", l->target);
    if (fstatat(l->parent_fd, name, &own, AT_SYMLINK_NOFOLLOW) < 0) r = copy_up(l, from, &st, name);
    return r;
}

static int join_link(struct sn_layer *l, int below_fd, const struct layer_link *k)
{
    ssize_t cut = sn_str_rchr(k->target, '/');
    struct sn_str base = sn_str_from(k->target, (size_t)(cut + 1));
    size_t n = 0;
    int dir = below_fd < 0
                  ? SN_E_NOT_FOUND
                  : layer_resolve(l, below_fd, sn_str_sub(k->target, 0, cut < 0 ? 0 : (size_t)cut),
                                  false, l->target, &n);
    int from = dir < 0 ? -1 : openat(dir, base.ptr, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (dir >= 0) (void)close(dir);
    if (from < 0)
        return sn_fail(SN_E_SYNTAX, "entry \"%.*s\": a hard link to \"%.*s\", which is nowhere",
                       SN_STR_ARG(k->path), SN_STR_ARG(k->target));
    int r = n + 1 + base.len > SN_TAR_PATH_MAX
                ? sn_fail(SN_E_TOO_LARGE, "a path of over %u bytes", SN_TAR_PATH_MAX)
                : 0;
    if (r == 0) {
        if (n) l->target[n++] = '/';
        memcpy(l->target + n, base.ptr, base.len + 1);
        r = bring_up(l, from);
    }
    (void)close(from);
    const char *name;
    int fd = r < 0 ? -1 : layer_openat2(l->dir_fd, l->target, O_PATH | O_NOFOLLOW);
    if (r == 0 && fd < 0) r = sn_fail_errno(-fd, "open \"%s\"", l->target);
    memcpy(l->path, k->path.ptr, k->path.len + 1);
    if (r == 0) r = layer_parent(l, l->path, &name);
    if (r == 0) r = layer_link_fd(l, fd, name);
    if (fd >= 0) (void)close(fd);
    return r < 0 ? sn_wrap(r, "entry \"%.*s\"", SN_STR_ARG(k->path)) : 0;
}

/* ---- folders that the layer passes through
 * -------------------------------------------------------- */

/* All of the folder `from` goes into `to`; what both have as folders is merged, else `from` wins.
 */
static int merge(int from, int to, unsigned depth)
{
    if (depth == 0)
        return sn_fail(SN_E_TOO_LARGE, "folders to merge are too deep (path_depth_max)");
    int copy = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    if (!d) {
        int e = errno;
        if (copy >= 0) (void)close(copy);
        return sn_fail_errno(e, "read a folder to merge");
    }
    int r = 0;
    const struct dirent *e;
    while (r == 0 && (e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if (renameat2(from, e->d_name, to, e->d_name, RENAME_NOREPLACE) == 0) continue;
        int a = openat(from, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int b = openat(to, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (a >= 0 && b >= 0) {
            r = merge(a, b, depth - 1);
        } else {
            r = sn_layer_remove_tree(to, e->d_name);
            if (r == 0 && renameat(from, e->d_name, to, e->d_name) < 0)
                r = sn_fail_errno(errno, "move \"%s\" where a link below leads", e->d_name);
        }
        if (a >= 0) (void)close(a);
        if (b >= 0) (void)close(b);
    }
    (void)closedir(d);
    return r;
}

/* Below, the folder is a link to another one: that is where its content belongs. l->path: its name.
 */
static int redirect(struct sn_layer *l, int below_fd, const struct layer_dir *dir)
{
    size_t n;
    const char *name;
    int fd = layer_resolve(l, below_fd, dir->path, false, l->target, &n);
    if (fd == SN_E_NOT_FOUND) return 0; /* the link leads nowhere: the folder takes its place */
    if (fd < 0) return fd;
    (void)close(fd);
    if (n == 0) return 0;
    int r = layer_parent(l, l->target, &name);
    if (r < 0) return r;
    if (mkdirat(l->parent_fd, name, 0755) < 0 && errno != EEXIST)
        return sn_fail_errno(errno, "make folder \"%s\"", l->target);
    if (!layer_dir_of(l, sn_str_of(l->target, n))) return SN_E_NOMEM;
    int from = layer_openat2(l->dir_fd, dir->path.ptr, O_RDONLY | O_DIRECTORY);
    int to = layer_openat2(l->dir_fd, l->target, O_RDONLY | O_DIRECTORY);
    if (from >= 0 && to >= 0) {
        r = merge(from, to, l->limits.path_depth_max);
        if (r == 0) {
            memcpy(l->path, dir->path.ptr, dir->path.len + 1);
            r = layer_parent(l, l->path, &name);
        }
        if (r == 0) r = sn_layer_remove_tree(l->parent_fd, name);
        if (r == 0) r = 1;
    }
    if (from >= 0) (void)close(from);
    if (to >= 0) (void)close(to);
    return r;
}

/* Returns 1 where the layer's content moved. */
static int join_dir(struct sn_layer *l, int below_fd, const struct layer_dir *dir)
{
    struct stat st;
    int below = layer_openat2(below_fd, dir->path.ptr, O_PATH | O_NOFOLLOW);
    if (below < 0) return 0; /* not there, or beyond a link that was followed before */
    int r = 0;
    if (fstat(below, &st) == 0 && S_ISDIR(st.st_mode)) {
        int own = layer_openat2(l->dir_fd, dir->path.ptr, O_RDONLY | O_DIRECTORY);
        if (own >= 0) {
            r = copy_attributes(below, own, &st);
            (void)close(own);
        }
    } else if (S_ISLNK(st.st_mode)) {
        r = redirect(l, below_fd, dir);
    }
    (void)close(below);
    return r < 0 ? sn_wrap(r, "folder \"%.*s\"", SN_STR_ARG(dir->path)) : r;
}

/* Parents before children. Joining may find more folders; they come first in the list then. */
static int join_dirs(struct sn_layer *l, int below_fd)
{
    const struct layer_dir *done = NULL;
    bool moved = l->links != NULL;
    while (l->dirs != done) {
        struct layer_dir *newest = l->dirs;
        SN_VEC(struct layer_dir *) order = {0};
        int r = 0;
        for (struct layer_dir *d = newest; d != done && r == 0; d = d->next)
            if (d->implied) r = sn_vec_push(&order, d);
        for (size_t i = order.len; i-- > 0 && r >= 0;) {
            r = join_dir(l, below_fd, order.ptr[i]);
            moved |= r > 0;
        }
        sn_vec_done(&order);
        if (r < 0) return r;
        done = newest;
    }
    return moved ? layer_settle(l) : 0;
}

bool sn_layer_needs_view(const struct sn_layer *l)
{
    if (l->links) return true;
    for (const struct layer_dir *d = l->dirs; d; d = d->next)
        if (d->implied && d->path.len) return true;
    return false;
}

int sn_layer_join(struct sn_layer *l, int below_fd)
{
    for (const struct layer_link *k = l->links; k; k = k->next) {
        int r = join_link(l, below_fd, k);
        if (r < 0) return r;
    }
    return below_fd < 0 ? 0 : join_dirs(l, below_fd);
}

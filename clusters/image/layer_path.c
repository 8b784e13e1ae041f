/* SPDX-License-Identifier: Apache-2.0 */
/* image/layer_path.c - how a name in an archive becomes a folder's descriptor and a last component,
 * and nothing outside of the layer; removing trees. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/status.h"
#include "image/layer_int.h"

static int do_openat2(int dirfd, const char *path, int flags, uint64_t resolve)
{
    struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = resolve};
    int fd;
    do fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
    while (fd < 0 && (errno == EINTR || errno == EAGAIN)); /* EAGAIN: a rename elsewhere raced */
    return fd < 0 ? -errno : fd;
}

int layer_openat2(int dirfd, const char *path, int flags)
{
    return do_openat2(dirfd, *path ? path : ".", flags,
                      RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

int layer_openat2_root(int dirfd, const char *path, int flags)
{
    return do_openat2(dirfd, *path ? path : ".", flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int layer_clean(const struct sn_layer *l, struct sn_str path, char *out)
{
    struct sn_str rest = path;
    size_t n = 0;
    unsigned depth = 0;
    while (rest.ptr) {
        struct sn_str part = sn_str_cut(&rest, '/');
        if (part.len == 0 || sn_str_eqc(part, ".")) continue;
        if (sn_str_eqc(part, "..")) {
            if (depth == 0)
                return sn_fail(SN_E_SYNTAX, "\"%.*s\" leads out of the layer", SN_STR_ARG(path));
            ssize_t cut = sn_str_rchr(sn_str_of(out, n), '/');
            n = cut < 0 ? 0 : (size_t)cut;
            depth--;
            continue;
        }
        if (part.len > 255)
            return sn_fail(SN_E_TOO_LARGE, "\"%.*s\": a component of over 255 bytes",
                           SN_STR_ARG(path));
        if (++depth > l->limits.path_depth_max)
            return sn_fail(SN_E_TOO_LARGE, "\"%.*s\": over %u folders deep (path_depth_max)",
                           SN_STR_ARG(path), l->limits.path_depth_max);
        if (n) out[n++] = '/';
        memcpy(out + n, part.ptr, part.len);
        n += part.len;
    }
    out[n] = 0;
    return (int)n;
}

void layer_forget(struct sn_layer *l)
{
    if (l->parent_fd >= 0) (void)close(l->parent_fd);
    l->parent_fd = -1;
}

struct layer_dir *layer_dir_of(struct sn_layer *l, struct sn_str path)
{
    struct layer_dir *d = sn_map_get(&l->by_path, path);
    if (d) return d;
    d = SN_ARENA_NEW(&l->keep, struct layer_dir);
    if (!d) return NULL;
    *d = (struct layer_dir){.path = sn_arena_str(&l->keep, path),
                            .implied = true,
                            .mode = 0755,
                            .mtime_ns = SN_TAR_NO_TIME,
                            .atime_ns = SN_TAR_NO_TIME};
    if (!d->path.ptr || sn_map_put(&l->by_path, d->path, d, NULL) < 0) return NULL;
    d->next = l->dirs;
    l->dirs = d;
    return d;
}

int layer_canonical(const struct sn_layer *l, const char *name, char *out)
{
    size_t n = strlen(name);
    if (l->parent_len + 1 + n > SN_TAR_PATH_MAX)
        return sn_fail(SN_E_TOO_LARGE, "a path of over %u bytes", SN_TAR_PATH_MAX);
    size_t at = l->parent_len;
    memcpy(out, l->parent, at);
    if (at) out[at++] = '/';
    memcpy(out + at, name, n + 1);
    return (int)(at + n);
}

/* ---- walking ----------------------------------------------------------------------------------
 */

struct walk {
    struct sn_layer *l;
    int root_fd;
    bool make;
    int fd;                  /* of `at` */
    char at[LAYER_PATH_MAX]; /* canonical */
    size_t at_len;
    char todo[2 * LAYER_PATH_MAX]; /* what is left, from `from` on */
    size_t from;
    unsigned links;
    char text[LAYER_PATH_MAX]; /* of a link */
};

static int walk_to(struct walk *w, int fd, size_t at_len)
{
    if (fd < 0) return sn_fail_errno(-fd, "open \"%.*s\" in the layer", (int)at_len, w->at);
    if (w->fd >= 0) (void)close(w->fd);
    w->fd = fd;
    w->at_len = at_len;
    w->at[at_len] = 0;
    return 0;
}

static int walk_up(struct walk *w)
{
    ssize_t cut = sn_str_rchr(sn_str_of(w->at, w->at_len), '/');
    size_t len = cut < 0 ? 0 : (size_t)cut;
    w->at[len] = 0;
    return walk_to(w, layer_openat2(w->root_fd, w->at, O_PATH | O_DIRECTORY), len);
}

static int make_implied(struct walk *w, const char *name, bool hides)
{
    if (mkdirat(w->fd, name, 0755) < 0)
        return sn_fail_errno(errno, "make folder \"%s/%s\"", w->at, name);
    int fd = openat(w->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return sn_fail_errno(errno, "open folder \"%s/%s\"", w->at, name);
    int r = 0;
    if (hides && fsetxattr(fd, LAYER_OPAQUE, "y", 1, 0) < 0)
        r = sn_fail_errno(errno, "set " LAYER_OPAQUE " on \"%s/%s\"", w->at, name);
    (void)close(fd);
    return r;
}

/* The text of the link `fd` goes before what is left; a link from the root begins there. */
static int follow(struct walk *w, int fd)
{
    ssize_t n = readlinkat(fd, "", w->text, sizeof(w->text) - 1);
    if (n < 0) return sn_fail_errno(errno, "read link in \"%s\"", w->at);
    if (++w->links > LAYER_LINKS_MAX)
        return sn_fail(SN_E_SYNTAX, "over %u symbolic links below \"%s\"", LAYER_LINKS_MAX, w->at);
    size_t rest = strlen(w->todo + w->from);
    if ((size_t)n + 1 + rest >= sizeof(w->todo))
        return sn_fail(SN_E_TOO_LARGE, "links below \"%s\" are too long", w->at);
    memmove(w->todo + n + 1, w->todo + w->from, rest + 1);
    memcpy(w->todo, w->text, (size_t)n);
    w->todo[n] = '/';
    w->from = 0;
    if (w->text[0] != '/') return 0;
    return walk_to(w, layer_openat2(w->root_fd, "", O_PATH | O_DIRECTORY), 0);
}

static int walk_down(struct walk *w, const char *name)
{
    size_t n = strlen(name), len = w->at_len + (w->at_len > 0) + n;
    if (len > SN_TAR_PATH_MAX)
        return sn_fail(SN_E_TOO_LARGE, "a path of over %u bytes", SN_TAR_PATH_MAX);
    struct stat st;
    int fd = openat(w->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    bool there = fd >= 0 && fstat(fd, &st) == 0, hidden = there && layer_is_whiteout(&st);
    if (!w->make && (!there || hidden || !(S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode)))) {
        if (fd >= 0) (void)close(fd);
        return SN_E_NOT_FOUND;
    }
    if (hidden && unlinkat(w->fd, name, 0) < 0) {
        (void)close(fd);
        return sn_fail_errno(errno, "remove whiteout \"%s/%s\"", w->at, name);
    }
    if (!there || hidden) {
        if (fd >= 0)
            (void)close(fd);
        else if (errno != ENOENT)
            return sn_fail_errno(errno, "open \"%s/%s\"", w->at, name);
        int r = make_implied(w, name, hidden);
        if (r < 0) return r;
        fd = openat(w->fd, name, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0) return sn_fail_errno(errno, "open \"%s/%s\"", w->at, name);
    } else if (S_ISLNK(st.st_mode)) {
        int r = follow(w, fd);
        (void)close(fd);
        return r;
    } else if (!S_ISDIR(st.st_mode)) {
        (void)close(fd);
        return sn_fail(SN_E_SYNTAX, "\"%s%s%s\" is no folder, but has entries below it", w->at,
                       w->at_len ? "/" : "", name);
    }
    if (w->at_len) w->at[w->at_len] = '/';
    memcpy(w->at + w->at_len + (w->at_len > 0), name, n + 1);
    int r = walk_to(w, fd, len);
    if (r == 0 && w->make && !layer_dir_of(w->l, sn_str_of(w->at, len))) r = SN_E_NOMEM;
    return r;
}

static int walk_all(struct walk *w)
{
    int r = walk_to(w, layer_openat2(w->root_fd, "", O_PATH | O_DIRECTORY), 0);
    while (r == 0) {
        char name[256];
        while (w->todo[w->from] == '/') w->from++;
        size_t n = strcspn(w->todo + w->from, "/");
        if (n == 0) return 0;
        if (n >= sizeof(name))
            return sn_fail(SN_E_TOO_LARGE, "a component of over 255 bytes below \"%s\"", w->at);
        memcpy(name, w->todo + w->from, n);
        name[n] = 0;
        w->from += n;
        if (strcmp(name, ".") == 0) continue;
        r = strcmp(name, "..") == 0 ? walk_up(w) : walk_down(w, name);
    }
    return r;
}

int layer_resolve(struct sn_layer *l, int root_fd, struct sn_str path, bool make, char *out,
                  size_t *ret_len)
{
    struct walk *w = sn_alloc(sizeof(*w)); /* too large for a frame */
    if (!w) return SN_E_NOMEM;
    w->l = l;
    w->root_fd = root_fd;
    w->make = make;
    w->fd = -1;
    w->at_len = w->from = w->links = 0;
    memcpy(w->todo, path.ptr, path.len);
    w->todo[path.len] = 0;
    int r = walk_all(w);
    if (r == 0) {
        r = w->fd;
        *ret_len = w->at_len;
        memcpy(out, w->at, w->at_len + 1);
    } else if (w->fd >= 0) {
        (void)close(w->fd);
    }
    sn_free(w);
    return r;
}

int layer_parent(struct sn_layer *l, const char *path, const char **ret_name)
{
    ssize_t cut = sn_str_rchr(sn_str(path), '/');
    size_t len = cut < 0 ? 0 : (size_t)cut;
    *ret_name = path + (cut < 0 ? 0 : cut + 1);
    if (l->parent_fd >= 0 && len == l->parent_len && memcmp(path, l->parent, len) == 0) return 0;
    layer_forget(l);
    memcpy(l->parent, path, len);
    l->parent[len] = 0;
    l->parent_len = len;
    int fd = layer_openat2(l->dir_fd, l->parent, O_PATH | O_DIRECTORY);
    if (fd < 0) {
        fd = layer_resolve(l, l->dir_fd, sn_str_of(path, len), true, l->parent, &l->parent_len);
        if (fd >= 0) l->parent_fd = fd;
        return fd < 0 ? fd : 0;
    }
    if (!layer_dir_of(l, sn_str_of(path, len))) {
        (void)close(fd);
        return SN_E_NOMEM;
    }
    l->parent_fd = fd;
    return 0;
}

/* ---- removing ---------------------------------------------------------------------------------
 */

/* Empties the folder `fd` of all but folders, and gives one folder that is left. Returns 1 with its
 * name, 0 where nothing is left, SN_E_*. */
static int empty_files(int fd, char name[256])
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    if (!d) {
        int e = errno;
        if (copy >= 0) (void)close(copy);
        return sn_fail_errno(e, "read a folder that is being removed");
    }
    int r = 0;
    const struct dirent *e;
    while (r >= 0 && (e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if (unlinkat(fd, e->d_name, 0) == 0) continue;
        if (errno == EISDIR || errno == EPERM) {
            if (unlinkat(fd, e->d_name, AT_REMOVEDIR) == 0) continue;
            if (errno != ENOTEMPTY) {
                r = sn_fail_errno(errno, "remove \"%s\"", e->d_name);
                continue;
            }
            (void)snprintf(name, 256, "%s", e->d_name);
            r = 1;
        } else if (errno != ENOENT) {
            r = sn_fail_errno(errno, "remove \"%s\"", e->d_name);
        }
    }
    (void)closedir(d);
    return r;
}

/* Goes down to a folder without folders, removes it on the way back up: ".." of a folder that only
 * we know is its parent. No recursion, two descriptors, whatever the depth. */
int sn_layer_remove_tree(int dir_fd, const char *name)
{
    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT) return 0;
    if (errno != EISDIR && errno != EPERM) return sn_fail_errno(errno, "remove \"%s\"", name);
    if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0) return 0;
    if (errno != ENOTEMPTY) return sn_fail_errno(errno, "remove \"%s\"", name);
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r = 0;
    if (fd < 0) return sn_fail_errno(errno, "open \"%s\"", name);
    for (uint64_t depth = 1; depth;) {
        char next[256];
        r = empty_files(fd, next);
        if (r < 0) break;
        if (r == 0 && --depth == 0) break;
        int to = openat(fd, r ? next : "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (to < 0) {
            r = sn_fail_errno(errno, "open \"%s\"", r ? next : "..");
            break;
        }
        depth += r == 1;
        (void)close(fd);
        fd = to;
        r = 0;
    }
    (void)close(fd);
    if (r < 0) return sn_wrap(r, "remove folder \"%s\"", name);
    if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return sn_fail_errno(errno, "remove folder \"%s\"", name);
    return 0;
}

#define COUNT_DEPTH_MAX 512u

struct count {
    uint64_t bytes, inodes;
};

static int count_dir(int dir_fd, struct count *c, unsigned depth)
{
    int copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    if (!d) {
        int e = errno;
        if (copy >= 0) (void)close(copy);
        return sn_fail_errno(e, "read a folder that is being counted");
    }
    int r = 0;
    const struct dirent *e;
    struct stat st;
    while (r == 0 && (e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if (fstatat(dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) continue; /* just removed */
        c->bytes += (uint64_t)st.st_blocks * 512;
        c->inodes++;
        if (!S_ISDIR(st.st_mode) || depth == 0) continue;
        int sub = openat(dir_fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (sub < 0) continue;
        r = count_dir(sub, c, depth - 1);
        (void)close(sub);
    }
    (void)closedir(d);
    return r;
}

int sn_layer_count_tree(int dir_fd, uint64_t *ret_bytes, uint64_t *ret_inodes)
{
    struct count c = {0};
    int r = count_dir(dir_fd, &c, COUNT_DEPTH_MAX);
    if (r < 0) return r;
    *ret_bytes = c.bytes;
    *ret_inodes = c.inodes;
    return 0;
}

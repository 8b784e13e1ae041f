/* SPDX-License-Identifier: Apache-2.0 */
/* image/snapshot.c - unpacked layers, named by the chain of layers up to them; overlays of them. */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/status.h"
#include "image/store_int.h"

#define COPY_BYTES (1u << 20)
#define SNAPSHOT_UNSYNCED "unsynced"

void snapshot_name(struct sn_str chain, char out[STORE_NAME_MAX])
{
    SN_ASSERT(sn_image_digest_valid(chain));
    (void)snprintf(out, STORE_NAME_MAX, "%.*s", (int)chain.len - 7, chain.ptr + 7);
}

static void fs_path(struct sn_str chain, char out[STORE_NAME_MAX])
{
    (void)snprintf(out, STORE_NAME_MAX, "snapshots/%.*s/fs", (int)chain.len - 7, chain.ptr + 7);
}

/* Unpacked files are not waited for: a snapshot carries the id of the boot it was made in until the
 * disk is known to have it (snapshot_settle). One of another boot may have lost files to a power
 * cut: it counts as not there, and is unpacked again from its blob, which was waited for. */
static bool is_suspect(struct sn_image_store *st, const char *name)
{
    char path[STORE_NAME_MAX], id[sizeof(st->boot_id)] = {0};
    (void)snprintf(path, sizeof(path), "snapshots/%.200s/" SNAPSHOT_UNSYNCED, name);
    int fd = openat(st->fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return errno != ENOENT;
    ssize_t n = read(fd, id, sizeof(id) - 1);
    (void)close(fd);
    return n <= 0 || strcmp(id, st->boot_id) != 0;
}

bool snapshot_exists(struct sn_image_store *st, struct sn_str chain)
{
    char path[STORE_NAME_MAX], name[STORE_NAME_MAX];
    fs_path(chain, path);
    if (faccessat(st->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0) return false;
    snapshot_name(chain, name);
    return !is_suspect(st, name);
}

void snapshot_settle(struct sn_image_store *st, const struct sn_str *names, size_t n)
{
    char path[STORE_NAME_MAX];
    bool synced = false;
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(path, sizeof(path), "snapshots/%.200s/" SNAPSHOT_UNSYNCED, names[i].ptr);
        if (faccessat(st->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0 || is_suspect(st, names[i].ptr))
            continue;
        if (!synced && syncfs(st->fd) < 0) return;
        synced = true;
        (void)unlinkat(st->fd, path, 0);
    }
}

static int put_small(struct unpack *u, const char *name, const char *text)
{
    char path[STORE_NAME_MAX];
    (void)snprintf(path, sizeof(path), "snapshots/%s/%s", u->name, name);
    int fd = openat(u->st->fd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int r = fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)
                ? sn_fail_errno(errno, "write %s/%s", u->st->root, path)
                : 0;
    if (fd >= 0) (void)close(fd);
    return r;
}

/* ---- unpacking ----------------------------------------------------------------------------------
 */

int unpack_begin(struct sn_image_store *st, struct lease *l, struct sn_str diff_id,
                 struct unpack *ret)
{
    struct unpack u = {.st = st, .fs_fd = -1};
    char path[STORE_NAME_MAX];
    (void)snprintf(u.name, sizeof(u.name), "tmp-%d-%llu", getpid(),
                   (unsigned long long)__atomic_add_fetch(&st->serial, 1, __ATOMIC_RELAXED));
    int r = lease_add(l, sn_str(u.name));
    if (r < 0) return r;
    (void)snprintf(path, sizeof(path), "snapshots/%s", u.name);
    if (mkdirat(st->fd, path, 0755) < 0) return sn_fail_errno(errno, "make %s/%s", st->root, path);
    (void)snprintf(path, sizeof(path), "snapshots/%s/fs", u.name);
    if (mkdirat(st->fd, path, 0755) < 0)
        r = sn_fail_errno(errno, "make %s/%s", st->root, path);
    else if ((u.fs_fd = openat(st->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        r = sn_fail_errno(errno, "open %s/%s", st->root, path);
    if (r == 0) r = sn_layer_new(u.fs_fd, diff_id, &st->o.limits, &u.layer);
    if (r < 0)
        unpack_end(&u);
    else
        *ret = u;
    return r;
}

void unpack_end(struct unpack *u)
{
    sn_layer_free(u->layer);
    u->layer = NULL;
    if (u->fs_fd >= 0) (void)close(u->fs_fd);
    u->fs_fd = -1;
    if (!u->name[0]) return;
    int fd = openat(u->st->fd, "snapshots", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)sn_layer_remove_tree(fd, u->name); /* else it is garbage, and collected as such */
        (void)close(fd);
    }
    u->name[0] = 0;
}

int unpack_blob(struct unpack *u, struct sn_str digest)
{
    char path[STORE_NAME_MAX];
    store_blob_path(digest, path);
    int fd = openat(u->st->fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), r = 0;
    if (fd < 0) return sn_fail_errno(errno, "open %s/%s", u->st->root, path);
    char *buf = sn_alloc(COPY_BYTES);
    if (!buf) r = SN_E_NOMEM;
    while (r == 0) {
        ssize_t n = read(fd, buf, COPY_BYTES);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) r = sn_fail_errno(errno, "read %s/%s", u->st->root, path);
        if (n <= 0) break;
        r = sn_layer_put(u->layer, sn_str_of(buf, (size_t)n));
    }
    sn_free(buf);
    (void)close(fd);
    if (r == 0) r = sn_layer_finish(u->layer, &u->result);
    u->done = r == 0;
    return r < 0 ? sn_wrap(r, "layer %.*s", SN_STR_ARG(digest)) : 0;
}

static int join(struct unpack *u, const struct sn_str *chains, size_t i)
{
    int below = -1;
    if (i > 0) {
        if (sn_layer_needs_view(u->layer) && i > 1) {
            below = snapshot_view(u->st, chains, i, &(struct view_opts){-1, -1, -1, NULL, NULL});
        } else {
            char path[STORE_NAME_MAX];
            fs_path(chains[i - 1], path);
            below = openat(u->st->fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
            if (below < 0) below = sn_fail_errno(errno, "open %s/%s", u->st->root, path);
        }
        if (below < 0) return below;
    }
    int r = sn_layer_join(u->layer, below);
    if (below >= 0) (void)close(below);
    return r;
}

int unpack_commit(struct unpack *u, const struct sn_str *chains, size_t i)
{
    char path[STORE_NAME_MAX], temp[STORE_NAME_MAX], name[STORE_NAME_MAX], text[64];
    int r = join(u, chains, i);
    if (r < 0) return r;
    snapshot_name(chains[i], name);
    (void)snprintf(temp, sizeof(temp), "snapshots/%s", u->name);
    (void)snprintf(text, sizeof(text), "%llu %llu\n", (unsigned long long)u->result.bytes,
                   (unsigned long long)u->result.entries);
    r = put_small(u, "usage", text);
    if (r == 0) r = put_small(u, SNAPSHOT_UNSYNCED, u->st->boot_id);
    if (r < 0) return r;
    (void)snprintf(path, sizeof(path), "snapshots/%.200s", name);
    r = renameat2(u->st->fd, temp, u->st->fd, path, RENAME_NOREPLACE);
    if (r < 0 && errno == EEXIST) {
        /* Another pull was first: its layer is the same. */
        if (!is_suspect(u->st, name)) return 0;
        r = store_trash(u->st, path);
        if (r < 0) return r;
        r = renameat2(u->st->fd, temp, u->st->fd, path, RENAME_NOREPLACE);
    }
    if (r < 0) return sn_fail_errno(errno, "name %s/%s", u->st->root, path);
    u->name[0] = 0;
    return 0;
}

/* ---- overlays
 * ------------------------------------------------------------------------------------ */

static int set_string(int fs, const char *key, const char *value)
{
    return (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0);
}

/* The reason overlayfs wrote into the context, where it did. */
static int fs_fail(int fs, const char *what)
{
    char text[256];
    int err = errno;
    ssize_t n = read(fs, text, sizeof(text) - 1);
    if (n < 0) n = 0;
    while (n > 0 && text[n - 1] == '\n') n--;
    text[n] = 0;
    return sn_fail_errno(err, "overlay: %s%s%s", what, n ? ": " : "", n > 2 ? text + 2 : "");
}

/* By descriptor where the kernel takes one (6.13), else by its path. */
static int add_layer(struct sn_image_store *st, int fs, const char *key, int fd)
{
    char path[STORE_PATH_MAX + STORE_NAME_MAX], link[32];
    if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_FD, key, NULL, fd) == 0) return 0;
    if (errno != EINVAL && errno != EOPNOTSUPP) return fs_fail(fs, key);
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path) - 1);
    if (n < 0) return sn_fail_errno(errno, "read %s", link);
    path[n] = 0;
    return set_string(fs, key, path) < 0 ? fs_fail(fs, key) : 0;
}

int snapshot_mapped(int dir, int userns_fd)
{
    struct mount_attr a = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns_fd};
    int fd = (int)syscall(SYS_open_tree, dir, "",
                          OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (fd < 0) return sn_fail_errno(errno, "a mount with mapped owners (needs CAP_SYS_ADMIN)");
    if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &a, sizeof(a)) == 0) return fd;
    int err = errno;
    (void)close(fd);
    return err == EINVAL ? sn_fail(SN_E_UNIMPLEMENTED, "this file system cannot map owners")
                         : sn_fail_errno(err, "map owners");
}

/* An overlay that is being put together. */
struct making {
    struct sn_image_store *st;
    int fs;
    const struct view_opts *o;
    unsigned n_mapped;
    int mapped[SN_IMAGE_LAYERS_MAX + 2]; /* a mount that nobody else sees lives as long as these */
};

static int add_mapped(struct making *m, int dir)
{
    if (m->n_mapped == SN_COUNT_OF(m->mapped))
        return sn_fail(SN_E_TOO_LARGE, "more than %u layers", SN_IMAGE_LAYERS_MAX);
    int fd = snapshot_mapped(dir, *m->o->userns_fd);
    if (fd < 0) return fd;
    m->mapped[m->n_mapped++] = fd;
    return syscall(SYS_fsconfig, m->fs, FSCONFIG_SET_FD, "lowerdir+", NULL, fd) == 0
               ? 0
               : fs_fail(m->fs, "a layer with mapped owners (needs Linux 6.15)");
}

static int add_lower_at(struct making *m, int fd)
{
    return m->o->userns_fd ? add_mapped(m, fd) : add_layer(m->st, m->fs, "lowerdir+", fd);
}

static int add_lower(struct making *m, const char *path)
{
    int fd = openat(m->st->fd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return sn_fail(errno == ENOENT ? SN_E_DATA_LOSS : sn_status_from_errno(errno),
                       "layer %s/%s is missing", m->st->root, path);
    int r = add_lower_at(m, fd);
    (void)close(fd);
    return r;
}

/* "name=value,flag" as mount(8) has it. */
static int set_options(int fs, const char *options)
{
    char one[256];
    struct sn_str rest = sn_str(options);
    while (rest.ptr) {
        struct sn_str value = sn_str_cut(&rest, ',');
        if (value.len == 0) continue;
        int r = sn_str_cz(value, one, sizeof(one));
        if (r < 0) return sn_fail(r, "overlay option of over %zu bytes", sizeof(one) - 1);
        char *eq = strchr(one, '=');
        if (eq) *eq = 0;
        if ((eq ? set_string(fs, one, eq + 1)
                : (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, one, NULL, 0)) < 0)
            return fs_fail(fs, one);
    }
    return 0;
}

static int fill_view(struct making *m, const struct sn_str *chains, size_t n)
{
    struct sn_image_store *st = m->st;
    const struct view_opts *o = m->o;
    int fs = m->fs;
    char path[STORE_NAME_MAX];
    int r = set_string(fs, "source", "sennit") < 0 ? fs_fail(fs, "source") : 0;
    for (size_t i = n; i-- > 0 && r == 0;) { /* the first one is on top */
        fs_path(chains[i], path);
        r = add_lower(m, path);
    }
    if (r == 0 && o->lower_fd >= 0) r = add_lower_at(m, o->lower_fd);
    /* Without a writable layer overlayfs wants two, and always one. */
    if (r == 0 && n + (o->lower_fd >= 0) < (o->upper_fd < 0 ? 2u : 1u))
        r = add_lower(m, "empty");
    if (r == 0 && n + (o->lower_fd >= 0) == 0 && o->upper_fd < 0)
        r = sn_fail(SN_E_INVALID_ARGUMENT, "an image without layers");
    if (r == 0 && o->upper_fd >= 0) r = add_layer(st, fs, "upperdir", o->upper_fd);
    if (r == 0 && o->upper_fd >= 0) r = add_layer(st, fs, "workdir", o->work_fd);
    if (r == 0 && o->options) r = set_options(fs, o->options);
    if (r == 0 && syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        r = fs_fail(fs, "make it");
    return r;
}

int snapshot_view(struct sn_image_store *st, const struct sn_str *chains, size_t n,
                  const struct view_opts *o)
{
    int fs = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
    if (fs < 0)
        return errno == ENODEV ? sn_fail(SN_E_UNIMPLEMENTED, "this kernel has no overlayfs")
                               : sn_fail_errno(errno, "overlay (needs CAP_SYS_ADMIN)");
    struct making m = {.st = st, .fs = fs, .o = o};
    int r = fill_view(&m, chains, n), fd = -1;
    if (r == 0) {
        fd =
            (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, o->upper_fd < 0 ? MOUNT_ATTR_RDONLY : 0);
        if (fd < 0) r = fs_fail(fs, "mount it");
    }
    for (unsigned i = 0; i < m.n_mapped; i++) (void)close(m.mapped[i]);
    (void)close(fs);
    return r < 0 ? r : fd;
}

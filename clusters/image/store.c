/* SPDX-License-Identifier: Apache-2.0 */
/* image/store.c - the store's folder, its lock, its small files, leases. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/enc.h"
#include "core/status.h"
#include "fiber/os.h"
#include "image/registry_int.h"
#include "image/store_int.h"

#define LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"

/* ---- opening ------------------------------------------------------------------------------------ */

static int make_rooms(struct sn_image_store *st)
{
    static const char *const rooms[] = {"blobs", "blobs/sha256", "blobs/sha512", "ingest", "leases",
                                        "mounts", "snapshots", "trash", "empty"};
    for (size_t i = 0; i < SN_COUNT_OF(rooms); i++)
        if (mkdirat(st->fd, rooms[i], i == 8 ? 0755 : 0700) < 0 && errno != EEXIST)
            return sn_fail_errno(errno, "make folder %s/%s", st->root, rooms[i]);
    if (faccessat(st->fd, "oci-layout", F_OK, 0) == 0) return 0;
    return store_write(st, "oci-layout", SN_STR(LAYOUT));
}

/* A folder with other things in it is not made a store. */
static int check_foreign(struct sn_image_store *st)
{
    if (faccessat(st->fd, "oci-layout", F_OK, 0) == 0) return 0;
    struct sn_arena a;
    struct sn_str *names;
    size_t n;
    sn_arena_init(&a, NULL, 0);
    int r = sn_dir_list(&a, st->root, &names, &n);
    for (size_t i = 0; i < n && r == 0; i++)
        if (!sn_str_eqc(names[i], "lost+found") && !sn_str_eqc(names[i], "lock") && !sn_str_eqc(names[i], "blobs") &&
            !sn_str_starts(names[i], SN_STR("tmp-")))
            r = sn_fail(SN_E_FAILED_PRECONDITION, "%s is no image store, and not empty: it has \"%.*s\"", st->root,
                        SN_STR_ARG(names[i]));
    sn_arena_done(&a);
    return r;
}

static int read_boot_id(struct sn_image_store *st)
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, st->boot_id, 36);
    int r = n < 0 ? sn_fail_errno(errno, "read /proc/sys/kernel/random/boot_id") : 0;
    if (fd >= 0) (void)close(fd);
    return r;
}

static int open_root(struct sn_image_store *st, const char *root)
{
    int r = sn_mkdirs(root, 0700);
    if (r < 0) return r;
    char *full = realpath(root, NULL);
    if (!full) return sn_fail_errno(errno, "open image store %s", root);
    r = sn_str_cz(sn_str(full), st->root, sizeof(st->root));
    (free)(full); /* banned: realpath's own */
    if (r < 0) return sn_fail(r, "image store %s: a path of over %u bytes", root, STORE_PATH_MAX);
    st->fd = open(st->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (st->fd < 0) return sn_fail_errno(errno, "open image store %s", st->root);
    r = read_boot_id(st);
    if (r == 0) r = check_foreign(st);
    if (r == 0) r = make_rooms(st);
    return r;
}

struct open_job {
    struct sn_image_store *st;
    const char *root;
};
static int do_open(void *arg)
{
    struct open_job *j = arg;
    return open_root(j->st, j->root);
}

int sn_image_store_open(const struct sn_image_store_opts *opts, struct sn_image_store **ret)
{
    struct sn_image_store *st = SN_NEW(struct sn_image_store);
    if (!st) return SN_E_NOMEM;
    if (opts) st->o = *opts;
    st->fd = -1;
    if (!st->o.layers_at_once_max) st->o.layers_at_once_max = 4;
    sn_image_limits_fill(&st->o.limits);
    sn_map_init(&st->flights, 0x1eaf, false);
    int r = sn_str_cz(sn_str(st->o.certs_dir ? st->o.certs_dir : "/etc/containerd/certs.d"), st->certs_dir,
                      sizeof(st->certs_dir));
    struct open_job j = {st, st->o.root ? st->o.root : SN_IMAGE_ROOT_DEFAULT};
    if (r == 0) r = sn_offload(do_open, &j);
    st->o.root = st->o.certs_dir = NULL; /* the caller's */
    if (r < 0) {
        sn_image_store_close(st);
        return r;
    }
    *ret = st;
    return 0;
}

void sn_image_store_close(struct sn_image_store *st)
{
    if (!st) return;
    sn_image_clients_free(st->clients);
    sn_map_done(&st->flights);
    if (st->fd >= 0) (void)close(st->fd);
    sn_free(st);
}

const char *sn_image_store_root(const struct sn_image_store *st) { return st->root; }

/* ---- files -------------------------------------------------------------------------------------- */

int store_lock(struct sn_image_store *st, bool exclusive)
{
    int fd = openat(st->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600), r;
    if (fd < 0) return sn_fail_errno(errno, "open %s/lock", st->root);
    do r = flock(fd, exclusive ? LOCK_EX : LOCK_SH);
    while (r < 0 && errno == EINTR);
    if (r == 0) return fd;
    r = sn_fail_errno(errno, "lock %s/lock", st->root);
    (void)close(fd);
    return r;
}

enum sn_hash_kind store_hash_kind(struct sn_str digest)
{
    return sn_str_starts(digest, SN_STR("sha512:")) ? SN_SHA512 : SN_SHA256;
}

void store_digest_text(enum sn_hash_kind kind, const uint8_t *digest, char *out)
{
    memcpy(out, kind == SN_SHA512 ? "sha512:" : "sha256:", 7);
    out[7 + sn_hex_encode(digest, sn_hash_len(kind), out + 7)] = 0;
}

void store_blob_path(struct sn_str digest, char out[STORE_NAME_MAX])
{
    SN_ASSERT(sn_image_digest_valid(digest));
    (void)snprintf(out, STORE_NAME_MAX, "blobs/%.6s/%.*s", digest.ptr, (int)digest.len - 7, digest.ptr + 7);
}

bool store_blob_exists(struct sn_image_store *st, struct sn_str digest, uint64_t *ret_size)
{
    char path[STORE_NAME_MAX];
    struct stat s;
    store_blob_path(digest, path);
    if (fstatat(st->fd, path, &s, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(s.st_mode)) return false;
    if (ret_size) *ret_size = (uint64_t)s.st_size;
    return true;
}

static int read_all(int fd, char *to, size_t n)
{
    size_t have = 0;
    while (have < n) {
        ssize_t k = read(fd, to + have, n - have);
        if (k < 0 && errno == EINTR) continue;
        if (k < 0) return sn_fail_errno(errno, "read");
        if (k == 0) return sn_fail(SN_E_DATA_LOSS, "read: the file shrank");
        have += (size_t)k;
    }
    to[n] = 0;
    return 0;
}

int store_read(struct sn_image_store *st, struct sn_arena *a, const char *path, size_t max, struct sn_str *ret)
{
    struct stat s;
    int fd = openat(st->fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), r = 0;
    if (fd < 0) return sn_fail_errno(errno, "open %s/%s", st->root, path);
    if (fstat(fd, &s) < 0) r = sn_fail_errno(errno, "stat");
    if (r == 0 && (uint64_t)s.st_size > max) r = sn_fail(SN_E_TOO_LARGE, "over %zu bytes", max);
    char *p = r == 0 ? sn_arena_alloc(a, (size_t)s.st_size + 1) : NULL;
    if (r == 0) r = p ? read_all(fd, p, (size_t)s.st_size) : SN_E_NOMEM;
    (void)close(fd);
    if (r < 0) return sn_wrap(r, "%s/%s", st->root, path);
    *ret = sn_str_of(p, (size_t)s.st_size);
    return 0;
}

int store_blob_read(struct sn_image_store *st, struct sn_arena *a, struct sn_str digest, size_t max,
                    struct sn_str *ret)
{
    char path[STORE_NAME_MAX], is[SN_IMAGE_DIGEST_MAX + 1];
    uint8_t hash[SN_HASH_MAX];
    struct sn_str text;
    store_blob_path(digest, path);
    int r = store_read(st, a, path, max, &text);
    if (r == 0) r = sn_hash_once(store_hash_kind(digest), text.ptr, text.len, hash);
    if (r < 0) return r;
    store_digest_text(store_hash_kind(digest), hash, is);
    if (!sn_str_eqc(digest, is))
        return sn_fail(SN_E_DATA_LOSS, "%s/%s is damaged: its content is %s", st->root, path, is);
    *ret = text;
    return 0;
}

static int write_all(int fd, struct sn_str text)
{
    while (text.len) {
        ssize_t n = write(fd, text.ptr, text.len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return sn_fail_errno(errno, "write");
        text = sn_str_from(text, (size_t)n);
    }
    return 0;
}

int store_sync_dir(struct sn_image_store *st, const char *path)
{
    if (st->o.no_sync) return 0;
    int fd = openat(st->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return sn_fail_errno(errno, "open %s/%s", st->root, path);
    int r = fsync(fd) < 0 ? sn_fail_errno(errno, "sync %s/%s", st->root, path) : 0;
    (void)close(fd);
    return r;
}

int store_write(struct sn_image_store *st, const char *path, struct sn_str text)
{
    char temp[64];
    (void)snprintf(temp, sizeof(temp), "tmp-%d-%llu", getpid(),
                   (unsigned long long)__atomic_add_fetch(&st->serial, 1, __ATOMIC_RELAXED));
    int fd = openat(st->fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return sn_fail_errno(errno, "make %s/%s", st->root, temp);
    int r = write_all(fd, text);
    if (r == 0 && !st->o.no_sync && fdatasync(fd) < 0) r = sn_fail_errno(errno, "sync");
    (void)close(fd);
    if (r == 0 && renameat(st->fd, temp, st->fd, path) < 0) r = sn_fail_errno(errno, "rename");
    if (r == 0) return store_sync_dir(st, ".");
    (void)unlinkat(st->fd, temp, 0);
    return sn_wrap(r, "write %s/%s", st->root, path);
}

/* ---- leases -------------------------------------------------------------------------------------- */

int lease_open(struct sn_image_store *st, struct lease *ret)
{
    struct lease l = {.st = st};
    (void)snprintf(l.path, sizeof(l.path), "leases/%d-%llu", getpid(),
                   (unsigned long long)__atomic_add_fetch(&st->serial, 1, __ATOMIC_RELAXED));
    /* Under the lock: between its making and its locking nobody takes it for a dead one's. */
    int lock = store_lock(st, false);
    if (lock < 0) return lock;
    l.fd = openat(st->fd, l.path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    int r = l.fd < 0 ? sn_fail_errno(errno, "make %s/%s", st->root, l.path) : 0;
    if (r == 0 && flock(l.fd, LOCK_EX | LOCK_NB) < 0) {
        r = sn_fail_errno(errno, "lock %s/%s", st->root, l.path);
        (void)close(l.fd);
    }
    (void)close(lock);
    if (r == 0) *ret = l;
    return r;
}

int lease_add(struct lease *l, struct sn_str what)
{
    char line[STORE_NAME_MAX];
    int n = snprintf(line, sizeof(line), "%.*s\n", SN_STR_ARG(what));
    int lock = store_lock(l->st, false);
    if (lock < 0) return lock;
    int r = write_all(l->fd, sn_str_of(line, (size_t)n));
    (void)close(lock);
    return r < 0 ? sn_wrap(r, "%s/%s", l->st->root, l->path) : 0;
}

void lease_close(struct lease *l)
{
    if (!l->st) return;
    (void)unlinkat(l->st->fd, l->path, 0);
    (void)close(l->fd);
    l->st = NULL;
}

/* ---- trash ---------------------------------------------------------------------------------------- */

int store_trash(struct sn_image_store *st, const char *path)
{
    char to[STORE_NAME_MAX];
    (void)snprintf(to, sizeof(to), "trash/%d-%llu", getpid(),
                   (unsigned long long)__atomic_add_fetch(&st->serial, 1, __ATOMIC_RELAXED));
    if (renameat(st->fd, path, st->fd, to) == 0 || errno == ENOENT) return 0;
    return sn_fail_errno(errno, "move %s/%s to the trash", st->root, path);
}

void store_empty_trash(struct sn_image_store *st)
{
    struct sn_arena a;
    struct sn_str *names;
    size_t n;
    char path[STORE_PATH_MAX + 16];
    (void)snprintf(path, sizeof(path), "%s/trash", st->root);
    int fd = openat(st->fd, "trash", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    sn_arena_init(&a, NULL, 0);
    if (fd >= 0 && sn_dir_list(&a, path, &names, &n) == 0)
        for (size_t i = 0; i < n; i++) (void)sn_layer_remove_tree(fd, names[i].ptr); /* else the next time */
    sn_arena_done(&a);
    if (fd >= 0) (void)close(fd);
}

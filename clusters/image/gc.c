/* SPDX-License-Identifier: Apache-2.0 */
/* image/gc.c - what nothing needs any more: marks from names, mounts and leases, sweeps the rest.
 *
 * Everything that is marked is marked before the first thing is removed, under the store's lock: a pull that
 * finds a blob or snapshot there has written it into its lease first, so either it was marked or the pull
 * sees that it is gone. Trees are renamed away under the lock and removed after it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/status.h"
#include "fiber/os.h"
#include "image/mount_int.h"
#include "image/store_int.h"

struct gc {
    struct sn_image_store *st;
    struct sn_image_gc_opts o;
    struct sn_image_gc_stats stats;
    struct sn_arena arena;
    struct sn_map live;          /* digests of blobs, names of snapshots */
};

static int mark(struct gc *g, struct sn_str what)
{
    struct sn_str s = sn_arena_str(&g->arena, what);
    int r = s.ptr ? sn_map_put(&g->live, s, NULL, NULL) : SN_E_NOMEM;
    return r < 0 ? r : 0;
}

static int mark_snapshot(struct gc *g, struct sn_str chain)
{
    return sn_image_digest_valid(chain) ? mark(g, sn_str_from(chain, 7)) : 0;
}

/* The layers of a record's image: their blobs from the manifest, their snapshots from the configuration. */
static int mark_image(struct gc *g, const struct record *r)
{
    struct sn_arena a;
    struct sn_str text, *chains;
    struct sn_manifest m;
    struct sn_image_config c;
    sn_arena_init(&a, NULL, 0);
    int e = store_blob_read(g->st, &a, r->manifest, SN_IMAGE_MANIFEST_BYTES_MAX, &text);
    if (e == 0) e = sn_manifest_parse(&a, text, &m);
    for (size_t i = 0; e == 0 && !m.index && i < m.n_entries; i++) e = mark(g, m.entries[i].digest);
    if (e == 0) e = store_blob_read(g->st, &a, r->config, SN_IMAGE_CONFIG_BYTES_MAX, &text);
    if (e == 0) e = sn_image_config_parse(&a, text, &c);
    if (e == 0) e = sn_image_chains(&a, c.diff_ids, c.n_diff_ids, &chains);
    for (size_t i = 0; e == 0 && i < c.n_diff_ids; i++) e = mark_snapshot(g, chains[i]);
    sn_arena_done(&a);
    /* A damaged image keeps nothing alive; the others do not suffer for it. */
    return e == SN_E_NOMEM ? e : 0;
}

/* Manifests and layers of what other tools named here: all that their documents mention. */
static int mark_foreign(struct gc *g, struct sn_str digest, unsigned depth)
{
    struct sn_str text;
    struct sn_manifest m;
    int r = mark(g, digest);
    if (r < 0 || depth == 0) return r;
    r = store_blob_read(g->st, &g->arena, digest, SN_IMAGE_MANIFEST_BYTES_MAX, &text);
    if (r == 0) r = sn_manifest_parse(&g->arena, text, &m);
    if (r < 0) return r == SN_E_NOMEM ? r : 0;
    if (!m.index) r = mark(g, m.config.digest);
    for (size_t i = 0; r == 0 && i < m.n_entries; i++)
        r = m.index ? mark_foreign(g, m.entries[i].digest, depth - 1) : mark(g, m.entries[i].digest);
    return r;
}

static int mark_records(struct gc *g)
{
    struct record *recs;
    size_t n;
    int r = index_read(g->st, &g->arena, &recs, &n);
    for (size_t i = 0; i < n && r == 0; i++) {
        if (!recs[i].config.len) {
            r = mark_foreign(g, recs[i].target, SN_MANIFEST_NESTED_MAX);
            continue;
        }
        r = mark(g, recs[i].target);
        if (r == 0) r = mark(g, recs[i].manifest);
        if (r == 0) r = mark(g, recs[i].config);
        if (r == 0) r = mark_image(g, &recs[i]);
    }
    return r;
}

/* Images without a tag and without a mount lose their names first. */
static int drop_untagged(struct gc *g)
{
    struct record *recs;
    size_t n, kept = 0;
    int r = index_read(g->st, &g->arena, &recs, &n);
    if (r < 0) return r;
    struct sn_map used;
    sn_map_init(&used, 0x9c, false);
    r = mount_chains(g->st, &g->arena, &used);
    for (size_t i = 0; i < n && r == 0; i++)
        if (sn_str_chr(recs[i].ref, '@') < 0 && recs[i].config.len)
            r = SN_MIN(0, sn_map_put(&used, recs[i].config, NULL, NULL));
    for (size_t i = 0; i < n; i++)
        if (!recs[i].config.len || sn_map_find(&used, recs[i].config) || sn_map_find(&used, recs[i].chain)) recs[kept++] = recs[i];
    sn_map_done(&used);
    return r < 0 || kept == n ? r : index_write(g->st, recs, kept);
}

static int mark_lease(struct gc *g, const char *name)
{
    char path[STORE_NAME_MAX];
    struct sn_str text;
    (void)snprintf(path, sizeof(path), "leases/%s", name);
    int fd = openat(g->st->fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return 0; /* just ended */
    bool dead = flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (dead) (void)unlinkat(g->st->fd, path, 0);
    (void)close(fd);
    if (dead) return 0;
    int r = store_read(g->st, &g->arena, path, STORE_INDEX_BYTES_MAX, &text);
    if (r < 0) return r == SN_E_NOT_FOUND ? 0 : r;
    while (text.ptr && r == 0) {
        struct sn_str line = sn_str_cut(&text, '\n');
        if (line.len) r = mark(g, line);
    }
    return r;
}

static int each(struct gc *g, const char *folder, int (*fn)(struct gc *g, const char *name))
{
    char path[STORE_PATH_MAX + STORE_NAME_MAX];
    struct sn_str *names;
    size_t n;
    (void)snprintf(path, sizeof(path), "%s/%s", g->st->root, folder);
    int r = sn_dir_list(&g->arena, path, &names, &n);
    for (size_t i = 0; i < n && r == 0; i++) r = fn(g, names[i].ptr);
    return r;
}

static int sweep_blob(struct gc *g, const char *algorithm, const char *name)
{
    char digest[STORE_NAME_MAX], path[STORE_NAME_MAX];
    struct stat s;
    (void)snprintf(digest, sizeof(digest), "%s:%.200s", algorithm, name);
    if (sn_map_find(&g->live, sn_str(digest))) return 0;
    (void)snprintf(path, sizeof(path), "blobs/%s/%.200s", algorithm, name);
    if (fstatat(g->st->fd, path, &s, AT_SYMLINK_NOFOLLOW) < 0) return 0;
    if (unlinkat(g->st->fd, path, 0) < 0) return errno == ENOENT ? 0 : sn_fail_errno(errno, "remove %s/%s", g->st->root, path);
    g->stats.blobs++;
    g->stats.bytes += (uint64_t)s.st_size;
    return 0;
}
static int sweep_256(struct gc *g, const char *name) { return sweep_blob(g, "sha256", name); }
static int sweep_512(struct gc *g, const char *name) { return sweep_blob(g, "sha512", name); }

static uint64_t usage_of(struct sn_image_store *st, struct sn_arena *a, const char *name, uint64_t *ret_inodes)
{
    char path[STORE_NAME_MAX];
    struct sn_str text;
    uint64_t bytes = 0;
    (void)snprintf(path, sizeof(path), "snapshots/%.200s/usage", name);
    if (store_read(st, a, path, 4096, &text) < 0) return 0;
    struct sn_str inodes = sn_str_trim(text), first = sn_str_cut(&inodes, ' ');
    if (sn_str_to_u64(first, &bytes) < 0) bytes = 0;
    if (ret_inodes && sn_str_to_u64(inodes, ret_inodes) < 0) *ret_inodes = 0;
    return bytes;
}

static int sweep_snapshot(struct gc *g, const char *name)
{
    char path[STORE_NAME_MAX];
    if (sn_map_find(&g->live, sn_str(name))) return 0;
    (void)snprintf(path, sizeof(path), "snapshots/%.200s", name);
    g->stats.bytes += usage_of(g->st, &g->arena, name, NULL);
    g->stats.snapshots++;
    return store_trash(g->st, path);
}

static int sweep_partial(struct gc *g, const char *name)
{
    char path[STORE_NAME_MAX];
    struct stat s;
    (void)snprintf(path, sizeof(path), "ingest/%.200s", name);
    int fd = openat(g->st->fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return 0;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &s) == 0 && unlinkat(g->st->fd, path, 0) == 0) {
        g->stats.partials++;
        g->stats.bytes += (uint64_t)s.st_size;
    }
    (void)close(fd);
    return 0;
}

/* Files of store_write whose writer died: they exist outside of the lock only for index.json, which is
 * written under it. */
static int sweep_temporary(struct gc *g, const char *name)
{
    int pid = 0;
    struct sn_str rest = sn_str(name), word = sn_str_cut(&rest, '-'), number;
    int64_t v;
    if (!sn_str_eqc(word, "tmp") || !rest.ptr) return 0;
    number = sn_str_cut(&rest, '-');
    if (sn_str_to_i64(number, &v) < 0 || v <= 0 || v > INT32_MAX) return 0;
    pid = (int)v;
    if (pid == getpid() || kill(pid, 0) == 0 || errno != ESRCH) return 0;
    (void)unlinkat(g->st->fd, name, 0);
    return 0;
}

static int run_locked(struct gc *g)
{
    int r = g->o.untagged ? drop_untagged(g) : 0;
    if (r == 0) r = mark_records(g);
    if (r == 0) r = mount_mark(g->st, &g->arena, &g->live);
    if (r == 0) r = each(g, "leases", mark_lease);
    if (r == 0) r = each(g, "blobs/sha256", sweep_256);
    if (r == 0) r = each(g, "blobs/sha512", sweep_512);
    if (r == 0) r = each(g, "snapshots", sweep_snapshot);
    if (r == 0) r = each(g, ".", sweep_temporary);
    if (r == 0 && g->o.partials) r = each(g, "ingest", sweep_partial);
    return r;
}

/* Not under the lock: this waits for the disk. */
static void settle(struct gc *g)
{
    char path[STORE_PATH_MAX + STORE_NAME_MAX];
    struct sn_str *names;
    size_t n;
    (void)snprintf(path, sizeof(path), "%s/snapshots", g->st->root);
    if (!g->st->o.no_sync && sn_dir_list(&g->arena, path, &names, &n) == 0) snapshot_settle(g->st, names, n);
}

int gc_run(struct sn_image_store *st, const struct sn_image_gc_opts *o, struct sn_image_gc_stats *ret)
{
    struct gc g = {.st = st};
    if (o) g.o = *o;
    int lock = store_lock(st, true);
    if (lock < 0) return lock;
    sn_arena_init(&g.arena, NULL, 0);
    sn_map_init(&g.live, 0x11fe, false);
    int r = run_locked(&g);
    (void)close(lock);
    store_empty_trash(st);
    settle(&g);
    sn_map_done(&g.live);
    sn_arena_done(&g.arena);
    if (r == 0 && ret) *ret = g.stats;
    return r;
}

struct gc_job {
    struct sn_image_store *st;
    const struct sn_image_gc_opts *o;
    struct sn_image_gc_stats stats;
    struct sn_image_fs_usage usage;
};
static int do_gc(void *arg)
{
    struct gc_job *j = arg;
    return gc_run(j->st, j->o, &j->stats);
}

int sn_image_gc(struct sn_image_store *st, const struct sn_image_gc_opts *o, struct sn_image_gc_stats *ret)
{
    struct gc_job j = {.st = st, .o = o};
    int r = sn_offload(do_gc, &j);
    if (r == 0 && ret) *ret = j.stats;
    return r;
}

/* ---- usage ---------------------------------------------------------------------------------------- */

static int count_blobs(struct sn_image_store *st, struct sn_arena *a, const char *folder, struct sn_image_fs_usage *u)
{
    char path[STORE_PATH_MAX + STORE_NAME_MAX];
    struct sn_str *names;
    struct stat s;
    size_t n;
    (void)snprintf(path, sizeof(path), "%s/%s", st->root, folder);
    int r = sn_dir_list(a, path, &names, &n), fd = -1;
    if (r == 0 && (fd = openat(st->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) r = sn_fail_errno(errno, "open %s", path);
    for (size_t i = 0; i < n && r == 0; i++)
        if (fstatat(fd, names[i].ptr, &s, AT_SYMLINK_NOFOLLOW) == 0) {
            u->bytes += (uint64_t)s.st_size;
            u->inodes++;
        }
    if (fd >= 0) (void)close(fd);
    return r;
}

static int do_usage(void *arg)
{
    struct gc_job *j = arg;
    struct sn_arena a;
    char path[STORE_PATH_MAX + STORE_NAME_MAX];
    struct sn_str *names;
    size_t n;
    sn_arena_init(&a, NULL, 0);
    int r = count_blobs(j->st, &a, "blobs/sha256", &j->usage);
    if (r == 0) r = count_blobs(j->st, &a, "blobs/sha512", &j->usage);
    (void)snprintf(path, sizeof(path), "%s/snapshots", j->st->root);
    if (r == 0) r = sn_dir_list(&a, path, &names, &n);
    for (size_t i = 0; r == 0 && i < n; i++) {
        uint64_t inodes = 0;
        j->usage.bytes += usage_of(j->st, &a, names[i].ptr, &inodes);
        j->usage.inodes += inodes;
    }
    sn_arena_done(&a);
    return r;
}

int sn_image_fs_usage(struct sn_image_store *st, struct sn_image_fs_usage *ret)
{
    struct gc_job j = {.st = st};
    int r = sn_offload(do_usage, &j);
    if (r < 0) return r;
    j.usage.mountpoint = st->root;
    j.usage.at_ns = sn_wall_now();
    *ret = j.usage;
    return 0;
}

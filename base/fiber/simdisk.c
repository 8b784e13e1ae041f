/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/simdisk.c - the disk of a simulated host.
 *
 * Two states are kept: what programs see, and what a crash would leave. Data reaches the second by
 * sync of the file; names by sync of a folder, which writes the journal of name changes up to the
 * last one in that folder (journals keep order, as those of ext4 and XFS do). At a crash the seed
 * decides what had reached the disk anyway: how much of the journal, whether a file has its new
 * size, and of each sector that differs whether it is old, new, or torn in the middle. A synced
 * folder may so name a file whose data never arrived, which is the bug this finds most often. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/alloc.h"
#include "core/vec.h"
#include "fiber/file_int.h"
#include "fiber/rt_int.h"
#include "fiber/sim.h"

#define SIM_PATH_MAX 256u
#define SIM_SECTOR 512u
#define SIM_DISK_BYTES_MAX ((size_t)256 << 20) /* per host, what programs see */
#define SIM_FDS_MAX 4096u
#define SIM_FD_BASE (1 << 28) /* | host << 16 | slot: no kernel descriptor is that large */

struct bytes {
    unsigned char *p;
    size_t len, cap;
};
struct node {
    struct node *next;
    bool dir, mark;
    unsigned mode;
    uint64_t ino;
    int64_t mtime_ns;
    struct bytes cur, dur;
};
struct name {
    char path[SIM_PATH_MAX];
    struct node *n;
};
struct names {
    struct name *ptr;
    size_t len, cap;
};
enum change_op { LINK, UNLINK, RENAME };
struct change {
    enum change_op op;
    char a[SIM_PATH_MAX], b[SIM_PATH_MAX]; /* b: where a RENAME goes */
    struct node *n;                        /* of a LINK */
};
struct open_file {
    struct node *n; /* NULL = free slot */
    int flags;
    char path[SIM_PATH_MAX];
};
struct disk {
    struct names cur, dur;
    struct {
        struct change *ptr;
        size_t len, cap;
    } journal;
    struct {
        struct open_file *ptr;
        size_t len, cap;
    } fds;
    struct node *nodes;
    uint64_t next_ino;
    size_t used;
};

/* ---- bytes ---- */

static bool bytes_reserve(struct bytes *b, size_t n)
{
    if (n <= b->cap) return true;
    size_t cap = SN_MAX(n, b->cap * 2);
    unsigned char *p = sn_realloc(b->p, cap);
    if (!p) return false;
    b->p = p;
    b->cap = cap;
    return true;
}
/* Grows with zeros or cuts; room has been reserved. */
static void bytes_resize(struct bytes *b, size_t n)
{
    if (n > b->len) memset(b->p + b->len, 0, n - b->len);
    b->len = n;
}

/* ---- names ---- */

static struct name *names_find(const struct names *v, const char *path)
{
    for (size_t i = 0; i < v->len; i++)
        if (strcmp(v->ptr[i].path, path) == 0) return &v->ptr[i];
    return NULL;
}
/* The part of `path` below folder `dir`, or NULL. */
static const char *below(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    if (n == 1) return path[1] ? path + 1 : NULL; /* the root */
    return strncmp(path, dir, n) == 0 && path[n] == '/' ? path + n + 1 : NULL;
}
static bool has_children(const struct names *v, const char *dir)
{
    for (size_t i = 0; i < v->len; i++)
        if (below(v->ptr[i].path, dir)) return true;
    return false;
}
static void parent_of(const char *path, char out[SIM_PATH_MAX])
{
    size_t n = (size_t)(strrchr(path, '/') - path);
    memcpy(out, path, n);
    out[n] = 0;
    if (n == 0) memcpy(out, "/", 2);
}
static bool in_folder(const char *path, const char *dir)
{
    const char *rest = below(path, dir);
    return rest && !strchr(rest, '/');
}

/* Room for one more name has been reserved for LINK; new paths are known to fit. */
static void apply(struct names *v, const struct change *c)
{
    struct name *x;
    if (c->op == LINK) {
        x = names_find(v, c->a);
        if (!x) x = &v->ptr[v->len++];
        memcpy(x->path, c->a, SIM_PATH_MAX);
        x->n = c->n;
        return;
    }
    x = names_find(v, c->op == RENAME ? c->b : c->a);
    if (x) *x = v->ptr[--v->len];
    if (c->op == UNLINK) return;
    size_t from = strlen(c->a), to = strlen(c->b);
    for (size_t i = 0; i < v->len; i++) {
        char *p = v->ptr[i].path;
        if (strncmp(p, c->a, from) != 0 || (p[from] != 0 && p[from] != '/')) continue;
        memmove(p + to, p + from, strlen(p + from) + 1);
        memcpy(p, c->b, to);
    }
}

/* ---- the disk of a host ---- */

static void node_free(struct node *n)
{
    sn_free(n->cur.p);
    sn_free(n->dur.p);
    sn_free(n);
}

/* Frees what neither a name, nor the journal, nor a descriptor leads to. */
static void sweep(struct disk *d)
{
    for (struct node *n = d->nodes; n; n = n->next) n->mark = false;
    for (size_t i = 0; i < d->cur.len; i++) d->cur.ptr[i].n->mark = true;
    for (size_t i = 0; i < d->dur.len; i++) d->dur.ptr[i].n->mark = true;
    for (size_t i = 0; i < d->journal.len; i++)
        if (d->journal.ptr[i].n) d->journal.ptr[i].n->mark = true;
    for (size_t i = 0; i < d->fds.len; i++)
        if (d->fds.ptr[i].n) d->fds.ptr[i].n->mark = true;
    d->used = 0;
    for (struct node **at = &d->nodes, *n; (n = *at);) {
        if (n->mark) {
            d->used += n->cur.len;
            at = &n->next;
        } else {
            *at = n->next;
            node_free(n);
        }
    }
}

static void disk_free(struct disk *d)
{
    if (!d) return;
    for (struct node *n = d->nodes, *next; n; n = next) {
        next = n->next;
        node_free(n);
    }
    sn_free(d->cur.ptr);
    sn_free(d->dur.ptr);
    sn_free(d->journal.ptr);
    sn_free(d->fds.ptr);
    sn_free(d);
}

static struct node *node_new(struct disk *d, bool dir, unsigned mode)
{
    struct node *n = SN_NEW(struct node);
    if (!n) return NULL;
    n->dir = dir;
    n->mode = mode;
    n->ino = ++d->next_ino;
    n->mtime_ns = sn_wall_now();
    n->next = d->nodes;
    d->nodes = n;
    return n;
}

static struct disk *disk_of_host(struct sn_sim_host *h)
{
    if (h->disk) return h->disk;
    struct disk *d = SN_NEW(struct disk);
    struct node *root = d ? node_new(d, true, 0755) : NULL;
    if (!root || sn_vec_reserve(&d->cur, 8) < 0 || sn_vec_reserve(&d->dur, 8) < 0) {
        disk_free(d);
        return NULL;
    }
    struct change c = {.op = LINK, .a = "/", .n = root};
    apply(&d->cur, &c);
    apply(&d->dur, &c);
    return h->disk = d;
}

/* One sector of a file at the crash: old, new, or new up to some byte and old after it. */
static void settle_sector(unsigned char *to, const unsigned char *old, const unsigned char *new,
                          size_t n)
{
    uint64_t how = sn_sim_rand() % 16;
    sn_sim_trace(41, how);
    size_t cut = how < 7 ? 0 : how < 14 ? n : (size_t)(sn_sim_rand() % n);
    memcpy(to, new, cut);
    memcpy(to + cut, old + cut, n - cut);
}

/* What programs will find in the file after the crash. Without memory: exactly what was synced, which is
 * one of the possible outcomes. */
static void settle_file(struct node *n)
{
    bool grown = sn_sim_rand() & 1;
    size_t len = grown ? n->cur.len : n->dur.len, top = SN_MAX(n->cur.len, n->dur.len);
    size_t old_len = n->dur.len;
    if (bytes_reserve(&n->dur, top + 1) && bytes_reserve(&n->cur, top + 1)) {
        bytes_resize(&n->dur, top);
        bytes_resize(&n->cur, top);
        for (size_t at = 0; at < top; at += SIM_SECTOR) {
            size_t k = SN_MIN((size_t)SIM_SECTOR, top - at);
            if (memcmp(n->dur.p + at, n->cur.p + at, k) == 0) continue;
            unsigned char old[SIM_SECTOR];
            memcpy(old, n->dur.p + at, k);
            settle_sector(n->dur.p + at, old, n->cur.p + at, k);
        }
        n->dur.len = len;
    } else {
        n->dur.len = old_len;
    }
    sn_free(n->cur.p);
    n->cur = (struct bytes){0};
    if (bytes_reserve(&n->cur, n->dur.len + 1)) {
        if (n->dur.len) memcpy(n->cur.p, n->dur.p, n->dur.len);
        n->cur.len = n->dur.len;
    } else {
        n->dur.len = 0; /* both states must be equal after a crash */
    }
}

static void commit(struct disk *d, size_t upto)
{
    for (size_t i = 0; i < upto; i++) apply(&d->dur, &d->journal.ptr[i]);
    d->journal.len -= upto;
    if (d->journal.len)
        memmove(d->journal.ptr, d->journal.ptr + upto, d->journal.len * sizeof *d->journal.ptr);
}

static void disk_crash(struct sn_sim_host *h)
{
    struct disk *d = h->disk;
    if (!d) return;
    size_t upto = (size_t)(sn_sim_rand() % (d->journal.len + 1));
    sn_sim_trace(40, upto);
    commit(d, upto);
    d->journal.len = 0;
    d->fds.len = 0;
    /* cur has room: it held at least the names that were being added. */
    SN_ASSERT(sn_vec_reserve(&d->cur, d->dur.len) == 0);
    memcpy(d->cur.ptr, d->dur.ptr, d->dur.len * sizeof *d->dur.ptr);
    d->cur.len = d->dur.len;
    sweep(d);
    for (struct node *n = d->nodes; n; n = n->next)
        if (!n->dir) settle_file(n);
    sweep(d);
}

static void disks_done(void)
{
    for (struct sn_sim_host *h = sn_sim_hosts(); h; h = h->next) {
        disk_free(h->disk);
        h->disk = NULL;
    }
}
__attribute__((constructor)) static void simdisk_register(void)
{
    static const struct sn_sim_part part = {.crash = disk_crash, .done = disks_done};
    sn_sim_part_add(&part);
}

/* ---- primitives ---- */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}
/* The delay of a disk, the fault asked for, and the running fiber's disk. */
static int step(const char *op, const char *object, struct disk **ret)
{
    int r = sn_offload(nothing, NULL);
    if (r < 0) return r;
    r = sn_sim_fault_take(op);
    if (r < 0) return sn_fail(r, "%s %s: as the simulation was told", op, object);
    *ret = disk_of_host(sn_sim_host_cur());
    return *ret ? 0 : sn_fail(SN_E_NOMEM, "%s %s", op, object);
}

/* Absolute, without empty, . and .. parts; relative paths start at the root. */
static int normalise(const char *path, char out[SIM_PATH_MAX])
{
    struct sn_str rest = sn_str(path);
    size_t n = 0;
    if (!*path) return sn_fail_errno(ENOENT, "empty path");
    while (rest.ptr) {
        struct sn_str part = sn_str_cut(&rest, '/');
        if (part.len == 0 || sn_str_eqc(part, ".")) continue;
        if (sn_str_eqc(part, "..")) {
            while (n && out[--n] != '/') {
            }
            continue;
        }
        if (n + 1 + part.len + 1 > SIM_PATH_MAX) return sn_fail_errno(ENAMETOOLONG, "%s", path);
        out[n++] = '/';
        memcpy(out + n, part.ptr, part.len);
        n += part.len;
    }
    if (n == 0) out[n++] = '/';
    memset(out + n, 0, SIM_PATH_MAX - n);
    return 0;
}

/* The disk and the normalised path; its folder must exist. */
static int resolve(const char *op, const char *path, char out[SIM_PATH_MAX], struct disk **ret)
{
    int r = step(op, path, ret);
    if (r >= 0) r = normalise(path, out);
    if (r < 0) return r;
    char dir[SIM_PATH_MAX];
    parent_of(out, dir);
    struct name *x = names_find(&(*ret)->cur, dir);
    return x && x->n->dir ? 0 : sn_fail_errno(ENOENT, "%s %s", op, path);
}

/* A change of names: visible at once, and in the journal. */
static int change(struct disk *d, const struct change *c)
{
    size_t more = d->journal.len + 1;
    if (sn_vec_reserve(&d->cur, d->cur.len + 1) < 0 ||
        sn_vec_reserve(&d->dur, d->dur.len + more) < 0 || sn_vec_push(&d->journal, *c) < 0)
        return sn_fail(SN_E_NOMEM, "%s", c->a);
    apply(&d->cur, c);
    return 0;
}

static int fd_new(struct disk *d, struct node *n, int flags, const char *path, int *ret_fd)
{
    size_t i = 0;
    while (i < d->fds.len && d->fds.ptr[i].n) i++;
    if (i == SIM_FDS_MAX) return sn_fail(SN_E_FILES, "open %s", path);
    if (i == d->fds.len && !sn_vec_add(&d->fds)) return sn_fail(SN_E_NOMEM, "open %s", path);
    struct open_file *f = &d->fds.ptr[i];
    f->n = n;
    f->flags = flags;
    memcpy(f->path, path, SIM_PATH_MAX);
    *ret_fd = SIM_FD_BASE | (int)(sn_sim_host_cur()->id << 16) | (int)i;
    return 0;
}
static struct open_file *fd_get(struct disk *d, int fd)
{
    size_t i = (size_t)fd & 0xffff;
    if ((fd & SIM_FD_BASE) == 0 || ((unsigned)fd >> 16 & 0xfff) != sn_sim_host_cur()->id ||
        i >= d->fds.len || !d->fds.ptr[i].n)
        return NULL;
    return &d->fds.ptr[i];
}
/* The open file of `fd`, after the disk's delay; `write`: it must be open for writing. */
static int file_of(const char *op, int fd, bool write, struct disk **ret_d, struct open_file **ret)
{
    int r = step(op, "file", ret_d);
    if (r < 0) return r;
    struct open_file *f = fd_get(*ret_d, fd);
    if (!f) return sn_fail(SN_E_INVALID_ARGUMENT, "%s: descriptor %d is not open", op, fd);
    if (write && (f->flags & O_ACCMODE) == O_RDONLY)
        return sn_fail(SN_E_INVALID_ARGUMENT, "%s: %s is open for reading", op, f->path);
    *ret = f;
    return 0;
}

static int sim_create(struct disk *d, const char *p, bool dir, unsigned mode, struct node **ret)
{
    struct change c = {.op = LINK, .n = node_new(d, dir, mode)};
    if (!c.n) return sn_fail(SN_E_NOMEM, "%s", p);
    memcpy(c.a, p, SIM_PATH_MAX);
    int r = change(d, &c);
    if (r >= 0) *ret = c.n;
    return r;
}

static int sim_open(const char *path, int flags, unsigned mode, int *ret_fd)
{
    struct disk *d;
    char p[SIM_PATH_MAX];
    int r = resolve("open", path, p, &d);
    if (r < 0) return r;
    if (flags & O_APPEND) return sn_fail(SN_E_UNIMPLEMENTED, "open %s: O_APPEND", path);
    struct name *x = names_find(&d->cur, p);
    struct node *n = x ? x->n : NULL;
    if (n && flags & O_CREAT && flags & O_EXCL) return sn_fail_errno(EEXIST, "open %s", path);
    if (!n && !(flags & O_CREAT)) return sn_fail_errno(ENOENT, "open %s", path);
    if (n && n->dir && (flags & O_ACCMODE) != O_RDONLY) return sn_fail_errno(EISDIR, "open %s", path);
    if (n && !n->dir && flags & O_DIRECTORY) return sn_fail_errno(ENOTDIR, "open %s", path);
    if (!n && (r = sim_create(d, p, false, mode, &n)) < 0) return r;
    r = fd_new(d, n, flags, p, ret_fd);
    if (r >= 0 && flags & O_TRUNC) n->cur.len = 0;
    return r;
}

static void sim_close(int fd)
{
    struct disk *d = sn_sim_host_cur()->disk;
    struct open_file *f = d ? fd_get(d, fd) : NULL;
    if (!f) return;
    f->n = NULL;
    sweep(d);
}

static ssize_t sim_pread(int fd, void *buf, size_t n, int64_t off)
{
    struct disk *d;
    struct open_file *f = NULL;
    int r = file_of("read", fd, false, &d, &f);
    if (r < 0) return r;
    if (f->n->dir) return sn_fail_errno(EISDIR, "read %s", f->path);
    if (off < 0) return sn_fail_errno(EINVAL, "read %s", f->path);
    if ((uint64_t)off >= f->n->cur.len) return 0;
    n = SN_MIN(n, f->n->cur.len - (size_t)off);
    memcpy(buf, f->n->cur.p + off, n);
    return (ssize_t)n;
}

/* Makes room for a file of `len` bytes on the disk. */
static int grow(struct disk *d, struct open_file *f, size_t len)
{
    struct bytes *b = &f->n->cur;
    if (len > b->len && d->used + (len - b->len) > SIM_DISK_BYTES_MAX)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "%s: the simulated disk is full", f->path);
    if (!bytes_reserve(b, len)) return sn_fail(SN_E_NOMEM, "%s", f->path);
    if (len > b->len) d->used += len - b->len;
    return 0;
}

static ssize_t sim_pwrite(int fd, const void *buf, size_t n, int64_t off)
{
    struct disk *d;
    struct open_file *f = NULL;
    int r = file_of("write", fd, true, &d, &f);
    if (r < 0) return r;
    if (off < 0 || n > SIM_DISK_BYTES_MAX || (uint64_t)off > SIM_DISK_BYTES_MAX)
        return sn_fail_errno(EFBIG, "write %s", f->path);
    if (n == 0) return 0;
    size_t end = (size_t)off + n;
    if ((r = grow(d, f, SN_MAX(end, f->n->cur.len))) < 0) return r;
    if (end > f->n->cur.len) bytes_resize(&f->n->cur, end);
    memcpy(f->n->cur.p + off, buf, n);
    f->n->mtime_ns = sn_wall_now();
    return (ssize_t)n;
}

static int sim_sync(int fd)
{
    struct disk *d;
    struct open_file *f = NULL;
    int r = file_of("fsync", fd, false, &d, &f);
    if (r < 0) return r;
    struct node *n = f->n;
    if (n->dir) {
        size_t upto = 0;
        for (size_t i = 0; i < d->journal.len; i++) {
            const struct change *c = &d->journal.ptr[i];
            if (in_folder(c->a, f->path) || (c->op == RENAME && in_folder(c->b, f->path)))
                upto = i + 1;
        }
        commit(d, upto);
        sweep(d);
        return 0;
    }
    if (!bytes_reserve(&n->dur, n->cur.len + 1)) return sn_fail(SN_E_NOMEM, "fsync %s", f->path);
    if (n->cur.len) memcpy(n->dur.p, n->cur.p, n->cur.len);
    n->dur.len = n->cur.len;
    return 0;
}

static int sim_truncate(int fd, int64_t size)
{
    struct disk *d;
    struct open_file *f = NULL;
    int r = file_of("truncate", fd, true, &d, &f);
    if (r < 0) return r;
    if (size < 0) return sn_fail_errno(EINVAL, "truncate %s", f->path);
    if ((uint64_t)size > SIM_DISK_BYTES_MAX) return sn_fail_errno(EFBIG, "truncate %s", f->path);
    if ((r = grow(d, f, (size_t)size)) < 0) return r;
    if ((size_t)size < f->n->cur.len) d->used -= f->n->cur.len - (size_t)size;
    bytes_resize(&f->n->cur, (size_t)size);
    f->n->mtime_ns = sn_wall_now();
    return 0;
}

static int sim_stat(const char *path, struct stat *ret)
{
    struct disk *d;
    char p[SIM_PATH_MAX];
    int r = resolve("stat", path, p, &d);
    if (r < 0) return r;
    const struct name *x = names_find(&d->cur, p);
    if (!x) return sn_fail_errno(ENOENT, "stat %s", path);
    *ret = (struct stat){.st_ino = x->n->ino,
                         .st_mode = (x->n->dir ? S_IFDIR : S_IFREG) | (x->n->mode & 07777),
                         .st_nlink = 1,
                         .st_size = (off_t)x->n->cur.len,
                         .st_blksize = SIM_SECTOR,
                         .st_mtim = {x->n->mtime_ns / SN_SEC, x->n->mtime_ns % SN_SEC}};
    return 0;
}

static int sim_rename(const char *from, const char *to)
{
    struct disk *d;
    struct change c = {.op = RENAME};
    int r = resolve("rename", from, c.a, &d);
    if (r >= 0) r = resolve("rename", to, c.b, &d);
    if (r < 0) return r;
    const struct name *x = names_find(&d->cur, c.a), *y = names_find(&d->cur, c.b);
    if (!x) return sn_fail_errno(ENOENT, "rename %s", from);
    if (x == y) return 0;
    if (below(c.b, c.a) || !c.a[1] || !c.b[1]) return sn_fail_errno(EINVAL, "rename %s to %s", from, to);
    if (y && y->n->dir != x->n->dir)
        return sn_fail_errno(y->n->dir ? EISDIR : ENOTDIR, "rename %s to %s", from, to);
    if (y && y->n->dir && has_children(&d->cur, c.b)) return sn_fail_errno(ENOTEMPTY, "rename to %s", to);
    size_t more = strlen(c.b), less = strlen(c.a);
    for (size_t i = 0; i < d->cur.len; i++)
        if (below(d->cur.ptr[i].path, c.a) &&
            strlen(d->cur.ptr[i].path) - less + more >= SIM_PATH_MAX)
            return sn_fail_errno(ENAMETOOLONG, "rename %s to %s", from, to);
    return change(d, &c);
}

static int sim_remove(const char *path)
{
    struct disk *d;
    struct change c = {.op = UNLINK};
    int r = resolve("remove", path, c.a, &d);
    if (r < 0) return r;
    const struct name *x = names_find(&d->cur, c.a);
    if (!x) return sn_fail_errno(ENOENT, "remove %s", path);
    if (!c.a[1] || (x->n->dir && has_children(&d->cur, c.a)))
        return sn_fail_errno(ENOTEMPTY, "remove %s", path);
    return change(d, &c);
}

static int sim_mkdir(const char *path, unsigned mode)
{
    struct disk *d;
    char p[SIM_PATH_MAX];
    int r = resolve("mkdir", path, p, &d);
    if (r < 0) return r;
    if (names_find(&d->cur, p)) return sn_fail_errno(EEXIST, "make folder %s", path);
    struct node *n;
    return sim_create(d, p, true, mode, &n);
}

static int sim_list(const char *path, int (*name)(void *arg, const char *s), void *arg)
{
    struct disk *d;
    char p[SIM_PATH_MAX];
    int r = resolve("list", path, p, &d);
    if (r < 0) return r;
    const struct name *x = names_find(&d->cur, p);
    if (!x || !x->n->dir) return sn_fail_errno(x ? ENOTDIR : ENOENT, "list %s", path);
    for (size_t i = 0; i < d->cur.len && r >= 0; i++)
        if (in_folder(d->cur.ptr[i].path, p)) r = name(arg, strrchr(d->cur.ptr[i].path, '/') + 1);
    return r;
}

const struct sn_disk_ops sn_disk_sim = {sim_open,     sim_close, sim_pread,  sim_pwrite,
                                        sim_sync,     sim_truncate, sim_stat, sim_rename,
                                        sim_remove,   sim_mkdir, sim_list};

/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/file.c - files: the kernel's disk, and what is built from the primitives of either disk. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/buf.h"
#include "fiber/file_int.h"
#include "fiber/rt_int.h"

/* ---- the kernel's disk: these block ---- */

static int os_open(const char *path, int flags, unsigned mode, int *ret_fd)
{
    int fd;
    do fd = open(path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    if (fd < 0) return sn_fail_errno(errno, "open %s", path);
    *ret_fd = fd;
    return 0;
}
static void os_close(int fd) { close(fd); }
static ssize_t os_pread(int fd, void *buf, size_t n, int64_t off)
{
    size_t done = 0;
    while (done < n) {
        ssize_t r = pread(fd, (char *)buf + done, n - done, off + (int64_t)done);
        if (r < 0 && errno == EINTR) continue;
        if (r < 0) return sn_fail_errno(errno, "read descriptor %d", fd);
        if (r == 0) break;
        done += (size_t)r;
    }
    return (ssize_t)done;
}
static ssize_t os_pwrite(int fd, const void *buf, size_t n, int64_t off)
{
    size_t done = 0;
    while (done < n) {
        ssize_t r = pwrite(fd, (const char *)buf + done, n - done, off + (int64_t)done);
        if (r < 0 && errno == EINTR) continue;
        if (r < 0) return sn_fail_errno(errno, "write descriptor %d", fd);
        if (r == 0) return sn_fail(SN_E_IO, "write descriptor %d: nothing was written", fd);
        done += (size_t)r;
    }
    return (ssize_t)done;
}
static int os_sync(int fd)
{
    return fsync(fd) < 0 ? sn_fail_errno(errno, "fsync descriptor %d", fd) : 0;
}
static int os_truncate(int fd, int64_t size)
{
    return ftruncate(fd, size) < 0 ? sn_fail_errno(errno, "truncate descriptor %d", fd) : 0;
}
static int os_stat(const char *path, struct stat *ret)
{
    return stat(path, ret) < 0 ? sn_fail_errno(errno, "stat %s", path) : 0;
}
static int os_rename(const char *from, const char *to)
{
    return rename(from, to) < 0 ? sn_fail_errno(errno, "rename %s to %s", from, to) : 0;
}
static int os_remove(const char *path)
{
    return remove(path) < 0 ? sn_fail_errno(errno, "remove %s", path) : 0;
}
static int os_mkdir(const char *path, unsigned mode)
{
    return mkdir(path, mode) < 0 ? sn_fail_errno(errno, "make folder %s", path) : 0;
}
static int os_list(const char *path, int (*name)(void *arg, const char *s), void *arg)
{
    DIR *d = opendir(path);
    if (!d) return sn_fail_errno(errno, "list %s", path);
    int r = 0;
    for (;;) {
        errno = 0;
        struct dirent *e = readdir(d);
        if (!e) {
            if (errno) r = sn_fail_errno(errno, "list %s", path);
            break;
        }
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if ((r = name(arg, e->d_name)) < 0) break;
    }
    closedir(d);
    return r;
}
static const struct sn_disk_ops disk_os = {os_open, os_close,    os_pread, os_pwrite,
                                           os_sync, os_truncate, os_stat,  os_rename,
                                           os_remove, os_mkdir,  os_list};

/* ---- running an operation on the disk of this world ---- */

struct op {
    const struct sn_disk_ops *disk;
    const char *path, *to;
    void *buf;
    size_t n, max;
    int64_t off;
    int fd, flags;
    unsigned mode;
    struct stat *st;
    struct sn_buf *out;
    ssize_t done;
};

/* On the kernel's disk the whole of fn is one offload; the simulated one suspends inside, primitive
 * by primitive, so that a crash may fall between any two. */
static int run(int (*fn)(void *arg), struct op *o)
{
    if (sn_sim_on) {
        o->disk = &sn_disk_sim;
        return fn(o);
    }
    o->disk = &disk_os;
    return sn_offload(fn, o);
}

#define OP(name, expr)                \
    static int name(void *arg)        \
    {                                 \
        struct op *o = arg;           \
        return (expr);                \
    }
OP(do_open, o->disk->open(o->path, o->flags, o->mode, &o->fd))
OP(do_sync, o->disk->sync(o->fd))
OP(do_truncate, o->disk->truncate(o->fd, o->off))
OP(do_stat, o->disk->stat(o->path, o->st))
OP(do_rename, o->disk->rename(o->path, o->to))
OP(do_remove, o->disk->remove(o->path))
/* Counts may exceed an int, so they travel in `done`. */
OP(do_pread, ((o->done = o->disk->pread(o->fd, o->buf, o->n, o->off)) < 0 ? (int)o->done : 0))
OP(do_pwrite, ((o->done = o->disk->pwrite(o->fd, o->buf, o->n, o->off)) < 0 ? (int)o->done : 0))

int sn_file_open(const char *path, int flags, unsigned mode, int *ret_fd)
{
    struct op o = {.path = path, .flags = flags, .mode = mode};
    int r = run(do_open, &o);
    if (r >= 0) *ret_fd = o.fd;
    return r;
}
/* close(2) of a plain file does not wait for the disk; network file systems, where it does, are not
 * where Sennit keeps data. */
void sn_file_close(int fd) { (sn_sim_on ? &sn_disk_sim : &disk_os)->close(fd); }
ssize_t sn_file_pread(int fd, void *buf, size_t n, int64_t off)
{
    struct op o = {.fd = fd, .buf = buf, .n = n, .off = off};
    int r = run(do_pread, &o);
    return r < 0 ? r : o.done;
}
ssize_t sn_file_pwrite(int fd, const void *buf, size_t n, int64_t off)
{
    struct op o = {.fd = fd, .buf = (void *)(uintptr_t)buf, .n = n, .off = off};
    int r = run(do_pwrite, &o);
    return r < 0 ? r : o.done;
}
int sn_file_sync(int fd) { return run(do_sync, &(struct op){.fd = fd}); }
int sn_file_truncate(int fd, int64_t size)
{
    return run(do_truncate, &(struct op){.fd = fd, .off = size});
}
int sn_file_stat(const char *path, struct stat *ret)
{
    struct stat st;
    struct op o = {.path = path, .st = &st};
    int r = run(do_stat, &o);
    if (r >= 0) *ret = st;
    return r;
}
int sn_file_rename(const char *from, const char *to)
{
    return run(do_rename, &(struct op){.path = from, .to = to});
}
int sn_file_remove(const char *path) { return run(do_remove, &(struct op){.path = path}); }

/* ---- whole files ---- */

#define READ_STEP (64u << 10)

/* Sizes are not trusted: files under /proc say 0, and others grow. */
static int do_read(void *arg)
{
    struct op *o = arg;
    int fd, r = o->disk->open(o->path, O_RDONLY, 0, &fd);
    if (r < 0) return r;
    struct stat st;
    size_t step = READ_STEP;
    if (o->disk->stat(o->path, &st) >= 0 && st.st_size > 0 && (size_t)st.st_size <= o->max)
        step = (size_t)st.st_size + 1;
    for (;;) {
        if ((r = sn_buf_reserve(o->out, step)) < 0) break;
        ssize_t n = o->disk->pread(fd, o->out->ptr + o->out->len, step, (int64_t)o->out->len);
        if (n < 0) r = sn_wrap((int)n, "read %s", o->path);
        if (n < 0) break;
        o->out->len += (size_t)n;
        if (o->out->len > o->max)
            r = sn_fail(SN_E_TOO_LARGE, "%s is larger than %zu bytes", o->path, o->max);
        if (r < 0 || (size_t)n < step) break;
        step = READ_STEP;
    }
    o->disk->close(fd);
    return r;
}

/* The pool thread reads into the heap: the arena's chunks belong to this fiber's worker. */
int sn_file_read(struct sn_arena *a, const char *path, size_t max, struct sn_str *ret)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    struct op o = {.path = path, .max = max ? max : SN_FILE_READ_MAX, .out = &b};
    int r = run(do_read, &o);
    if (r < 0) return r;
    char *s = sn_arena_alloc(a, b.len + 1);
    if (!s) return sn_fail(SN_E_NOMEM, "read %s", path);
    if (b.len) memcpy(s, b.ptr, b.len);
    s[b.len] = 0;
    *ret = sn_str_of(s, b.len);
    return 0;
}

/* Makes the names in the folder of `path` survive a crash. */
static int sync_folder_of(const struct sn_disk_ops *disk, char *path)
{
    char *slash = strrchr(path, '/');
    int fd, r;
    if (slash == path) slash++;
    char keep = slash ? *slash : 0;
    if (slash) *slash = 0;
    r = disk->open(slash ? path : ".", O_RDONLY | O_DIRECTORY, 0, &fd);
    if (slash) *slash = keep;
    if (r < 0) return r;
    r = disk->sync(fd);
    disk->close(fd);
    return r;
}

static int replace(struct op *o, char *tmp)
{
    int fd, r = o->disk->open(tmp, O_WRONLY | O_CREAT | O_EXCL, o->mode, &fd);
    if (r < 0) return r;
    ssize_t n = o->n ? o->disk->pwrite(fd, o->buf, o->n, 0) : 0;
    r = n < 0 ? (int)n : o->disk->sync(fd);
    o->disk->close(fd);
    if (r >= 0) r = o->disk->rename(tmp, o->path);
    if (r < 0) {
        struct sn_diag why = *sn_diag(); /* the failed write's, not the clean-up's */
        (void)!o->disk->remove(tmp);
        *sn_diag() = why;
        return r;
    }
    return sync_folder_of(o->disk, tmp);
}

static int do_write(void *arg)
{
    struct op *o = arg;
    char tmp[SN_FILE_PATH_MAX + 32];
    if (strlen(o->path) >= SN_FILE_PATH_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "write: path too long: %s", o->path);
    snprintf(tmp, sizeof tmp, "%s.tmp-%016llx", o->path, (unsigned long long)o->off);
    int r = replace(o, tmp);
    return r < 0 ? sn_wrap(r, "write %s", o->path) : 0;
}

static uint64_t some_number(void)
{
    static _Atomic uint64_t calls;
    if (sn_worker_cur()) return sn_random();
    return ((uint64_t)getpid() << 32) + ++calls;
}

int sn_file_write(const char *path, struct sn_str data, unsigned mode)
{
    struct op o = {.path = path, .buf = (void *)(uintptr_t)data.ptr, .n = data.len, .mode = mode,
                   .off = (int64_t)some_number()};
    return run(do_write, &o);
}

/* ---- folders ---- */

static int do_mkdirs(void *arg)
{
    struct op *o = arg;
    size_t n = strlen(o->path);
    char p[SN_FILE_PATH_MAX];
    if (n == 0 || n >= sizeof p)
        return sn_fail(SN_E_INVALID_ARGUMENT, "make folder: %s path", n ? "too long a" : "empty");
    memcpy(p, o->path, n + 1);
    int r = 0;
    for (size_t i = 1; i <= n && r >= 0; i++) {
        if (p[i] != '/' && p[i] != 0) continue;
        char keep = p[i];
        p[i] = 0;
        struct stat st;
        r = o->disk->mkdir(p, o->mode);
        /* Any other failure on something that is a folder (a read-only parent, say) is no failure.
         */
        if (r < 0 && o->disk->stat(p, &st) >= 0) {
            if (S_ISDIR(st.st_mode)) r = 0;
            else r = sn_fail(SN_E_ALREADY_EXISTS, "%s is not a folder", p);
        }
        p[i] = keep;
    }
    return r;
}
int sn_mkdirs(const char *path, unsigned mode)
{
    return run(do_mkdirs, &(struct op){.path = path, .mode = mode});
}

struct names {
    struct sn_buf text; /* NUL-separated */
    size_t n;
};
static int add_name(void *arg, const char *s)
{
    struct names *x = arg;
    if (++x->n > SN_DIR_NAMES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "folder has more than %u names", SN_DIR_NAMES_MAX);
    return sn_buf_put(&x->text, s, strlen(s) + 1);
}
struct listing {
    struct op o; /* first: run() fills in the disk */
    struct names names;
};
static int do_list(void *arg)
{
    struct listing *l = arg;
    return l->o.disk->list(l->o.path, add_name, &l->names);
}
static int by_bytes(const void *a, const void *b)
{
    return sn_str_cmp(*(const struct sn_str *)a, *(const struct sn_str *)b);
}
int sn_dir_list(struct sn_arena *a, const char *path, struct sn_str **ret, size_t *ret_n)
{
    struct listing l = {.o = {.path = path}};
    sn_buf_init(&l.names.text, 0);
    int r = run(do_list, &l.o);
    size_t bytes = l.names.text.len, n = l.names.n;
    char *text = r < 0 ? NULL : sn_arena_alloc(a, bytes);
    struct sn_str *v = text ? sn_arena_alloc(a, n * sizeof *v) : NULL;
    if (r >= 0 && !v) r = sn_fail(SN_E_NOMEM, "list %s", path);
    if (r >= 0) {
        if (bytes) memcpy(text, l.names.text.ptr, bytes);
        for (size_t i = 0; i < n; i++, text += strlen(text) + 1) v[i] = sn_str(text);
        qsort(v, n, sizeof *v, by_bytes);
        *ret = v;
        *ret_n = n;
    }
    sn_buf_done(&l.names.text);
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/file.c - file operations, each on a thread of the blocking pool. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "fiber/os.h"
#include "fiber/rt_int.h"

#define READ_STEP (64u << 10)

struct call { /* one operation on its way to the pool and back; lives on the fiber's stack */
    const char *path;
    int fd, flags;
    unsigned mode;
    void *buf;
    size_t n, max;
    int64_t off;
    struct stat *st;
    struct sn_arena *arena;
    struct sn_str str;
};

/* ---- whole files -------------------------------------------------------------------------- */

/* Regular files are read into memory of their size; what has none (procfs) grows step by step. */
static int read_fd(struct call *c, int fd, size_t expect)
{
    size_t cap = expect ? expect + 1 : READ_STEP, len = 0;
    char *p = sn_arena_alloc(c->arena, cap);
    for (;;) {
        if (!p) return SN_E_NOMEM;
        ssize_t n = read(fd, p + len, cap - len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return sn_fail_errno(errno, "read %s", c->path);
        if (n == 0) break;
        len += (size_t)n;
        if (len > c->max) return sn_fail(SN_E_TOO_LARGE, "read %s: larger than %zu bytes", c->path, c->max);
        if (len < cap) continue;
        char *more = sn_arena_alloc(c->arena, cap * 2);
        if (more) memcpy(more, p, len);
        p = more;
        cap *= 2;
    }
    p[len] = 0; /* len < cap: the loop grows before it is full */
    c->str = sn_str_of(p, len);
    return 0;
}

static int do_read(void *arg)
{
    struct call *c = arg;
    struct stat st;
    int fd = open(c->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return sn_fail_errno(errno, "open %s", c->path);
    int r = 0;
    if (fstat(fd, &st) < 0) r = sn_fail_errno(errno, "stat %s", c->path);
    else if (S_ISDIR(st.st_mode)) r = sn_fail(SN_E_INVALID_ARGUMENT, "read %s: it is a folder", c->path);
    else if ((uint64_t)st.st_size > c->max)
        r = sn_fail(SN_E_TOO_LARGE, "read %s: larger than %zu bytes", c->path, c->max);
    if (r == 0) r = read_fd(c, fd, (size_t)st.st_size);
    close(fd);
    return r;
}

int sn_file_read(struct sn_arena *a, const char *path, size_t max, struct sn_str *ret)
{
    struct call c = {.path = path, .arena = a, .max = max ? max : SN_FILE_READ_MAX};
    int r = sn_offload(do_read, &c);
    if (r >= 0) *ret = c.str;
    return r;
}

static int write_all(int fd, struct sn_str data)
{
    while (data.len) {
        ssize_t n = write(fd, data.ptr, data.len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -errno;
        data = sn_str_from(data, (size_t)n);
    }
    return fsync(fd) < 0 ? -errno : 0;
}

static int sync_folder(const char *path)
{
    char dir[1024];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    if (n >= sizeof(dir)) return -ENAMETOOLONG;
    if (slash && n == 0) n = 1; /* "/" itself */
    memcpy(dir, slash ? path : ".", slash ? n : 1);
    dir[slash ? n : 1] = 0;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -errno;
    int e = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return e;
}

static int do_write(void *arg)
{
    struct call *c = arg;
    char tmp[1024];
    if (snprintf(tmp, sizeof(tmp), "%s.%d.tmp", c->path, (int)gettid()) >= (int)sizeof(tmp))
        return sn_fail(SN_E_INVALID_ARGUMENT, "write %s: the name is too long", c->path);
    int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, c->mode);
    if (fd < 0) return sn_fail_errno(errno, "create %s", tmp);
    int e = write_all(fd, c->str);
    close(fd);
    if (e == 0 && rename(tmp, c->path) < 0) e = -errno;
    if (e < 0) unlink(tmp);
    else e = sync_folder(c->path);
    return e < 0 ? sn_fail_errno(-e, "write %s", c->path) : 0;
}

int sn_file_write(const char *path, struct sn_str data, unsigned mode)
{
    struct call c = {.path = path, .str = data, .mode = mode ? mode : 0644};
    return sn_offload(do_write, &c);
}

/* ---- descriptors ------------------------------------------------------------------------------ */

static int do_open(void *arg)
{
    struct call *c = arg;
    c->fd = open(c->path, c->flags | O_CLOEXEC, c->mode);
    return c->fd < 0 ? sn_fail_errno(errno, "open %s", c->path) : 0;
}

int sn_file_open(const char *path, int flags, unsigned mode, int *ret_fd)
{
    struct call c = {.path = path, .flags = flags, .mode = mode};
    int r = sn_offload(do_open, &c);
    if (r >= 0) *ret_fd = c.fd;
    return r;
}

static int do_pread(void *arg)
{
    struct call *c = arg;
    ssize_t n;
    do n = pread(c->fd, c->buf, SN_MIN(c->n, (size_t)INT32_MAX), c->off);
    while (n < 0 && errno == EINTR);
    return n < 0 ? sn_fail_errno(errno, "read at %lld", (long long)c->off) : (int)n;
}

ssize_t sn_file_pread(int fd, void *buf, size_t n, int64_t off)
{
    struct call c = {.fd = fd, .buf = buf, .n = n, .off = off};
    return sn_offload(do_pread, &c);
}

static int do_pwrite(void *arg)
{
    struct call *c = arg;
    size_t done = 0, want = SN_MIN(c->n, (size_t)INT32_MAX);
    while (done < want) {
        ssize_t n = pwrite(c->fd, (const char *)c->buf + done, want - done, c->off + (int64_t)done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return sn_fail_errno(errno, "write at %lld", (long long)c->off);
        done += (size_t)n;
    }
    return (int)done;
}

ssize_t sn_file_pwrite(int fd, const void *buf, size_t n, int64_t off)
{
    struct call c = {.fd = fd, .buf = (void *)(uintptr_t)buf, .n = n, .off = off};
    return sn_offload(do_pwrite, &c);
}

static int do_sync(void *arg)
{
    struct call *c = arg;
    return fdatasync(c->fd) < 0 ? sn_fail_errno(errno, "sync") : 0;
}

int sn_file_sync(int fd)
{
    struct call c = {.fd = fd};
    return sn_offload(do_sync, &c);
}

static int do_stat(void *arg)
{
    struct call *c = arg;
    return stat(c->path, c->st) < 0 ? sn_fail_errno(errno, "stat %s", c->path) : 0;
}

int sn_file_stat(const char *path, struct stat *ret)
{
    struct stat st;
    struct call c = {.path = path, .st = &st};
    int r = sn_offload(do_stat, &c);
    if (r >= 0) *ret = st;
    return r;
}

static int do_mkdirs(void *arg)
{
    struct call *c = arg;
    char path[2048];
    size_t n = strlen(c->path);
    if (n >= sizeof(path)) return sn_fail(SN_E_INVALID_ARGUMENT, "mkdir: the name is too long");
    memcpy(path, c->path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i]) continue;
        char keep = path[i];
        path[i] = 0;
        if (mkdir(path, c->mode) < 0 && errno != EEXIST) return sn_fail_errno(errno, "mkdir %s", path);
        path[i] = keep;
    }
    return 0;
}

int sn_mkdirs(const char *path, unsigned mode)
{
    struct call c = {.path = path, .mode = mode ? mode : 0755};
    return sn_offload(do_mkdirs, &c);
}

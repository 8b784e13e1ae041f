/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/files.c - see files.h. */
#include "sennit/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/status.h"

int files_map(struct sn_str path, struct sn_str *ret)
{
    char name[FILES_PATH_MAX];
    struct stat st;
    if (sn_str_cz(path, name, sizeof(name)) < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "a path of %zu bytes", path.len);
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return sn_fail_errno(errno, "open %s", name);
    int r = fstat(fd, &st) < 0 ? sn_fail_errno(errno, "stat %s", name) : 0;
    if (r == 0 && !S_ISREG(st.st_mode))
        r = sn_fail(SN_E_INVALID_ARGUMENT, "%s is not a regular file", name);
    void *p = NULL;
    if (r == 0 && st.st_size > 0) {
        p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) r = sn_fail_errno(errno, "map %s", name);
    }
    (void)close(fd);
    if (r < 0) return r;
    *ret = sn_str_of(p, (size_t)st.st_size);
    return 0;
}

void files_unmap(struct sn_str *view)
{
    if (view->ptr) (void)munmap((void *)(uintptr_t)view->ptr, view->len);
    *view = (struct sn_str){0};
}

int files_write(void *ctx, const void *data, size_t n)
{
    struct files_out *o = ctx;
    const char *p = data;
    while (n) {
        ssize_t done = write(o->fd, p, n);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return sn_fail_errno(done < 0 ? errno : EIO, "write %s", o->path);
        p += done;
        n -= (size_t)done;
    }
    return 0;
}

int files_open(struct files_out *o, struct sn_str path)
{
    if (sn_str_cz(path, o->path, sizeof(o->path)) < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "a path of %zu bytes", path.len);
    (void)snprintf(o->temp, sizeof(o->temp), "%s.%d.tmp", o->path, (int)getpid());
    o->no_sync = false;
    o->fd = open(o->temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (o->fd < 0) return sn_fail_errno(errno, "create %s", o->temp);
    return 0;
}

int files_reread(void *ctx, uint64_t at, void *out, size_t n)
{
    struct files_out *o = ctx;
    char *p = out;
    while (n) {
        ssize_t got = pread(o->fd, p, n, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return sn_fail_errno(got < 0 ? errno : EIO, "read back %s", o->path);
        p += got, at += (uint64_t)got, n -= (size_t)got;
    }
    return 0;
}

int files_commit(struct files_out *o, int r)
{
    if (r >= 0 && !o->no_sync && fsync(o->fd) < 0) r = sn_fail_errno(errno, "sync %s", o->path);
    (void)close(o->fd);
    if (r >= 0 && rename(o->temp, o->path) < 0)
        r = sn_fail_errno(errno, "rename %s to %s", o->temp, o->path);
    if (r < 0) (void)unlink(o->temp);
    return r;
}

static int make_folders(char *path)
{
    for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = 0;
        int r = mkdir(path, 0777) < 0 && errno != EEXIST ? -1 : 0;
        int err = errno;
        *p = '/';
        if (r < 0) return sn_fail_errno(err, "cannot make the folder of %s", path);
    }
    return 0;
}

int files_replace(struct sn_arena *a, const char *path, struct sn_str text)
{
    struct sn_str tmp = sn_arena_printf(a, "%s.tmp", path);
    if (!tmp.ptr) return SN_E_NOMEM;
    int r = make_folders((char *)(uintptr_t)tmp.ptr);
    if (r < 0) return r;
    int fd = open(tmp.ptr, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return sn_fail_errno(errno, "%s", tmp.ptr);
    for (size_t at = 0; at < text.len && r == 0;) {
        ssize_t n = write(fd, text.ptr + at, text.len - at);
        if (n < 0 && errno != EINTR) r = sn_fail_errno(errno, "%s", tmp.ptr);
        at += n > 0 ? (size_t)n : 0;
    }
    if (close(fd) < 0 && r == 0) r = sn_fail_errno(errno, "%s", tmp.ptr);
    if (r == 0 && rename(tmp.ptr, path) < 0) r = sn_fail_errno(errno, "%s", path);
    if (r < 0) unlink(tmp.ptr);
    return r;
}

int files_print(struct sn_buf *b)
{
    if (sn_buf_byte(b, '\n') < 0) return b->err;
    if (fwrite(b->ptr, 1, b->len, stdout) != b->len || fflush(stdout) != 0)
        return sn_fail_errno(errno, "standard output");
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Control files: one open, one read or write, one close. The kernel wants a value in one write. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "cgroup/cgroup_int.h"
#include "core/status.h"

int cg_write(int dir, const char *file, const char *data, size_t n)
{
    int fd = openat(dir, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return -errno;
    ssize_t w;
    do w = write(fd, data, n);
    while (w < 0 && errno == EINTR);
    int r = w < 0 ? -errno : (size_t)w == n ? 0 : -EIO;
    close(fd);
    return r;
}

int cg_writef(int dir, const char *file, const char *fmt, ...)
{
    char value[CG_VALUE_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(value, sizeof(value), fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof(value)) return -E2BIG;
    return cg_write(dir, file, value, (size_t)n);
}

ssize_t cg_read_into(int dir, const char *file, char *buf, size_t cap)
{
    int fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return -errno;
    size_t n = 0;
    ssize_t r = 0;
    while (n + 1 < cap) {
        r = read(fd, buf + n, cap - 1 - n);
        if (r < 0 && errno == EINTR) continue;
        if (r <= 0) break;
        n += (size_t)r;
    }
    if (r < 0) r = -errno;
    close(fd);
    if (r < 0) return r;
    while (n > 0 && buf[n - 1] == '\n') n--;
    buf[n] = '\0';
    return (ssize_t)n;
}

int cg_read(struct sn_arena *a, int dir, const char *file, struct sn_str *ret)
{
    int fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return -errno;
    size_t cap = 4096, n = 0;
    char *buf = sn_arena_alloc(a, cap);
    int r = buf ? 0 : -ENOMEM;
    while (r == 0) {
        if (n + 1 == cap) {
            char *more = cap * 2 <= CG_FILE_MAX ? sn_arena_alloc(a, cap * 2) : NULL;
            if (!more) {
                r = cap * 2 <= CG_FILE_MAX ? -ENOMEM : -EFBIG;
                break;
            }
            memcpy(more, buf, n);
            buf = more;
            cap *= 2;
        }
        ssize_t got = read(fd, buf + n, cap - 1 - n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) r = -errno;
        if (got <= 0) break;
        n += (size_t)got;
    }
    close(fd);
    if (r < 0) return r;
    while (n > 0 && buf[n - 1] == '\n') n--;
    buf[n] = '\0';
    *ret = sn_str_of(buf, n);
    return 0;
}

int cg_read_u64(int dir, const char *file, uint64_t *ret)
{
    char text[64];
    ssize_t n = cg_read_into(dir, file, text, sizeof(text));
    if (n < 0) return (int)n;
    struct sn_str s = sn_str_of(text, (size_t)n);
    if (sn_str_eqc(s, "max")) {
        *ret = UINT64_MAX;
        return 0;
    }
    return sn_str_to_u64(s, ret) < 0 ? -ENOMSG : 0;
}

bool cg_exists(int dir, const char *file) { return faccessat(dir, file, F_OK, 0) == 0; }

bool cg_next_line(struct sn_str *s, struct sn_str *line)
{
    if (!s->ptr || s->len == 0) return false;
    *line = sn_str_cut(s, '\n');
    return true;
}

bool cg_next_word(struct sn_str *s, struct sn_str *word)
{
    while (s->ptr && s->len > 0 && (*s->ptr == ' ' || *s->ptr == '\t')) *s = sn_str_from(*s, 1);
    if (!s->ptr || s->len == 0) return false;
    *word = sn_str_cut(s, ' ');
    return true;
}

bool cg_denied(int err) { return err == EACCES || err == EPERM || err == EROFS; }

int cg_fail(const struct sn_cgroup *cg, int i, int err, const char *what, const char *file)
{
    return sn_fail_errno(err, "%s %s%s%s", what, cg->m[i].path, file ? "/" : "", file ? file : "");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* image/bundle.c - reading layouts and archives, see bundle_int.h. */
#include "image/bundle_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/status.h"
#include "image/inflate.h"
#include "image/layer_int.h"

#define COPY_BYTES (1u << 20)

/* ---- the entries of an archive
 * ------------------------------------------------------------------------ */

struct scan {
    struct bundle *b;
    struct sn_tar tar;
};

/* Without "./" and leading slashes; what goes up is no name of ours. */
static struct sn_str clean(struct sn_arena *a, struct sn_str base, struct sn_str name)
{
    struct sn_buf b;
    sn_buf_init(&b, SN_TAR_PATH_MAX);
    struct sn_str both[2] = {base, name};
    for (int i = name.len && name.ptr[0] == '/' ? 1 : 0; i < 2; i++)
        for (struct sn_str rest = both[i]; rest.ptr;) {
            struct sn_str part = sn_str_cut(&rest, '/');
            if (part.len == 0 || sn_str_eqc(part, ".")) continue;
            if (sn_str_eqc(part, "..")) {
                ssize_t cut = sn_str_rchr(sn_buf_view(&b), '/');
                b.len = cut < 0 ? 0 : (size_t)cut;
                continue;
            }
            if (b.len) sn_buf_byte(&b, '/');
            sn_buf_str(&b, part);
        }
    struct sn_str ret = b.err < 0 ? (struct sn_str){0} : sn_arena_str(a, sn_buf_view(&b));
    sn_buf_done(&b);
    return ret;
}

static int on_entry(void *ctx, const struct sn_tar_entry *e)
{
    struct scan *s = ctx;
    struct bundle *b = s->b;
    if (e->kind != SN_TAR_FILE && e->kind != SN_TAR_SYMLINK && e->kind != SN_TAR_HARDLINK) return 0;
    if (b->files.len == BUNDLE_ENTRIES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "an archive of over %u files", BUNDLE_ENTRIES_MAX);
    struct sn_str name = clean(&b->arena, SN_STR(""), e->path);
    struct bundle_file *f = SN_ARENA_NEW(&b->arena, struct bundle_file);
    if (!f || !name.ptr) return SN_E_NOMEM;
    *f = (struct bundle_file){.at = e->at, .size = e->size};
    if (e->kind != SN_TAR_FILE) {
        ssize_t cut = sn_str_rchr(name, '/');
        struct sn_str base =
            e->kind == SN_TAR_SYMLINK && cut > 0 ? sn_str_sub(name, 0, (size_t)cut) : SN_STR("");
        f->link = clean(&b->arena, base, e->link);
        if (!f->link.ptr) return SN_E_NOMEM;
    }
    return SN_MIN(0, sn_map_put(&b->files, name, f, NULL));
}
static int on_data(void *ctx, struct sn_str bytes) { return 0; }
static int on_end(void *ctx) { return 0; }
static const struct sn_tar_events events = {on_entry, on_data, on_end};

/* ---- reading
 * ------------------------------------------------------------------------------------------- */

static int read_range(int fd, uint64_t at, uint64_t size, int (*fn)(void *ctx, struct sn_str bytes),
                      void *ctx)
{
    char *buf = sn_alloc(COPY_BYTES);
    if (!buf) return SN_E_NOMEM;
    int r = 0;
    while (size && r == 0) {
        ssize_t n = pread(fd, buf, (size_t)SN_MIN(size, (uint64_t)COPY_BYTES), (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) r = sn_fail_errno(errno, "read");
        if (n == 0) r = size == UINT64_MAX ? 1 : sn_fail(SN_E_DATA_LOSS, "the file ends too soon");
        if (n <= 0) break;
        r = fn(ctx, sn_str_of(buf, (size_t)n));
        at += (uint64_t)n;
        if (size != UINT64_MAX) size -= (uint64_t)n;
    }
    sn_free(buf);
    return SN_MIN(r, 0);
}

static int to_spool(void *ctx, struct sn_str bytes)
{
    int fd = *(int *)ctx;
    while (bytes.len) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return sn_fail_errno(errno, "write the uncompressed archive");
        bytes = sn_str_from(bytes, (size_t)n);
    }
    return 0;
}
static int to_inflate(void *ctx, struct sn_str bytes) { return sn_inflate_put(ctx, bytes); }
static int to_tar(void *ctx, struct sn_str bytes)
{
    return sn_tar_put(&((struct scan *)ctx)->tar, bytes);
}

/* A compressed archive is laid beside the store's blobs as it reads, because it is read out of
 * order. */
static int uncompress(struct bundle *b)
{
    struct sn_inflate *z;
    (void)snprintf(b->spool, sizeof(b->spool), "ingest/load-%d-%llu", getpid(),
                   (unsigned long long)__atomic_add_fetch(&b->st->serial, 1, __ATOMIC_RELAXED));
    int fd = openat(b->st->fd, b->spool, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        b->spool[0] = 0;
        return sn_fail_errno(errno, "make a file in %s/ingest", b->st->root);
    }
    (void)unlinkat(b->st->fd, b->spool, 0);
    int r = sn_inflate_new(to_spool, &fd, b->st->o.limits.ratio_max, &z);
    if (r == 0) {
        r = read_range(b->fd, 0, UINT64_MAX, to_inflate, z);
        if (r == 0) r = sn_inflate_finish(z);
        sn_inflate_free(z);
    }
    (void)close(b->fd);
    b->fd = fd;
    return r;
}

static int scan_archive(struct bundle *b)
{
    uint8_t m[4] = {0};
    ssize_t n = pread(b->fd, m, sizeof(m), 0);
    if (n < 0) return sn_fail_errno(errno, "read");
    bool packed = (m[0] == 0x1f && m[1] == 0x8b) ||
                  (m[0] == 0x28 && m[1] == 0xb5 && m[2] == 0x2f && m[3] == 0xfd);
    int r = packed ? uncompress(b) : 0;
    if (r < 0) return r;
    struct scan s = {.b = b};
    sn_tar_init(&s.tar, &events, &s);
    r = read_range(b->fd, 0, UINT64_MAX, to_tar, &s);
    if (r == 0) r = sn_tar_finish(&s.tar);
    sn_tar_done(&s.tar);
    return r;
}

int bundle_open(struct sn_image_store *st, const char *path, struct bundle *ret)
{
    struct bundle b = {.st = st};
    struct stat s;
    b.fd = open(path, O_RDONLY | O_CLOEXEC);
    if (b.fd < 0) return sn_fail_errno(errno, "open %s", path);
    int r = fstat(b.fd, &s) < 0 ? sn_fail_errno(errno, "stat %s", path) : 0;
    b.folder = r == 0 && S_ISDIR(s.st_mode);
    sn_arena_init(&b.arena, NULL, 0);
    sn_map_init(&b.files, 0xb0b, false);
    if (r == 0 && !b.folder && !S_ISREG(s.st_mode))
        r = sn_fail(SN_E_INVALID_ARGUMENT, "%s is no file and no folder", path);
    if (r == 0 && !b.folder) r = scan_archive(&b);
    if (r < 0) {
        bundle_close(&b);
        return sn_wrap(r, "%s", path);
    }
    *ret = b;
    return 0;
}

void bundle_close(struct bundle *b)
{
    sn_map_done(&b->files);
    sn_arena_done(&b->arena);
    if (b->fd >= 0) (void)close(b->fd);
    b->fd = -1;
}

/* Where the bytes are: a descriptor to close (a folder's file), or the archive's own. */
static int locate(struct bundle *b, struct sn_str name, struct bundle_file *ret, int *ret_fd)
{
    char path[STORE_PATH_MAX];
    struct stat s;
    if (!b->folder) {
        for (unsigned i = 0; i <= BUNDLE_LINKS_MAX; i++) {
            const struct bundle_file *f = sn_map_get(&b->files, name);
            if (!f) break;
            *ret = *f;
            *ret_fd = b->fd;
            if (!f->link.ptr) return 0;
            name = f->link;
        }
        return sn_fail(SN_E_NOT_FOUND, "\"%.*s\" is not in the archive", SN_STR_ARG(name));
    }
    int r = sn_str_cz(name, path, sizeof(path));
    if (r < 0) return sn_fail(r, "a name of over %zu bytes", sizeof(path) - 1);
    int fd = layer_openat2(b->fd, path, O_RDONLY);
    if (fd < 0) return sn_fail_errno(-fd, "open \"%s\" of the layout", path);
    if (fstat(fd, &s) < 0 || !S_ISREG(s.st_mode)) {
        (void)close(fd);
        return sn_fail(SN_E_SYNTAX, "\"%s\" of the layout is no file", path);
    }
    *ret = (struct bundle_file){.size = (uint64_t)s.st_size};
    *ret_fd = fd;
    return 0;
}

bool bundle_has(struct bundle *b, struct sn_str name)
{
    struct bundle_file f;
    int fd;
    if (locate(b, name, &f, &fd) < 0) return false;
    if (b->folder) (void)close(fd);
    return true;
}

int bundle_each(struct bundle *b, struct sn_str name, int (*fn)(void *ctx, struct sn_str bytes),
                void *ctx, uint64_t *ret_size)
{
    struct bundle_file f;
    int fd, r = locate(b, name, &f, &fd);
    if (r < 0) return r;
    r = read_range(fd, f.at, f.size, fn, ctx);
    if (b->folder) (void)close(fd);
    if (r == 0 && ret_size) *ret_size = f.size;
    return r < 0 ? sn_wrap(r, "\"%.*s\"", SN_STR_ARG(name)) : 0;
}

static int to_buf(void *ctx, struct sn_str bytes) { return sn_buf_str(ctx, bytes); }

int bundle_read(struct bundle *b, struct sn_arena *a, struct sn_str name, size_t max,
                struct sn_str *ret)
{
    struct sn_buf buf;
    sn_buf_init(&buf, max);
    int r = bundle_each(b, name, to_buf, &buf, NULL);
    if (r == 0) *ret = sn_arena_str(a, sn_buf_view(&buf));
    if (r == 0 && !ret->ptr) r = SN_E_NOMEM;
    sn_buf_done(&buf);
    return r == SN_E_TOO_LARGE ? sn_fail(r, "\"%.*s\" has over %zu bytes", SN_STR_ARG(name), max)
                               : r;
}

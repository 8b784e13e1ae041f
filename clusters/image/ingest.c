/* SPDX-License-Identifier: Apache-2.0 */
/* image/ingest.c - blobs on their way into the store: written and hashed as they come, continued where they
 * broke off, named when their digest is right. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/status.h"
#include "image/store_int.h"

#define COPY_BYTES (256u << 10)

/* The part under the name that everybody would continue, if nobody else writes it. */
static int open_shared(struct ingest *in)
{
    struct stat a, b;
    (void)snprintf(in->path, sizeof(in->path), "ingest/%.6s-%.*s", in->digest.ptr, (int)in->digest.len - 7,
                   in->digest.ptr + 7);
    int fd = openat(in->st->fd, in->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return sn_fail_errno(errno, "make %s/%s", in->st->root, in->path);
    /* The one who locked it before may have named or removed the file in between. */
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &a) == 0 &&
        fstatat(in->st->fd, in->path, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev) {
        in->kept = true;
        return fd;
    }
    (void)close(fd);
    return SN_E_BUSY;
}

static int open_own(struct ingest *in)
{
    (void)snprintf(in->path, sizeof(in->path), "ingest/%d-%llu", getpid(),
                   (unsigned long long)__atomic_add_fetch(&in->st->serial, 1, __ATOMIC_RELAXED));
    int fd = openat(in->st->fd, in->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return sn_fail_errno(errno, "make %s/%s", in->st->root, in->path);
    (void)flock(fd, LOCK_EX | LOCK_NB);
    return fd;
}

static int take(struct ingest *in, struct sn_str bytes)
{
    sn_hasher_put(&in->hash, bytes.ptr, bytes.len);
    in->have += bytes.len;
    return in->layer ? sn_layer_put(in->layer, bytes) : 0;
}

/* What an earlier try has left is hashed, and unpacked, as if it came now. */
static int reread(struct ingest *in)
{
    char *buf = sn_alloc(COPY_BYTES);
    if (!buf) return SN_E_NOMEM;
    int r = 0;
    for (;;) {
        ssize_t n = read(in->fd, buf, COPY_BYTES);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) r = sn_fail_errno(errno, "read %s/%s", in->st->root, in->path);
        if (n > 0) r = take(in, sn_str_of(buf, (size_t)n));
        if (n <= 0 || r < 0) break;
    }
    sn_free(buf);
    return r;
}

int ingest_begin(struct sn_image_store *st, struct sn_str digest, uint64_t size, struct sn_layer *layer,
                 struct ingest *ret)
{
    struct ingest in = {.st = st, .digest = digest, .size = size, .layer = layer};
    if (size != UINT64_MAX && size > st->o.limits.blob_bytes_max)
        return sn_fail(SN_E_TOO_LARGE, "blob %.*s has %llu bytes, over %llu (blob_bytes_max)", SN_STR_ARG(digest),
                       (unsigned long long)size, (unsigned long long)st->o.limits.blob_bytes_max);
    in.fd = open_shared(&in);
    if (in.fd == SN_E_BUSY) in.fd = open_own(&in);
    if (in.fd < 0) return in.fd;
    int r = sn_hasher_init(&in.hash, store_hash_kind(digest));
    in.has_hash = r == 0;
    struct stat s;
    if (r == 0 && fstat(in.fd, &s) < 0) r = sn_fail_errno(errno, "stat %s/%s", st->root, in.path);
    if (r == 0 && size != UINT64_MAX && (uint64_t)s.st_size > size && ftruncate(in.fd, 0) < 0)
        r = sn_fail_errno(errno, "truncate %s/%s", st->root, in.path);
    if (r == 0) r = reread(&in);
    if (r < 0) {
        /* What does not unpack is no beginning of anything. */
        ingest_end(&in, true);
        return r;
    }
    *ret = in;
    return 0;
}

int ingest_put(struct ingest *in, struct sn_str bytes)
{
    if (bytes.len > (in->size == UINT64_MAX ? in->st->o.limits.blob_bytes_max : in->size) - in->have)
        return sn_fail(SN_E_DATA_LOSS, "blob %.*s: more than the %llu bytes it should have", SN_STR_ARG(in->digest),
                       (unsigned long long)in->size);
    struct sn_str left = bytes;
    while (left.len) {
        ssize_t n = write(in->fd, left.ptr, left.len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return sn_fail_errno(errno, "write %s/%s", in->st->root, in->path);
        left = sn_str_from(left, (size_t)n);
    }
    return take(in, bytes);
}

int ingest_commit(struct ingest *in)
{
    char is[SN_IMAGE_DIGEST_MAX + 1], path[STORE_NAME_MAX];
    uint8_t hash[SN_HASH_MAX];
    if (in->size != UINT64_MAX && in->have != in->size)
        return sn_fail(SN_E_DATA_LOSS, "blob %.*s: %llu bytes, expected %llu", SN_STR_ARG(in->digest),
                       (unsigned long long)in->have, (unsigned long long)in->size);
    int r = sn_hasher_final(&in->hash, hash);
    if (r < 0) return r;
    store_digest_text(in->hash.kind, hash, is);
    if (!sn_str_eqc(in->digest, is))
        return sn_fail(SN_E_DATA_LOSS, "blob %.*s: what came is %s", SN_STR_ARG(in->digest), is);
    if (!in->st->o.no_sync && fdatasync(in->fd) < 0)
        return sn_fail_errno(errno, "sync %s/%s", in->st->root, in->path);
    store_blob_path(in->digest, path);
    if (renameat(in->st->fd, in->path, in->st->fd, path) < 0)
        return sn_fail_errno(errno, "name %s/%s", in->st->root, path);
    in->path[0] = 0;
    return 0; /* its name is synced with the record that needs it */
}

void ingest_end(struct ingest *in, bool drop)
{
    if (in->path[0] && (drop || !in->kept || in->have == 0)) (void)unlinkat(in->st->fd, in->path, 0);
    if (in->fd >= 0) (void)close(in->fd);
    if (in->has_hash) sn_hasher_done(&in->hash);
    in->fd = -1;
    in->has_hash = false;
}

int store_blob_put(struct sn_image_store *st, struct sn_str digest, struct sn_str bytes)
{
    struct ingest in;
    if (store_blob_exists(st, digest, NULL)) return 0;
    int r = ingest_begin(st, digest, bytes.len, NULL, &in);
    if (r < 0) return r;
    if (in.have) { /* of a try that died: small things are not continued */
        r = ftruncate(in.fd, 0) < 0 || lseek(in.fd, 0, SEEK_SET) < 0 ? sn_fail_errno(errno, "truncate %s", in.path) : 0;
        in.have = 0;
        sn_hasher_done(&in.hash);
        if (r == 0) r = sn_hasher_init(&in.hash, store_hash_kind(digest));
        in.has_hash = r == 0;
    }
    if (r == 0) r = ingest_put(&in, bytes);
    if (r == 0) r = ingest_commit(&in);
    ingest_end(&in, r < 0);
    return r;
}

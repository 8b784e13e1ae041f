/* SPDX-License-Identifier: Apache-2.0 */
/* image/inflate.c - decompression of layers, see inflate.h. */
#include "image/inflate.h"

#include <zlib.h>
#include <zstd.h>

#include "core/alloc.h"
#include "core/status.h"

#define OUT_BYTES (256u << 10)
#define ZSTD_WINDOW_LOG_MAX 27 /* 128 MiB, what `zstd --ultra` without --long may need */
#define MAGIC_BYTES 4u

enum kind { UNKNOWN, PLAIN, GZIP, ZSTD };
struct sn_inflate {
    int (*sink)(void *ctx, struct sn_str bytes);
    void *ctx;
    enum kind kind;
    uint8_t magic[MAGIC_BYTES];
    unsigned n_magic;
    bool inside; /* of a member or frame */
    bool z_ready;
    z_stream z;
    ZSTD_DStream *d;
    uint64_t in, out, ratio_max;
    uint8_t buf[OUT_BYTES];
};

int sn_inflate_new(int (*sink)(void *ctx, struct sn_str bytes), void *ctx, uint64_t ratio_max,
                   struct sn_inflate **ret)
{
    struct sn_inflate *z = sn_alloc(sizeof(*z));
    if (!z) return SN_E_NOMEM;
    memset(z, 0, offsetof(struct sn_inflate, buf));
    z->sink = sink;
    z->ctx = ctx;
    z->ratio_max = ratio_max;
    *ret = z;
    return 0;
}

void sn_inflate_free(struct sn_inflate *z)
{
    if (!z) return;
    if (z->z_ready) (void)inflateEnd(&z->z);
    ZSTD_freeDStream(z->d);
    sn_free(z);
}

static int emit(struct sn_inflate *z, const void *p, size_t n)
{
    if (n == 0) return 0;
    z->out += n;
    if (z->ratio_max && z->out > SN_INFLATE_RATIO_FROM && z->out / z->ratio_max > z->in)
        return sn_fail(SN_E_TOO_LARGE,
                       "%llu bytes came out of %llu: over the limit of %llu to 1 (ratio_max)",
                       (unsigned long long)z->out, (unsigned long long)z->in,
                       (unsigned long long)z->ratio_max);
    return z->sink(z->ctx, sn_str_of(p, n));
}

static int put_gzip(struct sn_inflate *z, struct sn_str in)
{
    z->z.next_in = (Bytef *)(uintptr_t)in.ptr;
    z->z.avail_in = (uInt)in.len;
    bool full = false;
    while (z->z.avail_in || full) {
        z->z.next_out = z->buf;
        z->z.avail_out = OUT_BYTES;
        z->inside = true;
        int e = inflate(&z->z, Z_NO_FLUSH);
        if (e == Z_MEM_ERROR) return SN_E_NOMEM;
        if (e != Z_OK && e != Z_STREAM_END && e != Z_BUF_ERROR)
            return sn_fail(SN_E_SYNTAX, "gzip: damaged: %s",
                           z->z.msg ? z->z.msg : "no such format");
        size_t n = OUT_BYTES - z->z.avail_out;
        full = z->z.avail_out == 0 && e != Z_STREAM_END;
        int r = emit(z, z->buf, n);
        if (r < 0) return r;
        if (e == Z_STREAM_END) {
            z->inside = false;
            if (inflateReset(&z->z) != Z_OK) return sn_fail(SN_E_INTERNAL, "zlib: reset failed");
        } else if (e == Z_BUF_ERROR) {
            break;
        }
    }
    return 0;
}

static int put_zstd(struct sn_inflate *z, struct sn_str in)
{
    ZSTD_inBuffer src = {in.ptr, in.len, 0};
    bool full = false;
    while (src.pos < src.size || full) {
        ZSTD_outBuffer dst = {z->buf, OUT_BYTES, 0};
        size_t left = ZSTD_decompressStream(z->d, &dst, &src);
        if (ZSTD_isError(left)) {
            const char *why = ZSTD_getErrorName(left);
            bool large = strstr(why, "too much memory") != NULL;
            return sn_fail(large ? SN_E_TOO_LARGE : SN_E_SYNTAX, "zstd: %s%s", why,
                           large ? " (window over 128 MiB)" : "");
        }
        z->inside = left != 0;
        full = dst.pos == dst.size && left != 0;
        int r = emit(z, z->buf, dst.pos);
        if (r < 0) return r;
    }
    return 0;
}

static int begin(struct sn_inflate *z)
{
    const uint8_t *m = z->magic;
    z->kind = PLAIN;
    if (z->n_magic >= 2 && m[0] == 0x1f && m[1] == 0x8b) {
        if (inflateInit2(&z->z, 16 + MAX_WBITS) != Z_OK) return SN_E_NOMEM;
        z->z_ready = true;
        z->kind = GZIP;
    } else if (z->n_magic == 4 &&
               ((m[0] == 0x28 && m[1] == 0xb5 && m[2] == 0x2f && m[3] == 0xfd) ||
                ((m[0] & 0xf0) == 0x50 && m[1] == 0x2a && m[2] == 0x4d && m[3] == 0x18))) {
        z->d = ZSTD_createDStream();
        if (!z->d) return SN_E_NOMEM;
        (void)ZSTD_DCtx_setParameter(z->d, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
        z->kind = ZSTD;
    }
    return 0;
}

static int put_known(struct sn_inflate *z, struct sn_str in)
{
    if (in.len == 0) return 0;
    return z->kind == GZIP   ? put_gzip(z, in)
           : z->kind == ZSTD ? put_zstd(z, in)
                             : emit(z, in.ptr, in.len);
}

int sn_inflate_put(struct sn_inflate *z, struct sn_str bytes)
{
    while (bytes.len) {
        struct sn_str part = sn_str_sub(bytes, 0, 1u << 30); /* zlib counts in 32 bits */
        if (z->kind == UNKNOWN) {
            part = sn_str_sub(bytes, 0, MAGIC_BYTES - z->n_magic);
            memcpy(z->magic + z->n_magic, part.ptr, part.len);
            z->n_magic += (unsigned)part.len;
            z->in += part.len;
            bytes = sn_str_from(bytes, part.len);
            if (z->n_magic < MAGIC_BYTES) return 0;
            int r = begin(z);
            if (r == 0) r = put_known(z, sn_str_of((const char *)z->magic, z->n_magic));
            if (r < 0) return r;
            continue;
        }
        z->in += part.len;
        bytes = sn_str_from(bytes, part.len);
        int r = put_known(z, part);
        if (r < 0) return r;
    }
    return 0;
}

int sn_inflate_finish(struct sn_inflate *z)
{
    if (z->kind == UNKNOWN) {
        int r = begin(z);
        if (r == 0) r = put_known(z, sn_str_of((const char *)z->magic, z->n_magic));
        if (r < 0) return r;
    }
    return z->inside ? sn_fail(SN_E_SYNTAX, "%s: ends too soon", z->kind == GZIP ? "gzip" : "zstd")
                     : 0;
}

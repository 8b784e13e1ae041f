/* SPDX-License-Identifier: Apache-2.0 */
/* image/build_test.h - archives and images for tests, made entry by entry, also such as no tool
 * would make. To be included behind tests/harness/test.h. */
#pragma once
#include <stdio.h>

#include "core/buf.h"
#include "core/enc.h"
#include "crypto/hash.h"
#include "image/tar.h"

/* One entry as it stands in the header; data follows it. */
struct tb {
    char type; /* '0' file, '5' folder, ... */
    const char *name, *link;
    const char *data;
    unsigned mode, uid, gid, mtime, major, minor;
};

/* Octal digits, cut to the field. */
static inline void tb_octal(uint8_t *at, unsigned digits, uint64_t v)
{
    for (unsigned i = digits; i--; v >>= 3) at[i] = (uint8_t)('0' + (v & 7));
}

static inline void tb_sum(uint8_t *b)
{
    unsigned sum = 0;
    memset(b + 148, ' ', 8);
    for (unsigned i = 0; i < SN_TAR_BLOCK; i++) sum += b[i];
    tb_octal(b + 148, 6, sum);
    b[154] = 0;
}

static inline void tb_raw(struct sn_buf *out, const struct tb *e, const char *data, size_t n)
{
    uint8_t b[SN_TAR_BLOCK] = {0};
    (void)snprintf((char *)b, 100, "%s", e->name);
    tb_octal(b + 100, 7, e->mode ? e->mode : e->type == '5' ? 0755 : 0644);
    tb_octal(b + 108, 7, e->uid);
    tb_octal(b + 116, 7, e->gid);
    tb_octal(b + 124, 11, (unsigned)n);
    tb_octal(b + 136, 11, e->mtime ? e->mtime : 1000000000);
    b[156] = (uint8_t)e->type;
    if (e->link) (void)snprintf((char *)b + 157, 100, "%s", e->link);
    memcpy(b + 257, "ustar\00000", 8);
    tb_octal(b + 329, 7, e->major);
    tb_octal(b + 337, 7, e->minor);
    tb_sum(b);
    sn_buf_put(out, b, sizeof(b));
    if (n) sn_buf_put(out, data, n);
    static const uint8_t zero[SN_TAR_BLOCK];
    sn_buf_put(out, zero, sn_tar_padding(n));
}

static inline void tb_add(struct sn_buf *out, struct tb e)
{
    tb_raw(out, &e, e.data ? e.data : "", e.data ? strlen(e.data) : 0);
}

static inline void tb_end(struct sn_buf *out)
{
    static const uint8_t zero[2 * SN_TAR_BLOCK];
    sn_buf_put(out, zero, sizeof(zero));
}

/* A pax record for the next entry. */
static inline void tb_pax(struct sn_buf *out, const char *key, const char *value, size_t n)
{
    char text[8192];
    size_t rest = 3 + strlen(key) + n, len = rest + 1;
    for (size_t digits = 1, pow = 10; len >= pow; pow *= 10) len = rest + ++digits;
    int k = snprintf(text, sizeof(text), "%zu %s=", len, key);
    memcpy(text + k, value, n);
    text[(size_t)k + n] = '\n';
    tb_raw(out, &(struct tb){.type = 'x', .name = "pax"}, text, len);
}

static inline void tb_digest(struct sn_str bytes, char out[72])
{
    uint8_t hash[32];
    T_OK(sn_hash_once(SN_SHA256, bytes.ptr, bytes.len, hash));
    memcpy(out, "sha256:", 7);
    out[7 + sn_hex_encode(hash, 32, out + 7)] = 0;
}

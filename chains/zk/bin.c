/* SPDX-License-Identifier: Apache-2.0 */
/* zk/bin.c - reading and writing sectioned binary files; the primes circuits are over. */
#include <pthread.h>

#include "core/alloc.h"
#include "zk/bin.h"

int sn_bin_open(struct sn_str file, const char *magic, uint32_t version, const char *what,
                struct sn_bin *ret)
{
    struct sn_cursor c = sn_cursor(file);
    const uint8_t *m = sn_take(&c, 4);
    if (!m || memcmp(m, magic, 4) != 0)
        return sn_fail(SN_E_SYNTAX, "not a %s file: it does not begin with \"%s\"", what, magic);
    struct sn_bin b = {.version = sn_take32(&c)};
    uint32_t n = sn_take32(&c);
    if (c.short_) return sn_fail(SN_E_DATA_LOSS, "%s file ends in its first 12 bytes", what);
    if (b.version != version)
        return sn_fail(SN_E_UNIMPLEMENTED, "%s version %u, expected %u", what, b.version, version);
    if (n > SN_BIN_SECTIONS_MAX)
        return sn_fail(SN_E_SYNTAX, "%s file with %u sections, at most %u", what, n,
                       SN_BIN_SECTIONS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t id = sn_take32(&c);
        uint64_t size = sn_take64(&c);
        if (c.short_ || size > (uint64_t)(c.end - c.p))
            return sn_fail(SN_E_DATA_LOSS, "%s file ends inside section %u of %u", what, i + 1, n);
        if (id >= SN_BIN_SECTIONS_MAX)
            return sn_fail(SN_E_SYNTAX, "%s file has a section numbered %u", what, id);
        if (b.section[id].ptr)
            return sn_fail(SN_E_SYNTAX, "%s file has section %u twice", what, id);
        b.section[id] = sn_str_of((const char *)sn_take(&c, (size_t)size), (size_t)size);
    }
    if (c.p != c.end)
        return sn_fail(SN_E_SYNTAX, "%s file has %zu bytes behind its last section", what,
                       (size_t)(c.end - c.p));
    *ret = b;
    return 0;
}

int sn_bin_section(const struct sn_bin *b, unsigned id, uint64_t size, const char *what,
                   struct sn_str *ret)
{
    if (!b->section[id].ptr) return sn_fail(SN_E_SYNTAX, "%s file has no section %u", what, id);
    if (size != UINT64_MAX && b->section[id].len != size)
        return sn_fail(SN_E_DATA_LOSS, "%s section %u has %zu bytes, expected %llu", what, id,
                       b->section[id].len, (unsigned long long)size);
    *ret = b->section[id];
    return 0;
}

/* ---- writing --------------------------------------------------------------------------------- */

static int buf_write(void *ctx, const void *data, size_t n) { return sn_buf_put(ctx, data, n); }

struct sn_zk_sink sn_zk_sink_buf(struct sn_buf *b) { return (struct sn_zk_sink){buf_write, b}; }

int sn_out_begin(struct sn_out *o, const struct sn_zk_sink *sink)
{
    *o = (struct sn_out){.sink = sink, .buf = sn_alloc(SN_OUT_BYTES)};
    return o->buf ? 0 : SN_E_NOMEM;
}

int sn_out_flush(struct sn_out *o)
{
    if (o->err == 0 && o->len) {
        int r = o->sink->write(o->sink->ctx, o->buf, o->len);
        if (r < 0) o->err = r;
    }
    o->len = 0;
    return o->err;
}

void sn_out_put(struct sn_out *o, const void *data, size_t n)
{
    o->total += n;
    if (n > SN_OUT_BYTES - o->len) (void)sn_out_flush(o);
    if (n > SN_OUT_BYTES) {
        int r = o->err ? 0 : o->sink->write(o->sink->ctx, data, n);
        if (r < 0) o->err = r;
        return;
    }
    if (n) memcpy(o->buf + o->len, data, n);
    o->len += n;
}

void sn_out_u32(struct sn_out *o, uint32_t v)
{
    uint8_t b[4];
    sn_put_le32(b, v);
    sn_out_put(o, b, sizeof(b));
}

void sn_out_u64(struct sn_out *o, uint64_t v)
{
    uint8_t b[8];
    sn_put_le64(b, v);
    sn_out_put(o, b, sizeof(b));
}

void sn_out_section(struct sn_out *o, uint32_t id, uint64_t size)
{
    sn_out_u32(o, id);
    sn_out_u64(o, size);
}

void sn_out_header(struct sn_out *o, const char *magic, uint32_t version, uint32_t n_sections)
{
    sn_out_put(o, magic, 4);
    sn_out_u32(o, version);
    sn_out_u32(o, n_sections);
}

int sn_out_end(struct sn_out *o)
{
    (void)sn_out_flush(o);
    if (o->buf) explicit_bzero(o->buf, SN_OUT_BYTES); /* of a witness or a toxic secret */
    sn_free(o->buf);
    o->buf = NULL;
    return o->err;
}

/* ---- primes ---------------------------------------------------------------------------------- */

/* Beside the three that have fields of their own. Sources: the curves' definitions; goldilocks is
 * 2^64 - 2^32 + 1, grumpkin's scalars are BN254's base field, bls12377 that of Zexe. */
static struct {
    const char *name;
    struct sn_fe p;
    struct sn_field field;
    int err;
} others[] = {
    {"goldilocks", {{0xffffffff00000001, 0, 0, 0}}, {0}, 0},
    {"pallas", {{0x992d30ed00000001, 0x224698fc094cf91b, 0, 0x4000000000000000}}, {0}, 0},
    {"vesta", {{0x8c46eb2100000001, 0x224698fc0994a8dd, 0, 0x4000000000000000}}, {0}, 0},
    {"secq256r1",
     {{0xffffffffffffffff, 0x00000000ffffffff, 0, 0xffffffff00000001}},
     {0}, 0},
    {"bls12377",
     {{0x0a11800000000001, 0x59aa76fed0000001, 0x60b44d1e5c37b001, 0x12ab655e9a2ca556}},
     {0}, 0},
};
static pthread_once_t others_once = PTHREAD_ONCE_INIT;

static void others_init(void)
{
    for (size_t i = 0; i < SN_COUNT_OF(others); i++)
        others[i].err = sn_field_init(&others[i].field, others[i].name, &others[i].p);
}

const struct sn_field *sn_zk_field(struct sn_str name)
{
    if (sn_str_eqc(name, "bn128") || sn_str_eqc(name, "bn254")) return &sn_bn254_fr;
    if (sn_str_eqc(name, "bls12381")) return &sn_bls12_381_fr;
    if (sn_str_eqc(name, "grumpkin")) return &sn_bn254_fq;
    pthread_once(&others_once, others_init);
    for (size_t i = 0; i < SN_COUNT_OF(others); i++)
        if (sn_str_eqc(name, others[i].name) && others[i].err == 0) return &others[i].field;
    return NULL;
}

const struct sn_field *sn_zk_field_of(const uint8_t *prime, size_t n)
{
    static const char *const names[] = {"bn128", "bls12381", "grumpkin", "goldilocks",
                                        "pallas", "vesta", "secq256r1", "bls12377"};
    struct sn_fe p = {{0}};
    if (n == 0 || n > 32 || n % 8) return NULL;
    for (size_t i = 0; i < n / 8; i++) p.v[i] = sn_le64(prime + 8 * i);
    for (size_t i = 0; i < SN_COUNT_OF(names); i++) {
        const struct sn_field *f = sn_zk_field(sn_str(names[i]));
        if (f && sn_fe_equal(&f->p, &p)) return f;
    }
    return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* sync/blocksync_msg.c - protobuf by hand: these messages are an envelope around bytes that are kept as
 * they are. */
#include "consensus/sync/blocksync_msg.h"

#include "core/varint.h"

enum { VARINT = 0, FIXED64 = 1, LEN = 2, FIXED32 = 5 };
/* Field numbers of tendermint.types.Block and Header on the way to the height. */
#define BLOCK_HEADER 1
#define HEADER_HEIGHT 3

struct field {
    uint64_t number;
    unsigned wire;
    uint64_t value;     /* VARINT */
    struct sn_str bytes; /* LEN */
};

static int number(struct sn_str *in, uint64_t *ret)
{
    int n = sn_varint_get(*in, ret);
    if (n <= 0) return sn_fail(SN_E_SYNTAX, "a number that does not end");
    *in = sn_str_from(*in, (size_t)n);
    return 0;
}
static int bytes(struct sn_str *in, uint64_t n, struct sn_str *ret)
{
    if (n > in->len)
        return sn_fail(SN_E_SYNTAX, "a field of %llu bytes, %zu are left", (unsigned long long)n,
                       in->len);
    *ret = sn_str_of(in->ptr, (size_t)n);
    *in = sn_str_from(*in, (size_t)n);
    return 0;
}
/* Takes the next field off. */
static int next(struct sn_str *in, struct field *ret)
{
    uint64_t tag, n;
    int r = number(in, &tag);
    if (r < 0) return r;
    *ret = (struct field){.number = tag >> 3, .wire = (unsigned)(tag & 7)};
    if (ret->number == 0) return sn_fail(SN_E_SYNTAX, "field number 0");
    switch (ret->wire) {
    case VARINT: return number(in, &ret->value);
    case FIXED64: return bytes(in, 8, &ret->bytes);
    case FIXED32: return bytes(in, 4, &ret->bytes);
    case LEN:
        r = number(in, &n);
        return r < 0 ? r : bytes(in, n, &ret->bytes);
    default: return sn_fail(SN_E_SYNTAX, "wire type %u", ret->wire);
    }
}

/* The height in an encoded block's header; the last one counts, as for every decoder. */
static int height_of(struct sn_str block, int64_t *ret)
{
    struct field f, g;
    int r = 0;
    *ret = 0;
    while (block.len && r >= 0) {
        if ((r = next(&block, &f)) < 0) break;
        if (f.number != BLOCK_HEADER || f.wire != LEN) continue;
        while (f.bytes.len && (r = next(&f.bytes, &g)) >= 0)
            if (g.number == HEADER_HEIGHT && g.wire == VARINT) *ret = (int64_t)g.value;
    }
    if (r < 0) return sn_wrap(r, "block");
    if (*ret <= 0) return sn_fail(SN_E_INVALID_ARGUMENT, "block of height %lld", (long long)*ret);
    return 0;
}

static int content(const struct field *outer, struct sn_blocksync_msg *m)
{
    struct sn_str in = outer->bytes;
    struct field f;
    bool block = m->kind == SN_BLOCKSYNC_BLOCK;
    while (in.len) {
        int r = next(&in, &f);
        if (r < 0) return r;
        if (block && f.number == 1 && f.wire == LEN) m->block = f.bytes;
        else if (block && f.number == 2 && f.wire == LEN) m->ext_commit = f.bytes;
        else if (!block && f.number == 1 && f.wire == VARINT) m->height = (int64_t)f.value;
        else if (m->kind == SN_BLOCKSYNC_STATUS && f.number == 2 && f.wire == VARINT)
            m->base = (int64_t)f.value;
    }
    /* An extended commit that is there and empty is not an absent one. */
    if (block) return height_of(m->block, &m->height);
    if (m->height < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "height %lld", (long long)m->height);
    if (m->kind == SN_BLOCKSYNC_STATUS && (m->base < 0 || m->base > m->height))
        return sn_fail(SN_E_INVALID_ARGUMENT, "blocks from %lld to %lld", (long long)m->base,
                       (long long)m->height);
    return 0;
}

int sn_blocksync_decode(struct sn_str in, struct sn_blocksync_msg *ret)
{
    struct field f;
    struct sn_blocksync_msg m = {0};
    if (in.len > SN_BLOCKSYNC_MSG_MAX)
        return sn_fail(SN_E_TOO_LARGE, "block sync message of %zu bytes, at most %u", in.len,
                       SN_BLOCKSYNC_MSG_MAX);
    struct field last = {0};
    while (in.len) {
        int r = next(&in, &f);
        if (r < 0) return sn_wrap(r, "block sync message");
        if (f.wire == LEN && f.number <= SN_BLOCKSYNC_STATUS) last = f;
    }
    m.kind = (enum sn_blocksync_kind)last.number;
    if (!m.kind) return sn_fail(SN_E_INVALID_ARGUMENT, "block sync message of no known kind");
    int r = content(&last, &m);
    if (r < 0) return sn_wrap(r, "block sync message %d", m.kind);
    *ret = m;
    return 0;
}

/* ---- writing ---- */

static size_t len_of(uint64_t v) { return v ? 1 + sn_varint_len(v) : 0; }
static size_t len_of_bytes(struct sn_str s)
{
    return s.ptr ? 1 + sn_varint_len(s.len) + s.len : 0;
}
static int put_number(struct sn_buf *out, unsigned field, unsigned wire, uint64_t v)
{
    uint8_t b[1 + SN_VARINT_MAX] = {(uint8_t)(field << 3 | wire)};
    return sn_buf_put(out, b, 1 + sn_varint_put(b + 1, v));
}
static int put_bytes(struct sn_buf *out, unsigned field, struct sn_str s)
{
    if (!s.ptr) return 0;
    int r = put_number(out, field, LEN, s.len);
    return r < 0 ? r : sn_buf_str(out, s);
}

int sn_blocksync_encode(const struct sn_blocksync_msg *m, struct sn_buf *out)
{
    int r;
    if (m->kind == SN_BLOCKSYNC_BLOCK) {
        r = put_number(out, m->kind, LEN, len_of_bytes(m->block) + len_of_bytes(m->ext_commit));
        if (r >= 0) r = put_bytes(out, 1, m->block);
        return r < 0 ? r : put_bytes(out, 2, m->ext_commit);
    }
    uint64_t base = m->kind == SN_BLOCKSYNC_STATUS ? (uint64_t)m->base : 0;
    r = put_number(out, m->kind, LEN, len_of((uint64_t)m->height) + len_of(base));
    if (r >= 0 && m->height) r = put_number(out, 1, VARINT, (uint64_t)m->height);
    if (r >= 0 && base) r = put_number(out, 2, VARINT, base);
    return r;
}

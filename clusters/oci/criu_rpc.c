/* SPDX-License-Identifier: Apache-2.0 */
/* oci/criu_rpc.c - criu's messages, written and read. */
#include "clusters/oci/criu_rpc_int.h"

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static void varint(struct sn_buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7) sn_buf_byte(b, (uint8_t)(v | 0x80));
    sn_buf_byte(b, (uint8_t)v);
}

void sn_criu_put_num(struct sn_buf *b, unsigned field, int64_t v)
{
    varint(b, (uint64_t)field << 3 | VARINT);
    varint(b, (uint64_t)v);
}

void sn_criu_put_str(struct sn_buf *b, unsigned field, struct sn_str s)
{
    varint(b, (uint64_t)field << 3 | BYTES);
    varint(b, s.len);
    sn_buf_str(b, s);
}

static unsigned varint_bytes(uint64_t v)
{
    unsigned n = 1;
    while (v >>= 7) n++;
    return n;
}

void sn_criu_put_two(struct sn_buf *b, unsigned field, struct sn_str one, struct sn_str two)
{
    varint(b, (uint64_t)field << 3 | BYTES);
    varint(b, 2 + varint_bytes(one.len) + one.len + varint_bytes(two.len) + two.len);
    sn_criu_put_str(b, 1, one);
    sn_criu_put_str(b, 2, two);
}

void sn_criu_put_text_num(struct sn_buf *b, unsigned field, struct sn_str text, int64_t v)
{
    varint(b, (uint64_t)field << 3 | BYTES);
    varint(b, 2 + varint_bytes(text.len) + text.len + varint_bytes((uint64_t)v));
    sn_criu_put_str(b, 1, text);
    sn_criu_put_num(b, 2, v);
}

int sn_criu_request(struct sn_buf *out, enum sn_criu_type type, struct sn_str opts,
                    unsigned feature)
{
    sn_criu_put_num(out, 1, type);
    if (opts.len) sn_criu_put_str(out, 2, opts);
    if (type == SN_CRIU_NOTIFY) sn_criu_put_num(out, 3, 1);
    if (feature) {
        const char wanted[] = {(char)(feature << 3 | VARINT), 1};
        sn_criu_put_str(out, 5, sn_str_of(wanted, sizeof(wanted)));
    }
    return out->err;
}

/* ---- answers -----------------------------------------------------------------------------------
 */

struct field {
    uint64_t number, v;
    struct sn_str bytes; /* of a length-delimited one */
};

static bool take(struct sn_str *in, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && in->len; shift += 7) {
        uint8_t c = (uint8_t)in->ptr[0];
        *in = sn_str_from(*in, 1);
        v |= (uint64_t)(c & 0x7f) << shift;
        if (c & 0x80) continue;
        *ret = v;
        return true;
    }
    return false;
}

/* The next field; 1, 0 at the end, or -1. */
static int next(struct sn_str *in, struct field *f)
{
    uint64_t tag;
    if (!in->len) return 0;
    if (!take(in, &tag)) return -1;
    *f = (struct field){.number = tag >> 3};
    size_t skip = 0;
    switch (tag & 7) {
    case VARINT: return take(in, &f->v) ? 1 : -1;
    case BYTES:
        if (!take(in, &f->v) || f->v > in->len) return -1;
        f->bytes = sn_str_sub(*in, 0, (size_t)f->v);
        skip = (size_t)f->v;
        break;
    case FIXED64: skip = 8; break;
    case FIXED32: skip = 4; break;
    default: return -1;
    }
    if (skip > in->len) return -1;
    *in = sn_str_from(*in, skip);
    return 1;
}

/* criu_restore_resp has the pid as its first field, criu_notify a text and then the pid. */
static int nested(struct sn_str in, unsigned outer, struct sn_criu_answer *a)
{
    struct field f;
    int r;
    while ((r = next(&in, &f)) > 0) {
        if ((outer == 4 && f.number == 1) || (outer == 5 && f.number == 2)) a->pid = (int32_t)f.v;
        if (outer == 5 && f.number == 1) a->script = f.bytes;
        if (outer == 8 && f.number < 32 && f.v) a->features |= 1u << f.number;
    }
    return r;
}

int sn_criu_answer_parse(struct sn_str in, struct sn_criu_answer *ret)
{
    struct sn_criu_answer a = {0};
    struct field f;
    int r;
    while ((r = next(&in, &f)) > 0) {
        switch (f.number) {
        case 1: a.type = (uint32_t)f.v; break;
        case 2: a.success = f.v != 0; break;
        case 4:
        case 5:
        case 8: r = nested(f.bytes, (unsigned)f.number, &a); break;
        case 7: a.error = (int32_t)f.v; break;
        case 9: a.text = f.bytes; break;
        default: break;
        }
        if (r < 0) break;
    }
    if (r < 0 || !a.type) return sn_fail(SN_E_DATA_LOSS, "criu's answer is no message of its own");
    *ret = a;
    return 0;
}

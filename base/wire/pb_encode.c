/* SPDX-License-Identifier: Apache-2.0 */
/* wire/pb_encode.c - the protobuf encoder. It writes backwards, last field first, so that a
 * sub-message's length is known when its prefix is due and no size is ever computed twice. */
#include "wire/pb_int.h"

/* The most room that is asked for beyond what is then written. */
#define SLACK 1024u
#define FIRST_BYTES 256u

/* The encoding grows down from the end of the buffer's spare room. */
struct enc {
    uint8_t *p; /* first byte written so far */
    struct sn_buf *out;
    unsigned depth;
    int err;
    const struct sn_pb_desc *root;
};

static inline size_t written(const struct enc *e)
{
    return (size_t)(e->out->ptr + e->out->cap - e->p);
}
/* grow - makes room for n more bytes in front of what is written. */
static SN_NOINLINE bool grow(struct enc *e, size_t n)
{
    if (e->err < 0) return false;
    size_t done = written(e);
    if (n > SN_PB_BYTES_MAX || done + n > SN_PB_BYTES_MAX) {
        e->err = sn_fail(SN_E_TOO_LARGE, "protobuf %.*s: encoding beyond 2 GiB",
                         SN_STR_ARG(e->root->full_name));
        return false;
    }
    size_t want = SN_MAX(done + n, SN_MIN(2 * done, SN_PB_BYTES_MAX));
    /* reserve keeps only [0, len): count what is written at the end as content meanwhile. */
    size_t len = e->out->len;
    if (done) memmove(e->out->ptr + len, e->p, done);
    e->out->len = len + done;
    if (e->out->limit) want = SN_MIN(want, e->out->limit - SN_MIN(e->out->limit, len));
    int r = sn_buf_reserve(e->out, SN_MAX(want - SN_MIN(want, done), n));
    e->out->len = len;
    if (r < 0) {
        e->err = r;
        return false;
    }
    e->p = e->out->ptr + e->out->cap - done;
    if (done) memmove(e->p, e->out->ptr + len, done);
    return true;
}
static SN_ALWAYS_INLINE bool need(struct enc *e, size_t n)
{
    return SN_LIKELY((size_t)(e->p - (e->out->ptr + e->out->len)) >= n) || grow(e, n);
}
/* The caller has made sure of 10 bytes. */
static SN_ALWAYS_INLINE void put_varint(struct enc *e, uint64_t v)
{
    e->p = pb_varint_before(e->p, v);
}
static inline void put_tag(struct enc *e, uint32_t tag)
{
    if (SN_LIKELY(tag < 0x80))
        *--e->p = (uint8_t)tag;
    else
        put_varint(e, tag);
}
static inline bool put_bytes(struct enc *e, const void *s, size_t n)
{
    if (!need(e, n)) return false;
    e->p -= n;
    if (n) memcpy(e->p, s, n);
    return true;
}

static bool put_message(struct enc *e, const struct sn_pb_desc *d, const void *msg);

static SN_NOINLINE bool bad_utf8(struct enc *e, const struct sn_pb_field *f)
{
    e->err = sn_fail(SN_E_INVALID_ARGUMENT, "protobuf %.*s: field %.*s is not UTF-8",
                     SN_STR_ARG(e->root->full_name), SN_STR_ARG(f->name));
    return false;
}
static inline uint64_t varint_value(unsigned type, const void *src)
{
    uint32_t v32 = 0;
    uint64_t v64 = 0;
    switch (type) {
    case SN_PB_INT64:
    case SN_PB_UINT64: memcpy(&v64, src, 8); return v64;
    case SN_PB_SINT64: memcpy(&v64, src, 8); return v64 << 1 ^ (uint64_t)((int64_t)v64 >> 63);
    case SN_PB_BOOL: return *(const bool *)src;
    case SN_PB_SINT32: memcpy(&v32, src, 4); return v32 << 1 ^ (uint32_t)((int32_t)v32 >> 31);
    case SN_PB_UINT32: memcpy(&v32, src, 4); return v32;
    default: memcpy(&v32, src, 4); return (uint64_t)(int64_t)(int32_t)v32;
    }
}

static SN_NOINLINE bool put_sub(struct enc *e, const struct sn_pb_field *f, const void *sub)
{
    if (f->type == SN_PB_GROUP) {
        if (!need(e, 20)) return false;
        put_varint(e, (uint64_t)f->number << 3 | PB_WT_EGROUP);
    }
    size_t before = written(e);
    if (!put_message(e, f->sub.msg, sub) || !need(e, 20)) return false;
    if (f->type == SN_PB_MESSAGE) put_varint(e, written(e) - before);
    put_tag(e, f->tag);
    return true;
}

/* put_value - one element with its tag. */
static SN_ALWAYS_INLINE bool put_value(struct enc *e, const struct sn_pb_field *f, const void *src)
{
    struct sn_str s;
    if (!need(e, 20)) return false;
    switch (f->type) {
    case SN_PB_DOUBLE:
    case SN_PB_FIXED64:
    case SN_PB_SFIXED64: memcpy(e->p -= 8, src, 8); break;
    case SN_PB_FLOAT:
    case SN_PB_FIXED32:
    case SN_PB_SFIXED32: memcpy(e->p -= 4, src, 4); break;
    case SN_PB_STRING:
    case SN_PB_BYTES:
        s = *(const struct sn_str *)src;
        if (f->flags & SN_PB_F_UTF8 && SN_UNLIKELY(!pb_utf8(s.ptr, s.len))) return bad_utf8(e, f);
        if (!put_bytes(e, s.ptr, s.len) || !need(e, 20)) return false;
        put_varint(e, s.len);
        break;
    case SN_PB_MESSAGE:
    case SN_PB_GROUP: return put_sub(e, f, *(const void *const *)src);
    default: put_varint(e, varint_value(f->type, src));
    }
    put_tag(e, f->tag);
    return true;
}

/* Room is asked for once per block of elements. */
#define PACKED_BLOCK 64u
static bool put_packed_varints(struct enc *e, unsigned type, const struct sn_pb_array *arr)
{
    for (uint32_t to = arr->len; to > 0;) {
        uint32_t from = to > PACKED_BLOCK ? to - PACKED_BLOCK : 0;
        if (!need(e, SN_PB_VARINT_MAX * (size_t)(to - from))) return false;
        e->p = sn_pb_packed_before(e->p, type, arr->ptr, from, to);
        to = from;
    }
    return true;
}
static SN_NOINLINE bool put_packed(struct enc *e, const struct sn_pb_field *f,
                                   const struct sn_pb_array *arr)
{
    size_t elem = sn_pb_elem_bytes[f->type], before = written(e);
    if (sn_pb_wire_type[f->type] != PB_WT_VARINT || f->type == SN_PB_BOOL) {
        if (!put_bytes(e, arr->ptr, elem * arr->len)) return false;
    } else {
        if (!put_packed_varints(e, f->type, arr)) return false;
    }
    if (!need(e, 20)) return false;
    put_varint(e, written(e) - before);
    put_tag(e, f->tag);
    return true;
}
static bool put_repeated(struct enc *e, const struct sn_pb_field *f, const struct sn_pb_array *arr)
{
    if (f->flags & SN_PB_F_PACKED) return put_packed(e, f, arr);
    size_t elem = sn_pb_elem_bytes[f->type];
    for (uint32_t i = arr->len; i-- > 0;)
        if (!put_value(e, f, (const char *)arr->ptr + elem * i)) return false;
    return true;
}

/* present - whether a singular field without explicit presence is written. */
static SN_ALWAYS_INLINE bool present(const struct sn_pb_field *f, const char *src)
{
    switch (f->type) {
    case SN_PB_BOOL: return *src != 0;
    case SN_PB_STRING:
    case SN_PB_BYTES: return ((const struct sn_str *)src)->len != 0;
    case SN_PB_DOUBLE:
    case SN_PB_INT64:
    case SN_PB_UINT64:
    case SN_PB_FIXED64:
    case SN_PB_SFIXED64:
    case SN_PB_SINT64:
    case SN_PB_MESSAGE:
    case SN_PB_GROUP: return *(const uint64_t *)src != 0;
    default: return *(const uint32_t *)src != 0;
    }
}

static bool put_unknown(struct enc *e, const struct sn_pb_unknown *last)
{
    /* The ring runs forwards and the encoder backwards: make room for all, then fill forwards. */
    size_t n = 0;
    const struct sn_pb_unknown *u = last;
    do {
        u = u->next;
        n += u->bytes.len;
    } while (u != last);
    if (!need(e, n)) return false;
    uint8_t *q = e->p -= n;
    do {
        u = u->next;
        memcpy(q, u->bytes.ptr, u->bytes.len);
        q += u->bytes.len;
    } while (u != last);
    return true;
}

static bool put_message(struct enc *e, const struct sn_pb_desc *d, const void *msg)
{
    const struct sn_pb_head *h = msg;
    if (!msg) return true; /* a NULL element of a repeated field is an empty message */
    if (SN_UNLIKELY(e->depth++ > SN_PB_DEPTH_MAX)) {
        e->err = sn_fail(SN_E_DEPTH, "protobuf %.*s: messages nested too deep",
                         SN_STR_ARG(e->root->full_name));
        return false;
    }
    if (h->unknown && !put_unknown(e, h->unknown)) return false;
    for (unsigned i = d->n_fields; i-- > 0;) {
        const struct sn_pb_field *f = &d->fields[i];
        const char *src = (const char *)msg + f->offset;
        if (f->flags & SN_PB_F_REPEATED) {
            const struct sn_pb_array *arr = (const struct sn_pb_array *)src;
            if (arr->len && !put_repeated(e, f, arr)) return false;
            continue;
        }
        bool there;
        if (f->flags & SN_PB_F_ONEOF)
            there = *pb_case(msg, f) == f->number;
        else if (f->flags & SN_PB_F_HASBIT)
            there = sn_pb_has_bit(msg, f->presence);
        else
            there = present(f, src);
        if (there && !put_value(e, f, src)) return false;
    }
    e->depth--;
    return true;
}

static ssize_t encode(const struct sn_pb_desc *d, const void *msg, struct sn_buf *out)
{
    struct enc e = {.out = out, .root = d};
    if (!out->ptr) { /* so that the pointers below have something to point into */
        size_t first = out->limit ? SN_MIN(out->limit, (size_t)FIRST_BYTES) : FIRST_BYTES;
        int r = sn_buf_reserve(out, SN_MAX(first, (size_t)1));
        if (r < 0) return r;
    }
    e.p = out->ptr + out->cap;
    if (!put_message(&e, d, msg)) return e.err;
    size_t n = written(&e);
    if (n > SN_PB_BYTES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "protobuf %.*s: encoding beyond 2 GiB",
                       SN_STR_ARG(d->full_name));
    if (out->limit && n > out->limit - SN_MIN(out->limit, out->len)) return SN_E_TOO_LARGE;
    if (n) memmove(out->ptr + out->len, e.p, n);
    out->len += n;
    return (ssize_t)n;
}

ssize_t sn_pb_encode(const struct sn_pb_desc *d, const void *msg, struct sn_buf *out)
{
    if (out->err < 0) return out->err;
    ssize_t r = encode(d, msg, out);
    if (r != SN_E_TOO_LARGE || !out->limit) return r;
    /* Writing backwards wants a few bytes of slack, so a tight limit may have refused what fits. */
    struct sn_buf tmp;
    size_t room = out->limit - SN_MIN(out->limit, out->len);
    out->err = 0;
    sn_buf_init(&tmp, room + SLACK);
    r = encode(d, msg, &tmp);
    if (r >= 0 && sn_buf_put(out, tmp.ptr, tmp.len) < 0) r = out->err;
    if (r == SN_E_TOO_LARGE) out->err = SN_E_TOO_LARGE;
    sn_buf_done(&tmp);
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* wire/pb_encode.c - the protobuf encoder. It writes backwards, last field first, so that a
 * sub-message's length is known when its prefix is due and no size is ever computed twice. */
#include "wire/pb_int.h"

/* The most room that is asked for beyond what is then written. */
#define SLACK 1024u
#define FIRST_BYTES 256u
/* Bytes of room that a tag and a number take at most, and those a varint is spread over. */
#define ROOM 20u

/* The encoding grows down from the end of the buffer's spare room. Where it has come to, `p`, is
 * passed and returned and so stays in a register: kept here, each field would wait for the store
 * of the one before. NULL instead of it is failure, and `err` says which. */
struct enc {
    uint8_t *first; /* the spare room begins here */
    struct sn_buf *out;
    unsigned depth;
    int err;
    const struct sn_pb_desc *root;
};

static inline size_t written(const struct enc *e, const uint8_t *p)
{
    return (size_t)(e->out->ptr + e->out->cap - p);
}
/* grow - makes room for n more bytes in front of what is written. */
static SN_NOINLINE uint8_t *grow(struct enc *e, uint8_t *p, size_t n)
{
    size_t done = written(e, p);
    if (n > SN_PB_BYTES_MAX || done + n > SN_PB_BYTES_MAX) {
        e->err = sn_fail(SN_E_TOO_LARGE, "protobuf %.*s: encoding beyond 2 GiB",
                         SN_STR_ARG(e->root->full_name));
        return NULL;
    }
    size_t want = SN_MAX(done + n, SN_MIN(2 * done, SN_PB_BYTES_MAX));
    /* reserve keeps only [0, len): count what is written at the end as content meanwhile. */
    size_t len = e->out->len;
    if (done) memmove(e->out->ptr + len, p, done);
    e->out->len = len + done;
    if (e->out->limit) want = SN_MIN(want, e->out->limit - SN_MIN(e->out->limit, len));
    int r = sn_buf_reserve(e->out, SN_MAX(want - SN_MIN(want, done), n));
    e->out->len = len;
    if (r < 0) {
        e->err = r;
        return NULL;
    }
    e->first = e->out->ptr + len;
    p = e->out->ptr + e->out->cap - done;
    if (done) memmove(p, e->first, done);
    return p;
}
/* room - p with n free bytes in front of it, elsewhere perhaps. */
static SN_ALWAYS_INLINE uint8_t *room(struct enc *e, uint8_t *p, size_t n)
{
    return SN_LIKELY((size_t)(p - e->first) >= n) ? p : grow(e, p, n);
}
static SN_ALWAYS_INLINE uint8_t *put_tag(uint8_t *p, uint32_t tag)
{
    if (SN_UNLIKELY(tag >= 0x80)) return pb_varint_before(p, tag);
    *--p = (uint8_t)tag;
    return p;
}
static uint8_t *put_message(struct enc *e, uint8_t *p, const struct sn_pb_desc *d, const void *msg);

static SN_NOINLINE uint8_t *bad_utf8(struct enc *e, const struct sn_pb_field *f)
{
    e->err = sn_fail(SN_E_INVALID_ARGUMENT, "protobuf %.*s: field %.*s is not UTF-8",
                     SN_STR_ARG(e->root->full_name), SN_STR_ARG(f->name));
    return NULL;
}

#define HIGH_BITS 0x8080808080808080ull
/* copy_short - copies up to 32 bytes by words that overlap, without a call. Returns all bytes or-ed
 * into the lanes of a word, so that HIGH_BITS of it are clear where they are ASCII. */
static SN_ALWAYS_INLINE uint64_t copy_short(uint8_t *to, const char *from, size_t n)
{
    if (n >= 8) {
        uint64_t a, b, c, d;
        size_t second = n >= 16 ? 8 : 0; /* the words at 0 and 8, and those that end n-8 and n */
        memcpy(&a, from, 8);
        memcpy(&b, from + second, 8);
        memcpy(&c, from + n - 8 - second, 8);
        memcpy(&d, from + n - 8, 8);
        memcpy(to, &a, 8);
        memcpy(to + second, &b, 8);
        memcpy(to + n - 8 - second, &c, 8);
        memcpy(to + n - 8, &d, 8);
        return a | b | c | d;
    }
    if (n >= 4) {
        uint32_t a, b;
        memcpy(&a, from, 4);
        memcpy(&b, from + n - 4, 4);
        memcpy(to, &a, 4);
        memcpy(to + n - 4, &b, 4);
        return a | b;
    }
    uint64_t all = 0;
    for (size_t i = 0; i < n; i++) all |= (uint8_t)(to[i] = (uint8_t)from[i]);
    return all;
}
/* put_text - a string or bytes with length and tag. */
static SN_ALWAYS_INLINE uint8_t *put_text(struct enc *e, uint8_t *p, const struct sn_pb_field *f,
                                          const struct sn_str *src)
{
    struct sn_str s = *src;
    if (SN_UNLIKELY(s.len > SN_PB_BYTES_MAX)) return grow(e, p, s.len); /* which refuses it */
    if (!(p = room(e, p, s.len + ROOM))) return NULL;
    p -= s.len;
    if (SN_LIKELY(s.len <= 32)) {
        if (SN_UNLIKELY(copy_short(p, s.ptr, s.len) & HIGH_BITS && f->flags & SN_PB_F_UTF8 &&
                        !sn_utf8_valid(s)))
            return bad_utf8(e, f);
    } else {
        if (f->flags & SN_PB_F_UTF8 && SN_UNLIKELY(!pb_utf8(s.ptr, s.len))) return bad_utf8(e, f);
        memcpy(p, s.ptr, s.len);
    }
    return put_tag(pb_varint_before(p, s.len), f->tag);
}
static SN_NOINLINE uint8_t *put_group(struct enc *e, uint8_t *p, const struct sn_pb_field *f,
                                      const void *sub)
{
    if (!(p = room(e, p, ROOM))) return NULL;
    p = pb_varint_before(p, (uint64_t)f->number << 3 | PB_WT_EGROUP);
    if (!(p = put_message(e, p, f->sub.msg, sub)) || !(p = room(e, p, ROOM))) return NULL;
    return put_tag(p, f->tag);
}
static uint8_t *put_sub(struct enc *e, uint8_t *p, const struct sn_pb_field *f, const void *sub)
{
    size_t before = written(e, p);
    if (!(p = put_message(e, p, f->sub.msg, sub)) || !(p = room(e, p, ROOM))) return NULL;
    return put_tag(pb_varint_before(p, written(e, p) - before), f->tag);
}

/* put_value - one element with its tag; with `implicit` only where it is not the default. One
 * switch decides what a value is, whether it is there and how it is written. */
static SN_ALWAYS_INLINE uint8_t *put_value(struct enc *e, uint8_t *p, const struct sn_pb_field *f,
                                           const void *src, const bool implicit)
{
    uint64_t v;
    uint32_t w;
    if (!(p = room(e, p, ROOM))) return NULL;
    switch (f->type) {
    case SN_PB_DOUBLE:
    case SN_PB_FIXED64:
    case SN_PB_SFIXED64:
        memcpy(&v, src, 8);
        if (implicit && !v) return p;
        memcpy(p -= 8, &v, 8);
        return put_tag(p, f->tag);
    case SN_PB_FLOAT:
    case SN_PB_FIXED32:
    case SN_PB_SFIXED32:
        memcpy(&w, src, 4);
        if (implicit && !w) return p;
        memcpy(p -= 4, &w, 4);
        return put_tag(p, f->tag);
    case SN_PB_STRING:
    case SN_PB_BYTES:
        if (implicit && !((const struct sn_str *)src)->len) return p;
        return put_text(e, p, f, src);
    case SN_PB_MESSAGE:
        if (implicit && !*(const void *const *)src) return p;
        return put_sub(e, p, f, *(const void *const *)src);
    case SN_PB_GROUP:
        if (implicit && !*(const void *const *)src) return p;
        return put_group(e, p, f, *(const void *const *)src);
    case SN_PB_INT64:
    case SN_PB_UINT64: memcpy(&v, src, 8); break;
    case SN_PB_SINT64: memcpy(&v, src, 8), v = v << 1 ^ (uint64_t)((int64_t)v >> 63); break;
    case SN_PB_BOOL: v = *(const bool *)src; break;
    case SN_PB_SINT32: memcpy(&w, src, 4), v = w << 1 ^ (uint32_t)((int32_t)w >> 31); break;
    case SN_PB_UINT32: memcpy(&w, src, 4), v = w; break;
    default: memcpy(&w, src, 4), v = (uint64_t)(int64_t)(int32_t)w; /* int32, enum */
    }
    if (implicit && !v) return p;
    return put_tag(pb_varint_before(p, v), f->tag);
}
static SN_NOINLINE uint8_t *put_there(struct enc *e, uint8_t *p, const struct sn_pb_field *f,
                                      const void *src)
{
    return put_value(e, p, f, src, false);
}

/* Room is asked for once per block of elements. */
#define PACKED_BLOCK 64u
static uint8_t *put_packed_varints(struct enc *e, uint8_t *p, unsigned type,
                                   const struct sn_pb_array *arr)
{
    for (uint32_t to = arr->len; to > 0;) {
        uint32_t from = to > PACKED_BLOCK ? to - PACKED_BLOCK : 0;
        if (!(p = room(e, p, SN_PB_VARINT_MAX * (size_t)(to - from)))) return NULL;
        p = sn_pb_packed_before(p, type, arr->ptr, from, to);
        to = from;
    }
    return p;
}
static SN_NOINLINE uint8_t *put_packed(struct enc *e, uint8_t *p, const struct sn_pb_field *f,
                                       const struct sn_pb_array *arr)
{
    size_t bytes = sn_pb_elem_bytes[f->type] * (size_t)arr->len, before = written(e, p);
    if (sn_pb_wire_type[f->type] != PB_WT_VARINT || f->type == SN_PB_BOOL) {
        if (!(p = room(e, p, bytes))) return NULL;
        memcpy(p -= bytes, arr->ptr, bytes);
    } else {
        if (!(p = put_packed_varints(e, p, f->type, arr))) return NULL;
    }
    if (!(p = room(e, p, ROOM))) return NULL;
    return put_tag(pb_varint_before(p, written(e, p) - before), f->tag);
}
static uint8_t *put_repeated(struct enc *e, uint8_t *p, const struct sn_pb_field *f,
                             const struct sn_pb_array *arr)
{
    if (f->flags & SN_PB_F_PACKED) return put_packed(e, p, f, arr);
    uint32_t i = arr->len;
    if (f->type == SN_PB_MESSAGE) {
        while (p && i-- > 0) p = put_sub(e, p, f, ((const void *const *)arr->ptr)[i]);
    } else if (f->type == SN_PB_STRING || f->type == SN_PB_BYTES) {
        while (p && i-- > 0) p = put_text(e, p, f, (const struct sn_str *)arr->ptr + i);
    } else {
        size_t elem = sn_pb_elem_bytes[f->type];
        while (p && i-- > 0) p = put_there(e, p, f, (const char *)arr->ptr + elem * i);
    }
    return p;
}

static SN_NOINLINE uint8_t *put_unknown(struct enc *e, uint8_t *p, const struct sn_pb_unknown *last)
{
    /* The ring runs forwards and the encoder backwards: make room for all, then fill forwards. */
    size_t n = 0;
    const struct sn_pb_unknown *u = last;
    do {
        u = u->next;
        n += u->bytes.len;
    } while (u != last);
    if (!(p = room(e, p, n))) return NULL;
    uint8_t *q = p -= n;
    do {
        u = u->next;
        memcpy(q, u->bytes.ptr, u->bytes.len);
        q += u->bytes.len;
    } while (u != last);
    return p;
}

static uint8_t *put_message(struct enc *e, uint8_t *p, const struct sn_pb_desc *d, const void *msg)
{
    const struct sn_pb_head *h = msg;
    if (!msg) return p; /* a NULL element of a repeated field is an empty message */
    if (SN_UNLIKELY(e->depth++ > SN_PB_DEPTH_MAX)) {
        e->err = sn_fail(SN_E_DEPTH, "protobuf %.*s: messages nested too deep",
                         SN_STR_ARG(e->root->full_name));
        return NULL;
    }
    if (SN_UNLIKELY(h->unknown) && !(p = put_unknown(e, p, h->unknown))) return NULL;
    for (const struct sn_pb_field *f = d->fields + d->n_fields; f-- != d->fields;) {
        const char *src = (const char *)msg + f->offset;
        if (!(f->flags & (SN_PB_F_REPEATED | SN_PB_F_ONEOF | SN_PB_F_HASBIT))) {
            p = put_value(e, p, f, src, true);
        } else if (f->flags & SN_PB_F_REPEATED) {
            const struct sn_pb_array *arr = (const struct sn_pb_array *)src;
            if (arr->len) p = put_repeated(e, p, f, arr);
        } else if (f->flags & SN_PB_F_ONEOF ? *pb_case(msg, f) == f->number
                                            : sn_pb_has_bit(msg, f->presence)) {
            p = put_there(e, p, f, src);
        }
        if (SN_UNLIKELY(!p)) return NULL;
    }
    e->depth--;
    return p;
}

static ssize_t encode(const struct sn_pb_desc *d, const void *msg, struct sn_buf *out)
{
    struct enc e = {.out = out, .root = d};
    if (!out->ptr) { /* so that the pointers below have something to point into */
        size_t first = out->limit ? SN_MIN(out->limit, (size_t)FIRST_BYTES) : FIRST_BYTES;
        int r = sn_buf_reserve(out, SN_MAX(first, (size_t)1));
        if (r < 0) return r;
    }
    e.first = out->ptr + out->len;
    uint8_t *p = put_message(&e, out->ptr + out->cap, d, msg);
    if (!p) return e.err;
    size_t n = written(&e, p);
    if (n > SN_PB_BYTES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "protobuf %.*s: encoding beyond 2 GiB",
                       SN_STR_ARG(d->full_name));
    if (out->limit && n > out->limit - SN_MIN(out->limit, out->len)) return SN_E_TOO_LARGE;
    if (n) memmove(out->ptr + out->len, p, n);
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

/* SPDX-License-Identifier: Apache-2.0 */
/* wire/pb_decode.c - the protobuf decoder: one loop over tags, nesting on an explicit stack, so
 * that the deepest message costs a fiber no more stack than the flattest. */
#include "wire/pb_int.h"

struct frame {
    const struct sn_pb_desc *desc;
    char *msg;
    const uint8_t *end;
    uint32_t group; /* field number of the group being read, 0 in a length-delimited message */
};
struct dec {
    struct sn_arena *arena;
    const struct sn_pb_desc *root;
    const uint8_t *start;
    unsigned flags, depth;
    int err; /* the failure, once p is NULL */
    struct frame stack[SN_PB_DEPTH_MAX];
};

static SN_COLD SN_NOINLINE const uint8_t *bad(struct dec *d, int code, const uint8_t *at,
                                              const char *what)
{
    d->err = sn_fail(code, "protobuf %.*s: %s at byte %zu", SN_STR_ARG(d->root->full_name), what,
                     (size_t)(at - d->start));
    return NULL;
}
static SN_COLD SN_NOINLINE const uint8_t *oom(struct dec *d)
{
    d->err = SN_E_NOMEM;
    return NULL;
}

/* A varint of at most ten bytes that fits 64 bits; NULL if truncated or longer. */
static SN_NOINLINE const uint8_t *varint_slow(const uint8_t *p, const uint8_t *end, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70 && p < end; shift += 7) {
        uint8_t b = *p++;
        if (shift == 63 && b > 1) return NULL;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) {
            *ret = v;
            return p;
        }
    }
    return NULL;
}
/* Up to eight bytes at once: the terminator is the first byte without bit 7; then the groups of
 * seven bits are folded together in three steps. */
static SN_ALWAYS_INLINE const uint8_t *varint_wide(const uint8_t *p, const uint8_t *end,
                                                   uint64_t *ret)
{
    uint64_t w, stop;
    if (SN_UNLIKELY(end - p < 8)) return varint_slow(p, end, ret);
    memcpy(&w, p, 8);
    stop = ~w & 0x8080808080808080u;
    if (SN_UNLIKELY(!stop)) return varint_slow(p, end, ret);
    w &= stop ^ (stop - 1);
    w = (w & 0x7f007f007f007f00u) >> 1 | (w & 0x007f007f007f007fu);
    w = (w & 0x3fff00003fff0000u) >> 2 | (w & 0x00003fff00003fffu);
    w = (w & 0x0fffffff00000000u) >> 4 | (w & 0x000000000fffffffu);
    *ret = w;
    return p + (__builtin_ctzll(stop) >> 3) + 1;
}
static SN_ALWAYS_INLINE const uint8_t *varint(const uint8_t *p, const uint8_t *end, uint64_t *ret)
{
    if (SN_LIKELY(p < end && p[0] < 0x80)) {
        *ret = p[0];
        return p + 1;
    }
    if (SN_LIKELY(end - p >= 2 && p[1] < 0x80)) {
        *ret = (uint64_t)(p[0] & 0x7f) | (uint64_t)p[1] << 7;
        return p + 2;
    }
    return varint_wide(p, end, ret);
}

/* length - reads a length prefix; the payload is [result, result + *ret). */
static inline const uint8_t *length(struct dec *d, const uint8_t *p, const uint8_t *end,
                                    size_t *ret)
{
    uint64_t n;
    const uint8_t *q = varint(p, end, &n);
    if (SN_UNLIKELY(!q)) return bad(d, SN_E_SYNTAX, p, "truncated or overlong length");
    if (SN_UNLIKELY(n > (size_t)(end - q))) return bad(d, SN_E_SYNTAX, p, "length past the end");
    *ret = (size_t)n;
    return q;
}

/* skip - passes over the value of `tag` that starts at p, groups included. */
static const uint8_t *skip(struct dec *d, const uint8_t *p, const uint8_t *end, uint32_t tag)
{
    uint32_t open[SN_PB_DEPTH_MAX];
    unsigned n_open = 0;
    for (;;) {
        const uint8_t *at = p;
        uint64_t v;
        size_t n = 0;
        switch (tag & 7) {
        case PB_WT_VARINT:
            if (!(p = varint(p, end, &v))) return bad(d, SN_E_SYNTAX, at, "bad varint");
            break;
        case PB_WT_LEN:
            if (!(p = length(d, p, end, &n))) return NULL;
            break;
        case PB_WT_I64: n = 8; break;
        case PB_WT_I32: n = 4; break;
        case PB_WT_SGROUP:
            if (d->depth + n_open >= SN_PB_DEPTH_MAX)
                return bad(d, SN_E_DEPTH, at, "groups nested too deep");
            open[n_open++] = tag >> 3;
            break;
        case PB_WT_EGROUP:
            if (n_open == 0 || open[--n_open] != tag >> 3)
                return bad(d, SN_E_SYNTAX, at, "end of a group that is not open");
            break;
        default: return bad(d, SN_E_SYNTAX, at, "unknown wire type");
        }
        if (n > (size_t)(end - p)) return bad(d, SN_E_SYNTAX, at, "truncated");
        p += n;
        if (n_open == 0) return p;
        at = p;
        if (!(p = varint(p, end, &v)) || v > UINT32_MAX || v < 8)
            return bad(d, SN_E_SYNTAX, at, "bad tag");
        tag = (uint32_t)v;
    }
}

static int keep_unknown(struct dec *d, void *msg, const uint8_t *from, const uint8_t *to)
{
    if (d->flags & SN_PB_DISCARD_UNKNOWN) return 0;
    struct sn_pb_head *h = msg;
    struct sn_str run = sn_str_of((const char *)from, (size_t)(to - from));
    struct sn_pb_unknown *last = h->unknown;
    if (last && !(d->flags & SN_PB_COPY) && last->bytes.ptr + last->bytes.len == run.ptr) {
        last->bytes.len += run.len;
        return 0;
    }
    if (d->flags & SN_PB_COPY) run = sn_arena_str(d->arena, run);
    struct sn_pb_unknown *u = run.ptr ? SN_ARENA_NEW(d->arena, struct sn_pb_unknown) : NULL;
    if (!u) return SN_E_NOMEM;
    u->bytes = run;
    u->next = last ? last->next : u;
    if (last) last->next = u;
    h->unknown = u;
    return 0;
}

/* unknown - a field the table does not have, or not with this wire type. */
static SN_NOINLINE const uint8_t *unknown(struct dec *d, void *msg, const uint8_t *tag_at,
                                          const uint8_t *p, const uint8_t *end, uint32_t tag)
{
    p = skip(d, p, end, tag);
    if (p && keep_unknown(d, msg, tag_at, p) < 0) return oom(d);
    return p;
}

static void store_varint(void *dst, unsigned type, uint64_t v)
{
    uint32_t v32 = (uint32_t)v;
    switch (type) {
    case SN_PB_SINT64: v = pb_unzigzag64(v); __attribute__((fallthrough));
    case SN_PB_INT64:
    case SN_PB_UINT64: memcpy(dst, &v, 8); break;
    case SN_PB_BOOL: *(bool *)dst = v != 0; break;
    case SN_PB_SINT32: v32 = pb_unzigzag32(v32); __attribute__((fallthrough));
    default: memcpy(dst, &v32, 4); break;
    }
}

/* A value outside a closed enum is kept as if the field were unknown (proto2). */
static bool enum_refused(const struct sn_pb_field *f, uint64_t v)
{
    return f->flags & SN_PB_F_CLOSED && !sn_pb_enum_name(f->sub.enm, (int32_t)v).ptr;
}
static int keep_enum(struct dec *d, void *msg, const struct sn_pb_field *f, uint64_t v)
{
    uint8_t tmp[20], *p = tmp;
    uint64_t parts[2] = {(uint64_t)f->number << 3, v};
    for (unsigned i = 0; i < 2; i++) {
        for (; parts[i] >= 0x80; parts[i] >>= 7) *p++ = (uint8_t)(parts[i] | 0x80);
        *p++ = (uint8_t)parts[i];
    }
    struct sn_str s = sn_arena_str(d->arena, sn_str_of((char *)tmp, (size_t)(p - tmp)));
    return s.ptr ? keep_unknown(d, msg, (const uint8_t *)s.ptr, (const uint8_t *)s.ptr + s.len)
                 : SN_E_NOMEM;
}

/* One loop per C type, so that no element pays for the choice. */
#define PACKED_LOOP(ctype, value)                         \
    for (ctype *o = rest; p < end; o++) {                 \
        const uint8_t *q = varint(p, end, &v);            \
        if (SN_UNLIKELY(!q)) goto bad_varint;             \
        p = q;                                            \
        *o = (ctype)(value);                              \
    }                                                     \
    break
static const uint8_t *packed_varints(struct dec *d, unsigned type, void *dst, const uint8_t *p,
                                     const uint8_t *end)
{
    uint64_t v;
    void *rest = dst;
    p = sn_pb_packed_blocks(type, &rest, p, end);
    switch (type) {
    case SN_PB_INT64:
    case SN_PB_UINT64: PACKED_LOOP(uint64_t, v);
    case SN_PB_SINT64: PACKED_LOOP(uint64_t, pb_unzigzag64(v));
    case SN_PB_SINT32: PACKED_LOOP(uint32_t, pb_unzigzag32((uint32_t)v));
    case SN_PB_BOOL: PACKED_LOOP(bool, v != 0);
    default: PACKED_LOOP(uint32_t, v);
    }
    return p;
bad_varint:
    return bad(d, SN_E_SYNTAX, p, "bad varint");
}

static SN_NOINLINE const uint8_t *packed(struct dec *d, void *msg, const struct sn_pb_field *f,
                                         const uint8_t *p, const uint8_t *end)
{
    struct sn_pb_array *arr = (struct sn_pb_array *)((char *)msg + f->offset);
    size_t elem = sn_pb_elem_bytes[f->type], n = 0;
    const uint8_t *at = p;
    if (!(p = length(d, p, end, &n))) return NULL;
    if (n == 0) return p;
    end = p + n;
    size_t count = 0;
    if (sn_pb_wire_type[f->type] == PB_WT_VARINT) {
        for (const uint8_t *q = p; q < end; q++) count += *q < 0x80;
    } else {
        if (n % elem) return bad(d, SN_E_SYNTAX, at, "packed length is not whole elements");
        count = n / elem;
    }
    if (count == 0) return bad(d, SN_E_SYNTAX, at, "bad varint"); /* none of the bytes ends one */
    if (count > UINT32_MAX - arr->len) return bad(d, SN_E_TOO_LARGE, at, "too many elements");
    if (count > (size_t)arr->cap - SN_MIN(arr->len, arr->cap) &&
        !sn_pb_array_grow(arr, elem, (uint32_t)(arr->len + count), d->arena))
        return oom(d);
    char *dst = (char *)arr->ptr + elem * arr->len;
    if (sn_pb_wire_type[f->type] != PB_WT_VARINT) {
        if (n) memcpy(dst, p, n);
        arr->len += (uint32_t)count;
        return end;
    }
    if (!(f->flags & SN_PB_F_CLOSED)) {
        p = packed_varints(d, f->type, dst, p, end);
        if (p) arr->len += (uint32_t)count;
        return p;
    }
    while (p < end) {
        uint64_t v;
        const uint8_t *q = varint(p, end, &v);
        if (!q) return bad(d, SN_E_SYNTAX, p, "bad varint");
        p = q;
        if (SN_UNLIKELY(enum_refused(f, v))) {
            if (keep_enum(d, msg, f, v) < 0) return oom(d);
            continue;
        }
        store_varint(dst, f->type, v);
        dst += elem;
        arr->len++;
    }
    return p;
}

static SN_ALWAYS_INLINE const uint8_t *text(struct dec *d, const struct sn_pb_field *f,
                                            struct sn_str *dst, const uint8_t *p,
                                            const uint8_t *end)
{
    size_t n = 0;
    if (!(p = length(d, p, end, &n))) return NULL;
    struct sn_str s = {(const char *)p, n};
    if (f->flags & SN_PB_F_UTF8 && SN_UNLIKELY(!pb_utf8(s.ptr, n)))
        return bad(d, SN_E_SYNTAX, p, "string is not UTF-8");
    if (d->flags & SN_PB_COPY) {
        s = sn_arena_str(d->arena, s);
        if (!s.ptr) return oom(d);
    }
    *dst = s;
    return p + n;
}

/* scalar - reads one value whose wire type has been checked into dst. */
static SN_ALWAYS_INLINE const uint8_t *scalar(struct dec *d, const struct sn_pb_field *f, void *dst,
                                              const uint8_t *p, const uint8_t *end)
{
    uint64_t v;
    const uint8_t *q;
    switch (f->type) {
    case SN_PB_DOUBLE:
    case SN_PB_FIXED64:
    case SN_PB_SFIXED64:
        if (SN_UNLIKELY(end - p < 8)) return bad(d, SN_E_SYNTAX, p, "truncated");
        memcpy(dst, p, 8);
        return p + 8;
    case SN_PB_FLOAT:
    case SN_PB_FIXED32:
    case SN_PB_SFIXED32:
        if (SN_UNLIKELY(end - p < 4)) return bad(d, SN_E_SYNTAX, p, "truncated");
        memcpy(dst, p, 4);
        return p + 4;
    case SN_PB_STRING:
    case SN_PB_BYTES: return text(d, f, dst, p, end);
    default:
        q = varint(p, end, &v);
        if (SN_UNLIKELY(!q)) return bad(d, SN_E_SYNTAX, p, "bad varint");
        store_varint(dst, f->type, v);
        return q;
    }
}

/* sub_message - the message that field `f` of `msg` is about to be merged into. */
static SN_ALWAYS_INLINE void *sub_message(struct dec *d, void *msg, const struct sn_pb_field *f)
{
    void **slot;
    if (f->flags & SN_PB_F_REPEATED) {
        slot = pb_array_slot((struct sn_pb_array *)((char *)msg + f->offset), sizeof(void *),
                             d->arena);
        if (!slot) return NULL;
        *slot = NULL;
    } else {
        pb_mark(msg, f);
        slot = (void **)((char *)msg + f->offset);
    }
    if (!*slot) *slot = sn_pb_new(f->sub.msg, d->arena);
    return *slot;
}

/* finish - what can only be done once all of a message was read. */
static SN_NOINLINE int finish(struct dec *d, const struct sn_pb_desc *desc, void *msg,
                              const uint8_t *at)
{
    if (desc->flags & SN_PB_D_MAPS && sn_pb_maps_finish(desc, msg, d->arena) < 0) return SN_E_NOMEM;
    if (desc->flags & SN_PB_D_REQUIRED && !(d->flags & SN_PB_PARTIAL)) {
        const struct sn_pb_field *f = sn_pb_missing(desc, msg);
        if (f)
            return sn_fail(SN_E_INVALID_ARGUMENT,
                           "protobuf %.*s: required field %.*s is missing before byte %zu",
                           SN_STR_ARG(desc->full_name), SN_STR_ARG(f->name),
                           (size_t)(at - d->start));
    }
    return 0;
}

/* plain - a known field that is not a message; wt is its wire type on the wire. */
static SN_ALWAYS_INLINE const uint8_t *plain(struct dec *d, char *msg, const struct sn_pb_field *f,
                                             const uint8_t *tag_at, const uint8_t *p,
                                             const uint8_t *end, uint32_t tag)
{
    void *dst = msg + f->offset;
    if (f->flags & (SN_PB_F_REPEATED | SN_PB_F_CLOSED)) {
        if ((tag & 7) == PB_WT_LEN && !pb_is_text(f)) return packed(d, msg, f, p, end);
        if (f->flags & SN_PB_F_CLOSED) {
            uint64_t v;
            if (varint(p, end, &v) && enum_refused(f, v))
                return unknown(d, msg, tag_at, p, end, tag);
        }
        if (f->flags & SN_PB_F_REPEATED &&
            !(dst = pb_array_slot(dst, sn_pb_elem_bytes[f->type], d->arena)))
            return oom(d);
    }
    if (f->flags & (SN_PB_F_HASBIT | SN_PB_F_ONEOF)) pb_mark(msg, f);
    return scalar(d, f, dst, p, end);
}

/* Whether field f may arrive with this wire type: its own, or packed/unpacked the other way. */
static inline bool acceptable(const struct sn_pb_field *f, unsigned wt)
{
    unsigned own = sn_pb_wire_type[f->type];
    return wt == own || (wt == PB_WT_LEN && f->flags & SN_PB_F_REPEATED && own != PB_WT_SGROUP);
}

static int run(struct dec *d, struct frame cur, const uint8_t *p)
{
    for (;;) {
        if (SN_UNLIKELY(p == cur.end) && !cur.group) {
            if (cur.desc->flags & (SN_PB_D_MAPS | SN_PB_D_REQUIRED)) {
                int r = finish(d, cur.desc, cur.msg, p);
                if (r < 0) return r;
            }
            if (d->depth == 0) return 0;
            cur = d->stack[--d->depth];
            continue;
        }
        const uint8_t *tag_at = p;
        uint64_t tag64;
        p = varint(p, cur.end, &tag64);
        if (SN_UNLIKELY(!p || tag64 > UINT32_MAX || tag64 < 8)) {
            bad(d, SN_E_SYNTAX, tag_at, "bad tag");
            return d->err;
        }
        uint32_t tag = (uint32_t)tag64;
        const struct sn_pb_field *f = pb_find(cur.desc, tag >> 3);
        if (SN_UNLIKELY((tag & 7) == PB_WT_EGROUP && cur.group == tag >> 3)) {
            int r = finish(d, cur.desc, cur.msg, p);
            if (r < 0) return r;
            cur = d->stack[--d->depth];
            continue;
        }
        if (SN_UNLIKELY(!f || (tag != f->tag && !acceptable(f, tag & 7)))) {
            if (!(p = unknown(d, cur.msg, tag_at, p, cur.end, tag))) return d->err;
            continue;
        }
        if (!pb_is_msg(f)) {
            if (!(p = plain(d, cur.msg, f, tag_at, p, cur.end, tag))) return d->err;
            continue;
        }
        size_t n = 0;
        if (f->type == SN_PB_MESSAGE && !(p = length(d, p, cur.end, &n))) return d->err;
        if (SN_UNLIKELY(d->depth >= SN_PB_DEPTH_MAX)) {
            bad(d, SN_E_DEPTH, tag_at, "messages nested too deep");
            return d->err;
        }
        void *sub = sub_message(d, cur.msg, f);
        if (SN_UNLIKELY(!sub)) return SN_E_NOMEM;
        d->stack[d->depth++] = cur;
        cur.desc = f->sub.msg;
        cur.msg = sub;
        cur.group = f->type == SN_PB_GROUP ? f->number : 0;
        if (!cur.group) cur.end = p + n;
    }
}

int sn_pb_decode(const struct sn_pb_desc *desc, void *msg, struct sn_str in, unsigned flags,
                 struct sn_arena *a)
{
    struct dec d;
    if (in.len > SN_PB_BYTES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "protobuf %.*s: %zu bytes", SN_STR_ARG(desc->full_name),
                       in.len);
    d.arena = a;
    d.root = desc;
    d.start = (const uint8_t *)(in.ptr ? in.ptr : "");
    d.flags = flags;
    d.depth = 0;
    d.err = 0;
    struct frame top = {desc, msg, d.start + in.len, 0};
    return run(&d, top, d.start);
}

int sn_pb_parse(const struct sn_pb_desc *d, struct sn_str in, unsigned flags, struct sn_arena *a,
                void **ret)
{
    void *msg = sn_pb_new(d, a);
    if (!msg) return SN_E_NOMEM;
    int r = sn_pb_decode(d, msg, in, flags, a);
    if (r < 0) return r;
    *ret = msg;
    return 0;
}

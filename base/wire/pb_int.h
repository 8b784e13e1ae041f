/* SPDX-License-Identifier: Apache-2.0 */
/* wire/pb_int.h - what the decoder, the encoder and the JSON mapping share. */
#pragma once
#include "wire/pb.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "fixed fields are copied as they are");
_Static_assert(sizeof(struct sn_pb_field) <= 64, "a field fits a cache line");

enum { PB_WT_VARINT, PB_WT_I64, PB_WT_LEN, PB_WT_SGROUP, PB_WT_EGROUP, PB_WT_I32 };

/* Wire type of each field type. */
extern const uint8_t sn_pb_wire_type[19];
/* sn_pb_elem_size as a table, for the loops. */
extern const uint8_t sn_pb_elem_bytes[19];

static inline bool pb_is_msg(const struct sn_pb_field *f)
{
    return f->type == SN_PB_MESSAGE || f->type == SN_PB_GROUP;
}
static inline bool pb_is_text(const struct sn_pb_field *f)
{
    return f->type == SN_PB_STRING || f->type == SN_PB_BYTES;
}
static inline uint32_t *pb_case(const void *msg, const struct sn_pb_field *f)
{
    return (uint32_t *)((char *)(uintptr_t)msg + f->presence);
}
/* pb_mark - records presence before the value is stored. Switching a oneof to a message clears
 * the union, so that what another member left there is not taken for a pointer. */
static inline void pb_mark(void *msg, const struct sn_pb_field *f)
{
    if (f->flags & SN_PB_F_HASBIT) {
        sn_pb_set_bit(msg, f->presence);
    } else if (f->flags & SN_PB_F_ONEOF) {
        uint32_t *c = pb_case(msg, f);
        if (*c != f->number) {
            *c = f->number;
            if (pb_is_msg(f)) *(void **)((char *)msg + f->offset) = NULL;
        }
    }
}
static inline const struct sn_pb_field *pb_find(const struct sn_pb_desc *d, uint32_t number)
{
    if (SN_LIKELY(number < d->n_dense)) {
        unsigned i = d->dense[number];
        return i ? &d->fields[i - 1] : NULL;
    }
    return sn_pb_field_by_number(d, number);
}
/* pb_utf8 - sn_utf8_valid with the common case, short ASCII, decided eight bytes at a time. */
static inline bool pb_utf8(const char *s, size_t n)
{
    uint64_t acc = 0, w;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        memcpy(&w, s + i, 8);
        acc |= w;
    }
    for (; i < n; i++) acc |= (uint64_t)(uint8_t)s[i];
    /* The tail's bytes land in the lowest lane; its bit 7 is in the mask as well. */
    return SN_LIKELY(!(acc & 0x8080808080808080ull)) || sn_utf8_valid(sn_str_of(s, n));
}
/* pb_array_slot - one more element, uninitialised. */
void *sn_pb_array_grow(struct sn_pb_array *arr, size_t elem, uint32_t need, struct sn_arena *a);
static inline void *pb_array_slot(struct sn_pb_array *arr, size_t elem, struct sn_arena *a)
{
    if (SN_UNLIKELY(arr->len >= arr->cap) && !sn_pb_array_grow(arr, elem, arr->len + 1, a))
        return NULL;
    return (char *)arr->ptr + elem * arr->len++;
}
/* pb_maps_finish - sorts every map of `msg` by key, drops all but the last entry of a key, and
 * gives message values to entries that came without. Returns 0 or SN_E_NOMEM. */
int sn_pb_maps_finish(const struct sn_pb_desc *d, void *msg, struct sn_arena *a);
/* pb_missing - the first required field that is absent, or NULL. */
const struct sn_pb_field *sn_pb_missing(const struct sn_pb_desc *d, const void *msg);
#define SN_PB_VARINT_MAX 10u /* bytes of the longest varint */
/* pb_varint_before - writes v so that it ends before p, in at most ten bytes; returns its start. */
static inline uint8_t *pb_varint_before(uint8_t *p, uint64_t v)
{
    if (SN_LIKELY(v < 0x80)) {
        *--p = (uint8_t)v;
        return p;
    }
    unsigned n = (70u - (unsigned)__builtin_clzll(v)) / 7; /* significant bits, 7 a byte */
    if (SN_LIKELY(n <= 8)) {
        /* Spread the groups over eight bytes; what lands below the n that count is free room. */
        uint64_t w = (v & 0x00fffffff0000000u) << 4 | (v & 0x000000000fffffffu);
        w = (w & 0x0fffc0000fffc000u) << 2 | (w & 0x00003fff00003fffu);
        w = (w & 0x3f803f803f803f80u) << 1 | (w & 0x007f007f007f007fu);
        w |= 0x0080808080808080u >> (64 - 8 * n);
        w <<= 64 - 8 * n;
        memcpy(p - 8, &w, 8);
        return p - n;
    }
    uint8_t *q = p -= n;
    for (; v >= 0x80; v >>= 7) *q++ = (uint8_t)(v | 0x80);
    *q = (uint8_t)v;
    return p;
}
/* sn_pb_packed_before - writes elements [from, to) of an array of the varint type `type` (not bool)
 * so that they end before p; the caller has made sure of SN_PB_VARINT_MAX bytes for each. Returns
 * the start of what it wrote. */
extern uint8_t *(*sn_pb_packed_before)(uint8_t *p, unsigned type, const void *elems, uint32_t from,
                                       uint32_t to);
static inline uint32_t pb_unzigzag32(uint32_t v) { return (v >> 1) ^ -(v & 1); }
static inline uint64_t pb_unzigzag64(uint64_t v) { return (v >> 1) ^ -(v & 1); }
/* sn_pb_packed_blocks - reads as many varints of [p, end) as this CPU can take in blocks, none of
 * them bad, to *dst, which it advances. Returns where it stopped; the plain loop goes on there. */
extern const uint8_t *(*sn_pb_packed_blocks)(unsigned type, void **dst, const uint8_t *p,
                                             const uint8_t *end);

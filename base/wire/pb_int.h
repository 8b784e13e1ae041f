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

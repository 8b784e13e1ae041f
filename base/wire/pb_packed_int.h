/* SPDX-License-Identifier: Apache-2.0 */
/* wire/pb_packed_int.h - the packed loops of pb_encode.c, compiled once per instruction set. FN names
 * the functions, VARINT_BEFORE is how one varint is written, PACKED_TARGET the function attribute.
 * Not a header of its own: no include guard, no includes. */
#ifndef PACKED_TARGET
#define PACKED_TARGET
#endif

/* One byte by itself: a branch that numbers of like size predict. */
#define PACKED_LOOP(ctype, value)                                 \
    do {                                                          \
        const ctype *v = src;                                     \
        while (n > 0) {                                           \
            ctype x = v[--n];                                     \
            uint64_t w = (value);                                 \
            if (w < 0x80)                                         \
                *--p = (uint8_t)w;                                \
            else                                                  \
                p = VARINT_BEFORE(p, w);                          \
        }                                                         \
    } while (0)

/* packed_block - n elements of `type` at src, so that the last one ends before p; the caller has
 * made sure of ten bytes for each. Returns where they start. */
PACKED_TARGET static uint8_t *FN(packed_block)(uint8_t *p, unsigned type, const void *src, uint32_t n)
{
    switch (type) {
    case SN_PB_INT64:
    case SN_PB_UINT64: PACKED_LOOP(uint64_t, x); break;
    case SN_PB_SINT64: PACKED_LOOP(uint64_t, x << 1 ^ (uint64_t)((int64_t)x >> 63)); break;
    case SN_PB_SINT32: PACKED_LOOP(uint32_t, x << 1 ^ (uint32_t)((int32_t)x >> 31)); break;
    case SN_PB_UINT32: PACKED_LOOP(uint32_t, x); break;
    case SN_PB_BOOL:
        for (const uint8_t *v = src; n > 0;) *--p = v[--n] != 0;
        break;
    default: PACKED_LOOP(int32_t, (uint64_t)(int64_t)x);
    }
    return p;
}
#undef PACKED_LOOP
#undef PACKED_TARGET

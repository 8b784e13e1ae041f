/* SPDX-License-Identifier: Apache-2.0 */
/* Packed varints against the definition, one value at a time, for every type, length and size. */
#include "tests/harness/test.h"
#include "wire/pb_int.h"

#define COUNT_MAX 70u

/* number_of - what the varint of element i holds, by the definition of each type. */
static uint64_t number_of(unsigned type, const void *elems, uint32_t i)
{
    const int64_t *wide = elems;
    const int32_t *narrow = elems;
    switch (type) {
    case SN_PB_INT64:
    case SN_PB_UINT64: return (uint64_t)wide[i];
    case SN_PB_SINT64: return wide[i] < 0 ? ~(uint64_t)wide[i] * 2 + 1 : (uint64_t)wide[i] * 2;
    case SN_PB_SINT32:
        return narrow[i] < 0 ? ~(uint32_t)narrow[i] * 2 + 1 : (uint32_t)narrow[i] * 2;
    case SN_PB_UINT32: return (uint32_t)narrow[i];
    default: return (uint64_t)(int64_t)narrow[i];
    }
}
static size_t reference(unsigned type, const void *elems, uint32_t from, uint32_t to, uint8_t *out)
{
    size_t n = 0;
    for (uint32_t i = from; i < to; i++) {
        uint64_t v = number_of(type, elems, i);
        for (; v >= 0x80; v >>= 7) out[n++] = (uint8_t)(v | 0x80);
        out[n++] = (uint8_t)v;
    }
    return n;
}
SN_TEST(packed_varints_of_every_type_and_size)
{
    static const uint8_t types[] = {SN_PB_INT32,  SN_PB_INT64,  SN_PB_UINT32, SN_PB_UINT64,
                                    SN_PB_SINT32, SN_PB_SINT64, SN_PB_ENUM};
    uint64_t elems[COUNT_MAX];
    uint8_t room[SN_PB_VARINT_MAX * COUNT_MAX + 16], want[SN_PB_VARINT_MAX * COUNT_MAX];
    for (unsigned round = 0; round < 4000; round++) {
        unsigned type = types[round % SN_COUNT_OF(types)], bits_max = 1 + round / 7 % 64;
        uint32_t to = (uint32_t)(sn_test_rand() % (COUNT_MAX + 1));
        uint32_t from = (uint32_t)(sn_test_rand() % (to + 1));
        for (unsigned i = 0; i < COUNT_MAX; i++) {
            elems[i] = sn_test_rand() >> (64 - bits_max) >> sn_test_rand() % bits_max;
            if (sn_test_rand() % 16 == 0) elems[i] = ~elems[i]; /* negative: ten bytes */
        }
        memset(room, 0xee, sizeof room);
        uint8_t *end = room + SN_PB_VARINT_MAX * COUNT_MAX;
        uint8_t *p = sn_pb_packed_before(end, type, elems, from, to);
        size_t n = reference(type, elems, from, to, want);
        sn_test_row("type %u, elements %u to %u, up to %u bits", type, from, to, bits_max);
        T_EQ((size_t)(end - p), n);
        T_ASSERT(memcmp(p, want, n) == 0);
        for (unsigned i = 0; i < 16; i++) T_EQ(end[i], 0xee); /* nothing after the end */
    }
}

/* Reading stops before a varint that is bad and gives the right values before it, however the bytes
 * lie in the blocks. */
SN_TEST(packed_blocks_read_what_was_written)
{
    static const uint8_t types[] = {SN_PB_INT32, SN_PB_INT64, SN_PB_SINT32, SN_PB_SINT64};
    uint64_t elems[COUNT_MAX], got[COUNT_MAX + 1];
    uint8_t bytes[SN_PB_VARINT_MAX * COUNT_MAX + 24];
    for (unsigned round = 0; round < 4000; round++) {
        unsigned type = types[round % SN_COUNT_OF(types)], bits_max = 1 + round / 4 % 64;
        bool wide = type == SN_PB_INT64 || type == SN_PB_SINT64;
        for (unsigned i = 0; i < COUNT_MAX; i++) {
            elems[i] = sn_test_rand() >> (64 - bits_max) >> sn_test_rand() % bits_max;
            if (sn_test_rand() % 16 == 0) elems[i] = ~elems[i];
        }
        size_t n = reference(type, elems, 0, COUNT_MAX, bytes);
        if (round & 1) { /* an eleven-byte varint, then ones */
            memset(bytes + n, 0x80, SN_PB_VARINT_MAX);
            memset(bytes + n + SN_PB_VARINT_MAX, 1, 14);
            n += 24;
        }
        void *dst = got;
        memset(got, 0xee, sizeof got);
        const uint8_t *p = sn_pb_packed_blocks(type, &dst, bytes, bytes + n);
        size_t count = (size_t)((char *)dst - (char *)got) / (wide ? 8 : 4);
        sn_test_row("type %u, up to %u bits, %zu read", type, bits_max, count);
        T_ASSERT(count <= COUNT_MAX && p <= bytes + n);
        T_ASSERT(memcmp(got, elems, count * (wide ? 8 : 4)) == 0);
        uint8_t again[sizeof bytes];
        T_EQ((size_t)(p - bytes), reference(type, elems, 0, (uint32_t)count, again));
    }
}

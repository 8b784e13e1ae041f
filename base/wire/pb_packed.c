/* SPDX-License-Identifier: Apache-2.0 */
/* wire/pb_packed.c - packed varints. Writing, backwards like the rest of the encoder: a loop for
 * any CPU, and one that spreads, measures and squeezes eight values at a time with AVX-512 VBMI2.
 * Reading: blocks of 64 bytes with AVX2 and BMI2, where the ends of all varints of a block are
 * known before the first is read, so that none waits for the length of the one before. */
#include "wire/pb_int.h"

#define ZIGZAG32(x) ((x) << 1 ^ (uint32_t)((int32_t)(x) >> 31))
#define ZIGZAG64(x) ((x) << 1 ^ (uint64_t)((int64_t)(x) >> 63))
#define BACKWARDS(ctype, value)                    \
    for (uint32_t i = to; i > from;) {             \
        ctype x = ((const ctype *)elems)[--i];     \
        p = pb_varint_before(p, (value));          \
    }                                              \
    return p

static uint8_t *packed_base(uint8_t *p, unsigned type, const void *elems, uint32_t from,
                            uint32_t to)
{
    switch (type) {
    case SN_PB_INT64:
    case SN_PB_UINT64: BACKWARDS(uint64_t, x);
    case SN_PB_SINT64: BACKWARDS(uint64_t, ZIGZAG64(x));
    case SN_PB_SINT32: BACKWARDS(uint32_t, ZIGZAG32(x));
    case SN_PB_UINT32: BACKWARDS(uint32_t, x);
    default: BACKWARDS(int32_t, (uint64_t)(int64_t)x); /* int32, enum: sign-extended */
    }
}
uint8_t *(*sn_pb_packed_before)(uint8_t *, unsigned, const void *, uint32_t,
                                uint32_t) = packed_base;

static const uint8_t *blocks_base(unsigned type, void **dst, const uint8_t *p, const uint8_t *end)
{
    return p;
}
const uint8_t *(*sn_pb_packed_blocks)(unsigned, void **, const uint8_t *,
                                      const uint8_t *) = blocks_base;

#ifdef __x86_64__
#include <immintrin.h>
#define VBMI2 \
    __attribute__((target("avx512f,avx512bw,avx512cd,avx512vbmi,avx512vbmi2,bmi2,popcnt")))

/* load8 - elements [i, i+8) as the 64-bit numbers whose varints are written. */
VBMI2 static inline __m512i load8(unsigned type, const void *elems, uint32_t i)
{
    const uint32_t *e32 = (const uint32_t *)elems + i;
    __m512i v;
    switch (type) {
    case SN_PB_INT64:
    case SN_PB_UINT64: return _mm512_loadu_si512((const uint64_t *)elems + i);
    case SN_PB_SINT64:
        v = _mm512_loadu_si512((const uint64_t *)elems + i);
        return _mm512_xor_si512(_mm512_slli_epi64(v, 1), _mm512_srai_epi64(v, 63));
    case SN_PB_SINT32: /* sign-extended, the zigzag of 64 bits is that of 32 */
        v = _mm512_cvtepi32_epi64(_mm256_loadu_si256((const __m256i *)e32));
        return _mm512_xor_si512(_mm512_slli_epi64(v, 1), _mm512_srai_epi64(v, 63));
    case SN_PB_UINT32: return _mm512_cvtepu32_epi64(_mm256_loadu_si256((const __m256i *)e32));
    default: return _mm512_cvtepi32_epi64(_mm256_loadu_si256((const __m256i *)e32));
    }
}
/* eight_before - the varints of eight numbers below 2^56. */
VBMI2 static inline uint8_t *eight_before(uint8_t *p, __m512i v)
{
    const __m512i group_shift = _mm512_set1_epi64(0x312a231c150e0700); /* 7 bits times 0..7 */
    const __m512i byte_index = _mm512_set1_epi64(0x0706050403020100);
    const __m512i low_byte = _mm512_set4_epi64(0x0808080808080808, 0, 0x0808080808080808, 0);
    const __m512i one = _mm512_set1_epi64(1);
    __m512i top = _mm512_sub_epi64(_mm512_set1_epi64(64),
                                   _mm512_lzcnt_epi64(_mm512_or_si512(v, one)));
    /* bytes = ceil(bits / 7), exact below 64 as (9 bits + 64) / 64 */
    __m512i n = _mm512_add_epi64(_mm512_slli_epi64(top, 3), top);
    n = _mm512_srli_epi64(_mm512_add_epi64(n, _mm512_set1_epi64(64)), 6);
    n = _mm512_shuffle_epi8(n, low_byte);
    __mmask64 there = _mm512_cmplt_epu8_mask(byte_index, n);
    __mmask64 more = _mm512_cmplt_epu8_mask(_mm512_add_epi8(byte_index, _mm512_set1_epi8(1)), n);
    __m512i w = _mm512_multishift_epi64_epi8(group_shift, v);
    w = _mm512_and_si512(w, _mm512_set1_epi8(0x7f));
    w = _mm512_or_si512(w, _mm512_maskz_set1_epi8(more, (char)0x80));
    unsigned bytes = (unsigned)__builtin_popcountll(there);
    p -= bytes;
    _mm512_mask_storeu_epi8(p, _bzhi_u64(~0ull, bytes), _mm512_maskz_compress_epi8(there, w));
    return p;
}
VBMI2 static uint8_t *packed_vbmi2(uint8_t *p, unsigned type, const void *elems, uint32_t from,
                                   uint32_t to)
{
    const __m512i beyond = _mm512_set1_epi64((long long)0xff00000000000000);
    for (; to - from >= 8; to -= 8) {
        __m512i v = load8(type, elems, to - 8);
        if (SN_LIKELY(!_mm512_test_epi64_mask(v, beyond)))
            p = eight_before(p, v);
        else
            p = packed_base(p, type, elems, to - 8, to);
    }
    return packed_base(p, type, elems, from, to);
}
#define BLOCK 64u /* one bit of a word for each byte */
#define BMI2 __attribute__((target("avx2,bmi,bmi2,lzcnt")))

/* ends_of - a bit for each of 64 bytes that ends a varint. */
BMI2 static inline uint64_t ends_of(const uint8_t *p)
{
    uint32_t low = (uint32_t)_mm256_movemask_epi8(_mm256_loadu_si256((const __m256i *)p));
    uint32_t high = (uint32_t)_mm256_movemask_epi8(_mm256_loadu_si256((const __m256i *)(p + 32)));
    return ~((uint64_t)high << 32 | low);
}
/* varint_of - the value of a varint of len bytes; at least SN_PB_VARINT_MAX bytes are readable.
 * False for one that does not fit 64 bits. */
BMI2 static inline bool varint_of(const uint8_t *p, unsigned len, uint64_t *ret)
{
    uint64_t w;
    memcpy(&w, p, 8);
    *ret = _pext_u64(w, _bzhi_u64(0x7f7f7f7f7f7f7f7fu, 8 * SN_MIN(len, 8u)));
    if (SN_LIKELY(len <= 8)) return true;
    *ret |= (uint64_t)(p[8] & 0x7f) << 56;
    if (len == 9) return true;
    *ret |= (uint64_t)p[9] << 63;
    return len == SN_PB_VARINT_MAX && p[9] <= 1;
}
#define BLOCKS(ctype, value)                                                              \
    do {                                                                                  \
        ctype *o = *dst;                                                                  \
        for (unsigned at = 1; at > 0 && (size_t)(end - p) >= BLOCK + SN_PB_VARINT_MAX;) { \
            uint64_t ends = ends_of(p), v;                                                \
            for (at = 0; ends; ends = _blsr_u64(ends)) {                                  \
                unsigned next = (unsigned)_tzcnt_u64(ends) + 1;                           \
                if (SN_UNLIKELY(!varint_of(p + at, next - at, &v))) break;                \
                *o++ = (ctype)(value);                                                    \
                at = next;                                                                \
            }                                                                             \
            p += at;                                                                      \
        }                                                                                 \
        *dst = o;                                                                         \
        return p;                                                                         \
    } while (0)
BMI2 static const uint8_t *blocks_bmi2(unsigned type, void **dst, const uint8_t *p,
                                       const uint8_t *end)
{
    switch (type) {
    case SN_PB_INT64:
    case SN_PB_UINT64: BLOCKS(uint64_t, v);
    case SN_PB_SINT64: BLOCKS(uint64_t, pb_unzigzag64(v));
    case SN_PB_SINT32: BLOCKS(uint32_t, pb_unzigzag32((uint32_t)v));
    case SN_PB_BOOL: BLOCKS(bool, v != 0);
    default: BLOCKS(uint32_t, v);
    }
}

__attribute__((constructor)) static void packed_choose(void)
{
    __builtin_cpu_init();
    /* The first two Zen generations take tens of cycles for PEXT. */
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") &&
        !__builtin_cpu_is("znver1") && !__builtin_cpu_is("znver2"))
        sn_pb_packed_blocks = blocks_bmi2;
    if (__builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512vbmi") &&
        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("bmi2"))
        sn_pb_packed_before = packed_vbmi2;
}
#endif

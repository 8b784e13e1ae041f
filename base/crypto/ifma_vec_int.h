/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/ifma_vec_int.h - eight field elements side by side in AVX-512 registers.
 * Only for files compiled with the AVX-512 flags; run only where sn_field_ifma is set.
 *
 * An element is five limbs of 52 bits, one register per limb. The Montgomery radix is 2^260, so a
 * product of a and b is a*b/2^260: four bits of headroom over 256, which buys laziness. Values are
 * not fully reduced: the comment of each function bounds its inputs and outputs in multiples of p.
 * Limbs are always carried (0 <= limb < 2^52, the top one may be larger), because the multiplier
 * reads 52 bits of each.
 * A product needs a*b < 2^260 * p and gives less than 2p: for p < 2^254 both factors may be below
 * 8p, for p < 2^255 below 5p, for p < 2^256 below 4p. */
#pragma once
#include <immintrin.h>

#include "crypto/field_int.h"

#define F5_LIMBS 5
#define F5_BITS 52
#define F5_LOW (((uint64_t)1 << F5_BITS) - 1)

struct f5 {
    __m512i l[F5_LIMBS];
};
/* A modulus and its small multiples, broadcast. */
struct f5_mod {
    struct f5 p, p2, p4, p8, p16;
    __m512i inv; /* -1/p mod 2^52 */
};

#ifdef __AVX512IFMA__
static SN_ALWAYS_INLINE __m512i f5_lo(__m512i acc, __m512i a, __m512i b)
{
    return _mm512_madd52lo_epu64(acc, a, b);
}
static SN_ALWAYS_INLINE __m512i f5_hi(__m512i acc, __m512i a, __m512i b)
{
    return _mm512_madd52hi_epu64(acc, a, b);
}
#else
/* Without the instructions, in doubles: 2^104 + a*b rounded towards zero has the upper half of the
 * product as its fraction; a*b minus that is the lower half, exactly. Source: Emmart, Zheng, Weems,
 * "Faster modular exponentiation using double precision floating point arithmetic on the GPU"
 * (2018). Operands are read to 52 bits, as the instructions do. */
#define F5_RZ (_MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)
static SN_ALWAYS_INLINE __m512d f5_double(__m512i a)
{
    return _mm512_cvtepu64_pd(_mm512_and_si512(a, _mm512_set1_epi64((int64_t)F5_LOW)));
}
static SN_ALWAYS_INLINE __m512i f5_fraction(__m512i acc, __m512d x)
{
    return _mm512_add_epi64(acc, _mm512_and_si512(_mm512_castpd_si512(x),
                                                  _mm512_set1_epi64((int64_t)F5_LOW)));
}
static SN_ALWAYS_INLINE __m512d f5_upper(__m512d a, __m512d b)
{
    return _mm512_fmadd_round_pd(a, b, _mm512_set1_pd(0x1p104), F5_RZ);
}
static SN_ALWAYS_INLINE __m512i f5_lo(__m512i acc, __m512i a, __m512i b)
{
    __m512d x = f5_double(a), y = f5_double(b), hi = f5_upper(x, y);
    hi = _mm512_sub_round_pd(_mm512_set1_pd(0x1p104 + 0x1p52), hi, F5_RZ);
    return f5_fraction(acc, _mm512_fmadd_round_pd(x, y, hi, F5_RZ));
}
static SN_ALWAYS_INLINE __m512i f5_hi(__m512i acc, __m512i a, __m512i b)
{
    return f5_fraction(acc, f5_upper(f5_double(a), f5_double(b)));
}
#endif

/* Words of 64 bits to limbs of 52; `shift` multiplies by 2^shift (0 or 4) on the way. */
static SN_ALWAYS_INLINE struct f5 f5_split(const __m512i w[4], unsigned shift)
{
    const __m512i low = _mm512_set1_epi64((int64_t)F5_LOW);
    struct f5 r;
    r.l[0] = _mm512_and_si512(_mm512_slli_epi64(w[0], shift), low);
#pragma GCC unroll 4
    for (unsigned i = 1; i < 5; i++) {
        unsigned bit = F5_BITS * i - shift, k = bit / 64, s = bit % 64;
        __m512i x = _mm512_srli_epi64(w[k], s);
        if (s > 64 - F5_BITS && k + 1 < 4)
            x = _mm512_or_si512(x, _mm512_slli_epi64(w[k + 1], 64 - s));
        r.l[i] = _mm512_and_si512(x, low);
    }
    return r;
}
/* Limbs to words; the value must be below 2^256. */
static SN_ALWAYS_INLINE void f5_join(__m512i w[4], const struct f5 *a)
{
    w[0] = _mm512_or_si512(a->l[0], _mm512_slli_epi64(a->l[1], 52));
    w[1] = _mm512_or_si512(_mm512_srli_epi64(a->l[1], 12), _mm512_slli_epi64(a->l[2], 40));
    w[2] = _mm512_or_si512(_mm512_srli_epi64(a->l[2], 24), _mm512_slli_epi64(a->l[3], 28));
    w[3] = _mm512_or_si512(_mm512_srli_epi64(a->l[3], 36), _mm512_slli_epi64(a->l[4], 16));
}
static inline struct f5 f5_set(const uint64_t *words)
{
    __m512i w[4];
    for (unsigned i = 0; i < 4; i++) w[i] = _mm512_set1_epi64((int64_t)words[i]);
    return f5_split(w, 0);
}

/* Signed limbs to carried ones. */
static SN_ALWAYS_INLINE struct f5 f5_carry(struct f5 a)
{
    const __m512i low = _mm512_set1_epi64((int64_t)F5_LOW);
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; i++) {
        a.l[i + 1] = _mm512_add_epi64(a.l[i + 1], _mm512_srai_epi64(a.l[i], F5_BITS));
        a.l[i] = _mm512_and_si512(a.l[i], low);
    }
    return a;
}
/* a + b and a - b + kp limb by limb: neither carried nor reduced; for sums of a few. */
static SN_ALWAYS_INLINE struct f5 f5_add_raw(const struct f5 *a, const struct f5 *b)
{
    struct f5 r;
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) r.l[i] = _mm512_add_epi64(a->l[i], b->l[i]);
    return r;
}
static SN_ALWAYS_INLINE struct f5 f5_sub_raw(const struct f5 *a, const struct f5 *b,
                                             const struct f5 *kp)
{
    struct f5 r;
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++)
        r.l[i] = _mm512_sub_epi64(_mm512_add_epi64(a->l[i], kp->l[i]), b->l[i]);
    return r;
}
/* a + b, carried, not reduced. */
static SN_ALWAYS_INLINE struct f5 f5_add(const struct f5 *a, const struct f5 *b)
{
    return f5_carry(f5_add_raw(a, b));
}
/* a - b + kp, carried, not reduced; b at most kp. */
static SN_ALWAYS_INLINE struct f5 f5_sub(const struct f5 *a, const struct f5 *b,
                                         const struct f5 *kp)
{
    return f5_carry(f5_sub_raw(a, b, kp));
}
/* a - kp where that is not negative: from below 2kp to below kp. */
static SN_ALWAYS_INLINE struct f5 f5_reduce(const struct f5 *a, const struct f5 *kp)
{
    struct f5 r;
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) r.l[i] = _mm512_sub_epi64(a->l[i], kp->l[i]);
    r = f5_carry(r);
    __mmask8 negative = _mm512_movepi64_mask(r.l[4]);
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) r.l[i] = _mm512_mask_mov_epi64(r.l[i], negative, a->l[i]);
    return r;
}
/* Lanes of b where the mask is set, of a elsewhere. */
static SN_ALWAYS_INLINE struct f5 f5_blend(__mmask8 take_b, const struct f5 *a, const struct f5 *b)
{
    struct f5 r;
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) r.l[i] = _mm512_mask_mov_epi64(a->l[i], take_b, b->l[i]);
    return r;
}
/* Lanes whose limbs are all zero. */
static SN_ALWAYS_INLINE __mmask8 f5_zero_mask(const struct f5 *a)
{
    __m512i any = _mm512_or_si512(_mm512_or_si512(a->l[0], a->l[1]),
                                  _mm512_or_si512(_mm512_or_si512(a->l[2], a->l[3]), a->l[4]));
    return _mm512_testn_epi64_mask(any, any);
}

/* Five Montgomery steps on ten column sums: (t + q*p)/2^260, carried. */
static SN_ALWAYS_INLINE struct f5 f5_redc(__m512i t[10], const struct f5_mod *m)
{
    const __m512i zero = _mm512_setzero_si512();
    struct f5 r;
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) {
        __m512i q = f5_lo(zero, t[i], m->inv);
        t[i] = f5_lo(t[i], q, m->p.l[0]);
        t[i + 1] = f5_hi(t[i + 1], q, m->p.l[0]);
        t[i + 1] = _mm512_add_epi64(t[i + 1], _mm512_srli_epi64(t[i], F5_BITS));
#pragma GCC unroll 5
        for (unsigned j = 1; j < 5; j++) {
            t[i + j] = f5_lo(t[i + j], q, m->p.l[j]);
            t[i + j + 1] = f5_hi(t[i + j + 1], q, m->p.l[j]);
        }
    }
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) r.l[i] = t[i + 5];
    return f5_carry(r);
}
static SN_ALWAYS_INLINE void f5_accumulate(__m512i t[10], const struct f5 *a, const struct f5 *b)
{
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++)
#pragma GCC unroll 5
        for (unsigned j = 0; j < 5; j++) {
            t[i + j] = f5_lo(t[i + j], a->l[i], b->l[j]);
            t[i + j + 1] = f5_hi(t[i + j + 1], a->l[i], b->l[j]);
        }
}
/* a*b/2^260, below 2p; bounds above. Rows and reduction interleaved: six live sums. */
static SN_ALWAYS_INLINE struct f5 f5_mul(const struct f5 *a, const struct f5 *b,
                                         const struct f5_mod *m)
{
    const __m512i zero = _mm512_setzero_si512();
    __m512i t0 = zero, t1 = zero, t2 = zero, t3 = zero, t4 = zero, t5;
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) {
        __m512i x = b->l[i];
        t0 = f5_lo(t0, a->l[0], x);
        __m512i q = f5_lo(zero, t0, m->inv);
        t1 = f5_lo(t1, a->l[1], x), t2 = f5_lo(t2, a->l[2], x);
        t3 = f5_lo(t3, a->l[3], x), t4 = f5_lo(t4, a->l[4], x);
        t0 = f5_lo(t0, m->p.l[0], q);
        t1 = f5_hi(t1, a->l[0], x), t2 = f5_hi(t2, a->l[1], x), t3 = f5_hi(t3, a->l[2], x);
        t4 = f5_hi(t4, a->l[3], x), t5 = f5_hi(zero, a->l[4], x);
        t1 = _mm512_add_epi64(t1, _mm512_srli_epi64(t0, F5_BITS));
        t1 = f5_lo(t1, m->p.l[1], q), t2 = f5_lo(t2, m->p.l[2], q);
        t3 = f5_lo(t3, m->p.l[3], q), t4 = f5_lo(t4, m->p.l[4], q);
        t0 = f5_hi(t1, m->p.l[0], q), t1 = f5_hi(t2, m->p.l[1], q);
        t2 = f5_hi(t3, m->p.l[2], q), t3 = f5_hi(t4, m->p.l[3], q), t4 = f5_hi(t5, m->p.l[4], q);
    }
    return f5_carry((struct f5){{t0, t1, t2, t3, t4}});
}
/* a*a/2^260: the products off the diagonal once, doubled. */
static SN_ALWAYS_INLINE struct f5 f5_sqr(const struct f5 *a, const struct f5_mod *m)
{
    __m512i t[10];
#pragma GCC unroll 10
    for (unsigned i = 0; i < 10; i++) t[i] = _mm512_setzero_si512();
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++)
#pragma GCC unroll 5
        for (unsigned j = i + 1; j < 5; j++) {
            t[i + j] = f5_lo(t[i + j], a->l[i], a->l[j]);
            t[i + j + 1] = f5_hi(t[i + j + 1], a->l[i], a->l[j]);
        }
#pragma GCC unroll 10
    for (unsigned i = 1; i < 9; i++) t[i] = _mm512_add_epi64(t[i], t[i]);
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) {
        t[2 * i] = f5_lo(t[2 * i], a->l[i], a->l[i]);
        t[2 * i + 1] = f5_hi(t[2 * i + 1], a->l[i], a->l[i]);
    }
    return f5_redc(t, m);
}
/* (a*b + c*d)/2^260 with one reduction; the sum of both products below 2^260 * p. */
static SN_ALWAYS_INLINE struct f5 f5_dot2(const struct f5 *a, const struct f5 *b,
                                          const struct f5 *c, const struct f5 *d,
                                          const struct f5_mod *m)
{
    __m512i t[10];
#pragma GCC unroll 10
    for (unsigned i = 0; i < 10; i++) t[i] = _mm512_setzero_si512();
    f5_accumulate(t, a, b);
    f5_accumulate(t, c, d);
    return f5_redc(t, m);
}

static inline void f5_mod_init(struct f5_mod *m, const uint64_t *p, uint64_t inv)
{
    m->p = f5_set(p);
    m->p2 = f5_add(&m->p, &m->p);
    m->p4 = f5_add(&m->p2, &m->p2);
    m->p8 = f5_add(&m->p4, &m->p4);
    m->p16 = f5_add(&m->p8, &m->p8);
    m->inv = _mm512_set1_epi64((int64_t)(inv & F5_LOW));
}

/* Eight elements of four words to one register per word, and back. The lanes are in the order
 * 0 4 1 5 2 6 3 7: the same in both directions, so element-wise work need not care. */
static SN_ALWAYS_INLINE void f5_load_words(__m512i w[4], const struct sn_fe *a)
{
    __m512i z0 = _mm512_loadu_si512(a), z1 = _mm512_loadu_si512(a + 2);
    __m512i z2 = _mm512_loadu_si512(a + 4), z3 = _mm512_loadu_si512(a + 6);
    __m512i x = _mm512_shuffle_i64x2(z0, z1, 0x88), y = _mm512_shuffle_i64x2(z2, z3, 0x88);
    w[0] = _mm512_unpacklo_epi64(x, y), w[1] = _mm512_unpackhi_epi64(x, y);
    x = _mm512_shuffle_i64x2(z0, z1, 0xdd), y = _mm512_shuffle_i64x2(z2, z3, 0xdd);
    w[2] = _mm512_unpacklo_epi64(x, y), w[3] = _mm512_unpackhi_epi64(x, y);
}
static SN_ALWAYS_INLINE void f5_store_words(struct sn_fe *r, const __m512i w[4])
{
    __m512i x01 = _mm512_unpacklo_epi64(w[0], w[1]), y01 = _mm512_unpackhi_epi64(w[0], w[1]);
    __m512i x23 = _mm512_unpacklo_epi64(w[2], w[3]), y23 = _mm512_unpackhi_epi64(w[2], w[3]);
    /* x holds elements 0..3, y elements 4..7; each 128-bit lane half an element. */
    const __m512i low = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    const __m512i high = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    _mm512_storeu_si512(r, _mm512_permutex2var_epi64(x01, low, x23));
    _mm512_storeu_si512(r + 2, _mm512_permutex2var_epi64(x01, high, x23));
    _mm512_storeu_si512(r + 4, _mm512_permutex2var_epi64(y01, low, y23));
    _mm512_storeu_si512(r + 6, _mm512_permutex2var_epi64(y01, high, y23));
}

/* Rows to columns: lane i of in[k] becomes lane k of out[i]. */
static SN_ALWAYS_INLINE void f5_transpose(__m512i out[8], const __m512i in[8])
{
    __m512i t[8], u[8];
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; i++) {
        t[2 * i] = _mm512_unpacklo_epi64(in[2 * i], in[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi64(in[2 * i], in[2 * i + 1]);
    }
#pragma GCC unroll 2
    for (unsigned i = 0; i < 2; i++) {
        u[i] = _mm512_shuffle_i64x2(t[i], t[i + 2], 0x88);
        u[i + 2] = _mm512_shuffle_i64x2(t[i], t[i + 2], 0xdd);
        u[i + 4] = _mm512_shuffle_i64x2(t[i + 4], t[i + 6], 0x88);
        u[i + 6] = _mm512_shuffle_i64x2(t[i + 4], t[i + 6], 0xdd);
    }
    /* u[i]: lanes {i, i+4} of rows 0..3, u[i+4] of rows 4..7, two rows to a 128-bit lane. */
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; i++) {
        out[i] = _mm512_shuffle_i64x2(u[i], u[i + 4], 0x88);
        out[i + 4] = _mm512_shuffle_i64x2(u[i], u[i + 4], 0xdd);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/vec_f5_int.h - eight field elements side by side in AVX-512 registers.
 * Only for the files vec_int.h names.
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
/* What a product takes: limbs below 2^52 with IFMA, the same as doubles without. */
#ifdef SN_VEC_FMA
typedef __m512d f5_factor;
#else
typedef __m512i f5_factor;
#endif
/* A modulus and its small multiples, broadcast. */
struct f5_mod {
    struct f5 p, p2, p4, p8, p16;
    f5_factor pf[F5_LIMBS];
    f5_factor step[F5_LIMBS]; /* (p*inv + 1)/2^52 */
    f5_factor inv;            /* -1/p mod 2^52 */
};

#ifdef SN_VEC_FMA
/* Exact products of integers below 2^52 by rounding toward zero: a*b + 2^104 keeps the high half in
 * its mantissa, and a*b less that half, plus 2^52, the low one. Read as integers both are the half
 * plus the bits of the power: what F5_BIAS takes back, for all terms of a column at once.
 * Source: Emmart, Zheng, Weems, "Faster Modular Exponentiation Using Double Precision Floating Point
 * Arithmetic on the GPU" (2018). */
#define F5_ROUND (_MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)
#define F5_BIAS(n_lo, n_hi) \
    (0 - (((uint64_t)(n_lo) * 0x433 + (uint64_t)(n_hi) * 0x467) << F5_BITS))
static SN_ALWAYS_INLINE __m512d f5_low(__m512d *ret_high, __m512d a, __m512d b)
{
    *ret_high = _mm512_fmadd_round_pd(a, b, _mm512_set1_pd(0x1p104), F5_ROUND);
    __m512d rest = _mm512_sub_pd(_mm512_set1_pd(0x1p104 + 0x1p52), *ret_high);
    return _mm512_fmadd_round_pd(a, b, rest, F5_ROUND);
}
static SN_ALWAYS_INLINE void f5_mac(__m512i *lo, __m512i *hi, f5_factor a, f5_factor b)
{
    __m512d h, l = f5_low(&h, a, b);
    *lo = _mm512_add_epi64(*lo, _mm512_castpd_si512(l));
    *hi = _mm512_add_epi64(*hi, _mm512_castpd_si512(h));
}
static SN_ALWAYS_INLINE f5_factor f5_as_factor(__m512i a) { return _mm512_cvtepu64_pd(a); }
static SN_ALWAYS_INLINE f5_factor f5_low_factor(__m512i a)
{
    return _mm512_cvtepu64_pd(_mm512_and_si512(a, _mm512_set1_epi64((int64_t)F5_LOW)));
}
static SN_ALWAYS_INLINE f5_factor f5_quotient(__m512i t, f5_factor inv)
{
    __m512d h;
    return _mm512_sub_pd(f5_low(&h, f5_low_factor(t), inv), _mm512_set1_pd(0x1p52));
}
#else
#define F5_BIAS(n_lo, n_hi) (0 * ((uint64_t)(n_lo) + (n_hi)))
static SN_ALWAYS_INLINE void f5_mac(__m512i *lo, __m512i *hi, f5_factor a, f5_factor b)
{
    *lo = _mm512_madd52lo_epu64(*lo, a, b);
    *hi = _mm512_madd52hi_epu64(*hi, a, b);
}
static SN_ALWAYS_INLINE f5_factor f5_as_factor(__m512i a) { return a; }
/* The multiplier reads 52 bits. */
static SN_ALWAYS_INLINE f5_factor f5_low_factor(__m512i a) { return a; }
static SN_ALWAYS_INLINE f5_factor f5_quotient(__m512i t, f5_factor inv)
{
    return _mm512_madd52lo_epu64(_mm512_setzero_si512(), t, inv);
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

/* Where column c of ten begins, so that after n_products whole products and a reduction it holds
 * just its sum. Terms by column, one place up: of a product, of a reduction. */
static SN_ALWAYS_INLINE uint64_t f5_start(unsigned c, unsigned n_products)
{
    static const uint8_t product[11] = {0, 1, 2, 3, 4, 5, 4, 3, 2, 1, 0};
    static const uint8_t reduction[11] = {0, 0, 1, 2, 4, 5, 5, 4, 3, 1, 0};
    return F5_BIAS(n_products * product[c + 1] + reduction[c + 1],
                   n_products * product[c] + reduction[c]);
}
/* One Montgomery step on ten columns: column i goes, carried into the next. The first three make do
 * without a product for the quotient: a multiple k*p = 2^52*step - 1 takes column i itself as one.
 * Such a multiple is 2^52 times as large, so the last two steps use p, and the result is as small
 * as if all had (but for 2^-50). */
static SN_ALWAYS_INLINE void f5_step(__m512i t[10], unsigned i, const struct f5_mod *m)
{
    if (i < 3) {
        f5_factor q = f5_low_factor(t[i]);
        t[i + 1] = _mm512_add_epi64(t[i + 1], _mm512_srli_epi64(t[i], F5_BITS));
#pragma GCC unroll 5
        for (unsigned j = 0; j < 5; j++) f5_mac(&t[i + j + 1], &t[i + j + 2], q, m->step[j]);
    } else {
        f5_factor q = f5_quotient(t[i], m->inv);
#pragma GCC unroll 5
        for (unsigned j = 0; j < 5; j++) f5_mac(&t[i + j], &t[i + j + 1], q, m->pf[j]);
        t[i + 1] = _mm512_add_epi64(t[i + 1], _mm512_srli_epi64(t[i], F5_BITS));
    }
}
static SN_ALWAYS_INLINE struct f5 f5_top(const __m512i t[10])
{
    struct f5 r;
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) r.l[i] = t[i + 5];
    return f5_carry(r);
}
static SN_ALWAYS_INLINE struct f5 f5_redc(__m512i t[10], const struct f5_mod *m)
{
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) f5_step(t, i, m);
    return f5_top(t);
}
static SN_ALWAYS_INLINE void f5_factors(f5_factor r[5], const struct f5 *a)
{
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) r[i] = f5_as_factor(a->l[i]);
}
static SN_ALWAYS_INLINE void f5_accumulate(__m512i t[10], const struct f5 *a, const struct f5 *b)
{
    f5_factor x[5], y[5];
    f5_factors(x, a);
    f5_factors(y, b);
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++)
#pragma GCC unroll 5
        for (unsigned j = 0; j < 5; j++) f5_mac(&t[i + j], &t[i + j + 1], x[i], y[j]);
}
/* a*b/2^260, below 2p; bounds above. Rows and reduction interleaved: few live sums. */
static SN_ALWAYS_INLINE struct f5 f5_mul(const struct f5 *a, const struct f5 *b,
                                         const struct f5_mod *m)
{
    __m512i t[10];
    f5_factor x[5];
    f5_factors(x, a);
#pragma GCC unroll 10
    for (unsigned i = 0; i < 10; i++) t[i] = _mm512_set1_epi64((int64_t)f5_start(i, 1));
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) {
        f5_factor y = f5_as_factor(b->l[i]);
#pragma GCC unroll 5
        for (unsigned j = 0; j < 5; j++) f5_mac(&t[i + j], &t[i + j + 1], x[j], y);
        f5_step(t, i, m);
    }
    return f5_top(t);
}
/* a*a/2^260: the products off the diagonal once, doubled. */
static SN_ALWAYS_INLINE struct f5 f5_sqr(const struct f5 *a, const struct f5_mod *m)
{
    __m512i t[10];
    f5_factor x[5];
    f5_factors(x, a);
#pragma GCC unroll 10
    for (unsigned i = 0; i < 10; i++) t[i] = _mm512_set1_epi64((int64_t)(f5_start(i, 1) / 2));
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++)
#pragma GCC unroll 5
        for (unsigned j = i + 1; j < 5; j++) f5_mac(&t[i + j], &t[i + j + 1], x[i], x[j]);
#pragma GCC unroll 10
    for (unsigned i = 0; i < 10; i++) t[i] = _mm512_add_epi64(t[i], t[i]);
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) f5_mac(&t[2 * i], &t[2 * i + 1], x[i], x[i]);
    return f5_redc(t, m);
}
/* (a*b + c*d)/2^260 with one reduction; the sum of both products below 2^260 * p. */
static SN_ALWAYS_INLINE struct f5 f5_dot2(const struct f5 *a, const struct f5 *b,
                                          const struct f5 *c, const struct f5 *d,
                                          const struct f5_mod *m)
{
    __m512i t[10];
#pragma GCC unroll 10
    for (unsigned i = 0; i < 10; i++) t[i] = _mm512_set1_epi64((int64_t)f5_start(i, 2));
    f5_accumulate(t, a, b);
    f5_accumulate(t, c, d);
    return f5_redc(t, m);
}

#ifndef SN_VEC_FMA
/* Words to the factors of a product, which reads the low 52 bits of each limb and no others: what lies above
 * may stay. `shift` as for f5_split. */
static SN_ALWAYS_INLINE struct f5 f5_loose(const __m512i w[4], unsigned shift)
{
    struct f5 r;
    r.l[0] = shift ? _mm512_slli_epi64(w[0], 4) : w[0];
    r.l[1] = shift ? _mm512_shrdi_epi64(w[0], w[1], 48) : _mm512_shrdi_epi64(w[0], w[1], 52);
    r.l[2] = shift ? _mm512_shrdi_epi64(w[1], w[2], 36) : _mm512_shrdi_epi64(w[1], w[2], 40);
    r.l[3] = shift ? _mm512_shrdi_epi64(w[2], w[3], 24) : _mm512_shrdi_epi64(w[2], w[3], 28);
    r.l[4] = _mm512_srli_epi64(w[3], 16 - shift);
    return r;
}
/* f5_join of limbs of which all but the highest may have bits above 52 that count no more. */
static SN_ALWAYS_INLINE void f5_join_loose(__m512i w[4], const struct f5 *a)
{
    w[0] = _mm512_shrdi_epi64(_mm512_slli_epi64(a->l[0], 12), a->l[1], 12);
    w[1] = _mm512_shrdi_epi64(_mm512_slli_epi64(a->l[1], 12), a->l[2], 24);
    w[2] = _mm512_shrdi_epi64(_mm512_slli_epi64(a->l[2], 12), a->l[3], 36);
    w[3] = _mm512_shrdi_epi64(_mm512_slli_epi64(a->l[3], 12), a->l[4], 48);
}
/* n sums of products side by side, each t/2^260, reduced below p: begin, add products up, reduce. One alone waits for
 * itself a third of the time. Factors may be loose; the sum of products stays below 2^260 * p; results are loose.
 * What is left of a column that a step makes a multiple of 2^52 is known without the product's low half: one more
 * wherever it was not 0, hence the columns 3 and 4 start at 2^52 - 1, and their quotients at inv. The upper columns
 * start at -p: where their sum is negative p comes back. */
#define F5_EACH _Pragma("GCC unroll 2") for (unsigned u = 0; u < n; u++)
static SN_ALWAYS_INLINE void f5_begin(__m512i t[2][10], const struct f5_mod *m, const unsigned n)
{
    const __m512i zero = _mm512_setzero_si512(), ones = _mm512_set1_epi64((int64_t)F5_LOW);
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++)
        F5_EACH t[u][i] = i < 3 ? zero : ones, t[u][i + 5] = _mm512_sub_epi64(zero, m->p.l[i]);
}
static SN_ALWAYS_INLINE void f5_row(__m512i t[2][10], const struct f5 *a, const struct f5 *b, unsigned i,
                                    const unsigned n)
{
#pragma GCC unroll 5
    for (unsigned j = 0; j < 5; j++) F5_EACH f5_mac(&t[u][i + j], &t[u][i + j + 1], a[u].l[j], b[u].l[i]);
}
/* first: column 0 may hold more than 52 bits, those of several products. */
static SN_ALWAYS_INLINE void f5_step_reduced(__m512i t[2][10], unsigned i, const struct f5_mod *m, const unsigned n,
                                             const bool first)
{
    __m512i q[2];
    F5_EACH q[u] = i < 3 ? t[u][i] : _mm512_madd52lo_epu64(m->inv, t[u][i], m->inv);
    if (i > 0 || first)
        F5_EACH t[u][i + 1] = _mm512_add_epi64(t[u][i + 1], _mm512_srli_epi64(t[u][i], F5_BITS));
    if (i >= 3) F5_EACH t[u][i + 1] = _mm512_madd52hi_epu64(t[u][i + 1], q[u], m->pf[0]);
#pragma GCC unroll 5
    for (unsigned j = i < 3 ? 0 : 1; j < 5; j++)
        F5_EACH f5_mac(&t[u][i + j + (i < 3)], &t[u][i + j + 1 + (i < 3)], q[u], i < 3 ? m->step[j] : m->pf[j]);
}
static SN_ALWAYS_INLINE void f5_end(struct f5 *ret, __m512i t[2][10], const struct f5_mod *m, const unsigned n)
{
    __m512i c[2];
    F5_EACH c[u] = t[u][5];
#pragma GCC unroll 4
    for (unsigned i = 1; i < 5; i++)
        F5_EACH c[u] = _mm512_add_epi64(t[u][i + 5], _mm512_srai_epi64(c[u], F5_BITS));
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++)
        F5_EACH
        {
            __mmask8 negative = _mm512_movepi64_mask(c[u]);
            ret[u].l[i] = _mm512_mask_add_epi64(t[u][i + 5], negative, t[u][i + 5], m->p.l[i]);
            if (i > 0)
                ret[u].l[i] =
                    _mm512_add_epi64(ret[u].l[i], _mm512_srai_epi64(ret[u].l[i - 1], F5_BITS));
        }
}
/* n products a*b/2^260 below p; a*b < 2^260 * p. Rows and reduction interleaved: few live sums. */
static SN_ALWAYS_INLINE void f5_mul_reduced(struct f5 *ret, const struct f5 *a, const struct f5 *b,
                                            const struct f5_mod *m, const unsigned n)
{
    __m512i t[2][10];
    f5_begin(t, m, n);
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) {
        f5_row(t, a, b, i, n);
        f5_step_reduced(t, i, m, n, false);
    }
    f5_end(ret, t, m, n);
}
#endif

/* f5_mul where many follow each other. Without IFMA a product is some 450 instructions of six bytes and
 * more: a loop with five of them in line is no longer in the decoded cache, and decoding, not the
 * multipliers, sets its pace. */
#ifdef SN_VEC_FMA
#define F5_PRODUCT static SN_NOINLINE SN_UNUSED struct f5
#define F5_PRODUCTS static SN_NOINLINE SN_UNUSED void
#else
#define F5_PRODUCT static SN_ALWAYS_INLINE struct f5
#define F5_PRODUCTS static SN_ALWAYS_INLINE void
#endif
F5_PRODUCT f5_product(const struct f5 *a, const struct f5 *b, const struct f5_mod *m)
{
    return f5_mul(a, b, m);
}
/* ret[0] = a*b, ret[1] = a*c: two chains side by side. */
F5_PRODUCTS f5_product2(struct f5 ret[2], const struct f5 *a, const struct f5 *b, const struct f5 *c,
                        const struct f5_mod *m)
{
    __m512i t[10], u[10];
    f5_factor x[5];
    f5_factors(x, a);
#pragma GCC unroll 10
    for (unsigned i = 0; i < 10; i++) t[i] = u[i] = _mm512_set1_epi64((int64_t)f5_start(i, 1));
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) {
        f5_factor y = f5_as_factor(b->l[i]), z = f5_as_factor(c->l[i]);
#pragma GCC unroll 5
        for (unsigned j = 0; j < 5; j++) {
            f5_mac(&t[i + j], &t[i + j + 1], x[j], y);
            f5_mac(&u[i + j], &u[i + j + 1], x[j], z);
        }
        f5_step(t, i, m);
        f5_step(u, i, m);
    }
    ret[0] = f5_top(t);
    ret[1] = f5_top(u);
}
F5_PRODUCT f5_square(const struct f5 *a, const struct f5_mod *m) { return f5_sqr(a, m); }
F5_PRODUCT f5_products(const struct f5 *a, const struct f5 *b, const struct f5 *c,
                       const struct f5 *d, const struct f5_mod *m)
{
    return f5_dot2(a, b, c, d, m);
}

static inline void f5_mod_init(struct f5_mod *m, const uint64_t *p, uint64_t inv)
{
    uint64_t k = inv & F5_LOW, s[4], low = 0;
    unsigned __int128 c = 1;
    for (unsigned i = 0; i < 5; i++) { /* s = (p*k + 1) >> 52 */
        c += (unsigned __int128)(i < 4 ? p[i] : 0) * k;
        if (i > 0) s[i - 1] = low >> F5_BITS | (uint64_t)c << (64 - F5_BITS);
        low = (uint64_t)c;
        c >>= 64;
    }
    struct f5 step = f5_set(s);
    m->p = f5_set(p);
    m->p2 = f5_add(&m->p, &m->p);
    m->p4 = f5_add(&m->p2, &m->p2);
    m->p8 = f5_add(&m->p4, &m->p4);
    m->p16 = f5_add(&m->p8, &m->p8);
    f5_factors(m->pf, &m->p);
    f5_factors(m->step, &step);
    m->inv = f5_as_factor(_mm512_set1_epi64((int64_t)k));
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

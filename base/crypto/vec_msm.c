/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/vec_msm.c - the vector engines of sn_msm for BN254: G1 over eight Fq, G2 over eight Fq2.
 *
 * A coordinate in memory carries 2^256; read with the radix 2^260 of the products it is a sixteenth of
 * itself. Both coordinates of every point are, so slopes come out as they are, and the formulas need a
 * factor in two places only (vec_pairs_tmpl_int.h): points are used where they lie, in a mapped file. */
#include "crypto/vec_int.h"

#ifdef __AVX512F__
#include "crypto/curve_int.h"
#include "crypto/vec_f5_int.h"

/* p of BN254 has 254 bits: factors of a product may reach 8p. */
struct bn_mod {
    struct f5_mod m;
    struct f5 one, sixteen; /* times 2^260 */
};
static struct f5 bn_broadcast(const uint64_t *mont)
{
    struct sn_fe t;
    memcpy(t.v, mont, sizeof(t.v));
    for (unsigned i = 0; i < 4; i++) sn_fe_dbl(&sn_bn254_fq, &t, &t);
    return f5_set(t.v);
}
static void bn_mod_init(struct bn_mod *m)
{
    f5_mod_init(&m->m, sn_bn254_fq.p.v, sn_bn254_fq.inv);
    m->one = bn_broadcast(sn_bn254_fq.one.v);
    struct sn_fe sixteen;
    sn_fe_set_u64(&sn_bn254_fq, &sixteen, 16);
    m->sixteen = bn_broadcast(sixteen.v);
}
/* Below 4p: which lanes are 0 modulo p. */
static SN_ALWAYS_INLINE __mmask8 bn_is_zero(const struct f5 *a, const struct bn_mod *m)
{
    struct f5 t = f5_reduce(a, &m->m.p2);
    t = f5_reduce(&t, &m->m.p);
    return f5_zero_mask(&t);
}
/* Lanes k and k ^ 1, k ^ 2 or k ^ 4 exchanged. */
static SN_ALWAYS_INLINE struct f5 bn_swap(const struct f5 *a, unsigned by)
{
    struct f5 r;
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++)
        r.l[i] = by == 1   ? _mm512_permutex_epi64(a->l[i], 0xb1)
                 : by == 2 ? _mm512_permutex_epi64(a->l[i], 0x4e)
                           : _mm512_shuffle_i64x2(a->l[i], a->l[i], 0x4e);
    return r;
}
/* 2^twos times the inverses of eight values below 2p; false, and nothing done, if any is zero. The lanes
 * are multiplied across, one inversion serves for all. The scalar inverse sees x*2^260 as 16x in its own
 * form and returns 2^-4 of it: 2^8 makes it right again. */
static SN_NOINLINE bool bn_invert(struct f5 *a, const struct bn_mod *m, int twos)
{
    struct f5 s1 = bn_swap(a, 1), two = f5_product(a, &s1, &m->m);
    struct f5 s2 = bn_swap(&two, 2), four = f5_product(&two, &s2, &m->m);
    struct f5 s4 = bn_swap(&four, 4), all = f5_product(&four, &s4, &m->m);
    if (bn_is_zero(&all, m)) return false;
    struct f5 others = f5_product(&s1, &s2, &m->m);
    others = f5_product(&others, &s4, &m->m);
    __m512i w[4];
    struct sn_fe x;
    all = f5_reduce(&all, &m->m.p);
    f5_join(w, &all);
    for (unsigned k = 0; k < 4; k++)
        x.v[k] = (uint64_t)_mm_cvtsi128_si64(_mm512_castsi512_si128(w[k]));
    sn_fe_inv(&sn_bn254_fq, &x, &x);
    for (int i = 0; i < 8 + twos; i++) sn_fe_dbl(&sn_bn254_fq, &x, &x);
    all = f5_set(x.v);
    *a = f5_product(&others, &all, &m->m);
    return true;
}

/* --- G1 ----------------------------------------------------------------------------------------- */
#define V_T struct f5
#define V_(x) v1_##x
#define V_ROWS 1
typedef struct bn_mod v1_mod_t;
static void v1_mod_init(struct bn_mod *m) { bn_mod_init(m); }
static SN_ALWAYS_INLINE struct f5 v1_one(const struct bn_mod *m) { return m->one; }
static struct f5 v1_beta(const struct bn_mod *m) { return bn_broadcast(sn_bn254.g1.ops->beta); }
static SN_ALWAYS_INLINE struct f5 v1_add(const struct f5 *a, const struct f5 *b)
{
    return f5_add(a, b);
}
/* From below 2p to below 4p. */
static SN_ALWAYS_INLINE struct f5 v1_sub(const struct f5 *a, const struct f5 *b,
                                         const struct bn_mod *m)
{
    return f5_sub(a, b, &m->m.p2);
}
/* a below 2p, b below 4p: below 2p. */
static SN_ALWAYS_INLINE struct f5 v1_sub_reduce(const struct f5 *a, const struct f5 *b,
                                                const struct bn_mod *m)
{
    struct f5 t = f5_sub(a, b, &m->m.p4);
    t = f5_reduce(&t, &m->m.p4);
    return f5_reduce(&t, &m->m.p2);
}
/* Both below 2p: below 2p. */
static SN_ALWAYS_INLINE struct f5 v1_sub_once(const struct f5 *a, const struct f5 *b,
                                              const struct bn_mod *m)
{
    struct f5 t = f5_sub(a, b, &m->m.p2);
    return f5_reduce(&t, &m->m.p2);
}
static SN_ALWAYS_INLINE struct f5 v1_neg(const struct f5 *a, const struct bn_mod *m)
{
    return f5_sub(&(struct f5){{_mm512_setzero_si512(), _mm512_setzero_si512(),
                                _mm512_setzero_si512(), _mm512_setzero_si512(),
                                _mm512_setzero_si512()}},
                  a, &m->m.p2);
}
static SN_ALWAYS_INLINE struct f5 v1_mul(const struct f5 *a, const struct f5 *b,
                                         const struct bn_mod *m)
{
    return f5_product(a, b, &m->m);
}
/* *r = a*b, then *b = c*b. */
static SN_ALWAYS_INLINE void v1_mul_both(struct f5 *r, const struct f5 *a, struct f5 *b,
                                         const struct f5 *c, const struct bn_mod *m)
{
    struct f5 both[2];
    f5_product2(both, b, a, c, &m->m);
    *r = both[0], *b = both[1];
}
static SN_ALWAYS_INLINE struct f5 v1_sqr(const struct f5 *a, const struct bn_mod *m)
{
    return f5_square(a, &m->m);
}
static SN_ALWAYS_INLINE struct f5 v1_times_16(const struct f5 *a, const struct bn_mod *m)
{
    return f5_product(a, &m->sixteen, &m->m);
}
/* From below 4p to below 16p. */
static SN_ALWAYS_INLINE struct f5 v1_quadruple(const struct f5 *a)
{
    struct f5 t = f5_add_raw(a, a);
    return f5_add(&t, &t);
}
/* From below 2p to below 6p. */
static SN_ALWAYS_INLINE struct f5 v1_triple(const struct f5 *a, const struct bn_mod *m)
{
    struct f5 t = f5_add_raw(a, a);
    return f5_add(&t, a);
}
static SN_ALWAYS_INLINE __mmask8 v1_is_zero(const struct f5 *a, const struct bn_mod *m)
{
    return bn_is_zero(a, m);
}
static SN_ALWAYS_INLINE struct f5 v1_blend(__mmask8 k, const struct f5 *a, const struct f5 *b)
{
    return f5_blend(k, a, b);
}
static SN_ALWAYS_INLINE struct f5 v1_clear(__mmask8 k, const struct f5 *a)
{
    struct f5 r;
    for (unsigned i = 0; i < 5; i++) r.l[i] = _mm512_maskz_mov_epi64((__mmask8)~k, a->l[i]);
    return r;
}
static bool v1_invert(struct f5 *a, const struct bn_mod *m, int twos) { return bn_invert(a, m, twos); }
/* Eight points of 64 bytes, at any address. Returns the lanes that are infinite. */
static SN_ALWAYS_INLINE __mmask8 v1_load(struct f5 *x, struct f5 *y, const char *const p[8])
{
    __m512i row[8], w[8];
    for (unsigned k = 0; k < 8; k++) row[k] = _mm512_loadu_si512(p[k]);
    f5_transpose(w, row);
    *x = f5_split(w, 0);
    *y = f5_split(w + 4, 0);
    __m512i any = w[0];
    for (unsigned k = 1; k < 8; k++) any = _mm512_or_si512(any, w[k]);
    return _mm512_testn_epi64_mask(any, any);
}
static SN_ALWAYS_INLINE void v1_store(char *const p[8], const struct f5 *x, const struct f5 *y)
{
    __m512i row[8], w[8];
    f5_join(w, x);
    f5_join(w + 4, y);
    f5_transpose(row, w);
    for (unsigned k = 0; k < 8; k++) _mm512_storeu_si512(p[k], row[k]);
}
#include "crypto/vec_pairs_tmpl_int.h"
#undef V_T
#undef V_
#undef V_ROWS

/* --- G2 ----------------------------------------------------------------------------------------- */
struct f5x2 {
    struct f5 c0, c1;
};
#define V_T struct f5x2
#define V_(x) v2_##x
#define V_ROWS 2
typedef struct bn_mod v2_mod_t;
static void v2_mod_init(struct bn_mod *m) { bn_mod_init(m); }
static SN_ALWAYS_INLINE struct f5x2 v2_one(const struct bn_mod *m)
{
    struct f5x2 r = {m->one, m->one};
    r.c1 = v1_clear(0xff, &r.c1);
    return r;
}
static struct f5x2 v2_beta(const struct bn_mod *m)
{
    struct f5x2 r = {.c0 = bn_broadcast(sn_bn254.g2.ops->beta)};
    r.c1 = v1_clear(0xff, &r.c0);
    return r;
}
static SN_ALWAYS_INLINE struct f5x2 v2_add(const struct f5x2 *a, const struct f5x2 *b)
{
    return (struct f5x2){f5_add(&a->c0, &b->c0), f5_add(&a->c1, &b->c1)};
}
static SN_ALWAYS_INLINE struct f5x2 v2_sub(const struct f5x2 *a, const struct f5x2 *b,
                                           const struct bn_mod *m)
{
    return (struct f5x2){v1_sub(&a->c0, &b->c0, m), v1_sub(&a->c1, &b->c1, m)};
}
static SN_ALWAYS_INLINE struct f5x2 v2_sub_reduce(const struct f5x2 *a, const struct f5x2 *b,
                                                  const struct bn_mod *m)
{
    return (struct f5x2){v1_sub_reduce(&a->c0, &b->c0, m), v1_sub_reduce(&a->c1, &b->c1, m)};
}
static SN_ALWAYS_INLINE struct f5x2 v2_sub_once(const struct f5x2 *a, const struct f5x2 *b,
                                                const struct bn_mod *m)
{
    return (struct f5x2){v1_sub_once(&a->c0, &b->c0, m), v1_sub_once(&a->c1, &b->c1, m)};
}
static SN_ALWAYS_INLINE struct f5x2 v2_neg(const struct f5x2 *a, const struct bn_mod *m)
{
    return (struct f5x2){v1_neg(&a->c0, m), v1_neg(&a->c1, m)};
}
/* Coordinates of a below 16p, of b below 2p: a0 b0 + a1 (2p - b1) is below 64 p^2. */
static SN_ALWAYS_INLINE void v2_product(struct f5x2 *r, const struct f5x2 *a, const struct f5x2 *b,
                                   const struct bn_mod *m)
{
    const struct f5 zero = {0};
    struct f5 nb1 = f5_sub(&zero, &b->c1, &m->m.p2);
    struct f5 c0 = f5_products(&a->c0, &b->c0, &a->c1, &nb1, &m->m);
    r->c1 = f5_products(&a->c0, &b->c1, &a->c1, &b->c0, &m->m);
    r->c0 = c0;
}
static SN_ALWAYS_INLINE struct f5x2 v2_mul(const struct f5x2 *a, const struct f5x2 *b,
                                           const struct bn_mod *m)
{
    struct f5x2 r;
    v2_product(&r, a, b, m);
    return r;
}
static SN_ALWAYS_INLINE void v2_mul_both(struct f5x2 *r, const struct f5x2 *a, struct f5x2 *b,
                                         const struct f5x2 *c, const struct bn_mod *m)
{
    *r = v2_mul(a, b, m);
    *b = v2_mul(c, b, m);
}
/* Coordinates below 2p. */
static SN_ALWAYS_INLINE struct f5x2 v2_sqr(const struct f5x2 *a, const struct bn_mod *m)
{
    struct f5 s = f5_add(&a->c0, &a->c1), d = f5_sub(&a->c0, &a->c1, &m->m.p2);
    struct f5 t = f5_add(&a->c0, &a->c0);
    return (struct f5x2){f5_product(&s, &d, &m->m), f5_product(&t, &a->c1, &m->m)};
}
static SN_ALWAYS_INLINE struct f5x2 v2_times_16(const struct f5x2 *a, const struct bn_mod *m)
{
    return (struct f5x2){v1_times_16(&a->c0, m), v1_times_16(&a->c1, m)};
}
static SN_ALWAYS_INLINE struct f5x2 v2_quadruple(const struct f5x2 *a)
{
    return (struct f5x2){v1_quadruple(&a->c0), v1_quadruple(&a->c1)};
}
static SN_ALWAYS_INLINE struct f5x2 v2_triple(const struct f5x2 *a, const struct bn_mod *m)
{
    return (struct f5x2){v1_triple(&a->c0, m), v1_triple(&a->c1, m)};
}
static SN_ALWAYS_INLINE __mmask8 v2_is_zero(const struct f5x2 *a, const struct bn_mod *m)
{
    return bn_is_zero(&a->c0, m) & bn_is_zero(&a->c1, m);
}
static SN_ALWAYS_INLINE struct f5x2 v2_blend(__mmask8 k, const struct f5x2 *a, const struct f5x2 *b)
{
    return (struct f5x2){f5_blend(k, &a->c0, &b->c0), f5_blend(k, &a->c1, &b->c1)};
}
static SN_ALWAYS_INLINE struct f5x2 v2_clear(__mmask8 k, const struct f5x2 *a)
{
    return (struct f5x2){v1_clear(k, &a->c0), v1_clear(k, &a->c1)};
}
/* 1/(c0 + c1 u) = (c0 - c1 u)/(c0^2 + c1^2). */
static bool v2_invert(struct f5x2 *a, const struct bn_mod *m, int twos)
{
    struct f5 n = f5_products(&a->c0, &a->c0, &a->c1, &a->c1, &m->m), neg = v1_neg(&a->c1, m);
    if (!bn_invert(&n, m, twos)) return false;
    a->c0 = f5_product(&a->c0, &n, &m->m);
    a->c1 = f5_product(&neg, &n, &m->m);
    return true;
}
static SN_ALWAYS_INLINE __mmask8 v2_load(struct f5x2 *x, struct f5x2 *y, const char *const p[8])
{
    const char *q[8];
    for (unsigned k = 0; k < 8; k++) q[k] = p[k] + 64;
    __mmask8 x_zero = v1_load(&x->c0, &x->c1, p);
    return x_zero & v1_load(&y->c0, &y->c1, q);
}
static SN_ALWAYS_INLINE void v2_store(char *const p[8], const struct f5x2 *x, const struct f5x2 *y)
{
    char *q[8];
    for (unsigned k = 0; k < 8; k++) q[k] = p[k] + 64;
    v1_store(p, &x->c0, &x->c1);
    v1_store(q, &y->c0, &y->c1);
}
#include "crypto/vec_pairs_tmpl_int.h"

/* --- engines ------------------------------------------------------------------------------------ */

/* From below 2p to below p. */
static void export_coords(uint64_t *ret, const void *in, size_t coords)
{
    memcpy(ret, in, coords * 32);
    for (size_t i = 0; i < coords; i++, ret += 4) {
        struct sn_fe t;
        uint64_t borrow = 0;
        for (unsigned k = 0; k < 4; k++) t.v[k] = fx_sbb(ret[k], sn_bn254_fq.p.v[k], &borrow);
        if (!borrow) memcpy(ret, t.v, sizeof(t.v));
    }
}
/* 2p - y; infinity stays zero. */
static void neg_coords(uint64_t *ret, const void *in, size_t coords)
{
    uint64_t any = 0;
    memcpy(ret, in, coords * 64);
    for (size_t i = 0; i < 8 * coords; i++) any |= ret[i];
    for (size_t i = coords; i < 2 * coords && any; i++) {
        uint64_t borrow = 0;
        for (unsigned k = 0; k < 4; k++) {
            uint64_t p2 = sn_bn254_fq.p.v[k] << 1 | (k ? sn_bn254_fq.p.v[k - 1] >> 63 : 0);
            ret[4 * i + k] = fx_sbb(p2, ret[4 * i + k], &borrow);
        }
    }
}
static void v1_export(void *ret, const void *a) { export_coords(ret, a, 2); }
static void v1_opposite(void *ret, const void *a) { neg_coords(ret, a, 1); }
static void v2_export(void *ret, const void *a) { export_coords(ret, a, 4); }
static void v2_opposite(void *ret, const void *a) { neg_coords(ret, a, 2); }

const struct sn_msm_engine *VEC_(msm_engine)(const struct sn_group *g)
{
    static const struct sn_msm_engine g1 = {
        64, SN_PAIR_BATCH / 8 * sizeof(struct v1_group), true, v1_export, v1_opposite,
        v1_add_pairs, v1_double_all, v1_image};
    static const struct sn_msm_engine g2 = {
        128, SN_PAIR_BATCH / 8 * sizeof(struct v2_group), true, v2_export, v2_opposite,
        v2_add_pairs, v2_double_all, v2_image};
    return g == &sn_bn254.g1 ? &g1 : g == &sn_bn254.g2 ? &g2 : NULL;
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/vec_msm.c - the vector engines of sn_msm for BN254: G1 over eight Fq, G2 over eight Fq2. */
#include "crypto/vec_int.h"

#ifdef __AVX512F__
#include "crypto/curve_int.h"
#include "crypto/vec_f5_int.h"

/* p of BN254 has 254 bits: factors of a product may reach 8p. */
struct bn_mod {
    struct f5_mod m;
    struct f5 one; /* 2^260 mod p */
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
}
/* Below 4p: which lanes are 0 modulo p. */
static SN_ALWAYS_INLINE __mmask8 bn_is_zero(const struct f5 *a, const struct bn_mod *m)
{
    struct f5 t = f5_reduce(a, &m->m.p2);
    t = f5_reduce(&t, &m->m.p);
    return f5_zero_mask(&t);
}
/* Inverts eight values below 2p at once; false, and nothing done, if any is zero.
 * The scalar inverse sees a*2^260 as 16a in its own form and returns 2^-4 of it: 2^8 makes it
 * right again. */
static SN_NOINLINE bool bn_invert(struct f5 *a, const struct bn_mod *m)
{
    struct sn_fe x[8], scratch[8];
    __m512i w[4];
    struct f5 t = f5_reduce(a, &m->m.p);
    if (f5_zero_mask(&t)) return false;
    f5_join(w, &t);
    f5_store_words(x, w);
    sn_fe_batch_inv(&sn_bn254_fq, x, 8, scratch);
    for (unsigned k = 0; k < 8; k++)
        for (unsigned i = 0; i < 8; i++) sn_fe_dbl(&sn_bn254_fq, &x[k], &x[k]);
    f5_load_words(w, x);
    *a = f5_split(w, 0);
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
    return f5_mul(a, b, &m->m);
}
static SN_ALWAYS_INLINE struct f5 v1_sqr(const struct f5 *a, const struct bn_mod *m)
{
    return f5_sqr(a, &m->m);
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
static bool v1_invert(struct f5 *a, const struct bn_mod *m) { return bn_invert(a, m); }
/* Eight points, one cache line each. Returns the lanes that are infinite. */
static SN_ALWAYS_INLINE __mmask8 v1_load(struct f5 *x, struct f5 *y, const char *const p[8])
{
    __m512i row[8], w[8];
    for (unsigned k = 0; k < 8; k++) row[k] = _mm512_load_si512(p[k]);
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
    for (unsigned k = 0; k < 8; k++) _mm512_store_si512(p[k], row[k]);
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
/* Coordinates of a below 6p, of b below 4p: a0 b0 + a1 (4p - b1) is below 48 p^2. */
static SN_NOINLINE void v2_product(struct f5x2 *r, const struct f5x2 *a, const struct f5x2 *b,
                                   const struct bn_mod *m)
{
    const struct f5 zero = {0};
    struct f5 nb1 = f5_sub(&zero, &b->c1, &m->m.p4);
    struct f5 c0 = f5_dot2(&a->c0, &b->c0, &a->c1, &nb1, &m->m);
    r->c1 = f5_dot2(&a->c0, &b->c1, &a->c1, &b->c0, &m->m);
    r->c0 = c0;
}
static SN_ALWAYS_INLINE struct f5x2 v2_mul(const struct f5x2 *a, const struct f5x2 *b,
                                           const struct bn_mod *m)
{
    struct f5x2 r;
    v2_product(&r, a, b, m);
    return r;
}
/* Coordinates below 2p. */
static SN_ALWAYS_INLINE struct f5x2 v2_sqr(const struct f5x2 *a, const struct bn_mod *m)
{
    struct f5 s = f5_add(&a->c0, &a->c1), d = f5_sub(&a->c0, &a->c1, &m->m.p2);
    struct f5 t = f5_add(&a->c0, &a->c0);
    return (struct f5x2){f5_mul(&s, &d, &m->m), f5_mul(&t, &a->c1, &m->m)};
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
static bool v2_invert(struct f5x2 *a, const struct bn_mod *m)
{
    struct f5 n = f5_dot2(&a->c0, &a->c0, &a->c1, &a->c1, &m->m), neg = v1_neg(&a->c1, m);
    if (!bn_invert(&n, m)) return false;
    a->c0 = f5_mul(&a->c0, &n, &m->m);
    a->c1 = f5_mul(&neg, &n, &m->m);
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

/* Coordinates one after the other, from 2^256 to 2^260 and back. */
static void scale(void *ret, const void *in, size_t coords, const struct sn_fe *by)
{
    size_t done = VEC_(scale_many)(&sn_bn254_fq, ret, in, by, coords);
    for (size_t i = done; i < coords; i++)
        sn_bn254_fq_mul((struct sn_fe *)ret + i, (const struct sn_fe *)in + i, by);
}
static void import_coords(void *ret, const void *in, size_t coords)
{
    struct sn_fe by = sn_bn254_fq.one;
    for (unsigned i = 0; i < 4; i++) sn_fe_dbl(&sn_bn254_fq, &by, &by);
    scale(ret, in, coords, &by);
}
static void export_coords(void *ret, const void *in, size_t coords)
{
    /* 2^252: times it over 2^256 divides by 16. Inputs are below 2p, so is the product. */
    struct sn_fe by = sn_bn254_fq.one, sixteen;
    sn_fe_set_u64(&sn_bn254_fq, &sixteen, 16);
    sn_fe_inv(&sn_bn254_fq, &by, &sixteen);
    for (size_t i = 0; i < coords; i++) {
        struct sn_fe t = ((const struct sn_fe *)in)[i];
        if (sn_fe_cmp(&t, &sn_bn254_fq.p) >= 0) {
            uint64_t borrow = 0;
            for (unsigned k = 0; k < 4; k++) t.v[k] = fx_sbb(t.v[k], sn_bn254_fq.p.v[k], &borrow);
        }
        sn_bn254_fq_mul((struct sn_fe *)ret + i, &t, &by);
    }
}
/* 2p - y; infinity stays zero. */
static void neg_coords(uint64_t *ret, const uint64_t *in, size_t coords)
{
    uint64_t any = 0;
    memcpy(ret, in, coords * 64);
    for (size_t i = 0; i < 8 * coords; i++) any |= in[i];
    for (size_t i = coords; i < 2 * coords && any; i++) {
        uint64_t borrow = 0;
        for (unsigned k = 0; k < 4; k++) {
            uint64_t p2 = sn_bn254_fq.p.v[k] << 1 | (k ? sn_bn254_fq.p.v[k - 1] >> 63 : 0);
            ret[4 * i + k] = fx_sbb(p2, in[4 * i + k], &borrow);
        }
    }
}
static void v1_import(void *ret, const void *a, size_t n) { import_coords(ret, a, 2 * n); }
static void v1_export(void *ret, const void *a) { export_coords(ret, a, 2); }
static void v1_opposite(void *ret, const void *a) { neg_coords(ret, a, 1); }
static void v2_import(void *ret, const void *a, size_t n) { import_coords(ret, a, 4 * n); }
static void v2_export(void *ret, const void *a) { export_coords(ret, a, 4); }
static void v2_opposite(void *ret, const void *a) { neg_coords(ret, a, 2); }

const struct sn_msm_engine *VEC_(msm_engine)(const struct sn_group *g)
{
    static const struct sn_msm_engine g1 = {
        64, SN_PAIR_BATCH / 8 * sizeof(struct v1_group), v1_import, v1_export, v1_opposite,
        v1_add_pairs, v1_double_all, v1_image};
    static const struct sn_msm_engine g2 = {
        128, SN_PAIR_BATCH / 8 * sizeof(struct v2_group), v2_import, v2_export, v2_opposite,
        v2_add_pairs, v2_double_all, v2_image};
    return g == &sn_bn254.g1 ? &g1 : g == &sn_bn254.g2 ? &g2 : NULL;
}
#endif

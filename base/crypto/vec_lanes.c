/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/vec_lanes.c - the kernels of lanes.h. */
#include "crypto/lanes.h"
#include "crypto/vec_int.h"

#ifdef __AVX512F__
#include "crypto/vec_f5_int.h"

static SN_ALWAYS_INLINE struct f5 get(const struct sn_fe8 *a)
{
    struct f5 r;
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) r.l[i] = _mm512_load_si512(a->l[i]);
    return r;
}
static SN_ALWAYS_INLINE void put(struct sn_fe8 *r, const struct f5 *a)
{
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) _mm512_store_si512(r->l[i], a->l[i]);
}
/* 16a as a factor: below 2^260, carried as a was; loose (vec_f5_int.h) where products take that. */
static SN_ALWAYS_INLINE struct f5 times_16(const struct f5 *a)
{
    struct f5 r;
#ifdef SN_VEC_FMA
    const __m512i low = _mm512_set1_epi64((int64_t)F5_LOW);
    r.l[0] = _mm512_and_si512(_mm512_slli_epi64(a->l[0], 4), low);
#pragma GCC unroll 4
    for (unsigned i = 1; i < 5; i++)
        r.l[i] = _mm512_and_si512(_mm512_or_si512(_mm512_slli_epi64(a->l[i], 4),
                                                  _mm512_srli_epi64(a->l[i - 1], F5_BITS - 4)),
                                  low);
#else
    r.l[0] = _mm512_slli_epi64(a->l[0], 4);
#pragma GCC unroll 4
    for (unsigned i = 1; i < 5; i++)
        r.l[i] = _mm512_shrdi_epi64(_mm512_slli_epi64(a->l[i - 1], 12), a->l[i], 60);
#endif
    return r;
}
/* The parts of f5_mod that a product reads; factors may be doubles, kept as their bits. */
static SN_ALWAYS_INLINE void modulus(const struct sn_lanes *c, struct f5_mod *m)
{
    m->p = get(&c->p);
    memcpy(m->pf, &c->p_factors, sizeof(m->pf));
    memcpy(m->step, &c->step, sizeof(m->step));
    memcpy(&m->inv, c->inv, sizeof(m->inv));
}
#ifndef SN_VEC_FMA
static SN_ALWAYS_INLINE void cut_limbs(struct f5 *a)
{
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; i++)
        a->l[i] = _mm512_and_si512(a->l[i], _mm512_set1_epi64((int64_t)F5_LOW));
}
#endif
/* The product in the form with 2^256. */
static SN_ALWAYS_INLINE struct f5 times(const struct sn_lanes *c, const struct f5 *a,
                                        const struct f5 *b)
{
    struct f5_mod m;
    modulus(c, &m);
    struct f5 y = times_16(b), r;
#ifdef SN_VEC_FMA
    r = f5_mul(a, &y, &m);
    r = f5_reduce(&r, &m.p);
#else
    f5_mul_reduced(&r, a, &y, &m, 1);
    cut_limbs(&r);
#endif
    return r;
}

static void constant(struct sn_fe8 *ret, const struct sn_fe *plain)
{
    struct f5 x = f5_set(plain->v);
    put(ret, &x);
}

static void init(struct sn_lanes *c, const struct sn_field *f)
{
    struct f5_mod m;
    f5_mod_init(&m, f->p.v, f->inv);
    put(&c->p, &m.p);
    memset(&c->zero, 0, sizeof(c->zero));
    memcpy(&c->p_factors, m.pf, sizeof(m.pf));
    memcpy(&c->step, m.step, sizeof(m.step));
    memcpy(c->inv, &m.inv, sizeof(m.inv));
    constant(&c->r2, &f->r2);
    constant(&c->unit, &(struct sn_fe){{1}});
    /* n products in the form with 2^256 are below n*p*p/2^256 before what the reduction adds, p. */
    c->dot_max = 1;
    while (c->dot_max < SN_FE8_DOT_MAX && (c->dot_max + 1) * ((sn_u128)f->p.v[3] + 1) <= UINT64_MAX - UINT32_MAX)
        c->dot_max++;
    c->f = f;
}

static void fe8_add(const struct sn_lanes *c, struct sn_fe8 *ret, const struct sn_fe8 *a,
                const struct sn_fe8 *b)
{
    struct f5 x = get(a), y = get(b), p = get(&c->p);
    x = f5_add(&x, &y);
    x = f5_reduce(&x, &p);
    put(ret, &x);
}
static void fe8_sub(const struct sn_lanes *c, struct sn_fe8 *ret, const struct sn_fe8 *a,
                const struct sn_fe8 *b)
{
    struct f5 x = get(a), y = get(b), p = get(&c->p);
    x = f5_sub(&x, &y, &p);
    x = f5_reduce(&x, &p);
    put(ret, &x);
}
static void fe8_mul(const struct sn_lanes *c, struct sn_fe8 *ret, const struct sn_fe8 *a,
                const struct sn_fe8 *b)
{
    struct f5 x = get(a), y = get(b);
    x = times(c, &x, &y);
    put(ret, &x);
}
static void fe8_dot(const struct sn_lanes *c, struct sn_fe8 *ret, const struct sn_fe8 *const *a,
                    const struct sn_fe8 *const *b, unsigned n_products)
{
    struct f5_mod m;
    struct f5 r;
    modulus(c, &m);
#ifdef SN_VEC_FMA
    __m512i t[10];
#pragma GCC unroll 10
    for (unsigned i = 0; i < 10; i++) t[i] = _mm512_setzero_si512();
    for (unsigned k = 0; k < n_products; k++) {
        struct f5 x = get(a[k]), y = get(b[k]);
        y = times_16(&y);
        f5_accumulate(t, &x, &y);
    }
#pragma GCC unroll 10
    for (unsigned i = 0; i < 10; i++)
        t[i] = _mm512_add_epi64(t[i], _mm512_set1_epi64((int64_t)f5_start(i, n_products)));
    r = f5_redc(t, &m);
    r = f5_reduce(&r, &m.p);
#else
    __m512i t[2][10];
    f5_begin(t, &m, 1);
    for (unsigned k = 0; k < n_products; k++) {
        struct f5 x = get(a[k]), y = get(b[k]);
        y = times_16(&y);
#pragma GCC unroll 5
        for (unsigned i = 0; i < 5; i++) f5_row(t, &x, &y, i, 1);
    }
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) f5_step_reduced(t, i, &m, 1, true);
    f5_end(&r, t, &m, 1);
    cut_limbs(&r);
#endif
    put(ret, &r);
}
static uint8_t fe8_equal(const struct sn_fe8 *a, const struct sn_fe8 *b)
{
    __m512i any = _mm512_setzero_si512();
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++)
        any = _mm512_or_si512(any, _mm512_xor_si512(_mm512_load_si512(a->l[i]),
                                                    _mm512_load_si512(b->l[i])));
    return _mm512_testn_epi64_mask(any, any);
}
static void fe8_select(struct sn_fe8 *ret, uint8_t mask, const struct sn_fe8 *a,
                   const struct sn_fe8 *b)
{
    struct f5 x = get(a), y = get(b);
    x = f5_blend(mask, &x, &y);
    put(ret, &x);
}
/* f5_load_words permutes lanes: here lane i is element i. */
static const uint64_t to_lanes[8] = {0, 2, 4, 6, 1, 3, 5, 7};
static const uint64_t to_words[8] = {0, 4, 1, 5, 2, 6, 3, 7};

static void fe8_from_fe(struct sn_fe8 *ret, const struct sn_fe a[8])
{
    __m512i w[4], order = _mm512_loadu_si512(to_lanes);
    f5_load_words(w, a);
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; i++) w[i] = _mm512_permutexvar_epi64(order, w[i]);
    struct f5 x = f5_split(w, 0);
    put(ret, &x);
}
static SN_ALWAYS_INLINE void out(struct sn_fe ret[8], const struct f5 *a)
{
    __m512i w[4], order = _mm512_loadu_si512(to_words);
    f5_join(w, a);
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; i++) w[i] = _mm512_permutexvar_epi64(order, w[i]);
    f5_store_words(ret, w);
}
static void fe8_to_fe(struct sn_fe ret[8], const struct sn_fe8 *a)
{
    struct f5 x = get(a);
    out(ret, &x);
}
static void fe8_to_plain(const struct sn_lanes *c, struct sn_fe ret[8], const struct sn_fe8 *a)
{
    struct f5 x = get(a), unit = get(&c->unit);
    x = times(c, &x, &unit);
    out(ret, &x);
}
static void fe8_from_i64(const struct sn_lanes *c, struct sn_fe8 *ret, const int64_t a[8])
{
    const __m512i low = _mm512_set1_epi64((int64_t)F5_LOW), zero = _mm512_setzero_si512();
    __m512i s = _mm512_loadu_si512(a);
    __mmask8 negative = _mm512_movepi64_mask(s);
    s = _mm512_abs_epi64(s);
    struct f5 x = {{_mm512_and_si512(s, low), _mm512_srli_epi64(s, F5_BITS), zero, zero, zero}};
    struct f5 p = get(&c->p), r2 = get(&c->r2), none = {{zero, zero, zero, zero, zero}};
    struct f5 minus = f5_sub(&none, &x, &p);
    x = f5_blend(negative, &x, &minus);
    x = times(c, &x, &r2);
    put(ret, &x);
}
static SN_NOINLINE void product(const struct sn_lanes *c, struct f5 *ret, const struct f5 *a, const struct f5 *b)
{
    *ret = times(c, a, b);
}
static SN_ALWAYS_INLINE struct f5 permute(const struct f5 *a, __m512i order)
{
    struct f5 r;
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) r.l[i] = _mm512_permutexvar_epi64(order, a->l[i]);
    return r;
}
/* Each lane needs the product of the other seven: of its neighbour, of the two next to these and of the other four. The
 * two products that make it of these have the time that the inversion takes. */
static void fe8_inv(const struct sn_lanes *c, struct sn_fe8 *ret, const struct sn_fe8 *a)
{
    const __m512i across[3] = {_mm512_setr_epi64(1, 0, 3, 2, 5, 4, 7, 6), _mm512_setr_epi64(2, 3, 0, 1, 6, 7, 4, 5),
                               _mm512_setr_epi64(4, 5, 6, 7, 0, 1, 2, 3)};
    struct f5 x = get(a), one = f5_set(c->f->one.v), zero = get(&c->zero), other[3];
    struct sn_fe all[8];
    __mmask8 zeros = f5_zero_mask(&x);
    x = f5_blend(zeros, &x, &one);
    for (unsigned i = 0; i < 3; i++) {
        other[i] = permute(&x, across[i]);
        product(c, &x, &x, &other[i]);
    }
    out(all, &x);
    product(c, &other[0], &other[0], &other[1]);
    product(c, &other[0], &other[0], &other[2]);
    sn_fe_inv(c->f, &all[0], &all[0]);
    x = f5_set(all[0].v);
    product(c, &x, &x, &other[0]);
    x = f5_blend(zeros, &x, &zero);
    put(ret, &x);
    explicit_bzero(all, sizeof(all));
}

const struct sn_lanes_ops VEC_(lanes) = {
    .init = init,
    .add = fe8_add,
    .sub = fe8_sub,
    .mul = fe8_mul,
    .dot = fe8_dot,
    .inv = fe8_inv,
    .equal = fe8_equal,
    .select = fe8_select,
    .from_fe = fe8_from_fe,
    .to_fe = fe8_to_fe,
    .to_plain = fe8_to_plain,
    .from_i64 = fe8_from_i64,
};
#endif

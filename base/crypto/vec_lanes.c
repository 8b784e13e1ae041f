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
/* The parts of f5_mod that a product reads; factors may be doubles, kept as their bits. */
static SN_ALWAYS_INLINE struct f5 times(const struct sn_lanes *c, const struct f5 *a,
                                        const struct f5 *b)
{
    struct f5_mod m;
    m.p = get(&c->p);
    memcpy(m.pf, &c->p_factors, sizeof(m.pf));
    memcpy(m.step, &c->step, sizeof(m.step));
    memcpy(&m.inv, c->inv, sizeof(m.inv));
    struct f5 r = f5_mul(a, b, &m);
    return f5_reduce(&r, &m.p);
}

/* 2^k mod p, plain, from the Montgomery form of 1 (2^256) by doubling. */
static struct sn_fe power_of_two(const struct sn_field *f, unsigned k)
{
    struct sn_fe x = f->one;
    for (unsigned i = 256; i < k; i++) sn_fe_dbl(f, &x, &x);
    return x;
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
    struct sn_fe x = power_of_two(f, 264);
    constant(&c->enter, &x);
    constant(&c->leave, &f->one);
    x = power_of_two(f, 520);
    constant(&c->r2, &x);
    constant(&c->unit, &(struct sn_fe){{1}});
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

static void fe8_from_fe(const struct sn_lanes *c, struct sn_fe8 *ret, const struct sn_fe a[8])
{
    __m512i w[4], order = _mm512_loadu_si512(to_lanes);
    f5_load_words(w, a);
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; i++) w[i] = _mm512_permutexvar_epi64(order, w[i]);
    struct f5 x = f5_split(w, 0), y = get(&c->enter);
    x = times(c, &x, &y);
    put(ret, &x);
}
static void out(const struct sn_lanes *c, struct sn_fe ret[8], const struct sn_fe8 *a,
                const struct sn_fe8 *factor)
{
    __m512i w[4], order = _mm512_loadu_si512(to_words);
    struct f5 x = get(a), y = get(factor);
    x = times(c, &x, &y);
    f5_join(w, &x);
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; i++) w[i] = _mm512_permutexvar_epi64(order, w[i]);
    f5_store_words(ret, w);
}
static void fe8_to_fe(const struct sn_lanes *c, struct sn_fe ret[8], const struct sn_fe8 *a)
{
    out(c, ret, a, &c->leave);
}
static void fe8_to_plain(const struct sn_lanes *c, struct sn_fe ret[8], const struct sn_fe8 *a)
{
    out(c, ret, a, &c->unit);
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
static void fe8_inv(const struct sn_lanes *c, struct sn_fe8 *ret, const struct sn_fe8 *a)
{
    struct sn_fe x[8], scratch[8];
    fe8_to_fe(c, x, a);
    sn_fe_batch_inv(c->f, x, 8, scratch);
    fe8_from_fe(c, ret, x);
    explicit_bzero(x, sizeof(x));
    explicit_bzero(scratch, sizeof(scratch));
}

/* Of eight elements that lie anywhere, as f5_load_words does it. */
static SN_ALWAYS_INLINE void gather_words(__m512i w[4], const struct sn_fe *const a[8])
{
    __m512i z[4];
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; i++)
        z[i] = _mm512_inserti64x4(
            _mm512_castsi256_si512(_mm256_loadu_si256((const void *)a[2 * i])),
            _mm256_loadu_si256((const void *)a[2 * i + 1]), 1);
    __m512i x = _mm512_shuffle_i64x2(z[0], z[1], 0x88), y = _mm512_shuffle_i64x2(z[2], z[3], 0x88);
    w[0] = _mm512_unpacklo_epi64(x, y), w[1] = _mm512_unpackhi_epi64(x, y);
    x = _mm512_shuffle_i64x2(z[0], z[1], 0xdd), y = _mm512_shuffle_i64x2(z[2], z[3], 0xdd);
    w[2] = _mm512_unpacklo_epi64(x, y), w[3] = _mm512_unpackhi_epi64(x, y);
}
/* The products of up to 64 pairs, eight at a time, in ten columns that nothing has carried. */
static SN_NOINLINE void dot_columns(__m512i ret[10], const struct sn_fe_pair *pairs, size_t n)
{
    static const struct sn_fe zero;
    uint64_t groups = (n + 7) / 8;
    __m512i t[10], w[4];
#pragma GCC unroll 10
    for (unsigned c = 0; c < 10; c++)
        t[c] = _mm512_set1_epi64((int64_t)(groups * (f5_start(c, 1) - f5_start(c, 0))));
    for (size_t i = 0; i < n; i += 8) {
        const struct sn_fe *a[8], *b[8];
        for (unsigned k = 0; k < 8; k++) {
            a[k] = i + k < n ? pairs[i + k].a : &zero;
            b[k] = i + k < n ? pairs[i + k].b : &zero;
        }
        gather_words(w, a);
        struct f5 x = f5_split(w, 0);
        gather_words(w, b);
        struct f5 y = f5_split(w, 0);
        f5_accumulate(t, &x, &y);
    }
#pragma GCC unroll 10
    for (unsigned c = 0; c < 10; c++) ret[c] = t[c];
}
/* The sums over the lanes of eight dots' columns, reduced together: dot k in lane k. */
static struct f5 dot_reduce(const __m512i columns[8][10], const struct f5_mod *m)
{
    __m512i t[10];
    for (unsigned c = 0; c < 10; c++) {
        __m512i in[8], out[8];
        for (unsigned k = 0; k < 8; k++) in[k] = columns[k][c];
        f5_transpose(out, in);
        t[c] = _mm512_set1_epi64((int64_t)f5_start(c, 0));
        for (unsigned k = 0; k < 8; k++) t[c] = _mm512_add_epi64(t[c], out[k]);
    }
    struct f5 r = f5_redc(t, m);
    return f5_reduce(&r, &m->p);
}
/* A sum of n products is below n*p*p and comes out of the reduction below 2p while n*p < 2^260;
 * columns of 64 products take 62 bits. The missing 2^4 comes at the end, by doubling. */
static void dot_many(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe_pair *pairs,
                     const uint32_t *end, size_t n)
{
    const size_t most = (size_t)1 << SN_MIN(260 - f->bits, 6u);
    struct f5_mod m;
    f5_mod_init(&m, f->p.v, f->inv);
    for (size_t i = 0, at = 0; i < n; i += 8) {
        unsigned lanes = (unsigned)SN_MIN(n - i, (size_t)8);
        struct f5 sum = f5_set((const uint64_t[4]){0});
        size_t longest = 0, first[8], len[8] = {0};
        for (unsigned k = 0; k < lanes; k++) {
            first[k] = at;
            len[k] = end[i + k] - at;
            longest = SN_MAX(longest, len[k]);
            at = end[i + k];
        }
        for (size_t from = 0; from < longest; from += most) {
            __m512i columns[8][10];
            for (unsigned k = 0; k < 8; k++) {
                size_t left = len[k] > from ? len[k] - from : 0;
                dot_columns(columns[k], left ? pairs + first[k] + from : pairs, SN_MIN(left, most));
            }
            struct f5 part = dot_reduce(columns, &m);
            sum = f5_add(&sum, &part);
            sum = f5_reduce(&sum, &m.p);
        }
        for (unsigned k = 0; k < 4; k++) {
            sum = f5_add(&sum, &sum);
            sum = f5_reduce(&sum, &m.p);
        }
        __m512i w[4];
        f5_join(w, &sum);
        for (unsigned k = 0; k < lanes; k++)
            for (unsigned j = 0; j < 4; j++) ret[i + k].v[j] = ((const uint64_t *)&w[j])[k];
    }
}

const struct sn_lanes_ops VEC_(lanes) = {
    .init = init,
    .add = fe8_add,
    .sub = fe8_sub,
    .mul = fe8_mul,
    .inv = fe8_inv,
    .equal = fe8_equal,
    .select = fe8_select,
    .from_fe = fe8_from_fe,
    .to_fe = fe8_to_fe,
    .to_plain = fe8_to_plain,
    .from_i64 = fe8_from_i64,
    .dot_many = dot_many,
};
#endif

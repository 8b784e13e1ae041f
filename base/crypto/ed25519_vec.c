/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/ed25519_vec.c - eight points side by side, in AVX-512 IFMA.
 *
 * A field element is five limbs of 51 bits, one register per limb. "Carried" limbs are below 2^51 +
 * 2^17, which is what a product takes: the multiplier reads 52 bits. A product leaves "raw" limbs
 * below 2^59.2; sums and differences of raw elements stay raw (below 2^63) and are carried once,
 * before the next product. So a point carries y+x and y-x, not x and y: they are sums of raw
 * products anyway.
 *
 * The multiplier gives the halves of a product at bits 0 and 52, the limbs lie 51 apart: high
 * halves count twice. Columns from the sixth on return times 19. */
#include "crypto/ed25519_int.h"

#if defined(__AVX512F__) && defined(__AVX512IFMA__)
#include <immintrin.h>

struct v5 {
    __m512i l[5];
};
struct vpoint {
    struct v5 s, d, z, t; /* y+x, y-x; carried */
};

static SN_ALWAYS_INLINE __m512i vset(uint64_t x) { return _mm512_set1_epi64((int64_t)x); }
static SN_ALWAYS_INLINE __m512i lo52(__m512i acc, __m512i a, __m512i b)
{
    return _mm512_madd52lo_epu64(acc, a, b);
}
static SN_ALWAYS_INLINE __m512i hi52(__m512i acc, __m512i a, __m512i b)
{
    return _mm512_madd52hi_epu64(acc, a, b);
}
static SN_ALWAYS_INLINE __m512i vadd(__m512i a, __m512i b) { return _mm512_add_epi64(a, b); }
static SN_ALWAYS_INLINE struct v5 v5_of(const struct fe51 *a)
{
    struct v5 r;
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) r.l[i] = vset(a->v[i]);
    return r;
}
static SN_ALWAYS_INLINE struct v5 v5_add(const struct v5 *a, const struct v5 *b)
{
    struct v5 r;
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) r.l[i] = vadd(a->l[i], b->l[i]);
    return r;
}
/* Raw: 2^bias times the prime is added, which limbs of b must not exceed. */
static SN_ALWAYS_INLINE struct v5 v5_sub(const struct v5 *a, const struct v5 *b, unsigned bias)
{
    struct v5 r;
    r.l[0] = _mm512_sub_epi64(vadd(a->l[0], vset((FE51_LOW - 18) << bias)), b->l[0]);
#pragma GCC unroll 4
    for (unsigned i = 1; i < 5; i++)
        r.l[i] = _mm512_sub_epi64(vadd(a->l[i], vset(FE51_LOW << bias)), b->l[i]);
    return r;
}
#define RAW 9     /* above a product: 2^60 */
#define RAW_X2 10 /* above two */
#define CARRIED 1

static SN_ALWAYS_INLINE struct v5 v5_carry(const struct v5 *a)
{
    const __m512i low = vset(FE51_LOW);
    struct v5 r;
    r.l[0] = lo52(_mm512_and_si512(a->l[0], low), _mm512_srli_epi64(a->l[4], 51), vset(19));
#pragma GCC unroll 4
    for (unsigned i = 1; i < 5; i++)
        r.l[i] = vadd(_mm512_and_si512(a->l[i], low), _mm512_srli_epi64(a->l[i - 1], 51));
    return r;
}
/* Columns 0..9 of low halves and of high ones (already one column on) to raw limbs: low + 2 high,
 * the upper five times 19. */
static SN_ALWAYS_INLINE struct v5 v5_fold(const __m512i lo[10], const __m512i hi[10])
{
    struct v5 r;
#pragma GCC unroll 5
    for (unsigned k = 0; k < 5; k++) {
        __m512i u = vadd(lo[k + 5], vadd(hi[k + 5], hi[k + 5]));
        __m512i v = vadd(hi[k], vadd(_mm512_slli_epi64(u, 3), u));
        r.l[k] = vadd(vadd(lo[k], u), vadd(v, v));
    }
    return r;
}
static SN_ALWAYS_INLINE struct v5 v5_mul(const struct v5 *a, const struct v5 *b)
{
    __m512i lo[10], hi[10];
#pragma GCC unroll 10
    for (unsigned k = 0; k < 10; k++) lo[k] = hi[k] = _mm512_setzero_si512();
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++)
#pragma GCC unroll 5
        for (unsigned j = 0; j < 5; j++) {
            lo[i + j] = lo52(lo[i + j], a->l[i], b->l[j]);
            hi[i + j + 1] = hi52(hi[i + j + 1], a->l[i], b->l[j]);
        }
    return v5_fold(lo, hi);
}
static SN_ALWAYS_INLINE struct v5 v5_sqr(const struct v5 *a)
{
    __m512i lo[10], hi[10], even[5];
#pragma GCC unroll 10
    for (unsigned k = 0; k < 10; k++) lo[k] = hi[k] = _mm512_setzero_si512();
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++)
#pragma GCC unroll 5
        for (unsigned j = i + 1; j < 5; j++) {
            lo[i + j] = lo52(lo[i + j], a->l[i], a->l[j]);
            hi[i + j + 1] = hi52(hi[i + j + 1], a->l[i], a->l[j]);
        }
        /* Products of different limbs count twice. High halves of squares count twice too, in odd
         * columns: they go with the low ones there. */
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) {
        even[i] = lo52(_mm512_setzero_si512(), a->l[i], a->l[i]);
        lo[2 * i + 1] = hi52(lo[2 * i + 1], a->l[i], a->l[i]);
    }
    __m512i z[10];
#pragma GCC unroll 10
    for (unsigned k = 0; k < 10; k++) {
        z[k] = vadd(lo[k], vadd(hi[k], hi[k]));
        z[k] = vadd(z[k], z[k]);
        if (k % 2 == 0) z[k] = vadd(z[k], even[k / 2]);
    }
    struct v5 r;
#pragma GCC unroll 5
    for (unsigned k = 0; k < 5; k++) {
        __m512i nine = vadd(_mm512_slli_epi64(z[k + 5], 3), z[k + 5]);
        r.l[k] = vadd(vadd(z[k], z[k + 5]), vadd(nine, nine));
    }
    return r;
}
static SN_ALWAYS_INLINE struct v5 v5_mulc(const struct v5 *a, const struct v5 *b)
{
    struct v5 r = v5_mul(a, b);
    return v5_carry(&r);
}
static SN_ALWAYS_INLINE struct v5 v5_sqrc(const struct v5 *a)
{
    struct v5 r = v5_sqr(a);
    return v5_carry(&r);
}
static SN_NOINLINE struct v5 v5_sqr_n(struct v5 a, unsigned n)
{
    while (n--) a = v5_sqrc(&a);
    return a;
}
/* a^((p-5)/8) */
static struct v5 v5_pow_p58(const struct v5 *a)
{
    struct v5 r[FE51_POW_STEPS + 1], t;
    r[0] = *a;
    for (unsigned i = 0; i < FE51_POW_STEPS; i++) {
        r[i + 1] = v5_sqr_n(r[fe51_pow_steps[i].from], fe51_pow_steps[i].squarings);
        if (fe51_pow_steps[i].times != FE51_POW_NONE)
            r[i + 1] = v5_mulc(&r[i + 1], &r[fe51_pow_steps[i].times]);
    }
    t = v5_sqr_n(r[FE51_POW_STEPS], 2);
    return v5_mulc(&t, a);
}
/* As fe51_freeze. */
static struct v5 v5_freeze(const struct v5 *a)
{
    const __m512i low = vset(FE51_LOW);
    struct v5 r = v5_carry(a);
    for (unsigned pass = 0; pass < 2; pass++) {
        __m512i c = _mm512_setzero_si512();
#pragma GCC unroll 5
        for (unsigned i = 0; i < 5; i++) {
            r.l[i] = vadd(r.l[i], c);
            c = _mm512_srli_epi64(r.l[i], 51);
            r.l[i] = _mm512_and_si512(r.l[i], low);
        }
        r.l[0] = lo52(r.l[0], c, vset(19));
    }
    __m512i q = _mm512_srli_epi64(vadd(r.l[0], vset(19)), 51);
#pragma GCC unroll 4
    for (unsigned i = 1; i < 5; i++) q = _mm512_srli_epi64(vadd(r.l[i], q), 51);
    r.l[0] = lo52(r.l[0], q, vset(19));
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; i++) {
        r.l[i + 1] = vadd(r.l[i + 1], _mm512_srli_epi64(r.l[i], 51));
        r.l[i] = _mm512_and_si512(r.l[i], low);
    }
    r.l[4] = _mm512_and_si512(r.l[4], low);
    return r;
}
static __mmask8 v5_is_zero(const struct v5 *a)
{
    struct v5 r = v5_freeze(a);
    __m512i any = r.l[0];
    for (unsigned i = 1; i < 5; i++) any = _mm512_or_si512(any, r.l[i]);
    return _mm512_testn_epi64_mask(any, any);
}

/* Four words of each of eight rows to four registers, lane i being row i. Halves of two rows share
 * a register when they are loaded, so that two steps of shuffles do. */
static SN_ALWAYS_INLINE void load_quad(__m512i w[4], const uint64_t *const row[8], unsigned at)
{
    static const uint8_t low[4] = {0, 1, 4, 5};
    __m512i t[4];
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; i++)
        t[i] = _mm512_inserti64x4(_mm512_castsi256_si512(
                                      _mm256_loadu_si256((const __m256i *)(row[low[i]] + at))),
                                  _mm256_loadu_si256((const __m256i *)(row[low[i] + 2] + at)), 1);
    __m512i a = _mm512_unpacklo_epi64(t[0], t[1]), b = _mm512_unpackhi_epi64(t[0], t[1]);
    __m512i c = _mm512_unpacklo_epi64(t[2], t[3]), d = _mm512_unpackhi_epi64(t[2], t[3]);
    w[0] = _mm512_shuffle_i64x2(a, c, 0x88);
    w[1] = _mm512_shuffle_i64x2(b, d, 0x88);
    w[2] = _mm512_shuffle_i64x2(a, c, 0xdd);
    w[3] = _mm512_shuffle_i64x2(b, d, 0xdd);
}
/* And back. */
static SN_ALWAYS_INLINE void store_quad(uint64_t *const row[8], unsigned at, const __m512i w[4])
{
    /* Words 0 and 1, then 2 and 3, of even lanes and of odd ones. */
    __m512i a = _mm512_unpacklo_epi64(w[0], w[1]), b = _mm512_unpackhi_epi64(w[0], w[1]);
    __m512i c = _mm512_unpacklo_epi64(w[2], w[3]), d = _mm512_unpackhi_epi64(w[2], w[3]);
    SN_ALIGNED(64) uint64_t t[4][8];
    _mm512_store_si512(t[0], a);
    _mm512_store_si512(t[1], b);
    _mm512_store_si512(t[2], c);
    _mm512_store_si512(t[3], d);
    for (unsigned i = 0; i < 8; i++) {
        memcpy(row[i] + at, &t[i & 1][2 * (i >> 1)], 16);
        memcpy(row[i] + at + 2, &t[2 + (i & 1)][2 * (i >> 1)], 16);
    }
}

/* p + the rows n; n[3] is 2z, or NULL for z = 1. Rows are carried. */
static SN_ALWAYS_INLINE void point_add(struct vpoint *p, const struct v5 *ypx, const struct v5 *ymx,
                                       const struct v5 *t2d, const struct v5 *z2)
{
    struct v5 a = v5_mul(&p->d, ymx), b = v5_mul(&p->s, ypx), c = v5_mul(&p->t, t2d), d;
    if (z2)
        d = v5_mul(&p->z, z2);
    else
        d = v5_add(&p->z, &p->z);
    struct v5 e = v5_sub(&b, &a, RAW), h = v5_add(&b, &a), f = v5_sub(&d, &c, RAW),
              g = v5_add(&d, &c);
    e = v5_carry(&e);
    f = v5_carry(&f);
    g = v5_carry(&g);
    h = v5_carry(&h);
    struct v5 x = v5_mul(&e, &f), y = v5_mul(&g, &h);
    p->z = v5_mulc(&f, &g);
    p->t = v5_mulc(&e, &h);
    struct v5 s = v5_add(&y, &x), m = v5_sub(&y, &x, RAW);
    p->s = v5_carry(&s);
    p->d = v5_carry(&m);
}
/* Everything twice what the formula says: s^2 - d^2 is 4xy, s^2 + d^2 twice x^2 + y^2, 2sd twice
 * y^2 - x^2. */
static SN_NOINLINE void point_dbl(struct vpoint *p, bool want_t)
{
    struct v5 a = v5_sqr(&p->s), b = v5_sqr(&p->d), g = v5_mul(&p->s, &p->d), z = v5_sqr(&p->z);
    struct v5 e = v5_sub(&a, &b, RAW), h = v5_add(&a, &b);
    g = v5_add(&g, &g);
    z = v5_add(&z, &z);
    z = v5_add(&z, &z);
    struct v5 f = v5_sub(&z, &g, RAW_X2);
    e = v5_carry(&e);
    f = v5_carry(&f);
    g = v5_carry(&g);
    h = v5_carry(&h);
    struct v5 x = v5_mul(&e, &f), y = v5_mul(&g, &h);
    p->z = v5_mulc(&f, &g);
    if (want_t) p->t = v5_mulc(&e, &h);
    struct v5 s = v5_add(&y, &x), m = v5_sub(&y, &x, RAW);
    p->s = v5_carry(&s);
    p->d = v5_carry(&m);
}
static void point_zero(struct vpoint *p)
{
    memset(p, 0, sizeof(*p));
    p->s.l[0] = p->d.l[0] = p->z.l[0] = vset(1);
}

/* Rows of the neutral element, for digits that are zero. */
static SN_ALIGNED(64) const uint64_t zero_kept[ED_KEY_ROW] = {[0] = 1, [5] = 1};
static SN_ALIGNED(64) const uint64_t zero_point[ED_POINT_ROW] = {[0] = 1, [5] = 1, [15] = 2};

/* The rows that the digits choose. Returns which lanes are negative. */
static SN_ALWAYS_INLINE __mmask8 choose_rows(const uint64_t *row[8], const struct ed_group *g,
                                             unsigned k, size_t words, const uint64_t *zero)
{
    unsigned negative = 0;
#pragma GCC unroll 8
    for (unsigned j = 0; j < ED_LANES; j++) {
        int d = g->digit[k][j];
        size_t of = (size_t)(d < 0 ? -d : d);
        row[j] = d ? g->table[j] + (of - 1) * words : zero;
        negative |= (unsigned)(d < 0) << j;
    }
    return (__mmask8)negative;
}
/* -(x, y) changes the first two rows' places and the third's sign. */
static SN_ALWAYS_INLINE void negate(struct v5 *ypx, struct v5 *ymx, struct v5 *t2d, __mmask8 lanes)
{
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) {
        __m512i a = ypx->l[i], b = ymx->l[i];
        ypx->l[i] = _mm512_mask_mov_epi64(a, lanes, b);
        ymx->l[i] = _mm512_mask_mov_epi64(b, lanes, a);
    }
    struct v5 zero = {{_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(),
                       _mm512_setzero_si512(), _mm512_setzero_si512()}};
    struct v5 n = v5_sub(&zero, t2d, CARRIED);
    n = v5_carry(&n);
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) t2d->l[i] = _mm512_mask_mov_epi64(t2d->l[i], lanes, n.l[i]);
}
static SN_NOINLINE void add_kept(struct vpoint *p, const struct ed_group *g, unsigned k)
{
    const uint64_t *row[8];
    __m512i w[16];
    __mmask8 negative = choose_rows(row, g, k, ED_KEY_ROW, zero_kept);
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; i++) load_quad(w + 4 * i, row, 4 * i);
    struct v5 n[3];
#pragma GCC unroll 3
    for (unsigned i = 0; i < 3; i++) memcpy(&n[i], w + 5 * i, sizeof(n[i]));
    negate(&n[0], &n[1], &n[2], negative);
    point_add(p, &n[0], &n[1], &n[2], NULL);
}
static SN_NOINLINE void add_point(struct vpoint *p, const struct ed_group *g, unsigned k)
{
    const uint64_t *row[8];
    __m512i w[20];
    __mmask8 negative = choose_rows(row, g, k, ED_POINT_ROW, zero_point);
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) load_quad(w + 4 * i, row, 4 * i);
    struct v5 n[4];
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; i++) memcpy(&n[i], w + 5 * i, sizeof(n[i]));
    negate(&n[0], &n[1], &n[2], negative);
    point_add(p, &n[0], &n[1], &n[2], &n[3]);
}
/* The eight lanes' points. */
static void split_lanes(struct ed_point ret[ED_LANES], const struct vpoint *p)
{
    SN_ALIGNED(64) uint64_t w[4][5][8];
    memcpy(w, p, sizeof(w));
    for (unsigned j = 0; j < ED_LANES; j++) {
        struct ed_point *q = &ret[j];
        struct fe51 s, d;
        for (unsigned i = 0; i < 5; i++) {
            s.v[i] = w[0][i][j];
            d.v[i] = w[1][i][j];
            q->z.v[i] = w[2][i][j];
            q->t.v[i] = w[3][i][j];
        }
        /* Sum and difference of y+x and y-x are 2y and 2x: so z and t double too. */
        fe51_sub(&q->x, &s, &d);
        fe51_add(&q->y, &s, &d);
        fe51_add(&q->z, &q->z, &q->z);
        fe51_add(&q->t, &q->t, &q->t);
        fe51_carry(&q->x);
        fe51_carry(&q->y);
        fe51_carry(&q->z);
        fe51_carry(&q->t);
    }
}
static void sum_lanes(struct ed_point *ret, const struct vpoint *p)
{
    struct ed_point lane[ED_LANES];
    split_lanes(lane, p);
    *ret = lane[0];
    for (unsigned j = 1; j < ED_LANES; j++) {
        uint64_t row[ED_POINT_ROW];
        ed_point_row(row, &lane[j]);
        ed_point_add_row(ret, ret, row, false, false);
    }
}
static void sum(struct ed_point *ret, const struct ed_group *g, size_t n, unsigned top)
{
    struct vpoint p;
    point_zero(&p);
    for (unsigned bit = top; bit-- > 0;) {
        bool adds = false;
        for (size_t i = 0; i < n && !adds; i++)
            adds = bit % g[i].window == 0 && bit / g[i].window < g[i].digits;
        if (bit + 1 < top) point_dbl(&p, adds || bit == 0);
        for (size_t i = 0; adds && i < n; i++) {
            unsigned k = bit / g[i].window;
            if (bit % g[i].window != 0 || k >= g[i].digits) continue;
            if (g[i].kept)
                add_kept(&p, &g[i], k);
            else
                add_point(&p, &g[i], k);
        }
    }
    sum_lanes(ret, &p);
}

/* Lanes of p to, and from, one slot each. */
static SN_ALWAYS_INLINE void load_points(struct vpoint *p, uint64_t *const slot[8])
{
    __m512i w[20];
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) load_quad(w + 4 * i, (const uint64_t *const *)slot, 4 * i);
    memcpy(&p->s, w, sizeof(p->s));
    memcpy(&p->d, w + 5, sizeof(p->d));
    memcpy(&p->z, w + 10, sizeof(p->z));
    memcpy(&p->t, w + 15, sizeof(p->t));
}
static SN_ALWAYS_INLINE void store_points(uint64_t *const slot[8], const struct vpoint *p)
{
    __m512i w[20];
    memcpy(w, &p->s, sizeof(p->s));
    memcpy(w + 5, &p->d, sizeof(p->d));
    memcpy(w + 10, &p->z, sizeof(p->z));
    memcpy(w + 15, &p->t, sizeof(p->t));
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) store_quad(slot, 4 * i, w + 4 * i);
}
static SN_ALWAYS_INLINE struct v5 v5_all(const uint64_t *limb)
{
    struct v5 r;
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) r.l[i] = vset(limb[i]);
    return r;
}
/* One term to eight windows from w: each lane has its own buckets, so no two meet. */
static SN_NOINLINE void add_to_buckets(struct ed_point *mem, const struct ed_bucket_term *t,
                                       unsigned w)
{
    uint64_t *slot[8];
    unsigned negative = 0;
#pragma GCC unroll 8
    for (unsigned j = 0; j < ED_LANES; j++) {
        int d = t->digit[w + j];
        slot[j] = (uint64_t *)&mem[(w + j) * ED_BUCKET_SLOTS + (unsigned)(d < 0 ? -d : d)];
        negative |= (unsigned)(d < 0) << j;
    }
    struct v5 ypx = v5_all(t->row), ymx = v5_all(t->row + 5), t2d = v5_all(t->row + 10);
    struct vpoint p;
    load_points(&p, slot);
    negate(&ypx, &ymx, &t2d, (__mmask8)negative);
    if (t->kept) {
        point_add(&p, &ypx, &ymx, &t2d, NULL);
    } else {
        struct v5 z2 = v5_all(t->row + 15);
        point_add(&p, &ypx, &ymx, &t2d, &z2);
    }
    store_points(slot, &p);
}
static SN_NOINLINE void point_add_point(struct vpoint *p, const struct vpoint *q)
{
    const struct v5 d2 = v5_of(&ed_d2);
    struct v5 t2d = v5_mulc(&q->t, &d2), z2 = v5_add(&q->z, &q->z);
    z2 = v5_carry(&z2);
    point_add(p, &q->s, &q->d, &t2d, &z2);
}
/* Eight windows' buckets, each times its digit, to the lanes of ret. */
static void join_buckets(struct vpoint *ret, struct ed_point *mem)
{
    struct vpoint run;
    point_zero(ret);
    point_zero(&run);
    for (unsigned d = ED_BUCKET_SLOTS - 1; d > 0; d--) {
        uint64_t *slot[8];
        struct vpoint q;
        for (unsigned j = 0; j < ED_LANES; j++) slot[j] = (uint64_t *)&mem[j * ED_BUCKET_SLOTS + d];
        load_points(&q, slot);
        point_add_point(&run, &q);
        point_add_point(ret, &run);
    }
}
static void buckets(struct ed_point *ret, const struct ed_bucket_term *t, size_t n,
                    struct ed_point *mem)
{
    unsigned windows = ed_windows(t, n);
    /* y+x, y-x, z, t of the neutral element. */
    static const struct ed_point zero = {{{1}}, {{1}}, {{1}}, {{0}}};
    for (size_t i = 0; i < (size_t)windows * ED_BUCKET_SLOTS; i++) mem[i] = zero;
    for (size_t i = 0; i < n; i++)
        for (unsigned w = 0; w < t[i].windows; w += ED_LANES) add_to_buckets(mem, &t[i], w);
    ed_point_zero(ret);
    for (unsigned w = windows; w > 0; w -= ED_LANES) {
        struct vpoint sum;
        struct ed_point lane[ED_LANES];
        join_buckets(&sum, mem + (size_t)(w - ED_LANES) * ED_BUCKET_SLOTS);
        split_lanes(lane, &sum);
        for (unsigned j = ED_LANES; j-- > 0;) {
            uint64_t row[ED_POINT_ROW];
            for (unsigned i = 0; i < ED_BUCKET_BITS; i++) ed_point_dbl(ret, ret);
            ed_point_row(row, &lane[j]);
            ed_point_add_row(ret, ret, row, false, false);
        }
    }
}

/* The x of y, for those lanes that have one: decompress_one of ed25519_point.c. */
static __mmask8 solve(struct v5 *ret_x, const struct v5 *y, __mmask8 odd)
{
    const struct v5 d = v5_of(&ed_d), root = v5_of(&ed_sqrt_m1);
    struct v5 one = v5_of(&(struct fe51){{1}}), u, v, v3, x, t, w;
    u = v5_sqr(y);
    t = v5_carry(&u);
    v = v5_mul(&d, &t);
    v = v5_add(&v, &one);
    u = v5_sub(&u, &one, CARRIED);
    v = v5_carry(&v);
    u = v5_carry(&u);
    v3 = v5_sqrc(&v);
    v3 = v5_mulc(&v3, &v);
    x = v5_sqrc(&v3);
    x = v5_mulc(&x, &v);
    x = v5_mulc(&x, &u);
    x = v5_pow_p58(&x);
    x = v5_mulc(&x, &v3);
    x = v5_mulc(&x, &u);
    t = v5_sqrc(&x);
    t = v5_mulc(&t, &v);
    w = v5_sub(&t, &u, CARRIED);
    __mmask8 plain = v5_is_zero(&w);
    w = v5_add(&t, &u);
    __mmask8 turned = (__mmask8)(v5_is_zero(&w) & ~plain);
    w = v5_mulc(&x, &root);
    for (unsigned i = 0; i < 5; i++) x.l[i] = _mm512_mask_mov_epi64(x.l[i], turned, w.l[i]);
    x = v5_freeze(&x);
    __mmask8 is_odd = _mm512_test_epi64_mask(x.l[0], vset(1));
    struct v5 zero = v5_of(&(struct fe51){{0}});
    w = v5_sub(&zero, &x, CARRIED);
    w = v5_carry(&w);
    for (unsigned i = 0; i < 5; i++)
        ret_x->l[i] = _mm512_mask_mov_epi64(x.l[i], (__mmask8)(is_odd ^ odd), w.l[i]);
    return plain | turned;
}
static void decompress_eight(struct ed_affine *ret, bool *ok, const uint8_t *const *enc, unsigned n)
{
    SN_ALIGNED(64) uint64_t in[8][4], out[2][5][8];
    const uint64_t *row[8];
    __m512i w[4];
    struct v5 x, y;
    const __m512i low = vset(FE51_LOW);
    memset(in, 0, sizeof(in));
    for (unsigned i = 0; i < ED_LANES; i++) {
        if (i < n) memcpy(in[i], enc[i], sizeof(in[i]));
        row[i] = in[i];
    }
    load_quad(w, row, 0);
    y.l[0] = _mm512_and_si512(w[0], low);
    y.l[1] = _mm512_or_si512(_mm512_srli_epi64(w[0], 51), _mm512_slli_epi64(w[1], 13));
    y.l[2] = _mm512_or_si512(_mm512_srli_epi64(w[1], 38), _mm512_slli_epi64(w[2], 26));
    y.l[3] = _mm512_or_si512(_mm512_srli_epi64(w[2], 25), _mm512_slli_epi64(w[3], 39));
    y.l[4] = _mm512_srli_epi64(w[3], 12);
    for (unsigned i = 1; i < 5; i++) y.l[i] = _mm512_and_si512(y.l[i], low);
    __mmask8 have = solve(&x, &y, _mm512_movepi64_mask(w[3]));
    memcpy(out[0], &x, sizeof(x));
    memcpy(out[1], &y, sizeof(y));
    for (unsigned j = 0; j < n; j++) {
        ok[j] = have >> j & 1;
        for (unsigned i = 0; i < 5; i++) {
            ret[j].x.v[i] = out[0][i][j];
            ret[j].y.v[i] = out[1][i][j];
        }
    }
}
static void decompress(struct ed_affine *ret, bool *ok, const uint8_t *const *enc, size_t n)
{
    for (size_t i = 0; i < n; i += ED_LANES)
        decompress_eight(ret + i, ok + i, enc + i, (unsigned)SN_MIN(ED_LANES, n - i));
}

static void tables_eight(struct ed_point_table *ret, const struct ed_affine *a, unsigned n)
{
    SN_ALIGNED(64) uint64_t in[2][5][8];
    struct v5 x, y, first[3];
    struct vpoint p;
    struct ed_point_table spare;
    const struct v5 d2 = v5_of(&ed_d2);
    memset(in, 0, sizeof(in));
    for (unsigned j = 0; j < n; j++)
        for (unsigned i = 0; i < 5; i++) {
            in[0][i][j] = a[j].x.v[i];
            in[1][i][j] = a[j].y.v[i];
        }
    memcpy(&x, in[0], sizeof(x));
    memcpy(&y, in[1], sizeof(y));
    struct v5 s = v5_add(&y, &x), d = v5_sub(&y, &x, CARRIED);
    p.s = v5_carry(&s);
    p.d = v5_carry(&d);
    p.z = v5_of(&(struct fe51){{1}});
    p.t = v5_mulc(&x, &y);
    for (unsigned k = 0; k < ED_POINT_ENTRIES; k++) {
        if (k > 0) point_add(&p, &first[0], &first[1], &first[2], NULL);
        struct v5 t2d = v5_mulc(&p.t, &d2), z2 = v5_add(&p.z, &p.z);
        z2 = v5_carry(&z2);
        if (k == 0) {
            first[0] = p.s;
            first[1] = p.d;
            first[2] = t2d;
        }
        uint64_t *row[8];
        __m512i w[20];
        for (unsigned j = 0; j < ED_LANES; j++) row[j] = j < n ? ret[j].row[k] : spare.row[k];
        memcpy(w, &p.s, sizeof(p.s));
        memcpy(w + 5, &p.d, sizeof(p.d));
        memcpy(w + 10, &t2d, sizeof(t2d));
        memcpy(w + 15, &z2, sizeof(z2));
        for (unsigned i = 0; i < 5; i++) store_quad(row, 4 * i, w + (size_t)4 * i);
    }
}
static void tables(struct ed_point_table *ret, const struct ed_affine *p, size_t n)
{
    for (size_t i = 0; i < n; i += ED_LANES)
        tables_eight(ret + i, p + i, (unsigned)SN_MIN(ED_LANES, n - i));
}

const struct ed_engine ed_ifma = {
    .name = "ifma",
    .decompress = decompress,
    .tables = tables,
    .sum = sum,
    .buckets = buckets,
    .hash = ed_vec_hash,
};
#endif

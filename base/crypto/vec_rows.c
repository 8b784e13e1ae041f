/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/vec_rows.c - rows eight at a time: the kernel of rows.h.
 *
 * Eight rows of about the same shape are eight lanes, and lane k takes entry j of its sum in step j:
 * elements are loaded and transposed from where they lie (gather instructions are several times
 * slower on processors whose microcode guards them). A long sum is taken apart by itself, eight of
 * its entries to a step. Products are added up in ten columns without being reduced; an entry of +-1
 * is added to the upper five, which stand for 2^260 and more, and costs no product. A wire that is 0
 * or 1 in all eight lanes turns the product into an addition as well. A long sum that was met shortly
 * before, or its negation, is not made again: x^5 is three rows, and x, which may be a sum of sixty,
 * stands in them three times.
 *
 * Elements are taken as they lie in memory, x*2^256 for x; coefficients enter times 2^4, so a sum's
 * columns hold s*2^516, and (-a*2^256)(b*2^256)*2^4 added to those of c is (c - ab)*2^516: reduced
 * once, a multiple of p where the row holds. */
#include "crypto/rows.h"
#include "crypto/vec_int.h"

#ifdef __AVX512F__
#include "crypto/vec_f5_int.h"

#define LONG SN_VEC_ROWS_LONG
/* Entries between two reductions: 128 steps' columns stay below 2^63, and sums below 2^11 p. */
#define CHUNK 1024u
#define MEMOS 32u

/* The columns of a long sum that was met before. */
struct memo {
    uint32_t at, len; /* 0: none */
    uint64_t columns[10];
};
struct rows {
    const struct sn_fe_rows *r;
    struct f5_mod m;
    __m512d top_inv; /* 2^208/p and a little less */
    __m512i one[4];  /* 2^256 mod p, in words */
    uint64_t p[5];
    struct memo memo[MEMOS];
};

/* One of A, B and C of eight rows. */
struct lcs {
    uint32_t at[8], len[8];
    uint32_t shortest, longest;
};
/* Lanes of a step that have an entry, that have -1; whether any has something else than 1 and -1. */
struct kinds {
    __mmask8 lanes, minus;
    bool product;
};
/* The entries of a step, of the lanes that have one. */
struct entries {
    uint32_t wire[8], coef[8], lanes;
};
/* Two elements side by side. */
static SN_ALWAYS_INLINE __m512i two(const struct sn_fe *a, const struct sn_fe *b)
{
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const void *)a)),
                              _mm256_loadu_si256((const void *)b), 1);
}
/* Elements base[at[k]] of the lanes in the mask, a register for each word; 0 in the others. */
static SN_ALWAYS_INLINE void collect(__m512i w[4], const struct sn_fe *base, const uint32_t at[8],
                                     __mmask8 mask)
{
    __m512i a = two(base + at[0], base + at[2]), b = two(base + at[4], base + at[6]);
    __m512i c = two(base + at[1], base + at[3]), d = two(base + at[5], base + at[7]);
    __m512i x = _mm512_shuffle_i64x2(a, b, 0x88), y = _mm512_shuffle_i64x2(c, d, 0x88);
    w[0] = _mm512_maskz_unpacklo_epi64(mask, x, y), w[1] = _mm512_maskz_unpackhi_epi64(mask, x, y);
    x = _mm512_shuffle_i64x2(a, b, 0xdd), y = _mm512_shuffle_i64x2(c, d, 0xdd);
    w[2] = _mm512_maskz_unpacklo_epi64(mask, x, y), w[3] = _mm512_maskz_unpackhi_epi64(mask, x, y);
}
/* Lanes whose element is 1; *ret_all whether the others' are all 0. */
static SN_ALWAYS_INLINE __mmask8 ones(const __m512i w[4], const __m512i one[4], bool *ret_all)
{
    __mmask8 is_one = _mm512_cmpeq_epi64_mask(w[1], one[1]);
    __mmask8 is_zero = _mm512_testn_epi64_mask(w[1], w[1]);
    *ret_all = false;
    if (SN_LIKELY((is_one | is_zero) != 0xff)) return 0;
    is_one &= _mm512_cmpeq_epi64_mask(w[0], one[0]) & _mm512_cmpeq_epi64_mask(w[2], one[2]) &
              _mm512_cmpeq_epi64_mask(w[3], one[3]);
    __m512i any = _mm512_or_si512(_mm512_or_si512(w[0], w[1]), _mm512_or_si512(w[2], w[3]));
    *ret_all = (is_one | _mm512_testn_epi64_mask(any, any)) == 0xff;
    return is_one;
}
static SN_ALWAYS_INLINE void add_whole(__m512i t[10], const struct f5 *x)
{
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) t[i + 5] = _mm512_add_epi64(t[i + 5], x->l[i]);
}
/* Adds an entry of each lane. Returns whether that took a product. */
static SN_ALWAYS_INLINE bool step(const struct rows *s, __m512i t[10], const uint32_t wire[8],
                                  const uint32_t coef[8], struct kinds kinds)
{
    __m512i w[4], c[4];
    bool bits;
    collect(w, s->r->w, wire, kinds.lanes);
    if (!kinds.product) {
        struct f5 x = f5_split(w, 0);
#pragma GCC unroll 5
        for (unsigned i = 0; i < 5; i++)
            x.l[i] = _mm512_mask_sub_epi64(x.l[i], kinds.minus, s->m.p.l[i], x.l[i]);
        add_whole(t, &x);
        return false;
    }
    __mmask8 is_one = ones(w, s->one, &bits);
    if (bits) {
        collect(c, s->r->dict, coef, is_one);
        struct f5 x = f5_split(c, 0);
        add_whole(t, &x);
        return false;
    }
    collect(c, s->r->dict, coef, kinds.lanes);
    struct f5 x = f5_split(w, 0), y = f5_split(c, 4);
    f5_accumulate(t, &x, &y);
    return true;
}
static SN_ALWAYS_INLINE struct kinds kinds_of(const uint32_t coef[8], uint32_t lanes)
{
    const __m256i one = _mm256_set1_epi32(1);
    __m256i c = _mm256_loadu_si256((const void *)coef);
    return (struct kinds){(__mmask8)lanes,
                          _mm256_mask_cmpeq_epi32_mask((__mmask8)lanes, c, one),
                          _mm256_cmpgt_epu32_mask(c, one) != 0};
}
/* What n products left in the columns beside their sum. */
static SN_ALWAYS_INLINE void unbias(__m512i t[10], uint64_t n)
{
#pragma GCC unroll 10
    for (unsigned c = 0; c < 10; c++)
        t[c] = _mm512_add_epi64(
            t[c], _mm512_set1_epi64((int64_t)(n * (f5_start(c, 1) - f5_start(c, 0)))));
}

/* Columns of entries lo .. hi-1. */
static SN_NOINLINE void long_sum(const struct rows *s, uint32_t lo, uint32_t hi, uint64_t ret[10])
{
    const __m512i low = _mm512_set1_epi64((int64_t)F5_LOW);
    __m512i t[10];
    uint64_t products = 0;
#pragma GCC unroll 10
    for (unsigned c = 0; c < 10; c++) t[c] = _mm512_setzero_si512();
    for (; lo < hi; lo += 8) {
        uint32_t tail[2][8] = {{0}}, n = SN_MIN(hi - lo, 8u);
        const uint32_t *wire = s->r->wire + lo, *coef = s->r->coef + lo;
        if (n < 8) {
            wire = memcpy(tail[0], wire, n * sizeof(*wire));
            coef = memcpy(tail[1], coef, n * sizeof(*coef));
        }
        products += step(s, t, wire, coef, kinds_of(coef, (1u << n) - 1));
    }
    unbias(t, products);
#pragma GCC unroll 9
    for (unsigned c = 0; c < 9; c++) { /* eight lanes' columns would not fit one */
        t[c + 1] = _mm512_add_epi64(t[c + 1], _mm512_srai_epi64(t[c], F5_BITS));
        t[c] = _mm512_and_si512(t[c], low);
    }
#pragma GCC unroll 10
    for (unsigned c = 0; c < 10; c++) ret[c] = (uint64_t)_mm512_reduce_add_epi64(t[c]);
}
/* Whether the same wires stand from a and from b on, with the same coefficients or, *ret_minus, with
 * their negations. */
static bool same_sum(const struct sn_fe_rows *r, uint32_t a, uint32_t b, uint32_t len, bool *ret_minus)
{
    const uint32_t *coef = r->coef;
    if (memcmp(r->wire + a, r->wire + b, len * sizeof(*coef)) != 0) return false;
    *ret_minus = coef[a] != coef[b];
    if (!*ret_minus) return memcmp(coef + a, coef + b, len * sizeof(*coef)) == 0;
    for (uint32_t i = 0; i < len; i++)
        if (coef[a + i] == coef[b + i] || r->negation[coef[a + i]] != coef[b + i]) return false;
    return true;
}
/* The same, of `len` entries from `at` on into lane k, made or remembered. */
static void long_columns(struct rows *s, uint32_t at, uint32_t len, uint64_t columns[10][8],
                         unsigned k)
{
    const uint32_t *wire = s->r->wire;
    uint32_t hash = (wire[at] ^ wire[at + len - 1] * 5 ^ len) * 0x9e3779b1u;
    struct memo *m = &s->memo[hash / (UINT32_MAX / MEMOS + 1)];
    bool minus = false;
    if (m->len != len || !same_sum(s->r, m->at, at, len, &minus)) {
        long_sum(s, at, at + len, m->columns);
        m->at = at;
        m->len = len;
        minus = false;
    }
    if (!minus) {
        for (unsigned i = 0; i < 10; i++) columns[i][k] = m->columns[i];
        return;
    }
    int64_t carry = 0; /* 2^10 p * 2^260 less the sum, which is below that */
    for (unsigned i = 0; i < 10; i++) {
        carry -= (int64_t)m->columns[i];
        if (i >= 5) carry += (int64_t)(s->p[i - 5] * CHUNK);
        columns[i][k] = i < 9 ? (uint64_t)carry & F5_LOW : (uint64_t)carry;
        carry >>= F5_BITS;
    }
}
/* Adds short sums of different lengths, nothing for long ones. Returns how many products it took. */
static SN_ALWAYS_INLINE unsigned uneven_sums(const struct rows *s, const struct lcs *l, __m512i t[10])
{
    struct entries of[LONG - 1], *e, *end = of;
    unsigned products = 0;
    for (unsigned k = 0; k < 8; k++) {
        uint32_t n = l->len[k] < LONG ? l->len[k] : 0;
        while (end < of + n) *end++ = (struct entries){0};
        for (unsigned j = 0; j < n; j++) {
            of[j].wire[k] = s->r->wire[l->at[k] + j];
            of[j].coef[k] = s->r->coef[l->at[k] + j];
            of[j].lanes |= 1u << k;
        }
    }
    for (e = of; e < end; e++)
        products += step(s, t, e->wire, e->coef, kinds_of(e->coef, e->lanes));
    return products;
}
/* The same of eight short sums of one length. */
static SN_ALWAYS_INLINE unsigned even_sums(const struct rows *s, const struct lcs *l, __m512i t[10])
{
    unsigned products = 0;
    for (uint32_t j = 0; j < l->longest; j++) {
        uint32_t wire[8], coef[8], minus = 0, any = 0;
#pragma GCC unroll 8
        for (unsigned k = 0; k < 8; k++) {
            wire[k] = s->r->wire[l->at[k] + j];
            coef[k] = s->r->coef[l->at[k] + j];
            any |= coef[k];
            minus |= (coef[k] & 1) << k;
        }
        products += step(s, t, wire, coef, (struct kinds){0xff, (__mmask8)minus, any > 1});
    }
    return products;
}
/* Columns of the sums that are short, 0 for the others. Returns whether there were products. */
static SN_NOINLINE bool short_sums(const struct rows *s, const struct lcs *l,
                                   uint64_t columns[10][8])
{
    __m512i t[10];
#pragma GCC unroll 10
    for (unsigned c = 0; c < 10; c++) t[c] = _mm512_setzero_si512();
    bool even = l->shortest == l->longest && l->longest < LONG;
    unsigned products = even ? even_sums(s, l, t) : uneven_sums(s, l, t);
    if (products) unbias(t, products);
#pragma GCC unroll 10
    for (unsigned c = 0; c < 10; c++) _mm512_store_si512(columns[c], t[c]);
    return products;
}

/* From below 2^11 p, carried, to below 3p: the quotient's estimate is at most 1 too small. */
static SN_ALWAYS_INLINE struct f5 reduce(const struct rows *s, const struct f5 *a)
{
    __m512i q = _mm512_cvttpd_epu64(_mm512_mul_pd(_mm512_cvtepu64_pd(a->l[4]), s->top_inv));
    struct f5 r;
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++)
        r.l[i] = _mm512_sub_epi64(a->l[i], _mm512_mullo_epi64(q, s->m.p.l[i]));
    return f5_carry(r);
}
/* What columns stand for, carried; below 8p of short sums, else below 2^11 p. */
static SN_ALWAYS_INLINE struct f5 whole(const struct rows *s, uint64_t columns[10][8], bool products)
{
    __m512i t[10];
#pragma GCC unroll 10
    for (unsigned c = 0; c < 10; c++) t[c] = _mm512_load_si512(columns[c]);
    if (!products) return f5_top(t);
#pragma GCC unroll 10
    for (unsigned c = 0; c < 10; c++)
        t[c] = _mm512_add_epi64(t[c], _mm512_set1_epi64((int64_t)f5_start(c, 0)));
    return f5_redc(t, &s->m);
}
/* Puts the long ones' entries from `from` on, at most CHUNK, where they belong. */
static void put_long(struct rows *s, const struct lcs *l, uint32_t from, uint64_t columns[10][8])
{
    for (unsigned k = 0; k < 8; k++) {
        if (l->len[k] < LONG || l->len[k] <= from) continue;
        long_columns(s, l->at[k] + from, SN_MIN(l->len[k] - from, CHUNK), columns, k);
    }
}
/* All eight sums' columns. Returns whether there were products. */
static SN_NOINLINE bool sums(struct rows *s, const struct lcs *l, uint64_t columns[10][8])
{
    bool products = short_sums(s, l, columns);
    if (l->longest < LONG) return products;
    put_long(s, l, 0, columns);
    for (uint32_t from = CHUNK; from < l->longest; from += CHUNK) {
        struct f5 so_far = whole(s, columns, true);
        so_far = reduce(s, &so_far);
        memset(columns, 0, 10 * sizeof(*columns));
        put_long(s, l, from, columns);
        for (unsigned i = 0; i < 5; i++)
            _mm512_store_si512(columns[i + 5],
                               _mm512_add_epi64(_mm512_load_si512(columns[i + 5]), so_far.l[i]));
    }
    return true;
}

/* Lanes in which it is no multiple of p: below 2^11 p, limbs below 2^62. */
static SN_ALWAYS_INLINE __mmask8 no_multiple(const struct rows *s, const struct f5 *a)
{
    __m512d q = _mm512_mul_pd(_mm512_cvtepi64_pd(a->l[4]), s->top_inv);
    __m512i n = _mm512_cvtpd_epi64(q); /* to nearest: all but exact where it is a multiple */
    struct f5 r;
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++)
        r.l[i] = _mm512_sub_epi64(a->l[i], _mm512_mullo_epi64(n, s->m.p.l[i]));
    r = f5_carry(r);
    return (__mmask8)~f5_zero_mask(&r);
}
/* Those of n rows whose A.w * B.w is not C.w. */
static __mmask8 wrong(struct rows *s, const uint32_t row[8], uint32_t n)
{
    _Alignas(64) uint64_t columns[10][8];
    struct f5 v[2], zero = f5_set((const uint64_t[4]){0});
    struct lcs l[3];
    for (unsigned m = 0; m < 3; m++) l[m] = (struct lcs){.shortest = n < 8 ? 0 : UINT32_MAX};
    for (uint32_t k = 0; k < n; k++) {
        const uint32_t *at = s->r->at + 3 * (size_t)row[k];
#pragma GCC unroll 3
        for (unsigned m = 0; m < 3; m++) {
            uint32_t len = at[m + 1] - at[m];
            l[m].at[k] = at[m];
            l[m].len[k] = len;
            l[m].longest = SN_MAX(l[m].longest, len);
            l[m].shortest = SN_MIN(l[m].shortest, len);
        }
    }
    for (unsigned m = 0; m < 3; m++) {
        bool products = sums(s, &l[m], columns);
        if (m == 2) break;
        v[m] = whole(s, columns, products);
        if (l[m].longest >= LONG) v[m] = reduce(s, &v[m]);
    }
    struct f5 minus = f5_sub(&zero, &v[0], &s->m.p8);
    __m512i t[10];
#pragma GCC unroll 10
    for (unsigned c = 0; c < 10; c++)
        t[c] = _mm512_set1_epi64((int64_t)(f5_start(c, 1) - f5_start(c, 0)));
    f5_accumulate(t, &minus, &v[1]);
#pragma GCC unroll 10
    for (unsigned c = 0; c < 10; c++)
        t[c] = _mm512_add_epi64(
            _mm512_add_epi64(_mm512_slli_epi64(t[c], 4), _mm512_load_si512(columns[c])),
            _mm512_set1_epi64((int64_t)f5_start(c, 0)));
    struct f5 r = f5_redc(t, &s->m);
    return no_multiple(s, &r) & (__mmask8)((1u << n) - 1);
}

static void init(struct rows *s, const struct sn_field *f, const struct sn_fe_rows *r)
{
    s->r = r;
    f5_mod_init(&s->m, f->p.v, f->inv);
    s->top_inv = _mm512_set1_pd((1 - 0x1p-48) / (double)((f->p.v[3] >> 16) + 1));
    for (unsigned k = 0; k < 4; k++) s->one[k] = _mm512_set1_epi64((int64_t)f->one.v[k]);
    for (unsigned i = 0; i < 5; i++)
        s->p[i] = (uint64_t)_mm_cvtsi128_si64(_mm512_castsi512_si128(s->m.p.l[i]));
    memset(s->memo, 0, sizeof(s->memo));
}

uint32_t VEC_(rows_check)(const struct sn_field *f, const struct sn_fe_rows *r, uint32_t lo,
                          uint32_t hi)
{
    struct rows s;
    uint32_t first = hi;
    init(&s, f, r);
    for (uint32_t from = lo; from < hi && first == hi; from += SN_FE_ROWS_WINDOW) {
        uint32_t end = SN_MIN(hi - from, SN_FE_ROWS_WINDOW) + from;
        for (uint32_t i = from; i < end; i += 8) {
            uint32_t row[8], n = SN_MIN(end - i, 8u);
            for (uint32_t k = 0; k < n; k++) row[k] = from + r->order[i + k];
            __mmask8 bad = wrong(&s, row, n);
            for (uint32_t k = 0; bad && k < n; k++)
                if (bad >> k & 1) first = SN_MIN(first, row[k]);
        }
    }
    explicit_bzero(s.memo, sizeof(s.memo)); /* sums of the witness */
    return first;
}
#endif

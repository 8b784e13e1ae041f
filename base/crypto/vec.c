/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/vec.c - products of whole arrays, eight at a time, and the table of a build's kernels. */
#include "crypto/vec_int.h"

#ifdef __AVX512F__
#include "crypto/vec_f5_int.h"

/* Elements in memory carry 2^256, products here divide by 2^260: one factor enters times 2^4. */
#define TIMES_16 4
#ifdef SN_VEC_FMA
#define SIDE_BY_SIDE 1
static SN_ALWAYS_INLINE struct f5 factor(const __m512i w[4], unsigned shift) { return f5_split(w, shift); }
static SN_ALWAYS_INLINE void multiply(struct f5 *x, const struct f5 *y, const struct f5_mod *m, unsigned n)
{
    *x = f5_mul(x, y, m);
    *x = f5_reduce(x, &m->p);
}
static SN_ALWAYS_INLINE void join(__m512i w[4], const struct f5 *x) { f5_join(w, x); }
#else
#define SIDE_BY_SIDE 2
static SN_ALWAYS_INLINE struct f5 factor(const __m512i w[4], unsigned shift) { return f5_loose(w, shift); }
static SN_ALWAYS_INLINE void multiply(struct f5 *x, const struct f5 *y, const struct f5_mod *m, unsigned n)
{
    f5_mul_reduced(x, x, y, m, n);
}
static SN_ALWAYS_INLINE void join(__m512i w[4], const struct f5 *x) { f5_join_loose(w, x); }
#endif

static SN_ALWAYS_INLINE struct f5 load(const struct sn_fe *a, unsigned shift)
{
    __m512i w[4];
    f5_load_words(w, a);
    return factor(w, shift);
}
/* n times eight elements of `a` times those of b, or c where b is NULL. */
static SN_ALWAYS_INLINE void eights(struct sn_fe *ret, const struct sn_fe *a, const struct sn_fe *b,
                                    const struct f5 *c, const struct f5_mod *m, const unsigned n)
{
    struct f5 x[SIDE_BY_SIDE], y[SIDE_BY_SIDE];
#pragma GCC unroll 2
    for (unsigned u = 0; u < n; u++) {
        x[u] = load(a + 8 * u, 0);
        y[u] = b ? load(b + 8 * u, TIMES_16) : *c;
    }
    multiply(x, y, m, n);
#pragma GCC unroll 2
    for (unsigned u = 0; u < n; u++) {
        __m512i w[4];
        join(w, &x[u]);
        f5_store_words(ret + 8 * u, w);
    }
}
static SN_ALWAYS_INLINE size_t all(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a,
                                   const struct sn_fe *b, const struct f5 *c, size_t n)
{
    struct f5_mod m;
    size_t i = 0;
    f5_mod_init(&m, f->p.v, f->inv);
    for (; i + 8 * SIDE_BY_SIDE <= n; i += 8 * SIDE_BY_SIDE)
        eights(ret + i, a + i, b ? b + i : NULL, c, &m, SIDE_BY_SIDE);
    for (; i + 8 <= n; i += 8) eights(ret + i, a + i, b ? b + i : NULL, c, &m, 1);
    return i;
}
size_t VEC_(mul_many)(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a,
                      const struct sn_fe *b, size_t n)
{
    return n < 8 ? 0 : all(f, ret, a, b, NULL, n);
}
size_t VEC_(scale_many)(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a,
                        const struct sn_fe *c, size_t n)
{
    __m512i w[4];
    for (unsigned k = 0; k < 4; k++) w[k] = _mm512_set1_epi64((int64_t)c->v[k]);
    struct f5 y = factor(w, TIMES_16);
    return n < 8 ? 0 : all(f, ret, a, NULL, &y, n);
}

const struct sn_vec_engine VEC_(engine) = {
#ifdef SN_VEC_FMA
    .name = "avx512",
#else
    .name = "ifma",
#endif
    .mul_many = VEC_(mul_many),
    .scale_many = VEC_(scale_many),
    .lanes = &VEC_(lanes),
    .rows_check = VEC_(rows_check),
    .ntt_new = VEC_(ntt_new),
    .ntt_free = VEC_(ntt_free),
    .ntt_run = VEC_(ntt_run),
    .msm_engine = VEC_(msm_engine),
};
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/vec.c - products of whole arrays, eight at a time, and the table of a build's kernels. */
#include "crypto/vec_int.h"

#ifdef __AVX512F__
#include "crypto/vec_f5_int.h"

/* Elements in memory carry 2^256, products here divide by 2^260: one factor enters times 2^4. */
static SN_ALWAYS_INLINE struct f5 times_16(const __m512i w[4]) { return f5_split(w, 4); }
/* Eight elements of `a` times y, which entered times 2^4, reduced. */
static SN_ALWAYS_INLINE void eight(struct sn_fe *ret, const struct sn_fe *a, const struct f5 *y,
                                   const struct f5_mod *m)
{
    __m512i w[4];
    f5_load_words(w, a);
    struct f5 x = f5_split(w, 0);
    x = f5_mul(&x, y, m);
    x = f5_reduce(&x, &m->p);
    f5_join(w, &x);
    f5_store_words(ret, w);
}
size_t VEC_(mul_many)(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a,
                      const struct sn_fe *b, size_t n)
{
    struct f5_mod m;
    size_t i = 0;
    if (n < 8) return 0;
    f5_mod_init(&m, f->p.v, f->inv);
    for (; i + 8 <= n; i += 8) {
        __m512i w[4];
        f5_load_words(w, b + i);
        struct f5 y = times_16(w);
        eight(ret + i, a + i, &y, &m);
    }
    return i;
}
size_t VEC_(scale_many)(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a,
                        const struct sn_fe *c, size_t n)
{
    struct f5_mod m;
    size_t i = 0;
    if (n < 8) return 0;
    f5_mod_init(&m, f->p.v, f->inv);
    __m512i w[4];
    for (unsigned k = 0; k < 4; k++) w[k] = _mm512_set1_epi64((int64_t)c->v[k]);
    struct f5 y = times_16(w);
    for (; i + 8 <= n; i += 8) eight(ret + i, a + i, &y, &m);
    return i;
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

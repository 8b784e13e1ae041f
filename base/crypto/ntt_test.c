/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/ntt_test.c - transforms against their definition, and the two engines against each other. */
#include "crypto/ntt.h"
#include "crypto/vec_int.h"

#include "core/alloc.h"
#include "core/status.h"
#include "crypto/fence_test.h"
#include "crypto/field_int.h"
#include "harness/test.h"

static const struct sn_field *const fields[] = {&sn_bn254_fr, &sn_bls12_381_fr};

/* Runs jobs backwards: nothing may depend on their order. */
static void backwards(void *ctx, void (*job)(void *arg, size_t i), void *arg, size_t n)
{
    while (n-- > 0) job(arg, n);
}
static const struct sn_par pars[] = {{backwards, NULL, 2}, {backwards, NULL, 9}};

static void fill(const struct sn_field *f, struct sn_fe *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct sn_fe t;
        for (unsigned k = 0; k < 4; k++) t.v[k] = sn_test_rand();
        sn_fe_reduce(f, &a[i], &t);
        /* The largest value everywhere is where lazy bounds would show. */
        if (sn_test_rand_below(3) == 0) a[i] = f->p, a[i].v[0]--;
    }
}
/* out[i] = sum_j a[j] x_i^j at x_i = g w^i. */
static void evaluate(const struct sn_field *f, struct sn_fe *out, const struct sn_fe *a, size_t n,
                     const struct sn_fe *w, const struct sn_fe *g)
{
    struct sn_fe x = *g;
    for (size_t i = 0; i < n; i++) {
        struct sn_fe acc = {{0}};
        for (size_t j = n; j-- > 0;) {
            sn_fe_mul(f, &acc, &acc, &x);
            sn_fe_add(f, &acc, &acc, &a[j]);
        }
        out[i] = acc;
        sn_fe_mul(f, &x, &x, w);
    }
}

static void check_size(const struct sn_field *f, unsigned log_n, const struct sn_par *par)
{
    size_t n = (size_t)1 << log_n;
    struct sn_fe *a = sn_alloc(3 * n * sizeof(*a)), *b = a + n, *want = a + 2 * n;
    struct sn_ntt *t = NULL;
    sn_test_row("%s 2^%u", f->name, log_n);
    T_EQ(sn_ntt_new(f, log_n, &t), 0);
    fill(f, a, n);
    evaluate(f, want, a, n, sn_ntt_root(t), &f->one);
    memcpy(b, a, n * sizeof(*a));
    T_EQ(sn_ntt_forward(t, b, par), 0);
    T_ASSERT(memcmp(b, want, n * sizeof(*a)) == 0);
    T_EQ(sn_ntt_inverse(t, b, par), 0);
    T_ASSERT(memcmp(b, a, n * sizeof(*a)) == 0);
    /* From values to the coset's values: through the definition twice. */
    struct sn_fe g = f->root, sq;
    for (unsigned i = log_n + 1; i < f->two_adicity; i++) sn_fe_sqr(f, &g, &g);
    sn_fe_sqr(f, &sq, &g);
    T_ASSERT(sn_fe_equal(&sq, sn_ntt_root(t)));
    memcpy(b, want, n * sizeof(*a));
    evaluate(f, want, a, n, sn_ntt_root(t), &g);
    T_EQ(sn_ntt_to_coset(t, b, par), 0);
    T_ASSERT(memcmp(b, want, n * sizeof(*a)) == 0);
    sn_ntt_free(t);
    sn_free(a);
}

SN_TEST(ntt_against_definition)
{
    for (unsigned i = 0; i < SN_COUNT_OF(fields); i++)
        for (unsigned log_n = 0; log_n <= 10; log_n++) check_size(fields[i], log_n, &pars[i]);
    if (!sn_field_vec) return;
    sn_field_vec = NULL;
    for (unsigned i = 0; i < SN_COUNT_OF(fields); i++)
        for (unsigned log_n = 0; log_n <= 9; log_n++) check_size(fields[i], log_n, &pars[i]);
}

SN_TEST(ntt_engines_agree)
{
    const struct sn_vec_engine *engines[2];
    size_t n_engines = sn_vec_engines(engines);
    if (n_engines == 0) sn_test_skip("this processor has no AVX-512");
    for (unsigned i = 0; i < SN_COUNT_OF(fields) * n_engines; i++)
        for (unsigned log_n = 8; log_n <= 14; log_n++) {
            const struct sn_field *f = fields[i / n_engines];
            size_t n = (size_t)1 << log_n;
            struct fence room;
            T_ASSERT(fence_init(&room, n * sizeof(struct sn_fe)));
            struct sn_fe *a = sn_alloc(2 * n * sizeof(*a)), *b = fence_at(&room, n * sizeof(*b), true);
            struct sn_fe *c = a + n;
            struct sn_ntt *vec = NULL, *scalar = NULL;
            sn_field_vec = engines[i % n_engines];
            sn_test_row("%s 2^%u %s", f->name, log_n, sn_field_engine());
            T_EQ(sn_ntt_new(f, log_n, &vec), 0);
            sn_field_vec = NULL;
            T_EQ(sn_ntt_new(f, log_n, &scalar), 0);
            fill(f, a, n);
            for (unsigned p = 0; p < SN_COUNT_OF(pars); p++) {
                memcpy(b, a, n * sizeof(*a)), memcpy(c, a, n * sizeof(*a));
                T_EQ(sn_ntt_forward(vec, b, &pars[p]), 0);
                T_EQ(sn_ntt_forward(scalar, c, &pars[p]), 0);
                T_ASSERT(memcmp(b, c, n * sizeof(*a)) == 0);
                T_EQ(sn_ntt_to_coset(vec, b, &pars[p]), 0);
                T_EQ(sn_ntt_to_coset(scalar, c, &pars[p]), 0);
                T_ASSERT(memcmp(b, c, n * sizeof(*a)) == 0);
                T_EQ(sn_ntt_inverse(vec, b, NULL), 0);
                T_EQ(sn_ntt_inverse(scalar, c, NULL), 0);
                T_ASSERT(memcmp(b, c, n * sizeof(*a)) == 0);
            }
            sn_ntt_free(vec), sn_ntt_free(scalar);
            fence_done(&room);
            sn_free(a);
        }
}

SN_TEST(ntt_limits)
{
    struct sn_ntt *t = NULL;
    T_EQ(sn_ntt_new(&sn_bn254_fr, 29, &t), SN_E_OUT_OF_RANGE);
    T_EQ(sn_ntt_new(&sn_bn254_fq, 2, &t), SN_E_OUT_OF_RANGE);
    T_EQ(sn_ntt_new(&sn_bn254_fq, 1, &t), 0); /* two-adicity one: a domain, but no coset of it */
    struct sn_fe a[2] = {{{3}}, {{4}}};
    T_EQ(sn_ntt_to_coset(t, a, NULL), SN_E_OUT_OF_RANGE);
    sn_ntt_free(t);
    sn_ntt_free(NULL);
}

/* Points are multiples of the generator: transforming them is transforming the multipliers. */
SN_TEST(ntt_points)
{
    static const struct sn_group *const groups[] = {&sn_bn254.g1, &sn_bn254.g2, &sn_bls12_381.g1,
                                                    &sn_bls12_381.g2};
    for (unsigned i = 0; i < SN_COUNT_OF(groups); i++)
        for (unsigned log_n = 0; log_n <= 5; log_n += i % 2 ? 2 : 1) {
            const struct sn_group *g = groups[i];
            struct sn_fe k[32], plain[32];
            static char a[32 * SN_AFFINE_MAX] SN_ALIGNED(8), b[32 * SN_AFFINE_MAX] SN_ALIGNED(8);
            size_t n = (size_t)1 << log_n;
            struct sn_ntt *t = NULL;
            sn_test_row("%s 2^%u", g->name, log_n);
            fill(g->fr, k, n);
            if (n > 4) k[3] = (struct sn_fe){{0}}; /* an infinite point */
            for (int inverse = 0; inverse < 2; inverse++) {
                sn_fe_from_mont_many(g->fr, plain, k, n);
                T_EQ(sn_group_mul_fixed(g, a, g->generator, plain, n, NULL), 0);
                T_EQ(sn_ntt_points(g, log_n, inverse, a, &pars[0]), 0);
                T_EQ(sn_ntt_new(g->fr, log_n, &t), 0);
                T_EQ(inverse ? sn_ntt_inverse(t, k, NULL) : sn_ntt_forward(t, k, NULL), 0);
                sn_ntt_free(t);
                sn_fe_from_mont_many(g->fr, plain, k, n);
                T_EQ(sn_group_mul_fixed(g, b, g->generator, plain, n, NULL), 0);
                T_ASSERT(memcmp(a, b, n * g->affine_size) == 0);
            }
        }
}

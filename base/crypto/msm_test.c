/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/msm_test.c - sums of products against one product after the other, on scalars and points
 * chosen to meet each special case: doublings and cancellations inside a batch above all. */
#include "crypto/msm.h"
#include "crypto/vec_int.h"

#include "core/alloc.h"
#include "core/status.h"
#include "crypto/fence_test.h"
#include "crypto/msm_int.h"
#include "harness/test.h"

static const struct sn_group *const groups[] = {&sn_bn254.g1, &sn_bn254.g2, &sn_bls12_381.g1,
                                                &sn_bls12_381.g2};

static void backwards(void *ctx, void (*job)(void *arg, size_t i), void *arg, size_t n)
{
    while (n-- > 0) job(arg, n);
}
static const struct sn_par par2 = {backwards, NULL, 2};

enum points { DISTINCT, ALL_EQUAL, FEW, WITH_INFINITY, PLUS_MINUS, N_POINTS };
enum scalars { FULL, BITS, SMALL, ALL_SAME, AROUND_R, MIXED, UNREDUCED, ZERO, N_SCALARS };

/* Known multiples of the generator, made once for a group. */
#define POOL 256
static struct {
    const struct sn_group *g;
    struct sn_fe mult[POOL];
    char points[POOL * SN_AFFINE_MAX] SN_ALIGNED(8);
} pool;
static void pool_for(const struct sn_group *g)
{
    if (pool.g == g) return;
    pool.g = g;
    for (size_t i = 0; i < POOL; i++) {
        struct sn_fe t = {{sn_test_rand(), sn_test_rand(), sn_test_rand(), sn_test_rand() >> 3}};
        if (i % 2) sn_fe_neg(g->fr, &t, &pool.mult[i - 1]);
        sn_fe_reduce(g->fr, &pool.mult[i], &t);
    }
    T_EQ(sn_group_mul_fixed(g, pool.points, g->generator, pool.mult, POOL, NULL), 0);
}
/* n points of the pool, known: point i is mult[i] * G. DISTINCT wants many: the pool's, then fresh. */
static void make_points(const struct sn_group *g, enum points kind, struct sn_fe *mult,
                        char *points, size_t n)
{
    size_t size = g->affine_size;
    pool_for(g);
    for (size_t i = 0; i < n; i++) {
        size_t from = kind == ALL_EQUAL    ? 0
                      : kind == FEW        ? sn_test_rand_below(3)
                      : kind == PLUS_MINUS ? i % POOL
                                           : 2 * i % POOL;
        mult[i] = pool.mult[from];
        memcpy(points + i * size, pool.points + from * size, size);
        if (kind != WITH_INFINITY || sn_test_rand_below(3)) continue;
        mult[i] = (struct sn_fe){{0}};
        memset(points + i * size, 0, size);
    }
    if (kind != DISTINCT || n <= POOL) return;
    for (size_t i = 0; i < n; i++) {
        struct sn_fe t = {{sn_test_rand(), sn_test_rand(), sn_test_rand(), sn_test_rand() >> 3}};
        sn_fe_reduce(g->fr, &mult[i], &t);
    }
    T_EQ(sn_group_mul_fixed(g, points, g->generator, mult, n, NULL), 0);
}
static void make_scalars(const struct sn_group *g, enum scalars kind, struct sn_fe *k, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct sn_fe t = {{sn_test_rand(), sn_test_rand(), sn_test_rand(), sn_test_rand()}};
        enum scalars kind_i = kind == MIXED ? (enum scalars)sn_test_rand_below(N_SCALARS) : kind;
        if (kind_i == BITS) t = (struct sn_fe){{sn_test_rand_below(2)}};
        if (kind_i == SMALL) t = (struct sn_fe){{sn_test_rand_below(1000)}};
        if (kind_i == ALL_SAME && i > 0) t = k[0];
        if (kind_i == ZERO) t = (struct sn_fe){{0}};
        if (kind_i == AROUND_R) {
            t = g->fr->p;
            t.v[0] -= sn_test_rand_below(4);
            if (i % 5 == 0) t = (struct sn_fe){{t.v[0] >> 1 | t.v[1] << 63, t.v[1] >> 1 | t.v[2] << 63,
                                                t.v[2] >> 1 | t.v[3] << 63, t.v[3] >> 1}};
        }
        if (kind_i != UNREDUCED) sn_fe_reduce(g->fr, &t, &t);
        k[i] = t;
    }
}
/* The answer by arithmetic on the multipliers. */
static void expected(const struct sn_group *g, const struct sn_fe *mult, const struct sn_fe *k,
                     size_t n, struct sn_point *ret)
{
    struct sn_fe acc = {{0}}, a, b;
    for (size_t i = 0; i < n; i++) {
        sn_fe_reduce(g->fr, &a, &k[i]);
        sn_fe_to_mont(g->fr, &a, &a), sn_fe_to_mont(g->fr, &b, &mult[i]);
        sn_fe_mul(g->fr, &a, &a, &b), sn_fe_add(g->fr, &acc, &acc, &a);
    }
    sn_fe_from_mont(g->fr, &acc, &acc);
    sn_point_from_affine(g, ret, g->generator);
    sn_point_mul(g, ret, ret, &acc);
}
static void check(const struct sn_group *g, enum points points_kind, enum scalars scalars_kind,
                  size_t n, unsigned window)
{
    struct fence scalars_room, points_room;
    T_ASSERT(fence_init(&scalars_room, n * sizeof(struct sn_fe)));
    T_ASSERT(fence_init(&points_room, n * g->affine_size));
    struct sn_fe *mult = sn_alloc((n + 1) * sizeof(*mult));
    struct sn_fe *k = fence_at(&scalars_room, n * sizeof(*k), n % 2);
    char *points = fence_at(&points_room, n * g->affine_size, n % 2);
    struct sn_msm_opts o = {.par = n % 2 ? &par2 : NULL, .window_bits = window};
    struct sn_point want, got;
    sn_test_row("%s: %zu points of kind %d, scalars %d, window %u", g->name, n, points_kind,
                scalars_kind, window);
    make_points(g, points_kind, mult, points, n);
    make_scalars(g, scalars_kind, k, n);
    expected(g, mult, k, n, &want);
    T_EQ(sn_msm(g, &got, points, k, n, &o), 0);
    T_ASSERT(sn_point_equal(g, &got, &want));
    if (scalars_kind != UNREDUCED && scalars_kind != MIXED) {
        sn_fe_to_mont_many(g->fr, k, k, n);
        o.montgomery = true;
        T_EQ(sn_msm(g, &got, points, k, n, &o), 0);
        T_ASSERT(sn_point_equal(g, &got, &want));
    }
    fence_done(&points_room);
    fence_done(&scalars_room);
    sn_free(mult);
}

SN_TEST(msm_kinds)
{
    for (unsigned i = 0; i < SN_COUNT_OF(groups); i++)
        for (int p = 0; p < N_POINTS; p++)
            for (int s = 0; s < N_SCALARS; s++)
                check(groups[i], (enum points)p, (enum scalars)s, 12 + sn_test_rand_below(90), 0);
}
SN_TEST(msm_kinds_other_engines)
{
    const struct sn_vec_engine *engines[3] = {0};
    size_t n_engines = sn_vec_engines(engines);
    if (n_engines == 0) sn_test_skip("the scalar engine is the only one here");
    for (unsigned i = 0; i < 2 * n_engines; i++)
        for (int p = 0; p < N_POINTS; p++)
            for (int s = 0; s < N_SCALARS; s++)
            {
                sn_field_vec = engines[1 + i / 2]; /* the last is none */
                check(groups[i % 2], (enum points)p, (enum scalars)s, 12 + sn_test_rand_below(50), 0);
            }
}
SN_TEST(msm_windows)
{
    for (unsigned i = 0; i < SN_COUNT_OF(groups); i++)
        for (unsigned c = 2; c <= SN_MSM_WINDOW_MAX; c += i ? 4 : 1)
            check(groups[i], DISTINCT, c % 2 ? FULL : AROUND_R, 40 + c, c);
}
SN_TEST(msm_sizes)
{
    for (size_t n = 0; n < 30; n++) check(groups[n % 4], DISTINCT, MIXED, n, 0);
    check(&sn_bn254.g1, DISTINCT, FULL, 3000, 0);
    check(&sn_bn254.g1, FEW, MIXED, 5000, 0);
    check(&sn_bn254.g1, FEW, BITS, 40000, 0);
    check(&sn_bn254.g2, DISTINCT, MIXED, 1500, 0);
}
SN_TEST(msm_too_large)
{
    struct sn_point p;
    T_EQ(sn_msm(&sn_bn254.g1, &p, NULL, NULL, (size_t)1 << 31, NULL), SN_E_TOO_LARGE);
}

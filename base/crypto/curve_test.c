/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/curve_test.c - the groups and pairings of both curves by the laws they must obey, plus
 * points and values published elsewhere. */
#include "crypto/curve.h"

#include "core/status.h"
#include "crypto/pairing.h"
#include "harness/test.h"

static const struct sn_group *const groups[] = {&sn_bn254.g1, &sn_bn254.g2, &sn_bls12_381.g1,
                                                &sn_bls12_381.g2};
static const struct sn_curve *const curves[] = {&sn_bn254, &sn_bls12_381};

static struct sn_fe any_scalar(void)
{
    struct sn_fe k;
    for (unsigned i = 0; i < 4; i++) k.v[i] = sn_test_rand();
    switch (sn_test_rand_below(6)) {
    case 0:
        return (struct sn_fe){{sn_test_rand_below(5)}};
    case 1:
        return (struct sn_fe){{k.v[0]}};
    case 2:
        return (struct sn_fe){{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}};
    default:
        return k;
    }
}
/* k*a by the textbook: nothing but add and dbl, no reduction of k. */
static void slow_mul(const struct sn_group *g, struct sn_point *ret, const struct sn_point *a,
                     const struct sn_fe *k)
{
    struct sn_point acc;
    sn_point_zero(g, &acc);
    for (int i = 255; i >= 0; i--) {
        sn_point_dbl(g, &acc, &acc);
        if (k->v[i / 64] >> (i % 64) & 1) sn_point_add(g, &acc, &acc, a);
    }
    *ret = acc;
}
static void generator(const struct sn_group *g, struct sn_point *ret)
{
    sn_point_from_affine(g, ret, g->generator);
}
static void any_point(const struct sn_group *g, struct sn_point *ret)
{
    struct sn_fe k = any_scalar();
    generator(g, ret);
    sn_point_mul(g, ret, ret, &k);
}

SN_TEST(group_generators)
{
    for (unsigned i = 0; i < SN_COUNT_OF(groups); i++) {
        const struct sn_group *g = groups[i];
        struct sn_point p, q;
        sn_test_row("%s", g->name);
        T_EQ(sn_affine_check(g, g->generator), 0);
        generator(g, &p);
        slow_mul(g, &q, &p, &g->fr->p);
        T_ASSERT(sn_point_is_zero(g, &q) && !sn_point_is_zero(g, &p));
    }
}

/* SPEC: EIP-196 names (1, 2); twice that is in every implementation's tests. */
SN_TEST(group_known_double)
{
    const struct sn_group *g = &sn_bn254.g1;
    struct sn_point p;
    char a[SN_AFFINE_MAX] SN_ALIGNED(8), text[SN_FE_DEC_MAX];
    generator(g, &p);
    sn_point_dbl(g, &p, &p);
    sn_point_to_affine(g, a, &p);
    sn_affine_get_dec(g, a, 0, text);
    T_CSTR(text, "1368015179489954701390400359078579693043519447331113978918064868415326638035");
    sn_affine_get_dec(g, a, 1, text);
    T_CSTR(text, "9918110051302171585080402603319702774565515993150576347155970296011118125764");
}

SN_TEST(group_laws)
{
    for (unsigned i = 0; i < SN_COUNT_OF(groups); i++) {
        const struct sn_group *g = groups[i];
        sn_test_row("%s", g->name);
        for (unsigned n = sn_test_cases(15); n-- > 0;) {
            struct sn_point p, q, r, s, t, zero;
            char a[SN_AFFINE_MAX] SN_ALIGNED(8), b[SN_AFFINE_MAX] SN_ALIGNED(8);
            any_point(g, &p), any_point(g, &q), any_point(g, &r);
            sn_point_zero(g, &zero);
            sn_point_add(g, &s, &p, &q), sn_point_add(g, &s, &s, &r);
            sn_point_add(g, &t, &q, &r), sn_point_add(g, &t, &p, &t);
            T_ASSERT(sn_point_equal(g, &s, &t)); /* associative */
            sn_point_add(g, &s, &p, &p), sn_point_dbl(g, &t, &p);
            T_ASSERT(sn_point_equal(g, &s, &t));
            sn_point_neg(g, &t, &p), sn_point_add(g, &s, &p, &t);
            T_ASSERT(sn_point_is_zero(g, &s) && sn_point_equal(g, &s, &zero));
            sn_point_add(g, &s, &p, &zero), sn_point_add(g, &t, &zero, &p);
            T_ASSERT(sn_point_equal(g, &s, &p) && sn_point_equal(g, &t, &p));
            sn_point_to_affine(g, a, &q);
            T_EQ(sn_affine_check(g, a), 0);
            sn_point_add_affine(g, &s, &p, a), sn_point_add(g, &t, &p, &q);
            T_ASSERT(sn_point_equal(g, &s, &t));
            sn_point_add_affine(g, &s, &q, a), sn_point_dbl(g, &t, &q);
            T_ASSERT(sn_point_equal(g, &s, &t));
            sn_affine_neg(g, b, a), sn_point_add_affine(g, &s, &q, b);
            T_ASSERT(sn_point_is_zero(g, &s));
            sn_point_add_affine(g, &s, &zero, a);
            T_ASSERT(sn_point_equal(g, &s, &q));
            T_ASSERT(!sn_point_equal(g, &p, &zero) || sn_point_is_zero(g, &p));
        }
    }
}

SN_TEST(group_products)
{
    for (unsigned i = 0; i < SN_COUNT_OF(groups); i++) {
        const struct sn_group *g = groups[i];
        sn_test_row("%s", g->name);
        for (unsigned n = sn_test_cases(12); n-- > 0;) {
            struct sn_point p, q, r;
            struct sn_fe k = any_scalar();
            if (n == 0) k = g->fr->p;
            any_point(g, &p);
            if (n == 1) sn_point_zero(g, &p);
            slow_mul(g, &q, &p, &k);
            sn_point_mul(g, &r, &p, &k);
            T_ASSERT(sn_point_equal(g, &r, &q));
            sn_point_mul_ct(g, &r, &p, &k);
            T_ASSERT(sn_point_equal(g, &r, &q));
        }
    }
}

SN_TEST(group_many_products)
{
    enum { N = 150 };
    static char in[N * SN_AFFINE_MAX] SN_ALIGNED(8), out[N * SN_AFFINE_MAX] SN_ALIGNED(8);
    static struct sn_fe k[N];
    for (unsigned i = 0; i < SN_COUNT_OF(groups); i++) {
        const struct sn_group *g = groups[i];
        size_t size = g->affine_size;
        sn_test_row("%s", g->name);
        for (unsigned j = 0; j < N; j++) {
            struct sn_point p;
            k[j] = any_scalar();
            generator(g, &p);
            struct sn_fe small = {{j}};
            sn_point_mul(g, &p, &p, &small); /* the first is infinite */
            sn_point_to_affine(g, in + j * size, &p);
        }
        for (unsigned mode = 0; mode < 3; mode++) {
            size_t n = mode == 2 ? 7 : N;
            if (mode == 0)
                T_EQ(sn_group_mul_many(g, out, in, k, false, n, NULL), 0);
            else
                T_EQ(sn_group_mul_fixed(g, out, in + 5 * size, k, n, NULL), 0);
            for (size_t j = 0; j < n; j++) {
                struct sn_point p, q;
                sn_point_from_affine(g, &p, in + (mode == 0 ? j : 5) * size);
                sn_point_mul(g, &p, &p, &k[j]);
                sn_point_from_affine(g, &q, out + j * size);
                T_ASSERT(sn_point_equal(g, &p, &q));
            }
        }
        T_EQ(sn_group_mul_many(g, out, in, k + 3, true, N, NULL), 0);
        for (size_t j = 0; j < N; j++) {
            struct sn_point p, q;
            sn_point_from_affine(g, &p, in + j * size);
            sn_point_mul(g, &p, &p, &k[3]);
            sn_point_from_affine(g, &q, out + j * size);
            T_ASSERT(sn_point_equal(g, &p, &q));
        }
    }
}

/* The quick subgroup tests against multiplication by r, on points that are mostly outside. */
SN_TEST(group_membership)
{
    for (unsigned i = 0; i < SN_COUNT_OF(groups); i++) {
        const struct sn_group *g = groups[i];
        unsigned outside = 0, found = 0;
        sn_test_row("%s", g->name);
        for (uint64_t x = 1; found < sn_test_cases(8); x++) {
            char a[SN_AFFINE_MAX] SN_ALIGNED(8) = {0}, le[SN_FQ_BYTES_MAX] = {0};
            struct sn_point p;
            le[0] = (char)x;
            T_EQ(sn_affine_set_le(g, a, 0, le), 0);
            if (!sn_affine_from_x(g, a, a)) continue;
            found++;
            sn_point_from_affine(g, &p, a);
            slow_mul(g, &p, &p, &g->fr->p);
            bool in = sn_point_is_zero(g, &p);
            outside += !in;
            T_EQ(sn_affine_check(g, a), in ? 0 : SN_E_INVALID_ARGUMENT);
            sn_affine_clear_cofactor(g, a, a);
            T_EQ(sn_affine_check(g, a), 0);
            T_ASSERT(!sn_affine_is_zero(g, a));
            ((uint64_t *)a)[0] ^= 1;
            T_EQ(sn_affine_check(g, a), SN_E_INVALID_ARGUMENT);
        }
        T_ASSERT(i == 0 ? outside == 0 : outside == found);
    }
}

SN_TEST(group_checks)
{
    for (unsigned i = 0; i < SN_COUNT_OF(groups); i++) {
        const struct sn_group *g = groups[i];
        char a[3 * SN_AFFINE_MAX] SN_ALIGNED(8) = {0};
        size_t bad = 99;
        sn_test_row("%s", g->name);
        T_EQ(sn_affine_check(g, a), 0);
        memcpy(a + g->affine_size, g->generator, g->affine_size);
        memcpy(a + 2 * g->affine_size, g->generator, g->affine_size);
        T_EQ(sn_affine_check_many(g, a, 3, NULL, &bad), 0);
        T_EQ(bad, 99);
        memset(a + g->affine_size, 0xff, 8 * 6);
        T_EQ(sn_affine_check_many(g, a, 3, NULL, &bad), SN_E_OUT_OF_RANGE);
        T_EQ(bad, 1);
        memcpy(a, g->generator, g->affine_size);
        char le[SN_FQ_BYTES_MAX], text[SN_FE_DEC_MAX];
        for (unsigned c = 0; c < g->affine_size / g->q_size; c++) {
            char b[SN_AFFINE_MAX] SN_ALIGNED(8);
            memcpy(b, a, g->affine_size);
            sn_affine_get_le(g, a, c, le);
            T_EQ(sn_affine_set_le(g, b, c, le), 0);
            sn_affine_get_dec(g, a, c, text);
            T_EQ(sn_affine_set_dec(g, b, c, sn_str(text)), 0);
            T_ASSERT(memcmp(a, b, g->affine_size) == 0);
            memcpy(le, i < 2 ? sn_bn254.q_le : sn_bls12_381.q_le, g->q_size);
            T_EQ(sn_affine_set_le(g, b, c, le), SN_E_OUT_OF_RANGE);
            T_EQ(sn_affine_set_dec(g, b, c, SN_STR("")), SN_E_SYNTAX);
            T_ASSERT(memcmp(a, b, g->affine_size) == 0);
        }
    }
}

/* One pairing of a*G1 and b*G2. */
static void pair_of(const struct sn_curve *c, struct sn_gt *ret, const struct sn_fe *a,
                    const struct sn_fe *b)
{
    char p[SN_AFFINE_MAX] SN_ALIGNED(8), q[SN_AFFINE_MAX] SN_ALIGNED(8);
    struct sn_point t;
    generator(&c->g1, &t), sn_point_mul(&c->g1, &t, &t, a), sn_point_to_affine(&c->g1, p, &t);
    generator(&c->g2, &t), sn_point_mul(&c->g2, &t, &t, b), sn_point_to_affine(&c->g2, q, &t);
    const void *ps[] = {p}, *qs[] = {q};
    sn_pairing(c, ret, ps, qs, 1);
}

SN_TEST(pairing_is_bilinear)
{
    static const struct sn_fe one = {{1}};
    for (unsigned i = 0; i < SN_COUNT_OF(curves); i++) {
        const struct sn_curve *c = curves[i];
        struct sn_gt base, got, want, unit;
        sn_test_row("%s", c->name);
        pair_of(c, &base, &one, &one);
        sn_gt_one(c, &unit);
        T_ASSERT(!sn_gt_equal(c, &base, &unit));
        sn_gt_pow(c, &got, &base, &c->fr->p);
        T_ASSERT(sn_gt_equal(c, &got, &unit));
        for (unsigned n = sn_test_cases(4); n-- > 0;) {
            struct sn_fe a = any_scalar(), b = any_scalar();
            pair_of(c, &got, &a, &b);
            sn_gt_pow(c, &want, &base, &a);
            sn_gt_pow(c, &want, &want, &b);
            T_ASSERT(sn_gt_equal(c, &got, &want));
        }
    }
}

/* Known values: coefficients of e(G1, G2) computed by an independent implementation. */
SN_TEST(pairing_known_values)
{
    static const struct sn_fe one = {{1}};
    static const struct {
        unsigned curve, at;
        const char *text;
    } rows[] = {
        {0, 0,
         "8493334370784016972005089913588211327688223499729897951716206968320726508021"},
        {0, 1,
         "3758435817766288188804561253838670030762970764366672594784247447067868088068"},
        {0, 4,
         "634997487638609332803583491743335852620873788902390365055086820718589720118"},
        {0, 6,
         "20049218015652006197026173611347504489508678646783216776320737476707192559881"},
        {0, 9,
         "17918828665069491344039743589118342552553375221610735811112289083834142789347"},
        {0, 11,
         "7484542354754424633621663080190936924481536615300815203692506276894207018007"},
        {1, 0,
         "267522314932066592152164620269324764079081787436425529873239"
         "8972560239127864099887300921329285059103920214926247256"},
        {1, 1,
         "326879854007787455918809530492641505390229807966226912863111"
         "7894259354335713488241073281881110999874366368799440511"},
        {1, 4,
         "150617892680632008852999760014068021091380214027100631522653"
         "3143967895395199677036726919792764738011159067846598728"},
        {1, 6,
         "296397698419227591881949966489408966385204245298227609919201"
         "225879400018157857419730816679383241778672627140748220"},
        {1, 9,
         "244714166961886577279604221199198277814843881709915309272527"
         "5403399894819927527860344663177024354496855213527711198"},
        {1, 11,
         "312908848227090124282535506099346743398530855946643881315485"
         "2238956177342064351887308381291879994227300431734160957"},
    };
    for (unsigned i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_gt got;
        char text[SN_FE_DEC_MAX];
        sn_test_row("%s %u", curves[rows[i].curve]->name, rows[i].at);
        pair_of(curves[rows[i].curve], &got, &one, &one);
        sn_gt_get_dec(curves[rows[i].curve], &got, rows[i].at, text);
        T_CSTR(text, rows[i].text);
    }
}

SN_TEST(pairing_products)
{
    enum { N = 11 };
    for (unsigned i = 0; i < SN_COUNT_OF(curves); i++) {
        const struct sn_curve *c = curves[i];
        static char p[N][SN_AFFINE_MAX] SN_ALIGNED(8), q[N][SN_AFFINE_MAX] SN_ALIGNED(8);
        const void *ps[N], *qs[N];
        struct sn_gt got, want, unit;
        sn_test_row("%s", c->name);
        sn_gt_one(c, &want);
        unit = want;
        for (unsigned k = 0; k < N; k++) {
            struct sn_point t;
            any_point(&c->g1, &t), sn_point_to_affine(&c->g1, p[k], &t);
            any_point(&c->g2, &t), sn_point_to_affine(&c->g2, q[k], &t);
            if (k == 2) memset(p[k], 0, sizeof(p[k]));
            if (k == 7) memset(q[k], 0, sizeof(q[k]));
            ps[k] = p[k], qs[k] = q[k];
            sn_pairing(c, &got, &ps[k], &qs[k], 1);
            sn_gt_mul(c, &want, &want, &got);
            if (k == 2 || k == 7) T_ASSERT(sn_gt_equal(c, &got, &unit));
        }
        sn_pairing(c, &got, ps, qs, N);
        T_ASSERT(sn_gt_equal(c, &got, &want));
        T_ASSERT(sn_pairing_is_one(c, ps, qs, 0));
        /* e(P, Q) e(-P, Q) = 1, and not with another Q. */
        memcpy(p[0], c->g1.generator, c->g1.affine_size);
        memcpy(q[0], c->g2.generator, c->g2.affine_size);
        sn_affine_neg(&c->g1, p[1], p[0]);
        memcpy(q[1], q[0], sizeof(q[1]));
        T_ASSERT(sn_pairing_is_one(c, ps, qs, 2));
        struct sn_point t;
        sn_point_from_affine(&c->g2, &t, q[1]);
        sn_point_dbl(&c->g2, &t, &t);
        sn_point_to_affine(&c->g2, q[1], &t);
        T_ASSERT(!sn_pairing_is_one(c, ps, qs, 2));
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* zk/witness/value_test.c - both forms of a number give the same results. */
#include "zk/witness/value.h"

#include "core/status.h"
#include "tests/harness/test.h"

static const struct sn_field *const fields[] = {&sn_bn254_fr, &sn_bls12_381_fr};

/* The same element in the other form. */
static struct sn_zv as_fe(const struct sn_field *f, const struct sn_zv *a)
{
    struct sn_zv r = {.kind = SN_ZV_FE};
    sn_zv_fe(f, &r.m, a);
    return r;
}
static int64_t some_int(void)
{
    static const int64_t edges[] = {0,
                                    1,
                                    -1,
                                    2,
                                    -2,
                                    63,
                                    64,
                                    253,
                                    254,
                                    255,
                                    SN_ZV_SMALL_MAX,
                                    -SN_ZV_SMALL_MAX,
                                    SN_ZV_SMALL_MAX - 1};
    uint64_t r = sn_test_rand();
    if (r % 3 == 0) return edges[(r >> 8) % SN_COUNT_OF(edges)];
    int64_t v = (int64_t)(sn_test_rand() >> (4 + sn_test_rand_below(58)));
    return r & 1 ? v : -v;
}

SN_TEST(value_forms_agree)
{
    for (unsigned i = 0; i < sn_test_cases(20000); i++) {
        const struct sn_field *f = fields[i % 2];
        enum sn_zop op = (enum sn_zop)sn_test_rand_below(SN_ZOP_N);
        struct sn_zv a = sn_zv_small(some_int()), b = sn_zv_small(some_int()), r[4];
        struct sn_zv fa = as_fe(f, &a), fb = as_fe(f, &b);
        int s[4] = {sn_zv_op(f, op, &r[0], &a, &b), sn_zv_op(f, op, &r[1], &fa, &fb),
                    sn_zv_op(f, op, &r[2], &a, &fb), sn_zv_op(f, op, &r[3], &fa, &b)};
        for (unsigned k = 1; k < 4; k++) {
            T_EQ(s[0], s[k]);
            T_ASSERTF(s[0] < 0 || sn_zv_equal(f, &r[0], &r[k]), "op %d of %lld, %lld", op,
                      (long long)a.s, (long long)b.s);
        }
    }
}

/* q * b + r = a with r below b, for elements of any size. */
SN_TEST(value_division)
{
    for (unsigned i = 0; i < sn_test_cases(5000); i++) {
        const struct sn_field *f = fields[i % 2];
        struct sn_zv v[2], q, r, t;
        for (unsigned k = 0; k < 2; k++) {
            struct sn_fe x = {{sn_test_rand(), sn_test_rand(), sn_test_rand(), sn_test_rand()}};
            for (unsigned w = 3; w >= 1 && sn_test_rand_below(3); w--) x.v[w] = 0;
            sn_fe_reduce(f, &x, &x);
            v[k].kind = SN_ZV_FE;
            sn_fe_to_mont(f, &v[k].m, &x);
        }
        if (sn_zv_is_zero(&v[1])) continue;
        T_OK(sn_zv_op(f, SN_ZOP_IDIV, &q, &v[0], &v[1]));
        T_OK(sn_zv_op(f, SN_ZOP_MOD, &r, &v[0], &v[1]));
        struct sn_fe pr, pb;
        struct sn_zv fr = as_fe(f, &r);
        sn_fe_from_mont(f, &pr, &fr.m);
        sn_fe_from_mont(f, &pb, &v[1].m);
        T_ASSERT(sn_fe_cmp(&pr, &pb) < 0);
        T_OK(sn_zv_op(f, SN_ZOP_MUL, &t, &q, &v[1]));
        T_OK(sn_zv_op(f, SN_ZOP_ADD, &t, &t, &r));
        T_ASSERT(sn_zv_equal(f, &t, &v[0]));
    }
}

SN_TEST(value_by_zero)
{
    struct sn_zv a = sn_zv_small(5), z = sn_zv_small(0), r = sn_zv_small(77);
    struct sn_zv fz = as_fe(&sn_bn254_fr, &z);
    T_EQ(sn_zv_op(&sn_bn254_fr, SN_ZOP_IDIV, &r, &a, &z), SN_E_INVALID_ARGUMENT);
    T_EQ(sn_zv_op(&sn_bn254_fr, SN_ZOP_MOD, &r, &a, &fz), SN_E_INVALID_ARGUMENT);
    T_EQ(r.s, 77);
    T_OK(sn_zv_op(&sn_bn254_fr, SN_ZOP_DIV, &r, &a, &z));
    T_ASSERT(sn_zv_is_zero(&r));
}

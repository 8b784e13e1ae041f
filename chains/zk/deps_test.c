/* SPDX-License-Identifier: Apache-2.0 */
/* zk/deps_test.c - dependent, contradicting and repeated constraints are found, and no others. */
#include "core/alloc.h"
#include "core/status.h"
#include "core/torture.h"
#include "harness/test.h"
#include "zk/r1cs.h"

#define WIRES 24u
static const struct sn_field *const field = &sn_bn254_fr;

static void put(struct sn_r1cs_builder *b, const struct sn_fe *row)
{
    struct sn_lc_term t[WIRES];
    uint32_t n = 0;
    for (uint32_t w = 0; w < WIRES; w++)
        if (!sn_fe_is_zero(&row[w])) t[n++] = (struct sn_lc_term){w, row[w]};
    T_OK(sn_r1cs_add(b, (struct sn_lc[3]){{0}, {0}, {t, n}}));
}
/* out = sum of random multiples of the n rows before. */
static void mix(struct sn_fe (*rows)[WIRES], uint32_t n, struct sn_fe *out)
{
    memset(out, 0, WIRES * sizeof(*out));
    for (uint32_t i = 0; i < n; i++) {
        struct sn_fe k, t;
        sn_fe_set_u64(field, &k, 1 + sn_test_rand() % 1000);
        for (uint32_t w = 0; w < WIRES; w++) {
            sn_fe_mul(field, &t, &k, &rows[i][w]);
            sn_fe_add(field, &out[w], &out[w], &t);
        }
    }
}

/* `rank` rows of which each has a wire of its own, then combinations of them, the last ones with a
 * number that does not fit. */
static void system_of(uint32_t rank, uint32_t dependent, uint32_t wrong, struct sn_r1cs *ret)
{
    static struct sn_fe rows[WIRES][WIRES];
    struct sn_fe row[WIRES];
    struct sn_r1cs_builder b;
    T_OK(sn_r1cs_builder_init(&b, field));
    memset(rows, 0, sizeof(rows));
    for (uint32_t i = 0; i < rank; i++) {
        for (uint32_t w = 0; w < WIRES; w++)
            if (w == 1 + i || (w > rank && sn_test_rand() % 3 == 0))
                sn_fe_set_u64(field, &rows[i][w], 1 + sn_test_rand() % 99);
        put(&b, rows[i]);
    }
    for (uint32_t i = 0; i < dependent + wrong; i++) {
        mix(rows, rank, row);
        if (i >= dependent) sn_fe_add(field, &row[0], &row[0], &field->one);
        put(&b, row);
    }
    struct sn_r1cs_signals n = {.n_total = WIRES};
    T_OK(sn_r1cs_builder_finish(&b, &n, ret));
}

SN_TEST(deps_are_counted)
{
    for (unsigned i = 0; i < sn_test_cases(200); i++) {
        uint32_t rank = 1 + (uint32_t)(sn_test_rand() % 12), dep = (uint32_t)(sn_test_rand() % 5);
        uint32_t wrong = (uint32_t)(sn_test_rand() % 2);
        struct sn_r1cs s;
        struct sn_r1cs_deps d;
        system_of(rank, dep, wrong, &s);
        T_OK(sn_r1cs_deps(&s, &d));
        T_EQ(d.rank, rank);
        T_EQ(d.dependent.n + d.contradicting.n, dep + wrong);
        T_ASSERT((d.contradicting.n > 0) == (wrong > 0));
        sn_r1cs_deps_done(&d);
        sn_r1cs_done(&s);
    }
}

SN_TEST(deps_repeated_rows)
{
    struct sn_r1cs_builder b;
    struct sn_r1cs s;
    struct sn_r1cs_deps d;
    struct sn_lc_term x = {1, field->one}, y = {2, field->one}, z = {3, field->one};
    T_OK(sn_r1cs_builder_init(&b, field));
    for (unsigned i = 0; i < 3; i++)
        T_OK(sn_r1cs_add(&b, (struct sn_lc[3]){{&x, 1}, {&y, 1}, {i == 1 ? &y : &z, 1}}));
    struct sn_r1cs_signals n = {.n_total = 4};
    T_OK(sn_r1cs_builder_finish(&b, &n, &s));
    T_OK(sn_r1cs_deps(&s, &d));
    T_EQ(d.rank, 0);
    T_EQ(d.repeated.n, 1);
    T_EQ(d.repeated.row[0], 2);
    sn_r1cs_deps_done(&d);
    sn_r1cs_done(&s);
}

static int torture_one(void *arg)
{
    struct sn_r1cs_deps d;
    int r = sn_r1cs_deps(arg, &d);
    if (r == 0) sn_r1cs_deps_done(&d);
    return r;
}
SN_TEST(deps_without_memory)
{
    struct sn_r1cs s;
    system_of(9, 3, 1, &s);
    T_ASSERT(sn_torture(torture_one, &s) > 0);
    sn_r1cs_done(&s);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* zk/build_test.c - circuits defined in C: what they compute, what they refuse. */
#include "zk/build.h"

#include "core/alloc.h"
#include "core/status.h"
#include "core/torture.h"
#include "harness/test.h"

static const struct sn_field *const field = &sn_bn254_fr;

static struct sn_fe fe(int64_t v)
{
    struct sn_fe r;
    sn_fe_set_i64(field, &r, v);
    return r;
}

/* out = bit ? x : y, with bit the third of x; zero = (x == y); square = x*x + 3y - 1. */
static int sample(struct sn_circuit **ret)
{
    struct sn_build *b = sn_build_new(field);
    if (!b) return SN_E_NOMEM;
    struct sn_lin y = sn_build_private(b, "y"), x = sn_build_public(b, "x"), bits[8];
    sn_build_scope(b, "bits");
    sn_build_bits(b, x, 8, bits);
    sn_build_scope_end(b);
    struct sn_fe three = fe(3);
    struct sn_lin square = sn_build_mul(b, x, x);
    square = sn_build_add(b, square, sn_build_scale(b, y, &three));
    square = sn_build_sub(b, square, sn_build_u64(b, 1));
    sn_build_output(b, "out", sn_build_select(b, bits[2], x, y));
    sn_build_output(b, "zero", sn_build_is_zero(b, sn_build_sub(b, x, y)));
    sn_build_output(b, "square", sn_build_signal(b, "sum", square));
    return sn_build_finish(b, ret);
}

static const struct {
    int64_t x, y, out, zero, square;
} rows[] = {{4, 9, 4, 0, 42}, {3, 9, 9, 0, 35}, {0, 0, 0, 1, -1}, {255, 255, 255, 1, 65789}};

SN_TEST(build_computes)
{
    struct sn_circuit *c;
    T_OK(sample(&c));
    const struct sn_r1cs *s = sn_circuit_r1cs(c);
    T_EQ(s->n_outputs, 3);
    T_EQ(s->n_public, 1);
    T_EQ(s->n_private, 1);
    T_EQ(sn_circuit_n_inputs(c), 2);
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%lld %lld", (long long)rows[i].x, (long long)rows[i].y);
        struct sn_fe in[2] = {fe(rows[i].x), fe(rows[i].y)}, w[32];
        T_ASSERT(s->n_wires <= 32);
        T_OK(sn_circuit_solve(c, in, w));
        struct sn_fe want[3] = {fe(rows[i].out), fe(rows[i].zero), fe(rows[i].square)};
        for (unsigned k = 0; k < 3; k++) T_ASSERT(sn_fe_equal(&w[1 + k], &want[k]));
    }
    sn_circuit_free(c);
}

/* No signal but the inverse of zero may have another value. */
SN_TEST(build_constraints_bind)
{
    struct sn_circuit *c;
    struct sn_r1cs small;
    T_OK(sample(&c));
    const struct sn_r1cs *s = sn_circuit_r1cs(c);
    struct sn_fe in[2] = {fe(77), fe(5)}, w[32];
    T_OK(sn_circuit_solve(c, in, w));
    uint32_t row;
    for (uint32_t i = 1; i < s->n_wires; i++) {
        struct sn_fe old = w[i];
        sn_fe_add(field, &w[i], &w[i], &field->one);
        T_EQ(sn_r1cs_check_scalar(s, w, &row), SN_E_FAILED_PRECONDITION);
        w[i] = old;
    }
    T_OK(sn_r1cs_simplify(s, &(struct sn_simplify_opts){.level = 2}, &small, NULL));
    T_ASSERT(small.n_rows < s->n_rows);
    for (uint32_t i = 0; i < small.n_wires; i++) w[i] = w[small.label_of[i]];
    T_OK(sn_r1cs_check_scalar(&small, w, &row));
    sn_r1cs_done(&small);
    sn_circuit_free(c);
}

SN_TEST(build_names_what_fails)
{
    struct sn_circuit *c;
    T_OK(sample(&c));
    struct sn_fe in[2] = {fe(256), fe(5)}, w[32];
    int r = sn_circuit_solve(c, in, w); /* nine bits */
    T_EQ(r, SN_E_FAILED_PRECONDITION);
    T_ASSERTF(strstr(sn_diag_str(r), "main.bits.t"), "%s", sn_diag_str(r));
    T_ASSERTF(strstr(sn_diag_str(r), "main.x"), "%s", sn_diag_str(r));
    sn_circuit_free(c);
}

static int hint_refuses(void *ctx, const struct sn_field *f, const struct sn_fe *in, size_t n_in,
                        struct sn_fe *out, size_t n_out)
{
    return sn_fail(SN_E_OUT_OF_RANGE, "not today");
}

enum wrong { OPEN_SCOPE, NO_SCOPE, DEEP, NUMBERS, NUMBERS_EQUAL, BITS, N_WRONG };
static int finish_wrong(enum wrong what)
{
    struct sn_build *b = sn_build_new(field);
    struct sn_circuit *c = NULL;
    T_ASSERT(b);
    struct sn_lin x = sn_build_private(b, "x"), bits[254], one = sn_build_u64(b, 1);
    switch (what) {
    case OPEN_SCOPE: sn_build_scope(b, "a"); break;
    case NO_SCOPE: sn_build_scope_end(b); break;
    case DEEP:
        for (unsigned i = 0; i < 100; i++) sn_build_scope(b, "a");
        break;
    case NUMBERS: sn_build_rank1(b, one, one, sn_build_u64(b, 2)); break;
    case NUMBERS_EQUAL: sn_build_equal(b, sn_build_u64(b, 2), sn_build_u64(b, 3)); break;
    default: sn_build_bits(b, x, 254, bits); break;
    }
    int early = sn_build_error(b);
    sn_build_output(b, "o", sn_build_mul(b, x, x));
    int r = sn_build_finish(b, &c);
    T_ASSERT(c == NULL && (what == OPEN_SCOPE || early == r));
    return r;
}
SN_TEST(build_refuses)
{
    for (unsigned i = 0; i < N_WRONG; i++) {
        sn_test_row("%u", i);
        T_EQ(finish_wrong((enum wrong)i), i == DEEP ? SN_E_DEPTH : SN_E_INVALID_ARGUMENT);
    }
    struct sn_build *b = sn_build_new(field);
    struct sn_circuit *c;
    struct sn_lin x = sn_build_private(b, "x"), y;
    sn_build_hint(b, hint_refuses, NULL, &x, 1, &y, 1);
    sn_build_equal(b, x, y);
    T_OK(sn_build_finish(b, &c));
    struct sn_fe in = fe(1), w[3];
    int r = sn_circuit_solve(c, &in, w);
    T_EQ(r, SN_E_OUT_OF_RANGE);
    T_ASSERTF(strstr(sn_diag_str(r), "main.t2"), "%s", sn_diag_str(r));
    sn_circuit_free(c);
}

static int torture_one(void *arg)
{
    struct sn_circuit *c;
    int r = sample(&c);
    if (r < 0) return r;
    struct sn_fe in[2] = {fe(4), fe(9)}, w[32];
    r = sn_circuit_solve(c, in, w);
    sn_circuit_free(c);
    return r;
}
SN_TEST(build_without_memory)
{
    int r = sn_torture_lenient(torture_one, NULL);
    T_ASSERTF(r > 0, "%s", sn_diag_str(r));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/field_test.c - fields against GMP, on random values and on the edges where carries break;
 * every path (portable, ADX, IFMA) against the others. */
#include "crypto/field.h"

#include "core/status.h"
#include "crypto/fence_test.h"
#include "crypto/field_int.h"
#include "crypto/vec_int.h"
#include "harness/test.h"

#ifdef SN_HAVE_GMP
#include <gmp.h>
#endif

static const struct sn_field *const fields[] = {&sn_bn254_fr, &sn_bn254_fq, &sn_bls12_381_fr};

/* Other primes circom names, and shapes that are awkward: 256 bits with no spare bit, tiny ones. */
static const struct {
    const char *name;
    struct sn_fe p;
} more[] = {
    {"goldilocks", {{0xffffffff00000001}}},
    {"pallas", {{0x992d30ed00000001, 0x224698fc094cf91b, 0, 0x4000000000000000}}},
    {"vesta", {{0x8c46eb2100000001, 0x224698fc0994a8dd, 0, 0x4000000000000000}}},
    {"secq256r1", {{0xf3b9cac2fc632551, 0xbce6faada7179e84, 0xffffffffffffffff, 0xffffffff00000000}}},
    {"ed25519", {{0xffffffffffffffed, UINT64_MAX, UINT64_MAX, INT64_MAX}}},
    {"2^256-189", {{(uint64_t)-189, UINT64_MAX, UINT64_MAX, UINT64_MAX}}},
    {"three", {{3}}},
    {"65537", {{65537}}},
};
#define N_FIELDS (SN_COUNT_OF(fields) + SN_COUNT_OF(more))

static void field_at(struct sn_field *f, unsigned i)
{
    if (i < SN_COUNT_OF(fields)) {
        *f = *fields[i];
    } else {
        i -= (unsigned)SN_COUNT_OF(fields);
        T_EQ(sn_field_init(f, more[i].name, &more[i].p), 0);
    }
    sn_test_row("field %s", f->name);
}

/* A reduced value: often an edge, else random. */
static void any_below(const struct sn_field *f, struct sn_fe *ret)
{
    static const uint64_t edges[] = {0, 1, 2, (uint64_t)1 << 52, ((uint64_t)1 << 52) - 1,
                                     UINT64_MAX, (uint64_t)1 << 63, UINT64_MAX - 1};
    struct sn_fe t;
    uint64_t borrow = 0, kind = sn_test_rand_below(5);
    for (unsigned i = 0; i < 4; i++)
        t.v[i] = kind == 0 ? edges[sn_test_rand_below(SN_COUNT_OF(edges))] : sn_test_rand();
    if (kind == 1) t = (struct sn_fe){{sn_test_rand_below(4)}};
    if (kind == 2) {
        struct sn_fe d = {{sn_test_rand_below(4) + 1}};
        for (unsigned i = 0; i < 4; i++) t.v[i] = fx_sbb(f->p.v[i], d.v[i], &borrow);
    }
    sn_fe_reduce(f, ret, &t);
}

#ifdef SN_HAVE_GMP
static void to_gmp(mpz_t z, const struct sn_fe *a) { mpz_import(z, 4, -1, 8, 0, 0, a->v); }
static void from_gmp(struct sn_fe *ret, const mpz_t z)
{
    *ret = (struct sn_fe){{0}};
    mpz_export(ret->v, NULL, -1, 8, 0, 0, z);
}
static void expect_gmp(const struct sn_field *f, const struct sn_fe *a, mpz_t z, const char *what)
{
    struct sn_fe want;
    mpz_t p;
    mpz_init(p);
    to_gmp(p, &f->p);
    mpz_mod(z, z, p);
    mpz_clear(p);
    from_gmp(&want, z);
    T_ASSERTF(sn_fe_equal(a, &want), "%s: %s differs from GMP", f->name, what);
}
#endif

SN_TEST(field_constants)
{
#ifndef SN_HAVE_GMP
    sn_test_skip("libgmp-dev is not installed");
#else
    struct sn_field f;
    mpz_t p, z, e;
    mpz_inits(p, z, e, NULL);
    for (unsigned i = 0; i < N_FIELDS; i++) {
        field_at(&f, i);
        to_gmp(p, &f.p);
        T_ASSERT(mpz_probab_prime_p(p, 25) > 0);
        T_EQ(mpz_sizeinbase(p, 2), f.bits);
        T_EQ(f.p.v[0] * f.inv + 1, 0);
        mpz_ui_pow_ui(z, 2, 256), expect_gmp(&f, &f.one, z, "one");
        mpz_ui_pow_ui(z, 2, 512), expect_gmp(&f, &f.r2, z, "r2");
        mpz_sub_ui(z, p, 1);
        T_EQ(mpz_scan1(z, 0), f.two_adicity);
        unsigned long g = 2;
        for (;; g++) {
            mpz_set_ui(z, g);
            if (mpz_legendre(z, p) == -1) break;
        }
        mpz_mul_2exp(z, z, 256), expect_gmp(&f, &f.nqr, z, "nqr");
        mpz_sub_ui(e, p, 1), mpz_tdiv_q_2exp(e, e, f.two_adicity);
        mpz_set_ui(z, g), mpz_powm(z, z, e, p), mpz_mul_2exp(z, z, 256);
        expect_gmp(&f, &f.root, z, "root");
    }
    mpz_clears(p, z, e, NULL);
#endif
}

SN_TEST(field_init_agrees_with_tables)
{
    for (unsigned i = 0; i < SN_COUNT_OF(fields); i++) {
        struct sn_field f;
        T_EQ(sn_field_init(&f, fields[i]->name, &fields[i]->p), 0);
        T_ASSERT(sn_fe_equal(&f.one, &fields[i]->one) && sn_fe_equal(&f.r2, &fields[i]->r2));
        T_ASSERT(sn_fe_equal(&f.nqr, &fields[i]->nqr) && sn_fe_equal(&f.root, &fields[i]->root));
        T_ASSERT(f.inv == fields[i]->inv && f.bits == fields[i]->bits);
        T_EQ(f.two_adicity, fields[i]->two_adicity);
    }
    /* 561 and 341 are pseudoprimes to some bases; the last is a product of two 128-bit primes. */
    static const struct sn_fe bad[] = {{{0}}, {{1}}, {{2}}, {{4}}, {{9}}, {{15}}, {{25}}, {{561}},
                                       {{341}}, {{3215031751}}, {{0x4a11, 0, 0, 1}}};
    for (unsigned i = 0; i < SN_COUNT_OF(bad); i++) {
        struct sn_field f;
        sn_test_row("bad modulus %u", i);
        T_EQ(sn_field_init(&f, "bad", &bad[i]), SN_E_INVALID_ARGUMENT);
    }
}

SN_TEST(field_against_gmp)
{
#ifndef SN_HAVE_GMP
    sn_test_skip("libgmp-dev is not installed");
#else
    struct sn_field f;
    mpz_t p, x, y, z, rinv;
    mpz_inits(p, x, y, z, rinv, NULL);
    for (unsigned i = 0; i < N_FIELDS; i++) {
        field_at(&f, i);
        to_gmp(p, &f.p);
        mpz_ui_pow_ui(rinv, 2, 256), mpz_invert(rinv, rinv, p);
        for (unsigned k = sn_test_cases(1500); k-- > 0;) {
            struct sn_fe a, b, r;
            any_below(&f, &a), any_below(&f, &b);
            to_gmp(x, &a), to_gmp(y, &b);
            sn_fe_add(&f, &r, &a, &b), mpz_add(z, x, y), expect_gmp(&f, &r, z, "add");
            sn_fe_sub(&f, &r, &a, &b), mpz_sub(z, x, y), expect_gmp(&f, &r, z, "sub");
            sn_fe_neg(&f, &r, &a), mpz_neg(z, x), expect_gmp(&f, &r, z, "neg");
            sn_fe_dbl(&f, &r, &a), mpz_mul_2exp(z, x, 1), expect_gmp(&f, &r, z, "dbl");
            sn_fe_mul(&f, &r, &a, &b), mpz_mul(z, x, y), mpz_mul(z, z, rinv);
            expect_gmp(&f, &r, z, "mul");
            sn_fe_sqr(&f, &r, &a), mpz_mul(z, x, x), mpz_mul(z, z, rinv);
            expect_gmp(&f, &r, z, "sqr");
            fx_mul_any(r.v, a.v, b.v, f.p.v, f.inv, 4), mpz_mul(z, x, y), mpz_mul(z, z, rinv);
            expect_gmp(&f, &r, z, "mul_any");
            sn_fx_inv_plain(r.v, a.v, f.p.v, 4);
            if (mpz_invert(z, x, p) == 0) mpz_set_ui(z, 0);
            expect_gmp(&f, &r, z, "inverse");
            T_EQ(sn_fe_cmp(&a, &b) > 0, mpz_cmp(x, y) > 0);
            char text[SN_FE_DEC_MAX], want[SN_FE_DEC_MAX];
            sn_fe_to_mont(&f, &r, &a);
            T_EQ(sn_fe_to_dec(&f, &r, text), strlen(mpz_get_str(want, 10, x)));
            T_CSTR(text, want);
            T_EQ(sn_fe_from_dec(&f, &b, sn_str(text)), 0);
            T_ASSERT(sn_fe_equal(&r, &b));
        }
    }
    mpz_clears(p, x, y, z, rinv, NULL);
#endif
}

#ifdef SN_HAVE_GMP
static const uint64_t q381[6] = {0xb9feffffffffaaab, 0x1eabfffeb153ffff, 0x6730d2a0f6b0f624,
                                 0x64774b84f38512bf, 0x4b1ba7b6434bacd7, 0x1a0111ea397fe69a};
#endif
SN_TEST(six_words_against_gmp)
{
#ifndef SN_HAVE_GMP
    sn_test_skip("libgmp-dev is not installed");
#else
    mpz_t p, x, y, z, rinv;
    mpz_inits(p, x, y, z, rinv, NULL);
    mpz_import(p, 6, -1, 8, 0, 0, q381);
    mpz_ui_pow_ui(rinv, 2, 384), mpz_invert(rinv, rinv, p);
    uint64_t inv = 0x89f3fffcfffcfffd;
    for (unsigned k = sn_test_cases(5000); k-- > 0;) {
        uint64_t a[6], b[6], r[6], want[6];
        uint64_t kind = sn_test_rand_below(3);
        for (unsigned i = 0; i < 6; i++) {
            a[i] = kind == 0 ? (sn_test_rand() & 1) - 1 : sn_test_rand();
            b[i] = kind == 1 ? (sn_test_rand() & 1) - 1 : sn_test_rand();
        }
        mpz_import(x, 6, -1, 8, 0, 0, a), mpz_import(y, 6, -1, 8, 0, 0, b);
        mpz_mod(x, x, p), mpz_mod(y, y, p);
        memset(a, 0, sizeof(a)), mpz_export(a, NULL, -1, 8, 0, 0, x);
        memset(b, 0, sizeof(b)), mpz_export(b, NULL, -1, 8, 0, 0, y);
        mpz_mul(z, x, y), mpz_mul(z, z, rinv), mpz_mod(z, z, p);
        memset(want, 0, sizeof(want)), mpz_export(want, NULL, -1, 8, 0, 0, z);
        fx_mul(r, a, b, q381, inv, 6);
        T_ASSERT(fx_equal(r, want, 6));
        fx_mul_portable(r, a, b, q381, inv, 6);
        T_ASSERT(fx_equal(r, want, 6));
        sn_fx_inv_plain(r, a, q381, 6);
        if (mpz_invert(z, x, p) == 0) mpz_set_ui(z, 0);
        memset(want, 0, sizeof(want)), mpz_export(want, NULL, -1, 8, 0, 0, z);
        T_ASSERT(fx_equal(r, want, 6));
    }
    mpz_clears(p, x, y, z, rinv, NULL);
#endif
}

enum { PATHS_N = 67 };
static void check_arrays(const struct sn_field *f, const struct sn_fe *a, const struct sn_fe *b,
                         const struct sn_fe *product, size_t n)
{
    struct sn_fe r[PATHS_N], mont;
    sn_fe_mul_many(f, r, a, b, n);
    T_ASSERT(memcmp(r, product, n * sizeof(r[0])) == 0);
    sn_fe_to_mont_many(f, r, a, n);
    for (size_t j = 0; j < n; j++) {
        sn_fe_to_mont(f, &mont, &a[j]);
        T_ASSERT(sn_fe_equal(&r[j], &mont));
    }
    sn_fe_from_mont_many(f, r, r, n);
    T_ASSERT(memcmp(r, a, n * sizeof(r[0])) == 0);
    sn_fe_add_many(f, r, a, b, n);
    sn_fe_sub_many(f, r, r, b, n);
    T_ASSERT(memcmp(r, a, n * sizeof(r[0])) == 0);
}

/* Every path gives the same words. */
SN_TEST(field_paths_agree)
{
    enum { N = PATHS_N };
    struct sn_field f;
    const struct sn_vec_engine *engines[3] = {0};
    size_t n_engines = sn_vec_engines(engines) + 1; /* the last is none */
    for (unsigned i = 0; i < N_FIELDS; i++) {
        field_at(&f, i);
        for (unsigned k = sn_test_cases(60); k-- > 0;) {
            struct sn_fe a[N], b[N], r[N], want[N];
            size_t n = sn_test_rand_below(N + 1);
            for (size_t j = 0; j < n; j++) any_below(&f, &a[j]), any_below(&f, &b[j]);
            for (size_t j = 0; j < n; j++) {
                sn_fe_mul(&f, &want[j], &a[j], &b[j]);
                if (!fx_spare(f.p.v, 4)) continue;
                fx_mul_portable(r[j].v, a[j].v, b[j].v, f.p.v, f.inv, 4);
                T_ASSERT(sn_fe_equal(&r[j], &want[j]));
            }
            for (size_t e = 0; e < n_engines; e++) {
                sn_field_vec = engines[e];
                check_arrays(&f, a, b, want, n);
            }
        }
    }
}

/* A step over either end is a fault. */
SN_TEST(field_kernels_stay_within_their_arrays)
{
    enum { N = 40 };
    const struct sn_field *f = &sn_bn254_fr;
    const struct sn_vec_engine *engines[3] = {0};
    size_t n_engines = sn_vec_engines(engines) + 1;
    struct fence fence[3];
    for (unsigned i = 0; i < 3; i++) T_ASSERT(fence_init(&fence[i], N * sizeof(struct sn_fe)));
    for (size_t e = 0; e < n_engines; e++) {
        sn_field_vec = engines[e];
        for (size_t n = 0; n <= N; n++) {
            struct sn_fe *a[3];
            for (unsigned i = 0; i < 3; i++) a[i] = fence_at(&fence[i], n * sizeof(*a[i]), n % 2);
            for (size_t j = 0; j < n; j++) any_below(f, &a[0][j]), any_below(f, &a[1][j]);
            sn_fe_mul_many(f, a[2], a[0], a[1], n);
            sn_fe_to_mont_many(f, a[2], a[0], n);
            sn_fe_from_mont_many(f, a[2], a[2], n);
            for (size_t j = 0; j < n; j++) T_ASSERT(sn_fe_equal(&a[2][j], &a[0][j]));
        }
    }
    for (unsigned i = 0; i < 3; i++) fence_done(&fence[i]);
}

SN_TEST(field_laws)
{
    struct sn_field f;
    for (unsigned i = 0; i < N_FIELDS; i++) {
        field_at(&f, i);
        for (unsigned k = sn_test_cases(300); k-- > 0;) {
            struct sn_fe a, b, c, x, y, t;
            any_below(&f, &a), any_below(&f, &b), any_below(&f, &c);
            sn_fe_add(&f, &t, &b, &c), sn_fe_mul(&f, &x, &a, &t);
            sn_fe_mul(&f, &y, &a, &b), sn_fe_mul(&f, &t, &a, &c), sn_fe_add(&f, &y, &y, &t);
            T_ASSERT(sn_fe_equal(&x, &y)); /* a(b + c) = ab + ac */
            sn_fe_inv(&f, &x, &a), sn_fe_inv_ct(&f, &y, &a);
            T_ASSERT(sn_fe_equal(&x, &y));
            sn_fe_mul(&f, &x, &x, &a);
            T_ASSERT(sn_fe_equal(&x, sn_fe_is_zero(&a) ? &a : &f.one));
            sn_fe_sqr(&f, &t, &a);
            T_ASSERT(sn_fe_sqrt(&f, &x, &t));
            sn_fe_sqr(&f, &x, &x);
            T_ASSERT(sn_fe_equal(&x, &t));
            sn_fe_mul(&f, &t, &t, &f.nqr); /* a square times a non-residue has no root */
            T_ASSERT(sn_fe_sqrt(&f, &x, &t) == sn_fe_is_zero(&a));
            sn_fe_select(&x, &a, &b, true), sn_fe_select(&y, &a, &b, false);
            T_ASSERT(sn_fe_equal(&x, &b) && sn_fe_equal(&y, &a));
        }
    }
}

/* What makes a greatest common divisor short, long or lopsided: small numbers, lone bits and their neighbours,
 * numbers next to p, fractions of it, and the golden ratio's, whose quotients are all 1. */
SN_TEST(field_inverse_edges)
{
    struct sn_field f;
    for (unsigned i = 0; i < N_FIELDS; i++) {
        field_at(&f, i);
        struct sn_fe a = {{1}}, inv, one, small, x = f.one, y = f.one, sum;
        for (unsigned k = 0; k < 520; k++) {
            sn_fe_set_u64(&f, &small, k % 7 + 1);
            sn_fe_dbl(&f, &a, &a); /* the plain integer 2^k, which need not be a Montgomery element's */
            sn_fe_add(&f, &sum, &x, &y), y = x, x = sum;
            struct sn_fe around[6] = {a, sum, small};
            sn_fe_sub(&f, &around[3], &a, &(struct sn_fe){{1}});
            sn_fe_neg(&f, &around[4], &a);
            sn_fe_inv(&f, &around[5], &small);
            for (unsigned j = 0; j < 6; j++) {
                if (sn_fe_is_zero(&around[j])) continue;
                sn_fe_inv(&f, &inv, &around[j]);
                sn_fe_mul(&f, &one, &inv, &around[j]);
                T_ASSERT(sn_fe_equal(&one, &f.one));
                T_ASSERT(sn_fe_cmp(&inv, &f.p) < 0);
            }
        }
    }
}

/* (p-1)*b and the like where the result is next to a multiple of p: one reduction too few shows here only. */
SN_TEST(field_products_next_to_p)
{
    struct sn_field f;
    for (unsigned i = 0; i < N_FIELDS; i++) {
        struct sn_fe a[16], b[16], r[16], want;
        field_at(&f, i);
        if (f.bits < 32) continue;
        for (unsigned k = 0; k < 16; k++) {
            sn_fe_set_u64(&f, &a[k], k / 4 + 1);
            if (k % 4 == 1) a[k] = (struct sn_fe){{k / 4 + 1}};
            sn_fe_inv(&f, &b[k], &a[k]);
            if (k % 4 > 1) sn_fe_neg(&f, &a[k], &a[k]);
            if (k % 4 > 1) sn_fe_neg(&f, &b[k], &b[k]);
            if (k % 4 == 3) a[k] = f.p, a[k].v[0] -= 1 + k / 4, sn_fe_inv(&f, &b[k], &a[k]);
        }
        sn_fe_mul_many(&f, r, a, b, 16);
        for (unsigned k = 0; k < 16; k++) {
            sn_fe_mul(&f, &want, &a[k], &b[k]);
            T_ASSERTF(sn_fe_equal(&r[k], &want), "product %u, %s", k, f.name);
            T_ASSERT(sn_fe_equal(&want, &f.one));
        }
    }
}

SN_TEST(field_batch_inverse)
{
    for (size_t n = 0; n < 20; n++) {
        struct sn_fe a[20], b[20], scratch[20];
        for (size_t i = 0; i < n; i++) {
            any_below(&sn_bn254_fr, &a[i]);
            if (sn_test_rand_below(4) == 0) a[i] = (struct sn_fe){{0}};
            b[i] = a[i];
        }
        sn_fe_batch_inv(&sn_bn254_fr, a, n, scratch);
        for (size_t i = 0; i < n; i++) {
            struct sn_fe want;
            sn_fe_inv(&sn_bn254_fr, &want, &b[i]);
            T_ASSERT(sn_fe_equal(&a[i], &want));
        }
    }
}

SN_TEST(field_roots)
{
    struct sn_field f;
    for (unsigned i = 0; i < N_FIELDS; i++) {
        field_at(&f, i);
        struct sn_fe t = f.root, minus_one;
        sn_fe_neg(&f, &minus_one, &f.one);
        for (unsigned s = 0; s + 1 < f.two_adicity; s++) sn_fe_sqr(&f, &t, &t);
        T_ASSERT(sn_fe_equal(&t, &minus_one)); /* so the order is exactly 2^two_adicity */
    }
}

SN_TEST(field_bytes_and_text)
{
    const struct sn_field *f = &sn_bn254_fr;
    const char *r = "21888242871839275222246405745257275088548364400416034343698204186575808495617";
    uint8_t le[32], be[32];
    struct sn_fe a, b;
    char text[SN_FE_DEC_MAX];
    sn_fx_store_le(le, f->p.v, 4);
    T_EQ(sn_fe_from_bytes_le(f, &a, le), SN_E_OUT_OF_RANGE);
    le[0]--;
    T_EQ(sn_fe_from_bytes_le(f, &a, le), 0);
    sn_fe_set_i64(f, &b, -1);
    T_ASSERT(sn_fe_equal(&a, &b));
    sn_fe_to_bytes_be(f, be, &a);
    for (unsigned i = 0; i < 32; i++) T_EQ(be[i], le[31 - i]);
    T_EQ(sn_fe_from_bytes_be(f, &b, be), 0);
    T_ASSERT(sn_fe_equal(&a, &b));
    memset(le, 0xff, 32);
    T_EQ(sn_fe_from_bytes_le(f, &a, le), SN_E_OUT_OF_RANGE);
    sn_fe_to_dec(f, &b, text);
    T_CSTR(text, "21888242871839275222246405745257275088548364400416034343698204186575808495616");

    static const struct {
        const char *text;
        int strict, mod;
        const char *value;
    } rows[] = {
        {"", SN_E_SYNTAX, SN_E_SYNTAX, NULL},
        {"-1", SN_E_SYNTAX, SN_E_SYNTAX, NULL},
        {"12x", SN_E_SYNTAX, SN_E_SYNTAX, NULL},
        {" 1", SN_E_SYNTAX, SN_E_SYNTAX, NULL},
        {"0", 0, 0, "0"},
        {"000000000000000000000000000000000000000000000000000000000000000000000000000000000000007",
         0, 0, "7"},
        {"10000000000000000000", 0, 0, "10000000000000000000"},
        {"21888242871839275222246405745257275088548364400416034343698204186575808495618",
         SN_E_OUT_OF_RANGE, 0, "1"},
        /* 2^256 and 10^90 */
        {"115792089237316195423570985008687907853269984665640564039457584007913129639936",
         SN_E_OUT_OF_RANGE, 0,
         "6350874878119819312338956282401532410528162663560392320966563075034087161851"},
        {"1000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
         SN_E_OUT_OF_RANGE, 0,
         "18377688642488332818196146585598581585545429834037105604442018343658682260185"},
    };
    for (unsigned i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("\"%s\"", rows[i].text);
        T_EQ(sn_fe_from_dec(f, &a, sn_str(rows[i].text)), rows[i].strict);
        T_EQ(sn_fe_from_dec_mod(f, &a, sn_str(rows[i].text)), rows[i].mod);
        if (!rows[i].value) continue;
        sn_fe_to_dec(f, &a, text);
        T_CSTR(text, rows[i].value);
    }
    T_EQ(sn_fe_from_dec(f, &a, sn_str(r)), SN_E_OUT_OF_RANGE);
    T_EQ(sn_fe_from_hex_mod(f, &a, SN_STR("fF")), 0);
    sn_fe_set_u64(f, &b, 255);
    T_ASSERT(sn_fe_equal(&a, &b));
    T_EQ(sn_fe_from_hex_mod(f, &a, SN_STR("fg")), SN_E_SYNTAX);
    char longest[SN_FE_DEC_DIGITS_MAX + 2];
    memset(longest, '9', sizeof(longest));
    T_EQ(sn_fe_from_dec_mod(f, &a, sn_str_of(longest, SN_FE_DEC_DIGITS_MAX)), 0);
    T_EQ(sn_fe_from_dec_mod(f, &a, sn_str_of(longest, SN_FE_DEC_DIGITS_MAX + 1)), SN_E_TOO_LARGE);
}

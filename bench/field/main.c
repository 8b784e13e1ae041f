/* SPDX-License-Identifier: Apache-2.0 */
/* bench/field/main.c - CPU time of field, curve, transform and sum on one thread: lines of
 * "sennit WHAT NANOSECONDS", the best of a few repetitions (the machine is shared; the least is
 * what the code costs). Arguments: log2 of the size of transforms and sums (16). */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/alloc.h"
#include "core/rand.h"
#include "crypto/field_int.h"
#include "crypto/lanes.h"
#include "crypto/msm.h"
#include "crypto/ntt.h"
#include "crypto/pairing.h"
#include "crypto/vec_int.h"

#define REPEAT 5

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* banned: a bench measures CPU time */
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}
static void say(const char *what, double ns) { printf("sennit %s %.4g\n", what, ns); }
#define BEST(ret, per, body)                        \
    do {                                            \
        (ret) = 1e18;                               \
        for (int rep_ = 0; rep_ < REPEAT; rep_++) { \
            double t_ = cpu_ns();                   \
            body;                                   \
            t_ = (cpu_ns() - t_) / (per);           \
            if (t_ < (ret)) (ret) = t_;             \
        }                                           \
    } while (0)

static void must(int r)
{
    if (r < 0) {
        fprintf(stderr, "bench: failed with %d\n", r);
        exit(1);
    }
}
static void random_fe(struct sn_rand *rnd, const struct sn_field *f, struct sn_fe *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sn_rand_bytes(rnd, &a[i], sizeof(a[i]));
        a[i].v[3] >>= 3;
        sn_fe_reduce(f, &a[i], &a[i]);
    }
}

static void products(struct sn_rand *rnd)
{
    enum { N = 512, ROUNDS = 2000 };
    static struct sn_fe a[N], b[N], r[N];
    bool adx_was = true;
    double ns;
    random_fe(rnd, &sn_bn254_fr, a, N), random_fe(rnd, &sn_bn254_fr, b, N);
    BEST(ns, (double)N * ROUNDS,
         for (int k = 0; k < ROUNDS; k++) for (int i = 0; i < N; i++)
             sn_bn254_fr_mul(&r[i], &a[i], &b[i]));
    say("mul_scalar", ns);
    if (sn_field_vec) {
        BEST(ns, (double)N * ROUNDS,
             for (int k = 0; k < ROUNDS; k++) sn_fe_mul_many(&sn_bn254_fr, r, a, b, N));
        say("mul_ifma", ns);
        enum { EIGHTS = 32 }; /* the first cache */
        static struct sn_fe8 x[EIGHTS], y[EIGHTS], z[EIGHTS];
        struct sn_lanes c;
        must(sn_lanes_init(&c, &sn_bn254_fr));
        for (int i = 0; i < EIGHTS; i++)
            sn_fe8_from_fe(&c, &x[i], a + 8 * i), sn_fe8_from_fe(&c, &y[i], b + 8 * i);
        BEST(ns, 8.0 * EIGHTS * ROUNDS,
             for (int k = 0; k < ROUNDS; k++) for (int i = 0; i < EIGHTS; i++)
                 sn_fe8_mul(&c, &z[i], &x[i], &y[i]));
        say("mul_lanes", ns);
    }
#ifdef SN_FIELD_ASM
    adx_was = sn_field_adx;
    sn_field_adx = false;
    BEST(ns, (double)N * ROUNDS,
         for (int k = 0; k < ROUNDS; k++) for (int i = 0; i < N; i++)
             sn_bn254_fr_mul(&r[i], &a[i], &b[i]));
    say("mul_portable", ns);
    sn_field_adx = adx_was;
#endif
    (void)adx_was;
    BEST(ns, 2000, for (int k = 0; k < 2000; k++) sn_fe_inv(&sn_bn254_fr, &a[0], &a[0]));
    say("inverse", ns);
}
static void transforms(struct sn_rand *rnd, unsigned log_n)
{
    const struct sn_field *f = &sn_bn254_fr;
    size_t n = (size_t)1 << log_n;
    struct sn_fe *a = sn_alloc(n * sizeof(*a));
    struct sn_ntt *t = NULL;
    double ns;
    if (!a) exit(1);
    random_fe(rnd, f, a, n);
    must(sn_ntt_new(f, log_n, &t));
    BEST(ns, 1, must(sn_ntt_forward(t, a, NULL)));
    say("ntt", ns);
    BEST(ns, 1, must(sn_ntt_to_coset(t, a, NULL)));
    say("ntt_to_coset", ns);
    sn_ntt_free(t);
    sn_free(a);
}
static void sums(struct sn_rand *rnd, const struct sn_group *g, const char *what, unsigned log_n)
{
    size_t n = (size_t)1 << log_n;
    struct sn_fe *k = sn_alloc(n * sizeof(*k));
    char *points = sn_alloc(n * g->affine_size);
    struct sn_point r;
    double ns;
    if (!k || !points) exit(1);
    random_fe(rnd, g->fr, k, n);
    must(sn_group_mul_fixed(g, points, g->generator, k, n, NULL));
    random_fe(rnd, g->fr, k, n);
    BEST(ns, 1, must(sn_msm(g, &r, points, k, n, NULL)));
    say(what, ns);
    sn_free(points);
    sn_free(k);
}
static void pairings(const struct sn_curve *c, const char *one, const char *four)
{
    const void *p[4], *q[4];
    struct sn_gt r;
    double ns;
    for (int i = 0; i < 4; i++) p[i] = c->g1.generator, q[i] = c->g2.generator;
    BEST(ns, 20, for (int k = 0; k < 20; k++) sn_pairing(c, &r, p, q, 1));
    say(one, ns);
    BEST(ns, 20, for (int k = 0; k < 20; k++) sn_pairing(c, &r, p, q, 4));
    say(four, ns);
}

int main(int argc, char **argv)
{
    unsigned log_n = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 16;
    struct sn_rand rnd;
    sn_rand_seed(&rnd, 1);
    products(&rnd);
    transforms(&rnd, log_n);
    sums(&rnd, &sn_bn254.g1, "msm_g1", log_n);
    sums(&rnd, &sn_bn254.g2, "msm_g2", log_n - 2);
    sums(&rnd, &sn_bls12_381.g1, "msm_bls_g1", log_n - 2);
    pairings(&sn_bn254, "pairing", "pairing4");
    pairings(&sn_bls12_381, "pairing_bls", "pairing4_bls");
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* zk/verify.c - e(-A, B) e(alpha, beta) e(IC(pub), gamma) e(C, delta) = 1. */
#include "core/alloc.h"
#include "core/status.h"
#include "crypto/pairing.h"
#include "zk/groth16.h"

void sn_groth_vkey_done(struct sn_groth_vkey *k)
{
    sn_free(k->ic);
    *k = (struct sn_groth_vkey){0};
}

static int check_shape(const struct sn_groth_vkey *k, const struct sn_groth_proof *p, size_t n)
{
    if (p->curve != k->curve)
        return sn_fail(SN_E_INVALID_ARGUMENT, "a proof over %s for a key over %s", p->curve->name,
                       k->curve->name);
    if (n != k->n_public)
        return sn_fail(SN_E_INVALID_ARGUMENT, "%zu public signals, the key has %u", n, k->n_public);
    return 0;
}

/* IC[0]*plain[0] + IC[1]*plain[1] + ...; scalars plain. */
static void public_point(const struct sn_groth_vkey *k, const struct sn_fe *plain, void *ret)
{
    const struct sn_group *g = &k->curve->g1;
    struct sn_point sum, t;
    sn_point_zero(g, &sum);
    for (uint32_t i = 0; i <= k->n_public; i++) {
        sn_point_from_affine(g, &t, k->ic + (size_t)i * g->affine_size);
        sn_point_mul(g, &t, &t, &plain[i]);
        sn_point_add(g, &sum, &sum, &t);
    }
    sn_point_to_affine(g, ret, &sum);
}

int sn_groth_verify(const struct sn_groth_vkey *k, const struct sn_groth_proof *p,
                    const struct sn_fe *pub, size_t n)
{
    int r = check_shape(k, p, n);
    if (r < 0) return r;
    struct sn_fe *plain SN_CLEANUP(sn_freep) = sn_alloc((n + 1) * sizeof(*plain));
    if (!plain) return SN_E_NOMEM;
    plain[0] = (struct sn_fe){{1}};
    sn_fe_from_mont_many(k->curve->fr, plain + 1, pub, n);
    uint64_t minus_a[SN_G1_MAX / 8], x[SN_G1_MAX / 8];
    sn_affine_neg(&k->curve->g1, minus_a, p->a);
    public_point(k, plain, x);
    const void *g1[4] = {minus_a, k->alpha1, x, p->c};
    const void *g2[4] = {p->b, k->beta2, k->gamma2, k->delta2};
    return sn_pairing_is_one(k->curve, g1, g2, 4) ? 0 : SN_E_FAILED_PRECONDITION;
}

struct many {
    const struct sn_groth_vkey *k;
    const struct sn_groth_proof *p;
    const struct sn_fe *pub;
    size_t n;
    struct sn_fe *sums;     /* n+1: what IC's points are multiplied by, Montgomery */
    uint8_t *scaled_a;      /* -z_i * A_i */
    struct sn_point sum_c;
};

static void many_take(struct many *m, size_t i, const struct sn_fe *z_plain)
{
    const struct sn_group *g = &m->k->curve->g1;
    const struct sn_field *f = m->k->curve->fr;
    struct sn_point t;
    struct sn_fe z, v;
    uint64_t minus[SN_G1_MAX / 8];
    sn_affine_neg(g, minus, m->p[i].a);
    sn_point_from_affine(g, &t, minus);
    sn_point_mul(g, &t, &t, z_plain);
    sn_point_to_affine(g, m->scaled_a + i * g->affine_size, &t);
    sn_point_from_affine(g, &t, m->p[i].c);
    sn_point_mul(g, &t, &t, z_plain);
    sn_point_add(g, &m->sum_c, &m->sum_c, &t);
    sn_fe_to_mont(f, &z, z_plain);
    sn_fe_add(f, &m->sums[0], &m->sums[0], &z);
    for (size_t j = 0; j < m->n; j++) {
        sn_fe_mul(f, &v, &z, &m->pub[i * m->n + j]);
        sn_fe_add(f, &m->sums[j + 1], &m->sums[j + 1], &v);
    }
}

/* The last three pairs: alpha scaled by the sum of all z, the public points, the sum of C. */
static void many_fixed(struct many *m, uint64_t (*fixed)[SN_G1_MAX / 8])
{
    const struct sn_group *g = &m->k->curve->g1;
    struct sn_point t;
    sn_fe_from_mont_many(m->k->curve->fr, m->sums, m->sums, m->n + 1);
    sn_point_from_affine(g, &t, m->k->alpha1);
    sn_point_mul(g, &t, &t, &m->sums[0]);
    sn_point_to_affine(g, fixed[0], &t);
    public_point(m->k, m->sums, fixed[1]);
    sn_point_to_affine(g, fixed[2], &m->sum_c);
}

int sn_groth_verify_many(const struct sn_groth_vkey *k, const struct sn_groth_proof *p,
                         const struct sn_fe *pub, size_t n, size_t n_proofs, const uint8_t *random)
{
    const struct sn_group *g = &k->curve->g1;
    for (size_t i = 0; i < n_proofs; i++) {
        int r = check_shape(k, &p[i], n);
        if (r < 0) return r;
    }
    struct many m = {.k = k, .p = p, .pub = pub, .n = n};
    struct sn_fe *sums SN_CLEANUP(sn_freep) = m.sums = SN_NEW_ARRAY(struct sn_fe, n + 1);
    uint8_t *scaled SN_CLEANUP(sn_freep) = m.scaled_a = SN_NEW_ARRAY(uint8_t,
                                                                     n_proofs * g->affine_size);
    const void **g1 SN_CLEANUP(sn_freep) = SN_NEW_ARRAY(const void *, n_proofs + 3);
    const void **g2 SN_CLEANUP(sn_freep) = SN_NEW_ARRAY(const void *, n_proofs + 3);
    if (!sums || !scaled || !g1 || !g2) return SN_E_NOMEM;
    sn_point_zero(g, &m.sum_c);
    for (size_t i = 0; i < n_proofs; i++) {
        struct sn_fe z = {{0}};
        memcpy(z.v, random + 16 * i, 16);
        many_take(&m, i, &z);
        g1[i] = scaled + i * g->affine_size;
        g2[i] = p[i].b;
    }
    uint64_t fixed[3][SN_G1_MAX / 8];
    const void *fixed2[3] = {k->beta2, k->gamma2, k->delta2};
    many_fixed(&m, fixed);
    for (int i = 0; i < 3; i++) {
        g1[n_proofs + i] = fixed[i];
        g2[n_proofs + i] = fixed2[i];
    }
    return sn_pairing_is_one(k->curve, g1, g2, n_proofs + 3) ? 0 : SN_E_FAILED_PRECONDITION;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/curve_int.h - what bn254.c and bls12_381.c give curve.c, pairing.c and msm.c. */
#pragma once
#include "crypto/curve.h"
#include "crypto/field_int.h"
#include "crypto/pairing.h"

struct sn_glv;
struct sn_group_ops {
    void (*add)(void *ret, const void *a, const void *b);
    void (*add_affine)(void *ret, const void *a, const void *affine_b);
    void (*dbl)(void *ret, const void *a);
    void (*neg)(void *ret, const void *a);
    void (*neg_affine)(void *ret_affine, const void *affine);
    void (*mul)(void *ret, const void *a, const struct sn_fe *k);
    void (*mul_ct)(void *ret, const void *a, const struct sn_fe *k);
    void (*from_affine)(void *ret, const void *affine);
    void (*to_affine)(void *ret_affine, const void *points, size_t stride, size_t n);
    bool (*is_zero)(const void *a);
    bool (*equal)(const void *a, const void *b);
    int (*check)(const void *affine); /* see group_tmpl_int.h */
    bool (*from_x)(void *ret_affine, const void *x);
    void (*clear_cofactor)(void *ret_affine, const void *affine);
    const struct sn_msm_engine *engine; /* the scalar one */
    const struct sn_glv *glv;           /* of the endomorphism (beta x, y) */
    const uint64_t *beta;               /* a base field element, Montgomery */
};

/* A short basis of the lattice of (a, b) with a + b*lambda = 0 mod r, ready for use: with C1 and C2
 * the high words of k*g[0] and k*g[1], k1 = k + C1*k1[0] + C2*k1[1] and k2 = C1*k2[0] + C2*k2[1]
 * modulo 2^256 in two's complement, k = k1 + k2*lambda, both below 2^129 in size.
 * Source: Gallant, Lambert, Vanstone (2001). */
struct sn_glv {
    uint64_t g[2][3];
    uint64_t k1[2][4], k2[2][4];
};
/* sn_glv_split - magnitudes and signs of k1 and k2; k is reduced modulo r first. */
void sn_glv_split(const struct sn_glv *glv, const struct sn_field *fr, const struct sn_fe *k,
                  uint64_t k1[4], bool *neg1, uint64_t k2[4], bool *neg2);

struct sn_pairing_ops {
    /* acc *= the Miller functions of n <= SN_MILLER_MAX pairs; acc starts as one. */
    void (*miller)(struct sn_gt *acc, const void *const *p, const void *const *q, size_t n);
    void (*final_exp)(struct sn_gt *a);
    void (*mul)(struct sn_gt *ret, const struct sn_gt *a, const struct sn_gt *b);
    void (*one)(struct sn_gt *ret);
};
/* Pairs that share the squarings of one Miller loop: what fits a fiber's stack. */
#define SN_MILLER_MAX 4

extern const struct sn_pairing_ops sn_bn254_pairing, sn_bls12_381_pairing;
extern const struct sn_fx sn_bn254_fx, sn_bls12_381_fx;

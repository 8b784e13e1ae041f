/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/pairing.h - the optimal ate pairing on BN254 and BLS12-381.
 *
 * Points are affine, in the layout of curve.h, on the curve and in their subgroups: check what
 * comes from outside with sn_affine_check first. A pair with an infinite point contributes one.
 * Time depends on the operands. Any thread; nothing allocates or suspends.
 * Sources: Vercauteren, "Optimal pairings" (2010); Scott et al., "On the final exponentiation"
 * (2009); Granger and Scott, "Faster squaring in the cyclotomic subgroup" (2010). */
#pragma once
#include "crypto/curve.h"

/* An element of the target group: twelve base field elements in tower order, Montgomery.
 * Fq12 = Fq6[w]/(w^2 - v), Fq6 = Fq2[v]/(v^3 - xi), Fq2 = Fq[u]/(u^2 + 1), xi = 9 + u on BN254
 * and 1 + u on BLS12-381: element 6*i + 2*j + k is the coefficient of w^i v^j u^k. */
struct sn_gt {
    uint64_t w[72];
};

/* sn_pairing - the product of e(p[i], q[i]) over n pairs, one final exponentiation for all.
 * The exponent is exactly (q^12 - 1)/r, so values compare with other exact implementations
 * (snarkjs' vk_alphabeta_12). n = 0 gives one. */
void sn_pairing(const struct sn_curve *c, struct sn_gt *ret, const void *const *p,
                const void *const *q, size_t n);
/* sn_pairing_is_one - whether that product is one: what verifiers ask. */
bool sn_pairing_is_one(const struct sn_curve *c, const void *const *p, const void *const *q,
                       size_t n);
/* sn_gt_one, mul, equal - in the target group. */
void sn_gt_one(const struct sn_curve *c, struct sn_gt *ret);
void sn_gt_mul(const struct sn_curve *c, struct sn_gt *ret, const struct sn_gt *a,
               const struct sn_gt *b);
bool sn_gt_equal(const struct sn_curve *c, const struct sn_gt *a, const struct sn_gt *b);
/* sn_gt_pow - a^e, e a plain 256-bit integer. */
void sn_gt_pow(const struct sn_curve *c, struct sn_gt *ret, const struct sn_gt *a,
               const struct sn_fe *e);
/* sn_gt_get_dec - element i (0..11, tower order above) as decimal text. Returns its length. */
size_t sn_gt_get_dec(const struct sn_curve *c, const struct sn_gt *a, unsigned i,
                     char out[SN_FE_DEC_MAX]);

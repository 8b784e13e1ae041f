/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/pairing.c - pairings behind one interface. */
#include "crypto/pairing.h"

#include "core/status.h"
#include "crypto/curve_int.h"

static const struct sn_pairing_ops *ops_of(const struct sn_curve *c)
{
    return c == &sn_bn254 ? &sn_bn254_pairing : &sn_bls12_381_pairing;
}
void sn_pairing(const struct sn_curve *c, struct sn_gt *ret, const void *const *p,
                const void *const *q, size_t n)
{
    const struct sn_pairing_ops *ops = ops_of(c);
    struct sn_gt acc, part;
    ops->one(&acc);
    for (size_t i = 0; i < n; i += SN_MILLER_MAX) {
        memset(&part, 0, sizeof(part));
        ops->miller(&part, p + i, q + i, SN_MIN(n - i, (size_t)SN_MILLER_MAX));
        ops->mul(&acc, &acc, &part);
    }
    ops->final_exp(&acc);
    *ret = acc;
}
bool sn_pairing_is_one(const struct sn_curve *c, const void *const *p, const void *const *q,
                       size_t n)
{
    struct sn_gt got, one;
    sn_pairing(c, &got, p, q, n);
    ops_of(c)->one(&one);
    return sn_gt_equal(c, &got, &one);
}
void sn_gt_one(const struct sn_curve *c, struct sn_gt *ret) { ops_of(c)->one(ret); }
void sn_gt_mul(const struct sn_curve *c, struct sn_gt *ret, const struct sn_gt *a,
               const struct sn_gt *b)
{
    struct sn_gt t = {{0}};
    ops_of(c)->mul(&t, a, b);
    *ret = t;
}
bool sn_gt_equal(const struct sn_curve *c, const struct sn_gt *a, const struct sn_gt *b)
{
    return memcmp(a, b, 12 * c->q_size) == 0;
}
void sn_gt_pow(const struct sn_curve *c, struct sn_gt *ret, const struct sn_gt *a,
               const struct sn_fe *e)
{
    struct sn_gt acc, base = *a;
    ops_of(c)->one(&acc);
    for (int i = 255; i >= 0; i--) {
        ops_of(c)->mul(&acc, &acc, &acc);
        if (e->v[i / 64] >> (i % 64) & 1) ops_of(c)->mul(&acc, &acc, &base);
    }
    *ret = acc;
}
size_t sn_gt_get_dec(const struct sn_curve *c, const struct sn_gt *a, unsigned i,
                     char out[SN_FE_DEC_MAX])
{
    /* An element of Gt is an array of base field elements, as a point is. */
    return sn_affine_get_dec(&c->g1, a, i, out);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/curve.h - the groups of BN254 and BLS12-381, behind one interface.
 *
 * A struct sn_group is G1 or G2 of one curve. Affine points are plain bytes of g->affine_size:
 * x then y, each coord_size bytes, an Fq2 coordinate as c0 then c1, every Fq element Montgomery
 * little-endian words: exactly the points of .zkey and .ptau files, so a section of a mapped file
 * is an array of points (8-byte alignment is enough; functions on many points take any address).
 * The point at infinity is all zeros, which is on neither curve.
 * Running sums are struct sn_point (Jacobian coordinates, big enough for any group).
 *
 * All operations are complete: equal, opposite and infinite operands give the right answer. Time
 * depends on the operands except where a name ends in _ct. Outputs may be the inputs. Any thread;
 * nothing suspends. Sources: EIP-196/197, draft-irtf-cfrg-pairing-friendly-curves for the
 * parameters; the formulas are named in curve_tmpl_int.h. */
#pragma once
#include "crypto/field.h"

#define SN_AFFINE_MAX 192 /* bytes of the largest affine point (BLS12-381 G2) */
#define SN_FQ_BYTES_MAX 48

struct sn_point {
    uint64_t w[36];
};

struct sn_group_ops;
struct sn_group {
    const char *name; /* "bn254.g1" */
    const struct sn_field *fr;
    size_t q_size;      /* bytes of a base field element: 32, 48 */
    size_t coord_size;  /* q_size, twice that for G2 */
    size_t affine_size; /* twice coord_size */
    const void *generator; /* affine */
    const struct sn_group_ops *ops;
};
struct sn_curve {
    const char *name; /* "bn254", "bls12_381" */
    const struct sn_field *fr;
    size_t q_size;
    const uint8_t *q_le; /* the base field's modulus, q_size bytes, little-endian */
    struct sn_group g1, g2;
};
extern const struct sn_curve sn_bn254, sn_bls12_381;

/* sn_point_zero - the point at infinity. */
void sn_point_zero(const struct sn_group *g, struct sn_point *ret);
bool sn_point_is_zero(const struct sn_group *g, const struct sn_point *a);
/* sn_point_equal - the same point, whatever its coordinates. */
bool sn_point_equal(const struct sn_group *g, const struct sn_point *a, const struct sn_point *b);
/* sn_point_add, add_affine, dbl, neg - the group law. */
void sn_point_add(const struct sn_group *g, struct sn_point *ret, const struct sn_point *a,
                  const struct sn_point *b);
void sn_point_add_affine(const struct sn_group *g, struct sn_point *ret, const struct sn_point *a,
                         const void *affine_b);
void sn_point_dbl(const struct sn_group *g, struct sn_point *ret, const struct sn_point *a);
void sn_point_neg(const struct sn_group *g, struct sn_point *ret, const struct sn_point *a);
/* sn_point_mul - scalar * a; the scalar is a plain (not Montgomery) 256-bit integer, reduced or
 * not. Time depends on it. */
void sn_point_mul(const struct sn_group *g, struct sn_point *ret, const struct sn_point *a,
                  const struct sn_fe *scalar);
/* sn_point_mul_ct - the same in time that depends on neither (complete addition, fixed windows,
 * masked table reads): for secret scalars (setup trapdoors, blinding). About twice the time.
 * Source: Renes, Costello, Batina, "Complete addition formulas" (2016), algorithms 7 and 9. */
void sn_point_mul_ct(const struct sn_group *g, struct sn_point *ret, const struct sn_point *a,
                     const struct sn_fe *scalar);
void sn_point_from_affine(const struct sn_group *g, struct sn_point *ret, const void *affine);
void sn_point_to_affine(const struct sn_group *g, void *ret_affine, const struct sn_point *a);
/* sn_point_to_affine_many - n points, one inversion for many.
 * Returns 0 or SN_E_NOMEM. */
int sn_point_to_affine_many(const struct sn_group *g, void *ret_affine, const struct sn_point *a,
                            size_t n) SN_MUST_CHECK;

bool sn_affine_is_zero(const struct sn_group *g, const void *affine);
void sn_affine_neg(const struct sn_group *g, void *ret_affine, const void *affine);
/* sn_affine_check - whether the bytes are a point: coordinates below the modulus, on the curve, and
 * in the subgroup of order r (free on BN254 G1, which has no other). Infinity passes.
 * Returns 0, SN_E_OUT_OF_RANGE for a coordinate that is not reduced, SN_E_INVALID_ARGUMENT for a
 * point off the curve or outside the subgroup (diagnostic says which). */
int sn_affine_check(const struct sn_group *g, const void *affine) SN_MUST_CHECK;
/* sn_affine_check_many - n points; *ret_bad is the index of the first bad one.
 * Returns as sn_affine_check. Runs on par. */
int sn_affine_check_many(const struct sn_group *g, const void *affine, size_t n,
                         const struct sn_par *par, size_t *ret_bad) SN_MUST_CHECK;
/* sn_affine_from_x - the point with that x and either y. x: coord_size bytes, Montgomery, as in a
 * point. Returns false where x^3 + b is not a square. Not necessarily in the subgroup. */
bool sn_affine_from_x(const struct sn_group *g, void *ret_affine, const void *x) SN_MUST_CHECK;
/* sn_affine_clear_cofactor - into the subgroup of order r, by the group's full cofactor. */
void sn_affine_clear_cofactor(const struct sn_group *g, void *ret_affine, const void *affine);

/* Base field coordinates, i counting x.c0 [x.c1] y.c0 [y.c1]. */
/* sn_affine_get_le, set_le - q_size bytes of the plain integer, little-endian. set returns 0 or
 * SN_E_OUT_OF_RANGE for the modulus and above. */
void sn_affine_get_le(const struct sn_group *g, const void *affine, unsigned i, void *out);
int sn_affine_set_le(const struct sn_group *g, void *affine, unsigned i,
                     const void *in) SN_MUST_CHECK;
/* sn_affine_get_dec, set_dec - the same in decimal; set returns as sn_fe_from_dec. */
size_t sn_affine_get_dec(const struct sn_group *g, const void *affine, unsigned i,
                         char out[SN_FE_DEC_MAX]);
int sn_affine_set_dec(const struct sn_group *g, void *affine, unsigned i,
                      struct sn_str text) SN_MUST_CHECK;

/* sn_group_mul_many - ret[i] = scalars[i] * points[i] for n affine points and plain scalars;
 * `ret_affine` may be `points`. With `same` set all points take scalars[0].
 * Returns 0 or SN_E_NOMEM. Time depends on the scalars. */
int sn_group_mul_many(const struct sn_group *g, void *ret_affine, const void *points,
                      const struct sn_fe *scalars, bool same, size_t n,
                      const struct sn_par *par) SN_MUST_CHECK;
/* sn_group_mul_fixed - ret[i] = scalars[i] * base for n plain scalars and one affine base: window
 * tables, for a setup's many powers of one generator. Returns 0 or SN_E_NOMEM. */
int sn_group_mul_fixed(const struct sn_group *g, void *ret_affine, const void *base,
                       const struct sn_fe *scalars, size_t n,
                       const struct sn_par *par) SN_MUST_CHECK;

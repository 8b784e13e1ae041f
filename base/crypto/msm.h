/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/msm.h - sums of scalar multiples of many points (Pippenger's method).
 * Signed digits, buckets added in affine coordinates with one inversion for thousands of sums,
 * eight lanes at a time where the processor has AVX-512. Scalars 0, 1 and small ones cost
 * what they are worth: witnesses are mostly bits. Time depends on the scalars. */
#pragma once
#include "crypto/curve.h"

#define SN_MSM_WINDOW_MAX 15
#define SN_MSM_SUMS_MAX 8

struct sn_msm_opts {
    const struct sn_par *par;
    bool montgomery;      /* sn_msm: scalars are Montgomery elements of g->fr, not plain integers */
    unsigned window_bits; /* 0 = chosen from n (tests and benches set it), 2 to SN_MSM_WINDOW_MAX */
};
/* sn_msm - the sum of scalars[i] * points[i] over n affine points; n = 0 gives infinity. Plain
 * scalars need not be reduced. Points must be in the subgroup of order r; they may lie at any address.
 * `o` may be NULL. Needs about as much memory as the points again. Returns 0, SN_E_NOMEM,
 * SN_E_TOO_LARGE from 2^31 points on. */
int sn_msm(const struct sn_group *g, struct sn_point *ret, const void *points,
           const struct sn_fe *scalars, size_t n, const struct sn_msm_opts *o) SN_MUST_CHECK;

/* A sum of many, as sn_msm takes it. */
struct sn_msm_sum {
    const struct sn_group *g;
    const void *points;
    const struct sn_fe *scalars;
    size_t n;
    bool montgomery;
    struct sn_point ret;
};
/* sn_msm_many - up to SN_MSM_SUMS_MAX sums at once, to `ret` of each: their jobs share one queue, the
 * dearest sums should come first. o->montgomery is not read. Returns as sn_msm. */
int sn_msm_many(struct sn_msm_sum *sums, size_t n, const struct sn_msm_opts *o) SN_MUST_CHECK;

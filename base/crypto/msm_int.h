/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/msm_int.h - what adds points for msm.c: a scalar engine per group, and vector ones. */
#pragma once
#include "crypto/curve_int.h"

/* *out = +-a + +-b; places in arrays of points. */
struct sn_pair {
    uint32_t a, b, out;
};
#define SN_PAIR_MINUS (1u << 31) /* on a or b: the opposite point */
#define SN_PAIR_BATCH 1024       /* pairs that share an inversion */

/* Points of an engine are affine points of point_size bytes, all zeros at infinity, with coordinates
 * that may not be fully reduced. */
struct sn_msm_engine {
    size_t point_size;
    size_t scratch_size; /* bytes add_pairs works in, 64-aligned */
    bool any_address;    /* reads points at any address, not only at multiples of eight */
    /* One point out, reduced. */
    void (*export)(void *ret_affine, const void *point);
    void (*neg)(void *ret, const void *point);
    /* At most SN_PAIR_BATCH independent sums; `ret` may be `src`: all is read before any is written. */
    void (*add_pairs)(void *ret, const void *src, const struct sn_pair *pairs, size_t n,
                      void *scratch);
    /* n points doubled in place, n a multiple of eight; scratch for SN_PAIR_BATCH at a time. */
    void (*double_all)(void *points, size_t n, void *scratch);
    /* Images under the group's endomorphism (beta x, y). */
    void (*image)(void *ret, const void *src, size_t n);
};

/* Products of many points by a scalar each: signed digits of both halves of a scalar, and affine
 * steps that a whole batch takes together, an inversion for all. */
struct sn_mul_batch {
    const struct sn_group *g;
    const struct sn_msm_engine *e;
    size_t cap;      /* points, a multiple of eight */
    char *in;        /* cap engine points to multiply; used up by run */
    char *out;       /* where run leaves the products */
    struct sn_fe *k; /* their scalars, plain */
    char *extra;     /* room for cap points more, after `out`; run uses it first */
    int8_t *digits;
    bool *started;
    struct sn_pair *pairs;
    char *scratch;
    void *block;
};
/* sn_mul_batch_init - Returns 0 or SN_E_NOMEM. Owns: sn_mul_batch_done. */
int sn_mul_batch_init(struct sn_mul_batch *b, const struct sn_group *g) SN_MUST_CHECK;
void sn_mul_batch_done(struct sn_mul_batch *b);
/* sn_mul_batch_run - out[i] = k[i] * in[i] for i < n <= cap. Time depends on the scalars. */
void sn_mul_batch_run(struct sn_mul_batch *b, size_t n);
/* sn_msm_engine_of - the fastest one for the group here. */
const struct sn_msm_engine *sn_msm_engine_of(const struct sn_group *g);

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

/* Points of an engine are point_size bytes, all zeros at infinity, in a form of its own. */
struct sn_msm_engine {
    size_t point_size;
    size_t scratch_size; /* bytes add_pairs works in, 64-aligned */
    /* n affine points in. */
    void (*import)(void *ret, const void *affine, size_t n);
    /* One point out, affine. */
    void (*export)(void *ret_affine, const void *point);
    void (*neg)(void *ret, const void *point);
    /* At most SN_PAIR_BATCH independent sums; `ret` may be `src`: all is read before any is written. */
    void (*add_pairs)(void *ret, const void *src, const struct sn_pair *pairs, size_t n,
                      void *scratch);
};
/* sn_msm_engine_of - the fastest one for the group here. */
const struct sn_msm_engine *sn_msm_engine_of(const struct sn_group *g);

/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/ifma_int.h - the doors to the AVX-512 IFMA kernels.
 * Each is safe to call anywhere: without the instructions (sn_field_ifma false, or another
 * architecture) it does nothing and says so, and the caller goes on with scalar code. */
#pragma once
#include "crypto/field_int.h"

/* sn_ifma_mul_many - ret[i] = a[i]*b[i] for the first 8k elements. Returns how many it did. */
size_t sn_ifma_mul_many(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a,
                        const struct sn_fe *b, size_t n);
/* sn_ifma_scale_many - ret[i] = a[i]*c/2^256: products with one factor. Returns as mul_many. */
size_t sn_ifma_scale_many(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a,
                          const struct sn_fe *c, size_t n);

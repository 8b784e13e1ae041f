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

/* A transform's tables in vector form, for domains of 2^SN_IFMA_NTT_LOG_MIN elements and more. */
#define SN_IFMA_NTT_LOG_MIN 8
struct sn_ifma_ntt;
/* sn_ifma_ntt_new - from w^j (j < n/2), g^k/n (k < n; NULL where there is no g) and 1/n. Returns 0,
 * SN_E_UNIMPLEMENTED where there is nothing to gain, SN_E_NOMEM. Owns: sn_ifma_ntt_free. */
int sn_ifma_ntt_new(const struct sn_field *f, unsigned log_n, const struct sn_fe *powers,
                    const struct sn_fe *shift, const struct sn_fe *n_inv, struct sn_ifma_ntt **ret);
void sn_ifma_ntt_free(struct sn_ifma_ntt *t);
enum sn_ntt_mode { SN_NTT_FORWARD, SN_NTT_INVERSE, SN_NTT_COSET };
/* sn_ifma_ntt_run - one transform in place. Returns 0, SN_E_NOMEM. */
int sn_ifma_ntt_run(const struct sn_ifma_ntt *t, struct sn_fe *a, enum sn_ntt_mode mode,
                    const struct sn_par *par);

/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/vec_int.h - the doors to the AVX-512 kernels, eight elements at a time.
 * vec.c, vec_lanes.c, vec_msm.c, vec_ntt.c and vec_rows.c are compiled twice: for AVX-512 IFMA, and
 * for processors that have AVX-512 without it, where products of 52-bit limbs come from fused
 * multiply-adds of doubles. The two builds differ in vec_f5_int.h's products only. */
#pragma once
#include "crypto/field_int.h"
#include "crypto/msm_int.h"

#ifdef SN_VEC_FMA
#define VEC_(x) sn_vec_fma_##x
#else
#define VEC_(x) sn_vec_ifma_##x
#endif

/* A transform's tables in vector form, for domains of 2^SN_VEC_NTT_LOG_MIN elements and more. */
#define SN_VEC_NTT_LOG_MIN 8
/* Where rows of a field of fewer bits are checked one by one: the kernel estimates quotients by the top
 * limb. */
#define SN_VEC_ROWS_BITS_MIN 240
#define SN_VEC_ROWS_LONG 8u /* entries of a sum from which on it is taken apart by itself */
struct sn_vec_ntt;
struct sn_lanes_ops;
struct sn_fe_rows;
enum sn_ntt_mode { SN_NTT_FORWARD, SN_NTT_INVERSE, SN_NTT_COSET };

struct sn_vec_engine {
    const char *name;
    /* ret[i] = a[i]*b[i] for the first 8k elements. Returns how many it did. */
    size_t (*mul_many)(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a,
                       const struct sn_fe *b, size_t n);
    /* ret[i] = a[i]*c/2^256: products with one factor. Returns as mul_many. */
    size_t (*scale_many)(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a,
                         const struct sn_fe *c, size_t n);
    /* From w^j (j < n/2), g^k/n (k < n; NULL where there is no g) and 1/n. Returns 0,
     * SN_E_UNIMPLEMENTED where there is nothing to gain, SN_E_NOMEM. Owns: ntt_free. */
    int (*ntt_new)(const struct sn_field *f, unsigned log_n, const struct sn_fe *powers,
                   const struct sn_fe *shift, const struct sn_fe *n_inv, struct sn_vec_ntt **ret);
    void (*ntt_free)(struct sn_vec_ntt *t);
    /* One transform in place. Returns 0, SN_E_NOMEM. */
    int (*ntt_run)(const struct sn_vec_ntt *t, struct sn_fe *a, enum sn_ntt_mode mode,
                   const struct sn_par *par);
    const struct sn_lanes_ops *lanes; /* of lanes.h */
    /* sn_fe_rows_check, for SN_VEC_ROWS_BITS_MIN and more. */
    uint32_t (*rows_check)(const struct sn_field *f, const struct sn_fe_rows *r, uint32_t lo,
                           uint32_t hi);
    /* NULL where the group has no vector engine. */
    const struct sn_msm_engine *(*msm_engine)(const struct sn_group *g);
};
/* The one in use, set before main; NULL where the processor has none. Tests switch it. */
extern const struct sn_vec_engine *sn_field_vec;
/* sn_vec_of - the engine for a field, NULL where there is none. Reductions end in one subtraction of p; next to 2^256
 * a product can be 2p and a little, since three of five steps choose their multiples from one that is 2^-50 off. */
#define SN_VEC_TOP_MAX (UINT64_MAX - 0xffff)
static inline const struct sn_vec_engine *sn_vec_of(const struct sn_field *f)
{
    return f->p.v[3] < SN_VEC_TOP_MAX ? sn_field_vec : NULL;
}
/* sn_vec_engines - those this processor can run, best first; `ret` has room for two. Returns how
 * many. */
size_t sn_vec_engines(const struct sn_vec_engine *ret[2]);

/* For vec.c's table; each build defines its own. */
size_t VEC_(mul_many)(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a,
                      const struct sn_fe *b, size_t n);
size_t VEC_(scale_many)(const struct sn_field *f, struct sn_fe *ret, const struct sn_fe *a,
                        const struct sn_fe *c, size_t n);
int VEC_(ntt_new)(const struct sn_field *f, unsigned log_n, const struct sn_fe *powers,
                  const struct sn_fe *shift, const struct sn_fe *n_inv, struct sn_vec_ntt **ret);
void VEC_(ntt_free)(struct sn_vec_ntt *t);
int VEC_(ntt_run)(const struct sn_vec_ntt *t, struct sn_fe *a, enum sn_ntt_mode mode,
                  const struct sn_par *par);
extern const struct sn_lanes_ops VEC_(lanes);
uint32_t VEC_(rows_check)(const struct sn_field *f, const struct sn_fe_rows *r, uint32_t lo,
                          uint32_t hi);
const struct sn_msm_engine *VEC_(msm_engine)(const struct sn_group *g);
#ifdef __x86_64__
extern const struct sn_vec_engine sn_vec_ifma_engine, sn_vec_fma_engine;
#endif

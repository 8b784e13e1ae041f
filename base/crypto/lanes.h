/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/lanes.h - eight field elements at a time, for code that does the same to eight of them.
 *
 * A struct sn_fe8 is one element in each of eight lanes: the integer of the ordinary Montgomery form
 * in five limbs of 52 bits, always fully reduced. Needs AVX-512 (F, DQ, VL, BW); products are
 * several times faster with IFMA. Time does not depend on the values, but for sn_fe8_inv. Outputs
 * may be the inputs. Nothing here allocates or suspends; any thread may call it. */
#pragma once
#include "crypto/field.h"

struct sn_fe8 {
    _Alignas(64) uint64_t l[5][8];
};
struct sn_lanes;
/* The kernels, for one set of instructions. */
struct sn_lanes_ops {
    void (*init)(struct sn_lanes *c, const struct sn_field *f);
    void (*add)(const struct sn_lanes *c, struct sn_fe8 *ret, const struct sn_fe8 *a,
                const struct sn_fe8 *b);
    void (*sub)(const struct sn_lanes *c, struct sn_fe8 *ret, const struct sn_fe8 *a,
                const struct sn_fe8 *b);
    void (*mul)(const struct sn_lanes *c, struct sn_fe8 *ret, const struct sn_fe8 *a,
                const struct sn_fe8 *b);
    void (*dot)(const struct sn_lanes *c, struct sn_fe8 *ret, const struct sn_fe8 *const *a,
                const struct sn_fe8 *const *b, unsigned n);
    void (*inv)(const struct sn_lanes *c, struct sn_fe8 *ret, const struct sn_fe8 *a);
    uint8_t (*equal)(const struct sn_fe8 *a, const struct sn_fe8 *b);
    void (*select)(struct sn_fe8 *ret, uint8_t mask, const struct sn_fe8 *a,
                   const struct sn_fe8 *b);
    void (*from_fe)(struct sn_fe8 *ret, const struct sn_fe a[8]);
    void (*to_fe)(struct sn_fe ret[8], const struct sn_fe8 *a);
    void (*to_plain)(const struct sn_lanes *c, struct sn_fe ret[8], const struct sn_fe8 *a);
    void (*from_i64)(const struct sn_lanes *c, struct sn_fe8 *ret, const int64_t a[8]);
};
/* A field as the kernels need it; constant after sn_lanes_init. */
struct sn_lanes {
    const struct sn_lanes_ops *ops;
    const struct sn_field *f;
    struct sn_fe8 p, zero;
    struct sn_fe8 p_factors, step; /* for the reduction, as the kernels multiply */
    _Alignas(64) uint64_t inv[8];
    struct sn_fe8 r2, unit; /* 2^512 mod p; 1 */
    unsigned dot_max;       /* products that sn_fe8_dot takes: as many as are below p with one subtraction */
};
#define SN_FE8_DOT_MAX 5u

/* sn_lanes_init - Returns 0, SN_E_UNIMPLEMENTED (no diagnostic) where the processor has not the
 * instructions or p is next to 2^256. Borrows f. */
int sn_lanes_init(struct sn_lanes *c, const struct sn_field *f) SN_MUST_CHECK;

static inline void sn_fe8_add(const struct sn_lanes *c, struct sn_fe8 *ret, const struct sn_fe8 *a,
                              const struct sn_fe8 *b)
{
    c->ops->add(c, ret, a, b);
}
static inline void sn_fe8_sub(const struct sn_lanes *c, struct sn_fe8 *ret, const struct sn_fe8 *a,
                              const struct sn_fe8 *b)
{
    c->ops->sub(c, ret, a, b);
}
static inline void sn_fe8_mul(const struct sn_lanes *c, struct sn_fe8 *ret, const struct sn_fe8 *a,
                              const struct sn_fe8 *b)
{
    c->ops->mul(c, ret, a, b);
}
/* sn_fe8_dot - a[0]*b[0] + ... + a[n-1]*b[n-1], n from 1 to c->dot_max: one reduction for all. */
static inline void sn_fe8_dot(const struct sn_lanes *c, struct sn_fe8 *ret, const struct sn_fe8 *const *a,
                              const struct sn_fe8 *const *b, unsigned n)
{
    c->ops->dot(c, ret, a, b, n);
}
/* sn_fe8_inv - 1/a in each lane, 0 for 0: one inversion for all. */
static inline void sn_fe8_inv(const struct sn_lanes *c, struct sn_fe8 *ret, const struct sn_fe8 *a)
{
    c->ops->inv(c, ret, a);
}
/* sn_fe8_equal - a bit for each lane. */
static inline uint8_t sn_fe8_equal(const struct sn_lanes *c, const struct sn_fe8 *a,
                                   const struct sn_fe8 *b)
{
    return c->ops->equal(a, b);
}
/* sn_fe8_select - b in the lanes of the mask, a in the others. */
static inline void sn_fe8_select(const struct sn_lanes *c, struct sn_fe8 *ret, uint8_t mask,
                                 const struct sn_fe8 *a, const struct sn_fe8 *b)
{
    c->ops->select(ret, mask, a, b);
}
/* sn_fe8_from_fe, to_fe - eight elements in the ordinary Montgomery form; to_plain - as integers
 * below p; from_i64 - of small integers: |x| < 2^62 and below p, negative ones stand for p - |x|. */
static inline void sn_fe8_from_fe(const struct sn_lanes *c, struct sn_fe8 *ret,
                                  const struct sn_fe a[8])
{
    c->ops->from_fe(ret, a);
}
static inline void sn_fe8_to_fe(const struct sn_lanes *c, struct sn_fe ret[8],
                                const struct sn_fe8 *a)
{
    c->ops->to_fe(ret, a);
}
static inline void sn_fe8_to_plain(const struct sn_lanes *c, struct sn_fe ret[8],
                                   const struct sn_fe8 *a)
{
    c->ops->to_plain(c, ret, a);
}
static inline void sn_fe8_from_i64(const struct sn_lanes *c, struct sn_fe8 *ret,
                                   const int64_t a[8])
{
    c->ops->from_i64(c, ret, a);
}

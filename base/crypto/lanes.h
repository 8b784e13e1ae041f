/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/lanes.h - eight field elements at a time, for code that does the same to eight of them.
 *
 * A struct sn_fe8 is one element in each of eight lanes, in a form of its own (five limbs of 52
 * bits, Montgomery with 2^260), always fully reduced. Needs AVX-512 IFMA: ask sn_lanes_available
 * first, everything else may be called only where it says yes, and exists on x86 only.
 * Time does not depend on the values, but for sn_fe8_inv. Outputs may be the inputs. Nothing here
 * allocates or suspends; any thread may call it. */
#pragma once
#include "crypto/field.h"

struct sn_fe8 {
    _Alignas(64) uint64_t l[5][8];
};
/* A field as the kernels need it; constant after sn_lanes_init. */
struct sn_lanes {
    struct sn_fe8 mod[5]; /* p, 2p, 4p, 8p, 16p */
    _Alignas(64) uint64_t inv[8];
    struct sn_fe8 enter, leave, r2, unit; /* 2^264, 2^256, 2^520 mod p; 1: all plain */
    const struct sn_field *f;
};

/* sn_lanes_available - whether this processor has the instructions. */
bool sn_lanes_available(void);
void sn_lanes_init(struct sn_lanes *c, const struct sn_field *f);

void sn_fe8_add(const struct sn_lanes *c, struct sn_fe8 *ret, const struct sn_fe8 *a,
                const struct sn_fe8 *b);
void sn_fe8_sub(const struct sn_lanes *c, struct sn_fe8 *ret, const struct sn_fe8 *a,
                const struct sn_fe8 *b);
void sn_fe8_mul(const struct sn_lanes *c, struct sn_fe8 *ret, const struct sn_fe8 *a,
                const struct sn_fe8 *b);
/* sn_fe8_inv - 1/a in each lane, 0 for 0: one inversion for all. */
void sn_fe8_inv(const struct sn_lanes *c, struct sn_fe8 *ret, const struct sn_fe8 *a);
/* sn_fe8_equal, zero - a bit for each lane. */
uint8_t sn_fe8_equal(const struct sn_fe8 *a, const struct sn_fe8 *b);
uint8_t sn_fe8_zero(const struct sn_fe8 *a);
/* sn_fe8_select - b in the lanes of the mask, a in the others. */
void sn_fe8_select(struct sn_fe8 *ret, uint8_t mask, const struct sn_fe8 *a,
                   const struct sn_fe8 *b);
/* sn_fe8_keep - a in the lanes of the mask, 0 in the others. */
void sn_fe8_keep(struct sn_fe8 *ret, uint8_t mask, const struct sn_fe8 *a);

/* sn_fe8_from_fe, to_fe - eight elements in the ordinary Montgomery form; _i64 - small integers,
 * negative ones stand for p - |x|, and |x| < 2^62; _plain - integers below p. */
void sn_fe8_from_fe(const struct sn_lanes *c, struct sn_fe8 *ret, const struct sn_fe a[8]);
void sn_fe8_to_fe(const struct sn_lanes *c, struct sn_fe ret[8], const struct sn_fe8 *a);
void sn_fe8_from_i64(const struct sn_lanes *c, struct sn_fe8 *ret, const int64_t a[8]);
void sn_fe8_to_plain(const struct sn_lanes *c, struct sn_fe ret[8], const struct sn_fe8 *a);

/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/ed25519_fe_int.h - arithmetic modulo 2^255-19 in five limbs of 51 bits, for
 * ed25519_point.c.
 *
 * A limb is "carried" below 2^52; sums and differences may stay uncarried, up to 2^54, before the
 * next product. Variable time: nothing here sees a secret. */
#pragma once
#include <endian.h>

#include "core/base.h"

#define FE51_LOW ((1ull << 51) - 1)

struct fe51 {
    uint64_t v[5];
};

/* How to raise to 2^250-1, and what both exponents below share: step i squares r[from] so many
 * times, multiplies by r[times] (NONE: not) and calls the result r[i+1], r[0] being the base. */
#define FE51_POW_NONE 15
static const struct {
    uint8_t from, squarings, times;
} fe51_pow_steps[] = {
    {0, 1, FE51_POW_NONE}, /* 2 */
    {1, 2, 0},             /* 9 */
    {2, 0, 1},             /* 11 */
    {3, 1, 2},             /* 2^5-1 */
    {4, 5, 4},             /* 2^10-1 */
    {5, 10, 5},            /* 2^20-1 */
    {6, 20, 6},            /* 2^40-1 */
    {7, 10, 5},            /* 2^50-1 */
    {8, 50, 8},            /* 2^100-1 */
    {9, 100, 9},           /* 2^200-1 */
    {10, 50, 8},           /* 2^250-1 */
};
#define FE51_POW_STEPS 11
#define FE51_POW_ELEVEN 3 /* which r is the 11th power */

static inline void fe51_set(struct fe51 *r, uint64_t x) { *r = (struct fe51){{x}}; }
static inline void fe51_add(struct fe51 *r, const struct fe51 *a, const struct fe51 *b)
{
    for (unsigned i = 0; i < 5; i++) r->v[i] = a->v[i] + b->v[i];
}
/* b carried: four times the prime keeps every limb above zero. */
static inline void fe51_sub(struct fe51 *r, const struct fe51 *a, const struct fe51 *b)
{
    r->v[0] = a->v[0] + 4 * (FE51_LOW - 18) - b->v[0];
    for (unsigned i = 1; i < 5; i++) r->v[i] = a->v[i] + 4 * FE51_LOW - b->v[i];
}
static inline void fe51_carry(struct fe51 *r)
{
    uint64_t c = 0;
    for (unsigned i = 0; i < 5; i++) {
        r->v[i] += c;
        c = r->v[i] >> 51;
        r->v[i] &= FE51_LOW;
    }
    r->v[0] += 19 * c;
}
static SN_ALWAYS_INLINE void fe51_from_columns(struct fe51 *r, unsigned __int128 t[5])
{
    uint64_t c = 0;
    for (unsigned i = 0; i < 5; i++) {
        t[i] += c;
        c = (uint64_t)(t[i] >> 51);
        r->v[i] = (uint64_t)t[i] & FE51_LOW;
    }
    r->v[0] += 19 * c;
    r->v[1] += r->v[0] >> 51;
    r->v[0] &= FE51_LOW;
}
static SN_ALWAYS_INLINE void fe51_mul(struct fe51 *r, const struct fe51 *x, const struct fe51 *y)
{
    const uint64_t *a = x->v, *b = y->v;
    uint64_t b1 = 19 * b[1], b2 = 19 * b[2], b3 = 19 * b[3], b4 = 19 * b[4];
    typedef unsigned __int128 wide;
    wide t[5] = {
        (wide)a[0] * b[0] + (wide)a[1] * b4 + (wide)a[2] * b3 + (wide)a[3] * b2 + (wide)a[4] * b1,
        (wide)a[0] * b[1] + (wide)a[1] * b[0] + (wide)a[2] * b4 + (wide)a[3] * b3 + (wide)a[4] * b2,
        (wide)a[0] * b[2] + (wide)a[1] * b[1] + (wide)a[2] * b[0] + (wide)a[3] * b4 +
            (wide)a[4] * b3,
        (wide)a[0] * b[3] + (wide)a[1] * b[2] + (wide)a[2] * b[1] + (wide)a[3] * b[0] +
            (wide)a[4] * b4,
        (wide)a[0] * b[4] + (wide)a[1] * b[3] + (wide)a[2] * b[2] + (wide)a[3] * b[1] +
            (wide)a[4] * b[0],
    };
    fe51_from_columns(r, t);
}
static SN_ALWAYS_INLINE void fe51_sqr(struct fe51 *r, const struct fe51 *x)
{
    const uint64_t *a = x->v;
    uint64_t d0 = 2 * a[0], d1 = 2 * a[1], d2 = 2 * a[2], n3 = 19 * a[3], n4 = 19 * a[4];
    typedef unsigned __int128 wide;
    wide t[5] = {
        (wide)a[0] * a[0] + (wide)d1 * n4 + (wide)d2 * n3,
        (wide)d0 * a[1] + (wide)d2 * n4 + (wide)a[3] * n3,
        (wide)d0 * a[2] + (wide)a[1] * a[1] + (wide)(2 * a[3]) * n4,
        (wide)d0 * a[3] + (wide)d1 * a[2] + (wide)a[4] * n4,
        (wide)d0 * a[4] + (wide)d1 * a[3] + (wide)a[2] * a[2],
    };
    fe51_from_columns(r, t);
}
static inline void fe51_neg(struct fe51 *r, const struct fe51 *a)
{
    struct fe51 zero = {{0}};
    fe51_sub(r, &zero, a);
    fe51_carry(r);
}
/* The one form below the prime: limbs of exactly 51 bits. */
static inline void fe51_freeze(struct fe51 *r)
{
    fe51_carry(r);
    fe51_carry(r);
    /* 19 more reach 2^255 exactly where the value is the prime or above. */
    uint64_t q = (r->v[0] + 19) >> 51;
    for (unsigned i = 1; i < 5; i++) q = (r->v[i] + q) >> 51;
    r->v[0] += 19 * q;
    for (unsigned i = 0; i < 4; i++) {
        r->v[i + 1] += r->v[i] >> 51;
        r->v[i] &= FE51_LOW;
    }
    r->v[4] &= FE51_LOW;
}
static inline bool fe51_is_zero(const struct fe51 *a)
{
    struct fe51 t = *a;
    fe51_freeze(&t);
    return (t.v[0] | t.v[1] | t.v[2] | t.v[3] | t.v[4]) == 0;
}
static inline bool fe51_is_odd(const struct fe51 *a)
{
    struct fe51 t = *a;
    fe51_freeze(&t);
    return t.v[0] & 1;
}
/* Any 255 bits, the prime and above included; the top bit is the caller's. */
static inline void fe51_load(struct fe51 *r, const uint8_t in[32])
{
    uint64_t w[4];
    memcpy(w, in, sizeof(w));
    for (unsigned i = 0; i < 4; i++) w[i] = le64toh(w[i]);
    r->v[0] = w[0] & FE51_LOW;
    r->v[1] = (w[0] >> 51 | w[1] << 13) & FE51_LOW;
    r->v[2] = (w[1] >> 38 | w[2] << 26) & FE51_LOW;
    r->v[3] = (w[2] >> 25 | w[3] << 39) & FE51_LOW;
    r->v[4] = w[3] >> 12 & FE51_LOW;
}
static inline void fe51_store(uint8_t out[32], const struct fe51 *a)
{
    struct fe51 t = *a;
    fe51_freeze(&t);
    uint64_t w[4] = {t.v[0] | t.v[1] << 51, t.v[1] >> 13 | t.v[2] << 38,
                     t.v[2] >> 26 | t.v[3] << 25, t.v[3] >> 39 | t.v[4] << 12};
    for (unsigned i = 0; i < 4; i++) w[i] = htole64(w[i]);
    memcpy(out, w, sizeof(w));
}
static SN_ALWAYS_INLINE void fe51_sqr_n(struct fe51 *r, const struct fe51 *a, unsigned n)
{
    *r = *a;
    while (n--) fe51_sqr(r, r);
}
static inline void fe51_pow_chain(struct fe51 r[FE51_POW_STEPS + 1], const struct fe51 *a)
{
    r[0] = *a;
    for (unsigned i = 0; i < FE51_POW_STEPS; i++) {
        fe51_sqr_n(&r[i + 1], &r[fe51_pow_steps[i].from], fe51_pow_steps[i].squarings);
        if (fe51_pow_steps[i].times != FE51_POW_NONE)
            fe51_mul(&r[i + 1], &r[i + 1], &r[fe51_pow_steps[i].times]);
    }
}
/* a^((p-5)/8): the exponent is 2^252-3. */
static inline void fe51_pow_p58(struct fe51 *ret, const struct fe51 *a)
{
    struct fe51 r[FE51_POW_STEPS + 1];
    fe51_pow_chain(r, a);
    fe51_sqr_n(ret, &r[FE51_POW_STEPS], 2);
    fe51_mul(ret, ret, &r[0]);
}
/* 1/a, 0 for 0: the exponent is 2^255-21. */
static inline void fe51_inv(struct fe51 *ret, const struct fe51 *a)
{
    struct fe51 r[FE51_POW_STEPS + 1];
    fe51_pow_chain(r, a);
    fe51_sqr_n(ret, &r[FE51_POW_STEPS], 5);
    fe51_mul(ret, ret, &r[FE51_POW_ELEVEN]);
}

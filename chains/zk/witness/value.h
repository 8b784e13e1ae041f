/* SPDX-License-Identifier: Apache-2.0 */
/* zk/witness/value.h - numbers of the circom language, at compile time and in witness programs.
 *
 * A value is a field element kept as a small signed integer for as long as it is one (sums and
 * products of bits, counters, indexes) and in Montgomery form otherwise. Both forms may stand for
 * the same element; every operation accepts any mix. */
#pragma once
#include "core/base.h"
#include "crypto/field.h"

enum {
    SN_ZV_SMALL, /* s, |s| <= SN_ZV_SMALL_MAX; negative stands for p - |s| */
    SN_ZV_FE,    /* m */
    SN_ZV_NODE,  /* compiler only: computed by an operation of the witness program */
    SN_ZV_SLOT,  /* compiler only: what the variable's memory holds at that moment */
};
#define SN_ZV_SMALL_MAX (INT64_C(1) << 60)

struct sn_zv {
    uint32_t kind;
    uint32_t node;
    union {
        int64_t s;
        struct sn_fe m;
    };
};
_Static_assert(sizeof(struct sn_zv) == 40, "values are copied a lot");

/* The operators; circom's names in comments where they differ from C's. */
enum sn_zop {
    SN_ZOP_ADD,
    SN_ZOP_SUB,
    SN_ZOP_MUL,
    SN_ZOP_DIV,  /* times the inverse; 0 where b is 0 */
    SN_ZOP_IDIV, /* "\": of the integers 0 .. p-1 */
    SN_ZOP_MOD,
    SN_ZOP_POW,
    SN_ZOP_SHL, /* b above p/2 shifts by p-b the other way */
    SN_ZOP_SHR,
    SN_ZOP_AND,
    SN_ZOP_OR,
    SN_ZOP_XOR,
    SN_ZOP_LT, /* comparisons are of -p/2 .. p/2 */
    SN_ZOP_LE,
    SN_ZOP_GT,
    SN_ZOP_GE,
    SN_ZOP_EQ,
    SN_ZOP_NE,
    SN_ZOP_LAND,
    SN_ZOP_LOR,
    SN_ZOP_NEG, /* unary from here on: b is ignored */
    SN_ZOP_LNOT,
    SN_ZOP_NOT, /* complement to the modulus's number of bits */
    SN_ZOP_N,
};
static inline struct sn_zv sn_zv_small(int64_t s)
{
    return (struct sn_zv){.kind = SN_ZV_SMALL, .s = s};
}
/* sn_zv_op - *ret = a op b. Returns 0, or SN_E_INVALID_ARGUMENT for IDIV and MOD by zero (no
 * diagnostic; ret untouched). ret may be a or b. */
int sn_zv_op(const struct sn_field *f, enum sn_zop op, struct sn_zv *ret, const struct sn_zv *a,
             const struct sn_zv *b) SN_MUST_CHECK;
/* sn_zv_fe - the element in Montgomery form. */
static inline void sn_zv_fe(const struct sn_field *f, struct sn_fe *ret, const struct sn_zv *a)
{
    if (a->kind == SN_ZV_FE) {
        *ret = a->m;
        return;
    }
    sn_fe_set_i64(f, ret, a->s);
}
/* sn_zv_plain - the integer 0 .. p-1. */
void sn_zv_plain(const struct sn_field *f, struct sn_fe *ret, const struct sn_zv *a);
/* sn_zv_is_zero - works on both forms. */
static inline bool sn_zv_is_zero(const struct sn_zv *a)
{
    return a->kind == SN_ZV_FE ? sn_fe_is_zero(&a->m) : a->s == 0;
}
/* sn_zv_from_plain - of an integer below p, small where it is below 2^60; sn_zv_from_fe - of a Montgomery element. */
struct sn_zv sn_zv_from_plain(const struct sn_field *f, const struct sn_fe *p);
struct sn_zv sn_zv_from_fe(const struct sn_field *f, const struct sn_fe *m);
/* sn_zv_equal - the same element. */
bool sn_zv_equal(const struct sn_field *f, const struct sn_zv *a, const struct sn_zv *b);
/* sn_zv_index - the value as an index below n. Returns it, or -1. */
int64_t sn_zv_index(const struct sn_field *f, const struct sn_zv *a, uint64_t n);

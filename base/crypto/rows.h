/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/rows.h - sparse rows over a field: whether (A.w) * (B.w) = C.w holds in each. */
#pragma once
#include "crypto/field.h"

/* Rows in compressed form: entries at[3*i+m] .. at[3*i+m+1]-1 are row i of A, B, C for m = 0, 1, 2.
 * An entry is dict[coef[e]] * w[wire[e]]; the dictionary begins with 1 and -1, and dict[negation[i]]
 * is -dict[i], or negation[i] is i. Everything borrowed; elements in Montgomery form. */
struct sn_fe_rows {
    const uint32_t *at, *wire, *coef;
    const struct sn_fe *dict;
    const uint32_t *negation;
    const struct sn_fe *w;
    const uint8_t *order; /* of sn_fe_rows_order */
};
#define SN_FE_ROWS_WINDOW 256u
/* sn_fe_rows_order - the order in which rows are taken: within each window the same shapes next to each
 * other, as places from the window's first row, so that eight neighbours do the same. at as above, of n
 * rows; ret has room for n. Done once for a system, checked many times. */
void sn_fe_rows_order(const uint32_t *at, uint32_t n, uint8_t *ret);
/* sn_fe_rows_check - the first row of lo .. hi-1 that does not hold, hi where all do; lo is a multiple of
 * the window, and so is hi or it is the number of rows. Eight rows, or
 * eight entries of a long one, at a time where the processor has AVX-512. Indexes are not checked.
 * Time depends on the values. Nothing is allocated; any thread may call it. */
uint32_t sn_fe_rows_check(const struct sn_field *f, const struct sn_fe_rows *r, uint32_t lo,
                          uint32_t hi);

/* SPDX-License-Identifier: Apache-2.0 */
/* zk/witness/dots_int.h - sums of products in witness programs, which lanes reduce once. */
#pragma once
#include "zk/witness/prog.h"

/* Where such a sum begins: how many products, and whether 0 is added to the first. Its instructions are
 *   MUL r = x * y   [ADD r = 0 + r]   and then for each further product   MUL q = u * v   ADD r = r + q
 * where the last sum may go anywhere, and nobody reads q, or r then, before it is written again. */
#define SN_WDOT_PRODUCTS(x) ((x) & 0x7fu)
#define SN_WDOT_ZERO 0x80u
/* sn_wdots_length - instructions of one. */
static inline uint32_t sn_wdots_length(uint8_t dot)
{
    return 2 * SN_WDOT_PRODUCTS(dot) - 1 + (dot & SN_WDOT_ZERO ? 1 : 0);
}
/* sn_wdots_find - ret[i] of code->n: the sum of 2 to `max` products that begins at instruction i, or 0. For code of
 * instances, whose registers nobody reads at the end. */
void sn_wdots_find(const struct sn_witness_prog *p, const struct sn_wcode *code, unsigned max, uint8_t *ret);

/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/range.h - which bytes of a file a Range field asks for. Sans I/O.
 * Source: RFC 9110 section 14. */
#pragma once
#include "core/base.h"
#include "core/str.h"

/* More are answered with the whole file: many small ranges cost more than they spare. */
#define SN_GW_RANGES_MAX 16u

struct sn_gw_range {
    uint64_t off, n;
};
/* sn_gw_ranges - the satisfiable ranges of a field's value, in its order. A value that is malformed, of
 * another unit, or asks for more bytes than there are (ranges that overlap) is ignored.
 * Returns 206 (*ret_n of them in `ret`), 416 (none is satisfiable), 200 (send the whole file). */
int sn_gw_ranges(struct sn_str value, uint64_t size, struct sn_gw_range ret[SN_GW_RANGES_MAX],
                 unsigned *ret_n);

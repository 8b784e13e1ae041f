/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/range_test.c - Range fields against RFC 9110 section 14. */
#include "gateway/range.h"

#include <stdio.h>

#include "harness/test.h"

SN_TEST(range_fields)
{
    static const struct {
        const char *value;
        uint64_t size;
        const char *want; /* status and ranges as first-last */
    } rows[] = {
        {"bytes=0-4", 10, "206 0-4"},
        {"BYTES=0-4", 10, "206 0-4"},
        {"bytes=7-", 10, "206 7-9"},
        {"bytes=-3", 10, "206 7-9"},
        {"bytes=-30", 10, "206 0-9"},
        {"bytes=0-0,-1", 10, "206 0-0 9-9"},
        {"bytes= 2-3 ,, 5-6,\t-1", 10, "206 2-3 5-6 9-9"},
        {"bytes=5-6,1-2", 10, "206 5-6 1-2"},
        {"bytes=0-99999999999999999999999999", 10, "206 0-9"},
        {"bytes=99999999999999999999999999-", 10, "416"},
        {"bytes=1-2,50-60", 10, "206 1-2"}, /* what is not there is left out */
        {"bytes=50-60,-0", 10, "416"},
        {"bytes=-0", 10, "416"},
        {"bytes=-5", 0, "416"},
        {"bytes=0-", 0, "416"},
        {"bytes=0-9,0-0", 10, "200"}, /* more than there is */
        {"bytes=0-,0-,0-,0-,0-,0-", 10, "200"},
        {"bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8,9-9,10-10,11-11,12-12,13-13,14-14,15-15", 99,
         "206 0-0 1-1 2-2 3-3 4-4 5-5 6-6 7-7 8-8 9-9 10-10 11-11 12-12 13-13 14-14 15-15"},
        {"bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8,9-9,10-10,11-11,12-12,13-13,14-14,15-15,16-16",
         99, "200"},
        {"bytes=4-2", 10, "200"},
        {"bytes=1-2,4-2", 10, "200"},
        {"bytes=-", 10, "200"},
        {"bytes=", 10, "200"},
        {"bytes=,,", 10, "200"},
        {"bytes=1", 10, "200"},
        {"bytes=1-2-3", 10, "200"},
        {"bytes=+1-2", 10, "200"},
        {"bytes=1 -2", 10, "200"},
        {"bytes 1-2", 10, "200"},
        {"lines=1-2", 10, "200"},
        {"", 10, "200"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_gw_range g[SN_GW_RANGES_MAX];
        unsigned n = 0;
        char got[400];
        sn_test_row("%s of %d", rows[i].value, (int)rows[i].size);
        int at = snprintf(got, sizeof(got), "%d",
                          sn_gw_ranges(sn_str(rows[i].value), rows[i].size, g, &n));
        for (unsigned k = 0; k < n; k++)
            at += snprintf(got + at, sizeof(got) - (size_t)at, " %llu-%llu",
                           (unsigned long long)g[k].off, (unsigned long long)(g[k].off + g[k].n - 1));
        T_STR(sn_str(got), rows[i].want);
    }
}

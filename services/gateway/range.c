/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/range.c - see range.h. */
#include "gateway/range.h"

#include "core/status.h"

/* A number that no file's size reaches is well formed. */
static int position(struct sn_str s, uint64_t *ret)
{
    int r = sn_str_to_u64(s, ret);
    if (r == SN_E_OUT_OF_RANGE) *ret = UINT64_MAX;
    return r == SN_E_OUT_OF_RANGE ? 0 : r;
}

/* Returns 206, 416 (well formed, but not in the file), 200 (malformed). */
static int range_one(struct sn_str item, uint64_t size, struct sn_gw_range *ret)
{
    struct sn_str last = item, first = sn_str_cut(&last, '-');
    uint64_t a = 0, b = UINT64_MAX;
    if (!last.ptr || (first.len == 0 && last.len == 0)) return 200;
    if (last.len && position(last, &b) < 0) return 200;
    if (first.len == 0) { /* the last b bytes */
        b = SN_MIN(b, size);
        if (b == 0) return 416;
        *ret = (struct sn_gw_range){size - b, b};
        return 206;
    }
    if (position(first, &a) < 0 || b < a) return 200;
    if (a >= size) return 416;
    *ret = (struct sn_gw_range){a, SN_MIN(b, size - 1) - a + 1};
    return 206;
}

int sn_gw_ranges(struct sn_str value, uint64_t size, struct sn_gw_range ret[SN_GW_RANGES_MAX],
                 unsigned *ret_n)
{
    static const struct sn_str unit = SN_STR_INIT("bytes=");
    if (value.len < unit.len || !sn_str_ieq(sn_str_sub(value, 0, unit.len), unit)) return 200;
    struct sn_str rest = sn_str_from(value, unit.len);
    uint64_t left = size;
    unsigned n = 0, items = 0;
    while (rest.ptr) {
        struct sn_str item = sn_str_trim(sn_str_cut(&rest, ','));
        struct sn_gw_range one;
        if (item.len == 0) continue; /* RFC 9110 section 5.6.1: empty elements are none */
        if (++items > SN_GW_RANGES_MAX) return 200;
        int status = range_one(item, size, &one);
        if (status == 200) return 200;
        if (status == 416) continue;
        if (one.n > left) return 200;
        left -= one.n;
        ret[n++] = one;
    }
    if (items == 0) return 200;
    *ret_n = n;
    return n ? 206 : 416;
}

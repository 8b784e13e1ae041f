/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_range.c - Range fields: whatever is asked for lies inside the file, and is together no more
 * than the file. The first byte chooses the size. */
#include <stdint.h>

#include "gateway/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t sizes[] = {0, 1, 10, 4096, UINT64_C(1) << 40, INT64_MAX};
    struct sn_gw_range g[SN_GW_RANGES_MAX];
    unsigned n = 0;
    if (size == 0) return 0;
    uint64_t file = sizes[data[0] % SN_COUNT_OF(sizes)], total = 0;
    int status = sn_gw_ranges(sn_str_of((const char *)data + 1, size - 1), file, g, &n);
    SN_ASSERT(status == 200 || status == 206 || status == 416);
    SN_ASSERT((status == 206) == (n > 0));
    SN_ASSERT(n <= SN_GW_RANGES_MAX);
    for (unsigned i = 0; i < n; i++) {
        SN_ASSERT(g[i].n > 0 && g[i].off < file && g[i].n <= file - g[i].off);
        total += g[i].n;
    }
    SN_ASSERT(total <= file);
    return 0;
}

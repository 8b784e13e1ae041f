/* SPDX-License-Identifier: Apache-2.0 */
/* What a hostile node answers: either every call has one answer or nothing is taken. The first byte
 * says how many calls were made. */
#include <stdint.h>

#include "evm/rpc_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { CALLS_MAX = 5 };
    struct sn_eth_reply got[CALLS_MAX];
    struct sn_arena a;
    uint64_t n64;
    if (size == 0) return 0;
    size_t n = 1 + data[0] % CALLS_MAX;
    sn_arena_init(&a, NULL, 64u << 20);
    memset(got, 0, sizeof(got));
    int r = sn_eth_answers_parse(&a, sn_str_of((const char *)data + 1, size - 1), n, got);
    for (size_t i = 0; i < n && r == 0; i++) {
        SN_ASSERT((got[i].result != NULL) != (got[i].code != 0 || got[i].message.ptr != NULL));
        if (!got[i].result) {
            int status = sn_eth_status(got[i].code, got[i].message);
            SN_ASSERT(status < 0);
            (void)sn_eth_rate_limited(got[i].code, got[i].message);
        } else {
            (void)!sn_eth_quantity(got[i].result, "fuzz", &n64);
        }
    }
    sn_arena_done(&a);
    return 0;
}

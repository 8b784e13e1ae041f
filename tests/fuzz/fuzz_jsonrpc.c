/* SPDX-License-Identifier: Apache-2.0 */
/* What a hostile node answers: either every call has one answer or nothing is taken. The first byte
 * says how many calls were made. Then the same text answers whatever the client asks: blocks, logs
 * over a range, several calls at once. */
#include <stdint.h>

#include "core/status.h"
#include "evm/client_int.h"

struct hostile {
    struct sn_eth_rpc rpc;
    struct sn_str text;
    unsigned calls;
};
static int answer(struct sn_eth_rpc *rpc, const struct sn_eth_request *calls, size_t n,
                  struct sn_arena *a, struct sn_eth_reply *ret)
{
    struct hostile *h = SN_CONTAINER_OF(rpc, struct hostile, rpc);
    if (h->calls++ > 64) return SN_E_PERMISSION_DENIED; /* nobody asks for ever */
    for (size_t i = 0; i < n; i++) {
        int r = sn_eth_answers_parse(a, h->text, 1, &ret[i]);
        if (r < 0) return r;
    }
    return 0;
}
static int in_order(void *ctx, const struct sn_json *log)
{
    uint64_t *last = ctx, block = 0;
    SN_ASSERT(sn_eth_quantity(sn_json_get(log, "blockNumber"), "block", &block) == 0);
    SN_ASSERT(block >= *last && block >= 1 && block <= 40);
    *last = block;
    return 0;
}
static void client(struct sn_str text, struct sn_arena *a)
{
    struct hostile h = {.rpc.batch = answer, .text = text};
    struct sn_eth_client c = {.rpc = &h.rpc, .chain_id = 1};
    struct sn_eth_block b;
    struct sn_eth_multi calls[2] = {{.data = SN_STR("x")}, {.data = SN_STR("")}};
    uint64_t last = 0, lo, hi;
    if (sn_eth_block_get(&c, SN_STR("0x10"), a, &b) == 0) SN_ASSERT(b.number == 16);
    (void)!sn_eth_client_check(&c);
    h.calls = 0;
    (void)!sn_eth_logs(&c, &(struct sn_eth_filter){0}, 1, 40, NULL, in_order, &last, NULL);
    for (unsigned way = SN_ETH_MULTI_CONTRACT; way <= SN_ETH_MULTI_BATCH; way <<= 1) {
        struct sn_eth_multi_opts o = {.ways = way, .block = SN_STR("0x10")};
        h.calls = 0;
        if (sn_eth_multicall(&c, calls, 2, &o, a, NULL) < 0) continue;
        SN_ASSERT(calls[0].result.len <= text.len && calls[1].result.len <= text.len);
    }
    (void)sn_eth_verdict(0, text);
    if (sn_eth_range_limited(0, text, 5, 50, &lo, &hi) && hi >= lo) SN_ASSERT(lo == 5 && hi < 50);
}
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { CALLS_MAX = 5 };
    struct sn_eth_reply got[CALLS_MAX];
    struct sn_arena a;
    uint64_t n64;
    if (size == 0) return 0;
    size_t n = 1 + data[0] % CALLS_MAX;
    struct sn_str text = sn_str_of((const char *)data + 1, size - 1);
    sn_arena_init(&a, NULL, 64u << 20);
    memset(got, 0, sizeof(got));
    int r = sn_eth_answers_parse(&a, text, n, got);
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
    client(text, &a);
    sn_arena_done(&a);
    return 0;
}

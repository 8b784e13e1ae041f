/* SPDX-License-Identifier: Apache-2.0 */
/* What a hostile node answers to the gas and fee estimators: each line of the input is the next
 * answer, an error where it starts with '!'; the last line is said for ever. Whatever it says, the
 * estimators end, and what they return holds together. */
#include <stdint.h>

#include "core/status.h"
#include "evm/gas.h"

struct node {
    struct sn_eth_rpc rpc;
    struct sn_str rest;
    unsigned asked;
};
#define ASKED_MAX 4000u /* a run asks far less, also of a state that always moves */

static struct sn_str next_line(struct node *n)
{
    ssize_t end = sn_str_find(n->rest, SN_STR("\n"));
    struct sn_str line = end < 0 ? n->rest : sn_str_of(n->rest.ptr, (size_t)end);
    if (end >= 0) n->rest = sn_str_from(n->rest, (size_t)end + 1);
    return line;
}
static int batch(struct sn_eth_rpc *rpc, const struct sn_eth_request *calls, size_t count,
                 struct sn_arena *a, struct sn_eth_reply *ret)
{
    struct node *n = SN_CONTAINER_OF(rpc, struct node, rpc);
    for (size_t i = 0; i < count; i++) {
        struct sn_str line = next_line(n);
        SN_ASSERT(n->asked++ < ASKED_MAX);
        ret[i] = (struct sn_eth_reply){0};
        if (line.len && line.ptr[0] == '!')
            ret[i] = (struct sn_eth_reply){.code = line.len > 1 ? -32000 - line.ptr[1] % 8 : 3,
                                           .message = sn_str_from(line, 1)};
        else if (sn_json_parse(a, line, NULL, &ret[i].result) < 0)
            return sn_fail(SN_E_PROTOCOL, "no JSON");
    }
    return 0;
}
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_gas_call call = {.from = SN_STR("0x0101010101010101010101010101010101010101"),
                               .to = SN_STR("0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
                               .data = SN_STR("0x11223344")};
    struct sn_gas_estimate e;
    struct sn_fees f;
    struct sn_arena a;
    if (size == 0) return 0;
    struct sn_str text = sn_str_of((const char *)data + 1, size - 1);
    struct sn_gas_opts o = {.quick = data[0] & 1, .drift_blocks = data[0] >> 1 & 7,
                            .only = (data[0] >> 4) % 4};
    struct node n = {.rpc.batch = batch, .rest = text};
    sn_arena_init(&a, NULL, 64u << 20);
    if (sn_gas_estimate(&n.rpc, &call, &o, &a, &e) == 0 && !e.reverts) {
        SN_ASSERT(e.used_low <= e.used && e.used <= e.used_high);
        SN_ASSERT(e.confidence >= 0 && e.confidence <= 1 && e.n_reasons <= SN_GAS_REASONS_MAX);
        SN_ASSERT(e.limit >= e.limit_min);
    }
    n = (struct node){.rpc.batch = batch, .rest = text};
    if (sn_fees_suggest(&n.rpc, NULL, &a, &f) == 0) SN_ASSERT(f.max_fee >= f.priority_fee);
    sn_arena_done(&a);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* evm/gas_history.c - how far simulation and receipt lay apart for earlier transactions of the same
 * kind: to the same contract, with the same selector and as much data. */
#include <math.h>

#include "core/status.h"
#include "evm/gas_int.h"

#define BLOCKS_A_BATCH 16u
#define SELECTOR_TEXT 10u /* "0x" and four bytes */
#define EXACT 1e-3

struct past {
    struct sn_gas_call call;
    struct sn_str hash;
    uint64_t block, used;
};

static bool same_kind(const struct sn_gas_call *a, const struct sn_gas_call *b)
{
    if (!sn_str_ieq(a->to, b->to) || a->data.len != b->data.len) return false;
    size_t n = SN_MIN(a->data.len, (size_t)SELECTOR_TEXT);
    return sn_str_ieq(sn_str_of(a->data.ptr, n), sn_str_of(b->data.ptr, n));
}
static struct sn_str text_of(const struct sn_json *tx, const char *key)
{
    return sn_json_str(sn_json_get(tx, key));
}
/* take_block - the block's transactions of the same kind, newest first. */
static void take_block(const struct sn_json *block, const struct sn_gas_call *like,
                       struct past *past, unsigned *n)
{
    const struct sn_json *txs = sn_json_get(block, "transactions");
    for (size_t i = sn_json_len(txs); i-- > 0 && *n < SN_GAS_HISTORY_TXS_MAX;) {
        const struct sn_json *tx = sn_json_at(txs, i);
        struct past p = {.call = {.from = text_of(tx, "from"),
                                  .to = text_of(tx, "to"),
                                  .data = text_of(tx, "input"),
                                  .value = text_of(tx, "value")},
                         .hash = text_of(tx, "hash")};
        /* Lists change what is warm: not the same kind. */
        if (sn_json_len(sn_json_get(tx, "accessList")) > 0 || !same_kind(&p.call, like)) continue;
        if (sn_eth_quantity(sn_json_get(tx, "blockNumber"), "blockNumber", &p.block) == 0 &&
            p.hash.len)
            past[(*n)++] = p;
    }
}
static int find(struct sn_eth_rpc *rpc, const struct sn_gas_call *like, uint64_t newest,
                struct sn_arena *a, struct past *past, unsigned *ret_n)
{
    struct sn_eth_request calls[BLOCKS_A_BATCH];
    struct sn_eth_reply replies[BLOCKS_A_BATCH];
    uint64_t looked = 0;
    while (looked < SN_GAS_HISTORY_BLOCKS && looked <= newest && *ret_n < SN_GAS_HISTORY_TXS_MAX) {
        unsigned n = 0;
        for (; n < BLOCKS_A_BATCH && looked <= newest && looked < SN_GAS_HISTORY_BLOCKS;
             n++, looked++) {
            calls[n] =
                (struct sn_eth_request){"eth_getBlockByNumber",
                                        sn_arena_printf(a, "[\"0x%llx\",true]",
                                                        (unsigned long long)(newest - looked))};
            if (!calls[n].params.ptr) return SN_E_NOMEM;
        }
        int r = sn_eth_batch(rpc, calls, n, a, replies);
        if (r < 0) return r;
        for (unsigned i = 0; i < n; i++)
            if (!replies[i].code) take_block(replies[i].result, like, past, ret_n);
    }
    return 0;
}
/* receipts - drops what failed: its gas says nothing about what succeeds. */
static int receipts(struct sn_eth_rpc *rpc, struct sn_arena *a, struct past *past, unsigned *n)
{
    struct sn_eth_request *calls = SN_ARENA_ARRAY(a, struct sn_eth_request, *n);
    struct sn_eth_reply *replies = SN_ARENA_ARRAY(a, struct sn_eth_reply, *n);
    unsigned kept = 0;
    if (!calls || !replies) return SN_E_NOMEM;
    for (unsigned i = 0; i < *n; i++) {
        calls[i] =
            (struct sn_eth_request){"eth_getTransactionReceipt",
                                    sn_arena_printf(a, "[\"%.*s\"]", SN_STR_ARG(past[i].hash))};
        if (!calls[i].params.ptr) return SN_E_NOMEM;
    }
    int r = sn_eth_batch(rpc, calls, *n, a, replies);
    if (r < 0) return r;
    for (unsigned i = 0; i < *n; i++) {
        if (replies[i].code || !sn_str_eqc(text_of(replies[i].result, "status"), "0x1")) continue;
        if (sn_eth_quantity(sn_json_get(replies[i].result, "gasUsed"), "gasUsed", &past[i].used) <
            0)
            continue;
        past[kept++] = past[i];
    }
    *n = kept;
    return 0;
}
/* agree - simulation told all of them exactly: more would say the same, and each costs a replay. */
static bool agree(const struct gas_residuals *h)
{
    for (unsigned i = 0; i < h->n; i++)
        if (fabs(h->ratio[i] - 1) > EXACT) return false;
    return h->n >= GAS_RESIDUALS_ENOUGH;
}
int gas_history(struct sn_eth_rpc *rpc, enum sn_gas_method method, const struct sn_gas_call *call,
                unsigned drift, uint64_t newest, struct sn_arena *a, struct gas_residuals *ret)
{
    struct past *past = SN_ARENA_ARRAY(a, struct past, SN_GAS_HISTORY_TXS_MAX);
    struct gas_probe *probes = SN_ARENA_ARRAY(a, struct gas_probe, GAS_PROBES_MAX);
    unsigned n = 0;
    ret->n = 0;
    if (!past || !probes) return SN_E_NOMEM;
    if (!call->to.len || method == SN_GAS_BISECT) return 0;
    int r = find(rpc, call, newest, a, past, &n);
    if (r >= 0) r = receipts(rpc, a, past, &n);
    for (unsigned from = 0, m; from < n && r >= 0; from += m) {
        m = SN_MIN(n - from, GAS_PROBES_MAX);
        for (unsigned i = 0; i < m; i++) {
            const struct past *p = &past[from + i];
            uint64_t at = p->block > drift + 1u ? p->block - drift - 1 : 0;
            probes[i] =
                (struct gas_probe){.call = &p->call,
                                   .block = sn_arena_printf(a, "0x%llx", (unsigned long long)at)};
            if (!probes[i].block.ptr) return SN_E_NOMEM;
        }
        if ((r = gas_probe(rpc, method, probes, m, a)) < 0) break; /* pruned state, most likely */
        for (unsigned i = 0; i < m; i++)
            if (probes[i].ok && probes[i].used)
                ret->ratio[ret->n++] = (double)past[from + i].used / (double)probes[i].used;
        if (from == 0 && agree(ret)) break;
    }
    return r;
}

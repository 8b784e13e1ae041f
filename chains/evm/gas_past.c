/* SPDX-License-Identifier: Apache-2.0 */
/* evm/gas_past.c - earlier transactions to the same contract: what others may do first, and how far
 * simulation and receipt lay apart for those of the call's own kind. */
#include <math.h>

#include "core/enc.h"
#include "core/status.h"
#include "evm/gas_int.h"
#include "evm/u256.h"

#define BLOCKS_A_BATCH 8u
#define SELECTOR_TEXT 10u /* "0x" and four bytes */
#define WORD_TEXT 64u
#define EXACT 1e-3

static struct sn_str selector_of(const struct sn_gas_call *c)
{
    return sn_str_of(c->data.ptr, SN_MIN(c->data.len, (size_t)SELECTOR_TEXT));
}
bool gas_same_kind(const struct sn_gas_call *a, const struct sn_gas_call *b)
{
    return sn_str_ieq(a->to, b->to) && a->data.len == b->data.len &&
           sn_str_ieq(selector_of(a), selector_of(b));
}
static struct sn_str text_of(const struct sn_json *tx, const char *key)
{
    return sn_json_str(sn_json_get(tx, key));
}
/* take_block - the block's transactions to the contract, newest first. */
static void take_block(const struct sn_json *block, struct sn_str to, struct gas_pasts *ret)
{
    const struct sn_json *txs = sn_json_get(block, "transactions");
    ret->txs += (unsigned)sn_json_len(txs);
    for (size_t i = sn_json_len(txs); i-- > 0 && ret->n < SN_COUNT_OF(ret->tx);) {
        const struct sn_json *tx = sn_json_at(txs, i);
        struct gas_past p = {.call = {.from = text_of(tx, "from"),
                                      .to = text_of(tx, "to"),
                                      .data = text_of(tx, "input"),
                                      .value = text_of(tx, "value")},
                             .hash = text_of(tx, "hash")};
        /* Lists change what is warm: neither a likely neighbour nor the same kind. */
        if (sn_json_len(sn_json_get(tx, "accessList")) > 0 || !sn_str_ieq(p.call.to, to)) continue;
        if (sn_eth_quantity(sn_json_get(tx, "blockNumber"), "blockNumber", &p.block) == 0 &&
            p.hash.len && p.call.from.len)
            ret->tx[ret->n++] = p;
    }
}
int gas_pasts(struct sn_eth_rpc *rpc, const struct sn_gas_call *call, uint64_t newest,
              unsigned blocks, unsigned enough, struct sn_arena *a, struct gas_pasts *ret)
{
    struct sn_eth_request calls[BLOCKS_A_BATCH];
    struct sn_eth_reply replies[BLOCKS_A_BATCH];
    *ret = (struct gas_pasts){0};
    if (!call->to.len) return 0;
    while (ret->blocks < blocks && ret->blocks <= newest && ret->n < enough &&
           ret->txs < SN_GAS_HISTORY_LOOK_MAX) {
        unsigned n = 0;
        for (; n < BLOCKS_A_BATCH && ret->blocks <= newest && ret->blocks < blocks; n++) {
            calls[n] = (struct sn_eth_request){
                "eth_getBlockByNumber",
                sn_arena_printf(a, "[\"0x%llx\",true]", (unsigned long long)newest - ret->blocks)};
            if (!calls[n].params.ptr) return SN_E_NOMEM;
            ret->blocks++;
        }
        int r = sn_eth_batch(rpc, calls, n, a, replies);
        if (r < 0) return r;
        for (unsigned i = 0; i < n; i++)
            if (!replies[i].code) take_block(replies[i].result, call->to, ret);
    }
    return 0;
}

/* ---- what others may do first ---- */

/* word_set - the data with another value in its argument word `w`: "0x", selector, words. */
static int word_set(struct sn_str data, unsigned w, struct sn_u256 v, struct sn_arena *a,
                    struct sn_str *ret)
{
    uint8_t bytes[32];
    char *text = sn_arena_alloc(a, data.len);
    if (!text) return SN_E_NOMEM;
    memcpy(text, data.ptr, data.len);
    sn_u256_store(v, bytes);
    sn_hex_encode(bytes, sizeof bytes, text + SELECTOR_TEXT + WORD_TEXT * w);
    *ret = sn_str_of(text, data.len);
    return 0;
}
/* changed_calls - the call with one of its first words one more, one less or 0: what others of its
 * sender may have asked for. A slot that it leaves as it is, or that is set at present, may then be
 * written anew. Returns how many. */
static int changed_calls(const struct sn_gas_call *call, struct sn_arena *a,
                         struct sn_gas_call ret[3 * GAS_WORDS_MAX])
{
    unsigned n = 0;
    for (unsigned w = 0; w < GAS_WORDS_MAX; w++) {
        uint8_t bytes[32];
        struct sn_u256 zero = sn_u256(0), one = sn_u256(1), v;
        if (call->data.len < SELECTOR_TEXT + WORD_TEXT * (w + 1)) break;
        if (sn_hex_decode(sn_str_of(call->data.ptr + SELECTOR_TEXT + WORD_TEXT * w, WORD_TEXT),
                          bytes) < 0)
            break;
        v = sn_u256_load(bytes);
        struct sn_u256 to[3] = {zero, zero, zero}; /* the largest has 0 for its next one */
        (void)sn_u256_add(v, one, &to[0]);
        (void)sn_u256_sub(v, one, &to[1]);
        for (unsigned i = 0; i < SN_COUNT_OF(to); i++) {
            if (i > 0 && sn_u256_cmp(v, i == 1 ? one : zero) <= 0) continue;
            ret[n] = *call;
            int r = word_set(call->data, w, to[i], a, &ret[n++].data);
            if (r < 0) return r;
        }
    }
    return (int)n;
}
/* known_kind - whether one of the first n is of the same kind as tx[n]. */
static bool known_kind(const struct gas_pasts *pasts, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (gas_same_kind(&pasts->tx[i].call, &pasts->tx[n].call)) return true;
    return false;
}
/* neighbours - the calls that may come first, likeliest first; at most `max`. */
static int neighbours(const struct sn_gas_call *call, const struct gas_pasts *pasts,
                      struct sn_arena *a, struct sn_gas_call *ret, unsigned max)
{
    struct sn_gas_call changed[3 * GAS_WORDS_MAX];
    unsigned n = 0;
    ret[n++] = (struct sn_gas_call){call->from, call->to, call->data, call->value};
    for (unsigned i = 0; i < pasts->n && n == 1; i++) {
        if (sn_str_ieq(pasts->tx[i].call.from, call->from)) continue;
        ret[n] = ret[0];
        ret[n++].from = pasts->tx[i].call.from;
    }
    int m = changed_calls(&ret[0], a, changed);
    for (int i = 0; i < m && n < max; i++) ret[n++] = changed[i];
    for (unsigned i = 0; i < pasts->n && n < max; i++)
        if (!known_kind(pasts, i)) ret[n++] = pasts->tx[i].call;
    for (unsigned i = 0; i < pasts->n && n < max; i++) /* more of the kinds, with other arguments */
        if (known_kind(pasts, i)) ret[n++] = pasts->tx[i].call;
    return m < 0 ? m : (int)n;
}
int gas_scenes(const struct gas_probe *plain, uint64_t later, unsigned drift,
               const struct gas_pasts *pasts, struct sn_arena *a,
               struct gas_probe scenes[GAS_PROBES_MAX])
{
    unsigned n = 0, times = drift > 1 ? 2 : 1, max = (GAS_PROBES_MAX - 2) / 2;
    struct sn_gas_call *first = SN_ARENA_ARRAY(a, struct sn_gas_call, max);
    if (!first) return SN_E_NOMEM;
    scenes[n++] = *plain;
    scenes[n] = *plain;
    scenes[n++].time = later;
    if (!drift || !plain->call->to.len) return (int)n;
    int m = neighbours(plain->call, pasts, a, first, max);
    for (int i = 0; i < m; i++)
        for (unsigned k = 0; k < times; k++) {
            scenes[n] = *plain;
            scenes[n].before = &first[i];
            scenes[n++].repeat = k ? SN_MIN(drift, SN_GAS_REPEAT_MAX) : 1;
        }
    return m < 0 ? m : (int)n;
}

/* ---- residuals ---- */

/* receipts - drops what failed: its gas says nothing about what succeeds. */
static int receipts(struct sn_eth_rpc *rpc, struct sn_arena *a, struct gas_past *past, unsigned *n)
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
static int replay(struct sn_eth_rpc *rpc, enum sn_gas_method method, unsigned drift,
                  const struct gas_past *past, unsigned n, struct sn_arena *a,
                  struct gas_residuals *ret)
{
    struct gas_probe *probes = SN_ARENA_ARRAY(a, struct gas_probe, GAS_PROBES_MAX);
    int r = probes ? 0 : SN_E_NOMEM;
    for (unsigned from = 0, m; from < n && r >= 0; from += m) {
        m = SN_MIN(n - from, GAS_PROBES_MAX);
        for (unsigned i = 0; i < m; i++) {
            const struct gas_past *p = &past[from + i];
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
int gas_residuals(struct sn_eth_rpc *rpc, enum sn_gas_method method, const struct sn_gas_call *call,
                  unsigned drift, const struct gas_pasts *pasts, struct sn_arena *a,
                  struct gas_residuals *ret)
{
    struct gas_past *past = SN_ARENA_ARRAY(a, struct gas_past, SN_GAS_HISTORY_TXS_MAX);
    unsigned n = 0;
    ret->n = 0;
    if (!past) return SN_E_NOMEM;
    if (method == SN_GAS_BISECT) return 0;
    for (unsigned i = 0; i < pasts->n; i++)
        if (gas_same_kind(&pasts->tx[i].call, call)) past[n++] = pasts->tx[i];
    if (!n) return 0;
    int r = receipts(rpc, a, past, &n);
    return r < 0 ? r : replay(rpc, method, drift, past, n, a, ret);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* rpc/routes.c - the one table of calls: names, arguments, what they need. JSON-RPC, URIs and the
 * page that lists them are made from it. Sorted by name. */
#include <stdlib.h>

#include "consensus/rpc/rpc_int.h"

#define R(name, ...)                         \
    {                                        \
#name, sn_rpc_do_##name, __VA_ARGS__ \
    }
#define HEIGHT                   \
    {                            \
        "height", SN_RPC_I64_OPT \
    }
#define PAGE                   \
    {                          \
        "page", SN_RPC_INT_OPT \
    }
#define PER_PAGE                   \
    {                              \
        "per_page", SN_RPC_INT_OPT \
    }
#define ORDER_BY                \
    {                           \
        "order_by", SN_RPC_TEXT \
    }
#define QUERY                \
    {                        \
        "query", SN_RPC_TEXT \
    }
#define TX                 \
    {                      \
        "tx", SN_RPC_BYTES \
    }
#define KEEP_HEIGHT (SN_RPC_STORES | SN_RPC_KEEP | SN_RPC_KEEP_ARG)

const struct sn_rpc_route sn_rpc_routes[] = {
    R(abci_info, SN_RPC_KEEP),
    R(abci_query, 0,
      {{"path", SN_RPC_TEXT},
       {"data", SN_RPC_HEX},
       {"height", SN_RPC_I64},
       {"prove", SN_RPC_BOOL}}),
    R(block, KEEP_HEIGHT, {HEIGHT}),
    R(block_by_hash, SN_RPC_STORES | SN_RPC_KEEP, {{"hash", SN_RPC_BYTES}}),
    R(block_results, KEEP_HEIGHT, {HEIGHT}),
    R(block_search, SN_RPC_STORES, {QUERY, PAGE, PER_PAGE, ORDER_BY}),
    R(blockchain, SN_RPC_STORES | SN_RPC_KEEP,
      {{"minHeight", SN_RPC_I64}, {"maxHeight", SN_RPC_I64}}),
    R(broadcast_evidence, 0, {{"evidence", SN_RPC_EVIDENCE}}),
    R(broadcast_tx_async, 0, {TX}),
    R(broadcast_tx_commit, 0, {TX}),
    R(broadcast_tx_sync, 0, {TX}),
    R(check_tx, 0, {TX}),
    R(commit, KEEP_HEIGHT, {HEIGHT}),
    R(consensus_params, KEEP_HEIGHT, {HEIGHT}),
    R(consensus_state, 0),
    R(dial_peers, SN_RPC_UNSAFE,
      {{"peers", SN_RPC_TEXTS},
       {"persistent", SN_RPC_BOOL},
       {"unconditional", SN_RPC_BOOL},
       {"private", SN_RPC_BOOL}}),
    R(dial_seeds, SN_RPC_UNSAFE, {{"seeds", SN_RPC_TEXTS}}),
    R(dump_consensus_state, 0),
    R(genesis, SN_RPC_KEEP),
    R(genesis_chunked, SN_RPC_KEEP, {{"chunk", SN_RPC_UINT}}),
    R(header, KEEP_HEIGHT, {HEIGHT}),
    R(header_by_hash, SN_RPC_STORES | SN_RPC_KEEP, {{"hash", SN_RPC_HEX}}),
    R(health, 0),
    R(net_info, 0),
    R(num_unconfirmed_txs, 0),
    R(status, 0),
    R(subscribe, SN_RPC_WS, {QUERY}),
    R(tx, SN_RPC_STORES | SN_RPC_KEEP, {{"hash", SN_RPC_BYTES}, {"prove", SN_RPC_BOOL}}),
    R(tx_search, SN_RPC_STORES, {QUERY, {"prove", SN_RPC_BOOL}, PAGE, PER_PAGE, ORDER_BY}),
    R(unconfirmed_txs, 0, {{"limit", SN_RPC_INT_OPT}}),
    R(unsafe_flush_mempool, SN_RPC_UNSAFE),
    R(unsubscribe, SN_RPC_WS, {QUERY}),
    R(unsubscribe_all, SN_RPC_WS),
    R(validators, KEEP_HEIGHT, {HEIGHT, PAGE, PER_PAGE}),
};
const size_t sn_rpc_routes_n = SN_COUNT_OF(sn_rpc_routes);

static bool has(const struct sn_rpc *rpc, const struct sn_rpc_route *r)
{
    if (rpc->o.inspect) return r->flags & SN_RPC_STORES;
    return !(r->flags & SN_RPC_UNSAFE) || rpc->o.unsafe;
}

static int by_name(const void *key, const void *route)
{
    return sn_str_cmp(*(const struct sn_str *)key,
                      sn_str(((const struct sn_rpc_route *)route)->name));
}

const struct sn_rpc_route *sn_rpc_route(const struct sn_rpc *rpc, struct sn_str name)
{
    const struct sn_rpc_route *r =
        bsearch(&name, sn_rpc_routes, sn_rpc_routes_n, sizeof(sn_rpc_routes[0]), by_name);
    return r && has(rpc, r) ? r : NULL;
}

unsigned sn_rpc_route_args(const struct sn_rpc_route *r)
{
    unsigned n = 0;
    while (n < SN_RPC_ARGS_MAX && r->args[n].name) n++;
    return n;
}

static void put_html(struct sn_buf *out, struct sn_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '<' || c == '>' || c == '&' || c == '"')
            sn_buf_printf(out, "&#%d;", c);
        else
            sn_buf_byte(out, (uint8_t)c);
    }
}

void sn_rpc_help(const struct sn_rpc *rpc, struct sn_str host, struct sn_buf *out)
{
    sn_buf_cstr(out, "<html><body><br>Available endpoints:<br>"
                     "<br>Endpoints that require arguments:<br>");
    for (size_t i = 0; i < sn_rpc_routes_n; i++) {
        const struct sn_rpc_route *r = &sn_rpc_routes[i];
        if (!has(rpc, r)) continue;
        for (int text = 0; text < 2; text++) {
            sn_buf_cstr(out, text ? "\">//" : "<a href=\"//");
            put_html(out, host);
            sn_buf_printf(out, "/%s?", r->name);
            for (unsigned k = 0; k < sn_rpc_route_args(r); k++)
                sn_buf_printf(out, "%s%s=_", k ? "&" : "", r->args[k].name);
        }
        sn_buf_cstr(out, "</a></br>");
    }
    sn_buf_cstr(out, "</body></html>");
}

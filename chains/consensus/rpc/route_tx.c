/* SPDX-License-Identifier: Apache-2.0 */
/* rpc/route_tx.c - transactions on their way into a block. */
#include <stdatomic.h>
#include <stdio.h>

#include "consensus/rpc/rpc_int.h"
#include "core/enc.h"
#include "crypto/hash.h"

#define L SN_CONS_JSON_LIT

static int hash_of(struct sn_str tx, uint8_t ret[32])
{
    return sn_hash_once(SN_SHA256, tx.ptr, tx.len, ret);
}
static int needs(bool is, const char *what)
{
    return is ? 0 : sn_fail(SN_E_UNAVAILABLE, "this node has no %s", what);
}

/* ---- into the mempool ---- */

int sn_rpc_do_check_tx(struct sn_rpc_call *c)
{
    struct tendermint_abci_request_check_tx req = {.tx = c->args[0].s};
    struct tendermint_abci_response_check_tx *res;
    int r = needs(c->view->app, "application");
    if (r == 0) r = sn_abci_check_tx(c->view->app->mempool, &req, c->arena, &res);
    if (r < 0) return r;
    sn_cons_json_check_tx(c->out, res);
    return 0;
}

static void put_broadcast(struct sn_buf *b, const struct tendermint_abci_response_check_tx *res,
                          const uint8_t hash[32])
{
    sn_buf_printf(b, "{\"code\":%u,\"data\":", res->code);
    sn_cons_json_hex(b, res->data.ptr, res->data.len);
    L(b, ",\"log\":");
    sn_cons_json_str(b, res->log);
    L(b, ",\"codespace\":");
    sn_cons_json_str(b, res->codespace);
    L(b, ",\"hash\":");
    sn_cons_json_hex(b, hash, 32);
    L(b, "}");
}

/* The application has said its word before _sync answers; _async does not wait for it. */
static int broadcast(struct sn_rpc_call *c, bool sync)
{
    static const struct tendermint_abci_response_check_tx silent;
    const struct tendermint_abci_response_check_tx *res = &silent;
    struct tendermint_abci_response_check_tx *word = NULL;
    struct sn_str tx = c->args[0].s;
    uint8_t hash[32];
    int r = needs(c->view->txs, "mempool");
    if (r == 0)
        r = sync ? sn_txs_check(c->view->txs, tx, 0, c->arena, &word)
                 : sn_txs_check_later(c->view->txs, tx, 0);
    if (r == 0) r = hash_of(tx, hash);
    if (r < 0) return r;
    if (word) res = word;
    put_broadcast(c->out, res, hash);
    return 0;
}
int sn_rpc_do_broadcast_tx_sync(struct sn_rpc_call *c) { return broadcast(c, true); }
int sn_rpc_do_broadcast_tx_async(struct sn_rpc_call *c) { return broadcast(c, false); }

/* ---- and into a block ---- */

static void woken(void *event) { sn_event_set(event); }

/* Until the transaction's event is there; its result is left in *ret. */
static int await(struct sn_rpc_call *c, struct sn_subscription *s, struct sn_event *here,
                 struct sn_chain_event **ret)
{
    int64_t wait = c->rpc->o.commit_wait_ns;
    int r = sn_event_wait_until(here, sn_now() + wait);
    if (r == SN_E_DEADLINE_EXCEEDED)
        return sn_fail(r, "timed out waiting for tx to be included in a block");
    if (r < 0) return r;
    r = sn_subscription_take(s, ret);
    if (r > 0) return 0;
    return sn_fail(SN_E_CANCELLED, "txSub was canceled (reason: %s)",
                   r < 0 ? sn_diag_str(r) : "CometBFT exited");
}

static int read_event(struct sn_rpc_call *c, const struct sn_chain_event *e,
                      const struct sn_json **ret_result, int64_t *ret_height)
{
    const struct sn_json *v;
    struct sn_str text = sn_arena_str(c->arena, e->data);
    if (!text.ptr) return SN_E_NOMEM;
    int r = sn_json_parse_next(c->arena, &text, NULL, &v);
    v = r < 0 ? NULL : sn_json_path(v, "value.TxResult");
    struct sn_str height = sn_json_str(sn_json_get(v, "height"));
    if (r == 0) r = sn_str_to_i64(height, ret_height);
    *ret_result = sn_json_get(v, "result");
    return r;
}

int sn_rpc_commit_tx(struct sn_rpc_call *c, struct sn_str tx,
                     struct tendermint_abci_response_check_tx **ret_check,
                     const struct sn_json **ret_result, int64_t *ret_height)
{
    struct sn_event here = {0};
    struct sn_subscription *s;
    struct sn_chain_event *e = NULL;
    uint8_t hash[32];
    char query[128], hex[2 * sizeof(hash) + 1];
    int r = needs(c->view->txs && c->view->bus, "mempool");
    if (r == 0) r = hash_of(tx, hash);
    if (r < 0) return r;
    hex[sn_hex_encode_upper(hash, sizeof(hash), hex)] = 0;
    snprintf(query, sizeof(query), "tm.event = 'Tx' AND tx.hash = '%s'", hex);
    r = sn_event_bus_subscribe(c->view->bus, c->client, sn_str(query), woken, &here, &s);
    if (r == SN_E_RESOURCE_EXHAUSTED) return r;
    if (r < 0) return sn_wrap(r, "failed to subscribe to tx");
    *ret_result = NULL;
    *ret_height = 0;
    r = sn_txs_check(c->view->txs, tx, 0, c->arena, ret_check);
    if (r < 0)
        r = sn_wrap(r, "error on broadcastTxCommit");
    else if ((*ret_check)->code == 0)
        r = await(c, s, &here, &e);
    if (e) r = read_event(c, e, ret_result, ret_height);
    sn_subscription_end(s);
    sn_chain_event_unref(e);
    return r;
}

/* ---- a result as an event has it, back ---- */

static int64_t number(const struct sn_json *v, const char *key)
{
    int64_t i = 0;
    return sn_str_to_i64(sn_json_str(sn_json_get(v, key)), &i) == 0 ? i : 0;
}

static int event_of(struct sn_arena *a, const struct sn_json *v,
                    struct tendermint_abci_exec_tx_result *res)
{
    struct tendermint_abci_event *e = tendermint_abci_exec_tx_result_add_events(res, a);
    if (!e) return SN_E_NOMEM;
    e->type = sn_json_str(sn_json_get(v, "type"));
    for (SN_JSON_EACH(sn_json_get(v, "attributes"), it)) {
        struct tendermint_abci_event_attribute *t = tendermint_abci_event_add_attributes(e, a);
        if (!t) return SN_E_NOMEM;
        t->key = sn_json_str(sn_json_get(it, "key"));
        t->value = sn_json_str(sn_json_get(it, "value"));
        t->index = sn_json_bool_or(sn_json_get(it, "index"), false);
    }
    return 0;
}

int sn_rpc_result_of_event(struct sn_arena *a, const struct sn_json *v,
                           struct tendermint_abci_exec_tx_result **ret)
{
    struct tendermint_abci_exec_tx_result *res =
        SN_ARENA_NEW(a, struct tendermint_abci_exec_tx_result);
    if (!res) return SN_E_NOMEM;
    struct sn_str data = sn_json_str(sn_json_get(v, "data"));
    if (data.ptr) {
        char *p = sn_arena_alloc(a, sn_base64_decoded_max(data.len));
        ssize_t n = p ? sn_base64_decode(data, SN_BASE64_STD, p) : SN_E_NOMEM;
        if (n < 0) return (int)n;
        res->data = sn_str_of(p, (size_t)n);
    }
    res->code = (uint32_t)sn_json_i64_or(sn_json_get(v, "code"), 0);
    res->log = sn_json_str(sn_json_get(v, "log"));
    res->info = sn_json_str(sn_json_get(v, "info"));
    res->codespace = sn_json_str(sn_json_get(v, "codespace"));
    res->gas_wanted = number(v, "gas_wanted");
    res->gas_used = number(v, "gas_used");
    int r = 0;
    for (SN_JSON_EACH(sn_json_get(v, "events"), it))
        if (r == 0) r = event_of(a, it, res);
    if (r == 0) *ret = res;
    return r;
}

int sn_rpc_do_broadcast_tx_commit(struct sn_rpc_call *c)
{
    struct tendermint_abci_response_check_tx *check;
    struct tendermint_abci_exec_tx_result *res;
    const struct sn_json *result;
    uint8_t hash[32];
    int64_t height;
    int r = sn_rpc_commit_tx(c, c->args[0].s, &check, &result, &height);
    if (r == 0) r = sn_rpc_result_of_event(c->arena, result, &res);
    if (r == 0) r = hash_of(c->args[0].s, hash);
    if (r < 0) return r;
    L(c->out, "{\"check_tx\":");
    sn_cons_json_check_tx(c->out, check);
    L(c->out, ",\"tx_result\":");
    sn_cons_json_tx_result(c->out, res);
    L(c->out, ",\"hash\":");
    sn_cons_json_hex(c->out, hash, sizeof(hash));
    L(c->out, ",\"height\":");
    sn_cons_json_i64(c->out, height);
    L(c->out, "}");
    return 0;
}

/* ---- what waits ---- */

static void put_counts(struct sn_rpc_call *c, size_t n)
{
    struct sn_mempool_stats st;
    sn_mempool_stats(sn_txs_pool(c->view->txs), &st);
    sn_buf_printf(c->out,
                  "{\"n_txs\":\"%llu\",\"total\":\"%llu\",\"total_bytes\":\"%llu\",\"txs\":",
                  (unsigned long long)(n == SIZE_MAX ? st.txs : n), (unsigned long long)st.txs,
                  (unsigned long long)st.bytes);
}

int sn_rpc_do_unconfirmed_txs(struct sn_rpc_call *c)
{
    struct sn_mempool_tx *txs[SN_RPC_PER_PAGE_MAX];
    const struct sn_mempool_limits all = {.bytes = -1, .gas = -1, .unchecked = true};
    int r = needs(c->view->txs, "mempool");
    if (r < 0) return r;
    size_t n =
        sn_mempool_reap(sn_txs_pool(c->view->txs), &all, txs, (size_t)sn_rpc_per_page(&c->args[0]));
    put_counts(c, n);
    L(c->out, "[");
    for (size_t i = 0; i < n; i++) {
        if (i) L(c->out, ",");
        sn_cons_json_b64(c->out, txs[i]->data);
        sn_mempool_tx_unref(txs[i]);
    }
    L(c->out, "]}");
    return 0;
}

int sn_rpc_do_num_unconfirmed_txs(struct sn_rpc_call *c)
{
    int r = needs(c->view->txs, "mempool");
    if (r < 0) return r;
    put_counts(c, SIZE_MAX);
    L(c->out, "null}");
    return 0;
}

int sn_rpc_do_unsafe_flush_mempool(struct sn_rpc_call *c)
{
    int r = needs(c->view->txs, "mempool");
    if (r < 0) return r;
    sn_mempool_flush(sn_txs_pool(c->view->txs));
    L(c->out, "{}");
    return 0;
}

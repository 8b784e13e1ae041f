/* SPDX-License-Identifier: Apache-2.0 */
/* rpc/route_chain.c - the node and its chain as a whole: status, genesis, validators, parameters.
 */
#include "consensus/genesis.h"
#include "consensus/rpc/rpc_int.h"
#include "consensus/state_store.h"
#include "consensus/valset.h"
#include "core/enc.h"

#define L SN_CONS_JSON_LIT

int sn_rpc_do_health(struct sn_rpc_call *c)
{
    L(c->out, "{}");
    return 0;
}

/* ---- status ---- */

void sn_rpc_put_node_info(struct sn_buf *b, const struct sn_node_info *i)
{
    const struct {
        const char *name, *value;
    } texts[] = {
        {"},\"id\":", i->id},
        {",\"listen_addr\":", i->listen_addr},
        {",\"network\":", i->network},
        {",\"version\":", i->version},
    };
    L(b, "{\"protocol_version\":{\"p2p\":");
    sn_cons_json_u64(b, i->p2p_version);
    L(b, ",\"block\":");
    sn_cons_json_u64(b, i->block_version);
    L(b, ",\"app\":");
    sn_cons_json_u64(b, i->app_version);
    for (size_t k = 0; k < SN_COUNT_OF(texts); k++) {
        sn_buf_cstr(b, texts[k].name);
        sn_cons_json_str(b, sn_str(texts[k].value));
    }
    L(b, ",\"channels\":");
    sn_cons_json_hex(b, i->channels, i->n_channels);
    L(b, ",\"moniker\":");
    sn_cons_json_str(b, sn_str(i->moniker));
    L(b, ",\"other\":{\"tx_index\":");
    sn_cons_json_str(b, sn_str(i->tx_index));
    L(b, ",\"rpc_address\":");
    sn_cons_json_str(b, sn_str(i->rpc_address));
    L(b, "}}");
}

static void put_end(struct sn_buf *b, const char *kind, const struct sn_cons_block_meta *m)
{
    static const struct sn_cons_block_meta none;
    bool is = m->header.height > 0;
    if (!is) m = &none;
    sn_buf_printf(b, "\"%s_block_hash\":", kind);
    sn_cons_json_hex(b, m->block_id.hash.b, m->block_id.hash.len);
    sn_buf_printf(b, ",\"%s_app_hash\":", kind);
    sn_cons_json_hex(b, m->header.app_hash.b, m->header.app_hash.len);
    sn_buf_printf(b, ",\"%s_block_height\":\"%lld\",\"%s_block_time\":", kind,
                  (long long)m->header.height, kind);
    sn_cons_json_time(b, m->header.time);
}

/* The power in the height that is being agreed on. Returns false where its validators are not there
 * (yet). */
static bool power_of(struct sn_rpc_call *c, const uint8_t addr[SN_CONS_ADDR_LEN], int64_t *ret)
{
    struct sn_cons_valset *vals;
    *ret = 0;
    if (sn_cons_state_store_validators(c->view->states, sn_rpc_latest_uncommitted(c), &vals) < 0)
        return false;
    int32_t at = sn_cons_valset_find(vals, addr);
    if (at >= 0) *ret = vals->vals[at].power;
    sn_cons_valset_unref(vals);
    return true;
}

static bool put_validator(struct sn_rpc_call *c)
{
    const struct sn_cons_key *key = c->view->validator_key;
    uint8_t addr[SN_CONS_ADDR_LEN];
    int64_t power = 0;
    bool has = key && sn_cons_key_addr(key, addr) == 0;
    bool known = !has || power_of(c, addr, &power);
    L(c->out, ",\"validator_info\":{\"address\":");
    sn_cons_json_hex(c->out, addr, has ? sizeof(addr) : 0);
    L(c->out, ",\"pub_key\":");
    sn_cons_json_key(c->out, has ? key : &(struct sn_cons_key){0});
    L(c->out, ",\"voting_power\":");
    sn_cons_json_i64(c->out, power);
    L(c->out, "}");
    return known;
}

/* One height's block, none where it is not there. */
static int meta_of(struct sn_rpc_call *c, int64_t height, struct sn_cons_block_meta *ret)
{
    memset(ret, 0, sizeof(*ret));
    int r = height ? sn_cons_block_store_meta(c->view->blocks, height, ret) : 0;
    if (r == SN_E_NOT_FOUND) memset(ret, 0, sizeof(*ret));
    return r == SN_E_NOT_FOUND ? 0 : r;
}

int sn_rpc_do_status(struct sn_rpc_call *c)
{
    struct sn_cons_block_meta last, first;
    int64_t height = sn_cons_block_store_height(c->view->blocks),
            base = sn_cons_block_store_base(c->view->blocks);
    bool syncing = sn_node_catching_up(c->view);
    int64_t what = base * 2 + syncing;
    size_t from = c->out->len;
    if (sn_rpc_cache_get(c->rpc->cache, c->route, height, what, c->out)) return 0;
    int r = meta_of(c, height, &last);
    if (r == 0) r = meta_of(c, base, &first);
    if (r < 0) return r;
    L(c->out, "{\"node_info\":");
    sn_rpc_put_node_info(c->out, c->view->sw ? sn_switch_self(c->view->sw) : c->view->self);
    L(c->out, ",\"sync_info\":{");
    put_end(c->out, "latest", &last);
    L(c->out, ",");
    put_end(c->out, "earliest", &first);
    L(c->out, ",\"catching_up\":");
    sn_cons_json_bool(c->out, syncing);
    L(c->out, "}");
    bool known = put_validator(c);
    L(c->out, "}");
    if (known) sn_rpc_cache_put(c->rpc->cache, c->route, height, what, c->out, from);
    return 0;
}

/* ---- genesis ---- */

int sn_rpc_do_genesis(struct sn_rpc_call *c)
{
    if (c->rpc->genesis.len > SN_RPC_GENESIS_CHUNK)
        return sn_fail(SN_E_TOO_LARGE,
                       "genesis response is large, please use the genesis_chunked API instead");
    L(c->out, "{\"genesis\":");
    sn_buf_str(c->out, sn_buf_view(&c->rpc->genesis));
    L(c->out, "}");
    return 0;
}

int sn_rpc_do_genesis_chunked(struct sn_rpc_call *c)
{
    struct sn_str all = sn_buf_view(&c->rpc->genesis);
    int64_t id = c->args[0].i,
            n = (int64_t)((all.len + SN_RPC_GENESIS_CHUNK - 1) / SN_RPC_GENESIS_CHUNK);
    if (n == 0)
        return sn_fail(SN_E_UNAVAILABLE, "service configuration error, there are no chunks");
    if (id > n - 1)
        return sn_fail(SN_E_INVALID_ARGUMENT, "there are %lld chunks, %lld is invalid",
                       (long long)n - 1, (long long)id);
    size_t from = (size_t)id * SN_RPC_GENESIS_CHUNK;
    sn_buf_printf(c->out, "{\"chunk\":\"%lld\",\"total\":\"%lld\",\"data\":\"", (long long)id,
                  (long long)n);
    struct sn_str part = sn_str_sub(all, from, from + SN_RPC_GENESIS_CHUNK);
    sn_buf_base64(c->out, part.ptr, part.len, SN_BASE64_STD);
    L(c->out, "\"}");
    return 0;
}

/* ---- validators, parameters ---- */

static int put_validators(struct sn_rpc_call *c, const struct sn_cons_valset *vals, int64_t height)
{
    int64_t per = sn_rpc_per_page(&c->args[2]), page;
    int r = sn_rpc_page(&c->args[1], per, vals->n, &page);
    if (r < 0) return r;
    int64_t from = (page - 1) * per, n = SN_MIN(per, (int64_t)vals->n - from);
    L(c->out, "{\"block_height\":");
    sn_cons_json_i64(c->out, height);
    L(c->out, ",\"validators\":[");
    for (int64_t i = 0; i < n; i++) {
        if (i) L(c->out, ",");
        sn_cons_json_validator(c->out, &vals->vals[from + i]);
    }
    sn_buf_printf(c->out, "],\"count\":\"%lld\",\"total\":\"%u\"}", (long long)n, vals->n);
    return 0;
}

int sn_rpc_do_validators(struct sn_rpc_call *c)
{
    struct sn_cons_valset *vals;
    int64_t height;
    size_t from = c->out->len;
    int r = sn_rpc_height(c, &c->args[0], sn_rpc_latest_uncommitted(c), &height);
    if (r < 0) return r;
    bool whole = !c->args[1].set && !c->args[2].set;
    if (whole && sn_rpc_cache_get(c->rpc->cache, c->route, height, 0, c->out)) return 0;
    r = sn_cons_state_store_validators(c->view->states, height, &vals);
    /* The last block is there a moment before the state after it. */
    if (r == SN_E_NOT_FOUND && !c->args[0].set)
        r = sn_cons_state_store_validators(c->view->states, --height, &vals);
    if (r == SN_E_NOT_FOUND)
        return sn_fail(r, "could not find validator set for height #%lld", (long long)height);
    if (r < 0) return r;
    r = put_validators(c, vals, height);
    sn_cons_valset_unref(vals);
    if (r == 0 && whole) sn_rpc_cache_put(c->rpc->cache, c->route, height, 0, c->out, from);
    return r;
}

int sn_rpc_do_consensus_params(struct sn_rpc_call *c)
{
    struct sn_cons_params p;
    int64_t height;
    int r = sn_rpc_height(c, &c->args[0], sn_rpc_latest_uncommitted(c), &height);
    if (r == 0) r = sn_cons_state_store_params(c->view->states, height, &p);
    if (r == SN_E_NOT_FOUND && !c->args[0].set)
        r = sn_cons_state_store_params(c->view->states, --height, &p);
    if (r == SN_E_NOT_FOUND)
        return sn_fail(r, "could not find consensus params for height #%lld", (long long)height);
    if (r < 0) return r;
    L(c->out, "{\"block_height\":");
    sn_cons_json_i64(c->out, height);
    L(c->out, ",\"consensus_params\":");
    sn_cons_json_params(c->out, &p);
    L(c->out, "}");
    return 0;
}

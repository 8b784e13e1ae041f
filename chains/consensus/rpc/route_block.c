/* SPDX-License-Identifier: Apache-2.0 */
/* rpc/route_block.c - what is read from the stores by height, hash or events. */
#include <stdio.h>

#include "consensus/block_store.h"
#include "consensus/rpc/rpc_int.h"
#include "consensus/state_store.h"
#include "core/enc.h"
#include "crypto/hash.h"
#include "crypto/merkle.h"

#define L SN_CONS_JSON_LIT
#define BLOCKCHAIN_MAX 20
#define ANSWER_ARENA ((size_t)512 << 20)
#define PER_PAGE 30

/* ---- heights and pages ---- */

int sn_rpc_height(const struct sn_rpc_call *c, const struct sn_rpc_arg *a, int64_t latest,
                  int64_t *ret)
{
    int64_t base = sn_cons_block_store_base(c->view->blocks);
    *ret = latest;
    if (!a->set) return 0;
    *ret = a->i;
    if (a->i <= 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "height must be greater than 0, but got %lld",
                       (long long)a->i);
    if (a->i > latest)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "height %lld must be less than or equal to the current blockchain height "
                       "%lld",
                       (long long)a->i, (long long)latest);
    if (a->i < base)
        return sn_fail(SN_E_INVALID_ARGUMENT, "height %lld is not available, lowest height is %lld",
                       (long long)a->i, (long long)base);
    return 0;
}

int64_t sn_rpc_latest_uncommitted(const struct sn_rpc_call *c)
{
    int64_t h = sn_cons_block_store_height(c->view->blocks);
    return sn_node_catching_up(c->view) ? h : h + 1;
}

int64_t sn_rpc_per_page(const struct sn_rpc_arg *a)
{
    if (!a->set || a->i < 1) return PER_PAGE;
    return SN_MIN(a->i, (int64_t)SN_RPC_PER_PAGE_MAX);
}

int sn_rpc_page(const struct sn_rpc_arg *a, int64_t per_page, int64_t total, int64_t *ret)
{
    int64_t pages = total > 0 ? (total - 1) / per_page + 1 : 1;
    *ret = 1;
    if (!a->set) return 0;
    if (a->i <= 0 || a->i > pages)
        return sn_fail(SN_E_INVALID_ARGUMENT, "page should be within [1, %lld] range, given %lld",
                       (long long)pages, (long long)a->i);
    *ret = a->i;
    return 0;
}

static int latest_height(const struct sn_rpc_call *c, int64_t *ret)
{
    return sn_rpc_height(c, &c->args[0], sn_cons_block_store_height(c->view->blocks), ret);
}

/* ---- one block ---- */

static bool kept(struct sn_rpc_call *c, int64_t x, int64_t y)
{
    return sn_rpc_cache_get(c->rpc->cache, c->route, x, y, c->out);
}
static void keep(struct sn_rpc_call *c, int64_t x, int64_t y, size_t from)
{
    sn_rpc_cache_put(c->rpc->cache, c->route, x, y, c->out, from);
}

static int put_block(struct sn_rpc_call *c, int64_t height)
{
    struct sn_cons_block_meta meta;
    struct sn_cons_block *b = NULL;
    int r = sn_cons_block_store_meta(c->view->blocks, height, &meta);
    if (r == 0) r = sn_cons_block_store_block(c->view->blocks, height, &b);
    if (r < 0 && r != SN_E_NOT_FOUND) return r;
    L(c->out, "{\"block_id\":");
    sn_cons_json_block_id(c->out, r == 0 ? &meta.block_id : &(struct sn_cons_block_id){0});
    L(c->out, ",\"block\":");
    sn_cons_json_block(c->out, b);
    L(c->out, "}");
    sn_cons_block_unref(b);
    return r == 0;
}

static int cached_block(struct sn_rpc_call *c, int64_t height)
{
    size_t from = c->out->len;
    if (kept(c, height, 0)) return 0;
    int r = put_block(c, height);
    if (r > 0) keep(c, height, 0, from);
    return r < 0 ? r : 0;
}

int sn_rpc_do_block(struct sn_rpc_call *c)
{
    int64_t height;
    int r = latest_height(c, &height);
    return r < 0 ? r : cached_block(c, height);
}

/* Returns 1 and the height of the block with that hash, 0 where there is none. */
static int find(struct sn_rpc_call *c, struct sn_str hash, int64_t *ret)
{
    struct sn_cons_hash h = {.len = SN_CONS_HASH_LEN};
    if (hash.len != SN_CONS_HASH_LEN) return 0;
    memcpy(h.b, hash.ptr, SN_CONS_HASH_LEN);
    int r = sn_cons_block_store_find(c->view->blocks, &h, ret);
    return r == SN_E_NOT_FOUND ? 0 : r < 0 ? r : 1;
}

int sn_rpc_do_block_by_hash(struct sn_rpc_call *c)
{
    int64_t height = 0;
    int r = find(c, c->args[0].s, &height);
    if (r > 0) return cached_block(c, height);
    if (r == 0)
        L(c->out, "{\"block_id\":{\"hash\":\"\",\"parts\":{\"total\":0,\"hash\":\"\"}},"
                  "\"block\":null}");
    return r;
}

static int put_header(struct sn_rpc_call *c, int64_t height)
{
    struct sn_cons_block_meta meta;
    size_t from = c->out->len;
    if (kept(c, height, 0)) return 0;
    int r = sn_cons_block_store_meta(c->view->blocks, height, &meta);
    if (r < 0 && r != SN_E_NOT_FOUND) return r;
    L(c->out, "{\"header\":");
    if (r == 0)
        sn_cons_json_header(c->out, &meta.header);
    else
        L(c->out, "null");
    L(c->out, "}");
    if (r == 0) keep(c, height, 0, from);
    return 0;
}

int sn_rpc_do_header(struct sn_rpc_call *c)
{
    int64_t height;
    int r = latest_height(c, &height);
    return r < 0 ? r : put_header(c, height);
}

int sn_rpc_do_header_by_hash(struct sn_rpc_call *c)
{
    int64_t height = 0;
    int r = find(c, c->args[0].s, &height);
    if (r > 0) return put_header(c, height);
    if (r == 0) L(c->out, "{\"header\":null}");
    return r;
}

int sn_rpc_do_commit(struct sn_rpc_call *c)
{
    struct sn_cons_block_meta meta;
    struct sn_cons_commit commit;
    int64_t height;
    size_t from = c->out->len;
    int r = latest_height(c, &height);
    if (r < 0) return r;
    bool canonical = height < sn_cons_block_store_height(c->view->blocks);
    if (canonical && kept(c, height, 0)) return 0;
    r = sn_cons_block_store_meta(c->view->blocks, height, &meta);
    if (r == SN_E_NOT_FOUND) {
        L(c->out, "null");
        return 0;
    }
    if (r == 0)
        r = canonical ? sn_cons_block_store_commit(c->view->blocks, height, c->arena, &commit)
                      : sn_cons_block_store_seen(c->view->blocks, height, c->arena, &commit);
    if (r < 0 && r != SN_E_NOT_FOUND) return r;
    L(c->out, "{\"signed_header\":{\"header\":");
    sn_cons_json_header(c->out, &meta.header);
    L(c->out, ",\"commit\":");
    if (r == 0)
        sn_cons_json_commit(c->out, &commit);
    else
        L(c->out, "null");
    L(c->out, "},\"canonical\":");
    sn_cons_json_bool(c->out, canonical);
    L(c->out, "}");
    if (canonical && r == 0) keep(c, height, 0, from);
    return 0;
}

/* ---- several ---- */

static void put_meta(struct sn_buf *b, const struct sn_cons_block_meta *m)
{
    L(b, "{\"block_id\":");
    sn_cons_json_block_id(b, &m->block_id);
    L(b, ",\"block_size\":");
    sn_cons_json_i64(b, m->block_size);
    L(b, ",\"header\":");
    sn_cons_json_header(b, &m->header);
    L(b, ",\"num_txs\":");
    sn_cons_json_i64(b, m->num_txs);
    L(b, "}");
}

/* At most so many, from the top. */
static int block_range(const struct sn_rpc_call *c, int64_t *min, int64_t *max)
{
    int64_t base = sn_cons_block_store_base(c->view->blocks),
            height = sn_cons_block_store_height(c->view->blocks);
    if (*min < 0 || *max < 0) return sn_fail(SN_E_INVALID_ARGUMENT, "heights must be non-negative");
    if (*min == 0) *min = 1;
    if (*max == 0) *max = height;
    *max = SN_MIN(height, *max);
    *min = SN_MAX(base, *min);
    *min = SN_MAX(*min, *max - BLOCKCHAIN_MAX + 1);
    if (*min > *max)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "min height %lld can't be greater than max height %lld", (long long)*min,
                       (long long)*max);
    return 0;
}

int sn_rpc_do_blockchain(struct sn_rpc_call *c)
{
    struct sn_cons_block_meta meta;
    int64_t min = c->args[0].i, max = c->args[1].i,
            last = sn_cons_block_store_height(c->view->blocks);
    int r = block_range(c, &min, &max);
    if (r < 0) return r;
    L(c->out, "{\"last_height\":");
    sn_cons_json_i64(c->out, last);
    L(c->out, ",\"block_metas\":[");
    for (int64_t h = max; h >= min; h--) {
        if (h < max) L(c->out, ",");
        r = sn_cons_block_store_meta(c->view->blocks, h, &meta);
        if (r < 0 && r != SN_E_NOT_FOUND) return r;
        if (r == 0)
            put_meta(c->out, &meta);
        else
            L(c->out, "null");
    }
    L(c->out, "]}");
    return 0;
}

static int order_of(struct sn_str s, bool none, bool *ret_descending)
{
    *ret_descending = s.len ? sn_str_eqc(s, "desc") : none;
    if (s.len == 0 || *ret_descending || sn_str_eqc(s, "asc")) return 0;
    return sn_fail(SN_E_INVALID_ARGUMENT,
                   "expected order_by to be either `asc` or `desc` or empty");
}

/* The page's numbers from two arguments; a page that is not asked for is the first. */
static void page_args(const struct sn_rpc_arg *page, const struct sn_rpc_arg *per_page,
                      struct sn_indexer_page *ret)
{
    ret->per_page = (uint32_t)sn_rpc_per_page(per_page);
    ret->page = !page->set ? 1 : page->i < 0 ? 0 : (uint32_t)SN_MIN(page->i, (int64_t)UINT32_MAX);
}

static int search_blocks(struct sn_rpc_call *c, const struct sn_query *q,
                         const struct sn_indexer_page *p)
{
    int64_t *heights;
    size_t n, put = 0;
    uint64_t total;
    int r = sn_indexer_block_search(c->view->indexer, q, p, c->arena, &heights, &n, &total);
    if (r < 0) return r;
    L(c->out, "{\"blocks\":[");
    for (size_t i = 0; i < n; i++) {
        size_t before = c->out->len;
        if (put) L(c->out, ",");
        r = put_block(c, heights[i]);
        if (r < 0) return r;
        /* Indexed, and pruned since. */
        if (r == 0) c->out->len = before;
        put += r > 0;
    }
    L(c->out, "],\"total_count\":");
    sn_cons_json_u64(c->out, total);
    L(c->out, "}");
    return 0;
}

int sn_rpc_do_block_search(struct sn_rpc_call *c)
{
    struct sn_query *q;
    struct sn_indexer_page p;
    if (!c->view->indexer) return sn_fail(SN_E_UNAVAILABLE, "block indexing is disabled");
    int r = order_of(c->args[3].s, true, &p.descending);
    if (r < 0) return r;
    if ((r = sn_query_parse(c->args[0].s, &q)) < 0) return r;
    page_args(&c->args[1], &c->args[2], &p);
    r = search_blocks(c, q, &p);
    sn_query_free(q);
    return r;
}

/* ---- transactions ---- */

static int put_proof(struct sn_buf *out, struct sn_arena *a, const struct sn_cons_block *b,
                     uint32_t index)
{
    uint8_t root[SN_MERKLE_LEN], aunts[SN_MERKLE_AUNTS_MAX][SN_MERKLE_LEN], txhash[32];
    uint8_t(*leaves)[SN_MERKLE_LEN] = sn_arena_array(a, b->n_txs, SN_MERKLE_LEN);
    int r = leaves ? 0 : SN_E_NOMEM;
    for (uint32_t i = 0; i < b->n_txs && r == 0; i++) {
        r = sn_hash_once(SN_SHA256, b->txs[i].ptr, b->txs[i].len, txhash);
        if (r == 0) r = sn_merkle_leaf(sn_str_of((char *)txhash, 32), leaves[i]);
    }
    unsigned depth = sn_merkle_depth(index, b->n_txs);
    if (r == 0)
        r = sn_merkle_aunts((const uint8_t(*)[SN_MERKLE_LEN])leaves, b->n_txs, index, aunts);
    if (r == 0)
        r = sn_merkle_climb(leaves[index], index, b->n_txs, (const uint8_t(*)[SN_MERKLE_LEN])aunts,
                            depth, root);
    if (r < 0) return r;
    L(out, ",\"proof\":{\"root_hash\":");
    sn_cons_json_hex(out, root, sizeof(root));
    L(out, ",\"data\":");
    sn_cons_json_b64(out, b->txs[index]);
    sn_buf_printf(out, ",\"proof\":{\"total\":\"%u\",\"index\":\"%u\",\"leaf_hash\":", b->n_txs,
                  index);
    sn_cons_json_b64(out, sn_str_of((char *)leaves[index], SN_MERKLE_LEN));
    L(out, ",\"aunts\":[");
    for (unsigned i = 0; i < depth; i++) {
        if (i) L(out, ",");
        sn_cons_json_b64(out, sn_str_of((char *)aunts[i], SN_MERKLE_LEN));
    }
    L(out, "]}}");
    return 0;
}

static int proof_of(struct sn_rpc_call *c, const struct tendermint_abci_tx_result *t)
{
    struct sn_cons_block *b;
    int r = sn_cons_block_store_block(c->view->blocks, t->height, &b);
    if (r == SN_E_NOT_FOUND) return 0;
    if (r < 0) return r;
    r = t->index < b->n_txs
            ? put_proof(c->out, c->arena, b, t->index)
            : sn_fail(SN_E_DATA_LOSS, "index: transaction %u of a block of %u", t->index, b->n_txs);
    sn_cons_block_unref(b);
    return r;
}

/* encoded: a TxResult. */
static int put_tx(struct sn_rpc_call *c, struct sn_str encoded, bool prove)
{
    static const struct tendermint_abci_exec_tx_result none;
    struct tendermint_abci_tx_result *t;
    uint8_t hash[32];
    int r = tendermint_abci_tx_result_parse(encoded, SN_PB_DISCARD_UNKNOWN, c->arena, &t);
    if (r < 0) return sn_wrap(r, "error reading TxResult");
    if ((r = sn_hash_once(SN_SHA256, t->tx.ptr, t->tx.len, hash)) < 0) return r;
    L(c->out, "{\"hash\":");
    sn_cons_json_hex(c->out, hash, sizeof(hash));
    L(c->out, ",\"height\":");
    sn_cons_json_i64(c->out, t->height);
    sn_buf_printf(c->out, ",\"index\":%u,\"tx_result\":", t->index);
    sn_cons_json_tx_result(c->out, t->result ? t->result : &none);
    L(c->out, ",\"tx\":");
    sn_cons_json_b64(c->out, t->tx);
    if (prove && (r = proof_of(c, t)) < 0) return r;
    L(c->out, "}");
    return 0;
}

int sn_rpc_do_tx(struct sn_rpc_call *c)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done) = {0};
    struct sn_str hash = c->args[0].s;
    char text[2 * SN_CONS_HASH_LEN + 4] = "";
    if (!c->view->indexer) return sn_fail(SN_E_UNAVAILABLE, "transaction indexing is disabled");
    if (hash.len == 0) return sn_fail(SN_E_INVALID_ARGUMENT, "transaction hash cannot be empty");
    int r = 0;
    if (hash.len == SN_CONS_HASH_LEN)
        r = sn_indexer_tx(c->view->indexer, (const uint8_t *)hash.ptr, &b);
    if (r > 0) return put_tx(c, sn_buf_view(&b), c->args[1].b);
    if (r < 0) return r;
    sn_hex_encode_upper(hash.ptr, SN_MIN(hash.len, (size_t)SN_CONS_HASH_LEN), text);
    return sn_fail(SN_E_NOT_FOUND, "tx (%s) not found", text);
}

static int search_txs(struct sn_rpc_call *c, const struct sn_query *q,
                      const struct sn_indexer_page *p)
{
    struct sn_str *txs;
    size_t n;
    uint64_t total;
    int r = sn_indexer_tx_search(c->view->indexer, q, p, c->arena, &txs, &n, &total);
    if (r < 0) return r;
    L(c->out, "{\"txs\":[");
    for (size_t i = 0; i < n; i++) {
        if (i) L(c->out, ",");
        if ((r = put_tx(c, txs[i], c->args[1].b)) < 0) return r;
    }
    L(c->out, "],\"total_count\":");
    sn_cons_json_u64(c->out, total);
    L(c->out, "}");
    return 0;
}

int sn_rpc_do_tx_search(struct sn_rpc_call *c)
{
    struct sn_query *q;
    struct sn_indexer_page p;
    if (!c->view->indexer) return sn_fail(SN_E_UNAVAILABLE, "transaction indexing is disabled");
    if (c->args[0].s.len > SN_RPC_QUERY_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "maximum query length exceeded");
    int r = order_of(c->args[4].s, false, &p.descending);
    if (r < 0) return r;
    if ((r = sn_query_parse(c->args[0].s, &q)) < 0) return r;
    page_args(&c->args[2], &c->args[3], &p);
    r = search_txs(c, q, &p);
    sn_query_free(q);
    return r;
}

/* ---- what the application said ---- */

static void put_results(struct sn_buf *b, const struct tendermint_abci_response_finalize_block *r)
{
    L(b, ",\"txs_results\":");
    sn_buf_cstr(b, r->tx_results.len ? "[" : "null");
    for (uint32_t i = 0; i < r->tx_results.len; i++) {
        if (i) L(b, ",");
        sn_cons_json_tx_result(b, r->tx_results.ptr[i]);
    }
    if (r->tx_results.len) L(b, "]");
    L(b, ",\"finalize_block_events\":");
    sn_cons_json_events(b, r->events.ptr, r->events.len);
    L(b, ",\"validator_updates\":");
    sn_cons_json_validator_updates(b, r->validator_updates.ptr, r->validator_updates.len);
    L(b, ",\"consensus_param_updates\":");
    sn_cons_json_param_updates(b, r->consensus_param_updates);
    L(b, ",\"app_hash\":");
    sn_cons_json_b64(b, r->app_hash.len ? r->app_hash : (struct sn_str){0});
    L(b, "}");
}

int sn_rpc_do_block_results(struct sn_rpc_call *c)
{
    struct sn_buf answer SN_CLEANUP(sn_buf_done) = {0};
    struct sn_arena big SN_CLEANUP(sn_arena_done) = {0};
    struct tendermint_abci_response_finalize_block *res = NULL;
    int64_t height;
    size_t from = c->out->len;
    int r = latest_height(c, &height);
    if (r < 0) return r;
    if (kept(c, height, 0)) return 0;
    r = sn_cons_state_store_answer(c->view->states, height, &answer);
    /* The last block is there a moment before the answer to it. */
    if (r == SN_E_NOT_FOUND && !c->args[0].set)
        r = sn_cons_state_store_answer(c->view->states, --height, &answer);
    if (r == SN_E_NOT_FOUND)
        return sn_fail(r, "could not find results for height #%lld", (long long)height);
    if (r == SN_E_FAILED_PRECONDITION)
        return sn_fail(r, "node is not persisting finalize block responses");
    sn_arena_init(&big, NULL, ANSWER_ARENA);
    if (r == 0)
        r = tendermint_abci_response_finalize_block_parse(sn_buf_view(&answer),
                                                          SN_PB_DISCARD_UNKNOWN, &big, &res);
    if (r < 0) return r;
    L(c->out, "{\"height\":");
    sn_cons_json_i64(c->out, height);
    put_results(c->out, res);
    keep(c, height, 0, from);
    return 0;
}

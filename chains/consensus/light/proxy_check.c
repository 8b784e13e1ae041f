/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/light/proxy_check.c - answers of the primary against verified headers. */
#include "consensus/check.h"
#include "consensus/genesis.h"
#include "consensus/hash.h"
#include "consensus/light/proxy_int.h"
#include "consensus/rpc/json_read.h"
#include "core/varint.h"
#include "crypto/hash.h"
#include "crypto/merkle.h"
#include "tendermint/crypto/proof.pb.h"

#define BLOCK_ARENA_MAX ((size_t)1 << 30)
#define METAS_MAX 20 /* of `blockchain` */
#define OPS_MAX 16

static int wrong(const char *what)
{
    return sn_fail(SN_E_INVALID_ARGUMENT, "the primary's %s is not the chain's", what);
}

/* The header must be the verified one of its height. */
static int check_trusted(struct proxy_call *c, const struct sn_cons_header *h)
{
    struct sn_cons_light_block *b;
    struct sn_cons_hash mine, theirs;
    int r = sn_cons_check_header(h);
    if (r >= 0) r = proxy_block(c, h->height, &b);
    if (r >= 0) r = sn_cons_header_hash(&b->header, &mine);
    if (r >= 0) r = sn_cons_header_hash(h, &theirs);
    if (r < 0) return r;
    return sn_cons_hash_eq(&mine, &theirs) ? 0 : wrong("header");
}
/* Of the height, or with the hash, that was asked for. */
static int check_asked(struct proxy_call *c, const struct sn_cons_header *h)
{
    struct sn_cons_hash hash;
    const struct proxy_value *v = &c->args[0];
    if (!v->set) return 0;
    if (c->route->args[0].type == PROXY_INT) return v->i == h->height ? 0 : wrong("height");
    int r = sn_cons_header_hash(h, &hash);
    if (r < 0) return r;
    return sn_str_eq(v->s, sn_str_of((char *)hash.b, hash.len)) ? 0 : wrong("hash");
}

/* ---- blocks ---- */

static int read_txs(const struct sn_json *list, struct sn_cons_block *b)
{
    size_t n = sn_json_len(list);
    if (n > SN_CONS_TXS_MAX) return sn_fail(SN_E_TOO_LARGE, "%zu transactions", n);
    if (!(b->txs = SN_ARENA_ARRAY(&b->arena, struct sn_str, n + 1))) return SN_E_NOMEM;
    for (SN_JSON_EACH(list, tx)) {
        int r = sn_cons_json_read_bytes(tx, &b->arena, &b->txs[b->n_txs]);
        if (r < 0) return sn_wrap(r, "transaction %u", b->n_txs);
        b->n_txs++;
    }
    return 0;
}
static int read_evidence(const struct sn_json *list, struct sn_cons_block *b)
{
    size_t n = sn_json_len(list);
    if (n > SN_CONS_EVIDENCE_MAX) return sn_fail(SN_E_TOO_LARGE, "%zu pieces of evidence", n);
    if (!(b->evidence = SN_ARENA_ARRAY(&b->arena, struct sn_cons_evidence *, n + 1)))
        return SN_E_NOMEM;
    for (SN_JSON_EACH(list, ev)) {
        struct sn_cons_evidence *to = SN_ARENA_NEW(&b->arena, struct sn_cons_evidence);
        int r = to ? sn_cons_json_read_evidence(ev, &b->arena, to) : SN_E_NOMEM;
        if (r < 0) return sn_wrap(r, "evidence %u", b->n_evidence);
        b->evidence[b->n_evidence++] = to;
    }
    return 0;
}
static int read_block(const struct sn_json *o, struct sn_cons_block *b)
{
    const struct sn_json *last = sn_json_get(o, "last_commit");
    b->last_commit = SN_ARENA_NEW(&b->arena, struct sn_cons_commit);
    int r = b->last_commit ? 0 : SN_E_NOMEM;
    if (r >= 0) r = sn_cons_json_read_header(sn_json_get(o, "header"), &b->header);
    if (r >= 0 && sn_json_is(last, SN_JSON_OBJECT))
        r = sn_cons_json_read_commit(last, &b->arena, b->last_commit);
    if (r >= 0) r = read_txs(sn_json_path(o, "data.txs"), b);
    if (r >= 0) r = read_evidence(sn_json_path(o, "evidence.evidence"), b);
    return r >= 0 ? sn_cons_check_block(b) : r;
}
int proxy_check_block(struct proxy_call *c, const struct sn_json *result)
{
    struct sn_cons_hash hash, id;
    struct sn_cons_block *b = sn_cons_block_new(BLOCK_ARENA_MAX);
    if (!b) return SN_E_NOMEM;
    int r = read_block(sn_json_get(result, "block"), b);
    if (r >= 0) r = check_asked(c, &b->header);
    if (r >= 0) r = check_trusted(c, &b->header);
    if (r >= 0) r = sn_cons_header_hash(&b->header, &hash);
    if (r >= 0) r = sn_cons_json_read_hash(sn_json_get(result, "block_id"), "hash", &id);
    if (r >= 0 && !sn_cons_hash_eq(&hash, &id)) r = wrong("block id");
    sn_cons_block_unref(b);
    return r;
}
int proxy_check_header(struct proxy_call *c, const struct sn_json *result)
{
    struct sn_cons_header h;
    int r = sn_cons_json_read_header(sn_json_get(result, "header"), &h);
    if (r >= 0) r = check_asked(c, &h);
    return r < 0 ? r : check_trusted(c, &h);
}
int proxy_check_chain(struct proxy_call *c, const struct sn_json *result)
{
    const struct sn_json *metas = sn_json_get(result, "block_metas");
    if (sn_json_len(metas) > METAS_MAX) return wrong("list of blocks");
    for (SN_JSON_EACH(metas, m)) {
        struct sn_cons_header h;
        struct sn_cons_hash id, hash;
        int r = sn_cons_json_read_header(sn_json_get(m, "header"), &h);
        if (r >= 0) r = sn_cons_json_read_hash(sn_json_get(m, "block_id"), "hash", &id);
        if (r >= 0) r = sn_cons_header_hash(&h, &hash);
        if (r >= 0 && !sn_cons_hash_eq(&hash, &id)) r = wrong("block id");
        if (r >= 0) r = check_trusted(c, &h);
        if (r < 0) return r;
    }
    return 0;
}

/* ---- results, parameters ---- */

/* What a block did is in the next one's header: without a height it is the last that can be proven.
 */
int proxy_prepare_results(struct proxy_call *c)
{
    struct sn_cons_light_block *b;
    if (c->args[0].set) return 0;
    int r = proxy_block(c, 0, &b);
    if (r < 0) return r;
    c->args[0] = (struct proxy_value){.set = true, .i = SN_MAX(b->header.height - 1, 1)};
    return 0;
}
static int read_result(const struct sn_json *o, struct sn_arena *a, struct sn_cons_tx_result *ret)
{
    int64_t code = 0;
    const struct sn_json *data = sn_json_get(o, "data");
    *ret = (struct sn_cons_tx_result){.data = SN_STR("")};
    int r = sn_json_get(o, "code") ? sn_cons_json_read_i64(o, "code", &code) : 0;
    if (r >= 0 && (code < 0 || code > UINT32_MAX)) return wrong("code");
    ret->code = (uint32_t)code;
    if (r >= 0 && sn_json_get(o, "gas_wanted"))
        r = sn_cons_json_read_i64(o, "gas_wanted", &ret->gas_wanted);
    if (r >= 0 && sn_json_get(o, "gas_used"))
        r = sn_cons_json_read_i64(o, "gas_used", &ret->gas_used);
    if (r >= 0 && sn_json_is(data, SN_JSON_STRING))
        r = sn_cons_json_read_bytes(data, a, &ret->data);
    return r;
}
int proxy_check_results(struct proxy_call *c, const struct sn_json *result)
{
    const struct sn_json *list = sn_json_get(result, "txs_results");
    struct sn_cons_light_block *next;
    struct sn_cons_hash hash;
    int64_t height = 0;
    size_t n = sn_json_len(list), i = 0;
    int r = sn_cons_json_read_i64(result, "height", &height);
    if (r >= 0 && height != c->args[0].i) r = wrong("height");
    if (r >= 0 && n > SN_CONS_TXS_MAX) r = sn_fail(SN_E_TOO_LARGE, "%zu results", n);
    if (r < 0) return r;
    struct sn_cons_tx_result *res = SN_ARENA_ARRAY(c->a, struct sn_cons_tx_result, n + 1);
    if (!res) return SN_E_NOMEM;
    for (SN_JSON_EACH(list, it))
        if ((r = read_result(it, c->a, &res[i++])) < 0) return sn_wrap(r, "result %zu", i - 1);
    if ((r = proxy_block(c, height + 1, &next)) < 0) return r;
    if ((r = sn_cons_results_hash(res, n, &hash)) < 0) return r;
    return sn_cons_hash_eq(&hash, &next->header.last_results_hash) ? 0 : wrong("results");
}
int proxy_check_params(struct proxy_call *c, const struct sn_json *result)
{
    struct sn_cons_params p;
    struct sn_cons_light_block *b;
    struct sn_cons_hash hash;
    int64_t height = 0;
    int r = sn_cons_json_read_i64(result, "block_height", &height);
    if (r >= 0 && (height <= 0 || (c->args[0].set && height != c->args[0].i))) r = wrong("height");
    if (r >= 0) r = sn_cons_params_parse(sn_json_get(result, "consensus_params"), &p);
    if (r >= 0) r = proxy_block(c, height, &b);
    if (r >= 0) r = sn_cons_params_hash(&p, &hash);
    if (r < 0) return r;
    return sn_cons_hash_eq(&hash, &b->header.consensus_hash) ? 0 : wrong("consensus parameters");
}

/* ---- proofs ---- */

struct proof {
    int64_t total, index;
    struct sn_str leaf;
    uint8_t (*aunts)[SN_MERKLE_LEN];
    size_t n;
};
static int climb(const struct proof *p, uint8_t ret[SN_MERKLE_LEN])
{
    if (p->leaf.len != SN_MERKLE_LEN || p->total <= 0 || p->index < 0 || p->index >= p->total)
        return sn_fail(SN_E_INVALID_ARGUMENT, "proof of leaf %lld of %lld", (long long)p->index,
                       (long long)p->total);
    return sn_merkle_climb((const uint8_t *)p->leaf.ptr, (size_t)p->index, (size_t)p->total,
                           (const uint8_t(*)[SN_MERKLE_LEN])p->aunts, p->n, ret);
}
static int add_aunt(struct proof *p, struct sn_str s)
{
    if (s.len != SN_MERKLE_LEN || p->n == SN_MERKLE_AUNTS_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "proof: aunt %zu is no hash", p->n);
    memcpy(p->aunts[p->n++], s.ptr, SN_MERKLE_LEN);
    return 0;
}
static int read_proof(const struct sn_json *o, struct sn_arena *a, struct proof *p)
{
    int r = sn_cons_json_read_i64(o, "total", &p->total);
    if (r >= 0) r = sn_cons_json_read_i64(o, "index", &p->index);
    if (r >= 0) r = sn_cons_json_read_bytes(sn_json_get(o, "leaf_hash"), a, &p->leaf);
    p->aunts = sn_arena_array(a, SN_MERKLE_AUNTS_MAX, SN_MERKLE_LEN);
    if (!p->aunts) return SN_E_NOMEM;
    for (SN_JSON_EACH(sn_json_get(o, "aunts"), it)) {
        struct sn_str s;
        if (r >= 0) r = sn_cons_json_read_bytes(it, a, &s);
        if (r >= 0) r = add_aunt(p, s);
    }
    return r;
}

/* The transaction is the one asked for, and a leaf of its block's tree. */
int proxy_check_tx(struct proxy_call *c, const struct sn_json *result)
{
    uint8_t hash[32], leaf[SN_MERKLE_LEN], root[SN_MERKLE_LEN];
    struct sn_cons_light_block *b;
    struct sn_str tx;
    int64_t height = 0;
    struct proof p = {0};
    if (!c->args[1].b) return 0; /* without a proof it is the primary's word, as CometBFT's is */
    int r = sn_cons_json_read_i64(result, "height", &height);
    if (r >= 0 && height <= 0) r = wrong("height");
    if (r >= 0) r = sn_cons_json_read_bytes(sn_json_get(result, "tx"), c->a, &tx);
    if (r >= 0) r = sn_hash_once(SN_SHA256, tx.ptr, tx.len, hash);
    if (r >= 0 && !sn_str_eq(c->args[0].s, sn_str_of((char *)hash, sizeof(hash))))
        r = wrong("transaction");
    if (r >= 0) r = sn_merkle_leaf(sn_str_of((char *)hash, sizeof(hash)), leaf);
    if (r >= 0) r = read_proof(sn_json_path(result, "proof.proof"), c->a, &p);
    if (r >= 0 && !sn_str_eq(p.leaf, sn_str_of((char *)leaf, sizeof(leaf))))
        r = wrong("proof's leaf");
    if (r >= 0) r = climb(&p, root);
    if (r >= 0) r = proxy_block(c, height, &b);
    if (r < 0) return r;
    const struct sn_cons_hash *want = &b->header.data_hash;
    if (want->len != sizeof(root) || memcmp(root, want->b, sizeof(root)) != 0)
        return wrong("proof");
    return 0;
}

static void put_bytes(struct sn_buf *b, const void *p, size_t n)
{
    uint8_t len[SN_VARINT_MAX];
    sn_buf_put(b, len, sn_varint_put(len, n));
    sn_buf_put(b, p, n);
}
/* One "simple:v": the pair of key and value is a leaf of the tree whose root is the next value. */
static int run_value_op(const struct proxy_op *op, struct sn_str value, struct sn_arena *a,
                        uint8_t ret[SN_MERKLE_LEN])
{
    struct tendermint_crypto_value_op *m;
    struct sn_buf pair SN_CLEANUP(sn_buf_done);
    uint8_t hash[32], leaf[SN_MERKLE_LEN];
    sn_buf_init(&pair, 0);
    int r = tendermint_crypto_value_op_parse(op->data, SN_PB_DISCARD_UNKNOWN, a, &m);
    if (r < 0) return sn_wrap(r == SN_E_NOMEM ? r : SN_E_INVALID_ARGUMENT, "proof operation");
    if (!m->proof) return sn_fail(SN_E_INVALID_ARGUMENT, "proof operation without a proof");
    struct proof p = {.total = m->proof->total,
                      .index = m->proof->index,
                      .leaf = m->proof->leaf_hash};
    p.aunts = sn_arena_array(a, SN_MERKLE_AUNTS_MAX, SN_MERKLE_LEN);
    r = p.aunts ? 0 : SN_E_NOMEM;
    for (uint32_t i = 0; r >= 0 && i < m->proof->aunts.len; i++)
        r = add_aunt(&p, m->proof->aunts.ptr[i]);
    if (r >= 0) r = sn_hash_once(SN_SHA256, value.ptr, value.len, hash);
    put_bytes(&pair, op->key.ptr, op->key.len);
    put_bytes(&pair, hash, sizeof(hash));
    if (r >= 0) r = pair.err < 0 ? pair.err : sn_merkle_leaf(sn_buf_view(&pair), leaf);
    if (r >= 0 && !sn_str_eq(p.leaf, sn_str_of((char *)leaf, sizeof(leaf))))
        r = wrong("proof's leaf");
    return r < 0 ? r : climb(&p, ret);
}
int proxy_proof(const struct proxy_op *ops, size_t n, const struct sn_str *keys, size_t n_keys,
                struct sn_str value, struct sn_str root, struct sn_arena *a)
{
    uint8_t hash[SN_MERKLE_LEN];
    if (n == 0 || n > OPS_MAX) return sn_fail(SN_E_INVALID_ARGUMENT, "%zu proof operations", n);
    for (size_t i = 0; i < n; i++) {
        if (!sn_str_eqc(ops[i].type, "simple:v"))
            return sn_fail(SN_E_UNIMPLEMENTED, "proof operation \"%.*s\", expected \"simple:v\"",
                           (int)SN_MIN(ops[i].type.len, (size_t)40), ops[i].type.ptr);
        if (ops[i].key.len) {
            if (n_keys == 0 || !sn_str_eq(keys[n_keys - 1], ops[i].key))
                return wrong("proof's key");
            n_keys--;
        }
        int r = run_value_op(&ops[i], value, a, hash);
        if (r < 0) return r;
        value = sn_arena_str(a, sn_str_of((char *)hash, sizeof(hash)));
        if (!value.ptr) return SN_E_NOMEM;
    }
    if (n_keys) return wrong("proof's key");
    return sn_str_eq(value, root) ? 0 : wrong("proof");
}

int proxy_prepare_query(struct proxy_call *c)
{
    c->args[3] = (struct proxy_value){.set = true, .b = true};
    return 0;
}
static int read_ops(const struct sn_json *list, struct sn_arena *a, struct proxy_op *ops,
                    size_t *ret_n)
{
    *ret_n = 0;
    if (sn_json_len(list) > OPS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%zu proof operations", sn_json_len(list));
    for (SN_JSON_EACH(list, it)) {
        struct proxy_op *op = &ops[(*ret_n)++];
        const struct sn_json *key = sn_json_get(it, "key");
        *op = (struct proxy_op){.type = sn_json_str(sn_json_get(it, "type")), .key = SN_STR("")};
        if (!op->type.ptr) op->type = SN_STR("");
        int r = sn_cons_json_read_bytes(sn_json_get(it, "data"), a, &op->data);
        if (r >= 0 && sn_json_is(key, SN_JSON_STRING))
            r = sn_cons_json_read_bytes(key, a, &op->key);
        if (r < 0) return r;
    }
    return 0;
}
/* "/store/NAME/key": what CometBFT's default takes a path for. */
static int keys_of(struct sn_str path, struct sn_str key, struct sn_str keys[2])
{
    ssize_t from = sn_str_find(path, SN_STR("/store/"));
    struct sn_str rest = from >= 0 ? sn_str_from(path, (size_t)from + 7) : SN_STR("");
    ssize_t to = sn_str_find(rest, SN_STR("/key"));
    if (to <= 0)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "path \"%.*s\": expected /store/NAME/key to be proven",
                       (int)SN_MIN(path.len, (size_t)80), path.ptr);
    keys[0] = sn_str_sub(rest, 0, (size_t)to);
    keys[1] = key;
    return 0;
}
int proxy_check_query(struct proxy_call *c, const struct sn_json *result)
{
    const struct sn_json *res = sn_json_get(result, "response"), *v = sn_json_get(res, "value");
    struct proxy_op ops[OPS_MAX];
    struct sn_cons_light_block *b;
    struct sn_str key, value, keys[2], path = c->args[0].set ? c->args[0].s : SN_STR("");
    int64_t code = 0, height = 0;
    size_t n = 0;
    int r = sn_json_get(res, "code") ? sn_cons_json_read_i64(res, "code", &code) : 0;
    if (r >= 0 && code != 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "err response code: %lld", (long long)code);
    if (r >= 0) r = sn_cons_json_read_i64(res, "height", &height);
    if (r >= 0 && height <= 0) r = wrong("height");
    if (r >= 0 && !sn_json_is(sn_json_get(res, "key"), SN_JSON_STRING))
        r = sn_fail(SN_E_INVALID_ARGUMENT, "empty key");
    if (r >= 0) r = sn_cons_json_read_bytes(sn_json_get(res, "key"), c->a, &key);
    /* A proof of another key is a proof of nothing that was asked. */
    if (r >= 0 && c->args[1].set && !sn_str_eq(key, c->args[1].s)) r = wrong("key");
    if (r >= 0) r = read_ops(sn_json_path(res, "proofOps.ops"), c->a, ops, &n);
    if (r >= 0 && n == 0) r = sn_fail(SN_E_INVALID_ARGUMENT, "no proof ops");
    if (r >= 0 && !sn_json_is(v, SN_JSON_STRING))
        r = sn_fail(SN_E_UNIMPLEMENTED, "proof of absence: none is known");
    if (r >= 0) r = sn_cons_json_read_bytes(v, c->a, &value);
    if (r >= 0) r = keys_of(path, key, keys);
    if (r >= 0) r = proxy_block(c, height + 1, &b); /* the hash after a block is in the next */
    if (r < 0) return r;
    return proxy_proof(ops, n, keys, 2, value,
                       sn_str_of((char *)b->header.app_hash.b, b->header.app_hash.len), c->a);
}

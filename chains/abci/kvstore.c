/* SPDX-License-Identifier: Apache-2.0 */
/* abci/kvstore.c - see kvstore.h: what the application answers. */
#include "abci/kvstore.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "abci/codec.h"
#include "abci/kvstore_int.h"
#include "core/alloc.h"
#include "core/enc.h"
#include "core/varint.h"
#include "crypto/hash.h"
#include "fiber/fiber.h"
#include "kit/log.h"

SN_LOG_MODULE("kvstore");

#define VAL_PREFIX SN_STR("val=")
#define CODE_INVALID_TX 2u /* CometBFT's kvstore: CodeTypeInvalidTxFormat */
#define APP_VERSION 1
#define POWER_MAX (INT64_MAX / 8) /* of all validators together; of one, here */
#define COMPACT_DEFAULT (64u << 20)
#define COMPACT_FACTOR 4 /* the file has at least so many times the bytes it would have anew */
#define COMMIT_NS_MAX (60 * SN_SEC)
#define YIELD_TXS 256 /* of a block, between two looks at what else there is to do */
#define CHUNK_BYTES_LEAST (1u << 10)
#define CHUNK_BYTES_MOST (4u << 20)

static struct sn_kvstore *kv_of(struct sn_abci_call *c) { return c->app->self; }

void kv_app_hash(int64_t size, uint8_t out[8])
{
    uint64_t v = sn_zigzag(size); /* a signed varint, as Go's PutVarint, in eight bytes */
    memset(out, 0, 8);
    for (unsigned i = 0; i < 8 && (v || i == 0); i++, v >>= 7)
        out[i] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
}

/* ---- transactions ------------------------------------------------------------------------------
 */

/* Where the only c is; < 0: there is none, or more than one. */
static ssize_t only(struct sn_str s, char c)
{
    ssize_t at = sn_str_chr(s, c);
    return at >= 0 && sn_str_chr(sn_str_from(s, (size_t)at + 1), c) >= 0 ? -1 : at;
}

/* The separator of a pair, or 0: exactly one of ':' and '=', inside. */
static char separator(struct sn_str tx)
{
    ssize_t colon = sn_str_chr(tx, ':'), equals = sn_str_chr(tx, '=');
    if ((colon >= 0) == (equals >= 0)) return 0;
    char c = colon >= 0 ? ':' : '=';
    ssize_t at = only(tx, c);
    return at <= 0 || (size_t)at == tx.len - 1 ? 0 : c;
}

static bool is_validator_tx(struct sn_str tx) { return sn_str_starts(tx, VAL_PREFIX); }

struct validator_tx {
    uint8_t key[1 + KV_PUBKEY_MAX]; /* enum kv_key and the public key */
    size_t key_len;
    int64_t power;
};

/* Returns NULL, or what is wrong with it. */
static const char *validator_tx_parse(struct sn_str tx, struct validator_tx *ret)
{
    struct sn_str s = sn_str_from(tx, VAL_PREFIX.len);
    struct sn_str type = sn_str_cut(&s, '!'), key = sn_str_cut(&s, '!'), power = s;
    uint8_t raw[64];
    if (!power.ptr || sn_str_chr(power, '!') >= 0) return "expected pubkeytype!pubkey!power";
    bool secp = sn_str_eqc(type, "secp256k1");
    if (!secp && type.len && !sn_str_eqc(type, "ed25519")) return "no such type of key";
    if (sn_base64_decoded_max(key.len) > sizeof(raw)) return "the key is too long";
    ssize_t n = sn_base64_decode(key, SN_BASE64_STD, raw);
    if (n < 0) return "the key is invalid base64";
    if (n != (secp ? 33 : 32)) return "the key has the wrong length";
    if (power.len > 1 && power.ptr[0] == '+') power = sn_str_from(power, 1);
    if (sn_str_to_i64(power, &ret->power) < 0) return "the power is not an int";
    if (ret->power < 0 || ret->power > POWER_MAX) return "the power is out of range";
    ret->key[0] = secp ? KV_SECP256K1 : KV_ED25519;
    memcpy(ret->key + 1, raw, (size_t)n);
    ret->key_len = 1 + (size_t)n;
    return NULL;
}

static bool tx_valid(struct sn_str tx)
{
    struct validator_tx v;
    return is_validator_tx(tx) ? !validator_tx_parse(tx, &v) : separator(tx) != 0;
}

static int check_tx(struct sn_abci_call *c, const struct tendermint_abci_request_check_tx *req,
                    struct tendermint_abci_response_check_tx *res)
{
    if (!tx_valid(req->tx))
        res->code = CODE_INVALID_TX;
    else
        res->gas_wanted = 1;
    return 0;
}

/* ---- start, queries ----------------------------------------------------------------------------
 */

static int info(struct sn_abci_call *c, const struct tendermint_abci_request_info *req,
                struct tendermint_abci_response_info *res)
{
    struct sn_kvstore *kv = kv_of(c);
    char *hash = sn_arena_alloc(c->arena, 8);
    int r = hash ? sn_rwlock_rdlock(&kv->lock) : SN_E_NOMEM;
    if (r < 0) return r;
    kv_app_hash(kv->state.size, (uint8_t *)hash);
    res->data = sn_arena_printf(c->arena, "{\"size\":%lld}", (long long)kv->state.size);
    res->version = SN_STR(SN_ABCI_VERSION);
    res->app_version = APP_VERSION;
    res->last_block_height = kv->state.height;
    res->last_block_app_hash = sn_str_of(hash, 8);
    sn_rwlock_unlock(&kv->lock);
    return res->data.ptr ? 0 : SN_E_NOMEM;
}

static int key_of(const struct tendermint_crypto_public_key *k, uint8_t out[1 + KV_PUBKEY_MAX],
                  size_t *ret_len)
{
    bool secp = k && k->sum_case == TENDERMINT_CRYPTO_PUBLIC_KEY_SUM_SECP256K1;
    struct sn_str raw = !k || !k->sum_case ? SN_STR("") : secp ? k->secp256k1 : k->ed25519;
    if (raw.len != (secp ? 33u : 32u))
        return sn_fail(SN_E_INVALID_ARGUMENT, "a validator's key of %zu bytes", raw.len);
    out[0] = secp ? KV_SECP256K1 : KV_ED25519;
    memcpy(out + 1, raw.ptr, raw.len);
    *ret_len = 1 + raw.len;
    return 0;
}

static int put_validator(struct sn_buf *b, struct sn_str key, int64_t power)
{
    uint8_t v[8];
    for (int i = 0; i < 8; i++) v[i] = (uint8_t)((uint64_t)power >> 8 * i);
    return kv_entry_put(b, KV_VALIDATOR, key, sn_str_of((char *)v, 8));
}

/* Entries into the file, then into memory. */
static int commit_entries(struct sn_kvstore *kv, struct sn_str entries)
{
    int r = kv_file_append(&kv->file, entries);
    if (r >= 0) r = sn_rwlock_wrlock(&kv->lock);
    if (r >= 0) {
        r = kv_state_apply(&kv->state, entries);
        sn_rwlock_unlock(&kv->lock);
    }
    if (r < 0) kv->broken = true;
    return r;
}

static int check_whole(struct sn_kvstore *kv)
{
    if (!kv->broken) return 0;
    return sn_fail(SN_E_DATA_LOSS, "an earlier write has failed: start the application again");
}

static int init_chain(struct sn_abci_call *c, const struct tendermint_abci_request_init_chain *req,
                      struct tendermint_abci_response_init_chain *res)
{
    struct sn_kvstore *kv = kv_of(c);
    struct sn_buf b = {0};
    uint8_t key[1 + KV_PUBKEY_MAX], *hash = sn_arena_alloc(c->arena, 8);
    size_t len = 0;
    int r = check_whole(kv);
    if (r >= 0 && !hash) r = SN_E_NOMEM;
    for (uint32_t i = 0; i < req->validators.len && r >= 0; i++) {
        r = key_of(req->validators.ptr[i]->pub_key, key, &len);
        if (r >= 0)
            r = put_validator(&b, sn_str_of((char *)key, len), req->validators.ptr[i]->power);
    }
    if (r >= 0 && b.len) r = commit_entries(kv, sn_buf_view(&b));
    sn_buf_done(&b);
    if (r < 0) return r;
    kv_app_hash(kv->state.size, hash);
    res->app_hash = sn_str_of((char *)hash, 8);
    return 0;
}

/* The update as Go's kvstore stores it: a ValidatorUpdate behind its length. */
static int query_validator(struct sn_kvstore *kv, struct sn_str pubkey, struct sn_arena *a,
                           struct sn_str *ret)
{
    uint8_t key[1 + KV_PUBKEY_MAX];
    if (pubkey.len != 32 && pubkey.len != 33) return 0;
    key[0] = pubkey.len == 33 ? KV_SECP256K1 : KV_ED25519;
    memcpy(key + 1, pubkey.ptr, pubkey.len);
    const int64_t *power =
        sn_map_get(&kv->state.validators, sn_str_of((char *)key, 1 + pubkey.len));
    if (!power) return 0;
    struct tendermint_crypto_public_key pk = {.sum_case =
                                                  pubkey.len == 33
                                                      ? TENDERMINT_CRYPTO_PUBLIC_KEY_SUM_SECP256K1
                                                      : TENDERMINT_CRYPTO_PUBLIC_KEY_SUM_ED25519,
                                              .ed25519 = pubkey};
    struct tendermint_abci_validator_update v = {.pub_key = &pk, .power = *power};
    struct sn_buf b = {0};
    ssize_t n = sn_pb_encode(&tendermint_abci_validator_update_desc, &v, &b);
    char *out = n >= 0 ? sn_arena_alloc(a, (size_t)n + 1) : NULL;
    if (out) {
        SN_ASSERT(n < 128);
        out[0] = (char)n;
        memcpy(out + 1, b.ptr, (size_t)n);
        *ret = sn_str_of(out, (size_t)n + 1);
    }
    sn_buf_done(&b);
    return out ? 0 : SN_E_NOMEM;
}

/* Paths that Go's kvstore has not. */
static int query_own(struct sn_kvstore *kv, struct sn_abci_call *c, struct sn_str *ret)
{
    *ret = sn_arena_printf(c->arena, "%llu",
                           (unsigned long long)__atomic_load_n(&kv->vote_extensions,
                                                               __ATOMIC_RELAXED));
    return ret->ptr ? 0 : SN_E_NOMEM;
}

static int query(struct sn_abci_call *c, const struct tendermint_abci_request_query *req,
                 struct tendermint_abci_response_query *res)
{
    struct sn_kvstore *kv = kv_of(c);
    struct sn_str value = {0};
    res->key = sn_arena_str(c->arena, req->data);
    int r = res->key.ptr ? sn_rwlock_rdlock(&kv->lock) : SN_E_NOMEM;
    if (r < 0) return r;
    if (sn_str_eqc(req->path, "/val"))
        r = query_validator(kv, req->data, c->arena, &res->value);
    else if (sn_str_eqc(req->path, "/vote_extensions"))
        r = query_own(kv, c, &res->value);
    else {
        const struct kv_value *v = sn_map_get(&kv->state.pairs, req->data);
        if (v && !(value = sn_arena_str(c->arena, sn_str_of(v->bytes, v->len))).ptr) r = SN_E_NOMEM;
        res->value = value;
        res->log = v ? SN_STR("exists") : SN_STR("does not exist");
        res->index = req->prove ? -1 : 0; /* there are no proofs, as in Go's */
        res->height = kv->state.height;
    }
    sn_rwlock_unlock(&kv->lock);
    return r;
}

/* ---- proposals and votes -----------------------------------------------------------------------
 */

static struct sn_str extension_of(int64_t height, char out[24])
{
    return sn_str_of(out, (size_t)snprintf(out, 24, "%lld", (long long)height));
}

static int prepare_proposal(struct sn_abci_call *c,
                            const struct tendermint_abci_request_prepare_proposal *req,
                            struct tendermint_abci_response_prepare_proposal *res)
{
    struct sn_kvstore *kv = kv_of(c);
    for (uint32_t i = 0; req->local_last_commit && i < req->local_last_commit->votes.len; i++)
        __atomic_fetch_add(&kv->vote_extensions,
                           req->local_last_commit->votes.ptr[i]->vote_extension.len > 0,
                           __ATOMIC_RELAXED);
    res->txs.ptr = SN_ARENA_ARRAY(c->arena, struct sn_str, req->txs.len);
    if (!res->txs.ptr) return SN_E_NOMEM;
    res->txs.cap = req->txs.len;
    for (uint32_t i = 0; i < req->txs.len; i++) {
        struct sn_str tx = req->txs.ptr[i];
        if (!tx_valid(tx)) continue;
        ssize_t colon = sn_str_chr(tx, ':');
        if (colon >= 0) {
            if (!(tx = sn_arena_str(c->arena, tx)).ptr) return SN_E_NOMEM;
            ((char *)tx.ptr)[colon] = '=';
        }
        res->txs.ptr[res->txs.len++] = tx; /* the answer is sent while the request is still there */
    }
    return 0;
}

static int process_proposal(struct sn_abci_call *c,
                            const struct tendermint_abci_request_process_proposal *req,
                            struct tendermint_abci_response_process_proposal *res)
{
    res->status = TENDERMINT_ABCI_RESPONSE_PROCESS_PROPOSAL_PROPOSAL_STATUS_ACCEPT;
    /* A pair with a colon is no transaction of a block: who proposes writes it with '='. Go's
     * kvstore lets it through and dies of it in Commit. */
    for (uint32_t i = 0; i < req->txs.len; i++)
        if (!tx_valid(req->txs.ptr[i]) ||
            (!is_validator_tx(req->txs.ptr[i]) && separator(req->txs.ptr[i]) == ':'))
            res->status = TENDERMINT_ABCI_RESPONSE_PROCESS_PROPOSAL_PROPOSAL_STATUS_REJECT;
    return 0;
}

static int extend_vote(struct sn_abci_call *c,
                       const struct tendermint_abci_request_extend_vote *req,
                       struct tendermint_abci_response_extend_vote *res)
{
    char text[24];
    if (!kv_of(c)->o.vote_extensions) return 0;
    res->vote_extension = sn_arena_str(c->arena, extension_of(req->height, text));
    return res->vote_extension.ptr ? 0 : SN_E_NOMEM;
}

static int verify_vote_extension(struct sn_abci_call *c,
                                 const struct tendermint_abci_request_verify_vote_extension *req,
                                 struct tendermint_abci_response_verify_vote_extension *res)
{
    char text[24];
    bool ok = !kv_of(c)->o.vote_extensions ||
              sn_str_eq(req->vote_extension, extension_of(req->height, text));
    res->status = ok ? TENDERMINT_ABCI_RESPONSE_VERIFY_VOTE_EXTENSION_VERIFY_STATUS_ACCEPT
                     : TENDERMINT_ABCI_RESPONSE_VERIFY_VOTE_EXTENSION_VERIFY_STATUS_REJECT;
    return 0;
}

/* ---- blocks ------------------------------------------------------------------------------------
 */

struct block {
    struct sn_kvstore *kv;
    struct sn_arena *a;
    struct tendermint_abci_response_finalize_block *res;
    struct sn_str *keys; /* of res->validator_updates, as in KV_VALIDATOR */
    uint32_t keys_cap;
};

/* Two changes of a validator in one block are one: CometBFT refuses the block otherwise. */
static int update_validator(struct block *b, struct sn_str key, int64_t power)
{
    for (uint32_t i = 0; i < b->res->validator_updates.len; i++)
        if (sn_str_eq(b->keys[i], key)) {
            b->res->validator_updates.ptr[i]->power = power;
            return 0;
        }
    uint32_t i = b->res->validator_updates.len;
    SN_ASSERT(i < b->keys_cap);
    struct tendermint_abci_validator_update *v =
        tendermint_abci_response_finalize_block_add_validator_updates(b->res, b->a);
    struct tendermint_crypto_public_key *pk = v ? tendermint_crypto_public_key_new(b->a) : NULL;
    b->keys[i] = sn_arena_str(b->a, key);
    if (!pk || !b->keys[i].ptr) return SN_E_NOMEM;
    pk->sum_case = key.ptr[0] == KV_SECP256K1 ? TENDERMINT_CRYPTO_PUBLIC_KEY_SUM_SECP256K1
                                              : TENDERMINT_CRYPTO_PUBLIC_KEY_SUM_ED25519;
    pk->ed25519 = sn_str_from(b->keys[i], 1);
    v->pub_key = pk;
    v->power = power;
    return 0;
}

/* Whether the set has it, this block's changes included: nobody else can be removed. */
static bool has_validator(const struct block *b, struct sn_str key)
{
    for (uint32_t i = 0; i < b->res->validator_updates.len; i++)
        if (sn_str_eq(b->keys[i], key)) return b->res->validator_updates.ptr[i]->power > 0;
    return sn_map_get(&b->kv->state.validators, key) != NULL;
}

static int address_of(struct sn_str key, uint8_t out[32])
{
    int r = sn_hash_once(SN_SHA256, key.ptr + 1, key.len - 1, out);
    unsigned n = 0;
    if (r >= 0 && key.ptr[0] == KV_SECP256K1 &&
        EVP_Digest(out, 32, out, &n, EVP_ripemd160(), NULL) != 1)
        r = sn_fail(SN_E_INTERNAL, "libcrypto has no RIPEMD-160");
    return r;
}

/* Who voted twice loses one of its power. */
static int punish(struct block *b, const struct tendermint_abci_misbehavior *m)
{
    uint8_t addr[32];
    size_t it = 0;
    if (m->type != TENDERMINT_ABCI_MISBEHAVIOR_TYPE_DUPLICATE_VOTE || !m->validator) return 0;
    for (struct sn_map_slot *slot; (slot = sn_map_next(&b->kv->state.validators, &it));) {
        int r = address_of(slot->key, addr);
        if (r < 0) return r;
        if (m->validator->address.len == 20 && memcmp(m->validator->address.ptr, addr, 20) == 0)
            return update_validator(b, slot->key, SN_MAX(m->validator->power - 1, (int64_t)0));
    }
    return sn_fail(SN_E_FAILED_PRECONDITION, "evidence against a validator that is not known");
}

static int add_event(struct block *b, struct tendermint_abci_exec_tx_result *tr,
                     const char *creator, struct sn_str key)
{
    const struct {
        const char *key;
        struct sn_str value;
        bool index;
    } attrs[] = {{"creator", sn_str(creator), true},
                 {"key", key, true},
                 {"index_key", SN_STR("index is working"), true},
                 {"noindex_key", SN_STR("index is working"), false}};
    struct tendermint_abci_event *e = tendermint_abci_exec_tx_result_add_events(tr, b->a);
    if (!e) return SN_E_NOMEM;
    e->type = SN_STR("app");
    for (size_t i = 0; i < SN_COUNT_OF(attrs); i++) {
        struct tendermint_abci_event_attribute *a = tendermint_abci_event_add_attributes(e, b->a);
        if (!a) return SN_E_NOMEM;
        a->key = sn_str(attrs[i].key);
        a->value = attrs[i].value;
        a->index = attrs[i].index;
    }
    return 0;
}

static int run_tx(struct block *b, struct sn_str tx)
{
    struct tendermint_abci_exec_tx_result *tr =
        tendermint_abci_response_finalize_block_add_tx_results(b->res, b->a);
    struct sn_str value = tx, key = tx;
    struct validator_tx v;
    const char *why = NULL;
    int r = 0;
    if (!tr) return SN_E_NOMEM;
    if (only(tx, '=') >= 0) key = sn_str_cut(&value, '=');
    if (is_validator_tx(tx)) {
        struct sn_str vk;
        why = validator_tx_parse(tx, &v);
        vk = sn_str_of((char *)v.key, why ? 0 : v.key_len);
        if (!why && v.power == 0 && !has_validator(b, vk)) why = "there is no such validator";
        if (!why) r = update_validator(b, vk, v.power);
    } else if (separator(tx) != '=')
        why = "expected key=value";
    else
        r = kv_entry_put(&b->kv->staged, KV_PAIR, key, value);
    if (why) { /* a proposer that does not check; Go's kvstore would not survive it */
        tr->code = CODE_INVALID_TX;
        tr->log = sn_str(why);
    }
    if (r >= 0) r = add_event(b, tr, "Cosmoshi Netowoko", key);
    return r < 0 ? r : add_event(b, tr, "Cosmoshi", value);
}

static int finalize_block(struct sn_abci_call *c,
                          const struct tendermint_abci_request_finalize_block *req,
                          struct tendermint_abci_response_finalize_block *res)
{
    struct sn_kvstore *kv = kv_of(c);
    struct block b = {kv, c->arena, res, NULL, req->misbehavior.len + req->txs.len};
    uint8_t *hash = sn_arena_alloc(c->arena, 8);
    int64_t size = kv->state.size + req->txs.len;
    b.keys = SN_ARENA_ARRAY(c->arena, struct sn_str, b.keys_cap);
    int r = check_whole(kv);
    if (r >= 0 && (!hash || !b.keys)) r = SN_E_NOMEM;
    sn_buf_reset(&kv->staged);
    if (r >= 0) r = kv_head_put(&kv->staged, req->height, size);
    for (uint32_t i = 0; i < req->misbehavior.len && r >= 0; i++)
        r = punish(&b, req->misbehavior.ptr[i]);
    for (uint32_t i = 0; i < req->txs.len && r >= 0; i++) {
        r = run_tx(&b, req->txs.ptr[i]);
        if (i % YIELD_TXS == YIELD_TXS - 1) sn_yield();
    }
    for (uint32_t i = 0; i < res->validator_updates.len && r >= 0; i++)
        r = put_validator(&kv->staged, b.keys[i], res->validator_updates.ptr[i]->power);
    if (r < 0) {
        sn_buf_reset(&kv->staged);
        return r;
    }
    kv_app_hash(size, hash);
    res->app_hash = sn_str_of((char *)hash, 8);
    return 0;
}

static void compact(struct sn_kvstore *kv)
{
    uint64_t least = kv->o.compact_bytes ? kv->o.compact_bytes : COMPACT_DEFAULT;
    /* A rewritten file has about the bytes held and a head per entry. */
    uint64_t anew = kv->state.bytes + kv->state.pairs.len * KV_ENTRY_HEAD;
    if (!kv->file.path || (uint64_t)kv->file.len < least ||
        (uint64_t)kv->file.len < COMPACT_FACTOR * anew)
        return;
    int r = kv_file_rewrite(&kv->file, &kv->state);
    if (r < 0) SN_LOG_WARN("the file could not be written anew", SN_L_ERR(r));
}

/* What was committed is committed: trouble with a snapshot is logged and no more. */
static int commit_all(void *arg)
{
    struct sn_kvstore *kv = arg;
    int r = kv->staged.len ? commit_entries(kv, sn_buf_view(&kv->staged)) : 0;
    if (r < 0) return r;
    bool block = kv->staged.len > 0;
    sn_buf_reset(&kv->staged);
    compact(kv);
    if (block && kv->o.snapshot_interval && kv->state.height > 0 &&
        kv->state.height % kv->o.snapshot_interval == 0) {
        int e = kv_snapshot_take(kv);
        if (e < 0) SN_LOG_WARN("no snapshot", SN_L("height", kv->state.height), SN_L_ERR(e));
    }
    return 0;
}

static int commit(struct sn_abci_call *c, const struct tendermint_abci_request_commit *req,
                  struct tendermint_abci_response_commit *res)
{
    struct sn_kvstore *kv = kv_of(c);
    int r = check_whole(kv);
    if (r >= 0) r = sn_self() ? sn_shield(COMMIT_NS_MAX, commit_all, kv) : commit_all(kv);
    if (r >= 0 && kv->o.retain_blocks && kv->state.height >= kv->o.retain_blocks)
        res->retain_height = kv->state.height - kv->o.retain_blocks + 1;
    return r;
}

/* ---- opening and closing -----------------------------------------------------------------------
 */

static int check_opts(const struct sn_kvstore_opts *o)
{
    if (o->snapshot_interval < 0 || o->snapshot_keep > SN_KVSTORE_SNAPSHOTS_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "snapshots: %u to be kept, limit %u",
                       o->snapshot_keep, SN_KVSTORE_SNAPSHOTS_MAX);
    if (o->snapshot_interval && !o->dir)
        return sn_fail(SN_E_INVALID_ARGUMENT, "snapshots need a folder");
    if (o->chunk_bytes && (o->chunk_bytes < CHUNK_BYTES_LEAST || o->chunk_bytes > CHUNK_BYTES_MOST))
        return sn_fail(SN_E_INVALID_ARGUMENT, "chunks of %u bytes: expected %u to %u",
                       o->chunk_bytes, CHUNK_BYTES_LEAST, CHUNK_BYTES_MOST);
    return 0;
}

static const struct sn_abci_app callbacks = {
    .name = "kvstore",
    .concurrent = SN_ABCI_READS,
    .info = info,
    .check_tx = check_tx,
    .query = query,
    .commit = commit,
    .init_chain = init_chain,
    .list_snapshots = kv_list_snapshots,
    .offer_snapshot = kv_offer_snapshot,
    .load_snapshot_chunk = kv_load_snapshot_chunk,
    .apply_snapshot_chunk = kv_apply_snapshot_chunk,
    .prepare_proposal = prepare_proposal,
    .process_proposal = process_proposal,
    .extend_vote = extend_vote,
    .verify_vote_extension = verify_vote_extension,
    .finalize_block = finalize_block,
    .snapshot_chunk_known = kv_snapshot_chunk_known,
};

int sn_kvstore_open(const struct sn_kvstore_opts *o, struct sn_kvstore **ret)
{
    static const struct sn_kvstore_opts none;
    int r = check_opts(o ? o : &none);
    if (r < 0) return r;
    struct sn_kvstore *kv = SN_NEW(struct sn_kvstore);
    if (!kv) return SN_E_NOMEM;
    kv->o = o ? *o : none;
    kv->app = callbacks;
    kv->app.self = kv;
    kv_state_init(&kv->state);
    r = kv_file_open(&kv->file, kv->o.dir, &kv->state);
    if (r >= 0) r = kv_snapshots_open(kv);
    if (r < 0) {
        sn_kvstore_close(kv);
        return sn_wrap(r, "kvstore");
    }
    kv->o.dir = NULL; /* the caller's; the parts have their own paths */
    *ret = kv;
    return 0;
}

void sn_kvstore_close(struct sn_kvstore *kv)
{
    if (!kv) return;
    kv_snapshots_close(&kv->snaps);
    kv_file_close(&kv->file);
    kv_state_done(&kv->state);
    sn_buf_done(&kv->staged);
    sn_free(kv);
}

struct sn_abci_app *sn_kvstore_app(struct sn_kvstore *kv) { return &kv->app; }

void sn_kvstore_stats(struct sn_kvstore *kv, struct sn_kvstore_stats *ret)
{
    *ret = (struct sn_kvstore_stats){0};
    if (sn_rwlock_rdlock(&kv->lock) < 0) return;
    *ret = (struct sn_kvstore_stats){.height = kv->state.height,
                                     .txs = kv->state.size,
                                     .pairs = kv->state.pairs.len,
                                     .bytes = kv->state.bytes,
                                     .validators = kv->state.validators.len,
                                     .snapshots = kv->snaps.list.len,
                                     .chunks_written = kv->snaps.written,
                                     .chunks_reused = kv->snaps.reused,
                                     .chunks_applied = kv->snaps.applied,
                                     .chunks_known = kv->snaps.known,
                                     .vote_extensions =
                                         __atomic_load_n(&kv->vote_extensions, __ATOMIC_RELAXED)};
    sn_rwlock_unlock(&kv->lock);
}

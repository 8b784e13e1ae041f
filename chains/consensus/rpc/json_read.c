/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/rpc/json_read.c - reading headers, commits, validators. */
#include "consensus/rpc/json_read.h"

#include "consensus/key.h"
#include "core/enc.h"

static int bad(const char *member, const char *want)
{
    return sn_fail(SN_E_INVALID_ARGUMENT, "%s: expected %s", member, want);
}

/* ---- reading ---- */

int sn_cons_json_read_i64(const struct sn_json *o, const char *name, int64_t *ret)
{
    const struct sn_json *v = sn_json_get(o, name);
    if (sn_json_is(v, SN_JSON_STRING) && sn_str_to_i64(sn_json_str(v), ret) == 0) return 0;
    if (sn_json_is(v, SN_JSON_INT)) {
        *ret = v->i;
        return 0;
    }
    return bad(name, "a 64-bit integer in a string");
}
/* At most `max` bytes; absent and null are none. */
static int get_hex(const struct sn_json *o, const char *name, size_t max, uint8_t *ret,
                   uint8_t *ret_len)
{
    const struct sn_json *v = sn_json_get(o, name);
    struct sn_str s = sn_json_str(v);
    *ret_len = 0;
    if (sn_json_kind(v) == SN_JSON_NULL) return 0;
    if (!s.ptr || s.len > 2 * max) return bad(name, "a hex string");
    ssize_t n = sn_hex_decode(s, ret);
    if (n < 0) return bad(name, "a hex string");
    *ret_len = (uint8_t)n;
    return 0;
}
int sn_cons_json_read_hash(const struct sn_json *o, const char *name, struct sn_cons_hash *ret)
{
    int r = get_hex(o, name, SN_CONS_HASH_LEN, ret->b, &ret->len);
    if (r >= 0 && ret->len != 0 && ret->len != SN_CONS_HASH_LEN) return bad(name, "a hash or none");
    return r;
}
static int get_base64(const struct sn_json *o, const char *name, size_t max, uint8_t *ret,
                      uint8_t *ret_len)
{
    uint8_t raw[SN_CONS_SIG_MAX + 8];
    struct sn_str s = sn_json_str(sn_json_get(o, name));
    SN_ASSERT(max <= SN_CONS_SIG_MAX);
    if (!s.ptr || sn_base64_decoded_max(s.len) > sizeof(raw)) return bad(name, "bytes in Base64");
    ssize_t n = sn_base64_decode(s, SN_BASE64_STD, raw);
    if (n < 0 || (size_t)n > max) return bad(name, "bytes in Base64");
    memcpy(ret, raw, (size_t)n);
    *ret_len = (uint8_t)n;
    return 0;
}
static int get_time(const struct sn_json *o, const char *name, struct sn_cons_time *ret)
{
    struct sn_str s = sn_json_str(sn_json_get(o, name));
    return s.ptr && sn_cons_time_parse(s, ret) == 0 ? 0 : bad(name, "a time");
}
static int get_block_id(const struct sn_json *o, const char *name, struct sn_cons_block_id *ret)
{
    const struct sn_json *id = sn_json_get(o, name), *parts = sn_json_get(id, "parts");
    int64_t total = 0;
    *ret = (struct sn_cons_block_id){0};
    int r = sn_cons_json_read_hash(id, "hash", &ret->hash);
    if (r >= 0) r = sn_cons_json_read_hash(parts, "hash", &ret->parts.hash);
    if (r >= 0) r = sn_cons_json_read_i64(parts, "total", &total);
    if (r >= 0 && (total < 0 || total > UINT32_MAX)) r = bad("total", "a count of parts");
    ret->parts.total = (uint32_t)total;
    return r < 0 ? sn_wrap(r, "%s", name) : 0;
}

int sn_cons_json_read_header(const struct sn_json *o, struct sn_cons_header *h)
{
    const struct sn_json *version = sn_json_get(o, "version");
    struct sn_str chain = sn_json_str(sn_json_get(o, "chain_id"));
    int64_t block = 0, app = 0;
    uint8_t n = 0;
    *h = (struct sn_cons_header){0};
    if (!sn_json_is(o, SN_JSON_OBJECT)) return bad("header", "an object");
    if (!chain.ptr || chain.len > SN_CONS_CHAIN_ID_MAX) return bad("chain_id", "a short string");
    memcpy(h->chain_id, chain.ptr, chain.len);
    h->chain_id_len = (uint8_t)chain.len;
    int r = sn_cons_json_read_i64(version, "block", &block);
    if (r >= 0 && sn_json_get(version, "app")) r = sn_cons_json_read_i64(version, "app", &app);
    h->block_version = (uint64_t)block;
    h->app_version = (uint64_t)app;
    if (r >= 0) r = sn_cons_json_read_i64(o, "height", &h->height);
    if (r >= 0) r = get_time(o, "time", &h->time);
    if (r >= 0) r = get_block_id(o, "last_block_id", &h->last_block_id);
    const struct {
        const char *name;
        struct sn_cons_hash *to;
    } hashes[] = {{"last_commit_hash", &h->last_commit_hash},
                  {"data_hash", &h->data_hash},
                  {"validators_hash", &h->validators_hash},
                  {"next_validators_hash", &h->next_validators_hash},
                  {"consensus_hash", &h->consensus_hash},
                  {"last_results_hash", &h->last_results_hash},
                  {"evidence_hash", &h->evidence_hash}};
    for (size_t i = 0; r >= 0 && i < SN_COUNT_OF(hashes); i++)
        r = sn_cons_json_read_hash(o, hashes[i].name, hashes[i].to);
    if (r >= 0) r = get_hex(o, "app_hash", SN_CONS_APP_HASH_MAX, h->app_hash.b, &h->app_hash.len);
    if (r >= 0) r = get_hex(o, "proposer_address", SN_CONS_ADDR_LEN, h->proposer, &n);
    h->proposer_len = n;
    return r;
}

static int get_sig(const struct sn_json *o, struct sn_cons_commit_sig *s)
{
    int64_t flag = 0;
    uint8_t n = 0;
    *s = (struct sn_cons_commit_sig){.time = SN_CONS_TIME_ZERO};
    int r = sn_cons_json_read_i64(o, "block_id_flag", &flag);
    if (r >= 0 && (flag < SN_CONS_ABSENT || flag > SN_CONS_NIL))
        return bad("block_id_flag", "1 to 3");
    s->flag = (uint8_t)flag;
    if (r < 0 || flag == SN_CONS_ABSENT) return r;
    r = get_hex(o, "validator_address", SN_CONS_ADDR_LEN, s->addr, &n);
    if (r >= 0 && n != SN_CONS_ADDR_LEN) return bad("validator_address", "20 bytes in hex");
    if (r >= 0) r = get_time(o, "timestamp", &s->time);
    return r < 0 ? r : get_base64(o, "signature", SN_CONS_SIG_MAX, s->sig.b, &s->sig.len);
}
int sn_cons_json_read_commit(const struct sn_json *o, struct sn_arena *a, struct sn_cons_commit *c)
{
    const struct sn_json *sigs = sn_json_get(o, "signatures");
    int64_t round = 0;
    *c = (struct sn_cons_commit){0};
    if (sn_json_len(sigs) > SN_CONS_VALIDATORS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%zu signatures, at most %d", sn_json_len(sigs),
                       SN_CONS_VALIDATORS_MAX);
    if (!(c->sigs = SN_ARENA_ARRAY(a, struct sn_cons_commit_sig, sn_json_len(sigs) + 1)))
        return SN_E_NOMEM;
    int r = sn_cons_json_read_i64(o, "height", &c->height);
    if (r >= 0) r = sn_cons_json_read_i64(o, "round", &round);
    if (r >= 0 && (round < 0 || round > INT32_MAX)) r = bad("round", "a round");
    c->round = (int32_t)round;
    if (r >= 0) r = get_block_id(o, "block_id", &c->block_id);
    for (SN_JSON_EACH(sigs, s)) {
        if (r >= 0) r = get_sig(s, &c->sigs[c->n++]);
        if (r < 0) return sn_wrap(r, "signature %u", c->n);
    }
    return r;
}
int sn_cons_json_read_signed_header(const struct sn_json *o, struct sn_arena *a,
                                    struct sn_cons_light_block *ret)
{
    int r = sn_cons_json_read_header(sn_json_get(o, "header"), &ret->header);
    if (r < 0) return sn_wrap(r, "header");
    ret->vals = NULL;
    r = sn_cons_json_read_commit(sn_json_get(o, "commit"), a, &ret->commit);
    return r < 0 ? sn_wrap(r, "commit") : 0;
}

static const struct {
    const char *name;
    unsigned type;
} key_names[] = {{"tendermint/PubKeyEd25519", SN_CONS_ED25519},
                 {"tendermint/PubKeySecp256k1", SN_CONS_SECP256K1}};

int sn_cons_json_read_validator(const struct sn_json *o, struct sn_cons_validator *ret)
{
    const struct sn_json *key = sn_json_get(o, "pub_key");
    struct sn_str name = sn_json_str(sn_json_get(key, "type"));
    uint8_t raw[SN_CONS_KEY_MAX], n = 0;
    unsigned type = 0;
    for (size_t i = 0; i < SN_COUNT_OF(key_names); i++)
        if (sn_str_eqc(name, key_names[i].name)) type = key_names[i].type;
    if (!type) return bad("pub_key.type", "an Ed25519 or secp256k1 key");
    *ret = (struct sn_cons_validator){0};
    int r = get_base64(key, "value", SN_CONS_KEY_MAX, raw, &n);
    if (r >= 0) r = sn_cons_key_set(&ret->key, type, sn_str_of((char *)raw, n));
    if (r >= 0) r = get_hex(o, "address", SN_CONS_ADDR_LEN, ret->addr, &n);
    if (r >= 0 && n != SN_CONS_ADDR_LEN) r = bad("address", "20 bytes in hex");
    if (r >= 0) r = sn_cons_json_read_i64(o, "voting_power", &ret->power);
    return r < 0 ? r : sn_cons_json_read_i64(o, "proposer_priority", &ret->priority);
}

int sn_cons_json_read_bytes(const struct sn_json *v, struct sn_arena *a, struct sn_str *ret)
{
    struct sn_str s = sn_json_str(v);
    if (!s.ptr) return bad("bytes", "base64");
    char *out = sn_arena_alloc(a, sn_base64_decoded_max(s.len));
    if (!out) return SN_E_NOMEM;
    ssize_t n = sn_base64_decode(s, SN_BASE64_STD, out);
    if (n < 0) return bad("bytes", "base64");
    *ret = sn_str_of(out, (size_t)n);
    return 0;
}

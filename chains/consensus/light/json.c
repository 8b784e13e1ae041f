/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/light/json.c - reading signed headers and validators, writing evidence. */
#include "consensus/light/json_int.h"

#include <inttypes.h>
#include <stdio.h>

#include "consensus/key.h"
#include "core/enc.h"

static int bad(const char *member, const char *want)
{
    return sn_fail(SN_E_INVALID_ARGUMENT, "%s: expected %s", member, want);
}

/* ---- reading ---- */

int sn_light_json_i64(const struct sn_json *o, const char *name, int64_t *ret)
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
static int get_hash(const struct sn_json *o, const char *name, struct sn_cons_hash *ret)
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
    int r = get_hash(id, "hash", &ret->hash);
    if (r >= 0) r = get_hash(parts, "hash", &ret->parts.hash);
    if (r >= 0) r = sn_light_json_i64(parts, "total", &total);
    if (r >= 0 && (total < 0 || total > UINT32_MAX)) r = bad("total", "a count of parts");
    ret->parts.total = (uint32_t)total;
    return r < 0 ? sn_wrap(r, "%s", name) : 0;
}

static int get_header(const struct sn_json *o, struct sn_cons_header *h)
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
    int r = sn_light_json_i64(version, "block", &block);
    if (r >= 0 && sn_json_get(version, "app")) r = sn_light_json_i64(version, "app", &app);
    h->block_version = (uint64_t)block;
    h->app_version = (uint64_t)app;
    if (r >= 0) r = sn_light_json_i64(o, "height", &h->height);
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
        r = get_hash(o, hashes[i].name, hashes[i].to);
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
    int r = sn_light_json_i64(o, "block_id_flag", &flag);
    if (r >= 0 && (flag < SN_CONS_ABSENT || flag > SN_CONS_NIL)) return bad("block_id_flag", "1 to 3");
    s->flag = (uint8_t)flag;
    if (r < 0 || flag == SN_CONS_ABSENT) return r;
    r = get_hex(o, "validator_address", SN_CONS_ADDR_LEN, s->addr, &n);
    if (r >= 0 && n != SN_CONS_ADDR_LEN) return bad("validator_address", "20 bytes in hex");
    if (r >= 0) r = get_time(o, "timestamp", &s->time);
    return r < 0 ? r : get_base64(o, "signature", SN_CONS_SIG_MAX, s->sig.b, &s->sig.len);
}
static int get_commit(const struct sn_json *o, struct sn_arena *a, struct sn_cons_commit *c)
{
    const struct sn_json *sigs = sn_json_get(o, "signatures");
    int64_t round = 0;
    *c = (struct sn_cons_commit){0};
    if (sn_json_len(sigs) > SN_CONS_VALIDATORS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%zu signatures, at most %d", sn_json_len(sigs),
                       SN_CONS_VALIDATORS_MAX);
    if (!(c->sigs = SN_ARENA_ARRAY(a, struct sn_cons_commit_sig, sn_json_len(sigs) + 1)))
        return SN_E_NOMEM;
    int r = sn_light_json_i64(o, "height", &c->height);
    if (r >= 0) r = sn_light_json_i64(o, "round", &round);
    if (r >= 0 && (round < 0 || round > INT32_MAX)) r = bad("round", "a round");
    c->round = (int32_t)round;
    if (r >= 0) r = get_block_id(o, "block_id", &c->block_id);
    for (SN_JSON_EACH(sigs, s)) {
        if (r >= 0) r = get_sig(s, &c->sigs[c->n++]);
        if (r < 0) return sn_wrap(r, "signature %u", c->n);
    }
    return r;
}
int sn_light_json_signed_header(const struct sn_json *o, struct sn_arena *a,
                                struct sn_cons_light_block *ret)
{
    int r = get_header(sn_json_get(o, "header"), &ret->header);
    if (r < 0) return sn_wrap(r, "header");
    ret->vals = NULL;
    r = get_commit(sn_json_get(o, "commit"), a, &ret->commit);
    return r < 0 ? sn_wrap(r, "commit") : 0;
}

static const struct {
    const char *name;
    unsigned type;
} key_names[] = {{"tendermint/PubKeyEd25519", SN_CONS_ED25519},
                 {"tendermint/PubKeySecp256k1", SN_CONS_SECP256K1}};

int sn_light_json_validator(const struct sn_json *o, struct sn_cons_validator *ret)
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
    if (r >= 0) r = sn_light_json_i64(o, "voting_power", &ret->power);
    return r < 0 ? r : sn_light_json_i64(o, "proposer_priority", &ret->priority);
}

/* ---- writing ---- */

static void put_hex(struct sn_jsonw *w, const char *name, const void *p, size_t n)
{
    char text[2 * SN_CONS_APP_HASH_MAX];
    size_t len = sn_hex_encode(p, n, text);
    for (size_t i = 0; i < len; i++)
        if (text[i] >= 'a') text[i] = (char)(text[i] - 32);
    sn_jsonw_kstr(w, name, sn_str_of(text, len));
}
static void put_base64(struct sn_jsonw *w, const char *name, const void *p, size_t n)
{
    char text[128];
    SN_ASSERT(sn_base64_len(n, SN_BASE64_STD) <= sizeof(text));
    sn_jsonw_kstr(w, name, sn_str_of(text, sn_base64_encode(p, n, SN_BASE64_STD, text)));
}
static void put_num(struct sn_jsonw *w, const char *name, int64_t v)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, v);
    sn_jsonw_kstr(w, name, sn_str(text));
}
static void put_time(struct sn_jsonw *w, const char *name, struct sn_cons_time t)
{
    char text[40];
    sn_jsonw_kstr(w, name, sn_str(sn_cons_time_text(t, text)));
}
static void put_hash(struct sn_jsonw *w, const char *name, const struct sn_cons_hash *h)
{
    put_hex(w, name, h->b, h->len);
}
static void put_block_id(struct sn_jsonw *w, const char *name, const struct sn_cons_block_id *id)
{
    sn_jsonw_key(w, sn_str(name));
    sn_jsonw_object(w);
    put_hash(w, "hash", &id->hash);
    sn_jsonw_key(w, SN_STR("parts"));
    sn_jsonw_object(w);
    sn_jsonw_ki64(w, "total", id->parts.total);
    put_hash(w, "hash", &id->parts.hash);
    sn_jsonw_object_end(w);
    sn_jsonw_object_end(w);
}
void sn_light_json_put_header(struct sn_jsonw *w, const struct sn_cons_header *h)
{
    sn_jsonw_object(w);
    sn_jsonw_key(w, SN_STR("version"));
    sn_jsonw_object(w);
    put_num(w, "block", (int64_t)h->block_version);
    put_num(w, "app", (int64_t)h->app_version);
    sn_jsonw_object_end(w);
    sn_jsonw_kstr(w, "chain_id", sn_cons_header_chain(h));
    put_num(w, "height", h->height);
    put_time(w, "time", h->time);
    put_block_id(w, "last_block_id", &h->last_block_id);
    put_hash(w, "last_commit_hash", &h->last_commit_hash);
    put_hash(w, "data_hash", &h->data_hash);
    put_hash(w, "validators_hash", &h->validators_hash);
    put_hash(w, "next_validators_hash", &h->next_validators_hash);
    put_hash(w, "consensus_hash", &h->consensus_hash);
    put_hex(w, "app_hash", h->app_hash.b, h->app_hash.len);
    put_hash(w, "last_results_hash", &h->last_results_hash);
    put_hash(w, "evidence_hash", &h->evidence_hash);
    put_hex(w, "proposer_address", h->proposer, h->proposer_len);
    sn_jsonw_object_end(w);
}
void sn_light_json_put_commit(struct sn_jsonw *w, const struct sn_cons_commit *c)
{
    sn_jsonw_object(w);
    put_num(w, "height", c->height);
    sn_jsonw_ki64(w, "round", c->round);
    put_block_id(w, "block_id", &c->block_id);
    sn_jsonw_key(w, SN_STR("signatures"));
    sn_jsonw_array(w);
    for (uint32_t i = 0; i < c->n; i++) {
        const struct sn_cons_commit_sig *s = &c->sigs[i];
        bool absent = s->flag == SN_CONS_ABSENT;
        sn_jsonw_object(w);
        sn_jsonw_ki64(w, "block_id_flag", s->flag);
        put_hex(w, "validator_address", s->addr, absent ? 0 : SN_CONS_ADDR_LEN);
        put_time(w, "timestamp", absent ? SN_CONS_TIME_ZERO : s->time);
        if (absent) {
            sn_jsonw_key(w, SN_STR("signature"));
            sn_jsonw_null(w);
        } else {
            put_base64(w, "signature", s->sig.b, s->sig.len);
        }
        sn_jsonw_object_end(w);
    }
    sn_jsonw_array_end(w);
    sn_jsonw_object_end(w);
}
void sn_light_json_put_validator(struct sn_jsonw *w, const struct sn_cons_validator *v)
{
    sn_jsonw_object(w);
    put_hex(w, "address", v->addr, SN_CONS_ADDR_LEN);
    sn_jsonw_key(w, SN_STR("pub_key"));
    sn_jsonw_object(w);
    for (size_t i = 0; i < SN_COUNT_OF(key_names); i++)
        if (key_names[i].type == v->key.type) sn_jsonw_kstr(w, "type", sn_str(key_names[i].name));
    put_base64(w, "value", v->key.b, v->key.len);
    sn_jsonw_object_end(w);
    put_num(w, "voting_power", v->power);
    put_num(w, "proposer_priority", v->priority);
    sn_jsonw_object_end(w);
}
static void put_light_block(struct sn_jsonw *w, const struct sn_cons_light_block *b)
{
    sn_jsonw_object(w);
    sn_jsonw_key(w, SN_STR("signed_header"));
    sn_jsonw_object(w);
    sn_jsonw_key(w, SN_STR("header"));
    sn_light_json_put_header(w, &b->header);
    sn_jsonw_key(w, SN_STR("commit"));
    sn_light_json_put_commit(w, &b->commit);
    sn_jsonw_object_end(w);
    sn_jsonw_key(w, SN_STR("validator_set"));
    sn_jsonw_object(w);
    sn_jsonw_key(w, SN_STR("validators"));
    sn_jsonw_array(w);
    for (uint32_t i = 0; i < b->vals->n; i++) sn_light_json_put_validator(w, &b->vals->vals[i]);
    sn_jsonw_array_end(w);
    if (b->vals->has_proposer) {
        sn_jsonw_key(w, SN_STR("proposer"));
        sn_light_json_put_validator(w, &b->vals->proposer);
    }
    sn_jsonw_object_end(w);
    sn_jsonw_object_end(w);
}

int sn_light_json_evidence(const struct sn_cons_evidence *ev, struct sn_buf *out)
{
    struct sn_jsonw w;
    SN_ASSERT(ev->kind == SN_CONS_LIGHT_ATTACK);
    sn_jsonw_init(&w, out, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "type", SN_STR("tendermint/LightClientAttackEvidence"));
    sn_jsonw_key(&w, SN_STR("value"));
    sn_jsonw_object(&w);
    sn_jsonw_key(&w, SN_STR("ConflictingBlock"));
    put_light_block(&w, ev->conflicting);
    put_num(&w, "CommonHeight", ev->common_height);
    sn_jsonw_key(&w, SN_STR("ByzantineValidators"));
    sn_jsonw_array(&w);
    for (uint32_t i = 0; i < ev->n_byzantine; i++) sn_light_json_put_validator(&w, &ev->byzantine[i]);
    sn_jsonw_array_end(&w);
    put_num(&w, "TotalVotingPower", ev->total_power);
    put_time(&w, "Timestamp", ev->time);
    sn_jsonw_object_end(&w);
    sn_jsonw_object_end(&w);
    return out->err;
}

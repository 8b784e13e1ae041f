/* SPDX-License-Identifier: Apache-2.0 */
/* rpc/evidence_json.c - evidence from the JSON that json.c writes it as. What has been read goes
 * once through its protobuf form, whose decoder checks it as it would check a peer's. */
#include "consensus/codec.h"
#include "consensus/key.h"
#include "consensus/rpc/rpc_int.h"
#include "consensus/valset.h"
#include "core/enc.h"

/* A reader with the first thing that was wrong. */
struct reader {
    struct sn_arena *a;
    int err;
};

static bool fail(struct reader *r, const char *what, const char *expected)
{
    if (r->err == 0) r->err = sn_fail(SN_E_INVALID_ARGUMENT, "%s: expected %s", what, expected);
    return false;
}

static int64_t i64_of(struct reader *r, const struct sn_json *v, const char *name)
{
    int64_t i = 0;
    const struct sn_json *m = sn_json_get(v, name);
    if (sn_str_to_i64(sn_json_str(m), &i) < 0) fail(r, name, "a whole number as a string");
    return i;
}
static int32_t i32_of(struct reader *r, const struct sn_json *v, const char *name)
{
    int64_t i = 0;
    if (sn_json_to_i64(sn_json_get(v, name), &i) < 0 || i < INT32_MIN || i > INT32_MAX)
        fail(r, name, "a number of 32 bits");
    return (int32_t)i;
}
static struct sn_cons_time time_of(struct reader *r, const struct sn_json *v, const char *name)
{
    struct sn_cons_time t = SN_CONS_TIME_ZERO;
    if (sn_cons_time_parse(sn_json_str(sn_json_get(v, name)), &t) < 0) fail(r, name, "a time");
    return t;
}

/* Up to max bytes of hex, or of base64, to out. Returns how many. */
static size_t bytes_of(struct reader *r, const struct sn_json *v, const char *name, bool hex,
                       struct sn_cons_sig *out)
{
    const struct sn_json *m = sn_json_get(v, name);
    struct sn_str s = sn_json_str(m);
    uint8_t buf[2 * SN_CONS_SIG_MAX + 4];
    if (!m || sn_json_is(m, SN_JSON_NULL)) return 0;
    if (!s.ptr || s.len > 2 * SN_CONS_SIG_MAX) {
        fail(r, name, hex ? "hex" : "base64");
        return 0;
    }
    ssize_t n = hex ? sn_hex_decode(s, buf) : sn_base64_decode(s, SN_BASE64_STD, buf);
    if (n < 0 || n > SN_CONS_SIG_MAX) {
        fail(r, name, hex ? "hex of a hash" : "base64 of at most 64 bytes");
        return 0;
    }
    memcpy(out->b, buf, (size_t)n);
    out->len = (uint8_t)n;
    return (size_t)n;
}
static struct sn_cons_sig sig_of(struct reader *r, const struct sn_json *v, const char *name)
{
    struct sn_cons_sig s = {0};
    bytes_of(r, v, name, false, &s);
    return s;
}
static struct sn_cons_hash hash_of(struct reader *r, const struct sn_json *v, const char *name)
{
    struct sn_cons_sig s = {0};
    struct sn_cons_hash h = {0};
    size_t n = bytes_of(r, v, name, true, &s);
    if (n != 0 && n != SN_CONS_HASH_LEN) fail(r, name, "a hash of 32 bytes");
    h.len = n == SN_CONS_HASH_LEN ? SN_CONS_HASH_LEN : 0;
    memcpy(h.b, s.b, h.len);
    return h;
}
/* Returns the length: 0 or SN_CONS_ADDR_LEN. */
static uint8_t addr_of(struct reader *r, const struct sn_json *v, const char *name,
                       uint8_t ret[SN_CONS_ADDR_LEN])
{
    struct sn_cons_sig s = {0};
    size_t n = bytes_of(r, v, name, true, &s);
    if (n != 0 && n != SN_CONS_ADDR_LEN) fail(r, name, "an address of 20 bytes");
    if (n == SN_CONS_ADDR_LEN) memcpy(ret, s.b, n);
    return n == SN_CONS_ADDR_LEN ? SN_CONS_ADDR_LEN : 0;
}

static struct sn_cons_block_id block_id_of(struct reader *r, const struct sn_json *v)
{
    struct sn_cons_block_id id = {.hash = hash_of(r, v, "hash")};
    const struct sn_json *parts = sn_json_get(v, "parts");
    int64_t total = 0;
    if (sn_json_to_i64(sn_json_get(parts, "total"), &total) < 0 || total < 0 || total > UINT32_MAX)
        fail(r, "parts.total", "a number of 32 bits");
    id.parts.total = (uint32_t)total;
    id.parts.hash = hash_of(r, parts, "hash");
    return id;
}

/* ---- two votes ---- */

static struct sn_cons_vote *vote_of(struct reader *r, const struct sn_json *v)
{
    struct sn_cons_vote *ret = SN_ARENA_NEW(r->a, struct sn_cons_vote);
    if (!ret) {
        r->err = SN_E_NOMEM;
        return NULL;
    }
    ret->type = (uint8_t)i32_of(r, v, "type");
    ret->height = i64_of(r, v, "height");
    ret->round = i32_of(r, v, "round");
    ret->block_id = block_id_of(r, sn_json_get(v, "block_id"));
    ret->time = time_of(r, v, "timestamp");
    addr_of(r, v, "validator_address", ret->addr);
    ret->index = i32_of(r, v, "validator_index");
    ret->sig = sig_of(r, v, "signature");
    ret->ext_sig = sig_of(r, v, "extension_signature");
    return ret;
}

static void double_vote_of(struct reader *r, const struct sn_json *v, struct sn_cons_evidence *ev)
{
    ev->kind = SN_CONS_DUPLICATE_VOTE;
    ev->vote_a = vote_of(r, sn_json_get(v, "vote_a"));
    ev->vote_b = vote_of(r, sn_json_get(v, "vote_b"));
    ev->validator_power = i64_of(r, v, "ValidatorPower");
}

/* ---- a light client attack ---- */

static struct sn_cons_validator validator_of(struct reader *r, const struct sn_json *v)
{
    struct sn_cons_validator val = {0};
    const struct sn_json *key = sn_json_get(v, "pub_key");
    struct sn_cons_sig s = sig_of(r, key, "value");
    bool secp = sn_str_eqc(sn_json_str(sn_json_get(key, "type")), "tendermint/PubKeySecp256k1");
    if (sn_cons_key_set(&val.key, secp ? SN_CONS_SECP256K1 : SN_CONS_ED25519,
                        sn_str_of((char *)s.b, s.len)) < 0)
        fail(r, "pub_key", "a key of 32 or 33 bytes");
    addr_of(r, v, "address", val.addr);
    val.power = i64_of(r, v, "voting_power");
    val.priority = i64_of(r, v, "proposer_priority");
    return val;
}

static struct sn_cons_validator *validators_of(struct reader *r, const struct sn_json *v,
                                               uint32_t *ret_n)
{
    size_t n = sn_json_len(v), i = 0;
    *ret_n = 0;
    if (n > SN_CONS_VALIDATORS_MAX) {
        fail(r, "validators", "at most 10000");
        return NULL;
    }
    struct sn_cons_validator *vals = SN_ARENA_ARRAY(r->a, struct sn_cons_validator, n + 1);
    if (!vals) {
        r->err = SN_E_NOMEM;
        return NULL;
    }
    for (SN_JSON_EACH(v, it)) vals[i++] = validator_of(r, it);
    *ret_n = (uint32_t)i;
    return vals;
}

static void header_of(struct reader *r, const struct sn_json *v, struct sn_cons_header *h)
{
    struct sn_str chain = sn_json_str(sn_json_get(v, "chain_id"));
    struct sn_cons_sig app = {0};
    const struct sn_json *version = sn_json_get(v, "version");
    h->block_version = (uint64_t)i64_of(r, version, "block");
    if (sn_json_get(version, "app")) h->app_version = (uint64_t)i64_of(r, version, "app");
    if (chain.len > SN_CONS_CHAIN_ID_MAX) fail(r, "chain_id", "at most 50 bytes");
    h->chain_id_len = (uint8_t)SN_MIN(chain.len, (size_t)SN_CONS_CHAIN_ID_MAX);
    if (h->chain_id_len) memcpy(h->chain_id, chain.ptr, h->chain_id_len);
    h->height = i64_of(r, v, "height");
    h->time = time_of(r, v, "time");
    h->last_block_id = block_id_of(r, sn_json_get(v, "last_block_id"));
    h->last_commit_hash = hash_of(r, v, "last_commit_hash");
    h->data_hash = hash_of(r, v, "data_hash");
    h->validators_hash = hash_of(r, v, "validators_hash");
    h->next_validators_hash = hash_of(r, v, "next_validators_hash");
    h->consensus_hash = hash_of(r, v, "consensus_hash");
    h->last_results_hash = hash_of(r, v, "last_results_hash");
    h->evidence_hash = hash_of(r, v, "evidence_hash");
    bytes_of(r, v, "app_hash", true, &app);
    h->app_hash.len = app.len;
    memcpy(h->app_hash.b, app.b, app.len);
    h->proposer_len = addr_of(r, v, "proposer_address", h->proposer);
}

static void commit_of(struct reader *r, const struct sn_json *v, struct sn_cons_commit *c)
{
    const struct sn_json *sigs = sn_json_get(v, "signatures");
    size_t n = sn_json_len(sigs), i = 0;
    c->height = i64_of(r, v, "height");
    c->round = i32_of(r, v, "round");
    c->block_id = block_id_of(r, sn_json_get(v, "block_id"));
    if (n > SN_CONS_VALIDATORS_MAX) {
        fail(r, "signatures", "at most 10000");
        return;
    }
    if (!(c->sigs = SN_ARENA_ARRAY(r->a, struct sn_cons_commit_sig, n + 1))) {
        r->err = SN_E_NOMEM;
        return;
    }
    for (SN_JSON_EACH(sigs, it)) {
        struct sn_cons_commit_sig *s = &c->sigs[i++];
        s->flag = (uint8_t)i32_of(r, it, "block_id_flag");
        addr_of(r, it, "validator_address", s->addr);
        s->time = time_of(r, it, "timestamp");
        s->sig = sig_of(r, it, "signature");
    }
    c->n = (uint32_t)i;
}

static void attack_of(struct reader *r, const struct sn_json *v, struct sn_cons_evidence *ev)
{
    const struct sn_json *block = sn_json_get(v, "ConflictingBlock"),
                         *set = sn_json_get(block, "validator_set");
    struct sn_cons_light_block *lb = SN_ARENA_NEW(r->a, struct sn_cons_light_block);
    struct sn_cons_valset *vals = SN_ARENA_NEW(r->a, struct sn_cons_valset);
    ev->kind = SN_CONS_LIGHT_ATTACK;
    if (!lb || !vals) {
        r->err = SN_E_NOMEM;
        return;
    }
    header_of(r, sn_json_path(block, "signed_header.header"), &lb->header);
    commit_of(r, sn_json_path(block, "signed_header.commit"), &lb->commit);
    vals->vals = validators_of(r, sn_json_get(set, "validators"), &vals->n);
    if (sn_json_is(sn_json_get(set, "proposer"), SN_JSON_OBJECT)) {
        vals->has_proposer = true;
        vals->proposer = validator_of(r, sn_json_get(set, "proposer"));
    }
    lb->vals = vals;
    ev->conflicting = lb;
    ev->common_height = i64_of(r, v, "CommonHeight");
    ev->byzantine = validators_of(r, sn_json_get(v, "ByzantineValidators"), &ev->n_byzantine);
}

int sn_rpc_evidence_of(const struct sn_json *v, struct sn_arena *a, struct sn_cons_evidence *ret)
{
    struct reader r = {.a = a};
    struct sn_cons_evidence ev = {0};
    struct sn_buf b SN_CLEANUP(sn_buf_done) = {0};
    struct sn_str type = sn_json_str(sn_json_get(v, "type"));
    const struct sn_json *value = sn_json_get(v, "value");
    if (sn_str_eqc(type, "tendermint/DuplicateVoteEvidence"))
        double_vote_of(&r, value, &ev);
    else if (sn_str_eqc(type, "tendermint/LightClientAttackEvidence"))
        attack_of(&r, value, &ev);
    else
        return sn_fail(SN_E_INVALID_ARGUMENT, "unknown type \"%.*s\"",
                       (int)SN_MIN(type.len, (size_t)64), type.ptr ? type.ptr : "");
    ev.total_power = i64_of(&r, value, "TotalVotingPower");
    ev.time = time_of(&r, value, "Timestamp");
    if (r.err < 0) return r.err;
    int e = sn_cons_evidence_encode(&ev, &b);
    if (e < 0) return e;
    struct sn_str copy = sn_arena_str(a, sn_buf_view(&b));
    return copy.ptr ? sn_cons_evidence_decode(copy, a, ret) : SN_E_NOMEM;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* rpc/evidence_json.c - evidence from the JSON that json.c writes it as. What has been read goes
 * once through its protobuf form, whose decoder checks it as it would check a peer's. */
#include "consensus/codec.h"
#include "consensus/key.h"
#include "consensus/rpc/json_read.h"
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
    if (r->err == 0) r->err = sn_cons_json_read_validator(v, &val);
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
    if (r->err == 0)
        r->err = sn_cons_json_read_signed_header(sn_json_get(block, "signed_header"), r->a, lb);
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

int sn_cons_json_read_evidence(const struct sn_json *v, struct sn_arena *a,
                               struct sn_cons_evidence *ret)
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

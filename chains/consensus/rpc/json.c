/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/rpc/json.c - values and the chain's own types. */
#include "consensus/rpc/json.h"

#include "consensus/state.h"
#include "consensus/valset.h"
#include "core/enc.h"

#define L SN_CONS_JSON_LIT

/* ---- values ---- */

/* Bytes of the UTF-8 character at the head of s, 0 where there is none. */
static size_t rune_len(struct sn_str s)
{
    uint8_t c = (uint8_t)s.ptr[0];
    size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
    return n && n <= s.len && sn_utf8_valid(sn_str_of(s.ptr, n)) ? n : 0;
}

static void escape(struct sn_buf *b, uint8_t c)
{
    static const char hex[] = "0123456789abcdef";
    const char named[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *at = c ? strchr(named, c) : NULL;
    if (at) {
        sn_buf_byte(b, '\\');
        sn_buf_byte(b, (uint8_t)letters[at - named]);
        return;
    }
    L(b, "\\u00");
    sn_buf_byte(b, (uint8_t)hex[c >> 4]);
    sn_buf_byte(b, (uint8_t)hex[c & 15]);
}

static bool is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

/* One character beyond ASCII, or a byte that is none. Returns the bytes it took. */
static size_t put_rune(struct sn_buf *b, struct sn_str s)
{
    size_t n = rune_len(s);
    bool separator =
        n == 3 && memcmp(s.ptr, "\xe2\x80", 2) == 0 && ((uint8_t)s.ptr[2] & 0xfe) == 0xa8;
    if (n == 0)
        L(b, "\\ufffd");
    else if (separator)
        sn_buf_cstr(b, (uint8_t)s.ptr[2] == 0xa8 ? "\\u2028" : "\\u2029");
    else
        sn_buf_put(b, s.ptr, n);
    return n ? n : 1;
}

void sn_cons_json_str(struct sn_buf *b, struct sn_str s)
{
    sn_buf_byte(b, '"');
    for (size_t i = 0; i < s.len;) {
        size_t from = i;
        while (i < s.len && is_plain((uint8_t)s.ptr[i])) i++;
        sn_buf_put(b, s.ptr + from, i - from);
        if (i == s.len) break;
        if ((uint8_t)s.ptr[i] < 0x80)
            escape(b, (uint8_t)s.ptr[i++]);
        else
            i += put_rune(b, sn_str_from(s, i));
    }
    sn_buf_byte(b, '"');
}

void sn_cons_json_hex(struct sn_buf *b, const void *data, size_t n)
{
    sn_buf_byte(b, '"');
    sn_buf_hex_upper(b, data, n);
    sn_buf_byte(b, '"');
}

void sn_cons_json_b64(struct sn_buf *b, struct sn_str s)
{
    if (!s.ptr) {
        L(b, "null");
        return;
    }
    sn_buf_byte(b, '"');
    sn_buf_base64(b, s.ptr, s.len, SN_BASE64_STD);
    sn_buf_byte(b, '"');
}

void sn_cons_json_i64(struct sn_buf *b, int64_t v)
{
    sn_buf_byte(b, '"');
    sn_buf_i64(b, v);
    sn_buf_byte(b, '"');
}
void sn_cons_json_u64(struct sn_buf *b, uint64_t v)
{
    sn_buf_byte(b, '"');
    sn_buf_u64(b, v);
    sn_buf_byte(b, '"');
}
void sn_cons_json_bool(struct sn_buf *b, bool v) { sn_buf_cstr(b, v ? "true" : "false"); }
void sn_cons_json_time(struct sn_buf *b, struct sn_cons_time t)
{
    char text[40];
    sn_buf_byte(b, '"');
    sn_buf_cstr(b, sn_cons_time_text(t, text));
    sn_buf_byte(b, '"');
}
void sn_cons_json_time_ns(struct sn_buf *b, int64_t ns)
{
    sn_cons_json_time(b, sn_cons_time_of_ns(ns));
}

/* Bytes that Go has as nil where they are none. */
static void bytes_or_null(struct sn_buf *b, const void *p, size_t n)
{
    sn_cons_json_b64(b, sn_str_of(n ? p : NULL, n));
}
static void hash(struct sn_buf *b, const struct sn_cons_hash *h)
{
    sn_cons_json_hex(b, h->b, h->len);
}
static void addr(struct sn_buf *b, const uint8_t a[SN_CONS_ADDR_LEN])
{
    sn_cons_json_hex(b, a, SN_CONS_ADDR_LEN);
}

/* ---- keys, ids ---- */

void sn_cons_json_key(struct sn_buf *b, const struct sn_cons_key *k)
{
    if (k->type == 0) {
        L(b, "null");
        return;
    }
    sn_buf_cstr(b, k->type == SN_CONS_ED25519 ? "{\"type\":\"tendermint/PubKeyEd25519\""
                                              : "{\"type\":\"tendermint/PubKeySecp256k1\"");
    L(b, ",\"value\":");
    bytes_or_null(b, k->b, k->len);
    L(b, "}");
}

void sn_cons_json_part_set_header(struct sn_buf *b, const struct sn_cons_part_set_header *h)
{
    L(b, "{\"total\":");
    sn_buf_u64(b, h->total);
    L(b, ",\"hash\":");
    hash(b, &h->hash);
    L(b, "}");
}

void sn_cons_json_block_id(struct sn_buf *b, const struct sn_cons_block_id *id)
{
    L(b, "{\"hash\":");
    hash(b, &id->hash);
    L(b, ",\"parts\":");
    sn_cons_json_part_set_header(b, &id->parts);
    L(b, "}");
}

/* ---- header, commit ---- */

static void version(struct sn_buf *b, const struct sn_cons_header *h)
{
    L(b, "{");
    if (h->block_version) {
        L(b, "\"block\":");
        sn_cons_json_u64(b, h->block_version);
    }
    if (h->app_version) {
        if (h->block_version) L(b, ",");
        L(b, "\"app\":");
        sn_cons_json_u64(b, h->app_version);
    }
    L(b, "}");
}

void sn_cons_json_header(struct sn_buf *b, const struct sn_cons_header *h)
{
    const struct {
        const char *name;
        const struct sn_cons_hash *hash;
    } hashes[] = {
        {",\"last_commit_hash\":", &h->last_commit_hash},
        {",\"data_hash\":", &h->data_hash},
        {",\"validators_hash\":", &h->validators_hash},
        {",\"next_validators_hash\":", &h->next_validators_hash},
        {",\"consensus_hash\":", &h->consensus_hash},
    };
    L(b, "{\"version\":");
    version(b, h);
    L(b, ",\"chain_id\":");
    sn_cons_json_str(b, sn_cons_header_chain(h));
    L(b, ",\"height\":");
    sn_cons_json_i64(b, h->height);
    L(b, ",\"time\":");
    sn_cons_json_time(b, h->time);
    L(b, ",\"last_block_id\":");
    sn_cons_json_block_id(b, &h->last_block_id);
    for (size_t i = 0; i < SN_COUNT_OF(hashes); i++) {
        sn_buf_cstr(b, hashes[i].name);
        hash(b, hashes[i].hash);
    }
    L(b, ",\"app_hash\":");
    sn_cons_json_hex(b, h->app_hash.b, h->app_hash.len);
    L(b, ",\"last_results_hash\":");
    hash(b, &h->last_results_hash);
    L(b, ",\"evidence_hash\":");
    hash(b, &h->evidence_hash);
    L(b, ",\"proposer_address\":");
    sn_cons_json_hex(b, h->proposer, h->proposer_len);
    L(b, "}");
}

static void commit_sig(struct sn_buf *b, const struct sn_cons_commit_sig *s)
{
    L(b, "{\"block_id_flag\":");
    sn_buf_u64(b, s->flag);
    L(b, ",\"validator_address\":");
    sn_cons_json_hex(b, s->addr, s->flag == SN_CONS_ABSENT ? 0 : SN_CONS_ADDR_LEN);
    L(b, ",\"timestamp\":");
    sn_cons_json_time(b, s->flag == SN_CONS_ABSENT ? SN_CONS_TIME_ZERO : s->time);
    L(b, ",\"signature\":");
    bytes_or_null(b, s->sig.b, s->sig.len);
    L(b, "}");
}

void sn_cons_json_commit(struct sn_buf *b, const struct sn_cons_commit *c)
{
    L(b, "{\"height\":");
    sn_cons_json_i64(b, c->height);
    L(b, ",\"round\":");
    sn_buf_i64(b, c->round);
    L(b, ",\"block_id\":");
    sn_cons_json_block_id(b, &c->block_id);
    L(b, ",\"signatures\":[");
    for (uint32_t i = 0; i < c->n; i++) {
        if (i) L(b, ",");
        commit_sig(b, &c->sigs[i]);
    }
    L(b, "]}");
}

/* ---- votes, validators ---- */

void sn_cons_json_vote(struct sn_buf *b, const struct sn_cons_vote *v)
{
    L(b, "{\"type\":");
    sn_buf_u64(b, v->type);
    L(b, ",\"height\":");
    sn_cons_json_i64(b, v->height);
    L(b, ",\"round\":");
    sn_buf_i64(b, v->round);
    L(b, ",\"block_id\":");
    sn_cons_json_block_id(b, &v->block_id);
    L(b, ",\"timestamp\":");
    sn_cons_json_time(b, v->time);
    L(b, ",\"validator_address\":");
    addr(b, v->addr);
    L(b, ",\"validator_index\":");
    sn_buf_i64(b, v->index);
    L(b, ",\"signature\":");
    bytes_or_null(b, v->sig.b, v->sig.len);
    L(b, ",\"extension\":");
    bytes_or_null(b, v->ext.ptr, v->ext.len);
    L(b, ",\"extension_signature\":");
    bytes_or_null(b, v->ext_sig.b, v->ext_sig.len);
    L(b, "}");
}

void sn_cons_json_proposal(struct sn_buf *b, const struct sn_cons_proposal *p)
{
    L(b, "{\"Type\":32,\"height\":");
    sn_cons_json_i64(b, p->height);
    L(b, ",\"round\":");
    sn_buf_i64(b, p->round);
    L(b, ",\"pol_round\":");
    sn_buf_i64(b, p->pol_round);
    L(b, ",\"block_id\":");
    sn_cons_json_block_id(b, &p->block_id);
    L(b, ",\"timestamp\":");
    sn_cons_json_time(b, p->time);
    L(b, ",\"signature\":");
    bytes_or_null(b, p->sig.b, p->sig.len);
    L(b, "}");
}

void sn_cons_json_validator(struct sn_buf *b, const struct sn_cons_validator *v)
{
    L(b, "{\"address\":");
    addr(b, v->addr);
    L(b, ",\"pub_key\":");
    sn_cons_json_key(b, &v->key);
    L(b, ",\"voting_power\":");
    sn_cons_json_i64(b, v->power);
    L(b, ",\"proposer_priority\":");
    sn_cons_json_i64(b, v->priority);
    L(b, "}");
}

void sn_cons_json_valset(struct sn_buf *b, const struct sn_cons_valset *s)
{
    if (!s) {
        L(b, "null");
        return;
    }
    sn_buf_cstr(b, s->n ? "{\"validators\":[" : "{\"validators\":null");
    for (uint32_t i = 0; i < s->n; i++) {
        if (i) L(b, ",");
        sn_cons_json_validator(b, &s->vals[i]);
    }
    if (s->n) L(b, "]");
    L(b, ",\"proposer\":");
    if (s->has_proposer)
        sn_cons_json_validator(b, &s->proposer);
    else
        L(b, "null");
    L(b, "}");
}

/* ---- evidence, blocks ---- */

static void double_vote(struct sn_buf *b, const struct sn_cons_evidence *ev)
{
    L(b, "{\"type\":\"tendermint/DuplicateVoteEvidence\",\"value\":{\"vote_a\":");
    sn_cons_json_vote(b, ev->vote_a);
    L(b, ",\"vote_b\":");
    sn_cons_json_vote(b, ev->vote_b);
    L(b, ",\"TotalVotingPower\":");
    sn_cons_json_i64(b, ev->total_power);
    L(b, ",\"ValidatorPower\":");
    sn_cons_json_i64(b, ev->validator_power);
}

static void light_attack(struct sn_buf *b, const struct sn_cons_evidence *ev)
{
    L(b, "{\"type\":\"tendermint/LightClientAttackEvidence\",\"value\":{\"ConflictingBlock\":"
         "{\"signed_header\":{\"header\":");
    sn_cons_json_header(b, &ev->conflicting->header);
    L(b, ",\"commit\":");
    sn_cons_json_commit(b, &ev->conflicting->commit);
    L(b, "},\"validator_set\":");
    sn_cons_json_valset(b, ev->conflicting->vals);
    L(b, "},\"CommonHeight\":");
    sn_cons_json_i64(b, ev->common_height);
    L(b, ",\"ByzantineValidators\":[");
    for (uint32_t i = 0; i < ev->n_byzantine; i++) {
        if (i) L(b, ",");
        sn_cons_json_validator(b, &ev->byzantine[i]);
    }
    L(b, "],\"TotalVotingPower\":");
    sn_cons_json_i64(b, ev->total_power);
}

void sn_cons_json_evidence(struct sn_buf *b, const struct sn_cons_evidence *ev)
{
    if (ev->kind == SN_CONS_DUPLICATE_VOTE)
        double_vote(b, ev);
    else
        light_attack(b, ev);
    L(b, ",\"Timestamp\":");
    sn_cons_json_time(b, ev->time);
    L(b, "}}");
}

void sn_cons_json_block(struct sn_buf *b, const struct sn_cons_block *block)
{
    if (!block) {
        L(b, "null");
        return;
    }
    L(b, "{\"header\":");
    sn_cons_json_header(b, &block->header);
    L(b, ",\"data\":{\"txs\":[");
    for (uint32_t i = 0; i < block->n_txs; i++) {
        if (i) L(b, ",");
        sn_cons_json_b64(b, block->txs[i].ptr ? block->txs[i] : SN_STR(""));
    }
    L(b, "]},\"evidence\":{\"evidence\":[");
    for (uint32_t i = 0; i < block->n_evidence; i++) {
        if (i) L(b, ",");
        sn_cons_json_evidence(b, block->evidence[i]);
    }
    L(b, "]},\"last_commit\":");
    sn_cons_json_commit(b, block->last_commit);
    L(b, "}");
}

static void key_types(struct sn_buf *b, const struct sn_cons_params *p)
{
    const char *names[2] = {"\"ed25519\"", "\"secp256k1\""};
    bool first = true;
    for (unsigned i = 0; i < 2; i++) {
        unsigned k = i ^ (unsigned)p->secp256k1_first;
        if (!(p->key_types & (1u << k))) continue;
        if (!first) L(b, ",");
        sn_buf_cstr(b, names[k]);
        first = false;
    }
}

void sn_cons_json_params(struct sn_buf *b, const struct sn_cons_params *p)
{
    L(b, "{\"block\":{\"max_bytes\":");
    sn_cons_json_i64(b, p->block_max_bytes);
    L(b, ",\"max_gas\":");
    sn_cons_json_i64(b, p->block_max_gas);
    L(b, "},\"evidence\":{\"max_age_num_blocks\":");
    sn_cons_json_i64(b, p->evidence_max_blocks);
    L(b, ",\"max_age_duration\":");
    sn_cons_json_i64(b, p->evidence_max_ns);
    L(b, ",\"max_bytes\":");
    sn_cons_json_i64(b, p->evidence_max_bytes);
    L(b, "},\"validator\":{\"pub_key_types\":[");
    key_types(b, p);
    L(b, "]},\"version\":{\"app\":");
    sn_cons_json_u64(b, p->app_version);
    L(b, "},\"abci\":{\"vote_extensions_enable_height\":");
    sn_cons_json_i64(b, p->extensions_height);
    L(b, "}}");
}

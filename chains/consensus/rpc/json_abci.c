/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/rpc/json_abci.c - the application's answers. Two forms stand side by side, as in the
 * origin: by protobuf's rules every field is there; as a Go struct's fields what is empty is not.
 */
#include "consensus/rpc/json.h"
#include "tendermint/crypto/keys.pb.h"
#include "tendermint/crypto/proof.pb.h"
#include "tendermint/types/params.pb.h"

#define L SN_CONS_JSON_LIT

/* The name of a struct's member that may not be the first. */
static void name(struct sn_buf *b, bool *first, const char *text)
{
    if (!*first) L(b, ",");
    *first = false;
    sn_buf_byte(b, '"');
    sn_buf_cstr(b, text);
    L(b, "\":");
}

/* Bytes of an answer: the wire does not tell none from empty, so neither does this. */
static void bytes(struct sn_buf *b, struct sn_str s)
{
    sn_cons_json_b64(b, s.len ? s : (struct sn_str){0});
}

/* ---- events ---- */

static void attribute(struct sn_buf *b, const struct tendermint_abci_event_attribute *a)
{
    L(b, "{\"key\":");
    sn_cons_json_str(b, a->key);
    L(b, ",\"value\":");
    sn_cons_json_str(b, a->value);
    L(b, ",\"index\":");
    sn_cons_json_bool(b, a->index);
    L(b, "}");
}

static void attributes(struct sn_buf *b, const struct tendermint_abci_event *e)
{
    L(b, "[");
    for (uint32_t i = 0; i < e->attributes.len; i++) {
        if (i) L(b, ",");
        attribute(b, e->attributes.ptr[i]);
    }
    L(b, "]");
}

static void events(struct sn_buf *b, struct tendermint_abci_event *const *ev, size_t n)
{
    L(b, "[");
    for (size_t i = 0; i < n; i++) {
        sn_buf_cstr(b, i ? ",{\"type\":" : "{\"type\":");
        sn_cons_json_str(b, ev[i]->type);
        L(b, ",\"attributes\":");
        attributes(b, ev[i]);
        L(b, "}");
    }
    L(b, "]");
}

void sn_cons_json_events(struct sn_buf *b, struct tendermint_abci_event *const *ev, size_t n)
{
    if (n == 0) {
        L(b, "null");
        return;
    }
    L(b, "[");
    for (size_t i = 0; i < n; i++) {
        bool first = true;
        sn_buf_cstr(b, i ? ",{" : "{");
        if (ev[i]->type.len) {
            name(b, &first, "type");
            sn_cons_json_str(b, ev[i]->type);
        }
        if (ev[i]->attributes.len) {
            name(b, &first, "attributes");
            attributes(b, ev[i]);
        }
        L(b, "}");
    }
    L(b, "]");
}

/* ---- results ---- */

/* What CheckTx and FinalizeBlock answer to a transaction has the same form. */
struct result {
    uint32_t code;
    struct sn_str data, log, info, codespace;
    int64_t gas_wanted, gas_used;
    struct tendermint_abci_event *const *events;
    size_t n_events;
};
#define RESULT_OF(r)                                                                             \
    ((struct result){(r)->code, (r)->data, (r)->log, (r)->info, (r)->codespace, (r)->gas_wanted, \
                     (r)->gas_used, (r)->events.ptr, (r)->events.len})

static void result_text(struct sn_buf *b, const struct result *r)
{
    L(b, "{\"code\":");
    sn_buf_u64(b, r->code);
    L(b, ",\"data\":");
    bytes(b, r->data);
    L(b, ",\"log\":");
    sn_cons_json_str(b, r->log);
    L(b, ",\"info\":");
    sn_cons_json_str(b, r->info);
    L(b, ",\"gas_wanted\":");
    sn_cons_json_i64(b, r->gas_wanted);
    L(b, ",\"gas_used\":");
    sn_cons_json_i64(b, r->gas_used);
    L(b, ",\"events\":");
    events(b, r->events, r->n_events);
    L(b, ",\"codespace\":");
    sn_cons_json_str(b, r->codespace);
    L(b, "}");
}

void sn_cons_json_tx_result(struct sn_buf *b, const struct tendermint_abci_exec_tx_result *r)
{
    struct result t = RESULT_OF(r);
    result_text(b, &t);
}
void sn_cons_json_check_tx(struct sn_buf *b, const struct tendermint_abci_response_check_tx *r)
{
    struct result t = RESULT_OF(r);
    result_text(b, &t);
}

static void text_if(struct sn_buf *b, bool *first, const char *key, struct sn_str s)
{
    if (s.len == 0) return;
    name(b, first, key);
    sn_cons_json_str(b, s);
}
static void i64_if(struct sn_buf *b, bool *first, const char *key, int64_t v)
{
    if (v == 0) return;
    name(b, first, key);
    sn_cons_json_i64(b, v);
}
static void b64_if(struct sn_buf *b, bool *first, const char *key, struct sn_str s)
{
    if (!s.len) return;
    name(b, first, key);
    sn_cons_json_b64(b, s);
}

void sn_cons_json_tx_result_bare(struct sn_buf *b, const struct tendermint_abci_exec_tx_result *r)
{
    bool first = true;
    L(b, "{");
    if (r->code) {
        name(b, &first, "code");
        sn_buf_u64(b, r->code);
    }
    b64_if(b, &first, "data", r->data);
    text_if(b, &first, "log", r->log);
    text_if(b, &first, "info", r->info);
    i64_if(b, &first, "gas_wanted", r->gas_wanted);
    i64_if(b, &first, "gas_used", r->gas_used);
    if (r->events.len) {
        name(b, &first, "events");
        sn_cons_json_events(b, r->events.ptr, r->events.len);
    }
    text_if(b, &first, "codespace", r->codespace);
    L(b, "}");
}

/* ---- Query, Info ---- */

static void proof_ops(struct sn_buf *b, const struct tendermint_crypto_proof_ops *p)
{
    if (!p) {
        L(b, "null");
        return;
    }
    L(b, "{\"ops\":[");
    for (uint32_t i = 0; i < p->ops.len; i++) {
        sn_buf_cstr(b, i ? ",{\"type\":" : "{\"type\":");
        sn_cons_json_str(b, p->ops.ptr[i]->type);
        L(b, ",\"key\":");
        bytes(b, p->ops.ptr[i]->key);
        L(b, ",\"data\":");
        bytes(b, p->ops.ptr[i]->data);
        L(b, "}");
    }
    L(b, "]}");
}

void sn_cons_json_query(struct sn_buf *b, const struct tendermint_abci_response_query *r)
{
    L(b, "{\"code\":");
    sn_buf_u64(b, r->code);
    L(b, ",\"log\":");
    sn_cons_json_str(b, r->log);
    L(b, ",\"info\":");
    sn_cons_json_str(b, r->info);
    L(b, ",\"index\":");
    sn_cons_json_i64(b, r->index);
    L(b, ",\"key\":");
    bytes(b, r->key);
    L(b, ",\"value\":");
    bytes(b, r->value);
    L(b, ",\"proofOps\":");
    proof_ops(b, r->proof_ops);
    L(b, ",\"height\":");
    sn_cons_json_i64(b, r->height);
    L(b, ",\"codespace\":");
    sn_cons_json_str(b, r->codespace);
    L(b, "}");
}

void sn_cons_json_info(struct sn_buf *b, const struct tendermint_abci_response_info *r)
{
    bool first = true;
    L(b, "{");
    text_if(b, &first, "data", r->data);
    text_if(b, &first, "version", r->version);
    if (r->app_version) {
        name(b, &first, "app_version");
        sn_cons_json_u64(b, r->app_version);
    }
    i64_if(b, &first, "last_block_height", r->last_block_height);
    b64_if(b, &first, "last_block_app_hash", r->last_block_app_hash);
    L(b, "}");
}

/* ---- what a block changes ---- */

static void public_key(struct sn_buf *b, const struct tendermint_crypto_public_key *k)
{
    bool secp = k && k->sum_case == TENDERMINT_CRYPTO_PUBLIC_KEY_SUM_SECP256K1;
    if (!k || k->sum_case == 0) {
        L(b, "{\"Sum\":null}");
        return;
    }
    sn_buf_cstr(b, secp ? "{\"Sum\":{\"type\":\"tendermint.crypto.PublicKey_Secp256K1\",\"value\":"
                          "{\"secp256k1\":"
                        : "{\"Sum\":{\"type\":\"tendermint.crypto.PublicKey_Ed25519\",\"value\":"
                          "{\"ed25519\":");
    sn_cons_json_b64(b, secp ? k->secp256k1 : k->ed25519);
    L(b, "}}}");
}

void sn_cons_json_validator_updates(struct sn_buf *b,
                                    struct tendermint_abci_validator_update *const *u, size_t n)
{
    if (n == 0) {
        L(b, "null");
        return;
    }
    L(b, "[");
    for (size_t i = 0; i < n; i++) {
        bool first = false;
        sn_buf_cstr(b, i ? ",{\"pub_key\":" : "{\"pub_key\":");
        public_key(b, u[i]->pub_key);
        i64_if(b, &first, "power", u[i]->power);
        L(b, "}");
    }
    L(b, "]");
}

static void evidence_params(struct sn_buf *b, const struct tendermint_types_evidence_params *p)
{
    bool first = true;
    const struct google_protobuf_duration *d = p->max_age_duration;
    L(b, "{");
    i64_if(b, &first, "max_age_num_blocks", p->max_age_num_blocks);
    name(b, &first, "max_age_duration");
    sn_cons_json_i64(b, d ? (int64_t)((uint64_t)d->seconds * SN_SEC + (uint64_t)d->nanos) : 0);
    i64_if(b, &first, "max_bytes", p->max_bytes);
    L(b, "}");
}

static void key_type_names(struct sn_buf *b, const struct tendermint_types_validator_params *p)
{
    bool first = true;
    L(b, "{");
    if (p->pub_key_types.len) {
        name(b, &first, "pub_key_types");
        L(b, "[");
        for (uint32_t i = 0; i < p->pub_key_types.len; i++) {
            if (i) L(b, ",");
            sn_cons_json_str(b, p->pub_key_types.ptr[i]);
        }
        L(b, "]");
    }
    L(b, "}");
}

void sn_cons_json_param_updates(struct sn_buf *b, const struct tendermint_types_consensus_params *p)
{
    bool first = true, inner = true;
    if (!p) {
        L(b, "null");
        return;
    }
    L(b, "{");
    if (p->block) {
        name(b, &first, "block");
        L(b, "{");
        i64_if(b, &inner, "max_bytes", p->block->max_bytes);
        i64_if(b, &inner, "max_gas", p->block->max_gas);
        L(b, "}");
    }
    if (p->evidence) {
        name(b, &first, "evidence");
        evidence_params(b, p->evidence);
    }
    if (p->validator) {
        name(b, &first, "validator");
        key_type_names(b, p->validator);
    }
    if (p->version) {
        name(b, &first, "version");
        L(b, "{");
        inner = true;
        if (p->version->app) {
            name(b, &inner, "app");
            sn_cons_json_u64(b, p->version->app);
        }
        L(b, "}");
    }
    if (p->abci) {
        name(b, &first, "abci");
        L(b, "{");
        inner = true;
        i64_if(b, &inner, "vote_extensions_enable_height", p->abci->vote_extensions_enable_height);
        L(b, "}");
    }
    L(b, "}");
}

void sn_cons_json_finalize_block(struct sn_buf *b,
                                 const struct tendermint_abci_response_finalize_block *r)
{
    bool first = true;
    L(b, "{");
    if (r->events.len) {
        name(b, &first, "events");
        sn_cons_json_events(b, r->events.ptr, r->events.len);
    }
    if (r->tx_results.len) {
        name(b, &first, "tx_results");
        L(b, "[");
        for (uint32_t i = 0; i < r->tx_results.len; i++) {
            if (i) L(b, ",");
            sn_cons_json_tx_result(b, r->tx_results.ptr[i]);
        }
        L(b, "]");
    }
    name(b, &first, "validator_updates");
    sn_cons_json_validator_updates(b, r->validator_updates.ptr, r->validator_updates.len);
    if (r->consensus_param_updates) {
        name(b, &first, "consensus_param_updates");
        sn_cons_json_param_updates(b, r->consensus_param_updates);
    }
    b64_if(b, &first, "app_hash", r->app_hash);
    L(b, "}");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/state.c - making, validating and applying blocks. */
#include "consensus/state.h"

#include "consensus/check.h"
#include "consensus/codec_int.h"
#include "consensus/state_int.h"
#include "consensus/valset.h"
#include "core/alloc.h"
#include "core/enc.h"
#include "tendermint/state/types.pb.h"

struct sn_cons_state *sn_cons_state_ref(struct sn_cons_state *s)
{
    s->refs++;
    return s;
}
void sn_cons_state_unref(struct sn_cons_state *s)
{
    if (!s || --s->refs) return;
    sn_cons_valset_unref(s->next_vals);
    sn_cons_valset_unref(s->vals);
    sn_cons_valset_unref(s->last_vals);
    sn_free(s);
}

/* ---- making ---- */

/* Worst cases of an encoded header, commit, signature in it, and the block's own tags and lengths. */
#define HEADER_BYTES 626
#define COMMIT_BYTES 94
#define COMMIT_SIG_BYTES (109 + 2)
#define BLOCK_OVERHEAD 11

int64_t sn_cons_data_bytes_max(int64_t block_bytes, int64_t evidence_bytes, uint32_t n_validators)
{
    return block_bytes - BLOCK_OVERHEAD - HEADER_BYTES -
           (COMMIT_BYTES + COMMIT_SIG_BYTES * (int64_t)n_validators) - evidence_bytes;
}

static int copy_commit(const struct sn_cons_commit *c, struct sn_arena *a, struct sn_cons_commit *ret)
{
    *ret = *c;
    ret->sigs = SN_ARENA_ARRAY(a, struct sn_cons_commit_sig, c->n + 1);
    if (!ret->sigs) return SN_E_NOMEM;
    for (uint32_t i = 0; i < c->n; i++) {
        ret->sigs[i] = c->sigs[i];
        ret->sigs[i].ext = (struct sn_str){0}; /* blocks have no extensions */
        ret->sigs[i].ext_sig = (struct sn_cons_sig){0};
    }
    return 0;
}
static int copy_evidence(struct sn_cons_block *b, const struct sn_cons_block_content *c)
{
    struct sn_buf buf SN_CLEANUP(sn_buf_done);
    sn_buf_init(&buf, 0);
    b->evidence = SN_ARENA_ARRAY(&b->arena, struct sn_cons_evidence *, c->n_evidence + 1);
    if (!b->evidence) return SN_E_NOMEM;
    for (; b->n_evidence < c->n_evidence; b->n_evidence++) {
        struct sn_cons_evidence *ev = SN_ARENA_NEW(&b->arena, struct sn_cons_evidence);
        if (!ev) return SN_E_NOMEM;
        sn_buf_reset(&buf);
        int r = sn_cons_evidence_encode(c->evidence[b->n_evidence], &buf);
        if (r >= 0) r = sn_cons_evidence_decode(sn_buf_view(&buf), &b->arena, ev);
        if (r < 0) return r;
        b->evidence[b->n_evidence] = ev;
    }
    return 0;
}
static int copy_content(struct sn_cons_block *b, const struct sn_cons_block_content *c)
{
    b->txs = SN_ARENA_ARRAY(&b->arena, struct sn_str, c->n_txs + 1);
    if (!b->txs) return SN_E_NOMEM;
    for (; b->n_txs < c->n_txs; b->n_txs++) {
        b->txs[b->n_txs] = sn_arena_str(&b->arena, c->txs[b->n_txs]);
        if (!b->txs[b->n_txs].ptr) return SN_E_NOMEM;
    }
    int r = c->last_commit ? copy_commit(c->last_commit, &b->arena, b->last_commit) : 0;
    return r < 0 ? r : copy_evidence(b, c);
}

static int fill_header(const struct sn_cons_state *s, struct sn_cons_block *b)
{
    struct sn_cons_header *h = &b->header;
    h->block_version = SN_CONS_BLOCK_PROTOCOL;
    h->app_version = s->app_version;
    h->chain_id_len = s->chain_id_len;
    memcpy(h->chain_id, s->chain_id, sizeof(h->chain_id));
    h->height = sn_cons_state_next_height(s);
    h->last_block_id = s->last_block_id;
    h->app_hash = s->app_hash;
    h->last_results_hash = s->last_results_hash;
    h->proposer_len = SN_CONS_ADDR_LEN;
    h->time = s->last_time;
    int r = 0;
    if (h->height != s->initial_height)
        r = sn_cons_median_time(b->last_commit, s->last_vals, s->median_skips_nil, &h->time);
    if (r >= 0) r = sn_cons_valset_hash(s->vals, &h->validators_hash);
    if (r >= 0) r = sn_cons_valset_hash(s->next_vals, &h->next_validators_hash);
    if (r >= 0) r = sn_cons_params_hash(&s->params, &h->consensus_hash);
    if (r >= 0) r = sn_cons_commit_hash(b->last_commit, &h->last_commit_hash);
    if (r >= 0) r = sn_cons_txs_hash(b->txs, b->n_txs, &h->data_hash);
    if (r >= 0) r = sn_cons_evidence_hash(b->evidence, b->n_evidence, &h->evidence_hash);
    return r < 0 ? r : sn_cons_header_hash(h, &b->hash);
}

int sn_cons_state_make_block(const struct sn_cons_state *s, const struct sn_cons_block_content *c,
                             struct sn_cons_block **ret)
{
    struct sn_cons_block *b = sn_cons_block_new(0);
    if (!b) return SN_E_NOMEM;
    memcpy(b->header.proposer, c->proposer, SN_CONS_ADDR_LEN);
    int r = copy_content(b, c);
    if (r >= 0) r = fill_header(s, b);
    if (r < 0) {
        sn_cons_block_unref(b);
        return sn_wrap(r, "block %lld", (long long)sn_cons_state_next_height(s));
    }
    *ret = b;
    return 0;
}

/* ---- validating ---- */

static int differs(const char *what, const uint8_t *got, size_t got_len, const uint8_t *want,
                   size_t want_len)
{
    char g[2 * SN_CONS_APP_HASH_MAX + 1], w[2 * SN_CONS_APP_HASH_MAX + 1];
    g[sn_hex_encode(got, got_len, g)] = 0;
    w[sn_hex_encode(want, want_len, w)] = 0;
    return sn_fail(SN_E_INVALID_ARGUMENT, "header's %s is %s, expected %s", what, g, w);
}
static int same_hash(const char *what, const struct sn_cons_hash *got,
                     const struct sn_cons_hash *want)
{
    if (sn_cons_hash_eq(got, want)) return 0;
    return differs(what, got->b, got->len, want->b, want->len);
}

static int check_place(const struct sn_cons_state *s, const struct sn_cons_header *h)
{
    if (h->app_version != s->app_version)
        return sn_fail(SN_E_INVALID_ARGUMENT, "header's application version is %llu, expected %llu",
                       (unsigned long long)h->app_version, (unsigned long long)s->app_version);
    if (!sn_str_eq(sn_cons_header_chain(h), sn_cons_state_chain(s)))
        return sn_fail(SN_E_INVALID_ARGUMENT, "header is of chain %.*s, expected %.*s",
                       h->chain_id_len, h->chain_id, s->chain_id_len, s->chain_id);
    if (h->height != sn_cons_state_next_height(s))
        return sn_fail(SN_E_INVALID_ARGUMENT, "header is of height %lld, expected %lld",
                       (long long)h->height, (long long)sn_cons_state_next_height(s));
    int r = same_hash("last block hash", &h->last_block_id.hash, &s->last_block_id.hash);
    if (r < 0) return r;
    if (!sn_cons_block_id_eq(&h->last_block_id, &s->last_block_id))
        return sn_fail(SN_E_INVALID_ARGUMENT, "header names other parts of the last block");
    return 0;
}

static int check_hashes(const struct sn_cons_state *s, const struct sn_cons_header *h)
{
    struct sn_cons_hash x;
    if (!sn_cons_app_hash_eq(&h->app_hash, &s->app_hash))
        return differs("application hash", h->app_hash.b, h->app_hash.len, s->app_hash.b,
                       s->app_hash.len);
    int r = same_hash("last results hash", &h->last_results_hash, &s->last_results_hash);
    if (r >= 0) r = sn_cons_params_hash(&s->params, &x);
    if (r >= 0) r = same_hash("consensus hash", &h->consensus_hash, &x);
    if (r >= 0) r = sn_cons_valset_hash(s->vals, &x);
    if (r >= 0) r = same_hash("validators hash", &h->validators_hash, &x);
    if (r >= 0) r = sn_cons_valset_hash(s->next_vals, &x);
    if (r >= 0) r = same_hash("next validators hash", &h->next_validators_hash, &x);
    return r;
}

static int check_time(const struct sn_cons_state *s, const struct sn_cons_block *b)
{
    struct sn_cons_time want = s->last_time;
    char got_text[40], want_text[40];
    sn_cons_time_text(b->header.time, got_text);
    if (b->header.height != s->initial_height) {
        if (sn_cons_time_cmp(b->header.time, s->last_time) <= 0)
            return sn_fail(SN_E_INVALID_ARGUMENT, "block time %s is not after the last block's %s",
                           got_text, sn_cons_time_text(s->last_time, want_text));
        int r = sn_cons_median_time(b->last_commit, s->last_vals, s->median_skips_nil, &want);
        if (r < 0) return r;
    }
    if (sn_cons_time_cmp(b->header.time, want) == 0) return 0;
    return sn_fail(SN_E_INVALID_ARGUMENT, "block time is %s, expected %s", got_text,
                   sn_cons_time_text(want, want_text));
}

static int evidence_bytes(const struct sn_cons_block *b, int64_t *ret)
{
    struct sn_buf buf SN_CLEANUP(sn_buf_done);
    sn_buf_init(&buf, 0);
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    struct tendermint_types_evidence_list m = {0};
    m.evidence.ptr = SN_ARENA_ARRAY(&a, struct tendermint_types_evidence *, b->n_evidence + 1);
    if (!m.evidence.ptr) return SN_E_NOMEM;
    for (uint32_t i = 0; i < b->n_evidence; i++)
        if (!(m.evidence.ptr[m.evidence.len++] = sn_cons_evidence_pb(b->evidence[i], &a)))
            return SN_E_NOMEM;
    ssize_t n = tendermint_types_evidence_list_encode(&m, &buf);
    *ret = n;
    return n < 0 ? (int)n : 0;
}

int sn_cons_state_validate(const struct sn_cons_state *s, const struct sn_cons_verifier *v,
                           const struct sn_cons_block *b)
{
    const struct sn_cons_header *h = &b->header;
    int64_t ev_bytes;
    int r = b->decoded ? 0 : sn_cons_check_block(b);
    if (r >= 0) r = check_place(s, h);
    if (r >= 0) r = check_hashes(s, h);
    if (r < 0) return r;
    if (h->height != s->initial_height)
        r = sn_cons_commit_verify(v, sn_cons_state_chain(s), s->last_vals, b->last_commit,
                                  h->height - 1, &s->last_block_id);
    else if (b->last_commit->n)
        r = sn_fail(SN_E_INVALID_ARGUMENT, "first block has signatures of a last commit");
    if (r < 0) return r;
    if (sn_cons_valset_find(s->vals, h->proposer) < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "header's proposer is no validator");
    r = check_time(s, b);
    if (r >= 0) r = evidence_bytes(b, &ev_bytes);
    if (r >= 0 && ev_bytes > s->params.evidence_max_bytes)
        r = sn_fail(SN_E_TOO_LARGE, "evidence of %lld bytes, at most %lld", (long long)ev_bytes,
                    (long long)s->params.evidence_max_bytes);
    return r;
}

/* ---- applying ---- */

static int check_result(const struct sn_cons_state *s, const struct sn_cons_block *b,
                        const struct sn_cons_block_result *res)
{
    if (res->n_txs != b->n_txs)
        return sn_fail(SN_E_INVALID_ARGUMENT, "%u results for %u transactions", res->n_txs,
                       b->n_txs);
    for (uint32_t i = 0; i < res->n_updates; i++) {
        const struct sn_cons_validator *u = &res->updates[i];
        if (u->power < 0)
            return sn_fail(SN_E_INVALID_ARGUMENT, "validator update %u: power %lld is negative", i,
                           (long long)u->power);
        unsigned bit = u->key.type == SN_CONS_SECP256K1 ? SN_CONS_KEYS_SECP256K1
                                                        : SN_CONS_KEYS_ED25519;
        if (u->power > 0 && !(s->params.key_types & bit))
            return sn_fail(SN_E_INVALID_ARGUMENT,
                           "validator update %u: key type is not among the chain's", i);
    }
    return 0;
}

/* The sets move up by one block; updates go into the newest. */
static int next_sets(const struct sn_cons_state *s, const struct sn_cons_block_result *res,
                     struct sn_cons_state *n)
{
    n->vals = sn_cons_valset_ref(s->next_vals);
    n->last_vals = sn_cons_valset_ref(s->vals);
    n->next_vals = sn_cons_valset_copy(s->next_vals);
    if (!n->next_vals) return SN_E_NOMEM;
    int r = sn_cons_valset_update(n->next_vals, res->updates, res->n_updates);
    if (r < 0) return sn_wrap(r, "validator updates");
    sn_cons_valset_advance(n->next_vals, 1);
    return 0;
}

int sn_cons_state_apply(const struct sn_cons_state *s, const struct sn_cons_block *b,
                        const struct sn_cons_block_id *id, const struct sn_cons_block_result *res,
                        struct sn_cons_state **ret)
{
    int64_t height = b->header.height;
    int r = check_result(s, b, res);
    if (r < 0) return sn_wrap(r, "application's answer to block %lld", (long long)height);
    struct sn_cons_state *n = SN_NEW(struct sn_cons_state);
    if (!n) return SN_E_NOMEM;
    *n = *s;
    n->refs = 1;
    n->vals = n->last_vals = n->next_vals = NULL;
    n->last_height = height;
    n->last_block_id = *id;
    n->last_time = b->header.time;
    n->app_hash = res->app_hash;
    r = next_sets(s, res, n);
    if (r >= 0 && res->n_updates) n->vals_changed = height + 2;
    if (r >= 0 && res->params) {
        r = sn_cons_params_apply(&n->params, res->params, height);
        n->params_changed = height + 1;
        n->app_version = n->params.app_version;
    }
    if (r >= 0) r = sn_cons_results_hash(res->txs, res->n_txs, &n->last_results_hash);
    if (r < 0) {
        sn_cons_state_unref(n);
        return sn_wrap(r, "state after block %lld", (long long)height);
    }
    *ret = n;
    return 0;
}

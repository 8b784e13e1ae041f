/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/codec_block.c - parts, headers, validator sets, evidence and blocks as protobuf. */
#include "consensus/check.h"
#include "consensus/codec_int.h"
#include "consensus/hash.h"
#include "consensus/key.h"
#include "consensus/valset.h"

#define ARENA_MAX ((size_t)64 << 20)
/* A block's decoding needs its transactions once and some hundred bytes for each small one. */
#define BLOCK_ARENA_MAX ((size_t)4 << 30)

/* ---- writing ---- */

struct tendermint_types_part *sn_cons_part_pb(const struct sn_cons_part *p, struct sn_arena *a)
{
    struct tendermint_types_part *m = tendermint_types_part_new(a);
    if (!m || !(m->proof = tendermint_crypto_proof_new(a))) return NULL;
    m->index = p->index;
    m->bytes = p->bytes;
    m->proof->total = p->proof_total;
    m->proof->index = p->proof_index;
    m->proof->leaf_hash = sn_str_of((const char *)p->leaf_hash, SN_CONS_HASH_LEN);
    m->proof->aunts.ptr = SN_ARENA_ARRAY(a, struct sn_str, p->n_aunts + 1);
    if (!m->proof->aunts.ptr) return NULL;
    for (uint32_t i = 0; i < p->n_aunts; i++)
        m->proof->aunts.ptr[i] = sn_str_of((const char *)p->aunts[i], SN_CONS_HASH_LEN);
    m->proof->aunts.len = p->n_aunts;
    return m;
}

struct tendermint_types_header *sn_cons_header_pb(const struct sn_cons_header *h,
                                                  struct sn_arena *a)
{
    struct tendermint_types_header *m = tendermint_types_header_new(a);
    if (!m || !(m->version = tendermint_version_consensus_new(a)) ||
        !(m->time = sn_cons_time_pb(h->time, a)) ||
        !(m->last_block_id = sn_cons_block_id_pb(&h->last_block_id, a)))
        return NULL;
    m->version->block = h->block_version;
    m->version->app = h->app_version;
    m->chain_id = sn_cons_header_chain(h);
    m->height = h->height;
    m->last_commit_hash = sn_cons_hash_str(&h->last_commit_hash);
    m->data_hash = sn_cons_hash_str(&h->data_hash);
    m->validators_hash = sn_cons_hash_str(&h->validators_hash);
    m->next_validators_hash = sn_cons_hash_str(&h->next_validators_hash);
    m->consensus_hash = sn_cons_hash_str(&h->consensus_hash);
    m->app_hash = sn_str_of((const char *)h->app_hash.b, h->app_hash.len);
    m->last_results_hash = sn_cons_hash_str(&h->last_results_hash);
    m->evidence_hash = sn_cons_hash_str(&h->evidence_hash);
    m->proposer_address = sn_str_of((const char *)h->proposer, h->proposer_len);
    return m;
}

struct tendermint_crypto_public_key *sn_cons_key_pb(const struct sn_cons_key *k,
                                                    struct sn_arena *a)
{
    struct tendermint_crypto_public_key *m = tendermint_crypto_public_key_new(a);
    if (!m) return NULL;
    m->sum_case = k->type;
    m->ed25519 = sn_str_of((const char *)k->b, k->len);
    return m;
}
_Static_assert((int)SN_CONS_ED25519 == TENDERMINT_CRYPTO_PUBLIC_KEY_SUM_ED25519 &&
                   (int)SN_CONS_SECP256K1 == TENDERMINT_CRYPTO_PUBLIC_KEY_SUM_SECP256K1,
               "key types are the field numbers");

static struct tendermint_types_validator *validator_pb(const struct sn_cons_validator *v,
                                                       struct sn_arena *a)
{
    struct tendermint_types_validator *m = tendermint_types_validator_new(a);
    if (!m || !(m->pub_key = sn_cons_key_pb(&v->key, a))) return NULL;
    m->address = sn_str_of((const char *)v->addr, sizeof(v->addr));
    m->voting_power = v->power;
    m->proposer_priority = v->priority;
    return m;
}
struct tendermint_types_validator_set *sn_cons_valset_pb(const struct sn_cons_valset *s,
                                                         struct sn_arena *a)
{
    struct tendermint_types_validator_set *m = tendermint_types_validator_set_new(a);
    if (!m) return NULL;
    m->validators.ptr = SN_ARENA_ARRAY(a, struct tendermint_types_validator *, s->n + 1);
    if (!m->validators.ptr) return NULL;
    for (; m->validators.len < s->n; m->validators.len++) {
        struct tendermint_types_validator *v = validator_pb(&s->vals[m->validators.len], a);
        if (!v) return NULL;
        m->validators.ptr[m->validators.len] = v;
    }
    if (s->n && !(m->proposer = validator_pb(sn_cons_valset_proposer(s), a))) return NULL;
    return m; /* the total stays 0: these bytes are hashed */
}

struct tendermint_types_light_block *sn_cons_light_block_pb(const struct sn_cons_light_block *b,
                                                            struct sn_arena *a)
{
    struct tendermint_types_light_block *m = tendermint_types_light_block_new(a);
    if (!m || !(m->signed_header = tendermint_types_signed_header_new(a)) ||
        !(m->signed_header->header = sn_cons_header_pb(&b->header, a)) ||
        !(m->signed_header->commit = sn_cons_commit_pb(&b->commit, a)) ||
        !(m->validator_set = sn_cons_valset_pb(b->vals, a)))
        return NULL;
    return m;
}

struct tendermint_types_duplicate_vote_evidence *
sn_cons_duplicate_vote_pb(const struct sn_cons_evidence *ev, struct sn_arena *a)
{
    struct tendermint_types_duplicate_vote_evidence *m =
        tendermint_types_duplicate_vote_evidence_new(a);
    if (!m || !(m->vote_a = sn_cons_vote_pb(ev->vote_a, a)) ||
        !(m->vote_b = sn_cons_vote_pb(ev->vote_b, a)) ||
        !(m->timestamp = sn_cons_time_pb(ev->time, a)))
        return NULL;
    m->total_voting_power = ev->total_power;
    m->validator_power = ev->validator_power;
    return m;
}
struct tendermint_types_light_client_attack_evidence *
sn_cons_light_attack_pb(const struct sn_cons_evidence *ev, struct sn_arena *a)
{
    struct tendermint_types_light_client_attack_evidence *m =
        tendermint_types_light_client_attack_evidence_new(a);
    if (!m || !(m->conflicting_block = sn_cons_light_block_pb(ev->conflicting, a)) ||
        !(m->timestamp = sn_cons_time_pb(ev->time, a)))
        return NULL;
    m->common_height = ev->common_height;
    m->total_voting_power = ev->total_power;
    m->byzantine_validators.ptr =
        SN_ARENA_ARRAY(a, struct tendermint_types_validator *, ev->n_byzantine + 1);
    if (!m->byzantine_validators.ptr) return NULL;
    for (uint32_t i = 0; i < ev->n_byzantine; i++) {
        m->byzantine_validators.ptr[i] = validator_pb(&ev->byzantine[i], a);
        if (!m->byzantine_validators.ptr[i]) return NULL;
    }
    m->byzantine_validators.len = ev->n_byzantine;
    return m;
}
struct tendermint_types_evidence *sn_cons_evidence_pb(const struct sn_cons_evidence *ev,
                                                      struct sn_arena *a)
{
    struct tendermint_types_evidence *m = tendermint_types_evidence_new(a);
    if (!m) return NULL;
    m->sum_case = ev->kind;
    if (ev->kind == SN_CONS_DUPLICATE_VOTE)
        m->duplicate_vote_evidence = sn_cons_duplicate_vote_pb(ev, a);
    else
        m->light_client_attack_evidence = sn_cons_light_attack_pb(ev, a);
    return m->duplicate_vote_evidence ? m : NULL;
}

static struct tendermint_types_block *block_pb(const struct sn_cons_block *b, struct sn_arena *a)
{
    struct tendermint_types_block *m = tendermint_types_block_new(a);
    if (!m || !(m->header = sn_cons_header_pb(&b->header, a)) ||
        !(m->data = tendermint_types_data_new(a)) ||
        !(m->evidence = tendermint_types_evidence_list_new(a)) ||
        !(m->last_commit = sn_cons_commit_pb(b->last_commit, a)))
        return NULL;
    m->data->txs.ptr = b->txs;
    m->data->txs.len = b->n_txs;
    m->evidence->evidence.ptr =
        SN_ARENA_ARRAY(a, struct tendermint_types_evidence *, b->n_evidence + 1);
    if (!m->evidence->evidence.ptr) return NULL;
    for (uint32_t i = 0; i < b->n_evidence; i++)
        if (!(m->evidence->evidence.ptr[i] = sn_cons_evidence_pb(b->evidence[i], a))) return NULL;
    m->evidence->evidence.len = b->n_evidence;
    return m;
}

/* ---- reading ---- */

int sn_cons_part_of(const struct tendermint_types_part *m, struct sn_cons_part *ret,
                    struct sn_arena *a)
{
    if (!m) return sn_fail(SN_E_INVALID_ARGUMENT, "block part is missing");
    *ret = (struct sn_cons_part){.index = m->index, .bytes = m->bytes};
    const struct tendermint_crypto_proof *p = m->proof;
    if (!p || p->leaf_hash.len != SN_CONS_HASH_LEN)
        return sn_fail(SN_E_INVALID_ARGUMENT, "part proof's leaf hash has %zu bytes, expected 32",
                       p ? p->leaf_hash.len : 0);
    if (p->aunts.len > 100)
        return sn_fail(SN_E_TOO_LARGE, "part proof has %u aunts, at most 100", p->aunts.len);
    ret->proof_total = p->total;
    ret->proof_index = p->index;
    memcpy(ret->leaf_hash, p->leaf_hash.ptr, SN_CONS_HASH_LEN);
    uint8_t(*aunts)[SN_CONS_HASH_LEN] = sn_arena_array(a, p->aunts.len + 1, SN_CONS_HASH_LEN);
    if (!aunts) return SN_E_NOMEM;
    for (uint32_t i = 0; i < p->aunts.len; i++) {
        if (p->aunts.ptr[i].len != SN_CONS_HASH_LEN)
            return sn_fail(SN_E_INVALID_ARGUMENT, "part proof's aunt %u has %zu bytes, expected 32",
                           i, p->aunts.ptr[i].len);
        memcpy(aunts[i], p->aunts.ptr[i].ptr, SN_CONS_HASH_LEN);
    }
    ret->n_aunts = p->aunts.len;
    ret->aunts = (const uint8_t(*)[SN_CONS_HASH_LEN])aunts;
    return sn_cons_check_part(ret);
}

static int header_text_of(const struct tendermint_types_header *m, struct sn_cons_header *ret)
{
    if (m->chain_id.len > SN_CONS_CHAIN_ID_MAX)
        return sn_fail(SN_E_TOO_LARGE, "chain id of %zu bytes, at most %d", m->chain_id.len,
                       SN_CONS_CHAIN_ID_MAX);
    if (m->app_hash.len > SN_CONS_APP_HASH_MAX)
        return sn_fail(SN_E_TOO_LARGE, "application hash of %zu bytes, at most %d", m->app_hash.len,
                       SN_CONS_APP_HASH_MAX);
    if (m->proposer_address.len != 0 && m->proposer_address.len != SN_CONS_ADDR_LEN)
        return sn_fail(SN_E_INVALID_ARGUMENT, "proposer address of %zu bytes, expected 20",
                       m->proposer_address.len);
    ret->chain_id_len = (uint8_t)m->chain_id.len;
    ret->app_hash.len = (uint8_t)m->app_hash.len;
    ret->proposer_len = (uint8_t)m->proposer_address.len;
    if (ret->chain_id_len) memcpy(ret->chain_id, m->chain_id.ptr, ret->chain_id_len);
    if (ret->app_hash.len) memcpy(ret->app_hash.b, m->app_hash.ptr, ret->app_hash.len);
    if (ret->proposer_len) memcpy(ret->proposer, m->proposer_address.ptr, ret->proposer_len);
    return 0;
}

int sn_cons_header_of(const struct tendermint_types_header *m, struct sn_cons_header *ret)
{
    if (!m) return sn_fail(SN_E_INVALID_ARGUMENT, "header is missing");
    *ret = (struct sn_cons_header){.height = m->height};
    if (m->version) {
        ret->block_version = m->version->block;
        ret->app_version = m->version->app;
    }
    int r = header_text_of(m, ret);
    if (r >= 0) r = sn_cons_time_of(m->time, &ret->time);
    if (r >= 0) r = sn_cons_block_id_of(m->last_block_id, &ret->last_block_id);
    if (r >= 0) r = sn_cons_hash_of(m->last_commit_hash, "last commit hash", &ret->last_commit_hash);
    if (r >= 0) r = sn_cons_hash_of(m->data_hash, "data hash", &ret->data_hash);
    if (r >= 0) r = sn_cons_hash_of(m->validators_hash, "validators hash", &ret->validators_hash);
    if (r >= 0)
        r = sn_cons_hash_of(m->next_validators_hash, "next validators hash",
                            &ret->next_validators_hash);
    if (r >= 0) r = sn_cons_hash_of(m->consensus_hash, "consensus hash", &ret->consensus_hash);
    if (r >= 0)
        r = sn_cons_hash_of(m->last_results_hash, "last results hash", &ret->last_results_hash);
    if (r >= 0) r = sn_cons_hash_of(m->evidence_hash, "evidence hash", &ret->evidence_hash);
    return r < 0 ? sn_wrap(r, "header") : sn_cons_check_header(ret);
}

int sn_cons_key_of(const struct tendermint_crypto_public_key *m, struct sn_cons_key *ret)
{
    if (!m) return sn_fail(SN_E_INVALID_ARGUMENT, "public key is missing");
    return sn_cons_key_set(ret, m->sum_case, m->ed25519);
}

int sn_cons_validator_of(const struct tendermint_types_validator *m, struct sn_cons_validator *ret)
{
    if (!m) return sn_fail(SN_E_INVALID_ARGUMENT, "validator is missing");
    *ret = (struct sn_cons_validator){.power = m->voting_power, .priority = m->proposer_priority};
    if (m->address.len != SN_CONS_ADDR_LEN)
        return sn_fail(SN_E_INVALID_ARGUMENT, "validator address of %zu bytes, expected 20",
                       m->address.len);
    memcpy(ret->addr, m->address.ptr, SN_CONS_ADDR_LEN);
    return sn_cons_key_of(m->pub_key, &ret->key);
}

int sn_cons_valset_of(const struct tendermint_types_validator_set *m, struct sn_cons_valset **ret,
                      struct sn_arena *a)
{
    if (!m) return sn_fail(SN_E_INVALID_ARGUMENT, "validator set is missing");
    uint32_t n = m->validators.len;
    if (n > SN_CONS_VALIDATORS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%u validators, at most %d", n, SN_CONS_VALIDATORS_MAX);
    struct sn_cons_valset *s = SN_ARENA_NEW(a, struct sn_cons_valset);
    if (!s || !(s->vals = SN_ARENA_ARRAY(a, struct sn_cons_validator, n + 1))) return SN_E_NOMEM;
    for (; s->n < n; s->n++) {
        int r = sn_cons_validator_of(m->validators.ptr[s->n], &s->vals[s->n]);
        if (r < 0) return sn_wrap(r, "validator %u", s->n);
    }
    if (m->proposer) {
        int r = sn_cons_validator_of(m->proposer, &s->proposer);
        if (r < 0) return sn_wrap(r, "proposer");
        s->has_proposer = true;
    }
    *ret = s;
    return sn_cons_valset_check(s);
}

int sn_cons_light_block_of(const struct tendermint_types_light_block *m,
                           struct sn_cons_light_block *ret, struct sn_arena *a)
{
    if (!m || !m->signed_header)
        return sn_fail(SN_E_INVALID_ARGUMENT, "light block without signed header");
    int r = sn_cons_header_of(m->signed_header->header, &ret->header);
    if (r >= 0) r = sn_cons_commit_of(m->signed_header->commit, &ret->commit, a);
    if (r >= 0) r = sn_cons_valset_of(m->validator_set, &ret->vals, a);
    return r < 0 ? r : sn_cons_check_light_block(ret);
}

static int vote_in(const struct tendermint_types_vote *m, struct sn_cons_vote **ret,
                   struct sn_arena *a)
{
    *ret = SN_ARENA_NEW(a, struct sn_cons_vote);
    return *ret ? sn_cons_vote_of(m, *ret) : SN_E_NOMEM;
}
static int attack_of(const struct tendermint_types_light_client_attack_evidence *m,
                     struct sn_cons_evidence *ret, struct sn_arena *a)
{
    ret->common_height = m->common_height;
    ret->total_power = m->total_voting_power;
    uint32_t n = m->byzantine_validators.len;
    if (n > SN_CONS_VALIDATORS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%u byzantine validators, at most %d", n,
                       SN_CONS_VALIDATORS_MAX);
    ret->byzantine = SN_ARENA_ARRAY(a, struct sn_cons_validator, n + 1);
    ret->conflicting = SN_ARENA_NEW(a, struct sn_cons_light_block);
    if (!ret->byzantine || !ret->conflicting) return SN_E_NOMEM;
    for (; ret->n_byzantine < n; ret->n_byzantine++) {
        int r = sn_cons_validator_of(m->byzantine_validators.ptr[ret->n_byzantine],
                                     &ret->byzantine[ret->n_byzantine]);
        if (r < 0) return sn_wrap(r, "byzantine validator %u", ret->n_byzantine);
    }
    int r = sn_cons_time_of(m->timestamp, &ret->time);
    if (r >= 0) r = sn_cons_light_block_of(m->conflicting_block, ret->conflicting, a);
    return r < 0 ? sn_wrap(r, "conflicting block") : 0;
}
int sn_cons_evidence_of(const struct tendermint_types_evidence *m, struct sn_cons_evidence *ret,
                        struct sn_arena *a)
{
    *ret = (struct sn_cons_evidence){.kind = m->sum_case};
    int r;
    if (m->sum_case == SN_CONS_DUPLICATE_VOTE) {
        const struct tendermint_types_duplicate_vote_evidence *d = m->duplicate_vote_evidence;
        ret->total_power = d->total_voting_power;
        ret->validator_power = d->validator_power;
        r = sn_cons_time_of(d->timestamp, &ret->time);
        if (r >= 0) r = vote_in(d->vote_a, &ret->vote_a, a);
        if (r >= 0) r = vote_in(d->vote_b, &ret->vote_b, a);
    } else if (m->sum_case == SN_CONS_LIGHT_ATTACK) {
        r = attack_of(m->light_client_attack_evidence, ret, a);
    } else {
        return sn_fail(SN_E_INVALID_ARGUMENT, "evidence of no known kind");
    }
    return r < 0 ? r : sn_cons_check_evidence(ret);
}

static int evidence_list_of(const struct tendermint_types_evidence_list *m,
                            struct sn_cons_block *ret)
{
    uint32_t n = m ? m->evidence.len : 0;
    if (n > SN_CONS_EVIDENCE_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%u pieces of evidence, at most %u", n, SN_CONS_EVIDENCE_MAX);
    ret->evidence = SN_ARENA_ARRAY(&ret->arena, struct sn_cons_evidence *, n + 1);
    if (!ret->evidence) return SN_E_NOMEM;
    for (; ret->n_evidence < n; ret->n_evidence++) {
        struct sn_cons_evidence *ev = SN_ARENA_NEW(&ret->arena, struct sn_cons_evidence);
        if (!ev) return SN_E_NOMEM;
        int r = sn_cons_evidence_of(m->evidence.ptr[ret->n_evidence], ev, &ret->arena);
        if (r < 0) return sn_wrap(r, "evidence %u", ret->n_evidence);
        ret->evidence[ret->n_evidence] = ev;
    }
    return 0;
}

int sn_cons_block_of(const struct tendermint_types_block *m, struct sn_cons_block *ret)
{
    int r = sn_cons_header_of(m->header, &ret->header);
    if (r >= 0) r = evidence_list_of(m->evidence, ret);
    if (r >= 0) r = sn_cons_commit_of(m->last_commit, ret->last_commit, &ret->arena);
    if (r < 0) return r;
    if (m->data) {
        if (m->data->txs.len > SN_CONS_TXS_MAX)
            return sn_fail(SN_E_TOO_LARGE, "%u transactions, at most %u", m->data->txs.len,
                           SN_CONS_TXS_MAX);
        ret->txs = m->data->txs.ptr;
        ret->n_txs = m->data->txs.len;
    }
    ret->tx_hashes = sn_arena_alloc(&ret->arena, ((size_t)ret->n_txs + 1) * SN_CONS_HASH_LEN);
    r = ret->tx_hashes ? sn_cons_tx_hashes(ret->txs, ret->n_txs, ret->tx_hashes) : SN_E_NOMEM;
    if (r >= 0) r = sn_cons_check_block(ret);
    if (r >= 0) r = sn_cons_header_hash(&ret->header, &ret->hash);
    ret->decoded = r >= 0;
    return r;
}

/* ---- bytes ---- */

int sn_cons_header_encode(const struct sn_cons_header *h, struct sn_buf *out)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    struct tendermint_types_header *m = sn_cons_header_pb(h, &a);
    ssize_t r = m ? tendermint_types_header_encode(m, out) : SN_E_NOMEM;
    return r < 0 ? (int)r : 0;
}
int sn_cons_header_decode(struct sn_str in, struct sn_cons_header *ret)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct tendermint_types_header *m;
    sn_arena_init(&a, NULL, ARENA_MAX);
    int r = tendermint_types_header_parse(in, SN_PB_DISCARD_UNKNOWN, &a, &m);
    return r < 0 ? sn_wrap(r, "header") : sn_cons_header_of(m, ret);
}

int sn_cons_valset_encode(const struct sn_cons_valset *s, struct sn_buf *out)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    struct tendermint_types_validator_set *m = sn_cons_valset_pb(s, &a);
    ssize_t r = m ? tendermint_types_validator_set_encode(m, out) : SN_E_NOMEM;
    return r < 0 ? (int)r : 0;
}
int sn_cons_valset_decode(struct sn_str in, struct sn_cons_valset **ret)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct tendermint_types_validator_set *m;
    struct sn_cons_valset *s;
    sn_arena_init(&a, NULL, ARENA_MAX);
    int r = tendermint_types_validator_set_parse(in, SN_PB_DISCARD_UNKNOWN, &a, &m);
    if (r >= 0) r = sn_cons_valset_of(m, &s, &a);
    if (r < 0) return sn_wrap(r, "validator set");
    *ret = sn_cons_valset_copy(s);
    return *ret ? 0 : SN_E_NOMEM;
}

int sn_cons_light_block_encode(const struct sn_cons_light_block *b, struct sn_buf *out)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    struct tendermint_types_light_block *m = sn_cons_light_block_pb(b, &a);
    ssize_t r = m ? tendermint_types_light_block_encode(m, out) : SN_E_NOMEM;
    return r < 0 ? (int)r : 0;
}
int sn_cons_light_block_decode(struct sn_str in, struct sn_arena *a,
                               struct sn_cons_light_block *ret)
{
    struct tendermint_types_light_block *m;
    int r = tendermint_types_light_block_parse(in, SN_PB_DISCARD_UNKNOWN | SN_PB_COPY, a, &m);
    if (r >= 0) r = sn_cons_light_block_of(m, ret, a);
    return r < 0 ? sn_wrap(r, "light block") : 0;
}

int sn_cons_evidence_encode(const struct sn_cons_evidence *ev, struct sn_buf *out)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    struct tendermint_types_evidence *m = sn_cons_evidence_pb(ev, &a);
    ssize_t r = m ? tendermint_types_evidence_encode(m, out) : SN_E_NOMEM;
    return r < 0 ? (int)r : 0;
}
int sn_cons_evidence_decode(struct sn_str in, struct sn_arena *a, struct sn_cons_evidence *ret)
{
    struct tendermint_types_evidence *m;
    int r = tendermint_types_evidence_parse(in, SN_PB_DISCARD_UNKNOWN | SN_PB_COPY, a, &m);
    if (r >= 0) r = sn_cons_evidence_of(m, ret, a);
    return r < 0 ? sn_wrap(r, "evidence") : 0;
}

int sn_cons_block_encode(const struct sn_cons_block *b, struct sn_buf *out)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    struct tendermint_types_block *m = block_pb(b, &a);
    ssize_t r = m ? tendermint_types_block_encode(m, out) : SN_E_NOMEM;
    return r < 0 ? (int)r : 0;
}
int sn_cons_block_decode(struct sn_str in, struct sn_cons_block **ret)
{
    if (in.len > SN_CONS_BLOCK_BYTES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "block of %zu bytes, at most %d", in.len,
                       SN_CONS_BLOCK_BYTES_MAX);
    struct sn_cons_block *b = sn_cons_block_new(BLOCK_ARENA_MAX);
    if (!b) return SN_E_NOMEM;
    struct tendermint_types_block *m;
    int r = tendermint_types_block_parse(in, SN_PB_DISCARD_UNKNOWN | SN_PB_COPY, &b->arena, &m);
    if (r >= 0) r = sn_cons_block_of(m, b);
    if (r < 0) {
        sn_cons_block_unref(b);
        return sn_wrap(r, "block");
    }
    *ret = b;
    return 0;
}

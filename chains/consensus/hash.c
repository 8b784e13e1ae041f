/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/hash.c - hashes and sign bytes over the generated messages' canonical encodings. */
#include "consensus/hash.h"

#include "consensus/codec_int.h"
#include "core/alloc.h"
#include "crypto/hash.h"
#include "crypto/merkle.h"
#include "google/protobuf/wrappers.pb.h"
#include "tendermint/abci/types.pb.h"
#include "tendermint/types/canonical.pb.h"

/* The leaves of one tree: encodings one after the other in a buffer, hashed as they come. */
struct tree {
    uint8_t (*hashes)[SN_MERKLE_LEN];
    size_t n, cap;
    struct sn_buf buf;
    struct sn_arena arena;
};
static int tree_init(struct tree *t, size_t cap)
{
    *t = (struct tree){.cap = cap};
    sn_buf_init(&t->buf, 0);
    sn_arena_init(&t->arena, NULL, 0);
    t->hashes = sn_zalloc(cap + 1, SN_MERKLE_LEN);
    return t->hashes ? 0 : SN_E_NOMEM;
}
static void tree_done(struct tree *t)
{
    sn_free(t->hashes);
    sn_buf_done(&t->buf);
    sn_arena_done(&t->arena);
}
/* A leaf of what message m encodes to; NULL is a message there was no memory for. */
static int leaf_pb(struct tree *t, const struct sn_pb_desc *d, const void *m)
{
    if (!m) return SN_E_NOMEM;
    sn_buf_reset(&t->buf);
    ssize_t r = sn_pb_encode(d, m, &t->buf);
    if (r < 0) return (int)r;
    SN_ASSERT(t->n < t->cap);
    return sn_merkle_leaf(sn_buf_view(&t->buf), t->hashes[t->n++]);
}
/* Single values are hashed as the wrapper message's field; an empty one is an empty leaf. */
static int leaf_bytes(struct tree *t, struct sn_str s)
{
    struct google_protobuf_bytes_value m = {.value = s};
    return leaf_pb(t, &google_protobuf_bytes_value_desc, &m);
}
static int leaf_hash(struct tree *t, const struct sn_cons_hash *h)
{
    return leaf_bytes(t, sn_cons_hash_str(h));
}
static int tree_root(struct tree *t, struct sn_cons_hash *ret)
{
    ret->len = SN_CONS_HASH_LEN;
    return sn_merkle_fold(t->hashes, t->n, ret->b);
}

static int header_leaves(struct tree *t, const struct sn_cons_header *h)
{
    struct tendermint_version_consensus version = {.block = h->block_version,
                                                   .app = h->app_version};
    struct google_protobuf_string_value chain = {.value = sn_cons_header_chain(h)};
    struct google_protobuf_int64_value height = {.value = h->height};
    int r = leaf_pb(t, &tendermint_version_consensus_desc, &version);
    if (r >= 0) r = leaf_pb(t, &google_protobuf_string_value_desc, &chain);
    if (r >= 0) r = leaf_pb(t, &google_protobuf_int64_value_desc, &height);
    if (r >= 0) r = leaf_pb(t, &google_protobuf_timestamp_desc, sn_cons_time_pb(h->time, &t->arena));
    if (r >= 0)
        r = leaf_pb(t, &tendermint_types_block_id_desc,
                    sn_cons_block_id_pb(&h->last_block_id, &t->arena));
    if (r >= 0) r = leaf_hash(t, &h->last_commit_hash);
    if (r >= 0) r = leaf_hash(t, &h->data_hash);
    if (r >= 0) r = leaf_hash(t, &h->validators_hash);
    if (r >= 0) r = leaf_hash(t, &h->next_validators_hash);
    if (r >= 0) r = leaf_hash(t, &h->consensus_hash);
    if (r >= 0) r = leaf_bytes(t, sn_str_of((const char *)h->app_hash.b, h->app_hash.len));
    if (r >= 0) r = leaf_hash(t, &h->last_results_hash);
    if (r >= 0) r = leaf_hash(t, &h->evidence_hash);
    if (r >= 0) r = leaf_bytes(t, sn_str_of((const char *)h->proposer, h->proposer_len));
    return r;
}
int sn_cons_header_hash(const struct sn_cons_header *h, struct sn_cons_hash *ret)
{
    *ret = (struct sn_cons_hash){0};
    if (h->validators_hash.len == 0) return 0;
    struct tree t SN_CLEANUP(tree_done);
    int r = tree_init(&t, 14);
    if (r >= 0) r = header_leaves(&t, h);
    return r < 0 ? r : tree_root(&t, ret);
}

int sn_cons_commit_hash(const struct sn_cons_commit *c, struct sn_cons_hash *ret)
{
    struct tree t SN_CLEANUP(tree_done);
    int r = tree_init(&t, c->n);
    for (uint32_t i = 0; r >= 0 && i < c->n; i++) {
        sn_arena_reset(&t.arena);
        r = leaf_pb(&t, &tendermint_types_commit_sig_desc,
                    sn_cons_commit_sig_pb(&c->sigs[i], &t.arena));
    }
    return r < 0 ? r : tree_root(&t, ret);
}

int sn_cons_tx_hashes(const struct sn_str *txs, size_t n, uint8_t (*ret)[SN_CONS_HASH_LEN])
{
    int r = 0;
    for (size_t i = 0; r >= 0 && i < n; i++)
        r = sn_hash_once(SN_SHA256, txs[i].ptr, txs[i].len, ret[i]);
    return r;
}
int sn_cons_tx_hashes_root(const uint8_t (*hashes)[SN_CONS_HASH_LEN], size_t n,
                           struct sn_cons_hash *ret)
{
    struct tree t SN_CLEANUP(tree_done);
    int r = tree_init(&t, n);
    for (size_t i = 0; r >= 0 && i < n; i++)
        r = sn_merkle_leaf(sn_str_of((const char *)hashes[i], SN_CONS_HASH_LEN), t.hashes[t.n++]);
    return r < 0 ? r : tree_root(&t, ret);
}
int sn_cons_txs_hash(const struct sn_str *txs, size_t n, struct sn_cons_hash *ret)
{
    struct tree t SN_CLEANUP(tree_done);
    uint8_t h[1][SN_CONS_HASH_LEN];
    int r = tree_init(&t, n);
    for (size_t i = 0; r >= 0 && i < n; i++) {
        r = sn_cons_tx_hashes(&txs[i], 1, h);
        if (r >= 0)
            r = sn_merkle_leaf(sn_str_of((const char *)h[0], sizeof(h[0])), t.hashes[t.n++]);
    }
    return r < 0 ? r : tree_root(&t, ret);
}

static int leaf_evidence(struct tree *t, const struct sn_cons_evidence *ev)
{
    sn_arena_reset(&t->arena);
    if (ev->kind == SN_CONS_DUPLICATE_VOTE)
        return leaf_pb(t, &tendermint_types_duplicate_vote_evidence_desc,
                       sn_cons_duplicate_vote_pb(ev, &t->arena));
    return leaf_pb(t, &tendermint_types_light_client_attack_evidence_desc,
                   sn_cons_light_attack_pb(ev, &t->arena));
}
int sn_cons_evidence_hash(struct sn_cons_evidence *const *ev, size_t n, struct sn_cons_hash *ret)
{
    struct tree t SN_CLEANUP(tree_done);
    int r = tree_init(&t, n);
    for (size_t i = 0; r >= 0 && i < n; i++) r = leaf_evidence(&t, ev[i]);
    return r < 0 ? r : tree_root(&t, ret);
}

/* An attack is known by its conflicting header and common height, whoever is accused and whatever
 * signatures came along. Of the header's hash 31 bytes count and a zero follows: that is how the
 * network computes it. The height is a zigzag varint. */
static int attack_id(const struct sn_cons_evidence *ev, struct sn_cons_hash *ret)
{
    uint8_t m[SN_CONS_HASH_LEN + 10] = {0};
    struct sn_cons_hash h;
    int r = sn_cons_header_hash(&ev->conflicting->header, &h);
    if (r < 0) return r;
    memcpy(m, h.b, SN_CONS_HASH_LEN - 1);
    size_t n = SN_CONS_HASH_LEN;
    uint64_t v = (uint64_t)ev->common_height << 1 ^ (uint64_t)(ev->common_height >> 63);
    for (; v >= 0x80; v >>= 7) m[n++] = (uint8_t)(v | 0x80);
    m[n++] = (uint8_t)v;
    ret->len = SN_CONS_HASH_LEN;
    return sn_hash_once(SN_SHA256, m, n, ret->b);
}
int sn_cons_evidence_id(const struct sn_cons_evidence *ev, struct sn_cons_hash *ret)
{
    *ret = (struct sn_cons_hash){0};
    if (ev->kind == SN_CONS_LIGHT_ATTACK) return attack_id(ev, ret);
    struct tree t SN_CLEANUP(tree_done);
    int r = tree_init(&t, 1);
    if (r >= 0) r = leaf_evidence(&t, ev);
    if (r < 0) return r;
    ret->len = SN_CONS_HASH_LEN;
    return sn_hash_once(SN_SHA256, t.buf.ptr, t.buf.len, ret->b);
}

int sn_cons_valset_hash(const struct sn_cons_valset *s, struct sn_cons_hash *ret)
{
    struct tree t SN_CLEANUP(tree_done);
    int r = tree_init(&t, s->n);
    for (uint32_t i = 0; r >= 0 && i < s->n; i++) {
        sn_arena_reset(&t.arena);
        struct tendermint_types_simple_validator m = {
            .pub_key = sn_cons_key_pb(&s->vals[i].key, &t.arena), .voting_power = s->vals[i].power};
        r = leaf_pb(&t, &tendermint_types_simple_validator_desc, m.pub_key ? &m : NULL);
    }
    return r < 0 ? r : tree_root(&t, ret);
}

int sn_cons_results_hash(const struct sn_cons_tx_result *results, size_t n,
                         struct sn_cons_hash *ret)
{
    struct tree t SN_CLEANUP(tree_done);
    int r = tree_init(&t, n);
    for (size_t i = 0; r >= 0 && i < n; i++) {
        struct tendermint_abci_exec_tx_result m = {.code = results[i].code,
                                                   .data = results[i].data,
                                                   .gas_wanted = results[i].gas_wanted,
                                                   .gas_used = results[i].gas_used};
        r = leaf_pb(&t, &tendermint_abci_exec_tx_result_desc, &m);
    }
    return r < 0 ? r : tree_root(&t, ret);
}

/* ---- sign bytes ---- */

/* Appends m with its length before it: sign bytes are delimited messages. */
static int put_delimited(const struct sn_pb_desc *d, const void *m, struct sn_buf *out)
{
    uint8_t mem[512];
    struct sn_buf b;
    sn_buf_init_fixed(&b, mem, sizeof(mem));
    ssize_t n = sn_pb_encode(d, m, &b);
    if (n == SN_E_TOO_LARGE) { /* an extension of up to a mebibyte */
        sn_buf_init(&b, 0);
        n = sn_pb_encode(d, m, &b);
    }
    if (n >= 0) {
        for (size_t v = b.len; n >= 0; v >>= 7) {
            sn_buf_byte(out, (uint8_t)(v < 0x80 ? v : v | 0x80));
            if (v < 0x80) break;
        }
        n = sn_buf_put(out, b.ptr, b.len);
    }
    if (b.ptr != mem) sn_buf_done(&b);
    return n < 0 ? (int)n : 0;
}

struct canonical_id {
    struct tendermint_types_canonical_block_id id;
    struct tendermint_types_canonical_part_set_header parts;
};
/* NULL for nil: its field is left out. */
static struct tendermint_types_canonical_block_id *canonical_id(const struct sn_cons_block_id *id,
                                                                struct canonical_id *mem)
{
    if (sn_cons_block_id_is_nil(id)) return NULL;
    *mem = (struct canonical_id){.id = {.hash = sn_cons_hash_str(&id->hash)},
                                 .parts = {.total = id->parts.total,
                                           .hash = sn_cons_hash_str(&id->parts.hash)}};
    mem->id.part_set_header = &mem->parts;
    return &mem->id;
}

int sn_cons_vote_sign_bytes(struct sn_str chain_id, const struct sn_cons_vote *v,
                            struct sn_buf *out)
{
    struct canonical_id id;
    struct google_protobuf_timestamp time = {.seconds = v->time.sec, .nanos = v->time.nsec};
    struct tendermint_types_canonical_vote m = {.type = v->type,
                                                .height = v->height,
                                                .round = v->round,
                                                .block_id = canonical_id(&v->block_id, &id),
                                                .timestamp = &time,
                                                .chain_id = chain_id};
    return put_delimited(&tendermint_types_canonical_vote_desc, &m, out);
}

int sn_cons_extension_sign_bytes(struct sn_str chain_id, const struct sn_cons_vote *v,
                                 struct sn_buf *out)
{
    struct tendermint_types_canonical_vote_extension m = {
        .extension = v->ext, .height = v->height, .round = v->round, .chain_id = chain_id};
    return put_delimited(&tendermint_types_canonical_vote_extension_desc, &m, out);
}

int sn_cons_proposal_sign_bytes(struct sn_str chain_id, const struct sn_cons_proposal *p,
                                struct sn_buf *out)
{
    struct canonical_id id;
    struct google_protobuf_timestamp time = {.seconds = p->time.sec, .nanos = p->time.nsec};
    struct tendermint_types_canonical_proposal m = {
        .type = TENDERMINT_TYPES_SIGNED_MSG_TYPE_PROPOSAL,
        .height = p->height,
        .round = p->round,
        .pol_round = p->pol_round,
        .block_id = canonical_id(&p->block_id, &id),
        .timestamp = &time,
        .chain_id = chain_id};
    return put_delimited(&tendermint_types_canonical_proposal_desc, &m, out);
}

void sn_cons_commit_vote(const struct sn_cons_commit *c, uint32_t i, struct sn_cons_vote *ret)
{
    const struct sn_cons_commit_sig *s = &c->sigs[i];
    *ret = (struct sn_cons_vote){.type = SN_CONS_PRECOMMIT,
                                 .height = c->height,
                                 .round = c->round,
                                 .time = s->time,
                                 .index = (int32_t)i,
                                 .sig = s->sig,
                                 .ext_sig = s->ext_sig,
                                 .ext = s->ext};
    memcpy(ret->addr, s->addr, sizeof(ret->addr));
    if (s->flag == SN_CONS_COMMIT) ret->block_id = c->block_id;
}

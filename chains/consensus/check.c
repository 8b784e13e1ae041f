/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/check.c - rules of single values. Lengths of hashes, addresses and signatures were
 * checked where they were read: the domain's structs cannot hold others. */
#include "consensus/check.h"

#include "consensus/hash.h"

static int bad(const char *what) { return sn_fail(SN_E_INVALID_ARGUMENT, "%s", what); }

int sn_cons_check_vote(const struct sn_cons_vote *v)
{
    if (v->type != SN_CONS_PREVOTE && v->type != SN_CONS_PRECOMMIT)
        return sn_fail(SN_E_INVALID_ARGUMENT, "vote type %u, expected prevote or precommit",
                       v->type);
    if (v->height <= 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "vote for height %lld", (long long)v->height);
    if (v->round < 0) return sn_fail(SN_E_INVALID_ARGUMENT, "vote for round %d", v->round);
    bool nil = sn_cons_block_id_is_nil(&v->block_id);
    if (!nil && !sn_cons_block_id_is_complete(&v->block_id))
        return bad("vote names half a block id: expected none or hash and parts");
    if (v->index < 0) return sn_fail(SN_E_INVALID_ARGUMENT, "validator index %d", v->index);
    if (v->sig.len == 0) return bad("vote without signature");
    if (v->type != SN_CONS_PRECOMMIT || nil) {
        if (v->ext.len) return bad("vote extension on what is no precommit for a block");
        if (v->ext_sig.len) return bad("extension signature on what is no precommit for a block");
    }
    if (v->ext.len && !v->ext_sig.len) return bad("vote extension without signature");
    if (v->ext.len > SN_CONS_EXTENSION_MAX)
        return sn_fail(SN_E_TOO_LARGE, "vote extension of %zu bytes, at most %u", v->ext.len,
                       SN_CONS_EXTENSION_MAX);
    return 0;
}

int sn_cons_check_proposal(const struct sn_cons_proposal *p)
{
    if (p->height < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "proposal for height %lld", (long long)p->height);
    if (p->round < 0) return sn_fail(SN_E_INVALID_ARGUMENT, "proposal for round %d", p->round);
    if (p->pol_round < -1)
        return sn_fail(SN_E_INVALID_ARGUMENT, "proof of lock in round %d, expected -1 or more",
                       p->pol_round);
    if (!sn_cons_block_id_is_complete(&p->block_id))
        return bad("proposal without a complete block id");
    if (p->sig.len == 0) return bad("proposal without signature");
    return 0;
}

int sn_cons_check_commit(const struct sn_cons_commit *c)
{
    if (c->height < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "commit of height %lld", (long long)c->height);
    if (c->round < 0) return sn_fail(SN_E_INVALID_ARGUMENT, "commit of round %d", c->round);
    if (c->height == 0) return 0;
    if (sn_cons_block_id_is_nil(&c->block_id)) return bad("commit for no block");
    if (c->n == 0) return bad("commit without signatures");
    return 0;
}

int sn_cons_check_header(const struct sn_cons_header *h)
{
    if (h->block_version != SN_CONS_BLOCK_PROTOCOL)
        return sn_fail(SN_E_INVALID_ARGUMENT, "block protocol %llu, expected %d",
                       (unsigned long long)h->block_version, SN_CONS_BLOCK_PROTOCOL);
    if (h->height <= 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "header of height %lld", (long long)h->height);
    if (h->proposer_len != SN_CONS_ADDR_LEN) return bad("header without proposer address");
    return 0;
}

int sn_cons_check_part(const struct sn_cons_part *p)
{
    if (p->bytes.len > SN_CONS_PART_BYTES)
        return sn_fail(SN_E_TOO_LARGE, "block part of %zu bytes, at most %u", p->bytes.len,
                       SN_CONS_PART_BYTES);
    if (p->proof_total < 0 || p->proof_index < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "part proof for leaf %lld of %lld",
                       (long long)p->proof_index, (long long)p->proof_total);
    if ((int64_t)p->index < p->proof_total - 1 && p->bytes.len != SN_CONS_PART_BYTES)
        return sn_fail(SN_E_INVALID_ARGUMENT, "block part %u of %lld has %zu bytes, expected %u",
                       p->index, (long long)p->proof_total, p->bytes.len, SN_CONS_PART_BYTES);
    if ((int64_t)p->index != p->proof_index)
        return sn_fail(SN_E_INVALID_ARGUMENT, "block part %u has the proof of part %lld", p->index,
                       (long long)p->proof_index);
    return 0;
}

static int check_duplicate(const struct sn_cons_evidence *ev)
{
    int r = sn_cons_check_vote(ev->vote_a);
    if (r >= 0) r = sn_cons_check_vote(ev->vote_b);
    if (r < 0) return r;
    if (sn_cons_block_id_cmp(&ev->vote_a->block_id, &ev->vote_b->block_id) >= 0)
        return bad("votes of the evidence are not in the order of their block ids");
    return 0;
}

int sn_cons_check_evidence(const struct sn_cons_evidence *ev)
{
    if (ev->kind == SN_CONS_DUPLICATE_VOTE) return check_duplicate(ev);
    if (ev->total_power <= 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "evidence has total voting power %lld",
                       (long long)ev->total_power);
    if (ev->common_height <= 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "evidence has common height %lld",
                       (long long)ev->common_height);
    if (ev->common_height > ev->conflicting->header.height)
        return sn_fail(SN_E_INVALID_ARGUMENT, "common height %lld is above the conflicting block's %lld",
                       (long long)ev->common_height, (long long)ev->conflicting->header.height);
    return sn_cons_check_light_block(ev->conflicting);
}

int sn_cons_check_light_block(const struct sn_cons_light_block *b)
{
    struct sn_cons_hash h;
    int r = sn_cons_check_header(&b->header);
    if (r >= 0) r = sn_cons_check_commit(&b->commit);
    if (r < 0) return r;
    if (b->commit.height != b->header.height)
        return sn_fail(SN_E_INVALID_ARGUMENT, "commit of height %lld under header of height %lld",
                       (long long)b->commit.height, (long long)b->header.height);
    if ((r = sn_cons_header_hash(&b->header, &h)) < 0) return r;
    if (!sn_cons_hash_eq(&h, &b->commit.block_id.hash)) return bad("commit signs another block");
    if ((r = sn_cons_valset_hash(b->vals, &h)) < 0) return r;
    if (!sn_cons_hash_eq(&h, &b->header.validators_hash))
        return bad("validator set is not the one whose hash the header has");
    return 0;
}

static int same(const struct sn_cons_hash *got, const struct sn_cons_hash *header, const char *what)
{
    if (sn_cons_hash_eq(got, header)) return 0;
    return sn_fail(SN_E_INVALID_ARGUMENT, "header's %s hash is not that of the block's %s", what,
                   what);
}

int sn_cons_check_block(const struct sn_cons_block *b)
{
    struct sn_cons_hash h;
    int r = sn_cons_check_header(&b->header);
    if (r >= 0) r = sn_cons_check_commit(b->last_commit);
    if (r >= 0) r = sn_cons_commit_hash(b->last_commit, &h);
    if (r >= 0) r = same(&h, &b->header.last_commit_hash, "last commit");
    if (r >= 0)
        r = b->tx_hashes ? sn_cons_tx_hashes_root(
                               (const uint8_t(*)[SN_CONS_HASH_LEN])b->tx_hashes, b->n_txs, &h)
                         : sn_cons_txs_hash(b->txs, b->n_txs, &h);
    if (r >= 0) r = same(&h, &b->header.data_hash, "data");
    for (uint32_t i = 0; r >= 0 && i < b->n_evidence; i++) {
        r = sn_cons_check_evidence(b->evidence[i]);
        if (r < 0) return sn_wrap(r, "evidence %u", i);
    }
    if (r >= 0) r = sn_cons_evidence_hash(b->evidence, b->n_evidence, &h);
    if (r >= 0) r = same(&h, &b->header.evidence_hash, "evidence");
    return r;
}

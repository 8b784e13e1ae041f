/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/rpc/json_round.c - consensus as it goes on: votes as short texts, bit arrays, rounds.
 */
#include "consensus/part_set.h"
#include "consensus/rpc/json.h"
#include "consensus/valset.h"

#define L SN_CONS_JSON_LIT
#define FINGERPRINT 6

/* ---- votes as texts ---- */

/* The first bytes of something, as if zeros followed. */
static void fingerprint(struct sn_buf *b, const void *p, size_t n)
{
    const uint8_t *bytes = p;
    for (size_t i = 0; i < FINGERPRINT; i++) sn_buf_printf(b, "%02X", i < n ? bytes[i] : 0);
}

static const char *vote_kind(uint8_t type)
{
    return type == SN_CONS_PREVOTE ? "SIGNED_MSG_TYPE_PREVOTE(Prevote)"
                                   : "SIGNED_MSG_TYPE_PRECOMMIT(Precommit)";
}

static void vote_text(struct sn_buf *b, const struct sn_cons_vote *v)
{
    char at[40];
    if (!v) {
        L(b, "\"nil-Vote\"");
        return;
    }
    sn_buf_printf(b, "\"Vote{%d:", v->index);
    fingerprint(b, v->addr, SN_CONS_ADDR_LEN);
    sn_buf_printf(b, " %lld/%02d/%s ", (long long)v->height, v->round, vote_kind(v->type));
    fingerprint(b, v->block_id.hash.b, v->block_id.hash.len);
    L(b, " ");
    fingerprint(b, v->sig.b, v->sig.len);
    L(b, " ");
    fingerprint(b, v->ext.ptr, v->ext.len);
    sn_buf_printf(b, " @ %s}\"", sn_cons_time_text(v->time, at));
}

static void bits(struct sn_buf *b, const struct sn_cons_bits *bits, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) sn_buf_byte(b, bits && sn_cons_bits_get(bits, i) ? 'x' : '_');
}

/* set NULL: a round for which nothing came. */
static void votes(struct sn_buf *b, const struct sn_cons_vote_set *set,
                  const struct sn_cons_valset *vals)
{
    L(b, "[");
    for (uint32_t i = 0; i < vals->n; i++) {
        if (i) L(b, ",");
        vote_text(b, set ? set->votes[i] : NULL);
    }
    L(b, "]");
}
static void vote_bits(struct sn_buf *b, const struct sn_cons_vote_set *set,
                      const struct sn_cons_valset *vals)
{
    int64_t sum = set ? set->sum : 0;
    sn_buf_printf(b, "\"BA{%u:", vals->n);
    bits(b, set ? &set->bits : NULL, vals->n);
    sn_buf_printf(b, "} %lld/%lld = %.2f\"", (long long)sum, (long long)vals->total,
                  vals->total ? (double)sum / (double)vals->total : 0.0);
}

static void height_votes(struct sn_buf *b, const struct sn_cons_height_votes *h)
{
    L(b, "[");
    for (int32_t round = 0; round <= h->round; round++) {
        const struct sn_cons_vote_set *pre = sn_cons_height_votes_get(h, round, SN_CONS_PREVOTE),
                                      *com = sn_cons_height_votes_get(h, round, SN_CONS_PRECOMMIT);
        sn_buf_printf(b, "%s{\"round\":%d,\"prevotes\":", round ? "," : "", round);
        votes(b, pre, h->vals);
        L(b, ",\"prevotes_bit_array\":");
        vote_bits(b, pre, h->vals);
        L(b, ",\"precommits\":");
        votes(b, com, h->vals);
        L(b, ",\"precommits_bit_array\":");
        vote_bits(b, com, h->vals);
        L(b, "}");
    }
    L(b, "]");
}

/* ---- the whole ---- */

static void part_set(struct sn_buf *b, const struct sn_cons_part_set *p)
{
    if (!p) {
        L(b, "null");
        return;
    }
    sn_buf_printf(b, "{\"count/total\":\"%u/%u\",\"parts_bit_array\":\"", p->count,
                  p->header.total);
    bits(b, &p->have, p->header.total);
    L(b, "\"}");
}

static void claims(struct sn_buf *b, const struct sn_cons_vote_set *s)
{
    L(b, "{");
    for (size_t i = 0; i < s->claims.len; i++) {
        const struct sn_cons_claim *c = &s->claims.ptr[i];
        if (i) L(b, ",");
        sn_cons_json_str(b, sn_str_of(c->peer.b, c->peer.len));
        L(b, ":");
        sn_cons_json_block_id(b, &c->block_id);
    }
    L(b, "}");
}

static void last_commit(struct sn_buf *b, const struct sn_cons_vote_set *s)
{
    if (!s) {
        L(b, "null");
        return;
    }
    L(b, "{\"votes\":");
    votes(b, s, s->vals);
    L(b, ",\"votes_bit_array\":");
    vote_bits(b, s, s->vals);
    L(b, ",\"peer_maj_23s\":");
    claims(b, s);
    L(b, "}");
}

static void block_and_parts(struct sn_buf *b, const char *kind, const struct sn_cons_block *block,
                            const struct sn_cons_part_set *parts)
{
    sn_buf_printf(b, ",\"%s_block\":", kind);
    sn_cons_json_block(b, block);
    sn_buf_printf(b, ",\"%s_block_parts\":", kind);
    part_set(b, parts);
}

void sn_cons_json_round_state(struct sn_buf *b, const struct sn_cons_round_state *rs,
                              const struct sn_cons_valset *last_vals)
{
    L(b, "{\"height\":");
    sn_cons_json_i64(b, rs->height);
    sn_buf_printf(b, ",\"round\":%d,\"step\":%u,\"start_time\":", rs->round, rs->step);
    sn_cons_json_time_ns(b, rs->start_ns);
    L(b, ",\"commit_time\":");
    sn_cons_json_time(b, rs->commit_ns ? sn_cons_time_of_ns(rs->commit_ns) : SN_CONS_TIME_ZERO);
    L(b, ",\"validators\":");
    sn_cons_json_valset(b, rs->vals);
    L(b, ",\"proposal\":");
    if (rs->has_proposal)
        sn_cons_json_proposal(b, &rs->proposal);
    else
        L(b, "null");
    block_and_parts(b, "proposal", rs->block, rs->parts);
    sn_buf_printf(b, ",\"locked_round\":%d", rs->locked_round);
    block_and_parts(b, "locked", rs->locked_block, rs->locked_parts);
    sn_buf_printf(b, ",\"valid_round\":%d", rs->valid_round);
    block_and_parts(b, "valid", rs->valid_block, rs->valid_parts);
    L(b, ",\"votes\":");
    height_votes(b, &rs->votes);
    sn_buf_printf(b, ",\"commit_round\":%d,\"last_commit\":", rs->commit_round);
    last_commit(b, rs->last_commit);
    L(b, ",\"last_validators\":");
    sn_cons_json_valset(b, last_vals);
    L(b, ",\"triggered_timeout_precommit\":");
    sn_cons_json_bool(b, rs->precommit_wait);
    L(b, "}");
}

static void block_hash(struct sn_buf *b, const char *kind, const struct sn_cons_block *block)
{
    sn_buf_printf(b, ",\"%s_block_hash\":", kind);
    sn_cons_json_hex(b, block ? block->hash.b : NULL, block ? block->hash.len : 0);
}

void sn_cons_json_round_summary(struct sn_buf *b, const struct sn_cons_round_state *rs)
{
    const struct sn_cons_validator *p = sn_cons_valset_proposer(rs->vals);
    sn_buf_printf(b, "{\"height/round/step\":\"%lld/%d/%u\",\"start_time\":", (long long)rs->height,
                  rs->round, rs->step);
    sn_cons_json_time_ns(b, rs->start_ns);
    block_hash(b, "proposal", rs->block);
    block_hash(b, "locked", rs->locked_block);
    block_hash(b, "valid", rs->valid_block);
    L(b, ",\"height_vote_set\":");
    height_votes(b, &rs->votes);
    L(b, ",\"proposer\":{\"address\":");
    sn_cons_json_hex(b, p ? p->addr : NULL, p ? SN_CONS_ADDR_LEN : 0);
    sn_buf_printf(b, ",\"index\":%d}}", p ? sn_cons_valset_find(rs->vals, p->addr) : -1);
}

/* ---- peers ---- */

static void words(struct sn_buf *b, const char *name, const uint64_t *w, uint32_t n, bool is)
{
    sn_buf_printf(b, ",\"%s\":", name);
    if (!is) {
        L(b, "null");
        return;
    }
    L(b, "\"");
    for (uint32_t i = 0; i < n; i++) sn_buf_byte(b, w[i / 64] >> i % 64 & 1 ? 'x' : '_');
    L(b, "\"");
}

void sn_cons_json_peer_state(struct sn_buf *b, const struct sn_gossip_peer *p, uint32_t n)
{
    static const struct sn_cons_part_set_header none;
    uint32_t parts = SN_MIN(p->parts_header.total, (uint32_t)SN_CONS_PARTS_MAX);
    n = SN_MIN(n, (uint32_t)SN_CONS_VALIDATORS_MAX);
    L(b, "{\"round_state\":{\"height\":");
    sn_cons_json_i64(b, p->height);
    sn_buf_printf(b, ",\"round\":%d,\"step\":%u,\"start_time\":", p->round, p->step);
    sn_cons_json_time(b, p->height ? sn_cons_time_of_ns(p->start_ns) : SN_CONS_TIME_ZERO);
    L(b, ",\"proposal\":");
    sn_cons_json_bool(b, p->has_proposal);
    L(b, ",\"proposal_block_part_set_header\":");
    sn_cons_json_part_set_header(b, p->has_parts ? &p->parts_header : &none);
    words(b, "proposal_block_parts", p->parts, parts, p->has_parts);
    sn_buf_printf(b, ",\"proposal_pol_round\":%d", p->pol_round);
    words(b, "proposal_pol", p->pol.w, n, p->pol_round >= 0);
    words(b, "prevotes", p->prevotes.w, n, p->height > 0);
    words(b, "precommits", p->precommits.w, n, p->height > 0);
    sn_buf_printf(b, ",\"last_commit_round\":%d", p->last_commit_round);
    words(b, "last_commit", p->last_commit.w, n, p->last_commit_round >= 0);
    sn_buf_printf(b, ",\"catchup_commit_round\":%d", p->catchup_round);
    words(b, "catchup_commit", p->catchup.w, n, p->catchup_round >= 0);
    L(b, "},\"stats\":{\"votes\":");
    sn_cons_json_i64(b, (int64_t)p->votes_told);
    L(b, ",\"block_parts\":");
    sn_cons_json_i64(b, (int64_t)p->parts_told);
    L(b, "}}");
}

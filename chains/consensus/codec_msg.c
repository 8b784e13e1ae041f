/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/codec_msg.c - messages between consensus reactors. */
#include "consensus/check.h"
#include "consensus/codec_int.h"

/* ---- writing ---- */

static struct tendermint_types_part_set_header *parts_pb(const struct sn_cons_part_set_header *p,
                                                         struct sn_arena *a)
{
    struct tendermint_types_part_set_header *m = tendermint_types_part_set_header_new(a);
    if (!m) return NULL;
    m->total = p->total;
    m->hash = sn_cons_hash_str(&p->hash);
    return m;
}
static struct tendermint_libs_bits_bit_array *bits_pb(const struct sn_cons_bits *b,
                                                      struct sn_arena *a)
{
    struct tendermint_libs_bits_bit_array *m = tendermint_libs_bits_bit_array_new(a);
    if (!m) return NULL;
    m->bits = b->n;
    m->elems.ptr = b->w;
    m->elems.len = (b->n + 63) / 64;
    return m;
}

static void *step_pb(const struct sn_cons_msg *m, struct sn_arena *a)
{
    struct tendermint_consensus_new_round_step *x = tendermint_consensus_new_round_step_new(a);
    if (!x) return NULL;
    x->height = m->height;
    x->round = m->round;
    x->step = m->step;
    x->seconds_since_start_time = m->since_start_s;
    x->last_commit_round = m->last_commit_round;
    return x;
}
static void *valid_block_pb(const struct sn_cons_msg *m, struct sn_arena *a)
{
    struct tendermint_consensus_new_valid_block *x = tendermint_consensus_new_valid_block_new(a);
    if (!x || !(x->block_part_set_header = parts_pb(&m->parts, a)) ||
        !(x->block_parts = bits_pb(&m->bits, a)))
        return NULL;
    x->height = m->height;
    x->round = m->round;
    x->is_commit = m->is_commit;
    return x;
}
static void *pol_pb(const struct sn_cons_msg *m, struct sn_arena *a)
{
    struct tendermint_consensus_proposal_pol *x = tendermint_consensus_proposal_pol_new(a);
    if (!x || !(x->proposal_pol = bits_pb(&m->bits, a))) return NULL;
    x->height = m->height;
    x->proposal_pol_round = m->round;
    return x;
}
static void *block_part_pb(const struct sn_cons_msg *m, struct sn_arena *a)
{
    struct tendermint_consensus_block_part *x = tendermint_consensus_block_part_new(a);
    if (!x || !(x->part = sn_cons_part_pb(&m->part, a))) return NULL;
    x->height = m->height;
    x->round = m->round;
    return x;
}
static void *has_vote_pb(const struct sn_cons_msg *m, struct sn_arena *a)
{
    struct tendermint_consensus_has_vote *x = tendermint_consensus_has_vote_new(a);
    if (!x) return NULL;
    x->height = m->height;
    x->round = m->round;
    x->type = m->vote_type;
    x->index = m->index;
    return x;
}
static void *maj23_pb(const struct sn_cons_msg *m, struct sn_arena *a)
{
    struct tendermint_consensus_vote_set_maj23 *x = tendermint_consensus_vote_set_maj23_new(a);
    if (!x || !(x->block_id = sn_cons_block_id_pb(&m->block_id, a))) return NULL;
    x->height = m->height;
    x->round = m->round;
    x->type = m->vote_type;
    return x;
}
static void *vote_bits_pb(const struct sn_cons_msg *m, struct sn_arena *a)
{
    struct tendermint_consensus_vote_set_bits *x = tendermint_consensus_vote_set_bits_new(a);
    if (!x || !(x->block_id = sn_cons_block_id_pb(&m->block_id, a)) ||
        !(x->votes = bits_pb(&m->bits, a)))
        return NULL;
    x->height = m->height;
    x->round = m->round;
    x->type = m->vote_type;
    return x;
}

struct tendermint_consensus_message *sn_cons_msg_pb(const struct sn_cons_msg *m, struct sn_arena *a)
{
    struct tendermint_consensus_message *x = tendermint_consensus_message_new(a);
    if (!x) return NULL;
    x->sum_case = m->kind;
    void *sub = NULL;
    switch (m->kind) {
    case SN_CONS_MSG_NEW_ROUND_STEP: sub = step_pb(m, a); break;
    case SN_CONS_MSG_NEW_VALID_BLOCK: sub = valid_block_pb(m, a); break;
    case SN_CONS_MSG_PROPOSAL: {
        struct tendermint_consensus_proposal *p = tendermint_consensus_proposal_new(a);
        if (p && (p->proposal = sn_cons_proposal_pb(&m->proposal, a))) sub = p;
        break;
    }
    case SN_CONS_MSG_PROPOSAL_POL: sub = pol_pb(m, a); break;
    case SN_CONS_MSG_BLOCK_PART: sub = block_part_pb(m, a); break;
    case SN_CONS_MSG_VOTE: {
        struct tendermint_consensus_vote *v = tendermint_consensus_vote_new(a);
        if (v && (v->vote = sn_cons_vote_pb(m->vote, a))) sub = v;
        break;
    }
    case SN_CONS_MSG_HAS_VOTE: sub = has_vote_pb(m, a); break;
    case SN_CONS_MSG_VOTE_SET_MAJ23: sub = maj23_pb(m, a); break;
    case SN_CONS_MSG_VOTE_SET_BITS: sub = vote_bits_pb(m, a); break;
    }
    x->new_round_step = sub;
    return sub ? x : NULL;
}

/* ---- reading ---- */

static int place(int64_t height, int32_t round, struct sn_cons_msg *ret)
{
    ret->height = height;
    ret->round = round;
    if (height < 0) return sn_fail(SN_E_INVALID_ARGUMENT, "height %lld", (long long)height);
    if (round < 0) return sn_fail(SN_E_INVALID_ARGUMENT, "round %d", round);
    return 0;
}
static int vote_type(int32_t type, struct sn_cons_msg *ret)
{
    if (type != SN_CONS_PREVOTE && type != SN_CONS_PRECOMMIT)
        return sn_fail(SN_E_INVALID_ARGUMENT, "vote type %d, expected prevote or precommit", type);
    ret->vote_type = (uint8_t)type;
    return 0;
}
/* The words must be as many as the bits need, and no bit beyond the last may be set: a receiver that
 * trusted either number alone would read beyond the other. */
static int bits_of(const struct tendermint_libs_bits_bit_array *m, uint32_t min, uint32_t max,
                   struct sn_cons_bits *ret, struct sn_arena *a)
{
    int64_t n = m ? m->bits : 0;
    if (n < min || n > max)
        return sn_fail(SN_E_INVALID_ARGUMENT, "bit array of %lld bits, expected %u to %u",
                       (long long)n, min, max);
    if (m && m->elems.len != (uint32_t)(n + 63) / 64)
        return sn_fail(SN_E_INVALID_ARGUMENT, "bit array of %lld bits has %u words", (long long)n,
                       m->elems.len);
    ret->n = (uint32_t)n;
    ret->w = SN_ARENA_ARRAY(a, uint64_t, (size_t)(n + 63) / 64 + 1);
    if (!ret->w) return SN_E_NOMEM;
    if (n) memcpy(ret->w, m->elems.ptr, m->elems.len * sizeof(uint64_t));
    if (n % 64) ret->w[n / 64] &= (1ull << (n % 64)) - 1;
    return 0;
}

static int step_of(const struct tendermint_consensus_new_round_step *m, struct sn_cons_msg *ret)
{
    ret->since_start_s = m->seconds_since_start_time;
    ret->last_commit_round = m->last_commit_round;
    if (m->step < 1 || m->step > 8)
        return sn_fail(SN_E_INVALID_ARGUMENT, "round step %u, expected 1 to 8", m->step);
    ret->step = (uint8_t)m->step;
    return place(m->height, m->round, ret);
}
static int valid_block_of(const struct tendermint_consensus_new_valid_block *m,
                          struct sn_cons_msg *ret, struct sn_arena *a)
{
    ret->is_commit = m->is_commit;
    int r = place(m->height, m->round, ret);
    if (r >= 0) r = sn_cons_part_set_header_of(m->block_part_set_header, &ret->parts);
    if (r >= 0) r = bits_of(m->block_parts, 1, SN_CONS_PARTS_MAX, &ret->bits, a);
    if (r >= 0 && ret->bits.n != ret->parts.total)
        r = sn_fail(SN_E_INVALID_ARGUMENT, "%u bits for a block of %u parts", ret->bits.n,
                    ret->parts.total);
    return r;
}
static int vote_in_msg(const struct tendermint_types_vote *m, struct sn_cons_msg *ret,
                       struct sn_arena *a)
{
    struct sn_cons_vote *v = SN_ARENA_NEW(a, struct sn_cons_vote);
    if (!v) return SN_E_NOMEM;
    ret->vote = v;
    return sn_cons_vote_of(m, v);
}
static int votes_of(const struct tendermint_consensus_vote_set_bits *m, struct sn_cons_msg *ret,
                    struct sn_arena *a)
{
    int r = place(m->height, m->round, ret);
    if (r >= 0) r = vote_type(m->type, ret);
    if (r >= 0) r = sn_cons_block_id_of(m->block_id, &ret->block_id);
    return r < 0 ? r : bits_of(m->votes, 0, SN_CONS_VALIDATORS_MAX, &ret->bits, a);
}

static int content_of(const struct tendermint_consensus_message *m, struct sn_cons_msg *ret,
                      struct sn_arena *a)
{
    int r;
    switch (ret->kind) {
    case SN_CONS_MSG_NEW_ROUND_STEP: return step_of(m->new_round_step, ret);
    case SN_CONS_MSG_NEW_VALID_BLOCK: return valid_block_of(m->new_valid_block, ret, a);
    case SN_CONS_MSG_PROPOSAL:
        return sn_cons_proposal_of(m->proposal->proposal, &ret->proposal);
    case SN_CONS_MSG_PROPOSAL_POL:
        r = place(m->proposal_pol->height, m->proposal_pol->proposal_pol_round, ret);
        if (r < 0) return r;
        return bits_of(m->proposal_pol->proposal_pol, 1, SN_CONS_VALIDATORS_MAX, &ret->bits, a);
    case SN_CONS_MSG_BLOCK_PART:
        r = place(m->block_part->height, m->block_part->round, ret);
        return r < 0 ? r : sn_cons_part_of(m->block_part->part, &ret->part, a);
    case SN_CONS_MSG_VOTE: return vote_in_msg(m->vote->vote, ret, a);
    case SN_CONS_MSG_HAS_VOTE:
        ret->index = m->has_vote->index;
        if (ret->index < 0) return sn_fail(SN_E_INVALID_ARGUMENT, "validator index %d", ret->index);
        r = place(m->has_vote->height, m->has_vote->round, ret);
        return r < 0 ? r : vote_type(m->has_vote->type, ret);
    case SN_CONS_MSG_VOTE_SET_MAJ23:
        r = place(m->vote_set_maj23->height, m->vote_set_maj23->round, ret);
        if (r >= 0) r = vote_type(m->vote_set_maj23->type, ret);
        return r < 0 ? r : sn_cons_block_id_of(m->vote_set_maj23->block_id, &ret->block_id);
    case SN_CONS_MSG_VOTE_SET_BITS: return votes_of(m->vote_set_bits, ret, a);
    }
    return sn_fail(SN_E_INVALID_ARGUMENT, "message of no known kind");
}

int sn_cons_msg_of(const struct tendermint_consensus_message *m, struct sn_cons_msg *ret,
                   struct sn_arena *a)
{
    static const char *const names[] = {"message",       "new round step", "new valid block",
                                        "proposal",      "proof of lock",  "block part",
                                        "vote",          "has vote",       "vote set majority",
                                        "vote set bits"};
    *ret = (struct sn_cons_msg){.kind = m ? m->sum_case : 0};
    if (!m || ret->kind == 0 || ret->kind >= SN_COUNT_OF(names))
        return sn_fail(SN_E_INVALID_ARGUMENT, "consensus message of no known kind");
    int r = content_of(m, ret, a);
    return r < 0 ? sn_wrap(r, "%s", names[ret->kind]) : 0;
}

/* ---- bytes ---- */

int sn_cons_msg_encode(const struct sn_cons_msg *m, struct sn_buf *out)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    struct tendermint_consensus_message *x = sn_cons_msg_pb(m, &a);
    ssize_t r = x ? tendermint_consensus_message_encode(x, out) : SN_E_NOMEM;
    return r < 0 ? (int)r : 0;
}
int sn_cons_msg_decode(struct sn_str in, struct sn_arena *a, struct sn_cons_msg *ret)
{
    if (in.len > SN_CONS_MSG_MAX)
        return sn_fail(SN_E_TOO_LARGE, "consensus message of %zu bytes, at most %u", in.len,
                       SN_CONS_MSG_MAX);
    struct tendermint_consensus_message *m;
    int r = tendermint_consensus_message_parse(in, SN_PB_DISCARD_UNKNOWN, a, &m);
    return r < 0 ? sn_wrap(r, "consensus message") : sn_cons_msg_of(m, ret, a);
}

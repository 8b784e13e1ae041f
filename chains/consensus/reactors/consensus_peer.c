/* SPDX-License-Identifier: Apache-2.0 */
/* reactors/consensus_peer.c - a peer's place, its bits, and the next message for it. */
#include "consensus/reactors/consensus_peer.h"

#include <string.h>

void sn_gossip_peer_init(struct sn_gossip_peer *p)
{
    *p = (struct sn_gossip_peer){
        .round = -1, .pol_round = -1, .last_commit_round = -1, .catchup_round = -1};
}

/* ---- bits ---- */

static bool word_bit(const uint64_t *w, uint32_t i) { return w[i >> 6] >> (i & 63) & 1; }
static void set_bit(uint64_t *w, size_t words, uint32_t i)
{
    if (i >> 6 < words) w[i >> 6] |= 1ull << (i & 63);
}
/* A message's array may be shorter or longer than what it is about: what is missing is 0. */
static void copy_bits(uint64_t *to, size_t words, const struct sn_cons_bits *b)
{
    size_t n = SN_MIN(words, ((size_t)b->n + 63) / 64);
    memset(to, 0, words * sizeof(*to));
    if (n) memcpy(to, b->w, n * sizeof(*to));
}
static uint64_t missing_word(const uint64_t *have, const uint64_t *theirs, uint32_t n, uint32_t i)
{
    uint64_t w = (have ? have[i] : ~0ull) & ~theirs[i];
    uint32_t left = n - i * 64;
    return left < 64 ? w & ((1ull << left) - 1) : w;
}
/* One of the n bits that is in `have` (NULL: all are) and not in `theirs`, each equally likely: several
 * nodes that feed one peer then rarely feed it the same. */
static bool pick_missing(const uint64_t *have, const uint64_t *theirs, uint32_t n,
                         struct sn_rand *rand, uint32_t *ret)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i * 64 < n; i++)
        total += (uint64_t)__builtin_popcountll(missing_word(have, theirs, n, i));
    if (total == 0) return false;
    uint64_t k = sn_rand_below(rand, total);
    for (uint32_t i = 0; i * 64 < n; i++) {
        uint64_t w = missing_word(have, theirs, n, i);
        uint64_t here = (uint64_t)__builtin_popcountll(w);
        if (k >= here) {
            k -= here;
            continue;
        }
        while (k--) w &= w - 1;
        *ret = i * 64 + (uint32_t)__builtin_ctzll(w);
        return true;
    }
    return false;
}

/* The peer's votes of that place, NULL where it does not collect them (any more). */
static uint64_t *votes_at(struct sn_gossip_peer *p, int64_t height, int32_t round, uint8_t type)
{
    bool pre = type == SN_CONS_PREVOTE;
    if (p->height == 0) return NULL;
    if (p->height == height) {
        if (p->round == round) return pre ? p->prevotes.w : p->precommits.w;
        if (p->catchup_round == round && !pre) return p->catchup.w;
        if (p->pol_round == round && pre) return p->pol.w;
        return NULL;
    }
    if (p->height - 1 == height && p->last_commit_round == round && !pre) return p->last_commit.w;
    return NULL;
}

/* ---- the peer's place ---- */

int sn_gossip_check_step(const struct sn_cons_msg *m, int64_t initial_height)
{
    if (m->height < initial_height)
        return sn_fail(SN_E_INVALID_ARGUMENT, "peer is at height %lld, the chain begins at %lld",
                       (long long)m->height, (long long)initial_height);
    bool first = m->height == initial_height;
    if (first ? m->last_commit_round != -1 : m->last_commit_round < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "last commit round %d at height %lld of a chain that begins at %lld",
                       m->last_commit_round, (long long)m->height, (long long)initial_height);
    return 0;
}

static bool is_later(const struct sn_gossip_peer *p, const struct sn_cons_msg *m)
{
    if (m->height != p->height) return m->height > p->height;
    if (m->round != p->round) return m->round > p->round;
    return m->step > p->step;
}

/* Its precommits move along: into the last commit of the next height, or out of and into the commit it
 * catches up with. */
static void move_votes(struct sn_gossip_peer *p, const struct sn_cons_msg *m)
{
    static const struct sn_gossip_votes none;
    if (p->height != m->height) {
        bool next = p->height && p->height + 1 == m->height;
        if (next && p->round == m->last_commit_round) p->last_commit = p->precommits;
        else if (next && p->catchup_round == m->last_commit_round) p->last_commit = p->catchup;
        else p->last_commit = none;
        p->last_commit_round = m->last_commit_round;
        p->catchup_round = -1;
        p->precommits = none;
    } else if (p->round == p->catchup_round) {
        p->catchup = p->precommits;
        p->precommits = none;
    } else {
        p->precommits = m->round == p->catchup_round ? p->catchup : none;
    }
    p->prevotes = none;
}

static bool on_step(struct sn_gossip_peer *p, const struct sn_cons_msg *m, int64_t wall_ns)
{
    if (!is_later(p, m)) return false;
    if (p->height != m->height || p->round != m->round) {
        move_votes(p, m);
        p->has_proposal = p->has_parts = p->pol_due = false;
        p->parts_header = (struct sn_cons_part_set_header){0};
        p->pol_round = -1;
    }
    p->height = m->height;
    p->round = m->round;
    p->step = m->step;
    int64_t since = SN_MAX(0, SN_MIN(m->since_start_s, INT32_MAX));
    p->start_ns = wall_ns - since * SN_SEC;
    return true;
}

static void expect(struct sn_gossip_peer *p, const struct sn_cons_part_set_header *h)
{
    p->has_parts = true;
    p->parts_header = *h;
    memset(p->parts, 0, sizeof(p->parts));
}

static bool on_valid_block(struct sn_gossip_peer *p, const struct sn_cons_msg *m)
{
    if (p->height != m->height || (p->round != m->round && !m->is_commit)) return false;
    expect(p, &m->parts);
    copy_bits(p->parts, SN_GOSSIP_PART_WORDS, &m->bits);
    return true;
}

static bool on_has_vote(struct sn_gossip_peer *p, const struct sn_cons_msg *m)
{
    uint64_t *w = votes_at(p, m->height, m->round, m->vote_type);
    if (!w) return false;
    set_bit(w, SN_GOSSIP_VOTE_WORDS, (uint32_t)m->index);
    return true;
}

bool sn_gossip_heard(struct sn_gossip_peer *p, const struct sn_cons_msg *m, int64_t wall_ns)
{
    switch (m->kind) {
    case SN_CONS_MSG_NEW_ROUND_STEP: return on_step(p, m, wall_ns);
    case SN_CONS_MSG_NEW_VALID_BLOCK: return on_valid_block(p, m);
    case SN_CONS_MSG_HAS_VOTE: return on_has_vote(p, m);
    case SN_CONS_MSG_PROPOSAL_POL:
        if (p->height != m->height || p->pol_round != m->round) return false;
        copy_bits(p->pol.w, SN_GOSSIP_VOTE_WORDS, &m->bits);
        return true;
    default: return false;
    }
}

static void has_proposal(struct sn_gossip_peer *p, const struct sn_cons_proposal *x)
{
    if (p->height != x->height || p->round != x->round || p->has_proposal) return;
    p->has_proposal = true;
    if (p->has_parts) return; /* it has named the block it wants, maybe another */
    expect(p, &x->block_id.parts);
    p->pol_round = x->pol_round;
    memset(&p->pol, 0, sizeof(p->pol));
}

void sn_gossip_has(struct sn_gossip_peer *p, const struct sn_cons_msg *m)
{
    if (m->kind == SN_CONS_MSG_PROPOSAL) {
        has_proposal(p, &m->proposal);
    } else if (m->kind == SN_CONS_MSG_BLOCK_PART) {
        bool here = p->height == m->height && p->round == m->round && p->has_parts;
        if (here && m->part.index < p->parts_header.total)
            set_bit(p->parts, SN_GOSSIP_PART_WORDS, m->part.index);
    } else if (m->kind == SN_CONS_MSG_VOTE) {
        const struct sn_cons_vote *v = m->vote;
        uint64_t *w = votes_at(p, v->height, v->round, v->type);
        if (w && v->index >= 0) set_bit(w, SN_GOSSIP_VOTE_WORDS, (uint32_t)v->index);
    }
}

void sn_gossip_bits(struct sn_gossip_peer *p, const struct sn_cons_msg *m,
                    const struct sn_cons_bits *ours)
{
    uint64_t *w = votes_at(p, m->height, m->round, m->vote_type);
    if (!w) return;
    struct sn_gossip_votes said;
    copy_bits(said.w, SN_GOSSIP_VOTE_WORDS, &m->bits);
    size_t n_ours = ours ? ((size_t)ours->n + 63) / 64 : 0;
    for (size_t i = 0; i < SN_GOSSIP_VOTE_WORDS; i++) {
        /* Of the block in question it has what it says; of others, what we thought. */
        uint64_t others = ours ? w[i] & ~(i < n_ours ? ours->w[i] : 0) : 0;
        w[i] = others | said.w[i];
    }
}

/* ---- parts and proposals ---- */

bool sn_gossip_pick_data(struct sn_gossip_peer *p, const struct sn_cons_round_state *rs,
                         struct sn_rand *rand, struct sn_cons_msg *ret)
{
    uint32_t i;
    bool same = p->height && p->height == rs->height;
    if (same && rs->parts && p->has_parts &&
        sn_cons_part_set_header_eq(&rs->parts->header, &p->parts_header) &&
        pick_missing(rs->parts->have.w, p->parts, rs->parts->header.total, rand, &i)) {
        *ret = (struct sn_cons_msg){.kind = SN_CONS_MSG_BLOCK_PART,
                                    .height = rs->height,
                                    .round = rs->round,
                                    .part = *rs->parts->parts[i]};
        set_bit(p->parts, SN_GOSSIP_PART_WORDS, i);
        return true;
    }
    if (!same || p->round != rs->round || !rs->has_proposal) return false;
    if (!p->has_proposal) {
        has_proposal(p, &rs->proposal);
        p->pol_due = rs->proposal.pol_round >= 0;
        *ret = (struct sn_cons_msg){.kind = SN_CONS_MSG_PROPOSAL, .proposal = rs->proposal};
        return true;
    }
    if (!p->pol_due) return false;
    p->pol_due = false;
    const struct sn_cons_vote_set *pol =
        sn_cons_height_votes_get(&rs->votes, rs->proposal.pol_round, SN_CONS_PREVOTE);
    if (!pol || pol->bits.n == 0) return false;
    *ret = (struct sn_cons_msg){.kind = SN_CONS_MSG_PROPOSAL_POL,
                                .height = rs->height,
                                .round = rs->proposal.pol_round,
                                .bits = pol->bits};
    return true;
}

void sn_gossip_expect_parts(struct sn_gossip_peer *p, const struct sn_cons_part_set_header *h)
{
    if (!p->has_parts) expect(p, h);
}
bool sn_gossip_pick_old_part(struct sn_gossip_peer *p, const struct sn_cons_part_set_header *h,
                             struct sn_rand *rand, uint32_t *ret)
{
    uint32_t n = SN_MIN(h->total, (uint32_t)SN_CONS_PARTS_MAX);
    if (!p->has_parts || !sn_cons_part_set_header_eq(h, &p->parts_header) ||
        !pick_missing(NULL, p->parts, n, rand, ret))
        return false;
    set_bit(p->parts, SN_GOSSIP_PART_WORDS, *ret);
    return true;
}

void sn_gossip_forget(struct sn_gossip_peer *p)
{
    static const struct sn_gossip_votes none;
    p->has_parts = p->has_proposal = p->pol_due = false;
    p->prevotes = p->precommits = p->catchup = none;
    p->catchup_round = -1;
}

/* ---- votes ---- */

/* A commit of the peer's height at a round of its own: collected apart from the round's. */
static void ensure_catchup(struct sn_gossip_peer *p, int64_t height, int32_t round)
{
    if (p->height != height || p->catchup_round == round) return;
    p->catchup_round = round;
    memset(&p->catchup, 0, sizeof(p->catchup));
}

static bool pick_of(struct sn_gossip_peer *p, const struct sn_cons_vote_set *s, int32_t only,
                    struct sn_rand *rand, struct sn_cons_msg *ret)
{
    uint32_t i = (uint32_t)only;
    if (!s) return false;
    if (s->type == SN_CONS_PRECOMMIT && s->has_maj23) ensure_catchup(p, s->height, s->round);
    uint64_t *theirs = votes_at(p, s->height, s->round, s->type);
    if (!theirs) return false;
    if (only >= 0) {
        if (!sn_cons_bits_get(&s->bits, i) || word_bit(theirs, i)) return false;
    } else if (!pick_missing(s->bits.w, theirs, s->bits.n, rand, &i)) {
        return false;
    }
    set_bit(theirs, SN_GOSSIP_VOTE_WORDS, i);
    *ret = (struct sn_cons_msg){.kind = SN_CONS_MSG_VOTE, .vote = s->votes[i]};
    return true;
}

bool sn_gossip_pick_vote(struct sn_gossip_peer *p, const struct sn_cons_round_state *rs,
                         int32_t only, struct sn_rand *rand, struct sn_cons_msg *ret)
{
    if (p->height == 0 || only >= SN_CONS_VALIDATORS_MAX) return false;
    /* An index belongs to a height's set: `only` is of ours. */
    if (p->height == rs->height - 1)
        return only < 0 && pick_of(p, rs->last_commit, only, rand, ret);
    if (p->height != rs->height) return false;
    if (p->step == SN_CONS_STEP_NEW_HEIGHT && only < 0 &&
        pick_of(p, rs->last_commit, only, rand, ret))
        return true;
    const struct sn_cons_vote_set *pol =
        p->pol_round >= 0 ? sn_cons_height_votes_get(&rs->votes, p->pol_round, SN_CONS_PREVOTE)
                          : NULL;
    if (p->step <= SN_CONS_STEP_PROPOSE && pick_of(p, pol, only, rand, ret)) return true;
    if (p->round <= rs->round) {
        const struct sn_cons_vote_set *pre =
            sn_cons_height_votes_get(&rs->votes, p->round, SN_CONS_PREVOTE);
        if (p->step <= SN_CONS_STEP_PREVOTE_WAIT && pick_of(p, pre, only, rand, ret)) return true;
        if (p->step <= SN_CONS_STEP_PRECOMMIT_WAIT &&
            pick_of(p, sn_cons_height_votes_get(&rs->votes, p->round, SN_CONS_PRECOMMIT), only,
                    rand, ret))
            return true;
        /* Late prevotes may still make a block valid there. */
        if (pick_of(p, pre, only, rand, ret)) return true;
    }
    return pick_of(p, pol, only, rand, ret);
}

bool sn_gossip_pick_commit(struct sn_gossip_peer *p, const struct sn_cons_commit *c,
                           struct sn_rand *rand, uint32_t *ret)
{
    struct sn_gossip_votes have = {{0}};
    ensure_catchup(p, c->height, c->round);
    uint64_t *theirs = votes_at(p, c->height, c->round, SN_CONS_PRECOMMIT);
    if (!theirs) return false;
    uint32_t n = SN_MIN(c->n, (uint32_t)SN_CONS_VALIDATORS_MAX);
    for (uint32_t i = 0; i < n; i++)
        if (c->sigs[i].flag != SN_CONS_ABSENT) set_bit(have.w, SN_GOSSIP_VOTE_WORDS, i);
    if (!pick_missing(have.w, theirs, n, rand, ret)) return false;
    set_bit(theirs, SN_GOSSIP_VOTE_WORDS, *ret);
    return true;
}

/* ---- claims ---- */

static unsigned claim(const struct sn_cons_vote_set *s, struct sn_cons_msg *ret)
{
    const struct sn_cons_block_id *id = sn_cons_vote_set_maj23(s);
    if (!id) return 0;
    *ret = (struct sn_cons_msg){.kind = SN_CONS_MSG_VOTE_SET_MAJ23,
                                .height = s->height,
                                .round = s->round,
                                .vote_type = s->type,
                                .block_id = *id};
    return 1;
}

unsigned sn_gossip_claims(const struct sn_gossip_peer *p, const struct sn_cons_round_state *rs,
                          struct sn_cons_msg ret[SN_GOSSIP_CLAIMS_MAX])
{
    unsigned n = 0;
    if (p->height == 0 || p->height != rs->height) return 0;
    const struct sn_cons_height_votes *v = &rs->votes;
    n += claim(sn_cons_height_votes_get(v, p->round, SN_CONS_PREVOTE), &ret[n]);
    n += claim(sn_cons_height_votes_get(v, p->round, SN_CONS_PRECOMMIT), &ret[n]);
    if (p->pol_round >= 0 && p->pol_round != p->round)
        n += claim(sn_cons_height_votes_get(v, p->pol_round, SN_CONS_PREVOTE), &ret[n]);
    return n;
}

const struct sn_cons_bits *sn_gossip_our_bits(const struct sn_cons_round_state *rs,
                                              const struct sn_cons_msg *m)
{
    if (m->height != rs->height) return NULL;
    const struct sn_cons_block_votes *b = sn_cons_vote_set_for(
        sn_cons_height_votes_get(&rs->votes, m->round, m->vote_type), &m->block_id);
    return b ? &b->bits : NULL;
}

/* ---- about ourselves ---- */

void sn_gossip_step(const struct sn_cons_round_state *rs, int64_t wall_ns, struct sn_cons_msg *ret)
{
    *ret = (struct sn_cons_msg){.kind = SN_CONS_MSG_NEW_ROUND_STEP,
                                .height = rs->height,
                                .round = rs->round,
                                .step = rs->step,
                                .since_start_s = (wall_ns - rs->start_ns) / SN_SEC,
                                .last_commit_round = rs->last_commit ? rs->last_commit->round : -1};
}

bool sn_gossip_valid_block(const struct sn_cons_round_state *rs, struct sn_cons_msg *ret)
{
    if (!rs->parts || rs->parts->header.total == 0) return false;
    *ret = (struct sn_cons_msg){.kind = SN_CONS_MSG_NEW_VALID_BLOCK,
                                .height = rs->height,
                                .round = rs->round,
                                .is_commit = rs->step == SN_CONS_STEP_COMMIT,
                                .parts = rs->parts->header,
                                .bits = rs->parts->have};
    return true;
}

static bool known_vote(const struct sn_cons_round_state *rs, const struct sn_cons_vote *v)
{
    const struct sn_cons_vote_set *s = NULL;
    if (v->height == rs->height) s = sn_cons_height_votes_get(&rs->votes, v->round, v->type);
    else if (rs->last_commit && v->height == rs->last_commit->height &&
             v->round == rs->last_commit->round && v->type == SN_CONS_PRECOMMIT)
        s = rs->last_commit;
    if (!s || v->index < 0 || (uint32_t)v->index >= s->vals->n) return false;
    const struct sn_cons_vote *have = s->votes[v->index];
    return have && sn_cons_block_id_eq(&have->block_id, &v->block_id) &&
           have->sig.len == v->sig.len && memcmp(have->sig.b, v->sig.b, v->sig.len) == 0;
}
bool sn_gossip_known(const struct sn_cons_round_state *rs, const struct sn_cons_msg *m)
{
    if (m->kind == SN_CONS_MSG_VOTE) return known_vote(rs, m->vote);
    if (m->kind == SN_CONS_MSG_PROPOSAL)
        return rs->has_proposal && m->proposal.height == rs->height &&
               m->proposal.round == rs->round;
    return m->kind == SN_CONS_MSG_BLOCK_PART && m->height == rs->height && rs->parts &&
           (sn_cons_part_set_complete(rs->parts) ||
            sn_cons_bits_get(&rs->parts->have, m->part.index));
}

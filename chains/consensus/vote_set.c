/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/vote_set.c - counting votes. */
#include "consensus/vote_set.h"

#include "consensus/hash.h"
#include "consensus/valset.h"
#include "core/alloc.h"
#include "core/vec.h"

int sn_cons_vote_set_new(int64_t height, int32_t round, uint8_t type, bool extensions,
                         struct sn_cons_valset *vals, struct sn_cons_vote_set **ret)
{
    struct sn_cons_vote_set *s = SN_NEW(struct sn_cons_vote_set);
    if (!s) return SN_E_NOMEM;
    s->height = height;
    s->round = round;
    s->type = type;
    s->extensions = extensions && type == SN_CONS_PRECOMMIT;
    s->vals = sn_cons_valset_ref(vals);
    s->votes = SN_NEW_ARRAY(struct sn_cons_vote *, vals->n + 1);
    if (!s->votes || sn_cons_bits_init(&s->bits, vals->n) < 0) {
        sn_cons_vote_set_free(s);
        return SN_E_NOMEM;
    }
    *ret = s;
    return 0;
}

static void block_votes_free(struct sn_cons_block_votes *b)
{
    if (!b) return;
    SN_VEC_EACH(&b->votes, v) sn_cons_vote_unref(*v);
    sn_vec_done(&b->votes);
    sn_cons_bits_done(&b->bits);
    sn_free(b);
}
void sn_cons_vote_set_free(struct sn_cons_vote_set *s)
{
    if (!s) return;
    for (uint32_t i = 0; s->votes && i < s->vals->n; i++) sn_cons_vote_unref(s->votes[i]);
    sn_free(s->votes);
    sn_cons_bits_done(&s->bits);
    SN_VEC_EACH(&s->blocks, b) block_votes_free(*b);
    sn_vec_done(&s->blocks);
    sn_vec_done(&s->claims);
    sn_cons_valset_unref(s->vals);
    sn_free(s);
}

static struct sn_cons_block_votes *find_block(const struct sn_cons_vote_set *s,
                                              const struct sn_cons_block_id *id)
{
    SN_VEC_EACH(&s->blocks, b)
        if (sn_cons_block_id_eq(&(*b)->block_id, id)) return *b;
    return NULL;
}
const struct sn_cons_block_votes *sn_cons_vote_set_for(const struct sn_cons_vote_set *s,
                                                       const struct sn_cons_block_id *block_id)
{
    return s ? find_block(s, block_id) : NULL;
}

/* The vote of that validator for that block, if it is here. */
static struct sn_cons_vote *find_vote(const struct sn_cons_vote_set *s, int32_t index,
                                      const struct sn_cons_block_id *id)
{
    struct sn_cons_vote *v = s->votes[index];
    if (v && sn_cons_block_id_eq(&v->block_id, id)) return v;
    const struct sn_cons_block_votes *b = find_block(s, id);
    if (!b || !sn_cons_bits_get(&b->bits, (uint32_t)index)) return NULL;
    SN_VEC_EACH(&b->votes, x)
        if ((*x)->index == index) return *x;
    return NULL;
}

static int check_signature(const struct sn_cons_vote_set *s, const struct sn_cons_verifier *v,
                           struct sn_str chain_id, const struct sn_cons_vote *vote)
{
    const struct sn_cons_key *key = &s->vals->vals[vote->index].key;
    struct sn_buf msg SN_CLEANUP(sn_buf_done);
    sn_buf_init(&msg, 0);
    int r = sn_cons_vote_sign_bytes(chain_id, vote, &msg);
    if (r >= 0) r = sn_cons_verify(v, key, sn_buf_view(&msg), &vote->sig);
    if (r < 0) return r;
    if (r == 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "vote of validator %d has a wrong signature",
                       vote->index);
    bool extended = vote->type == SN_CONS_PRECOMMIT && !sn_cons_block_id_is_nil(&vote->block_id);
    if (!s->extensions) {
        if (!vote->ext.len && !vote->ext_sig.len) return 0;
        return sn_fail(SN_E_INVALID_ARGUMENT, "vote of validator %d has an extension, expected none",
                       vote->index);
    }
    if (!extended) return 0;
    sn_buf_reset(&msg);
    r = sn_cons_extension_sign_bytes(chain_id, vote, &msg);
    if (r >= 0) r = sn_cons_verify(v, key, sn_buf_view(&msg), &vote->ext_sig);
    if (r == 0)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "vote extension of validator %d has a wrong signature", vote->index);
    return r < 0 ? r : 0;
}

int sn_cons_vote_set_admit(const struct sn_cons_vote_set *s, const struct sn_cons_verifier *v,
                           struct sn_str chain_id, const struct sn_cons_vote *vote)
{
    if (vote->height != s->height || vote->round != s->round || vote->type != s->type)
        return sn_fail(SN_E_INVALID_ARGUMENT, "vote for %lld/%d/%u, expected %lld/%d/%u",
                       (long long)vote->height, vote->round, vote->type, (long long)s->height,
                       s->round, s->type);
    if (vote->index < 0 || (uint32_t)vote->index >= s->vals->n)
        return sn_fail(SN_E_INVALID_ARGUMENT, "vote of validator %d, there are %u", vote->index,
                       s->vals->n);
    if (memcmp(vote->addr, s->vals->vals[vote->index].addr, SN_CONS_ADDR_LEN) != 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "vote of validator %d has another's address",
                       vote->index);
    const struct sn_cons_vote *old = find_vote(s, vote->index, &vote->block_id);
    if (old && old->sig.len == vote->sig.len &&
        memcmp(old->sig.b, vote->sig.b, vote->sig.len) == 0)
        return 0;
    if (old)
        return sn_fail(SN_E_ALREADY_EXISTS, "vote of validator %d comes with two signatures",
                       vote->index);
    int r = check_signature(s, v, chain_id, vote);
    return r < 0 ? r : 1;
}

static int block_new(struct sn_cons_vote_set *s, const struct sn_cons_block_id *id, bool claimed,
                     struct sn_cons_block_votes **ret)
{
    struct sn_cons_block_votes *b = SN_NEW(struct sn_cons_block_votes);
    if (!b || sn_cons_bits_init(&b->bits, s->vals->n) < 0 || sn_vec_push(&s->blocks, b) < 0) {
        block_votes_free(b);
        return SN_E_NOMEM;
    }
    b->block_id = *id;
    b->claimed = claimed;
    *ret = b;
    return 0;
}

static void set_vote(struct sn_cons_vote_set *s, struct sn_cons_vote *vote)
{
    struct sn_cons_vote *old = s->votes[vote->index];
    s->votes[vote->index] = sn_cons_vote_ref(vote);
    sn_cons_vote_unref(old);
    sn_cons_bits_set(&s->bits, (uint32_t)vote->index);
}

int sn_cons_vote_set_add(struct sn_cons_vote_set *s, struct sn_cons_vote *vote,
                         struct sn_cons_vote **ret_conflict)
{
    int64_t power = s->vals->vals[vote->index].power;
    struct sn_cons_vote *first = s->votes[vote->index];
    struct sn_cons_block_votes *b = find_block(s, &vote->block_id);
    *ret_conflict = first;
    if (first) { /* stays alive: it is also among its block's votes */
        SN_DCHECK(!sn_cons_block_id_eq(&first->block_id, &vote->block_id));
        /* What we gossip, and what the commit is made of, is the vote for the majority. */
        if (s->has_maj23 && sn_cons_block_id_eq(&s->maj23, &vote->block_id)) set_vote(s, vote);
        if (!b || !b->claimed) return 0;
    } else if (!b) {
        int r = block_new(s, &vote->block_id, false, &b);
        if (r < 0) return r;
    }
    if (sn_vec_push(&b->votes, vote) < 0) return SN_E_NOMEM;
    sn_cons_vote_ref(vote);
    sn_cons_bits_set(&b->bits, (uint32_t)vote->index);
    if (!first) {
        set_vote(s, vote);
        s->sum += power;
    }
    int64_t quorum = s->vals->total * 2 / 3 + 1, before = b->sum;
    b->sum += power;
    if (before < quorum && quorum <= b->sum && !s->has_maj23) {
        s->has_maj23 = true;
        s->maj23 = vote->block_id;
        SN_VEC_EACH(&b->votes, v) set_vote(s, *v);
    }
    return 1;
}

int sn_cons_vote_set_claim(struct sn_cons_vote_set *s, const struct sn_cons_peer_id *peer,
                           const struct sn_cons_block_id *block_id)
{
    SN_VEC_EACH(&s->claims, c) {
        if (c->peer.len != peer->len || memcmp(c->peer.b, peer->b, peer->len) != 0) continue;
        if (sn_cons_block_id_eq(&c->block_id, block_id)) return 0;
        return sn_fail(SN_E_INVALID_ARGUMENT, "peer %.*s claims a majority for two blocks",
                       peer->len, peer->b);
    }
    if (s->claims.len == SN_CONS_CLAIMS_MAX)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "more than %d claims of a majority",
                       SN_CONS_CLAIMS_MAX);
    if (sn_vec_reserve(&s->claims, s->claims.len + 1) < 0) return SN_E_NOMEM;
    struct sn_cons_block_votes *b = find_block(s, block_id);
    if (!b) {
        int r = block_new(s, block_id, true, &b);
        if (r < 0) return r;
    }
    b->claimed = true;
    s->claims.ptr[s->claims.len++] = (struct sn_cons_claim){*peer, *block_id};
    return 0;
}

bool sn_cons_vote_set_two_thirds_any(const struct sn_cons_vote_set *s)
{
    return s && s->sum > s->vals->total * 2 / 3;
}
bool sn_cons_vote_set_all(const struct sn_cons_vote_set *s)
{
    return s && s->sum == s->vals->total;
}
const struct sn_cons_block_id *sn_cons_vote_set_maj23(const struct sn_cons_vote_set *s)
{
    return s && s->has_maj23 ? &s->maj23 : NULL;
}

int sn_cons_vote_set_commit(const struct sn_cons_vote_set *s, struct sn_arena *a,
                            struct sn_cons_commit *ret)
{
    SN_ASSERT(s->has_maj23 && s->type == SN_CONS_PRECOMMIT);
    *ret = (struct sn_cons_commit){
        .height = s->height, .round = s->round, .block_id = s->maj23, .n = s->vals->n};
    ret->sigs = SN_ARENA_ARRAY(a, struct sn_cons_commit_sig, ret->n + 1);
    if (!ret->sigs) return SN_E_NOMEM;
    for (uint32_t i = 0; i < ret->n; i++) {
        const struct sn_cons_vote *v = s->votes[i];
        struct sn_cons_commit_sig *c = &ret->sigs[i];
        bool nil = v && sn_cons_block_id_is_nil(&v->block_id);
        c->flag = SN_CONS_ABSENT;
        c->time = SN_CONS_TIME_ZERO;
        if (!v || (!nil && !sn_cons_block_id_eq(&v->block_id, &s->maj23))) continue;
        c->flag = nil ? SN_CONS_NIL : SN_CONS_COMMIT;
        memcpy(c->addr, v->addr, SN_CONS_ADDR_LEN);
        c->time = v->time;
        c->sig = v->sig;
        if (!s->extensions) continue;
        c->ext = v->ext;
        c->ext_sig = v->ext_sig;
    }
    return 0;
}

/* ---- a height's rounds ---- */

void sn_cons_height_votes_init(struct sn_cons_height_votes *h, int64_t height, bool extensions,
                               struct sn_cons_valset *vals)
{
    *h = (struct sn_cons_height_votes){
        .height = height, .extensions = extensions, .vals = sn_cons_valset_ref(vals)};
}
void sn_cons_height_votes_done(struct sn_cons_height_votes *h)
{
    SN_VEC_EACH(&h->rounds, r) {
        sn_cons_vote_set_free(r->prevotes);
        sn_cons_vote_set_free(r->precommits);
    }
    sn_vec_done(&h->rounds);
    sn_vec_done(&h->catchup);
    sn_cons_valset_unref(h->vals);
    h->vals = NULL;
}

static struct sn_cons_round_votes *find_round(const struct sn_cons_height_votes *h, int32_t round)
{
    for (size_t i = h->rounds.len; i-- > 0;)
        if (h->rounds.ptr[i].round == round) return &h->rounds.ptr[i];
    return NULL;
}
struct sn_cons_vote_set *sn_cons_height_votes_get(const struct sn_cons_height_votes *h,
                                                  int32_t round, uint8_t type)
{
    const struct sn_cons_round_votes *r = find_round(h, round);
    return !r ? NULL : type == SN_CONS_PREVOTE ? r->prevotes : r->precommits;
}

/* A round beyond those we follow counts against the peer that brought it up. */
static int spend_catchup(struct sn_cons_height_votes *h, int32_t round,
                         const struct sn_cons_peer_id *peer)
{
    struct sn_cons_catchup *c = NULL;
    SN_VEC_EACH(&h->catchup, x)
        if (x->peer.len == peer->len && memcmp(x->peer.b, peer->b, peer->len) == 0) c = x;
    if (!c && h->catchup.len == SN_CONS_CATCHUP_PEERS_MAX)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "votes for rounds ahead from more than %d peers",
                       SN_CONS_CATCHUP_PEERS_MAX);
    if (!c && !(c = sn_vec_add(&h->catchup))) return SN_E_NOMEM;
    c->peer = *peer;
    if (c->n == 2)
        return sn_fail(SN_E_FAILED_PRECONDITION,
                       "peer %.*s sends votes for round %d, a third one beyond our round %d",
                       peer->len, peer->b, round, h->round);
    c->rounds[c->n++] = round;
    return 0;
}

static int add_round(struct sn_cons_height_votes *h, int32_t round, struct sn_cons_round_votes **ret)
{
    if (h->rounds.len == SN_CONS_ROUNDS_MAX)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "votes for more than %d rounds",
                       SN_CONS_ROUNDS_MAX);
    struct sn_cons_round_votes n = {.round = round};
    int r = sn_vec_reserve(&h->rounds, h->rounds.len + 1);
    if (r >= 0)
        r = sn_cons_vote_set_new(h->height, round, SN_CONS_PREVOTE, false, h->vals, &n.prevotes);
    if (r >= 0)
        r = sn_cons_vote_set_new(h->height, round, SN_CONS_PRECOMMIT, h->extensions, h->vals,
                                 &n.precommits);
    if (r < 0) {
        sn_cons_vote_set_free(n.prevotes);
        return r;
    }
    size_t at = h->rounds.len++;
    for (; at > 0 && h->rounds.ptr[at - 1].round > round; at--)
        h->rounds.ptr[at] = h->rounds.ptr[at - 1];
    h->rounds.ptr[at] = n;
    *ret = &h->rounds.ptr[at];
    return 0;
}

int sn_cons_height_votes_open(struct sn_cons_height_votes *h, int32_t round, uint8_t type,
                              const struct sn_cons_peer_id *peer, struct sn_cons_vote_set **ret)
{
    struct sn_cons_round_votes *r = find_round(h, round);
    if (!r) {
        int e = round > h->round ? spend_catchup(h, round, peer) : 0;
        if (e >= 0) e = add_round(h, round, &r);
        if (e < 0) return e;
    }
    *ret = type == SN_CONS_PREVOTE ? r->prevotes : r->precommits;
    return 0;
}

struct sn_cons_vote_set *sn_cons_height_votes_take(struct sn_cons_height_votes *h, int32_t round)
{
    struct sn_cons_round_votes *r = find_round(h, round);
    struct sn_cons_vote_set *s = r ? r->precommits : NULL;
    if (r) r->precommits = NULL;
    return s;
}

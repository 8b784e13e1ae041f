/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/sim_byz_test.c - signing, and validators that sign what they must not. Their own core runs
 * by the rules; what leaves the node does not. */
#include "consensus/hash.h"
#include "consensus/sim_world_test.h"
#include "core/map.h"
#include "harness/test.h"

/* ---- signatures: a keyed hash, as long as the others' ---- */

void sim_sign(const struct sn_cons_key *key, struct sn_str msg, struct sn_cons_sig *ret)
{
    uint64_t h = sn_hash(key->b, key->len, 1);
    ret->len = 64;
    for (unsigned i = 0; i < 8; i++) {
        h = sn_hash(msg.ptr, msg.len, h + i);
        memcpy(ret->b + 8 * i, &h, 8);
    }
}
static int verify(const struct sn_cons_verifier *v, struct sn_cons_check *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct sn_cons_sig want;
        sim_sign(c[i].key, c[i].msg, &want);
        c[i].ok = c[i].sig->len == 64 && memcmp(want.b, c[i].sig->b, 64) == 0;
    }
    return 0;
}
const struct sn_cons_verifier sim_verifier = {verify};

#define CHAIN SN_STR("sim")

/* The world remembers what was signed: an honest node never signs two blocks in one place. */
static void remember(struct node *n, const struct sn_cons_vote *v)
{
    struct world *w = n->w;
    for (size_t i = w->votes.len; i-- > 0 && w->votes.len - i < 4096;) {
        const struct signed_vote *o = &w->votes.ptr[i];
        if (o->node != n->id || o->height != v->height || o->round != v->round || o->type != v->type)
            continue;
        bool same = sn_cons_block_id_eq(&o->block_id, &v->block_id);
        T_ASSERTF(same || n->what != HONEST, "honest node %d signed two votes at %lld/%d/%u", n->id,
                  (long long)v->height, v->round, v->type);
        if (same) return;
    }
    T_OK(sn_vec_push(&w->votes,
                     (struct signed_vote){n->id, v->height, v->round, v->type, v->block_id}));
}
void sign_vote(struct node *n, struct sn_cons_vote *v)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    T_OK(sn_cons_vote_sign_bytes(CHAIN, v, &b));
    sim_sign(&n->val.key, sn_buf_view(&b), &v->sig);
    v->ext_sig.len = 0;
    if (n->w->o.extensions && v->type == SN_CONS_PRECOMMIT && !sn_cons_block_id_is_nil(&v->block_id) &&
        v->height >= 2) {
        sn_buf_reset(&b);
        T_OK(sn_cons_extension_sign_bytes(CHAIN, v, &b));
        sim_sign(&n->val.key, sn_buf_view(&b), &v->ext_sig);
    }
    sn_buf_done(&b);
    remember(n, v);
}
void sign_proposal(struct node *n, struct sn_cons_proposal *p)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    T_OK(sn_cons_proposal_sign_bytes(CHAIN, p, &b));
    sim_sign(&n->val.key, sn_buf_view(&b), &p->sig);
    sn_buf_done(&b);
}

/* ---- lies ---- */

static void some(struct node *n, struct packet *p, uint64_t mask)
{
    for (int i = 0; i < n->w->n; i++)
        if (i != n->id && mask >> i & 1) {
            p->refs++;
            world_send(n, i, p);
        }
    packet_unref(p);
}
static struct packet *vote_packet(const struct sn_cons_vote *v)
{
    return packet_new(&(struct sn_cons_msg){.kind = SN_CONS_MSG_VOTE, .vote = v});
}
/* A block that somebody proposed in this height, or one that does not exist, or nil. */
static struct sn_cons_block_id other_block(struct node *n, const struct sn_cons_block_id *not)
{
    struct sn_cons_block_id id = {0};
    const struct sn_cons_round_state *rs = sn_cons_core_round(n->core);
    if (rs->has_proposal && !sn_cons_block_id_eq(&rs->proposal.block_id, not) &&
        world_chance(n->w, 0.7))
        return rs->proposal.block_id;
    if (!sn_cons_block_id_is_nil(not) && world_chance(n->w, 0.5)) return id;
    id.hash.len = id.parts.hash.len = 32;
    id.parts.total = 1;
    sn_rand_bytes(&n->w->rand, id.hash.b, 32);
    return id;
}

/* To each group the vote for the block it was shown. */
static bool plotted_vote(struct node *n, const struct sn_cons_vote *v)
{
    struct world *w = n->w;
    if (!w->o.heavy_byz || w->plot_height != v->height || w->plot_round != v->round) return false;
    for (int g = 0; g < 2; g++) {
        struct sn_cons_vote lie = *v;
        lie.block_id = w->plot[g];
        sign_vote(n, &lie);
        if (g == 0) own_vote(n, &lie);
        some(n, vote_packet(&lie), group_mask(w, g));
    }
    return true;
}

void byz_sign_vote(struct node *n, const struct sn_cons_action *a)
{
    struct world *w = n->w;
    struct sn_cons_vote v = *a->vote, lie = *a->vote;
    const struct sn_cons_round_state *rs = sn_cons_core_round(n->core);
    if (n->what == EQUIVOCATE && plotted_vote(n, &v)) return;
    uint64_t all = UINT64_MAX, mask = sn_rand_u64(&w->rand);
    if (n->what == SILENT && world_chance(w, 0.7)) return;
    if (n->what == AMNESIA && rs->has_proposal) /* whatever is on the table, locked or not */
        v.block_id = rs->proposal.block_id;
    if (n->what == AMNESIA && v.type == SN_CONS_PREVOTE) v.ext = (struct sn_str){0};
    sign_vote(n, &v);
    own_vote(n, &v);
    if (n->what != EQUIVOCATE) {
        some(n, vote_packet(&v), all);
        return;
    }
    lie.block_id = other_block(n, &v.block_id);
    if (sn_cons_block_id_is_nil(&lie.block_id)) lie.ext = (struct sn_str){0};
    sign_vote(n, &lie);
    some(n, vote_packet(&v), mask);
    some(n, vote_packet(&lie), world_chance(w, 0.3) ? all : ~mask);
}

/* The block with something wrong in its header, its hashes otherwise right. */
static struct sn_cons_part_set *spoil(struct node *n, const struct sn_cons_block *b,
                                      struct sn_cons_hash *ret)
{
    struct sn_buf buf;
    struct sn_cons_block *c;
    struct sn_cons_part_set *parts;
    sn_buf_init(&buf, 0);
    T_OK(sn_cons_block_encode(b, &buf));
    T_OK(sn_cons_block_decode(sn_buf_view(&buf), &c));
    switch (world_below(n->w, 6)) {
    case 0: c->header.app_hash.b[0] ^= 1; break;
    case 1: c->header.time.nsec ^= 1; break;
    case 2: c->header.next_validators_hash.b[3] ^= 1; break;
    case 3: c->header.data_hash.b[3] ^= 1; break;
    case 4: c->header.proposer[2] ^= 1; break;
    default: c->header.last_block_id.parts.total++; break;
    }
    sn_buf_reset(&buf);
    T_OK(sn_cons_header_hash(&c->header, ret));
    T_OK(sn_cons_block_encode(c, &buf));
    T_OK(sn_cons_part_set_split(sn_buf_view(&buf), &parts));
    sn_cons_block_unref(c);
    sn_buf_done(&buf);
    return parts;
}
/* A second valid block of the same height, with other transactions. */
static struct sn_cons_part_set *rival(struct node *n, const struct sn_cons_block *b,
                                      struct sn_cons_hash *ret)
{
    struct sn_str tx = SN_STR("rival");
    struct sn_cons_block_content c = {.txs = &tx, .n_txs = 1, .last_commit = b->last_commit};
    struct sn_cons_block *other;
    struct sn_cons_part_set *parts;
    struct sn_buf buf;
    memcpy(c.proposer, b->header.proposer, sizeof(c.proposer));
    sn_buf_init(&buf, 0);
    T_OK(sn_cons_state_make_block(sn_cons_core_state(n->core), &c, &other));
    T_OK(sn_cons_block_encode(other, &buf));
    T_OK(sn_cons_part_set_split(sn_buf_view(&buf), &parts));
    *ret = other->hash;
    sn_cons_block_unref(other);
    sn_buf_done(&buf);
    return parts;
}

static void show(struct node *n, const struct sn_cons_proposal *p, struct sn_cons_part_set *parts,
                 uint64_t mask, uint32_t n_parts)
{
    some(n, packet_new(&(struct sn_cons_msg){.kind = SN_CONS_MSG_PROPOSAL, .proposal = *p}), mask);
    for (uint32_t i = 0; i < n_parts; i++)
        some(n, packet_new(&(struct sn_cons_msg){.kind = SN_CONS_MSG_BLOCK_PART, .height = p->height,
                                                 .round = p->round, .part = *parts->parts[i]}),
             mask);
}

void byz_sign_proposal(struct node *n, const struct sn_cons_action *a)
{
    struct world *w = n->w;
    struct sn_cons_proposal p = a->proposal, q;
    struct sn_cons_part_set *parts = sn_cons_part_set_ref(a->parts), *other;
    uint64_t mask = UINT64_MAX, all = UINT64_MAX;
    if (n->what == INVALID && world_chance(w, 0.7)) {
        sn_cons_part_set_unref(parts);
        parts = spoil(n, a->block, &p.block_id.hash);
        p.block_id.parts = parts->header;
    }
    if (n->what == WRONG_POL && p.round > 0) p.pol_round = (int32_t)world_below(w, (uint64_t)p.round);
    if (n->what == SILENT && world_chance(w, 0.5)) mask = 0;
    sign_proposal(n, &p);
    if (n->what == EQUIVOCATE) {
        mask = w->o.heavy_byz ? group_mask(w, 0) : sn_rand_u64(&w->rand);
        q = p;
        other = rival(n, a->block, &q.block_id.hash);
        q.block_id.parts = other->header;
        q.pol_round = -1;
        sign_proposal(n, &q);
        w->plot_height = p.height;
        w->plot_round = p.round;
        w->plot[0] = p.block_id;
        w->plot[1] = q.block_id;
        show(n, &q, other, w->o.heavy_byz ? group_mask(w, 1) : ~mask, other->header.total);
        sn_cons_part_set_unref(other);
    }
    if (n->what == AMNESIA && w->o.heavy_byz) mask = group_mask(w, (int)world_below(w, 2));
    own_proposal(n, &p, parts);
    uint32_t n_parts = parts->header.total;
    if (n->what == WITHHOLD) { /* the proposal for all, the block for some or none */
        show(n, &p, parts, all, 0);
        mask = sn_rand_u64(&w->rand) & sn_rand_u64(&w->rand);
        if (world_chance(w, 0.5)) n_parts--;
    }
    show(n, &p, parts, mask, n_parts);
    sn_cons_part_set_unref(parts);
}

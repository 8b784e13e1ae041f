/* SPDX-License-Identifier: Apache-2.0 */
/* reactors/consensus.c - what peers say goes to their state and to the engine; what the engine says
 * wakes the peers' fibers. */
#include "consensus/reactors/consensus.h"

#include <string.h>

#include "consensus/key.h"
#include "consensus/reactors/consensus_int.h"
#include "core/alloc.h"

#define MESSAGE_ARENA_MAX (8u << 20)

/* CometBFT's priorities, queues and message sizes. */
static const struct sn_mconn_channel channels[] = {
    {.id = SN_STATE_CHANNEL, .priority = 6, .messages_max = 100, .recv_bytes_max = SN_CONS_MSG_MAX},
    {.id = SN_DATA_CHANNEL, .priority = 10, .messages_max = 100, .recv_bytes_max = SN_CONS_MSG_MAX},
    {.id = SN_VOTE_CHANNEL, .priority = 7, .messages_max = 100, .recv_bytes_max = SN_CONS_MSG_MAX},
    {.id = SN_VOTE_BITS_CHANNEL,
     .priority = 1,
     .messages_max = 2,
     .recv_bytes_max = SN_CONS_MSG_MAX},
};
static uint8_t channel_of(enum sn_cons_msg_kind kind)
{
    switch (kind) {
    case SN_CONS_MSG_PROPOSAL:
    case SN_CONS_MSG_PROPOSAL_POL:
    case SN_CONS_MSG_BLOCK_PART: return SN_DATA_CHANNEL;
    case SN_CONS_MSG_VOTE: return SN_VOTE_CHANNEL;
    case SN_CONS_MSG_VOTE_SET_BITS: return SN_VOTE_BITS_CHANNEL;
    default: return SN_STATE_CHANNEL;
    }
}

/* ---- waking ---- */

void sn_gossip_wake(struct sn_gossip_waker *w, unsigned flags)
{
    atomic_fetch_or(&w->flags, flags);
    /* Full: it has been rung, and will see these flags too. */
    if (sn_chan_try_send(w->bell, NULL) < 0) return;
}
static void wake_all(struct sn_consensus_reactor *r, unsigned votes, unsigned data)
{
    sn_spin_lock(&r->lock);
    for (struct sn_gossip_link *l = r->links; l; l = l->next) {
        if (votes) sn_gossip_wake(&l->votes, votes);
        if (data) sn_gossip_wake(&l->data, data);
    }
    sn_spin_unlock(&r->lock);
}

/* ---- from the engine: its lock is held, nothing may suspend ---- */

static void news_of_vote(struct sn_consensus_reactor *r, const struct sn_cons_vote *v)
{
    bool own = r->has_key && memcmp(v->addr, r->addr, SN_CONS_ADDR_LEN) == 0;
    sn_spin_lock(&r->lock);
    r->has_votes[r->has_votes_end++ % SN_GOSSIP_HAS_VOTES_MAX] =
        (struct sn_gossip_has_vote){v->height, v->round, v->index, v->type};
    sn_spin_unlock(&r->lock);
    wake_all(r, SN_WAKE_HAS_VOTES | (own ? SN_WAKE_OWN : SN_WAKE_RELAY), 0);
}
static void on_news(void *arg, const struct sn_cons_action *a, const struct sn_cons_msg *own)
{
    struct sn_consensus_reactor *r = arg;
    if (own && own->kind == SN_CONS_MSG_PROPOSAL)
        atomic_store(&r->proposed_height, own->proposal.height);
    if (own && own->kind != SN_CONS_MSG_VOTE) wake_all(r, 0, SN_WAKE_OWN);
    if (!a) return;
    if (a->kind == SN_CONS_ACT_NEW_STEP) {
        atomic_store(&r->height, a->height);
        wake_all(r, SN_WAKE_STEP | SN_WAKE_RELAY, SN_WAKE_RELAY);
    } else if (a->kind == SN_CONS_ACT_VALID_BLOCK) {
        wake_all(r, SN_WAKE_BLOCK, SN_WAKE_EXPECT | SN_WAKE_RELAY);
    } else if (a->kind == SN_CONS_ACT_HAS_VOTE) {
        news_of_vote(r, a->vote);
    }
}

/* What the engine found wrong with a message. Places that have passed meanwhile and limits are
 * nobody's fault. */
static void on_fault(void *arg, const struct sn_cons_peer_id *peer, int error)
{
    struct sn_consensus_reactor *r = arg;
    if (error != SN_E_INVALID_ARGUMENT && error != SN_E_TOO_LARGE && error != SN_E_ALREADY_EXISTS)
        return;
    int64_t now = sn_now();
    r->stats.faults++;
    sn_spin_lock(&r->lock);
    for (struct sn_gossip_link *l = r->links; l; l = l->next) {
        if (l->id.len != peer->len || memcmp(l->id.b, peer->b, peer->len) != 0) continue;
        if (now - l->faults_since > 60 * SN_SEC) {
            l->faults_since = now;
            l->faults = 0;
        }
        if (++l->faults <= SN_GOSSIP_FAULTS_MAX) continue;
        atomic_store(&l->fault, error);
        sn_gossip_wake(&l->votes, SN_WAKE_STEP);
    }
    sn_spin_unlock(&r->lock);
}

/* ---- from a peer ---- */

static int on_step(struct sn_gossip_link *l, const struct sn_cons_msg *m)
{
    int r = sn_gossip_check_step(m, l->r->view->genesis->initial_height);
    if (r < 0) return r;
    sn_mutex_lock_always(&l->lock);
    bool moved = sn_gossip_heard(&l->state, m, sn_wall_now());
    sn_mutex_unlock(&l->lock);
    if (!moved) return 0;
    sn_switch_peer_set_height(l->sp, m->height);
    sn_gossip_wake(&l->votes, SN_WAKE_RELAY);
    sn_gossip_wake(&l->data, SN_WAKE_RELAY);
    return 0;
}

/* It names the block it expects. When its parts are under way already, as those of a commit that we
 * sent, they are not sent a second time at once. */
static void on_valid_block(struct sn_gossip_link *l, const struct sn_cons_msg *m)
{
    sn_mutex_lock_always(&l->lock);
    bool sent = atomic_load(&l->unasked) == m->height && l->state.height == m->height &&
                l->state.has_parts &&
                sn_cons_part_set_header_eq(&l->state.parts_header, &m->parts);
    bool changed = !sent && sn_gossip_heard(&l->state, m, 0);
    sn_mutex_unlock(&l->lock);
    if (sent && !atomic_load(&l->again_at)) atomic_store(&l->again_at, sn_now() + SN_GOSSIP_GRACE_NS);
    if (changed) sn_gossip_wake(&l->data, SN_WAKE_RELAY);
}

/* A claim: the engine remembers it, the peer hears which of those votes we have. */
static int on_claim(struct sn_gossip_link *l, const struct sn_cons_msg *m, struct sn_str encoded)
{
    struct sn_engine *e = l->r->view->engine;
    struct sn_buf out SN_CLEANUP(sn_buf_done);
    sn_buf_init(&out, 0);
    const struct sn_cons_round_state *rs = sn_engine_lock(e);
    int r = SN_E_NOT_FOUND;
    if (rs && rs->height == m->height) {
        struct sn_cons_msg answer = *m;
        const struct sn_cons_bits *bits = sn_gossip_our_bits(rs, m);
        answer.kind = SN_CONS_MSG_VOTE_SET_BITS;
        answer.bits = bits ? *bits : (struct sn_cons_bits){0};
        r = sn_cons_msg_encode(&answer, &out);
    }
    sn_engine_unlock(e);
    if (r == SN_E_NOT_FOUND) return 0;
    if (r >= 0) r = sn_engine_submit(e, &l->id, encoded);
    if (r < 0) return r;
    r = sn_switch_peer_try_send(l->sp, SN_VOTE_BITS_CHANNEL, out.ptr, out.len);
    return r == SN_E_BUSY || r == SN_E_NOT_FOUND ? 0 : r;
}

static void on_bits(struct sn_gossip_link *l, const struct sn_cons_msg *m)
{
    struct sn_engine *e = l->r->view->engine;
    const struct sn_cons_round_state *rs = sn_engine_lock(e);
    sn_mutex_lock_always(&l->lock);
    static const struct sn_cons_bits none = {0};
    const struct sn_cons_bits *ours = NULL;
    if (rs && rs->height == m->height && !(ours = sn_gossip_our_bits(rs, m))) ours = &none;
    sn_gossip_bits(&l->state, m, ours);
    sn_mutex_unlock(&l->lock);
    sn_engine_unlock(e);
    sn_gossip_wake(&l->votes, SN_WAKE_RELAY);
}

/* A part of our height while we expect no block: kept until we do. */
static int keep_early(struct sn_gossip_link *l, const struct sn_cons_msg *m, struct sn_str encoded)
{
    int r = 0;
    sn_mutex_lock_always(&l->lock);
    if (l->early_height != m->height) {
        l->early_height = m->height;
        l->n_early = 0;
        sn_buf_reset(&l->early);
    }
    if (l->n_early < SN_GOSSIP_EARLY_MAX &&
        l->early.len + encoded.len <= SN_GOSSIP_EARLY_BYTES_MAX) {
        r = sn_buf_str(&l->early, encoded);
        if (r >= 0) l->early_ends[l->n_early++] = l->early.len;
    }
    sn_mutex_unlock(&l->lock);
    return r;
}
static bool is_late(const struct sn_cons_round_state *rs, const struct sn_cons_vote *v)
{
    return v->height < rs->height || (v->height == rs->height && v->round < rs->round);
}
/* A proposal, a part, a vote: the peer has it. The engine gets it unless it has it, too. */
static int on_content(struct sn_gossip_link *l, const struct sn_cons_msg *m, struct sn_str encoded)
{
    struct sn_consensus_reactor *r = l->r;
    struct sn_engine *e = r->view->engine;
    bool vote = m->kind == SN_CONS_MSG_VOTE, part = m->kind == SN_CONS_MSG_BLOCK_PART;
    const struct sn_cons_round_state *rs = sn_engine_lock(e);
    bool known = rs && sn_gossip_known(rs, m);
    bool early = part && rs && rs->height == m->height && !rs->parts;
    bool other = part && (early || !rs || rs->height != m->height);
    bool late = vote && rs && is_late(rs, m->vote);
    sn_engine_unlock(e);
    sn_mutex_lock_always(&l->lock);
    sn_gossip_has(&l->state, m);
    l->state.votes_told += vote && !known;
    l->state.parts_told += part && !known;
    sn_mutex_unlock(&l->lock);
    *(vote ? &r->stats.votes_in : part ? &r->stats.parts_in : &r->stats.proposals_in) += 1;
    l->parts_in += part;
    r->stats.parts_other += other;
    if (late)
        *(m->vote->type == SN_CONS_PREVOTE ? &r->stats.prevotes_late
                                           : &r->stats.precommits_late) += 1;
    if (known) {
        *(vote   ? &r->stats.votes_known
          : part ? &r->stats.parts_known
                 : &r->stats.proposals_known) += 1;
        return 0;
    }
    if (early) return keep_early(l, m, encoded);
    int s = sn_engine_submit(e, &l->id, encoded);
    if (s == SN_E_CLOSED) return 0;
    if (s >= 0 && !vote) wake_all(r, 0, SN_WAKE_RELAY);
    return s;
}

static int on_message(struct sn_gossip_link *l, const struct sn_cons_msg *m, struct sn_str encoded)
{
    bool running = sn_engine_running(l->r->view->engine);
    switch (m->kind) {
    case SN_CONS_MSG_NEW_ROUND_STEP: l->r->stats.announcements_in++; return on_step(l, m);
    case SN_CONS_MSG_NEW_VALID_BLOCK:
        l->r->stats.announcements_in++;
        on_valid_block(l, m);
        return 0;
    case SN_CONS_MSG_HAS_VOTE:
        l->r->stats.announcements_in++;
        __attribute__((fallthrough));
    case SN_CONS_MSG_PROPOSAL_POL:
        sn_mutex_lock_always(&l->lock);
        (void)sn_gossip_heard(&l->state, m, 0);
        sn_mutex_unlock(&l->lock);
        return 0;
    case SN_CONS_MSG_VOTE_SET_MAJ23: return running ? on_claim(l, m, encoded) : 0;
    case SN_CONS_MSG_VOTE_SET_BITS:
        if (running) on_bits(l, m);
        return 0;
    case SN_CONS_MSG_PROPOSAL:
    case SN_CONS_MSG_BLOCK_PART:
    case SN_CONS_MSG_VOTE: return running ? on_content(l, m, encoded) : 0;
    }
    return 0;
}

static int receive(void *arg, struct sn_switch_peer *sp, uint8_t channel, struct sn_str msg)
{
    struct sn_consensus_reactor *r = arg;
    struct sn_gossip_link *l = sn_switch_peer_get(sp, r->slot);
    if (!l) return 0;
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, MESSAGE_ARENA_MAX);
    struct sn_cons_msg m;
    int s = sn_cons_msg_decode(msg, &a, &m);
    if (s < 0) return s;
    /* On a channel that is not its own: left to versions that know why. */
    if (channel_of(m.kind) != channel) return 0;
    return on_message(l, &m, msg);
}

/* ---- peers ---- */

static void link_free(struct sn_gossip_link *l)
{
    if (!l) return;
    sn_chan_free(l->votes.bell);
    sn_chan_free(l->data.bell);
    sn_arena_done(&l->commit_arena);
    sn_buf_done(&l->early);
    sn_free(l);
}

static int link_new(struct sn_consensus_reactor *r, struct sn_switch_peer *sp,
                    struct sn_gossip_link **ret)
{
    const char *id = sn_switch_peer_id(sp);
    size_t n = strlen(id);
    if (n > SN_CONS_PEER_ID_MAX) return sn_fail(SN_E_INVALID_ARGUMENT, "peer id of %zu bytes", n);
    struct sn_gossip_link *l = SN_NEW(struct sn_gossip_link);
    if (!l) return SN_E_NOMEM;
    l->r = r;
    l->sp = sp;
    l->id.len = (uint8_t)n;
    memcpy(l->id.b, id, n);
    sn_gossip_peer_init(&l->state);
    sn_arena_init(&l->commit_arena, NULL, 0);
    sn_buf_init(&l->early, 0);
    sn_rand_seed(&l->votes_rand, sn_random());
    sn_rand_seed(&l->data_rand, sn_random());
    l->votes.bell = sn_chan_new(0, 1);
    l->data.bell = sn_chan_new(0, 1);
    if (!l->votes.bell || !l->data.bell) {
        link_free(l);
        return SN_E_NOMEM;
    }
    *ret = l;
    return 0;
}

static void unlink_peer(struct sn_gossip_link *l)
{
    sn_spin_lock(&l->r->lock);
    *l->pprev = l->next;
    if (l->next) l->next->pprev = l->pprev;
    sn_spin_unlock(&l->r->lock);
    link_free(l);
}

static int add_peer(void *arg, struct sn_switch_peer *sp)
{
    struct sn_consensus_reactor *r = arg;
    struct sn_gossip_link *l = NULL;
    for (size_t i = 0; i < SN_COUNT_OF(channels); i++)
        if (!sn_switch_peer_has_channel(sp, channels[i].id)) return 0; /* a seed: no consensus there */
    int s = link_new(r, sp, &l);
    if (s < 0) return s;
    sn_spin_lock(&r->lock);
    l->cursor = r->has_votes_end;
    l->next = r->links;
    l->pprev = &r->links;
    if (l->next) l->next->pprev = &l->next;
    r->links = l;
    sn_spin_unlock(&r->lock);
    sn_switch_peer_set(sp, r->slot, l);
    sn_gossip_wake(&l->votes, SN_WAKE_STEP | SN_WAKE_BLOCK | SN_WAKE_RELAY);
    sn_gossip_wake(&l->data, SN_WAKE_RELAY);
    s = sn_switch_peer_go(sp, "gossip votes", sn_gossip_vote_fiber, l);
    if (s < 0) { /* refused: remove_peer will not be called */
        sn_switch_peer_set(sp, r->slot, NULL);
        unlink_peer(l);
        return s;
    }
    s = sn_switch_peer_go(sp, "gossip data", sn_gossip_data_fiber, l);
    /* The first fiber has the link: it goes in remove_peer. */
    if (s < 0) sn_switch_peer_stop(sp, s, 0);
    return 0;
}

static void remove_peer(void *arg, struct sn_switch_peer *sp, int why)
{
    struct sn_consensus_reactor *r = arg;
    struct sn_gossip_link *l = sn_switch_peer_get(sp, r->slot);
    sn_switch_peer_set(sp, r->slot, NULL);
    if (l) unlink_peer(l);
}

/* ---- the reactor ---- */

int sn_consensus_reactor_new(struct sn_node_view *view, struct sn_consensus_reactor **ret)
{
    struct sn_consensus_reactor *r = SN_NEW(struct sn_consensus_reactor);
    if (!r) return SN_E_NOMEM;
    r->view = view;
    r->reactor = (struct sn_reactor){.name = "consensus",
                                     .channels = channels,
                                     .n_channels = SN_COUNT_OF(channels),
                                     .arg = r,
                                     .add_peer = add_peer,
                                     .receive = receive,
                                     .remove_peer = remove_peer};
    int s = 0;
    if (view->validator_key) {
        s = sn_cons_key_addr(view->validator_key, r->addr);
        r->has_key = true;
    }
    if (s >= 0) s = r->slot = sn_switch_add_reactor(view->sw, &r->reactor);
    if (s < 0) {
        sn_free(r);
        return s;
    }
    sn_engine_on_news(view->engine, on_news, r);
    sn_engine_on_fault(view->engine, on_fault, r);
    *ret = r;
    return 0;
}

void sn_consensus_reactor_free(struct sn_consensus_reactor *r)
{
    if (!r) return;
    SN_ASSERT(!r->links);
    sn_free(r);
}

/* Returns 1 copied, 0 its lock is taken, SN_E_NOT_FOUND. The list's lock keeps the link. */
static int try_copy(struct sn_consensus_reactor *r, struct sn_str id, struct sn_gossip_peer *ret)
{
    int found = SN_E_NOT_FOUND;
    sn_spin_lock(&r->lock);
    for (struct sn_gossip_link *l = r->links; l && found < 0; l = l->next) {
        if (!sn_str_eq(sn_str_of(l->id.b, l->id.len), id)) continue;
        found = sn_mutex_trylock(&l->lock);
        if (!found) break;
        *ret = l->state;
        sn_mutex_unlock(&l->lock);
    }
    sn_spin_unlock(&r->lock);
    return found;
}
bool sn_consensus_reactor_peer(struct sn_consensus_reactor *r, const char *id,
                               struct sn_gossip_peer *ret)
{
    int found;
    while ((found = try_copy(r, sn_str(id), ret)) == 0) sn_yield();
    return found > 0;
}

void sn_consensus_reactor_stats(const struct sn_consensus_reactor *r,
                                struct sn_consensus_reactor_stats *ret)
{
    *ret = (struct sn_consensus_reactor_stats){
        r->stats.votes_in,        r->stats.votes_known,      r->stats.votes_out,
        r->stats.parts_in,        r->stats.parts_known,      r->stats.parts_out,
        r->stats.proposals_in,    r->stats.proposals_known,  r->stats.proposals_out,
        r->stats.announcements_in, r->stats.announcements_out, r->stats.faults,
        r->stats.parts_other,     r->stats.prevotes_late,    r->stats.precommits_late};
}
uint64_t sn_consensus_reactor_parts(const struct sn_consensus_reactor *r,
                                    const struct sn_switch_peer *sp)
{
    struct sn_gossip_link *l = sn_switch_peer_get(sp, r->slot);
    return l ? atomic_load_explicit(&l->parts_in, memory_order_relaxed) : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* reactors/consensus_send.c - the two fibers of a peer: announcements, votes and claims in one,
 * proposals and parts in the other. What is picked is encoded under the engine's lock, since the
 * engine owns it, and sent without. */
#include <string.h>

#include "consensus/hash.h"
#include "consensus/reactors/consensus_int.h"
#include "consensus/valset.h"
#include "core/varint.h"

#define BATCH 16 /* messages encoded under one lock */
/* Numbers of tendermint.consensus.Message and BlockPart. */
#define TAG_MESSAGE_BLOCK_PART 0x2a
#define TAG_PART_HEIGHT 0x08
#define TAG_PART_ROUND 0x10
#define TAG_PART_PART 0x1a

/* Encoded messages, one after the other. */
struct batch {
    struct sn_buf buf;
    size_t ends[BATCH];
    unsigned n;
};
static int batch_add(struct batch *b, const struct sn_cons_msg *m)
{
    int r = sn_cons_msg_encode(m, &b->buf);
    if (r >= 0) b->ends[b->n++] = b->buf.len;
    return r;
}
static int batch_send_by(struct sn_gossip_link *l, uint8_t channel, struct batch *b,
                         int (*send)(struct sn_switch_peer *p, uint8_t channel, const void *data,
                                     size_t n))
{
    size_t at = 0;
    int r = 0;
    for (unsigned i = 0; i < b->n && r >= 0; i++) {
        r = send(l->sp, channel, (const char *)b->buf.ptr + at, b->ends[i] - at);
        at = b->ends[i];
    }
    b->n = 0;
    sn_buf_reset(&b->buf);
    return r;
}
static int batch_send(struct sn_gossip_link *l, uint8_t channel, struct batch *b)
{
    return batch_send_by(l, channel, b, sn_switch_peer_send);
}
/* What only saves others a message need not have a frame of its own. */
static int batch_send_soon(struct sn_gossip_link *l, uint8_t channel, struct batch *b)
{
    return batch_send_by(l, channel, b, sn_switch_peer_send_soon);
}

/* What the engine knows, and the peer's state, both locked; NULL while there is no engine. */
static const struct sn_cons_round_state *lock(struct sn_gossip_link *l)
{
    const struct sn_cons_round_state *rs = sn_engine_lock(l->r->view->engine);
    sn_mutex_lock_always(&l->lock);
    return rs;
}
static void unlock(struct sn_gossip_link *l)
{
    sn_mutex_unlock(&l->lock);
    sn_engine_unlock(l->r->view->engine);
}

/* Sleeps until rung or `until`; takes the flags. */
static int wait_for_news(struct sn_gossip_waker *w, int64_t until, unsigned *ret)
{
    struct sn_select_case c = {w->bell, SN_SELECT_RECV, NULL, 0};
    int r = 0;
    if (!atomic_load(&w->flags)) r = sn_select(&c, 1, SN_MAX(until, 1));
    *ret = atomic_exchange(&w->flags, 0);
    if (r == SN_E_DEADLINE_EXCEEDED || r == SN_E_AGAIN) return 0;
    return r < 0 ? r : 0;
}

/* ---- announcements ---- */

static bool same_place(const struct sn_gossip_link *l, const struct sn_cons_msg *m)
{
    return l->said_height == m->height && l->said_round == m->round && l->said_step == m->step;
}
static int announce_place(struct sn_gossip_link *l, unsigned flags)
{
    struct batch b = {.n = 0};
    struct sn_cons_msg m;
    int r = 0;
    const struct sn_cons_round_state *rs = lock(l);
    if (rs && (flags & SN_WAKE_STEP)) {
        sn_gossip_step(rs, sn_wall_now(), &m);
        if (!same_place(l, &m)) r = batch_add(&b, &m);
        l->said_height = m.height;
        l->said_round = m.round;
        l->said_step = m.step;
    }
    if (r >= 0 && rs && (flags & SN_WAKE_BLOCK) && sn_gossip_valid_block(rs, &m))
        r = batch_add(&b, &m);
    unlock(l);
    l->r->stats.announcements_out += b.n;
    if (r >= 0) r = batch_send(l, SN_STATE_CHANNEL, &b);
    sn_buf_done(&b.buf);
    return r;
}

/* Takes some of the votes to announce: of the height the peer knows us at, or late precommits. */
static unsigned next_has_votes(struct sn_gossip_link *l, struct sn_gossip_has_vote ret[BATCH])
{
    struct sn_consensus_reactor *r = l->r;
    unsigned n = 0;
    sn_spin_lock(&r->lock);
    if (r->has_votes_end - l->cursor > SN_GOSSIP_HAS_VOTES_MAX)
        l->cursor = r->has_votes_end - SN_GOSSIP_HAS_VOTES_MAX;
    while (n < BATCH && l->cursor < r->has_votes_end) {
        const struct sn_gossip_has_vote *v = &r->has_votes[l->cursor++ % SN_GOSSIP_HAS_VOTES_MAX];
        if (v->height == l->said_height || v->height == l->said_height - 1) ret[n++] = *v;
    }
    sn_spin_unlock(&r->lock);
    return n;
}
static int announce_votes(struct sn_gossip_link *l)
{
    struct sn_gossip_has_vote v[BATCH];
    struct batch b = {.n = 0};
    unsigned n;
    int r = 0;
    while (r >= 0 && (n = next_has_votes(l, v)) > 0) {
        for (unsigned i = 0; i < n && r >= 0; i++)
            r = batch_add(&b, &(struct sn_cons_msg){.kind = SN_CONS_MSG_HAS_VOTE,
                                                    .height = v[i].height,
                                                    .round = v[i].round,
                                                    .vote_type = v[i].type,
                                                    .index = v[i].index});
        if (r < 0) break;
        l->r->stats.announcements_out += n;
        r = batch_send_soon(l, SN_STATE_CHANNEL, &b);
    }
    sn_buf_done(&b.buf);
    return r;
}

/* ---- votes ---- */

static int32_t own_index(const struct sn_consensus_reactor *r, const struct sn_cons_round_state *rs)
{
    return r->has_key ? sn_cons_valset_find(rs->vals, r->addr) : -1;
}
/* Whatever the peer lacks of what we agree on; only our own votes where `own`. */
static int send_votes(struct sn_gossip_link *l, bool own)
{
    struct batch b = {.n = 0};
    struct sn_cons_msg m;
    int r = 0;
    do {
        r = batch_send(l, SN_VOTE_CHANNEL, &b);
        if (r < 0) break;
        const struct sn_cons_round_state *rs = lock(l);
        int32_t only = own && rs ? own_index(l->r, rs) : -1;
        if (rs && (!own || only >= 0))
            while (r >= 0 && b.n < BATCH &&
                   sn_gossip_pick_vote(&l->state, rs, only, &l->votes_rand, &m))
                r = batch_add(&b, &m);
        unlock(l);
        l->r->stats.votes_out += b.n;
    } while (r >= 0 && b.n);
    sn_buf_done(&b.buf);
    return r;
}

/* The height of a peer that is behind far enough for the stored commit of its height; 0: it is not. */
static int64_t stored_height(struct sn_gossip_link *l, int64_t behind)
{
    const struct sn_cons_block_store *s = l->r->view->blocks;
    int64_t ours = atomic_load(&l->r->height);
    sn_mutex_lock_always(&l->lock);
    int64_t h = l->state.height;
    sn_mutex_unlock(&l->lock);
    bool stored = h > 0 && h <= ours - behind && sn_cons_block_store_base(s) > 0 &&
                  h >= sn_cons_block_store_base(s) && h <= sn_cons_block_store_height(s);
    return stored ? h : 0;
}
static int load_commit(struct sn_gossip_link *l, int64_t height)
{
    struct sn_cons_block_store *s = l->r->view->blocks;
    if (l->commit_height == height) return 0;
    struct sn_cons_state *state;
    bool extended = sn_engine_lock(l->r->view->engine) &&
                    (state = sn_engine_state(l->r->view->engine)) &&
                    sn_cons_params_extensions(&state->params, height);
    sn_engine_unlock(l->r->view->engine);
    l->commit_height = 0;
    sn_arena_reset(&l->commit_arena);
    int r = extended
                ? sn_cons_block_store_extended(s, height, &l->commit_arena, &l->commit)
                : sn_cons_block_store_commit(s, height, &l->commit_arena, &l->commit);
    if (r >= 0) l->commit_height = height;
    return r;
}
/* Votes of the commit of an earlier height, from the store. */
static int send_commit(struct sn_gossip_link *l)
{
    struct batch b = {.n = 0};
    uint32_t i;
    int64_t h = stored_height(l, 2);
    int r = h ? load_commit(l, h) : 0;
    if (r == SN_E_NOT_FOUND) return 0; /* pruned meanwhile */
    while (h && r >= 0) {
        sn_mutex_lock_always(&l->lock);
        while (r >= 0 && b.n < BATCH && l->state.height == h &&
               sn_gossip_pick_commit(&l->state, &l->commit, &l->votes_rand, &i)) {
            struct sn_cons_vote v;
            sn_cons_commit_vote(&l->commit, i, &v);
            r = batch_add(&b, &(struct sn_cons_msg){.kind = SN_CONS_MSG_VOTE, .vote = &v});
        }
        sn_mutex_unlock(&l->lock);
        if (b.n == 0) break;
        l->r->stats.votes_out += b.n;
        if (r >= 0) r = batch_send(l, SN_VOTE_CHANNEL, &b);
    }
    sn_buf_done(&b.buf);
    return r;
}

/* Everything the peer needs to commit its height is on the way: its parts may follow at once. A peer
 * that waits for them to be asked for loses two of the other's flush intervals per block. */
static void commit_is_sent(struct sn_gossip_link *l)
{
    sn_mutex_lock_always(&l->lock);
    int64_t h = l->state.height;
    sn_mutex_unlock(&l->lock);
    if (h == 0 || h >= atomic_load(&l->r->height) || atomic_exchange(&l->commit_sent, h) == h) return;
    sn_gossip_wake(&l->data, SN_WAKE_OWN);
}

/* ---- claims ---- */

static int send_claims(struct sn_gossip_link *l)
{
    struct sn_cons_msg m[SN_GOSSIP_CLAIMS_MAX];
    struct batch b = {.n = 0};
    const struct sn_cons_round_state *rs = lock(l);
    unsigned n = rs ? sn_gossip_claims(&l->state, rs, m) : 0;
    int64_t catchup = l->state.catchup_round >= 0 ? l->state.height : 0;
    unlock(l);
    int r = 0;
    for (unsigned i = 0; i < n && r >= 0; i++) r = batch_add(&b, &m[i]);
    if (catchup && catchup == l->commit_height && r >= 0)
        r = batch_add(&b, &(struct sn_cons_msg){.kind = SN_CONS_MSG_VOTE_SET_MAJ23,
                                                .height = catchup,
                                                .round = l->commit.round,
                                                .vote_type = SN_CONS_PRECOMMIT,
                                                .block_id = l->commit.block_id});
    if (r >= 0) r = batch_send(l, SN_STATE_CHANNEL, &b);
    sn_buf_done(&b.buf);
    return r;
}

/* ---- the vote fiber ---- */

/* How long what others sent us waits before it goes on to this peer. */
static int64_t relay_delay(struct sn_gossip_link *l, bool data)
{
    int64_t ours = atomic_load(&l->r->height);
    sn_mutex_lock_always(&l->lock);
    int64_t behind = ours - l->state.height;
    bool voting = l->state.step >= SN_CONS_STEP_PREVOTE && l->state.step < SN_CONS_STEP_COMMIT;
    sn_mutex_unlock(&l->lock);
    if (behind >= 2 || (data && atomic_load(&l->r->proposed_height) == ours && behind == 0)) return 0;
    return data && voting ? SN_GOSSIP_RELAY_VOTING_NS : SN_GOSSIP_RELAY_NS;
}

int sn_gossip_vote_fiber(void *arg)
{
    struct sn_gossip_link *l = arg;
    int64_t claims_at = sn_now() + SN_GOSSIP_CLAIMS_NS, relay_at = 0;
    for (;;) {
        unsigned flags = 0;
        int64_t until = SN_MIN(claims_at, sn_now() + SN_GOSSIP_IDLE_NS);
        if (relay_at) until = SN_MIN(until, relay_at);
        int r = wait_for_news(&l->votes, until, &flags);
        int fault = atomic_load(&l->fault);
        if (r >= 0 && fault)
            r = sn_fail(fault, "more than %d of its messages broke the rules", SN_GOSSIP_FAULTS_MAX);
        int64_t now = sn_now();
        if (!relay_at && ((flags & SN_WAKE_RELAY) || now >= until))
            relay_at = now + ((flags & SN_WAKE_RELAY) ? relay_delay(l, false) : 0);
        /* The votes of a place before we are said to have left it: later they say nothing there. */
        if (r >= 0 && l->said_height) r = announce_votes(l);
        if (r >= 0 && (flags & (SN_WAKE_STEP | SN_WAKE_BLOCK))) r = announce_place(l, flags);
        if (r >= 0 && (flags & SN_WAKE_OWN)) r = send_votes(l, true);
        if (r >= 0 && relay_at && now >= relay_at) {
            relay_at = 0;
            r = send_votes(l, false);
            if (r >= 0) r = send_commit(l);
            if (r >= 0) commit_is_sent(l);
        }
        if (r >= 0 && now >= claims_at) {
            claims_at = now + SN_GOSSIP_CLAIMS_NS;
            r = send_claims(l);
        }
        if (r < 0) return r;
    }
}

/* ---- the data fiber ---- */

/* Whether it is a part of the block we expect: another one would be held against the peer. */
static bool belongs(const struct sn_cons_part_set_header *h, struct sn_str encoded)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_cons_part_set *set = NULL;
    struct sn_cons_msg m;
    sn_arena_init(&a, NULL, 0);
    int r = sn_cons_msg_decode(encoded, &a, &m);
    if (r >= 0) r = sn_cons_part_set_new(h, &set);
    if (r >= 0) r = sn_cons_part_set_add(set, &m.part);
    sn_cons_part_set_unref(set);
    return r == 1;
}
/* The parts that came before we knew which block to expect, now that we do. */
static int submit_early(struct sn_gossip_link *l)
{
    struct sn_buf early SN_CLEANUP(sn_buf_done);
    size_t ends[SN_GOSSIP_EARLY_MAX], at = 0;
    struct sn_cons_part_set_header h = {0};
    unsigned n = 0;
    sn_buf_init(&early, 0);
    const struct sn_cons_round_state *rs = lock(l);
    if (l->n_early && rs && (rs->height != l->early_height || rs->parts)) {
        if (rs->height == l->early_height) {
            h = rs->parts->header;
            n = l->n_early;
            memcpy(ends, l->early_ends, n * sizeof(*ends));
            early = l->early;
            sn_buf_init(&l->early, 0);
        }
        sn_buf_reset(&l->early);
        l->n_early = 0;
    }
    unlock(l);
    int r = 0;
    for (unsigned i = 0; i < n && r >= 0; at = ends[i++]) {
        struct sn_str one = sn_str_sub(sn_buf_view(&early), at, ends[i]);
        if (belongs(&h, one)) r = sn_engine_submit(l->r->view->engine, &l->id, one);
    }
    return r == SN_E_CLOSED ? 0 : r;
}

static int send_data(struct sn_gossip_link *l)
{
    struct sn_cons_msg m;
    struct batch b = {.n = 0};
    int r = 0;
    for (;;) {
        const struct sn_cons_round_state *rs = lock(l);
        bool some = rs && sn_gossip_pick_data(&l->state, rs, &l->data_rand, &m);
        if (some) r = batch_add(&b, &m);
        unlock(l);
        if (!some || r < 0) break;
        *(m.kind == SN_CONS_MSG_BLOCK_PART ? &l->r->stats.parts_out
                                           : &l->r->stats.proposals_out) += 1;
        if ((r = batch_send(l, SN_DATA_CHANNEL, &b)) < 0) break;
    }
    sn_buf_done(&b.buf);
    return r;
}

static int put_varint(struct sn_buf *out, uint64_t v)
{
    uint8_t b[SN_VARINT_MAX];
    return sn_buf_put(out, b, sn_varint_put(b, v));
}
int sn_gossip_old_part(int64_t height, int32_t round, struct sn_str part, struct sn_buf *out)
{
    uint64_t h = (uint64_t)height, n = (uint64_t)(uint32_t)round;
    size_t inner = (h ? 1 + sn_varint_len(h) : 0) + (n ? 1 + sn_varint_len(n) : 0) + 1 +
                   sn_varint_len(part.len) + part.len;
    int r = sn_buf_byte(out, TAG_MESSAGE_BLOCK_PART);
    if (r >= 0) r = put_varint(out, inner);
    if (r >= 0 && h) r = sn_buf_byte(out, TAG_PART_HEIGHT);
    if (r >= 0 && h) r = put_varint(out, h);
    if (r >= 0 && n) r = sn_buf_byte(out, TAG_PART_ROUND);
    if (r >= 0 && n) r = put_varint(out, n);
    if (r >= 0) r = sn_buf_byte(out, TAG_PART_PART);
    if (r >= 0) r = put_varint(out, part.len);
    return r < 0 ? r : sn_buf_str(out, part);
}

/* Whether the parts of its height's block go out although it has not named them: its commit has been
 * sent, and nothing says that it has the block. With the lock held. */
static bool unasked(struct sn_gossip_link *l, int64_t h, int64_t now)
{
    if (l->state.has_parts) return false;
    if (now - l->lag_since >= SN_GOSSIP_GRACE_NS) return true;
    bool voted = l->state.step >= SN_CONS_STEP_PREVOTE && h + 1 == atomic_load(&l->r->height);
    return atomic_load(&l->commit_sent) == h && !voted;
}
/* Which part of its height's block, stored here, the peer gets next. Returns 1, 0 none now. */
static int pick_old(struct sn_gossip_link *l, int64_t h, uint32_t *ret_index, int32_t *ret_round)
{
    int64_t now = sn_now(), again = atomic_load(&l->again_at);
    sn_mutex_lock_always(&l->lock);
    bool some = false;
    if (l->state.height == h) {
        if (again && now >= again) {
            l->state.has_parts = false; /* they came before it could use them */
            atomic_store(&l->again_at, 0);
        }
        if (unasked(l, h, now)) {
            sn_gossip_expect_parts(&l->state, &l->block_parts);
            atomic_store(&l->unasked, h);
        }
        some = sn_gossip_pick_old_part(&l->state, &l->block_parts, &l->data_rand, ret_index);
        if (!some && now - l->lag_since >= SN_GOSSIP_REPEAT_NS) {
            l->lag_since = now;
            sn_gossip_forget(&l->state);
        }
        *ret_round = l->state.round;
    }
    sn_mutex_unlock(&l->lock);
    return some;
}
static int load_block(struct sn_gossip_link *l, int64_t h)
{
    struct sn_cons_block_meta meta;
    if (l->lag_height != h) {
        l->lag_height = h;
        l->lag_since = sn_now();
        atomic_store(&l->again_at, 0);
    }
    if (l->block_height == h) return 0;
    int r = sn_cons_block_store_meta(l->r->view->blocks, h, &meta);
    if (r < 0) return r;
    l->block_height = h;
    l->block_parts = meta.block_id.parts;
    return 0;
}
/* Parts of an earlier block, from the store. */
static int send_old_parts(struct sn_gossip_link *l)
{
    struct sn_buf part SN_CLEANUP(sn_buf_done), msg SN_CLEANUP(sn_buf_done);
    uint32_t index;
    int32_t round;
    sn_buf_init(&part, 0);
    sn_buf_init(&msg, 0);
    for (;;) {
        int64_t h = stored_height(l, 1);
        int r = h ? load_block(l, h) : 0;
        if (r >= 0 && (!h || !pick_old(l, h, &index, &round))) return 0;
        sn_buf_reset(&part);
        sn_buf_reset(&msg);
        if (r >= 0) r = sn_cons_block_store_part(l->r->view->blocks, h, index, &part);
        if (r == SN_E_NOT_FOUND) return 0; /* pruned meanwhile */
        if (r >= 0) r = sn_gossip_old_part(h, round, sn_buf_view(&part), &msg);
        if (r >= 0) r = sn_switch_peer_send(l->sp, SN_DATA_CHANNEL, msg.ptr, msg.len);
        if (r < 0) return r;
        l->r->stats.parts_out++;
    }
}

int sn_gossip_data_fiber(void *arg)
{
    struct sn_gossip_link *l = arg;
    int64_t relay_at = 0;
    for (;;) {
        unsigned flags = 0;
        bool lagging = stored_height(l, 1) != 0;
        int64_t until = sn_now() + (lagging ? SN_GOSSIP_GRACE_NS : SN_GOSSIP_IDLE_NS);
        if (relay_at) until = SN_MIN(until, relay_at);
        int r = wait_for_news(&l->data, until, &flags);
        if (r < 0) return r;
        int64_t now = sn_now();
        if ((flags & SN_WAKE_EXPECT) || (relay_at && now >= relay_at)) r = submit_early(l);
        if (r < 0) return r;
        if (flags & SN_WAKE_OWN) relay_at = now;
        if (!relay_at && ((flags & SN_WAKE_RELAY) || now >= until))
            relay_at = now + ((flags & SN_WAKE_RELAY) ? relay_delay(l, true) : 0);
        if (!relay_at || now < relay_at) continue;
        relay_at = 0;
        r = send_data(l);
        if (r >= 0) r = send_old_parts(l);
        if (r < 0) return r;
    }
}

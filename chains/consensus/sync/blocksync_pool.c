/* SPDX-License-Identifier: Apache-2.0 */
/* sync/blocksync_pool.c - requests in flight. */
#include "consensus/sync/blocksync_pool.h"

#include <string.h>

#define ANSWER_NS_FIRST (200 * SN_MS) /* before anything is known of a peer */

void sn_sync_pool_init(struct sn_sync_pool *p, int64_t next)
{
    memset(p, 0, sizeof(*p));
    p->next = p->top = next;
}

static struct sn_sync_slot *slot(struct sn_sync_pool *p, int64_t height)
{
    return height >= p->next && height < p->top ? &p->slots[height % SN_SYNC_WINDOW] : NULL;
}

/* ---- peers ---- */

int sn_sync_pool_status(struct sn_sync_pool *p, unsigned i, int64_t base, int64_t height)
{
    SN_ASSERT(i < SN_SYNC_PEERS_MAX);
    struct sn_sync_peer *x = &p->peers[i];
    if (!x->used) {
        *x = (struct sn_sync_peer){
            .used = true, .base = base, .height = height, .answer_ns = ANSWER_NS_FIRST};
        p->n_peers++;
        return 0;
    }
    if (base < x->base || height < x->height)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "it has blocks %lld to %lld, and said before that it has %lld to %lld",
                       (long long)base, (long long)height, (long long)x->base,
                       (long long)x->height);
    if (height > x->height) x->refused = 0;
    x->base = base;
    x->height = height;
    return 0;
}

/* Peer i is no longer asked for that slot's block. */
static void unask(struct sn_sync_pool *p, struct sn_sync_slot *s, unsigned i)
{
    for (unsigned k = 0; k < 2; k++) {
        if (s->of[k] != (int16_t)i) continue;
        s->of[k] = -1;
        p->peers[i].in_flight--;
        p->in_flight--;
    }
    if (s->state == SN_SYNC_ASKED && s->of[0] < 0 && s->of[1] < 0) s->state = SN_SYNC_FREE;
}

void sn_sync_pool_remove(struct sn_sync_pool *p, unsigned i)
{
    if (i >= SN_SYNC_PEERS_MAX || !p->peers[i].used) return;
    for (int64_t h = p->next; h < p->top; h++) {
        struct sn_sync_slot *s = slot(p, h);
        unask(p, s, i);
        if (s->giver == (int16_t)i) s->giver = -1;
    }
    p->peers[i].used = false;
    p->n_peers--;
}

/* ---- asking ---- */

static bool can_give(const struct sn_sync_peer *x, int64_t height)
{
    return x->used && x->base <= height && height <= x->height &&
           x->in_flight < SN_SYNC_IN_FLIGHT_MAX && (!x->refused || height < x->refused);
}
/* Who is likely to answer first: answers come one after the other. */
static int best_peer(const struct sn_sync_pool *p, int64_t height, int not)
{
    int best = -1;
    int64_t least = INT64_MAX;
    for (int i = 0; i < SN_SYNC_PEERS_MAX; i++) {
        const struct sn_sync_peer *x = &p->peers[i];
        if (i == not || !can_give(x, height)) continue;
        int64_t t = x->answer_ns * (int64_t)(x->in_flight + 1);
        if (t < least) {
            least = t;
            best = i;
        }
    }
    return best;
}
static void ask(struct sn_sync_pool *p, struct sn_sync_slot *s, unsigned k, int peer, int64_t now)
{
    struct sn_sync_peer *x = &p->peers[peer];
    s->state = SN_SYNC_ASKED;
    s->of[k] = (int16_t)peer;
    s->asked_at[k] = now;
    if (x->in_flight++ == 0) x->waiting_since = now;
    p->in_flight++;
}
static bool room(const struct sn_sync_pool *p, int64_t height)
{
    if (height < p->next + 2) return true; /* what holds up all others always has room */
    return p->buffered + p->block_bytes * (p->in_flight + 1) <= SN_SYNC_BUFFER;
}

/* The lowest height that waits for an answer too long, and another peer for it. */
static bool second_request(struct sn_sync_pool *p, int64_t now, unsigned *ret_peer,
                           int64_t *ret_height)
{
    int64_t end = SN_MIN(p->top, p->next + SN_SYNC_SECOND_HEIGHTS);
    for (int64_t h = p->next; h < end; h++) {
        struct sn_sync_slot *s = slot(p, h);
        unsigned k = s->of[0] < 0 ? 0 : 1;
        if (s->state != SN_SYNC_ASKED || s->of[k] >= 0 || now - s->asked_at[!k] < SN_SYNC_SECOND_NS)
            continue;
        int peer = best_peer(p, h, s->of[!k]);
        if (peer < 0) continue;
        ask(p, s, k, peer, now);
        *ret_peer = (unsigned)peer;
        *ret_height = h;
        return true;
    }
    return false;
}

bool sn_sync_pool_request(struct sn_sync_pool *p, int64_t now, unsigned *ret_peer,
                          int64_t *ret_height)
{
    if (p->n_peers == 0) return false;
    int64_t end = p->next + SN_SYNC_WINDOW;
    for (int64_t h = p->next; h < end && room(p, h); h++) {
        struct sn_sync_slot *s = &p->slots[h % SN_SYNC_WINDOW];
        if (h < p->top && s->state != SN_SYNC_FREE) continue;
        int peer = best_peer(p, h, -1);
        if (peer < 0) {
            if (h >= p->top) break;
            continue;
        }
        if (h == p->top) {
            *s = (struct sn_sync_slot){.of = {-1, -1}, .giver = -1};
            p->top++;
        }
        ask(p, s, 0, peer, now);
        *ret_peer = (unsigned)peer;
        *ret_height = h;
        return true;
    }
    return second_request(p, now, ret_peer, ret_height);
}

/* ---- answers ---- */

static bool asked_of(const struct sn_sync_slot *s, unsigned i)
{
    return s->of[0] == (int16_t)i || s->of[1] == (int16_t)i;
}
/* It has answered: what it owes is counted anew from here. */
static void progress(struct sn_sync_pool *p, unsigned i, size_t bytes, int64_t now)
{
    struct sn_sync_peer *x = &p->peers[i];
    int64_t took = now - x->waiting_since;
    x->answer_ns = (x->answer_ns * 7 + took) / 8;
    x->waiting_since = now;
    p->block_bytes = SN_MAX((uint64_t)bytes, p->block_bytes - p->block_bytes / 64);
}

int sn_sync_pool_block(struct sn_sync_pool *p, unsigned i, int64_t height, size_t bytes,
                       int64_t now)
{
    SN_ASSERT(i < SN_SYNC_PEERS_MAX);
    if (!p->peers[i].used) return 0;
    struct sn_sync_slot *s = slot(p, height);
    if (!s && height < p->next) return 0; /* the other's was applied meanwhile */
    if (!s || !asked_of(s, i))
        return sn_fail(SN_E_INVALID_ARGUMENT, "block %lld, which it was not asked for",
                       (long long)height);
    bool wanted = s->state == SN_SYNC_ASKED;
    unask(p, s, i);
    progress(p, i, bytes, now);
    if (!wanted) return 0;
    s->state = SN_SYNC_HERE;
    s->giver = (int16_t)i;
    s->bytes = (uint32_t)SN_MIN(bytes, (size_t)UINT32_MAX);
    p->buffered += s->bytes;
    return 1;
}

int sn_sync_pool_no_block(struct sn_sync_pool *p, unsigned i, int64_t height, int64_t now)
{
    struct sn_sync_slot *s = slot(p, height);
    SN_ASSERT(i < SN_SYNC_PEERS_MAX);
    struct sn_sync_peer *x = &p->peers[i];
    if (!x->used || height < p->next) return 0;
    if (!s || !asked_of(s, i))
        return sn_fail(SN_E_INVALID_ARGUMENT, "no block %lld, which it was not asked for",
                       (long long)height);
    unask(p, s, i);
    progress(p, i, 0, now);
    /* Once may be bad luck (it prunes). Above this height it is not asked until it says it has more:
     * an invented height cannot keep us from ending. */
    if (!x->refused) x->refusals++;
    x->refused = x->refused ? SN_MIN(x->refused, height) : height;
    if (x->refusals > 2)
        return sn_fail(SN_E_INVALID_ARGUMENT, "no block %lld of those it says it has, %lld to %lld",
                       (long long)height, (long long)x->base, (long long)x->height);
    return 0;
}

int sn_sync_pool_redo(struct sn_sync_pool *p, int64_t height)
{
    struct sn_sync_slot *s = slot(p, height);
    if (!s || s->state != SN_SYNC_HERE) return -1;
    int giver = s->giver;
    p->buffered -= s->bytes;
    s->bytes = 0;
    s->giver = -1;
    s->state = s->of[0] >= 0 || s->of[1] >= 0 ? SN_SYNC_ASKED : SN_SYNC_FREE;
    return giver;
}

void sn_sync_pool_applied(struct sn_sync_pool *p)
{
    struct sn_sync_slot *s = slot(p, p->next);
    SN_ASSERT(s && s->state == SN_SYNC_HERE);
    p->buffered -= s->bytes;
    /* A second answer may still come: it is of a height below next then. */
    for (unsigned k = 0; k < 2; k++)
        if (s->of[k] >= 0) unask(p, s, (unsigned)s->of[k]);
    p->next++;
}

/* Whether bytes come at all is seen only when a message is whole: a peer has the timeout, and longer
 * for blocks that take longer at the least rate. */
bool sn_sync_pool_expired(struct sn_sync_pool *p, int64_t now, unsigned *ret_peer)
{
    for (unsigned i = 0; i < SN_SYNC_PEERS_MAX; i++) {
        const struct sn_sync_peer *x = &p->peers[i];
        if (!x->used || x->in_flight == 0) continue;
        int64_t allowed =
            SN_MAX(SN_SYNC_TIMEOUT_NS, (int64_t)(p->block_bytes / SN_SYNC_RATE_MIN) * SN_SEC);
        if (now - x->waiting_since < allowed) continue;
        *ret_peer = i;
        return true;
    }
    return false;
}

/* ---- the end ---- */

int64_t sn_sync_pool_max(const struct sn_sync_pool *p)
{
    int64_t max = 0;
    for (unsigned i = 0; i < SN_SYNC_PEERS_MAX; i++) {
        const struct sn_sync_peer *x = &p->peers[i];
        if (!x->used || x->base > p->next) continue;
        int64_t top = x->refused ? SN_MIN(x->height, x->refused - 1) : x->height;
        max = SN_MAX(max, top);
    }
    return max;
}
bool sn_sync_pool_caught_up(const struct sn_sync_pool *p)
{
    return p->n_peers > 0 && p->next >= sn_sync_pool_max(p);
}

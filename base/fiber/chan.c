/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/chan.c - channels and select.
 *
 * A spin lock per channel guards a ring and two queues of waiters. No operation ever holds two
 * locks: a select queues on its channels one after the other, and the ticket of its wait decides
 * which peer wins, so there is no order of locks to keep and a select over n channels costs its
 * peers nothing. A value moves under the channel's lock from frame to frame or frame to ring,
 * and unlocking is the waker's last access to the channel before it finishes the peer. */
#include "fiber/chan.h"

#include "core/alloc.h"
#include "fiber/sync_int.h"

struct sn_chan {
    struct sn_spin spin;
    uint32_t closed; /* peeked at without the lock, as are count and the queues' heads */
    uint32_t count, cap;
    uint32_t rd, wr; /* slots */
    uint32_t elem;
    uint32_t unused;
    struct sn_waitq recvq, sendq;
    unsigned char buf[] SN_ALIGNED(SN_CACHE_LINE);
};
_Static_assert(sizeof(struct sn_chan) == SN_CACHE_LINE, "a channel is one line and its ring");

struct sn_chan *sn_chan_new(size_t elem, size_t cap)
{
    if (elem > SN_CHAN_ELEM_MAX || cap > SN_CHAN_CAP_MAX) {
        sn_fail(SN_E_INVALID_ARGUMENT, "channel of %zu elements of %zu bytes is beyond the limits",
                cap, elem);
        return NULL;
    }
    struct sn_chan *c = sn_aligned_alloc(SN_CACHE_LINE, sizeof *c + elem * cap);
    if (!c) {
        sn_fail(SN_E_NOMEM, "channel of %zu elements of %zu bytes", cap, elem);
        return NULL;
    }
    memset(c, 0, sizeof *c);
    c->elem = (uint32_t)elem;
    c->cap = (uint32_t)cap;
    return c;
}

void sn_chan_free(struct sn_chan *c)
{
    if (!c) return;
    SN_ASSERT(!c->recvq.head && !c->sendq.head); /* somebody still waits on it */
    sn_free(c);
}

static SN_ALWAYS_INLINE void copy_elem(void *to, const void *from, uint32_t n)
{
    if (SN_UNLIKELY(!to)) return;
    if (n == 8) memcpy(to, from, 8);
    else if (n == 16) memcpy(to, from, 16);
    else if (n) memcpy(to, from, n);
}
static SN_ALWAYS_INLINE void ring_put(struct sn_chan *c, const void *elem)
{
    copy_elem(c->buf + (size_t)c->wr * c->elem, elem, c->elem);
    if (++c->wr == c->cap) c->wr = 0;
    SN_POKE(&c->count, c->count + 1);
}
static SN_ALWAYS_INLINE void ring_get(struct sn_chan *c, void *ret_elem)
{
    copy_elem(ret_elem, c->buf + (size_t)c->rd * c->elem, c->elem);
    if (++c->rd == c->cap) c->rd = 0;
    SN_POKE(&c->count, c->count - 1);
}

/* send_locked, recv_locked - the operation, if it can be done now; SN_E_AGAIN if not. *ret_peer is the
 * claimed peer to finish after unlocking, or NULL. `self`: the calling fiber, NULL on a thread. */
static SN_ALWAYS_INLINE int send_locked(struct sn_chan *c, const void *elem,
                                        const struct sn_fiber *self, struct sn_waiter **ret_peer)
{
    *ret_peer = NULL;
    if (SN_UNLIKELY(c->closed)) return SN_E_CLOSED;
    if (c->recvq.head) {
        struct sn_waiter *w = sn_waitq_claim(&c->recvq, self);
        if (w) {
            copy_elem(w->elem, elem, c->elem);
            w->status = 0;
            *ret_peer = w;
            return 0;
        }
    }
    if (c->count < c->cap) {
        ring_put(c, elem);
        return 0;
    }
    return SN_E_AGAIN;
}

static SN_ALWAYS_INLINE int recv_locked(struct sn_chan *c, void *ret_elem,
                                        const struct sn_fiber *self, struct sn_waiter **ret_peer)
{
    *ret_peer = NULL;
    if (c->count) {
        ring_get(c, ret_elem);
        if (c->sendq.head) { /* the ring was full: the longest waiting sender's value enters */
            struct sn_waiter *w = sn_waitq_claim(&c->sendq, self);
            if (w) {
                ring_put(c, w->elem);
                w->status = 0;
                *ret_peer = w;
            }
        }
        return 0;
    }
    if (c->sendq.head) {
        struct sn_waiter *w = sn_waitq_claim(&c->sendq, self);
        if (w) {
            copy_elem(ret_elem, w->elem, c->elem);
            w->status = 0;
            *ret_peer = w;
            return 0;
        }
    }
    return c->closed ? SN_E_EOF : SN_E_AGAIN;
}

static SN_ALWAYS_INLINE void finish_peer(struct sn_waiter *w)
{
    if (w) sn_wait_finish(w->f, w->index);
}

/* Queues, unlocks, suspends. Noinline keeps the waiter out of the frame of the roads that do not
 * wait. */
static SN_NOINLINE int chan_wait(struct sn_chan *c, struct sn_waitq *q, void *elem,
                                 struct sn_fiber *self, const char *reason)
{
    struct sn_waiter w = {.f = self, .elem = elem};
    w.t = sn_wait_begin(reason);
    sn_waitq_push(q, &w);
    sn_spin_unlock(&c->spin);
    SN_RACE_POINT();
    int r = sn_block_park(SN_BLOCK_CHAN, w.t, SN_FOREVER);
    if (SN_LIKELY(r >= 0)) return w.status;
    sn_spin_lock(&c->spin);
    if (w.queued) sn_waitq_del(q, &w);
    sn_spin_unlock(&c->spin);
    return r;
}

int sn_chan_send(struct sn_chan *c, const void *elem)
{
    struct sn_worker *wk = sn_worker_cur();
    SN_ASSERT(wk && wk->cur);
    struct sn_fiber *self = wk->cur;
    int r = sn_point(wk, self);
    if (SN_UNLIKELY(r < 0)) return r;
    struct sn_waiter *peer;
    sn_spin_lock(&c->spin);
    r = send_locked(c, elem, self, &peer);
    if (r == SN_E_AGAIN) return chan_wait(c, &c->sendq, (void *)(uintptr_t)elem, self, "chan send");
    sn_spin_unlock(&c->spin);
    finish_peer(peer);
    return r;
}

int sn_chan_recv(struct sn_chan *c, void *ret_elem)
{
    struct sn_worker *wk = sn_worker_cur();
    SN_ASSERT(wk && wk->cur);
    struct sn_fiber *self = wk->cur;
    int r = sn_point(wk, self);
    if (SN_UNLIKELY(r < 0)) return r;
    struct sn_waiter *peer;
    sn_spin_lock(&c->spin);
    r = recv_locked(c, ret_elem, self, &peer);
    if (r == SN_E_AGAIN) return chan_wait(c, &c->recvq, ret_elem, self, "chan receive");
    sn_spin_unlock(&c->spin);
    finish_peer(peer);
    return r;
}

/* Whether the operation looks possible, without the lock. A "no" is a true answer for the moment of
 * the first load: a channel that is open at the second was open then, since none is ever reopened. */
static SN_ALWAYS_INLINE bool looks_ready(const struct sn_chan *c, enum sn_select_op op)
{
    if (op == SN_SELECT_RECV) {
        if (c->cap ? __atomic_load_n(&c->count, __ATOMIC_ACQUIRE) != 0
                   : __atomic_load_n(&c->sendq.head, __ATOMIC_ACQUIRE) != NULL)
            return true;
    } else if (__atomic_load_n(&c->recvq.head, __ATOMIC_ACQUIRE) != NULL ||
               (c->cap && __atomic_load_n(&c->count, __ATOMIC_ACQUIRE) < c->cap)) {
        return true;
    }
    return SN_PEEK(&c->closed);
}

static SN_ALWAYS_INLINE struct sn_fiber *self_or_null(void)
{
    struct sn_worker *wk = sn_worker_cur();
    return wk ? wk->cur : NULL;
}

int sn_chan_try_send(struct sn_chan *c, const void *elem)
{
    if (!looks_ready(c, SN_SELECT_SEND)) return SN_E_AGAIN;
    struct sn_waiter *peer;
    sn_spin_lock(&c->spin);
    int r = send_locked(c, elem, self_or_null(), &peer);
    sn_spin_unlock(&c->spin);
    finish_peer(peer);
    return r;
}

int sn_chan_try_recv(struct sn_chan *c, void *ret_elem)
{
    if (!looks_ready(c, SN_SELECT_RECV)) return SN_E_AGAIN;
    struct sn_waiter *peer;
    sn_spin_lock(&c->spin);
    int r = recv_locked(c, ret_elem, self_or_null(), &peer);
    sn_spin_unlock(&c->spin);
    finish_peer(peer);
    return r;
}

/* Chains the claimed of `q` behind *tail, each told `status`. */
static struct sn_waiter **close_queue(struct sn_waitq *q, int status, struct sn_waiter **tail)
{
    struct sn_waiter *w;
    while ((w = sn_waitq_claim(q, NULL))) {
        w->status = status;
        *tail = w;
        tail = &w->next;
    }
    return tail;
}

void sn_chan_close(struct sn_chan *c)
{
    struct sn_waiter *first = NULL, **tail = &first;
    sn_spin_lock(&c->spin);
    if (!c->closed) {
        SN_POKE(&c->closed, 1);
        /* Receivers wait only on an empty ring, so "closed" is "closed and drained" for them. */
        tail = close_queue(&c->recvq, SN_E_EOF, tail);
        tail = close_queue(&c->sendq, SN_E_CLOSED, tail);
    }
    *tail = NULL;
    sn_spin_unlock(&c->spin);
    while (first) {
        struct sn_waiter *next = first->next;
        finish_peer(first);
        first = next;
    }
}

size_t sn_chan_len(const struct sn_chan *c) { return SN_PEEK(&c->count); }
size_t sn_chan_cap(const struct sn_chan *c) { return c->cap; }

/* ---- select ---- */

static SN_ALWAYS_INLINE struct sn_waitq *case_queue(const struct sn_select_case *k)
{
    return k->op == SN_SELECT_RECV ? &k->chan->recvq : &k->chan->sendq;
}
static int perform_locked(struct sn_select_case *k, const struct sn_fiber *self,
                          struct sn_waiter **ret_peer)
{
    return k->op == SN_SELECT_RECV ? recv_locked(k->chan, k->elem, self, ret_peer)
                                   : send_locked(k->chan, k->elem, self, ret_peer);
}

/* Performs one case if it is possible now. Returns whether it did. */
static bool select_try(struct sn_select_case *k, const struct sn_fiber *self)
{
    struct sn_waiter *peer;
    sn_spin_lock(&k->chan->spin);
    int r = perform_locked(k, self, &peer);
    sn_spin_unlock(&k->chan->spin);
    if (r == SN_E_AGAIN) return false;
    finish_peer(peer);
    k->status = r;
    return true;
}

/* Performs a uniformly chosen ready case. Returns its index, or SN_E_AGAIN. */
static SN_ALWAYS_INLINE int select_poll(struct sn_select_case *cases, unsigned n,
                                        const struct sn_fiber *self)
{
    uint64_t ready = 0;
    for (unsigned i = 0; i < n; i++)
        if (cases[i].chan && looks_ready(cases[i].chan, cases[i].op)) ready |= 1ull << i;
    while (ready) {
        uint64_t pick = ready;
        unsigned k = (unsigned)__builtin_popcountll(ready);
        if (k > 1)
            for (uint64_t skip = (sn_random() >> 32) * k >> 32; skip; skip--) pick &= pick - 1;
        unsigned i = (unsigned)__builtin_ctzll(pick);
        if (select_try(&cases[i], self)) return (int)i;
        ready &= ~(1ull << i); /* somebody else was quicker */
    }
    return SN_E_AGAIN;
}

/* Whether a peer other than `self` waits in q. */
static bool other_waits(const struct sn_waitq *q, const struct sn_fiber *self)
{
    for (const struct sn_waiter *w = q->head; w; w = w->next)
        if (w->f != self) return true;
    return false;
}
static bool ready_locked(const struct sn_select_case *k, const struct sn_fiber *self)
{
    const struct sn_chan *c = k->chan;
    if (c->closed) return true;
    if (k->op == SN_SELECT_RECV) return c->count || other_waits(&c->sendq, self);
    return c->count < c->cap || other_waits(&c->recvq, self);
}

/* How queueing on one case went. */
enum enqueue { ENQ_QUEUED, ENQ_DONE, ENQ_CLAIMED, ENQ_AGAIN };

/* Queues on one case, unless it has become possible: then the wait is abandoned, which fails if a peer
 * of an earlier case has claimed it, and the case performed. */
static enum enqueue select_enqueue(struct sn_select_case *k, struct sn_waiter *w)
{
    struct sn_waiter *peer = NULL;
    enum enqueue how = ENQ_QUEUED;
    sn_spin_lock(&k->chan->spin);
    if (!ready_locked(k, w->f)) {
        sn_waitq_push(case_queue(k), w);
    } else if (!sn_wait_abandon(w->t)) {
        how = ENQ_CLAIMED;
    } else {
        int r = perform_locked(k, w->f, &peer);
        how = r == SN_E_AGAIN ? ENQ_AGAIN : ENQ_DONE; /* AGAIN: the waiting peers were all stale */
        if (how == ENQ_DONE) k->status = r;
    }
    sn_spin_unlock(&k->chan->spin);
    finish_peer(peer);
    return how;
}

static void select_dequeue(struct sn_select_case *cases, struct sn_waiter *w, unsigned n, int won)
{
    for (unsigned i = 0; i < n; i++) {
        if (!cases[i].chan || (int)i == won) continue;
        sn_spin_lock(&cases[i].chan->spin);
        if (w[i].queued) sn_waitq_del(case_queue(&cases[i]), &w[i]);
        sn_spin_unlock(&cases[i].chan->spin);
    }
}

/* One wait on all cases. Returns the index performed, a failure, or SN_E_AGAIN to start over. */
static SN_ALWAYS_INLINE int select_wait(struct sn_select_case *cases, unsigned n, int64_t at_ns,
                                        struct sn_fiber *self, struct sn_waiter *w)
{
    uint64_t t = sn_wait_begin(n ? "select" : "select (no cases)");
    enum enqueue how = ENQ_QUEUED;
    unsigned i;
    for (i = 0; i < n; i++) {
        if (!cases[i].chan) continue;
        w[i] = (struct sn_waiter){.f = self, .t = t, .elem = cases[i].elem, .index = (int16_t)i};
        SN_RACE_POINT();
        how = select_enqueue(&cases[i], &w[i]);
        if (how != ENQ_QUEUED) break;
    }
    int r;
    if (how == ENQ_DONE || how == ENQ_AGAIN) {
        r = how == ENQ_DONE ? (int)i : SN_E_AGAIN;
        select_dequeue(cases, w, i, -1);
        return r;
    }
    /* ENQ_CLAIMED: a peer has won already, and parking returns at once. */
    r = sn_block_park(SN_BLOCK_SELECT, t, at_ns);
    select_dequeue(cases, w, i, r);
    if (r >= 0) cases[r].status = w[r].status;
    return r;
}

/* Most selects are small; 64 waiters fill most of a page of stack. */
#define SELECT_SMALL 8
static SN_NOINLINE int select_wait_small(struct sn_select_case *cases, unsigned n, int64_t at_ns,
                                         struct sn_fiber *self)
{
    struct sn_waiter w[SELECT_SMALL];
    return select_wait(cases, n, at_ns, self, w);
}
static SN_NOINLINE int select_wait_large(struct sn_select_case *cases, unsigned n, int64_t at_ns,
                                         struct sn_fiber *self)
{
    struct sn_waiter w[SN_SELECT_MAX];
    return select_wait(cases, n, at_ns, self, w);
}

int sn_select(struct sn_select_case *cases, unsigned n, int64_t at_ns)
{
    struct sn_worker *wk = sn_worker_cur();
    SN_ASSERT(wk && wk->cur);
    struct sn_fiber *self = wk->cur;
    if (SN_UNLIKELY(n > SN_SELECT_MAX))
        return sn_fail(SN_E_INVALID_ARGUMENT, "select over %u cases, at most %d", n, SN_SELECT_MAX);
    int r = sn_point(wk, self);
    if (SN_UNLIKELY(r < 0)) return r;
    for (;;) {
        r = select_poll(cases, n, self);
        if (r >= 0 || at_ns == 0) return r;
        r = n <= SELECT_SMALL ? select_wait_small(cases, n, at_ns, self)
                              : select_wait_large(cases, n, at_ns, self);
        if (r != SN_E_AGAIN) return r;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/reactors/mempool.h"

#include <stdatomic.h>
#include <string.h>

#include "core/alloc.h"
#include "core/arena.h"
#include "core/buf.h"
#include "fiber/sync.h"
#include "kit/log.h"

SN_LOG_MODULE("mempool");

_Static_assert(SN_SWITCH_PEERS_MAX < SN_MEMPOOL_PEERS_MAX, "each peer has a number in the pool");
#define TX_BYTES_DEFAULT (1u << 20)
#define HEADS_MAX 32u /* what a message has beside one transaction */
#define ANSWER_MAX (16u << 20)

struct sn_mempool_reactor {
    struct sn_mempool_reactor_opts o;
    struct sn_mempool_rules rules;
    struct sn_mconn_channel channel;
    struct sn_reactor reactor;
    int slot;
    struct sn_sem persistent, others; /* who may be sent to, where that is limited */
    _Atomic uint64_t txs_in, known_in, messages_in, txs_out, messages_out, bytes_out, active;
};
/* Of a peer, in its slot. */
struct gossip {
    struct sn_mempool_reactor *x;
    struct sn_switch_peer *peer;
    struct sn_sem checks; /* how many more transactions of its may be checked */
    struct sn_sem woken;
    _Atomic bool awake;                  /* woken has a permit, or is about to */
    struct sn_mempool_cursor first, all; /* what goes at once, and what the peer is to send first */
    int64_t next_at;                     /* no message before */
    struct sn_mempool_tx *txs[SN_MEMPOOL_BATCH_TXS];
};
struct check {
    struct gossip *g;
    struct sn_mempool_tx *tx;
};
#define COUNT(counter, n) atomic_fetch_add_explicit(&(counter), (n), memory_order_relaxed)

/* ---- in ---- */

static int check(void *arg)
{
    struct check c = *(struct check *)arg;
    struct tendermint_abci_response_check_tx *res;
    struct sn_arena a;
    sn_free(arg);
    sn_arena_init(&a, NULL, ANSWER_MAX);
    int r = sn_txs_ask(c.g->x->o.txs, c.tx, &a, &res);
    sn_arena_done(&a);
    sn_sem_release(&c.g->checks, 1);
    /* The pool is full, or the application fails: not the peer's fault. */
    if (r < 0 && r != SN_E_CANCELLED) SN_LOG_DEBUG("transaction not taken", SN_L_ERR(r));
    return 0;
}
static void give_up(struct sn_mempool_reactor *x, struct sn_mempool_tx *tx)
{
    struct sn_mempool *pool = sn_txs_pool(x->o.txs);
    (void)sn_mempool_remove(pool, tx->key);
    (void)sn_mempool_finish(pool, tx, false, 0);
}
static int take_in(struct gossip *g, struct sn_str data)
{
    struct sn_mempool_reactor *x = g->x;
    struct sn_mempool_tx *tx;
    COUNT(x->txs_in, 1);
    int r = sn_txs_begin(x->o.txs, data, sn_switch_peer_number(g->peer), &tx);
    if (r == SN_E_ALREADY_EXISTS) COUNT(x->known_in, 1);
    /* Known, or no room for it here: it is no fault of the peer's. */
    if (r < 0) return r == SN_E_CANCELLED ? r : 0;
    r = sn_sem_acquire(&g->checks, 1);
    struct check *c = r < 0 ? NULL : SN_NEW(struct check);
    if (c) {
        *c = (struct check){.g = g, .tx = tx};
        int e = sn_switch_peer_go(g->peer, "check-tx", check, c);
        if (e == 0) return 0;
        sn_free(c);
    }
    /* Without the memory for a check it is as if it had not come. */
    if (r == 0) sn_sem_release(&g->checks, 1);
    give_up(x, tx);
    return sn_cancelled() ? SN_E_CANCELLED : 0;
}
static int on_message(void *arg, struct sn_switch_peer *p, uint8_t channel, struct sn_str m)
{
    struct sn_mempool_reactor *x = arg;
    struct gossip *g = sn_switch_peer_get(p, x->slot);
    struct sn_mempool_reading at = {0};
    struct sn_str tx;
    int r = sn_mempool_message_check(m, &x->rules);
    if (r < 0) return sn_wrap(r, "mempool");
    COUNT(x->messages_in, 1);
    for (r = 0; r == 0 && sn_mempool_message_next(m, &at, &tx);) r = take_in(g, tx);
    return r;
}

/* ---- out ---- */

/* From the pool, with its lock; from whoever learns the peer's height. */
static void wake(void *arg)
{
    struct gossip *g = arg;
    if (!atomic_exchange(&g->awake, true)) sn_sem_release(&g->woken, 1);
}
static int send(struct gossip *g, size_t n, struct sn_buf *out)
{
    struct sn_mempool_reactor *x = g->x;
    sn_buf_reset(out);
    int r = sn_mempool_message_put(g->txs, n, out);
    for (size_t i = 0; i < n; i++) sn_mempool_tx_unref(g->txs[i]);
    if (r == 0) r = sn_switch_peer_send(g->peer, SN_MEMPOOL_CHANNEL, out->ptr, out->len);
    if (r < 0) return r;
    COUNT(x->txs_out, n);
    COUNT(x->messages_out, 1);
    COUNT(x->bytes_out, out->len);
    return 0;
}
/* A message of what a cursor has. Returns 2 where it was full, 1, 0 where there was nothing, < 0.
 */
static int send_some(struct gossip *g, struct sn_mempool_cursor *c, struct sn_buf *out)
{
    uint64_t most = SN_MIN(SN_MEMPOOL_BATCH_BYTES, g->x->rules.tx_bytes_max);
    size_t n = sn_mempool_cursor_take(sn_txs_pool(g->x->o.txs), c, sn_switch_peer_height(g->peer),
                                      most, g->txs, SN_MEMPOOL_BATCH_TXS);
    if (n == 0) return 0;
    int r = send(g, n, out);
    return r < 0 ? r : n == SN_MEMPOOL_BATCH_TXS || out->len > most / 2 ? 2 : 1;
}
/* Sends what there is for the peer. A frame of the connection has a kilobyte, full or not: what
 * comes soon after a message that was not full waits a little for more. */
static int send_all(struct gossip *g, struct sn_buf *out)
{
    for (;;) {
        int r = g->next_at > sn_now() ? sn_sleep_until(g->next_at) : 0;
        if (r < 0) return r;
        g->all.until_ns = SN_MAX(sn_now() - SN_MEMPOOL_RELAY_NS, (int64_t)1);
        int first = send_some(g, &g->first, out);
        int later = first < 0 ? 0 : send_some(g, &g->all, out);
        if (first < 0 || later < 0) return SN_MIN(first, later);
        if (first == 0 && later == 0) return 0;
        if (first < 2 && later < 2) g->next_at = sn_now() + SN_MEMPOOL_GATHER_NS;
    }
}
/* Until something is new, or something has waited long enough for the peer to send it. */
static int await(struct gossip *g)
{
    int64_t before = sn_deadline();
    if (g->all.stopped_ns) (void)sn_deadline_tighten(g->all.stopped_ns + SN_MEMPOOL_RELAY_NS);
    int r = sn_sem_acquire(&g->woken, 1);
    sn_deadline_restore(before);
    return r == SN_E_DEADLINE_EXCEEDED && !sn_cancelled() ? 0 : r;
}
static int gossip_on(struct gossip *g, struct sn_buf *out)
{
    for (;;) {
        int r = await(g);
        /* What comes from here on wakes again. */
        atomic_store(&g->awake, false);
        if (r == 0) r = send_all(g, out);
        if (r < 0) return r;
    }
}
/* Which half is whose both nodes tell from their ids. */
static void open_cursors(struct gossip *g)
{
    struct sn_mempool *pool = sn_txs_pool(g->x->o.txs);
    bool above = strcmp(sn_switch_self(g->x->o.sw)->id, sn_switch_peer_id(g->peer)) > 0;
    g->first = (struct sn_mempool_cursor){.peer = sn_switch_peer_number(g->peer),
                                          .share = SN_MEMPOOL_FIRST,
                                          .odd = above,
                                          .wake = wake,
                                          .arg = g};
    g->all = g->first;
    g->all.share = SN_MEMPOOL_ALL;
    sn_mempool_cursor_open(pool, &g->first);
    sn_mempool_cursor_open(pool, &g->all);
}
static int gossip(void *arg)
{
    struct gossip *g = arg;
    struct sn_mempool_reactor *x = g->x;
    struct sn_buf out = {0};
    struct sn_sem *limit = NULL;
    if (!sn_switch_peer_unconditional(g->peer)) {
        if (sn_switch_peer_persistent(g->peer))
            limit = x->o.persistent_max ? &x->persistent : NULL;
        else
            limit = x->o.others_max ? &x->others : NULL;
    }
    int r = limit ? sn_sem_acquire(limit, 1) : 0;
    if (r < 0) return r;
    COUNT(x->active, 1);
    open_cursors(g);
    wake(g);
    r = gossip_on(g, &out);
    sn_mempool_cursor_close(sn_txs_pool(x->o.txs), &g->first);
    sn_mempool_cursor_close(sn_txs_pool(x->o.txs), &g->all);
    atomic_fetch_sub_explicit(&x->active, 1, memory_order_relaxed);
    if (limit) sn_sem_release(limit, 1);
    sn_buf_done(&out);
    return r;
}

/* ---- peers ---- */

static int on_add(void *arg, struct sn_switch_peer *p)
{
    struct sn_mempool_reactor *x = arg;
    struct gossip *g = SN_NEW(struct gossip);
    if (!g) return SN_E_NOMEM;
    g->x = x;
    g->peer = p; /* whose fibers and messages have ended before it goes */
    sn_sem_init(&g->checks, SN_MEMPOOL_CHECKS);
    sn_switch_peer_set(p, x->slot, g);
    if (x->o.no_broadcast || !sn_switch_peer_has_channel(p, SN_MEMPOOL_CHANNEL)) return 0;
    int r = sn_switch_peer_go(p, "mempool-gossip", gossip, g);
    if (r < 0) {
        sn_switch_peer_set(p, x->slot, NULL);
        sn_free(g);
    }
    return r;
}
static void on_remove(void *arg, struct sn_switch_peer *p, int why)
{
    struct sn_mempool_reactor *x = arg;
    struct gossip *g = sn_switch_peer_get(p, x->slot);
    sn_switch_peer_set(p, x->slot, NULL);
    sn_free(g);
}
static void on_height(void *arg, struct sn_switch_peer *p, int64_t height)
{
    struct sn_mempool_reactor *x = arg;
    struct gossip *g = sn_switch_peer_get(p, x->slot);
    if (g) wake(g);
}
int sn_mempool_reactor_new(const struct sn_mempool_reactor_opts *o, struct sn_mempool_reactor **ret)
{
    struct sn_mempool_reactor *x = SN_NEW(struct sn_mempool_reactor);
    if (!x) return SN_E_NOMEM;
    x->o = *o;
    x->rules.tx_bytes_max = o->tx_bytes_max ? o->tx_bytes_max : TX_BYTES_DEFAULT;
    x->rules.batch_bytes_max = SN_MAX(o->batch_bytes_max, (int64_t)x->rules.tx_bytes_max);
    /* Two on the way: the second is made while the first is written, and all that comes meanwhile
     * goes into the third. */
    x->channel = (struct sn_mconn_channel){.id = SN_MEMPOOL_CHANNEL,
                                           .priority = 5,
                                           .messages_max = 2,
                                           .recv_bytes_max = x->rules.tx_bytes_max + HEADS_MAX};
    x->reactor = (struct sn_reactor){.name = "mempool",
                                     .channels = &x->channel,
                                     .n_channels = 1,
                                     .arg = x,
                                     .add_peer = on_add,
                                     .receive = on_message,
                                     .remove_peer = on_remove,
                                     .peer_height = on_height};
    sn_sem_init(&x->persistent, o->persistent_max);
    sn_sem_init(&x->others, o->others_max);
    x->slot = sn_switch_add_reactor(o->sw, &x->reactor);
    if (x->slot < 0) {
        int r = x->slot;
        sn_free(x);
        return r;
    }
    *ret = x;
    return 0;
}
void sn_mempool_reactor_free(struct sn_mempool_reactor *x) { sn_free(x); }
void sn_mempool_reactor_stats(const struct sn_mempool_reactor *x, struct sn_mempool_gossip *ret)
{
    *ret = (struct sn_mempool_gossip){.txs_in = atomic_load(&x->txs_in),
                                      .known_in = atomic_load(&x->known_in),
                                      .messages_in = atomic_load(&x->messages_in),
                                      .txs_out = atomic_load(&x->txs_out),
                                      .messages_out = atomic_load(&x->messages_out),
                                      .bytes_out = atomic_load(&x->bytes_out),
                                      .active = atomic_load(&x->active)};
}

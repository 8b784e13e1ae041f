/* SPDX-License-Identifier: Apache-2.0 */
/* sync/blocksync.c - the reactor: what peers ask for is read from the store by a fiber of theirs, never
 * in the one that reads their messages: two nodes that fetch from each other would block each other. */
#include <string.h>

#include "consensus/sync/blocksync_int.h"
#include "core/alloc.h"
#include "kit/log.h"

SN_LOG_MODULE("blocksync");

static const struct sn_mconn_channel channels[] = {{.id = SN_BLOCKSYNC_CHANNEL,
                                                    .priority = 5,
                                                    .messages_max = 1000,
                                                    .recv_bytes_max = SN_BLOCKSYNC_MSG_MAX}};

/* ---- sending ---- */

void sn_blocksync_send(struct sn_sync_link *l, const struct sn_blocksync_msg *m)
{
    struct sn_buf out SN_CLEANUP(sn_buf_done);
    sn_buf_init(&out, 0);
    int r = sn_blocksync_encode(m, &out);
    /* A full queue: it is asked again after the timeout. A closed one: remove_peer comes. */
    if (r >= 0) r = sn_switch_peer_try_send(l->sp, SN_BLOCKSYNC_CHANNEL, out.ptr, out.len);
    if (r < 0 && r != SN_E_BUSY && r != SN_E_CLOSED) sn_switch_peer_stop(l->sp, r, 0);
}
static void send_status(struct sn_sync_link *l)
{
    const struct sn_cons_block_store *s = l->b->view->blocks;
    sn_blocksync_send(l, &(struct sn_blocksync_msg){.kind = SN_BLOCKSYNC_STATUS,
                                                    .base = sn_cons_block_store_base(s),
                                                    .height = sn_cons_block_store_height(s)});
}
void sn_blocksync_ask_status(struct sn_blocksync *b)
{
    for (unsigned i = 0; i < SN_SYNC_PEERS_MAX; i++)
        if (b->links[i])
            sn_blocksync_send(b->links[i],
                              &(struct sn_blocksync_msg){.kind = SN_BLOCKSYNC_STATUS_REQUEST});
}

/* ---- serving ---- */

static int serve(struct sn_sync_link *l, int64_t height)
{
    struct sn_cons_block_store *s = l->b->view->blocks;
    struct sn_buf block SN_CLEANUP(sn_buf_done), ext SN_CLEANUP(sn_buf_done),
        out SN_CLEANUP(sn_buf_done);
    sn_buf_init(&block, 0);
    sn_buf_init(&ext, 0);
    sn_buf_init(&out, 0);
    struct sn_blocksync_msg m = {.kind = SN_BLOCKSYNC_BLOCK, .height = height};
    bool within = height >= sn_cons_block_store_base(s) && height <= sn_cons_block_store_height(s);
    int r = within ? sn_cons_block_store_encoded(s, height, &block, &ext) : SN_E_NOT_FOUND;
    if (r == SN_E_NOMEM || r == SN_E_CANCELLED) return r;
    if (r < 0 && r != SN_E_NOT_FOUND)
        SN_LOG_ERROR("a block cannot be served", SN_L("height", height), SN_L_ERR(r));
    if (r < 0) {
        m.kind = SN_BLOCKSYNC_NO_BLOCK;
        l->b->refused++;
    } else {
        m.block = sn_buf_view(&block);
        if (ext.len) m.ext_commit = sn_buf_view(&ext);
        l->b->served++;
    }
    r = sn_blocksync_encode(&m, &out);
    return r < 0 ? r : sn_switch_peer_send(l->sp, SN_BLOCKSYNC_CHANNEL, out.ptr, out.len);
}
static int serve_fiber(void *arg)
{
    struct sn_sync_link *l = arg;
    int64_t height;
    for (;;) {
        int r = sn_chan_recv(l->wanted, &height);
        if (r >= 0) r = serve(l, height);
        if (r < 0) return r;
    }
}

/* ---- what peers say ---- */

static int on_status(struct sn_sync_link *l, const struct sn_blocksync_msg *m)
{
    struct sn_blocksync *b = l->b;
    sn_mutex_lock_always(&b->lock);
    l->has_status = true;
    l->base = m->base;
    l->height = m->height;
    int r = b->syncing ? sn_sync_pool_status(&b->pool, l->index, m->base, m->height) : 0;
    if (r >= 0 && b->syncing) {
        sn_blocksync_pump(b);
        sn_cond_signal(&b->changed);
    }
    sn_mutex_unlock(&b->lock);
    return r;
}
static int on_answer(struct sn_sync_link *l, const struct sn_blocksync_msg *m)
{
    struct sn_blocksync *b = l->b;
    bool block = m->kind == SN_BLOCKSYNC_BLOCK;
    sn_mutex_lock_always(&b->lock);
    int r = 0;
    if (l->owed == 0)
        r = sn_fail(SN_E_INVALID_ARGUMENT, "an answer nobody asked for, of height %lld",
                    (long long)m->height);
    else l->owed--;
    if (r >= 0 && b->syncing) {
        r = block ? sn_sync_pool_block(&b->pool, l->index, m->height, m->block.len, sn_now())
                  : sn_sync_pool_no_block(&b->pool, l->index, m->height, sn_now());
        if (r == 1) r = sn_blocksync_fetched(b, m);
        if (r >= 0) sn_blocksync_pump(b);
        sn_cond_signal(&b->changed); /* a refusal may be the end of it */
    }
    sn_mutex_unlock(&b->lock);
    return r;
}

static int receive(void *arg, struct sn_switch_peer *sp, uint8_t channel, struct sn_str msg)
{
    struct sn_blocksync *b = arg;
    struct sn_sync_link *l = sn_switch_peer_get(sp, b->slot);
    struct sn_blocksync_msg m;
    if (!l) return 0;
    int r = sn_blocksync_decode(msg, &m);
    if (r < 0) return r;
    switch (m.kind) {
    case SN_BLOCKSYNC_BLOCK_REQUEST:
        /* Beyond what it may ask for at a time it gets no answer, and asks again. */
        if (sn_chan_try_send(l->wanted, &m.height) < 0) return 0;
        return 0;
    case SN_BLOCKSYNC_STATUS_REQUEST: send_status(l); return 0;
    case SN_BLOCKSYNC_STATUS: r = on_status(l, &m); break;
    case SN_BLOCKSYNC_BLOCK:
    case SN_BLOCKSYNC_NO_BLOCK: r = on_answer(l, &m); break;
    }
    if (r == SN_E_INVALID_ARGUMENT) sn_switch_peer_stop(sp, r, SN_BLOCKSYNC_BAN_NS);
    return r;
}

/* ---- peers ---- */

static int add_peer(void *arg, struct sn_switch_peer *sp)
{
    struct sn_blocksync *b = arg;
    if (!sn_switch_peer_has_channel(sp, SN_BLOCKSYNC_CHANNEL)) return 0;
    struct sn_sync_link *l = SN_NEW(struct sn_sync_link);
    if (!l) return SN_E_NOMEM;
    l->b = b;
    l->sp = sp;
    l->wanted = sn_chan_new(sizeof(int64_t), SN_BLOCKSYNC_WANTED_MAX);
    sn_mutex_lock_always(&b->lock);
    unsigned i = 0;
    while (i < SN_SYNC_PEERS_MAX && b->links[i]) i++;
    l->index = i;
    bool fits = i < SN_SYNC_PEERS_MAX && l->wanted;
    if (fits) b->links[i] = l;
    sn_mutex_unlock(&b->lock);
    if (!fits) {
        sn_chan_free(l->wanted);
        sn_free(l);
        return i < SN_SYNC_PEERS_MAX ? SN_E_NOMEM : SN_E_RESOURCE_EXHAUSTED;
    }
    sn_switch_peer_set(sp, b->slot, l);
    send_status(l);
    int r = 0;
    for (unsigned k = 0; k < SN_BLOCKSYNC_SERVERS && r >= 0; k++)
        r = sn_switch_peer_go(sp, "serve blocks", serve_fiber, l);
    /* The link is known by now: it goes in remove_peer. */
    if (r < 0) sn_switch_peer_stop(sp, r, 0);
    return 0;
}
static void remove_peer(void *arg, struct sn_switch_peer *sp, int why)
{
    struct sn_blocksync *b = arg;
    struct sn_sync_link *l = sn_switch_peer_get(sp, b->slot);
    if (!l) return;
    sn_switch_peer_set(sp, b->slot, NULL);
    sn_mutex_lock_always(&b->lock);
    b->links[l->index] = NULL;
    if (b->syncing) {
        sn_sync_pool_remove(&b->pool, l->index);
        sn_blocksync_pump(b);
        sn_cond_signal(&b->changed);
    }
    sn_mutex_unlock(&b->lock);
    sn_chan_free(l->wanted);
    sn_free(l);
}

int sn_blocksync_new(struct sn_node_view *view, struct sn_blocksync **ret)
{
    struct sn_blocksync *b = SN_NEW(struct sn_blocksync);
    if (!b) return SN_E_NOMEM;
    b->view = view;
    b->reactor = (struct sn_reactor){.name = "blocksync",
                                     .channels = channels,
                                     .n_channels = SN_COUNT_OF(channels),
                                     .arg = b,
                                     .add_peer = add_peer,
                                     .receive = receive,
                                     .remove_peer = remove_peer};
    int r = b->slot = sn_switch_add_reactor(view->sw, &b->reactor);
    if (r < 0) {
        sn_free(b);
        return r;
    }
    *ret = b;
    return 0;
}
void sn_blocksync_free(struct sn_blocksync *b)
{
    if (!b) return;
    SN_ASSERT(!b->syncing);
    sn_free(b);
}

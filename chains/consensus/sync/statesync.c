/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/sync/statesync.c - the reactor: serves the application's snapshots, and hands what
 * peers say about theirs to the sync in progress.
 *
 * Requests of a peer are answered by a fiber of that peer's, so that a slow application holds up
 * neither its votes nor anybody else; consensus has a connection of its own to the application. */
#include <stdlib.h>

#include "consensus/sync/statesync_int.h"
#include "core/alloc.h"
#include "fiber/fiber.h"
#include "kit/log.h"

SN_LOG_MODULE("statesync");

#define SERVED_MAX 10u   /* snapshots named to a peer */
#define REQUESTS_MAX 32u /* of one peer that wait; more are dropped, it asks again */
#define LOADS_MAX 4

/* ---- serving ---- */

struct served {
    struct sn_statesync *st;
    struct sn_switch_peer *p;
    struct sn_statesync_msg queue[REQUESTS_MAX];
    unsigned n;
    bool running;
};

static int say(struct sn_switch_peer *p, uint8_t channel, const struct sn_statesync_msg *m)
{
    struct sn_buf buf SN_CLEANUP(sn_buf_done);
    size_t max = channel == SN_CHUNK_CHANNEL ? SN_CHUNK_MSG_MAX : SN_SNAPSHOT_MSG_MAX;
    sn_buf_init(&buf, 0);
    int r = sn_statesync_encode(m, &buf);
    if (r < 0) return r;
    if (buf.len > max) {
        SN_LOG_WARN("a snapshot or chunk of the application is too large to be sent",
                    SN_L("height", m->height), SN_L("bytes", (uint64_t)buf.len));
        return 0;
    }
    return sn_switch_peer_send(p, channel, buf.ptr, buf.len);
}

static int newest_first(const void *x, const void *y)
{
    const struct tendermint_abci_snapshot *const *a = x, *const *b = y;
    if ((*a)->height != (*b)->height) return (*a)->height > (*b)->height ? -1 : 1;
    if ((*a)->format != (*b)->format) return (*a)->format > (*b)->format ? -1 : 1;
    return 0;
}
static int serve_snapshots(struct served *v, struct sn_arena *a)
{
    struct tendermint_abci_request_list_snapshots req = {0};
    struct tendermint_abci_response_list_snapshots *res;
    int r = sn_abci_list_snapshots(v->st->view->app->snapshot, &req, a, &res);
    if (r < 0) return r;
    uint32_t n = res->snapshots.len;
    if (n) qsort(res->snapshots.ptr, n, sizeof(*res->snapshots.ptr), newest_first);
    for (uint32_t i = 0; r >= 0 && i < SN_MIN(n, SERVED_MAX); i++) {
        const struct tendermint_abci_snapshot *s = res->snapshots.ptr[i];
        struct sn_statesync_msg m = {.kind = SN_STATESYNC_SNAPSHOTS_RESPONSE,
                                     .height = s->height,
                                     .format = s->format,
                                     .n = s->chunks,
                                     .hash = s->hash,
                                     .metadata = s->metadata};
        r = say(v->p, SN_SNAPSHOT_CHANNEL, &m);
    }
    return r;
}
static int serve_chunk(struct served *v, const struct sn_statesync_msg *q, struct sn_arena *a)
{
    struct tendermint_abci_request_load_snapshot_chunk req = {.height = q->height,
                                                              .format = q->format,
                                                              .chunk = q->n};
    struct tendermint_abci_response_load_snapshot_chunk *res;
    int r = sn_sem_acquire(&v->st->loads, 1);
    if (r < 0) return r;
    r = sn_abci_load_snapshot_chunk(v->st->view->app->snapshot, &req, a, &res);
    if (r >= 0) {
        struct sn_statesync_msg m = {.kind = SN_STATESYNC_CHUNK_RESPONSE,
                                     .height = q->height,
                                     .format = q->format,
                                     .n = q->n,
                                     .chunk = res->chunk,
                                     .missing = res->chunk.len == 0};
        r = say(v->p, SN_CHUNK_CHANNEL, &m);
    }
    sn_sem_release(&v->st->loads, 1);
    return r;
}
/* Ends when nothing is asked for, and with the peer. */
static int serve(void *arg)
{
    struct served *v = arg;
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    for (;;) {
        sn_mutex_lock_always(&v->st->lock);
        bool more = v->n > 0;
        struct sn_statesync_msg q = v->queue[0];
        if (more)
            memmove(v->queue, v->queue + 1, --v->n * sizeof(q));
        else
            v->running = false;
        sn_mutex_unlock(&v->st->lock);
        if (!more) return 0;
        int r = q.kind == SN_STATESYNC_SNAPSHOTS_REQUEST ? serve_snapshots(v, &a)
                                                         : serve_chunk(v, &q, &a);
        sn_arena_done(&a);
        if (r == SN_E_CANCELLED || r == SN_E_CLOSED) return r == SN_E_CLOSED ? 0 : r;
        if (r < 0) SN_LOG_WARN("not served", SN_L("peer", sn_switch_peer_id(v->p)), SN_L_ERR(r));
    }
}
static int enqueue(struct sn_statesync *st, struct sn_switch_peer *p,
                   const struct sn_statesync_msg *m)
{
    struct served *v = sn_switch_peer_get(p, st->slot);
    sn_mutex_lock_always(&st->lock);
    bool start = v && v->n < REQUESTS_MAX && !v->running;
    if (v && v->n < REQUESTS_MAX) v->queue[v->n++] = *m; /* requests borrow nothing */
    if (start) v->running = true;
    sn_mutex_unlock(&st->lock);
    if (!start) return 0;
    int r = sn_switch_peer_go(p, "statesync-serve", serve, v);
    if (r < 0) {
        sn_mutex_lock_always(&st->lock);
        v->running = false;
        sn_mutex_unlock(&st->lock);
    }
    return r == SN_E_NOMEM || r == SN_E_RESOURCE_EXHAUSTED ? 0 : r;
}

/* ---- the sync in progress ---- */

void statesync_ban(struct session *s, const char *id, int why)
{
    int at = sn_snapshot_pool_find(&s->pool, id);
    if (s->snap && at >= 0) sn_chunk_plan_remove(&s->plan, (unsigned)at);
    sn_snapshot_pool_reject_peer(&s->pool, id);
    SN_LOG_WARN("peer of no use for state sync", SN_L("peer", id), SN_L_ERR(why));
    struct sn_switch_peer *p = sn_switch_find(s->st->view->sw, id);
    if (p) sn_switch_peer_stop(p, why, BAN_NS);
    sn_switch_peer_unref(p);
    sn_cond_broadcast(&s->st->changed);
}
int statesync_wait(struct session *s, int64_t at)
{
    int64_t prev = sn_deadline_tighten(at);
    int r = sn_cond_wait(&s->st->changed, &s->st->lock);
    sn_deadline_restore(prev);
    if (r == SN_E_DEADLINE_EXCEEDED && sn_now() >= at && sn_now() < prev) return 0;
    return r;
}

static int receive_snapshot(struct sn_statesync *st, struct sn_switch_peer *p,
                            const struct sn_statesync_msg *m)
{
    int r = 0;
    const char *id = sn_switch_peer_id(p);
    sn_mutex_lock_always(&st->lock);
    struct session *s = st->session;
    if (s && (r = sn_snapshot_pool_add(&s->pool, id, m)) > 0) {
        s->last_new = sn_now();
        SN_LOG_INFO("snapshot offered", SN_L("height", m->height), SN_L("format", m->format),
                    SN_L("chunks", m->n), SN_L("peer", id));
    }
    /* Who has the one that is being restored helps at once. */
    int at = s ? sn_snapshot_pool_find(&s->pool, id) : -1;
    if (at >= 0 && s->snap && s->snap->peers & (1ull << at))
        sn_chunk_plan_add(&s->plan, (unsigned)at);
    sn_cond_broadcast(&st->changed);
    sn_mutex_unlock(&st->lock);
    return r < 0 ? r : 0;
}

/* ---- the reactor ---- */

static int ask_peer(struct sn_switch_peer *p)
{
    struct sn_statesync_msg m = {.kind = SN_STATESYNC_SNAPSHOTS_REQUEST};
    if (!sn_switch_peer_has_channel(p, SN_SNAPSHOT_CHANNEL)) return 0;
    int r = say(p, SN_SNAPSHOT_CHANNEL, &m);
    return r == SN_E_CANCELLED ? r : 0;
}
static int add_peer(void *arg, struct sn_switch_peer *p)
{
    struct sn_statesync *st = arg;
    struct served *v = SN_NEW(struct served);
    if (!v) return SN_E_NOMEM;
    v->st = st;
    v->p = p;
    sn_switch_peer_set(p, st->slot, v);
    sn_mutex_lock_always(&st->lock);
    bool syncing = st->session;
    sn_mutex_unlock(&st->lock);
    int r = syncing ? ask_peer(p) : 0;
    if (r >= 0) return 0;
    sn_switch_peer_set(p, st->slot, NULL); /* who refuses a peer is not told that it goes */
    sn_free(v);
    return r;
}
static void remove_peer(void *arg, struct sn_switch_peer *p, int why)
{
    struct sn_statesync *st = arg;
    struct served *v = sn_switch_peer_get(p, st->slot);
    sn_switch_peer_set(p, st->slot, NULL);
    sn_mutex_lock_always(&st->lock);
    struct session *s = st->session;
    int at = s ? sn_snapshot_pool_find(&s->pool, sn_switch_peer_id(p)) : -1;
    if (at >= 0 && s->snap) sn_chunk_plan_remove(&s->plan, (unsigned)at);
    if (s) sn_snapshot_pool_remove_peer(&s->pool, sn_switch_peer_id(p));
    sn_cond_broadcast(&st->changed);
    sn_mutex_unlock(&st->lock);
    sn_free(v);
}
static int receive(void *arg, struct sn_switch_peer *p, uint8_t channel, struct sn_str msg)
{
    struct sn_statesync *st = arg;
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_statesync_msg m;
    sn_arena_init(&a, NULL, 0);
    int r = sn_statesync_decode(msg, &a, &m);
    if (r < 0) return r;
    bool about_chunk =
        m.kind == SN_STATESYNC_CHUNK_REQUEST || m.kind == SN_STATESYNC_CHUNK_RESPONSE;
    if (about_chunk != (channel == SN_CHUNK_CHANNEL))
        return sn_fail(SN_E_PROTOCOL, "state sync: message %d on channel %02x", m.kind, channel);
    switch (m.kind) {
    case SN_STATESYNC_SNAPSHOTS_REQUEST:
    case SN_STATESYNC_CHUNK_REQUEST: return enqueue(st, p, &m);
    case SN_STATESYNC_SNAPSHOTS_RESPONSE: return receive_snapshot(st, p, &m);
    case SN_STATESYNC_CHUNK_RESPONSE: statesync_receive_chunk(st, p, &m); return 0;
    }
    return 0;
}

int sn_statesync_new(struct sn_node_view *view, struct sn_statesync **ret)
{
    static const struct sn_mconn_channel channels[] = {{.id = SN_SNAPSHOT_CHANNEL,
                                                        .priority = 5,
                                                        .messages_max = 16,
                                                        .recv_bytes_max = SN_SNAPSHOT_MSG_MAX},
                                                       {.id = SN_CHUNK_CHANNEL,
                                                        .priority = 3,
                                                        .messages_max = 16,
                                                        .recv_bytes_max = SN_CHUNK_MSG_MAX}};
    struct sn_statesync *st = SN_NEW(struct sn_statesync);
    if (!st) return SN_E_NOMEM;
    st->view = view;
    sn_sem_init(&st->loads, LOADS_MAX);
    st->reactor = (struct sn_reactor){.name = "statesync",
                                      .channels = channels,
                                      .n_channels = SN_COUNT_OF(channels),
                                      .arg = st,
                                      .add_peer = add_peer,
                                      .receive = receive,
                                      .remove_peer = remove_peer};
    st->slot = sn_switch_add_reactor(view->sw, &st->reactor);
    if (st->slot < 0) {
        int r = st->slot;
        sn_free(st);
        return r;
    }
    *ret = st;
    return 0;
}
void sn_statesync_free(struct sn_statesync *st) { sn_free(st); }

void sn_statesync_stats(struct sn_statesync *st, struct sn_statesync_stats *ret)
{
    sn_mutex_lock_always(&st->lock);
    *ret = st->stats;
    sn_mutex_unlock(&st->lock);
}

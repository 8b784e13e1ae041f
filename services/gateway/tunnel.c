/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/tunnel.c - after a protocol switch: bytes both ways between client and upstream, until
 * either side ends. A tunnel belongs to the gateway, not to a snapshot: reloads do not touch it.
 * Between plain sockets it is stateless, so that it can also go on in another process (upgrade.c).
 */
#include <unistd.h>

#include "core/alloc.h"
#include "gateway/gw_int.h"

/* Half a WebSocket is of no use, and a client that is gone must not hold its upstream: once one
 * direction has ended both sides are told, and the other direction has this long to end too. */
#define TUNNEL_LINGER_NS (2 * SN_SEC)
/* What another process had not written yet is written within this. */
#define REST_NS_MAX (30 * SN_SEC)
/* For the two directions of a tunnel to stop before it is given away. */
#define STOP_NS_MAX (2 * SN_SEC)

enum { UP, DOWN };
struct tunnel {
    struct sn_list link; /* of its worker's list */
    struct sn_gateway *gw;
    struct gw_client
        *pool; /* reference: an h2 upstream's stream is one of its connections'; or NULL */
    struct sn_stream *client, *upstream;
    bool ending;           /* one direction has ended; both are this worker's */
    struct sn_event ended; /* both have */
    /* Giving it away. All of this is the worker's alone. */
    bool giving;
    struct sn_fiber *fiber[2];
    bool stopped[2], over[2]; /* over: that direction had come to its end */
    struct sn_buf rest[2];    /* read and not yet written */
};

int gw_tunnels_init(struct sn_gateway *gw)
{
    gw->tunnel_lists = SN_NEW_ARRAY(struct sn_list, gw->workers);
    if (!gw->tunnel_lists) return SN_E_NOMEM;
    for (unsigned i = 0; i < gw->workers; i++) sn_list_init(&gw->tunnel_lists[i]);
    return 0;
}

static void tunnel_free(struct tunnel *t)
{
    sn_list_del(&t->link);
    gw_client_unref(t->pool);
    for (int i = 0; i < 2; i++) sn_buf_done(&t->rest[i]);
    __atomic_sub_fetch(&t->gw->tunnels, 1, __ATOMIC_RELAXED);
    sn_free(t);
}

static void tunnel_close(struct tunnel *t)
{
    sn_stream_close(t->client);
    sn_stream_close(t->upstream);
}

static int wait_ended(void *arg)
{
    struct tunnel *t = arg;
    return sn_event_wait(&t->ended);
}

/* Of a direction that has ended. The first one stays until the other has. */
static void tunnel_leave(struct tunnel *t)
{
    if (t->ending) {
        sn_event_set(&t->ended);
        return;
    }
    t->ending = true;
    (void)!sn_stream_shutdown(t->client);
    (void)!sn_stream_shutdown(t->upstream);
    bool late = sn_event_wait_until(&t->ended, sn_now() + TUNNEL_LINGER_NS) < 0;
    tunnel_close(t);
    /* Closed streams end whoever waits on them. */
    if (late) (void)!sn_shield(SN_FOREVER, wait_ended, t);
    tunnel_free(t);
}

struct rest_job {
    struct sn_stream *to;
    struct sn_buf *rest;
};

static int write_rest(void *arg)
{
    struct rest_job *j = arg;
    ssize_t n = sn_write(j->to, j->rest->ptr, j->rest->len);
    return n < 0 ? (int)n : 0;
}

static int copy(struct tunnel *t, int way)
{
    struct sn_stream *to = way == UP ? t->upstream : t->client,
                     *from = way == UP ? t->client : t->upstream;
    t->fiber[way] = sn_self();
    int64_t r = 0;
    if (t->rest[way].len) {
        struct rest_job j = {to, &t->rest[way]};
        r = sn_shield(REST_NS_MAX, write_rest, &j);
    }
    sn_buf_done(&t->rest[way]);
    if (r == 0 && !t->over[way]) r = sn_stream_copy_rest(to, from, &t->rest[way]);
    if (t->giving && !t->ending) {
        t->over[way] = r >= 0;
        t->stopped[way] = r >= 0 || r == SN_E_CANCELLED;
        if (t->stopped[way]) return 0; /* the giver has the tunnel from here on */
        t->giving = false;
    }
    if (t->stopped[!way]) { /* it was not given after all, and the other fiber has gone */
        tunnel_close(t);
        tunnel_free(t);
        return 0;
    }
    tunnel_leave(t);
    return 0;
}

static int copy_up(void *arg) { return copy(arg, UP); }
static int copy_down(void *arg) { return copy(arg, DOWN); }

static int send_rest(struct sn_stream *to, struct sn_str rest)
{
    if (!rest.len) return 0;
    ssize_t n = sn_write(to, rest.ptr, rest.len);
    return n < 0 ? (int)n : 0;
}

static struct tunnel *tunnel_new(struct sn_gateway *gw, struct gw_client *pool)
{
    struct tunnel *t = SN_NEW(struct tunnel);
    if (!t) return NULL;
    t->gw = gw;
    t->pool = pool;
    if (pool) __atomic_add_fetch(&pool->refs, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++) sn_buf_init(&t->rest[i], 0);
    __atomic_add_fetch(&gw->tunnels, 1, __ATOMIC_RELAXED);
    sn_list_push_back(&gw->tunnel_lists[sn_worker_id()], &t->link);
    return t;
}

/* Its two fibers, on this worker: an h2 stream belongs to its own. */
static int tunnel_start(struct tunnel *t)
{
    unsigned w = (unsigned)sn_worker_id();
    int r = sn_scope_go_on(t->gw->scope, w, "tunnel up", copy_up, t);
    if (r < 0) {
        tunnel_close(t);
        tunnel_free(t);
        return r;
    }
    r = sn_scope_go_on(t->gw->scope, w, "tunnel down", copy_down, t);
    if (r < 0) tunnel_leave(t);
    return r;
}

int gw_tunnel(struct gw_req *q, struct gw_client *client, struct sn_http_resp *resp)
{
    struct tunnel *t = tunnel_new(q->gw, client);
    if (!t) return gw_answer(q, 503, "out of memory");
    struct sn_str from_client, from_upstream;
    int r = sn_http_resp_hijack(resp, &t->upstream, &from_upstream);
    if (r < 0) {
        tunnel_free(t);
        return r;
    }
    r = sn_http_hijack(q->x, q->x->req.version == 20 ? 200 : 101, &t->client, &from_client);
    if (r < 0) {
        sn_stream_close(t->upstream);
        tunnel_free(t);
        return r;
    }
    q->status = q->x->status;
    q->tunnel = true;
    r = send_rest(t->client, from_upstream);
    if (r == 0) r = send_rest(t->upstream, from_client);
    if (r < 0) {
        tunnel_close(t);
        tunnel_free(t);
        return r;
    }
    return tunnel_start(t);
}

/* ---- from one process to another --------------------------------------------------------------
 */

/* Whether both directions run between plain sockets, nobody has ended, and nobody gives it away
 * yet. */
static bool may_give(const struct tunnel *t)
{
    return !t->ending && !t->giving && t->fiber[UP] && t->fiber[DOWN] &&
           sn_stream_fd(t->client) >= 0 && sn_stream_fd(t->upstream) >= 0;
}

static void give(struct tunnel *t, struct gw_giver *g)
{
    struct gw_given out = {.fd = {sn_stream_fd(t->client), sn_stream_fd(t->upstream)}};
    for (int i = 0; i < 2; i++) {
        out.over[i] = t->over[i];
        out.rest[i] = sn_buf_view(&t->rest[i]);
    }
    if (g->give(g->arg, &out) == 0) __atomic_add_fetch(&g->given, 1, __ATOMIC_RELAXED);
    /* The other process has the sockets too: closing ours is not seen by the peers. */
    tunnel_close(t);
    tunnel_free(t);
}

void gw_tunnels_give(struct sn_gateway *gw, struct gw_giver *g)
{
    struct sn_list *list = &gw->tunnel_lists[sn_worker_id()];
    int64_t at = sn_now() + STOP_NS_MAX;
    SN_LIST_EACH (list, it) {
        struct tunnel *t = SN_LIST_ENTRY(it, struct tunnel, link);
        if (!may_give(t)) continue;
        t->giving = true;
        for (int i = 0; i < 2; i++) sn_fiber_cancel(t->fiber[i]);
    }
    for (;;) {
        struct tunnel *ready = NULL;
        bool waiting = false;
        SN_LIST_EACH (list, it) {
            struct tunnel *t = SN_LIST_ENTRY(it, struct tunnel, link);
            if (t->giving && t->stopped[UP] && t->stopped[DOWN]) ready = t;
            waiting |= t->giving;
        }
        if (ready)
            give(ready, g); /* suspends: the list is looked at anew */
        else if (!waiting || sn_now() >= at || sn_sleep(SN_MS) < 0)
            break;
    }
    /* What did not stop in time ends with the fiber that is still at it. */
    SN_LIST_EACH (list, it) SN_LIST_ENTRY(it, struct tunnel, link)->giving = false;
}

int gw_tunnel_take(struct sn_gateway *gw, const struct gw_given *in)
{
    struct tunnel *t = tunnel_new(gw, NULL);
    int r = t ? sn_stream_adopt(in->fd[0], &t->client) : SN_E_NOMEM;
    if (r < 0) {
        if (!t) close(in->fd[0]);
        close(in->fd[1]);
    } else if ((r = sn_stream_adopt(in->fd[1], &t->upstream)) < 0) {
        sn_stream_close(t->client);
    }
    for (int i = 0; r == 0 && i < 2; i++) {
        t->over[i] = in->over[i];
        if ((r = sn_buf_str(&t->rest[i], in->rest[i])) < 0) tunnel_close(t);
    }
    if (r < 0) {
        if (t) tunnel_free(t);
        return r;
    }
    return tunnel_start(t);
}

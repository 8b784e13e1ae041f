/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/tunnel.c - after a protocol switch: bytes both ways between client and upstream, until
 * either side ends. A tunnel belongs to the gateway, not to a snapshot: reloads do not touch it. */
#include "core/alloc.h"
#include "gateway/gw_int.h"

/* Half a WebSocket is of no use, and a client that is gone must not hold its upstream: once one
 * direction has ended both sides are told, and the other direction has this long to end too. */
#define TUNNEL_LINGER_NS (2 * SN_SEC)

struct tunnel {
    struct sn_gateway *gw;
    struct gw_client *pool; /* reference: an h2 upstream's stream is one of its connections' */
    struct sn_stream *client, *upstream;
    bool ending;           /* one direction has ended; both are this worker's */
    struct sn_event ended; /* both have */
};

static void tunnel_free(struct tunnel *t)
{
    gw_client_unref(t->pool);
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

static int copy_up(void *arg)
{
    struct tunnel *t = arg;
    (void)!sn_stream_copy(t->upstream, t->client);
    tunnel_leave(t);
    return 0;
}

static int copy_down(void *arg)
{
    struct tunnel *t = arg;
    (void)!sn_stream_copy(t->client, t->upstream);
    tunnel_leave(t);
    return 0;
}

static int send_rest(struct sn_stream *to, struct sn_str rest)
{
    if (!rest.len) return 0;
    ssize_t n = sn_write(to, rest.ptr, rest.len);
    return n < 0 ? (int)n : 0;
}

int gw_tunnel(struct gw_req *q, struct gw_client *client, struct sn_http_resp *resp)
{
    struct tunnel *t = SN_NEW(struct tunnel);
    if (!t) return gw_answer(q, 503, "out of memory");
    struct sn_str from_client, from_upstream;
    t->gw = q->gw;
    int r = sn_http_resp_hijack(resp, &t->upstream, &from_upstream);
    if (r < 0) {
        sn_free(t);
        return r;
    }
    r = sn_http_hijack(q->x, q->x->req.version == 20 ? 200 : 101, &t->client, &from_client);
    if (r < 0) {
        sn_stream_close(t->upstream);
        sn_free(t);
        return r;
    }
    q->status = q->x->status;
    q->tunnel = true;
    t->pool = client;
    __atomic_add_fetch(&client->refs, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&q->gw->tunnels, 1, __ATOMIC_RELAXED);
    r = send_rest(t->client, from_upstream);
    if (r == 0) r = send_rest(t->upstream, from_client);
    /* Not stolen by another worker: an h2 stream belongs to its own. */
    if (r == 0) r = sn_scope_go_on(q->gw->scope, q->worker, "tunnel up", copy_up, t);
    if (r < 0) {
        tunnel_close(t);
        tunnel_free(t);
        return r;
    }
    r = sn_scope_go_on(q->gw->scope, q->worker, "tunnel down", copy_down, t);
    if (r < 0) tunnel_leave(t);
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/tunnel.c - after a protocol switch: bytes both ways between client and upstream, until
 * either side ends. A tunnel belongs to the gateway, not to a snapshot: reloads do not touch it. */
#include "core/alloc.h"
#include "gateway/gw_int.h"

struct tunnel {
    struct sn_gateway *gw;
    struct sn_stream *client, *upstream;
    uint32_t open; /* directions still copying */
};

/* Both directions end together: half a WebSocket is of no use, and a client that is gone must not
 * hold its upstream. The other direction's read then ends with SN_E_CLOSED or SN_E_EOF. */
static void tunnel_leave(struct tunnel *t)
{
    if (__atomic_sub_fetch(&t->open, 1, __ATOMIC_ACQ_REL)) {
        (void)!sn_stream_shutdown(t->client);
        (void)!sn_stream_shutdown(t->upstream);
        return;
    }
    sn_stream_close(t->client);
    sn_stream_close(t->upstream);
    __atomic_sub_fetch(&t->gw->tunnels, 1, __ATOMIC_RELAXED);
    sn_free(t);
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

int gw_tunnel(struct gw_req *q, struct sn_http_resp *resp)
{
    struct tunnel *t = SN_NEW(struct tunnel);
    if (!t) return gw_answer(q, 503, "out of memory");
    struct sn_str from_client, from_upstream;
    t->gw = q->gw;
    t->open = 2;
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
    __atomic_add_fetch(&q->gw->tunnels, 1, __ATOMIC_RELAXED);
    r = send_rest(t->client, from_upstream);
    if (r == 0) r = send_rest(t->upstream, from_client);
    /* Not stolen by another worker: an h2 stream belongs to its own. */
    if (r == 0) r = sn_scope_go_on(q->gw->scope, q->worker, "tunnel up", copy_up, t);
    if (r < 0) {
        t->open = 1;
        tunnel_leave(t);
        return r;
    }
    r = sn_scope_go_on(q->gw->scope, q->worker, "tunnel down", copy_down, t);
    if (r < 0) tunnel_leave(t);
    return r;
}

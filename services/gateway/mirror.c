/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/mirror.c - copies of requests to another upstream, whose answers nobody waits for. A copy
 * is made in memory while the request goes its way, and sent by a fiber of its own: neither its
 * time nor its failure touches the request. Both are bounded, and beyond the bounds there is no
 * copy. */
#include "core/alloc.h"
#include "gateway/gw_int.h"

/* An answer longer than this is cut instead of read: the connection is the price. */
#define ANSWER_BYTES_MAX (1u << 20)

struct gw_mirror {
    struct gw_snap *snap; /* counted as a request of `worker` */
    struct gw_pool *pool;
    struct gw_route *route;
    unsigned worker;
    int64_t timeout;
    struct sn_arena arena;
    struct sn_http_call call;
    struct sn_buf body;
    bool failed; /* to be dropped: no memory, or the body was another than announced */
};

bool gw_mirror_wanted(struct gw_req *q)
{
    const struct sn_gw_conf_mirror *c = &q->route->conf->proxy.mirror;
    int64_t len = q->x->req.content_length;
    if (len < 0 || (uint64_t)len > c->body_bytes_max || gw_upgrade(&q->x->req).ptr) return false;
    if (c->percent < 100 && (double)(sn_random() >> 11) * 0x1p-53 * 100 >= c->percent) return false;
    return __atomic_load_n(&q->route->mirroring, __ATOMIC_RELAXED) < (int64_t)c->inflight_max;
}

static void mirror_free(struct gw_mirror *m)
{
    __atomic_sub_fetch(&m->route->mirroring, 1, __ATOMIC_RELAXED);
    gw_snap_leave(m->snap, m->worker);
    sn_buf_done(&m->body);
    sn_arena_done(&m->arena);
    sn_free(m);
}

static bool copy_head(struct gw_mirror *m, struct gw_req *q, const struct sn_http_call *call)
{
    struct gw_upgrade none = {0};
    struct sn_http_header *h = NULL, *to;
    unsigned n = 0;
    if (gw_headers_upstream(q, SN_STR("mirror"), &q->route->conf->proxy, &none, &h, &n) < 0)
        return false;
    to = SN_ARENA_ARRAY(&m->arena, struct sn_http_header, n + 1);
    m->call.method = sn_arena_str(&m->arena, call->method);
    m->call.target = sn_arena_str(&m->arena, call->target);
    bool ok = to && m->call.method.ptr && m->call.target.ptr;
    for (unsigned i = 0; ok && i < n; i++) {
        to[i].name = sn_arena_str(&m->arena, h[i].name);
        to[i].value = sn_arena_str(&m->arena, h[i].value);
        ok = to[i].name.ptr && to[i].value.ptr;
    }
    m->call.headers = to;
    m->call.n_headers = n;
    m->call.url = m->pool->url; /* the snapshot's */
    m->call.no_default_headers = true;
    return ok;
}

struct gw_mirror *gw_mirror_begin(struct gw_req *q, const struct sn_http_call *call)
{
    struct gw_mirror *m = SN_NEW(struct gw_mirror);
    if (!m) return NULL;
    __atomic_add_fetch(&q->route->mirroring, 1, __ATOMIC_RELAXED);
    m->snap = gw_snap_again(q->snap, q->worker);
    m->route = q->route;
    m->pool = q->route->mirror;
    m->worker = q->worker;
    m->timeout = q->route->conf->proxy.mirror.timeout;
    sn_arena_init(&m->arena, NULL, 1 << 20);
    sn_buf_init(&m->body, q->route->conf->proxy.mirror.body_bytes_max);
    if (copy_head(m, q, call)) return m;
    mirror_free(m);
    return NULL;
}

void gw_mirror_body(struct gw_mirror *m, const void *data, size_t n)
{
    if (sn_buf_put(&m->body, data, n) < 0) m->failed = true;
}

static int mirror_main(void *arg)
{
    struct gw_mirror *m = arg;
    struct sn_http_resp *resp = NULL;
    int64_t start = sn_now(), prev = sn_deadline_tighten(start + m->timeout);
    struct sn_gw_endpoint *ep =
        sn_gw_pool_pick(m->pool->pool, start, sn_random(), sn_random(), NULL);
    sn_gw_endpoint_begin(ep, start);
    sn_gw_meter_begin(ep->meter, m->worker);
    m->call.addr = sn_str(ep->addr);
    m->call.body = sn_buf_view(&m->body);
    int r = sn_http_do(m->pool->client->http, &m->call, &resp), status = r < 0 ? 0 : resp->status;
    const void *piece;
    size_t got = 0;
    for (ssize_t n; r == 0 && got < ANSWER_BYTES_MAX && (n = sn_http_resp_peek(resp, &piece)) > 0;)
        got += (size_t)n;
    sn_http_resp_close(resp);
    sn_deadline_restore(prev);
    int64_t now = sn_now();
    sn_gw_meter_end(ep->meter, m->worker, status, now - start, 0, 0);
    bool bad = r < 0 || (status >= 502 && status <= 504);
    enum sn_gw_result result = r == SN_E_CANCELLED ? SN_GW_RESULT_ABANDONED
                               : bad               ? SN_GW_RESULT_FAILED
                                                   : SN_GW_RESULT_OK;
    (void)sn_gw_endpoint_finish(m->pool->pool, ep, start, now, result);
    mirror_free(m);
    return 0;
}

void gw_mirror_end(struct gw_mirror *m, bool whole)
{
    if (!m) return;
    struct sn_scope *scope = m->snap->gw->scope;
    if (whole && !m->failed && scope &&
        sn_scope_go_on(scope, m->worker, "mirror", mirror_main, m) == 0)
        return;
    mirror_free(m);
}

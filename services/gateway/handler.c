/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/handler.c - a request's way from the listener to its route's action. */
#include "gateway/gw_int.h"
#include "gateway/takeover.h"

int gw_answer(struct gw_req *q, int status, const char *fault)
{
    q->fault = fault;
    q->status = status;
    sn_http_response_headers(q->x)->len = 0;
    if (q->route && gw_response_headers(q) < 0) sn_http_response_headers(q->x)->len = 0;
    if (q->grpc || gw_is_grpc(&q->x->req)) return gw_grpc_answer(q, gw_grpc_code(status), fault);
    if (q->more.name.len && sn_http_header_add(q->x, q->more.name, q->more.value) < 0)
        return SN_E_NOMEM;
    struct sn_str body =
        sn_arena_printf(q->x->arena, "%d %s\n", status, sn_http_status_text(status));
    if (!body.ptr) return SN_E_NOMEM;
    return sn_http_reply(q->x, status, SN_STR("text/plain; charset=utf-8"), body);
}

/* The peer without its port: "127.0.0.1", "::1"; empty for a Unix socket. */
static struct sn_str peer_ip(struct sn_http_x *x)
{
    struct sn_str p = sn_http_peer(x);
    ssize_t colon = p.ptr ? sn_str_rchr(p, ':') : -1;
    if (colon < 0) return (struct sn_str){0};
    p.len = (size_t)colon;
    if (p.len > 2 && p.ptr[0] == '[') p = sn_str_sub(p, 1, p.len - 1);
    return p;
}

static int find_route(struct gw_req *q, const struct gw_listener *l)
{
    const struct sn_http_req *r = &q->x->req;
    const struct gw_table *t = q->snap->by_slot[l->slot];
    if (!t) return SN_E_UNAVAILABLE;
    int rc = sn_gw_host_normalize(r->authority, q->host_buf, &q->host);
    if (rc == 0) rc = sn_gw_path_normalize(q->x->arena, r->path, &q->path);
    if (rc < 0) return rc;
    if (q->snap->n_origins && (q->route = gw_takeover_route(q, l))) {
        q->matched = SN_STR("");
        return 0;
    }
    /* An extended CONNECT is what a GET with Upgrade is on HTTP/1.1: one rule fits both. */
    bool extended = r->protocol.ptr != NULL;
    struct sn_gw_lookup look = {.method = extended ? SN_HTTP_GET : r->method,
                                .method_text = extended ? SN_STR("GET") : r->method_text,
                                .host = q->host,
                                .path = q->path,
                                .query = r->query,
                                .headers = &r->headers};
    struct sn_gw_hit hit;
    /* A preflight asks for a route that may have no OPTIONS. */
    struct sn_str wanted =
        r->method == SN_HTTP_OPTIONS ? gw_preflight_method(r) : (struct sn_str){0};
    if (SN_UNLIKELY(wanted.ptr != NULL)) {
        struct sn_gw_lookup as = look;
        as.method = sn_http_method_of(wanted);
        as.method_text = wanted;
        if (sn_gw_router_match(t->router, &as, q->worker, &hit) == 0 &&
            q->snap->routes[t->map[hit.rule]].conf->cors.enabled)
            look = as;
    }
    rc = sn_gw_router_match(t->router, &look, q->worker, &hit);
    if (rc < 0) return rc;
    q->route = &q->snap->routes[t->map[hit.rule]];
    q->matched = hit.matched;
    return 0;
}

static int refuse(struct gw_req *q, int why)
{
    switch (why) {
    case SN_E_NOT_FOUND: return gw_answer(q, 404, "no route");
    case SN_E_TOO_LARGE: return gw_answer(q, 414, "path too long");
    case SN_E_UNAVAILABLE: return gw_answer(q, 503, "listener removed");
    case SN_E_NOMEM: return gw_answer(q, 503, "out of memory");
    default: return gw_answer(q, 400, "malformed host or path");
    }
}

static int act(struct gw_req *q)
{
    switch (q->route->conf->action) {
    case SN_GW_PROXY: return gw_proxy(q);
    case SN_GW_STATIC: return gw_files(q);
    case SN_GW_REDIRECT: return gw_redirect(q);
    case SN_GW_RESPOND: return gw_respond(q);
    case SN_GW_NONE: break;
    }
    return gw_answer(q, 500, "route without action");
}

/* Runs also when a panic unwinds the handler. */
static void req_finish(struct gw_req *q)
{
    struct sn_http_x *x = q->x;
    int64_t took = sn_now() - x->req.start_ns;
    int status = q->status ? q->status : x->status;
    if (q->metered)
        sn_gw_meter_end(q->route->meter, q->worker, status, took, x->bytes_in, x->bytes_out);
    if (q->snap->log && (!q->route || q->route->conf->access_log))
        gw_log_write(q->snap->log, q, took);
    gw_trace_end(q, status);
    gw_snap_leave(q->snap, q->worker);
}

int gw_handle(struct sn_http_x *x, void *listener)
{
    struct gw_listener *l = listener;
    struct gw_req q SN_CLEANUP(req_finish) = {.x = x, .gw = l->gw};
    q.worker = (unsigned)sn_worker_id();
    q.snap = gw_snap_enter(l->gw, q.worker);
    q.peer = peer_ip(x);
    enum sn_http_method m = x->req.method;
    if ((m == SN_HTTP_CONNECT && !x->req.protocol.ptr) || m == SN_HTTP_TRACE)
        return gw_answer(&q, 405, "method refused");
    int r = find_route(&q, l);
    if (r < 0) return refuse(&q, r);
    sn_gw_meter_begin(q.route->meter, q.worker);
    q.metered = true;
    if (q.snap->tracer) gw_trace_begin(&q);
    if (SN_UNLIKELY(q.route->policies)) {
        r = gw_policies(&q);
        if (r != 0) return r < 0 ? r : 0;
    }
    return act(&q);
}

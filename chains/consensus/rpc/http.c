/* SPDX-License-Identifier: Apache-2.0 */
/* rpc/http.c - requests by HTTP: POST / is JSON-RPC, /NAME?ARGUMENTS the same call by URI, GET /
 * the list of calls. Statuses, headers and texts are CometBFT's; so is what browsers of other
 * origins are told. Source: CometBFT v0.38.25 rpc/jsonrpc/server; the Fetch standard for CORS. */
#include <stdio.h>

#include "consensus/rpc/rpc_int.h"

#define JSON SN_STR("application/json")

struct request {
    struct sn_rpc *rpc;
    struct sn_http_x *x;
    struct sn_buf out;
    struct sn_str body;
    char time[24];
};
static void request_done(struct request *q) { sn_buf_done(&q->out); }

static int reply(struct request *q, int status, bool kept)
{
    int r = q->out.err;
    if (r == 0 && kept)
        r = sn_http_header_add(q->x, SN_STR("Cache-Control"), SN_STR("public, max-age=86400"));
    return r < 0 ? r : sn_http_reply(q->x, status, JSON, sn_buf_view(&q->out));
}

/* ---- JSON-RPC ---- */

static void call_of(struct request *q, struct sn_str id, const struct sn_rpc_route *route,
                    struct sn_rpc_call *c)
{
    *c = (struct sn_rpc_call){.rpc = q->rpc,
                              .view = q->rpc->o.view,
                              .route = route,
                              .arena = q->x->arena,
                              .out = &q->out,
                              .id = id};
    if (route->handler == sn_rpc_do_broadcast_tx_commit) c->client = sn_http_peer(q->x);
}

/* One answer. Returns whether clients may cache it. */
static bool answer(struct request *q, const struct sn_rpc_request *req)
{
    struct sn_rpc_call c;
    const struct sn_rpc_route *route = sn_rpc_route(q->rpc, req->method);
    if (!route || route->flags & SN_RPC_WS) {
        sn_rpc_error(&q->out, req->id, SN_RPC_NO_METHOD, (struct sn_str){0});
        return false;
    }
    call_of(q, req->id, route, &c);
    int r = sn_rpc_args_json(&c, req->params);
    if (r < 0) {
        sn_rpc_error_of(&q->out, req->id, SN_RPC_INVALID_PARAMS,
                        "error converting json params to arguments: ", r);
        return false;
    }
    (void)sn_rpc_answer(&c);
    return sn_rpc_kept(&c);
}

static int batch_too_long(struct request *q)
{
    struct sn_str text =
        sn_arena_printf(q->x->arena,
                        "batch request exceeds maximum (%d) allowed number of requests",
                        q->rpc->o.batch_max);
    sn_rpc_error(&q->out, (struct sn_str){0}, SN_RPC_INVALID_REQUEST, text);
    return reply(q, 200, false);
}

static int json_rpc(struct request *q)
{
    struct sn_rpc_request *reqs;
    bool batch, kept = true;
    if (q->body.len == 0) {
        sn_rpc_help(q->rpc, q->x->req.authority, &q->out);
        return q->out.err < 0 ? q->out.err
                              : sn_http_reply(q->x, 200, SN_STR("text/html"), sn_buf_view(&q->out));
    }
    ssize_t n = sn_rpc_requests(q->body, q->x->arena, &reqs, &batch);
    if (n < 0) {
        sn_rpc_error_of(&q->out, (struct sn_str){0}, SN_RPC_PARSE_ERROR,
                        "error unmarshaling request: ", (int)n);
        return reply(q, 500, false);
    }
    if (batch && q->rpc->o.batch_max > 0 && n > q->rpc->o.batch_max) return batch_too_long(q);
    ssize_t answers = 0;
    for (ssize_t i = 0; i < n; i++) answers += reqs[i].id.len > 0;
    if (answers == 0) return sn_http_reply(q->x, 200, (struct sn_str){0}, (struct sn_str){0});
    if (answers > 1) sn_buf_byte(&q->out, '[');
    for (ssize_t i = 0, done = 0; i < n; i++) {
        if (!reqs[i].id.len) continue;
        if (done++) sn_buf_byte(&q->out, ',');
        if (!answer(q, &reqs[i])) kept = false;
    }
    if (answers > 1) sn_buf_byte(&q->out, ']');
    return reply(q, 200, kept);
}

/* ---- URIs ---- */

static int by_uri(struct request *q, const struct sn_rpc_route *route)
{
    struct sn_rpc_call c;
    struct sn_str type = sn_http_headers_get(&q->x->req.headers, SN_STR("content-type"));
    bool form = sn_str_starts(type, SN_STR("application/x-www-form-urlencoded"));
    if (route->flags & SN_RPC_WS) {
        sn_rpc_error(&q->out, SN_STR("-1"), SN_RPC_NO_METHOD, (struct sn_str){0});
        return reply(q, 404, false);
    }
    call_of(q, SN_STR("-1"), route, &c);
    int r = sn_rpc_args_uri(&c, q->x->req.query, form ? q->body : (struct sn_str){0});
    if (r < 0) {
        sn_rpc_error_of(&q->out, c.id, SN_RPC_INVALID_PARAMS,
                        "error converting http params to arguments: ", r);
        return reply(q, 500, false);
    }
    bool ok = sn_rpc_answer(&c);
    return reply(q, ok ? 200 : 500, ok && sn_rpc_kept(&c));
}

static int not_found(struct request *q)
{
    int r = sn_http_header_add(q->x, SN_STR("X-Content-Type-Options"), SN_STR("nosniff"));
    return r < 0 ? r
                 : sn_http_reply(q->x, 404, SN_STR("text/plain; charset=utf-8"),
                                 SN_STR("404 page not found\n"));
}

/* ---- other origins ---- */

/* "*", an origin, or one with a "*" in it. */
static bool pattern_fits(struct sn_str pattern, struct sn_str s)
{
    ssize_t star = sn_str_chr(pattern, '*');
    if (star < 0) return sn_str_ieq(pattern, s);
    struct sn_str head = sn_str_sub(pattern, 0, (size_t)star),
                  tail = sn_str_from(pattern, (size_t)star + 1);
    return s.len >= head.len + tail.len && sn_str_ieq(sn_str_sub(s, 0, head.len), head) &&
           sn_str_ieq(sn_str_from(s, s.len - tail.len), tail);
}
static bool listed(const char *const *list, struct sn_str s)
{
    for (; list && *list; list++)
        if (pattern_fits(sn_str(*list), s)) return true;
    return false;
}
static bool any_origin(const struct sn_rpc_opts *o)
{
    for (const char *const *l = o->cors_origins; l && *l; l++)
        if (strcmp(*l, "*") == 0) return true;
    return false;
}

static int add(struct sn_http_x *x, const char *name, struct sn_str value)
{
    return sn_http_header_add(x, sn_str(name), value);
}

static int allow_origin(struct request *q, struct sn_str origin)
{
    bool any = any_origin(&q->rpc->o);
    int r = add(q->x, "Access-Control-Allow-Origin", any ? SN_STR("*") : origin);
    return r;
}

/* Every header of the list is allowed. */
static bool headers_fit(const struct sn_rpc_opts *o, struct sn_str list)
{
    while (list.ptr) {
        struct sn_str name = sn_str_trim(sn_str_cut(&list, ','));
        if (name.len && !sn_str_ieq(name, SN_STR("origin")) && !listed(o->cors_headers, name))
            return false;
    }
    return true;
}

static int preflight(struct request *q, struct sn_str origin)
{
    const struct sn_rpc_opts *o = &q->rpc->o;
    const struct sn_http_headers *h = &q->x->req.headers;
    struct sn_str method = sn_http_headers_get(h, SN_STR("access-control-request-method")),
                  wanted = sn_http_headers_get(h, SN_STR("access-control-request-headers"));
    int r = add(q->x, "Vary",
                SN_STR("Origin, Access-Control-Request-Method, Access-Control-Request-Headers"));
    bool ok = origin.len && listed(o->cors_origins, origin) &&
              (listed(o->cors_methods, method) || sn_str_eqc(method, "OPTIONS")) &&
              headers_fit(o, wanted);
    if (r == 0 && ok) r = allow_origin(q, origin);
    if (r == 0 && ok) r = add(q->x, "Access-Control-Allow-Methods", method);
    if (r == 0 && ok && wanted.len) r = add(q->x, "Access-Control-Allow-Headers", wanted);
    return r < 0 ? r : sn_http_reply(q->x, 204, (struct sn_str){0}, (struct sn_str){0});
}

/* Returns 1 where the request was answered. */
static int cors(struct request *q)
{
    const struct sn_http_headers *h = &q->x->req.headers;
    if (!q->rpc->o.cors_origins || !q->rpc->o.cors_origins[0]) return 0;
    struct sn_str origin = sn_http_headers_get(h, SN_STR("origin"));
    if (sn_str_eqc(q->x->req.method_text, "OPTIONS") &&
        sn_http_headers_get(h, SN_STR("access-control-request-method")).len) {
        int r = preflight(q, origin);
        return r < 0 ? r : 1;
    }
    int r = add(q->x, "Vary", SN_STR("Origin"));
    if (r == 0 && origin.len && listed(q->rpc->o.cors_origins, origin) &&
        listed(q->rpc->o.cors_methods, q->x->req.method_text))
        r = allow_origin(q, origin);
    return r;
}

/* ---- the whole ---- */

/* 1 where it is too long, and was answered. */
static int read_body(struct request *q)
{
    int r = sn_http_body_all(q->x, q->rpc->o.body_bytes_max, &q->body);
    if (r != SN_E_TOO_LARGE) return r;
    sn_rpc_error(&q->out, (struct sn_str){0}, SN_RPC_INVALID_REQUEST,
                 SN_STR("error reading request body: http: request body too large"));
    r = reply(q, 400, false);
    return r < 0 ? r : 1;
}

static int server_time(struct request *q)
{
    int n = snprintf(q->time, sizeof(q->time), "%lld", (long long)(sn_wall_now() / SN_SEC));
    return sn_http_header_add(q->x, SN_STR("X-Server-Time"), sn_str_of(q->time, (size_t)n));
}

int sn_rpc_http(struct sn_http_x *x, void *arg)
{
    struct request q SN_CLEANUP(request_done) = {.rpc = arg, .x = x};
    struct sn_str path = x->req.path;
    if (sn_str_eqc(path, "/websocket")) return sn_rpc_websocket(x, arg);
    int r = server_time(&q);
    if (r == 0) r = cors(&q);
    if (r == 0 && x->req.content_length != 0) r = read_body(&q);
    if (r != 0) return r < 0 ? r : 0;
    if (path.len <= 1) return json_rpc(&q);
    const struct sn_rpc_route *route = sn_rpc_route(q.rpc, sn_str_from(path, 1));
    return route ? by_uri(&q, route) : not_found(&q);
}

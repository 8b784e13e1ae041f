/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/proxy.c - forwards a request to an endpoint and the answer back.
 *
 * Bodies stream both ways: the request's is read from the client only as fast as the upstream takes
 * it, the answer's is written to the client straight from the upstream connection's read buffer. */
#include "core/enc.h"
#include "gateway/compress.h"
#include "gateway/proxy_protocol.h"

#define LOG_ERROR_MAX 200u

/* The request body as the HTTP client pulls it. `err` tells a client's failure from an upstream's.
 */
struct body {
    struct sn_http_x *x;
    uint64_t bytes_max; /* the route's; 0 = none */
    bool started;
    int err;
    struct gw_mirror *copy; /* also gets what is read; NULL = none */
};

static ssize_t body_pull(void *arg, void *buf, size_t cap)
{
    struct body *b = arg;
    b->started = true;
    ssize_t n = sn_http_body_read(b->x, buf, cap);
    if (n > 0 && b->bytes_max && b->x->bytes_in > b->bytes_max) n = SN_E_TOO_LARGE;
    if (n < 0) b->err = (int)n;
    if (n > 0 && b->copy) gw_mirror_body(b->copy, buf, (size_t)n);
    return n;
}

/* The end is told with the last piece where it is known by then. */
static bool body_over(void *arg)
{
    struct body *b = arg;
    return sn_http_body_over(b->x);
}

struct proxy {
    struct gw_req *q;
    const struct sn_gw_conf_proxy *conf;
    struct gw_pool *pool;
    struct gw_upgrade upgrade;
    struct body body;
    struct sn_http_call call;
    struct sn_gw_tried tried;
    uint64_t hash;
    struct sn_gw_endpoint *ep; /* of the attempt in progress */
    int64_t ep_start_ns, ep_head_ns, deadline;
    struct sn_http_resp *resp;
    struct gw_compressor *comp;
    bool doubtful; /* how long this request waits says something of its endpoint */
    bool doubted;  /* the attempt in progress: its endpoint says nothing */
    bool gave_up;  /* ... and another one gets the request; its token is paid */
};

/* ---- where to ------------------------------------------------------------------------------- */

struct gw_pool *gw_choose_pool(struct gw_req *q)
{
    const struct gw_route *r = q->route;
    if (r->conf->proxy.n_to == 1) return &q->snap->pools[r->targets[0].pool];
    uint64_t roll = sn_random() % r->weight_total;
    size_t i = 0;
    while (roll >= r->targets[i].upto) i++;
    return &q->snap->pools[r->targets[i].pool];
}

uint64_t gw_hash_key(const struct gw_req *q, const struct sn_gw_conf_upstream *c)
{
    const struct sn_gw_conf_hash *k = &c->hash;
    const struct sn_http_headers *h = &q->x->req.headers;
    struct sn_str v = {0};
    if (k->header.ptr) v = sn_http_headers_get(h, k->header);
    if (!v.ptr && k->cookie.ptr) v = gw_cookie(h, k->cookie);
    if (!v.ptr && k->source_ip) v = q->peer;
    if (!v.ptr && k->path) v = q->path;
    return v.ptr ? sn_hash(v.ptr, v.len, 0) : sn_random();
}

/* ---- the call ------------------------------------------------------------------------------- */

static struct sn_str call_target(struct proxy *p)
{
    struct gw_req *q = p->q;
    struct sn_str path = q->route->rewrite
                             ? gw_rewrite_regex(q)
                             : gw_rewrite_path(q, p->conf->replace_path, p->conf->replace_prefix,
                                               p->conf->strip_prefix);
    struct sn_str query = q->x->req.query;
    if (!path.ptr || !query.ptr) return path;
    /* In the usual case path and query still lie side by side as they came. */
    if (path.ptr + path.len + 1 == query.ptr) return sn_str_of(path.ptr, path.len + 1 + query.len);
    char *t = sn_arena_alloc(q->x->arena, path.len + 1 + query.len);
    if (!t) return (struct sn_str){0};
    memcpy(t, path.ptr, path.len);
    t[path.len] = '?';
    memcpy(t + path.len + 1, query.ptr, query.len);
    return sn_str_of(t, path.len + 1 + query.len);
}

/* Whether and how the request changes protocols. Returns 0, 1 when it is answered, or a failure. */
static int upgrade_plan(struct proxy *p)
{
    struct gw_req *q = p->q;
    const struct sn_http_req *req = &q->x->req;
    char accept[SN_WS_ACCEPT_LEN];
    int r = 0;
    p->upgrade.protocol = gw_upgrade(req);
    bool ws = sn_str_ieq(p->upgrade.protocol, SN_STR("websocket"));
    if (req->protocol.ptr) {
        if (!ws) {
            r = gw_answer(q, 501, "unknown protocol of an extended CONNECT");
            return r < 0 ? r : 1;
        }
        uint64_t nonce[2] = {sn_random(), sn_random()};
        char *key = sn_arena_alloc(q->x->arena, SN_WS_KEY_LEN);
        if (!key) return SN_E_NOMEM;
        sn_base64_encode(nonce, sizeof(nonce), SN_BASE64_STD, key);
        p->upgrade.key = sn_str_of(key, SN_WS_KEY_LEN);
    } else if (p->pool->conf->h2 && !ws) {
        p->upgrade.protocol = (struct sn_str){0}; /* h2 knows no other switch: the field is ignored */
    } else if (p->pool->conf->h2 &&
               sn_ws_accept_of(sn_http_headers_get(&req->headers, SN_STR("sec-websocket-key")),
                               accept) < 0) {
        r = gw_answer(q, 400, "malformed Sec-WebSocket-Key");
        return r < 0 ? r : 1;
    }
    return 0;
}

/* A 101 to a handshake whose key is ours must prove that it was read; an h2 stream proves itself. */
static bool switched(const struct proxy *p)
{
    char want[SN_WS_ACCEPT_LEN];
    if (!p->upgrade.key.ptr || p->resp->version == 20) return true;
    struct sn_str got = sn_http_headers_get(&p->resp->headers, SN_STR("sec-websocket-accept"));
    return sn_ws_accept_of(p->upgrade.key, want) == 0 &&
           sn_str_eq(got, sn_str_of(want, SN_WS_ACCEPT_LEN));
}

/* What an h2 upstream's 200 does not say to a client that waits for a 101. */
static int complete_handshake(struct proxy *p)
{
    struct sn_http_x *x = p->q->x;
    if (p->resp->version != 20 || x->req.version == 20) return 0;
    char *accept = sn_arena_alloc(x->arena, SN_WS_ACCEPT_LEN);
    if (!accept) return SN_E_NOMEM;
    int r = sn_ws_accept_of(sn_http_headers_get(&x->req.headers, SN_STR("sec-websocket-key")), accept);
    if (r == 0) r = sn_http_header_add(x, SN_STR("Upgrade"), SN_STR("websocket"));
    if (r == 0)
        r = sn_http_header_add(x, SN_STR("Sec-WebSocket-Accept"),
                               sn_str_of(accept, SN_WS_ACCEPT_LEN));
    return r;
}

/* The PROXY header for an upstream: from the client, to where it connected. */
static struct sn_str preface_of(struct gw_req *q, enum sn_gw_proxy_out kind)
{
    uint8_t *out = sn_arena_alloc(q->x->arena, SN_PROXYP_OUT_MAX);
    if (!out) return (struct sn_str){0};
    struct sn_str local = sn_http_local(q->x), peer = sn_http_peer(q->x);
    size_t n = sn_proxyp_write(kind == SN_GW_PROXY_V1 ? 1 : 2, peer, local, out);
    return sn_str_of((const char *)out, n);
}

static int call_build(struct proxy *p)
{
    const struct sn_http_req *r = &p->q->x->req;
    p->call = (struct sn_http_call){
        .method = r->protocol.ptr ? SN_STR("GET") : r->method_text,
        .url = p->pool->url,
        .target = call_target(p),
        .no_default_headers = true,
        .body_length = r->content_length,
    };
    if (!p->call.target.ptr) return SN_E_NOMEM;
    if (p->pool->conf->proxy_protocol) {
        p->call.preface = preface_of(p->q, p->pool->conf->proxy_protocol);
        if (!p->call.preface.ptr) return SN_E_NOMEM;
    }
    if (p->pool->conf->h2) p->call.protocol = p->upgrade.protocol;
    if (r->content_length != 0 && !r->protocol.ptr) {
        p->call.body_fn = body_pull;
        p->call.body_arg = &p->body;
        p->call.body_over = body_over;
        p->call.trailers = &r->trailers; /* there once body_pull has seen the end */
    }
    return 0;
}

static void attempt_end(struct proxy *p, enum sn_gw_result result)
{
    struct gw_req *q = p->q;
    int64_t end = p->ep_head_ns ? p->ep_head_ns : sn_now();
    int status = p->resp ? p->resp->status : 0;
    q->upstream_ns += end - p->ep_start_ns;
    sn_gw_meter_end(p->ep->meter, q->worker, status, end - p->ep_start_ns, 0, 0);
    if (sn_gw_endpoint_finish(p->pool->pool, p->ep, p->ep_start_ns, end, result))
        gw_event(q->gw, "warn", "upstream %.*s: endpoint %s ejected",
                 SN_STR_ARG(p->pool->conf->name), p->ep->addr);
    gw_trace_attempt_end(q, status, sn_gw_result_bad(result));
    sn_http_resp_close(p->resp);
    p->resp = NULL;
    p->ep = NULL;
}

/* Nothing has come for longer than this upstream ever takes. A request that is merely slow goes on: its
 * endpoint answers others meanwhile, or nobody answers. */
static int64_t impatient(void *arg)
{
    struct proxy *p = arg;
    int64_t now = sn_now(), patience = p->call.patience_ns;
    if (!sn_gw_endpoint_silent(p->pool->pool, p->ep, p->ep_start_ns, now)) return patience;
    p->doubted = true;
    /* Once: if the next one says nothing either, it is the request that takes long. */
    if (!(p->conf->retry_on & SN_GW_RETRY_SILENT) || !p->conf->retries || p->tried.n > 1 ||
        !sn_http_idempotent(p->q->x->req.method) || !sn_gw_budget_take(&p->pool->up->budget))
        return patience;
    p->gave_up = true;
    return -1;
}

static void patience_set(struct proxy *p)
{
    /* Bodies, streams and tunnels take the time their clients take. */
    p->doubtful = p->pool->pool->n > 1 && !p->call.body_fn && !p->q->grpc &&
                  !p->upgrade.protocol.len;
    p->call.patience_ns = p->doubtful ? sn_gw_patience_ns(&p->pool->up->patience) : 0;
    p->call.impatient = impatient;
    p->call.impatient_arg = p;
    p->doubted = p->gave_up = false;
}

static int attempt(struct proxy *p)
{
    struct gw_req *q = p->q;
    int64_t now = sn_now();
    p->ep = NULL;
    if (p->pool->sticky && !p->tried.n) p->ep = gw_sticky_pick(q, p->pool, now);
    if (!p->ep) p->ep = sn_gw_pool_pick(p->pool->pool, now, sn_random(), p->hash, &p->tried);
    p->tried.eps[p->tried.n++] = p->ep;
    p->ep_start_ns = now;
    p->ep_head_ns = 0;
    sn_gw_endpoint_begin(p->ep, now);
    sn_gw_meter_begin(p->ep->meter, q->worker);
    q->attempts++;
    q->endpoint = sn_str(p->ep->addr);
    p->call.addr = q->endpoint;
    p->call.start_ns = now;
    struct sn_http_header *h = NULL;
    gw_trace_attempt(q);
    int r = gw_headers_upstream(q, q->endpoint, p->conf, &p->upgrade, &h, &p->call.n_headers);
    if (r < 0) return r;
    p->call.headers = h;
    patience_set(p);
    /* A stale pooled connection is retried below us once, for what may be repeated. */
    int64_t at = p->deadline;
    if (p->conf->try_timeout && !q->grpc && now + p->conf->try_timeout < at)
        at = now + p->conf->try_timeout;
    if (p->call.body_fn &&
        !q->grpc) { /* a client may take its time for a body; the upstream may not after it */
        p->call.answer_ns_max = at == SN_FOREVER ? 0 : SN_MAX(at - now, (int64_t)1);
        at = SN_FOREVER;
    }
    int64_t prev = sn_deadline_tighten(at);
    r = sn_http_do(p->pool->client->http, &p->call, &p->resp);
    sn_deadline_restore(prev);
    p->ep_head_ns = r < 0 ? sn_now() : now + p->resp->first_byte_ns;
    if (r < 0) return r;
    sn_gw_endpoint_heard(p->ep, p->ep_head_ns);
    /* What was given up once and is answered late elsewhere takes that long. */
    if (p->doubtful && (!p->doubted || p->tried.n > 1))
        sn_gw_patience_learn(&p->pool->up->patience, p->resp->first_byte_ns, p->ep_head_ns);
    return r;
}

/* ---- once more? ----------------------------------------------------------------------------- */

bool gw_never_connected(int r)
{
    return r == SN_E_REFUSED || r == SN_E_UNAVAILABLE || r == SN_E_NOT_FOUND ||
           r == SN_E_UNAUTHENTICATED;
}

/* Nothing that another attempt would change, and no failure of the endpoint. */
static bool not_the_endpoints(int r)
{
    return r == SN_E_CANCELLED || r == SN_E_NOMEM || r == SN_E_INVALID_ARGUMENT || r == SN_E_FILES ||
           r == SN_E_UNIMPLEMENTED;
}

static bool bad_gateway(int status) { return status >= 502 && status <= 504; }

/* What a gRPC status says about who sent it: UNAVAILABLE is its 503, and these its other 5xx. */
static bool grpc_bad(const struct proxy *p, int code)
{
    if (code == SN_E_UNAVAILABLE) return true;
    return p->pool->conf->outlier.count_5xx &&
           (code == SN_E_UNKNOWN || code == SN_E_INTERNAL || code == SN_E_DATA_LOSS ||
            code == SN_E_UNIMPLEMENTED);
}

static bool may_repeat(const struct proxy *p, int r)
{
    uint32_t kind = SN_GW_RETRY_RESET;
    if (r >= 0)
        kind = SN_GW_RETRY_5XX;
    else if (gw_never_connected(r))
        kind = SN_GW_RETRY_CONNECT;
    else if (r == SN_E_DEADLINE_EXCEEDED)
        kind = SN_GW_RETRY_TIMEOUT;
    else if (not_the_endpoints(r))
        return false;
    if (!(p->conf->retry_on & kind) || p->tried.n > p->conf->retries || p->body.started)
        return false;
    bool repeatable = sn_http_idempotent(p->q->x->req.method) && !p->upgrade.protocol.len;
    return (kind == SN_GW_RETRY_CONNECT || repeatable) && sn_now() < p->deadline;
}

static enum sn_gw_result result_of(const struct proxy *p, int r)
{
    if (p->body.err < 0 || not_the_endpoints(r)) return SN_GW_RESULT_ABANDONED;
    if (r < 0) return SN_GW_RESULT_SILENT;
    int status = p->resp->status;
    if (p->q->grpc && grpc_bad(p, gw_grpc_status(&p->resp->headers))) return SN_GW_RESULT_FAILED;
    return bad_gateway(status) || (status >= 500 && p->pool->conf->outlier.count_5xx)
               ? SN_GW_RESULT_FAILED
               : SN_GW_RESULT_OK;
}

/* Leaves an answer in p->resp, or returns why there is none. */
static int attempts(struct proxy *p)
{
    struct gw_req *q = p->q;
    sn_gw_budget_deposit(&p->pool->up->budget, p->pool->conf->retry_percent);
    for (;;) {
        int r = attempt(p);
        bool bad = r < 0 || bad_gateway(p->resp->status);
        if (!bad) return r;
        if (r < 0) {
            char text[LOG_ERROR_MAX];
            q->error = sn_arena_str(q->x->arena, sn_str(sn_diag_format(r, text, sizeof(text))));
        }
        bool again = p->gave_up || (p->body.err == 0 && may_repeat(p, r) &&
                                    sn_gw_budget_take(&p->pool->up->budget));
        if (r >= 0 && !again) return r;
        attempt_end(p, result_of(p, r));
        if (!again) return r;
        sn_gw_meter_retry(q->route->meter, q->worker);
    }
}

/* ---- the answer ----------------------------------------------------------------------------- */

static int answer_failure(struct proxy *p, int r)
{
    struct gw_req *q = p->q;
    bool late =
        q->grpc && p->body.err == SN_E_DEADLINE_EXCEEDED; /* the call's: nothing stalls here */
    switch (late ? 0 : p->body.err) {
    case 0: break;
    case SN_E_TOO_LARGE: return gw_answer(q, 413, "request body too large");
    case SN_E_PROTOCOL: return gw_answer(q, 400, "malformed request body");
    case SN_E_DEADLINE_EXCEEDED: return gw_answer(q, 408, "request body stalled");
    default:
        q->status = 499;
        q->fault = "client left";
        return p->body.err;
    }
    switch (late ? SN_E_DEADLINE_EXCEEDED : r) {
    case SN_E_CANCELLED:
        q->status = 499;
        q->fault = "cancelled";
        return r;
    case SN_E_DEADLINE_EXCEEDED: return gw_answer(q, 504, "upstream timed out");
    case SN_E_RESOURCE_EXHAUSTED:
    case SN_E_FILES:
    case SN_E_NOMEM: return gw_answer(q, 503, "out of resources");
    case SN_E_REFUSED:
    case SN_E_UNAVAILABLE:
    case SN_E_NOT_FOUND: return gw_answer(q, 502, "upstream unreachable");
    case SN_E_UNIMPLEMENTED: return gw_answer(q, 501, "upstream admits no WebSockets over h2");
    case SN_E_UNAUTHENTICATED: return gw_answer(q, 502, "upstream's certificate refused");
    case SN_E_RESET: return gw_answer(q, 502, "upstream closed the connection");
    default: return gw_answer(q, 502, "upstream answered badly");
    }
}

static int forward_trailers(struct proxy *p)
{
    const struct sn_http_headers *t = &p->resp->trailers;
    if (p->resp->content_length >= 0 || p->q->x->req.version < 11) return 0;
    for (unsigned i = 0; i < t->len; i++) {
        if (gw_is_hop(t->ptr[i].name, (struct sn_str){0})) continue;
        int r = sn_http_trailer(p->q->x, t->ptr[i].name, t->ptr[i].value);
        if (r < 0) return r;
    }
    return 0;
}

/* How a gRPC call ended, for the log and the endpoint's reputation. */
static void grpc_over(struct proxy *p, enum sn_gw_result *result)
{
    int code = gw_grpc_status(&p->resp->headers);
    if (code == 1) code = gw_grpc_status(&p->resp->trailers);
    p->q->grpc_status = code;
    if (grpc_bad(p, code)) *result = SN_GW_RESULT_FAILED;
}

/* Small enough to be copied, so that head, piece, trailers and end leave in one write. */
#define LAST_PIECE_MAX 4096u

/* Whether nothing comes behind these `n` bytes, as far as one can know without waiting. */
static bool is_last(const struct proxy *p, size_t n)
{
    if (p->comp || p->q->x->req.version < 20 || n > LAST_PIECE_MAX) return false;
    int64_t length = p->resp->content_length;
    return length >= 0 ? (uint64_t)length == p->q->x->bytes_out + n : sn_http_resp_over(p->resp);
}

static int forward_last(struct proxy *p, struct sn_str piece, enum sn_gw_result *result)
{
    struct sn_str data = sn_arena_str(p->q->x->arena, piece);
    if (!data.ptr) return SN_E_NOMEM;
    if (p->q->grpc) grpc_over(p, result);
    int r = forward_trailers(p);
    return r < 0 ? r : sn_http_finish(p->q->x, data);
}

static int forward_body(struct proxy *p, enum sn_gw_result *result)
{
    int64_t stall = p->q->snap->conf->limits.stall_timeout;
    bool grpc = p->q->grpc;
    for (;;) {
        const void *piece;
        int64_t prev = sn_deadline_tighten(grpc ? p->q->grpc_deadline : sn_now_coarse() + stall);
        ssize_t n = sn_http_resp_peek(p->resp, &piece);
        sn_deadline_restore(prev);
        if (n == 0) {
            if (grpc) grpc_over(p, result);
            int r = p->comp ? gw_compress_end(p->comp) : 0;
            return r < 0 ? r : forward_trailers(p);
        }
        bool late = n == SN_E_DEADLINE_EXCEEDED || p->body.err == SN_E_DEADLINE_EXCEEDED;
        if (n < 0 && grpc && n != SN_E_CANCELLED && (p->body.err == 0 || late)) {
            *result = late ? SN_GW_RESULT_ABANDONED : SN_GW_RESULT_FAILED;
            p->q->fault = late ? "call's deadline passed" : "answer cut short by the upstream";
            return gw_grpc_end(p->q, late ? SN_E_DEADLINE_EXCEEDED : SN_E_UNAVAILABLE, p->q->fault);
        }
        if (n < 0) {
            *result = p->body.err < 0 ? SN_GW_RESULT_ABANDONED : SN_GW_RESULT_FAILED;
            p->q->fault = "answer cut short by the upstream";
            return (int)n;
        }
        struct sn_str data = sn_str_of(piece, (size_t)n);
        bool last = is_last(p, (size_t)n);
        int r = last      ? forward_last(p, data, result)
                : p->comp ? gw_compress_write(p->comp, data)
                          : sn_http_write(p->q->x, data);
        if (r == 0 && last) return 0;
        if (r < 0) {
            *result = SN_GW_RESULT_ABANDONED;
            p->q->fault = "client left";
            return r;
        }
    }
}

static int forward(struct proxy *p)
{
    struct gw_req *q = p->q;
    int status = p->resp->status;
    enum sn_gw_result result = result_of(p, 0);
    bool h2 = p->resp->version == 20;
    if (h2 ? p->call.protocol.len && status / 100 == 2 : status == 101) {
        if (p->upgrade.protocol.len && switched(p)) {
            int r = gw_headers_downstream(q, p->resp, true);
            if (r == 0) r = complete_handshake(p);
            if (r == 0) r = gw_tunnel(q, p->pool->client, p->resp);
            attempt_end(p, r < 0 ? SN_GW_RESULT_ABANDONED : SN_GW_RESULT_OK);
            return r;
        }
        attempt_end(p, SN_GW_RESULT_FAILED);
        return gw_answer(q, 502, p->upgrade.protocol.len ? "upstream's handshake is not for this key"
                                                         : "upstream switched protocols unasked");
    }
    int r = gw_headers_downstream(q, p->resp, false);
    if (r == 0 && p->pool->sticky) r = gw_sticky_cookie(q, p->pool, p->ep);
    int64_t length = p->resp->content_length;
    /* Trailers-Only: the status is in the head, which must end the stream. */
    if (q->grpc && gw_grpc_status(&p->resp->headers) != 1) length = 0;
    if (r == 0) r = gw_compress_begin(q, status, length, &p->comp);
    if (r == 0) {
        q->status = status;
        r = sn_http_start(q->x, status, p->comp ? -1 : length);
    }
    if (r == 0) r = forward_body(p, &result);
    if (r == 0) r = sn_http_end(q->x);
    attempt_end(p, result);
    return r;
}

/* A panic must not leave an endpoint with a request in flight for ever. */
static void proxy_finish(struct proxy *p)
{
    if (p->ep) attempt_end(p, SN_GW_RESULT_ABANDONED);
    gw_compress_free(p->comp);
    gw_mirror_end(p->body.copy, false);
}

int gw_proxy(struct gw_req *q)
{
    struct proxy p SN_CLEANUP(proxy_finish) = {.q = q, .conf = &q->route->conf->proxy};
    if (q->route->transcoder && !gw_is_grpc(&q->x->req)) {
        int r = gw_transcode(q);
        if (r <= 0) return r;
    }
    p.body.x = q->x;
    p.pool = gw_choose_pool(q);
    q->upstream = p.pool->conf->name;
    int r = upgrade_plan(&p);
    if (r != 0) return r < 0 ? r : 0;
    if (p.pool->conf->balance == SN_GW_RING_HASH) p.hash = gw_hash_key(q, p.pool->conf);
    if (q->x->req.version == 20 && gw_grpc_begin(q, p.conf->grpc_timeout) < 0)
        return gw_answer(q, 400, "malformed grpc-timeout");
    p.deadline = q->grpc           ? q->grpc_deadline
                 : p.conf->timeout ? q->x->req.start_ns + p.conf->timeout
                                   : SN_FOREVER;
    uint64_t max = p.body.bytes_max = q->route->conf->body_bytes_max;
    if (max && q->x->req.content_length > 0 && (uint64_t)q->x->req.content_length > max)
        return gw_answer(q, 413, "request body too large");
    r = call_build(&p);
    if (r == 0 && q->route->mirror && gw_mirror_wanted(q))
        p.body.copy = gw_mirror_begin(q, &p.call);
    if (r == 0) r = attempts(&p);
    if (p.body.copy) {
        bool whole = p.body.err == 0 && (uint64_t)q->x->req.content_length == q->x->bytes_in;
        gw_mirror_end(p.body.copy, whole);
        p.body.copy = NULL;
    }
    /* An endpoint may have answered the part of the body it got: what is wrong with it counts. */
    if (r >= 0 && p.body.err < 0) r = p.body.err;
    if (r < 0) {
        if (p.ep) attempt_end(&p, SN_GW_RESULT_ABANDONED);
        return answer_failure(&p, r);
    }
    return forward(&p);
}

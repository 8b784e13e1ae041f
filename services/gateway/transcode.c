/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/transcode.c - gRPC-Web, Connect and JSON in front of gRPC services. kit/grpc.h speaks the
 * protocols; here its handlers make the call to an endpoint of the route's upstream, message by
 * message. A unary request is in memory, so that it may go to another endpoint where the first
 * cannot be reached. */
#include "core/alloc.h"
#include "fiber/os.h"
#include "gateway/gw_int.h"
#include "kit/grpc.h"
#include "kit/pb_load.h"

#define DESCRIPTORS_BYTES_MAX (64u << 20)
/* What is kept of an endpoint's refusal for the log. */
#define LOG_ERROR_MAX 200u

struct gw_transcoder {
    struct sn_arena arena; /* of the tables */
    struct sn_pb_set *set; /* NULL = no descriptors */
    struct sn_grpc_server *srv;
    bool reflected;
};

/* ---- a call to the upstream -------------------------------------------------------------------
 */

struct up {
    struct gw_req *q;
    struct sn_grpc_call *c;
    struct gw_pool *pool;
    struct sn_http_call call;
    struct sn_gw_endpoint *ep; /* of the attempt in progress */
    int64_t start_ns;
    struct sn_http_resp *resp;
    struct sn_grpc_in in; /* the answer's messages */
    size_t bytes_max;
    struct sn_buf out; /* a framed message on its way */
    size_t out_off;
    int err; /* of the client's side of a stream */
};

static void attempt_over(struct up *u, enum sn_gw_result result)
{
    if (!u->ep) return;
    int64_t now = sn_now();
    u->q->upstream_ns += now - u->start_ns;
    sn_gw_meter_end(u->ep->meter, u->q->worker, u->resp ? u->resp->status : 0, now - u->start_ns, 0,
                    0);
    if (sn_gw_endpoint_finish(u->pool->pool, u->ep, u->start_ns, now, result))
        gw_event(u->q->gw, "warn", "upstream %.*s: endpoint %s ejected",
                 SN_STR_ARG(u->pool->conf->name), u->ep->addr);
    gw_trace_attempt_end(u->q, u->resp ? u->resp->status : 0, sn_gw_result_bad(result));
    sn_http_resp_close(u->resp);
    u->resp = NULL;
    u->ep = NULL;
}

static void up_done(struct up *u)
{
    attempt_over(u, SN_GW_RESULT_ABANDONED);
    sn_grpc_in_done(&u->in);
    sn_buf_done(&u->out);
}

/* Fields that belong to the protocol that was spoken to us. */
static bool protocols_own(struct sn_str n)
{
    static const char *const names[] = {"content-type",
                                        "content-encoding",
                                        "accept-encoding",
                                        "accept",
                                        "te",
                                        "x-grpc-web",
                                        "trailer",
                                        "origin",
                                        "access-control-request-method",
                                        "x-user-agent"};
    for (size_t i = 0; i < SN_COUNT_OF(names); i++)
        if (sn_str_ieq(n, sn_str(names[i]))) return true;
    return (n.len > 5 && sn_str_ieq(sn_str_sub(n, 0, 5), SN_STR("grpc-"))) ||
           (n.len > 8 && sn_str_ieq(sn_str_sub(n, 0, 8), SN_STR("connect-")));
}

static int head_build(struct up *u)
{
    struct gw_req *q = u->q;
    struct gw_upgrade none = {0};
    struct sn_http_header *h = NULL, *to;
    unsigned n = 0, k = 0;
    int r = gw_headers_upstream(q, sn_str(u->ep->addr), &q->route->conf->proxy, &none, &h, &n);
    if (r < 0) return r;
    to = sn_arena_alloc(q->x->arena, (n + 3) * sizeof(*to));
    char *timeout = sn_arena_alloc(q->x->arena, SN_GRPC_TIMEOUT_LEN);
    if (!to || !timeout) return SN_E_NOMEM;
    for (unsigned i = 0; i < n; i++)
        if (!protocols_own(h[i].name)) to[k++] = h[i];
    to[k++] = (struct sn_http_header){SN_STR("Content-Type"), SN_STR("application/grpc")};
    to[k++] = (struct sn_http_header){SN_STR("TE"), SN_STR("trailers")};
    if (u->c->deadline_ns != SN_FOREVER) {
        unsigned len = sn_grpc_timeout_format(u->c->deadline_ns - sn_now(), timeout);
        to[k++] = (struct sn_http_header){SN_STR("grpc-timeout"), sn_str_of(timeout, len)};
    }
    u->call.headers = to;
    u->call.n_headers = k;
    return 0;
}

static int attempt(struct up *u, const struct sn_gw_tried *tried, uint64_t hash)
{
    struct gw_req *q = u->q;
    u->start_ns = sn_now();
    u->ep = sn_gw_pool_pick(u->pool->pool, u->start_ns, sn_random(), hash, tried);
    sn_gw_endpoint_begin(u->ep, u->start_ns);
    sn_gw_meter_begin(u->ep->meter, q->worker);
    q->attempts++;
    q->endpoint = u->call.addr = sn_str(u->ep->addr);
    u->call.start_ns = u->start_ns;
    gw_trace_attempt(q);
    int r = head_build(u);
    return r < 0 ? r : sn_http_do(u->pool->client->http, &u->call, &u->resp);
}

/* The answer's head in u->resp, or why there is none. */
static int up_begin(struct up *u)
{
    struct gw_req *q = u->q;
    struct sn_gw_tried tried = {0};
    uint64_t hash = u->pool->conf->balance == SN_GW_RING_HASH ? gw_hash_key(q, u->pool->conf) : 0;
    sn_gw_budget_deposit(&u->pool->up->budget, u->pool->conf->retry_percent);
    for (;;) {
        int r = attempt(u, &tried, hash);
        if (r >= 0) return 0;
        char text[LOG_ERROR_MAX];
        q->error = sn_arena_str(q->x->arena, sn_str(sn_diag_format(r, text, sizeof(text))));
        tried.eps[tried.n++] = u->ep;
        bool left = r == SN_E_CANCELLED || r == SN_E_DEADLINE_EXCEEDED || u->err < 0;
        attempt_over(u, left ? SN_GW_RESULT_ABANDONED : SN_GW_RESULT_SILENT);
        bool again = gw_never_connected(r) && !u->call.body_fn &&
                     tried.n <= q->route->conf->proxy.retries &&
                     sn_gw_budget_take(&u->pool->up->budget);
        if (!again) return u->err < 0 ? u->err : r;
        sn_gw_meter_retry(q->route->meter, q->worker);
    }
}

static int up_failed(struct up *u, int r)
{
    if (r == SN_E_CANCELLED || r == SN_E_DEADLINE_EXCEEDED) return r;
    u->q->fault = gw_never_connected(r) ? "upstream unreachable" : "upstream answered badly";
    return sn_grpc_fail(u->c, SN_E_UNAVAILABLE, "%s", u->q->fault);
}

static int up_init(struct up *u, struct sn_grpc_call *c)
{
    struct gw_req *q = c->http->server_ctx;
    const struct sn_gw_conf_proxy *p = &q->route->conf->proxy;
    *u = (struct up){.q = q, .c = c, .pool = gw_choose_pool(q)};
    u->bytes_max = p->transcode.message_bytes_max;
    sn_grpc_in_init(&u->in, (uint32_t)u->bytes_max, 0);
    sn_buf_init(&u->out, 0);
    q->upstream = u->pool->conf->name;
    if (p->grpc_timeout && c->start_ns + p->grpc_timeout < c->deadline_ns) {
        c->deadline_ns = c->start_ns + p->grpc_timeout;
        (void)sn_deadline_tighten(c->deadline_ns); /* the caller restores its own */
    }
    u->call = (struct sn_http_call){.method = SN_STR("POST"),
                                    .url = u->pool->url,
                                    .target = c->path,
                                    .no_default_headers = true,
                                    .body_length = -1};
    return 0;
}

/* ---- messages ---------------------------------------------------------------------------------
 */

static int frame(struct up *u, const struct sn_pb_desc *d, const void *msg, struct sn_str raw)
{
    sn_buf_reset(&u->out);
    u->out_off = 0;
    int r = sn_buf_reserve(&u->out, SN_GRPC_PREFIX_LEN);
    if (r < 0) return SN_E_NOMEM;
    u->out.len = SN_GRPC_PREFIX_LEN;
    ssize_t n = d ? sn_pb_encode(d, msg, &u->out) : sn_buf_str(&u->out, raw);
    if (n < 0) return sn_grpc_fail(u->c, SN_E_INTERNAL, "the request cannot be encoded");
    size_t len = u->out.len - SN_GRPC_PREFIX_LEN;
    if (len > u->bytes_max)
        return sn_grpc_fail(u->c, SN_E_RESOURCE_EXHAUSTED, "message of %zu bytes over %zu", len,
                            u->bytes_max);
    sn_grpc_prefix(u->out.ptr, 0, (uint32_t)len);
    return 0;
}

/* The next message of the answer. Returns 1, 0 at the end, SN_E_*. */
static int next_message(struct up *u, struct sn_str *ret)
{
    for (;;) {
        uint8_t flags;
        size_t cap;
        int r = sn_grpc_in_next(&u->in, &flags, ret);
        if (r != 0) return r < 0 ? sn_grpc_fail(u->c, r, "%s", sn_diag_str(r)) : 1;
        uint8_t *to = sn_grpc_in_room(&u->in, 4096, &cap);
        if (!to) return SN_E_RESOURCE_EXHAUSTED;
        ssize_t n = sn_http_resp_read(u->resp, to, cap);
        if (n < 0) return up_failed(u, (int)n);
        if (n == 0 && sn_grpc_in_partial(&u->in))
            return sn_grpc_fail(u->c, SN_E_INTERNAL, "the answer ends inside a message");
        if (n == 0) return 0;
        sn_grpc_in_add(&u->in, (size_t)n);
    }
}

/* Metadata of the answer's head or trailers; fields that gRPC does not pass are left out. */
static int pass_metadata(struct up *u, const struct sn_http_headers *h, bool trailers)
{
    struct sn_http_headers m = {0};
    if (sn_grpc_metadata_of(h, u->c->arena, &m) < 0) return 0;
    for (unsigned i = 0; i < m.len; i++) {
        struct sn_str n = m.ptr[i].name;
        if (gw_is_hop(n, (struct sn_str){0}) || sn_str_eqc(n, "date") || sn_str_eqc(n, "server") ||
            sn_str_eqc(n, "trailer"))
            continue;
        int r = trailers ? sn_grpc_trailer_add(u->c, n, m.ptr[i].value)
                         : sn_grpc_metadata_add(u->c, n, m.ptr[i].value);
        if (r == SN_E_NOMEM) return r;
    }
    return 0;
}

static int head_check(struct up *u)
{
    enum sn_grpc_codec codec;
    const struct sn_http_headers *h = &u->resp->headers;
    struct sn_str type = sn_http_headers_get(h, SN_STR("content-type"));
    if (u->resp->status != 200)
        return sn_grpc_fail(u->c, sn_grpc_code_from_http(u->resp->status),
                            "the upstream answered HTTP status %d", u->resp->status);
    if (sn_grpc_content_type(type, &codec) != SN_GRPC_HTTP2)
        return sn_grpc_fail(u->c, SN_E_UNKNOWN, "the upstream does not speak gRPC");
    return pass_metadata(u, h, false);
}

/* What the upstream says of the call's end. */
static int final_status(struct up *u)
{
    const struct sn_http_headers *h = &u->resp->trailers;
    int code = gw_grpc_status(h);
    if (code == 1) code = gw_grpc_status(h = &u->resp->headers);
    u->q->grpc_status = code;
    if (code == 1) return sn_grpc_fail(u->c, SN_E_INTERNAL, "the answer has no grpc-status");
    if (h != &u->resp->headers && pass_metadata(u, h, true) < 0) return SN_E_NOMEM;
    if (code == 0) return 0;
    struct sn_str details, bin = sn_http_headers_get(h, SN_STR("grpc-status-details-bin"));
    if (bin.ptr && sn_grpc_bin_decode(bin, u->c->arena, &details) == 0 &&
        sn_grpc_details_pass(u->c, details) < 0)
        return SN_E_NOMEM;
    struct sn_str text =
        sn_grpc_message_decode(sn_http_headers_get(h, SN_STR("grpc-message")), u->c->arena);
    return sn_grpc_fail(u->c, code, "%.*s", SN_STR_ARG(text));
}

static enum sn_gw_result result_of(const struct up *u, int r)
{
    if (u->err < 0 || r == SN_E_CANCELLED || r == SN_E_DEADLINE_EXCEEDED)
        return SN_GW_RESULT_ABANDONED;
    if (r == SN_E_UNAVAILABLE) return SN_GW_RESULT_FAILED;
    bool odd = r == SN_E_UNKNOWN || r == SN_E_INTERNAL || r == SN_E_DATA_LOSS;
    return odd && u->pool->conf->outlier.count_5xx ? SN_GW_RESULT_FAILED : SN_GW_RESULT_OK;
}

/* ---- handlers ---------------------------------------------------------------------------------
 */

static int unary_answer(struct up *u, void **ret)
{
    struct sn_str m;
    const struct sn_pb_desc *d = u->c->method->output;
    int r = head_check(u);
    if (r < 0) return r;
    int n = next_message(u, &m);
    if (n < 0) return n;
    if (n == 1 && sn_pb_parse(d, m, SN_PB_COPY, u->c->arena, ret) < 0)
        return sn_grpc_fail(u->c, SN_E_INTERNAL, "the answer is no %.*s", SN_STR_ARG(d->full_name));
    if (n == 1 && (r = next_message(u, &m)) != 0)
        return r < 0 ? r : sn_grpc_fail(u->c, SN_E_INTERNAL, "a second answer to a unary call");
    r = final_status(u);
    if (r == 0 && n == 0) return sn_grpc_fail(u->c, SN_E_INTERNAL, "success without an answer");
    return r;
}

static int call_unary(struct sn_grpc_call *c, const void *impl, const void *req, void **ret)
{
    struct up u SN_CLEANUP(up_done) = {0};
    int r = up_init(&u, c);
    if (r == 0) r = frame(&u, c->method->input, req, (struct sn_str){0});
    if (r < 0) return r;
    u.call.body = sn_buf_view(&u.out);
    r = up_begin(&u);
    if (r < 0) return up_failed(&u, r);
    r = unary_answer(&u, ret);
    attempt_over(&u, result_of(&u, r));
    return r;
}

/* The client's messages as the HTTP client pulls them, in a fiber of its own. */
static ssize_t pull(void *arg, void *buf, size_t cap)
{
    struct up *u = arg;
    while (u->out_off == u->out.len) {
        struct sn_str raw = {0};
        void *msg = NULL;
        int r = u->c->method ? sn_grpc_recv(u->c, NULL, &msg) : sn_grpc_recv_raw(u->c, &raw);
        if (r == 1)
            r = frame(u, u->c->method ? u->c->method->input : NULL, msg, raw) < 0 ? SN_E_INTERNAL
                                                                                  : 1;
        if (r <= 0) {
            u->err = r;
            return r;
        }
    }
    size_t n = SN_MIN(cap, u->out.len - u->out_off);
    memcpy(buf, u->out.ptr + u->out_off, n);
    u->out_off += n;
    return (ssize_t)n;
}

static int forward(struct up *u)
{
    struct sn_grpc_call *c = u->c;
    struct sn_str m;
    int r = head_check(u), n = 0;
    while (r == 0 && (n = next_message(u, &m)) == 1) {
        struct sn_arena a;
        void *msg;
        if (!c->method) {
            r = sn_grpc_send_raw(c, m);
            continue;
        }
        sn_arena_init(&a, c->arena->pool, 0);
        r = sn_pb_parse(c->method->output, m, 0, &a, &msg);
        if (r < 0)
            r = sn_grpc_fail(c, SN_E_INTERNAL, "the answer is no %.*s",
                             SN_STR_ARG(c->method->output->full_name));
        else
            r = sn_grpc_send(c, msg);
        sn_arena_done(&a);
    }
    if (r < 0 || n < 0) return r < 0 ? r : n;
    return final_status(u);
}

static int call_stream(struct sn_grpc_call *c, const void *impl)
{
    struct up u SN_CLEANUP(up_done) = {0};
    void *req = NULL;
    int r = up_init(&u, c);
    if (r == 0 && c->method && !c->method->client_streaming) {
        r = sn_grpc_recv_only(c, &req);
        if (r == 0) r = frame(&u, c->method->input, req, (struct sn_str){0});
        u.call.body = sn_buf_view(&u.out);
    } else {
        u.call.body_fn = pull;
        u.call.body_arg = &u;
    }
    if (r < 0) return r;
    r = up_begin(&u);
    if (r < 0) return u.err < 0 ? u.err : up_failed(&u, r);
    r = forward(&u);
    attempt_over(&u, result_of(&u, r));
    return r;
}

static int call_unknown(struct sn_grpc_call *c, void *arg) { return call_stream(c, NULL); }

/* ---- the transcoder of a route ----------------------------------------------------------------
 */

static const struct sn_pb_desc *resolve(struct sn_str full_name, void *arg)
{
    const struct gw_transcoder *t = arg;
    return t->set ? sn_pb_set_find(t->set, full_name) : NULL;
}

static int add_service(struct gw_transcoder *t, const struct sn_pb_service *svc)
{
    struct sn_grpc_handler *h =
        SN_ARENA_ARRAY(&t->arena, struct sn_grpc_handler, svc->n_methods + 1);
    if (!h) return SN_E_NOMEM;
    for (uint32_t i = 0; i < svc->n_methods; i++) {
        bool stream = svc->methods[i].client_streaming || svc->methods[i].server_streaming;
        h[i] = stream ? (struct sn_grpc_handler){.stream = call_stream}
                      : (struct sn_grpc_handler){.unary = call_unary};
    }
    int r = sn_grpc_server_add(t->srv, svc, h, NULL, NULL);
    /* What another program says of itself does not refuse a configuration. */
    return r == SN_E_NOMEM || !t->reflected ? r : 0;
}

static int add_services(struct gw_transcoder *t, const struct sn_gw_conf_transcode *c)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < c->n_services; i++) {
        const struct sn_pb_service *svc = sn_pb_set_service(t->set, c->services[i]);
        if (!svc && c->reflection) continue; /* perhaps it will be there */
        r = svc ? add_service(t, svc)
                : sn_fail(SN_E_NOT_FOUND, "no service %.*s in %.*s", SN_STR_ARG(c->services[i]),
                          SN_STR_ARG(c->descriptors));
    }
    for (uint32_t f = 0; r == 0 && !c->n_services && f < t->set->n_files; f++)
        for (uint32_t i = 0; r == 0 && i < t->set->files[f]->n_services; i++)
            r = add_service(t, t->set->files[f]->services[i]);
    return r;
}

struct load_job {
    struct gw_transcoder *t;
    struct sn_str bytes;
    int result;
    char why[SN_DIAG_BYTES];
};

/* On the offload pool: types may be nested deeper than a fiber's stack likes. */
static int load_set(void *arg)
{
    struct load_job *j = arg;
    j->result = sn_pb_load(j->bytes, &j->t->arena, &j->t->set);
    if (j->result < 0) sn_diag_format(j->result, j->why, sizeof(j->why));
    return 0;
}

static int load_file(struct gw_transcoder *t, struct sn_str path)
{
    struct load_job j = {.t = t};
    struct sn_str p = sn_arena_str(&t->arena, path);
    if (!p.ptr) return SN_E_NOMEM;
    int r = sn_file_read(&t->arena, p.ptr, DESCRIPTORS_BYTES_MAX, &j.bytes);
    if (r == 0) r = sn_offload(load_set, &j);
    if (r < 0) return r;
    return j.result < 0 ? sn_fail(j.result, "%s: %s", p.ptr, j.why) : 0;
}

static int load_reflected(struct gw_transcoder *t, struct sn_str set)
{
    struct load_job j = {.t = t, .bytes = sn_arena_str(&t->arena, set)};
    t->reflected = true;
    int r = j.bytes.ptr ? sn_offload(load_set, &j) : SN_E_NOMEM;
    return r < 0 ? r : j.result;
}

/* What none of the protocols takes is the ordinary proxy's. */
static int not_ours(struct sn_http_x *x, void *arg)
{
    ((struct gw_req *)x->server_ctx)->plain = true;
    return 0;
}

int gw_transcoder_new(const struct sn_gw_conf_transcode *c, struct sn_str reflected,
                      struct gw_transcoder **ret)
{
    struct gw_transcoder *t = SN_NEW(struct gw_transcoder);
    if (!t) return SN_E_NOMEM;
    sn_arena_init(&t->arena, NULL, 0);
    struct sn_grpc_server_opts o = {.recv_bytes_max = c->message_bytes_max,
                                    .web_off = !(c->protocols & SN_GW_WEB),
                                    .connect_off = !(c->protocols & SN_GW_CONNECT),
                                    .rest_off = !(c->protocols & SN_GW_REST),
                                    .fallback = not_ours,
                                    .unknown = call_unknown,
                                    .resolve = resolve,
                                    .resolve_arg = t};
    int r = sn_grpc_server_new(&o, &t->srv);
    if (r == 0 && c->descriptors.len) r = load_file(t, c->descriptors);
    if (r == 0 && reflected.len) r = load_reflected(t, reflected);
    if (r == 0 && t->set) r = add_services(t, c);
    if (r < 0) {
        gw_transcoder_free(t);
        return r;
    }
    *ret = t;
    return 0;
}

void gw_transcoder_free(struct gw_transcoder *t)
{
    if (!t) return;
    sn_grpc_server_free(t->srv);
    sn_pb_set_done(t->set);
    sn_arena_done(&t->arena);
    sn_free(t);
}

int gw_transcode(struct gw_req *q)
{
    struct sn_http_x *x = q->x;
    const struct sn_gw_conf_proxy *p = &q->route->conf->proxy;
    struct sn_str path = gw_rewrite_path(q, p->replace_path, p->replace_prefix, p->strip_prefix);
    struct sn_str before = x->req.path;
    if (!path.ptr) return SN_E_NOMEM;
    q->grpc_deadline = SN_FOREVER;
    x->server_ctx = q;
    x->req.path = path;
    int r = gw_response_headers(q);
    if (r == 0) r = sn_grpc_handle(x, q->route->transcoder->srv);
    x->req.path = before;
    if (!q->plain) return r;
    sn_http_response_headers(x)->len = 0;
    return 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_server.c - services, and calls over gRPC proper (application/grpc on HTTP/2). */
#include "core/alloc.h"
#include "kit/grpc_int.h"
#include "kit/grpc_proto_int.h"
#include "kit/http_int.h"

/* ---- the server ------------------------------------------------------------------------------- */

int sn_grpc_server_new(const struct sn_grpc_server_opts *opts, struct sn_grpc_server **ret)
{
    struct sn_grpc_server *s = SN_NEW(struct sn_grpc_server);
    if (!s) return SN_E_NOMEM;
    if (opts) s->o = *opts;
    if (!s->o.recv_bytes_max) s->o.recv_bytes_max = SN_GRPC_RECV_BYTES_MAX;
    if (!s->o.send_bytes_max) s->o.send_bytes_max = SN_PB_BYTES_MAX;
    s->o.recv_bytes_max = SN_MIN(s->o.recv_bytes_max, (size_t)SN_PB_BYTES_MAX);
    s->tail = &s->services;
    s->json = (struct sn_pb_json_opts){.original_names = s->o.json_original_names,
                                       .resolve = s->o.resolve,
                                       .arg = s->o.resolve_arg};
    s->n_workers = sn_worker_count();
    sn_map_init(&s->by_path, sn_random(), false);
    sn_list_init(&s->link);
    int r = grpc_copy_interceptors(s->o.interceptors, s->o.n_interceptors, &s->interceptors);
    s->n = sn_aligned_alloc(SN_CACHE_LINE, s->n_workers * sizeof(*s->n));
    if (r == 0 && !s->n) r = SN_E_NOMEM;
    if (r < 0) {
        sn_free(s->n);
        sn_free(s->interceptors);
        sn_free(s);
        return r;
    }
    memset(s->n, 0, s->n_workers * sizeof(*s->n));
    grpc_z_add_server(s);
    *ret = s;
    return 0;
}

void sn_grpc_server_free(struct sn_grpc_server *s)
{
    if (!s) return;
    grpc_z_del(&s->link);
    while (s->services) {
        struct grpc_service *next = s->services->next;
        sn_free(s->services);
        s->services = next;
    }
    sn_map_done(&s->by_path);
    grpc_health_free(s->health);
    grpc_rest_free(s->rest);
    sn_free(s->n);
    sn_free(s->interceptors);
    sn_free(s);
}

int sn_grpc_server_add(struct sn_grpc_server *s, const struct sn_pb_service *svc,
                       const struct sn_grpc_handler *handlers, const void *impl, void *arg)
{
    for (struct grpc_service *g = s->services; g; g = g->next)
        if (sn_str_eq(g->svc->full_name, svc->full_name))
            return sn_fail(SN_E_ALREADY_EXISTS, "service %.*s is registered",
                           SN_STR_ARG(svc->full_name));
    struct grpc_service *g = sn_zalloc(1, sizeof(*g) + svc->n_methods * sizeof(g->methods[0]));
    if (!g) return SN_E_NOMEM;
    g->svc = svc;
    unsigned i = 0;
    int r = 0;
    for (; i < svc->n_methods && r >= 0; i++) {
        g->methods[i] = (struct grpc_method){svc, &svc->methods[i], handlers[i], impl, arg};
        r = sn_map_put(&s->by_path, svc->methods[i].path, &g->methods[i], NULL);
    }
    if (r < 0) {
        while (i--) sn_map_del(&s->by_path, svc->methods[i].path);
        sn_free(g);
        return r;
    }
    *s->tail = g;
    s->tail = &g->next;
    return grpc_rest_add(s, g);
}

void sn_grpc_server_stats(const struct sn_grpc_server *s, struct sn_grpc_server_stats *ret)
{
    struct sn_grpc_server_stats t = {0};
    for (unsigned i = 0; i < s->n_workers; i++) {
        const struct grpc_counters *n = &s->n[i];
        t.calls_started += __atomic_load_n(&n->started, __ATOMIC_RELAXED);
        t.calls_ok += __atomic_load_n(&n->ok, __ATOMIC_RELAXED);
        t.calls_failed += __atomic_load_n(&n->failed, __ATOMIC_RELAXED);
        t.last_started_wall_ns = SN_MAX(t.last_started_wall_ns,
                                        __atomic_load_n(&n->last_started_wall_ns, __ATOMIC_RELAXED));
    }
    t.calls_active = t.calls_started - t.calls_ok - t.calls_failed;
    *ret = t;
}

void sn_grpc_http_defaults(struct sn_http_server_opts *o)
{
    /* Streams live for hours and say nothing for minutes: connections end by keepalive instead. */
    if (!o->idle_ns) o->idle_ns = 12 * SN_HOUR;
    if (!o->h2_window_max) o->h2_window_max = 16u << 20;
    if (!o->h2_unread_max) o->h2_unread_max = GRPC_UNREAD_MAX;
    if (!o->h2_ping_min_ns) o->h2_ping_min_ns = 5 * SN_MINUTE;
    if (!o->h2_keepalive_ns) o->h2_keepalive_ns = 2 * SN_HOUR;
}

/* ---- a call ----------------------------------------------------------------------------------- */

void grpc_scall_done(struct grpc_scall **sc)
{
    if (*sc) grpc_call_done(&(*sc)->g);
}

struct grpc_scall *grpc_scall_new(struct sn_grpc_server *s, struct sn_http_x *x,
                                  const struct grpc_call_ops *ops, const struct grpc_end_ops *end)
{
    struct grpc_scall *sc = SN_ARENA_NEW(x->arena, struct grpc_scall);
    if (!sc) return NULL;
    grpc_call_init(&sc->g, ops, x->arena);
    struct grpc_call *g = &sc->g;
    sc->s = s;
    sc->end = end;
    g->c.server = s;
    g->c.http = x;
    g->c.path = x->req.path;
    g->c.start_ns = x->req.start_ns;
    g->interceptors = s->interceptors;
    g->n_interceptors = s->o.n_interceptors;
    g->recv_max = g->in.bytes_max = (uint32_t)s->o.recv_bytes_max;
    g->send_max = s->o.send_bytes_max;
    g->json = &s->json;
    g->compress = s->o.compress;
    return sc;
}

ssize_t grpc_http_fill(struct grpc_call *g)
{
    struct http_xi *xi = http_xi_of(g->c.http);
    size_t cap;
    uint8_t *p = grpc_room(g, &cap);
    if (!p) return SN_E_RESOURCE_EXHAUSTED;
    /* A stream may be silent as long as it likes; on 1.1 there is no other sign of life. */
    ssize_t n = xi->x.req.version >= 20 ? xi->ops->body_read(xi, p, cap)
                                        : sn_http_body_read(&xi->x, p, cap);
    if (n > 0) sn_grpc_in_add(&g->in, (size_t)n);
    return n;
}

static int unary(struct grpc_scall *sc)
{
    struct grpc_call *g = &sc->g;
    struct http_xi *xi = http_xi_of(g->c.http);
    struct sn_str whole, m;
    void *req = NULL, *rep = NULL;
    int r = 0;
    /* Most requests are here already: they are decoded where they lie. */
    bool first = g->ops->fill == grpc_http_fill && g->in.buf.len == 0 && xi->ops->body_whole;
    if (first && xi->ops->body_whole(xi, &whole)) {
        sn_buf_init_fixed(&g->in.buf, (char *)whole.ptr, whole.len);
        g->in.buf.len = whole.len;
        g->in_ended = true;
    }
    r = sn_grpc_recv_raw(&g->c, &m);
    if (r == 0) return sn_grpc_fail(&g->c, SN_E_INTERNAL, "request without a message");
    if (r < 0) return r;
    r = grpc_decode(g, sc->method->m->input, m, false, g->c.arena, &req);
    if (r < 0) return r;
    struct sn_str more;
    if (!g->in_ended || sn_grpc_in_partial(&g->in)) {
        /* The message borrows g->in, which may move: a second message would be a fault anyway. */
        struct sn_grpc_in first = g->in;
        g->in.buf = (struct sn_buf){0};
        sn_buf_str(&g->in.buf, sn_str_from(sn_buf_view(&first.buf), first.off));
        g->in.off = 0;
        r = g->in.buf.err < 0 ? SN_E_RESOURCE_EXHAUSTED : sn_grpc_recv_raw(&g->c, &more);
        sn_grpc_in_done(&g->in);
        g->in = first;
        if (r > 0) return sn_grpc_fail(&g->c, SN_E_INTERNAL, "a second message in a unary call");
        if (r < 0) return r;
    }
    r = sc->method->h.unary(&g->c, sc->method->impl, req, &rep);
    if (r < 0) return r;
    if (!rep) rep = sn_pb_new(sc->method->m->output, g->c.arena);
    if (!rep) return SN_E_RESOURCE_EXHAUSTED;
    g->hold = true;
    return grpc_put_msg(g, rep);
}

static int run_end(struct grpc_call *g, void *arg)
{
    struct grpc_scall *sc = arg;
    if (!sc->method) {
        if (sc->s->o.unknown) return sc->s->o.unknown(&g->c, sc->s->o.unknown_arg);
        struct sn_str svc = sn_str_from(g->c.path, 1);
        struct sn_str name = svc;
        svc = sn_str_cut(&name, '/');
        for (struct grpc_service *it = sc->s->services; it; it = it->next)
            if (sn_str_eq(it->svc->full_name, svc))
                return sn_grpc_fail(&g->c, SN_E_UNIMPLEMENTED, "unknown method %.*s for service %.*s",
                                    SN_STR_ARG(name), SN_STR_ARG(svc));
        return sn_grpc_fail(&g->c, SN_E_UNIMPLEMENTED, "unknown service %.*s", SN_STR_ARG(svc));
    }
    if (sc->method->h.unary) return unary(sc);
    if (sc->method->h.stream) return sc->method->h.stream(&g->c, sc->method->impl);
    return sn_grpc_fail(&g->c, SN_E_UNIMPLEMENTED, "method %.*s has no handler",
                        SN_STR_ARG(sc->method->m->name));
}

static int run_guarded(void *arg)
{
    struct grpc_scall *sc = arg;
    return grpc_run_chain(&sc->g, true, run_end, sc);
}

int grpc_server_run(struct grpc_scall *sc)
{
    struct grpc_call *g = &sc->g;
    struct grpc_counters *n = &sc->s->n[sn_worker_id()];
    __atomic_store_n(&n->started, n->started + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&n->last_started_wall_ns, (uint64_t)sn_wall_now(), __ATOMIC_RELAXED);
    if (sc->method) {
        g->c.method = sc->method->m;
        g->c.arg = sc->method->arg;
        g->in_desc = sc->method->m->input;
        g->out_desc = sc->method->m->output;
    }
    http_xi_of(g->c.http)->patient = true;
    sn_http_cancel_on_reset(g->c.http, true);
    int64_t prev = sn_deadline_tighten(g->c.deadline_ns);
    int r = sn_try(run_guarded, sc);
    sn_deadline_restore(prev);
    struct sn_str message = {0};
    if (r < 0 && g->fail_code == r) message = g->fail_message;
    int code = sn_status_canonical(r);
    g->c.status = (struct sn_grpc_status){.code = -code, .message = message};
    sc->end->end(sc, -code, message);
    if (code)
        __atomic_store_n(&n->failed, n->failed + 1, __ATOMIC_RELAXED);
    else
        __atomic_store_n(&n->ok, n->ok + 1, __ATOMIC_RELAXED);
    grpc_run_done(g);
    return 0;
}

/* ---- gRPC over HTTP/2 ------------------------------------------------------------------------- */

int grpc_status_trailers(struct grpc_scall *sc, int code, struct sn_str message,
                         struct sn_http_headers *to)
{
    struct sn_arena *a = sc->g.c.arena;
    int r = sn_http_headers_add(to, a, SN_STR("grpc-status"), grpc_code_text(code));
    if (r == 0 && message.len) {
        struct sn_str text = sn_grpc_message_encode(message, a);
        if (text.ptr) r = sn_http_headers_add(to, a, SN_STR("grpc-message"), text);
    }
    struct sn_str details = grpc_details_of(&sc->g, code, message);
    if (r == 0 && details.ptr) {
        struct sn_str text = sn_grpc_bin_encode(details, a);
        if (text.ptr) r = sn_http_headers_add(to, a, SN_STR("grpc-status-details-bin"), text);
    }
    for (unsigned i = 0; r == 0 && i < sc->g.tail.len; i++)
        r = sn_http_headers_add(to, a, sc->g.tail.ptr[i].name, sc->g.tail.ptr[i].value);
    return r;
}

int grpc_head_fields(struct grpc_scall *sc)
{
    struct grpc_call *g = &sc->g;
    struct http_xi *xi = http_xi_of(g->c.http);
    xi->content_type = sn_grpc_content_type_name((enum sn_grpc_protocol)sc->protocol,
                                                 (enum sn_grpc_codec)g->codec);
    int r = 0;
    if (g->compress && g->enc_out)
        r = sn_http_headers_add(&xi->resp, g->c.arena, SN_STR("grpc-encoding"),
                                sn_grpc_encoding_name((enum sn_grpc_encoding)g->enc_out));
    else
        g->enc_out = SN_GRPC_IDENTITY;
    for (unsigned i = 0; r == 0 && i < g->head.len; i++)
        r = sn_http_headers_add(&xi->resp, g->c.arena, g->head.ptr[i].name, g->head.ptr[i].value);
    g->head_sent = true;
    return r;
}

static int h2_head(struct grpc_scall *sc)
{
    struct grpc_call *g = &sc->g;
    if (g->head_sent) return 0;
    int r = grpc_head_fields(sc);
    return r < 0 ? r : sn_http_start(g->c.http, 200, -1);
}

static int h2_push(struct grpc_call *g)
{
    struct grpc_scall *sc = grpc_scall_of(g);
    int r = h2_head(sc);
    if (r == 0) r = sn_http_write(g->c.http, sn_buf_view(&g->out));
    sn_buf_reset(&g->out);
    return r;
}

static void h2_end(struct grpc_scall *sc, int code, struct sn_str message)
{
    struct grpc_call *g = &sc->g;
    struct http_xi *xi = http_xi_of(g->c.http);
    if (xi->err < 0) return;
    if (code) sn_buf_reset(&g->out);
    if (!g->head_sent && g->out.len == 0) { /* Trailers-Only */
        if (grpc_head_fields(sc) == 0 && grpc_status_trailers(sc, code, message, &xi->resp) == 0 &&
            sn_http_start(g->c.http, 200, 0) == 0)
            (void)!sn_http_end(g->c.http);
        return;
    }
    if (h2_head(sc) < 0 || grpc_status_trailers(sc, code, message, &xi->trailers) < 0) return;
    struct sn_str last = sn_buf_view(&g->out);
    if (last.len <= HTTP_BUF_BYTES) {
        last = sn_arena_str(g->c.arena, last);
        if (!last.ptr) return;
    } else if (sn_http_write(g->c.http, last) < 0) {
        return;
    } else {
        last.len = 0;
    }
    (void)!sn_http_finish(g->c.http, last);
}

static const struct grpc_call_ops h2_ops = {.fill = grpc_http_fill, .push = h2_push};
static const struct grpc_end_ops h2_end_ops = {.head = h2_head, .end = h2_end};

int sn_grpc_send_head(struct sn_grpc_call *c)
{
    struct grpc_call *g = grpc_call_of(c);
    if (!c->server) return sn_fail(SN_E_FAILED_PRECONDITION, "a client's head leaves with the call");
    struct grpc_scall *sc = grpc_scall_of(g);
    int r = sc->end->head(sc);
    return r < 0 ? r : sn_http_flush(c->http);
}

int sn_grpc_recv_only(struct sn_grpc_call *c, void **ret)
{
    int r = sn_grpc_recv(c, c->arena, ret);
    if (r == 0) return sn_grpc_fail(c, SN_E_INTERNAL, "request without a message");
    return r < 0 ? r : 0;
}

int sn_grpc_send_only(struct sn_grpc_call *c, const void *msg)
{
    struct grpc_call *g = grpc_call_of(c);
    void *none = msg ? NULL : sn_pb_new(g->out_desc, c->arena);
    if (!msg && !none) return SN_E_RESOURCE_EXHAUSTED;
    g->hold = true;
    return sn_grpc_send(c, msg ? msg : none);
}

struct sn_str sn_grpc_peer(struct sn_grpc_call *c)
{
    return c->http ? sn_http_peer(c->http) : c->endpoint ? c->endpoint->at.addr : (struct sn_str){0};
}

int grpc_request_headers(struct grpc_scall *sc)
{
    struct grpc_call *g = &sc->g;
    struct sn_http_headers *h = &g->c.http->req.headers;
    for (unsigned i = 0; i < h->len; i++) {
        struct sn_str name = h->ptr[i].name, value = h->ptr[i].value;
        if (!sn_str_starts(name, SN_STR("grpc-"))) continue;
        if (sn_str_eqc(name, "grpc-timeout")) {
            int64_t ns;
            if (sn_grpc_timeout_parse(value, &ns) < 0)
                return sn_grpc_fail(&g->c, SN_E_INTERNAL, "malformed grpc-timeout");
            g->c.deadline_ns = ns >= SN_FOREVER - g->c.start_ns ? SN_FOREVER : g->c.start_ns + ns;
        } else if (sn_str_eqc(name, "grpc-encoding")) {
            int e = sn_grpc_encoding_of(value);
            if (e < 0) {
                (void)!sn_http_headers_add(&g->tail, g->c.arena, SN_STR("grpc-accept-encoding"),
                                           SN_GRPC_ACCEPT_ENCODING);
                return sn_grpc_fail(&g->c, e, "grpc-encoding %.*s is not supported",
                                    SN_STR_ARG(value));
            }
            g->enc_in = (uint8_t)e;
        } else if (sn_str_eqc(name, "grpc-accept-encoding")) {
            if (sn_http_has_token(value, SN_STR("gzip"))) g->enc_out = SN_GRPC_GZIP;
            else if (sn_http_has_token(value, SN_STR("deflate"))) g->enc_out = SN_GRPC_DEFLATE;
        }
    }
    int r = sn_grpc_metadata_of(h, g->c.arena, &g->c.metadata);
    return r < 0 ? sn_grpc_fail(&g->c, SN_E_INTERNAL, "malformed binary metadata") : 0;
}

/* A request that cannot become a call ends like one. */
int grpc_refuse(struct grpc_scall *sc, int code)
{
    sc->g.c.status = (struct sn_grpc_status){.code = code, .message = sc->g.fail_message};
    sc->end->end(sc, code, sc->g.fail_message);
    return 0;
}

static int handle_h2(struct sn_grpc_server *s, struct sn_http_x *x, enum sn_grpc_codec codec)
{
    struct grpc_scall *sc SN_CLEANUP(grpc_scall_done) = grpc_scall_new(s, x, &h2_ops, &h2_end_ops);
    if (!sc) return SN_E_NOMEM;
    http_xi_of(x)->bare = true;
    sc->protocol = SN_GRPC_HTTP2;
    sc->g.codec = (uint8_t)(codec == SN_GRPC_OTHER_CODEC ? SN_GRPC_PROTO : codec);
    sc->method = sn_map_get(&s->by_path, x->req.path);
    int r = grpc_request_headers(sc);
    if (r == 0 && codec == SN_GRPC_OTHER_CODEC && !s->o.unknown)
        r = sn_grpc_fail(&sc->g.c, SN_E_UNIMPLEMENTED, "no codec for this content-type");
    return r < 0 ? grpc_refuse(sc, r) : grpc_server_run(sc);
}

int sn_grpc_handle(struct sn_http_x *x, void *server)
{
    struct sn_grpc_server *s = server;
    enum sn_grpc_codec codec;
    struct sn_str type = sn_http_headers_get(&x->req.headers, SN_STR("content-type"));
    enum sn_grpc_protocol p = sn_grpc_content_type(type, &codec);
    if (p == SN_GRPC_HTTP2 && x->req.version >= 20 && x->req.method == SN_HTTP_POST)
        return handle_h2(s, x, codec);
    int r = grpc_other_protocols(s, x, p, codec);
    if (r <= 0) return r;
    if (s->o.fallback) return s->o.fallback(x, s->o.fallback_arg);
    bool known = sn_map_get(&s->by_path, x->req.path) != NULL;
    int status = p == SN_GRPC_HTTP2 && x->req.version < 20 ? 505
                 : known && x->req.method != SN_HTTP_POST   ? 405
                 : known || p != SN_GRPC_NONE               ? 415
                                                            : 404;
    return sn_http_reply(x, status, (struct sn_str){0}, (struct sn_str){0});
}

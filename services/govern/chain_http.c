/* SPDX-License-Identifier: Apache-2.0 */
/* govern/chain_http.c - the guards around an HTTP handler; see chain.h. */
#include "core/enc.h"
#include "core/time.h"
#include "govern/chain_int.h"
#include "govern/otlp.h"
#include "kit/log.h"

SN_LOG_MODULE("govern");

void sn_gov_http_defaults(struct sn_http_server_opts *o)
{
    if (!o->conns_max) o->conns_max = SN_GOV_INFLIGHT_MAX;
    if (!o->body_bytes_max) o->body_bytes_max = SN_GOV_BODY_MAX;
}

/* One call and how it ends, also when a panic unwinds or the client is gone. */
struct run {
    struct sn_http_x *x;
    struct sn_gov_route *route;
    struct sn_gov_call call;
    int result; /* what the call is counted as */
    struct sn_str peer;
};

static void trace_begin(struct run *r)
{
    const struct sn_http_headers *h = &r->x->req.headers;
    struct sn_span_ctx parent;
    struct sn_gov_server *s = r->route->s;
    struct sn_str name = sn_str(r->route->name),
                  state = sn_http_headers_get(h, SN_STR("tracestate"));
    uint64_t rnd[3] = {sn_random(), sn_random(), sn_random()};
    bool has = sn_traceparent_parse(sn_http_headers_get(h, SN_STR("traceparent")), &parent) == 0;
    sn_span_init(&r->call.span, has ? &parent : NULL, name, SN_SPAN_SERVER,
                 s->o.trace_off ? 0 : s->o.trace_ratio, sn_wall_now(), rnd);
    if (has && sn_tracestate_ok(state)) r->call.span.state = state;
    struct sn_str baggage = sn_http_headers_get(h, SN_STR("baggage"));
    if (baggage.len <= SN_BAGGAGE_MAX) r->call.baggage = baggage;
    sn_span_str(&r->call.span, "http.request.method", r->x->req.method_text);
    sn_span_str(&r->call.span, "http.route", name);
    sn_span_str(&r->call.span, "url.path", r->x->req.path);
    sn_span_str(&r->call.span, "client.address", r->peer);
}

static void log_raw(const struct run *r, int status, int64_t took)
{
    char mem[2048], ts[SN_RFC3339_MAX], trace[32], id[16];
    struct sn_buf b;
    sn_buf_init_fixed(&b, mem, sizeof(mem));
    size_t n = sn_time_rfc3339(sn_wall_now(), 6, ts);
    sn_hex_encode(r->call.span.ctx.trace_id, 16, trace);
    sn_hex_encode(r->call.span.ctx.span_id, 8, id);
    sn_buf_printf(
        &b,
        "{\"ts\":\"%.*s\",\"mod\":\"access\",\"trace\":\"%.32s\",\"span\":\"%.16s\",\"status\":%d,"
        "\"ms\":%.3f,\"in\":%llu,\"out\":%llu",
        (int)n, ts, trace, id, status, (double)took * 1e-6, (unsigned long long)r->x->bytes_in,
        (unsigned long long)r->x->bytes_out);
    if (r->call.why) sn_buf_printf(&b, ",\"refused\":\"%s\"", sn_gov_why_name(r->call.why));
    struct {
        const char *key;
        struct sn_str v;
    } text[] = {{"route", sn_str(r->route->name)},
                {"peer", r->peer},
                {"method", sn_str_sub(r->x->req.method_text, 0, 32)},
                {"path", sn_str_sub(r->x->req.path, 0, 256)}};
    for (size_t i = 0; i < SN_COUNT_OF(text); i++) {
        sn_buf_printf(&b, ",\"%s\":", text[i].key);
        sn_json_write_string(&b, text[i].v);
    }
    sn_buf_cstr(&b, "}\n");
    if (b.err == 0) (void)sn_log_raw(r->route->s->o.access_log, sn_buf_view(&b));
}

static void log_access(const struct run *r, int status)
{
    int64_t took = sn_now() - r->call.start_ns;
    const struct sn_gov_server *s = r->route->s;
    if (s->o.access_log_off) return;
    if (s->o.access_log) {
        log_raw(r, status, took);
        return;
    }
    SN_LOG_INFO("request", SN_L("route", r->route->name), SN_L("status", status),
                SN_L_DURATION("took", took), SN_L("peer", r->peer), SN_L("path", r->x->req.path),
                SN_L("refused", sn_gov_why_name(r->call.why)));
}

static void run_done(struct run *r)
{
    struct sn_gov_server *s = r->route->s;
    int status = r->x->status ? r->x->status : sn_status_http(r->result);
    /* A handler that answers 5xx by itself says the same as one that returns a failure. */
    int result = r->result < 0 ? r->result : status >= 500 ? SN_E_INTERNAL : 0;
    struct sn_span *span = &r->call.span;
    sn_span_int(span, "http.response.status_code", status);
    if (r->call.why) sn_span_str(span, "govern.refused", sn_str(sn_gov_why_name(r->call.why)));
    span->error = status >= 500;
    if (span->error) span->message = sn_str(sn_status_name(result));
    log_access(r, status);
    sn_gov_leave(s, &r->call, result, status);
    if (!s->o.trace_off) sn_otlp_end(s->o.otlp, span, sn_wall_now());
}

/* ---- refusals -------------------------------------------------------------------------------- */

static int answer(struct run *r, int status, const char *text)
{
    struct sn_http_x *x = r->x;
    if (r->call.retry_after_ns > 0) {
        int64_t s = SN_MIN((r->call.retry_after_ns + SN_SEC - 1) / SN_SEC, 86400);
        struct sn_str v = sn_arena_printf(x->arena, "%lld", (long long)s);
        if (v.ptr && sn_http_header_add(x, SN_STR("retry-after"), v) < 0) return SN_E_INTERNAL;
    }
    return sn_http_reply(x, status, SN_STR("text/plain; charset=utf-8"), sn_str(text));
}

static int refuse(struct run *r, int status, enum sn_gov_why why, const char *text)
{
    r->call.why = why;
    gov_count(r->route->s, why);
    return answer(r, status, text);
}

/* RFC 6750: what was wrong is said in WWW-Authenticate, without details that help to guess. */
static int unauthenticated(struct run *r, bool sent)
{
    struct sn_str v = sent ? SN_STR("Bearer error=\"invalid_token\"") : SN_STR("Bearer");
    if (sn_http_header_add(r->x, SN_STR("www-authenticate"), v) < 0) return SN_E_INTERNAL;
    r->result = SN_E_UNAUTHENTICATED;
    return refuse(r, 401, SN_GOV_WHY_TOKEN, "401 Unauthorized\n");
}

/* Returns 1 when the token is good, else what the handler returns. */
static int token(struct run *r)
{
    struct sn_jwt_store *store = r->route->o.jwt;
    struct sn_str auth = sn_http_headers_get(&r->x->req.headers, SN_STR("authorization"));
    if (auth.len < 8 || !sn_str_ieq(sn_str_sub(auth, 0, 7), SN_STR("Bearer ")))
        return unauthenticated(r, false);
    struct sn_jwt_keys *keys = sn_jwt_store_get(store);
    struct sn_jwt_check check = r->route->o.jwt_check;
    check.now_ns = sn_wall_now();
    int e = keys ? sn_jwt_verify(keys, sn_str_trim(sn_str_from(auth, 7)), &check, r->x->arena,
                                 &r->call.jwt)
                 : SN_E_NOT_FOUND;
    sn_jwt_keys_unref(keys);
    if (e == 0) return 1;
    if (e == SN_E_NOT_FOUND) sn_jwt_store_want(store);
    SN_LOG_DEBUG("token refused", SN_L("route", r->route->name), SN_L_ERR(e));
    return unauthenticated(r, true);
}

/* ---- the way in ------------------------------------------------------------------------------ */

static int call_handler(void *arg)
{
    struct run *r = arg;
    return r->route->o.handler(r->x, r->route->o.arg);
}

static int serve(struct run *r)
{
    const struct sn_gov_route_opts *o = &r->route->o;
    int64_t prev = sn_deadline();
    if (o->timeout_ns > 0) sn_deadline_tighten(r->call.start_ns + o->timeout_ns);
    int e = sn_try(call_handler, r);
    sn_deadline_restore(prev);
    r->result = e < 0 ? e : 0;
    if (e == SN_E_PANIC)
        SN_LOG_ERROR("handler panicked", SN_L("route", r->route->name), SN_L_ERR(e));
    return e;
}

/* The peer without its port; empty for a Unix socket. */
static struct sn_str peer_of(struct sn_http_x *x)
{
    struct sn_str p = sn_http_peer(x);
    ssize_t colon = p.ptr ? sn_str_rchr(p, ':') : -1;
    return colon < 0 ? (struct sn_str){0} : sn_str_sub(p, 0, (size_t)colon);
}

int sn_gov_handle(struct sn_http_x *x, void *route)
{
    struct run r SN_CLEANUP(run_done) = {.x = x, .route = route};
    r.call.route = route;
    r.peer = peer_of(x);
    trace_begin(&r);
    int e = sn_gov_enter(r.route->s, &r.call, r.peer);
    if (e < 0) {
        r.result = e;
        return answer(&r, e == SN_E_RESOURCE_EXHAUSTED ? 429 : 503,
                      e == SN_E_RESOURCE_EXHAUSTED ? "429 Too Many Requests\n"
                                                   : "503 Service Unavailable\n");
    }
    if (r.route->o.jwt && (e = token(&r)) <= 0) return e;
    if (r.route->o.body_bytes_max >= 0 && x->req.content_length > r.route->o.body_bytes_max) {
        r.result = SN_E_OUT_OF_RANGE;
        return refuse(&r, 413, SN_GOV_WHY_BODY, "413 Content Too Large\n");
    }
    return serve(&r);
}

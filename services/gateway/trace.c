/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/trace.c - the gateway's part in traces: a span for each request, below the client's where it
 * has one, and one for each attempt, below which the upstream's come. Headers, sampling and export are
 * services/govern's. Sources: W3C Trace Context; OpenTelemetry's conventions for HTTP spans. */
#include "core/alloc.h"
#include "core/enc.h"
#include "fiber/os.h"
#include "gateway/gw_int.h"
#include "services/govern/otlp.h"

#define AUTHORIZATION_BYTES_MAX 4096u

/* An exporter lives on through reloads that do not change its settings. */
struct gw_tracer {
    uint32_t refs;
    struct sn_buf key; /* the settings, as bytes */
    struct sn_http_client *http;
    struct sn_otlp *otlp; /* NULL: nothing is exported */
    bool runs;
    struct sn_fiber *fiber; /* the exporter's, once it runs */
    struct sn_event over;
};

struct gw_traced {
    struct sn_span server, client;
    bool client_open;
};

/* ---- the exporter ----------------------------------------------------------------------------- */

void gw_tracer_unref(struct gw_tracer *t)
{
    if (!t || __atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL)) return;
    if (t->runs) {
        struct sn_fiber *f;
        while (!(f = __atomic_load_n(&t->fiber, __ATOMIC_ACQUIRE)) && !sn_event_is_set(&t->over))
            if (sn_sleep(SN_MS) < 0) sn_yield();
        if (!sn_event_is_set(&t->over)) sn_fiber_cancel(f);
        while (!sn_event_is_set(&t->over))
            if (sn_sleep(SN_MS) < 0) sn_yield();
    }
    sn_otlp_free(t->otlp);
    sn_http_client_free(t->http);
    sn_buf_done(&t->key);
    sn_free(t);
}

static int export_main(void *arg)
{
    struct gw_tracer *t = arg;
    __atomic_store_n(&t->fiber, sn_self(), __ATOMIC_RELEASE);
    (void)!sn_otlp_run(t->otlp);
    sn_event_set(&t->over);
    return 0;
}

void gw_trace_start(struct sn_gateway *gw, struct gw_snap *s)
{
    struct gw_tracer *t = s->tracer;
    if (!t || !t->otlp || t->runs) return;
    t->runs = true;
    if (!gw_go(gw, "gateway traces", export_main, t)) t->runs = false;
}

static int exporter_new(const struct sn_gw_conf_tracing *c, struct gw_tracer *t)
{
    struct sn_arena a;
    struct sn_str auth = {0};
    if (!c->otlp.len) return 0;
    sn_arena_init(&a, NULL, 1 << 16);
    struct sn_str file = sn_arena_str(&a, c->authorization_file);
    int r = file.ptr ? 0 : SN_E_NOMEM;
    if (r == 0 && file.len) r = sn_file_read(&a, file.ptr, AUTHORIZATION_BYTES_MAX, &auth);
    auth = sn_str_trim(auth);
    while (auth.len && (auth.ptr[auth.len - 1] == '\n' || auth.ptr[auth.len - 1] == '\r')) auth.len--;
    if (r == 0 && !sn_http_is_value(auth))
        r = sn_fail(SN_E_INVALID_ARGUMENT, "%s: one line is expected", file.ptr);
    if (r == 0) r = sn_http_client_new(&(struct sn_http_client_opts){0}, &t->http);
    struct sn_otlp_opts o = {
        .client = t->http, .url = c->otlp, .service = c->service, .authorization = auth};
    if (r == 0) r = sn_otlp_new(&o, &t->otlp);
    sn_arena_done(&a);
    return r;
}

int gw_tracer_get(const struct gw_snap *old, const struct sn_gw_conf_tracing *c,
                  struct gw_tracer **ret)
{
    struct gw_tracer *t = SN_NEW(struct gw_tracer);
    if (!t) return SN_E_NOMEM;
    t->refs = 1;
    const struct sn_str parts[] = {c->otlp, c->service, c->authorization_file};
    for (size_t i = 0; i < SN_COUNT_OF(parts); i++) {
        sn_buf_str(&t->key, parts[i]);
        sn_buf_byte(&t->key, 0);
    }
    int r = t->key.err;
    if (r == 0 && old && old->tracer &&
        sn_str_eq(sn_buf_view(&old->tracer->key), sn_buf_view(&t->key))) {
        gw_tracer_unref(t);
        t = old->tracer;
        __atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
    } else if (r == 0) {
        r = exporter_new(c, t);
    }
    if (r < 0) {
        gw_tracer_unref(t);
        return r;
    }
    *ret = t;
    return 0;
}

/* ---- spans ------------------------------------------------------------------------------------ */

static void span_begin(struct sn_span *s, const struct sn_span_ctx *parent, struct sn_str name,
                       enum sn_span_kind kind, double ratio)
{
    uint64_t rnd[3] = {sn_random(), sn_random(), sn_random()};
    sn_span_init(s, parent, name, kind, ratio, sn_wall_now(), rnd);
}

void gw_trace_begin(struct gw_req *q)
{
    const struct sn_gw_conf_tracing *c = &q->snap->conf->tracing;
    const struct sn_http_req *r = &q->x->req;
    struct gw_traced *t = SN_ARENA_NEW(q->x->arena, struct gw_traced);
    if (!t) return; /* untraced rather than unanswered */
    struct sn_span_ctx parent;
    struct sn_str state = sn_http_headers_get(&r->headers, SN_STR("tracestate"));
    struct sn_str given = sn_http_headers_get(&r->headers, SN_STR("traceparent"));
    bool has = c->parent && sn_traceparent_parse(given, &parent) == 0;
    span_begin(&t->server, has ? &parent : NULL, q->route->conf->name, SN_SPAN_SERVER, c->ratio);
    if (has && sn_tracestate_ok(state)) t->server.state = state;
    q->traced = t;
    if (!sn_span_sampled(&t->server)) return;
    sn_span_str(&t->server, "http.request.method", r->method_text);
    sn_span_str(&t->server, "url.scheme", r->tls ? SN_STR("https") : SN_STR("http"));
    sn_span_str(&t->server, "url.path", q->path);
    sn_span_str(&t->server, "server.address", q->host);
    sn_span_str(&t->server, "client.address", q->peer);
    sn_span_str(&t->server, "user_agent.original",
                sn_http_headers_get(&r->headers, SN_STR("user-agent")));
}

void gw_trace_attempt(struct gw_req *q)
{
    struct gw_traced *t = q->traced;
    if (!t) return;
    span_begin(&t->client, &t->server.ctx, q->upstream, SN_SPAN_CLIENT, 0);
    t->client.state = t->server.state;
    t->client_open = true;
    sn_span_str(&t->client, "server.address", q->endpoint);
    if (q->attempts > 1)
        sn_span_int(&t->client, "http.request.resend_count", (int64_t)q->attempts - 1);
}

void gw_trace_attempt_end(struct gw_req *q, int status, bool failed)
{
    struct gw_traced *t = q->traced;
    if (!t || !t->client_open) return;
    t->client_open = false;
    if (status) sn_span_int(&t->client, "http.response.status_code", status);
    t->client.error = failed;
    if (failed && !status) t->client.message = q->error;
    sn_otlp_end(q->snap->tracer->otlp, &t->client, sn_wall_now());
}

void gw_trace_end(struct gw_req *q, int status)
{
    struct gw_traced *t = q->traced;
    if (!t) return;
    gw_trace_attempt_end(q, 0, true);
    sn_span_int(&t->server, "http.response.status_code", status);
    if (q->grpc && q->grpc_status <= 0)
        sn_span_int(&t->server, "rpc.grpc.status_code", sn_status_canonical(q->grpc_status));
    t->server.error = status >= 500;
    if (q->fault) t->server.message = sn_str(q->fault);
    sn_otlp_end(q->snap->tracer->otlp, &t->server, sn_wall_now());
    q->traced = NULL;
}

bool gw_trace_drops(struct sn_str name)
{
    return (name.len == 11 && sn_str_ieq(name, SN_STR("traceparent"))) ||
           (name.len == 10 && sn_str_ieq(name, SN_STR("tracestate")));
}

struct sn_str gw_trace_parent(struct gw_req *q, struct sn_str *ret_state)
{
    struct gw_traced *t = q->traced;
    char *text = sn_arena_alloc(q->x->arena, SN_TRACEPARENT_LEN);
    if (!text) return (struct sn_str){0};
    *ret_state = t->server.state;
    sn_traceparent_format(t->client_open ? &t->client.ctx : &t->server.ctx, text);
    return sn_str_of(text, SN_TRACEPARENT_LEN);
}

size_t gw_trace_id(const struct gw_req *q, char out[GW_TRACE_ID_LEN])
{
    if (!q->traced) return 0;
    sn_hex_encode(q->traced->server.ctx.trace_id, GW_TRACE_ID_LEN / 2, out);
    return GW_TRACE_ID_LEN;
}

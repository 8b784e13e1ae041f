/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/trace_test.c - traces through a whole gateway: what upstreams are told, and what a collector
 * receives. */
#include "gateway/rig_test.h"

#include "core/buf.h"
#include "core/enc.h"
#include "harness/test.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"

typedef struct opentelemetry_proto_collector_trace_v1_export_trace_service_request export_t;
typedef struct opentelemetry_proto_trace_v1_span span_t;

/* What the collector has received, one line a span: name, kind, id, parent, trace, error, attributes. */
static struct {
    struct upstream up;
    struct sn_mutex lock;
    struct sn_buf lines;
    unsigned spans, requests;
    struct sn_str authorization;
    char auth_text[64];
} col;

static void put_hex(struct sn_str id)
{
    char hex[32];
    T_ASSERT(id.len <= 16);
    sn_hex_encode(id.ptr, id.len, hex);
    sn_buf_put(&col.lines, hex, 2 * id.len);
}

static void put_span(const span_t *s)
{
    sn_buf_printf(&col.lines, "%.*s kind=%d id=", SN_STR_ARG(s->name), (int)s->kind);
    put_hex(s->span_id);
    sn_buf_cstr(&col.lines, " parent=");
    put_hex(s->parent_span_id);
    sn_buf_cstr(&col.lines, " trace=");
    put_hex(s->trace_id);
    sn_buf_printf(&col.lines, " error=%d state=%.*s", s->status ? (int)s->status->code : 0,
                  SN_STR_ARG(s->trace_state));
    for (uint32_t i = 0; i < s->attributes.len; i++) {
        const struct opentelemetry_proto_common_v1_key_value *a = s->attributes.ptr[i];
        const struct opentelemetry_proto_common_v1_any_value *v = a->value;
        sn_buf_printf(&col.lines, " %.*s=", SN_STR_ARG(a->key));
        if (v->value_case == OPENTELEMETRY_PROTO_COMMON_V1_ANY_VALUE_VALUE_STRING_VALUE)
            sn_buf_str(&col.lines, v->string_value);
        else
            sn_buf_i64(&col.lines, v->int_value);
    }
    sn_buf_byte(&col.lines, '\n');
    __atomic_add_fetch(&col.spans, 1, __ATOMIC_RELEASE);
}

static int collect(struct sn_http_x *x, void *arg)
{
    struct sn_str body;
    export_t *m;
    T_STR(x->req.path, "/v1/traces");
    T_OK(sn_http_body_all(x, 1 << 20, &body));
    T_OK(opentelemetry_proto_collector_trace_v1_export_trace_service_request_parse(body, 0, x->arena, &m));
    struct sn_str auth = sn_http_headers_get(&x->req.headers, SN_STR("authorization"));
    T_OK(sn_mutex_lock(&col.lock));
    col.requests++;
    T_ASSERT(auth.len < sizeof(col.auth_text));
    memcpy(col.auth_text, auth.ptr ? auth.ptr : "", auth.len);
    col.authorization = sn_str_of(col.auth_text, auth.len);
    for (uint32_t r = 0; r < m->resource_spans.len; r++)
        for (uint32_t c = 0; c < m->resource_spans.ptr[r]->scope_spans.len; c++)
            for (uint32_t i = 0; i < m->resource_spans.ptr[r]->scope_spans.ptr[c]->spans.len; i++)
                put_span(m->resource_spans.ptr[r]->scope_spans.ptr[c]->spans.ptr[i]);
    sn_mutex_unlock(&col.lock);
    return sn_http_reply(x, 200, SN_STR("application/x-protobuf"), SN_STR(""));
}

static void wait_spans(unsigned n)
{
    int64_t t0 = sn_now();
    while (__atomic_load_n(&col.spans, __ATOMIC_ACQUIRE) < n) {
        T_ASSERTF(sn_now() - t0 < 20 * SN_SEC, "%u of %u spans", col.spans, n);
        T_OK(sn_sleep(20 * SN_MS));
    }
}

/* The line that begins with `start`; the text behind `key` in it, up to a space. */
static struct sn_str line_of(const char *start)
{
    struct sn_str rest = sn_buf_view(&col.lines);
    while (rest.ptr) {
        struct sn_str line = sn_str_cut(&rest, '\n');
        if (sn_str_starts(line, sn_str(start))) return line;
    }
    T_ASSERTF(false, "no span \"%s\" in\n%.*s", start, (int)col.lines.len, (char *)col.lines.ptr);
    return (struct sn_str){0};
}
static struct sn_str value_of(struct sn_str line, const char *key)
{
    ssize_t at = sn_str_find(line, sn_str(key));
    T_ASSERTF(at >= 0, "no %s in %.*s", key, SN_STR_ARG(line));
    struct sn_str v = sn_str_from(line, (size_t)at + strlen(key));
    return sn_str_cut(&v, ' ');
}

static const char config[] =
    "listeners: [{name: web, address: '127.0.0.1:0'}]\n"
    "upstreams:\n"
    "- {name: app, endpoints: [{address: '@0'}]}\n"
    "- {name: dead, balance: round_robin, endpoints: [{address: '127.0.0.1:1'}, {address: '@1'}]}\n"
    "routes:\n"
    "- {name: app, match: [{prefix: /app}], proxy: {to: [{upstream: app}]}}\n"
    "- {name: dead, match: [{prefix: /dead}], proxy: {to: [{upstream: dead}], retries: 1}}\n"
    "- {name: fixed, match: [{prefix: /fixed}], respond: {status: 503, body: no}}\n"
    "tracing: {otlp: 'http://@2', service: edge%s}\n";

#define PARENT "00-0123456789abcdef0123456789abcdef-00f067aa0ba902b7-01"

static int traces_body(struct rig *g)
{
    struct sn_http_header h[] = {{S("Traceparent"), S(PARENT)}, {S("tracestate"), S("a=1,b=2")}};
    /* A trace of its own; the upstream is below the attempt. */
    struct answer a = ASK("GET", "/app/one", 200);
    ssize_t at = sn_str_find(a.text, S("traceparent: 00-"));
    T_ASSERTF(at >= 0, "%.*s", SN_STR_ARG(a.text));
    char seen[56];
    T_OK(sn_str_cz(sn_str_sub(a.text, (size_t)at + 13, (size_t)at + 68), seen, sizeof(seen)));
    T_ASSERT(!has(a.text, "tracestate"));
    DONE(a);
    /* In the client's trace, with its state; a failed attempt and a good one. */
    T_OK(ask(g, "GET", "/dead", h, 2, (struct sn_str){0}, &a));
    T_EQ(a.status, 200);
    T_ASSERTF(has(a.text, "traceparent: 00-0123456789abcdef0123456789abcdef-"), "%.*s", SN_STR_ARG(a.text));
    T_ASSERT(!has(a.text, "00f067aa0ba902b7") && has(a.text, "tracestate: a=1,b=2"));
    DONE(a);
    /* Answered here, without an attempt; and a decision not to sample is kept. */
    a = ASK("GET", "/fixed", 503);
    DONE(a);
    h[0].value = S("00-0123456789abcdef0123456789abcdef-00f067aa0ba902b7-00");
    T_OK(ask(g, "GET", "/app/two", h, 1, (struct sn_str){0}, &a));
    T_ASSERTF(has(a.text, "-00\n"), "%.*s", SN_STR_ARG(a.text));
    DONE(a);
    wait_spans(6);
    struct sn_str server = line_of("app kind=2"), client = line_of("app kind=3");
    T_STR(value_of(server, "parent="), "");
    T_ASSERT(sn_str_eq(value_of(client, "parent="), value_of(server, "id=")));
    T_ASSERT(sn_str_eq(value_of(client, "trace="), sn_str_of(seen + 3, 32)));
    T_ASSERT(sn_str_eq(value_of(client, " id="), sn_str_of(seen + 36, 16)));
    T_STR(value_of(server, "url.path="), "/app/one");
    T_STR(value_of(server, "status_code="), "200");
    T_STR(value_of(client, "server.address="), g->up[0].addr);
    T_STR(value_of(server, "error="), "0");
    server = line_of("dead kind=2");
    T_STR(value_of(server, "parent="), "00f067aa0ba902b7");
    T_STR(value_of(server, "state="), "a=1,b=2");
    T_STR(value_of(line_of("dead kind=3"), "error="), "2");
    T_ASSERT(has(sn_buf_view(&col.lines), "resend_count=1"));
    T_STR(value_of(line_of("fixed kind=2"), "error="), "2");
    return 0;
}

static int rig_main(struct rig *g, const char *more, int (*fn)(struct rig *g))
{
    struct sn_scope_storage mem;
    struct sn_buf text = {0};
    (void)sn_scope_begin(&mem);
    upstream_start(&g->up[0], "zero", echo);
    upstream_start(&g->up[1], "one", echo);
    upstream_start(&g->up[2], "collector", collect);
    sn_buf_printf(&text, config, more);
    rig_start(g, sn_buf_cz(&text));
    sn_buf_done(&text);
    T_OK(fn(g));
    rig_stop(g);
    T_OK(sn_scope_end(sn_scope_current()));
    sn_buf_done(&col.lines);
    memset(&col, 0, sizeof(col));
    free(g);
    return 0;
}
static int traces_main(void *arg) { return rig_main(calloc(1, sizeof(struct rig)), "", traces_body); }
SN_TEST(gateway_traces) { T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, traces_main, NULL)); }

/* A third of new traces, whatever clients say; the exporter stays through reloads, a changed one replaces
 * it and sends what was queued. */
static int own_body(struct rig *g)
{
    struct sn_http_header h[] = {{S("traceparent"), S(PARENT)}};
    unsigned sampled = 0;
    for (int i = 0; i < 200; i++) {
        struct answer a = {0};
        T_OK(ask(g, "GET", "/app", h, 1, (struct sn_str){0}, &a));
        T_ASSERT(has(a.text, "traceparent: 00-") && !has(a.text, "0123456789abcdef0123456789abcdef"));
        sampled += has(a.text, "-03\n");
        DONE(a);
        if (i == 100) T_OK(sn_gateway_reload(g->gw));
    }
    T_ASSERTF(sampled > 30 && sampled < 110, "%u of 200", sampled);
    struct sn_buf text = {0}, full = {0};
    sn_buf_printf(&text, config, "2");
    config_text(&full, sn_buf_cz(&text), g);
    T_OK(sn_gateway_set_text(g->gw, sn_buf_view(&full)));
    wait_spans(2 * sampled);
    T_STR(col.authorization, "Bearer t0ken");
    sn_buf_done(&text);
    sn_buf_done(&full);
    return 0;
}
static int own_main(void *arg)
{
    char more[256], path[200];
    snprintf(path, sizeof(path), "%s/auth", sn_test_tmpdir());
    FILE *f = fopen(path, "w");
    T_ASSERT(f);
    fputs("Bearer t0ken\n", f);
    fclose(f);
    snprintf(more, sizeof(more), ", ratio: 0.333, parent: false, authorization_file: '%s'", path);
    return rig_main(calloc(1, sizeof(struct rig)), more, own_body);
}
SN_TEST(gateway_traces_of_its_own)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, own_main, NULL));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* govern/span_test.c - headers of traces, sampling, and export against a collector that decodes, refuses, and hangs. */
#include "govern/span.h"

#include "core/enc.h"
#include "core/rand.h"
#include "harness/test.h"

#include "govern/chain_rig_test.h"
#include "govern/otlp.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"

SN_TEST(traceparent_cases)
{
    static const struct { const char *s; bool ok; } rows[] = {
        {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true},
        {" 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 ", true},
        {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x", false},
        {"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what", true},
        {"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.what", false},
        {"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false},
        {"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false},
        {"00-00000000000000000000000000000000-b7ad6b7169203331-01", false},
        {"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false},
        {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", false},
        {"00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false},
        {"", false},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_span_ctx c;
        char out[SN_TRACEPARENT_LEN];
        sn_test_row("%s", rows[i].s);
        T_EQ(sn_traceparent_parse(sn_str(rows[i].s), &c) == 0, rows[i].ok);
        if (i == 0) {
            T_EQ(sn_traceparent_format(&c, out), SN_TRACEPARENT_LEN);
            T_ASSERT(memcmp(out, rows[0].s, SN_TRACEPARENT_LEN) == 0);
        }
    }
}

SN_TEST(tracestate_and_baggage)
{
    static const struct { const char *s; bool ok; } rows[] = {
        {"a=1", true}, {"a=1, b@c=2 3", true}, {"", true}, {"a=1,,b=2", true}, {"a=1,a=2", false}, {"A=1", false}, {"a", false},
        {"a=", false}, {"a=1=2", false}, {"a@b@c=1", false}, {"0a=1", true}, {"@a=1", false}};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].s);
        T_EQ(sn_tracestate_ok(sn_str(rows[i].s)), rows[i].ok);
    }
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    struct sn_str h = SN_STR("k1 = v%20%C3%A4;p=1;q , broken, =x, k2=%zz, k3=");
    T_STR(sn_baggage_get(h, SN_STR("k1"), &a), "v ä");
    T_ASSERT(sn_baggage_get(h, SN_STR("k3"), &a).ptr && !sn_baggage_get(h, SN_STR("k2"), &a).ptr);
    struct sn_buf b = {0};
    T_OK(sn_baggage_put(&b, SN_STR("user"), SN_STR("a,b")));
    T_OK(sn_baggage_put(&b, SN_STR("x"), SN_STR("")));
    T_STR(sn_buf_view(&b), "user=a%2Cb,x=");
    T_EQ(sn_baggage_put(&b, SN_STR("a b"), SN_STR("")), SN_E_INVALID_ARGUMENT);
    sn_buf_done(&b);
    sn_arena_done(&a);
}

SN_TEST(span_sampling)
{
    struct sn_rand r;
    struct sn_span s;
    sn_rand_seed(&r, sn_test_seed());
    unsigned n = 0;
    for (int i = 0; i < 20000; i++) {
        uint64_t rnd[3] = {sn_rand_u64(&r), sn_rand_u64(&r), sn_rand_u64(&r)};
        sn_span_init(&s, NULL, SN_STR("x"), SN_SPAN_SERVER, 0.25, 1, rnd);
        n += sn_span_sampled(&s);
        struct sn_span child;
        sn_span_init(&child, &s.ctx, SN_STR("y"), SN_SPAN_CLIENT, 1.0, 1, rnd);
        T_EQ(sn_span_sampled(&child), sn_span_sampled(&s));
        T_ASSERT(memcmp(child.parent_id, s.ctx.span_id, 8) == 0);
    }
    T_ASSERTF(n > 4700 && n < 5300, "%u of 20000 sampled, expected 5000", n);
    uint64_t zeroes[3] = {0};
    sn_span_init(&s, NULL, SN_STR("x"), SN_SPAN_SERVER, 1.0, 1, zeroes);
    char out[SN_TRACEPARENT_LEN];
    sn_traceparent_format(&s.ctx, out);
    T_OK(sn_traceparent_parse(sn_str_of(out, sizeof(out)), &s.ctx));
    for (unsigned i = 0; i < SN_SPAN_ATTRS_MAX + 3; i++) sn_span_int(&s, "k", i);
    T_EQ(s.dropped_attrs, 3);
}

/* ---- export ---- */

static struct {
    struct sn_otlp *o;
    struct rig_server srv;
    struct sn_http_client *c;
    unsigned spans, posts, refuse_next;
    int refuse_with;
    char last[400];
} t;

static int collector(struct sn_http_x *x, void *arg)
{
    struct sn_str body;
    int r = sn_http_body_all(x, 1u << 20, &body);
    if (r < 0) return r;
    t.posts++;
    if (t.refuse_next) {
        t.refuse_next--;
        if (sn_http_header_add(x, SN_STR("retry-after"), SN_STR("2")) < 0) return SN_E_INTERNAL;
        return sn_http_reply(x, t.refuse_with, SN_STR("text/plain"), SN_STR("no"));
    }
    T_STR(sn_http_headers_get(&x->req.headers, SN_STR("content-type")), "application/x-protobuf");
    T_STR(x->req.path, "/v1/traces");
    struct opentelemetry_proto_collector_trace_v1_export_trace_service_request *m;
    T_OK(opentelemetry_proto_collector_trace_v1_export_trace_service_request_parse(body, 0, x->arena, &m));
    T_EQ(m->resource_spans.len, 1);
    const struct opentelemetry_proto_trace_v1_scope_spans *ss = m->resource_spans.ptr[0]->scope_spans.ptr[0];
    t.spans += ss->spans.len;
    const struct opentelemetry_proto_trace_v1_span *s = ss->spans.ptr[0];
    T_EQ(s->trace_id.len, 16);
    T_ASSERT(s->end_time_unix_nano >= s->start_time_unix_nano);
    snprintf(t.last, sizeof(t.last), "%.*s %d %.*s=%.*s status %d %.*s", SN_STR_ARG(s->name), s->kind,
             SN_STR_ARG(s->attributes.ptr[0]->key), SN_STR_ARG(s->attributes.ptr[0]->value->string_value),
             s->status ? s->status->code : -1, SN_STR_ARG(m->resource_spans.ptr[0]->resource->attributes.ptr[0]->value->string_value));
    return sn_http_reply(x, 200, SN_STR("application/x-protobuf"), SN_STR(""));
}

static void span(bool error)
{
    struct sn_span s;
    uint64_t rnd[3] = {sn_random(), sn_random(), sn_random()};
    sn_span_init(&s, NULL, SN_STR("GET /x"), SN_SPAN_SERVER, 1.0, sn_wall_now(), rnd);
    sn_span_str(&s, "k", SN_STR("v\xff"));
    s.error = error;
    sn_otlp_end(t.o, &s, sn_wall_now() + SN_MS);
}
static int exporter(void *arg)
{
    int r = sn_otlp_run(t.o);
    return r == SN_E_CANCELLED ? 0 : r;
}
static int otlp_main(void *arg)
{
    struct sn_otlp_stats st;
    memset(&t, 0, sizeof(t));
    T_OK(sn_http_client_new(&(struct sn_http_client_opts){0}, &t.c));
    struct sn_scope_storage mem, mem2;
    struct sn_scope *s = sn_scope_begin(&mem);
    rig_open(s, &t.srv, 4318, collector, NULL);
    T_OK(sn_otlp_new(&(struct sn_otlp_opts){.client = t.c, .url = SN_STR("http://10.0.0.1:4318"), .service = SN_STR("shop"),
                                            .queue_max = 100, .batch_max = 20}, &t.o));
    struct sn_scope *e = sn_scope_begin(&mem2);
    T_OK(sn_scope_go(e, "otlp", exporter, NULL));
    span(true);
    T_OK(sn_sleep(6 * SN_SEC));
    T_EQ(t.spans, 1);
    T_CSTR(t.last, "GET /x 2 k=(not UTF-8) status 2 shop");
    /* A full queue drops and counts. */
    for (int i = 0; i < 150; i++) span(false);
    sn_otlp_stats(t.o, &st);
    T_EQ(st.dropped, 50);
    T_OK(sn_sleep(2 * SN_SEC));
    T_EQ(t.spans, 101);
    /* Refused for now: again, when it was said. Refused for good: dropped. */
    t.refuse_next = 2;
    t.refuse_with = 503;
    span(false);
    T_OK(sn_sleep(12 * SN_SEC));
    T_EQ(t.spans, 102);
    t.refuse_next = 1;
    t.refuse_with = 400;
    span(false);
    T_OK(sn_sleep(6 * SN_SEC));
    sn_otlp_stats(t.o, &st);
    T_EQ(st.dropped, 51);
    T_EQ(st.failures, 2);
    /* The last ones are sent when it ends. */
    for (int i = 0; i < 30; i++) span(false);
    sn_scope_cancel(e);
    T_OK(sn_scope_end(e));
    T_EQ(t.spans, 132);
    sn_otlp_stats(t.o, &st);
    T_EQ(st.waiting, 0);
    T_EQ(st.sent, 132);
    span(false); /* nobody sends it */
    sn_otlp_free(t.o);
    sn_http_client_free(t.c);
    rig_close(&t.srv);
    T_OK(sn_scope_end(s));
    sn_http_server_free(t.srv.server);
    return 0;
}
SN_TEST(otlp_export) { rig_simulate(otlp_main, 3); }

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/interop/grpc/cases.c - the interop cases with our client.
 * Source: grpc/grpc doc/interop-test-descriptions.md. */
#include <stdio.h>

#include "peer.h"

#include "orca.grpc.h"
#include "test.grpc.h"

#define CHECK(cond, ...)                                        \
    do {                                                        \
        if (!(cond)) return sn_fail(SN_E_UNKNOWN, __VA_ARGS__); \
    } while (0)

struct run {
    struct sn_grpc_channel *ch;
    const char *target;
    struct sn_arena a;
};

static struct grpc_testing_payload *payload(struct sn_arena *a, size_t n)
{
    struct grpc_testing_payload *p = grpc_testing_payload_new(a);
    char *body = sn_arena_alloc(a, n);
    if (!p || !body) return NULL;
    memset(body, 0, n);
    p->body = sn_str_of(body, n);
    return p;
}

static int empty_unary(struct run *t)
{
    struct grpc_testing_empty req = {0}, *rep;
    return grpc_testing_test_service_empty_call_call(t->ch, &req, &t->a, &rep, NULL);
}

static int large(struct run *t, const struct grpc_testing_simple_request *extra,
                 const struct sn_grpc_opts *o)
{
    struct grpc_testing_simple_request req = *extra;
    struct grpc_testing_simple_response *rep;
    req.response_size = 314159;
    req.payload = payload(&t->a, 271828);
    int r = grpc_testing_test_service_unary_call_call(t->ch, &req, &t->a, &rep, o);
    if (r < 0) return r;
    CHECK(rep->payload && rep->payload->body.len == 314159, "answer has %zu bytes",
          rep->payload ? rep->payload->body.len : 0);
    return 0;
}

static int large_unary(struct run *t)
{
    return large(t, &(struct grpc_testing_simple_request){0}, NULL);
}

static int server_compressed_unary(struct run *t)
{
    struct grpc_testing_bool_value yes = {.value = true}, no = {0};
    int r = large(t, &(struct grpc_testing_simple_request){.response_compressed = &yes}, NULL);
    return r < 0
               ? r
               : large(t, &(struct grpc_testing_simple_request){.response_compressed = &no}, NULL);
}

static int client_compressed_unary(struct run *t)
{
    struct grpc_testing_bool_value yes = {.value = true}, no = {0};
    struct sn_grpc_opts gzip = {.compress = SN_GRPC_GZIP}, deflate = {.compress = SN_GRPC_DEFLATE};
    struct grpc_testing_simple_request q = {.expect_compressed = &yes};
    int r = large(t, &q, NULL);
    CHECK(r == SN_E_INVALID_ARGUMENT, "the probe was answered with %s", sn_status_name(r));
    r = large(t, &q, &gzip);
    if (r == 0) r = large(t, &q, &deflate);
    q.expect_compressed = &no;
    return r < 0 ? r : large(t, &q, NULL);
}

static const int32_t sizes_in[4] = {27182, 8, 1828, 45904}, sizes_out[4] = {31415, 9, 2653, 58979};

static int client_stream(struct run *t, bool compressed)
{
    struct sn_grpc_call *c;
    struct grpc_testing_bool_value flags[2] = {{.value = true}, {.value = false}};
    struct sn_grpc_opts o = {.compress = compressed ? SN_GRPC_GZIP : 0};
    int r = grpc_testing_test_service_streaming_input_call_open(t->ch, &o, &c);
    for (unsigned i = 0; i < (compressed ? 2 : 4) && r == 0; i++) {
        struct grpc_testing_streaming_input_call_request q = {
            .payload = payload(&t->a, (size_t)sizes_in[i])};
        if (compressed) q.expect_compressed = &flags[i];
        if (compressed) sn_grpc_compress(c, i == 0);
        r = grpc_testing_test_service_streaming_input_call_send(c, &q);
    }
    if (r < 0) return r;
    r = sn_grpc_close_send(c);
    struct grpc_testing_streaming_input_call_response *rep = NULL;
    if (r == 0) r = grpc_testing_test_service_streaming_input_call_recv(c, &t->a, &rep);
    int end = r > 0 ? sn_grpc_recv(c, NULL, &(void *){NULL}) : r;
    (void)sn_grpc_close(c);
    if (r < 0 || end < 0) return SN_MIN(r, end);
    int32_t want = compressed ? 27182 + 8 : 74922;
    CHECK(rep && rep->aggregated_payload_size == want, "sum %d",
          rep ? rep->aggregated_payload_size : 0);
    return 0;
}

static int client_streaming(struct run *t) { return client_stream(t, false); }
static int client_compressed_streaming(struct run *t) { return client_stream(t, true); }

static int server_stream(struct run *t, bool compressed)
{
    struct sn_grpc_call *c;
    struct grpc_testing_streaming_output_call_request q = {0};
    struct grpc_testing_bool_value flags[2] = {{.value = true}, {.value = false}};
    unsigned n = compressed ? 2 : 4;
    for (unsigned i = 0; i < n; i++) {
        struct grpc_testing_response_parameters *p =
            grpc_testing_streaming_output_call_request_add_response_parameters(&q, &t->a);
        p->size = sizes_out[i];
        if (compressed) p->compressed = &flags[i];
    }
    int r = grpc_testing_test_service_streaming_output_call_open(t->ch, &q, NULL, &c);
    if (r < 0) return r;
    struct grpc_testing_streaming_output_call_response *rep;
    unsigned got = 0;
    while ((r = grpc_testing_test_service_streaming_output_call_recv(c, NULL, &rep)) > 0) {
        CHECK(got < n && rep->payload->body.len == (size_t)sizes_out[got], "answer %u", got);
        CHECK(!compressed || c->received_compressed == (got == 0), "answer %u compressed wrongly",
              got);
        got++;
    }
    (void)sn_grpc_close(c);
    CHECK(r < 0 || got == n, "%u answers", got);
    return r;
}

static int server_streaming(struct run *t) { return server_stream(t, false); }
static int server_compressed_streaming(struct run *t) { return server_stream(t, true); }

static int ping(struct run *t, struct sn_grpc_call *c, unsigned i)
{
    struct grpc_testing_streaming_output_call_request q = {.payload =
                                                               payload(&t->a, (size_t)sizes_in[i])};
    struct grpc_testing_response_parameters *p =
        grpc_testing_streaming_output_call_request_add_response_parameters(&q, &t->a);
    p->size = sizes_out[i];
    int r = grpc_testing_test_service_full_duplex_call_send(c, &q);
    struct grpc_testing_streaming_output_call_response *rep = NULL;
    if (r == 0) r = grpc_testing_test_service_full_duplex_call_recv(c, NULL, &rep);
    CHECK(r != 0, "stream ended before answer %u", i);
    if (r < 0) return r;
    CHECK(rep && rep->payload && rep->payload->body.len == (size_t)sizes_out[i], "answer %u", i);
    return 0;
}

static int ping_pong(struct run *t)
{
    struct sn_grpc_call *c;
    int r = grpc_testing_test_service_full_duplex_call_open(t->ch, NULL, &c);
    for (unsigned i = 0; i < 4 && r == 0; i++) r = ping(t, c, i);
    if (r == 0) r = sn_grpc_close_send(c);
    if (r == 0) r = sn_grpc_recv(c, NULL, &(void *){NULL});
    (void)sn_grpc_close(c);
    CHECK(r <= 0, "an answer too many");
    return r;
}

static int empty_stream(struct run *t)
{
    struct sn_grpc_call *c;
    int r = grpc_testing_test_service_full_duplex_call_open(t->ch, NULL, &c);
    if (r == 0) r = sn_grpc_close_send(c);
    if (r == 0) r = sn_grpc_recv(c, NULL, &(void *){NULL});
    (void)sn_grpc_close(c);
    CHECK(r <= 0, "an answer to nothing");
    return r;
}

static int timeout_on_sleeping_server(struct run *t)
{
    struct sn_grpc_call *c;
    struct sn_grpc_opts o = {.timeout_ns = SN_MS};
    int r = grpc_testing_test_service_full_duplex_call_open(t->ch, &o, &c);
    struct grpc_testing_streaming_output_call_request q = {.payload = payload(&t->a, 27182)};
    if (r == 0) {
        (void)!grpc_testing_test_service_full_duplex_call_send(c, &q);
        r = sn_grpc_recv(c, NULL, &(void *){NULL});
        (void)sn_grpc_close(c);
    }
    CHECK(r == SN_E_DEADLINE_EXCEEDED, "ended with %s", sn_status_name(r));
    return 0;
}

static int cancel_after_begin(struct run *t)
{
    struct sn_grpc_call *c;
    int r = grpc_testing_test_service_streaming_input_call_open(t->ch, NULL, &c);
    if (r < 0) return r;
    sn_grpc_cancel(c);
    r = sn_grpc_recv(c, NULL, &(void *){NULL});
    (void)sn_grpc_close(c);
    CHECK(r == SN_E_CANCELLED, "ended with %s", sn_status_name(r));
    return 0;
}

static int cancel_after_first_response(struct run *t)
{
    struct sn_grpc_call *c;
    int r = grpc_testing_test_service_full_duplex_call_open(t->ch, NULL, &c);
    if (r == 0) r = ping(t, c, 0);
    if (r < 0) return r;
    sn_grpc_cancel(c);
    r = sn_grpc_recv(c, NULL, &(void *){NULL});
    (void)sn_grpc_close(c);
    CHECK(r == SN_E_CANCELLED, "ended with %s", sn_status_name(r));
    return 0;
}

static int status_case(struct run *t, const char *message, bool stream)
{
    struct grpc_testing_echo_status want = {.code = 2, .message = sn_str(message)};
    struct grpc_testing_simple_request q = {.response_status = &want};
    struct grpc_testing_simple_response *rep;
    struct sn_grpc_status st = {0};
    struct sn_grpc_opts o = {.ret_status = &st};
    int r = grpc_testing_test_service_unary_call_call(t->ch, &q, &t->a, &rep, &o);
    CHECK(r == SN_E_UNKNOWN && st.code == r && sn_str_eqc(st.message, message),
          "unary status %s \"%.*s\"", sn_status_name(r), SN_STR_ARG(st.message));
    if (!stream) return 0;
    struct sn_grpc_call *c;
    r = grpc_testing_test_service_full_duplex_call_open(t->ch, NULL, &c);
    if (r < 0) return r;
    struct grpc_testing_streaming_output_call_request sq = {.response_status = &want};
    r = grpc_testing_test_service_full_duplex_call_send(c, &sq);
    (void)!sn_grpc_close_send(c);
    if (r == 0) r = sn_grpc_recv(c, NULL, &(void *){NULL});
    bool ok = r == SN_E_UNKNOWN && sn_str_eqc(c->status.message, message);
    (void)sn_grpc_close(c);
    CHECK(ok, "stream status %s", sn_status_name(r));
    return 0;
}

static int status_code_and_message(struct run *t)
{
    return status_case(t, "test status message", true);
}
static int special_status_message(struct run *t)
{
    return status_case(t,
                       "\t\ntest with whitespace\r\nand Unicode BMP \xe2\x98\xba and non-BMP "
                       "\xf0\x9f\x98\x88\t\n",
                       false);
}

static int check_echo(const struct sn_http_headers *head, const struct sn_http_headers *tail)
{
    CHECK(sn_str_eqc(sn_http_headers_get(head, SN_STR("x-grpc-test-echo-initial")),
                     "test_initial_metadata_value"),
          "initial metadata is not echoed");
    struct sn_str bin = sn_http_headers_get(tail, SN_STR("x-grpc-test-echo-trailing-bin"));
    CHECK(bin.len == 3 && memcmp(bin.ptr, "\xab\xab\xab", 3) == 0,
          "trailing metadata is not echoed");
    return 0;
}

static int custom_metadata(struct run *t)
{
    static const struct sn_http_header md[] = {
        {SN_STR_INIT("x-grpc-test-echo-initial"), SN_STR_INIT("test_initial_metadata_value")},
        {SN_STR_INIT("x-grpc-test-echo-trailing-bin"), SN_STR_INIT("\xab\xab\xab")},
    };
    struct sn_http_headers head = {0}, tail = {0};
    struct sn_grpc_opts o = {.metadata = md,
                             .n_metadata = 2,
                             .ret_metadata = &head,
                             .ret_trailers = &tail};
    struct grpc_testing_simple_request q = {.response_size = 1, .payload = payload(&t->a, 1)};
    struct grpc_testing_simple_response *rep;
    int r = grpc_testing_test_service_unary_call_call(t->ch, &q, &t->a, &rep, &o);
    if (r == 0) r = check_echo(&head, &tail);
    struct sn_grpc_call *c;
    if (r == 0) r = grpc_testing_test_service_full_duplex_call_open(t->ch, &o, &c);
    if (r < 0) return r;
    r = ping(t, c, 1);
    if (r == 0) r = sn_grpc_close_send(c);
    if (r == 0) r = sn_grpc_recv(c, NULL, &(void *){NULL});
    if (r == 0) r = check_echo(&c->received, &c->trailers);
    (void)sn_grpc_close(c);
    return r;
}

static int unimplemented_method(struct run *t)
{
    struct grpc_testing_empty q = {0}, *rep;
    int r = grpc_testing_test_service_unimplemented_call_call(t->ch, &q, &t->a, &rep, NULL);
    CHECK(r == SN_E_UNIMPLEMENTED, "ended with %s", sn_status_name(r));
    return 0;
}
static int unimplemented_service(struct run *t)
{
    struct grpc_testing_empty q = {0}, *rep;
    int r =
        grpc_testing_unimplemented_service_unimplemented_call_call(t->ch, &q, &t->a, &rep, NULL);
    CHECK(r == SN_E_UNIMPLEMENTED, "ended with %s", sn_status_name(r));
    return 0;
}

static int orca_per_rpc(struct run *t)
{
    struct grpc_testing_test_orca_report report = {.cpu_utilization = 0.5};
    struct sn_http_headers tail = {0};
    struct sn_grpc_opts o = {.ret_trailers = &tail};
    struct grpc_testing_simple_request q = {.orca_per_query_report = &report};
    struct grpc_testing_simple_response *rep;
    int r = grpc_testing_test_service_unary_call_call(t->ch, &q, &t->a, &rep, &o);
    if (r < 0) return r;
    struct sn_str m = sn_http_headers_get(&tail, SN_STR("endpoint-load-metrics-bin"));
    CHECK(m.len == 9 && memcmp(m.ptr, "\x09\0\0\0\0\0\0\xe0\x3f", 9) == 0, "no load report of 0.5");
    return 0;
}

/* Has the server report that load beside its calls from now on. */
static int report_load(struct run *t, struct sn_grpc_call *c, double cpu, double memory,
                       double util)
{
    struct grpc_testing_test_orca_report report = {.cpu_utilization = cpu,
                                                   .memory_utilization = memory};
    struct grpc_testing_streaming_output_call_request q = {.orca_oob_report = &report};
    struct grpc_testing_streaming_output_call_response *rep;
    struct grpc_testing_test_orca_report_utilization_entry *e =
        grpc_testing_test_orca_report_add_utilization(&report, &t->a);
    struct grpc_testing_response_parameters *p =
        grpc_testing_streaming_output_call_request_add_response_parameters(&q, &t->a);
    if (!e || !p) return SN_E_NOMEM;
    e->key = SN_STR("util");
    e->value = util;
    p->size = 1;
    int r = grpc_testing_test_service_full_duplex_call_send(c, &q);
    if (r == 0) r = grpc_testing_test_service_full_duplex_call_recv(c, NULL, &rep);
    CHECK(r != 0, "stream ended before the answer");
    return r < 0 ? r : 0;
}
/* Reads reports until one says that, or the case's time is over. */
static int await_load(struct run *t, struct sn_grpc_call *c, double cpu, double memory, double util)
{
    struct xds_data_orca_v3_orca_load_report *m;
    for (;;) {
        int r = xds_service_orca_v3_open_rca_service_stream_core_metrics_recv(c, &t->a, &m);
        CHECK(r != 0, "reports ended");
        if (r < 0) return r;
        if (m->cpu_utilization == cpu && m->mem_utilization == memory && m->utilization.len == 1 &&
            sn_str_eqc(m->utilization.ptr[0]->key, "util") && m->utilization.ptr[0]->value == util)
            return 0;
    }
}
static int orca_oob(struct run *t)
{
    struct google_protobuf_duration second = {.seconds = 1};
    struct xds_service_orca_v3_orca_load_report_request q = {.report_interval = &second};
    struct sn_grpc_call *c, *reports;
    int r = grpc_testing_test_service_full_duplex_call_open(t->ch, NULL, &c);
    if (r < 0) return r;
    r = xds_service_orca_v3_open_rca_service_stream_core_metrics_open(t->ch, &q, NULL, &reports);
    if (r == 0) {
        r = report_load(t, c, 0.8210, 0.5847, 0.30499);
        if (r == 0) r = await_load(t, reports, 0.8210, 0.5847, 0.30499);
        if (r == 0) r = report_load(t, c, 0.29309, 0.2, 0.2039);
        if (r == 0) r = await_load(t, reports, 0.29309, 0.2, 0.2039);
        sn_grpc_cancel(reports);
        (void)sn_grpc_close(reports);
    }
    sn_grpc_cancel(c);
    (void)sn_grpc_close(c);
    return r;
}

static int rpc_soak(struct run *t)
{
    int r = 0;
    for (int i = 0; i < 200 && r == 0; i++) {
        struct sn_arena a;
        sn_arena_init(&a, NULL, 0);
        struct run one = {t->ch, t->target, a};
        r = large_unary(&one);
        sn_arena_done(&one.a);
    }
    return r;
}

/* ---- retries (gRFC A6) and client-side health (A17): not of the interop suite ---- */

struct spoil {
    const char *spoil, *after;
};
static int spoiled(struct sn_grpc_call *c, struct sn_grpc_chain *next, void *arg)
{
    const struct spoil *s = arg;
    int r = sn_grpc_metadata_add(c, SN_STR("x-spoil"), sn_str(s->spoil));
    if (r == 0) r = sn_grpc_metadata_add(c, SN_STR("x-after"), sn_str(s->after));
    return r < 0 ? r : sn_grpc_next(c, next);
}
/* The streaming cases on a channel with a retry policy of 4 attempts, spoiled that often. */
static int spoiled_streams(struct run *t, const char *spoil, const char *after)
{
    static int (*const kinds[])(struct run *) = {client_streaming, server_streaming, ping_pong};
    struct spoil s = {spoil, after};
    struct sn_grpc_interceptor it = {"spoil", spoiled, NULL, NULL, &s};
    struct sn_grpc_channel_opts o = {
        .interceptors = &it,
        .n_interceptors = 1,
        .service_config =
            SN_STR("{\"methodConfig\":[{\"name\":[{}],\"retryPolicy\":{\"maxAttempts\":4,"
                   "\"initialBackoff\":\"0.01s\",\"maxBackoff\":\"0.1s\",\"backoffMultiplier\":2,"
                   "\"retryableStatusCodes\":[\"UNAVAILABLE\"]}}]}")};
    struct run mine = {.target = t->target, .a = t->a};
    int r = sn_grpc_channel_new(t->target, &o, &mine.ch);
    for (size_t i = 0; i < SN_COUNT_OF(kinds) && r == 0; i++) r = kinds[i](&mine);
    sn_grpc_channel_free(mine.ch);
    t->a = mine.a;
    return r;
}
static int retry_streams(struct run *t)
{
    int r = spoiled_streams(t, "2", "0");
    if (r == 0) r = spoiled_streams(t, "3", "1");
    if (r < 0) return r;
    CHECK(spoiled_streams(t, "4", "1") == SN_E_UNAVAILABLE, "more attempts than the policy has");
    return 0;
}

static int say_health(struct run *t, const char *state)
{
    struct grpc_testing_empty req = {0}, *rep;
    struct sn_http_header md = {SN_STR("x-health"), sn_str(state)};
    struct sn_grpc_opts o = {.metadata = &md, .n_metadata = 1};
    return grpc_testing_test_service_empty_call_call(t->ch, &req, &t->a, &rep, &o);
}
static int until(struct run *t, int wanted)
{
    int r;
    while ((r = empty_unary(t)) != wanted)
        if ((r = sn_sleep(5 * SN_MS)) < 0) return r; /* the case's deadline */
    return 0;
}
static int health_watch(struct run *t)
{
    struct sn_grpc_channel_opts o = {
        .service_config = SN_STR("{\"loadBalancingConfig\":[{\"round_robin\":{}}],"
                                 "\"healthCheckConfig\":{\"serviceName\":\"watched\"}}")};
    struct run mine = {.a = t->a};
    int r = sn_grpc_channel_new(t->target, &o, &mine.ch);
    for (int i = 0; i < 3 && r == 0; i++) {
        if ((r = say_health(t, "SERVING")) == 0) r = until(&mine, 0);
        if (r == 0 && (r = say_health(t, "NOT_SERVING")) == 0) r = until(&mine, SN_E_UNAVAILABLE);
    }
    sn_grpc_channel_free(mine.ch);
    t->a = mine.a;
    return r;
}

static const struct {
    const char *name;
    int (*fn)(struct run *t);
} cases[] = {
    {"retry_streams", retry_streams},
    {"health_watch", health_watch},
    {"empty_unary", empty_unary},
    {"large_unary", large_unary},
    {"client_compressed_unary", client_compressed_unary},
    {"server_compressed_unary", server_compressed_unary},
    {"client_streaming", client_streaming},
    {"client_compressed_streaming", client_compressed_streaming},
    {"server_streaming", server_streaming},
    {"server_compressed_streaming", server_compressed_streaming},
    {"ping_pong", ping_pong},
    {"empty_stream", empty_stream},
    {"timeout_on_sleeping_server", timeout_on_sleeping_server},
    {"cancel_after_begin", cancel_after_begin},
    {"cancel_after_first_response", cancel_after_first_response},
    {"status_code_and_message", status_code_and_message},
    {"special_status_message", special_status_message},
    {"custom_metadata", custom_metadata},
    {"unimplemented_method", unimplemented_method},
    {"unimplemented_service", unimplemented_service},
    {"orca_per_rpc", orca_per_rpc},
    {"orca_oob", orca_oob},
    {"rpc_soak", rpc_soak},
};

int peer_case(struct sn_grpc_channel *ch, const char *target, const char *name)
{
    for (size_t i = 0; i < SN_COUNT_OF(cases); i++) {
        if (strcmp(cases[i].name, name) != 0) continue;
        struct run t = {.ch = ch, .target = target};
        sn_arena_init(&t.a, NULL, 0);
        int64_t prev = sn_deadline_tighten(sn_now() + 20 * SN_SEC);
        int r = cases[i].fn(&t);
        sn_deadline_restore(prev);
        sn_arena_done(&t.a);
        return r;
    }
    return sn_fail(SN_E_NOT_FOUND, "no case %s", name);
}

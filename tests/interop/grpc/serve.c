/* SPDX-License-Identifier: Apache-2.0 */
/* tests/interop/grpc/serve.c - grpc.testing.TestService and what belongs to it, served.
 * Source: grpc/grpc doc/interop-test-descriptions.md, "Server". */
#include "peer.h"

#include "orca.grpc.h"
#include "rest.grpc.h"
#include "test.grpc.h"

#define ECHO_INITIAL "x-grpc-test-echo-initial"
#define ECHO_TRAILING "x-grpc-test-echo-trailing-bin"
#define SIZE_MAX_BYTES (64 << 20)

static struct sn_mutex oob_lock;
static uint8_t oob[4096]; /* the last out-of-band report, encoded */
static size_t oob_len;

static int echo_metadata(struct sn_grpc_call *c)
{
    int r = 0;
    for (unsigned i = 0; r == 0 && i < c->metadata.len; i++) {
        const struct sn_http_header *h = &c->metadata.ptr[i];
        if (sn_str_eqc(h->name, ECHO_INITIAL)) r = sn_grpc_metadata_add(c, h->name, h->value);
        if (sn_str_eqc(h->name, ECHO_TRAILING)) r = sn_grpc_trailer_add(c, h->name, h->value);
    }
    return r;
}

static struct grpc_testing_payload *payload(struct sn_grpc_call *c, struct sn_arena *a, int32_t size)
{
    struct grpc_testing_payload *p = grpc_testing_payload_new(a);
    char *body = size < 0 || size > SIZE_MAX_BYTES ? NULL : sn_arena_alloc(a, (size_t)size);
    if (!p || !body) return NULL;
    memset(body, 0, (size_t)size);
    p->body = sn_str_of(body, (size_t)size);
    return p;
}

static int check_compressed(struct sn_grpc_call *c, const struct grpc_testing_bool_value *want)
{
    if (!want || want->value == c->received_compressed) return 0;
    return sn_grpc_fail(c, SN_E_INVALID_ARGUMENT, "the request was %scompressed",
                        c->received_compressed ? "" : "not ");
}

static int fail_as(struct sn_grpc_call *c, const struct grpc_testing_echo_status *s)
{
    if (!s || s->code == 0) return 0;
    if (sn_grpc_detail(c, &grpc_testing_echo_status_desc, s) < 0) return SN_E_NOMEM;
    return sn_grpc_fail(c, -(s->code & 31), "%.*s", SN_STR_ARG(s->message));
}

static int empty_call(struct sn_grpc_call *c, const struct grpc_testing_empty *req,
                      struct grpc_testing_empty **ret)
{
    struct sn_str health = sn_grpc_metadata(c, "x-health"); /* of the service "watched", from now on */
    enum sn_grpc_serving state =
        sn_str_eqc(health, "SERVING") ? SN_GRPC_SERVING : SN_GRPC_NOT_SERVING;
    int r = health.ptr ? sn_grpc_health_set(c->server, SN_STR("watched"), state) : 0;
    return r < 0 ? r : echo_metadata(c);
}

/* x-spoil: so many attempts of this call fail with UNAVAILABLE, once x-after messages were read. */
int peer_spoiler(struct sn_grpc_call *c, struct sn_grpc_chain *next, void *arg)
{
    uint64_t spoil = 0, after = 0, before = 0;
    struct sn_str m;
    (void)!sn_str_to_u64(sn_grpc_metadata(c, "x-spoil"), &spoil);
    (void)!sn_str_to_u64(sn_grpc_metadata(c, "x-after"), &after);
    (void)!sn_str_to_u64(
        sn_http_headers_get(&c->http->req.headers, SN_STR("grpc-previous-rpc-attempts")), &before);
    if (before >= spoil) return sn_grpc_next(c, next);
    while (after-- && sn_grpc_recv_raw(c, &m) > 0) {}
    return sn_grpc_fail(c, SN_E_UNAVAILABLE, "spoiled");
}

/* As xds.data.orca.v3.OrcaLoadReport, appended to `out`. */
static int orca_encode(const struct grpc_testing_test_orca_report *from, struct sn_arena *a,
                       struct sn_buf *out)
{
    struct xds_data_orca_v3_orca_load_report to = {.cpu_utilization = from->cpu_utilization,
                                                   .mem_utilization = from->memory_utilization};
    for (uint32_t i = 0; i < from->request_cost.len; i++) {
        struct xds_data_orca_v3_orca_load_report_request_cost_entry *e =
            xds_data_orca_v3_orca_load_report_add_request_cost(&to, a);
        if (!e) return SN_E_NOMEM;
        e->key = from->request_cost.ptr[i]->key;
        e->value = from->request_cost.ptr[i]->value;
    }
    for (uint32_t i = 0; i < from->utilization.len; i++) {
        struct xds_data_orca_v3_orca_load_report_utilization_entry *e =
            xds_data_orca_v3_orca_load_report_add_utilization(&to, a);
        if (!e) return SN_E_NOMEM;
        e->key = from->utilization.ptr[i]->key;
        e->value = from->utilization.ptr[i]->value;
    }
    ssize_t n = xds_data_orca_v3_orca_load_report_encode(&to, out);
    return n < 0 ? (int)n : 0;
}

static int orca_trailer(struct sn_grpc_call *c, const struct grpc_testing_test_orca_report *from)
{
    struct sn_buf b = {0};
    int r = orca_encode(from, c->arena, &b);
    if (r == 0) r = sn_grpc_trailer_add(c, SN_STR("endpoint-load-metrics-bin"), sn_buf_view(&b));
    sn_buf_done(&b);
    return r;
}

static int unary_call(struct sn_grpc_call *c, const struct grpc_testing_simple_request *req,
                      struct grpc_testing_simple_response **ret)
{
    int r = echo_metadata(c);
    if (r == 0) r = fail_as(c, req->response_status);
    if (r == 0) r = check_compressed(c, req->expect_compressed);
    if (r == 0 && req->orca_per_query_report) r = orca_trailer(c, req->orca_per_query_report);
    if (r < 0) return r;
    if (req->response_compressed) sn_grpc_compress(c, req->response_compressed->value);
    *ret = grpc_testing_simple_response_new(c->arena);
    if (!*ret) return SN_E_NOMEM;
    (*ret)->payload = payload(c, c->arena, req->response_size);
    if ((*ret)->payload) return 0;
    return sn_grpc_fail(c, SN_E_INVALID_ARGUMENT, "response_size %d", req->response_size);
}

static int send_all(struct sn_grpc_call *c, const struct grpc_testing_streaming_output_call_request *q)
{
    for (uint32_t i = 0; i < q->response_parameters.len; i++) {
        const struct grpc_testing_response_parameters *p = q->response_parameters.ptr[i];
        struct sn_arena a;
        sn_arena_init(&a, NULL, 0);
        struct grpc_testing_streaming_output_call_response rep = {0};
        int r = p->interval_us > 0 ? sn_sleep(p->interval_us * SN_US) : 0;
        /* The encoding is announced in the head, so it is agreed on before the first message. */
        if (p->compressed) sn_grpc_compress(c, true);
        if (r == 0) r = sn_grpc_send_head(c);
        sn_grpc_compress(c, p->compressed && p->compressed->value);
        rep.payload = payload(c, &a, p->size);
        if (r == 0 && !rep.payload)
            r = sn_grpc_fail(c, SN_E_INVALID_ARGUMENT, "size %d", p->size);
        if (r == 0) r = grpc_testing_test_service_streaming_output_call_reply(c, &rep);
        sn_arena_done(&a);
        if (r < 0) return r;
    }
    return 0;
}

static int streaming_output(struct sn_grpc_call *c,
                            const struct grpc_testing_streaming_output_call_request *req)
{
    int r = echo_metadata(c);
    return r < 0 ? r : send_all(c, req);
}

static int streaming_input(struct sn_grpc_call *c,
                           struct grpc_testing_streaming_input_call_response **ret)
{
    struct grpc_testing_streaming_input_call_request *q;
    int64_t sum = 0;
    int r = echo_metadata(c);
    while (r >= 0 && (r = grpc_testing_test_service_streaming_input_call_request(c, &q)) > 0) {
        int k = check_compressed(c, q->expect_compressed);
        if (k < 0) return k;
        sum += q->payload ? (int64_t)q->payload->body.len : 0;
    }
    if (r < 0) return r;
    *ret = grpc_testing_streaming_input_call_response_new(c->arena);
    if (!*ret) return SN_E_NOMEM;
    (*ret)->aggregated_payload_size = (int32_t)sum;
    return 0;
}

static int set_oob(struct sn_grpc_call *c, const struct grpc_testing_test_orca_report *from)
{
    struct sn_buf b;
    sn_mutex_lock_always(&oob_lock);
    sn_buf_init_fixed(&b, oob, sizeof(oob));
    int r = orca_encode(from, c->arena, &b);
    oob_len = r < 0 ? 0 : b.len;
    sn_mutex_unlock(&oob_lock);
    return r;
}

static int full_duplex(struct sn_grpc_call *c)
{
    struct grpc_testing_streaming_output_call_request *q;
    int r = echo_metadata(c);
    while (r >= 0 && (r = grpc_testing_test_service_full_duplex_call_request(c, &q)) > 0) {
        if (q->orca_oob_report && (r = set_oob(c, q->orca_oob_report)) < 0) return r;
        r = fail_as(c, q->response_status);
        if (r == 0) r = send_all(c, q);
    }
    return r;
}

static int half_duplex(struct sn_grpc_call *c)
{
    /* All requests first, then all answers. */
    struct grpc_testing_streaming_output_call_request all = {0};
    void *q;
    int r = echo_metadata(c);
    while (r >= 0 && (r = sn_grpc_recv(c, c->arena, &q)) > 0) {
        struct grpc_testing_streaming_output_call_request *one = q;
        for (uint32_t i = 0; i < one->response_parameters.len; i++) {
            struct grpc_testing_response_parameters *p =
                grpc_testing_streaming_output_call_request_add_response_parameters(&all, c->arena);
            if (!p) return SN_E_NOMEM;
            p->size = one->response_parameters.ptr[i]->size;
            p->interval_us = one->response_parameters.ptr[i]->interval_us;
        }
    }
    return r < 0 ? r : send_all(c, &all);
}

static int core_metrics(struct sn_grpc_call *c,
                        const struct xds_service_orca_v3_orca_load_report_request *req)
{
    int64_t every = 30 * SN_SEC;
    if (req->report_interval)
        every = req->report_interval->seconds * SN_SEC + req->report_interval->nanos;
    every = SN_MAX(every, 100 * SN_MS);
    for (int r = 0; r == 0; r = sn_sleep(every)) {
        uint8_t now[sizeof(oob)];
        sn_mutex_lock_always(&oob_lock);
        size_t n = oob_len;
        memcpy(now, oob, n);
        sn_mutex_unlock(&oob_lock);
        r = sn_grpc_send_raw(c, sn_str_of((char *)now, n));
        if (r < 0) return r;
    }
    return SN_E_CANCELLED;
}

static const struct grpc_testing_test_service_handlers test_service = {
    .empty_call = empty_call,
    .unary_call = unary_call,
    .cacheable_unary_call = unary_call,
    .streaming_output_call = streaming_output,
    .streaming_input_call = streaming_input,
    .full_duplex_call = full_duplex,
    .half_duplex_call = half_duplex,
};
static const struct xds_service_orca_v3_open_rca_service_handlers orca_service = {
    .stream_core_metrics = core_metrics,
};

static int sum(struct sn_grpc_call *c, const struct sennit_interop_sum_request *req,
               struct sennit_interop_sum_reply **ret)
{
    *ret = sennit_interop_sum_reply_new(c->arena);
    if (!*ret) return SN_E_NOMEM;
    uint64_t n = (uint64_t)req->a + (uint64_t)req->b;
    for (uint32_t i = 0; i < req->more.len; i++) n += (uint64_t)req->more.ptr[i];
    (*ret)->sum = (int64_t)n;
    return 0;
}

static const struct sennit_interop_rest_handlers rest_service = {.sum = sum};

int peer_register(struct sn_grpc_server *s)
{
    int r = grpc_testing_test_service_register(s, &test_service, NULL);
    if (r == 0) r = sennit_interop_rest_register(s, &rest_service, NULL);
    if (r == 0) r = xds_service_orca_v3_open_rca_service_register(s, &orca_service, NULL);
    return r;
}

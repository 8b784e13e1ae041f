/* SPDX-License-Identifier: Apache-2.0 */
/* evm/rpc_http.c - JSON-RPC over HTTP(S): pooled connections, batches. */
#include "core/alloc.h"
#include "core/status.h"
#include "evm/rpc_int.h"
#include "fiber/fiber.h"
#include "kit/http.h"

#define TIMEOUT_NS_DEFAULT (30 * SN_SEC)
#define RETRY_AFTER_S_MAX 30u

struct http_rpc {
    struct sn_eth_rpc rpc;
    struct sn_http_client *client;
    struct sn_arena arena;   /* copies of the options' texts */
    struct sn_str url, host; /* host: what diagnostics may show; paths and queries hold API keys */
    struct sn_http_header headers[1 + SN_ETH_HEADERS_MAX];
    unsigned n_headers, retries_max;
    size_t batch_max, answer_bytes_max;
    int64_t timeout_ns;
};

/* retry_after - seconds the server asks for, 0 where it does not say. */
static unsigned retry_after(const struct sn_http_resp *resp)
{
    uint64_t s = 0;
    struct sn_str v = sn_http_headers_get(&resp->headers, SN_STR("retry-after"));
    if (!v.ptr || sn_str_to_u64(v, &s) < 0) return 0;
    return (unsigned)SN_MIN(s, (uint64_t)RETRY_AFTER_S_MAX);
}
/* read_answer - the body, into the caller's arena. Returns 0, or a code that says whether to try
 * again: SN_E_UNAVAILABLE and SN_E_RESOURCE_EXHAUSTED. */
static int read_answer(struct http_rpc *h, struct sn_http_resp *resp, size_t n, struct sn_arena *a,
                       struct sn_eth_reply *ret, unsigned *ret_wait_s)
{
    struct sn_str body;
    int r = sn_http_resp_all(resp, h->answer_bytes_max, &body);
    if (r < 0) return r;
    *ret_wait_s = retry_after(resp);
    if (resp->status == 429)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "too many requests");
    if (resp->status == 401 || resp->status == 403)
        return sn_fail(SN_E_PERMISSION_DENIED, "HTTP status %d", resp->status);
    body = sn_arena_str(a, body);
    if (!body.ptr) return SN_E_NOMEM;
    /* Nodes answer errors in JSON under 4xx and 5xx too: what can be read counts. */
    r = sn_eth_answers_parse(a, body, n, ret);
    if (r < 0 && resp->status != 200)
        return sn_fail(resp->status >= 500 ? SN_E_UNAVAILABLE : SN_E_PROTOCOL,
                       "%.*s: HTTP status %d", SN_STR_ARG(h->host), resp->status);
    return r;
}
static int http_once(void *ctx, const struct sn_eth_request *calls, size_t n, struct sn_arena *a,
                     struct sn_eth_reply *ret, unsigned *ret_wait_s)
{
    struct http_rpc *h = ctx;
    struct sn_http_resp *resp = NULL;
    struct sn_buf body SN_CLEANUP(sn_buf_done);
    sn_buf_init(&body, 0);
    int r = sn_eth_requests_write(&body, calls, n);
    if (r < 0) return r;
    struct sn_http_call call = {.method = SN_STR("POST"),
                                .url = h->url,
                                .headers = h->headers,
                                .n_headers = h->n_headers,
                                .body = sn_buf_view(&body),
                                .no_retry = sn_eth_sends(calls, n)};
    int64_t prev = sn_deadline_tighten(sn_now() + h->timeout_ns);
    r = sn_http_do(h->client, &call, &resp);
    if (r >= 0) r = read_answer(h, resp, n, a, ret, ret_wait_s);
    sn_http_resp_close(resp);
    sn_deadline_restore(prev);
    return r < 0 ? sn_wrap(r, "%.*s", SN_STR_ARG(h->host)) : 0;
}
static int http_batch(struct sn_eth_rpc *rpc, const struct sn_eth_request *calls, size_t n,
                      struct sn_arena *a, struct sn_eth_reply *ret)
{
    struct http_rpc *h = SN_CONTAINER_OF(rpc, struct http_rpc, rpc);
    for (size_t i = 0; i < n; i += h->batch_max) {
        struct sn_eth_tries t = {h->retries_max, http_once, h};
        int r = sn_eth_try(&t, calls + i, SN_MIN(n - i, h->batch_max), a, ret + i);
        if (r < 0) return r;
    }
    return 0;
}

static int configure(struct http_rpc *h, const struct sn_eth_opts *o)
{
    h->url = sn_arena_str(&h->arena, o->url);
    struct sn_str lines = sn_arena_str(&h->arena, o->headers);
    if (!h->url.ptr || !lines.ptr) return SN_E_NOMEM;
    h->host = sn_eth_host_of(h->url);
    h->headers[0] =
        (struct sn_http_header){SN_STR("content-type"), SN_STR("application/json")};
    int n = sn_eth_headers_parse(lines, h->headers + 1);
    h->n_headers = 1 + (unsigned)SN_MAX(n, 0);
    return n < 0 ? n : 0;
}
static void http_close(struct sn_eth_rpc *rpc)
{
    struct http_rpc *h = SN_CONTAINER_OF(rpc, struct http_rpc, rpc);
    sn_http_client_free(h->client);
    sn_arena_done(&h->arena);
    sn_free(h);
}
int sn_eth_http_open(const struct sn_eth_opts *o, struct sn_eth_rpc **ret)
{
    struct http_rpc *h = sn_alloc(sizeof *h);
    if (!h) return SN_E_NOMEM;
    *h = (struct http_rpc){.rpc.batch = http_batch,
                           .retries_max = o->retries_max ? o->retries_max : SN_ETH_RETRIES_DEFAULT,
                           .rpc.close = http_close,
                           .answer_bytes_max = o->answer_bytes_max ? o->answer_bytes_max
                                                                   : SN_ETH_ANSWER_BYTES_MAX,
                           .batch_max = o->batch_max ? o->batch_max : SN_ETH_BATCH_MAX,
                           .timeout_ns = o->timeout_ns ? o->timeout_ns : TIMEOUT_NS_DEFAULT};
    sn_arena_init(&h->arena, NULL, 0);
    int r = configure(h, o);
    if (r >= 0) r = sn_http_client_new(&(struct sn_http_client_opts){0}, &h->client);
    if (r < 0) {
        http_close(&h->rpc);
        return r;
    }
    *ret = &h->rpc;
    return 0;
}

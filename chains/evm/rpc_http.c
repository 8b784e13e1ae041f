/* SPDX-License-Identifier: Apache-2.0 */
/* evm/rpc_http.c - JSON-RPC over HTTP(S): pooled connections, batches, retries that cannot send a
 * transaction twice. */
#include "core/alloc.h"
#include "core/status.h"
#include "evm/rpc_int.h"
#include "fiber/fiber.h"
#include "kit/http.h"

#define HEADERS_MAX 16u
#define TIMEOUT_NS_DEFAULT (30 * SN_SEC)
#define DELAY_NS_FIRST (100 * SN_MS)
#define DELAY_NS_MAX (10 * SN_SEC)
#define RETRY_AFTER_S_MAX 30u

struct http_rpc {
    struct sn_eth_rpc rpc;
    struct sn_http_client *client;
    struct sn_arena arena;   /* copies of the options' texts */
    struct sn_str url, host; /* host: what diagnostics may show; paths and queries hold API keys */
    struct sn_http_header headers[HEADERS_MAX];
    unsigned n_headers, retries_max;
    size_t batch_max;
    int64_t timeout_ns;
};

/* sends - a call that must not reach the node twice. */
static bool sends(const struct sn_eth_request *calls, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strncmp(calls[i].method, "eth_send", 8) == 0) return true;
    return false;
}
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
    int r = sn_http_resp_all(resp, SN_ETH_ANSWER_BYTES_MAX, &body);
    if (r < 0) return r;
    *ret_wait_s = retry_after(resp);
    if (resp->status == 429)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "%.*s: too many requests", SN_STR_ARG(h->host));
    if (resp->status == 401 || resp->status == 403)
        return sn_fail(SN_E_PERMISSION_DENIED, "%.*s: HTTP status %d", SN_STR_ARG(h->host),
                       resp->status);
    body = sn_arena_str(a, body);
    if (!body.ptr) return SN_E_NOMEM;
    /* Nodes answer errors in JSON under 4xx and 5xx too: what can be read counts. */
    r = sn_eth_answers_parse(a, body, n, ret);
    if (r < 0 && resp->status != 200)
        return sn_fail(resp->status >= 500 ? SN_E_UNAVAILABLE : SN_E_PROTOCOL,
                       "%.*s: HTTP status %d", SN_STR_ARG(h->host), resp->status);
    if (r < 0) return r;
    for (size_t i = 0; i < n; i++)
        if (ret[i].code && sn_eth_rate_limited(ret[i].code, ret[i].message))
            return sn_fail(SN_E_RESOURCE_EXHAUSTED, "%.*s: %.*s", SN_STR_ARG(h->host),
                           SN_STR_ARG(ret[i].message));
    return 0;
}
static int try_once(struct http_rpc *h, struct sn_str body, size_t n, bool once, struct sn_arena *a,
                    struct sn_eth_reply *ret, unsigned *ret_wait_s)
{
    struct sn_http_resp *resp = NULL;
    struct sn_http_call call = {.method = SN_STR("POST"),
                                .url = h->url,
                                .headers = h->headers,
                                .n_headers = h->n_headers,
                                .body = body,
                                .no_retry = once};
    int64_t prev = sn_deadline_tighten(sn_now() + h->timeout_ns);
    int r = sn_http_do(h->client, &call, &resp);
    if (r >= 0) r = read_answer(h, resp, n, a, ret, ret_wait_s);
    sn_http_resp_close(resp);
    sn_deadline_restore(prev);
    return r;
}
static bool worth_another(int r, bool once)
{
    if (r == SN_E_REFUSED) return true;            /* nothing was sent */
    if (r == SN_E_RESOURCE_EXHAUSTED) return true; /* refused before it was done */
    return !once && (r == SN_E_UNAVAILABLE || r == SN_E_RESET || r == SN_E_EOF ||
                     r == SN_E_DEADLINE_EXCEEDED);
}
static int http_some(struct http_rpc *h, const struct sn_eth_request *calls, size_t n,
                     struct sn_arena *a, struct sn_eth_reply *ret)
{
    struct sn_buf body SN_CLEANUP(sn_buf_done);
    sn_buf_init(&body, 0);
    bool once = sends(calls, n);
    int r = sn_eth_requests_write(&body, calls, n);
    if (r < 0) return r;
    int64_t delay = DELAY_NS_FIRST;
    for (unsigned tries = 0;; tries++) {
        unsigned wait_s = 0;
        r = try_once(h, sn_buf_view(&body), n, once, a, ret, &wait_s);
        if (r >= 0 || tries >= h->retries_max || !worth_another(r, once)) break;
        int64_t pause = wait_s ? (int64_t)wait_s * SN_SEC
                               : delay / 2 + (int64_t)(sn_random() % (uint64_t)delay);
        int slept = sn_sleep(pause);
        if (slept < 0) return slept; /* cancelled, or the caller's deadline */
        delay = SN_MIN(2 * delay, DELAY_NS_MAX);
    }
    return r < 0 ? sn_wrap(r, "%.*s", SN_STR_ARG(h->host)) : 0;
}
static int http_batch(struct sn_eth_rpc *rpc, const struct sn_eth_request *calls, size_t n,
                      struct sn_arena *a, struct sn_eth_reply *ret)
{
    struct http_rpc *h = SN_CONTAINER_OF(rpc, struct http_rpc, rpc);
    for (size_t i = 0; i < n; i += h->batch_max) {
        int r = http_some(h, calls + i, SN_MIN(n - i, h->batch_max), a, ret + i);
        if (r < 0) return r;
    }
    return 0;
}

static int add_header(struct http_rpc *h, struct sn_str line)
{
    struct sn_str name = sn_str_cut(&line, ':');
    if (!line.ptr)
        return sn_fail(SN_E_INVALID_ARGUMENT, "header without ':'"); /* not shown: secret */
    if (h->n_headers == HEADERS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "more than %u headers", HEADERS_MAX);
    h->headers[h->n_headers++] =
        (struct sn_http_header){.name = sn_str_trim(name), .value = sn_str_trim(line)};
    return 0;
}
static int configure(struct http_rpc *h, const struct sn_eth_http_opts *o)
{
    struct sn_str lines, rest;
    if (!sn_str_starts(o->url, SN_STR("http://")) && !sn_str_starts(o->url, SN_STR("https://")))
        return sn_fail(SN_E_INVALID_ARGUMENT, "node's address: http:// or https:// expected");
    h->url = sn_arena_str(&h->arena, o->url);
    lines = sn_arena_str(&h->arena, o->headers);
    if (!h->url.ptr || !lines.ptr) return SN_E_NOMEM;
    rest = h->url;
    sn_str_cut(&rest, '/');
    sn_str_cut(&rest, '/');
    h->host = sn_str_cut(&rest, '/');
    ssize_t at = sn_str_find(h->host, SN_STR("@"));
    if (at >= 0) h->host = sn_str_of(h->host.ptr + at + 1, h->host.len - (size_t)at - 1);
    int r = add_header(h, SN_STR("content-type: application/json"));
    while (r >= 0 && lines.ptr && lines.len) {
        struct sn_str line = sn_str_trim(sn_str_cut(&lines, '\n'));
        if (line.len) r = add_header(h, line);
    }
    return r;
}
int sn_eth_http_open(const struct sn_eth_http_opts *o, struct sn_eth_rpc **ret)
{
    struct http_rpc *h = sn_alloc(sizeof *h);
    if (!h) return SN_E_NOMEM;
    *h = (struct http_rpc){.rpc.batch = http_batch,
                           .retries_max = o->retries_max ? o->retries_max : SN_ETH_RETRIES_DEFAULT,
                           .batch_max = o->batch_max ? o->batch_max : SN_ETH_BATCH_MAX,
                           .timeout_ns = o->timeout_ns ? o->timeout_ns : TIMEOUT_NS_DEFAULT};
    sn_arena_init(&h->arena, NULL, 0);
    int r = configure(h, o);
    if (r >= 0) r = sn_http_client_new(&(struct sn_http_client_opts){0}, &h->client);
    if (r < 0) {
        sn_eth_http_close(&h->rpc);
        return r;
    }
    *ret = &h->rpc;
    return 0;
}
void sn_eth_http_close(struct sn_eth_rpc *rpc)
{
    if (!rpc) return;
    struct http_rpc *h = SN_CONTAINER_OF(rpc, struct http_rpc, rpc);
    sn_http_client_free(h->client);
    sn_arena_done(&h->arena);
    sn_free(h);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* evm/rpc.c - JSON-RPC without a transport: requests, answers, what errors mean. */
#include "evm/rpc.h"

#include <stdarg.h>

#include "core/enc.h"
#include "core/status.h"
#include "evm/rpc_int.h"

/* ---- texts ---- */

int sn_eth_requests_write(struct sn_buf *out, const struct sn_eth_request *calls, size_t n)
{
    if (n > 1) sn_buf_byte(out, '[');
    for (size_t i = 0; i < n; i++) {
        sn_buf_printf(out, "%s{\"jsonrpc\":\"2.0\",\"id\":%zu,\"method\":\"%s\",\"params\":",
                      i ? "," : "", i + 1, calls[i].method);
        sn_buf_str(out, calls[i].params.len ? calls[i].params : SN_STR("[]"));
        sn_buf_byte(out, '}');
    }
    if (n > 1) sn_buf_byte(out, ']');
    return out->err;
}

static void take_error(const struct sn_json *error, struct sn_eth_reply *ret)
{
    const struct sn_json *data = sn_json_get(error, "data");
    *ret = (struct sn_eth_reply){.code = sn_json_i64_or(sn_json_get(error, "code"), -32603),
                                 .message = sn_json_str(sn_json_get(error, "message"))};
    if (ret->code == 0) ret->code = -32603;
    if (sn_json_is(data, SN_JSON_OBJECT)) data = sn_json_get(data, "data"); /* Hardhat nests it */
    ret->data = sn_json_str(data);
}
static int take_outcome(const struct sn_json *one, struct sn_eth_reply *ret)
{
    const struct sn_json *result = sn_json_get(one, "result"), *error = sn_json_get(one, "error");
    if (sn_json_is(error, SN_JSON_NULL)) error = NULL; /* JSON-RPC 1.0 habits */
    if (!result == !error)
        return sn_fail(SN_E_PROTOCOL, "JSON-RPC answer: one of result and error expected");
    *ret = (struct sn_eth_reply){.result = result};
    if (error) take_error(error, ret);
    return 0;
}
/* take_answer - one member of the answer; `ret` is indexed by id - 1. */
static int take_answer(const struct sn_json *one, size_t n, struct sn_eth_reply *ret)
{
    const struct sn_json *error = sn_json_get(one, "error");
    int64_t id = sn_json_i64_or(sn_json_get(one, "id"), 0);
    if (n == 1 && sn_json_is(error, SN_JSON_OBJECT) && id == 0) id = 1; /* was not even read */
    if (id < 1 || (uint64_t)id > n)
        return sn_fail(SN_E_PROTOCOL, "JSON-RPC answer with id %lld of %zu calls", (long long)id,
                       n);
    struct sn_eth_reply *r = &ret[id - 1];
    if (r->result || r->code)
        return sn_fail(SN_E_PROTOCOL, "JSON-RPC answer %lld came twice", (long long)id);
    return take_outcome(one, r);
}
int sn_eth_answers_parse(struct sn_arena *a, struct sn_str text, size_t n, struct sn_eth_reply *ret)
{
    const struct sn_json *v, *one;
    struct sn_json_opts o = {.bytes_max = SN_ETH_ANSWER_BYTES_MAX};
    int r = sn_json_parse(a, text, &o, &v);
    if (r < 0) return r == SN_E_NOMEM ? r : sn_fail(SN_E_PROTOCOL, "JSON-RPC answer that is no JSON");
    memset(ret, 0, n * sizeof *ret);
    if (sn_json_is(v, SN_JSON_OBJECT) && n > 1) { /* the batch as a whole was refused */
        const struct sn_json *error = sn_json_get(v, "error");
        if (!error) return sn_fail(SN_E_PROTOCOL, "JSON-RPC: one answer for %zu calls", n);
        for (size_t i = 0; i < n; i++) take_error(error, &ret[i]);
        return 0;
    }
    if (sn_json_is(v, SN_JSON_OBJECT)) return take_answer(v, n, ret);
    if (!sn_json_is(v, SN_JSON_ARRAY))
        return sn_fail(SN_E_PROTOCOL, "JSON-RPC answer is %s, object or array expected",
                       sn_json_kind_name(sn_json_kind(v)));
    if (sn_json_len(v) != n)
        return sn_fail(SN_E_PROTOCOL, "JSON-RPC: %zu answers to %zu calls", sn_json_len(v), n);
    for (size_t i = 0; i < n; i++) {
        one = sn_json_at(v, i);
        if ((r = take_answer(one, n, ret)) < 0) return r;
    }
    return 0;
}

int sn_eth_answer_parse(struct sn_arena *a, struct sn_str text, struct sn_eth_reply *ret)
{
    const struct sn_json *v;
    struct sn_json_opts o = {.bytes_max = SN_ETH_ANSWER_BYTES_MAX};
    int r = sn_json_parse(a, text, &o, &v);
    if (r < 0) return r == SN_E_NOMEM ? r : sn_fail(SN_E_PROTOCOL, "JSON-RPC answer that is no JSON");
    return take_outcome(v, ret);
}

/* ---- meaning of errors ---- */

bool sn_eth_says(struct sn_str message, const char *what)
{
    size_t n = strlen(what);
    for (size_t i = 0; i + n <= message.len; i++)
        if (sn_str_ieq(sn_str_of(message.ptr + i, n), sn_str_of(what, n))) return true;
    return false;
}
bool sn_eth_rate_limited(int64_t code, struct sn_str message)
{
    return code == 429 || sn_eth_says(message, "rate limit") ||
           sn_eth_says(message, "too many requests") ||
           sn_eth_says(message, "request count exceeded") ||
           sn_eth_says(message, "compute units per second");
}
int sn_eth_status(int64_t code, struct sn_str message)
{
    static const struct {
        const char *text;
        int status;
    } texts[] = {
        {"revert", SN_E_ABORTED},
        {"execution failed", SN_E_ABORTED},
        {"out of gas", SN_E_ABORTED},
        {"EVM error", SN_E_ABORTED},
        {"insufficient funds", SN_E_FAILED_PRECONDITION},
        {"nonce too", SN_E_FAILED_PRECONDITION},
        {"replacement transaction underpriced", SN_E_FAILED_PRECONDITION},
        {"already known", SN_E_ALREADY_EXISTS},
        {"method not found", SN_E_UNIMPLEMENTED},
        {"does not exist/is not available", SN_E_UNIMPLEMENTED},
        {"not supported", SN_E_UNIMPLEMENTED},
        {"header not found", SN_E_NOT_FOUND},
        {"unknown block", SN_E_NOT_FOUND},
    };
    if (code == -32601 || code == -32004) return SN_E_UNIMPLEMENTED;
    if (code == 3) return SN_E_ABORTED;
    if (sn_eth_rate_limited(code, message) || code == -32005) return SN_E_RESOURCE_EXHAUSTED;
    for (size_t i = 0; i < SN_COUNT_OF(texts); i++)
        if (sn_eth_says(message, texts[i].text)) return texts[i].status;
    if (code == -32602 || code == -32600 || code == -32700) return SN_E_INVALID_ARGUMENT;
    if (code == -32001) return SN_E_NOT_FOUND;
    if (code == -32002) return SN_E_UNAVAILABLE;
    return SN_E_UNKNOWN;
}

/* ---- calls ---- */

int sn_eth_batch(struct sn_eth_rpc *rpc, const struct sn_eth_request *calls, size_t n,
                 struct sn_arena *a, struct sn_eth_reply *ret)
{
    return n ? rpc->batch(rpc, calls, n, a, ret) : 0;
}
int sn_eth_call(struct sn_eth_rpc *rpc, struct sn_arena *a, const struct sn_json **ret,
                struct sn_eth_reply *ret_error, const char *method, const char *params, ...)
{
    struct sn_buf text SN_CLEANUP(sn_buf_done);
    struct sn_eth_reply reply;
    va_list ap;
    sn_buf_init(&text, 0);
    va_start(ap, params);
    int r = sn_buf_vprintf(&text, params, ap);
    va_end(ap);
    if (r < 0) return r;
    struct sn_eth_request call = {.method = method, .params = sn_buf_view(&text)};
    if ((r = sn_eth_batch(rpc, &call, 1, a, &reply)) < 0) return sn_wrap(r, "%s", method);
    if (ret_error) *ret_error = reply;
    if (!reply.code) {
        *ret = reply.result;
        return 0;
    }
    return sn_fail(sn_eth_status(reply.code, reply.message), "%s: error %lld: %.*s", method,
                   (long long)reply.code, SN_STR_ARG(reply.message));
}

bool sn_eth_sends(const struct sn_eth_request *calls, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strncmp(calls[i].method, "eth_send", 8) == 0) return true;
    return false;
}

/* ---- transports ---- */

int sn_eth_headers_parse(struct sn_str lines, struct sn_http_header *ret)
{
    unsigned n = 0;
    while (lines.ptr && lines.len) {
        struct sn_str line = sn_str_trim(sn_str_cut(&lines, '\n'));
        if (!line.len) continue;
        struct sn_str name = sn_str_cut(&line, ':');
        if (!line.ptr)
            return sn_fail(SN_E_INVALID_ARGUMENT, "headers: \"Name: value\" expected, a ':' is missing");
        if (n == SN_ETH_HEADERS_MAX)
            return sn_fail(SN_E_TOO_LARGE, "headers: at most %u expected", SN_ETH_HEADERS_MAX);
        ret[n++] = (struct sn_http_header){sn_str_trim(name), sn_str_trim(line)};
    }
    return (int)n;
}
struct sn_str sn_eth_host_of(struct sn_str url)
{
    ssize_t at = sn_str_find(url, SN_STR("://"));
    struct sn_str host = at < 0 ? url : sn_str_from(url, (size_t)at + 3);
    for (size_t i = 0; i < host.len; i++)
        if (host.ptr[i] == '/' || host.ptr[i] == '?' || host.ptr[i] == '#') host.len = i;
    at = sn_str_rchr(host, '@');
    return at < 0 ? host : sn_str_from(host, (size_t)at + 1);
}
int sn_eth_open(const struct sn_eth_opts *o, struct sn_eth_rpc **ret)
{
    if (sn_str_starts(o->url, SN_STR("ws://")) || sn_str_starts(o->url, SN_STR("wss://")))
        return sn_eth_ws_open(o, ret);
    if (sn_str_starts(o->url, SN_STR("http://")) || sn_str_starts(o->url, SN_STR("https://")))
        return sn_eth_http_open(o, ret);
    return sn_fail(SN_E_INVALID_ARGUMENT, /* not shown: it may hold a key */
                   "node's address: http://, https://, ws:// or wss:// expected");
}
void sn_eth_close(struct sn_eth_rpc *rpc)
{
    if (rpc && rpc->close) rpc->close(rpc);
}
int sn_eth_subscribe(struct sn_eth_rpc *rpc, struct sn_str params, size_t events_max,
                     struct sn_eth_sub **ret)
{
    if (!rpc->subscribe)
        return sn_fail(SN_E_UNIMPLEMENTED, "subscriptions need a WebSocket to the node");
    return rpc->subscribe(rpc, params, events_max ? events_max : SN_ETH_SUB_EVENTS_DEFAULT, ret);
}
int sn_eth_sub_next(struct sn_eth_sub *sub, struct sn_arena *a, struct sn_eth_note *ret)
{
    return sub->next(sub, a, ret);
}
void sn_eth_sub_close(struct sn_eth_sub *sub)
{
    if (sub) sub->close(sub);
}

/* ---- values ---- */

int sn_eth_quantity(const struct sn_json *v, const char *what, uint64_t *ret)
{
    struct sn_str s = sn_json_str(v);
    uint64_t n = 0;
    if (!v || sn_json_is(v, SN_JSON_NULL)) return sn_fail(SN_E_NOT_FOUND, "%s: absent", what);
    if (s.len < 3 || s.ptr[0] != '0' || (s.ptr[1] | 0x20) != 'x')
        return sn_fail(SN_E_INVALID_ARGUMENT, "%s: \"0x...\" expected", what);
    for (size_t i = 2; i < s.len; i++) {
        int d = sn_hex_digit(s.ptr[i]);
        if (d < 0)
            return sn_fail(SN_E_INVALID_ARGUMENT, "%s: %.*s is no number", what, SN_STR_ARG(s));
        if (n >> 60)
            return sn_fail(SN_E_OUT_OF_RANGE, "%s: %.*s is beyond 64 bits", what, SN_STR_ARG(s));
        n = n << 4 | (unsigned)d;
    }
    *ret = n;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/light/rpc.c - JSON-RPC over HTTP. */
#include "consensus/light/rpc_int.h"
#include "core/alloc.h"
#include "core/enc.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "fiber/fiber.h"
#include "kit/http.h"

struct sn_light_rpc {
    struct sn_http_client *http;
    char *url, *name, *auth; /* auth: of "user:password@" in the URL, NULL without */
};

int light_recode(int r, int code, const char *who)
{
    char words[SN_DIAG_BYTES];
    if (r == code) return sn_wrap(r, "%s", who);
    sn_diag_format(r, words, sizeof(words));
    return sn_fail(code, "%s: %s", who, words);
}

const char *sn_light_rpc_name(const struct sn_light_rpc *c) { return c->name; }

void sn_light_rpc_close(struct sn_light_rpc *c)
{
    if (!c) return;
    sn_http_client_free(c->http);
    sn_free(c->url);
    sn_free(c->name);
    if (c->auth) sn_wipe(c->auth, strlen(c->auth));
    sn_free(c->auth);
    sn_free(c);
}

static char *text(const char *scheme, struct sn_str rest)
{
    size_t n = strlen(scheme);
    char *s = sn_alloc(n + rest.len + 1);
    if (!s) return NULL;
    memcpy(s, scheme, n);
    memcpy(s + n, rest.ptr, rest.len);
    s[n + rest.len] = 0;
    return s;
}
static char *basic(struct sn_str user)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    sn_buf_cstr(&b, "Basic ");
    sn_buf_base64(&b, user.ptr, user.len, SN_BASE64_STD);
    char *s = b.err < 0 ? NULL : text("", sn_buf_view(&b));
    sn_buf_done(&b);
    return s;
}
int sn_light_rpc_open(const char *url, struct sn_light_rpc **ret)
{
    struct sn_str rest = sn_str(url);
    const char *scheme = "http://";
    ssize_t at = sn_str_find(rest, SN_STR("://"));
    if (at >= 0) {
        struct sn_str s = sn_str_sub(rest, 0, (size_t)at);
        if (sn_str_eqc(s, "https"))
            scheme = "https://";
        else if (!sn_str_eqc(s, "http") && !sn_str_eqc(s, "tcp"))
            return sn_fail(SN_E_SYNTAX, "RPC address: expected http://, https:// or tcp://");
        rest = sn_str_from(rest, (size_t)at + 3);
    }
    struct sn_str path = rest, host = sn_str_cut(&path, '/'), user = {0};
    if ((at = sn_str_rchr(host, '@')) >= 0) {
        user = sn_str_sub(host, 0, (size_t)at);
        rest = sn_str_from(rest, (size_t)at + 1);
        host = sn_str_from(host, (size_t)at + 1);
    }
    if (host.len == 0) return sn_fail(SN_E_SYNTAX, "RPC address without a host");
    struct sn_light_rpc *c = SN_NEW(struct sn_light_rpc);
    if (!c) return SN_E_NOMEM;
    c->url = text(scheme, rest);
    c->name = text(scheme, host);
    if (user.ptr) c->auth = basic(user);
    int r = c->url && c->name && (c->auth || !user.ptr) ? 0 : SN_E_NOMEM;
    if (r >= 0) r = sn_http_client_new(&(struct sn_http_client_opts){0}, &c->http);
    if (r < 0) {
        sn_light_rpc_close(c);
        return r;
    }
    *ret = c;
    return 0;
}

int sn_light_rpc_ws(struct sn_light_rpc *c, const struct sn_ws_opts *o, struct sn_ws **ret)
{
    struct sn_http_header auth = {SN_STR("authorization"), sn_str(c->auth ? c->auth : "")};
    struct sn_ws_opts with = *o;
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    with.headers = &auth;
    with.n_headers = c->auth ? 1 : 0;
    /* "http://..." is "ws://...", "https://..." "wss://...". */
    struct sn_str rest = sn_str_from(sn_str(c->url), 4);
    if (sn_str_ends(rest, SN_STR("/"))) rest.len--;
    struct sn_str url = sn_arena_printf(&a, "ws%.*s/websocket", SN_STR_ARG(rest));
    int r = url.ptr ? sn_ws_dial(c->http, url, &with, ret) : SN_E_NOMEM;
    return r < 0 ? sn_wrap(r, "%s/websocket", c->name) : 0;
}

/* ---- one attempt ---- */

static int64_t retry_after(const struct sn_http_resp *resp)
{
    uint64_t s = 0;
    struct sn_str v = sn_http_headers_get(&resp->headers, SN_STR("retry-after"));
    if (!v.ptr || sn_str_to_u64(v, &s) < 0) return 0;
    return (int64_t)SN_MIN(s, (uint64_t)SN_LIGHT_RETRY_AFTER_S_MAX) * SN_SEC;
}
struct question {
    struct sn_str body, url; /* body.ptr NULL: a GET */
};
static int attempt(struct sn_light_rpc *c, const struct question *q, struct sn_arena *a,
                   struct sn_str *ret, int64_t *ret_pause)
{
    struct sn_http_header headers[] = {{SN_STR("content-type"), SN_STR("application/json")},
                                       {SN_STR("authorization"), sn_str(c->auth ? c->auth : "")}};
    struct sn_http_call call = {.method = q->body.ptr ? SN_STR("POST") : SN_STR("GET"),
                                .url = q->url,
                                .headers = headers,
                                .n_headers = c->auth ? 2 : 1,
                                .body = q->body,
                                .no_retry = true};
    struct sn_http_resp *resp = NULL;
    struct sn_str got;
    int r = sn_http_do(c->http, &call, &resp);
    if (r >= 0) r = sn_http_resp_all(resp, SN_LIGHT_ANSWER_MAX, &got);
    if (r >= 0) *ret_pause = retry_after(resp);
    if (r >= 0 && resp->status == 429) r = sn_fail(SN_E_RESOURCE_EXHAUSTED, "too many requests");
    /* A node answers its errors in JSON under 500: what is JSON counts. */
    bool json = r >= 0 && sn_str_starts(sn_str_trim(got), SN_STR("{"));
    if (r >= 0 && resp->status != 200 && !json)
        r = sn_fail(resp->status >= 500 ? SN_E_UNAVAILABLE : SN_E_INVALID_ARGUMENT,
                    "HTTP status %d", resp->status);
    if (r >= 0) {
        *ret = sn_arena_str(a, got);
        if (!ret->ptr) r = SN_E_NOMEM;
    }
    sn_http_resp_close(resp);
    return r;
}
static bool passing(int r)
{
    return r == SN_E_UNAVAILABLE || r == SN_E_RESOURCE_EXHAUSTED || r == SN_E_RESET ||
           r == SN_E_EOF || r == SN_E_CLOSED || r == SN_E_IO || r == SN_E_DEADLINE_EXCEEDED;
}
/* What the transport's trouble means to somebody who asked for a block. */
static int verdict(int r)
{
    if (passing(r) || r == SN_E_REFUSED || r == SN_E_NOT_FOUND || r == SN_E_PROTOCOL ||
        r == SN_E_FILES)
        return SN_E_UNAVAILABLE;
    return r == SN_E_TOO_LARGE ? SN_E_INVALID_ARGUMENT : r;
}
static int raw(struct sn_light_rpc *c, const struct question *q, bool once, struct sn_arena *a,
               struct sn_str *ret)
{
    int64_t pause = SN_LIGHT_PAUSE_NS;
    for (unsigned tries = 1;; tries++) {
        int64_t wanted = 0, prev = sn_deadline_tighten(sn_now() + SN_LIGHT_REQUEST_NS);
        int r = attempt(c, q, a, ret, &wanted);
        sn_deadline_restore(prev);
        if (r >= 0) return 0;
        if (r == SN_E_CANCELLED) return r;
        if (sn_cancelled()) return SN_E_DEADLINE_EXCEEDED;
        if (once || tries == SN_LIGHT_ATTEMPTS || !passing(r))
            return light_recode(r, verdict(r), c->name);
        /* Half to one and a half: clients turned away together come back apart. */
        int64_t wait = pause / 2 + (int64_t)(sn_random() % (uint64_t)pause);
        if ((r = sn_sleep(SN_MAX(wait, wanted))) < 0) return r;
        pause *= 2;
    }
}
int sn_light_rpc_raw(struct sn_light_rpc *c, struct sn_str body, struct sn_str target, bool once,
                     struct sn_arena *a, struct sn_str *ret)
{
    struct question q = {.body = body, .url = sn_str(c->url)};
    if (!body.ptr) q.url = sn_arena_printf(a, "%s%.*s", c->url, SN_STR_ARG(target));
    return q.url.ptr ? raw(c, &q, once, a, ret) : SN_E_NOMEM;
}

/* ---- calls ---- */

/* The node's own words are all there is to tell a height that is gone from one to come. */
static int node_error(const struct sn_json *e)
{
    struct sn_str msg = sn_json_str(sn_json_get(e, "message")),
                  data = sn_json_str(sn_json_get(e, "data"));
    if (!msg.ptr) msg = SN_STR("");
    if (!data.ptr) data = SN_STR("");
    int code = SN_E_ABORTED;
    if (sn_str_find(data, SN_STR("must be less than or equal to")) >= 0)
        code = SN_E_OUT_OF_RANGE;
    else if (sn_str_find(data, SN_STR("is not available")) >= 0 ||
             sn_str_find(data, SN_STR("could not find")) >= 0)
        code = SN_E_NOT_FOUND;
    return sn_fail(code, "%.*s: %.*s", (int)SN_MIN(msg.len, (size_t)100), msg.ptr,
                   (int)SN_MIN(data.len, (size_t)250), data.ptr);
}
int sn_light_rpc_call(struct sn_light_rpc *c, const char *method, struct sn_str params, bool once,
                      struct sn_arena *a, const struct sn_json **ret)
{
    struct sn_str got, body = sn_arena_printf(a,
                                              "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\","
                                              "\"params\":%.*s}",
                                              method, SN_STR_ARG(params));
    const struct sn_json *doc;
    if (!body.ptr) return SN_E_NOMEM;
    struct question q = {.body = body, .url = sn_str(c->url)};
    int r = raw(c, &q, once, a, &got);
    if (r < 0) return r;
    r = sn_json_parse(a, got, NULL, &doc);
    if (r == SN_E_NOMEM) return r;
    if (r >= 0 && sn_json_is(sn_json_get(doc, "error"), SN_JSON_OBJECT))
        r = node_error(sn_json_get(doc, "error"));
    else if (r < 0 || !sn_json_get(doc, "result"))
        r = sn_fail(SN_E_INVALID_ARGUMENT, "expected a JSON-RPC answer");
    if (r < 0) return sn_wrap(r, "%s: %s", c->name, method);
    *ret = sn_json_get(doc, "result");
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/light/proxy.c - requests by POST and by URI, to the primary and back. What has to be
 * verified is asked anew, with the arguments as they were understood, so that what is checked is
 * what was asked. */
#include "consensus/light/proxy_int.h"
#include "core/alloc.h"
#include "core/enc.h"
#include "fiber/fiber.h"
#include "fiber/sync.h"
#include "kit/http.h"
#include "kit/log.h"

SN_LOG_MODULE("light-proxy");

#define BATCH_MAX 10u
#define DRAIN_NS (2 * SN_SEC)
#define ERROR_MAX 400

static const struct proxy_route routes[] = {
    {"commit", {{"height", PROXY_INT}}, .local = proxy_local_commit},
    {"header", {{"height", PROXY_INT}}, .local = proxy_local_header},
    {"validators",
     {{"height", PROXY_INT}, {"page", PROXY_INT}, {"per_page", PROXY_INT}},
     .local = proxy_local_validators},
    {"block", {{"height", PROXY_INT}}, .check = proxy_check_block},
    {"block_by_hash", {{"hash", PROXY_BYTES}}, .check = proxy_check_block},
    {"header_by_hash", {{"hash", PROXY_HEX}}, .check = proxy_check_header},
    {"block_results", {{"height", PROXY_INT}}, proxy_prepare_results, proxy_check_results},
    {"consensus_params", {{"height", PROXY_INT}}, .check = proxy_check_params},
    {"blockchain",
     {{"minHeight", PROXY_INT}, {"maxHeight", PROXY_INT}},
     .check = proxy_check_chain},
    {"tx", {{"hash", PROXY_BYTES}, {"prove", PROXY_BOOL}}, .check = proxy_check_tx},
    {"abci_query",
     {{"path", PROXY_TEXT}, {"data", PROXY_HEX}, {"height", PROXY_INT}, {"prove", PROXY_BOOL}},
     proxy_prepare_query,
     proxy_check_query},
};
/* As they are. */
static const char *const passed[] = {"health",
                                     "status",
                                     "net_info",
                                     "genesis",
                                     "genesis_chunked",
                                     "tx_search",
                                     "block_search",
                                     "dump_consensus_state",
                                     "consensus_state",
                                     "unconfirmed_txs",
                                     "num_unconfirmed_txs",
                                     "check_tx",
                                     "broadcast_tx_commit",
                                     "broadcast_tx_sync",
                                     "broadcast_tx_async",
                                     "abci_info",
                                     "broadcast_evidence"};

/* ---- arguments ---- */

static int bad(const char *name, const char *want)
{
    return sn_fail(SN_E_INVALID_ARGUMENT, "argument %s: expected %s", name, want);
}
static int decode(const char *name, bool hex, struct sn_str text, struct sn_arena *a,
                  struct sn_str *ret)
{
    char *out = sn_arena_alloc(a, text.len + 4);
    if (!out) return SN_E_NOMEM;
    ssize_t n = hex ? sn_hex_decode(text, out) : sn_base64_decode(text, SN_BASE64_STD, out);
    if (n < 0) return bad(name, hex ? "hex" : "base64");
    *ret = sn_str_of(out, (size_t)n);
    return 0;
}
static int arg_json(const struct sn_json *v, const char *name, enum proxy_arg type,
                    struct sn_arena *a, struct proxy_value *ret)
{
    struct sn_str s = sn_json_str(v);
    if (sn_json_kind(v) == SN_JSON_NULL) return 0;
    ret->set = true;
    switch (type) {
    case PROXY_INT:
        if (sn_json_is(v, SN_JSON_INT))
            ret->i = v->i;
        else if (!s.ptr || sn_str_to_i64(s, &ret->i) < 0)
            return bad(name, "a whole number");
        return 0;
    case PROXY_BOOL: return sn_json_to_bool(v, &ret->b) < 0 ? bad(name, "true or false") : 0;
    case PROXY_TEXT: ret->s = s; return s.ptr ? 0 : bad(name, "a string");
    case PROXY_BYTES:
    case PROXY_HEX:
        return s.ptr ? decode(name, type == PROXY_HEX, s, a, &ret->s) : bad(name, "a string");
    case PROXY_NONE: break;
    }
    return 0;
}
static int args_json(struct proxy_call *c, const struct sn_json *params)
{
    for (unsigned i = 0; i < PROXY_ARGS_MAX && c->route->args[i].name; i++) {
        const char *name = c->route->args[i].name;
        const struct sn_json *v =
            sn_json_is(params, SN_JSON_ARRAY) ? sn_json_at(params, i) : sn_json_get(params, name);
        int r = arg_json(v, name, c->route->args[i].type, c->a, &c->args[i]);
        if (r < 0) return r;
    }
    return 0;
}
static int arg_uri(struct sn_str s, const char *name, enum proxy_arg type, struct sn_arena *a,
                   struct proxy_value *ret)
{
    bool quoted = s.len >= 2 && s.ptr[0] == '"' && s.ptr[s.len - 1] == '"';
    bool hex = sn_str_starts(s, SN_STR("0x"));
    struct sn_str inner = quoted ? sn_str_sub(s, 1, s.len - 1) : s;
    if (s.len == 0) return 0;
    ret->set = true;
    switch (type) {
    case PROXY_INT: return sn_str_to_i64(inner, &ret->i) < 0 ? bad(name, "a whole number") : 0;
    case PROXY_BOOL:
        ret->b = sn_str_eqc(s, "true");
        return ret->b || sn_str_eqc(s, "false") ? 0 : bad(name, "true or false");
    case PROXY_BYTES:
    case PROXY_HEX:
        if (hex) return decode(name, true, sn_str_from(s, 2), a, &ret->s);
        if (!quoted) return bad(name, "0x and hex, or a string in quotes");
        ret->s = inner;
        return 0;
    case PROXY_TEXT: ret->s = inner; return 0;
    case PROXY_NONE: break;
    }
    return 0;
}
static int args_uri(struct proxy_call *c, struct sn_str query)
{
    while (query.len) {
        struct sn_str pair = sn_str_cut(&query, '&'), value = pair, name = sn_str_cut(&value, '=');
        char *text = sn_arena_alloc(c->a, value.len + 1);
        if (!text) return SN_E_NOMEM;
        ssize_t n = sn_pct_decode(value.ptr ? value : SN_STR(""), true, text);
        for (unsigned i = 0; i < PROXY_ARGS_MAX && c->route->args[i].name; i++) {
            const char *want = c->route->args[i].name;
            if (!sn_str_eqc(name, want)) continue;
            if (n < 0) return bad(want, "a value that can be decoded");
            int r = arg_uri(sn_str_of(text, (size_t)n), want, c->route->args[i].type, c->a,
                            &c->args[i]);
            if (r < 0) return r;
        }
        if (!query.ptr) break;
    }
    return 0;
}

/* ---- asking the primary ---- */

static void put_arg(struct sn_buf *b, enum proxy_arg type, const struct proxy_value *v)
{
    switch (type) {
    case PROXY_INT: sn_buf_printf(b, "\"%lld\"", (long long)v->i); break;
    case PROXY_BOOL: sn_buf_cstr(b, v->b ? "true" : "false"); break;
    case PROXY_TEXT: sn_json_write_string(b, v->s); break;
    case PROXY_BYTES:
    case PROXY_HEX:
        sn_buf_cstr(b, "\"");
        if (type == PROXY_HEX)
            sn_buf_hex(b, v->s.ptr, v->s.len);
        else
            sn_buf_base64(b, v->s.ptr, v->s.len, SN_BASE64_STD);
        sn_buf_cstr(b, "\"");
        break;
    case PROXY_NONE: break;
    }
}
static int build(const struct proxy_call *c, struct sn_str id, struct sn_str *ret)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    bool first = true;
    sn_buf_init(&b, 0);
    sn_buf_printf(&b, "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"method\":\"%s\",\"params\":{",
                  SN_STR_ARG(id), c->route->name);
    for (unsigned i = 0; i < PROXY_ARGS_MAX && c->route->args[i].name; i++) {
        if (!c->args[i].set) continue;
        sn_buf_printf(&b, "%s\"%s\":", first ? "" : ",", c->route->args[i].name);
        put_arg(&b, c->route->args[i].type, &c->args[i]);
        first = false;
    }
    sn_buf_cstr(&b, "}}");
    if (b.err < 0) return b.err;
    *ret = sn_arena_str(c->a, sn_buf_view(&b));
    return ret->ptr ? 0 : SN_E_NOMEM;
}

void proxy_put_error(struct sn_buf *out, struct sn_str id, int code, const char *message, int r)
{
    char text[ERROR_MAX];
    sn_buf_printf(out, "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"error\":{\"code\":%d,\"message\":\"%s\"",
                  SN_STR_ARG(id), code, message);
    if (r < 0) {
        sn_buf_cstr(out, ",\"data\":");
        sn_json_write_string(out, sn_str(sn_diag_format(r, text, sizeof(text))));
    }
    sn_buf_cstr(out, "}}");
}
/* The answer to a route that is verified, appended. */
static int verified(struct proxy *p, struct proxy_call *c, struct sn_str id, struct sn_buf *out)
{
    struct sn_str request, answer;
    const struct sn_json *doc;
    int r = 0;
    if (c->route->local) {
        size_t before = out->len;
        sn_buf_printf(out, "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":", SN_STR_ARG(id));
        r = c->route->local(c, out);
        if (r < 0)
            out->len = before;
        else
            sn_buf_cstr(out, "}");
        return r;
    }
    if (c->route->prepare) r = c->route->prepare(c);
    if (r >= 0) r = build(c, id, &request);
    if (r >= 0) r = sn_light_rpc_raw(p->primary, request, (struct sn_str){0}, false, c->a, &answer);
    if (r >= 0) r = sn_json_parse(c->a, answer, NULL, &doc);
    if (r < 0) return r;
    if (sn_json_get(doc, "error") == NULL) r = c->route->check(c, sn_json_get(doc, "result"));
    return r < 0 ? r : sn_buf_str(out, answer);
}

/* One call, by name: what is known is verified, what may be passed is passed. body: the request as
 * it came; .ptr NULL: by URI. */
struct request {
    struct sn_str id, method, body, target, query;
    const struct sn_json *params;
};
static int pass(struct proxy *p, const struct request *q, struct sn_arena *a, struct sn_buf *out)
{
    struct sn_str answer;
    bool once = sn_str_starts(q->method, SN_STR("broadcast_"));
    int r = sn_light_rpc_raw(p->primary, q->body, q->target, once, a, &answer);
    return r < 0 ? r : sn_buf_str(out, answer);
}
static void answer(struct proxy *p, const struct request *q, struct sn_arena *a, struct sn_buf *out)
{
    struct proxy_call c = {.client = p->o->client, .a = a};
    int r = SN_E_NOT_FOUND;
    for (size_t i = 0; i < SN_COUNT_OF(routes); i++)
        if (sn_str_eqc(q->method, routes[i].name)) c.route = &routes[i];
    if (c.route) {
        r = q->body.ptr ? args_json(&c, q->params) : args_uri(&c, q->query);
        if (r < 0) {
            proxy_put_error(out, q->id, -32602, "Invalid params", r);
            return;
        }
        r = verified(p, &c, q->id, out);
    } else {
        for (size_t i = 0; i < SN_COUNT_OF(passed); i++)
            if (sn_str_eqc(q->method, passed[i])) r = pass(p, q, a, out);
        if (r == SN_E_NOT_FOUND) {
            proxy_put_error(out, q->id, -32601, "Method not found", 0);
            return;
        }
    }
    if (r >= 0) return;
    SN_LOG_WARN("not answered", SN_L("method", q->method), SN_L_ERR(r));
    proxy_put_error(out, q->id, -32603, "Internal error", r);
}

/* ---- HTTP ---- */

int proxy_write_json(const struct sn_json *v, struct sn_arena *a, struct sn_str *ret)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    int r = sn_json_write(&b, v, NULL);
    if (r < 0) return r;
    *ret = sn_arena_str(a, sn_buf_view(&b));
    return ret->ptr ? 0 : SN_E_NOMEM;
}
int proxy_one(struct proxy *p, const struct sn_json *v, struct sn_arena *a, struct sn_buf *out)
{
    struct request q = {.id = SN_STR("null"),
                        .method = sn_json_str(sn_json_get(v, "method")),
                        .params = sn_json_get(v, "params")};
    const struct sn_json *id = sn_json_get(v, "id");
    int r = proxy_write_json(v, a, &q.body);
    if (r >= 0 && id) r = proxy_write_json(id, a, &q.id);
    if (r < 0) return r;
    if (!q.method.ptr)
        proxy_put_error(out, q.id, -32600, "Invalid Request", 0);
    else
        answer(p, &q, a, out);
    return out->err;
}
static int post(struct proxy *p, struct sn_http_x *x, struct sn_buf *out)
{
    struct sn_str body;
    const struct sn_json *doc;
    int r = sn_http_body_all(x, PROXY_BODY_MAX, &body);
    if (r < 0) return r;
    r = sn_json_parse(x->arena, body, NULL, &doc);
    if (r == SN_E_NOMEM) return r;
    if (r < 0) {
        proxy_put_error(out, SN_STR("null"), -32700, "Parse error. Invalid JSON", r);
        return out->err;
    }
    if (!sn_json_is(doc, SN_JSON_ARRAY)) return proxy_one(p, doc, x->arena, out);
    if (sn_json_len(doc) > BATCH_MAX) {
        proxy_put_error(out, SN_STR("null"), -32600, "Invalid Request",
                  sn_fail(SN_E_TOO_LARGE, "batch of %zu requests, at most %u", sn_json_len(doc),
                          BATCH_MAX));
        return out->err;
    }
    sn_buf_cstr(out, "[");
    for (SN_JSON_EACH(doc, v)) {
        if (v != doc->items) sn_buf_cstr(out, ",");
        if ((r = proxy_one(p, v, x->arena, out)) < 0) return r;
    }
    return sn_buf_cstr(out, "]");
}
static int handle(struct sn_http_x *x, void *arg)
{
    struct proxy *p = arg;
    struct sn_buf out SN_CLEANUP(sn_buf_done);
    sn_buf_init(&out, 0);
    int r = 0;
    if (sn_str_eqc(x->req.path, "/websocket")) return proxy_websocket(p, x);
    if (x->req.method == SN_HTTP_POST)
        r = post(p, x, &out);
    else if (x->req.method == SN_HTTP_GET && x->req.path.len > 1) {
        struct request q = {.id = SN_STR("-1"),
                            .method = sn_str_from(x->req.path, 1),
                            .target = x->req.target,
                            .query = x->req.query};
        answer(p, &q, x->arena, &out);
    } else {
        return sn_http_reply(x, 404, (struct sn_str){0},
                             SN_STR("expected POST / or GET /METHOD\n"));
    }
    if (r < 0) return r;
    if (out.err < 0) return out.err;
    struct sn_str body = sn_arena_str(x->arena, sn_buf_view(&out));
    return body.ptr ? sn_http_reply(x, 200, SN_STR("application/json"), body) : SN_E_NOMEM;
}

/* ---- serving ---- */

struct server {
    struct sn_http_server *http;
    struct sn_listener *l;
};
static int serve(void *arg)
{
    struct server *s = arg;
    int r = sn_http_serve(s->http, s->l);
    sn_listener_close(s->l); /* no drain begins before this has returned */
    return r;
}
static int drain(void *arg)
{
    sn_http_server_drain(arg, DRAIN_NS);
    return 0;
}
static int run(struct proxy *p, struct sn_listener *l)
{
    struct server s = {p->http, l};
    struct sn_scope_storage mem;
    struct sn_event never = {0};
    char addr[128];
    int r = sn_listener_addr(l, addr, sizeof(addr));
    if (r >= 0 && p->o->on_ready) p->o->on_ready(p->o->arg, addr);
    struct sn_scope *scope = sn_scope_begin(&mem);
    r = sn_scope_go(scope, "light-proxy", serve, &s);
    if (r < 0)
        sn_listener_close(l);
    else
        r = sn_event_wait(&never);
    sn_scope_cancel(scope);
    int ended = sn_scope_end(scope);
    (void)!sn_shield(2 * DRAIN_NS, drain, p->http);
    return r < 0 ? r : ended;
}
int sn_light_proxy_run(const struct sn_light_proxy_opts *o)
{
    struct proxy p = {.o = o};
    struct sn_listener *l;
    struct sn_http_server_opts h = {.handler = handle,
                                    .arg = &p,
                                    .body_bytes_max = PROXY_BODY_MAX,
                                    .conns_max = o->connections_max ? o->connections_max : 900};
    const char *addr = o->listen;
    if (strncmp(addr, "tcp://", 6) == 0) addr += 6;
    int r = sn_light_rpc_open(o->primary, &p.primary);
    if (r >= 0) r = sn_http_server_new(&h, &p.http);
    if (r >= 0) r = sn_listen(addr, NULL, &l);
    if (r >= 0) r = run(&p, l);
    sn_http_server_free(p.http);
    sn_light_rpc_close(p.primary);
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* rpc/answer.c - JSON-RPC's envelope around requests and answers. */
#include <math.h>
#include <stdio.h>

#include "consensus/rpc/rpc_int.h"

#define L SN_CONS_JSON_LIT

/* ---- requests ---- */

/* Identifiers are texts or numbers, of which only whole ones are given back. */
static int id_of(const struct sn_json *v, struct sn_arena *a, struct sn_str *ret)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done) = {0};
    double d;
    switch (sn_json_kind(v)) {
    case SN_JSON_NULL: *ret = (struct sn_str){0}; return 0;
    case SN_JSON_STRING: sn_cons_json_str(&b, sn_json_str(v)); break;
    case SN_JSON_INT: sn_buf_i64(&b, v->i); break;
    case SN_JSON_DOUBLE:
        if (sn_json_to_double(v, &d) == 0 && fabs(d) < 9e18) {
            sn_buf_i64(&b, (int64_t)d);
            break;
        } /* FALLTHROUGH */
    default:
        return sn_fail(SN_E_SYNTAX,
                       "json-rpc ID is of unknown type (%s): expected string or number",
                       sn_json_kind_name(sn_json_kind(v)));
    }
    *ret = sn_arena_str(a, sn_buf_view(&b));
    return b.err < 0 || !ret->ptr ? SN_E_NOMEM : 0;
}

static int request_of(const struct sn_json *v, struct sn_arena *a, struct sn_rpc_request *ret)
{
    if (!sn_json_is(v, SN_JSON_OBJECT))
        return sn_fail(SN_E_SYNTAX,
                       "json: cannot unmarshal %s into Go value of type types.RPCRequest",
                       sn_json_kind_name(sn_json_kind(v)));
    const struct sn_json *method = sn_json_get(v, "method");
    if (method && !sn_json_is(method, SN_JSON_NULL) && !sn_json_is(method, SN_JSON_STRING))
        return sn_fail(SN_E_SYNTAX,
                       "json: cannot unmarshal %s into Go struct field .method of type string",
                       sn_json_kind_name(sn_json_kind(method)));
    *ret =
        (struct sn_rpc_request){.method = sn_json_str(method), .params = sn_json_get(v, "params")};
    return id_of(sn_json_get(v, "id"), a, &ret->id);
}

ssize_t sn_rpc_requests(struct sn_str body, struct sn_arena *a, struct sn_rpc_request **ret,
                        bool *ret_batch)
{
    const struct sn_json *v;
    const struct sn_json_opts o = {.depth_max = SN_RPC_JSON_DEPTH};
    int r = sn_json_parse(a, body, &o, &v);
    if (r < 0) return r;
    bool batch = sn_json_is(v, SN_JSON_ARRAY);
    /* The origin reads null as an array without elements. */
    size_t n = batch ? sn_json_len(v) : !sn_json_is(v, SN_JSON_NULL);
    struct sn_rpc_request *reqs = SN_ARENA_ARRAY(a, struct sn_rpc_request, n + 1);
    if (!reqs) return SN_E_NOMEM;
    for (size_t i = 0; i < n && r == 0; i++)
        r = request_of(batch ? sn_json_at(v, i) : v, a, &reqs[i]);
    if (r < 0) return r;
    *ret = reqs;
    *ret_batch = batch;
    return (ssize_t)n;
}

/* ---- answers ---- */

static void envelope(struct sn_buf *out, struct sn_str id)
{
    L(out, "{\"jsonrpc\":\"2.0\"");
    if (!id.len) return;
    L(out, ",\"id\":");
    sn_buf_str(out, id);
}

void sn_rpc_head(struct sn_buf *out, struct sn_str id)
{
    envelope(out, id);
    L(out, ",\"result\":");
}

void sn_rpc_error(struct sn_buf *out, struct sn_str id, enum sn_rpc_code code, struct sn_str data)
{
    const char *message = code == SN_RPC_PARSE_ERROR       ? "Parse error. Invalid JSON"
                          : code == SN_RPC_INVALID_REQUEST ? "Invalid Request"
                          : code == SN_RPC_NO_METHOD       ? "Method not found"
                          : code == SN_RPC_INVALID_PARAMS  ? "Invalid params"
                          : code == SN_RPC_SERVER_ERROR    ? "Server error"
                                                           : "Internal error";
    envelope(out, id);
    sn_buf_printf(out, ",\"error\":{\"code\":%d,\"message\":\"%s\"", (int)code, message);
    if (data.len) {
        L(out, ",\"data\":");
        sn_cons_json_str(out, data);
    }
    L(out, "}}");
}

void sn_rpc_error_of(struct sn_buf *out, struct sn_str id, enum sn_rpc_code code,
                     const char *prefix, int r)
{
    char text[SN_DIAG_BYTES + 64];
    int n = snprintf(text, sizeof(text), "%s", prefix);
    sn_diag_format(r, text + n, sizeof(text) - (size_t)n);
    sn_rpc_error(out, id, code, sn_str(text));
}

bool sn_rpc_kept(const struct sn_rpc_call *c)
{
    if (c->rpc->o.inspect || !(c->route->flags & SN_RPC_KEEP)) return false;
    return !(c->route->flags & SN_RPC_KEEP_ARG) || c->args[0].set;
}

bool sn_rpc_answer(struct sn_rpc_call *c)
{
    size_t start = c->out->len;
    sn_rpc_head(c->out, c->id);
    int r = c->route->handler(c);
    if (r >= 0 && c->out->err == 0) {
        L(c->out, "}");
        return true;
    }
    if (r >= 0) r = sn_fail(c->out->err, "the answer needs more memory than there is");
    c->out->len = start;
    c->out->err = 0;
    sn_rpc_error_of(c->out, c->id, SN_RPC_INTERNAL_ERROR, "", r);
    return false;
}

/* ---- text of JSON ---- */

void sn_rpc_compact(struct sn_str json, struct sn_buf *out)
{
    bool in_string = false;
    for (size_t i = 0; i < json.len; i++) {
        char c = json.ptr[i];
        if (!in_string && (c == ' ' || c == '\t' || c == '\n' || c == '\r')) continue;
        if (in_string && c == '\\' && i + 1 < json.len) {
            sn_buf_byte(out, (uint8_t)c);
            c = json.ptr[++i];
        } else if (c == '"') {
            in_string = !in_string;
        } else if (c == '<' || c == '>' || c == '&') {
            sn_buf_printf(out, "\\u%04x", c);
            continue;
        } else if (sn_str_starts(sn_str_from(json, i), SN_STR("\xe2\x80\xa8")) ||
                   sn_str_starts(sn_str_from(json, i), SN_STR("\xe2\x80\xa9"))) {
            sn_buf_cstr(out, (uint8_t)json.ptr[i + 2] == 0xa8 ? "\\u2028" : "\\u2029");
            i += 2;
            continue;
        }
        sn_buf_byte(out, (uint8_t)c);
    }
}

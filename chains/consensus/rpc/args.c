/* SPDX-License-Identifier: Apache-2.0 */
/* rpc/args.c - arguments from JSON and from URIs, by the origin's rules: in JSON a whole number of
 * 64 bits is a string, bytes are base64, HexBytes hex; in a URI whole numbers stand bare, text in
 * quotes, and 0x begins hex, of text and bytes alike. Quoted text for bytes is its bytes. Source:
 * CometBFT v0.38.25 rpc/jsonrpc/server/http_uri_handler.go, libs/json/decoder.go. */
#include <stdio.h>

#include "consensus/rpc/rpc_int.h"
#include "core/enc.h"

#define SHOWN 64 /* bytes of an argument in an error */

static const char *go_kind(enum sn_rpc_type t)
{
    switch (t) {
    case SN_RPC_I64:
    case SN_RPC_I64_OPT: return "int64";
    case SN_RPC_INT_OPT: return "int";
    case SN_RPC_UINT: return "uint";
    case SN_RPC_BOOL: return "bool";
    case SN_RPC_TEXT: return "string";
    case SN_RPC_EVIDENCE: return "interface";
    default: return "slice";
    }
}
static bool is_int(enum sn_rpc_type t)
{
    return t == SN_RPC_I64 || t == SN_RPC_I64_OPT || t == SN_RPC_INT_OPT || t == SN_RPC_UINT;
}
static bool is_bytes(enum sn_rpc_type t) { return t == SN_RPC_BYTES || t == SN_RPC_HEX; }

/* ---- values ---- */

static int int_of(enum sn_rpc_type t, struct sn_str s, struct sn_rpc_arg *ret)
{
    uint64_t u;
    int r;
    if (s.len == 0) return sn_fail(SN_E_INVALID_ARGUMENT, "unexpected end of JSON input");
    if (t == SN_RPC_UINT) {
        r = sn_str_to_u64(s, &u);
        if (r == 0 && u > INT64_MAX) r = SN_E_OUT_OF_RANGE;
        if (r == 0) ret->i = (int64_t)u;
    } else {
        r = sn_str_to_i64(s, &ret->i);
    }
    if (r == 0) return 0;
    if (r == SN_E_SYNTAX && !(s.ptr[0] >= '0' && s.ptr[0] <= '9') && s.ptr[0] != '-')
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "invalid character '%c' looking for beginning of value", s.ptr[0]);
    return sn_fail(SN_E_INVALID_ARGUMENT,
                   "json: cannot unmarshal number %.*s into Go value of type %s",
                   (int)SN_MIN(s.len, (size_t)SHOWN), s.ptr, go_kind(t));
}

static int hex_of(struct sn_str s, struct sn_arena *a, struct sn_str *ret)
{
    for (size_t i = 0; i < s.len; i++)
        if (sn_hex_digit(s.ptr[i]) < 0)
            return sn_fail(SN_E_INVALID_ARGUMENT, "encoding/hex: invalid byte: U+%04X '%c'",
                           (uint8_t)s.ptr[i], s.ptr[i]);
    if (s.len % 2) return sn_fail(SN_E_INVALID_ARGUMENT, "encoding/hex: odd length hex string");
    char *p = sn_arena_alloc(a, s.len / 2);
    if (!p) return SN_E_NOMEM;
    ssize_t n = sn_hex_decode(s, p);
    *ret = sn_str_of(p, (size_t)n);
    return n < 0 ? (int)n : 0;
}

static int base64_of(struct sn_str s, struct sn_arena *a, struct sn_str *ret)
{
    char *p = sn_arena_alloc(a, sn_base64_decoded_max(s.len));
    if (!p) return SN_E_NOMEM;
    ssize_t n = sn_base64_decode(s, SN_BASE64_STD, p);
    if (n < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "illegal base64 data: \"%.*s\"",
                       (int)SN_MIN(s.len, (size_t)SHOWN), s.ptr);
    *ret = sn_str_of(p, (size_t)n);
    return 0;
}

static int texts_of(const struct sn_json *v, struct sn_arena *a, struct sn_rpc_arg *ret)
{
    size_t n = sn_json_len(v);
    if (!sn_json_is(v, SN_JSON_ARRAY))
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "json: cannot unmarshal %s into Go value of type []json.RawMessage",
                       sn_json_kind_name(sn_json_kind(v)));
    if (!(ret->list = SN_ARENA_ARRAY(a, struct sn_str, n + 1))) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++)
        if (sn_json_to_str(sn_json_at(v, i), &ret->list[i]) < 0)
            return sn_fail(SN_E_INVALID_ARGUMENT,
                           "json: cannot unmarshal %s into Go value of type string",
                           sn_json_kind_name(sn_json_kind(sn_json_at(v, i))));
    ret->n = n;
    return 0;
}

static int wrong_kind(const struct sn_json *v, const char *type)
{
    return sn_fail(SN_E_INVALID_ARGUMENT, "json: cannot unmarshal %s into Go value of type %s",
                   sn_json_kind_name(sn_json_kind(v)), type);
}

static int not_a_string(const struct sn_json *v)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done) = {0};
    sn_json_write(&b, v, NULL);
    return sn_fail(SN_E_INVALID_ARGUMENT,
                   "invalid 64-bit integer encoding \"%.*s\", expected string",
                   (int)SN_MIN(b.len, (size_t)SHOWN), (const char *)b.ptr);
}

static int arg_of(enum sn_rpc_type t, const struct sn_json *v, struct sn_arena *a,
                  struct sn_rpc_arg *ret)
{
    struct sn_str s = sn_json_str(v);
    if (!v || sn_json_is(v, SN_JSON_NULL)) return 0;
    ret->set = true;
    if (is_int(t)) return s.ptr ? int_of(t, s, ret) : not_a_string(v);
    switch (t) {
    case SN_RPC_BOOL: return sn_json_to_bool(v, &ret->b) < 0 ? wrong_kind(v, "bool") : 0;
    case SN_RPC_TEXT: ret->s = s; return s.ptr ? 0 : wrong_kind(v, "string");
    case SN_RPC_BYTES: return s.ptr ? base64_of(s, a, &ret->s) : wrong_kind(v, "[]uint8");
    case SN_RPC_HEX:
        return s.ptr ? hex_of(s, a, &ret->s)
                     : sn_fail(SN_E_INVALID_ARGUMENT, "invalid hex string: %s",
                               sn_json_kind_name(sn_json_kind(v)));
    case SN_RPC_TEXTS: return texts_of(v, a, ret);
    default: ret->json = v; return 0;
    }
}

/* ---- JSON ---- */

static int from_array(struct sn_rpc_call *c, const struct sn_json *params)
{
    char names[SN_RPC_ARGS_MAX * (SN_RPC_ARG_NAME + 1) + 1] = "";
    unsigned n = sn_rpc_route_args(c->route);
    for (unsigned i = 0; i < n; i++)
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", i ? " " : "",
                 c->route->args[i].name);
    if (sn_json_len(params) != n)
        return sn_fail(SN_E_INVALID_ARGUMENT, "expected %u parameters ([%s]), got %zu", n, names,
                       sn_json_len(params));
    int r = 0;
    for (unsigned i = 0; i < n && r == 0; i++)
        r = arg_of(c->route->args[i].type, sn_json_at(params, i), c->arena, &c->args[i]);
    return r;
}

int sn_rpc_args_json(struct sn_rpc_call *c, const struct sn_json *params)
{
    int r = 0;
    memset(c->args, 0, sizeof(c->args));
    if (!params || sn_json_is(params, SN_JSON_NULL)) return 0;
    if (sn_json_is(params, SN_JSON_ARRAY)) return from_array(c, params);
    if (!sn_json_is(params, SN_JSON_OBJECT))
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "unknown type for JSON params: %s. Expected map or array",
                       sn_json_kind_name(sn_json_kind(params)));
    for (unsigned i = 0; i < SN_RPC_ARGS_MAX && c->route->args[i].name && r == 0; i++)
        r = arg_of(c->route->args[i].type, sn_json_get(params, c->route->args[i].name), c->arena,
                   &c->args[i]);
    return r;
}

/* ---- URIs ---- */

static int decode_pct(struct sn_str s, struct sn_arena *a, struct sn_str *ret)
{
    char *p = sn_arena_alloc(a, s.len);
    if (!p) return SN_E_NOMEM;
    ssize_t n = sn_pct_decode(s, true, p);
    *ret = sn_str_of(p, n < 0 ? 0 : (size_t)n);
    return n < 0 ? SN_E_SYNTAX : 0;
}

/* The first value of the name; what cannot be decoded is passed over. */
static int find_param(struct sn_str query, const char *name, struct sn_arena *a, struct sn_str *ret)
{
    while (query.ptr) {
        struct sn_str value = sn_str_cut(&query, '&'), key = sn_str_cut(&value, '='), text;
        int r = decode_pct(key, a, &text);
        if (r == SN_E_NOMEM) return r;
        if (r < 0 || !sn_str_eqc(text, name)) continue;
        r = value.ptr ? decode_pct(value, a, ret) : 0;
        if (r != SN_E_SYNTAX) return r;
        *ret = (struct sn_str){0};
    }
    return 0;
}

static bool is_whole(struct sn_str s)
{
    size_t from = s.ptr[0] == '-';
    for (size_t i = from; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9') return false;
    return s.len > from;
}

/* What is written as JSON after all. */
static int uri_json(enum sn_rpc_type t, struct sn_str s, struct sn_arena *a, struct sn_rpc_arg *ret)
{
    const struct sn_json *v;
    const struct sn_json_opts o = {.depth_max = SN_RPC_JSON_DEPTH};
    bool quoted = s.len >= 2 && s.ptr[0] == '"' && s.ptr[s.len - 1] == '"';
    if (is_int(t) && !quoted && !sn_str_eqc(s, "null"))
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "invalid 64-bit integer encoding \"%.*s\", expected string",
                       (int)SN_MIN(s.len, (size_t)SHOWN), s.ptr);
    if (!strchr("\"{[tfn-0123456789 \t\r\n", s.ptr[0]))
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "invalid character '%c' looking for beginning of value", s.ptr[0]);
    int r = sn_json_parse(a, s, &o, &v);
    if (r == SN_E_NOMEM) return r;
    if (r < 0) return sn_fail(SN_E_INVALID_ARGUMENT, "%s", sn_diag_str(r));
    return arg_of(t, v, a, ret);
}

static int uri_arg(enum sn_rpc_type t, struct sn_str s, struct sn_arena *a, struct sn_rpc_arg *ret)
{
    bool hex = s.len >= 2 && s.ptr[0] == '0' && sn_ascii_lower(s.ptr[1]) == 'x';
    ret->set = true;
    if (is_int(t) && is_whole(s)) return int_of(t, s, ret);
    if (hex && t != SN_RPC_TEXT && !is_bytes(t))
        return sn_fail(SN_E_INVALID_ARGUMENT, "got a hex string arg, but expected '%s'",
                       go_kind(t));
    if (hex) return hex_of(sn_str_from(s, 2), a, &ret->s);
    if (is_bytes(t) && s.len >= 2 && s.ptr[0] == '"' && s.ptr[s.len - 1] == '"')
        return uri_json(SN_RPC_TEXT, s, a, ret);
    ret->set = false;
    return uri_json(t, s, a, ret);
}

int sn_rpc_args_uri(struct sn_rpc_call *c, struct sn_str query, struct sn_str form)
{
    memset(c->args, 0, sizeof(c->args));
    for (unsigned i = 0; i < SN_RPC_ARGS_MAX && c->route->args[i].name; i++) {
        struct sn_str s = {0};
        int r = find_param(query, c->route->args[i].name, c->arena, &s);
        if (r == 0 && s.len == 0) r = find_param(form, c->route->args[i].name, c->arena, &s);
        if (r == 0 && s.len) r = uri_arg(c->route->args[i].type, s, c->arena, &c->args[i]);
        if (r < 0) return r;
    }
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_connect.c - the Connect protocol: unary calls as plain HTTP, also by GET; streams in
 * envelopes. Source: connectrpc.com/docs/protocol. */
#include "core/alloc.h"
#include "core/enc.h"
#include "google/rpc/status.pb.h"
#include "kit/grpc_proto_int.h"
#include "kit/http_int.h"
#include "wire/json.h"

/* ---- errors as JSON --------------------------------------------------------------------------- */

/* Details as type and base64 of the value; what is no google.rpc.Status is left out. */
static void put_details(struct grpc_call *g, int code, struct sn_jsonw *w)
{
    struct google_rpc_status *st;
    struct sn_str raw = grpc_details_of(g, code, (struct sn_str){0});
    if (!raw.ptr || google_rpc_status_parse(raw, 0, g->c.arena, &st) < 0) return;
    sn_jsonw_key(w, SN_STR("details"));
    sn_jsonw_array(w);
    for (uint32_t i = 0; i < st->details.len; i++) {
        struct sn_str type = st->details.ptr[i]->type_url;
        ssize_t slash = sn_str_rchr(type, '/');
        struct sn_str value = sn_grpc_bin_encode(st->details.ptr[i]->value, g->c.arena);
        sn_jsonw_object(w);
        sn_jsonw_kstr(w, "type", sn_str_from(type, (size_t)(slash + 1)));
        sn_jsonw_kstr(w, "value", value);
        sn_jsonw_object_end(w);
    }
    sn_jsonw_array_end(w);
}

static void put_error(struct grpc_call *g, int code, struct sn_str message, struct sn_jsonw *w)
{
    sn_jsonw_object(w);
    sn_jsonw_kstr(w, "code", sn_connect_code_name(code));
    if (message.len && sn_utf8_valid(message)) sn_jsonw_kstr(w, "message", message);
    put_details(g, code, w);
    sn_jsonw_object_end(w);
}

/* ---- unary ------------------------------------------------------------------------------------ */

/* The body is the message: it gets the prefix that everything behind expects. */
static ssize_t unary_fill(struct grpc_call *g)
{
    struct sn_str body;
    struct grpc_scall *sc = grpc_scall_of(g);
    if (sc->filled) return 0;
    sc->filled = true;
    int r = sn_http_body_all(g->c.http, g->recv_max, &body);
    if (r == SN_E_TOO_LARGE) r = SN_E_RESOURCE_EXHAUSTED;
    return r < 0 ? r : grpc_put_in(g, body, g->enc_in ? SN_GRPC_COMPRESSED : 0);
}

static int unary_push(struct grpc_call *g)
{
    return sn_fail(SN_E_UNIMPLEMENTED, "a unary answer is sent whole");
}

static int unary_head(struct grpc_scall *sc) { return 0; }

/* Names of trailers are told by their prefix. */
static int unary_metadata(struct grpc_scall *sc)
{
    struct grpc_call *g = &sc->g;
    struct http_xi *xi = http_xi_of(g->c.http);
    int r = 0;
    for (unsigned i = 0; r == 0 && i < g->head.len; i++)
        r = sn_http_headers_add(&xi->resp, g->c.arena, g->head.ptr[i].name, g->head.ptr[i].value);
    for (unsigned i = 0; r == 0 && i < g->tail.len; i++) {
        struct sn_str name =
            sn_arena_printf(g->c.arena, "trailer-%.*s", SN_STR_ARG(g->tail.ptr[i].name));
        if (!name.ptr) return SN_E_NOMEM;
        r = sn_http_headers_add(&xi->resp, g->c.arena, name, g->tail.ptr[i].value);
    }
    return r;
}

static void unary_end(struct grpc_scall *sc, int code, struct sn_str message)
{
    struct grpc_call *g = &sc->g;
    if (unary_metadata(sc) < 0) return;
    if (code == 0 && g->out.len >= SN_GRPC_PREFIX_LEN) {
        bool packed = g->out.ptr[0] & SN_GRPC_COMPRESSED;
        if (packed && sn_http_header_add(g->c.http, SN_STR("content-encoding"),
                                         sn_grpc_encoding_name((enum sn_grpc_encoding)g->enc_out)) < 0)
            return;
        (void)!sn_http_reply(g->c.http, 200,
                             sn_grpc_content_type_name(SN_GRPC_CONNECT_UNARY,
                                                       (enum sn_grpc_codec)g->codec),
                             sn_str_from(sn_buf_view(&g->out), SN_GRPC_PREFIX_LEN));
        return;
    }
    struct sn_jsonw w;
    sn_buf_reset(&g->out);
    sn_jsonw_init(&w, &g->out, NULL);
    put_error(g, code ? code : SN_E_INTERNAL, message, &w);
    if (g->out.err < 0) return;
    (void)!sn_http_reply(g->c.http, sn_status_http(code), SN_STR("application/json"),
                         sn_buf_view(&g->out));
}

static const struct grpc_call_ops unary_ops = {.fill = unary_fill, .push = unary_push};
static const struct grpc_end_ops unary_end_ops = {.head = unary_head, .end = unary_end};

/* ---- streams ---------------------------------------------------------------------------------- */

static int stream_head(struct grpc_scall *sc)
{
    struct grpc_call *g = &sc->g;
    struct http_xi *xi = http_xi_of(g->c.http);
    if (g->head_sent) return 0;
    g->head_sent = true;
    xi->content_type =
        sn_grpc_content_type_name(SN_GRPC_CONNECT_STREAM, (enum sn_grpc_codec)g->codec);
    int r = 0;
    if (g->compress && g->enc_out)
        r = sn_http_header_add(g->c.http, SN_STR("connect-content-encoding"),
                               sn_grpc_encoding_name((enum sn_grpc_encoding)g->enc_out));
    else
        g->enc_out = SN_GRPC_IDENTITY;
    for (unsigned i = 0; r == 0 && i < g->head.len; i++)
        r = sn_http_headers_add(&xi->resp, g->c.arena, g->head.ptr[i].name, g->head.ptr[i].value);
    return r < 0 ? r : sn_http_start(g->c.http, 200, -1);
}

static int stream_push(struct grpc_call *g)
{
    int r = stream_head(grpc_scall_of(g));
    if (r == 0) r = sn_http_write(g->c.http, sn_buf_view(&g->out));
    sn_buf_reset(&g->out);
    return r;
}

/* Each name once, with all its values. */
static void put_metadata(const struct sn_http_headers *t, struct sn_jsonw *w)
{
    sn_jsonw_object(w);
    for (unsigned i = 0; i < t->len; i++) {
        bool seen = false;
        for (unsigned k = 0; k < i; k++) seen |= sn_str_eq(t->ptr[k].name, t->ptr[i].name);
        if (seen) continue;
        sn_jsonw_key(w, t->ptr[i].name);
        sn_jsonw_array(w);
        for (unsigned k = i; k < t->len; k++)
            if (sn_str_eq(t->ptr[k].name, t->ptr[i].name)) sn_jsonw_str(w, t->ptr[k].value);
        sn_jsonw_array_end(w);
    }
    sn_jsonw_object_end(w);
}

static void stream_end(struct grpc_scall *sc, int code, struct sn_str message)
{
    struct grpc_call *g = &sc->g;
    if (stream_head(sc) < 0) return;
    size_t at = g->out.len;
    uint8_t prefix[SN_GRPC_PREFIX_LEN] = {0};
    struct sn_jsonw w;
    sn_buf_put(&g->out, prefix, sizeof(prefix));
    sn_jsonw_init(&w, &g->out, NULL);
    sn_jsonw_object(&w);
    if (code) {
        sn_jsonw_key(&w, SN_STR("error"));
        put_error(g, code, message, &w);
    }
    if (g->tail.len) {
        sn_jsonw_key(&w, SN_STR("metadata"));
        put_metadata(&g->tail, &w);
    }
    sn_jsonw_object_end(&w);
    if (g->out.err < 0) return;
    sn_grpc_prefix(g->out.ptr + at, SN_GRPC_CONNECT_END,
                   (uint32_t)(g->out.len - at - SN_GRPC_PREFIX_LEN));
    if (sn_http_write(g->c.http, sn_buf_view(&g->out)) == 0) (void)!sn_http_end(g->c.http);
}

static const struct grpc_call_ops stream_ops = {.fill = grpc_http_fill, .push = stream_push};
static const struct grpc_end_ops stream_end_ops = {.head = stream_head, .end = stream_end};

/* ---- requests --------------------------------------------------------------------------------- */

static int set_encodings(struct grpc_scall *sc, struct sn_str in, struct sn_str accept)
{
    int e = sn_grpc_encoding_of(in);
    if (e < 0)
        return sn_grpc_fail(&sc->g.c, SN_E_UNIMPLEMENTED, "unknown compression \"%.*s\": supported "
                                                          "encodings are identity,gzip,deflate",
                            SN_STR_ARG(in));
    sc->g.enc_in = (uint8_t)e;
    if (sn_http_has_token(accept, SN_STR("gzip"))) sc->g.enc_out = SN_GRPC_GZIP;
    else if (sn_http_has_token(accept, SN_STR("deflate"))) sc->g.enc_out = SN_GRPC_DEFLATE;
    return 0;
}

static int read_headers(struct grpc_scall *sc, bool stream)
{
    struct grpc_call *g = &sc->g;
    struct sn_http_headers *h = &g->c.http->req.headers;
    uint64_t ms;
    struct sn_str v = sn_http_headers_get(h, SN_STR("connect-timeout-ms"));
    if (v.ptr) {
        if (v.len > 10 || sn_str_to_u64(v, &ms) < 0)
            return sn_grpc_fail(&g->c, SN_E_INVALID_ARGUMENT, "malformed Connect-Timeout-Ms");
        g->c.deadline_ns = g->c.start_ns + (int64_t)ms * SN_MS;
    }
    v = sn_http_headers_get(h, SN_STR("connect-protocol-version"));
    if (v.ptr && !sn_str_eqc(v, "1"))
        return sn_grpc_fail(&g->c, SN_E_INVALID_ARGUMENT, "connect-protocol-version must be \"1\"");
    int r = set_encodings(
        sc,
        sn_http_headers_get(h, stream ? SN_STR("connect-content-encoding") : SN_STR("content-encoding")),
        sn_http_headers_get(h, stream ? SN_STR("connect-accept-encoding") : SN_STR("accept-encoding")));
    if (r == 0 && sn_grpc_metadata_of(h, g->c.arena, &g->c.metadata) < 0)
        r = sn_grpc_fail(&g->c, SN_E_INVALID_ARGUMENT, "malformed binary metadata");
    return r;
}

static int run(struct grpc_scall *sc, bool stream)
{
    const struct sn_pb_method *m = sc->method->m;
    int r = read_headers(sc, stream);
    if (r == 0 && stream == (!m->client_streaming && !m->server_streaming))
        r = sn_grpc_fail(&sc->g.c, SN_E_UNIMPLEMENTED, "this kind of method wants another content-type");
    return r < 0 ? grpc_refuse(sc, r) : grpc_server_run(sc);
}

/* The members of a GET's query. Returns 0 or SN_E_SYNTAX. */
struct get_query {
    struct sn_str message, encoding, compression;
    bool base64, connect;
};
static int parse_query(struct sn_str q, struct sn_arena *a, struct get_query *ret)
{
    struct get_query g = {0};
    while (q.ptr) {
        struct sn_str v = sn_str_cut(&q, '&'), k = sn_str_cut(&v, '=');
        char *out = sn_arena_alloc(a, v.len);
        if (!out) return SN_E_NOMEM;
        ssize_t n = sn_pct_decode(v, true, out);
        if (n < 0) return SN_E_SYNTAX;
        v = sn_str_of(out, (size_t)n);
        if (sn_str_eqc(k, "message")) g.message = v;
        else if (sn_str_eqc(k, "encoding")) g.encoding = v;
        else if (sn_str_eqc(k, "compression")) g.compression = v;
        else if (sn_str_eqc(k, "base64")) g.base64 = sn_str_eqc(v, "1");
        else if (sn_str_eqc(k, "connect")) g.connect = sn_str_eqc(v, "v1");
    }
    if (g.base64 && sn_grpc_bin_decode(g.message, a, &g.message) < 0) return SN_E_SYNTAX;
    *ret = g;
    return 0;
}

static int handle_get(struct grpc_scall *sc)
{
    struct grpc_call *g = &sc->g;
    struct get_query q = {0};
    struct sn_str accept = sn_http_headers_get(&g->c.http->req.headers, SN_STR("accept-encoding"));
    int r = parse_query(g->c.http->req.query, g->c.arena, &q);
    bool json = sn_str_eqc(q.encoding, "json");
    g->codec = json ? SN_GRPC_JSON : SN_GRPC_PROTO;
    if (r < 0 || (!json && !sn_str_eqc(q.encoding, "proto")))
        return grpc_refuse(sc, sn_grpc_fail(&g->c, SN_E_INVALID_ARGUMENT, "malformed GET query"));
    r = read_headers(sc, false);
    if (r == 0) r = set_encodings(sc, q.compression, accept);
    if (r < 0) return grpc_refuse(sc, r);
    sc->filled = true;
    ssize_t n = grpc_put_in(g, q.message, g->enc_in ? SN_GRPC_COMPRESSED : 0);
    return n < 0 ? (int)n : grpc_server_run(sc);
}

int grpc_connect(struct sn_grpc_server *s, struct sn_http_x *x, enum sn_grpc_protocol p,
                 enum sn_grpc_codec codec)
{
    bool get = x->req.method == SN_HTTP_GET;
    bool stream = p == SN_GRPC_CONNECT_STREAM;
    if (!get && !(x->req.method == SN_HTTP_POST && (stream || p == SN_GRPC_CONNECT_UNARY))) return 1;
    const struct grpc_method *m = sn_map_get(&s->by_path, x->req.path);
    /* A path that is no method may still be a REST route. */
    if (!m && !stream) return 1;
    if (get && (!m->no_side_effects || m->m->client_streaming || m->m->server_streaming)) return 1;
    struct grpc_scall *sc SN_CLEANUP(grpc_scall_done) =
        stream ? grpc_scall_new(s, x, &stream_ops, &stream_end_ops)
               : grpc_scall_new(s, x, &unary_ops, &unary_end_ops);
    if (!sc) return SN_E_NOMEM;
    sc->protocol = (uint8_t)(stream ? SN_GRPC_CONNECT_STREAM : SN_GRPC_CONNECT_UNARY);
    sc->g.codec = (uint8_t)codec;
    sc->method = m;
    if (!m) return grpc_refuse(sc, sn_grpc_fail(&sc->g.c, SN_E_UNIMPLEMENTED, "unknown method"));
    return get ? handle_get(sc) : run(sc, stream);
}

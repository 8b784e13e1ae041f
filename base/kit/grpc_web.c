/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_web.c - gRPC-Web, binary and base64, and CORS for what browsers call.
 * Sources: grpc doc/PROTOCOL-WEB.md; the Fetch standard, section CORS protocol. */
#include "core/alloc.h"
#include "core/enc.h"
#include "kit/grpc_proto_int.h"
#include "kit/http_int.h"

/* ---- base64 in pieces ------------------------------------------------------------------------- */

/* Quanta of four characters, each perhaps padded: texts may be encoded message by message. */
static ssize_t text_fill(struct grpc_call *g)
{
    struct grpc_scall *sc = grpc_scall_of(g);
    char text[1024];
    for (;;) {
        memcpy(text, sc->text_tail, sc->text_n);
        ssize_t n = sn_http_body_read(g->c.http, text + sc->text_n, sizeof(text) - sc->text_n);
        if (n < 0) return n;
        if (n == 0) return sc->text_n ? sn_fail(SN_E_INTERNAL, "base64 text is cut") : 0;
        size_t all = sc->text_n + (size_t)n, whole = all & ~(size_t)3, cap, got = 0;
        sc->text_n = (uint8_t)(all - whole);
        memcpy(sc->text_tail, text + whole, sc->text_n);
        uint8_t *to = whole ? sn_grpc_in_room(&g->in, sizeof(text), &cap) : NULL;
        if (whole && !to) return SN_E_RESOURCE_EXHAUSTED;
        for (size_t i = 0; i < whole; i += 4) {
            uint8_t out[8];
            ssize_t k = sn_base64_decode(sn_str_of(text + i, 4), SN_BASE64_STD, out);
            if (k < 0) return sn_fail(SN_E_INTERNAL, "body is not base64");
            memcpy(to + got, out, (size_t)k);
            got += (size_t)k;
        }
        if (got == 0) continue;
        sn_grpc_in_add(&g->in, got);
        return (ssize_t)got;
    }
}

/* ---- the protocol ----------------------------------------------------------------------------- */

static int web_head(struct grpc_scall *sc)
{
    struct grpc_call *g = &sc->g;
    if (g->head_sent) return 0;
    int r = grpc_head_fields(sc);
    return r < 0 ? r : sn_http_start(g->c.http, 200, -1);
}

static int web_write(struct grpc_scall *sc)
{
    struct sn_buf *out = &sc->g.out;
    struct sn_str data = sn_buf_view(out);
    if (sc->text) {
        sn_buf_reset(&sc->g.packed);
        sn_buf_base64(&sc->g.packed, data.ptr, data.len, SN_BASE64_STD);
        if (sc->g.packed.err < 0) return SN_E_RESOURCE_EXHAUSTED;
        data = sn_buf_view(&sc->g.packed);
    }
    int r = sn_http_write(sc->g.c.http, data);
    sn_buf_reset(out);
    return r;
}

static int web_push(struct grpc_call *g)
{
    int r = web_head(grpc_scall_of(g));
    return r < 0 ? r : web_write(grpc_scall_of(g));
}

static void web_end(struct grpc_scall *sc, int code, struct sn_str message)
{
    struct grpc_call *g = &sc->g;
    struct sn_http_headers t = {0};
    if (code) sn_buf_reset(&g->out);
    if (web_head(sc) < 0 || grpc_status_trailers(sc, code, message, &t) < 0) return;
    size_t at = g->out.len;
    uint8_t prefix[SN_GRPC_PREFIX_LEN] = {0};
    sn_buf_put(&g->out, prefix, sizeof(prefix));
    sn_grpc_web_trailers_put(&g->out, &t);
    if (g->out.err < 0) return;
    sn_grpc_prefix(g->out.ptr + at, SN_GRPC_WEB_TRAILERS,
                   (uint32_t)(g->out.len - at - SN_GRPC_PREFIX_LEN));
    if (web_write(sc) == 0) (void)!sn_http_end(g->c.http);
}

static const struct grpc_call_ops web_ops = {.fill = grpc_http_fill, .push = web_push};
static const struct grpc_call_ops text_ops = {.fill = text_fill, .push = web_push};
static const struct grpc_end_ops web_end_ops = {.head = web_head, .end = web_end};

static int handle_web(struct sn_grpc_server *s, struct sn_http_x *x, enum sn_grpc_protocol p,
                      enum sn_grpc_codec codec)
{
    bool text = p == SN_GRPC_WEB_TEXT;
    struct grpc_scall *sc SN_CLEANUP(grpc_scall_done) =
        grpc_scall_new(s, x, text ? &text_ops : &web_ops, &web_end_ops);
    if (!sc) return SN_E_NOMEM;
    sc->protocol = (uint8_t)p;
    sc->text = text;
    sc->g.codec = (uint8_t)codec;
    sc->method = sn_map_get(&s->by_path, x->req.path);
    int r = grpc_request_headers(sc);
    return r < 0 ? grpc_refuse(sc, r) : grpc_server_run(sc);
}

/* ---- CORS ------------------------------------------------------------------------------------- */

static bool origin_allowed(const struct sn_grpc_server *s, struct sn_str origin)
{
    for (unsigned i = 0; i < s->o.n_cors_origins; i++)
        if (sn_str_eqc(s->o.cors_origins[i], "*") || sn_str_eq(s->o.cors_origins[i], origin))
            return true;
    return false;
}

/* Returns > 0 where the request was a preflight and is answered. */
static int cors(struct sn_grpc_server *s, struct sn_http_x *x)
{
    struct sn_http_headers *h = &x->req.headers;
    struct sn_str origin = sn_http_headers_get(h, SN_STR("origin"));
    if (!origin.len || !origin_allowed(s, origin)) return 0;
    int r = sn_http_header_add(x, SN_STR("access-control-allow-origin"), origin);
    if (r == 0) r = sn_http_header_add(x, SN_STR("vary"), SN_STR("origin"));
    struct sn_str method = sn_http_headers_get(h, SN_STR("access-control-request-method"));
    if (x->req.method != SN_HTTP_OPTIONS || !method.ptr) {
        if (r == 0)
            r = sn_http_header_add(x, SN_STR("access-control-expose-headers"),
                                   SN_STR("grpc-status,grpc-message,grpc-status-details-bin,"
                                          "grpc-encoding,connect-content-encoding,content-encoding"));
        return r;
    }
    struct sn_str wanted = sn_http_headers_get(h, SN_STR("access-control-request-headers"));
    if (r == 0)
        r = sn_http_header_add(x, SN_STR("access-control-allow-methods"),
                               SN_STR("GET,POST,PUT,PATCH,DELETE"));
    if (r == 0 && wanted.len)
        r = sn_http_header_add(x, SN_STR("access-control-allow-headers"), wanted);
    if (r == 0) r = sn_http_header_add(x, SN_STR("access-control-max-age"), SN_STR("7200"));
    if (r == 0) r = sn_http_reply(x, 204, (struct sn_str){0}, (struct sn_str){0});
    return r < 0 ? r : 1;
}

/* ---- which protocol --------------------------------------------------------------------------- */

int grpc_other_protocols(struct sn_grpc_server *s, struct sn_http_x *x, enum sn_grpc_protocol p,
                         enum sn_grpc_codec codec)
{
    bool post = x->req.method == SN_HTTP_POST;
    if (s->o.n_cors_origins) {
        int r = cors(s, x);
        if (r != 0) return r < 0 ? r : 0;
    }
    if (post && !s->o.web_off && (p == SN_GRPC_WEB || p == SN_GRPC_WEB_TEXT))
        return handle_web(s, x, p, codec);
    if (!s->o.connect_off) {
        int r = grpc_connect(s, x, p, codec);
        if (r <= 0) return r;
    }
    return s->o.rest_off ? 1 : grpc_rest(s, x);
}

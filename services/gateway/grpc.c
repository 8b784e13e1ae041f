/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/grpc.c - what is particular about a gRPC call on its way through the gateway: it is told
 * of failures by grpc-status, and its time is the whole call's. Messages and trailers pass as any
 * others do. Sources: grpc/grpc doc/PROTOCOL-HTTP2.md, doc/http-grpc-status-mapping.md. */
#include "wire/grpc.h"

#include "gateway/gw_int.h"

bool gw_is_grpc(const struct sn_http_req *r)
{
    enum sn_grpc_codec codec;
    if (r->version < 20 || r->method != SN_HTTP_POST) return false;
    struct sn_str type = sn_http_headers_get(&r->headers, SN_STR("content-type"));
    return type.ptr && sn_grpc_content_type(type, &codec) == SN_GRPC_HTTP2;
}

int gw_grpc_begin(struct gw_req *q, int64_t ns_max)
{
    const struct sn_http_req *r = &q->x->req;
    q->grpc_deadline = SN_FOREVER;
    q->grpc_status = 1;
    if (!gw_is_grpc(r)) return 0;
    q->grpc = true;
    sn_http_message_stream(q->x);
    sn_http_cancel_on_reset(q->x, true);
    int64_t ns = SN_FOREVER;
    struct sn_str t = sn_http_headers_get(&r->headers, SN_STR("grpc-timeout"));
    if (t.ptr && sn_grpc_timeout_parse(t, &ns) < 0) return SN_E_SYNTAX;
    if (ns_max && ns > ns_max) ns = ns_max;
    if (ns < SN_FOREVER - r->start_ns) q->grpc_deadline = r->start_ns + ns;
    return 0;
}

int gw_grpc_code(int http_status)
{
    switch (http_status) {
    case 413:
    case 429: return SN_E_RESOURCE_EXHAUSTED;
    case 499: return SN_E_CANCELLED;
    case 504: return SN_E_DEADLINE_EXCEEDED;
    default: return sn_grpc_code_from_http(http_status);
    }
}

int gw_grpc_status(const struct sn_http_headers *h)
{
    struct sn_str s = sn_http_headers_get(h, SN_STR("grpc-status"));
    return s.ptr ? sn_grpc_code_parse(s) : 1;
}

static struct sn_str code_text(struct gw_req *q, int code)
{
    return sn_arena_printf(q->x->arena, "%d", sn_status_canonical(code));
}

int gw_grpc_answer(struct gw_req *q, int code, const char *message)
{
    struct sn_str text = code_text(q, code);
    struct sn_str said = sn_grpc_message_encode(sn_str(message), q->x->arena);
    if (!text.ptr || !said.ptr) return SN_E_NOMEM;
    q->grpc_status = code;
    sn_http_message_stream(q->x);
    int r = sn_http_header_add(q->x, SN_STR("content-type"), SN_STR("application/grpc"));
    if (r == 0) r = sn_http_header_add(q->x, SN_STR("grpc-status"), text);
    if (r == 0 && said.len) r = sn_http_header_add(q->x, SN_STR("grpc-message"), said);
    if (r == 0) r = sn_http_start(q->x, 200, 0);
    return r < 0 ? r : sn_http_end(q->x);
}

int gw_grpc_end(struct gw_req *q, int code, const char *message)
{
    struct sn_str text = code_text(q, code);
    struct sn_str said = sn_grpc_message_encode(sn_str(message), q->x->arena);
    if (!text.ptr || !said.ptr) return SN_E_NOMEM;
    q->grpc_status = code;
    int r = sn_http_trailer(q->x, SN_STR("grpc-status"), text);
    if (r == 0) r = sn_http_trailer(q->x, SN_STR("grpc-message"), said);
    return r < 0 ? r : sn_http_end(q->x);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* protoc-gen-sennit/emit_grpc.c - x.grpc.h and x.grpc.c: servers' handlers and clients' calls, typed,
 * for each service. Asked for with the parameter "grpc". */
#include "core/status.h"
#include "gen.h"

#define method_proto google_protobuf_method_descriptor_proto

struct rpc { /* a method with its C names */
    const struct method_proto *p;
    const char *name;       /* "watch" */
    const char *svc;        /* "grpc_health_v1_health" */
    const char *in, *to;    /* messages */
    bool client, server;    /* streams */
};

static const char *service_name(struct gen *g, const struct file_proto *f,
                                const struct service_proto *s)
{
    return gen_snake(g, sn_arena_printf(&g->arena, "%.*s%s%.*s", SN_STR_ARG(f->package),
                                        f->package.len ? "." : "", SN_STR_ARG(s->name)));
}

static int rpc_of(struct gen *g, const char *svc, const struct method_proto *m, struct rpc *ret)
{
    const struct gen_type *in = gen_find(g, m->input_type), *to = gen_find(g, m->output_type);
    if (!in || !to)
        return sn_fail(SN_E_NOT_FOUND, "%s.%.*s: message not in the request", svc,
                       SN_STR_ARG(m->name));
    *ret = (struct rpc){m, gen_ident(g, m->name), svc, in->c_name, to->c_name, m->client_streaming,
                        m->server_streaming};
    return ret->name ? 0 : SN_E_NOMEM;
}

/* ---- header ----------------------------------------------------------------------------------- */

static void emit_handler_type(const struct rpc *m, struct sn_buf *out)
{
    sn_buf_printf(out, "    int (*%s)(struct sn_grpc_call *call", m->name);
    if (!m->client) sn_buf_printf(out, ", const struct %s *req", m->in);
    if (!m->server) sn_buf_printf(out, ", struct %s **ret", m->to);
    sn_buf_printf(out, ");\n");
}

static void emit_stream_calls(const struct rpc *m, struct sn_buf *out)
{
    if (m->client)
        sn_buf_printf(out,
                      "static inline int %s_%s_request(struct sn_grpc_call *call, struct %s **ret)\n"
                      "{\n    void *m;\n    int r = sn_grpc_recv(call, NULL, &m);\n"
                      "    if (r > 0) *ret = (struct %s *)m;\n    return r;\n}\n"
                      "static inline int %s_%s_send(struct sn_grpc_call *call, const struct %s *m)\n"
                      "{\n    return sn_grpc_send(call, m);\n}\n",
                      m->svc, m->name, m->in, m->in, m->svc, m->name, m->in);
    if (m->server)
        sn_buf_printf(out,
                      "static inline int %s_%s_reply(struct sn_grpc_call *call, const struct %s *m)\n"
                      "{\n    return sn_grpc_send(call, m);\n}\n",
                      m->svc, m->name, m->to);
    sn_buf_printf(out,
                  "static inline int %s_%s_recv(struct sn_grpc_call *call, struct sn_arena *a,\n"
                  "    struct %s **ret)\n{\n    void *m;\n    int r = sn_grpc_recv(call, a, &m);\n"
                  "    if (r > 0) *ret = (struct %s *)m;\n    return r;\n}\n",
                  m->svc, m->name, m->to, m->to);
}

static void emit_client(const struct rpc *m, unsigned i, struct sn_buf *out)
{
    if (!m->client && !m->server) {
        sn_buf_printf(out,
                      "static inline int %s_%s_call(struct sn_grpc_channel *ch, const struct %s *req,\n"
                      "    struct sn_arena *a, struct %s **ret, const struct sn_grpc_opts *o)\n{\n"
                      "    void *m;\n"
                      "    int r = sn_grpc_unary(ch, &%s_service.methods[%u], req, a, &m, o);\n"
                      "    if (r >= 0) *ret = (struct %s *)m;\n    return r;\n}\n",
                      m->svc, m->name, m->in, m->to, m->svc, i, m->to);
        return;
    }
    sn_buf_printf(out, "static inline int %s_%s_open(struct sn_grpc_channel *ch, ", m->svc, m->name);
    if (!m->client) sn_buf_printf(out, "const struct %s *req, ", m->in);
    sn_buf_printf(out,
                  "\n    const struct sn_grpc_opts *o, struct sn_grpc_call **ret)\n{\n"
                  "    const struct sn_pb_method *m = &%s_service.methods[%u];\n",
                  m->svc, i);
    if (m->client)
        sn_buf_printf(out, "    return sn_grpc_open(ch, m, m->path, o, ret);\n}\n");
    else
        sn_buf_printf(out, "    return sn_grpc_open_with(ch, m, req, o, ret);\n}\n");
    emit_stream_calls(m, out);
}

int gen_grpc_header(struct gen *g, const struct file_proto *f, struct sn_buf *out)
{
    struct sn_str base = f->name;
    if (sn_str_ends(base, SN_STR(".proto"))) base.len -= 6;
    sn_buf_printf(out,
                  "/* Written by protoc-gen-sennit from %.*s; edits are lost. */\n#pragma once\n"
                  "#include \"%.*s.pb.h\"\n#include \"kit/grpc.h\"\n",
                  SN_STR_ARG(f->name), SN_STR_ARG(base));
    for (uint32_t i = 0; i < f->service.len; i++) {
        const struct service_proto *s = f->service.ptr[i];
        const char *c = service_name(g, f, s);
        if (!c) return SN_E_NOMEM;
        struct rpc m;
        sn_buf_printf(out,
                      "\n/* %s_handlers - what a server does; NULL is UNIMPLEMENTED. A stream's\n"
                      " * handler sends by _reply and receives by _request. */\nstruct %s_handlers {\n",
                      c, c);
        for (uint32_t k = 0; k < s->method.len; k++) {
            int r = rpc_of(g, c, s->method.ptr[k], &m);
            if (r < 0) return r;
            emit_handler_type(&m, out);
        }
        if (!s->method.len) sn_buf_cstr(out, "    char none;\n");
        sn_buf_printf(out,
                      "};\n/* %s_register - h is borrowed; arg is call->arg. As sn_grpc_server_add. */\n"
                      "int %s_register(struct sn_grpc_server *s,\n    const struct %s_handlers *h, "
                      "void *arg) SN_MUST_CHECK;\n",
                      c, c, c);
        for (uint32_t k = 0; k < s->method.len; k++) {
            int r = rpc_of(g, c, s->method.ptr[k], &m);
            if (r < 0) return r;
            emit_client(&m, k, out);
        }
    }
    return 0;
}

/* ---- source ----------------------------------------------------------------------------------- */

static void emit_thunk(const struct rpc *m, struct sn_buf *out)
{
    if (!m->client && !m->server) {
        sn_buf_printf(out,
                      "static int %s_%s_serve(struct sn_grpc_call *call, const void *impl, "
                      "const void *req,\n    void **ret)\n{\n"
                      "    const struct %s_handlers *h = impl;\n    struct %s *rep = NULL;\n"
                      "    int r = h->%s(call, (const struct %s *)req, &rep);\n"
                      "    *ret = rep;\n    return r;\n}\n",
                      m->svc, m->name, m->svc, m->to, m->name, m->in);
        return;
    }
    sn_buf_printf(out,
                  "static int %s_%s_serve(struct sn_grpc_call *call, const void *impl)\n{\n"
                  "    const struct %s_handlers *h = impl;\n",
                  m->svc, m->name, m->svc);
    if (!m->client)
        sn_buf_cstr(out, "    void *req;\n    int r = sn_grpc_recv_only(call, &req);\n"
                         "    if (r < 0) return r;\n");
    if (!m->server)
        sn_buf_printf(out,
                      "    struct %s *rep = NULL;\n    int r = h->%s(call, &rep);\n"
                      "    return r < 0 ? r : sn_grpc_send_only(call, rep);\n}\n",
                      m->to, m->name);
    else if (!m->client)
        sn_buf_printf(out, "    return h->%s(call, (const struct %s *)req);\n}\n", m->name, m->in);
    else
        sn_buf_printf(out, "    return h->%s(call);\n}\n", m->name);
}

static int emit_service(struct gen *g, const char *c, const struct service_proto *s,
                        struct sn_buf *out)
{
    struct rpc m;
    sn_buf_byte(out, '\n');
    for (uint32_t k = 0; k < s->method.len; k++) {
        int r = rpc_of(g, c, s->method.ptr[k], &m);
        if (r < 0) return r;
        emit_thunk(&m, out);
    }
    sn_buf_printf(out,
                  "int %s_register(struct sn_grpc_server *s, const struct %s_handlers *h, void *arg)\n"
                  "{\n    struct sn_grpc_handler list[%u] = {{0}};\n",
                  c, c, SN_MAX(s->method.len, 1u));
    for (uint32_t k = 0; k < s->method.len; k++) {
        int r = rpc_of(g, c, s->method.ptr[k], &m);
        if (r < 0) return r;
        sn_buf_printf(out, "    if (h->%s) list[%u].%s = %s_%s_serve;\n", m.name, k,
                      m.client || m.server ? "stream" : "unary", c, m.name);
    }
    sn_buf_printf(out, "    return sn_grpc_server_add(s, &%s_service, list, h, arg);\n}\n", c);
    return 0;
}

int gen_grpc_source(struct gen *g, const struct file_proto *f, struct sn_buf *out)
{
    struct sn_str base = f->name;
    if (sn_str_ends(base, SN_STR(".proto"))) base.len -= 6;
    sn_buf_printf(out,
                  "/* Written by protoc-gen-sennit from %.*s; edits are lost. */\n"
                  "#include \"%.*s.grpc.h\"\n",
                  SN_STR_ARG(f->name), SN_STR_ARG(base));
    for (uint32_t i = 0; i < f->service.len; i++) {
        const char *c = service_name(g, f, f->service.ptr[i]);
        int r = c ? emit_service(g, c, f->service.ptr[i], out) : SN_E_NOMEM;
        if (r < 0) return r;
    }
    return 0;
}

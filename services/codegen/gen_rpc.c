/* SPDX-License-Identifier: Apache-2.0 */
/* codegen/gen_rpc.c - the project of a gRPC service from its descriptors. Messages and stubs are
 * the work of protoc-gen-sennit, which the project's build runs; names here follow its rules
 * (gen_snake, gen_ident in cmd/protoc-gen-sennit/names.c). */
#include "codegen/gen_int.h"
#include "google/protobuf/descriptor.pb.h"

GEN_TEMPLATE(rpc_service_h);
GEN_TEMPLATE(rpc_service_c);
GEN_TEMPLATE(rpc_readme);
GEN_TEMPLATE(main_c);
GEN_TEMPLATE(meson);
GEN_TEMPLATE(makefile);
GEN_TEMPLATE(config);
GEN_TEMPLATE(gitignore);

#define file_proto google_protobuf_file_descriptor_proto
#define service_proto google_protobuf_service_descriptor_proto
#define method_proto google_protobuf_method_descriptor_proto

struct rpc {
    const struct sn_gen_opts *o;
    struct sn_arena *arena;
    struct sn_gen_files *files;
    const struct google_protobuf_file_descriptor_set *set;
    const struct file_proto *file;
    const char *name;   /* of the project: "stock" of stock.proto */
    struct sn_str base; /* "stock", as the file is written */
};

static const char *snake_of(struct rpc *g, struct sn_str full)
{
    if (full.len && full.ptr[0] == '.') full = sn_str_from(full, 1);
    return sn_gen_snake(g->arena, full);
}
static const char *service_name(struct rpc *g, const struct service_proto *s)
{
    return snake_of(g, sn_arena_printf(g->arena, "%.*s%s%.*s", SN_STR_ARG(g->file->package),
                                       g->file->package.len ? "." : "", SN_STR_ARG(s->name)));
}
/* "stock_reserve"; with several services in the file "stock_admin_reserve". */
static const char *handler_name(struct rpc *g, const struct service_proto *s,
                                const struct method_proto *m)
{
    const char *method = sn_gen_snake(g->arena, m->name), *svc = sn_gen_snake(g->arena, s->name);
    if (!method || !svc) return NULL;
    if (g->file->service.len == 1) return sn_arena_printf(g->arena, "%s_%s", g->name, method).ptr;
    return sn_arena_printf(g->arena, "%s_%s_%s", g->name, svc, method).ptr;
}
static void emit_signature(struct rpc *g, struct sn_buf *b, const struct service_proto *s,
                           const struct method_proto *m, const char *end)
{
    sn_buf_printf(b, "int %s(struct sn_grpc_call *call", gen_text(b, handler_name(g, s, m)));
    if (!m->client_streaming)
        sn_buf_printf(b, ", const struct %s *req", gen_text(b, snake_of(g, m->input_type)));
    if (!m->server_streaming)
        sn_buf_printf(b, ",\n    struct %s **ret", gen_text(b, snake_of(g, m->output_type)));
    sn_buf_printf(b, ")%s\n", end);
}
#define EACH_METHOD(g, s, m)                                                                \
    for (uint32_t i_ = 0; i_ < (g)->file->service.len; i_++)                                \
        for (const struct service_proto *s = (g)->file->service.ptr[i_], *once_ = s; once_; \
             once_ = NULL)                                                                  \
            for (uint32_t k_ = 0; k_ < s->method.len; k_++)                                 \
                for (const struct method_proto *m = s->method.ptr[k_], *one_ = m; one_; one_ = NULL)

static int header(struct rpc *g)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    gen_head(&b, "sennit gen rpc", g->o->source);
    sn_buf_printf(&b,
                  "#pragma once\n#include \"%.*s.grpc.h\"\n\n/* ---- handlers: yours ---- */\n\n",
                  SN_STR_ARG(g->base));
    EACH_METHOD(g, s, m) emit_signature(g, &b, s, m, ";");
    sn_buf_printf(&b,
                  "\n/* The services, NULL-ended, and what puts their handlers on a server; "
                  "call->arg is ctx. */\n"
                  "extern const struct sn_pb_service *const %s_grpc_services[];\n"
                  "int %s_grpc_register(struct sn_grpc_server *s, void *ctx) SN_MUST_CHECK;\n",
                  g->name, g->name);
    return gen_add(g->files, SN_GEN_OURS, &b, "%s%s_rpc.gen.h", g->o->flat ? "" : "gen/", g->name);
}
static int source(struct rpc *g)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    gen_head(&b, "sennit gen rpc", g->o->source);
    sn_buf_printf(&b, "#include \"%s_rpc.gen.h\"\n", g->name);
    for (uint32_t i = 0; i < g->file->service.len; i++) {
        const struct service_proto *s = g->file->service.ptr[i];
        const char *c = gen_text(&b, service_name(g, s));
        sn_buf_printf(&b, "\nstatic const struct %s_handlers %s_impl = {\n", c, c);
        for (uint32_t k = 0; k < s->method.len; k++)
            sn_buf_printf(&b, "    .%s = %s,\n",
                          gen_text(&b, sn_gen_member(g->arena, s->method.ptr[k]->name)),
                          gen_text(&b, handler_name(g, s, s->method.ptr[k])));
        sn_buf_cstr(&b, "};\n");
    }
    sn_buf_printf(&b, "\nconst struct sn_pb_service *const %s_grpc_services[] = {", g->name);
    for (uint32_t i = 0; i < g->file->service.len; i++)
        sn_buf_printf(&b, "&%s_service, ", gen_text(&b, service_name(g, g->file->service.ptr[i])));
    sn_buf_printf(
        &b,
        "NULL};\nint %s_grpc_register(struct sn_grpc_server *s, void *ctx)\n{\n    int r = 0;\n",
        g->name);
    for (uint32_t i = 0; i < g->file->service.len; i++) {
        const char *c = gen_text(&b, service_name(g, g->file->service.ptr[i]));
        sn_buf_printf(&b, "    if (r == 0) r = %s_register(s, &%s_impl, ctx);\n", c, c);
    }
    sn_buf_cstr(&b, "    return r;\n}\n");
    return gen_add(g->files, SN_GEN_OURS, &b, "%s%s_rpc.gen.c", g->o->flat ? "" : "gen/", g->name);
}
static int test_source(struct rpc *g)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    gen_head(&b, "sennit gen rpc", g->o->source);
    sn_buf_printf(&b,
                  "/* Starts the service on a free port and calls its unary methods. */\n#include "
                  "\"%s.h\"\n\n"
                  "int main(int argc, char **argv)\n{\n    return sn_daemon_self_test(&%s_app, "
                  "argc, argv);\n}\n",
                  g->name, g->name);
    return gen_add(g->files, SN_GEN_OURS, &b, "%s%s_test.gen.c", g->o->flat ? "" : "gen/", g->name);
}

/* ---- the build ---- */

static bool is_linked(struct sn_str file) /* its tables are in libsennit */
{
    return sn_str_starts(file, SN_STR("google/protobuf/")) ||
           sn_str_starts(file, SN_STR("google/api/")) || sn_str_starts(file, SN_STR("google/rpc/"));
}
static const char *handler_file(struct rpc *g, const struct service_proto *s,
                                const struct method_proto *m)
{
    const char *file = gen_file_name(g->arena, m->name, g->o->style),
               *svc = sn_gen_snake(g->arena, s->name);
    if (!file || !svc) return NULL;
    if (g->file->service.len == 1) return sn_arena_printf(g->arena, "handlers/%s.c", file).ptr;
    return sn_arena_printf(g->arena, "handlers/%s/%s.c", svc, file).ptr;
}
static void emit_target(struct sn_buf *b, struct sn_str base, const char *suffix, const char *ident,
                        const char *opt, const char *folder)
{
    sn_buf_printf(b,
                  "%s_%s = custom_target('%s_%s', input: %s / '%.*s.proto',\n"
                  "  output: ['%.*s.%s.c', '%.*s.%s.h'], command: [protoc, "
                  "'--plugin=protoc-gen-sennit=' + plugin,\n"
                  "    '-I' + api, '-I' + %s, %s'--sennit_out=@OUTDIR@', '@INPUT@'])\n",
                  ident, suffix, ident, suffix, folder, SN_STR_ARG(base), SN_STR_ARG(base), suffix,
                  SN_STR_ARG(base), suffix, folder, opt);
}
static int build(struct rpc *g)
{
    struct sn_buf b, targets;
    const char *p = g->name;
    sn_buf_init(&b, 0);
    sn_buf_init(&targets, 0);
    sn_buf_printf(
        &b, "# Generated by `sennit gen rpc`; edits are lost.\nprotoc = find_program('protoc')\n"
            "plugin = sennit.get_variable(pkgconfig: 'plugin')\napi = "
            "sennit.get_variable(pkgconfig: 'api')\n"
            "protos = meson.project_source_root()\n");
    for (uint32_t i = 0; i < g->set->file.len; i++) {
        struct sn_str base = g->set->file.ptr[i]->name;
        if (is_linked(base)) continue;
        if (sn_str_chr(base, '/') >= 0) {
            sn_buf_done(&b);
            sn_buf_done(&targets);
            return sn_fail(SN_E_UNIMPLEMENTED,
                           "%.*s: expected imports beside the file, not in folders",
                           SN_STR_ARG(base));
        }
        if (sn_str_ends(base, SN_STR(".proto"))) base.len -= 6;
        const char *ident = gen_text(&b, sn_gen_snake(g->arena, base));
        emit_target(&b, base, "pb", ident, "", "protos");
        sn_buf_printf(&targets, "%s_pb, ", ident);
        if (sn_str_eq(base, g->base))
            emit_target(&b, base, "grpc", ident, "'--sennit_opt=grpc', ", "protos");
    }
    sn_buf_printf(&targets, "%s_grpc", p);
    if (targets.err < 0) b.err = targets.err;
    sn_buf_printf(&b, "%s_headers = [%s]\n%s_src = [files('%s_rpc.gen.c', '../service.c',\n", p,
                  sn_buf_cz(&targets), p, p);
    EACH_METHOD(g, s, m) sn_buf_printf(&b, "    '../%s',\n", gen_text(&b, handler_file(g, s, m)));
    sn_buf_printf(&b,
                  "  ), %s_headers]\n%s_test_src = files('%s_test.gen.c')\n%s_inc = "
                  "include_directories('.', '..')\n",
                  p, p, p, p);
    sn_buf_done(&targets);
    return gen_add(g->files, SN_GEN_OURS, &b, "gen/meson.build");
}

/* ---- what is yours ---- */

static int handlers(struct rpc *g)
{
    int e = 0;
    EACH_METHOD(g, s, m)
    {
        struct sn_buf b;
        if (e < 0) return e;
        sn_buf_init(&b, 0);
        sn_buf_printf(&b, "/* %.*s.%.*s */\n#include \"%s.h\"\n\n", SN_STR_ARG(s->name),
                      SN_STR_ARG(m->name), g->name);
        emit_signature(g, &b, s, m, "\n{");
        sn_buf_printf(
            &b,
            "    return sn_grpc_fail(call, SN_E_UNIMPLEMENTED, \"%.*s is not written yet\");\n}\n",
            SN_STR_ARG(m->name));
        e = gen_add(g->files, SN_GEN_YOURS, &b, "%s", gen_text(&b, handler_file(g, s, m)));
    }
    return e;
}
static int yours(struct rpc *g)
{
    struct sn_buf b;
    const char *proto = sn_arena_printf(g->arena, "%.*s.proto", SN_STR_ARG(g->base)).ptr;
    const struct gen_var vars[] = {
        {"name", g->name}, {"service", g->name},           {"jwt", ""}, {"kind", "rpc"},
        {"flag", "proto"}, {"source", proto ? proto : ""}, {0}};
    static const struct {
        const char *path;
        const unsigned char *text;
        const size_t *len;
    } files[] = {{"main.c", gen_t_main_c, &gen_t_main_c_len},
                 {"service.c", gen_t_rpc_service_c, &gen_t_rpc_service_c_len},
                 {"meson.build", gen_t_meson, &gen_t_meson_len},
                 {"Makefile", gen_t_makefile, &gen_t_makefile_len},
                 {"README.md", gen_t_rpc_readme, &gen_t_rpc_readme_len},
                 {".gitignore", gen_t_gitignore, &gen_t_gitignore_len}};
    int r = proto ? 0 : SN_E_NOMEM;
    for (size_t i = 0; i < SN_COUNT_OF(files) && r == 0; i++) {
        sn_buf_init(&b, 0);
        gen_template(&b, files[i].text, *files[i].len, vars);
        r = gen_add(g->files, SN_GEN_YOURS, &b, "%s", files[i].path);
    }
    sn_buf_init(&b, 0);
    if (r == 0) gen_template(&b, gen_t_rpc_service_h, gen_t_rpc_service_h_len, vars);
    if (r == 0) r = gen_add(g->files, SN_GEN_YOURS, &b, "%s.h", g->name);
    if (r == 0) gen_template(&b, gen_t_config, gen_t_config_len, vars);
    if (r == 0) r = gen_add(g->files, SN_GEN_YOURS, &b, "etc/%s.yaml", g->name);
    sn_buf_done(&b);
    return r;
}

int sn_gen_rpc(struct sn_str set, struct sn_str file, const struct sn_gen_opts *o,
               struct sn_arena *a, struct sn_gen_files *ret)
{
    struct rpc g = {.o = o, .arena = a, .files = ret};
    void *parsed;
    uint32_t methods = 0;
    *ret = (struct sn_gen_files){.arena = a};
    int r = sn_pb_parse(&google_protobuf_file_descriptor_set_desc, set, 0, a, &parsed);
    if (r < 0) return sn_wrap(r == SN_E_NOMEM ? r : SN_E_SYNTAX, "descriptor set");
    g.set = parsed;
    for (uint32_t i = 0; i < g.set->file.len; i++)
        if (sn_str_eq(g.set->file.ptr[i]->name, file)) g.file = g.set->file.ptr[i];
    if (!g.file)
        return sn_fail(SN_E_NOT_FOUND, "%.*s is not in the descriptor set", SN_STR_ARG(file));
    for (uint32_t i = 0; i < g.file->service.len; i++)
        methods += g.file->service.ptr[i]->method.len;
    if (!methods)
        return sn_fail(SN_E_INVALID_ARGUMENT, "%.*s: expected a service with a method",
                       SN_STR_ARG(file));
    g.base = file;
    if (sn_str_ends(g.base, SN_STR(".proto"))) g.base.len -= 6;
    g.name = sn_gen_snake(a, g.base);
    if (!g.name) return SN_E_NOMEM;
    r = header(&g);
    if (r == 0) r = source(&g);
    if (r == 0) r = test_source(&g);
    if (r < 0 || o->flat) return r;
    r = build(&g);
    if (r == 0) r = handlers(&g);
    if (r == 0) r = yours(&g);
    return r < 0 ? r : gen_dockerfile(g.name, ret);
}

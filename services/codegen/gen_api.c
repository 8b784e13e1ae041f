/* SPDX-License-Identifier: Apache-2.0 */
/* codegen/gen_api.c - the project of a REST service: routes, handlers, program, test, build. */
#include "codegen/gen_api_int.h"

GEN_TEMPLATE(api_service_h);
GEN_TEMPLATE(api_service_c);
GEN_TEMPLATE(main_c);
GEN_TEMPLATE(meson);
GEN_TEMPLATE(makefile);
GEN_TEMPLATE(config);
GEN_TEMPLATE(api_readme);
GEN_TEMPLATE(middleware);
GEN_TEMPLATE(gitignore);

/* ---- routes ---- */

static void emit_handler(struct sn_buf *b, const struct sn_api_route *r, const char *end)
{
    sn_buf_printf(b, "int %s(struct sn_rest_call *call", r->c_name);
    if (r->req) sn_buf_printf(b, ", const struct %s *req", r->req->c_name);
    if (r->resp) {
        sn_buf_cstr(b, ",\n    ");
        gen_api_answer(b, r);
        sn_buf_cstr(b, " *ret");
    }
    sn_buf_printf(b, ")%s\n", end);
}
/* The names of a route's middlewares one after the other: false at the end. */
static bool next_middleware(struct sn_str *list, struct sn_str *ret)
{
    while (list->ptr) {
        *ret = sn_str_trim(sn_str_cut(list, ','));
        if (ret->len) return true;
    }
    return false;
}
static bool seen_before(const struct gen_api *g, const struct sn_api_route *until,
                        struct sn_str name)
{
    for (const struct sn_api_route *r = g->api->routes; r != until; r = r->next) {
        struct sn_str list = r->middleware, m;
        while (next_middleware(&list, &m))
            if (sn_str_eq(m, name)) return true;
    }
    return false;
}

static int routes_header(struct gen_api *g)
{
    struct sn_buf b;
    const char *p = g->api->c_name;
    sn_buf_init(&b, 0);
    gen_head(&b, "sennit gen api", g->o->source);
    sn_buf_printf(&b, "#pragma once\n#include \"%s.gen.h\"\n\n/* ---- handlers: yours ---- */\n\n",
                  p);
    for (const struct sn_api_route *r = g->api->routes; r; r = r->next) emit_handler(&b, r, ";");
    sn_buf_cstr(&b, "\n/* ---- middlewares: yours; they go on by sn_rest_next ---- */\n\n");
    for (const struct sn_api_route *r = g->api->routes; r; r = r->next) {
        struct sn_str list = r->middleware, m;
        while (next_middleware(&list, &m))
            if (!seen_before(g, r, m))
                sn_buf_printf(&b, "int %s_around_%s(struct sn_rest_call *call);\n", p,
                              gen_text(&b, sn_gen_snake(g->arena, m)));
    }
    sn_buf_printf(&b, "\nextern const struct sn_rest_route %s_routes[]; /* %s_METHODS of them */\n",
                  p, gen_text(&b, sn_gen_upper(g->arena, p)));
    return gen_add(g->files, SN_GEN_OURS, &b, "%s%s_routes.gen.h", gen_api_dir(g), p);
}

static void emit_thunk(struct sn_buf *b, const struct sn_api_route *r)
{
    sn_buf_printf(b,
                  "static int serve_%s(struct sn_rest_call *call, const void *req, void *ret)\n{\n",
                  r->c_name);
    if (!r->req) sn_buf_cstr(b, "    (void)req;\n");
    if (!r->resp) sn_buf_cstr(b, "    (void)ret;\n");
    sn_buf_printf(b, "    return %s(call%s%s);\n}\n", r->c_name, r->req ? ", req" : "",
                  r->resp ? ", ret" : "");
}
static int routes_source(struct gen_api *g)
{
    struct sn_buf b;
    const char *p = g->api->c_name;
    unsigned i = 0;
    sn_buf_init(&b, 0);
    gen_head(&b, "sennit gen api", g->o->source);
    sn_buf_printf(&b, "#include \"%s_routes.gen.h\"\n\n", p);
    for (const struct sn_api_route *r = g->api->routes; r; r = r->next) emit_thunk(&b, r);
    sn_buf_printf(&b, "\nconst struct sn_rest_route %s_routes[] = {\n", p);
    for (const struct sn_api_route *r = g->api->routes; r; r = r->next, i++) {
        struct sn_str list = r->middleware, m;
        sn_buf_printf(&b, "    {.m = &%s_methods[%s], .serve = serve_%s", p,
                      gen_text(&b, sn_gen_upper(g->arena, r->c_name)), r->c_name);
        if (r->jwt.len) sn_buf_printf(&b, ", .jwt = \"%.*s\"", SN_STR_ARG(r->jwt));
        if (r->timeout_ns) sn_buf_printf(&b, ", .timeout_ns = %lld", (long long)r->timeout_ns);
        if (r->bytes_max)
            sn_buf_printf(&b, ", .bytes_max = %llu", (unsigned long long)r->bytes_max);
        if (next_middleware(&list, &m)) {
            sn_buf_cstr(&b, ",\n     .around = (const sn_rest_around[]){");
            do sn_buf_printf(&b, "%s_around_%s, ", p, gen_text(&b, sn_gen_snake(g->arena, m)));
            while (next_middleware(&list, &m));
            sn_buf_cstr(&b, "NULL}");
        }
        sn_buf_cstr(&b, "},\n");
    }
    sn_buf_cstr(&b, "};\n");
    return gen_add(g->files, SN_GEN_OURS, &b, "%s%s_routes.gen.c", gen_api_dir(g), p);
}

static int test_source(struct gen_api *g)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    gen_head(&b, "sennit gen api", g->o->source);
    sn_buf_printf(
        &b,
        "/* Starts the service on a free port and calls every route. */\n#include \"%s.h\"\n\n"
        "int main(int argc, char **argv)\n{\n"
        "    return sn_daemon_self_test(&%s_app, argc, argv);\n}\n",
        g->api->c_name, g->api->c_name);
    return gen_add(g->files, SN_GEN_OURS, &b, "%s%s_test.gen.c", gen_api_dir(g), g->api->c_name);
}
static int openapi(struct gen_api *g)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    int r = sn_gen_openapi(g->api, &b);
    if (r < 0) {
        sn_buf_done(&b);
        return r;
    }
    return gen_add(g->files, SN_GEN_OURS, &b, "%s%s.openapi.json", gen_api_dir(g), g->api->c_name);
}

/* ---- what is yours ---- */

static const char *handler_path(struct gen_api *g, const struct sn_api_route *r)
{
    struct sn_str base = r->handler;
    if (sn_str_ends(base, SN_STR("Handler")) && base.len > 7) base.len -= 7;
    const char *file = gen_file_name(g->arena, base, g->o->style);
    if (!file) return NULL;
    return sn_arena_printf(g->arena, "handlers/%.*s%s%s.c", SN_STR_ARG(r->group),
                           r->group.len ? "/" : "", file)
        .ptr;
}
static int handlers(struct gen_api *g)
{
    int e = 0;
    for (const struct sn_api_route *r = g->api->routes; r && e == 0; r = r->next) {
        struct sn_buf b;
        sn_buf_init(&b, 0);
        sn_buf_printf(&b, "/* %.*s %.*s%s%.*s */\n#include \"%s.h\"\n\n", SN_STR_ARG(r->method),
                      SN_STR_ARG(r->path), r->summary.len ? " - " : "", SN_STR_ARG(r->summary),
                      g->api->c_name);
        emit_handler(&b, r, "\n{");
        sn_buf_printf(
            &b,
            "    return sn_rest_fail(call, SN_E_UNIMPLEMENTED, \"%.*s is not written yet\");\n}\n",
            SN_STR_ARG(r->handler));
        e = gen_add(g->files, SN_GEN_YOURS, &b, "%s", gen_text(&b, handler_path(g, r)));
    }
    return e;
}
static int middlewares(struct gen_api *g)
{
    int e = 0;
    for (const struct sn_api_route *r = g->api->routes; r; r = r->next) {
        struct sn_str list = r->middleware, m;
        while (next_middleware(&list, &m) && e == 0) {
            if (seen_before(g, r, m)) continue;
            const char *snake = sn_gen_snake(g->arena, m), *name = sn_arena_str(g->arena, m).ptr;
            struct sn_buf b;
            if (!snake || !name) return SN_E_NOMEM;
            const struct gen_var vars[] = {{"name", g->api->c_name},
                                           {"snake", snake},
                                           {"Middleware", name},
                                           {0}};
            sn_buf_init(&b, 0);
            gen_template(&b, gen_t_middleware, gen_t_middleware_len, vars);
            e = gen_add(g->files, SN_GEN_YOURS, &b, "middleware/%s.c",
                        gen_text(&b, gen_file_name(g->arena, m, g->o->style)));
        }
    }
    return e;
}

/* gen/meson.build: every source by name, so that the build above needs no change when routes come.
 */
static int sources(struct gen_api *g)
{
    struct sn_buf b;
    const char *p = g->api->c_name;
    sn_buf_init(&b, 0);
    sn_buf_printf(&b,
                  "# Generated by `sennit gen api`; edits are lost.\n%s_src = files(\n    "
                  "'%s_routes.gen.c',\n"
                  "    '%s_types.gen.c',\n    '../service.c',\n",
                  p, p, p);
    for (const struct sn_api_route *r = g->api->routes; r; r = r->next)
        sn_buf_printf(&b, "    '../%s',\n", gen_text(&b, handler_path(g, r)));
    for (const struct sn_api_route *r = g->api->routes; r; r = r->next) {
        struct sn_str list = r->middleware, m;
        while (next_middleware(&list, &m))
            if (!seen_before(g, r, m))
                sn_buf_printf(&b, "    '../middleware/%s.c',\n",
                              gen_text(&b, gen_file_name(g->arena, m, g->o->style)));
    }
    sn_buf_printf(&b,
                  ")\n%s_headers = []\n%s_test_src = files('%s_test.gen.c')\n%s_inc = "
                  "include_directories('.', '..')\n",
                  p, p, p, p);
    return gen_add(g->files, SN_GEN_OURS, &b, "gen/meson.build");
}

/* "    # jwt: ..." of the key sets that routes name, and the same as defaults for the test. */
static void jwt_config(struct gen_api *g, struct sn_buf *b)
{
    bool any = false;
    for (const struct sn_api_route *r = g->api->routes; r; r = r->next) {
        bool before = !r->jwt.len;
        for (const struct sn_api_route *o = g->api->routes; o != r; o = o->next)
            before = before || sn_str_eq(o->jwt, r->jwt);
        if (before) continue;
        sn_buf_printf(b,
                      "%s  %.*s:\n    # The first line of this file is the secret of HS256.\n"
                      "    secret_file: etc/%.*s.secret\n",
                      any ? "" : "jwt:\n", SN_STR_ARG(r->jwt), SN_STR_ARG(r->jwt));
        any = true;
    }
}
static int yours(struct gen_api *g)
{
    struct sn_buf jwt;
    const char *p = g->api->c_name;
    ssize_t slash = sn_str_rchr(g->o->source, '/');
    sn_buf_init(&jwt, 0);
    jwt_config(g, &jwt);
    const struct gen_var vars[] = {
        {"name", p},
        {"NAME", sn_gen_upper(g->arena, p)},
        {"service", sn_arena_str(g->arena, g->api->name).ptr},
        {"jwt", sn_buf_cz(&jwt)},
        {"kind", "api"},
        {"flag", "api"},
        {"source", sn_arena_str(g->arena, sn_str_from(g->o->source, (size_t)(slash + 1))).ptr},
        {0},
    };
    static const struct {
        const char *path;
        const unsigned char *text;
        const size_t *len;
    } files[] = {{"main.c", gen_t_main_c, &gen_t_main_c_len},
                 {"service.c", gen_t_api_service_c, &gen_t_api_service_c_len},
                 {"meson.build", gen_t_meson, &gen_t_meson_len},
                 {"Makefile", gen_t_makefile, &gen_t_makefile_len},
                 {"README.md", gen_t_api_readme, &gen_t_api_readme_len},
                 {".gitignore", gen_t_gitignore, &gen_t_gitignore_len}};
    int r = jwt.err;
    struct sn_buf b;
    for (size_t i = 0; i < SN_COUNT_OF(files) && r == 0; i++) {
        sn_buf_init(&b, 0);
        gen_template(&b, files[i].text, *files[i].len, vars);
        r = gen_add(g->files, SN_GEN_YOURS, &b, "%s", files[i].path);
    }
    sn_buf_init(&b, 0);
    if (r == 0) gen_template(&b, gen_t_api_service_h, gen_t_api_service_h_len, vars);
    if (r == 0) r = gen_add(g->files, SN_GEN_YOURS, &b, "%s.h", p);
    if (r == 0) gen_template(&b, gen_t_config, gen_t_config_len, vars);
    if (r == 0) r = gen_add(g->files, SN_GEN_YOURS, &b, "etc/%s.yaml", p);
    sn_buf_done(&b);
    sn_buf_done(&jwt);
    return r;
}

int sn_gen_api(const struct sn_api *api, const struct sn_gen_opts *o, struct sn_gen_files *ret)
{
    struct gen_api g = {.api = api, .o = o, .arena = api->arena, .files = ret};
    if (!api->name.len || !api->routes)
        return sn_fail(SN_E_INVALID_ARGUMENT, "%.*s: expected a service with a route",
                       SN_STR_ARG(api->files[0].path));
    *ret = (struct sn_gen_files){.arena = api->arena};
    int r = gen_api_collect(&g);
    if (r == 0) r = gen_api_header(&g);
    if (r == 0) r = gen_api_tables(&g);
    if (r == 0) r = routes_header(&g);
    if (r == 0) r = routes_source(&g);
    if (r == 0) r = test_source(&g);
    if (r == 0) r = openapi(&g);
    if (r < 0 || o->flat) return r;
    r = sources(&g);
    if (r == 0) r = handlers(&g);
    if (r == 0) r = middlewares(&g);
    if (r == 0) r = yours(&g);
    return r < 0 ? r : gen_dockerfile(api->c_name, ret);
}

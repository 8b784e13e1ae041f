/* SPDX-License-Identifier: Apache-2.0 */
/* codegen/gen_api_types.c - the C structs of a REST service and their tables. */
#include "codegen/gen_api_int.h"

/* ---- C types ---- */

/* The space between a type and a name: none after a '*'. */
static void gap(struct sn_buf *b)
{
    if (!b->len || b->ptr[b->len - 1] != '*') sn_buf_byte(b, ' ');
}
void gen_api_c_type(struct gen_api *g, struct sn_buf *b, const struct sn_api_type *t,
                    const char *hint)
{
    switch (t->kind) {
    case SN_API_BOOL: sn_buf_cstr(b, "bool"); break;
    case SN_API_INT: sn_buf_printf(b, "int%u_t", t->bits); break;
    case SN_API_UINT: sn_buf_printf(b, "uint%u_t", t->bits); break;
    case SN_API_FLOAT: sn_buf_cstr(b, t->bits == 32 ? "float" : "double"); break;
    case SN_API_STRING:
    case SN_API_BYTES: sn_buf_cstr(b, "struct sn_str"); break;
    case SN_API_ANY: sn_buf_cstr(b, "const struct sn_json *"); break;
    case SN_API_POINTER:
        gen_api_c_type(g, b, t->elem, hint);
        gap(b);
        sn_buf_byte(b, '*');
        break;
    case SN_API_LIST:
        sn_buf_cstr(b, "struct { ");
        gen_api_c_type(g, b, t->elem, hint);
        gap(b);
        sn_buf_cstr(b, "*ptr; size_t len; }");
        break;
    case SN_API_MAP: {
        const char *inner = sn_arena_printf(g->arena, "%s_value", hint).ptr;
        sn_buf_printf(b, "struct { struct %s_entry { struct sn_str key; ", hint);
        gen_api_c_type(g, b, t->elem, gen_text(b, inner));
        gap(b);
        sn_buf_cstr(b, "value; } *ptr; size_t len; }");
        break;
    }
    default: sn_buf_printf(b, "struct %s", t->c_name); break;
    }
}

void gen_api_node(struct sn_buf *b, const struct sn_api_type *t)
{
    switch (t->kind) {
    case SN_API_BOOL: sn_buf_cstr(b, "SN_REST_T(BOOL)"); break;
    case SN_API_INT: sn_buf_printf(b, "SN_REST_T(INT, %u)", t->bits / 8); break;
    case SN_API_UINT: sn_buf_printf(b, "SN_REST_T(UINT, %u)", t->bits / 8); break;
    case SN_API_FLOAT: sn_buf_printf(b, "SN_REST_T(FLOAT, %u)", t->bits / 8); break;
    case SN_API_STRING: sn_buf_cstr(b, "SN_REST_T(STRING)"); break;
    case SN_API_BYTES: sn_buf_cstr(b, "SN_REST_T(BYTES)"); break;
    case SN_API_ANY: sn_buf_cstr(b, "SN_REST_T(ANY)"); break;
    case SN_API_LIST:
    case SN_API_MAP:
    case SN_API_POINTER:
        sn_buf_printf(b, "SN_REST_T(%s, .elem = ",
                      t->kind == SN_API_LIST  ? "LIST"
                      : t->kind == SN_API_MAP ? "MAP"
                                              : "POINTER");
        gen_api_node(b, t->elem);
        sn_buf_byte(b, ')');
        break;
    default: sn_buf_printf(b, "SN_REST_T(STRUCT, .st = &%s_desc)", t->c_name); break;
    }
}

/* ---- order: what a struct holds by value comes before it ---- */

static int visit(struct gen_api *g, struct sn_api_type *t)
{
    struct sn_api_type *body = (struct sn_api_type *)(uintptr_t)sn_api_body(t);
    int r = 0;
    if (t->kind == SN_API_LIST || t->kind == SN_API_MAP || t->kind == SN_API_POINTER)
        return t->kind == SN_API_MAP ? visit(g, t->elem) : 0;
    if (t->kind != SN_API_STRUCT) return 0;
    for (size_t i = 0; i < g->n_structs; i++)
        if (g->structs[i] == body) return 0;
    for (struct sn_api_field *f = body->fields; f && r == 0; f = f->next) r = visit(g, f->type);
    if (r < 0) return r;
    if (g->n_structs == g->cap_structs) {
        size_t cap = SN_MAX((size_t)64, 2 * g->cap_structs);
        struct sn_api_type **more = SN_ARENA_ARRAY(g->arena, struct sn_api_type *, cap);
        if (!more) return SN_E_NOMEM;
        if (g->n_structs) memcpy(more, g->structs, g->n_structs * sizeof(*more));
        g->structs = more;
        g->cap_structs = cap;
    }
    g->structs[g->n_structs++] = body;
    return 0;
}
int gen_api_collect(struct gen_api *g)
{
    int r = 0;
    for (struct sn_api_decl *d = g->api->decls; d && r == 0; d = d->next)
        if (d->type->kind == SN_API_STRUCT) r = visit(g, d->type);
    for (struct sn_api_route *route = g->api->routes; route; route = route->next) g->n_routes++;
    return r;
}

/* ---- P.gen.h ---- */

/* Text of the description inside a C comment. */
static void comment_text(struct sn_buf *b, struct sn_str s)
{
    for (size_t i = 0; i < s.len && i < 400; i++) {
        char c = s.ptr[i];
        if (c == '*' && i + 1 < s.len && s.ptr[i + 1] == '/') continue;
        sn_buf_byte(b, (uint8_t)(c == '\n' || c == '\r' || c == '\t' ? ' ' : c));
    }
}
static void emit_struct(struct gen_api *g, struct sn_buf *b, const struct sn_api_type *st)
{
    if (st->decl && st->decl->doc.len) {
        sn_buf_cstr(b, "/* ");
        comment_text(b, st->decl->doc);
        sn_buf_cstr(b, " */\n");
    }
    sn_buf_printf(b, "struct %s {\n", st->c_name);
    for (const struct sn_api_field *f = st->fields; f; f = f->next) {
        const char *hint = sn_arena_printf(g->arena, "%s_%s", st->c_name, f->c_name).ptr;
        sn_buf_cstr(b, "    ");
        gen_api_c_type(g, b, f->type, gen_text(b, hint));
        gap(b);
        sn_buf_printf(b, "%s;", f->c_name);
        if (f->doc.len) {
            sn_buf_cstr(b, " /* ");
            comment_text(b, f->doc);
            sn_buf_cstr(b, " */");
        }
        sn_buf_byte(b, '\n');
    }
    if (!st->fields) sn_buf_cstr(b, "    char none;\n");
    sn_buf_cstr(b, "};\n");
}

void gen_api_answer(struct sn_buf *b, const struct sn_api_route *r)
{
    if (r->resp->kind == SN_API_STRUCT)
        sn_buf_printf(b, "struct %s", r->resp->c_name);
    else
        sn_buf_printf(b, "%s_answer", r->c_name);
}

int gen_api_header(struct gen_api *g)
{
    struct sn_buf b;
    const char *p = g->api->c_name;
    unsigned i = 0;
    sn_buf_init(&b, 0);
    gen_head(&b, "sennit gen api", g->o->source);
    sn_buf_cstr(&b, "#pragma once\n#include \"app/rest.h\"\n\n/* ---- types ---- */\n\n");
    for (size_t k = 0; k < g->n_structs; k++)
        sn_buf_printf(&b, "struct %s;\n", g->structs[k]->c_name);
    sn_buf_byte(&b, '\n');
    for (size_t k = 0; k < g->n_structs; k++) emit_struct(g, &b, g->structs[k]);
    sn_buf_byte(&b, '\n');
    for (size_t k = 0; k < g->n_structs; k++)
        sn_buf_printf(&b, "extern const struct sn_rest_struct %s_desc;\n", g->structs[k]->c_name);
    sn_buf_cstr(&b, "\n/* ---- methods ---- */\n\n");
    for (const struct sn_api_route *r = g->api->routes; r; r = r->next) {
        if (!r->resp || r->resp->kind == SN_API_STRUCT) continue;
        sn_buf_cstr(&b, "typedef ");
        gen_api_c_type(g, &b, r->resp, r->c_name);
        sn_buf_printf(&b, " %s_answer;\n", r->c_name);
    }
    sn_buf_printf(&b, "enum %s_method {\n", p);
    for (const struct sn_api_route *r = g->api->routes; r; r = r->next)
        sn_buf_printf(&b, "    %s, /* %.*s %.*s */\n",
                      gen_text(&b, sn_gen_upper(g->arena, r->c_name)), SN_STR_ARG(r->method),
                      SN_STR_ARG(r->path));
    sn_buf_printf(&b, "    %s_METHODS,\n};\nextern const struct sn_rest_method %s_methods[];\n",
                  gen_text(&b, sn_gen_upper(g->arena, p)), p);
    sn_buf_cstr(&b, "\n/* ---- client: sn_rest_client_call, typed ---- */\n\n");
    for (const struct sn_api_route *r = g->api->routes; r; r = r->next, i++) {
        sn_buf_printf(&b, "/* %.*s %.*s", SN_STR_ARG(r->method), SN_STR_ARG(r->path));
        if (r->summary.len) sn_buf_cstr(&b, " - "), comment_text(&b, r->summary);
        sn_buf_printf(&b, " */\nstatic inline int %s_call(struct sn_rest_client *c", r->c_name);
        if (r->req) sn_buf_printf(&b, ", const struct %s *req", r->req->c_name);
        sn_buf_cstr(&b, ", struct sn_arena *a");
        if (r->resp) {
            sn_buf_cstr(&b, ",\n    ");
            gen_api_answer(&b, r);
            sn_buf_cstr(&b, " *ret");
        }
        sn_buf_printf(&b,
                      ")\n{\n    return sn_rest_client_call(c, &%s_methods[%s], %s, a, %s);\n}\n",
                      p, gen_text(&b, sn_gen_upper(g->arena, r->c_name)), r->req ? "req" : "NULL",
                      r->resp ? "ret" : "NULL");
    }
    return gen_add(g->files, SN_GEN_OURS, &b, "%s%s.gen.h", gen_api_dir(g), p);
}

/* ---- P_types.gen.c ---- */

static void emit_bound(struct sn_buf *b, const char *name, struct sn_str v, bool open)
{
    if (!v.ptr) return;
    sn_buf_printf(b, ", .has_%s = true, .%s = %.*s", name, name, SN_STR_ARG(v));
    if (open) sn_buf_printf(b, ", .%s_open = true", name);
}
static void emit_field(struct sn_buf *b, const struct sn_api_type *st, const struct sn_api_field *f)
{
    static const char *const where[] = {NULL, "PATH", "FORM", "HEADER"};
    if (f->where == SN_API_NOWHERE) return;
    sn_buf_cstr(b, "    {.name = ");
    gen_c_string(b, f->wire);
    sn_buf_cstr(b, ", .type = ");
    gen_api_node(b, f->type);
    sn_buf_printf(b, ", .offset = offsetof(struct %s, %s)", st->c_name, f->c_name);
    if (f->where != SN_API_JSON) sn_buf_printf(b, ", .where = SN_REST_IN_%s", where[f->where]);
    if (f->optional) sn_buf_cstr(b, ", .optional = true");
    if (f->as_string) sn_buf_cstr(b, ", .as_string = true");
    if (f->def.ptr) {
        sn_buf_cstr(b, ", .def = ");
        gen_c_string(b, f->def);
    }
    if (f->n_options) {
        sn_buf_cstr(b, ",\n     .options = (const char *const[]){");
        for (uint32_t i = 0; i < f->n_options; i++) {
            gen_c_string(b, f->options[i]);
            sn_buf_cstr(b, ", ");
        }
        sn_buf_cstr(b, "NULL}");
    }
    emit_bound(b, "min", f->min, f->min_open);
    emit_bound(b, "max", f->max, f->max_open);
    sn_buf_cstr(b, "},\n");
}
static bool travels(const struct sn_api_type *st)
{
    for (const struct sn_api_field *f = st->fields; f; f = f->next)
        if (f->where != SN_API_NOWHERE) return true;
    return false;
}
int gen_api_tables(struct gen_api *g)
{
    struct sn_buf b;
    const char *p = g->api->c_name;
    sn_buf_init(&b, 0);
    gen_head(&b, "sennit gen api", g->o->source);
    sn_buf_printf(&b, "#include \"%s.gen.h\"\n\n#include <stddef.h>\n", p);
    for (size_t k = 0; k < g->n_structs; k++) {
        const struct sn_api_type *st = g->structs[k];
        sn_buf_byte(&b, '\n');
        if (travels(st)) {
            sn_buf_printf(&b, "static const struct sn_rest_field %s_fields[] = {\n", st->c_name);
            for (const struct sn_api_field *f = st->fields; f; f = f->next) emit_field(&b, st, f);
            sn_buf_cstr(&b, "};\n");
        }
        sn_buf_printf(&b, "const struct sn_rest_struct %s_desc = {.name = ", st->c_name);
        gen_c_string(&b, st->decl ? st->decl->name : sn_str(st->c_name));
        sn_buf_printf(&b, ", .size = sizeof(struct %s)", st->c_name);
        if (travels(st))
            sn_buf_printf(&b,
                          ",\n    .fields = %s_fields,\n    .n_fields = sizeof(%s_fields) / "
                          "sizeof(%s_fields[0])",
                          st->c_name, st->c_name, st->c_name);
        sn_buf_cstr(&b, "};\n");
    }
    sn_buf_printf(&b, "\nconst struct sn_rest_method %s_methods[] = {\n", p);
    for (const struct sn_api_route *r = g->api->routes; r; r = r->next) {
        sn_buf_printf(&b, "    {.name = \"%.*s %.*s\", .method = \"%.*s\", .path = \"%.*s\"",
                      SN_STR_ARG(r->method), SN_STR_ARG(r->path), SN_STR_ARG(r->method),
                      SN_STR_ARG(r->path));
        if (r->req) sn_buf_printf(&b, ",\n     .req = &%s_desc", r->req->c_name);
        if (r->resp) {
            sn_buf_cstr(&b, ", .resp = ");
            gen_api_node(&b, r->resp);
        }
        sn_buf_cstr(&b, "},\n");
    }
    sn_buf_cstr(&b, "};\n");
    return gen_add(g->files, SN_GEN_OURS, &b, "%s%s_types.gen.c", gen_api_dir(g), p);
}

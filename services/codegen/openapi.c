/* SPDX-License-Identifier: Apache-2.0 */
/* codegen/openapi.c - an OpenAPI 3.0.3 document of an .api description. */
#include <stdio.h>

#include "codegen/gen_int.h"
#include "wire/json.h"

static void kstr(struct sn_jsonw *w, const char *key, const char *v)
{
    sn_jsonw_kstr(w, key, sn_str(v));
}
static void raw_number(struct sn_jsonw *w, const char *key, struct sn_str v)
{
    double d;
    if (!v.ptr || sn_str_to_double(v, &d) < 0) return;
    sn_jsonw_key(w, sn_str(key));
    sn_jsonw_double(w, d);
}
/* A default or an option in the field's own JSON type. */
static void literal(struct sn_jsonw *w, const struct sn_api_type *t, struct sn_str v)
{
    int64_t i;
    uint64_t u;
    double d;
    if (t->kind == SN_API_POINTER) t = t->elem;
    if (t->kind == SN_API_INT && sn_str_to_i64(v, &i) == 0)
        sn_jsonw_i64(w, i);
    else if (t->kind == SN_API_UINT && sn_str_to_u64(v, &u) == 0)
        sn_jsonw_u64(w, u);
    else if (t->kind == SN_API_FLOAT && sn_str_to_double(v, &d) == 0)
        sn_jsonw_double(w, d);
    else if (t->kind == SN_API_BOOL)
        sn_jsonw_bool(w, sn_str_eqc(v, "true"));
    else
        sn_jsonw_str(w, v);
}
static void schema_members(struct sn_jsonw *w, const struct sn_api_type *t,
                           const struct sn_api_field *f);

static void schema_ref(struct sn_jsonw *w, const struct sn_api_type *t)
{
    char text[256];
    snprintf(text, sizeof text, "#/components/schemas/%s", t->c_name);
    kstr(w, "$ref", text);
}
static void schema(struct sn_jsonw *w, const struct sn_api_type *t, const struct sn_api_field *f)
{
    sn_jsonw_object(w);
    schema_members(w, t, f);
    sn_jsonw_object_end(w);
}
static void integer(struct sn_jsonw *w, const struct sn_api_type *t)
{
    kstr(w, "type", "integer");
    kstr(w, "format", t->bits == 64 ? "int64" : "int32");
    if (t->kind == SN_API_UINT) sn_jsonw_ki64(w, "minimum", 0);
}
static void schema_members(struct sn_jsonw *w, const struct sn_api_type *t,
                           const struct sn_api_field *f)
{
    bool quoted = f && f->as_string;
    if (t->kind == SN_API_POINTER) t = t->elem;
    switch (t->kind) {
    case SN_API_BOOL: kstr(w, "type", quoted ? "string" : "boolean"); break;
    case SN_API_INT:
    case SN_API_UINT:
        if (quoted)
            kstr(w, "type", "string");
        else if (f && (f->min.ptr || f->max.ptr)) {
            kstr(w, "type", "integer");
            kstr(w, "format", t->bits == 64 ? "int64" : "int32");
        } else
            integer(w, t);
        break;
    case SN_API_FLOAT:
        kstr(w, "type", quoted ? "string" : "number");
        if (!quoted) kstr(w, "format", t->bits == 32 ? "float" : "double");
        break;
    case SN_API_STRING: kstr(w, "type", "string"); break;
    case SN_API_BYTES:
        kstr(w, "type", "string");
        kstr(w, "format", "byte");
        break;
    case SN_API_LIST:
        kstr(w, "type", "array");
        sn_jsonw_key(w, SN_STR("items"));
        schema(w, t->elem, NULL);
        break;
    case SN_API_MAP:
        kstr(w, "type", "object");
        sn_jsonw_key(w, SN_STR("additionalProperties"));
        schema(w, t->elem, NULL);
        break;
    case SN_API_STRUCT: schema_ref(w, t); return; /* members beside a $ref are not read */
    default: break;
    }
    if (!f) return;
    if (f->doc.len) sn_jsonw_kstr(w, "description", f->doc);
    if (f->n_options) {
        sn_jsonw_key(w, SN_STR("enum"));
        sn_jsonw_array(w);
        for (uint32_t i = 0; i < f->n_options; i++) literal(w, t, f->options[i]);
        sn_jsonw_array_end(w);
    }
    if (f->def.ptr) {
        sn_jsonw_key(w, SN_STR("default"));
        literal(w, t, f->def);
    }
    raw_number(w, "minimum", f->min);
    raw_number(w, "maximum", f->max);
    if (f->min.ptr && f->min_open) sn_jsonw_kbool(w, "exclusiveMinimum", true);
    if (f->max.ptr && f->max_open) sn_jsonw_kbool(w, "exclusiveMaximum", true);
}
static bool required(const struct sn_api_field *f) { return !f->optional && !f->def.ptr; }

/* The fields of a struct that travel in JSON. */
static void object_schema(struct sn_jsonw *w, const struct sn_api_type *st)
{
    bool any = false;
    sn_jsonw_object(w);
    kstr(w, "type", "object");
    if (st->decl && st->decl->doc.len) sn_jsonw_kstr(w, "description", st->decl->doc);
    sn_jsonw_key(w, SN_STR("properties"));
    sn_jsonw_object(w);
    for (const struct sn_api_field *f = st->fields; f; f = f->next) {
        if (f->where != SN_API_JSON) continue;
        sn_jsonw_key(w, f->wire);
        schema(w, f->type, f);
        any = any || required(f);
    }
    sn_jsonw_object_end(w);
    if (any) {
        sn_jsonw_key(w, SN_STR("required"));
        sn_jsonw_array(w);
        for (const struct sn_api_field *f = st->fields; f; f = f->next)
            if (f->where == SN_API_JSON && required(f)) sn_jsonw_str(w, f->wire);
        sn_jsonw_array_end(w);
    }
    sn_jsonw_object_end(w);
}

static void parameters(struct sn_jsonw *w, const struct sn_api_route *r)
{
    static const char *const in[] = {
        [SN_API_PATH] = "path", [SN_API_FORM] = "query", [SN_API_HEADER] = "header"};
    const struct sn_api_type *st = r->req ? sn_api_body(r->req) : NULL;
    struct sn_str rest = r->path;
    sn_jsonw_key(w, SN_STR("parameters"));
    sn_jsonw_array(w);
    while (rest.ptr) { /* every variable of the path must be described, in the request or not */
        struct sn_str seg = sn_str_cut(&rest, '/');
        bool known = false;
        if (!seg.len || seg.ptr[0] != ':') continue;
        seg = sn_str_from(seg, 1);
        for (const struct sn_api_field *f = st ? st->fields : NULL; f; f = f->next)
            known = known || (f->where == SN_API_PATH && sn_str_eq(f->wire, seg));
        if (known) continue;
        sn_jsonw_object(w);
        sn_jsonw_kstr(w, "name", seg);
        kstr(w, "in", "path");
        sn_jsonw_kbool(w, "required", true);
        sn_jsonw_key(w, SN_STR("schema"));
        sn_jsonw_raw(w, SN_STR("{\"type\":\"string\"}"));
        sn_jsonw_object_end(w);
    }
    for (const struct sn_api_field *f = st ? st->fields : NULL; f; f = f->next) {
        if (f->where == SN_API_JSON || f->where == SN_API_NOWHERE) continue;
        sn_jsonw_object(w);
        sn_jsonw_kstr(w, "name", f->wire);
        kstr(w, "in", in[f->where]);
        sn_jsonw_kbool(w, "required", f->where == SN_API_PATH || required(f));
        sn_jsonw_key(w, SN_STR("schema"));
        schema(w, f->type, f);
        sn_jsonw_object_end(w);
    }
    sn_jsonw_array_end(w);
}
static void content(struct sn_jsonw *w, const struct sn_api_type *t)
{
    sn_jsonw_key(w, SN_STR("content"));
    sn_jsonw_object(w);
    sn_jsonw_key(w, SN_STR("application/json"));
    sn_jsonw_object(w);
    sn_jsonw_key(w, SN_STR("schema"));
    schema(w, t, NULL);
    sn_jsonw_object_end(w);
    sn_jsonw_object_end(w);
}
static bool has_json(const struct sn_api_type *t)
{
    for (const struct sn_api_field *f = t ? sn_api_body(t)->fields : NULL; f; f = f->next)
        if (f->where == SN_API_JSON) return true;
    return false;
}
static void operation(struct sn_jsonw *w, const struct sn_api_route *r)
{
    sn_jsonw_object(w);
    kstr(w, "operationId", r->c_name);
    if (r->summary.len) sn_jsonw_kstr(w, "summary", r->summary);
    if (r->group.len) {
        sn_jsonw_key(w, SN_STR("tags"));
        sn_jsonw_array(w);
        sn_jsonw_str(w, r->group);
        sn_jsonw_array_end(w);
    }
    parameters(w, r);
    if (has_json(r->req) && !sn_str_eqc(r->method, "GET") && !sn_str_eqc(r->method, "HEAD")) {
        sn_jsonw_key(w, SN_STR("requestBody"));
        sn_jsonw_object(w);
        sn_jsonw_kbool(w, "required", true);
        content(w, r->req);
        sn_jsonw_object_end(w);
    }
    if (r->jwt.len) {
        sn_jsonw_key(w, SN_STR("security"));
        sn_jsonw_raw(w, SN_STR("[{\"bearer\":[]}]"));
    }
    sn_jsonw_key(w, SN_STR("responses"));
    sn_jsonw_object(w);
    sn_jsonw_key(w, SN_STR("200"));
    sn_jsonw_object(w);
    kstr(w, "description", "The answer.");
    if (r->resp) content(w, r->resp);
    sn_jsonw_object_end(w);
    sn_jsonw_key(w, SN_STR("default"));
    sn_jsonw_raw(
        w, SN_STR("{\"description\":\"A failure.\",\"content\":{\"application/json\":{\"schema\":"
                  "{\"$ref\":\"#/components/schemas/Failure\"}}}}"));
    sn_jsonw_object_end(w);
    sn_jsonw_object_end(w);
}

/* "/orders/:id" as "/orders/{id}". */
static void write_path(struct sn_jsonw *w, struct sn_str path, struct sn_arena *a)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    for (struct sn_str rest = sn_str_from(path, 1); rest.ptr;) {
        struct sn_str seg = sn_str_cut(&rest, '/');
        if (seg.len && seg.ptr[0] == ':')
            sn_buf_printf(&b, "/{%.*s}", SN_STR_ARG(sn_str_from(seg, 1)));
        else
            sn_buf_printf(&b, "/%.*s", SN_STR_ARG(seg));
    }
    struct sn_str key = b.err < 0 ? (struct sn_str){0} : sn_arena_str(a, sn_buf_view(&b));
    if (!key.ptr && w->out->err == 0) w->out->err = SN_E_NOMEM;
    sn_jsonw_key(w, key);
    sn_buf_done(&b);
}
static void paths(struct sn_jsonw *w, const struct sn_api *api)
{
    sn_jsonw_key(w, SN_STR("paths"));
    sn_jsonw_object(w);
    for (const struct sn_api_route *r = api->routes; r; r = r->next) {
        bool before = false;
        for (const struct sn_api_route *o = api->routes; o != r; o = o->next)
            before = before || sn_str_eq(o->path, r->path);
        if (before) continue;
        write_path(w, r->path, api->arena);
        sn_jsonw_object(w);
        for (const struct sn_api_route *o = r; o; o = o->next) {
            if (!sn_str_eq(o->path, r->path) || sn_str_eqc(o->method, "CONNECT")) continue;
            char method[16] = "";
            for (size_t i = 0; i < o->method.len && i < sizeof method - 1; i++)
                method[i] = sn_ascii_lower(o->method.ptr[i]);
            sn_jsonw_key(w, sn_str(method));
            operation(w, o);
        }
        sn_jsonw_object_end(w);
    }
    sn_jsonw_object_end(w);
}
static void nested_schemas(struct sn_jsonw *w, const struct sn_api_type *t, unsigned depth)
{
    for (const struct sn_api_field *f = t->fields; f && depth < SN_API_DEPTH_MAX; f = f->next) {
        if (f->type->kind != SN_API_STRUCT || f->type->decl) continue;
        sn_jsonw_key(w, sn_str(f->type->c_name));
        object_schema(w, f->type);
        nested_schemas(w, f->type, depth + 1);
    }
}
static struct sn_str info(const struct sn_api *api, const char *key)
{
    for (const struct sn_api_pair *kv = api->info; kv; kv = kv->next)
        if (sn_str_eqc(kv->key, key)) return kv->value;
    return (struct sn_str){0};
}

int sn_gen_openapi(const struct sn_api *api, struct sn_buf *out)
{
    struct sn_jsonw w;
    struct sn_str title = info(api, "title"), version = info(api, "version"),
                  desc = info(api, "desc");
    bool jwt = false;
    for (const struct sn_api_route *r = api->routes; r; r = r->next) jwt = jwt || r->jwt.len;
    sn_jsonw_init(&w, out, &(struct sn_json_style){.indent = 2});
    sn_jsonw_object(&w);
    kstr(&w, "openapi", "3.0.3");
    kstr(&w, "x-generator", "Generated by sennit gen api; edits are lost.");
    sn_jsonw_key(&w, SN_STR("info"));
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "title", title.len ? title : api->name);
    if (desc.len) sn_jsonw_kstr(&w, "description", desc);
    sn_jsonw_kstr(&w, "version", version.len ? version : SN_STR("0.1.0"));
    sn_jsonw_object_end(&w);
    paths(&w, api);
    sn_jsonw_key(&w, SN_STR("components"));
    sn_jsonw_object(&w);
    sn_jsonw_key(&w, SN_STR("schemas"));
    sn_jsonw_object(&w);
    for (const struct sn_api_decl *d = api->decls; d; d = d->next) {
        if (d->type->kind != SN_API_STRUCT) continue;
        sn_jsonw_key(&w, sn_str(d->type->c_name));
        object_schema(&w, d->type);
        nested_schemas(&w, d->type, 0);
    }
    sn_jsonw_key(&w, SN_STR("Failure"));
    sn_jsonw_raw(&w,
                 SN_STR("{\"type\":\"object\",\"properties\":{\"code\":{\"type\":\"integer\"},"
                        "\"message\":{\"type\":\"string\"}},\"required\":[\"code\",\"message\"]}"));
    sn_jsonw_object_end(&w);
    if (jwt) {
        sn_jsonw_key(&w, SN_STR("securitySchemes"));
        sn_jsonw_raw(
            &w,
            SN_STR(
                "{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\",\"bearerFormat\":\"JWT\"}}"));
    }
    sn_jsonw_object_end(&w);
    sn_jsonw_object_end(&w);
    return sn_buf_byte(out, '\n');
}

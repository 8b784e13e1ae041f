/* SPDX-License-Identifier: Apache-2.0 */
/* codegen/api_check.c - resolves names, lays structs out flat, checks fields and routes. Errors are
 * collected: one run names as many as there is room for. */
#include <ctype.h>

#include "codegen/api_int.h"
#include "codegen/names.h"

enum { FRESH, ACTIVE, DONE };

struct check {
    struct sn_api *api;
    struct sn_str *names; /* C names of structs, to tell them apart */
    size_t n_names, cap_names;
};

static int resolve(struct check *c, struct sn_api_type *t, bool by_value, const char *hint,
                   unsigned depth);

static struct sn_api_decl *find_decl(struct sn_api *api, struct sn_str name)
{
    struct sn_api_decl *d = api->decls;
    while (d && !sn_str_eq(d->name, name)) d = d->next;
    return d;
}

/* "front_order"; what two names turn into alike gets a '_'. */
static int name_struct(struct check *c, struct sn_api_type *t, const char *prefix,
                       struct sn_str name)
{
    struct sn_arena *a = c->api->arena;
    const char *snake = sn_gen_snake(a, name);
    struct sn_str full = snake ? sn_arena_printf(a, "%s_%s", prefix, snake) : (struct sn_str){0};
    for (size_t i = 0; full.ptr && i < c->n_names; i++)
        if (sn_str_eq(c->names[i], full)) {
            full = sn_arena_printf(a, "%.*s_", SN_STR_ARG(full));
            i = (size_t)-1;
        }
    if (!full.ptr) return SN_E_NOMEM;
    if (c->n_names == c->cap_names) {
        size_t cap = SN_MAX(64u, 2 * c->cap_names);
        struct sn_str *more = SN_ARENA_ARRAY(a, struct sn_str, cap);
        if (!more) return SN_E_NOMEM;
        if (c->n_names) memcpy(more, c->names, c->n_names * sizeof *more);
        c->names = more;
        c->cap_names = cap;
    }
    c->names[c->n_names++] = full;
    t->c_name = full.ptr;
    return 0;
}

/* ---- types ---- */

static int resolve_decl(struct check *c, struct sn_api_decl *d, unsigned depth)
{
    struct sn_api_type *t = d->type;
    if (d->state == DONE) return 0;
    d->state = ACTIVE;
    if (t->kind == SN_API_STRUCT && !t->c_name) {
        t->decl = d;
        int r = name_struct(c, t, c->api->c_name, d->name);
        if (r < 0) return r;
    }
    int r = resolve(c, t, true, t->c_name ? t->c_name : c->api->c_name, depth + 1);
    d->state = DONE;
    return r;
}

static int resolve_named(struct check *c, struct sn_api_type *t, bool by_value, unsigned depth)
{
    enum sn_api_kind kind;
    uint8_t bits;
    if (api_base_type(t->name, &kind, &bits)) {
        t->kind = kind;
        t->bits = bits;
        return 0;
    }
    struct sn_api_decl *d = find_decl(c->api, t->name);
    if (!d) return api_error(c->api, t->pos, "there is no type \"%.*s\"", SN_STR_ARG(t->name));
    if (d->state == ACTIVE && (by_value || d->type->kind != SN_API_STRUCT))
        return api_error(c->api, t->pos, "type %.*s holds itself: expected a pointer or a list",
                         SN_STR_ARG(t->name));
    int r = d->state == ACTIVE ? 0 : resolve_decl(c, d, depth);
    if (r < 0) return r;
    if (d->type->kind == SN_API_STRUCT) {
        /* One node stands for the struct, so that its fields are worked out once. */
        t->kind = SN_API_STRUCT;
        t->decl = d;
        t->c_name = d->type->c_name;
        return 0;
    }
    struct sn_api_pos pos = t->pos;
    *t = *d->type;
    t->pos = pos;
    return 0;
}

static int number_ok(const struct sn_api_type *t, struct sn_str v)
{
    int64_t i;
    uint64_t u;
    double d;
    if (t->kind == SN_API_INT) {
        int64_t max = t->bits == 64 ? INT64_MAX : ((int64_t)1 << (t->bits - 1)) - 1;
        return sn_str_to_i64(v, &i) == 0 && i <= max && i >= -max - 1;
    }
    if (t->kind == SN_API_UINT)
        return sn_str_to_u64(v, &u) == 0 && (t->bits == 64 || u < (uint64_t)1 << t->bits);
    if (t->kind == SN_API_FLOAT) return sn_str_to_double(v, &d) == 0;
    if (t->kind == SN_API_BOOL) return sn_str_eqc(v, "true") || sn_str_eqc(v, "false");
    return true;
}
static bool is_number(const struct sn_api_type *t)
{
    return t->kind == SN_API_INT || t->kind == SN_API_UINT || t->kind == SN_API_FLOAT;
}
static bool is_scalar(const struct sn_api_type *t)
{
    return is_number(t) || t->kind == SN_API_BOOL || t->kind == SN_API_STRING;
}
static int check_field(struct check *c, struct sn_api_field *f)
{
    const struct sn_api_type *t = f->type->kind == SN_API_POINTER ? f->type->elem : f->type;
    const struct sn_api_type *item = t->kind == SN_API_LIST ? t->elem : t;
    int r = 0;
    if (f->where == SN_API_PATH && !is_scalar(t))
        r = api_error(c->api, f->pos, "%.*s is in the path: expected a text, a number or a bool",
                      SN_STR_ARG(f->name));
    else if ((f->where == SN_API_FORM || f->where == SN_API_HEADER) && !is_scalar(item))
        r = api_error(c->api, f->pos,
                      "%.*s is in the %s: expected a text, a number, a bool or a list of them",
                      SN_STR_ARG(f->name), f->where == SN_API_FORM ? "form" : "header");
    else if (f->has_range && !is_number(t))
        r = api_error(c->api, f->pos, "range= is for numbers, %.*s is none", SN_STR_ARG(f->name));
    else if (f->def.ptr && (!is_scalar(t) || !number_ok(t, f->def)))
        r = api_error(c->api, f->pos, "the default \"%.*s\" is no value of %.*s",
                      SN_STR_ARG(f->def), SN_STR_ARG(f->name));
    for (uint32_t i = 0; i < f->n_options && r == 0; i++)
        if (!is_scalar(t) || !number_ok(t, f->options[i]))
            r = api_error(c->api, f->pos, "the option \"%.*s\" is no value of %.*s",
                          SN_STR_ARG(f->options[i]), SN_STR_ARG(f->name));
    return r;
}

/* Names of one struct, once what it embeds is among its fields. */
static int name_fields(struct check *c, struct sn_api_type *st)
{
    unsigned n = 0;
    for (struct sn_api_field *f = st->fields; f; f = f->next) {
        if (++n > SN_API_FIELDS_MAX)
            return api_error(c->api, f->pos, "more than %u fields", SN_API_FIELDS_MAX);
        f->c_name = sn_gen_member(c->api->arena, f->name);
        if (!f->c_name) return SN_E_NOMEM;
        for (struct sn_api_field *o = st->fields; o != f; o = o->next) {
            if (sn_str_eq(o->name, f->name))
                return api_error(c->api, f->pos,
                                 "two fields are named %.*s: the other is at line %u",
                                 SN_STR_ARG(f->name), o->pos.line);
            if (strcmp(o->c_name, f->c_name) == 0)
                f->c_name = sn_arena_printf(c->api->arena, "%s_", f->c_name).ptr;
            if (!f->c_name) return SN_E_NOMEM;
            if (o->where == f->where && f->where != SN_API_NOWHERE && sn_str_eq(o->wire, f->wire))
                api_warn(c->api, f->pos, "%.*s and %.*s share the name \"%.*s\"",
                         SN_STR_ARG(o->name), SN_STR_ARG(f->name), SN_STR_ARG(f->wire));
        }
    }
    return 0;
}

/* An embedded struct's fields become the outer one's; with a name in its tag it is a field. */
static int embed(struct check *c, struct sn_api_field **at)
{
    struct sn_api_field *f = *at, *next = f->next, **tail = at;
    struct sn_api_type *t = f->type->kind == SN_API_POINTER ? f->type->elem : f->type;
    if (f->wire.len) {
        f->name = t->decl ? t->decl->name : f->wire;
        return 0;
    }
    if (t->kind != SN_API_STRUCT)
        return api_error(c->api, f->pos, "expected a field, or the name of a struct to embed");
    *at = next;
    for (const struct sn_api_field *o = sn_api_body(t)->fields; o; o = o->next) {
        struct sn_api_field *copy = SN_ARENA_NEW(c->api->arena, struct sn_api_field);
        if (!copy) return SN_E_NOMEM;
        *copy = *o;
        copy->next = next;
        *tail = copy;
        tail = &copy->next;
    }
    return 0;
}

static int resolve_struct(struct check *c, struct sn_api_type *t, const char *hint, unsigned depth)
{
    int r = 0;
    if (t->decl && t->decl->type != t) return 0; /* a reference */
    if (!t->c_name && (r = name_struct(c, t, hint, SN_STR("anonymous"))) < 0) return r;
    for (struct sn_api_field **at = &t->fields; *at;) {
        struct sn_api_field *f = *at;
        if ((r = api_tag(c->api, f)) < 0) return r;
        if (f->type->kind == SN_API_STRUCT && !f->type->c_name &&
            (r = name_struct(c, f->type, t->c_name, f->name)) < 0)
            return r;
        /* What is embedded by a pointer is laid out here as well: it may not hold this one. */
        bool inside = f->embedded && f->type->kind == SN_API_POINTER;
        if ((r = resolve(c, inside ? f->type->elem : f->type, true, t->c_name, depth + 1)) < 0)
            return r;
        if (f->embedded) {
            const struct sn_api_field *before = *at;
            if ((r = embed(c, at)) < 0) return r;
            if (*at != before) { /* its fields stand here now, resolved already */
                while (*at && *at != before->next) at = &(*at)->next;
                continue;
            }
        }
        if ((r = check_field(c, f)) < 0) return r;
        at = &f->next;
    }
    return name_fields(c, t);
}

static int resolve(struct check *c, struct sn_api_type *t, bool by_value, const char *hint,
                   unsigned depth)
{
    if (depth > 4 * SN_API_DEPTH_MAX) return api_error(c->api, t->pos, "types nest too deep");
    switch (t->kind) {
    case SN_API_NAMED: return resolve_named(c, t, by_value, depth);
    case SN_API_STRUCT: return resolve_struct(c, t, hint, depth);
    case SN_API_POINTER: return resolve(c, t->elem, false, hint, depth + 1);
    case SN_API_LIST:
    case SN_API_MAP: {
        bool bytes = t->kind == SN_API_LIST && t->elem->kind == SN_API_NAMED &&
                     (sn_str_eqc(t->elem->name, "byte") || sn_str_eqc(t->elem->name, "uint8"));
        /* A list points at its elements; a map's entries hold their values. */
        int r = resolve(c, t->elem, t->kind == SN_API_MAP, hint, depth + 1);
        if (r == 0 && bytes) t->kind = SN_API_BYTES;
        return r;
    }
    default: return 0;
    }
}

/* ---- routes ---- */

static struct sn_str pair(const struct sn_api_route *r, const char *key,
                          const struct sn_api_pair **ret)
{
    for (const struct sn_api_pair *kv = r->server; kv; kv = kv->next)
        if (sn_str_eqc(kv->key, key)) {
            *ret = kv;
            return kv->value;
        }
    return (struct sn_str){0};
}
static bool only(struct sn_str s, const char *more)
{
    for (size_t i = 0; i < s.len; i++)
        if (!isalnum((unsigned char)s.ptr[i]) && !strchr(more, s.ptr[i])) return false;
    return true;
}

static int check_path(struct check *c, struct sn_api_route *r)
{
    const struct sn_api_pair *at = NULL;
    struct sn_str prefix = pair(r, "prefix", &at), path = r->path;
    if (!path.len || path.ptr[0] != '/')
        return api_error(c->api, r->path_pos,
                         "expected a path that begins with \"/\", got \"%.*s\"", SN_STR_ARG(path));
    if (prefix.len && (!only(prefix, "/_-.:~") || sn_str_find(prefix, SN_STR("//")) >= 0))
        return api_error(c->api, at->pos, "expected a path as the prefix, got \"%.*s\"",
                         SN_STR_ARG(prefix));
    while (prefix.len && prefix.ptr[0] == '/') prefix = sn_str_from(prefix, 1);
    while (prefix.len && prefix.ptr[prefix.len - 1] == '/') prefix.len--;
    if (path.len > 1 && path.ptr[path.len - 1] == '/') path.len--;
    for (struct sn_str rest = sn_str_from(path, 1); path.len > 1 && rest.ptr;) {
        struct sn_str seg = sn_str_cut(&rest, '/');
        bool param = seg.len && seg.ptr[0] == ':';
        if (param) seg = sn_str_from(seg, 1);
        if (!seg.len || !only(seg, param ? "_-" : "_-.~"))
            return api_error(c->api, r->path_pos,
                             "\"%.*s\": expected letters, digits, '-', '_', '.' or "
                             ":name between slashes",
                             SN_STR_ARG(path));
    }
    if (prefix.len && path.len == 1) path.len = 0;
    r->path = sn_arena_printf(c->api->arena, "%s%.*s%.*s", prefix.len ? "/" : "",
                              SN_STR_ARG(prefix), SN_STR_ARG(path));
    return r->path.ptr ? 0 : SN_E_NOMEM;
}

static int check_server(struct check *c, struct sn_api_route *r)
{
    const struct sn_api_pair *at = NULL;
    r->group = pair(r, "group", &at);
    while (r->group.len && r->group.ptr[0] == '/') r->group = sn_str_from(r->group, 1);
    while (r->group.len && r->group.ptr[r->group.len - 1] == '/') r->group.len--;
    if (!only(r->group, "/_-") || sn_str_find(r->group, SN_STR("//")) >= 0)
        return api_error(c->api, at->pos,
                         "expected names between slashes as the group, got \"%.*s\"",
                         SN_STR_ARG(r->group));
    r->jwt = pair(r, "jwt", &at);
    if (!only(r->jwt, "_"))
        return api_error(c->api, at->pos, "expected a name as jwt, got \"%.*s\"",
                         SN_STR_ARG(r->jwt));
    r->middleware = pair(r, "middleware", &at);
    if (!only(r->middleware, "_, "))
        return api_error(c->api, at->pos, "expected names and commas as middleware, got \"%.*s\"",
                         SN_STR_ARG(r->middleware));
    struct sn_str v = pair(r, "timeout", &at);
    if (v.len && (sn_str_to_duration(v, &r->timeout_ns) < 0 || r->timeout_ns < 0))
        return api_error(c->api, at->pos, "expected a duration such as 3s, got \"%.*s\"",
                         SN_STR_ARG(v));
    v = pair(r, "maxBytes", &at);
    if (v.len && sn_str_to_u64(v, &r->bytes_max) < 0)
        return api_error(c->api, at->pos, "expected a number of bytes, got \"%.*s\"",
                         SN_STR_ARG(v));
    return 0;
}

/* Two patterns that match the same requests: segments equal, or parameters both. */
static bool same_pattern(struct sn_str a, struct sn_str b)
{
    while (a.ptr && b.ptr) {
        struct sn_str x = sn_str_cut(&a, '/'), y = sn_str_cut(&b, '/');
        bool params = x.len && y.len && x.ptr[0] == ':' && y.ptr[0] == ':';
        if (!params && !sn_str_eq(x, y)) return false;
    }
    return !a.ptr && !b.ptr;
}
static bool in_path(struct sn_str path, struct sn_str name)
{
    while (path.ptr) {
        struct sn_str seg = sn_str_cut(&path, '/');
        if (seg.len > 1 && seg.ptr[0] == ':' && sn_str_eq(sn_str_from(seg, 1), name)) return true;
    }
    return false;
}

static int check_bodies(struct check *c, struct sn_api_route *r)
{
    int e = 0;
    if (r->req) e = resolve(c, r->req, false, r->c_name, 0);
    if (e == 0 && r->resp) e = resolve(c, r->resp, false, r->c_name, 0);
    if (e < 0) return e;
    if (r->req && r->req->kind == SN_API_POINTER) r->req = r->req->elem;
    if (r->resp && r->resp->kind == SN_API_POINTER) r->resp = r->resp->elem;
    if (r->req && r->req->kind != SN_API_STRUCT)
        return api_error(c->api, r->req->pos, "expected a struct as the request of %.*s",
                         SN_STR_ARG(r->handler));
    for (const struct sn_api_field *f = r->req ? sn_api_body(r->req)->fields : NULL; f; f = f->next)
        if (f->where == SN_API_PATH && !in_path(r->path, f->wire) && !f->optional && !f->def.ptr)
            api_warn(c->api, r->path_pos,
                     "the request of %.*s wants \":%.*s\", which \"%.*s\" does not have",
                     SN_STR_ARG(r->handler), SN_STR_ARG(f->wire), SN_STR_ARG(r->path));
    return 0;
}

static int check_route(struct check *c, struct sn_api_route *r)
{
    struct sn_str base = r->handler;
    if (sn_str_ends(base, SN_STR("Handler")) && base.len > 7) base.len -= 7;
    int e = check_path(c, r);
    if (e == 0) e = check_server(c, r);
    if (e < 0) return e;
    struct sn_str full =
        sn_arena_printf(c->api->arena, "%s%s%.*s_%.*s", c->api->c_name, r->group.len ? "_" : "",
                        SN_STR_ARG(r->group), SN_STR_ARG(base));
    r->c_name = full.ptr ? sn_gen_snake(c->api->arena, full) : NULL;
    if (!r->c_name) return SN_E_NOMEM;
    for (const struct sn_api_route *o = c->api->routes; o != r; o = o->next) {
        if (strcmp(o->c_name, r->c_name) == 0)
            return api_error(c->api, r->pos, "handler %.*s is there twice: first at line %u",
                             SN_STR_ARG(r->handler), o->pos.line);
        if (sn_str_eq(o->method, r->method) && same_pattern(o->path, r->path))
            return api_error(c->api, r->path_pos, "%.*s %.*s is there twice: first at line %u",
                             SN_STR_ARG(r->method), SN_STR_ARG(r->path), o->path_pos.line);
    }
    return check_bodies(c, r);
}

int api_check(struct sn_api *api)
{
    struct check c = {.api = api};
    int first = 0, r;
    for (struct sn_api_decl *d = api->decls; d; d = d->next) {
        if (d->state == FRESH && (r = resolve_decl(&c, d, 0)) < 0) {
            if (r != SN_E_SYNTAX) return r;
            first = r;
        }
    }
    for (struct sn_api_route *route = first < 0 ? NULL : api->routes; route; route = route->next) {
        /* What follows compares with the routes before, so one without a name ends the search. */
        if ((r = check_route(&c, route)) < 0) return r;
    }
    for (uint32_t i = 0; first < 0 && i < api->n_errors; i++) {
        const struct sn_api_error *e = &api->errors[i];
        if (!e->warning)
            return sn_fail(first, "%.*s:%u:%u: %.*s", SN_STR_ARG(e->pos.file->path), e->pos.line,
                           e->pos.column, SN_STR_ARG(e->text));
    }
    return first;
}

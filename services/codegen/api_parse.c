/* SPDX-License-Identifier: Apache-2.0 */
/* codegen/api_parse.c - the grammar of the .api language; names are resolved in api_check.c. */
#include <stdio.h>

#include "codegen/api_int.h"
#include "codegen/names.h"
#include "wire/http.h"

struct parse {
    struct sn_api *api;
    struct api_lex l;
    sn_api_read read;
    void *arg;
    unsigned depth; /* of imports */
    bool syntax_seen, other_seen, info_seen;
};

/* APPEND - 0, or an error where the list has `max` items already. */
#define APPEND(p, list, item, max, what)                                                     \
    ({                                                                                       \
        __typeof__(list) *at_ = &(list);                                                     \
        unsigned n_ = 0;                                                                     \
        for (; *at_; n_++) at_ = &(*at_)->next;                                              \
        *at_ = (item);                                                                       \
        n_ < (max) ? 0 : api_error((p)->api, (item)->pos, "more than %u %s", (max), (what)); \
    })

static bool is(const struct parse *p, const char *punct)
{
    return p->l.tok.kind == API_PUNCT && sn_str_eqc(p->l.tok.text, punct);
}
static bool is_at(const struct parse *p, const char *word)
{
    return p->l.tok.kind == API_AT && sn_str_eqc(p->l.tok.text, word);
}
static bool is_word(const struct parse *p, const char *word)
{
    return p->l.tok.kind == API_IDENT && sn_str_eqc(p->l.tok.text, word);
}
static int unexpected(struct parse *p, const char *expected)
{
    const struct api_token *t = &p->l.tok;
    if (t->kind == API_END)
        return api_error(p->api, t->pos, "expected %s, got the end of the file", expected);
    return api_error(p->api, t->pos, "expected %s, got \"%s%.*s\"", expected,
                     t->kind == API_AT ? "@" : "", SN_STR_ARG(sn_str_sub(t->text, 0, 60)));
}
static int expect(struct parse *p, const char *punct, const char *where)
{
    char text[80];
    if (is(p, punct)) return api_next(&p->l);
    snprintf(text, sizeof text, "\"%s\" %s", punct, where);
    return unexpected(p, text);
}
static struct sn_api_type *new_type(struct parse *p, enum sn_api_kind kind)
{
    struct sn_api_type *t = SN_ARENA_NEW(p->api->arena, struct sn_api_type);
    if (t) *t = (struct sn_api_type){.kind = kind, .pos = p->l.tok.pos};
    return t;
}

/* ---- key: value ---- */

/* "(", pairs, ")"; the present token is "(". */
static int pairs(struct parse *p, const char *what, struct sn_api_pair **ret)
{
    int r = api_next(&p->l);
    while (r == 0 && !is(p, ")")) {
        struct sn_api_pair *kv = SN_ARENA_NEW(p->api->arena, struct sn_api_pair);
        if (!kv) return SN_E_NOMEM;
        if (p->l.tok.kind != API_IDENT) {
            char text[64];
            snprintf(text, sizeof text, "a key of %s or \")\"", what);
            return unexpected(p, text);
        }
        kv->key = p->l.tok.text;
        kv->pos = p->l.tok.pos;
        for (struct sn_api_pair *k = *ret; k; k = k->next)
            if (sn_str_eq(k->key, kv->key))
                return api_error(p->api, kv->pos, "%.*s is given twice in %s", SN_STR_ARG(kv->key),
                                 what);
        if ((r = api_next(&p->l)) < 0) return r;
        if (!is(p, ":")) return unexpected(p, "\":\" after the key");
        struct sn_api_pos at;
        if ((r = api_next_value(&p->l, &kv->value, &at)) < 0) return r;
        r = APPEND(p, *ret, kv, SN_API_PAIRS_MAX, "pairs");
    }
    return r < 0 ? r : api_next(&p->l);
}

/* ---- types ---- */

static int parse_type(struct parse *p, unsigned depth, struct sn_api_type **ret);

/* A field's doc is the comment above it, not one behind the field before. */
static int add_field(struct parse *p, struct sn_api_type *st, struct sn_str name,
                     struct sn_api_type *type, struct sn_str tag, const struct api_token *at)
{
    struct sn_api_field *f = SN_ARENA_NEW(p->api->arena, struct sn_api_field);
    if (!f) return SN_E_NOMEM;
    *f = (struct sn_api_field){.name = name,
                               .type = type,
                               .tag = tag,
                               .pos = at->pos,
                               .doc = at->doc,
                               .embedded = !name.len};
    return APPEND(p, st->fields, f, SN_API_FIELDS_MAX, "fields");
}

static int optional_tag(struct parse *p, struct sn_str *ret)
{
    if (p->l.tok.kind != API_RAW) return 0;
    *ret = p->l.tok.text;
    return api_next(&p->l);
}

/* What stands on the line of a name says whether it is a field's or that of an embedded struct. */
static bool ends_field(const struct parse *p, const struct api_token *name)
{
    return p->l.tok.kind == API_END || p->l.tok.kind == API_RAW || is(p, "}") ||
           p->l.tok.pos.line != name->pos.line;
}

static int parse_field(struct parse *p, struct sn_api_type *st, unsigned depth)
{
    struct api_token first = p->l.tok;
    struct sn_api_type *type = NULL;
    struct sn_str names[16], tag = {0};
    unsigned n = 0;
    int r;
    if (is(p, "*")) { /* *Base */
        if ((r = parse_type(p, depth, &type)) < 0 || (r = optional_tag(p, &tag)) < 0) return r;
        return add_field(p, st, (struct sn_str){0}, type, tag, &first);
    }
    if (first.kind != API_IDENT) return unexpected(p, "a field or \"}\"");
    if ((r = api_next(&p->l)) < 0) return r;
    if (ends_field(p, &first)) {
        if (!(type = new_type(p, SN_API_NAMED))) return SN_E_NOMEM;
        type->name = first.text;
        type->pos = first.pos;
        if ((r = optional_tag(p, &tag)) < 0) return r;
        return add_field(p, st, (struct sn_str){0}, type, tag, &first);
    }
    names[n++] = first.text;
    while (is(p, ",")) {
        if ((r = api_next(&p->l)) < 0) return r;
        if (p->l.tok.kind != API_IDENT) return unexpected(p, "a field's name");
        if (n == SN_COUNT_OF(names))
            return api_error(p->api, p->l.tok.pos, "more than %zu names of one type",
                             SN_COUNT_OF(names));
        names[n++] = p->l.tok.text;
        if ((r = api_next(&p->l)) < 0) return r;
    }
    if ((r = parse_type(p, depth, &type)) < 0 || (r = optional_tag(p, &tag)) < 0) return r;
    for (unsigned i = 0; i < n && r == 0; i++) r = add_field(p, st, names[i], type, tag, &first);
    return r;
}

static int parse_struct(struct parse *p, unsigned depth, struct sn_api_type **ret)
{
    struct sn_api_type *st = new_type(p, SN_API_STRUCT);
    if (!st) return SN_E_NOMEM;
    int r = expect(p, "{", "of a struct");
    while (r == 0 && !is(p, "}")) r = parse_field(p, st, depth + 1);
    if (r == 0) r = api_next(&p->l);
    *ret = st;
    return r;
}

/* "[" ... : a slice, or an array; the present token is "[". */
static int parse_list(struct parse *p, unsigned depth, struct sn_api_type **ret)
{
    struct sn_api_type *t = new_type(p, SN_API_LIST);
    if (!t) return SN_E_NOMEM;
    int r = api_next(&p->l);
    if (r == 0 && p->l.tok.kind == API_NUMBER) {
        uint64_t n;
        if (sn_str_to_u64(p->l.tok.text, &n) < 0 || n > UINT32_MAX)
            return unexpected(p, "the length of an array");
        t->count = (uint32_t)n;
        r = api_next(&p->l);
    } else if (r == 0 && is(p, "...")) {
        r = api_next(&p->l);
    }
    if (r == 0) r = expect(p, "]", "of a list");
    if (r == 0 && is(p, "{"))
        return api_error(p->api, p->l.tok.pos,
                         "elements of a list need a named type, got a struct");
    return r < 0 ? r : parse_type(p, depth + 1, &(*ret = t)->elem);
}

static int parse_map(struct parse *p, unsigned depth, struct sn_api_type **ret)
{
    struct sn_api_type *t = new_type(p, SN_API_MAP);
    enum sn_api_kind kind;
    uint8_t bits;
    if (!t) return SN_E_NOMEM;
    int r = api_next(&p->l);
    if (r == 0) r = expect(p, "[", "of a map's key");
    if (r < 0) return r;
    if (p->l.tok.kind != API_IDENT || !api_base_type(p->l.tok.text, &kind, &bits) ||
        (kind != SN_API_STRING && kind != SN_API_INT && kind != SN_API_UINT))
        return unexpected(p, "string or an integer type as a map's key");
    if ((r = api_next(&p->l)) < 0 || (r = expect(p, "]", "of a map's key")) < 0) return r;
    if (is(p, "{"))
        return api_error(p->api, p->l.tok.pos, "values of a map need a named type, got a struct");
    return parse_type(p, depth + 1, &(*ret = t)->elem);
}

static int parse_type(struct parse *p, unsigned depth, struct sn_api_type **ret)
{
    struct sn_api_type *t;
    int r;
    if (depth > SN_API_DEPTH_MAX)
        return api_error(p->api, p->l.tok.pos, "types nest deeper than %u", SN_API_DEPTH_MAX);
    if (is(p, "{")) return parse_struct(p, depth, ret);
    if (is(p, "[")) return parse_list(p, depth, ret);
    if (is(p, "*")) {
        if (!(t = new_type(p, SN_API_POINTER))) return SN_E_NOMEM;
        r = api_next(&p->l);
        if (r == 0 && is(p, "{")) return unexpected(p, "a type's name");
        *ret = t;
        return r < 0 ? r : parse_type(p, depth + 1, &t->elem);
    }
    if (p->l.tok.kind != API_IDENT) return unexpected(p, "a type");
    if (is_word(p, "map")) return parse_map(p, depth, ret);
    bool interface = is_word(p, "interface"), structure = is_word(p, "struct");
    if (!(t = new_type(p, interface ? SN_API_ANY : SN_API_NAMED))) return SN_E_NOMEM;
    t->name = p->l.tok.text;
    if ((r = api_next(&p->l)) < 0) return r;
    if (structure) return parse_struct(p, depth, ret);
    if (interface) {
        if ((r = expect(p, "{", "after interface")) < 0) return r;
        if ((r = expect(p, "}", "after interface{")) < 0) return r;
    }
    *ret = t;
    return 0;
}

static int parse_decl(struct parse *p)
{
    struct sn_api_decl *d = SN_ARENA_NEW(p->api->arena, struct sn_api_decl);
    enum sn_api_kind kind;
    uint8_t bits;
    if (!d) return SN_E_NOMEM;
    if (p->l.tok.kind != API_IDENT) return unexpected(p, "a type's name");
    d->name = p->l.tok.text;
    d->pos = p->l.tok.pos;
    d->doc = p->l.tok.doc;
    if (api_base_type(d->name, &kind, &bits) || is_word(p, "map") || is_word(p, "struct"))
        return api_error(p->api, d->pos, "\"%.*s\" is a built-in type's name", SN_STR_ARG(d->name));
    int r = api_next(&p->l);
    if (r == 0 && is(p, "=")) r = api_next(&p->l);
    if (r == 0) r = parse_type(p, 0, &d->type);
    if (r < 0) return r;
    for (struct sn_api_decl *o = p->api->decls; o; o = o->next)
        if (sn_str_eq(o->name, d->name))
            return api_error(p->api, d->pos, "type %.*s is declared twice: first at %.*s:%u:%u",
                             SN_STR_ARG(d->name), SN_STR_ARG(o->pos.file->path), o->pos.line,
                             o->pos.column);
    return APPEND(p, p->api->decls, d, SN_API_TYPES_MAX, "types");
}
static int parse_types(struct parse *p)
{
    int r = api_next(&p->l);
    if (r < 0 || !is(p, "(")) return r < 0 ? r : parse_decl(p);
    r = api_next(&p->l);
    while (r == 0 && !is(p, ")")) r = parse_decl(p);
    return r < 0 ? r : api_next(&p->l);
}

/* ---- service ---- */

/* "(Type)"; "()" leaves NULL. The present token is "(". */
static int parse_body(struct parse *p, struct sn_api_type **ret)
{
    int r = api_next(&p->l);
    if (r == 0 && !is(p, ")")) {
        if (is(p, "{")) return unexpected(p, "a type's name");
        r = parse_type(p, 0, ret);
    }
    return r < 0 ? r : expect(p, ")", "behind the type");
}

static int parse_doc(struct parse *p, struct sn_str *ret)
{
    struct sn_api_pair *kv = NULL;
    int r = api_next(&p->l);
    if (r < 0) return r;
    if (p->l.tok.kind == API_STRING || p->l.tok.kind == API_RAW) {
        *ret = p->l.tok.text;
        return api_next(&p->l);
    }
    if (!is(p, "(")) return unexpected(p, "a text or \"(\" after @doc");
    if ((r = pairs(p, "@doc", &kv)) < 0) return r;
    for (; kv; kv = kv->next)
        if (sn_str_eqc(kv->key, "summary") || (sn_str_eqc(kv->key, "desc") && !ret->len))
            *ret = kv->value;
    return 0;
}

static int parse_method(struct parse *p, struct sn_api_route *route)
{
    static const char *const methods[] = {"get",    "head",    "post",    "put",  "patch",
                                          "delete", "connect", "options", "trace"};
    for (size_t i = 0; i < SN_COUNT_OF(methods); i++) {
        if (!is_word(p, methods[i])) continue;
        route->method = sn_str(sn_gen_upper(p->api->arena, methods[i]));
        return route->method.ptr ? api_next_path(&p->l, &route->path, &route->path_pos)
                                 : SN_E_NOMEM;
    }
    return unexpected(p, "a method: get, post, put, delete, patch, head, options");
}

static int parse_route(struct parse *p, struct sn_api_pair *server)
{
    struct sn_api_route *route = SN_ARENA_NEW(p->api->arena, struct sn_api_route);
    if (!route) return SN_E_NOMEM;
    int r = 0;
    route->server = server;
    route->pos = p->l.tok.pos;
    if (is_at(p, "doc") && (r = parse_doc(p, &route->summary)) < 0) return r;
    if (!is_at(p, "handler")) return unexpected(p, "@handler, @doc or \"}\"");
    if ((r = api_next(&p->l)) < 0) return r;
    if (p->l.tok.kind != API_IDENT) return unexpected(p, "the handler's name");
    route->handler = p->l.tok.text;
    route->pos = p->l.tok.pos;
    if ((r = api_next(&p->l)) < 0 || (r = parse_method(p, route)) < 0) return r;
    if (is(p, "(") && (r = parse_body(p, &route->req)) < 0) return r;
    if (is_word(p, "returns")) {
        if ((r = api_next(&p->l)) < 0) return r;
        if (!is(p, "(")) return unexpected(p, "\"(\" after returns");
        if ((r = parse_body(p, &route->resp)) < 0) return r;
    }
    if (is(p, ";") && (r = api_next(&p->l)) < 0) return r;
    return APPEND(p, p->api->routes, route, SN_API_ROUTES_MAX, "routes");
}

static int parse_service(struct parse *p, struct sn_api_pair *server)
{
    struct sn_str name;
    struct sn_api_pos at;
    int r = api_next_name(&p->l, &name, &at);
    if (r < 0) return r;
    if (!name.len) return api_error(p->api, at, "expected the service's name");
    if (p->api->name.len && !sn_str_eq(p->api->name, name))
        return api_error(p->api, at,
                         "one service to a description: this one is \"%.*s\", an earlier "
                         "block says \"%.*s\"",
                         SN_STR_ARG(name), SN_STR_ARG(p->api->name));
    p->api->name = name;
    r = expect(p, "{", "of the service");
    while (r == 0 && !is(p, "}")) r = parse_route(p, server);
    return r < 0 ? r : api_next(&p->l);
}

/* ---- files ---- */

static int parse_file(struct sn_api *api, const struct sn_api_file *f, sn_api_read read, void *arg,
                      unsigned depth, bool *ret_info);

static struct sn_str beside(struct parse *p, struct sn_str path)
{
    struct sn_str own = p->l.pos.file->path;
    while (sn_str_starts(path, SN_STR("./"))) path = sn_str_from(path, 2);
    ssize_t slash = sn_str_rchr(own, '/');
    if (slash < 0 || (path.len && path.ptr[0] == '/')) return sn_arena_str(p->api->arena, path);
    return sn_arena_printf(p->api->arena, "%.*s/%.*s", (int)slash, own.ptr, SN_STR_ARG(path));
}
static int import_one(struct parse *p)
{
    struct api_token t = p->l.tok;
    if (t.kind != API_STRING) return unexpected(p, "the path of a file, between quotes");
    if (!t.text.len) return api_error(p->api, t.pos, "this import names no file");
    if (p->depth >= SN_API_DEPTH_MAX)
        return api_error(p->api, t.pos, "imports nest deeper than %u", SN_API_DEPTH_MAX);
    struct sn_str path = beside(p, t.text), text;
    if (!path.ptr) return SN_E_NOMEM;
    for (uint32_t i = 0; i < p->api->n_files; i++) {
        if (!sn_str_eq(p->api->files[i].path, path)) continue;
        if (p->api->files[i].open)
            return api_error(p->api, t.pos,
                             "\"%.*s\" imports this file, directly or through others",
                             SN_STR_ARG(path));
        return api_next(&p->l); /* it is here already */
    }
    if (p->api->n_files == SN_API_FILES_MAX)
        return api_error(p->api, t.pos, "more than %u files", SN_API_FILES_MAX);
    if (!p->read) return api_error(p->api, t.pos, "imports cannot be read here");
    int r = p->read(p->arg, path, &text);
    if (r == SN_E_NOMEM) return r;
    if (r < 0) return api_error(p->api, t.pos, "cannot import: %s", sn_diag_str(r));
    struct sn_api_file *f = &p->api->files[p->api->n_files++];
    bool info = false;
    *f = (struct sn_api_file){path, text, true};
    r = parse_file(p->api, f, p->read, p->arg, p->depth + 1, &info);
    f->open = false;
    return r < 0 ? r : api_next(&p->l);
}
static int parse_import(struct parse *p)
{
    int r = api_next(&p->l);
    if (r < 0 || !is(p, "(")) return r < 0 ? r : import_one(p);
    r = api_next(&p->l);
    while (r == 0 && !is(p, ")")) r = import_one(p);
    return r < 0 ? r : api_next(&p->l);
}
static int parse_syntax(struct parse *p)
{
    if (p->syntax_seen) return api_error(p->api, p->l.tok.pos, "syntax is given twice");
    if (p->other_seen) return api_error(p->api, p->l.tok.pos, "syntax must be the first statement");
    p->syntax_seen = true;
    int r = api_next(&p->l);
    if (r == 0) r = expect(p, "=", "after syntax");
    if (r < 0) return r;
    if (p->l.tok.kind != API_STRING || !sn_str_eqc(p->l.tok.text, "v1"))
        return unexpected(p, "\"v1\"");
    return api_next(&p->l);
}
static int parse_info(struct parse *p)
{
    struct sn_api_pair *kv = NULL;
    if (p->info_seen) return api_error(p->api, p->l.tok.pos, "info is given twice");
    p->info_seen = true;
    int r = api_next(&p->l);
    if (r < 0) return r;
    if (!is(p, "(")) return unexpected(p, "\"(\" after info");
    if ((r = pairs(p, "info", &kv)) < 0) return r;
    if (!p->depth) p->api->info = kv; /* an imported file's says nothing about the service */
    return 0;
}
static int parse_statement(struct parse *p)
{
    struct sn_api_pair *server = NULL;
    int r;
    if (is_word(p, "syntax")) return parse_syntax(p);
    p->other_seen = true;
    if (is_word(p, "info")) return parse_info(p);
    if (is_word(p, "import")) return parse_import(p);
    if (is_word(p, "type")) return parse_types(p);
    if (is_at(p, "server")) {
        if ((r = api_next(&p->l)) < 0) return r;
        if (!is(p, "(")) return unexpected(p, "\"(\" after @server");
        if ((r = pairs(p, "@server", &server)) < 0) return r;
        if (!is_word(p, "service")) return unexpected(p, "service after @server(...)");
    }
    if (is_word(p, "service")) return parse_service(p, server);
    return unexpected(p, "syntax, info, import, type, @server or service");
}
static int parse_file(struct sn_api *api, const struct sn_api_file *f, sn_api_read read, void *arg,
                      unsigned depth, bool *ret_info)
{
    struct parse *p = SN_ARENA_NEW(api->arena, struct parse);
    if (!p) return SN_E_NOMEM;
    *p = (struct parse){.api = api, .read = read, .arg = arg, .depth = depth};
    int r = api_start(&p->l, api, f);
    while (r == 0 && p->l.tok.kind != API_END) r = parse_statement(p);
    *ret_info = p->info_seen;
    return r;
}

int sn_api_parse(struct sn_arena *a, struct sn_str path, struct sn_str text, sn_api_read read,
                 void *arg, struct sn_api *ret)
{
    bool info;
    memset(ret, 0, sizeof *ret);
    ret->arena = a;
    ret->files[ret->n_files++] = (struct sn_api_file){path, text, true};
    int r = parse_file(ret, &ret->files[0], read, arg, 0, &info);
    if (r < 0) return r;
    ret->c_name = sn_gen_snake(a, ret->name);
    r = ret->c_name ? api_check(ret) : SN_E_NOMEM;
    return r == 0 && ret->lost ? SN_E_NOMEM : r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* evm/gen/load.c - the generator's contracts out of the ABI's model (evm/abi.h): structs, enumerations
 * and value types get a place of their own, to be named in each language. */
#include "core/status.h"
#include "evm/gen/gen_int.h"

/* One contract being made. */
struct loader {
    struct gen_mem *mem;
    SN_VEC(struct gen_struct *) structs;
    SN_VEC(struct gen_alias *) aliases;
    struct sn_str where; /* for messages: the item's name */
    unsigned depth;
};

static struct sn_str before(struct sn_str s, char c)
{
    ssize_t at = sn_str_chr(s, c);
    return at < 0 ? s : sn_str_sub(s, 0, (size_t)at);
}
static struct sn_str after_last(struct sn_str s, char c)
{
    ssize_t at = sn_str_rchr(s, c);
    return at < 0 ? s : sn_str_from(s, (size_t)at + 1);
}
static struct sn_str text(struct sn_str s) { return s.ptr ? s : SN_STR(""); }

/* ---- types ---- */

static int elementary(struct loader *l, const struct sn_abi_type *from, struct gen_type *t)
{
    static const enum gen_tag tags[] = {
        [SN_ABI_UINT] = GEN_UINT,           [SN_ABI_INT] = GEN_INT,
        [SN_ABI_BOOL] = GEN_BOOL,           [SN_ABI_ADDRESS] = GEN_ADDRESS,
        [SN_ABI_FIXED_BYTES] = GEN_BYTESN,  [SN_ABI_FUNCTION] = GEN_FUNCTION,
        [SN_ABI_BYTES] = GEN_BYTES,         [SN_ABI_STRING] = GEN_STRING,
    };
    if (from->kind == SN_ABI_FIXED || from->kind == SN_ABI_UFIXED)
        return sn_fail(SN_E_UNIMPLEMENTED, "%.*s: no language has a type for %.*s",
                       SN_STR_ARG(l->where), SN_STR_ARG(from->canonical));
    t->tag = tags[from->kind];
    t->bits = from->bits;
    t->count = from->kind == SN_ABI_FIXED_BYTES ? from->count : 24; /* of a function */
    t->dynamic = from->dynamic;
    t->canonical = t->json = from->canonical.ptr;
    return 0;
}

static int load_params(struct loader *l, struct sn_abi_params from, struct gen_params *ret);

/* "struct Lib.Point[2]" gives Point and Lib. */
static void internal_name(struct sn_str s, struct sn_str *ret_name, struct sn_str *ret_qualifier)
{
    ssize_t sp = sn_str_chr(s, ' ');
    if (sp >= 0) s = sn_str_from(s, (size_t)sp + 1);
    s = before(s, '[');
    ssize_t dot = sn_str_rchr(s, '.');
    *ret_qualifier = dot < 0 ? SN_STR("") : sn_str_sub(s, 0, (size_t)dot);
    *ret_name = sn_str_from(s, (size_t)(dot + 1));
}
/* own: the parameter's name. */
static int tuple(struct loader *l, const struct sn_abi_type *from, struct sn_str own,
                 struct gen_type *t)
{
    struct sn_str internal = text(from->internal), name = SN_STR(""), qualifier = name;
    if (sn_str_starts(internal, SN_STR("struct "))) internal_name(internal, &name, &qualifier);
    if (name.len == 0) /* an ABI without internal types: the parameter's name is the nearest */
        name = own.len ? sn_str(gen_case(l->mem, own, GEN_CAPITAL)) : SN_STR("Tuple");
    struct gen_params fields = {0};
    int r = load_params(l, (struct sn_abi_params){from->components, from->n_components}, &fields);
    if (r < 0) return r;
    bool named = true;
    for (size_t i = 0; i < fields.len; i++) named &= fields.ptr[i].raw.len > 0;
    t->canonical = from->canonical.ptr;
    t->tag = GEN_TUPLE;
    t->json = "tuple";
    t->dynamic = from->dynamic;
    SN_VEC_EACH(&l->structs, it) {
        struct gen_struct *s = *it;
        if (sn_str_eq(s->raw, name) && sn_str_eq(s->qualifier, qualifier) &&
            strcmp(s->canonical, t->canonical) == 0) {
            t->tuple = s;
            return 0;
        }
    }
    struct gen_struct *s = gen_alloc(l->mem, sizeof(*s));
    if (!s) return SN_E_NOMEM;
    *s = (struct gen_struct){.raw = name, .qualifier = qualifier, .canonical = t->canonical,
                             .fields = fields, .named = named};
    t->tuple = s;
    return sn_vec_push(&l->structs, s);
}
/* Enums and user-defined value types show in internalType alone: it differs from the type and is
 * neither a contract nor the compiler's own spelling. */
static int alias(struct loader *l, struct sn_str internal, struct gen_type *t)
{
    bool is_enum = sn_str_starts(internal, SN_STR("enum "));
    struct sn_str head = before(internal, '[');
    if (t->tag == GEN_TUPLE || t->tag == GEN_FUNCTION || head.len == 0 ||
        sn_str_eqc(head, t->canonical))
        return 0;
    if (!is_enum && sn_str_chr(head, ' ') >= 0) return 0; /* contract X, address payable */
    struct sn_str name, qualifier;
    internal_name(internal, &name, &qualifier);
    if (name.len == 0) return 0;
    SN_VEC_EACH(&l->aliases, it) {
        struct gen_alias *al = *it;
        if (sn_str_eq(al->raw, name) && sn_str_eq(al->qualifier, qualifier) &&
            strcmp(al->base->canonical, t->canonical) == 0) {
            t->alias = al;
            return 0;
        }
    }
    struct gen_type *base = gen_alloc(l->mem, sizeof(*base));
    struct gen_alias *al = gen_alloc(l->mem, sizeof(*al));
    if (!base || !al) return SN_E_NOMEM;
    *base = *t;
    *al = (struct gen_alias){.raw = name, .qualifier = qualifier, .is_enum = is_enum, .base = base};
    t->alias = al;
    return sn_vec_push(&l->aliases, al);
}
static int load_type(struct loader *l, const struct sn_abi_type *from, struct sn_str own,
                     const struct gen_type **ret)
{
    struct gen_type *t = gen_alloc(l->mem, sizeof(*t));
    int r = 0;
    if (!t) return SN_E_NOMEM;
    if (l->depth >= GEN_DEPTH_MAX)
        return sn_fail(SN_E_DEPTH, "%.*s: types nested deeper than %d", SN_STR_ARG(l->where),
                       GEN_DEPTH_MAX);
    l->depth++;
    if (from->elem) {
        if (from->kind == SN_ABI_ARRAY && from->count == 0)
            return sn_fail(SN_E_UNIMPLEMENTED, "%.*s: an array of no elements: %.*s",
                           SN_STR_ARG(l->where), SN_STR_ARG(from->canonical));
        *t = (struct gen_type){.tag = from->kind == SN_ABI_LIST ? GEN_LIST : GEN_ARRAY,
                               .count = from->count, .dynamic = from->dynamic,
                               .canonical = from->canonical.ptr};
        r = load_type(l, from->elem, own, &t->elem);
        if (r == 0) /* "tuple" and the same dimensions, or the type itself */
            t->json = gen_printf(l->mem, "%s%s", t->elem->json,
                                 t->canonical + from->elem->canonical.len);
    } else {
        r = from->kind == SN_ABI_TUPLE ? tuple(l, from, own, t) : elementary(l, from, t);
        if (r == 0) r = alias(l, text(from->internal), t);
    }
    l->depth--;
    t->internal = text(from->internal);
    *ret = t;
    return r;
}
static int load_params(struct loader *l, struct sn_abi_params from, struct gen_params *ret)
{
    *ret = (struct gen_params){gen_alloc(l->mem, (from.len + 1) * sizeof(*ret->ptr)), from.len};
    if (!ret->ptr) return SN_E_NOMEM;
    for (size_t i = 0; i < from.len; i++) {
        struct gen_param *p = &ret->ptr[i];
        *p = (struct gen_param){.raw = text(from.ptr[i].name), .doc = from.ptr[i].doc,
                                .indexed = from.ptr[i].indexed};
        int r = load_type(l, from.ptr[i].type, p->raw, &p->type);
        if (r < 0) return r;
    }
    return 0;
}

/* ---- items ---- */

static int load_item(struct loader *l, const struct sn_abi_item *from, struct gen_item *ret)
{
    static const enum gen_kind kinds[] = {
        [SN_ABI_METHOD] = GEN_METHOD,           [SN_ABI_EVENT] = GEN_EVENT,
        [SN_ABI_ERROR] = GEN_ERROR,             [SN_ABI_CONSTRUCTOR] = GEN_CONSTRUCTOR,
        [SN_ABI_RECEIVE] = GEN_RECEIVE,         [SN_ABI_FALLBACK] = GEN_FALLBACK,
    };
    struct gen_item it = {.kind = kinds[from->kind], .raw = text(from->name),
                          .base = text(from->unique).ptr, .signature = text(from->signature).ptr,
                          .anonymous = from->anonymous, .view = from->mutability == SN_ABI_VIEW,
                          .pure = from->mutability == SN_ABI_PURE,
                          .payable = from->mutability == SN_ABI_PAYABLE, .doc = from->doc};
    memcpy(it.selector, from->selector, sizeof(it.selector));
    memcpy(it.topic, from->topic, sizeof(it.topic));
    l->where = it.raw.len ? it.raw : SN_STR("constructor");
    int r = load_params(l, from->in, &it.in);
    if (r == 0) r = load_params(l, from->out, &it.out);
    if (r == 0) *ret = it;
    return r;
}
static int load_items(struct loader *l, const struct sn_abi *abi, struct gen_contract *c)
{
    struct gen_items *const lists[] = {[SN_ABI_METHOD] = &c->methods, [SN_ABI_EVENT] = &c->events,
                                       [SN_ABI_ERROR] = &c->errors};
    struct gen_items *all[] = {&c->methods, &c->events, &c->errors, &c->library_methods};
    for (size_t i = 0; i < SN_COUNT_OF(all); i++) {
        all[i]->ptr = gen_alloc(l->mem, (abi->n_items + 1) * sizeof(*all[i]->ptr));
        if (!all[i]->ptr) return SN_E_NOMEM;
    }
    c->constructor.kind = GEN_CONSTRUCTOR;
    for (size_t i = 0; i < abi->n_items; i++) {
        const struct sn_abi_item *from = &abi->items[i];
        struct gen_item it;
        int r = load_item(l, from, &it);
        if (r < 0) return r;
        if (from->kind <= SN_ABI_ERROR) {
            struct gen_items *to = from->library ? &c->library_methods : lists[from->kind];
            to->ptr[to->len++] = it;
        } else if (from->kind == SN_ABI_CONSTRUCTOR) {
            c->constructor = it;
        } else if (from->kind == SN_ABI_RECEIVE) {
            c->receive = true;
        } else {
            c->fallback = true;
            c->fallback_payable = it.payable;
        }
    }
    return 0;
}
static int load_libraries(struct gen_mem *a, const struct sn_abi_contract *from,
                          struct gen_contract *c)
{
    c->libraries = gen_alloc(a, (from->n_libraries + 1) * sizeof(*c->libraries));
    if (!c->libraries) return SN_E_NOMEM;
    for (size_t i = 0; i < from->n_libraries; i++)
        c->libraries[c->n_libraries++] = (struct gen_library){
            .name = from->libraries[i].name,
            .placeholder = gen_printf(a, "%.*s", SN_STR_ARG(from->libraries[i].placeholder)),
        };
    return 0;
}
static int load_contract(struct gen_mem *a, const struct sn_abi_contract *from, gen_contracts *ret)
{
    struct gen_contract c = {.raw = from->name, .source = from->source, .doc = from->doc,
                             .bytecode = text(from->code)};
    struct loader l = {.mem = a};
    int r = load_items(&l, &from->abi, &c);
    if (r == 0) r = load_libraries(a, from, &c);
    c.n_structs = l.structs.len;
    c.n_aliases = l.aliases.len;
    c.structs = gen_alloc(a, (l.structs.len + 1) * sizeof(*c.structs));
    c.aliases = gen_alloc(a, (l.aliases.len + 1) * sizeof(*c.aliases));
    if (r == 0 && (!c.structs || !c.aliases)) r = SN_E_NOMEM;
    if (r == 0 && c.n_structs) memcpy(c.structs, l.structs.ptr, c.n_structs * sizeof(*c.structs));
    if (r == 0 && c.n_aliases) memcpy(c.aliases, l.aliases.ptr, c.n_aliases * sizeof(*c.aliases));
    sn_vec_done(&l.structs);
    sn_vec_done(&l.aliases);
    if (r < 0) return r;
    gen_finish(&c);
    return sn_vec_push(ret, c);
}
int gen_load(struct gen_mem *a, const struct sn_abigen_source *src, gen_contracts *ret)
{
    struct sn_abi_contracts all;
    int r = sn_abi_load(a->arena, src->text, before(after_last(src->path, '/'), '.'), &all);
    if (r == SN_E_NOT_FOUND) return 0; /* JSON of another kind */
    for (size_t i = 0; i < all.len && r == 0; i++) r = load_contract(a, &all.ptr[i], ret);
    return r < 0 ? sn_wrap(r, "%.*s", SN_STR_ARG(src->path)) : 0;
}

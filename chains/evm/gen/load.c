/* SPDX-License-Identifier: Apache-2.0 */
/* evm/gen/load.c - contracts out of JSON: bare ABIs and what the compilers and frameworks write
 * around them. */
#include "core/status.h"
#include "crypto/keccak.h"
#include "evm/gen/gen_int.h"
#include "wire/json.h"

/* One contract being read. */
struct loader {
    struct gen_mem *mem;
    struct gen_contract *c;
    SN_VEC(struct gen_struct *) structs;
    SN_VEC(struct gen_alias *) aliases;
    const char *where; /* for messages: "token.json: transfer" */
    unsigned depth;
};

static struct sn_str text_of(const struct sn_json *v, const char *key)
{
    struct sn_str s = sn_json_str(sn_json_get(v, key));
    return s.ptr ? s : SN_STR("");
}
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

/* ---- types ---- */

/* "uint256", "bytes32": the number behind a name, `other` without one, 0 where it is none. */
static uint64_t number_after(struct sn_str s, const char *name, uint64_t other)
{
    uint64_t n;
    s = sn_str_from(s, strlen(name));
    if (s.len == 0) return other;
    return s.ptr[0] != '0' && sn_str_to_u64(s, &n) == 0 ? n : 0;
}
static int elementary(struct loader *l, struct sn_str s, struct gen_type *t)
{
    static const struct {
        const char *name;
        enum gen_tag tag;
        bool dynamic;
    } plain[] = {
        {"address", GEN_ADDRESS, false}, {"bool", GEN_BOOL, false},   {"string", GEN_STRING, true},
        {"bytes", GEN_BYTES, true},      {"function", GEN_FUNCTION, false},
    };
    for (size_t i = 0; i < SN_COUNT_OF(plain); i++) {
        if (!sn_str_eqc(s, plain[i].name)) continue;
        t->tag = plain[i].tag;
        t->dynamic = plain[i].dynamic;
        t->count = 24;
        t->canonical = t->json = plain[i].name;
        return 0;
    }
    bool is_int = sn_str_starts(s, SN_STR("int")), is_uint = sn_str_starts(s, SN_STR("uint"));
    if (is_int || is_uint) {
        uint64_t bits = number_after(s, is_int ? "int" : "uint", 256);
        if (bits >= 8 && bits <= 256 && bits % 8 == 0) {
            t->tag = is_int ? GEN_INT : GEN_UINT;
            t->bits = (unsigned)bits;
            t->canonical = t->json = gen_printf(l->mem, "%sint%u", is_int ? "" : "u", t->bits);
            return 0;
        }
    } else if (sn_str_starts(s, SN_STR("bytes"))) {
        t->count = number_after(s, "bytes", 0);
        if (t->count >= 1 && t->count <= 32) {
            t->tag = GEN_BYTESN;
            t->canonical = t->json = gen_printf(l->mem, "bytes%u", (unsigned)t->count);
            return 0;
        }
    }
    return sn_fail(SN_E_INVALID_ARGUMENT, "%s: there is no type \"%.*s\"", l->where, SN_STR_ARG(s));
}

static int load_params(struct loader *l, const struct sn_json *list, struct gen_params *ret);

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
static int tuple(struct loader *l, const struct sn_json *param, struct gen_type *t)
{
    struct sn_str internal = text_of(param, "internalType"), name = SN_STR(""), qualifier = name;
    if (sn_str_starts(internal, SN_STR("struct "))) internal_name(internal, &name, &qualifier);
    if (name.len == 0) { /* an ABI without internal types: the parameter's name is the nearest */
        struct sn_str own = text_of(param, "name");
        name = own.len ? sn_str(gen_case(l->mem, own, GEN_CAPITAL)) : SN_STR("Tuple");
    }
    struct gen_params fields = {0};
    int r = load_params(l, sn_json_get(param, "components"), &fields);
    if (r < 0) return r;
    const char *canonical = "(";
    bool dynamic = false, named = true;
    for (size_t i = 0; i < fields.len; i++) {
        canonical = gen_printf(l->mem, "%s%s%s", canonical, i ? "," : "",
                               fields.ptr[i].type->canonical);
        dynamic |= fields.ptr[i].type->dynamic;
        named &= fields.ptr[i].raw.len > 0;
    }
    t->canonical = gen_printf(l->mem, "%s)", canonical);
    t->tag = GEN_TUPLE;
    t->json = "tuple";
    t->dynamic = dynamic;
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
/* The array suffixes of a type, outermost last. */
static int wrap(struct loader *l, struct sn_str suffix, const struct gen_type **t)
{
    for (unsigned n = 0; suffix.len; n++) {
        ssize_t close = sn_str_chr(suffix, ']');
        if (suffix.ptr[0] != '[' || close < 0 || n >= GEN_DIMENSIONS_MAX)
            return sn_fail(SN_E_INVALID_ARGUMENT, "%s: array suffix \"%.*s\"", l->where,
                           SN_STR_ARG(suffix));
        struct sn_str digits = sn_str_sub(suffix, 1, (size_t)close);
        struct gen_type *outer = gen_alloc(l->mem, sizeof(*outer));
        if (!outer) return SN_E_NOMEM;
        *outer = (struct gen_type){.tag = digits.len ? GEN_ARRAY : GEN_LIST, .elem = *t,
                                   .dynamic = !digits.len || (*t)->dynamic};
        if (digits.len && (sn_str_to_u64(digits, &outer->count) < 0 || outer->count == 0 ||
                           outer->count > UINT32_MAX))
            return sn_fail(SN_E_INVALID_ARGUMENT, "%s: array of \"%.*s\" elements", l->where,
                           SN_STR_ARG(digits));
        const char *tail = gen_printf(l->mem, "[%.*s]", SN_STR_ARG(digits));
        outer->canonical = gen_printf(l->mem, "%s%s", (*t)->canonical, tail);
        outer->json = gen_printf(l->mem, "%s%s", (*t)->json, tail);
        *t = outer;
        suffix = sn_str_from(suffix, (size_t)close + 1);
    }
    return 0;
}
static int load_type(struct loader *l, const struct sn_json *param, const struct gen_type **ret)
{
    struct sn_str text = text_of(param, "type"), base = before(text, '[');
    struct sn_str internal = text_of(param, "internalType");
    struct gen_type *t = gen_alloc(l->mem, sizeof(*t));
    if (!t) return SN_E_NOMEM;
    if (l->depth >= GEN_TUPLE_DEPTH_MAX)
        return sn_fail(SN_E_DEPTH, "%s: tuples nested deeper than %d", l->where, GEN_TUPLE_DEPTH_MAX);
    l->depth++;
    int r = sn_str_eqc(base, "tuple") ? tuple(l, param, t) : elementary(l, base, t);
    l->depth--;
    if (r == 0) r = alias(l, internal, t);
    const struct gen_type *whole = t;
    if (r == 0) r = wrap(l, sn_str_from(text, base.len), &whole);
    if (r < 0) return r;
    ((struct gen_type *)whole)->internal = internal; /* made here, const for the readers */
    *ret = whole;
    return 0;
}
static int load_params(struct loader *l, const struct sn_json *list, struct gen_params *ret)
{
    size_t n = sn_json_len(list);
    if (n > GEN_PARAMS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%s: %zu parameters", l->where, n);
    *ret = (struct gen_params){gen_alloc(l->mem, (n + 1) * sizeof(*ret->ptr)), n};
    if (!ret->ptr) return SN_E_NOMEM;
    struct gen_param *p = ret->ptr;
    for (SN_JSON_EACH(list, it)) {
        p->raw = text_of(it, "name");
        p->indexed = sn_json_bool_or(sn_json_get(it, "indexed"), false);
        int r = load_type(l, it, &p->type);
        if (r < 0) return r;
        p++;
    }
    return 0;
}

/* ---- items ---- */

static const char *signature(struct loader *l, const struct gen_item *it)
{
    const char *s = gen_printf(l->mem, "%.*s(", SN_STR_ARG(it->raw));
    for (size_t i = 0; i < it->in.len; i++)
        s = gen_printf(l->mem, "%s%s%s", s, i ? "," : "", it->in.ptr[i].type->canonical);
    return gen_printf(l->mem, "%s)", s);
}
static void identify(struct gen_item *it)
{
    sn_keccak256(it->signature, strlen(it->signature), it->topic);
    memcpy(it->selector, it->topic, 4);
}
static void mutability(const struct sn_json *v, struct gen_item *it)
{
    struct sn_str m = text_of(v, "stateMutability");
    it->pure = sn_str_eqc(m, "pure");
    it->view = sn_str_eqc(m, "view");
    it->payable = sn_str_eqc(m, "payable");
    if (m.len) return; /* compilers before 0.4.16 had two flags */
    it->view = sn_json_bool_or(sn_json_get(v, "constant"), false);
    it->payable = sn_json_bool_or(sn_json_get(v, "payable"), false);
}
static int load_item(struct loader *l, const struct sn_json *v, enum gen_kind kind,
                     struct gen_item *ret)
{
    struct gen_item it = {.kind = kind, .raw = text_of(v, "name")};
    const char *file = l->where;
    l->where = gen_printf(l->mem, "%s: %s", file,
                          it.raw.len ? gen_printf(l->mem, "%.*s", SN_STR_ARG(it.raw)) : "constructor");
    int r = load_params(l, sn_json_get(v, "inputs"), &it.in);
    if (r == 0 && kind == GEN_METHOD) r = load_params(l, sn_json_get(v, "outputs"), &it.out);
    if (r == 0 && kind != GEN_CONSTRUCTOR && it.raw.len == 0)
        r = sn_fail(SN_E_INVALID_ARGUMENT, "%s: an entry without a name", file);
    l->where = file;
    if (r < 0) return r;
    it.anonymous = sn_json_bool_or(sn_json_get(v, "anonymous"), false);
    mutability(v, &it);
    it.signature = signature(l, &it);
    identify(&it);
    *ret = it;
    return 0;
}
static int add_item(struct loader *l, const struct sn_json *v, enum gen_kind kind,
                    struct gen_items *to)
{
    struct gen_item it;
    int r = load_item(l, v, kind, &it);
    if (r == 0) to->ptr[to->len++] = it;
    return r;
}
static int load_entry(struct loader *l, const struct sn_json *v)
{
    struct sn_str type = text_of(v, "type");
    struct gen_contract *c = l->c;
    if (type.len == 0 || sn_str_eqc(type, "function")) return add_item(l, v, GEN_METHOD, &c->methods);
    if (sn_str_eqc(type, "event")) return add_item(l, v, GEN_EVENT, &c->events);
    if (sn_str_eqc(type, "error")) return add_item(l, v, GEN_ERROR, &c->errors);
    if (sn_str_eqc(type, "constructor"))
        return load_item(l, v, GEN_CONSTRUCTOR, &c->constructor);
    struct gen_item it = {0};
    mutability(v, &it);
    if (sn_str_eqc(type, "receive")) {
        c->receive = true;
    } else if (sn_str_eqc(type, "fallback")) {
        c->fallback = true;
        c->fallback_payable = it.payable;
    } else {
        return sn_fail(SN_E_INVALID_ARGUMENT, "%s: an ABI has no \"%.*s\"", l->where,
                       SN_STR_ARG(type));
    }
    return 0;
}

/* ---- NatSpec, selectors, bytecode ---- */

static struct sn_str joined(struct gen_mem *a, struct sn_str x, struct sn_str y)
{
    if (!x.len || !y.len) return x.len ? x : y;
    return sn_str(gen_printf(a, "%.*s\n%.*s", SN_STR_ARG(x), SN_STR_ARG(y)));
}
static void doc_params(const struct sn_json *docs, struct gen_params *ps, bool outputs)
{
    for (size_t i = 0; i < ps->len; i++) {
        struct gen_param *p = &ps->ptr[i];
        char unnamed[16];
        struct sn_buf b;
        sn_buf_init_fixed(&b, unnamed, sizeof(unnamed));
        sn_buf_printf(&b, "_%zu", i);
        struct sn_str key = p->raw.len ? p->raw : outputs ? sn_buf_view(&b) : SN_STR("");
        struct sn_str s = sn_json_str(sn_json_find(docs, key));
        if (s.len) p->doc = s;
    }
}
/* Errors and events may have a list of notes, one per declaration: the first is taken. */
static const struct sn_json *note(const struct sn_json *doc, const char *kind, const char *sig)
{
    const struct sn_json *v = sn_json_find(sn_json_get(doc, kind), sn_str(sig));
    return sn_json_is(v, SN_JSON_ARRAY) ? sn_json_at(v, 0) : v;
}
static void document(struct gen_mem *a, struct gen_item *it, const char *kind, const char *key,
                     const struct sn_json *user, const struct sn_json *dev)
{
    const struct sn_json *d = note(dev, kind, key), *u = note(user, kind, key);
    it->doc = joined(a, text_of(u, "notice"), text_of(d, "details"));
    doc_params(sn_json_get(d, "params"), &it->in, false);
    doc_params(sn_json_get(d, "returns"), &it->out, true);
}
static void load_docs(struct loader *l, const struct sn_json *user, const struct sn_json *dev)
{
    struct gen_contract *c = l->c;
    c->doc = joined(l->mem, joined(l->mem, text_of(dev, "title"), text_of(user, "notice")),
                    text_of(dev, "details"));
    struct {
        struct gen_items *items;
        const char *kind;
    } rows[] = {{&c->methods, "methods"}, {&c->events, "events"}, {&c->errors, "errors"}};
    for (size_t k = 0; k < SN_COUNT_OF(rows); k++)
        for (size_t i = 0; i < rows[k].items->len; i++) {
            struct gen_item *it = &rows[k].items->ptr[i];
            document(l->mem, it, rows[k].kind, it->signature, user, dev);
        }
    document(l->mem, &c->constructor, "methods", "constructor", user, dev);
}
static bool has_signature(const struct gen_items *items, struct sn_str sig)
{
    for (size_t i = 0; i < items->len; i++)
        if (sn_str_eqc(sig, items->ptr[i].signature)) return true;
    return false;
}
/* A library's functions have selectors over names of types ("f(Lib.S storage)"), which the ABI does
 * not show, or shows as something with another selector. The compiler's own list decides. */
static int load_selectors(struct loader *l, const struct sn_json *ids)
{
    struct gen_contract *c = l->c;
    if (sn_json_len(ids) == 0) return 0;
    if (sn_json_len(ids) > GEN_ITEMS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%s: %zu selectors", l->where, sn_json_len(ids));
    size_t kept = 0;
    for (size_t i = 0; i < c->methods.len; i++)
        if (sn_json_find(ids, sn_str(c->methods.ptr[i].signature)))
            c->methods.ptr[kept++] = c->methods.ptr[i];
    c->methods.len = kept;
    struct gen_items *lib = &c->library_methods;
    lib->ptr = gen_alloc(l->mem, sn_json_len(ids) * sizeof(*lib->ptr));
    if (!lib->ptr) return SN_E_NOMEM;
    for (SN_JSON_MEMBERS(ids, m)) {
        struct sn_str sig = sn_json_str(&m->key);
        if (has_signature(&c->methods, sig)) continue;
        struct gen_item *it = &lib->ptr[lib->len++];
        it->kind = GEN_METHOD;
        it->raw = before(sig, '(');
        it->signature = gen_printf(l->mem, "%.*s", SN_STR_ARG(sig));
        identify(it);
    }
    return 0;
}
/* {"contracts/Math.sol": {"Math": [{"start": 12, "length": 20}]}}; the placeholder is read from the
 * code itself: 40 characters at twice the offset. */
static int load_libraries(struct loader *l, const struct sn_json *refs)
{
    struct gen_contract *c = l->c;
    size_t n = 0;
    for (SN_JSON_MEMBERS(refs, file)) n += sn_json_len(&file->value);
    if (n > GEN_PARAMS_MAX) return sn_fail(SN_E_TOO_LARGE, "%s: %zu libraries", l->where, n);
    c->libraries = gen_alloc(l->mem, (n + 1) * sizeof(*c->libraries));
    if (!c->libraries) return SN_E_NOMEM;
    for (SN_JSON_MEMBERS(refs, file))
        for (SN_JSON_MEMBERS(&file->value, lib)) {
            int64_t start = sn_json_i64_or(sn_json_path(&lib->value, "0.start"), -1);
            struct sn_str name = sn_json_str(&lib->key);
            if (start < 0 || (uint64_t)start > c->bytecode.len / 2 ||
                c->bytecode.len - 2 * (size_t)start < 40)
                return sn_fail(SN_E_INVALID_ARGUMENT, "%s: link reference of %.*s is outside "
                               "the bytecode", l->where, SN_STR_ARG(name));
            c->libraries[c->n_libraries++] = (struct gen_library){
                .name = name,
                .placeholder = gen_printf(l->mem, "%.40s", c->bytecode.ptr + 2 * start),
            };
        }
    return 0;
}
/* Hex, with or without 0x, may hold placeholders. Text that is no code at all is an error. */
static int load_bytecode(struct loader *l, struct sn_str hex, const struct sn_json *refs)
{
    if (sn_str_starts(hex, SN_STR("0x"))) hex = sn_str_from(hex, 2);
    for (size_t i = 0; i < hex.len; i++) {
        char c = hex.ptr[i];
        bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!word && c != '_' && c != '$')
            return sn_fail(SN_E_INVALID_ARGUMENT, "%s: bytecode is not hexadecimal", l->where);
    }
    if (hex.len % 2) return sn_fail(SN_E_INVALID_ARGUMENT, "%s: half a byte of code", l->where);
    l->c->bytecode = hex;
    int r = load_libraries(l, refs);
    for (size_t i = 0; i < hex.len && r == 0; i++)
        if ((hex.ptr[i] == '_' || hex.ptr[i] == '$') && l->c->n_libraries == 0)
            r = sn_fail(SN_E_INVALID_ARGUMENT, "%s: unlinked bytecode without linkReferences",
                        l->where);
    return r;
}

/* ---- files ---- */

struct artifact {
    struct sn_str name, source, bytecode;
    const struct sn_json *abi, *links, *ids, *user, *dev;
};
static int load_contract(struct gen_mem *a, const struct artifact *art, const char *where,
                         gen_contracts *ret)
{
    size_t n = sn_json_len(art->abi);
    if (n > GEN_ITEMS_MAX) return sn_fail(SN_E_TOO_LARGE, "%s: %zu entries", where, n);
    struct gen_contract c = {.raw = art->name, .source = art->source};
    struct gen_items *lists[] = {&c.methods, &c.events, &c.errors};
    for (size_t i = 0; i < SN_COUNT_OF(lists); i++) {
        lists[i]->ptr = gen_alloc(a, (n + 1) * sizeof(struct gen_item));
        if (!lists[i]->ptr) return SN_E_NOMEM;
    }
    c.constructor.kind = GEN_CONSTRUCTOR;
    struct loader l = {.mem = a, .c = &c, .where = where};
    int r = 0;
    for (SN_JSON_EACH(art->abi, it))
        if (r == 0) r = load_entry(&l, it);
    if (r == 0) load_docs(&l, art->user, art->dev);
    if (r == 0) r = load_selectors(&l, art->ids);
    if (r == 0) r = load_bytecode(&l, art->bytecode, art->links);
    c.n_structs = l.structs.len;
    c.n_aliases = l.aliases.len;
    c.structs = gen_alloc(a, (l.structs.len + 1) * sizeof(*c.structs));
    c.aliases = gen_alloc(a, (l.aliases.len + 1) * sizeof(*c.aliases));
    if (r == 0 && (!c.structs || !c.aliases)) r = SN_E_NOMEM;
    if (r == 0 && c.n_structs) memcpy(c.structs, l.structs.ptr, c.n_structs * sizeof(*c.structs));
    if (r == 0 && c.n_aliases) memcpy(c.aliases, l.aliases.ptr, c.n_aliases * sizeof(*c.aliases));
    sn_vec_done(&l.structs);
    sn_vec_done(&l.aliases);
    if (r == 0) r = gen_finish(a, &c);
    if (r < 0) return sn_wrap(r, "%s", where);
    return sn_vec_push(ret, c);
}
/* Metadata is an object in some artifacts and text in others. */
static const struct sn_json *metadata(struct gen_mem *a, const struct sn_json *v)
{
    const struct sn_json *m = sn_json_get(v, "metadata"), *parsed = NULL;
    if (!sn_json_is(m, SN_JSON_STRING)) return m;
    if (m->len == 0 || sn_json_parse(a->arena, sn_json_str(m), NULL, &parsed) < 0) return NULL;
    return parsed;
}
static int load_artifact(struct gen_mem *a, const struct sn_json *v, struct artifact art,
                         const char *where, gen_contracts *ret)
{
    const struct sn_json *evm = sn_json_get(v, "evm"), *meta = metadata(a, v);
    const struct sn_json *code = sn_json_get(evm ? evm : v, "bytecode");
    art.abi = sn_json_get(v, "abi");
    art.ids = sn_json_get(evm ? evm : v, "methodIdentifiers");
    bool object = sn_json_is(code, SN_JSON_OBJECT);
    art.bytecode = object ? text_of(code, "object") : sn_json_str(code);
    art.links = sn_json_get(object ? code : v, "linkReferences");
    art.user = sn_json_get(v, "userdoc");
    art.dev = sn_json_get(v, "devdoc");
    if (!art.user) art.user = sn_json_path(meta, "output.userdoc");
    if (!art.dev) art.dev = sn_json_path(meta, "output.devdoc");
    const struct sn_json *target = sn_json_path(meta, "settings.compilationTarget");
    for (SN_JSON_MEMBERS(target, m)) {
        if (art.source.len == 0) art.source = sn_json_str(&m->key);
        if (text_of(v, "contractName").len == 0) art.name = sn_json_str(&m->value);
    }
    if (text_of(v, "contractName").len) art.name = text_of(v, "contractName");
    if (text_of(v, "sourceName").len) art.source = text_of(v, "sourceName");
    return load_contract(a, &art, where, ret);
}
int gen_load(struct gen_mem *a, const struct sn_abigen_source *src, gen_contracts *ret)
{
    const char *where = gen_printf(a, "%.*s", SN_STR_ARG(src->path));
    struct artifact art = {.name = before(after_last(src->path, '/'), '.')};
    const struct sn_json *v;
    int r = sn_json_parse(a->arena, src->text, NULL, &v);
    if (r < 0) return sn_wrap(r, "%s", where);
    if (sn_json_is(v, SN_JSON_ARRAY)) {
        art.abi = v;
        return load_contract(a, &art, where, ret);
    }
    if (sn_json_is(sn_json_get(v, "abi"), SN_JSON_ARRAY))
        return load_artifact(a, v, art, where, ret);
    const struct sn_json *all = sn_json_get(v, "contracts");
    if (!all) all = sn_json_path(v, "output.contracts");
    for (SN_JSON_MEMBERS(all, file))
        for (SN_JSON_MEMBERS(&file->value, m)) {
            if (!sn_json_is(sn_json_get(&m->value, "abi"), SN_JSON_ARRAY)) continue;
            art.name = sn_json_str(&m->key);
            art.source = sn_json_str(&file->key);
            r = load_artifact(a, &m->value, art, where, ret);
            if (r < 0) return r;
        }
    return 0;
}

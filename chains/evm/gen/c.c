/* SPDX-License-Identifier: Apache-2.0 */
/* evm/gen/c.c - C on evm/gen/sdk.h: per contract a header of structs and typed inline functions, and
 * a source of constant tables that say how the structs lie in memory. */
#include "core/status.h"
#include "evm/gen/gen_int.h"

static const char *const reserved[] = {
    "alignas", "alignof", "asm", "auto", "bool", "break", "case", "char", "const", "constexpr",
    "continue", "default", "do", "double", "else", "enum", "errno", "extern", "false", "float",
    "for", "goto", "if", "inline", "int", "linux", "long", "nullptr", "register", "restrict",
    "return", "short", "signed", "sizeof", "static", "static_assert", "struct", "switch",
    "thread_local", "true", "typedef", "typeof", "typeof_unqual", "union", "unix", "unsigned",
    "void", "volatile", "while", "and", "or", "not", "xor", "class", "delete", "new", "private",
    "public", "protected", "template", "this", "throw", "try", "catch", "using", "virtual",
    "namespace", "operator", "friend", "explicit", "mutable", "export", "typename", NULL,
};
static const char *const module_names[] = {
    "error", "error_kind", "error_decode", "deploy_encode", "deploy_args", "bytecode", "libraries",
    "revert", "panic", "kind", NULL,
};
static const char *const method_names[] = {
    "{n}_args", "{n}_result", "{n}_item", "{n}_encode", "{n}_decode", "{n}_call", "{n}_send", NULL,
};
static const char *const event_names[] = {"{n}_event", "{n}_event_item", "{n}_event_decode", NULL};
static const char *const error_names[] = {"{n}_error", "{n}_error_item", "{n}_error_decode", NULL};
static const char *const type_names[] = {"{p}", NULL};
static const char *const library_names[] = {"{n}_selector", NULL};
static const struct gen_rules rules = {
    .n = GEN_SNAKE, .p = GEN_SNAKE, .u = GEN_UPPER, .param = GEN_SNAKE, .field = GEN_SNAKE,
    .type = GEN_SNAKE, .reserved = reserved, .module = module_names, .method = method_names,
    .event = event_names, .error = error_names, .struct_ = type_names, .alias = type_names,
    .library = library_names,
};
static const struct gen_doc_style doc_style = {
    .first = "/*", .lead = " * ", .last = " */", .bad = "*/", .good = "* /", .param = "in ",
    .result = "out ",
};
/* One contract being written. */
struct c_out {
    struct gen_out h, c;
    struct gen_mem *mem;
    const struct gen_contract *contract;
    const char *x;       /* prefix */
    struct sn_map types; /* tags already declared, layouts already defined */
};

static bool once(struct c_out *o, const char *key)
{
    if (sn_map_find(&o->types, sn_str(key))) return false;
    o->mem->failed |= sn_map_put(&o->types, sn_str(key), o, NULL) < 0;
    return true;
}
static const struct gen_type *own_type(const struct gen_param *p)
{
    static const struct gen_type hash = {.tag = GEN_BYTESN, .count = 32, .canonical = "bytes32",
                                         .json = "bytes32"};
    return p->indexed && gen_is_hashed(p->type) ? &hash : p->type;
}
/* uint256, order, uint16_x3_list: what lists and layouts are called after. */
static const char *word(struct gen_mem *a, const struct gen_type *t)
{
    if (t->tag == GEN_LIST) return gen_printf(a, "%s_list", word(a, t->elem));
    if (t->tag == GEN_ARRAY)
        return gen_printf(a, "%s_x%llu", word(a, t->elem), (unsigned long long)t->count);
    return t->tag == GEN_TUPLE ? t->tuple->id : t->canonical;
}
static unsigned int_bits(const struct gen_type *t)
{
    return t->bits <= 8 ? 8 : t->bits <= 16 ? 16 : t->bits <= 32 ? 32 : 64;
}
static const char *c_type(struct c_out *o, const struct gen_type *t)
{
    struct gen_mem *a = o->mem;
    if (t->alias) return gen_printf(a, "%s_%s", o->x, t->alias->id);
    switch (t->tag) {
    case GEN_UINT:
    case GEN_INT:
        if (t->bits > 64) return "struct sn_u256";
        return gen_printf(a, "%sint%u_t", t->tag == GEN_UINT ? "u" : "", int_bits(t));
    case GEN_BOOL: return "bool";
    case GEN_ADDRESS: return "struct sn_sdk_address";
    case GEN_BYTESN:
    case GEN_FUNCTION: return "struct sn_sdk_word";
    case GEN_BYTES:
    case GEN_STRING: return "struct sn_str";
    case GEN_LIST:
    case GEN_ARRAY: return gen_printf(a, "struct %s__%s", o->x, word(a, t));
    case GEN_TUPLE: return gen_printf(a, "struct %s_%s", o->x, t->tuple->id);
    }
    return "void";
}
static void declare(struct c_out *o, const struct gen_type *t);
static void fields(struct c_out *o, const struct gen_params *ps)
{
    for (size_t i = 0; i < ps->len; i++)
        gen_line(&o->h, "%s %s;%s", c_type(o, own_type(&ps->ptr[i])), ps->ptr[i].id,
                 own_type(&ps->ptr[i]) != ps->ptr[i].type ? " /* the hash of the value */" : "");
}
static void declare_all(struct c_out *o, const struct gen_params *ps)
{
    for (size_t i = 0; i < ps->len; i++) declare(o, own_type(&ps->ptr[i]));
}
/* The structs a type needs, those inside it first. */
static void declare(struct c_out *o, const struct gen_type *t)
{
    if (t->elem) declare(o, t->elem);
    if (!t->elem && t->tag != GEN_TUPLE) return;
    if (t->tag == GEN_TUPLE) declare_all(o, &t->tuple->fields);
    const char *tag = c_type(o, t);
    if (!once(o, tag)) return;
    gen_open(&o->h, "%s {", tag);
    if (t->tag == GEN_TUPLE) {
        fields(o, &t->tuple->fields);
    } else if (t->tag == GEN_LIST) {
        gen_line(&o->h, "const %s *ptr;", c_type(o, t->elem));
        gen_line(&o->h, "size_t len;");
    } else {
        gen_line(&o->h, "%s at[%llu];", c_type(o, t->elem), (unsigned long long)t->count);
    }
    gen_close(&o->h, "};");
}

/* ---- layouts ---- */

static const char *layout(struct c_out *o, const struct gen_type *t);
static void struct_layout(struct c_out *o, const char *name, const char *tag,
                          const struct gen_params *ps)
{
    struct gen_mem *a = o->mem;
    const char *rows = "";
    for (size_t i = 0; i < ps->len; i++)
        rows = gen_printf(a, "%s    {offsetof(%s, %s), &%s},\n", rows, tag, ps->ptr[i].id,
                          layout(o, own_type(&ps->ptr[i])));
    gen_text(&o->c, "static const struct sn_sdk_field %s_fields[] = {\n%s};\n", name, rows);
    gen_text(&o->c, "static const struct sn_sdk_layout %s = {\n    .rep = SN_SDK_STRUCT, "
             ".size = sizeof(%s), .count = %zu, .fields = %s_fields,\n};\n", name, tag, ps->len, name);
}
static const char *layout(struct c_out *o, const struct gen_type *t)
{
    struct gen_mem *a = o->mem;
    const char *name = gen_printf(a, "l_%s", word(a, t));
    if (!once(o, name)) return name;
    static const char *const reps[] = {
        [GEN_UINT] = "UINT", [GEN_INT] = "INT", [GEN_BOOL] = "BOOL", [GEN_ADDRESS] = "ADDRESS",
        [GEN_BYTESN] = "WORD", [GEN_FUNCTION] = "WORD", [GEN_BYTES] = "TEXT",
        [GEN_STRING] = "TEXT", [GEN_LIST] = "LIST", [GEN_ARRAY] = "ARRAY",
    };
    if (t->tag == GEN_TUPLE) {
        struct_layout(o, name, c_type(o, t), &t->tuple->fields);
        return name;
    }
    const char *elem = t->elem ? gen_printf(a, ", .elem = &%s", layout(o, t->elem)) : "";
    const char *count = t->tag == GEN_BYTESN || t->tag == GEN_FUNCTION || t->tag == GEN_ARRAY
                            ? gen_printf(a, ", .count = %llu", (unsigned long long)t->count) : "";
    gen_text(&o->c, "static const struct sn_sdk_layout %s = {\n    .rep = SN_SDK_%s, "
             ".size = sizeof(%s)%s%s,\n};\n", name, reps[t->tag], c_type(o, t), count, elem);
    return name;
}
static const char *types_list(struct gen_mem *a, const struct gen_params *ps)
{
    const char *s = "";
    for (size_t i = 0; i < ps->len; i++)
        s = gen_printf(a, "%s%s%s%s", s, i ? ", " : "", ps->ptr[i].type->canonical,
                       ps->ptr[i].indexed ? " indexed" : "");
    return s;
}
static const char *item_text(struct gen_mem *a, const struct gen_item *it)
{
    const char *in = types_list(a, &it->in);
    switch (it->kind) {
    case GEN_EVENT:
        return gen_printf(a, "event %.*s(%s)%s", SN_STR_ARG(it->raw), in,
                          it->anonymous ? " anonymous" : "");
    case GEN_ERROR: return gen_printf(a, "error %.*s(%s)", SN_STR_ARG(it->raw), in);
    case GEN_CONSTRUCTOR: return gen_printf(a, "constructor(%s)", in);
    default:
        return gen_printf(a, it->out.len ? "function %.*s(%s) returns (%s)" : "function %.*s(%s)",
                          SN_STR_ARG(it->raw), in, types_list(a, &it->out));
    }
}
/* The item's table; `what`: "take", "ordered_event". Structs are X_what_args or X_what. */
static void item_table(struct c_out *o, const struct gen_item *it, const char *what)
{
    struct gen_mem *a = o->mem;
    bool call = it->kind == GEN_METHOD || it->kind == GEN_CONSTRUCTOR;
    const char *in = "l_none", *out = "l_none";
    if (it->in.len) {
        in = gen_printf(a, "l_%s__in", what);
        struct_layout(o, in, gen_printf(a, "struct %s_%s%s", o->x, what, call ? "_args" : ""), &it->in);
    }
    if (it->out.len) {
        out = gen_printf(a, "l_%s__out", what);
        struct_layout(o, out, gen_printf(a, "struct %s_%s_result", o->x, what), &it->out);
    }
    const uint8_t *s = it->selector;
    gen_text(&o->c, "const struct sn_sdk_item %s_%s_item = {\n    .text = \"%s\",\n"
             "    .selector = {0x%02x, 0x%02x, 0x%02x, 0x%02x},\n    .in = &%s,\n    .out = &%s,\n};\n",
             o->x, what, item_text(a, it), s[0], s[1], s[2], s[3], in, out);
    gen_line(&o->h, "extern const struct sn_sdk_item %s_%s_item;", o->x, what);
}
static void item_struct(struct c_out *o, const char *tag, const struct gen_params *ps)
{
    if (ps->len == 0) return;
    declare_all(o, ps);
    gen_open(&o->h, "struct %s {", tag);
    fields(o, ps);
    gen_close(&o->h, "};");
}

/* ---- functions ---- */

static void method(struct c_out *o, const struct gen_item *it)
{
    struct gen_mem *a = o->mem;
    struct gen_out *h = &o->h;
    const char *n = it->name.n, *x = o->x;
    const char *args = it->in.len ? gen_printf(a, "const struct %s_%s_args *args, ", x, n) : "";
    const char *pass = it->in.len ? "args" : "NULL";
    const char *ret = it->out.len ? gen_printf(a, "struct %s_%s_result *ret, ", x, n) : "";
    gen_blank(h);
    gen_doc(h, &doc_style, gen_printf(a, "%s, %s", it->signature, gen_hex(a, it->selector, 4)),
            it->doc, &it->in, &it->out);
    item_struct(o, gen_printf(a, "%s_%s_args", x, n), &it->in);
    item_struct(o, gen_printf(a, "%s_%s_result", x, n), &it->out);
    item_table(o, it, n);
    gen_open(h, "static inline int %s_%s_encode(%sstruct sn_buf *out)", x, n, args);
    h->indent -= h->step;
    gen_text(h, "{\n    return sn_sdk_encode(&%s_%s_item, %s, out);\n}\n", x, n, pass);
    if (it->out.len)
        gen_text(h, "static inline int %s_%s_decode(struct sn_arena *a, struct sn_str data,\n"
                 "        struct %s_%s_result *ret)\n{\n"
                 "    return sn_sdk_decode(&%s_%s_item, a, data, ret);\n}\n", x, n, x, n, x, n);
    gen_text(h, "static inline int %s_%s_call(const struct sn_sdk_at *at, struct sn_arena *a,\n"
             "        %s%sstruct sn_str *ret_revert)\n{\n"
             "    return sn_sdk_call(&%s_%s_item, at, a, %s, %s, ret_revert);\n}\n", x, n, args, ret,
             x, n, pass, it->out.len ? "ret" : "NULL");
    if (it->view || it->pure) return;
    gen_text(h, "static inline int %s_%s_send(const struct sn_sdk_at *at, struct sn_arena *a,\n"
             "        %sconst struct sn_sdk_tx *tx, uint8_t ret_hash[32], struct sn_str *ret_revert)\n{\n"
             "    struct sn_buf data;\n    sn_buf_init(&data, 0);\n"
             "    int r = %s_%s_encode(%s%s&data);\n"
             "    if (r == 0)\n        r = sn_sdk_send(at, a, sn_buf_view(&data), false, tx, ret_hash, "
             "ret_revert);\n    sn_buf_done(&data);\n    return r;\n}\n", x, n, args, x, n,
             it->in.len ? "args" : "", it->in.len ? ", " : "");
}
static void event(struct c_out *o, const struct gen_item *it)
{
    struct gen_mem *a = o->mem;
    const char *n = it->name.n, *x = o->x;
    gen_blank(&o->h);
    gen_doc(&o->h, &doc_style, gen_printf(a, "Event %s%s", it->signature,
                                          it->anonymous ? ", anonymous" : ""), it->doc, &it->in, NULL);
    item_struct(o, gen_printf(a, "%s_%s_event", x, n), &it->in);
    item_table(o, it, gen_printf(a, "%s_event", n));
    const char *ret = it->in.len ? gen_printf(a, ", struct %s_%s_event *ret", x, n) : "";
    gen_text(&o->h, "static inline int %s_%s_event_decode(struct sn_arena *a, const uint8_t *topics,\n"
             "        size_t n_topics, struct sn_str data%s)\n{\n"
             "    return sn_sdk_decode_event(&%s_%s_event_item, a, topics, n_topics, data, %s);\n}\n",
             x, n, ret, x, n, it->in.len ? "ret" : "NULL");
}
/* The error's member of the union, which is no keyword. */
static const char *member(struct gen_mem *a, const struct gen_item *it)
{
    for (const char *const *w = reserved; *w; w++)
        if (strcmp(*w, it->name.n) == 0) return gen_printf(a, "%s_", it->name.n);
    return it->name.n;
}
static void errors(struct c_out *o)
{
    struct gen_mem *a = o->mem;
    const struct gen_items *es = &o->contract->errors;
    const char *x = o->x, *up = gen_case(a, sn_str(x), GEN_UPPER);
    for (size_t i = 0; i < es->len; i++) {
        const struct gen_item *it = &es->ptr[i];
        gen_blank(&o->h);
        gen_doc(&o->h, &doc_style, gen_printf(a, "Error %s", it->signature), it->doc, &it->in, NULL);
        item_struct(o, gen_printf(a, "%s_%s_error", x, it->name.n), &it->in);
        item_table(o, it, gen_printf(a, "%s_error", it->name.n));
    }
    gen_blank(&o->h);
    gen_open(&o->h, "enum %s_error_kind {", x);
    gen_line(&o->h, "%s_ERROR_UNKNOWN,", up);
    gen_line(&o->h, "%s_ERROR_REVERT, /* require(false, reason) */", up);
    gen_line(&o->h, "%s_ERROR_PANIC,  /* assert(false), an overflow and the like */", up);
    for (size_t i = 0; i < es->len; i++)
        gen_line(&o->h, "%s_ERROR_%s,", up, es->ptr[i].name.u);
    gen_close(&o->h, "};");
    gen_open(&o->h, "struct %s_error {", x);
    gen_line(&o->h, "enum %s_error_kind kind;", x);
    gen_open(&o->h, "union {");
    gen_line(&o->h, "struct sn_str revert;");
    gen_line(&o->h, "struct sn_u256 panic;");
    for (size_t i = 0; i < es->len; i++)
        if (es->ptr[i].in.len)
            gen_line(&o->h, "struct %s_%s_error %s;", x, es->ptr[i].name.n, member(a, &es->ptr[i]));
    gen_close(&o->h, "};");
    gen_close(&o->h, "};");
    gen_line(&o->h, "/* Revert data as one of the above; what is malformed or another's is UNKNOWN.");
    gen_line(&o->h, " * Returns 0, SN_E_NOMEM. Owns: as sn_sdk_decode. */");
    gen_line(&o->h, "int %s_error_decode(struct sn_arena *a, struct sn_str data, struct %s_error *ret);",
             x, x);
    struct gen_out *c = &o->c;
    gen_text(c, "int %s_error_decode(struct sn_arena *a, struct sn_str data, struct %s_error *ret)\n{\n"
             "    struct %s_error e = {.kind = %s_ERROR_UNKNOWN};\n"
             "    int r = sn_sdk_decode_builtin(a, data, &e.revert, &e.panic);\n"
             "    if (r == 1) e.kind = %s_ERROR_REVERT;\n    if (r == 2) e.kind = %s_ERROR_PANIC;\n",
             x, x, x, up, up, up);
    for (size_t i = 0; i < es->len; i++) {
        const struct gen_item *it = &es->ptr[i];
        const char *into = it->in.len ? gen_printf(a, "&e.%s", member(a, it)) : "NULL";
        gen_text(c, "    if (r == 0) {\n        r = sn_sdk_decode(&%s_%s_error_item, a, data, %s);\n"
                 "        if (r == SN_E_NOMEM) return r;\n"
                 "        if (r == 0) e.kind = %s_ERROR_%s;\n        r = r == 0;\n    }\n",
                 x, it->name.n, into, up, it->name.u);
    }
    gen_text(c, "    if (r < 0) return r;\n    *ret = e;\n    return 0;\n}\n");
}
static void deploy(struct c_out *o)
{
    const struct gen_contract *k = o->contract;
    if (k->bytecode.len == 0) return;
    struct gen_mem *a = o->mem;
    struct gen_out *h = &o->h;
    const char *x = o->x;
    struct gen_item ctor = k->constructor;
    ctor.raw = SN_STR("");
    gen_blank(h);
    gen_doc(h, &doc_style, "Deployment: code and arguments, for sn_sdk_send with create.", ctor.doc,
            &ctor.in, NULL);
    item_struct(o, gen_printf(a, "%s_deploy_args", x), &ctor.in);
    if (ctor.in.len) item_table(o, &ctor, "deploy");
    if (k->n_libraries) {
        gen_open(h, "struct %s_libraries {", x);
        for (size_t i = 0; i < k->n_libraries; i++)
            gen_line(h, "struct sn_sdk_address %s;", k->libraries[i].id);
        gen_close(h, "};");
    }
    gen_line(h, "extern const char %s_bytecode[]; /* hexadecimal%s */", x,
             k->n_libraries ? ", with placeholders of libraries" : "");
    gen_text(&o->c, "const char %s_bytecode[] =\n", x);
    for (size_t at = 0; at < k->bytecode.len; at += 88)
        gen_text(&o->c, "    \"%.*s\"\n", SN_STR_ARG(sn_str_sub(k->bytecode, at, at + 88)));
    gen_text(&o->c, "    ;\n");
    gen_text(h, "static inline int %s_deploy_encode(%s%sstruct sn_buf *out)\n{\n", x,
             k->n_libraries ? gen_printf(a, "const struct %s_libraries *libraries, ", x) : "",
             ctor.in.len ? gen_printf(a, "const struct %s_deploy_args *args, ", x) : "");
    if (k->n_libraries) {
        gen_text(h, "    const struct sn_sdk_link links[] = {\n");
        for (size_t i = 0; i < k->n_libraries; i++)
            gen_text(h, "        {\"%s\", libraries->%s},\n", k->libraries[i].placeholder,
                     k->libraries[i].id);
        gen_text(h, "    };\n");
    }
    gen_text(h, "    return sn_sdk_encode_deploy(%s, %s_bytecode, %s, %zu, %s, out);\n}\n",
             ctor.in.len ? gen_printf(a, "&%s_deploy_item", x) : "NULL", x,
             k->n_libraries ? "links" : "NULL", k->n_libraries, ctor.in.len ? "args" : "NULL");
}

/* ---- modules ---- */

static void body(struct c_out *o)
{
    const struct gen_contract *k = o->contract;
    for (size_t i = 0; i < k->n_aliases; i++) {
        const struct gen_alias *al = k->aliases[i];
        gen_line(&o->h, "typedef %s %s_%s; /* %s */", c_type(o, al->base), o->x, al->id,
                 al->is_enum ? "an enumeration" : "a user-defined value type");
    }
    for (size_t i = 0; i < k->methods.len; i++) method(o, &k->methods.ptr[i]);
    for (size_t i = 0; i < k->library_methods.len; i++) {
        const struct gen_item *it = &k->library_methods.ptr[i];
        const uint8_t *s = it->selector;
        gen_line(&o->h, "/* %s: takes storage, so only contracts call it. */", it->signature);
        gen_line(&o->h, "static const uint8_t %s_%s_selector[4] __attribute__((unused)) = "
                 "{0x%02x, 0x%02x, 0x%02x, 0x%02x};", o->x, it->name.n, s[0], s[1], s[2], s[3]);
    }
    for (size_t i = 0; i < k->events.len; i++) event(o, &k->events.ptr[i]);
    errors(o);
    deploy(o);
}
static void module(const struct gen_package *pkg, const struct gen_contract *k,
                   struct gen_files *files)
{
    struct gen_mem *a = pkg->mem;
    struct c_out o = {.mem = a, .contract = k, .x = k->module_id};
    gen_out_init(&o.h, a, 4, NULL);
    gen_out_init(&o.c, a, 4, NULL);
    sn_map_init(&o.types, 0, false);
    gen_line(&o.h, "/* Generated by sennit abi gen; edits are lost. */");
    gen_doc(&o.h, &doc_style, gen_printf(a, "Contract %.*s%s%.*s", SN_STR_ARG(k->raw),
                                         k->source.len ? " of " : "", SN_STR_ARG(k->source)),
            k->doc, NULL, NULL);
    gen_line(&o.h, "#pragma once");
    gen_line(&o.h, "#include \"evm/gen/sdk.h\"");
    gen_blank(&o.h);
    gen_line(&o.c, "/* Generated by sennit abi gen; edits are lost. */");
    gen_line(&o.c, "#include \"%s.h\"", k->module_id);
    gen_blank(&o.c);
    gen_line(&o.c, "#include \"core/status.h\"");
    gen_blank(&o.c);
    gen_line(&o.c, "static const struct sn_sdk_layout l_none __attribute__((unused)) = "
             "{.rep = SN_SDK_STRUCT};");
    body(&o);
    sn_map_done(&o.types);
    gen_file(files, &o.h, gen_printf(a, "c/%s.h", k->module_id));
    gen_file(files, &o.c, gen_printf(a, "c/%s.c", k->module_id));
}
static void readme(const struct gen_package *pkg, struct gen_files *files)
{
    struct gen_out o;
    gen_out_init(&o, pkg->mem, 4, NULL);
    const char *x = pkg->contracts[0].module_id;
    gen_line(&o, "# %s for C", pkg->name);
    gen_blank(&o);
    gen_line(&o, "Typed access to %zu contract%s, on Sennit's library (`evm/gen/sdk.h`). Generated by "
             "`sennit abi gen`; run it again instead of editing.", pkg->n, pkg->n == 1 ? "" : "s");
    gen_blank(&o);
    gen_line(&o, "```c");
    gen_line(&o, "#include \"%s.h\"", x);
    gen_line(&o, "struct sn_sdk_at at = {.rpc = rpc, .address = address, .from = from};");
    gen_line(&o, "```");
    gen_blank(&o);
    gen_text(&o, "| name | for |\n|---|---|\n"
             "| `x_name_call(&at, arena, &args, &ret, &revert)` | eth_call, also of a function that "
             "writes |\n"
             "| `x_name_send(&at, arena, &args, &tx, hash, &revert)` | a transaction, after the gas "
             "check |\n"
             "| `x_name_encode`, `x_name_decode` | calldata and return data without a node |\n"
             "| `x_name_event_decode` | events |\n"
             "| `x_error_decode` | custom errors, as a tagged union |\n"
             "| `x_deploy_encode`, `x_bytecode` | deployment |\n"
             "| `x_name_item` | selector and tables |\n");
    gen_file(files, &o, "c/README.md");
}
int gen_c(const struct gen_package *pkg, struct gen_files *files)
{
    struct gen_mem *a = pkg->mem;
    const char *sources = "";
    int r = gen_module_ids(pkg, reserved, NULL);
    for (size_t i = 0; i < pkg->n && r == 0; i++) {
        struct gen_contract *k = &pkg->contracts[i];
        k->id = k->module_id;
        r = gen_names(a, k, &rules);
        if (r == 0) module(pkg, k, files);
        sources = gen_printf(a, "%s%s'%s.c'", sources, i ? ",\n  " : "", k->module_id);
    }
    if (r < 0) return r;
    struct gen_out o;
    gen_out_init(&o, a, 2, NULL);
    gen_line(&o, "# Generated by sennit abi gen; edits are lost.");
    gen_line(&o, "# evm_sdk_dep: Sennit's library, from the project around this folder.");
    gen_line(&o, "%s_sdk = static_library('%s_sdk',", gen_case(a, sn_str(pkg->name), GEN_SNAKE),
             pkg->name);
    gen_line(&o, "  %s,", sources);
    gen_line(&o, "  dependencies: evm_sdk_dep)");
    gen_file(files, &o, "c/meson.build");
    readme(pkg, files);
    return files->err;
}

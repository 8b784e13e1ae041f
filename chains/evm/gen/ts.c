/* SPDX-License-Identifier: Apache-2.0 */
/* evm/gen/ts.c - TypeScript on viem: one ES module per contract whose exports are functions and
 * constants, so that a bundler drops what is not called. Values are encoded from the selector and
 * the parameter list alone, which also covers what viem's own call helpers refuse: `function`
 * types and anonymous events. */
#include "core/status.h"
#include "evm/gen/gen_int.h"

extern const unsigned char sn_abigen_runtime_ts[], sn_abigen_gas_ts[];
extern const size_t sn_abigen_runtime_ts_len, sn_abigen_gas_ts_len;

static const char *const reserved[] = {
    "arguments", "await", "break", "case", "catch", "class", "const", "continue", "debugger",
    "default", "delete", "do", "else", "enum", "eval", "export", "extends", "false", "finally",
    "for", "function", "if", "implements", "import", "in", "instanceof", "interface", "let", "new",
    "null", "package", "private", "protected", "public", "return", "static", "super", "switch",
    "this", "throw", "true", "try", "typeof", "undefined", "var", "void", "while", "with", "yield",
    NULL,
};
static const char *const module_names[] = {
    "abi", "bytecode", "deploy", "encodeDeploy", "decodeError", "decodeEvent", "constructorAbi",
    "Address", "Hex", "Hash", "Log", "Fixed", "Match", "LogRange", "LogTopic", "RawLog",
    "ReadClient", "WriteClient", "ReadOptions", "WriteOptions", "PayableOptions", "RevertReason",
    "PanicCode", "call", "send", "concatHex", "decodeAbiParameters", "encodeAbiParameters",
    "decodeBuiltinError", "decodeTopics", "errorData", "errorSelector", "getLogs", "keccak256",
    "linkBytecode", "matchTopic", "stringToHex", "watchLogs", "AnyError", "AnyEvent", "Array",
    "Promise", "Error", "Map", "Object", "libraryAbi", "EventMismatch", "ContractRevert", NULL,
};
static const char *const locals[] = {
    "client", "at", "options", "data", "log", "filter", "range", "libraries", "onEvents", "onError",
    "concatHex", "encodeAbiParameters", "call", "send", "linkBytecode", "bytecode", NULL,
};
static const char *const method_names[] = {
    "{n}", "encode{p}", "decode{p}Result", "simulate{p}", "{n}Abi", "{n}Selector", NULL,
};
static const char *const event_names[] = {
    "{p}Event", "{p}Filter", "decode{p}Event", "{n}Topics", "get{p}Events", "watch{p}Events",
    "{n}EventAbi", "{n}Topic", NULL,
};
static const char *const error_names[] = {
    "{p}Error", "decode{p}Error", "{n}ErrorAbi", "{n}ErrorSelector", NULL,
};
static const char *const type_names[] = {"{p}", NULL};
static const char *const library_names[] = {"{n}Selector", NULL};
static const struct gen_rules rules = {
    .n = GEN_RAW, .p = GEN_CAPITAL, .u = GEN_UPPER, .param = GEN_RAW, .field = GEN_RAW,
    .type = GEN_CAPITAL, .reserved = reserved, .module = module_names, .locals = locals,
    .fields = locals, .method = method_names,
    .event = event_names, .error = error_names, .struct_ = type_names, .alias = type_names,
    .library = library_names,
};
static const struct gen_doc_style doc_style = {
    .first = "/**", .lead = " * ", .last = " */", .bad = "*/", .good = "*\\/",
    .param = "@param ", .result = "@returns ",
};

/* abitype unrolls fixed arrays of 1 to 99 elements into tuples. */
#define UNROLLED_MAX 99

/* Whether viem's inferred type is not ours: then values are cast where they pass. */
static bool is_foreign(const struct gen_type *t)
{
    if (t->tag == GEN_TUPLE) {
        for (size_t i = 0; i < t->tuple->fields.len; i++)
            if (is_foreign(t->tuple->fields.ptr[i].type)) return true;
        return false;
    }
    if (t->tag == GEN_ARRAY && (t->count < 1 || t->count > UNROLLED_MAX)) return true;
    return t->tag == GEN_FUNCTION || (t->elem && is_foreign(t->elem));
}
static bool any_foreign(const struct gen_params *ps)
{
    for (size_t i = 0; i < ps->len; i++)
        if (is_foreign(ps->ptr[i].type)) return true;
    return false;
}
static const char *ts_type(struct gen_mem *a, const struct gen_type *t)
{
    if (t->alias) return t->alias->id;
    switch (t->tag) {
    case GEN_UINT:
    case GEN_INT: return t->bits <= 48 ? "number" : "bigint";
    case GEN_BOOL: return "boolean";
    case GEN_ADDRESS: return "Address";
    case GEN_BYTESN:
    case GEN_FUNCTION:
    case GEN_BYTES: return "Hex";
    case GEN_STRING: return "string";
    case GEN_LIST: return gen_printf(a, "readonly %s[]", t->elem->tag == GEN_LIST ?
                                     gen_printf(a, "(%s)", ts_type(a, t->elem)) :
                                     ts_type(a, t->elem));
    case GEN_ARRAY:
        if (t->count > UNROLLED_MAX) return gen_printf(a, "readonly %s[]",
                                                       gen_printf(a, "(%s)", ts_type(a, t->elem)));
        return gen_printf(a, "Fixed<%s, %llu>", ts_type(a, t->elem), (unsigned long long)t->count);
    case GEN_TUPLE: return t->tuple->id;
    }
    return "unknown";
}
/* ---- ABI literals ---- */

static void abi_params(struct gen_out *o, const struct gen_params *ps, bool event, bool codec);
/* codec: as the encoder wants it, function types being 24 bytes. */
static void abi_param(struct gen_out *o, const struct gen_param *p, bool event, bool codec)
{
    struct gen_mem *a = o->mem;
    const struct gen_type *t = p->type, *base = t;
    while (base->elem) base = base->elem;
    const char *json = t->json;
    if (codec && base->tag == GEN_FUNCTION)
        json = gen_printf(a, "bytes24%s", json + strlen("function"));
    gen_text(o, "{ name: %s, type: '%s'", gen_quoted(a, p->raw), json);
    if (!codec && t->internal.len) gen_text(o, ", internalType: %s", gen_quoted(a, t->internal));
    if (event) gen_text(o, ", indexed: %s", p->indexed ? "true" : "false");
    if (base->tag == GEN_TUPLE) {
        gen_text(o, ", components: ");
        abi_params(o, &base->tuple->fields, false, codec);
    }
    gen_text(o, " }");
}
static void abi_params(struct gen_out *o, const struct gen_params *ps, bool event, bool codec)
{
    gen_text(o, "[");
    for (size_t i = 0; i < ps->len; i++) {
        gen_text(o, i ? ", " : "");
        abi_param(o, &ps->ptr[i], event, codec);
    }
    gen_text(o, "]");
}
static const char *mutability(const struct gen_item *it)
{
    return it->pure ? "pure" : it->view ? "view" : it->payable ? "payable" : "nonpayable";
}
static void abi_item(struct gen_out *o, const struct gen_item *it)
{
    const char *name = gen_quoted(o->mem, it->raw);
    switch (it->kind) {
    case GEN_METHOD: gen_text(o, "{ type: 'function', name: %s, inputs: ", name); break;
    case GEN_EVENT: gen_text(o, "{ type: 'event', name: %s, inputs: ", name); break;
    case GEN_ERROR: gen_text(o, "{ type: 'error', name: %s, inputs: ", name); break;
    default: gen_text(o, "{ type: 'constructor', inputs: "); break;
    }
    abi_params(o, &it->in, it->kind == GEN_EVENT, false);
    if (it->kind == GEN_METHOD) {
        gen_text(o, ", outputs: ");
        abi_params(o, &it->out, false, false);
    }
    if (it->kind == GEN_EVENT && it->anonymous) gen_text(o, ", anonymous: true");
    if (it->kind == GEN_METHOD || it->kind == GEN_CONSTRUCTOR)
        gen_text(o, ", stateMutability: '%s'", mutability(it));
    gen_text(o, " }");
}
/* The parameter list the codec gets: the ABI constant's own, where viem reads it as it stands. */
static void codec_of(struct gen_out *o, const char *constant, const struct gen_params *ps)
{
    if (any_foreign(ps)) {
        abi_params(o, ps, false, true);
        gen_text(o, " as const");
    } else {
        gen_text(o, "%s", constant);
    }
}

/* ---- pieces of functions ---- */

static const char *arg_list(struct gen_mem *a, const struct gen_params *ps, bool typed)
{
    const char *s = "";
    for (size_t i = 0; i < ps->len; i++) {
        const char *id = ps->ptr[i].id;
        s = typed ? gen_printf(a, "%s%s%s: %s", s, i ? ", " : "", id, ts_type(a, ps->ptr[i].type))
                  : gen_printf(a, "%s%s%s", s, i ? ", " : "", id);
    }
    return s;
}
/* Values as viem's types have them. */
static const char *encoded_args(struct gen_mem *a, const struct gen_params *ps)
{
    const char *list = gen_printf(a, "[%s]", arg_list(a, ps, false));
    return any_foreign(ps) ? gen_printf(a, "%s as never", list) : list;
}
static const char *result_type(struct gen_mem *a, const struct gen_params *ps)
{
    if (ps->len == 0) return "void";
    if (ps->len == 1) return ts_type(a, ps->ptr[0].type);
    return gen_printf(a, "readonly [%s]", arg_list(a, ps, true));
}
static void encode_call(struct gen_out *o, const char *head, const char *constant,
                        const struct gen_params *ps)
{
    if (ps->len == 0) {
        gen_line(o, "return %s;", head);
        return;
    }
    gen_text(o, "%*sreturn concatHex([%s, encodeAbiParameters(", (int)o->indent, "", head);
    codec_of(o, constant, ps);
    gen_text(o, ", %s)]);\n", encoded_args(o->mem, ps));
}
static void decode_result(struct gen_out *o, const struct gen_item *it)
{
    struct gen_mem *a = o->mem;
    const char *type = result_type(a, &it->out);
    gen_open(o, "export function decode%sResult(data: Hex): %s {", it->name.p, type);
    gen_text(o, "%*sreturn decodeAbiParameters(", (int)o->indent, "");
    codec_of(o, gen_printf(a, "%sAbi.outputs", it->name.n), &it->out);
    gen_text(o, ", data)%s%s;\n", it->out.len == 1 ? "[0]" : "",
             any_foreign(&it->out) ? gen_printf(a, " as unknown as %s", type) : "");
    gen_close(o, "}");
}
static const char *join(struct gen_mem *a, const char *head, const char *args, const char *tail)
{
    return gen_printf(a, "%s%s%s%s%s", head, *args ? ", " : "", args, *tail ? ", " : "", tail);
}

static void method(struct gen_out *o, const struct gen_item *it)
{
    struct gen_mem *a = o->mem;
    const char *n = it->name.n, *p = it->name.p;
    const char *typed = arg_list(a, &it->in, true), *args = arg_list(a, &it->in, false);
    bool reads = it->view || it->pure;
    const char *head = gen_printf(a, "`%s`, %s, %s", it->signature, gen_hex(a, it->selector, 4),
                                  mutability(it));
    gen_blank(o);
    gen_line(o, "export const %sSelector = '%s';", n, gen_hex(a, it->selector, 4));
    gen_text(o, "export const %sAbi = ", n);
    abi_item(o, it);
    gen_text(o, " as const;\n");
    gen_open(o, "export function encode%s(%s): Hex {", p, typed);
    encode_call(o, gen_printf(a, "%sSelector", n), gen_printf(a, "%sAbi.inputs", n), &it->in);
    gen_close(o, "}");
    if (it->out.len) decode_result(o, it);
    const char *result = result_type(a, &it->out);
    const char *simulated = reads ? n : gen_printf(a, "simulate%s", p);
    if (reads)
        gen_doc(o, &doc_style, head, it->doc, &it->in, &it->out);
    else
        gen_line(o, "/** What `%s` would return, without sending it. */", n);
    gen_open(o, "export async function %s(%s): Promise<%s> {", simulated,
             join(a, "client: ReadClient, at: Address", typed, "options?: ReadOptions"), result);
    const char *go = gen_printf(a, "await call(client, at, encode%s(%s), options)", p, args);
    if (it->out.len)
        gen_line(o, "return decode%sResult(%s);", p, go);
    else
        gen_line(o, "%s;", go);
    gen_close(o, "}");
    if (reads) return;
    gen_doc(o, &doc_style, head, it->doc, &it->in, NULL);
    gen_open(o, "export function %s(%s): Promise<Hash> {", n,
             join(a, "client: WriteClient, at: Address", typed,
                  it->payable ? "options?: PayableOptions" : "options?: WriteOptions"));
    gen_line(o, "return send(client, at, encode%s(%s), options);", p, args);
    gen_close(o, "}");
}

/* ---- events and errors ---- */

static const char *key_of(struct gen_mem *a, const struct gen_param *p)
{
    return p->raw.len ? gen_case(a, p->raw, GEN_RAW) : p->id;
}
static const char *field_type(struct gen_mem *a, const struct gen_param *p)
{
    return p->indexed && gen_is_hashed(p->type) ? "Hex" : ts_type(a, p->type);
}
static void args_interface(struct gen_out *o, const char *discriminant, const struct gen_item *it)
{
    gen_line(o, "readonly %s: '%.*s';", discriminant, SN_STR_ARG(it->raw));
    gen_open(o, "readonly args: {");
    for (size_t i = 0; i < it->in.len; i++)
        gen_line(o, "readonly %s: %s;", key_of(o->mem, &it->in.ptr[i]),
                 field_type(o->mem, &it->in.ptr[i]));
    gen_close(o, "};");
}
static void decode_side(struct gen_out *o, const char *call, const struct gen_params *ps,
                        const char *tail)
{
    if (ps->len == 0) return;
    struct gen_mem *a = o->mem;
    const char *types = "";
    for (size_t i = 0; i < ps->len; i++)
        types = gen_printf(a, "%s%s%s", types, i ? ", " : "", ts_type(a, ps->ptr[i].type));
    gen_text(o, "%*sconst [%s] = %s", (int)o->indent, "", arg_list(a, ps, false), call);
    abi_params(o, ps, false, true);
    gen_text(o, " as const%s", tail);
    if (any_foreign(ps)) gen_text(o, " as unknown as readonly [%s]", types);
    gen_text(o, ";\n");
}
static const char *args_object(struct gen_mem *a, const struct gen_params *ps)
{
    const char *s = "";
    for (size_t i = 0; i < ps->len; i++) {
        const char *key = key_of(a, &ps->ptr[i]), *id = ps->ptr[i].id;
        s = strcmp(key, id) == 0 ? gen_printf(a, "%s%s%s", s, i ? ", " : "", id)
                                 : gen_printf(a, "%s%s%s: %s", s, i ? ", " : "", key, id);
    }
    return *s ? gen_printf(a, "{ %s }", s) : "{}";
}
static const char *topic_encoder(struct gen_mem *a, const struct gen_param *p)
{
    const struct gen_type *t = p->type;
    if (t->tag == GEN_STRING) return "(v) => keccak256(stringToHex(v))";
    if (t->tag == GEN_BYTES) return "keccak256";
    if (gen_is_hashed(t)) return "(v) => v";
    return gen_printf(a, "(v) => encodeAbiParameters([{ type: '%s' }], [v])",
                      t->tag == GEN_FUNCTION ? "bytes24" : t->canonical);
}
static void event_filter(struct gen_out *o, const struct gen_item *it)
{
    struct gen_mem *a = o->mem;
    const char *p = it->name.p;
    gen_line(o, "/** Values to look for; an indexed array or struct is given by its hash. */");
    gen_open(o, "export interface %sFilter {", p);
    for (size_t i = 0; i < it->in.len; i++) {
        const struct gen_param *f = &it->in.ptr[i];
        if (!f->indexed) continue;
        bool value = f->type->tag == GEN_STRING || f->type->tag == GEN_BYTES;
        gen_line(o, "readonly %s?: Match<%s>;", key_of(a, f),
                 value ? ts_type(a, f->type) : field_type(a, f));
    }
    gen_close(o, "}");
    gen_open(o, "export function %sTopics(filter: %sFilter = {}): readonly LogTopic[] {",
             it->name.n, p);
    gen_open(o, "return [");
    if (!it->anonymous) gen_line(o, "%sTopic,", it->name.n);
    for (size_t i = 0; i < it->in.len; i++)
        if (it->in.ptr[i].indexed)
            gen_line(o, "matchTopic(filter.%s, %s),", key_of(a, &it->in.ptr[i]),
                     topic_encoder(a, &it->in.ptr[i]));
    gen_close(o, "];");
    gen_close(o, "}");
}
static void event(struct gen_out *o, const struct gen_item *it)
{
    struct gen_mem *a = o->mem;
    const char *n = it->name.n, *p = it->name.p;
    struct gen_params indexed = gen_select(a, &it->in, true);
    struct gen_params plain = gen_select(a, &it->in, false);
    gen_blank(o);
    if (!it->anonymous) gen_line(o, "export const %sTopic = '%s';", n, gen_hex(a, it->topic, 32));
    gen_text(o, "export const %sEventAbi = ", n);
    abi_item(o, it);
    gen_text(o, " as const;\n");
    gen_doc(o, &doc_style, gen_printf(a, "Event `%s`%s", it->signature,
                                      it->anonymous ? ", anonymous" : ""), it->doc, &it->in, NULL);
    gen_open(o, "export interface %sEvent {", p);
    args_interface(o, "eventName", it);
    gen_close(o, "}");
    gen_open(o, "export function decode%sEvent(log: RawLog): %sEvent {", p, p);
    const char *topic0 = it->anonymous ? "undefined" : gen_printf(a, "%sTopic", n);
    decode_side(o, gen_printf(a, "decodeTopics(log, %s, ", topic0), &indexed, ")");
    if (indexed.len == 0) gen_line(o, "decodeTopics(log, %s, []);", topic0);
    if (plain.len) {
        const char *list = arg_list(a, &plain, false);
        const char *types = "";
        for (size_t i = 0; i < plain.len; i++)
            types = gen_printf(a, "%s%s%s", types, i ? ", " : "", ts_type(a, plain.ptr[i].type));
        gen_text(o, "%*sconst [%s] = decodeAbiParameters(", (int)o->indent, "", list);
        abi_params(o, &plain, false, true);
        gen_text(o, " as const, log.data)%s;\n", any_foreign(&plain) ?
                 gen_printf(a, " as unknown as readonly [%s]", types) : "");
    }
    gen_line(o, "return { eventName: '%.*s', args: %s };", SN_STR_ARG(it->raw),
             args_object(a, &it->in));
    gen_close(o, "}");
    event_filter(o, it);
    gen_open(o, "export async function get%sEvents(client: ReadClient, at: Address, "
             "filter?: %sFilter, range?: LogRange): Promise<(%sEvent & { readonly log: Log })[]> {",
             p, p, p);
    gen_line(o, "const logs = await getLogs(client, at, %sTopics(filter), range);", n);
    gen_line(o, "return logs.map((log) => ({ ...decode%sEvent(log), log }));", p);
    gen_close(o, "}");
    gen_line(o, "/** Calls back with new ones as they come; returns the function that stops it. */");
    gen_open(o, "export function watch%sEvents(client: ReadClient, at: Address, "
             "filter: %sFilter, onEvents: (events: (%sEvent & { readonly log: Log })[]) => void, "
             "onError: (error: Error) => void): () => void {", p, p, p);
    gen_open(o, "return watchLogs(client, at, %sTopics(filter), (logs) => {", n);
    gen_line(o, "onEvents(logs.map((log) => ({ ...decode%sEvent(log), log })));", p);
    gen_close(o, "}, onError);");
    gen_close(o, "}");
}
static void error(struct gen_out *o, const struct gen_item *it)
{
    struct gen_mem *a = o->mem;
    const char *n = it->name.n, *p = it->name.p;
    gen_blank(o);
    gen_line(o, "export const %sErrorSelector = '%s';", n, gen_hex(a, it->selector, 4));
    gen_text(o, "export const %sErrorAbi = ", n);
    abi_item(o, it);
    gen_text(o, " as const;\n");
    gen_doc(o, &doc_style, gen_printf(a, "Error `%s`, %s", it->signature,
                                      gen_hex(a, it->selector, 4)), it->doc, &it->in, NULL);
    gen_open(o, "export interface %sError {", p);
    args_interface(o, "errorName", it);
    gen_close(o, "}");
    gen_line(o, "/** undefined where the revert data is another error's. */");
    gen_open(o, "export function decode%sError(data: Hex): %sError | undefined {", p, p);
    gen_line(o, "if (errorSelector(data) !== %sErrorSelector) return undefined;", n);
    decode_side(o, "decodeAbiParameters(", &it->in, ", errorData(data))");
    gen_line(o, "return { errorName: '%.*s', args: %s };", SN_STR_ARG(it->raw),
             args_object(a, &it->in));
    gen_close(o, "}");
}
static void any_error(struct gen_out *o, const struct gen_contract *c)
{
    gen_blank(o);
    gen_text(o, "export type AnyError = RevertReason | PanicCode");
    for (size_t i = 0; i < c->errors.len; i++)
        gen_text(o, " | %sError", c->errors.ptr[i].name.p);
    gen_text(o, ";\n");
    gen_line(o, "/** The error in revert data; undefined where it is none of this contract's. */");
    gen_open(o, "export function decodeError(data: Hex): AnyError | undefined {");
    gen_open(o, "switch (errorSelector(data)) {");
    for (size_t i = 0; i < c->errors.len; i++) {
        const struct gen_name *name = &c->errors.ptr[i].name;
        gen_line(o, "case %sErrorSelector: return decode%sError(data);", name->n, name->p);
    }
    gen_line(o, "default: return decodeBuiltinError(data);");
    gen_close(o, "}");
    gen_close(o, "}");
}
static void any_event(struct gen_out *o, const struct gen_contract *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->events.len; i++) n += !c->events.ptr[i].anonymous;
    if (n == 0) return;
    gen_blank(o);
    gen_text(o, "export type AnyEvent = ");
    for (size_t i = 0, k = 0; i < c->events.len; i++)
        if (!c->events.ptr[i].anonymous)
            gen_text(o, "%s%sEvent", k++ ? " | " : "", c->events.ptr[i].name.p);
    gen_text(o, ";\n");
    gen_line(o, "/** The event in a log; undefined where it is none of this contract's. */");
    gen_open(o, "export function decodeEvent(log: RawLog): AnyEvent | undefined {");
    gen_open(o, "switch (log.topics[0]) {");
    for (size_t i = 0; i < c->events.len; i++) {
        const struct gen_name *name = &c->events.ptr[i].name;
        if (!c->events.ptr[i].anonymous)
            gen_line(o, "case %sTopic: return decode%sEvent(log);", name->n, name->p);
    }
    gen_line(o, "default: return undefined;");
    gen_close(o, "}");
    gen_close(o, "}");
}

/* ---- modules ---- */

static void types(struct gen_out *o, const struct gen_contract *c)
{
    struct gen_mem *a = o->mem;
    for (size_t i = 0; i < c->n_aliases; i++) {
        const struct gen_alias *al = c->aliases[i];
        gen_blank(o);
        gen_line(o, "/** `%.*s`, %s */", SN_STR_ARG(al->raw),
                 al->is_enum ? "an enumeration" : "a user-defined value type");
        gen_line(o, "export type %s = %s;", al->id, ts_type(a, al->base));
    }
    for (size_t i = 0; i < c->n_structs; i++) {
        const struct gen_struct *s = c->structs[i];
        gen_blank(o);
        gen_line(o, "/** `%.*s` %s */", SN_STR_ARG(s->raw), s->canonical);
        if (!s->named) { /* viem gives an array for these */
            gen_line(o, "export type %s = readonly [%s];", s->id, arg_list(a, &s->fields, true));
            continue;
        }
        gen_open(o, "export interface %s {", s->id);
        for (size_t k = 0; k < s->fields.len; k++)
            gen_line(o, "readonly %s: %s;", key_of(a, &s->fields.ptr[k]),
                     ts_type(a, s->fields.ptr[k].type));
        gen_close(o, "}");
    }
}
static void deploy(struct gen_out *o, const struct gen_contract *c)
{
    if (c->bytecode.len == 0) return;
    struct gen_mem *a = o->mem;
    const struct gen_item *it = &c->constructor;
    const char *args = arg_list(a, &it->in, false), *libs = "";
    for (size_t i = 0; i < c->n_libraries; i++)
        libs = gen_printf(a, "%sreadonly %s: Address; ", libs, c->libraries[i].id);
    const char *typed = arg_list(a, &it->in, true);
    if (*libs) typed = join(a, gen_printf(a, "libraries: { %s}", libs), typed, "");
    if (*libs) args = join(a, "libraries", args, "");
    gen_blank(o);
    gen_line(o, "/** Creation code%s. */", *libs ? " with placeholders of libraries" : "");
    gen_line(o, "export const bytecode = '0x%.*s';", SN_STR_ARG(c->bytecode));
    gen_text(o, "export const constructorAbi = ");
    abi_item(o, it);
    gen_text(o, " as const;\n");
    gen_line(o, "/** The data of the transaction that deploys this contract. */");
    gen_open(o, "export function encodeDeploy(%s): Hex {", typed);
    if (*libs) {
        gen_open(o, "const linked = linkBytecode(bytecode, [");
        for (size_t i = 0; i < c->n_libraries; i++)
            gen_line(o, "['%s', libraries.%s],", c->libraries[i].placeholder, c->libraries[i].id);
        gen_close(o, "]);");
    }
    encode_call(o, *libs ? "linked" : "bytecode", "constructorAbi.inputs", &it->in);
    gen_close(o, "}");
    gen_doc(o, &doc_style, "Sends the transaction that deploys this contract.", it->doc, &it->in,
            NULL);
    gen_open(o, "export function deploy(%s): Promise<Hash> {",
             join(a, "client: WriteClient", typed,
                  it->payable ? "options?: PayableOptions" : "options?: WriteOptions"));
    gen_line(o, "return send(client, undefined, encodeDeploy(%s), options);", args);
    gen_close(o, "}");
}
static void whole_abi(struct gen_out *o, const struct gen_contract *c)
{
    gen_blank(o);
    gen_line(o, "/** The whole ABI, for viem's own functions and what is built on them. */");
    gen_open(o, "export const abi = [");
    if (c->bytecode.len) gen_line(o, "constructorAbi,");
    for (size_t i = 0; i < c->methods.len; i++) gen_line(o, "%sAbi,", c->methods.ptr[i].name.n);
    for (size_t i = 0; i < c->events.len; i++) gen_line(o, "%sEventAbi,", c->events.ptr[i].name.n);
    for (size_t i = 0; i < c->errors.len; i++) gen_line(o, "%sErrorAbi,", c->errors.ptr[i].name.n);
    if (c->receive) gen_line(o, "{ type: 'receive', stateMutability: 'payable' },");
    if (c->fallback)
        gen_line(o, "{ type: 'fallback', stateMutability: '%s' },",
                 c->fallback_payable ? "payable" : "nonpayable");
    gen_close(o, "] as const;");
}
/* Names a module uses from elsewhere, imported where its text mentions them: unused imports are
 * lint errors, and looking is cheaper than bookkeeping in every emitter. */
static void imports(struct gen_out *head, struct sn_str body)
{
    static const struct {
        const char *name, *from;
        bool type;
    } all[] = {
        {"concatHex", "viem", false},
        {"decodeAbiParameters", "viem", false},
        {"encodeAbiParameters", "viem", false},
        {"keccak256", "viem", false},
        {"stringToHex", "viem", false},
        {"Address", "viem", true},
        {"Hash", "viem", true},
        {"Hex", "viem", true},
        {"Log", "viem", true},
        {"call", "./runtime.js", false},
        {"decodeBuiltinError", "./runtime.js", false},
        {"decodeTopics", "./runtime.js", false},
        {"errorData", "./runtime.js", false},
        {"errorSelector", "./runtime.js", false},
        {"getLogs", "./runtime.js", false},
        {"linkBytecode", "./runtime.js", false},
        {"matchTopic", "./runtime.js", false},
        {"send", "./runtime.js", false},
        {"watchLogs", "./runtime.js", false},
        {"Fixed", "./runtime.js", true},
        {"LogRange", "./runtime.js", true},
        {"LogTopic", "./runtime.js", true},
        {"Match", "./runtime.js", true},
        {"PanicCode", "./runtime.js", true},
        {"PayableOptions", "./runtime.js", true},
        {"RawLog", "./runtime.js", true},
        {"ReadClient", "./runtime.js", true},
        {"ReadOptions", "./runtime.js", true},
        {"RevertReason", "./runtime.js", true},
        {"WriteClient", "./runtime.js", true},
        {"WriteOptions", "./runtime.js", true},
    };
    const char *open = NULL;
    for (size_t i = 0; i < SN_COUNT_OF(all); i++) {
        if (!gen_mentions(body, all[i].name)) continue;
        if (open && strcmp(open, all[i].from) != 0) gen_text(head, " } from '%s';\n", open);
        gen_text(head, "%s%s%s", !open || strcmp(open, all[i].from) != 0 ? "import { " : ", ",
                 all[i].type ? "type " : "", all[i].name);
        open = all[i].from;
    }
    if (open) gen_text(head, " } from '%s';\n", open);
}
static void module(const struct gen_package *pkg, const struct gen_contract *c,
                   struct gen_files *files)
{
    struct gen_mem *a = pkg->mem;
    struct gen_out o, head;
    gen_out_init(&o, a, 2, NULL);
    gen_out_init(&head, a, 2, NULL);
    types(&o, c);
    for (size_t i = 0; i < c->methods.len; i++) method(&o, &c->methods.ptr[i]);
    for (size_t i = 0; i < c->library_methods.len; i++) {
        const struct gen_item *it = &c->library_methods.ptr[i];
        gen_blank(&o);
        gen_line(&o, "/** `%s`: takes storage, so only contracts call it. */", it->signature);
        gen_line(&o, "export const %sSelector = '%s';", it->name.n, gen_hex(a, it->selector, 4));
    }
    for (size_t i = 0; i < c->events.len; i++) event(&o, &c->events.ptr[i]);
    for (size_t i = 0; i < c->errors.len; i++) error(&o, &c->errors.ptr[i]);
    any_event(&o, c);
    any_error(&o, c);
    deploy(&o, c);
    whole_abi(&o, c);
    gen_line(&head, "// Generated by sennit abi gen; edits are lost.");
    gen_doc(&head, &doc_style, gen_printf(a, "Contract %.*s%s%.*s", SN_STR_ARG(c->raw),
                                          c->source.len ? " of " : "", SN_STR_ARG(c->source)),
            c->doc, NULL, NULL);
    imports(&head, sn_buf_view(&o.buf));
    sn_buf_str(&head.buf, sn_buf_view(&o.buf));
    if (o.buf.err < 0) files->err = o.buf.err;
    sn_buf_done(&o.buf);
    gen_file(files, &head, gen_printf(a, "ts/src/%s.ts", c->file));
}
static void index_module(const struct gen_package *pkg, struct gen_files *files)
{
    struct gen_out o;
    gen_out_init(&o, pkg->mem, 2, NULL);
    gen_line(&o, "// Generated by sennit abi gen; edits are lost.");
    for (size_t i = 0; i < pkg->n; i++)
        gen_line(&o, "export * as %s from './%s.js';", pkg->contracts[i].id,
                 pkg->contracts[i].file);
    gen_line(&o, "export { ContractRevert, EventMismatch, decodeBuiltinError, revertData } "
             "from './runtime.js';");
    gen_line(&o, "export type { Fixed, LogRange, LogTopic, Match, PanicCode, PayableOptions, "
             "RawLog, ReadClient, ReadOptions, RevertReason, WriteClient, WriteOptions } "
             "from './runtime.js';");
    gen_line(&o, "export { gasCheck, type GasReport, type GasRequest } from './gas.js';");
    gen_file(files, &o, "ts/src/index.ts");
}
static const char package_json[] =
    "{\n"
    "  \"name\": \"%s\",\n"
    "  \"version\": \"%s\",\n"
    "  \"description\": \"Typed access to contracts, generated by sennit abi gen\",\n"
    "  \"type\": \"module\",\n"
    "  \"sideEffects\": false,\n"
    "  \"exports\": {\n"
    "    \".\": { \"types\": \"./dist/index.d.ts\", \"default\": \"./dist/index.js\" },\n"
    "    \"./*\": { \"types\": \"./dist/*.d.ts\", \"default\": \"./dist/*.js\" }\n"
    "  },\n"
    "  \"files\": [\"dist\"],\n"
    "  \"scripts\": { \"build\": \"tsc -p .\", \"prepare\": \"tsc -p .\" },\n"
    "  \"peerDependencies\": { \"viem\": \"^2.40.0\" },\n"
    "  \"devDependencies\": { \"typescript\": \">=5.4\", \"viem\": \"^2.40.0\" }\n"
    "}\n";
static const char tsconfig[] =
    "{\n"
    "  \"compilerOptions\": {\n"
    "    \"target\": \"ES2022\",\n"
    "    \"module\": \"NodeNext\",\n"
    "    \"moduleResolution\": \"NodeNext\",\n"
    "    \"lib\": [\"ES2022\", \"DOM\"],\n"
    "    \"types\": [],\n"
    "    \"strict\": true,\n"
    "    \"noImplicitOverride\": true,\n"
    "    \"noUncheckedIndexedAccess\": true,\n"
    "    \"noUnusedLocals\": true,\n"
    "    \"verbatimModuleSyntax\": true,\n"
    "    \"skipLibCheck\": true,\n"
    "    \"declaration\": true,\n"
    "    \"rootDir\": \"src\",\n"
    "    \"outDir\": \"dist\"\n"
    "  },\n"
    "  \"include\": [\"src\"]\n"
    "}\n";
static void readme(const struct gen_package *pkg, struct gen_files *files)
{
    struct gen_out o;
    gen_out_init(&o, pkg->mem, 2, NULL);
    const char *c = pkg->contracts[0].id;
    gen_line(&o, "# %s for TypeScript", pkg->name);
    gen_blank(&o);
    gen_line(&o, "Typed functions for %zu contract%s, on viem. Generated by `sennit abi gen`; "
             "run it again instead of editing.", pkg->n, pkg->n == 1 ? "" : "s");
    gen_blank(&o);
    gen_line(&o, "```ts");
    gen_line(&o, "import * as %s from '%s/%s'; // only what you call is bundled", c, pkg->name,
             pkg->contracts[0].file);
    gen_line(&o, "```");
    gen_blank(&o);
    gen_text(&o, "| export | for |\n|---|---|\n"
             "| `name(client, at, ...args, options?)` | reads a view function, or sends a "
             "transaction and gives its hash |\n"
             "| `simulateName` | what a transaction would return |\n"
             "| `encodeName`, `decodeNameResult` | calldata and return data without a client |\n"
             "| `getNameEvents`, `watchNameEvents`, `decodeNameEvent`, `nameTopics` | events |\n"
             "| `decodeError(data)` | typed custom errors of a `ContractRevert` |\n"
             "| `deploy`, `encodeDeploy`, `bytecode` | deployment |\n"
             "| `nameSelector`, `nameTopic`, `nameAbi`, `abi` | constants with literal types |\n\n"
             "A write without `gas` runs the gas check first: `onGas` sees "
             "`{ limit, used, interval }`, the limit is what is sent.\n");
    gen_file(files, &o, "ts/README.md");
}
int gen_ts(const struct gen_package *pkg, struct gen_files *files)
{
    for (size_t i = 0; i < pkg->n; i++) {
        struct gen_contract *c = &pkg->contracts[i];
        c->id = gen_case(pkg->mem, sn_str(c->file), GEN_CAPITAL);
        int r = gen_names(pkg->mem, c, &rules);
        if (r < 0) return r;
        module(pkg, c, files);
    }
    index_module(pkg, files);
    struct gen_out o;
    gen_out_init(&o, pkg->mem, 2, NULL);
    gen_text(&o, package_json, pkg->name, pkg->version);
    gen_file(files, &o, "ts/package.json");
    gen_file_text(files, "ts/tsconfig.json", tsconfig, sizeof(tsconfig) - 1);
    gen_file_text(files, "ts/src/runtime.ts", sn_abigen_runtime_ts, sn_abigen_runtime_ts_len);
    gen_file_text(files, "ts/src/gas.ts", sn_abigen_gas_ts, sn_abigen_gas_ts_len);
    readme(pkg, files);
    return files->err;
}

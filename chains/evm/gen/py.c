/* SPDX-License-Identifier: Apache-2.0 */
/* evm/gen/py.c - Python on web3.py: one module per contract with a class for Web3, one for AsyncWeb3,
 * and the functions both are made of, which need no connection. */
#include "core/status.h"
#include "evm/gen/gen_int.h"

extern const unsigned char sn_abigen_runtime_py[], sn_abigen_gas_py[];
extern const size_t sn_abigen_runtime_py_len, sn_abigen_gas_py_len;

static const char *const reserved[] = {
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import",
    "in", "is", "lambda", "match", "nonlocal", "not", "or", "pass", "raise", "return", "try",
    "type", "while", "with", "yield", "case", "self", "cls", "print", "exec", NULL,
};
static const char *const module_names[] = {
    "ABI", "BYTECODE", "ERRORS", "Any", "AsyncWeb3", "BlockIdentifier", "ChecksumAddress",
    "ClassVar", "ContractError", "Final", "HexBytes", "LogReceipt", "Mapping", "Options",
    "Sequence", "TypeAlias", "Web3", "annotations", "dataclass", "deploy", "deploy_async",
    "encode_deploy", "decode_error", "int", "str", "bytes", "bool", "tuple", "list", "dict",
    "staticmethod", "classmethod", "address", NULL,
};
static const char *const locals[] = {
    "options", "w3", "data", "int", "str", "bytes", "bool", "tuple", "list", "libraries", NULL,
};
static const char *const fields[] = {
    "args", "data", "with_traceback", "add_note", "from_abi", "to_abi", "int", "str", "bytes",
    "bool", "tuple", NULL,
};
static const char *const method_names[] = {
    "{n}", "encode_{n}", "decode_{n}_result", "simulate_{n}", "{u}_SELECTOR", NULL,
};
static const char *const event_names[] = {
    "{p}Event", "decode_{n}_event", "{n}_topics", "get_{n}_events", "{u}_TOPIC", NULL,
};
static const char *const error_names[] = {
    "{p}Error", "decode_{n}_error", "{u}_ERROR_SELECTOR", NULL,
};
static const char *const type_names[] = {"{p}", NULL};
static const char *const library_names[] = {"{u}_SELECTOR", NULL};
static const char *const contract_names[] = {"{n}", "Async{n}", NULL};
static const struct gen_rules rules = {
    .n = GEN_SNAKE, .p = GEN_CAPITAL, .u = GEN_UPPER, .param = GEN_SNAKE, .field = GEN_SNAKE,
    .type = GEN_CAPITAL,
    .reserved = reserved, .module = module_names, .locals = locals, .fields = fields,
    .contract = contract_names, .method = method_names, .event = event_names, .error = error_names,
    .struct_ = type_names, .alias = type_names, .library = library_names,
};
/* Docstrings are raw, so that only their own end needs care. */
static const struct gen_doc_style doc_style = {
    .first = "r\"\"\"", .lead = "", .last = "\"\"\"", .bad = "\"\"\"", .good = "'''",
    .param = ":param ", .result = ":returns ",
};

static const char *py_type(struct gen_mem *a, const struct gen_type *t)
{
    if (t->alias) return t->alias->id;
    switch (t->tag) {
    case GEN_UINT:
    case GEN_INT: return "int";
    case GEN_BOOL: return "bool";
    case GEN_ADDRESS: return "ChecksumAddress";
    case GEN_BYTESN:
    case GEN_FUNCTION:
    case GEN_BYTES: return "bytes";
    case GEN_STRING: return "str";
    case GEN_LIST:
    case GEN_ARRAY: return gen_printf(a, "Sequence[%s]", py_type(a, t->elem));
    case GEN_TUPLE: return t->tuple->id;
    }
    return "Any";
}
/* Whether the codec's value is not the package's: addresses by their checksum, structs as such. */
static bool converts(const struct gen_type *t, bool in)
{
    if (t->elem) return converts(t->elem, in) || !in;
    return t->tag == GEN_TUPLE || (t->tag == GEN_ADDRESS && !in);
}
static const char *to_abi(struct gen_mem *a, const struct gen_type *t, const char *v, unsigned depth)
{
    if (!converts(t, true)) return v;
    if (t->tag == GEN_TUPLE) return gen_printf(a, "%s.to_abi()", v);
    const char *x = gen_printf(a, "v%u_", depth);
    return gen_printf(a, "[%s for %s in %s]", to_abi(a, t->elem, x, depth + 1), x, v);
}
static const char *from_abi(struct gen_mem *a, const struct gen_type *t, const char *v,
                            unsigned depth)
{
    if (!converts(t, false)) return v;
    if (t->tag == GEN_TUPLE) return gen_printf(a, "%s.from_abi(%s)", t->tuple->id, v);
    if (t->tag == GEN_ADDRESS) return gen_printf(a, "_rt.address(%s)", v);
    if (!converts(t->elem, false)) return gen_printf(a, "tuple(%s)", v);
    const char *x = gen_printf(a, "v%u_", depth);
    return gen_printf(a, "tuple(%s for %s in %s)", from_abi(a, t->elem, x, depth + 1), x, v);
}
static const char *types_tuple(struct gen_mem *a, const struct gen_params *ps)
{
    const char *s = "";
    for (size_t i = 0; i < ps->len; i++)
        s = gen_printf(a, "%s\"%s\", ", s, ps->ptr[i].type->canonical);
    return gen_printf(a, "(%s)", s);
}
static const char *values_tuple(struct gen_mem *a, const struct gen_params *ps, const char *prefix)
{
    const char *s = "";
    for (size_t i = 0; i < ps->len; i++) {
        const char *v = gen_printf(a, "%s%s", prefix, ps->ptr[i].id);
        s = gen_printf(a, "%s%s, ", s, to_abi(a, ps->ptr[i].type, v, 0));
    }
    return gen_printf(a, "(%s)", s);
}
static const char *arg_list(struct gen_mem *a, const struct gen_params *ps, bool typed)
{
    const char *s = "";
    for (size_t i = 0; i < ps->len; i++)
        s = typed ? gen_printf(a, "%s%s%s: %s", s, i ? ", " : "", ps->ptr[i].id,
                               py_type(a, ps->ptr[i].type))
                  : gen_printf(a, "%s%s%s", s, i ? ", " : "", ps->ptr[i].id);
    return s;
}
static const char *result_type(struct gen_mem *a, const struct gen_params *ps)
{
    if (ps->len == 0) return "None";
    if (ps->len == 1) return py_type(a, ps->ptr[0].type);
    const char *s = "";
    for (size_t i = 0; i < ps->len; i++)
        s = gen_printf(a, "%s%s%s", s, i ? ", " : "", py_type(a, ps->ptr[i].type));
    return gen_printf(a, "tuple[%s]", s);
}
static const char *join(struct gen_mem *a, const char *head, const char *args, const char *tail)
{
    return gen_printf(a, "%s%s%s%s%s", head, *args ? ", " : "", args, *tail ? ", " : "", tail);
}
static const char *byte_literal(struct gen_mem *a, const uint8_t *p, size_t n)
{
    return gen_printf(a, "bytes.fromhex(\"%s\")", gen_hex(a, p, n) + 2);
}

/* ---- module-level functions ---- */

static void codec(struct gen_out *o, const struct gen_item *it)
{
    struct gen_mem *a = o->mem;
    const char *n = it->name.n, *u = it->name.u;
    gen_blank(o);
    gen_line(o, "%s_SELECTOR: Final = %s", u, byte_literal(a, it->selector, 4));
    gen_blank(o);
    gen_blank(o);
    gen_open(o, "def encode_%s(%s) -> bytes:", n, arg_list(a, &it->in, true));
    gen_line(o, "\"\"\"Calldata of `%s`.\"\"\"", it->signature);
    if (it->in.len)
        gen_line(o, "return %s_SELECTOR + _rt.encode(%s, %s)", u, types_tuple(a, &it->in),
                 values_tuple(a, &it->in, ""));
    else
        gen_line(o, "return %s_SELECTOR", u);
    o->indent -= o->step;
    if (it->out.len == 0) return;
    gen_blank(o);
    gen_blank(o);
    const char *type = result_type(a, &it->out);
    gen_open(o, "def decode_%s_result(data: bytes) -> %s:", n, type);
    gen_line(o, "\"\"\"What `%s` returned.\"\"\"", it->signature);
    gen_line(o, "v_ = _rt.decode(%s, data)", types_tuple(a, &it->out));
    const char *values = "";
    for (size_t i = 0; i < it->out.len; i++)
        values = gen_printf(a, "%s%s%s", values, i ? ", " : "",
                            from_abi(a, it->out.ptr[i].type, gen_printf(a, "v_[%zu]", i), 0));
    gen_line(o, it->out.len == 1 ? "result_: %s = %s" : "result_: %s = (%s)", type, values);
    gen_line(o, "return result_");
    o->indent -= o->step;
}
static void record_fields(struct gen_out *o, const struct gen_params *ps)
{
    for (size_t i = 0; i < ps->len; i++) {
        const struct gen_param *p = &ps->ptr[i];
        bool hashed = p->indexed && gen_is_hashed(p->type);
        gen_line(o, "%s: %s%s", p->id, hashed ? "bytes" : py_type(o->mem, p->type),
                 hashed ? "  # the hash of the value" : "");
    }
}
static void record(struct gen_out *o, const struct gen_struct *s)
{
    struct gen_mem *a = o->mem;
    gen_blank(o);
    gen_blank(o);
    gen_line(o, "@dataclass(frozen=True)");
    gen_open(o, "class %s:", s->id);
    gen_line(o, "\"\"\"`%.*s` %s\"\"\"", SN_STR_ARG(s->raw), s->canonical);
    gen_blank(o);
    record_fields(o, &s->fields);
    gen_blank(o);
    gen_open(o, "def to_abi(self) -> tuple[Any, ...]:");
    gen_line(o, "return %s", values_tuple(a, &s->fields, "self."));
    o->indent -= o->step;
    gen_blank(o);
    gen_line(o, "@classmethod");
    gen_open(o, "def from_abi(cls, v_: Any) -> %s:", s->id);
    const char *values = "";
    for (size_t i = 0; i < s->fields.len; i++)
        values = gen_printf(a, "%s%s%s", values, i ? ", " : "",
                            from_abi(a, s->fields.ptr[i].type, gen_printf(a, "v_[%zu]", i), 0));
    gen_line(o, "return cls(%s)", values);
    o->indent -= 2 * o->step;
}
static void event(struct gen_out *o, const struct gen_item *it)
{
    struct gen_mem *a = o->mem;
    const char *n = it->name.n, *p = it->name.p, *u = it->name.u;
    struct gen_params indexed = gen_select(a, &it->in, true), plain = gen_select(a, &it->in, false);
    if (!it->anonymous) {
        gen_blank(o);
        gen_line(o, "%s_TOPIC: Final = %s", u, byte_literal(a, it->topic, 32));
    }
    gen_blank(o);
    gen_blank(o);
    gen_line(o, "@dataclass(frozen=True)");
    gen_open(o, "class %sEvent:", p);
    gen_doc(o, &doc_style, gen_printf(a, "Event `%s`%s", it->signature,
                                      it->anonymous ? ", anonymous" : ""), it->doc, &it->in, NULL);
    record_fields(o, &it->in);
    o->indent -= o->step;
    gen_blank(o);
    gen_blank(o);
    gen_open(o, "def decode_%s_event(log: LogReceipt) -> %sEvent:", n, p);
    const char *topic0 = it->anonymous ? "None" : gen_printf(a, "%s_TOPIC", u);
    gen_line(o, "%s_rt.topics_of(log, %s, %s)", indexed.len ? "i_ = " : "", topic0,
             types_tuple(a, &indexed));
    if (plain.len)
        gen_line(o, "d_ = _rt.decode(%s, bytes(log[\"data\"]))", types_tuple(a, &plain));
    const char *values = "";
    for (size_t i = 0, k = 0, d = 0; i < it->in.len; i++) {
        bool ix = it->in.ptr[i].indexed;
        const struct gen_type *t = ix ? indexed.ptr[k].type : it->in.ptr[i].type;
        const char *v = gen_printf(a, ix ? "i_[%zu]" : "d_[%zu]", ix ? k++ : d++);
        values = gen_printf(a, "%s%s%s", values, i ? ", " : "", from_abi(a, t, v, 0));
    }
    gen_line(o, "return %sEvent(%s)", p, values);
    o->indent -= o->step;
    gen_blank(o);
    gen_blank(o);
    const char *params = "", *topics = it->anonymous ? "" :
        gen_printf(a, "_rt.topic(%s_TOPIC), ", u);
    for (size_t i = 0; i < it->in.len; i++) {
        const struct gen_param *f = &it->in.ptr[i];
        if (!f->indexed) continue;
        bool value = f->type->tag == GEN_STRING || f->type->tag == GEN_BYTES;
        const char *t = gen_is_hashed(f->type) && !value ? "bytes" : py_type(a, f->type);
        const char *kind = gen_is_hashed(f->type) && !value ? "bytes32" : f->type->canonical;
        params = gen_printf(a, "%s%s%s: %s | Sequence[%s] | None = None", params, *params ? ", " : "",
                            f->id, t, t);
        topics = gen_printf(a, "%s_rt.match(%s, \"%s\"), ", topics, f->id, kind);
    }
    gen_open(o, "def %s_topics(%s) -> Sequence[_rt.Topic]:", n, params);
    gen_line(o, "\"\"\"A filter: a value, any of several, or all; arrays by their hash.\"\"\"");
    gen_line(o, "return (%s)", topics);
    o->indent -= o->step;
}
static void error(struct gen_out *o, const struct gen_item *it)
{
    struct gen_mem *a = o->mem;
    const char *n = it->name.n, *p = it->name.p, *u = it->name.u;
    gen_blank(o);
    gen_line(o, "%s_ERROR_SELECTOR: Final = %s", u, byte_literal(a, it->selector, 4));
    gen_blank(o);
    gen_blank(o);
    gen_line(o, "@dataclass(eq=False)");
    gen_open(o, "class %sError(ContractError):", p);
    gen_doc(o, &doc_style, gen_printf(a, "Error `%s`", it->signature), it->doc, &it->in, NULL);
    gen_line(o, "SIGNATURE: ClassVar[str] = \"%s\"", it->signature);
    record_fields(o, &it->in);
    o->indent -= o->step;
    gen_blank(o);
    gen_blank(o);
    gen_open(o, "def decode_%s_error(data: bytes) -> %sError:", n, p);
    const char *values = "";
    if (it->in.len) gen_line(o, "v_ = _rt.decode(%s, data[4:])", types_tuple(a, &it->in));
    for (size_t i = 0; i < it->in.len; i++)
        values = gen_printf(a, "%s%s%s", values, i ? ", " : "",
                            from_abi(a, it->in.ptr[i].type, gen_printf(a, "v_[%zu]", i), 0));
    gen_line(o, "return %sError(%s)", p, values);
    o->indent -= o->step;
}
static void error_table(struct gen_out *o, const struct gen_contract *c)
{
    gen_blank(o);
    gen_blank(o);
    gen_open(o, "ERRORS: Final[_rt.Decoders] = {");
    for (size_t i = 0; i < c->errors.len; i++)
        gen_line(o, "%s_ERROR_SELECTOR: decode_%s_error,", c->errors.ptr[i].name.u,
                 c->errors.ptr[i].name.n);
    gen_close(o, "}");
    gen_blank(o);
    gen_blank(o);
    gen_open(o, "def decode_error(data: bytes) -> ContractError:");
    gen_line(o, "\"\"\"The exception that revert data stands for.\"\"\"");
    gen_line(o, "return _rt.error_of(data, ERRORS)");
    o->indent -= o->step;
}

/* ---- the classes ---- */

static void method(struct gen_out *o, const struct gen_item *it, bool async)
{
    struct gen_mem *a = o->mem;
    const char *n = it->name.n, *args = arg_list(a, &it->in, false);
    const char *def = async ? "async def" : "def", *suffix = async ? "_async" : "";
    const char *wait = async ? "await " : "";
    const char *params = join(a, "self", arg_list(a, &it->in, true),
                              "options: Options | None = None");
    bool reads = it->view || it->pure;
    const char *head = gen_printf(a, "`%s`", it->signature);
    gen_blank(o);
    gen_open(o, "%s %s%s(%s) -> %s:", def, reads ? "" : "simulate_", n, params,
             result_type(a, &it->out));
    if (reads)
        gen_doc(o, &doc_style, head, it->doc, &it->in, &it->out);
    else
        gen_line(o, "\"\"\"What `%s` would return, without sending it.\"\"\"", n);
    const char *go = gen_printf(a, "%s_rt.call%s(self._w3, self.at, encode_%s(%s), options, ERRORS)",
                                wait, suffix, n, args);
    if (it->out.len)
        gen_line(o, "return decode_%s_result(%s)", n, go);
    else
        gen_line(o, "%s", go);
    o->indent -= o->step;
    if (reads) return;
    gen_blank(o);
    gen_open(o, "%s %s(%s) -> HexBytes:", def, n, params);
    gen_doc(o, &doc_style, head, it->doc, &it->in, NULL);
    gen_line(o, "return %s_rt.send%s(self._w3, self.at, encode_%s(%s), options, ERRORS)", wait,
             suffix, n, args);
    o->indent -= o->step;
}
static void class_of(struct gen_out *o, const struct gen_contract *c, bool async)
{
    struct gen_mem *a = o->mem;
    gen_blank(o);
    gen_blank(o);
    gen_open(o, "class %s%s:", async ? "Async" : "", c->id);
    gen_doc(o, &doc_style, gen_printf(a, "Contract %.*s%s", SN_STR_ARG(c->raw),
                                      async ? ", for AsyncWeb3" : ""), c->doc, NULL, NULL);
    gen_blank(o);
    gen_open(o, "def __init__(self, w3: %s, at: ChecksumAddress) -> None:",
             async ? "AsyncWeb3[Any]" : "Web3");
    gen_line(o, "self._w3: Final = w3");
    gen_line(o, "self.at: Final = at");
    o->indent -= o->step;
    for (size_t i = 0; i < c->methods.len; i++) method(o, &c->methods.ptr[i], async);
    for (size_t i = 0; i < c->events.len; i++) {
        const struct gen_name *e = &c->events.ptr[i].name;
        gen_blank(o);
        gen_open(o, "%s get_%s_events(self, topics: Sequence[_rt.Topic] | None = None, "
                 "from_block: BlockIdentifier = \"earliest\", "
                 "to_block: BlockIdentifier = \"latest\") -> list[tuple[%sEvent, LogReceipt]]:",
                 async ? "async def" : "def", e->n, e->p);
        gen_line(o, "\"\"\"Events of a range of blocks; topics are those of %s_topics.\"\"\"", e->n);
        gen_line(o, "found = %s_rt.logs%s(self._w3, self.at, topics or %s_topics(), from_block, "
                 "to_block)", async ? "await " : "", async ? "_async" : "", e->n);
        gen_line(o, "return [(decode_%s_event(log), log) for log in found]", e->n);
        o->indent -= o->step;
    }
    o->indent -= o->step;
}
static void deploy(struct gen_out *o, const struct gen_contract *c)
{
    if (c->bytecode.len == 0) return;
    struct gen_mem *a = o->mem;
    const struct gen_item *it = &c->constructor;
    const char *typed = arg_list(a, &it->in, true), *args = arg_list(a, &it->in, false);
    const char *code = "bytes.fromhex(BYTECODE)";
    if (c->n_libraries) {
        const char *map = "";
        for (size_t i = 0; i < c->n_libraries; i++)
            map = gen_printf(a, "%s\"%s\": libraries[\"%.*s\"], ", map, c->libraries[i].placeholder,
                             SN_STR_ARG(c->libraries[i].name));
        code = gen_printf(a, "_rt.link(BYTECODE, {%s})", map);
        typed = join(a, "libraries: Mapping[str, ChecksumAddress]", typed, "");
        args = join(a, "libraries", args, "");
    }
    gen_blank(o);
    gen_line(o, "BYTECODE: Final = \"%.*s\"", SN_STR_ARG(c->bytecode));
    gen_blank(o);
    gen_blank(o);
    gen_open(o, "def encode_deploy(%s) -> bytes:", typed);
    gen_line(o, "\"\"\"The data of the transaction that deploys this contract.\"\"\"");
    if (it->in.len)
        gen_line(o, "return %s + _rt.encode(%s, %s)", code, types_tuple(a, &it->in),
                 values_tuple(a, &it->in, ""));
    else
        gen_line(o, "return %s", code);
    o->indent -= o->step;
    for (int async = 0; async < 2; async++) {
        const char *params = join(a, async ? "w3: AsyncWeb3[Any]" : "w3: Web3", typed,
                                  "options: Options | None = None");
        gen_blank(o);
        gen_blank(o);
        gen_open(o, "%sdef deploy%s(%s) -> HexBytes:", async ? "async " : "", async ? "_async" : "",
                 params);
        gen_doc(o, &doc_style, "Sends the transaction that deploys this contract.", it->doc,
                &it->in, NULL);
        gen_line(o, "return %s_rt.send%s(w3, None, encode_deploy(%s), options, ERRORS)",
                 async ? "await " : "", async ? "_async" : "", args);
        o->indent -= o->step;
    }
}

/* ---- modules ---- */

static void imports(struct gen_out *h, struct sn_str body)
{
    static const struct {
        const char *from, *names[8];
    } all[] = {
        {"collections.abc", {"Mapping", "Sequence"}},
        {"dataclasses", {"dataclass"}},
        {"typing", {"Any", "ClassVar", "Final", "TypeAlias"}},
        {"eth_typing", {"BlockIdentifier", "ChecksumAddress"}},
        {"hexbytes", {"HexBytes"}},
        {"web3", {"AsyncWeb3", "Web3"}},
        {"web3.types", {"LogReceipt"}},
    };
    gen_line(h, "from __future__ import annotations");
    gen_blank(h);
    for (size_t i = 0; i < SN_COUNT_OF(all); i++) {
        bool first = true;
        for (size_t k = 0; k < 8 && all[i].names[k]; k++) {
            if (!gen_mentions(body, all[i].names[k])) continue;
            if (first) gen_text(h, "from %s import %s", all[i].from, all[i].names[k]);
            else gen_text(h, ", %s", all[i].names[k]);
            first = false;
        }
        if (!first) gen_blank(h); /* ends the line */
    }
    gen_blank(h);
    gen_line(h, "from . import _runtime as _rt");
    gen_line(h, gen_mentions(body, "Options") ? "from ._runtime import ContractError, Options"
                                              : "from ._runtime import ContractError");
}
static void module(const struct gen_package *pkg, const struct gen_contract *c,
                   struct gen_files *files, const char *dir)
{
    struct gen_mem *a = pkg->mem;
    struct gen_out o, h;
    gen_out_init(&o, a, 4, NULL);
    gen_out_init(&h, a, 4, NULL);
    for (size_t i = 0; i < c->n_aliases; i++) {
        const struct gen_alias *al = c->aliases[i];
        gen_blank(&o);
        gen_line(&o, "%s: TypeAlias = %s", al->id, py_type(a, al->base));
        gen_line(&o, "\"\"\"`%.*s`, %s\"\"\"", SN_STR_ARG(al->raw),
                 al->is_enum ? "an enumeration" : "a user-defined value type");
    }
    for (size_t i = 0; i < c->n_structs; i++) record(&o, c->structs[i]);
    for (size_t i = 0; i < c->methods.len; i++) codec(&o, &c->methods.ptr[i]);
    for (size_t i = 0; i < c->library_methods.len; i++) {
        const struct gen_item *it = &c->library_methods.ptr[i];
        gen_blank(&o);
        gen_line(&o, "# `%s`: takes storage, so only contracts call it.", it->signature);
        gen_line(&o, "%s_SELECTOR: Final = %s", it->name.u, byte_literal(a, it->selector, 4));
    }
    for (size_t i = 0; i < c->events.len; i++) event(&o, &c->events.ptr[i]);
    for (size_t i = 0; i < c->errors.len; i++) error(&o, &c->errors.ptr[i]);
    error_table(&o, c);
    class_of(&o, c, false);
    class_of(&o, c, true);
    deploy(&o, c);
    gen_line(&h, "# Generated by sennit abi gen; edits are lost.");
    gen_line(&h, "# ruff: noqa");
    gen_line(&h, "\"\"\"Contract %.*s%s%.*s\"\"\"", SN_STR_ARG(c->raw), c->source.len ? " of " : "",
             SN_STR_ARG(c->source));
    gen_blank(&h);
    imports(&h, sn_buf_view(&o.buf));
    sn_buf_str(&h.buf, sn_buf_view(&o.buf));
    if (o.buf.err < 0) files->err = o.buf.err;
    sn_buf_done(&o.buf);
    gen_file(files, &h, gen_printf(a, "%s/%s.py", dir, c->module_id));
}
static const char pyproject[] =
    "[build-system]\n"
    "requires = [\"hatchling\"]\n"
    "build-backend = \"hatchling.build\"\n\n"
    "[project]\n"
    "name = \"%s\"\n"
    "version = \"%s\"\n"
    "description = \"Typed access to contracts, generated by sennit abi gen\"\n"
    "readme = \"README.md\"\n"
    "requires-python = \">=3.10\"\n"
    "dependencies = [\"web3>=8\"]\n\n"
    "[tool.hatch.build.targets.wheel]\n"
    "packages = [\"src/%s\"]\n\n"
    "[tool.mypy]\n"
    "strict = true\n";
static void readme(const struct gen_package *pkg, struct gen_files *files, const char *name)
{
    struct gen_out o;
    gen_out_init(&o, pkg->mem, 4, NULL);
    const struct gen_contract *c = &pkg->contracts[0];
    gen_line(&o, "# %s for Python", pkg->name);
    gen_blank(&o);
    gen_line(&o, "Typed access to %zu contract%s, on web3.py, checked by mypy and pyright. Generated "
             "by `sennit abi gen`; run it again instead of editing.", pkg->n,
             pkg->n == 1 ? "" : "s");
    gen_blank(&o);
    gen_line(&o, "```python");
    gen_line(&o, "from %s.%s import %s", name, c->module_id, c->id);
    gen_line(&o, "contract = %s(w3, address)  # Async%s(async_w3, address)", c->id, c->id);
    gen_line(&o, "```");
    gen_blank(&o);
    gen_text(&o, "| name | for |\n|---|---|\n"
             "| `contract.name(...)` | reads a view function, or sends a transaction and gives its "
             "hash |\n"
             "| `contract.simulate_name(...)` | what a transaction would return |\n"
             "| `encode_name`, `decode_name_result` | calldata and return data without a node |\n"
             "| `contract.get_name_events(name_topics(...))`, `decode_name_event` | events |\n"
             "| `NameError` | custom errors, raised by calls and transactions |\n"
             "| `deploy`, `deploy_async`, `encode_deploy` | deployment |\n"
             "| `NAME_SELECTOR`, `NAME_TOPIC` | constants |\n\n"
             "A transaction without `Options(gas=...)` runs the gas check first: `on_gas` sees "
             "limit, used and interval.\n");
    gen_file(files, &o, "py/README.md");
}
int gen_py(const struct gen_package *pkg, struct gen_files *files)
{
    struct gen_mem *a = pkg->mem;
    const char *name = gen_case(a, sn_str(pkg->name), GEN_SNAKE);
    const char *dir = gen_printf(a, "py/src/%s", name);
    int r = gen_module_ids(pkg, reserved, NULL);
    for (size_t i = 0; i < pkg->n && r == 0; i++) {
        struct gen_contract *c = &pkg->contracts[i];
        c->id = gen_case(a, sn_str(c->file), GEN_CAPITAL);
        r = gen_names(a, c, &rules);
        if (r == 0) module(pkg, c, files, dir);
    }
    if (r < 0) return r;
    struct gen_out o;
    gen_out_init(&o, a, 4, NULL);
    gen_text(&o, pyproject, pkg->name, pkg->version, name);
    gen_file(files, &o, "py/pyproject.toml");
    gen_out_init(&o, a, 4, NULL);
    gen_line(&o, "# Generated by sennit abi gen; edits are lost.");
    gen_line(&o, "\"\"\"Typed access to contracts: import the module of the one you want.\"\"\"");
    gen_blank(&o);
    gen_line(&o, "from ._gas import GasCheckError, GasReport, gas_check, gas_check_async");
    gen_line(&o, "from ._runtime import (ContractError, EmptyReturnError, EventMismatchError, Options, "
             "PanicError, RevertError, UnknownError)");
    gen_blank(&o);
    gen_line(&o, "__all__ = [\"ContractError\", \"EmptyReturnError\", \"EventMismatchError\", "
             "\"GasCheckError\", \"GasReport\", \"Options\", \"PanicError\", \"RevertError\", "
             "\"UnknownError\", \"gas_check\", \"gas_check_async\"]");
    gen_file(files, &o, gen_printf(a, "%s/__init__.py", dir));
    gen_file_text(files, gen_printf(a, "%s/py.typed", dir), "", 0);
    gen_file_text(files, gen_printf(a, "%s/_runtime.py", dir), sn_abigen_runtime_py,
                  sn_abigen_runtime_py_len);
    gen_file_text(files, gen_printf(a, "%s/_gas.py", dir), sn_abigen_gas_py, sn_abigen_gas_py_len);
    readme(pkg, files, name);
    return files->err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* evm/gen/go.c - Go on go-ethereum's bind v2: one package per contract, whose type packs and unpacks
 * and gives bind's BoundContract, and a Bound type with a method per function. The interface is
 * built from parameter lists written here, not from JSON, so that overloads keep our names. */
#include "core/status.h"
#include "evm/gen/gen_int.h"

extern const unsigned char sn_abigen_runtime_go[], sn_abigen_gas_go[];
extern const size_t sn_abigen_runtime_go_len, sn_abigen_gas_go_len;

static const char *const reserved[] = {
    "break", "case", "chan", "const", "continue", "default", "defer", "else", "fallthrough", "for",
    "func", "go", "goto", "if", "import", "interface", "map", "package", "range", "return",
    "select", "struct", "switch", "type", "var", "nil", "true", "false", "any", "append", "big",
    "bool", "byte", "bind", "common", "error", "iota", "len", "make", "new", "panic", "string",
    "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "types", "abi",
    "abirt", "sync", NULL,
};
static const char *const module_names[] = {
    "Bound", "Deploy", "PackDeploy", "Bytecode", "Libraries", "Instance", "At", "ABI", "GetABI",
    "DecodeError", "UnpackError", "Address", "Backend", "Contract", NULL,
};
static const char *const locals[] = {"opts", "c", "b", "data", "err", "backend", "libraries", "init",
                                     "main", "at", "tx", "checked", "out", "code", NULL};
static const char *const fields[] = {"Raw", "Error", "ContractEventName", NULL};
static const char *const method_names[] = {
    "{p}", "Pack{p}", "TryPack{p}", "Unpack{p}", "{p}Output", "{p}Selector", "Simulate{p}", NULL,
};
static const char *const event_names[] = {
    "{p}Event", "Unpack{p}Event", "Filter{p}", "{p}EventName", "{p}Topic", NULL,
};
static const char *const error_names[] = {"{p}Error", "Unpack{p}Error", NULL};
static const char *const type_names[] = {"{p}", NULL};
static const char *const library_names[] = {"{p}Selector", NULL};
static const char *const contract_names[] = {"{n}", "New{n}", NULL};
static const struct gen_rules rules = {
    .n = GEN_PASCAL, .p = GEN_PASCAL, .u = GEN_PASCAL, .param = GEN_RAW, .field = GEN_PASCAL,
    .type = GEN_PASCAL, .clash = "X", .reserved = reserved, .module = module_names,
    .locals = locals, .fields = fields, .contract = contract_names, .method = method_names,
    .event = event_names, .error = error_names, .struct_ = type_names, .alias = type_names,
    .library = library_names,
};
static const struct gen_doc_style doc_style = {
    .lead = "// ", .bad = "", .good = "", .param = "  - in ", .result = "  - out ",
};

static const char *go_type(struct gen_mem *a, const struct gen_type *t)
{
    if (t->alias) return t->alias->id;
    switch (t->tag) {
    case GEN_UINT:
    case GEN_INT:
        if (t->bits == 8 || t->bits == 16 || t->bits == 32 || t->bits == 64)
            return gen_printf(a, "%sint%u", t->tag == GEN_UINT ? "u" : "", t->bits);
        return "*big.Int";
    case GEN_BOOL: return "bool";
    case GEN_ADDRESS: return "common.Address";
    case GEN_BYTESN: return gen_printf(a, "[%u]byte", (unsigned)t->count);
    case GEN_FUNCTION: return "[24]byte";
    case GEN_BYTES: return "[]byte";
    case GEN_STRING: return "string";
    case GEN_LIST: return gen_printf(a, "[]%s", go_type(a, t->elem));
    case GEN_ARRAY:
        return gen_printf(a, "[%llu]%s", (unsigned long long)t->count, go_type(a, t->elem));
    case GEN_TUPLE: return t->tuple->id;
    }
    return "any";
}
static const char *field_type(struct gen_mem *a, const struct gen_param *p)
{
    return p->indexed && gen_is_hashed(p->type) ? "common.Hash" : go_type(a, p->type);
}
static const char *arg_list(struct gen_mem *a, const struct gen_params *ps, bool typed)
{
    const char *s = "";
    for (size_t i = 0; i < ps->len; i++)
        s = typed ? gen_printf(a, "%s%s%s %s", s, i ? ", " : "", ps->ptr[i].id,
                               go_type(a, ps->ptr[i].type))
                  : gen_printf(a, "%s%s%s", s, i ? ", " : "", ps->ptr[i].id);
    return s;
}
/* Fields of tuples bear our names: the codec matches them with the struct's by reflection. */
static const char *field_literals(struct gen_mem *a, const struct gen_params *ps, const char *head);
static const char *field_literal(struct gen_mem *a, const struct gen_param *p, const char *head)
{
    const struct gen_type *t = p->type, *base = t;
    while (base->elem) base = base->elem;
    const char *s = gen_printf(a, "%s{Name: \"%s\", Type: \"%s\"", head, p->id, t->json);
    if (base->tag == GEN_TUPLE)
        s = gen_printf(a, "%s, Components: []abirt.Field{%s}", s,
                       field_literals(a, &base->tuple->fields, ""));
    return gen_printf(a, "%s%s}", s, p->indexed ? ", Indexed: true" : "");
}
static const char *field_literals(struct gen_mem *a, const struct gen_params *ps, const char *head)
{
    const char *s = "";
    for (size_t i = 0; i < ps->len; i++)
        s = gen_printf(a, "%s%s%s", s, i ? ", " : "", field_literal(a, &ps->ptr[i], head));
    return s;
}
static const char *args_of(struct gen_mem *a, const struct gen_params *ps)
{
    return gen_printf(a, "abirt.Args(%s)", field_literals(a, ps, "abirt.Field"));
}
static const char *byte_array(struct gen_mem *a, const uint8_t *p, size_t n)
{
    const char *s = "";
    for (size_t i = 0; i < n; i++) s = gen_printf(a, "%s%s0x%02x", s, i ? ", " : "", p[i]);
    return gen_printf(a, "[%zu]byte{%s}", n, s);
}

/* Fields of a struct as gofmt aligns them. */
struct column {
    struct gen_out *out;
    const char *(*rows)[2];
    size_t n, max;
};
static void column_open(struct column *c, struct gen_out *o, size_t max)
{
    *c = (struct column){.out = o, .max = max, .rows = gen_alloc(o->mem, max * sizeof(*c->rows))};
}
static void column_add(struct column *c, const char *name, const char *type)
{
    if (!c->rows || c->n == c->max) return;
    c->rows[c->n][0] = name;
    c->rows[c->n++][1] = type;
}
static void column_close(struct column *c)
{
    size_t width = 0;
    for (size_t i = 0; i < c->n; i++) width = SN_MAX(width, strlen(c->rows[i][0]));
    for (size_t i = 0; i < c->n; i++)
        gen_line(c->out, "%-*s %s", (int)width, c->rows[i][0], c->rows[i][1]);
}
static void param_fields(struct column *c, struct gen_mem *a, const struct gen_params *ps)
{
    for (size_t i = 0; i < ps->len; i++) column_add(c, ps->ptr[i].id, field_type(a, &ps->ptr[i]));
}

/* ---- types and the interface ---- */

static void types(struct gen_out *o, const struct gen_contract *c)
{
    struct gen_mem *a = o->mem;
    for (size_t i = 0; i < c->n_aliases; i++) {
        const struct gen_alias *al = c->aliases[i];
        gen_blank(o);
        gen_line(o, "// %s is %.*s, %s.", al->id, SN_STR_ARG(al->raw),
                 al->is_enum ? "an enumeration" : "a user-defined value type");
        gen_line(o, "type %s = %s", al->id, go_type(a, al->base));
    }
    for (size_t i = 0; i < c->n_structs; i++) {
        const struct gen_struct *s = c->structs[i];
        gen_blank(o);
        gen_line(o, "// %s is the struct %.*s.", s->id, SN_STR_ARG(s->raw));
        gen_open(o, "type %s struct {", s->id);
        struct column col;
        column_open(&col, o, s->fields.len + 1);
        param_fields(&col, a, &s->fields);
        column_close(&col);
        gen_close(o, "}");
    }
}
static void builder(struct gen_out *o, const struct gen_contract *c)
{
    struct gen_mem *a = o->mem;
    gen_blank(o);
    gen_open(o, "var build = sync.OnceValue(func() *%s {", c->id);
    gen_open(o, "c := &%s{ABI: abi.ABI{", c->id);
    gen_line(o, "Methods: map[string]abi.Method{},");
    gen_line(o, "Events:  map[string]abi.Event{},");
    gen_line(o, "Errors:  map[string]abi.Error{},");
    gen_close(o, "}}");
    if (c->constructor.in.len)
        gen_line(o, "c.ABI.Constructor = abi.NewMethod(\"\", \"\", abi.Constructor, \"%s\", false, "
                 "%s, %s, nil)", c->constructor.payable ? "payable" : "nonpayable",
                 c->constructor.payable ? "true" : "false", args_of(a, &c->constructor.in));
    for (size_t i = 0; i < c->methods.len; i++) {
        const struct gen_item *it = &c->methods.ptr[i];
        const char *m = it->pure ? "pure" : it->view ? "view" : it->payable ? "payable" : "nonpayable";
        gen_line(o, "c.ABI.Methods[\"%s\"] = abi.NewMethod(\"%s\", %s, abi.Function, \"%s\", %s, %s, "
                 "%s, %s)", it->name.p, it->name.p, gen_quoted(a, it->raw), m,
                 it->view || it->pure ? "true" : "false", it->payable ? "true" : "false",
                 args_of(a, &it->in), args_of(a, &it->out));
    }
    for (size_t i = 0; i < c->events.len; i++) {
        const struct gen_item *it = &c->events.ptr[i];
        struct gen_params ix = gen_select(a, &it->in, true);
        /* The codec passes over what is marked as indexed. */
        for (size_t k = 0; k < ix.len; k++) ix.ptr[k].indexed = false;
        gen_line(o, "c.ABI.Events[\"%s\"] = abi.NewEvent(\"%s\", %s, %s, %s)", it->name.p,
                 it->name.p, gen_quoted(a, it->raw), it->anonymous ? "true" : "false",
                 args_of(a, &it->in));
        gen_line(o, "c.topics%s = %s", it->name.p, args_of(a, &ix));
        struct gen_params plain = gen_select(a, &it->in, false);
        gen_line(o, "c.data%s = %s", it->name.p, args_of(a, &plain));
    }
    for (size_t i = 0; i < c->errors.len; i++) {
        const struct gen_item *it = &c->errors.ptr[i];
        gen_line(o, "c.ABI.Errors[\"%s\"] = abi.NewError(%s, %s)", it->name.p,
                 gen_quoted(a, it->raw), args_of(a, &it->in));
    }
    gen_line(o, "return c");
    gen_close(o, "})");
}
static void interface(struct gen_out *o, const struct gen_contract *c)
{
    struct gen_mem *a = o->mem;
    gen_blank(o);
    gen_doc(o, &doc_style, gen_printf(a, "%s packs and unpacks what contract %.*s takes and gives.",
                                      c->id, SN_STR_ARG(c->raw)), c->doc, NULL, NULL);
    gen_open(o, "type %s struct {", c->id);
    gen_line(o, "// ABI is keyed by the names of this package, so that overloads have one each.");
    struct column col;
    column_open(&col, o, c->events.len + 1);
    column_add(&col, "ABI", "abi.ABI");
    for (size_t i = 0; i < c->events.len; i++)
        column_add(&col, gen_printf(a, "topics%s, data%s", c->events.ptr[i].name.p,
                                    c->events.ptr[i].name.p), "abi.Arguments");
    column_close(&col);
    gen_close(o, "}");
    gen_blank(o);
    gen_line(o, "// New%s gives the one instance there is.", c->id);
    gen_line(o, "func New%s() *%s { return build() }", c->id, c->id);
    gen_blank(o);
    gen_line(o, "// Instance is the contract at an address, for bind.Call, bind.Transact and the like.");
    gen_open(o, "func (c *%s) Instance(backend bind.ContractBackend, at common.Address) "
             "*bind.BoundContract {", c->id);
    gen_line(o, "return bind.NewBoundContract(at, c.ABI, backend, backend, backend)");
    gen_close(o, "}");
    gen_blank(o);
    gen_line(o, "// Bound is the contract at an address.");
    gen_open(o, "type Bound struct {");
    gen_line(o, "*%s", c->id);
    gen_line(o, "Address  common.Address");
    gen_line(o, "Backend  bind.ContractBackend");
    gen_line(o, "Contract *bind.BoundContract");
    gen_close(o, "}");
    gen_blank(o);
    gen_line(o, "// At binds the contract to an address.");
    gen_open(o, "func At(backend bind.ContractBackend, at common.Address) *Bound {");
    gen_line(o, "c := New%s()", c->id);
    gen_line(o, "return &Bound{c, at, backend, c.Instance(backend, at)}");
    gen_close(o, "}");
}

/* ---- functions ---- */

static const char *output_type(struct gen_mem *a, const struct gen_item *it)
{
    if (it->out.len == 1) return go_type(a, it->out.ptr[0].type);
    return it->out.len ? gen_printf(a, "%sOutput", it->name.p) : "struct{}";
}
static void fill(struct gen_out *o, const char *var, const char *from, const struct gen_params *ps,
                 bool indexed, bool all)
{
    for (size_t i = 0, k = 0; i < ps->len; i++)
        if (all || ps->ptr[i].indexed == indexed)
            gen_line(o, "%s.%s = abirt.Convert[%s](%s[%zu])", var, ps->ptr[i].id,
                     field_type(o->mem, &ps->ptr[i]), from, k++);
}
static void unpack(struct gen_out *o, const struct gen_contract *c, const struct gen_item *it)
{
    struct gen_mem *a = o->mem;
    const char *p = it->name.p, *type = output_type(a, it);
    if (it->out.len > 1) {
        gen_blank(o);
        gen_line(o, "// %sOutput is what %s returns.", p, it->signature);
        gen_open(o, "type %sOutput struct {", p);
        struct column col;
        column_open(&col, o, it->out.len);
        param_fields(&col, a, &it->out);
        column_close(&col);
        gen_close(o, "}");
    }
    gen_blank(o);
    gen_line(o, "// Unpack%s decodes what %s returned.", p, it->signature);
    gen_open(o, "func (c *%s) Unpack%s(data []byte) (%s, error) {", c->id, p, type);
    if (it->out.len == 0) {
        gen_line(o, "return struct{}{}, nil");
    } else if (it->out.len == 1) {
        gen_line(o, "return abirt.Unpack1[%s](c.ABI.Methods[\"%s\"].Outputs, data)", type, p);
    } else {
        gen_line(o, "var out %s", type);
        gen_line(o, "values, err := abirt.Unpack(c.ABI.Methods[\"%s\"].Outputs, data)", p);
        gen_open(o, "if err != nil {");
        gen_line(o, "return out, err");
        gen_close(o, "}");
        fill(o, "out", "values", &it->out, false, true);
        gen_line(o, "return out, nil");
    }
    gen_close(o, "}");
}
static void method(struct gen_out *o, const struct gen_contract *c, const struct gen_item *it)
{
    struct gen_mem *a = o->mem;
    const char *p = it->name.p, *typed = arg_list(a, &it->in, true);
    const char *args = arg_list(a, &it->in, false), *sep = *args ? ", " : "";
    bool reads = it->view || it->pure;
    gen_blank(o);
    gen_line(o, "// %sSelector is that of %s.", p, it->signature);
    gen_line(o, "var %sSelector = %s", p, byte_array(a, it->selector, 4));
    gen_blank(o);
    gen_line(o, "// TryPack%s encodes a call of %s.", p, it->signature);
    gen_open(o, "func (c *%s) TryPack%s(%s) ([]byte, error) {", c->id, p, typed);
    gen_line(o, "return abirt.Pack(%sSelector, c.ABI.Methods[\"%s\"].Inputs%s%s)", p, p, sep, args);
    gen_close(o, "}");
    gen_blank(o);
    gen_line(o, "// Pack%s is TryPack%s that panics, where an argument is nil or out of range.", p, p);
    gen_open(o, "func (c *%s) Pack%s(%s) []byte {", c->id, p, typed);
    gen_line(o, "data, err := c.TryPack%s(%s)", p, args);
    gen_open(o, "if err != nil {");
    gen_line(o, "panic(err)");
    gen_close(o, "}");
    gen_line(o, "return data");
    gen_close(o, "}");
    unpack(o, c, it);
    const char *out = output_type(a, it);
    gen_blank(o);
    if (reads)
        gen_doc(o, &doc_style, gen_printf(a, "%s calls %s.", p, it->signature), it->doc, &it->in,
                &it->out);
    else
        gen_line(o, "// Simulate%s says what %s would return, without sending it.", p, p);
    gen_open(o, "func (b *Bound) %s%s(opts *bind.CallOpts%s%s) (%s, error) {",
             reads ? "" : "Simulate", p, sep, typed, out);
    gen_line(o, "data, err := b.TryPack%s(%s)", p, args);
    gen_open(o, "if err != nil {");
    gen_line(o, "var none %s", out);
    gen_line(o, "return none, err");
    gen_close(o, "}");
    gen_line(o, "out, err := bind.Call(b.Contract, opts, data, b.Unpack%s)", p);
    gen_line(o, "return out, b.DecodeError(err)");
    gen_close(o, "}");
    if (reads) return;
    gen_blank(o);
    gen_doc(o, &doc_style, gen_printf(a, "%s sends a transaction that calls %s.", p, it->signature),
            it->doc, &it->in, NULL);
    gen_open(o, "func (b *Bound) %s(opts *bind.TransactOpts%s%s) (*types.Transaction, error) {", p,
             sep, typed);
    gen_line(o, "data, err := b.TryPack%s(%s)", p, args);
    gen_open(o, "if err != nil {");
    gen_line(o, "return nil, err");
    gen_close(o, "}");
    gen_line(o, "checked, err := abirt.Checked(opts, b.Backend, &b.Address, data)");
    gen_open(o, "if err != nil {");
    gen_line(o, "return nil, b.DecodeError(err)");
    gen_close(o, "}");
    gen_line(o, "tx, err := bind.Transact(b.Contract, checked, data)");
    gen_line(o, "return tx, b.DecodeError(err)");
    gen_close(o, "}");
}

/* ---- events and errors ---- */

static void event_filter(struct gen_out *o, const struct gen_item *it, const char *id)
{
    struct gen_mem *a = o->mem;
    const char *p = it->name.p, *params = "", *rules_ = "";
    for (size_t i = 0; i < it->in.len; i++) {
        const struct gen_param *f = &it->in.ptr[i];
        if (!f->indexed) continue;
        bool value = f->type->tag == GEN_STRING || f->type->tag == GEN_BYTES;
        const char *v = gen_printf(a, "rule%s", f->id);
        params = gen_printf(a, "%s, %s []%s", params, v,
                            value ? go_type(a, f->type) : field_type(a, f));
        rules_ = gen_printf(a, "%s, abirt.Rule(%s)", rules_, v);
    }
    gen_blank(o);
    gen_line(o, "// Filter%s gives the events of a range of blocks; an empty rule matches all. "
             "Arrays and structs are given by their hash.", p);
    gen_open(o, "func (b *Bound) Filter%s(opts *bind.FilterOpts%s) ([]*%sEvent, error) {", p,
             params, p);
    gen_line(o, "logs, err := abirt.Logs(b.Backend, opts, b.Address, %s%s)", id, rules_);
    gen_open(o, "if err != nil {");
    gen_line(o, "return nil, err");
    gen_close(o, "}");
    gen_line(o, "events := make([]*%sEvent, len(logs))", p);
    gen_open(o, "for i := range logs {");
    gen_open(o, "if events[i], err = b.Unpack%sEvent(&logs[i]); err != nil {", p);
    gen_line(o, "return nil, err");
    gen_close(o, "}");
    gen_close(o, "}");
    gen_line(o, "return events, nil");
    gen_close(o, "}");
}
static void event(struct gen_out *o, const struct gen_contract *c, const struct gen_item *it)
{
    struct gen_mem *a = o->mem;
    const char *p = it->name.p;
    bool indexed = false, plain = false;
    gen_blank(o);
    gen_doc(o, &doc_style, gen_printf(a, "%sEvent is the %sevent %s.", p,
                                      it->anonymous ? "anonymous " : "", it->signature),
            it->doc, &it->in, NULL);
    gen_open(o, "type %sEvent struct {", p);
    struct column col;
    column_open(&col, o, it->in.len + 1);
    param_fields(&col, a, &it->in);
    column_add(&col, "Raw", "*types.Log");
    column_close(&col);
    for (size_t i = 0; i < it->in.len; i++) {
        indexed |= it->in.ptr[i].indexed;
        plain |= !it->in.ptr[i].indexed;
    }
    gen_close(o, "}");
    gen_blank(o);
    gen_line(o, "// %sEventName is the event's key in ABI.", p);
    gen_line(o, "const %sEventName = \"%s\"", p, p);
    gen_blank(o);
    gen_line(o, "// ContractEventName is what bind.FilterEvents asks for.");
    gen_open(o, "func (%sEvent) ContractEventName() string {", p);
    gen_line(o, "return %sEventName", p);
    gen_close(o, "}");
    const char *id = "nil";
    if (!it->anonymous) {
        gen_blank(o);
        gen_line(o, "// %sTopic is the first topic of %s.", p, it->signature);
        gen_line(o, "var %sTopic = common.HexToHash(\"%s\")", p, gen_hex(a, it->topic, 32));
        id = gen_printf(a, "&%sTopic", p);
    }
    gen_blank(o);
    gen_line(o, "// Unpack%sEvent decodes the event in a log.", p);
    gen_open(o, "func (c *%s) Unpack%sEvent(log *types.Log) (*%sEvent, error) {", c->id, p, p);
    gen_line(o, "%s, err := abirt.Topics(log, %s, c.topics%s)", indexed ? "topics" : "_", id, p);
    gen_open(o, "if err != nil {");
    gen_line(o, "return nil, err");
    gen_close(o, "}");
    if (plain) {
        gen_line(o, "data, err := abirt.Unpack(c.data%s, log.Data)", p);
        gen_open(o, "if err != nil {");
        gen_line(o, "return nil, err");
        gen_close(o, "}");
    }
    gen_line(o, "out := &%sEvent{Raw: log}", p);
    fill(o, "out", "topics", &it->in, true, false);
    fill(o, "out", "data", &it->in, false, false);
    gen_line(o, "return out, nil");
    gen_close(o, "}");
    event_filter(o, it, id);
}
static void error(struct gen_out *o, const struct gen_contract *c, const struct gen_item *it)
{
    struct gen_mem *a = o->mem;
    const char *p = it->name.p;
    gen_blank(o);
    gen_doc(o, &doc_style, gen_printf(a, "%sError is the error %s.", p, it->signature), it->doc,
            &it->in, NULL);
    gen_open(o, "type %sError struct {", p);
    struct column col;
    column_open(&col, o, it->in.len + 1);
    param_fields(&col, a, &it->in);
    column_close(&col);
    gen_close(o, "}");
    gen_blank(o);
    gen_open(o, "func (e *%sError) Error() string {", p);
    gen_line(o, "return \"reverted: %s\"", it->signature);
    gen_close(o, "}");
    gen_blank(o);
    gen_line(o, "// Unpack%sError decodes the error's arguments, which follow the selector.", p);
    gen_open(o, "func (c *%s) Unpack%sError(data []byte) (*%sError, error) {", c->id, p, p);
    gen_line(o, "out := new(%sError)", p);
    if (it->in.len) {
        gen_line(o, "values, err := abirt.Unpack(c.ABI.Errors[\"%s\"].Inputs, data)", p);
        gen_open(o, "if err != nil {");
        gen_line(o, "return nil, err");
        gen_close(o, "}");
        fill(o, "out", "values", &it->in, false, true);
    }
    gen_line(o, "return out, nil");
    gen_close(o, "}");
}
static void any_error(struct gen_out *o, const struct gen_contract *c)
{
    struct gen_mem *a = o->mem;
    gen_blank(o);
    gen_line(o, "// UnpackError is the error in revert data: one of this package or of abirt.");
    gen_open(o, "func (c *%s) UnpackError(data []byte) error {", c->id);
    if (c->errors.len) {
        gen_open(o, "if len(data) >= 4 {");
        gen_line(o, "switch [4]byte(data) {");
        for (size_t i = 0; i < c->errors.len; i++) {
            const struct gen_item *it = &c->errors.ptr[i];
            gen_open(o, "case %s: // %s", byte_array(a, it->selector, 4), it->signature);
            gen_open(o, "if e, err := c.Unpack%sError(data[4:]); err == nil {", it->name.p);
            gen_line(o, "return e");
            gen_close(o, "}");
            o->indent -= o->step;
        }
        gen_line(o, "}");
        gen_close(o, "}");
    }
    gen_line(o, "return abirt.Builtin(data)");
    gen_close(o, "}");
    gen_blank(o);
    gen_line(o, "// DecodeError turns a node's answer into the contract's error; others stay.");
    gen_open(o, "func (c *%s) DecodeError(err error) error {", c->id);
    gen_open(o, "if data, ok := abirt.RevertData(err); ok {");
    gen_line(o, "return c.UnpackError(data)");
    gen_close(o, "}");
    gen_line(o, "return err");
    gen_close(o, "}");
}
static void deploy(struct gen_out *o, const struct gen_contract *c)
{
    if (c->bytecode.len == 0) return;
    struct gen_mem *a = o->mem;
    const struct gen_params *in = &c->constructor.in;
    const char *typed = arg_list(a, in, true), *args = arg_list(a, in, false);
    gen_blank(o);
    gen_line(o, "// Bytecode is the creation code, hexadecimal%s.",
             c->n_libraries ? ", with placeholders of libraries" : "");
    gen_line(o, "const Bytecode = \"%.*s\"", SN_STR_ARG(c->bytecode));
    const char *map = "nil";
    if (c->n_libraries) {
        gen_blank(o);
        gen_line(o, "// Libraries says where those are that the code is linked with.");
        gen_open(o, "type Libraries struct {");
        map = "map[string]common.Address{";
        struct column col;
        column_open(&col, o, c->n_libraries);
        for (size_t i = 0; i < c->n_libraries; i++) {
            column_add(&col, c->libraries[i].id, "common.Address");
            map = gen_printf(a, "%s%s\"%s\": libraries.%s", map, i ? ", " : "",
                             c->libraries[i].placeholder, c->libraries[i].id);
        }
        column_close(&col);
        gen_close(o, "}");
        map = gen_printf(a, "%s}", map);
        typed = gen_printf(a, "libraries Libraries%s%s", *typed ? ", " : "", typed);
        args = gen_printf(a, "libraries%s%s", *args ? ", " : "", args);
    }
    gen_blank(o);
    gen_line(o, "// PackDeploy is the data of the transaction that deploys this contract.");
    gen_open(o, "func (c *%s) PackDeploy(%s) ([]byte, error) {", c->id, typed);
    gen_line(o, "code, err := abirt.Link(Bytecode, %s)", map);
    if (in->len) {
        gen_open(o, "if err != nil {");
        gen_line(o, "return nil, err");
        gen_close(o, "}");
        gen_line(o, "data, err := c.ABI.Constructor.Inputs.Pack(%s)", arg_list(a, in, false));
        gen_line(o, "return append(code, data...), err");
    } else {
        gen_line(o, "return code, err");
    }
    gen_close(o, "}");
    gen_blank(o);
    gen_doc(o, &doc_style, "Deploy sends the transaction that deploys this contract.",
            c->constructor.doc, in, NULL);
    gen_open(o, "func Deploy(opts *bind.TransactOpts, backend bind.ContractBackend%s%s) "
             "(*Bound, *types.Transaction, error) {", *typed ? ", " : "", typed);
    gen_line(o, "c := New%s()", c->id);
    gen_line(o, "data, err := c.PackDeploy(%s)", args);
    gen_open(o, "if err != nil {");
    gen_line(o, "return nil, nil, err");
    gen_close(o, "}");
    gen_line(o, "checked, err := abirt.Checked(opts, backend, nil, data)");
    gen_open(o, "if err != nil {");
    gen_line(o, "return nil, nil, c.DecodeError(err)");
    gen_close(o, "}");
    gen_line(o, "at, tx, err := bind.DeployContract(checked, data, backend, nil)");
    gen_open(o, "if err != nil {");
    gen_line(o, "return nil, nil, c.DecodeError(err)");
    gen_close(o, "}");
    gen_line(o, "return At(backend, at), tx, nil");
    gen_close(o, "}");
}

/* ---- packages ---- */

static void module(const struct gen_package *pkg, const struct gen_contract *c,
                   struct gen_files *files)
{
    struct gen_mem *a = pkg->mem;
    struct gen_out o, h;
    gen_out_init(&o, a, 1, "\t");
    gen_out_init(&h, a, 1, "\t");
    types(&o, c);
    builder(&o, c);
    interface(&o, c);
    for (size_t i = 0; i < c->methods.len; i++) method(&o, c, &c->methods.ptr[i]);
    for (size_t i = 0; i < c->library_methods.len; i++) {
        const struct gen_item *it = &c->library_methods.ptr[i];
        gen_blank(&o);
        gen_line(&o, "// %sSelector is that of %s: it takes storage, so only contracts call it.",
                 it->name.p, it->signature);
        gen_line(&o, "var %sSelector = %s", it->name.p, byte_array(a, it->selector, 4));
    }
    for (size_t i = 0; i < c->events.len; i++) event(&o, c, &c->events.ptr[i]);
    for (size_t i = 0; i < c->errors.len; i++) error(&o, c, &c->errors.ptr[i]);
    any_error(&o, c);
    deploy(&o, c);
    struct sn_str body = sn_buf_view(&o.buf);
    gen_line(&h, "// Code generated by sennit abi gen. DO NOT EDIT.");
    gen_blank(&h);
    gen_line(&h, "// Package %s is contract %.*s%s%.*s.", c->module_id, SN_STR_ARG(c->raw),
             c->source.len ? " of " : "", SN_STR_ARG(c->source));
    gen_line(&h, "package %s", c->module_id);
    gen_blank(&h);
    gen_open(&h, "import (");
    if (sn_str_find(body, SN_STR("big.")) >= 0) gen_line(&h, "\"math/big\"");
    gen_line(&h, "\"sync\"");
    gen_blank(&h);
    gen_line(&h, "\"%s/abirt\"", pkg->go_module);
    gen_blank(&h);
    gen_line(&h, "\"github.com/ethereum/go-ethereum/accounts/abi\"");
    gen_line(&h, "\"github.com/ethereum/go-ethereum/accounts/abi/bind/v2\"");
    gen_line(&h, "\"github.com/ethereum/go-ethereum/common\"");
    if (sn_str_find(body, SN_STR("types.")) >= 0)
        gen_line(&h, "\"github.com/ethereum/go-ethereum/core/types\"");
    gen_close(&h, ")");
    sn_buf_str(&h.buf, body);
    if (o.buf.err < 0) files->err = o.buf.err;
    sn_buf_done(&o.buf);
    gen_file(files, &h, gen_printf(a, "go/%s/%s.go", c->module_id, c->module_id));
}
static void readme(const struct gen_package *pkg, struct gen_files *files)
{
    struct gen_out o;
    gen_out_init(&o, pkg->mem, 1, "\t");
    const struct gen_contract *c = &pkg->contracts[0];
    gen_line(&o, "# %s for Go", pkg->name);
    gen_blank(&o);
    gen_line(&o, "Typed access to %zu contract%s, on go-ethereum's bind v2. Generated by `sennit abi "
             "gen`; run it again instead of editing.", pkg->n, pkg->n == 1 ? "" : "s");
    gen_blank(&o);
    gen_line(&o, "```go");
    gen_line(&o, "import \"%s/%s\"", pkg->go_module, c->module_id);
    gen_blank(&o);
    gen_line(&o, "contract := %s.At(client, address)", c->module_id);
    gen_line(&o, "```");
    gen_blank(&o);
    gen_text(&o, "| name | for |\n|---|---|\n"
             "| `contract.Name(opts, ...)` | calls a view function, or sends a transaction |\n"
             "| `contract.SimulateName(opts, ...)` | what a transaction would return |\n"
             "| `NewC().PackName`, `TryPackName`, `UnpackName` | calldata and return data |\n"
             "| `NewC().Instance(backend, address)` | bind's contract, for `bind.Call`, "
             "`bind.Transact`, `bind.FilterEvents` |\n"
             "| `contract.FilterName(opts, ...)`, `UnpackNameEvent` | events |\n"
             "| `*NameError` | custom errors, returned by calls and transactions (`errors.As`) |\n"
             "| `Deploy`, `PackDeploy`, `Bytecode` | deployment |\n"
             "| `NameSelector`, `NameTopic` | constants |\n\n"
             "A transaction without `opts.GasLimit` runs `abirt.GasCheck` first and uses its "
             "limit.\n");
    gen_file(files, &o, "go/README.md");
}
int gen_go(const struct gen_package *pkg, struct gen_files *files)
{
    static const char *const taken[] = {"abirt", "internal", "vendor", "main", NULL};
    int r = gen_module_ids(pkg, reserved, taken);
    for (size_t i = 0; i < pkg->n && r == 0; i++) {
        struct gen_contract *c = &pkg->contracts[i];
        gen_contract_id(pkg->mem, c, module_names);
        r = gen_names(pkg->mem, c, &rules);
        if (r == 0) module(pkg, c, files);
    }
    if (r < 0) return r;
    struct gen_out o;
    gen_out_init(&o, pkg->mem, 1, "\t");
    gen_text(&o, "module %s\n\ngo 1.25.0\n\nrequire github.com/ethereum/go-ethereum v1.17.10\n",
             pkg->go_module);
    gen_file(files, &o, "go/go.mod");
    gen_file_text(files, "go/abirt/runtime.go", sn_abigen_runtime_go, sn_abigen_runtime_go_len);
    gen_file_text(files, "go/abirt/gas.go", sn_abigen_gas_go, sn_abigen_gas_go_len);
    readme(pkg, files);
    return files->err;
}

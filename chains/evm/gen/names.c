/* SPDX-License-Identifier: Apache-2.0 */
/* evm/gen/names.c - identifiers: cases, reserved words, and no two alike.
 *
 * Everything here is a function of the contract: a name does not depend on the order in which the
 * ABI lists things, because items come sorted and colliding ones all get their selector. */
#include "core/enc.h"
#include "core/status.h"
#include "evm/gen/gen_int.h"

static bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
static bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_word(char c) { return is_upper(c) || is_lower(c) || is_digit(c); }
static char to_upper(char c) { return is_lower(c) ? (char)(c - 32) : c; }

/* Words end at '_' and '$', before an upper letter after a lower one or a digit, and before the
 * last upper letter of a run that a lower one follows: ERC20Token is ERC20, Token. */
static bool word_starts(struct sn_str s, size_t i)
{
    if (i == 0 || !is_word(s.ptr[i - 1])) return true;
    char prev = s.ptr[i - 1], c = s.ptr[i];
    if (!is_upper(c)) return false;
    if (!is_upper(prev)) return true;
    return i + 1 < s.len && is_lower(s.ptr[i + 1]);
}
static bool all_caps(struct sn_str s)
{
    bool sep = false;
    for (size_t i = 0; i < s.len; i++) {
        if (is_lower(s.ptr[i])) return false;
        sep |= s.ptr[i] == '_';
    }
    return sep;
}

static size_t words_to(struct sn_str s, enum gen_case to, char *out)
{
    size_t n = 0;
    bool shout = all_caps(s);
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!is_word(c)) continue;
        bool start = word_starts(s, i);
        if (to == GEN_PASCAL) {
            bool joint = start && n && is_digit(c) && is_digit(out[n - 1]);
            if (joint) out[n++] = '_'; /* a1_2 and a12 stay two names */
            out[n++] = start ? to_upper(c) : shout ? sn_ascii_lower(c) : c;
            continue;
        }
        if (start && n) out[n++] = '_';
        out[n++] = to == GEN_UPPER ? to_upper(c) : sn_ascii_lower(c);
    }
    return n;
}
const char *gen_case(struct gen_mem *a, struct sn_str raw, enum gen_case to)
{
    char *out = gen_alloc(a, 2 * raw.len + 4);
    if (!out) return "";
    char *text = out + 1;
    size_t n = 0;
    if (to == GEN_RAW || to == GEN_CAPITAL) {
        for (size_t i = 0; i < raw.len; i++) text[n++] = is_word(raw.ptr[i]) ? raw.ptr[i] : '_';
        if (to == GEN_CAPITAL && n) text[0] = to_upper(text[0]);
    } else {
        n = words_to(raw, to, text);
    }
    if (n == 0) text[n++] = to == GEN_UPPER || to == GEN_PASCAL ? 'X' : 'x';
    text[n] = 0;
    if (!is_digit(text[0])) return text;
    out[0] = to == GEN_PASCAL || to == GEN_UPPER || to == GEN_CAPITAL ? 'N' : 'n';
    return out;
}

void gen_scope_init(struct gen_scope *s, struct gen_mem *a)
{
    s->mem = a;
    sn_map_init(&s->taken, 0, false);
}
void gen_scope_done(struct gen_scope *s) { sn_map_done(&s->taken); }
static bool taken(const struct gen_scope *s, const char *name)
{
    return sn_map_find(&s->taken, sn_str(name)) != NULL;
}
static int take(struct gen_scope *s, const char *name)
{
    int r = sn_map_put(&s->taken, sn_str(name), s, NULL);
    return r < 0 ? r : 0;
}
int gen_scope_reserve(struct gen_scope *s, const char *const *names)
{
    int r = 0;
    for (; names && *names && r == 0; names++) r = take(s, *names);
    return r;
}
const char *gen_scope_claim(struct gen_scope *s, const char *name, const char *suffix)
{
    while (taken(s, name) && !s->mem->failed) name = gen_printf(s->mem, "%s%s", name, suffix);
    return take(s, name) < 0 ? NULL : name;
}

/* The pattern with {n}, {p} and {u} replaced. */
static const char *expand(struct gen_mem *a, const char *pattern, const struct gen_name *name)
{
    const char *brace = strchr(pattern, '{');
    if (!brace) return pattern;
    const char *by = brace[1] == 'n' ? name->n : brace[1] == 'p' ? name->p : name->u;
    return gen_printf(a, "%.*s%s%s", (int)(brace - pattern), pattern, by, brace + 3);
}
/* Whether all that the name exports is free; takes it where it is. */
static int claim_all(struct gen_scope *s, const char *const *patterns, const struct gen_name *name)
{
    for (const char *const *p = patterns; *p; p++)
        if (taken(s, expand(s->mem, *p, name))) return 0;
    for (const char *const *p = patterns; *p; p++)
        if (take(s, expand(s->mem, *p, name)) < 0) return SN_E_NOMEM;
    return 1;
}
static int claim_name(struct gen_scope *s, const char *const *patterns, struct gen_name *name)
{
    for (;;) {
        int r = claim_all(s, patterns, name);
        if (r != 0) return r < 0 ? r : 0;
        name->n = gen_printf(s->mem, "%s_", name->n);
        name->p = gen_printf(s->mem, "%s_", name->p);
        name->u = gen_printf(s->mem, "%s_", name->u);
        if (strlen(name->n) > 4096) return SN_E_NOMEM;
    }
}
static struct gen_name name_of(struct gen_mem *a, const char *base, const struct gen_rules *r)
{
    struct sn_str s = sn_str(base);
    return (struct gen_name){gen_case(a, s, r->n), gen_case(a, s, r->p), gen_case(a, s, r->u)};
}

/* Items whose names fall together in this language all get their selector, but for one that is
 * spelled that way already. */
static int spell(struct gen_mem *a, struct gen_items *items, const struct gen_rules *rules)
{
    for (size_t i = 0; i < items->len; i++)
        items->ptr[i].name = name_of(a, items->ptr[i].base, rules);
    for (size_t i = 0; i < items->len; i++) {
        struct gen_item *it = &items->ptr[i];
        bool clash = false;
        for (size_t k = 0; k < items->len && !clash; k++)
            clash = k != i && (strcmp(name_of(a, items->ptr[k].base, rules).n, it->name.n) == 0 ||
                               strcmp(name_of(a, items->ptr[k].base, rules).p, it->name.p) == 0);
        if (clash && strcmp(it->base, it->name.n) != 0)
            it->name = name_of(a, gen_printf(a, "%s_%s", it->base,
                                             gen_hex(a, it->selector, 4) + 2), rules);
    }
    return 0;
}
static int name_params(struct gen_mem *a, struct gen_params *ps, const struct gen_rules *rules,
                       const char *prefix, bool local)
{
    struct gen_scope s;
    gen_scope_init(&s, a);
    int r = gen_scope_reserve(&s, rules->reserved);
    if (r == 0) r = gen_scope_reserve(&s, local ? rules->locals : rules->fields);
    for (size_t i = 0; i < ps->len && r == 0; i++) {
        struct gen_param *p = &ps->ptr[i];
        struct sn_str raw = p->raw.len ? p->raw : sn_str(gen_printf(a, "%s%zu", prefix, i));
        const char *want = gen_case(a, raw, local ? rules->param : rules->field);
        p->id = gen_scope_claim(&s, want, local || !rules->clash ? "_" : rules->clash);
        if (!p->id) r = SN_E_NOMEM;
    }
    gen_scope_done(&s);
    return r;
}
static int name_items(struct gen_scope *s, struct gen_items *items, const char *const *patterns,
                      const struct gen_rules *rules)
{
    int r = spell(s->mem, items, rules);
    for (size_t i = 0; i < items->len && r == 0; i++) {
        struct gen_item *it = &items->ptr[i];
        /* Reserved words are no one's name, whatever the case it is asked in. */
        r = claim_name(s, patterns, &it->name);
        bool local = it->kind == GEN_METHOD;
        if (r == 0) r = name_params(s->mem, &it->in, rules, "arg", local);
        if (r == 0) r = name_params(s->mem, &it->out, rules, "ret", false);
    }
    return r;
}
static const char *claim_type(struct gen_scope *s, struct sn_str raw, struct sn_str qualifier,
                              const char *const *patterns, const struct gen_rules *rules)
{
    struct gen_mem *a = s->mem;
    const char *base = gen_printf(a, "%.*s", SN_STR_ARG(raw));
    struct gen_name name = name_of(a, base, rules);
    name.p = gen_case(a, raw, rules->type);
    int r = claim_all(s, patterns, &name);
    if (r == 0 && qualifier.len) { /* Lib.Point beside another Point */
        base = gen_printf(a, "%.*s_%.*s", SN_STR_ARG(qualifier), SN_STR_ARG(raw));
        name = name_of(a, base, rules);
        name.p = gen_case(a, sn_str(base), rules->type);
    }
    if (r == 0) r = claim_name(s, patterns, &name);
    return r < 0 ? NULL : name.p;
}
static int name_types(struct gen_scope *s, struct gen_contract *c, const struct gen_rules *rules)
{
    for (size_t i = 0; i < c->n_structs; i++) {
        struct gen_struct *st = c->structs[i];
        st->id = claim_type(s, st->raw, st->qualifier, rules->struct_, rules);
        if (!st->id) return SN_E_NOMEM;
        int r = name_params(s->mem, &st->fields, rules, "field", false);
        if (r < 0) return r;
    }
    for (size_t i = 0; i < c->n_aliases; i++) {
        struct gen_alias *al = c->aliases[i];
        al->id = claim_type(s, al->raw, al->qualifier, rules->alias, rules);
        if (!al->id) return SN_E_NOMEM;
    }
    return 0;
}
static int name_libraries(struct gen_mem *a, struct gen_contract *c, const struct gen_rules *rules)
{
    struct gen_scope s;
    gen_scope_init(&s, a);
    int r = gen_scope_reserve(&s, rules->reserved);
    for (size_t i = 0; i < c->n_libraries && r == 0; i++) {
        struct gen_library *lib = &c->libraries[i];
        lib->id = gen_scope_claim(&s, gen_case(a, lib->name, rules->field), "_");
        if (!lib->id) r = SN_E_NOMEM;
    }
    gen_scope_done(&s);
    return r;
}
int gen_names(struct gen_mem *a, struct gen_contract *c, const struct gen_rules *rules)
{
    struct gen_scope s;
    gen_scope_init(&s, a);
    int r = gen_scope_reserve(&s, rules->reserved);
    if (r == 0) r = gen_scope_reserve(&s, rules->module);
    struct gen_name own = {c->id, c->id, c->id};
    if (r == 0 && rules->contract) r = claim_all(&s, rules->contract, &own);
    if (r > 0) r = 0;
    if (r == 0) r = name_items(&s, &c->methods, rules->method, rules);
    if (r == 0) r = name_items(&s, &c->events, rules->event, rules);
    if (r == 0) r = name_items(&s, &c->errors, rules->error, rules);
    if (r == 0) r = name_types(&s, c, rules);
    if (r == 0) r = name_items(&s, &c->library_methods, rules->library, rules);
    if (r == 0) r = name_params(a, &c->constructor.in, rules, "arg", true);
    if (r == 0) r = name_libraries(a, c, rules);
    gen_scope_done(&s);
    return r;
}
static bool listed(const char *const *words, const char *name)
{
    for (; words && *words; words++)
        if (strcmp(*words, name) == 0) return true;
    return false;
}
void gen_contract_id(struct gen_mem *mem, struct gen_contract *c, const char *const *taken)
{
    c->id = gen_case(mem, sn_str(c->file), GEN_PASCAL);
    if (listed(taken, c->id)) c->id = gen_printf(mem, "%s_", c->id);
}
int gen_module_ids(const struct gen_package *p, const char *const *reserved,
                   const char *const *files)
{
    for (size_t i = 0; i < p->n; i++) {
        struct gen_contract *c = &p->contracts[i];
        c->module_id = c->module;
        if (listed(reserved, c->module) || listed(files, c->module))
            c->module_id = gen_printf(p->mem, "%s_", c->module);
    }
    return p->mem->failed ? SN_E_NOMEM : 0;
}

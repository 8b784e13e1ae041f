/* SPDX-License-Identifier: Apache-2.0 */
/* evm/gen/model.c - what holds for every language: order, overloads, collisions. */
#include <stdlib.h>

#include "core/status.h"
#include "evm/gen/gen_int.h"

bool gen_is_hashed(const struct gen_type *t)
{
    return t->dynamic || t->tag == GEN_ARRAY || t->tag == GEN_TUPLE;
}
struct gen_params gen_select(struct gen_mem *a, const struct gen_params *ps, bool indexed)
{
    static const struct gen_type hash = {.tag = GEN_BYTESN, .count = 32, .canonical = "bytes32",
                                         .json = "bytes32"};
    struct gen_params out = {gen_alloc(a, (ps->len + 1) * sizeof(*out.ptr)), 0};
    for (size_t i = 0; i < ps->len && out.ptr; i++) {
        if (ps->ptr[i].indexed != indexed) continue;
        out.ptr[out.len] = ps->ptr[i];
        if (indexed && gen_is_hashed(ps->ptr[i].type)) out.ptr[out.len].type = &hash;
        out.len++;
    }
    return out;
}

static int by_signature(const void *x, const void *y)
{
    const struct gen_item *a = x, *b = y;
    int r = sn_str_cmp(a->raw, b->raw);
    return r ? r : strcmp(a->signature, b->signature);
}
static const char *type_word(struct gen_mem *a, const struct gen_type *t)
{
    if (t->tag == GEN_LIST) return gen_printf(a, "%sArray", type_word(a, t->elem));
    if (t->tag == GEN_ARRAY)
        return gen_printf(a, "%sArray%llu", type_word(a, t->elem), (unsigned long long)t->count);
    if (t->tag == GEN_TUPLE) return gen_printf(a, "%.*s", SN_STR_ARG(t->tuple->raw));
    return t->canonical;
}
/* How many leading parameter types the overloads [from, to) share. */
static size_t shared_types(const struct gen_items *items, size_t from, size_t to)
{
    const struct gen_params *first = &items->ptr[from].in;
    size_t n = first->len;
    for (size_t i = from + 1; i < to; i++) {
        const struct gen_params *ps = &items->ptr[i].in;
        size_t k = 0;
        while (k < n && k < ps->len &&
               strcmp(ps->ptr[k].type->canonical, first->ptr[k].type->canonical) == 0)
            k++;
        n = k;
    }
    return n;
}
/* safeTransferFrom(address,address,uint256[,bytes]) are safeTransferFrom, safeTransferFrom_bytes:
 * the types that are not common to all of them. Selectors tell apart what types in words do not
 * (two structs of one name). */
static void name_overloads(struct gen_mem *a, struct gen_items *items, size_t from, size_t to)
{
    size_t skip = shared_types(items, from, to);
    for (size_t i = from; i < to; i++) {
        struct gen_item *it = &items->ptr[i];
        it->base = gen_printf(a, "%.*s", SN_STR_ARG(it->raw));
        if (to - from == 1) continue;
        for (size_t k = skip; k < it->in.len; k++)
            it->base = gen_printf(a, "%s_%s", it->base, type_word(a, it->in.ptr[k].type));
    }
    for (size_t i = from; i < to; i++)
        for (size_t k = from; k < to; k++)
            if (k != i && strcmp(items->ptr[i].base, items->ptr[k].base) == 0) {
                items->ptr[i].base = gen_printf(a, "%s_%s", items->ptr[i].base,
                                                gen_hex(a, items->ptr[i].selector, 4) + 2);
                break;
            }
}
static int by_selector(const void *x, const void *y)
{
    const struct gen_item *const *a = x, *const *b = y;
    return memcmp((*a)->topic, (*b)->topic, 32);
}
/* Selectors are 4 bytes, topics 32: two that begin alike lie side by side once sorted. */
static int refuse_collisions(struct gen_mem *a, const struct gen_items *items, size_t bytes,
                             const char *what)
{
    const struct gen_item **by = gen_alloc(a, (items->len + 1) * sizeof(*by));
    if (!by) return SN_E_NOMEM;
    for (size_t i = 0; i < items->len; i++) by[i] = &items->ptr[i];
    qsort(by, items->len, sizeof(*by), by_selector);
    for (size_t i = 1; i < items->len; i++)
        if (memcmp(by[i]->topic, by[i - 1]->topic, bytes) == 0)
            return sn_fail(SN_E_ALREADY_EXISTS, "%s and %s share the %s %s", by[i - 1]->signature,
                           by[i]->signature, what, gen_hex(a, by[i]->topic, bytes));
    return 0;
}
static int finish_items(struct gen_mem *a, struct gen_items *items, size_t bytes, const char *what)
{
    if (items->len) qsort(items->ptr, items->len, sizeof(*items->ptr), by_signature);
    size_t kept = 0; /* the same entry twice, as merged ABIs have it, is one */
    for (size_t i = 0; i < items->len; i++)
        if (kept == 0 || strcmp(items->ptr[kept - 1].signature, items->ptr[i].signature) != 0 ||
            items->ptr[kept - 1].anonymous != items->ptr[i].anonymous)
            items->ptr[kept++] = items->ptr[i];
    items->len = kept;
    for (size_t from = 0, to; from < items->len; from = to) {
        for (to = from + 1; to < items->len; to++)
            if (!sn_str_eq(items->ptr[from].raw, items->ptr[to].raw)) break;
        name_overloads(a, items, from, to);
    }
    return refuse_collisions(a, items, bytes, what);
}
static int by_struct_name(const void *x, const void *y)
{
    const struct gen_struct *const *a = x, *const *b = y;
    int r = sn_str_cmp((*a)->raw, (*b)->raw);
    if (r == 0) r = sn_str_cmp((*a)->qualifier, (*b)->qualifier);
    return r ? r : strcmp((*a)->canonical, (*b)->canonical);
}
static int by_alias_name(const void *x, const void *y)
{
    const struct gen_alias *const *a = x, *const *b = y;
    int r = sn_str_cmp((*a)->raw, (*b)->raw);
    return r ? r : sn_str_cmp((*a)->qualifier, (*b)->qualifier);
}
/* Built-in errors are every contract's; an ABI that lists them names nothing new. */
static void drop_builtin_errors(struct gen_items *errors)
{
    size_t kept = 0;
    for (size_t i = 0; i < errors->len; i++)
        if (strcmp(errors->ptr[i].signature, "Error(string)") != 0 &&
            strcmp(errors->ptr[i].signature, "Panic(uint256)") != 0)
            errors->ptr[kept++] = errors->ptr[i];
    errors->len = kept;
}
int gen_finish(struct gen_mem *a, struct gen_contract *c)
{
    drop_builtin_errors(&c->errors);
    int r = finish_items(a, &c->methods, 4, "selector");
    if (r == 0) r = finish_items(a, &c->events, 32, "topic");
    if (r == 0) r = finish_items(a, &c->errors, 4, "selector");
    if (r == 0) r = finish_items(a, &c->library_methods, 4, "selector");
    if (r < 0) return r;
    qsort(c->structs, c->n_structs, sizeof(*c->structs), by_struct_name);
    qsort(c->aliases, c->n_aliases, sizeof(*c->aliases), by_alias_name);
    return 0;
}

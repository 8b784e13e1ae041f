/* SPDX-License-Identifier: Apache-2.0 */
/* evm/gen/model.c - what holds for every language: order, and what an event's parameters are. */
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
static void sort(struct gen_items *items)
{
    if (items->len) qsort(items->ptr, items->len, sizeof(*items->ptr), by_signature);
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
void gen_finish(struct gen_contract *c)
{
    drop_builtin_errors(&c->errors);
    sort(&c->methods);
    sort(&c->events);
    sort(&c->errors);
    sort(&c->library_methods);
    qsort(c->structs, c->n_structs, sizeof(*c->structs), by_struct_name);
    qsort(c->aliases, c->n_aliases, sizeof(*c->aliases), by_alias_name);
}

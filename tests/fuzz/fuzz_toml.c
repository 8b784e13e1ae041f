/* SPDX-License-Identifier: Apache-2.0 */
/* Any text: an error with a place, or a tree within its limits whose strings survive printing. */
#include <stdint.h>

#include "core/arena.h"
#include "core/base.h"
#include "core/status.h"
#include "wire/toml.h"

static void walk(const struct sn_toml *v, unsigned depth, size_t *n)
{
    SN_ASSERT(depth <= 3 * SN_TOML_DEPTH_MAX && ++*n <= 2 * SN_TOML_VALUES_MAX);
    SN_ASSERT(v->pos.line > 0 && v->pos.column > 0);
    if (v->kind == SN_TOML_TABLE) {
        uint32_t count = 0;
        for (const struct sn_toml_entry *e = v->table.first; e; e = e->next, count++) {
            SN_ASSERT(sn_toml_find(v, e->key) == e);
            walk(&e->v, depth + 1, n);
        }
        SN_ASSERT(count == v->table.n);
    } else if (v->kind == SN_TOML_ARRAY) {
        for (const struct sn_toml_item *it = v->array.first; it; it = it->next)
            walk(&it->v, depth + 1, n);
    } else if (v->kind == SN_TOML_STRING) {
        struct sn_buf b;
        struct sn_arena a;
        struct sn_toml back;
        sn_buf_init(&b, 0);
        sn_arena_init(&a, NULL, 0);
        sn_buf_cstr(&b, "a = ");
        SN_ASSERT(sn_toml_put_string(&b, v->str) == 0);
        SN_ASSERT(sn_toml_parse(&a, sn_buf_view(&b), 0, &back) == 0);
        SN_ASSERT(sn_str_eq(sn_toml_find(&back, SN_STR("a"))->v.str, v->str));
        sn_arena_done(&a);
        sn_buf_done(&b);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_arena a;
    struct sn_toml root;
    size_t n = 0;
    sn_arena_init(&a, NULL, 32u << 20);
    if (sn_toml_parse(&a, sn_str_of((const char *)data, size), 1u << 20, &root) == 0)
        walk(&root, 0, &n);
    sn_arena_done(&a);
    return 0;
}

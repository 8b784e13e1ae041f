/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation of a whole pass fails once: each answer is "no memory" or a right one, nothing
 * leaks (the harness counts blocks). libyaml's own allocations are not ours to fail. */
#include "core/alloc.h"
#include "core/status.h"
#include "harness/test.h"
#include "kit/config.h"

static unsigned countdown;
static bool fail_one(size_t size)
{
    (void)size;
    return countdown && --countdown == 0;
}
static const struct sn_alloc_hooks hooks = {.fail = fail_one};

struct item { struct sn_str name, *tags; size_t n_tags; int64_t every; };
struct conf { struct item *items; size_t n_items; };
static const struct sn_conf_field item_fields[] = {
    SN_CONF_STRING(struct item, name, "name", .pattern = "[a-z]+", .pattern_help = "letters"),
    SN_CONF_LIST(struct item, tags, n_tags, "tags", SN_CONF_T_STRING),
    SN_CONF_DURATION(struct item, every, "every", .def = "5s"),
};
static const struct sn_conf_table item_table = SN_CONF_TABLE(struct item, item_fields);
static const struct sn_conf_field fields[] = {
    SN_CONF_LIST(struct conf, items, n_items, "items", SN_CONF_T_STRUCT, .sub = &item_table),
};
static const struct sn_conf_table table = SN_CONF_TABLE(struct conf, fields);

static int pass(struct sn_str text)
{
    struct sn_arena_pool pool;
    struct sn_arena a;
    struct sn_conf c;
    struct conf k;
    struct sn_json tree, copy;
    struct sn_buf b;
    const struct sn_json *back;
    sn_arena_pool_init(&pool, 512, 0); /* small chunks, so that the arena fails in many places */
    sn_arena_init(&a, &pool, 0);
    sn_buf_init(&b, 0);
    int r = sn_conf_load(&c, &a, "t", text, &table, &k);
    if (r == 0) r = sn_conf_dump(&a, &table, &k, &tree);
    if (r == 0) r = sn_json_write(&b, &tree, &(struct sn_json_style){.sort_keys = true});
    if (r == 0) r = sn_json_parse(&a, sn_buf_view(&b), NULL, &back);
    if (r == 0) r = sn_json_clone(&a, back, &copy);
    if (r == 0) T_ASSERT(sn_json_eq(&copy, &tree) && k.n_items == 40 && k.items[39].n_tags == 2);
    sn_buf_done(&b);
    sn_arena_done(&a);
    sn_arena_pool_done(&pool);
    return r;
}

SN_TEST_SLOW(formats_survive_every_failed_allocation, 60)
{
    struct sn_buf text;
    sn_buf_init(&text, 0);
    sn_buf_cstr(&text, "items:\n");
    for (int i = 0; i < 40; i++)
        sn_buf_printf(&text, "- name: &n%d \"\\u0061bc\"\n  tags: [x, *n%d]\n  every: %dms\n", i, i,
                      i + 1);
    T_EQ(pass(sn_buf_view(&text)), 0);
    unsigned k = 1, failed = 0;
    sn_alloc_set_hooks(&hooks);
    for (;; k++) {
        countdown = k;
        sn_test_row("allocation %u", k);
        int64_t live = sn_alloc_live();
        int r = pass(sn_buf_view(&text));
        bool untouched = countdown != 0;
        countdown = 0;
        T_EQ(sn_alloc_live(), live);
        if (untouched) {
            T_EQ(r, 0);
            break;
        }
        T_EQ(r, SN_E_NOMEM);
        failed++;
    }
    sn_alloc_set_hooks(NULL);
    T_ASSERTF(failed > 30, "only %u allocations", failed);
    sn_buf_done(&text);
}

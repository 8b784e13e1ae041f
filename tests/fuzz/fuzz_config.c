/* SPDX-License-Identifier: Apache-2.0 */
/* Any text either binds, and then what is printed binds to the same, or names its errors. */
#include <stdint.h>

#include "core/arena.h"
#include "core/base.h"
#include "core/status.h"
#include "kit/config.h"

struct item {
    struct sn_str name;
    int64_t every;
    uint32_t kind, flags;
    uint64_t *sizes;
    size_t n_sizes;
    double rate;
    bool on;
    int16_t level;
    const struct sn_json *raw;
};
struct conf {
    struct item *items, *named, first;
    size_t n_items, n_named;
};
static const struct sn_conf_enum kinds[] = {{"a", 1}, {"b", 2}, {0}};
static const struct sn_conf_field item_fields[] = {
    SN_CONF_DURATION(struct item, every, "every", .def = "1s", .min = 0, .max = SN_HOUR),
    SN_CONF_ENUM(struct item, kind, "kind", kinds, .def = "a"),
    SN_CONF_FLAGS(struct item, flags, "flags", kinds),
    SN_CONF_LIST(struct item, sizes, n_sizes, "sizes", SN_CONF_T_BYTES, .min = 0, .max = 8),
    SN_CONF_DOUBLE(struct item, rate, "rate", .min_real = 0, .max_real = 1e6),
    SN_CONF_BOOL(struct item, on, "on"),
    SN_CONF_INT(struct item, level, "level", .min = -5, .max = 500),
    SN_CONF_RAW(struct item, raw, "raw"),
};
static const struct sn_conf_table item_table = SN_CONF_TABLE(struct item, item_fields);
static const struct sn_conf_field fields[] = {
    SN_CONF_LIST(struct conf, items, n_items, "items", SN_CONF_T_STRUCT, .sub = &item_table),
    SN_CONF_MAP_STRUCT(struct conf, named, n_named, "named", struct item, name, &item_table),
    SN_CONF_STRUCT(struct conf, first, "first", &item_table),
};
static const struct sn_conf_table table = SN_CONF_TABLE(struct conf, fields);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_arena a;
    struct sn_conf c;
    struct sn_buf b;
    struct conf k, again;
    struct sn_json tree, tree2;
    sn_arena_init(&a, NULL, 32u << 20);
    sn_buf_init(&b, 64u << 20);
    int r = sn_conf_load(&c, &a, "f", sn_str_of((const char *)data, size), &table, &k);
    if (r == SN_E_NOMEM) {
        /* the arena's limit */
    } else if (r < 0) {
        SN_ASSERT(c.n_errors > 0);
        SN_ASSERT(sn_conf_report(&c, &b) == 0 && b.len > 0);
    } else if (sn_conf_dump(&a, &table, &k, &tree) == 0) {
        SN_ASSERT(sn_yaml_write(&b, &tree, NULL) == 0);
        r = sn_conf_load(&c, &a, "g", sn_buf_view(&b), &table, &again);
        SN_ASSERT(r == 0 || r == SN_E_NOMEM);
        if (r == 0 && sn_conf_dump(&a, &table, &again, &tree2) == 0)
            SN_ASSERT(sn_json_eq(&tree, &tree2));
    }
    sn_buf_done(&b);
    sn_arena_done(&a);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What is accepted must survive writing and reading again, in every style. */
#include <stdint.h>

#include "core/arena.h"
#include "core/base.h"
#include "wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sn_json_style styles[] = {{0},
                                                  {.indent = 3},
                                                  {.html = true},
                                                  {.sort_keys = true}};
    struct sn_str text = sn_str_of((const char *)data, size);
    struct sn_json_error e;
    struct sn_json_opts strict = {.dup = SN_JSON_DUP_ERROR, .error = &e};
    struct sn_arena a;
    struct sn_buf b;
    const struct sn_json *v, *w, *u;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&b, 0);
    if (sn_json_parse(&a, text, &strict, &w) < 0) {
        SN_ASSERT(e.offset <= size && e.line >= 1 && e.column >= 1);
    } else if (sn_json_parse(&a, text, NULL, &v) < 0 || !sn_json_eq(v, w)) {
        __builtin_trap();
    } else {
        struct sn_json copy, merged;
        for (size_t i = 0; i < SN_COUNT_OF(styles); i++) {
            sn_buf_reset(&b);
            SN_ASSERT(sn_json_write(&b, v, &styles[i]) == 0);
            SN_ASSERT(sn_json_parse(&a, sn_buf_view(&b), &strict, &u) == 0 && sn_json_eq(u, v));
        }
        SN_ASSERT(sn_json_clone(&a, v, &copy) == 0 && sn_json_eq(&copy, v));
        SN_ASSERT(sn_json_merge(&a, v, v, &merged) == 0);
    }
    struct sn_str rest = text;
    while (sn_json_parse_next(&a, &rest, NULL, &v) == 0) SN_ASSERT(rest.len < size);
    sn_buf_done(&b);
    sn_arena_done(&a);
    return 0;
}

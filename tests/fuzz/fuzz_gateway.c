/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_gateway.c - gateway configuration: either every problem is named, or what is printed of
 * it is YAML that reads back as the same configuration. */
#include <stdint.h>

#include "core/arena.h"
#include "core/status.h"
#include "gateway/config.h"
#include "kit/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_arena a;
    struct sn_conf c;
    struct sn_buf b;
    struct sn_gw_conf k, again;
    struct sn_json tree, tree2;
    sn_arena_init(&a, NULL, 32u << 20);
    sn_buf_init(&b, 64u << 20);
    sn_conf_init(&c, &a, "f");
    int r = sn_gw_conf_read(&c, sn_str_of((const char *)data, size), &k);
    if (r == SN_E_NOMEM) {
        /* the arena's limit */
    } else if (r < 0) {
        SN_ASSERT(c.n_errors > 0);
        SN_ASSERT(sn_conf_report(&c, &b) == 0 && b.len > 0);
    } else if (sn_conf_dump(&a, &sn_gw_conf_table, &k, &tree) == 0) {
        SN_ASSERT(sn_yaml_write(&b, &tree, NULL) == 0);
        sn_conf_init(&c, &a, "g");
        r = sn_gw_conf_read(&c, sn_buf_view(&b), &again);
        SN_ASSERT(r == 0 || r == SN_E_NOMEM);
        if (r == 0 && sn_conf_dump(&a, &sn_gw_conf_table, &again, &tree2) == 0)
            SN_ASSERT(sn_json_eq(&tree, &tree2));
    }
    sn_buf_done(&b);
    sn_arena_done(&a);
    return 0;
}

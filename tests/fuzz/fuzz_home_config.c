/* SPDX-License-Identifier: Apache-2.0 */
/* A config.toml that is taken is printed so that reading it gives the same print again. */
#include <stdint.h>

#include "consensus/home/config.h"
#include "core/base.h"
#include "core/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_arena a;
    struct sn_buf one, two, warnings;
    struct sn_home_config c, d;
    sn_arena_init(&a, NULL, 32u << 20);
    sn_buf_init(&one, 0);
    sn_buf_init(&two, 0);
    sn_buf_init(&warnings, 0);
    SN_ASSERT(sn_home_config_defaults(&a, &c) == 0 && sn_home_config_defaults(&a, &d) == 0);
    if (sn_home_config_read(&a, "config.toml", sn_str_of((const char *)data, size), &c,
                            &warnings) == 0) {
        (void)!sn_home_config_check(&c);
        SN_ASSERT(sn_home_config_print(&c, &one) == 0);
        SN_ASSERT(sn_home_config_read(&a, "again", sn_buf_view(&one), &d, NULL) == 0);
        SN_ASSERT(sn_home_config_print(&d, &two) == 0);
        SN_ASSERT(sn_str_eq(sn_buf_view(&one), sn_buf_view(&two)));
    }
    sn_buf_done(&one);
    sn_buf_done(&two);
    sn_buf_done(&warnings);
    sn_arena_done(&a);
    return 0;
}

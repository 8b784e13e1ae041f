/* SPDX-License-Identifier: Apache-2.0 */
/* Any JSON as linux.resources, and any text as a location. */
#include <stdlib.h>

#include "clusters/cgroup/cgroup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_arena a;
    const struct sn_json *v;
    struct sn_cgroup_resources r;
    struct sn_str text = sn_str_of((const char *)data, size);
    sn_arena_init(&a, NULL, 64u << 20);
    if (sn_json_parse(&a, text, NULL, &v) == 0 && sn_cgroup_resources_parse(&a, v, &r) == 0)
        for (size_t i = 0; i < r.devices.n; i++)
            if (!r.devices.ptr[i].access || r.devices.ptr[i].access > SN_CGROUP_DEV_ALL) abort();
    struct sn_cgroup_host h = {.layout = SN_CGROUP_V2,
                               .n = 1,
                               .h = {{"/nowhere", "", "/", 0, true}}};
    for (int systemd = 0; systemd < 2; systemd++) {
        const char *location;
        struct sn_cgroup_where w = {text, SN_STR("id"), systemd};
        /* What comes out may be walked: absolute, without "..". */
        if (sn_cgroup_resolve(&h, &w, &a, &location) == 0 &&
            (location[0] != '/' || strstr(location, "/../")))
            abort();
    }
    sn_arena_done(&a);
    return 0;
}

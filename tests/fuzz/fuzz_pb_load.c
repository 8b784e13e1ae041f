/* SPDX-License-Identifier: Apache-2.0 */
/* A descriptor set from anywhere: what loads must be fit for use by the decoder and the JSON
 * mapping. */
#include <stdlib.h>

#include "kit/pb_load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_arena a;
    struct sn_pb_set *set;
    struct sn_buf b;
    sn_arena_init(&a, NULL, 64u << 20);
    sn_buf_init(&b, 1u << 20);
    if (sn_pb_load(sn_str_of((const char *)data, size), &a, &set) == 0) {
        for (uint32_t i = 0; i < set->n_files; i++)
            for (uint32_t k = 0; k < set->files[i]->n_msgs; k++) {
                const struct sn_pb_desc *d = set->files[i]->msgs[k];
                void *m = sn_pb_new(d, &a);
                if (!m ||
                    sn_pb_decode(d, m, sn_str_of((const char *)data, size), SN_PB_PARTIAL, &a) < 0)
                    continue;
                sn_buf_reset(&b);
                (void)!sn_pb_to_json(d, m, NULL, &b);
                b.err = 0;
            }
        sn_pb_set_done(set);
    }
    sn_buf_done(&b);
    sn_arena_done(&a);
    return 0;
}

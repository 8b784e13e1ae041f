/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of a remote signer: what is taken is within its limits and reads back as itself. */
#include <stdint.h>

#include "consensus/signer_msg.h"
#include "core/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_arena a;
    struct sn_buf one, two;
    struct sn_signer_msg m, again;
    sn_arena_init(&a, NULL, 32u << 20);
    sn_buf_init(&one, 0);
    sn_buf_init(&two, 0);
    ssize_t n = sn_signer_msg_get(sn_str_of((const char *)data, size), &a, &m);
    if (n > 0) {
        SN_ASSERT((size_t)n <= size);
        SN_ASSERT(sn_signer_msg_put(&m, &one) == 0);
        SN_ASSERT(sn_signer_msg_get(sn_buf_view(&one), &a, &again) == (ssize_t)one.len);
        SN_ASSERT(again.kind == m.kind && again.refused == m.refused);
        SN_ASSERT(sn_signer_msg_put(&again, &two) == 0);
        SN_ASSERT(sn_str_eq(sn_buf_view(&one), sn_buf_view(&two)));
    }
    sn_buf_done(&one);
    sn_buf_done(&two);
    sn_arena_done(&a);
    return 0;
}

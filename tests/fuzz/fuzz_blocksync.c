/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_blocksync.c - messages of channel 40: what decodes is written as what reads the same. */
#include <stdlib.h>

#include "consensus/sync/blocksync_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(struct sn_str a, struct sn_str b)
{
    if (!sn_str_eq(a, b) || (a.ptr == NULL) != (b.ptr == NULL)) abort();
}
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_blocksync_msg m, again;
    struct sn_buf out = {0};
    if (sn_blocksync_decode(sn_str_of((const char *)data, size), &m) < 0) return 0;
    if (m.height < 0 || m.base < 0 || m.kind < 1 || m.kind > SN_BLOCKSYNC_STATUS) abort();
    if (sn_blocksync_encode(&m, &out) == 0) {
        if (sn_blocksync_decode(sn_buf_view(&out), &again) < 0) abort();
        if (again.kind != m.kind || again.height != m.height || again.base != m.base) abort();
        same(again.block, m.block);
        same(again.ext_commit, m.ext_commit);
    }
    sn_buf_done(&out);
    return 0;
}

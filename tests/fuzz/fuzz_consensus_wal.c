/* SPDX-License-Identifier: Apache-2.0 */
/* The consensus log: every record read must be written to bytes that read as the same record, and what
 * is intact by checksums ends where reading does or later. */
#include <stdlib.h>

#include "consensus/wal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_arena a;
    struct sn_buf x, y;
    struct sn_cons_wal_record rec, again;
    struct sn_str all = sn_str_of((const char *)data, size), rest = all;
    sn_arena_init(&a, NULL, 64u << 20);
    sn_buf_init(&x, 0);
    sn_buf_init(&y, 0);
    while (sn_cons_wal_next(&rest, &a, &rec) == 0) {
        sn_buf_reset(&x);
        sn_buf_reset(&y);
        if (sn_cons_wal_encode(&rec, &x) < 0) abort();
        struct sn_str one = sn_buf_view(&x);
        if (sn_cons_wal_next(&one, &a, &again) < 0 || one.len) abort();
        if (sn_cons_wal_encode(&again, &y) < 0) abort();
        if (!sn_str_eq(sn_buf_view(&x), sn_buf_view(&y))) abort();
    }
    if (sn_cons_wal_intact(all) < all.len - rest.len) abort();
    sn_buf_done(&x);
    sn_buf_done(&y);
    sn_arena_done(&a);
    return 0;
}

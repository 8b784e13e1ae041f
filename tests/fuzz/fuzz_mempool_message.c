/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_mempool_message.c - a peer's message of transactions: what passes the rules is what is
 * read, keeps to the limits, and written anew reads the same. Bytes 0 and 1: the limits. */
#include <stdlib.h>

#include "consensus/reactors/mempool.h"
#include "core/buf.h"
#include "core/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TXS_MAX 64
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sn_mempool_tx txs[TXS_MAX];
    struct sn_mempool_tx *list[TXS_MAX];
    if (size < 2) return 0;
    struct sn_mempool_rules rules = {.tx_bytes_max = data[0], .batch_bytes_max = data[1]};
    struct sn_str m = sn_str_of((const char *)data + 2, size - 2), tx;
    int n = sn_mempool_message_check(m, &rules), seen = 0;
    if (n < 0) return 0;
    struct sn_mempool_reading at = {0};
    size_t bytes = 0;
    while (sn_mempool_message_next(m, &at, &tx)) {
        if (tx.len == 0 || tx.len > rules.tx_bytes_max || tx.ptr < m.ptr ||
            tx.ptr + tx.len > m.ptr + m.len)
            abort();
        bytes += tx.len;
        if (seen < TXS_MAX) {
            txs[seen].data = tx;
            list[seen] = &txs[seen];
        }
        seen++;
    }
    if (seen != n || n == 0 || bytes > SN_MAX(data[0], data[1])) abort();
    if (n > TXS_MAX) return 0;
    struct sn_buf out = {0};
    at = (struct sn_mempool_reading){0};
    if (sn_mempool_message_put(list, (size_t)n, &out) == 0) {
        if (sn_mempool_message_check(sn_buf_view(&out), &rules) != n) abort();
        for (int i = 0; i < n; i++)
            if (!sn_mempool_message_next(sn_buf_view(&out), &at, &tx) ||
                !sn_str_eq(tx, list[i]->data))
                abort();
        if (sn_mempool_message_next(sn_buf_view(&out), &at, &tx)) abort();
    }
    sn_buf_done(&out);
    return 0;
}

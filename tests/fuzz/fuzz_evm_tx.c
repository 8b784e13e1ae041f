/* SPDX-License-Identifier: Apache-2.0 */
/* What decodes as a transaction or RLP has one encoding: writing gives the same bytes. */
#include <stdint.h>

#include "core/status.h"
#include "evm/rlp.h"
#include "evm/tx.h"

#define DEPTH_MAX 64

static void rewrite(struct sn_buf *b, struct sn_str in, unsigned depth, bool *whole)
{
    struct sn_rlp it;
    int r;
    while ((r = sn_rlp_next(&in, &it)) == 0) {
        if (!it.list) {
            sn_rlp_put_str(b, it.data);
        } else if (depth == DEPTH_MAX) {
            sn_buf_str(b, it.whole);
        } else {
            size_t mark = sn_rlp_list_begin(b);
            rewrite(b, it.data, depth + 1, whole);
            sn_rlp_list_end(b, mark);
        }
    }
    *whole &= r == SN_E_EOF;
}
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_str in = sn_str_of((const char *)data, size);
    struct sn_arena a;
    struct sn_buf b;
    struct sn_tx tx, back;
    uint8_t hash[32], from[20];
    bool whole = true;
    sn_arena_init(&a, NULL, 64u << 20);
    sn_buf_init(&b, 0);
    rewrite(&b, in, 0, &whole);
    if (whole) SN_ASSERT(sn_str_eq(sn_buf_view(&b), in));
    sn_buf_reset(&b);
    if (sn_tx_decode(&a, in, &tx) == 0) {
        struct sn_jsonw w;
        SN_ASSERT(sn_tx_encode(&tx, &b) == 0);
        SN_ASSERT(sn_str_eq(sn_buf_view(&b), in));
        SN_ASSERT(sn_tx_digest(&tx, hash) == 0);
        if (tx.is_signed) SN_ASSERT(sn_tx_hash(&tx, hash) == 0);
        (void)!sn_tx_sender(&tx, from);
        sn_buf_reset(&b);
        sn_jsonw_init(&w, &b, NULL);
        sn_tx_to_json(&w, &tx);
        const struct sn_json *v;
        SN_ASSERT(b.err == 0 && sn_json_parse(&a, sn_buf_view(&b), NULL, &v) == 0);
        SN_ASSERT(sn_tx_from_json(&a, v, &back) == 0);
        sn_buf_reset(&b);
        tx.has_sidecar = false;
        tx.sidecar_version = 0;
        SN_ASSERT(sn_tx_encode(&tx, &b) == 0);
        struct sn_buf other;
        sn_buf_init(&other, 0);
        SN_ASSERT(sn_tx_encode(&back, &other) == 0);
        SN_ASSERT(sn_str_eq(sn_buf_view(&b), sn_buf_view(&other)));
        sn_buf_done(&other);
    }
    sn_buf_done(&b);
    sn_arena_done(&a);
    return 0;
}

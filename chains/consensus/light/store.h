/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/light/store.h - trusted light blocks on disk, with CometBFT's keys: `cometbft light`
 * can go on with the folder, and the other way round. Source: CometBFT v0.38.25 light/store/db.
 * Context: fibers; calls suspend. One writer at a time. */
#pragma once
#include "consensus/types.h"
#include "kit/kv.h"

struct sn_light_store {
    struct sn_kv *kv; /* not closed here */
    char prefix[SN_CONS_CHAIN_ID_MAX + 8];
    uint32_t count;
    int64_t first, last; /* heights; 0: empty */
};
/* sn_light_store_open - looks what is there. Returns 0, as sn_kv_scan. */
int sn_light_store_open(struct sn_kv *kv, struct sn_str chain_id,
                        struct sn_light_store *ret) SN_MUST_CHECK;
/* sn_light_store_get - the arena's. Returns 0; SN_E_NOT_FOUND without diagnostic; SN_E_DATA_LOSS.
 */
int sn_light_store_get(struct sn_light_store *s, int64_t height, struct sn_arena *a,
                       struct sn_cons_light_block *ret) SN_MUST_CHECK;
/* sn_light_store_below, _above - the nearest height that is not `height` itself; 0: none. Return as
 * sn_kv_scan. */
int sn_light_store_below(struct sn_light_store *s, int64_t height, int64_t *ret) SN_MUST_CHECK;
int sn_light_store_above(struct sn_light_store *s, int64_t height, int64_t *ret) SN_MUST_CHECK;
/* sn_light_store_put - and removes the oldest beyond `keep`, but never what was just put. On the
 * disk when it returns. */
int sn_light_store_put(struct sn_light_store *s, const struct sn_cons_light_block *b,
                       uint32_t keep) SN_MUST_CHECK;
int sn_light_store_clear(struct sn_light_store *s) SN_MUST_CHECK;

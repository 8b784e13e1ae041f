/* SPDX-License-Identifier: Apache-2.0 */
/* govern/keyed.h - state by key (method, instance, client): a fixed table, no locks, no allocation
 * after init. Eight places per hash; where all are taken the key unused for longest is forgotten
 * and its place begins anew. Whoever still holds that item touches the new key's, once: harmless
 * for statistics, which is what belongs here. */
#pragma once
#include "core/base.h"
#include "core/map.h"

#define SN_GOV_KEYED_MAX (1u << 20)

struct sn_gov_keyed {
    uint32_t n_sets;
    size_t step;
    char *places;
    void (*forget)(void *item); /* brings a used item back to its zeroed state */
};
/* sn_gov_keyed_init - max: keys held, up to SN_GOV_KEYED_MAX; items start zeroed.
 * Returns 0, SN_E_NOMEM. */
int sn_gov_keyed_init(struct sn_gov_keyed *t, size_t item_bytes, uint32_t max,
                      void (*forget)(void *item)) SN_MUST_CHECK;
void sn_gov_keyed_done(struct sn_gov_keyed *t);
/* sn_gov_keyed_get - the item of a key (64 well mixed bits, as of sn_hash). Never NULL; borrowed,
 * for one call. Any thread. */
void *sn_gov_keyed_get(struct sn_gov_keyed *t, uint64_t key, int64_t now_ns);
/* sn_gov_keyed_each - a moment's view, for metrics. */
void sn_gov_keyed_each(struct sn_gov_keyed *t, void (*fn)(uint64_t key, void *item, void *arg),
                       void *arg);
/* sn_gov_key2 - one key of two. */
static inline uint64_t sn_gov_key2(uint64_t a, uint64_t b)
{
    return sn_hash_u64(a, b * 0x9e3779b97f4a7c15ull);
}

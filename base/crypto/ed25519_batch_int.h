/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/ed25519_batch_int.h - what single verification, batches and the cache share. */
#pragma once
#include "crypto/ed25519_int.h"

/* The base point as a kept key. */
extern struct sn_ed25519_key ed_base_key;

/* One signature, decoded: 8(sB - kA - r) has to vanish. */
struct ed_terms {
    struct sn_fe k, s; /* plain scalars */
    struct ed_affine r;
};
/* ed_check_one - a by tables of the key, or where that is NULL by the point. Returns 0,
 * SN_E_UNAUTHENTICATED. */
int ed_check_one(const struct sn_ed25519_key *key, const struct ed_affine *a,
                 const struct ed_terms *t) SN_MUST_CHECK;

/* ed_cache_begin - keys that get returns from now on stay until the next begin. */
void ed_cache_begin(struct sn_ed25519_cache *c);
/* ed_cache_get - tables of the key, or NULL: seen for the first time, no point, no memory, no room,
 * or c is NULL. */
const struct sn_ed25519_key *ed_cache_get(struct sn_ed25519_cache *c, const uint8_t key[32]);

/* SPDX-License-Identifier: Apache-2.0 */
/* core/map.h - hash map from byte strings to pointers, and the hash functions behind it.
 * Open addressing with one control byte per slot (a 7-bit tag), probed 16 at a time; seeded per
 * map so that a peer cannot choose colliding keys. Iteration order depends only
 * on the seed and the history of puts and deletes: with a fixed seed a run repeats exactly, which
 * the simulator needs. */
#pragma once
#include "core/base.h"
#include "core/str.h"

/* sn_hash - 64-bit keyed hash of bytes; not cryptographic: resists chance and lazy attackers. */
uint64_t sn_hash(const void *data, size_t len, uint64_t seed);
static inline uint64_t sn_hash_u64(uint64_t x, uint64_t seed)
{
    /* The 128-bit multiply-fold step of the wyhash family. */
    __uint128_t m = (__uint128_t)(x ^ 0x9e3779b97f4a7c15ull ^ seed) * 0xbf58476d1ce4e5b9ull;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

struct sn_map_slot {
    struct sn_str key;
    void *value;
};
struct sn_map {
    uint8_t *ctrl;
    struct sn_map_slot *slots;
    size_t len, cap, growth_left;
    uint64_t seed;
    bool own_keys; /* keys are copied to the heap and freed with their slot */
};

/* sn_map_init - no memory until the first put. own_keys: copy keys; otherwise they are borrowed
 * and must outlive their slot. */
void sn_map_init(struct sn_map *m, uint64_t seed, bool own_keys);
/* sn_map_done - frees slots and owned keys, not the values; the map is empty, usable again. */
void sn_map_done(struct sn_map *m);
/* sn_map_get - the value, or NULL where absent (or where NULL was stored: see sn_map_find). */
void *sn_map_get(const struct sn_map *m, struct sn_str key);
/* sn_map_find - the slot, or NULL where absent; valid until the next put, its value may be set. */
struct sn_map_slot *sn_map_find(const struct sn_map *m, struct sn_str key);
/* sn_map_put - inserts or replaces. ret_old may be NULL; gets the previous value or NULL. A
 * replaced slot takes over a borrowed `key`, so the old value may be freed together with its key.
 * Returns 1 inserted, 0 replaced, SN_E_NOMEM. */
int sn_map_put(struct sn_map *m, struct sn_str key, void *value, void **ret_old) SN_MUST_CHECK;
/* sn_map_del - removes; gives the removed value, NULL where absent. */
void *sn_map_del(struct sn_map *m, struct sn_str key);
/* sn_map_clear - removes every entry, keeps the table's memory. */
void sn_map_clear(struct sn_map *m);
/* sn_map_next - iteration: *it starts at 0; NULL at the end. Deleting the current slot is allowed,
 * inserting is not. */
struct sn_map_slot *sn_map_next(const struct sn_map *m, size_t *it);

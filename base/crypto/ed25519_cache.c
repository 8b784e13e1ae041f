/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/ed25519_cache.c - keys taken apart, the least recently used one leaving first. */
#include <openssl/rand.h>

#include "core/alloc.h"
#include "core/list.h"
#include "core/map.h"
#include "core/status.h"
#include "crypto/ed25519_batch_int.h"

struct entry {
    struct sn_list link;        /* in the order of use, the latest first */
    struct sn_ed25519_key *key; /* NULL: seen once */
    uint64_t batch;             /* the one that last used it */
    uint8_t bytes[32];
};
struct sn_ed25519_cache {
    struct sn_map map; /* bytes -> entry */
    struct sn_list used;
    size_t keys_max;
    uint64_t batch;
    struct sn_ed25519_cache_stats stats;
};

struct sn_ed25519_cache *sn_ed25519_cache_new(size_t keys_max)
{
    struct sn_ed25519_cache *c = SN_NEW(struct sn_ed25519_cache);
    uint64_t seed = 0;
    if (!c) return NULL;
    /* Peers choose keys: they must not know which ones collide. */
    if (RAND_bytes((uint8_t *)&seed, sizeof(seed)) != 1) seed = (uintptr_t)c;
    sn_map_init(&c->map, seed, false);
    sn_list_init(&c->used);
    c->keys_max = keys_max ? keys_max : SN_ED25519_CACHE_KEYS;
    return c;
}
static void drop(struct sn_ed25519_cache *c, struct entry *e)
{
    (void)sn_map_del(&c->map, (struct sn_str){(const char *)e->bytes, sizeof(e->bytes)});
    sn_list_del(&e->link);
    c->stats.keys--;
    c->stats.expanded -= e->key != NULL;
    sn_free(e->key);
    sn_free(e);
}
void sn_ed25519_cache_free(struct sn_ed25519_cache *c)
{
    if (!c) return;
    while (!sn_list_empty(&c->used)) drop(c, SN_CONTAINER_OF(c->used.next, struct entry, link));
    sn_map_done(&c->map);
    sn_free(c);
}
void sn_ed25519_cache_stats(const struct sn_ed25519_cache *c, struct sn_ed25519_cache_stats *ret)
{
    *ret = c->stats;
}

/* Without room or memory a key is simply not remembered. */
static void remember(struct sn_ed25519_cache *c, const uint8_t key[32])
{
    struct entry *e;
    if (c->stats.keys >= c->keys_max) {
        e = SN_CONTAINER_OF(c->used.prev, struct entry, link);
        if (e->batch == c->batch) return;
        drop(c, e);
        c->stats.evictions++;
    }
    e = SN_NEW(struct entry);
    if (!e) return;
    memcpy(e->bytes, key, sizeof(e->bytes));
    e->batch = c->batch;
    struct sn_str bytes = {(const char *)e->bytes, sizeof(e->bytes)};
    if (sn_map_put(&c->map, bytes, e, NULL) < 0) {
        sn_free(e);
        return;
    }
    sn_list_push_front(&c->used, &e->link);
    c->stats.keys++;
}
static void expand(struct sn_ed25519_cache *c, struct entry *e)
{
    struct ed_affine a;
    const uint8_t *enc = e->bytes;
    bool ok;
    ed_engine->decompress(&a, &ok, &enc, 1);
    if (!ok) return;
    e->key = sn_aligned_alloc(64, sizeof(*e->key));
    if (!e->key) return;
    ed_key_tables(e->key, &a);
    memcpy(e->key->bytes, e->bytes, sizeof(e->bytes));
    c->stats.expanded++;
}
void ed_cache_begin(struct sn_ed25519_cache *c)
{
    if (c) c->batch++;
}
const struct sn_ed25519_key *ed_cache_get(struct sn_ed25519_cache *c, const uint8_t key[32])
{
    if (!c) return NULL;
    struct entry *e = sn_map_get(&c->map, (struct sn_str){(const char *)key, 32});
    if (!e) {
        c->stats.misses++;
        remember(c, key);
        return NULL;
    }
    e->batch = c->batch;
    sn_list_del(&e->link);
    sn_list_push_front(&c->used, &e->link);
    if (e->key)
        c->stats.hits++;
    else
        c->stats.misses++;
    if (!e->key) expand(c, e);
    return e->key;
}
int sn_ed25519_cache_verify(struct sn_ed25519_cache *c, const uint8_t key[32], const void *msg,
                            size_t msg_len, const uint8_t sig[64])
{
    ed_cache_begin(c);
    const struct sn_ed25519_key *k = ed_cache_get(c, key);
    return k ? sn_ed25519_key_verify(k, msg, msg_len, sig)
             : sn_ed25519_verify(key, msg, msg_len, sig);
}

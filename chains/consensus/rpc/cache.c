/* SPDX-License-Identifier: Apache-2.0 */
/* rpc/cache.c - the least recently used goes first; one lock for as long as it takes to find an
 * entry and to count a reader, none while its bytes are copied. */
#include <stdatomic.h>

#include "consensus/rpc/rpc_int.h"
#include "core/alloc.h"
#include "core/map.h"

struct entry {
    struct sn_list used; /* most recently first */
    _Atomic uint32_t refs;
    size_t len;
    struct {
        const void *route;
        int64_t x, y;
    } key;
    char bytes[];
};

struct sn_rpc_cache {
    struct sn_mutex lock;
    struct sn_map map;
    struct sn_list used;
    uint64_t bytes, bytes_max;
};

int sn_rpc_cache_new(uint64_t bytes_max, struct sn_rpc_cache **ret)
{
    struct sn_rpc_cache *k = SN_NEW(struct sn_rpc_cache);
    if (!k) return SN_E_NOMEM;
    sn_map_init(&k->map, sn_random(), false);
    sn_list_init(&k->used);
    k->bytes_max = bytes_max;
    *ret = k;
    return 0;
}

static struct sn_str key_of(const struct entry *e)
{
    return sn_str_of((const char *)&e->key, sizeof(e->key));
}
static void unref(struct entry *e)
{
    if (atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) == 1) sn_free(e);
}
static size_t size_of(const struct entry *e) { return sizeof(*e) + e->len; }

static void drop(struct sn_rpc_cache *k, struct entry *e)
{
    sn_map_del(&k->map, key_of(e));
    sn_list_del(&e->used);
    k->bytes -= size_of(e);
    unref(e);
}

void sn_rpc_cache_free(struct sn_rpc_cache *k)
{
    if (!k) return;
    while (!sn_list_empty(&k->used)) drop(k, SN_LIST_ENTRY(k->used.next, struct entry, used));
    sn_map_done(&k->map);
    sn_free(k);
}

bool sn_rpc_cache_get(struct sn_rpc_cache *k, const struct sn_rpc_route *route, int64_t x,
                      int64_t y, struct sn_buf *out)
{
    const struct entry key = {.key = {route, x, y}};
    sn_mutex_lock_always(&k->lock);
    struct entry *e = sn_map_get(&k->map, key_of(&key));
    if (e) {
        atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
        sn_list_del(&e->used);
        sn_list_push_front(&k->used, &e->used);
    }
    sn_mutex_unlock(&k->lock);
    if (!e) return false;
    sn_buf_put(out, e->bytes, e->len);
    unref(e);
    return true;
}

void sn_rpc_cache_put(struct sn_rpc_cache *k, const struct sn_rpc_route *route, int64_t x,
                      int64_t y, const struct sn_buf *out, size_t from)
{
    size_t len = out->len - from;
    if (out->err < 0 || len > k->bytes_max / 4) return;
    struct entry *e = sn_alloc(sizeof(*e) + len);
    if (!e) return;
    *e = (struct entry){.refs = 1, .len = len, .key = {route, x, y}};
    memcpy(e->bytes, out->ptr + from, len);
    sn_mutex_lock_always(&k->lock);
    if (!sn_map_get(&k->map, key_of(e)) && sn_map_put(&k->map, key_of(e), e, NULL) >= 0) {
        sn_list_push_front(&k->used, &e->used);
        k->bytes += size_of(e);
        e = NULL;
    }
    while (k->bytes > k->bytes_max) drop(k, SN_LIST_ENTRY(k->used.prev, struct entry, used));
    sn_mutex_unlock(&k->lock);
    sn_free(e);
}

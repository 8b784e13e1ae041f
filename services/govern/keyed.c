/* SPDX-License-Identifier: Apache-2.0 */
/* govern/keyed.c - see keyed.h. */
#include "govern/keyed.h"

#include "core/alloc.h"
#include "core/status.h"

#define LOAD(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define WAYS 8u

struct place {
    uint64_t key; /* 0 = free */
    int64_t used_at_ns;
    char item[] SN_ALIGNED(16);
};

int sn_gov_keyed_init(struct sn_gov_keyed *t, size_t item_bytes, uint32_t max,
                      void (*forget)(void *item))
{
    *t = (struct sn_gov_keyed){.forget = forget};
    t->n_sets = (SN_MIN(SN_MAX(max, 1u), SN_GOV_KEYED_MAX) + WAYS - 1) / WAYS;
    t->step = (sizeof(struct place) + item_bytes + 15) & ~(size_t)15;
    t->places = sn_zalloc((size_t)t->n_sets * WAYS, t->step);
    return t->places ? 0 : SN_E_NOMEM;
}

void sn_gov_keyed_done(struct sn_gov_keyed *t)
{
    sn_free(t->places);
    t->places = NULL;
}

static struct place *place_at(const struct sn_gov_keyed *t, size_t i)
{
    return (struct place *)(void *)(t->places + i * t->step);
}

void *sn_gov_keyed_get(struct sn_gov_keyed *t, uint64_t key, int64_t now_ns)
{
    if (!key) key = 1;
    size_t first = ((key >> 32) * t->n_sets >> 32) * WAYS;
    for (;;) {
        struct place *spot = NULL; /* a free one, else the one unused for longest */
        for (uint32_t i = 0; i < WAYS; i++) {
            struct place *p = place_at(t, first + i);
            uint64_t k = __atomic_load_n(&p->key, __ATOMIC_ACQUIRE);
            if (k == key) {
                /* Once in a while is enough, and keeps the line shared. */
                if (now_ns - LOAD(&p->used_at_ns) > SN_SEC) STORE(&p->used_at_ns, now_ns);
                return p->item;
            }
            if (spot && !LOAD(&spot->key)) continue;
            if (!spot || !k || LOAD(&p->used_at_ns) < LOAD(&spot->used_at_ns)) spot = p;
        }
        uint64_t k = LOAD(&spot->key);
        if (!__atomic_compare_exchange_n(&spot->key, &k, key, false, __ATOMIC_ACQ_REL,
                                         __ATOMIC_RELAXED))
            continue; /* another worker was first, perhaps with this key */
        STORE(&spot->used_at_ns, now_ns);
        if (k) t->forget(spot->item);
        return spot->item;
    }
}

void sn_gov_keyed_each(struct sn_gov_keyed *t, void (*fn)(uint64_t key, void *item, void *arg),
                       void *arg)
{
    for (size_t i = 0; i < (size_t)t->n_sets * WAYS; i++) {
        struct place *p = place_at(t, i);
        uint64_t k = __atomic_load_n(&p->key, __ATOMIC_ACQUIRE);
        if (k) fn(k, p->item, arg);
    }
}

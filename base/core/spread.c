/* SPDX-License-Identifier: Apache-2.0 */
/* core/spread.c - see spread.h. */
#include "core/spread.h"

#include <stdlib.h>

#include "core/alloc.h"
#include "core/map.h"
#include "core/rand.h"
#include "core/status.h"

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t t = a % b;
        a = b;
        b = t;
    }
    return a;
}

uint64_t sn_spread_reduce(uint64_t *w, size_t n, uint64_t max)
{
    uint64_t g = 0, sum = 0, total = 0;
    for (size_t i = 0; i < n; i++) g = gcd(g, w[i]);
    for (size_t i = 0; i < n; i++) sum += w[i] /= g ? g : 1;
    for (size_t i = 0; i < n; i++) {
        if (sum > max) w[i] = w[i] * max / sum;
        if (!w[i]) w[i] = 1;
        total += w[i];
    }
    return total;
}

int sn_spread_smooth(const uint64_t *w, size_t n, uint64_t total, uint16_t *out)
{
    int64_t *credit SN_CLEANUP(sn_freep) = SN_NEW_ARRAY(int64_t, n);
    if (!credit) return SN_E_NOMEM;
    for (uint64_t s = 0; s < total; s++) {
        size_t best = 0;
        for (size_t i = 0; i < n; i++) {
            credit[i] += (int64_t)w[i];
            if (credit[i] > credit[best]) best = i;
        }
        credit[best] -= (int64_t)total;
        out[s] = (uint16_t)best;
    }
    return 0;
}

static int ring_cmp(const void *a, const void *b)
{
    const struct sn_ring_point *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

int sn_spread_ring(const uint64_t *keys, const uint64_t *w, size_t n, struct sn_ring_point **ret)
{
    uint64_t total = 0;
    size_t points = 0, at = 0;
    for (size_t i = 0; i < n; i++) total += w[i];
    for (size_t i = 0; i < n; i++) points += SN_MAX(1u, w[i] * SN_SPREAD_RING_POINTS * n / total);
    struct sn_ring_point *ring = SN_NEW_ARRAY(struct sn_ring_point, points);
    if (!ring) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        uint64_t mine = SN_MAX(1u, w[i] * SN_SPREAD_RING_POINTS * n / total);
        for (uint64_t k = 0; k < mine; k++) {
            uint64_t key[2] = {keys[i], k};
            ring[at++] = (struct sn_ring_point){sn_hash(key, sizeof(key), 0), (uint32_t)i};
        }
    }
    qsort(ring, points, sizeof(*ring), ring_cmp);
    *ret = ring;
    return (int)points;
}

uint32_t sn_spread_ring_find(const struct sn_ring_point *ring, uint32_t n_points, uint64_t hash)
{
    uint32_t lo = 0, hi = n_points;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (ring[mid].hash < hash)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct maglev_item {
    uint64_t at, skip;
    double owed; /* places due so far, in units of the heaviest item's */
};

int sn_spread_maglev(const uint64_t *keys, const uint64_t *w, size_t n, uint16_t *table,
                     uint32_t size)
{
    struct maglev_item *items SN_CLEANUP(sn_freep) = SN_NEW_ARRAY(struct maglev_item, n);
    if (!items) return SN_E_NOMEM;
    uint64_t heaviest = 1;
    for (size_t i = 0; i < n; i++) {
        items[i].at = sn_hash_u64(keys[i], 1) % size;
        items[i].skip = sn_hash_u64(keys[i], 2) % (size - 1) + 1;
        heaviest = SN_MAX(heaviest, w[i]);
    }
    memset(table, 0xff, size * sizeof(*table));
    for (uint32_t filled = 0; filled < size;)
        for (size_t i = 0; i < n && filled < size; i++) {
            struct maglev_item *it = &items[i];
            it->owed += (double)w[i] / (double)heaviest;
            if (it->owed < 1.0) continue;
            it->owed -= 1.0;
            /* The next free place of this item's own permutation of the table. */
            while (table[it->at] != UINT16_MAX) it->at = (it->at + it->skip) % size;
            table[it->at] = (uint16_t)i;
            filled++;
        }
    return 0;
}

int sn_spread_subset(uint64_t client, size_t n, size_t size, uint16_t *out)
{
    if (size >= n) {
        for (size_t i = 0; i < n; i++) out[i] = (uint16_t)i;
        return (int)n;
    }
    uint16_t *deck SN_CLEANUP(sn_freep) = SN_NEW_ARRAY(uint16_t, n);
    if (!deck) return SN_E_NOMEM;
    uint64_t hands = n / size;
    struct sn_rand r;
    sn_rand_seed(&r, client / hands);
    for (size_t i = 0; i < n; i++) {
        size_t j = sn_rand_below(&r, i + 1);
        deck[i] = deck[j];
        deck[j] = (uint16_t)i;
    }
    memcpy(out, deck + client % hands * size, size * sizeof(*out));
    return (int)size;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "core/map.h"

#include "core/alloc.h"
#include "core/status.h"
#include "core/torture.h"
#include "harness/test.h"

#define KEYS 400

static char key_text[KEYS][24];

static struct sn_str key_of(size_t i)
{
    snprintf(key_text[i], sizeof(key_text[i]), "%s%u", i % 3 ? "k" : "a-much-longer-",
             (unsigned)i);
    return i == 0 ? (struct sn_str){0} : sn_str(key_text[i]);
}

static void check_against(const struct sn_map *m, const uintptr_t *model)
{
    size_t n = 0, walked = 0;
    for (size_t i = 0; i < KEYS; i++) {
        n += model[i] != 0;
        T_EQ((uintptr_t)sn_map_get(m, key_of(i)), model[i]);
    }
    T_EQ(m->len, n);
    struct sn_map_slot *s;
    for (size_t it = 0; (s = sn_map_next(m, &it)); walked++)
        T_ASSERT(sn_map_find(m, s->key) == s);
    T_EQ(walked, n);
}

/* A plain array is the model; three phases grow, churn and drain the map. */
SN_TEST(map_equals_a_list)
{
    for (unsigned round = 0; round < sn_test_cases(12); round++) {
        struct sn_map m;
        uintptr_t model[KEYS] = {0};
        sn_test_row("round %u", round);
        sn_map_init(&m, sn_test_rand(), round & 1);
        for (unsigned step = 0; step < 6000; step++) {
            size_t i = sn_test_rand_below(KEYS);
            if (sn_test_rand_below(100) < (step < 2000 ? 80u : step < 4000 ? 50u : 15u)) {
                uintptr_t v = 1 + sn_test_rand_below(1000);
                void *old = &m;
                int r = sn_map_put(&m, key_of(i), (void *)v, &old);
                T_EQ(r, model[i] == 0);
                T_EQ((uintptr_t)old, model[i]);
                model[i] = v;
            } else {
                T_EQ((uintptr_t)sn_map_del(&m, key_of(i)), model[i]);
                model[i] = 0;
            }
            if (step % 500 == 0) check_against(&m, model);
        }
        /* Deleting while walking. */
        struct sn_map_slot *s;
        for (size_t it = 0, k = 0; (s = sn_map_next(&m, &it)); k++)
            if (k & 1) sn_map_del(&m, s->key);
        size_t left = m.len, n = 0;
        for (size_t it = 0; sn_map_next(&m, &it);) n++;
        T_EQ(n, left);
        sn_map_clear(&m);
        memset(model, 0, sizeof(model));
        check_against(&m, model);
        sn_map_done(&m);
    }
}

SN_TEST(map_churn_does_not_grow)
{
    struct sn_map m;
    sn_map_init(&m, 1, true);
    for (uint64_t i = 0; i < 100000; i++) {
        T_EQ(sn_map_put(&m, sn_str_of((char *)&i, 8), &m, NULL), 1);
        uint64_t old = i - 5;
        if (i >= 5) T_ASSERT(sn_map_del(&m, sn_str_of((char *)&old, 8)) == &m);
    }
    T_ASSERTF(m.cap <= 32, "%zu slots for 5 live keys", m.cap);
    sn_map_done(&m);
}

SN_TEST(map_order_repeats_with_the_seed)
{
    struct sn_map m[2];
    for (int k = 0; k < 2; k++) {
        sn_map_init(&m[k], 77, false);
        for (size_t i = 0; i < 100; i++) T_EQ(sn_map_put(&m[k], key_of(i), &m, NULL), 1);
        for (size_t i = 0; i < 100; i += 7) sn_map_del(&m[k], key_of(i));
    }
    struct sn_map_slot *a, *b;
    size_t i = 0, j = 0;
    do {
        a = sn_map_next(&m[0], &i);
        b = sn_map_next(&m[1], &j);
        T_ASSERT(!a == !b && (!a || sn_str_eq(a->key, b->key)));
    } while (a);
    sn_map_done(&m[0]);
    sn_map_done(&m[1]);
}

static int fill_map(void *arg)
{
    struct sn_map m;
    int r = 0;
    sn_map_init(&m, 3, true);
    for (size_t i = 0; r >= 0 && i < 100; i++) {
        size_t before = m.len;
        r = sn_map_put(&m, key_of(i), &m, NULL);
        if (r < 0) T_EQ(m.len, before);
        if (r < 0) T_ASSERT(!sn_map_find(&m, key_of(i)));
    }
    for (size_t i = 0; i < m.len; i++) T_ASSERT(sn_map_get(&m, key_of(i)) == &m);
    sn_map_done(&m);
    return r;
}

SN_TEST(map_torture)
{
    T_ASSERT(sn_torture(fill_map, NULL) >= 100);
}

/* One flipped input or seed bit changes about half of the output bits, at every length. */
SN_TEST(hash_avalanche)
{
    uint8_t data[130];
    for (size_t len = 1; len <= sizeof(data); len += len < 70 ? 1 : 13) {
        double flips = 0;
        unsigned n = 0;
        sn_test_row("length %zu", len);
        for (unsigned round = 0; round < 8; round++) {
            uint64_t seed = sn_test_rand();
            for (size_t i = 0; i < len; i++) data[i] = (uint8_t)sn_test_rand();
            uint64_t h = sn_hash(data, len, seed);
            T_EQ(h, sn_hash(data, len, seed));
            for (size_t bit = 0; bit < len * 8; bit++, n++) {
                data[bit / 8] ^= (uint8_t)(1 << bit % 8);
                flips += __builtin_popcountll(h ^ sn_hash(data, len, seed));
                T_ASSERT(h != sn_hash(data, len, seed));
                data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            }
            for (unsigned bit = 0; bit < 64; bit++, n++)
                flips += __builtin_popcountll(h ^ sn_hash(data, len, seed ^ (uint64_t)1 << bit));
        }
        T_ASSERTF(flips / n > 31 && flips / n < 33, "%.2f of 64 bits flip", flips / n);
    }
}

/* Tags and group indices of sequential keys spread: no bucket much above the mean. */
SN_TEST(hash_spreads_sequential_keys)
{
    unsigned low[256] = {0}, high[128] = {0};
    for (uint64_t i = 0; i < 1 << 16; i++) {
        uint64_t h = sn_hash(&i, 8, 5);
        low[h & 255]++;
        high[h >> 57]++;
    }
    for (size_t i = 0; i < 256; i++) T_ASSERTF(low[i] > 156 && low[i] < 356, "%u of 256", low[i]);
    for (size_t i = 0; i < 128; i++)
        T_ASSERTF(high[i] > 400 && high[i] < 624, "%u of 512", high[i]);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* core/spread_test.c - shares, order and disturbance of the spreading tables. */
#include "core/spread.h"

#include "core/alloc.h"
#include "core/latency.h"
#include "core/map.h"
#include "core/status.h"
#include "harness/test.h"

SN_TEST(spread_smooth_is_exact_and_even)
{
    uint64_t w[3] = {50, 10, 10};
    uint64_t total = sn_spread_reduce(w, 3, 4096);
    T_EQ(total, 7);
    uint16_t out[7], want[7] = {0, 0, 1, 0, 2, 0, 0};
    T_OK(sn_spread_smooth(w, 3, total, out));
    T_ASSERT(memcmp(out, want, sizeof(want)) == 0);
    uint64_t big[2] = {1, 1000000};
    T_EQ(sn_spread_reduce(big, 2, 100), 100);
    T_EQ(big[0], 1);
}

static void keys_of(uint64_t *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) keys[i] = sn_hash_u64(i + 1, sn_test_seed());
}

/* Shares as the weights, and an item that leaves moves little that was not its own. */
SN_TEST(spread_maglev_shares_and_disturbance)
{
    enum { N = 50 };
    uint64_t keys[N], w[N];
    keys_of(keys, N);
    for (size_t i = 0; i < N; i++) w[i] = i % 5 + 1;
    uint16_t *a = SN_NEW_ARRAY(uint16_t, SN_SPREAD_MAGLEV), *b = SN_NEW_ARRAY(uint16_t, SN_SPREAD_MAGLEV);
    T_OK(sn_spread_maglev(keys, w, N, a, SN_SPREAD_MAGLEV));
    T_OK(sn_spread_maglev(keys, w, N - 1, b, SN_SPREAD_MAGLEV));
    unsigned n[N] = {0}, moved = 0;
    for (uint32_t i = 0; i < SN_SPREAD_MAGLEV; i++) {
        T_ASSERT(a[i] < N && b[i] < N - 1);
        n[a[i]]++;
        moved += a[i] != N - 1 && a[i] != b[i];
    }
    for (size_t i = 0; i < N; i++) {
        double want = (double)SN_SPREAD_MAGLEV * (double)w[i] / 150.0;
        T_ASSERTF(n[i] > want * 0.99 - 1 && n[i] < want * 1.01 + 1, "item %zu has %u, expected %.0f", i, n[i], want);
    }
    T_ASSERTF(moved < SN_SPREAD_MAGLEV / 10, "%u of %u places moved", moved, SN_SPREAD_MAGLEV);
    sn_free(a);
    sn_free(b);
}

SN_TEST(spread_ring_moves_only_what_left)
{
    enum { N = 20 };
    uint64_t keys[N], w[N];
    keys_of(keys, N);
    for (size_t i = 0; i < N; i++) w[i] = 1;
    struct sn_ring_point *a, *b;
    int na = sn_spread_ring(keys, w, N, &a), nb = sn_spread_ring(keys, w, N - 1, &b);
    T_EQ(na, N * SN_SPREAD_RING_POINTS);
    for (unsigned k = 0; k < 5000; k++) {
        uint64_t h = sn_test_rand();
        uint32_t x = a[sn_spread_ring_find(a, (uint32_t)na, h) % (uint32_t)na].index;
        uint32_t y = b[sn_spread_ring_find(b, (uint32_t)nb, h) % (uint32_t)nb].index;
        T_ASSERT(x == N - 1 || x == y);
    }
    sn_free(a);
    sn_free(b);
}

/* Every full round of clients loads all items alike, to within the left-over of one deal. */
SN_TEST(spread_subset_is_even)
{
    for (unsigned c = 0; c < sn_test_cases(50); c++) {
        size_t n = 2 + sn_test_rand_below(300), size = 1 + sn_test_rand_below(n);
        uint64_t rounds = 1 + sn_test_rand_below(20), clients = rounds * (n / size);
        unsigned load[302] = {0};
        for (uint64_t k = 0; k < clients; k++) {
            uint16_t out[302], again[302];
            T_EQ(sn_spread_subset(k, n, size, out), size);
            T_EQ(sn_spread_subset(k, n, size, again), size);
            T_ASSERT(memcmp(out, again, size * sizeof(*out)) == 0);
            for (size_t i = 0; i < size; i++) load[out[i]]++;
        }
        for (size_t i = 0; i < n; i++)
            T_ASSERTF(n % size ? load[i] <= rounds : load[i] == rounds, "item %zu of %zu by %zu: %u of %llu", i, n,
                      size, load[i], (unsigned long long)rounds);
    }
}

SN_TEST(latency_age_counts_before_an_answer)
{
    struct sn_latency l = {0};
    int64_t now = SN_HOUR;
    sn_latency_begin(&l, now);
    T_ASSERT(sn_latency_cost(&l, now) < 1e6);
    T_ASSERT(sn_latency_cost(&l, now + SN_SEC) > 1e9);
    sn_latency_end(&l, now);
    sn_latency_add(&l, 100 * SN_MS, now + SN_SEC);
    T_ASSERT(sn_latency_cost(&l, now + SN_SEC) > 99e6);
    T_ASSERT(sn_latency_cost(&l, now + 60 * SN_SEC) < 2e6);
    T_EQ(l.inflight, 0);
    T_EQ(l.start_sum_us, 0);
}

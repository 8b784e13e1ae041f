/* SPDX-License-Identifier: Apache-2.0 */
/* sync/blocksync_pool_test.c - requests under random peers, and the rules one by one. */
#include "consensus/sync/blocksync_pool.h"
#include "harness/test.h"

static struct sn_sync_pool pool;

static void check_counts(void)
{
    unsigned of[SN_SYNC_PEERS_MAX] = {0}, total = 0;
    uint64_t buffered = 0;
    for (int64_t h = pool.next; h < pool.top; h++) {
        const struct sn_sync_slot *s = &pool.slots[h % SN_SYNC_WINDOW];
        T_ASSERT(s->of[0] != s->of[1] || s->of[0] < 0);
        for (unsigned k = 0; k < 2; k++) {
            if (s->of[k] < 0) continue;
            T_ASSERT(pool.peers[s->of[k]].used);
            of[s->of[k]]++;
            total++;
        }
        if (s->state == SN_SYNC_ASKED) T_ASSERT(s->of[0] >= 0 || s->of[1] >= 0);
        if (s->state == SN_SYNC_HERE) buffered += s->bytes;
    }
    for (unsigned i = 0; i < SN_SYNC_PEERS_MAX; i++) {
        T_EQ(pool.peers[i].used ? pool.peers[i].in_flight : 0, of[i]);
        T_ASSERT(of[i] <= SN_SYNC_IN_FLIGHT_MAX);
    }
    T_EQ(pool.in_flight, total);
    T_EQ(pool.buffered, buffered);
    T_ASSERT(pool.top - pool.next <= SN_SYNC_WINDOW);
}

/* Peers come and go, answer, refuse, stay silent, lie; in the end every height has been applied, in
 * order, and the books are right all the way. */
SN_TEST(blocksync_pool_property)
{
    for (unsigned k = 0; k < sn_test_cases(30); k++) {
        enum { PEERS = 6, TOP = 900 };
        int64_t now = 1;
        static bool owed[PEERS][TOP + 2];
        memset(owed, 0, sizeof(owed));
        sn_sync_pool_init(&pool, 1);
        T_OK(sn_sync_pool_status(&pool, 0, 1, TOP)); /* this one always answers in the end */
        for (unsigned step = 0; pool.next <= TOP; step++) {
            unsigned i;
            int64_t h;
            T_ASSERTF(step < 2000000, "stuck at %lld", (long long)pool.next);
            now += (int64_t)sn_test_rand_below(20) * SN_MS;
            if (sn_test_rand_below(2) && sn_sync_pool_request(&pool, now, &i, &h)) {
                T_ASSERT(i < PEERS && h >= pool.peers[i].base && h <= pool.peers[i].height);
                T_ASSERT(!owed[i][h]);
                owed[i][h] = true;
            }
            i = (unsigned)sn_test_rand_below(PEERS);
            h = pool.next + (int64_t)sn_test_rand_below(40);
            if (h <= TOP && owed[i][h]) {
                owed[i][h] = false;
                if (i && sn_test_rand_below(20) == 0)
                    (void)!sn_sync_pool_no_block(&pool, i, h, now);
                else T_OK(sn_sync_pool_block(&pool, i, h, 1 + sn_test_rand_below(100000), now));
            }
            if (i && sn_test_rand_below(50) == 0) {
                sn_sync_pool_remove(&pool, i);
                memset(owed[i], 0, sizeof(owed[i]));
            } else if (i && sn_test_rand_below(10) == 0) {
                (void)!sn_sync_pool_status(&pool, i, 1, (int64_t)sn_test_rand_below(TOP + 1));
            }
            if (sn_test_rand_below(100) == 0) sn_sync_pool_redo(&pool, pool.next);
            const struct sn_sync_slot *s = &pool.slots[pool.next % SN_SYNC_WINDOW];
            if (pool.next < pool.top && s->state == SN_SYNC_HERE && sn_test_rand_below(2)) {
                for (unsigned p = 0; p < PEERS; p++) owed[p][pool.next] = false;
                sn_sync_pool_applied(&pool);
            }
            if (step % 16 == 0) check_counts();
        }
    }
}

SN_TEST(blocksync_pool_ends)
{
    sn_sync_pool_init(&pool, 10);
    T_ASSERT(!sn_sync_pool_caught_up(&pool)); /* nobody is there */
    T_OK(sn_sync_pool_status(&pool, 0, 1, 10));
    T_ASSERT(sn_sync_pool_caught_up(&pool));
    T_OK(sn_sync_pool_status(&pool, 1, 50, 100)); /* has nothing we could use */
    T_ASSERT(sn_sync_pool_caught_up(&pool));
    T_OK(sn_sync_pool_status(&pool, 0, 1, 12));
    T_ASSERT(!sn_sync_pool_caught_up(&pool));
    sn_sync_pool_remove(&pool, 0);
    T_ASSERT(sn_sync_pool_caught_up(&pool));
    /* ASA-2025-001. */
    T_EQ(sn_sync_pool_status(&pool, 1, 50, 99), SN_E_INVALID_ARGUMENT);
    T_EQ(sn_sync_pool_status(&pool, 1, 49, 100), SN_E_INVALID_ARGUMENT);
}
/* #5803: all heights there are, and no block of them. */
SN_TEST(blocksync_pool_absurd_height)
{
    unsigned i;
    int64_t h;
    sn_sync_pool_init(&pool, 10);
    T_OK(sn_sync_pool_status(&pool, 0, 1, 11));
    T_OK(sn_sync_pool_status(&pool, 3, 1, INT64_MAX));
    T_ASSERT(!sn_sync_pool_caught_up(&pool));
    unsigned asked = 0;
    while (sn_sync_pool_request(&pool, 1, &i, &h)) asked++;
    T_ASSERT(asked <= 2 + SN_SYNC_IN_FLIGHT_MAX);
    T_OK(sn_sync_pool_no_block(&pool, 3, 12, 2));
    T_EQ(sn_sync_pool_max(&pool), 11);
    /* It says so again and again. */
    T_OK(sn_sync_pool_status(&pool, 3, 1, INT64_MAX));
    T_EQ(sn_sync_pool_max(&pool), 11);
}
SN_TEST(blocksync_pool_unasked)
{
    unsigned i;
    int64_t h;
    sn_sync_pool_init(&pool, 1);
    T_OK(sn_sync_pool_status(&pool, 0, 1, 5));
    T_OK(sn_sync_pool_status(&pool, 1, 1, 5));
    T_EQ(sn_sync_pool_block(&pool, 0, 1, 9, 1), SN_E_INVALID_ARGUMENT);
    T_ASSERT(sn_sync_pool_request(&pool, 1, &i, &h));
    T_EQ(sn_sync_pool_block(&pool, !i, h, 9, 1), SN_E_INVALID_ARGUMENT);
    T_EQ(sn_sync_pool_no_block(&pool, !i, h, 1), SN_E_INVALID_ARGUMENT);
    T_EQ(sn_sync_pool_block(&pool, i, INT64_MAX, 9, 1), SN_E_INVALID_ARGUMENT);
    T_EQ(sn_sync_pool_block(&pool, i, h, 9, 1), 1);
    T_EQ(sn_sync_pool_block(&pool, i, h, 9, 1), SN_E_INVALID_ARGUMENT); /* twice */
    sn_sync_pool_applied(&pool);
    T_EQ(sn_sync_pool_block(&pool, !i, h, 9, 1), 0); /* late */
}
SN_TEST(blocksync_pool_slow_peer)
{
    unsigned i;
    int64_t h;
    sn_sync_pool_init(&pool, 1);
    T_OK(sn_sync_pool_status(&pool, 0, 1, 1));
    T_ASSERT(sn_sync_pool_request(&pool, 0, &i, &h));
    T_OK(sn_sync_pool_status(&pool, 1, 1, 1));
    T_ASSERT(!sn_sync_pool_request(&pool, SN_SYNC_SECOND_NS - 1, &i, &h));
    T_ASSERT(sn_sync_pool_request(&pool, SN_SYNC_SECOND_NS, &i, &h)); /* another is asked too */
    T_EQ(i, 1);
    T_EQ(h, 1);
    T_ASSERT(!sn_sync_pool_expired(&pool, SN_SYNC_TIMEOUT_NS - 1, &i));
    T_ASSERT(sn_sync_pool_expired(&pool, SN_SYNC_TIMEOUT_NS, &i));
    T_EQ(i, 0);
    /* Large blocks have the time they need at the least rate. */
    pool.block_bytes = 100u << 20;
    T_ASSERT(!sn_sync_pool_expired(&pool, 700 * SN_SEC, &i));
    T_ASSERT(sn_sync_pool_expired(&pool, 800 * SN_SEC, &i));
}
/* What waits and is expected stays below the buffer's size, but for what all others wait for. */
SN_TEST(blocksync_pool_buffer)
{
    unsigned i;
    int64_t h;
    sn_sync_pool_init(&pool, 1);
    for (unsigned p = 0; p < 20; p++) T_OK(sn_sync_pool_status(&pool, p, 1, 10000));
    pool.block_bytes = 10u << 20;
    unsigned n = 0;
    while (sn_sync_pool_request(&pool, 1, &i, &h)) n++;
    T_ASSERT(n >= 2 && n <= SN_SYNC_BUFFER / (10u << 20));
    pool.block_bytes = 100u << 20;
    sn_sync_pool_init(&pool, 1);
    T_OK(sn_sync_pool_status(&pool, 0, 1, 10000));
    pool.block_bytes = 100u << 20;
    for (n = 0; sn_sync_pool_request(&pool, 1, &i, &h); n++) continue;
    T_EQ(n, 2);
}

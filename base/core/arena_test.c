/* SPDX-License-Identifier: Apache-2.0 */
#include "core/arena.h"

#include "core/alloc.h"
#include "harness/test.h"

SN_TEST(arena_zero_size_is_not_null)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    void *p = sn_arena_alloc(&a, 0), *q = sn_arena_alloc(&a, 0);
    T_ASSERT(p && q && p != q);
    T_ASSERT(!sn_arena_alloc(&a, SIZE_MAX));
    T_ASSERT(!sn_arena_alloc(&a, SIZE_MAX - 20));
    T_ASSERT(!sn_arena_array(&a, SIZE_MAX / 2, 3));
    sn_arena_done(&a);
}

SN_TEST(arena_blocks_are_aligned_and_disjoint)
{
    struct sn_arena_pool pool;
    sn_arena_pool_init(&pool, 4096, 4);
    unsigned cases = sn_test_cases(200);
    for (unsigned round = 0; round < cases; round++) {
        struct sn_arena a;
        struct { uint8_t *p; size_t n; } blocks[64];
        sn_arena_init(&a, round & 1 ? &pool : NULL, 0);
        for (unsigned reset = 0; reset < 3; reset++) {
            for (unsigned i = 0; i < SN_COUNT_OF(blocks); i++) {
                size_t n = sn_test_rand_below(sn_test_rand_below(8) ? 300 : 9000);
                uint8_t *p = sn_arena_alloc(&a, n);
                T_ASSERT(p && (uintptr_t)p % SN_ARENA_ALIGN == 0);
                memset(p, (int)i, n);
                blocks[i].p = p;
                blocks[i].n = n;
            }
            for (unsigned i = 0; i < SN_COUNT_OF(blocks); i++)
                for (size_t k = 0; k < blocks[i].n; k++) T_EQ(blocks[i].p[k], i);
            sn_arena_reset(&a);
        }
        sn_arena_done(&a);
        T_EQ(a.used, 0);
    }
    T_ASSERT(pool.n_free <= 4);
    sn_arena_pool_done(&pool);
}

SN_TEST(arena_limit_holds)
{
    for (size_t limit = 64; limit < 70000; limit += 997) {
        struct sn_arena a;
        size_t given = 0;
        sn_test_row("limit %zu", limit);
        sn_arena_init(&a, NULL, limit);
        while (sn_arena_alloc(&a, 48)) given += 48;
        T_ASSERT(a.used <= limit);
        /* Headers and the rest of the last chunk are all that may be lost. */
        T_ASSERTF(given + 48 + 16 * (limit / SN_ARENA_CHUNK_DEFAULT + 1) * 4 >= limit,
                  "only %zu of %zu handed out", given, limit);
        sn_arena_done(&a);
    }
}

SN_TEST(arena_reset_keeps_one_ordinary_chunk)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    for (int i = 0; i < 100; i++) T_ASSERT(sn_arena_alloc(&a, 1000));
    char *newest = a.cur;
    sn_arena_reset(&a);
    T_EQ(a.used, SN_ARENA_CHUNK_DEFAULT);
    char *p = sn_arena_alloc(&a, 1000);
    T_ASSERT(p < newest && newest - p < SN_ARENA_CHUNK_DEFAULT);
    sn_arena_done(&a);
    /* A lone huge chunk is not kept: one large request must not pin its memory for ever. */
    T_ASSERT(sn_arena_alloc(&a, 1 << 20));
    sn_arena_reset(&a);
    T_EQ(a.used, 0);
}

SN_TEST(arena_huge_blocks_do_not_waste_the_chunk)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    char *small = sn_arena_alloc(&a, 16);
    T_ASSERT(sn_arena_alloc(&a, 1 << 20));
    T_ASSERT((char *)sn_arena_alloc(&a, 16) == small + 16);
    sn_arena_done(&a);
}

SN_TEST(arena_pool_hands_chunks_around)
{
    struct sn_arena_pool pool;
    struct sn_arena a;
    sn_arena_pool_init(&pool, 4096, 2);
    for (int round = 0; round < 3; round++) {
        sn_arena_init(&a, &pool, 0);
        for (int i = 0; i < 5; i++) T_ASSERT(sn_arena_alloc(&a, 3000));
        sn_arena_done(&a);
        T_EQ(pool.n_free, 2);
    }
    int64_t live = sn_alloc_live();
    sn_arena_init(&a, &pool, 0);
    T_ASSERT(sn_arena_alloc(&a, 3000));
    T_EQ(sn_alloc_live(), live); /* no malloc for a pooled chunk */
    sn_arena_done(&a);
    sn_arena_pool_done(&pool);
}

SN_TEST(arena_text)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    struct sn_str s = sn_arena_str(&a, SN_STR("hello"));
    T_STR(s, "hello");
    T_EQ(s.ptr[5], 0);
    T_STR(sn_arena_str(&a, (struct sn_str){0}), "");
    T_STR(sn_arena_printf(&a, "%d-%s", 7, "x"), "7-x");
    char longer[2000];
    memset(longer, 'z', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = 0;
    s = sn_arena_printf(&a, "%s", longer);
    T_STR(s, longer);
    T_EQ(s.ptr[s.len], 0);
    sn_arena_done(&a);
    sn_arena_init(&a, NULL, 64);
    T_ASSERT(!sn_arena_printf(&a, "%s", longer).ptr);
    T_ASSERT(!sn_arena_str(&a, sn_str(longer)).ptr);
    sn_arena_done(&a);
}

#ifdef SN_ASAN
int __asan_address_is_poisoned(void const volatile *addr);
SN_TEST(arena_poisons_what_is_not_allocated)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    char *p = sn_arena_alloc(&a, 20);
    T_ASSERT(!__asan_address_is_poisoned(p + 19));
    T_ASSERT(__asan_address_is_poisoned(p + 20));
    T_ASSERT(__asan_address_is_poisoned(p + 64));
    sn_arena_reset(&a);
    T_ASSERT(__asan_address_is_poisoned(p));
    sn_arena_done(&a);
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* govern/breaker_test.c - window, table and breaker, with time as a number. */
#include "govern/breaker.h"

#include "core/map.h"
#include "core/rand.h"
#include "core/status.h"
#include "harness/test.h"

SN_TEST(window_forgets_exactly)
{
    for (unsigned c = 0; c < sn_test_cases(100); c++) {
        struct sn_gov_window w;
        uint32_t n = 1 + (uint32_t)sn_test_rand_below(SN_GOV_BUCKETS_MAX);
        sn_gov_window_init(&w, (int64_t)n * SN_MS, n);
        uint32_t truth[400] = {0};
        int64_t ms = 1000 + (int64_t)sn_test_rand_below(1000), start = ms;
        for (int i = 0; i < 300 && ms - start < 399; i++) {
            sn_gov_window_add(&w, ms * SN_MS, 2, 1);
            truth[ms - start]++;
            ms += (int64_t)(sn_test_rand_below(4) ? 0 : sn_test_rand_below(n + 2));
            sn_gov_window_roll(&w, ms * SN_MS);
            uint32_t want = 0;
            for (int64_t k = SN_MAX(ms - n + 1, start); k <= ms && k - start < 400; k++) want += truth[k - start];
            T_EQ(sn_gov_lo(sn_gov_window_sum(&w)), want);
            T_EQ(sn_gov_hi(sn_gov_window_sum(&w)), 2 * want);
        }
    }
}

static void one_forget(void *item) { *(int *)item = 0; }
SN_TEST(keyed_keeps_and_forgets)
{
    struct sn_gov_keyed t;
    T_OK(sn_gov_keyed_init(&t, sizeof(int), 8, one_forget));
    uint64_t keys[9];
    for (int i = 0; i < 9; i++) keys[i] = sn_hash_u64((uint64_t)i, 7);
    for (int i = 0; i < 8; i++) *(int *)sn_gov_keyed_get(&t, keys[i], i * SN_MINUTE) = i + 1;
    for (int i = 0; i < 8; i++) T_EQ(*(int *)sn_gov_keyed_get(&t, keys[i], (10 + i) * SN_MINUTE), i + 1);
    (void)sn_gov_keyed_get(&t, keys[0], 30 * SN_MINUTE);
    T_EQ(*(int *)sn_gov_keyed_get(&t, keys[8], 31 * SN_MINUTE), 0); /* in the place of keys[1] */
    T_EQ(*(int *)sn_gov_keyed_get(&t, keys[0], 32 * SN_MINUTE), 1);
    T_EQ(*(int *)sn_gov_keyed_get(&t, keys[1], 33 * SN_MINUTE), 0);
    sn_gov_keyed_done(&t);
}

struct run {
    struct sn_gov_breaker b;
    struct sn_rand rand;
    int64_t now;
    unsigned asked, passed;
};

/* Asks at `rps` for `ns`; each call that passes takes took_ns and fails with probability `bad`. Answers come
 * in order of their ends. */
static void ask(struct run *r, unsigned rps, int64_t ns, int64_t took_ns, double bad)
{
    static int64_t starts[1 << 16];
    static bool oks[1 << 16];
    unsigned head = 0, tail = 0;
    r->asked = r->passed = 0;
    for (int64_t end = r->now + ns; r->now < end; r->now += SN_SEC / rps) {
        for (; head != tail && starts[head] + took_ns <= r->now; head = (head + 1) & 0xffff)
            sn_gov_breaker_mark(&r->b, starts[head], starts[head] + took_ns, oks[head]);
        r->asked++;
        if (!sn_gov_breaker_allow(&r->b, r->now, sn_rand_u64(&r->rand))) continue;
        r->passed++;
        starts[tail] = r->now;
        oks[tail] = sn_rand_double(&r->rand) >= bad;
        tail = (tail + 1) & 0xffff;
    }
    for (; head != tail; head = (head + 1) & 0xffff)
        sn_gov_breaker_mark(&r->b, starts[head], SN_MIN(starts[head] + took_ns, r->now), oks[head]);
}

static struct run run_new(void)
{
    struct run r = {.now = SN_HOUR};
    sn_rand_seed(&r.rand, sn_test_rand());
    return r;
}

SN_TEST(breaker_stays_closed_when_well)
{
    struct run r = run_new();
    ask(&r, 500, 30 * SN_SEC, 5 * SN_MS, 0.05);
    T_EQ(r.passed, r.asked);
    /* A handful of failures on a quiet method says nothing. */
    struct run q = run_new();
    ask(&q, 1, 5 * SN_SEC, SN_MS, 1.0);
    T_EQ(q.passed, q.asked);
}

/* In an outage nearly nothing passes; once it is over all does, within a second. At any rate, however the
 * calls failed: at once, or by timeouts that still come in after the end. */
SN_TEST(breaker_opens_and_recovers_within_a_second)
{
    static const struct { unsigned rps; int64_t fail_ns; } rows[] = {
        {20, SN_MS}, {100, SN_MS}, {1000, SN_MS}, {5000, 20 * SN_MS}, {100, 2 * SN_SEC}, {1000, 2 * SN_SEC}};
    for (size_t k = 0; k < SN_COUNT_OF(rows); k++)
        for (unsigned c = 0; c < sn_test_cases(2); c++) {
            sn_test_row("%u rps, calls fail after %lld ms", rows[k].rps, (long long)(rows[k].fail_ns / SN_MS));
            struct run r = run_new();
            ask(&r, rows[k].rps, 20 * SN_SEC, 5 * SN_MS, 0);
            ask(&r, rows[k].rps, 30 * SN_SEC, rows[k].fail_ns, 1.0);
            ask(&r, rows[k].rps, 20 * SN_SEC, rows[k].fail_ns, 1.0);
            /* 5 probes a second, and what eq. 21.1 lets through of so few. */
            unsigned most = 20 * 6 + r.asked / 50;
            T_ASSERTF(r.passed <= most, "%u of %u passed in the outage", r.passed, r.asked);
            ask(&r, rows[k].rps, SN_SEC, 5 * SN_MS, 0);
            ask(&r, rows[k].rps, SN_SEC, 5 * SN_MS, 0);
            T_ASSERTF(r.passed == r.asked, "%u of %u passed in the second second after it", r.passed, r.asked);
        }
}

/* Up to a third of failures is the backend's own affair; beyond, what passes falls, without flapping. */
SN_TEST(breaker_threshold)
{
    struct run r = run_new();
    ask(&r, 1000, 40 * SN_SEC, 5 * SN_MS, 0.28);
    T_ASSERTF(r.passed * 100 > r.asked * 99, "%u of %u passed", r.passed, r.asked);
    struct run q = run_new();
    ask(&q, 1000, 20 * SN_SEC, 5 * SN_MS, 0.6);
    ask(&q, 1000, 20 * SN_SEC, 5 * SN_MS, 0.6);
    T_ASSERTF(q.passed < q.asked / 4, "%u of %u passed", q.passed, q.asked);
    T_ASSERTF(q.b.trips <= 5, "%llu trips", (unsigned long long)q.b.trips);
}

SN_TEST(breaker_failures_by_status)
{
    T_ASSERT(sn_gov_is_failure(SN_E_UNAVAILABLE) && sn_gov_is_failure(SN_E_REFUSED) && sn_gov_is_failure(SN_E_PANIC));
    T_ASSERT(sn_gov_is_failure(SN_E_DEADLINE_EXCEEDED) && sn_gov_is_failure(SN_E_RESET));
    T_ASSERT(!sn_gov_is_failure(0) && !sn_gov_is_failure(SN_E_NOT_FOUND) && !sn_gov_is_failure(SN_E_CANCELLED));
    T_ASSERT(!sn_gov_is_failure(SN_E_INVALID_ARGUMENT) && !sn_gov_is_failure(SN_E_UNAUTHENTICATED));
}

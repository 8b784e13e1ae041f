/* SPDX-License-Identifier: Apache-2.0 */
/* govern/retry_test.c - budgets, pauses and the running quantile. */
#include "govern/retry.h"

#include "core/rand.h"
#include "core/status.h"
#include "harness/test.h"

SN_TEST(budget_full_outage)
{
    struct sn_gov_budget b;
    sn_gov_budget_init(&b, NULL);
    unsigned attempts = 0;
    for (int i = 0; i < 1000; i++) {
        sn_gov_budget_begin(&b);
        attempts++;
        sn_gov_budget_result(&b, true);
        for (int k = 1; k < 3 && sn_gov_budget_take(&b); k++) {
            attempts++;
            sn_gov_budget_result(&b, true);
            sn_gov_budget_give(&b);
        }
        sn_gov_budget_end(&b);
    }
    T_ASSERTF(attempts <= 1010, "%u attempts for 1000 calls", attempts);
    /* One in twenty fails: nearly every one of these is tried again. */
    unsigned wanted = 0, got = 0;
    for (int i = 0; i < 10000; i++) {
        bool bad = i % 20 == 0;
        sn_gov_budget_begin(&b);
        sn_gov_budget_result(&b, bad);
        if (bad) {
            wanted++;
            if (sn_gov_budget_take(&b)) {
                got++;
                sn_gov_budget_result(&b, false);
                sn_gov_budget_give(&b);
            }
        }
        sn_gov_budget_end(&b);
    }
    T_ASSERTF(got >= wanted - 10, "%u of %u wanted retries", got, wanted);
    T_EQ(b.calls, 0);
    T_EQ(b.retries, 0);
}

SN_TEST(budget_concurrency)
{
    struct sn_gov_budget b;
    sn_gov_budget_init(&b, NULL);
    unsigned n = 0;
    while (sn_gov_budget_take(&b)) n++;
    T_EQ(n, SN_GOV_RETRY_CONCURRENT_MIN);
    for (int i = 0; i < 100; i++) sn_gov_budget_begin(&b);
    while (sn_gov_budget_take(&b)) n++;
    T_EQ(n, 20);
}

SN_TEST(backoff_full_jitter)
{
    for (uint32_t attempt = 1; attempt < 100; attempt++) {
        int64_t top = SN_GOV_BACKOFF_BASE_NS;
        for (uint32_t i = 1; i < attempt && top < SN_GOV_BACKOFF_MAX_NS; i++) top *= 2;
        top = SN_MIN(top, SN_GOV_BACKOFF_MAX_NS);
        double sum = 0;
        for (int i = 0; i < 200; i++) {
            int64_t v = sn_gov_backoff(attempt, 0, 0, sn_test_rand());
            T_ASSERT(v >= 0 && v < top);
            sum += (double)v;
        }
        T_ASSERT(sum / 200 > 0.35 * (double)top && sum / 200 < 0.65 * (double)top);
    }
    T_ASSERT(sn_gov_backoff(4000000000u, INT64_MAX / 2, INT64_MAX, UINT64_MAX) > 0);
}

SN_TEST(pushback_values)
{
    static const struct { const char *ms, *after; int64_t want; } rows[] = {
        {"", "", -2},    {"100", "", 100 * SN_MS}, {"0", "9", 0},   {"-1", "", -1},      {"x", "", -1},
        {"", "2", 2 * SN_SEC}, {"", "-2", -1},     {"", "61", -1},  {"60001", "", -1},
        {"", "Wed, 21 Oct 2015 07:28:00 GMT", -2}, {"99999999999999999999", "", -1}};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s|%s", rows[i].ms, rows[i].after);
        T_EQ(sn_gov_pushback(sn_str(rows[i].ms), sn_str(rows[i].after), SN_MINUTE), rows[i].want);
    }
}

SN_TEST(quantile_follows)
{
    struct sn_gov_quantile q;
    sn_gov_quantile_init(&q, 0.95);
    T_ASSERT(sn_gov_hedge_delay(&q, 0) == SN_FOREVER);
    struct sn_rand r;
    sn_rand_seed(&r, sn_test_seed());
    for (int i = 0; i < 20000; i++) sn_gov_quantile_add(&q, 1 + (int64_t)sn_rand_below(&r, 100 * SN_MS));
    T_ASSERTF(q.value_ns > 88 * SN_MS && q.value_ns < 100 * SN_MS, "p95 %lld us", (long long)q.value_ns / 1000);
    for (int i = 0; i < 20000; i++) sn_gov_quantile_add(&q, 1 + (int64_t)sn_rand_below(&r, 50 * SN_US));
    T_ASSERTF(q.value_ns > 42 * SN_US && q.value_ns < 52 * SN_US, "p95 %lld ns", (long long)q.value_ns);
    T_EQ(sn_gov_hedge_delay(&q, SN_MS), SN_MS);
}

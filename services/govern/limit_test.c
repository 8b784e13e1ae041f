/* SPDX-License-Identifier: Apache-2.0 */
/* govern/limit_test.c - buckets and periods. */
#include "govern/limit.h"

#include "core/status.h"
#include "harness/test.h"

SN_TEST(bucket_rate_and_burst)
{
    struct sn_gov_rate rate = {.per_s = 100, .burst = 20};
    struct sn_gov_bucket b = {0};
    int64_t now = SN_HOUR, wait;
    for (int i = 0; i < 20; i++) T_ASSERT(sn_gov_bucket_take(&b, &rate, 1, now, NULL));
    T_ASSERT(!sn_gov_bucket_take(&b, &rate, 1, now, &wait));
    T_EQ(wait, 10 * SN_MS);
    T_ASSERT(sn_gov_bucket_take(&b, &rate, 1, now + wait, &wait));
    T_EQ(wait, 0);
    T_ASSERT(!sn_gov_bucket_take(&b, &rate, 21, now + SN_HOUR, &wait));
    T_ASSERT(wait == SN_FOREVER);
    T_EQ(sn_gov_bucket_left(&b, &rate, now + SN_HOUR), 20);
}

/* Never more than burst + rate * time, in any stretch; and all of it for who asks enough. */
SN_TEST(bucket_property)
{
    for (unsigned c = 0; c < sn_test_cases(200); c++) {
        struct sn_gov_rate rate = {.per_s = 0.5 + (double)sn_test_rand_below(100000) / 10,
                                   .burst = 1 + (uint32_t)sn_test_rand_below(50)};
        struct sn_gov_bucket b = {0};
        int64_t now = (int64_t)sn_test_rand_below(SN_HOUR), start = now;
        double taken = 0;
        for (int i = 0; i < 2000; i++) {
            uint32_t n = 1 + (uint32_t)sn_test_rand_below(3);
            if (sn_gov_bucket_take(&b, &rate, n, now, NULL)) taken += n;
            double most = rate.burst + (double)(now - start) / SN_SEC * rate.per_s + 1e-3;
            T_ASSERTF(taken <= most, "%f taken, %f were there", taken, most);
            now += (int64_t)(sn_test_rand_below(1000) / rate.per_s * 1e6);
        }
    }
}

SN_TEST(period_counts_and_turns)
{
    struct sn_gov_period p = {0};
    for (int i = 0; i < 2; i++) T_EQ(sn_gov_period_take(&p, 3, SN_MINUTE, 0, 10 * SN_MINUTE + i), SN_GOV_WITHIN);
    T_EQ(sn_gov_period_take(&p, 3, SN_MINUTE, 0, 10 * SN_MINUTE + 30 * SN_SEC), SN_GOV_LAST);
    T_EQ(sn_gov_period_take(&p, 3, SN_MINUTE, 0, 11 * SN_MINUTE - 1), SN_GOV_OVER);
    T_EQ(sn_gov_period_take(&p, 3, SN_MINUTE, 0, 11 * SN_MINUTE), SN_GOV_WITHIN);
    /* Aligned to another beginning. */
    T_EQ(sn_gov_period_take(&p, 1, SN_HOUR, 20 * SN_MINUTE, 80 * SN_MINUTE), SN_GOV_LAST);
    T_EQ(sn_gov_period_take(&p, 1, SN_HOUR, 20 * SN_MINUTE, 139 * SN_MINUTE), SN_GOV_OVER);
    T_EQ(sn_gov_period_take(&p, 1, SN_HOUR, 20 * SN_MINUTE, 140 * SN_MINUTE), SN_GOV_LAST);
}

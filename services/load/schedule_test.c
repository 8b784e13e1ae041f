/* SPDX-License-Identifier: Apache-2.0 */
#include "load/schedule.h"

#include "core/status.h"
#include "harness/test.h"

static struct sn_load_schedule plan(const char *text, int64_t ns)
{
    struct sn_load_schedule s;
    T_OK(sn_load_schedule_parse(sn_str(text), ns, &s));
    return s;
}

SN_TEST(schedule_constant_rate_is_evenly_spaced)
{
    struct sn_load_schedule s = plan("1000", 2 * SN_SEC);
    T_EQ(sn_load_schedule_length(&s), 2 * SN_SEC);
    int64_t at, n = 0;
    for (; sn_load_schedule_take(&s, &at); n++) {
        int64_t want = n * SN_MS;
        T_ASSERTF(at >= want - 1000 && at <= want + 1000, "request %lld due at %lld", (long long)n,
                  (long long)at);
    }
    T_EQ(n, 2000);
}

SN_TEST(schedule_ramp_follows_the_integral)
{
    /* 0 to 1000 in 10 s is 5000 requests; half of them are due after 10/sqrt(2) s. */
    struct sn_load_schedule s = plan("0:1000:10s", 0);
    int64_t at, n = 0, half = 0;
    for (; sn_load_schedule_take(&s, &at); n++)
        if (n == 2500) half = at;
    T_EQ(n, 5000);
    T_ASSERTF(half > 7070 * SN_MS && half < 7073 * SN_MS, "half at %lld", (long long)half);
}

SN_TEST(schedule_parts_make_the_whole)
{
    for (unsigned count = 1; count <= 7; count++) {
        struct sn_load_schedule whole = plan("100:2000:1s,2000:2000:1s,500:0:1s", 0), part[7];
        for (unsigned i = 0; i < count; i++) {
            part[i] = whole;
            sn_load_schedule_part(&part[i], i, count);
        }
        int64_t want, got, last = 0;
        for (unsigned k = 0; sn_load_schedule_take(&whole, &want); k++) {
            T_ASSERT(sn_load_schedule_take(&part[k % count], &got));
            T_EQ(got, want);
            T_ASSERT(want >= last && want <= 3 * SN_SEC);
            last = want;
        }
        for (unsigned i = 0; i < count; i++) T_ASSERT(!sn_load_schedule_take(&part[i], &got));
    }
}

SN_TEST(schedule_refuses_what_it_cannot_mean)
{
    static const struct {
        const char *text;
        int code;
        const char *says;
    } rows[] = {
        {"", SN_E_SYNTAX, "expected a number"},
        {"fast", SN_E_SYNTAX, "\"fast\""},
        {"100:200", SN_E_SYNTAX, "FROM:TO:LENGTH"},
        {"100:200:soon", SN_E_SYNTAX, "\"soon\""},
        {"-1", SN_E_OUT_OF_RANGE, "expected 0 to"},
        {"nan", SN_E_SYNTAX, "expected a number"},
        {"0:0:1s", SN_E_OUT_OF_RANGE, "0 throughout"},
        {"5:5:0s", SN_E_OUT_OF_RANGE, "must be positive"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].text);
        struct sn_load_schedule s;
        int r = sn_load_schedule_parse(sn_str(rows[i].text), SN_SEC, &s);
        if (r != rows[i].code && !(r < 0 && rows[i].code == SN_E_SYNTAX)) T_EQ(r, rows[i].code);
        T_ASSERTF(strstr(sn_diag_str(r), rows[i].says), "says \"%s\"", sn_diag_str(r));
    }
}

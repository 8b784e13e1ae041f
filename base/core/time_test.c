/* SPDX-License-Identifier: Apache-2.0 */
#include "core/time.h"

#include <time.h>

#include "core/status.h"
#include "harness/test.h"

SN_TEST(time_civil_equals_gmtime)
{
    for (unsigned i = 0; i < sn_test_cases(50000); i++) {
        int64_t ns = (int64_t)sn_test_rand();
        time_t sec = ns / SN_SEC - (ns % SN_SEC < 0);
        struct sn_civil c;
        struct tm tm;
        int64_t back = 0;
        sn_test_row("%lld ns", (long long)ns);
        sn_civil_from_unix(ns, &c);
        gmtime_r(&sec, &tm);
        T_EQ(c.year, tm.tm_year + 1900);
        T_EQ(c.month, tm.tm_mon + 1);
        T_EQ(c.day, tm.tm_mday);
        T_EQ(c.hour * 3600 + c.minute * 60 + c.second,
             tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec);
        T_EQ(c.weekday, tm.tm_wday);
        T_EQ(c.yearday, tm.tm_yday);
        T_OK(sn_unix_from_civil(&c, &back));
        T_EQ(back, ns);
    }
}

SN_TEST(time_first_and_last_instant)
{
    /* The first instant's day begins before it: computing that beginning overflowed. */
    static const int64_t rows[] = {INT64_MIN, INT64_MIN + 1, INT64_MAX};
    char text[SN_RFC3339_MAX];
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_civil c;
        int64_t back = 0;
        sn_test_row("%zu", i);
        sn_civil_from_unix(rows[i], &c);
        T_OK(sn_unix_from_civil(&c, &back));
        T_EQ(back, rows[i]);
        size_t n = sn_time_rfc3339(rows[i], -1, text);
        T_OK(sn_time_parse_rfc3339(sn_str_of(text, n), &back));
        T_EQ(back, rows[i]);
    }
}

SN_TEST(time_every_day_of_two_eras)
{
    struct sn_civil prev = {.year = -401, .month = 12, .day = 31}, c;
    for (int64_t d = sn_days_from_civil(-400, 1, 1); d < sn_days_from_civil(401, 1, 1); d++) {
        sn_civil_from_days(d, &c);
        T_EQ(sn_days_from_civil(c.year, c.month, c.day), d);
        bool same_month = c.month == prev.month && c.day == prev.day + 1;
        bool next_month =
            c.day == 1 && (c.month == prev.month + 1 ||
                           (c.month == 1 && prev.month == 12 && c.year == prev.year + 1));
        if (!same_month && !next_month) T_ASSERTF(false, "day %lld", (long long)d);
        prev = c;
    }
    struct sn_civil bad[] = {{.year = 2023, .month = 2, .day = 29},
                             {.year = 1900, .month = 2, .day = 29},
                             {.year = 2000, .month = 13, .day = 1},
                             {.year = 2000, .month = 4, .day = 31},
                             {.year = 2000, .month = 1, .day = 1, .hour = 24}};
    int64_t ns;
    for (size_t i = 0; i < SN_COUNT_OF(bad); i++)
        T_EQ(sn_unix_from_civil(&bad[i], &ns), SN_E_INVALID_ARGUMENT);
    T_EQ(sn_unix_from_civil(&(struct sn_civil){.year = 2263, .month = 1, .day = 1}, &ns),
         SN_E_OUT_OF_RANGE);
}

/* SPEC: RFC 3339 section 5.8 and its grammar. */
SN_TEST(time_rfc3339)
{
    static const struct {
        const char *in, *out;
    } good[] = {
        {"1985-04-12T23:20:50.52Z", "1985-04-12T23:20:50.52Z"},
        {"1996-12-19T16:39:57-08:00", "1996-12-20T00:39:57Z"},
        {"1990-12-31T23:59:60Z", "1991-01-01T00:00:00Z"},
        {"1990-12-31T15:59:60-08:00", "1991-01-01T00:00:00Z"},
        {"1937-01-01T12:00:27.87+00:20", "1937-01-01T11:40:27.87Z"},
        {"2024-02-29t00:00:00z", "2024-02-29T00:00:00Z"},
        {"2024-01-01T00:00:00.1234567891Z", "2024-01-01T00:00:00.123456789Z"},
        {"2024-01-01T00:00:00-00:00", "2024-01-01T00:00:00Z"},
    };
    char out[SN_RFC3339_MAX];
    int64_t ns = 0;
    for (size_t i = 0; i < SN_COUNT_OF(good); i++) {
        sn_test_row("%s", good[i].in);
        T_OK(sn_time_parse_rfc3339(sn_str(good[i].in), &ns));
        T_STR(sn_str_of(out, sn_time_rfc3339(ns, -1, out)), good[i].out);
    }
    static const char *const bad[] = {
        "", "2024-01-01", "2024-01-01T00:00:00", "2024-01-01 00:00:00Z", "2024-13-01T00:00:00Z",
        "2023-02-29T00:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01T00:60:00Z",
        "2024-01-01T00:00:61Z", "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00+0100",
        "2024-01-01T00:00:00+24:00", "2024-01-01T00:00:00Zx", "2024-1-01T00:00:00Z",
        "24-01-01T00:00:00Z", "2024-01-00T00:00:00Z", "2024-01-01T00:00:00+01:60"};
    for (size_t i = 0; i < SN_COUNT_OF(bad); i++) {
        sn_test_row("%s", bad[i]);
        T_EQ(sn_time_parse_rfc3339(sn_str(bad[i]), &ns), SN_E_SYNTAX);
    }
    T_EQ(sn_time_parse_rfc3339(SN_STR("9999-01-01T00:00:00Z"), &ns), SN_E_OUT_OF_RANGE);
    T_STR(sn_str_of(out, sn_time_rfc3339(1, 3, out)), "1970-01-01T00:00:00.000Z");
    T_STR(sn_str_of(out, sn_time_rfc3339(-1, 9, out)), "1969-12-31T23:59:59.999999999Z");
    for (unsigned i = 0; i < sn_test_cases(5000); i++) {
        int64_t want = (int64_t)sn_test_rand();
        sn_time_rfc3339(want, -1, out);
        T_OK(sn_time_parse_rfc3339(sn_str(out), &ns));
        T_EQ(ns, want);
    }
}

/* SPEC: RFC 9110 section 5.6.7. */
SN_TEST(time_http_dates)
{
    const int64_t want = 784111777 * SN_SEC, now = 1700000000 * SN_SEC;
    char out[SN_HTTP_DATE_MAX];
    int64_t ns;
    T_STR(sn_str_of(out, sn_time_http(want, out)), "Sun, 06 Nov 1994 08:49:37 GMT");
    static const char *const good[] = {"Sun, 06 Nov 1994 08:49:37 GMT",
                                       "Sunday, 06-Nov-94 08:49:37 GMT",
                                       "Sun Nov  6 08:49:37 1994"};
    for (size_t i = 0; i < SN_COUNT_OF(good); i++) {
        ns = 0;
        sn_test_row("%s", good[i]);
        T_OK(sn_time_parse_http(sn_str(good[i]), now, &ns));
        T_EQ(ns, want);
    }
    T_OK(sn_time_parse_http(SN_STR("Sunday, 06-Nov-73 08:49:37 GMT"), now, &ns));
    T_STR(sn_str_of(out, sn_time_http(ns, out)), "Mon, 06 Nov 2073 08:49:37 GMT");
    static const char *const bad[] = {
        "", "Sun", "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GMT ", "sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sunday, 06 Nov 1994 08:49:37 GMT", "Sun, 06-Nov-94 08:49:37 GMT",
        "Sunday Nov  6 08:49:37 1994", "Sun Nov 6 08:49:37 1994"};
    for (size_t i = 0; i < SN_COUNT_OF(bad); i++) {
        sn_test_row("%s", bad[i]);
        T_EQ(sn_time_parse_http(sn_str(bad[i]), now, &ns), SN_E_SYNTAX);
    }
}

SN_TEST(time_durations)
{
    static const struct {
        int64_t ns;
        const char *text;
    } rows[] = {
        {0, "0s"}, {1, "1ns"}, {1100, "1.1\xc2\xb5s"}, {2200000, "2.2ms"}, {3300 * SN_MS, "3.3s"},
        {90 * SN_SEC, "1m30s"}, {SN_HOUR, "1h0m0s"}, {SN_HOUR + 1, "1h0m0.000000001s"},
        {-SN_MS, "-1ms"}, {INT64_MAX, "2562047h47m16.854775807s"},
        {INT64_MIN, "-2562047h47m16.854775808s"},
    };
    char out[SN_DURATION_MAX];
    int64_t back;
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++)
        T_STR(sn_str_of(out, sn_duration_format(rows[i].ns, out)), rows[i].text);
    for (unsigned i = 0; i < sn_test_cases(20000); i++) {
        int64_t ns = (int64_t)(sn_test_rand() >> sn_test_rand_below(64));
        if (i & 1) ns = -ns;
        T_OK(sn_str_to_duration(sn_str_of(out, sn_duration_format(ns, out)), &back));
        T_EQ(back, ns);
    }
}

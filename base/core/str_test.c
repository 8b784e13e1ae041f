/* SPDX-License-Identifier: Apache-2.0 */
#include "core/str.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "core/status.h"
#include "harness/test.h"

SN_TEST(str_pieces)
{
    struct sn_str s = SN_STR("a,bb,,c"), part;
    const char *want[] = {"a", "bb", "", "c"};
    for (size_t i = 0; i < 4; i++) {
        T_ASSERT(s.ptr);
        part = sn_str_cut(&s, ',');
        T_STR(part, want[i]);
    }
    T_ASSERT(!s.ptr);
    s = SN_STR("x,");
    sn_str_cut(&s, ',');
    T_ASSERT(s.ptr && s.len == 0); /* a trailing separator has an empty part after it */
    T_STR(sn_str_trim(SN_STR(" \t a b\r\n")), "a b");
    T_EQ(sn_str_trim(SN_STR(" \n ")).len, 0);
    T_STR(sn_str_sub(SN_STR("hello"), 1, 99), "ello");
    T_STR(sn_str_sub(SN_STR("hello"), 9, 2), "");
    T_EQ(sn_str_find(SN_STR("banana"), SN_STR("nan")), 2);
    T_EQ(sn_str_find(SN_STR("banana"), SN_STR("x")), -1);
    T_EQ(sn_str_find((struct sn_str){0}, SN_STR("")), 0);
    T_EQ(sn_str_chr(SN_STR("banana"), 'n'), 2);
    T_EQ(sn_str_rchr(SN_STR("banana"), 'n'), 4);
    T_EQ(sn_str_chr((struct sn_str){0}, 'n'), -1);
    T_ASSERT(sn_str_ieq(SN_STR("Content-Length"), SN_STR("cONTENT-lENGTH")));
    T_ASSERT(!sn_str_ieq(SN_STR("@"), SN_STR("`")));
    T_ASSERT(sn_str_cmp(SN_STR("a"), SN_STR("ab")) < 0);
    T_ASSERT(sn_str_cmp(SN_STR("\xff"), SN_STR("a")) > 0);
    T_EQ(sn_str_cmp((struct sn_str){0}, SN_STR("")), 0);
    char out[4];
    T_EQ(sn_str_cz(SN_STR("abcd"), out, 4), SN_E_TOO_LARGE);
    T_OK(sn_str_cz(SN_STR("abc"), out, 4));
    T_CSTR(out, "abc");
}

SN_TEST(str_integers)
{
    static const struct {
        const char *text;
        int r_u, r_i;
    } rows[] = {
        {"0", 0, 0}, {"18446744073709551615", 0, SN_E_OUT_OF_RANGE},
        {"18446744073709551616", SN_E_OUT_OF_RANGE, SN_E_OUT_OF_RANGE},
        {"99999999999999999999999999", SN_E_OUT_OF_RANGE, SN_E_OUT_OF_RANGE},
        {"9223372036854775807", 0, 0}, {"9223372036854775808", 0, SN_E_OUT_OF_RANGE},
        {"-9223372036854775808", SN_E_SYNTAX, 0},
        {"-9223372036854775809", SN_E_SYNTAX, SN_E_OUT_OF_RANGE},
        {"", SN_E_SYNTAX, SN_E_SYNTAX}, {"-", SN_E_SYNTAX, SN_E_SYNTAX},
        {"+1", SN_E_SYNTAX, SN_E_SYNTAX}, {" 1", SN_E_SYNTAX, SN_E_SYNTAX},
        {"1 ", SN_E_SYNTAX, SN_E_SYNTAX}, {"0x1", SN_E_SYNTAX, SN_E_SYNTAX},
        {"99999999999999999999999999x", SN_E_SYNTAX, SN_E_SYNTAX}, {"007", 0, 0},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        uint64_t u = 42;
        int64_t n = 42;
        sn_test_row("\"%s\"", rows[i].text);
        T_EQ(sn_str_to_u64(sn_str(rows[i].text), &u), rows[i].r_u);
        T_EQ(sn_str_to_i64(sn_str(rows[i].text), &n), rows[i].r_i);
        T_EQ(u, rows[i].r_u < 0 ? 42 : strtoull(rows[i].text, NULL, 10)); /* untouched on failure */
        T_EQ(n, rows[i].r_i < 0 ? 42 : strtoll(rows[i].text, NULL, 10));
    }
}

static void same_as_strtod(const char *text)
{
    double got = -1, want = strtod(text, NULL);
    sn_test_row("%.*s", SN_STR_ARG(sn_str(text)));
    int r = sn_str_to_double(sn_str(text), &got);
    if (isinf(want)) {
        T_EQ(r, SN_E_OUT_OF_RANGE);
        return;
    }
    T_EQ(r, 0);
    T_ASSERTF(memcmp(&got, &want, 8) == 0, "%a, expected %a", got, want);
}

SN_TEST(str_double_table)
{
    static const char *const good[] = {
        "0", "-0", "1", "0.1", "-0.1e1", "1e22", "1e23", "123456789012345678", "1e-400", "1e400",
        "1.7976931348623157e308", "1.7976931348623159e308", "4.9e-324", "2.4703282292062327e-324",
        "2.4703282292062328e-324", "2.2250738585072011e-308", "9007199254740993", "0.000001e6",
        "1e0000000000000000000000000000000000001", "0e999999999999999999999", "1E5", "1e+5",
        "1e99999999999999999999999999", "1e-99999999999999999999999999", "00012.5000",
        "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017"
        "977587207096330286416692887910946555547851940402630657488671505820681908902000708383676273"
        "854845817711531764475730270069855571366959622842914819860834936475292719074168444365510704"
        "342711559699508093042880",
    };
    for (size_t i = 0; i < SN_COUNT_OF(good); i++) same_as_strtod(good[i]);
    static const char *const bad[] = {"", "-", ".", "1.", ".5", "1e", "1e+", "nan", "inf", "0x10",
                                      "+1", " 1", "1 ", "1.2.3", "1e5.0", "--1", "1_000", "1,5"};
    for (size_t i = 0; i < SN_COUNT_OF(bad); i++) {
        double d = 42;
        sn_test_row("\"%s\"", bad[i]);
        T_EQ(sn_str_to_double(sn_str(bad[i]), &d), SN_E_SYNTAX);
        T_ASSERT(d == 42);
    }
}

SN_TEST(str_double_equals_strtod)
{
    char text[1400];
    for (unsigned i = 0; i < sn_test_cases(40000); i++) {
        uint64_t bits = sn_test_rand();
        double d;
        memcpy(&d, &bits, 8);
        if (!isfinite(d)) continue;
        snprintf(text, sizeof(text), "%.*e", (int)sn_test_rand_below(25), d);
        same_as_strtod(text);
        snprintf(text, sizeof(text), "%lld.%0*llu", (long long)(bits >> 40), 6,
                 (unsigned long long)(bits % 1000000));
        same_as_strtod(text);
    }
    /* Exact midpoints and their neighbours, in hundreds of digits. */
    for (unsigned i = 0; i < sn_test_cases(300); i++) {
        double d = ldexp((double)(sn_test_rand() >> 11 | (uint64_t)1 << 52),
                         (int)sn_test_rand_below(200) - 1000);
        long double mid = ((long double)d + (long double)nextafter(d, INFINITY)) / 2;
        int n = snprintf(text, sizeof(text), "%.1074Lf", mid);
        same_as_strtod(text);
        text[n++] = '1';
        text[n] = 0;
        same_as_strtod(text);
    }
}

SN_TEST(str_quantities)
{
    static const struct {
        const char *text;
        int r;
        uint64_t v;
    } rows[] = {
        {"4096", 0, 4096}, {"64KiB", 0, 65536}, {"64Ki", 0, 65536}, {"1.5GB", 0, 1500000000},
        {"1.5G", 0, 1500000000}, {"1kB", 0, 1000}, {"1K", 0, 1000}, {"10B", 0, 10}, {"0", 0, 0},
        {"0.5KiB", 0, 512}, {"1.999", 0, 1}, {"15EiB", 0, 15ull << 60},
        {"16EiB", SN_E_OUT_OF_RANGE, 0}, {"99999999999999999999", SN_E_OUT_OF_RANGE, 0},
        {"", SN_E_SYNTAX, 0}, {"KiB", SN_E_SYNTAX, 0}, {"1 KiB", SN_E_SYNTAX, 0},
        {"-1", SN_E_SYNTAX, 0}, {"1Z", SN_E_SYNTAX, 0}, {"1KiBx", SN_E_SYNTAX, 0},
        {"1iB", SN_E_SYNTAX, 0}, {"1ki", 0, 1024}, {".", SN_E_SYNTAX, 0},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        uint64_t v = 42;
        sn_test_row("\"%s\"", rows[i].text);
        T_EQ(sn_str_to_bytes(sn_str(rows[i].text), &v), rows[i].r);
        T_EQ(v, rows[i].r ? 42 : rows[i].v);
    }
    static const char nul[] = {'1', 0};
    uint64_t v;
    T_EQ(sn_str_to_bytes(sn_str_of(nul, 2), &v), SN_E_SYNTAX);
}

/* SPEC: the grammar of Go's time.ParseDuration. */
SN_TEST(str_durations)
{
    static const struct {
        const char *text;
        int r;
        int64_t ns;
    } rows[] = {
        {"0", 0, 0}, {"1h10m0.5s", 0, SN_HOUR + 10 * SN_MINUTE + SN_SEC / 2},
        {"250ms", 0, 250 * SN_MS}, {"10us", 0, 10 * SN_US}, {"10\xc2\xb5s", 0, 10 * SN_US},
        {"10\xce\xbcs", 0, 10 * SN_US}, {"-1.5h", 0, -SN_HOUR * 3 / 2}, {"+5s", 0, 5 * SN_SEC},
        {".5s", 0, SN_SEC / 2}, {"1.s", 0, SN_SEC}, {"3.000000001s", 0, 3 * SN_SEC + 1},
        {"9223372036854775807ns", 0, INT64_MAX}, {"-9223372036854775808ns", 0, INT64_MIN},
        {"9223372036854775808ns", SN_E_OUT_OF_RANGE, 0}, {"3000000h", SN_E_OUT_OF_RANGE, 0},
        {"", SN_E_SYNTAX, 0}, {"-", SN_E_SYNTAX, 0}, {"5", SN_E_SYNTAX, 0}, {"s", SN_E_SYNTAX, 0},
        {".s", SN_E_SYNTAX, 0}, {"1d", SN_E_SYNTAX, 0}, {"1s ", SN_E_SYNTAX, 0},
        {"1h-5m", SN_E_SYNTAX, 0}, {"1S", SN_E_SYNTAX, 0}, {"-0", 0, 0},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        int64_t ns = 42;
        sn_test_row("\"%s\"", rows[i].text);
        T_EQ(sn_str_to_duration(sn_str(rows[i].text), &ns), rows[i].r);
        T_EQ(ns, rows[i].r ? 42 : rows[i].ns);
    }
}

/* Every code point encodes to what validates; every other two-to-four byte form does not. */
SN_TEST(utf8_every_code_point)
{
    for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
        char out[4];
        unsigned n = sn_utf8_put(cp, out);
        bool surrogate = cp >= 0xd800 && cp <= 0xdfff;
        if (sn_utf8_valid(sn_str_of(out, n)) == surrogate)
            T_ASSERTF(false, "U+%04X in %u bytes", cp, n);
        if (n > 1 && sn_utf8_valid(sn_str_of(out, n - 1))) T_ASSERTF(false, "U+%04X cut", cp);
    }
    static const char *const bad[] = {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80",
                                      "\xe0\x9f\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xfe",
                                      "\xe1\x80", "\xe1\x80\xc0", "\xf1\x80\x80\x41"};
    for (size_t i = 0; i < SN_COUNT_OF(bad); i++) {
        sn_test_row("row %zu", i);
        T_ASSERT(!sn_utf8_valid(sn_str(bad[i])));
        /* The same at each offset of a vector-sized text. */
        for (size_t at = 0; at < 40; at++) {
            char text[64];
            memset(text, 'a', sizeof(text));
            memcpy(text + at, bad[i], strlen(bad[i]));
            T_ASSERT(!sn_utf8_valid(sn_str_of(text, sizeof(text))));
        }
    }
    T_ASSERT(sn_utf8_valid((struct sn_str){0}));
}

SN_TEST(str_dup)
{
    char *p = sn_str_dup(sn_str_of("abc", 2)), *none = sn_str_dup((struct sn_str){0});
    T_ASSERT(p && none);
    T_EQ(strcmp(p, "ab"), 0);
    T_EQ(none[0], 0);
    sn_free(p);
    sn_free(none);
}

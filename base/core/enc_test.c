/* SPDX-License-Identifier: Apache-2.0 */
#include "core/crc32c.h"
#include "core/enc.h"
#include "core/status.h"
#include "harness/test.h"

/* SPEC: RFC 4648 section 10. */
SN_TEST(enc_base64_table)
{
    static const char *const want[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                       "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (size_t n = 0; n <= 6; n++) {
        struct sn_buf b;
        sn_test_row("%zu bytes", n);
        sn_buf_init(&b, 0);
        T_OK(sn_buf_base64(&b, "foobar", n, SN_BASE64_STD));
        T_STR(sn_buf_view(&b), want[n]);
        sn_buf_done(&b);
    }
    struct sn_buf b;
    sn_buf_init(&b, 0);
    sn_buf_base64(&b, "\xfb\xff\xfe", 3, SN_BASE64_STD);
    sn_buf_base64(&b, "\xfb\xff\xfe\xff", 4, SN_BASE64_URL_UNPADDED);
    T_STR(sn_buf_view(&b), "+//+-__-_w");
    sn_buf_done(&b);
    static const struct {
        enum sn_base64 kind;
        const char *text;
    } bad[] = {
        {SN_BASE64_STD, "Zg"},
        {SN_BASE64_STD, "Zg="},
        {SN_BASE64_STD, "Z==="},
        {SN_BASE64_STD, "===="},
        {SN_BASE64_STD, "Zh=="},
        {SN_BASE64_STD, "Zm9="},
        {SN_BASE64_STD, "Zm 9v"},
        {SN_BASE64_STD, "Zm9v\n"},
        {SN_BASE64_STD, "-_-_"},
        {SN_BASE64_STD, "Zg==Zg=="},
        {SN_BASE64_STD, "Z=9v"},
        {SN_BASE64_URL, "+/+/"},
        {SN_BASE64_URL_UNPADDED, "Zg=="},
        {SN_BASE64_URL_UNPADDED, "Z"},
        {SN_BASE64_STD, "Zm9\x80"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(bad); i++) {
        uint8_t out[16];
        sn_test_row("\"%s\"", bad[i].text);
        T_EQ(sn_base64_decode(sn_str(bad[i].text), bad[i].kind, out), SN_E_SYNTAX);
    }
}

SN_TEST(enc_round_trips)
{
    uint8_t data[200], back[210];
    char text[700];
    for (unsigned i = 0; i < sn_test_cases(5000); i++) {
        size_t n = sn_test_rand_below(sizeof(data) + 1);
        enum sn_base64 kind = (enum sn_base64)sn_test_rand_below(4);
        for (size_t k = 0; k < n; k++) data[k] = (uint8_t)sn_test_rand();
        size_t len = sn_base64_encode(data, n, kind, text);
        T_EQ(len, sn_base64_len(n, kind));
        T_EQ(sn_base64_decode(sn_str_of(text, len), kind, back), (ssize_t)n);
        T_EQ(memcmp(data, back, n), 0);
        T_EQ(sn_base64_decode(sn_str_of(text, len), kind, text), (ssize_t)n); /* in place */
        T_EQ(memcmp(data, text, n), 0);
        char upper[2 * sizeof(data)];
        T_EQ(sn_hex_encode_upper(data, n, upper), 2 * n);
        for (size_t k = 0; k < 2 * n; k++)
            T_EQ(sn_hex_digit(upper[k]), (k & 1 ? data[k / 2] & 15 : data[k / 2] >> 4));
        for (size_t k = 0; k < 2 * n; k++) T_ASSERT(upper[k] < 'a');
        len = sn_hex_encode(data, n, text);
        T_EQ(sn_hex_decode(sn_str_of(text, len), back), (ssize_t)n);
        T_EQ(memcmp(data, back, n), 0);
        struct sn_buf b;
        sn_buf_init(&b, 0);
        T_OK(sn_buf_pct(&b, sn_str_of((char *)data, n), (enum sn_pct)sn_test_rand_below(4)));
        T_EQ(sn_pct_decode(sn_buf_view(&b), false, text), (ssize_t)n);
        T_EQ(memcmp(data, text, n), 0);
        sn_buf_done(&b);
    }
}

SN_TEST(enc_hex_and_percent_table)
{
    char out[32];
    T_EQ(sn_hex_decode(SN_STR("00fFAb"), out), 3);
    T_EQ(memcmp(out, "\x00\xff\xab", 3), 0);
    T_EQ(sn_hex_decode(SN_STR("abc"), out), SN_E_SYNTAX);
    T_EQ(sn_hex_decode(SN_STR("0g"), out), SN_E_SYNTAX);
    T_EQ(sn_hex_decode(SN_STR("@0"), out), SN_E_SYNTAX);
    static const struct {
        enum sn_pct kind;
        const char *want;
    } rows[] = {
        {SN_PCT_SEGMENT, "a%20b%2Fc%3Fd=e&f+g%25~"},
        {SN_PCT_PATH, "a%20b/c%3Fd=e&f+g%25~"},
        {SN_PCT_QUERY, "a%20b/c?d%3De%26f%2Bg%25~"},
        {SN_PCT_UNRESERVED, "a%20b%2Fc%3Fd%3De%26f%2Bg%25~"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_buf b;
        sn_buf_init(&b, 0);
        T_OK(sn_buf_pct(&b, SN_STR("a b/c?d=e&f+g%~"), rows[i].kind));
        T_STR(sn_buf_view(&b), rows[i].want);
        sn_buf_done(&b);
    }
    T_EQ(sn_pct_decode(SN_STR("a+b%2b"), true, out), 4);
    T_EQ(memcmp(out, "a b+", 4), 0);
    static const char *const bad[] = {"%", "%1", "%zz", "a%2", "%%20", "%-1"};
    for (size_t i = 0; i < SN_COUNT_OF(bad); i++)
        T_EQ(sn_pct_decode(sn_str(bad[i]), false, out), SN_E_SYNTAX);
}

/* SPEC: RFC 3720 appendix B.4. */
SN_TEST(crc32c_known_answers_and_both_paths)
{
    uint8_t data[300] = {0};
    T_EQ(sn_crc32c(0, "123456789", 9), 0xe3069283u);
    T_EQ(sn_crc32c(0, data, 32), 0x8a9136aau);
    memset(data, 0xff, 32);
    T_EQ(sn_crc32c(0, data, 32), 0x62a8ab43u);
    for (unsigned i = 0; i < 32; i++) data[i] = (uint8_t)i;
    T_EQ(sn_crc32c_table(0, data, 32), 0x46dd794eu);
    for (unsigned i = 0; i < sn_test_cases(2000); i++) {
        size_t at = sn_test_rand_below(16), n = sn_test_rand_below(280),
               cut = sn_test_rand_below(n + 1);
        for (size_t k = 0; k < n; k++) data[at + k] = (uint8_t)sn_test_rand();
        uint32_t whole = sn_crc32c(0, data + at, n);
        T_EQ(whole, sn_crc32c_table(0, data + at, n));
        T_EQ(whole, sn_crc32c(sn_crc32c_table(0, data + at, cut), data + at + cut, n - cut));
    }
}

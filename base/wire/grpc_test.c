/* SPDX-License-Identifier: Apache-2.0 */
/* wire/grpc_test.c - the tables of the specifications, round trips, and what is refused. */
#include "wire/grpc.h"

#include "tests/harness/test.h"

SN_TEST(grpc_http_status_and_codes)
{
    /* SPEC: grpc doc/http-grpc-status-mapping.md */
    static const int rows[][2] = {{400, SN_E_INTERNAL},      {401, SN_E_UNAUTHENTICATED},
                                  {403, SN_E_PERMISSION_DENIED}, {404, SN_E_UNIMPLEMENTED},
                                  {429, SN_E_UNAVAILABLE},   {502, SN_E_UNAVAILABLE},
                                  {503, SN_E_UNAVAILABLE},   {504, SN_E_UNAVAILABLE},
                                  {418, SN_E_UNKNOWN},       {200, SN_E_UNKNOWN}};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++)
        T_EQ(sn_grpc_code_from_http(rows[i][0]), rows[i][1]);
    T_EQ(sn_grpc_code_parse(SN_STR("0")), 0);
    T_EQ(sn_grpc_code_parse(SN_STR("16")), SN_E_UNAUTHENTICATED);
    T_EQ(sn_grpc_code_parse(SN_STR("17")), SN_E_UNKNOWN);
    T_EQ(sn_grpc_code_parse(SN_STR("")), SN_E_UNKNOWN);
    T_EQ(sn_grpc_code_parse(SN_STR("-1")), SN_E_UNKNOWN);
    T_STR(sn_connect_code_name(SN_E_CANCELLED), "canceled");
    T_STR(sn_connect_code_name(SN_E_SYNTAX), "invalid_argument");
}

SN_TEST(grpc_timeouts)
{
    static const struct {
        const char *text;
        int64_t ns;
    } rows[] = {{"1n", 1},           {"99999999n", 99999999}, {"100u", 100 * SN_US},
                {"5m", 5 * SN_MS},   {"30S", 30 * SN_SEC},    {"2M", 2 * SN_MINUTE},
                {"1H", SN_HOUR},     {"0n", 0},               {"99999999H", SN_FOREVER}};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        int64_t ns;
        sn_test_row("%s", rows[i].text);
        T_OK(sn_grpc_timeout_parse(sn_str(rows[i].text), &ns));
        T_EQ(ns, rows[i].ns);
    }
    static const char *const bad[] = {"", "n", "1", "1x", "-1n", "123456789n", "1 n", "+1n", "0x1n"};
    for (size_t i = 0; i < SN_COUNT_OF(bad); i++) {
        int64_t ns;
        sn_test_row("%s", bad[i]);
        T_EQ(sn_grpc_timeout_parse(sn_str(bad[i]), &ns), SN_E_SYNTAX);
    }
    for (unsigned i = 0; i < sn_test_cases(2000); i++) {
        char text[SN_GRPC_TIMEOUT_LEN];
        int64_t ns = (int64_t)(sn_test_rand() >> (1 + sn_test_rand_below(63))), back;
        unsigned n = sn_grpc_timeout_format(ns, text);
        T_OK(sn_grpc_timeout_parse(sn_str_of(text, n), &back));
        /* Never later, and earlier by less than the unit 99999 of which do not fit the finer one. */
        T_ASSERT(back <= ns && ns - back <= ns / 99999);
    }
}

SN_TEST(grpc_messages_any_cut)
{
    struct sn_buf wire = {0};
    struct sn_grpc_in in;
    for (unsigned c = 0; c < sn_test_cases(200); c++) {
        size_t lens[8], n = 1 + sn_test_rand_below(8), got = 0, off = 0;
        sn_buf_reset(&wire);
        for (size_t i = 0; i < n; i++) {
            uint8_t p[SN_GRPC_PREFIX_LEN];
            lens[i] = sn_test_rand_below(i == 3 ? 60000 : 40);
            sn_grpc_prefix(p, i & 1, (uint32_t)lens[i]);
            sn_buf_put(&wire, p, sizeof(p));
            for (size_t k = 0; k < lens[i]; k++) sn_buf_byte(&wire, (uint8_t)(i + k));
        }
        sn_grpc_in_init(&in, 60000, SN_GRPC_COMPRESSED);
        while (off < wire.len) {
            size_t cap, step = 1 + sn_test_rand_below(c & 1 ? 3000 : 7);
            uint8_t *to = sn_grpc_in_room(&in, step, &cap);
            T_ASSERT(to && cap >= step);
            step = SN_MIN(step, wire.len - off);
            memcpy(to, wire.ptr + off, step);
            sn_grpc_in_add(&in, step);
            off += step;
            uint8_t flags;
            struct sn_str m;
            int r;
            while ((r = sn_grpc_in_next(&in, &flags, &m)) == 1) {
                T_EQ(flags, got & 1);
                T_EQ(m.len, lens[got]);
                for (size_t k = 0; k < m.len; k++) T_EQ((uint8_t)m.ptr[k], (uint8_t)(got + k));
                got++;
            }
            T_EQ(r, 0);
        }
        T_EQ(got, n);
        T_ASSERT(!sn_grpc_in_partial(&in));
        sn_grpc_in_done(&in);
    }
    sn_buf_done(&wire);
}

SN_TEST(grpc_messages_refused)
{
    struct sn_grpc_in in;
    size_t cap;
    uint8_t flags;
    struct sn_str m;
    sn_grpc_in_init(&in, 100, 0);
    memcpy(sn_grpc_in_room(&in, 5, &cap), "\0\0\0\0\x65", 5);
    sn_grpc_in_add(&in, 5);
    T_EQ(sn_grpc_in_next(&in, &flags, &m), SN_E_RESOURCE_EXHAUSTED);
    T_ASSERT(strstr(sn_diag_str(SN_E_RESOURCE_EXHAUSTED), "101 vs. 100"));
    T_ASSERT(sn_grpc_in_partial(&in));
    sn_grpc_in_done(&in);
    sn_grpc_in_init(&in, 100, SN_GRPC_COMPRESSED);
    memcpy(sn_grpc_in_room(&in, 5, &cap), "\2\0\0\0\0", 5);
    sn_grpc_in_add(&in, 5);
    T_EQ(sn_grpc_in_next(&in, &flags, &m), SN_E_INTERNAL);
    sn_grpc_in_done(&in);
}

SN_TEST(grpc_compression)
{
    struct sn_buf plain = {0}, packed = {0}, back = {0};
    for (unsigned i = 0; i < 50000; i++) sn_buf_byte(&plain, (uint8_t)(i % 7 * (i >> 9)));
    for (int e = SN_GRPC_IDENTITY; e <= SN_GRPC_DEFLATE; e++) {
        sn_buf_reset(&packed);
        sn_buf_reset(&back);
        T_OK(sn_grpc_pack((enum sn_grpc_encoding)e, sn_buf_view(&plain), &packed));
        T_OK(sn_grpc_unpack((enum sn_grpc_encoding)e, sn_buf_view(&packed), 50000, &back));
        T_ASSERT(sn_str_eq(sn_buf_view(&back), sn_buf_view(&plain)));
        T_EQ(sn_grpc_encoding_of(sn_grpc_encoding_name((enum sn_grpc_encoding)e)), e);
        if (e == SN_GRPC_IDENTITY) continue;
        T_ASSERT(packed.len < plain.len / 2);
        sn_buf_reset(&back);
        T_EQ(sn_grpc_unpack((enum sn_grpc_encoding)e, sn_buf_view(&packed), 49999, &back),
             SN_E_RESOURCE_EXHAUSTED);
        for (size_t n = 0; n < packed.len; n += 1 + packed.len / 50) {
            sn_buf_reset(&back);
            T_EQ(sn_grpc_unpack((enum sn_grpc_encoding)e, sn_str_of((char *)packed.ptr, n), 50000,
                                &back),
                 SN_E_INTERNAL);
        }
        sn_buf_byte(&packed, 0);
        sn_buf_reset(&back);
        T_EQ(sn_grpc_unpack((enum sn_grpc_encoding)e, sn_buf_view(&packed), 50000, &back),
             SN_E_INTERNAL);
    }
    T_EQ(sn_grpc_encoding_of(SN_STR("br")), SN_E_UNIMPLEMENTED);
    sn_buf_done(&plain);
    sn_buf_done(&packed);
    sn_buf_done(&back);
}

SN_TEST(grpc_message_escapes)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    /* SPEC: the interop case special_status_message. */
    struct sn_str plain = SN_STR("\t\ntest with whitespace\r\nand Unicode BMP \xe2\x98\xba and non-BMP "
                                 "\xf0\x9f\x98\x88\t\n");
    struct sn_str wire = sn_grpc_message_encode(plain, &a);
    T_STR(wire, "%09%0Atest with whitespace%0D%0Aand Unicode BMP %E2%98%BA and non-BMP "
                "%F0%9F%98%88%09%0A");
    T_ASSERT(sn_str_eq(sn_grpc_message_decode(wire, &a), plain));
    T_STR(sn_grpc_message_encode(SN_STR("100%"), &a), "100%25");
    T_STR(sn_grpc_message_decode(SN_STR("%zz%2"), &a), "%zz%2");
    T_STR(sn_grpc_message_decode(SN_STR("a%4"), &a), "a%4");
    T_STR(sn_grpc_message_decode(SN_STR("%41%"), &a), "A%");
    sn_arena_done(&a);
}

SN_TEST(grpc_metadata)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    static struct sn_http_header rows[] = {
        {SN_STR_INIT("content-type"), SN_STR_INIT("application/grpc")},
        {SN_STR_INIT("grpc-timeout"), SN_STR_INIT("1S")},
        {SN_STR_INIT("x-one"), SN_STR_INIT("1")},
        {SN_STR_INIT("x-bin"), SN_STR_INIT("AAEC, _-8=,")},
        {SN_STR_INIT("x-one"), SN_STR_INIT("2")},
    };
    struct sn_http_headers in = {.ptr = rows, .len = SN_COUNT_OF(rows)}, out;
    T_OK(sn_grpc_metadata_of(&in, &a, &out));
    T_EQ(out.len, 5);
    T_STR(out.ptr[0].value, "1");
    T_EQ(out.ptr[1].value.len, 3);
    T_ASSERT(memcmp(out.ptr[1].value.ptr, "\0\1\2", 3) == 0);
    T_EQ(out.ptr[2].value.len, 2);
    T_ASSERT(memcmp(out.ptr[2].value.ptr, "\xff\xef", 2) == 0);
    T_EQ(out.ptr[3].value.len, 0);
    rows[3].value = SN_STR("A?==");
    T_EQ(sn_grpc_metadata_of(&in, &a, &out), SN_E_SYNTAX);
    rows[3].value = SN_STR("AAEC, _-8=,");
    T_ASSERT(sn_grpc_metadata_valid(SN_STR("a-b_c.9"), SN_STR("v w")));
    T_ASSERT(!sn_grpc_metadata_valid(SN_STR("A"), SN_STR("v")));
    T_ASSERT(!sn_grpc_metadata_valid(SN_STR("a"), SN_STR("v\n")));
    T_ASSERT(!sn_grpc_metadata_valid(SN_STR("a"), SN_STR(" v")));
    T_ASSERT(sn_grpc_metadata_valid(SN_STR("a-bin"), SN_STR("\n\0")));
    for (unsigned i = 0; i < sn_test_cases(300); i++) {
        char raw[64];
        size_t n = sn_test_rand_below(sizeof(raw));
        for (size_t k = 0; k < n; k++) raw[k] = (char)sn_test_rand();
        struct sn_str back, text = sn_grpc_bin_encode(sn_str_of(raw, n), &a);
        T_OK(sn_grpc_bin_decode(text, &a, &back));
        T_ASSERT(sn_str_eq(back, sn_str_of(raw, n)));
    }
    sn_arena_done(&a);
}

SN_TEST(grpc_content_types)
{
    static const struct {
        const char *text;
        enum sn_grpc_protocol p;
        enum sn_grpc_codec c;
    } rows[] = {
        {"application/grpc", SN_GRPC_HTTP2, SN_GRPC_PROTO},
        {"application/grpc+proto", SN_GRPC_HTTP2, SN_GRPC_PROTO},
        {"Application/gRPC+JSON; q=1", SN_GRPC_HTTP2, SN_GRPC_JSON},
        {"application/grpc+thrift", SN_GRPC_HTTP2, SN_GRPC_OTHER_CODEC},
        {"application/grpc-web-text+proto", SN_GRPC_WEB_TEXT, SN_GRPC_PROTO},
        {"application/connect+json", SN_GRPC_CONNECT_STREAM, SN_GRPC_JSON},
        {"application/json;charset=utf-8", SN_GRPC_CONNECT_UNARY, SN_GRPC_JSON},
        {"application/grpcx", SN_GRPC_NONE, SN_GRPC_OTHER_CODEC},
        {"text/plain", SN_GRPC_NONE, SN_GRPC_OTHER_CODEC},
        {"", SN_GRPC_NONE, SN_GRPC_OTHER_CODEC},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        enum sn_grpc_codec c;
        sn_test_row("%s", rows[i].text);
        T_EQ(sn_grpc_content_type(sn_str(rows[i].text), &c), rows[i].p);
        T_EQ(c, rows[i].c);
    }
    T_STR(sn_grpc_content_type_name(SN_GRPC_HTTP2, SN_GRPC_PROTO), "application/grpc");
    T_STR(sn_grpc_content_type_name(SN_GRPC_WEB, SN_GRPC_PROTO), "application/grpc-web+proto");
    T_STR(sn_grpc_content_type_name(SN_GRPC_CONNECT_UNARY, SN_GRPC_JSON), "application/json");
}

SN_TEST(grpc_details)
{
    struct sn_buf d = {0}, s = {0};
    sn_grpc_detail_put(&d, SN_STR("x.Y"), SN_STR("\x08\x01"));
    sn_grpc_details_put(&s, 5, SN_STR("no"), sn_buf_view(&d));
    static const char want[] = "\x08\x05\x12\x02no\x1a\x1d\x0a\x17type.googleapis.com/x.Y\x12\x02\x08\x01";
    T_EQ(s.len, sizeof(want) - 1);
    T_ASSERT(memcmp(s.ptr, want, s.len) == 0);
    sn_buf_done(&d);
    sn_buf_done(&s);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/json.h"

#include <math.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "core/status.h"
#include "harness/test.h"

static int parse(struct sn_arena *a, const char *text, const struct sn_json **ret)
{
    return sn_json_parse(a, sn_str(text), NULL, ret);
}

static const struct sn_json *must(struct sn_arena *a, const char *text)
{
    const struct sn_json *v = NULL;
    int r = parse(a, text, &v);
    T_ASSERTF(r == 0, "%s: %s", text, sn_diag_str(r));
    return v;
}

static void text_is(const struct sn_json *v, const struct sn_json_style *st, const char *want)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    T_OK(sn_json_write(&b, v, st));
    T_CSTR(sn_buf_cz(&b), want);
    sn_buf_done(&b);
}

SN_TEST(json_accepts_and_rewrites)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"null", "null"}, {" true ", "true"}, {"false\n", "false"}, {"0", "0"}, {"-1", "-1"},
        {"-0", "-0.0"}, {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"9223372036854775808", "9223372036854775808"},
        {"18446744073709551615", "18446744073709551615"},
        {"18446744073709551616", "18446744073709551616"},
        {"-9223372036854775809", "-9223372036854775809"},
        {"123456789012345678901234567890", "123456789012345678901234567890"},
        {"1.5", "1.5"}, {"1e0", "1.0"}, {"1E2", "100.0"}, {"1.25e+3", "1250.0"}, {"1e-7", "1e-7"},
        {"0.1", "0.1"}, {"1e21", "1e+21"}, {"123456789.123456789", "123456789.12345679"},
        {"5e-324", "5e-324"}, {"1.7976931348623157e308", "1.7976931348623157e+308"},
        {"2.2250738585072014e-308", "2.2250738585072014e-308"}, {"1e-400", "0.0"},
        {"0.30000000000000004", "0.30000000000000004"},
        {"\"\"", "\"\""}, {"\"a\\u0041\\n\"", "\"aA\\n\""}, {"\"\\/\"", "\"/\""},
        {"\"\\u0000\"", "\"\\u0000\""}, {"\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\""},
        {"\"\xc3\xa9\"", "\"\xc3\xa9\""}, {"\"\x7f\"", "\"\x7f\""},
        {"[]", "[]"}, {"[ ]", "[]"}, {"{}", "{}"}, {"{ }", "{}"},
        {"[1,2 , 3]", "[1,2,3]"}, {"[[],{}]", "[[],{}]"},
        {"{\"a\":{\"b\":[1]},\"c\":null}", "{\"a\":{\"b\":[1]},\"c\":null}"},
        {"{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}"}, {"{\"\":0}", "{\"\":0}"},
        {"\t[\r\n                              1\n]", "[1]"},
        {"\"0123456789abcdef0123456789\\\\\"", "\"0123456789abcdef0123456789\\\\\""},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        sn_test_row("%s", rows[i].in);
        sn_arena_init(&a, NULL, 0);
        text_is(must(&a, rows[i].in), NULL, rows[i].out);
        sn_arena_done(&a);
    }
}

SN_TEST(json_refuses_with_a_place)
{
    static const struct {
        const char *in;
        int code;
        const char *message;
    } rows[] = {
        {"", SN_E_SYNTAX, "1:1: expected a value, got the end of the text"},
        {"  ", SN_E_SYNTAX, "1:3: expected a value, got the end of the text"},
        {"nul", SN_E_SYNTAX, "1:4: expected null, got the end of the text"},
        {"nulL", SN_E_SYNTAX, "1:4: expected null, got 'L'"},
        {"True", SN_E_SYNTAX, "1:1: expected a value, got 'T'"},
        {"[1,]", SN_E_SYNTAX, "1:4: expected a value, got ']'"},
        {"[1 2]", SN_E_SYNTAX, "1:4: expected ',' or ']' after an element, got '2'"},
        {"[1", SN_E_SYNTAX, "1:3: expected ',' or ']' after an element, got the end of the text"},
        {"[", SN_E_SYNTAX, "1:2: expected a value, got the end of the text"},
        {"]", SN_E_SYNTAX, "1:1: expected a value, got ']'"},
        {"[1}", SN_E_SYNTAX, "1:3: expected ',' or ']' after an element, got '}'"},
        {"{\"a\":1,}", SN_E_SYNTAX, "1:8: expected a key in '\"', got '}'"},
        {"{\"a\" 1}", SN_E_SYNTAX, "1:6: expected ':' after a key, got '1'"},
        {"{a:1}", SN_E_SYNTAX, "1:2: expected a key in '\"', got 'a'"},
        {"{\"a\":1\n \"b\":2}", SN_E_SYNTAX, "2:2: expected ',' or '}' after a member, got '\"'"},
        {"{\"a\":}", SN_E_SYNTAX, "1:6: expected a value, got '}'"},
        {"{\"a\"", SN_E_SYNTAX, "1:5: expected ':' after a key, got the end of the text"},
        {"01", SN_E_SYNTAX, "1:2: expected no digits after a leading zero, got '1'"},
        {"-", SN_E_SYNTAX, "1:2: expected a digit, got the end of the text"},
        {"+1", SN_E_SYNTAX, "1:1: expected a value, got '+'"},
        {".5", SN_E_SYNTAX, "1:1: expected a value, got '.'"},
        {"1.", SN_E_SYNTAX,
         "1:3: expected a digit after the decimal point, got the end of the text"},
        {"1e", SN_E_SYNTAX, "1:3: expected a digit in the exponent, got the end of the text"},
        {"1e+", SN_E_SYNTAX, "1:4: expected a digit in the exponent, got the end of the text"},
        {"0x1", SN_E_SYNTAX, "1:2: expected nothing after the value, got 'x'"},
        {"NaN", SN_E_SYNTAX, "1:1: expected a value, got 'N'"},
        {"1e400", SN_E_OUT_OF_RANGE, "1:1: the number is beyond the range of a double"},
        {"-1e400", SN_E_OUT_OF_RANGE, "1:1: the number is beyond the range of a double"},
        {"\"a", SN_E_SYNTAX,
         "1:3: expected '\"' at the end of the string, got the end of the text"},
        {"\"a\nb\"", SN_E_SYNTAX,
         "1:3: expected control characters to be escaped in a string, got byte 0x0a"},
        {"\"\\x\"", SN_E_SYNTAX, "1:3: expected one of \"\\/bfnrtu after a backslash, got 'x'"},
        {"\"\\", SN_E_SYNTAX,
         "1:3: expected one of \"\\/bfnrtu after a backslash, got the end of the text"},
        {"\"\\u12g4\"", SN_E_SYNTAX, "1:6: expected four hexadecimal digits after \\u, got 'g'"},
        {"\"\\ud800\"", SN_E_SYNTAX, "1:2: a high surrogate without a low one after it"},
        {"\"\\ud800\\u0041\"", SN_E_SYNTAX, "1:2: a high surrogate without a low one after it"},
        {"\"\\udc00\"", SN_E_SYNTAX, "1:2: a low surrogate without a high one before it"},
        {"\"\xff\"", SN_E_SYNTAX, "1:2: the string is not valid UTF-8"},
        {"\"\xc0\x80\"", SN_E_SYNTAX, "1:2: the string is not valid UTF-8"},
        {"\"\xed\xa0\x80\"", SN_E_SYNTAX, "1:2: the string is not valid UTF-8"},
        {"\"\\n\xff\"", SN_E_SYNTAX, "1:2: the string is not valid UTF-8"},
        {"\xef\xbb\xbf{}", SN_E_SYNTAX, "1:1: expected a value, got byte 0xef"},
        {"1 // one", SN_E_SYNTAX, "1:3: expected nothing after the value, got '/'"},
        {"[1]x", SN_E_SYNTAX, "1:4: expected nothing after the value, got 'x'"},
        {"'a'", SN_E_SYNTAX, "1:1: expected a value, got '''"},
        {"[\"\xc3\xa9\xc3\xa9\" 1]", SN_E_SYNTAX,
         "1:7: expected ',' or ']' after an element, got '1'"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        sn_test_row("%s", rows[i].in);
        sn_arena_init(&a, NULL, 0);
        const struct sn_json *v = NULL;
        int r = parse(&a, rows[i].in, &v);
        T_EQ(r, rows[i].code);
        T_CSTR(sn_diag_str(r), rows[i].message);
        T_ASSERT(!v);
        sn_arena_done(&a);
    }
}

SN_TEST(json_nul_inside_text_is_refused)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    const struct sn_json *v;
    T_EQ(sn_json_parse(&a, sn_str_of("1\0", 2), NULL, &v), SN_E_SYNTAX);
    T_EQ(sn_json_parse(&a, sn_str_of("[\0]", 3), NULL, &v), SN_E_SYNTAX);
    T_EQ(sn_json_parse(&a, sn_str_of("\"\0\"", 3), NULL, &v), SN_E_SYNTAX);
    T_EQ(sn_json_parse(&a, sn_str_of("[1\0", 3), NULL, &v), SN_E_SYNTAX);
    T_EQ(sn_json_parse(&a, (struct sn_str){0}, NULL, &v), SN_E_SYNTAX);
    sn_arena_done(&a);
}

SN_TEST(json_limits_hold)
{
    struct sn_arena a;
    struct sn_buf b;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&b, 0);
    const struct sn_json *v = NULL;
    for (unsigned n = 126; n <= 130; n++) {
        for (int object = 0; object < 2; object++) {
            sn_buf_reset(&b);
            for (unsigned i = 0; i < n; i++) sn_buf_cstr(&b, object ? "{\"k\":" : "[");
            sn_buf_cstr(&b, "1");
            for (unsigned i = 0; i < n; i++) sn_buf_byte(&b, object ? '}' : ']');
            T_EQ(sn_json_parse(&a, sn_buf_view(&b), NULL, &v), n <= 128 ? 0 : SN_E_DEPTH);
        }
    }
    /* A bomb of a million brackets costs what the limit allows. */
    sn_buf_reset(&b);
    for (unsigned i = 0; i < 1000000; i++) sn_buf_byte(&b, '[');
    T_EQ(sn_json_parse(&a, sn_buf_view(&b), NULL, &v), SN_E_DEPTH);
    struct sn_json_opts deep = {.depth_max = 100000};
    T_EQ(sn_json_parse(&a, sn_buf_view(&b), &deep, &v), SN_E_DEPTH);

    struct sn_json_error e;
    struct sn_json_opts small = {.bytes_max = 4, .error = &e};
    T_EQ(sn_json_parse(&a, SN_STR("[1,2]"), &small, &v), SN_E_TOO_LARGE);
    T_EQ(sn_json_parse(&a, SN_STR("[1] "), &small, &v), 0);
    struct sn_json_opts where = {.error = &e};
    T_EQ(sn_json_parse(&a, SN_STR("[1,\n  2,\n  x]"), &where, &v), SN_E_SYNTAX);
    T_EQ(e.line, 3);
    T_EQ(e.column, 3);
    T_EQ(e.offset, 11);

    struct sn_arena tiny;
    sn_arena_init(&tiny, NULL, 2048);
    sn_buf_reset(&b);
    sn_buf_cstr(&b, "[0");
    for (int i = 0; i < 1000; i++) sn_buf_cstr(&b, ",0");
    sn_buf_cstr(&b, "]");
    T_EQ(sn_json_parse(&tiny, sn_buf_view(&b), NULL, &v), SN_E_NOMEM);
    sn_arena_done(&tiny);
    sn_buf_done(&b);
    sn_arena_done(&a);
}

SN_TEST(json_repeated_keys)
{
    struct sn_arena a;
    struct sn_buf b;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&b, 0);
    const struct sn_json *v;
    struct sn_json_opts strict = {.dup = SN_JSON_DUP_ERROR};
    int r = sn_json_parse(&a, SN_STR("{\"a\":1,\n \"b\":2, \"a\":3}"), &strict, &v);
    T_EQ(r, SN_E_ALREADY_EXISTS);
    T_CSTR(sn_diag_str(r), "2:9: key \"a\" is repeated");
    T_EQ(sn_json_parse(&a, SN_STR("{\"a\":1,\"\\u0061\":2}"), &strict, &v), SN_E_ALREADY_EXISTS);
    T_EQ(sn_json_parse(&a, SN_STR("[{\"a\":1},{\"a\":2}]"), &strict, &v), 0);
    /* Every size around the change from filter to table, repeated at every distance. */
    for (unsigned n = 1; n < 200; n += n < 80 ? 1 : 37) {
        for (unsigned again = 0; again < n; again += 1 + n / 7) {
            sn_test_row("%u members, %u repeated", n, again);
            sn_buf_reset(&b);
            for (unsigned i = 0; i <= n; i++)
                sn_buf_printf(&b, "%c\"key%u\":%u", i ? ',' : '{', i < n ? i : again, i);
            sn_buf_byte(&b, '}');
            T_EQ(sn_json_parse(&a, sn_buf_view(&b), &strict, &v), SN_E_ALREADY_EXISTS);
            T_OK(sn_json_parse(&a, sn_buf_view(&b), NULL, &v));
            T_EQ(sn_json_len(v), n);
            for (unsigned i = 0; i < n; i++) {
                char key[16];
                snprintf(key, sizeof(key), "key%u", i);
                T_EQ(sn_json_i64_or(sn_json_get(v, key), -1), i == again ? n : i);
            }
        }
    }
    sn_buf_done(&b);
    sn_arena_done(&a);
}

SN_TEST(json_getters)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    const struct sn_json *v =
        must(&a, "{\"i\":-5,\"u\":18446744073709551615,\"d\":2.5,\"w\":3.0,"
                 "\"s\":\"x\",\"t\":true,\"big\":1e300,\"huge\":"
                 "99999999999999999999,\"l\":[1,[2,{\"k\":\"v\"}]],\"n\":null}");
    int64_t i = 0;
    uint64_t u = 0;
    double d = 0;
    bool t = false;
    struct sn_str s = {0};
    T_OK(sn_json_to_i64(sn_json_get(v, "i"), &i));
    T_EQ(i, -5);
    T_EQ(sn_json_to_u64(sn_json_get(v, "i"), &u), SN_E_OUT_OF_RANGE);
    T_OK(sn_json_to_u64(sn_json_get(v, "u"), &u));
    T_ASSERT(u == UINT64_MAX);
    T_EQ(sn_json_to_i64(sn_json_get(v, "u"), &i), SN_E_OUT_OF_RANGE);
    T_EQ(sn_json_to_i64(sn_json_get(v, "d"), &i), SN_E_OUT_OF_RANGE);
    T_OK(sn_json_to_i64(sn_json_get(v, "w"), &i));
    T_EQ(i, 3);
    T_EQ(sn_json_to_i64(sn_json_get(v, "big"), &i), SN_E_OUT_OF_RANGE);
    T_EQ(sn_json_to_i64(sn_json_get(v, "huge"), &i), SN_E_OUT_OF_RANGE);
    T_OK(sn_json_to_double(sn_json_get(v, "huge"), &d));
    T_ASSERT(d == 1e20);
    T_EQ(sn_json_to_i64(sn_json_get(v, "s"), &i), SN_E_INVALID_ARGUMENT);
    T_EQ(sn_json_to_i64(sn_json_get(v, "none"), &i), SN_E_NOT_FOUND);
    T_OK(sn_json_to_bool(sn_json_get(v, "t"), &t));
    T_ASSERT(t);
    T_OK(sn_json_to_str(sn_json_get(v, "s"), &s));
    T_STR(s, "x");
    T_ASSERT(!sn_json_get(sn_json_get(sn_json_get(v, "x"), "y"), "z"));
    T_ASSERT(!sn_json_get(sn_json_get(v, "l"), "k"));
    T_STR(sn_json_str(sn_json_path(v, "l.1.1.k")), "v");
    T_ASSERT(!sn_json_path(v, "l.1.2.k"));
    T_ASSERT(!sn_json_path(v, "l.01"));
    T_ASSERT(sn_json_path(v, "") == v);
    int64_t sum = 0;
    for (SN_JSON_EACH(sn_json_get(v, "l"), it)) sum += sn_json_i64_or(it, 100);
    T_EQ(sum, 101);
    unsigned members = 0;
    for (SN_JSON_MEMBERS(v, m)) members += m->key.len > 0;
    T_EQ(members, 10);
    for (SN_JSON_EACH(v, it)) sn_test_fail(__FILE__, __LINE__, "an object has no elements");
    sn_arena_done(&a);
}

/* SPEC: RFC 6901 section 5, its own table. */
SN_TEST(json_pointer)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    const struct sn_json *v =
        must(&a, "{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,"
                 "\"g|h\":4,\"i\\\\j\":5,\"k\\\"l\":6,\" \":7,\"m~n\":8}");
    static const struct {
        const char *pointer;
        int64_t want;
    } rows[] = {
        {"/", 0}, {"/a~1b", 1}, {"/c%d", 2}, {"/e^f", 3}, {"/g|h", 4}, {"/i\\j", 5}, {"/k\"l", 6},
        {"/ ", 7}, {"/m~0n", 8},
        {"/foo/2", -1}, {"/foo/-", -1}, {"/foo/00", -1}, {"foo", -1}, {"/m~2n", -1}, {"/m~", -1},
        {"/foo/0/x", -1}, {"/foo/18446744073709551616", -1}, {"/a~1", -1}, {"/a~1bc", -1},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].pointer);
        T_EQ(sn_json_i64_or(sn_json_pointer(v, sn_str(rows[i].pointer)), -1), rows[i].want);
    }
    T_ASSERT(sn_json_pointer(v, SN_STR("")) == v);
    T_EQ(sn_json_len(sn_json_pointer(v, SN_STR("/foo"))), 2);
    T_STR(sn_json_str(sn_json_pointer(v, SN_STR("/foo/0"))), "bar");
    sn_arena_done(&a);
}

/* SPEC: RFC 7396 appendix A, its own table. */
SN_TEST(json_merge_patch)
{
    static const struct {
        const char *target, *patch, *want;
    } rows[] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
        {"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
        {"{\"a\":\"foo\"}", "null", "null"},
        {"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        sn_test_row("%s + %s", rows[i].target, rows[i].patch);
        sn_arena_init(&a, NULL, 0);
        const struct sn_json *t = must(&a, rows[i].target);
        struct sn_json out;
        T_OK(sn_json_merge(&a, t, must(&a, rows[i].patch), &out));
        text_is(&out, NULL, rows[i].want);
        text_is(t, NULL, rows[i].target); /* the target is as it was */
        sn_arena_done(&a);
    }
}

SN_TEST(json_equality)
{
    static const struct {
        const char *a, *b;
        bool eq;
    } rows[] = {
        {"1", "1.0", true},
        {"1", "1e0", true},
        {"0", "-0", true},
        {"1", "1.5", false},
        {"9007199254740993", "9007199254740992.0", false},
        {"18446744073709551615", "18446744073709551615", true},
        {"18446744073709551615", "-1", false},
        {"9223372036854775807", "9.223372036854775807e18", false},
        {"99999999999999999999", "99999999999999999999", true},
        {"99999999999999999999", "1e20", false},
        {"1", "true", false},
        {"1", "\"1\"", false},
        {"null", "false", false},
        {"\"a\"", "\"\\u0061\"", true},
        {"[1,2]", "[2,1]", false},
        {"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", true},
        {"{\"a\":1}", "{\"a\":1,\"b\":2}", false},
        {"{\"a\":1,\"b\":2}", "{\"a\":1,\"c\":2}", false},
        {"[]", "{}", false},
        {"[]", "[]", true},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        sn_test_row("%s = %s", rows[i].a, rows[i].b);
        sn_arena_init(&a, NULL, 0);
        const struct sn_json *x = must(&a, rows[i].a), *y = must(&a, rows[i].b);
        T_EQ(sn_json_eq(x, y), rows[i].eq);
        T_EQ(sn_json_eq(y, x), rows[i].eq);
        T_ASSERT(sn_json_eq(x, x));
        sn_arena_done(&a);
    }
    T_ASSERT(sn_json_eq(NULL, NULL));
}

SN_TEST(json_build_and_change)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    struct sn_json o = sn_json_object();
    T_ASSERT(sn_json_set(&a, &o, SN_STR("name"), sn_json_cstr("web")));
    struct sn_json *ports = sn_json_set(&a, &o, SN_STR("ports"), sn_json_array());
    T_ASSERT(ports);
    for (int i = 0; i < 9; i++) T_ASSERT(sn_json_push(&a, ports, sn_json_i64(8080 + i)));
    T_ASSERT(sn_json_set(&a, &o, SN_STR("up"), sn_json_bool(true)));
    T_ASSERT(sn_json_set(&a, &o, SN_STR("name"), sn_json_cstr("api")));
    T_ASSERT(sn_json_set(&a, &o, SN_STR("bad"), sn_json_double(NAN)));
    text_is(&o, NULL, "{\"name\":\"api\",\"ports\":[8080,8081,8082,8083,8084,8085,8086,8087,8088],"
                      "\"up\":true,\"bad\":null}");
    T_ASSERT(sn_json_del(&o, SN_STR("ports")));
    T_ASSERT(!sn_json_del(&o, SN_STR("ports")));
    text_is(&o, &(struct sn_json_style){.indent = 2},
            "{\n  \"name\": \"api\",\n  \"up\": true,\n  \"bad\": null\n}");
    text_is(&o, &(struct sn_json_style){.sort_keys = true},
            "{\"bad\":null,\"name\":\"api\",\"up\":true}");

    /* A push into a shared, parsed container copies: the original keeps its elements. */
    const struct sn_json *parsed = must(&a, "[1,2]");
    struct sn_json more = *parsed;
    T_ASSERT(sn_json_push(&a, &more, sn_json_i64(3)));
    text_is(parsed, NULL, "[1,2]");
    text_is(&more, NULL, "[1,2,3]");

    struct sn_json copy;
    char text[] = "{\"k\":[\"borrowed\"]}";
    const struct sn_json *borrowed = must(&a, text);
    T_OK(sn_json_clone(&a, borrowed, &copy));
    memset(text, 'x', sizeof(text) - 1);
    text_is(&copy, NULL, "{\"k\":[\"borrowed\"]}");
    sn_arena_done(&a);
}

SN_TEST(json_writer_calls)
{
    struct sn_buf b;
    struct sn_jsonw w;
    sn_buf_init(&b, 0);
    for (int indent = 0; indent <= 2; indent += 2) {
        sn_buf_reset(&b);
        sn_jsonw_init(&w, &b, &(struct sn_json_style){.indent = (uint8_t)indent});
        sn_jsonw_object(&w);
        sn_jsonw_kstr(&w, "s", SN_STR("a\"b"));
        sn_jsonw_key(&w, SN_STR("l"));
        sn_jsonw_array(&w);
        sn_jsonw_i64(&w, -1);
        sn_jsonw_u64(&w, UINT64_MAX);
        sn_jsonw_array(&w);
        sn_jsonw_array_end(&w);
        sn_jsonw_null(&w);
        sn_jsonw_array_end(&w);
        sn_jsonw_kdouble(&w, "d", 0.25);
        sn_jsonw_kbool(&w, "b", false);
        sn_jsonw_key(&w, SN_STR("r"));
        sn_jsonw_raw(&w, SN_STR("{}"));
        sn_jsonw_object_end(&w);
        T_CSTR(sn_buf_cz(&b),
               indent ? "{\n  \"s\": \"a\\\"b\",\n  \"l\": [\n    -1,\n    18446744073709551615,\n "
                        "   [],\n"
                        "    null\n  ],\n  \"d\": 0.25,\n  \"b\": false,\n  \"r\": {}\n}"
                      : "{\"s\":\"a\\\"b\",\"l\":[-1,18446744073709551615,[],null],\"d\":0.25,"
                        "\"b\":false,"
                        "\"r\":{}}");
    }
    sn_buf_done(&b);
}

SN_TEST(json_strings_written_are_always_valid)
{
    static const struct {
        const char *in, *out, *html;
    } rows[] = {
        {"</script>", "\"</script>\"", "\"\\u003c/script\\u003e\""},
        {"a&b", "\"a&b\"", "\"a\\u0026b\""},
        {"\xe2\x80\xa8", "\"\xe2\x80\xa8\"", "\"\\u2028\""},
        {"\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\"", "\"\\u0001\\u001f\x7f\""},
        {"\xff", "\"\xef\xbf\xbd\"", "\"\xef\xbf\xbd\""},
        {"a\xc3", "\"a\xef\xbf\xbd\"", "\"a\xef\xbf\xbd\""},
        {"\xc3(", "\"\xef\xbf\xbd(\"", "\"\xef\xbf\xbd(\""},
        {"0123456789abcdef\"0123456789abcdef\\", "\"0123456789abcdef\\\"0123456789abcdef\\\\\"",
         "\"0123456789abcdef\\\"0123456789abcdef\\\\\""},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_json v = sn_json_cstr(rows[i].in);
        sn_test_row("%s", rows[i].in);
        text_is(&v, NULL, rows[i].out);
        text_is(&v, &(struct sn_json_style){.html = true}, rows[i].html);
    }
}

/* ---- properties ---- */

static double random_double(void)
{
    for (;;) {
        double d;
        uint64_t bits = sn_test_rand();
        switch (sn_test_rand_below(5)) {
        case 0: d = (double)(int64_t)bits; break;
        case 1: d = (double)(bits % 1000000) / 1000; break;
        case 2: d = (double)(bits % 100000000000ull) / 1e7; break;
        case 3: bits &= 0x800fffffffffffffull; memcpy(&d, &bits, 8); break; /* subnormal */
        default: memcpy(&d, &bits, 8); break;
        }
        if (isfinite(d)) return d;
    }
}

static struct sn_str random_string(struct sn_arena *a)
{
    size_t n = sn_test_rand_below(sn_test_rand_below(4) ? 12 : 80), len = 0;
    char *p = sn_arena_alloc(a, n * 4 + 1);
    T_ASSERT(p);
    for (size_t i = 0; i < n; i++) {
        uint32_t cp = (uint32_t)sn_test_rand_below(0x60) + 0x20;
        switch (sn_test_rand_below(10)) {
        case 0: cp = (uint32_t)sn_test_rand_below(0x20); break;
        case 1: cp = (uint32_t)sn_test_rand_below(0xd800); break;
        case 2: cp = 0xe000 + (uint32_t)sn_test_rand_below(0x102000); break;
        default: break;
        }
        len += sn_utf8_put(cp, p + len);
    }
    return sn_str_of(p, len);
}

static struct sn_json random_value(struct sn_arena *a, unsigned depth)
{
    struct sn_json v;
    switch (sn_test_rand_below(depth ? 9 : 7)) {
    case 0: return sn_json_null();
    case 1: return sn_json_bool(sn_test_rand() & 1);
    case 2: return sn_json_i64((int64_t)sn_test_rand() >> sn_test_rand_below(64));
    case 3: return sn_json_u64(sn_test_rand());
    case 4: return sn_json_double(random_double());
    case 5:
        v = sn_json_string(SN_STR("123456789012345678901234567890"));
        v.kind = SN_JSON_BIGINT;
        return v;
    case 6: return sn_json_string(random_string(a));
    case 7:
        v = sn_json_array();
        for (uint64_t n = sn_test_rand_below(7); n > 0; n--)
            T_ASSERT(sn_json_push(a, &v, random_value(a, depth - 1)));
        return v;
    default:
        v = sn_json_object();
        for (uint64_t n = sn_test_rand_below(7); n > 0; n--)
            T_ASSERT(sn_json_set(a, &v, random_string(a), random_value(a, depth - 1)));
        return v;
    }
}

/* Stronger than sn_json_eq: the kinds are the same too. */
static bool same(const struct sn_json *x, const struct sn_json *y)
{
    if (x->kind != y->kind) return false;
    if (x->kind == SN_JSON_DOUBLE) return memcmp(&x->d, &y->d, 8) == 0;
    if (x->kind == SN_JSON_ARRAY) {
        if (x->len != y->len) return false;
        for (uint32_t i = 0; i < x->len; i++)
            if (!same(&x->items[i], &y->items[i])) return false;
        return true;
    }
    if (x->kind == SN_JSON_OBJECT) {
        if (x->len != y->len) return false;
        for (uint32_t i = 0; i < x->len; i++)
            if (!same(&x->members[i].key, &y->members[i].key) ||
                !same(&x->members[i].value, &y->members[i].value))
                return false;
        return true;
    }
    return sn_json_eq(x, y);
}

SN_TEST_SLOW(json_reads_back_what_it_writes, 60)
{
    static const struct sn_json_style styles[] = {{0},
                                                  {.indent = 2},
                                                  {.html = true},
                                                  {.indent = 7}};
    unsigned cases = sn_test_cases(3000);
    struct sn_buf b;
    sn_buf_init(&b, 0);
    for (unsigned i = 0; i < cases; i++) {
        struct sn_arena a;
        sn_arena_init(&a, NULL, 0);
        struct sn_json v = random_value(&a, 5);
        for (size_t s = 0; s < SN_COUNT_OF(styles); s++) {
            sn_buf_reset(&b);
            T_OK(sn_json_write(&b, &v, &styles[s]));
            const struct sn_json *back = NULL;
            int r = sn_json_parse(&a, sn_buf_view(&b), NULL, &back);
            T_ASSERTF(r == 0, "%s in %s", sn_diag_str(r), sn_buf_cz(&b));
            T_ASSERTF(same(&v, back) && sn_json_eq(&v, back), "changed: %s", sn_buf_cz(&b));
        }
        sn_arena_done(&a);
    }
    sn_buf_done(&b);
}

/* That `d` survives, and that no shorter text does. */
static void check_double(double d)
{
    char mem[64], z[64], shorter[40];
    struct sn_buf b;
    struct sn_arena a;
    const struct sn_json *v;
    double back;
    int digits = 0, last = 0; /* `last`: digits up to the last that is not 0 */
    sn_buf_init_fixed(&b, mem, sizeof(mem));
    T_OK(sn_json_write_double(&b, d));
    T_OK(sn_str_cz(sn_buf_view(&b), z, sizeof(z)));
    T_ASSERTF(strtod(z, NULL) == d, "%.17g was written as %s", d, z);
    for (const char *p = z; *p && *p != 'e'; p++) {
        if (*p < '0' || *p > '9' || (*p == '0' && digits == 0)) continue;
        digits++;
        if (*p != '0') last = digits;
    }
    if (last > 1) {
        snprintf(shorter, sizeof(shorter), "%.*e", last - 2, d);
        T_ASSERTF(strtod(shorter, NULL) != d, "%s is shorter than %s", shorter, z);
    }
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_json_parse(&a, sn_buf_view(&b), NULL, &v));
    T_OK(sn_json_to_double(v, &back));
    T_ASSERTF(memcmp(&back, &d, 8) == 0, "%.17g came back as %.17g", d, back);
    sn_arena_done(&a);
}

SN_TEST_SLOW(json_doubles_survive_and_are_short, 60)
{
    unsigned cases = sn_test_cases(200000);
    for (unsigned i = 0; i < cases; i++) check_double(random_double());
    /* Every power of two, whose lower neighbour is nearer, and of ten, with what is beside them. */
    for (int e = -1074; e <= 1023; e++) {
        double d = ldexp(1, e);
        check_double(d);
        check_double(nextafter(d, 0) > 0 ? nextafter(d, 0) : d);
        check_double(nextafter(d, INFINITY));
    }
    for (int e = -323; e <= 308; e++) {
        char text[16];
        snprintf(text, sizeof(text), "1e%d", e);
        double d = strtod(text, NULL);
        check_double(d);
        check_double(nextafter(d, INFINITY));
        if (d > 5e-324) check_double(nextafter(d, 0));
    }
}

/* Digits of every length and exponent, against strtod: the 64-bit path must round as it does. */
SN_TEST_SLOW(json_numbers_are_rounded_correctly, 60)
{
    unsigned cases = sn_test_cases(200000);
    for (unsigned i = 0; i < cases; i++) {
        char text[64];
        int n = 0;
        uint64_t digits = sn_test_rand() >> sn_test_rand_below(60);
        int exp = (int)sn_test_rand_below(70) - 35;
        if (sn_test_rand_below(4) == 0) { /* next to a midpoint between two doubles */
            double d = (double)(digits | 1ull << 60);
            n = snprintf(text, sizeof(text), "%.0f.5e%d", d, exp);
        } else {
            n = snprintf(text, sizeof(text), "%llu.%03ue%d", (unsigned long long)digits,
                         (unsigned)sn_test_rand_below(1000), exp);
        }
        struct sn_arena a;
        const struct sn_json *v;
        double got;
        sn_arena_init(&a, NULL, 0);
        T_OK(sn_json_parse(&a, sn_str_of(text, (size_t)n), NULL, &v));
        T_OK(sn_json_to_double(v, &got));
        T_ASSERTF(got == strtod(text, NULL), "%s was read as %.17g", text, got);
        sn_arena_done(&a);
    }
}

SN_TEST(json_parse_next_walks_a_stream)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    struct sn_str text = SN_STR("{\"a\":1}\n[2] 3\n\"x\"true\n");
    const struct sn_json *v;
    unsigned n = 0;
    int r;
    while ((r = sn_json_parse_next(&a, &text, NULL, &v)) == 0) n++;
    T_EQ(r, SN_E_EOF);
    T_EQ(n, 5);
    text = SN_STR("[1] [2");
    T_OK(sn_json_parse_next(&a, &text, NULL, &v));
    T_EQ(sn_json_parse_next(&a, &text, NULL, &v), SN_E_SYNTAX);
    T_STR(text, " [2");
    sn_arena_done(&a);
}

/* Every prefix of a text fails or succeeds cleanly, whatever lies behind the end. */
SN_TEST(json_truncations)
{
    static const char whole[] =
        "{\"key\": [1, -2.5e10, true, \"\\u00e9\\ud83d\\ude00 and more text\"],"
        " \"o\": {\"n\": null}, \"s\": \"0123456789abcdef\"}";
    for (size_t n = 0; n < sizeof(whole) - 1; n++) {
        struct sn_arena a;
        sn_arena_init(&a, NULL, 0);
        const struct sn_json *v;
        char *exact = sn_alloc(n);
        T_ASSERT(exact);
        memcpy(exact, whole, n);
        sn_test_row("%zu bytes", n);
        T_EQ(sn_json_parse(&a, sn_str_of(exact, n), NULL, &v), SN_E_SYNTAX);
        sn_free(exact);
        sn_arena_done(&a);
    }
}

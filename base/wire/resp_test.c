/* SPDX-License-Identifier: Apache-2.0 */
/* wire/resp_test.c - every type, every cut, every limit. */
#include "wire/resp.h"

#include <math.h>

#include "harness/test.h"

static struct sn_arena arena;
static struct sn_resp parse(const char *text)
{
    struct sn_resp v;
    sn_arena_done(&arena);
    ssize_t n = sn_resp_parse(sn_str(text), &arena, &v);
    T_ASSERTF(n == (ssize_t)strlen(text), "%zd of %s", n, text);
    return v;
}

SN_TEST(resp_types)
{
    T_STR(parse("+OK\r\n").str, "OK");
    T_STR(parse("$5\r\nab\r\nc\r\n").str, "ab\r\nc");
    T_STR(parse("=7\r\ntxt:abc\r\n").str, "abc");
    T_EQ(parse("-ERR x\r\n").type, SN_RESP_ERROR);
    T_STR(parse("!5\r\nERR y\r\n").str, "ERR y");
    T_EQ(parse(":-42\r\n").i, -42);
    T_EQ(parse(":+42\r\n").i, 42);
    T_EQ(parse("#t\r\n").i, 1);
    T_EQ(parse("$-1\r\n").type, SN_RESP_NULL);
    T_EQ(parse("*-1\r\n").type, SN_RESP_NULL);
    T_EQ(parse("_\r\n").type, SN_RESP_NULL);
    T_ASSERT(parse(",1.5\r\n").d == 1.5);
    T_ASSERT(isinf(parse(",-inf\r\n").d) && isnan(parse(",nan\r\n").d));
    T_STR(parse("(-123456789012345678901234567890\r\n").str, "-123456789012345678901234567890");
    T_EQ(parse("*0\r\n").n, 0);
    struct sn_resp m = parse("%2\r\n+a\r\n:1\r\n+b\r\n*2\r\n$1\r\nx\r\n~1\r\n#f\r\n");
    T_EQ(m.type, SN_RESP_MAP);
    T_EQ(sn_resp_find(&m, SN_STR("a"))->i, 1);
    T_EQ(sn_resp_find(&m, SN_STR("b"))->items[1].type, SN_RESP_SET);
    T_ASSERT(!sn_resp_find(&m, SN_STR("c")));
    T_EQ(parse("|1\r\n+ttl\r\n:3\r\n*1\r\n|0\r\n:7\r\n").items[0].i, 7);
    sn_arena_done(&arena);
}

SN_TEST(resp_refused)
{
    static const char *const rows[] = {"?x\r\n", "\r\n", "+a\n", "+a\rb\n", ":x\r\n", ":\r\n", "$-2\r\n", "$x\r\n", "$?\r\n",
                                       "*?\r\n", "%-1\r\n", "#x\r\n", ",x\r\n", "(1x\r\n", "(\r\n", "(-\r\n", "_x\r\n", "=3\r\nabc\r\n",
                                       "$1\r\nabc\r\n", "*1\r\n:x\r\n"};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_resp v;
        struct sn_arena a;
        sn_test_row("%s", rows[i]);
        sn_arena_init(&a, NULL, 0);
        T_EQ(sn_resp_parse(sn_str(rows[i]), &a, &v), SN_E_SYNTAX);
        sn_arena_done(&a);
    }
    struct sn_resp_scan s = {0};
    T_EQ(sn_resp_scan(&s, SN_STR("$99999999\r\n")), SN_E_TOO_LARGE);
    s = (struct sn_resp_scan){0};
    T_EQ(sn_resp_scan(&s, SN_STR("*99999999\r\n")), SN_E_TOO_LARGE);
    char deep[200];
    for (int i = 0; i < 40; i++) memcpy(deep + 4 * i, "*1\r\n", 4);
    s = (struct sn_resp_scan){0};
    T_EQ(sn_resp_scan(&s, sn_str_of(deep, 160)), SN_E_DEPTH);
    /* Counts that promise more than is there take no memory. */
    struct sn_arena a;
    struct sn_resp v;
    sn_arena_init(&a, NULL, 0);
    T_EQ(sn_resp_parse(SN_STR("*1000000\r\n"), &a, &v), SN_E_AGAIN);
    T_EQ(a.used, 0);
    sn_arena_done(&a);
}

/* Cut anywhere: more is asked for until the whole is there, and its length is what parse uses. */
SN_TEST(resp_every_cut)
{
    static const char text[] = "*4\r\n|1\r\n+k\r\n%1\r\n+a\r\n_\r\n$3\r\nfoo\r\n*0\r\n%1\r\n#t\r\n>1\r\n:5\r\n*-1\r\n";
    size_t len = sizeof(text) - 1;
    for (size_t first = 0; first <= len; first++) {
        struct sn_resp_scan s = {0};
        ssize_t n = SN_E_AGAIN;
        for (size_t cut = first; cut < len; cut++) {
            n = sn_resp_scan(&s, sn_str_of(text, cut));
            T_ASSERTF(n == SN_E_AGAIN, "at %zu: %zd", cut, n);
        }
        T_EQ(sn_resp_scan(&s, sn_str_of(text, len)), len);
        T_EQ(s.at, 0);
    }
    struct sn_resp v = parse(text);
    T_EQ(v.n, 4);
    T_EQ(v.items[3].type, SN_RESP_NULL);
    sn_arena_done(&arena);
}

SN_TEST(resp_command)
{
    struct sn_buf b = {0};
    struct sn_str words[2] = {SN_STR("GET"), SN_STR("a\r\nb")};
    T_OK(sn_resp_command(&b, words, 2));
    T_STR(sn_buf_view(&b), "*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n");
    sn_buf_done(&b);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "core/buf.h"

#include "core/alloc.h"
#include "core/status.h"
#include "core/torture.h"
#include "harness/test.h"

SN_TEST(buf_limit_is_sticky_and_exact)
{
    for (size_t limit = 1; limit < 200; limit++) {
        struct sn_buf b;
        sn_test_row("limit %zu", limit);
        sn_buf_init(&b, limit);
        for (size_t i = 0; i < limit; i++) T_EQ(sn_buf_byte(&b, 'a'), 0);
        T_EQ(strlen(sn_buf_cz(&b)), limit); /* the NUL is not counted */
        T_EQ(sn_buf_byte(&b, 'b'), SN_E_TOO_LARGE);
        T_EQ(sn_buf_cstr(&b, ""), SN_E_TOO_LARGE);
        T_EQ(b.len, limit);
        T_CSTR(sn_buf_cz(&b), "");
        sn_buf_reset(&b);
        T_EQ(sn_buf_printf(&b, "%*s", (int)limit, "x"), 0);
        T_EQ(b.len, limit);
        T_EQ(sn_buf_printf(&b, "%s", ""), 0);
        T_EQ(sn_buf_printf(&b, "%s", "y"), SN_E_TOO_LARGE);
        T_EQ(b.len, limit);
        sn_buf_done(&b);
        T_EQ(b.limit, limit);
    }
}

SN_TEST(buf_fixed_fills_to_the_last_byte)
{
    char mem[16];
    for (size_t cap = 0; cap <= sizeof(mem); cap++) {
        struct sn_buf b;
        memset(mem, '!', sizeof(mem));
        sn_test_row("cap %zu", cap);
        sn_buf_init_fixed(&b, mem, cap);
        T_EQ(sn_buf_printf(&b, "%.*s", (int)cap, "0123456789abcdef"), 0);
        T_EQ(b.len, cap);
        T_EQ(memcmp(mem, "0123456789abcdef", cap), 0);
        for (size_t i = cap; i < sizeof(mem); i++) T_EQ(mem[i], '!');
        T_EQ(sn_buf_byte(&b, 'x'), SN_E_TOO_LARGE);
        sn_buf_done(&b);
        T_EQ(b.cap, cap);
    }
}

SN_TEST(buf_numbers_equal_printf)
{
    struct sn_buf b;
    char want[32];
    sn_buf_init(&b, 0);
    for (unsigned i = 0; i < sn_test_cases(20000); i++) {
        uint64_t v = sn_test_rand() >> sn_test_rand_below(64);
        if (i < 3) v = i == 0 ? 0 : i == 1 ? UINT64_MAX : (uint64_t)1 << 63;
        sn_buf_reset(&b);
        sn_buf_u64(&b, v);
        snprintf(want, sizeof(want), "%llu", (unsigned long long)v);
        T_STR(sn_buf_view(&b), want);
        sn_buf_reset(&b);
        sn_buf_i64(&b, (int64_t)v);
        snprintf(want, sizeof(want), "%lld", (long long)v);
        T_STR(sn_buf_view(&b), want);
    }
    sn_buf_done(&b);
}

/* Random appends and consumes against a flat model. */
SN_TEST(buf_is_a_byte_queue)
{
    static char model[1 << 20];
    size_t from = 0, to = 0;
    struct sn_buf b;
    sn_buf_init(&b, 0);
    while (to < sizeof(model) - 3000) {
        size_t n = sn_test_rand_below(3000);
        for (size_t i = 0; i < n; i++) model[to + i] = (char)sn_test_rand();
        T_OK(sn_buf_put(&b, model + to, n));
        to += n;
        n = sn_test_rand_below(to - from + 1);
        sn_buf_consume(&b, n);
        from += n;
        T_EQ(b.len, to - from);
        T_ASSERT(b.len == 0 || memcmp(b.ptr, model + from, b.len) == 0);
    }
    sn_buf_done(&b);
}

static int write_much(void *arg)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    for (int i = 0; i < 200; i++) {
        sn_buf_printf(&b, "line %d of many\n", i);
        sn_buf_u64(&b, (uint64_t)i);
        sn_buf_cz(&b);
    }
    int r = b.err;
    sn_buf_done(&b);
    return r;
}

SN_TEST(buf_torture)
{
    T_ASSERT(sn_torture(write_much, NULL) > 3);
}

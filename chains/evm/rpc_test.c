/* SPDX-License-Identifier: Apache-2.0 */
#include "core/buf.h"
#include "core/status.h"
#include "evm/rpc_int.h"
#include "tests/harness/test.h"

static struct sn_arena arena;
static void arena_off(void) { sn_arena_done(&arena); }
static void arena_on(void)
{
    sn_arena_init(&arena, NULL, 1u << 20);
    sn_test_at_exit(arena_off);
}

SN_TEST(eth_request_text)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    struct sn_eth_request calls[] = {{"eth_chainId", SN_STR("")},
                                     {"eth_call", SN_STR("[{},\"latest\"]")}};
    sn_buf_init(&b, 0);
    T_OK(sn_eth_requests_write(&b, calls, 1));
    T_STR(sn_buf_view(&b),
          "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_chainId\",\"params\":[]}");
    sn_buf_reset(&b);
    T_OK(sn_eth_requests_write(&b, calls, 2));
    T_STR(sn_buf_view(&b),
          "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_chainId\",\"params\":[]},"
          "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"eth_call\",\"params\":[{},\"latest\"]}]");
}

SN_TEST(eth_answers)
{
    static const struct {
        const char *text;
        size_t n;
        int status;
        int64_t code0; /* of the first answer */
    } rows[] = {
        {"{\"id\":1,\"result\":\"0x1\"}", 1, 0, 0},
        {"{\"id\":1,\"result\":null}", 1, 0, 0},
        {"[{\"id\":2,\"result\":1},{\"id\":1,\"error\":{\"code\":3,\"message\":\"m\",\"data\":"
         "\"0x08\"}}]",
         2, 0, 3},
        {"{\"id\":null,\"error\":{\"code\":-32700,\"message\":\"parse\"}}", 1, 0, -32700},
        {"{\"id\":null,\"error\":{\"code\":-32005,\"message\":\"limit\"}}", 3, 0, -32005},
        {"{\"id\":1,\"result\":1,\"error\":null}", 1, 0, 0},
        {"{\"id\":2,\"result\":1}", 1, SN_E_PROTOCOL, 0},
        {"{\"id\":1}", 1, SN_E_PROTOCOL, 0},
        {"{\"id\":1,\"result\":1,\"error\":{}}", 1, SN_E_PROTOCOL, 0},
        {"[{\"id\":1,\"result\":1},{\"id\":1,\"result\":1}]", 2, SN_E_PROTOCOL, 0},
        {"[{\"id\":1,\"result\":1}]", 2, SN_E_PROTOCOL, 0},
        {"[]", 1, SN_E_PROTOCOL, 0},
        {"\"x\"", 1, SN_E_PROTOCOL, 0},
        {"<html>", 1, SN_E_PROTOCOL, 0},
        {"{\"id\":1,\"result\":", 1, SN_E_PROTOCOL, 0},
        {"{\"id\":-9223372036854775808,\"result\":1}", 1, SN_E_PROTOCOL, 0},
    };
    arena_on();
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_eth_reply ret[3];
        sn_test_row("%s", rows[i].text);
        T_EQ(sn_eth_answers_parse(&arena, sn_str(rows[i].text), rows[i].n, ret), rows[i].status);
        if (rows[i].status == 0) T_EQ(ret[0].code, rows[i].code0);
    }
}

SN_TEST(eth_error_meanings)
{
    static const struct {
        int64_t code;
        const char *message;
        int status;
    } rows[] = {
        {-32601, "the method eth_simulateV1 does not exist/is not available", SN_E_UNIMPLEMENTED},
        {-32000, "The Method not found here", SN_E_UNIMPLEMENTED},
        {3, "execution reverted: no", SN_E_ABORTED},
        {-32000, "execution reverted", SN_E_ABORTED},
        {-32602, "invalid argument 0", SN_E_INVALID_ARGUMENT},
        {-32005, "query returned more than 10000 results", SN_E_RESOURCE_EXHAUSTED},
        {-32000, "header not found", SN_E_NOT_FOUND},
        {-32000, "nonce too low", SN_E_FAILED_PRECONDITION},
        {-32000, "already known", SN_E_ALREADY_EXISTS},
        {-1, "?", SN_E_UNKNOWN},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%lld %s", (long long)rows[i].code, rows[i].message);
        T_EQ(sn_eth_status(rows[i].code, sn_str(rows[i].message)), rows[i].status);
    }
    T_ASSERT(sn_eth_rate_limited(429, SN_STR("")));
    T_ASSERT(sn_eth_rate_limited(-32005, SN_STR("project Rate Limit")));
    T_ASSERT(!sn_eth_rate_limited(-32005, SN_STR("query returned more than 10000 results")));
}

SN_TEST(eth_quantities)
{
    static const struct {
        const char *json;
        int status;
        uint64_t value;
    } rows[] = {
        {"\"0x0\"", 0, 0},
        {"\"0xffffffffffffffff\"", 0, UINT64_MAX},
        {"\"0x00ff\"", 0, 255},
        {"\"0x10000000000000000\"", SN_E_OUT_OF_RANGE, 0},
        {"\"0x\"", SN_E_INVALID_ARGUMENT, 0},
        {"\"12\"", SN_E_INVALID_ARGUMENT, 0},
        {"\"0xg\"", SN_E_INVALID_ARGUMENT, 0},
        {"12", SN_E_INVALID_ARGUMENT, 0},
        {"null", SN_E_NOT_FOUND, 0},
    };
    arena_on();
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        const struct sn_json *v;
        uint64_t got = 0;
        sn_test_row("%s", rows[i].json);
        T_OK(sn_json_parse(&arena, sn_str(rows[i].json), NULL, &v));
        T_EQ(sn_eth_quantity(v, "it", &got), rows[i].status);
        T_EQ(got, rows[i].value);
    }
}

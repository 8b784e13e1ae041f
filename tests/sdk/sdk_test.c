/* SPDX-License-Identifier: Apache-2.0 */
/* The C package of token.json, generated and compiled by the build; its header comes in by -include. */
#include "core/enc.h"
#include "core/status.h"
#include "crypto/keccak.h"
#include "harness/test.h"

static void expect_hex(struct sn_buf *b, const char *hex)
{
    char text[4096];
    T_ASSERT(2 * b->len < sizeof(text));
    text[sn_hex_encode(b->ptr, b->len, text)] = 0;
    T_CSTR(text, hex);
    sn_buf_reset(b);
}
#define ZEROS24 "000000000000000000000000000000000000000000000000"
#define WORD(low16) ZEROS24 low16

SN_TEST(sdk_call)
{
    struct sn_buf b;
    struct sn_arena a;
    sn_buf_init(&b, 0);
    sn_arena_init(&a, NULL, 0);
    struct token_transfer_args args = {.value = sn_u256(0x1234)};
    memset(args.to.bytes, 0xaa, 20);
    T_OK(token_transfer_encode(&args, &b));
    expect_hex(&b, "a9059cbb000000000000000000000000aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" WORD("0000000000001234"));
    uint8_t word[32] = {[31] = 1};
    struct token_transfer_result ok = {0};
    T_OK(token_transfer_decode(&a, sn_str_of((char *)word, 32), &ok));
    T_ASSERT(ok.ret0);
    T_EQ(token_transfer_decode(&a, SN_STR(""), &ok), SN_E_EOF);
    word[31] = 2; /* no bool */
    T_ASSERT(token_transfer_decode(&a, sn_str_of((char *)word, 32), &ok) < 0);
    T_ASSERT(ok.ret0); /* untouched */
    sn_arena_done(&a);
    sn_buf_done(&b);
}
SN_TEST(sdk_nested_round_trip)
{
    struct sn_buf b;
    struct sn_arena a;
    sn_buf_init(&b, 0);
    sn_arena_init(&a, NULL, 0);
    struct token_row rows[] = {{-5, {{{"abcd"}, {"efgh"}}}, SN_STR("one")}, {7, {{{""}, {"xy"}}}, SN_STR("")}};
    struct token_batch_args args = {{rows, 2}};
    T_OK(token_batch_encode(&args, &b));
    struct token_batch_result back;
    /* Arguments and results are the same types here. */
    T_OK(token_batch_decode(&a, sn_str_from(sn_buf_view(&b), 4), &back));
    T_EQ(back.rows.len, 2);
    for (size_t i = 0; i < 2; i++) {
        T_EQ(back.rows.ptr[i].id, rows[i].id);
        T_ASSERT(memcmp(&back.rows.ptr[i].tags, &rows[i].tags, sizeof(rows[i].tags)) == 0);
        T_ASSERT(sn_str_eq(back.rows.ptr[i].note, rows[i].note));
    }
    for (size_t n = 4; n < b.len; n++) /* cut anywhere, it is no encoding */
        T_ASSERT(token_batch_decode(&a, sn_str_sub(sn_buf_view(&b), 4, n), &back) < 0);
    rows[0].id = 1 << 23; /* beyond int24 */
    sn_buf_reset(&b);
    T_EQ(token_batch_encode(&args, &b), SN_E_OUT_OF_RANGE);
    T_EQ(b.len, 0);
    sn_arena_done(&a);
    sn_buf_done(&b);
}
SN_TEST(sdk_event)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    uint8_t topics[96] = {0}, data[32] = {[30] = 1};
    struct token_transfer_event e;
    sn_keccak256("Transfer(address,string,uint256)", 32, topics);
    memset(topics + 44, 0xbb, 20);
    sn_keccak256("hi", 2, topics + 64);
    T_OK(token_transfer_event_decode(&a, topics, 3, sn_str_of((char *)data, 32), &e));
    T_EQ(e.from.bytes[19], 0xbb);
    T_ASSERT(memcmp(e.memo.bytes, topics + 64, 32) == 0);
    T_EQ(e.value.w[0], 256);
    T_ASSERT(token_transfer_event_decode(&a, topics, 2, sn_str_of((char *)data, 32), &e) < 0);
    topics[0] ^= 1;
    T_EQ(token_transfer_event_decode(&a, topics, 3, sn_str_of((char *)data, 32), &e), SN_E_NOT_FOUND);
    sn_arena_done(&a);
}
SN_TEST(sdk_errors)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    uint8_t data[36] = {0};
    struct token_error e;
    memcpy(data, token_short_error_item.selector, 4);
    data[35] = 9;
    T_OK(token_error_decode(&a, sn_str_of((char *)data, 36), &e));
    T_EQ(e.kind, TOKEN_ERROR_SHORT);
    T_EQ(e.short_.missing, 9);
    for (size_t n = 0; n < 36; n++) { /* fewer than four bytes and more are alike unknown */
        T_OK(token_error_decode(&a, sn_str_of((char *)data, n), &e));
        T_EQ(e.kind, TOKEN_ERROR_UNKNOWN);
    }
    data[4] = 1; /* beyond uint64 */
    T_OK(token_error_decode(&a, sn_str_of((char *)data, 36), &e));
    T_EQ(e.kind, TOKEN_ERROR_UNKNOWN);
    sn_arena_done(&a);
}
SN_TEST(sdk_deploy)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    T_OK(token_deploy_encode(&(struct token_deploy_args){sn_u256(1)}, &b));
    expect_hex(&b, "6000" WORD("0000000000000001"));
    struct sn_sdk_link link = {"__$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa$__", {{0x11}}};
    const char *code = "60__$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa$__";
    T_EQ(sn_sdk_encode_deploy(NULL, code, NULL, 0, NULL, &b), SN_E_INVALID_ARGUMENT);
    T_OK(sn_sdk_encode_deploy(NULL, code, &link, 1, NULL, &b));
    expect_hex(&b, "601100000000000000000000000000000000000000");
    sn_buf_done(&b);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The scenario of tests/interop/sdk.sh, in C; the generated headers come in by -include.
 * usage: scenario URL ACCOUNT GAS_CASES GAS_NODE */
#include <stdio.h>
#include <stdlib.h>

#include "core/enc.h"
#include "core/status.h"
#include "crypto/keccak.h"
#include "fiber/fiber.h"

static struct sn_arena arena;
static struct sn_sdk_at at;
static struct sn_str revert;

static int must(int r)
{
    if (r >= 0) return r;
    fprintf(stderr, "%s\n", sn_diag_str(r));
    exit(1);
}
static const char *hex(const void *p, size_t n)
{
    char *s = sn_arena_alloc(&arena, 2 * n + 3);
    s[sn_hex_encode(p, n, s + 2) + 2] = 0;
    return memcpy(s, "0x", 2);
}
static const char *num(struct sn_u256 v)
{
    char *s = sn_arena_zalloc(&arena, SN_U256_TEXT_MAX + 1);
    sn_u256_format(v, s);
    return s;
}
static struct kitchen_point route[] = {{1, -2}, {3, 4}};
static struct kitchen_order order(uint64_t id, uint8_t mood)
{
    return (struct kitchen_order){
        .id = sn_u256(id), .price = sn_u256(5), .mood = mood, .route = {route, 2},
        .note = SN_STR("\1\2\3"), .type = {{SN_STR("soup"), SN_STR("ünïcode")}}, .self = true,
    };
}
static bool same(const struct kitchen_order *x, const struct kitchen_order *y)
{
    return sn_u256_cmp(x->id, y->id) == 0 && sn_u256_cmp(x->price, y->price) == 0 &&
           x->mood == y->mood && x->route.len == y->route.len &&
           memcmp(x->route.ptr, y->route.ptr, x->route.len * sizeof(*x->route.ptr)) == 0 &&
           sn_str_eq(x->note, y->note) && sn_str_eq(x->type.at[0], y->type.at[0]) &&
           sn_str_eq(x->type.at[1], y->type.at[1]) && x->self == y->self;
}
static struct sn_sdk_word selector_word(void)
{
    struct sn_sdk_word f = {0};
    memset(f.bytes, 0x11, 20);
    memcpy(f.bytes + 20, "\xa1\xb2\xc3\xd4", 4);
    return f;
}
/* The encoding that `call` appends, as hex. */
#define ENCODED(call)                         \
    ({                                        \
        struct sn_buf b_;                     \
        sn_buf_init(&b_, 0);                  \
        struct sn_buf *out = &b_;             \
        must(call);                           \
        const char *h_ = hex(b_.ptr, b_.len); \
        sn_buf_done(&b_);                     \
        h_;                                   \
    })

static struct kitchen_numbers_args numbers(void)
{
    struct sn_u256 top = {{UINT64_MAX, UINT64_MAX, 0, 0}};
    struct sn_u256 minus = {{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}};
    return (struct kitchen_numbers_args){255, -128, (1ull << 48) - 1, -(1ll << 47), UINT64_MAX, INT64_MIN, top, minus};
}
static struct kitchen_grid_args grid(void)
{
    static struct kitchen__uint16_x3 rows[] = {{{1, 2, 3}}, {{4, 5, 65535}}};
    static struct sn_sdk_word tag;
    memset(tag.bytes, 0xab, 32);
    return (struct kitchen_grid_args){{rows, 2}, {{{&tag, 1}, {NULL, 0}}}};
}
static struct kitchen_find_address_args somebody(void)
{
    struct kitchen_find_address_args who;
    memset(who.who.bytes, 0x22, 20);
    return who;
}
static void encodings(void)
{
    struct kitchen_take_args take = {order(7, 1)};
    struct kitchen_grid_args g = grid();
    struct kitchen_numbers_args n = numbers();
    struct kitchen_pass_args pass = {selector_word()};
    struct kitchen_find_uint256_args by_id = {sn_u256(1)};
    struct kitchen_find_address_args by_who = somebody();
    struct kitchen_find_uint256_bool_args strict = {sn_u256(1), true};
    printf("encode take %s\n", ENCODED(kitchen_take_encode(&take, out)));
    printf("encode grid %s\n", ENCODED(kitchen_grid_encode(&g, out)));
    printf("encode numbers %s\n", ENCODED(kitchen_numbers_encode(&n, out)));
    printf("encode pass %s\n", ENCODED(kitchen_pass_encode(&pass, out)));
    printf("encode find %s %s %s %s\n", ENCODED(kitchen_find_encode(out)),
           ENCODED(kitchen_find_uint256_encode(&by_id, out)),
           ENCODED(kitchen_find_address_encode(&by_who, out)),
           ENCODED(kitchen_find_uint256_bool_encode(&strict, out)));
    printf("selectors %s %s %s %s\n", hex(shelf_put_selector, 4),
           hex(kitchen_foo_bar_90c0414d_item.selector, 4), hex(kitchen_foo_bar_item.selector, 4),
           hex(kitchen_foo_bar_70015845_item.selector, 4));
}
/* The node makes a block of every transaction, some milliseconds after it answered. */
static const struct sn_json *receipt(const uint8_t hash[32])
{
    const struct sn_json *v = NULL;
    for (unsigned tries = 0; tries < 1000 && !sn_json_is(v, SN_JSON_OBJECT); tries++) {
        if (tries) must(sn_sleep(10 * SN_MS));
        must(sn_eth_call(at.rpc, &arena, &v, NULL, "eth_getTransactionReceipt", "[\"%s\"]", hex(hash, 32)));
    }
    return v;
}
static struct sn_sdk_address deployed(struct sn_str data)
{
    uint8_t hash[32];
    struct sn_sdk_address where;
    must(sn_sdk_send(&at, &arena, data, true, NULL, hash, NULL));
    must(sn_address_parse(sn_json_str(sn_json_get(receipt(hash), "contractAddress")), where.bytes));
    return where;
}
static void deploy_all(void)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    must(shelf_deploy_encode(&b));
    struct kitchen_libraries libs = {deployed(sn_buf_view(&b))};
    sn_buf_reset(&b);
    struct kitchen_deploy_args args = {SN_STR("hi"), {1, -2}};
    must(kitchen_deploy_encode(&libs, &args, &b));
    at.address = deployed(sn_buf_view(&b));
    sn_buf_done(&b);
}
static void calls(void)
{
    struct kitchen_greeting_result hi;
    must(kitchen_greeting_call(&at, &arena, &hi, NULL));
    printf("greeting %.*s\n", SN_STR_ARG(hi.ret0));
    struct kitchen_echo_args in = {order(9, 2)};
    struct kitchen_echo_result echo;
    must(kitchen_echo_call(&at, &arena, &in, &echo, NULL));
    printf("echo %s\n", same(&echo.ret0, &in.order) ? "true" : "false");
    struct kitchen_numbers_args n = numbers();
    struct kitchen_numbers_result v;
    must(kitchen_numbers_call(&at, &arena, &n, &v, NULL));
    struct sn_u256 one = sn_u256(0);
    bool minus_one = sn_u256_add(v.ret7, sn_u256(1), &one) && sn_u256_is_zero(one);
    printf("numbers %u %d %llu %lld %llu %lld %s %s\n", v.ret0, v.ret1, (unsigned long long)v.ret2,
           (long long)v.ret3, (unsigned long long)v.ret4, (long long)v.ret5, num(v.ret6), minus_one ? "-1" : "other");
    struct kitchen_grid_args g = grid();
    struct kitchen_grid_result rows;
    must(kitchen_grid_call(&at, &arena, &g, &rows, NULL));
    const struct kitchen__uint16_x3 *p = rows.ret0.ptr;
    printf("grid [[%u,%u,%u],[%u,%u,%u]]\n", p[0].at[0], p[0].at[1], p[0].at[2], p[1].at[0], p[1].at[1], p[1].at[2]);
    struct kitchen_find_result f0;
    struct kitchen_find_uint256_result f1;
    struct kitchen_find_address_result f2;
    struct kitchen_find_uint256_bool_result f3;
    struct kitchen_find_address_args who = somebody();
    must(kitchen_find_call(&at, &arena, &f0, NULL));
    must(kitchen_find_uint256_call(&at, &arena, &(struct kitchen_find_uint256_args){sn_u256(0)}, &f1, NULL));
    must(kitchen_find_address_call(&at, &arena, &who, &f2, NULL));
    must(kitchen_find_uint256_bool_call(&at, &arena, &(struct kitchen_find_uint256_bool_args){sn_u256(0), true}, &f3, NULL));
    printf("find %.*s %.*s %.*s %.*s\n", SN_STR_ARG(f0.ret0), SN_STR_ARG(f1.ret0), SN_STR_ARG(f2.ret0), SN_STR_ARG(f3.ret0));
    struct kitchen_match_result m;
    struct kitchen_foo_bar_90c0414d_result b1;
    struct kitchen_foo_bar_result b2;
    struct kitchen_foo_bar_70015845_result b3;
    must(kitchen_match_call(&at, &arena, &(struct kitchen_match_args){sn_u256(1), sn_u256(2), sn_u256(3)}, &m, NULL));
    must(kitchen_foo_bar_90c0414d_call(&at, &arena, &b1, NULL));
    must(kitchen_foo_bar_call(&at, &arena, &b2, NULL));
    must(kitchen_foo_bar_70015845_call(&at, &arena, &b3, NULL));
    printf("names %s %s %s %s\n", num(m.ret0), num(b1.ret0), num(b2.ret0), num(b3.ret0));
}
static int on_gas(void *ctx, const struct sn_gas_estimate *g)
{
    *(struct sn_gas_estimate *)ctx = *g;
    return 0;
}
/* Logs of one topic 0 (NULL: all), each with its decoded topics and data. */
static const struct sn_json *logs(const uint8_t *topic)
{
    const struct sn_json *v;
    must(sn_eth_call(at.rpc, &arena, &v, NULL, "eth_getLogs", "[{\"address\":\"%s\",\"fromBlock\":\"0x0\",\"topics\":[%s%s%s]}]",
                     hex(at.address.bytes, 20), topic ? "\"" : "", topic ? hex(topic, 32) : "", topic ? "\"" : ""));
    return v;
}
static struct sn_str bytes_of(const struct sn_json *v)
{
    struct sn_str s = sn_str_from(sn_json_str(v), 2);
    char *p = sn_arena_alloc(&arena, s.len / 2 + 1);
    return sn_str_of(p, (size_t)must((int)sn_hex_decode(s, p)));
}
static size_t topics_of(const struct sn_json *log, uint8_t out[128])
{
    size_t n = 0;
    for (SN_JSON_EACH(sn_json_get(log, "topics"), t)) memcpy(out + 32 * n++, bytes_of(t).ptr, 32);
    return n;
}
static const uint8_t *topic_of(const char *signature)
{
    uint8_t *t = sn_arena_alloc(&arena, 32);
    sn_keccak256(signature, strlen(signature), t);
    return t;
}
static void events(void)
{
    uint8_t topics[128], hash[32];
    const uint8_t *full = topic_of("Ordered(uint256,address,string,(uint256,uint128,uint8,(int64,int64)[],bytes,string[2],bool))");
    for (SN_JSON_EACH(logs(full), log)) {
        struct kitchen_ordered_address_string_order_event e;
        size_t n = topics_of(log, topics);
        must(kitchen_ordered_address_string_order_event_decode(&arena, topics, n, bytes_of(sn_json_get(log, "data")), &e));
        printf("event Ordered %s %s %s %s %lld\n", num(e.id), memcmp(&e.from, &at.from, 20) ? "false" : "true",
               memcmp(e.topic.bytes, topic_of("soup"), 32) ? "false" : "true", hex(e.order.note.ptr, e.order.note.len),
               (long long)e.order.route.ptr[1].y);
    }
    for (SN_JSON_EACH(logs(topic_of("Ordered(uint256)")), log)) {
        struct kitchen_ordered_event e;
        must(kitchen_ordered_event_decode(&arena, topics, topics_of(log, topics), bytes_of(sn_json_get(log, "data")), &e));
        printf("events %s 0\n", num(e.id));
    }
    must(kitchen_silent_send(&at, &arena, &(struct kitchen_silent_args){sn_u256(5), SN_STR("\xbe\xef")}, NULL, hash, NULL));
    struct kitchen_silent_event s;
    const struct sn_json *log = sn_json_at(sn_json_get(receipt(hash), "logs"), 0);
    must(kitchen_silent_event_decode(&arena, topics, topics_of(log, topics), bytes_of(sn_json_get(log, "data")), &s));
    printf("silent %s %s\n", num(s.a), hex(s.b.ptr, s.b.len));
    static struct kitchen_point points[] = {{1, 2}};
    must(kitchen_routed_send(&at, &arena, &(struct kitchen_routed_args){{points, 1}}, NULL, hash, NULL));
    struct kitchen_routed_event e;
    log = sn_json_at(sn_json_get(receipt(hash), "logs"), 0);
    must(kitchen_routed_event_decode(&arena, topics, topics_of(log, topics), bytes_of(sn_json_get(log, "data")), &e));
    printf("routed %s %lld\n", hex(e.route.bytes, 32), (long long)e.at.y);
    struct kitchen_pass_args pass = {selector_word()};
    struct kitchen_pass_result back;
    must(kitchen_pass_call(&at, &arena, &pass, &back, NULL));
    printf("pass %s\n", hex(back.ret0.bytes, 24));
    must(kitchen_pass_send(&at, &arena, &pass, NULL, hash, NULL));
    receipt(hash);
    struct kitchen_called_event c;
    size_t called = 0;
    for (SN_JSON_EACH(logs(topic_of("Called(function)")), it)) {
        must(kitchen_called_event_decode(&arena, topics, topics_of(it, topics), bytes_of(sn_json_get(it, "data")), &c));
        called += memcmp(&c.f, &pass.f, 32) == 0;
    }
    printf("called %zu\n", called);
    struct kitchen_stock_result stock;
    must(kitchen_stock_call(&at, &arena, &(struct kitchen_stock_args){sn_u256(4)}, &stock, NULL));
    printf("stock %s\n", num(stock.ret0));
}
static void failures(void)
{
    for (unsigned how = 0; how < 7; how++) {
        struct kitchen_error e;
        int r = kitchen_fail_call(&at, &arena, &(struct kitchen_fail_args){sn_u256(how)}, &revert);
        if (r != SN_E_ABORTED) must(r < 0 ? r : -1);
        must(kitchen_error_decode(&arena, revert, &e));
        switch (e.kind) {
        case KITCHEN_ERROR_REVERT: printf("fail %u Error %.*s\n", how, SN_STR_ARG(e.revert)); break;
        case KITCHEN_ERROR_PANIC: printf("fail %u Panic %s\n", how, num(e.panic)); break;
        case KITCHEN_ERROR_CLOSED: printf("fail %u Closed\n", how); break;
        case KITCHEN_ERROR_TOO_MUCH:
            printf("fail %u TooMuch %s %s %lld\n", how, num(e.too_much.asked), num(e.too_much.max), (long long)e.too_much.at.y);
            break;
        case KITCHEN_ERROR_TYPE: printf("fail %u type_ %.*s\n", how, SN_STR_ARG(e.type.match)); break;
        case KITCHEN_ERROR_UNKNOWN: printf("fail %u unknown %s\n", how, hex(revert.ptr, revert.len)); break;
        }
    }
    uint8_t hash[32];
    struct kitchen_error e;
    struct kitchen_take_args take = {order(2000, 0)};
    int r = kitchen_take_send(&at, &arena, &take, NULL, hash, &revert);
    if (r == SN_E_ABORTED) must(kitchen_error_decode(&arena, revert, &e));
    printf("refused %s\n", r == SN_E_ABORTED && e.kind == KITCHEN_ERROR_TOO_MUCH ? num(e.too_much.asked) : "other");
    struct sn_sdk_at nobody = at;
    memset(nobody.address.bytes, 0x33, 20);
    struct kitchen_total_result total;
    printf("empty %s\n", kitchen_total_call(&nobody, &arena, &total, NULL) < 0 ? "error" : "accepted");
}
/* gas_checks - the gas check against the node of gas.json, as the generated packages ask for it. */
static void gas_checks(const char *file, const char *url)
{
    static const char *const methods[] = {"", "simulate", "trace", "bisect"};
    char text[16384];
    FILE *f = fopen(file, "r");
    if (!f) exit(1);
    size_t n = fread(text, 1, sizeof(text), f);
    const struct sn_json *cases;
    fclose(f);
    must(sn_json_parse(&arena, sn_str_of(text, n), NULL, &cases));
    for (size_t i = 0; i < sn_json_len(cases); i++) {
        const struct sn_json *c = sn_json_at(cases, i);
        struct sn_str name = sn_json_str(sn_json_get(c, "name"));
        struct sn_eth_rpc *rpc;
        struct sn_gas_estimate g;
        struct sn_gas_call call = {.from = SN_STR("0x0101010101010101010101010101010101010101"),
                                   .to = SN_STR("0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
                                   .data = sn_json_str(sn_json_get(c, "data"))};
        struct sn_gas_opts opts = {.quick = true, .drift_blocks = (unsigned)sn_json_i64_or(sn_json_get(c, "drift"), 0)};
        struct sn_str at_case = sn_arena_printf(&arena, "%s/c/%.*s", url, SN_STR_ARG(name));
        must(sn_eth_open(&(struct sn_eth_opts){.url = at_case}, &rpc));
        must(sn_gas_estimate(rpc, &call, &opts, &arena, &g));
        printf("gas %.*s %llu %llu %llu %llu %s %s\n", SN_STR_ARG(name), (unsigned long long)g.limit, (unsigned long long)g.used,
               (unsigned long long)g.used_low, (unsigned long long)g.used_high, methods[g.method], g.steady ? "steady" : "moves");
        sn_eth_close(rpc);
    }
}
static int scenario(void *arg)
{
    char **argv = arg;
    sn_arena_init(&arena, NULL, 0);
    must(sn_eth_open(&(struct sn_eth_opts){.url = sn_str(argv[1])}, &at.rpc));
    must(sn_address_parse(sn_str(argv[2]), at.from.bytes));
    encodings();
    deploy_all();
    calls();
    struct kitchen_take_args take = {order(7, 1)};
    struct kitchen_take_result sim;
    must(kitchen_take_call(&at, &arena, &take, &sim, NULL));
    printf("simulate take %s %u\n", num(sim.id), sim.mood);
    struct sn_gas_estimate gas = {0};
    uint8_t hash[32];
    must(kitchen_take_send(&at, &arena, &take, &(struct sn_sdk_tx){.value = sn_u256(3), .on_gas = on_gas, .ctx = &gas}, hash, NULL));
    bool ok = sn_str_eqc(sn_json_str(sn_json_get(receipt(hash), "status")), "0x1");
    uint64_t used;
    must(sn_eth_quantity(sn_json_get(receipt(hash), "gasUsed"), "gasUsed", &used));
    bool predicted = gas.used_low <= used && used <= gas.used_high && used <= gas.limit;
    printf("take %s gas %s\n", ok ? "success" : "failed", predicted ? "as predicted" : "other");
    struct kitchen_total_result total;
    must(kitchen_total_call(&at, &arena, &total, NULL));
    printf("total %s\n", num(total.ret0));
    events();
    failures();
    gas_checks(argv[3], argv[4]);
    sn_eth_close(at.rpc);
    sn_arena_done(&arena);
    return 0;
}
int main(int argc, char **argv)
{
    if (argc != 5) return 2;
    return sn_rt_run(&(struct sn_rt_opts){.workers = 1}, scenario, argv);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Gas estimation against a scripted node whose one contract has known costs. */
#include <stdlib.h>

#include "core/status.h"
#include "core/torture.h"
#include "evm/gas_int.h"
#include "tests/harness/test.h"

static struct sn_arena arena;
static void arena_off(void) { sn_arena_done(&arena); }
static void arena_on(void)
{
    sn_arena_init(&arena, NULL, 8u << 20);
    sn_test_at_exit(arena_off);
}

/* ---- static stage ---- */

SN_TEST(gas_static_figures)
{
    struct sn_gas_shape s = {0};
    T_EQ(sn_gas_intrinsic(&s), 21000);
    T_EQ(sn_gas_floor(&s), 21000);
    s.data = SN_STR("\0\0\1");
    T_EQ(sn_gas_intrinsic(&s), 21000 + 2 * 4 + 16);
    T_EQ(sn_gas_floor(&s), 21000 + 10 * 6);
    s.access_addresses = 2, s.access_keys = 3, s.authorizations = 1;
    T_EQ(sn_gas_intrinsic(&s), 21024 + 2 * 2400 + 3 * 1900 + 25000);
    s = (struct sn_gas_shape){.create = true,
                              .data = SN_STR("\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"
                                             "\1\1\1\1\1\1\1\1\1\1\1\1\1")};
    T_EQ(sn_gas_intrinsic(&s), 21000 + 32000 + 33 * 16 + 2 * 2);
}
SN_TEST(gas_classes)
{
    static const struct {
        struct sn_str code;
        enum sn_gas_class class;
    } rows[] = {
        {SN_STR_INIT(""), SN_GAS_TRANSFER},
        {SN_STR_INIT("\x60\x55\x00"), SN_GAS_PLAIN}, /* PUSH1 0x55: data */
        {SN_STR_INIT("\x60\x01\x60\x00\x55\x00"), SN_GAS_STATEFUL},
        {SN_STR_INIT("\x5a\xf1\x00"), SN_GAS_NESTED},                /* GAS CALL */
        {SN_STR_INIT("\x5a\x50\x00"), SN_GAS_METERED},               /* GAS POP */
        {SN_STR_INIT("\x7f\x55"), SN_GAS_PLAIN},                     /* PUSH32 cut short */
        {SN_STR_INIT("\x00\xfe\xa1\x55\x5a\x00\x03"), SN_GAS_PLAIN}, /* the rest is metadata */
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("row %zu", i);
        T_EQ(sn_gas_classify(rows[i].code), rows[i].class);
    }
}

/* ---- a scripted node ---- */

struct node {
    struct sn_eth_rpc rpc;
    uint64_t used, limit_min; /* of the one contract's call */
    bool no_simulate, no_trace, reverts;
    uint64_t does_less; /* with less gas than this the call uses what it is given, and */
    bool says_less;     /* returns something else */
    unsigned blocks_moving; /* the state moves at each look while this is not 0 */
    unsigned state, calls;
    const char *code;
    unsigned past; /* earlier transactions of the kind */
    double past_ratio;
    bool neighbours;       /* the newest blocks are neighbour_blocks; 0x55667788 makes it dearer */
    const char *simulated; /* eth_simulateV1's answer whatever is asked */
    const char *error;     /* or its error, with error_code */
    int64_t error_code;
};
/* neighbours - a history of three transactions, one with another method. */
static const char *const neighbour_blocks[] = {
    "{\"transactions\":[{\"from\":\"0x02\",\"to\":\"0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\","
    "\"input\":\"0x55667788\",\"value\":\"0x0\",\"hash\":\"0x9\",\"blockNumber\":\"0x20\"},"
    "{\"from\":\"0x02\",\"to\":null,\"input\":\"0x\",\"hash\":\"0x8\",\"blockNumber\":\"0x20\"}]}",
    "{\"transactions\":[{\"from\":\"0x03\",\"to\":\"0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\","
    "\"input\":\"0x11223344\",\"value\":\"0x0\",\"hash\":\"0x7\",\"blockNumber\":\"0x1f\"}]}",
};
static int said; /* what became of the node's last answer: memory may be short */
static void say(struct sn_arena *a, struct sn_eth_reply *r, const char *json)
{
    int parsed = json ? sn_json_parse(a, sn_str(json), NULL, &r->result) : SN_E_NOMEM;
    if (parsed < 0) said = parsed;
}
/* gas_of - the limit a request carries; 0 where none. */
static uint64_t gas_of(struct sn_str params)
{
    ssize_t at = sn_str_find(params, SN_STR("\"gas\":\"0x"));
    return at < 0 ? 0 : strtoull(params.ptr + at + 9, NULL, 16);
}
static const char less_said[] =
    "[{\"calls\":[{\"status\":\"0x1\",\"gasUsed\":\"0x%llx\",\"returnData\":\"0x01\"}]}]";
static void simulate(struct node *n, const struct sn_eth_request *c, struct sn_arena *a,
                     struct sn_eth_reply *r, const char *form, const char *failed)
{
    uint64_t gas = gas_of(c->params), more = 0;
    for (struct sn_str rest = c->params; n->neighbours;) { /* the first makes it dearer by 17,000 */
        ssize_t at = sn_str_find(rest, SN_STR("0x55667788"));
        if (at < 0) break;
        more += more ? 1000 : 17000;
        rest = sn_str_from(rest, (size_t)at + 1);
    }
    uint64_t used = gas && gas < n->does_less ? gas : n->used;
    if (used != n->used && n->says_less) form = less_said;
    bool ok = !n->reverts && (gas == 0 || gas >= n->limit_min + more + (more ? 3000 : 0));
    struct sn_str s = sn_arena_printf(a, ok ? form : failed, (unsigned long long)(used + more));
    ssize_t first = sn_str_find(c->params, SN_STR("\"calls\""));
    struct sn_str rest = first < 0 ? SN_STR("") : sn_str_from(c->params, (size_t)first + 1);
    if (s.ptr && sn_str_find(rest, SN_STR("\"calls\"")) >= 0)
        s = sn_arena_printf(a, "[{\"calls\":[]},%s", s.ptr + 1); /* something came first */
    say(a, r, s.ptr);
}
static void answer(struct node *n, const struct sn_eth_request *c, struct sn_arena *a,
                   struct sn_eth_reply *r)
{
    struct sn_str m = sn_str(c->method);
    n->calls++;
    *r = (struct sn_eth_reply){0};
    if (sn_str_eqc(m, "eth_getCode")) {
        say(a, r, n->code);
    } else if (sn_str_eqc(m, "eth_getBlockByNumber") &&
               sn_str_find(c->params, SN_STR("latest")) >= 0) {
        if (n->blocks_moving) n->blocks_moving--, n->state++;
        struct sn_str s =
            sn_arena_printf(a,
                            "{\"number\":\"0x40\",\"timestamp\":\"0x10\",\"gasLimit\":"
                            "\"0x1c9c380\",\"stateRoot\":\"0x%x\"}",
                            n->state);
        say(a, r, s.ptr);
    } else if (sn_str_eqc(m, "eth_getBlockByNumber") && n->neighbours) {
        bool newest = sn_str_find(c->params, SN_STR("\"0x40\"")) >= 0;
        bool next = sn_str_find(c->params, SN_STR("\"0x3f\"")) >= 0;
        say(a, r, newest || next ? neighbour_blocks[next] : "{\"transactions\":[]}");
    } else if (sn_str_eqc(m, "eth_getBlockByNumber")) {
        bool in = n->past > 0;
        if (in) n->past--;
        say(a, r,
            in ? "{\"transactions\":[{\"from\":\"0x01\",\"to\":"
                 "\"0xAAaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\","
                 "\"input\":\"0x11223344\",\"value\":\"0x0\",\"hash\":\"0x9\",\"blockNumber\":"
                 "\"0x20\"}]}"
               : "{\"transactions\":[]}");
    } else if (sn_str_eqc(m, "eth_getTransactionReceipt")) {
        struct sn_str s =
            sn_arena_printf(a, "{\"status\":\"0x1\",\"gasUsed\":\"0x%llx\"}",
                            (unsigned long long)((double)n->used *
                                                 (n->past_ratio ? n->past_ratio : 1)));
        say(a, r, s.ptr);
    } else if (sn_str_eqc(m, "eth_simulateV1") && n->error_code) {
        *r = (struct sn_eth_reply){.code = n->error_code, .message = sn_str(n->error)};
    } else if (sn_str_eqc(m, "eth_simulateV1") && n->simulated) {
        say(a, r, n->simulated);
    } else if (sn_str_eqc(m, "eth_simulateV1") && !n->no_simulate) {
        simulate(
            n, c, a, r,
            "[{\"calls\":[{\"status\":\"0x1\",\"gasUsed\":\"0x%llx\",\"returnData\":\"0x\"}]}]",
            "[{\"calls\":[{\"status\":\"0x0\",\"gasUsed\":\"0x%llx\",\"returnData\":\"0x08c379a0\","
            "\"error\":{\"code\":3,\"message\":\"execution reverted\"}}]}]");
    } else if (sn_str_eqc(m, "debug_traceCall") && !n->no_trace) {
        simulate(
            n, c, a, r, "{\"gasUsed\":\"0x%llx\",\"output\":\"0x\"}",
            "{\"gasUsed\":\"0x%llx\",\"output\":\"0x08c379a0\",\"error\":\"execution reverted\"}");
    } else if (sn_str_eqc(m, "eth_call")) {
        if (!n->reverts && gas_of(c->params) >= n->limit_min)
            say(a, r, "\"0x\"");
        else
            *r = (struct sn_eth_reply){.code = 3,
                                       .message = SN_STR("execution reverted"),
                                       .data = SN_STR("0x08c379a0")};
    } else {
        *r = (struct sn_eth_reply){.code = -32601, .message = SN_STR("method not found")};
    }
}
static int node_batch(struct sn_eth_rpc *rpc, const struct sn_eth_request *calls, size_t n,
                      struct sn_arena *a, struct sn_eth_reply *ret)
{
    said = 0;
    for (size_t i = 0; i < n && said >= 0; i++)
        answer(SN_CONTAINER_OF(rpc, struct node, rpc), &calls[i], a, &ret[i]);
    return said;
}
#define NODE(...)                                                                                  \
    (struct node)                                                                                  \
    {                                                                                              \
        .rpc.batch = node_batch, .used = 80000, .limit_min = 100003, .code = "\"0x600160005500\"", \
        __VA_ARGS__                                                                                \
    }
static const struct sn_gas_call call = {
    .from = SN_STR_INIT("0x0101010101010101010101010101010101010101"),
    .to = SN_STR_INIT("0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
    .data = SN_STR_INIT("0x11223344")};

SN_TEST(gas_by_each_method)
{
    static const enum sn_gas_method want[] = {SN_GAS_SIMULATE, SN_GAS_TRACE, SN_GAS_BISECT};
    arena_on();
    for (unsigned i = 0; i < 3; i++) {
        struct node n = NODE(.no_simulate = i >= 1, .no_trace = i >= 2);
        struct sn_gas_estimate e;
        sn_test_row("method %u", want[i]);
        T_OK(sn_gas_estimate(&n.rpc, &call, NULL, &arena, &e));
        T_EQ(e.method, want[i]);
        T_EQ(e.class, SN_GAS_STATEFUL);
        T_ASSERT(e.limit_min >= 100003 && e.limit_min <= 100003 + 200);
        T_ASSERT(e.limit >= e.limit_min);
        T_ASSERT(e.used_low <= 80000 && e.used_high >= 80000); /* bisection knows bounds only */
        if (i < 2) T_EQ(e.used, 80000);
        T_EQ(e.intrinsic, 21000 + 4 * 16);
        T_ASSERT(!e.reverts && e.retries == 0);
    }
}
SN_TEST(gas_of_a_revert)
{
    arena_on();
    for (unsigned i = 0; i < 3; i++) {
        struct node n = NODE(.no_simulate = i >= 1, .no_trace = i >= 2, .reverts = true);
        struct sn_gas_estimate e;
        sn_test_row("method %u", i + 1);
        T_OK(sn_gas_estimate(&n.rpc, &call, NULL, &arena, &e));
        T_ASSERT(e.reverts);
        T_STR(e.revert_data, "0x08c379a0");
    }
}
SN_TEST(gas_retries_while_the_state_moves)
{
    struct node n = NODE(.blocks_moving = 3);
    struct sn_gas_estimate e;
    arena_on();
    T_OK(sn_gas_estimate(&n.rpc, &call, NULL, &arena, &e));
    T_ASSERT(e.retries >= 1 && e.retries < SN_GAS_RETRIES_MAX);
    n = NODE(.blocks_moving = 1000);
    T_OK(sn_gas_estimate(&n.rpc, &call, NULL, &arena, &e));
    T_EQ(e.retries, SN_GAS_RETRIES_MAX);
    T_ASSERT(e.confidence <= 0.5);
    T_EQ(e.used, 80000);
}
SN_TEST(gas_history_widens_and_narrows)
{
    struct sn_gas_estimate e, exact;
    struct node n = NODE(.past = 60);
    arena_on();
    T_OK(sn_gas_estimate(&n.rpc, &call, NULL, &arena, &exact));
    T_ASSERT(exact.samples >= 20 && exact.samples < 60); /* all agree: it stops early */
    T_EQ(exact.used_low, 80000 - 960);
    T_EQ(exact.used_high, 80000 + 960);
    T_ASSERT(exact.steady);
    n = NODE(.past = 60, .past_ratio = 1.25);
    T_OK(sn_gas_estimate(&n.rpc, &call, NULL, &arena, &e));
    T_EQ(e.samples, 60);
    T_EQ(e.used_high, 100000);
    T_ASSERT(e.confidence < 0.5 && exact.confidence > 0.98);
    T_ASSERT(e.limit >= 100003); /* the least that succeeds is more than earlier ones used */
    n = NODE(.past = 60);
    T_OK(sn_gas_estimate(&n.rpc, &call, &(struct sn_gas_opts){.no_history = true}, &arena, &e));
    T_EQ(e.samples, 0);
}
SN_TEST(gas_history_moves_limits_only_where_others_come)
{
    struct sn_gas_estimate e;
    struct sn_gas_opts six = {.drift_blocks = 6};
    arena_on();
    struct node n = NODE(.past = 5, .past_ratio = 1.5);
    T_OK(sn_gas_estimate(&n.rpc, &call, NULL, &arena, &e));
    T_EQ(e.samples, 5);
    T_EQ(e.limit, 100003); /* this very state: what succeeded does */
    n = NODE(.past = 5, .past_ratio = 1.5); /* too few to say something about a limit */
    T_OK(sn_gas_estimate(&n.rpc, &call, &six, &arena, &e));
    T_EQ(e.limit, 100003 + 2400);
    T_EQ(e.used_high, e.limit);
    n = NODE(.past = 25, .past_ratio = 1.5);
    T_OK(sn_gas_estimate(&n.rpc, &call, &six, &arena, &e));
    T_EQ(e.limit, 120000);
    n = NODE(.past = 5); /* as simulated, six blocks later: what no scene shows is on top */
    T_OK(sn_gas_estimate(&n.rpc, &call, &six, &arena, &e));
    T_EQ(e.limit_min, 100003);
    T_EQ(e.limit, 100003 + 2400);
}
SN_TEST(gas_of_a_program_that_looks_at_it)
{
    struct sn_gas_estimate e;
    struct sn_gas_opts quick = {.quick = true};
    arena_on();
    struct node n = NODE(.does_less = 80000);
    n.limit_min = 30001, n.code = "\"0x5a5000\"";
    T_OK(sn_gas_estimate(&n.rpc, &call, NULL, &arena, &e));
    T_EQ(e.class, SN_GAS_METERED);
    T_EQ(e.limit, 30001);
    T_EQ(e.used, e.limit); /* what it uses with that limit */
    n.says_less = true;    /* but does something else then */
    T_OK(sn_gas_estimate(&n.rpc, &call, NULL, &arena, &e));
    T_EQ(e.limit, 80000);
    n.says_less = false, n.code = "\"0x600160005500\""; /* or does not look */
    T_OK(sn_gas_estimate(&n.rpc, &call, NULL, &arena, &e));
    T_EQ(e.limit, 80000);
    n.code = "\"0x5a5000\""; /* quick: no lower than what it uses with plenty */
    T_OK(sn_gas_estimate(&n.rpc, &call, &quick, &arena, &e));
    T_EQ(e.limit, 80000);
}
#define W_00 "0000000000000000000000000000000000000000000000000000000000000000"
#define W_01 "0000000000000000000000000000000000000000000000000000000000000001"
#define W_02 "0000000000000000000000000000000000000000000000000000000000000002"
#define W_FE "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe"
#define W_FF "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
SN_TEST(gas_arguments_that_may_come_first)
{
    static const char *const want[] = {
        "0x11223344" W_01 W_00 W_FF "ab", /* the call itself */
        "0x11223344" W_02 W_00 W_FF "ab", /* the first word one more, */
        "0x11223344" W_00 W_00 W_FF "ab", /* 0, which is also one less */
        "0x11223344" W_01 W_01 W_FF "ab", /* the second: 0 has only more */
        "0x11223344" W_01 W_00 W_00 "ab", /* the largest has 0 for its next one */
        "0x11223344" W_01 W_00 W_FE "ab",
        "0x11223344" W_01 W_00 W_00 "ab",
    };
    struct sn_gas_call mine = {.from = SN_STR("0x01"),
                               .to = SN_STR("0x02"),
                               .data = sn_str(want[0])};
    struct gas_probe plain = {.call = &mine};
    arena_on();
    struct gas_pasts *none = SN_ARENA_ARRAY(&arena, struct gas_pasts, 1);
    struct gas_probe *scenes = SN_ARENA_ARRAY(&arena, struct gas_probe, GAS_PROBES_MAX);
    T_ASSERT(none && scenes);
    T_EQ(gas_scenes(&plain, 7, 0, none, &arena, scenes), 2);
    T_EQ(gas_scenes(&plain, 7, 1, none, &arena, scenes), 2 + (int)SN_COUNT_OF(want));
    T_EQ(gas_scenes(&plain, 7, 3, none, &arena, scenes), 2 + 2 * (int)SN_COUNT_OF(want));
    for (size_t i = 0; i < 2 * SN_COUNT_OF(want); i++) {
        sn_test_row("scene %zu", i);
        T_STR(scenes[2 + i].before->data, want[i / 2]);
        T_STR(scenes[2 + i].before->from, "0x01");
        T_EQ(scenes[2 + i].repeat, i % 2 ? 3 : 1);
        T_ASSERT(scenes[2 + i].call == &mine);
    }
}
SN_TEST(gas_others_come_first)
{
    static const struct {
        unsigned drift;
        bool no_simulate;
        uint64_t low, high, limit;
    } rows[] = {
        {0, false, 79040, 80960, 100003},         /* nobody does */
        {1, false, 79040, 98164, 120003 + 2400},  /* the other method, and 3 % unseen */
        {6, false, 79040, 103224, 125003 + 2400}, /* six of it */
        {1, true, 79040 - 21900, 98060, 117103},  /* cannot be tried: a slot's price */
    };
    arena_on();
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct node n = NODE(.neighbours = true, .no_simulate = rows[i].no_simulate);
        struct sn_gas_opts o = {.drift_blocks = rows[i].drift, .quick = true};
        struct sn_gas_estimate e;
        sn_test_row("drift %u, %s", rows[i].drift, rows[i].no_simulate ? "trace" : "simulate");
        T_OK(sn_gas_estimate(&n.rpc, &call, &o, &arena, &e));
        T_EQ(e.used, 80000);
        T_EQ(e.used_low, rows[i].low);
        T_EQ(e.used_high, rows[i].high);
        T_EQ(e.limit, rows[i].limit);
        T_EQ(e.steady, rows[i].drift == 0);
    }
}
static int estimate_once(void *arg)
{
    struct sn_arena a;
    struct node n = NODE(.neighbours = true);
    struct sn_gas_opts o = {.drift_blocks = 6, .quick = true};
    struct sn_gas_estimate e;
    sn_arena_init(&a, NULL, 0);
    int r = sn_gas_estimate(&n.rpc, &call, &o, &a, &e);
    sn_arena_done(&a);
    return r;
}
SN_TEST(gas_survives_any_failed_allocation)
{
    T_ASSERT(sn_torture(estimate_once, NULL) > 20);
}
SN_TEST(gas_transfer_is_exact)
{
    struct node n = {.rpc.batch = node_batch, .used = 21000, .limit_min = 21000, .code = "\"0x\""};
    struct sn_gas_call plain = {.from = call.from, .to = call.to, .data = SN_STR("0x")};
    struct sn_gas_estimate e;
    arena_on();
    T_OK(sn_gas_estimate(&n.rpc, &plain, &(struct sn_gas_opts){.drift_blocks = 6}, &arena, &e));
    T_ASSERT(e.steady && e.used_low == 21000 && e.used_high == 21000 && e.limit == 21000);
    T_EQ(e.class, SN_GAS_TRANSFER);
}
SN_TEST(gas_node_errors_are_told)
{
    static const struct {
        const char *result; /* of eth_simulateV1; NULL: the error below */
        int64_t code;
        const char *message;
        int want;
        const char *says;
    } rows[] = {
        {NULL, -32005, "limit exceeded", SN_E_RESOURCE_EXHAUSTED, "limit exceeded"},
        {"[]", 0, "", SN_E_PROTOCOL, "gasUsed"},
        {"{\"calls\":7}", 0, "", SN_E_PROTOCOL, "gasUsed"},
        {"[{\"calls\":[{\"status\":\"0x1\",\"gasUsed\":\"80000\"}]}]", 0, "",
         SN_E_PROTOCOL, "gasUsed"},
        {"[{\"calls\":[{\"status\":\"0x1\",\"gasUsed\":\"0x1ffffffffffffffff\"}]}]", 0, "",
         SN_E_PROTOCOL, "56 bits"},
        {"[{\"calls\":[{\"status\":\"0x1\",\"gasUsed\":\"0xffffffffffffffff\"}]}]", 0, "",
         SN_E_PROTOCOL, "56 bits"},
    };
    arena_on();
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct node n = NODE(.simulated = rows[i].result, .error = rows[i].message,
                             .error_code = rows[i].code);
        struct sn_gas_opts o = {.only = SN_GAS_SIMULATE};
        struct sn_gas_estimate e;
        sn_test_row("row %zu", i);
        T_EQ(sn_gas_estimate(&n.rpc, &call, &o, &arena, &e), rows[i].want);
        T_ASSERT(sn_str_find(sn_str(sn_diag_str(rows[i].want)), sn_str(rows[i].says)) >= 0);
    }
}
SN_TEST(gas_bad_input_is_named)
{
    static const struct {
        struct sn_gas_call call;
        const char *says;
    } rows[] = {
        {{.to = SN_STR_INIT("0x12")}, "to: 20 bytes"},
        {{.from = SN_STR_INIT("12")}, "from: \"0x...\""},
        {{.data = SN_STR_INIT("0x123")}, "data: an even number"},
        {{.data = SN_STR_INIT("0x12zz")}, "data: an even number"},
        {{.value = SN_STR_INIT("7")}, "value: \"0x...\""},
        {{.access_list = SN_STR_INIT("{}")}, "access list: array"},
        {{.access_list = SN_STR_INIT("[")}, "access list"},
    };
    arena_on();
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct node n = NODE();
        struct sn_gas_estimate e;
        sn_test_row("%s", rows[i].says);
        T_EQ(sn_gas_estimate(&n.rpc, &rows[i].call, NULL, &arena, &e), SN_E_INVALID_ARGUMENT);
        T_ASSERT(sn_str_find(sn_str(sn_diag_str(SN_E_INVALID_ARGUMENT)), sn_str(rows[i].says)) >=
                 0);
    }
}

/* ---- fees ---- */

SN_TEST(fees_follow_the_history)
{
    struct sn_fee_block b[128];
    struct sn_fees f;
    arena_on();
    for (unsigned i = 0; i < 128; i++)
        b[i] = (struct sn_fee_block){1000000000, 0.5, {1, 2, 3, 4, 5}};
    T_OK(sn_fees_from_history(b, 128, 1000000000, 7, NULL, &arena, &f));
    T_EQ(f.priority_fee, 1); /* half empty blocks take anyone */
    T_EQ(f.max_fee, f.base_fee_high + f.priority_fee);
    T_ASSERT(f.base_fee_high >= 1000000000 && f.base_fee_high <= 1030000000);
    /* Full blocks, one in two of which wants 50 wei. */
    for (unsigned i = 0; i < 128; i++)
        b[i] = (struct sn_fee_block){1000000000, 1, {i & 1 ? 50 : 10, 60, 70, 80, 90}};
    T_OK(sn_fees_from_history(b, 128, 1000000000, 0, &(struct sn_fee_opts){.blocks = 1}, &arena,
                              &f));
    T_EQ(f.priority_fee, 60); /* a tenth did not do after a cheap block: a quarter does */
    T_OK(sn_fees_from_history(b, 128, 1000000000, 0, &(struct sn_fee_opts){.blocks = 2}, &arena,
                              &f));
    T_EQ(f.priority_fee, 10); /* the cheap block of the two */
    /* A tenth of a full block's gas tips less than its tenth percentile, and gets in: a tip that one
     * block in ten would refuse by that is enough for 95 %, one in five is not. */
    for (unsigned every = 10; every >= 5; every -= 5) {
        for (unsigned i = 0; i < 128; i++)
            b[i] = (struct sn_fee_block){1000000000, 1, {i % every ? 10 : 50, 60, 70, 80, 90}};
        T_OK(sn_fees_from_history(b, 128, 1000000000, 0, &(struct sn_fee_opts){.blocks = 1}, &arena,
                                  &f));
        T_ASSERT(every == 10 ? f.priority_fee == 10 : f.priority_fee > 10);
    }
    /* A climb at the protocol's pace is projected, and never more. */
    for (unsigned i = 0; i < 128; i++) {
        b[i].base_fee = (uint64_t)(1e6 * (i ? (double)b[i - 1].base_fee * 1.125 / 1e6 : 1));
        if (b[i].base_fee > 1000000000000) b[i].base_fee = 1000000;
    }
    T_OK(sn_fees_from_history(b, 128, 1000000000, 0, &(struct sn_fee_opts){.blocks = 5}, &arena,
                              &f));
    T_ASSERT(f.base_fee_high >= 1590000000 && f.base_fee_high <= 1602000000); /* 1.125^4 = 1.6018 */
    T_OK(sn_fees_from_history(b, 0, 1000000000, 9, NULL, &arena, &f));
    T_EQ(f.priority_fee, 9);
    T_EQ(f.base_fee_high, 1265625000);
    T_EQ(sn_fees_from_history(b, 1, 1, 0, &(struct sn_fee_opts){.blocks = 65}, &arena, &f),
         SN_E_INVALID_ARGUMENT);
}

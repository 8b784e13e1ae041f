/* SPDX-License-Identifier: Apache-2.0 */
/* evm/client_test.c - the client against scripts: one answer at a time, where the whole is too much to
 * see in (that is client_sim_test.c). */
#include <stdio.h>
#include <stdlib.h>

#include "core/enc.h"
#include "core/status.h"
#include "core/torture.h"
#include "evm/client_int.h"
#include "evm/codec.h"
#include "fiber/sim.h"
#include "tests/harness/test.h"

/* ---- a node that says what the test wants ---- */

struct script {
    struct sn_eth_rpc rpc;
    /* The answer to one call: text of a JSON-RPC object without its braces, "\"result\":\"0x1\"". */
    const char *(*says)(struct script *s, const char *method, struct sn_str params);
    struct sn_eth_client client;
    unsigned calls, sends;
    const char *text; /* for `says` */
    char buf[4096];
};
static int script_batch(struct sn_eth_rpc *rpc, const struct sn_eth_request *calls, size_t n,
                        struct sn_arena *a, struct sn_eth_reply *ret)
{
    struct script *s = SN_CONTAINER_OF(rpc, struct script, rpc);
    for (size_t i = 0; i < n; i++) {
        s->calls++;
        s->sends += strcmp(calls[i].method, "eth_sendRawTransaction") == 0;
        const char *said = s->says(s, calls[i].method, calls[i].params);
        if (!said) return sn_fail(SN_E_RESET, "script");
        if (said[0] == '!') return SN_E_NOMEM; /* done, and the answer found no room */
        struct sn_str text = sn_arena_printf(a, "{%s}", said);
        int r = text.ptr ? sn_eth_answer_parse(a, text, &ret[i]) : SN_E_NOMEM;
        if (r < 0) return r;
    }
    return 0;
}
static void script_init(struct script *s,
                        const char *(*says)(struct script *s, const char *method, struct sn_str params))
{
    *s = (struct script){.rpc.batch = script_batch, .says = says};
    s->client = (struct sn_eth_client){.rpc = &s->rpc, .chain_id = 7, .poll_ns = SN_SEC};
}
static struct sn_arena arena;
static void arena_off(void) { sn_arena_done(&arena); }
static void arena_on(void)
{
    sn_arena_init(&arena, NULL, 0);
    sn_test_at_exit(arena_off);
}
static const char *says_text(struct script *s, const char *method, struct sn_str params)
{
    if (strcmp(method, "eth_blockNumber") == 0) return "\"result\":\"0x10\"";
    return s->text;
}

/* ---- what errors mean ---- */

SN_TEST(eth_verdicts)
{
    static const struct {
        int64_t code;
        const char *message;
        enum sn_eth_verdict verdict;
    } rows[] = {
        {-32000, "already known", SN_ETH_TX_KNOWN},
        {-32010, "AlreadyKnown", SN_ETH_TX_KNOWN},
        {-32000, "nonce too low: next nonce 5, tx nonce 4", SN_ETH_TX_USED},
        {-32010, "OldNonce, Current nonce: 12, nonce of rejected tx: 11", SN_ETH_TX_USED},
        {-32000, "replacement transaction underpriced", SN_ETH_TX_USED},
        {-32000, "transaction underpriced", SN_ETH_TX_REFUSED},
        {-32000, "nonce too high", SN_ETH_TX_EARLY},
        {-32000, "txpool is full", SN_ETH_TX_FULL},
        {-32000, "insufficient funds for gas * price + value: address 0x", SN_ETH_TX_REFUSED},
        {-32000, "exceeds block gas limit", SN_ETH_TX_REFUSED},
        {-32601, "the method eth_sendRawTransaction does not exist/is not available", SN_ETH_TX_REFUSED},
        {-32602, "invalid argument 0", SN_ETH_TX_REFUSED},
        /* Whatever is not known to be a refusal may have been taken. */
        {-32603, "internal error", SN_ETH_TX_UNSURE},
        {-32000, "request timed out", SN_ETH_TX_UNSURE},
        {-32000, "", SN_ETH_TX_UNSURE},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].message);
        T_EQ(sn_eth_verdict(rows[i].code, sn_str(rows[i].message)), rows[i].verdict);
    }
}
SN_TEST(eth_range_limits)
{
    static const struct {
        int64_t code;
        const char *message;
        bool limited;
        uint64_t lo, hi; /* proposed for [100, 9999] */
    } rows[] = {
        {-32005, "query returned more than 10000 results. Try with this block range [0x64, 0x3e7].", true,
         100, 999},
        {-32602, "Log response size exceeded. this block range should work: [0x64, 0x80]", true, 100, 128},
        {-32602, "... [0x65, 0x80]", false, 0, 0},
        {-32005, "Try with this block range [0x0, 0x80].", true, 1, 0},      /* not where we are */
        {-32005, "Try with this block range [0x64, 0xffff].", true, 1, 0},   /* not smaller */
        {-32005, "Try with this block range [0x80, 0x64].", true, 1, 0},
        {-32005, "Try with this block range [x, y]", true, 1, 0},
        {-32000, "exceed maximum block range: 5000", true, 1, 0},
        {-32614, "eth_getLogs is limited to a 10,000 range", true, 1, 0},
        {-32000, "block range is too wide", true, 1, 0},
        {-32602, "eth_getLogs and eth_newFilter are limited to a 10,000 blocks range", true, 1, 0},
        {-32000, "query timeout exceeded", true, 1, 0},
        {-32000, "logs matched by query exceeds limit of 10000", true, 1, 0},
        {-32701, "Please specify an address in your request or, to remove restrictions, ...", false, 0, 0},
        {-32601, "the method eth_getLogs does not exist/is not available", false, 0, 0},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        uint64_t lo, hi;
        sn_test_row("%s", rows[i].message);
        T_EQ(sn_eth_range_limited(rows[i].code, sn_str(rows[i].message), 100, 9999, &lo, &hi),
             rows[i].limited);
        if (!rows[i].limited) continue;
        T_EQ(lo, rows[i].lo);
        T_EQ(hi, rows[i].hi);
    }
}

/* ---- tries ---- */

struct tries {
    unsigned round, sends;
    size_t asked[8];
};
/* The first call is a send and is done; the second is turned away twice. */
static int turn_away(void *ctx, const struct sn_eth_request *calls, size_t n, struct sn_arena *a,
                     struct sn_eth_reply *ret, unsigned *ret_wait_s)
{
    struct tries *t = ctx;
    static const struct sn_json yes = {.kind = SN_JSON_BOOL, .b = true};
    t->asked[t->round++] = n;
    for (size_t i = 0; i < n; i++) {
        bool send = strcmp(calls[i].method, "eth_sendTransaction") == 0;
        t->sends += send;
        ret[i] = send || t->round > 2 ? (struct sn_eth_reply){.result = &yes}
                                      : (struct sn_eth_reply){.code = 429,
                                                              .message = SN_STR("too many requests")};
    }
    return 0;
}
static int break_down(void *ctx, const struct sn_eth_request *calls, size_t n, struct sn_arena *a,
                      struct sn_eth_reply *ret, unsigned *ret_wait_s)
{
    ((struct tries *)ctx)->round++;
    return sn_fail(SN_E_RESET, "gone");
}
static int try_in_sim(void *arg)
{
    struct sn_eth_request calls[] = {{"eth_sendTransaction", SN_STR("[]")}, {"eth_call", SN_STR("[]")}};
    struct sn_eth_reply got[2];
    struct tries t = {0}, read = {0}, send = {0};
    T_OK(sn_eth_try(&(struct sn_eth_tries){3, turn_away, &t}, calls, 2, &arena, got));
    T_EQ(t.round, 3);
    T_EQ(t.asked[0], 2);
    T_EQ(t.asked[1], 1); /* only what was turned away */
    T_EQ(t.sends, 1);
    T_ASSERT(got[0].result && got[1].result);
    T_EQ(sn_eth_try(&(struct sn_eth_tries){1, turn_away, &(struct tries){0}}, calls, 2, &arena, got),
         SN_E_RESOURCE_EXHAUSTED);
    T_EQ(sn_eth_try(&(struct sn_eth_tries){3, break_down, &read}, calls + 1, 1, &arena, got), SN_E_RESET);
    T_EQ(read.round, 4);
    T_EQ(sn_eth_try(&(struct sn_eth_tries){3, break_down, &send}, calls, 1, &arena, got), SN_E_RESET);
    T_EQ(send.round, 1);
    return 0;
}
SN_TEST(eth_tries)
{
    arena_on();
    T_OK(sn_sim_run(&(struct sn_sim_opts){.seed = 1}, try_in_sim, NULL, NULL));
}

/* ---- addresses, chains, blocks ---- */

SN_TEST(eth_open_shows_no_secret)
{
    struct sn_eth_rpc *rpc;
    static const char *const urls[] = {"ftp://secret", "secret", "", "https//secret"};
    for (size_t i = 0; i < SN_COUNT_OF(urls); i++) {
        T_EQ(sn_eth_open(&(struct sn_eth_opts){.url = sn_str(urls[i])}, &rpc), SN_E_INVALID_ARGUMENT);
        T_ASSERT(!strstr(sn_diag_str(SN_E_INVALID_ARGUMENT), "secret"));
    }
    static const char *const two[] = {"http://a", "ws://a"};
    for (size_t i = 0; i < SN_COUNT_OF(two); i++) {
        struct sn_eth_opts o = {.url = sn_str(two[i]), .headers = SN_STR("Good: x\nsecret")};
        T_EQ(sn_eth_open(&o, &rpc), SN_E_INVALID_ARGUMENT);
        T_ASSERT(!strstr(sn_diag_str(SN_E_INVALID_ARGUMENT), "secret"));
    }
    T_STR(sn_eth_host_of(SN_STR("wss://user:secret@node.example:8545/v3/secret?k=secret")),
          "node.example:8545");
    T_STR(sn_eth_host_of(SN_STR("https://node.example?secret@x")), "node.example");
}
SN_TEST(eth_client_refuses_another_chain)
{
    struct script s;
    struct sn_eth_client c;
    script_init(&s, says_text);
    s.text = "\"result\":\"0x539\"";
    T_OK(sn_eth_client_init(&c, &s.rpc, 1337, 0));
    T_EQ(c.chain_id, 1337);
    T_EQ(sn_eth_client_init(&c, &s.rpc, 1, 0), SN_E_FAILED_PRECONDITION);
    T_CSTR(sn_diag_str(SN_E_FAILED_PRECONDITION), "the node is on chain 1337, not on 1");
    s.text = "\"result\":\"0x1\"";
    T_EQ(sn_eth_client_check(&c), SN_E_FAILED_PRECONDITION);
    s.text = "\"result\":\"main\"";
    T_EQ(sn_eth_client_init(&c, &s.rpc, 0, 0), SN_E_PROTOCOL);
    T_ASSERT(strstr(sn_diag_str(SN_E_PROTOCOL), "eth_chainId: \"0x...\""));
}
#define HASH1 "0x1111111111111111111111111111111111111111111111111111111111111111"
#define HEADER(number) "\"result\":{\"number\":\"" number "\",\"timestamp\":\"0x1\",\"hash\":\"" HASH1 \
                       "\",\"parentHash\":\"" HASH1 "\"}"
SN_TEST(eth_blocks)
{
    static const struct {
        const char *text;
        int status;
    } rows[] = {
        {HEADER("0x5"), 0},
        {HEADER("0x6"), SN_E_PROTOCOL}, /* not the one that was asked for */
        {"\"result\":null", SN_E_NOT_FOUND},
        {"\"result\":{}", SN_E_PROTOCOL},
        {"\"result\":{\"number\":\"0x5\",\"timestamp\":\"0x1\",\"hash\":\"0x11\"}", SN_E_PROTOCOL},
        {"\"error\":{\"code\":-32000,\"message\":\"header not found\"}", SN_E_NOT_FOUND},
    };
    struct script s;
    struct sn_eth_block b;
    arena_on();
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        script_init(&s, says_text);
        s.text = rows[i].text;
        sn_test_row("%s", rows[i].text);
        T_EQ(sn_eth_block_get(&s.client, SN_STR("0x5"), &arena, &b), rows[i].status);
    }
}

/* ---- logs ---- */

static int no_log(void *ctx, const struct sn_json *log)
{
    ++*(unsigned *)ctx;
    return 0;
}
#define LOG(block, index) "{\"blockNumber\":\"" block "\",\"logIndex\":\"" index "\"}"
SN_TEST(eth_logs_are_checked)
{
    static const struct {
        const char *text;
        int status;
        unsigned told;
    } rows[] = {
        {"\"result\":[" LOG("0x1", "0x0") "," LOG("0x1", "0x1") "," LOG("0x3", "0x0") "]", 0, 3},
        {"\"result\":[]", 0, 0},
        {"\"result\":[" LOG("0x9", "0x0") "]", SN_E_PROTOCOL, 0}, /* outside of the range */
        {"\"result\":[" LOG("0x2", "0x0") "," LOG("0x1", "0x0") "]", SN_E_PROTOCOL, 1},
        {"\"result\":[" LOG("0x1", "0x1") "," LOG("0x1", "0x1") "]", SN_E_PROTOCOL, 1}, /* twice */
        {"\"result\":[{}]", SN_E_PROTOCOL, 0},
        {"\"result\":{}", SN_E_PROTOCOL, 0},
        /* A single block that is too much is a failure, not a loop. */
        {"\"error\":{\"code\":-32005,\"message\":\"query returned more than 10000 results\"}",
         SN_E_RESOURCE_EXHAUSTED, 0},
        {"\"error\":{\"code\":-32601,\"message\":\"method not found\"}", SN_E_UNIMPLEMENTED, 0},
    };
    struct sn_eth_filter any = {0};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct script s;
        struct sn_eth_logs_stats stats;
        unsigned told = 0;
        script_init(&s, says_text);
        s.text = rows[i].text;
        sn_test_row("%s", rows[i].text);
        T_EQ(sn_eth_logs(&s.client, &any, 1, 4, NULL, no_log, &told, &stats), rows[i].status);
        T_EQ(told, rows[i].told);
        T_ASSERT(s.calls <= 4);
    }
}
/* A node that takes 7 blocks at most: every block is asked for once successfully. */
static const char *seven(struct script *s, const char *method, struct sn_str params)
{
    uint64_t from = strtoull(strstr(params.ptr, "fromBlock\":\"") + 12, NULL, 16);
    uint64_t to = strtoull(strstr(params.ptr, "toBlock\":\"") + 10, NULL, 16);
    if (to - from >= 7) return "\"error\":{\"code\":-32000,\"message\":\"block range is too wide\"}";
    struct sn_buf b;
    sn_buf_init_fixed(&b, s->buf, sizeof(s->buf));
    sn_buf_cstr(&b, "\"result\":[");
    for (uint64_t k = 0; k <= to - from; k++)
        sn_buf_printf(&b, "%s{\"blockNumber\":\"0x%llx\",\"logIndex\":\"0x0\"}", k ? "," : "",
                      (unsigned long long)(from + k));
    sn_buf_byte(&b, ']');
    return sn_buf_cz(&b);
}
SN_TEST(eth_logs_split_and_grow)
{
    struct script s;
    struct sn_eth_logs_stats stats;
    unsigned told = 0;
    script_init(&s, seven);
    T_OK(sn_eth_logs(&s.client, &(struct sn_eth_filter){0}, 0, 999, NULL, no_log, &told, &stats));
    T_EQ(told, 1000);
    T_EQ(stats.logs, 1000);
    T_ASSERT(stats.requests < 500 && stats.splits > 5);
    told = 0;
    T_OK(sn_eth_logs(&s.client, &(struct sn_eth_filter){0}, UINT64_MAX - 5, UINT64_MAX, NULL, no_log, &told,
                     NULL));
    T_EQ(told, 6);
}

/* ---- multicall ---- */

SN_TEST(eth_multicall_answers_are_checked)
{
#define W "00000000000000000000000000000000000000000000000000000000000000"
    static const struct {
        const char *text;
        int status;
    } rows[] = {
        {"\"result\":\"0x" W "01" W "02abcd" W "00" W "00\"", 0},
        {"\"result\":\"0x" W "01" W "02abcd\"", SN_E_PROTOCOL},               /* one answer of two */
        {"\"result\":\"0x" W "01" W "02abcd" W "00" W "01\"", SN_E_PROTOCOL}, /* longer than it is */
        {"\"result\":\"0x" W "02" W "02abcd" W "00" W "00\"", SN_E_PROTOCOL}, /* no truth value */
        {"\"result\":\"0x" W "01" W "02abcd" W "00" W "00ff\"", SN_E_PROTOCOL}, /* left over */
        {"\"result\":\"0x01f\"", SN_E_PROTOCOL},
        {"\"result\":7", SN_E_PROTOCOL},
    };
    arena_on();
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct script s;
        struct sn_eth_multi calls[2] = {{.data = SN_STR("x")}, {.data = SN_STR("")}};
        enum sn_eth_multi_way way = 0;
        script_init(&s, says_text);
        s.text = rows[i].text;
        sn_test_row("%s", rows[i].text);
        T_EQ(sn_eth_multicall(&s.client, calls, 2,
                              &(struct sn_eth_multi_opts){.ways = SN_ETH_MULTI_OVERRIDE}, &arena, &way),
             rows[i].status);
        if (rows[i].status) continue;
        T_EQ(way, SN_ETH_MULTI_OVERRIDE);
        T_ASSERT(calls[0].ok && !calls[1].ok);
        T_STR(calls[0].result, "\xab\xcd");
    }
}
/* No contract, no override, no creation: one by one; the first reverts. */
static const char *poor_node(struct script *s, const char *method, struct sn_str params)
{
    if (strcmp(method, "eth_blockNumber") == 0) return "\"result\":\"0x10\"";
    if (sn_str_find(params, SN_STR("cA11bde")) >= 0) return "\"result\":\"0x\"";
    if (sn_str_find(params, SN_STR("\"code\"")) >= 0)
        return "\"error\":{\"code\":-32602,\"message\":\"too many arguments, want at most 2\"}";
    if (sn_str_find(params, SN_STR("\"to\"")) < 0)
        return "\"error\":{\"code\":-32602,\"message\":\"missing field to\"}";
    T_ASSERT(sn_str_ends(params, SN_STR(",\"0x10\"]"))); /* all at one block */
    if (sn_str_find(params, SN_STR("\"data\":\"0x31\"")) >= 0)
        return "\"error\":{\"code\":3,\"message\":\"execution reverted\",\"data\":\"0x08\"}";
    return "\"result\":\"0x07\"";
}
SN_TEST(eth_multicall_falls_back)
{
    struct script s;
    struct sn_eth_multi calls[2] = {{.data = SN_STR("1")}, {.data = SN_STR("2")}};
    enum sn_eth_multi_way way = 0;
    arena_on();
    script_init(&s, poor_node);
    for (unsigned i = 0; i < 2; i++) {
        s.calls = 0;
        T_OK(sn_eth_multicall(&s.client, calls, 2, NULL, &arena, &way));
        T_EQ(way, SN_ETH_MULTI_BATCH);
        T_ASSERT(!calls[0].ok && calls[1].ok);
        T_STR(calls[0].result, "\x08");
        T_STR(calls[1].result, "\x07");
        T_EQ(s.calls, i == 0 ? 6 : 3); /* what is missing is not asked for again */
    }
    T_EQ(sn_eth_multicall(&s.client, calls, 2, &(struct sn_eth_multi_opts){.ways = SN_ETH_MULTI_CREATE},
                          &arena, &way), SN_E_UNIMPLEMENTED);
    T_OK(sn_eth_multicall(&s.client, NULL, 0, NULL, &arena, NULL));
}

/* ---- sending ---- */

static const uint8_t test_key[32] = {[31] = 9};
static const char hex_key[] = "0000000000000000000000000000000000000000000000000000000000000009";

SN_TEST(eth_signer_keeps_its_key)
{
    struct sn_eth_signer *signer;
    static const uint8_t none[32];
    uint8_t over[32];
    memset(over, 0xff, sizeof(over));
    T_EQ(sn_eth_signer_local(none, &signer), SN_E_INVALID_ARGUMENT);
    T_EQ(sn_eth_signer_local(over, &signer), SN_E_INVALID_ARGUMENT);
    T_ASSERT(!strstr(sn_diag_str(SN_E_INVALID_ARGUMENT), "ffff"));
    T_OK(sn_eth_signer_local(test_key, &signer));
    uint8_t want[SN_ADDRESS_LEN], sig[65], digest[32] = {1}, who[SN_ADDRESS_LEN];
    T_OK(sn_address_of_key(test_key, want));
    T_EQ(memcmp(signer->address, want, sizeof(want)), 0);
    T_OK(signer->sign_digest(signer, digest, sig));
    T_OK(sn_digest_signer(digest, sig, who));
    T_EQ(memcmp(who, want, sizeof(want)), 0);
    sn_eth_signer_free(signer);
    sn_eth_signer_free(NULL);
}

/* What happens to sends, row by row: the node's answers to eth_sendRawTransaction in turn ('.' accepted
 * with the right hash), whether it then knows the hash, and what sn_eth_send makes of it. */
struct send_row {
    const char *answers[5];
    bool knows;
    int status;
    bool accepted;
    unsigned sends;
    uint64_t next; /* nonce after; the node counts 5 */
};
struct sending {
    struct script s;
    const struct send_row *row;
    struct sn_eth_signer *signer;
    uint8_t hash[32];
    struct sn_str raws[5];
};
#define ERR(message) "\"error\":{\"code\":-32000,\"message\":\"" message "\"}"
static const char *says_send(struct script *s, const char *method, struct sn_str params)
{
    struct sending *t = SN_CONTAINER_OF(s, struct sending, s);
    if (strcmp(method, "eth_getTransactionCount") == 0)
        return s->sends ? "\"result\":\"0x6\"" : "\"result\":\"0x5\"";
    if (strcmp(method, "eth_getTransactionByHash") == 0)
        return t->row->knows ? "\"result\":{}" : "\"result\":null";
    T_CSTR(method, "eth_sendRawTransaction");
    unsigned i = s->sends - 1;
    T_ASSERT(i < 5 && (t->row->answers[i] || i == 0));
    struct sn_str hex = sn_str_sub(params, 4, params.len - 2), raw;
    char *bytes = sn_arena_alloc(&arena, hex.len / 2);
    ssize_t n = sn_hex_decode(hex, bytes);
    T_ASSERT(n > 0);
    raw = t->raws[i] = sn_str_of(bytes, (size_t)n);
    T_ASSERT(sn_str_find(raw, sn_str_of((const char *)test_key, 32)) < 0);
    const char *said = t->row->answers[i];
    if (!said || said[0] != '.') return said;
    struct sn_tx tx;
    T_OK(sn_tx_decode(&arena, raw, &tx));
    T_OK(sn_tx_hash(&tx, t->hash));
    snprintf(s->buf, sizeof(s->buf), "\"result\":\"%s\"", sn_eth_hex(&arena, t->hash, 32).ptr);
    return s->buf;
}
static int send_in_sim(void *arg)
{
    struct sending *t = arg;
    struct sn_eth_account *acc;
    struct sn_eth_sent sent = {0};
    struct sn_tx tx = {.type = SN_TX_DYNAMIC_FEE, .has_to = true, .gas_limit = 21000,
                       .max_fee = sn_u256(100), .priority_fee = sn_u256(1)};
    struct sn_eth_nonces nonces;
    T_OK(sn_eth_account_new(&t->s.client, t->signer, NULL, &acc));
    int r = sn_eth_send(acc, &tx, &arena, &sent, NULL);
    T_EQ(r, t->row->status);
    T_ASSERT(!strstr(sn_diag_str(r), hex_key));
    T_EQ(t->s.sends, t->row->sends);
    sn_eth_account_nonces(acc, &nonces);
    T_EQ(nonces.next, t->row->next);
    T_EQ(nonces.gaps, 0);
    if (r == 0) T_EQ(sent.accepted, t->row->accepted);
    sn_eth_account_free(acc);
    return 0;
}
SN_TEST(eth_sends_once)
{
    static const struct send_row rows[] = {
        {{"."}, false, 0, true, 1, 6},
        {{ERR("already known")}, false, 0, true, 1, 6},
        {{ERR("insufficient funds")}, false, SN_E_FAILED_PRECONDITION, false, 1, 5},
        /* No answer: the node is asked, and the same bytes go out again. */
        {{NULL}, true, 0, true, 1, 6},
        {{"!"}, true, 0, true, 1, 6},
        {{"!"}, false, 0, false, 1, 6},
        {{ERR("internal error"), "."}, false, 0, true, 2, 6},
        {{ERR("internal error"), ERR("already known")}, false, 0, true, 2, 6},
        /* After an answer that did not come, "nonce too low" may mean this very transaction. */
        {{ERR("internal error"), ERR("nonce too low")}, false, 0, false, 2, 6},
        {{ERR("internal error"), ERR("insufficient funds")}, false, 0, false, 2, 6},
        {{"\"result\":\"" HASH1 "\""}, false, 0, false, 1, 6}, /* it talks of another */
        /* Refused at once because of the nonce: that is somebody else's; the next one is taken. */
        {{ERR("nonce too low"), "."}, false, 0, true, 2, 7},
        {{ERR("replacement transaction underpriced"), "."}, false, 0, true, 2, 7},
        {{ERR("txpool is full"), "."}, false, 0, true, 2, 6},
        {{ERR("txpool is full"), ERR("txpool is full"), ERR("txpool is full"), ERR("txpool is full")},
         false, SN_E_RESOURCE_EXHAUSTED, false, 4, 5},
        {{ERR("nonce too high"), "."}, false, 0, true, 2, 6},
        {{ERR("internal error"), ERR("internal error"), ERR("internal error"), ERR("internal error")},
         false, 0, false, 4, 6},
    };
    arena_on();
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sending t = {.row = &rows[i]};
        script_init(&t.s, says_send);
        T_OK(sn_eth_signer_local(test_key, &t.signer));
        sn_test_row("row %zu: %s", i, rows[i].answers[0] ? rows[i].answers[0] : "no answer");
        T_OK(sn_sim_run(&(struct sn_sim_opts){.seed = 1}, send_in_sim, &t, NULL));
        sn_eth_signer_free(t.signer);
        /* The same bytes, or another nonce. */
        for (unsigned k = 1; k < t.s.sends; k++)
            T_EQ(sn_str_eq(t.raws[0], t.raws[k]), rows[i].next == 6 || rows[i].next == 5);
    }
}

/* ---- without memory ---- */

static const char *says_all(struct script *s, const char *method, struct sn_str params)
{
    if (strcmp(method, "eth_blockNumber") == 0) return "\"result\":\"0x4\"";
    if (strcmp(method, "eth_getLogs") == 0) return "\"result\":[" LOG("0x1", "0x0") "]";
    if (strcmp(method, "eth_getBlockByNumber") == 0) return HEADER("0x4");
    return "\"result\":\"0x" W "01" W "02abcd" W "00" W "00\"";
}
static int without_memory(void *arg)
{
    struct script *s = arg;
    struct sn_arena a;
    struct sn_eth_multi calls[2] = {{.data = SN_STR("x")}, {.data = SN_STR("")}};
    struct sn_eth_multi_opts o = {.ways = SN_ETH_MULTI_OVERRIDE};
    struct sn_eth_block b;
    struct sn_eth_signer *signer = NULL;
    unsigned told = 0;
    sn_arena_init(&a, NULL, 0);
    int r = sn_eth_multicall(&s->client, calls, 2, &o, &a, NULL);
    if (r >= 0)
        r = sn_eth_logs(&s->client, &(struct sn_eth_filter){0}, 1, 2, NULL, no_log, &told, NULL);
    if (r >= 0) r = sn_eth_block_get(&s->client, SN_STR("latest"), &a, &b);
    if (r >= 0) r = sn_eth_signer_local(test_key, &signer);
    sn_eth_signer_free(signer);
    sn_arena_done(&a);
    return r;
}
SN_TEST(eth_client_without_memory)
{
    struct script s;
    script_init(&s, says_all);
    T_OK(without_memory(&s)); /* what is made once is made */
    int n = sn_torture(without_memory, &s);
    T_ASSERTF(n > 5, "%s", sn_diag_str(n));
}

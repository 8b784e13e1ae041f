/* SPDX-License-Identifier: Apache-2.0 */
/* rpc/rpc_test.c - texts as Go prints them, arguments, evidence there and back, and every call to a
 * node that runs. What CometBFT answers to the same is compared in tests/interop/chain_rpc.sh. */
#include <stdio.h>

#include "consensus/codec.h"
#include "consensus/hash.h"
#include "consensus/key.h"
#include "consensus/rpc/env_test.h"
#include "consensus/valset.h"
#include "core/enc.h"
#include "core/torture.h"
#include "tests/harness/test.h"

/* ---- texts ---- */

SN_TEST(rpc_strings)
{
    static const struct {
        struct sn_str in;
        const char *out;
    } t[] = {
        {SN_STR_INIT(""), "\"\""},
        {SN_STR_INIT("plain ~\x7f"), "\"plain ~\x7f\""},
        {SN_STR_INIT("\"\\\b\f\n\r\t\x01\x1f"), "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\""},
        {SN_STR_INIT("\0"), "\"\\u0000\""},
        {SN_STR_INIT("<a>&"), "\"\\u003ca\\u003e\\u0026\""},
        {SN_STR_INIT("\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa"), "\"\\u2028\\u2029\xe2\x80\xaa\""},
        {SN_STR_INIT("\xc3\xa9\xf0\x9f\x98\x80"), "\"\xc3\xa9\xf0\x9f\x98\x80\""},
        /* Cut off, overlong, a surrogate, beyond the last: a replacement for each byte. */
        {SN_STR_INIT("\xff"
                     "a\xc3"),
         "\"\\ufffda\\ufffd\""},
        {SN_STR_INIT("\xc0\x80"), "\"\\ufffd\\ufffd\""},
        {SN_STR_INIT("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\""},
        {SN_STR_INIT("\xf4\x90\x80\x80"), "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
    };
    struct sn_buf b = {0};
    for (size_t i = 0; i < SN_COUNT_OF(t); i++) {
        sn_buf_reset(&b);
        sn_cons_json_str(&b, t[i].in);
        T_CSTR(sn_buf_cz(&b), t[i].out);
    }
    sn_buf_reset(&b);
    sn_rpc_compact(SN_STR("{ \"a b\" : [1, \"<\\\" >\"],\n\t\"c\":\"\xe2\x80\xa8\" }"), &b);
    T_CSTR(sn_buf_cz(&b), "{\"a b\":[1,\"\\u003c\\\" \\u003e\"],\"c\":\"\\u2028\"}");
    sn_buf_done(&b);
}

/* ---- arguments ---- */

static const struct sn_rpc_route *route(const char *name)
{
    static struct sn_rpc all = {.o = {.unsafe = true}};
    const struct sn_rpc_route *r = sn_rpc_route(&all, sn_str(name));
    T_ASSERT(r);
    return r;
}

SN_TEST(rpc_routes)
{
    struct sn_rpc rpc = {.o = {0}};
    for (size_t i = 1; i < sn_rpc_routes_n; i++)
        T_ASSERT(strcmp(sn_rpc_routes[i - 1].name, sn_rpc_routes[i].name) < 0);
    T_ASSERT(!sn_rpc_route(&rpc, SN_STR("dial_seeds")) && sn_rpc_route(&rpc, SN_STR("tx")));
    T_ASSERT(!sn_rpc_route(&rpc, SN_STR("")) && !sn_rpc_route(&rpc, SN_STR("statu")));
    rpc.o.inspect = true;
    T_ASSERT(!sn_rpc_route(&rpc, SN_STR("status")) && sn_rpc_route(&rpc, SN_STR("block")));
}

SN_TEST(rpc_uri_arguments)
{
    static const struct {
        const char *route, *query;
        int r;
        const char *text; /* of the first argument, or of the error */
    } t[] = {
        {"block", "height=5", 0, "5"},
        {"block", "height=%225%22&x=1", 0, "5"},
        {"block", "height=", 0, NULL},
        {"block", "", 0, NULL},
        {"block", "height=null", 0, NULL},
        {"block", "height=-5", 0, "-5"},
        {"block", "x=%zz&height=7", 0, "7"},
        {"block", "height=0x5", -1, "got a hex string arg, but expected 'int64'"},
        {"block", "height=99999999999999999999", -1,
         "json: cannot unmarshal number 99999999999999999999 into Go value of type int64"},
        {"block", "height=x", -1, "invalid 64-bit integer encoding \"x\", expected string"},
        {"tx", "hash=0x6162", 0, "ab"},
        {"tx", "hash=%22abc%22", 0, "abc"},
        {"tx", "hash=YWI=", -1, "invalid character 'Y' looking for beginning of value"},
        {"tx", "hash=0x616", -1, "encoding/hex: odd length hex string"},
        {"tx", "hash=0x6g", -1, "encoding/hex: invalid byte: U+0067 'g'"},
        {"tx_search", "query=%22a.b%3D%27x%27%22", 0, "a.b='x'"},
        {"tx_search", "query=0x61", 0, "a"},
        {"tx_search", "query=abc", -1, "invalid character 'a' looking for beginning of value"},
        {"tx_search", "query=5", -1, "json: cannot unmarshal number into Go value of type string"},
        {"genesis_chunked", "chunk=-1", -1,
         "json: cannot unmarshal number -1 into Go value of type uint"},
        {"dial_seeds", "seeds=[%22a%22,%22b%22]", 0, "b"},
        {"dial_seeds", "seeds=[1]", -1,
         "json: cannot unmarshal number into Go value of type string"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(t); i++) {
        struct sn_arena a = {0};
        struct sn_rpc_call c = {.route = route(t[i].route), .arena = &a};
        char n[24];
        sn_test_row("%s?%s", t[i].route, t[i].query);
        int r = sn_rpc_args_uri(&c, sn_str(t[i].query), (struct sn_str){0});
        T_ASSERT((r < 0) == (t[i].r < 0));
        snprintf(n, sizeof(n), "%lld", (long long)c.args[0].i);
        if (r < 0)
            T_CSTR(sn_diag_str(r), t[i].text);
        else if (!t[i].text)
            T_ASSERT(!c.args[0].set);
        else if (c.args[0].list)
            T_STR(c.args[0].list[c.args[0].n - 1], t[i].text);
        else if (c.args[0].s.ptr)
            T_STR(c.args[0].s, t[i].text);
        else
            T_CSTR(n, t[i].text);
        sn_arena_done(&a);
    }
}

SN_TEST(rpc_json_arguments)
{
    static const struct {
        const char *route, *params;
        const char *error; /* NULL: none */
    } t[] = {
        {"block", "{\"height\":\"5\"}", NULL},
        {"block", "[\"5\"]", NULL},
        {"block", "null", NULL},
        {"block", "{\"height\":null}", NULL},
        {"block", "{\"height\":5}", "invalid 64-bit integer encoding \"5\", expected string"},
        {"block", "[]", "expected 1 parameters ([height]), got 0"},
        {"block", "5", "unknown type for JSON params: number. Expected map or array"},
        {"tx", "{\"hash\":\"YWI=\",\"prove\":true}", NULL},
        {"tx", "{\"hash\":5}", "json: cannot unmarshal number into Go value of type []uint8"},
        {"tx", "{\"prove\":\"true\"}", "json: cannot unmarshal string into Go value of type bool"},
        {"abci_query", "{\"path\":\"/x\",\"data\":\"6A\",\"height\":\"0\",\"prove\":false}", NULL},
        {"abci_query", "{\"data\":\"6\"}", "encoding/hex: odd length hex string"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(t); i++) {
        struct sn_arena a = {0};
        const struct sn_json *v;
        struct sn_rpc_call c = {.route = route(t[i].route), .arena = &a};
        sn_test_row("%s %s", t[i].route, t[i].params);
        T_OK(sn_json_parse(&a, sn_str(t[i].params), NULL, &v));
        int r = sn_rpc_args_json(&c, v);
        T_ASSERT((r < 0) == (t[i].error != NULL));
        if (r < 0) T_CSTR(sn_diag_str(r), t[i].error);
        sn_arena_done(&a);
    }
}

/* ---- evidence ---- */

static struct sn_cons_vote vote_of(uint8_t block)
{
    struct sn_cons_vote v = {.type = SN_CONS_PRECOMMIT,
                             .height = 5,
                             .round = 1,
                             .index = 3,
                             .time = {1700000000, 7},
                             .sig = {.len = 64, .b = {9, block}}};
    memset(v.addr, 0xab, sizeof(v.addr));
    v.block_id.hash = (struct sn_cons_hash){32, {block}};
    v.block_id.parts = (struct sn_cons_part_set_header){1, {32, {1, block}}};
    return v;
}

static void same_evidence(const struct sn_cons_evidence *ev)
{
    struct sn_arena a = {0};
    struct sn_cons_evidence back;
    struct sn_buf text = {0}, x = {0}, y = {0};
    const struct sn_json *v;
    sn_cons_json_evidence(&text, ev);
    T_OK(sn_json_parse(&a, sn_buf_view(&text), NULL, &v));
    int r = sn_cons_json_read_evidence(v, &a, &back);
    T_ASSERTF(r == 0, "%s: %s", sn_diag_str(r), sn_buf_cz(&text));
    T_OK(sn_cons_evidence_encode(ev, &x));
    T_OK(sn_cons_evidence_encode(&back, &y));
    T_ASSERT(sn_str_eq(sn_buf_view(&x), sn_buf_view(&y)));
    sn_buf_done(&text);
    sn_buf_done(&x);
    sn_buf_done(&y);
    sn_arena_done(&a);
}

static struct sn_cons_hash hash_of(uint8_t n) { return (struct sn_cons_hash){32, {n, n}}; }

/* A light block of two validators; the caller unrefs the set. */
static void attack_of(struct sn_cons_light_block *lb, struct sn_cons_commit_sig sigs[2])
{
    struct sn_cons_validator vals[2] = {{.power = 10}, {.power = 67}};
    for (int i = 0; i < 2; i++) {
        uint8_t key[32] = {(uint8_t)(i + 1)};
        T_OK(sn_cons_key_set(&vals[i].key, SN_CONS_ED25519, sn_str_of((char *)key, 32)));
        T_OK(sn_cons_key_addr(&vals[i].key, vals[i].addr));
    }
    *lb = (struct sn_cons_light_block){.header = {.block_version = 11,
                                                  .app_version = 1,
                                                  .chain_id_len = 5,
                                                  .chain_id = "c<a>n",
                                                  .height = 8,
                                                  .time = {1700000004, 5},
                                                  .last_commit_hash = hash_of(3),
                                                  .data_hash = hash_of(4),
                                                  .next_validators_hash = hash_of(5),
                                                  .consensus_hash = hash_of(6),
                                                  .last_results_hash = hash_of(7),
                                                  .evidence_hash = hash_of(8),
                                                  .app_hash = {.len = 3, .b = {1, 2, 3}},
                                                  .proposer_len = 20}};
    lb->header.last_block_id.hash = hash_of(1);
    lb->header.last_block_id.parts = (struct sn_cons_part_set_header){1, hash_of(2)};
    T_OK(sn_cons_valset_new(vals, 2, &lb->vals));
    T_OK(sn_cons_valset_hash(lb->vals, &lb->header.validators_hash));
    memcpy(lb->header.proposer, lb->vals->vals[0].addr, SN_CONS_ADDR_LEN);
    sigs[0] = (struct sn_cons_commit_sig){.flag = SN_CONS_COMMIT,
                                          .time = {1700000005, 0},
                                          .sig = {.len = 64, .b = {1}}};
    memcpy(sigs[0].addr, lb->vals->vals[0].addr, SN_CONS_ADDR_LEN);
    sigs[1] = (struct sn_cons_commit_sig){.flag = SN_CONS_ABSENT, .time = SN_CONS_TIME_ZERO};
    lb->commit = (struct sn_cons_commit){.height = 8, .round = 2, .n = 2, .sigs = sigs};
    T_OK(sn_cons_header_hash(&lb->header, &lb->commit.block_id.hash));
    lb->commit.block_id.parts = (struct sn_cons_part_set_header){1, hash_of(9)};
}

SN_TEST(rpc_evidence)
{
    struct sn_cons_vote a = vote_of(1), b = vote_of(2);
    struct sn_cons_evidence ev = {.kind = SN_CONS_DUPLICATE_VOTE,
                                  .total_power = 40,
                                  .time = {1699999999, 0},
                                  .vote_a = &a,
                                  .vote_b = &b,
                                  .validator_power = 10};
    same_evidence(&ev);
    struct sn_cons_commit_sig sigs[2];
    struct sn_cons_light_block lb;
    attack_of(&lb, sigs);
    ev = (struct sn_cons_evidence){.kind = SN_CONS_LIGHT_ATTACK,
                                   .total_power = 77,
                                   .time = {1700000005, 1},
                                   .conflicting = &lb,
                                   .common_height = 5,
                                   .byzantine = lb.vals->vals,
                                   .n_byzantine = 2};
    same_evidence(&ev);
    sn_cons_valset_unref(lb.vals);
    static const char *const bad[] = {
        "{}",
        "{\"type\":\"tendermint/Other\",\"value\":{}}",
        "{\"type\":\"tendermint/DuplicateVoteEvidence\",\"value\":{}}",
        "{\"type\":\"tendermint/DuplicateVoteEvidence\",\"value\":5}",
        "{\"type\":\"tendermint/LightClientAttackEvidence\",\"value\":{\"ConflictingBlock\":[]}}",
    };
    for (size_t i = 0; i < SN_COUNT_OF(bad); i++) {
        struct sn_arena arena = {0};
        struct sn_cons_evidence back;
        const struct sn_json *v;
        T_OK(sn_json_parse(&arena, sn_str(bad[i]), NULL, &v));
        T_EQ(sn_cons_json_read_evidence(v, &arena, &back), SN_E_INVALID_ARGUMENT);
        sn_arena_done(&arena);
    }
}

/* ---- a node that runs ---- */

static struct sn_str text_at(const struct sn_json *v, const char *path)
{
    return sn_json_str(sn_json_path(v, path));
}
static int64_t number_at(const struct sn_json *v, const char *path)
{
    int64_t n = -1;
    T_ASSERTF(sn_str_to_i64(text_at(v, path), &n) == 0, "%s is no number", path);
    return n;
}

static int calls_body(struct env *e)
{
    int status;
    const struct sn_json *v = env_result(e, "status", "{}");
    T_STR(text_at(v, "node_info.network"), "rpc-test");
    T_STR(text_at(v, "node_info.channels"), "2021");
    T_ASSERT(number_at(v, "sync_info.latest_block_height") >= 2);
    T_EQ(number_at(v, "validator_info.voting_power"), 10);
    T_ASSERT(!sn_json_bool_or(sn_json_path(v, "sync_info.catching_up"), true));
    T_EQ(sn_json_len(env_result(e, "health", "{}")), 0);

    v = env_result(e, "broadcast_tx_commit", "{\"tx\":\"YT0x\"}"); /* a=1 */
    T_EQ(sn_json_i64_or(sn_json_path(v, "check_tx.code"), -1), 0);
    T_EQ(sn_json_i64_or(sn_json_path(v, "tx_result.code"), -1), 0);
    int64_t height = number_at(v, "height");
    T_ASSERT(height > 0 && sn_json_len(sn_json_path(v, "tx_result.events")) > 0);
    struct sn_str hash = text_at(v, "hash");
    T_EQ(hash.len, 64);
    T_OK(sn_indexer_wait(e->view.indexer, height));

    char path[256];
    snprintf(path, sizeof(path), "/tx?hash=0x%.*s&prove=true", SN_STR_ARG(hash));
    v = sn_json_get(env_json(e, env_get(e, path, &status)), "result");
    T_EQ(status, 200);
    T_EQ(number_at(v, "height"), height);
    T_STR(text_at(v, "tx"), "YT0x");
    T_EQ(number_at(v, "proof.proof.total"), 1);
    snprintf(path, sizeof(path), "{\"query\":\"tx.height=%lld\"}", (long long)height);
    T_EQ(number_at(env_result(e, "tx_search", path), "total_count"), 1);
    snprintf(path, sizeof(path), "{\"query\":\"block.height=%lld\"}", (long long)height);
    T_EQ(number_at(env_result(e, "block_search", path), "total_count"), 1);

    v = env_result(e, "abci_query", "{\"path\":\"\",\"data\":\"61\"}");
    T_STR(text_at(v, "response.value"), "MQ==");
    T_ASSERT(text_at(env_result(e, "abci_info", "{}"), "response.version").len > 0);
    T_EQ(sn_json_i64_or(sn_json_get(env_result(e, "check_tx", "{\"tx\":\"Yj0x\"}"), "code"), -1),
         0);
    T_EQ(sn_json_i64_or(sn_json_get(env_result(e, "broadcast_tx_sync", "[\"Yz0x\"]"), "code"), -1),
         0);
    T_STR(env_error(e, "broadcast_tx_sync", "[\"Yz0x\"]"), "tx already exists in cache");
    v = env_result(e, "broadcast_tx_async", "{\"tx\":\"ZD0x\"}");
    T_EQ(text_at(v, "hash").len, 64);
    T_ASSERT(sn_json_i64_or(sn_json_get(env_result(e, "broadcast_tx_sync", "[\"eA==\"]"), "code"),
                            0) > 0);
    T_ASSERT(
        sn_json_is(sn_json_get(env_result(e, "num_unconfirmed_txs", "{}"), "txs"), SN_JSON_NULL));
    T_ASSERT(sn_json_is(sn_json_get(env_result(e, "unconfirmed_txs", "{}"), "txs"), SN_JSON_ARRAY));

    v = env_result(e, "consensus_state", "{}");
    T_ASSERT(text_at(v, "round_state.proposer.address").len == 40);
    v = env_result(e, "dump_consensus_state", "{}");
    T_ASSERT(number_at(v, "round_state.height") >= height);
    T_EQ(sn_json_len(sn_json_get(v, "peers")), 0);
    v = env_result(e, "genesis", "{}");
    T_STR(text_at(v, "genesis.chain_id"), "rpc-test");
    v = env_result(e, "genesis_chunked", "{\"chunk\":\"0\"}");
    T_EQ(number_at(v, "total"), 1);
    T_STR(env_error(e, "genesis_chunked", "{\"chunk\":\"1\"}"), "there are 0 chunks, 1 is invalid");
    T_STR(env_error(e, "net_info", "{}"), "this node has no peers");
    T_STR(env_error(e, "broadcast_evidence", "{\"evidence\":null}"),
          "this node has no evidence pool");
    T_STR(env_error(e, "dial_seeds", "{}"), ""); /* not unsafe: no such method */
    T_STR(env_error(e, "block", "{\"height\":\"1000000\"}").len ? SN_STR("") : SN_STR("x"), "");
    T_EQ(number_at(env_result(e, "validators", "{\"height\":\"1\"}"), "total"), 1);
    v = env_result(e, "consensus_params", "{}");
    T_EQ(number_at(v, "consensus_params.block.max_bytes"), 22020096);
    return 0;
}
SN_TEST(rpc_calls)
{
    struct env e = {.body = calls_body};
    env_run(&e, 2);
}

/* ---- HTTP ---- */

static int http_body(struct env *e)
{
    int status;
    T_ASSERT(sn_str_find(env_get(e, "/", NULL), SN_STR("/tx_search?query=_&prove=_")) > 0);
    T_STR(env_get(e, "/nope", &status), "404 page not found\n");
    T_EQ(status, 404);
    (void)env_get(e, "/subscribe?query=1", &status);
    T_EQ(status, 404);
    (void)env_get(e, "/block?height=x", &status);
    T_EQ(status, 500);
    T_STR(env_post(e, "{\"method\":\"status\"}", &status), "");
    T_EQ(status, 200);
    T_STR(env_post(e, "{\"id\":\"a\\\"b\",\"method\":\"health\"}", NULL),
          "{\"jsonrpc\":\"2.0\",\"id\":\"a\\\"b\",\"result\":{}}");
    T_STR(env_post(e, "[{\"id\":1,\"method\":\"health\"},{\"id\":2,\"method\":\"x\"}]", NULL),
          "[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}},{\"jsonrpc\":\"2.0\",\"id\":2,\"error\":"
          "{\"code\":-32601,\"message\":\"Method not found\"}}]");
    T_STR(env_post(e, "[1,2,3,4]", NULL).len > 80 ? SN_STR("") : SN_STR("x"), "");
    /* More than a batch may have. */
    struct sn_buf batch = {0};
    for (int i = 0; i < 11; i++)
        sn_buf_printf(&batch, "%c{\"id\":1,\"method\":\"health\"}", i ? ',' : '[');
    sn_buf_cstr(&batch, "]");
    T_STR(
        env_post(e, sn_buf_cz(&batch), &status),
        "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":\"Invalid Request\",\"data\":"
        "\"batch request exceeds maximum (10) allowed number of requests\"}}");
    T_EQ(status, 200);
    sn_buf_done(&batch);
    /* Huge bodies: too long, and too deep. */
    char *big = sn_arena_alloc(&e->arena, 3001);
    memset(big, '[', 3000);
    big[3000] = 0;
    T_STR(
        env_post(e, big, &status),
        "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":\"Invalid Request\",\"data\":"
        "\"error reading request body: http: request body too large\"}}");
    T_EQ(status, 400);
    big[1900] = 0;
    T_ASSERT(sn_str_find(env_post(e, big, &status), SN_STR("-32700")) > 0);
    T_EQ(status, 500);
    return 0;
}
SN_TEST(rpc_http)
{
    struct env e = {.body = http_body, .o = {.body_bytes_max = 2000}};
    env_run(&e, 1);
}

static struct sn_str cors(struct env *e, const char *method, const char *origin, const char *wanted,
                          const char *header, int *ret_status)
{
    struct sn_http_header h[] = {{SN_STR("Origin"), sn_str(origin)},
                                 {SN_STR("Access-Control-Request-Method"), SN_STR("POST")},
                                 {SN_STR("Access-Control-Request-Headers"), sn_str(wanted)}};
    struct sn_http_resp *resp;
    struct sn_http_call call = {.method = sn_str(method),
                                .headers = h,
                                .n_headers = strcmp(method, "OPTIONS") ? 1
                                             : wanted                  ? 3
                                                                       : 2};
    call.url = sn_arena_printf(&e->arena, "%s/health", e->url);
    T_OK(sn_http_do(e->client, &call, &resp));
    struct sn_str v = sn_arena_str(&e->arena, sn_http_headers_get(&resp->headers, sn_str(header)));
    if (ret_status) *ret_status = resp->status;
    sn_http_resp_close(resp);
    return v;
}

static int cors_body(struct env *e)
{
    int status;
    T_STR(cors(e, "GET", "http://a.example", NULL, "access-control-allow-origin", &status),
          "http://a.example");
    T_EQ(status, 200);
    T_STR(cors(e, "GET", "http://x.sub.test", NULL, "access-control-allow-origin", NULL),
          "http://x.sub.test");
    T_STR(cors(e, "GET", "http://evil.example", NULL, "access-control-allow-origin", NULL), "");
    T_STR(cors(e, "OPTIONS", "http://a.example", "content-type", "access-control-allow-headers",
               &status),
          "content-type");
    T_EQ(status, 204);
    T_STR(cors(e, "OPTIONS", "http://a.example", "x-other", "access-control-allow-origin", NULL),
          "");
    T_STR(cors(e, "OPTIONS", "http://a.example", NULL, "access-control-allow-methods", NULL),
          "POST");
    return 0;
}
SN_TEST(rpc_cors)
{
    static const char *const origins[] = {"http://a.example", "http://*.sub.test", NULL},
                             *const methods[] = {"HEAD", "GET", "POST", NULL},
                             *const headers[] = {"Origin", "Content-Type", NULL};
    struct env e = {.body = cors_body,
                    .o = {.cors_origins = origins,
                          .cors_methods = methods,
                          .cors_headers = headers}};
    env_run(&e, 1);
}

/* ---- WebSocket ---- */

static const struct sn_json *ws_next(struct env *e, struct sn_ws *ws)
{
    struct sn_buf m = {0};
    int r = sn_ws_read(ws, &m);
    T_ASSERTF(r == SN_WS_TEXT, "read %d: %s", r, sn_diag_str(r));
    struct sn_str copy = sn_arena_str(&e->arena, sn_buf_view(&m));
    sn_buf_done(&m);
    return env_json(e, copy);
}
static void ws_send(struct sn_ws *ws, const char *id, const char *method, const char *query)
{
    char text[400];
    snprintf(text, sizeof(text),
             "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"%s\",\"params\":{\"query\":\"%s\"}}", id,
             method, query);
    T_OK(sn_ws_write(ws, SN_WS_TEXT, sn_str(text)));
}
/* The next answer that is not an event's. */
static const struct sn_json *ws_answer(struct env *e, struct sn_ws *ws)
{
    for (;;) {
        const struct sn_json *v = ws_next(e, ws);
        if (!sn_json_path(v, "result.query")) return v;
    }
}

static int ws_body(struct env *e)
{
    struct sn_ws *ws = env_ws(e);
    ws_send(ws, "1", "subscribe", "tm.event='NewBlock'");
    const struct sn_json *v = ws_next(e, ws);
    T_ASSERT(sn_json_is(sn_json_get(v, "result"), SN_JSON_OBJECT) &&
             !sn_json_path(v, "result.query"));
    int64_t last = 0;
    for (int i = 0; i < 5; i++) {
        v = ws_next(e, ws);
        T_EQ(sn_json_i64_or(sn_json_get(v, "id"), -1), 1);
        T_STR(text_at(v, "result.query"), "tm.event='NewBlock'");
        T_STR(text_at(v, "result.data.type"), "tendermint/event/NewBlock");
        int64_t h = number_at(v, "result.data.value.block.header.height");
        T_ASSERT(last == 0 || h == last + 1);
        last = h;
    }
    ws_send(ws, "2", "subscribe", "tm.event = 'NewBlock'");
    T_STR(text_at(ws_answer(e, ws), "error.data"), "already subscribed");
    ws_send(ws, "3", "subscribe", "tm.event");
    T_EQ(sn_json_i64_or(sn_json_path(ws_answer(e, ws), "error.code"), 0), SN_RPC_INTERNAL_ERROR);
    ws_send(ws, "4", "unsubscribe", "tm.event = 'NewBlock'");
    T_EQ(sn_json_len(sn_json_get(ws_answer(e, ws), "result")), 0);
    ws_send(ws, "5", "unsubscribe", "tm.event = 'NewBlock'");
    T_STR(text_at(ws_answer(e, ws), "error.data"), "subscription not found");
    /* A transaction's event, found by what it did. */
    ws_send(ws, "\"mine\"", "subscribe", "tm.event='Tx' AND app.key='zz'");
    T_ASSERT(sn_json_get(ws_answer(e, ws), "result"));
    (void)env_result(e, "broadcast_tx_sync", "{\"tx\":\"enk9MQ==\"}");
    (void)env_result(e, "broadcast_tx_sync", "{\"tx\":\"eno9MQ==\"}");
    v = ws_next(e, ws);
    T_STR(text_at(v, "id"), "mine");
    T_STR(text_at(v, "result.data.value.TxResult.tx"), "eno9MQ==");
    T_STR(sn_json_str(sn_json_at(sn_json_get(sn_json_path(v, "result.events"), "app.key"), 0)),
          "zz");
    /* Other calls over the same connection; what is none. */
    ws_send(ws, "6", "status", "");
    T_STR(text_at(ws_answer(e, ws), "result.node_info.network"), "rpc-test");
    ws_send(ws, "7", "nope", "");
    T_EQ(sn_json_i64_or(sn_json_path(ws_answer(e, ws), "error.code"), 0), SN_RPC_NO_METHOD);
    T_OK(sn_ws_write(ws, SN_WS_TEXT, SN_STR("[]")));
    T_EQ(sn_json_i64_or(sn_json_path(ws_answer(e, ws), "error.code"), 0), SN_RPC_PARSE_ERROR);
    /* More than a client may have. */
    for (int i = 0; i < 2; i++) {
        char q[64];
        snprintf(q, sizeof(q), "tm.event='Tx' AND tx.height=%d", i + 1000000);
        ws_send(ws, "8", "subscribe", q);
        v = ws_answer(e, ws);
        if (i == 0) T_ASSERT(sn_json_get(v, "result"));
    }
    T_STR(text_at(v, "error.data"), "max_subscriptions_per_client 2 reached");
    ws_send(ws, "9", "unsubscribe_all", "");
    T_ASSERT(sn_json_get(ws_answer(e, ws), "result"));
    ws_send(ws, "9", "unsubscribe_all", "");
    T_STR(text_at(ws_answer(e, ws), "error.data"), "subscription not found");
    sn_ws_close(ws, 1000, (struct sn_str){0});
    return 0;
}
/* Huge bodies: as long as a body may be; longer ends the connection, and only this one. */
static int ws_huge_body(struct env *e)
{
    struct sn_ws *ws[2] = {env_ws(e), env_ws(e)};
    struct sn_buf text = {0}, m = {0};
    for (size_t n = 2000; n <= 2001; n++) {
        sn_buf_reset(&text);
        sn_buf_cstr(&text, "{\"id\":1,\"method\":\"health\"}");
        while (text.len < n) sn_buf_byte(&text, ' ');
        T_OK(sn_ws_write(ws[0], SN_WS_TEXT, sn_buf_view(&text)));
        if (n == 2000) T_ASSERT(sn_json_get(ws_next(e, ws[0]), "result"));
    }
    T_ASSERT(sn_ws_read(ws[0], &m) < 0);
    ws_send(ws[1], "2", "health", "");
    T_ASSERT(sn_json_get(ws_next(e, ws[1]), "result"));
    for (int i = 0; i < 2; i++) sn_ws_close(ws[i], 1000, (struct sn_str){0});
    sn_buf_done(&text);
    sn_buf_done(&m);
    return 0;
}
SN_TEST(rpc_websocket_huge)
{
    struct env e = {.body = ws_huge_body, .o = {.body_bytes_max = 2000}};
    env_run(&e, 2);
}
SN_TEST(rpc_websocket)
{
    struct env e = {.body = ws_body, .bus = {.each_max = 2}};
    env_run(&e, 2);
}

/* Rounds, votes and proposals come, too, in the order they happen. */
static int rounds_body(struct env *e)
{
    static const char *const kinds[] = {"NewRoundStep",   "NewRound",      "CompleteProposal",
                                        "Vote",           "Polka",         "ValidBlock",
                                        "NewBlockHeader", "NewBlockEvents"};
    unsigned seen = 0;
    struct sn_ws *ws = env_ws(e);
    ws_send(ws, "1", "subscribe", "tm.event EXISTS");
    (void)ws_next(e, ws);
    for (int i = 0; i < 400 && seen != (1u << SN_COUNT_OF(kinds)) - 1; i++) {
        const struct sn_json *v = sn_json_path(ws_next(e, ws), "result.events");
        struct sn_str kind = sn_json_str(sn_json_at(sn_json_get(v, "tm.event"), 0));
        for (size_t k = 0; k < SN_COUNT_OF(kinds); k++)
            if (sn_str_eqc(kind, kinds[k])) seen |= 1u << k;
    }
    T_ASSERTF((seen & ~(1u << 5)) == 0xdf, "kinds seen: %x", seen);
    sn_ws_close(ws, 1000, (struct sn_str){0});
    return 0;
}
SN_TEST(rpc_rounds)
{
    struct env e = {.body = rounds_body};
    env_run(&e, 2);
}

#define BIG 500000
/* Slow WebSocket subscriber. One that does not read is told so when it does, and holds nobody up. */
static int slow_body(struct env *e)
{
    struct sn_ws *ws = env_ws(e);
    const struct sn_query_attr attr = {SN_STR("tm.event"), SN_STR("Big")};
    struct sn_event_bus_stats st = {0};
    char *data = sn_arena_alloc(&e->arena, BIG);
    memset(data, ' ', BIG);
    memcpy(data, "1", 1);
    ws_send(ws, "1", "subscribe", "tm.event = 'Big'");
    (void)ws_next(e, ws);
    /* More than sockets hold. */
    while (st.overflowed == 0) {
        struct sn_chain_event *ev = sn_chain_event_new(&attr, 1, sn_str_of(data, BIG));
        sn_event_bus_publish(e->view.bus, ev);
        sn_chain_event_unref(ev);
        sn_event_bus_stats(e->view.bus, &st);
        T_OK(sn_sleep(100 * SN_US));
    }
    int64_t before = sn_cons_block_store_height(e->view.blocks);
    T_OK(sn_indexer_wait(e->view.indexer, before + 5));
    for (bool told = false; !told;) {
        const struct sn_json *v = ws_next(e, ws);
        if (!sn_json_get(v, "error")) continue;
        T_STR(text_at(v, "error.data"),
              "subscription was canceled (reason: client is not pulling messages fast enough)");
        T_EQ(sn_json_i64_or(sn_json_path(v, "error.code"), 0), SN_RPC_SERVER_ERROR);
        told = true;
    }
    struct sn_buf m = {0};
    if (e->o.close_on_slow_client) {
        T_EQ(sn_ws_read(ws, &m), SN_E_EOF);
    } else {
        ws_send(ws, "2", "health", "");
        T_EQ(sn_json_i64_or(sn_json_get(ws_answer(e, ws), "id"), 0), 2);
    }
    sn_buf_done(&m);
    sn_ws_close(ws, 1000, (struct sn_str){0});
    return 0;
}
SN_TEST(rpc_slow_reader)
{
    for (int close = 0; close < 2; close++) {
        struct env e = {.body = slow_body,
                        .bus = {.queue_max = 20},
                        .o = {.close_on_slow_client = close}};
        env_run(&e, 2);
    }
}

/* Lagging indexer: one that begins when the chain is long, is stopped in the middle and goes on from its folder: it
 * gets there while blocks come, and finds what one finds that was there all the time. */
static uint64_t all_txs(struct sn_indexer *ix)
{
    const struct sn_indexer_page p = {.page = 1, .per_page = 100};
    struct sn_arena a = {0};
    struct sn_query *q;
    struct sn_str *found;
    size_t n;
    uint64_t total;
    T_OK(sn_query_parse(SN_STR("tx.height > 0"), &q));
    T_OK(sn_indexer_tx_search(ix, q, &p, &a, &found, &n, &total));
    sn_query_free(q);
    sn_arena_done(&a);
    return total;
}
static int run_late(void *arg) { return sn_indexer_run(arg); }
static int lagging_body(struct env *e)
{
    char path[256], tx[64];
    struct sn_scope_storage mem;
    snprintf(path, sizeof(path), "%s/late", sn_test_tmpdir());
    for (int i = 0; i < 5; i++) {
        snprintf(tx, sizeof(tx), "{\"tx\":\"az0%c\"}", "wxyz0"[i]); /* k=0 to k=4 */
        (void)env_result(e, "broadcast_tx_commit", tx);
    }
    int64_t top = sn_cons_block_store_height(e->view.blocks) + 60;
    T_OK(sn_indexer_wait(e->view.indexer, top));
    for (int life = 0; life < 2; life++) {
        struct sn_indexer_opts o = {.blocks = e->view.blocks, .states = e->view.states};
        struct sn_indexer *late;
        T_OK(sn_kv_open(path, NULL, &o.kv));
        T_OK(sn_indexer_new(&o, &late));
        T_ASSERT(life ? sn_indexer_height(late) >= 50 : sn_indexer_height(late) == 0);
        struct sn_scope *s = sn_scope_begin(&mem);
        T_OK(sn_scope_go(s, "late", run_late, late));
        T_OK(sn_indexer_wait(late, life ? top : 50));
        sn_scope_cancel(s);
        T_EQ(sn_scope_end(s), SN_E_CANCELLED);
        if (life) T_EQ(all_txs(late), 5);
        T_EQ(all_txs(e->view.indexer), 5);
        sn_indexer_free(late);
    }
    return 0;
}
SN_TEST_SLOW(rpc_lagging_indexer, 60)
{
    struct env e = {.body = lagging_body};
    env_run(&e, 2);
}

/* A flood of connections that subscribe, and a server that ends under them. */
static int flood_body(struct env *e)
{
    struct sn_ws *ws[40];
    bool subscribed[SN_COUNT_OF(ws)]; /* any 25 of them: they race */
    unsigned refused = 0;
    for (size_t i = 0; i < SN_COUNT_OF(ws); i++) {
        ws[i] = env_ws(e);
        ws_send(ws[i], "1", "subscribe", "tm.event='NewBlock'");
    }
    for (size_t i = 0; i < SN_COUNT_OF(ws); i++) {
        const struct sn_json *v = ws_next(e, ws[i]);
        if ((subscribed[i] = sn_json_get(v, "result"))) continue;
        T_STR(text_at(v, "error.data"), "max_subscription_clients 25 reached");
        refused++;
    }
    T_EQ(refused, 15);
    for (size_t i = 0; i < SN_COUNT_OF(ws); i += 2) sn_ws_close(ws[i], 1000, (struct sn_str){0});
    sn_rpc_ws_stop(e->rpc);
    for (size_t i = 1; i < SN_COUNT_OF(ws); i += 2) {
        struct sn_buf m = {0};
        bool told = false;
        while (sn_ws_read(ws[i], &m) > 0)
            told = sn_str_find(sn_buf_view(&m), SN_STR("CometBFT exited")) > 0;
        T_EQ(told, subscribed[i]);
        sn_buf_done(&m);
        sn_ws_close(ws[i], 1000, (struct sn_str){0});
    }
    return 0;
}
SN_TEST(rpc_flood)
{
    struct env e = {.body = flood_body, .bus = {.clients_max = 25}};
    env_run(&e, 2);
}

/* ---- waiting for a block ---- */

static int wait_body(struct env *e)
{
    T_STR(env_error(e, "broadcast_tx_commit", "{\"tx\":\"YT0x\"}"),
          "timed out waiting for tx to be included in a block");
    /* Refused at once: no result, no height. */
    const struct sn_json *v = env_result(e, "broadcast_tx_commit", "{\"tx\":\"eA==\"}");
    T_ASSERT(sn_json_i64_or(sn_json_path(v, "check_tx.code"), 0) > 0);
    T_EQ(number_at(v, "height"), 0);
    struct sn_event_bus_stats st;
    sn_event_bus_stats(e->view.bus, &st);
    T_EQ(st.subscriptions, 0);
    return 0;
}
SN_TEST(rpc_commit_waits)
{
    struct env e = {.body = wait_body, .commit_ns = 200 * SN_MS, .o = {.commit_wait_ns = SN_MS}};
    env_run(&e, 1);
}

/* ---- metrics ---- */

static int metrics_body(struct env *e)
{
    static const char *const lines[] = {
        "cometbft_consensus_validators{chain_id=\"rpc-test\"} 1\n",
        "cometbft_consensus_validators_power{chain_id=\"rpc-test\"} 10\n",
        "cometbft_consensus_missing_validators{chain_id=\"rpc-test\"} 0\n",
        "cometbft_mempool_size{chain_id=\"rpc-test\"} ",
        "cometbft_consensus_step_duration_seconds_count{chain_id=\"rpc-test\",step=\"Propose\"} ",
        "cometbft_consensus_proposal_create_count{chain_id=\"rpc-test\"} ",
        "cometbft_consensus_proposal_receive_count{chain_id=\"rpc-test\",status=\"rejected\"} 0\n",
        "cometbft_consensus_round_voting_power_percent{chain_id=\"rpc-test\",vote_type=\"prevote\"} ",
        "cometbft_consensus_full_prevote_delay{chain_id=\"rpc-test\",proposer_address=\"",
        "cometbft_consensus_quorum_precommit_delay{chain_id=\"rpc-test\",proposer_address=\"",
        "cometbft_mempool_tx_size_bytes_bucket{chain_id=\"rpc-test\",le=\"729\"} ",
        "cometbft_consensus_step_duration_seconds_bucket{chain_id=\"rpc-test\",step=\"Propose\",le="
        "\"0.2682695795279726\"} ",
        "cometbft_consensus_validator_last_signed_height{chain_id=\"rpc-test\",validator_address="
        "\"",
        "cometbft_blocksync_syncing{chain_id=\"rpc-test\"} 0\n",
        "process_resident_memory_bytes ",
    };
    char addr[64];
    struct sn_str body;
    int status;
    T_OK(sn_chain_metrics_addr(e->metrics, addr, sizeof(addr)));
    T_OK(sn_indexer_wait(e->view.indexer, 3));
    struct sn_str url = sn_arena_printf(&e->arena, "http://%s/metrics", addr);
    T_OK(sn_http_get(e->client, url, &e->arena, &status, &body));
    T_EQ(status, 200);
    for (size_t i = 0; i < SN_COUNT_OF(lines); i++)
        T_ASSERTF(sn_str_find(body, sn_str(lines[i])) > 0, "no %s", lines[i]);
    return 0;
}
SN_TEST(rpc_metrics)
{
    struct env e = {.body = metrics_body};
    env_run(&e, 2);
}

/* ---- without memory ---- */

struct tortured {
    struct env *e;
    const char *name, *params;
};
static int call_once(void *arg)
{
    struct tortured *t = arg;
    struct sn_arena a = {0};
    struct sn_buf out = {0};
    const struct sn_json *v;
    struct sn_rpc_call c = {.rpc = t->e->rpc,
                            .view = &t->e->view,
                            .arena = &a,
                            .out = &out,
                            .id = SN_STR("1"),
                            .route = route(t->name)};
    int r = sn_json_parse(&a, sn_str(t->params), NULL, &v);
    if (r == 0) r = sn_rpc_args_json(&c, v);
    if (r == 0) r = c.route->handler(&c);
    if (r >= 0) r = out.err;
    sn_buf_done(&out);
    sn_arena_done(&a);
    return r < 0 ? r : 0;
}

static int torture_body(struct env *e)
{
    static const char *const calls[][2] = {
        {"genesis", "{}"},
        {"consensus_state", "{}"},
        {"dump_consensus_state", "{}"},
        {"genesis_chunked", "{\"chunk\":\"0\"}"},
        {"num_unconfirmed_txs", "{}"},
        {"consensus_params", "{\"height\":\"1\"}"},
        {"blockchain", "{\"maxHeight\":\"2\"}"},
        {"validators", "{\"height\":\"1\",\"page\":\"1\"}"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(calls); i++) {
        struct tortured t = {e, calls[i][0], calls[i][1]};
        int r = sn_torture(call_once, &t);
        T_ASSERTF(r > 0, "%s: %s", t.name, sn_diag_str(r));
    }
    return 0;
}
SN_TEST(rpc_torture)
{
    struct env e = {.body = torture_body, .commit_ns = 3 * SN_SEC};
    env_run(&e, 1);
}

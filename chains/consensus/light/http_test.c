/* SPDX-License-Identifier: Apache-2.0 */
/* Light blocks over RPC in a simulation: a node that answers, one that is busy, one that lies, one
 * that is silent; and an answer that a real CometBFT once gave. */
#include <stdio.h>
#include <stdlib.h>

#include "consensus/check.h"
#include "consensus/hash.h"
#include "consensus/light/light_chain_test.h"
#include "consensus/light/rpc_int.h"
#include "consensus/rpc/json.h"
#include "consensus/rpc/json_read.h"
#include "fiber/os.h"
#include "fiber/sim.h"
#include "fiber/sync.h"
#include "harness/test.h"
#include "kit/http.h"

enum mood {
    HONEST,
    BUSY,    /* the first two answers are 429 */
    BROKEN,  /* the first two are 502 */
    FOREIGN, /* of another chain */
    OTHER_HEIGHT,
    NO_BLOCK,     /* an empty header */
    NO_VALS,      /* an empty page */
    MORE_VALS,    /* the total grows from page to page */
    ENDLESS_VALS, /* a total beyond all bounds */
    WRONG_VALS,   /* of another height */
    NO_JSON,
    NO_RESULT,
    SLOW,
    N_MOODS
};
struct node {
    struct chain chain;
    struct sn_sim_host *host;
    char url[64];
    enum mood mood;
    unsigned requests, evidence;
    struct sn_http_server *server;
    struct sn_event listening, ended;
};

static int64_t param(const struct sn_json *params, const char *name)
{
    int64_t v = 0;
    return sn_json_get(params, name) && sn_cons_json_read_i64(params, name, &v) == 0 ? v : 0;
}
static void commit(struct node *n, int64_t height, struct sn_buf *out)
{
    struct sn_cons_light_block b = n->chain.blocks[height];
    if (n->mood == FOREIGN) b.header.chain_id[0] ^= 1;
    sn_buf_cstr(out, "{\"signed_header\":{\"header\":");
    if (n->mood == NO_BLOCK)
        sn_buf_cstr(out, "null");
    else
        sn_cons_json_header(out, &b.header);
    sn_buf_cstr(out, ",\"commit\":");
    sn_cons_json_commit(out, &b.commit);
    sn_buf_cstr(out, "},\"canonical\":true}");
}
static void validators(struct node *n, int64_t height, int64_t page, struct sn_buf *out)
{
    const struct sn_cons_valset *s = n->chain.blocks[height].vals;
    uint32_t per_page = 4, from = (uint32_t)(page - 1) * per_page;
    long long total = s->n;
    if (n->mood == MORE_VALS) total += page;
    if (n->mood == ENDLESS_VALS) total = 1 << 30;
    sn_buf_cstr(out, "{\"validators\":[");
    for (uint32_t i = from; i < SN_MIN(from + per_page, s->n) && n->mood != NO_VALS; i++) {
        if (i > from) sn_buf_cstr(out, ",");
        sn_cons_json_validator(out, &s->vals[i]);
    }
    sn_buf_printf(out, "],\"total\":\"%lld\"}", total);
}
static int reply(struct sn_http_x *x, struct sn_buf *out)
{
    struct sn_str body = sn_arena_str(x->arena, sn_buf_view(out));
    return body.ptr ? sn_http_reply(x, 200, SN_STR("application/json"), body) : SN_E_NOMEM;
}
static void result(struct node *n, struct sn_str method, const struct sn_json *params,
                   struct sn_buf *out)
{
    int64_t height = param(params, "height");
    if (height == 0) height = n->chain.n;
    sn_buf_cstr(out, "\"result\":");
    if (sn_str_eqc(method, "commit"))
        commit(n, n->mood == OTHER_HEIGHT ? 3 : height, out);
    else if (sn_str_eqc(method, "validators"))
        validators(n, n->mood == WRONG_VALS ? 1 : height, param(params, "page"), out);
    else {
        T_ASSERT(sn_str_eqc(method, "broadcast_evidence"));
        const struct sn_json *v = sn_json_path(params, "evidence.value.ConflictingBlock");
        struct sn_arena a;
        struct sn_cons_light_block b;
        sn_arena_init(&a, NULL, 0);
        T_OK(sn_cons_json_read_signed_header(sn_json_get(v, "signed_header"), &a, &b));
        sn_arena_done(&a);
        n->evidence++;
        sn_buf_cstr(out, "{\"hash\":\"00\"}");
    }
}
static int serve(struct sn_http_x *x, void *arg)
{
    struct node *n = arg;
    struct sn_str body;
    const struct sn_json *doc;
    struct sn_buf out SN_CLEANUP(sn_buf_done);
    sn_buf_init(&out, 0);
    unsigned request = ++n->requests;
    T_OK(sn_http_body_all(x, 1 << 20, &body));
    T_OK(sn_json_parse(x->arena, body, NULL, &doc));
    if (n->mood == BUSY && request <= 2) {
        T_OK(sn_http_header_add(x, SN_STR("retry-after"), SN_STR("3")));
        return sn_http_reply(x, 429, (struct sn_str){0}, SN_STR("later"));
    }
    if (n->mood == BROKEN && request <= 2)
        return sn_http_reply(x, 502, (struct sn_str){0}, SN_STR("<html>"));
    if (n->mood == NO_JSON) return sn_http_reply(x, 200, (struct sn_str){0}, SN_STR("<html>"));
    if (n->mood == SLOW) (void)!sn_sleep(3600 * SN_SEC);
    const struct sn_json *params = sn_json_get(doc, "params");
    int64_t height = param(params, "height");
    sn_buf_cstr(&out, "{\"jsonrpc\":\"2.0\",");
    if (height > n->chain.n || height == 2) {
        sn_buf_cstr(&out, "\"error\":{\"code\":-32603,\"message\":\"Internal error\",\"data\":\"");
        sn_buf_printf(&out,
                      height == 2 ? "height %lld is not available, lowest height is 3"
                                  : "height %lld must be less than or equal to the current "
                                    "blockchain height 30",
                      (long long)height);
        sn_buf_cstr(&out, "\"}");
    } else if (n->mood != NO_RESULT) {
        result(n, sn_json_str(sn_json_get(doc, "method")), params, &out);
    } else {
        sn_buf_cstr(&out, "\"id\":1");
    }
    sn_buf_cstr(&out, "}");
    return reply(x, &out);
}
static void node_main(void *arg)
{
    struct node *n = arg;
    char addr[64];
    struct sn_listener *l;
    struct sn_http_server_opts o = {.handler = serve, .arg = n};
    snprintf(addr, sizeof(addr), "%s:26657", sn_sim_host_addr(n->host));
    T_OK(sn_listen(addr, NULL, &l));
    T_OK(sn_http_server_new(&o, &n->server));
    sn_event_set(&n->listening);
    (void)!sn_http_serve(n->server, l);
    sn_event_set(&n->ended);
}
static void node_begin(struct node *n, const char *name, enum mood mood)
{
    *n = (struct node){.mood = mood};
    /* The same chain for all nodes of a test: of the last whole minute. */
    int64_t end = sn_wall_now() / (60 * SN_SEC) * (60 * SN_SEC);
    chain_build(&n->chain, 1, 30, 60, sn_cons_time_of_ns(end - 31 * CHAIN_BLOCK_NS));
    n->host = sn_sim_host_new(name);
    snprintf(n->url, sizeof(n->url), "tcp://%s:26657", sn_sim_host_addr(n->host));
    T_OK(sn_sim_host_go(n->host, "node", node_main, n));
    T_OK(sn_event_wait(&n->listening));
}
static void node_end(struct node *n)
{
    (void)sn_http_server_drain(n->server, SN_SEC);
    T_OK(sn_event_wait(&n->ended));
    sn_http_server_free(n->server);
    chain_done(&n->chain);
}

static int fetch(struct node *n, int64_t height)
{
    struct sn_light_provider *p;
    struct sn_arena a;
    struct sn_cons_light_block b;
    struct sn_cons_hash want, got;
    T_OK(sn_light_http(n->url, SN_STR(CHAIN_ID), &p));
    sn_arena_init(&a, NULL, 0);
    int r = p->block(p, height, &a, &b);
    if (r >= 0) {
        chain_hash(&n->chain, height ? height : n->chain.n, &want);
        T_OK(sn_cons_header_hash(&b.header, &got));
        T_ASSERT(sn_cons_hash_eq(&want, &got));
        const struct sn_cons_valset *vals = n->chain.blocks[b.header.height].vals;
        T_EQ(b.vals->n, vals->n);
        for (uint32_t i = 0; i < vals->n; i++) {
            T_ASSERT(memcmp(b.vals->vals[i].addr, vals->vals[i].addr, SN_CONS_ADDR_LEN) == 0);
            T_EQ(b.vals->vals[i].priority, vals->vals[i].priority);
        }
        T_EQ(b.vals->total, vals->total);
    }
    sn_arena_done(&a);
    p->close(p);
    return r;
}

static int moods(void *arg)
{
    static const struct {
        enum mood mood;
        int64_t height;
        int want;
    } rows[] = {{HONEST, 10, 0},
                {HONEST, 0, 0},
                {HONEST, 31, SN_E_OUT_OF_RANGE},
                {HONEST, 2, SN_E_NOT_FOUND},
                {BUSY, 10, 0},
                {BROKEN, 10, 0},
                {FOREIGN, 10, SN_E_INVALID_ARGUMENT},
                {OTHER_HEIGHT, 10, SN_E_INVALID_ARGUMENT},
                {NO_BLOCK, 0, SN_E_OUT_OF_RANGE},
                {NO_VALS, 10, SN_E_INVALID_ARGUMENT},
                {MORE_VALS, 10, SN_E_INVALID_ARGUMENT},
                {ENDLESS_VALS, 10, SN_E_INVALID_ARGUMENT},
                {WRONG_VALS, 25, SN_E_INVALID_ARGUMENT},
                {NO_JSON, 10, SN_E_INVALID_ARGUMENT},
                {NO_RESULT, 10, SN_E_INVALID_ARGUMENT},
                {SLOW, 10, SN_E_UNAVAILABLE}};
    unsigned seen = 0;
    for (unsigned i = 0; i < SN_COUNT_OF(rows); i++) {
        struct node n;
        char name[24];
        sn_test_row("row %u", i);
        seen |= 1u << rows[i].mood;
        snprintf(name, sizeof(name), "node-%u", i);
        node_begin(&n, name, rows[i].mood);
        int64_t begin = sn_now();
        int r = fetch(&n, rows[i].height);
        T_ASSERTF(r == rows[i].want, "%s, expected %s", r < 0 ? sn_diag_str(r) : "OK",
                  sn_status_name(rows[i].want));
        if (rows[i].mood == BUSY) T_ASSERT(sn_now() - begin >= 3 * SN_SEC);
        if (rows[i].mood == SLOW) T_EQ(n.requests, 2 * SN_LIGHT_ATTEMPTS);
        node_end(&n);
    }
    T_EQ(seen, (1u << N_MOODS) - 1);
    return 0;
}
static void in_sim(int (*fn)(void *arg))
{
    int r = sn_sim_run(&(struct sn_sim_opts){.seed = 1, .time_limit_ns = 24 * 3600 * SN_SEC}, fn,
                       NULL, NULL);
    T_ASSERTF(r >= 0, "%s", sn_diag_str(r));
}
/* Each mood above, 429 with Retry-After (BUSY) among them. */
SN_TEST_SLOW(http_moods, 60)
{
    in_sim(moods);
}

/* Nobody listens: at once, and it is not the provider's fault. A caller's deadline is the caller's.
 */
static int gone(void *arg)
{
    struct node n = {0};
    snprintf(n.url, sizeof(n.url), "http://10.0.0.77:1");
    struct sn_light_provider *p;
    struct sn_arena a;
    struct sn_cons_light_block b;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_light_http("http://user:secret@10.0.0.77:1/v1/key", SN_STR(CHAIN_ID), &p));
    T_CSTR(p->name, "http://10.0.0.77:1");
    T_EQ(p->block(p, 1, &a, &b), SN_E_UNAVAILABLE);
    T_ASSERT(!strstr(sn_diag_str(SN_E_UNAVAILABLE), "secret"));
    T_ASSERT(!strstr(sn_diag_str(SN_E_UNAVAILABLE), "key"));
    p->close(p);
    T_EQ(sn_light_http("ftp://x", SN_STR(CHAIN_ID), &p), SN_E_SYNTAX);
    T_EQ(sn_light_http("http://", SN_STR(CHAIN_ID), &p), SN_E_SYNTAX);
    node_begin(&n, "node", SLOW);
    int64_t prev = sn_deadline_tighten(sn_now() + 2 * SN_SEC);
    int r = fetch(&n, 1);
    sn_deadline_restore(prev);
    T_EQ(r, SN_E_DEADLINE_EXCEEDED);
    node_end(&n);
    sn_arena_done(&a);
    return 0;
}
SN_TEST(http_gone)
{
    in_sim(gone);
}

/* The whole client over HTTP; the first node turns liar. */
static int client(void *arg)
{
    struct node n[3];
    struct sn_light_provider *p[3];
    struct sn_light_client *c;
    struct sn_light_client_opts o = {.chain_id = SN_STR(CHAIN_ID),
                                     .trust_height = 3,
                                     .rules = {&chain_verifier, 1000 * SN_SEC, 0, {0, 0}},
                                     .n_witnesses = 2};
    struct sn_arena a;
    struct sn_cons_light_block b;
    struct chain fork;
    static const char *const names[] = {"a", "b", "c"};
    sn_arena_init(&a, NULL, 0);
    for (unsigned i = 0; i < 3; i++) {
        node_begin(&n[i], names[i], HONEST);
        T_OK(sn_light_http(n[i].url, SN_STR(CHAIN_ID), &p[i]));
    }
    o.primary = p[0];
    o.witnesses = p + 1;
    chain_hash(&n[0].chain, 3, &o.trust_hash);
    T_OK(sn_kv_open_memory(&o.kv));
    T_OK(sn_light_client_new(&o, &c));
    T_OK(sn_light_client_block(c, 20, &a, &b));
    n[0].mood = FOREIGN;
    T_OK(sn_light_client_block(c, 22, &a, &b));
    n[0].mood = HONEST;
    chain_fork(&fork, &n[1].chain, 23, 30, LUNATIC);
    struct chain keep = n[1].chain;
    n[1].chain = fork;
    T_EQ(sn_light_client_block(c, 30, &a, &b), SN_E_DATA_LOSS);
    T_ASSERT(n[2].evidence == 1);
    n[1].chain = keep;
    sn_light_client_free(c);
    for (unsigned i = 0; i < 3; i++) node_end(&n[i]);
    chain_done(&fork);
    sn_arena_done(&a);
    return 0;
}
SN_TEST(http_client)
{
    in_sim(client);
}

/* What CometBFT 0.38 itself wrote. */
static int recorded(void *arg)
{
    struct sn_arena a;
    struct sn_str text;
    const struct sn_json *doc;
    struct sn_cons_light_block b;
    struct sn_cons_hash hash;
    struct sn_buf out;
    sn_arena_init(&a, NULL, 0);
    int r = sn_file_read(&a, SN_CONS_VECTORS "/rpc_v0_38/incoming/commit_at_height_10.json",
                         1 << 20, &text);
    if (r == SN_E_NOT_FOUND) sn_test_skip("no recorded answers here");
    T_OK(r);
    T_OK(sn_json_parse(&a, text, NULL, &doc));
    const struct sn_json *sh = sn_json_path(doc, "result.signed_header");
    T_OK(sn_cons_json_read_signed_header(sh, &a, &b));
    T_OK(sn_cons_header_hash(&b.header, &hash));
    T_ASSERT(sn_cons_hash_eq(&hash, &b.commit.block_id.hash));
    T_OK(sn_cons_check_commit(&b.commit));
    sn_buf_init(&out, 0);
    sn_cons_json_header(&out, &b.header);
    const struct sn_json *again;
    T_OK(sn_json_parse(&a, sn_buf_view(&out), NULL, &again));
    T_ASSERT(sn_json_eq(again, sn_json_get(sh, "header")));
    struct sn_buf out2;
    sn_buf_init(&out2, 0);
    sn_cons_json_commit(&out2, &b.commit);
    T_OK(sn_json_parse(&a, sn_buf_view(&out2), NULL, &again));
    T_ASSERT(sn_json_eq(again, sn_json_get(sh, "commit")));
    sn_buf_done(&out2);
    sn_buf_done(&out);
    sn_arena_done(&a);
    return 0;
}
SN_TEST(http_recorded)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, recorded, NULL));
}

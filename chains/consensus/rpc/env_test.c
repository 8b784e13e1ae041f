/* SPDX-License-Identifier: Apache-2.0 */
/* rpc/env_test.c - see the header. */
#include "consensus/rpc/env_test.h"

#include <stdio.h>

#include "consensus/key.h"
#include "fiber/os.h"
#include "kit/log.h"
#include "tests/harness/test.h"

static void on_block(void *arg, const struct sn_exec_block *b)
{
    struct env *e = arg;
    T_OK(sn_publish_block(e->view.bus, b));
    sn_chain_metrics_block(e->metrics, b);
    /* Some from the stores, some by hand. */
    const struct sn_indexer_in in = {b->block, b->res, b->answer};
    if (b->block->header.height % 3 == 0)
        sn_indexer_wake(e->view.indexer, b->block->header.height);
    else
        sn_indexer_give(e->view.indexer, &in, b->arena, b->bytes);
}
static void on_event(void *arg, const struct sn_cons_action *a,
                     const struct sn_cons_round_state *rs)
{
    struct env *e = arg;
    T_OK(sn_publish_action(e->view.bus, a, rs));
    sn_chain_metrics_event(e->metrics, a, rs);
}

static void make_genesis(struct env *e)
{
    struct sn_cons_genesis *g = &e->genesis;
    *g = (struct sn_cons_genesis){.has_time = true,
                                  .time = sn_cons_time_of_ns(sn_wall_now()),
                                  .chain_id = SN_STR("rpc-test"),
                                  .initial_height = 1,
                                  .params = sn_cons_params_default(),
                                  .n_validators = 1,
                                  .app_state = SN_STR("{\"a\": \"<&>\"}")};
    g->validators = SN_ARENA_ARRAY(&e->arena, struct sn_cons_genesis_validator, 1);
    g->validators[0].v.key = *sn_privval_key(e->pv);
    T_OK(sn_cons_key_addr(&g->validators[0].v.key, g->validators[0].v.addr));
    g->validators[0].v.power = 10;
}

static struct sn_kv *memory(void)
{
    struct sn_kv *kv;
    T_OK(sn_kv_open_memory(&kv));
    return kv;
}

static void open_stores(struct env *e)
{
    T_OK(sn_cons_block_store_new(memory(), &e->view.blocks));
    T_ASSERT((e->view.states = sn_cons_state_store_new(memory(), false)));
    struct sn_indexer_opts io = {memory(), e->view.blocks, e->view.states};
    T_OK(sn_indexer_new(&io, &e->view.indexer));
    T_OK(sn_event_bus_new(&e->bus, &e->view.bus));
}

/* A file of this node: a test may have several, one after the other. */
static unsigned nodes;
static void path_of(const char *name, char *out, size_t cap)
{
    snprintf(out, cap, "%s/%u-%s", sn_test_tmpdir(), nodes, name);
}

static void open_validator(struct env *e)
{
    char key[256], state[256];
    nodes++;
    path_of("key.json", key, sizeof(key));
    path_of("state.json", state, sizeof(state));
    T_OK(sn_privval_open(&(struct sn_privval_opts){key, state, true}, &e->pv));
    sn_signer_file(e->pv, &e->signer);
    e->view.validator_key = sn_privval_key(e->pv);
}

static void open_engine(struct env *e)
{
    char wal[256];
    struct sn_cons_state *s;
    struct sn_exec *x;
    struct sn_exec_opts eo = {.app = &e->app,
                              .blocks = e->view.blocks,
                              .states = e->view.states,
                              .verifier = &sn_cons_verifier_zip215};
    T_OK(sn_cons_genesis_state(&e->genesis, &s));
    T_OK(sn_exec_new(&eo, &x));
    T_OK(sn_exec_handshake(x, &e->genesis, s, &e->state));
    sn_cons_state_unref(s);
    sn_exec_free(x);
    T_OK(sn_txs_new(&(struct sn_txs_opts){.app = e->app.mempool}, &e->view.txs));
    eo.txs = e->view.txs;
    eo.on_block = on_block;
    eo.arg = e;
    T_OK(sn_exec_new(&eo, &e->view.exec));
    struct sn_engine_opts o = {.config = sn_cons_config_default(),
                               .verifier = eo.verifier,
                               .exec = e->view.exec,
                               .env = eo,
                               .signer = &e->signer.s,
                               .wal_path = wal};
    o.config.commit_ns = e->commit_ns ? e->commit_ns : 5 * SN_MS;
    path_of("wal", wal, sizeof(wal));
    T_OK(sn_engine_new(&o, &e->view.engine));
    sn_engine_on_event(e->view.engine, on_event, e);
    sn_txs_on_available(e->view.txs, sn_engine_txs_available, e->view.engine);
}

static void open_rpc(struct env *e)
{
    e->view.genesis = &e->genesis;
    e->view.app = &e->app;
    e->self = (struct sn_node_info){.p2p_version = 8,
                                    .block_version = 11,
                                    .channels = {0x20, 0x21},
                                    .n_channels = 2,
                                    .network = "rpc-test",
                                    .version = "0.38.25",
                                    .moniker = "m<",
                                    .tx_index = "on"};
    e->view.self = &e->self;
    e->o.view = &e->view;
    e->o.listen = "tcp://127.0.0.1:0";
    T_OK(sn_rpc_new(&e->o, &e->rpc));
    T_OK(sn_chain_metrics_new(&(struct sn_chain_metrics_opts){.view = &e->view,
                                                              .listen = "127.0.0.1:0"},
                              &e->metrics));
    T_OK(sn_rpc_addr(e->rpc, 0, false, e->url + 7, sizeof(e->url) - 7));
    memcpy(e->url, "http://", 7);
    T_OK(sn_http_client_new(&(struct sn_http_client_opts){0}, &e->client));
}

/* ---- the node's fibers ---- */

/* None ends before it is told to. */
static int ended(const char *what, int r)
{
    T_ASSERTF(r == SN_E_CANCELLED, "%s ended: %s", what, sn_diag_str(r));
    return r;
}
static int run_engine(void *arg)
{
    struct env *e = arg;
    return ended("engine", sn_engine_run(e->view.engine, e->state, false));
}
static int run_rpc(void *arg) { return ended("rpc", sn_rpc_run(((struct env *)arg)->rpc)); }
static int run_metrics(void *arg)
{
    return ended("metrics", sn_chain_metrics_run(((struct env *)arg)->metrics));
}
static int run_index(void *arg)
{
    return ended("index", sn_indexer_run(((struct env *)arg)->view.indexer));
}
static int run_txs(void *arg)
{
    return ended("recheck", sn_txs_run(((struct env *)arg)->view.txs));
}

static void close_all(struct env *e)
{
    sn_http_client_free(e->client);
    sn_rpc_free(e->rpc);
    sn_chain_metrics_free(e->metrics);
    sn_engine_free(e->view.engine);
    sn_exec_free(e->view.exec);
    sn_txs_free(e->view.txs);
    sn_cons_state_unref(e->state);
    sn_abci_conns_close(&e->app);
    sn_kvstore_close(e->kvstore);
    sn_indexer_free(e->view.indexer);
    sn_event_bus_free(e->view.bus);
    sn_cons_state_store_free(e->view.states);
    sn_cons_block_store_free(e->view.blocks);
    sn_privval_close(e->pv);
    sn_arena_done(&e->arena);
}

static int env_main(void *arg)
{
    struct env *e = arg;
    struct sn_scope_storage mem;
    T_OK(sn_log_set_levels(SN_STR("error")));
    open_validator(e);
    make_genesis(e);
    open_stores(e);
    T_OK(sn_kvstore_open(&(struct sn_kvstore_opts){0}, &e->kvstore));
    T_OK(sn_abci_conns_local(sn_kvstore_app(e->kvstore), &e->app));
    open_engine(e);
    open_rpc(e);
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_scope_go(s, "engine", run_engine, e));
    T_OK(sn_scope_go(s, "rpc", run_rpc, e));
    T_OK(sn_scope_go(s, "index", run_index, e));
    T_OK(sn_scope_go(s, "metrics", run_metrics, e));
    T_OK(sn_scope_go(s, "recheck", run_txs, e));
    T_OK(sn_indexer_wait(e->view.indexer, e->commit_ns > SN_SEC ? 1 : 2));
    int r = e->body(e);
    sn_scope_cancel(s);
    T_EQ(sn_scope_end(s), SN_E_CANCELLED);
    close_all(e);
    return r;
}

void env_run(struct env *e, unsigned workers)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = workers}, env_main, e));
}

/* ---- asking ---- */

static struct sn_str do_call(struct env *e, const struct sn_http_call *call, int *ret_status)
{
    struct sn_http_resp *resp;
    struct sn_str body;
    T_OK(sn_http_do(e->client, call, &resp));
    T_OK(sn_http_resp_all(resp, 64 << 20, &body));
    if (ret_status) *ret_status = resp->status;
    body = sn_arena_str(&e->arena, body);
    sn_http_resp_close(resp);
    return body;
}

struct sn_str env_get(struct env *e, const char *path, int *ret_status)
{
    struct sn_str url = sn_arena_printf(&e->arena, "%s%s", e->url, path);
    return do_call(e, &(struct sn_http_call){.url = url}, ret_status);
}
struct sn_str env_post(struct env *e, const char *body, int *ret_status)
{
    struct sn_str url = sn_arena_printf(&e->arena, "%s/", e->url);
    struct sn_http_call call = {.method = SN_STR("POST"), .url = url, .body = sn_str(body)};
    return do_call(e, &call, ret_status);
}

const struct sn_json *env_json(struct env *e, struct sn_str body)
{
    const struct sn_json *v;
    T_ASSERTF(sn_json_parse(&e->arena, body, NULL, &v) == 0, "no JSON: %.*s", SN_STR_ARG(body));
    return v;
}

static const struct sn_json *call(struct env *e, const char *method, const char *params)
{
    struct sn_str body =
        sn_arena_printf(&e->arena, "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"%s\",\"params\":%s}",
                        method, params);
    const struct sn_json *v = env_json(e, env_post(e, body.ptr, NULL));
    T_EQ(sn_json_i64_or(sn_json_get(v, "id"), 0), 7);
    return v;
}
const struct sn_json *env_result(struct env *e, const char *method, const char *params)
{
    const struct sn_json *v = call(e, method, params), *r = sn_json_get(v, "result");
    T_ASSERTF(r, "%s %s: %.*s", method, params,
              SN_STR_ARG(sn_json_str(sn_json_path(v, "error.data"))));
    return r;
}
struct sn_str env_error(struct env *e, const char *method, const char *params)
{
    const struct sn_json *v = sn_json_get(call(e, method, params), "error");
    T_ASSERTF(v, "%s %s: no error", method, params);
    return sn_json_str(sn_json_get(v, "data"));
}

struct sn_ws *env_ws(struct env *e)
{
    struct sn_ws *ws;
    struct sn_str url = sn_arena_printf(&e->arena, "ws%s/websocket", e->url + 4);
    T_OK(sn_ws_dial(e->client, url, &(struct sn_ws_opts){.message_bytes_max = 16 << 20}, &ws));
    return ws;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* sennit chain inspect, reindex-event - what the stores of a stopped node know. */
#include <signal.h>
#include <stdio.h>

#include "consensus/index/psql.h"
#include "consensus/rpc/server.h"
#include "core/status.h"
#include "fiber/os.h"
#include "kit/cli.h"
#include "sennit/chain_home.h"

#define REINDEX_STEP 100 /* blocks between two looks at whether to go on */

struct inspect_opts {
    struct sn_home_flags home;
    struct sn_str db_backend, db_dir, rpc_laddr;
};
static const struct sn_conf_field inspect_fields[] = {
    SN_CONF_STRING(struct inspect_opts, db_backend, "db-backend", .help = "goleveldb."),
    SN_CONF_STRING(struct inspect_opts, db_dir, "db-dir", .help = "The databases' folder."),
    SN_CONF_STRING(struct inspect_opts, rpc_laddr, "rpc.laddr", .help = "Where to listen."),
    SN_HOME_FLAGS(struct inspect_opts, home),
};
static const struct sn_conf_table inspect_table = SN_CONF_TABLE(struct inspect_opts,
                                                                inspect_fields);

struct work {
    const struct sn_cli_call *call;
    struct sn_home_config c;
    struct chain_home_log log;
    struct chain_stores stores;
    struct sn_indexer *indexer; /* NULL: none */
};

static int open_psql(struct work *w, struct sn_psql **ret)
{
    struct sn_cons_genesis g;
    struct sn_str json;
    int r = sn_home_genesis_read(w->call->arena, &w->c, &json, &g);
    return r < 0 ? r : sn_psql_open(w->c.tx_index.psql_conn, g.chain_id, ret);
}
/* The index of both stores. make: where it is missing; else none is no failure. */
static int open_indexer(struct work *w, bool make)
{
    struct sn_indexer_opts o = {.blocks = w->stores.blocks, .states = w->stores.states};
    struct sn_str kind = w->c.tx_index.indexer;
    if (sn_str_ieq(kind, SN_STR("null")) && !make) return 0;
    if (sn_str_ieq(kind, SN_STR("null")))
        return sn_fail(SN_E_FAILED_PRECONDITION, "found null event sink, please check the tx-index "
                                                 "section in the config.toml");
    bool psql = sn_str_ieq(kind, SN_STR("psql"));
    if (!psql && !sn_str_ieq(kind, SN_STR("kv")))
        return sn_fail(SN_E_UNIMPLEMENTED, "unsupported event sink type: %.*s", SN_STR_ARG(kind));
    int r = psql ? open_psql(w, &o.psql)
                 : chain_home_db(w->call->arena, &w->c, "tx_index", make, &o.kv);
    if (r == SN_E_NOT_FOUND && !make) return 0;
    if (r < 0) return r;
    r = sn_indexer_new(&o, &w->indexer);
    if (r < 0) {
        sn_kv_close(o.kv);
        sn_psql_close(o.psql);
    }
    return r;
}

static int open_all(struct work *w, bool make_index)
{
    int r = chain_home_stores(w->call->arena, &w->c, &w->stores);
    if (r < 0) return r;
    r = open_indexer(w, make_index);
    if (r < 0) chain_stores_close(&w->stores);
    return r;
}

static void close_all(struct work *w)
{
    sn_indexer_free(w->indexer);
    chain_stores_close(&w->stores);
}

/* ---- inspect ---- */

static int serve(void *arg)
{
    int r = sn_rpc_run(arg);
    return r == SN_E_CANCELLED ? 0 : r;
}
static int wait_signal(void *arg)
{
    int r = sn_signal_wait((const int[]){SIGINT, SIGTERM, 0});
    sn_scope_cancel(arg);
    return r == SN_E_CANCELLED ? 0 : SN_MIN(r, 0);
}

static int serve_until_signal(struct sn_rpc *rpc)
{
    struct sn_scope_storage mem;
    struct sn_scope *scope = sn_scope_begin(&mem);
    int r = sn_scope_go(scope, "rpc", serve, rpc);
    if (r >= 0) r = sn_scope_go(scope, "signals", wait_signal, scope);
    if (r < 0) sn_scope_cancel(scope);
    int ended = sn_scope_end(scope);
    return r < 0 ? r : ended == SN_E_CANCELLED ? 0 : ended;
}

static int cors_list(struct sn_arena *a, const struct sn_str *list, size_t n,
                     const char *const **ret)
{
    const char **out = SN_ARENA_ARRAY(a, const char *, n + 1);
    if (!out) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++)
        if (!(out[i] = sn_arena_str(a, list[i]).ptr)) return SN_E_NOMEM;
    *ret = out;
    return 0;
}

static int rpc_of(struct work *w, const struct sn_node_view *view, struct sn_rpc **ret)
{
    const struct sn_home_rpc *c = &w->c.rpc;
    struct sn_arena *a = w->call->arena;
    struct sn_rpc_opts o = {.view = view, .inspect = true,
                            .connections_max = (uint64_t)c->max_open_connections,
                            .body_bytes_max = (uint64_t)c->max_body_bytes,
                            .header_bytes_max = (size_t)c->max_header_bytes};
    int64_t batch = c->max_request_batch_size; /* 0 is no limit here, and -1 there */
    o.batch_max = batch ? (int)SN_MIN(batch, INT32_MAX) : -1;
    o.listen = sn_arena_str(a, c->laddr).ptr;
    if (!o.listen) return SN_E_NOMEM;
    int r = cors_list(a, c->cors_allowed_origins, c->n_cors_allowed_origins, &o.cors_origins);
    if (r >= 0)
        r = cors_list(a, c->cors_allowed_methods, c->n_cors_allowed_methods, &o.cors_methods);
    if (r >= 0)
        r = cors_list(a, c->cors_allowed_headers, c->n_cors_allowed_headers, &o.cors_headers);
    return r < 0 ? r : sn_rpc_new(&o, ret);
}

static int inspect_main(void *arg)
{
    struct work *w = arg;
    struct sn_cons_genesis g;
    struct sn_node_view view = {0};
    struct sn_rpc *rpc;
    char addr[256] = "";
    int r = sn_home_genesis_read(w->call->arena, &w->c, &view.genesis_json, &g);
    if (r >= 0) r = open_all(w, false);
    if (r < 0) return r;
    view.genesis = &g;
    view.blocks = w->stores.blocks;
    view.states = w->stores.states;
    view.indexer = w->indexer;
    r = rpc_of(w, &view, &rpc);
    if (r >= 0) {
        (void)!sn_rpc_addr(rpc, 0, false, addr, sizeof(addr));
        const char *pairs[] = {"address", addr, NULL};
        w->log.log.line(w->log.log.arg, false, "starting inspect server", pairs);
        (void)fflush(stdout);
        r = serve_until_signal(rpc);
        sn_rpc_free(rpc);
    }
    close_all(w);
    return r;
}

static int inspect_run(const struct sn_cli_call *call)
{
    const struct inspect_opts *o = call->opts;
    struct work w = {.call = call};
    struct sn_home_flags flags = o->home;
    flags.db_backend = o->db_backend;
    flags.db_dir = o->db_dir;
    flags.rpc_laddr = o->rpc_laddr;
    int r = chain_home_load(call, &flags, &w.c, &w.log);
    return r < 0 ? r : sn_rt_run(NULL, inspect_main, &w);
}

const struct sn_cli_command sn_cmd_chain_inspect = {
    .name = "inspect",
    .brief = "Serves what the stores of a stopped node know by RPC.",
    .about = "Blocks, validators, parameters, searches: what can be told without a running node. "
             "For a node\n"
             "that does not start any more.",
    .table = &inspect_table,
    .run = inspect_run,
};

/* ---- reindex ---- */

struct reindex_opts {
    struct sn_home_flags home;
    int64_t start_height, end_height;
};
static const struct sn_conf_field reindex_fields[] = {
    SN_CONF_INT(struct reindex_opts, start_height, "start-height", .min = 0, .max = INT64_MAX,
                .help = "The first block; 0: the oldest that is stored."),
    SN_CONF_INT(struct reindex_opts, end_height, "end-height", .min = 0, .max = INT64_MAX,
                .help = "The last block; 0: the newest."),
    SN_HOME_FLAGS(struct reindex_opts, home),
};
static const struct sn_conf_table reindex_table = SN_CONF_TABLE(struct reindex_opts,
                                                                reindex_fields);

/* A crash may have left a block that was not executed: it has no events yet. */
static int executed_height(const struct work *w, int64_t *ret)
{
    struct sn_cons_state *s;
    int r = sn_cons_state_store_load(w->stores.states, &s);
    if (r < 0) return r;
    *ret = SN_MIN(sn_cons_block_store_height(w->stores.blocks), s->last_height);
    sn_cons_state_unref(s);
    return 0;
}

static int choose_heights(const struct work *w, int64_t *from, int64_t *to)
{
    int64_t base = sn_cons_block_store_base(w->stores.blocks), height;
    int r = executed_height(w, &height);
    if (r < 0) return r;
    if (*from == 0) {
        *from = base;
        printf("set the start block height to the base height of the blockstore %lld \n",
               (long long)base);
    }
    if (*from < base)
        return sn_fail(SN_E_OUT_OF_RANGE,
                       "height is not available (requested start height: %lld, base height: %lld)",
                       (long long)*from, (long long)base);
    if (*from > height)
        return sn_fail(SN_E_OUT_OF_RANGE,
                       "height is not available (requested start height: %lld, store height: %lld)",
                       (long long)*from, (long long)height);
    if (*to == 0 || *to > height) {
        *to = height;
        printf("set the end block height to the latest height of the blockstore %lld \n",
               (long long)height);
    }
    if (*to < *from)
        return sn_fail(SN_E_OUT_OF_RANGE,
                       "invalid request (the end height %lld is less than the start height %lld)",
                       (long long)*to, (long long)*from);
    return 0;
}

static int reindex_main(void *arg)
{
    struct work *w = arg;
    const struct reindex_opts *o = w->call->opts;
    struct sn_progress bar;
    int64_t from = o->start_height, to = o->end_height;
    int r = open_all(w, true);
    if (r < 0) return sn_wrap(r, "event re-index failed");
    r = choose_heights(w, &from, &to);
    if (r >= 0) printf("start re-indexing events:\n");
    sn_progress_begin(&bar, "blocks", r < 0 ? 0 : (uint64_t)(to - from + 1));
    for (int64_t h = from; r >= 0 && h <= to; h += REINDEX_STEP) {
        r = sn_indexer_range(w->indexer, h, SN_MIN(to, h + REINDEX_STEP - 1));
        sn_progress_set(&bar, (uint64_t)SN_MIN(to - from + 1, h - from + REINDEX_STEP));
    }
    sn_progress_end(&bar);
    close_all(w);
    if (r < 0) return sn_wrap(r, "event re-index failed");
    printf("event re-index finished\n");
    return 0;
}

static int reindex_run(const struct sn_cli_call *call)
{
    const struct reindex_opts *o = call->opts;
    struct work w = {.call = call};
    int r = chain_home_load(call, &o->home, &w.c, &w.log);
    return r < 0 ? r : sn_rt_run(&(struct sn_rt_opts){.workers = 1}, reindex_main, &w);
}

const struct sn_cli_command sn_cmd_chain_reindex_event = {
    .name = "reindex-event",
    .alias = "reindex_event",
    .brief = "Indexes transactions and blocks of a stopped node again.",
    .about = "Needs what the application answered: not with discard_abci_responses.",
    .table = &reindex_table,
    .run = reindex_run,
};

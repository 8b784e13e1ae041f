/* SPDX-License-Identifier: Apache-2.0 */
/* examples/abci-counter - an application for a chain in one page: each transaction must be the next
 * number.
 *
 *   abci-counter [ADDRESS]            tcp://127.0.0.1:26658, or unix:///run/counter.sock
 *   cometbft node --proxy_app ADDRESS
 *   curl 'localhost:26657/broadcast_tx_commit?tx="1"' */
#include "abci/server.h"

/* It keeps nothing: at a height of 0 the node plays all its blocks to it when it starts. */
struct counter {
    int64_t height, count;
    int64_t next_height, next_count; /* decided, and not yet committed */
};

static bool is_number(struct sn_str tx, int64_t n)
{
    int64_t v;
    return sn_str_to_i64(tx, &v) == 0 && v == n;
}

static int info(struct sn_abci_call *c, const struct tendermint_abci_request_info *req,
                struct tendermint_abci_response_info *res)
{
    const struct counter *k = c->app->self;
    res->version = SN_STR(SN_ABCI_VERSION);
    res->last_block_height = k->height;
    res->data = sn_arena_printf(c->arena, "count %lld", (long long)k->count);
    return res->data.ptr ? 0 : SN_E_NOMEM;
}

/* What the mempool takes: any number that is to come. */
static int check_tx(struct sn_abci_call *c, const struct tendermint_abci_request_check_tx *req,
                    struct tendermint_abci_response_check_tx *res)
{
    const struct counter *k = c->app->self;
    int64_t v;
    if (sn_str_to_i64(req->tx, &v) == 0 && v > k->count) return 0;
    res->code = 1;
    res->log = SN_STR("expected a number beyond the count");
    return 0;
}

static int finalize_block(struct sn_abci_call *c,
                          const struct tendermint_abci_request_finalize_block *req,
                          struct tendermint_abci_response_finalize_block *res)
{
    struct counter *k = c->app->self;
    k->next_height = req->height;
    k->next_count = k->count;
    for (uint32_t i = 0; i < req->txs.len; i++) {
        struct tendermint_abci_exec_tx_result *r =
            tendermint_abci_response_finalize_block_add_tx_results(res, c->arena);
        if (!r) return SN_E_NOMEM;
        if (is_number(req->txs.ptr[i], k->next_count + 1))
            k->next_count++;
        else
            r->code = 1;
    }
    res->app_hash = sn_arena_printf(c->arena, "%lld", (long long)k->next_count);
    return res->app_hash.ptr ? 0 : SN_E_NOMEM;
}

static int commit(struct sn_abci_call *c, const struct tendermint_abci_request_commit *req,
                  struct tendermint_abci_response_commit *res)
{
    struct counter *k = c->app->self;
    k->height = k->next_height;
    k->count = k->next_count;
    return 0;
}

static int query(struct sn_abci_call *c, const struct tendermint_abci_request_query *req,
                 struct tendermint_abci_response_query *res)
{
    const struct counter *k = c->app->self;
    res->height = k->height;
    res->value = sn_arena_printf(c->arena, "%lld", (long long)k->count);
    return res->value.ptr ? 0 : SN_E_NOMEM;
}

static int run(void *arg)
{
    struct counter k = {0};
    struct sn_abci_app app = {.name = "counter",
                              .self = &k,
                              .info = info,
                              .check_tx = check_tx,
                              .finalize_block = finalize_block,
                              .commit = commit,
                              .query = query};
    return sn_abci_serve(&app, &(struct sn_abci_server_opts){.addr = arg});
}

int main(int argc, char **argv)
{
    return sn_rt_run(&(struct sn_rt_opts){.workers = 1}, run, argc > 1 ? argv[1] : NULL) < 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* rpc/env_test.h - a node of one validator in this process, with everything that its RPC shows:
 * stores in memory, kvstore, mempool, engine, events, index; and a client of its server. */
#pragma once
#include "chains/abci/kvstore.h"
#include "consensus/genesis.h"
#include "consensus/rpc/metrics.h"
#include "consensus/rpc/publish.h"
#include "consensus/rpc/rpc_int.h"

struct env {
    struct sn_rpc_opts o; /* set before env_run */
    struct sn_event_bus_opts bus;
    int64_t commit_ns; /* between blocks; 0: 5 ms */
    int (*body)(struct env *e);

    struct sn_cons_genesis genesis;
    struct sn_arena arena;
    struct sn_node_view view;
    struct sn_node_info self;
    struct sn_kvstore *kvstore;
    struct sn_abci_conns app;
    struct sn_privval *pv;
    struct sn_signer_file signer;
    struct sn_cons_state *state;
    struct sn_rpc *rpc;
    struct sn_chain_metrics *metrics;
    struct sn_http_client *client;
    char url[64]; /* "http://HOST:PORT" */
};
/* env_run - starts it, waits for the first block, runs body, stops it in order. */
void env_run(struct env *e, unsigned workers);
/* env_get, env_post - the answer's body in the arena; *ret_status may be NULL. */
struct sn_str env_get(struct env *e, const char *path, int *ret_status);
struct sn_str env_post(struct env *e, const char *body, int *ret_status);
/* env_json - the answer as a tree, its result or error; the test ends where it is no JSON. */
const struct sn_json *env_json(struct env *e, struct sn_str body);
/* env_result - of a JSON-RPC call; the test ends where it is an error. */
const struct sn_json *env_result(struct env *e, const char *method, const char *params);
/* env_error - the data of the error that a call must end with. */
struct sn_str env_error(struct env *e, const char *method, const char *params);
struct sn_ws *env_ws(struct env *e);

/* SPDX-License-Identifier: Apache-2.0 */
/* rpc/grpc.c - tendermint.rpc.grpc.BroadcastAPI: a ping, and broadcast_tx_commit for those who have
 * gRPC and no JSON. Of both answers code, data and log. Source: CometBFT v0.38.25 rpc/grpc/api.go.
 */
#include <stdatomic.h>
#include <stdio.h>

#include "consensus/rpc/rpc_int.h"
#include "kit/grpc.h"
#include "tendermint/rpc/grpc/types.grpc.h"

int sn_rpc_grpc_new(struct sn_rpc *rpc) SN_MUST_CHECK;

static int ping(struct sn_grpc_call *call, const struct tendermint_rpc_grpc_request_ping *req,
                struct tendermint_rpc_grpc_response_ping **ret)
{
    *ret = NULL;
    return 0;
}

static int fill(struct sn_grpc_call *call, const struct tendermint_abci_response_check_tx *check,
                const struct sn_json *result,
                struct tendermint_rpc_grpc_response_broadcast_tx **ret)
{
    struct sn_arena *a = call->arena;
    struct tendermint_abci_exec_tx_result *res;
    struct tendermint_rpc_grpc_response_broadcast_tx *m =
        SN_ARENA_NEW(a, struct tendermint_rpc_grpc_response_broadcast_tx);
    int r = sn_rpc_result_of_event(a, result, &res);
    if (r < 0 || !m) return r < 0 ? r : SN_E_NOMEM;
    m->check_tx = SN_ARENA_NEW(a, struct tendermint_abci_response_check_tx);
    m->tx_result = SN_ARENA_NEW(a, struct tendermint_abci_exec_tx_result);
    if (!m->check_tx || !m->tx_result) return SN_E_NOMEM;
    m->check_tx->code = check->code;
    m->check_tx->data = check->data;
    m->check_tx->log = check->log;
    m->tx_result->code = res->code;
    m->tx_result->data = res->data;
    m->tx_result->log = res->log;
    *ret = m;
    return 0;
}

static int broadcast_tx(struct sn_grpc_call *call,
                        const struct tendermint_rpc_grpc_request_broadcast_tx *req,
                        struct tendermint_rpc_grpc_response_broadcast_tx **ret)
{
    struct sn_rpc *rpc = call->arg;
    struct tendermint_abci_response_check_tx *check;
    const struct sn_json *result;
    int64_t height;
    char client[40], why[SN_DIAG_BYTES + 64];
    int n = snprintf(client, sizeof(client), "grpc %llu",
                     (unsigned long long)atomic_fetch_add(&rpc->clients, 1));
    struct sn_rpc_call c = {.rpc = rpc,
                            .view = rpc->o.view,
                            .arena = call->arena,
                            .client = sn_str_of(client, (size_t)n)};
    int r = sn_rpc_commit_tx(&c, req->tx, &check, &result, &height);
    if (r == 0) r = fill(call, check, result, ret);
    return r < 0 ? sn_grpc_fail(call, r, "%s", sn_diag_format(r, why, sizeof(why))) : 0;
}

int sn_rpc_grpc_new(struct sn_rpc *rpc)
{
    static const struct tendermint_rpc_grpc_broadcast_api_handlers handlers = {.ping = ping,
                                                                               .broadcast_tx =
                                                                                   broadcast_tx};
    const struct sn_grpc_server_opts o = {.web_off = true,
                                          .connect_off = true,
                                          .rest_off = true,
                                          .recv_bytes_max = rpc->o.body_bytes_max};
    int r = sn_grpc_server_new(&o, &rpc->grpc);
    if (r >= 0) r = tendermint_rpc_grpc_broadcast_api_register(rpc->grpc, &handlers, rpc);
    struct sn_http_server_opts h = {.handler = sn_grpc_handle,
                                    .arg = rpc->grpc,
                                    .conns_max = rpc->o.grpc_connections_max};
    /* Go's own client of this service dials "tcp://HOST:PORT", and names that. */
    h.h2_any_authority = true;
    sn_grpc_http_defaults(&h);
    return r < 0 ? r : sn_http_server_new(&h, &rpc->grpc_http);
}

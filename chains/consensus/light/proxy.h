/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/light/proxy.h - a node's RPC whose answers a light client has verified: block, header,
 * commit, validators, block_results, consensus_params, blockchain, tx with proof, abci_query with a
 * proof that is known ("simple:v"). Other routes of `cometbft light` are passed on as they are, and
 * so are subscriptions on /websocket. Source: CometBFT v0.38.25 light/proxy, light/rpc. */
#pragma once
#include "consensus/light/client.h"

struct sn_light_proxy_opts {
    struct sn_light_client *client;                /* borrowed */
    const char *primary;                           /* its address, as of sn_light_http */
    const char *listen;                            /* "tcp://HOST:PORT" */
    uint64_t connections_max;                      /* 0: 900 */
    void (*on_ready)(void *arg, const char *addr); /* "HOST:PORT" as it was bound; may be NULL */
    void *arg;
};
/* sn_light_proxy_run - serves until cancelled. Returns SN_E_CANCELLED, SN_E_SYNTAX, SN_E_NOMEM, as
 * sn_listen. Context: a fiber; suspends. */
int sn_light_proxy_run(const struct sn_light_proxy_opts *o) SN_MUST_CHECK;

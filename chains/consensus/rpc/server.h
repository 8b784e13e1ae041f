/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/rpc/server.h - a node's RPC, as CometBFT 0.38 has it: JSON-RPC by POST, the same calls
 * by URI, subscriptions over /websocket, and the gRPC broadcast service.
 *
 * Answers that cannot change (a block, a header, what the application said to it) are kept as the
 * bytes they are sent as, by route and height, up to a limit; status by the height it is of. What
 * is not in the view is answered with an error that says so. Source: CometBFT v0.38.25 rpc/core,
 * rpc/jsonrpc, docs/core/rpc. */
#pragma once
#include "consensus/node/view.h"
#include "consensus/reactors/consensus_peer.h"

#define SN_RPC_LISTENERS_MAX 16
#define SN_RPC_CACHE_BYTES (64u << 20)
#define SN_RPC_QUERY_MAX 512 /* bytes of a query, as CometBFT's */
#define SN_RPC_PER_PAGE_MAX 100
#define SN_RPC_GENESIS_CHUNK (16u << 20) /* bytes of the genesis in one answer */

struct sn_rpc_opts {
    const struct sn_node_view *view; /* borrowed */
    /* Comma-separated "tcp://HOST:PORT" and "unix://PATH", as config.toml's laddr; NULL or empty:
     * nothing is served there. */
    const char *listen, *grpc_listen;
    bool inspect; /* only what the stores know */
    bool unsafe;  /* dial_seeds, dial_peers, unsafe_flush_mempool too */
    /* NULL-ended; without origins nothing is answered to browsers of other origins. */
    const char *const *cors_origins, *const *cors_methods, *const *cors_headers;
    const char *tls_cert_file, *tls_key_file;       /* both or none */
    uint64_t connections_max, grpc_connections_max; /* 0: 900 */
    uint64_t body_bytes_max;                        /* 0: 1,000,000 */
    size_t header_bytes_max;                        /* 0: 1 MiB */
    int batch_max;                                  /* requests in one; 0: 10; negative: no limit */
    int64_t commit_wait_ns;                         /* broadcast_tx_commit; 0: 10 s */
    bool close_on_slow_client; /* ends the connection, not only the subscription */
    uint64_t cache_bytes;      /* 0: SN_RPC_CACHE_BYTES */
    /* What is known of a peer, for dump_consensus_state (fits sn_consensus_reactor_peer); NULL:
     * nothing. May suspend. */
    bool (*peer)(void *arg, const char *id, struct sn_gossip_peer *ret);
    void *arg;
};
struct sn_rpc;
/* sn_rpc_new - listens. Returns 0; SN_E_SYNTAX and as sn_listen (which address),
 * SN_E_INVALID_ARGUMENT (genesis), as sn_tls_config_new, SN_E_NOMEM. Context: a fiber. */
int sn_rpc_new(const struct sn_rpc_opts *o, struct sn_rpc **ret) SN_MUST_CHECK;
/* sn_rpc_run - serves until cancelled; subscribers are told, and answers that are being made are
 * finished for a moment. Returns SN_E_CANCELLED, or why it could not serve. */
int sn_rpc_run(struct sn_rpc *rpc) SN_MUST_CHECK;
void sn_rpc_free(struct sn_rpc *rpc);
/* sn_rpc_addr - "HOST:PORT" of the i-th listener, of the gRPC one where grpc. Returns 0,
 * SN_E_NOT_FOUND, SN_E_TOO_LARGE. */
int sn_rpc_addr(const struct sn_rpc *rpc, size_t i, bool grpc, char *out, size_t cap) SN_MUST_CHECK;

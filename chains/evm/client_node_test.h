/* SPDX-License-Identifier: Apache-2.0 */
/* evm/client_node_test.h - a hostile node for tests, on a host of the simulated network: one chain with
 * logs and one account's transactions behind HTTP and WebSocket, and every fault a provider has. */
#pragma once
#include "core/vec.h"
#include "evm/client.h"
#include "fiber/sim.h"
#include "fiber/sync.h"
#include "kit/http.h"

#define NODE_CHAIN 4242u
#define NODE_HEADER "X-Token: sesame" /* which it demands of every request and handshake */
#define NODE_RANGE_MAX 25u      /* blocks of one eth_getLogs */
#define NODE_ANSWER_MAX 65536u  /* what the client under test takes */
#define NODE_BLOCKS_MAX 4000u
#define NODE_NONCES_MAX 512u

struct node_block {
    uint64_t number, first_log;
    uint8_t hash[32], parent[32];
    unsigned n_logs;
    uint64_t nonce_before; /* the account's, before this block */
};
struct node_tx {
    uint8_t hash[32];
    uint64_t nonce, tag, fee; /* tag: the value it moves; tells whose call it was */
    bool pooled;
    bool foreign; /* the account's owner sent it by other means */
};
struct node {
    struct sn_sim_host *host;
    struct sn_http_server *server;
    struct sn_event listening, served;
    uint64_t chain_id; /* NODE_CHAIN; tests may change it */
    bool calm;   /* no faults any more */
    bool halted; /* no blocks any more */
    unsigned fault_percent;
    SN_VEC(struct node_block) chain; /* [number] */
    SN_VEC(struct node_tx) txs;
    size_t mined[NODE_NONCES_MAX]; /* index of the tx that has the nonce */
    uint64_t nonce, logs, forks;
    SN_VEC(struct node_conn *) conns;
    unsigned jobs, subs;
    unsigned faults, reorgs, drops, foreign; /* that happened */
    unsigned raw_seen;
};
/* node_start - the node's host and its fibers. node_stop - after every client has closed. */
void node_start(struct node *n, unsigned fault_percent);
void node_stop(struct node *n);
/* node_url - "http://10.0.0.2:80" or "ws://...". */
struct sn_str node_url(const struct node *n, bool ws, char *out, size_t cap);
/* node_mine - one block; node_reorg - the last `depth` are replaced by one more than that. */
void node_mine(struct node *n);
void node_reorg(struct node *n, unsigned depth);
/* node_drop_sockets - every WebSocket goes. */
void node_drop_sockets(struct node *n);
/* node_mined - how many mined transactions have the tag. */
unsigned node_mined(const struct node *n, uint64_t tag);

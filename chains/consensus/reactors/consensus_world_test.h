/* SPDX-License-Identifier: Apache-2.0 */
/* reactors/consensus_world_test.h - nodes that are a core, a store in memory and this reactor, under
 * one seed of fiber/sim.h. Engine and switch are small ones of this file behind the headers of the real
 * ones, so that links can be cut and every message counted. Signatures are a keyed hash. */
#pragma once
#include "consensus/reactors/consensus_int.h"
#include "core/vec.h"

#define WORLD_NODES_MAX 20

struct sn_engine {
    struct world_node *n;
    struct sn_mutex lock;
    struct sn_cons_core *core;
    struct sn_chan *inbox;
    struct sn_cons_timeout timer;
    int64_t timer_at;
    bool running;
    SN_VEC(struct sn_buf) own; /* our own messages, to be put in */
    void (*on_news)(void *arg, const struct sn_cons_action *a, const struct sn_cons_msg *own);
    void *news_arg;
    void (*on_fault)(void *arg, const struct sn_cons_peer_id *peer, int error);
    void *fault_arg;
    uint64_t faults;
};
struct sn_switch_peer {
    struct world_conn *conn;
    struct world_node *self, *other;
    void *slot;
    struct sn_chan *out; /* of struct packet pointers */
    struct sn_scope *scope;
    int64_t line_free_at;
    int why;
};
struct world_conn {
    struct sn_switch_peer end[2];
    bool closed;
    unsigned running;
};
struct sn_switch {
    struct world_node *n;
    const struct sn_reactor *reactor;
};
struct world_node {
    struct world *w;
    int id;
    char peer_id[24];
    struct sn_cons_validator val;
    struct sn_cons_genesis *genesis;
    struct sn_engine engine;
    struct sn_switch sw;
    struct sn_cons_block_store *blocks;
    struct sn_node_view view;
    struct sn_consensus_reactor *reactor;
};
struct world {
    int n;
    size_t tx_bytes;       /* of each block's one transaction */
    int64_t delay_ns;      /* of a link, one way */
    int64_t bytes_per_s;   /* of a link; 0: no limit */
    int64_t extensions_height;
    struct sn_cons_genesis genesis;
    struct sn_cons_genesis_validator validators[WORLD_NODES_MAX];
    struct world_node nodes[WORLD_NODES_MAX];
    SN_VEC(struct world_conn *) conns;
    struct sn_scope *scope;
    uint64_t messages, bytes;
};

void world_init(struct world *w, int n);
/* world_start - node i begins (its validator is in the genesis either way). */
void world_start(struct world *w, int i);
struct world_conn *world_connect(struct world *w, int a, int b);
void world_cut(struct world_conn *c);
/* world_until - lets time pass until every node among the first n has height, at most limit_ns. */
void world_until(struct world *w, int n, int64_t height, int64_t limit_ns);
int64_t world_height(const struct world_node *n);
void world_end(struct world *w);
/* world_check - all nodes have the same block at each height they have. */
void world_check(struct world *w, int n);

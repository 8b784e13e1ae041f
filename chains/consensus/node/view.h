/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/view.h - what a running node shows to its RPC, its metrics and its syncs: pointers
 * that stay valid until every server has ended. What is NULL the node does not have (`inspect` has
 * only stores). */
#pragma once
#include "consensus/events/bus.h"
#include "consensus/node/engine.h"
#include "consensus/p2p/switch.h"

struct sn_indexer;
struct sn_node_view {
    struct sn_str genesis_json; /* as the file has it */
    const struct sn_cons_genesis *genesis;
    const struct sn_node_info *self;
    struct sn_cons_block_store *blocks;
    struct sn_cons_state_store *states;
    struct sn_abci_conns *app;
    struct sn_txs *txs;
    struct sn_evidence_keeper *evidence;
    struct sn_event_bus *bus;
    struct sn_exec *exec;
    struct sn_engine *engine;
    struct sn_switch *sw;
    struct sn_indexer *indexer; /* of consensus/index; NULL: "null" */
    const struct sn_cons_verifier *verifier;
    const struct sn_cons_key *validator_key; /* NULL: none */
    /* Which phase the node is in; atomic. */
    _Atomic bool state_syncing, block_syncing;
};
static inline bool sn_node_catching_up(const struct sn_node_view *v)
{
    return v->state_syncing || v->block_syncing;
}

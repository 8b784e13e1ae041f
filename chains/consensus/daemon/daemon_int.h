/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/daemon/daemon_int.h - the node's parts, in the order they are made; they end in the
 * reverse one. */
#pragma once
#include "chains/abci/kvstore.h"
#include "consensus/daemon/daemon.h"
#include "consensus/genesis.h"
#include "consensus/index/indexer.h"
#include "consensus/node/signer_remote.h"
#include "consensus/node/view.h"
#include "consensus/reactors/consensus.h"
#include "consensus/reactors/evidence.h"
#include "consensus/reactors/mempool.h"
#include "consensus/reactors/pex.h"
#include "consensus/rpc/metrics.h"
#include "consensus/rpc/server.h"
#include "consensus/sync/sync.h"
#include "crypto/ed25519.h"

struct sn_daemon {
    const struct sn_daemon_opts *o;
    const struct sn_home_config *c;
    struct sn_arena arena; /* of paths and the genesis */
    struct sn_str genesis_json;
    struct sn_cons_genesis genesis;

    struct sn_cons_block_store *blocks;
    struct sn_cons_state_store *states;
    struct sn_kvstore *kvstore;  /* the application, where it is this one */
    struct sn_abci_app noop;     /* or this one */
    struct sn_abci_conns app;
    bool has_app;
    struct sn_privval *pv;
    struct sn_signer_file file_signer;
    struct sn_signer_remote *remote; /* NULL: the files sign */
    struct sn_signer *signer;
    struct sn_cons_state *state; /* to go on from: one reference */
    struct sn_txs *txs; /* NULL: the mempool "nop" */
    struct sn_evidence_keeper *evidence;
    struct sn_exec *exec;
    struct sn_engine *engine;
    struct sn_event_bus *bus;
    struct sn_indexer *indexer; /* NULL: not wanted */
    struct sn_rpc *rpc;         /* likewise */
    struct sn_chain_metrics *metrics; /* likewise */
    struct sn_node_view view;
    uint8_t node_key[SN_ED25519_SECRET_LEN];
    struct sn_node_info self;
    const char *book_path;
    struct sn_book *book;
    struct sn_switch *sw;
    struct sn_consensus_reactor *gossip;
    struct sn_mempool_reactor *mempool;
    struct sn_evidence_reactor *accuse;
    struct sn_blocksync *blocksync;
    struct sn_statesync *statesync;
    bool wants_snapshot; /* the application has not been talked to yet */
    struct sn_pex_reactor *pex; /* NULL: not wanted */
    struct sn_scope *scope; /* of the fibers that serve the parts */
    bool stopping;          /* by a signal */
};

/* daemon_parts.c: each makes one part, or says why not. */
int sn_daemon_read_home(struct sn_daemon *d) SN_MUST_CHECK;
int sn_daemon_open_signer(struct sn_daemon *d) SN_MUST_CHECK;
int sn_daemon_open_kv(struct sn_daemon *d, const char *name, size_t buffer_bytes,
                      struct sn_kv **ret) SN_MUST_CHECK;
/* What LevelDB gathers before it writes a table: sorting tables into each other costs it a quarter of
 * all the CPU that four loaded validators use with its 4 MiB, and next to nothing with these. As much
 * may have to be read from a log after a crash, and twice as much be in memory under load. */
#define SN_DAEMON_KV_BUFFER ((size_t)16 << 20)
#define SN_DAEMON_INDEX_BUFFER ((size_t)32 << 20) /* the index writes the most by far */
#define SN_DAEMON_KV_BLOCK ((size_t)16 << 10)     /* LevelDB makes a system call for each */
int sn_daemon_open_stores(struct sn_daemon *d) SN_MUST_CHECK;
int sn_daemon_open_app(struct sn_daemon *d) SN_MUST_CHECK;
int sn_daemon_load_state(struct sn_daemon *d) SN_MUST_CHECK;
int sn_daemon_handshake(struct sn_daemon *d) SN_MUST_CHECK;
int sn_daemon_make_txs(struct sn_daemon *d) SN_MUST_CHECK;
int sn_daemon_open_evidence(struct sn_daemon *d) SN_MUST_CHECK;
int sn_daemon_make_engine(struct sn_daemon *d) SN_MUST_CHECK;
/* daemon_rpc.c. _open_events sets the executor's hook. */
int sn_daemon_open_events(struct sn_daemon *d, struct sn_exec_opts *eo) SN_MUST_CHECK;
void sn_daemon_hear_engine(struct sn_daemon *d);
int sn_daemon_open_index(struct sn_daemon *d) SN_MUST_CHECK;
int sn_daemon_open_rpc(struct sn_daemon *d) SN_MUST_CHECK;
void sn_daemon_close_rpc(struct sn_daemon *d);
/* daemon_net.c: _close_net after everything has ended. */
int sn_daemon_read_node_key(struct sn_daemon *d) SN_MUST_CHECK;
int sn_daemon_open_net(struct sn_daemon *d) SN_MUST_CHECK;
void sn_daemon_close_net(struct sn_daemon *d);
/* daemon_metrics.c */
int sn_daemon_open_metrics(struct sn_daemon *d) SN_MUST_CHECK;
/* daemon_sync.c: the fiber that syncs and then runs the engine. */
bool sn_daemon_wants_snapshot(const struct sn_daemon *d);
int sn_daemon_agree(void *daemon) SN_MUST_CHECK;
void sn_daemon_done(struct sn_daemon *d);
/* A path of the configuration: below the home folder unless it is absolute. NULL without memory. */
const char *sn_daemon_path(struct sn_daemon *d, struct sn_str path);

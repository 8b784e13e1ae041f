/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/daemon/daemon_int.h - the node's parts, in the order they are made; they end in the
 * reverse one. */
#pragma once
#include "chains/abci/kvstore.h"
#include "consensus/daemon/daemon.h"
#include "consensus/genesis.h"
#include "consensus/node/view.h"

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
    struct sn_signer *signer;
    struct sn_cons_state *state; /* to go on from: one reference */
    struct sn_exec *exec;
    struct sn_engine *engine;
    struct sn_node_view view;
    bool stopping; /* by a signal */
};

/* daemon_parts.c: each makes one part, or says why not. */
int sn_daemon_read_home(struct sn_daemon *d) SN_MUST_CHECK;
int sn_daemon_open_stores(struct sn_daemon *d) SN_MUST_CHECK;
int sn_daemon_open_app(struct sn_daemon *d) SN_MUST_CHECK;
int sn_daemon_load_state(struct sn_daemon *d) SN_MUST_CHECK;
int sn_daemon_handshake(struct sn_daemon *d) SN_MUST_CHECK;
int sn_daemon_make_engine(struct sn_daemon *d) SN_MUST_CHECK;
void sn_daemon_done(struct sn_daemon *d);
const char *sn_daemon_path(struct sn_daemon *d, struct sn_str path);

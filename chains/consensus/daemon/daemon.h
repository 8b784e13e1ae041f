/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/daemon/daemon.h - a node from its parts: stores, application, consensus, peers, RPC.
 * Source: CometBFT v0.38.25 node/node.go. */
#pragma once
#include "consensus/home/config.h"

struct sn_daemon_opts {
    const struct sn_home_config *config;
    struct sn_str genesis_hash; /* SHA-256 of the genesis file in hex; empty: any */
<<<<<<< HEAD
    int64_t kvstore_snapshots;  /* the kvstore of this process takes one every so many blocks; 0:
                                   none */
=======
    int64_t kvstore_snapshots; /* the kvstore in this process takes one every so many blocks; 0: none */
>>>>>>> main
};
/* sn_daemon_run - a node until SIGTERM or SIGINT. The application "kvstore", "persistent_kvstore" or
 * "noop" runs in this process, any other proxy_app is an address. Returns 0 after a signal;
 * SN_E_CANCELLED; else why the node could not start or go on: its home (SN_E_NOT_FOUND, SN_E_SYNTAX,
 * SN_E_INVALID_ARGUMENT with file and member), its stores (SN_E_BUSY: another node runs there), the
 * handshake, the application's connection, consensus. Context: main's fiber. */
int sn_daemon_run(const struct sn_daemon_opts *o) SN_MUST_CHECK;

/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/rpc/metrics.h - a node's numbers under CometBFT's names, for Prometheus: gauges read
 * from the view when somebody asks, counters and histograms from what the node's hooks tell. Each
 * has the label chain_id. Behind them the process's own (process_*, go_*, sennit_*).
 *
 * Source: CometBFT v0.38.25 consensus/metrics.go, p2p/metrics.go, mempool/metrics.go,
 * state/metrics.go, blocksync/metrics.go, statesync/metrics.go, proxy/metrics.go. */
#pragma once
#include "consensus/node/view.h"
#include "consensus/reactors/consensus.h"
#include "kit/metrics.h"

struct sn_chain_metrics;
struct sn_chain_metrics_opts {
    const struct sn_node_view *view; /* borrowed */
    const char *name_space;          /* NULL: "cometbft" */
    const char *listen;              /* "HOST:PORT" or ":PORT"; NULL: nobody is served */
    uint64_t connections_max;        /* 0: 3 */
    /* What the reactors know; NULL: nothing. gossip; parts of a peer, within sn_switch_each; peers
     * that transactions are sent to. */
    void (*gossip)(void *arg, struct sn_consensus_reactor_stats *ret);
    uint64_t (*parts)(void *arg, const struct sn_switch_peer *p);
    uint64_t (*tx_peers)(void *arg);
    void *arg;
};
/* sn_chain_metrics_new - Returns 0, as sn_listen, SN_E_NOMEM. An empty host is loopback. */
int sn_chain_metrics_new(const struct sn_chain_metrics_opts *o,
                         struct sn_chain_metrics **ret) SN_MUST_CHECK;
/* sn_chain_metrics_run - serves GET /metrics until cancelled. */
int sn_chain_metrics_run(struct sn_chain_metrics *m) SN_MUST_CHECK;
void sn_chain_metrics_free(struct sn_chain_metrics *m);
/* sn_chain_metrics_addr - where it listens. Returns 0, SN_E_NOT_FOUND, SN_E_TOO_LARGE. */
int sn_chain_metrics_addr(const struct sn_chain_metrics *m, char *out, size_t cap) SN_MUST_CHECK;
/* sn_chain_metrics_text - what is served, appended. */
int sn_chain_metrics_text(struct sn_chain_metrics *m, struct sn_buf *out) SN_MUST_CHECK;

/* What the node tells. Each accepts NULL, from the fiber that owns what it shows; none suspends. */
void sn_chain_metrics_block(struct sn_chain_metrics *m, const struct sn_exec_block *b);
void sn_chain_metrics_event(struct sn_chain_metrics *m, const struct sn_cons_action *a,
                            const struct sn_cons_round_state *rs);
/* sn_chain_metrics_verdict - of the application's, as sn_exec_opts.on_verdict. Any fiber. */
void sn_chain_metrics_verdict(struct sn_chain_metrics *m, bool extension, bool accepted);
/* sn_chain_metrics_processed - how long FinalizeBlock took. */
void sn_chain_metrics_processed(struct sn_chain_metrics *m, int64_t ns);
/* sn_chain_metrics_abci - a call to the application took so long; fits sn_abci_conns_observe. */
void sn_chain_metrics_abci(void *metrics, enum sn_abci_method method, int64_t ns);

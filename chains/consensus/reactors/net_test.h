/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/reactors/net_test.h - nodes with switches, each on a host of a simulated network;
 * outside of a simulation all on loopback. */
#pragma once
#include "consensus/p2p/switch.h"
#include "core/status.h"
#include "fiber/sim.h"
#include "fiber/sync.h"

struct net_node {
    unsigned who;
    uint8_t key[64];
    struct sn_switch_opts o;
    struct sn_switch *sw;
    struct sn_sim_host *host;
    char addr[128], listen[64]; /* ID@HOST:PORT; tcp://HOST:PORT */
    struct sn_event up, down, stop;
    /* What it is beside its switch: made before it runs, then left to `run`, a fiber that is
     * cancelled in the end. All may be NULL. */
    void (*make)(struct net_node *n);
    int (*run)(void *n);
    void (*unmake)(struct net_node *n);
};
void net_node_init(struct net_node *n, unsigned who);
void net_node_start(struct net_node *n); /* on its host; returns when it listens */
void net_node_stop(struct net_node *n);
struct sn_switch_counts net_counts(struct net_node *n);
void net_connect(struct net_node *from, struct net_node *to);
/* From one peer of a node to the other. */
void net_say(struct net_node *from, struct net_node *to, uint8_t channel, const void *data,
             size_t n);
/* Each seed twice: with the same outcome, to the last decision. */
void net_simulate(int (*fn)(void *arg), unsigned cases, bool lossy);

/* SPDX-License-Identifier: Apache-2.0 */
/* reactors/chain_sim_test.c - whole nodes on a simulated network: engine, application, stores, switch,
 * consensus reactor and block sync, all the real ones, under one seed. */
#include <stdlib.h>

#include "consensus/node/engine.h"
#include "consensus/reactors/consensus.h"
#include "consensus/reactors/net_test.h"
#include "consensus/sync/chain_maker_test.h"
#include "consensus/sync/sync.h"
#include "crypto/ed25519.h"
#include "harness/test.h"

#define NODES_MAX 12

struct chain_node {
    struct net_node net; /* the first member */
    struct chain c;
    struct sn_node_view view;
    struct sn_signer signer;
    const uint8_t *secret;
    struct sn_engine *engine;
    struct sn_consensus_reactor *gossip;
    struct sn_blocksync *sync;
    int64_t synced;
    struct sn_engine_stats stats;
};
static struct chain_node *nodes[NODES_MAX];

/* ---- signing, without memory: these nodes are honest and do not crash ---- */

static int sign(struct sn_signer *s, struct sn_buf *msg, struct sn_cons_sig *ret)
{
    struct chain_node *x = SN_CONTAINER_OF(s, struct chain_node, signer);
    ret->len = 64;
    int r = sn_ed25519_sign(x->secret, msg->ptr, msg->len, ret->b);
    sn_buf_done(msg);
    return r;
}
static int sign_vote(struct sn_signer *s, struct sn_str chain, struct sn_cons_vote *v)
{
    struct sn_buf msg = {0};
    int r = sn_cons_vote_sign_bytes(chain, v, &msg);
    return r < 0 ? r : sign(s, &msg, &v->sig);
}
static int sign_proposal(struct sn_signer *s, struct sn_str chain, struct sn_cons_proposal *p)
{
    struct sn_buf msg = {0};
    int r = sn_cons_proposal_sign_bytes(chain, p, &msg);
    return r < 0 ? r : sign(s, &msg, &p->sig);
}

/* ---- nodes ---- */

static void node_make(struct net_node *n)
{
    struct chain_node *x = (struct chain_node *)n;
    struct sn_engine_opts o = {.config = sn_cons_config_default(),
                               .verifier = &sn_cons_verifier_zip215,
                               .exec = x->c.exec,
                               .env = {.app = &x->c.app,
                                       .blocks = x->c.blocks,
                                       .states = x->c.states,
                                       .verifier = &sn_cons_verifier_zip215},
                               .signer = x->secret ? &x->signer : NULL,
                               .wal_path = "/wal/wal"};
    o.config.commit_ns = 100 * SN_MS;
    T_OK(sn_engine_new(&o, &x->engine));
    x->view = (struct sn_node_view){.genesis = &x->c.genesis,
                                    .blocks = x->c.blocks,
                                    .states = x->c.states,
                                    .app = &x->c.app,
                                    .exec = x->c.exec,
                                    .engine = x->engine,
                                    .sw = n->sw,
                                    .verifier = &sn_cons_verifier_zip215,
                                    .validator_key = x->secret ? &x->signer.key : NULL};
    T_OK(sn_consensus_reactor_new(&x->view, &x->gossip));
    T_OK(sn_blocksync_new(&x->view, &x->sync));
}
static int node_run(void *arg)
{
    struct chain_node *x = arg;
    struct sn_cons_state *s;
    int r = sn_blocksync_run(x->sync, x->c.state, &s, &x->synced);
    if (r < 0) return 0; /* stopped */
    r = sn_engine_run(x->engine, s, x->synced > 0);
    T_ASSERTF(r == SN_E_CANCELLED, "consensus ends: %s", sn_diag_str(r));
    sn_cons_state_unref(s);
    return 0;
}
static void node_unmake(struct net_node *n)
{
    struct chain_node *x = (struct chain_node *)n;
    sn_engine_stats(x->engine, &x->stats);
    sn_blocksync_free(x->sync);
    sn_consensus_reactor_free(x->gossip);
    sn_engine_free(x->engine);
}
static void node_new(unsigned i, const struct chain_opts *o, bool validates)
{
    struct chain_node *x = nodes[i] = calloc(1, sizeof(*x));
    T_ASSERT(x);
    net_node_init(&x->net, i + 1);
    x->net.make = node_make;
    x->net.run = node_run;
    x->net.unmake = node_unmake;
    T_OK(chain_open(&x->c, o));
    if (validates) {
        x->secret = x->c.secrets[i];
        x->signer = (struct sn_signer){.sign_vote = sign_vote,
                                       .sign_proposal = sign_proposal,
                                       .key = x->c.state->vals->vals[i].key};
    }
    net_node_start(&x->net);
}
static void nodes_free(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        net_node_stop(&nodes[i]->net);
        T_EQ(nodes[i]->stats.faults, 0);
        chain_close(&nodes[i]->c);
        free(nodes[i]);
    }
}
static int64_t height(unsigned i) { return sn_cons_block_store_height(nodes[i]->c.blocks); }
static void until(unsigned n, int64_t h, int64_t limit_ns)
{
    int64_t end = sn_now() + limit_ns;
    for (unsigned i = 0; i < n; i++)
        while (height(i) < h) {
            T_ASSERTF(sn_now() < end, "node %u is at height %lld, expected %lld", i,
                      (long long)height(i), (long long)h);
            T_OK(sn_sleep(20 * SN_MS));
        }
}
static void check_same(unsigned n)
{
    for (int64_t h = 1; h <= height(0); h++) {
        struct sn_cons_block_meta a, b;
        T_OK(sn_cons_block_store_meta(nodes[0]->c.blocks, h, &a));
        for (unsigned i = 1; i < n && height(i) >= h; i++) {
            T_OK(sn_cons_block_store_meta(nodes[i]->c.blocks, h, &b));
            T_ASSERTF(sn_cons_block_id_eq(&a.block_id, &b.block_id), "block %lld differs",
                      (long long)h);
        }
    }
}

/* Four validators; two halves that cannot decide, and can again; a node that comes late fetches what it
 * missed, and follows. */
static int split_and_late(void *arg)
{
    const struct chain_opts o = {.validators = 4};
    for (unsigned i = 0; i < 4; i++) {
        node_new(i, &o, true);
        for (unsigned j = 0; j < i; j++) net_connect(&nodes[i]->net, &nodes[j]->net);
    }
    until(4, 10, 120 * SN_SEC);
    for (unsigned i = 0; i < 2; i++)
        for (unsigned j = 2; j < 4; j++) sn_sim_partition(nodes[i]->net.host, nodes[j]->net.host, true);
    T_OK(sn_sleep(2 * SN_SEC));
    int64_t stuck = height(0);
    T_OK(sn_sleep(8 * SN_SEC));
    T_ASSERT(height(0) <= stuck + 1 && height(3) <= stuck + 1);
    for (unsigned i = 0; i < 2; i++)
        for (unsigned j = 2; j < 4; j++)
            sn_sim_partition(nodes[i]->net.host, nodes[j]->net.host, false);
    until(4, stuck + 5, 120 * SN_SEC);
    node_new(4, &o, false);
    net_connect(&nodes[4]->net, &nodes[0]->net);
    net_connect(&nodes[4]->net, &nodes[2]->net);
    int64_t top = height(0);
    until(5, top + 20, 60 * SN_SEC);
    T_ASSERT(nodes[4]->synced >= top - 2);
    T_ASSERT(height(4) >= height(0) - 2);
    check_same(5);
    nodes_free(5);
    return 0;
}
SN_TEST_SLOW(chain_split_and_late, 300) { net_simulate(split_and_late, 2, false); }

/* Twelve validators in a ring with chords, over lossy links. */
static int ring(void *arg)
{
    const struct chain_opts o = {.validators = NODES_MAX};
    for (unsigned i = 0; i < NODES_MAX; i++) node_new(i, &o, true);
    for (unsigned i = 0; i < NODES_MAX; i++) {
        net_connect(&nodes[i]->net, &nodes[(i + 1) % NODES_MAX]->net);
        if (i < NODES_MAX / 2) net_connect(&nodes[i]->net, &nodes[i + NODES_MAX / 2]->net);
    }
    until(NODES_MAX, 8, 300 * SN_SEC);
    check_same(NODES_MAX);
    nodes_free(NODES_MAX);
    return 0;
}
SN_TEST_SLOW(chain_ring, 300) { net_simulate(ring, 2, true); }

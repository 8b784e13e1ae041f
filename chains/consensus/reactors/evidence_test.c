/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/reactors/evidence.h"

#include "consensus/codec.h"
#include "consensus/node/evidence_chain_test.h"
#include "consensus/reactors/net_test.h"
#include "core/alloc.h"
#include "core/varint.h"
#include "harness/test.h"

#define NODES_MAX 12
#define HEIGHTS 8
static const struct sn_mconn_channel height_channel[] = {{.id = 0x20, .priority = 6},
                                                         {.id = SN_EVIDENCE_CHANNEL,
                                                          .priority = 6}};
static struct node {
    struct net_node net;
    struct evidence_chain chain;
    struct sn_evidence_reactor *gossip;
    struct sn_reactor height; /* stands for consensus: says where its peers are */
    int64_t peers_at, blocks; /* blocks: it has */
    bool stranger;
    unsigned heard, left;
    int why;
} nodes[NODES_MAX];

static int add_height(void *arg, struct sn_switch_peer *p)
{
    sn_switch_peer_set_height(p, ((struct node *)arg)->peers_at);
    return 0;
}
static int receive(void *arg, struct sn_switch_peer *p, uint8_t channel, struct sn_str m)
{
    struct node *n = arg;
    if (channel == SN_EVIDENCE_CHANNEL) n->heard++;
    if (sn_str_starts(m, SN_STR("at "))) {
        int64_t h;
        T_OK(sn_str_to_i64(sn_str_from(m, 3), &h));
        sn_switch_peer_set_height(p, h);
    }
    return 0;
}
static void on_left(void *arg, struct sn_switch_peer *p, int why)
{
    ((struct node *)arg)->left++;
    ((struct node *)arg)->why = why;
}
static void make(struct net_node *net)
{
    struct node *n = (struct node *)net;
    n->height = (struct sn_reactor){.name = "height",
                                    .channels = height_channel,
                                    .n_channels = n->stranger ? 2 : 1,
                                    .arg = n,
                                    .add_peer = add_height,
                                    .receive = receive,
                                    .remove_peer = on_left};
    T_OK(sn_switch_add_reactor(net->sw, &n->height));
    evidence_chain_open(&n->chain, NULL);
    for (int64_t i = 0; i < n->blocks; i++) evidence_chain_grow(&n->chain, NULL, 0);
    T_OK(evidence_chain_keeper(&n->chain));
    if (!n->stranger) T_OK(sn_evidence_reactor_new(net->sw, n->chain.keeper, &n->gossip));
}
static void unmake(struct net_node *net)
{
    struct node *n = (struct node *)net;
    sn_evidence_reactor_free(n->gossip);
    evidence_chain_close(&n->chain);
    n->gossip = NULL;
}
static struct node *init(unsigned who)
{
    struct node *n = &nodes[who];
    memset(n, 0, sizeof(*n));
    net_node_init(&n->net, who);
    n->net.make = make;
    n->net.unmake = unmake;
    n->peers_at = n->blocks = HEIGHTS;
    return n;
}
static unsigned count(struct node *n)
{
    struct sn_arena a;
    struct sn_cons_evidence **list;
    uint32_t k;
    int64_t bytes;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_evidence_keeper_pending(n->chain.keeper, INT64_MAX, &a, &list, &k, &bytes));
    sn_arena_done(&a);
    return k;
}
static void accuse(struct node *n, unsigned who, int64_t height)
{
    struct sn_cons_vote *votes[2];
    struct sn_cons_evidence ev;
    evidence_chain_votes(&n->chain, who, height, 7, votes);
    evidence_chain_double(&n->chain, height, votes, &ev);
    T_EQ(sn_evidence_keeper_add(n->chain.keeper, &ev), 1);
    sn_cons_vote_unref(votes[0]);
    sn_cons_vote_unref(votes[1]);
}

/* Through a chain of nodes, at once; and to who comes later. */
static int spreads(void *arg)
{
    for (unsigned i = 0; i < NODES_MAX - 1; i++) net_node_start(&init(i)->net);
    for (unsigned i = 0; i + 2 < NODES_MAX; i++) net_connect(&nodes[i].net, &nodes[i + 1].net);
    accuse(&nodes[0], 1, 3);
    accuse(&nodes[5], 2, 4);
    T_OK(sn_sleep(2 * SN_SEC));
    for (unsigned i = 0; i + 1 < NODES_MAX; i++) T_EQ(count(&nodes[i]), 2);
    struct node *late = init(NODES_MAX - 1);
    net_node_start(&late->net);
    net_connect(&late->net, &nodes[4].net);
    T_OK(sn_sleep(SN_SEC));
    T_EQ(count(late), 2);
    for (unsigned i = 0; i < NODES_MAX; i++) net_node_stop(&nodes[i].net);
    return 0;
}
SN_TEST_SLOW(evidence_spreads, 60)
{
    net_simulate(spreads, 3, true);
}

/* Nothing to a peer that could not check it yet; again every ten seconds, while it waits. */
static int heights(void *arg)
{
    struct node *a = init(0), *b = init(1);
    a->peers_at = 3;
    b->stranger = true;
    net_node_start(&a->net);
    net_node_start(&b->net);
    net_connect(&a->net, &b->net);
    accuse(a, 1, 3);
    T_OK(sn_sleep(30 * SN_SEC));
    T_EQ(b->heard, 0);
    net_say(&b->net, &a->net, 0x20, "at 4", 4);
    T_OK(sn_sleep(2 * SN_SEC));
    T_EQ(b->heard, 1);
    T_OK(sn_sleep(40 * SN_SEC));
    T_ASSERTF(b->heard >= 4 && b->heard <= 6, "%u times", b->heard);
    /* Too old for where the peer is. */
    net_say(&b->net, &a->net, 0x20, "at 200000", 9);
    unsigned before = b->heard;
    T_OK(sn_sleep(40 * SN_SEC));
    T_EQ(b->heard, before);
    net_node_stop(&a->net);
    net_node_stop(&b->net);
    return 0;
}
SN_TEST(evidence_heights)
{
    net_simulate(heights, 2, false);
}

/* ---- bad peers, and honest ones that are elsewhere ---- */

static void list_of(struct node *n, int64_t height, int64_t power_more, struct sn_buf *out)
{
    struct sn_cons_vote *votes[2];
    struct sn_cons_evidence ev;
    struct sn_buf piece;
    uint8_t head[11] = {0x0a};
    sn_buf_init(&piece, 0);
    evidence_chain_votes(&n->chain, 1, height, 7, votes);
    evidence_chain_double(&n->chain, height, votes, &ev);
    ev.total_power += power_more;
    T_OK(sn_cons_evidence_encode(&ev, &piece));
    sn_buf_init(out, 0);
    sn_buf_put(out, head, 1 + sn_varint_put(head + 1, piece.len));
    sn_buf_put(out, piece.ptr, piece.len);
    sn_buf_done(&piece);
    sn_cons_vote_unref(votes[0]);
    sn_cons_vote_unref(votes[1]);
}
static int says(void *arg)
{
    enum { JUNK, EMPTY_PIECE, WRONG, FROM_THE_FUTURE, GOOD, CASES };
    for (unsigned i = 0; i < CASES; i++) {
        struct sn_buf m = {0};
        sn_test_row("case %u", i);
        struct node *a = init(0), *b = init(1);
        b->stranger = true;
        if (i == FROM_THE_FUTURE) a->blocks = 2;
        net_node_start(&a->net);
        net_node_start(&b->net);
        net_connect(&b->net, &a->net);
        if (i == JUNK)
            sn_buf_put(&m, "\x0a\xff", 2);
        else if (i == EMPTY_PIECE)
            sn_buf_put(&m, "\x0a\x00", 2);
        else
            list_of(b, 6, i == WRONG, &m);
        net_say(&b->net, &a->net, SN_EVIDENCE_CHANNEL, m.ptr, m.len);
        sn_buf_done(&m);
        T_OK(sn_sleep(2 * SN_SEC));
        T_EQ(a->left, i < FROM_THE_FUTURE);
        T_EQ(b->left, i < FROM_THE_FUTURE);
        T_EQ(count(a), i == GOOD);
        net_node_stop(&a->net);
        net_node_stop(&b->net);
    }
    return 0;
}
SN_TEST(evidence_from_peers)
{
    net_simulate(says, 1, false);
}

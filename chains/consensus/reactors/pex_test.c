/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/reactors/pex.h"

#include "consensus/reactors/net_test.h"
#include "harness/test.h"

#define NODES_MAX 40
static struct node {
    struct net_node net;
    struct sn_pex_reactor_opts pex_opts;
    struct sn_reactor stranger; /* of a node without peer exchange */
    struct sn_pex_reactor *pex;
} nodes[NODES_MAX];
static const struct sn_mconn_channel other_channel[] = {{.id = 0x20, .priority = 6},
                                                        {.id = SN_PEX_CHANNEL, .priority = 1}};

static void make(struct net_node *net)
{
    struct node *n = (struct node *)net;
    n->pex_opts.sw = net->sw;
    if (n->stranger.channels)
        T_OK(sn_switch_add_reactor(net->sw, &n->stranger));
    else
        T_OK(sn_pex_reactor_new(&n->pex_opts, &n->pex));
}
static int run_pex(void *arg)
{
    struct node *n = arg;
    if (n->pex) T_EQ(sn_pex_reactor_run(n->pex), SN_E_CANCELLED);
    return 0;
}
static void unmake(struct net_node *net)
{
    struct node *n = (struct node *)net;
    sn_pex_reactor_free(n->pex);
    n->pex = NULL;
    sn_book_free(net->o.book);
}
static void node_init(struct node *n, unsigned who)
{
    memset(n, 0, sizeof(*n));
    net_node_init(&n->net, who);
    n->net.make = make;
    n->net.run = run_pex;
    n->net.unmake = unmake;
}
/* The book's file is on the node's host: it is read in a fiber of its. */
static void open_book(void *arg)
{
    struct node *n = arg;
    struct sn_book_opts bo = {.seed = n->net.who};
    T_OK(sn_pex_book_open(n->pex_opts.book_path, &bo, NULL, &n->net.o.book));
}
static void node_start(struct node *n)
{
    n->net.o.book = NULL;
    T_OK(sn_sim_host_go(n->net.host, "book", open_book, n));
    while (!n->net.o.book) T_OK(sn_sleep(SN_MS));
    net_node_start(&n->net);
}
static void node_stop(struct node *n) { net_node_stop(&n->net); }
static struct sn_switch_counts counts(struct node *n) { return net_counts(&n->net); }
static size_t in_book(struct node *n)
{
    struct sn_book_counts c;
    sn_book_counts(sn_switch_book_lock(n->net.sw), &c);
    sn_switch_book_unlock(n->net.sw);
    return c.fresh + c.old;
}
/* Everybody knows one node, and comes to know all; after a restart the book's file is enough. */
static int grows(void *arg)
{
    const char *first[] = {NULL, NULL};
    for (unsigned i = 0; i < NODES_MAX; i++) {
        struct node *n = &nodes[i];
        node_init(n, i);
        first[0] = nodes[0].net.addr;
        n->net.o.outbound_max = 4;
        n->pex_opts.seeds = i ? first : NULL;
        n->pex_opts.book_path = "/book.json";
        node_start(n);
    }
    T_OK(sn_sleep(10 * SN_MINUTE));
    for (unsigned i = 0; i < NODES_MAX; i++) {
        struct sn_switch_counts c = counts(&nodes[i]);
        /* Who is connected to everybody already has nobody to dial. */
        T_ASSERTF(c.outbound <= 4 && (c.outbound >= 3 || c.peers >= NODES_MAX / 2),
                  "node %u: %u outbound, %u peers", i, c.outbound, c.peers);
        T_ASSERTF(in_book(&nodes[i]) >= 8, "node %u knows %zu", i, in_book(&nodes[i]));
    }
    struct node *last = &nodes[NODES_MAX - 1];
    size_t knew = in_book(last);
    node_stop(last);
    node_stop(&nodes[0]);
    last->pex_opts.seeds = NULL;
    node_start(last);
    T_ASSERT(in_book(last) >= knew);
    T_OK(sn_sleep(10 * SN_MINUTE));
    T_ASSERT(counts(last).outbound >= 3);
    for (unsigned i = 1; i < NODES_MAX; i++) node_stop(&nodes[i]);
    return 0;
}
SN_TEST_SLOW(pex_network_grows, 120)
{
    net_simulate(grows, 2, true);
}

static int ignore(void *arg, struct sn_switch_peer *p, uint8_t channel, struct sn_str m)
{
    return 0;
}

/* A seed answers and hangs up; it finds out about nodes that have not come to it. */
static int seed_main(void *arg)
{
    const char *seed[] = {NULL, NULL}, *second[] = {NULL, NULL};
    for (unsigned i = 0; i < 8; i++) {
        node_init(&nodes[i], i);
        seed[0] = nodes[0].net.addr;
        second[0] = nodes[1].net.addr;
        nodes[i].pex_opts.seed_mode = i == 0;
        /* Only node 1 knows the seed; the others know node 1. */
        if (i) nodes[i].pex_opts.seeds = i == 1 ? seed : second;
        node_start(&nodes[i]);
    }
    T_OK(sn_sleep(20 * SN_MINUTE));
    T_ASSERTF(in_book(&nodes[0]) == 7, "the seed knows %zu", in_book(&nodes[0]));
    T_ASSERT(counts(&nodes[0]).peers <= 2); /* perhaps somebody is here right now */
    for (unsigned i = 1; i < 8; i++)
        T_ASSERTF(counts(&nodes[i]).outbound >= 1 || counts(&nodes[i]).inbound >= 1, "node %u", i);
    T_ASSERT(counts(&nodes[0]).joined > 7);
    /* Who comes and does not ask is sent away. */
    node_init(&nodes[8], 8);
    nodes[8].stranger = (struct sn_reactor){.name = "stranger",
                                            .channels = other_channel,
                                            .n_channels = 2,
                                            .receive = ignore};
    node_start(&nodes[8]);
    T_OK(sn_switch_connect(nodes[8].net.sw, nodes[0].net.addr));
    for (unsigned later = 0; later < 2; later++) {
        T_OK(sn_sleep(later ? SN_PEX_STAY_NS : SN_MINUTE));
        struct sn_switch_peer *p = sn_switch_find(nodes[8].net.sw, nodes[0].net.o.self.id);
        T_EQ(p == NULL, later);
        sn_switch_peer_unref(p);
    }
    node_stop(&nodes[8]);
    for (unsigned i = 0; i < 8; i++) node_stop(&nodes[i]);
    return 0;
}
SN_TEST(pex_seed)
{
    net_simulate(seed_main, 2, false);
}

/* ---- those who break the rules ---- */

static unsigned left;
static void on_left(void *arg, struct sn_switch_peer *p, int why) { left++; }
static const struct {
    const char *what, *bytes;
    size_t n;
    unsigned times;
} bad[] = {
    {"junk", "\xff\xff", 2, 1},
    {"nothing", "", 0, 1},
    {"an empty list nobody asked for", "\x12\x00", 2, 1},
    {"too many requests", "\x0a\x00", 2, 3},
};
static int breaks_rules(void *arg)
{
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        sn_test_row("%s", bad[i].what);
        node_init(&nodes[0], 0);
        node_init(&nodes[1], 1);
        nodes[1].stranger = (struct sn_reactor){.name = "stranger",
                                                .channels = other_channel,
                                                .n_channels = 2,
                                                .receive = ignore,
                                                .remove_peer = on_left};
        node_start(&nodes[0]);
        node_start(&nodes[1]);
        left = 0;
        T_OK(sn_switch_connect(nodes[1].net.sw, nodes[0].net.addr));
        T_OK(sn_sleep(SN_SEC));
        T_EQ(counts(&nodes[0]).peers, 1);
        struct sn_switch_peer *p = sn_switch_find(nodes[1].net.sw, nodes[0].net.o.self.id);
        for (unsigned k = 0; k < bad[i].times; k++)
            T_OK(sn_switch_peer_send(p, SN_PEX_CHANNEL, bad[i].bytes, bad[i].n));
        sn_switch_peer_unref(p);
        T_OK(sn_sleep(SN_SEC));
        T_EQ(left, 1);
        T_EQ(counts(&nodes[0]).peers, 0);
        T_EQ(counts(&nodes[0]).banned, 1);
        (void)!sn_switch_connect(nodes[1].net.sw, nodes[0].net.addr);
        T_OK(sn_sleep(SN_SEC));
        T_EQ(counts(&nodes[0]).peers, 0);
        node_stop(&nodes[0]);
        node_stop(&nodes[1]);
    }
    return 0;
}
SN_TEST(pex_breaks_rules)
{
    net_simulate(breaks_rules, 1, false);
}

/* A node that is never there is not dialled for ever: its address is banned in the end. */
static int never_there(void *arg)
{
    struct sn_node_addr gone, src;
    node_init(&nodes[0], 0);
    node_start(&nodes[0]);
    T_OK(sn_node_addr_set(&gone, SN_STR("00112233445566778899aabbccddeeff00112233"),
                          SN_STR("10.9.9.9"), 26656));
    src = gone;
    T_OK(sn_book_add(sn_switch_book_lock(nodes[0].net.sw), sn_wall_now(), &gone, &src));
    sn_switch_book_unlock(nodes[0].net.sw);
    T_OK(sn_sleep(SN_HOUR));
    unsigned after_hour = (unsigned)counts(&nodes[0]).dialed;
    T_ASSERTF(after_hour >= 8 && after_hour <= 14, "%u dials in an hour", after_hour);
    T_OK(sn_sleep(90 * SN_HOUR));
    T_ASSERTF(counts(&nodes[0]).dialed == 17, "%llu dials",
              (unsigned long long)counts(&nodes[0]).dialed);
    T_EQ(in_book(&nodes[0]), 0);
    node_stop(&nodes[0]);
    return 0;
}
SN_TEST(pex_never_there)
{
    net_simulate(never_there, 1, false);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/reactors/pex.h"

#include "core/status.h"
#include "fiber/sim.h"
#include "fiber/sync.h"
#include "harness/test.h"

#define NODES_MAX 40
static struct node {
    unsigned who;
    uint8_t key[64];
    struct sn_switch_opts o;
    struct sn_pex_reactor_opts pex_opts;
    struct sn_reactor stranger; /* of a node without peer exchange */
    struct sn_switch *sw;
    struct sn_pex_reactor *pex;
    struct sn_sim_host *host;
    char addr[128], listen[64];
    struct sn_event up, down, stop;
} nodes[NODES_MAX];
static const struct sn_mconn_channel other_channel[] = {{.id = 0x20, .priority = 6},
                                                        {.id = SN_PEX_CHANNEL, .priority = 1}};

static void node_init(struct node *n, unsigned who)
{
    uint8_t seed[32] = {(uint8_t)who, 9};
    memset(n, 0, sizeof(*n));
    n->who = who;
    T_OK(sn_ed25519_from_seed(n->key, seed));
    n->o.key = n->key;
    n->o.self = (struct sn_node_info){.p2p_version = 8,
                                      .block_version = 11,
                                      .network = "net",
                                      .version = "0.38.25",
                                      .moniker = "m"};
    T_OK(sn_node_id(n->key + 32, n->o.self.id));
    n->host = sn_sim_host_new("n");
    T_ASSERT(snprintf(n->listen, sizeof(n->listen), "tcp://%s:26656", sn_sim_host_addr(n->host)) <
             (int)sizeof(n->listen));
    n->o.listen = n->listen;
    T_ASSERT(snprintf(n->addr, sizeof(n->addr), "%s@%s", n->o.self.id, n->listen + 6) <
             (int)sizeof(n->addr));
}
static int run_switch(void *arg)
{
    T_EQ(sn_switch_run(((struct node *)arg)->sw), SN_E_CANCELLED);
    return 0;
}
static int run_pex(void *arg)
{
    T_EQ(sn_pex_reactor_run(((struct node *)arg)->pex), SN_E_CANCELLED);
    return 0;
}
static void node_main(void *arg)
{
    struct node *n = arg;
    struct sn_scope_storage mem;
    struct sn_book_opts bo = {.seed = n->who};
    T_OK(sn_pex_book_open(n->pex_opts.book_path, &bo, NULL, &n->o.book));
    T_OK(sn_switch_new(&n->o, &n->sw));
    n->pex_opts.sw = n->sw;
    if (n->stranger.channels)
        T_OK(sn_switch_add_reactor(n->sw, &n->stranger));
    else
        T_OK(sn_pex_reactor_new(&n->pex_opts, &n->pex));
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_scope_go(s, "switch", run_switch, n));
    while (!sn_switch_listening(n->sw)) T_OK(sn_sleep(SN_MS));
    if (n->pex) T_OK(sn_scope_go(s, "pex", run_pex, n));
    sn_event_set(&n->up);
    (void)!sn_event_wait(&n->stop);
    sn_scope_cancel(s);
    (void)sn_scope_end(s);
    sn_switch_free(n->sw);
    sn_pex_reactor_free(n->pex);
    sn_book_free(n->o.book);
    n->sw = NULL;
    n->pex = NULL;
    sn_event_set(&n->down);
}
static void node_start(struct node *n)
{
    n->up = n->down = n->stop = (struct sn_event){0};
    T_OK(sn_sim_host_go(n->host, "node", node_main, n));
    T_OK(sn_event_wait(&n->up));
}
static void node_stop(struct node *n)
{
    sn_event_set(&n->stop);
    T_OK(sn_event_wait(&n->down));
}
static struct sn_switch_counts counts(struct node *n)
{
    struct sn_switch_counts c;
    sn_switch_counts(n->sw, &c);
    return c;
}
static size_t in_book(struct node *n)
{
    struct sn_book_counts c;
    sn_book_counts(sn_switch_book_lock(n->sw), &c);
    sn_switch_book_unlock(n->sw);
    return c.fresh + c.old;
}
static void simulate(int (*fn)(void *arg), unsigned cases, bool lossy)
{
    for (unsigned i = 0; i < sn_test_cases(cases); i++) {
        uint64_t hash[2];
        for (unsigned again = 0; again < 2; again++) {
            struct sn_sim_opts o = {.seed = sn_test_seed() + i,
                                    .loss = lossy && i % 2 ? 0.01 : 0,
                                    .time_limit_ns = 100 * SN_HOUR};
            sn_test_row("seed %llu", (unsigned long long)o.seed);
            T_OK(sn_sim_run(&o, fn, NULL, &hash[again]));
        }
        T_EQ(hash[0], hash[1]);
    }
}

/* Everybody knows one node, and comes to know all; after a restart the book's file is enough. */
static int grows(void *arg)
{
    const char *first[] = {NULL, NULL};
    for (unsigned i = 0; i < NODES_MAX; i++) {
        struct node *n = &nodes[i];
        node_init(n, i);
        first[0] = nodes[0].addr;
        n->o.outbound_max = 4;
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
    simulate(grows, 2, true);
}

/* A seed answers and hangs up; it finds out about nodes that have not come to it. */
static int seed_main(void *arg)
{
    const char *seed[] = {NULL, NULL}, *second[] = {NULL, NULL};
    for (unsigned i = 0; i < 8; i++) {
        node_init(&nodes[i], i);
        seed[0] = nodes[0].addr;
        second[0] = nodes[1].addr;
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
    for (unsigned i = 0; i < 8; i++) node_stop(&nodes[i]);
    return 0;
}
SN_TEST(pex_seed)
{
    simulate(seed_main, 2, false);
}

/* ---- those who break the rules ---- */

static unsigned left;
static void on_left(void *arg, struct sn_switch_peer *p, int why) { left++; }
static int ignore(void *arg, struct sn_switch_peer *p, uint8_t channel, struct sn_str m)
{
    return 0;
}
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
        T_OK(sn_switch_connect(nodes[1].sw, nodes[0].addr));
        T_OK(sn_sleep(SN_SEC));
        T_EQ(counts(&nodes[0]).peers, 1);
        struct sn_switch_peer *p = sn_switch_find(nodes[1].sw, nodes[0].o.self.id);
        for (unsigned k = 0; k < bad[i].times; k++)
            T_OK(sn_switch_peer_send(p, SN_PEX_CHANNEL, bad[i].bytes, bad[i].n));
        sn_switch_peer_unref(p);
        T_OK(sn_sleep(SN_SEC));
        T_EQ(left, 1);
        T_EQ(counts(&nodes[0]).peers, 0);
        T_EQ(counts(&nodes[0]).banned, 1);
        (void)!sn_switch_connect(nodes[1].sw, nodes[0].addr);
        T_OK(sn_sleep(SN_SEC));
        T_EQ(counts(&nodes[0]).peers, 0);
        node_stop(&nodes[0]);
        node_stop(&nodes[1]);
    }
    return 0;
}
SN_TEST(pex_breaks_rules)
{
    simulate(breaks_rules, 1, false);
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
    T_OK(sn_book_add(sn_switch_book_lock(nodes[0].sw), sn_wall_now(), &gone, &src));
    sn_switch_book_unlock(nodes[0].sw);
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
    simulate(never_there, 1, false);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/reactors/mempool.h"

#include <stdlib.h>

#include "consensus/reactors/net_test.h"
#include "core/alloc.h"
#include "core/buf.h"
#include "core/torture.h"
#include "harness/test.h"

#define NODES_MAX 32
static const struct sn_mconn_channel height_channel[] = {{.id = 0x20, .priority = 6}};
static struct node {
    struct net_node net;
    struct sn_mempool_reactor_opts o;
    struct sn_txs_opts txs_opts;
    struct sn_abci_app app;
    struct sn_abci_client *client;
    struct sn_txs *txs;
    struct sn_mempool_reactor *gossip;
    struct sn_reactor height; /* stands for consensus: peers are where it says */
    int64_t peers_at, slow_ns;
    bool stranger; /* has the channel, and says what it likes */
    bool deaf;     /* a stranger that stops reading at the first message */
    _Atomic unsigned checks;
    unsigned messages, left;
    int why;
} nodes[NODES_MAX];

static int check_tx(struct sn_abci_call *c, const struct tendermint_abci_request_check_tx *req,
                    struct tendermint_abci_response_check_tx *res)
{
    struct node *n = c->app->self;
    n->checks++;
    res->code = sn_str_starts(req->tx, SN_STR("bad")) ? 1 : 0;
    return n->slow_ns ? sn_sleep(n->slow_ns) : 0;
}
static int add_height(void *arg, struct sn_switch_peer *p)
{
    sn_switch_peer_set_height(p, ((struct node *)arg)->peers_at);
    return 0;
}
static int receive(void *arg, struct sn_switch_peer *p, uint8_t channel, struct sn_str m)
{
    ((struct node *)arg)->messages++;
    if (((struct node *)arg)->deaf) return sn_sleep(SN_HOUR);
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
    static const struct sn_mconn_channel all[] = {{.id = 0x20, .priority = 6},
                                                  {.id = SN_MEMPOOL_CHANNEL, .priority = 5}};
    struct node *n = (struct node *)net;
    n->height = (struct sn_reactor){.name = "height",
                                    .channels = n->stranger ? all : height_channel,
                                    .n_channels = n->stranger ? 2 : 1,
                                    .arg = n,
                                    .add_peer = add_height,
                                    .receive = receive,
                                    .remove_peer = on_left};
    T_OK(sn_switch_add_reactor(net->sw, &n->height));
    if (n->stranger) return;
    n->app = (struct sn_abci_app){.name = "test",
                                  .self = n,
                                  .concurrent = SN_ABCI_BIT(SN_ABCI_CHECK_TX),
                                  .check_tx = check_tx};
    T_OK(sn_abci_client_local(&n->app, "mempool", NULL, &n->client));
    n->txs_opts.app = n->client;
    n->txs_opts.pool.seed = net->who;
    T_OK(sn_txs_new(&n->txs_opts, &n->txs));
    n->o.sw = net->sw;
    n->o.txs = n->txs;
    T_OK(sn_mempool_reactor_new(&n->o, &n->gossip));
}
static int run(void *arg)
{
    struct node *n = arg;
    if (n->txs) T_EQ(sn_txs_run(n->txs), SN_E_CANCELLED);
    return 0;
}
static void unmake(struct net_node *net)
{
    struct node *n = (struct node *)net;
    sn_mempool_reactor_free(n->gossip);
    sn_txs_free(n->txs);
    sn_abci_client_close(n->client);
    n->gossip = NULL;
    n->txs = NULL;
    n->client = NULL;
}
static struct node *init(unsigned who)
{
    struct node *n = &nodes[who];
    memset(n, 0, sizeof(*n));
    net_node_init(&n->net, who);
    n->net.make = make;
    n->net.run = run;
    n->net.unmake = unmake;
    return n;
}
static uint64_t waiting(struct node *n)
{
    struct sn_mempool_stats s;
    sn_mempool_stats(sn_txs_pool(n->txs), &s);
    return s.txs;
}
static void submit(struct node *n, struct sn_str tx)
{
    struct tendermint_abci_response_check_tx *res;
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_txs_check(n->txs, tx, 0, &a, &res));
    sn_arena_done(&a);
}
static struct sn_mempool_gossip gossip(struct node *n)
{
    struct sn_mempool_gossip g;
    sn_mempool_reactor_stats(n->gossip, &g);
    return g;
}

/* ---- the message ---- */

/* #5946: empty transactions, two bytes each, are refused before anything is allocated for them. */

static const struct {
    const char *what, *bytes;
    size_t n;
    int result;
} messages[] = {
#define M(what, bytes, result)                 \
    {                                          \
        what, bytes, sizeof(bytes) - 1, result \
    }
    M("one", "\x0a\x03\x0a\x01x", 1),
    M("two", "\x0a\x07\x0a\x01x\x0a\x02yz", 2),
    M("two lists", "\x0a\x03\x0a\x01x\x0a\x03\x0a\x01y", 2),
    M("a field nobody knows", "\x12\x01q\x0a\x05\x10\x07\x0a\x01x", 1),
    M("the largest",
      "\x0a\x0a\x0a\x08"
      "12345678",
      1),
    M("nothing", "", SN_E_PROTOCOL),
    M("an empty list", "\x0a\x00", SN_E_PROTOCOL),
    M("an empty transaction", "\x0a\x02\x0a\x00", SN_E_PROTOCOL),
    M("an empty one behind another", "\x0a\x05\x0a\x01x\x0a\x00", SN_E_PROTOCOL),
    M("too large",
      "\x0a\x0b\x0a\x09"
      "123456789",
      SN_E_TOO_LARGE),
    M("too many",
      "\x0a\x12\x0a\x04"
      "1234\x0a\x04"
      "1234\x0a\x04"
      "1234",
      SN_E_TOO_LARGE),
    M("too many in two lists",
      "\x0a\x0a\x0a\x08"
      "12345678\x0a\x04\x0a\x02"
      "12",
      SN_E_TOO_LARGE),
    M("cut off", "\x0a\x04\x0a\x01x", SN_E_PROTOCOL),
    M("cut off in a transaction", "\x0a\x03\x0a\x02x", SN_E_PROTOCOL),
    M("a length beyond 64 bits", "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", SN_E_PROTOCOL),
    M("a group", "\x0b\x0c", SN_E_PROTOCOL),
    M("field zero", "\x02\x01x", SN_E_PROTOCOL),
    /* #5948: a number of more than 32 bits that ends as field 1 does. */
    M("field 2^32 + 1", "\x8a\x80\x80\x80\x80\x01\x03\x0a\x01x", SN_E_PROTOCOL),
#undef M
};
SN_TEST(mempool_message_rules)
{
    static const struct sn_mempool_rules rules = {.tx_bytes_max = 8, .batch_bytes_max = 9};
    for (unsigned i = 0; i < SN_COUNT_OF(messages); i++) {
        struct sn_str m = sn_str_of(messages[i].bytes, messages[i].n), tx;
        struct sn_mempool_reading at = {0};
        int n = 0;
        sn_test_row("%s", messages[i].what);
        T_EQ(sn_mempool_message_check(m, &rules), messages[i].result);
        if (messages[i].result < 0) continue;
        while (sn_mempool_message_next(m, &at, &tx)) {
            T_ASSERT(tx.len >= 1 && tx.len <= 8);
            n++;
        }
        T_EQ(n, messages[i].result);
    }
}

/* ---- a network ---- */

/* Every transaction comes to every node; each is checked once there; nobody gets back what it
 * sent. */
static int spreads(void *arg)
{
    unsigned n = 20, txs = 400;
    char tx[64];
    for (unsigned i = 0; i < n; i++) {
        init(i)->net.o.outbound_max = 20;
        net_node_start(&nodes[i].net);
    }
    for (unsigned i = 0; i < n; i++) {
        net_connect(&nodes[i].net, &nodes[(i + 1) % n].net);
        net_connect(&nodes[i].net, &nodes[(i + n / 2 - 3) % n].net);
    }
    for (unsigned i = 0; i < txs; i++) {
        snprintf(tx, sizeof(tx), "key%u=%0*u", i, i % 40 + 1, i);
        submit(&nodes[sn_sim_rand() % n], sn_str(tx));
        if (i % 16 == 0) T_OK(sn_sleep(SN_MS));
    }
    T_OK(sn_sleep(20 * SN_SEC));
    uint64_t in = 0, out = 0, known = 0, sent = 0;
    for (unsigned i = 0; i < n; i++) {
        struct sn_mempool_gossip g = gossip(&nodes[i]);
        T_EQ(waiting(&nodes[i]), txs);
        T_EQ(nodes[i].checks, txs);
        in += g.txs_in;
        out += g.txs_out;
        known += g.known_in;
        sent += g.messages_out;
    }
    T_EQ(in, out);
    T_EQ(in - known, (uint64_t)txs * (n - 1));
    /* 40 connections: a transaction crosses each once, twice where both send at once. */
    T_ASSERTF(out >= in - known && out < (uint64_t)txs * 80, "%llu sent", (unsigned long long)out);
    T_ASSERT(sent < out);
    /* A late one gets all of it, in few messages. */
    net_node_start(&init(n)->net);
    net_connect(&nodes[n].net, &nodes[0].net);
    T_OK(sn_sleep(5 * SN_SEC));
    T_EQ(waiting(&nodes[n]), txs);
    T_ASSERT(gossip(&nodes[n]).messages_in <= 4);
    for (unsigned i = 0; i <= n; i++) net_node_stop(&nodes[i].net);
    return 0;
}
SN_TEST_SLOW(mempool_spreads, 120)
{
    net_simulate(spreads, 4, true);
}

/* Cut in two, and healed; a node that crashes while it is sent to. */
static int torn(void *arg)
{
    unsigned n = 10, txs = 60;
    char tx[32];
    for (unsigned i = 0; i < n; i++) net_node_start(&init(i)->net);
    for (unsigned i = 0; i < n; i++)
        T_OK(sn_switch_dial(nodes[i].net.sw, nodes[(i + 1) % n].net.addr, true));
    T_OK(sn_sleep(5 * SN_SEC));
    for (unsigned cut = 0; cut < 2; cut++)
        for (unsigned i = 0; i < n / 2; i++) {
            for (unsigned j = n / 2; j < n; j++)
                sn_sim_partition(nodes[i].net.host, nodes[j].net.host, cut == 0);
            for (unsigned k = 0; k < txs / n; k++) {
                snprintf(tx, sizeof(tx), "%u-%u-%u", cut, i, k);
                submit(&nodes[i + k % 2 * n / 2], sn_str(tx));
            }
            T_OK(sn_sleep(10 * SN_SEC));
        }
    sn_sim_crash(nodes[3].net.host);
    T_OK(sn_sleep(5 * SN_MINUTE));
    for (unsigned i = 0; i < n; i++)
        if (i != 3) T_EQ(waiting(&nodes[i]), txs);
    for (unsigned i = 0; i < n; i++)
        if (i != 3) net_node_stop(&nodes[i].net);
    return 0;
}
SN_TEST_SLOW(mempool_partition, 120)
{
    sn_test_allow_crash_leaks();
    net_simulate(torn, 3, true);
}

/* One peer that does not read, one over a slow line: the third has everything meanwhile, and the
 * slow one in the end. */
static int slow(void *arg)
{
    static char tx[2000];
    enum { TXS = 1500 }; /* more than sockets and queues take */
    struct node *a = init(0), *deaf = init(1), *far = init(2), *b = init(3);
    deaf->stranger = deaf->deaf = true;
    sn_sim_link(a->net.host, far->net.host, 200 * SN_MS, 600 * SN_MS, 0.02);
    for (unsigned i = 0; i < 4; i++) net_node_start(&nodes[i].net);
    for (unsigned i = 1; i < 4; i++) net_connect(&a->net, &nodes[i].net);
    for (unsigned i = 0; i < TXS; i++) {
        snprintf(tx, 16, "%u", i);
        submit(a, sn_str_of(tx, sizeof(tx)));
    }
    T_OK(sn_sleep(SN_SEC));
    T_EQ(waiting(b), TXS);
    T_ASSERT(waiting(far) < TXS);
    T_EQ(deaf->messages, 1);
    T_OK(sn_sleep(3 * SN_MINUTE));
    T_EQ(waiting(far), TXS);
    for (unsigned i = 0; i < 4; i++) net_node_stop(&nodes[i].net);
    return 0;
}
SN_TEST_SLOW(mempool_slow_peers, 60)
{
    net_simulate(slow, 2, false);
}

/* What a peer could not check yet waits until it can; broadcast=false; limits of connections. */
static int rules(void *arg)
{
    struct node *a = init(0), *behind = init(1), *quiet = init(2);
    for (unsigned i = 3; i < 6; i++) init(i);
    quiet->o.no_broadcast = true;
    a->o.others_max = 2;
    for (unsigned i = 0; i < 6; i++) net_node_start(&nodes[i].net);
    net_connect(&a->net, &behind->net);
    T_OK(sn_txs_hold(a->txs));
    sn_txs_release(a->txs, 5);
    T_OK(sn_txs_update(a->txs, sn_now(), NULL, 0));
    submit(a, SN_STR("at five"));
    T_OK(sn_sleep(SN_SEC));
    T_EQ(waiting(behind), 0);
    net_say(&behind->net, &a->net, 0x20, "at 3", 4);
    T_OK(sn_sleep(SN_SEC));
    T_EQ(waiting(behind), 0);
    net_say(&behind->net, &a->net, 0x20, "at 4", 4);
    T_OK(sn_sleep(SN_SEC));
    T_EQ(waiting(behind), 1);
    net_connect(&quiet->net, &behind->net);
    submit(quiet, SN_STR("kept"));
    T_OK(sn_sleep(SN_SEC));
    T_EQ(waiting(quiet), 2);
    T_EQ(waiting(behind), 1);
    /* The second of two places is taken by 3; 4 waits until it goes. */
    nodes[3].peers_at = nodes[4].peers_at = a->peers_at = 5;
    net_connect(&a->net, &nodes[3].net);
    net_connect(&a->net, &nodes[4].net);
    T_OK(sn_sleep(SN_SEC));
    T_EQ(waiting(&nodes[3]), 1);
    T_EQ(waiting(&nodes[4]), 0);
    net_node_stop(&nodes[3].net);
    T_OK(sn_sleep(SN_SEC));
    T_EQ(waiting(&nodes[4]), 1);
    for (unsigned i = 0; i < 6; i++)
        if (i != 3) net_node_stop(&nodes[i].net);
    return 0;
}
SN_TEST(mempool_rules)
{
    net_simulate(rules, 2, false);
}

/* On real threads and sockets, while blocks come: what is sent in on any node is everywhere. */
#define MESH 5
#define EACH 150
static int submit_many(void *arg)
{
    struct node *n = arg;
    char tx[32];
    for (unsigned i = 0; i < EACH; i++) {
        snprintf(tx, sizeof(tx), "%u-%u", n->net.who, i);
        submit(n, sn_str(tx));
        if (i % 10 == 0) T_OK(sn_sleep(SN_MS));
    }
    return 0;
}
static int blocks(void *arg)
{
    struct node *n = arg;
    for (unsigned i = 0; i < 50; i++) {
        T_OK(sn_txs_hold(n->txs));
        sn_txs_release(n->txs, 1);
        T_OK(sn_txs_update(n->txs, sn_now(), NULL, 0));
        T_OK(sn_sleep(SN_MS));
    }
    return 0;
}
static int mesh(void *arg)
{
    struct sn_scope_storage mem;
    for (unsigned i = 0; i < MESH; i++) net_node_start(&init(i)->net);
    for (unsigned i = 0; i < MESH; i++)
        for (unsigned k = 0; k < i; k++) net_connect(&nodes[i].net, &nodes[k].net);
    struct sn_scope *s = sn_scope_begin(&mem);
    for (unsigned i = 0; i < MESH; i++) {
        T_OK(sn_scope_go(s, "submit", submit_many, &nodes[i]));
        T_OK(sn_scope_go(s, "blocks", blocks, &nodes[i]));
    }
    T_OK(sn_scope_end(s));
    for (unsigned i = 0; i < MESH; i++)
        for (unsigned t = 0; waiting(&nodes[i]) != MESH * EACH; t++) {
            T_ASSERTF(t < 4000, "node %u has %llu", i, (unsigned long long)waiting(&nodes[i]));
            T_OK(sn_sleep(5 * SN_MS));
        }
    for (unsigned i = 0; i < MESH; i++) net_node_stop(&nodes[i].net);
    return 0;
}
SN_TEST_SLOW(mempool_on_loopback, 60)
{
    for (unsigned workers = 1; workers <= 4; workers *= 4)
        T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = workers}, mesh, NULL));
}

/* ---- bad peers, #5946 among them ---- */

static int bad_peers(void *arg)
{
    static char big[2 << 20];
    static const struct {
        const char *what, *bytes;
        size_t n;
    } bad[] = {{"junk", "\xff\xff\xff", 3},
               {"an empty transaction", "\x0a\x02\x0a\x00", 4},
               {"no transactions", "\x0a\x00", 2},
               {"a transaction too large", NULL, 1200},
               {"a message too large", NULL, 100000}};
    for (unsigned i = 0; i < SN_COUNT_OF(bad); i++) {
        sn_test_row("%s", bad[i].what);
        struct node *a = init(0), *b = init(1);
        a->o.tx_bytes_max = 1000;
        b->stranger = true;
        net_node_start(&a->net);
        net_node_start(&b->net);
        net_connect(&b->net, &a->net);
        /* One transaction of n bytes. */
        struct sn_buf m = {0};
        sn_buf_put(&m, big, 8);
        struct sn_mempool_tx *tx = calloc(1, sizeof(*tx));
        tx->data = sn_str_of(big, bad[i].n);
        sn_buf_reset(&m);
        T_OK(sn_mempool_message_put(&tx, 1, &m));
        net_say(&b->net, &a->net, SN_MEMPOOL_CHANNEL, bad[i].bytes ? bad[i].bytes : (char *)m.ptr,
                bad[i].bytes ? bad[i].n : m.len);
        free(tx);
        sn_buf_done(&m);
        T_OK(sn_sleep(SN_SEC));
        T_EQ(b->left, 1);
        T_EQ(a->left, 1);
        T_ASSERT(a->why == SN_E_PROTOCOL || a->why == SN_E_TOO_LARGE);
        T_EQ(a->checks, 0);
        net_node_stop(&a->net);
        net_node_stop(&b->net);
    }
    return 0;
}
SN_TEST(mempool_bad_peers)
{
    net_simulate(bad_peers, 1, false);
}

/* A flood from one peer, an application that takes its time: the others are served meanwhile, and
 * no more than SN_MEMPOOL_CHECKS of the one's are with the application. */
static int flood(void *arg)
{
    struct node *a = init(0), *b = init(1), *c = init(2);
    a->slow_ns = 10 * SN_MS;
    a->txs_opts.pool.txs_max = 500;
    b->stranger = true;
    net_node_start(&a->net);
    net_node_start(&b->net);
    net_node_start(&c->net);
    net_connect(&b->net, &a->net);
    net_connect(&c->net, &a->net);
    struct sn_buf m = {0};
    for (unsigned i = 0; i < 4; i++) {
        sn_buf_reset(&m);
        sn_buf_put(&m, "\x0a\xc0\x3e", 3); /* 8000: 1000 of 6 bytes */
        for (unsigned k = 0; k < 1000; k++) {
            char tx[16];
            snprintf(tx, sizeof(tx), "%u%05u", i, k);
            sn_buf_put(&m, "\x0a\x06", 2);
            sn_buf_put(&m, tx, 6);
        }
        net_say(&b->net, &a->net, SN_MEMPOOL_CHANNEL, m.ptr, m.len);
    }
    sn_buf_done(&m);
    T_OK(sn_sleep(20 * SN_MS));
    T_ASSERTF(a->checks <= 4 * SN_MEMPOOL_CHECKS, "%u checks", a->checks);
    submit(c, SN_STR("honest"));
    T_OK(sn_sleep(100 * SN_MS));
    struct sn_mempool_tx *found = NULL;
    uint8_t key[SN_MEMPOOL_KEY];
    T_EQ(waiting(c) >= 1, 1);
    struct sn_mempool_tx *mine[600];
    size_t n = sn_mempool_reap(sn_txs_pool(c->txs),
                               &(struct sn_mempool_limits){.bytes = -1, .gas = -1}, mine, 600);
    for (size_t i = 0; i < n; i++)
        if (sn_str_eqc(mine[i]->data, "honest")) memcpy(key, mine[i]->key, sizeof(key));
    for (size_t i = 0; i < n; i++) sn_mempool_tx_unref(mine[i]);
    found = sn_mempool_find(sn_txs_pool(a->txs), key);
    T_ASSERT(found != NULL);
    sn_mempool_tx_unref(found);
    T_OK(sn_sleep(5 * SN_SEC));
    T_EQ(waiting(a), 500);
    T_EQ(b->left, 0); /* not a fault: it is only displaced and refused */
    net_node_stop(&a->net);
    net_node_stop(&b->net);
    net_node_stop(&c->net);
    return 0;
}
SN_TEST(mempool_flood)
{
    net_simulate(flood, 2, false);
}

/* Whichever allocation fails, once, while transactions come and go: nothing leaks, and what comes
 * later arrives. */
static uint64_t allocs, fail_at;
static bool fails(size_t size) { return ++allocs == fail_at; }
static const struct sn_alloc_hooks failing = {.fail = fails};
static int without_memory(void *arg)
{
    struct tendermint_abci_response_check_tx *res;
    struct node *a = init(0), *b = init(1);
    char tx[16];
    net_node_start(&a->net);
    net_node_start(&b->net);
    T_OK(sn_switch_dial(a->net.sw, b->net.addr, true));
    T_OK(sn_sleep(SN_SEC));
    allocs = 0;
    sn_alloc_set_hooks(&failing);
    for (unsigned i = 0; i < 6; i++) {
        struct sn_arena mem;
        snprintf(tx, sizeof(tx), "tx%u", i);
        sn_arena_init(&mem, NULL, 0);
        (void)!sn_txs_check(i % 2 ? a->txs : b->txs, sn_str(tx), 0, &mem, &res);
        sn_arena_done(&mem);
        if (i == 3) (void)!sn_sleep(20 * SN_MS);
    }
    (void)!sn_sleep(SN_SEC);
    sn_alloc_set_hooks(NULL);
    T_OK(sn_sleep(SN_MINUTE));
    uint64_t before = waiting(b);
    T_ASSERTF(before >= 5, "%llu", (unsigned long long)before);
    submit(a, SN_STR("later"));
    T_OK(sn_sleep(SN_SEC));
    T_EQ(waiting(b), before + 1);
    net_node_stop(&a->net);
    net_node_stop(&b->net);
    return 0;
}
SN_TEST_SLOW(mempool_without_memory, 60)
{
    struct sn_sim_opts o = {.seed = 5};
    for (fail_at = 1; fail_at == 1 || allocs >= fail_at; fail_at++) {
        sn_test_row("allocation %llu", (unsigned long long)fail_at);
        T_OK(sn_sim_run(&o, without_memory, NULL, NULL));
    }
    T_ASSERTF(fail_at > 40, "%llu allocations", (unsigned long long)fail_at);
}
static int no_memory(void *arg)
{
    struct sn_mempool_tx *tx = arg;
    struct sn_buf out = {0};
    int r = sn_mempool_message_put(&tx, 1, &out);
    sn_buf_done(&out);
    return r;
}
SN_TEST(mempool_message_torture)
{
    struct sn_mempool_tx *tx = calloc(1, sizeof(*tx));
    tx->data = SN_STR("transaction");
    T_ASSERT(sn_torture(no_memory, tx) >= 1);
    free(tx);
}

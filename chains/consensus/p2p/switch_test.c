/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>

#include "consensus/p2p/switch.h"
#include "core/alloc.h"
#include "core/status.h"
#include "fiber/sim.h"
#include "fiber/sync.h"
#include "harness/test.h"

#define TALK 0x20
#define NODES_MAX 210

static const struct sn_mconn_channel talk_channel[] = {{.id = TALK, .priority = 6}};
static void __attribute__((format(printf, 3, 4))) print(char *to, size_t cap, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    T_ASSERT((size_t)vsnprintf(to, cap, fmt, ap) < cap);
    va_end(ap);
}
struct node {
    unsigned who;
    uint8_t key[64];
    struct sn_switch_opts o;
    struct sn_reactor reactor;
    struct sn_switch *sw;
    struct sn_sim_host *host;
    char addr[128]; /* ID@HOST:PORT */
    struct sn_event up, down, stop;
    int end, slot;
    unsigned added, removed, received, last_why;
    bool block, seen;
    int refuse;
    int64_t ban_ns;
};
static struct node nodes[NODES_MAX];

static int on_add(void *arg, struct sn_switch_peer *p)
{
    struct node *n = arg;
    if (n->refuse) return sn_fail(n->refuse, "not wanted");
    n->added++;
    sn_switch_peer_set(p, n->slot, n);
    T_ASSERT(sn_switch_peer_number(p) > 0);
    T_ASSERT(sn_switch_peer_has_channel(p, TALK));
    T_ASSERT(!sn_switch_peer_has_channel(p, 0x77));
    T_EQ(sn_switch_peer_try_send(p, 0x77, "x", 1), SN_E_NOT_FOUND);
    return 0;
}
static void on_remove(void *arg, struct sn_switch_peer *p, int why)
{
    struct node *n = arg;
    n->removed++;
    n->last_why = (unsigned)-why;
    T_ASSERT(sn_switch_peer_get(p, n->slot) == n);
    T_ASSERT(sn_switch_find(n->sw, sn_switch_peer_id(p)) == NULL);
}
static int on_talk(void *arg, struct sn_switch_peer *p, uint8_t channel, struct sn_str m)
{
    struct node *n = arg;
    T_EQ(channel, TALK);
    n->received++;
    if (n->block) return sn_sleep(SN_HOUR);
    if (sn_str_eqc(m, "bad")) return sn_fail(SN_E_PROTOCOL, "a bad word");
    if (sn_str_eqc(m, "worse")) {
        sn_switch_peer_stop(p, sn_fail(SN_E_PROTOCOL, "worse"), n->ban_ns);
        return 0;
    }
    if (sn_str_eqc(m, "ping")) return sn_switch_peer_send(p, TALK, "pong", 4);
    if (sn_str_eqc(m, "rumour") && !n->seen) {
        n->seen = true;
        (void)sn_switch_broadcast(n->sw, TALK, m.ptr, m.len);
    }
    return 0;
}
static void node_init(struct node *n, unsigned who)
{
    uint8_t seed[32] = {(uint8_t)who, (uint8_t)(who >> 8), 7};
    memset(n, 0, sizeof(*n));
    n->who = who;
    T_OK(sn_ed25519_from_seed(n->key, seed));
    n->reactor = (struct sn_reactor){.name = "talk",
                                     .channels = talk_channel,
                                     .n_channels = 1,
                                     .arg = n,
                                     .add_peer = on_add,
                                     .receive = on_talk,
                                     .remove_peer = on_remove};
    n->o.key = n->key;
    n->o.self = (struct sn_node_info){.p2p_version = 8,
                                      .block_version = 11,
                                      .network = "net",
                                      .version = "0.38.25",
                                      .moniker = "m"};
    T_OK(sn_node_id(n->key + 32, n->o.self.id));
}
static int node_run(void *arg)
{
    struct node *n = arg;
    n->end = sn_switch_run(n->sw);
    return 0;
}
/* A node's life on its host: until told to stop. */
static void node_main(void *arg)
{
    struct node *n = arg;
    struct sn_scope_storage mem;
    T_OK(sn_switch_new(&n->o, &n->sw));
    T_OK(n->slot = sn_switch_add_reactor(n->sw, &n->reactor));
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_scope_go(s, "switch", node_run, n));
    while (n->o.listen && !sn_switch_listening(n->sw)) T_OK(sn_sleep(SN_MS));
    sn_event_set(&n->up);
    (void)!sn_event_wait(&n->stop);
    sn_scope_cancel(s);
    (void)sn_scope_end(s);
    T_EQ(n->added, n->removed);
    sn_switch_free(n->sw);
    n->sw = NULL;
    sn_event_set(&n->down);
}
/* In simulation each node has a host of its own; else all are on loopback. */
static void node_start(struct node *n)
{
    static const char *const loopback = "tcp://127.0.0.1:0";
    static char at[NODES_MAX][64];
    if (!sn_sim_active()) {
        n->o.listen = loopback;
        n->o.allow_duplicate_ip = true;
        T_OK(sn_go("node", node_main, n));
        T_OK(sn_event_wait(&n->up));
        print(n->addr, sizeof(n->addr), "%s@%s", n->o.self.id, sn_switch_listen_addr(n->sw));
        return;
    }
    char name[16];
    print(name, sizeof(name), "n%u", n->who);
    if (!n->host) n->host = sn_sim_host_new(name);
    print(at[n->who % NODES_MAX], 64, "tcp://%s:26656", sn_sim_host_addr(n->host));
    if (!n->o.listen) n->o.listen = at[n->who % NODES_MAX];
    print(n->addr, sizeof(n->addr), "%s@%s:26656", n->o.self.id, sn_sim_host_addr(n->host));
    T_OK(sn_sim_host_go(n->host, "node", node_main, n));
    T_OK(sn_event_wait(&n->up));
}
static void node_stop(struct node *n)
{
    sn_event_set(&n->stop);
    T_OK(sn_event_wait(&n->down));
    T_EQ(n->end, SN_E_CANCELLED);
}
static struct sn_switch_counts counts(struct node *n)
{
    struct sn_switch_counts c;
    sn_switch_counts(n->sw, &c);
    return c;
}
static void until(struct node *n, unsigned peers)
{
    for (unsigned i = 0; counts(n).peers != peers; i++) {
        T_ASSERTF(i < 20000, "node %u has %u peers, expected %u", n->who, counts(n).peers, peers);
        T_OK(sn_sleep(5 * SN_MS));
    }
}
static void say(struct node *from, struct node *to, const char *what)
{
    struct sn_switch_peer *p = sn_switch_find(from->sw, to->o.self.id);
    T_ASSERT(p != NULL);
    T_OK(sn_switch_peer_send(p, TALK, what, strlen(what)));
    sn_switch_peer_unref(p);
}
static void until_received(struct node *n, unsigned least)
{
    for (unsigned i = 0; n->received < least; i++) {
        T_ASSERTF(i < 20000, "node %u received %u, expected %u", n->who, n->received, least);
        T_OK(sn_sleep(5 * SN_MS));
    }
}
static void start_all(unsigned n)
{
    for (unsigned i = 0; i < n; i++) node_init(&nodes[i], i);
}

/* ---- two nodes ---- */

static int two(void *arg)
{
    struct node *a = &nodes[0], *b = &nodes[1];
    start_all(2);
    node_start(a);
    node_start(b);
    T_EQ(sn_switch_connect(a->sw, "x@y:1"), SN_E_SYNTAX);
    T_EQ(sn_switch_dial(a->sw, a->addr, true), SN_E_INVALID_ARGUMENT);
    T_OK(sn_switch_connect(a->sw, b->addr));
    T_EQ(sn_switch_connect(a->sw, b->addr), SN_E_ALREADY_EXISTS);
    until(b, 1);
    T_EQ(counts(a).outbound, 1);
    T_EQ(counts(b).inbound, 1);
    say(a, b, "ping");
    until_received(a, 1);
    T_EQ(b->received, 1);
    struct sn_switch_channel_stats s;
    sn_switch_channel_stats(b->sw, TALK, &s);
    T_EQ(s.messages_in, 1);
    T_EQ(s.bytes_in, 4);
    T_EQ(s.bytes_out, 4);
    T_EQ(s.kind_in[0], 4); /* "ping" is no field with a message in it */
    uint64_t in, out;
    struct sn_switch_peer *at_b = sn_switch_find(b->sw, a->o.self.id);
    T_ASSERT(at_b);
    sn_switch_peer_bytes(at_b, TALK, &in, &out);
    T_EQ(in, 4);
    T_EQ(out, 4);
    sn_switch_peer_unref(at_b);
    say(a, b, "\x2a\x03xyz");
    until_received(b, 2);
    sn_switch_channel_stats(b->sw, TALK, &s);
    T_EQ(s.kind_in[5], 5);
    T_EQ(s.bytes_in, 9);
    /* A bad word from either side ends the connection, by the one or the other way. */
    say(a, b, "bad");
    until(a, 0);
    until(b, 0);
    T_EQ(b->last_why, -SN_E_PROTOCOL);
    T_EQ(a->last_why, -SN_E_EOF);
    T_OK(sn_switch_connect(b->sw, a->addr));
    until(a, 1);
    struct sn_switch_peer *p = sn_switch_find(a->sw, b->o.self.id);
    sn_switch_peer_finish(p);
    until(a, 0);
    until(b, 0);
    /* Who kept a reference may go on asking. */
    T_EQ(sn_switch_peer_try_send(p, TALK, "x", 1), SN_E_CLOSED);
    T_CSTR(sn_switch_peer_id(p), b->o.self.id);
    sn_switch_peer_unref(p);
    node_stop(a);
    node_stop(b);
    return 0;
}
SN_TEST(switch_two_on_loopback)
{
    for (unsigned workers = 1; workers <= 2; workers++)
        T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = workers}, two, NULL));
}
static void simulate(int (*fn)(void *arg), unsigned cases, bool lossy)
{
    for (unsigned i = 0; i < sn_test_cases(cases); i++) {
        uint64_t hash[2];
        for (unsigned again = 0; again < 2; again++) {
            struct sn_sim_opts o = {.seed = sn_test_seed() + i,
                                    .loss = lossy && i % 3 ? 0.01 : 0,
                                    .time_limit_ns = 100 * SN_HOUR};
            sn_test_row("seed %llu", (unsigned long long)o.seed);
            T_OK(sn_sim_run(&o, fn, NULL, &hash[again]));
        }
        T_EQ(hash[0], hash[1]);
    }
}
SN_TEST(switch_two_in_simulation)
{
    simulate(two, 10, true);
}

/* ---- who may join ---- */

static int limits(void *arg)
{
    struct node *a = &nodes[0];
    start_all(6);
    a->o.inbound_max = 2;
    const char *const unconditional[] = {nodes[4].o.self.id, NULL};
    a->o.unconditional = unconditional;
    for (unsigned i = 0; i < 6; i++) node_start(&nodes[i]);
    for (unsigned i = 1; i <= 3; i++) {
        T_OK(sn_switch_dial(nodes[i].sw, a->addr, false));
        if (i <= 2) until(a, i);
    }
    T_OK(sn_sleep(5 * SN_SEC));
    T_EQ(counts(a).peers, 2);
    T_EQ(counts(a).refused, 1);
    T_EQ(nodes[3].last_why, -SN_E_EOF); /* it was open for a moment */
    T_OK(sn_switch_connect(nodes[4].sw, a->addr));
    until(a, 3);
    T_EQ(counts(a).inbound, 2);
    /* Outbound: only unconditional and persistent ones beyond the limit. */
    nodes[5].o.outbound_max = 1;
    node_stop(&nodes[5]);
    nodes[5].up = nodes[5].down = nodes[5].stop = (struct sn_event){0};
    node_start(&nodes[5]);
    T_OK(sn_switch_connect(nodes[5].sw, nodes[1].addr));
    T_EQ(sn_switch_connect(nodes[5].sw, nodes[2].addr), SN_E_RESOURCE_EXHAUSTED);
    T_EQ(sn_switch_dial(nodes[5].sw, nodes[2].addr, false), SN_E_RESOURCE_EXHAUSTED);
    T_OK(sn_switch_dial(nodes[5].sw, nodes[2].addr, true));
    T_EQ(sn_switch_dial(nodes[5].sw, nodes[2].addr, true), SN_E_ALREADY_EXISTS);
    until(&nodes[5], 2);
    for (unsigned i = 0; i < 6; i++) node_stop(&nodes[i]);
    return 0;
}
SN_TEST(switch_limits)
{
    simulate(limits, 3, false);
}

static int none_wanted(void *arg)
{
    struct node *a = &nodes[0], *b = &nodes[1], *c = &nodes[2];
    start_all(3);
    a->o.inbound_max = a->o.outbound_max = SN_SWITCH_NONE;
    for (unsigned i = 0; i < 3; i++) node_start(&nodes[i]);
    T_ASSERT(sn_switch_connect(b->sw, a->addr) < 0);
    T_EQ(sn_switch_connect(a->sw, b->addr), SN_E_RESOURCE_EXHAUSTED);
    T_OK(sn_switch_dial(a->sw, c->addr, true));
    until(a, 1);
    for (unsigned i = 0; i < 3; i++) node_stop(&nodes[i]);
    return 0;
}
SN_TEST(switch_none_wanted)
{
    simulate(none_wanted, 2, false);
}

static int refuse_third(void *arg, const char *remote, const char *id)
{
    T_ASSERT(strchr(remote, ':') != NULL);
    if (strcmp(id, nodes[3].o.self.id) == 0) return sn_sleep(SN_HOUR);
    return strcmp(id, nodes[2].o.self.id) == 0 ? sn_fail(SN_E_PERMISSION_DENIED, "not him") : 0;
}
static int others(void *arg)
{
    struct node *a = &nodes[0], *b = &nodes[1];
    char wrong[200];
    start_all(5);
    a->o.filter = refuse_third;
    memcpy(nodes[4].key, b->key, sizeof(b->key)); /* b's twin */
    nodes[4].o.self = b->o.self;
    for (unsigned i = 0; i < 5; i++) node_start(&nodes[i]);
    /* Another node there than the one that was meant; ourselves under another name. */
    print(wrong, sizeof(wrong), "%s@%s", nodes[2].o.self.id, b->addr + 41);
    T_EQ(sn_switch_connect(a->sw, wrong), SN_E_PERMISSION_DENIED);
    print(wrong, sizeof(wrong), "%s@%s", nodes[2].o.self.id, a->addr + 41);
    int r = sn_switch_connect(a->sw, wrong);
    T_ASSERT(r == SN_E_PERMISSION_DENIED || r == SN_E_EOF); /* whichever end of us sees it first */
    /* The filter refuses, or does not answer. */
    T_EQ(sn_switch_connect(a->sw, nodes[2].addr), SN_E_PERMISSION_DENIED);
    T_EQ(sn_switch_connect(a->sw, nodes[3].addr), SN_E_DEADLINE_EXCEEDED);
    T_OK(sn_switch_connect(b->sw, a->addr));
    until(a, 1);
    /* The twin comes to nothing, whoever dials. */
    T_OK(sn_switch_dial(nodes[4].sw, a->addr, false));
    T_EQ(sn_switch_connect(a->sw, nodes[4].addr), SN_E_ALREADY_EXISTS);
    T_OK(sn_sleep(10 * SN_SEC));
    T_EQ(counts(a).peers, 1);
    T_EQ(counts(&nodes[4]).peers, 0);
    T_EQ(b->removed, 0);
    /* A reactor that does not want the peer. */
    node_stop(&nodes[2]);
    nodes[2].up = nodes[2].down = nodes[2].stop = (struct sn_event){0};
    nodes[2].refuse = SN_E_UNAVAILABLE;
    node_start(&nodes[2]);
    T_OK(sn_switch_connect(b->sw, nodes[2].addr));
    T_OK(sn_sleep(SN_SEC));
    T_EQ(counts(b).peers, 1);
    for (unsigned i = 0; i < 5; i++) node_stop(&nodes[i]);
    return 0;
}
SN_TEST(switch_others_are_refused)
{
    simulate(others, 3, false);
}

/* One IP address, several nodes: the second is refused where that is asked for. */
static int same_ip(void *arg)
{
    start_all(3);
    node_start(&nodes[0]);
    node_start(&nodes[1]);
    nodes[2].host = nodes[1].host;
    nodes[2].o.listen = "tcp://10.0.0.99:1"; /* not reached: it only dials */
    char at[64];
    print(at, sizeof(at), "tcp://%s:26657", sn_sim_host_addr(nodes[1].host));
    nodes[2].o.listen = at;
    node_start(&nodes[2]);
    T_OK(sn_switch_connect(nodes[1].sw, nodes[0].addr));
    until(&nodes[0], 1);
    T_ASSERT(sn_switch_connect(nodes[2].sw, nodes[0].addr) < 0);
    T_EQ(counts(&nodes[0]).crowded, 1);
    char there[128];
    print(there, sizeof(there), "%s@%s:26657", nodes[2].o.self.id, sn_sim_host_addr(nodes[2].host));
    T_EQ(sn_switch_connect(nodes[0].sw, there), SN_E_ALREADY_EXISTS);
    for (unsigned i = 0; i < 3; i++) node_stop(&nodes[i]);
    return 0;
}
SN_TEST(switch_same_address)
{
    simulate(same_ip, 3, false);
}

/* ---- both dial at once ---- */

static int dial_other(void *arg)
{
    struct node *n = arg;
    T_OK(sn_sleep((int64_t)(sn_random() % (uint64_t)(10 * SN_MS))));
    (void)!sn_switch_connect(n->sw, nodes[1 - n->who].addr);
    return 0;
}
static int both(void *arg)
{
    struct sn_scope_storage mem;
    start_all(2);
    node_start(&nodes[0]);
    node_start(&nodes[1]);
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_scope_go(s, "a", dial_other, &nodes[0]));
    T_OK(sn_scope_go(s, "b", dial_other, &nodes[1]));
    T_OK(sn_scope_end(s));
    T_OK(sn_sleep(10 * SN_SEC));
    for (unsigned i = 0; i < 2; i++) {
        T_EQ(counts(&nodes[i]).peers, 1);
        T_ASSERT(nodes[i].added <= 2);
    }
    say(&nodes[0], &nodes[1], "ping");
    until_received(&nodes[0], 1);
    node_stop(&nodes[0]);
    node_stop(&nodes[1]);
    return 0;
}
SN_TEST(switch_both_dial_at_once)
{
    simulate(both, 60, true);
}

/* ---- bad days ---- */

static int isolated(void *arg)
{
    start_all(3);
    for (unsigned i = 0; i < 3; i++) node_start(&nodes[i]);
    T_OK(sn_switch_connect(nodes[1].sw, nodes[0].addr));
    T_OK(sn_switch_connect(nodes[2].sw, nodes[0].addr));
    for (unsigned i = 0; i < 3; i++) until(&nodes[i], i ? 1 : 2);
    nodes[0].block = true;
    say(&nodes[1], &nodes[0], "anything");
    until_received(&nodes[0], 1);
    nodes[0].block = false;
    say(&nodes[2], &nodes[0], "ping");
    until_received(&nodes[2], 1);
    for (unsigned i = 0; i < 3; i++) node_stop(&nodes[i]);
    return 0;
}
SN_TEST(switch_reactor_waits_for_one_peer)
{
    simulate(isolated, 3, false);
}

static int banned(void *arg)
{
    struct sn_book *book;
    T_OK(sn_book_new(&(struct sn_book_opts){.seed = 1}, &book));
    start_all(2);
    nodes[0].o.book = book;
    nodes[0].ban_ns = SN_HOUR;
    node_start(&nodes[0]);
    node_start(&nodes[1]);
    T_OK(sn_switch_dial(nodes[1].sw, nodes[0].addr, true));
    until(&nodes[0], 1);
    until(&nodes[1], 1);
    say(&nodes[1], &nodes[0], "worse");
    until(&nodes[0], 0);
    T_OK(sn_sleep(SN_MINUTE));
    T_EQ(nodes[0].added, 1);
    T_EQ(nodes[0].last_why, -SN_E_PROTOCOL);
    T_EQ(sn_switch_connect(nodes[0].sw, nodes[1].addr), SN_E_PERMISSION_DENIED);
    T_EQ(counts(&nodes[0]).banned, 1);
    T_OK(sn_sleep(20 * SN_HOUR)); /* and the pauses between dials have grown meanwhile */
    T_EQ(counts(&nodes[0]).peers, 1);
    /* Whom we have named ourselves is not banned. */
    T_OK(sn_switch_dial(nodes[0].sw, nodes[1].addr, true));
    say(&nodes[1], &nodes[0], "bad");
    T_OK(sn_sleep(SN_MINUTE));
    T_EQ(counts(&nodes[0]).peers, 1);
    say(&nodes[1], &nodes[0], "worse");
    T_OK(sn_sleep(SN_MINUTE));
    T_EQ(counts(&nodes[0]).peers, 1);
    T_EQ(counts(&nodes[0]).banned, 1);
    node_stop(&nodes[0]);
    node_stop(&nodes[1]);
    sn_book_free(book);
    return 0;
}
SN_TEST(switch_ban_ends)
{
    simulate(banned, 2, false);
}

/* A persistent peer that crashes, or is cut off, comes back; the first dial finds nobody. */
static int comes_back(void *arg)
{
    start_all(3);
    nodes[1].host = sn_sim_host_new("late");
    nodes[2].host = sn_sim_host_new("far");
    char late[128], far[128];
    print(late, sizeof(late), "%s@%s:26656", nodes[1].o.self.id, sn_sim_host_addr(nodes[1].host));
    print(far, sizeof(far), "%s@%s:26656", nodes[2].o.self.id, sn_sim_host_addr(nodes[2].host));
    const char *const persistent[] = {late, far, NULL};
    nodes[0].o.persistent = persistent;
    node_start(&nodes[0]);
    T_OK(sn_sleep(30 * SN_SEC));
    node_start(&nodes[2]);
    node_start(&nodes[1]);
    until(&nodes[0], 2);
    sn_sim_crash(nodes[1].host);
    until(&nodes[0], 1);
    node_init(&nodes[1], 1);
    nodes[1].host = NULL;
    sn_sim_partition(nodes[0].host, nodes[2].host, true);
    T_OK(sn_sleep(5 * SN_MINUTE));
    T_EQ(counts(&nodes[0]).peers, 0);
    sn_sim_partition(nodes[0].host, nodes[2].host, false);
    T_OK(sn_sleep(10 * SN_MINUTE));
    T_EQ(counts(&nodes[0]).peers, 1);
    T_EQ(counts(&nodes[2]).peers, 1);
    node_stop(&nodes[0]);
    node_stop(&nodes[2]);
    return 0;
}
SN_TEST(switch_persistent_comes_back)
{
    sn_test_allow_crash_leaks();
    simulate(comes_back, 3, false);
}

/* Many connections that say nothing do not keep an honest node from joining, once some have been
 * given up. */
#define MUTE 300
static void flood(void *arg)
{
    static struct sn_stream *s[MUTE];
    char at[128];
    print(at, sizeof(at), "tcp:%s", nodes[0].addr + 41);
    for (unsigned i = 0; i < MUTE; i++) T_OK(sn_dial(at, NULL, &s[i]));
    T_OK(sn_sleep(SN_MINUTE));
    for (unsigned i = 0; i < MUTE; i++) sn_stream_close(s[i]);
}
static int flooded(void *arg)
{
    start_all(2);
    nodes[0].o.allow_duplicate_ip = true;
    node_start(&nodes[0]);
    node_start(&nodes[1]);
    struct sn_sim_host *h = sn_sim_host_new("flood");
    T_OK(sn_sim_host_go(h, "flood", flood, NULL));
    T_OK(sn_sleep(SN_SEC));
    T_EQ(counts(&nodes[0]).handshakes, SN_SWITCH_HANDSHAKES_IP);
    T_EQ(counts(&nodes[0]).crowded, MUTE - SN_SWITCH_HANDSHAKES_IP);
    T_OK(sn_switch_connect(nodes[1].sw, nodes[0].addr));
    T_OK(sn_sleep(25 * SN_SEC));
    T_EQ(counts(&nodes[0]).handshakes, 0);
    T_OK(sn_sleep(SN_MINUTE));
    node_stop(&nodes[0]);
    node_stop(&nodes[1]);
    return 0;
}
SN_TEST(switch_flood_of_dials)
{
    simulate(flooded, 2, false);
}

/* Whichever allocation fails, once, from the start on: the nodes are connected in the end, and
 * nothing leaks. */
static uint64_t allocs, fail_at;
static bool fails(size_t size) { return ++allocs == fail_at; }
static const struct sn_alloc_hooks failing = {.fail = fails};
static int without_memory(void *arg)
{
    start_all(2);
    node_start(&nodes[0]);
    node_start(&nodes[1]);
    T_OK(sn_switch_dial(nodes[0].sw, nodes[1].addr, true));
    allocs = 0;
    sn_alloc_set_hooks(&failing);
    int r = sn_sleep(SN_SEC);
    struct sn_switch_peer *p = sn_switch_find(nodes[0].sw, nodes[1].o.self.id);
    if (p) (void)!sn_switch_peer_try_send(p, TALK, "ping", 4);
    sn_switch_peer_unref(p);
    if (r == 0) r = sn_sleep(SN_SEC);
    sn_alloc_set_hooks(NULL);
    T_OK(r);
    T_OK(sn_sleep(SN_MINUTE));
    T_EQ(counts(&nodes[0]).peers, 1);
    T_EQ(counts(&nodes[1]).peers, 1);
    node_stop(&nodes[0]);
    node_stop(&nodes[1]);
    return 0;
}
SN_TEST(switch_without_memory)
{
    struct sn_sim_opts o = {.seed = 5};
    for (fail_at = 1; fail_at == 1 || allocs >= fail_at; fail_at++) {
        sn_test_row("allocation %llu", (unsigned long long)fail_at);
        T_OK(sn_sim_run(&o, without_memory, NULL, NULL));
    }
    T_ASSERTF(fail_at > 50, "%llu allocations", (unsigned long long)fail_at);
}

/* ---- a network ---- */

#define CROWD 100
static int crowd(void *arg)
{
    static char addr[CROWD][128];
    static const char *persistent[CROWD][4];
    start_all(CROWD);
    for (unsigned i = 0; i < CROWD; i++) {
        nodes[i].host = sn_sim_host_new("n");
        print(addr[i], sizeof(addr[i]), "%s@%s:26656", nodes[i].o.self.id,
              sn_sim_host_addr(nodes[i].host));
    }
    for (unsigned i = 0; i < CROWD; i++) {
        /* A ring and two chords; half of the chords meet from both sides. */
        persistent[i][0] = addr[(i + 1) % CROWD];
        persistent[i][1] = addr[(i + CROWD / 2) % CROWD];
        persistent[i][2] = addr[sn_sim_rand() % CROWD];
        nodes[i].o.persistent = persistent[i];
        node_start(&nodes[i]);
    }
    T_OK(sn_sleep(2 * SN_MINUTE));
    for (unsigned i = 0; i < CROWD; i++) {
        struct sn_switch_counts c = counts(&nodes[i]);
        T_ASSERT(c.peers >= 3 && c.dialing == 0 && c.handshakes == 0);
    }
    /* Cut into two, and healed: everybody is connected as before. */
    for (unsigned cut = 0; cut < 2; cut++) {
        for (unsigned i = 0; i < CROWD / 2; i++)
            for (unsigned j = CROWD / 2; j < CROWD; j++)
                sn_sim_partition(nodes[i].host, nodes[j].host, cut == 0);
        T_OK(sn_sleep(cut ? 10 * SN_MINUTE : 3 * SN_MINUTE));
    }
    nodes[0].seen = true;
    T_ASSERT(sn_switch_broadcast(nodes[0].sw, TALK, "rumour", 6) >= 3);
    T_OK(sn_sleep(5 * SN_SEC));
    for (unsigned i = 0; i < CROWD; i++) {
        T_ASSERT(nodes[i].seen);
        T_ASSERT(counts(&nodes[i]).peers >= 3);
    }
    for (unsigned i = 0; i < CROWD; i++) node_stop(&nodes[i]);
    return 0;
}
SN_TEST_SLOW(switch_network, 120)
{
    simulate(crowd, 1, false);
}

/* One node with two hundred peers: it hears and reaches all of them, and lets all go. */
#define STAR 200
static int star(void *arg)
{
    struct node *hub = &nodes[STAR];
    start_all(STAR + 1);
    hub->o.inbound_max = STAR;
    node_start(hub);
    for (unsigned i = 0; i < STAR; i++) {
        node_start(&nodes[i]);
        T_OK(sn_switch_dial(nodes[i].sw, hub->addr, i % 2 == 0));
    }
    until(hub, STAR);
    T_OK(sn_sleep(SN_SEC));
    uint64_t numbers[4] = {0};
    for (unsigned i = 0; i < STAR; i++) {
        struct sn_switch_peer *p = sn_switch_find(hub->sw, nodes[i].o.self.id);
        unsigned k = sn_switch_peer_number(p);
        T_ASSERT(k >= 1 && k <= SN_SWITCH_PEERS_MAX && !(numbers[k / 64] >> k % 64 & 1));
        numbers[k / 64] |= 1ull << k % 64;
        sn_switch_peer_unref(p);
        say(&nodes[i], hub, "ping");
    }
    T_EQ(sn_switch_broadcast(hub->sw, TALK, "news", 4), STAR);
    T_OK(sn_sleep(5 * SN_SEC));
    T_EQ(hub->received, STAR);
    for (unsigned i = 0; i < STAR; i++) T_EQ(nodes[i].received, 2);
    node_stop(hub);
    T_OK(sn_sleep(SN_SEC));
    for (unsigned i = 0; i < STAR; i++) {
        T_EQ(counts(&nodes[i]).peers, 0);
        node_stop(&nodes[i]);
    }
    return 0;
}
SN_TEST_SLOW(switch_star, 120)
{
    simulate(star, 1, false);
}

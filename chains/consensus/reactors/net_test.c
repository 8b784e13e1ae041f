/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/reactors/net_test.h"
#include "harness/test.h"

void net_node_init(struct net_node *n, unsigned who)
{
    uint8_t seed[32] = {(uint8_t)who, (uint8_t)(who >> 8), 9};
    n->who = who;
    T_OK(sn_ed25519_from_seed(n->key, seed));
    n->o.key = n->key;
    n->o.self = (struct sn_node_info){.p2p_version = 8,
                                      .block_version = 11,
                                      .network = "net",
                                      .version = "0.38.25",
                                      .moniker = "m"};
    T_OK(sn_node_id(n->key + 32, n->o.self.id));
    if (!sn_sim_active()) {
        n->o.listen = "tcp://127.0.0.1:0";
        n->o.allow_duplicate_ip = true;
        return;
    }
    n->host = sn_sim_host_new("n");
    T_ASSERT(snprintf(n->listen, sizeof(n->listen), "tcp://%s:26656", sn_sim_host_addr(n->host)) <
             (int)sizeof(n->listen));
    n->o.listen = n->listen;
    T_ASSERT(snprintf(n->addr, sizeof(n->addr), "%s@%s", n->o.self.id, n->listen + 6) <
             (int)sizeof(n->addr));
}
static int run_switch(void *arg)
{
    T_EQ(sn_switch_run(((struct net_node *)arg)->sw), SN_E_CANCELLED);
    return 0;
}
static void node_main(void *arg)
{
    struct net_node *n = arg;
    struct sn_scope_storage mem;
    T_OK(sn_switch_new(&n->o, &n->sw));
    if (n->make) n->make(n);
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_scope_go(s, "switch", run_switch, n));
    while (!sn_switch_listening(n->sw)) T_OK(sn_sleep(SN_MS));
    if (n->run) T_OK(sn_scope_go(s, "run", n->run, n));
    sn_event_set(&n->up);
    (void)!sn_event_wait(&n->stop);
    sn_scope_cancel(s);
    (void)sn_scope_end(s);
    if (n->unmake) n->unmake(n);
    sn_switch_free(n->sw);
    n->sw = NULL;
    sn_event_set(&n->down);
}
void net_node_start(struct net_node *n)
{
    n->up = n->down = n->stop = (struct sn_event){0};
    T_OK(n->host ? sn_sim_host_go(n->host, "node", node_main, n) : sn_go("node", node_main, n));
    T_OK(sn_event_wait(&n->up));
    if (!n->host)
        T_ASSERT(snprintf(n->addr, sizeof(n->addr), "%s@%s", n->o.self.id,
                          sn_switch_listen_addr(n->sw)) < (int)sizeof(n->addr));
}
void net_node_stop(struct net_node *n)
{
    sn_event_set(&n->stop);
    T_OK(sn_event_wait(&n->down));
}
struct sn_switch_counts net_counts(struct net_node *n)
{
    struct sn_switch_counts c;
    sn_switch_counts(n->sw, &c);
    return c;
}
void net_connect(struct net_node *from, struct net_node *to)
{
    T_OK(sn_switch_connect(from->sw, to->addr));
    for (unsigned i = 0; i < 1000; i++) {
        struct sn_switch_peer *p = sn_switch_find(to->sw, from->o.self.id);
        sn_switch_peer_unref(p);
        if (p) return;
        T_OK(sn_sleep(5 * SN_MS));
    }
    T_ASSERT(!"connected");
}
void net_say(struct net_node *from, struct net_node *to, uint8_t channel, const void *data,
             size_t n)
{
    struct sn_switch_peer *p = sn_switch_find(from->sw, to->o.self.id);
    T_ASSERT(p != NULL);
    T_OK(sn_switch_peer_send(p, channel, data, n));
    sn_switch_peer_unref(p);
}
void net_simulate(int (*fn)(void *arg), unsigned cases, bool lossy)
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

/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/daemon/daemon_metrics.c - numbers for Prometheus, profiles for Go's pprof. */
#include "consensus/daemon/daemon_int.h"
#include "kit/debug.h"
#include "kit/log.h"

SN_LOG_MODULE("node");

static int serve_pprof(struct sn_daemon *d)
{
    char at[128];
    struct sn_str addr = d->c->rpc.pprof_laddr;
    if (sn_str_starts(addr, SN_STR("tcp://"))) addr = sn_str_from(addr, 6);
    const char *text = sn_arena_str(&d->arena, addr).ptr;
    int r = text ? sn_debug_start(text, at, sizeof(at)) : SN_E_NOMEM;
    if (r < 0) return sn_wrap(r, "rpc.pprof_laddr");
    SN_LOG_INFO("profiles", SN_L("address", (const char *)at));
    return 0;
}

static void gossip(void *d, struct sn_consensus_reactor_stats *ret)
{
    sn_consensus_reactor_stats(((struct sn_daemon *)d)->gossip, ret);
}
static uint64_t parts(void *d, const struct sn_switch_peer *p)
{
    return sn_consensus_reactor_parts(((struct sn_daemon *)d)->gossip, p);
}
static uint64_t tx_peers(void *arg)
{
    struct sn_daemon *d = arg;
    struct sn_mempool_gossip g = {0};
    if (d->mempool) sn_mempool_reactor_stats(d->mempool, &g);
    return g.active;
}

int sn_daemon_open_metrics(struct sn_daemon *d)
{
    const struct sn_home_instrumentation *c = &d->c->instrumentation;
    struct sn_chain_metrics_opts o = {.view = &d->view,
                                      .name_space = sn_arena_str(&d->arena, c->namespace_).ptr,
                                      .listen =
                                          sn_arena_str(&d->arena, c->prometheus_listen_addr).ptr,
                                      .connections_max = (uint64_t)c->max_open_connections,
                                      .gossip = gossip,
                                      .parts = parts,
                                      .tx_peers = tx_peers,
                                      .arg = d};
    char at[128];
    if (!o.name_space || !o.listen) return SN_E_NOMEM;
    if (c->prometheus) {
        int r = sn_chain_metrics_new(&o, &d->metrics);
        if (r < 0) return sn_wrap(r, "instrumentation.prometheus_listen_addr");
        if (d->has_app) sn_abci_conns_observe(&d->app, sn_chain_metrics_abci, d->metrics);
        if (sn_chain_metrics_addr(d->metrics, at, sizeof(at)) >= 0)
            SN_LOG_INFO("metrics", SN_L("address", (const char *)at));
    }
    return d->c->rpc.pprof_laddr.len ? serve_pprof(d) : 0;
}

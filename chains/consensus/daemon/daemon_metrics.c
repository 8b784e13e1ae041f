/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/daemon/daemon_metrics.c - CometBFT's metrics, by their names, as far as they say
 * something here; read at each scrape from what the parts know anyway. */
#include <stdio.h>

#include "consensus/daemon/daemon_int.h"
#include "kit/debug.h"
#include "kit/log.h"
#include "kit/metrics.h"

SN_LOG_MODULE("node");

/* The registry never forgets a collector, so there is one for all nodes of the process' life: it
 * asks the node that runs now. */
static struct sn_mutex lock;
static struct sn_daemon *running;
static bool registered;

struct out {
    struct sn_metrics_writer *w;
    struct sn_labels labels;
    struct sn_str prefix;
};
static void put(struct out *o, const char *name, const char *help, double v)
{
    char full[128];
    snprintf(full, sizeof(full), "%.*s_%s", SN_STR_ARG(o->prefix), name);
    sn_metrics_write(o->w, full, "gauge", help, &o->labels, v);
}

static void put_consensus(struct out *o, struct sn_daemon *d)
{
    struct sn_engine_stats st;
    int64_t height = 0, power = 0;
    int32_t round = 0;
    uint32_t n = 0, missing = 0;
    const struct sn_cons_round_state *rs = sn_engine_lock(d->engine);
    if (rs) {
        height = rs->height;
        round = rs->round;
        n = rs->vals->n;
        power = rs->vals->total;
        const struct sn_cons_vote_set *last = rs->last_commit;
        missing = last ? last->vals->n - sn_cons_bits_count(&last->bits) : 0;
    }
    sn_engine_unlock(d->engine);
    put(o, "consensus_height", "Height being agreed on.", (double)height);
    put(o, "consensus_rounds", "Round of it.", round);
    put(o, "consensus_validators", "Validators.", n);
    put(o, "consensus_validators_power", "Their power together.", (double)power);
    put(o, "consensus_missing_validators", "Of whom the last height has no precommit.", missing);
    put(o, "consensus_latest_block_height", "Newest stored block.",
        (double)sn_cons_block_store_height(d->blocks));
    sn_engine_stats(d->engine, &st);
    put(o, "consensus_blocks", "Blocks agreed on since the start.", (double)st.heights);
    put(o, "consensus_signatures", "Own signatures since the start.", (double)st.signatures);
    put(o, "consensus_log_syncs", "Syncs of the log since the start.", (double)st.log_syncs);
    put(o, "consensus_messages", "Messages of peers since the start.", (double)st.messages);
    put(o, "consensus_messages_waiting", "Messages that wait.", (double)st.waiting);
    put(o, "consensus_faults", "Messages that broke the rules.", (double)st.faults);
}

static void put_others(struct out *o, struct sn_daemon *d)
{
    struct sn_switch_counts sw;
    sn_switch_counts(d->sw, &sw);
    put(o, "p2p_peers", "Connected peers.", sw.peers);
    put(o, "p2p_peers_inbound", "Of them, those that came.", sw.inbound);
    put(o, "p2p_peers_outbound", "Of them, those we dialled.", sw.outbound);
    put(o, "blocksync_syncing", "Whether blocks are fetched.", d->view.block_syncing);
    put(o, "statesync_syncing", "Whether a snapshot is restored.", d->view.state_syncing);
    if (!d->txs) return;
    struct sn_mempool_stats m;
    sn_mempool_stats(sn_txs_pool(d->txs), &m);
    put(o, "mempool_size", "Transactions that wait.", (double)m.txs);
    put(o, "mempool_size_bytes", "Their bytes.", (double)m.bytes);
    put(o, "mempool_failed_txs", "Transactions the application refused, since the start.",
        (double)m.refused);
    put(o, "mempool_evicted_txs", "Transactions that gave way, since the start.",
        (double)m.displaced);
}

static void collect(struct sn_metrics_writer *w, void *arg)
{
    sn_mutex_lock_always(&lock);
    if (running) {
        struct out o = {.w = w, .prefix = running->c->instrumentation.namespace_};
        o.labels.n = 1;
        o.labels.l[0].name = SN_STR("chain_id");
        o.labels.l[0].value = running->genesis.chain_id;
        put_consensus(&o, running);
        put_others(&o, running);
    }
    sn_mutex_unlock(&lock);
}

/* ":26660" and "tcp://..." as the configuration has them; an empty host is loopback here. */
static int serve(struct sn_daemon *d, struct sn_str addr, const char *what)
{
    char at[128];
    if (sn_str_starts(addr, SN_STR("tcp://"))) addr = sn_str_from(addr, 6);
    const char *text = sn_arena_str(&d->arena, addr).ptr;
    int r = text ? sn_debug_start(text, at, sizeof(at)) : SN_E_NOMEM;
    if (r < 0) return sn_wrap(r, "%s", what);
    SN_LOG_INFO("metrics", SN_L("address", (const char *)at), SN_L("of", what));
    return 0;
}

int sn_daemon_open_metrics(struct sn_daemon *d)
{
    const struct sn_home_instrumentation *c = &d->c->instrumentation;
    int r = 0;
    sn_mutex_lock_always(&lock);
    if (!registered) r = sn_metrics_collect(NULL, collect, NULL);
    registered = registered || r >= 0;
    running = d;
    sn_mutex_unlock(&lock);
    if (r >= 0 && c->prometheus)
        r = serve(d, c->prometheus_listen_addr, "instrumentation.prometheus_listen_addr");
    if (r >= 0 && d->c->rpc.pprof_laddr.len)
        r = serve(d, d->c->rpc.pprof_laddr, "rpc.pprof_laddr");
    return r;
}
void sn_daemon_close_metrics(struct sn_daemon *d)
{
    sn_mutex_lock_always(&lock);
    if (running == d) running = NULL;
    sn_mutex_unlock(&lock);
}

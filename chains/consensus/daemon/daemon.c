/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/daemon/daemon.c - a node's life: start in order, run, stop in order. */
#include <malloc.h>
#include <signal.h>

#include "consensus/daemon/daemon_int.h"
#include "fiber/os.h"
#include "kit/log.h"

SN_LOG_MODULE("node");

#define ARENA_MAX ((size_t)512 << 20)
#define CLOSE_NS (30 * SN_SEC)

static int start(struct sn_daemon *d)
{
    int r = sn_daemon_read_home(d);
    if (r >= 0) r = sn_daemon_open_stores(d);
    if (r >= 0) r = sn_daemon_open_index(d);
    if (r >= 0) r = sn_daemon_load_state(d);
    if (r >= 0) r = sn_daemon_open_app(d);
    if (r >= 0) r = sn_daemon_open_signer(d);
    if (r >= 0) d->wants_snapshot = sn_daemon_wants_snapshot(d);
    if (r >= 0 && !d->wants_snapshot) r = sn_daemon_handshake(d);
    if (r >= 0) r = sn_daemon_make_txs(d);
    if (r >= 0) r = sn_daemon_open_evidence(d);
    if (r >= 0) r = sn_daemon_make_engine(d);
    if (r >= 0) r = sn_daemon_open_net(d);
    if (r >= 0) r = sn_daemon_open_rpc(d);
    if (r >= 0) r = sn_daemon_open_metrics(d);
    return r;
}

/* ---- the fibers of a running node: the first that fails ends all ---- */

static int wait_app(void *arg) { return sn_abci_conns_wait(&((struct sn_daemon *)arg)->app); }
static int prune(void *arg) { return sn_exec_run_pruner(((struct sn_daemon *)arg)->exec); }
static int recheck(void *arg) { return sn_txs_run(((struct sn_daemon *)arg)->txs); }
static int meet(void *arg) { return sn_switch_run(((struct sn_daemon *)arg)->sw); }
static int look_for_peers(void *arg)
{
    return sn_pex_reactor_run(((struct sn_daemon *)arg)->pex);
}
static int index_blocks(void *arg) { return sn_indexer_run(((struct sn_daemon *)arg)->indexer); }
static int serve(void *arg) { return sn_rpc_run(((struct sn_daemon *)arg)->rpc); }
static int serve_metrics(void *arg)
{
    return sn_chain_metrics_run(((struct sn_daemon *)arg)->metrics);
}

static int start_fibers(struct sn_daemon *d)
{
    const struct {
        bool wanted;
        const char *name;
        int (*fn)(void *arg);
    } all[] = {
        {true, "application", wait_app}, {true, "prune", prune},
        {d->txs, "recheck", recheck},    {d->indexer, "index", index_blocks},
        {d->metrics, "metrics", serve_metrics},
        {d->rpc, "rpc", serve},          {true, "consensus", sn_daemon_agree},
        {true, "switch", meet},          {d->pex, "pex", look_for_peers},
    };
    int r = 0;
    for (size_t i = 0; r >= 0 && i < SN_COUNT_OF(all); i++)
        if (all[i].wanted) r = sn_scope_go(d->scope, all[i].name, all[i].fn, d);
    return r;
}

/* Stores are closed and the log is synced also where a signal has cancelled everything. */
static int close_all(void *daemon)
{
    sn_daemon_done(daemon);
    return 0;
}

/* The whole life, in a fiber that a signal cancels. */
static int live(void *arg)
{
    struct sn_scope_storage mem;
    char why[SN_DIAG_BYTES];
    struct sn_daemon *d = arg;
    d->scope = sn_scope_begin(&mem);
    int r = start(d);
    if (r >= 0) r = start_fibers(d);
    sn_diag_format(r, why, sizeof(why));
    if (r < 0) sn_scope_cancel(d->scope);
    int end = sn_scope_end(d->scope);
    if (r >= 0) {
        r = end;
        sn_diag_format(r, why, sizeof(why));
    }
    (void)!sn_shield(CLOSE_NS, close_all, d);
    /* Nothing else may run on: the signals' fiber would wait for ever. */
    return r >= 0 ? SN_E_INTERNAL : r == SN_E_CANCELLED ? r : sn_fail(r, "%s", why);
}

static int wait_signal(void *arg)
{
    struct sn_daemon *d = arg;
    int r = sn_signal_wait((const int[]){SIGTERM, SIGINT, 0});
    if (r < 0) return r;
    SN_LOG_INFO("stopping", SN_L("signal", r));
    d->stopping = true;
    return SN_E_ABORTED;
}

/* Blocks and answers of megabytes come and go with each height. glibc would give their memory back
 * to the kernel and fault it in again page by page: a tenth of a loaded validator's CPU. */
#define KEEP_BYTES (64 << 20) /* free at a heap's end before it shrinks */
#define MAP_BYTES (32 << 20)  /* of one allocation that has a mapping of its own; glibc's largest */
/* LevelDB's buffers are filled by whichever thread of the blocking pool has the write: with eight
 * heaps for each CPU, glibc's default, each of them grows to what only one of them uses at a time. */
#define HEAPS 2

int sn_daemon_run(const struct sn_daemon_opts *o)
{
    (void)mallopt(M_MMAP_THRESHOLD, MAP_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
    (void)mallopt(M_ARENA_MAX, HEAPS);
    struct sn_scope_storage mem;
    char why[SN_DIAG_BYTES];
    struct sn_daemon d = {.o = o, .c = o->config};
    sn_arena_init(&d.arena, NULL, ARENA_MAX);
    struct sn_scope *s = sn_scope_begin(&mem);
    int r = sn_scope_go(s, "signals", wait_signal, &d);
    if (r >= 0) r = sn_scope_go(s, "node", live, &d);
    if (r < 0) sn_scope_cancel(s);
    int end = sn_scope_end(s);
    if (r >= 0) r = end;
    sn_diag_format(r, why, sizeof(why));
    sn_arena_done(&d.arena);
    if (d.stopping) return 0;
    if (r == SN_E_CANCELLED) return r;
    SN_LOG_ERROR("the node ends", SN_L("err", (const char *)why));
    return sn_fail(r, "%s", why);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/daemon/daemon_rpc.c - what others see of the node: events, the index, RPC. */
#include "consensus/daemon/daemon_int.h"
#include "consensus/index/psql.h"
#include "consensus/rpc/publish.h"
#include "kit/log.h"

SN_LOG_MODULE("node");

/* ---- events ---- */

static void on_block(void *arg, const struct sn_exec_block *b)
{
    struct sn_daemon *d = arg;
    /* Without memory subscribers miss something; the index reads the stores. */
    if (sn_publish_block(d->bus, b) < 0) SN_LOG_WARN("events of a block are lost");
    sn_chain_metrics_block(d->metrics, b);
    if (b->finalize_ns) sn_chain_metrics_processed(d->metrics, b->finalize_ns);
    if (!d->indexer) return;
    const struct sn_indexer_in in = {b->block, b->res, b->answer};
    /* Where answers are not kept, who follows may come too late for this one. */
    if (d->c->storage.discard_abci_responses && sn_indexer_block(d->indexer, &in) < 0)
        SN_LOG_WARN("a block is not indexed", SN_L("height", b->block->header.height));
    sn_indexer_give(d->indexer, &in, b->arena, b->bytes);
}
static void on_verdict(void *arg, bool extension, bool accepted)
{
    sn_chain_metrics_verdict(((struct sn_daemon *)arg)->metrics, extension, accepted);
}
static void on_event(void *arg, const struct sn_cons_action *a,
                     const struct sn_cons_round_state *rs)
{
    struct sn_daemon *d = arg;
    (void)!sn_publish_action(d->bus, a, rs);
    sn_chain_metrics_event(d->metrics, a, rs);
}

int sn_daemon_open_events(struct sn_daemon *d, struct sn_exec_opts *eo)
{
    const struct sn_home_rpc *c = &d->c->rpc;
    struct sn_event_bus_opts o = {.clients_max = (uint32_t)c->max_subscription_clients,
                                  .each_max = (uint32_t)c->max_subscriptions_per_client,
                                  .queue_max = (uint32_t)c->experimental_subscription_buffer_size,
                                  .seed = sn_random()};
    int r = sn_event_bus_new(&o, &d->bus);
    eo->on_block = on_block;
    eo->on_verdict = on_verdict;
    eo->arg = d;
    return r;
}
void sn_daemon_hear_engine(struct sn_daemon *d) { sn_engine_on_event(d->engine, on_event, d); }

/* ---- index ---- */

int sn_daemon_open_index(struct sn_daemon *d)
{
    struct sn_str kind = d->c->tx_index.indexer;
    struct sn_indexer_opts o = {.blocks = d->blocks, .states = d->states};
    if (sn_str_eqc(kind, "null")) return 0;
    bool psql = sn_str_eqc(kind, "psql");
    if (!psql && !sn_str_eqc(kind, "kv"))
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "tx_index.indexer: expected kv, psql or null, got %.*s", SN_STR_ARG(kind));
    int r = psql ? sn_psql_open(d->c->tx_index.psql_conn, d->genesis.chain_id, &o.psql)
                 : sn_daemon_open_kv(d, "tx_index", SN_DAEMON_INDEX_BUFFER, &o.kv);
    if (r < 0) return r;
    r = sn_indexer_new(&o, &d->indexer);
    if (r >= 0) return 0;
    sn_kv_close(o.kv);
    sn_psql_close(o.psql);
    return sn_wrap(r, "tx_index.db");
}

/* ---- RPC ---- */

static const char *const *names_of(struct sn_daemon *d, const struct sn_str *list, size_t n)
{
    const char **all = SN_ARENA_ARRAY(&d->arena, const char *, n + 1);
    for (size_t i = 0; all && i < n; i++)
        if (!(all[i] = sn_arena_str(&d->arena, list[i]).ptr)) return NULL;
    return all;
}

/* Files of TLS lie in config/ unless their path is absolute. */
static const char *tls_path(struct sn_daemon *d, struct sn_str file)
{
    if (file.len == 0) return NULL;
    if (file.ptr[0] == '/') return sn_arena_str(&d->arena, file).ptr;
    return sn_arena_printf(&d->arena, "%.*s/config/%.*s", SN_STR_ARG(d->c->root), SN_STR_ARG(file))
        .ptr;
}

static bool gossip_peer(void *d, const char *id, struct sn_gossip_peer *ret)
{
    return sn_consensus_reactor_peer(((struct sn_daemon *)d)->gossip, id, ret);
}

int sn_daemon_open_rpc(struct sn_daemon *d)
{
    const struct sn_home_rpc *c = &d->c->rpc;
    struct sn_rpc_opts o = {
        .view = &d->view,
        .listen = sn_arena_str(&d->arena, c->laddr).ptr,
        .grpc_listen = sn_arena_str(&d->arena, c->grpc_laddr).ptr,
        .unsafe = c->unsafe,
        .cors_origins = names_of(d, c->cors_allowed_origins, c->n_cors_allowed_origins),
        .cors_methods = names_of(d, c->cors_allowed_methods, c->n_cors_allowed_methods),
        .cors_headers = names_of(d, c->cors_allowed_headers, c->n_cors_allowed_headers),
        .tls_cert_file = tls_path(d, c->tls_cert_file),
        .tls_key_file = tls_path(d, c->tls_key_file),
        .connections_max = (uint64_t)c->max_open_connections,
        .grpc_connections_max = (uint64_t)c->grpc_max_open_connections,
        .body_bytes_max = (uint64_t)c->max_body_bytes,
        .header_bytes_max = (size_t)c->max_header_bytes,
        .batch_max = c->max_request_batch_size ? (int)c->max_request_batch_size : -1,
        .commit_wait_ns = c->timeout_broadcast_tx_commit,
        .close_on_slow_client = c->experimental_close_on_slow_client,
        .peer = gossip_peer,
        .arg = d};
    char at[128];
    if (c->laddr.len == 0 && c->grpc_laddr.len == 0) return 0;
    if (!o.listen || !o.grpc_listen || !o.cors_origins || !o.cors_methods || !o.cors_headers)
        return SN_E_NOMEM;
    int r = sn_rpc_new(&o, &d->rpc);
    if (r < 0) return sn_wrap(r, "RPC");
    if (sn_rpc_addr(d->rpc, 0, false, at, sizeof(at)) >= 0)
        SN_LOG_INFO("RPC", SN_L("address", (const char *)at));
    return 0;
}

void sn_daemon_close_rpc(struct sn_daemon *d)
{
    sn_rpc_free(d->rpc);
    sn_indexer_free(d->indexer);
}

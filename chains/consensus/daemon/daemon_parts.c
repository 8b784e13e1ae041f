/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/daemon/daemon_parts.c - making the parts of a node, and letting go of them. */
#include "consensus/daemon/daemon_int.h"
#include "consensus/key.h"
#include "core/enc.h"
#include "crypto/hash.h"
#include "fiber/os.h"
#include "kit/log.h"

SN_LOG_MODULE("node");

const char *sn_daemon_path(struct sn_daemon *d, struct sn_str path)
{
    if (path.len && path.ptr[0] == '/') return sn_arena_str(&d->arena, path).ptr;
    return sn_arena_printf(&d->arena, "%.*s/%.*s", SN_STR_ARG(d->c->root), SN_STR_ARG(path)).ptr;
}

/* ---- home ---- */

static int check_genesis_hash(struct sn_daemon *d)
{
    uint8_t got[32], want[32];
    if (d->o->genesis_hash.len == 0) return 0;
    int r = sn_hash_once(SN_SHA256, d->genesis_json.ptr, d->genesis_json.len, got);
    if (r < 0) return r;
    if (d->o->genesis_hash.len != 64 || sn_hex_decode(d->o->genesis_hash, want) < 0 ||
        memcmp(got, want, sizeof(got)) != 0)
        return sn_fail(SN_E_FAILED_PRECONDITION,
                       "the genesis file does not have the hash --genesis_hash %.*s",
                       SN_STR_ARG(d->o->genesis_hash));
    return 0;
}

int sn_daemon_read_home(struct sn_daemon *d)
{
    const char *path = sn_daemon_path(d, d->c->genesis_file);
    if (!path) return SN_E_NOMEM;
    int r = sn_file_read(&d->arena, path, SN_CONS_GENESIS_BYTES_MAX, &d->genesis_json);
    if (r >= 0) r = sn_cons_genesis_parse(d->genesis_json, &d->arena, &d->genesis);
    if (r >= 0) r = check_genesis_hash(d);
    if (r < 0) return sn_wrap(r, "%s", path);
    if (!d->genesis.has_time) d->genesis.time = sn_cons_time_of_ns(sn_wall_now());
    return sn_daemon_read_node_key(d);
}

/* ---- who signs ---- */

static int open_file_signer(struct sn_daemon *d)
{
    struct sn_privval_opts po = {.key_path = sn_daemon_path(d, d->c->priv_validator_key_file),
                                 .state_path = sn_daemon_path(d, d->c->priv_validator_state_file),
                                 .make = true};
    if (!po.key_path || !po.state_path) return SN_E_NOMEM;
    int r = sn_privval_open(&po, &d->pv);
    if (r < 0) return sn_wrap(r, "validator's key");
    sn_signer_file(d->pv, &d->file_signer);
    d->signer = &d->file_signer.s;
    return 0;
}

static int serve_signer(void *remote) { return sn_signer_remote_run(remote); }

int sn_daemon_open_signer(struct sn_daemon *d)
{
    struct sn_str at = d->c->priv_validator_laddr;
    if (at.len == 0) return open_file_signer(d);
    struct sn_signer_remote_opts o = {.laddr = sn_arena_str(&d->arena, at).ptr,
                                      .chain_id = d->genesis.chain_id,
                                      .node_key = d->node_key,
                                      .verifier = &sn_cons_verifier_zip215};
    int r = o.laddr ? sn_signer_remote_new(&o, &d->remote) : SN_E_NOMEM;
    if (r >= 0) r = sn_scope_go(d->scope, "signer", serve_signer, d->remote);
    if (r >= 0) SN_LOG_INFO("waiting for the signer", SN_L("address", o.laddr));
    if (r >= 0) r = sn_signer_remote_wait(d->remote, 0, &d->signer);
    return r < 0 ? sn_wrap(r, "remote signer at %.*s", SN_STR_ARG(at)) : 0;
}

/* ---- stores ---- */

int sn_daemon_open_kv(struct sn_daemon *d, const char *name, size_t buffer_bytes,
                      struct sn_kv **ret)
{
    const struct sn_kv_opts o = {.buffer_bytes = buffer_bytes,
                                 .block_bytes = SN_DAEMON_KV_BLOCK,
                                 .plain = true};
    const char *dir = sn_daemon_path(d, d->c->db_dir);
    struct sn_str path = sn_arena_printf(&d->arena, "%s/%s.db", dir ? dir : "", name);
    if (!dir || !path.ptr) return SN_E_NOMEM;
    int r = sn_mkdirs(dir, 0700);
    if (r >= 0) r = sn_kv_open(path.ptr, &o, ret);
    return r < 0 ? sn_wrap(r, "store %s", path.ptr) : 0;
}

int sn_daemon_open_stores(struct sn_daemon *d)
{
    struct sn_kv *kv;
    int r = sn_daemon_open_kv(d, "blockstore", SN_DAEMON_KV_BUFFER, &kv);
    if (r < 0) return r;
    r = sn_cons_block_store_new(kv, &d->blocks);
    if (r < 0) {
        sn_kv_close(kv);
        return sn_wrap(r, "blockstore.db");
    }
    r = sn_daemon_open_kv(d, "state", SN_DAEMON_KV_BUFFER, &kv);
    if (r < 0) return r;
    d->states = sn_cons_state_store_new(kv, d->c->storage.discard_abci_responses);
    if (d->states) return 0;
    sn_kv_close(kv);
    return SN_E_NOMEM;
}

int sn_daemon_load_state(struct sn_daemon *d)
{
    int r = sn_cons_state_store_load(d->states, &d->state);
    if (r == SN_E_NOT_FOUND) return sn_cons_genesis_state(&d->genesis, &d->state);
    if (r < 0) return r;
    if (!sn_str_eq(sn_cons_state_chain(d->state), d->genesis.chain_id))
        return sn_fail(SN_E_FAILED_PRECONDITION,
                       "the stores are of chain %.*s, the genesis file of %.*s",
                       SN_STR_ARG(sn_cons_state_chain(d->state)), SN_STR_ARG(d->genesis.chain_id));
    return 0;
}

/* ---- application ---- */

static int open_kvstore(struct sn_daemon *d, bool persistent)
{
    struct sn_kvstore_opts ko = {0};
    const char *dir = sn_daemon_path(d, d->c->db_dir);
    if (persistent) ko.snapshot_interval = d->o->kvstore_snapshots;
    if (persistent) ko.dir = sn_arena_printf(&d->arena, "%s/kvstore", dir ? dir : "").ptr;
    if (!dir || (persistent && !ko.dir)) return SN_E_NOMEM;
    int r = sn_kvstore_open(&ko, &d->kvstore);
    return r < 0 ? r : sn_abci_conns_local(sn_kvstore_app(d->kvstore), &d->app);
}

int sn_daemon_open_app(struct sn_daemon *d)
{
    struct sn_str name = d->c->proxy_app;
    int r;
    if (sn_str_eqc(name, "kvstore") || sn_str_eqc(name, "persistent_kvstore")) {
        r = open_kvstore(d, name.len > strlen("kvstore"));
    } else if (sn_str_eqc(name, "noop")) {
        d->noop.name = "noop";
        r = sn_abci_conns_local(&d->noop, &d->app);
    } else {
        struct sn_abci_client_opts o = {.addr = sn_arena_str(&d->arena, name).ptr,
                                        .grpc = sn_str_eqc(d->c->abci, "grpc")};
        r = o.addr ? sn_abci_conns_open(&o, &d->app) : SN_E_NOMEM;
    }
    d->has_app = r >= 0;
    return r < 0 ? sn_wrap(r, "application %.*s", SN_STR_ARG(name)) : 0;
}

int sn_daemon_handshake(struct sn_daemon *d)
{
    /* Its own executor: no transactions wait yet, and blocks of the past are nobody's news. */
    struct sn_exec_opts eo = {.app = &d->app,
                              .blocks = d->blocks,
                              .states = d->states,
                              .verifier = &sn_cons_verifier_zip215};
    struct sn_exec *x;
    struct sn_cons_state *after;
    int r = sn_exec_new(&eo, &x);
    if (r < 0) return r;
    r = sn_exec_handshake(x, &d->genesis, d->state, &after);
    sn_exec_free(x);
    if (r < 0) return r;
    sn_cons_state_unref(d->state);
    d->state = after;
    return 0;
}

/* ---- consensus ---- */

static struct sn_cons_config timeouts_of(const struct sn_home_consensus *c)
{
    return (struct sn_cons_config){.propose_ns = c->timeout_propose,
                                   .propose_delta_ns = c->timeout_propose_delta,
                                   .prevote_ns = c->timeout_prevote,
                                   .prevote_delta_ns = c->timeout_prevote_delta,
                                   .precommit_ns = c->timeout_precommit,
                                   .precommit_delta_ns = c->timeout_precommit_delta,
                                   .commit_ns = c->timeout_commit,
                                   .skip_commit_timeout = c->skip_timeout_commit,
                                   .no_empty_blocks = !c->create_empty_blocks,
                                   .empty_blocks_interval_ns = c->create_empty_blocks_interval};
}

int sn_daemon_make_txs(struct sn_daemon *d)
{
    const struct sn_home_mempool *m = &d->c->mempool;
    if (sn_str_eqc(m->type, "nop")) return 0;
    struct sn_txs_opts o = {.app = d->app.mempool,
                            .pool = {.txs_max = (uint32_t)m->size,
                                     .bytes_max = (uint64_t)m->max_txs_bytes,
                                     .cache_max = (uint32_t)m->cache_size,
                                     .tx_bytes_max = (uint32_t)m->max_tx_bytes,
                                     .keep_invalid = m->keep_invalid_txs_in_cache,
                                     .no_recheck = !m->recheck,
                                     .seed = sn_random()}};
    return sn_txs_new(&o, &d->txs);
}

int sn_daemon_open_evidence(struct sn_daemon *d)
{
    struct sn_evidence_keeper_opts o = {.blocks = d->blocks,
                                        .states = d->states,
                                        .verifier = &sn_cons_verifier_zip215};
    int r = sn_daemon_open_kv(d, "evidence", 0, &o.kv);
    if (r < 0) return r;
    r = sn_evidence_keeper_new(&o, d->state, &d->evidence);
    if (r < 0) sn_kv_close(o.kv);
    return r < 0 ? sn_wrap(r, "evidence.db") : 0;
}

static void fill_view(struct sn_daemon *d)
{
    struct sn_node_view *v = &d->view;
    v->genesis_json = d->genesis_json;
    v->genesis = &d->genesis;
    v->blocks = d->blocks;
    v->states = d->states;
    v->app = &d->app;
    v->txs = d->txs;
    v->evidence = d->evidence;
    v->exec = d->exec;
    v->engine = d->engine;
    v->bus = d->bus;
    v->indexer = d->indexer;
    v->verifier = &sn_cons_verifier_zip215;
    v->validator_key = d->signer ? &d->signer->key : NULL;
}

int sn_daemon_make_engine(struct sn_daemon *d)
{
    struct sn_exec_opts eo = {.app = &d->app,
                              .blocks = d->blocks,
                              .states = d->states,
                              .verifier = &sn_cons_verifier_zip215,
                              .txs = d->txs,
                              .evidence = d->evidence};
    int r = sn_daemon_open_events(d, &eo);
    if (r >= 0) r = sn_exec_new(&eo, &d->exec);
    if (r < 0) return r;
    sn_exec_set_limits(d->exec, d->state);
    struct sn_engine_opts o = {.config = timeouts_of(&d->c->consensus),
                               .verifier = &sn_cons_verifier_zip215,
                               .exec = d->exec,
                               .env = eo,
                               .signer = d->signer,
                               .wal_path = sn_daemon_path(d, d->c->consensus.wal_file),
                               .double_sign_check = d->c->consensus.double_sign_check_height};
    r = o.wal_path ? sn_engine_new(&o, &d->engine) : SN_E_NOMEM;
    if (r < 0) return r;
    if (d->txs) sn_txs_on_available(d->txs, sn_engine_txs_available, d->engine);
    sn_daemon_hear_engine(d);
    fill_view(d);
    return 0;
}

void sn_daemon_done(struct sn_daemon *d)
{
    sn_chain_metrics_free(d->metrics);
    sn_daemon_close_rpc(d);
    sn_daemon_close_net(d);
    sn_engine_free(d->engine);
    sn_exec_free(d->exec);
    sn_evidence_keeper_free(d->evidence);
    sn_txs_free(d->txs);
    if (d->bus) sn_event_bus_free(d->bus);
    sn_cons_state_unref(d->state);
    if (d->has_app) sn_abci_conns_close(&d->app);
    sn_kvstore_close(d->kvstore);
    sn_signer_remote_free(d->remote);
    sn_privval_close(d->pv);
    sn_cons_state_store_free(d->states);
    sn_cons_block_store_free(d->blocks);
}

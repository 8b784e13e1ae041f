/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/daemon/daemon_sync.c - to where the others are, and then taking part: a snapshot of the
 * application (where it is wanted and the node is new), blocks, consensus. */
#include "consensus/daemon/daemon_int.h"
#include "consensus/key.h"
#include "core/enc.h"
#include "kit/log.h"

SN_LOG_MODULE("node");

static bool only_validator_is_us(const struct sn_daemon *d)
{
    const struct sn_cons_valset *vals = d->state->vals;
    return d->signer && vals->n == 1 && sn_cons_key_eq(&vals->vals[0].key, &d->signer->key);
}

/* Where stores have blocks already, or nobody else could have any, there is nothing to restore. */
bool sn_daemon_wants_snapshot(const struct sn_daemon *d)
{
    return d->c->statesync.enable && d->state->last_height == 0 && !only_validator_is_us(d);
}

/* ---- the light client that says what to trust ---- */

static int open_providers(struct sn_daemon *d, struct sn_light_provider **all, unsigned *n)
{
    const struct sn_home_statesync *c = &d->c->statesync;
    for (size_t i = 0; i < c->n_rpc_servers && *n <= SN_LIGHT_WITNESSES_MAX; i++) {
        const char *url = sn_arena_str(&d->arena, c->rpc_servers[i]).ptr;
        int r = url ? sn_light_http(url, d->genesis.chain_id, &all[*n]) : SN_E_NOMEM;
        if (r < 0) return sn_wrap(r, "statesync.rpc_servers");
        ++*n;
    }
    if (*n >= 2) return 0;
    return sn_fail(SN_E_INVALID_ARGUMENT,
                   "statesync.rpc_servers: expected 2 or more, to compare them, got %u", *n);
}

static int trusted_hash(const struct sn_daemon *d, struct sn_cons_hash *ret)
{
    struct sn_str hex = d->c->statesync.trust_hash;
    if (hex.len != 2 * SN_CONS_HASH_LEN || sn_hex_decode(hex, ret->b) < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "statesync.trust_hash: expected 64 hexadecimal digits, got %zu", hex.len);
    ret->len = SN_CONS_HASH_LEN;
    return 0;
}

static int open_light(struct sn_daemon *d, struct sn_light_client **ret)
{
    struct sn_light_provider *all[SN_LIGHT_WITNESSES_MAX + 1];
    unsigned n = 0;
    struct sn_light_client_opts o = {
        .chain_id = d->genesis.chain_id,
        .rules = {.verifier = &sn_cons_verifier_zip215,
                  .trusting_ns = d->c->statesync.trust_period},
        .trust_height = d->c->statesync.trust_height};
    int r = trusted_hash(d, &o.trust_hash);
    if (r >= 0) r = open_providers(d, all, &n);
    if (r >= 0) r = sn_kv_open_memory(&o.kv);
    if (r < 0) {
        for (unsigned i = 0; i < n; i++) all[i]->close(all[i]);
        return r;
    }
    o.primary = all[0];
    o.witnesses = all + 1;
    o.n_witnesses = n - 1;
    return sn_light_client_new(&o, ret);
}

/* ---- the two syncs ---- */

static void go_on_from(struct sn_daemon *d, struct sn_cons_state *s)
{
    sn_cons_state_unref(d->state);
    d->state = s;
    sn_exec_set_limits(d->exec, s);
}

static int restore(struct sn_daemon *d)
{
    const struct sn_home_statesync *c = &d->c->statesync;
    struct sn_str parent = c->temp_dir.len ? c->temp_dir : d->c->db_dir;
    const char *base = sn_daemon_path(d, parent);
    struct sn_statesync_opts o = {
        .discovery_ns = c->discovery_time,
        .chunk_request_ns = c->chunk_request_timeout,
        .fetchers = (unsigned)c->chunk_fetchers,
        .dir = sn_arena_printf(&d->arena, "%s/statesync", base ? base : "").ptr,
        .local_app = d->kvstore ? sn_kvstore_app(d->kvstore) : NULL};
    struct sn_cons_state *after;
    if (!base || !o.dir) return SN_E_NOMEM;
    int r = open_light(d, &o.light);
    if (r < 0) return sn_wrap(r, "state sync");
    r = sn_statesync_run(d->statesync, &o, &after);
    sn_light_client_free(o.light);
    if (r < 0) return r == SN_E_NOT_FOUND ? r : sn_wrap(r, "state sync");
    SN_LOG_INFO("restored from a snapshot", SN_L("height", after->last_height));
    go_on_from(d, after);
    return 0;
}

static int fetch_blocks(struct sn_daemon *d, int64_t *ret_blocks)
{
    struct sn_cons_state *after;
    int r = sn_blocksync_run(d->blocksync, d->state, &after, ret_blocks);
    if (r < 0) return r;
    go_on_from(d, after);
    /* Block sync leaves the last state to the next synced write; consensus stores a block first. */
    return *ret_blocks > 0 ? sn_cons_state_store_save(d->states, after) : 0;
}

int sn_daemon_agree(void *daemon)
{
    struct sn_daemon *d = daemon;
    int64_t blocks = 0;
    int r = SN_E_NOT_FOUND;
    bool restored = false;
    if (d->wants_snapshot) {
        r = restore(d);
        restored = r >= 0;
        if (r == SN_E_NOT_FOUND) {
            SN_LOG_WARN("no peer has a snapshot: all blocks, then");
            r = sn_daemon_handshake(d);
        }
        if (r < 0) return r;
    }
    r = fetch_blocks(d, &blocks);
    return r < 0 ? r : sn_engine_run(d->engine, d->state, restored || blocks > 0);
}

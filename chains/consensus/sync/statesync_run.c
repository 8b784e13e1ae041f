/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/sync/statesync_run.c - discovery, one snapshot after the other until one is restored,
 * and what the node begins with then. Source: CometBFT v0.38.25 statesync/syncer.go. */
#include "consensus/genesis.h"
#include "consensus/sync/statesync_int.h"
#include "core/alloc.h"
#include "fiber/fiber.h"
#include "kit/log.h"

SN_LOG_MODULE("statesync");

/* Rounds of discovery after all that was found was refused; answers the light client did not get.
 */
#define ROUNDS_MAX 20u
#define UNAVAILABLE_MAX 5u

/* ---- discovery ---- */

static void count_peer(void *arg, struct sn_switch_peer *p)
{
    *(unsigned *)arg += sn_switch_peer_has_channel(p, SN_SNAPSHOT_CHANNEL);
}
/* Asks everybody, and waits: until all peers have offered something and nothing new comes, or for
 * the whole time. Returns how many peers could have offered any, or < 0. */
static int discover(struct session *s)
{
    struct sn_statesync *st = s->st;
    struct sn_statesync_msg m = {.kind = SN_STATESYNC_SNAPSHOTS_REQUEST};
    uint8_t mem[16];
    struct sn_buf buf;
    sn_buf_init_fixed(&buf, mem, sizeof(mem));
    int r = sn_statesync_encode(&m, &buf);
    if (r < 0) return r;
    sn_switch_broadcast(st->view->sw, SN_SNAPSHOT_CHANNEL, buf.ptr, buf.len);
    SN_LOG_INFO("looking for snapshots", SN_L("seconds", s->o.discovery_ns / SN_SEC));
    unsigned peers = 0;
    for (int64_t until = sn_now() + s->o.discovery_ns; sn_now() < until;) {
        peers = 0;
        sn_switch_each(st->view->sw, count_peer, &peers);
        sn_mutex_lock_always(&st->lock);
        bool all = peers && sn_snapshot_pool_peers(&s->pool) >= peers &&
                   sn_now() - s->last_new >= QUIET_NS && sn_snapshot_pool_best(&s->pool);
        r = all ? 0 : statesync_wait(s, SN_MIN(until, sn_now() + QUIET_NS / 4));
        sn_mutex_unlock(&st->lock);
        if (r < 0) return r;
        if (all) break;
    }
    return (int)peers;
}

/* ---- one snapshot ---- */

#define OFFERED(x) TENDERMINT_ABCI_RESPONSE_OFFER_SNAPSHOT_RESULT_##x
static int offer(struct session *s, const struct sn_snapshot *snap,
                 const struct sn_cons_app_hash *hash)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct tendermint_abci_snapshot shown = {.height = snap->height,
                                             .format = snap->format,
                                             .chunks = snap->chunks,
                                             .hash = snap->hash,
                                             .metadata = snap->metadata};
    struct tendermint_abci_request_offer_snapshot req = {
        .snapshot = &shown, .app_hash = sn_str_of((const char *)hash->b, hash->len)};
    struct tendermint_abci_response_offer_snapshot *res;
    sn_arena_init(&a, NULL, 0);
    int r = sn_abci_offer_snapshot(s->st->view->app->snapshot, &req, &a, &res);
    if (r < 0) return sn_wrap(r, "offer of a snapshot");
    return (int)res->result;
}

/* Whether the application is now what the chain says. */
static int check_app(struct session *s, const struct sn_cons_state *state)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct tendermint_abci_request_info req = {.version = SN_STR("0.38.25"),
                                               .block_version = SN_CONS_BLOCK_PROTOCOL,
                                               .p2p_version = 8,
                                               .abci_version = SN_STR("2.0.0")};
    struct tendermint_abci_response_info *res;
    sn_arena_init(&a, NULL, 0);
    int r = sn_abci_info(s->st->view->app->query, &req, &a, &res);
    if (r < 0) return sn_wrap(r, "restored application");
    if (res->last_block_height != state->last_height)
        return sn_fail(SN_E_DATA_LOSS, "restored application is at height %lld, expected %lld",
                       (long long)res->last_block_height, (long long)state->last_height);
    if (!sn_str_eq(res->last_block_app_hash,
                   sn_str_of((const char *)state->app_hash.b, state->app_hash.len)))
        return sn_fail(SN_E_DATA_LOSS,
                       "restored application has another hash than the chain at %lld",
                       (long long)state->last_height);
    if (res->app_version != state->app_version)
        return sn_fail(SN_E_DATA_LOSS, "restored application is of version %llu, expected %llu",
                       (unsigned long long)res->app_version,
                       (unsigned long long)state->app_version);
    return 0;
}
static int bootstrap(struct session *s, const struct sn_cons_state *state,
                     const struct sn_cons_commit *commit)
{
    /* The state last: without it a restarted node begins anew. */
    int r = sn_cons_block_store_save_seen(s->st->view->blocks, commit);
    if (r >= 0) r = sn_cons_state_store_bootstrap(s->st->view->states, state);
    return r < 0 ? sn_wrap(r, "bootstrap at height %lld", (long long)state->last_height) : 0;
}

static int reject_senders(struct session *s, const struct sn_snapshot *snap)
{
    int why = sn_fail(SN_E_PERMISSION_DENIED, "the application refuses who offered the snapshot");
    sn_mutex_lock_always(&s->st->lock);
    uint64_t peers = snap->peers;
    for (unsigned i = 0; i < SN_SNAPSHOT_PEERS_MAX; i++)
        if (peers & (1ull << i)) statesync_ban(s, s->pool.peers[i].id, why);
    sn_mutex_unlock(&s->st->lock);
    return REJECT_SNAPSHOT;
}
/* Offered, restored, perhaps again. Returns an outcome or < 0. */
static int try_app(struct session *s, struct sn_snapshot *snap, const struct sn_cons_state *state)
{
    for (unsigned tries = 0; tries < RETRIES_MAX; tries++) {
        int r = offer(s, snap, &state->app_hash);
        if (r < 0) return r;
        switch (r) {
        case OFFERED(ACCEPT): break;
        case OFFERED(ABORT):
            return sn_fail(SN_E_ABORTED, "the application gave up at the snapshot of height %llu",
                           (unsigned long long)snap->height);
        case OFFERED(REJECT_FORMAT):
            sn_mutex_lock_always(&s->st->lock);
            r = sn_snapshot_pool_reject_format(&s->pool, snap->format);
            sn_mutex_unlock(&s->st->lock);
            return r < 0 ? r : REJECT_SNAPSHOT;
        case OFFERED(REJECT_SENDER): return reject_senders(s, snap);
        case OFFERED(REJECT): return REJECT_SNAPSHOT;
        default: return sn_fail(SN_E_PROTOCOL, "the application answered %d to a snapshot", r);
        }
        r = statesync_restore(s, snap);
        if (r != RETRY_SNAPSHOT) return r;
        SN_LOG_INFO("the application wants the snapshot again", SN_L("height", snap->height));
    }
    return REJECT_SNAPSHOT;
}
static int try_snapshot(struct session *s, struct sn_snapshot *snap, struct sn_cons_state **ret)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_cons_state *state;
    struct sn_cons_commit commit;
    int64_t begun = sn_now();
    sn_arena_init(&a, NULL, SN_LIGHT_ARENA_MAX);
    SN_LOG_INFO("trying a snapshot", SN_L("height", snap->height), SN_L("format", snap->format),
                SN_L("chunks", snap->chunks), SN_L("manifest", snap->manifest != NULL));
    int r = statesync_state(s->st->view, s->o.light, (int64_t)snap->height, &a, &state, &commit);
    if (r < 0) return sn_wrap(r, "state at height %llu", (unsigned long long)snap->height);
    r = try_app(s, snap, state);
    if (r == RESTORED) {
        int e = check_app(s, state);
        if (e >= 0) e = bootstrap(s, state, &commit);
        if (e >= 0) {
            const struct sn_statesync_stats *t = &s->st->stats; /* nobody else writes them now */
            SN_LOG_INFO("snapshot restored", SN_L("height", snap->height),
                        SN_L("chunks", t->chunks), SN_L("fetched", t->fetched),
                        SN_L("bytes", t->fetched_bytes), SN_L("known", t->known),
                        SN_L_DURATION("took", sn_now() - begun));
            *ret = state;
            return RESTORED;
        }
        r = e;
    }
    sn_cons_state_unref(state);
    return r;
}

/* ---- all of them ---- */

/* A failure that only says that this snapshot is of no use. */
static bool snapshots_own(int r)
{
    return r == SN_E_OUT_OF_RANGE || r == SN_E_NOT_FOUND || r == SN_E_INVALID_ARGUMENT;
}
static int any(struct session *s, struct sn_cons_state **ret)
{
    unsigned unavailable = 0, rounds = 0;
    int peers = discover(s);
    if (peers < 0) return peers;
    for (;;) {
        sn_mutex_lock_always(&s->st->lock);
        struct sn_snapshot *snap = sn_snapshot_pool_best(&s->pool);
        bool had = s->pool.all.len > 0;
        sn_mutex_unlock(&s->st->lock);
        if (!snap) {
            if (peers > 0 && !had) return sn_fail(SN_E_NOT_FOUND, "no peer has a snapshot");
            if (had && ++rounds > ROUNDS_MAX)
                return sn_fail(SN_E_NOT_FOUND, "no peer has a snapshot that can be restored");
            if ((peers = discover(s)) < 0) return peers;
            continue;
        }
        int r = try_snapshot(s, snap, ret);
        if (r == RESTORED) return 0;
        if (r == SN_E_UNAVAILABLE && ++unavailable < UNAVAILABLE_MAX) {
            SN_LOG_WARN("no answers for the light client", SN_L_ERR(r));
            if ((r = sn_sleep(s->o.discovery_ns / 3)) < 0) return r;
            continue;
        }
        if (r < 0 && !snapshots_own(r)) return r;
        SN_LOG_WARN("snapshot refused", SN_L("height", snap->height),
                    SN_L("why", r < 0 ? sn_diag_str(r) : "the application, or its peers"));
        sn_mutex_lock_always(&s->st->lock);
        snap->rejected = true;
        sn_mutex_unlock(&s->st->lock);
    }
}

int sn_statesync_run(struct sn_statesync *st, const struct sn_statesync_opts *o,
                     struct sn_cons_state **ret)
{
    struct session *s = SN_NEW(struct session);
    if (!s) return SN_E_NOMEM;
    *s = (struct session){.st = st, .o = *o, .last_new = sn_now()};
    if (!s->o.discovery_ns) s->o.discovery_ns = DISCOVERY_NS;
    if (!s->o.chunk_request_ns) s->o.chunk_request_ns = CHUNK_NS;
    if (!s->o.fetchers) s->o.fetchers = 4;
    int r = sn_chunk_store_open(&s->store, o->dir, o->cache_bytes);
    sn_mutex_lock_always(&st->lock);
    bool mine = r >= 0 && !st->session;
    if (mine) st->session = s;
    sn_mutex_unlock(&st->lock);
    if (r >= 0 && !mine) r = sn_fail(SN_E_FAILED_PRECONDITION, "a state sync is going on");
    if (mine) {
        st->view->state_syncing = true;
        r = any(s, ret);
        st->view->state_syncing = false;
        sn_mutex_lock_always(&st->lock);
        st->session = NULL;
        sn_mutex_unlock(&st->lock);
    }
    struct sn_diag why = *sn_diag();
    sn_chunk_store_end(&s->store);
    *sn_diag() = why;
    sn_snapshot_pool_done(&s->pool);
    sn_free(s);
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/sync/statesync_fetch.c - a snapshot's chunks: one fiber asks for them, the peers'
 * fibers write them to disk, the sync's own gives them to the application in their order. */
#include "consensus/sync/statesync_int.h"
#include "core/alloc.h"
#include "crypto/hash.h"
#include "fiber/fiber.h"
#include "kit/log.h"

SN_LOG_MODULE("statesync");

#define HASH 32u

/* ---- asking ---- */

static void ask(struct session *s, unsigned peer, uint32_t chunk)
{
    struct sn_statesync_msg m = {.kind = SN_STATESYNC_CHUNK_REQUEST,
                                 .height = s->snap->height,
                                 .format = s->snap->format,
                                 .n = chunk};
    uint8_t mem[64];
    struct sn_buf buf;
    struct sn_switch_peer *p = sn_switch_find(s->st->view->sw, s->pool.peers[peer].id);
    sn_buf_init_fixed(&buf, mem, sizeof(mem));
    int r = p ? sn_statesync_encode(&m, &buf) : SN_E_CLOSED;
    if (r >= 0) r = sn_switch_peer_try_send(p, SN_CHUNK_CHANNEL, buf.ptr, buf.len);
    sn_switch_peer_unref(p);
    /* One that is only busy gets its time, as if it had been asked. */
    if (r < 0 && r != SN_E_BUSY) sn_chunk_plan_remove(&s->plan, peer);
}
static int fetch(void *arg)
{
    struct session *s = arg;
    int r = sn_mutex_lock(&s->st->lock);
    if (r < 0) return r;
    do {
        unsigned peer;
        uint32_t chunk;
        int64_t until;
        s->plan.limit = (uint32_t)SN_MIN((uint64_t)s->next + AHEAD, (uint64_t)s->plan.n);
        r = sn_chunk_plan_next(&s->plan, sn_now(), &peer, &chunk, &until);
        if (r == 1)
            ask(s, peer, chunk);
        else if (r == 0) {
            /* The applier looks whether anybody is left: a peer may have been given up just now. */
            sn_cond_broadcast(&s->st->changed);
            r = statesync_wait(s, until);
        }
    } while (r >= 0);
    sn_mutex_unlock(&s->st->lock);
    return r;
}

/* ---- arriving ---- */

static int verify(const struct sn_snapshot *snap, const struct sn_statesync_msg *m)
{
    uint8_t got[HASH];
    if (!snap->manifest) return 0;
    int r = sn_hash_once(SN_SHA256, m->chunk.ptr, m->chunk.len, got);
    if (r < 0) return r;
    if (memcmp(got, snap->manifest + (size_t)m->n * HASH, HASH) == 0) return 0;
    return sn_fail(SN_E_INVALID_ARGUMENT, "chunk %u of snapshot %llu is not what its manifest says",
                   m->n, (unsigned long long)m->height);
}
/* Whether the chunk is wanted from this peer: then it is this fiber's to write. With the lock. */
static bool wanted(struct session *s, int at, const struct sn_statesync_msg *m)
{
    if (at < 0 || !s->snap || m->height != s->snap->height || m->format != s->snap->format)
        return false;
    if (!sn_chunk_plan_asked(&s->plan, (unsigned)at, m->n)) return false;
    if (m->missing) {
        /* It has thrown the snapshot away. */
        sn_chunk_plan_remove(&s->plan, (unsigned)at);
        s->snap->peers &= ~(1ull << at);
        sn_cond_broadcast(&s->st->changed);
        return false;
    }
    return !s->arriving[m->n];
}
void statesync_receive_chunk(struct sn_statesync *st, struct sn_switch_peer *p,
                             const struct sn_statesync_msg *m)
{
    sn_mutex_lock_always(&st->lock);
    struct session *s = st->session;
    int at = s ? sn_snapshot_pool_find(&s->pool, sn_switch_peer_id(p)) : -1;
    bool mine = at >= 0 && wanted(s, at, m);
    if (mine) {
        s->arriving[m->n] = true;
        s->writers++; /* the session waits for us */
    }
    const struct sn_snapshot *snap = mine ? s->snap : NULL;
    sn_mutex_unlock(&st->lock);
    if (!mine) return;
    int lie = verify(snap, m);
    int r = lie < 0 ? 0 : sn_chunk_store_put(&s->store, m->n, m->chunk);
    sn_mutex_lock_always(&st->lock);
    s->arriving[m->n] = false;
    s->writers--;
    if (!s->snap) {
        /* The restore is over; it waits for us to be gone. */
    } else if (lie == SN_E_INVALID_ARGUMENT) {
        statesync_ban(s, sn_switch_peer_id(p), lie);
    } else if (lie < 0 || r < 0) {
        if (r != SN_E_CANCELLED) s->error = lie < 0 ? lie : r;
        sn_chunk_plan_remove(&s->plan, (unsigned)at);
    } else {
        sn_chunk_plan_got(&s->plan, at, m->n, m->chunk.len, sn_now());
        s->sender[m->n] = (uint8_t)at;
        s->progress = sn_now();
        s->fetched++;
        s->fetched_bytes += m->chunk.len;
    }
    sn_cond_broadcast(&st->changed);
    sn_mutex_unlock(&st->lock);
}

/* ---- applying ---- */

/* The lowest chunk that the application has not got, once it is here. Returns 1 with it, 0 all are
 * done, REJECT_SNAPSHOT by SN_E_NOT_FOUND; SN_E_*. With the lock. */
static int await(struct session *s, uint32_t *ret)
{
    for (;;) {
        while (s->next < s->plan.n && s->done[s->next]) s->next++;
        if (s->next == s->plan.n) return 0;
        if (s->plan.state[s->next] == SN_CHUNK_HERE) break;
        if (s->error < 0) return sn_fail(s->error, "a chunk could not be stored");
        if (!sn_chunk_plan_useful(&s->plan))
            return sn_fail(SN_E_NOT_FOUND, "no peer has it any more");
        if (sn_now() - s->progress >= STALL_NS)
            return sn_fail(SN_E_NOT_FOUND, "no chunk for %d s", (int)(STALL_NS / SN_SEC));
        int r = statesync_wait(s, s->progress + STALL_NS);
        if (r < 0) return r;
    }
    *ret = s->next;
    return 1;
}

static void again(struct session *s, uint32_t chunk)
{
    if (chunk >= s->plan.n) return;
    s->done[chunk] = false;
    s->next = SN_MIN(s->next, chunk);
    s->sender[chunk] = NOBODY;
    sn_chunk_plan_again(&s->plan, chunk);
    sn_cond_broadcast(&s->st->changed);
}
/* Its chunks that the application has not taken go with a sender. */
static void reject_sender(struct session *s, struct sn_str id)
{
    char name[SN_SNAPSHOT_ID_MAX];
    if (sn_str_cz(id, name, sizeof(name)) < 0) return;
    int at = sn_snapshot_pool_find(&s->pool, name);
    for (uint32_t i = 0; at >= 0 && i < s->plan.n; i++)
        if (s->sender[i] == at && !s->done[i] && s->plan.state[i] == SN_CHUNK_HERE) again(s, i);
    statesync_ban(s, name, sn_fail(SN_E_PERMISSION_DENIED, "the application refuses it"));
}

#define APPLIED(x) TENDERMINT_ABCI_RESPONSE_APPLY_SNAPSHOT_CHUNK_RESULT_##x
/* What the application says to a chunk. Returns 0 go on, an outcome, SN_E_ABORTED. With the lock.
 */
static int judge(struct session *s, uint32_t chunk,
                 const struct tendermint_abci_response_apply_snapshot_chunk *res, unsigned *retries)
{
    if (res->result == APPLIED(ACCEPT)) s->done[chunk] = true;
    for (uint32_t i = 0; i < res->refetch_chunks.len; i++) again(s, res->refetch_chunks.ptr[i]);
    for (uint32_t i = 0; i < res->reject_senders.len; i++)
        reject_sender(s, res->reject_senders.ptr[i]);
    switch (res->result) {
    case APPLIED(ACCEPT): *retries = 0; return 0;
    case APPLIED(ABORT): return sn_fail(SN_E_ABORTED, "the application gave up at chunk %u", chunk);
    case APPLIED(RETRY): return ++*retries > RETRIES_MAX ? REJECT_SNAPSHOT : 0;
    case APPLIED(RETRY_SNAPSHOT): return RETRY_SNAPSHOT;
    case APPLIED(REJECT_SNAPSHOT): return REJECT_SNAPSHOT;
    default:
        return sn_fail(SN_E_PROTOCOL, "the application answered %d to a chunk", (int)res->result);
    }
}

/* One chunk, read without the lock. */
static int apply_one(struct session *s, uint32_t chunk, unsigned *retries)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct tendermint_abci_request_apply_snapshot_chunk req = {.index = chunk};
    struct tendermint_abci_response_apply_snapshot_chunk *res;
    uint8_t from = s->sender[chunk];
    sn_arena_init(&a, NULL, 0);
    if (from != NOBODY) req.sender = sn_arena_str(&a, sn_str(s->pool.peers[from].id));
    sn_mutex_unlock(&s->st->lock);
    int got = sn_chunk_store_get(&s->store, chunk, &a, &req.chunk);
    int r =
        got < 0 ? got : sn_abci_apply_snapshot_chunk(s->st->view->app->snapshot, &req, &a, &res);
    sn_mutex_lock_always(&s->st->lock);
    if (got == SN_E_NOT_FOUND) {
        again(s, chunk);
        return 0;
    }
    if (r < 0) return sn_wrap(r, "chunk %u", chunk);
    r = judge(s, chunk, res, retries);
    if (s->done[chunk]) sn_cond_broadcast(&s->st->changed); /* more may be asked for ahead of it */
    if (r == 0 && s->done[chunk]) sn_chunk_store_drop(&s->store, chunk, false);
    return r;
}
static int apply_all(struct session *s)
{
    unsigned retries = 0;
    uint32_t chunk;
    for (;;) {
        int r = await(s, &chunk);
        if (r == SN_E_NOT_FOUND) {
            SN_LOG_WARN("snapshot given up", SN_L("height", s->snap->height), SN_L_ERR(r));
            return REJECT_SNAPSHOT;
        }
        if (r == 0) return RESTORED;
        if (r < 0) return r;
        if ((r = apply_one(s, chunk, &retries)) != 0) return r;
    }
}

/* What need not be fetched: the application has it, or an earlier restore left it on our disk. */
static void find_known(struct session *s)
{
    struct sn_abci_app *app = s->o.local_app;
    for (uint32_t i = 0; i < s->plan.n; i++) {
        bool known = app && app->snapshot_chunk_known && app->snapshot_chunk_known(app, i);
        if (!known && !sn_chunk_store_has(&s->store, i)) continue;
        s->done[i] = known;
        s->known++;
        sn_chunk_plan_got(&s->plan, -1, i, 0, 0);
    }
}
/* Nobody looks at these before s->snap is set. */
static int begin(struct session *s, struct sn_snapshot *snap)
{
    uint32_t n = snap->chunks;
    s->next = 0;
    s->error = 0;
    s->fetched = s->fetched_bytes = s->known = 0;
    s->sender = sn_alloc(n);
    s->arriving = SN_NEW_ARRAY(bool, n);
    s->done = SN_NEW_ARRAY(bool, n);
    if (!s->sender || !s->arriving || !s->done) return SN_E_NOMEM;
    memset(s->sender, NOBODY, n);
    int r = sn_chunk_plan_init(&s->plan, n, s->o.fetchers, s->o.chunk_request_ns);
    if (r >= 0) r = sn_chunk_store_begin(&s->store, snap);
    if (r < 0) return r;
    find_known(s);
    sn_mutex_lock_always(&s->st->lock);
    s->snap = snap;
    s->progress = sn_now();
    for (unsigned i = 0; i < SN_SNAPSHOT_PEERS_MAX; i++)
        if (snap->peers & (1ull << i)) sn_chunk_plan_add(&s->plan, i);
    sn_mutex_unlock(&s->st->lock);
    return 0;
}

static int writers_gone(void *arg)
{
    struct session *s = arg;
    int r = 0;
    sn_mutex_lock_always(&s->st->lock);
    while (s->writers && r >= 0) r = statesync_wait(s, SN_FOREVER);
    SN_ASSERT(s->writers == 0); /* who writes a file does not wait for anybody else */
    sn_mutex_unlock(&s->st->lock);
    return 0;
}
static void end(struct session *s, const struct sn_snapshot *snap)
{
    sn_mutex_lock_always(&s->st->lock);
    s->snap = NULL;
    s->st->stats = (struct sn_statesync_stats){.height = (int64_t)snap->height,
                                               .chunks = snap->chunks,
                                               .fetched = s->fetched,
                                               .fetched_bytes = s->fetched_bytes,
                                               .known = s->known};
    sn_mutex_unlock(&s->st->lock);
    (void)sn_shield(600 * SN_SEC, writers_gone, s);
    sn_chunk_plan_done(&s->plan);
    sn_free(s->sender);
    sn_free(s->arriving);
    sn_free(s->done);
    s->sender = NULL;
    s->arriving = s->done = NULL;
}

int statesync_restore(struct session *s, struct sn_snapshot *snap)
{
    struct sn_scope_storage mem;
    int r = begin(s, snap);
    if (r >= 0) {
        struct sn_scope *scope = sn_scope_begin(&mem);
        r = sn_scope_go(scope, "statesync-fetch", fetch, s);
        sn_mutex_lock_always(&s->st->lock);
        if (r >= 0) r = apply_all(s);
        sn_mutex_unlock(&s->st->lock);
        struct sn_diag why = *sn_diag();
        sn_scope_cancel(scope);
        (void)sn_scope_end(scope);
        *sn_diag() = why;
    }
    end(s, snap);
    return r;
}

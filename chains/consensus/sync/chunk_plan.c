/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/sync/chunk_plan.c - requests, answers, timeouts. */
#include "consensus/sync/chunk_plan.h"

/* A request is doubled when it has taken so much longer than its peer's rate lets one expect. */
#define PATIENCE 3
#define PATIENCE_NS_MIN (300 * SN_MS)

int sn_chunk_plan_init(struct sn_chunk_plan *p, uint32_t n, unsigned window, int64_t timeout_ns)
{
    *p = (struct sn_chunk_plan){.n = n,
                                .limit = n,
                                .timeout_ns = timeout_ns,
                                .window = window ? window : SN_CHUNK_WINDOW};
    p->state = sn_zalloc(n, 1);
    if (!p->state) return SN_E_NOMEM;
    int r = sn_vec_reserve(&p->open, 2 * SN_CHUNK_PEERS_MAX);
    if (r < 0) sn_chunk_plan_done(p);
    return r;
}
void sn_chunk_plan_done(struct sn_chunk_plan *p)
{
    sn_free(p->state);
    sn_vec_done(&p->open);
    *p = (struct sn_chunk_plan){0};
}

void sn_chunk_plan_add(struct sn_chunk_plan *p, unsigned peer)
{
    if (!p->peers[peer].used) p->peers[peer] = (struct sn_chunk_peer){.used = true, .window = 2};
}

/* Nobody has been asked for it any more, unless it is here. */
static void wanted(struct sn_chunk_plan *p, uint32_t chunk)
{
    SN_VEC_EACH (&p->open, it)
        if (it->chunk == chunk) return;
    if (p->state[chunk] != SN_CHUNK_ASKED) return;
    p->state[chunk] = SN_CHUNK_WANTED;
    p->lowest = SN_MIN(p->lowest, chunk);
}
static void drop(struct sn_chunk_plan *p, size_t i)
{
    struct sn_chunk_request q = p->open.ptr[i];
    p->peers[q.peer].open--;
    sn_vec_remove_swap(&p->open, i);
    SN_VEC_EACH (&p->open, it)
        if (it->chunk == q.chunk) it->doubled = false;
    wanted(p, q.chunk);
}
void sn_chunk_plan_remove(struct sn_chunk_plan *p, unsigned peer)
{
    for (size_t i = p->open.len; i-- > 0;)
        if (p->open.ptr[i].peer == peer) drop(p, i);
    p->peers[peer].used = false;
}

static void expire(struct sn_chunk_plan *p, int64_t now)
{
    for (size_t i = p->open.len; i-- > 0;) {
        struct sn_chunk_request q = p->open.ptr[i];
        struct sn_chunk_peer *peer = &p->peers[q.peer];
        if (now - q.at < p->timeout_ns) continue;
        drop(p, i);
        peer->window = SN_MAX(peer->window / 2, 1u);
        peer->rate /= 2;
        if (++peer->failures < SN_CHUNK_FAILURES_MAX) continue;
        sn_chunk_plan_remove(p, q.peer);
        i = p->open.len;
    }
}

/* The peer that will most likely answer first; except: not that one. -1: none has room. */
static int pick_peer(const struct sn_chunk_plan *p, int except)
{
    int best = -1;
    double best_score = 0, known = 0;
    for (unsigned i = 0; i < SN_CHUNK_PEERS_MAX; i++) known = SN_MAX(known, p->peers[i].rate);
    for (unsigned i = 0; i < SN_CHUNK_PEERS_MAX; i++) {
        const struct sn_chunk_peer *q = &p->peers[i];
        if (!q->used || q->open >= q->window || (int)i == except) continue;
        /* One that has not answered yet counts as the best, so that it is tried. */
        double score = (q->rate > 0 ? q->rate : SN_MAX(known, 1)) / (q->open + 1);
        if (best >= 0 && score <= best_score) continue;
        best = (int)i;
        best_score = score;
    }
    return best;
}

/* The oldest request that takes too long, and who else could answer it. */
static int pick_slow(struct sn_chunk_plan *p, int64_t now, size_t *ret, int64_t *ret_until)
{
    double fastest = 0;
    int found = -1;
    for (unsigned i = 0; i < SN_CHUNK_PEERS_MAX; i++)
        if (p->peers[i].rate > fastest) fastest = p->peers[i].rate;
    for (size_t i = 0; i < p->open.len; i++) {
        struct sn_chunk_request *q = &p->open.ptr[i];
        const struct sn_chunk_peer *peer = &p->peers[q->peer];
        double bytes = peer->chunks ? (double)peer->bytes / (double)peer->chunks : 0;
        double usual = fastest > 0 ? bytes / fastest * (double)SN_SEC : 0;
        int64_t due = q->at + SN_MAX((int64_t)usual * PATIENCE, PATIENCE_NS_MIN);
        if (q->doubled || pick_peer(p, q->peer) < 0) continue;
        if (due > now)
            *ret_until = SN_MIN(*ret_until, due);
        else if (found < 0 || q->at < p->open.ptr[found].at)
            found = (int)i;
    }
    *ret = (size_t)found;
    return found >= 0;
}

static int ask(struct sn_chunk_plan *p, unsigned peer, uint32_t chunk, bool doubled, int64_t now)
{
    int r = sn_vec_push(&p->open, (struct sn_chunk_request){chunk, (uint8_t)peer, doubled, now});
    if (r < 0) return r;
    p->peers[peer].open++;
    p->state[chunk] = SN_CHUNK_ASKED;
    return 1;
}

int sn_chunk_plan_next(struct sn_chunk_plan *p, int64_t now, unsigned *ret_peer,
                       uint32_t *ret_chunk, int64_t *ret_until)
{
    size_t slow;
    *ret_until = SN_FOREVER;
    expire(p, now);
    SN_VEC_EACH (&p->open, it) *ret_until = SN_MIN(*ret_until, it->at + p->timeout_ns);
    int peer = pick_peer(p, -1);
    if (peer < 0) return 0;
    while (p->lowest < p->n && p->state[p->lowest] != SN_CHUNK_WANTED) p->lowest++;
    if (p->lowest < SN_MIN(p->n, p->limit)) {
        *ret_peer = (unsigned)peer;
        *ret_chunk = p->lowest;
        return ask(p, (unsigned)peer, p->lowest, false, now);
    }
    if (!pick_slow(p, now, &slow, ret_until)) return 0;
    struct sn_chunk_request *q = &p->open.ptr[slow];
    q->doubled = true;
    *ret_chunk = q->chunk;
    *ret_peer = (unsigned)pick_peer(p, q->peer);
    return ask(p, *ret_peer, *ret_chunk, true, now);
}

bool sn_chunk_plan_asked(const struct sn_chunk_plan *p, unsigned peer, uint32_t chunk)
{
    if (chunk >= p->n || p->state[chunk] != SN_CHUNK_ASKED) return false;
    for (size_t i = 0; i < p->open.len; i++)
        if (p->open.ptr[i].chunk == chunk && p->open.ptr[i].peer == peer) return true;
    return false;
}

static void answered(struct sn_chunk_plan *p, const struct sn_chunk_request *q, size_t bytes,
                     int64_t now)
{
    struct sn_chunk_peer *peer = &p->peers[q->peer];
    double took = (double)SN_MAX(now - q->at, (int64_t)(10 * SN_US));
    /* What was open beside it came over the same wire. */
    double rate = (double)bytes * peer->open * (double)SN_SEC / took;
    peer->rate = peer->rate > 0 ? 0.7 * peer->rate + 0.3 * rate : rate;
    peer->bytes += bytes;
    peer->chunks++;
    peer->failures = 0;
    peer->window = SN_MIN(peer->window + 1, p->window);
}
void sn_chunk_plan_got(struct sn_chunk_plan *p, int peer, uint32_t chunk, size_t bytes, int64_t now)
{
    if (p->state[chunk] != SN_CHUNK_HERE) p->here++;
    p->state[chunk] = SN_CHUNK_HERE;
    for (size_t i = p->open.len; i-- > 0;) {
        if (p->open.ptr[i].chunk != chunk) continue;
        if ((int)p->open.ptr[i].peer == peer) answered(p, &p->open.ptr[i], bytes, now);
        drop(p, i);
    }
}
void sn_chunk_plan_again(struct sn_chunk_plan *p, uint32_t chunk)
{
    if (p->state[chunk] != SN_CHUNK_HERE) return;
    p->here--;
    p->state[chunk] = SN_CHUNK_WANTED;
    p->lowest = SN_MIN(p->lowest, chunk);
}
bool sn_chunk_plan_useful(const struct sn_chunk_plan *p)
{
    for (unsigned i = 0; i < SN_CHUNK_PEERS_MAX; i++)
        if (p->peers[i].used) return true;
    return false;
}

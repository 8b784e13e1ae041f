/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/sync/snapshots.c - the pool. A peer is a place in a table, so that who offers a
 * snapshot is a bit set. */
#include "consensus/sync/snapshots.h"

#include <stdio.h>

#include "crypto/hash.h"

static void snapshot_free(struct sn_snapshot *s)
{
    sn_arena_done(&s->arena);
    sn_free(s);
}
void sn_snapshot_pool_done(struct sn_snapshot_pool *p)
{
    SN_VEC_EACH (&p->all, it) snapshot_free(*it);
    sn_vec_done(&p->all);
    sn_vec_done(&p->bad_formats);
    *p = (struct sn_snapshot_pool){0};
}

int sn_snapshot_pool_find(const struct sn_snapshot_pool *p, const char *id)
{
    for (unsigned i = 0; i < SN_SNAPSHOT_PEERS_MAX; i++)
        if (p->peers[i].used && strcmp(p->peers[i].id, id) == 0) return (int)i;
    return -1;
}
static int take_peer(struct sn_snapshot_pool *p, const char *id)
{
    int at = sn_snapshot_pool_find(p, id);
    for (unsigned i = 0; at < 0 && i < SN_SNAPSHOT_PEERS_MAX; i++) {
        if (p->peers[i].used || strlen(id) >= SN_SNAPSHOT_ID_MAX) continue;
        snprintf(p->peers[i].id, sizeof(p->peers[i].id), "%s", id);
        p->peers[i].used = true;
        at = (int)i;
    }
    return at;
}

static int key_of(const struct sn_statesync_msg *m, uint8_t ret[32])
{
    struct sn_hasher h;
    int r = sn_hasher_init(&h, SN_SHA256);
    uint64_t lens[] = {m->height, m->format, m->n, m->hash.len, m->metadata.len};
    sn_hasher_put(&h, lens, sizeof(lens));
    sn_hasher_put(&h, m->hash.ptr, m->hash.len);
    sn_hasher_put(&h, m->metadata.ptr, m->metadata.len);
    if (r >= 0) r = sn_hasher_final(&h, ret);
    sn_hasher_done(&h);
    return r;
}
static int snapshot_new(const struct sn_statesync_msg *m, const uint8_t key[32],
                        struct sn_snapshot **ret)
{
    struct sn_snapshot *s = SN_NEW(struct sn_snapshot);
    if (!s) return SN_E_NOMEM;
    sn_arena_init(&s->arena, NULL, 0);
    s->height = m->height;
    s->format = m->format;
    s->chunks = m->n;
    s->hash = sn_arena_str(&s->arena, m->hash);
    s->metadata = sn_arena_str(&s->arena, m->metadata.ptr ? m->metadata : SN_STR(""));
    memcpy(s->key, key, sizeof(s->key));
    if (!s->hash.ptr || !s->metadata.ptr) {
        snapshot_free(s);
        return SN_E_NOMEM;
    }
    s->manifest = sn_statesync_manifest(s->metadata, s->chunks, &s->arena);
    *ret = s;
    return 0;
}

int sn_snapshot_pool_add(struct sn_snapshot_pool *p, const char *peer,
                         const struct sn_statesync_msg *m)
{
    struct sn_snapshot *s = NULL;
    uint8_t key[32];
    unsigned offered = 0;
    int at = take_peer(p, peer);
    if (at < 0 || p->peers[at].rejected) return 0;
    int r = key_of(m, key);
    if (r < 0) return r;
    uint64_t bit = 1ull << at;
    SN_VEC_EACH (&p->bad_formats, f)
        if (*f == m->format) return 0;
    SN_VEC_EACH (&p->all, it) {
        if (memcmp((*it)->key, key, sizeof(key)) == 0) s = *it;
        offered += ((*it)->peers & bit) != 0;
    }
    if (s && (s->rejected || s->peers & bit)) return 0;
    if (offered >= SN_SNAPSHOTS_PER_PEER) return 0;
    if (!s) {
        size_t bytes = m->hash.len + 2 * m->metadata.len + sizeof(*s);
        if (p->bytes + bytes > SN_SNAPSHOT_POOL_BYTES) return 0;
        if ((r = snapshot_new(m, key, &s)) < 0) return r;
        if ((r = sn_vec_push(&p->all, s)) < 0) {
            snapshot_free(s);
            return r;
        }
        p->bytes += bytes;
        s->peers = bit;
        return 1;
    }
    s->peers |= bit;
    return 0;
}

static void forget(struct sn_snapshot_pool *p, int at)
{
    SN_VEC_EACH (&p->all, it) (*it)->peers &= ~(1ull << at);
}
void sn_snapshot_pool_remove_peer(struct sn_snapshot_pool *p, const char *peer)
{
    int at = sn_snapshot_pool_find(p, peer);
    if (at < 0) return;
    forget(p, at);
    /* One that was rejected is remembered: it may come back. */
    if (!p->peers[at].rejected) p->peers[at].used = false;
}
void sn_snapshot_pool_reject_peer(struct sn_snapshot_pool *p, const char *peer)
{
    int at = take_peer(p, peer);
    if (at < 0) return;
    p->peers[at].rejected = true;
    forget(p, at);
}
int sn_snapshot_pool_reject_format(struct sn_snapshot_pool *p, uint32_t format)
{
    int r = sn_vec_push(&p->bad_formats, format);
    if (r < 0) return r;
    SN_VEC_EACH (&p->all, it)
        if ((*it)->format == format) (*it)->rejected = true;
    return 0;
}

static bool better(const struct sn_snapshot *a, const struct sn_snapshot *b)
{
    if (a->height != b->height) return a->height > b->height;
    if (a->format != b->format) return a->format > b->format;
    return __builtin_popcountll(a->peers) > __builtin_popcountll(b->peers);
}
struct sn_snapshot *sn_snapshot_pool_best(struct sn_snapshot_pool *p)
{
    struct sn_snapshot *best = NULL;
    SN_VEC_EACH (&p->all, it)
        if (!(*it)->rejected && (*it)->peers && (!best || better(*it, best))) best = *it;
    return best;
}
unsigned sn_snapshot_pool_peers(const struct sn_snapshot_pool *p)
{
    uint64_t any = 0;
    SN_VEC_EACH (&p->all, it) any |= (*it)->peers;
    return (unsigned)__builtin_popcountll(any);
}

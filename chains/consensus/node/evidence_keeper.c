/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/node/evidence_keeper.c - the pool under a lock, and its image on the disk.
 *
 * Keys: a byte (01 pending, 00 committed), the height in 16 upper-case hexadecimal digits, a
 * slash, the id in 64. Values: the piece's encoding; the height as an Int64Value. After each change
 * the ids of what waits are compared with those that are stored, and the difference is written in
 * one batch. */
#include "consensus/node/evidence_keeper.h"

#include <stdatomic.h>

#include "consensus/codec.h"
#include "consensus/hash.h"
#include "core/alloc.h"
#include "core/enc.h"
#include "core/varint.h"
#include "core/vec.h"
#include "fiber/sync.h"
#include "kit/log.h"

SN_LOG_MODULE("evidence");

#define PENDING 0x01
#define COMMITTED 0x00
#define HEIGHT_DIGITS 16u
#define KEY_LEN (1 + HEIGHT_DIGITS + 1 + 2 * SN_CONS_HASH_LEN)

struct stored {
    int64_t height;
    struct sn_cons_hash id;
};
struct sn_evidence_keeper {
    struct sn_evidence_keeper_opts o;
    struct sn_cons_history history;
    struct sn_mutex lock; /* of the pool and what is stored */
    struct sn_cons_evpool *pool;
    SN_VEC(struct stored) stored; /* pending pieces on the disk, in the pool's order */
    _Atomic int64_t max_age;
    _Atomic uint64_t generation;
    struct sn_mutex news_lock;
    struct sn_cond news;
};

/* ---- the past ---- */

static int get_header(void *arg, int64_t height, struct sn_cons_header *ret)
{
    struct sn_evidence_keeper *k = arg;
    struct sn_cons_block_meta meta;
    int r = sn_cons_block_store_meta(k->o.blocks, height, &meta);
    if (r < 0) return r;
    *ret = meta.header;
    return 0;
}
static int get_commit(void *arg, int64_t height, struct sn_arena *a, struct sn_cons_commit *ret)
{
    struct sn_evidence_keeper *k = arg;
    /* The newest block's commit is in no block yet. */
    if (height == sn_cons_block_store_height(k->o.blocks))
        return sn_cons_block_store_seen(k->o.blocks, height, a, ret);
    return sn_cons_block_store_commit(k->o.blocks, height, a, ret);
}
static int get_validators(void *arg, int64_t height, struct sn_cons_valset **ret)
{
    return sn_cons_state_store_validators(((struct sn_evidence_keeper *)arg)->o.states, height,
                                          ret);
}
static int64_t get_latest(void *arg)
{
    return sn_cons_block_store_height(((struct sn_evidence_keeper *)arg)->o.blocks);
}

/* ---- keys ---- */

static void put_upper(const uint8_t *bytes, size_t n, char *out)
{
    (void)sn_hex_encode(bytes, n, out);
    for (size_t i = 0; i < 2 * n; i++)
        if (out[i] >= 'a') out[i] = (char)(out[i] - 'a' + 'A');
}
static struct sn_str key_of(uint8_t kind, const struct stored *s, char out[KEY_LEN])
{
    uint8_t height[8];
    for (unsigned i = 0; i < 8; i++) height[i] = (uint8_t)((uint64_t)s->height >> (56 - 8 * i));
    out[0] = (char)kind;
    put_upper(height, 8, out + 1);
    out[1 + HEIGHT_DIGITS] = '/';
    put_upper(s->id.b, SN_CONS_HASH_LEN, out + 1 + HEIGHT_DIGITS + 1);
    return sn_str_of(out, KEY_LEN);
}
static bool parse_key(struct sn_str key, struct stored *ret)
{
    uint8_t height[8];
    if (key.len != KEY_LEN || key.ptr[1 + HEIGHT_DIGITS] != '/') return false;
    if (sn_hex_decode(sn_str_sub(key, 1, 1 + HEIGHT_DIGITS), height) < 0) return false;
    if (sn_hex_decode(sn_str_from(key, 2 + HEIGHT_DIGITS), ret->id.b) < 0) return false;
    ret->id.len = SN_CONS_HASH_LEN;
    uint64_t h = 0;
    for (unsigned i = 0; i < 8; i++) h = h << 8 | height[i];
    ret->height = (int64_t)h;
    return ret->height > 0;
}
static int order(const struct stored *a, const struct stored *b)
{
    if (a->height != b->height) return a->height < b->height ? -1 : 1;
    return memcmp(a->id.b, b->id.b, SN_CONS_HASH_LEN);
}

/* ---- the disk ---- */

static int put_pending(struct sn_kv_batch *batch, const struct stored *s,
                       const struct sn_cons_evidence *ev)
{
    char key[KEY_LEN];
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    int r = sn_cons_evidence_encode(ev, &b);
    return r < 0 ? r : sn_kv_batch_put(batch, key_of(PENDING, s, key), sn_buf_view(&b));
}
static int put_committed(struct sn_kv_batch *batch, const struct sn_cons_block *b)
{
    int r = 0;
    for (uint32_t i = 0; r >= 0 && i < b->n_evidence; i++) {
        char key[KEY_LEN];
        uint8_t value[1 + SN_VARINT_MAX] = {1 << 3};
        struct stored s = {.height = sn_cons_evidence_height(b->evidence[i])};
        r = sn_cons_evidence_id(b->evidence[i], &s.id);
        if (r < 0) break;
        size_t n = 1 + sn_varint_put(value + 1, (uint64_t)s.height);
        r = sn_kv_batch_put(batch, key_of(COMMITTED, &s, key), sn_str_of((const char *)value, n));
    }
    return r;
}
/* Adds to the batch what the pool has and the disk has not, and the other way round; `now` becomes
 * the list of what waits. Returns how many are new. Both lists are in order. */
static int differences(struct sn_evidence_keeper *k, struct sn_kv_batch *batch,
                       struct sn_cons_evidence **list, uint32_t n, struct stored *now)
{
    size_t at = 0;
    int fresh = 0, r = 0;
    for (uint32_t i = 0; r >= 0 && i <= n; i++) {
        if (i < n) {
            now[i].height = sn_cons_evidence_height(list[i]);
            r = sn_cons_evidence_id(list[i], &now[i].id);
        }
        for (; r >= 0 && at < k->stored.len && (i == n || order(&k->stored.ptr[at], &now[i]) < 0);
             at++) {
            char key[KEY_LEN];
            r = sn_kv_batch_del(batch, key_of(PENDING, &k->stored.ptr[at], key));
        }
        if (r < 0 || i == n) break;
        if (at < k->stored.len && order(&k->stored.ptr[at], &now[i]) == 0) {
            at++;
            continue;
        }
        r = put_pending(batch, &now[i], list[i]);
        fresh++;
    }
    return r < 0 ? r : fresh;
}
static void tell(struct sn_evidence_keeper *k)
{
    sn_mutex_lock_always(&k->news_lock);
    atomic_fetch_add(&k->generation, 1);
    sn_cond_broadcast(&k->news);
    sn_mutex_unlock(&k->news_lock);
}
/* With the lock: the disk has what the pool has. b: NULL, or a block whose pieces are committed. */
static int store(struct sn_evidence_keeper *k, const struct sn_cons_block *b)
{
    struct sn_kv_batch batch = {0};
    struct sn_cons_evidence **list;
    struct sn_arena a;
    int64_t bytes;
    uint32_t n = 0;
    sn_arena_init(&a, NULL, 0);
    int fresh = 0;
    int r = sn_cons_evpool_pending(k->pool, INT64_MAX, &a, &list, &n, &bytes);
    struct stored *now = r < 0 ? NULL : SN_ARENA_ARRAY(&a, struct stored, n + 1);
    if (r >= 0 && !now) r = SN_E_NOMEM;
    if (r >= 0) r = sn_vec_reserve(&k->stored, n);
    if (r >= 0) r = fresh = differences(k, &batch, list, n, now);
    if (r >= 0 && b) r = put_committed(&batch, b);
    if (r >= 0 && batch.n) r = sn_kv_write(k->o.kv, &batch, true);
    if (r >= 0) {
        if (n) memcpy(k->stored.ptr, now, n * sizeof(*now));
        k->stored.len = n;
        if (fresh > 0) tell(k);
    }
    sn_kv_batch_done(&batch);
    sn_arena_done(&a);
    return r < 0 ? sn_wrap(r, "evidence store") : 0;
}

/* ---- what was stored ---- */

static int load_committed(struct sn_evidence_keeper *k, const struct sn_cons_state *s,
                          const struct stored *x)
{
    struct sn_cons_header header;
    int r = get_header(k, x->height, &header);
    /* A block that has been pruned is old by time; by heights the piece may still be young. */
    if (r == SN_E_NOT_FOUND)
        header.time = SN_CONS_TIME_ZERO;
    else if (r < 0)
        return r;
    if (sn_cons_evidence_expired(s, x->height, header.time)) return 0;
    return sn_cons_evpool_restore(k->pool, &x->id, x->height, header.time);
}
static int load_pending(struct sn_evidence_keeper *k, const struct stored *x, struct sn_str value)
{
    struct sn_cons_evidence ev;
    struct sn_cons_hash id;
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    int r = sn_cons_evidence_decode(value, &a, &ev);
    if (r >= 0) r = sn_cons_evidence_id(&ev, &id);
    if (r >= 0 && !sn_cons_hash_eq(&id, &x->id))
        r = sn_fail(SN_E_DATA_LOSS, "another piece is stored under its key");
    if (r >= 0) r = sn_cons_evpool_add(k->pool, &ev);
    sn_arena_done(&a);
    /* It is on the disk, whether it is of use or not: the first change removes it there. */
    if (r >= 0 || (r != SN_E_NOMEM && r != SN_E_CANCELLED)) {
        if (r < 0)
            SN_LOG_WARN("stored evidence is left out", SN_L("height", x->height), SN_L_ERR(r));
        return sn_vec_push(&k->stored, *x);
    }
    return r;
}
static int load_pair(struct sn_evidence_keeper *k, const struct sn_cons_state *s,
                     const struct sn_kv_pair *p)
{
    struct stored x;
    if (!parse_key(p->key, &x)) {
        SN_LOG_WARN("evidence store: a key that is none", SN_L("bytes", p->key.len));
        return 0;
    }
    return p->key.ptr[0] == COMMITTED ? load_committed(k, s, &x) : load_pending(k, &x, p->value);
}
/* Committed ones come first, by their keys: a piece that is among both does not wait. */
static int load(struct sn_evidence_keeper *k, const struct sn_cons_state *s)
{
    char from[KEY_LEN + 1] = {0}, to = PENDING + 1;
    struct sn_kv_range range = {.from = {from, 1}, .to = {&to, 1}};
    struct sn_arena a;
    int r = 1;
    sn_arena_init(&a, NULL, 0);
    while (r > 0) {
        struct sn_kv_pair *pairs;
        size_t n;
        sn_arena_reset(&a);
        r = sn_kv_scan(k->o.kv, &range, &a, &pairs, &n);
        for (size_t i = 0; r >= 0 && i < n; i++) {
            int e = load_pair(k, s, &pairs[i]);
            if (e < 0) r = e;
        }
        if (r > 0) {
            /* On from the last key, and a byte more. */
            struct sn_str last = pairs[n - 1].key;
            range.from.len = SN_MIN(last.len, (size_t)KEY_LEN) + 1;
            memcpy(from, last.ptr, range.from.len - 1);
            from[range.from.len - 1] = last.len > KEY_LEN ? (char)0xff : 0;
        }
    }
    sn_arena_done(&a);
    return r < 0 ? r : 0;
}
int sn_evidence_keeper_new(const struct sn_evidence_keeper_opts *o, struct sn_cons_state *s,
                           struct sn_evidence_keeper **ret)
{
    struct sn_evidence_keeper *k = SN_NEW(struct sn_evidence_keeper);
    if (!k) return SN_E_NOMEM;
    k->o = *o;
    k->history = (struct sn_cons_history){k, get_header, get_commit, get_validators, get_latest};
    atomic_init(&k->max_age, s->params.evidence_max_blocks);
    int r = sn_cons_evpool_new(s, &k->history, o->verifier, &k->pool);
    if (r >= 0) r = load(k, s);
    if (r >= 0) r = store(k, NULL); /* what was left out goes */
    if (r < 0) {
        k->o.kv = NULL;
        sn_evidence_keeper_free(k);
        return sn_wrap(r, "evidence");
    }
    *ret = k;
    return 0;
}
void sn_evidence_keeper_free(struct sn_evidence_keeper *k)
{
    if (!k) return;
    sn_cons_evpool_free(k->pool);
    sn_vec_done(&k->stored);
    sn_kv_close(k->o.kv);
    sn_free(k);
}

/* ---- the pool's calls ---- */

int sn_evidence_keeper_add(struct sn_evidence_keeper *k, const struct sn_cons_evidence *ev)
{
    int r = sn_mutex_lock(&k->lock);
    if (r < 0) return r;
    int added = sn_cons_evpool_add(k->pool, ev);
    if (added == 1) {
        SN_LOG_INFO("evidence", SN_L("height", sn_cons_evidence_height(ev)),
                    SN_L("double_vote", ev->kind == SN_CONS_DUPLICATE_VOTE));
        r = store(k, NULL);
    }
    sn_mutex_unlock(&k->lock);
    return r < 0 ? r : added;
}
int sn_evidence_keeper_report(struct sn_evidence_keeper *k, struct sn_cons_vote *a,
                              struct sn_cons_vote *b)
{
    sn_mutex_lock_always(&k->lock);
    int r = sn_cons_evpool_report(k->pool, a, b);
    sn_mutex_unlock(&k->lock);
    return r;
}
int sn_evidence_keeper_check(void *arg, const struct sn_cons_state *s,
                             const struct sn_cons_block *b)
{
    struct sn_evidence_keeper *k = arg;
    if (b->n_evidence == 0) return 0;
    int r = sn_mutex_lock(&k->lock);
    if (r < 0) return r;
    r = sn_cons_evpool_check(k->pool, s, b);
    sn_mutex_unlock(&k->lock);
    return r;
}
static int copy(const struct sn_cons_evidence *ev, struct sn_arena *a,
                struct sn_cons_evidence **ret)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    int r = sn_cons_evidence_encode(ev, &b);
    if (r < 0) return r;
    struct sn_cons_evidence *x = SN_ARENA_ARRAY(a, struct sn_cons_evidence, 1);
    if (!x) return SN_E_NOMEM;
    *ret = x;
    return sn_cons_evidence_decode(sn_buf_view(&b), a, x);
}
int sn_evidence_keeper_pending(struct sn_evidence_keeper *k, int64_t bytes_max, struct sn_arena *a,
                               struct sn_cons_evidence ***ret, uint32_t *ret_n, int64_t *ret_bytes)
{
    struct sn_cons_evidence **list;
    uint32_t n;
    int64_t bytes;
    int r = sn_mutex_lock(&k->lock);
    if (r < 0) return r;
    r = sn_cons_evpool_pending(k->pool, bytes_max, a, &list, &n, &bytes);
    for (uint32_t i = 0; r >= 0 && i < n; i++) r = copy(list[i], a, &list[i]);
    sn_mutex_unlock(&k->lock);
    if (r < 0) return r;
    *ret = list;
    *ret_n = n;
    *ret_bytes = bytes;
    return 0;
}
int sn_evidence_keeper_update(struct sn_evidence_keeper *k, struct sn_cons_state *s,
                              const struct sn_cons_block *b)
{
    sn_mutex_lock_always(&k->lock);
    int r = sn_cons_evpool_update(k->pool, s, b);
    atomic_store(&k->max_age, s->params.evidence_max_blocks);
    if (r >= 0) r = store(k, b);
    sn_mutex_unlock(&k->lock);
    return r;
}
uint64_t sn_evidence_keeper_generation(const struct sn_evidence_keeper *k)
{
    return atomic_load(&k->generation);
}
int sn_evidence_keeper_wait(struct sn_evidence_keeper *k, uint64_t seen)
{
    int r = sn_mutex_lock(&k->news_lock);
    if (r < 0) return r;
    while (r == 0 && atomic_load(&k->generation) == seen) r = sn_cond_wait(&k->news, &k->news_lock);
    sn_mutex_unlock(&k->news_lock);
    return r;
}
int64_t sn_evidence_keeper_max_age(const struct sn_evidence_keeper *k)
{
    return atomic_load(&k->max_age);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/mempool/mempool.c - shards of keys, and the order.
 *
 * A shard's lock guards its table, the order's lock the list, the cursors and every tx's state;
 * neither is ever taken inside the other. A transaction that leaves is unlinked first and its key
 * forgotten after: in between it counts as a duplicate, which costs its sender one repetition. */
#include "consensus/mempool/mempool.h"

#include <stdatomic.h>

#include "core/alloc.h"
#include "core/map.h"
#include "core/status.h"
#include "core/varint.h"
#include "crypto/hash.h"
#include "fiber/sync.h"

#define YIELD_TXS 256    /* that leave, between two looks at other fibers */
#define DISPLACE_LOOK 16 /* of a peer's newest transactions, for one that may go */

enum { CHECKING, LINKED, GONE };

/* A key: of a transaction here (tx), or of one that was, in the order of their going. */
struct record {
    uint8_t key[SN_MEMPOOL_KEY];
    struct sn_mempool_tx *tx;
    struct sn_list lru;
};

struct shard {
    struct sn_mutex lock;
    struct sn_map records;
    struct sn_list lru;
    uint32_t cached;
};

struct holder {
    uint32_t txs;
    uint64_t bytes;
    struct sn_list list;
};

struct sn_mempool {
    struct sn_mempool_opts o;
    uint32_t cache_max; /* of one shard */
    struct sn_mutex order_lock;
    struct sn_list order, at_end; /* cursors with nothing to read */
    struct sn_mempool_cursor recheck;
    uint64_t seq, state, recheck_until; /* state: counts blocks, like height, but from our start */
    int64_t height;
    _Atomic uint64_t txs, bytes;
    _Atomic uint64_t duplicates, refused, full;
    uint64_t added, displaced, expired, rechecked, failed_recheck;
    void (*on_added)(void *arg, size_t bytes);
    void *on_added_arg;
    struct holder holders[SN_MEMPOOL_PEERS_MAX];
    struct shard shards[];
};

#define COUNT(counter) atomic_fetch_add_explicit(&(counter), 1, memory_order_relaxed)

/* ---- one transaction ---- */

struct sn_mempool_tx *sn_mempool_tx_ref(struct sn_mempool_tx *tx)
{
    atomic_fetch_add_explicit(&tx->refs, 1, memory_order_relaxed);
    return tx;
}

void sn_mempool_tx_unref(struct sn_mempool_tx *tx)
{
    if (tx && atomic_fetch_sub_explicit(&tx->refs, 1, memory_order_acq_rel) == 1) sn_free(tx);
}

static void peer_has(struct sn_mempool_tx *tx, uint16_t peer)
{
    atomic_fetch_or_explicit(&tx->had_by[peer / 64], 1ull << peer % 64, memory_order_relaxed);
}
static void sent_by(struct sn_mempool_tx *tx, uint16_t peer)
{
    if (peer == 0)
        atomic_store_explicit(&tx->local, true, memory_order_relaxed);
    else
        peer_has(tx, peer);
}

static bool has(const struct sn_mempool_tx *tx, uint16_t peer)
{
    return atomic_load_explicit(&tx->had_by[peer / 64], memory_order_relaxed) >> peer % 64 & 1;
}

static struct sn_mempool_tx *tx_new(struct sn_str data, const uint8_t *key, uint16_t from)
{
    struct sn_mempool_tx *tx = sn_alloc(sizeof(*tx) + data.len);
    if (!tx) return NULL;
    memset(tx, 0, sizeof(*tx));
    memcpy(tx->bytes, data.ptr, data.len);
    tx->data = (struct sn_str){(const char *)tx->bytes, data.len};
    memcpy(tx->key, key, SN_MEMPOOL_KEY);
    tx->from = from;
    tx->refs = 1;
    sn_list_init(&tx->cursors);
    sent_by(tx, from);
    return tx;
}

/* ---- shards ---- */

static struct sn_str key_str(const uint8_t *key)
{
    return (struct sn_str){(const char *)key, SN_MEMPOOL_KEY};
}

static struct shard *shard_of(struct sn_mempool *mp, const uint8_t *key)
{
    return &mp->shards[key[0] & (mp->o.shards - 1)];
}

static void record_free(struct shard *s, struct record *rec)
{
    if (!rec->tx) {
        sn_list_del(&rec->lru);
        s->cached--;
    }
    (void)sn_map_del(&s->records, key_str(rec->key));
    sn_mempool_tx_unref(rec->tx);
    sn_free(rec);
}

static struct record *record_new(struct shard *s, const uint8_t *key)
{
    struct record *rec = SN_NEW(struct record);
    if (!rec) return NULL;
    memcpy(rec->key, key, SN_MEMPOOL_KEY);
    if (sn_map_put(&s->records, key_str(rec->key), rec, NULL) < 0) {
        sn_free(rec);
        return NULL;
    }
    return rec;
}

/* The record stays without its transaction, as the youngest of those that are only remembered. */
static void remember(struct sn_mempool *mp, struct shard *s, struct record *rec)
{
    if (rec->tx) {
        sn_mempool_tx_unref(rec->tx);
        rec->tx = NULL;
        s->cached++;
    } else {
        sn_list_del(&rec->lru);
    }
    sn_list_push_back(&s->lru, &rec->lru);
    while (s->cached > mp->cache_max)
        record_free(s, SN_LIST_ENTRY(s->lru.next, struct record, lru));
}

/* After tx has left the order. */
static void forget(struct sn_mempool *mp, struct sn_mempool_tx *tx, bool keep)
{
    struct shard *s = shard_of(mp, tx->key);
    sn_mutex_lock_always(&s->lock);
    struct record *rec = sn_map_get(&s->records, key_str(tx->key));
    if (rec && rec->tx == tx) {
        if (keep)
            remember(mp, s, rec);
        else
            record_free(s, rec);
    }
    sn_mutex_unlock(&s->lock);
}

/* ---- the order; the caller holds its lock ---- */

static struct sn_mempool_tx *tx_after(struct sn_mempool *mp, struct sn_list *node)
{
    return node->next == &mp->order ? NULL : SN_LIST_ENTRY(node->next, struct sn_mempool_tx, order);
}

static void cursor_move(struct sn_mempool *mp, struct sn_mempool_cursor *c,
                        struct sn_mempool_tx *to)
{
    sn_list_del(&c->at);
    c->next = to;
    sn_list_push_back(to ? &to->cursors : &mp->at_end, &c->at);
}

/* Takes the caller's reference: the order's now. */
static void link_tx(struct sn_mempool *mp, struct sn_mempool_tx *tx)
{
    struct holder *h = &mp->holders[tx->from];
    tx->state = LINKED;
    tx->seq = ++mp->seq;
    sn_list_push_back(&mp->order, &tx->order);
    sn_list_push_back(&h->list, &tx->of_sender);
    h->txs++;
    h->bytes += tx->data.len;
    atomic_fetch_add_explicit(&mp->txs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&mp->bytes, tx->data.len, memory_order_relaxed);
    mp->added++;
    if (mp->on_added) mp->on_added(mp->on_added_arg, tx->data.len);
    SN_LIST_EACH (&mp->at_end, n) {
        struct sn_mempool_cursor *c = SN_LIST_ENTRY(n, struct sn_mempool_cursor, at);
        cursor_move(mp, c, tx);
        if (c->wake) c->wake(c->arg);
    }
}

/* The order's reference is the caller's then. */
static void unlink_tx(struct sn_mempool *mp, struct sn_mempool_tx *tx)
{
    struct holder *h = &mp->holders[tx->from];
    struct sn_mempool_tx *next = tx_after(mp, &tx->order);
    SN_LIST_EACH (&tx->cursors, n)
        cursor_move(mp, SN_LIST_ENTRY(n, struct sn_mempool_cursor, at), next);
    sn_list_del(&tx->order);
    sn_list_del(&tx->of_sender);
    tx->state = GONE;
    h->txs--;
    h->bytes -= tx->data.len;
    atomic_fetch_sub_explicit(&mp->txs, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&mp->bytes, tx->data.len, memory_order_relaxed);
}

static bool fits(struct sn_mempool *mp, size_t len)
{
    return atomic_load_explicit(&mp->txs, memory_order_relaxed) < mp->o.txs_max &&
           atomic_load_explicit(&mp->bytes, memory_order_relaxed) + len <= mp->o.bytes_max;
}

/* What may go for a transaction of len bytes from `from`; NULL: nothing. */
static struct sn_mempool_tx *displaceable(struct sn_mempool *mp, uint16_t from, size_t len)
{
    bool by_count = atomic_load_explicit(&mp->txs, memory_order_relaxed) >= mp->o.txs_max;
    const struct holder *mine = &mp->holders[from], *his = &mp->holders[1];
    for (const struct holder *h = his; h < mp->holders + SN_MEMPOOL_PEERS_MAX; h++)
        if (by_count ? h->txs > his->txs : h->bytes > his->bytes) his = h;
    /* Still the one that holds more afterwards: two peers do not displace each other by turns. */
    if (by_count ? his->txs <= mine->txs + 1 : his->bytes <= mine->bytes + len) return NULL;
    const struct sn_list *n = his->list.prev;
    for (unsigned i = 0; i < DISPLACE_LOOK && n != &his->list; i++, n = n->prev) {
        struct sn_mempool_tx *tx = SN_LIST_ENTRY(n, struct sn_mempool_tx, of_sender);
        if (!atomic_load_explicit(&tx->local, memory_order_relaxed)) return tx;
    }
    return NULL;
}

static int is_full(struct sn_mempool *mp)
{
    COUNT(mp->full);
    return sn_fail(
        SN_E_RESOURCE_EXHAUSTED,
        "mempool is full: number of txs %llu (max: %u), total txs bytes %llu (max: %llu)",
        (unsigned long long)mp->txs, mp->o.txs_max, (unsigned long long)mp->bytes,
        (unsigned long long)mp->o.bytes_max);
}

/* ---- coming ---- */

static int admit(struct sn_mempool *mp, struct sn_str data, uint16_t from)
{
    if (data.len > mp->o.tx_bytes_max)
        return sn_fail(SN_E_TOO_LARGE, "Tx too large. Max size is %u, but got %zu",
                       mp->o.tx_bytes_max, data.len);
    if (fits(mp, data.len)) return 0;
    sn_mutex_lock_always(&mp->order_lock);
    bool room = fits(mp, data.len) || displaceable(mp, from, data.len);
    sn_mutex_unlock(&mp->order_lock);
    return room ? 0 : is_full(mp);
}

int sn_mempool_begin(struct sn_mempool *mp, struct sn_str data, uint16_t from, int64_t now_ns,
                     struct sn_mempool_tx **ret_tx)
{
    uint8_t key[SN_MEMPOOL_KEY];
    SN_ASSERT(from < SN_MEMPOOL_PEERS_MAX);
    int r = admit(mp, data, from);
    if (r < 0) return r;
    if ((r = sn_hash_once(SN_SHA256, data.ptr, data.len, key)) < 0) return r;
    struct shard *s = shard_of(mp, key);
    sn_mutex_lock_always(&s->lock);
    struct record *rec = sn_map_get(&s->records, key_str(key));
    if (rec) {
        if (rec->tx)
            sent_by(rec->tx, from);
        else
            remember(mp, s, rec); /* it is still about */
        sn_mutex_unlock(&s->lock);
        COUNT(mp->duplicates);
        return sn_fail(SN_E_ALREADY_EXISTS, "tx already exists in cache");
    }
    struct sn_mempool_tx *tx = tx_new(data, key, from);
    rec = tx ? record_new(s, key) : NULL;
    if (rec) rec->tx = sn_mempool_tx_ref(tx);
    sn_mutex_unlock(&s->lock);
    if (!rec) {
        sn_mempool_tx_unref(tx);
        return SN_E_NOMEM;
    }
    sn_mutex_lock_always(&mp->order_lock);
    tx->height = mp->height;
    tx->at_ns = now_ns;
    tx->checked = mp->state;
    sn_mutex_unlock(&mp->order_lock);
    *ret_tx = tx;
    return 0;
}

int sn_mempool_finish(struct sn_mempool *mp, struct sn_mempool_tx *tx, bool ok, int64_t gas)
{
    if (!ok) {
        COUNT(mp->refused);
        forget(mp, tx, mp->o.keep_invalid);
        sn_mempool_tx_unref(tx);
        return 0;
    }
    struct sn_list out; /* the displaced ones, by their link of the sender's list */
    struct sn_mempool_tx *victim;
    sn_list_init(&out);
    sn_mutex_lock_always(&mp->order_lock);
    bool wanted = tx->state == CHECKING, linked = false;
    while (wanted && !fits(mp, tx->data.len) &&
           (victim = displaceable(mp, tx->from, tx->data.len))) {
        unlink_tx(mp, victim);
        sn_list_push_back(&out, &victim->of_sender);
        mp->displaced++;
    }
    if (wanted && fits(mp, tx->data.len)) {
        tx->gas = gas;
        link_tx(mp, sn_mempool_tx_ref(tx));
        /* A block came while it was checked. */
        if (tx->checked != mp->state) mp->recheck_until = tx->seq;
        linked = true;
    }
    sn_mutex_unlock(&mp->order_lock);
    SN_LIST_EACH (&out, n) {
        victim = SN_LIST_ENTRY(n, struct sn_mempool_tx, of_sender);
        forget(mp, victim, false);
        sn_mempool_tx_unref(victim);
    }
    if (wanted && !linked) forget(mp, tx, false);
    sn_mempool_tx_unref(tx);
    return linked ? 1 : wanted ? is_full(mp) : 0;
}

/* ---- going ---- */

/* Out of the order; a transaction still being checked will not get there. */
static void leave(struct sn_mempool *mp, struct sn_mempool_tx *tx)
{
    sn_mutex_lock_always(&mp->order_lock);
    bool linked = tx->state == LINKED;
    if (linked) unlink_tx(mp, tx);
    tx->state = GONE;
    sn_mutex_unlock(&mp->order_lock);
    if (linked) sn_mempool_tx_unref(tx);
}

/* Referenced, also one that is still being checked. */
static struct sn_mempool_tx *known(struct sn_mempool *mp, const uint8_t *key)
{
    struct shard *s = shard_of(mp, key);
    sn_mutex_lock_always(&s->lock);
    struct record *rec = sn_map_get(&s->records, key_str(key));
    struct sn_mempool_tx *tx = rec && rec->tx ? sn_mempool_tx_ref(rec->tx) : NULL;
    sn_mutex_unlock(&s->lock);
    return tx;
}

static int committed(struct sn_mempool *mp, const struct sn_mempool_done *d)
{
    uint8_t own[SN_MEMPOOL_KEY];
    const uint8_t *key = d->key ? d->key : own;
    bool keep = d->ok || mp->o.keep_invalid;
    int r = d->key ? 0 : sn_hash_once(SN_SHA256, d->data.ptr, d->data.len, own);
    if (r < 0) return r;
    struct shard *s = shard_of(mp, key);
    sn_mutex_lock_always(&s->lock);
    struct record *rec = sn_map_get(&s->records, key_str(key));
    struct sn_mempool_tx *tx = rec && rec->tx ? sn_mempool_tx_ref(rec->tx) : NULL;
    if (!rec && keep && (rec = record_new(s, key))) {
        sn_list_push_back(&s->lru, &rec->lru);
        s->cached++;
    }
    if (!rec && keep) r = SN_E_NOMEM;
    if (rec && keep)
        remember(mp, s, rec);
    else if (rec)
        record_free(s, rec);
    sn_mutex_unlock(&s->lock);
    if (tx) leave(mp, tx);
    sn_mempool_tx_unref(tx);
    return r;
}

/* The order is by age: the first that may stay ends it. */
static struct sn_mempool_tx *expired(struct sn_mempool *mp, int64_t now_ns)
{
    struct sn_mempool_tx *tx = tx_after(mp, &mp->order);
    bool old = tx && ((mp->o.ttl_blocks && mp->height - tx->height > mp->o.ttl_blocks) ||
                      (mp->o.ttl_ns && now_ns - tx->at_ns > mp->o.ttl_ns));
    if (!old) return NULL;
    unlink_tx(mp, tx);
    mp->expired++;
    return tx;
}

void sn_mempool_decided(struct sn_mempool *mp, int64_t height)
{
    sn_mutex_lock_always(&mp->order_lock);
    mp->height = height;
    mp->state++;
    sn_mutex_unlock(&mp->order_lock);
}

int sn_mempool_update(struct sn_mempool *mp, int64_t now_ns, const struct sn_mempool_done *txs,
                      size_t n)
{
    int r = 0;
    for (size_t i = 0; i < n; i++) {
        int e = committed(mp, &txs[i]);
        if (e < 0) r = e;
        if (i % YIELD_TXS == YIELD_TXS - 1 && sn_self()) sn_yield();
    }
    for (struct sn_mempool_tx *tx;;) {
        sn_mutex_lock_always(&mp->order_lock);
        tx = expired(mp, now_ns);
        if (!tx) break;
        sn_mutex_unlock(&mp->order_lock);
        forget(mp, tx, false);
        sn_mempool_tx_unref(tx);
    }
    cursor_move(mp, &mp->recheck, tx_after(mp, &mp->order));
    mp->recheck_until = mp->seq;
    sn_mutex_unlock(&mp->order_lock);
    return r;
}

int sn_mempool_remove(struct sn_mempool *mp, const uint8_t key[SN_MEMPOOL_KEY])
{
    struct sn_mempool_tx *tx = known(mp, key);
    if (!tx) return sn_fail(SN_E_NOT_FOUND, "transaction not found in mempool");
    leave(mp, tx);
    forget(mp, tx, false);
    sn_mempool_tx_unref(tx);
    return 0;
}

void sn_mempool_flush(struct sn_mempool *mp)
{
    for (uint32_t i = 0; i < mp->o.shards; i++) {
        struct shard *s = &mp->shards[i];
        for (;;) {
            size_t it = 0;
            sn_mutex_lock_always(&s->lock);
            struct sn_map_slot *slot = sn_map_next(&s->records, &it);
            struct record *rec = slot ? slot->value : NULL;
            struct sn_mempool_tx *tx = rec && rec->tx ? sn_mempool_tx_ref(rec->tx) : NULL;
            if (rec) record_free(s, rec);
            sn_mutex_unlock(&s->lock);
            if (tx) leave(mp, tx);
            sn_mempool_tx_unref(tx);
            if (!rec) break;
        }
    }
}

/* ---- checking again ---- */

struct sn_mempool_tx *sn_mempool_recheck_take(struct sn_mempool *mp)
{
    if (mp->o.no_recheck) return NULL;
    sn_mutex_lock_always(&mp->order_lock);
    struct sn_mempool_tx *tx = mp->recheck.next;
    while (tx && tx->seq <= mp->recheck_until && tx->checked == mp->state)
        tx = tx_after(mp, &tx->order);
    if (tx && tx->seq > mp->recheck_until) {
        cursor_move(mp, &mp->recheck, tx);
        tx = NULL;
    } else {
        cursor_move(mp, &mp->recheck, tx ? tx_after(mp, &tx->order) : NULL);
    }
    if (tx) {
        tx->rechecking = mp->state;
        (void)sn_mempool_tx_ref(tx);
    }
    sn_mutex_unlock(&mp->order_lock);
    return tx;
}

void sn_mempool_recheck_done(struct sn_mempool *mp, struct sn_mempool_tx *tx, bool ok, int64_t gas)
{
    sn_mutex_lock_always(&mp->order_lock);
    bool counts = tx->state == LINKED && tx->rechecking == mp->state, out = counts && !ok;
    mp->rechecked++;
    if (counts && ok) {
        tx->checked = mp->state;
        tx->gas = gas;
    }
    if (out) {
        unlink_tx(mp, tx);
        mp->failed_recheck++;
    }
    sn_mutex_unlock(&mp->order_lock);
    if (out) {
        forget(mp, tx, mp->o.keep_invalid);
        sn_mempool_tx_unref(tx);
    }
    sn_mempool_tx_unref(tx);
}

static bool is_checked(const struct sn_mempool *mp, const struct sn_mempool_tx *tx)
{
    return mp->o.no_recheck || tx->checked == mp->state;
}

bool sn_mempool_rechecked(struct sn_mempool *mp)
{
    bool all = true;
    sn_mutex_lock_always(&mp->order_lock);
    SN_LIST_EACH (&mp->order, n) {
        all = all && is_checked(mp, SN_LIST_ENTRY(n, struct sn_mempool_tx, order));
        if (!all) break;
    }
    sn_mutex_unlock(&mp->order_lock);
    return all;
}

/* ---- reading ---- */

/* Bytes of a transaction in a block's Data: tag, length, content. */
static int64_t field_bytes(size_t len) { return (int64_t)(1 + sn_varint_len(len) + len); }

size_t sn_mempool_reap(struct sn_mempool *mp, const struct sn_mempool_limits *l,
                       struct sn_mempool_tx **txs, size_t n_max)
{
    int64_t bytes = 0, gas = 0;
    size_t n = 0;
    sn_mutex_lock_always(&mp->order_lock);
    for (struct sn_mempool_tx *tx = tx_after(mp, &mp->order); tx && n < n_max;
         tx = tx_after(mp, &tx->order)) {
        bytes += field_bytes(tx->data.len);
        gas += tx->gas;
        if (!l->unchecked && !is_checked(mp, tx)) break;
        if ((l->bytes >= 0 && bytes > l->bytes) || (l->gas >= 0 && gas > l->gas)) break;
        txs[n++] = sn_mempool_tx_ref(tx);
    }
    sn_mutex_unlock(&mp->order_lock);
    return n;
}

struct sn_mempool_tx *sn_mempool_find(struct sn_mempool *mp, const uint8_t key[SN_MEMPOOL_KEY])
{
    struct sn_mempool_tx *tx = known(mp, key);
    sn_mutex_lock_always(&mp->order_lock);
    bool waits = tx && tx->state == LINKED;
    sn_mutex_unlock(&mp->order_lock);
    if (waits) return tx;
    sn_mempool_tx_unref(tx);
    return NULL;
}

void sn_mempool_cursor_open(struct sn_mempool *mp, struct sn_mempool_cursor *c)
{
    SN_ASSERT(c->peer > 0 && c->peer < SN_MEMPOOL_PEERS_MAX);
    sn_list_init(&c->at);
    sn_mutex_lock_always(&mp->order_lock);
    cursor_move(mp, c, tx_after(mp, &mp->order));
    sn_mutex_unlock(&mp->order_lock);
}

void sn_mempool_cursor_close(struct sn_mempool *mp, struct sn_mempool_cursor *c)
{
    uint64_t others = ~(1ull << c->peer % 64);
    sn_mutex_lock_always(&mp->order_lock);
    sn_list_del(&c->at);
    SN_LIST_EACH (&mp->order, n) {
        struct sn_mempool_tx *tx = SN_LIST_ENTRY(n, struct sn_mempool_tx, order);
        atomic_fetch_and_explicit(&tx->had_by[c->peer / 64], others, memory_order_relaxed);
    }
    sn_mutex_unlock(&mp->order_lock);
}

static bool is_for(const struct sn_mempool_cursor *c, const struct sn_mempool_tx *tx)
{
    if (has(tx, c->peer)) return false;
    return c->share == SN_MEMPOOL_ALL || tx->from == 0 ||
           (tx->key[SN_MEMPOOL_KEY - 1] & 1) == c->odd;
}

size_t sn_mempool_cursor_take(struct sn_mempool *mp, struct sn_mempool_cursor *c,
                              int64_t peer_height, uint64_t bytes_max, struct sn_mempool_tx **txs,
                              size_t n_max)
{
    uint64_t bytes = 0;
    size_t n = 0;
    sn_mutex_lock_always(&mp->order_lock);
    struct sn_mempool_tx *tx = c->next;
    c->stopped_ns = 0;
    for (; tx && n < n_max && tx->height - 1 <= peer_height; tx = tx_after(mp, &tx->order)) {
        if (!is_for(c, tx)) continue;
        if (c->until_ns && tx->at_ns > c->until_ns) {
            c->stopped_ns = tx->at_ns;
            break;
        }
        bytes += (uint64_t)field_bytes(tx->data.len);
        if (n && bytes > bytes_max) break;
        peer_has(tx, c->peer);
        txs[n++] = sn_mempool_tx_ref(tx);
    }
    if (tx != c->next) cursor_move(mp, c, tx);
    sn_mutex_unlock(&mp->order_lock);
    return n;
}

void sn_mempool_stats(struct sn_mempool *mp, struct sn_mempool_stats *ret)
{
    uint64_t cached = 0;
    for (uint32_t i = 0; i < mp->o.shards; i++) {
        sn_mutex_lock_always(&mp->shards[i].lock);
        cached += mp->shards[i].cached;
        sn_mutex_unlock(&mp->shards[i].lock);
    }
    sn_mutex_lock_always(&mp->order_lock);
    *ret = (struct sn_mempool_stats){.txs = mp->txs,
                                     .bytes = mp->bytes,
                                     .cached = cached,
                                     .added = mp->added,
                                     .duplicates = mp->duplicates,
                                     .refused = mp->refused,
                                     .full = mp->full,
                                     .displaced = mp->displaced,
                                     .expired = mp->expired,
                                     .rechecked = mp->rechecked,
                                     .failed_recheck = mp->failed_recheck};
    sn_mutex_unlock(&mp->order_lock);
}
void sn_mempool_on_added(struct sn_mempool *mp, void (*fn)(void *arg, size_t bytes), void *arg)
{
    sn_mutex_lock_always(&mp->order_lock);
    mp->on_added = fn;
    mp->on_added_arg = arg;
    sn_mutex_unlock(&mp->order_lock);
}

/* ---- the pool ---- */

int sn_mempool_new(const struct sn_mempool_opts *o, struct sn_mempool **ret)
{
    uint32_t shards = o->shards ? o->shards : 16;
    if (shards > SN_MEMPOOL_SHARDS_MAX || (shards & (shards - 1)))
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "mempool: %u shards; a power of two up to %d is expected", shards,
                       SN_MEMPOOL_SHARDS_MAX);
    struct sn_mempool *mp = sn_zalloc(1, sizeof(*mp) + shards * sizeof(mp->shards[0]));
    if (!mp) return SN_E_NOMEM;
    mp->o = *o;
    mp->o.shards = shards;
    if (!o->txs_max) mp->o.txs_max = 5000;
    if (!o->bytes_max) mp->o.bytes_max = 1ull << 30;
    if (!o->cache_max) mp->o.cache_max = 10000;
    if (!o->tx_bytes_max) mp->o.tx_bytes_max = 1u << 20;
    mp->cache_max = (mp->o.cache_max + shards - 1) / shards;
    sn_list_init(&mp->order);
    sn_list_init(&mp->at_end);
    sn_list_init(&mp->recheck.at);
    sn_list_push_back(&mp->at_end, &mp->recheck.at);
    for (unsigned i = 0; i < SN_MEMPOOL_PEERS_MAX; i++) sn_list_init(&mp->holders[i].list);
    for (uint32_t i = 0; i < shards; i++) {
        sn_map_init(&mp->shards[i].records, o->seed + i, false);
        sn_list_init(&mp->shards[i].lru);
    }
    *ret = mp;
    return 0;
}

void sn_mempool_free(struct sn_mempool *mp)
{
    if (!mp) return;
    sn_mempool_flush(mp);
    for (uint32_t i = 0; i < mp->o.shards; i++) sn_map_done(&mp->shards[i].records);
    sn_free(mp);
}

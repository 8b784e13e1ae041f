/* SPDX-License-Identifier: Apache-2.0 */
/* index/indexer.c - following the stores and writing what they say.
 *
 * Nothing is synced: what a crash takes from the end of the log is indexed again from the stores,
 * which are. The key of a block's height is written last, so that where it is the rest is, too.
 * Events are numbered by height and place, so that indexing a height twice writes the same keys. */
#include <stdatomic.h>
#include <stdio.h>

#include "consensus/index/index_int.h"
#include "core/alloc.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "kit/log.h"

SN_LOG_MODULE("indexer");

/* ---- one block ---- */

/* What is written of one height. */
struct writer {
    struct sn_kv_batch batch;
    struct sn_buf key, value;
    struct sn_arena arena;
    int64_t height;
    uint64_t seq; /* of the event */
};
static void writer_done(struct writer *w)
{
    sn_kv_batch_done(&w->batch);
    sn_buf_done(&w->key);
    sn_buf_done(&w->value);
    sn_arena_done(&w->arena);
}

static int put(struct writer *w, struct sn_str value)
{
    int r = w->key.err < 0 ? w->key.err : sn_kv_batch_put(&w->batch, sn_buf_view(&w->key), value);
    sn_buf_reset(&w->key);
    return r;
}

static struct sn_str tag_of(struct writer *w, struct sn_str type, struct sn_str name)
{
    char *p = sn_arena_alloc(&w->arena, type.len + 1 + name.len);
    if (!p) return (struct sn_str){0};
    memcpy(p, type.ptr, type.len);
    p[type.len] = '.';
    memcpy(p + type.len + 1, name.ptr, name.len);
    return sn_str_of(p, type.len + 1 + name.len);
}

/* Names the index has for itself: CometBFT indexes nothing of a block that uses one; here the rest
 * of it is. */
static bool is_reserved(struct sn_str tag, bool of_block)
{
    return of_block ? sn_str_eq(tag, SN_INDEX_BLOCK_HEIGHT)
                    : sn_str_eq(tag, SN_INDEX_TX_HEIGHT) || sn_str_eqc(tag, "tx.hash");
}

/* hash: NULL for a block's events. */
static int put_attribute(struct writer *w, struct sn_str tag, struct sn_str value, uint32_t index,
                         const uint8_t *hash)
{
    const struct sn_index_key k = {value, w->height, index, w->seq};
    if (tag.len + value.len > SN_KV_KEY_MAX / 2 || is_reserved(tag, !hash)) {
        SN_LOG_WARN("attribute not indexed: its name is reserved, or it is too long",
                    SN_L("name", sn_str_sub(tag, 0, 100)), SN_L("bytes", (uint64_t)value.len),
                    SN_L("height", w->height));
        return 0;
    }
    if (hash)
        sn_index_tx_key(&w->key, tag, &k);
    else
        sn_index_block_key(&w->key, tag, &k);
    return put(w, hash ? sn_str_of((const char *)hash, 32) : sn_buf_view(&w->value));
}

static int put_events(struct writer *w, struct tendermint_abci_event *const *ev, size_t n,
                      uint32_t index, const uint8_t *hash)
{
    for (size_t i = 0; i < n; i++, w->seq++)
        for (uint32_t k = 0; ev[i]->type.len && k < ev[i]->attributes.len; k++) {
            const struct tendermint_abci_event_attribute *a = ev[i]->attributes.ptr[k];
            if (!a->index || a->key.len == 0) continue;
            struct sn_str tag = tag_of(w, ev[i]->type, a->key);
            int r = tag.ptr ? put_attribute(w, tag, a->value, index, hash) : SN_E_NOMEM;
            if (r < 0) return r;
        }
    return 0;
}

/* A height as the block index's values have it: a varint whose lowest bit is the sign. */
static void put_height(struct sn_buf *out, int64_t height)
{
    uint64_t v = (uint64_t)height << 1;
    for (; v >= 0x80; v >>= 7) sn_buf_byte(out, (uint8_t)(v | 0x80));
    sn_buf_byte(out, (uint8_t)v);
}

static int put_tx(struct writer *w, struct sn_str tx, uint32_t index,
                  struct tendermint_abci_exec_tx_result *res)
{
    uint8_t hash[32];
    struct tendermint_abci_tx_result m = {.height = w->height,
                                          .index = index,
                                          .tx = tx,
                                          .result = res};
    int r = sn_hash_once(SN_SHA256, tx.ptr, tx.len, hash);
    if (r == 0) r = put_events(w, res->events.ptr, res->events.len, index, hash);
    if (r < 0) return r;
    char height[24];
    int n = snprintf(height, sizeof(height), "%lld", (long long)w->height);
    sn_index_tx_key(&w->key, SN_INDEX_TX_HEIGHT,
                    &(struct sn_index_key){sn_str_of(height, (size_t)n), w->height, index, 0});
    r = put(w, sn_str_of((const char *)hash, 32));
    if (r < 0) return r;
    sn_buf_reset(&w->value);
    ssize_t len = tendermint_abci_tx_result_encode(&m, &w->value);
    sn_buf_put(&w->key, hash, 32);
    return len < 0 ? (int)len : put(w, sn_buf_view(&w->value));
}

static int write_out(struct sn_indexer *ix, struct writer *w)
{
    int r = sn_kv_write(ix->o.kv, &w->batch, false);
    sn_kv_batch_done(&w->batch);
    w->batch = (struct sn_kv_batch){0};
    sn_arena_reset(&w->arena);
    return r;
}

static int put_block(struct sn_indexer *ix, struct writer *w, const struct sn_cons_block *b,
                     const struct tendermint_abci_response_finalize_block *res)
{
    int r = 0;
    if (b->n_txs != res->tx_results.len)
        return sn_fail(SN_E_DATA_LOSS, "%u transactions and %u results", b->n_txs,
                       res->tx_results.len);
    for (uint32_t i = 0; i < b->n_txs && r == 0; i++) {
        r = put_tx(w, b->txs[i], i, res->tx_results.ptr[i]);
        if (r == 0 && i % SN_INDEXER_BATCH == SN_INDEXER_BATCH - 1) r = write_out(ix, w);
    }
    sn_buf_reset(&w->value);
    put_height(&w->value, w->height);
    if (r == 0) r = put_events(w, res->events.ptr, res->events.len, 0, NULL);
    sn_index_block_height_key(&w->key, w->height);
    if (r == 0) r = put(w, sn_buf_view(&w->value));
    return r < 0 ? r : write_out(ix, w);
}

static int answer_of(struct sn_indexer *ix, int64_t height, struct sn_buf *out)
{
    int r = sn_cons_state_store_answer(ix->o.states, height, out);
    if (r == SN_E_FAILED_PRECONDITION)
        r = sn_cons_state_store_last_answer(ix->o.states, height, out);
    return r;
}

int sn_indexer_put(struct sn_indexer *ix, const struct sn_cons_block *b,
                   const struct tendermint_abci_response_finalize_block *res)
{
    struct writer w SN_CLEANUP(
        writer_done) = {.height = b->header.height,
                        .seq = (uint64_t)b->header.height << SN_INDEXER_EVENTS_LOG2 | 1};
    return put_block(ix, &w, b, res);
}

static int index_height(struct sn_indexer *ix, int64_t height)
{
    struct sn_buf answer SN_CLEANUP(sn_buf_done) = {0};
    struct sn_arena a SN_CLEANUP(sn_arena_done) = {0};
    struct tendermint_abci_response_finalize_block *res = NULL;
    struct sn_cons_block *b = NULL;
    int r = sn_cons_block_store_block(ix->o.blocks, height, &b);
    if (r == 0) r = answer_of(ix, height, &answer);
    if (r == 0)
        r = tendermint_abci_response_finalize_block_parse(sn_buf_view(&answer),
                                                          SN_PB_DISCARD_UNKNOWN, &a, &res);
    if (r >= 0) r = sn_indexer_put(ix, b, res);
    sn_cons_block_unref(b);
    return r < 0 ? sn_wrap(r, "index height %lld", (long long)height) : 0;
}

/* ---- following ---- */

/* Forward only, but for the first look at the store. */
static void moved_to(struct sn_indexer *ix, int64_t height)
{
    sn_mutex_lock_always(&ix->lock);
    if (height > ix->height || !ix->looked) atomic_store(&ix->height, height);
    ix->looked = true;
    sn_cond_broadcast(&ix->moved);
    sn_mutex_unlock(&ix->lock);
}

/* What cannot be read is said and left out: one damaged or pruned height must not keep later ones
 * from being found. */
static int follow(struct sn_indexer *ix, int64_t target)
{
    for (int64_t h; (h = atomic_load(&ix->height) + 1) <= target;) {
        int64_t base = sn_cons_block_store_base(ix->o.blocks);
        if (h < base) {
            if (h > 1)
                SN_LOG_WARN("pruned before they were indexed", SN_L("from", h), SN_L("to", base));
            moved_to(ix, base - 1);
            continue;
        }
        int r = index_height(ix, h);
        if (r == SN_E_CANCELLED || r == SN_E_DEADLINE_EXCEEDED) return r;
        if (r < 0) SN_LOG_ERROR("a height is not indexed", SN_L("height", h), SN_L_ERR(r));
        if (r == SN_E_NOMEM || r == SN_E_IO) {
            if ((r = sn_sleep(SN_INDEXER_RETRY_NS)) < 0) return r;
            continue;
        }
        moved_to(ix, h);
    }
    return 0;
}

/* Up to where blocks have been executed by a run before. */
static int executed(struct sn_indexer *ix, int64_t *ret)
{
    struct sn_cons_state *s;
    int r = sn_cons_state_store_load(ix->o.states, &s);
    *ret = 0;
    if (r == SN_E_NOT_FOUND) return 0;
    if (r < 0) return r;
    *ret = SN_MIN(s->last_height, sn_cons_block_store_height(ix->o.blocks));
    sn_cons_state_unref(s);
    return 0;
}

int sn_indexer_run(struct sn_indexer *ix)
{
    int64_t last = 0, stored = 0;
    int r = sn_indexer_last(ix, &last);
    if (r == 0) r = executed(ix, &stored);
    if (r < 0) return sn_wrap(r, "indexer");
    /* CometBFT writes a block's and its transactions' keys one after the other: the last height may
     * be half there. */
    if (last > 0) moved_to(ix, last - 1);
    sn_indexer_wake(ix, stored);
    for (;;) {
        if ((r = follow(ix, atomic_load(&ix->target))) < 0) return r;
        if ((r = sn_sem_acquire(&ix->woken, 1)) < 0) return r;
        while (sn_sem_try(&ix->woken, 1)) continue;
    }
}

void sn_indexer_wake(struct sn_indexer *ix, int64_t height)
{
    int64_t seen = atomic_load(&ix->target);
    while (seen < height && !atomic_compare_exchange_weak(&ix->target, &seen, height)) continue;
    sn_sem_release(&ix->woken, 1);
}

int sn_indexer_block(struct sn_indexer *ix, const struct sn_cons_block *b,
                     const struct tendermint_abci_response_finalize_block *res)
{
    int64_t height = b->header.height;
    int r = sn_indexer_put(ix, b, res);
    if (r < 0) return sn_wrap(r, "index height %lld", (long long)height);
    /* Behind a gap the follower comes by itself. */
    if (atomic_load(&ix->height) == height - 1) moved_to(ix, height);
    return 0;
}

int64_t sn_indexer_height(const struct sn_indexer *ix) { return atomic_load(&ix->height); }

int sn_indexer_wait(struct sn_indexer *ix, int64_t height)
{
    int r = sn_mutex_lock(&ix->lock);
    if (r < 0) return r;
    while (r == 0 && atomic_load(&ix->height) < height) r = sn_cond_wait(&ix->moved, &ix->lock);
    sn_mutex_unlock(&ix->lock);
    return r;
}

int sn_indexer_range(struct sn_indexer *ix, int64_t from, int64_t to)
{
    for (int64_t h = from; h <= to; h++) {
        int r = index_height(ix, h);
        if (r < 0) return r;
    }
    return 0;
}

/* ---- life ---- */

int sn_indexer_last(struct sn_indexer *ix, int64_t *ret)
{
    struct sn_buf from SN_CLEANUP(sn_buf_done) = {0}, to SN_CLEANUP(sn_buf_done) = {0};
    struct sn_arena a SN_CLEANUP(sn_arena_done) = {0};
    struct sn_kv_pair *pairs;
    size_t n;
    sn_index_block_height_key(&from, 0);
    sn_index_block_height_key(&to, INT64_MAX);
    if (from.err < 0 || to.err < 0) return SN_E_NOMEM;
    const struct sn_kv_range range = {sn_buf_view(&from), sn_buf_view(&to), .backwards = true,
                                      .n_max = 1};
    int r = sn_kv_scan(ix->o.kv, &range, &a, &pairs, &n);
    if (r < 0) return r;
    *ret = 0;
    if (n == 0) return 0;
    struct sn_str tail = sn_str_from(pairs[0].key, from.len - 1);
    if (!sn_index_take_i64(&tail, ret) || tail.len)
        return sn_fail(SN_E_DATA_LOSS, "index: the last block's key cannot be read");
    return 0;
}

int sn_indexer_new(const struct sn_indexer_opts *o, struct sn_indexer **ret)
{
    struct sn_indexer *ix = SN_NEW(struct sn_indexer);
    if (!ix) return SN_E_NOMEM;
    ix->o = *o;
    if (!ix->o.found_max) ix->o.found_max = SN_INDEXER_FOUND_MAX;
    int64_t last;
    int r = sn_indexer_last(ix, &last);
    if (r < 0) {
        sn_free(ix);
        return r;
    }
    ix->height = last;
    *ret = ix;
    return 0;
}

void sn_indexer_free(struct sn_indexer *ix)
{
    if (!ix) return;
    sn_kv_close(ix->o.kv);
    sn_free(ix);
}

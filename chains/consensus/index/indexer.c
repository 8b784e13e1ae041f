/* SPDX-License-Identifier: Apache-2.0 */
/* index/indexer.c - following the stores and writing what they say.
 *
 * Nothing is synced: what a crash takes from the end of the log is indexed again from the stores,
 * which are. The key of a block's height is written last, so that where it is the rest is, too.
 * Events are numbered by height and place, so that indexing a height twice writes the same keys. */
#include <stdatomic.h>
#include <stdio.h>

#include "consensus/index/index_int.h"
#include "consensus/index/psql.h"
#include "core/alloc.h"
#include "core/status.h"
#include "core/varint.h"
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
    uint64_t seq; /* of the next event */
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
static int put_attribute(struct writer *w, struct sn_str tag, const struct sn_index_key *k,
                         const uint8_t *hash)
{
    if (tag.len + k->value.len > SN_KV_KEY_MAX / 2 || is_reserved(tag, !hash)) {
        SN_LOG_WARN("attribute not indexed: its name is reserved, or it is too long",
                    SN_L("name", sn_str_sub(tag, 0, 100)),
                    SN_L("bytes", (uint64_t)k->value.len), SN_L("height", w->height));
        return 0;
    }
    if (hash)
        sn_index_tx_key(&w->key, tag, k);
    else
        sn_index_block_key(&w->key, tag, k);
    return put(w, hash ? sn_str_of((const char *)hash, 32) : sn_buf_view(&w->value));
}

static int put_block_events(struct writer *w, struct tendermint_abci_event *const *ev, size_t n)
{
    for (size_t i = 0; i < n; i++, w->seq++)
        for (uint32_t k = 0; ev[i]->type.len && k < ev[i]->attributes.len; k++) {
            const struct tendermint_abci_event_attribute *a = ev[i]->attributes.ptr[k];
            if (!a->index || a->key.len == 0) continue;
            struct sn_str tag = tag_of(w, ev[i]->type, a->key);
            const struct sn_index_key key = {a->value, w->height, 0, w->seq};
            int r = tag.ptr ? put_attribute(w, tag, &key, NULL) : SN_E_NOMEM;
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

/* Fields of tendermint.abci.TxResult, and of ResponseFinalizeBlock the results. */
#define TX_RESULT_HEIGHT 0x08
#define TX_RESULT_INDEX 0x10
#define TX_RESULT_TX 0x1a
#define TX_RESULT_RESULT 0x22
#define ANSWER_RESULT 0x12

static bool take_varint(struct sn_str *in, uint64_t *ret)
{
    int n = sn_varint_get(*in, ret);
    if (n > 0) *in = sn_str_from(*in, (size_t)n);
    return n > 0;
}
bool sn_index_next_result(struct sn_str *in, struct sn_str *ret)
{
    uint64_t tag, v;
    while (take_varint(in, &tag) && take_varint(in, &v)) {
        if ((tag & 7) == 0) continue;
        if ((tag & 7) != 2 || v > in->len) return false;
        *ret = sn_str_sub(*in, 0, (size_t)v);
        *in = sn_str_from(*in, (size_t)v);
        if (tag == ANSWER_RESULT) return true;
    }
    return false;
}

static size_t put_varint(uint8_t *out, uint8_t tag, uint64_t v)
{
    out[0] = tag;
    return 1 + sn_varint_put(out + 1, v);
}
/* What is around the two texts of a result, so that they need not be copied. */
struct tx_result {
    uint8_t head[3 * (1 + SN_VARINT_MAX)], mid[1 + SN_VARINT_MAX];
    struct sn_str parts[4];
};
static void tx_result(struct tx_result *t, int64_t height, uint32_t index, struct sn_str tx,
                      struct sn_str result)
{
    size_t n = put_varint(t->head, TX_RESULT_HEIGHT, (uint64_t)height);
    if (index) n += put_varint(t->head + n, TX_RESULT_INDEX, index);
    if (tx.len) n += put_varint(t->head + n, TX_RESULT_TX, tx.len);
    size_t m = put_varint(t->mid, TX_RESULT_RESULT, result.len);
    t->parts[0] = sn_str_of((const char *)t->head, n);
    t->parts[1] = tx;
    t->parts[2] = sn_str_of((const char *)t->mid, m);
    t->parts[3] = result;
}
void sn_index_tx_result(struct sn_buf *out, int64_t height, uint32_t index, struct sn_str tx,
                        struct sn_str result)
{
    struct tx_result t;
    tx_result(&t, height, index, tx, result);
    for (size_t i = 0; i < SN_COUNT_OF(t.parts); i++) sn_buf_str(out, t.parts[i]);
}

static int write_out(struct sn_indexer *ix, struct writer *w)
{
    int r = sn_kv_write(ix->o.kv, &w->batch, false);
    sn_kv_batch_reset(&w->batch);
    sn_arena_reset(&w->arena);
    return r;
}

/* ---- transactions ----
 * One after the other the keys of a transaction lie all over the store. So those of a group of
 * transactions are put by columns: what is first of each, what is second of each, and so on. In a
 * column keys are neighbours, because transactions of one kind have events of one kind. */

struct tx {
    struct sn_str data, result; /* result: encoded */
    uint8_t hash[32];
    uint32_t index;
    uint64_t seq; /* of its first event */
    const struct tendermint_abci_exec_tx_result *res;
};
struct group {
    uint32_t n;
    size_t bytes;
    struct tx txs[SN_INDEXER_GROUP];
    uint32_t with_event[SN_INDEXER_GROUP], with_attribute[SN_INDEXER_GROUP];
};

static int put_tx_attribute(struct writer *w, const struct tx *t, uint32_t event, uint32_t k,
                            struct sn_str *tag)
{
    const struct tendermint_abci_event *e = t->res->events.ptr[event];
    const struct tendermint_abci_event_attribute *a = e->attributes.ptr[k];
    if (!a->index || a->key.len == 0) return 0;
    /* Most often as in the transaction before. */
    if (tag->len != e->type.len + 1 + a->key.len || !sn_str_starts(*tag, e->type) ||
        !sn_str_eq(sn_str_from(*tag, e->type.len + 1), a->key))
        *tag = tag_of(w, e->type, a->key);
    const struct sn_index_key key = {a->value, w->height, t->index, t->seq + event};
    return tag->ptr ? put_attribute(w, *tag, &key, t->hash) : SN_E_NOMEM;
}
/* The columns of one event, which the first n of g->with_event have. */
static int put_event_columns(struct writer *w, struct group *g, uint32_t event, uint32_t n)
{
    int r = 0;
    memcpy(g->with_attribute, g->with_event, n * sizeof(g->with_event[0]));
    for (uint32_t k = 0; r == 0; k++) {
        struct sn_str tag = {0};
        uint32_t left = 0;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t at = g->with_attribute[i];
            const struct tendermint_abci_event *e = g->txs[at].res->events.ptr[event];
            if (e->type.len && k < e->attributes.len) g->with_attribute[left++] = at;
        }
        n = left;
        if (n == 0) break;
        for (uint32_t i = 0; r == 0 && i < n; i++)
            r = put_tx_attribute(w, &g->txs[g->with_attribute[i]], event, k, &tag);
    }
    return r;
}
static int put_events(struct writer *w, struct group *g)
{
    uint32_t n = g->n;
    int r = 0;
    for (uint32_t i = 0; i < n; i++) g->with_event[i] = i;
    for (uint32_t event = 0; r == 0; event++) {
        uint32_t left = 0;
        for (uint32_t i = 0; i < n; i++)
            if (event < g->txs[g->with_event[i]].res->events.len)
                g->with_event[left++] = g->with_event[i];
        n = left;
        if (n == 0) break;
        r = put_event_columns(w, g, event, n);
    }
    return r;
}
static int put_group(struct sn_indexer *ix, struct writer *w, struct group *g)
{
    char height[24];
    size_t n = (size_t)snprintf(height, sizeof(height), "%lld", (long long)w->height);
    int r = put_events(w, g);
    for (uint32_t i = 0; r == 0 && i < g->n; i++) {
        const struct tx *t = &g->txs[i];
        const struct sn_index_key key = {sn_str_of(height, n), w->height, t->index, 0};
        sn_index_tx_key(&w->key, SN_INDEX_TX_HEIGHT, &key);
        r = put(w, sn_str_of((const char *)t->hash, 32));
    }
    for (uint32_t i = 0; r == 0 && i < g->n; i++) {
        const struct tx *t = &g->txs[i];
        struct tx_result whole;
        tx_result(&whole, w->height, t->index, t->data, t->result);
        r = sn_kv_batch_put_parts(&w->batch, sn_str_of((const char *)t->hash, 32), whole.parts,
                                  SN_COUNT_OF(whole.parts));
    }
    g->n = 0;
    g->bytes = 0;
    return r < 0 ? r : write_out(ix, w);
}

static int put_txs(struct sn_indexer *ix, struct writer *w, const struct sn_indexer_in *in)
{
    const struct sn_cons_block *b = in->block;
    struct sn_str rest = in->answer;
    if (b->n_txs == 0) return 0;
    struct group *g SN_CLEANUP(sn_freep) = sn_alloc(sizeof(*g));
    if (!g) return SN_E_NOMEM;
    g->n = 0;
    g->bytes = 0;
    int r = 0;
    for (uint32_t i = 0; i < b->n_txs && r == 0; i++) {
        struct tx *t = &g->txs[g->n++];
        *t = (struct tx){.data = b->txs[i],
                         .index = i,
                         .seq = w->seq,
                         .res = in->res->tx_results.ptr[i]};
        if (!sn_index_next_result(&rest, &t->result))
            return sn_fail(SN_E_DATA_LOSS, "the answer has no result of transaction %u", i);
        w->seq += t->res->events.len;
        g->bytes += t->data.len + 2 * t->result.len; /* what events say is in keys once more */
        if (b->tx_hashes)
            memcpy(t->hash, b->tx_hashes[i], sizeof(t->hash));
        else
            r = sn_hash_once(SN_SHA256, t->data.ptr, t->data.len, t->hash);
        bool full = g->n == SN_INDEXER_GROUP || g->bytes >= SN_INDEXER_BATCH;
        if (r == 0 && (full || i == b->n_txs - 1)) r = put_group(ix, w, g);
    }
    return r;
}
static int put_block(struct sn_indexer *ix, struct writer *w, const struct sn_indexer_in *in)
{
    const struct sn_cons_block *b = in->block;
    const struct tendermint_abci_response_finalize_block *res = in->res;
    if (b->n_txs != res->tx_results.len)
        return sn_fail(SN_E_DATA_LOSS, "%u transactions and %u results", b->n_txs,
                       res->tx_results.len);
    int r = put_txs(ix, w, in);
    sn_buf_reset(&w->value);
    put_height(&w->value, w->height);
    if (r == 0) r = put_block_events(w, res->events.ptr, res->events.len);
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

int sn_indexer_put(struct sn_indexer *ix, const struct sn_indexer_in *in)
{
    if (ix->o.psql) return sn_psql_put(ix->o.psql, in);
    int64_t height = in->block->header.height;
    struct writer w SN_CLEANUP(
        writer_done) = {.height = height,
                        .seq = (uint64_t)height << SN_INDEXER_EVENTS_LOG2 | 1};
    return put_block(ix, &w, in);
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
    if (r >= 0) r = sn_indexer_put(ix, &(struct sn_indexer_in){b, res, sn_buf_view(&answer)});
    sn_cons_block_unref(b);
    return r < 0 ? sn_wrap(r, "index height %lld", (long long)height) : 0;
}

/* ---- blocks that are given ---- */

static void held_free(struct sn_indexer_held *h)
{
    sn_cons_block_unref(h->in.block);
    sn_arena_done(&h->arena);
    sn_buf_done(&h->bytes);
    sn_free(h);
}

/* With the lock. */
static struct sn_indexer_held *held_pop(struct sn_indexer *ix)
{
    struct sn_list *n = sn_list_pop_front(&ix->held);
    if (!n) return NULL;
    struct sn_indexer_held *h = SN_LIST_ENTRY(n, struct sn_indexer_held, node);
    ix->held_n--;
    ix->held_bytes -= h->size;
    return h;
}

/* The block of that height where it was given, the caller's then; what is below it goes. */
static struct sn_indexer_held *held_take(struct sn_indexer *ix, int64_t height)
{
    struct sn_indexer_held *h = NULL;
    sn_mutex_lock_always(&ix->lock);
    while (!sn_list_empty(&ix->held)) {
        h = SN_LIST_ENTRY(ix->held.next, struct sn_indexer_held, node);
        int64_t at = h->in.block->header.height;
        h = at <= height ? held_pop(ix) : NULL;
        if (at >= height) break;
        held_free(h);
        h = NULL;
    }
    sn_mutex_unlock(&ix->lock);
    return h;
}

void sn_indexer_give(struct sn_indexer *ix, const struct sn_indexer_in *in, struct sn_arena *arena,
                     struct sn_buf *bytes)
{
    size_t size = arena->used + bytes->cap + in->block->arena.used;
    sn_mutex_lock_always(&ix->lock);
    bool room = ix->held_n < SN_INDEXER_HELD_MAX &&
                (ix->held_n == 0 || ix->held_bytes + size <= SN_INDEXER_HELD_BYTES);
    struct sn_indexer_held *h = room ? SN_NEW(struct sn_indexer_held) : NULL;
    if (h) {
        *h = (struct sn_indexer_held){.in = *in, .arena = *arena, .bytes = *bytes, .size = size};
        sn_cons_block_ref(h->in.block);
        *arena = (struct sn_arena){0};
        *bytes = (struct sn_buf){0};
        sn_list_push_back(&ix->held, &h->node);
        ix->held_n++;
        ix->held_bytes += size;
    }
    sn_mutex_unlock(&ix->lock);
    sn_indexer_wake(ix, in->block->header.height);
}

static int index_next(struct sn_indexer *ix, int64_t height)
{
    struct sn_indexer_held *h = held_take(ix, height);
    if (!h) return index_height(ix, height);
    int r = sn_indexer_put(ix, &h->in);
    held_free(h);
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
        int r = index_next(ix, h);
        if (r == SN_E_CANCELLED || r == SN_E_DEADLINE_EXCEEDED) return r;
        if (r < 0) SN_LOG_ERROR("a height is not indexed", SN_L("height", h), SN_L_ERR(r));
        if (r == SN_E_NOMEM || r == SN_E_IO || (ix->o.psql && r == SN_E_UNAVAILABLE)) {
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
    while (ix->o.psql && r == SN_E_UNAVAILABLE) {
        SN_LOG_ERROR("the index cannot be reached", SN_L_ERR(r));
        r = sn_sleep(SN_INDEXER_RETRY_NS);
        if (r == 0) r = sn_indexer_last(ix, &last);
    }
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

int sn_indexer_block(struct sn_indexer *ix, const struct sn_indexer_in *in)
{
    int64_t height = in->block->header.height;
    int r = sn_indexer_put(ix, in);
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
    if (ix->o.psql) return sn_psql_last(ix->o.psql, ret);
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
    sn_list_init(&ix->held);
    if (!ix->o.found_max) ix->o.found_max = SN_INDEXER_FOUND_MAX;
    int64_t last = 0;
    /* A database that cannot be reached yet keeps no node from starting. */
    int r = ix->o.psql ? 0 : sn_indexer_last(ix, &last);
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
    for (struct sn_indexer_held *h; (h = held_pop(ix)) != NULL;) held_free(h);
    sn_kv_close(ix->o.kv);
    sn_psql_close(ix->o.psql);
    sn_free(ix);
}

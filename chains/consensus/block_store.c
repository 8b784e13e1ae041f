/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/block_store.c - one batch per block: whole or not there. */
#include "consensus/block_store.h"

#include <stdatomic.h>
#include <stdio.h>

#include "consensus/codec_int.h"
#include "consensus/evidence.h"
#include "core/alloc.h"
#include "core/enc.h"
#include "fiber/sync.h"
#include "tendermint/store/types.pb.h"

#define KEY_MAX 96
#define META_ARENA_MAX (1u << 20)
#define COMMIT_BYTES_MAX (64u << 20)
#define PRUNE_BATCH 100 /* blocks; a block that is to be stored waits for one batch */

struct sn_cons_block_store {
    struct sn_kv *kv;
    struct sn_mutex writing; /* consensus appends while the application's past is pruned */
    _Atomic int64_t base, height;
};

/* ---- keys ---- */

struct key {
    char text[KEY_MAX];
};
/* "H:12", "P:12:0" (part >= 0). */
static struct sn_str key_of(struct key *k, const char *kind, int64_t height, int64_t part)
{
    int n = part < 0 ? snprintf(k->text, KEY_MAX, "%s:%lld", kind, (long long)height)
                     : snprintf(k->text, KEY_MAX, "%s:%lld:%lld", kind, (long long)height,
                                (long long)part);
    return sn_str_of(k->text, (size_t)n);
}
static struct sn_str hash_key(struct key *k, const struct sn_cons_hash *hash)
{
    memcpy(k->text, "BH:", 3);
    sn_hex_encode(hash->b, hash->len, k->text + 3);
    return sn_str_of(k->text, 3 + 2 * (size_t)hash->len);
}

/* Puts what an encoder makes of a value. */
static int put(struct sn_kv_batch *b, struct sn_str key, struct sn_buf *value, int encoded)
{
    int r = encoded < 0 ? encoded : sn_kv_batch_put(b, key, sn_buf_view(value));
    sn_buf_reset(value);
    return r;
}

static int get(struct sn_cons_block_store *s, struct sn_str key, struct sn_buf *out)
{
    int r = sn_kv_get(s->kv, key, out);
    if (r == 0) return sn_fail(SN_E_NOT_FOUND, "block store: no %.*s", (int)key.len, key.ptr);
    return r < 0 ? r : 0;
}
static int damaged(struct sn_str key, int r)
{
    if (r == SN_E_NOMEM) return r;
    return sn_fail(SN_E_DATA_LOSS, "block store: %.*s cannot be read: %s", (int)key.len, key.ptr,
                   sn_diag_str(r));
}

/* ---- base and height ---- */

static int put_state(struct sn_kv_batch *b, int64_t base, int64_t height)
{
    struct sn_buf value SN_CLEANUP(sn_buf_done);
    sn_buf_init(&value, 0);
    struct tendermint_store_block_store_state m = {.base = base, .height = height};
    ssize_t n = tendermint_store_block_store_state_encode(&m, &value);
    return n < 0 ? (int)n : sn_kv_batch_put(b, SN_STR("blockStore"), sn_buf_view(&value));
}

static int write_state(struct sn_cons_block_store *s, struct sn_kv_batch *b, int64_t base,
                       int64_t height)
{
    int r = put_state(b, base, height);
    if (r == 0) r = sn_kv_write(s->kv, b, true);
    if (r < 0) return r;
    atomic_store(&s->base, base);
    atomic_store(&s->height, height);
    return 0;
}

static int load_state(struct sn_cons_block_store *s)
{
    struct sn_buf value SN_CLEANUP(sn_buf_done);
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct tendermint_store_block_store_state *m;
    sn_buf_init(&value, 0);
    sn_arena_init(&a, NULL, META_ARENA_MAX);
    int r = sn_kv_get(s->kv, SN_STR("blockStore"), &value);
    if (r <= 0) return r;
    r = tendermint_store_block_store_state_parse(sn_buf_view(&value), SN_PB_DISCARD_UNKNOWN, &a,
                                                 &m);
    if (r < 0) return damaged(SN_STR("blockStore"), r);
    /* Older stores have no base. */
    s->base = m->base == 0 && m->height > 0 ? 1 : m->base;
    s->height = m->height;
    if (s->base < 0 || s->height < s->base - 1)
        return sn_fail(SN_E_DATA_LOSS, "block store from height %lld to %lld", (long long)s->base,
                       (long long)s->height);
    return 0;
}

int sn_cons_block_store_new(struct sn_kv *kv, struct sn_cons_block_store **ret)
{
    struct sn_cons_block_store *s = SN_NEW(struct sn_cons_block_store);
    if (!s) return SN_E_NOMEM;
    s->kv = kv;
    int r = load_state(s);
    if (r < 0) {
        sn_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

void sn_cons_block_store_free(struct sn_cons_block_store *s)
{
    if (!s) return;
    sn_kv_close(s->kv);
    sn_free(s);
}

int64_t sn_cons_block_store_base(const struct sn_cons_block_store *s) { return s->base; }
int64_t sn_cons_block_store_height(const struct sn_cons_block_store *s) { return s->height; }

/* ---- saving ---- */

static int put_parts(struct sn_kv_batch *b, int64_t height, const struct sn_cons_part_set *parts,
                     struct sn_buf *value)
{
    struct key k;
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < parts->header.total; i++) {
        struct sn_arena a SN_CLEANUP(sn_arena_done);
        sn_arena_init(&a, NULL, META_ARENA_MAX);
        struct tendermint_types_part *m = sn_cons_part_pb(parts->parts[i], &a);
        ssize_t n = m ? tendermint_types_part_encode(m, value) : SN_E_NOMEM;
        r = put(b, key_of(&k, "P", height, i), value, n < 0 ? (int)n : 0);
    }
    return r;
}

static int encode_meta(const struct sn_cons_block *b, const struct sn_cons_part_set *parts,
                       struct sn_buf *out)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, META_ARENA_MAX);
    const struct sn_cons_block_id id = {b->hash, parts->header};
    struct tendermint_types_block_meta *m = tendermint_types_block_meta_new(&a);
    if (!m || !(m->block_id = sn_cons_block_id_pb(&id, &a)) ||
        !(m->header = sn_cons_header_pb(&b->header, &a)))
        return SN_E_NOMEM;
    m->block_size = (int64_t)parts->byte_size;
    m->num_txs = b->n_txs;
    ssize_t n = tendermint_types_block_meta_encode(m, out);
    return n < 0 ? (int)n : 0;
}

static int put_block(struct sn_kv_batch *batch, const struct sn_cons_block *b,
                     const struct sn_cons_part_set *parts, const struct sn_cons_commit *seen,
                     bool extended)
{
    struct sn_buf value SN_CLEANUP(sn_buf_done);
    sn_buf_init(&value, 0);
    struct key k;
    char text[24];
    int64_t h = b->header.height;
    int n = snprintf(text, sizeof(text), "%lld", (long long)h);
    int r = put_parts(batch, h, parts, &value);
    if (r == 0) r = put(batch, key_of(&k, "H", h, -1), &value, encode_meta(b, parts, &value));
    if (r == 0) r = sn_kv_batch_put(batch, hash_key(&k, &b->hash), sn_str_of(text, (size_t)n));
    if (r == 0)
        r = put(batch, key_of(&k, "C", h - 1, -1), &value,
                sn_cons_commit_encode(b->last_commit, &value));
    if (r == 0)
        r = put(batch, key_of(&k, "SC", h, -1), &value, sn_cons_commit_encode(seen, &value));
    if (r == 0 && extended)
        r = put(batch, key_of(&k, "EC", h, -1), &value, sn_cons_ext_commit_encode(seen, &value));
    return r;
}

static int save(struct sn_cons_block_store *s, const struct sn_cons_block *b,
                const struct sn_cons_part_set *parts, const struct sn_cons_commit *seen,
                bool extended)
{
    int64_t h = b->header.height;
    if (s->base && h != s->height + 1)
        return sn_fail(SN_E_FAILED_PRECONDITION,
                       "block store ends at %lld: block %lld is not the next", (long long)s->height,
                       (long long)h);
    struct sn_kv_batch batch SN_CLEANUP(sn_kv_batch_done) = {0};
    int r = put_block(&batch, b, parts, seen, extended);
    return r < 0 ? r : write_state(s, &batch, s->base ? s->base : h, h);
}

int sn_cons_block_store_save(struct sn_cons_block_store *s, const struct sn_cons_block *b,
                             const struct sn_cons_part_set *parts,
                             const struct sn_cons_commit *seen, bool extended)
{
    int64_t h = b->header.height;
    if (!sn_cons_part_set_complete(parts) || seen->height != h)
        return sn_fail(SN_E_FAILED_PRECONDITION,
                       "block %lld: %u of %u parts, commit of height %lld", (long long)h,
                       parts->count, parts->header.total, (long long)seen->height);
    sn_mutex_lock_always(&s->writing);
    int r = save(s, b, parts, seen, extended);
    sn_mutex_unlock(&s->writing);
    return r;
}

int sn_cons_block_store_save_seen(struct sn_cons_block_store *s, const struct sn_cons_commit *seen)
{
    struct sn_kv_batch batch SN_CLEANUP(sn_kv_batch_done) = {0};
    struct sn_buf value SN_CLEANUP(sn_buf_done);
    struct key k;
    sn_buf_init(&value, 0);
    int r = put(&batch, key_of(&k, "SC", seen->height, -1), &value,
                sn_cons_commit_encode(seen, &value));
    return r < 0 ? r : sn_kv_write(s->kv, &batch, true);
}

/* ---- reading ---- */

int sn_cons_block_store_meta(struct sn_cons_block_store *s, int64_t height,
                             struct sn_cons_block_meta *ret)
{
    struct sn_buf value SN_CLEANUP(sn_buf_done);
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct tendermint_types_block_meta *m;
    struct key k;
    sn_buf_init(&value, 0);
    sn_arena_init(&a, NULL, META_ARENA_MAX);
    struct sn_str key = key_of(&k, "H", height, -1);
    int r = get(s, key, &value);
    if (r < 0) return r;
    struct sn_cons_block_meta meta = {0};
    r = tendermint_types_block_meta_parse(sn_buf_view(&value), SN_PB_DISCARD_UNKNOWN, &a, &m);
    if (r >= 0) r = sn_cons_block_id_of(m->block_id, &meta.block_id);
    if (r >= 0) r = sn_cons_header_of(m->header, &meta.header);
    if (r < 0) return damaged(key, r);
    meta.block_size = m->block_size;
    meta.num_txs = m->num_txs;
    *ret = meta;
    return 0;
}

int sn_cons_block_store_part(struct sn_cons_block_store *s, int64_t height, uint32_t index,
                             struct sn_buf *out)
{
    struct key k;
    return get(s, key_of(&k, "P", height, index), out);
}

/* Appends the bytes of one part. */
static int join_part(struct sn_cons_block_store *s, int64_t height, uint32_t index,
                     struct sn_buf *out)
{
    struct sn_buf value SN_CLEANUP(sn_buf_done);
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct tendermint_types_part *m;
    struct key k;
    sn_buf_init(&value, 0);
    sn_arena_init(&a, NULL, META_ARENA_MAX);
    int r = sn_cons_block_store_part(s, height, index, &value);
    if (r < 0) return r;
    r = tendermint_types_part_parse(sn_buf_view(&value), SN_PB_DISCARD_UNKNOWN, &a, &m);
    return r < 0 ? damaged(key_of(&k, "P", height, index), r) : sn_buf_str(out, m->bytes);
}

static int join_block(struct sn_cons_block_store *s, int64_t height, struct sn_buf *out)
{
    struct sn_cons_block_meta meta;
    int r = sn_cons_block_store_meta(s, height, &meta);
    for (uint32_t i = 0; r == 0 && i < meta.block_id.parts.total; i++)
        r = join_part(s, height, i, out);
    return r;
}
int sn_cons_block_store_encoded(struct sn_cons_block_store *s, int64_t height, struct sn_buf *block,
                                struct sn_buf *ext)
{
    struct key k;
    int r = join_block(s, height, block);
    if (r >= 0) r = sn_kv_get(s->kv, key_of(&k, "EC", height, -1), ext);
    return r < 0 ? r : 0;
}

int sn_cons_block_store_block(struct sn_cons_block_store *s, int64_t height,
                              struct sn_cons_block **ret)
{
    struct sn_buf whole SN_CLEANUP(sn_buf_done);
    struct key k;
    sn_buf_init(&whole, 0);
    int r = join_block(s, height, &whole);
    if (r < 0) return r;
    r = sn_cons_block_decode(sn_buf_view(&whole), ret);
    return r < 0 ? damaged(key_of(&k, "P", height, 0), r) : 0;
}

static int load_commit(struct sn_cons_block_store *s, const char *kind, int64_t height,
                       struct sn_arena *a, struct sn_cons_commit *ret)
{
    struct sn_buf value SN_CLEANUP(sn_buf_done);
    struct key k;
    sn_buf_init(&value, COMMIT_BYTES_MAX);
    struct sn_str key = key_of(&k, kind, height, -1);
    int r = get(s, key, &value);
    if (r < 0) return r;
    r = kind[0] == 'E' ? sn_cons_ext_commit_decode(sn_buf_view(&value), a, ret)
                       : sn_cons_commit_decode(sn_buf_view(&value), a, ret);
    return r < 0 ? damaged(key, r) : 0;
}
int sn_cons_block_store_commit(struct sn_cons_block_store *s, int64_t height, struct sn_arena *a,
                               struct sn_cons_commit *ret)
{
    return load_commit(s, "C", height, a, ret);
}
int sn_cons_block_store_seen(struct sn_cons_block_store *s, int64_t height, struct sn_arena *a,
                             struct sn_cons_commit *ret)
{
    return load_commit(s, "SC", height, a, ret);
}
int sn_cons_block_store_extended(struct sn_cons_block_store *s, int64_t height, struct sn_arena *a,
                                 struct sn_cons_commit *ret)
{
    return load_commit(s, "EC", height, a, ret);
}

int sn_cons_block_store_find(struct sn_cons_block_store *s, const struct sn_cons_hash *hash,
                             int64_t *ret)
{
    struct sn_buf value SN_CLEANUP(sn_buf_done);
    struct key k;
    sn_buf_init(&value, 0);
    struct sn_str key = hash_key(&k, hash);
    int r = get(s, key, &value);
    if (r < 0) return r;
    r = sn_str_to_i64(sn_buf_view(&value), ret);
    return r < 0 ? damaged(key, r) : 0;
}

/* ---- going ---- */

static int del(struct sn_kv_batch *b, const char *kind, int64_t height, int64_t part)
{
    struct key k;
    return sn_kv_batch_del(b, key_of(&k, kind, height, part));
}

/* whole: the header and the commits too. */
static int del_block(struct sn_kv_batch *b, int64_t height, const struct sn_cons_block_meta *meta,
                     bool whole)
{
    struct key k;
    int r = sn_kv_batch_del(b, hash_key(&k, &meta->block_id.hash));
    if (r == 0) r = del(b, "SC", height, -1);
    for (uint32_t i = 0; r == 0 && i < meta->block_id.parts.total; i++) r = del(b, "P", height, i);
    if (r == 0 && whole) r = del(b, "H", height, -1);
    if (r == 0 && whole) r = del(b, "C", height, -1);
    if (r == 0 && whole) r = del(b, "EC", height, -1);
    return r;
}

/* One batch of heights from `from`, up to `to`. *kept: the lowest height whose header stays; `to`
 * until one does. Returns where it ended. */
static int64_t prune_some(struct sn_cons_block_store *s, int64_t from, int64_t to,
                          const struct sn_cons_state *state, int64_t *kept, int64_t *n)
{
    struct sn_kv_batch batch SN_CLEANUP(sn_kv_batch_done) = {0};
    int64_t h = from;
    int r = 0;
    for (; r == 0 && h < to && h < from + PRUNE_BATCH; h++) {
        struct sn_cons_block_meta meta;
        r = sn_cons_block_store_meta(s, h, &meta);
        if (r == SN_E_NOT_FOUND) { /* went before */
            r = 0;
            continue;
        }
        if (r < 0) break;
        if (*kept == to && !sn_cons_evidence_expired(state, h, meta.header.time)) *kept = h;
        r = del_block(&batch, h, &meta, h < *kept);
        ++*n;
    }
    if (r == 0) r = write_state(s, &batch, h, s->height);
    return r < 0 ? r : h;
}

int64_t sn_cons_block_store_prune(struct sn_cons_block_store *s, int64_t to,
                                  const struct sn_cons_state *state, int64_t *ret_kept)
{
    int64_t n = 0, kept = to, h = s->base;
    if (to < s->base || to > s->height || to < 1)
        return sn_fail(SN_E_OUT_OF_RANGE, "prune to height %lld: the store has %lld to %lld",
                       (long long)to, (long long)s->base, (long long)s->height);
    while (h >= 0 && h < to) {
        sn_mutex_lock_always(&s->writing);
        h = prune_some(s, h, to, state, &kept, &n);
        sn_mutex_unlock(&s->writing);
    }
    if (h < 0) return h;
    *ret_kept = kept;
    return n;
}

static int drop(struct sn_cons_block_store *s)
{
    struct sn_kv_batch batch SN_CLEANUP(sn_kv_batch_done) = {0};
    struct sn_cons_block_meta meta;
    int64_t h = s->height;
    int r = sn_cons_block_store_meta(s, h, &meta);
    if (r == 0) r = del_block(&batch, h, &meta, true);
    return r < 0 ? r : write_state(s, &batch, s->base, h - 1);
}
int sn_cons_block_store_drop(struct sn_cons_block_store *s)
{
    sn_mutex_lock_always(&s->writing);
    int r = drop(s);
    sn_mutex_unlock(&s->writing);
    return r;
}

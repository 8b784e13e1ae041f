/* SPDX-License-Identifier: Apache-2.0 */
/* abci/kvstore_snapshot.c - snapshots of the kvstore, taken, served and restored.
 *
 * Chunk 0 has height, size and validators; the others have the pairs in the order of their keys.
 * Where a chunk ends is decided by the keys in it, not by where it began, so that a change moves
 * the ends near it and no others, and the chunks of two snapshots are mostly the same. They are
 * files named by their SHA-256, and written once. The manifest is the list of these hashes, in the
 * form the Cosmos SDK gives Snapshot.metadata (repeated bytes, field 1); Snapshot.hash is the
 * manifest's.
 *
 * A restore checks each chunk against the manifest when it comes, takes from the folder what it has
 * already, and replaces the state when all are there. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "abci/kvstore_int.h"
#include "core/alloc.h"
#include "core/enc.h"
#include "crypto/hash.h"
#include "fiber/os.h"
#include "kit/log.h"

SN_LOG_MODULE("kvstore");

#define MANIFEST_ENTRY (KV_HASH + 2u) /* tag, length, hash */
#define CHUNK_MAX (15u << 20)         /* below the 16 MB a node takes */
#define PATH_MAX_ 512
#define KEEP_DEFAULT 2u

enum how { MISSING, FETCHED, KNOWN };

static void snapshot_done(struct kv_snapshot *s)
{
    sn_free(s->manifest);
    *s = (struct kv_snapshot){0};
}

static const uint8_t *hash_of(const struct kv_snapshot *s, uint32_t i)
{
    return s->manifest + (size_t)i * MANIFEST_ENTRY + 2;
}

/* Takes a copy of the manifest. */
static int snapshot_of(int64_t height, struct sn_str manifest, struct kv_snapshot *ret)
{
    struct kv_snapshot s = {.height = height, .manifest_len = manifest.len};
    if (manifest.len == 0 || manifest.len % MANIFEST_ENTRY ||
        manifest.len / MANIFEST_ENTRY > SN_KVSTORE_CHUNKS_MAX)
        return sn_fail(SN_E_SYNTAX, "a manifest of %zu bytes", manifest.len);
    s.n = (uint32_t)(manifest.len / MANIFEST_ENTRY);
    for (uint32_t i = 0; i < s.n; i++)
        if (memcmp(manifest.ptr + (size_t)i * MANIFEST_ENTRY, "\x0a\x20", 2) != 0)
            return sn_fail(SN_E_SYNTAX, "a manifest whose entry %u is no hash", i);
    int r = sn_hash_once(SN_SHA256, manifest.ptr, manifest.len, s.hash);
    if (r < 0) return r;
    if (!(s.manifest = sn_alloc(manifest.len))) return SN_E_NOMEM;
    memcpy(s.manifest, manifest.ptr, manifest.len);
    *ret = s;
    return 0;
}

/* ---- files -------------------------------------------------------------------------------------
 */

static void chunk_path(const struct kv_snapshots *s, const uint8_t *hash, char out[PATH_MAX_])
{
    char hex[2 * KV_HASH + 1] = "";
    sn_hex_encode(hash, KV_HASH, hex);
    snprintf(out, PATH_MAX_, "%s/chunks/%s", s->dir, hex);
}
static void manifest_path(const struct kv_snapshots *s, int64_t height, char out[PATH_MAX_])
{
    snprintf(out, PATH_MAX_, "%s/%020lld", s->dir, (long long)height);
}

/* A chunk that is there and is what its name says. SN_E_NOT_FOUND otherwise. */
static int chunk_read(struct kv_snapshots *s, const uint8_t *hash, struct sn_arena *a,
                      struct sn_str *ret)
{
    char path[PATH_MAX_];
    uint8_t got[KV_HASH];
    chunk_path(s, hash, path);
    int r = sn_file_read(a, path, CHUNK_MAX, ret);
    if (r >= 0) r = sn_hash_once(SN_SHA256, ret->ptr, ret->len, got);
    if (r >= 0 && memcmp(got, hash, KV_HASH) != 0) {
        SN_LOG_WARN("a damaged chunk is removed", SN_L("file", (const char *)path));
        (void)!sn_file_remove(path);
        r = SN_E_NOT_FOUND;
    }
    return r;
}

static int chunk_write(struct kv_snapshots *s, struct sn_str chunk, uint8_t hash[KV_HASH],
                       bool *ret_new)
{
    char path[PATH_MAX_];
    struct stat st;
    int r = sn_hash_once(SN_SHA256, chunk.ptr, chunk.len, hash);
    if (r < 0) return r;
    chunk_path(s, hash, path);
    *ret_new = sn_file_stat(path, &st) < 0;
    return *ret_new ? sn_file_write(path, chunk, 0600) : 0;
}

static int manifest_read(struct kv_snapshots *s, struct sn_str name, struct sn_arena *a)
{
    char path[PATH_MAX_];
    struct kv_snapshot snap;
    struct sn_str text;
    uint64_t height;
    if (name.len != 20 || sn_str_to_u64(name, &height) < 0) return 0; /* not one of ours */
    snprintf(path, sizeof(path), "%s/%.*s", s->dir, SN_STR_ARG(name));
    int r = sn_file_read(a, path, (size_t)SN_KVSTORE_CHUNKS_MAX * MANIFEST_ENTRY, &text);
    if (r >= 0) r = snapshot_of((int64_t)height, text, &snap);
    if (r < 0) return sn_wrap(r, "%s", path);
    r = sn_vec_push(&s->list, snap);
    if (r < 0) snapshot_done(&snap);
    return r;
}

int kv_snapshots_open(struct sn_kvstore *kv)
{
    struct kv_snapshots *s = &kv->snaps;
    struct sn_str *names = NULL;
    size_t n = 0;
    struct sn_arena a;
    char path[PATH_MAX_];
    if (!kv->o.dir) return 0;
    size_t cap = strlen(kv->o.dir) + sizeof("/snapshots");
    if (cap + 100 > PATH_MAX_)
        return sn_fail(SN_E_TOO_LARGE, "%s: a path of %zu bytes", kv->o.dir, cap);
    if (!(s->dir = sn_alloc(cap))) return SN_E_NOMEM;
    snprintf(s->dir, cap, "%s/snapshots", kv->o.dir);
    snprintf(path, sizeof(path), "%s/chunks", s->dir);
    sn_arena_init(&a, NULL, 0);
    int r = sn_mkdirs(path, 0700);
    if (r >= 0) r = sn_dir_list(&a, s->dir, &names, &n);
    for (size_t i = 0; i < n && r >= 0; i++) r = manifest_read(s, names[i], &a);
    sn_arena_done(&a);
    return r;
}

static void restore_done(struct kv_restore *r)
{
    kv_state_done(&r->state);
    snapshot_done(&r->snap);
    sn_free(r->got);
    sn_free((void *)r->app_hash.ptr);
    *r = (struct kv_restore){0};
}

void kv_snapshots_close(struct kv_snapshots *s)
{
    restore_done(&s->restore);
    SN_VEC_EACH (&s->list, it) snapshot_done(it);
    sn_vec_done(&s->list);
    sn_free(s->dir);
    s->dir = NULL;
}

/* Those too many, and the chunks that no snapshot has any more. */
static int drop_old(struct sn_kvstore *kv, struct sn_arena *a)
{
    struct kv_snapshots *s = &kv->snaps;
    unsigned keep = kv->o.snapshot_keep ? kv->o.snapshot_keep : KEEP_DEFAULT;
    struct sn_map live;
    struct sn_str *names = NULL;
    size_t n = 0;
    char path[PATH_MAX_];
    if (s->list.len <= keep) return 0;
    while (s->list.len > keep) {
        manifest_path(s, s->list.ptr[0].height, path);
        int r = sn_file_remove(path);
        if (r < 0 && r != SN_E_NOT_FOUND) return r;
        r = sn_rwlock_wrlock(&kv->lock);
        if (r < 0) return r;
        snapshot_done(&s->list.ptr[0]);
        memmove(s->list.ptr, s->list.ptr + 1, --s->list.len * sizeof(*s->list.ptr));
        sn_rwlock_unlock(&kv->lock);
    }
    sn_map_init(&live, 1, false);
    int r = 0;
    SN_VEC_EACH (&s->list, it)
        for (uint32_t i = 0; i < it->n && r >= 0; i++) {
            char *hex = sn_arena_alloc(a, 2 * KV_HASH);
            if (!hex)
                r = SN_E_NOMEM;
            else
                sn_hex_encode(hash_of(it, i), KV_HASH, hex);
            if (r >= 0) r = sn_map_put(&live, sn_str_of(hex, 2 * KV_HASH), (void *)1, NULL);
        }
    snprintf(path, sizeof(path), "%s/chunks", s->dir);
    if (r >= 0) r = sn_dir_list(a, path, &names, &n);
    for (size_t i = 0; i < n && r >= 0; i++) {
        if (sn_map_get(&live, names[i])) continue;
        snprintf(path, sizeof(path), "%s/chunks/%.*s", s->dir, SN_STR_ARG(names[i]));
        r = sn_file_remove(path);
    }
    sn_map_done(&live);
    return r < 0 ? r : 0;
}

/* Written to disk and, if it was not there, among those served. */
static int add_snapshot(struct sn_kvstore *kv, int64_t height, struct sn_str manifest)
{
    struct kv_snapshots *s = &kv->snaps;
    struct kv_snapshot snap;
    char path[PATH_MAX_];
    size_t at = 0;
    int r = snapshot_of(height, manifest, &snap);
    if (r < 0) return r;
    manifest_path(s, height, path);
    r = sn_file_write(path, manifest, 0600);
    if (r >= 0) r = sn_rwlock_wrlock(&kv->lock);
    if (r < 0) {
        snapshot_done(&snap);
        return r;
    }
    while (at < s->list.len && s->list.ptr[at].height < height) at++;
    if (at < s->list.len && s->list.ptr[at].height == height) {
        snapshot_done(&s->list.ptr[at]);
        s->list.ptr[at] = snap;
    } else if ((r = sn_vec_push(&s->list, snap)) < 0)
        snapshot_done(&snap);
    else {
        memmove(s->list.ptr + at + 1, s->list.ptr + at, (s->list.len - 1 - at) * sizeof(snap));
        s->list.ptr[at] = snap;
    }
    sn_rwlock_unlock(&kv->lock);
    return r;
}

/* ---- taking ------------------------------------------------------------------------------------
 */

struct taking {
    struct kv_snapshots *s;
    uint32_t avg;
    struct sn_buf chunk, manifest;
    uint64_t written, reused;
};

static int close_chunk(struct taking *t)
{
    uint8_t e[MANIFEST_ENTRY] = {0x0a, KV_HASH};
    bool fresh;
    if (t->chunk.err < 0) return t->chunk.err;
    if (t->chunk.len > CHUNK_MAX)
        return sn_fail(SN_E_TOO_LARGE, "a chunk of %zu bytes, limit %u", t->chunk.len, CHUNK_MAX);
    int r = chunk_write(t->s, sn_buf_view(&t->chunk), e + 2, &fresh);
    if (r < 0) return r;
    t->written += fresh;
    t->reused += !fresh;
    sn_buf_reset(&t->chunk);
    return sn_buf_put(&t->manifest, e, sizeof(e));
}

/* Whether a chunk ends behind this entry: with the probability that makes chunks `avg` long, by the
 * key alone; no chunk is below a quarter of that or far beyond four times it. */
static bool ends_here(const struct taking *t, struct sn_str key, size_t entry)
{
    if (t->chunk.len < t->avg / 4) return false;
    if (t->chunk.len >= t->avg * 4) return true;
    return sn_hash(key.ptr, key.len, KV_FORMAT) % t->avg < entry;
}

static int by_key(const void *x, const void *y)
{
    const struct sn_map_slot *const *a = x, *const *b = y;
    return sn_str_cmp((*a)->key, (*b)->key);
}

static struct sn_map_slot **sorted(const struct sn_map *m)
{
    struct sn_map_slot **all = SN_NEW_ARRAY(struct sn_map_slot *, m->len + 1);
    size_t it = 0, n = 0;
    if (!all) return NULL;
    for (struct sn_map_slot *slot; (slot = sn_map_next(m, &it));) all[n++] = slot;
    qsort(all, n, sizeof(*all), by_key);
    return all;
}

static int take_head(struct taking *t, const struct kv_state *s)
{
    struct sn_map_slot **vals = sorted(&s->validators);
    if (!vals) return SN_E_NOMEM;
    kv_head_put(&t->chunk, s->height, s->size);
    for (size_t i = 0; i < s->validators.len; i++) {
        uint8_t power[8];
        for (int k = 0; k < 8; k++) power[k] = (uint8_t)(*(uint64_t *)vals[i]->value >> 8 * k);
        kv_entry_put(&t->chunk, KV_VALIDATOR, vals[i]->key, sn_str_of((char *)power, 8));
    }
    sn_free(vals);
    return close_chunk(t);
}

static int take_pairs(struct taking *t, const struct kv_state *s)
{
    struct sn_map_slot **all = sorted(&s->pairs);
    int r = all ? 0 : SN_E_NOMEM;
    for (size_t i = 0; i < s->pairs.len && r >= 0; i++) {
        const struct kv_value *v = all[i]->value;
        size_t before = t->chunk.len;
        r = kv_entry_put(&t->chunk, KV_PAIR, all[i]->key, sn_str_of(v->bytes, v->len));
        if (r >= 0 && ends_here(t, all[i]->key, t->chunk.len - before)) r = close_chunk(t);
    }
    if (r >= 0 && t->chunk.len) r = close_chunk(t);
    sn_free(all);
    return r;
}

int kv_snapshot_take(struct sn_kvstore *kv)
{
    struct taking t = {.s = &kv->snaps,
                       .avg = kv->o.chunk_bytes ? kv->o.chunk_bytes : SN_KVSTORE_CHUNK_BYTES};
    struct sn_arena a;
    /* Only Commit changes the state, and this is part of it. */
    int r = take_head(&t, &kv->state);
    if (r >= 0) r = take_pairs(&t, &kv->state);
    if (r >= 0) r = add_snapshot(kv, kv->state.height, sn_buf_view(&t.manifest));
    if (r >= 0) {
        kv->snaps.written += t.written;
        kv->snaps.reused += t.reused;
        sn_arena_init(&a, NULL, 0);
        r = drop_old(kv, &a);
        sn_arena_done(&a);
    }
    sn_buf_done(&t.chunk);
    sn_buf_done(&t.manifest);
    return r;
}

/* ---- serving -----------------------------------------------------------------------------------
 */

static struct sn_kvstore *kv_of(struct sn_abci_call *c) { return c->app->self; }

int kv_list_snapshots(struct sn_abci_call *c,
                      const struct tendermint_abci_request_list_snapshots *req,
                      struct tendermint_abci_response_list_snapshots *res)
{
    struct sn_kvstore *kv = kv_of(c);
    int r = sn_rwlock_rdlock(&kv->lock);
    if (r < 0) return r;
    for (size_t i = kv->snaps.list.len; i-- > 0;) { /* newest first, as far as one looks */
        const struct kv_snapshot *s = &kv->snaps.list.ptr[i];
        struct tendermint_abci_snapshot *out =
            tendermint_abci_response_list_snapshots_add_snapshots(res, c->arena);
        if (!out) {
            r = SN_E_NOMEM;
            break;
        }
        out->height = (uint64_t)s->height;
        out->format = KV_FORMAT;
        out->chunks = s->n;
        out->hash = sn_arena_str(c->arena, sn_str_of((const char *)s->hash, KV_HASH));
        out->metadata =
            sn_arena_str(c->arena, sn_str_of((const char *)s->manifest, s->manifest_len));
        if (!out->hash.ptr || !out->metadata.ptr) r = SN_E_NOMEM;
    }
    sn_rwlock_unlock(&kv->lock);
    return r;
}

int kv_load_snapshot_chunk(struct sn_abci_call *c,
                           const struct tendermint_abci_request_load_snapshot_chunk *req,
                           struct tendermint_abci_response_load_snapshot_chunk *res)
{
    struct sn_kvstore *kv = kv_of(c);
    uint8_t hash[KV_HASH];
    bool found = false;
    int r = sn_rwlock_rdlock(&kv->lock);
    if (r < 0) return r;
    SN_VEC_EACH (&kv->snaps.list, it)
        if ((uint64_t)it->height == req->height && req->format == KV_FORMAT && req->chunk < it->n) {
            memcpy(hash, hash_of(it, req->chunk), KV_HASH);
            found = true;
        }
    sn_rwlock_unlock(&kv->lock);
    if (!found) return 0; /* no chunk is how one says so */
    struct sn_str chunk;
    r = chunk_read(&kv->snaps, hash, c->arena, &chunk);
    if (r >= 0) res->chunk = chunk;
    return r == SN_E_NOT_FOUND ? 0 : r;
}

/* ---- restoring ---------------------------------------------------------------------------------
 */

static int take_chunk(struct kv_restore *re, uint32_t i, struct sn_str chunk, enum how how)
{
    int r = kv_state_apply(&re->state, chunk);
    if (r < 0) return r;
    re->got[i] = (uint8_t)how;
    re->n_got++;
    return 0;
}

/* What the folder has of an offered snapshot. Never chunk 0: the node has one to bring. */
static int take_known(struct sn_kvstore *kv)
{
    struct kv_restore *re = &kv->snaps.restore;
    struct sn_arena a;
    int r = 0;
    if (!kv->snaps.dir) return 0;
    sn_arena_init(&a, NULL, 0);
    for (uint32_t i = 1; i < re->snap.n && r >= 0; i++) {
        struct sn_str chunk;
        int e = chunk_read(&kv->snaps, hash_of(&re->snap, i), &a, &chunk);
        if (e >= 0) {
            r = take_chunk(re, i, chunk, KNOWN);
            kv->snaps.known++;
        } else if (e != SN_E_NOT_FOUND)
            r = e;
        sn_arena_reset(&a);
    }
    sn_arena_done(&a);
    return r;
}

static int begin_restore(struct kv_restore *re,
                         const struct tendermint_abci_request_offer_snapshot *req)
{
    const struct tendermint_abci_snapshot *s = req->snapshot;
    restore_done(re);
    int r = snapshot_of((int64_t)s->height, s->metadata, &re->snap);
    if (r < 0) return r;
    if (s->chunks != re->snap.n || s->hash.len != KV_HASH ||
        memcmp(s->hash.ptr, re->snap.hash, KV_HASH) != 0)
        return sn_fail(SN_E_SYNTAX, "a snapshot whose hash is not its manifest's");
    kv_state_init(&re->state);
    re->got = sn_zalloc(re->snap.n, 1);
    char *h = sn_alloc(req->app_hash.len + 1);
    if (h && req->app_hash.len) memcpy(h, req->app_hash.ptr, req->app_hash.len);
    re->app_hash = sn_str_of(h, req->app_hash.len);
    re->active = true;
    return re->got && h ? 0 : SN_E_NOMEM;
}

#define OFFERED(x) TENDERMINT_ABCI_RESPONSE_OFFER_SNAPSHOT_RESULT_##x
int kv_offer_snapshot(struct sn_abci_call *c,
                      const struct tendermint_abci_request_offer_snapshot *req,
                      struct tendermint_abci_response_offer_snapshot *res)
{
    struct sn_kvstore *kv = kv_of(c);
    struct kv_restore *re = &kv->snaps.restore;
    res->result = OFFERED(REJECT);
    if (!req->snapshot || (int64_t)req->snapshot->height <= 0) return 0;
    if (req->snapshot->format != KV_FORMAT) {
        res->result = OFFERED(REJECT_FORMAT);
        return 0;
    }
    int r = begin_restore(re, req);
    if (r >= 0) r = take_known(kv);
    if (r >= 0) {
        res->result = OFFERED(ACCEPT);
        return 0;
    }
    SN_LOG_WARN("an offered snapshot is refused", SN_L("height", req->snapshot->height),
                SN_L_ERR(r));
    restore_done(re);
    return r == SN_E_SYNTAX || r == SN_E_TOO_LARGE ? 0 : r;
}

bool kv_snapshot_chunk_known(struct sn_abci_app *app, uint32_t index)
{
    const struct kv_restore *re = &((struct sn_kvstore *)app->self)->snaps.restore;
    return re->active && index < re->snap.n && re->got[index] == KNOWN;
}

/* All chunks are there. Returns SN_E_SYNTAX where they are not the state that was asked for. */
static int finish_restore(struct sn_kvstore *kv)
{
    struct kv_restore *re = &kv->snaps.restore;
    uint8_t hash[8];
    kv_app_hash(re->state.size, hash);
    if (re->state.height != re->snap.height)
        return sn_fail(SN_E_SYNTAX, "a snapshot of height %lld that says %lld",
                       (long long)re->snap.height, (long long)re->state.height);
    if (!sn_str_eq(re->app_hash, sn_str_of((char *)hash, sizeof(hash))))
        return sn_fail(SN_E_SYNTAX,
                       "a snapshot of another state than the chain's: its size is %lld",
                       (long long)re->state.size);
    int r = kv_file_rewrite(&kv->file, &re->state);
    if (r >= 0) r = sn_rwlock_wrlock(&kv->lock);
    if (r < 0) {
        kv->broken = true;
        return r;
    }
    struct kv_state old = kv->state;
    kv->state = re->state;
    re->state = old;
    re->finished = true;
    sn_rwlock_unlock(&kv->lock);
    kv_state_done(&re->state);
    sn_buf_reset(&kv->staged);
    return 0;
}

#define APPLIED(x) TENDERMINT_ABCI_RESPONSE_APPLY_SNAPSHOT_CHUNK_RESULT_##x
/* The chunk is not the manifest's: once more, and from somebody else. */
static int refuse(struct sn_abci_call *c,
                  const struct tendermint_abci_request_apply_snapshot_chunk *req,
                  struct tendermint_abci_response_apply_snapshot_chunk *res)
{
    struct sn_str sender = sn_arena_str(c->arena, req->sender);
    SN_LOG_WARN("a chunk that is not the snapshot's", SN_L("chunk", req->index),
                SN_L("sender", req->sender));
    res->result = APPLIED(RETRY);
    if (tendermint_abci_response_apply_snapshot_chunk_add_refetch_chunks(res, req->index,
                                                                         c->arena) < 0)
        return SN_E_NOMEM;
    if (!sender.ptr) return SN_E_NOMEM;
    if (!sender.len) return 0;
    return tendermint_abci_response_apply_snapshot_chunk_add_reject_senders(res, sender, c->arena) <
                   0
               ? SN_E_NOMEM
               : 0;
}

static int keep_chunk(struct sn_kvstore *kv, struct sn_str chunk)
{
    uint8_t hash[KV_HASH];
    bool fresh;
    return kv->snaps.dir ? chunk_write(&kv->snaps, chunk, hash, &fresh) : 0;
}

int kv_apply_snapshot_chunk(struct sn_abci_call *c,
                            const struct tendermint_abci_request_apply_snapshot_chunk *req,
                            struct tendermint_abci_response_apply_snapshot_chunk *res)
{
    struct sn_kvstore *kv = kv_of(c);
    struct kv_restore *re = &kv->snaps.restore;
    uint8_t hash[KV_HASH];
    int r;
    res->result = APPLIED(ABORT);
    if (!re->active || req->index >= re->snap.n) return 0;
    res->result = APPLIED(ACCEPT);
    if (re->got[req->index])
        return 0; /* a node that knows no manifest brings what is here already */
    if ((r = sn_hash_once(SN_SHA256, req->chunk.ptr, req->chunk.len, hash)) < 0) return r;
    if (memcmp(hash, hash_of(&re->snap, req->index), KV_HASH) != 0) return refuse(c, req, res);
    r = take_chunk(re, req->index, req->chunk, FETCHED);
    if (r >= 0) r = keep_chunk(kv, req->chunk);
    kv->snaps.applied++;
    if (r >= 0 && re->n_got == re->snap.n) {
        r = finish_restore(kv);
        int e = 0;
        if (r >= 0 && kv->snaps.dir) /* and from here on it is served, too */
            e = add_snapshot(kv, re->snap.height,
                             sn_str_of((char *)re->snap.manifest, re->snap.manifest_len));
        if (e < 0)
            SN_LOG_WARN("the snapshot is not served", SN_L("height", re->snap.height), SN_L_ERR(e));
    }
    if (r != SN_E_SYNTAX) return r;
    SN_LOG_WARN("a snapshot is refused", SN_L("height", re->snap.height), SN_L_ERR(r));
    restore_done(re);
    res->result = APPLIED(REJECT_SNAPSHOT);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* image/pull.c - an image from a registry into the store: documents first, then layers in parallel, each
 * unpacked while it arrives; their snapshots get their names in order. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/status.h"
#include "image/pull_int.h"

#define CHUNK_BYTES (256u << 10) /* handed to the disk at once; as much is lost where a pull is cut off */
#define PROGRESS_NS (100 * SN_MS)

/* ---- progress -------------------------------------------------------------------------------------- */

static void progress(struct pull *p, bool now)
{
    if (!p->o.progress) return;
    sn_mutex_lock_always(&p->lock);
    int64_t t = sn_now();
    if (now || t - p->shown_ns >= PROGRESS_NS) {
        p->shown_ns = t;
        p->o.progress(&p->progress, p->o.arg);
    }
    sn_mutex_unlock(&p->lock);
}

static void add_bytes(struct pull *p, uint64_t n)
{
    sn_mutex_lock_always(&p->lock);
    p->progress.bytes += n;
    sn_mutex_unlock(&p->lock);
    progress(p, false);
}

static void layer_done(struct pull *p)
{
    sn_mutex_lock_always(&p->lock);
    p->progress.layers_done++;
    sn_mutex_unlock(&p->lock);
    progress(p, false);
}

/* ---- one fetch at a time of a blob ------------------------------------------------------------------- */

/* Who finds a blob on its way waits, and looks again. */
struct flight {
    struct sn_event landed;
    unsigned refs;               /* under the store's flights_lock */
    char digest[SN_IMAGE_DIGEST_MAX + 1];
};

static void flight_unref(struct sn_image_store *st, struct flight *f)
{
    if (--f->refs == 0) sn_free(f);
}

/* Returns 1 with *ret to be landed, 0 after another's has landed. */
static int flight_enter(struct sn_image_store *st, struct sn_str digest, struct flight **ret)
{
    int r = sn_mutex_lock(&st->flights_lock);
    if (r < 0) return r;
    struct flight *f = sn_map_get(&st->flights, digest);
    if (f) {
        f->refs++;
        sn_mutex_unlock(&st->flights_lock);
        r = sn_event_wait(&f->landed);
        sn_mutex_lock_always(&st->flights_lock);
        flight_unref(st, f);
        sn_mutex_unlock(&st->flights_lock);
        return r;
    }
    f = SN_NEW(struct flight);
    if (f) {
        f->refs = 1;
        memcpy(f->digest, digest.ptr, digest.len);
        if (sn_map_put(&st->flights, sn_str(f->digest), f, NULL) < 0) {
            sn_free(f);
            f = NULL;
        }
    }
    sn_mutex_unlock(&st->flights_lock);
    *ret = f;
    return f ? 1 : SN_E_NOMEM;
}

static void flight_land(struct sn_image_store *st, struct flight *f)
{
    sn_mutex_lock_always(&st->flights_lock);
    (void)sn_map_del(&st->flights, sn_str(f->digest));
    sn_event_set(&f->landed);
    flight_unref(st, f);
    sn_mutex_unlock(&st->flights_lock);
}

/* ---- the disk's side, on the offload pool -------------------------------------------------------------- */

struct disk {
    struct pull *p;
    struct sn_str digest, bytes;
    uint64_t size;
    struct ingest *in;
    struct unpack *u;
    struct sn_layer *layer;
    bool drop, there;
};
static int disk_begin(void *arg)
{
    struct disk *d = arg;
    return ingest_begin(d->p->st, d->digest, d->size, d->layer, d->in);
}
static int disk_put(void *arg)
{
    struct disk *d = arg;
    return ingest_put(d->in, d->bytes);
}
static int disk_commit(void *arg)
{
    struct disk *d = arg;
    int r = d->layer ? sn_layer_finish(d->layer, &d->u->result) : 0;
    /* The blob's digest is the one that was asked for: without it the other is of no interest. */
    if (r < 0 && r != SN_E_DATA_LOSS && r != SN_E_SYNTAX) return r;
    struct sn_diag kept = *sn_diag();
    int c = ingest_commit(d->in);
    if (c < 0) return c;
    if (r < 0) *sn_diag() = kept;
    if (d->u) d->u->done = r == 0;
    return r;
}
static int disk_end(void *arg)
{
    struct disk *d = arg;
    ingest_end(d->in, d->drop);
    return 0;
}
static int disk_lease(void *arg)
{
    struct disk *d = arg;
    int r = lease_add(&d->p->lease, d->digest);
    d->there = r == 0 && store_blob_exists(d->p->st, d->digest, &d->size);
    return r;
}

/* Holds the blob against the collector from here on; *ret_there: it is in the store. */
static int look(struct pull *p, struct sn_str digest, bool *ret_there)
{
    struct disk d = {.p = p, .digest = digest};
    int r = sn_offload(disk_lease, &d);
    *ret_there = d.there;
    return r;
}

/* ---- receiving ------------------------------------------------------------------------------------------- */

static int shielded(void *arg)
{
    return sn_offload(disk_end, arg);
}

/* Up to cap bytes, at least one unless the body has ended; a stall is SN_E_UNAVAILABLE. */
static ssize_t receive(struct pull *p, struct sn_http_resp *resp, char *buf, size_t cap)
{
    size_t have = 0;
    while (have < cap) {
        int64_t mine = sn_now() + reg_stall_ns(&p->session), prev = sn_deadline_tighten(mine);
        ssize_t n = sn_http_resp_read(resp, buf + have, cap - have);
        sn_deadline_restore(prev);
        if (n < 0 && have) return (ssize_t)have; /* it will say so again */
        if (n == SN_E_DEADLINE_EXCEEDED && sn_now() < prev)
            return sn_fail(SN_E_UNAVAILABLE, "nothing came for %lld s", (long long)(reg_stall_ns(&p->session) / SN_SEC));
        if (n < 0) return n;
        if (n == 0) break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

/* Where the answer begins: at in->have, or at 0 by a server that knows no ranges. */
static int start_of(const struct sn_http_resp *resp, uint64_t from, uint64_t *ret)
{
    *ret = 0;
    if (resp->status == 200) return 0;
    struct sn_str range = sn_http_headers_get(&resp->headers, SN_STR("content-range")), first;
    if (!sn_str_starts(range, SN_STR("bytes "))) return sn_fail(SN_E_PROTOCOL, "status 206 without Content-Range");
    range = sn_str_from(range, 6);
    first = sn_str_cut(&range, '-');
    if (sn_str_to_u64(first, ret) < 0 || *ret != from)
        return sn_fail(SN_E_PROTOCOL, "asked for bytes from %llu, got others", (unsigned long long)from);
    return 0;
}

/* One answer into the blob. Returns 0 at the answer's end. */
static int receive_all(struct pull *p, struct disk *d, struct sn_http_resp *resp, char *buf, bool *ret_disk)
{
    uint64_t skip;
    int r = start_of(resp, d->in->have, &skip);
    if (r < 0) return r;
    skip = resp->status == 200 ? d->in->have : 0; /* it sends again what is here already */
    *ret_disk = false;
    for (;;) {
        ssize_t n = receive(p, resp, buf, CHUNK_BYTES);
        if (n <= 0) return (int)n;
        struct sn_str bytes = sn_str_of(buf, (size_t)n);
        if (skip) {
            uint64_t k = SN_MIN(skip, (uint64_t)bytes.len);
            skip -= k;
            bytes = sn_str_from(bytes, (size_t)k);
        }
        if (!bytes.len) continue;
        d->bytes = bytes;
        r = sn_offload(disk_put, d);
        if (r < 0) {
            *ret_disk = true;
            return r;
        }
        add_bytes(p, bytes.len);
    }
}

static int fetch_once(struct pull *p, struct disk *d, char *buf, bool *ret_disk)
{
    struct sn_http_resp *resp;
    char path[SN_IMAGE_DIGEST_MAX + 8];
    (void)snprintf(path, sizeof(path), "blobs/%.*s", SN_STR_ARG(d->digest));
    *ret_disk = false;
    int r = reg_get(&p->session, &(struct reg_request){.path = sn_str(path), .from = d->in->have}, &resp);
    if (r < 0) {
        *ret_disk = !reg_worth_retrying(r); /* reg_get has tried */
        return r;
    }
    r = receive_all(p, d, resp, buf, ret_disk);
    sn_http_resp_close(resp);
    return r;
}

/* Until all is here: again where it broke off, as long as tries bring something. */
static int fetch_rest(struct pull *p, struct disk *d)
{
    char *buf = sn_alloc(CHUNK_BYTES);
    if (!buf) return SN_E_NOMEM;
    int r = 0;
    unsigned idle = 0;
    while (d->in->have < d->size) {
        uint64_t before = d->in->have;
        bool disk;
        r = fetch_once(p, d, buf, &disk);
        if (r == 0 && d->in->have < d->size)
            r = sn_fail(SN_E_UNAVAILABLE, "the answer ended after %llu of %llu bytes", (unsigned long long)d->in->have,
                        (unsigned long long)d->size);
        if (r == 0) break;
        if (disk || !reg_worth_retrying(r) || sn_cancelled()) break;
        idle = d->in->have > before ? 1 : idle + 1;
        if (idle >= REG_TRIES_MAX) break;
        int e = reg_backoff(idle);
        if (e < 0) {
            r = e;
            break;
        }
        r = 0;
    }
    sn_free(buf);
    return r;
}

/* Whether another try could make use of what came. */
static bool is_hopeless(int r)
{
    return r == SN_E_DATA_LOSS || r == SN_E_SYNTAX || r == SN_E_TOO_LARGE || r == SN_E_UNIMPLEMENTED ||
           r == SN_E_RESOURCE_EXHAUSTED;
}

/* The blob into the store, and into `u`. Partial content stays for another try where its failure is not the
 * content's own. */
static int fetch_blob(struct pull *p, const struct sn_descriptor *desc, struct unpack *u, bool *ret_resumed)
{
    struct ingest in;
    struct disk d = {.p = p, .digest = desc->digest, .size = desc->size, .in = &in, .u = u, .layer = u ? u->layer : NULL};
    *ret_resumed = false;
    int r = sn_offload(disk_begin, &d);
    if (r < 0) return r;
    *ret_resumed = in.have > 0;
    if (in.have) add_bytes(p, in.have);
    r = fetch_rest(p, &d);
    if (r == 0) r = sn_offload(disk_commit, &d);
    d.drop = is_hopeless(r) || r == SN_E_NOT_FOUND;
    struct sn_diag kept = *sn_diag();
    (void)sn_shield(60 * SN_SEC, shielded, &d);
    *sn_diag() = kept;
    return r;
}

/* ---- layers ------------------------------------------------------------------------------------------------ */

static int do_unpack_begin(void *arg)
{
    struct layer_job *j = arg;
    return unpack_begin(j->p->st, &j->p->lease, j->diff_id, &j->u);
}
static int do_unpack_blob(void *arg)
{
    struct layer_job *j = arg;
    return unpack_blob(&j->u, j->desc->digest);
}
static int do_unpack_end(void *arg)
{
    struct layer_job *j = arg;
    unpack_end(&j->u);
    return 0;
}
static int do_unpack_commit(void *arg)
{
    struct layer_job *j = arg;
    return unpack_commit(&j->u, j->p->chains, j->i);
}
static int do_snapshot_look(void *arg)
{
    struct layer_job *j = arg;
    struct sn_str chain = j->p->chains[j->i];
    int r = lease_add(&j->p->lease, sn_str_from(chain, 7));
    j->unpacked = r == 0 && snapshot_exists(j->p->st, chain);
    return r;
}

static int do_unpack_end_offloaded(void *arg) { return sn_offload(do_unpack_end, arg); }

static void drop_unpack(struct layer_job *j)
{
    struct sn_diag kept = *sn_diag();
    if (j->u.st) (void)sn_shield(60 * SN_SEC, do_unpack_end_offloaded, j);
    j->u = (struct unpack){.fs_fd = -1};
    *sn_diag() = kept;
}

/* Fetches, and unpacks what comes; a part of an earlier try that proves bad is thrown away once. */
static int layer_fetch(struct layer_job *j)
{
    for (unsigned n = 0;; n++) {
        bool resumed = false;
        int r = j->unpacked || j->p->o.no_unpack ? 0 : sn_offload(do_unpack_begin, j);
        if (r == 0) r = fetch_blob(j->p, j->desc, j->u.st ? &j->u : NULL, &resumed);
        if (r == 0) return 0;
        drop_unpack(j);
        if (n || !resumed || (r != SN_E_DATA_LOSS && r != SN_E_SYNTAX)) return r;
    }
}

static int layer_from_store(struct layer_job *j)
{
    add_bytes(j->p, j->desc->size);
    if (j->unpacked || j->p->o.no_unpack) return 0;
    int r = sn_offload(do_unpack_begin, j);
    if (r == 0) r = sn_offload(do_unpack_blob, j);
    return r;
}

static int layer_bring(struct layer_job *j)
{
    int r = sn_offload(do_snapshot_look, j);
    while (r == 0) {
        struct flight *f = NULL;
        bool there;
        r = look(j->p, j->desc->digest, &there);
        if (r < 0) return r;
        if (there) return layer_from_store(j);
        r = flight_enter(j->p->st, j->desc->digest, &f);
        if (r < 0) return r;
        if (r == 0) continue;
        /* It may have landed between the look and the entry. */
        r = look(j->p, j->desc->digest, &there);
        if (r == 0) r = there ? layer_from_store(j) : layer_fetch(j);
        flight_land(j->p->st, f);
        return r;
    }
    return r;
}

static int layer_run(void *arg)
{
    struct layer_job *j = arg;
    int r = sn_sem_acquire(&j->p->permits, 1);
    if (r == 0) {
        r = layer_bring(j);
        sn_sem_release(&j->p->permits, 1);
    }
    if (r == 0) layer_done(j->p);
    j->failed = r < 0;
    sn_event_set(&j->ready); /* also for who waits for nothing: a scope cancels only its own fibers */
    return r < 0 ? sn_wrap(r, "layer %zu of %zu, %.*s", j->i + 1, j->p->manifest.n_entries, SN_STR_ARG(j->desc->digest)) : 0;
}

/* In order: a snapshot stands on those below it. */
static int commit_all(struct pull *p)
{
    for (size_t i = 0; i < p->manifest.n_entries; i++) {
        struct layer_job *j = &p->jobs[i];
        int r = sn_event_wait(&j->ready);
        if (r < 0) return r;
        if (j->failed) return SN_E_CANCELLED; /* the scope knows why */
        if (j->u.done) {
            r = sn_offload(do_unpack_commit, j);
            if (r < 0) return sn_wrap(r, "layer %zu, %.*s", i + 1, SN_STR_ARG(j->desc->digest));
            drop_unpack(j);
        }
    }
    return 0;
}

static int pull_layers(struct pull *p)
{
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    int r = 0;
    for (size_t i = 0; i < p->manifest.n_entries && r == 0; i++) {
        p->jobs[i] = (struct layer_job){.p = p, .i = i, .desc = &p->manifest.entries[i], .diff_id = p->config.diff_ids[i],
                                        .u = {.fs_fd = -1}};
        r = sn_scope_go(s, "image-layer", layer_run, &p->jobs[i]);
        if (r == 0) p->n_jobs++;
    }
    if (r == 0) r = commit_all(p);
    if (r < 0) sn_scope_cancel(s);
    struct sn_diag kept = *sn_diag();
    int e = sn_scope_end(s);
    /* A layer's failure explains a cancelled wait; and a failed commit cancelled layers. */
    if (r < 0 && (r != SN_E_CANCELLED || e == 0)) *sn_diag() = kept;
    if (r == SN_E_CANCELLED && e < 0) r = e;
    for (size_t i = 0; i < p->n_jobs; i++) drop_unpack(&p->jobs[i]);
    return r < 0 ? r : e;
}

/* ---- documents --------------------------------------------------------------------------------------------- */

#define ACCEPT_MANIFESTS                                                                                 \
    SN_TYPE_OCI_INDEX ", " SN_TYPE_DOCKER_LIST ", " SN_TYPE_OCI_MANIFEST ", " SN_TYPE_DOCKER_MANIFEST

struct doc {
    struct pull *p;
    struct sn_str digest, text;
    size_t max;
    bool there;
};
static int doc_read(void *arg)
{
    struct doc *d = arg;
    int r = lease_add(&d->p->lease, d->digest);
    if (r < 0) return r;
    d->there = store_blob_exists(d->p->st, d->digest, NULL);
    if (!d->there) return 0;
    r = store_blob_read(d->p->st, &d->p->scratch, d->digest, d->max, &d->text);
    if (r == SN_E_DATA_LOSS || r == SN_E_NOT_FOUND) { /* damaged: fetched again */
        char path[STORE_NAME_MAX];
        store_blob_path(d->digest, path);
        (void)unlinkat(d->p->st->fd, path, 0);
        d->there = false;
        r = 0;
    }
    return r;
}
static int doc_write(void *arg)
{
    struct doc *d = arg;
    int r = lease_add(&d->p->lease, d->digest);
    return r < 0 ? r : store_blob_put(d->p->st, d->digest, d->text);
}

/* The digest of what came, by the algorithm of the one it should have. */
static int check_document(struct pull *p, struct sn_str text, struct sn_str want, struct sn_str *ret)
{
    uint8_t hash[SN_HASH_MAX];
    char is[SN_IMAGE_DIGEST_MAX + 1];
    enum sn_hash_kind kind = store_hash_kind(want);
    int r = sn_hash_once(kind, text.ptr, text.len, hash);
    if (r < 0) return r;
    store_digest_text(kind, hash, is);
    if (want.len && !sn_str_eqc(want, is))
        return sn_fail(SN_E_DATA_LOSS, "%.*s: what came is %s", SN_STR_ARG(want), is);
    *ret = sn_arena_str(&p->scratch, sn_str(is));
    return ret->ptr ? 0 : SN_E_NOMEM;
}

/* want: the digest, or "" for a tag's manifest, whatever it is now. */
static int fetch_document(struct pull *p, const struct reg_request *q, struct sn_str want, size_t max, struct doc *d)
{
    struct sn_http_resp *resp;
    int r = reg_get(&p->session, q, &resp);
    if (r < 0) return r;
    struct sn_str body, said = sn_http_headers_get(&resp->headers, SN_STR("docker-content-digest"));
    int64_t prev = sn_deadline_tighten(sn_now() + reg_stall_ns(&p->session));
    r = sn_http_resp_all(resp, max, &body);
    sn_deadline_restore(prev);
    if (r == 0) {
        d->text = sn_arena_str(&p->scratch, body);
        if (!d->text.ptr) r = SN_E_NOMEM;
    }
    if (r == 0 && !want.len && sn_image_digest_valid(said)) want = sn_arena_str(&p->scratch, said);
    sn_http_resp_close(resp);
    if (r == 0) r = check_document(p, d->text, want, &d->digest);
    return r;
}

/* With retries: a cut answer is as good as none. */
static int document(struct pull *p, const struct reg_request *q, struct sn_str want, size_t max, struct doc *d)
{
    *d = (struct doc){.p = p, .digest = want, .max = max};
    int r = want.len ? sn_offload(doc_read, d) : 0;
    if (r < 0 || d->there) return r;
    for (unsigned n = 0; n < REG_TRIES_MAX; n++) {
        if (n && (r = reg_backoff(n)) < 0) return r;
        r = fetch_document(p, q, want, max, d);
        if (r == 0 || !reg_worth_retrying(r) || sn_cancelled()) break;
    }
    if (r == 0) r = sn_offload(doc_write, d);
    return r < 0 ? sn_wrap(r, "%.*s", SN_STR_ARG(q->path)) : 0;
}

static int pull_manifest(struct pull *p)
{
    struct doc d;
    struct sn_str want = p->ref.digest, name = want.len ? want : p->ref.tag;
    for (unsigned depth = 0; depth < SN_MANIFEST_NESTED_MAX; depth++) {
        const struct sn_descriptor *best;
        struct reg_request q = {.path = sn_arena_printf(&p->scratch, "manifests/%.*s", SN_STR_ARG(name)),
                                .accept = SN_STR(ACCEPT_MANIFESTS), .resolve = want.len == 0};
        int r = q.path.ptr ? document(p, &q, want, SN_IMAGE_MANIFEST_BYTES_MAX, &d) : SN_E_NOMEM;
        if (r == 0) r = sn_manifest_parse(&p->scratch, d.text, &p->manifest);
        if (r < 0) return r;
        struct sn_str type = p->manifest.media_type.ptr ? p->manifest.media_type
                             : p->manifest.index        ? SN_STR(SN_TYPE_OCI_INDEX)
                                                        : SN_STR(SN_TYPE_OCI_MANIFEST);
        if (depth == 0) {
            p->rec.target = d.digest;
            p->rec.target_size = d.text.len;
            p->rec.media_type = type;
        }
        if (!p->manifest.index) {
            p->rec.manifest = d.digest;
            p->rec.size = d.text.len;
            return 0;
        }
        r = sn_manifest_choose(&p->manifest, &p->platform, &best);
        if (r < 0) return r;
        want = name = best->digest;
    }
    return sn_fail(SN_E_TOO_LARGE, "indexes within each other, over %u deep", SN_MANIFEST_NESTED_MAX);
}

static int pull_config(struct pull *p)
{
    struct doc d;
    struct sn_str digest = p->manifest.config.digest;
    struct reg_request q = {.path = sn_arena_printf(&p->scratch, "blobs/%.*s", SN_STR_ARG(digest))};
    int r = q.path.ptr ? document(p, &q, digest, SN_IMAGE_CONFIG_BYTES_MAX, &d) : SN_E_NOMEM;
    if (r == 0) r = sn_image_config_parse(&p->scratch, d.text, &p->config);
    return r < 0 ? r : image_check_layers(&p->manifest, &p->config);
}

static int pull_prepare(struct pull *p)
{
    int r = sn_image_chains(&p->scratch, p->config.diff_ids, p->config.n_diff_ids, &p->chains);
    if (r < 0) return r;
    size_t n = p->manifest.n_entries;
    p->jobs = SN_ARENA_ARRAY(&p->scratch, struct layer_job, n + 1);
    if (!p->jobs) return SN_E_NOMEM;
    p->rec.config = p->manifest.config.digest;
    p->rec.size += p->manifest.config.size;
    p->rec.chain = n ? p->chains[n - 1] : SN_STR("");
    for (size_t i = 0; i < n; i++) {
        p->rec.size += p->manifest.entries[i].size;
        p->progress.bytes_total += p->manifest.entries[i].size;
    }
    p->progress.layers = (unsigned)n;
    progress(p, true);
    return 0;
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

static int do_lease(void *arg)
{
    struct pull *p = arg;
    return lease_open(p->st, &p->lease);
}
static int do_lease_close(void *arg)
{
    struct pull *p = arg;
    lease_close(&p->lease);
    return p->hopeless ? gc_run(p->st, NULL, NULL) : 0;
}
static int do_lease_close_offloaded(void *arg) { return sn_offload(do_lease_close, arg); }
static int do_record(void *arg)
{
    struct pull *p = arg;
    return index_put(p->st, &p->rec);
}

static int registry_of(struct sn_image_store *st)
{
    int r = sn_mutex_lock(&st->clients_lock);
    if (r < 0) return r;
    if (!st->clients) r = sn_image_clients_new(&st->clients);
    sn_mutex_unlock(&st->clients_lock);
    return r;
}

static int pull_leased(struct pull *p)
{
    int r = pull_manifest(p);
    if (r == 0) r = pull_config(p);
    if (r == 0) r = pull_prepare(p);
    if (r == 0) r = pull_layers(p);
    if (r < 0) return r;
    p->rec.pulled_ns = sn_wall_now();
    return sn_offload(do_record, p);
}

static int pull_run(struct pull *p)
{
    int r = registry_of(p->st);
    if (r == 0) r = reg_open(p->st->clients, &p->ref, &p->o, p->st->certs_dir, &p->session);
    if (r < 0) return r;
    r = sn_offload(do_lease, p);
    if (r == 0) {
        r = pull_leased(p);
        p->hopeless = is_hopeless(r);
        struct sn_diag kept = *sn_diag();
        (void)sn_shield(60 * SN_SEC, do_lease_close_offloaded, p);
        *sn_diag() = kept;
    }
    reg_close(&p->session);
    progress(p, true);
    return r;
}

int sn_image_pull(struct sn_image_store *st, struct sn_str reference, const struct sn_image_pull_opts *opts,
                  struct sn_arena *a, struct sn_image *ret)
{
    struct pull *p = SN_NEW(struct pull); /* too large for a fiber's frame */
    if (!p) return SN_E_NOMEM;
    p->st = st;
    if (opts) p->o = *opts;
    sn_arena_init(&p->scratch, NULL, 0);
    sn_sem_init(&p->permits, st->o.layers_at_once_max);
    int r = sn_image_ref_parse(&p->scratch, reference, &p->ref);
    if (r == 0) r = sn_platform_parse(p->o.platform, &p->platform);
    if (r == 0) {
        p->rec.ref = p->progress.reference = sn_image_ref_text(&p->scratch, &p->ref);
        r = p->rec.ref.ptr ? pull_run(p) : SN_E_NOMEM;
        if (r < 0) r = sn_wrap(r, "pull %.*s", SN_STR_ARG(p->rec.ref));
        if (r == 0) r = sn_image_find(st, p->rec.ref, a, ret);
    }
    sn_arena_done(&p->scratch);
    sn_free(p);
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* image/image.c - listing, finding, naming and removing images. */
#include "image/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/status.h"
#include "fiber/os.h"
#include "image/store_int.h"

/* ---- from blobs to an image
 * ---------------------------------------------------------------------- */

int image_resolve(struct sn_image_store *st, struct sn_arena *a, struct sn_str target,
                  const struct sn_platform *want, struct sn_manifest *ret,
                  struct sn_str *ret_digest, uint64_t *ret_size)
{
    for (unsigned depth = 0; depth < SN_MANIFEST_NESTED_MAX; depth++) {
        struct sn_str text;
        const struct sn_descriptor *d;
        int r = store_blob_read(st, a, target, SN_IMAGE_MANIFEST_BYTES_MAX, &text);
        if (r == 0) r = sn_manifest_parse(a, text, ret);
        if (r < 0) return sn_wrap(r, "manifest %.*s", SN_STR_ARG(target));
        *ret_digest = target;
        *ret_size = text.len;
        if (!ret->index) return 0;
        r = sn_manifest_choose(ret, want, &d);
        if (r < 0) return r;
        target = d->digest;
    }
    return sn_fail(SN_E_TOO_LARGE, "indexes within each other, over %u deep",
                   SN_MANIFEST_NESTED_MAX);
}

int image_check_layers(const struct sn_manifest *m, const struct sn_image_config *c)
{
    if (m->n_entries == c->n_diff_ids) return 0;
    return sn_fail(SN_E_SYNTAX, "the manifest has %zu layers, the configuration %zu", m->n_entries,
                   c->n_diff_ids);
}

static int unpack_one(struct sn_image_store *st, struct lease *l, const struct sn_manifest *m,
                      const struct sn_image_config *c, const struct sn_str *chains, size_t i)
{
    struct unpack u;
    int r = lease_add(l, sn_str_from(chains[i], 7));
    if (r < 0 || snapshot_exists(st, chains[i])) return r;
    r = unpack_begin(st, l, c->diff_ids[i], &u);
    if (r < 0) return r;
    r = unpack_blob(&u, m->entries[i].digest);
    if (r == 0) r = unpack_commit(&u, chains, i);
    struct sn_diag kept = *sn_diag();
    unpack_end(&u);
    *sn_diag() = kept;
    return r;
}

int image_unpack(struct sn_image_store *st, struct lease *l, const struct sn_manifest *m,
                 const struct sn_image_config *c)
{
    struct sn_arena a;
    struct sn_str *chains;
    sn_arena_init(&a, NULL, 0);
    int r = image_check_layers(m, c);
    if (r == 0) r = sn_image_chains(&a, c->diff_ids, c->n_diff_ids, &chains);
    for (size_t i = 0; r == 0 && i < m->n_entries; i++) r = unpack_one(st, l, m, c, chains, i);
    sn_arena_done(&a);
    return r;
}

static struct sn_str arena_copy(struct sn_arena *a, struct sn_str s) { return sn_arena_str(a, s); }

/* "docker.io/library/busybox@sha256:..." of a name and what it stands for. */
static struct sn_str digest_name(struct sn_arena *a, struct sn_str ref, struct sn_str target)
{
    struct sn_image_ref r;
    if (sn_image_ref_parse(a, ref, &r) < 0) return (struct sn_str){0};
    r.tag = (struct sn_str){0};
    r.digest = target;
    return sn_image_ref_text(a, &r);
}

static bool has(const struct sn_str *list, size_t n, struct sn_str s)
{
    for (size_t i = 0; i < n; i++)
        if (sn_str_eq(list[i], s)) return true;
    return false;
}

/* The names of all records of the image `id`. */
static int fill_names(struct sn_arena *a, const struct record *recs, size_t n, struct sn_str id,
                      struct sn_image *im)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += sn_str_eq(recs[i].config, id);
    im->tags = SN_ARENA_ARRAY(a, struct sn_str, count + 1);
    im->digests = SN_ARENA_ARRAY(a, struct sn_str, count + 1);
    if (!im->tags || !im->digests) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        if (!sn_str_eq(recs[i].config, id) || recs[i].ref.len == 0) continue;
        if (sn_str_chr(recs[i].ref, '@') < 0) im->tags[im->n_tags++] = recs[i].ref;
        struct sn_str d = digest_name(a, recs[i].ref, recs[i].target);
        if (d.ptr && !has(im->digests, im->n_digests, d)) im->digests[im->n_digests++] = d;
    }
    return 0;
}

int image_fill(struct sn_image_store *st, struct sn_arena *a, const struct record *r,
               struct sn_image *ret)
{
    struct sn_str text;
    struct sn_image im = {.id = arena_copy(a, r->config),
                          .target = arena_copy(a, r->target),
                          .manifest = arena_copy(a, r->manifest),
                          .chain = arena_copy(a, r->chain),
                          .size = r->size,
                          .pulled_ns = r->pulled_ns};
    if (!im.id.ptr || !im.target.ptr || !im.manifest.ptr || !im.chain.ptr) return SN_E_NOMEM;
    int e = store_blob_read(st, a, r->config, SN_IMAGE_CONFIG_BYTES_MAX, &text);
    if (e == SN_E_NOT_FOUND) e = SN_E_DATA_LOSS;
    if (e == 0) e = sn_image_config_parse(a, text, &im.config);
    if (e < 0) return sn_wrap(e, "image %.*s", SN_STR_ARG(r->ref));
    *ret = im;
    return 0;
}

static int fill(struct sn_image_store *st, struct sn_arena *a, const struct record *recs, size_t n,
                const struct record *r, struct sn_image *ret)
{
    int e = image_fill(st, a, r, ret);
    return e < 0 ? e : fill_names(a, recs, n, r->config, ret);
}

/* ---- listing
 * ------------------------------------------------------------------------------------- */

static int newest_first(const void *x, const void *y)
{
    const struct sn_image *a = x, *b = y;
    if (a->pulled_ns != b->pulled_ns) return a->pulled_ns > b->pulled_ns ? -1 : 1;
    return sn_str_cmp(a->id, b->id);
}

struct list_job {
    struct sn_image_store *st;
    struct sn_arena *a;
    struct sn_image *images;
    size_t n;
};

static int do_list(void *arg)
{
    struct list_job *j = arg;
    struct record *recs;
    size_t n;
    int r = index_read(j->st, j->a, &recs, &n);
    if (r < 0) return r;
    j->images = SN_ARENA_ARRAY(j->a, struct sn_image, n + 1);
    if (!j->images) return SN_E_NOMEM;
    struct sn_map seen;
    sn_map_init(&seen, 0x115, false);
    for (size_t i = n; i-- > 0 && r >= 0;) { /* the youngest record says when */
        if (!recs[i].config.len || sn_map_find(&seen, recs[i].config)) continue;
        r = sn_map_put(&seen, recs[i].config, NULL, NULL);
        if (r >= 0) r = fill(j->st, j->a, recs, n, &recs[i], &j->images[j->n]);
        if (r == 0) j->n++;
    }
    sn_map_done(&seen);
    if (r < 0) return r;
    if (j->n) qsort(j->images, j->n, sizeof(*j->images), newest_first);
    return 0;
}

int sn_image_list(struct sn_image_store *st, struct sn_arena *a, struct sn_image **ret,
                  size_t *ret_n)
{
    struct list_job j = {.st = st, .a = a};
    int r = sn_offload(do_list, &j);
    if (r < 0) return r;
    *ret = j.images;
    *ret_n = j.n;
    return 0;
}

/* ---- finding
 * ------------------------------------------------------------------------------------- */

static bool is_hex(struct sn_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!((s.ptr[i] >= '0' && s.ptr[i] <= '9') || (s.ptr[i] >= 'a' && s.ptr[i] <= 'f')))
            return false;
    return s.len > 0;
}

/* By id, whole or its beginning. Returns 1 with *ret, 0. */
static int by_id(const struct record *recs, size_t n, struct sn_str name, const struct record **ret)
{
    struct sn_str hex = name;
    if (sn_str_starts(name, SN_STR("sha256:")) || sn_str_starts(name, SN_STR("sha512:")))
        hex = sn_str_from(name, 7);
    if (hex.len < 4 || hex.len > 128 || !is_hex(hex)) return 0;
    const struct record *found = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!recs[i].config.len) continue;
        if (!sn_str_starts(sn_str_from(recs[i].config, 7), hex) && !sn_str_eq(recs[i].target, name))
            continue;
        if (found && !sn_str_eq(found->config, recs[i].config))
            return sn_fail(SN_E_INVALID_ARGUMENT,
                           "\"%.*s\" is the beginning of several images' ids", SN_STR_ARG(name));
        found = &recs[i];
    }
    *ret = found;
    return found != NULL;
}

/* By reference; one with a digest also fits a tag of its repository that stands for the digest. */
static int by_ref(struct sn_arena *a, const struct record *recs, size_t n, struct sn_str name,
                  const struct record **ret)
{
    struct sn_image_ref ref, own;
    int r = sn_image_ref_parse(a, name, &ref);
    if (r < 0) return r;
    struct sn_str text = sn_image_ref_text(a, &ref);
    if (!text.ptr) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++)
        if (recs[i].config.len && sn_str_eq(recs[i].ref, text)) {
            *ret = &recs[i];
            return 1;
        }
    for (size_t i = 0; i < n && ref.digest.ptr; i++) {
        if (!recs[i].config.len || sn_image_ref_parse(a, recs[i].ref, &own) < 0) continue;
        if (sn_str_eq(own.registry, ref.registry) && sn_str_eq(own.repository, ref.repository) &&
            (sn_str_eq(recs[i].target, ref.digest) || sn_str_eq(recs[i].manifest, ref.digest))) {
            *ret = &recs[i];
            return 1;
        }
    }
    return 0;
}

/* An id, then a name, then the beginning of an id: a name of few hex digits is a name first.
 * Returns 1 where *ret was found by id, 0 by its reference. */
static int find_record(struct sn_arena *a, const struct record *recs, size_t n, struct sn_str name,
                       const struct record **ret)
{
    bool whole = name.len >= 64;
    int r = whole ? by_id(recs, n, name, ret) : 0;
    if (r != 0) return r;
    int ref = by_ref(a, recs, n, name, ret);
    if (ref == 1) return 0;
    r = whole ? 0 : by_id(recs, n, name, ret);
    if (r != 0) return r;
    return ref < 0 ? by_ref(a, recs, n, name, ret) /* for its diagnostic */
                   : sn_fail(SN_E_NOT_FOUND, "no image \"%.*s\"", SN_STR_ARG(name));
}

int image_find(struct sn_image_store *st, struct sn_str name, struct sn_arena *a,
               struct sn_image *ret)
{
    struct record *recs;
    const struct record *rec = NULL;
    size_t n;
    int r = index_read(st, a, &recs, &n);
    if (r == 0) r = find_record(a, recs, n, name, &rec);
    return r < 0 ? r : fill(st, a, recs, n, rec, ret);
}

struct find_job {
    struct sn_image_store *st;
    struct sn_str name, ref;
    struct sn_arena *a;
    struct sn_image image;
    bool all, gone;
};
static int do_find(void *arg)
{
    struct find_job *j = arg;
    return image_find(j->st, j->name, j->a, &j->image);
}

int sn_image_find(struct sn_image_store *st, struct sn_str name, struct sn_arena *a,
                  struct sn_image *ret)
{
    struct find_job j = {.st = st, .name = name, .a = a};
    int r = sn_offload(do_find, &j);
    if (r == 0) *ret = j.image;
    return r < 0 ? r : 0;
}

/* ---- names
 * --------------------------------------------------------------------------------------- */

static int do_tag(void *arg)
{
    struct find_job *j = arg;
    struct sn_arena a;
    struct record *recs, rec;
    const struct record *found = NULL;
    struct sn_image_ref ref;
    size_t n;
    sn_arena_init(&a, NULL, 0);
    int r = sn_image_ref_parse(&a, j->ref, &ref);
    if (r == 0 && ref.digest.ptr)
        r = sn_fail(SN_E_INVALID_ARGUMENT, "a name with a digest cannot be given");
    if (r == 0) r = index_read(j->st, &a, &recs, &n);
    if (r == 0) r = find_record(&a, recs, n, j->name, &found);
    if (r >= 0) {
        rec = *found;
        rec.ref = sn_image_ref_text(&a, &ref);
        r = rec.ref.ptr ? index_put(j->st, &rec) : SN_E_NOMEM;
    }
    sn_arena_done(&a);
    return r;
}

int sn_image_tag(struct sn_image_store *st, struct sn_str name, struct sn_str new_ref)
{
    struct find_job j = {.st = st, .name = name, .ref = new_ref};
    return sn_offload(do_tag, &j);
}

static int remove_records(struct find_job *j, struct sn_arena *a)
{
    struct record *recs;
    const struct record *found;
    size_t n, kept = 0;
    int r = index_read(j->st, a, &recs, &n);
    if (r == 0) r = find_record(a, recs, n, j->name, &found);
    if (r < 0) return r;
    bool all = r == 1 || j->all;
    struct record gone = *found;
    j->gone = true;
    for (size_t i = 0; i < n; i++) {
        bool same = recs[i].config.len && sn_str_eq(recs[i].config, gone.config);
        if (same && (all || sn_str_eq(recs[i].ref, gone.ref))) continue;
        if (same) j->gone = false;
        recs[kept++] = recs[i];
    }
    return index_write(j->st, recs, kept);
}

static int do_remove(void *arg)
{
    struct find_job *j = arg;
    struct sn_arena a;
    int lock = store_lock(j->st, true);
    if (lock < 0) return lock;
    sn_arena_init(&a, NULL, 0);
    int r = remove_records(j, &a);
    sn_arena_done(&a);
    (void)close(lock);
    if (r < 0) return r;
    return gc_run(j->st, NULL, NULL);
}

int sn_image_remove(struct sn_image_store *st, struct sn_str name, bool all, bool *ret_gone)
{
    struct find_job j = {.st = st, .name = name, .all = all};
    int r = sn_offload(do_remove, &j);
    if (r == 0 && ret_gone) *ret_gone = j.gone;
    return r;
}

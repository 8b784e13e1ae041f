/* SPDX-License-Identifier: Apache-2.0 */
/* image/load.c - images from layouts and archives into the store. */
#include <errno.h>
#include <stdio.h>

#include "core/status.h"
#include "image/bundle_int.h"
#include "wire/json.h"

#define DOCUMENT_BYTES_MAX (16u << 20)
#define UNNAMED "localhost/imported"

struct load {
    struct sn_image_store *st;
    const char *path;
    struct sn_str name;
    struct sn_arena *a; /* of the results */
    struct sn_arena scratch;
    struct bundle b;
    struct lease lease;
    struct sn_platform platform;
    int64_t now_ns;
    struct sn_str *refs; /* of what was loaded */
    size_t n_refs, cap_refs;
    struct sn_image *images;
};

/* ---- names
 * ------------------------------------------------------------------------------------------------
 */

static int loaded(struct load *l, const struct record *rec)
{
    int r = index_put(l->st, rec);
    if (r < 0) return r;
    if (l->n_refs == l->cap_refs) {
        size_t cap = l->cap_refs ? 2 * l->cap_refs : 8;
        struct sn_str *more = SN_ARENA_ARRAY(&l->scratch, struct sn_str, cap);
        if (!more) return SN_E_NOMEM;
        if (l->n_refs) memcpy(more, l->refs, l->n_refs * sizeof(*more));
        l->refs = more;
        l->cap_refs = cap;
    }
    l->refs[l->n_refs++] = rec->ref;
    return 0;
}

/* What the archive calls it: a whole reference, a tag of `name`, or nothing. */
static int reference(struct load *l, struct sn_str said, struct sn_str target, struct sn_str *ret)
{
    struct sn_image_ref ref;
    struct sn_str text = said;
    bool whole = sn_str_chr(said, '/') >= 0 || sn_str_chr(said, ':') >= 0;
    if (!whole && l->name.len) {
        text = l->name;
        bool tagged = sn_str_rchr(text, ':') > sn_str_rchr(text, '/') || sn_str_chr(text, '@') >= 0;
        if (said.len && !tagged)
            text = sn_arena_printf(&l->scratch, "%.*s:%.*s", SN_STR_ARG(text), SN_STR_ARG(said));
    } else if (!whole) {
        text = sn_arena_printf(&l->scratch, UNNAMED "%s%.*s%s%.*s", said.len ? ":" : "",
                               SN_STR_ARG(said), said.len ? "" : "@",
                               said.len ? 0 : (int)target.len, target.ptr);
    }
    int r = text.ptr ? sn_image_ref_parse(&l->scratch, text, &ref) : SN_E_NOMEM;
    if (r < 0) return r;
    *ret = sn_image_ref_text(&l->scratch, &ref);
    return ret->ptr ? 0 : SN_E_NOMEM;
}

/* ---- blobs
 * -------------------------------------------------------------------------------------------------
 */

static struct sn_str blob_name(struct load *l, struct sn_str digest)
{
    return sn_arena_printf(&l->scratch, "blobs/%.6s/%.*s", digest.ptr, (int)digest.len - 7,
                           digest.ptr + 7);
}

/* A document of the bundle into the store, and its text. */
static int take_document(struct load *l, struct sn_str digest, struct sn_str *ret)
{
    struct sn_str name = blob_name(l, digest);
    if (!name.ptr) return SN_E_NOMEM;
    int r = lease_add(&l->lease, digest);
    if (r == 0) r = bundle_read(&l->b, &l->scratch, name, DOCUMENT_BYTES_MAX, ret);
    return r < 0 ? r : store_blob_put(l->st, digest, *ret);
}

static int put_ingest(void *ctx, struct sn_str bytes) { return ingest_put(ctx, bytes); }

/* A layer's blob into the store, unpacked on the way where its snapshot is not there. */
static int take_blob(struct load *l, struct sn_str name, const struct sn_descriptor *d,
                     struct unpack *u)
{
    struct ingest in;
    int r = ingest_begin(l->st, d->digest, d->size, NULL, &in);
    if (r < 0) return r;
    if (in.have) { /* part of a pull: here it comes whole and anew */
        ingest_end(&in, true);
        r = ingest_begin(l->st, d->digest, d->size, NULL, &in);
        if (r < 0) return r;
    }
    in.layer = u ? u->layer : NULL;
    r = bundle_each(&l->b, name, put_ingest, &in, NULL);
    if (r == 0) r = ingest_commit(&in);
    ingest_end(&in, r < 0);
    if (r == 0 && u) {
        r = sn_layer_finish(u->layer, &u->result);
        u->done = r == 0;
    }
    return r;
}

static int take_layer(struct load *l, struct sn_str name, const struct sn_descriptor *d,
                      struct sn_str diff_id, const struct sn_str *chains, size_t i)
{
    struct unpack u = {.fs_fd = -1};
    int r = lease_add(&l->lease, d->digest);
    if (r == 0) r = lease_add(&l->lease, sn_str_from(chains[i], 7));
    if (r < 0) return r;
    bool blob = store_blob_exists(l->st, d->digest, NULL),
         snapshot = snapshot_exists(l->st, chains[i]);
    if (!snapshot) r = unpack_begin(l->st, &l->lease, diff_id, &u);
    if (r < 0) return r;
    if (!blob)
        r = take_blob(l, name, d, snapshot ? NULL : &u);
    else if (!snapshot)
        r = unpack_blob(&u, d->digest);
    if (r == 0 && !snapshot) r = unpack_commit(&u, chains, i);
    struct sn_diag kept = *sn_diag();
    if (u.st) unpack_end(&u);
    *sn_diag() = kept;
    return r < 0 ? sn_wrap(r, "layer %zu, %.*s", i + 1, SN_STR_ARG(d->digest)) : 0;
}

/* names: where each layer lies in the bundle; NULL: by its digest. */
static int take_layers(struct load *l, const struct sn_manifest *m, const struct sn_image_config *c,
                       const struct sn_str *names, struct record *rec)
{
    struct sn_str *chains;
    int r = image_check_layers(m, c);
    if (r == 0) r = sn_image_chains(&l->scratch, c->diff_ids, c->n_diff_ids, &chains);
    rec->chain = r == 0 && m->n_entries ? chains[m->n_entries - 1] : SN_STR("");
    for (size_t i = 0; i < m->n_entries && r == 0; i++) {
        struct sn_str name = names ? names[i] : blob_name(l, m->entries[i].digest);
        if (!name.ptr) return SN_E_NOMEM;
        r = take_layer(l, name, &m->entries[i], c->diff_ids[i], chains, i);
        rec->size += m->entries[i].size;
    }
    return r;
}

/* ---- OCI
 * -----------------------------------------------------------------------------------------------------
 */

static int oci_manifest(struct load *l, struct sn_str digest, struct record *rec,
                        struct sn_manifest *m)
{
    for (unsigned depth = 0; depth < SN_MANIFEST_NESTED_MAX; depth++) {
        struct sn_str text;
        const struct sn_descriptor *best;
        int r = take_document(l, digest, &text);
        if (r == 0) r = sn_manifest_parse(&l->scratch, text, m);
        if (r < 0) return sn_wrap(r, "manifest %.*s", SN_STR_ARG(digest));
        if (depth == 0) rec->target_size = text.len;
        if (!m->index) {
            rec->manifest = digest;
            rec->size = text.len + m->config.size;
            return 0;
        }
        r = sn_manifest_choose(m, &l->platform, &best);
        if (r < 0) return r;
        digest = best->digest;
    }
    return sn_fail(SN_E_TOO_LARGE, "indexes within each other, over %u deep",
                   SN_MANIFEST_NESTED_MAX);
}

static int oci_image(struct load *l, const struct sn_descriptor *d)
{
    struct record rec = {.target = d->digest, .media_type = d->media_type, .pulled_ns = l->now_ns};
    struct sn_manifest m;
    struct sn_image_config c;
    struct sn_str text;
    int r = oci_manifest(l, d->digest, &rec, &m);
    if (r == 0) r = take_document(l, m.config.digest, &text);
    if (r == 0) r = sn_image_config_parse(&l->scratch, text, &c);
    if (r < 0) return r;
    rec.config = m.config.digest;
    r = take_layers(l, &m, &c, NULL, &rec);
    if (r < 0) return r;
    struct sn_str said = sn_json_str(sn_json_get(d->annotations, SN_NOTE_CONTAINERD_NAME));
    if (!said.len) said = sn_json_str(sn_json_get(d->annotations, SN_NOTE_REF_NAME));
    r = reference(l, said, rec.target, &rec.ref);
    return r < 0 ? r : loaded(l, &rec);
}

static int load_oci(struct load *l)
{
    struct sn_str text;
    struct sn_manifest index;
    int r = bundle_read(&l->b, &l->scratch, SN_STR("index.json"), DOCUMENT_BYTES_MAX, &text);
    if (r == 0) r = sn_manifest_parse(&l->scratch, text, &index);
    if (r == 0 && !index.index) r = sn_fail(SN_E_SYNTAX, "no index");
    for (size_t i = 0; r == 0 && i < index.n_entries; i++) r = oci_image(l, &index.entries[i]);
    return r < 0 ? sn_wrap(r, "index.json") : 0;
}

/* ---- docker save
 * --------------------------------------------------------------------------------------------- */

static int put_hash(void *ctx, struct sn_str bytes)
{
    sn_hasher_put(ctx, bytes.ptr, bytes.len);
    return 0;
}

/* The digest and size of a file of the bundle. */
static int digest_of(struct load *l, struct sn_str name, struct sn_descriptor *ret)
{
    struct sn_hasher h;
    uint8_t hash[SN_HASH_MAX];
    char text[SN_IMAGE_DIGEST_MAX + 1];
    int r = sn_hasher_init(&h, SN_SHA256);
    if (r < 0) return r;
    r = bundle_each(&l->b, name, put_hash, &h, &ret->size);
    if (r == 0) r = sn_hasher_final(&h, hash);
    sn_hasher_done(&h);
    if (r < 0) return r;
    store_digest_text(SN_SHA256, hash, text);
    ret->digest = sn_arena_str(&l->scratch, sn_str(text));
    return ret->digest.ptr ? 0 : SN_E_NOMEM;
}

static void put_descriptor(struct sn_jsonw *w, const struct sn_descriptor *d)
{
    sn_jsonw_object(w);
    sn_jsonw_kstr(w, "mediaType", d->media_type);
    sn_jsonw_kstr(w, "digest", d->digest);
    sn_jsonw_ku64(w, "size", d->size);
    sn_jsonw_object_end(w);
}

/* `docker save` has no manifest: one is written from what there is. */
static int make_manifest(struct load *l, const struct sn_manifest *m, struct record *rec)
{
    struct sn_buf b;
    struct sn_jsonw w;
    uint8_t hash[SN_HASH_MAX];
    char digest[SN_IMAGE_DIGEST_MAX + 1];
    sn_buf_init(&b, SN_IMAGE_MANIFEST_BYTES_MAX);
    sn_jsonw_init(&w, &b, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_ku64(&w, "schemaVersion", 2);
    sn_jsonw_kstr(&w, "mediaType", SN_STR(SN_TYPE_OCI_MANIFEST));
    sn_jsonw_key(&w, SN_STR("config"));
    put_descriptor(&w, &m->config);
    sn_jsonw_key(&w, SN_STR("layers"));
    sn_jsonw_array(&w);
    for (size_t i = 0; i < m->n_entries; i++) put_descriptor(&w, &m->entries[i]);
    sn_jsonw_array_end(&w);
    sn_jsonw_object_end(&w);
    int r = b.err < 0 ? b.err : sn_hash_once(SN_SHA256, b.ptr, b.len, hash);
    if (r == 0) {
        store_digest_text(SN_SHA256, hash, digest);
        rec->target = rec->manifest = sn_arena_str(&l->scratch, sn_str(digest));
        rec->target_size = b.len;
        rec->size = b.len + m->config.size;
        r = rec->target.ptr ? lease_add(&l->lease, rec->target) : SN_E_NOMEM;
    }
    if (r == 0) r = store_blob_put(l->st, rec->target, sn_buf_view(&b));
    sn_buf_done(&b);
    return r;
}

static int docker_layers(struct load *l, const struct sn_json *layers, struct sn_manifest *m,
                         struct sn_str **ret_names)
{
    size_t n = sn_json_len(layers);
    if (n > SN_IMAGE_LAYERS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "Layers: over %u", SN_IMAGE_LAYERS_MAX);
    m->entries = SN_ARENA_ARRAY(&l->scratch, struct sn_descriptor, n + 1);
    *ret_names = SN_ARENA_ARRAY(&l->scratch, struct sn_str, n + 1);
    if (!m->entries || !*ret_names) return SN_E_NOMEM;
    m->n_entries = n;
    for (size_t i = 0; i < n; i++) {
        (*ret_names)[i] = sn_json_str(sn_json_at(layers, i));
        if (!(*ret_names)[i].len) return sn_fail(SN_E_SYNTAX, "Layers[%zu]: expected a name", i);
        int r = digest_of(l, (*ret_names)[i], &m->entries[i]);
        if (r < 0) return r;
        m->entries[i].media_type =
            SN_STR(SN_TYPE_OCI_LAYER); /* told by its first bytes when it is read */
    }
    return 0;
}

static int docker_names(struct load *l, const struct sn_json *tags, struct record *rec)
{
    int r = 0;
    for (SN_JSON_EACH(tags, t)) {
        r = reference(l, sn_json_str(t), rec->target, &rec->ref);
        if (r == 0) r = loaded(l, rec);
        if (r < 0) return r;
    }
    if (sn_json_len(tags)) return 0;
    r = reference(l, SN_STR(""), rec->target, &rec->ref);
    return r < 0 ? r : loaded(l, rec);
}

static int docker_image(struct load *l, const struct sn_json *v)
{
    struct sn_manifest m = {0};
    struct sn_image_config c;
    struct sn_str text, *names, config = sn_json_str(sn_json_get(v, "Config"));
    struct record rec = {.media_type = SN_STR(SN_TYPE_OCI_MANIFEST), .pulled_ns = l->now_ns};
    if (!config.len) return sn_fail(SN_E_SYNTAX, "Config: expected a name");
    m.config.media_type = SN_STR(SN_TYPE_DOCKER_CONFIG);
    int r = bundle_read(&l->b, &l->scratch, config, SN_IMAGE_CONFIG_BYTES_MAX, &text);
    if (r == 0) r = sn_image_config_parse(&l->scratch, text, &c);
    if (r == 0) r = digest_of(l, config, &m.config);
    if (r == 0) r = lease_add(&l->lease, m.config.digest);
    if (r == 0) r = store_blob_put(l->st, m.config.digest, text);
    if (r == 0) r = docker_layers(l, sn_json_get(v, "Layers"), &m, &names);
    if (r == 0) r = make_manifest(l, &m, &rec);
    rec.config = m.config.digest;
    if (r == 0) r = take_layers(l, &m, &c, names, &rec);
    return r < 0 ? r : docker_names(l, sn_json_get(v, "RepoTags"), &rec);
}

static int load_docker(struct load *l)
{
    struct sn_str text;
    const struct sn_json *v;
    int r = bundle_read(&l->b, &l->scratch, SN_STR("manifest.json"), DOCUMENT_BYTES_MAX, &text);
    if (r == 0) r = sn_json_parse(&l->scratch, text, NULL, &v);
    if (r == 0 && !sn_json_is(v, SN_JSON_ARRAY)) r = sn_fail(SN_E_SYNTAX, "expected a list");
    if (r < 0) return sn_wrap(r, "manifest.json");
    for (SN_JSON_EACH(v, it)) {
        r = docker_image(l, it);
        if (r < 0) return sn_wrap(r, "manifest.json");
    }
    return 0;
}

/* ---- the whole
 * --------------------------------------------------------------------------------------------------
 */

static int results(struct load *l)
{
    l->images = SN_ARENA_ARRAY(l->a, struct sn_image, l->n_refs + 1);
    if (!l->images) return SN_E_NOMEM;
    for (size_t i = 0; i < l->n_refs; i++) {
        int r = image_find(l->st, l->refs[i], l->a, &l->images[i]);
        if (r < 0) return r;
    }
    return 0;
}

static int do_load(void *arg)
{
    struct load *l = arg;
    int r = sn_platform_parse(SN_STR(""), &l->platform);
    if (r == 0) r = bundle_open(l->st, l->path, &l->b);
    if (r < 0) return r;
    r = lease_open(l->st, &l->lease);
    if (r == 0) {
        if (bundle_has(&l->b, SN_STR("index.json")))
            r = load_oci(l);
        else if (bundle_has(&l->b, SN_STR("manifest.json")))
            r = load_docker(l);
        else
            r = sn_fail(
                SN_E_SYNTAX,
                "neither an OCI layout (index.json) nor an archive of docker save (manifest.json)");
    }
    if (r == 0) r = results(l);
    lease_close(&l->lease);
    bundle_close(&l->b);
    return r < 0 ? sn_wrap(r, "load %s", l->path) : 0;
}

int sn_image_load(struct sn_image_store *st, const char *path, struct sn_str name,
                  struct sn_arena *a, struct sn_image **ret, size_t *ret_n)
{
    struct load l = {.st = st, .path = path, .name = name, .a = a, .now_ns = sn_wall_now()};
    sn_arena_init(&l.scratch, NULL, 0);
    int r = sn_offload(do_load, &l);
    sn_arena_done(&l.scratch);
    if (r < 0) return r;
    *ret = l.images;
    *ret_n = l.n_refs;
    return 0;
}

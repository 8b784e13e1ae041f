/* SPDX-License-Identifier: Apache-2.0 */
/* image/index.c - index.json: which names the store's images have. An OCI index, so that other tools read
 * it; what we know beyond that is in annotations, so that listing reads no manifest twice. */
#include <errno.h>
#include <unistd.h>

#include "core/status.h"
#include "core/time.h"
#include "image/store_int.h"
#include "wire/json.h"

#define NOTE_MANIFEST "dev.sennit.image.manifest"
#define NOTE_CONFIG "dev.sennit.image.config"
#define NOTE_CHAIN "dev.sennit.image.chain"
#define NOTE_SIZE "dev.sennit.image.size"
#define NOTE_PULLED "dev.sennit.image.pulled"

static struct sn_str note(const struct sn_json *v, const char *key)
{
    return sn_json_str(sn_json_get(sn_json_get(v, "annotations"), key));
}

static int read_record(const struct sn_json *v, size_t i, struct record *ret)
{
    struct record r = {.ref = note(v, SN_NOTE_REF_NAME),
                       .media_type = sn_json_str(sn_json_get(v, "mediaType")),
                       .target = sn_json_str(sn_json_get(v, "digest")),
                       .manifest = note(v, NOTE_MANIFEST),
                       .config = note(v, NOTE_CONFIG),
                       .chain = note(v, NOTE_CHAIN)};
    if (!sn_image_digest_valid(r.target)) return sn_fail(SN_E_DATA_LOSS, "manifests[%zu].digest: expected a digest", i);
    if (sn_json_to_u64(sn_json_get(v, "size"), &r.target_size) < 0)
        return sn_fail(SN_E_DATA_LOSS, "manifests[%zu].size: expected a number", i);
    bool ours = sn_image_digest_valid(r.manifest) && sn_image_digest_valid(r.config) &&
                sn_str_to_u64(note(v, NOTE_SIZE), &r.size) == 0 &&
                sn_time_parse_rfc3339(note(v, NOTE_PULLED), &r.pulled_ns) == 0;
    if (!ours) r.config = r.manifest = (struct sn_str){0};
    *ret = r;
    return 0;
}

int index_read(struct sn_image_store *st, struct sn_arena *a, struct record **ret, size_t *ret_n)
{
    struct sn_str text;
    const struct sn_json *v;
    *ret = NULL;
    *ret_n = 0;
    int r = store_read(st, a, "index.json", STORE_INDEX_BYTES_MAX, &text);
    if (r == SN_E_NOT_FOUND) return 0;
    if (r == 0) r = sn_json_parse(a, text, NULL, &v);
    if (r < 0)
        return r == SN_E_NOMEM ? r : sn_wrap(r == SN_E_SYNTAX ? SN_E_DATA_LOSS : r, "%s/index.json", st->root);
    const struct sn_json *list = sn_json_get(v, "manifests");
    if (!sn_json_is(list, SN_JSON_ARRAY))
        return sn_fail(SN_E_DATA_LOSS, "%s/index.json: manifests: expected a list", st->root);
    size_t n = sn_json_len(list);
    struct record *recs = SN_ARENA_ARRAY(a, struct record, n + 1);
    if (!recs) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        r = read_record(sn_json_at(list, i), i, &recs[i]);
        if (r < 0) return sn_wrap(r, "%s/index.json", st->root);
    }
    *ret = recs;
    *ret_n = n;
    return 0;
}

static void write_record(struct sn_jsonw *w, const struct record *r)
{
    char size[24], pulled[SN_RFC3339_MAX];
    struct sn_buf b;
    sn_buf_init_fixed(&b, size, sizeof(size));
    sn_buf_u64(&b, r->size);
    size_t n = sn_time_rfc3339(r->pulled_ns, -1, pulled);
    sn_jsonw_object(w);
    sn_jsonw_kstr(w, "mediaType", r->media_type);
    sn_jsonw_kstr(w, "digest", r->target);
    sn_jsonw_ku64(w, "size", r->target_size);
    sn_jsonw_key(w, SN_STR("annotations"));
    sn_jsonw_object(w);
    if (r->ref.len) sn_jsonw_kstr(w, SN_NOTE_REF_NAME, r->ref);
    if (r->config.len) {
        sn_jsonw_kstr(w, NOTE_MANIFEST, r->manifest);
        sn_jsonw_kstr(w, NOTE_CONFIG, r->config);
        sn_jsonw_kstr(w, NOTE_CHAIN, r->chain);
        sn_jsonw_kstr(w, NOTE_SIZE, sn_buf_view(&b));
        sn_jsonw_kstr(w, NOTE_PULLED, sn_str_of(pulled, n));
    }
    sn_jsonw_object_end(w);
    sn_jsonw_object_end(w);
}

int index_write(struct sn_image_store *st, const struct record *recs, size_t n)
{
    struct sn_buf b;
    struct sn_jsonw w;
    if (n > SN_IMAGE_IMAGES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%s: over %u names of images", st->root, SN_IMAGE_IMAGES_MAX);
    sn_buf_init(&b, STORE_INDEX_BYTES_MAX);
    sn_jsonw_init(&w, &b, &(struct sn_json_style){.indent = 2});
    sn_jsonw_object(&w);
    sn_jsonw_ku64(&w, "schemaVersion", 2);
    sn_jsonw_kstr(&w, "mediaType", SN_STR(SN_TYPE_OCI_INDEX));
    sn_jsonw_key(&w, SN_STR("manifests"));
    sn_jsonw_array(&w);
    for (size_t i = 0; i < n; i++) write_record(&w, &recs[i]);
    sn_jsonw_array_end(&w);
    sn_jsonw_object_end(&w);
    int r = b.err < 0 ? b.err : store_write(st, "index.json", sn_buf_view(&b));
    sn_buf_done(&b);
    return r;
}

int index_put(struct sn_image_store *st, const struct record *rec)
{
    struct sn_arena a;
    struct record *recs;
    size_t n, i = 0;
    int r = store_sync_dir(st, "blobs/sha256"), lock;
    if (r == 0) r = store_sync_dir(st, "blobs/sha512");
    if (r < 0) return r;
    lock = store_lock(st, true);
    if (lock < 0) return lock;
    sn_arena_init(&a, NULL, 0);
    r = index_read(st, &a, &recs, &n);
    if (r == 0 && !recs && !(recs = SN_ARENA_ARRAY(&a, struct record, 1))) r = SN_E_NOMEM;
    if (r == 0) {
        while (i < n && !sn_str_eq(recs[i].ref, rec->ref)) i++;
        /* index_read has left room for one more. */
        recs[i] = *rec;
        r = index_write(st, recs, SN_MAX(n, i + 1));
    }
    sn_arena_done(&a);
    (void)close(lock);
    return r;
}

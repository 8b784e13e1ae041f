/* SPDX-License-Identifier: Apache-2.0 */
/* image/save.c - images of the store as an OCI archive, with docker's manifest.json beside the
 * index, so that `docker load` takes it, too. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/status.h"
#include "image/store_int.h"
#include "image/tar.h"
#include "wire/json.h"

#define COPY_BYTES (1u << 20)
#define DOCUMENT_BYTES_MAX (64u << 20)

struct save {
    struct sn_image_store *st;
    const struct sn_str *names;
    size_t n;
    int fd;
    struct sn_arena arena;
    struct sn_map written; /* digests of blobs */
    struct sn_buf index, docker;
    struct sn_jsonw iw, dw;
};

static int put(struct save *s, const void *data, size_t n)
{
    const char *p = data;
    while (n) {
        ssize_t k = write(s->fd, p, n);
        if (k < 0 && errno == EINTR) continue;
        if (k < 0) return sn_fail_errno(errno, "write the archive");
        p += k;
        n -= (size_t)k;
    }
    return 0;
}

static int put_zeros(struct save *s, unsigned n)
{
    static const uint8_t zero[2 * SN_TAR_BLOCK];
    return put(s, zero, n);
}

static int put_head(struct save *s, struct sn_str name, uint64_t size)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    int r = sn_tar_write_head(&b, name, size);
    if (r == 0) r = put(s, b.ptr, b.len);
    sn_buf_done(&b);
    return r;
}

static int put_text(struct save *s, const char *name, struct sn_str text)
{
    int r = put_head(s, sn_str(name), text.len);
    if (r == 0) r = put(s, text.ptr, text.len);
    return r < 0 ? r : put_zeros(s, sn_tar_padding(text.len));
}

static int copy_blob(struct save *s, int fd, uint64_t size)
{
    char *buf = sn_alloc(COPY_BYTES);
    int r = buf ? 0 : SN_E_NOMEM;
    while (size && r == 0) {
        ssize_t n = read(fd, buf, (size_t)SN_MIN(size, (uint64_t)COPY_BYTES));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) r = sn_fail_errno(errno, "read");
        if (n == 0) r = sn_fail(SN_E_DATA_LOSS, "the blob shrank");
        if (n <= 0) break;
        r = put(s, buf, (size_t)n);
        size -= (uint64_t)n;
    }
    sn_free(buf);
    return r;
}

static int put_blob(struct save *s, struct sn_str digest)
{
    char path[STORE_NAME_MAX];
    struct stat st;
    if (sn_map_find(&s->written, digest)) return 0;
    int r = sn_map_put(&s->written, digest, NULL, NULL);
    if (r < 0) return r;
    store_blob_path(digest, path);
    int fd = openat(s->st->fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return sn_fail(SN_E_DATA_LOSS, "blob %.*s is missing", SN_STR_ARG(digest));
    r = fstat(fd, &st) < 0 ? sn_fail_errno(errno, "stat %s", path) : 0;
    if (r == 0) r = put_head(s, sn_str(path), (uint64_t)st.st_size);
    if (r == 0) r = copy_blob(s, fd, (uint64_t)st.st_size);
    if (r == 0) r = put_zeros(s, sn_tar_padding((uint64_t)st.st_size));
    (void)close(fd);
    return r < 0 ? sn_wrap(r, "blob %.*s", SN_STR_ARG(digest)) : 0;
}

static void blob_key(struct sn_jsonw *w, struct sn_str digest)
{
    char path[STORE_NAME_MAX];
    store_blob_path(digest, path);
    sn_jsonw_str(w, sn_str(path));
}

static void describe(struct save *s, const struct sn_image *im, struct sn_str ref,
                     const struct sn_manifest *m, uint64_t size)
{
    struct sn_jsonw *w = &s->iw, *d = &s->dw;
    struct sn_str type = m->media_type.ptr ? m->media_type : SN_STR(SN_TYPE_OCI_MANIFEST);
    sn_jsonw_object(w);
    sn_jsonw_kstr(w, "mediaType", type);
    sn_jsonw_kstr(w, "digest", im->manifest);
    sn_jsonw_ku64(w, "size", size);
    if (ref.len) {
        sn_jsonw_key(w, SN_STR("annotations"));
        sn_jsonw_object(w);
        sn_jsonw_kstr(w, SN_NOTE_CONTAINERD_NAME, ref);
        sn_jsonw_kstr(w, SN_NOTE_REF_NAME, ref);
        sn_jsonw_object_end(w);
    }
    sn_jsonw_object_end(w);
    sn_jsonw_object(d);
    sn_jsonw_key(d, SN_STR("Config"));
    blob_key(d, im->id);
    sn_jsonw_key(d, SN_STR("RepoTags"));
    sn_jsonw_array(d);
    if (ref.len) sn_jsonw_str(d, sn_image_ref_familiar(ref));
    sn_jsonw_array_end(d);
    sn_jsonw_key(d, SN_STR("Layers"));
    sn_jsonw_array(d);
    for (size_t i = 0; i < m->n_entries; i++) blob_key(d, m->entries[i].digest);
    sn_jsonw_array_end(d);
    sn_jsonw_object_end(d);
}

static int put_image(struct save *s, struct sn_str name)
{
    struct sn_image im;
    struct sn_image_ref ref;
    struct sn_manifest m;
    struct sn_str text, tag = SN_STR("");
    int r = image_find(s->st, name, &s->arena, &im);
    if (r == 0)
        r = store_blob_read(s->st, &s->arena, im.manifest, SN_IMAGE_MANIFEST_BYTES_MAX, &text);
    if (r == 0) r = sn_manifest_parse(&s->arena, text, &m);
    if (r < 0) return r;
    /* The name that was asked for where it is a tag's, else the image's first. */
    if (sn_image_ref_parse(&s->arena, name, &ref) == 0 && ref.tag.ptr && !ref.digest.ptr) {
        struct sn_str whole = sn_image_ref_text(&s->arena, &ref);
        for (size_t i = 0; i < im.n_tags; i++)
            if (sn_str_eq(im.tags[i], whole)) tag = whole;
    }
    if (!tag.len && im.n_tags) tag = im.tags[0];
    describe(s, &im, tag, &m, text.len);
    r = put_blob(s, im.manifest);
    if (r == 0) r = put_blob(s, im.id);
    for (size_t i = 0; i < m.n_entries && r == 0; i++) r = put_blob(s, m.entries[i].digest);
    return r;
}

static int put_all(struct save *s)
{
    sn_jsonw_object(&s->iw);
    sn_jsonw_ku64(&s->iw, "schemaVersion", 2);
    sn_jsonw_kstr(&s->iw, "mediaType", SN_STR(SN_TYPE_OCI_INDEX));
    sn_jsonw_key(&s->iw, SN_STR("manifests"));
    sn_jsonw_array(&s->iw);
    sn_jsonw_array(&s->dw);
    int r = put_text(s, "oci-layout", SN_STR("{\"imageLayoutVersion\":\"1.0.0\"}"));
    for (size_t i = 0; i < s->n && r == 0; i++) {
        r = put_image(s, s->names[i]);
        if (r < 0) return sn_wrap(r, "save %.*s", SN_STR_ARG(s->names[i]));
    }
    sn_jsonw_array_end(&s->iw);
    sn_jsonw_object_end(&s->iw);
    sn_jsonw_array_end(&s->dw);
    if (r == 0) r = SN_MIN(s->index.err, s->docker.err);
    if (r == 0) r = put_text(s, "index.json", sn_buf_view(&s->index));
    if (r == 0) r = put_text(s, "manifest.json", sn_buf_view(&s->docker));
    return r < 0 ? r : put_zeros(s, 2 * SN_TAR_BLOCK);
}

static int do_save(void *arg)
{
    struct save *s = arg;
    sn_arena_init(&s->arena, NULL, 0);
    sn_map_init(&s->written, 0x5a, false);
    sn_buf_init(&s->index, DOCUMENT_BYTES_MAX);
    sn_buf_init(&s->docker, DOCUMENT_BYTES_MAX);
    sn_jsonw_init(&s->iw, &s->index, NULL);
    sn_jsonw_init(&s->dw, &s->docker, NULL);
    int r = put_all(s);
    sn_buf_done(&s->index);
    sn_buf_done(&s->docker);
    sn_map_done(&s->written);
    sn_arena_done(&s->arena);
    return r;
}

int sn_image_save(struct sn_image_store *st, const struct sn_str *names, size_t n, int fd)
{
    struct save *s = SN_NEW(struct save); /* its two writers are too large for a frame */
    if (!s) return SN_E_NOMEM;
    *s = (struct save){.st = st, .names = names, .n = n, .fd = fd};
    int r = sn_offload(do_save, s);
    sn_free(s);
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* cri/images.c - ImageService over the image store. */
#include <stdlib.h>

#include "clusters/cri/cri_int.h"

static int to_pb(const struct sn_image *img, struct sn_arena *a, struct runtime_v1_image **ret)
{
    struct runtime_v1_image *m = SN_ARENA_NEW(a, struct runtime_v1_image);
    struct runtime_v1_image_spec *spec = SN_ARENA_NEW(a, struct runtime_v1_image_spec);
    uint64_t uid;
    if (!m || !spec) return SN_E_NOMEM;
    m->id = img->id;
    for (size_t i = 0; i < img->n_tags; i++) {
        struct sn_str *s = sn_pb_array_add(&m->repo_tags, sizeof *s, a);
        if (!s) return SN_E_NOMEM;
        *s = img->tags[i];
    }
    for (size_t i = 0; i < img->n_digests; i++) {
        struct sn_str *s = sn_pb_array_add(&m->repo_digests, sizeof *s, a);
        if (!s) return SN_E_NOMEM;
        *s = img->digests[i];
    }
    m->size = img->size;
    struct sn_str user = img->config.user, who = sn_str_cut(&user, ':');
    if (who.len && sn_str_to_u64(who, &uid) == 0) {
        m->uid = SN_ARENA_NEW(a, struct runtime_v1_int64_value);
        if (!m->uid) return SN_E_NOMEM;
        m->uid->value = (int64_t)uid;
    } else if (who.len) {
        m->username = who;
    } else {
        m->uid = SN_ARENA_NEW(a, struct runtime_v1_int64_value);
    }
    spec->image = img->id;
    m->spec = spec;
    *ret = m;
    return 0;
}

static int list(struct sn_cri *s, struct sn_arena *a, const struct runtime_v1_image_filter *f, void *array)
{
    struct sn_image *all, one;
    size_t n = 1;
    int r;
    if (f && f->image && f->image->image.len) {
        all = &one;
        r = sn_image_find(s->images, f->image->image, a, &one);
        if (r == SN_E_NOT_FOUND) return 0;
    } else {
        r = sn_image_list(s->images, a, &all, &n);
    }
    for (size_t i = 0; r >= 0 && i < n; i++) {
        struct runtime_v1_image *m, **at = sn_pb_array_add(array, sizeof *at, a);
        r = at ? to_pb(&all[i], a, &m) : SN_E_NOMEM;
        if (r >= 0) *at = m;
    }
    return r;
}

static int list_images(struct sn_grpc_call *c, const struct runtime_v1_list_images_request *q, struct runtime_v1_list_images_response **ret)
{
    *ret = SN_ARENA_NEW(c->arena, struct runtime_v1_list_images_response);
    int r = *ret ? list(c->arg, c->arena, q->filter, &(*ret)->images) : SN_E_NOMEM;
    return r < 0 ? cri_fail(c, r) : 0;
}

static int stream_images(struct sn_grpc_call *c, const struct runtime_v1_stream_images_request *q)
{
    struct runtime_v1_stream_images_response all = {0}, one = {0};
    int r = list(c->arg, c->arena, q->filter, &all.images);
    if (r < 0) return cri_fail(c, r);
    for (uint32_t i = 0; r >= 0 && i < all.images.len; i++) {
        one.images.ptr = &all.images.ptr[i];
        one.images.len = 1;
        r = runtime_v1_image_service_stream_images_reply(c, &one);
    }
    return r;
}

static void config_info(struct sn_arena *a, const struct sn_image *img, struct sn_str *ret)
{
    struct sn_buf b = {0};
    struct sn_jsonw w;
    sn_jsonw_init(&w, &b, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "chainID", img->chain);
    sn_jsonw_key(&w, SN_STR("imageSpec"));
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "architecture", img->config.architecture);
    sn_jsonw_kstr(&w, "os", img->config.os);
    sn_jsonw_key(&w, SN_STR("config"));
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "User", img->config.user);
    sn_jsonw_kstr(&w, "WorkingDir", img->config.working_dir);
    sn_jsonw_key(&w, SN_STR("Env"));
    sn_jsonw_array(&w);
    for (size_t i = 0; i < img->config.n_env; i++) sn_jsonw_str(&w, img->config.env[i]);
    sn_jsonw_array_end(&w);
    sn_jsonw_key(&w, SN_STR("Labels"));
    sn_jsonw_object(&w);
    for (size_t i = 0; i < img->config.n_labels; i++) {
        sn_jsonw_key(&w, img->config.labels[i].name);
        sn_jsonw_str(&w, img->config.labels[i].value);
    }
    sn_jsonw_object_end(&w);
    sn_jsonw_object_end(&w);
    sn_jsonw_object_end(&w);
    sn_jsonw_object_end(&w);
    *ret = sn_arena_str(a, sn_buf_view(&b));
    sn_buf_done(&b);
}

static int image_status(struct sn_grpc_call *c, const struct runtime_v1_image_status_request *q, struct runtime_v1_image_status_response **ret)
{
    struct sn_cri *s = c->arg;
    struct sn_image img;
    if (!q->image || !q->image->image.len) return sn_grpc_fail(c, SN_E_INVALID_ARGUMENT, "image.image: expected an image");
    *ret = SN_ARENA_NEW(c->arena, struct runtime_v1_image_status_response);
    if (!*ret) return SN_E_NOMEM;
    int r = sn_image_find(s->images, q->image->image, c->arena, &img);
    if (r == SN_E_NOT_FOUND) return 0; /* no image in the answer says so */
    if (r >= 0) r = to_pb(&img, c->arena, &(*ret)->image);
    if (r >= 0 && q->verbose) {
        struct runtime_v1_image_status_response_info_entry *e = SN_ARENA_NEW(c->arena, struct runtime_v1_image_status_response_info_entry), **at;
        at = sn_pb_array_add(&(*ret)->info, sizeof *at, c->arena);
        if (e && at) {
            e->key = SN_STR("info");
            config_info(c->arena, &img, &e->value);
            *at = e;
        }
    }
    return r < 0 ? cri_fail(c, r) : 0;
}

static int pull_image(struct sn_grpc_call *c, const struct runtime_v1_pull_image_request *q, struct runtime_v1_pull_image_response **ret)
{
    struct sn_cri *s = c->arg;
    struct sn_image img;
    struct sn_image_pull_opts o = {.plain_http = s->insecure};
    if (!q->image || !q->image->image.len) return sn_grpc_fail(c, SN_E_INVALID_ARGUMENT, "image.image: expected an image");
    if (q->auth)
        o.auth = (struct sn_image_auth){q->auth->username, q->auth->password, q->auth->auth, q->auth->identity_token,
                                        q->auth->registry_token, q->auth->server_address};
    int r = sn_image_pull(s->images, q->image->image, &o, c->arena, &img);
    if (r < 0) return cri_fail(c, r);
    *ret = SN_ARENA_NEW(c->arena, struct runtime_v1_pull_image_response);
    if (!*ret) return SN_E_NOMEM;
    (*ret)->image_ref = img.id;
    return 0;
}

static int remove_image(struct sn_grpc_call *c, const struct runtime_v1_remove_image_request *q, struct runtime_v1_remove_image_response **ret)
{
    struct sn_cri *s = c->arg;
    if (!q->image || !q->image->image.len) return sn_grpc_fail(c, SN_E_INVALID_ARGUMENT, "image.image: expected an image");
    int r = sn_image_remove(s->images, q->image->image, true, NULL);
    return r < 0 && r != SN_E_NOT_FOUND ? cri_fail(c, r) : 0;
}

static int image_fs_info(struct sn_grpc_call *c, const struct runtime_v1_image_fs_info_request *q, struct runtime_v1_image_fs_info_response **ret)
{
    struct sn_cri *s = c->arg;
    struct sn_image_fs_usage u;
    struct runtime_v1_filesystem_usage *m = SN_ARENA_NEW(c->arena, struct runtime_v1_filesystem_usage), **at;
    int r = m ? sn_image_fs_usage(s->images, &u) : SN_E_NOMEM;
    *ret = SN_ARENA_NEW(c->arena, struct runtime_v1_image_fs_info_response);
    if (r < 0) return cri_fail(c, r);
    m->fs_id = SN_ARENA_NEW(c->arena, struct runtime_v1_filesystem_identifier);
    m->used_bytes = SN_ARENA_NEW(c->arena, struct runtime_v1_u_int64_value);
    m->inodes_used = SN_ARENA_NEW(c->arena, struct runtime_v1_u_int64_value);
    at = *ret ? sn_pb_array_add(&(*ret)->image_filesystems, sizeof *at, c->arena) : NULL;
    if (!at || !m->fs_id || !m->used_bytes || !m->inodes_used) return SN_E_NOMEM;
    m->timestamp = u.at_ns;
    m->fs_id->mountpoint = sn_arena_str(c->arena, sn_str(u.mountpoint));
    m->used_bytes->value = u.bytes;
    m->inodes_used->value = u.inodes;
    *at = m;
    at = sn_pb_array_add(&(*ret)->container_filesystems, sizeof *at, c->arena);
    if (at) *at = m;
    return 0;
}

void cri_handlers_images(struct runtime_v1_image_service_handlers *h)
{
    h->list_images = list_images;
    h->stream_images = stream_images;
    h->image_status = image_status;
    h->pull_image = pull_image;
    h->remove_image = remove_image;
    h->image_fs_info = image_fs_info;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* image/layer.c - the pipeline of a layer: decompress, hash, read the archive; and its end. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/enc.h"
#include "core/status.h"
#include "image/layer_int.h"

static const struct sn_image_limits defaults = {
    .layer_bytes_max = 64ull << 30,
    .layer_entries_max = 4000000,
    .ratio_max = 2000,
    .path_depth_max = 256,
    .blob_bytes_max = 64ull << 30,
};
static const struct sn_tar_events events = {.entry = layer_entry,
                                            .data = layer_data,
                                            .end = layer_end};

static int out(void *ctx, struct sn_str bytes)
{
    struct sn_layer *l = ctx;
    sn_hasher_put(&l->hash, bytes.ptr, bytes.len);
    return sn_tar_put(&l->tar, bytes);
}

void sn_image_limits_fill(struct sn_image_limits *l)
{
    if (!l->layer_bytes_max) l->layer_bytes_max = defaults.layer_bytes_max;
    if (!l->layer_entries_max) l->layer_entries_max = defaults.layer_entries_max;
    if (!l->ratio_max) l->ratio_max = defaults.ratio_max;
    if (!l->path_depth_max) l->path_depth_max = defaults.path_depth_max;
    if (!l->blob_bytes_max) l->blob_bytes_max = defaults.blob_bytes_max;
}

int sn_layer_new(int dir_fd, struct sn_str want, const struct sn_image_limits *limits,
                 struct sn_layer **ret)
{
    struct sn_layer *l = SN_NEW(struct sn_layer);
    if (!l) return SN_E_NOMEM;
    l->dir_fd = dir_fd;
    l->parent_fd = l->file_fd = -1;
    if (limits) l->limits = *limits;
    sn_image_limits_fill(&l->limits);
    l->kind = sn_str_starts(want, SN_STR("sha512:")) ? SN_SHA512 : SN_SHA256;
    l->links_end = &l->links;
    sn_tar_init(&l->tar, &events, l);
    sn_arena_init(&l->keep, NULL, LAYER_KEPT_BYTES_MAX);
    sn_map_init(&l->by_path, 0x5eed, false);
    l->want = sn_arena_str(&l->keep, want);
    int r = l->want.ptr ? sn_hasher_init(&l->hash, l->kind) : SN_E_NOMEM;
    l->has_hash = r == 0;
    if (r == 0) r = sn_inflate_new(out, l, l->limits.ratio_max, &l->inflate);
    if (r == 0 && !layer_dir_of(l, SN_STR(""))) r = SN_E_NOMEM;
    if (r == 0 && fchmod(dir_fd, 0755) < 0)
        r = sn_fail_errno(errno, "set the mode of the layer's root");
    if (r < 0) {
        sn_layer_free(l);
        return r;
    }
    *ret = l;
    return 0;
}

void sn_layer_free(struct sn_layer *l)
{
    if (!l) return;
    layer_forget(l);
    if (l->file_fd >= 0) (void)close(l->file_fd);
    sn_inflate_free(l->inflate);
    sn_tar_done(&l->tar);
    if (l->has_hash) sn_hasher_done(&l->hash);
    sn_map_done(&l->by_path);
    sn_arena_done(&l->keep);
    sn_free(l);
}

int sn_layer_put(struct sn_layer *l, struct sn_str bytes)
{
    return sn_inflate_put(l->inflate, bytes);
}

int layer_settle(struct sn_layer *l)
{
    for (struct layer_dir *d = l->dirs; d; d = d->next) {
        if (d->implied) continue;
        int fd = layer_openat2(l->dir_fd, d->path.ptr, O_RDONLY | O_DIRECTORY);
        if (fd < 0) continue; /* something else took its place */
        struct timespec ts[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}};
        if (d->atime_ns != SN_TAR_NO_TIME) ts[0] = layer_time(d->atime_ns);
        if (d->mtime_ns != SN_TAR_NO_TIME) ts[1] = layer_time(d->mtime_ns);
        int r = 0;
        if (fchmod(fd, d->mode) < 0 || futimens(fd, ts) < 0)
            r = sn_fail_errno(errno, "set mode and times of folder \"%.*s\"", SN_STR_ARG(d->path));
        (void)close(fd);
        if (r < 0) return r;
    }
    return 0;
}

int sn_layer_finish(struct sn_layer *l, struct sn_layer_result *ret)
{
    uint8_t digest[SN_HASH_MAX];
    int r = sn_inflate_finish(l->inflate);
    if (r == 0) r = sn_tar_finish(&l->tar);
    if (r == 0) r = sn_hasher_final(&l->hash, digest);
    if (r < 0) return r;
    struct sn_layer_result res = {.bytes = l->bytes, .entries = l->entries};
    memcpy(res.diff_id, l->kind == SN_SHA512 ? "sha512:" : "sha256:", 7);
    res.diff_id[7 + sn_hex_encode(digest, sn_hash_len(l->kind), res.diff_id + 7)] = 0;
    if (l->want.len && !sn_str_eqc(l->want, res.diff_id))
        return sn_fail(SN_E_DATA_LOSS,
                       "the uncompressed layer is %s, the image's configuration says %.*s",
                       res.diff_id, SN_STR_ARG(l->want));
    /* Many layers may wait for their turn to be joined. */
    sn_inflate_free(l->inflate);
    l->inflate = NULL;
    r = layer_settle(l);
    if (r == 0) *ret = res;
    return r;
}

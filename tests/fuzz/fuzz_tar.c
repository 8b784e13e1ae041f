/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an archive: an error with a place, or entries within the limits; cut anywhere they are the
 * same. As a layer: decompression in front of it. */
#include <stdint.h>

#include "core/status.h"
#include "image/inflate.h"
#include "image/tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    uint64_t hash, entries, bytes;
    bool open;
};
static void mix(struct seen *s, struct sn_str t)
{
    for (size_t i = 0; i < t.len; i++) s->hash = (s->hash ^ (uint8_t)t.ptr[i]) * 0x100000001b3ull;
}
static int on_entry(void *ctx, const struct sn_tar_entry *e)
{
    struct seen *s = ctx;
    SN_ASSERT(!s->open && e->path.len > 0 && e->path.len <= SN_TAR_PATH_MAX && e->link.len <= SN_TAR_PATH_MAX);
    SN_ASSERT(!memchr(e->path.ptr, 0, e->path.len) && e->n_xattrs <= SN_TAR_XATTRS_MAX && e->mode <= 07777);
    SN_ASSERT(e->path.ptr[e->path.len] == 0 || e->path.len < SN_TAR_PATH_MAX);
    SN_ASSERT(e->kind == SN_TAR_FILE || e->size == 0);
    s->open = true;
    s->entries++;
    mix(s, e->path);
    mix(s, e->link);
    for (size_t i = 0; i < e->n_xattrs; i++) mix(s, e->xattrs[i].name), mix(s, e->xattrs[i].value);
    s->hash += e->size + e->uid + e->mode + (uint64_t)e->mtime_ns;
    return 0;
}
static int on_data(void *ctx, struct sn_str d)
{
    struct seen *s = ctx;
    SN_ASSERT(s->open && d.len);
    s->bytes += d.len;
    mix(s, d);
    return 0;
}
static int on_end(void *ctx)
{
    struct seen *s = ctx;
    SN_ASSERT(s->open);
    s->open = false;
    return 0;
}
static const struct sn_tar_events events = {on_entry, on_data, on_end};

static int read_in(struct sn_str in, size_t piece, struct seen *s)
{
    struct sn_tar t;
    sn_tar_init(&t, &events, s);
    int r = 0;
    while (in.len && r == 0) {
        r = sn_tar_put(&t, sn_str_sub(in, 0, piece));
        in = sn_str_from(in, piece);
    }
    if (r == 0) r = sn_tar_finish(&t);
    sn_tar_done(&t);
    return r;
}

static int sink(void *ctx, struct sn_str bytes)
{
    uint64_t *n = ctx;
    *n += bytes.len;
    return *n > (16u << 20) ? SN_E_TOO_LARGE : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_str in = sn_str_of((const char *)data, size);
    struct seen a = {0}, b = {0};
    int r = read_in(in, SIZE_MAX / 2, &a), r2 = read_in(in, 7, &b);
    SN_ASSERT(r == r2 && a.hash == b.hash && a.entries == b.entries && a.bytes == b.bytes);
    struct sn_inflate *z;
    uint64_t n = 0;
    if (sn_inflate_new(sink, &n, 1000, &z) == 0) {
        if (sn_inflate_put(z, in) == 0) (void)!sn_inflate_finish(z);
        sn_inflate_free(z);
    }
    return 0;
}

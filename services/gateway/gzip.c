/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/gzip.c - answers compressed on their way to the client.
 *
 * A compressor costs 256 KiB while the answer passes, nothing otherwise. What the upstream streams
 * without a length is flushed piece by piece, so that a slow stream stays one.
 * Sources: RFC 1952, RFC 9110 sections 8.4, 8.8.1 and 12.5.3. */
#include "gateway/gzip.h"

#include <zlib.h>

#include "core/alloc.h"

#define OUT_BYTES (16u << 10)
#define GZIP_WINDOW (15 + 16) /* a 32 KiB window, and the gzip wrapper */
#define GZIP_MEM_LEVEL 8

struct gw_gzip {
    z_stream z;
    struct sn_http_x *x;
    bool flush;
    uint8_t out[OUT_BYTES];
};

static voidpf z_alloc(voidpf ctx, uInt n, uInt size) { return sn_zalloc(n, size); }
static void z_free(voidpf ctx, voidpf p) { sn_free(p); }

/* What text there is; images, archives and video gain nothing. */
static const char *const default_types[] = {
    "text/*",
    "application/json",
    "application/javascript",
    "application/xml",
    "application/manifest+json",
    "application/ld+json",
    "application/problem+json",
    "application/rss+xml",
    "application/atom+xml",
    "application/xhtml+xml",
    "application/yaml",
    "application/wasm",
    "image/svg+xml",
    "image/x-icon",
    "font/ttf",
    "font/otf",
};

static bool type_is(struct sn_str type, struct sn_str want)
{
    if (sn_str_ends(want, SN_STR("/*"))) {
        want = sn_str_sub(want, 0, want.len - 1);
        return type.len > want.len && sn_str_ieq(sn_str_sub(type, 0, want.len), want);
    }
    return sn_str_ieq(type, want);
}

static bool type_listed(const struct sn_gw_conf_compress *c, struct sn_str type)
{
    type = sn_str_trim(sn_str_cut(&type, ';'));
    /* Events must not wait for company, whatever the list says. */
    if (!type.len || sn_str_ieq(type, SN_STR("text/event-stream"))) return false;
    for (size_t i = 0; i < c->n_types; i++)
        if (type_is(type, c->types[i])) return true;
    for (size_t i = 0; !c->n_types && i < SN_COUNT_OF(default_types); i++)
        if (type_is(type, sn_str(default_types[i]))) return true;
    return false;
}

bool gw_accepts(struct sn_str list, struct sn_str coding)
{
    bool star = false;
    while (list.ptr) {
        struct sn_str q = sn_str_cut(&list, ',');
        struct sn_str name = sn_str_trim(sn_str_cut(&q, ';'));
        double weight = 1;
        q = q.ptr ? sn_str_trim(q) : q;
        if (q.len > 2 && (q.ptr[0] | 0x20) == 'q' && q.ptr[1] == '=' &&
            sn_str_to_double(sn_str_from(q, 2), &weight) < 0)
            weight = 0;
        if (sn_str_ieq(name, coding)) return weight > 0;
        if (sn_str_eqc(name, "*")) star = weight > 0;
    }
    return star;
}

/* The same text in another coding is another sequence of bytes: a strong tag becomes a weak one. */
static int weaken(struct gw_req *q, struct sn_http_header *etag)
{
    if (sn_str_starts(etag->value, SN_STR("W/"))) return 0;
    struct sn_str weak = sn_arena_printf(q->x->arena, "W/%.*s", SN_STR_ARG(etag->value));
    if (!weak.ptr) return SN_E_NOMEM;
    etag->value = weak;
    return 0;
}

static int headers_change(struct gw_req *q, struct sn_http_headers *h)
{
    unsigned n = 0;
    for (unsigned i = 0; i < h->len; i++) {
        if (sn_str_ieq(h->ptr[i].name, SN_STR("accept-ranges"))) continue;
        if (sn_str_ieq(h->ptr[i].name, SN_STR("etag"))) {
            int r = weaken(q, &h->ptr[i]);
            if (r < 0) return r;
        }
        h->ptr[n++] = h->ptr[i];
    }
    h->len = n;
    return sn_http_headers_add(h, q->x->arena, SN_STR("Content-Encoding"), SN_STR("gzip"));
}

static bool varies(const struct sn_http_headers *h)
{
    for (unsigned i = 0; i < h->len; i++)
        if (sn_str_ieq(h->ptr[i].name, SN_STR("vary")) &&
            (sn_http_has_token(h->ptr[i].value, SN_STR("accept-encoding")) ||
             sn_http_has_token(h->ptr[i].value, SN_STR("*"))))
            return true;
    return false;
}

int gw_gzip_begin(struct gw_req *q, int status, int64_t length, struct gw_gzip **ret)
{
    const struct sn_gw_conf_compress *c = &q->snap->conf->compress;
    struct sn_http_headers *h = sn_http_response_headers(q->x);
    *ret = NULL;
    if (!c->enabled || !q->route->conf->compress || q->x->req.version < 11) return 0;
    if (status < 200 || status == 204 || status == 205 || status == 206 || status == 304) return 0;
    if (length >= 0 && (uint64_t)length < c->bytes_min) return 0;
    if (sn_http_headers_get(h, SN_STR("content-encoding")).ptr ||
        sn_http_has_token(sn_http_headers_get(h, SN_STR("cache-control")), SN_STR("no-transform")) ||
        !type_listed(c, sn_http_headers_get(h, SN_STR("content-type"))))
        return 0;
    if (!varies(h)) {
        int r = sn_http_headers_add(h, q->x->arena, SN_STR("Vary"), SN_STR("Accept-Encoding"));
        if (r < 0) return r;
    }
    struct sn_str accept = sn_http_headers_get(&q->x->req.headers, SN_STR("accept-encoding"));
    if (!gw_accepts(accept, SN_STR("gzip"))) return 0;
    struct gw_gzip *g = SN_NEW(struct gw_gzip);
    if (!g) return 0; /* then uncompressed */
    g->x = q->x;
    g->flush = length < 0;
    g->z.zalloc = z_alloc;
    g->z.zfree = z_free;
    if (deflateInit2(&g->z, (int)c->level, Z_DEFLATED, GZIP_WINDOW, GZIP_MEM_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        sn_free(g);
        return 0;
    }
    int r = headers_change(q, h);
    if (r < 0) {
        gw_gzip_free(g);
        return r;
    }
    *ret = g;
    return 0;
}

static int pump(struct gw_gzip *g, struct sn_str data, int how)
{
    g->z.next_in = (Bytef *)data.ptr;
    g->z.avail_in = (uInt)data.len;
    do {
        g->z.next_out = g->out;
        g->z.avail_out = OUT_BYTES;
        (void)deflate(&g->z, how); /* its state is ours: no error but "no progress" */
        size_t n = OUT_BYTES - g->z.avail_out;
        int r = n ? sn_http_write(g->x, sn_str_of((char *)g->out, n)) : 0;
        if (r < 0) return r;
    } while (g->z.avail_out == 0);
    return 0;
}

int gw_gzip_write(struct gw_gzip *g, struct sn_str data)
{
    /* uInt is 32 bits; pieces are read buffers. */
    SN_ASSERT(data.len <= UINT32_MAX);
    return pump(g, data, g->flush ? Z_SYNC_FLUSH : Z_NO_FLUSH);
}

int gw_gzip_end(struct gw_gzip *g) { return pump(g, (struct sn_str){0}, Z_FINISH); }

void gw_gzip_free(struct gw_gzip *g)
{
    if (!g) return;
    deflateEnd(&g->z);
    sn_free(g);
}

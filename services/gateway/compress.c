/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/compress.c - answers compressed on their way to the client, with gzip or zstd.
 *
 * A compressor costs 256 KiB (gzip) or about 700 KiB (zstd) while the answer passes, less where it is
 * announced to be short, nothing otherwise. What the upstream streams without a length is flushed piece
 * by piece, so that a slow stream stays one. Nothing is decompressed here, so no answer can grow.
 * Sources: RFC 1952, RFC 8878, RFC 9659 (window), RFC 9110 sections 8.4, 8.8.1 and 12.5.3. */
#include "gateway/compress.h"

#include <zlib.h>
#include <zstd.h>

#include "core/alloc.h"

#define OUT_BYTES (16u << 10)
#define GZIP_WINDOW (15 + 16) /* a 32 KiB window, and the gzip wrapper */
#define GZIP_MEM_LEVEL 8
/* log2 of the window that clients must keep (RFC 9659 allows 23), which bounds our own memory too. */
#define ZSTD_WINDOW_LOG 18

struct gw_compressor {
    struct sn_http_x *x;
    bool flush;
    ZSTD_CCtx *zstd; /* NULL: gzip */
    z_stream z;
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
    if (!type.len) return false;
    /* Events only where they are named, not by a whole kind: each is flushed, which some clients' readers
     * are not up to. */
    bool events = sn_str_ieq(type, SN_STR("text/event-stream"));
    for (size_t i = 0; i < c->n_types; i++)
        if (events ? sn_str_ieq(type, c->types[i]) : type_is(type, c->types[i])) return true;
    if (events) return false;
    for (size_t i = 0; !c->n_types && i < SN_COUNT_OF(default_types); i++)
        if (type_is(type, sn_str(default_types[i]))) return true;
    return false;
}

/* The weight of a coding, 0 to 1, 0 where it is not allowed; star: what "*" says counts for it. */
static double weight_of(struct sn_str list, struct sn_str coding, bool star)
{
    double others = 0;
    while (list.ptr) {
        struct sn_str q = sn_str_cut(&list, ',');
        struct sn_str name = sn_str_trim(sn_str_cut(&q, ';'));
        double weight = 1;
        q = q.ptr ? sn_str_trim(q) : q;
        if (q.len > 2 && (q.ptr[0] | 0x20) == 'q' && q.ptr[1] == '=' &&
            !(sn_str_to_double(sn_str_from(q, 2), &weight) == 0 && weight >= 0))
            weight = 0;
        if (sn_str_ieq(name, coding)) return weight;
        if (sn_str_eqc(name, "*")) others = weight;
    }
    return star ? others : 0;
}

bool gw_accepts(struct sn_str list, struct sn_str coding)
{
    return weight_of(list, coding, true) > 0;
}

/* The coding the client likes best of those that are on, zstd where it likes both alike: it is smaller
 * and takes a third of the time. zstd must be named: programs that say "*" often mean gzip. 0: none. */
static uint32_t coding_for(struct sn_str accept, uint32_t on)
{
    double gzip = on & SN_GW_GZIP ? weight_of(accept, SN_STR("gzip"), true) : 0;
    double zstd = on & SN_GW_ZSTD ? weight_of(accept, SN_STR("zstd"), false) : 0;
    if (zstd > 0 && zstd >= gzip) return SN_GW_ZSTD;
    return gzip > 0 ? SN_GW_GZIP : 0;
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

static int headers_change(struct gw_req *q, struct sn_http_headers *h, struct sn_str coding)
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
    return sn_http_headers_add(h, q->x->arena, SN_STR("Content-Encoding"), coding);
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

/* Whether this answer may be compressed, for clients that accept it. */
static bool wanted(const struct gw_req *q, const struct sn_http_headers *h, int status, int64_t length)
{
    const struct sn_gw_conf_compress *c = &q->snap->conf->compress;
    if (!c->enabled || !q->route->conf->compress || q->x->req.version < 11) return false;
    if (status < 200 || status == 204 || status == 205 || status == 206 || status == 304) return false;
    if (length >= 0 && (uint64_t)length < c->bytes_min) return false;
    return !sn_http_headers_get(h, SN_STR("content-encoding")).ptr &&
           !sn_http_has_token(sn_http_headers_get(h, SN_STR("cache-control")), SN_STR("no-transform")) &&
           type_listed(c, sn_http_headers_get(h, SN_STR("content-type")));
}

static bool gzip_begin(struct gw_compressor *g, int level)
{
    g->z.zalloc = z_alloc;
    g->z.zfree = z_free;
    return deflateInit2(&g->z, level, Z_DEFLATED, GZIP_WINDOW, GZIP_MEM_LEVEL, Z_DEFAULT_STRATEGY) ==
           Z_OK;
}

static bool zstd_begin(struct gw_compressor *g, int level, int64_t length)
{
    g->zstd = ZSTD_createCCtx();
    return g->zstd &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(g->zstd, ZSTD_c_compressionLevel, level)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(g->zstd, ZSTD_c_windowLog, ZSTD_WINDOW_LOG)) &&
           !ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(
               g->zstd, length < 0 ? ZSTD_CONTENTSIZE_UNKNOWN : (unsigned long long)length));
}

int gw_compress_begin(struct gw_req *q, int status, int64_t length, struct gw_compressor **ret)
{
    const struct sn_gw_conf_compress *c = &q->snap->conf->compress;
    struct sn_http_headers *h = sn_http_response_headers(q->x);
    *ret = NULL;
    if (!wanted(q, h, status, length)) return 0;
    if (!varies(h)) {
        int r = sn_http_headers_add(h, q->x->arena, SN_STR("Vary"), SN_STR("Accept-Encoding"));
        if (r < 0) return r;
    }
    struct sn_str accept = sn_http_headers_get(&q->x->req.headers, SN_STR("accept-encoding"));
    uint32_t coding = coding_for(accept, c->codings);
    struct gw_compressor *g = coding ? SN_NEW(struct gw_compressor) : NULL;
    if (!g) return 0; /* then uncompressed */
    g->x = q->x;
    g->flush = length < 0;
    bool zstd = coding == SN_GW_ZSTD;
    if (!(zstd ? zstd_begin(g, (int)c->level, length) : gzip_begin(g, (int)c->level))) {
        gw_compress_free(g);
        return 0;
    }
    int r = headers_change(q, h, zstd ? SN_STR("zstd") : SN_STR("gzip"));
    if (r < 0) {
        gw_compress_free(g);
        return r;
    }
    *ret = g;
    return 0;
}

static int pump_gzip(struct gw_compressor *g, struct sn_str data, int how)
{
    /* uInt is 32 bits; pieces are read buffers. */
    SN_ASSERT(data.len <= UINT32_MAX);
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

static int pump_zstd(struct gw_compressor *g, struct sn_str data, ZSTD_EndDirective how)
{
    ZSTD_inBuffer in = {data.ptr, data.len, 0};
    for (bool more = true; more;) {
        ZSTD_outBuffer out = {g->out, OUT_BYTES, 0};
        size_t left = ZSTD_compressStream2(g->zstd, &out, &in, how);
        if (ZSTD_isError(left))
            return sn_fail(SN_E_INTERNAL, "zstd: %s", ZSTD_getErrorName(left));
        int r = out.pos ? sn_http_write(g->x, sn_str_of((char *)g->out, out.pos)) : 0;
        if (r < 0) return r;
        /* A flush is over when nothing is left inside; plain input when it was taken. */
        more = how == ZSTD_e_continue ? in.pos < in.size : left > 0;
    }
    return 0;
}

int gw_compress_write(struct gw_compressor *g, struct sn_str data)
{
    if (g->zstd) return pump_zstd(g, data, g->flush ? ZSTD_e_flush : ZSTD_e_continue);
    return pump_gzip(g, data, g->flush ? Z_SYNC_FLUSH : Z_NO_FLUSH);
}

int gw_compress_end(struct gw_compressor *g)
{
    if (g->zstd) return pump_zstd(g, (struct sn_str){0}, ZSTD_e_end);
    return pump_gzip(g, (struct sn_str){0}, Z_FINISH);
}

void gw_compress_free(struct gw_compressor *g)
{
    if (!g) return;
    if (g->zstd)
        ZSTD_freeCCtx(g->zstd);
    else
        deflateEnd(&g->z);
    sn_free(g);
}

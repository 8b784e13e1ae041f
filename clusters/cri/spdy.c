/* SPDX-License-Identifier: Apache-2.0 */
/* cri/spdy.c - SPDY/3.1 frames. */
#include "clusters/cri/spdy.h"

#include "core/alloc.h"
#include "core/status.h"

#define HEAD 8u /* bytes of every frame's head */
#define VERSION 3u

static const char dictionary[] =
    "\000\000\000\007options\000\000\000\004head\000\000\000\004post\000\000\000\003put\000\000\000\006delete\000"
    "\000\000\005trace\000\000\000\006accept\000\000\000\016accept-charset\000\000\000\017accept-encoding\000\000"
    "\000\017accept-language\000\000\000\015accept-ranges\000\000\000\003age\000\000\000\005allow\000\000\000\015"
    "authorization\000\000\000\015cache-control\000\000\000\012connection\000\000\000\014content-base\000\000\000"
    "\020content-encoding\000\000\000\020content-language\000\000\000\016content-length\000\000\000\020content-lo"
    "cation\000\000\000\013content-md5\000\000\000\015content-range\000\000\000\014content-type\000\000\000\004da"
    "te\000\000\000\004etag\000\000\000\006expect\000\000\000\007expires\000\000\000\004from\000\000\000\004host"
    "\000\000\000\010if-match\000\000\000\021if-modified-since\000\000\000\015if-none-match\000\000\000\010if-ran"
    "ge\000\000\000\023if-unmodified-since\000\000\000\015last-modified\000\000\000\010location\000\000\000\014ma"
    "x-forwards\000\000\000\006pragma\000\000\000\022proxy-authenticate\000\000\000\023proxy-authorization\000"
    "\000\000\005range\000\000\000\007referer\000\000\000\013retry-after\000\000\000\006server\000\000\000\002te"
    "\000\000\000\007trailer\000\000\000\021transfer-encoding\000\000\000\007upgrade\000\000\000\012user-agent"
    "\000\000\000\004vary\000\000\000\003via\000\000\000\007warning\000\000\000\020www-authenticate\000\000\000"
    "\006method\000\000\000\003get\000\000\000\006status\000\000\000\006200 OK\000\000\000\007version\000\000\000"
    "\010HTTP/1.1\000\000\000\003url\000\000\000\006public\000\000\000\012set-cookie\000\000\000\012keep-alive"
    "\000\000\000\006origin10010120120220520630030230330430530630740240540640740840941041141241341441541641750250"
    "4505203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 F"
    "orbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May "
    "Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,imag"
    "e/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,d"
    "eflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

static voidpf z_alloc(voidpf ctx, uInt n, uInt size) { return sn_zalloc(n, size); }
static void z_free(voidpf ctx, voidpf p) { sn_free(p); }

static uint32_t be32(const char *p)
{
    const uint8_t *b = (const uint8_t *)p;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void put32(struct sn_buf *out, uint32_t v)
{
    uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    sn_buf_put(out, b, 4);
}

int sn_spdy_init(struct sn_spdy *s)
{
    *s = (struct sn_spdy){.in = {.zalloc = z_alloc, .zfree = z_free}, .out = {.zalloc = z_alloc, .zfree = z_free}};
    if (inflateInit(&s->in) != Z_OK) return SN_E_NOMEM;
    if (deflateInit(&s->out, 1) != Z_OK ||
        deflateSetDictionary(&s->out, (const Bytef *)dictionary, sizeof dictionary - 1) != Z_OK) {
        inflateEnd(&s->in);
        deflateEnd(&s->out);
        return SN_E_NOMEM;
    }
    s->have_z = true;
    sn_buf_init(&s->held, HEAD + SN_SPDY_CONTROL_MAX);
    sn_buf_init(&s->block, SN_SPDY_HEADER_BYTES_MAX + 1);
    return 0;
}

void sn_spdy_done(struct sn_spdy *s)
{
    if (s->have_z) {
        inflateEnd(&s->in);
        deflateEnd(&s->out);
    }
    s->have_z = false;
    sn_buf_done(&s->held);
    sn_buf_done(&s->block);
}

/* ---- reading ---- */

static int expand(struct sn_spdy *s, struct sn_str packed)
{
    sn_buf_reset(&s->block);
    int r = sn_buf_reserve(&s->block, SN_SPDY_HEADER_BYTES_MAX + 1);
    if (r < 0) return r;
    s->in.next_in = (Bytef *)packed.ptr;
    s->in.avail_in = (uInt)packed.len;
    s->in.next_out = s->block.ptr;
    s->in.avail_out = SN_SPDY_HEADER_BYTES_MAX + 1;
    int z = inflate(&s->in, Z_SYNC_FLUSH);
    if (z == Z_NEED_DICT) {
        z = inflateSetDictionary(&s->in, (const Bytef *)dictionary, sizeof dictionary - 1);
        if (z == Z_OK) z = inflate(&s->in, Z_SYNC_FLUSH);
    }
    if (z == Z_MEM_ERROR) return SN_E_NOMEM;
    if (z != Z_OK && z != Z_BUF_ERROR) return sn_fail(SN_E_PROTOCOL, "spdy: headers that are not compressed as they should be");
    s->block.len = SN_SPDY_HEADER_BYTES_MAX + 1 - s->in.avail_out;
    if (s->in.avail_in || s->block.len > SN_SPDY_HEADER_BYTES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "spdy: headers of more than %u bytes", SN_SPDY_HEADER_BYTES_MAX);
    return 0;
}

static bool take_text(struct sn_str *in, struct sn_str *ret)
{
    if (in->len < 4) return false;
    uint32_t n = be32(in->ptr);
    if (n > in->len - 4) return false;
    *ret = sn_str_of(in->ptr + 4, n);
    *in = sn_str_from(*in, 4 + (size_t)n);
    return true;
}

static int read_headers(struct sn_spdy *s, struct sn_str packed, struct sn_spdy_frame *f)
{
    int r = expand(s, packed);
    if (r < 0) return r;
    struct sn_str in = sn_buf_view(&s->block);
    if (in.len < 4) return sn_fail(SN_E_PROTOCOL, "spdy: headers end early");
    uint32_t n = be32(in.ptr);
    in = sn_str_from(in, 4);
    if (n > SN_SPDY_HEADERS_MAX) return sn_fail(SN_E_TOO_LARGE, "spdy: %u headers; at most %u", n, SN_SPDY_HEADERS_MAX);
    for (f->n_headers = 0; f->n_headers < n; f->n_headers++) {
        struct sn_spdy_header *h = &f->headers[f->n_headers];
        if (!take_text(&in, &h->name) || !take_text(&in, &h->value)) return sn_fail(SN_E_PROTOCOL, "spdy: headers end early");
    }
    return in.len ? sn_fail(SN_E_PROTOCOL, "spdy: %zu bytes behind the headers", in.len) : 0;
}

static int read_control(struct sn_spdy *s, struct sn_spdy_frame *f)
{
    struct sn_str all = sn_buf_view(&s->held), body = sn_str_from(all, HEAD);
    uint32_t first = be32(all.ptr);
    f->fin = all.ptr[4] & 1;
    if ((first >> 16 & 0x7fff) != VERSION) return sn_fail(SN_E_PROTOCOL, "spdy: version %u", first >> 16 & 0x7fff);
    f->type = (enum sn_spdy_type)(first & 0xffff);
    static const struct {
        uint8_t type, min;
    } known[] = {{SN_SPDY_SYN_STREAM, 10}, {SN_SPDY_SYN_REPLY, 4}, {SN_SPDY_RST_STREAM, 8}, {SN_SPDY_SETTINGS, 4},
                 {SN_SPDY_PING, 4}, {SN_SPDY_GOAWAY, 8}, {SN_SPDY_HEADERS, 4}, {SN_SPDY_WINDOW_UPDATE, 8}};
    size_t i = 0;
    while (i < SN_COUNT_OF(known) && known[i].type != f->type) i++;
    if (i == SN_COUNT_OF(known)) return sn_fail(SN_E_PROTOCOL, "spdy: control frame of type %u", f->type);
    if (body.len < known[i].min) return sn_fail(SN_E_PROTOCOL, "spdy: control frame %u of %zu bytes", f->type, body.len);
    f->stream = be32(body.ptr);
    if (f->type != SN_SPDY_PING) f->stream &= 0x7fffffff;
    if (f->type == SN_SPDY_SYN_STREAM) return read_headers(s, sn_str_from(body, 10), f);
    if (f->type == SN_SPDY_SYN_REPLY || f->type == SN_SPDY_HEADERS) return read_headers(s, sn_str_from(body, 4), f);
    return 0;
}

/* As much of `n` bytes as there are, from *in into what is held. */
static bool hold(struct sn_spdy *s, struct sn_str *in, size_t n)
{
    size_t take = n > s->held.len ? SN_MIN(n - s->held.len, in->len) : 0;
    sn_buf_put(&s->held, in->ptr, take);
    *in = sn_str_from(*in, take);
    return s->held.len >= n;
}

int sn_spdy_next(struct sn_spdy *s, struct sn_str *in, struct sn_spdy_frame *ret)
{
    ret->n_headers = 0;
    ret->data = (struct sn_str){0};
    if (!s->data_left) {
        if (!hold(s, in, HEAD)) return s->held.err;
        const char *h = (const char *)s->held.ptr;
        uint32_t len = be32(h + 4) & 0xffffff;
        if (h[0] & 0x80) {
            if (len > SN_SPDY_CONTROL_MAX) return sn_fail(SN_E_TOO_LARGE, "spdy: control frame of %u bytes", len);
            if (!hold(s, in, HEAD + len)) return s->held.err;
            int r = read_control(s, ret);
            sn_buf_reset(&s->held);
            return r < 0 ? r : 1;
        }
        s->data_stream = be32(h);
        s->data_fin = h[4] & 1;
        s->data_left = len;
        sn_buf_reset(&s->held);
        if (len && !in->len) return 0;
    }
    size_t n = SN_MIN((size_t)s->data_left, in->len);
    if (s->data_left && !n) return 0;
    ret->type = SN_SPDY_DATA;
    ret->stream = s->data_stream;
    ret->data = sn_str_sub(*in, 0, n);
    *in = sn_str_from(*in, n);
    s->data_left -= (uint32_t)n;
    ret->fin = s->data_fin && !s->data_left;
    return 1;
}

struct sn_str sn_spdy_header_get(const struct sn_spdy_frame *f, const char *name)
{
    for (unsigned i = 0; i < f->n_headers; i++)
        if (sn_str_ieq(f->headers[i].name, sn_str(name))) return f->headers[i].value;
    return (struct sn_str){0};
}

/* ---- writing ---- */

static void control(struct sn_buf *out, enum sn_spdy_type type, uint32_t len)
{
    put32(out, 0x80000000u | VERSION << 16 | type);
    put32(out, len);
}

/* Header block of `raw`, compressed, behind a frame head whose length is then known. */
static int put_headers(struct sn_spdy *s, enum sn_spdy_type type, struct sn_str fixed, struct sn_str raw, struct sn_buf *out)
{
    size_t cap = deflateBound(&s->out, (uLong)raw.len) + 64;
    char *packed = sn_alloc(cap);
    if (!packed) return SN_E_NOMEM;
    s->out.next_in = (Bytef *)raw.ptr;
    s->out.avail_in = (uInt)raw.len;
    s->out.next_out = (Bytef *)packed;
    s->out.avail_out = (uInt)cap;
    int z = deflate(&s->out, Z_SYNC_FLUSH);
    size_t n = cap - s->out.avail_out;
    if (z == Z_OK) {
        control(out, type, (uint32_t)(fixed.len + n));
        sn_buf_str(out, fixed);
        sn_buf_put(out, packed, n);
    }
    sn_free(packed);
    return z == Z_OK ? out->err : SN_E_NOMEM;
}

int sn_spdy_put_reply(struct sn_spdy *s, uint32_t stream, struct sn_buf *out)
{
    char fixed[4] = {(char)(stream >> 24), (char)(stream >> 16), (char)(stream >> 8), (char)stream};
    static const char none[4];
    return put_headers(s, SN_SPDY_SYN_REPLY, sn_str_of(fixed, 4), sn_str_of(none, 4), out);
}

int sn_spdy_put_syn(struct sn_spdy *s, uint32_t stream, const struct sn_spdy_header *h, unsigned n, struct sn_buf *out)
{
    char fixed[10] = {(char)(stream >> 24), (char)(stream >> 16), (char)(stream >> 8), (char)stream};
    struct sn_buf raw = {0};
    put32(&raw, n);
    for (unsigned i = 0; i < n; i++) {
        put32(&raw, (uint32_t)h[i].name.len);
        sn_buf_str(&raw, h[i].name);
        put32(&raw, (uint32_t)h[i].value.len);
        sn_buf_str(&raw, h[i].value);
    }
    int r = raw.err < 0 ? raw.err : put_headers(s, SN_SPDY_SYN_STREAM, sn_str_of(fixed, 10), sn_buf_view(&raw), out);
    sn_buf_done(&raw);
    return r;
}

int sn_spdy_put_data(uint32_t stream, bool fin, struct sn_str data, struct sn_buf *out)
{
    SN_ASSERT(data.len <= SN_SPDY_DATA_MAX);
    put32(out, stream & 0x7fffffff);
    put32(out, (fin ? 1u << 24 : 0) | (uint32_t)data.len);
    return sn_buf_str(out, data);
}

int sn_spdy_put_rst(uint32_t stream, uint32_t status, struct sn_buf *out)
{
    control(out, SN_SPDY_RST_STREAM, 8);
    put32(out, stream & 0x7fffffff);
    put32(out, status);
    return out->err;
}

int sn_spdy_put_ping(uint32_t id, struct sn_buf *out)
{
    control(out, SN_SPDY_PING, 4);
    put32(out, id);
    return out->err;
}

int sn_spdy_put_goaway(uint32_t last, struct sn_buf *out)
{
    control(out, SN_SPDY_GOAWAY, 8);
    put32(out, last & 0x7fffffff);
    put32(out, 0);
    return out->err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* wire/h1.c - HTTP/1.1 heads: start line, fields, and what they say about framing. */
#include "wire/h1.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "core/status.h"

/* ---- errors --------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    int status;
    int code;
} h1_errs[] = {
    [SN_H1_OK] = {"no error", 200, 0},
    [SN_H1_ERR_METHOD] = {"malformed method", 400, SN_E_PROTOCOL},
    [SN_H1_ERR_TARGET] = {"malformed request target", 400, SN_E_PROTOCOL},
    [SN_H1_ERR_TARGET_LONG] = {"request target over the limit", 414, SN_E_TOO_LARGE},
    [SN_H1_ERR_VERSION] = {"malformed protocol version", 400, SN_E_PROTOCOL},
    [SN_H1_ERR_VERSION_UNSUPPORTED] = {"protocol version is neither HTTP/1.1 nor HTTP/1.0", 505,
                                       SN_E_UNIMPLEMENTED},
    [SN_H1_ERR_STATUS] = {"malformed status line", 400, SN_E_PROTOCOL},
    [SN_H1_ERR_LINE_END] = {"line does not end in CR LF", 400, SN_E_PROTOCOL},
    [SN_H1_ERR_FOLD] = {"folded or indented field line", 400, SN_E_PROTOCOL},
    [SN_H1_ERR_NAME] = {"malformed field name", 400, SN_E_PROTOCOL},
    [SN_H1_ERR_SPACE_BEFORE_COLON] = {"white space between field name and colon", 400,
                                      SN_E_PROTOCOL},
    [SN_H1_ERR_VALUE] = {"control byte in a field value", 400, SN_E_PROTOCOL},
    [SN_H1_ERR_HOST_MISSING] = {"HTTP/1.1 request without Host", 400, SN_E_PROTOCOL},
    [SN_H1_ERR_HOST_REPEATED] = {"more than one Host", 400, SN_E_PROTOCOL},
    [SN_H1_ERR_HOST] = {"malformed or empty Host", 400, SN_E_PROTOCOL},
    [SN_H1_ERR_LENGTH] = {"malformed Content-Length", 400, SN_E_PROTOCOL},
    [SN_H1_ERR_LENGTH_REPEATED] = {"more than one Content-Length", 400, SN_E_PROTOCOL},
    [SN_H1_ERR_LENGTH_AND_CODING] = {"both Content-Length and Transfer-Encoding", 400,
                                     SN_E_PROTOCOL},
    [SN_H1_ERR_CODING] = {"Transfer-Encoding does not end in exactly one chunked", 400,
                          SN_E_PROTOCOL},
    [SN_H1_ERR_CODING_UNKNOWN] = {"transfer coding other than chunked", 501, SN_E_UNIMPLEMENTED},
    [SN_H1_ERR_CODING_OLD] = {"Transfer-Encoding in an HTTP/1.0 message", 400, SN_E_PROTOCOL},
    [SN_H1_ERR_HEAD_LARGE] = {"message head over the limit", 431, SN_E_TOO_LARGE},
    [SN_H1_ERR_HEADERS_MANY] = {"more field lines than the limit", 431, SN_E_TOO_LARGE},
    [SN_H1_ERR_EXPECT] = {"expectation other than 100-continue", 417, SN_E_PROTOCOL},
    [SN_H1_ERR_CHUNK_SIZE] = {"malformed chunk size", 400, SN_E_PROTOCOL},
    [SN_H1_ERR_CHUNK_EXT] = {"chunk framing over the limit", 400, SN_E_TOO_LARGE},
    [SN_H1_ERR_CHUNK_END] = {"chunk data not followed by CR LF", 400, SN_E_PROTOCOL},
    [SN_H1_ERR_TRAILER] = {"malformed trailer section", 400, SN_E_PROTOCOL},
    [SN_H1_ERR_TRAILERS_LARGE] = {"trailer section over the limit", 431, SN_E_TOO_LARGE},
    [SN_H1_ERR_NOMEM] = {"out of memory", 500, SN_E_NOMEM},
};

const char *sn_h1_err_text(enum sn_h1_err e)
{
    return (size_t)e < SN_COUNT_OF(h1_errs) ? h1_errs[e].text : "unknown error";
}
int sn_h1_err_status(enum sn_h1_err e)
{
    return (size_t)e < SN_COUNT_OF(h1_errs) ? h1_errs[e].status : 400;
}

static int h1_err(struct sn_h1 *h, enum sn_h1_err e)
{
    h->err = e;
    return -1;
}

/* ---- fields that say something about framing ------------------------------------------------ */

enum { C_TOKEN = 1, C_CTL = 2 };
#define T C_TOKEN
#define X C_CTL
static const uint8_t h1_class[256] = {
    X, X, X, X, X, X, X, X, X, 0, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    0, T, 0, T, T, T, T, T, 0, 0, T, T, 0, T, T, 0, T, T, T, T, T, T, T, T, T, T, 0, 0, 0, 0, 0, 0,
    0, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, 0, 0, 0, T, T,
    T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, 0, T, 0, T, X,
};
#undef T
#undef X

/* `name` holds token bytes only and `lower` letters and '-' only, so or-ing 0x20 folds case and
 * maps no other token byte onto one of lower's. */
static inline bool is_name(struct sn_str name, const char *lower)
{
    for (size_t i = 0; i < name.len; i++)
        if ((name.ptr[i] | 0x20) != lower[i]) return false;
    return true;
}

static enum sn_h1_err field_length(struct sn_h1 *h, struct sn_str v)
{
    /* RFC 9112 section 6.3 lets a recipient merge equal values; a request with two is refused,
     * because the hop before may have read the other one. */
    if (v.len == 0 || v.len > 19) return SN_H1_ERR_LENGTH;
    uint64_t n = 0;
    for (size_t i = 0; i < v.len; i++) {
        unsigned d = (unsigned)(unsigned char)v.ptr[i] - '0';
        if (d > 9) return SN_H1_ERR_LENGTH;
        n = n * 10 + d;
    }
    if (n > INT64_MAX) return SN_H1_ERR_LENGTH;
    if (h->have_length && (!h->opts.response || (int64_t)n != h->content_length))
        return SN_H1_ERR_LENGTH_REPEATED;
    h->have_length = true;
    h->content_length = (int64_t)n;
    return SN_H1_OK;
}

static enum sn_h1_err field_coding(struct sn_h1 *h, struct sn_str v)
{
    if (h->have_coding) return SN_H1_ERR_CODING;
    h->have_coding = true;
    if (sn_str_ieq(v, SN_STR("chunked"))) {
        h->coding_chunked = true;
        return SN_H1_OK;
    }
    unsigned n_chunked = 0;
    bool last = false;
    while (v.ptr) {
        struct sn_str t = sn_str_trim(sn_str_cut(&v, ','));
        if (!sn_http_is_token(t)) return SN_H1_ERR_CODING;
        last = sn_str_ieq(t, SN_STR("chunked"));
        n_chunked += last;
    }
    return n_chunked == 1 && last ? SN_H1_ERR_CODING_UNKNOWN
           : n_chunked            ? SN_H1_ERR_CODING
           : h->opts.response     ? SN_H1_ERR_CODING_UNKNOWN
                                  : SN_H1_ERR_CODING;
}

static enum sn_h1_err field_host(struct sn_h1 *h, struct sn_str v)
{
    if (h->opts.response) return SN_H1_OK;
    if (h->has_host) return SN_H1_ERR_HOST_REPEATED;
    h->has_host = true;
    if (!sn_http_host_valid(v)) return SN_H1_ERR_HOST;
    /* RFC 9112 section 3.2.2: an absolute target's authority replaces Host. */
    if (!h->absolute && h->method != SN_HTTP_CONNECT) h->authority = v;
    return SN_H1_OK;
}

static void field_connection(struct sn_h1 *h, struct sn_str v)
{
    while (v.ptr) {
        struct sn_str t = sn_str_trim(sn_str_cut(&v, ','));
        if (sn_str_ieq(t, SN_STR("close")))
            h->close = true;
        else if (sn_str_ieq(t, SN_STR("keep-alive")))
            h->keep = true;
        else if (sn_str_ieq(t, SN_STR("upgrade")))
            h->connection_upgrade = true;
    }
}

static inline enum sn_h1_err h1_field(struct sn_h1 *h, struct sn_str name, struct sn_str value)
{
    switch (name.len) {
    case 4:
        if (is_name(name, "host")) return field_host(h, value);
        break;
    case 6:
        if (is_name(name, "expect") && !h->opts.response) {
            if (!sn_str_ieq(value, SN_STR("100-continue"))) return SN_H1_ERR_EXPECT;
            h->expect_continue = true;
        }
        break;
    case 7:
        if (is_name(name, "upgrade")) h->upgrade = true;
        break;
    case 10:
        if (is_name(name, "connection")) field_connection(h, value);
        break;
    case 14:
        if (is_name(name, "content-length")) return field_length(h, value);
        break;
    case 17:
        if (is_name(name, "transfer-encoding")) return field_coding(h, value);
        break;
    }
    return SN_H1_OK;
}

/* ---- scanning loops, once per instruction set ----------------------------------------------- */

#define FN(x) x##_base
#include "wire/h1_lines_int.h"
#undef FN
#if defined(__x86_64__)
#ifdef __clang__ /* has its own spelling of the pragma */
#pragma clang attribute push(__attribute__((target("avx2,bmi"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,bmi")
#endif
#define ISA_AVX2
#define FN(x) x##_avx2
#include "wire/h1_lines_int.h"
#undef FN
#undef ISA_AVX2
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

static int (*h1_fields)(struct sn_h1 *h, const char **pp, const char *end) = fields_base;

__attribute__((constructor)) static void h1_choose(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2")) h1_fields = fields_avx2;
#endif
}

/* ---- start lines ---------------------------------------------------------------------------- */

/* "scheme://authority[/path][?query]" of RFC 3986, http and https only. */
static enum sn_h1_err target_absolute(struct sn_h1 *h)
{
    struct sn_str t = h->target;
    size_t skip = t.len > 7 && sn_str_ieq(sn_str_sub(t, 0, 7), SN_STR("http://"))    ? 7
                  : t.len > 8 && sn_str_ieq(sn_str_sub(t, 0, 8), SN_STR("https://")) ? 8
                                                                                     : 0;
    if (!skip) return SN_H1_ERR_TARGET;
    t = sn_str_from(t, skip);
    size_t n = 0;
    while (n < t.len && t.ptr[n] != '/' && t.ptr[n] != '?') n++;
    h->authority = sn_str_sub(t, 0, n);
    if (!sn_http_host_valid(h->authority)) return SN_H1_ERR_HOST;
    h->absolute = true;
    h->path = sn_str_from(t, n);
    return SN_H1_OK;
}

static enum sn_h1_err target_split(struct sn_h1 *h)
{
    struct sn_str t = h->target;
    if (t.len == 0) return SN_H1_ERR_TARGET;
    if (memchr(t.ptr, '#', t.len)) return SN_H1_ERR_TARGET;
    if (h->method == SN_HTTP_CONNECT) {
        /* authority-form: host and port, nothing else; a bare host is as wrong as a path. */
        if (!sn_http_host_valid(t) || sn_str_rchr(t, ':') < 0 || t.ptr[t.len - 1] == ':' ||
            t.ptr[t.len - 1] == ']')
            return SN_H1_ERR_TARGET;
        h->authority = t;
        h->path = sn_str_of(t.ptr, 0);
        return SN_H1_OK;
    }
    if (t.ptr[0] == '/') {
        h->path = t;
    } else if (t.len == 1 && t.ptr[0] == '*') {
        if (h->method != SN_HTTP_OPTIONS) return SN_H1_ERR_TARGET;
        h->path = sn_str_of(t.ptr, 0);
        return SN_H1_OK;
    } else {
        enum sn_h1_err e = target_absolute(h);
        if (e) return e;
    }
    const char *q = h->path.len ? memchr(h->path.ptr, '?', h->path.len) : NULL;
    if (q) {
        size_t n = (size_t)(q - h->path.ptr);
        h->query = sn_str_from(h->path, n + 1);
        h->path = sn_str_sub(h->path, 0, n);
    }
    if (h->path.len == 0) h->path = SN_STR("/"); /* "http://host?x": RFC 9112 section 3.2.1 */
    return SN_H1_OK;
}

/* "HTTP/1.1": the eight bytes at p. */
static enum sn_h1_err version_of(struct sn_h1 *h, const char *p)
{
    if (memcmp(p, "HTTP/1.1", 8) == 0) {
        h->version = 11;
        return SN_H1_OK;
    }
    if (memcmp(p, "HTTP/", 5) != 0 || p[5] < '0' || p[5] > '9' || p[6] != '.' || p[7] < '0' ||
        p[7] > '9')
        return SN_H1_ERR_VERSION;
    if (p[5] != '1' || p[7] != '0') return SN_H1_ERR_VERSION_UNSUPPORTED;
    h->version = 10;
    return SN_H1_OK;
}

/* Returns 1 and *pp after the line, 0 for more bytes, -1 with err set. */
static int request_line(struct sn_h1 *h, const char **pp, const char *end)
{
    const char *p = *pp, *start = p;
    size_t avail = (size_t)(end - p);
    const char *max = avail > SN_H1_METHOD_BYTES_MAX + 1 ? p + SN_H1_METHOD_BYTES_MAX + 1 : end;
    while (p < max && (h1_class[(unsigned char)*p] & C_TOKEN)) p++;
    if (p == max)
        return p == end && avail <= SN_H1_METHOD_BYTES_MAX ? 0 : h1_err(h, SN_H1_ERR_METHOD);
    if (p == start || *p != ' ') return h1_err(h, SN_H1_ERR_METHOD);
    h->method_text = sn_str_of(start, (size_t)(p - start));
    h->method = sn_http_method_of(h->method_text);

    const char *target = ++p;
    p = scan_target_base(p, end);
    if ((size_t)(p - target) > h->opts.target_bytes_max) return h1_err(h, SN_H1_ERR_TARGET_LONG);
    if (p == end) return 0;
    if (*p != ' ')
        return h1_err(h, *p == '\r' || *p == '\n' ? SN_H1_ERR_VERSION : SN_H1_ERR_TARGET);
    h->target = sn_str_of(target, (size_t)(p - target));
    p++;
    if (end - p < 10) {
        /* A version that can no longer become right is refused before its line is complete. */
        size_t n = (size_t)(end - p);
        if (n && memcmp(p, "HTTP/", SN_MIN(n, (size_t)5)) != 0) return h1_err(h, SN_H1_ERR_VERSION);
        return 0;
    }
    enum sn_h1_err e = version_of(h, p);
    if (!e && (p[8] != '\r' || p[9] != '\n'))
        e = p[8] == '\r' || p[8] == '\n' ? SN_H1_ERR_LINE_END : SN_H1_ERR_VERSION;
    if (!e) e = target_split(h);
    if (e) return h1_err(h, e);
    *pp = p + 10;
    return 1;
}

/* "HTTP/1.1 200 OK" with the space before an empty reason optional, as many servers leave it out.
 */
static int status_line(struct sn_h1 *h, const char **pp, const char *end)
{
    const char *p = *pp;
    if (end - p < 14) {
        size_t n = (size_t)(end - p);
        if (memcmp(p, "HTTP/", SN_MIN(n, (size_t)5)) != 0) return h1_err(h, SN_H1_ERR_VERSION);
        return 0;
    }
    enum sn_h1_err e = version_of(h, p);
    if (e) return h1_err(h, e);
    if (p[8] != ' ') return h1_err(h, SN_H1_ERR_STATUS);
    p += 9;
    for (int i = 0; i < 3; i++) {
        if (p[i] < '0' || p[i] > '9') return h1_err(h, SN_H1_ERR_STATUS);
        h->status = h->status * 10 + (p[i] - '0');
    }
    if (h->status < 100 || h->status > 599) return h1_err(h, SN_H1_ERR_STATUS);
    p += 3;
    if (*p == ' ')
        p++;
    else if (*p != '\r')
        return h1_err(h, SN_H1_ERR_STATUS);
    const char *reason = p;
    p = scan_value_base(p, end);
    if (end - p < 2) {
        h->status = 0; /* this line is read again */
        return p < end && *p != '\r' ? h1_err(h, SN_H1_ERR_STATUS) : 0;
    }
    if (p[0] != '\r' || p[1] != '\n') return h1_err(h, SN_H1_ERR_LINE_END);
    h->reason = sn_str_of(reason, (size_t)(p - reason));
    *pp = p + 2;
    return 1;
}

/* ---- framing -------------------------------------------------------------------------------- */

static int finish_request(struct sn_h1 *h)
{
    if (h->version == 11 && !h->has_host) return h1_err(h, SN_H1_ERR_HOST_MISSING);
    if (h->have_coding) {
        if (h->version != 11) return h1_err(h, SN_H1_ERR_CODING_OLD);
        if (h->have_length) return h1_err(h, SN_H1_ERR_LENGTH_AND_CODING);
        h->body = SN_H1_BODY_CHUNKED;
        h->content_length = -1;
    } else {
        h->body = h->content_length > 0 ? SN_H1_BODY_LENGTH : SN_H1_BODY_NONE;
    }
    /* RFC 9110 section 10.1.1: an expectation in a 1.0 request, or without a body, means nothing.
     */
    if (h->version != 11 || h->body == SN_H1_BODY_NONE) h->expect_continue = false;
    h->keep_alive = !h->close && (h->version == 11 || h->keep);
    return 0;
}

static int finish_response(struct sn_h1 *h)
{
    if (h->have_coding && h->have_length) return h1_err(h, SN_H1_ERR_LENGTH_AND_CODING);
    if (h->have_coding && h->version != 11) return h1_err(h, SN_H1_ERR_CODING_OLD);
    h->keep_alive = !h->close && (h->version == 11 || h->keep);
    bool none = h->status < 200 || h->status == 204 || h->status == 304 || h->opts.to_head ||
                (h->opts.to_connect && h->status < 300);
    if (none) {
        h->body = SN_H1_BODY_NONE;
        /* To HEAD and in 304 the length is that of the body a GET would have had. */
        if (!h->have_length || (!h->opts.to_head && h->status != 304)) h->content_length = 0;
        return 0;
    }
    if (h->have_coding) {
        h->body = SN_H1_BODY_CHUNKED;
        h->content_length = -1;
    } else if (h->have_length) {
        h->body = h->content_length ? SN_H1_BODY_LENGTH : SN_H1_BODY_NONE;
    } else {
        h->body = SN_H1_BODY_CLOSE;
        h->content_length = -1;
        h->keep_alive = false;
    }
    return 0;
}

/* ---- the parser ----------------------------------------------------------------------------- */

void sn_h1_init(struct sn_h1 *p, const struct sn_h1_opts *opts, struct sn_arena *arena)
{
    *p = (struct sn_h1){.arena = arena};
    if (opts) p->opts = *opts;
    if (!p->opts.head_bytes_max) p->opts.head_bytes_max = SN_H1_HEAD_BYTES_MAX;
    if (!p->opts.target_bytes_max) p->opts.target_bytes_max = SN_H1_TARGET_BYTES_MAX;
    if (p->opts.target_bytes_max > p->opts.head_bytes_max)
        p->opts.target_bytes_max = p->opts.head_bytes_max;
    if (!p->opts.headers_max) p->opts.headers_max = SN_H1_HEADERS_MAX;
}

static void rebase_one(struct sn_str *s, const char *from, size_t n, const char *to)
{
    /* The path of "http://host" is a literal: only what lies in the buffer moves. */
    if (s->ptr && s->ptr >= from && s->ptr <= from + n) s->ptr = to + (s->ptr - from);
}

void sn_h1_rebase(struct sn_h1 *p, const char *buf)
{
    const char *from = p->base;
    size_t n = p->pos;
    if (from == buf || !from) {
        p->base = buf;
        return;
    }
    struct sn_str *own[] = {&p->method_text, &p->target,    &p->path,
                            &p->query,       &p->authority, &p->reason};
    for (size_t i = 0; i < SN_COUNT_OF(own); i++) rebase_one(own[i], from, n, buf);
    for (unsigned i = 0; i < p->headers.len; i++) {
        rebase_one(&p->headers.ptr[i].name, from, n, buf);
        rebase_one(&p->headers.ptr[i].value, from, n, buf);
    }
    p->base = buf;
}

static ssize_t h1_again(struct sn_h1 *p, size_t len)
{
    if (len > p->opts.head_bytes_max) {
        p->err = SN_H1_ERR_HEAD_LARGE;
        return SN_E_TOO_LARGE;
    }
    p->scan = len;
    return SN_E_AGAIN;
}

ssize_t sn_h1_parse(struct sn_h1 *p, const char *buf, size_t len)
{
    if (p->base != buf) sn_h1_rebase(p, buf);
    if (p->scan > p->pos) { /* a line was incomplete: without a line end it still is */
        if (len <= p->scan || !memchr(buf + p->scan, '\n', len - p->scan)) {
            size_t line_max = p->opts.target_bytes_max + SN_H1_METHOD_BYTES_MAX + 16;
            if (p->stage == 0 && !p->opts.response && len - p->pos > line_max) {
                p->err = SN_H1_ERR_TARGET_LONG;
                return SN_E_TOO_LARGE;
            }
            return h1_again(p, len);
        }
    }
    const char *at = buf + p->pos, *end = buf + len;
    if (p->stage == 0) {
        if (p->pos == 0 && !p->opts.response && at < end && *at == '\r') {
            /* RFC 9112 section 2.2: one empty line before a request is ignored. */
            if (len < 2) return h1_again(p, len);
            if (at[1] != '\n') {
                p->err = SN_H1_ERR_LINE_END;
                return SN_E_PROTOCOL;
            }
            at += 2;
        }
        if (at == end) return SN_E_AGAIN;
        int r = p->opts.response ? status_line(p, &at, end) : request_line(p, &at, end);
        if (r < 0) return h1_errs[p->err].code;
        if (r == 0) return h1_again(p, len);
        p->pos = (size_t)(at - buf);
        p->stage = 1;
    }
    int r = h1_fields(p, &at, end);
    if (r < 0) return h1_errs[p->err].code;
    p->pos = (size_t)(at - buf);
    if (r == 0) return h1_again(p, len);
    if (p->pos > p->opts.head_bytes_max) {
        p->err = SN_H1_ERR_HEAD_LARGE;
        return SN_E_TOO_LARGE;
    }
    p->stage = 2;
    if ((p->opts.response ? finish_response(p) : finish_request(p)) < 0)
        return h1_errs[p->err].code;
    return (ssize_t)p->pos;
}

/* ---- trailers ------------------------------------------------------------------------------- */

int sn_h1_trailers(struct sn_str raw, struct sn_arena *a, struct sn_http_headers *ret)
{
    struct sn_http_headers out = {0};
    const char *p = raw.ptr, *end = raw.ptr + raw.len;
    for (unsigned n = 0; p < end; n++) {
        struct sn_http_header f;
        enum sn_h1_err e = SN_H1_OK;
        if (n >= SN_H1_HEADERS_MAX) return SN_E_TOO_LARGE;
        p = field_line_base(p, end, &f, &e);
        if (!p) return SN_E_PROTOCOL;
        if (!sn_http_trailer_ok(f.name)) continue;
        if (sn_http_headers_add(&out, a, f.name, f.value) < 0) return SN_E_NOMEM;
    }
    *ret = out;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* kit/http_h1.c - the server's side of an HTTP/1.1 connection while it is active.
 *
 * One fiber per active connection: read, parse, call the handler, write, and either go on with the
 * next request that is already there or park. The common request costs two data system calls. */
#include <sys/uio.h>

#include "core/alloc.h"
#include "kit/http_int.h"

/* Response bodies up to this size are copied behind their head: one buffer, one write. */
#define COPY_BODY_MAX 4096u
/* Body bytes read and dropped to keep a connection whose handler did not want them. */
#define DISCARD_BYTES_MAX (64u << 10)
/* After an error response the peer may still be sending: closing at once would reset the
 * connection and could destroy the response on its way. */
#define LINGER_NS (1 * SN_SEC)
#define LINGER_BYTES_MAX (256u << 10)
/* Progress is looked at once per piece this large. */
#define WRITE_STEP (256u << 10)
#define FILE_STEP (1u << 20)

static const char h2_preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
#define H2_PREFACE_LEN (sizeof(h2_preface) - 1)

struct h1 { /* lives on the connection's fiber */
    struct http_conn *c;
    struct sn_http_server *srv;
    struct http_server_worker *w;
    struct http_in in;
    char *out; /* pending response bytes */
    size_t out_len;
    struct sn_arena arena;
    int write_err;
    bool h2; /* the preface was found */
};
struct h1_x {
    struct http_xi xi;
    struct h1 *h;
    struct sn_h1 head;
    struct http_body body;
    bool keep, chunked, continue_due;
};

static struct h1_x *h1_x_of(struct http_xi *xi) { return SN_CONTAINER_OF(xi, struct h1_x, xi); }

/* The drain may have closed the stream under us. */
static bool h1_readable(const struct h1 *h)
{
    return !h->c->cut && sn_stream_readable_now(h->c->st);
}

/* ---- writing -------------------------------------------------------------------------------- */

static int h1_writev(struct h1 *h, struct iovec *iov, int n)
{
    if (h->c->cut && h->write_err == 0) h->write_err = SN_E_CLOSED;
    if (h->write_err < 0) return h->write_err;
    int64_t prev = sn_deadline_tighten(sn_now_coarse() + h->srv->o.write_stall_ns_max);
    ssize_t r = sn_writev(h->c->st, iov, n);
    sn_deadline_restore(prev);
    if (r < 0) {
        h->write_err = (int)r;
        return (int)r;
    }
    h->w->n.bytes_out += (uint64_t)r;
    return 0;
}

static int h1_flush(struct h1 *h)
{
    if (h->out_len == 0) return h->write_err;
    struct iovec iov = {h->out, h->out_len};
    h->out_len = 0;
    return h1_writev(h, &iov, 1);
}

/* What is pending, then `data` and `tail`, without copying `data`; in steps that each must make
 * progress within the stall limit. */
static int h1_send(struct h1 *h, struct sn_str data, struct sn_str tail)
{
    size_t step = SN_MIN(data.len, (size_t)WRITE_STEP);
    struct iovec iov[3] = {{h->out, h->out_len}, {(char *)data.ptr, step}, {(char *)tail.ptr, 0}};
    if (step == data.len) iov[2].iov_len = tail.len;
    h->out_len = 0;
    int r = h1_writev(h, iov, 3);
    while (r == 0 && step < data.len) {
        data = sn_str_from(data, step);
        step = SN_MIN(data.len, (size_t)WRITE_STEP);
        struct iovec more[2] = {{(char *)data.ptr, step}, {(char *)tail.ptr, 0}};
        if (step == data.len) more[1].iov_len = tail.len;
        r = h1_writev(h, more, 2);
    }
    return r;
}

/* Room for n bytes behind what is pending; NULL where n is more than a whole buffer. */
static char *out_room(struct h1 *h, size_t n)
{
    if (SN_UNLIKELY(!h->out)) {
        h->out = http_buf_take(&h->w->pools);
        if (!h->out) return NULL;
    }
    if (HTTP_BUF_BYTES - h->out_len < n && (n > HTTP_BUF_BYTES || h1_flush(h) < 0)) return NULL;
    return h->out + h->out_len;
}

/* A whole further request waits in the buffer: its response can share the write. */
static bool more_waiting(const struct h1_x *x)
{
    const struct http_in *in = &x->h->in;
    if (!x->body.eof || http_in_len(in) == 0 || !x->keep) return false;
    return memmem(http_in_ptr(in), http_in_len(in), "\r\n\r\n", 4) != NULL;
}

/* ---- response head -------------------------------------------------------------------------- */

static char *put(char *p, const char *s, size_t n)
{
    memcpy(p, s, n);
    return p + n;
}
#define PUT(p, lit) put(p, lit, sizeof(lit) - 1)

static char *put_u64(char *p, uint64_t v)
{
    char tmp[20];
    unsigned n = 0;
    do tmp[n++] = (char)('0' + v % 10);
    while ((v /= 10) != 0);
    while (n) *p++ = tmp[--n];
    return p;
}

#define HEAD_FIXED_MAX 256u /* status line, Date, framing lines */

static size_t head_size(const struct http_xi *xi)
{
    size_t n = HEAD_FIXED_MAX + xi->content_type.len;
    if (xi->srv->o.server_name) n += strlen(xi->srv->o.server_name);
    for (unsigned i = 0; i < xi->resp.len; i++)
        n += xi->resp.ptr[i].name.len + xi->resp.ptr[i].value.len + 4;
    return n;
}

static char *put_framing(struct h1_x *x, char *p, int64_t length)
{
    int status = x->xi.x.status;
    if (status == 101 || (status == 200 && x->head.method == SN_HTTP_CONNECT)) {
        if (status == 101) p = PUT(p, "Connection: Upgrade\r\n");
        return p;
    }
    if (status != 204 && (status != 304 || length > 0)) {
        if (length >= 0) {
            p = PUT(p, "Content-Length: ");
            p = put_u64(p, (uint64_t)length);
            p = PUT(p, "\r\n");
        } else if (x->head.version == 11) {
            p = PUT(p, "Transfer-Encoding: chunked\r\n");
        }
    }
    if (!x->keep)
        p = PUT(p, "Connection: close\r\n");
    else if (x->head.version == 10)
        p = PUT(p, "Connection: keep-alive\r\n");
    return p;
}

static char *put_head(struct h1_x *x, char *p, int64_t length)
{
    struct http_xi *xi = &x->xi;
    struct sn_str line = sn_http_status_line(xi->x.status);
    if (SN_LIKELY(line.ptr != NULL)) {
        p = put(p, line.ptr, line.len);
    } else {
        p = PUT(p, "HTTP/1.1 ");
        p = put_u64(p, (uint64_t)xi->x.status);
        p = PUT(p, " \r\n");
    }
    if (xi->srv->o.server_name) {
        p = PUT(p, "Server: ");
        p = put(p, xi->srv->o.server_name, strlen(xi->srv->o.server_name));
        p = PUT(p, "\r\n");
    }
    p = PUT(p, "Date: ");
    p = put(p, http_date(&x->h->w->pools), SN_HTTP_DATE_LEN);
    p = PUT(p, "\r\n");
    if (xi->content_type.ptr) {
        p = PUT(p, "Content-Type: ");
        p = put(p, xi->content_type.ptr, xi->content_type.len);
        p = PUT(p, "\r\n");
    }
    for (unsigned i = 0; i < xi->resp.len; i++) {
        const struct sn_http_header *f = &xi->resp.ptr[i];
        p = put(p, f->name.ptr, f->name.len);
        p = PUT(p, ": ");
        p = put(p, f->value.ptr, f->value.len);
        p = PUT(p, "\r\n");
    }
    p = put_framing(x, p, length);
    return PUT(p, "\r\n");
}

static int h1_begin(struct http_xi *xi, int64_t length)
{
    struct h1_x *x = h1_x_of(xi);
    struct h1 *h = x->h;
    bool body = !http_no_body(xi);
    x->chunked = body && length < 0 && x->head.version == 11;
    /* Without a length a 1.0 client finds the end by the close. */
    if (body && length < 0 && x->head.version == 10) x->keep = false;
    if (http_draining(xi->srv)) x->keep = false;
    /* A client that waits for "100 Continue" and gets a final status may or may not send its body:
     * what follows on this connection cannot be told apart. */
    if (x->continue_due) x->keep = false;
    size_t n = head_size(xi);
    char *p = out_room(h, n);
    if (SN_LIKELY(p != NULL)) {
        h->out_len = (size_t)(put_head(x, p, length) - h->out);
        return 0;
    }
    if (h->write_err < 0) return h->write_err;
    if (!h->out || h1_flush(h) < 0) return h->write_err < 0 ? h->write_err : SN_E_NOMEM;
    p = sn_arena_alloc(xi->x.arena, n);
    if (!p) return SN_E_NOMEM;
    char *end = put_head(x, p, length);
    return h1_send(h, sn_str_of(p, (size_t)(end - p)), (struct sn_str){0});
}

static int h1_write_chunk(struct h1_x *x, struct sn_str data)
{
    struct h1 *h = x->h;
    char *p = out_room(h, 24);
    if (!p) return h->write_err < 0 ? h->write_err : SN_E_NOMEM;
    static const char hex[] = "0123456789abcdef";
    char tmp[16];
    unsigned n = 0;
    size_t v = data.len;
    do tmp[n++] = hex[v & 15];
    while ((v >>= 4) != 0);
    while (n) *p++ = tmp[--n];
    p = PUT(p, "\r\n");
    h->out_len = (size_t)(p - h->out);
    if (data.len <= COPY_BODY_MAX && HTTP_BUF_BYTES - h->out_len >= data.len + 2) {
        p = put(p, data.ptr, data.len);
        p = PUT(p, "\r\n");
        h->out_len = (size_t)(p - h->out);
        return h1_flush(h);
    }
    return h1_send(h, data, SN_STR("\r\n"));
}

static int h1_write_end(struct h1_x *x)
{
    struct h1 *h = x->h;
    size_t n = 8;
    for (unsigned i = 0; i < x->xi.trailers.len; i++)
        n += x->xi.trailers.ptr[i].name.len + x->xi.trailers.ptr[i].value.len + 4;
    char *p = out_room(h, n);
    if (!p) return h->write_err < 0 ? h->write_err : SN_E_RESOURCE_EXHAUSTED;
    p = PUT(p, "0\r\n");
    for (unsigned i = 0; i < x->xi.trailers.len; i++) {
        const struct sn_http_header *f = &x->xi.trailers.ptr[i];
        p = put(p, f->name.ptr, f->name.len);
        p = PUT(p, ": ");
        p = put(p, f->value.ptr, f->value.len);
        p = PUT(p, "\r\n");
    }
    p = PUT(p, "\r\n");
    h->out_len = (size_t)(p - h->out);
    return 0;
}

static int h1_write(struct http_xi *xi, struct sn_str data, bool last)
{
    struct h1_x *x = h1_x_of(xi);
    struct h1 *h = x->h;
    if (data.len) {
        int r = 0;
        if (x->chunked) {
            r = h1_write_chunk(x, data);
        } else if (data.len <= COPY_BODY_MAX && HTTP_BUF_BYTES - h->out_len >= data.len && h->out) {
            memcpy(h->out + h->out_len, data.ptr, data.len);
            h->out_len += data.len;
            if (!last) r = h1_flush(h);
        } else {
            r = h1_send(h, data, (struct sn_str){0});
        }
        if (r < 0) return r;
    }
    if (!last) return 0;
    if (x->chunked) {
        int r = h1_write_end(x);
        if (r < 0) return r;
    }
    return more_waiting(x) ? 0 : h1_flush(h);
}

static int h1_flush_op(struct http_xi *xi) { return h1_flush(h1_x_of(xi)->h); }

/* ---- request body --------------------------------------------------------------------------- */

static ssize_t h1_body_read(struct http_xi *xi, void *buf, size_t cap)
{
    struct h1_x *x = h1_x_of(xi);
    struct h1 *h = x->h;
    if (x->body.eof) return 0;
    if (http_in_len(&h->in) == 0) {
        if (x->continue_due && !xi->begun) {
            char *p = out_room(h, 32);
            if (!p) return h->write_err < 0 ? h->write_err : SN_E_NOMEM;
            h->out_len = (size_t)(PUT(p, "HTTP/1.1 100 Continue\r\n\r\n") - h->out);
            x->continue_due = false;
        }
        /* Responses to earlier pipelined requests must not wait for this body. */
        if (h1_flush(h) < 0) return h->write_err;
    } else {
        x->continue_due = false; /* the client did not wait */
    }
    ssize_t n = http_body_copy(&x->body, &h->in, buf, cap);
    if (n == SN_E_EOF) return sn_fail(SN_E_EOF, "request body ended early");
    if (n == SN_E_PROTOCOL) {
        h->w->n.errors_parse++;
        return sn_fail(SN_E_PROTOCOL, "request body: %s", sn_h1_err_text(x->body.chunked.err));
    }
    if (n > 0) h->w->n.bytes_in += (uint64_t)n;
    if (n == 0 && x->body.trailers.len) {
        int r = http_body_trailers(&x->body, &h->arena, &xi->x.req.trailers);
        if (r < 0) return sn_fail(r, "request trailers");
    }
    return n;
}

static int h1_hijack(struct http_xi *xi, struct sn_stream **ret, struct sn_str *ret_rest)
{
    struct h1_x *x = h1_x_of(xi);
    struct h1 *h = x->h;
    x->keep = true; /* no "Connection: close" */
    size_t n = head_size(xi);
    char *p = out_room(h, n);
    if (!p) return h->write_err < 0 ? h->write_err : SN_E_RESOURCE_EXHAUSTED;
    h->out_len = (size_t)(put_head(x, p, -1) - h->out);
    struct sn_str rest = sn_str_of(http_in_ptr(&h->in), http_in_len(&h->in));
    if (rest.len) {
        rest = sn_arena_str(xi->x.arena, rest);
        if (!rest.ptr) return SN_E_NOMEM;
    }
    int r = h1_flush(h);
    if (r < 0) return r;
    h->c->cut = true; /* from here on the stream is the caller's to close */
    *ret = h->c->st;
    *ret_rest = rest;
    return 0;
}

/* In steps, each of which must end within the stall limit. */
static int h1_send_file(struct http_xi *xi, int fd, int64_t off, int64_t n)
{
    struct h1 *h = h1_x_of(xi)->h;
    int r = h1_flush(h);
    while (r == 0 && n > 0) {
        int64_t step = SN_MIN(n, (int64_t)FILE_STEP);
        if (h->c->cut) return h->write_err = SN_E_CLOSED;
        int64_t prev = sn_deadline_tighten(sn_now_coarse() + h->srv->o.write_stall_ns_max);
        ssize_t w = sn_stream_sendfile(h->c->st, fd, off, step);
        sn_deadline_restore(prev);
        if (w < 0) {
            h->write_err = r = (int)w;
            break;
        }
        h->w->n.bytes_out += (uint64_t)w;
        off += step;
        n -= step;
    }
    return r;
}

static const struct http_x_ops h1_ops = {
    .body_read = h1_body_read,
    .begin = h1_begin,
    .write = h1_write,
    .flush = h1_flush_op,
    .hijack = h1_hijack,
    .send_file = h1_send_file,
};

/* ---- one exchange --------------------------------------------------------------------------- */

/* Reads the rest of a body nobody wanted, within reason. Returns whether the connection can go on.
 */
static bool discard_body(struct h1_x *x)
{
    struct h1 *h = x->h;
    if (x->body.eof) return true;
    if (x->continue_due) return false;
    size_t dropped = 0;
    int64_t prev = sn_deadline_tighten(sn_now() + LINGER_NS);
    ssize_t n = 1;
    while (!x->body.eof && dropped <= DISCARD_BYTES_MAX) {
        const char *p;
        n = http_body_next(&x->body, &h->in, SIZE_MAX, &p);
        if (n <= 0) break;
        dropped += (size_t)n;
    }
    sn_deadline_restore(prev);
    /* Unread is not unchecked: behind malformed trailers nothing is certain. */
    return x->body.eof && http_body_trailers(&x->body, &h->arena, &x->xi.x.req.trailers) == 0;
}

static void x_init(struct h1_x *x, struct h1 *h)
{
    struct sn_h1 *p = &x->head;
    x->h = h;
    x->keep =
        p->keep_alive && !http_draining(h->srv) && p->method != SN_HTTP_CONNECT &&
        (!h->srv->o.requests_per_conn_max || h->c->requests < h->srv->o.requests_per_conn_max);
    x->chunked = false;
    x->continue_due = p->expect_continue;
    x->xi = (struct http_xi){
        .x = {.req = {.method = p->method,
                      .version = p->version,
                      .tls = h->c->tls_done,
                      .method_text = p->method_text,
                      .target = p->target,
                      .path = p->path,
                      .query = p->query,
                      .authority = p->authority,
                      .headers = p->headers,
                      .content_length = p->content_length,
                      .start_ns = sn_now_coarse()},
              .arena = &h->arena,
              .server_ctx = h->srv->o.ctx},
        .ops = &h1_ops,
        .srv = h->srv,
        .st = h->c->st,
        .peer = h->c->peer,
        .resp_length = -1,
    };
    http_body_init(&x->body, p);
}

enum h1_next { H1_AGAIN, H1_CLOSE, H1_LINGER, H1_GONE };

/* The head of x is parsed and pinned. Returns what becomes of the connection. */
static enum h1_next h1_exchange(struct h1 *h, struct h1_x *x)
{
    x_init(x, h);
    h->w->n.requests++;
    h->w->n.requests_active++;
    int r;
    uint64_t max = h->srv->o.body_bytes_max;
    if (max && x->head.content_length > 0 && (uint64_t)x->head.content_length > max) {
        x->keep = false;
        r = SN_E_TOO_LARGE;
        (void)!sn_http_reply(&x->xi.x, 413, SN_STR("text/plain"), SN_STR("TOO_LARGE\n"));
    } else {
        r = http_x_run(&x->xi);
    }
    if (r == SN_E_PANIC) {
        h->w->n.panics++;
        x->keep = false;
    }
    bool failed = x->xi.err < 0 || h->write_err < 0 || x->body.err < 0;
    enum h1_next next = x->xi.hijacked ? H1_GONE : H1_AGAIN;
    if (next == H1_AGAIN && x->xi.err < 0 && h->write_err == 0) (void)!h1_flush(h);
    if (next == H1_AGAIN && (failed || !x->keep || !discard_body(x))) {
        /* A body cut short must look cut short: with the connection gone, without an orderly end.
         */
        bool clean = x->body.eof && http_in_len(&h->in) == 0 && !h1_readable(h);
        next = h->write_err < 0 || x->xi.err < 0 || clean ? H1_CLOSE : H1_LINGER;
    }
    if (next == H1_AGAIN) http_conn_invited(h->c);
    h->w->n.requests_active--;
    if (h->srv->o.on_done) h->srv->o.on_done(&x->xi.x, r, h->srv->o.arg);
    http_body_done(&x->body);
    sn_arena_reset(&h->arena);
    http_in_unpin(&h->in);
    return next;
}

/* ---- the connection ------------------------------------------------------------------------- */

static void h1_linger(struct h1 *h)
{
    if (h1_flush(h) < 0 || h->c->cut || sn_stream_shutdown(h->c->st) < 0) return;
    int64_t prev = sn_deadline_tighten(sn_now() + LINGER_NS);
    size_t dropped = 0;
    for (;;) {
        h->in.start = h->in.end = h->in.pinned = 0;
        ssize_t n = http_in_fill(&h->in, SIZE_MAX);
        if (n <= 0 || (dropped += (size_t)n) > LINGER_BYTES_MAX) break;
    }
    sn_deadline_restore(prev);
}

static enum h1_next h1_refuse(struct h1 *h, int status, const char *why)
{
    h->w->n.errors_parse++;
    char *p = out_room(h, HEAD_FIXED_MAX + strlen(why));
    if (!p) return H1_CLOSE;
    struct sn_str line = sn_http_status_line(status);
    p = put(p, line.ptr, line.len);
    p = PUT(p, "Date: ");
    p = put(p, http_date(&h->w->pools), SN_HTTP_DATE_LEN);
    p = PUT(p,
            "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: ");
    p = put_u64(p, strlen(why) + 1);
    p = PUT(p, "\r\n\r\n");
    p = put(p, why, strlen(why));
    p = PUT(p, "\n");
    h->out_len = (size_t)(p - h->out);
    return H1_LINGER;
}

static bool is_preface(struct h1 *h)
{
    size_t n = SN_MIN(http_in_len(&h->in), H2_PREFACE_LEN);
    return h->c->requests == 0 && !h->srv->o.h2_off && n >= 4 &&
           memcmp(http_in_ptr(&h->in), h2_preface, n) == 0;
}

/* One head from the buffer and the stream. Returns > 0 with x->head, or the connection's end in
 * *ret_next. */
static ssize_t h1_read_head(struct h1 *h, struct h1_x *x, enum h1_next *ret_next)
{
    struct sn_h1_opts po = {.head_bytes_max = h->srv->o.head_bytes_max,
                            .headers_max = h->srv->o.headers_max};
    sn_h1_init(&x->head, &po, &h->arena);
    int64_t prev = 0;
    bool waiting = false;
    ssize_t n = SN_E_AGAIN;
    for (;;) {
        if (http_in_len(&h->in)) {
            if (SN_UNLIKELY(http_in_ptr(&h->in)[0] == 'P') && is_preface(h)) {
                h->h2 = true;
                *ret_next = H1_GONE;
                n = -1;
                break;
            }
            n = sn_h1_parse(&x->head, http_in_ptr(&h->in), http_in_len(&h->in));
            if (n != SN_E_AGAIN) break;
            if (!waiting) { /* from the head's first byte on the clock runs */
                waiting = true;
                prev = sn_deadline_tighten(sn_now() + h->srv->o.head_ns_max);
            }
        } else if (!h1_readable(h)) {
            *ret_next = H1_AGAIN; /* nothing there: park */
            n = 0;
            break;
        }
        if (h1_flush(h) < 0) break;
        ssize_t r = http_in_fill(&h->in, h->srv->o.head_bytes_max);
        if (r > 0) {
            h->w->n.bytes_in += (uint64_t)r;
            continue;
        }
        *ret_next = H1_CLOSE;
        if (r == SN_E_DEADLINE_EXCEEDED)
            *ret_next = h1_refuse(h, 408, "request head took too long");
        if (r == SN_E_TOO_LARGE) *ret_next = h1_refuse(h, 431, "message head over the limit");
        n = -1;
        goto out;
    }
    if (n < 0 && !h->h2)
        *ret_next = h->write_err < 0 ? H1_CLOSE
                                     : h1_refuse(h, sn_h1_err_status(x->head.err),
                                                 sn_h1_err_text(x->head.err));
out:
    if (waiting) sn_deadline_restore(prev);
    return n;
}

static enum h1_next h1_loop(struct h1 *h)
{
    for (;;) {
        struct h1_x x;
        enum h1_next next = H1_CLOSE;
        ssize_t n = h1_read_head(h, &x, &next);
        if (n <= 0) return next;
        h->in.start += (size_t)n;
        h->in.pinned = h->in.start;
        h->c->requests++;
        next = h1_exchange(h, &x);
        if (next != H1_AGAIN) return next;
    }
}

void http_h1_run(struct http_conn *c)
{
    struct h1 h = {.c = c, .srv = c->srv, .w = http_server_worker(c->srv)};
    http_in_init(&h.in, &h.w->pools, c->st);
    h.in.cut = &c->cut;
    sn_arena_init(&h.arena, &h.w->pools.arenas, HTTP_EXCHANGE_BYTES_MAX);
    enum h1_next next = h1_loop(&h);
    if (next == H1_LINGER) h1_linger(&h);
    if (next == H1_AGAIN && h1_flush(&h) < 0) next = H1_CLOSE;
    http_buf_give(&h.w->pools, h.out);
    h.out = NULL;
    sn_arena_done(&h.arena);
    char *seen = NULL;
    size_t n_seen = http_in_len(&h.in);
    if (h.h2 && (seen = sn_alloc(n_seen))) memcpy(seen, http_in_ptr(&h.in), n_seen);
    http_in_done(&h.in);
    /* From here on the server's memory may go as soon as the connection is parked or closed. */
    if (seen) {
        http_h2_run(c, seen, n_seen);
        return;
    }
    if (next == H1_AGAIN)
        http_conn_park(c);
    else
        http_conn_close(c);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* kit/http_x.c - the exchange: what a handler may do, whatever the protocol version below. */
#include <errno.h>
#include <unistd.h>

#include "kit/http_int.h"

/* ---- request body --------------------------------------------------------------------------- */

ssize_t sn_http_body_read(struct sn_http_x *x, void *buf, size_t cap)
{
    struct http_xi *xi = http_xi_of(x);
    if (xi->hijacked) return SN_E_CLOSED;
    if (xi->body_large) return SN_E_TOO_LARGE;
    if (cap == 0) return 0;
    uint64_t max = xi->srv->o.body_bytes_max;
    /* One byte more than allowed may be asked for: its arrival is what proves the excess. */
    if (max && cap > max - x->bytes_in) cap = (size_t)(max - x->bytes_in) + 1;
    bool patient = xi->patient && x->req.version >= 20;
    int64_t own = sn_deadline();
    int64_t stall_at = patient ? SN_FOREVER : sn_now_coarse() + xi->srv->o.body_stall_ns_max;
    int64_t prev = sn_deadline_tighten(stall_at);
    ssize_t n = xi->ops->body_read(xi, buf, cap);
    sn_deadline_restore(prev);
    if (n == SN_E_PROTOCOL) xi->body_bad = true;
    if (n == SN_E_DEADLINE_EXCEEDED && own > stall_at) xi->body_slow = true;
    if (n <= 0) return n;
    x->bytes_in += (uint64_t)n;
    if (max && x->bytes_in > max) {
        xi->body_large = true;
        return sn_fail(SN_E_TOO_LARGE, "request body over %llu bytes", (unsigned long long)max);
    }
    return n;
}

void sn_http_message_stream(struct sn_http_x *x)
{
    struct http_xi *xi = http_xi_of(x);
    xi->bare = xi->patient = x->req.version >= 20;
}

bool sn_http_body_over(struct sn_http_x *x)
{
    struct http_xi *xi = http_xi_of(x);
    return xi->ops->body_over && !xi->hijacked && xi->ops->body_over(xi);
}

#define BODY_ALL_FIRST 1024u

int sn_http_body_all(struct sn_http_x *x, size_t max, struct sn_str *ret)
{
    int64_t len = x->req.content_length;
    if (len > 0 && (uint64_t)len > max)
        return sn_fail(SN_E_TOO_LARGE, "request body of %lld bytes over %zu", (long long)len, max);
    /* One spare byte: the read that finds the end needs somewhere to put what should not be there.
     */
    size_t cap = len >= 0 ? (size_t)len + 1 : SN_MIN(max, (size_t)BODY_ALL_FIRST) + 1, n = 0;
    char *buf = sn_arena_alloc(x->arena, cap);
    if (!buf) return SN_E_NOMEM;
    for (;;) {
        if (n == cap) {
            char *more = sn_arena_alloc(x->arena, cap * 2);
            if (!more) return SN_E_NOMEM;
            memcpy(more, buf, n);
            buf = more;
            cap *= 2;
        }
        ssize_t r = sn_http_body_read(x, buf + n, cap - n);
        if (r < 0) return (int)r;
        if (r == 0) break;
        n += (size_t)r;
        if (n > max) return sn_fail(SN_E_TOO_LARGE, "request body over %zu bytes", max);
    }
    *ret = sn_str_of(buf, n);
    return 0;
}

/* ---- response headers ----------------------------------------------------------------------- */

/* Framing belongs to the server: a handler's own would contradict it sooner or later. */
static bool is_framing(struct sn_str name)
{
    switch (name.len) {
    case 7: return sn_str_ieq(name, SN_STR("trailer")) && false;
    case 10:
        return sn_str_ieq(name, SN_STR("connection")) || sn_str_ieq(name, SN_STR("keep-alive"));
    case 14: return sn_str_ieq(name, SN_STR("content-length"));
    case 17: return sn_str_ieq(name, SN_STR("transfer-encoding"));
    default: return false;
    }
}

static int header_check(struct sn_str name, struct sn_str value)
{
    if (!sn_http_is_token(name))
        return sn_fail(SN_E_INVALID_ARGUMENT, "header name \"%.*s\" is not a token",
                       SN_STR_ARG(name));
    if (is_framing(name))
        return sn_fail(SN_E_INVALID_ARGUMENT, "header %.*s is set by the server", SN_STR_ARG(name));
    if (!sn_http_is_value(value))
        return sn_fail(SN_E_INVALID_ARGUMENT, "value of header %.*s has a control byte",
                       SN_STR_ARG(name));
    return 0;
}

int sn_http_header_add(struct sn_http_x *x, struct sn_str name, struct sn_str value)
{
    struct http_xi *xi = http_xi_of(x);
    if (xi->begun)
        return sn_fail(SN_E_FAILED_PRECONDITION, "header %.*s after the response began",
                       SN_STR_ARG(name));
    int r = header_check(name, value);
    if (r < 0) return r;
    return sn_http_headers_add(&xi->resp, x->arena, name, value);
}

struct sn_http_headers *sn_http_response_headers(struct sn_http_x *x)
{
    return &http_xi_of(x)->resp;
}

int sn_http_trailer(struct sn_http_x *x, struct sn_str name, struct sn_str value)
{
    struct http_xi *xi = http_xi_of(x);
    if (!xi->begun || xi->ended)
        return sn_fail(SN_E_FAILED_PRECONDITION, "trailer %.*s outside a streamed response",
                       SN_STR_ARG(name));
    if (xi->x.req.version < 20 && (xi->x.req.version < 11 || xi->resp_length >= 0))
        return sn_fail(SN_E_FAILED_PRECONDITION, "trailer %.*s needs a chunked response",
                       SN_STR_ARG(name));
    int r = header_check(name, value);
    if (r < 0) return r;
    /* Unlike headers, trailers are sent long after they were given: they are copied. */
    name = sn_arena_str(x->arena, name);
    value = sn_arena_str(x->arena, value);
    if (!name.ptr || !value.ptr) return SN_E_NOMEM;
    return sn_http_headers_add(&xi->trailers, x->arena, name, value);
}

/* ---- response ------------------------------------------------------------------------------- */

static int x_fail(struct http_xi *xi, int r)
{
    if (r < 0 && xi->err == 0) xi->err = r;
    return r;
}

static int x_begin(struct http_xi *xi, int status, int64_t length)
{
    if (xi->begun)
        return sn_fail(SN_E_FAILED_PRECONDITION, "a second response (%d after %d)", status,
                       xi->x.status);
    if (xi->hijacked) return sn_fail(SN_E_FAILED_PRECONDITION, "response after hijack");
    if (status < 200 || status > 599)
        return sn_fail(SN_E_INVALID_ARGUMENT, "response status %d", status);
    xi->begun = true;
    xi->x.status = status;
    xi->resp_length = length;
    return x_fail(xi, xi->ops->begin(xi, length));
}

int sn_http_reply(struct sn_http_x *x, int status, struct sn_str content_type, struct sn_str body)
{
    struct http_xi *xi = http_xi_of(x);
    if (content_type.ptr && !sn_http_is_value(content_type))
        return sn_fail(SN_E_INVALID_ARGUMENT, "content type has a control byte");
    xi->content_type = content_type;
    int r = x_begin(xi, status, (int64_t)body.len);
    if (r < 0) return r;
    xi->ended = true;
    if (http_no_body(xi)) body = (struct sn_str){0};
    x->bytes_out = body.len;
    return x_fail(xi, xi->ops->write(xi, body, true));
}

int sn_http_start(struct sn_http_x *x, int status, int64_t length)
{
    if (length < -1)
        return sn_fail(SN_E_INVALID_ARGUMENT, "response length %lld", (long long)length);
    return x_begin(http_xi_of(x), status, length);
}

int sn_http_write(struct sn_http_x *x, struct sn_str data)
{
    struct http_xi *xi = http_xi_of(x);
    if (!xi->begun || xi->ended)
        return sn_fail(SN_E_FAILED_PRECONDITION, "write outside a response");
    if (xi->err < 0) return xi->err;
    if (data.len == 0) return 0;
    if (xi->resp_length >= 0 && data.len > (uint64_t)xi->resp_length - x->bytes_out)
        return x_fail(xi,
                      sn_fail(SN_E_OUT_OF_RANGE, "response longer than its announced %lld bytes",
                              (long long)xi->resp_length));
    x->bytes_out += data.len;
    if (http_no_body(xi)) return 0;
    return x_fail(xi, xi->ops->write(xi, data, false));
}

int sn_http_flush(struct sn_http_x *x)
{
    struct http_xi *xi = http_xi_of(x);
    if (!xi->begun) return sn_fail(SN_E_FAILED_PRECONDITION, "flush before the response began");
    if (xi->err < 0) return xi->err;
    return x_fail(xi, xi->ops->flush(xi));
}

int sn_http_end(struct sn_http_x *x)
{
    struct http_xi *xi = http_xi_of(x);
    if (!xi->begun) return sn_fail(SN_E_FAILED_PRECONDITION, "end before the response began");
    if (xi->ended) return xi->err;
    if (xi->err < 0) return xi->err;
    if (xi->resp_length > (int64_t)x->bytes_out && !http_no_body(xi))
        return x_fail(xi, sn_fail(SN_E_FAILED_PRECONDITION, "response ended at %llu of %lld bytes",
                                  (unsigned long long)x->bytes_out, (long long)xi->resp_length));
    xi->ended = true;
    return x_fail(xi, xi->ops->write(xi, (struct sn_str){0}, true));
}

int sn_http_finish(struct sn_http_x *x, struct sn_str data)
{
    struct http_xi *xi = http_xi_of(x);
    if (!xi->begun || xi->ended) return sn_fail(SN_E_FAILED_PRECONDITION, "end outside a response");
    if (xi->err < 0) return xi->err;
    if (xi->resp_length >= 0 && xi->resp_length != (int64_t)(x->bytes_out + data.len))
        return x_fail(xi, sn_fail(SN_E_FAILED_PRECONDITION, "response ended at %llu of %lld bytes",
                                  (unsigned long long)(x->bytes_out + data.len),
                                  (long long)xi->resp_length));
    xi->ended = true;
    x->bytes_out += data.len;
    if (http_no_body(xi)) data = (struct sn_str){0};
    return x_fail(xi, xi->ops->finish ? xi->ops->finish(xi, data) : xi->ops->write(xi, data, true));
}

void sn_http_cancel_on_reset(struct sn_http_x *x, bool on)
{
    struct http_xi *xi = http_xi_of(x);
    if (xi->ops->cancel_on_reset) xi->ops->cancel_on_reset(xi, on);
}

#define SEND_FILE_STEP (64u << 10)

struct pread_job {
    int fd;
    char *buf;
    size_t n;
    int64_t off;
};
static int pread_offloaded(void *arg)
{
    struct pread_job *j = arg;
    ssize_t r;
    do r = pread(j->fd, j->buf, j->n, j->off);
    while (r < 0 && errno == EINTR);
    return r < 0 ? sn_fail_errno(errno, "read file for a response") : (int)r;
}

static int send_file_by_copy(struct http_xi *xi, int fd, int64_t off, int64_t n)
{
    char *buf = sn_arena_alloc(xi->x.arena, (size_t)SN_MIN(n, (int64_t)SEND_FILE_STEP));
    if (!buf) return x_fail(xi, SN_E_NOMEM);
    while (n > 0) {
        struct pread_job j = {fd, buf, (size_t)SN_MIN(n, (int64_t)SEND_FILE_STEP), off};
        int r = sn_offload(pread_offloaded, &j);
        if (r < 0) return x_fail(xi, r);
        if (r == 0) return x_fail(xi, sn_fail(SN_E_EOF, "file shrank while it was sent"));
        int w = sn_http_write(&xi->x, sn_str_of(buf, (size_t)r));
        if (w < 0) return w;
        off += r;
        n -= r;
    }
    return 0;
}

int sn_http_send_file(struct sn_http_x *x, int fd, int64_t off, int64_t n)
{
    struct http_xi *xi = http_xi_of(x);
    if (!xi->begun || xi->ended)
        return sn_fail(SN_E_FAILED_PRECONDITION, "file outside a response");
    if (xi->err < 0) return xi->err;
    if (n <= 0) return 0;
    bool known = xi->resp_length >= 0;
    if (known && (uint64_t)n > (uint64_t)xi->resp_length - x->bytes_out)
        return x_fail(xi, sn_fail(SN_E_OUT_OF_RANGE, "file longer than the announced %lld bytes",
                                  (long long)xi->resp_length));
    if (http_no_body(xi)) {
        x->bytes_out += (uint64_t)n;
        return 0;
    }
    if (!xi->ops->send_file || !known) return send_file_by_copy(xi, fd, off, n);
    int r = xi->ops->send_file(xi, fd, off, n);
    if (r == 0) x->bytes_out += (uint64_t)n;
    return x_fail(xi, r);
}

int sn_http_hijack(struct sn_http_x *x, int status, struct sn_stream **ret, struct sn_str *ret_rest)
{
    struct http_xi *xi = http_xi_of(x);
    bool extended = x->req.version == 20 && x->req.protocol.ptr;
    if (x->req.version != 11 && !extended)
        return sn_fail(SN_E_FAILED_PRECONDITION,
                       "only HTTP/1.1 connections and extended CONNECT can be taken over");
    if (xi->begun || xi->hijacked)
        return sn_fail(SN_E_FAILED_PRECONDITION, "take-over after the response began");
    if (extended ? status != 200
                 : status != 101 && !(status == 200 && x->req.method == SN_HTTP_CONNECT))
        return sn_fail(SN_E_INVALID_ARGUMENT, "take-over with status %d", status);
    xi->begun = xi->ended = true;
    x->status = status;
    int r = xi->ops->hijack(xi, ret, ret_rest);
    if (r < 0) return x_fail(xi, r);
    xi->hijacked = true;
    return 0;
}

struct sn_str sn_http_peer(struct sn_http_x *x)
{
    if (http_xi_of(x)->peer) return sn_str(http_xi_of(x)->peer);
    char *out = sn_arena_alloc(x->arena, SN_ADDR_TEXT_MAX + 8);
    if (!out) return (struct sn_str){0};
    int n = sn_stream_addr(http_xi_of(x)->st, true, out, SN_ADDR_TEXT_MAX + 8);
    return n < 0 ? (struct sn_str){0} : sn_str_of(out, (size_t)n);
}

int sn_http_fd(struct sn_http_x *x)
{
    struct sn_stream *s = http_xi_of(x)->st;
    return s->ops->fd ? s->ops->fd(s) : -1;
}

struct sn_str sn_http_local(struct sn_http_x *x)
{
    char *out = sn_arena_alloc(x->arena, SN_ADDR_TEXT_MAX + 8);
    if (!out) return (struct sn_str){0};
    int n = sn_stream_addr(http_xi_of(x)->st, false, out, SN_ADDR_TEXT_MAX + 8);
    return n < 0 ? (struct sn_str){0} : sn_str_of(out, (size_t)n);
}

/* ---- running a handler ---------------------------------------------------------------------- */

static int call_handler(void *arg)
{
    struct http_xi *xi = arg;
    return xi->srv->o.handler(&xi->x, xi->srv->o.arg);
}

/* The peer learns the status and the code's name, never the diagnostic. */
static void reply_error(struct http_xi *xi, int code)
{
    int status = xi->body_large || code == SN_E_TOO_LARGE ? 413 : sn_status_http(code);
    if (code == SN_E_PROTOCOL && xi->body_bad) status = 400;
    if (code == SN_E_DEADLINE_EXCEEDED && xi->body_slow) status = 408;
    if (status < 400) status = 500;
    struct sn_str text = sn_arena_printf(xi->x.arena, "%s\n", sn_status_name(code));
    xi->resp.len = 0;
    if (!text.ptr) text = SN_STR("error\n");
    if (sn_http_reply(&xi->x, status, SN_STR("text/plain; charset=utf-8"), text) < 0 &&
        xi->err == 0)
        xi->err = code;
}

int http_x_run(struct http_xi *xi)
{
    const struct sn_http_server_opts *o = &xi->srv->o;
    int64_t prev = 0;
    if (o->request_ns_max) prev = sn_deadline_tighten(xi->x.req.start_ns + o->request_ns_max);
    int r = sn_try(call_handler, xi);
    if (o->request_ns_max) sn_deadline_restore(prev);
    if (xi->hijacked) return r;
    if (!xi->begun) {
        if (r >= 0)
            (void)!sn_http_reply(&xi->x, 200, (struct sn_str){0}, (struct sn_str){0});
        else
            reply_error(xi, r);
    } else if (r >= 0 && !xi->ended) {
        (void)!sn_http_end(&xi->x);
    } else if (r < 0 && !xi->ended) {
        xi->err = r; /* the response is cut short where the peer can see it */
    }
    return r;
}

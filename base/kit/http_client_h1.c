/* SPDX-License-Identifier: Apache-2.0 */
/* kit/http_client_h1.c - the client's side of an HTTP/1.1 exchange. */
#include <sys/uio.h>

#include "core/alloc.h"
#include "kit/http_client_int.h"

/* Streamed bodies up to this announced length are sent before the response is looked at; longer or
 * unknown ones by a fiber of their own, because a peer may answer while it still reads. */
#define INLINE_BODY_MAX (64u << 10)
#define BODY_STEP (16u << 10)
/* Unread response bytes worth reading to keep the connection. */
#define DISCARD_MAX (32u << 10)
/* How long an answer is waited for after the request could not be sent whole. */
#define EARLY_ANSWER_NS (SN_SEC)

/* ---- request head --------------------------------------------------------------------------- */

static bool is_framing(struct sn_str n)
{
    return (n.len == 14 && sn_str_ieq(n, SN_STR("content-length"))) ||
           (n.len == 17 && sn_str_ieq(n, SN_STR("transfer-encoding")));
}

static void put_field(struct sn_buf *b, struct sn_str name, struct sn_str value)
{
    sn_buf_str(b, name);
    sn_buf_put(b, ": ", 2);
    sn_buf_str(b, value);
    sn_buf_put(b, "\r\n", 2);
}

static bool wants_length(const struct sn_http_call *call)
{
    switch (sn_http_method_of(call->method)) {
    case SN_HTTP_POST:
    case SN_HTTP_PUT:
    case SN_HTTP_PATCH: return true;
    default: return call->body.len > 0;
    }
}

/* Host, and the target in the form the method wants. */
static void put_head(struct sn_buf *b, const struct cl_call *k, const struct sn_http_call *call)
{
    sn_buf_str(b, call->method.len ? call->method : SN_STR("GET"));
    sn_buf_byte(b, ' ');
    if (call->target.len) {
        sn_buf_str(b, call->target);
    } else {
        if (k->url.target.len == 0 || k->url.target.ptr[0] != '/') sn_buf_byte(b, '/');
        sn_buf_str(b, k->url.target);
    }
    sn_buf_put(b, " HTTP/1.1\r\n", 11);
    if (!call->no_default_headers) {
        struct sn_http_headers h = {(struct sn_http_header *)call->headers, call->n_headers,
                                    call->n_headers};
        if (!sn_http_headers_get(&h, SN_STR("host")).ptr)
            put_field(b, SN_STR("Host"), k->url.authority);
        if (!sn_http_headers_get(&h, SN_STR("user-agent")).ptr)
            put_field(b, SN_STR("User-Agent"), SN_STR("sennit"));
        if (!sn_http_headers_get(&h, SN_STR("accept")).ptr)
            put_field(b, SN_STR("Accept"), SN_STR("*/*"));
    }
    for (unsigned i = 0; i < call->n_headers; i++)
        if (!is_framing(call->headers[i].name))
            put_field(b, call->headers[i].name, call->headers[i].value);
    if (call->body_fn && call->body_length < 0) {
        sn_buf_cstr(b, "Transfer-Encoding: chunked\r\n");
    } else if (call->body_fn || wants_length(call)) {
        sn_buf_cstr(b, "Content-Length: ");
        sn_buf_u64(b, call->body_fn ? (uint64_t)call->body_length : call->body.len);
        sn_buf_put(b, "\r\n", 2);
    }
    sn_buf_put(b, "\r\n", 2);
}

static int send_head(struct cl_call *k, const struct sn_http_call *call)
{
    char *mem = http_buf_take(&k->w->pools);
    if (!mem) return SN_E_NOMEM;
    struct sn_buf b;
    sn_buf_init_fixed(&b, mem, HTTP_BUF_BYTES);
    put_head(&b, k, call);
    if (b.err == SN_E_TOO_LARGE) { /* a head over 16 KiB: on the heap, once */
        sn_buf_init(&b, 0);
        put_head(&b, k, call);
    }
    ssize_t r = b.err;
    if (r == 0) {
        struct iovec iov[2] = {{b.ptr, b.len}, {(char *)call->body.ptr, call->body.len}};
        r = sn_writev(k->conn->st, iov, call->body.len && !call->body_fn ? 2 : 1);
    }
    sn_buf_done(&b);
    http_buf_give(&k->w->pools, mem);
    return r < 0 ? (int)r : 0;
}

/* ---- request body --------------------------------------------------------------------------- */

static int send_piece(struct sn_stream *st, char *buf, size_t n, bool chunked)
{
    char head[24];
    struct iovec iov[3] = {{head, 0}, {buf, n}, {(char *)"\r\n", 2}};
    if (chunked) {
        static const char hex[] = "0123456789abcdef";
        char *p = head + sizeof(head);
        *--p = '\n';
        *--p = '\r';
        size_t v = n;
        do *--p = hex[v & 15];
        while ((v >>= 4) != 0);
        iov[0] = (struct iovec){p, (size_t)(head + sizeof(head) - p)};
    }
    int64_t prev = sn_deadline_tighten(sn_now_coarse() + CL_SEND_STALL_NS);
    ssize_t r = sn_writev(st, chunked ? iov : iov + 1, chunked ? 3 : 1);
    sn_deadline_restore(prev);
    return r < 0 ? (int)r : 0;
}

/* The end of a chunked body. */
static int send_last_chunk(struct sn_stream *st, const struct sn_http_headers *trailers)
{
    ssize_t r;
    if (!trailers || !trailers->len) {
        r = sn_write(st, "0\r\n\r\n", 5);
        return r < 0 ? (int)r : 0;
    }
    struct sn_buf b;
    sn_buf_init(&b, SN_H1_TRAILER_BYTES_MAX + 16);
    sn_buf_cstr(&b, "0\r\n");
    for (unsigned i = 0; i < trailers->len; i++) {
        const struct sn_http_header *t = &trailers->ptr[i];
        if (!sn_http_trailer_ok(t->name)) continue;
        if (!sn_http_is_token(t->name) || !sn_http_is_value(t->value)) b.err = SN_E_INVALID_ARGUMENT;
        put_field(&b, t->name, t->value);
    }
    sn_buf_put(&b, "\r\n", 2);
    r = b.err < 0 ? sn_fail(b.err, "request trailers") : sn_write(st, b.ptr, b.len);
    sn_buf_done(&b);
    return r < 0 ? (int)r : 0;
}

static int send_body(struct cl_call *k, const struct sn_http_call *call, char *buf)
{
    struct sn_stream *st = k->conn->st;
    bool chunked = call->body_length < 0;
    uint64_t left = chunked ? UINT64_MAX : (uint64_t)call->body_length;
    while (left) {
        ssize_t n = call->body_fn(call->body_arg, buf, SN_MIN(left, (uint64_t)BODY_STEP));
        if (n < 0) return (int)n;
        if (n == 0) break;
        int r = send_piece(st, buf, (size_t)n, chunked);
        if (r < 0) return r;
        if (!chunked) left -= (uint64_t)n;
    }
    if (!chunked && left)
        return sn_fail(SN_E_FAILED_PRECONDITION, "request body ended %llu bytes short",
                       (unsigned long long)left);
    return chunked ? send_last_chunk(st, call->trailers) : 0;
}

/* A call that waits for the answer to a request that will never be whole is told so by the server, once
 * that sees the end: it gives up or answers, and either ends the wait. */
static int send_body_or_end(struct cl_call *k, const struct sn_http_call *call, char *buf)
{
    int r = send_body(k, call, buf);
    if (r < 0) (void)!sn_stream_shutdown(k->conn->st);
    return r;
}

/* A supervisor fiber owns the scope in which the pump runs, so that the call can cancel it. */
struct cl_sender {
    struct cl_call *k;
    cl_send_fn send;
    struct sn_http_call call;
    char *buf;
    struct sn_scope *scope;
    struct sn_event begun, done;
    int err;
};

static void sender_pump(void *arg)
{
    struct cl_sender *s = arg;
    s->err = s->send(s->k, &s->call, s->buf);
    s->k->sent_ns = sn_now();
}

static void sender_main(void *arg)
{
    struct cl_sender *s = arg;
    struct sn_scope_storage mem;
    s->scope = sn_scope_begin(&mem);
    /* In the new scope, but never stolen: the connection belongs to this worker. */
    int r = sn_go_on((unsigned)sn_worker_id(), "http body", sender_pump, s);
    if (r < 0) s->err = r;
    sn_event_set(&s->begun);
    (void)!sn_scope_wait(s->scope);
    s->scope = NULL;
    (void)!sn_scope_end(sn_scope_current());
    sn_event_set(&s->done);
}

int cl_sender_start(struct cl_call *k, const struct sn_http_call *call, cl_send_fn send)
{
    struct cl_sender *s = SN_ARENA_NEW(&k->arena, struct cl_sender);
    char *buf = s ? http_buf_take(&k->w->pools) : NULL;
    if (!buf) return SN_E_NOMEM;
    *s = (struct cl_sender){.k = k, .send = send, .call = *call, .buf = buf};
    int r = sn_go_on((unsigned)sn_worker_id(), "http sender", sender_main, s);
    if (r < 0) {
        http_buf_give(&k->w->pools, buf);
        return r;
    }
    k->sender = s;
    return 0;
}

static bool sending(const struct cl_call *k)
{
    return k->sender && !sn_event_is_set(&k->sender->done);
}

/* While the body is under way its reader and its writer have limits of their own. */
int64_t cl_answer_at(const struct cl_call *k)
{
    int64_t ask = k->ask_at_ns && !k->got_bytes ? k->ask_at_ns : SN_FOREVER;
    if (!k->answer_ns_max) return ask;
    return SN_MIN(ask, (sending(k) ? sn_now() : k->sent_ns) + k->answer_ns_max);
}

bool cl_answer_late(struct cl_call *k)
{
    int64_t now = sn_now();
    if (now >= sn_deadline()) return true;
    if (k->answer_ns_max && !sending(k) && now >= k->sent_ns + k->answer_ns_max) return true;
    if (!k->ask_at_ns || now < k->ask_at_ns || k->got_bytes) return false;
    int64_t again = k->impatient(k->impatient_arg);
    k->ask_at_ns = again > 0 ? now + again : 0;
    return again < 0;
}

static int join_shielded(void *arg)
{
    struct cl_sender *s = arg;
    (void)!sn_event_wait(&s->begun);
    if (!sn_event_is_set(&s->done) && s->scope) sn_scope_cancel(s->scope);
    return sn_event_wait(&s->done);
}

int cl_sender_join(struct cl_call *k)
{
    struct cl_sender *s = k->sender;
    if (!s) return 0;
    k->sender = NULL;
    while (!sn_event_is_set(&s->done)) (void)!sn_shield(SN_HOUR, join_shielded, s);
    http_buf_give(&k->w->pools, s->buf);
    return s->err;
}

static int send_request(struct cl_call *k, const struct sn_http_call *call)
{
    int r = send_head(k, call);
    if (r < 0 || !call->body_fn) return r;
    if (call->body_length < 0 || call->body_length > INLINE_BODY_MAX)
        return cl_sender_start(k, call, send_body_or_end);
    char *buf = http_buf_take(&k->w->pools);
    if (!buf) return SN_E_NOMEM;
    r = send_body_or_end(k, call, buf);
    http_buf_give(&k->w->pools, buf);
    return r;
}

/* ---- response ------------------------------------------------------------------------------- */

#define INTERIM_MAX 16 /* 1xx responses before the final one */

static ssize_t read_one_head(struct cl_call *k, const struct sn_http_call *call)
{
    struct sn_h1_opts po = {
        .head_bytes_max = k->client->o.head_bytes_max,
        .response = true,
        .to_head = sn_http_method_of(call->method) == SN_HTTP_HEAD,
        .to_connect = sn_http_method_of(call->method) == SN_HTTP_CONNECT,
    };
    sn_h1_init(&k->head, &po, &k->arena);
    for (;;) {
        if (http_in_len(&k->in)) {
            ssize_t n = sn_h1_parse(&k->head, http_in_ptr(&k->in), http_in_len(&k->in));
            if (n > 0) return n;
            if (n != SN_E_AGAIN)
                return sn_fail((int)n, "response head: %s", sn_h1_err_text(k->head.err));
        }
        int64_t prev = sn_deadline_tighten(cl_answer_at(k));
        ssize_t r = http_in_fill(&k->in, po.head_bytes_max);
        sn_deadline_restore(prev);
        if (r == SN_E_DEADLINE_EXCEEDED && !cl_answer_late(k)) continue;
        if (r == 0)
            return k->got_bytes ? sn_fail(SN_E_RESET, "connection closed inside the response head")
                                : SN_E_EOF;
        if (r < 0) return r;
        if (!k->got_bytes) k->pub.first_byte_ns = sn_now() - k->start_ns;
        k->got_bytes = true;
    }
}

static int read_head(struct cl_call *k, const struct sn_http_call *call)
{
    ssize_t n = 0;
    for (int i = 0; i <= INTERIM_MAX; i++) {
        n = read_one_head(k, call);
        if (n <= 0) break;
        k->in.start += (size_t)n;
        if (k->head.status >= 200 || k->head.status == 101) break;
        n = sn_fail(SN_E_PROTOCOL, "more than %d interim responses", INTERIM_MAX);
    }
    if (n < 0) return (int)n;
    k->in.pinned = k->in.start;
    return 0;
}

static ssize_t h1_tail(struct cl_call *k, ssize_t n)
{
    if (n == 0) {
        int r = http_body_trailers(&k->body, &k->arena, &k->pub.trailers);
        if (r < 0) return sn_fail(r, "response trailers");
    }
    if (n == SN_E_EOF) return sn_fail(SN_E_EOF, "response body ended early");
    return n;
}

static ssize_t h1_next(struct cl_call *k, size_t max, const char **ret)
{
    if (k->hijacked) return SN_E_CLOSED;
    return h1_tail(k, http_body_next(&k->body, &k->in, max, ret));
}

static ssize_t h1_copy(struct cl_call *k, void *buf, size_t cap)
{
    if (k->hijacked) return SN_E_CLOSED;
    return h1_tail(k, http_body_copy(&k->body, &k->in, buf, cap));
}

/* Little is left and it is already here: not worth a new connection. */
static bool discard(struct cl_call *k)
{
    size_t dropped = 0;
    while (!k->body.eof && dropped <= DISCARD_MAX) {
        const char *p;
        if (http_in_len(&k->in) == 0 && !sn_stream_readable_now(k->conn->st)) return false;
        ssize_t n = http_body_next(&k->body, &k->in, SIZE_MAX, &p);
        if (n < 0) return false;
        dropped += (size_t)n;
    }
    return k->body.eof;
}

static void h1_drop(struct cl_call *k, bool keep)
{
    bool sending = k->sender && !sn_event_is_set(&k->sender->done);
    if (cl_sender_join(k) < 0 || sending) keep = false;
    if (k->conn && keep && k->keep && discard(k) && http_in_len(&k->in) == 0) {
        cl_conn_put_idle(k);
    } else if (k->conn) {
        cl_conn_close(k->conn);
        k->conn = NULL;
    }
    http_body_done(&k->body);
    http_in_done(&k->in);
}

static void h1_close(struct cl_call *k) { h1_drop(k, true); }

static const struct cl_ops h1_ops = {.next = h1_next, .copy = h1_copy, .close = h1_close};

int cl_h1_do(struct cl_call *k, const struct sn_http_call *call)
{
    http_in_init(&k->in, &k->w->pools, k->conn->st);
    k->body = (struct http_body){.eof = true};
    k->got_bytes = false;
    int r = send_request(k, call);
    /* Looked at the clock only where somebody will ask when that was. */
    if (r < 0 || k->answer_ns_max) k->sent_ns = sn_now();
    /* A server that refuses early answers and closes: its answer says more than our failed write. It
     * is here by then; one that has not got the request whole will never come. */
    bool broken = r == SN_E_RESET || r == SN_E_IO || r == SN_E_CLOSED;
    if (r == 0 || (broken && (call->body_fn || call->body.len))) {
        int64_t prev = sn_deadline_tighten(broken ? k->sent_ns + EARLY_ANSWER_NS : SN_FOREVER);
        int h = read_head(k, call);
        sn_deadline_restore(prev);
        if (h < 0 && r == 0) r = h;
        else if (h >= 0) {
            k->keep = r == 0 && k->head.keep_alive;
            r = 0;
        }
    }
    if (r < 0) {
        int s = k->sender ? k->sender->err : 0;
        h1_drop(k, false);
        return sn_wrap(s < 0 && r == SN_E_EOF ? s : r, "%.*s %.*s",
                       SN_STR_ARG(call->method.len ? call->method : SN_STR("GET")),
                       (int)SN_MIN(call->url.len, (size_t)120), call->url.ptr);
    }
    http_body_init(&k->body, &k->head);
    k->ops = &h1_ops;
    k->pub.status = k->head.status;
    k->pub.version = k->head.version;
    k->pub.headers = k->head.headers;
    k->pub.content_length = k->head.content_length;
    return 0;
}

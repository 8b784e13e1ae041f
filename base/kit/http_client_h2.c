/* SPDX-License-Identifier: Apache-2.0 */
/* kit/http_client_h2.c - many calls over one HTTP/2 connection.
 *
 * A session belongs to its worker: calls of that worker share it without a lock. One fiber reads
 * while there are streams; afterwards the connection parks. */
#include "core/alloc.h"
#include "kit/http_client_int.h"
#include "kit/http_h2_int.h"
#include "wire/h2.h"

/* Answers that lie unread on a connection without holding up its others: a proxy's slow clients. */
#define UNREAD_MAX (4u << 20)
#define H2_WRITE_BYTES (64u << 10)
#define H2_LINGER_NS (200 * SN_MS)
#define INLINE_BODY_MAX (64u << 10)
#define BODY_STEP (16u << 10)

struct cl_h2 {
    struct sn_h2 *s;
    struct cl_conn *c;
    struct sn_buf out;
    unsigned refs; /* the reader and every call */
    bool flushing, again, gathering, parked, reading;
    bool gone; /* takes no more streams */
    bool closed; /* the stream below is closed */
    int err;
    struct sn_event settings; /* the peer's are known, or never will be */
};
struct cl_stream {
    struct cl_h2 *h;
    struct cl_call *k;
    int32_t id;
    struct sn_h2_head head;
    struct sn_http_headers trailers;
    bool head_done, end, closed;
    bool cut; /* nobody will read any more */
    uint32_t code;
    struct sn_buf in;
    struct sn_buf hold; /* being read; `in` fills meanwhile */
    size_t hold_off;
    struct h2_waiter reader;
    struct sn_str out;
    bool out_end, out_ended;
    struct h2_waiter writer;
};

/* ---- session events ------------------------------------------------------------------------- */

static void ev_head(void *ctx, void *user, const struct sn_h2_head *head, bool end)
{
    struct cl_stream *st = user;
    st->head = *head;
    st->head_done = true;
    st->k->got_bytes = true;
    h2_wake(&st->reader);
}
static void in_changed(struct cl_stream *st)
{
    h2_wake(&st->reader);
    if (st->k->tunnel) h2_tunnel_ready(st->k->tunnel);
}
static void ev_data(void *ctx, void *user, struct sn_str data)
{
    struct cl_h2 *h = ctx;
    struct cl_stream *st = user;
    if (sn_buf_str(&st->in, data) < 0) sn_h2_reset(h->s, st->id, SN_H2_INTERNAL_ERROR);
    in_changed(st);
}
static void ev_trailers(void *ctx, void *user, const struct sn_http_headers *t)
{
    ((struct cl_stream *)user)->trailers = *t;
}
static void ev_end(void *ctx, void *user)
{
    struct cl_stream *st = user;
    st->end = true;
    in_changed(st);
}
static size_t ev_pull(void *ctx, void *user, size_t max, const char **ret, bool *ret_end)
{
    struct cl_stream *st = user;
    *ret = st->out.ptr;
    *ret_end = st->out_end && st->out.len <= max;
    return SN_MIN(st->out.len, max);
}

static void ev_sent(void *ctx, void *user, size_t n, bool end)
{
    struct cl_stream *st = user;
    st->out = sn_str_from(st->out, n);
    st->out_ended |= end;
    if (st->out.len == 0) h2_wake(&st->writer);
}

static void ev_closed(void *ctx, void *user, uint32_t code)
{
    struct cl_h2 *h = ctx;
    struct cl_stream *st = user;
    st->closed = true;
    st->code = code;
    if (st->in.len) sn_h2_consumed(h->s, 0, st->in.len);
    in_changed(st);
    h2_wake(&st->writer);
}

static void h2_leave_pool(struct cl_h2 *h)
{
    h->gone = true;
    sn_list_del(&h->c->link);
}
static void ev_goaway(void *ctx, int32_t last_id, uint32_t code) { h2_leave_pool(ctx); }
static void ev_settings(void *ctx) { sn_event_set(&((struct cl_h2 *)ctx)->settings); }

static const struct sn_h2_events events = {
    .head = ev_head, .data = ev_data,     .trailers = ev_trailers, .end = ev_end,
    .pull = ev_pull, .sent = ev_sent,     .closed = ev_closed, .goaway = ev_goaway,
    .settings = ev_settings,
};

/* ---- connection ----------------------------------------------------------------------------- */

static void h2_unref(struct cl_h2 *h)
{
    if (--h->refs) return;
    struct cl_conn *c = h->c;
    sn_list_del(&c->link);
    sn_h2_free(h->s);
    sn_buf_done(&h->out);
    if (!h->closed) sn_stream_close(c->st);
    c->pool->w->n_conns--;
    sn_free(h);
    sn_free(c);
}

static void h2_break(struct cl_h2 *h, int err)
{
    if (h->err < 0) return;
    h->err = err;
    h2_leave_pool(h);
    sn_event_set(&h->settings);
    if (!h->closed) {
        h->closed = true;
        sn_stream_close(h->c->st);
    }
    sn_h2_abandon(h->s);
}

static int h2_flush_now(struct cl_h2 *h)
{
    if (h->err < 0) return h->err;
    if (h->flushing) {
        h->again = true;
        return 0;
    }
    h->flushing = true;
    h->refs++;
    struct h2_outbox o;
    do {
        h->again = false;
        int r = h2_outbox_fill(&o, h->s, &h->out, h->c->st, H2_WRITE_BYTES);
        if (r < 0) h2_break(h, r);
        if (h->err < 0 || h2_outbox_empty(&o)) continue;
        h->again = true;
        /* Every call's frames leave in this fiber's write: its own cancellation or deadline must
         * not cut the connection for the others. */
        int n = sn_shield(CL_SEND_STALL_NS, h2_outbox_write, &o);
        if (n < 0) h2_break(h, n);
    } while (h->err == 0 && h->again);
    h->flushing = false;
    int err = h->err;
    h2_unref(h);
    return err;
}

/* While a fiber gathers, what others have to send leaves in its write: it is in the run queue already. */
static int h2_flush(struct cl_h2 *h) { return h->gathering ? h->err : h2_flush_now(h); }

/* For calls: others that are ready to run put their frames into the same write. */
static int h2_flush_soon(struct cl_h2 *h)
{
    if (h->err < 0) return h->err;
    if (h->gathering || h->flushing) {
        h->again = true;
        return 0;
    }
    h->gathering = true;
    h->refs++;
    sn_yield();
    h->gathering = false;
    int r = h2_flush_now(h);
    h2_unref(h);
    return r;
}

static void h2_ready(struct sn_stream *st, void *arg, int why);

/* Owns one reference. Reads until the connection breaks or nobody needs it. */
static void h2_reader(void *arg)
{
    struct cl_h2 *h = arg;
    struct http_pools *pools = &h->c->pool->w->pools;
    char *buf = http_buf_take(pools);
    if (!buf) h2_break(h, SN_E_NOMEM);
    int64_t idle_ns = h->c->pool->client->o.idle_ns;
    while (h->err == 0) {
        int64_t prev = sn_deadline_tighten(sn_now_coarse() + H2_LINGER_NS);
        ssize_t n = sn_read(h->c->st, buf, HTTP_BUF_BYTES);
        sn_deadline_restore(prev);
        if (h->err < 0) break;
        bool unused = sn_h2_streams(h->s) == 0 && h->refs == 1;
        if (n == SN_E_DEADLINE_EXCEEDED) {
            if (unused && h->gone) break;
            if (!unused) continue;
            h->parked = true;
            h->reading = false;
            http_buf_give(pools, buf);
            sn_buf_done(&h->out);
            sn_stream_park(h->c->st, sn_now_coarse() + idle_ns, h2_ready, h);
            return;
        }
        if (n <= 0) {
            h2_break(h, n == 0 ? SN_E_RESET : (int)n);
            break;
        }
        int r = sn_h2_recv(h->s, sn_str_of(buf, (size_t)n), sn_now_coarse());
        if (r < 0 || sn_h2_done(h->s)) {
            h2_flush_now(h);
            h2_break(h, r < 0 ? r : SN_E_RESET);
        } else {
            h2_flush(h);
        }
    }
    h->reading = false;
    http_buf_give(pools, buf);
    h2_unref(h);
}

static void h2_ready(struct sn_stream *st, void *arg, int why)
{
    struct cl_h2 *h = arg;
    h->parked = false;
    if (why < 0 && h->refs == 1) {
        sn_h2_shutdown(h->s, true);
        h2_flush_now(h);
        h2_leave_pool(h);
        h2_unref(h);
        return;
    }
    h->reading = true;
    h2_reader(h);
}

/* The reader runs, or is about to. */
static int h2_wake_reader(struct cl_h2 *h)
{
    if (h->reading || !h->parked) return 0;
    if (!sn_stream_unpark(h->c->st)) {
        /* h2_ready is about to start; until then the stream is nobody's. */
        while (h->parked) sn_yield();
        return 0;
    }
    h->parked = false;
    h->reading = true;
    /* Outside the caller's scope and deadline: other calls share the connection. */
    int r = sn_stream_go(h2_reader, h);
    if (r < 0) {
        h->reading = false;
        h2_break(h, r);
        h2_unref(h);
    }
    return r;
}

int cl_h2_new(struct cl_conn *c)
{
    struct cl_h2 *h = SN_NEW(struct cl_h2);
    if (!h) return SN_E_NOMEM;
    h->c = c;
    struct sn_h2_opts o = {.client = true,
                           .unread_max = UNREAD_MAX,
                           .field_bytes_max = c->pool->client->o.head_bytes_max,
                           .events = &events,
                           .ctx = h};
    int r = sn_h2_new(&o, &h->s);
    if (r == 0) {
        h->refs = 1;
        h->reading = true;
        r = sn_stream_go(h2_reader, h);
        if (r < 0) sn_h2_free(h->s);
    }
    if (r < 0) {
        sn_free(h);
        return r;
    }
    c->h2 = h;
    sn_list_push_back(&c->pool->h2, &c->link);
    return 0;
}

struct cl_conn *cl_h2_pick(struct cl_pool *p)
{
    SN_LIST_EACH(&p->h2, it) {
        struct cl_conn *c = SN_LIST_ENTRY(it, struct cl_conn, link);
        if (!c->h2->gone && c->h2->err == 0 && sn_h2_streams_left(c->h2->s)) return c;
    }
    return NULL;
}

bool cl_h2_close_one(struct cl_pool *p)
{
    SN_LIST_EACH(&p->h2, it) {
        struct cl_h2 *h = SN_LIST_ENTRY(it, struct cl_conn, link)->h2;
        h2_leave_pool(h);
        if (h->parked && sn_stream_unpark(h->c->st)) {
            h->parked = false;
            h2_unref(h);
        }
        return true;
    }
    return false;
}

/* ---- a call --------------------------------------------------------------------------------- */

static int st_error(const struct cl_stream *st)
{
    if (st->h->err < 0) return st->h->err;
    return sn_fail(SN_E_RESET, "stream reset by the server (code %u)", st->code);
}

/* Hands one piece over and waits until it was pulled. */
static int st_send(struct cl_stream *st, struct sn_str data, bool end)
{
    if (st->closed) return st_error(st);
    st->out = data;
    st->out_end = end;
    sn_h2_resume(st->h->s, st->id);
    int r = h2_flush_soon(st->h);
    while (r >= 0 && !st->closed && (st->out.len || (st->out_end && !st->out_ended))) {
        size_t before = st->out.len;
        r = h2_wait(&st->writer, "http2 request body", sn_now_coarse() + CL_SEND_STALL_NS);
        if (r == SN_E_DEADLINE_EXCEEDED && st->out.len < before && sn_now() < sn_deadline())
            r = 0; /* slow, not stalled */
    }
    st->out = (struct sn_str){0};
    if (r >= 0 && st->closed && !st->out_ended) r = st_error(st);
    return r;
}

/* The call would wait for the answer to a request that is never whole. */
static int st_give_up(struct cl_stream *st, int why)
{
    if (st->closed) return why;
    sn_h2_reset(st->h->s, st->id, SN_H2_CANCEL);
    h2_flush(st->h);
    return why;
}

static int st_trailers(struct cl_call *k, const struct sn_http_headers *from)
{
    struct cl_stream *st = k->stream;
    struct sn_http_headers t = {0};
    for (unsigned i = 0; from && i < from->len; i++) {
        if (!sn_http_trailer_ok(from->ptr[i].name)) continue;
        int r = sn_http_headers_add(&t, &k->arena, from->ptr[i].name, from->ptr[i].value);
        if (r < 0) return r;
    }
    return t.len && !st->closed ? sn_h2_trailers(st->h->s, st->id, &t, &k->arena) : 0;
}

static int st_send_body(struct cl_call *k, const struct sn_http_call *call, char *buf)
{
    uint64_t sent = 0;
    for (;;) {
        ssize_t n = call->body_fn(call->body_arg, buf, BODY_STEP);
        if (n < 0) return st_give_up(k->stream, (int)n);
        sent += (uint64_t)n;
        if (call->body_length >= 0 && (n == 0) != (sent == (uint64_t)call->body_length) &&
            (n == 0 || sent > (uint64_t)call->body_length))
            return st_give_up(k->stream, sn_fail(SN_E_FAILED_PRECONDITION,
                                                 "request body is not its announced %lld bytes",
                                                 (long long)call->body_length));
        bool last = n == 0 || (call->body_over && call->body_over(call->body_arg) &&
                               (call->body_length < 0 || sent == (uint64_t)call->body_length));
        int r = last ? st_trailers(k, call->trailers) : 0;
        if (r < 0) return st_give_up(k->stream, r);
        r = st_send(k->stream, sn_str_of(buf, (size_t)n), last);
        if (r < 0) return st_give_up(k->stream, r);
        if (last) return 0;
    }
}

static int st_request(struct cl_call *k, const struct sn_http_call *call)
{
    struct cl_stream *st = k->stream;
    struct sn_arena *a = &k->arena;
    struct sn_http_headers hs = {0};
    struct sn_str authority = k->url.authority;
    int r = 0;
    bool agent = call->no_default_headers;
    for (unsigned i = 0; i < call->n_headers && r == 0; i++) {
        struct sn_str name = call->headers[i].name, value = call->headers[i].value;
        if (sn_str_ieq(name, SN_STR("host"))) {
            authority = value;
            continue;
        }
        if (sn_str_ieq(name, SN_STR("content-length"))) continue;
        if (call->protocol.ptr && sn_str_ieq(name, SN_STR("sec-websocket-key"))) continue;
        if (sn_str_ieq(name, SN_STR("te")) && !sn_str_ieq(value, SN_STR("trailers"))) continue;
        agent |= sn_str_ieq(name, SN_STR("user-agent"));
        r = sn_http_headers_add(&hs, a, name, value);
    }
    if (r == 0 && !agent)
        r = sn_http_headers_add(&hs, a, SN_STR("user-agent"), SN_STR("sennit"));
    int64_t len = call->body_fn ? call->body_length : (int64_t)call->body.len;
    bool body = call->body_fn || call->body.len;
    if (r == 0 && body && len >= 0) {
        struct sn_str text = http_decimal(a, (uint64_t)len);
        r = text.ptr ? sn_http_headers_add(&hs, a, SN_STR("content-length"), text) : SN_E_NOMEM;
    }
    if (r < 0) return r;
    struct sn_str path = call->target.len ? call->target : k->url.target;
    if (path.len == 0) path = SN_STR("/");
    if (path.ptr[0] == '?') path = sn_arena_printf(a, "/%.*s", SN_STR_ARG(path));
    if (!path.ptr) return SN_E_NOMEM;
    bool extended = call->protocol.ptr;
    struct sn_h2_request rq = {.method = extended           ? SN_STR("CONNECT")
                                         : call->method.len ? call->method
                                                            : SN_STR("GET"),
                               .scheme = k->url.tls ? SN_STR("https") : SN_STR("http"),
                               .authority = authority,
                               .path = path,
                               .protocol = call->protocol,
                               .headers = &hs,
                               .body = body || extended};
    int32_t id = sn_h2_request(st->h->s, &rq, a, st);
    if (id < 0) {
        st->closed = true;
        return id;
    }
    st->id = id;
    if (!body) return h2_flush_soon(st->h);
    if (!call->body_fn) return st_send(st, call->body, true);
    if (len < 0 || len > INLINE_BODY_MAX) {
        /* The sender comes to run while frames are gathered: its first piece leaves with the head. */
        r = cl_sender_start(k, call, st_send_body);
        return r < 0 ? st_give_up(st, r) : h2_flush_soon(st->h);
    }
    char *buf = http_buf_take(&k->w->pools);
    if (!buf) return SN_E_NOMEM;
    r = st_send_body(k, call, buf);
    http_buf_give(&k->w->pools, buf);
    return r;
}

/* Unread bytes are in st->hold afterwards. Returns > 0, 0 at the end, an error. */
static ssize_t st_fill(struct cl_call *k)
{
    struct cl_stream *st = k->stream;
    if (st->hold_off < st->hold.len) return 1;
    while (st->in.len == 0) {
        if (st->cut) return SN_E_CLOSED;
        if (st->end) {
            k->pub.trailers = st->trailers;
            return 0;
        }
        if (st->closed) return st_error(st);
        int r = h2_wait(&st->reader, "http2 response body", SN_FOREVER);
        if (r < 0) return r;
    }
    /* The peer may refill one buffer while the caller looks at the other. */
    struct sn_buf empty = st->hold;
    sn_buf_reset(&empty);
    st->hold = st->in;
    st->hold_off = 0;
    st->in = empty;
    if (st->h->err == 0 && !st->closed) {
        sn_h2_consumed(st->h->s, st->id, st->hold.len);
        if (sn_h2_wants_write(st->h->s)) h2_flush(st->h);
    }
    return 1;
}

static bool h2_over(struct cl_call *k)
{
    struct cl_stream *st = k->stream;
    if (!st->end || st->in.len || st->hold_off < st->hold.len) return false;
    k->pub.trailers = st->trailers;
    return true;
}

static ssize_t h2_next(struct cl_call *k, size_t max, const char **ret)
{
    struct cl_stream *st = k->stream;
    ssize_t r = st_fill(k);
    if (r <= 0) return r;
    size_t n = SN_MIN(max, st->hold.len - st->hold_off);
    *ret = (const char *)st->hold.ptr + st->hold_off;
    st->hold_off += n;
    return (ssize_t)n;
}

static ssize_t h2_copy(struct cl_call *k, void *buf, size_t cap)
{
    const char *p;
    ssize_t n = h2_next(k, cap, &p);
    if (n > 0) memcpy(buf, p, (size_t)n);
    return n;
}

/* Gives the stream up where it is not over. Without `flush` that is told with the connection's next
 * frames. */
static void st_release(struct cl_call *k, bool flush)
{
    struct cl_stream *st = k->stream;
    struct cl_h2 *h = st->h;
    if (!st->closed && h->err == 0) {
        sn_h2_drop(h->s, st->id, st, st->end ? SN_H2_NO_ERROR : SN_H2_CANCEL);
        if (flush) h2_flush(h);
    }
    sn_buf_done(&st->in);
    sn_buf_done(&st->hold);
    k->conn = NULL;
    h2_unref(h);
}

static void h2_close(struct cl_call *k)
{
    (void)!cl_sender_join(k);
    st_release(k, true);
}

static const struct cl_ops h2_ops = {.next = h2_next,
                                     .copy = h2_copy,
                                     .close = h2_close,
                                     .over = h2_over};

static int st_await_head(struct cl_call *k)
{
    struct cl_stream *st = k->stream;
    int r = 0;
    while (r >= 0 && !st->head_done) {
        if (st->closed) return st_error(st);
        r = h2_wait(&st->reader, "http2 response head", cl_answer_at(k));
        if (r == SN_E_DEADLINE_EXCEEDED && !cl_answer_late(k)) r = 0;
    }
    return r;
}

/* An extended CONNECT may be sent once the peer has said that it admits it (RFC 8441 section 3). */
static int await_admission(struct cl_call *k)
{
    struct cl_h2 *h = k->conn->h2;
    int r = h2_flush(h); /* a fresh connection's preface, which a server may wait for */
    if (r < 0) return r;
    r = sn_event_wait_until(&h->settings, sn_now_coarse() + k->client->o.connect_ns_max);
    if (r < 0 || h->err < 0) return r < 0 ? r : h->err;
    if (!sn_h2_connect_protocol(h->s))
        return sn_fail(SN_E_UNIMPLEMENTED, "the h2 server does not admit extended CONNECT (RFC 8441)");
    k->extended = true;
    return 0;
}

int cl_h2_do(struct cl_call *k, const struct sn_http_call *call)
{
    struct cl_h2 *h = k->conn->h2;
    struct cl_stream *st = SN_ARENA_NEW(&k->arena, struct cl_stream);
    if (!st) return SN_E_NOMEM;
    st->h = h;
    st->k = k;
    sn_buf_init(&st->in, SN_H2_STREAM_WINDOW + (16u << 10));
    sn_buf_init(&st->hold, SN_H2_STREAM_WINDOW + (16u << 10));
    h->refs++;
    k->stream = st;
    k->ops = &h2_ops;
    k->got_bytes = false;
    cl_permit_release(k); /* a shared connection */
    int r = h2_wake_reader(h);
    if (r >= 0 && call->protocol.ptr) r = await_admission(k);
    if (r < 0)
        st->closed = true; /* it never was a stream */
    else
        r = st_request(k, call);
    if (k->answer_ns_max) k->sent_ns = sn_now();
    /* A server that refuses early says why before it resets the stream. */
    if (r >= 0 || (st->closed && st->head_done)) r = st_await_head(k);
    if (r >= 0 && st->head.too_large) r = sn_fail(SN_E_TOO_LARGE, "response head over the limit");
    if (r < 0) {
        k->refused = st->closed && st->code == SN_H2_REFUSED_STREAM;
        h2_close(k);
        return sn_wrap(r, "%.*s %.*s", SN_STR_ARG(call->method.len ? call->method : SN_STR("GET")),
                       (int)SN_MIN(call->url.len, (size_t)120), call->url.ptr);
    }
    k->pub.first_byte_ns = sn_now() - k->start_ns;
    k->pub.status = st->head.status;
    k->pub.version = 20;
    k->pub.headers = st->head.headers;
    bool none = st->head.status == 204 || st->head.status == 304 ||
                sn_http_method_of(call->method) == SN_HTTP_HEAD;
    k->pub.content_length = none && st->head.content_length < 0 ? 0 : st->head.content_length;
    return 0;
}

/* ---- a stream that the caller has taken over ------------------------------------------------- */

static ssize_t tn_read(void *of, void *buf, size_t cap) { return h2_copy(of, buf, cap); }

static int tn_write(void *of, struct sn_str data, bool last)
{
    struct cl_stream *st = ((struct cl_call *)of)->stream;
    int r = st_send(st, data, last);
    return r < 0 ? st_give_up(st, r) : 0;
}

static unsigned tn_state(void *of)
{
    const struct cl_stream *st = ((struct cl_call *)of)->stream;
    return (st->hold_off < st->hold.len || st->in.len ? H2_TUNNEL_READABLE : 0) |
           (st->end ? H2_TUNNEL_IN_END : 0) |
           (st->closed || st->h->err < 0 ? H2_TUNNEL_OVER : 0);
}

static void tn_stop(void *of)
{
    struct cl_stream *st = ((struct cl_call *)of)->stream;
    st->cut = true;
    h2_wake(&st->reader);
}

static void tn_reset(void *of, bool whole, bool flush)
{
    struct cl_stream *st = ((struct cl_call *)of)->stream;
    sn_h2_reset(st->h->s, st->id, SN_H2_CANCEL);
    if (flush) h2_flush(st->h);
}

static struct sn_stream *tn_below(void *of) { return ((struct cl_call *)of)->stream->h->c->st; }

static void tn_end(void *of)
{
    struct cl_call *k = of;
    k->tunnel = NULL;
    st_release(k, false);
    cl_call_free(k);
}

static const struct h2_tunnel_ops tunnel_ops = {tn_read,  tn_write, tn_state, tn_stop,
                                                tn_reset, tn_below, tn_end};

int cl_h2_hijack(struct cl_call *k, struct sn_stream **ret)
{
    if (!k->extended) return sn_fail(SN_E_FAILED_PRECONDITION, "response cannot be taken over");
    int r = h2_tunnel_new(&tunnel_ops, k, &k->tunnel);
    if (r == 0) *ret = h2_tunnel_stream(k->tunnel);
    return r;
}

void cl_h2_hijacked_close(struct cl_call *k) { h2_tunnel_unref(k->tunnel); }

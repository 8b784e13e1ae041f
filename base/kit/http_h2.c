/* SPDX-License-Identifier: Apache-2.0 */
/* kit/http_h2.c - the server's side of an HTTP/2 connection.
 *
 * One fiber reads; every request runs its handler in a fiber of its own on the same worker, so the
 * session needs no lock. Whoever has something to send flushes, one at a time; what several
 * handlers produce meanwhile leaves in the same write. Without streams the connection parks: what
 * stays is nghttp2's session. */
#include "core/alloc.h"
#include "kit/http_h2_int.h"
#include "wire/h2.h"

#define H2_WRITE_BYTES (64u << 10) /* per write */
/* How long the reader waits for more before an unused connection parks. */
#define H2_LINGER_NS (200 * SN_MS)
/* Ends of responses up to here are left to the next flush. */
#define FINISH_MAX (16u << 10)

struct http_h2 {
    struct sn_h2 *s;
    struct http_conn *c;
    struct sn_buf out;
    struct sn_list starting; /* struct h2_x.link: handlers to start */
    unsigned handlers;
    bool flushing, again, collecting, gathering, notice;
    int err; /* the connection is broken: no more writes */
    int64_t age_at_ns; /* GOAWAY is due; SN_FOREVER */
    int64_t heard_ns, pinged_ns; /* the last byte; the keepalive PING that is out, 0 = none */
    int64_t head_at_ns; /* when heads that have begun must be complete; 0 = none is waited for */
    struct h2_waiter idle; /* the reader, waiting for handlers to end */
};
struct h2_x {
    struct http_xi xi;
    struct sn_list link;
    struct http_h2 *h;
    struct http_server_worker *w;
    int32_t id;
    struct sn_arena arena;
    bool handler_done, closed, bad, too_large, continue_due;
    uint32_t code;
    /* request body */
    struct sn_buf in;
    size_t in_off;
    bool in_end, in_cut; /* in_cut: nobody will read any more */
    struct sn_http_headers trailers_in;
    struct h2_waiter reader;
    /* response body */
    struct sn_str out;
    bool out_end, out_ended, body;
    struct h2_waiter writer;
    struct h2_tunnel *tunnel; /* after a hijack */
    struct sn_fiber *cancel;  /* the handler's fiber, where it wants to be cancelled by a reset */
};

static struct h2_x *h2_x_of(struct http_xi *xi) { return SN_CONTAINER_OF(xi, struct h2_x, xi); }

/* ---- session events ------------------------------------------------------------------------- */

static void x_free(struct h2_x *x)
{
    sn_buf_done(&x->in);
    struct sn_arena a = x->arena; /* the record lies in its own arena */
    sn_arena_done(&a);
}

static void *ev_open(void *ctx, int32_t id, struct sn_arena **ret_arena)
{
    struct http_h2 *h = ctx;
    struct sn_http_server *s = h->c->srv;
    /* Handlers count, not streams: a reset stream's handler may still run. */
    if (h->handlers >= s->o.h2_streams_max || h->notice) return NULL;
    struct http_server_worker *w = http_server_worker(s);
    struct sn_arena a;
    sn_arena_init(&a, &w->pools.arenas, HTTP_EXCHANGE_BYTES_MAX);
    struct h2_x *x = SN_ARENA_NEW(&a, struct h2_x);
    if (!x) {
        sn_arena_done(&a);
        return NULL;
    }
    x->arena = a;
    x->h = h;
    x->w = w;
    x->id = id;
    x->handler_done = true; /* until one is started */
    sn_list_init(&x->link);
    sn_buf_init(&x->in, SN_MAX(s->o.h2_window_max, SN_H2_STREAM_WINDOW) + (16u << 10));
    *ret_arena = &x->arena;
    return x;
}

static const struct http_x_ops h2_ops;

static void ev_head(void *ctx, void *user, const struct sn_h2_head *head, bool end)
{
    struct http_h2 *h = ctx;
    struct h2_x *x = user;
    struct sn_http_server *s = h->c->srv;
    x->bad = head->bad;
    x->too_large = head->too_large;
    struct sn_str path = head->path, query = {0};
    const char *q = path.len ? memchr(path.ptr, '?', path.len) : NULL;
    if (q) {
        query = sn_str_from(path, (size_t)(q - path.ptr) + 1);
        path = sn_str_sub(path, 0, (size_t)(q - path.ptr));
    }
    x->xi = (struct http_xi){
        .x = {.req = {.method = sn_http_method_of(head->method),
                      .version = 20,
                      .tls = h->c->tls_done,
                      .method_text = head->method,
                      .target = head->path,
                      .path = sn_str_eqc(path, "*") ? sn_str_of(path.ptr, 0) : path,
                      .query = query,
                      .authority = head->authority,
                      .headers = head->headers,
                      .content_length = end ? 0 : head->content_length,
                      .protocol = head->protocol,
                      .start_ns = sn_now()},
              .arena = &x->arena,
              .server_ctx = s->o.ctx},
        .ops = &h2_ops,
        .srv = s,
        .st = h->c->st,
        .peer = h->c->peer,
        .resp_length = -1,
    };
    x->in_end = end;
    x->continue_due =
        !end && sn_str_ieq(sn_http_headers_get(&head->headers, SN_STR("expect")),
                           SN_STR("100-continue"));
    x->handler_done = false;
    h->handlers++;
    h->c->requests++;
    sn_list_push_back(&h->starting, &x->link);
}

static void in_changed(struct h2_x *x)
{
    h2_wake(&x->reader);
    if (x->tunnel) h2_tunnel_ready(x->tunnel);
}

static void ev_data(void *ctx, void *user, struct sn_str data)
{
    struct http_h2 *h = ctx;
    struct h2_x *x = user;
    x->w->n.bytes_in += data.len;
    if (x->in_off && x->in.cap - x->in.len < data.len) {
        sn_buf_consume(&x->in, x->in_off);
        x->in_off = 0;
    }
    if (x->handler_done || sn_buf_str(&x->in, data) < 0) {
        sn_h2_consumed(h->s, x->id, data.len);
        if (x->in.err < 0) sn_h2_reset(h->s, x->id, SN_H2_INTERNAL_ERROR);
    }
    in_changed(x);
}

static void ev_trailers(void *ctx, void *user, const struct sn_http_headers *t)
{
    ((struct h2_x *)user)->trailers_in = *t;
}

static void ev_end(void *ctx, void *user)
{
    struct h2_x *x = user;
    x->in_end = true;
    in_changed(x);
}

static size_t ev_pull(void *ctx, void *user, size_t max, const char **ret, bool *ret_end)
{
    struct h2_x *x = user;
    *ret = x->out.ptr;
    *ret_end = x->out_end && x->out.len <= max;
    return SN_MIN(x->out.len, max);
}

static void ev_sent(void *ctx, void *user, size_t n, bool end)
{
    struct h2_x *x = user;
    x->out = sn_str_from(x->out, n);
    x->out_ended |= end;
    x->w->n.bytes_out += n;
    if (x->out.len == 0) h2_wake(&x->writer);
}

static void ev_closed(void *ctx, void *user, uint32_t code)
{
    struct http_h2 *h = ctx;
    struct h2_x *x = user;
    x->closed = true;
    x->code = code;
    if (x->cancel && (code || !x->xi.ended)) sn_fiber_cancel(x->cancel);
    /* What the handler never read still counts against the connection's window. */
    if (x->in.len > x->in_off) sn_h2_consumed(h->s, 0, x->in.len - x->in_off);
    x->in_off = x->in.len;
    h2_wake(&x->writer);
    in_changed(x);
    if (x->handler_done) x_free(x);
}

static const struct sn_h2_events h2_events = {
    .open = ev_open,
    .head = ev_head,
    .data = ev_data,
    .trailers = ev_trailers,
    .end = ev_end,
    .pull = ev_pull,
    .sent = ev_sent,
    .closed = ev_closed,
};

/* ---- writing -------------------------------------------------------------------------------- */

/* No more bytes either way: fibers blocked on the stream return. */
static void h2_break(struct http_h2 *h, int err)
{
    if (h->err < 0) return;
    h->err = err;
    if (h->c->cut) return;
    h->c->cut = true;
    sn_stream_close(h->c->st);
}

static int h2_flush_now(struct http_h2 *h)
{
    if (h->c->cut && h->err == 0) h->err = SN_E_CLOSED;
    if (h->err < 0) return h->err;
    if (h->flushing || h->collecting) {
        h->again = true;
        return 0;
    }
    h->flushing = true;
    /* Every handler's frames leave in this fiber's write: its own cancellation or deadline must not
     * cut the connection for the others. */
    for (;;) {
        struct h2_outbox o;
        h->again = false;
        int r = h2_outbox_fill(&o, h->s, &h->out, h->c->st, H2_WRITE_BYTES);
        if (r < 0) {
            h2_break(h, r);
            break;
        }
        if (h2_outbox_empty(&o)) {
            if (h->again) continue;
            break;
        }
        int n = sn_shield(h->c->srv->o.write_stall_ns_max, h2_outbox_write, &o);
        if (n < 0) h2_break(h, n);
        if (h->err < 0 || h->c->cut) break;
    }
    h->flushing = false;
    if (h->c->cut && h->err == 0) h->err = SN_E_CLOSED;
    /* A session that has ended itself (an allocation failed inside header compression) waits for nothing:
     * the reader must not wait either, nor the client. */
    if (h->err == 0 && sn_h2_done(h->s)) h2_break(h, SN_E_CLOSED);
    return h->err;
}

/* While a fiber gathers, what others have to send leaves in its write: it is in the run queue already. */
static int h2_flush(struct http_h2 *h)
{
    return h->gathering ? h->err : h2_flush_now(h);
}

/* For handlers: others that are ready to run, and answer on this connection too, put their frames
 * into the same write. */
static int h2_flush_soon(struct http_h2 *h)
{
    if (h->gathering || h->flushing || h->collecting || h->err < 0) {
        h->again = true;
        return h->err;
    }
    h->gathering = true;
    sn_yield();
    h->gathering = false;
    return h2_flush_now(h);
}

/* ---- exchange operations -------------------------------------------------------------------- */

static ssize_t h2_body_read(struct http_xi *xi, void *buf, size_t cap)
{
    struct h2_x *x = h2_x_of(xi);
    while (x->in_off == x->in.len) {
        if (x->in_cut) return SN_E_CLOSED;
        if (x->in_end) {
            xi->x.req.trailers = x->trailers_in;
            return 0;
        }
        if (x->continue_due && !xi->begun && !x->closed && x->h->err == 0) {
            x->continue_due = false;
            int e = sn_h2_interim(x->h->s, x->id, 100);
            if (e == 0) e = h2_flush(x->h);
            if (e < 0) return e;
            continue; /* the flush may have suspended */
        }
        if (x->closed) return sn_fail(SN_E_RESET, "stream reset by the client (code %u)", x->code);
        int r = h2_wait(&x->reader, "http2 body", SN_FOREVER);
        if (r < 0) return r;
    }
    size_t n = SN_MIN(cap, x->in.len - x->in_off);
    memcpy(buf, x->in.ptr + x->in_off, n);
    x->in_off += n;
    if (x->in_off == x->in.len) {
        sn_buf_reset(&x->in);
        x->in_off = 0;
    }
    if (x->h->err == 0) {
        sn_h2_consumed(x->h->s, x->id, n);
        if (sn_h2_wants_write(x->h->s)) h2_flush(x->h);
    }
    return (ssize_t)n;
}

static int h2_standard_headers(struct h2_x *x, struct sn_http_headers *hs)
{
    struct sn_arena *a = &x->arena;
    char *date = sn_arena_alloc(a, SN_HTTP_DATE_LEN);
    if (!date) return SN_E_NOMEM;
    memcpy(date, http_date(&x->w->pools), SN_HTTP_DATE_LEN);
    int r = sn_http_headers_add(hs, a, SN_STR("date"), sn_str_of(date, SN_HTTP_DATE_LEN));
    const char *name = x->xi.srv->o.server_name;
    return r == 0 && name ? sn_http_headers_add(hs, a, SN_STR("server"), sn_str(name)) : r;
}

static int h2_begin(struct http_xi *xi, int64_t length)
{
    struct h2_x *x = h2_x_of(xi);
    struct sn_arena *a = &x->arena;
    if (x->closed) return SN_E_RESET;
    if (x->h->err < 0) return x->h->err;
    struct sn_http_headers hs = {0};
    int r = xi->bare ? 0 : h2_standard_headers(x, &hs);
    if (r == 0 && xi->content_type.ptr)
        r = sn_http_headers_add(&hs, a, SN_STR("content-type"), xi->content_type);
    int status = xi->x.status;
    if (r == 0 && length >= 0 && !xi->bare && status != 204 && (status != 304 || length > 0)) {
        struct sn_str text = http_decimal(a, (uint64_t)length);
        r = text.ptr ? sn_http_headers_add(&hs, a, SN_STR("content-length"), text) : SN_E_NOMEM;
    }
    for (unsigned i = 0; r == 0 && i < xi->resp.len; i++)
        r = sn_http_headers_add(&hs, a, xi->resp.ptr[i].name, xi->resp.ptr[i].value);
    if (r < 0) return r;
    x->body = !http_no_body(xi) && length != 0;
    return sn_h2_respond(x->h->s, x->id, status, &hs, a, x->body);
}

/* Waits until what was handed over has been pulled: the caller's memory is borrowed until then. */
static int h2_drain_out(struct h2_x *x)
{
    int r = h2_flush_soon(x->h);
    while (r >= 0 && !x->closed && (x->out.len || (x->out_end && !x->out_ended))) {
        size_t before = x->out.len;
        int64_t stall = x->xi.srv->o.write_stall_ns_max;
        int64_t at = x->xi.patient ? SN_FOREVER : sn_now_coarse() + stall;
        r = h2_wait(&x->writer, "http2 write", at);
        if (x->h->err < 0) r = x->h->err;
        if (r == SN_E_DEADLINE_EXCEEDED && x->out.len < before) r = 0; /* slow, not stalled */
    }
    if (r >= 0 && x->closed && !x->out_ended) r = SN_E_RESET;
    x->out = (struct sn_str){0};
    return r;
}

static int h2_put(struct h2_x *x, struct sn_str data, bool last)
{
    if (x->closed) return SN_E_RESET;
    if (last && x->xi.trailers.len) {
        int r = sn_h2_trailers(x->h->s, x->id, &x->xi.trailers, &x->arena);
        if (r < 0) return r;
    }
    x->out = data;
    x->out_end = last;
    sn_h2_resume(x->h->s, x->id);
    return 0;
}

static int h2_write(struct http_xi *xi, struct sn_str data, bool last)
{
    struct h2_x *x = h2_x_of(xi);
    if (x->h->err < 0) return x->h->err;
    if (!x->body) return last ? h2_flush(x->h) : 0;
    int r = h2_put(x, data, last);
    return r < 0 ? r : h2_drain_out(x);
}

/* What the peer admits now leaves with somebody's flush; the handler need not wait for it. */
static int h2_finish(struct http_xi *xi, struct sn_str data)
{
    struct h2_x *x = h2_x_of(xi);
    if (x->h->err < 0 || !x->body || data.len > FINISH_MAX ||
        data.len > sn_h2_send_room(x->h->s, x->id))
        return h2_write(xi, data, true);
    int r = h2_put(x, data, true);
    return r < 0 ? r : h2_flush_soon(x->h);
}

static bool h2_body_whole(struct http_xi *xi, struct sn_str *ret)
{
    struct h2_x *x = h2_x_of(xi);
    if (!x->in_end || x->in_off == x->in.len) return false;
    *ret = sn_str_from(sn_buf_view(&x->in), x->in_off);
    x->in_off = x->in.len;
    if (x->h->err == 0) sn_h2_consumed(x->h->s, x->id, ret->len);
    xi->x.bytes_in += ret->len;
    return true;
}

static bool h2_body_over(struct http_xi *xi)
{
    struct h2_x *x = h2_x_of(xi);
    if (!x->in_end || x->in_off < x->in.len) return false;
    xi->x.req.trailers = x->trailers_in;
    return true;
}

static void h2_cancel_on_reset(struct http_xi *xi, bool on)
{
    struct h2_x *x = h2_x_of(xi);
    x->cancel = on ? sn_self() : NULL;
    if (on && x->closed) sn_fiber_cancel(x->cancel);
}

static int h2_flush_op(struct http_xi *xi) { return h2_flush(h2_x_of(xi)->h); }

/* ---- a stream that a handler has taken over ---- */

static ssize_t tn_read(void *of, void *buf, size_t cap)
{
    struct h2_x *x = of;
    return h2_body_read(&x->xi, buf, cap);
}
static int tn_write(void *of, struct sn_str data, bool last)
{
    struct h2_x *x = of;
    return h2_write(&x->xi, data, last);
}
static unsigned tn_state(void *of)
{
    struct h2_x *x = of;
    return (x->in_off < x->in.len ? H2_TUNNEL_READABLE : 0) | (x->in_end ? H2_TUNNEL_IN_END : 0) |
           (x->closed || x->h->err < 0 ? H2_TUNNEL_OVER : 0);
}
static void tn_stop(void *of)
{
    struct h2_x *x = of;
    x->in_cut = true;
    h2_wake(&x->reader);
}
static void tn_reset(void *of, bool whole, bool flush)
{
    struct h2_x *x = of;
    sn_h2_reset(x->h->s, x->id, whole ? SN_H2_NO_ERROR : SN_H2_CANCEL);
    if (flush) h2_flush(x->h);
}
static struct sn_stream *tn_below(void *of) { return ((struct h2_x *)of)->xi.st; }
static void h2_x_end(struct h2_x *x);
static void tn_end(void *of)
{
    struct h2_x *x = of;
    x->tunnel = NULL;
    h2_x_end(x);
}
static const struct h2_tunnel_ops tunnel_ops = {tn_read,  tn_write, tn_state, tn_stop,
                                                tn_reset, tn_below, tn_end};

static int h2_hijack(struct http_xi *xi, struct sn_stream **ret, struct sn_str *ret_rest)
{
    struct h2_x *x = h2_x_of(xi);
    int r = h2_tunnel_new(&tunnel_ops, x, &x->tunnel);
    if (r < 0) return r;
    r = h2_begin(xi, -1);
    if (r == 0) r = h2_flush(x->h);
    if (r < 0) {
        h2_tunnel_abandon(x->tunnel);
        x->tunnel = NULL;
        return r;
    }
    *ret = h2_tunnel_stream(x->tunnel);
    *ret_rest = (struct sn_str){0};
    return 0;
}

static const struct http_x_ops h2_ops = {
    .body_read = h2_body_read,
    .begin = h2_begin,
    .write = h2_write,
    .flush = h2_flush_op,
    .hijack = h2_hijack,
    .finish = h2_finish,
    .body_whole = h2_body_whole,
    .body_over = h2_body_over,
    .cancel_on_reset = h2_cancel_on_reset,
};

/* ---- handlers ------------------------------------------------------------------------------- */

static int refuse(struct h2_x *x, int status, const char *why)
{
    (void)!sn_http_reply(&x->xi.x, status, SN_STR("text/plain; charset=utf-8"), sn_str(why));
    return SN_E_PROTOCOL;
}

static int run_exchange(struct h2_x *x)
{
    uint64_t max = x->xi.srv->o.body_bytes_max;
    if (x->too_large) return refuse(x, 431, "message head over the limit\n");
    if (x->bad) return refuse(x, 400, "malformed request\n");
    if (max && x->xi.x.req.content_length > 0 && (uint64_t)x->xi.x.req.content_length > max)
        return refuse(x, 413, "TOO_LARGE\n");
    return http_x_run(&x->xi);
}

static void h2_x_end(struct h2_x *x)
{
    struct http_h2 *h = x->h;
    x->handler_done = true;
    if (x->closed) x_free(x);
    h->handlers--;
    if (h->handlers == 0) h2_wake(&h->idle);
}

static void h2_handler(void *arg)
{
    struct h2_x *x = arg;
    struct http_h2 *h = x->h;
    struct sn_http_server *s = h->c->srv;
    x->w->n.requests++;
    x->w->n.requests_active++;
    x->w->n.h2_streams++;
    int r = run_exchange(x);
    x->cancel = NULL;
    if (r == SN_E_PANIC) x->w->n.panics++;
    if (x->bad || x->too_large) x->w->n.errors_parse++;
    if (!x->closed && h->err == 0 && !x->tunnel) {
        /* Cut short: reset it. Complete, but the request's body is not wanted: say so kindly. */
        bool complete = x->xi.begun && x->xi.ended && x->xi.err == 0;
        if (!complete)
            sn_h2_reset(h->s, x->id, SN_H2_INTERNAL_ERROR);
        else if (!x->in_end)
            sn_h2_reset_when_sent(h->s, x->id);
        h2_flush(h);
    }
    x->w->n.requests_active--;
    if (s->o.on_done) s->o.on_done(&x->xi.x, r, s->o.arg);
    if (x->tunnel)
        h2_tunnel_unref(x->tunnel);
    else
        h2_x_end(x);
}

static void start_handlers(struct http_h2 *h)
{
    bool any = false;
    struct sn_list *n;
    while ((n = sn_list_pop_front(&h->starting))) {
        struct h2_x *x = SN_LIST_ENTRY(n, struct h2_x, link);
        /* Reset before it began: the cheapest answer to a rapid reset is no work at all. */
        if (x->closed) {
            h->handlers--;
            x_free(x);
            continue;
        }
        any = true;
        if (sn_go_on((unsigned)sn_worker_id(), "http2", h2_handler, x) == 0) continue;
        h->handlers--;
        x->handler_done = true;
        if (x->closed)
            x_free(x);
        else
            sn_h2_reset(h->s, x->id, SN_H2_REFUSED_STREAM);
    }
    if (!any) return;
    /* They run now, and what they answer at once leaves in one write. */
    h->collecting = true;
    sn_yield();
    h->collecting = false;
}

/* The connection ends before they began. */
static void drop_starting(struct http_h2 *h)
{
    struct sn_list *n;
    while ((n = sn_list_pop_front(&h->starting))) {
        struct h2_x *x = SN_LIST_ENTRY(n, struct h2_x, link);
        h->handlers--;
        x->handler_done = true;
        if (x->closed) x_free(x);
    }
}

/* ---- the connection ------------------------------------------------------------------------- */

static struct http_h2 *h2_new(struct http_conn *c)
{
    struct http_h2 *h = SN_NEW(struct http_h2);
    if (!h) return NULL;
    h->c = c;
    sn_list_init(&h->starting);
    h->heard_ns = sn_now_coarse();
    h->age_at_ns = SN_FOREVER;
    int64_t age = c->srv->o.h2_age_ns_max;
    if (age) /* a tenth more or less, so that a fleet's connections do not end together */
        h->age_at_ns = h->heard_ns + age - age / 10 + (int64_t)(sn_random() % (uint64_t)(age / 5 + 1));
    struct sn_h2_opts o = {
        .streams_max = c->srv->o.h2_streams_max,
        .window_max = c->srv->o.h2_window_max,
        .unread_max = c->srv->o.h2_unread_max,
        .ping_min_ns = c->srv->o.h2_ping_min_ns,
        .connect_protocol = true,
        .any_authority = c->srv->o.h2_any_authority,
        .field_bytes_max = c->srv->o.head_bytes_max,
        .fields_max = c->srv->o.headers_max,
        .events = &h2_events,
        .ctx = h,
    };
    if (sn_h2_new(&o, &h->s) < 0) {
        sn_free(h);
        return NULL;
    }
    return h;
}

void http_h2_free(struct http_h2 *h)
{
    if (!h) return;
    SN_ASSERT(h->handlers == 0);
    sn_h2_free(h->s);
    sn_buf_done(&h->out);
    sn_free(h);
}

static bool h2_feed(struct http_h2 *h, struct sn_str data)
{
    h->heard_ns = sn_now_coarse();
    h->pinged_ns = 0;
    int r = sn_h2_recv(h->s, data, h->c->srv->o.h2_window_max ? sn_now() : h->heard_ns);
    if (r < 0) {
        http_server_worker(h->c->srv)->n.errors_parse++;
        h->notice = true; /* no new requests; GOAWAY leaves with the flush */
        drop_starting(h);
        h2_flush_now(h);
        return false;
    }
    start_handlers(h);
    return h2_flush(h) == 0 && !sn_h2_done(h->s);
}

/* Requests are answered as long as there are any, then GOAWAY tells which were the last. */
static bool h2_draining(struct http_h2 *h)
{
    struct http_conn *c = h->c;
    uint32_t max = c->srv->o.requests_per_conn_max;
    int64_t now = sn_now_coarse(), grace = c->srv->o.h2_age_grace_ns;
    if (!http_draining(c->srv) && (!max || c->requests < max) && now < h->age_at_ns) return false;
    if (grace && h->age_at_ns != SN_FOREVER && now - h->age_at_ns > grace) return true;
    if (!h->notice) sn_h2_shutdown(h->s, false);
    h->notice = true;
    if (h->handlers || sn_h2_streams(h->s)) {
        h2_flush(h);
        return false;
    }
    sn_h2_shutdown(h->s, true);
    h2_flush_now(h);
    return true;
}

/* Streams without any handler wait for the rest of their heads: only so long, however the bytes
 * drip. Beside a handler they cost little more than the connection does anyway. */
static bool h2_heads_late(struct http_h2 *h)
{
    if (h->handlers || sn_h2_streams(h->s) == 0) {
        h->head_at_ns = 0;
        return false;
    }
    int64_t now = sn_now_coarse();
    if (!h->head_at_ns) h->head_at_ns = now + h->c->srv->o.head_ns_max;
    if (now < h->head_at_ns) return false;
    http_server_worker(h->c->srv)->n.errors_parse++;
    sn_h2_shutdown(h->s, true);
    h2_flush_now(h);
    return true;
}

/* A peer that is gone without a word: a PING asks it, and its silence ends the connection. */
static bool h2_silent(struct http_h2 *h)
{
    const struct sn_http_server_opts *o = &h->c->srv->o;
    int64_t now = sn_now_coarse();
    if (!o->h2_keepalive_ns) return false;
    if (h->pinged_ns) return now - h->pinged_ns > o->h2_keepalive_timeout_ns;
    if (now - h->heard_ns < o->h2_keepalive_ns) return false;
    h->pinged_ns = now;
    if (sn_h2_ping(h->s) == 0) h2_flush(h);
    return false;
}

/* Returns true to park, false to close. */
static bool h2_loop(struct http_h2 *h, char *buf)
{
    struct http_conn *c = h->c;
    for (;;) {
        if (h->err < 0 || c->cut || h2_draining(h) || h2_heads_late(h) ||
            h2_silent(h))
            return false;
        int64_t prev = sn_deadline_tighten(sn_now_coarse() + H2_LINGER_NS);
        ssize_t n = sn_read(c->st, buf, HTTP_BUF_BYTES);
        sn_deadline_restore(prev);
        if (n == SN_E_DEADLINE_EXCEEDED) {
            if (h->handlers == 0 && sn_h2_streams(h->s) == 0 && !http_draining(c->srv)) return true;
            continue;
        }
        if (n <= 0) return false;
        if (!h2_feed(h, sn_str_of(buf, (size_t)n))) return false;
    }
}

/* Streams go first: their handlers find out, return, and only then may the session die. */
static void h2_end(struct http_h2 *h)
{
    struct http_conn *c = h->c;
    struct sn_h2 *s = h->s;
    if (h->handlers) {
        h2_break(h, SN_E_RESET);
        sn_h2_abandon(s);
    }
    while (h->handlers) (void)!h2_wait(&h->idle, "http2 handlers", SN_FOREVER);
    http_conn_close(c);
}

void http_h2_run(struct http_conn *c, char *seen, size_t n_seen)
{
    struct http_pools *pools = &http_server_worker(c->srv)->pools;
    if (!c->h2) c->h2 = h2_new(c);
    char *buf = c->h2 ? http_buf_take(pools) : NULL;
    bool park = false;
    if (buf) {
        if (!seen || h2_feed(c->h2, sn_str_of(seen, n_seen))) park = h2_loop(c->h2, buf);
        http_buf_give(pools, buf);
    }
    sn_free(seen);
    if (park) {
        sn_buf_done(&c->h2->out);
        http_conn_park(c);
    } else if (c->h2) {
        h2_end(c->h2);
    } else {
        http_conn_close(c);
    }
}

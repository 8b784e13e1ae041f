/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_client.c - calls of the client: attempts, answers, statuses, retries. */
#include "core/alloc.h"
#include "kit/grpc_client_int.h"

static struct grpc_ccall *ccall_of(struct grpc_call *g)
{
    return SN_CONTAINER_OF(g, struct grpc_ccall, g);
}

/* ---- an attempt: a stream on a connection ----------------------------------------------------- */

static int request_headers(struct grpc_ccall *k, struct sn_http_headers *h)
{
    struct grpc_call *g = &k->g;
    struct sn_arena *a = g->c.arena;
    int r = sn_http_headers_add(h, a, SN_STR("te"), SN_STR("trailers"));
    if (r == 0)
        r = sn_http_headers_add(h, a, SN_STR("content-type"), SN_STR("application/grpc"));
    if (r == 0)
        r = sn_http_headers_add(h, a, SN_STR("user-agent"), sn_str(k->w->ch->user_agent));
    if (r == 0)
        r = sn_http_headers_add(h, a, SN_STR("grpc-accept-encoding"), SN_GRPC_ACCEPT_ENCODING);
    if (r == 0 && g->enc_out)
        r = sn_http_headers_add(h, a, SN_STR("grpc-encoding"),
                                sn_grpc_encoding_name((enum sn_grpc_encoding)g->enc_out));
    if (r == 0 && g->c.attempt > 1) {
        struct sn_str n = sn_arena_printf(a, "%u", g->c.attempt - 1);
        r = sn_http_headers_add(h, a, SN_STR("grpc-previous-rpc-attempts"), n);
    }
    if (r == 0 && g->c.deadline_ns != SN_FOREVER) {
        char *text = sn_arena_alloc(a, SN_GRPC_TIMEOUT_LEN);
        if (!text) return SN_E_NOMEM;
        unsigned n = sn_grpc_timeout_format(g->c.deadline_ns - sn_now(), text);
        r = sn_http_headers_add(h, a, SN_STR("grpc-timeout"), sn_str_of(text, n));
    }
    for (unsigned i = 0; r == 0 && i < g->head.len; i++)
        r = sn_http_headers_add(h, a, g->head.ptr[i].name, g->head.ptr[i].value);
    return r;
}

static void attempt_reset(struct grpc_ccall *k)
{
    struct grpc_call *g = &k->g;
    k->head = (struct sn_h2_head){0};
    k->tail_in = (struct sn_http_headers){0};
    k->head_done = k->end = k->stream_closed = k->out_end = k->out_ended = k->sent_any = false;
    if (k->unary) k->over_known = false; /* a stream's other fiber may have ended it for good */
    k->released = k->head_taken = k->tallied = false;
    k->code = 0;
    k->out = (struct sn_str){0};
    k->rx.len = 0;
    sn_buf_reset(&g->in.buf);
    g->in.off = 0;
    g->in_ended = false;
    g->c.received = g->c.trailers = (struct sn_http_headers){0};
}

static int attempt_stream(struct grpc_ccall *k)
{
    struct grpc_call *g = &k->g;
    struct sn_http_headers h = {0};
    int r = request_headers(k, &h);
    if (r < 0) return r;
    struct sn_h2_request rq = {.method = SN_STR("POST"),
                               .scheme = k->w->ch->o.tls ? SN_STR("https") : SN_STR("http"),
                               .authority = k->authority.len ? k->authority
                                            : k->sub->ep.at.host.len
                                                ? k->sub->ep.at.host
                                                : sn_str(k->w->ch->authority),
                               .path = g->c.path,
                               .headers = &h,
                               .body = true};
    k->id = sn_h2_request(k->conn->s, &rq, g->c.arena, k);
    return k->id < 0 ? k->id : 0;
}

void gr_attempt_release(struct grpc_ccall *k, int status)
{
    struct gr_conn *c = k->conn;
    struct gr_sub *s = k->sub;
    if (!c || k->released) return;
    k->released = true;
    if (!k->stream_closed && c->err == 0 && k->id > 0) {
        sn_h2_drop(c->s, k->id, k, SN_H2_CANCEL);
        gr_conn_flush(c);
    }
    k->conn = NULL;
    if (k->aside) {
        gr_conn_unref(c);
        return;
    }
    c->calls--;
    c->used_ns = sn_now_coarse();
    s->ep.inflight--;
    if (status < 0) s->ep.failed++;
    struct gr_worker *w = k->w;
    struct sn_grpc_outcome o = {status, sn_now() - k->attempt_ns, k->head_done};
    if (s->listed && w->lb.ops->outcome) w->lb.ops->outcome(&w->lb, &s->ep, &k->g.c, &o);
    if (!c->sub && c->calls == 0 && c->err == 0) {
        sn_h2_shutdown(c->s, true);
        gr_conn_flush(c);
        gr_conn_break(c, SN_E_CLOSED);
    }
    gr_conn_unref(c);
    if (!sn_list_empty(&w->waiting)) gr_wake_one(w);
}

int gr_attempt_begin(struct grpc_ccall *k)
{
    struct grpc_call *g = &k->g;
    g->c.attempt++;
    for (;;) {
        attempt_reset(k);
        if (k->sub) gr_sub_unref(k->sub);
        k->sub = NULL;
        int r = gr_pick(k->w, &g->c, k->wait_for_ready, &k->sub, &k->conn);
        if (r < 0) return r;
        if (gr_call_ended(&g->c)) { /* meanwhile */
            gr_conn_unref(k->conn);
            k->conn = NULL;
            return SN_E_CANCELLED;
        }
        g->c.endpoint = &k->sub->ep;
        k->attempt_ns = sn_now();
        k->sub->ep.inflight++;
        k->sub->ep.started++;
        k->conn->calls++;
        k->conn->streams_started++;
        r = attempt_stream(k);
        if (r == 0) {
            g->head_sent = true;
            return 0;
        }
        k->id = 0;
        gr_attempt_release(k, r);
        if (r != SN_E_UNAVAILABLE) return r; /* that: the connection takes no more streams */
    }
}

int gr_attempt_on(struct grpc_ccall *k, struct gr_conn *c)
{
    k->aside = true;
    k->sub = c->sub;
    k->sub->refs++;
    k->conn = c;
    c->refs++;
    int r = attempt_stream(k);
    if (r == 0) {
        k->g.head_sent = true;
        return 0;
    }
    k->id = 0;
    gr_attempt_release(k, r);
    return r;
}

/* ---- answers ---------------------------------------------------------------------------------- */

/* What came is to be read; the connection's window learns of it. */
static int take_rx(struct grpc_ccall *k)
{
    struct grpc_call *g = &k->g;
    size_t n = k->rx.len;
    if (n == 0) return 0;
    if (g->in.off == g->in.buf.len) {
        struct sn_buf empty = g->in.buf;
        sn_buf_reset(&empty);
        empty.limit = k->rx.limit;
        g->in.buf = k->rx;
        g->in.buf.limit = 0;
        g->in.off = 0;
        k->rx = empty;
    } else {
        size_t cap;
        uint8_t *p = sn_grpc_in_room(&g->in, n, &cap);
        if (!p) return SN_E_RESOURCE_EXHAUSTED;
        memcpy(p, k->rx.ptr, n);
        sn_grpc_in_add(&g->in, n);
        sn_buf_reset(&k->rx);
    }
    struct gr_conn *c = k->conn;
    if (c && c->err == 0 && !k->stream_closed) {
        sn_h2_consumed(c->s, k->id, n);
        if (sn_h2_wants_write(c->s)) gr_conn_flush(c);
    }
    return 0;
}

static int head_take(struct grpc_ccall *k)
{
    struct grpc_call *g = &k->g;
    if (k->head_taken || !k->head_done) return 0;
    k->head_taken = true;
    struct sn_http_headers *h = &k->head.headers;
    int e = sn_grpc_encoding_of(sn_http_headers_get(h, SN_STR("grpc-encoding")));
    if (e < 0) return sn_fail(SN_E_INTERNAL, "answer in an encoding that was not offered");
    g->enc_in = (uint8_t)e;
    if (!k->unary && gr_committed(k)) gr_stream_forget(k);
    return sn_grpc_metadata_of(h, g->c.arena, &g->c.received);
}

static int reset_status(uint32_t code)
{
    switch (code) {
    case SN_H2_REFUSED_STREAM: return SN_E_UNAVAILABLE;
    case SN_H2_CANCEL: return SN_E_CANCELLED;
    case SN_H2_ENHANCE_YOUR_CALM: return SN_E_RESOURCE_EXHAUSTED;
    case 12: return SN_E_PERMISSION_DENIED; /* INADEQUATE_SECURITY */
    default: return SN_E_INTERNAL;
    }
}

/* What the trailers say, or what their absence means. */
static void answer_status(struct grpc_ccall *k, struct sn_grpc_status *st)
{
    struct grpc_call *g = &k->g;
    struct sn_arena *a = g->c.arena;
    struct sn_str name = SN_STR("grpc-status");
    const struct sn_http_headers *t = &k->tail_in;
    struct sn_str code = sn_http_headers_get(t, name);
    if (!code.ptr && k->end) { /* Trailers-Only */
        code = sn_http_headers_get(&k->head.headers, name);
        if (code.ptr) t = &k->head.headers;
    }
    *st = (struct sn_grpc_status){0};
    if (code.ptr && (k->end || k->code == 0)) {
        st->code = sn_grpc_code_parse(code);
        st->message = sn_grpc_message_decode(sn_http_headers_get(t, SN_STR("grpc-message")), a);
        struct sn_str d = sn_http_headers_get(t, SN_STR("grpc-status-details-bin"));
        if (d.ptr && sn_grpc_bin_decode(d, a, &st->details) < 0) st->details = (struct sn_str){0};
        (void)!sn_grpc_metadata_of(t, a, &g->c.trailers);
        /* Its clock ran out a little before ours: what the caller set is what happened. */
        if (st->code == SN_E_CANCELLED && sn_now() >= g->c.deadline_ns)
            st->code = SN_E_DEADLINE_EXCEEDED;
    } else if (k->head_done && k->head.status != 200) {
        st->code = sn_grpc_code_from_http(k->head.status);
        st->message = sn_arena_printf(a, "HTTP status %d", k->head.status);
    } else if (k->stream_closed && k->code) {
        st->code = sn_now() >= g->c.deadline_ns ? SN_E_DEADLINE_EXCEEDED : reset_status(k->code);
        st->message = sn_arena_printf(a, "stream reset by the server, HTTP/2 error %u", k->code);
    } else {
        enum sn_grpc_codec codec;
        struct sn_str type = sn_http_headers_get(&k->head.headers, SN_STR("content-type"));
        bool ours = sn_grpc_content_type(type, &codec) == SN_GRPC_HTTP2;
        st->code = ours ? SN_E_INTERNAL : SN_E_UNKNOWN;
        st->message = ours ? SN_STR("stream ended without grpc-status")
                           : sn_arena_printf(a, "answer of content-type \"%.*s\"", SN_STR_ARG(type));
    }
}

void gr_call_status(struct grpc_ccall *k, struct sn_grpc_status *st)
{
    struct gr_conn *c = k->conn;
    if (k->cancelled) {
        *st = (struct sn_grpc_status){.code = SN_E_CANCELLED};
    } else if (c && c->err < 0 && !k->end) {
        bool late = sn_now() >= k->g.c.deadline_ns;
        *st = (struct sn_grpc_status){.code = late ? SN_E_DEADLINE_EXCEEDED : SN_E_UNAVAILABLE,
                                      .message = SN_STR("connection lost")};
    } else {
        answer_status(k, st);
    }
}

int gr_call_finish(struct grpc_ccall *k, const struct sn_grpc_status *st)
{
    struct grpc_call *g = &k->g;
    if (!k->over_known) {
        k->over_known = true;
        g->in_ended = true;
        g->c.status = *st;
        if (!k->unary) gr_retry_tally(k, st->code);
        gr_attempt_release(k, st->code);
        bool counts = !k->unary && !k->aside;
        if (st->code < 0) k->w->n.calls_failed += counts;
        else k->w->n.calls_ok += counts;
        if (!k->unary) grpc_run_done(g);
    }
    if (g->c.status.code == 0) return 0;
    return sn_fail(g->c.status.code, "%.*s", SN_STR_ARG(g->c.status.message));
}

/* ---- operations of a stream ------------------------------------------------------------------- */

static ssize_t c_fill(struct grpc_call *g)
{
    struct grpc_ccall *k = ccall_of(g);
    for (;;) {
        int r = head_take(k);
        if (r < 0) return r;
        if (k->rx.len) {
            r = take_rx(k);
            return r < 0 ? r : 1;
        }
        if (k->over_known || k->cancelled) return 0;
        if (k->end || k->stream_closed || k->retrying) {
            r = gr_stream_again(k, &k->reader);
            if (r == 1) continue;
            return r;
        }
        r = h2_wait(&k->reader, "grpc answer", g->c.deadline_ns);
        if (r < 0) return r;
    }
}

static int c_over(struct grpc_call *g)
{
    struct grpc_ccall *k = ccall_of(g);
    struct sn_grpc_status st = g->c.status;
    if (!k->over_known) gr_call_status(k, &st);
    return gr_call_finish(k, &st);
}

static int c_failed(struct grpc_call *g, int why)
{
    struct grpc_ccall *k = ccall_of(g);
    struct sn_grpc_status st = {.code = -sn_status_canonical(why)};
    if (sn_diag()->code == why)
        st.message = sn_arena_str(g->c.arena, sn_str(sn_diag_str(why)));
    return gr_call_finish(k, &st);
}

static bool live(const struct grpc_ccall *k)
{
    return !k->over_known && k->conn && !k->stream_closed;
}

/* g.out is what k->out has to send next. Returns 1 where it was copied, 0 where k->out shows it. */
static int queue_out(struct grpc_ccall *k)
{
    int r = 0;
    while (r == 0 && k->retrying) r = h2_wait(&k->writer, "grpc retry", k->g.c.deadline_ns);
    if (r < 0) return r;
    if (gr_stream_keep(k)) return 1;
    while (k->out.len && live(k)) { /* what an earlier attempt had sent already goes first */
        r = h2_wait(&k->writer, "grpc send", k->g.c.deadline_ns);
        if (r < 0) return r;
    }
    k->out = sn_buf_view(&k->g.out);
    return 0;
}

/* Until k->out has left, on this attempt or another. */
static int send_out(struct grpc_ccall *k)
{
    for (bool told = false; !told || k->out.len;) {
        int r = 0;
        if (!live(k)) {
            r = gr_stream_again(k, &k->writer);
            if (r == 0) return SN_E_EOF;
            told = true; /* the next attempt sends all there is */
        } else if (!told) {
            told = true;
            sn_h2_resume(k->conn->s, k->id);
            (void)gr_conn_flush(k->conn); /* where it breaks the stream is closed */
        } else {
            r = h2_wait(&k->writer, "grpc send", k->g.c.deadline_ns);
        }
        if (r < 0) return r;
    }
    return 0;
}

static int c_push(struct grpc_call *g)
{
    struct grpc_ccall *k = ccall_of(g);
    int kept = k->over_known ? SN_E_EOF : queue_out(k);
    int r = kept < 0 ? kept : send_out(k);
    if (kept == 0) k->out = (struct sn_str){0};
    sn_buf_reset(&g->out);
    if (!k->may_retry && k->kept.len) gr_stream_forget(k);
    if (r == SN_E_EOF) return r;
    return r < 0 ? c_failed(g, r) : 0;
}

static const struct grpc_call_ops client_ops = {
    .fill = c_fill, .push = c_push, .over = c_over, .failed = c_failed};

int sn_grpc_close_send(struct sn_grpc_call *c)
{
    struct grpc_call *g = grpc_call_of(c);
    struct grpc_ccall *k = ccall_of(g);
    if (c->server) return sn_fail(SN_E_FAILED_PRECONDITION, "a server's stream ends with its handler");
    if (g->out_closed) return 0;
    int r = g->out.len ? c_push(g) : 0;
    g->out_closed = true;
    if (r < 0) return r;
    if (k->over_known) return SN_E_EOF;
    if (!k->retrying && live(k)) {
        k->out_end = true;
        sn_h2_resume(k->conn->s, k->id);
        if (gr_conn_flush(k->conn) == 0) return 0;
    }
    return k->may_retry ? 0 : SN_E_EOF; /* the next attempt, if there is one, knows it */
}

int sn_grpc_recv_head(struct sn_grpc_call *c)
{
    struct grpc_call *g = grpc_call_of(c);
    struct grpc_ccall *k = ccall_of(g);
    int r = 1;
    while (r == 1) {
        while (!k->head_done && !k->end && !k->stream_closed && !k->over_known && !k->retrying) {
            r = h2_wait(&k->reader, "grpc answer", c->deadline_ns);
            if (r < 0) return c_failed(g, r);
        }
        r = gr_committed(k) && !k->retrying ? 0 : gr_stream_again(k, &k->reader);
    }
    if (r == 0) r = head_take(k);
    if (r < 0) return c_failed(g, r);
    return k->head_done ? 0 : c_over(g);
}

void sn_grpc_cancel(struct sn_grpc_call *c)
{
    struct grpc_ccall *k = ccall_of(grpc_call_of(c));
    if (k->over_known) return;
    k->cancelled = true;
    if (k->retrying) { /* it waits for its time, or for a connection */
        h2_wake(&k->reader);
        h2_wake(&k->writer);
        gr_wake_all(k->w);
    }
    struct gr_conn *conn = k->conn;
    if (!conn || k->stream_closed || conn->err < 0) return;
    conn->refs++;
    sn_h2_drop(conn->s, k->id, k, SN_H2_CANCEL); /* calls `closed`, which wakes whoever waits */
    gr_conn_flush(conn);
    gr_conn_unref(conn);
}

/* ---- a call's record -------------------------------------------------------------------------- */

static int call_options(struct grpc_ccall *k, const struct sn_grpc_opts *o)
{
    static const struct sn_grpc_opts none;
    struct grpc_call *g = &k->g;
    struct sn_grpc_channel *ch = k->w->ch;
    if (!o) o = &none;
    k->config = gr_config_method(gr_config_of(k->w), g->c.path);
    g->c.start_ns = sn_now();
    g->c.deadline_ns = sn_deadline();
    int64_t max = o->timeout_ns;
    if (k->config && k->config->timeout_ns && (!max || k->config->timeout_ns < max))
        max = k->config->timeout_ns;
    if (max && max < SN_FOREVER - g->c.start_ns)
        g->c.deadline_ns = SN_MIN(g->c.deadline_ns, g->c.start_ns + max);
    k->wait_for_ready = o->wait_for_ready || (k->config && k->config->wait_for_ready == 1);
    k->no_retry = o->no_retry || ch->o.retry_off;
    g->c.hash = o->hash;
    size_t recv = o->recv_bytes_max ? o->recv_bytes_max : ch->o.recv_bytes_max;
    g->send_max = ch->o.send_bytes_max;
    if (k->config && k->config->recv_max >= 0) recv = SN_MIN(recv, (size_t)k->config->recv_max);
    if (k->config && k->config->send_max >= 0)
        g->send_max = SN_MIN(g->send_max, (size_t)k->config->send_max);
    g->recv_max = g->in.bytes_max = (uint32_t)SN_MIN(recv, (size_t)SN_PB_BYTES_MAX);
    int e = o->compress ? SN_MAX(o->compress, 0) : (int)ch->o.compress;
    g->enc_out = (uint8_t)e;
    g->compress = e != SN_GRPC_IDENTITY;
    int r = 0;
    for (unsigned i = 0; r == 0 && i < o->n_metadata; i++)
        r = sn_grpc_metadata_add(&g->c, o->metadata[i].name, o->metadata[i].value);
    return r;
}

static void call_free(struct grpc_ccall *k)
{
    if (k->sub) gr_sub_unref(k->sub);
    grpc_call_done(&k->g);
    sn_buf_done(&k->rx);
    k->out = (struct sn_str){0};
    gr_stream_forget(k);
    struct sn_arena a = k->g.own_arena; /* the record lies in its own arena */
    sn_arena_done(&a);
}

int gr_call_new(struct sn_grpc_channel *ch, const struct sn_pb_method *m, struct sn_str path,
                    const struct sn_grpc_opts *o, struct grpc_ccall **ret)
{
    struct gr_worker *w = gr_worker_here(ch);
    struct sn_arena a;
    sn_arena_init(&a, &w->arenas, 0);
    struct grpc_ccall *k = SN_ARENA_NEW(&a, struct grpc_ccall);
    if (!k) {
        sn_arena_done(&a);
        return SN_E_RESOURCE_EXHAUSTED;
    }
    k->g.own_arena = a;
    grpc_call_init(&k->g, &client_ops, &k->g.own_arena);
    sn_buf_init(&k->rx, ch->o.window_bytes_max + SN_H2_STREAM_WINDOW);
    k->w = w;
    k->g.c.channel = ch;
    k->g.c.method = m;
    k->g.c.path = path;
    k->g.in_desc = m ? m->output : NULL;
    k->g.out_desc = m ? m->input : NULL;
    k->g.interceptors = ch->interceptors;
    k->g.n_interceptors = ch->o.n_interceptors;
    int r = call_options(k, o);
    if (r < 0) {
        call_free(k);
        return r;
    }
    *ret = k;
    return 0;
}

/* ---- unary ------------------------------------------------------------------------------------ */

struct unary_job {
    const void *req;
    struct sn_str raw, *ret_raw;
    struct sn_arena *a;
    void **ret;
};

static int await_end(struct grpc_ccall *k)
{
    while (!k->end && !k->stream_closed) {
        int r = k->rx.len >= SN_H2_STREAM_WINDOW / 4 ? take_rx(k) : 0;
        if (r == 0) r = h2_wait(&k->reader, "grpc answer", k->g.c.deadline_ns);
        if (r < 0) return r;
    }
    return 0;
}

static int read_answer(struct grpc_ccall *k, const struct unary_job *j)
{
    struct grpc_call *g = &k->g;
    struct sn_str m, more;
    int r = head_take(k);
    if (r == 0) r = take_rx(k);
    if (r == 0) r = grpc_unframe(g, &m);
    if (r < 0) return r;
    if (r == 0) return sn_fail(SN_E_INTERNAL, "answer without a message");
    if (j->ret_raw) {
        *j->ret_raw = sn_arena_str(j->a, m);
        r = j->ret_raw->ptr ? 0 : SN_E_RESOURCE_EXHAUSTED;
    } else {
        r = grpc_decode(g, g->in_desc, m, true, j->a, j->ret);
    }
    if (r < 0) return r;
    r = grpc_unframe(g, &more);
    if (r > 0) return sn_fail(SN_E_INTERNAL, "a second message in a unary answer");
    return r;
}

static int one_attempt(struct grpc_ccall *k, const struct unary_job *j)
{
    struct grpc_call *g = &k->g;
    int r = gr_attempt_begin(k);
    if (r < 0) return c_failed(g, r);
    k->out = sn_buf_view(&g->out);
    k->out_end = true;
    if (gr_conn_flush(k->conn) == 0) r = await_end(k);
    k->out = (struct sn_str){0};
    if (r < 0) return c_failed(g, r);
    struct sn_grpc_status st;
    gr_call_status(k, &st);
    if (st.code == 0) {
        r = read_answer(k, j);
        if (r < 0) return c_failed(g, r);
    } else {
        (void)!head_take(k);
    }
    return gr_call_finish(k, &st);
}

static int unary_end(struct grpc_call *g, void *arg)
{
    struct grpc_ccall *k = ccall_of(g);
    struct unary_job *j = arg;
    sn_buf_reset(&g->out);
    int r = j->req ? grpc_put_msg(g, j->req) : grpc_put_raw(g, j->raw);
    if (r < 0) return c_failed(g, r);
    for (;;) {
        r = one_attempt(k, j);
        int64_t wait = gr_retry_after(k, r);
        if (r == 0 || wait < 0) return r;
        if (wait >= g->c.deadline_ns - sn_now()) return r;
        k->w->n.retries++;
        if (wait && sn_sleep(wait) < 0) return r;
    }
}

static void give_texts(struct grpc_ccall *k, struct sn_arena *a, const struct sn_grpc_opts *o)
{
    struct sn_grpc_status *st = o->ret_status;
    if (st) {
        *st = k->g.c.status;
        st->message = sn_arena_str(a, st->message);
        if (st->details.ptr) st->details = sn_arena_str(a, st->details);
    }
    const struct sn_http_headers *from[2] = {&k->g.c.received, &k->g.c.trailers};
    struct sn_http_headers *to[2] = {o->ret_metadata, o->ret_trailers};
    for (unsigned i = 0; i < 2; i++) {
        if (!to[i]) continue;
        *to[i] = (struct sn_http_headers){0};
        for (unsigned n = 0; n < from[i]->len; n++)
            (void)!sn_http_headers_add(to[i], a, sn_arena_str(a, from[i]->ptr[n].name),
                                       sn_arena_str(a, from[i]->ptr[n].value));
    }
}

static int unary(struct sn_grpc_channel *ch, const struct sn_pb_method *m, struct sn_str path,
                 struct unary_job *j, const struct sn_grpc_opts *o)
{
    struct grpc_ccall *k;
    int r = gr_call_new(ch, m, path, o, &k);
    if (r < 0) return r;
    k->unary = true;
    k->w->n.calls_started++;
    int64_t prev = sn_deadline_tighten(k->g.c.deadline_ns);
    r = grpc_run_chain(&k->g, false, unary_end, j);
    sn_deadline_restore(prev);
    if (r < 0 && k->g.c.status.code != r) /* an interceptor's word */
        k->g.c.status = (struct sn_grpc_status){.code = -sn_status_canonical(r)};
    if (r >= 0) k->w->n.calls_ok++;
    else k->w->n.calls_failed++;
    grpc_run_done(&k->g);
    if (o) give_texts(k, j->a, o);
    call_free(k);
    return r < 0 ? r : 0;
}

int sn_grpc_unary(struct sn_grpc_channel *ch, const struct sn_pb_method *m, const void *req,
                  struct sn_arena *a, void **ret, const struct sn_grpc_opts *o)
{
    struct unary_job j = {.req = req, .a = a, .ret = ret};
    return unary(ch, m, m->path, &j, o);
}

int sn_grpc_unary_raw(struct sn_grpc_channel *ch, struct sn_str path, struct sn_str req,
                      struct sn_arena *a, struct sn_str *ret, const struct sn_grpc_opts *o)
{
    struct unary_job j = {.raw = req, .ret_raw = ret, .a = a};
    return unary(ch, NULL, path, &j, o);
}

/* ---- streams ---------------------------------------------------------------------------------- */

static int open_end(struct grpc_call *g, void *arg)
{
    struct grpc_ccall *k = ccall_of(g);
    int64_t prev = sn_deadline_tighten(g->c.deadline_ns);
    int r = gr_stream_begin(k);
    sn_deadline_restore(prev);
    return r;
}

int sn_grpc_open(struct sn_grpc_channel *ch, const struct sn_pb_method *m, struct sn_str path,
                 const struct sn_grpc_opts *o, struct sn_grpc_call **ret)
{
    struct grpc_ccall *k;
    if (m) path = m->path;
    int r = gr_call_new(ch, m, path, o, &k);
    if (r < 0) return r;
    k->w->n.calls_started++;
    struct sn_str kept = sn_arena_str(k->g.c.arena, path);
    k->g.c.path = kept;
    r = kept.ptr ? grpc_run_chain(&k->g, false, open_end, NULL) : SN_E_RESOURCE_EXHAUSTED;
    if (r < 0) {
        r = c_failed(&k->g, r);
        call_free(k);
        return r;
    }
    *ret = &k->g.c;
    return 0;
}

int sn_grpc_open_with(struct sn_grpc_channel *ch, const struct sn_pb_method *m, const void *req,
                      const struct sn_grpc_opts *o, struct sn_grpc_call **ret)
{
    int r = sn_grpc_open(ch, m, m->path, o, ret);
    if (r < 0) return r;
    sn_grpc_hold(*ret, true);
    r = sn_grpc_send(*ret, req);
    if (r == 0) r = sn_grpc_close_send(*ret);
    if (r >= 0 || r == SN_E_EOF) return 0; /* its receive tells how it ended */
    (void)sn_grpc_close(*ret);
    *ret = NULL;
    return r;
}

int sn_grpc_close(struct sn_grpc_call *c)
{
    if (!c) return 0;
    struct grpc_ccall *k = ccall_of(grpc_call_of(c));
    if (!k->over_known) {
        struct sn_grpc_status st = {.code = SN_E_CANCELLED};
        /* All of the answer may be here without anybody having asked for its status. */
        if ((k->end || k->stream_closed) && !k->cancelled) gr_call_status(k, &st);
        (void)!gr_call_finish(k, &st);
    }
    int code = c->status.code;
    call_free(k);
    return code;
}

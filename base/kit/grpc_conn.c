/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_conn.c - one HTTP/2 connection of a gRPC client: its fiber reads, whoever has frames
 * flushes. Calls of one worker share it without a lock. */
#include "core/alloc.h"
#include "kit/grpc_client_int.h"

#define WRITE_BYTES (64u << 10)
#define WRITE_STALL_NS (30 * SN_SEC)
#define SETTINGS_NS_MAX (20 * SN_SEC)
#define CALM_MAX 10u

/* ---- session events --------------------------------------------------------------------------- */

/* A unary call sleeps until its answer is whole, or so much of it is here that the window wants it
 * taken. */
static void in_changed(struct grpc_ccall *k)
{
    if (k->unary && !k->end && !k->stream_closed && k->rx.len < SN_H2_STREAM_WINDOW / 4) return;
    if (k->reader.f && k->conn) k->conn->woke = true;
    h2_wake(&k->reader);
}

static void ev_head(void *ctx, void *user, const struct sn_h2_head *head, bool end)
{
    struct grpc_ccall *k = user;
    k->head = *head;
    k->head_done = true;
    if (!end) in_changed(k);
}
static void ev_data(void *ctx, void *user, struct sn_str data)
{
    struct gr_conn *c = ctx;
    struct grpc_ccall *k = user;
    if (sn_buf_str(&k->rx, data) < 0) sn_h2_reset(c->s, k->id, SN_H2_INTERNAL_ERROR);
    in_changed(k);
}
static void ev_trailers(void *ctx, void *user, const struct sn_http_headers *t)
{
    ((struct grpc_ccall *)user)->tail_in = *t;
}
static void ev_end(void *ctx, void *user)
{
    struct grpc_ccall *k = user;
    k->end = true;
    in_changed(k);
}
static size_t ev_pull(void *ctx, void *user, size_t max, const char **ret, bool *ret_end)
{
    struct grpc_ccall *k = user;
    *ret = k->out.ptr;
    *ret_end = k->out_end && k->out.len <= max;
    return SN_MIN(k->out.len, max);
}
static void ev_sent(void *ctx, void *user, size_t n, bool end)
{
    struct grpc_ccall *k = user;
    k->out = sn_str_from(k->out, n);
    k->out_ended |= end;
    k->sent_any = true;
    if (k->out.len == 0) h2_wake(&k->writer);
}
static void ev_closed(void *ctx, void *user, uint32_t code)
{
    struct gr_conn *c = ctx;
    struct grpc_ccall *k = user;
    k->stream_closed = true;
    k->code = code;
    if (k->rx.len && c->err == 0) sn_h2_consumed(c->s, 0, k->rx.len);
    in_changed(k);
    h2_wake(&k->writer);
}

/* It takes no more calls: its endpoint may be dialled again. */
static void conn_detach(struct gr_conn *c)
{
    struct gr_sub *sub = c->sub;
    c->sub = NULL;
    h2_wake(&c->health_pause);
    if (sub) gr_sub_lost(sub);
}
static void ev_goaway(void *ctx, int32_t last_id, uint32_t code)
{
    struct gr_conn *c = ctx;
    if (code == SN_H2_ENHANCE_YOUR_CALM && c->w->calm < CALM_MAX) c->w->calm++;
    conn_detach(c);
}
static void ev_settings(void *ctx)
{
    struct gr_conn *c = ctx;
    c->settings = true;
    if (c->sub) gr_sub_ready(c->sub);
}
static void ev_pong(void *ctx) { ((struct gr_conn *)ctx)->pinged_ns = 0; }

const struct sn_h2_events gr_events = {
    .head = ev_head,
    .data = ev_data,
    .trailers = ev_trailers,
    .end = ev_end,
    .pull = ev_pull,
    .sent = ev_sent,
    .closed = ev_closed,
    .goaway = ev_goaway,
    .settings = ev_settings,
    .pong = ev_pong,
};

/* ---- the connection --------------------------------------------------------------------------- */

int gr_conn_new(struct gr_worker *w, struct gr_sub *sub, struct sn_stream *st, struct gr_conn **ret)
{
    struct gr_conn *c = SN_NEW(struct gr_conn);
    if (!c) return SN_E_NOMEM;
    struct sn_h2_opts o = {.client = true,
                           .window_max = (uint32_t)w->ch->o.window_bytes_max,
                           .unread_max = GRPC_UNREAD_MAX,
                           .events = &gr_events,
                           .ctx = c};
    int r = sn_h2_new(&o, &c->s);
    if (r < 0) {
        sn_free(c);
        return r;
    }
    c->w = w;
    c->id = grpc_z_id();
    c->sub = sub;
    c->st = st;
    c->refs = 1;
    c->heard_ns = c->used_ns = sn_now();
    w->n_conns++;
    *ret = c;
    return 0;
}

void gr_conn_unref(struct gr_conn *c)
{
    if (--c->refs) return;
    sn_h2_free(c->s);
    sn_buf_done(&c->out);
    if (!c->closed) sn_stream_close(c->st);
    c->w->n_conns--;
    sn_free(c);
}

void gr_conn_break(struct gr_conn *c, int err)
{
    if (c->err < 0) return;
    c->err = err;
    if (!c->closed) {
        c->closed = true;
        sn_stream_close(c->st);
    }
    sn_h2_abandon(c->s);
    conn_detach(c);
}

int gr_conn_flush(struct gr_conn *c)
{
    if (c->err < 0) return c->err;
    if (c->flushing || c->collecting) {
        c->again = true;
        return 0;
    }
    c->flushing = true;
    c->refs++;
    struct h2_outbox o;
    do {
        c->again = false;
        int r = h2_outbox_fill(&o, c->s, &c->out, c->st, WRITE_BYTES);
        if (r < 0) gr_conn_break(c, r);
        if (c->err < 0 || h2_outbox_empty(&o)) continue;
        c->again = true;
        /* Every call's frames leave in this fiber's write: its own end must not be theirs. */
        r = sn_shield(WRITE_STALL_NS, h2_outbox_write, &o);
        if (r < 0) gr_conn_break(c, r);
    } while (c->err == 0 && c->again);
    c->flushing = false;
    int err = c->err;
    gr_conn_unref(c);
    return err;
}

void gr_conn_retire(struct gr_conn *c)
{
    conn_detach(c);
    if (c->calls == 0) gr_conn_break(c, SN_E_CLOSED);
}

static int64_t keepalive_ns(const struct gr_conn *c)
{
    int64_t ns = c->w->ch->o.keepalive_ns;
    return ns > SN_HOUR ? ns : ns << c->w->calm;
}

/* Until when to wait for bytes, and what is due then. */
static int64_t next_due(const struct gr_conn *c)
{
    const struct sn_grpc_channel_opts *o = &c->w->ch->o;
    int64_t keepalive = keepalive_ns(c);
    if (!c->settings) return c->used_ns + SETTINGS_NS_MAX;
    int64_t at = SN_FOREVER;
    if (c->pinged_ns)
        at = c->pinged_ns + o->keepalive_timeout_ns;
    else if (keepalive && (c->calls || o->keepalive_idle))
        at = c->heard_ns + keepalive;
    if (c->calls == 0) at = SN_MIN(at, c->used_ns + o->idle_ns);
    /* A call may begin while this waits: it does not wake the reader. */
    return keepalive ? SN_MIN(at, sn_now() + keepalive) : at;
}

/* Nothing came until then. Returns whether the connection goes on. */
static bool on_silence(struct gr_conn *c)
{
    const struct sn_grpc_channel_opts *o = &c->w->ch->o;
    int64_t now = sn_now();
    if (!c->settings || (c->pinged_ns && now - c->pinged_ns >= o->keepalive_timeout_ns)) {
        gr_conn_break(c, sn_fail(SN_E_UNAVAILABLE, c->settings ? "keepalive ping not answered"
                                                               : "server sent no SETTINGS"));
        return false;
    }
    if (c->calls == 0 && now - c->used_ns >= o->idle_ns) {
        conn_detach(c);
        sn_h2_shutdown(c->s, true);
        gr_conn_flush(c);
        return false;
    }
    int64_t keepalive = keepalive_ns(c);
    if (keepalive && !c->pinged_ns && (c->calls || o->keepalive_idle) &&
        now - c->heard_ns >= keepalive && sn_h2_ping(c->s) == 0) {
        c->pinged_ns = now;
        c->keepalives++;
        gr_conn_flush(c);
    }
    return true;
}

void gr_conn_run(struct gr_conn *c)
{
    char *buf = sn_alloc(HTTP_BUF_BYTES);
    if (!buf) gr_conn_break(c, SN_E_NOMEM);
    gr_conn_flush(c);
    while (c->err == 0 && (c->sub || c->calls)) {
        int64_t prev = sn_deadline_tighten(next_due(c));
        ssize_t n = sn_read(c->st, buf, HTTP_BUF_BYTES);
        sn_deadline_restore(prev);
        if (c->err < 0) break;
        if (n == SN_E_DEADLINE_EXCEEDED) {
            if (!on_silence(c)) break;
            continue;
        }
        if (n <= 0) {
            gr_conn_break(c, n == 0 ? SN_E_RESET : (int)n);
            break;
        }
        c->heard_ns = sn_now();
        c->pinged_ns = 0;
        c->woke = false;
        int r = sn_h2_recv(c->s, sn_str_of(buf, (size_t)n), c->heard_ns);
        if (c->woke) {
            /* Whom this woke runs now, and what they send leaves in one write. */
            c->collecting = true;
            sn_yield();
            c->collecting = false;
        }
        gr_conn_flush(c);
        if (r < 0 || sn_h2_done(c->s)) gr_conn_break(c, r < 0 ? r : SN_E_RESET);
    }
    if (c->err == 0) {
        sn_h2_shutdown(c->s, true);
        gr_conn_flush(c);
        gr_conn_break(c, SN_E_CLOSED);
    }
    sn_free(buf);
    gr_conn_unref(c);
}

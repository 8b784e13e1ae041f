/* SPDX-License-Identifier: Apache-2.0 */
/* kit/http_h2_tunnel.c - the stream of an extended CONNECT (RFC 8441) as a struct sn_stream, of a
 * server's exchange or of a client's call.
 *
 * It belongs to its connection's worker. Everything but `close` leans on what is below; a close
 * must not suspend, so a fiber of its own ends the HTTP/2 stream and then what it belongs to. Parked,
 * it keeps no fiber: the connection's reader starts one when something arrives. */
#include "core/alloc.h"
#include "kit/http_h2_int.h"

/* A fiber could not be started for lack of memory: the next attempt. */
#define FIRE_AGAIN_NS (10 * SN_MS)
/* Pieces of one write are joined up to here: one DATA frame, one flush. */
#define JOIN_MAX (64u << 10)

struct h2_tunnel {
    struct sn_stream s;
    const struct h2_tunnel_ops *ops;
    void *of;
    int worker;
    unsigned refs; /* the owner, the handler or response, operations in progress */
    bool closed, firing;
    bool writing;        /* a fiber is in ops->write, whose bytes are borrowed */
    bool shut, shut_due; /* the end was written; will be, by who is writing */
    struct sn_timer timer; /* parked: the idle limit, or another attempt to fire */
    sn_stream_ready_fn fn; /* parked */
    void *arg;
    int why;
};

static struct h2_tunnel *tunnel_of(struct sn_stream *s)
{
    struct h2_tunnel *t = SN_CONTAINER_OF(s, struct h2_tunnel, s);
    SN_ASSERT(sn_worker_id() == t->worker);
    return t;
}

void h2_tunnel_unref(struct h2_tunnel *t)
{
    if (--t->refs) return;
    const struct h2_tunnel_ops *ops = t->ops;
    void *of = t->of;
    sn_free(t);
    ops->end(of);
}

/* ---- reading and writing -------------------------------------------------------------------- */

static ssize_t tunnel_read(struct sn_stream *s, void *buf, size_t cap)
{
    struct h2_tunnel *t = tunnel_of(s);
    t->refs++;
    ssize_t n = t->ops->read(t->of, buf, cap);
    if (t->closed) n = SN_E_CLOSED;
    h2_tunnel_unref(t);
    return n;
}

static int tunnel_put(struct h2_tunnel *t, struct sn_str data, bool last)
{
    t->writing = true;
    int r = t->ops->write(t->of, data, last);
    t->writing = false;
    return t->closed ? SN_E_CLOSED : r;
}

static int tunnel_end_out(struct h2_tunnel *t)
{
    if (t->shut || (t->ops->state(t->of) & H2_TUNNEL_OVER)) return 0;
    t->shut = true;
    return tunnel_put(t, (struct sn_str){0}, true);
}

static ssize_t tunnel_writev(struct sn_stream *s, struct iovec *iov, int n)
{
    struct h2_tunnel *t = tunnel_of(s);
    if (t->shut || t->shut_due) return SN_E_CLOSED;
    struct sn_buf joined;
    sn_buf_init(&joined, 0);
    ssize_t total = 0;
    int r = 0;
    t->refs++;
    for (int i = 0; i < n && r == 0;) {
        struct sn_str piece = sn_str_of(iov[i].iov_base, iov[i].iov_len);
        if (i + 1 < n && piece.len + iov[i + 1].iov_len <= JOIN_MAX) {
            sn_buf_reset(&joined);
            for (; i < n && joined.len + iov[i].iov_len <= JOIN_MAX; i++)
                sn_buf_put(&joined, iov[i].iov_base, iov[i].iov_len);
            r = joined.err;
            piece = sn_buf_view(&joined);
        } else {
            i++;
        }
        if (r == 0 && piece.len) r = tunnel_put(t, piece, false);
        total += (ssize_t)piece.len;
    }
    sn_buf_done(&joined);
    if (r == 0 && t->shut_due) r = tunnel_end_out(t);
    h2_tunnel_unref(t);
    return r < 0 ? r : total;
}

static int tunnel_shutdown(struct sn_stream *s)
{
    struct h2_tunnel *t = tunnel_of(s);
    t->shut_due = true;
    if (t->writing) return 0; /* who writes ends it behind the last byte */
    t->refs++;
    int r = tunnel_end_out(t);
    h2_tunnel_unref(t);
    return r;
}

/* ---- parking -------------------------------------------------------------------------------- */

static bool tunnel_readable(struct sn_stream *s)
{
    struct h2_tunnel *t = tunnel_of(s);
    return t->ops->state(t->of) & (H2_TUNNEL_READABLE | H2_TUNNEL_IN_END | H2_TUNNEL_OVER);
}

static void ready_main(void *arg)
{
    struct h2_tunnel *t = arg;
    sn_stream_ready_fn fn = t->fn;
    t->fn = NULL;
    t->firing = false;
    fn(&t->s, t->arg, t->why);
}

static void fire(struct h2_tunnel *t, int why);
static void on_timer(struct sn_timer *timer)
{
    struct h2_tunnel *t = SN_CONTAINER_OF(timer, struct h2_tunnel, timer);
    fire(t, tunnel_readable(&t->s) ? 0 : SN_E_DEADLINE_EXCEEDED);
}

static void fire(struct h2_tunnel *t, int why)
{
    if (t->firing) return;
    sn_timer_cancel(&t->timer);
    t->why = why;
    t->firing = sn_stream_go(ready_main, t) == 0;
    if (!t->firing) sn_timer_arm(&t->timer, sn_now_coarse() + FIRE_AGAIN_NS, on_timer);
}

void h2_tunnel_ready(struct h2_tunnel *t)
{
    if (t->fn) fire(t, 0);
}

static void tunnel_park(struct sn_stream *s, int64_t idle_at_ns, sn_stream_ready_fn fn, void *arg)
{
    struct h2_tunnel *t = tunnel_of(s);
    SN_ASSERT(!t->fn && !t->closed);
    t->fn = fn;
    t->arg = arg;
    if (tunnel_readable(s))
        fire(t, 0);
    else if (idle_at_ns != SN_FOREVER)
        sn_timer_arm(&t->timer, idle_at_ns, on_timer);
}

static bool tunnel_unpark(struct sn_stream *s)
{
    struct h2_tunnel *t = tunnel_of(s);
    if (!t->fn || t->firing) return false;
    sn_timer_cancel(&t->timer);
    t->fn = NULL;
    return true;
}

/* ---- the end -------------------------------------------------------------------------------- */

/* The write side ends in order; a peer that goes on sending is told that nobody listens. */
static void close_main(void *arg)
{
    struct h2_tunnel *t = arg;
    bool whole = !t->writing && tunnel_end_out(t) >= 0;
    unsigned state = t->ops->state(t->of);
    if (!(state & H2_TUNNEL_OVER) && (!whole || !(state & H2_TUNNEL_IN_END)))
        t->ops->reset(t->of, whole, true);
    h2_tunnel_unref(t);
}

static void tunnel_close(struct sn_stream *s)
{
    struct h2_tunnel *t = tunnel_of(s);
    SN_ASSERT(!t->closed && !t->fn);
    t->closed = true;
    t->ops->stop(t->of);
    if (sn_stream_go(close_main, t) == 0) return;
    /* Without memory for a fiber: the reset leaves with the connection's next frames. */
    if (!(t->ops->state(t->of) & H2_TUNNEL_OVER)) t->ops->reset(t->of, false, false);
    h2_tunnel_unref(t);
}

static int tunnel_fd(struct sn_stream *s) { return -1; }

static int tunnel_addr(struct sn_stream *s, bool peer, char *out, size_t cap)
{
    struct h2_tunnel *t = tunnel_of(s);
    return sn_stream_addr(t->ops->below(t->of), peer, out, cap);
}

static const struct sn_stream_ops tunnel_ops = {
    .kind = "h2",
    .read = tunnel_read,
    .writev = tunnel_writev,
    .shutdown = tunnel_shutdown,
    .close = tunnel_close,
    .park = tunnel_park,
    .unpark = tunnel_unpark,
    .readable_now = tunnel_readable,
    .fd = tunnel_fd,
    .addr = tunnel_addr,
};

int h2_tunnel_new(const struct h2_tunnel_ops *ops, void *of, struct h2_tunnel **ret)
{
    struct h2_tunnel *t = SN_NEW(struct h2_tunnel);
    if (!t) return SN_E_NOMEM;
    t->s.ops = &tunnel_ops;
    t->ops = ops;
    t->of = of;
    t->worker = sn_worker_id();
    t->refs = 2;
    *ret = t;
    return 0;
}

struct sn_stream *h2_tunnel_stream(struct h2_tunnel *t) { return &t->s; }

void h2_tunnel_abandon(struct h2_tunnel *t) { sn_free(t); }

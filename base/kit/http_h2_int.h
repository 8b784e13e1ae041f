/* SPDX-License-Identifier: Apache-2.0 */
/* kit/http_h2_int.h - what the server's and the client's side of HTTP/2 share: a fiber's wait for its
 * session, and the stream of an extended CONNECT (RFC 8441) taken over as a struct sn_stream. */
#pragma once
#include "fiber/wait.h"
#include "kit/http_int.h"
#include "wire/h2.h"

struct h2_waiter {
    struct sn_fiber *f;
    uint64_t ticket;
};
/* h2_wait - until h2_wake, at_ns, or the fiber's own deadline or cancellation. */
static inline SN_MUST_CHECK int h2_wait(struct h2_waiter *w, const char *reason, int64_t at_ns)
{
    w->ticket = sn_wait_begin(reason);
    w->f = sn_self();
    int r = sn_wait_park(w->ticket, at_ns);
    w->f = NULL;
    return r;
}
static inline void h2_wake(struct h2_waiter *w)
{
    struct sn_fiber *f = w->f;
    w->f = NULL;
    if (f) sn_wait_wake(f, w->ticket, 0);
}

/* Frames on their way out, while somebody flushes: in the connection's buffer and, where the stream can
 * take them without suspending, pieces of bodies where they lie. */
struct h2_outbox {
    struct sn_buf *out;
    struct sn_stream *st;
    struct sn_h2_lent lent;
};
/* h2_outbox_fill - from the session, at most about `max` bytes. Returns 0, SN_E_*. Nothing may suspend
 * between it and h2_outbox_write, which suspends, the rest being copied before. */
int h2_outbox_fill(struct h2_outbox *o, struct sn_h2 *s, struct sn_buf *out, struct sn_stream *st,
                   size_t max) SN_MUST_CHECK;
int h2_outbox_write(void *outbox) SN_MUST_CHECK; /* for sn_shield. Returns 0, SN_E_* */
static inline bool h2_outbox_empty(const struct h2_outbox *o) { return !o->out->len && !o->lent.n; }

enum {
    H2_TUNNEL_READABLE = 1,
    H2_TUNNEL_IN_END = 2, /* the peer has sent everything */
    H2_TUNNEL_OVER = 4,   /* the stream or its connection is gone */
};
struct h2_tunnel;
/* What a tunnel stands on; `of` is the exchange or the call. */
struct h2_tunnel_ops {
    ssize_t (*read)(void *of, void *buf, size_t cap);
    int (*write)(void *of, struct sn_str data, bool last);
    unsigned (*state)(void *of); /* H2_TUNNEL_* */
    void (*stop)(void *of);      /* nobody will read any more, who does returns */
    /* reset - whole: everything of ours was sent. flush: now; it may suspend. */
    void (*reset)(void *of, bool whole, bool flush);
    struct sn_stream *(*below)(void *of);
    void (*end)(void *of); /* no reference is left; must not suspend */
};
/* h2_tunnel_new - with two references: of the stream's owner, who closes it, and of the handler or
 * response. `of` lives until its `end` is called.
 * Returns 0 or SN_E_NOMEM. */
int h2_tunnel_new(const struct h2_tunnel_ops *ops, void *of, struct h2_tunnel **ret) SN_MUST_CHECK;
struct sn_stream *h2_tunnel_stream(struct h2_tunnel *t);
/* h2_tunnel_abandon - of a take-over that failed: `of` goes on without it. */
void h2_tunnel_abandon(struct h2_tunnel *t);
void h2_tunnel_unref(struct h2_tunnel *t);
/* h2_tunnel_ready - bytes, the end or a reset arrived. */
void h2_tunnel_ready(struct h2_tunnel *t);

/* SPDX-License-Identifier: Apache-2.0 */
/* kit/http_h2_int.h - the server's side of an HTTP/2 connection: exchanges (http_h2.c) and streams
 * that a handler has taken over (http_h2_tunnel.c). */
#pragma once
#include "kit/http_int.h"
#include "wire/h2.h"

struct h2_waiter {
    struct sn_fiber *f;
    uint64_t ticket;
};
struct http_h2 {
    struct sn_h2 *s;
    struct http_conn *c;
    struct sn_buf out;
    struct sn_list starting; /* struct h2_x.link: handlers to start */
    unsigned handlers;
    bool flushing, again, collecting, notice;
    int err; /* the connection is broken: no more writes */
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
};

static inline struct h2_x *h2_x_of(struct http_xi *xi) { return SN_CONTAINER_OF(xi, struct h2_x, xi); }

/* h2_wait - until h2_wake, at_ns, or the fiber's own deadline or cancellation. */
int h2_wait(struct h2_waiter *w, const char *reason, int64_t at_ns) SN_MUST_CHECK;
void h2_wake(struct h2_waiter *w);
int h2_flush(struct http_h2 *h);
ssize_t h2_body_read(struct http_xi *xi, void *buf, size_t cap);
int h2_write(struct http_xi *xi, struct sn_str data, bool last);
/* h2_x_end - nothing will touch the exchange any more: it is freed with its stream. */
void h2_x_end(struct h2_x *x);

/* h2_tunnel_new - the stream of an extended CONNECT as bytes. The exchange lives until that is
 * closed and the handler has returned.
 * Returns 0 or SN_E_NOMEM. */
int h2_tunnel_new(struct h2_x *x, struct sn_stream **ret) SN_MUST_CHECK;
/* h2_tunnel_abandon - of a take-over that failed: the exchange goes on without it. */
void h2_tunnel_abandon(struct h2_x *x);
/* h2_tunnel_unref - the handler that took the stream over has returned. */
void h2_tunnel_unref(struct h2_tunnel *t);
/* h2_tunnel_ready - bytes, the end or a reset arrived. */
void h2_tunnel_ready(struct h2_tunnel *t);

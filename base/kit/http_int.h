/* SPDX-License-Identifier: Apache-2.0 */
/* kit/http_int.h - what the HTTP server, client and WebSocket share. Private to this folder.
 *
 * Everything a connection needs while it is active comes from per-worker pools and goes back when
 * it parks; what stays is struct http_conn (server) or struct http_idle (client). */
#pragma once
#include "core/arena.h"
#include "core/buf.h"
#include "core/list.h"
#include "fiber/fiber.h"
#include "fiber/net.h"
#include "fiber/sync.h"
#include "kit/http.h"
#include "wire/h1.h"

/* ---- per-worker pools ----------------------------------------------------------------------- */

#define HTTP_BUF_BYTES (16u << 10)  /* read and write buffers */
#define HTTP_BUFS_IDLE_MAX 256u     /* kept per worker */
#define HTTP_ARENA_CHUNK (8u << 10)
#define HTTP_ARENA_CHUNKS_IDLE_MAX 512u
#define HTTP_EXCHANGE_BYTES_MAX (64u << 20) /* an exchange's arena */

struct http_buf { /* a free buffer */
    struct http_buf *next;
};
struct http_pools {
    struct http_buf *bufs;
    unsigned n_bufs;
    struct sn_arena_pool arenas;
    /* Date header of this second. */
    int64_t date_until_ns;
    char date[SN_HTTP_DATE_LEN];
};
void http_pools_init(struct http_pools *p);
void http_pools_done(struct http_pools *p);
/* http_buf_take - HTTP_BUF_BYTES bytes, NULL without memory. */
char *http_buf_take(struct http_pools *p);
void http_buf_give(struct http_pools *p, char *buf);
/* http_date - the current Date value, SN_HTTP_DATE_LEN bytes; formatted once a second. */
const char *http_date(struct http_pools *p);

/* ---- the read side of a connection ---------------------------------------------------------- */

/* Unread bytes are [start, end) of mem. Bytes before `pinned` belong to a head whose strings are
 * still borrowed: they neither move nor are overwritten. */
struct http_in {
    struct http_pools *pools;
    struct sn_stream *st;
    const bool *cut; /* set true once somebody else closed the stream; may be NULL */
    char *mem;
    size_t cap, start, end, pinned;
    char *held; /* an earlier buffer that a pinned head still borrows */
    size_t held_cap;
};
void http_in_init(struct http_in *in, struct http_pools *pools, struct sn_stream *st);
void http_in_done(struct http_in *in);
static inline size_t http_in_len(const struct http_in *in) { return in->end - in->start; }
static inline const char *http_in_ptr(const struct http_in *in) { return in->mem + in->start; }
/* http_in_fill - reads once, behind what is there; grows up to bytes_max unread bytes. Returns > 0,
 * 0 at the end of the stream, SN_E_TOO_LARGE, SN_E_NOMEM, transport errors. Suspends. */
ssize_t http_in_fill(struct http_in *in, size_t bytes_max);
/* http_in_unpin - nothing borrows the bytes any more. */
void http_in_unpin(struct http_in *in);

/* ---- a message body on the read side, HTTP/1.1 ---------------------------------------------- */

struct http_body {
    uint8_t kind; /* enum sn_h1_body */
    bool eof;
    int err; /* sticky */
    uint64_t left;
    struct sn_h1_chunked chunked;
    struct sn_buf trailers;
};
void http_body_init(struct http_body *b, const struct sn_h1 *head);
void http_body_done(struct http_body *b);
/* http_body_next - the next bytes, borrowed until the next call. Returns > 0, 0 at the end,
 * SN_E_EOF (truncated), SN_E_PROTOCOL, SN_E_TOO_LARGE, transport errors. Suspends. */
ssize_t http_body_next(struct http_body *b, struct http_in *in, size_t max, const char **ret);
/* http_body_copy - as above, into buf; large pieces are read there without a stop in between. */
ssize_t http_body_copy(struct http_body *b, struct http_in *in, void *buf, size_t cap);

/* http_body_trailers - the fields behind a body that was read to its end, parsed once. Returns 0,
 * SN_E_PROTOCOL, SN_E_TOO_LARGE, SN_E_NOMEM (kept as the body's error). */
int http_body_trailers(struct http_body *b, struct sn_arena *a,
                       struct sn_http_headers *ret) SN_MUST_CHECK;

/* ---- exchange ------------------------------------------------------------------------------- */

struct http_xi;
struct http_x_ops { /* HTTP/1.1 and h2 behind kit/http.h */
    ssize_t (*body_read)(struct http_xi *xi, void *buf, size_t cap);
    /* begin - the status line and headers are settled; length -1 unknown. */
    int (*begin)(struct http_xi *xi, int64_t length);
    /* write - body bytes; `last`: nothing follows. Flushes. */
    int (*write)(struct http_xi *xi, struct sn_str data, bool last);
    int (*flush)(struct http_xi *xi);
    int (*hijack)(struct http_xi *xi, struct sn_stream **ret, struct sn_str *ret_rest);
    /* body_whole - whether the rest of the body is here: it is consumed, and its bytes stay as long as
     * the exchange. NULL: never. */
    bool (*body_whole)(struct http_xi *xi, struct sn_str *ret);
    /* body_over - whether all of the body was read and its end is here. NULL: not known before a read. */
    bool (*body_over)(struct http_xi *xi);
    /* finish - as write with `last`, of bytes that live as long as the exchange; NULL: write. */
    int (*finish)(struct http_xi *xi, struct sn_str data);
    /* cancel_on_reset - NULL: not known here. */
    void (*cancel_on_reset)(struct http_xi *xi, bool on);
    /* send_file - NULL: by copying. The length is announced and not exceeded. */
    int (*send_file)(struct http_xi *xi, int fd, int64_t off, int64_t n);
};
struct http_xi {
    struct sn_http_x x;
    const struct http_x_ops *ops;
    struct sn_http_server *srv;
    struct sn_stream *st;
    struct sn_http_headers resp, trailers;
    struct sn_str content_type; /* of sn_http_reply */
    int64_t resp_length;        /* announced; -1 unknown */
    bool begun, ended, hijacked, body_large, body_bad, body_slow;
    const char *peer; /* http_conn.peer */
    bool bare;    /* no Date, no Server, no Content-Length: gRPC's answers have none */
    bool patient; /* a reader may be slow as long as it likes: streams of messages */
    int err; /* the write side failed: every later write repeats it */
};
static inline struct http_xi *http_xi_of(struct sn_http_x *x)
{
    return SN_CONTAINER_OF(x, struct http_xi, x);
}
/* Whether a response with this status to this request has no body at all. */
static inline bool http_no_body(const struct http_xi *xi)
{
    int s = xi->x.status;
    return xi->x.req.method == SN_HTTP_HEAD || s == 204 || s == 304 || (s >= 100 && s < 200);
}
/* http_x_run - calls the handler under sn_try and completes the response whatever it returned.
 * Returns the handler's result (SN_E_PANIC for a panic). */
int http_x_run(struct http_xi *xi);

/* ---- server --------------------------------------------------------------------------------- */

struct http_counters { /* of one worker; summed by sn_http_server_stats */
    uint64_t conns_active;
    uint64_t requests, requests_active, errors_parse, panics, bytes_in, bytes_out, h2_streams;
};
struct http_server_worker {
    struct http_pools pools;
    struct http_counters n;
    struct sn_list active; /* struct http_conn.link: connections a fiber works on */
} SN_ALIGNED(SN_CACHE_LINE);

struct sn_http_server {
    struct sn_http_server_opts o; /* defaults filled in */
    unsigned n_workers;
    struct http_server_worker *workers;
    uint32_t draining; /* __atomic */
    uint32_t cutting;  /* __atomic: the drain's time is up */
    uint64_t conns_open, conns_total; /* __atomic */
    struct sn_spin listeners_lock;
    struct http_listener *listeners;
};
enum { HTTP_WINDING_DOWN = 1, HTTP_CLOSING };
static inline bool http_draining(const struct sn_http_server *s)
{
    return __atomic_load_n(&s->draining, __ATOMIC_ACQUIRE) != 0;
}
/* http_closing - and connections between two requests are closed; before that only who asks once more is
 * told to leave. */
static inline bool http_closing(const struct sn_http_server *s)
{
    return __atomic_load_n(&s->draining, __ATOMIC_ACQUIRE) == HTTP_CLOSING;
}
struct http_server_worker *http_server_worker(struct sn_http_server *s);

struct http_h2;
/* All that is left of an idle connection beside the stream's own record. */
struct http_conn {
    struct sn_list link;
    struct sn_http_server *srv;
    struct sn_stream *st;
    struct http_h2 *h2;
    char *peer; /* the client's address as opts.first told it; NULL = the socket's */
    uint32_t requests;
    uint32_t invited_ms; /* when it was told last that it may ask (once more); of the coarse clock */
    bool first_done, tls_done, active, cut;
};
_Static_assert(sizeof(struct http_conn) <= 96, "docs/http.md: memory of an idle connection");

/* http_conn_invited - the client may ask (again): it was accepted, or its answer did not say close. */
static inline void http_conn_invited(struct http_conn *c)
{
    c->invited_ms = (uint32_t)(sn_now_coarse() / SN_MS);
}
/* http_conn_park - gives the connection to the poller; the caller must not touch it afterwards. */
void http_conn_park(struct http_conn *c);
/* http_conn_close - closes the stream (unless the drain cut it) and frees the record. */
void http_conn_close(struct http_conn *c);
/* http_h1_run, http_h2_run - serve until the connection parks or closes. Own fiber. */
void http_h1_run(struct http_conn *c);
/* http_h2_run - seen: bytes of the connection already read, from the heap, freed here; may be NULL.
 */
void http_h2_run(struct http_conn *c, char *seen, size_t n_seen);
void http_h2_free(struct http_h2 *h);

/* ---- client --------------------------------------------------------------------------------- */

struct http_url {
    bool tls, ws;
    struct sn_str authority; /* host[:port] as written, for Host */
    struct sn_str host;      /* without brackets and port: for SNI */
    uint16_t port;
    struct sn_str target; /* path and query as written: "" and "?x" still want a "/" before them */
};
/* http_url_parse - http, https, ws, wss. Returns 0 or SN_E_SYNTAX with a diagnostic. */
int http_url_parse(struct sn_str url, struct http_url *ret) SN_MUST_CHECK;

/* http_decimal - digits in the arena; without text if there is no memory. */
static inline struct sn_str http_decimal(struct sn_arena *a, uint64_t v)
{
    struct sn_buf b;
    char *p = sn_arena_alloc(a, 20);
    if (!p) return (struct sn_str){0};
    sn_buf_init_fixed(&b, p, 20);
    (void)!sn_buf_u64(&b, v);
    return sn_buf_view(&b);
}

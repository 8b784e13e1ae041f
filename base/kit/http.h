/* SPDX-License-Identifier: Apache-2.0 */
/* kit/http.h - HTTP server and client; one API over HTTP/1.1 and HTTP/2, plain and TLS.
 *
 * Server: every request runs its handler in a pooled fiber on the connection's worker, under
 * sn_try, with an arena that dies after the response. Between requests the connection is parked:
 * it owns one small record, no fiber, no buffer. The request's strings borrow the connection's
 * read buffer and live until the handler returns.
 *
 * Client: connections are pooled per worker and address; idle ones are parked and unparked.
 *
 * Sources: RFC 9110, 9112, 9113, 6455, 8441. */
#pragma once
#include "core/arena.h"
#include "core/str.h"
#include "fiber/net.h"
#include "wire/http.h" /* sn_http_header, sn_http_headers, sn_http_method, limits */

struct sn_tls_config;

/* ---- exchange: one request and its response, on the server ---------------------------------- */

struct sn_http_req {
    enum sn_http_method method;
    uint8_t version;          /* 10, 11, 20 */
    bool tls;
    struct sn_str method_text;
    struct sn_str target;     /* as received: origin, absolute, authority or asterisk form */
    struct sn_str path;       /* undecoded, without query; "" only for "*" and CONNECT */
    struct sn_str query;      /* after '?', without it; .ptr NULL where there is none */
    struct sn_str authority;  /* Host or :authority */
    struct sn_str protocol;   /* of an extended CONNECT (RFC 8441): "websocket"; else .ptr NULL */
    struct sn_http_headers headers;
    struct sn_http_headers trailers; /* once the body was read to its end */
    int64_t content_length;   /* 0 = no body, -1 = unknown (chunked, h2 without length) */
    int64_t start_ns;         /* when its worker last learned of arrived bytes, at most a pass of the
                               * scheduler before the head was read: waiting for its turn counts */
};

struct sn_http_x { /* the exchange; fields below are the handler's to read */
    struct sn_http_req req;
    struct sn_arena *arena;
    void *server_ctx;         /* opts.ctx */
    int status;               /* response status once started, else 0 */
    uint64_t bytes_in, bytes_out; /* body bytes so far */
};

/* A handler answers the request. Returning 0 without having replied sends 200 and an empty body;
 * returning SN_E_* (or panicking) before the reply started sends the mapped status with a plain
 * text of the code's name (details go to the log, never to the peer), afterwards it resets the
 * stream or closes the connection. May suspend; its deadline is opts.request_ns_max. */
typedef int (*sn_http_handler)(struct sn_http_x *x, void *arg);

/* sn_http_body_read - next body bytes. Returns > 0, 0 at the end, SN_E_TOO_LARGE beyond
 * body_bytes_max, SN_E_PROTOCOL (bad chunk), SN_E_EOF (truncated), SN_E_DEADLINE_EXCEEDED (the
 * fiber's, or nothing came for body_stall_ns_max), transport errors. Sends
 * "100 Continue" first where the client waits for it. Suspends. */
ssize_t sn_http_body_read(struct sn_http_x *x, void *buf, size_t cap);
/* sn_http_body_over - whether all of the body was read and its end is known (h2: trailers are there
 * then); false where only the next read can tell. */
bool sn_http_body_over(struct sn_http_x *x);
/* sn_http_body_all - the whole body into the arena, at most max bytes. */
int sn_http_body_all(struct sn_http_x *x, size_t max, struct sn_str *ret) SN_MUST_CHECK;
/* sn_http_header_add - response header, before the reply starts. Name and value are borrowed until
 * the reply starts. Framing headers (content-length, transfer-encoding, connection) are the
 * server's and refused with SN_E_INVALID_ARGUMENT; so are CR, LF and NUL in values. */
int sn_http_header_add(struct sn_http_x *x, struct sn_str name, struct sn_str value) SN_MUST_CHECK;
/* sn_http_reply - a complete response in one write. content_type may be .ptr NULL. */
int sn_http_reply(struct sn_http_x *x, int status, struct sn_str content_type, struct sn_str body)
    SN_MUST_CHECK;
/* sn_http_start - begins a streamed response; length -1 = unknown (chunked on 1.1, close on 1.0).
 * The head is sent with the first body bytes, or by sn_http_flush. */
int sn_http_start(struct sn_http_x *x, int status, int64_t length) SN_MUST_CHECK;
int sn_http_write(struct sn_http_x *x, struct sn_str data) SN_MUST_CHECK;
int sn_http_flush(struct sn_http_x *x) SN_MUST_CHECK;
/* sn_http_trailer - a trailer field, after start, before the end. h2 and chunked 1.1 only. */
int sn_http_trailer(struct sn_http_x *x, struct sn_str name, struct sn_str value) SN_MUST_CHECK;
/* sn_http_end - completes a streamed response; implied when the handler returns. */
int sn_http_end(struct sn_http_x *x) SN_MUST_CHECK;
/* sn_http_finish - the last body bytes, the trailers and the end of a streamed response in one write.
 * `data` may be sent after the return: it must live as long as the exchange (x->arena does). */
int sn_http_finish(struct sn_http_x *x, struct sn_str data) SN_MUST_CHECK;
/* sn_http_cancel_on_reset - whether the calling fiber is cancelled when the client resets the request
 * or is gone (h2; on 1.1 nobody reads beside the handler). Off at first; ends with the handler. */
void sn_http_cancel_on_reset(struct sn_http_x *x, bool on);
/* sn_http_message_stream - before the reply starts: on h2 the exchange is a stream of messages, as
 * of gRPC. Its head is the handler's alone (no Date, Server, Content-Length), and neither side of
 * it has a stall limit. On 1.1 nothing changes: there silence is the only sign of a dead peer. */
void sn_http_message_stream(struct sn_http_x *x);
/* sn_http_send_file - streams [off, off+n) of fd as the body after sn_http_start. */
int sn_http_send_file(struct sn_http_x *x, int fd, int64_t off, int64_t n) SN_MUST_CHECK;
/* sn_http_hijack - after writing an upgrade reply: the raw stream and the bytes already read past
 * the request head (in the arena); the server forgets the connection. HTTP/1.1, or an extended
 * CONNECT on h2, whose stream is only for the worker of the handler; otherwise
 * SN_E_FAILED_PRECONDITION. status: 101 (200 for CONNECT), headers added before are sent. */
int sn_http_hijack(struct sn_http_x *x, int status, struct sn_stream **ret, struct sn_str *ret_rest)
    SN_MUST_CHECK;
/* sn_http_peer - "ip:port" of the client, in the arena. */
struct sn_str sn_http_peer(struct sn_http_x *x);
/* sn_http_fd - the connection's descriptor, beneath TLS, to ask socket options of; -1 where there is
 * none (simulation). It stays the connection's. */
int sn_http_fd(struct sn_http_x *x);
/* sn_http_local - "ip:port" that the client connected to, in the arena; .ptr NULL where not known. */
struct sn_str sn_http_local(struct sn_http_x *x);
struct sn_http_headers *sn_http_response_headers(struct sn_http_x *x);

/* ---- server --------------------------------------------------------------------------------- */

struct sn_http_server_opts {
    sn_http_handler handler;
    void *arg, *ctx;
    struct sn_tls_config *tls;   /* NULL = plain; h2 by ALPN, and h2c by prior knowledge on plain */
    bool h2_off;
    bool h2_any_authority;       /* :authority need not be a host (grpc-go's clients of "tcp://..."); for
                                  * servers that do not route by it */
    const char *server_name;     /* Server header; NULL = none */
    size_t head_bytes_max;       /* 0 = 64 KiB: request line + headers, else 431 */
    unsigned headers_max;        /* 0 = 128 */
    uint64_t body_bytes_max;     /* 0 = unlimited (handlers bound themselves), else 413 */
    int64_t idle_ns;             /* keep-alive idle; 0 = 75 s */
    int64_t head_ns_max;         /* whole head must arrive within; 0 = 10 s (slowloris) */
    int64_t request_ns_max;      /* handler deadline; 0 = none */
    int64_t write_stall_ns_max;  /* no progress writing; 0 = 30 s */
    int64_t body_stall_ns_max;   /* no byte of a body that is waited for, else 408; 0 = 30 s */
    uint32_t h2_streams_max;     /* 0 = 250 */
    uint32_t h2_window_max;      /* receive windows follow the bandwidth up to this; 0 = fixed, 256 KiB */
    uint64_t h2_unread_max;      /* sn_h2_opts.unread_max, of each connection; 0 = none */
    int64_t h2_ping_min_ns;      /* PINGs of a client closer together: too_many_pings; 0 = h2's budget */
    int64_t h2_keepalive_ns;     /* PING an active connection after so long without a byte; 0 = none */
    int64_t h2_keepalive_timeout_ns; /* ... and close it without an answer; 0 = 20 s */
    int64_t h2_age_ns_max;       /* GOAWAY after so long, +-10 %; 0 = none */
    int64_t h2_age_grace_ns;     /* ... and what still runs is cut after this; 0 = never */
    uint32_t requests_per_conn_max; /* 0 = unlimited */
    uint64_t conns_max;
    /* first - before TLS and HTTP, when a connection's first bytes are here: may read from st what
     * a load balancer in front has put before them (PROXY protocol), and not a byte more.
     * *ret_peer: the client's address, "ip:port", in place of the socket's: on the heap, the
     * server's from then on; may stay NULL. A failure closes the connection. Suspends; within
     * head_ns_max. May be NULL. */
    int (*first)(struct sn_stream *st, void *arg, char **ret_peer);
    /* Called after each exchange, same fiber: access log, metrics. May be NULL. */
    void (*on_done)(struct sn_http_x *x, int result, void *arg);
};
struct sn_http_server;
int sn_http_server_new(const struct sn_http_server_opts *opts, struct sn_http_server **ret)
    SN_MUST_CHECK;
/* sn_http_serve - accepts and serves on `l` until sn_http_server_drain. Suspends. Several
 * listeners may be served by one server, each in its own fiber. */
int sn_http_serve(struct sn_http_server *s, struct sn_listener *l) SN_MUST_CHECK;
/* sn_http_serve_stream - serves one accepted stream (tests, simulation, custom accept). */
int sn_http_serve_stream(struct sn_http_server *s, struct sn_stream *st) SN_MUST_CHECK;
/* sn_http_server_drain - closes listeners and parked connections, answers what is in flight with
 * "Connection: close" (h2: GOAWAY), waits at most grace_ns, then cuts. Returns connections cut. */
int64_t sn_http_server_drain(struct sn_http_server *s, int64_t grace_ns);
/* sn_http_server_wind_down - the first half of a drain: listeners are closed, and every connection
 * ends with the answer to its next request; idle ones are left until then, so that no request meets
 * a closed connection. Waits at most ns (0: does not wait). Returns connections still open.
 * Suspends. */
uint64_t sn_http_server_wind_down(struct sn_http_server *s, int64_t ns);
void sn_http_server_free(struct sn_http_server *s);
struct sn_http_server_stats {
    uint64_t conns_open, conns_parked, conns_total, requests, requests_active, errors_parse,
        panics, bytes_in, bytes_out, h2_streams;
};
void sn_http_server_stats(const struct sn_http_server *s, struct sn_http_server_stats *ret);

/* ---- client --------------------------------------------------------------------------------- */

struct sn_http_client_opts {
    struct sn_tls_config *tls;    /* for https; NULL = system roots; borrowed for the client's life */
    bool h2_prior_knowledge;      /* h2c without upgrade on plain connections */
    bool h2_off;                  /* do not offer h2 by ALPN */
    unsigned idle_per_addr_max;   /* per worker; 0 = 64 */
    unsigned conns_per_addr_max;  /* per worker; 0 = unlimited; beyond it callers wait */
    int64_t idle_ns;              /* pooled connection life when idle; 0 = 90 s */
    int64_t connect_ns_max;       /* 0 = 10 s */
    int64_t head_ns_max;          /* response head, from the end of the request; 0 = none beyond the
                                   * fiber's deadline */
    size_t head_bytes_max;        /* 0 = 64 KiB */
};
struct sn_http_client;
int sn_http_client_new(const struct sn_http_client_opts *opts, struct sn_http_client **ret)
    SN_MUST_CHECK;
void sn_http_client_free(struct sn_http_client *c);

struct sn_http_call {
    struct sn_str method;         /* "GET" where empty */
    struct sn_str url;            /* "http://host:port/path?q", "https://..." */
    struct sn_str addr;           /* connect here instead (any net.h address); host stays url's */
    struct sn_str target;         /* raw request target overriding url's path (proxies) */
    /* Asks to speak this protocol ("websocket") afterwards. method and headers are those of an
     * HTTP/1.1 upgrade; on h2 they become an extended CONNECT (RFC 8441), answered 2xx instead of 101.
     * A server that admits none: SN_E_UNIMPLEMENTED. */
    struct sn_str protocol;
    /* Sent first, before TLS, on an HTTP/1.1 connection that is this call's alone and is not kept
     * afterwards (PROXY protocol). .ptr NULL: none. */
    struct sn_str preface;
    const struct sn_http_header *headers;
    unsigned n_headers;
    bool no_default_headers;      /* send exactly `headers` (proxies); framing is still ours */
    struct sn_str body;           /* whole body; or body_fn */
    /* Streams the body: returns > 0 bytes, 0 at the end, SN_E_*. length -1 = unknown. */
    ssize_t (*body_fn)(void *arg, void *buf, size_t cap);
    /* Whether what body_fn has returned last was all, so that the end leaves with it (h2); NULL: its next
     * call tells. */
    bool (*body_over)(void *arg);
    void *body_arg;
    int64_t body_length;
    /* Sent behind a body_fn body of unknown length (on h2: of any); looked at when body_fn has
     * returned 0, so that it may fill them. Fields a trailer must not have are left out. */
    const struct sn_http_headers *trailers;
    int64_t start_ns;             /* sn_now(), if the caller has just looked; 0: looked up */
    /* The response's head must be here so long after the request was sent; until then a body may take
     * its time as long as it moves. 0 = the client's head_ns_max. */
    int64_t answer_ns_max;
    /* Where no byte of the answer is here patience_ns after the call's start (connecting apart),
     * impatient is asked: it returns in how many ns to be asked again, 0: not again, or < 0 to give
     * the call up (SN_E_DEADLINE_EXCEEDED). Does not suspend. 0: waits as the rest says. */
    int64_t patience_ns;
    int64_t (*impatient)(void *arg);
    void *impatient_arg;
    bool no_retry;                /* default: retried once on a fresh connection if a pooled one was
                                   * stale, only for bodyless or replayable idempotent requests */
};
struct sn_http_resp {
    int status;
    uint8_t version;
    struct sn_http_headers headers;
    int64_t content_length;       /* -1 unknown */
    struct sn_http_headers trailers; /* after the body's end */
    struct sn_arena *arena;
    bool reused;                  /* came over a pooled connection */
    int64_t connect_ns, first_byte_ns; /* durations, for access logs and load reports */
};
/* sn_http_do - sends the call and reads the response head. Returns 0, SN_E_REFUSED, SN_E_RESET,
 * SN_E_PROTOCOL, SN_E_DEADLINE_EXCEEDED, SN_E_TOO_LARGE, ...; the diagnostic names the address.
 * Owns: *ret until sn_http_resp_close. Suspends. */
int sn_http_do(struct sn_http_client *c, const struct sn_http_call *call, struct sn_http_resp **ret)
    SN_MUST_CHECK;
ssize_t sn_http_resp_read(struct sn_http_resp *r, void *buf, size_t cap);
/* sn_http_resp_peek - borrows the next body bytes without a copy (valid until the next call on r),
 * consuming them. Returns the length, 0 at the end, SN_E_*. For proxies. */
ssize_t sn_http_resp_peek(struct sn_http_resp *r, const void **ret);
/* sn_http_resp_over - whether all of the body was read and its end is known; the trailers are there then.
 * False where only the next read can tell. */
bool sn_http_resp_over(struct sn_http_resp *r);
int sn_http_resp_all(struct sn_http_resp *r, size_t max, struct sn_str *ret) SN_MUST_CHECK;
/* sn_http_resp_close - gives the connection back to the pool if the body was read to its end (or
 * little is left), closes it otherwise. NULL accepted. */
void sn_http_resp_close(struct sn_http_resp *r);
/* sn_http_resp_hijack - after a 101, or a 2xx to call.protocol on h2: the raw stream, to be closed
 * before the client is freed; on h2 it is only for this worker.
 * Returns 0, SN_E_FAILED_PRECONDITION (another response), SN_E_NOMEM. */
int sn_http_resp_hijack(struct sn_http_resp *r, struct sn_stream **ret, struct sn_str *ret_rest)
    SN_MUST_CHECK;
/* sn_http_get - GET into an arena; convenience for tools. */
int sn_http_get(struct sn_http_client *c, struct sn_str url, struct sn_arena *a, int *ret_status,
                struct sn_str *ret_body) SN_MUST_CHECK;

/* ---- WebSocket (RFC 6455) ------------------------------------------------------------------- */

#define SN_WS_HEADERS_MAX 16u
enum sn_ws_kind { SN_WS_TEXT = 1, SN_WS_BINARY = 2, SN_WS_CLOSE = 8 };
struct sn_ws;
struct sn_ws_opts {
    size_t message_bytes_max;     /* 0 = 1 MiB */
    int64_t ping_ns;              /* 0 = 30 s; dead peer after two missed */
    struct sn_str subprotocol;
    /* sn_ws_dial: sent beside the handshake's own, SN_WS_HEADERS_MAX at most (a token, an origin). */
    const struct sn_http_header *headers;
    unsigned n_headers;
    /* Agree on permessage-deflate where the peer can (RFC 7692, without context takeover): messages
     * of at least deflate_bytes_min bytes (0 = 256) are sent compressed if that makes them shorter.
     * Secrets beside text of an attacker's choice do not belong into one compressed message. */
    bool deflate;
    size_t deflate_bytes_min;
    /* When set the connection is served by callback and parked between messages; otherwise the
     * caller owns a fiber and uses sn_ws_read. */
    void (*on_message)(struct sn_ws *ws, enum sn_ws_kind kind, struct sn_str data, void *arg);
    void (*on_close)(struct sn_ws *ws, int code, void *arg);
    void *arg;
};
/* sn_ws_accept_of - the Sec-WebSocket-Accept that answers a Sec-WebSocket-Key. Returns 0 or
 * SN_E_PROTOCOL (not a key). */
#define SN_WS_KEY_LEN 24u
#define SN_WS_ACCEPT_LEN 28u
int sn_ws_accept_of(struct sn_str key, char ret[SN_WS_ACCEPT_LEN]) SN_MUST_CHECK;
/* sn_ws_accept - answers the request of `x` to become a WebSocket: an HTTP/1.1 upgrade, or an
 * extended CONNECT on h2. A request that is none is answered with an error status.
 * Returns 0, SN_E_PROTOCOL, transport errors. */
int sn_ws_accept(struct sn_http_x *x, const struct sn_ws_opts *o, struct sn_ws **ret) SN_MUST_CHECK;
/* sn_ws_dial - "ws://host/path", "wss://..."; over h2 where the client speaks that with the server
 * (RFC 8441): then the WebSocket is only for this worker.
 * Returns 0, SN_E_PROTOCOL (refused, or a malformed answer), SN_E_UNIMPLEMENTED (an h2 server that
 * admits none: dial with h2_off), SN_E_INVALID_ARGUMENT (a header that belongs to the handshake, or
 * too many), as sn_http_do. Suspends. */
int sn_ws_dial(struct sn_http_client *c, struct sn_str url, const struct sn_ws_opts *o,
               struct sn_ws **ret) SN_MUST_CHECK;
/* sn_ws_read - next whole message into `out` (reset first). Returns the kind; SN_E_EOF after a
 * clean close; SN_E_PROTOCOL, SN_E_TOO_LARGE, SN_E_SYNTAX (invalid UTF-8). Answers pings. */
struct sn_buf;
int sn_ws_read(struct sn_ws *ws, struct sn_buf *out) SN_MUST_CHECK;
/* sn_ws_write - one message; any fiber, serialised. */
int sn_ws_write(struct sn_ws *ws, enum sn_ws_kind kind, struct sn_str data) SN_MUST_CHECK;
void sn_ws_close(struct sn_ws *ws, int code, struct sn_str reason);

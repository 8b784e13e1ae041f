/* SPDX-License-Identifier: Apache-2.0 */
/* wire/h2.h - an HTTP/2 session, sans I/O, over libnghttp2: bytes in, events out; answers in, bytes
 * out. What nghttp2 leaves to its user is added here: budgets against peers that make work without
 * sending requests (rapid reset, resets provoked from us, SETTINGS, PING and empty-frame floods),
 * limits on field sections, and checks a request must pass before it may be forwarded over 1.1.
 *
 * Sources: RFC 9113, RFC 8441; CVE-2023-44487, CVE-2024-27316, CVE-2025-8671. */
#pragma once
#include "core/arena.h"
#include "core/buf.h"
#include "wire/http.h"

#define SN_H2_STREAMS_MAX 250u
#define SN_H2_FIELD_BYTES_MAX (64u << 10)
#define SN_H2_FIELDS_MAX 128u
#define SN_H2_STREAM_WINDOW (256u << 10)
#define SN_H2_CONN_WINDOW (1u << 20)
#define SN_H2_WINDOW_MAX (16u << 20) /* what opts.window_max should be where it is wanted */
/* Streams a peer may have reset (or made us reset) in a burst, and per second in the long run. */
#define SN_H2_RESETS_BURST 500u
#define SN_H2_RESETS_PER_SEC 50u
/* Frames that carry nothing: PING, SETTINGS, PRIORITY, WINDOW_UPDATE and empty DATA, beyond two per
 * frame of ours. */
#define SN_H2_CONTROL_BURST 2000u
#define SN_H2_CONTROL_PER_SEC 200u

enum { /* error codes of section 7 */
    SN_H2_NO_ERROR = 0,
    SN_H2_PROTOCOL_ERROR = 1,
    SN_H2_INTERNAL_ERROR = 2,
    SN_H2_REFUSED_STREAM = 7,
    SN_H2_CANCEL = 8,
    SN_H2_CONNECT_ERROR = 10,
    SN_H2_ENHANCE_YOUR_CALM = 11,
    SN_H2_HTTP_1_1_REQUIRED = 13,
};

struct sn_h2;
struct sn_h2_head {
    /* request; protocol: of an extended CONNECT, .ptr NULL otherwise */
    struct sn_str method, scheme, authority, path, protocol;
    /* response */
    int status;
    struct sn_http_headers
        headers; /* names in lower case, without pseudo fields; one cookie line */
    int64_t content_length;         /* -1 = not announced */
    bool too_large;                 /* fields were dropped at a limit: answer 431 */
    bool bad;                       /* violates a rule that nghttp2 does not check: answer 400 */
};

/* Calls from within sn_h2_recv and sn_h2_send. They must not call sn_h2_recv or _send; the other
 * functions are allowed. `user` is the caller's object of the stream. */
struct sn_h2_events {
    /* open - server: a request begins. Gives the stream's object and the arena for its head; NULL
     * refuses the stream (REFUSED_STREAM). */
    void *(*open)(void *ctx, int32_t id, struct sn_arena **ret_arena);
    /* head - the request's, or the final response's. `end`: no body follows. */
    void (*head)(void *ctx, void *user, const struct sn_h2_head *head, bool end);
    void (*data)(void *ctx, void *user, struct sn_str data);
    /* trailers - without those sn_http_trailer_ok refuses. */
    void (*trailers)(void *ctx, void *user, const struct sn_http_headers *trailers);
    /* end - the peer has sent everything. */
    void (*end)(void *ctx, void *user);
    /* pull - up to max body bytes to send. Returns their count (0 = none now: sn_h2_resume later);
     * *ret_end set with the last. They must stay where they are until `sent` says that the first n
     * were taken (nghttp2 may ask for a frame one sn_h2_send before it writes it) or `closed`; with
     * sn_h2_send_lent also until its caller has got rid of them. */
    size_t (*pull)(void *ctx, void *user, size_t max, const char **ret, bool *ret_end);
    void (*sent)(void *ctx, void *user, size_t n, bool end);
    /* closed - the stream is over (`code` != 0: reset); `user` is not mentioned again. */
    void (*closed)(void *ctx, void *user, uint32_t code);
    /* goaway - client: streams above last_id were not processed. May be NULL. */
    void (*goaway)(void *ctx, int32_t last_id, uint32_t code);
    /* settings - the peer's first: what it admits is known. May be NULL. */
    void (*settings)(void *ctx);
    /* pong - the answer to an sn_h2_ping. May be NULL. */
    void (*pong)(void *ctx);
};
struct sn_h2_opts {
    bool client;
    bool connect_protocol;    /* server: admits extended CONNECT (RFC 8441) */
    bool any_authority;       /* server: which need not be a host: grpc-go names what it was told to dial */
    uint32_t streams_max;     /* 0 = SN_H2_STREAMS_MAX */
    size_t field_bytes_max;   /* per head; 0 = SN_H2_FIELD_BYTES_MAX */
    unsigned fields_max;      /* 0 = SN_H2_FIELDS_MAX */
    /* Receive windows grow with the bandwidth-delay product, measured by PING beside data, up to this
     * many bytes; 0 = fixed windows. Wants an exact now_ns in sn_h2_recv. */
    uint32_t window_max;
    /* Server: PINGs closer together than this without data of ours between them are strikes, and the
     * third ends the connection (GOAWAY ENHANCE_YOUR_CALM "too_many_pings"). 0 = the common budget. */
    int64_t ping_min_ns;
    /* Bytes that lie unread in streams and yet do not count against the connection's window: so many of
     * slow readers stop nobody else's stream. They are memory of ours; beyond them what is unread holds
     * the whole connection up, as everything does with 0. */
    uint64_t unread_max;
    const struct sn_h2_events *events;
    void *ctx;
};
/* sn_h2_new - the connection preface and SETTINGS are queued. Returns 0 or SN_E_NOMEM.
 * Owns: sn_h2_free; it calls `closed` for every open stream. */
int sn_h2_new(const struct sn_h2_opts *opts, struct sn_h2 **ret) SN_MUST_CHECK;
void sn_h2_free(struct sn_h2 *h);
/* sn_h2_abandon - the connection is gone: calls `closed` for every open stream now. Afterwards only
 * sn_h2_free (and calls about streams that no longer exist, which do nothing) may follow. */
void sn_h2_abandon(struct sn_h2 *h);
/* sn_h2_recv - the peer's bytes. now_ns feeds the budgets. Returns 0, SN_E_PROTOCOL (a connection
 * error: send what sn_h2_send still gives, then close), SN_E_RESOURCE_EXHAUSTED (a budget was
 * spent; GOAWAY ENHANCE_YOUR_CALM is queued), SN_E_NOMEM. */
int sn_h2_recv(struct sn_h2 *h, struct sn_str data, int64_t now_ns) SN_MUST_CHECK;
/* sn_h2_send - appends frames to `out` until it holds bytes_max or nothing is left to send. Returns
 * 0, or out's error. */
int sn_h2_send(struct sn_h2 *h, struct sn_buf *out, size_t bytes_max) SN_MUST_CHECK;
/* sn_h2_send_lent - as sn_h2_send, but pieces of bodies of SN_H2_LENT_MIN bytes and more are not copied
 * into `out`: lent says where they belong between its bytes (bytes_max counts them). They may be used
 * until anything else of this session is called, or who owns them runs: so before the caller suspends it
 * has sent them, or calls sn_h2_lent_own. A stream that ends within has its pieces copied after all. */
#define SN_H2_LENT_MIN 2048u
#define SN_H2_LENT_MAX 32u
struct sn_h2_lent {
    unsigned n;
    size_t bytes; /* of all pieces */
    struct {
        size_t at; /* in `out`: behind so many of its bytes */
        const char *ptr;
        size_t len;
    } piece[SN_H2_LENT_MAX];
};
int sn_h2_send_lent(struct sn_h2 *h, struct sn_buf *out, size_t bytes_max,
                    struct sn_h2_lent *lent) SN_MUST_CHECK;
/* sn_h2_lent_own - puts copies of the pieces into `out`, where they belong; lent is empty then.
 * Returns 0, or out's error. */
int sn_h2_lent_own(struct sn_h2_lent *lent, struct sn_buf *out) SN_MUST_CHECK;
/* sn_h2_done - nothing to read or write any more: close the connection. */
bool sn_h2_done(struct sn_h2 *h);
bool sn_h2_wants_write(struct sn_h2 *h);
unsigned sn_h2_streams(const struct sn_h2 *h); /* open ones */

/* sn_h2_respond - response head; with `body` the body comes by `pull`. Names are lowered.
 * Returns 0, SN_E_CLOSED (the stream is gone), SN_E_NOMEM. */
int sn_h2_respond(struct sn_h2 *h, int32_t id, int status, const struct sn_http_headers *headers,
                  struct sn_arena *a, bool body) SN_MUST_CHECK;
/* sn_h2_interim - an informational head (100, 103) before the response. Returns as sn_h2_respond. */
int sn_h2_interim(struct sn_h2 *h, int32_t id, int status) SN_MUST_CHECK;
/* sn_h2_request - client: opens a stream whose object is `user`. a: for the response's head; lives
 * until `closed`. Returns the stream's id, SN_E_UNAVAILABLE (no more streams on this connection:
 * open another), SN_E_NOMEM. */
struct sn_h2_request {
    struct sn_str method, scheme, authority, path;
    struct sn_str protocol; /* with method CONNECT: an extended one */
    const struct sn_http_headers *headers;
    bool body;
};
int32_t sn_h2_request(struct sn_h2 *h, const struct sn_h2_request *req, struct sn_arena *a,
                      void *user) SN_MUST_CHECK;
/* sn_h2_trailers - sent after the body's end instead of an empty last frame; before `pull` ends it.
 */
int sn_h2_trailers(struct sn_h2 *h, int32_t id, const struct sn_http_headers *trailers,
                   struct sn_arena *a) SN_MUST_CHECK;
/* sn_h2_resume - `pull` has something again. */
void sn_h2_resume(struct sn_h2 *h, int32_t id);
/* sn_h2_consumed - n body bytes of a `data` event were used up: the peer may send as many again. id 0:
 * of a stream that is over. */
void sn_h2_consumed(struct sn_h2 *h, int32_t id, size_t n);
void sn_h2_reset(struct sn_h2 *h, int32_t id, uint32_t code);
/* sn_h2_reset_when_sent - server: when the response has left in full, the rest of the request is told
 * not to come (NO_ERROR). A reset at once would take back what nghttp2 has not yet written. */
void sn_h2_reset_when_sent(struct sn_h2 *h, int32_t id);
/* sn_h2_drop - resets the stream if it is still open and forgets its object: `closed` is called
 * from within, `user` is not mentioned afterwards. */
void sn_h2_drop(struct sn_h2 *h, int32_t id, void *user, uint32_t code);
/* sn_h2_ping - asks for a sign of life: `pong`. Returns 0 or SN_E_NOMEM. */
int sn_h2_ping(struct sn_h2 *h) SN_MUST_CHECK;
/* sn_h2_send_room - bytes of body the peer admits on this stream now. */
size_t sn_h2_send_room(struct sn_h2 *h, int32_t id);
/* sn_h2_shutdown - final = false announces it (streams in flight still count), true ends it. */
void sn_h2_shutdown(struct sn_h2 *h, bool final);
/* sn_h2_connect_protocol - client: the peer's SETTINGS admit extended CONNECT. */
bool sn_h2_connect_protocol(const struct sn_h2 *h);
/* sn_h2_takes_requests - client: false for good after a GOAWAY or when the stream ids are used up. */
bool sn_h2_takes_requests(struct sn_h2 *h);
/* sn_h2_streams_left - client: how many more streams the peer admits at once. */
unsigned sn_h2_streams_left(const struct sn_h2 *h);

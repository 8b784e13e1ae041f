/* SPDX-License-Identifier: Apache-2.0 */
/* wire/h1.h - HTTP/1.1 message heads and chunked bodies, sans I/O.
 *
 * The parser works in place: every string it gives out borrows the caller's buffer. It is
 * incremental: called again with more bytes it continues at the line it stopped in, and the buffer
 * may have moved meanwhile. It is strict where leniency has let requests be smuggled past proxies:
 * one reading of the framing or none. docs/http.md lists the rules.
 *
 * Sources: RFC 9110, RFC 9112. */
#pragma once
#include "core/arena.h"
#include "core/str.h"
#include "wire/http.h"

/* Defaults of struct sn_h1_opts. */
#define SN_H1_HEAD_BYTES_MAX (64u << 10)
#define SN_H1_TARGET_BYTES_MAX (16u << 10)
#define SN_H1_HEADERS_MAX 128u
#define SN_H1_METHOD_BYTES_MAX 32u

enum sn_h1_err {
    SN_H1_OK = 0,
    SN_H1_ERR_METHOD,
    SN_H1_ERR_TARGET,
    SN_H1_ERR_TARGET_LONG,
    SN_H1_ERR_VERSION,
    SN_H1_ERR_VERSION_UNSUPPORTED,
    SN_H1_ERR_STATUS,
    SN_H1_ERR_LINE_END,
    SN_H1_ERR_FOLD,
    SN_H1_ERR_NAME,
    SN_H1_ERR_SPACE_BEFORE_COLON,
    SN_H1_ERR_VALUE,
    SN_H1_ERR_HOST_MISSING,
    SN_H1_ERR_HOST_REPEATED,
    SN_H1_ERR_HOST,
    SN_H1_ERR_LENGTH,
    SN_H1_ERR_LENGTH_REPEATED,
    SN_H1_ERR_LENGTH_AND_CODING,
    SN_H1_ERR_CODING,
    SN_H1_ERR_CODING_UNKNOWN,
    SN_H1_ERR_CODING_OLD,
    SN_H1_ERR_HEAD_LARGE,
    SN_H1_ERR_HEADERS_MANY,
    SN_H1_ERR_EXPECT,
    SN_H1_ERR_CHUNK_SIZE,
    SN_H1_ERR_CHUNK_EXT,
    SN_H1_ERR_CHUNK_END,
    SN_H1_ERR_TRAILER,
    SN_H1_ERR_TRAILERS_LARGE,
    SN_H1_ERR_NOMEM,
};
/* sn_h1_err_text - one clause for the log: "both Content-Length and Transfer-Encoding". Static. */
const char *sn_h1_err_text(enum sn_h1_err e);
/* sn_h1_err_status - what a server answers: 400, 414, 417, 431, 500, 501 or 505. */
int sn_h1_err_status(enum sn_h1_err e);

enum sn_h1_body {
    SN_H1_BODY_NONE,
    SN_H1_BODY_LENGTH,
    SN_H1_BODY_CHUNKED,
    SN_H1_BODY_CLOSE, /* responses: up to the end of the stream */
};

struct sn_h1_opts {
    size_t head_bytes_max;   /* 0 = SN_H1_HEAD_BYTES_MAX */
    size_t target_bytes_max; /* 0 = SN_H1_TARGET_BYTES_MAX */
    unsigned headers_max;    /* 0 = SN_H1_HEADERS_MAX */
    bool response;
    /* Responses only: the request was HEAD, or CONNECT: they change where the body ends. */
    bool to_head, to_connect;
};

struct sn_h1 {
    /* The head, valid once sn_h1_parse has returned > 0. */
    enum sn_http_method method;
    uint8_t version; /* 10 or 11 */
    uint8_t body;    /* enum sn_h1_body */
    bool keep_alive, expect_continue, upgrade, connection_upgrade, has_host;
    int status;
    struct sn_str method_text, target, path, query, authority, reason;
    struct sn_http_headers headers;
    int64_t content_length; /* bytes; -1 = unknown, 0 where there is no body */
    enum sn_h1_err err;     /* why the parse failed */

    /* The parser's own. */
    struct sn_h1_opts opts;
    struct sn_arena *arena;
    const char *base;
    size_t pos, scan; /* start of the current line; no LF in [pos, scan) */
    uint8_t stage;    /* 0 start line, 1 fields, 2 done */
    bool have_length, have_coding, coding_chunked, absolute, close, keep;
};

/* sn_h1_init - opts may be NULL (a request, default limits). The header array comes from `arena`.
 */
void sn_h1_init(struct sn_h1 *p, const struct sn_h1_opts *opts, struct sn_arena *arena);
/* sn_h1_parse - buf[0..len) is everything received of this message so far.
 * Returns the head's length (> 0; the body follows), SN_E_AGAIN for more bytes, or a failure with
 * p->err set: SN_E_PROTOCOL, SN_E_TOO_LARGE (414, 431), SN_E_UNIMPLEMENTED (501, 505),
 * SN_E_NOMEM. After a failure the parser must not be called again. */
ssize_t sn_h1_parse(struct sn_h1 *p, const char *buf, size_t len);
/* sn_h1_rebase - the buffer's bytes moved to `buf`: moves every string of the head along. */
void sn_h1_rebase(struct sn_h1 *p, const char *buf);

/* ---- chunked bodies ------------------------------------------------------------------------- */

#define SN_H1_TRAILER_BYTES_MAX (16u << 10)
/* Chunk framing (sizes, extensions) a peer may spend beyond 64 bytes and a sixteenth of the data:
 * a stream of one-byte chunks with long extensions costs more to read than it carries. */
#define SN_H1_CHUNK_WASTE_MAX (16u << 10)

#define SN_H1_CHUNKED_DATA 3 /* state: inside a chunk's data, `left` bytes to come */
struct sn_h1_chunked {
    uint64_t left;  /* data bytes left in this chunk */
    uint64_t total; /* data bytes so far */
    uint64_t waste;
    size_t trailer_bytes;
    uint8_t state, digits;
    enum sn_h1_err err;
    bool done;
};
static inline void sn_h1_chunked_init(struct sn_h1_chunked *c)
{
    *c = (struct sn_h1_chunked){0};
}
/* sn_h1_chunked_next - takes bytes off the front of *in. Returns 1 with *ret_data a non-empty slice
 * of the body (borrowing in's bytes), 0 at the end of the body (what is left in *in belongs to the
 * next message), SN_E_AGAIN when *in is used up, SN_E_PROTOCOL or SN_E_TOO_LARGE with c->err set.
 * Trailer bytes, when `trailers` is given, are appended to it as received, each line with its CRLF:
 * sn_h1_trailers parses them. */
struct sn_buf;
int sn_h1_chunked_next(struct sn_h1_chunked *c, struct sn_str *in, struct sn_str *ret_data,
                       struct sn_buf *trailers) SN_MUST_CHECK;
/* sn_h1_trailers - parses what sn_h1_chunked_next collected; fields that could change framing or
 * routing (RFC 9110 section 6.5.1) are left out. Strings borrow `raw`. Returns 0, SN_E_PROTOCOL,
 * SN_E_TOO_LARGE, SN_E_NOMEM. */
int sn_h1_trailers(struct sn_str raw, struct sn_arena *a, struct sn_http_headers *ret)
    SN_MUST_CHECK;

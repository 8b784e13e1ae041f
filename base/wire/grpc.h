/* SPDX-License-Identifier: Apache-2.0 */
/* wire/grpc.h - what gRPC, gRPC-Web and Connect put on the wire, sans I/O: statuses, timeouts,
 * message framing, metadata, content types, compression of messages.
 *
 * Status codes are 0..16 here and SN_OK, SN_E_* (negative) everywhere else.
 *
 * Sources: grpc/grpc doc/PROTOCOL-HTTP2.md, doc/PROTOCOL-WEB.md, doc/http-grpc-status-mapping.md,
 * doc/compression.md; connectrpc.com/docs/protocol. */
#pragma once
#include "core/arena.h"
#include "core/buf.h"
#include "core/status.h"
#include "core/str.h"
#include "wire/http.h"

/* ---- status ----------------------------------------------------------------------------------- */

/* sn_grpc_code_from_http - the SN_E_* a client takes for an answer without grpc-status. */
int sn_grpc_code_from_http(int http_status);
/* sn_grpc_code_parse - "5" as SN_E_NOT_FOUND; what is no number of the table is SN_E_UNKNOWN. */
int sn_grpc_code_parse(struct sn_str s);
/* sn_connect_code_name - "not_found"; "canceled" is spelled as Connect does. */
struct sn_str sn_connect_code_name(int code);

/* ---- timeouts --------------------------------------------------------------------------------- */

#define SN_GRPC_TIMEOUT_LEN 9u
/* sn_grpc_timeout_format - at most 8 digits and a unit, never longer than `ns`; negative counts as 0.
 * Returns the length. */
unsigned sn_grpc_timeout_format(int64_t ns, char out[SN_GRPC_TIMEOUT_LEN]);
/* sn_grpc_timeout_parse - Returns 0 or SN_E_SYNTAX. Beyond 292 years: SN_FOREVER. */
int sn_grpc_timeout_parse(struct sn_str s, int64_t *ret_ns) SN_MUST_CHECK;

/* ---- messages --------------------------------------------------------------------------------- */

#define SN_GRPC_PREFIX_LEN 5u
enum { /* flags of a frame */
    SN_GRPC_COMPRESSED = 1,
    SN_GRPC_CONNECT_END = 2, /* Connect: the end of stream as JSON */
    SN_GRPC_WEB_TRAILERS = 0x80,
};
/* sn_grpc_prefix - the five bytes in front of a message. */
static inline void sn_grpc_prefix(uint8_t out[SN_GRPC_PREFIX_LEN], uint8_t flags, uint32_t len)
{
    out[0] = flags;
    out[1] = (uint8_t)(len >> 24);
    out[2] = (uint8_t)(len >> 16);
    out[3] = (uint8_t)(len >> 8);
    out[4] = (uint8_t)len;
}
/* Bytes in, messages out. Memory grows with what has arrived, never with what a prefix announces. */
struct sn_grpc_in {
    struct sn_buf buf;
    size_t off; /* consumed */
    uint32_t bytes_max;
    uint8_t flags_allowed;
};
/* sn_grpc_in_init - bytes_max: of a message. flags_allowed: SN_GRPC_* that may stand in a prefix. */
void sn_grpc_in_init(struct sn_grpc_in *in, uint32_t bytes_max, uint8_t flags_allowed);
void sn_grpc_in_done(struct sn_grpc_in *in);
/* sn_grpc_in_room - where the next bytes of the stream go: at least `min` of them, *ret_cap says how
 * many. Views of messages end here. NULL without memory. */
uint8_t *sn_grpc_in_room(struct sn_grpc_in *in, size_t min, size_t *ret_cap);
static inline void sn_grpc_in_add(struct sn_grpc_in *in, size_t n) { in->buf.len += n; }
/* sn_grpc_in_next - the next whole message, borrowed until sn_grpc_in_room.
 * Returns 1; 0 where bytes are missing; SN_E_RESOURCE_EXHAUSTED (longer than bytes_max; the diagnostic
 * has both), SN_E_INTERNAL (a flag that is not allowed). */
int sn_grpc_in_next(struct sn_grpc_in *in, uint8_t *ret_flags, struct sn_str *ret) SN_MUST_CHECK;
/* sn_grpc_in_partial - whether the stream would end inside a message now. */
static inline bool sn_grpc_in_partial(const struct sn_grpc_in *in) { return in->off < in->buf.len; }

/* ---- compression ------------------------------------------------------------------------------ */

enum sn_grpc_encoding { SN_GRPC_IDENTITY, SN_GRPC_GZIP, SN_GRPC_DEFLATE };
#define SN_GRPC_ACCEPT_ENCODING SN_STR("identity,gzip,deflate")
/* sn_grpc_encoding_of - Returns the encoding, SN_E_UNIMPLEMENTED for others. "" is identity. */
int sn_grpc_encoding_of(struct sn_str name) SN_MUST_CHECK;
struct sn_str sn_grpc_encoding_name(enum sn_grpc_encoding e);
/* sn_grpc_pack - appends the compressed form of `in`. Returns 0, SN_E_NOMEM, out's error. */
int sn_grpc_pack(enum sn_grpc_encoding e, struct sn_str in, struct sn_buf *out) SN_MUST_CHECK;
/* sn_grpc_unpack - appends the plain form, at most bytes_max of it. Returns 0, SN_E_INTERNAL (not in
 * the format), SN_E_RESOURCE_EXHAUSTED (would be longer), SN_E_NOMEM. */
int sn_grpc_unpack(enum sn_grpc_encoding e, struct sn_str in, size_t bytes_max,
                   struct sn_buf *out) SN_MUST_CHECK;

/* ---- metadata --------------------------------------------------------------------------------- */

/* sn_grpc_message_encode - percent-encodes what may not stand in grpc-message. In the arena; .ptr NULL
 * without memory. */
struct sn_str sn_grpc_message_encode(struct sn_str s, struct sn_arena *a);
/* sn_grpc_message_decode - malformed escapes stay as they are. */
struct sn_str sn_grpc_message_decode(struct sn_str s, struct sn_arena *a);
/* sn_grpc_bin_encode - standard base64 without padding. .ptr NULL without memory. */
struct sn_str sn_grpc_bin_encode(struct sn_str bytes, struct sn_arena *a);
/* sn_grpc_bin_decode - standard or URL alphabet, padded or not. Returns 0, SN_E_SYNTAX, SN_E_NOMEM. */
int sn_grpc_bin_decode(struct sn_str text, struct sn_arena *a, struct sn_str *ret) SN_MUST_CHECK;
/* sn_grpc_is_bin - whether the name ends in "-bin". */
static inline bool sn_grpc_is_bin(struct sn_str name) { return sn_str_ends(name, SN_STR("-bin")); }
/* sn_grpc_reserved - whether metadata may not carry this (lower-case) name: pseudo fields, "grpc-",
 * "connect-" framing names, content-type, te and what belongs to the connection. */
bool sn_grpc_reserved(struct sn_str name);
/* sn_grpc_metadata_of - the user's fields among `h`: reserved ones left out, -bin values decoded and
 * split at commas. Malformed -bin values are SN_E_SYNTAX. Returns 0, SN_E_SYNTAX, SN_E_NOMEM. */
int sn_grpc_metadata_of(const struct sn_http_headers *h, struct sn_arena *a,
                        struct sn_http_headers *ret) SN_MUST_CHECK;
/* sn_grpc_metadata_valid - name: lower-case letters, digits, "_-." ; value: visible ASCII and inner
 * spaces, anything where the name is -bin. */
bool sn_grpc_metadata_valid(struct sn_str name, struct sn_str value);

/* ---- content types ---------------------------------------------------------------------------- */

enum sn_grpc_protocol {
    SN_GRPC_NONE,
    SN_GRPC_HTTP2,          /* application/grpc */
    SN_GRPC_WEB,            /* application/grpc-web */
    SN_GRPC_WEB_TEXT,       /* application/grpc-web-text: base64 */
    SN_GRPC_CONNECT_UNARY,  /* application/proto, application/json */
    SN_GRPC_CONNECT_STREAM, /* application/connect+proto */
};
enum sn_grpc_codec { SN_GRPC_PROTO, SN_GRPC_JSON, SN_GRPC_OTHER_CODEC };
/* sn_grpc_content_type - by the media type alone, parameters are ignored. */
enum sn_grpc_protocol sn_grpc_content_type(struct sn_str value, enum sn_grpc_codec *ret_codec);
/* sn_grpc_content_type_name - what an answer of this kind carries; static. */
struct sn_str sn_grpc_content_type_name(enum sn_grpc_protocol p, enum sn_grpc_codec c);

/* ---- google.rpc.Status ------------------------------------------------------------------------ */

/* sn_grpc_details_put - appends a serialised google.rpc.Status of code (0..16) and message with
 * `details`, its encoded field 3 entries. */
void sn_grpc_details_put(struct sn_buf *out, int code, struct sn_str message, struct sn_str details);
/* sn_grpc_detail_put - appends one field 3 entry: an Any of type_name and value. */
void sn_grpc_detail_put(struct sn_buf *out, struct sn_str type_name, struct sn_str value);

/* ---- trailers as text ------------------------------------------------------------------------- */

/* sn_grpc_web_trailers_put - "name: value\r\n" lines, as gRPC-Web frames them. */
void sn_grpc_web_trailers_put(struct sn_buf *out, const struct sn_http_headers *t);

/* SPDX-License-Identifier: Apache-2.0 */
/* core/enc.h - bytes as text: base64, hex, percent-encoding.
 * Encoders write exactly the length their size function names and no NUL; decoders are strict and
 * write nothing readable on failure. Nothing here allocates. */
#pragma once
#include "core/base.h"
#include "core/buf.h"
#include "core/str.h"

/* ---- base64; Source: RFC 4648 sections 4 and 5 ---- */
enum sn_base64 {
    SN_BASE64_STD = 0,    /* '+' '/', padded */
    SN_BASE64_URL = 1,    /* '-' '_', padded */
    SN_BASE64_UNPADDED = 2, /* flag: without '=' */
    SN_BASE64_URL_UNPADDED = SN_BASE64_URL | SN_BASE64_UNPADDED,
};
/* sn_base64_len - characters that n bytes encode to; n <= SIZE_MAX / 2. */
static inline size_t sn_base64_len(size_t n, enum sn_base64 kind)
{
    return kind & SN_BASE64_UNPADDED ? n / 3 * 4 + (n % 3 * 4 + 2) / 3 : (n + 2) / 3 * 4;
}
/* sn_base64_decoded_max - bytes that suffice to decode n characters. */
static inline size_t sn_base64_decoded_max(size_t n) { return n / 4 * 3 + 3; }
/* sn_base64_encode - writes sn_base64_len(n, kind) characters to out. Returns that count. */
size_t sn_base64_encode(const void *data, size_t n, enum sn_base64 kind, char *out);
/* sn_base64_decode - strict: the kind's alphabet only, padding exactly where the kind has it, no
 * white space, unused bits zero. out: sn_base64_decoded_max(s.len) bytes; may be s.ptr itself.
 * Returns the bytes written or SN_E_SYNTAX; no diagnostic. */
ssize_t sn_base64_decode(struct sn_str s, enum sn_base64 kind, void *out) SN_MUST_CHECK;
/* sn_buf_base64 - appends the encoding. Returns 0 or the buffer's (now sticky) error. */
int sn_buf_base64(struct sn_buf *b, const void *data, size_t n, enum sn_base64 kind);

/* ---- hex ---- */
/* sn_hex_encode - writes 2n lower-case digits to out. Returns 2n. */
size_t sn_hex_encode(const void *data, size_t n, char *out);
/* sn_hex_encode_upper - with upper-case digits. */
size_t sn_hex_encode_upper(const void *data, size_t n, char *out);
/* sn_hex_decode - either case, an even number of digits and nothing else. out: s.len/2 bytes, may
 * be s.ptr itself. Returns s.len/2 or SN_E_SYNTAX; no diagnostic. */
ssize_t sn_hex_decode(struct sn_str s, void *out) SN_MUST_CHECK;
/* sn_hex_digit - 0..15, or -1 where c is not a hex digit. */
int sn_hex_digit(char c);
/* sn_buf_hex - appends the encoding. Returns 0 or the buffer's (now sticky) error. */
int sn_buf_hex(struct sn_buf *b, const void *data, size_t n);
int sn_buf_hex_upper(struct sn_buf *b, const void *data, size_t n);

/* ---- percent-encoding; Source: RFC 3986 section 2.1 ---- */
enum sn_pct {
    SN_PCT_SEGMENT,  /* one path segment: escapes '/', '?', '#' and everything outside pchar */
    SN_PCT_PATH,     /* a whole path: as SEGMENT but '/' stays */
    SN_PCT_QUERY,    /* a query name or value: also escapes '&' '=' '+' ';', space is %20 */
    SN_PCT_UNRESERVED, /* everything but ALPHA DIGIT - . _ ~ */
};
/* sn_buf_pct - appends `s` escaped, with upper-case hex. Returns 0 or the buffer's sticky error. */
int sn_buf_pct(struct sn_buf *b, struct sn_str s, enum sn_pct kind);
/* sn_pct_decode - every %XX becomes its byte, %00 included (the caller judges); with plus_is_space
 * '+' becomes a space (forms). out: s.len bytes, may be s.ptr itself.
 * Returns the bytes written or SN_E_SYNTAX on a '%' without two hex digits; no diagnostic. */
ssize_t sn_pct_decode(struct sn_str s, bool plus_is_space, char *out) SN_MUST_CHECK;

/* SPDX-License-Identifier: Apache-2.0 */
/* wire/http.h - what HTTP/1.1 and HTTP/2 share: methods, header lists, limits. */
#pragma once
#include "core/arena.h"
#include "core/str.h"

enum sn_http_method {
    SN_HTTP_OTHER, SN_HTTP_GET, SN_HTTP_HEAD, SN_HTTP_POST, SN_HTTP_PUT, SN_HTTP_DELETE,
    SN_HTTP_CONNECT, SN_HTTP_OPTIONS, SN_HTTP_TRACE, SN_HTTP_PATCH,
};
enum sn_http_method sn_http_method_of(struct sn_str text);
/* sn_http_idempotent - whether a request of this method may be sent again where the first one's fate is
 * not known. Source: RFC 9110 section 9.2.2. */
bool sn_http_idempotent(enum sn_http_method m);

struct sn_http_header {
    struct sn_str name, value; /* name as received on 1.1, lower case on h2; compare with ieq */
};
struct sn_http_headers {
    struct sn_http_header *ptr;
    unsigned len, cap;
};
/* sn_http_headers_get - the first value of `name` (ASCII case ignored); .ptr NULL where absent. */
struct sn_str sn_http_headers_get(const struct sn_http_headers *h, struct sn_str name);
int sn_http_headers_add(struct sn_http_headers *h, struct sn_arena *a, struct sn_str name,
                        struct sn_str value) SN_MUST_CHECK;
/* sn_http_status_text - "Not Found" for 404; "" where unknown. */
const char *sn_http_status_text(int status);
/* sn_http_status_line - "HTTP/1.1 404 Not Found\r\n"; .ptr NULL where the status is not in the
 * registry (the caller then formats it). Static. */
struct sn_str sn_http_status_line(int status);

/* sn_http_is_token - a non-empty RFC 9110 token: method and field names. */
bool sn_http_is_token(struct sn_str s);
/* sn_http_is_value - no control bytes but HTAB: nothing that could end a field line. */
bool sn_http_is_value(struct sn_str s);
/* sn_http_has_token - whether the comma-separated list `list` has `token`, ASCII case ignored. */
bool sn_http_has_token(struct sn_str list, struct sn_str token);
/* sn_http_host_valid - host[:port] as Host and :authority allow it: a name, an IPv4 or a bracketed
 * IPv6 address, optional decimal port; no user information, not empty. */
bool sn_http_host_valid(struct sn_str s);
/* sn_http_trailer_ok - whether a trailer may carry this field: none that could change framing,
 * routing, authentication or the meaning of the body (RFC 9110 section 6.5.1). */
bool sn_http_trailer_ok(struct sn_str name);
/* sn_http_date - IMF-fixdate of unix seconds (years 1970 to 9999), not NUL-terminated. */
#define SN_HTTP_DATE_LEN 29u
void sn_http_date(int64_t unix_s, char out[SN_HTTP_DATE_LEN]);

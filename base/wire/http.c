/* SPDX-License-Identifier: Apache-2.0 */
/* wire/http.c - methods, header lists, status texts and dates of HTTP, whatever its version. */
#include "wire/http.h"

#include "core/status.h"

enum sn_http_method sn_http_method_of(struct sn_str t)
{
#define IS(lit) (t.len == sizeof(lit) - 1 && memcmp(t.ptr, lit, sizeof(lit) - 1) == 0)
    switch (t.len) {
    case 3: return IS("GET") ? SN_HTTP_GET : IS("PUT") ? SN_HTTP_PUT : SN_HTTP_OTHER;
    case 4: return IS("POST") ? SN_HTTP_POST : IS("HEAD") ? SN_HTTP_HEAD : SN_HTTP_OTHER;
    case 5: return IS("PATCH") ? SN_HTTP_PATCH : IS("TRACE") ? SN_HTTP_TRACE : SN_HTTP_OTHER;
    case 6: return IS("DELETE") ? SN_HTTP_DELETE : SN_HTTP_OTHER;
    case 7:
        return IS("OPTIONS") ? SN_HTTP_OPTIONS : IS("CONNECT") ? SN_HTTP_CONNECT : SN_HTTP_OTHER;
    default: return SN_HTTP_OTHER;
    }
#undef IS
}

bool sn_http_idempotent(enum sn_http_method m)
{
    switch (m) {
    case SN_HTTP_GET:
    case SN_HTTP_HEAD:
    case SN_HTTP_PUT:
    case SN_HTTP_DELETE:
    case SN_HTTP_OPTIONS:
    case SN_HTTP_TRACE: return true;
    default: return false;
    }
}

struct sn_str sn_http_headers_get(const struct sn_http_headers *h, struct sn_str name)
{
    for (unsigned i = 0; i < h->len; i++)
        if (h->ptr[i].name.len == name.len && sn_str_ieq(h->ptr[i].name, name))
            return h->ptr[i].value;
    return (struct sn_str){0};
}

#define HEADERS_FIRST 16u

int sn_http_headers_add(struct sn_http_headers *h, struct sn_arena *a, struct sn_str name,
                        struct sn_str value)
{
    if (SN_UNLIKELY(h->len == h->cap)) {
        unsigned cap = h->cap ? h->cap * 2 : HEADERS_FIRST;
        struct sn_http_header *ptr = sn_arena_alloc(a, (size_t)cap * sizeof(*ptr));
        if (!ptr) return SN_E_NOMEM;
        if (h->len) memcpy(ptr, h->ptr, h->len * sizeof(*ptr));
        h->ptr = ptr;
        h->cap = cap;
    }
    h->ptr[h->len++] = (struct sn_http_header){name, value};
    return 0;
}

/* IANA HTTP Status Code Registry. */
#define STATUS_LIST(X)                                                                            \
    X(100, "Continue") X(101, "Switching Protocols") X(102, "Processing") X(103, "Early Hints")   \
    X(200, "OK") X(201, "Created") X(202, "Accepted")                                             \
    X(203, "Non-Authoritative Information") X(204, "No Content") X(205, "Reset Content")          \
    X(206, "Partial Content") X(207, "Multi-Status") X(208, "Already Reported")                   \
    X(226, "IM Used") X(300, "Multiple Choices") X(301, "Moved Permanently") X(302, "Found")      \
    X(303, "See Other") X(304, "Not Modified") X(305, "Use Proxy")                                \
    X(307, "Temporary Redirect") X(308, "Permanent Redirect") X(400, "Bad Request")               \
    X(401, "Unauthorized") X(402, "Payment Required") X(403, "Forbidden") X(404, "Not Found")     \
    X(405, "Method Not Allowed") X(406, "Not Acceptable")                                         \
    X(407, "Proxy Authentication Required") X(408, "Request Timeout") X(409, "Conflict")          \
    X(410, "Gone") X(411, "Length Required") X(412, "Precondition Failed")                        \
    X(413, "Content Too Large") X(414, "URI Too Long") X(415, "Unsupported Media Type")           \
    X(416, "Range Not Satisfiable") X(417, "Expectation Failed") X(418, "I'm a teapot")           \
    X(421, "Misdirected Request") X(422, "Unprocessable Content") X(423, "Locked")                \
    X(424, "Failed Dependency") X(425, "Too Early") X(426, "Upgrade Required")                    \
    X(428, "Precondition Required") X(429, "Too Many Requests")                                   \
    X(431, "Request Header Fields Too Large") X(451, "Unavailable For Legal Reasons")             \
    X(499, "Client Closed Request") X(500, "Internal Server Error") X(501, "Not Implemented")     \
    X(502, "Bad Gateway") X(503, "Service Unavailable") X(504, "Gateway Timeout")                 \
    X(505, "HTTP Version Not Supported") X(506, "Variant Also Negotiates")                        \
    X(507, "Insufficient Storage") X(508, "Loop Detected")                                        \
    X(511, "Network Authentication Required")

const char *sn_http_status_text(int status)
{
    switch (status) {
#define X(code, text) \
    case code: return text;
        STATUS_LIST(X)
#undef X
    default: return "";
    }
}

struct sn_str sn_http_status_line(int status)
{
    if (SN_LIKELY(status == 200)) return SN_STR("HTTP/1.1 200 OK\r\n");
    switch (status) {
#define X(code, text) \
    case code: return SN_STR("HTTP/1.1 " #code " " text "\r\n");
        STATUS_LIST(X)
#undef X
    default: return (struct sn_str){0};
    }
}

/* Bit 0: RFC 9110 token; bit 1: RFC 3986 reg-name (unreserved, sub-delims and '%'). */
enum { C_TOKEN = 1, C_REG_NAME = 2 };
static const uint8_t char_class[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 3, 0, 1, 3, 3, 3, 3, 2, 2, 3, 3, 2, 3, 3, 0, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 0, 2, 0, 2, 0, 0,
    0, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 0, 0, 0, 1, 3,
    1, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 0, 1, 0, 3, 0,
};

bool sn_http_is_token(struct sn_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!(char_class[(unsigned char)s.ptr[i]] & C_TOKEN)) return false;
    return s.len > 0;
}

/* Eight bytes at a time for what nearly every value is: no byte below a space, no DEL. The first test
 * is exact for "some byte is below 0x20"; bytes from 0x80 up never trip it. */
bool sn_http_is_value(struct sn_str s)
{
    const uint64_t ones = 0x0101010101010101ull, tops = 0x8080808080808080ull;
    size_t i = 0;
    for (; i + 8 <= s.len; i += 8) {
        uint64_t v, del;
        memcpy(&v, s.ptr + i, 8);
        del = v ^ (ones * 0x7f);
        if (SN_UNLIKELY((((v - ones * 0x20) & ~v) | ((del - ones) & ~del)) & tops)) break;
    }
    for (; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) return false;
    }
    return true;
}

bool sn_http_has_token(struct sn_str list, struct sn_str token)
{
    while (list.ptr) {
        if (sn_str_ieq(sn_str_trim(sn_str_cut(&list, ',')), token)) return true;
    }
    return false;
}

bool sn_http_host_valid(struct sn_str s)
{
    size_t i = 0;
    if (s.len && s.ptr[0] == '[') {
        ssize_t close = sn_str_chr(s, ']');
        if (close < 3) return false;
        for (i = 1; i < (size_t)close; i++) {
            unsigned char c = (unsigned char)s.ptr[i];
            bool hex = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
            if (!hex && c != ':' && c != '.') return false;
        }
        i = (size_t)close + 1;
    } else {
        while (i < s.len && (char_class[(unsigned char)s.ptr[i]] & C_REG_NAME)) i++;
        if (i == 0) return false;
    }
    if (i == s.len) return true;
    if (s.ptr[i++] != ':') return false;
    if (s.len - i > 5) return false;
    for (; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9') return false;
    return true;
}

static char *put2(char *p, unsigned v)
{
    p[0] = (char)('0' + v / 10);
    p[1] = (char)('0' + v % 10);
    return p + 2;
}

/* Days since the epoch to a civil date by counting in 400-year eras that begin on 1 March. */
void sn_http_date(int64_t unix_s, char out[SN_HTTP_DATE_LEN])
{
    static const char days[] = "ThuFriSatSunMonTueWed";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t day = unix_s / 86400;
    unsigned secs = (unsigned)(unix_s - day * 86400);
    int64_t z = day + 719468; /* days from 0000-03-01 to 1970-01-01 */
    int64_t era = z / 146097;
    unsigned doe = (unsigned)(z - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;
    unsigned mday = doy - (153 * mp + 2) / 5 + 1;
    unsigned month = mp < 10 ? mp + 3 : mp - 9;
    unsigned year = (unsigned)(yoe + era * 400) + (month <= 2 ? 1 : 0);
    char *p = out;
    memcpy(p, days + (day % 7) * 3, 3);
    memcpy(p + 3, ", ", 2);
    p = put2(p + 5, mday);
    *p++ = ' ';
    memcpy(p, months + (month - 1) * 3, 3);
    p[3] = ' ';
    p = put2(p + 4, year / 100 % 100);
    p = put2(p, year % 100);
    *p++ = ' ';
    p = put2(p, secs / 3600);
    *p++ = ':';
    p = put2(p, secs / 60 % 60);
    *p++ = ':';
    p = put2(p, secs % 60);
    memcpy(p, " GMT", 4);
}

bool sn_http_trailer_ok(struct sn_str name)
{
    static const struct sn_str bad[] = {
        SN_STR_INIT("transfer-encoding"),
        SN_STR_INIT("content-length"),
        SN_STR_INIT("host"),
        SN_STR_INIT("connection"),
        SN_STR_INIT("trailer"),
        SN_STR_INIT("te"),
        SN_STR_INIT("upgrade"),
        SN_STR_INIT("authorization"),
        SN_STR_INIT("cookie"),
        SN_STR_INIT("set-cookie"),
        SN_STR_INIT("expect"),
        SN_STR_INIT("range"),
        SN_STR_INIT("content-encoding"),
        SN_STR_INIT("content-type"),
        SN_STR_INIT("content-range"),
        SN_STR_INIT("cache-control"),
        SN_STR_INIT("keep-alive"),
        SN_STR_INIT("proxy-connection"),
    };
    for (size_t i = 0; i < SN_COUNT_OF(bad); i++)
        if (name.len == bad[i].len && sn_str_ieq(name, bad[i])) return false;
    return true;
}

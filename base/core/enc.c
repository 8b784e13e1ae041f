/* SPDX-License-Identifier: Apache-2.0 */
/* core/enc.c - base64, hex and percent-encoding. */
#include "core/enc.h"

#include "core/status.h"

/* ---- base64 ---- */

static const char std_chars[65] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_chars[65] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t sn_base64_encode(const void *data, size_t n, enum sn_base64 kind, char *out)
{
    const uint8_t *p = data;
    const char *chars = kind & SN_BASE64_URL ? url_chars : std_chars;
    char *o = out;
    for (; n >= 3; n -= 3, p += 3) {
        uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        *o++ = chars[v >> 18];
        *o++ = chars[v >> 12 & 63];
        *o++ = chars[v >> 6 & 63];
        *o++ = chars[v & 63];
    }
    if (n) {
        uint32_t v = (uint32_t)p[0] << 16 | (n == 2 ? (uint32_t)p[1] << 8 : 0);
        *o++ = chars[v >> 18];
        *o++ = chars[v >> 12 & 63];
        if (n == 2) *o++ = chars[v >> 6 & 63];
        for (; !(kind & SN_BASE64_UNPADDED) && n < 3; n++) *o++ = '=';
    }
    return (size_t)(o - out);
}

/* Characters' places in the alphabets, from 1 on; 0: in none. Branches took twice as long. */
#define PLACES(c62, c63)                                                                        \
    {                                                                                           \
        ['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,  \
        23, 24, 25, 26, ['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, \
        43, 44, 45, 46, 47, 48, 49, 50, 51, 52, ['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, \
        [c62] = 63, [c63] = 64                                                                  \
    }
static const uint8_t places[2][256] = {PLACES('+', '/'), PLACES('-', '_')};

/* 0..63, or 64 and above where c is not of the alphabet. */
static inline uint32_t sextet(char c, const uint8_t place[256])
{
    return (uint32_t)place[(uint8_t)c] - 1;
}

ssize_t sn_base64_decode(struct sn_str s, enum sn_base64 kind, void *out)
{
    uint8_t *o = out;
    const uint8_t *of = places[kind & SN_BASE64_URL ? 1 : 0];
    if (!(kind & SN_BASE64_UNPADDED)) {
        if (s.len % 4) return SN_E_SYNTAX;
        for (int pad = 0; pad < 2 && s.len && s.ptr[s.len - 1] == '='; pad++) s.len--;
    }
    if (s.len % 4 == 1) return SN_E_SYNTAX;
    const char *p = s.ptr;
    size_t n = s.len;
    uint32_t bad = 0;
    for (; n >= 4; n -= 4, p += 4) {
        uint32_t a = sextet(p[0], of), b = sextet(p[1], of);
        uint32_t c = sextet(p[2], of), d = sextet(p[3], of);
        bad |= a | b | c | d;
        uint32_t v = a << 18 | b << 12 | c << 6 | d;
        *o++ = (uint8_t)(v >> 16);
        *o++ = (uint8_t)(v >> 8);
        *o++ = (uint8_t)v;
    }
    if (n) {
        uint32_t a = sextet(p[0], of), b = sextet(p[1], of);
        uint32_t c = n == 3 ? sextet(p[2], of) : 0;
        bad |= a | b | c;
        if (n == 2 ? b & 15 : c & 3) return SN_E_SYNTAX; /* two texts for one value */
        *o++ = (uint8_t)(a << 2 | b >> 4);
        if (n == 3) *o++ = (uint8_t)(b << 4 | c >> 2);
    }
    return bad >= 64 ? SN_E_SYNTAX : o - (uint8_t *)out;
}

int sn_buf_base64(struct sn_buf *b, const void *data, size_t n, enum sn_base64 kind)
{
    if (n > SIZE_MAX / 2) return b->err < 0 ? b->err : (b->err = SN_E_TOO_LARGE);
    size_t len = sn_base64_len(n, kind);
    if (b->err < 0 || sn_buf_reserve(b, len) < 0) return b->err;
    if (len) b->len += sn_base64_encode(data, n, kind, (char *)b->ptr + b->len);
    return 0;
}

/* ---- hex ---- */

static const char lower_digits[] = "0123456789abcdef", upper_digits[] = "0123456789ABCDEF";

static size_t hex_encode(const void *data, size_t n, const char *digits, char *out)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    return 2 * n;
}
size_t sn_hex_encode(const void *data, size_t n, char *out)
{
    return hex_encode(data, n, lower_digits, out);
}
size_t sn_hex_encode_upper(const void *data, size_t n, char *out)
{
    return hex_encode(data, n, upper_digits, out);
}

int sn_hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

ssize_t sn_hex_decode(struct sn_str s, void *out)
{
    uint8_t *o = out;
    if (s.len % 2) return SN_E_SYNTAX;
    for (size_t i = 0; i < s.len; i += 2) {
        int hi = sn_hex_digit(s.ptr[i]), lo = sn_hex_digit(s.ptr[i + 1]);
        if (hi < 0 || lo < 0) return SN_E_SYNTAX;
        *o++ = (uint8_t)(hi << 4 | lo);
    }
    return (ssize_t)(s.len / 2);
}

int sn_buf_hex(struct sn_buf *b, const void *data, size_t n)
{
    if (n > SIZE_MAX / 2) return b->err < 0 ? b->err : (b->err = SN_E_TOO_LARGE);
    if (b->err < 0 || sn_buf_reserve(b, 2 * n) < 0) return b->err;
    if (n) b->len += sn_hex_encode(data, n, (char *)b->ptr + b->len);
    return 0;
}
int sn_buf_hex_upper(struct sn_buf *b, const void *data, size_t n)
{
    if (n > SIZE_MAX / 2) return b->err < 0 ? b->err : (b->err = SN_E_TOO_LARGE);
    if (b->err < 0 || sn_buf_reserve(b, 2 * n) < 0) return b->err;
    if (n) b->len += sn_hex_encode_upper(data, n, (char *)b->ptr + b->len);
    return 0;
}

/* ---- percent-encoding ---- */

static bool pct_plain(uint8_t c, enum sn_pct kind)
{
    if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')) return true;
    switch (c) {
    case '-': case '.': case '_': case '~': return true;
    case '!': case '$': case '\'': case '(': case ')': case '*': case ',': case ':': case '@':
        return kind != SN_PCT_UNRESERVED;
    case '&': case '=': case '+': case ';': return kind == SN_PCT_SEGMENT || kind == SN_PCT_PATH;
    case '/': return kind == SN_PCT_PATH || kind == SN_PCT_QUERY;
    case '?': return kind == SN_PCT_QUERY;
    default: return false;
    }
}

int sn_buf_pct(struct sn_buf *b, struct sn_str s, enum sn_pct kind)
{
    size_t begin = 0;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = (uint8_t)s.ptr[i];
        if (pct_plain(c, kind)) continue;
        sn_buf_put(b, s.ptr + begin, i - begin);
        sn_buf_put(b, (char[]){'%', upper_digits[c >> 4], upper_digits[c & 15]}, 3);
        begin = i + 1;
    }
    return sn_buf_str(b, sn_str_from(s, begin));
}

ssize_t sn_pct_decode(struct sn_str s, bool plus_is_space, char *out)
{
    char *o = out;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '%') {
            int hi = i + 1 < s.len ? sn_hex_digit(s.ptr[i + 1]) : -1;
            int lo = i + 2 < s.len ? sn_hex_digit(s.ptr[i + 2]) : -1;
            if (hi < 0 || lo < 0) return SN_E_SYNTAX;
            c = (char)(hi << 4 | lo);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        *o++ = c;
    }
    return o - out;
}

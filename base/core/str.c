/* SPDX-License-Identifier: Apache-2.0 */
/* core/str.c - searching, numbers, units and UTF-8. */
#include "core/str.h"

#include <stdlib.h>

#include "core/alloc.h"
#include "core/status.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

bool sn_str_ieq(struct sn_str a, struct sn_str b)
{
    if (a.len != b.len) return false;
    for (size_t i = 0; i < a.len; i++)
        if (sn_ascii_lower(a.ptr[i]) != sn_ascii_lower(b.ptr[i])) return false;
    return true;
}

int sn_str_cmp(struct sn_str a, struct sn_str b)
{
    size_t n = SN_MIN(a.len, b.len);
    int c = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

ssize_t sn_str_find(struct sn_str s, struct sn_str needle)
{
    if (needle.len == 0) return 0;
    if (s.len < needle.len) return -1;
    const char *p = memmem(s.ptr, s.len, needle.ptr, needle.len);
    return p ? p - s.ptr : -1;
}

ssize_t sn_str_chr(struct sn_str s, char c)
{
    const char *p = s.len ? memchr(s.ptr, c, s.len) : NULL;
    return p ? p - s.ptr : -1;
}

ssize_t sn_str_rchr(struct sn_str s, char c)
{
    const char *p = s.len ? memrchr(s.ptr, c, s.len) : NULL;
    return p ? p - s.ptr : -1;
}

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct sn_str sn_str_trim(struct sn_str s)
{
    while (s.len && is_space(s.ptr[s.len - 1])) s.len--;
    while (s.len && is_space(s.ptr[0])) s.ptr++, s.len--;
    return s;
}

struct sn_str sn_str_cut(struct sn_str *s, char sep)
{
    struct sn_str all = *s;
    ssize_t at = sn_str_chr(all, sep);
    if (at < 0) {
        *s = (struct sn_str){0};
        return all;
    }
    *s = sn_str_from(all, (size_t)at + 1);
    return sn_str_of(all.ptr, (size_t)at);
}

/* ---- integers ---- */

int sn_str_to_u64(struct sn_str s, uint64_t *ret)
{
    uint64_t v = 0;
    bool over = false;
    if (s.len == 0) return SN_E_SYNTAX;
    for (size_t i = 0; i < s.len; i++) {
        if (!is_digit(s.ptr[i])) return SN_E_SYNTAX;
        over |= __builtin_mul_overflow(v, (uint64_t)10, &v);
        over |= __builtin_add_overflow(v, (uint64_t)(s.ptr[i] - '0'), &v);
    }
    if (over) return SN_E_OUT_OF_RANGE;
    *ret = v;
    return 0;
}

int sn_str_to_i64(struct sn_str s, int64_t *ret)
{
    bool neg = s.len && s.ptr[0] == '-';
    uint64_t v;
    int r = sn_str_to_u64(neg ? sn_str_from(s, 1) : s, &v);
    if (r < 0) return r;
    if (v > (uint64_t)INT64_MAX + neg) return SN_E_OUT_OF_RANGE;
    *ret = (int64_t)(neg ? 0 - v : v);
    return 0;
}

/* ---- doubles ---- */

/* No double needs more than 767 significant digits to be told from its neighbours' midpoint; what
 * follows counts only as "not zero". */
#define DIGITS_MAX 780
#define EXP_MAX 100000 /* far outside any double: larger exponents saturate here */

/* A decimal number taken apart: 0.digits * 10^point, or mantissa * 10^exp while both fit. */
struct decimal {
    char digits[DIGITS_MAX + 1];
    int n_digits;
    int64_t point;
    bool neg;
};

/* Takes the digits from s->ptr[*at]; `frac` tells which side of the point they are on. */
static size_t take_digits(struct sn_str s, size_t *at, struct decimal *d, bool frac)
{
    size_t begin = *at;
    for (; *at < s.len && is_digit(s.ptr[*at]); ++*at) {
        char c = s.ptr[*at];
        if (d->n_digits == 0 && c == '0') {
            if (frac) d->point--;
            continue;
        }
        if (!frac) d->point++;
        if (d->n_digits < DIGITS_MAX)
            d->digits[d->n_digits++] = c;
        else if (c != '0')
            d->digits[DIGITS_MAX - 1] |= 1; /* sticky: '0' becomes '1', never a carry */
    }
    return *at - begin;
}

static int take_decimal(struct sn_str s, struct decimal *d)
{
    size_t i = 0;
    d->n_digits = 0;
    d->point = 0;
    d->neg = s.len && s.ptr[0] == '-';
    if (d->neg) i++;
    if (take_digits(s, &i, d, false) == 0) return SN_E_SYNTAX;
    if (i < s.len && s.ptr[i] == '.') {
        i++;
        if (take_digits(s, &i, d, true) == 0) return SN_E_SYNTAX;
    }
    if (i < s.len && (s.ptr[i] | 0x20) == 'e') {
        bool neg = false;
        int64_t e = 0;
        i++;
        if (i < s.len && (s.ptr[i] == '-' || s.ptr[i] == '+')) neg = s.ptr[i++] == '-';
        size_t begin = i;
        for (; i < s.len && is_digit(s.ptr[i]); i++)
            e = SN_MIN(e * 10 + (s.ptr[i] - '0'), (int64_t)1 << 56);
        if (i == begin) return SN_E_SYNTAX;
        d->point += neg ? -e : e;
    }
    return i == s.len ? 0 : SN_E_SYNTAX;
}

int sn_str_to_double(struct sn_str s, double *ret)
{
    static const double pow10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    struct decimal d;
    int r = take_decimal(s, &d);
    if (r < 0) return r;
    while (d.n_digits > 0 && d.digits[d.n_digits - 1] == '0') d.n_digits--;
    double v = 0;
    int64_t exp = d.point - d.n_digits;
    if (d.n_digits == 0) {
        v = 0;
    } else if (d.n_digits <= 15 && exp >= -22 && exp <= 22) {
        /* Mantissa and power are both exact doubles, so one operation rounds once.
         * Source: Clinger, "How to read floating point numbers accurately" (1990). */
        uint64_t m = 0;
        for (int i = 0; i < d.n_digits; i++) m = m * 10 + (uint64_t)(d.digits[i] - '0');
        v = exp < 0 ? (double)m / pow10[-exp] : (double)m * pow10[exp];
    } else {
        /* No point in the text, so the locale's idea of one does not matter. */
        char text[DIGITS_MAX + 16];
        exp = SN_MAX(SN_MIN(exp, (int64_t)EXP_MAX), (int64_t)-EXP_MAX);
        memcpy(text, d.digits, (size_t)d.n_digits);
        char *p = text + d.n_digits;
        *p++ = 'e';
        if (exp < 0) *p++ = '-';
        uint64_t e = (uint64_t)(exp < 0 ? -exp : exp);
        char rev[8];
        int n = 0;
        do rev[n++] = (char)('0' + e % 10);
        while (e /= 10);
        while (n) *p++ = rev[--n];
        *p = 0;
        v = strtod(text, NULL);
        if (v > 1.7976931348623157e308) return SN_E_OUT_OF_RANGE;
    }
    *ret = d.neg ? -v : v;
    return 0;
}

/* ---- quantities ---- */

#define FRAC_DIGITS_MAX 18

/* A non-negative decimal "12", "1.5", ".5" (Go allows it) or "1." at s[*at]: whole part and
 * fraction in 10^-18, further digits cut. *ret_over: the whole part is beyond 64 bits. */
static int take_fixed(struct sn_str s, size_t *at, uint64_t *ret_whole, uint64_t *ret_frac,
                      bool *ret_over)
{
    uint64_t whole = 0, frac = 0;
    bool over = false;
    size_t i = *at, n = 0;
    for (; i < s.len && is_digit(s.ptr[i]); i++, n++) {
        over |= __builtin_mul_overflow(whole, (uint64_t)10, &whole);
        over |= __builtin_add_overflow(whole, (uint64_t)(s.ptr[i] - '0'), &whole);
    }
    if (i < s.len && s.ptr[i] == '.') {
        int digits = 0;
        for (i++; i < s.len && is_digit(s.ptr[i]); i++, n++) {
            if (digits == FRAC_DIGITS_MAX) continue;
            frac = frac * 10 + (uint64_t)(s.ptr[i] - '0');
            digits++;
        }
        for (; digits < FRAC_DIGITS_MAX; digits++) frac *= 10;
    }
    if (n == 0) return SN_E_SYNTAX;
    *at = i;
    *ret_whole = whole;
    *ret_frac = frac;
    *ret_over = over;
    return 0;
}

/* whole.frac units, cut to an integer; false beyond 64 bits. */
static bool scale(uint64_t whole, uint64_t frac, uint64_t unit, uint64_t *ret)
{
    uint64_t v;
    if (__builtin_mul_overflow(whole, unit, &v)) return false;
    uint64_t part = (uint64_t)((__uint128_t)frac * unit / 1000000000000000000ull);
    return !__builtin_add_overflow(v, part, ret);
}

int sn_str_to_bytes(struct sn_str s, uint64_t *ret)
{
    size_t i = 0;
    uint64_t whole, frac, unit = 1;
    bool over;
    int r = take_fixed(s, &i, &whole, &frac, &over);
    if (r < 0) return r;
    if (i < s.len && s.ptr[i] != 'B') {
        const char *const letters = "KMGTPE";
        char c = s.ptr[i] == 'k' ? 'K' : s.ptr[i];
        const char *at = c ? strchr(letters, c) : NULL;
        if (!at) return SN_E_SYNTAX;
        i++;
        bool binary = i < s.len && s.ptr[i] == 'i';
        if (binary) i++;
        for (const char *p = letters; p <= at; p++) unit *= binary ? 1024 : 1000;
    }
    if (i < s.len && s.ptr[i] == 'B') i++;
    if (i != s.len) return SN_E_SYNTAX;
    uint64_t v;
    if (over || !scale(whole, frac, unit, &v)) return SN_E_OUT_OF_RANGE;
    *ret = v;
    return 0;
}

static int64_t take_unit(struct sn_str s, size_t *at)
{
    static const struct {
        struct sn_str name;
        int64_t ns;
    } units[] = {
        {SN_STR_INIT("ns"), SN_NS},         {SN_STR_INIT("us"), SN_US},
        {SN_STR_INIT("\xc2\xb5s"), SN_US}, /* micro sign */
        {SN_STR_INIT("\xce\xbcs"), SN_US}, /* Greek mu */
        {SN_STR_INIT("ms"), SN_MS},         {SN_STR_INIT("s"), SN_SEC},
        {SN_STR_INIT("m"), SN_MINUTE},      {SN_STR_INIT("h"), SN_HOUR},
    };
    size_t end = *at;
    while (end < s.len && s.ptr[end] != '.' && !is_digit(s.ptr[end])) end++;
    struct sn_str name = sn_str_sub(s, *at, end);
    for (size_t i = 0; i < SN_COUNT_OF(units); i++) {
        if (!sn_str_eq(name, units[i].name)) continue;
        *at = end;
        return units[i].ns;
    }
    return 0;
}

int sn_str_to_duration(struct sn_str s, int64_t *ret_ns)
{
    size_t i = 0;
    uint64_t total = 0;
    bool neg = false, over = false;
    if (s.len && (s.ptr[0] == '-' || s.ptr[0] == '+')) neg = s.ptr[i++] == '-';
    if (i == s.len) return SN_E_SYNTAX;
    if (s.len - i == 1 && s.ptr[i] == '0') {
        *ret_ns = 0;
        return 0;
    }
    while (i < s.len) {
        uint64_t whole, frac, v = 0;
        bool o;
        int r = take_fixed(s, &i, &whole, &frac, &o);
        if (r < 0) return r;
        int64_t unit = take_unit(s, &i);
        if (unit == 0) return SN_E_SYNTAX;
        over |= o || !scale(whole, frac, (uint64_t)unit, &v);
        over |= __builtin_add_overflow(total, v, &total);
    }
    if (over || total > (uint64_t)INT64_MAX + neg) return SN_E_OUT_OF_RANGE;
    *ret_ns = (int64_t)(neg ? 0 - total : total);
    return 0;
}

int sn_str_cz(struct sn_str s, char *out, size_t cap)
{
    if (s.len >= cap) return SN_E_TOO_LARGE;
    if (s.len) memcpy(out, s.ptr, s.len);
    out[s.len] = 0;
    return 0;
}

char *sn_str_dup(struct sn_str s)
{
    char *p = sn_alloc(s.len + 1);
    if (!p) return NULL;
    if (s.len) memcpy(p, s.ptr, s.len);
    p[s.len] = 0;
    return p;
}

/* ---- UTF-8 ---- */

/* Bytes of plain ASCII at p, up to n, in steps of a vector: a lower bound. */
static size_t ascii_run(const uint8_t *p, size_t n)
{
    size_t i = 0;
#ifdef __SSE2__
    for (; n - i >= 16; i += 16)
        if (_mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(const void *)(p + i)))) return i;
#else
    for (; n - i >= 8; i += 8) {
        uint64_t w;
        memcpy(&w, p + i, 8);
        if (w & 0x8080808080808080ull) return i;
    }
#endif
    return i;
}

/* Length of the well-formed sequence at p (n >= 1 bytes there), 0 where there is none.
 * Source: RFC 3629 section 4; the second byte's range shuts out overlongs, surrogates and what is
 * beyond U+10FFFF. */
static size_t utf8_sequence(const uint8_t *p, size_t n)
{
    uint8_t c = p[0], lo = 0x80, hi = 0xbf;
    size_t len;
    if (c < 0x80) return 1;
    if (c < 0xc2) return 0;
    if (c < 0xe0) {
        len = 2;
    } else if (c < 0xf0) {
        len = 3;
        if (c == 0xe0) lo = 0xa0;
        if (c == 0xed) hi = 0x9f;
    } else if (c < 0xf5) {
        len = 4;
        if (c == 0xf0) lo = 0x90;
        if (c == 0xf4) hi = 0x8f;
    } else {
        return 0;
    }
    if (n < len || p[1] < lo || p[1] > hi) return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    return len;
}

bool sn_utf8_valid(struct sn_str s)
{
    const uint8_t *p = (const uint8_t *)s.ptr;
    size_t n = s.len;
    while (n) {
        size_t k = p[0] < 0x80 ? ascii_run(p, n) : 0;
        if (k == 0) k = utf8_sequence(p, n);
        if (k == 0) return false;
        p += k;
        n -= k;
    }
    return true;
}

unsigned sn_utf8_put(uint32_t cp, char out[4])
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xc0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xe0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (char)(0x80 | (cp & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (char)(0x80 | (cp & 0x3f));
    return 4;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* wire/json.c - the reader.
 * One loop over an explicit stack of nodes, no recursion. Open containers lie on the stack as a
 * placeholder whose payload is the index of the container around it; closing one moves its
 * children, by then contiguous on top of the stack, to the arena. */
#include "wire/json.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "core/alloc.h"
#include "core/map.h"
#include "core/status.h"

#define NO_CONTAINER UINT32_MAX
#define STACK_MIN 64
/* Objects up to this many members look for repeated keys with a 64-bit filter, larger ones with a
 * hash table. */
#define DUP_FILTER_MAX 48

struct parser {
    const uint8_t *p, *end, *start;
    struct sn_arena *arena;
    struct sn_json *stack;
    size_t n, cap;
    uint32_t open; /* index of the innermost open container */
    unsigned depth, depth_max;
    enum sn_json_dup dup;
    struct sn_json_error *error;
};

/* ---- errors ---- */

static SN_COLD void locate(const struct parser *ps, const uint8_t *at, struct sn_json_error *ret)
{
    *ret = (struct sn_json_error){.offset = (size_t)(at - ps->start), .line = 1, .column = 1};
    for (const uint8_t *p = ps->start; p < at; p++) {
        if (*p == '\n') {
            ret->line++;
            ret->column = 1;
        } else if ((*p & 0xc0) != 0x80) {
            ret->column++;
        }
    }
}

/* The byte at `at` as the message names it. */
static SN_COLD const char *got(const struct parser *ps, const uint8_t *at, char out[16])
{
    if (at >= ps->end) return "the end of the text";
    if (*at > ' ' && *at < 0x7f) {
        memcpy(out, "' '", 4);
        out[1] = (char)*at;
        return out;
    }
    static const char hex[] = "0123456789abcdef";
    memcpy(out, "byte 0x00", 10);
    out[7] = hex[*at >> 4];
    out[8] = hex[*at & 15];
    return out;
}

static SN_COLD SN_NOINLINE int fail(struct parser *ps, const uint8_t *at, int code,
                                    const char *what)
{
    struct sn_json_error e;
    locate(ps, at, &e);
    if (ps->error) *ps->error = e;
    return sn_fail(code, "%u:%u: %s", e.line, e.column, what);
}

static SN_COLD SN_NOINLINE int fail_expected(struct parser *ps, const char *expected)
{
    char c[16];
    struct sn_json_error e;
    locate(ps, ps->p, &e);
    if (ps->error) *ps->error = e;
    return sn_fail(SN_E_SYNTAX, "%u:%u: expected %s, got %s", e.line, e.column, expected,
                   got(ps, ps->p, c));
}

/* ---- the stack ---- */

static SN_NOINLINE int grow(struct parser *ps)
{
    size_t cap = ps->cap * 2;
    struct sn_json *p = sn_realloc(ps->stack, cap * sizeof(*p));
    if (!p) return SN_E_NOMEM;
    ps->stack = p;
    ps->cap = cap;
    return 0;
}

static SN_ALWAYS_INLINE struct sn_json *push(struct parser *ps)
{
    if (SN_UNLIKELY(ps->n == ps->cap) && grow(ps) < 0) return NULL;
    return &ps->stack[ps->n++];
}

/* ---- white space ---- */

static SN_ALWAYS_INLINE const uint8_t *skip_ws(const uint8_t *p, const uint8_t *end)
{
    if (SN_LIKELY(p < end && *p > ' ')) return p;
#if defined(__SSE2__)
    /* Indentation comes in runs. */
    while (end - p >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)p);
        __m128i ws = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8(' ')),
                                               _mm_cmpeq_epi8(v, _mm_set1_epi8('\n'))),
                                  _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\r')),
                                               _mm_cmpeq_epi8(v, _mm_set1_epi8('\t'))));
        unsigned other = ~(unsigned)_mm_movemask_epi8(ws) & 0xffff;
        if (other) return p + __builtin_ctz(other);
        p += 16;
    }
#endif
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
    return p;
}

/* ---- strings ---- */

/* First byte of [p, end) that is a quote, a backslash, or a control character; *high is set if a
 * byte before it is not ASCII. */
static SN_ALWAYS_INLINE const uint8_t *scan_string(const uint8_t *p, const uint8_t *end, bool *high)
{
#if defined(__SSE2__)
    while (end - p >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)p);
        /* Unsigned v <= 0x1f is min(v, 0x1f) == v. */
        __m128i stop = _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v),
                                    _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
                                                 _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));
        unsigned m = (unsigned)_mm_movemask_epi8(stop), hi = (unsigned)_mm_movemask_epi8(v);
        if (m) {
            unsigned n = (unsigned)__builtin_ctz(m);
            *high |= (hi & ((1u << n) - 1)) != 0;
            return p + n;
        }
        *high |= hi != 0;
        p += 16;
    }
#endif
    for (; p < end && *p != '"' && *p != '\\' && *p >= 0x20; p++) *high |= *p >= 0x80;
    return p;
}

static int hex4(const uint8_t *p, uint32_t *ret)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t c = p[i];
        if (c >= '0' && c <= '9') v = v << 4 | (uint32_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            v = v << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
        else return i;
    }
    *ret = v;
    return 4;
}

/* One "\uXXXX" or a surrogate pair of them; ps->p is at the first hex digit. */
static int take_unicode(struct parser *ps, uint32_t *ret)
{
    uint32_t cp, low;
    int k = ps->end - ps->p >= 4 ? hex4(ps->p, &cp) : 0;
    if (k != 4) {
        while (ps->p < ps->end && k-- > 0) ps->p++;
        return fail_expected(ps, "four hexadecimal digits after \\u");
    }
    const uint8_t *at = ps->p - 2;
    ps->p += 4;
    if (cp >= 0xdc00 && cp <= 0xdfff)
        return fail(ps, at, SN_E_SYNTAX, "a low surrogate without a high one before it");
    if (cp >= 0xd800 && cp <= 0xdbff) {
        if (ps->end - ps->p < 6 || ps->p[0] != '\\' || ps->p[1] != 'u' ||
            hex4(ps->p + 2, &low) != 4 || low < 0xdc00 || low > 0xdfff)
            return fail(ps, at, SN_E_SYNTAX, "a high surrogate without a low one after it");
        ps->p += 6;
        cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
    }
    *ret = cp;
    return 0;
}

static int take_escape(struct parser *ps, char **out)
{
    ps->p++;
    uint8_t c = ps->p < ps->end ? *ps->p : 0;
    switch (c) {
    case '"': case '\\': case '/': break;
    case 'b': c = '\b'; break;
    case 'f': c = '\f'; break;
    case 'n': c = '\n'; break;
    case 'r': c = '\r'; break;
    case 't': c = '\t'; break;
    case 'u': {
        uint32_t cp = 0;
        ps->p++;
        int r = take_unicode(ps, &cp);
        if (r < 0) return r;
        *out += sn_utf8_put(cp, *out); /* at most 4 bytes for 6 (12) of text */
        return 0;
    }
    default: return fail_expected(ps, "one of \"\\/bfnrtu after a backslash");
    }
    *(*out)++ = (char)c;
    ps->p++;
    return 0;
}

/* The rest of a string in which a backslash was seen; ps->p is at that backslash, `from` at the
 * string's first byte. */
static SN_NOINLINE int string_with_escapes(struct parser *ps, const uint8_t *from,
                                           struct sn_json *v, bool high)
{
    /* Where it ends bounds its decoded length. */
    const uint8_t *close = ps->p;
    while (close < ps->end && *close != '"') close += *close == '\\' ? 2 : 1;
    if (close >= ps->end) close = ps->end;
    char *buf = sn_arena_alloc(ps->arena, (size_t)(close - from));
    if (!buf) return SN_E_NOMEM;
    char *out = buf;
    memcpy(out, from, (size_t)(ps->p - from));
    out += ps->p - from;
    for (;;) {
        if (ps->p >= ps->end) return fail_expected(ps, "'\"' at the end of the string");
        if (*ps->p == '"') break;
        if (*ps->p == '\\') {
            int r = take_escape(ps, &out);
            if (r < 0) return r;
            continue;
        }
        const uint8_t *q = scan_string(ps->p, ps->end, &high);
        if (q == ps->p) return fail_expected(ps, "control characters to be escaped in a string");
        memcpy(out, ps->p, (size_t)(q - ps->p));
        out += q - ps->p;
        ps->p = q;
    }
    size_t len = (size_t)(out - buf);
    if (high && !sn_utf8_valid(sn_str_of(buf, len)))
        return fail(ps, from, SN_E_SYNTAX, "the string is not valid UTF-8");
    v->kind = SN_JSON_STRING;
    v->len = (uint32_t)len;
    v->str = buf;
    ps->p++;
    return 0;
}

/* ps->p is after the opening quote. */
static SN_ALWAYS_INLINE int take_string(struct parser *ps, struct sn_json *v)
{
    bool high = false;
    const uint8_t *from = ps->p, *q = scan_string(from, ps->end, &high);
    ps->p = q;
    if (SN_UNLIKELY(q >= ps->end)) return fail_expected(ps, "'\"' at the end of the string");
    if (SN_UNLIKELY(*q != '"')) {
        if (*q == '\\') return string_with_escapes(ps, from, v, high);
        return fail_expected(ps, "control characters to be escaped in a string");
    }
    if (SN_UNLIKELY(high) && !sn_utf8_valid(sn_str_of((const char *)from, (size_t)(q - from))))
        return fail(ps, from, SN_E_SYNTAX, "the string is not valid UTF-8");
    *v = (struct sn_json){
        .kind = SN_JSON_STRING, .len = (uint32_t)(q - from), .str = (const char *)from};
    ps->p = q + 1;
    return 0;
}

/* ---- numbers ---- */

static SN_ALWAYS_INLINE bool digit(uint8_t c) { return (uint8_t)(c - '0') < 10; }

/* m * 10^e where one rounding is provably the right one. */
static SN_ALWAYS_INLINE bool double_fast(uint64_t m, int64_t e, double *ret)
{
    static const double pow10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (m <= 1ull << 53 && e >= -22 && e <= 22) { /* Clinger 1990: both operands are exact */
        *ret = e < 0 ? (double)m / pow10[-e] : (double)m * pow10[e];
        return true;
    }
#if __LDBL_MANT_DIG__ == 64
    /* The same in 64 bits of mantissa, where 10^27 and any m are exact. Its result is off by at
     * most half a unit, so rounding it again to 53 bits is right unless it lies next to a midpoint.
     */
    static const long double pow10l[] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,
                                         1e7L,  1e8L,  1e9L,  1e10L, 1e11L, 1e12L, 1e13L,
                                         1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L, 1e20L,
                                         1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};
    if (e >= -27 && e <= 27 && m) {
        long double x = e < 0 ? (long double)m / pow10l[-e] : (long double)m * pow10l[e];
        uint64_t mant;
        memcpy(&mant, &x, 8);
        unsigned low = mant & 0x7ff;
        if (low < 0x3ff || low > 0x401) {
            *ret = (double)x;
            return true;
        }
    }
#endif
    return false;
}

/* Digits with a fraction or exponent; the grammar was checked while reading them. */
static int finish_double(struct parser *ps, const uint8_t *from, bool neg, uint64_t m, int64_t e,
                         bool exact, struct sn_json *v)
{
    double d;
    if (!exact || !double_fast(m, e, &d)) {
        struct sn_str s = sn_str_of((const char *)from, (size_t)(ps->p - from));
        int r = sn_str_to_double(s, &d);
        if (r == SN_E_OUT_OF_RANGE)
            return fail(ps, from, SN_E_OUT_OF_RANGE, "the number is beyond the range of a double");
        if (r < 0) return fail(ps, from, r, "not a number");
        if (neg && d > 0) d = -d;
    } else if (neg) {
        d = -d;
    }
    *v = (struct sn_json){.kind = SN_JSON_DOUBLE, .d = d};
    return 0;
}

static SN_ALWAYS_INLINE int finish_integer(struct parser *ps, const uint8_t *from, bool neg,
                                           uint64_t m, bool exact, struct sn_json *v)
{
    if (SN_LIKELY(exact && m <= INT64_MAX)) {
        if (SN_UNLIKELY(neg && m == 0)) { /* an int64 has no -0 */
            *v = (struct sn_json){.kind = SN_JSON_DOUBLE, .d = -0.0};
            return 0;
        }
        *v = (struct sn_json){.kind = SN_JSON_INT, .i = neg ? -(int64_t)m : (int64_t)m};
    } else if (exact && !neg) {
        *v = (struct sn_json){.kind = SN_JSON_UINT, .u = m};
    } else if (exact && m == 1ull << 63) {
        *v = (struct sn_json){.kind = SN_JSON_INT, .i = INT64_MIN};
    } else {
        *v = (struct sn_json){.kind = SN_JSON_BIGINT,
                              .len = (uint32_t)(ps->p - from),
                              .str = (const char *)from};
    }
    return 0;
}

/* Adds a digit to m; *exact turns false when it no longer fits 64 bits. */
#define TAKE_DIGITS(p, end, m, exact, count)                                    \
    for (; (p) < (end) && digit(*(p)); (p)++, (count)++) {                      \
        if (SN_UNLIKELY((m) > (UINT64_MAX - 9) / 10)) {                         \
            uint64_t next_;                                                     \
            if (__builtin_mul_overflow((m), 10ull, &next_) ||                   \
                __builtin_add_overflow(next_, (uint64_t)(*(p) - '0'), &next_)) { \
                (exact) = false;                                                \
                next_ = UINT64_MAX;                                             \
            }                                                                   \
            (m) = next_;                                                        \
        } else {                                                                \
            (m) = (m) * 10 + (uint64_t)(*(p) - '0');                            \
        }                                                                       \
    }

static int take_number(struct parser *ps, struct sn_json *v)
{
    const uint8_t *from = ps->p, *p = from, *end = ps->end;
    uint64_t m = 0;
    int64_t exp = 0, frac = 0, count = 0;
    bool neg = *p == '-', exact = true;
    p += neg;
    if (p >= end || !digit(*p)) {
        ps->p = p;
        return fail_expected(ps, "a digit");
    }
    if (*p == '0') {
        p++;
        if (p < end && digit(*p)) {
            ps->p = p;
            return fail_expected(ps, "no digits after a leading zero");
        }
    } else {
        TAKE_DIGITS(p, end, m, exact, count)
    }
    ps->p = p;
    if (p >= end || (*p != '.' && (*p | 0x20) != 'e'))
        return finish_integer(ps, from, neg, m, exact, v);
    if (*p == '.') {
        p++;
        TAKE_DIGITS(p, end, m, exact, frac)
        ps->p = p;
        if (frac == 0) return fail_expected(ps, "a digit after the decimal point");
    }
    if (p < end && (*p | 0x20) == 'e') {
        bool eneg = false;
        p++;
        if (p < end && (*p == '+' || *p == '-')) eneg = *p++ == '-';
        ps->p = p;
        if (p >= end || !digit(*p)) return fail_expected(ps, "a digit in the exponent");
        for (; p < end && digit(*p); p++)
            if (exp < 1000000) exp = exp * 10 + (*p - '0'); /* beyond every double by far */
        if (eneg) exp = -exp;
        ps->p = p;
    }
    return finish_double(ps, from, neg, m, exp - frac, exact, v);
}

/* ---- literals ---- */

static int take_word(struct parser *ps, const char *word, size_t n, struct sn_json *v,
                     struct sn_json value)
{
    for (size_t i = 0; i < n; i++, ps->p++)
        if (ps->p >= ps->end || *ps->p != (uint8_t)word[i])
            return fail_expected(ps, word[0] == 'n' ? "null" : word[0] == 't' ? "true" : "false");
    *v = value;
    return 0;
}

/* ---- containers ---- */

static SN_ALWAYS_INLINE unsigned key_bit(const struct sn_json *k)
{
    if (k->len == 0) return 0;
    const uint8_t *s = (const uint8_t *)k->str;
    uint32_t h = k->len * 0x9e3779b1u + s[0] * 0x85ebca6bu + s[k->len - 1] * 0xc2b2ae35u +
                 s[k->len / 2] * 0x27d4eb2fu;
    return h >> 26;
}

static SN_ALWAYS_INLINE bool key_eq(const struct sn_json *a, const struct sn_json *b)
{
    return a->len == b->len && memcmp(a->str, b->str, a->len) == 0;
}

static int repeated(struct parser *ps, struct sn_json_member *first, struct sn_json_member *again)
{
    if (ps->dup == SN_JSON_DUP_ERROR) {
        struct sn_json_error e;
        /* The decoded key may lie in the arena: the object's end is the place to name then. */
        const uint8_t *at = (const uint8_t *)again->key.str;
        if (at < ps->start || at >= ps->end) at = ps->p;
        else at--;
        locate(ps, at, &e);
        if (ps->error) *ps->error = e;
        return sn_fail(SN_E_ALREADY_EXISTS, "%u:%u: key \"%.*s\" is repeated", e.line, e.column,
                       SN_MIN((int)again->key.len, 64), again->key.str);
    }
    first->value = again->value;
    return 0;
}

/* More members than a filter is good for: a table of indexes, hashed with a key the peer cannot
 * know (an address), so that chosen keys do not collide. */
static SN_NOINLINE int dedupe_large(struct parser *ps, struct sn_json_member *m, size_t *n)
{
    size_t cap = 64;
    while (cap < *n * 2) cap *= 2;
    uint32_t *table SN_CLEANUP(sn_freep) = sn_zalloc(cap, sizeof(*table));
    if (!table) return SN_E_NOMEM;
    uint64_t seed = sn_hash_u64((uint64_t)(uintptr_t)table, (uint64_t)(uintptr_t)ps);
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++) {
        size_t at = sn_hash(m[i].key.str, m[i].key.len, seed) & (cap - 1);
        while (table[at] && !key_eq(&m[table[at] - 1].key, &m[i].key)) at = (at + 1) & (cap - 1);
        if (table[at]) {
            int r = repeated(ps, &m[table[at] - 1], &m[i]);
            if (r < 0) return r;
            continue;
        }
        if (kept != i) m[kept] = m[i];
        table[at] = (uint32_t)++kept;
    }
    *n = kept;
    return 0;
}

static SN_ALWAYS_INLINE int dedupe(struct parser *ps, struct sn_json_member *m, size_t *n)
{
    if (SN_UNLIKELY(*n > DUP_FILTER_MAX)) return dedupe_large(ps, m, n);
    uint64_t seen = 0;
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++) {
        uint64_t bit = 1ull << key_bit(&m[i].key);
        if (seen & bit) {
            size_t j = 0;
            while (j < kept && !key_eq(&m[j].key, &m[i].key)) j++;
            if (j < kept) {
                int r = repeated(ps, &m[j], &m[i]);
                if (r < 0) return r;
                continue;
            }
        }
        seen |= bit;
        if (kept != i) m[kept] = m[i];
        kept++;
    }
    *n = kept;
    return 0;
}

/* Moves the children of the innermost container to the arena. */
static SN_ALWAYS_INLINE int close_container(struct parser *ps)
{
    struct sn_json *c = &ps->stack[ps->open];
    struct sn_json *kids = c + 1;
    size_t n = ps->n - ps->open - 1, len = n;
    bool object = c->kind == SN_JSON_OBJECT;
    if (object) {
        len = n / 2;
        int r = dedupe(ps, (struct sn_json_member *)kids, &len);
        if (r < 0) return r;
        n = len * 2;
    }
    ps->n = ps->open + 1;
    ps->open = (uint32_t)c->u;
    ps->depth--;
    c->items = NULL;
    c->len = (uint32_t)len;
    if (n == 0) return 0;
    struct sn_json *to = sn_arena_alloc(ps->arena, n * sizeof(*to));
    if (!to) return SN_E_NOMEM;
    memcpy(to, kids, n * sizeof(*to));
    c->items = to;
    return 0;
}

static SN_ALWAYS_INLINE int open_container(struct parser *ps, enum sn_json_kind kind)
{
    if (SN_UNLIKELY(ps->depth >= ps->depth_max))
        return fail(ps, ps->p, SN_E_DEPTH, "nested too deeply");
    struct sn_json *c = push(ps);
    if (!c) return SN_E_NOMEM;
    *c = (struct sn_json){.kind = (uint8_t)kind, .u = ps->open};
    ps->open = (uint32_t)(ps->n - 1);
    ps->depth++;
    ps->p++;
    return 0;
}

static int take_scalar(struct parser *ps)
{
    struct sn_json *v = push(ps);
    if (!v) return SN_E_NOMEM;
    switch (*ps->p) {
    case '"': ps->p++; return take_string(ps, v);
    case 't': return take_word(ps, "true", 4, v, sn_json_bool(true));
    case 'f': return take_word(ps, "false", 5, v, sn_json_bool(false));
    case 'n': return take_word(ps, "null", 4, v, sn_json_null());
    case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7':
    case '8': case '9': return take_number(ps, v);
    default: return fail_expected(ps, "a value");
    }
}

/* "key" and the colon, up to the value. */
static SN_ALWAYS_INLINE int take_key(struct parser *ps)
{
    ps->p = skip_ws(ps->p, ps->end);
    if (SN_UNLIKELY(ps->p >= ps->end || *ps->p != '"')) return fail_expected(ps, "a key in '\"'");
    struct sn_json *k = push(ps);
    if (!k) return SN_E_NOMEM;
    ps->p++;
    int r = take_string(ps, k);
    if (r < 0) return r;
    ps->p = skip_ws(ps->p, ps->end);
    if (SN_UNLIKELY(ps->p >= ps->end || *ps->p != ':'))
        return fail_expected(ps, "':' after a key");
    ps->p++;
    return 0;
}

/* After a complete value: 1 = another value follows, 0 = the outermost one is complete. */
static SN_ALWAYS_INLINE int after_value(struct parser *ps)
{
    for (;;) {
        if (ps->open == NO_CONTAINER) return 0;
        bool object = ps->stack[ps->open].kind == SN_JSON_OBJECT;
        ps->p = skip_ws(ps->p, ps->end);
        uint8_t c = ps->p < ps->end ? *ps->p : 0;
        if (c == ',') {
            ps->p++;
            if (!object) return 1;
            int r = take_key(ps);
            return r < 0 ? r : 1;
        }
        if (SN_UNLIKELY(c != (object ? '}' : ']')))
            return fail_expected(ps, object ? "',' or '}' after a member"
                                            : "',' or ']' after an element");
        ps->p++;
        int r = close_container(ps);
        if (r < 0) return r;
    }
}

static int parse_value(struct parser *ps)
{
    for (;;) {
        int r;
        ps->p = skip_ws(ps->p, ps->end);
        uint8_t c = ps->p < ps->end ? *ps->p : 0;
        if (c == '{' || c == '[') {
            bool object = c == '{';
            r = open_container(ps, object ? SN_JSON_OBJECT : SN_JSON_ARRAY);
            if (r < 0) return r;
            ps->p = skip_ws(ps->p, ps->end);
            if (ps->p >= ps->end || *ps->p != (object ? '}' : ']')) {
                if (object && (r = take_key(ps)) < 0) return r;
                continue;
            }
            ps->p++;
            r = close_container(ps);
        } else if (SN_UNLIKELY(ps->p >= ps->end)) {
            return fail_expected(ps, "a value");
        } else {
            r = take_scalar(ps);
        }
        if (r < 0) return r;
        r = after_value(ps);
        if (r <= 0) return r;
    }
}

static int parser_init(struct parser *ps, struct sn_arena *a, struct sn_str text,
                       const struct sn_json_opts *opts)
{
    static const struct sn_json_opts defaults;
    if (!opts) opts = &defaults;
    if (text.len == 0) text = SN_STR("");
    size_t bytes_max = opts->bytes_max ? opts->bytes_max : SN_JSON_BYTES_DEFAULT;
    unsigned depth_max = opts->depth_max ? opts->depth_max : SN_JSON_DEPTH_DEFAULT;
    *ps = (struct parser){
        .p = (const uint8_t *)text.ptr,
        .start = (const uint8_t *)text.ptr,
        .end = (const uint8_t *)text.ptr + text.len,
        .arena = a,
        .open = NO_CONTAINER,
        .depth_max = SN_MIN(depth_max, (unsigned)SN_JSON_DEPTH_MAX),
        .dup = opts->dup,
        .error = opts->error,
    };
    if (text.len > SN_MIN(bytes_max, (size_t)SN_JSON_BYTES_MAX)) {
        if (opts->error) *opts->error = (struct sn_json_error){.line = 1, .column = 1};
        return sn_fail(SN_E_TOO_LARGE, "1:1: the text has %zu bytes, at most %zu are read",
                       text.len, bytes_max);
    }
    ps->cap = SN_MAX((size_t)STACK_MIN, SN_MIN(text.len / 32, (size_t)4096));
    ps->stack = sn_alloc(ps->cap * sizeof(*ps->stack));
    return ps->stack ? 0 : SN_E_NOMEM;
}

static int parse_one(struct parser *ps, const struct sn_json **ret)
{
    int r = parse_value(ps);
    if (r < 0) return r;
    struct sn_json *root = sn_arena_alloc(ps->arena, sizeof(*root));
    if (!root) return SN_E_NOMEM;
    *root = ps->stack[0];
    *ret = root;
    return 0;
}

int sn_json_parse(struct sn_arena *a, struct sn_str text, const struct sn_json_opts *opts,
                  const struct sn_json **ret)
{
    struct parser ps;
    const struct sn_json *root = NULL;
    int r = parser_init(&ps, a, text, opts);
    if (r < 0) return r;
    r = parse_one(&ps, &root);
    if (r == 0) {
        ps.p = skip_ws(ps.p, ps.end);
        if (ps.p < ps.end) r = fail_expected(&ps, "nothing after the value");
    }
    sn_free(ps.stack);
    if (r < 0) return r;
    *ret = root;
    return 0;
}

int sn_json_parse_next(struct sn_arena *a, struct sn_str *text, const struct sn_json_opts *opts,
                       const struct sn_json **ret)
{
    struct parser ps;
    int r = parser_init(&ps, a, *text, opts);
    if (r < 0) return r;
    ps.p = skip_ws(ps.p, ps.end);
    r = ps.p < ps.end ? parse_one(&ps, ret) : SN_E_EOF;
    sn_free(ps.stack);
    if (r < 0) return r;
    *text = sn_str_of((const char *)ps.p, (size_t)(ps.end - ps.p));
    return 0;
}

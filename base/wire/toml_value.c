/* SPDX-License-Identifier: Apache-2.0 */
/* wire/toml_value.c - strings, numbers, dates, arrays and inline tables. */
#include <math.h>

#include "core/enc.h"
#include "core/status.h"
#include "wire/toml_int.h"

/* ---- strings ---- */

/* \uXXXX and \UXXXXXXXX; r->p is behind the letter. */
static int unicode(struct sn_toml_reader *r, unsigned digits, struct sn_buf *out)
{
    uint32_t cp = 0;
    char utf8[4];
    const char *at = r->p - 2;
    for (unsigned i = 0; i < digits; i++, r->p++) {
        int d = r->p < r->end ? sn_hex_digit(*r->p) : -1;
        if (d < 0)
            return sn_toml_fail_(r, at, SN_E_SYNTAX, "expected %u hexadecimal digits", digits);
        cp = cp << 4 | (uint32_t)d;
    }
    if (cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
        return sn_toml_fail_(r, at, SN_E_SYNTAX, "U+%04X is no character", (unsigned)cp);
    return sn_buf_put(out, utf8, sn_utf8_put(cp, utf8));
}

/* In a string of several lines a backslash swallows the line's end and all blanks after it. */
static bool swallow(struct sn_toml_reader *r)
{
    const char *p = r->p;
    while (p < r->end && (*p == ' ' || *p == '\t')) p++;
    if (p < r->end && *p == '\r' && p + 1 < r->end && p[1] == '\n') p++;
    if (p >= r->end || *p != '\n') return false;
    for (r->p = p; r->p < r->end; r->p++) {
        if (*r->p == '\n') {
            r->line++;
            r->line_start = r->p + 1;
        } else if (*r->p != ' ' && *r->p != '\t' &&
                   !(*r->p == '\r' && r->p + 1 < r->end && r->p[1] == '\n')) {
            break;
        }
    }
    return true;
}

static int escape(struct sn_toml_reader *r, bool multiline, struct sn_buf *out)
{
    static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
    if (multiline && swallow(r)) return 0;
    char c = r->p < r->end ? *r->p : 0;
    const char *hit = c ? strchr(from, c) : NULL;
    if (hit) {
        r->p++;
        return sn_buf_byte(out, (uint8_t)to[hit - from]);
    }
    if (c != 'u' && c != 'U')
        return sn_toml_fail_(r, r->p - 1, SN_E_SYNTAX, "\\%c is no escape",
                             c > 0x20 && c < 0x7f ? c : '?');
    r->p++;
    return unicode(r, c == 'u' ? 4 : 8, out);
}

/* The closing quotes, of which up to two more may belong to a string of several lines. */
static bool closes(struct sn_toml_reader *r, char quote, bool multiline, struct sn_buf *out)
{
    unsigned n = 0;
    while (n < 5 && r->p + n < r->end && r->p[n] == quote) n++;
    if (!multiline) n = n > 0;
    else if (n < 3) return false;
    if (!n) return false;
    if (multiline) sn_buf_put(out, r->p, n - 3);
    r->p += n;
    return true;
}

static int one_character(struct sn_toml_reader *r, char quote, bool multiline, struct sn_buf *out)
{
    uint8_t c = (uint8_t)*r->p;
    if (c == '\\' && quote == '"') {
        r->p++;
        return escape(r, multiline, out);
    }
    bool crlf = c == '\r' && r->p + 1 < r->end && r->p[1] == '\n';
    if (multiline && (c == '\n' || crlf)) {
        if (crlf) r->p++;
        r->p++;
        r->line++;
        r->line_start = r->p;
        return sn_buf_byte(out, '\n');
    }
    if ((c < 0x20 && c != '\t') || c == 0x7f)
        return sn_toml_fail_(r, r->p, SN_E_SYNTAX,
                             c == '\n' ? "the string does not end in its line"
                                       : "control character 0x%02x in a string",
                             c);
    r->p++;
    return sn_buf_byte(out, c);
}

int sn_toml_string_(struct sn_toml_reader *r, bool multiline, struct sn_str *ret)
{
    char quote = *r->p;
    const char *from = r->p;
    struct sn_toml_pos at = sn_toml_here_(r, from);
    struct sn_buf out SN_CLEANUP(sn_buf_done);
    int e = 0;
    sn_buf_init(&out, 0);
    r->p += multiline ? 3 : 1;
    if (multiline) { /* a line's end right behind the quotes is none of the string's */
        if (r->end - r->p >= 2 && r->p[0] == '\r' && r->p[1] == '\n') r->p++;
        if (r->p < r->end && *r->p == '\n') {
            r->line_start = ++r->p;
            r->line++;
        }
    }
    while (e >= 0) {
        if (r->p >= r->end)
            return sn_fail(SN_E_SYNTAX, "%u:%u: the string does not end", at.line, at.column);
        if (closes(r, quote, multiline, &out)) break;
        e = one_character(r, quote, multiline, &out);
    }
    if (e < 0) return e;
    *ret = sn_arena_str(r->a, sn_buf_view(&out));
    return out.err < 0 ? out.err : ret->ptr ? 0 : SN_E_NOMEM;
}

/* ---- numbers and dates ---- */

#define TOKEN_MAX 256

/* Digits in `base` with single underscores between them, copied without these. */
static bool clean_digits(struct sn_str s, unsigned base, struct sn_buf *out)
{
    bool digit_before = false;
    for (size_t i = 0; i < s.len; i++) {
        int d = sn_hex_digit(s.ptr[i]);
        bool digit = d >= 0 && (unsigned)d < base;
        if (!digit && !(s.ptr[i] == '_' && digit_before && i + 1 < s.len)) return false;
        if (digit) sn_buf_byte(out, (uint8_t)s.ptr[i]);
        digit_before = digit;
    }
    return s.len > 0 && digit_before;
}

static int based_int(struct sn_toml_reader *r, struct sn_str tok, struct sn_toml *ret)
{
    unsigned base = tok.ptr[1] == 'x' ? 16 : tok.ptr[1] == 'o' ? 8 : 2;
    char mem[TOKEN_MAX];
    struct sn_buf digits;
    uint64_t v = 0;
    sn_buf_init_fixed(&digits, mem, sizeof(mem));
    if (!clean_digits(sn_str_from(tok, 2), base, &digits))
        return sn_toml_fail_(r, tok.ptr, SN_E_SYNTAX, "%.*s is no number of base %u",
                             SN_STR_ARG(tok), base);
    for (size_t i = 0; i < digits.len; i++) {
        if (v > (uint64_t)INT64_MAX / base ||
            (v = v * base + (uint64_t)sn_hex_digit(mem[i])) > INT64_MAX)
            return sn_toml_fail_(r, tok.ptr, SN_E_OUT_OF_RANGE, "%.*s is beyond 64 bits",
                                 SN_STR_ARG(tok));
    }
    ret->kind = SN_TOML_INT;
    ret->i = (int64_t)v;
    return 0;
}

/* Whole part, fraction and exponent, each digits with underscores. */
static bool split_number(struct sn_str tok, struct sn_buf *out, bool *ret_float)
{
    struct sn_str rest = tok, exp = {0}, frac = {0};
    bool sign = rest.len && (rest.ptr[0] == '+' || rest.ptr[0] == '-');
    if (sign && rest.ptr[0] == '-') sn_buf_byte(out, '-');
    rest = sn_str_from(rest, sign);
    for (size_t i = 0; i < rest.len; i++)
        if (rest.ptr[i] == 'e' || rest.ptr[i] == 'E') {
            exp = sn_str_from(rest, i + 1);
            rest = sn_str_sub(rest, 0, i);
            *ret_float = true;
        }
    ssize_t dot = sn_str_chr(rest, '.');
    if (dot >= 0) {
        frac = sn_str_from(rest, (size_t)dot + 1);
        rest = sn_str_sub(rest, 0, (size_t)dot);
        *ret_float = true;
    }
    if (rest.len > 1 && rest.ptr[0] == '0') return false;
    if (!clean_digits(rest, 10, out)) return false;
    if (dot >= 0) {
        sn_buf_byte(out, '.');
        if (!clean_digits(frac, 10, out)) return false;
    }
    if (exp.ptr) {
        bool esign = exp.len && (exp.ptr[0] == '+' || exp.ptr[0] == '-');
        sn_buf_byte(out, 'e');
        if (esign && exp.ptr[0] == '-') sn_buf_byte(out, '-');
        if (!clean_digits(sn_str_from(exp, esign), 10, out)) return false;
    }
    return true;
}

static int number(struct sn_toml_reader *r, struct sn_str tok, struct sn_toml *ret)
{
    char mem[TOKEN_MAX];
    struct sn_buf text;
    bool is_float = false;
    sn_buf_init_fixed(&text, mem, sizeof(mem));
    if (!split_number(tok, &text, &is_float) || text.err < 0)
        return sn_toml_fail_(r, tok.ptr, SN_E_SYNTAX,
                             "expected a value, got %.*s (text goes in quotes)", SN_STR_ARG(tok));
    int e = is_float ? sn_str_to_double(sn_buf_view(&text), &ret->d)
                     : sn_str_to_i64(sn_buf_view(&text), &ret->i);
    ret->kind = is_float ? SN_TOML_DOUBLE : SN_TOML_INT;
    return e < 0 ? sn_toml_fail_(r, tok.ptr, SN_E_OUT_OF_RANGE, "%.*s is beyond 64 bits",
                                 SN_STR_ARG(tok))
                 : 0;
}

/* n digits at *s into *ret, and the character behind them where one is asked for. */
static bool take_digits(struct sn_str *s, unsigned n, char behind, unsigned *ret)
{
    unsigned v = 0;
    if (s->len < n + (behind != 0)) return false;
    for (unsigned i = 0; i < n; i++) {
        if (s->ptr[i] < '0' || s->ptr[i] > '9') return false;
        v = v * 10 + (unsigned)(s->ptr[i] - '0');
    }
    if (behind && s->ptr[n] != behind) return false;
    *s = sn_str_from(*s, n + (behind != 0));
    *ret = v;
    return true;
}

static bool take_time(struct sn_str *s, struct sn_toml_time *t)
{
    unsigned h, m, sec, scale = 100000000;
    if (!take_digits(s, 2, ':', &h) || !take_digits(s, 2, ':', &m) || !take_digits(s, 2, 0, &sec))
        return false;
    if (h > 23 || m > 59 || sec > 60) return false;
    t->hour = (uint8_t)h;
    t->minute = (uint8_t)m;
    t->second = (uint8_t)sec;
    t->has_time = true;
    if (!s->len || s->ptr[0] != '.') return true;
    *s = sn_str_from(*s, 1);
    if (!s->len || s->ptr[0] < '0' || s->ptr[0] > '9') return false;
    for (; s->len && s->ptr[0] >= '0' && s->ptr[0] <= '9'; *s = sn_str_from(*s, 1)) {
        t->nanos += (unsigned)(s->ptr[0] - '0') * scale;
        scale /= 10;
    }
    return true;
}

static bool take_offset(struct sn_str *s, struct sn_toml_time *t)
{
    unsigned h, m;
    if (!s->len) return true;
    char c = s->ptr[0];
    *s = sn_str_from(*s, 1);
    t->has_offset = true;
    if (c == 'Z' || c == 'z') return true;
    if ((c != '+' && c != '-') || !take_digits(s, 2, ':', &h) || !take_digits(s, 2, 0, &m))
        return false;
    t->offset_minutes = (int16_t)((c == '-' ? -1 : 1) * (int)(h * 60 + m));
    return h < 24 && m < 60;
}

static bool real_date(unsigned y, unsigned m, unsigned d)
{
    static const uint8_t days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return m >= 1 && m <= 12 && d >= 1 && d <= days[m - 1] && (m != 2 || d < 29 || leap);
}

static bool date_time(struct sn_str tok, struct sn_toml_time *t)
{
    unsigned y, m, d;
    *t = (struct sn_toml_time){0};
    if (tok.len > 2 && tok.ptr[2] == ':') return take_time(&tok, t) && !tok.len;
    if (!take_digits(&tok, 4, '-', &y) || !take_digits(&tok, 2, '-', &m) ||
        !take_digits(&tok, 2, 0, &d) || !real_date(y, m, d))
        return false;
    t->year = (uint16_t)y;
    t->month = (uint8_t)m;
    t->day = (uint8_t)d;
    t->has_date = true;
    if (!tok.len) return true;
    if (tok.ptr[0] != 'T' && tok.ptr[0] != 't' && tok.ptr[0] != ' ') return false;
    tok = sn_str_from(tok, 1);
    return take_time(&tok, t) && take_offset(&tok, t) && !tok.len;
}

static bool is_digit(const char *p, const char *end) { return p < end && *p >= '0' && *p <= '9'; }

/* What may be a number, a word or a date; "1979-05-27 07:32:00" has a space. */
static struct sn_str token(struct sn_toml_reader *r)
{
    const char *from = r->p;
    while (r->p < r->end) {
        char c = *r->p;
        bool space_in_date = c == ' ' && r->p - from == 10 && from[4] == '-' && from[7] == '-' &&
                             is_digit(r->p + 1, r->end);
        if (!space_in_date && (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',' ||
                               c == ']' || c == '}' || c == '#' || c == '='))
            break;
        r->p++;
    }
    return sn_str_of(from, (size_t)(r->p - from));
}

int sn_toml_scalar_(struct sn_toml_reader *r, struct sn_toml *ret)
{
    struct sn_str tok = token(r), word = tok;
    if (!tok.len) return sn_toml_fail_(r, tok.ptr, SN_E_SYNTAX, "expected a value");
    if (tok.len >= TOKEN_MAX)
        return sn_toml_fail_(r, tok.ptr, SN_E_SYNTAX, "expected a value (text goes in quotes)");
    if (sn_str_eqc(tok, "true") || sn_str_eqc(tok, "false")) {
        ret->kind = SN_TOML_BOOL;
        ret->b = tok.ptr[0] == 't';
        return 0;
    }
    if (word.ptr[0] == '+' || word.ptr[0] == '-') word = sn_str_from(word, 1);
    if (sn_str_eqc(word, "inf") || sn_str_eqc(word, "nan")) {
        double d = word.ptr[0] == 'i' ? (double)INFINITY : (double)NAN;
        ret->kind = SN_TOML_DOUBLE;
        ret->d = tok.ptr[0] == '-' ? -d : d;
        return 0;
    }
    if (tok.len > 2 && tok.ptr[0] == '0' && memchr("xob", tok.ptr[1], 3))
        return based_int(r, tok, ret);
    if (tok.len >= 8 && tok.ptr[0] >= '0' && tok.ptr[0] <= '9' &&
        (tok.ptr[2] == ':' || tok.ptr[4] == '-')) {
        ret->kind = SN_TOML_TIME;
        if (date_time(tok, &ret->time)) return 0;
        return sn_toml_fail_(r, tok.ptr, SN_E_OUT_OF_RANGE, "%.*s is no date or time",
                             SN_STR_ARG(tok));
    }
    return number(r, tok, ret);
}

/* ---- arrays and inline tables ---- */

static int array_item(struct sn_toml_reader *r, struct sn_toml_array *l)
{
    if (++r->n_values > SN_TOML_VALUES_MAX)
        return sn_toml_fail_(r, r->p, SN_E_TOO_LARGE, "more than %d values", SN_TOML_VALUES_MAX);
    struct sn_toml_item *it = SN_ARENA_NEW(r->a, struct sn_toml_item);
    if (!it) return SN_E_NOMEM;
    int e = sn_toml_value_(r, &it->v);
    if (e < 0) return e;
    if (l->last) l->last->next = it;
    else l->first = it;
    l->last = it;
    l->n++;
    return 0;
}

static int array(struct sn_toml_reader *r, struct sn_toml *ret)
{
    ret->kind = SN_TOML_ARRAY;
    ret->array = (struct sn_toml_array){0};
    r->p++;
    for (;;) {
        int e = sn_toml_gap_(r);
        if (e < 0) return e;
        if (r->p < r->end && *r->p == ']') break;
        e = array_item(r, &ret->array);
        if (e >= 0) e = sn_toml_gap_(r);
        if (e < 0) return e;
        if (r->p < r->end && *r->p == ']') break;
        if (r->p >= r->end || *r->p != ',')
            return sn_toml_fail_(r, r->p, SN_E_SYNTAX, "expected , or ] in an array");
        r->p++;
    }
    r->p++;
    return 0;
}

static int inline_table(struct sn_toml_reader *r, struct sn_toml *ret)
{
    ret->kind = SN_TOML_TABLE;
    ret->table = (struct sn_toml_table){.defined = true};
    r->p++;
    sn_toml_blank_(r);
    bool more = r->p >= r->end || *r->p != '}';
    while (more) {
        int e = sn_toml_pair_(r, &ret->table);
        if (e < 0) return e;
        sn_toml_blank_(r);
        if (r->p >= r->end || (*r->p != ',' && *r->p != '}'))
            return sn_toml_fail_(r, r->p, SN_E_SYNTAX, "expected , or } in an inline table");
        more = *r->p == ',';
        if (more) r->p++;
    }
    r->p++;
    ret->table.inline_ = true;
    return 0;
}

int sn_toml_value_(struct sn_toml_reader *r, struct sn_toml *ret)
{
    ret->pos = sn_toml_here_(r, r->p);
    char c = r->p < r->end ? *r->p : 0;
    if (c == '"' || c == '\'') {
        bool multiline = r->end - r->p >= 3 && r->p[1] == c && r->p[2] == c;
        ret->kind = SN_TOML_STRING;
        return sn_toml_string_(r, multiline, &ret->str);
    }
    if (c != '[' && c != '{') return sn_toml_scalar_(r, ret);
    if (r->depth >= SN_TOML_DEPTH_MAX)
        return sn_toml_fail_(r, r->p, SN_E_DEPTH, "more than %d levels", SN_TOML_DEPTH_MAX);
    r->depth++;
    int e = c == '[' ? array(r, ret) : inline_table(r, ret);
    r->depth--;
    return e;
}

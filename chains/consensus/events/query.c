/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/events/query.c - the parser goes over the text once; matching is a loop of comparisons.
 */
#include "consensus/events/query.h"

#include "core/alloc.h"
#include "core/status.h"
#include "core/time.h"

#define YEAR_MIN 1900
#define YEAR_MAX 2261 /* the last whole one of int64 nanoseconds */

/* ---- words ---- */

struct parser {
    struct sn_str text;
    size_t at;
};

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Every byte beyond ASCII passes for a letter. */
static bool is_tag_char(char c)
{
    char l = sn_ascii_lower(c);
    return (l >= 'a' && l <= 'z') || is_digit(c) || c == '_' || c == '.' || c == '-' || (c & 0x80);
}

static char peek(const struct parser *p) { return p->at < p->text.len ? p->text.ptr[p->at] : 0; }

static void skip_space(struct parser *p)
{
    while (p->at < p->text.len && strchr(" \t\r\n\v\f", peek(p)) && peek(p)) p->at++;
}

static int expected(const struct parser *p, const char *what)
{
    if (p->at >= p->text.len)
        return sn_fail(SN_E_SYNTAX, "offset %zu: the query ends; %s is expected", p->at, what);
    struct sn_str rest = sn_str_from(p->text, p->at);
    return sn_fail(SN_E_SYNTAX, "offset %zu: \"%.*s\"; %s is expected", p->at,
                   (int)SN_MIN(rest.len, (size_t)20), rest.ptr, what);
}

static struct sn_str take_while(struct parser *p, bool (*ok)(char c))
{
    size_t from = p->at;
    while (p->at < p->text.len && ok(peek(p))) p->at++;
    return sn_str_sub(p->text, from, p->at);
}

/* The word, if it stands here alone. */
static bool take_word(struct parser *p, const char *word)
{
    size_t before = p->at;
    if (sn_str_eqc(take_while(p, is_tag_char), word)) return true;
    p->at = before;
    return false;
}

/* ---- arguments ---- */

static int take_number(struct parser *p, struct sn_query_cond *c)
{
    size_t from = p->at;
    (void)take_while(p, is_digit);
    if (peek(p) == '.') {
        p->at++;
        (void)take_while(p, is_digit);
    }
    c->type = SN_QUERY_NUMBER;
    c->arg = sn_str_sub(p->text, from, p->at);
    return 0;
}

static int take_text(struct parser *p, struct sn_query_cond *c)
{
    struct sn_str rest = sn_str_from(p->text, p->at + 1);
    ssize_t end = sn_str_chr(rest, '\'');
    if (end < 0) {
        p->at = p->text.len;
        return expected(p, "the quote that ends the text");
    }
    c->type = SN_QUERY_TEXT;
    c->arg = sn_str_sub(rest, 0, (size_t)end);
    p->at += (size_t)end + 2;
    return 0;
}

static bool is_date_char(char c) { return is_digit(c) || c == '-'; }
static bool is_time_char(char c) { return is_digit(c) || (c && strchr("-T:+Z", c)); }

/* "2006-01-02" and nothing else. */
static bool date_ns(struct sn_str s, int64_t *ret_ns)
{
    char text[sizeof("2006-01-02T00:00:00Z")];
    if (s.len != 10) return false;
    memcpy(text, s.ptr, 10);
    memcpy(text + 10, "T00:00:00Z", 11);
    return sn_time_parse_rfc3339(sn_str(text), ret_ns) == 0;
}
static bool arg_ns(enum sn_query_type type, struct sn_str s, int64_t *ret_ns)
{
    return type == SN_QUERY_DATE ? date_ns(s, ret_ns) : sn_time_parse_rfc3339(s, ret_ns) == 0;
}

/* Behind DATE or TIME stands one space. */
static int take_instant(struct parser *p, struct sn_query_cond *c, enum sn_query_type type)
{
    bool date = type == SN_QUERY_DATE;
    struct sn_civil t;
    size_t from = ++p->at;
    c->type = type;
    c->arg = take_while(p, date ? is_date_char : is_time_char);
    if (!arg_ns(type, c->arg, &c->at_ns)) {
        p->at = from;
        return expected(p, date ? "a date like 2006-01-02" : "a time like 2006-01-02T15:04:05Z");
    }
    sn_civil_from_unix(c->at_ns, &t);
    if (t.year < YEAR_MIN || t.year > YEAR_MAX)
        return sn_fail(SN_E_OUT_OF_RANGE, "offset %zu: year %lld is outside of %d..%d", from,
                       (long long)t.year, YEAR_MIN, YEAR_MAX);
    return 0;
}

static int take_arg(struct parser *p, struct sn_query_cond *c)
{
    bool text = c->op == SN_QUERY_EQ || c->op == SN_QUERY_CONTAINS;
    bool others = c->op != SN_QUERY_CONTAINS;
    size_t before = p->at;
    if (text && peek(p) == '\'') return take_text(p, c);
    if (others && is_digit(peek(p))) return take_number(p, c);
    for (unsigned time = 0; others && time < 2; time++)
        if (take_word(p, time ? "TIME" : "DATE")) {
            if (peek(p) == ' ') return take_instant(p, c, time ? SN_QUERY_TIME : SN_QUERY_DATE);
            p->at = before;
        }
    return expected(p, !others ? "a 'text'"
                       : text  ? "a 'text', number, DATE or TIME"
                               : "a number, DATE or TIME");
}

/* ---- conditions ---- */

static int take_op(struct parser *p, enum sn_query_op *ret)
{
    char c = peek(p);
    if (c == '=') {
        *ret = SN_QUERY_EQ;
    } else if (c == '<' || c == '>') {
        bool less = c == '<', equal = p->at + 1 < p->text.len && p->text.ptr[p->at + 1] == '=';
        p->at += equal;
        *ret = less ? (equal ? SN_QUERY_LE : SN_QUERY_LT) : (equal ? SN_QUERY_GE : SN_QUERY_GT);
    } else if (take_word(p, "CONTAINS")) {
        *ret = SN_QUERY_CONTAINS;
        return 0;
    } else if (take_word(p, "EXISTS")) {
        *ret = SN_QUERY_EXISTS;
        return 0;
    } else {
        return expected(p, "=, <, <=, >, >=, CONTAINS or EXISTS");
    }
    p->at++;
    return 0;
}

/* Words of the language are no tags, except for DATE and TIME with something else than a space
 * behind. */
static bool is_reserved(const struct parser *p, struct sn_str word)
{
    if (sn_str_eqc(word, "DATE") || sn_str_eqc(word, "TIME")) return peek(p) == ' ';
    return sn_str_eqc(word, "AND") || sn_str_eqc(word, "CONTAINS") || sn_str_eqc(word, "EXISTS");
}

static int take_cond(struct parser *p, struct sn_query_cond *c)
{
    skip_space(p);
    size_t from = p->at;
    char first = peek(p);
    bool name = is_tag_char(first) && !is_digit(first) && first != '.' && first != '-';
    if (name) c->tag = take_while(p, is_tag_char);
    if (!name || is_reserved(p, c->tag)) {
        p->at = from;
        return expected(p, "an attribute's name");
    }
    skip_space(p);
    int r = take_op(p, &c->op);
    if (r < 0 || c->op == SN_QUERY_EXISTS) return r;
    skip_space(p);
    return take_arg(p, c);
}

static int parse(struct parser *p, struct sn_query *q)
{
    for (;;) {
        if (q->n == SN_QUERY_CONDS_MAX)
            return sn_fail(SN_E_TOO_LARGE, "offset %zu: more than %d conditions", p->at,
                           SN_QUERY_CONDS_MAX);
        int r = take_cond(p, &q->conds[q->n]);
        if (r < 0) return r;
        q->n++;
        skip_space(p);
        if (p->at == p->text.len) return 0;
        if (!take_word(p, "AND")) return expected(p, "AND or the end");
    }
}

/* An upper bound: each condition but the first has an AND before it. */
static size_t conds_max(struct sn_str text)
{
    size_t n = 1;
    for (size_t i = 0; i + 3 <= text.len; i++) n += memcmp(text.ptr + i, "AND", 3) == 0;
    return SN_MIN(n, (size_t)SN_QUERY_CONDS_MAX);
}

int sn_query_parse(struct sn_str text, struct sn_query **ret)
{
    if (text.len > SN_QUERY_BYTES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "query of %zu bytes; at most %d are read", text.len,
                       SN_QUERY_BYTES_MAX);
    size_t max = conds_max(text);
    struct sn_query *q = sn_zalloc(1, sizeof(*q) + max * sizeof(q->conds[0]) + text.len);
    if (!q) return SN_E_NOMEM;
    q->conds = (struct sn_query_cond *)(q + 1);
    char *copy = (char *)(q->conds + max);
    memcpy(copy, text.ptr, text.len);
    struct parser p = {.text = sn_str_of(copy, text.len)};
    int r = parse(&p, q);
    if (r < 0) {
        sn_free(q);
        return r;
    }
    *ret = q;
    return 0;
}

void sn_query_free(struct sn_query *q) { sn_free(q); }

int sn_query_text(const struct sn_query *q, struct sn_buf *out)
{
    static const char *const ops[] = {"=", "<", "<=", ">", ">=", "CONTAINS", "EXISTS"};
    static const char *const before[] = {"", "'", "", "DATE ", "TIME "};
    int r = 0;
    for (size_t i = 0; i < q->n && r >= 0; i++) {
        const struct sn_query_cond *c = &q->conds[i];
        r = sn_buf_printf(out, "%s%.*s %s", i ? " AND " : "", (int)c->tag.len, c->tag.ptr,
                          ops[c->op]);
        if (r >= 0 && c->type)
            r = sn_buf_printf(out, " %s%.*s%s", before[c->type], (int)c->arg.len, c->arg.ptr,
                              c->type == SN_QUERY_TEXT ? "'" : "");
    }
    return r < 0 ? r : 0;
}

/* ---- matching ---- */

struct decimal {
    struct sn_str whole, fraction; /* without zeros that say nothing */
};

static bool decimal_of(struct sn_str s, struct decimal *ret)
{
    size_t i = 0, dot, end;
    while (i < s.len && is_digit(s.ptr[i])) i++;
    if (i == 0) return false;
    dot = end = i;
    if (dot + 1 < s.len && s.ptr[dot] == '.')
        for (end = dot + 1; end < s.len && is_digit(s.ptr[end]);) end++;
    for (i = 0; i < dot && s.ptr[i] == '0';) i++;
    while (end > dot + 1 && s.ptr[end - 1] == '0') end--;
    ret->whole = sn_str_sub(s, i, dot);
    ret->fraction = sn_str_sub(s, SN_MIN(dot + 1, end), end);
    return true;
}

bool sn_query_number_cmp(struct sn_str a, struct sn_str b, int *ret)
{
    struct decimal x, y;
    if (!decimal_of(a, &x) || !decimal_of(b, &y)) return false;
    if (x.whole.len != y.whole.len)
        *ret = x.whole.len < y.whole.len ? -1 : 1;
    else if (!(*ret = sn_str_cmp(x.whole, y.whole)))
        *ret = sn_str_cmp(x.fraction, y.fraction);
    return true;
}

static bool in_order(enum sn_query_op op, int cmp)
{
    switch (op) {
    case SN_QUERY_LT: return cmp < 0;
    case SN_QUERY_LE: return cmp <= 0;
    case SN_QUERY_GT: return cmp > 0;
    case SN_QUERY_GE: return cmp >= 0;
    default: return cmp == 0;
    }
}

static bool value_fits(const struct sn_query_cond *c, struct sn_str value)
{
    int cmp;
    int64_t ns;
    switch (c->type) {
    case SN_QUERY_NONE: return true;
    case SN_QUERY_TEXT:
        return c->op == SN_QUERY_CONTAINS ? sn_str_find(value, c->arg) >= 0
                                          : sn_str_eq(value, c->arg);
    case SN_QUERY_NUMBER: return sn_query_number_cmp(value, c->arg, &cmp) && in_order(c->op, cmp);
    default:
        return arg_ns(c->type, value, &ns) && in_order(c->op, (ns > c->at_ns) - (ns < c->at_ns));
    }
}

bool sn_query_cond_match(const struct sn_query_cond *c, const struct sn_query_attr *a)
{
    if (sn_str_eq(a->key, c->tag) && sn_str_chr(a->key, '.') >= 0) return value_fits(c, a->value);
    /* A tag that is an event's type stands for an empty text: so a type can be asked to exist. */
    ssize_t dot = sn_str_rchr(a->key, '.');
    return dot >= 0 && sn_str_eq(sn_str_sub(a->key, 0, (size_t)dot), c->tag) &&
           value_fits(c, SN_STR(""));
}

bool sn_query_match(const struct sn_query *q, const struct sn_query_attr *attrs, size_t n)
{
    for (size_t i = 0; i < q->n; i++) {
        bool met = false;
        for (size_t k = 0; k < n && !met; k++) met = sn_query_cond_match(&q->conds[i], &attrs[k]);
        if (!met) return false;
    }
    return n > 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* wire/resp.c - see resp.h. */
#include "wire/resp.h"

#include <math.h>

/* One value's head: its line, and what follows it. */
struct head {
    char kind;
    struct sn_str line; /* without kind and CR LF */
    size_t len;         /* bytes of the head with CR LF, and of the payload with its CR LF */
    struct sn_str bulk; /* payload of "$", "!", "=" */
    bool null;
    uint32_t items; /* of an aggregate; a map's count is doubled */
};

static int bad(struct sn_str in, size_t at, const char *what)
{
    return sn_fail(SN_E_SYNTAX, "RESP: byte %zu, 0x%02x: %s", at,
                   at < in.len ? (uint8_t)in.ptr[at] : 0, what);
}

static int head_line(struct sn_str in, size_t at, struct head *h)
{
    const char *from = in.ptr + at,
               *lf = memchr(from, '\n', SN_MIN(in.len - at, SN_RESP_LINE_MAX + 3));
    if (!lf)
        return in.len - at < SN_RESP_LINE_MAX + 3
                   ? SN_E_AGAIN
                   : sn_fail(SN_E_TOO_LARGE, "RESP: byte %zu: a line of more than %u bytes", at,
                             SN_RESP_LINE_MAX);
    size_t n = (size_t)(lf - from);
    if (!n || memchr(from, '\r', n) != lf - 1)
        return bad(in, at, "a line that ends in CR LF is expected");
    if (n == 1) return bad(in, at, "a type is expected");
    h->kind = *from;
    h->line = sn_str_of(from + 1, n - 2);
    h->len = n + 1;
    return 0;
}

static int head_bulk(struct sn_str in, size_t at, struct head *h, int64_t n)
{
    if (n > SN_RESP_BYTES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "RESP: byte %zu: a string of %lld bytes, at most %u", at,
                       (long long)n, SN_RESP_BYTES_MAX);
    size_t from = at + h->len, need = (size_t)n + 2;
    if (in.len - from < need) return SN_E_AGAIN;
    if (in.ptr[from + (size_t)n] != '\r' || in.ptr[from + (size_t)n + 1] != '\n')
        return bad(in, from + (size_t)n, "a string ends in CR LF");
    h->bulk = sn_str_of(in.ptr + from, (size_t)n);
    h->len += need;
    return 0;
}

static int head_read(struct sn_str in, size_t at, struct head *h)
{
    *h = (struct head){0};
    if (at >= in.len) return SN_E_AGAIN;
    int r = head_line(in, at, h);
    if (r < 0) return r;
    int64_t n = 0;
    bool counted = strchr("$!=*~%>|", h->kind) && h->kind;
    if (counted && sn_str_to_i64(h->line, &n) < 0) return bad(in, at, "a count is expected");
    if (counted && n < 0) {
        if (n != -1 || (h->kind != '$' && h->kind != '*')) return bad(in, at, "a negative count");
        h->null = true;
        return 0;
    }
    switch (h->kind) {
    case '$':
    case '!':
    case '=': return head_bulk(in, at, h, n);
    case '%':
    case '|': n *= 2; __attribute__((fallthrough));
    case '*':
    case '~':
    case '>':
        if (n > SN_RESP_ITEMS_MAX)
            return sn_fail(SN_E_TOO_LARGE, "RESP: byte %zu: %lld values, at most %u", at,
                           (long long)n, SN_RESP_ITEMS_MAX);
        h->items = (uint32_t)n;
        return 0;
    case '+':
    case '-':
    case ':':
    case ',':
    case '#':
    case '(':
    case '_': return 0;
    default: return bad(in, at, "no type of RESP");
    }
}

static bool aggregate(const struct head *h) { return !h->null && strchr("*~%>|", h->kind); }

ssize_t sn_resp_scan(struct sn_resp_scan *s, struct sn_str in)
{
    for (;;) {
        struct head h;
        int r = head_read(in, s->at, &h);
        if (r == SN_E_AGAIN && in.len > SN_RESP_BYTES_MAX)
            return sn_fail(SN_E_TOO_LARGE, "RESP: a reply of more than %u bytes",
                           SN_RESP_BYTES_MAX);
        if (r < 0) return r;
        s->at += h.len;
        if (++s->items > SN_RESP_ITEMS_MAX)
            return sn_fail(SN_E_TOO_LARGE, "RESP: more than %u values in a reply",
                           SN_RESP_ITEMS_MAX);
        if (aggregate(&h) && (h.items || h.kind == '|')) {
            if (s->depth == SN_RESP_DEPTH_MAX)
                return sn_fail(SN_E_DEPTH, "RESP: byte %zu: nested deeper than %u", s->at,
                               SN_RESP_DEPTH_MAX);
            s->left[++s->depth] = h.items;
            s->attribute[s->depth] = h.kind == '|';
            if (h.items) continue;
        } else if (s->depth) {
            s->left[s->depth]--;
        }
        bool more = false; /* an attribute ended: the value that it is about follows */
        while (s->depth && !s->left[s->depth]) {
            bool was_attribute = s->attribute[s->depth--];
            if (was_attribute) {
                more = true;
                break;
            }
            if (s->depth) s->left[s->depth]--;
        }
        if (s->depth || more) continue;
        ssize_t len = (ssize_t)s->at;
        *s = (struct sn_resp_scan){0};
        return len;
    }
}

/* ---- taking apart ---------------------------------------------------------------------------- */

struct parse {
    struct sn_str in;
    size_t at;
    struct sn_arena *a;
    uint32_t items;
};

static int number(struct parse *p, const struct head *h, struct sn_resp *v)
{
    struct sn_str t = h->line;
    switch (h->kind) {
    case ':':
        v->type = SN_RESP_INT;
        if (t.len > 1 && t.ptr[0] == '+') t = sn_str_from(t, 1);
        return sn_str_to_i64(t, &v->i) < 0 ? bad(p->in, p->at, "an integer is expected") : 0;
    case ',':
        v->type = SN_RESP_DOUBLE;
        if (sn_str_eqc(t, "inf"))
            v->d = INFINITY;
        else if (sn_str_eqc(t, "-inf"))
            v->d = -INFINITY;
        else if (sn_str_eqc(t, "nan"))
            v->d = NAN;
        else if (sn_str_to_double(t, &v->d) < 0)
            return bad(p->in, p->at, "a number is expected");
        return 0;
    case '#':
        v->type = SN_RESP_BOOL;
        v->i = sn_str_eqc(t, "t");
        return v->i || sn_str_eqc(t, "f") ? 0 : bad(p->in, p->at, "'t' or 'f' is expected");
    default: v->type = SN_RESP_BIG; break;
    }
    size_t k = t.len && (t.ptr[0] == '-' || t.ptr[0] == '+');
    for (size_t i = k; i < t.len; i++)
        if (t.ptr[i] < '0' || t.ptr[i] > '9') return bad(p->in, p->at, "a digit is expected");
    v->str = t;
    return t.len > k ? 0 : bad(p->in, p->at, "a digit is expected");
}

static int scalar(struct parse *p, const struct head *h, struct sn_resp *v)
{
    switch (h->kind) {
    case '+':
    case '-':
        v->type = h->kind == '+' ? SN_RESP_STR : SN_RESP_ERROR;
        v->str = h->line;
        return 0;
    case '$':
        v->type = SN_RESP_STR;
        v->str = h->bulk;
        return 0;
    case '!':
        v->type = SN_RESP_ERROR;
        v->str = h->bulk;
        return 0;
    case '=':
        if (h->bulk.len < 4 || h->bulk.ptr[3] != ':')
            return bad(p->in, p->at, "a format and ':' are expected");
        v->type = SN_RESP_STR;
        v->str = sn_str_from(h->bulk, 4);
        return 0;
    case '_': return h->line.len ? bad(p->in, p->at, "nothing is expected after '_'") : 0;
    default: return number(p, h, v);
    }
}

static int value(struct parse *p, struct sn_resp *v, unsigned depth)
{
    struct head h;
    *v = (struct sn_resp){0};
    int r = head_read(p->in, p->at, &h);
    if (r < 0) return r;
    if (++p->items > SN_RESP_ITEMS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "RESP: more than %u values in a reply", SN_RESP_ITEMS_MAX);
    if (!aggregate(&h)) {
        if (!h.null) r = scalar(p, &h, v);
        p->at += h.len;
        return r;
    }
    if (depth == SN_RESP_DEPTH_MAX)
        return sn_fail(SN_E_DEPTH, "RESP: byte %zu: nested deeper than %u", p->at,
                       SN_RESP_DEPTH_MAX);
    p->at += h.len;
    if (h.kind == '|') {
        struct sn_resp skip;
        for (uint32_t i = 0; i < h.items && r == 0; i++) r = value(p, &skip, depth + 1);
        return r < 0 ? r : value(p, v, depth + 1);
    }
    v->type = h.kind == '*'   ? SN_RESP_ARRAY
              : h.kind == '~' ? SN_RESP_SET
              : h.kind == '%' ? SN_RESP_MAP
                              : SN_RESP_PUSH;
    v->n = h.items;
    /* A value is three bytes at least: a count beyond what is there takes no memory. */
    if (h.items > (p->in.len - p->at) / 3) return SN_E_AGAIN;
    v->items = SN_ARENA_ARRAY(p->a, struct sn_resp, SN_MAX(h.items, 1u));
    if (!v->items) return SN_E_NOMEM;
    for (uint32_t i = 0; i < h.items && r == 0; i++) r = value(p, &v->items[i], depth + 1);
    return r;
}

ssize_t sn_resp_parse(struct sn_str in, struct sn_arena *a, struct sn_resp *ret)
{
    struct parse p = {.in = in, .a = a};
    struct sn_resp v;
    int r = value(&p, &v, 0);
    if (r < 0) return r;
    *ret = v;
    return (ssize_t)p.at;
}

int sn_resp_command(struct sn_buf *b, const struct sn_str *words, size_t n)
{
    sn_buf_byte(b, '*');
    sn_buf_u64(b, n);
    sn_buf_cstr(b, "\r\n");
    for (size_t i = 0; i < n; i++) {
        sn_buf_byte(b, '$');
        sn_buf_u64(b, words[i].len);
        sn_buf_cstr(b, "\r\n");
        sn_buf_str(b, words[i]);
        sn_buf_cstr(b, "\r\n");
    }
    return b->err;
}

const struct sn_resp *sn_resp_find(const struct sn_resp *map, struct sn_str key)
{
    if (map->type != SN_RESP_MAP && map->type != SN_RESP_ARRAY) return NULL;
    for (uint32_t i = 0; i + 1 < map->n; i += 2)
        if (map->items[i].type == SN_RESP_STR && sn_str_eq(map->items[i].str, key))
            return &map->items[i + 1];
    return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* wire/json_write.c - from trees and from calls to text. */
#include <stdlib.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "core/alloc.h"
#include "core/status.h"
#include "wire/json.h"

/* ---- strings ---- */

/* Bytes at `p` that need no escape: printable ASCII but '"', '\\', and '<' '>' '&' for html. */
static size_t plain_run(const uint8_t *p, size_t n, bool html)
{
    size_t i = 0;
#if defined(__SSE2__)
    for (; n - i >= 16 && !html; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(p + i));
        /* Signed v < 0x20 is a control character or not ASCII. */
        __m128i stop = _mm_or_si128(_mm_cmplt_epi8(v, _mm_set1_epi8(0x20)),
                                    _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
                                                 _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));
        unsigned m = (unsigned)_mm_movemask_epi8(stop);
        if (m) return i + (unsigned)__builtin_ctz(m);
    }
#endif
    for (; i < n; i++) {
        uint8_t c = p[i];
        if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\') break;
        if (html && (c == '<' || c == '>' || c == '&')) break;
    }
    return i;
}

static int put_u(struct sn_buf *out, unsigned cp)
{
    static const char hex[] = "0123456789abcdef";
    char t[6] = {'\\', 'u', hex[cp >> 12 & 15], hex[cp >> 8 & 15], hex[cp >> 4 & 15], hex[cp & 15]};
    return sn_buf_put(out, t, 6);
}

static int put_escaped(struct sn_buf *out, uint8_t c)
{
    switch (c) {
    case '"': return sn_buf_put(out, "\\\"", 2);
    case '\\': return sn_buf_put(out, "\\\\", 2);
    case '\n': return sn_buf_put(out, "\\n", 2);
    case '\r': return sn_buf_put(out, "\\r", 2);
    case '\t': return sn_buf_put(out, "\\t", 2);
    case '\b': return sn_buf_put(out, "\\b", 2);
    case '\f': return sn_buf_put(out, "\\f", 2);
    default: return put_u(out, c);
    }
}

/* Bytes of the valid UTF-8 sequence at p (n >= 1, p[0] >= 0x80), 0 where there is none. */
static size_t sequence(const uint8_t *p, size_t n)
{
    size_t want = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (want > n || !sn_utf8_valid(sn_str_of((const char *)p, want))) return 0;
    return want;
}

static int write_string(struct sn_buf *out, struct sn_str s, bool html)
{
    const uint8_t *p = (const uint8_t *)s.ptr;
    size_t n = s.len;
    /* The common case, nothing to escape, in one go. */
    size_t run = plain_run(p, n, html);
    if (sn_buf_reserve(out, n + 2) < 0) return out->err;
    sn_buf_byte(out, '"');
    while (n) {
        sn_buf_put(out, p, run);
        p += run;
        n -= run;
        if (n == 0) break;
        size_t k = 1;
        if (p[0] < 0x80) {
            put_escaped(out, p[0]);
        } else if ((k = sequence(p, n)) == 0) {
            sn_buf_put(out, "\xef\xbf\xbd", 3);
            k = 1;
        } else if (html && k == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] & 0xfe) == 0xa8) {
            put_u(out, 0x2000u + (p[2] & 0x3f));
        } else {
            sn_buf_put(out, p, k);
        }
        p += k;
        n -= k;
        run = plain_run(p, n, html);
    }
    return sn_buf_byte(out, '"');
}

int sn_json_write_string(struct sn_buf *out, struct sn_str s)
{
    return write_string(out, s, false);
}

/* ---- trees ---- */

static const char spaces[] = "                                                                ";

static void newline(struct sn_buf *out, unsigned indent, unsigned depth)
{
    size_t n = (size_t)indent * depth;
    sn_buf_byte(out, '\n');
    for (; n > sizeof(spaces) - 1; n -= sizeof(spaces) - 1)
        sn_buf_put(out, spaces, sizeof(spaces) - 1);
    sn_buf_put(out, spaces, n);
}

static int by_key(const void *a, const void *b)
{
    const struct sn_json *x = &(*(const struct sn_json_member *const *)a)->key;
    const struct sn_json *y = &(*(const struct sn_json_member *const *)b)->key;
    return sn_str_cmp(sn_str_of(x->str, x->len), sn_str_of(y->str, y->len));
}

static int write_value(struct sn_buf *out, const struct sn_json *v, const struct sn_json_style *st,
                       unsigned depth);

static int write_members(struct sn_buf *out, const struct sn_json *v,
                         const struct sn_json_style *st, unsigned depth)
{
    const struct sn_json_member **sorted SN_CLEANUP(sn_freep) = NULL;
    if (st->sort_keys && v->len > 1) {
        sorted = sn_alloc(v->len * sizeof(*sorted));
        if (!sorted) return out->err = SN_E_NOMEM;
        for (uint32_t i = 0; i < v->len; i++) sorted[i] = &v->members[i];
        qsort(sorted, v->len, sizeof(*sorted), by_key);
    }
    sn_buf_byte(out, '{');
    for (uint32_t i = 0; i < v->len; i++) {
        const struct sn_json_member *m = sorted ? sorted[i] : &v->members[i];
        if (i) sn_buf_byte(out, ',');
        if (st->indent) newline(out, st->indent, depth + 1);
        write_string(out, sn_str_of(m->key.str, m->key.len), st->html);
        sn_buf_put(out, ": ", st->indent ? 2 : 1);
        int r = write_value(out, &m->value, st, depth + 1);
        if (r < 0) return r;
    }
    if (st->indent && v->len) newline(out, st->indent, depth);
    return sn_buf_byte(out, '}');
}

static int write_value(struct sn_buf *out, const struct sn_json *v, const struct sn_json_style *st,
                       unsigned depth)
{
    switch ((enum sn_json_kind)v->kind) {
    case SN_JSON_NULL: return sn_buf_put(out, "null", 4);
    case SN_JSON_BOOL: return v->b ? sn_buf_put(out, "true", 4) : sn_buf_put(out, "false", 5);
    case SN_JSON_INT: return sn_buf_i64(out, v->i);
    case SN_JSON_UINT: return sn_buf_u64(out, v->u);
    case SN_JSON_DOUBLE: return sn_json_write_double(out, v->d);
    case SN_JSON_BIGINT: return sn_buf_put(out, v->str, v->len);
    case SN_JSON_STRING: return write_string(out, sn_str_of(v->str, v->len), st->html);
    case SN_JSON_ARRAY: break;
    case SN_JSON_OBJECT:
        if (depth >= SN_JSON_DEPTH_MAX) return sn_fail(SN_E_DEPTH, "nested too deeply");
        return write_members(out, v, st, depth);
    }
    if (depth >= SN_JSON_DEPTH_MAX) return sn_fail(SN_E_DEPTH, "nested too deeply");
    sn_buf_byte(out, '[');
    for (uint32_t i = 0; i < v->len; i++) {
        if (i) sn_buf_byte(out, ',');
        if (st->indent) newline(out, st->indent, depth + 1);
        int r = write_value(out, &v->items[i], st, depth + 1);
        if (r < 0) return r;
    }
    if (st->indent && v->len) newline(out, st->indent, depth);
    return sn_buf_byte(out, ']');
}

int sn_json_write(struct sn_buf *out, const struct sn_json *v, const struct sn_json_style *style)
{
    static const struct sn_json_style compact;
    return write_value(out, v, style ? style : &compact, 0);
}

/* ---- calls ---- */

void sn_jsonw_init(struct sn_jsonw *w, struct sn_buf *out, const struct sn_json_style *style)
{
    *w = (struct sn_jsonw){.out = out};
    if (style) w->style = *style;
}

/* What stands before a value or a key: a comma, a line break, or nothing. */
static void separate(struct sn_jsonw *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    unsigned d = w->depth;
    if (d == 0) return;
    uint8_t *byte = &w->not_first[(d - 1) / 8], bit = (uint8_t)(1u << (d - 1) % 8);
    if (*byte & bit) sn_buf_byte(w->out, ',');
    *byte |= bit;
    if (w->style.indent) newline(w->out, w->style.indent, d);
}

static void begin(struct sn_jsonw *w, uint8_t c)
{
    separate(w);
    SN_ASSERT(w->depth < SN_JSON_DEPTH_MAX);
    unsigned d = w->depth++;
    w->not_first[d / 8] &= (uint8_t)~(1u << d % 8);
    sn_buf_byte(w->out, c);
}

static void end(struct sn_jsonw *w, uint8_t c)
{
    SN_ASSERT(w->depth > 0 && !w->after_key);
    unsigned d = --w->depth;
    if (w->style.indent && (w->not_first[d / 8] >> d % 8 & 1)) newline(w->out, w->style.indent, d);
    sn_buf_byte(w->out, c);
}

void sn_jsonw_object(struct sn_jsonw *w) { begin(w, '{'); }
void sn_jsonw_object_end(struct sn_jsonw *w) { end(w, '}'); }
void sn_jsonw_array(struct sn_jsonw *w) { begin(w, '['); }
void sn_jsonw_array_end(struct sn_jsonw *w) { end(w, ']'); }

void sn_jsonw_key(struct sn_jsonw *w, struct sn_str key)
{
    SN_DCHECK(!w->after_key && w->depth > 0);
    separate(w);
    write_string(w->out, key, w->style.html);
    sn_buf_put(w->out, ": ", w->style.indent ? 2 : 1);
    w->after_key = true;
}

void sn_jsonw_str(struct sn_jsonw *w, struct sn_str s)
{
    separate(w);
    write_string(w->out, s, w->style.html);
}
void sn_jsonw_i64(struct sn_jsonw *w, int64_t v)
{
    separate(w);
    sn_buf_i64(w->out, v);
}
void sn_jsonw_u64(struct sn_jsonw *w, uint64_t v)
{
    separate(w);
    sn_buf_u64(w->out, v);
}
void sn_jsonw_double(struct sn_jsonw *w, double v)
{
    separate(w);
    sn_json_write_double(w->out, v);
}
void sn_jsonw_bool(struct sn_jsonw *w, bool v)
{
    separate(w);
    sn_buf_cstr(w->out, v ? "true" : "false");
}
void sn_jsonw_null(struct sn_jsonw *w)
{
    separate(w);
    sn_buf_put(w->out, "null", 4);
}
void sn_jsonw_raw(struct sn_jsonw *w, struct sn_str json)
{
    separate(w);
    sn_buf_str(w->out, json);
}

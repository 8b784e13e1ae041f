/* SPDX-License-Identifier: Apache-2.0 */
/* wire/yaml_write.c - trees to block-style YAML. */
#include <stdlib.h>

#include "core/alloc.h"
#include "core/status.h"
#include "wire/yaml.h"
#include "wire/yaml_int.h"

/* libyaml reads a key without "? " only up to 1024 bytes; emitters stop at 128. */
#define SIMPLE_KEY_MAX 128

enum quoting { PLAIN, SINGLE, DOUBLE, LITERAL };

/* One code point of text that may hold invalid bytes (they read as U+FFFD). */
static size_t decode(const char *s, size_t n, uint32_t *ret)
{
    const uint8_t *p = (const uint8_t *)s;
    size_t k = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (k > n || !sn_utf8_valid(sn_str_of(s, k))) {
        *ret = 0xfffd;
        return 1;
    }
    static const uint8_t mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t cp = p[0] & mask[k];
    for (size_t i = 1; i < k; i++) cp = cp << 6 | (p[i] & 0x3f);
    *ret = cp;
    return k;
}

/* What may stand unescaped: libyaml's printable set without line breaks and tabs. */
static bool printable(uint32_t cp)
{
    if (cp < 0xa0) return cp >= 0x20 && cp < 0x7f;
    return cp != 0x2028 && cp != 0x2029 && cp != 0xfeff && cp != 0xfffe && cp != 0xffff &&
           cp != 0xfffd;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Plain text that some reader of YAML 1.1 takes for other than a string, though neither of our
 * modes does: digits with '_' between, bases, base 60, dates, "=". */
static bool special_11(struct sn_str s)
{
    char t[40];
    size_t n = 0, digits = 0, colons = 0, others = 0;
    if (sn_str_eqc(s, "=") || sn_str_eqc(s, "<<")) return true;
    if (s.len > 4 && s.ptr[4] == '-' && is_digit(s.ptr[0]) && is_digit(s.ptr[3])) return true;
    s = sn_str_from(s, s.ptr[0] == '-' || s.ptr[0] == '+');
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '_') continue;
        if (n < sizeof(t)) t[n++] = c;
        digits += is_digit(c);
        colons += c == ':';
        others += !is_digit(c) && c != ':' && c != '.';
    }
    if (colons && digits && !others) return true;
    if (s.len < 2 || n == 0 || !(is_digit(t[0]) || t[0] == '.')) return false;
    if (t[0] == '0' && n > 1 && (t[1] == 'b' || t[1] == 'x' || t[1] == 'o')) return true;
    return sn_yaml_classify(sn_str_of(t, n), true) != SN_YAML_STRING;
}

static bool looks_special(struct sn_str s)
{
    return sn_yaml_classify(s, true) != SN_YAML_STRING ||
           sn_yaml_classify(s, false) != SN_YAML_STRING || special_11(s);
}

static enum quoting quoting_of(struct sn_str s, bool key)
{
    if (s.len == 0) return DOUBLE;
    bool escapes = false, lines = false, blank_line = false, plain = true;
    size_t line_start = 0;
    for (size_t i = 0; i < s.len;) {
        uint32_t cp;
        size_t k = decode(s.ptr + i, s.len - i, &cp);
        if (cp == '\n') {
            lines = true;
            bool blank = i > line_start;
            for (size_t j = line_start; j < i; j++) blank &= s.ptr[j] == ' ';
            blank_line |= blank;
            line_start = i + 1;
        } else if (!printable(cp)) {
            escapes = true;
        }
        if (cp == ':' && (i + 1 == s.len || s.ptr[i + 1] == ' ')) plain = false;
        if (cp == '#' && i > 0 && s.ptr[i - 1] == ' ') plain = false;
        i += k;
    }
    if (escapes || (lines && key)) return DOUBLE;
    if (lines) {
        bool last_blank = line_start < s.len;
        for (size_t j = line_start; j < s.len; j++) last_blank &= s.ptr[j] == ' ';
        return s.ptr[0] == ' ' || s.ptr[0] == '\n' || blank_line || last_blank ? DOUBLE : LITERAL;
    }
    if (looks_special(s)) return DOUBLE;
    char c = s.ptr[0];
    if (c == '-' || c == '?' || c == ':')
        plain &= s.len > 1 && s.ptr[1] != ' ' && c != ':' && !sn_str_starts(s, SN_STR("---"));
    else
        plain &= !strchr(" ,[]{}#&*!|>'\"%@`", c) && !sn_str_starts(s, SN_STR("..."));
    plain &= s.ptr[s.len - 1] != ' ';
    return plain ? PLAIN : SINGLE;
}

static int put_double(struct sn_buf *out, struct sn_str s)
{
    sn_buf_byte(out, '"');
    for (size_t i = 0; i < s.len;) {
        uint32_t cp;
        size_t k = decode(s.ptr + i, s.len - i, &cp);
        if (cp == 0xfffd) sn_buf_cstr(out, "\xef\xbf\xbd");
        else if (cp == '"' || cp == '\\') sn_buf_printf(out, "\\%c", (int)cp);
        else if (cp == '\n') sn_buf_cstr(out, "\\n");
        else if (cp == '\t') sn_buf_cstr(out, "\\t");
        else if (cp == '\r') sn_buf_cstr(out, "\\r");
        else if (printable(cp)) sn_buf_put(out, s.ptr + i, k);
        else if (cp < 0x100) sn_buf_printf(out, "\\x%02x", (unsigned)cp);
        else sn_buf_printf(out, "\\u%04x", (unsigned)cp);
        i += k;
    }
    return sn_buf_byte(out, '"');
}

static int put_single(struct sn_buf *out, struct sn_str s)
{
    sn_buf_byte(out, '\'');
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\'') sn_buf_byte(out, '\'');
        sn_buf_byte(out, (uint8_t)s.ptr[i]);
    }
    return sn_buf_byte(out, '\'');
}

static void put_indent(struct sn_buf *out, unsigned n)
{
    while (n--) sn_buf_byte(out, ' ');
}

/* After "|": the chomping mark and the lines, each with its newline. */
static int put_literal(struct sn_buf *out, struct sn_str s, unsigned indent)
{
    bool ends = s.ptr[s.len - 1] == '\n';
    bool more = ends && s.len > 1 && s.ptr[s.len - 2] == '\n';
    sn_buf_cstr(out, more ? "|+\n" : ends ? "|\n" : "|-\n");
    struct sn_str rest = ends ? sn_str_sub(s, 0, s.len - 1) : s;
    while (rest.ptr) {
        struct sn_str line = sn_str_cut(&rest, '\n');
        if (line.len) put_indent(out, indent);
        sn_buf_str(out, line);
        sn_buf_byte(out, '\n');
    }
    return out->err;
}

/* A scalar and the end of its line. Lines of a literal are indented by `indent`. */
static int put_scalar(struct sn_buf *out, const struct sn_json *v, unsigned indent)
{
    if (v->kind == SN_JSON_STRING) {
        struct sn_str s = sn_str_of(v->str, v->len);
        switch (quoting_of(s, false)) {
        case PLAIN: sn_buf_str(out, s); break;
        case SINGLE: put_single(out, s); break;
        case DOUBLE: put_double(out, s); break;
        case LITERAL: return put_literal(out, s, indent);
        }
    } else {
        sn_json_write(out, v, NULL); /* the rest, "[]" and "{}" too, is YAML as it is */
    }
    return sn_buf_byte(out, '\n');
}

static void put_key(struct sn_buf *out, struct sn_str s, unsigned indent)
{
    if (s.len > SIMPLE_KEY_MAX) {
        sn_buf_cstr(out, "? ");
        put_double(out, s);
        sn_buf_byte(out, '\n');
        put_indent(out, indent);
    } else {
        switch (quoting_of(s, true)) {
        case PLAIN: sn_buf_str(out, s); break;
        case SINGLE: put_single(out, s); break;
        default: put_double(out, s); break;
        }
    }
    sn_buf_byte(out, ':');
}

static int by_key(const void *a, const void *b)
{
    const struct sn_json *x = &(*(const struct sn_json_member *const *)a)->key;
    const struct sn_json *y = &(*(const struct sn_json_member *const *)b)->key;
    return sn_str_cmp(sn_str_of(x->str, x->len), sn_str_of(y->str, y->len));
}

static int put_block(struct sn_buf *out, const struct sn_json *v, const struct sn_yaml_style *st,
                     unsigned indent, unsigned depth);

static int put_members(struct sn_buf *out, const struct sn_json *v, const struct sn_yaml_style *st,
                       unsigned indent, unsigned depth)
{
    const struct sn_json_member **sorted SN_CLEANUP(sn_freep) = NULL;
    if (st->sort_keys && v->len > 1) {
        sorted = sn_alloc(v->len * sizeof(*sorted));
        if (!sorted) return out->err = SN_E_NOMEM;
        for (uint32_t i = 0; i < v->len; i++) sorted[i] = &v->members[i];
        qsort(sorted, v->len, sizeof(*sorted), by_key);
    }
    for (uint32_t i = 0; i < v->len; i++) {
        const struct sn_json_member *m = sorted ? sorted[i] : &v->members[i];
        if (i) put_indent(out, indent);
        put_key(out, sn_str_of(m->key.str, m->key.len), indent);
        if (sn_json_len(&m->value) == 0) {
            sn_buf_byte(out, ' ');
            put_scalar(out, &m->value, indent + 2);
            continue;
        }
        bool array = m->value.kind == SN_JSON_ARRAY;
        unsigned at = indent + (array ? 0 : 2);
        sn_buf_byte(out, '\n');
        put_indent(out, at);
        int r = put_block(out, &m->value, st, at, depth + 1);
        if (r < 0) return r;
    }
    return out->err;
}

/* A non-empty container, the cursor being at column `indent` already. */
static int put_block(struct sn_buf *out, const struct sn_json *v, const struct sn_yaml_style *st,
                     unsigned indent, unsigned depth)
{
    if (depth >= SN_JSON_DEPTH_MAX) return sn_fail(SN_E_DEPTH, "nested too deeply");
    if (v->kind == SN_JSON_OBJECT) return put_members(out, v, st, indent, depth);
    for (uint32_t i = 0; i < v->len; i++) {
        if (i) put_indent(out, indent);
        sn_buf_cstr(out, "- ");
        int r = sn_json_len(&v->items[i]) ? put_block(out, &v->items[i], st, indent + 2, depth + 1)
                                          : put_scalar(out, &v->items[i], indent + 2);
        if (r < 0) return r;
    }
    return out->err;
}

int sn_yaml_write(struct sn_buf *out, const struct sn_json *v, const struct sn_yaml_style *style)
{
    static const struct sn_yaml_style as_stored;
    if (sn_json_len(v)) return put_block(out, v, style ? style : &as_stored, 0, 0);
    return put_scalar(out, v, 2);
}

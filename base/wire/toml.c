/* SPDX-License-Identifier: Apache-2.0 */
/* wire/toml.c - keys, tables and what may be added to which. */
#include "wire/toml.h"

#include <stdio.h>

#include "core/status.h"
#include "wire/toml_int.h"

struct sn_toml_pos sn_toml_here_(const struct sn_toml_reader *r, const char *at)
{
    struct sn_toml_pos pos = {.line = r->line, .column = 1};
    for (const char *c = r->line_start; c < at; c++) pos.column += ((uint8_t)*c & 0xc0) != 0x80;
    return pos;
}

int(sn_toml_fail_)(const struct sn_toml_reader *r, const char *at, int code, const char *fmt, ...)
{
    char text[256];
    struct sn_toml_pos pos = sn_toml_here_(r, at);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return sn_fail(code, "%u:%u: %s", pos.line, pos.column, text);
}

void sn_toml_blank_(struct sn_toml_reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t')) r->p++;
}

/* A line's end at p, if it is one. */
static bool newline(struct sn_toml_reader *r)
{
    size_t n = r->end - r->p >= 2 && r->p[0] == '\r' && r->p[1] == '\n' ? 2
               : r->p < r->end && r->p[0] == '\n'                       ? 1
                                                                        : 0;
    if (!n) return false;
    r->p += n;
    r->line_start = r->p;
    r->line++;
    return true;
}

static int comment(struct sn_toml_reader *r)
{
    if (r->p >= r->end || *r->p != '#') return 0;
    for (; r->p < r->end && *r->p != '\n'; r->p++) {
        uint8_t c = (uint8_t)*r->p;
        if (c == '\r' && r->p + 1 < r->end && r->p[1] == '\n') break;
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return sn_toml_fail_(r, r->p, SN_E_SYNTAX, "control character 0x%02x in a comment", c);
    }
    return 0;
}

int sn_toml_eol_(struct sn_toml_reader *r)
{
    sn_toml_blank_(r);
    int e = comment(r);
    if (e < 0) return e;
    if (r->p < r->end && !newline(r))
        return sn_toml_fail_(r, r->p, SN_E_SYNTAX, "expected the end of the line");
    return 0;
}

int sn_toml_gap_(struct sn_toml_reader *r)
{
    do {
        sn_toml_blank_(r);
        int e = comment(r);
        if (e < 0) return e;
    } while (newline(r));
    return 0;
}

/* ---- keys ---- */

static bool bare(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

struct key {
    struct sn_str part[SN_TOML_DEPTH_MAX];
    const char *at[SN_TOML_DEPTH_MAX];
    unsigned n;
};

static int key_part(struct sn_toml_reader *r, struct sn_str *ret)
{
    if (r->p < r->end && (*r->p == '"' || *r->p == '\'')) return sn_toml_string_(r, false, ret);
    const char *from = r->p;
    while (r->p < r->end && bare(*r->p)) r->p++;
    if (r->p == from) return sn_toml_fail_(r, from, SN_E_SYNTAX, "expected a key");
    *ret = sn_str_of(from, (size_t)(r->p - from));
    return 0;
}

static int read_key(struct sn_toml_reader *r, struct key *k)
{
    for (k->n = 0;;) {
        sn_toml_blank_(r);
        if (k->n == SN_TOML_DEPTH_MAX)
            return sn_toml_fail_(r, r->p, SN_E_DEPTH, "a key of more than %d parts",
                                 SN_TOML_DEPTH_MAX);
        k->at[k->n] = r->p;
        int e = key_part(r, &k->part[k->n]);
        if (e < 0) return e;
        k->n++;
        sn_toml_blank_(r);
        if (r->p >= r->end || *r->p != '.') return 0;
        r->p++;
    }
}

/* ---- tables ---- */

static struct sn_toml_entry *find(const struct sn_toml_table *t, struct sn_str key)
{
    struct sn_toml_entry *e = t->first;
    while (e && !sn_str_eq(e->key, key)) e = e->next;
    return e;
}

const struct sn_toml_entry *sn_toml_find(const struct sn_toml *t, struct sn_str key)
{
    return t && t->kind == SN_TOML_TABLE ? find(&t->table, key) : NULL;
}

static int add(struct sn_toml_reader *r, struct sn_toml_table *t, struct sn_str key, const char *at,
               struct sn_toml_entry **ret)
{
    if (t->n >= SN_TOML_TABLE_KEYS_MAX)
        return sn_toml_fail_(r, at, SN_E_TOO_LARGE, "a table of more than %d keys",
                             SN_TOML_TABLE_KEYS_MAX);
    if (++r->n_values > SN_TOML_VALUES_MAX)
        return sn_toml_fail_(r, at, SN_E_TOO_LARGE, "more than %d values", SN_TOML_VALUES_MAX);
    struct sn_toml_entry *e = SN_ARENA_NEW(r->a, struct sn_toml_entry);
    if (!e) return SN_E_NOMEM;
    e->key = key;
    e->pos = e->v.pos = sn_toml_here_(r, at);
    if (t->last) t->last->next = e;
    else t->first = e;
    t->last = e;
    t->n++;
    *ret = e;
    return 0;
}

static int again(struct sn_toml_reader *r, const char *at, const struct sn_toml_entry *e)
{
    return sn_toml_fail_(r, at, SN_E_ALREADY_EXISTS, "%.*s is given already in line %u",
                         SN_STR_ARG(e->key), e->pos.line);
}

/* The table that the parts before the last name, made where it is missing. By a header any table but
 * an inline one may be entered; dotted keys only enter what no header and no other section defined,
 * and define it. */
static int descend(struct sn_toml_reader *r, const struct key *k, bool dotted,
                   struct sn_toml_table **t)
{
    for (unsigned i = 0; i + 1 < k->n; i++) {
        struct sn_toml_entry *e = find(*t, k->part[i]);
        if (!e) {
            int x = add(r, *t, k->part[i], k->at[i], &e);
            if (x < 0) return x;
            e->v.kind = SN_TOML_TABLE;
        }
        struct sn_toml *v = &e->v;
        if (!dotted && v->kind == SN_TOML_ARRAY && v->array.of_tables) v = &v->array.last->v;
        if (v->kind != SN_TOML_TABLE)
            return sn_toml_fail_(r, k->at[i], SN_E_ALREADY_EXISTS,
                                 "%.*s is no table: it is given in line %u", SN_STR_ARG(e->key),
                                 e->pos.line);
        if (v->table.inline_ || (dotted && v->table.defined && v->table.section != r->section))
            return sn_toml_fail_(r, k->at[i], SN_E_ALREADY_EXISTS,
                                 "table %.*s was completed before: nothing can be added",
                                 SN_STR_ARG(e->key));
        if (dotted) {
            v->table.defined = true;
            v->table.section = r->section;
        }
        *t = &v->table;
    }
    return 0;
}

int sn_toml_pair_(struct sn_toml_reader *r, struct sn_toml_table *t)
{
    struct key k;
    struct sn_toml_entry *e;
    int x = read_key(r, &k);
    if (x < 0) return x;
    if (r->p >= r->end || *r->p != '=')
        return sn_toml_fail_(r, r->p, SN_E_SYNTAX, "expected = after the key");
    r->p++;
    x = descend(r, &k, true, &t);
    if (x < 0) return x;
    e = find(t, k.part[k.n - 1]);
    if (e) return again(r, k.at[k.n - 1], e);
    x = add(r, t, k.part[k.n - 1], k.at[k.n - 1], &e);
    if (x < 0) return x;
    sn_toml_blank_(r);
    return sn_toml_value_(r, &e->v);
}

/* "[[a.b]]": one more element. */
static int open_element(struct sn_toml_reader *r, const struct key *k, struct sn_toml_table *t,
                        struct sn_toml_table **ret)
{
    unsigned last = k->n - 1;
    struct sn_toml_entry *e = find(t, k->part[last]);
    if (e && (e->v.kind != SN_TOML_ARRAY || !e->v.array.of_tables)) return again(r, k->at[last], e);
    if (!e) {
        int x = add(r, t, k->part[last], k->at[last], &e);
        if (x < 0) return x;
        e->v.kind = SN_TOML_ARRAY;
        e->v.array.of_tables = true;
    }
    if (++r->n_values > SN_TOML_VALUES_MAX)
        return sn_toml_fail_(r, k->at[last], SN_E_TOO_LARGE, "more than %d values",
                             SN_TOML_VALUES_MAX);
    struct sn_toml_item *it = SN_ARENA_NEW(r->a, struct sn_toml_item);
    if (!it) return SN_E_NOMEM;
    it->v = (struct sn_toml){.kind = SN_TOML_TABLE, .pos = sn_toml_here_(r, k->at[last])};
    it->v.table.defined = true;
    if (e->v.array.last) e->v.array.last->next = it;
    else e->v.array.first = it;
    e->v.array.last = it;
    e->v.array.n++;
    *ret = &it->v.table;
    return 0;
}

static int open_table(struct sn_toml_reader *r, const struct key *k, struct sn_toml_table *t,
                      struct sn_toml_table **ret)
{
    unsigned last = k->n - 1;
    struct sn_toml_entry *e = find(t, k->part[last]);
    if (e && (e->v.kind != SN_TOML_TABLE || e->v.table.defined || e->v.table.inline_))
        return again(r, k->at[last], e);
    if (!e) {
        int x = add(r, t, k->part[last], k->at[last], &e);
        if (x < 0) return x;
        e->v.kind = SN_TOML_TABLE;
    }
    e->v.table.defined = true;
    *ret = &e->v.table;
    return 0;
}

static int header(struct sn_toml_reader *r, struct sn_toml_table *root, struct sn_toml_table **ret)
{
    struct key k;
    struct sn_toml_table *t = root;
    bool element = r->end - r->p >= 2 && r->p[1] == '[';
    r->p += element ? 2 : 1;
    int x = read_key(r, &k);
    if (x < 0) return x;
    if (r->p >= r->end || *r->p != ']' || (element && (r->end - r->p < 2 || r->p[1] != ']')))
        return sn_toml_fail_(r, r->p, SN_E_SYNTAX, "expected %s", element ? "]]" : "]");
    r->p += element ? 2 : 1;
    x = descend(r, &k, false, &t);
    if (x < 0) return x;
    /* Tables that dotted keys of earlier sections defined are closed from here on. */
    r->section++;
    return element ? open_element(r, &k, t, ret) : open_table(r, &k, t, ret);
}

/* Invalid UTF-8 is named with its line: everything after takes it for granted. */
static int check_utf8(struct sn_toml_reader *r, struct sn_str text)
{
    if (sn_utf8_valid(text)) return 0;
    struct sn_toml_reader at = *r;
    for (struct sn_str rest = text; rest.ptr;) {
        struct sn_str line = sn_str_cut(&rest, '\n');
        if (!sn_utf8_valid(line)) break;
        at.line++;
    }
    return sn_fail(SN_E_SYNTAX, "%u:1: the line is not UTF-8", at.line);
}

int sn_toml_parse(struct sn_arena *a, struct sn_str text, size_t bytes_max, struct sn_toml *ret)
{
    if (!text.ptr) text = SN_STR("");
    struct sn_toml_reader r = {.a = a, .p = text.ptr, .end = text.ptr + text.len,
                               .line_start = text.ptr, .line = 1, .section = 1};
    struct sn_toml root = {.kind = SN_TOML_TABLE, .pos = {1, 1}};
    struct sn_toml_table *t = &root.table;
    bytes_max = bytes_max ? bytes_max : SN_TOML_BYTES_DEFAULT;
    if (text.len > bytes_max)
        return sn_fail(SN_E_TOO_LARGE, "1:1: %zu bytes, at most %zu are read", text.len, bytes_max);
    int x = check_utf8(&r, text);
    while (x >= 0) {
        x = sn_toml_gap_(&r);
        if (x < 0 || r.p >= r.end) break;
        x = *r.p == '[' ? header(&r, &root.table, &t) : sn_toml_pair_(&r, t);
        if (x >= 0) x = sn_toml_eol_(&r);
    }
    if (x >= 0) *ret = root;
    return x;
}

const char *sn_toml_kind_name(enum sn_toml_kind kind)
{
    static const char *const names[] = {
        [SN_TOML_STRING] = "string", [SN_TOML_INT] = "integer", [SN_TOML_DOUBLE] = "float",
        [SN_TOML_BOOL] = "boolean",  [SN_TOML_TIME] = "date-time", [SN_TOML_ARRAY] = "array",
        [SN_TOML_TABLE] = "table"};
    return kind >= SN_TOML_STRING && kind <= SN_TOML_TABLE ? names[kind] : "nothing";
}

int sn_toml_put_string(struct sn_buf *out, struct sn_str s)
{
    if (!sn_utf8_valid(s)) return sn_fail(SN_E_INVALID_ARGUMENT, "text is not UTF-8");
    sn_buf_byte(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = (uint8_t)s.ptr[i];
        if (c == '"' || c == '\\') sn_buf_printf(out, "\\%c", c);
        else if (c == '\n') sn_buf_cstr(out, "\\n");
        else if (c == '\t') sn_buf_cstr(out, "\\t");
        else if (c < 0x20 || c == 0x7f) sn_buf_printf(out, "\\u%04X", c);
        else sn_buf_byte(out, c);
    }
    sn_buf_byte(out, '"');
    return out->err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* app/rest_value.c - requests into structs, with validation, and structs into JSON; see rest.h. */
#include <stdio.h>

#include "app/rest.h"
#include "core/enc.h"

/* Where we are, for messages; a chain of frames on the stack. */
struct at {
    const struct at *up;
    const char *name; /* of a field, or NULL: an element */
    struct sn_str key;
    size_t index;
    unsigned depth;
};
struct decode {
    struct sn_arena *a;
    bool lenient;
};

static void path_of(const struct at *at, struct sn_buf *out)
{
    if (!at) return;
    path_of(at->up, out);
    if (at->name)
        sn_buf_printf(out, "%s%s", out->len ? "." : "", at->name);
    else if (at->key.ptr)
        sn_buf_printf(out, "[\"%.*s\"]", SN_STR_ARG(sn_str_sub(at->key, 0, 40)));
    else
        sn_buf_printf(out, "[%zu]", at->index);
}
static int wrong(const struct at *at, const char *fmt, ...) SN_PRINTF(2, 3);
static int wrong(const struct at *at, const char *fmt, ...)
{
    char mem[256], text[256];
    struct sn_buf path;
    va_list ap;
    sn_buf_init_fixed(&path, mem, sizeof mem - 1);
    path_of(at, &path);
    mem[path.len] = 0;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return sn_fail(SN_E_INVALID_ARGUMENT, "%s%s%s", mem, path.len ? ": " : "", text);
}

size_t sn_rest_size(const struct sn_rest_type *t)
{
    switch (t->kind) {
    case SN_REST_BOOL: return sizeof(bool);
    case SN_REST_INT:
    case SN_REST_UINT:
    case SN_REST_FLOAT: return t->size;
    case SN_REST_STRING:
    case SN_REST_BYTES: return sizeof(struct sn_str);
    case SN_REST_STRUCT: return t->st->size;
    case SN_REST_LIST:
    case SN_REST_MAP: return sizeof(struct sn_rest_list);
    default: return sizeof(void *);
    }
}
/* An entry of a map: the key, then the value; the key's alignment is the entry's. */
static size_t entry_size(const struct sn_rest_type *elem)
{
    size_t n = sizeof(struct sn_str) + sn_rest_size(elem);
    return (n + _Alignof(struct sn_str) - 1) & ~(_Alignof(struct sn_str) - 1);
}

/* ---- numbers of any width ---- */

static int64_t get_int(const struct sn_rest_type *t, const void *p)
{
    switch (t->size) {
    case 1: return *(const int8_t *)p;
    case 2: return *(const int16_t *)p;
    case 4: return *(const int32_t *)p;
    default: return *(const int64_t *)p;
    }
}
static uint64_t get_uint(const struct sn_rest_type *t, const void *p)
{
    switch (t->size) {
    case 1: return *(const uint8_t *)p;
    case 2: return *(const uint16_t *)p;
    case 4: return *(const uint32_t *)p;
    default: return *(const uint64_t *)p;
    }
}
static double get_float(const struct sn_rest_type *t, const void *p)
{
    return t->size == 4 ? (double)*(const float *)p : *(const double *)p;
}
/* The value's bytes: little-endian machines only, as everywhere here. */
static int put_int(const struct sn_rest_type *t, int64_t v, void *p)
{
    int64_t max = t->size == 8 ? INT64_MAX : ((int64_t)1 << (8 * t->size - 1)) - 1;
    if (v > max || v < -max - 1) return SN_E_OUT_OF_RANGE;
    memcpy(p, &v, t->size);
    return 0;
}
static int put_uint(const struct sn_rest_type *t, uint64_t v, void *p)
{
    if (t->size < 8 && v >> (8 * t->size)) return SN_E_OUT_OF_RANGE;
    memcpy(p, &v, t->size);
    return 0;
}
static void put_float(const struct sn_rest_type *t, double v, void *p)
{
    if (t->size == 4)
        *(float *)p = (float)v;
    else
        *(double *)p = v;
}
static const char *expected(const struct sn_rest_type *t)
{
    switch (t->kind) {
    case SN_REST_BOOL: return "true or false";
    case SN_REST_INT:
        return t->size == 8   ? "an integer"
               : t->size == 4 ? "an integer of 32 bits"
               : t->size == 2 ? "an integer of 16 bits"
                              : "an integer of 8 bits";
    case SN_REST_UINT:
        return t->size == 8   ? "an integer that is not negative"
               : t->size == 4 ? "an integer from 0 to 4294967295"
               : t->size == 2 ? "an integer from 0 to 65535"
                              : "an integer from 0 to 255";
    case SN_REST_FLOAT: return "a number";
    case SN_REST_BYTES: return "text in base64";
    case SN_REST_STRUCT:
    case SN_REST_MAP: return "an object";
    case SN_REST_LIST: return "a list";
    default: return "a text";
    }
}

/* ---- from text: path, form, headers, defaults ---- */

static int from_text(struct decode *d, const struct sn_rest_type *t, struct sn_str s,
                     const struct at *at, void *ret)
{
    int64_t i;
    uint64_t u;
    double f;
    int r = 0;
    switch (t->kind) {
    case SN_REST_STRING: *(struct sn_str *)ret = s; return 0;
    case SN_REST_BOOL:
        if (sn_str_eqc(s, "true") || sn_str_eqc(s, "1"))
            *(bool *)ret = true;
        else if (sn_str_eqc(s, "false") || sn_str_eqc(s, "0"))
            *(bool *)ret = false;
        else
            r = SN_E_SYNTAX;
        break;
    case SN_REST_INT:
        if ((r = sn_str_to_i64(s, &i)) == 0) r = put_int(t, i, ret);
        break;
    case SN_REST_UINT:
        if ((r = sn_str_to_u64(s, &u)) == 0) r = put_uint(t, u, ret);
        break;
    case SN_REST_FLOAT:
        if ((r = sn_str_to_double(s, &f)) == 0) put_float(t, f, ret);
        break;
    case SN_REST_POINTER: {
        void *p = sn_arena_zalloc(d->a, sn_rest_size(t->elem));
        if (!p) return SN_E_NOMEM;
        *(void **)ret = p;
        return from_text(d, t->elem, s, at, p);
    }
    default: r = SN_E_SYNTAX;
    }
    return r < 0 ? wrong(at, "expected %s, got \"%.*s\"", expected(t),
                         SN_STR_ARG(sn_str_sub(s, 0, 60)))
                 : 0;
}

/* ---- checks ---- */

static bool is_option(const struct sn_rest_field *f, const struct sn_rest_type *t, const void *p)
{
    for (const char *const *o = f->options; *o; o++) {
        struct sn_str s = sn_str(*o);
        int64_t i;
        uint64_t u;
        double d;
        switch (t->kind) {
        case SN_REST_STRING:
            if (sn_str_eq(s, *(const struct sn_str *)p)) return true;
            break;
        case SN_REST_INT:
            if (sn_str_to_i64(s, &i) == 0 && i == get_int(t, p)) return true;
            break;
        case SN_REST_UINT:
            if (sn_str_to_u64(s, &u) == 0 && u == get_uint(t, p)) return true;
            break;
        case SN_REST_FLOAT:
            if (sn_str_to_double(s, &d) == 0 && d == get_float(t, p)) return true;
            break;
        case SN_REST_BOOL:
            if (sn_str_eqc(s, "true") == *(const bool *)p) return true;
            break;
        default: return true;
        }
    }
    return false;
}
static int check(const struct sn_rest_field *f, const void *p, const struct at *at)
{
    const struct sn_rest_type *t = f->type;
    if (t->kind == SN_REST_POINTER) {
        p = *(void *const *)p;
        t = t->elem;
    }
    if (!p) return 0;
    if (f->options && !is_option(f, t, p)) {
        char mem[200] = "";
        struct sn_buf b;
        sn_buf_init_fixed(&b, mem, sizeof mem - 1);
        for (const char *const *o = f->options; *o; o++)
            sn_buf_printf(&b, "%s%s", b.len ? ", " : "", *o);
        mem[b.len] = 0;
        return wrong(at, "expected one of %s", mem);
    }
    if (!f->has_min && !f->has_max) return 0;
    double v = t->kind == SN_REST_INT    ? (double)get_int(t, p)
               : t->kind == SN_REST_UINT ? (double)get_uint(t, p)
                                         : get_float(t, p);
    bool low = f->has_min && (f->min_open ? v <= f->min : v < f->min);
    bool high = f->has_max && (f->max_open ? v >= f->max : v > f->max);
    if (!low && !high) return 0;
    char min[32] = "", max[32] = "";
    if (f->has_min) snprintf(min, sizeof min, "%g", f->min);
    if (f->has_max) snprintf(max, sizeof max, "%g", f->max);
    return wrong(at, "expected a number in %c%s:%s%c, got %g", f->min_open ? '(' : '[', min, max,
                 f->max_open ? ')' : ']', v);
}

/* ---- from JSON ---- */

static int from_json(struct decode *d, const struct sn_rest_type *t, const struct sn_json *v,
                     const struct at *at, void *ret);
static int struct_from_json(struct decode *d, const struct sn_rest_struct *st,
                            const struct sn_json *v, const struct at *at, void *ret);

static int list_from_json(struct decode *d, const struct sn_rest_type *t, const struct sn_json *v,
                          const struct at *at, struct sn_rest_list *ret)
{
    size_t n = sn_json_len(v), size = sn_rest_size(t->elem);
    struct at in = {.up = at, .depth = at ? at->depth + 1 : 1};
    char *p = n ? sn_arena_array(d->a, n, size) : NULL;
    if (n && !p) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        in.index = i;
        int r = from_json(d, t->elem, sn_json_at(v, i), &in, p + i * size);
        if (r < 0) return r;
    }
    *ret = (struct sn_rest_list){p, n};
    return 0;
}
static int map_from_json(struct decode *d, const struct sn_rest_type *t, const struct sn_json *v,
                         const struct at *at, struct sn_rest_list *ret)
{
    size_t n = sn_json_len(v), size = entry_size(t->elem), i = 0;
    struct at in = {.up = at, .depth = at ? at->depth + 1 : 1};
    char *p = n ? sn_arena_array(d->a, n, size) : NULL;
    if (n && !p) return SN_E_NOMEM;
    for (SN_JSON_MEMBERS(v, m)) {
        in.key = *(struct sn_str *)(p + i * size) = sn_json_str(&m->key);
        int r = from_json(d, t->elem, &m->value, &in, p + i * size + sizeof(struct sn_str));
        if (r < 0) return r;
        i++;
    }
    *ret = (struct sn_rest_list){p, n};
    return 0;
}
static int number_from_json(const struct sn_rest_type *t, const struct sn_json *v, void *ret)
{
    int64_t i;
    uint64_t u;
    double f;
    int r;
    if (t->kind == SN_REST_INT) return (r = sn_json_to_i64(v, &i)) < 0 ? r : put_int(t, i, ret);
    if (t->kind == SN_REST_UINT) return (r = sn_json_to_u64(v, &u)) < 0 ? r : put_uint(t, u, ret);
    if ((r = sn_json_to_double(v, &f)) == 0) put_float(t, f, ret);
    return r;
}
static int bytes_from_json(struct decode *d, struct sn_str s, struct sn_str *ret)
{
    char *out = sn_arena_alloc(d->a, sn_base64_decoded_max(s.len));
    if (!out) return SN_E_NOMEM;
    ssize_t n = sn_base64_decode(s, SN_BASE64_STD, out);
    if (n >= 0) *ret = sn_str_of(out, (size_t)n);
    return n < 0 ? SN_E_SYNTAX : 0;
}
static int mismatch(const struct sn_rest_type *t, const struct sn_json *v, const struct at *at)
{
    struct sn_str s = sn_json_str(v);
    if (s.ptr)
        return wrong(at, "expected %s, got \"%.*s\"", expected(t),
                     SN_STR_ARG(sn_str_sub(s, 0, 60)));
    if (sn_json_is(v, SN_JSON_INT))
        return wrong(at, "expected %s, got %lld", expected(t), (long long)v->i);
    return wrong(at, "expected %s, got a %s", expected(t), sn_json_kind_name(sn_json_kind(v)));
}
static int from_json(struct decode *d, const struct sn_rest_type *t, const struct sn_json *v,
                     const struct at *at, void *ret)
{
    int r = SN_E_INVALID_ARGUMENT;
    if (at && at->depth > SN_REST_DEPTH_MAX)
        return sn_fail(SN_E_DEPTH, "values nest deeper than %u", SN_REST_DEPTH_MAX);
    switch (t->kind) {
    case SN_REST_BOOL: r = sn_json_to_bool(v, ret); break;
    case SN_REST_INT:
    case SN_REST_UINT:
    case SN_REST_FLOAT: r = number_from_json(t, v, ret); break;
    case SN_REST_STRING: r = sn_json_to_str(v, ret); break;
    case SN_REST_BYTES:
        if (sn_json_is(v, SN_JSON_STRING)) r = bytes_from_json(d, sn_json_str(v), ret);
        break;
    case SN_REST_ANY: *(const struct sn_json **)ret = v; return 0;
    case SN_REST_POINTER: {
        if (sn_json_kind(v) == SN_JSON_NULL) return 0;
        void *p = sn_arena_zalloc(d->a, sn_rest_size(t->elem));
        if (!p) return SN_E_NOMEM;
        *(void **)ret = p;
        return from_json(d, t->elem, v, at, p);
    }
    case SN_REST_STRUCT:
        if (sn_json_is(v, SN_JSON_OBJECT)) return struct_from_json(d, t->st, v, at, ret);
        break;
    case SN_REST_LIST:
        if (sn_json_is(v, SN_JSON_ARRAY)) return list_from_json(d, t, v, at, ret);
        break;
    case SN_REST_MAP:
        if (sn_json_is(v, SN_JSON_OBJECT)) return map_from_json(d, t, v, at, ret);
        break;
    default: break;
    }
    if (r == SN_E_NOMEM) return r;
    return r < 0 ? mismatch(t, v, at) : 0;
}

/* Nothing came for the field: its default, zero where it may be absent, else an error. */
static int absent(struct decode *d, const struct sn_rest_field *f, const struct at *at, void *ret)
{
    if (d->lenient) return 0;
    if (f->def) return from_text(d, f->type, sn_str(f->def), at, ret);
    if (f->optional) return 0;
    if (f->where == SN_REST_IN_JSON && f->type->kind == SN_REST_STRUCT &&
        (!at || at->depth < SN_REST_DEPTH_MAX)) {
        /* A struct all of whose fields may be absent may be absent itself; else the message names
         * the field inside that is missing. */
        static const struct sn_json none = {.kind = SN_JSON_OBJECT};
        return struct_from_json(d, f->type->st, &none, at, ret);
    }
    return wrong(at, "is missing: expected %s", expected(f->type));
}
static int json_field(struct decode *d, const struct sn_rest_field *f, const struct sn_json *v,
                      const struct at *at, void *ret)
{
    if (sn_json_kind(v) == SN_JSON_NULL) return absent(d, f, at, ret);
    bool quoted = f->as_string && sn_json_is(v, SN_JSON_STRING) && f->type->kind != SN_REST_STRING;
    int r =
        quoted ? from_text(d, f->type, sn_json_str(v), at, ret) : from_json(d, f->type, v, at, ret);
    return r < 0 || d->lenient ? r : check(f, ret, at);
}
static int struct_from_json(struct decode *d, const struct sn_rest_struct *st,
                            const struct sn_json *v, const struct at *up, void *ret)
{
    for (uint32_t i = 0; i < st->n_fields; i++) {
        const struct sn_rest_field *f = &st->fields[i];
        struct at at = {.up = up, .name = f->name, .depth = up ? up->depth + 1 : 1};
        int r = json_field(d, f, sn_json_get(v, f->name), &at, (char *)ret + f->offset);
        if (r < 0) return r;
    }
    return 0;
}
int sn_rest_from_json(const struct sn_rest_type *t, const struct sn_json *v, bool lenient,
                      struct sn_arena *a, void *ret)
{
    struct decode d = {a, lenient};
    memset(ret, 0, sn_rest_size(t));
    return from_json(&d, t, v, NULL, ret);
}

/* ---- a request ---- */

struct form {
    struct sn_rest_param *list;
    unsigned n;
};
static int form_read(struct sn_arena *a, struct sn_str text, struct form *f)
{
    while (text.ptr && text.len) {
        struct sn_str value = sn_str_cut(&text, '&'), name = sn_str_cut(&value, '=');
        if (!name.len && !value.len) continue;
        if (f->n == SN_REST_FORM_MAX)
            return sn_fail(SN_E_TOO_LARGE, "more than %u form values", SN_REST_FORM_MAX);
        char *p = sn_arena_alloc(a, name.len + value.len + 1);
        if (!p) return SN_E_NOMEM;
        ssize_t n = sn_pct_decode(name, true, p), m = n < 0 ? n : sn_pct_decode(value, true, p + n);
        if (m < 0)
            return sn_fail(SN_E_INVALID_ARGUMENT, "the query has a %% without two hex digits");
        f->list[f->n++] =
            (struct sn_rest_param){sn_str_of(p, (size_t)n), sn_str_of(p + n, (size_t)m)};
    }
    return 0;
}
static int form_list(struct decode *d, const struct sn_rest_field *f, const struct form *form,
                     const struct at *at, struct sn_rest_list *ret)
{
    size_t n = 0, size = sn_rest_size(f->type->elem);
    for (unsigned i = 0; i < form->n; i++) n += sn_str_eqc(form->list[i].name, f->name);
    if (!n) return absent(d, f, at, ret);
    char *p = sn_arena_array(d->a, n, size);
    if (!p) return SN_E_NOMEM;
    *ret = (struct sn_rest_list){p, n};
    for (unsigned i = 0; i < form->n; i++) {
        if (!sn_str_eqc(form->list[i].name, f->name)) continue;
        int r = from_text(d, f->type->elem, form->list[i].value, at, p);
        if (r < 0) return r;
        p += size;
    }
    return 0;
}
static int header_list(struct decode *d, const struct sn_rest_field *f, struct sn_str text,
                       const struct at *at, struct sn_rest_list *ret)
{
    size_t n = 1, size = sn_rest_size(f->type->elem);
    for (size_t i = 0; i < text.len; i++) n += text.ptr[i] == ',';
    char *p = sn_arena_array(d->a, n, size);
    if (!p) return SN_E_NOMEM;
    *ret = (struct sn_rest_list){p, n};
    for (; text.ptr; p += size) {
        int r = from_text(d, f->type->elem, sn_str_trim(sn_str_cut(&text, ',')), at, p);
        if (r < 0) return r;
    }
    return 0;
}
static int request_field(struct decode *d, const struct sn_rest_field *f,
                         const struct sn_rest_input *in, const struct form *form, void *ret)
{
    struct at at = {.name = f->name, .depth = 1};
    struct sn_str v = {0};
    bool list = f->type->kind == SN_REST_LIST;
    int r;
    if (f->where == SN_REST_IN_JSON)
        return json_field(d, f, sn_json_get(in->body, f->name), &at, ret);
    if (f->where == SN_REST_IN_FORM && list) return form_list(d, f, form, &at, ret);
    if (f->where == SN_REST_IN_FORM) {
        for (unsigned i = 0; i < form->n && !v.ptr; i++)
            if (sn_str_eqc(form->list[i].name, f->name)) v = form->list[i].value;
    } else if (f->where == SN_REST_IN_PATH) {
        for (unsigned i = 0; i < in->n_params && !v.ptr; i++)
            if (sn_str_eqc(in->params[i].name, f->name)) v = in->params[i].value;
    } else if (in->headers) {
        v = sn_http_headers_get(in->headers, sn_str(f->name));
    }
    /* "?page=" says as little as its absence where no text is wanted. */
    if (!v.ptr || (!v.len && f->type->kind != SN_REST_STRING)) return absent(d, f, &at, ret);
    r = list ? header_list(d, f, v, &at, ret) : from_text(d, f->type, v, &at, ret);
    return r < 0 || d->lenient || list ? r : check(f, ret, &at);
}

int sn_rest_decode(const struct sn_rest_struct *st, const struct sn_rest_input *in,
                   struct sn_arena *a, void *ret)
{
    struct decode d = {a, in->lenient};
    struct form form = {0};
    memset(ret, 0, st->size);
    if (in->query.len || in->form.len) {
        form.list = SN_ARENA_ARRAY(a, struct sn_rest_param, SN_REST_FORM_MAX);
        if (!form.list) return SN_E_NOMEM;
        int r = form_read(a, in->query, &form);
        if (r == 0) r = form_read(a, in->form, &form);
        if (r < 0) return r;
    }
    if (in->body && !sn_json_is(in->body, SN_JSON_OBJECT))
        return sn_fail(SN_E_INVALID_ARGUMENT, "the body is no JSON object");
    for (uint32_t i = 0; i < st->n_fields; i++) {
        int r = request_field(&d, &st->fields[i], in, &form, (char *)ret + st->fields[i].offset);
        if (r < 0) return r;
    }
    return 0;
}

/* ---- to JSON ---- */

static bool is_zero(const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((const char *)p)[i]) return false;
    return true;
}
static int to_json(struct sn_buf *b, const struct sn_rest_type *t, const void *p, unsigned depth);

static int struct_to_json(struct sn_buf *b, const struct sn_rest_struct *st, const char *p,
                          unsigned depth)
{
    bool first = true;
    sn_buf_byte(b, '{');
    for (uint32_t i = 0; i < st->n_fields; i++) {
        const struct sn_rest_field *f = &st->fields[i];
        if (f->where != SN_REST_IN_JSON) continue;
        if (f->optional && is_zero(p + f->offset, sn_rest_size(f->type))) continue;
        if (!first) sn_buf_byte(b, ',');
        first = false;
        sn_json_write_string(b, sn_str(f->name));
        sn_buf_byte(b, ':');
        bool quoted = f->as_string && f->type->kind < SN_REST_STRING;
        if (quoted) sn_buf_byte(b, '"');
        int r = to_json(b, f->type, p + f->offset, depth + 1);
        if (r < 0) return r;
        if (quoted) sn_buf_byte(b, '"');
    }
    return sn_buf_byte(b, '}');
}
static int many_to_json(struct sn_buf *b, const struct sn_rest_type *t,
                        const struct sn_rest_list *l, unsigned depth)
{
    bool map = t->kind == SN_REST_MAP;
    size_t size = map ? entry_size(t->elem) : sn_rest_size(t->elem);
    sn_buf_byte(b, map ? '{' : '[');
    for (size_t i = 0; i < l->len; i++) {
        const char *p = (const char *)l->ptr + i * size;
        if (i) sn_buf_byte(b, ',');
        if (map) {
            sn_json_write_string(b, *(const struct sn_str *)p);
            sn_buf_byte(b, ':');
            p += sizeof(struct sn_str);
        }
        int r = to_json(b, t->elem, p, depth + 1);
        if (r < 0) return r;
    }
    return sn_buf_byte(b, map ? '}' : ']');
}
static int to_json(struct sn_buf *b, const struct sn_rest_type *t, const void *p, unsigned depth)
{
    if (depth > SN_REST_DEPTH_MAX)
        return sn_fail(SN_E_DEPTH, "values nest deeper than %u", SN_REST_DEPTH_MAX);
    switch (t->kind) {
    case SN_REST_BOOL: return sn_buf_cstr(b, *(const bool *)p ? "true" : "false");
    case SN_REST_INT: return sn_buf_i64(b, get_int(t, p));
    case SN_REST_UINT: return sn_buf_u64(b, get_uint(t, p));
    case SN_REST_FLOAT: return sn_json_write_double(b, get_float(t, p));
    case SN_REST_STRING: return sn_json_write_string(b, *(const struct sn_str *)p);
    case SN_REST_BYTES: {
        const struct sn_str *s = p;
        sn_buf_byte(b, '"');
        sn_buf_base64(b, s->ptr, s->len, SN_BASE64_STD);
        return sn_buf_byte(b, '"');
    }
    case SN_REST_ANY: {
        const struct sn_json *v = *(const struct sn_json *const *)p;
        return v ? sn_json_write(b, v, NULL) : sn_buf_cstr(b, "null");
    }
    case SN_REST_STRUCT: return struct_to_json(b, t->st, p, depth);
    case SN_REST_LIST:
    case SN_REST_MAP: return many_to_json(b, t, p, depth);
    default: {
        const void *q = *(void *const *)p;
        return q ? to_json(b, t->elem, q, depth + 1) : sn_buf_cstr(b, "null");
    }
    }
}
int sn_rest_to_json(const struct sn_rest_type *t, const void *obj, struct sn_buf *out)
{
    int r = to_json(out, t, obj, 0);
    return r < 0 ? r : out->err;
}

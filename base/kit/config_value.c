/* SPDX-License-Identifier: Apache-2.0 */
/* kit/config_value.c - scalars: what is expected, what was got, and the conversion. */
#include <regex.h>

#include "core/alloc.h"
#include "core/status.h"
#include "core/time.h"
#include "kit/config_int.h"
#include "kit/suggest.h"

#define GOT_MAX 40

bool sn_conf_bounded_(const struct sn_conf_field *f) { return f->min != 0 || f->max != 0; }

/* Bounds of a value: on a list or map they are its length's. */
static bool bounded(const struct sn_conf_field *f)
{
    return f->type != SN_CONF_T_LIST && f->type != SN_CONF_T_MAP && sn_conf_bounded_(f);
}

int64_t sn_conf_load_int_(const void *from, size_t size, bool is_signed)
{
    uint64_t v = 0;
    memcpy(&v, from, SN_MIN(size, sizeof(v))); /* little-endian, as every machine we run on */
    unsigned unused = (unsigned)(64 - 8 * SN_MIN(size, sizeof(v)));
    return is_signed ? (int64_t)(v << unused) >> unused : (int64_t)v;
}

void sn_conf_store_int_(void *to, size_t size, int64_t v)
{
    memcpy(to, &v, SN_MIN(size, sizeof(v)));
}

void sn_conf_bound_(enum sn_conf_type type, int64_t v, struct sn_buf *out)
{
    static const char units[] = "KMGTPE";
    char text[SN_DURATION_MAX];
    int unit = -1;
    switch (type) {
    case SN_CONF_T_DURATION:
        sn_duration_format(v, text);
        sn_buf_cstr(out, text);
        return;
    case SN_CONF_T_BYTES:
        while (v && v % 1024 == 0 && unit < 5) {
            v /= 1024;
            unit++;
        }
        sn_buf_i64(out, v);
        if (unit >= 0) sn_buf_printf(out, "%ciB", units[unit]);
        return;
    default: sn_buf_i64(out, v);
    }
}

/* " from 1 to 10", " of at least 1", " of at most 10". */
static void put_range(const struct sn_conf_field *f, enum sn_conf_type type, struct sn_buf *out)
{
    if (type == SN_CONF_T_DOUBLE) {
        if (f->min_real != 0 || f->max_real != 0)
            sn_buf_printf(out, " from %g to %g", f->min_real, f->max_real);
        return;
    }
    if (!bounded(f)) return;
    if (f->max == INT64_MAX) {
        sn_buf_cstr(out, " of at least ");
        sn_conf_bound_(type, f->min, out);
        return;
    }
    sn_buf_cstr(out, f->min ? " from " : " of at most ");
    if (f->min) {
        sn_conf_bound_(type, f->min, out);
        sn_buf_cstr(out, " to ");
    }
    sn_conf_bound_(type, f->max, out);
}

static void put_names(const struct sn_conf_enum *e, struct sn_buf *out)
{
    for (const struct sn_conf_enum *it = e; it->name; it++)
        sn_buf_printf(out, "%s%s", it == e ? "" : ", ", it->name);
}

void sn_conf_expected_(const struct sn_conf_field *f, enum sn_conf_type type, bool in_range,
                       struct sn_buf *out)
{
    switch (type) {
    case SN_CONF_T_BOOL: sn_buf_cstr(out, "true or false"); return;
    case SN_CONF_T_INT: case SN_CONF_T_UINT: sn_buf_cstr(out, "a whole number"); break;
    case SN_CONF_T_DOUBLE: sn_buf_cstr(out, "a number"); break;
    case SN_CONF_T_STRING:
        if (!in_range) {
            sn_buf_cstr(out, "a string");
        } else if (f->pattern_help) {
            sn_buf_cstr(out, f->pattern_help);
        } else if (f->pattern) {
            sn_buf_printf(out, "text like %s", f->pattern);
        } else {
            sn_buf_cstr(out, "a string");
            if (bounded(f))
                sn_buf_printf(out, " of %lld to %lld bytes", (long long)f->min, (long long)f->max);
        }
        return;
    case SN_CONF_T_DURATION:
        sn_buf_cstr(out, in_range ? "a duration" : "a duration such as 250ms");
        break;
    case SN_CONF_T_BYTES: sn_buf_cstr(out, in_range ? "a size" : "a size such as 64KiB"); break;
    case SN_CONF_T_ENUM: case SN_CONF_T_FLAGS:
        sn_buf_cstr(out, "one of ");
        put_names(f->enums, out);
        return;
    case SN_CONF_T_STRUCT: case SN_CONF_T_MAP: sn_buf_cstr(out, "a mapping"); return;
    case SN_CONF_T_LIST: sn_buf_cstr(out, "a list"); return;
    case SN_CONF_T_RAW: sn_buf_cstr(out, "a value"); return;
    }
    if (in_range) put_range(f, type, out);
}

static void put_got(const struct sn_json *v, struct sn_buf *out)
{
    sn_buf_cstr(out, ", got ");
    if (v->kind == SN_JSON_ARRAY) {
        sn_buf_cstr(out, "a list");
    } else if (v->kind == SN_JSON_OBJECT) {
        sn_buf_cstr(out, "a mapping");
    } else if (v->kind == SN_JSON_STRING && v->len > GOT_MAX) {
        size_t n = GOT_MAX;
        while (n > 0 && ((uint8_t)v->str[n] & 0xc0) == 0x80) n--;
        sn_json_write_string(out, sn_str_of(v->str, n));
        sn_buf_cstr(out, "...");
    } else {
        sn_json_write(out, v, NULL);
    }
}

static int refuse(const struct sn_conf_field *f, enum sn_conf_type type, bool in_range,
                  const struct sn_json *v, struct sn_buf *why)
{
    sn_buf_cstr(why, "expected ");
    sn_conf_expected_(f, type, in_range, why);
    put_got(v, why);
    return SN_E_INVALID_ARGUMENT;
}

/* ---- conversions ---- */

static bool in_bounds(const struct sn_conf_field *f, int64_t v)
{
    return !bounded(f) || (v >= f->min && v <= f->max);
}

static int set_integer(const struct sn_conf_field *f, enum sn_conf_type type,
                       const struct sn_json *v, void *to, size_t size, struct sn_buf *why)
{
    int64_t i = 0;
    uint64_t u = 0;
    int r = type == SN_CONF_T_INT ? sn_json_to_i64(v, &i) : sn_json_to_u64(v, &u);
    if (r == SN_E_INVALID_ARGUMENT || (r < 0 && v->kind == SN_JSON_DOUBLE))
        return refuse(f, type, false, v, why);
    bool fits = r == 0;
    if (type == SN_CONF_T_INT) {
        fits = fits && in_bounds(f, i) && sn_conf_load_int_(&i, size, true) == i;
    } else {
        i = (int64_t)u;
        fits = fits && (size >= 8 || u >> (8 * size) == 0) &&
               (!bounded(f) || f->max == INT64_MAX || u <= (uint64_t)f->max) &&
               (!bounded(f) || u >= (uint64_t)f->min);
    }
    if (!fits) {
        if (bounded(f)) return refuse(f, type, true, v, why);
        unsigned bits = (unsigned)(8 * size - (type == SN_CONF_T_INT));
        sn_buf_printf(why, "expected a whole number %s 2^%u - 1",
                      type == SN_CONF_T_UINT ? "from 0 to" : "of at most", bits);
        put_got(v, why);
        return SN_E_INVALID_ARGUMENT;
    }
    sn_conf_store_int_(to, size, i);
    return 0;
}

static int set_quantity(const struct sn_conf_field *f, enum sn_conf_type type,
                        const struct sn_json *v, void *to, struct sn_buf *why)
{
    int64_t i = 0;
    uint64_t u = 0;
    int r;
    if (v->kind == SN_JSON_STRING) {
        r = type == SN_CONF_T_DURATION ? sn_str_to_duration(sn_json_str(v), &i)
                                       : sn_str_to_bytes(sn_json_str(v), &u);
    } else if (type == SN_CONF_T_BYTES || (v->kind == SN_JSON_INT && v->i == 0)) {
        r = sn_json_to_u64(v, &u); /* a plain number is bytes; as a duration only 0 has no unit */
    } else {
        r = SN_E_SYNTAX;
    }
    if (r == SN_E_OUT_OF_RANGE) return refuse(f, type, bounded(f), v, why);
    if (r < 0) return refuse(f, type, false, v, why);
    if (type == SN_CONF_T_BYTES) i = u > INT64_MAX ? INT64_MAX : (int64_t)u;
    if (!in_bounds(f, i)) return refuse(f, type, true, v, why);
    if (type == SN_CONF_T_BYTES) memcpy(to, &u, sizeof(u));
    else memcpy(to, &i, sizeof(i));
    return 0;
}

static int match(const char *pattern, struct sn_str s)
{
    char *text SN_CLEANUP(sn_freep) = sn_alloc(s.len + 1);
    char *whole SN_CLEANUP(sn_freep) = sn_alloc(strlen(pattern) + 5);
    if (!text || !whole) return SN_E_NOMEM;
    if (memchr(s.ptr, 0, s.len)) return 0;
    memcpy(text, s.ptr, s.len);
    text[s.len] = 0;
    size_t n = strlen(pattern);
    whole[0] = '^';
    whole[1] = '(';
    memcpy(whole + 2, pattern, n);
    memcpy(whole + 2 + n, ")$", 3);
    regex_t re;
    if (regcomp(&re, whole, REG_EXTENDED | REG_NOSUB) != 0)
        return sn_fail(SN_E_INTERNAL, "pattern %s does not compile", pattern);
    bool ok = regexec(&re, text, 0, NULL, 0) == 0;
    regfree(&re);
    return ok;
}

static int set_string(const struct sn_conf_field *f, const struct sn_json *v, void *to,
                      struct sn_buf *why)
{
    if (v->kind != SN_JSON_STRING) return refuse(f, SN_CONF_T_STRING, false, v, why);
    struct sn_str s = sn_json_str(v);
    if (!in_bounds(f, (int64_t)s.len))
        return refuse(f, SN_CONF_T_STRING, true, v, why);
    if (f->pattern) {
        int r = match(f->pattern, s);
        if (r < 0) return r;
        if (r == 0) return refuse(f, SN_CONF_T_STRING, true, v, why);
    }
    if (s.len == 0) s.ptr = "";
    memcpy(to, &s, sizeof(s));
    return 0;
}

static int find_enum(const struct sn_conf_field *f, const struct sn_json *v, int64_t *ret,
                     struct sn_buf *why)
{
    struct sn_str s = sn_json_str(v);
    struct sn_suggest near = sn_suggest_begin(s);
    for (const struct sn_conf_enum *e = f->enums; s.ptr && e->name; e++) {
        if (sn_str_eqc(s, e->name)) {
            *ret = e->value;
            return 0;
        }
        sn_suggest_offer(&near, sn_str(e->name));
    }
    refuse(f, SN_CONF_T_ENUM, false, v, why);
    if (near.best.ptr) sn_buf_printf(why, "; did you mean \"%.*s\"?", SN_STR_ARG(near.best));
    return SN_E_INVALID_ARGUMENT;
}

static int set_flags(const struct sn_conf_field *f, const struct sn_json *v, void *to, size_t size,
                     struct sn_buf *why)
{
    int64_t all = 0, one = 0;
    if (v->kind != SN_JSON_ARRAY) return refuse(f, SN_CONF_T_LIST, false, v, why);
    for (SN_JSON_EACH(v, it)) {
        int r = find_enum(f, it, &one, why);
        if (r < 0) return r;
        all |= one;
    }
    sn_conf_store_int_(to, size, all);
    return 0;
}

int sn_conf_scalar_(const struct sn_conf_field *f, enum sn_conf_type type, const struct sn_json *v,
                    void *to, size_t size, struct sn_buf *why)
{
    int64_t i;
    int r;
    switch (type) {
    case SN_CONF_T_BOOL:
        if (v->kind != SN_JSON_BOOL) return refuse(f, type, false, v, why);
        memcpy(to, &v->b, sizeof(bool));
        return 0;
    case SN_CONF_T_INT: case SN_CONF_T_UINT: return set_integer(f, type, v, to, size, why);
    case SN_CONF_T_DOUBLE: {
        double d;
        if (sn_json_to_double(v, &d) < 0) return refuse(f, type, false, v, why);
        if ((f->min_real != 0 || f->max_real != 0) && !(d >= f->min_real && d <= f->max_real))
            return refuse(f, type, true, v, why);
        memcpy(to, &d, sizeof(d));
        return 0;
    }
    case SN_CONF_T_STRING: return set_string(f, v, to, why);
    case SN_CONF_T_DURATION: case SN_CONF_T_BYTES: return set_quantity(f, type, v, to, why);
    case SN_CONF_T_ENUM:
        r = find_enum(f, v, &i, why);
        if (r == 0) sn_conf_store_int_(to, size, i);
        return r;
    case SN_CONF_T_FLAGS: return set_flags(f, v, to, size, why);
    case SN_CONF_T_RAW: memcpy(to, &v, sizeof(v)); return 0;
    default: return refuse(f, type, false, v, why);
    }
}

/* ---- text ---- */

struct sn_json sn_conf_text_node_(enum sn_conf_type type, struct sn_str text)
{
    static const struct { const char *word; bool value; } bools[] = {
        {"true", true}, {"yes", true}, {"on", true}, {"1", true},
        {"false", false}, {"no", false}, {"off", false}, {"0", false}};
    int64_t i;
    uint64_t u;
    double d;
    switch (type) {
    case SN_CONF_T_BOOL:
        for (size_t k = 0; k < SN_COUNT_OF(bools); k++)
            if (sn_str_eqc(text, bools[k].word)) return sn_json_bool(bools[k].value);
        break;
    case SN_CONF_T_INT: case SN_CONF_T_UINT: case SN_CONF_T_DOUBLE:
        if (sn_str_to_i64(text, &i) == 0) return sn_json_i64(i);
        if (sn_str_to_u64(text, &u) == 0) return sn_json_u64(u);
        if (sn_str_to_double(text, &d) == 0) return sn_json_double(d);
        break;
    default: break;
    }
    return sn_json_string(text);
}

static int text_failed(int r, struct sn_buf *why)
{
    if (r != SN_E_INVALID_ARGUMENT) return r;
    return sn_fail(r, "%.*s", SN_STR_ARG(sn_buf_view(why)));
}

int sn_conf_append_text(struct sn_arena *a, const struct sn_conf_field *f, struct sn_str text,
                        void *out)
{
    char *at = out, mem[SN_DIAG_BYTES];
    struct sn_buf why;
    sn_buf_init_fixed(&why, mem, sizeof(mem));
    SN_ASSERT(f->type == SN_CONF_T_LIST && f->item != SN_CONF_T_STRUCT);
    void *old;
    size_t n;
    memcpy(&old, at + f->offset, sizeof(old));
    memcpy(&n, at + f->len_offset, sizeof(n));
    char *list = sn_arena_array(a, n + 1, f->elem_size);
    struct sn_str copy = sn_arena_str(a, text);
    if (!list || !copy.ptr) return SN_E_NOMEM;
    if (n) memcpy(list, old, n * f->elem_size);
    struct sn_json v = sn_conf_text_node_(f->item, copy);
    int r = sn_conf_scalar_(f, f->item, &v, list + n * f->elem_size, f->item_size, &why);
    if (r < 0) return text_failed(r, &why);
    if (sn_conf_bounded_(f) && n + 1 > (uint64_t)f->max)
        return sn_fail(SN_E_INVALID_ARGUMENT, "expected at most %lld values", (long long)f->max);
    n++;
    memcpy(at + f->offset, &list, sizeof(list));
    memcpy(at + f->len_offset, &n, sizeof(n));
    return 0;
}

int sn_conf_set_text(struct sn_arena *a, const struct sn_conf_field *f, struct sn_str text,
                     void *out)
{
    char *at = out, mem[SN_DIAG_BYTES];
    struct sn_buf why;
    if (f->type == SN_CONF_T_LIST) {
        memset(at + f->offset, 0, sizeof(void *));
        memset(at + f->len_offset, 0, sizeof(size_t));
        int r = 0;
        while (r == 0 && text.ptr && text.len)
            r = sn_conf_append_text(a, f, sn_str_cut(&text, ','), out);
        return r;
    }
    sn_buf_init_fixed(&why, mem, sizeof(mem));
    struct sn_str copy = sn_arena_str(a, text);
    if (!copy.ptr) return SN_E_NOMEM;
    struct sn_json v = sn_conf_text_node_(f->type, copy);
    if (f->type == SN_CONF_T_FLAGS) {
        v = sn_json_array();
        while (copy.ptr && copy.len)
            if (!sn_json_push(a, &v, sn_json_string(sn_str_cut(&copy, ',')))) return SN_E_NOMEM;
    }
    if (f->type == SN_CONF_T_STRUCT || f->type == SN_CONF_T_MAP || f->type == SN_CONF_T_RAW)
        return sn_fail(SN_E_INVALID_ARGUMENT, "only a file can set %s", f->name);
    int r = sn_conf_scalar_(f, f->type, &v, at + f->offset, f->size, &why);
    return r < 0 ? text_failed(r, &why) : 0;
}

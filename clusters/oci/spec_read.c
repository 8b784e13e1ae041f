/* SPDX-License-Identifier: Apache-2.0 */
/* oci/spec_read.c - JSON objects into structs by tables; every refusal names the field. */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#include "clusters/oci/spec_int.h"

const char *sn_oci_cstr(struct sn_arena *a, struct sn_str s) { return sn_arena_str(a, s).ptr; }

int sn_oci_refuse(const struct sn_oci_reader *r, const char *field, const char *fmt, ...)
{
    char text[320];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    const char *dot = field && field[0] != '[' && r->path_len ? "." : "";
    return sn_fail(SN_E_INVALID_ARGUMENT, "%s: %.*s%s%s: %s", r->file, (int)r->path_len, r->path,
                   dot, field ? field : "", text);
}

void sn_oci_warn(const struct sn_oci_reader *r, const char *fmt, ...)
{
    if (!r->warn) return;
    char text[320];
    int n = snprintf(text, sizeof(text), "%s: %.*s: ", r->file, (int)r->path_len, r->path);
    va_list ap;
    va_start(ap, fmt);
    if (n > 0 && (size_t)n < sizeof(text)) vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
    va_end(ap);
    r->warn(r->warn_arg, text);
}

const struct sn_oci_name *sn_oci_name_find(const struct sn_oci_name *table, struct sn_str name)
{
    for (; table->name; table++)
        if (sn_str_eqc(name, table->name)) return table;
    return NULL;
}

/* Descends into member `name` (or element i where name is NULL); returns what path_len was. */
static size_t enter(struct sn_oci_reader *r, const char *name, size_t i)
{
    size_t was = r->path_len, room = sizeof(r->path) - was;
    int n = name ? snprintf(r->path + was, room, "%s%s", was ? "." : "", name)
                 : snprintf(r->path + was, room, "[%zu]", i);
    if (n > 0) r->path_len = SN_MIN(was + (size_t)n, sizeof(r->path) - 1);
    return was;
}

static int wrong_kind(const struct sn_oci_reader *r, const struct sn_json *v, const char *want)
{
    return sn_oci_refuse(r, NULL, "is %s %s, expected %s",
                         v->kind == SN_JSON_ARRAY || v->kind == SN_JSON_OBJECT ||
                                 v->kind == SN_JSON_INT
                             ? "an"
                             : "a",
                         v->kind == SN_JSON_INT ? "integer" : sn_json_kind_name(v->kind), want);
}

static int read_str(struct sn_oci_reader *r, const struct sn_json *v, const char **ret)
{
    if (v->kind != SN_JSON_STRING) return wrong_kind(r, v, "a string");
    if (v->len > SN_OCI_STRING_MAX)
        return sn_oci_refuse(r, NULL, "has %u bytes, at most %u are allowed", v->len,
                             SN_OCI_STRING_MAX);
    if (memchr(v->str, 0, v->len)) return sn_oci_refuse(r, NULL, "contains a NUL character");
    const char *s = sn_oci_cstr(r->a, sn_str_of(v->str, v->len));
    if (!s) return SN_E_NOMEM;
    *ret = s;
    return 0;
}

static int read_int(struct sn_oci_reader *r, const struct sn_json *v, int64_t min, int64_t max,
                    int64_t *ret)
{
    int64_t n;
    int e = sn_json_to_i64(v, &n);
    if (e == SN_E_INVALID_ARGUMENT) return wrong_kind(r, v, "an integer");
    if (e < 0 || ((min || max) && (n < min || n > max))) {
        if (min || max)
            return sn_oci_refuse(r, NULL, "is out of range, allowed is %lld..%lld", (long long)min,
                                 (long long)max);
        return sn_oci_refuse(r, NULL, "is no integer of 64 bits");
    }
    *ret = n;
    return 0;
}

/* Length of an array, an error for everything else and for too many. */
static int array_len(struct sn_oci_reader *r, const struct sn_json *v, size_t *ret)
{
    if (v->kind != SN_JSON_ARRAY) return wrong_kind(r, v, "an array");
    if (v->len > SN_OCI_LIST_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%s: %.*s: has %u elements, at most %u are allowed", r->file,
                       (int)r->path_len, r->path, v->len, SN_OCI_LIST_MAX);
    *ret = v->len;
    return 0;
}

static int read_strs(struct sn_oci_reader *r, const struct sn_json *v, struct sn_oci_strs *ret)
{
    size_t n;
    int e = array_len(r, v, &n);
    if (e < 0) return e;
    ret->ptr = sn_arena_array(r->a, n + 1, sizeof(*ret->ptr));
    if (!ret->ptr) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        size_t was = enter(r, NULL, i);
        if ((e = read_str(r, &v->items[i], &ret->ptr[i])) < 0) return e;
        r->path_len = was;
    }
    ret->n = n;
    return 0;
}

struct u32s {
    uint32_t *ptr;
    size_t n;
};
static int read_u32s(struct sn_oci_reader *r, const struct sn_json *v, struct u32s *ret)
{
    size_t n;
    int e = array_len(r, v, &n);
    if (e < 0) return e;
    ret->ptr = sn_arena_array(r->a, n ? n : 1, sizeof(*ret->ptr));
    if (!ret->ptr) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        int64_t x = 0;
        size_t was = enter(r, NULL, i);
        if ((e = read_int(r, &v->items[i], 0, UINT32_MAX, &x)) < 0) return e;
        ret->ptr[i] = (uint32_t)x;
        r->path_len = was;
    }
    ret->n = n;
    return 0;
}

static int refuse_name(struct sn_oci_reader *r, const char *s, const struct sn_oci_name *names)
{
    char all[256];
    size_t n = 0;
    all[0] = 0;
    for (; names->name && n < sizeof(all); names++) {
        int k = snprintf(all + n, sizeof(all) - n, "%s%s", n ? ", " : "", names->name);
        if (k > 0) n += (size_t)k;
    }
    return sn_oci_refuse(r, NULL, "\"%.64s\" is not one of %s", s, all);
}

static int read_enum(struct sn_oci_reader *r, const struct sn_json *v,
                     const struct sn_oci_name *names, int64_t *ret)
{
    const char *s;
    int e = read_str(r, v, &s);
    if (e < 0) return e;
    const struct sn_oci_name *n = sn_oci_name_find(names, sn_str(s));
    if (!n) return refuse_name(r, s, names);
    *ret = n->value;
    return 0;
}

static int read_flags(struct sn_oci_reader *r, const struct sn_json *v,
                      const struct sn_oci_field *f, uint64_t *ret)
{
    size_t n;
    int e = array_len(r, v, &n);
    if (e < 0) return e;
    uint64_t all = 0;
    for (size_t i = 0; i < n; i++) {
        const char *s;
        size_t was = enter(r, NULL, i);
        if ((e = read_str(r, &v->items[i], &s)) < 0) return e;
        const struct sn_oci_name *name = sn_oci_name_find(f->of, sn_str(s));
        if (name)
            all |= f->kind == SN_OCI_F_CAPS ? 1ull << name->value : (uint64_t)name->value;
        else if (f->kind == SN_OCI_F_CAPS)
            sn_oci_warn(r, "\"%.64s\" is no capability that is known here, ignored", s);
        else
            return refuse_name(r, s, f->of);
        r->path_len = was;
    }
    *ret = all;
    return 0;
}

static int read_kvs(struct sn_oci_reader *r, const struct sn_json *v, struct sn_oci_kvs *ret)
{
    if (v->kind != SN_JSON_OBJECT) return wrong_kind(r, v, "an object");
    if (v->len > SN_OCI_LIST_MAX)
        return sn_oci_refuse(r, NULL, "has more than %u members", SN_OCI_LIST_MAX);
    ret->ptr = sn_arena_array(r->a, v->len ? v->len : 1, sizeof(*ret->ptr));
    if (!ret->ptr) return SN_E_NOMEM;
    for (uint32_t i = 0; i < v->len; i++) {
        int e = read_str(r, &v->members[i].key, &ret->ptr[i].key);
        if (e < 0) return e;
        size_t was = enter(r, ret->ptr[i].key, 0);
        if ((e = read_str(r, &v->members[i].value, &ret->ptr[i].value)) < 0) return e;
        r->path_len = was;
    }
    ret->n = v->len;
    return 0;
}

struct list {
    void *ptr;
    size_t n;
};
static int read_list(struct sn_oci_reader *r, const struct sn_json *v, const struct sn_oci_field *f,
                     struct list *ret)
{
    size_t n;
    int e = array_len(r, v, &n);
    if (e < 0) return e;
    char *p = sn_arena_array(r->a, n ? n : 1, f->size);
    if (!p) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        size_t was = enter(r, NULL, i);
        if ((e = sn_oci_read(r, &v->items[i], f->of, p + i * f->size)) < 0) return e;
        r->path_len = was;
    }
    *ret = (struct list){p, n};
    return 0;
}

static int read_object(struct sn_oci_reader *r, const struct sn_json *v,
                       const struct sn_oci_field *f, char *out)
{
    int e = sn_oci_read(r, v, f->of, out);
    if (e == 0 && f->size) *(bool *)(out + f->size - 1) = true;
    return e;
}

static int read_bool(struct sn_oci_reader *r, const struct sn_json *v, bool *ret)
{
    if (v->kind != SN_JSON_BOOL) return wrong_kind(r, v, "true or false");
    *ret = v->b;
    return 0;
}

static int read_path(struct sn_oci_reader *r, const struct sn_json *v, const char **ret)
{
    int e = read_str(r, v, ret);
    if (e == 0 && (*ret)[0] != '/')
        return sn_oci_refuse(r, NULL, "\"%.100s\" is not an absolute path", *ret);
    return e;
}

static int read_number(struct sn_oci_reader *r, const struct sn_json *v,
                       const struct sn_oci_field *f, void *p)
{
    int64_t n = 0;
    int e;
    if (f->kind == SN_OCI_F_U64) {
        e = sn_json_to_u64(v, p);
        if (e == SN_E_INVALID_ARGUMENT) return wrong_kind(r, v, "an integer");
        return e < 0 ? sn_oci_refuse(r, NULL, "is no unsigned integer of 64 bits") : 0;
    }
    bool u32 = f->kind == SN_OCI_F_U32;
    if ((e = read_int(r, v, u32 ? 0 : f->min, u32 ? UINT32_MAX : f->max, &n)) < 0) return e;
    if (u32)
        *(uint32_t *)p = (uint32_t)n;
    else if (f->kind == SN_OCI_F_I64)
        *(int64_t *)p = n;
    else
        *(struct sn_oci_opt_int *)p = (struct sn_oci_opt_int){true, n};
    return 0;
}

static int read_field(struct sn_oci_reader *r, const struct sn_json *v,
                      const struct sn_oci_field *f, char *out)
{
    void *p = out + f->off;
    switch (f->kind) {
    case SN_OCI_F_STR: return read_str(r, v, p);
    case SN_OCI_F_PATH: return read_path(r, v, p);
    case SN_OCI_F_BOOL: return read_bool(r, v, p);
    case SN_OCI_F_U32:
    case SN_OCI_F_I64:
    case SN_OCI_F_U64:
    case SN_OCI_F_OPT: return read_number(r, v, f, p);
    case SN_OCI_F_STRS: return read_strs(r, v, p);
    case SN_OCI_F_U32S: return read_u32s(r, v, p);
    case SN_OCI_F_ENUM: return read_enum(r, v, f->of, p);
    case SN_OCI_F_FLAGS:
    case SN_OCI_F_CAPS: return read_flags(r, v, f, p);
    case SN_OCI_F_OBJ: return read_object(r, v, f, p);
    case SN_OCI_F_LIST: return read_list(r, v, f, p);
    case SN_OCI_F_KVS: return read_kvs(r, v, p);
    case SN_OCI_F_TREE:
        if (v->kind != SN_JSON_OBJECT) return wrong_kind(r, v, "an object");
        *(const struct sn_json **)p = v;
        return 0;
    case SN_OCI_F_SEEN: *(bool *)p = true; return 0;
    }
    return SN_E_INTERNAL;
}

int sn_oci_read(struct sn_oci_reader *r, const struct sn_json *v, const struct sn_oci_field *fields,
                void *out)
{
    if (v->kind != SN_JSON_OBJECT) return wrong_kind(r, v, "an object");
    for (const struct sn_oci_field *f = fields; f->name; f++) {
        const struct sn_json *m = sn_json_get(v, f->name);
        if (!m || m->kind == SN_JSON_NULL) {
            if (f->required) return sn_oci_refuse(r, f->name, "is missing");
            continue;
        }
        size_t was = enter(r, f->name, 0);
        int e = read_field(r, m, f, out);
        if (e < 0) return e;
        r->path_len = was;
    }
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* wire/json_tree.c - look-ups, comparison, building, merging. */
#include <math.h>

#include "core/status.h"
#include "wire/json.h"

const char *sn_json_kind_name(enum sn_json_kind kind)
{
    switch (kind) {
    case SN_JSON_NULL: return "null";
    case SN_JSON_BOOL: return "boolean";
    case SN_JSON_INT: case SN_JSON_UINT: case SN_JSON_DOUBLE: case SN_JSON_BIGINT: return "number";
    case SN_JSON_STRING: return "string";
    case SN_JSON_ARRAY: return "array";
    case SN_JSON_OBJECT: return "object";
    }
    return "unknown";
}

/* ---- looking ---- */

static struct sn_json_member *find(const struct sn_json *v, struct sn_str key)
{
    if (!v || v->kind != SN_JSON_OBJECT) return NULL;
    struct sn_json_member *m = v->members;
    for (uint32_t i = 0; i < v->len; i++)
        if (m[i].key.len == key.len &&
            (key.len == 0 || memcmp(m[i].key.str, key.ptr, key.len) == 0))
            return &m[i];
    return NULL;
}

const struct sn_json *sn_json_find(const struct sn_json *v, struct sn_str key)
{
    const struct sn_json_member *m = find(v, key);
    return m ? &m->value : NULL;
}

/* An index as RFC 6901 writes it: no sign, no leading zero. */
static const struct sn_json *element(const struct sn_json *v, struct sn_str s)
{
    uint64_t i;
    if (s.len == 0 || (s.len > 1 && s.ptr[0] == '0') || sn_str_to_u64(s, &i) < 0) return NULL;
    return i < SIZE_MAX ? sn_json_at(v, (size_t)i) : NULL;
}

/* A member whose key, escaped by "~0" and "~1", is `token`. */
static const struct sn_json *member_escaped(const struct sn_json *v, struct sn_str token)
{
    if (sn_str_chr(token, '~') < 0) return sn_json_find(v, token);
    for (uint32_t i = 0; i < sn_json_len(v); i++) {
        const struct sn_json *k = &v->members[i].key;
        size_t at = 0, n = 0;
        bool same = true;
        for (; same && at < token.len; at++, n++) {
            char c = token.ptr[at];
            if (c == '~') {
                if (++at >= token.len || (token.ptr[at] != '0' && token.ptr[at] != '1'))
                    return NULL;
                c = token.ptr[at] == '0' ? '~' : '/';
            }
            same = n < k->len && k->str[n] == c;
        }
        if (same && n == k->len) return &v->members[i].value;
    }
    return NULL;
}

const struct sn_json *sn_json_pointer(const struct sn_json *v, struct sn_str pointer)
{
    if (pointer.len == 0) return v;
    if (pointer.ptr[0] != '/') return NULL;
    struct sn_str rest = sn_str_from(pointer, 1);
    while (v && rest.ptr) {
        struct sn_str token = sn_str_cut(&rest, '/');
        if (v->kind == SN_JSON_ARRAY) v = element(v, token);
        else if (v->kind == SN_JSON_OBJECT) v = member_escaped(v, token);
        else v = NULL;
    }
    return v;
}

const struct sn_json *sn_json_path(const struct sn_json *v, const char *path)
{
    struct sn_str rest = sn_str(path);
    while (v && rest.ptr && rest.len) {
        struct sn_str token = sn_str_cut(&rest, '.');
        v = v->kind == SN_JSON_ARRAY ? element(v, token) : sn_json_find(v, token);
    }
    return v;
}

/* ---- conversions ---- */

int sn_json_to_bool(const struct sn_json *v, bool *ret)
{
    if (!v) return SN_E_NOT_FOUND;
    if (v->kind != SN_JSON_BOOL) return SN_E_INVALID_ARGUMENT;
    *ret = v->b;
    return 0;
}

int sn_json_to_i64(const struct sn_json *v, int64_t *ret)
{
    if (!v) return SN_E_NOT_FOUND;
    switch (v->kind) {
    case SN_JSON_INT: *ret = v->i; return 0;
    case SN_JSON_UINT: case SN_JSON_BIGINT: return SN_E_OUT_OF_RANGE;
    case SN_JSON_DOUBLE:
        if (!(v->d >= -0x1p63 && v->d < 0x1p63) || v->d != trunc(v->d)) return SN_E_OUT_OF_RANGE;
        *ret = (int64_t)v->d;
        return 0;
    default: return SN_E_INVALID_ARGUMENT;
    }
}

int sn_json_to_u64(const struct sn_json *v, uint64_t *ret)
{
    if (!v) return SN_E_NOT_FOUND;
    switch (v->kind) {
    case SN_JSON_INT:
        if (v->i < 0) return SN_E_OUT_OF_RANGE;
        *ret = (uint64_t)v->i;
        return 0;
    case SN_JSON_UINT: *ret = v->u; return 0;
    case SN_JSON_BIGINT: return SN_E_OUT_OF_RANGE;
    case SN_JSON_DOUBLE:
        if (!(v->d >= 0 && v->d < 0x1p64) || v->d != trunc(v->d)) return SN_E_OUT_OF_RANGE;
        *ret = (uint64_t)v->d;
        return 0;
    default: return SN_E_INVALID_ARGUMENT;
    }
}

int sn_json_to_double(const struct sn_json *v, double *ret)
{
    if (!v) return SN_E_NOT_FOUND;
    switch (v->kind) {
    case SN_JSON_INT: *ret = (double)v->i; return 0;
    case SN_JSON_UINT: *ret = (double)v->u; return 0;
    case SN_JSON_DOUBLE: *ret = v->d; return 0;
    case SN_JSON_BIGINT: return sn_str_to_double(sn_str_of(v->str, v->len), ret);
    default: return SN_E_INVALID_ARGUMENT;
    }
}

int sn_json_to_str(const struct sn_json *v, struct sn_str *ret)
{
    if (!v) return SN_E_NOT_FOUND;
    if (v->kind != SN_JSON_STRING) return SN_E_INVALID_ARGUMENT;
    *ret = sn_str_of(v->str, v->len);
    return 0;
}

bool sn_json_bool_or(const struct sn_json *v, bool other)
{
    return sn_json_is(v, SN_JSON_BOOL) ? v->b : other;
}

int64_t sn_json_i64_or(const struct sn_json *v, int64_t other)
{
    int64_t i;
    return sn_json_to_i64(v, &i) == 0 ? i : other;
}

double sn_json_double_or(const struct sn_json *v, double other)
{
    double d;
    return sn_json_to_double(v, &d) == 0 ? d : other;
}

/* ---- equality ---- */

static bool is_number(const struct sn_json *v)
{
    return v->kind >= SN_JSON_INT && v->kind <= SN_JSON_BIGINT;
}

/* An integer equals a double only if the double is exactly that integer. A bigint equals its own
 * digits and nothing else: no double is read as one. */
static bool number_eq(const struct sn_json *a, const struct sn_json *b)
{
    if (a->kind == SN_JSON_BIGINT || b->kind == SN_JSON_BIGINT)
        return a->kind == b->kind && a->len == b->len && memcmp(a->str, b->str, a->len) == 0;
    if (a->kind == SN_JSON_DOUBLE && b->kind == SN_JSON_DOUBLE) return a->d == b->d;
    int64_t i, j;
    if (sn_json_to_i64(a, &i) == 0) return sn_json_to_i64(b, &j) == 0 && i == j;
    uint64_t u, w;
    return sn_json_to_u64(a, &u) == 0 && sn_json_to_u64(b, &w) == 0 && u == w;
}

static bool eq(const struct sn_json *a, const struct sn_json *b, unsigned depth);

static bool object_eq(const struct sn_json *a, const struct sn_json *b, unsigned depth)
{
    if (a->len != b->len) return false;
    for (uint32_t i = 0; i < a->len; i++) {
        /* Usually in the same order. */
        const struct sn_json_member *m = &a->members[i], *o = &b->members[i];
        struct sn_str key = sn_str_of(m->key.str, m->key.len);
        if (!sn_str_eq(key, sn_str_of(o->key.str, o->key.len))) o = find(b, key);
        if (!o || !eq(&m->value, &o->value, depth)) return false;
    }
    return true;
}

static bool eq(const struct sn_json *a, const struct sn_json *b, unsigned depth)
{
    if (is_number(a)) return is_number(b) && number_eq(a, b);
    if (a->kind != b->kind) return false;
    switch (a->kind) {
    case SN_JSON_BOOL: return a->b == b->b;
    case SN_JSON_STRING: return sn_str_eq(sn_json_str(a), sn_json_str(b));
    case SN_JSON_ARRAY:
        if (a->len != b->len || depth == 0) return false;
        for (uint32_t i = 0; i < a->len; i++)
            if (!eq(&a->items[i], &b->items[i], depth - 1)) return false;
        return true;
    case SN_JSON_OBJECT: return depth > 0 && object_eq(a, b, depth - 1);
    default: return true;
    }
}

bool sn_json_eq(const struct sn_json *a, const struct sn_json *b)
{
    if (!a || !b) return a == b;
    return eq(a, b, SN_JSON_DEPTH_MAX);
}

/* ---- building ---- */

struct sn_json sn_json_double(double d)
{
    if (!isfinite(d)) return sn_json_null();
    return (struct sn_json){.kind = SN_JSON_DOUBLE, .d = d};
}

/* Room for one more child of `unit` nodes. A parsed container has cap_log2 0 and is copied. */
static bool room(struct sn_arena *a, struct sn_json *c, size_t unit)
{
    if (c->cap_log2 && c->len < 1u << c->cap_log2) return true;
    if (c->len >= 1u << 30) return false;
    unsigned log2 = 2;
    while (1u << log2 <= c->len) log2++;
    size_t bytes = sizeof(*c) * unit;
    void *p = sn_arena_alloc(a, bytes << log2);
    if (!p) return false;
    if (c->len) memcpy(p, c->items, c->len * bytes);
    c->items = p;
    c->cap_log2 = (uint8_t)log2;
    return true;
}

struct sn_json *sn_json_push(struct sn_arena *a, struct sn_json *array, struct sn_json v)
{
    SN_ASSERT(array->kind == SN_JSON_ARRAY);
    if (!room(a, array, 1)) return NULL;
    struct sn_json *at = &array->items[array->len++];
    *at = v;
    return at;
}

struct sn_json *sn_json_add(struct sn_arena *a, struct sn_json *object, struct sn_str key,
                            struct sn_json v)
{
    SN_ASSERT(object->kind == SN_JSON_OBJECT);
    if (!room(a, object, 2)) return NULL;
    struct sn_json_member *m = &object->members[object->len++];
    m->key = sn_json_string(key);
    m->value = v;
    return &m->value;
}

struct sn_json *sn_json_set(struct sn_arena *a, struct sn_json *object, struct sn_str key,
                            struct sn_json v)
{
    struct sn_json_member *m = find(object, key);
    if (!m) return sn_json_add(a, object, key, v);
    m->value = v;
    return &m->value;
}

bool sn_json_del(struct sn_json *object, struct sn_str key)
{
    struct sn_json_member *m = find(object, key);
    if (!m) return false;
    size_t after = object->len - (size_t)(m - object->members) - 1;
    memmove(m, m + 1, after * sizeof(*m));
    object->len--;
    return true;
}

static int clone(struct sn_arena *a, const struct sn_json *v, struct sn_json *ret, unsigned depth)
{
    struct sn_json c = *v;
    c.cap_log2 = 0;
    if (v->kind == SN_JSON_STRING || v->kind == SN_JSON_BIGINT) {
        c.str = sn_arena_str(a, sn_str_of(v->str, v->len)).ptr;
        if (!c.str) return SN_E_NOMEM;
    } else if (v->kind == SN_JSON_ARRAY || v->kind == SN_JSON_OBJECT) {
        if (depth == 0) return sn_fail(SN_E_DEPTH, "nested too deeply");
        size_t n = (size_t)v->len * (v->kind == SN_JSON_OBJECT ? 2 : 1);
        c.items = n ? sn_arena_alloc(a, n * sizeof(c)) : NULL;
        if (n && !c.items) return SN_E_NOMEM;
        for (size_t i = 0; i < n; i++) {
            int r = clone(a, &v->items[i], &c.items[i], depth - 1);
            if (r < 0) return r;
        }
    }
    *ret = c;
    return 0;
}

int sn_json_clone(struct sn_arena *a, const struct sn_json *v, struct sn_json *ret)
{
    return clone(a, v, ret, SN_JSON_DEPTH_MAX);
}

static int merge(struct sn_arena *a, const struct sn_json *target, const struct sn_json *patch,
                 struct sn_json *ret, unsigned depth)
{
    if (patch->kind != SN_JSON_OBJECT) {
        *ret = *patch;
        ret->cap_log2 = 0; /* shared: the first push copies */
        return 0;
    }
    if (depth == 0) return sn_fail(SN_E_DEPTH, "nested too deeply");
    struct sn_json out = sn_json_object();
    for (SN_JSON_MEMBERS(target, m)) {
        struct sn_str key = sn_str_of(m->key.str, m->key.len);
        const struct sn_json *p = sn_json_find(patch, key);
        if (p && p->kind == SN_JSON_NULL) continue;
        struct sn_json v = m->value;
        v.cap_log2 = 0;
        int r = p ? merge(a, &m->value, p, &v, depth - 1) : 0;
        if (r < 0) return r;
        if (!sn_json_add(a, &out, key, v)) return SN_E_NOMEM;
    }
    for (SN_JSON_MEMBERS(patch, m)) {
        struct sn_str key = sn_str_of(m->key.str, m->key.len);
        if (m->value.kind == SN_JSON_NULL || find(target, key)) continue;
        struct sn_json v;
        /* Into nothing, because nulls inside a new object vanish too. */
        int r = merge(a, NULL, &m->value, &v, depth - 1);
        if (r < 0) return r;
        if (!sn_json_add(a, &out, key, v)) return SN_E_NOMEM;
    }
    *ret = out;
    return 0;
}

int sn_json_merge(struct sn_arena *a, const struct sn_json *target, const struct sn_json *patch,
                  struct sn_json *ret)
{
    return merge(a, target, patch, ret, SN_JSON_DEPTH_MAX);
}

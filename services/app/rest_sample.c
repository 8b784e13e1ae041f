/* SPDX-License-Identifier: Apache-2.0 */
/* app/rest_sample.c - values that pass a struct's own rules: requests for tests. */
#include <math.h>

#include "app/rest.h"

#define SAMPLE_DEPTH 4u /* types may hold themselves by pointers and lists */

static int sample(const struct sn_rest_type *t, struct sn_arena *a, unsigned deep, void *ret);

static void put_number(const struct sn_rest_type *t, double v, void *p)
{
    int64_t i = (int64_t)v;
    if (t->kind != SN_REST_FLOAT)
        memcpy(p, &i, t->size);
    else if (t->size == 4)
        *(float *)p = (float)v;
    else
        *(double *)p = v;
}
static bool is_number(const struct sn_rest_type *t)
{
    return t->kind == SN_REST_INT || t->kind == SN_REST_UINT || t->kind == SN_REST_FLOAT;
}
/* A number inside the bounds, if there is one. */
static double inside(const struct sn_rest_field *f, bool whole)
{
    double v = f->has_min ? f->min : f->has_max ? f->max : 1;
    if (f->has_min && f->min_open)
        v = whole ? floor(v) + 1 : f->has_max ? (f->min + f->max) / 2 : v + 1;
    if (!f->has_min && f->has_max && f->max_open) v = v - 1;
    return whole ? ceil(v) : v;
}
static int text_value(const struct sn_rest_type *t, const char *text, void *ret)
{
    double v;
    if (t->kind == SN_REST_STRING) {
        *(struct sn_str *)ret = sn_str(text);
    } else if (t->kind == SN_REST_BOOL) {
        *(bool *)ret = strcmp(text, "true") == 0;
    } else if (is_number(t)) {
        int r = sn_str_to_double(sn_str(text), &v);
        if (r < 0) return r;
        put_number(t, v, ret);
    }
    return 0;
}
static int sample_field(const struct sn_rest_field *f, struct sn_arena *a, unsigned deep, void *ret)
{
    const struct sn_rest_type *t = f->type;
    if (deep >= SAMPLE_DEPTH && f->optional) return 0;
    if (t->kind == SN_REST_POINTER && deep < SAMPLE_DEPTH) {
        void *p = sn_arena_zalloc(a, sn_rest_size(t->elem));
        if (!p) return SN_E_NOMEM;
        *(void **)ret = p;
        ret = p;
        t = t->elem;
    }
    if (f->options) return text_value(t, f->options[0], ret);
    if (f->def && (is_number(t) || t->kind == SN_REST_STRING)) return text_value(t, f->def, ret);
    if (is_number(t) && (f->has_min || f->has_max)) {
        put_number(t, inside(f, t->kind != SN_REST_FLOAT), ret);
        return 0;
    }
    return sample(t, a, deep, ret);
}
static int sample(const struct sn_rest_type *t, struct sn_arena *a, unsigned deep, void *ret)
{
    switch (t->kind) {
    case SN_REST_BOOL: *(bool *)ret = true; return 0;
    case SN_REST_STRING:
    case SN_REST_BYTES: *(struct sn_str *)ret = SN_STR("sample"); return 0;
    case SN_REST_STRUCT: return sn_rest_sample(t->st, a, deep + 1, ret);
    case SN_REST_LIST: {
        struct sn_rest_list *l = ret;
        if (deep >= SAMPLE_DEPTH) return 0;
        l->ptr = sn_arena_zalloc(a, SN_MAX(sn_rest_size(t->elem), (size_t)1));
        l->len = 1;
        return l->ptr ? sample(t->elem, a, deep + 1, l->ptr) : SN_E_NOMEM;
    }
    case SN_REST_POINTER: {
        if (deep >= SAMPLE_DEPTH) return 0;
        void *p = sn_arena_zalloc(a, SN_MAX(sn_rest_size(t->elem), (size_t)1));
        if (!p) return SN_E_NOMEM;
        *(void **)ret = p;
        return sample(t->elem, a, deep + 1, p);
    }
    case SN_REST_ANY: {
        struct sn_json *v = SN_ARENA_NEW(a, struct sn_json);
        if (!v) return SN_E_NOMEM;
        *v = sn_json_object();
        *(const struct sn_json **)ret = v;
        return 0;
    }
    case SN_REST_MAP: return 0;
    default: put_number(t, 1, ret); return 0;
    }
}
int sn_rest_sample(const struct sn_rest_struct *st, struct sn_arena *a, unsigned deep, void *ret)
{
    memset(ret, 0, st->size);
    for (uint32_t i = 0; i < st->n_fields; i++) {
        int r = sample_field(&st->fields[i], a, deep, (char *)ret + st->fields[i].offset);
        if (r < 0) return r;
    }
    return 0;
}

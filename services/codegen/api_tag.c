/* SPDX-License-Identifier: Apache-2.0 */
/* codegen/api_tag.c - what a field's tag says: where it travels, under which name, with which
 * values. */
#include "codegen/api_int.h"

bool api_base_type(struct sn_str name, enum sn_api_kind *ret, uint8_t *ret_bits)
{
    static const struct {
        const char *name;
        enum sn_api_kind kind;
        uint8_t bits;
    } types[] = {{"bool", SN_API_BOOL, 8},      {"int", SN_API_INT, 64},
                 {"int8", SN_API_INT, 8},       {"int16", SN_API_INT, 16},
                 {"int32", SN_API_INT, 32},     {"int64", SN_API_INT, 64},
                 {"rune", SN_API_INT, 32},      {"uint", SN_API_UINT, 64},
                 {"uint8", SN_API_UINT, 8},     {"uint16", SN_API_UINT, 16},
                 {"uint32", SN_API_UINT, 32},   {"uint64", SN_API_UINT, 64},
                 {"byte", SN_API_UINT, 8},      {"uintptr", SN_API_UINT, 64},
                 {"float32", SN_API_FLOAT, 32}, {"float64", SN_API_FLOAT, 64},
                 {"string", SN_API_STRING, 0},  {"any", SN_API_ANY, 0}};
    for (size_t i = 0; i < SN_COUNT_OF(types); i++) {
        if (!sn_str_eqc(name, types[i].name)) continue;
        *ret = types[i].kind;
        *ret_bits = types[i].bits;
        return true;
    }
    return false;
}

/* Cuts at the next `sep` that stands in no bracket. */
static struct sn_str cut(struct sn_str *s, char sep)
{
    int depth = 0;
    for (size_t i = 0; i < s->len; i++) {
        char c = s->ptr[i];
        if (c == '[' || c == '(') depth++;
        if ((c == ']' || c == ')') && depth) depth--;
        if (c != sep || depth) continue;
        struct sn_str part = sn_str_sub(*s, 0, i);
        *s = sn_str_from(*s, i + 1);
        return part;
    }
    struct sn_str part = *s;
    *s = (struct sn_str){0};
    return part;
}

static int options(struct sn_api *api, struct sn_api_field *f, struct sn_str v)
{
    char sep = '|';
    if (v.len >= 2 && v.ptr[0] == '[' && v.ptr[v.len - 1] == ']') {
        v = sn_str_sub(v, 1, v.len - 1);
        if (sn_str_chr(v, '|') < 0) sep = ',';
    }
    if (!v.len)
        return api_error(api, f->pos, "options= of %.*s names no value", SN_STR_ARG(f->name));
    f->options = SN_ARENA_ARRAY(api->arena, struct sn_str, SN_API_OPTIONS_MAX);
    if (!f->options) return SN_E_NOMEM;
    while (v.ptr) {
        if (f->n_options == SN_API_OPTIONS_MAX)
            return api_error(api, f->pos, "options= of %.*s has more than %u values",
                             SN_STR_ARG(f->name), SN_API_OPTIONS_MAX);
        f->options[f->n_options++] = sn_str_trim(sn_str_cut(&v, sep));
    }
    return 0;
}

static bool bound(struct sn_str s, struct sn_str *ret)
{
    double d;
    *ret = (struct sn_str){0};
    if (!s.len) return true;
    *ret = s;
    return sn_str_to_double(s, &d) == 0;
}
/* "[1:10)": brackets include the bound, parentheses do not; either bound may be missing. */
static int range(struct sn_api *api, struct sn_api_field *f, struct sn_str v)
{
    struct sn_str max = v, min = {0};
    double a, b;
    bool ok = v.len >= 3 && strchr("[(", v.ptr[0]) && strchr("])", v.ptr[v.len - 1]);
    if (ok) {
        f->min_open = v.ptr[0] == '(';
        f->max_open = v.ptr[v.len - 1] == ')';
        max = sn_str_sub(v, 1, v.len - 1);
        ok = sn_str_chr(max, ':') >= 0;
        if (ok) min = sn_str_cut(&max, ':');
    }
    ok = ok && bound(sn_str_trim(min), &f->min) && bound(sn_str_trim(max), &f->max) &&
         (f->min.ptr || f->max.ptr);
    if (ok && f->min.ptr && f->max.ptr)
        ok = sn_str_to_double(f->min, &a) == 0 && sn_str_to_double(f->max, &b) == 0 && a <= b;
    if (!ok)
        return api_error(api, f->pos, "expected a range such as [1:10), got \"%.*s\" for %.*s",
                         SN_STR_ARG(v), SN_STR_ARG(f->name));
    f->has_range = true;
    return 0;
}

/* "name,optional,default=x,..." of one kind. */
static int key_options(struct sn_api *api, struct sn_api_field *f, struct sn_str v)
{
    f->wire = sn_str_trim(cut(&v, ','));
    while (v.ptr) {
        struct sn_str value = sn_str_trim(cut(&v, ',')), word = value;
        int r = 0;
        word = sn_str_trim(cut(&value, '='));
        if (value.ptr) value = sn_str_trim(value);
        if (sn_str_eqc(word, "optional") || sn_str_eqc(word, "omitempty"))
            f->optional = true; /* optional=other, optional=!other: optional */
        else if (sn_str_eqc(word, "string"))
            f->as_string = true;
        else if (sn_str_eqc(word, "default") && value.ptr)
            f->def = value;
        else if (sn_str_eqc(word, "options") && value.ptr)
            r = options(api, f, value);
        else if (sn_str_eqc(word, "range") && value.ptr)
            r = range(api, f, value);
        else if (word.len && !sn_str_eqc(word, "inherit") && !sn_str_eqc(word, "env"))
            api_warn(api, f->pos, "the tag of %.*s has the unknown option \"%.*s\"",
                     SN_STR_ARG(f->name), SN_STR_ARG(word));
        if (r < 0) return r;
    }
    return 0;
}

int api_tag(struct sn_api *api, struct sn_api_field *f)
{
    static const struct {
        const char *key;
        enum sn_api_where where;
    } keys[] = {{"path", SN_API_PATH},
                {"form", SN_API_FORM},
                {"header", SN_API_HEADER},
                {"json", SN_API_JSON}};
    struct sn_str t = sn_str_trim(f->tag);
    bool found = false;
    f->where = SN_API_JSON;
    while (t.len) {
        struct sn_str key = sn_str_trim(sn_str_cut(&t, ':'));
        if (!t.ptr || !t.len || t.ptr[0] != '"')
            return api_error(api, f->pos, "expected a tag such as json:\"name\", got `%.*s`",
                             SN_STR_ARG(sn_str_sub(f->tag, 0, 80)));
        t = sn_str_from(t, 1);
        if (sn_str_chr(t, '"') < 0)
            return api_error(api, f->pos, "the tag of %.*s has no closing quote",
                             SN_STR_ARG(f->name));
        struct sn_str value = sn_str_cut(&t, '"');
        for (size_t i = 0; i < SN_COUNT_OF(keys) && !found; i++) {
            if (!sn_str_eqc(key, keys[i].key)) continue;
            f->where = keys[i].where;
            found = true;
            int r = key_options(api, f, value);
            if (r < 0) return r;
        }
        t = sn_str_trim(t);
    }
    if (sn_str_eqc(f->wire, "-")) f->where = SN_API_NOWHERE;
    if (!f->wire.len) f->wire = f->name;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* kit/config_print.c - what a table can say of itself: values, schema, reference. */
#include "core/status.h"
#include "core/time.h"
#include "kit/config_int.h"

/* A table that contains itself through a list is printed this deep. */
#define DEPTH_MAX 12

/* ---- values ---- */

static int dump_struct(struct sn_arena *a, const struct sn_conf_table *t, const char *obj,
                       struct sn_json *ret);

static const char *enum_name(const struct sn_conf_enum *e, int64_t v)
{
    while (e->name && e->value != v) e++;
    return e->name;
}

static int dump_flags(struct sn_arena *a, const struct sn_conf_field *f, uint64_t bits,
                      struct sn_json *ret)
{
    *ret = sn_json_array();
    for (const struct sn_conf_enum *e = f->enums; e->name; e++) {
        uint64_t v = (uint64_t)e->value;
        if (v && (bits & v) == v && !sn_json_push(a, ret, sn_json_cstr(e->name))) return SN_E_NOMEM;
    }
    return 0;
}

static int dump_value(struct sn_arena *a, const struct sn_conf_field *f, enum sn_conf_type type,
                      const char *at, size_t size, struct sn_json *ret)
{
    char text[SN_DURATION_MAX];
    struct sn_str s;
    double d;
    switch (type) {
    case SN_CONF_T_BOOL: *ret = sn_json_bool(*at != 0); return 0;
    case SN_CONF_T_INT: *ret = sn_json_i64(sn_conf_load_int_(at, size, true)); return 0;
    case SN_CONF_T_UINT: case SN_CONF_T_BYTES:
        *ret =
            sn_json_u64((uint64_t)sn_conf_load_int_(at, type == SN_CONF_T_BYTES ? 8 : size, false));
        return 0;
    case SN_CONF_T_DOUBLE:
        memcpy(&d, at, sizeof(d));
        *ret = sn_json_double(d);
        return 0;
    case SN_CONF_T_STRING:
        memcpy(&s, at, sizeof(s));
        if (!s.ptr) *ret = sn_json_null();
        else *ret = f->secret ? sn_json_cstr("***") : sn_json_string(s);
        return 0;
    case SN_CONF_T_DURATION:
        sn_duration_format(sn_conf_load_int_(at, 8, true), text);
        s = sn_arena_str(a, sn_str(text));
        if (!s.ptr) return SN_E_NOMEM;
        *ret = sn_json_string(s);
        return 0;
    case SN_CONF_T_ENUM: {
        const char *name = enum_name(f->enums, sn_conf_load_int_(at, size, true));
        *ret = name ? sn_json_cstr(name) : sn_json_null();
        return 0;
    }
    case SN_CONF_T_FLAGS:
        return dump_flags(a, f, (uint64_t)sn_conf_load_int_(at, size, false), ret);
    case SN_CONF_T_STRUCT: return dump_struct(a, f->sub, at, ret);
    case SN_CONF_T_RAW: {
        const struct sn_json *v;
        memcpy(&v, at, sizeof(v));
        *ret = v ? *v : sn_json_null();
        return 0;
    }
    default: *ret = sn_json_null(); return 0;
    }
}

static int dump_list(struct sn_arena *a, const struct sn_conf_field *f, const char *obj,
                     struct sn_json *ret)
{
    const char *list;
    size_t n;
    memcpy(&list, obj + f->offset, sizeof(list));
    memcpy(&n, obj + f->len_offset, sizeof(n));
    bool map = f->type == SN_CONF_T_MAP;
    *ret = map ? sn_json_object() : sn_json_array();
    for (size_t i = 0; i < n; i++, list += f->elem_size) {
        struct sn_json v;
        const char *at = list + (map && f->item != SN_CONF_T_STRUCT ? f->value_offset : 0);
        int r = dump_value(a, f, f->item, at, f->item_size, &v);
        if (r < 0) return r;
        struct sn_str key = {0};
        if (map) memcpy(&key, list + f->key_offset, sizeof(key));
        if (!(map ? sn_json_add(a, ret, key, v) : sn_json_push(a, ret, v))) return SN_E_NOMEM;
    }
    return 0;
}

static int dump_struct(struct sn_arena *a, const struct sn_conf_table *t, const char *obj,
                       struct sn_json *ret)
{
    struct sn_json out = sn_json_object();
    for (size_t i = 0; i < t->n_fields; i++) {
        const struct sn_conf_field *f = &t->fields[i];
        struct sn_json v;
        uint32_t tag = 0;
        /* Members of a group without tags tell by themselves: all but one are absent strings. */
        if (f->oneof && f->tag) memcpy(&tag, obj + f->tag_offset, sizeof(tag));
        if (tag != f->tag || (f->has_given && !obj[f->given_offset])) continue;
        int r = f->type == SN_CONF_T_LIST || f->type == SN_CONF_T_MAP
                    ? dump_list(a, f, obj, &v)
                    : dump_value(a, f, f->type, obj + f->offset, f->size, &v);
        if (r < 0) return r;
        /* What is absent is what leaving it out means, and so is what is empty, unless leaving it
         * out means a default. */
        if (v.kind == SN_JSON_NULL) continue;
        bool list = v.kind == SN_JSON_ARRAY || v.kind == SN_JSON_OBJECT;
        if (list && v.len == 0 && !f->def && !f->has_given && f->type != SN_CONF_T_RAW) continue;
        if (!sn_json_add(a, &out, sn_str(f->name), v)) return SN_E_NOMEM;
    }
    *ret = out;
    return 0;
}

int sn_conf_dump(struct sn_arena *a, const struct sn_conf_table *table, const void *obj,
                 struct sn_json *ret)
{
    return dump_struct(a, table, obj, ret);
}

/* ---- schema ---- */

static void schema_struct(const struct sn_conf_table *t, struct sn_jsonw *w, unsigned depth);

static void schema_bounds(const struct sn_conf_field *f, struct sn_jsonw *w, const char *min,
                          const char *max)
{
    if (!sn_conf_bounded_(f)) return;
    sn_jsonw_ki64(w, min, f->min);
    if (f->max != INT64_MAX) sn_jsonw_ki64(w, max, f->max);
}

static void schema_enum(const struct sn_conf_field *f, struct sn_jsonw *w)
{
    sn_jsonw_key(w, SN_STR("enum"));
    sn_jsonw_array(w);
    for (const struct sn_conf_enum *e = f->enums; e->name; e++) sn_jsonw_str(w, sn_str(e->name));
    sn_jsonw_array_end(w);
}

/* The keywords of one value, inside an object already begun. */
static void schema_value(const struct sn_conf_field *f, enum sn_conf_type type, struct sn_jsonw *w,
                         unsigned depth)
{
    switch (type) {
    case SN_CONF_T_BOOL: sn_jsonw_kstr(w, "type", SN_STR("boolean")); break;
    case SN_CONF_T_INT: case SN_CONF_T_UINT:
        sn_jsonw_kstr(w, "type", SN_STR("integer"));
        if (f->type == type && sn_conf_bounded_(f)) schema_bounds(f, w, "minimum", "maximum");
        else if (type == SN_CONF_T_UINT) sn_jsonw_ki64(w, "minimum", 0);
        break;
    case SN_CONF_T_DOUBLE:
        sn_jsonw_kstr(w, "type", SN_STR("number"));
        if (f->min_real != 0 || f->max_real != 0) {
            sn_jsonw_kdouble(w, "minimum", f->min_real);
            sn_jsonw_kdouble(w, "maximum", f->max_real);
        }
        break;
    case SN_CONF_T_STRING:
        sn_jsonw_kstr(w, "type", SN_STR("string"));
        if (f->type == type) schema_bounds(f, w, "minLength", "maxLength");
        if (f->pattern) {
            sn_jsonw_key(w, SN_STR("pattern"));
            char mem[512];
            struct sn_buf b;
            sn_buf_init_fixed(&b, mem, sizeof(mem));
            sn_buf_printf(&b, "^(%s)$", f->pattern);
            sn_jsonw_str(w, b.err ? SN_STR("") : sn_buf_view(&b));
        }
        break;
    case SN_CONF_T_DURATION:
        sn_jsonw_kstr(w, "type", SN_STR("string"));
        sn_jsonw_kstr(w, "pattern",
                      SN_STR("^-?([0-9]*\\.?[0-9]+(ns|us|\xc2\xb5s|ms|s|m|h))+$|^0$"));
        break;
    case SN_CONF_T_BYTES:
        sn_jsonw_key(w, SN_STR("type"));
        sn_jsonw_raw(w, SN_STR("[\"integer\",\"string\"]"));
        sn_jsonw_kstr(w, "pattern", SN_STR("^[0-9]+(\\.[0-9]+)?([kKMGTPE]i?)?B?$"));
        sn_jsonw_ki64(w, "minimum", 0);
        break;
    case SN_CONF_T_ENUM: schema_enum(f, w); break;
    case SN_CONF_T_FLAGS:
        sn_jsonw_kstr(w, "type", SN_STR("array"));
        sn_jsonw_key(w, SN_STR("items"));
        sn_jsonw_object(w);
        schema_enum(f, w);
        sn_jsonw_object_end(w);
        break;
    case SN_CONF_T_STRUCT:
        if (depth < DEPTH_MAX) schema_struct(f->sub, w, depth + 1);
        break;
    case SN_CONF_T_LIST: case SN_CONF_T_MAP:
        sn_jsonw_kstr(w, "type", type == SN_CONF_T_LIST ? SN_STR("array") : SN_STR("object"));
        if (type == SN_CONF_T_LIST) schema_bounds(f, w, "minItems", "maxItems");
        sn_jsonw_key(w, type == SN_CONF_T_LIST ? SN_STR("items") : SN_STR("additionalProperties"));
        sn_jsonw_object(w);
        schema_value(f, f->item, w, depth);
        sn_jsonw_object_end(w);
        break;
    case SN_CONF_T_RAW: break;
    }
}

static void schema_groups(const struct sn_conf_table *t, struct sn_jsonw *w)
{
    bool any = false;
    for (unsigned group = 1; group < 256; group++) {
        bool required = false;
        unsigned n = 0;
        for (size_t i = 0; i < t->n_fields; i++) {
            if (t->fields[i].oneof != group) continue;
            n++;
            required |= t->fields[i].required;
        }
        if (n == 0) continue;
        if (!any) {
            sn_jsonw_key(w, SN_STR("allOf"));
            sn_jsonw_array(w);
            any = true;
        }
        sn_jsonw_object(w);
        sn_jsonw_key(w, SN_STR("oneOf"));
        sn_jsonw_array(w);
        for (int none = 0; none <= !required; none++) {
            if (none) { /* or none of them */
                sn_jsonw_object(w);
                sn_jsonw_key(w, SN_STR("not"));
                sn_jsonw_object(w);
                sn_jsonw_key(w, SN_STR("anyOf"));
                sn_jsonw_array(w);
            }
            for (size_t i = 0; i < t->n_fields; i++) {
                if (t->fields[i].oneof != group) continue;
                sn_jsonw_object(w);
                sn_jsonw_key(w, SN_STR("required"));
                sn_jsonw_array(w);
                sn_jsonw_str(w, sn_str(t->fields[i].name));
                sn_jsonw_array_end(w);
                sn_jsonw_object_end(w);
            }
            if (none) {
                sn_jsonw_array_end(w);
                sn_jsonw_object_end(w);
                sn_jsonw_object_end(w);
            }
        }
        sn_jsonw_array_end(w);
        sn_jsonw_object_end(w);
    }
    if (any) sn_jsonw_array_end(w);
}

static void schema_struct(const struct sn_conf_table *t, struct sn_jsonw *w, unsigned depth)
{
    bool required = false;
    sn_jsonw_kstr(w, "type", SN_STR("object"));
    sn_jsonw_key(w, SN_STR("properties"));
    sn_jsonw_object(w);
    for (size_t i = 0; i < t->n_fields; i++) {
        const struct sn_conf_field *f = &t->fields[i];
        if (f->hidden) continue;
        required |= f->required && !f->oneof;
        sn_jsonw_key(w, sn_str(f->name));
        sn_jsonw_object(w);
        if (f->help) sn_jsonw_kstr(w, "description", sn_str(f->help));
        schema_value(f, f->type, w, depth);
        if (f->def && f->type != SN_CONF_T_LIST && f->type != SN_CONF_T_FLAGS) {
            struct sn_json v = sn_conf_text_node_(f->type, sn_str(f->def));
            sn_jsonw_key(w, SN_STR("default"));
            if (v.kind == SN_JSON_STRING) sn_jsonw_str(w, sn_json_str(&v));
            else if (v.kind == SN_JSON_BOOL) sn_jsonw_bool(w, v.b);
            else if (v.kind == SN_JSON_DOUBLE) sn_jsonw_double(w, v.d);
            else if (v.kind == SN_JSON_UINT) sn_jsonw_u64(w, v.u);
            else sn_jsonw_i64(w, v.i);
        }
        sn_jsonw_object_end(w);
    }
    sn_jsonw_object_end(w);
    if (required) {
        sn_jsonw_key(w, SN_STR("required"));
        sn_jsonw_array(w);
        for (size_t i = 0; i < t->n_fields; i++)
            if (t->fields[i].required && !t->fields[i].oneof)
                sn_jsonw_str(w, sn_str(t->fields[i].name));
        sn_jsonw_array_end(w);
    }
    schema_groups(t, w);
    sn_jsonw_kbool(w, "additionalProperties", false);
}

int sn_conf_schema(const struct sn_conf_table *table, struct sn_buf *out)
{
    struct sn_jsonw w;
    sn_jsonw_init(&w, out, &(struct sn_json_style){.indent = 2});
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "$schema", SN_STR("https://json-schema.org/draft/2020-12/schema"));
    if (table->title) sn_jsonw_kstr(&w, "title", sn_str(table->title));
    schema_struct(table, &w, 0);
    sn_jsonw_object_end(&w);
    return sn_buf_byte(out, '\n');
}

/* ---- reference ---- */

static void type_text(const struct sn_conf_field *f, enum sn_conf_type type, struct sn_buf *out)
{
    switch (type) {
    case SN_CONF_T_BOOL: sn_buf_cstr(out, "bool"); break;
    case SN_CONF_T_INT: case SN_CONF_T_UINT: sn_buf_cstr(out, "integer"); break;
    case SN_CONF_T_DOUBLE: sn_buf_cstr(out, "number"); break;
    case SN_CONF_T_STRING: sn_buf_cstr(out, "string"); break;
    case SN_CONF_T_DURATION: sn_buf_cstr(out, "duration"); break;
    case SN_CONF_T_BYTES: sn_buf_cstr(out, "size"); break;
    case SN_CONF_T_ENUM: case SN_CONF_T_FLAGS:
        sn_buf_cstr(out, type == SN_CONF_T_ENUM ? "one of " : "list of ");
        for (const struct sn_conf_enum *e = f->enums; e->name; e++)
            sn_buf_printf(out, "%s%s", e == f->enums ? "" : ", ", e->name);
        break;
    case SN_CONF_T_STRUCT: sn_buf_cstr(out, "mapping"); break;
    case SN_CONF_T_LIST: case SN_CONF_T_MAP:
        sn_buf_cstr(out, type == SN_CONF_T_LIST ? "list of " : "mapping of names to ");
        type_text(f, f->item, out);
        if (f->item != SN_CONF_T_ENUM) sn_buf_byte(out, 's');
        break;
    case SN_CONF_T_RAW: sn_buf_cstr(out, "anything"); break;
    }
}

int sn_conf_type_text(const struct sn_conf_field *f, struct sn_buf *out)
{
    type_text(f, f->type, out);
    return out->err;
}

static void put_cell(struct sn_buf *out, const char *s)
{
    for (; s && *s; s++) {
        if (*s == '|') sn_buf_byte(out, '\\');
        sn_buf_byte(out, *s == '\n' ? ' ' : (uint8_t)*s);
    }
}

static void reference_rows(const struct sn_conf_table *t, const char *prefix, struct sn_buf *out,
                           unsigned depth)
{
    for (size_t i = 0; i < t->n_fields; i++) {
        const struct sn_conf_field *f = &t->fields[i];
        if (f->hidden) continue;
        sn_buf_printf(out, "| `%s%s` | ", prefix, f->name);
        type_text(f, f->type, out);
        if (sn_conf_bounded_(f) && f->type != SN_CONF_T_STRING) {
            sn_buf_cstr(out, ", ");
            if (f->max == INT64_MAX) sn_buf_cstr(out, "at least ");
            sn_conf_bound_(f->type, f->min, out);
            if (f->max != INT64_MAX) {
                sn_buf_cstr(out, " to ");
                sn_conf_bound_(f->type, f->max, out);
            }
        }
        sn_buf_cstr(out, " | ");
        if (f->required && !f->oneof) sn_buf_cstr(out, "required");
        else if (f->def) sn_buf_printf(out, "`%s`", f->def);
        sn_buf_cstr(out, " | ");
        put_cell(out, f->help);
        sn_buf_cstr(out, " |\n");
        bool nested = f->type == SN_CONF_T_STRUCT || f->item == SN_CONF_T_STRUCT;
        if (!nested || depth >= DEPTH_MAX) continue;
        char mem[SN_CONF_PATH_MAX];
        struct sn_buf b;
        sn_buf_init_fixed(&b, mem, sizeof(mem));
        sn_buf_printf(&b, "%s%s%s.", prefix, f->name,
                      f->type == SN_CONF_T_LIST ? "[]" : f->type == SN_CONF_T_MAP ? ".NAME" : "");
        if (b.err == 0) reference_rows(f->sub, sn_buf_cz(&b), out, depth + 1);
    }
}

int sn_conf_reference(const struct sn_conf_table *table, struct sn_buf *out)
{
    sn_buf_cstr(out, "| key | type | default | meaning |\n|---|---|---|---|\n");
    reference_rows(table, "", out, 0);
    return out->err;
}

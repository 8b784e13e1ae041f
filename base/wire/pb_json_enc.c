/* SPDX-License-Identifier: Apache-2.0 */
/* wire/pb_json_enc.c - messages as ProtoJSON text. SPEC: protobuf.dev "ProtoJSON Format". */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/enc.h"
#include "core/time.h"
#include "wire/json.h"
#include "wire/pb_int.h"
#include "wire/pb_json_int.h"

struct out {
    struct sn_jsonw w;
    struct sn_pb_json_opts o;
    unsigned depth;
};

static int put_msg(struct out *o, const struct sn_pb_desc *d, const void *msg);

static void put_float(struct out *o, double v, bool single)
{
    char text[32];
    if (isnan(v)) {
        sn_jsonw_str(&o->w, SN_STR("NaN"));
    } else if (isinf(v)) {
        sn_jsonw_str(&o->w, v > 0 ? SN_STR("Infinity") : SN_STR("-Infinity"));
    } else if (!single) {
        sn_jsonw_double(&o->w, v);
    } else { /* the fewest digits that read back as the same float */
        for (int digits = 6; digits <= 9; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, v);
            if (strtof(text, NULL) == (float)v) break;
        }
        sn_jsonw_raw(&o->w, sn_str(text));
    }
}
static void put_quoted(struct out *o, bool negative, uint64_t magnitude)
{
    char text[24];
    int n =
        snprintf(text, sizeof text, "%s%llu", negative ? "-" : "", (unsigned long long)magnitude);
    sn_jsonw_str(&o->w, sn_str_of(text, (size_t)n));
}
static int put_bytes(struct out *o, struct sn_str s)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    if (sn_buf_base64(&b, s.ptr, s.len, SN_BASE64_STD) < 0) return b.err;
    sn_jsonw_str(&o->w, sn_buf_view(&b));
    return 0;
}
static int put_enum(struct out *o, const struct sn_pb_enum *e, int32_t v)
{
    struct sn_str name = sn_pb_enum_name(e, v);
    if (pb_is_null_enum(e))
        sn_jsonw_null(&o->w);
    else if (name.ptr && !o->o.enum_numbers)
        sn_jsonw_str(&o->w, name);
    else
        sn_jsonw_i64(&o->w, v);
    return 0;
}
static int put_value(struct out *o, const struct sn_pb_field *f, union sn_pb_value v)
{
    switch (f->type) {
    case SN_PB_DOUBLE: put_float(o, v.f64, false); break;
    case SN_PB_FLOAT: put_float(o, (double)v.f32, true); break;
    case SN_PB_INT64:
    case SN_PB_SINT64:
    case SN_PB_SFIXED64:
        put_quoted(o, v.i64 < 0, v.i64 < 0 ? -(uint64_t)v.i64 : (uint64_t)v.i64);
        break;
    case SN_PB_UINT64:
    case SN_PB_FIXED64: put_quoted(o, false, v.u64); break;
    case SN_PB_INT32:
    case SN_PB_SINT32:
    case SN_PB_SFIXED32: sn_jsonw_i64(&o->w, v.i32); break;
    case SN_PB_UINT32:
    case SN_PB_FIXED32: sn_jsonw_u64(&o->w, v.u32); break;
    case SN_PB_BOOL: sn_jsonw_bool(&o->w, v.b); break;
    case SN_PB_ENUM: return put_enum(o, f->sub.enm, v.i32);
    case SN_PB_BYTES: return put_bytes(o, v.s);
    case SN_PB_STRING:
        if (!sn_utf8_valid(v.s))
            return sn_fail(SN_E_INVALID_ARGUMENT, "protobuf JSON: %.*s is not UTF-8",
                           SN_STR_ARG(f->name));
        sn_jsonw_str(&o->w, v.s);
        break;
    default: return put_msg(o, f->sub.msg, v.msg);
    }
    return 0;
}

/* ---- maps and fields ------------------------------------------------------------------------- */

static void put_key(struct out *o, const struct sn_pb_field *f, union sn_pb_value v)
{
    char text[24];
    switch (f->type) {
    case SN_PB_STRING: sn_jsonw_key(&o->w, v.s); return;
    case SN_PB_BOOL: sn_jsonw_key(&o->w, v.b ? SN_STR("true") : SN_STR("false")); return;
    case SN_PB_UINT64:
    case SN_PB_FIXED64: snprintf(text, sizeof text, "%llu", (unsigned long long)v.u64); break;
    case SN_PB_UINT32:
    case SN_PB_FIXED32: snprintf(text, sizeof text, "%u", v.u32); break;
    case SN_PB_INT64:
    case SN_PB_SINT64:
    case SN_PB_SFIXED64: snprintf(text, sizeof text, "%lld", (long long)v.i64); break;
    default: snprintf(text, sizeof text, "%d", v.i32); break;
    }
    sn_jsonw_key(&o->w, sn_str(text));
}
static int put_map(struct out *o, const void *msg, const struct sn_pb_field *f)
{
    const struct sn_pb_field *k = &f->sub.msg->fields[0], *v = &f->sub.msg->fields[1];
    sn_jsonw_object(&o->w);
    for (uint32_t i = 0; i < sn_pb_len(msg, f); i++) {
        const void *e = sn_pb_at(msg, f, i).msg;
        put_key(o, k, sn_pb_get(e, k));
        int r = put_value(o, v, sn_pb_get(e, v));
        if (r < 0) return r;
    }
    sn_jsonw_object_end(&o->w);
    return 0;
}
static int put_field(struct out *o, const void *msg, const struct sn_pb_field *f)
{
    sn_jsonw_key(&o->w, o->o.original_names ? f->name : f->json_name);
    if (f->flags & SN_PB_F_MAP) return put_map(o, msg, f);
    if (!(f->flags & SN_PB_F_REPEATED)) return put_value(o, f, sn_pb_get(msg, f));
    sn_jsonw_array(&o->w);
    for (uint32_t i = 0; i < sn_pb_len(msg, f); i++) {
        int r = put_value(o, f, sn_pb_at(msg, f, i));
        if (r < 0) return r;
    }
    sn_jsonw_array_end(&o->w);
    return 0;
}
static int put_fields(struct out *o, const struct sn_pb_desc *d, const void *msg)
{
    for (const struct sn_pb_field *f = d->fields; msg && f < d->fields + d->n_fields; f++) {
        bool implicit = f->flags & SN_PB_F_REPEATED ||
                        !(pb_is_msg(f) || f->flags & (SN_PB_F_HASBIT | SN_PB_F_ONEOF));
        if (!sn_pb_has(msg, f) && !(o->o.defaults && implicit)) continue;
        int r = put_field(o, msg, f);
        if (r < 0) return r;
    }
    return 0;
}

/* ---- well-known types ------------------------------------------------------------------------ */

static int64_t i64_of(const struct sn_pb_desc *d, const void *msg, uint32_t n)
{
    return msg ? sn_pb_get(msg, pb_find(d, n)).i64 : 0;
}
static int32_t i32_of(const struct sn_pb_desc *d, const void *msg, uint32_t n)
{
    return msg ? sn_pb_get(msg, pb_find(d, n)).i32 : 0;
}
/* ".5", ".123456" and so on: no digits, three, six or nine. */
static int fraction(char *out, size_t cap, uint32_t nanos)
{
    if (nanos == 0) return snprintf(out, cap, "%s", "");
    if (nanos % 1000000 == 0) return snprintf(out, cap, ".%03u", nanos / 1000000);
    if (nanos % 1000 == 0) return snprintf(out, cap, ".%06u", nanos / 1000);
    return snprintf(out, cap, ".%09u", nanos);
}
static int put_timestamp(struct out *o, const struct sn_pb_desc *d, const void *msg)
{
    int64_t s = i64_of(d, msg, 1);
    int32_t ns = i32_of(d, msg, 2);
    char text[48], frac[16];
    struct sn_civil c;
    if (s < PB_TIMESTAMP_MIN || s > PB_TIMESTAMP_MAX || ns < 0 || ns > 999999999)
        return sn_fail(SN_E_INVALID_ARGUMENT, "protobuf JSON: Timestamp outside years 1 to 9999");
    int64_t days = s >= 0 ? s / 86400 : -((-s + 86399) / 86400), rest = s - days * 86400;
    sn_civil_from_days(days, &c);
    fraction(frac, sizeof frac, (uint32_t)ns);
    int n = snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d%sZ", (int)c.year, c.month,
                     c.day, (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60), frac);
    sn_jsonw_str(&o->w, sn_str_of(text, (size_t)n));
    return 0;
}
static int put_duration(struct out *o, const struct sn_pb_desc *d, const void *msg)
{
    int64_t s = i64_of(d, msg, 1);
    int32_t ns = i32_of(d, msg, 2);
    char text[48], frac[16];
    if (s < -PB_DURATION_MAX || s > PB_DURATION_MAX || ns < -999999999 || ns > 999999999 ||
        (s > 0 && ns < 0) || (s < 0 && ns > 0))
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "protobuf JSON: Duration out of range or of two signs");
    fraction(frac, sizeof frac, (uint32_t)(ns < 0 ? -ns : ns));
    int n = snprintf(text, sizeof text, "%s%lld%ss", s < 0 || ns < 0 ? "-" : "",
                     (long long)(s < 0 ? -s : s), frac);
    sn_jsonw_str(&o->w, sn_str_of(text, (size_t)n));
    return 0;
}
/* "a_b.c" as "aB.c"; a path that would not come back the same has no JSON form. */
static int put_mask(struct out *o, const struct sn_pb_desc *d, const void *msg)
{
    const struct sn_pb_field *paths = pb_find(d, 1);
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    for (uint32_t i = 0; msg && i < sn_pb_len(msg, paths); i++) {
        struct sn_str p = sn_pb_at(msg, paths, i).s;
        if (i) sn_buf_byte(&b, ',');
        for (size_t k = 0; k < p.len; k++) {
            char c = p.ptr[k], next = k + 1 < p.len ? p.ptr[k + 1] : 0;
            if ((c >= 'A' && c <= 'Z') || (c == '_' && !(next >= 'a' && next <= 'z')))
                return sn_fail(SN_E_INVALID_ARGUMENT, "protobuf JSON: field mask path %.*s",
                               SN_STR_ARG(p));
            if (c == '_')
                sn_buf_byte(&b, (uint8_t)(p.ptr[++k] - 'a' + 'A'));
            else
                sn_buf_byte(&b, (uint8_t)c);
        }
    }
    if (b.err < 0) return b.err;
    sn_jsonw_str(&o->w, sn_buf_view(&b));
    return 0;
}
static int put_dyn_value(struct out *o, const struct sn_pb_desc *d, const void *msg)
{
    for (const struct sn_pb_field *f = d->fields; msg && f < d->fields + d->n_fields; f++) {
        if (!sn_pb_has(msg, f)) continue;
        union sn_pb_value v = sn_pb_get(msg, f);
        if (f->type == SN_PB_DOUBLE && !isfinite(v.f64)) break;
        return put_value(o, f, v);
    }
    return sn_fail(SN_E_INVALID_ARGUMENT, "protobuf JSON: Value without a value, or not finite");
}
static int put_any(struct out *o, const struct sn_pb_desc *d, const void *msg)
{
    struct sn_str url = msg ? sn_pb_get(msg, pb_find(d, 1)).s : SN_STR("");
    const struct sn_pb_desc *td;
    struct sn_arena a;
    void *sub;
    if (!url.len) { /* an empty Any is an empty object */
        sn_jsonw_object(&o->w);
        sn_jsonw_object_end(&o->w);
        return 0;
    }
    int r = pb_any_type(&o->o, url, &td);
    if (r < 0) return r;
    sn_arena_init(&a, NULL, 0);
    r = sn_pb_parse(td, sn_pb_get(msg, pb_find(d, 2)).s, SN_PB_PARTIAL, &a, &sub);
    if (r == 0) {
        sn_jsonw_object(&o->w);
        sn_jsonw_key(&o->w, SN_STR("@type"));
        sn_jsonw_str(&o->w, url);
        if (td->wkt != SN_PB_WKT_NONE) {
            sn_jsonw_key(&o->w, SN_STR("value"));
            r = put_msg(o, td, sub);
        } else {
            r = put_fields(o, td, sub);
        }
        if (r == 0) sn_jsonw_object_end(&o->w);
    }
    sn_arena_done(&a);
    return r;
}

static int put_wkt(struct out *o, const struct sn_pb_desc *d, const void *msg)
{
    static const union sn_pb_value zero;
    switch (d->wkt) {
    case SN_PB_WKT_ANY: return put_any(o, d, msg);
    case SN_PB_WKT_TIMESTAMP: return put_timestamp(o, d, msg);
    case SN_PB_WKT_DURATION: return put_duration(o, d, msg);
    case SN_PB_WKT_FIELD_MASK: return put_mask(o, d, msg);
    case SN_PB_WKT_VALUE: return put_dyn_value(o, d, msg);
    case SN_PB_WKT_WRAPPER:
        return put_value(o, d->fields, msg ? sn_pb_get(msg, d->fields) : zero);
    default: break; /* Struct, ListValue: their one field's value stands for them */
    }
    const struct sn_pb_field *f = d->fields;
    if (d->wkt == SN_PB_WKT_STRUCT && msg) return put_map(o, msg, f);
    if (d->wkt == SN_PB_WKT_STRUCT) {
        sn_jsonw_object(&o->w);
        sn_jsonw_object_end(&o->w);
        return 0;
    }
    sn_jsonw_array(&o->w);
    for (uint32_t i = 0; msg && i < sn_pb_len(msg, f); i++) {
        int r = put_value(o, f, sn_pb_at(msg, f, i));
        if (r < 0) return r;
    }
    sn_jsonw_array_end(&o->w);
    return 0;
}
static int put_msg(struct out *o, const struct sn_pb_desc *d, const void *msg)
{
    int r;
    if (o->depth > SN_PB_DEPTH_MAX) return sn_fail(SN_E_DEPTH, "protobuf JSON: nested too deep");
    o->depth++;
    if (d->wkt != SN_PB_WKT_NONE) {
        r = put_wkt(o, d, msg);
    } else {
        sn_jsonw_object(&o->w);
        r = put_fields(o, d, msg);
        if (r == 0) sn_jsonw_object_end(&o->w);
    }
    o->depth--;
    return r < 0 ? r : o->w.out->err;
}

int sn_pb_to_json(const struct sn_pb_desc *d, const void *msg, const struct sn_pb_json_opts *opts,
                  struct sn_buf *out)
{
    struct out o = {.depth = 0};
    size_t len = out->len;
    if (opts) o.o = *opts;
    sn_jsonw_init(&o.w, out, NULL);
    int r = put_msg(&o, d, msg);
    if (r < 0) out->len = len;
    return r;
}

int pb_any_type(const struct sn_pb_json_opts *o, struct sn_str url, const struct sn_pb_desc **ret)
{
    ssize_t slash = sn_str_rchr(url, '/');
    struct sn_str name = slash < 0 ? url : sn_str_from(url, (size_t)slash + 1);
    const struct sn_pb_desc *d = slash >= 0 && o->resolve ? o->resolve(name, o->arg) : NULL;
    if (!d) return sn_fail(SN_E_NOT_FOUND, "protobuf JSON: Any of type %.*s", SN_STR_ARG(url));
    *ret = d;
    return 0;
}
bool pb_is_null_enum(const struct sn_pb_enum *e)
{
    return sn_str_eqc(e->full_name, "google.protobuf.NullValue");
}

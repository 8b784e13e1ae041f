/* SPDX-License-Identifier: Apache-2.0 */
/* wire/pb_json_dec.c - messages from ProtoJSON text. SPEC: protobuf.dev "ProtoJSON Format". */
#include <float.h>
#include <math.h>

#include "core/enc.h"
#include "core/time.h"
#include "wire/json.h"
#include "wire/pb_int.h"
#include "wire/pb_json_int.h"

struct in {
    struct sn_arena *a;
    struct sn_pb_json_opts o;
    unsigned depth;
};

static int get_msg(struct in *in, const struct sn_pb_desc *d, void *msg, const struct sn_json *v);

static int bad(const struct sn_pb_field *f, const char *want)
{
    return sn_fail(SN_E_SYNTAX, "protobuf JSON: %.*s: expected %s", SN_STR_ARG(f->json_name), want);
}

/* ---- scalars --------------------------------------------------------------------------------- */

/* A number, or a string that holds one; integers may be written 1.0 or 1e3. */
static int get_double(const struct sn_json *v, double *ret)
{
    if (!sn_json_is(v, SN_JSON_STRING)) return sn_json_to_double(v, ret);
    struct sn_str s = sn_json_str(v);
    if (sn_str_eqc(s, "NaN")) return *ret = NAN, 0;
    if (sn_str_eqc(s, "Infinity")) return *ret = INFINITY, 0;
    if (sn_str_eqc(s, "-Infinity")) return *ret = -INFINITY, 0;
    if (!s.len || !(s.ptr[0] == '-' || (s.ptr[0] >= '0' && s.ptr[0] <= '9'))) return SN_E_SYNTAX;
    int r = sn_str_to_double(s, ret);
    return r < 0 || !isfinite(*ret) ? SN_E_SYNTAX : 0;
}
static int get_i64(const struct sn_json *v, int64_t lo, int64_t hi, int64_t *ret)
{
    int64_t i;
    double d;
    struct sn_str s = sn_json_str(v);
    if (s.ptr ? sn_str_to_i64(s, &i) < 0 : sn_json_to_i64(v, &i) < 0) {
        if (get_double(v, &d) < 0 || !(fabs(d) < 0x1p63) || d != floor(d)) return SN_E_SYNTAX;
        i = (int64_t)d;
    }
    if (i < lo || i > hi) return SN_E_SYNTAX;
    *ret = i;
    return 0;
}
static int get_u64(const struct sn_json *v, uint64_t hi, uint64_t *ret)
{
    uint64_t u;
    double d;
    struct sn_str s = sn_json_str(v);
    if (s.ptr ? sn_str_to_u64(s, &u) < 0 : sn_json_to_u64(v, &u) < 0) {
        if (get_double(v, &d) < 0 || !(d >= 0 && d < 0x1p64) || d != floor(d)) return SN_E_SYNTAX;
        u = (uint64_t)d;
    }
    if (u > hi) return SN_E_SYNTAX;
    *ret = u;
    return 0;
}
static int get_bytes(struct in *in, const struct sn_pb_field *f, struct sn_str s,
                     struct sn_str *ret)
{
    /* Either alphabet, padded or not. */
    bool url = sn_str_chr(s, '-') >= 0 || sn_str_chr(s, '_') >= 0;
    bool padded = s.len && s.ptr[s.len - 1] == '=';
    unsigned kind = (url ? SN_BASE64_URL : SN_BASE64_STD) |
                    (padded || s.len % 4 == 0 ? 0u : (unsigned)SN_BASE64_UNPADDED);
    char *out = sn_arena_alloc(in->a, sn_base64_decoded_max(s.len));
    if (!out) return SN_E_NOMEM;
    ssize_t n = sn_base64_decode(s, (enum sn_base64)kind, out);
    if (n < 0) return bad(f, "base64");
    *ret = sn_str_of(out, (size_t)n);
    return 0;
}
/* Returns 1 where the value is to be skipped: an unknown name under ignore_unknown. */
static int get_enum(struct in *in, const struct sn_pb_field *f, const struct sn_json *v,
                    int32_t *ret)
{
    int64_t i;
    if (sn_json_is(v, SN_JSON_NULL) && pb_is_null_enum(f->sub.enm)) return *ret = 0, 0;
    if (sn_json_is(v, SN_JSON_STRING)) {
        if (sn_pb_enum_number(f->sub.enm, sn_json_str(v), ret) == 0) return 0;
        return in->o.ignore_unknown ? 1 : bad(f, "a name of the enum");
    }
    if (get_i64(v, INT32_MIN, INT32_MAX, &i) < 0) return bad(f, "a name or number of the enum");
    *ret = (int32_t)i;
    return 0;
}
static int get_float(const struct sn_pb_field *f, const struct sn_json *v, union sn_pb_value *ret)
{
    double d;
    if (get_double(v, &d) < 0) return bad(f, "a number");
    if (f->type == SN_PB_DOUBLE) return ret->f64 = d, 0;
    /* What rounds beyond the largest float is out of range. */
    if (isfinite(d) && fabs(d) > (double)FLT_MAX && isinf((float)d))
        return bad(f, "a 32-bit float");
    return ret->f32 = (float)d, 0;
}
/* get_value - one element. Returns 0, 1 to skip it, or the failure. */
static int get_value(struct in *in, const struct sn_pb_field *f, const struct sn_json *v,
                     union sn_pb_value *ret)
{
    uint64_t u;
    int64_t i;
    switch (f->type) {
    case SN_PB_DOUBLE:
    case SN_PB_FLOAT: return get_float(f, v, ret);
    case SN_PB_INT64:
    case SN_PB_SINT64:
    case SN_PB_SFIXED64:
        return get_i64(v, INT64_MIN, INT64_MAX, &ret->i64) < 0 ? bad(f, "a 64-bit integer") : 0;
    case SN_PB_UINT64:
    case SN_PB_FIXED64:
        return get_u64(v, UINT64_MAX, &ret->u64) < 0 ? bad(f, "an unsigned 64-bit integer") : 0;
    case SN_PB_UINT32:
    case SN_PB_FIXED32:
        if (get_u64(v, UINT32_MAX, &u) < 0) return bad(f, "an unsigned 32-bit integer");
        ret->u32 = (uint32_t)u;
        return 0;
    case SN_PB_INT32:
    case SN_PB_SINT32:
    case SN_PB_SFIXED32:
        if (get_i64(v, INT32_MIN, INT32_MAX, &i) < 0) return bad(f, "a 32-bit integer");
        ret->i32 = (int32_t)i;
        return 0;
    case SN_PB_BOOL: return sn_json_to_bool(v, &ret->b) < 0 ? bad(f, "true or false") : 0;
    case SN_PB_ENUM: return get_enum(in, f, v, &ret->i32);
    case SN_PB_STRING:
    case SN_PB_BYTES:
        if (!sn_json_is(v, SN_JSON_STRING)) return bad(f, "a string");
        if (f->type == SN_PB_BYTES) return get_bytes(in, f, sn_json_str(v), &ret->s);
        ret->s = sn_arena_str(in->a, sn_json_str(v));
        return ret->s.ptr ? 0 : SN_E_NOMEM;
    default: break;
    }
    ret->msg = sn_pb_new(f->sub.msg, in->a);
    return ret->msg ? get_msg(in, f->sub.msg, ret->msg, v) : SN_E_NOMEM;
}

/* ---- fields ---------------------------------------------------------------------------------- */

/* Whether null is a value of this type and not "absent". */
static bool takes_null(const struct sn_pb_field *f)
{
    return (f->type == SN_PB_MESSAGE && f->sub.msg->wkt == SN_PB_WKT_VALUE) ||
           (f->type == SN_PB_ENUM && pb_is_null_enum(f->sub.enm));
}
static int get_key(struct in *in, const struct sn_pb_field *f, const struct sn_json *key,
                   union sn_pb_value *ret)
{
    struct sn_str s = sn_json_str(key);
    if (f->type != SN_PB_BOOL) return get_value(in, f, key, ret);
    ret->b = sn_str_eqc(s, "true");
    return ret->b || sn_str_eqc(s, "false") ? 0 : bad(f, "a key of true or false");
}
static int get_map(struct in *in, void *msg, const struct sn_pb_field *f, const struct sn_json *v)
{
    const struct sn_pb_field *kf = &f->sub.msg->fields[0], *vf = &f->sub.msg->fields[1];
    if (!sn_json_is(v, SN_JSON_OBJECT)) return bad(f, "an object");
    for (SN_JSON_MEMBERS(v, m)) {
        union sn_pb_value key = {0}, val = {0};
        void *e = sn_pb_new(f->sub.msg, in->a);
        if (!e) return SN_E_NOMEM;
        if (sn_json_is(&m->value, SN_JSON_NULL) && !takes_null(vf)) return bad(f, "no null");
        int r = get_key(in, kf, &m->key, &key);
        if (r == 0) r = get_value(in, vf, &m->value, &val);
        if (r < 0) return r;
        if (r > 0) continue;
        sn_pb_set(e, kf, key);
        sn_pb_set(e, vf, val);
        if (sn_pb_append(msg, f, (union sn_pb_value){.msg = e}, in->a) < 0) return SN_E_NOMEM;
    }
    return 0;
}
static int get_list(struct in *in, void *msg, const struct sn_pb_field *f, const struct sn_json *v)
{
    if (!sn_json_is(v, SN_JSON_ARRAY)) return bad(f, "an array");
    for (SN_JSON_EACH(v, it)) {
        union sn_pb_value val = {0};
        if (sn_json_is(it, SN_JSON_NULL) && !takes_null(f)) return bad(f, "no null");
        int r = get_value(in, f, it, &val);
        if (r < 0) return r;
        if (r == 0 && sn_pb_append(msg, f, val, in->a) < 0) return SN_E_NOMEM;
    }
    return 0;
}
static int get_field(struct in *in, void *msg, const struct sn_pb_field *f, const struct sn_json *v)
{
    union sn_pb_value val = {0};
    if (sn_json_is(v, SN_JSON_NULL) && (f->flags & SN_PB_F_REPEATED || !takes_null(f))) return 0;
    if (f->flags & SN_PB_F_MAP) return get_map(in, msg, f, v);
    if (f->flags & SN_PB_F_REPEATED) return get_list(in, msg, f, v);
    if (f->flags & SN_PB_F_ONEOF && *pb_case(msg, f) != 0) return bad(f, "one member of its oneof");
    int r = get_value(in, f, v, &val);
    if (r == 0) sn_pb_set(msg, f, val);
    return r < 0 ? r : 0;
}
static int get_fields(struct in *in, const struct sn_pb_desc *d, void *msg, const struct sn_json *v,
                      bool any)
{
    if (!sn_json_is(v, SN_JSON_OBJECT))
        return sn_fail(SN_E_SYNTAX, "protobuf JSON: %.*s is not an object",
                       SN_STR_ARG(d->full_name));
    for (SN_JSON_MEMBERS(v, m)) {
        struct sn_str key = sn_json_str(&m->key);
        const struct sn_pb_field *f = sn_pb_field_by_name(d, key);
        if (any && sn_str_eqc(key, "@type")) continue;
        if (!f && in->o.ignore_unknown) continue;
        if (!f)
            return sn_fail(SN_E_SYNTAX, "protobuf JSON: %.*s has no field \"%.*s\"",
                           SN_STR_ARG(d->full_name), SN_STR_ARG(key));
        int r = get_field(in, msg, f, &m->value);
        if (r < 0) return r;
    }
    return d->flags & SN_PB_D_MAPS ? sn_pb_maps_finish(d, msg, in->a) : 0;
}

/* ---- well-known types ---- */

static void set_i64(const struct sn_pb_desc *d, void *msg, uint32_t n, int64_t v)
{
    const struct sn_pb_field *f = pb_find(d, n);
    union sn_pb_value val = {0};
    if (f->type == SN_PB_INT32)
        val.i32 = (int32_t)v;
    else
        val.i64 = v;
    sn_pb_set(msg, f, val);
}
/* Exactly n digits at *s; -1 otherwise. */
static int digits(struct sn_str *s, unsigned n)
{
    int v = 0;
    for (unsigned i = 0; i < n; i++) {
        if (i >= s->len || s->ptr[i] < '0' || s->ptr[i] > '9') return -1;
        v = v * 10 + (s->ptr[i] - '0');
    }
    *s = sn_str_from(*s, n);
    return v;
}
static bool take(struct sn_str *s, char c)
{
    if (!s->len || s->ptr[0] != c) return false;
    *s = sn_str_from(*s, 1);
    return true;
}
/* ".123" as nanoseconds; at most nine digits; 0 where there is no point. */
static int32_t nanos(struct sn_str *s)
{
    int32_t v = 0;
    unsigned n = 0;
    if (!take(s, '.')) return 0;
    for (; s->len && s->ptr[0] >= '0' && s->ptr[0] <= '9'; n++, *s = sn_str_from(*s, 1)) {
        if (n == 9) return -1;
        v = v * 10 + (s->ptr[0] - '0');
    }
    if (n == 0) return -1;
    for (; n < 9; n++) v *= 10;
    return v;
}
static int get_timestamp(const struct sn_pb_desc *d, void *msg, struct sn_str s)
{
    int y = digits(&s, 4), mo = take(&s, '-') ? digits(&s, 2) : -1;
    int day = take(&s, '-') ? digits(&s, 2) : -1, h = take(&s, 'T') ? digits(&s, 2) : -1;
    int mi = take(&s, ':') ? digits(&s, 2) : -1, sec = take(&s, ':') ? digits(&s, 2) : -1;
    int32_t ns = sec < 0 ? -1 : nanos(&s);
    int64_t off = 0;
    struct sn_civil back;
    if (ns >= 0 && !take(&s, 'Z')) {
        int sign = take(&s, '+') ? 1 : take(&s, '-') ? -1 : 0;
        int oh = sign ? digits(&s, 2) : -1, om = take(&s, ':') ? digits(&s, 2) : -1;
        if (oh < 0 || om < 0 || oh > 23 || om > 59) ns = -1;
        off = sign * (oh * 3600 + om * 60);
    }
    if (ns < 0 || s.len || y < 1 || mo < 1 || mo > 12 || day < 1 || day > 31 || h < 0 || h > 23 ||
        mi < 0 || mi > 59 || sec < 0 || sec > 59)
        return SN_E_SYNTAX;
    int64_t days = sn_days_from_civil(y, (unsigned)mo, (unsigned)day);
    sn_civil_from_days(days, &back); /* 31 February comes back as something else */
    int64_t t = days * 86400 + h * 3600 + mi * 60 + sec - off;
    if (back.day != day || t < PB_TIMESTAMP_MIN || t > PB_TIMESTAMP_MAX) return SN_E_SYNTAX;
    set_i64(d, msg, 1, t);
    set_i64(d, msg, 2, ns);
    return 0;
}
static int get_duration(const struct sn_pb_desc *d, void *msg, struct sn_str s)
{
    bool negative = take(&s, '-');
    size_t n = 0;
    int64_t sec;
    while (n < s.len && s.ptr[n] >= '0' && s.ptr[n] <= '9') n++;
    if (n == 0 || sn_str_to_i64(sn_str_sub(s, 0, n), &sec) < 0 || sec > PB_DURATION_MAX)
        return SN_E_SYNTAX;
    s = sn_str_from(s, n);
    int32_t ns = nanos(&s);
    if (ns < 0 || !take(&s, 's') || s.len) return SN_E_SYNTAX;
    set_i64(d, msg, 1, negative ? -sec : sec);
    set_i64(d, msg, 2, negative ? -ns : ns);
    return 0;
}
static int get_mask(struct in *in, const struct sn_pb_desc *d, void *msg, struct sn_str s)
{
    const struct sn_pb_field *paths = pb_find(d, 1);
    while (s.ptr && s.len) {
        struct sn_str part = sn_str_cut(&s, ',');
        char *out = sn_arena_alloc(in->a, 2 * part.len + 1);
        size_t n = 0;
        if (!out) return SN_E_NOMEM;
        for (size_t i = 0; i < part.len; i++) {
            char c = part.ptr[i];
            if (c == '_') return SN_E_SYNTAX;
            if (c >= 'A' && c <= 'Z') out[n++] = '_';
            out[n++] = sn_ascii_lower(c);
        }
        if (sn_pb_append(msg, paths, (union sn_pb_value){.s = sn_str_of(out, n)}, in->a) < 0)
            return SN_E_NOMEM;
    }
    return 0;
}
static int get_dyn_value(struct in *in, const struct sn_pb_desc *d, void *msg,
                         const struct sn_json *v)
{
    /* Members of Value: 1 null, 2 number, 3 string, 4 bool, 5 struct, 6 list. */
    static const uint8_t member[] = {
        [SN_JSON_NULL] = 1,   [SN_JSON_BOOL] = 4,   [SN_JSON_INT] = 2,   [SN_JSON_UINT] = 2,
        [SN_JSON_DOUBLE] = 2, [SN_JSON_BIGINT] = 2, [SN_JSON_STRING] = 3, [SN_JSON_ARRAY] = 6,
        [SN_JSON_OBJECT] = 5,
    };
    const struct sn_pb_field *f = pb_find(d, member[sn_json_kind(v)]);
    union sn_pb_value val = {0};
    int r = get_value(in, f, v, &val);
    if (r == 0) sn_pb_set(msg, f, val);
    return r;
}
static int get_any(struct in *in, const struct sn_pb_desc *d, void *msg, const struct sn_json *v)
{
    const struct sn_pb_desc *td;
    struct sn_str url = sn_json_str(sn_json_get(v, "@type"));
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    if (!sn_json_is(v, SN_JSON_OBJECT)) return SN_E_SYNTAX;
    if (!url.ptr) return sn_json_len(v) == 0 ? 0 : SN_E_SYNTAX;
    int r = pb_any_type(&in->o, url, &td);
    void *sub = r == 0 ? sn_pb_new(td, in->a) : NULL;
    if (r == 0 && !sub) r = SN_E_NOMEM;
    if (r < 0) return r;
    if (td->wkt == SN_PB_WKT_NONE)
        r = get_fields(in, td, sub, v, true);
    else
        r = sn_json_get(v, "value") ? get_msg(in, td, sub, sn_json_get(v, "value"))
                                    : SN_E_SYNTAX;
    if (r < 0) return r;
    ssize_t n = sn_pb_encode(td, sub, &b);
    if (n < 0) return (int)n;
    struct sn_str data = sn_arena_str(in->a, sn_buf_view(&b));
    url = sn_arena_str(in->a, url);
    if (!data.ptr || !url.ptr) return SN_E_NOMEM;
    sn_pb_set(msg, pb_find(d, 1), (union sn_pb_value){.s = url});
    sn_pb_set(msg, pb_find(d, 2), (union sn_pb_value){.s = data});
    return 0;
}
static int get_wkt(struct in *in, const struct sn_pb_desc *d, void *msg, const struct sn_json *v)
{
    struct sn_str s = sn_json_str(v);
    int r = SN_E_SYNTAX;
    switch (d->wkt) {
    case SN_PB_WKT_ANY: r = get_any(in, d, msg, v); break;
    case SN_PB_WKT_TIMESTAMP: r = s.ptr ? get_timestamp(d, msg, s) : r; break;
    case SN_PB_WKT_DURATION: r = s.ptr ? get_duration(d, msg, s) : r; break;
    case SN_PB_WKT_FIELD_MASK: r = s.ptr ? get_mask(in, d, msg, s) : r; break;
    case SN_PB_WKT_VALUE: return get_dyn_value(in, d, msg, v);
    case SN_PB_WKT_WRAPPER: return get_field(in, msg, d->fields, v);
    case SN_PB_WKT_STRUCT:
        r = sn_json_is(v, SN_JSON_OBJECT) ? get_map(in, msg, d->fields, v) : r;
        return r < 0 ? r : sn_pb_maps_finish(d, msg, in->a);
    default: return get_list(in, msg, d->fields, v);
    }
    if (r != SN_E_SYNTAX) return r;
    return sn_fail(SN_E_SYNTAX, "protobuf JSON: not the form of %.*s", SN_STR_ARG(d->full_name));
}
static int get_msg(struct in *in, const struct sn_pb_desc *d, void *msg, const struct sn_json *v)
{
    if (in->depth > SN_PB_DEPTH_MAX) return sn_fail(SN_E_DEPTH, "protobuf JSON: nested too deep");
    in->depth++;
    int r = d->wkt == SN_PB_WKT_NONE ? get_fields(in, d, msg, v, false) : get_wkt(in, d, msg, v);
    in->depth--;
    return r;
}

int sn_pb_from_json(const struct sn_pb_desc *d, void *msg, struct sn_str text,
                    const struct sn_pb_json_opts *opts, struct sn_arena *a)
{
    struct in in = {.a = a};
    struct sn_json_opts jo = {.depth_max = SN_JSON_DEPTH_MAX, .dup = SN_JSON_DUP_ERROR};
    struct sn_arena tree;
    const struct sn_json *v;
    if (opts) in.o = *opts;
    sn_arena_init(&tree, NULL, 0);
    int r = sn_json_parse(&tree, text, &jo, &v);
    if (r == 0) r = get_msg(&in, d, msg, v);
    sn_arena_done(&tree);
    /* A repeated key or a number beyond double is bad input like any other. */
    return r == SN_E_ALREADY_EXISTS || r == SN_E_OUT_OF_RANGE ? SN_E_SYNTAX : r;
}

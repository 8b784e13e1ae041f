/* SPDX-License-Identifier: Apache-2.0 */
/* govern/span.c - see span.h. */
#include "govern/span.h"

#include "core/enc.h"
#include "wire/http.h"

static bool zero(const uint8_t *p, size_t n)
{
    while (n && !*p) p++, n--;
    return n == 0;
}

/* Lower-case hex only: upper case is malformed here. */
static bool hex_at(struct sn_str s, size_t at, size_t bytes, uint8_t *out)
{
    struct sn_str part = sn_str_sub(s, at, at + 2 * bytes);
    for (size_t i = 0; i < part.len; i++)
        if (part.ptr[i] >= 'A' && part.ptr[i] <= 'F') return false;
    return sn_hex_decode(part, out) == (ssize_t)bytes;
}

int sn_traceparent_parse(struct sn_str s, struct sn_span_ctx *ret)
{
    struct sn_span_ctx c;
    uint8_t version;
    s = sn_str_trim(s);
    if (s.len < SN_TRACEPARENT_LEN || s.ptr[2] != '-' || s.ptr[35] != '-' || s.ptr[52] != '-')
        return SN_E_SYNTAX;
    if (!hex_at(s, 0, 1, &version) || version == 0xff) return SN_E_SYNTAX;
    if (version == 0 ? s.len != SN_TRACEPARENT_LEN
                     : s.len > SN_TRACEPARENT_LEN && s.ptr[SN_TRACEPARENT_LEN] != '-')
        return SN_E_SYNTAX;
    if (!hex_at(s, 3, 16, c.trace_id) || !hex_at(s, 36, 8, c.span_id) ||
        !hex_at(s, 53, 1, &c.flags))
        return SN_E_SYNTAX;
    if (zero(c.trace_id, 16) || zero(c.span_id, 8)) return SN_E_SYNTAX;
    if (version) c.flags &= SN_SPAN_SAMPLED; /* the only bit that later versions promise */
    *ret = c;
    return 0;
}

size_t sn_traceparent_format(const struct sn_span_ctx *c, char out[SN_TRACEPARENT_LEN])
{
    memcpy(out, "00-", 3);
    sn_hex_encode(c->trace_id, 16, out + 3);
    out[35] = '-';
    sn_hex_encode(c->span_id, 8, out + 36);
    out[52] = '-';
    uint8_t flags = c->flags & 3; /* sampled, random */
    sn_hex_encode(&flags, 1, out + 53);
    return SN_TRACEPARENT_LEN;
}

static bool state_key(struct sn_str k)
{
    if (!k.len || k.len > 256) return false;
    unsigned at = 0;
    for (size_t i = 0; i < k.len; i++) {
        char c = k.ptr[i];
        bool lower = c >= 'a' && c <= 'z', digit = c >= '0' && c <= '9';
        at += c == '@';
        if (!lower && !digit && (i == 0 || !strchr("_-*/@", c))) return false;
    }
    return at <= 1;
}

static bool state_value(struct sn_str v)
{
    if (v.len > 256 || (v.len && v.ptr[v.len - 1] == ' ')) return false;
    for (size_t i = 0; i < v.len; i++)
        if (v.ptr[i] < 0x20 || v.ptr[i] > 0x7e || v.ptr[i] == ',' || v.ptr[i] == '=') return false;
    return v.len > 0;
}

bool sn_tracestate_ok(struct sn_str s)
{
    struct sn_str keys[SN_TRACESTATE_MEMBERS_MAX];
    unsigned n = 0;
    if (s.len > SN_TRACESTATE_MAX) return false;
    while (s.ptr) {
        struct sn_str member = sn_str_trim(sn_str_cut(&s, ',')), key = sn_str_cut(&member, '=');
        if (!key.len && !member.ptr) continue; /* empty members are allowed */
        if (n == SN_TRACESTATE_MEMBERS_MAX || !member.ptr || !state_key(key) ||
            !state_value(member))
            return false;
        for (unsigned i = 0; i < n; i++)
            if (sn_str_eq(keys[i], key)) return false;
        keys[n++] = key;
    }
    return true;
}

/* ---- baggage --------------------------------------------------------------------------------- */

static bool token(struct sn_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] <= ' ' || s.ptr[i] > '~' || strchr("\"(),/:;<=>?@[\\]{}", s.ptr[i]))
            return false;
    return s.len > 0;
}

int sn_baggage_next(struct sn_str *rest, struct sn_arena *a, struct sn_str *ret_key,
                    struct sn_str *ret_value)
{
    while (rest->ptr) {
        struct sn_str member = sn_str_cut(rest, ','), pair = sn_str_cut(&member, ';'),
                      key = sn_str_trim(sn_str_cut(&pair, '='));
        if (!pair.ptr || !token(key)) continue;
        struct sn_str v = sn_str_trim(pair);
        char *out = sn_arena_alloc(a, v.len + 1);
        if (!out) return SN_E_NOMEM;
        ssize_t n = sn_pct_decode(v, false, out);
        if (n < 0) continue;
        out[n] = 0;
        *ret_key = key;
        *ret_value = sn_str_of(out, (size_t)n);
        return 1;
    }
    return 0;
}

struct sn_str sn_baggage_get(struct sn_str header, struct sn_str key, struct sn_arena *a)
{
    struct sn_str k, v;
    unsigned n = 0;
    if (header.len > SN_BAGGAGE_MAX) return (struct sn_str){0};
    while (n++ < SN_BAGGAGE_MEMBERS_MAX && sn_baggage_next(&header, a, &k, &v) == 1)
        if (sn_str_eq(k, key)) return v;
    return (struct sn_str){0};
}

int sn_baggage_put(struct sn_buf *header, struct sn_str key, struct sn_str value)
{
    if (!token(key))
        return sn_fail(SN_E_INVALID_ARGUMENT, "baggage: '%.*s' is no key", SN_STR_ARG(key));
    size_t was = header->len;
    if (was) sn_buf_byte(header, ',');
    sn_buf_str(header, key);
    sn_buf_byte(header, '=');
    sn_buf_pct(header, value, SN_PCT_UNRESERVED);
    if (header->err == 0 && header->len <= SN_BAGGAGE_MAX) return 0;
    int r = header->err ? header->err
                        : sn_fail(SN_E_TOO_LARGE, "baggage: more than %u bytes", SN_BAGGAGE_MAX);
    header->len = was;
    return r;
}

/* ---- spans ----------------------------------------------------------------------------------- */

static bool ratio_says(const uint8_t trace_id[16], double ratio)
{
    if (ratio >= 1.0) return true;
    uint64_t v = 0;
    for (int i = 9; i < 16; i++) v = v << 8 | trace_id[i];
    return (double)v < ratio * 0x1p56;
}

void sn_span_init(struct sn_span *s, const struct sn_span_ctx *parent, struct sn_str name,
                  enum sn_span_kind kind, double ratio, int64_t wall_ns, const uint64_t rnd[3])
{
    memset(s, 0, offsetof(struct sn_span, attrs));
    s->name = name;
    s->kind = kind;
    s->start_wall_ns = wall_ns;
    if (parent && !zero(parent->trace_id, 16)) {
        s->ctx = *parent;
        memcpy(s->parent_id, parent->span_id, 8);
    } else {
        memcpy(s->ctx.trace_id, rnd, 16);
        if (zero(s->ctx.trace_id, 16)) s->ctx.trace_id[15] = 1;
        s->ctx.flags = 2 | ratio_says(s->ctx.trace_id, ratio); /* 2: the id is random */
    }
    memcpy(s->ctx.span_id, &rnd[2], 8);
    if (zero(s->ctx.span_id, 8)) s->ctx.span_id[7] = 1;
}

static struct sn_attr *attr_add(struct sn_span *s, const char *key, enum sn_attr_type type)
{
    if (!sn_span_sampled(s)) return NULL;
    if (s->n_attrs == SN_SPAN_ATTRS_MAX) {
        if (s->dropped_attrs < 255) s->dropped_attrs++;
        return NULL;
    }
    struct sn_attr *a = &s->attrs[s->n_attrs++];
    *a = (struct sn_attr){.key = key, .type = type};
    return a;
}

void sn_span_str(struct sn_span *s, const char *key, struct sn_str v)
{
    struct sn_attr *a = attr_add(s, key, SN_ATTR_STR);
    if (a) a->str = v;
}
void sn_span_int(struct sn_span *s, const char *key, int64_t v)
{
    struct sn_attr *a = attr_add(s, key, SN_ATTR_INT);
    if (a) a->i = v;
}
void sn_span_bool(struct sn_span *s, const char *key, bool v)
{
    struct sn_attr *a = attr_add(s, key, SN_ATTR_BOOL);
    if (a) a->i = v;
}
void sn_span_double(struct sn_span *s, const char *key, double v)
{
    struct sn_attr *a = attr_add(s, key, SN_ATTR_DOUBLE);
    if (a) a->d = v;
}

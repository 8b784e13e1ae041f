/* SPDX-License-Identifier: Apache-2.0 */
/* wire/grpc.c - statuses, timeouts, framing, content types. */
#include "wire/grpc.h"

/* ---- status ----------------------------------------------------------------------------------- */

int sn_grpc_code_from_http(int status)
{
    switch (status) {
    case 400: return SN_E_INTERNAL;
    case 401: return SN_E_UNAUTHENTICATED;
    case 403: return SN_E_PERMISSION_DENIED;
    case 404: return SN_E_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504: return SN_E_UNAVAILABLE;
    default: return SN_E_UNKNOWN;
    }
}

int sn_grpc_code_parse(struct sn_str s)
{
    uint64_t n;
    if (s.len > 2 || sn_str_to_u64(s, &n) < 0 || n > 16) return SN_E_UNKNOWN;
    return -(int)n;
}

struct sn_str sn_connect_code_name(int code)
{
    static const struct sn_str names[] = {
        SN_STR_INIT("ok"),
        SN_STR_INIT("canceled"),
        SN_STR_INIT("unknown"),
        SN_STR_INIT("invalid_argument"),
        SN_STR_INIT("deadline_exceeded"),
        SN_STR_INIT("not_found"),
        SN_STR_INIT("already_exists"),
        SN_STR_INIT("permission_denied"),
        SN_STR_INIT("resource_exhausted"),
        SN_STR_INIT("failed_precondition"),
        SN_STR_INIT("aborted"),
        SN_STR_INIT("out_of_range"),
        SN_STR_INIT("unimplemented"),
        SN_STR_INIT("internal"),
        SN_STR_INIT("unavailable"),
        SN_STR_INIT("data_loss"),
        SN_STR_INIT("unauthenticated"),
    };
    return names[sn_status_canonical(code)];
}

/* ---- timeouts --------------------------------------------------------------------------------- */

static const struct unit {
    char c;
    int64_t ns;
} units[] = {
    {'n', 1}, {'u', SN_US}, {'m', SN_MS}, {'S', SN_SEC}, {'M', SN_MINUTE}, {'H', SN_HOUR},
};

#define TIMEOUT_DIGITS_MAX 99999999

unsigned sn_grpc_timeout_format(int64_t ns, char out[SN_GRPC_TIMEOUT_LEN])
{
    if (ns < 0) ns = 0;
    const struct unit *u = units;
    /* The finest unit that fits; 10^8 hours are beyond any int64_t of nanoseconds. */
    while (ns / u->ns > TIMEOUT_DIGITS_MAX) u++;
    struct sn_buf b;
    sn_buf_init_fixed(&b, out, SN_GRPC_TIMEOUT_LEN);
    sn_buf_u64(&b, (uint64_t)(ns / u->ns));
    sn_buf_byte(&b, (uint8_t)u->c);
    return (unsigned)b.len;
}

int sn_grpc_timeout_parse(struct sn_str s, int64_t *ret_ns)
{
    uint64_t n;
    if (s.len < 2 || s.len > SN_GRPC_TIMEOUT_LEN) return SN_E_SYNTAX;
    if (sn_str_to_u64(sn_str_sub(s, 0, s.len - 1), &n) < 0) return SN_E_SYNTAX;
    for (size_t i = 0; i < SN_COUNT_OF(units); i++) {
        if (s.ptr[s.len - 1] != units[i].c) continue;
        if (__builtin_mul_overflow((int64_t)n, units[i].ns, ret_ns)) *ret_ns = SN_FOREVER;
        return 0;
    }
    return SN_E_SYNTAX;
}

/* ---- messages --------------------------------------------------------------------------------- */

void sn_grpc_in_init(struct sn_grpc_in *in, uint32_t bytes_max, uint8_t flags_allowed)
{
    *in = (struct sn_grpc_in){.bytes_max = bytes_max, .flags_allowed = flags_allowed};
    sn_buf_init(&in->buf, 0);
}

void sn_grpc_in_done(struct sn_grpc_in *in)
{
    sn_buf_done(&in->buf);
    in->off = 0;
}

uint8_t *sn_grpc_in_room(struct sn_grpc_in *in, size_t min, size_t *ret_cap)
{
    struct sn_buf *b = &in->buf;
    if (in->off == b->len) {
        sn_buf_reset(b);
        in->off = 0;
    } else if (b->cap - b->len < min && in->off) {
        sn_buf_consume(b, in->off);
        in->off = 0;
    }
    if (b->cap - b->len < min) {
        if (sn_buf_reserve(b, min) < 0) {
            b->err = 0;
            return NULL;
        }
    }
    *ret_cap = b->cap - b->len;
    return b->ptr + b->len;
}

int sn_grpc_in_next(struct sn_grpc_in *in, uint8_t *ret_flags, struct sn_str *ret)
{
    const uint8_t *p = in->buf.ptr + in->off;
    size_t have = in->buf.len - in->off;
    if (have < SN_GRPC_PREFIX_LEN) return 0;
    uint32_t len = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
    if (p[0] & ~in->flags_allowed)
        return sn_fail(SN_E_INTERNAL, "gRPC message with flags 0x%02x", p[0]);
    if (len > in->bytes_max)
        return sn_fail(SN_E_RESOURCE_EXHAUSTED, "received message larger than max (%u vs. %u)", len,
                       in->bytes_max);
    if (have - SN_GRPC_PREFIX_LEN < len) return 0;
    *ret_flags = p[0];
    *ret = sn_str_of((const char *)p + SN_GRPC_PREFIX_LEN, len);
    in->off += SN_GRPC_PREFIX_LEN + (size_t)len;
    return 1;
}

/* ---- content types ---------------------------------------------------------------------------- */

static const struct {
    struct sn_str name;
    uint8_t protocol, codec;
} types[] = {
    {SN_STR_INIT("application/grpc"), SN_GRPC_HTTP2, SN_GRPC_PROTO},
    {SN_STR_INIT("application/grpc+proto"), SN_GRPC_HTTP2, SN_GRPC_PROTO},
    {SN_STR_INIT("application/grpc+json"), SN_GRPC_HTTP2, SN_GRPC_JSON},
    {SN_STR_INIT("application/grpc-web"), SN_GRPC_WEB, SN_GRPC_PROTO},
    {SN_STR_INIT("application/grpc-web+proto"), SN_GRPC_WEB, SN_GRPC_PROTO},
    {SN_STR_INIT("application/grpc-web+json"), SN_GRPC_WEB, SN_GRPC_JSON},
    {SN_STR_INIT("application/grpc-web-text"), SN_GRPC_WEB_TEXT, SN_GRPC_PROTO},
    {SN_STR_INIT("application/grpc-web-text+proto"), SN_GRPC_WEB_TEXT, SN_GRPC_PROTO},
    {SN_STR_INIT("application/proto"), SN_GRPC_CONNECT_UNARY, SN_GRPC_PROTO},
    {SN_STR_INIT("application/json"), SN_GRPC_CONNECT_UNARY, SN_GRPC_JSON},
    {SN_STR_INIT("application/connect+proto"), SN_GRPC_CONNECT_STREAM, SN_GRPC_PROTO},
    {SN_STR_INIT("application/connect+json"), SN_GRPC_CONNECT_STREAM, SN_GRPC_JSON},
};

enum sn_grpc_protocol sn_grpc_content_type(struct sn_str value, enum sn_grpc_codec *ret_codec)
{
    struct sn_str type = sn_str_trim(sn_str_cut(&value, ';'));
    for (size_t i = 0; i < SN_COUNT_OF(types); i++) {
        if (type.len != types[i].name.len || !sn_str_ieq(type, types[i].name)) continue;
        *ret_codec = types[i].codec;
        return types[i].protocol;
    }
    *ret_codec = SN_GRPC_OTHER_CODEC;
    return sn_str_starts(type, SN_STR("application/grpc+")) ? SN_GRPC_HTTP2 : SN_GRPC_NONE;
}

struct sn_str sn_grpc_content_type_name(enum sn_grpc_protocol p, enum sn_grpc_codec c)
{
    /* Backwards: the full spelling of a pair that has two. gRPC itself stays "application/grpc". */
    if (p == SN_GRPC_HTTP2 && c == SN_GRPC_PROTO) return types[0].name;
    for (size_t i = SN_COUNT_OF(types); i-- > 0;)
        if (types[i].protocol == p && types[i].codec == c) return types[i].name;
    return types[0].name;
}

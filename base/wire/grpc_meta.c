/* SPDX-License-Identifier: Apache-2.0 */
/* wire/grpc_meta.c - metadata, messages of statuses, error details. */
#include "core/enc.h"
#include "core/varint.h"
#include "wire/grpc.h"

/* ---- grpc-message ----------------------------------------------------------------------------- */

static bool message_plain(char c) { return c >= 0x20 && c <= 0x7e && c != '%'; }

struct sn_str sn_grpc_message_encode(struct sn_str s, struct sn_arena *a)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) n += message_plain(s.ptr[i]) ? 1 : 3;
    if (n == s.len) return s;
    char *out = sn_arena_alloc(a, n), *p = out;
    if (!out) return (struct sn_str){0};
    for (size_t i = 0; i < s.len; i++) {
        if (message_plain(s.ptr[i])) {
            *p++ = s.ptr[i];
            continue;
        }
        *p++ = '%';
        *p++ = digits[(uint8_t)s.ptr[i] >> 4];
        *p++ = digits[(uint8_t)s.ptr[i] & 15];
    }
    return sn_str_of(out, n);
}

struct sn_str sn_grpc_message_decode(struct sn_str s, struct sn_arena *a)
{
    if (sn_str_chr(s, '%') < 0) return s;
    char *out = sn_arena_alloc(a, s.len), *p = out;
    if (!out) return (struct sn_str){0};
    for (size_t i = 0; i < s.len; i++) {
        int hi = -1, lo = -1;
        if (s.ptr[i] == '%' && i + 2 < s.len) {
            hi = sn_hex_digit(s.ptr[i + 1]);
            lo = sn_hex_digit(s.ptr[i + 2]);
        }
        if (hi < 0 || lo < 0) {
            *p++ = s.ptr[i];
            continue;
        }
        *p++ = (char)(hi << 4 | lo);
        i += 2;
    }
    return sn_str_of(out, (size_t)(p - out));
}

/* ---- binary values ---------------------------------------------------------------------------- */

struct sn_str sn_grpc_bin_encode(struct sn_str bytes, struct sn_arena *a)
{
    char *out = sn_arena_alloc(a, sn_base64_len(bytes.len, SN_BASE64_UNPADDED));
    if (!out) return (struct sn_str){0};
    return sn_str_of(out, sn_base64_encode(bytes.ptr, bytes.len, SN_BASE64_UNPADDED, out));
}

int sn_grpc_bin_decode(struct sn_str text, struct sn_arena *a, struct sn_str *ret)
{
    while (text.len && text.ptr[text.len - 1] == '=') text.len--;
    bool url = sn_str_chr(text, '-') >= 0 || sn_str_chr(text, '_') >= 0;
    char *out = sn_arena_alloc(a, sn_base64_decoded_max(text.len));
    if (!out) return SN_E_NOMEM;
    ssize_t n = sn_base64_decode(text, url ? SN_BASE64_URL_UNPADDED : SN_BASE64_UNPADDED, out);
    if (n < 0) return SN_E_SYNTAX;
    *ret = sn_str_of(out, (size_t)n);
    return 0;
}

/* ---- metadata --------------------------------------------------------------------------------- */

bool sn_grpc_reserved(struct sn_str n)
{
    static const struct sn_str names[] = {
        SN_STR_INIT("te"),
        SN_STR_INIT("host"),
        SN_STR_INIT("accept"),
        SN_STR_INIT("upgrade"),
        SN_STR_INIT("connection"),
        SN_STR_INIT("keep-alive"),
        SN_STR_INIT("content-type"),
        SN_STR_INIT("content-length"),
        SN_STR_INIT("accept-encoding"),
        SN_STR_INIT("content-encoding"),
        SN_STR_INIT("transfer-encoding"),
        SN_STR_INIT("proxy-connection"),
        SN_STR_INIT("connect-timeout-ms"),
        SN_STR_INIT("connect-accept-encoding"),
        SN_STR_INIT("connect-content-encoding"),
        SN_STR_INIT("connect-protocol-version"),
    };
    /* The one name of gRPC's own that a server's program sets itself (gRFC A6). */
    if (sn_str_eq(n, SN_STR("grpc-retry-pushback-ms"))) return false;
    if (n.len == 0 || n.ptr[0] == ':' || sn_str_starts(n, SN_STR("grpc-"))) return true;
    for (size_t i = 0; i < SN_COUNT_OF(names); i++)
        if (sn_str_eq(n, names[i])) return true;
    return false;
}

static int add_bin(struct sn_http_headers *to, struct sn_arena *a, struct sn_str name,
                   struct sn_str list)
{
    do {
        struct sn_str one;
        int r = sn_grpc_bin_decode(sn_str_trim(sn_str_cut(&list, ',')), a, &one);
        if (r == SN_E_SYNTAX) return sn_fail(r, "metadata %.*s is not base64", SN_STR_ARG(name));
        if (r == 0) r = sn_http_headers_add(to, a, name, one);
        if (r < 0) return r;
    } while (list.ptr);
    return 0;
}

int sn_grpc_metadata_of(const struct sn_http_headers *h, struct sn_arena *a,
                        struct sn_http_headers *ret)
{
    struct sn_http_headers to = {0};
    for (unsigned i = 0; i < h->len; i++) {
        struct sn_str name = h->ptr[i].name;
        if (sn_grpc_reserved(name)) continue;
        int r = sn_grpc_is_bin(name) ? add_bin(&to, a, name, h->ptr[i].value)
                                     : sn_http_headers_add(&to, a, name, h->ptr[i].value);
        if (r < 0) return r;
    }
    *ret = to;
    return 0;
}

bool sn_grpc_metadata_valid(struct sn_str name, struct sn_str value)
{
    if (name.len == 0) return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_' && c != '-' && c != '.')
            return false;
    }
    if (sn_grpc_is_bin(name)) return true;
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] < 0x20 || value.ptr[i] > 0x7e) return false;
    return value.len == 0 || (value.ptr[0] != ' ' && value.ptr[value.len - 1] != ' ');
}

/* ---- google.rpc.Status ------------------------------------------------------------------------ */

/* A length-delimited field of a number below 16. */
static void put_bytes(struct sn_buf *out, unsigned number, struct sn_str s)
{
    uint8_t len[10];
    sn_buf_byte(out, (uint8_t)(number << 3 | 2));
    sn_buf_put(out, len, sn_varint_put(len, s.len));
    sn_buf_str(out, s);
}

void sn_grpc_details_put(struct sn_buf *out, int code, struct sn_str message, struct sn_str details)
{
    if (code) {
        sn_buf_byte(out, 1 << 3);
        sn_buf_byte(out, (uint8_t)code);
    }
    if (message.len) put_bytes(out, 2, message);
    sn_buf_str(out, details);
}

void sn_grpc_detail_put(struct sn_buf *out, struct sn_str type_name, struct sn_str value)
{
    static const struct sn_str prefix = SN_STR_INIT("type.googleapis.com/");
    uint8_t n[10];
    size_t url = prefix.len + type_name.len;
    size_t any = 1 + sn_varint_len(url) + url;
    if (value.len) any += 1 + sn_varint_len(value.len) + value.len;
    sn_buf_byte(out, 3 << 3 | 2);
    sn_buf_put(out, n, sn_varint_put(n, any));
    sn_buf_byte(out, 1 << 3 | 2);
    sn_buf_put(out, n, sn_varint_put(n, url));
    sn_buf_str(out, prefix);
    sn_buf_str(out, type_name);
    if (value.len) put_bytes(out, 2, value);
}

/* ---- trailers as text ------------------------------------------------------------------------- */

void sn_grpc_web_trailers_put(struct sn_buf *out, const struct sn_http_headers *t)
{
    for (unsigned i = 0; i < t->len; i++) {
        sn_buf_str(out, t->ptr[i].name);
        sn_buf_cstr(out, ": ");
        sn_buf_str(out, t->ptr[i].value);
        sn_buf_cstr(out, "\r\n");
    }
}

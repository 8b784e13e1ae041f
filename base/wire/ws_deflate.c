/* SPDX-License-Identifier: Apache-2.0 */
/* wire/ws_deflate.c - compressed WebSocket messages (RFC 7692), always without context takeover:
 * between messages a connection keeps no compressor, which would be 300 KiB for each idle one. */
#include "wire/ws.h"
#include "wire/zlib_int.h"

/* ---- negotiation ---------------------------------------------------------------------------- */

struct params {
    bool server_no_context, client_no_context, server_bits_given, client_bits_given;
    unsigned server_bits, client_bits; /* 0 = without a value */
};

static bool bits_of(struct sn_str v, unsigned *ret)
{
    uint64_t n;
    if (v.len >= 2 && v.ptr[0] == '"' && v.ptr[v.len - 1] == '"') v = sn_str_sub(v, 1, v.len - 1);
    if (!v.len || v.ptr[0] == '0' || sn_str_to_u64(v, &n) < 0 || n < 8 || n > 15) return false;
    *ret = (unsigned)n;
    return true;
}

static bool once(bool *given)
{
    bool first = !*given;
    *given = true;
    return first;
}

/* One extension with its parameters. Returns whether it is permessage-deflate and well formed. */
static bool params_of(struct sn_str ext, struct params *ret)
{
    struct params p = {0};
    if (!sn_str_ieq(sn_str_trim(sn_str_cut(&ext, ';')), SN_STR("permessage-deflate"))) return false;
    while (ext.ptr) {
        struct sn_str value = sn_str_trim(sn_str_cut(&ext, ';'));
        struct sn_str name = sn_str_trim(sn_str_cut(&value, '='));
        bool ok = false;
        value = sn_str_trim(value);
        if (sn_str_ieq(name, SN_STR("server_no_context_takeover")))
            ok = once(&p.server_no_context) && !value.ptr;
        else if (sn_str_ieq(name, SN_STR("client_no_context_takeover")))
            ok = once(&p.client_no_context) && !value.ptr;
        else if (sn_str_ieq(name, SN_STR("server_max_window_bits")))
            ok = once(&p.server_bits_given) && bits_of(value, &p.server_bits);
        else if (sn_str_ieq(name, SN_STR("client_max_window_bits")))
            ok = once(&p.client_bits_given) && (!value.ptr || bits_of(value, &p.client_bits));
        if (!ok) return false;
    }
    *ret = p;
    return true;
}

bool sn_ws_deflate_offered(struct sn_str offers, unsigned *ret_window_bits,
                           char ret_answer[SN_WS_DEFLATE_ANSWER_MAX])
{
    struct params p;
    while (offers.ptr) {
        /* zlib has no window of 256 bytes: such an offer is left to the client's next one. */
        if (!params_of(sn_str_cut(&offers, ','), &p) || p.server_bits == 8) continue;
        struct sn_buf b;
        sn_buf_init_fixed(&b, ret_answer, SN_WS_DEFLATE_ANSWER_MAX);
        sn_buf_cstr(&b, "permessage-deflate; server_no_context_takeover; "
                        "client_no_context_takeover");
        if (p.server_bits_given) sn_buf_printf(&b, "; server_max_window_bits=%u", p.server_bits);
        (void)!sn_buf_cz(&b);
        *ret_window_bits = p.server_bits_given ? p.server_bits : 15;
        return true;
    }
    return false;
}

bool sn_ws_deflate_answered(struct sn_str answer)
{
    struct params p;
    /* A window for the client cannot be answered, as none was offered. */
    return params_of(answer, &p) && p.server_no_context && !p.client_bits_given;
}

/* ---- messages ------------------------------------------------------------------------------- */

int sn_ws_deflate(struct sn_str in, unsigned window_bits, struct sn_buf *out)
{
    z_stream z = WIRE_Z_STREAM;
    /* A window beyond the message is memory for nothing. */
    unsigned bits = 9;
    while (bits < window_bits && bits < 15 && (1u << bits) < in.len) bits++;
    if (in.len > UINT32_MAX / 2) return SN_E_TOO_LARGE;
    int level = Z_DEFAULT_COMPRESSION, mem = (int)bits - 7;
    if (deflateInit2(&z, level, Z_DEFLATED, -(int)bits, mem, Z_DEFAULT_STRATEGY) != Z_OK)
        return SN_E_NOMEM;
    size_t before = out->len, bound = deflateBound(&z, (uLong)in.len) + 16;
    int r = sn_buf_reserve(out, bound);
    if (r == 0) {
        z.next_in = (Bytef *)in.ptr;
        z.avail_in = (uInt)in.len;
        z.next_out = out->ptr + out->len;
        z.avail_out = (uInt)bound;
        int e = deflate(&z, Z_SYNC_FLUSH);
        size_t n = bound - z.avail_out;
        /* A flush ends in the empty block 00 00 ff ff, which both sides leave out. */
        if (e != Z_OK || z.avail_in || !z.avail_out || n < 4) r = SN_E_INTERNAL;
        else out->len = before + n - 4;
    }
    deflateEnd(&z);
    return r;
}

/* Everything of z.next_in. Returns 0, SN_E_SYNTAX, SN_E_TOO_LARGE, SN_E_NOMEM. */
static int inflate_all(z_stream *z, size_t begin, size_t bytes_max, struct sn_buf *out)
{
    while (z->avail_in) {
        int e, r = wire_inflate(z, Z_SYNC_FLUSH, begin, bytes_max, out, &e);
        if (r < 0) return r;
        if (e == Z_STREAM_END && inflateReset(z) == Z_OK) continue; /* a final block; more may come */
        if (e != Z_OK && e != Z_BUF_ERROR) return SN_E_SYNTAX;
    }
    return 0;
}

int sn_ws_inflate(struct sn_str in, size_t bytes_max, struct sn_buf *out)
{
    static const uint8_t tail[4] = {0, 0, 0xff, 0xff};
    z_stream z = WIRE_Z_STREAM;
    size_t begin = out->len;
    if (in.len > UINT32_MAX / 2) return SN_E_TOO_LARGE;
    if (inflateInit2(&z, -15) != Z_OK) return SN_E_NOMEM;
    z.next_in = (Bytef *)in.ptr;
    z.avail_in = (uInt)in.len;
    int r = inflate_all(&z, begin, bytes_max, out);
    z.next_in = (Bytef *)tail;
    z.avail_in = sizeof(tail);
    if (r == 0) r = inflate_all(&z, begin, bytes_max, out);
    /* Between two blocks, or the message was cut: bit 7 of data_type says so. */
    if (r == 0 && !(z.data_type & 128)) r = SN_E_SYNTAX;
    inflateEnd(&z);
    return r;
}

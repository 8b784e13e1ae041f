/* SPDX-License-Identifier: Apache-2.0 */
/* wire/grpc_pack.c - compression of single messages by zlib. */
#include "wire/grpc.h"
#include "wire/zlib_int.h"

int sn_grpc_encoding_of(struct sn_str name)
{
    if (name.len == 0 || sn_str_eqc(name, "identity")) return SN_GRPC_IDENTITY;
    if (sn_str_eqc(name, "gzip")) return SN_GRPC_GZIP;
    if (sn_str_eqc(name, "deflate")) return SN_GRPC_DEFLATE;
    return SN_E_UNIMPLEMENTED;
}

struct sn_str sn_grpc_encoding_name(enum sn_grpc_encoding e)
{
    switch (e) {
    case SN_GRPC_GZIP: return SN_STR("gzip");
    case SN_GRPC_DEFLATE: return SN_STR("deflate");
    default: return SN_STR("identity");
    }
}

/* "deflate" is zlib's format (RFC 1950), as everywhere in HTTP. */
static int window_bits(enum sn_grpc_encoding e) { return e == SN_GRPC_GZIP ? 15 + 16 : 15; }

int sn_grpc_pack(enum sn_grpc_encoding e, struct sn_str in, struct sn_buf *out)
{
    if (e == SN_GRPC_IDENTITY) return sn_buf_str(out, in);
    z_stream z = WIRE_Z_STREAM;
    if (in.len > UINT32_MAX / 2) return SN_E_TOO_LARGE;
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, window_bits(e), 8, Z_DEFAULT_STRATEGY))
        return SN_E_NOMEM;
    size_t bound = deflateBound(&z, (uLong)in.len);
    int r = sn_buf_reserve(out, bound);
    if (r == 0) {
        z.next_in = (Bytef *)in.ptr;
        z.avail_in = (uInt)in.len;
        z.next_out = out->ptr + out->len;
        z.avail_out = (uInt)bound;
        if (deflate(&z, Z_FINISH) == Z_STREAM_END)
            out->len += bound - z.avail_out;
        else
            r = SN_E_INTERNAL;
    }
    deflateEnd(&z);
    return r;
}

static int inflate_to(z_stream *z, size_t bytes_max, struct sn_buf *out)
{
    size_t begin = out->len;
    for (;;) {
        int e, r = wire_inflate(z, Z_NO_FLUSH, begin, bytes_max, out, &e);
        if (r == SN_E_TOO_LARGE)
            return sn_fail(SN_E_RESOURCE_EXHAUSTED, "message decompresses to more than %zu bytes",
                           bytes_max);
        if (r < 0) return r;
        if (e == Z_STREAM_END)
            return z->avail_in ? sn_fail(SN_E_INTERNAL, "bytes behind a compressed message") : 0;
        if (e != Z_OK || (z->avail_in == 0 && z->avail_out))
            return sn_fail(SN_E_INTERNAL, "compressed message is damaged or cut");
    }
}

int sn_grpc_unpack(enum sn_grpc_encoding e, struct sn_str in, size_t bytes_max, struct sn_buf *out)
{
    if (e == SN_GRPC_IDENTITY) return sn_buf_str(out, in);
    z_stream z = WIRE_Z_STREAM;
    if (in.len > UINT32_MAX / 2) return SN_E_TOO_LARGE;
    if (inflateInit2(&z, window_bits(e)) != Z_OK) return SN_E_NOMEM;
    z.next_in = (Bytef *)in.ptr;
    z.avail_in = (uInt)in.len;
    int r = inflate_to(&z, bytes_max, out);
    inflateEnd(&z);
    return r;
}

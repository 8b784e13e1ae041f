/* SPDX-License-Identifier: Apache-2.0 */
#include "clusters/ttrpc/frame.h"

static uint32_t get_u32(const char *p)
{
    const uint8_t *b = (const uint8_t *)p;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void put_u32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

ssize_t sn_ttrpc_frame_parse(struct sn_str in, struct sn_ttrpc_frame *ret)
{
    *ret = (struct sn_ttrpc_frame){0};
    if (in.len < SN_TTRPC_HEAD_BYTES) return SN_E_AGAIN;
    ret->len = get_u32(in.ptr);
    ret->stream = get_u32(in.ptr + 4);
    ret->type = (uint8_t)in.ptr[8];
    ret->flags = (uint8_t)in.ptr[9];
    if (ret->len > SN_TTRPC_DATA_MAX) return SN_E_TOO_LARGE;
    if (in.len - SN_TTRPC_HEAD_BYTES < ret->len) return SN_E_AGAIN;
    ret->data = sn_str_of(in.ptr + SN_TTRPC_HEAD_BYTES, ret->len);
    return (ssize_t)(SN_TTRPC_HEAD_BYTES + ret->len);
}

size_t sn_ttrpc_frame_begin(struct sn_buf *out)
{
    static const uint8_t room[SN_TTRPC_HEAD_BYTES];
    size_t at = out->len;
    sn_buf_put(out, room, sizeof(room));
    return at;
}

int sn_ttrpc_frame_end(struct sn_buf *out, size_t at, uint32_t stream, uint8_t type, uint8_t flags)
{
    if (out->err < 0) return out->err;
    size_t len = out->len - at - SN_TTRPC_HEAD_BYTES;
    if (len > SN_TTRPC_DATA_MAX) {
        out->len = at;
        return sn_fail(SN_E_TOO_LARGE, "ttrpc: a message of %zu bytes, at most %u can be sent", len,
                       SN_TTRPC_DATA_MAX);
    }
    uint8_t *p = out->ptr + at;
    put_u32(p, (uint32_t)len);
    put_u32(p + 4, stream);
    p[8] = type;
    p[9] = flags;
    return 0;
}

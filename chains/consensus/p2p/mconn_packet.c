/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/p2p/mconn_packet.c - packets by hand, not by descriptor: at full speed there is one for
 * each kilobyte. */
#include "consensus/p2p/mconn_int.h"
#include "core/status.h"
#include "core/varint.h"

#define LENGTH_MAX 4 /* bytes of a packet's length: below 2^28 */
enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static void put_varint(struct sn_buf *out, uint64_t v)
{
    uint8_t b[SN_VARINT_MAX];
    sn_buf_put(out, b, sn_varint_put(b, v));
}
static size_t message_len(const struct mconn_packet *p)
{
    size_t n = 0;
    if (p->channel != 0) n += 1 + sn_varint_len((uint64_t)p->channel);
    if (p->eof) n += 2;
    if (p->data.len > 0) n += 1 + sn_varint_len(p->data.len) + p->data.len;
    return n;
}
size_t mconn_packet_max(uint32_t payload)
{
    size_t inner = 2 + 2 + 1 + sn_varint_len(payload) + payload;
    return 1 + sn_varint_len(inner) + inner;
}
void mconn_packet_put(struct sn_buf *out, const struct mconn_packet *p)
{
    size_t inner = p->kind == MCONN_MSG ? message_len(p) : 0;
    put_varint(out, 1 + sn_varint_len(inner) + inner);
    sn_buf_byte(out, (uint8_t)(p->kind << 3 | BYTES));
    put_varint(out, inner);
    if (p->kind != MCONN_MSG) return;
    if (p->channel != 0) {
        sn_buf_byte(out, 1 << 3 | VARINT);
        put_varint(out, (uint64_t)p->channel);
    }
    if (p->eof) sn_buf_put(out, (const uint8_t[]){2 << 3 | VARINT, 1}, 2);
    if (p->data.len == 0) return;
    sn_buf_byte(out, 3 << 3 | BYTES);
    put_varint(out, p->data.len);
    sn_buf_str(out, p->data);
}

/* One field of a message. */
struct field {
    uint64_t number, value; /* of a varint */
    unsigned wire;
    struct sn_str bytes;
};
/* Takes the first field off *in. Returns 0, SN_E_SYNTAX. */
static int get_field(struct sn_str *in, struct field *f)
{
    uint64_t tag, len;
    int n = sn_varint_get(*in, &tag);
    if (n <= 0) return SN_E_SYNTAX;
    *in = sn_str_from(*in, (size_t)n);
    f->number = tag >> 3;
    f->wire = tag & 7;
    f->value = 0;
    f->bytes = sn_str_of(in->ptr, 0);
    if (f->number == 0 || f->number > UINT32_MAX >> 3) return SN_E_SYNTAX;
    switch (f->wire) {
    case VARINT:
        n = sn_varint_get(*in, &f->value);
        if (n <= 0) return SN_E_SYNTAX;
        len = (uint64_t)n;
        break;
    case BYTES:
        n = sn_varint_get(*in, &len);
        if (n <= 0) return SN_E_SYNTAX;
        *in = sn_str_from(*in, (size_t)n);
        if (len > in->len) return SN_E_SYNTAX;
        f->bytes = sn_str_of(in->ptr, (size_t)len);
        break;
    case FIXED64: len = 8; break;
    case FIXED32: len = 4; break;
    default: return SN_E_SYNTAX;
    }
    if (len > in->len) return SN_E_SYNTAX;
    *in = sn_str_from(*in, (size_t)len);
    return 0;
}
static int get_message(struct sn_str in, struct mconn_packet *ret)
{
    struct field f;
    *ret = (struct mconn_packet){.kind = MCONN_MSG, .data = sn_str_of(in.ptr, 0)};
    while (in.len > 0) {
        int r = get_field(&in, &f);
        if (r < 0) return r;
        static const uint8_t wires[] = {0, VARINT, VARINT, BYTES};
        if (f.number > 3) continue;
        if (f.wire != wires[f.number]) return SN_E_SYNTAX;
        if (f.number == 1)
            ret->channel = (int32_t)(uint32_t)f.value;
        else if (f.number == 2)
            ret->eof = f.value != 0;
        else
            ret->data = f.bytes;
    }
    return 0;
}
/* The last of several kinds counts, as in any oneof; unknown fields are passed over. */
static int get_packet(struct sn_str in, struct mconn_packet *ret)
{
    struct field f;
    bool any = false;
    while (in.len > 0) {
        int r = get_field(&in, &f);
        if (r < 0) return r;
        if (f.number > MCONN_MSG) continue;
        if (f.wire != BYTES) return SN_E_SYNTAX;
        any = true;
        *ret = (struct mconn_packet){.kind = (enum mconn_kind)f.number};
        if (f.number == MCONN_MSG && (r = get_message(f.bytes, ret)) < 0) return r;
    }
    return any ? 0 : SN_E_SYNTAX;
}
ssize_t mconn_packet_get(struct sn_str in, size_t max, struct mconn_packet *ret)
{
    uint64_t len;
    int n = sn_varint_get(sn_str_sub(in, 0, LENGTH_MAX), &len);
    if (n == 0 && in.len < LENGTH_MAX) return 0;
    if (n <= 0)
        return sn_fail(SN_E_PROTOCOL, "packet: its length has more than %u bytes", LENGTH_MAX);
    if (len > max)
        return sn_fail(SN_E_PROTOCOL,
                       "packet of %llu bytes, limit %zu: is the peer's payload larger than ours?",
                       (unsigned long long)len, max);
    if (in.len - (size_t)n < len) return 0;
    if (get_packet(sn_str_sub(in, (size_t)n, (size_t)n + (size_t)len), ret) < 0)
        return sn_fail(SN_E_PROTOCOL, "packet of %llu bytes: neither ping, pong nor message",
                       (unsigned long long)len);
    return n + (ssize_t)len;
}

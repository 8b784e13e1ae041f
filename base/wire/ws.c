/* SPDX-License-Identifier: Apache-2.0 */
/* wire/ws.c - WebSocket frame codec (RFC 6455 section 5). */
#include "wire/ws.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "core/status.h"

void sn_ws_mask(uint8_t *dst, const uint8_t *src, size_t n, const uint8_t key[4], unsigned phase)
{
    uint8_t k[4] = {key[phase & 3], key[(phase + 1) & 3], key[(phase + 2) & 3],
                    key[(phase + 3) & 3]};
    uint32_t k32;
    memcpy(&k32, k, 4);
    size_t i = 0;
#ifdef __SSE2__
    const __m128i kv = _mm_set1_epi32((int)k32);
    for (; n - i >= 16; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(src + i));
        _mm_storeu_si128((__m128i *)(dst + i), _mm_xor_si128(v, kv));
    }
#endif
    for (; n - i >= 4; i += 4) {
        uint32_t v;
        memcpy(&v, src + i, 4);
        v ^= k32;
        memcpy(dst + i, &v, 4);
    }
    for (; i < n; i++) dst[i] = src[i] ^ k[i & 3];
}

size_t sn_ws_head_put(uint8_t out[SN_WS_HEAD_MAX], enum sn_ws_op op, bool fin, uint64_t len,
                      const uint8_t *key)
{
    size_t n = 2;
    out[0] = (uint8_t)((fin ? 0x80 : 0) | op);
    uint8_t m = key ? 0x80 : 0;
    if (len < 126) {
        out[1] = m | (uint8_t)len;
    } else if (len < 65536) {
        out[1] = m | 126;
        out[n++] = (uint8_t)(len >> 8);
        out[n++] = (uint8_t)len;
    } else {
        out[1] = m | 127;
        for (int s = 56; s >= 0; s -= 8) out[n++] = (uint8_t)(len >> s);
    }
    if (key) {
        memcpy(out + n, key, 4);
        n += 4;
    }
    return n;
}

bool sn_ws_code_valid(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

/* Unicode 15 table 3-7: only the second byte has bounds other than 80..bf. */
bool sn_utf8_feed(struct sn_utf8_state *s, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint8_t c = p[i];
        if (s->left) {
            if (c < s->lo || c > s->hi) return false;
            s->lo = 0x80;
            s->hi = 0xbf;
            s->left--;
            i++;
            continue;
        }
        uint64_t w;
        if (n - i >= 8 && (memcpy(&w, p + i, 8), (w & 0x8080808080808080ull) == 0)) {
            i += 8;
            continue;
        }
        i++;
        if (c < 0x80) continue;
        if (c < 0xc2 || c > 0xf4) return false;
        s->left = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
        s->lo = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
        s->hi = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    }
    return true;
}

void sn_ws_decoder_init(struct sn_ws_decoder *d, bool expect_mask, size_t message_bytes_max)
{
    *d = (struct sn_ws_decoder){
        .message_bytes_max = message_bytes_max ? message_bytes_max : SN_WS_MESSAGE_BYTES_MAX,
        .expect_mask = expect_mask,
        .head_need = 2,
    };
}

static int bad(struct sn_ws_decoder *d, int code, const char *why)
{
    d->why = why;
    return code;
}

/* The first two bytes: everything but the extended length and the key. */
static int head_first(struct sn_ws_decoder *d)
{
    uint8_t b0 = d->head[0], b1 = d->head[1];
    d->fin = b0 & 0x80;
    d->op = b0 & 0x0f;
    bool masked = b1 & 0x80;
    unsigned len = b1 & 0x7f;
    d->rsv1 = b0 & SN_WS_RSV1;
    /* Only the first frame of a message may say that the message is compressed. */
    bool may = d->deflate && (d->op == SN_WS_OP_TEXT || d->op == SN_WS_OP_BINARY);
    if (b0 & (may ? 0x30 : 0x70)) return bad(d, SN_E_PROTOCOL, "reserved bits set");
    if (masked != d->expect_mask)
        return bad(d, SN_E_PROTOCOL,
                   masked ? "masked frame from a server" : "unmasked client frame");
    if (d->op > SN_WS_OP_PONG || (d->op > SN_WS_OP_BINARY && d->op < SN_WS_OP_CLOSE))
        return bad(d, SN_E_PROTOCOL, "unknown opcode");
    if (d->op >= SN_WS_OP_CLOSE) {
        if (!d->fin) return bad(d, SN_E_PROTOCOL, "fragmented control frame");
        if (len > SN_WS_CONTROL_MAX) return bad(d, SN_E_PROTOCOL, "control frame over 125 bytes");
    } else if (d->op == SN_WS_OP_CONT) {
        if (!d->in_message) return bad(d, SN_E_PROTOCOL, "continuation without a message");
    } else if (d->in_message) {
        return bad(d, SN_E_PROTOCOL, "new message inside a fragmented one");
    }
    d->head_need = (uint8_t)(2 + (len == 126 ? 2 : len == 127 ? 8 : 0) + (masked ? 4 : 0));
    return 0;
}

static int head_done(struct sn_ws_decoder *d, const struct sn_buf *msg)
{
    unsigned len7 = d->head[1] & 0x7f, n = 2;
    uint64_t len = len7;
    if (len7 >= 126) {
        unsigned bytes = len7 == 126 ? 2 : 8;
        len = 0;
        for (unsigned i = 0; i < bytes; i++) len = len << 8 | d->head[n++];
        if (len < (len7 == 126 ? 126u : 65536u))
            return bad(d, SN_E_PROTOCOL, "length not in its shortest form");
        if (len >> 63) return bad(d, SN_E_PROTOCOL, "length over 63 bits");
    }
    if (d->head[1] & 0x80) memcpy(d->key, d->head + n, 4);
    d->left = len;
    d->phase = 0;
    d->in_frame = true;
    if (d->op >= SN_WS_OP_CLOSE) {
        d->control_len = 0;
        return 0;
    }
    if (d->op != SN_WS_OP_CONT) {
        d->message_op = d->op;
        d->compressed = d->rsv1;
        d->in_message = true;
        d->fragments = 0;
        d->utf8 = (struct sn_utf8_state){0};
    }
    if (++d->fragments > SN_WS_FRAGMENTS_MAX)
        return bad(d, SN_E_TOO_LARGE, "more fragments than the limit");
    if (len > d->message_bytes_max || msg->len > d->message_bytes_max - len)
        return bad(d, SN_E_TOO_LARGE, "message over the limit");
    return 0;
}

static int payload(struct sn_ws_decoder *d, struct sn_str *in, struct sn_buf *msg)
{
    size_t n = d->left < in->len ? (size_t)d->left : in->len;
    const uint8_t *src = (const uint8_t *)in->ptr;
    uint8_t *dst;
    if (d->op >= SN_WS_OP_CLOSE) {
        dst = d->control + d->control_len;
        d->control_len += (uint8_t)n;
    } else {
        int r = sn_buf_reserve(msg, n);
        if (r < 0) return bad(d, r, "no memory for the message");
        dst = msg->ptr + msg->len;
        msg->len += n;
    }
    if (n && d->expect_mask)
        sn_ws_mask(dst, src, n, d->key, d->phase);
    else if (n)
        memcpy(dst, src, n);
    bool text = d->op < SN_WS_OP_CLOSE && d->message_op == SN_WS_OP_TEXT && !d->compressed;
    if (text && !sn_utf8_feed(&d->utf8, dst, n))
        return bad(d, SN_E_SYNTAX, "text is not UTF-8");
    d->phase = (d->phase + (unsigned)(n & 3)) & 3;
    d->left -= n;
    *in = sn_str_from(*in, n);
    return 0;
}

static int close_frame(struct sn_ws_decoder *d)
{
    if (d->control_len == 0) {
        d->close_code = SN_WS_NO_STATUS;
        return SN_WS_OP_CLOSE;
    }
    if (d->control_len == 1) return bad(d, SN_E_PROTOCOL, "close frame of one byte");
    d->close_code = d->control[0] << 8 | d->control[1];
    if (!sn_ws_code_valid((unsigned)d->close_code)) return bad(d, SN_E_PROTOCOL, "bad close code");
    struct sn_str reason = sn_str_of((char *)d->control + 2, (size_t)d->control_len - 2);
    if (!sn_utf8_valid(reason)) return bad(d, SN_E_SYNTAX, "close reason is not UTF-8");
    return SN_WS_OP_CLOSE;
}

/* The frame's payload is complete. Returns an event, or 0 within a fragmented message. */
static int frame_end(struct sn_ws_decoder *d)
{
    d->in_frame = false;
    d->head_len = 0;
    d->head_need = 2;
    if (d->op == SN_WS_OP_CLOSE) return close_frame(d);
    if (d->op >= SN_WS_OP_CLOSE) return d->op;
    if (!d->fin) return 0;
    d->in_message = false;
    if (d->message_op == SN_WS_OP_TEXT && d->utf8.left)
        return bad(d, SN_E_SYNTAX, "text ends inside a character");
    return d->message_op;
}

int sn_ws_decode(struct sn_ws_decoder *d, struct sn_str *in, struct sn_buf *msg)
{
    int r;
    for (;;) {
        if (!d->in_frame) {
            while (d->head_len < d->head_need) {
                if (in->len == 0) return SN_E_AGAIN;
                size_t n = SN_MIN((size_t)(d->head_need - d->head_len), in->len);
                memcpy(d->head + d->head_len, in->ptr, n);
                *in = sn_str_from(*in, n);
                d->head_len += (uint8_t)n;
                if (d->head_len == 2 && d->head_need == 2 && (r = head_first(d)) < 0) return r;
            }
            if ((r = head_done(d, msg)) < 0) return r;
        }
        if (d->left) {
            if (in->len == 0) return SN_E_AGAIN;
            if ((r = payload(d, in, msg)) < 0) return r;
            if (d->left) return SN_E_AGAIN;
        }
        if ((r = frame_end(d)) != 0) return r;
    }
}

int sn_ws_error_code(int status)
{
    switch (status) {
    case SN_E_SYNTAX: return SN_WS_INVALID_DATA;
    case SN_E_TOO_LARGE: return SN_WS_TOO_BIG;
    case SN_E_PROTOCOL: return SN_WS_PROTOCOL_ERROR;
    default: return SN_WS_INTERNAL;
    }
}

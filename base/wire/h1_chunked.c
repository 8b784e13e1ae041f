/* SPDX-License-Identifier: Apache-2.0 */
/* wire/h1_chunked.c - the chunked transfer coding (RFC 9112 section 7.1), one byte class per state.
 * Strict: no white space around sizes, CR LF only, at most 16 hex digits. */
#include "core/buf.h"
#include "core/status.h"
#include "wire/h1.h"

enum {
    S_SIZE,      /* hex digits */
    S_EXT,       /* ";..." up to CR */
    S_SIZE_LF,
    S_DATA = SN_H1_CHUNKED_DATA,
    S_DATA_CR,
    S_DATA_LF,
    S_TRAILER,   /* at the start of a trailer line */
    S_TRAILER_IN,
    S_TRAILER_LF,
    S_END_LF,
};

static int fail(struct sn_h1_chunked *c, enum sn_h1_err e, int code)
{
    c->err = e;
    return code;
}

static int hex_of(unsigned char ch)
{
    if (ch >= '0' && ch <= '9') return ch - '0';
    ch |= 0x20;
    return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* Framing bytes count against what data has earned. */
static bool wasted(struct sn_h1_chunked *c)
{
    c->waste++;
    return c->waste > SN_H1_CHUNK_WASTE_MAX + c->total / 16 + 64;
}

static int trailer_byte(struct sn_h1_chunked *c, char ch, struct sn_buf *trailers)
{
    if (++c->trailer_bytes > SN_H1_TRAILER_BYTES_MAX)
        return fail(c, SN_H1_ERR_TRAILERS_LARGE, SN_E_TOO_LARGE);
    if (trailers && sn_buf_byte(trailers, (uint8_t)ch) < 0)
        return fail(c, SN_H1_ERR_NOMEM, trailers->err);
    return 0;
}

static int size_byte(struct sn_h1_chunked *c, unsigned char ch)
{
    int d = hex_of(ch);
    if (d >= 0) {
        if (c->digits == 16 || c->left >> 59) return fail(c, SN_H1_ERR_CHUNK_SIZE, SN_E_PROTOCOL);
        c->left = c->left << 4 | (unsigned)d;
        c->digits++;
        return 0;
    }
    if (c->digits == 0 || (ch != ';' && ch != '\r'))
        return fail(c, SN_H1_ERR_CHUNK_SIZE, SN_E_PROTOCOL);
    c->state = ch == ';' ? S_EXT : S_SIZE_LF;
    return 0;
}

static int trailer_state(struct sn_h1_chunked *c, unsigned char ch, struct sn_buf *trailers)
{
    switch (c->state) {
    case S_TRAILER:
        if (ch == '\r') {
            c->state = S_END_LF;
            return 0;
        }
        if (ch == ' ' || ch == '\t' || ch == '\n') return fail(c, SN_H1_ERR_TRAILER, SN_E_PROTOCOL);
        c->state = S_TRAILER_IN;
        return trailer_byte(c, (char)ch, trailers);
    case S_TRAILER_IN:
        if (ch == '\r')
            c->state = S_TRAILER_LF;
        else if ((ch < 0x20 && ch != '\t') || ch == 0x7f)
            return fail(c, SN_H1_ERR_TRAILER, SN_E_PROTOCOL);
        return trailer_byte(c, (char)ch, trailers);
    default: /* S_TRAILER_LF */
        if (ch != '\n') return fail(c, SN_H1_ERR_TRAILER, SN_E_PROTOCOL);
        c->state = S_TRAILER;
        return trailer_byte(c, '\n', trailers);
    }
}

/* One byte of framing. Returns 0 to go on, 1 when the body has ended, < 0 failed. */
static int framing_byte(struct sn_h1_chunked *c, unsigned char ch, struct sn_buf *trailers)
{
    switch (c->state) {
    case S_SIZE:
        if (wasted(c)) return fail(c, SN_H1_ERR_CHUNK_EXT, SN_E_TOO_LARGE);
        return size_byte(c, ch);
    case S_EXT:
        if (wasted(c)) return fail(c, SN_H1_ERR_CHUNK_EXT, SN_E_TOO_LARGE);
        if (ch == '\r')
            c->state = S_SIZE_LF;
        else if ((ch < 0x20 && ch != '\t') || ch == 0x7f)
            return fail(c, SN_H1_ERR_CHUNK_SIZE, SN_E_PROTOCOL);
        return 0;
    case S_SIZE_LF:
        if (ch != '\n') return fail(c, SN_H1_ERR_CHUNK_SIZE, SN_E_PROTOCOL);
        c->digits = 0;
        c->state = c->left ? S_DATA : S_TRAILER;
        return 0;
    case S_DATA_CR:
        if (ch != '\r') return fail(c, SN_H1_ERR_CHUNK_END, SN_E_PROTOCOL);
        c->state = S_DATA_LF;
        return 0;
    case S_DATA_LF:
        if (ch != '\n') return fail(c, SN_H1_ERR_CHUNK_END, SN_E_PROTOCOL);
        c->state = S_SIZE;
        return 0;
    case S_END_LF:
        if (ch != '\n') return fail(c, SN_H1_ERR_TRAILER, SN_E_PROTOCOL);
        c->done = true;
        return 1;
    default: return trailer_state(c, ch, trailers);
    }
}

int sn_h1_chunked_next(struct sn_h1_chunked *c, struct sn_str *in, struct sn_str *ret_data,
                       struct sn_buf *trailers)
{
    if (c->done) return 0;
    while (in->len) {
        if (c->state == S_DATA) {
            size_t n = c->left < in->len ? (size_t)c->left : in->len;
            *ret_data = sn_str_sub(*in, 0, n);
            *in = sn_str_from(*in, n);
            c->left -= n;
            c->total += n;
            if (c->left == 0) c->state = S_DATA_CR;
            return 1;
        }
        unsigned char ch = (unsigned char)in->ptr[0];
        *in = sn_str_from(*in, 1);
        int r = framing_byte(c, ch, trailers);
        if (r) return r > 0 ? 0 : r;
    }
    return SN_E_AGAIN;
}

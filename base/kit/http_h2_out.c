/* SPDX-License-Identifier: Apache-2.0 */
/* kit/http_h2_out.c - what leaves an h2 connection: of the server, the HTTP client, gRPC's client. */
#include <sys/uio.h>

#include "kit/http_h2_int.h"

int h2_outbox_fill(struct h2_outbox *o, struct sn_h2 *s, struct sn_buf *out, struct sn_stream *st,
                   size_t max)
{
    sn_buf_reset(out);
    o->out = out;
    o->st = st;
    o->lent.n = 0;
    o->lent.bytes = 0;
    return sn_h2_send_lent(s, o->out, max, sn_stream_can_try(st) ? &o->lent : NULL);
}

/* What the kernel takes now of both. */
static ssize_t try_both(struct h2_outbox *o)
{
    struct iovec v[2 * SN_H2_LENT_MAX + 1];
    int n = 0;
    size_t at = 0;
    for (unsigned i = 0; i < o->lent.n; i++) {
        if (o->lent.piece[i].at > at)
            v[n++] = (struct iovec){o->out->ptr + at, o->lent.piece[i].at - at};
        at = o->lent.piece[i].at;
        v[n++] = (struct iovec){(char *)(uintptr_t)o->lent.piece[i].ptr, o->lent.piece[i].len};
    }
    if (o->out->len > at) v[n++] = (struct iovec){o->out->ptr + at, o->out->len - at};
    return sn_try_writev(o->st, v, n);
}

int h2_outbox_write(void *outbox)
{
    struct h2_outbox *o = outbox;
    size_t sent = 0;
    if (o->lent.n) {
        size_t all = o->out->len + o->lent.bytes;
        ssize_t n = try_both(o);
        if (n < 0 && n != SN_E_AGAIN) return (int)n;
        sent = n > 0 ? (size_t)n : 0;
        int r = sent < all ? sn_h2_lent_own(&o->lent, o->out) : 0;
        o->lent.n = 0;
        if (r < 0 || sent == all) return r;
    }
    ssize_t n = sn_write(o->st, o->out->ptr + sent, o->out->len - sent);
    return n < 0 ? (int)n : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/node/signer_link.h"

#include <stdio.h>

#include "core/alloc.h"
#include "core/varint.h"
#include "crypto/hash.h"
#include "fiber/sim.h"

#define READ_BYTES 4096

struct sn_signer_link {
    struct sn_stream *s;
    bool secret;
    struct sn_secret c;
    struct sn_buf in, out; /* in: messages in the clear, whole and begun ones */
    size_t taken;          /* of in: the message that was given out last */
};

int sn_signer_addr(const char *text, char *out, size_t cap)
{
    struct sn_str t = sn_str(text), rest = t;
    ssize_t at = sn_str_find(t, SN_STR("://"));
    struct sn_str scheme = at < 0 ? SN_STR("tcp") : sn_str_sub(t, 0, (size_t)at);
    if (at >= 0) rest = sn_str_from(t, (size_t)at + 3);
    if (!sn_str_eqc(scheme, "tcp") && !sn_str_eqc(scheme, "unix"))
        return sn_fail(SN_E_SYNTAX, "%s: expected tcp://HOST:PORT or unix://PATH", text);
    int n = snprintf(out, cap, "%.*s:%.*s", SN_STR_ARG(scheme), SN_STR_ARG(rest));
    if (n >= 0 && (size_t)n < cap) return 0;
    return sn_fail(SN_E_TOO_LARGE, "%s: an address of more than %zu bytes", text, cap - 1);
}

static int fresh(uint8_t ret[SN_X25519_LEN])
{
    if (!sn_sim_active()) return sn_secret_bytes(ret, SN_X25519_LEN);
    for (unsigned i = 0; i < SN_X25519_LEN / 8; i++) {
        uint64_t x = sn_random();
        memcpy(ret + (size_t)8 * i, &x, 8);
    }
    return 0;
}

static int flush(struct sn_signer_link *l)
{
    ssize_t n = l->out.len ? sn_write(l->s, l->out.ptr, l->out.len) : 0;
    sn_buf_reset(&l->out);
    return n < 0 ? (int)n : 0;
}

static int read_some(struct sn_signer_link *l)
{
    uint8_t raw[READ_BYTES];
    ssize_t n = sn_read(l->s, raw, sizeof(raw));
    if (n == 0) return sn_fail(SN_E_EOF, "the other side closed the connection");
    if (n < 0) return (int)n;
    return l->secret ? sn_secret_feed(&l->c, raw, (size_t)n, &l->out, &l->in)
                     : sn_buf_put(&l->in, raw, (size_t)n);
}

static int handshake(struct sn_signer_link *l, const uint8_t *key)
{
    uint8_t ephemeral[SN_X25519_LEN];
    int r = fresh(ephemeral);
    if (r >= 0) r = sn_secret_init(&l->c, key, ephemeral, &l->out);
    sn_wipe(ephemeral, sizeof(ephemeral));
    if (r < 0) return r;
    l->secret = true;
    while (r >= 0) {
        r = flush(l);
        if (r < 0 || l->c.state == SN_SECRET_OPEN) break;
        r = read_some(l);
    }
    return r;
}

int sn_signer_link_new(struct sn_stream *s, const uint8_t *key, struct sn_signer_link **ret)
{
    struct sn_signer_link *l = SN_NEW(struct sn_signer_link);
    if (!l) {
        sn_stream_close(s);
        return SN_E_NOMEM;
    }
    l->s = s;
    sn_buf_init(&l->in, SN_SIGNER_MSG_MAX + SN_VARINT_MAX + READ_BYTES);
    sn_buf_init(&l->out, 0);
    int r = key ? handshake(l, key) : 0;
    if (r < 0) {
        sn_signer_link_free(l);
        return r;
    }
    *ret = l;
    return 0;
}

void sn_signer_link_free(struct sn_signer_link *l)
{
    if (!l) return;
    if (l->secret) sn_secret_done(&l->c);
    sn_stream_close(l->s);
    sn_buf_done(&l->in);
    sn_buf_done(&l->out);
    sn_free(l);
}

const uint8_t *sn_signer_link_peer(const struct sn_signer_link *l)
{
    return l->secret ? l->c.peer : NULL;
}

int sn_signer_link_send(struct sn_signer_link *l, const struct sn_signer_msg *m)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    int r = sn_signer_msg_put(m, &b);
    if (r >= 0 && l->secret) r = sn_secret_seal(&l->c, b.ptr, b.len, &l->out);
    else if (r >= 0) r = sn_buf_put(&l->out, b.ptr, b.len);
    return r < 0 ? r : flush(l);
}

int sn_signer_link_recv(struct sn_signer_link *l, struct sn_arena *a, struct sn_signer_msg *ret)
{
    sn_buf_consume(&l->in, l->taken);
    l->taken = 0;
    for (;;) {
        ssize_t n = sn_signer_msg_get(sn_buf_view(&l->in), a, ret);
        if (n > 0) l->taken = (size_t)n;
        if (n != 0) return n < 0 ? (int)n : 0;
        int r = read_some(l);
        if (r < 0) return r;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/interop/p2p_peer.c - our node for tests/interop/p2p.sh. On channel 70 it sends every
 * message back; on channel 71 it digests what it gets and answers "END" with the digest.
 *
 *   p2p_peer serve             prints "listening ID@HOST:PORT", then what happens to each peer
 *   p2p_peer dial ADDR MIB     talks to a peer that does the same; prints "ok ..." or "FAIL ..."
 *
 * TAMPER_IN=N, TAMPER_OUT=N: a bit of the N-th byte read, or written, is another. */
#include <stdio.h>
#include <stdlib.h>

#include "consensus/p2p/peer.h"
#include "core/alloc.h"
#include "crypto/hash.h"
#include "fiber/sync.h"

#define ECHO 0x70
#define BULK 0x71
#define MESSAGES 200u
#define HEAD_MAX 6 /* a message is a protobuf wrapper of bytes: tag and length before it */

static const struct sn_mconn_channel channels[] = {
    {.id = ECHO, .priority = 5, .recv_bytes_max = 2 << 20},
    {.id = BULK, .priority = 1, .recv_bytes_max = 2 << 20}};
static uint8_t key[64];
static struct sn_node_info info = {.p2p_version = SN_P2P_VERSION,
                                   .block_version = SN_BLOCK_VERSION,
                                   .listen_addr = "127.0.0.1:26656",
                                   .network = "interop",
                                   .version = "0.38.25+sennit",
                                   .moniker = "sennit",
                                   .channels = {ECHO, BULK},
                                   .n_channels = 2};

static void must(int r, const char *what)
{
    if (r >= 0) return;
    printf("FAIL %s: %s\n", what, sn_diag_str(r));
    (void)fflush(stdout);
    exit(1);
}

/* ---- a stream that changes one bit
 * --------------------------------------------------------------- */

struct tamper {
    struct sn_stream base;
    struct sn_stream *under;
    int64_t in, out; /* bytes until the one; negative: never or done */
};
static void touch(int64_t *left, uint8_t *p, size_t n)
{
    if (*left >= 0 && *left < (int64_t)n) p[*left] ^= 0x10;
    *left -= (int64_t)n;
}
static ssize_t tamper_read(struct sn_stream *s, void *buf, size_t cap)
{
    struct tamper *t = (struct tamper *)s;
    ssize_t n = sn_read(t->under, buf, cap);
    if (n > 0) touch(&t->in, buf, (size_t)n);
    return n;
}
static ssize_t tamper_writev(struct sn_stream *s, struct iovec *iov, int n)
{
    struct tamper *t = (struct tamper *)s;
    for (int i = 0; i < n; i++) touch(&t->out, iov[i].iov_base, iov[i].iov_len);
    return sn_writev(t->under, iov, n);
}
static void tamper_close(struct sn_stream *s)
{
    struct tamper *t = (struct tamper *)s;
    sn_stream_close(t->under);
    sn_free(t);
}
static struct sn_stream *tampered(struct sn_stream *s)
{
    static const struct sn_stream_ops ops = {.kind = "tamper",
                                             .read = tamper_read,
                                             .writev = tamper_writev,
                                             .close = tamper_close};
    const char *in = getenv("TAMPER_IN"), *out = getenv("TAMPER_OUT");
    if (!in && !out) return s;
    struct tamper *t = SN_NEW(struct tamper);
    if (!t) exit(1);
    *t = (struct tamper){{&ops},
                         s,
                         in ? strtoll(in, NULL, 10) : -1,
                         out ? strtoll(out, NULL, 10) : -1};
    return &t->base;
}

/* ---- messages
 * ------------------------------------------------------------------------------------ */

static struct sn_str unwrap(struct sn_str m)
{
    size_t len = 0, at = 1;
    if (m.len == 0) return m; /* no bytes at all */
    for (unsigned shift = 0; at < m.len; shift += 7) {
        uint8_t c = (uint8_t)m.ptr[at++];
        len |= (size_t)(c & 127) << shift;
        if (c < 128) break;
    }
    if (m.ptr[0] != 0x0a || len != m.len - at) must(sn_fail(SN_E_PROTOCOL, "no bytes"), "message");
    return sn_str_from(m, at);
}
static int send_wrapped(struct sn_peer *p, uint8_t channel, const void *data, size_t n)
{
    struct sn_buf b = {0};
    if (n > 0) {
        sn_buf_byte(&b, 0x0a);
        for (size_t v = n;; v >>= 7) {
            sn_buf_byte(&b, (uint8_t)((v & 127) | (v >= 128 ? 128 : 0)));
            if (v < 128) break;
        }
        sn_buf_put(&b, data, n);
    }
    int r = b.err < 0 ? b.err : sn_peer_send(p, channel, b.ptr, b.len);
    sn_buf_done(&b);
    return r;
}

/* ---- serving
 * ------------------------------------------------------------------------------------- */

static int served(struct sn_peer *p, void *arg, uint8_t channel, struct sn_str message)
{
    struct sn_hasher *digest = arg;
    if (channel == ECHO) return sn_peer_send(p, channel, message.ptr, message.len);
    struct sn_str data = unwrap(message);
    if (sn_str_eqc(data, "END")) {
        uint8_t out[32];
        int r = sn_hasher_final(digest, out);
        return r < 0 ? r : send_wrapped(p, channel, out, sizeof(out));
    }
    sn_hasher_put(digest, data.ptr, data.len);
    return 0;
}
static struct sn_peer_opts opts_of(sn_peer_fn fn, void *arg)
{
    return (struct sn_peer_opts){.conn = {.key = key,
                                          .self = &info,
                                          .mconn = {.channels = channels, .n_channels = 2}},
                                 .on_message = fn,
                                 .arg = arg};
}
static int serve(void *arg)
{
    struct sn_listener *l;
    struct sn_stream *s;
    struct sn_peer *p;
    char at[64];
    must(sn_listen("tcp:127.0.0.1:0", NULL, &l), "listen");
    must(sn_listener_addr(l, at, sizeof(at)), "listen");
    printf("listening %s@%s\n", info.id, at);
    (void)fflush(stdout);
    int end;
    while ((end = sn_accept(l, &s)) == 0) {
        struct sn_hasher digest;
        must(sn_hasher_init(&digest, SN_SHA256), "digest");
        struct sn_peer_opts o = opts_of(served, &digest);
        int r = sn_peer_open(tampered(s), &o, &p);
        if (r < 0) {
            printf("no peer: %s\n", sn_diag_str(r));
        } else {
            printf("peer added %s %s\n", sn_peer_info(p)->id, sn_peer_info(p)->moniker);
            (void)fflush(stdout);
            r = sn_peer_run(p);
            printf("peer removed: %s\n", sn_diag_str(r));
            sn_peer_free(p);
        }
        sn_hasher_done(&digest);
        (void)fflush(stdout);
    }
    sn_listener_close(l);
    return end;
}

/* ---- dialling
 * ------------------------------------------------------------------------------------ */

static struct client {
    struct sn_peer *peer;
    unsigned mib, echoed;
    struct sn_sem echo;
    struct sn_event answered;
    uint8_t want[32], got[32];
} client;
/* Deterministic bytes of message i. */
static void bytes_of(unsigned i, uint8_t *to, size_t n)
{
    uint64_t x = i + 1;
    for (size_t k = 0; k < n; k++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        to[k] = (uint8_t)(x >> 56);
    }
}
static size_t length_of(unsigned i) { return i % 20 == 0 ? 1 << 20 : i * 37 % 3000; }
static int dialled(struct sn_peer *p, void *arg, uint8_t channel, struct sn_str message)
{
    static uint8_t want[1 << 20];
    struct sn_str data = unwrap(message);
    if (channel == BULK) {
        if (data.len == sizeof(client.got)) memcpy(client.got, data.ptr, sizeof(client.got));
        sn_event_set(&client.answered);
        return 0;
    }
    unsigned i = client.echoed++;
    bytes_of(i, want, length_of(i));
    if (!sn_str_eq(data, sn_str_of((char *)want, length_of(i))))
        must(sn_fail(SN_E_DATA_LOSS, "message %u came back changed", i), "echo");
    sn_sem_release(&client.echo, 1);
    return 0;
}
static int talk(void *arg)
{
    static uint8_t data[1 << 20];
    struct sn_hasher digest;
    for (unsigned i = 0; i < MESSAGES; i++) {
        bytes_of(i, data, length_of(i));
        must(send_wrapped(client.peer, ECHO, data, length_of(i)), "echo");
    }
    must(sn_sem_acquire(&client.echo, MESSAGES), "echo");
    printf("ok our %u messages come back\n", MESSAGES);
    must(sn_hasher_init(&digest, SN_SHA256), "digest");
    int64_t began = sn_now();
    bytes_of(7, data, sizeof(data));
    for (unsigned i = 0; i < client.mib; i++) {
        data[i] ^= (uint8_t)i;
        sn_hasher_put(&digest, data, sizeof(data));
        must(send_wrapped(client.peer, BULK, data, sizeof(data)), "bulk");
    }
    must(send_wrapped(client.peer, BULK, "END", 3), "bulk");
    must(sn_hasher_final(&digest, client.want), "digest");
    sn_hasher_done(&digest);
    must(sn_event_wait(&client.answered), "digest");
    if (memcmp(client.want, client.got, 32) != 0)
        must(sn_fail(SN_E_DATA_LOSS, "another digest"), "bulk");
    printf("ok we send %u MiB (%.0f MiB/s)\n", client.mib,
           (double)client.mib / ((double)(sn_now() - began) / SN_SEC));
    sn_peer_stop(client.peer, true);
    return 0;
}
static int dial(void *arg)
{
    char **argv = arg;
    struct sn_scope_storage mem;
    struct sn_peer_opts o = opts_of(dialled, NULL);
    char addr[200];
    (void)snprintf(addr, sizeof(addr), "%s", argv[2]);
    client.mib = (unsigned)strtoul(argv[3], NULL, 10);
    if (getenv("TAMPER_IN") || getenv("TAMPER_OUT")) {
        struct sn_stream *s;
        char where[220];
        (void)snprintf(where, sizeof(where), "tcp:%s", addr + SN_NODE_ID_LEN + 1);
        must(sn_dial(where, NULL, &s), "dial");
        must(sn_peer_open(tampered(s), &o, &client.peer), "open");
    } else {
        must(sn_peer_dial(addr, &o, &client.peer), "dial");
    }
    printf("ok we dial, the peer is %s\n", sn_peer_info(client.peer)->moniker);
    struct sn_scope *s = sn_scope_begin(&mem);
    must(sn_scope_go(s, "talk", talk, NULL), "talk");
    must(sn_peer_run(client.peer), "run");
    (void)sn_scope_end(s);
    sn_peer_free(client.peer);
    return 0;
}
int main(int argc, char **argv)
{
    if (argc < 2 || (strcmp(argv[1], "dial") == 0 && argc < 4)) {
        fprintf(stderr, "usage: p2p_peer serve | dial ID@HOST:PORT MIB\n");
        return 2;
    }
    must(sn_ed25519_generate(key), "key");
    must(sn_node_id(key + 32, info.id), "key");
    return sn_rt_run(NULL, strcmp(argv[1], "dial") == 0 ? dial : serve, argv) < 0;
}

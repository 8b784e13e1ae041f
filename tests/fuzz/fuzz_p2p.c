/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_p2p.c - a peer that says anything: before the keys, as sealed frames, as node info, as
 * packets. The verdict and what was delivered do not depend on the cuts, nothing is delivered
 * beyond its limit, and a packet that was read is written as one that reads the same. Byte 0: what
 * comes, and the cuts. */
#include <stdlib.h>

#include "consensus/p2p/mconn.h"
#include "consensus/p2p/mconn_int.h"
#include "consensus/p2p/node_info.h"
#include "consensus/p2p/secret.h"
#include "core/map.h"
#include "core/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MESSAGE_MAX 3000u
static const struct sn_mconn_channel channels[] = {{.id = 0, .recv_bytes_max = MESSAGE_MAX},
                                                   {.id = 0x20, .recv_bytes_max = MESSAGE_MAX}};

static int fold(void *arg, uint8_t channel, struct sn_str message)
{
    uint64_t *sum = arg;
    if (message.len > MESSAGE_MAX) abort();
    *sum = sn_hash(message.ptr ? message.ptr : "", message.len, *sum + channel + 1);
    return 0;
}
static int packets(const uint8_t *p, size_t n, size_t step, uint64_t *ret_sum)
{
    struct sn_mconn_opts o = {.channels = channels, .n_channels = 2, .payload = 1024};
    struct sn_mconn *m;
    uint64_t sum = 0;
    int r = 0;
    if (sn_mconn_new(&o, 0, &m) < 0) return 0;
    for (size_t at = 0; at < n && r == 0; at += step)
        r = sn_mconn_feed(m, 0, p + at, SN_MIN(step, n - at), fold, &sum);
    if (sn_mconn_has_news(m)) sum++;
    sn_mconn_free(m);
    *ret_sum = sum;
    return r;
}
static void packet(const uint8_t *p, size_t n)
{
    struct mconn_packet a, b;
    struct sn_buf out = {0};
    if (mconn_packet_get(sn_str_of((const char *)p, n), 2000, &a) <= 0) return;
    if (a.kind == MCONN_MSG && a.channel < 0) return; /* not one of those we write */
    mconn_packet_put(&out, &a);
    ssize_t k = mconn_packet_get(sn_buf_view(&out), 2000, &b);
    if (out.err == 0 && (k != (ssize_t)out.len || a.kind != b.kind)) abort();
    if (out.err == 0 && a.kind == MCONN_MSG &&
        (a.eof != b.eof || a.channel != b.channel || !sn_str_eq(a.data, b.data)))
        abort();
    sn_buf_done(&out);
}
static void node_info(const uint8_t *p, size_t n)
{
    static struct sn_node_info a, b;
    struct sn_buf out = {0};
    if (sn_node_info_get(sn_str_of((const char *)p, n), &a) <= 0) return;
    if (sn_node_info_check(&a) < 0) abort();
    if (sn_node_info_put(&a, &out) == 0) {
        if (sn_node_info_get(sn_buf_view(&out), &b) != (ssize_t)out.len ||
            memcmp(&a, &b, sizeof(a)) != 0)
            abort();
    }
    sn_buf_done(&out);
}
/* A peer that agreed on keys and seals what it likes, or one that did not. */
static int secret(const uint8_t *p, size_t n, size_t step, bool agreed, uint64_t *ret_sum)
{
    static uint8_t key[64];
    static const uint8_t ours[32] = {0, 1}, theirs[32] = {0, 2};
    struct sn_secret c, peer;
    struct sn_buf out = {0}, peer_out = {0}, plain = {0}, in = {0};
    if (key[32] == 0 && sn_ed25519_from_seed(key, ours) < 0) return 0;
    int r = sn_secret_init(&c, key, ours, &out);
    if (r == 0) r = sn_secret_init(&peer, key, theirs, &peer_out);
    if (agreed && r == 0) {
        r = sn_secret_feed(&c, peer_out.ptr, peer_out.len, &in, &plain);
        if (r == 0) r = sn_secret_feed(&peer, out.ptr, out.len, &peer_out, &plain);
        peer.sealed = 0;
        sn_buf_reset(&in);
        if (r == 0) r = sn_secret_seal(&peer, p, n, &in);
    } else if (r == 0) {
        r = sn_buf_put(&in, p, n);
    }
    for (size_t at = 0; at < in.len && r == 0; at += step)
        r = sn_secret_feed(&c, in.ptr + at, SN_MIN(step, in.len - at), &out, &plain);
    *ret_sum = sn_hash(plain.ptr ? plain.ptr : (uint8_t *)"", plain.len, c.state);
    sn_secret_done(&c);
    sn_secret_done(&peer);
    sn_buf_done(&out);
    sn_buf_done(&peer_out);
    sn_buf_done(&plain);
    sn_buf_done(&in);
    return r;
}
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    uint64_t a = 0, b = 0;
    int ra = 0, rb = 0;
    size_t step = (size_t)(data[0] >> 2) * 17 + 1;
    const uint8_t *p = data + 1;
    size_t n = size - 1;
    switch (data[0] & 3) {
    case 0:
        ra = packets(p, n, n + 1, &a);
        rb = packets(p, n, step, &b);
        packet(p, n);
        break;
    case 1: node_info(p, n); break;
    default: ra = secret(p, n, n + 2000, data[0] & 1, &a); rb = secret(p, n, step, data[0] & 1, &b);
    }
    if (ra != rb || a != b) abort();
    return 0;
}

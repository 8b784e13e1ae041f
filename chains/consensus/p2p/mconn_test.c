/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "consensus/p2p/mconn.h"
#include "consensus/p2p/mconn_int.h"
#include "core/alloc.h"
#include "core/enc.h"
#include "core/status.h"
#include "core/torture.h"
#include "harness/test.h"

static const struct sn_mconn_channel channels[] = {
    {.id = 0x00, .priority = 1},
    {.id = 0x20, .priority = 6},
    {.id = 0x21, .priority = 10, .recv_bytes_max = 100000},
    {.id = 0x30, .priority = 5, .messages_max = 3},
    {.id = 0xf0},
};
static struct sn_mconn_opts opts(void)
{
    return (struct sn_mconn_opts){.channels = channels, .n_channels = SN_COUNT_OF(channels)};
}
static struct sn_mconn *make(const struct sn_mconn_opts *o)
{
    struct sn_mconn *m;
    T_OK(sn_mconn_new(o, 0, &m));
    return m;
}
/* What arrived, as "ch:len:sum;". */
static int note_message(void *arg, uint8_t channel, struct sn_str message)
{
    unsigned sum = 0;
    for (size_t i = 0; i < message.len; i++) sum = sum * 31 + (uint8_t)message.ptr[i];
    return sn_buf_printf(arg, "%02x:%zu:%x;", channel, message.len, sum);
}

/* Encodings as CometBFT's: the bytes of its gogoproto. */
SN_TEST(mconn_packet_bytes)
{
    static const struct {
        struct mconn_packet p;
        const char *hex;
    } rows[] = {
        {{.kind = MCONN_PING}, "020a00"},
        {{.kind = MCONN_PONG}, "021200"},
        {{MCONN_MSG, true, 0x20, SN_STR_INIT("hello")}, "0d1a0b082010011a0568656c6c6f"},
        {{MCONN_MSG, false, 0x20, SN_STR_INIT("hello")}, "0b1a0908201a0568656c6c6f"},
        {{MCONN_MSG, true, 0x00, SN_STR_INIT("")}, "041a021001"},
        {{MCONN_MSG, true, 0xf0, SN_STR_INIT("x")}, "0a1a0808f00110011a0178"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_buf b = {0};
        struct mconn_packet got;
        char hex[100];
        sn_test_row("row %zu", i);
        mconn_packet_put(&b, &rows[i].p);
        T_STR(sn_str_of(hex, sn_hex_encode(b.ptr, b.len, hex)), rows[i].hex);
        for (size_t n = 0; n < b.len; n++)
            T_EQ(mconn_packet_get(sn_str_sub(sn_buf_view(&b), 0, n), 2000, &got), 0);
        T_EQ(mconn_packet_get(sn_buf_view(&b), 2000, &got), (ssize_t)b.len);
        T_EQ(got.kind, rows[i].p.kind);
        T_ASSERT(got.eof == rows[i].p.eof && got.channel == rows[i].p.channel &&
                 sn_str_eq(got.data, rows[i].p.data));
        sn_buf_done(&b);
    }
    T_EQ(mconn_packet_max(1024), 1034); /* what CometBFT computes for its default */
}
SN_TEST(mconn_packet_refuses)
{
    static const struct {
        const char *hex;
        int want;
    } rows[] = {
        {"00", SN_E_PROTOCOL},                     /* nothing in it */
        {"022200", SN_E_PROTOCOL},                 /* a field that is none of the three, alone */
        {"020801", SN_E_PROTOCOL},                 /* ping as a number */
        {"041a030801", SN_E_PROTOCOL},             /* longer inside than outside */
        {"041a02080a", 5},                         /* channel 10 */
        {"041a021203", SN_E_PROTOCOL},             /* eof as bytes */
        {"051a03080100", SN_E_PROTOCOL},           /* field 0 */
        {"0a1a080a0608ffffffffff", SN_E_PROTOCOL}, /* channel as bytes */
        {"ffffff7f", SN_E_PROTOCOL},               /* beyond the limit */
        {"ffffffffff01", SN_E_PROTOCOL},
        {"061a0432020801", 7}, /* an unknown field */
        {"0b1a09080132050102030405", 12},
        {"041a020a00", SN_E_PROTOCOL},
        {"041200", 0},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        uint8_t in[64];
        struct mconn_packet p;
        sn_test_row("row %zu: %s", i, rows[i].hex);
        T_OK(sn_hex_decode(sn_str(rows[i].hex), in));
        T_EQ(mconn_packet_get(sn_str_of((char *)in, strlen(rows[i].hex) / 2), 1034, &p),
             rows[i].want);
    }
}

/* Any messages on any channels, cut anywhere, arrive whole and in order per channel. */
SN_TEST(mconn_delivers)
{
    for (unsigned round = 0; round < sn_test_cases(40); round++) {
        struct sn_mconn_opts o = opts();
        if (round % 3 == 1) o.payload = 100;
        struct sn_mconn *a = make(&o), *b = make(&o);
        struct sn_buf wire = {0}, got = {0}, want[5] = {0}, seen[5] = {0};
        unsigned sent = 0, messages = 60;
        while (sent < messages || sn_mconn_pending(a)) {
            while (sent < messages && sn_test_rand() % 4) {
                unsigned k = (unsigned)sn_test_rand_below(5);
                size_t n = sn_test_rand_below(round % 2 ? 40 : 9000);
                uint8_t *data = malloc(n + 1);
                for (size_t i = 0; i < n; i++) data[i] = (uint8_t)sn_test_rand();
                int r = sn_mconn_send(a, channels[k].id, data, n);
                T_ASSERT(r == 0 || (r == SN_E_BUSY && k == 3));
                if (r == 0)
                    (void)note_message(&want[k], channels[k].id, sn_str_of((char *)data, n)),
                        sent++;
                free(data);
            }
            T_OK(sn_mconn_pull(a, 0, &wire, 1 + sn_test_rand_below(20000) + 1100));
            size_t n = sn_test_rand_below(wire.len + 1);
            T_OK(sn_mconn_feed(b, 0, wire.ptr, n, note_message, &got));
            sn_buf_consume(&wire, n);
        }
        T_OK(sn_mconn_feed(b, 0, wire.ptr, wire.len, note_message, &got));
        for (struct sn_str in = sn_buf_view(&got); in.len > 0;) {
            size_t n = (size_t)sn_str_chr(in, ';') + 1;
            for (unsigned k = 0; k < 5; k++) {
                char id[4];
                snprintf(id, sizeof(id), "%02x:", channels[k].id);
                if (sn_str_starts(in, sn_str(id))) sn_buf_str(&seen[k], sn_str_sub(in, 0, n));
            }
            in = sn_str_from(in, n);
        }
        for (unsigned k = 0; k < 5; k++) {
            T_ASSERTF(sn_str_eq(sn_buf_view(&seen[k]), sn_buf_view(&want[k])), "channel %02x",
                      channels[k].id);
            sn_buf_done(&seen[k]);
            sn_buf_done(&want[k]);
        }
        struct sn_mconn_stats st;
        sn_mconn_stats(a, &st);
        T_EQ(st.messages_sent, messages);
        T_EQ(st.queued_bytes, 0);
        sn_mconn_stats(b, &st);
        T_EQ(st.messages_received, messages);
        sn_buf_done(&wire);
        sn_buf_done(&got);
        sn_mconn_free(a);
        sn_mconn_free(b);
    }
}
/* While both have something, channels send by their priorities; a vote overtakes a long block. */
SN_TEST(mconn_priorities)
{
    struct sn_mconn_opts o = opts();
    struct sn_mconn *a = make(&o);
    struct sn_buf wire = {0};
    static char block[900000];
    T_OK(sn_mconn_send(a, 0x21, block, sizeof(block)));
    T_OK(sn_mconn_send(a, 0x00, block, sizeof(block)));
    T_OK(sn_mconn_pull(a, 0, &wire, 600000));
    size_t by[256] = {0};
    for (size_t at = 0; at < wire.len;) {
        struct mconn_packet p;
        ssize_t n = mconn_packet_get(sn_str_from(sn_buf_view(&wire), at), 1035, &p);
        T_ASSERT(n > 0);
        by[p.channel] += (size_t)n;
        at += (size_t)n;
    }
    T_ASSERTF(by[0x21] > 9 * by[0] && by[0x21] < 11 * by[0], "%zu and %zu", by[0x21], by[0]);
    sn_buf_reset(&wire);
    T_OK(sn_mconn_send(a, 0x20, "vote", 4));
    T_OK(sn_mconn_pull(a, 0, &wire, 1100));
    struct mconn_packet p;
    T_ASSERT(mconn_packet_get(sn_buf_view(&wire), 1035, &p) > 0);
    T_STR(p.data, "vote");
    sn_buf_done(&wire);
    sn_mconn_free(a);
}
SN_TEST(mconn_limits)
{
    struct sn_mconn_opts o = opts();
    o.queue_bytes_max = 10000;
    struct sn_mconn *a = make(&o), *b = make(&o);
    struct sn_buf wire = {0}, got = {0};
    static char data[100001];
    for (unsigned i = 0; i < 3; i++) T_OK(sn_mconn_send(a, 0x30, "x", 1));
    T_EQ(sn_mconn_send(a, 0x30, "x", 1), SN_E_BUSY);
    T_ASSERT(!sn_mconn_can_send(a, 0x30, 1) && sn_mconn_can_send(a, 0x20, 1));
    T_EQ(sn_mconn_send(a, 0x31, "x", 1), SN_E_NOT_FOUND);
    T_EQ(sn_mconn_send(a, 0x20, data, 9998), SN_E_BUSY);
    T_OK(sn_mconn_send(a, 0x20, data, 9997));
    T_EQ(sn_mconn_send(a, 0x20, data, 1), SN_E_BUSY);
    T_OK(sn_mconn_pull(a, 0, &wire, 1 << 20));
    T_OK(sn_mconn_send(a, 0x21, data, 100000)); /* alone it may be longer than all */
    T_OK(sn_mconn_pull(a, 0, &wire, 1 << 20));
    T_OK(sn_mconn_feed(b, 0, wire.ptr, wire.len, note_message, &got));
    sn_buf_reset(&wire);
    T_OK(sn_mconn_send(a, 0x21, data, 100001));
    T_OK(sn_mconn_pull(a, 0, &wire, 1 << 20));
    T_EQ(sn_mconn_feed(b, 0, wire.ptr, wire.len, note_message, &got), SN_E_TOO_LARGE);
    sn_buf_done(&wire);
    sn_mconn_free(b);
    /* A channel that is not ours, also one that is no byte. */
    for (unsigned i = 0; i < 3; i++) {
        static const int32_t ids[] = {0x31, 0x120, -1};
        b = make(&o);
        mconn_packet_put(&wire, &(struct mconn_packet){MCONN_MSG, true, ids[i], SN_STR("x")});
        T_EQ(sn_mconn_feed(b, 0, wire.ptr, wire.len, note_message, &got), SN_E_PROTOCOL);
        sn_buf_done(&wire);
        sn_mconn_free(b);
    }
    sn_buf_done(&got);
    sn_mconn_free(a);
}
SN_TEST(mconn_refuses_options)
{
    struct sn_mconn *m;
    struct sn_mconn_opts o = opts();
    o.n_channels = 0;
    T_EQ(sn_mconn_new(&o, 0, &m), SN_E_INVALID_ARGUMENT);
    o = opts();
    struct sn_mconn_channel twice[2] = {{.id = 1}, {.id = 1}};
    o.channels = twice, o.n_channels = 2;
    T_EQ(sn_mconn_new(&o, 0, &m), SN_E_INVALID_ARGUMENT);
    o = opts();
    o.ping_ns = 5, o.pong_ns = 5;
    T_EQ(sn_mconn_new(&o, 0, &m), SN_E_INVALID_ARGUMENT);
    o = opts();
    o.payload = SN_MCONN_PAYLOAD_MAX + 1;
    T_EQ(sn_mconn_new(&o, 0, &m), SN_E_INVALID_ARGUMENT);
}
SN_TEST(mconn_ping_and_pong)
{
    struct sn_mconn_opts o = opts();
    struct sn_mconn *a = make(&o), *b = make(&o);
    struct sn_buf wire = {0}, got = {0};
    T_EQ(sn_mconn_deadline(a, 0), SN_MCONN_PING_NS);
    int64_t now = SN_MCONN_PING_NS;
    T_OK(sn_mconn_note(a, now));
    T_EQ(sn_mconn_deadline(a, now), now);
    T_EQ(sn_mconn_pull(a, now, &wire, 100), 3);
    T_EQ(sn_mconn_deadline(a, now), now + SN_MCONN_PONG_NS);
    T_OK(sn_mconn_feed(b, now, wire.ptr, wire.len, note_message, &got));
    T_ASSERT(sn_mconn_has_news(b) && !sn_mconn_pending(b));
    T_OK(sn_mconn_note(b, now - 1));
    sn_buf_reset(&wire);
    T_EQ(sn_mconn_pull(b, now, &wire, 100), 3);
    T_OK(sn_mconn_feed(a, now, wire.ptr, wire.len, note_message, &got));
    T_OK(sn_mconn_note(a, now + SN_MCONN_PONG_NS));
    T_EQ(sn_mconn_deadline(a, now), 2 * SN_MCONN_PING_NS);
    /* Next time nobody answers. */
    now = 2 * SN_MCONN_PING_NS;
    T_OK(sn_mconn_note(a, now));
    T_EQ(sn_mconn_pull(a, now, &wire, 100), 3);
    T_OK(sn_mconn_note(a, now + SN_MCONN_PONG_NS - 1));
    T_EQ(sn_mconn_note(a, now + SN_MCONN_PONG_NS), SN_E_DEADLINE_EXCEEDED);
    sn_buf_done(&wire);
    sn_mconn_free(a);
    sn_mconn_free(b);
}
/* Over ten seconds as much passes as the rates say, and the deadlines lead there. */
SN_TEST(mconn_rates)
{
    struct sn_mconn_opts o = opts();
    o.send_rate = 500000;
    struct sn_mconn *a = make(&o);
    o.send_rate = 0, o.recv_rate = 250000;
    struct sn_mconn *b = make(&o);
    struct sn_buf wire = {0}, got = {0};
    static char data[20000];
    size_t sent = 0, taken = 0;
    unsigned steps = 0;
    for (int64_t now = 0; now < 10 * SN_SEC; steps++) {
        while (sn_mconn_can_send(a, 0x20, sizeof(data)))
            T_OK(sn_mconn_send(a, 0x20, data, sizeof(data)));
        ssize_t n = sn_mconn_pull(a, now, &wire, 1 << 20);
        T_OK(n);
        sent += (size_t)n;
        if (sn_mconn_read_at(b, now) <= now && wire.len > 0) {
            size_t k = SN_MIN(wire.len, 8192u);
            T_OK(sn_mconn_feed(b, now, wire.ptr, k, note_message, &got));
            sn_buf_consume(&wire, k);
            sn_buf_reset(&got);
            taken += k;
        }
        int64_t at = sn_mconn_deadline(a, now), read = sn_mconn_read_at(b, now);
        T_ASSERT(at > now && at < now + SN_SEC && read < now + SN_SEC);
        now = read > now ? SN_MIN(at, read) : SN_MIN(at, now + SN_MS);
    }
    T_ASSERTF(sent > 4900000 && sent < 5200000, "sent %zu", sent);
    T_ASSERTF(taken > 2450000 && taken < 2600000, "taken %zu", taken);
    T_ASSERTF(steps < 100000, "%u steps", steps);
    sn_buf_done(&wire);
    sn_buf_done(&got);
    sn_mconn_free(a);
    sn_mconn_free(b);
}
static int quiet_message(void *arg, uint8_t channel, struct sn_str message) { return 0; }
static int torture(void *arg)
{
    struct sn_mconn_opts o = opts();
    struct sn_mconn *a = NULL, *b = NULL;
    struct sn_buf wire = {0};
    static char data[3000];
    int r = sn_mconn_new(&o, 0, &a);
    if (r == 0) r = sn_mconn_new(&o, 0, &b);
    if (r == 0) r = sn_mconn_send(a, 0x20, data, sizeof(data));
    ssize_t n = r < 0 ? r : sn_mconn_pull(a, 0, &wire, 1 << 16);
    if (n > 0)
        r = sn_mconn_feed(b, 0, wire.ptr, wire.len, quiet_message, NULL);
    else
        r = (int)n;
    sn_buf_done(&wire);
    sn_mconn_free(a);
    sn_mconn_free(b);
    return r;
}
SN_TEST(mconn_without_memory)
{
    int n = sn_torture(torture, NULL);
    T_ASSERTF(n >= 5, "%s", sn_diag_str(n));
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "consensus/p2p/peer.h"
#include "core/status.h"
#include "fiber/sim.h"
#include "fiber/sync.h"
#include "harness/test.h"

static const struct sn_mconn_channel channels[] = {{.id = 0x20, .priority = 6},
                                                   {.id = 0x30, .priority = 1, .messages_max = 4}};
static void set_text(char *to, size_t cap, const char *text)
{
    T_ASSERT((size_t)snprintf(to, cap, "%s", text) < cap);
}
struct node {
    uint8_t key[64];
    struct sn_node_info info;
    struct sn_peer_opts opts;
};
static void node_init(struct node *n, uint8_t who, sn_peer_fn fn, void *arg)
{
    uint8_t seed[32] = {who};
    memset(n, 0, sizeof(*n));
    T_OK(sn_ed25519_from_seed(n->key, seed));
    n->info = (struct sn_node_info){.p2p_version = 8,
                                    .block_version = 11,
                                    .listen_addr = "127.0.0.1:1",
                                    .network = "net",
                                    .moniker = "m",
                                    .channels = {0x20, 0x30},
                                    .n_channels = 2};
    T_OK(sn_node_id(n->key + 32, n->info.id));
    n->opts = (struct sn_peer_opts){.conn = {.key = n->key,
                                             .self = &n->info,
                                             .mconn = {.channels = channels, .n_channels = 2}},
                                    .on_message = fn,
                                    .arg = arg};
}
#define MESSAGES 200
static struct world {
    struct node server, client;
    char addr[200];
    struct sn_listener *listener;
    unsigned echoed, seen;
    int server_end, client_end;
    uint64_t seed;
    unsigned workers;
} w;

static size_t length_of(unsigned i) { return i % 7 == 0 ? 20000 + i : i; }
static uint8_t byte_of(unsigned i, size_t k) { return (uint8_t)(i * 31 + k); }
static int echo(struct sn_peer *p, void *arg, uint8_t channel, struct sn_str message)
{
    w.echoed++;
    return sn_peer_send(p, channel, message.ptr, message.len);
}
static int expect_echo(struct sn_peer *p, void *arg, uint8_t channel, struct sn_str message)
{
    unsigned i = w.seen++;
    T_EQ(channel, 0x30);
    T_EQ(message.len, length_of(i));
    for (size_t k = 0; k < message.len; k++) T_EQ((uint8_t)message.ptr[k], byte_of(i, k));
    if (w.seen == MESSAGES) sn_peer_stop(p, true);
    return 0;
}
static int serve(void *arg)
{
    struct sn_stream *s;
    struct sn_peer *p;
    int r = sn_accept(w.listener, &s);
    if (r < 0) return r;
    r = sn_peer_open(s, &w.server.opts, &p);
    if (r < 0) {
        w.server_end = r;
        return 0;
    }
    w.server_end = sn_peer_run(p);
    sn_peer_free(p);
    return 0;
}
static int send_all(void *arg)
{
    struct sn_peer *p = arg;
    int r = 0;
    for (unsigned i = 0; i < MESSAGES && r == 0; i++) {
        size_t n = length_of(i);
        uint8_t *data = malloc(n + 1);
        for (size_t k = 0; k < n; k++) data[k] = byte_of(i, k);
        r = sn_peer_send(p, 0x30, data, n);
        free(data);
    }
    T_OK(r);
    T_EQ(sn_peer_send(p, 0x99, "x", 1), SN_E_NOT_FOUND);
    return 0;
}
static int talk(void *arg)
{
    struct sn_scope_storage mem;
    struct sn_peer *p;
    char at[64];
    T_OK(sn_listen(w.addr, NULL, &w.listener));
    T_OK(sn_listener_addr(w.listener, at, sizeof(at)));
    snprintf(w.addr, sizeof(w.addr), "tcp://%s@%s", w.server.info.id, at);
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_scope_go(s, "serve", serve, NULL));
    T_OK(sn_peer_dial(w.addr, &w.client.opts, &p));
    T_CSTR(sn_peer_info(p)->id, w.server.info.id);
    T_OK(sn_scope_go(s, "send", send_all, p));
    w.client_end = sn_peer_run(p);
    T_EQ(sn_peer_try_send(p, 0x20, "x", 1), SN_E_CLOSED);
    T_EQ(sn_peer_send(p, 0x20, "x", 1), SN_E_CLOSED);
    sn_peer_free(p);
    T_OK(sn_scope_end(s));
    sn_listener_close(w.listener);
    return 0;
}
static void check_talk(void)
{
    T_EQ(w.seen, MESSAGES);
    T_EQ(w.echoed, MESSAGES);
    T_EQ(w.client_end, 0);
    T_ASSERT(w.server_end == SN_E_EOF || w.server_end == SN_E_RESET);
}
SN_TEST(peer_echo_on_loopback)
{
    for (unsigned workers = 1; workers <= 2; workers++) {
        memset(&w, 0, sizeof(w));
        node_init(&w.server, 1, echo, NULL);
        node_init(&w.client, 2, expect_echo, NULL);
        set_text(w.addr, sizeof(w.addr), "tcp:127.0.0.1:0");
        T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = workers}, talk, NULL));
        check_talk();
    }
}
/* The same under simulated delay and loss, each seed the same every time. */
SN_TEST(peer_echo_in_simulation)
{
    for (unsigned i = 0; i < sn_test_cases(15); i++) {
        uint64_t hash[2];
        for (unsigned again = 0; again < 2; again++) {
            struct sn_sim_opts o = {.seed = sn_test_seed() + i, .loss = i % 3 ? 0.01 : 0};
            memset(&w, 0, sizeof(w));
            node_init(&w.server, 1, echo, NULL);
            node_init(&w.client, 2, expect_echo, NULL);
            set_text(w.addr, sizeof(w.addr), "tcp:10.0.0.1:26656");
            T_OK(sn_sim_run(&o, talk, NULL, &hash[again]));
            check_talk();
        }
        T_EQ(hash[0], hash[1]);
    }
}

/* A peer that vanishes without a word is noticed by the ping nobody answers. */
static struct sn_sim_host *far;
static int ignore(struct sn_peer *p, void *arg, uint8_t channel, struct sn_str message)
{
    return 0;
}
static void far_away(void *arg)
{
    struct sn_peer *p;
    T_OK(sn_peer_dial(w.addr, &w.client.opts, &p));
    (void)!sn_peer_run(p);
    sn_peer_free(p);
}
static int vanish(void *arg)
{
    struct sn_stream *s;
    struct sn_peer *p;
    T_OK(sn_listen("tcp:10.0.0.1:26656", &(struct sn_listen_opts){.user_timeout_ms = 3600000},
                   &w.listener));
    snprintf(w.addr, sizeof(w.addr), "%s@10.0.0.1:26656", w.server.info.id);
    far = sn_sim_host_new("far");
    T_OK(sn_sim_host_go(far, "far", far_away, NULL));
    T_OK(sn_accept(w.listener, &s));
    T_OK(sn_peer_open(s, &w.server.opts, &p));
    int64_t open = sn_now();
    sn_sim_crash(far);
    w.server_end = sn_peer_run(p);
    T_ASSERT(sn_now() - open <= SN_MCONN_PING_NS + SN_MCONN_PONG_NS + SN_SEC);
    sn_peer_free(p);
    sn_listener_close(w.listener);
    return 0;
}
SN_TEST(peer_vanishes)
{
    sn_test_allow_crash_leaks();
    memset(&w, 0, sizeof(w));
    node_init(&w.server, 1, ignore, NULL);
    node_init(&w.client, 2, ignore, NULL);
    T_OK(sn_sim_run(&(struct sn_sim_opts){.seed = 3}, vanish, NULL, NULL));
    T_ASSERT(w.server_end < 0);
}

/* Handshakes that never end, end: a mute stream, one that talks something else. */
static int mute(void *arg)
{
    struct sn_stream *s, *c;
    struct sn_peer *p;
    T_OK(sn_listen("tcp:127.0.0.1:0", NULL, &w.listener));
    char at[64], dial[80];
    T_OK(sn_listener_addr(w.listener, at, sizeof(at)));
    snprintf(dial, sizeof(dial), "tcp:%s", at);
    static const int want[] = {SN_E_DEADLINE_EXCEEDED, SN_E_PROTOCOL, SN_E_EOF};
    for (unsigned how = 0; how < 3; how++) {
        T_OK(sn_dial(dial, NULL, &c));
        T_OK(sn_accept(w.listener, &s));
        if (how == 1) T_OK(sn_write(c, "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", 37));
        if (how == 2) sn_stream_close(c);
        w.server.opts.handshake_ns = 100 * SN_MS;
        int r = sn_peer_open(s, &w.server.opts, &p);
        T_EQ(r, want[how]);
        if (how != 2) sn_stream_close(c);
    }
    T_EQ(sn_peer_dial("127.0.0.1:1", &w.client.opts, &p), SN_E_SYNTAX);
    T_EQ(sn_peer_dial("abc@127.0.0.1:1", &w.client.opts, &p), SN_E_SYNTAX);
    sn_listener_close(w.listener);
    return 0;
}
SN_TEST(peer_handshake_ends)
{
    memset(&w, 0, sizeof(w));
    node_init(&w.server, 1, ignore, NULL);
    node_init(&w.client, 2, ignore, NULL);
    T_OK(sn_rt_run(NULL, mute, NULL));
}

/* A peer that does not read: sending waits, and stop without flush ends it all. */
static int deaf_stop(void *arg)
{
    T_OK(sn_sleep(50 * SN_MS));
    sn_peer_stop(arg, false);
    return 0;
}
static int deaf_send(void *arg)
{
    static uint8_t data[1 << 20];
    int r = 0;
    while (r == 0) r = sn_peer_send(arg, 0x30, data, sizeof(data));
    T_EQ(r, SN_E_CLOSED);
    return 0;
}
static int never(struct sn_peer *p, void *arg, uint8_t channel, struct sn_str message)
{
    return sn_sleep(SN_HOUR);
}
static int deaf_serve(void *arg)
{
    struct sn_stream *s;
    struct sn_peer *p;
    T_OK(sn_accept(w.listener, &s));
    T_OK(sn_peer_open(s, &w.server.opts, &p));
    (void)!sn_peer_run(p);
    sn_peer_free(p);
    return 0;
}
static int deaf(void *arg)
{
    struct sn_scope_storage mem;
    struct sn_peer *p;
    char at[64];
    T_OK(sn_listen("tcp:127.0.0.1:0", NULL, &w.listener));
    T_OK(sn_listener_addr(w.listener, at, sizeof(at)));
    snprintf(w.addr, sizeof(w.addr), "%s@%s", w.server.info.id, at);
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_scope_go(s, "deaf", deaf_serve, NULL));
    T_OK(sn_peer_dial(w.addr, &w.client.opts, &p));
    struct sn_scope_storage mem2;
    struct sn_scope *s2 = sn_scope_begin(&mem2);
    T_OK(sn_scope_go(s2, "send", deaf_send, p));
    T_OK(sn_scope_go(s2, "stop", deaf_stop, p));
    T_EQ(sn_peer_run(p), 0);
    T_OK(sn_scope_end(s2));
    sn_peer_free(p);
    sn_scope_cancel(s);
    (void)sn_scope_end(s);
    sn_listener_close(w.listener);
    return 0;
}
SN_TEST(peer_that_does_not_read)
{
    memset(&w, 0, sizeof(w));
    node_init(&w.server, 1, never, NULL);
    node_init(&w.client, 2, ignore, NULL);
    T_OK(sn_rt_run(NULL, deaf, NULL));
}

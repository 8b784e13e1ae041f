/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/simnet_test.c - the simulated network: the same program over kernel and simulator, and
 * thousands of seeds with delay, loss, cuts and crashes, each run twice with equal hashes. */
#include <stdio.h>

#include "core/alloc.h"
#include "fiber/net.h"
#include "fiber/rt_int.h"
#include "fiber/sim.h"
#include "harness/test.h"

/* ---- one program, two worlds: a key-value server and its clients ---- */

/* Requests and answers are 8 bytes: sequence number, value. The server answers each once and
 * doubles the value; a stream must deliver every byte once and in order or break. */
struct msg {
    uint32_t seq, value;
};

static void kv_ready(struct sn_stream *s, void *arg, int why)
{
    struct msg m;
    while (why >= 0) {
        why = sn_read_full(s, &m, sizeof m);
        if (why < 0) break;
        m.value *= 2;
        ssize_t n = sn_write(s, &m, sizeof m);
        if (n < 0) why = (int)n;
        if (why >= 0 && !sn_stream_readable_now(s)) {
            sn_stream_park(s, sn_now() + 30 * SN_SEC, kv_ready, arg);
            return;
        }
    }
    sn_stream_close(s);
}

static struct sn_listener *_Atomic kv_listener;
static void kv_server(void *arg)
{
    struct sn_listener *l;
    if (sn_listen(arg, NULL, &l) < 0) return;
    kv_listener = l;
    (void)!sn_listener_serve(l, NULL, kv_ready, NULL);
    sn_listener_close(l);
}

/* kv_session - one connection, n requests. Returns how many were answered. */
static unsigned kv_session(const char *addr, unsigned n, int *ret_why)
{
    struct sn_stream *s;
    unsigned done = 0;
    int r = sn_dial(addr, NULL, &s);
    if (r < 0) {
        *ret_why = r;
        return 0;
    }
    for (; done < n; done++) {
        struct msg m = {done, done * 3 + 1}, got;
        ssize_t w = sn_write(s, &m, sizeof m);
        r = w < 0 ? (int)w : sn_read_full(s, &got, sizeof got);
        if (r < 0) break;
        T_EQ(got.seq, done);
        T_EQ(got.value, m.value * 2);
    }
    *ret_why = r;
    sn_stream_close(s);
    return done;
}

static void kv_server_keep(void *arg)
{
    struct sn_listener *l;
    T_OK(sn_listen(arg, NULL, &l));
    kv_listener = l;
    T_EQ(sn_listener_serve(l, NULL, kv_ready, NULL), 0);
}

static int both_worlds_once(void *arg)
{
    int why;
    char addr[SN_ADDR_TEXT_MAX];
    struct sn_scope_storage mem;
    struct sn_scope *sc = sn_scope_begin(&mem);
    kv_listener = NULL;
    T_OK(sn_go("server", kv_server_keep, ":0"));
    while (!kv_listener) T_OK(sn_sleep(SN_MS));
    T_OK(sn_listener_addr(kv_listener, addr, sizeof addr));
    for (int i = 0; i < 5; i++) T_EQ(kv_session(addr, 20, &why), 20);
    sn_listener_close(kv_listener);
    (void)sn_scope_end(sc);
    return 77;
}

SN_TEST(one_program_two_worlds)
{
    uint64_t h1, h2, h3;
    T_EQ(sn_rt_run(NULL, both_worlds_once, NULL), 77);
    struct sn_sim_opts o = {.seed = 5};
    T_EQ(sn_sim_run(&o, both_worlds_once, NULL, &h1), 77);
    T_EQ(sn_sim_run(&o, both_worlds_once, NULL, &h2), 77);
    T_EQ(h1, h2);
    o.seed = 6;
    T_EQ(sn_sim_run(&o, both_worlds_once, NULL, &h3), 77);
    T_ASSERT(h1 != h3);
}

/* ---- many seeds with faults ---- */

enum { CLIENTS = 4, SESSIONS = 6 };
struct world {
    struct sn_sim_host *server, *client[CLIENTS];
    unsigned answered, broken, running;
    char addr[64];
};
static struct world world;

static void chaos_client(void *arg)
{
    for (int i = 0; i < SESSIONS; i++) {
        int why = 0;
        int64_t d = sn_deadline_tighten(sn_now() + 60 * SN_SEC);
        world.answered += kv_session(world.addr, 10, &why);
        sn_deadline_restore(d);
        if (why < 0) {
            T_ASSERTF(why == SN_E_RESET || why == SN_E_REFUSED || why == SN_E_EOF ||
                          why == SN_E_DEADLINE_EXCEEDED || why == SN_E_UNAVAILABLE,
                      "unexpected %s", sn_status_name(why));
            world.broken++;
            T_OK(sn_sleep(100 * SN_MS));
        }
    }
    world.running--;
}

static int chaos_main(void *arg)
{
    world = (struct world){.server = sn_sim_host_new("server"), .running = CLIENTS};
    snprintf(world.addr, sizeof world.addr, "server:7000");
    T_OK(sn_sim_host_go(world.server, "server", kv_server, ":7000"));
    T_OK(sn_sleep(SN_MS));
    for (int i = 0; i < CLIENTS; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%d", i);
        world.client[i] = sn_sim_host_new(name);
        T_OK(sn_sim_host_go(world.client[i], name, chaos_client, NULL));
    }
    for (int round = 0; round < 12 && world.running; round++) {
        T_OK(sn_sleep((int64_t)(sn_sim_rand() % (uint64_t)(30 * SN_MS))));
        struct sn_sim_host *c = world.client[sn_sim_rand() % CLIENTS];
        switch (sn_sim_rand() % 4) {
        case 0:
            sn_sim_partition(world.server, c, true);
            T_OK(sn_sleep((int64_t)(sn_sim_rand() % (uint64_t)(40 * SN_SEC))));
            sn_sim_partition(world.server, c, false);
            break;
        case 1:
            sn_sim_crash(world.server);
            T_OK(sn_sleep((int64_t)(sn_sim_rand() % (uint64_t)(50 * SN_MS))));
            T_OK(sn_sim_host_go(world.server, "server", kv_server, ":7000"));
            break;
        case 2: sn_sim_link(world.server, c, SN_MS, 50 * SN_MS, 0.2); break;
        default: sn_sim_fault(c, sn_sim_rand() & 1 ? "dial" : "write", SN_E_RESET, 1);
        }
    }
    while (world.running) T_OK(sn_sleep(SN_SEC));
    return (int)(world.answered << 8 | world.broken);
}

SN_TEST_SLOW(a_thousand_seeds_of_chaos, 120)
{
    unsigned seeds = sn_test_cases(1000), answered = 0, broken = 0;
    for (unsigned i = 0; i < seeds; i++) {
        uint64_t h1, h2;
        struct sn_sim_opts o = {.seed = sn_test_seed() + i, .loss = i % 3 ? 0.02 : 0};
        sn_test_row("seed %llu", (unsigned long long)o.seed);
        int r1 = sn_sim_run(&o, chaos_main, NULL, &h1);
        T_ASSERTF(r1 >= 0, "%s", sn_diag_str(r1));
        answered += (unsigned)r1 >> 8;
        broken += (unsigned)r1 & 255;
        int r2 = sn_sim_run(&o, chaos_main, NULL, &h2);
        T_EQ(r1, r2);
        T_ASSERTF(h1 == h2, "two runs of one seed differ");
    }
    printf("%u seeds: %u requests answered, %u sessions broken\n", seeds, answered, broken);
    T_ASSERT(answered > seeds * 20 && broken > seeds / 2);
}

/* ---- single behaviours ---- */

static int sim(int (*fn)(void *))
{
    struct sn_sim_opts o = {.seed = sn_test_seed()};
    uint64_t h;
    int r = sn_sim_run(&o, fn, NULL, &h);
    T_ASSERTF(r >= 0, "%s", sn_diag_str(r));
    return r;
}

struct link_end {
    struct sn_stream *s;
    struct sn_listener *l;
    bool up;
};
static struct link_end srv;
static void accept_one(void *arg)
{
    T_OK(sn_listen(":9", NULL, &srv.l));
    T_OK(sn_accept(srv.l, &srv.s));
    srv.up = true;
    T_EQ(sn_sleep(SN_HOUR), SN_E_CANCELLED);
}
static struct sn_sim_host *far_pair(struct sn_stream **ret)
{
    memset(&srv, 0, sizeof srv);
    struct sn_sim_host *far = sn_sim_host_new("far");
    T_OK(sn_sim_host_go(far, "acceptor", accept_one, NULL));
    T_OK(sn_sleep(SN_MS));
    T_OK(sn_dial("far:9", NULL, ret));
    while (!srv.up) T_OK(sn_sleep(SN_MS));
    return far;
}
static struct sn_sim_host *here(void) { return sn_sim_host_find("10.0.0.1"); }

static int t_cut_breaks(void *arg)
{
    struct sn_stream *s;
    char b;
    struct sn_sim_host *far = far_pair(&s);
    sn_sim_partition(here(), far, true);
    int64_t t0 = sn_now();
    T_EQ(sn_write(s, "x", 1), 1); /* into the void */
    T_EQ(sn_read(s, &b, 1), SN_E_RESET);
    T_ASSERT(sn_now() - t0 >= 20 * SN_SEC && sn_now() - t0 < 21 * SN_SEC);
    T_EQ(sn_write(s, "x", 1), SN_E_RESET);
    sn_stream_close(s);
    struct sn_stream *again;
    T_EQ(sn_dial("far:9", NULL, &again), SN_E_UNAVAILABLE);
    sn_sim_partition(here(), far, false);
    T_OK(sn_sleep(SN_SEC));
    T_EQ(sn_read(srv.s, &b, 1), SN_E_RESET); /* the other side hears of it after the cut */
    return 0;
}
SN_TEST(long_cuts_break_streams)
{
    T_OK(sim(t_cut_breaks));
}

static int t_cut_heals(void *arg)
{
    struct sn_stream *s;
    char buf[4];
    struct sn_sim_host *far = far_pair(&s);
    sn_sim_partition(here(), far, true);
    T_EQ(sn_write(s, "ab", 2), 2);
    T_OK(sn_sleep(5 * SN_SEC));
    T_EQ(sn_write(s, "cd", 2), 2);
    sn_sim_partition(here(), far, false);
    T_OK(sn_read_full(srv.s, buf, 4));
    T_ASSERT(memcmp(buf, "abcd", 4) == 0);
    sn_stream_close(s);
    T_EQ(sn_read(srv.s, buf, 1), 0);
    sn_stream_close(srv.s);
    return 0;
}
SN_TEST(short_cuts_delay_and_keep_order)
{
    T_OK(sim(t_cut_heals));
}

static int t_crash(void *arg)
{
    struct sn_stream *s;
    char b;
    struct sn_sim_host *far = far_pair(&s);
    sn_sim_crash(far);
    T_EQ(sn_read(s, &b, 1), SN_E_RESET);
    sn_stream_close(s);
    T_EQ(sn_dial("far:9", NULL, &s), SN_E_REFUSED);
    T_EQ(sn_dial("nobody:9", NULL, &s), SN_E_NOT_FOUND);
    return 0;
}
SN_TEST(crash_resets_peers)
{
    T_OK(sim(t_crash));
}

struct flood {
    struct sn_stream *s;
    ssize_t result;
    bool done;
};
static void flood(void *arg)
{
    struct flood *f = arg;
    char *buf = sn_zalloc(1, 1 << 20);
    f->result = sn_write(f->s, buf, 1 << 20);
    sn_free(buf);
    f->done = true;
}
static int t_window(void *arg)
{
    struct sn_stream *s;
    far_pair(&s);
    struct flood f = {.s = s};
    T_OK(sn_go("flood", flood, &f));
    T_OK(sn_sleep(SN_SEC));
    T_ASSERT(!f.done); /* bounded: nobody reads */
    char buf[5000];
    for (size_t got = 0; got < 1 << 20;) {
        ssize_t n = sn_read(srv.s, buf, sizeof buf);
        T_ASSERT(n > 0);
        got += (size_t)n;
    }
    while (!f.done) T_OK(sn_sleep(SN_MS));
    T_EQ(f.result, 1 << 20);
    sn_stream_close(s);
    sn_stream_close(srv.s);
    return 0;
}
SN_TEST(windows_are_bounded)
{
    T_OK(sim(t_window));
}

static void drop_parked(struct sn_stream *s, void *arg, int why)
{
    *(int *)arg = why;
    sn_stream_close(s);
}
static int t_parked(void *arg)
{
    struct sn_stream *s;
    int why = 1;
    far_pair(&s);
    int64_t t0 = sn_now();
    sn_stream_park(s, t0 + SN_MINUTE, drop_parked, &why);
    T_ASSERT(sn_stream_unpark(s));
    sn_stream_park(s, t0 + SN_MINUTE, drop_parked, &why);
    while (why == 1) T_OK(sn_sleep(SN_SEC));
    T_EQ(why, SN_E_DEADLINE_EXCEEDED);
    T_ASSERT(sn_now() - t0 >= SN_MINUTE);
    why = 1;
    sn_stream_park(srv.s, SN_FOREVER, drop_parked, &why); /* the peer has closed */
    while (why == 1) T_OK(sn_sleep(SN_SEC));
    T_EQ(why, 0);
    return 0;
}
SN_TEST(parking_in_simulation)
{
    T_OK(sim(t_parked));
}

static unsigned got_dgrams;
static void udp_sink(void *arg)
{
    struct sn_udp *u;
    char buf[100], peer[SN_ADDR_TEXT_MAX];
    T_OK(sn_udp_open(":53", &u));
    for (;;) {
        ssize_t n = sn_udp_recv(u, buf, sizeof buf, peer, sizeof peer);
        if (n < 0) break;
        got_dgrams++;
        if (sn_udp_send(u, buf, (size_t)n, peer) < 0) break;
    }
    sn_udp_close(u);
}
static int t_udp(void *arg)
{
    struct sn_udp *u;
    char buf[100];
    unsigned back = 0;
    got_dgrams = 0;
    struct sn_sim_host *far = sn_sim_host_new("far");
    T_OK(sn_sim_host_go(far, "sink", udp_sink, NULL));
    sn_sim_link(here(), far, SN_MS, 20 * SN_MS, 0.3);
    T_OK(sn_udp_open(":0", &u));
    for (int i = 0; i < 500; i++) {
        T_EQ(sn_udp_send(u, &i, sizeof i, "far:53"), sizeof i);
        T_OK(sn_sleep(SN_MS));
    }
    int64_t d = sn_deadline_tighten(sn_now() + SN_SEC);
    while (sn_udp_recv(u, buf, sizeof buf, NULL, 0) >= 0) back++;
    sn_deadline_restore(d);
    T_ASSERTF(got_dgrams > 300 && got_dgrams < 400, "%u of 500 arrived at loss 0.3", got_dgrams);
    T_ASSERT(back > got_dgrams / 2 && back < got_dgrams);
    sn_sim_partition(here(), far, true);
    unsigned before = got_dgrams;
    for (int i = 0; i < 50; i++) T_OK((int)sn_udp_send(u, &i, sizeof i, "far:53"));
    T_OK(sn_sleep(SN_SEC));
    T_EQ(got_dgrams, before);
    sn_udp_close(u);
    return 0;
}
SN_TEST(datagrams_get_lost)
{
    T_OK(sim(t_udp));
}

static int t_fd(void *arg) { return sn_fd_wait(0, 1) == SN_E_UNIMPLEMENTED ? 0 : SN_E_INTERNAL; }
SN_TEST(no_kernel_descriptors_in_simulation)
{
    T_OK(sim(t_fd));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/simnet_test.c - the simulated network: the same program over kernel and simulator, and
 * thousands of seeds with delay, loss, cuts and crashes, each run twice with equal hashes. */
#include <stdio.h>

#include "core/alloc.h"
#include "fiber/net.h"
#include "fiber/net_int.h"
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

/* ---- RFC 8305: addresses that race ---- */

struct lane { /* what an attempt meets */
    int64_t after_ms;
    int result; /* 0: a stream */
};
struct closing {
    struct sn_stream s;
    bool closed;
};
static struct {
    struct lane lane[6];
    struct closing stream[6];
    int64_t began_ms[6], t0;
    unsigned n_begun, n_cancelled;
} track;
static void lane_close(struct sn_stream *s) { SN_CONTAINER_OF(s, struct closing, s)->closed = true; }
static const struct sn_stream_ops lane_ops = {.close = lane_close};
static int lane_run(void *arg, unsigned i, struct sn_stream **ret)
{
    const struct lane *l = &track.lane[i];
    track.began_ms[i] = (sn_now() - track.t0) / SN_MS;
    track.n_begun++;
    int r = sn_sleep(l->after_ms * SN_MS);
    if (r < 0) {
        track.n_cancelled += r == SN_E_CANCELLED;
        return r;
    }
    if (l->result < 0) return sn_fail(l->result, "lane %u", i);
    track.stream[i].s.ops = &lane_ops;
    *ret = &track.stream[i].s;
    return 0;
}
#define NEVER 3600000
static int t_race(void *arg)
{
    static const struct {
        const char *what;
        unsigned n;
        struct lane lane[4];
        int won, result; /* -1: nobody */
        int64_t took_ms, began_ms[4]; /* -1: not begun */
        int64_t deadline_ms;
    } rows[] = {
        {"the first answers", 2, {{30, 0}, {1, 0}}, 0, 0, 30, {0, -1}, 0},
        {"a black hole costs 250 ms", 2, {{NEVER, 0}, {20, 0}}, 1, 0, 270, {0, 250}, 0},
        {"two black holes, 500", 3, {{NEVER, 0}, {NEVER, 0}, {20, 0}}, 2, 0, 520, {0, 250, 500}, 0},
        {"a slow one may still win", 2, {{300, 0}, {200, 0}}, 0, 0, 300, {0, 250}, 0},
        {"a refusal starts the next at once", 3, {{5, SN_E_REFUSED}, {5, SN_E_REFUSED}, {5, 0}}, 2,
         0, 15, {0, 5, 10}, 0},
        {"all refuse: the last one's word", 2, {{5, SN_E_REFUSED}, {5, SN_E_UNAVAILABLE}}, -1,
         SN_E_UNAVAILABLE, 10, {0, 5}, 0},
        {"no descriptors: no use in going on", 2, {{5, SN_E_FILES}, {5, 0}}, -1, SN_E_FILES, 5,
         {0, -1}, 0},
        {"a refusal with another under way waits its turn", 3,
         {{NEVER, 0}, {100, SN_E_REFUSED}, {10, 0}}, 2, 0, 510, {0, 250, 500}, 0},
        {"the deadline ends it", 2, {{NEVER, 0}, {NEVER, 0}}, -1, SN_E_DEADLINE_EXCEEDED, 400,
         {0, 250}, 400},
    };
    for (size_t k = 0; k < SN_COUNT_OF(rows); k++) {
        struct sn_stream *s = NULL;
        sn_test_row("%s", rows[k].what);
        memset(&track, 0, sizeof track);
        memcpy(track.lane, rows[k].lane, sizeof rows[k].lane);
        track.t0 = sn_now();
        int64_t before = SN_FOREVER;
        if (rows[k].deadline_ms)
            before = sn_deadline_tighten(track.t0 + rows[k].deadline_ms * SN_MS);
        T_EQ(sn_dial_race(rows[k].n, lane_run, NULL, &s), rows[k].result);
        if (rows[k].deadline_ms) sn_deadline_restore(before);
        T_EQ((sn_now() - track.t0) / SN_MS, rows[k].took_ms);
        unsigned begun = 0;
        for (unsigned i = 0; i < rows[k].n; i++) {
            if (rows[k].began_ms[i] >= 0) T_EQ(track.began_ms[i], rows[k].began_ms[i]);
            begun += rows[k].began_ms[i] >= 0;
            T_ASSERT(!track.stream[i].closed);
        }
        T_EQ(track.n_begun, begun);
        T_ASSERT(s == (rows[k].won < 0 ? NULL : &track.stream[rows[k].won].s));
        if (rows[k].result == SN_E_UNAVAILABLE)
            T_ASSERT(strstr(sn_diag_str(rows[k].result), "lane 1"));
    }
    /* Two at the same instant: one is kept, the other closed. */
    sn_test_row("a tie");
    memset(&track, 0, sizeof track);
    track.lane[0] = (struct lane){270, 0};
    track.lane[1] = (struct lane){20, 0};
    track.t0 = sn_now();
    struct sn_stream *s = NULL;
    T_OK(sn_dial_race(2, lane_run, NULL, &s));
    bool first = s == &track.stream[0].s;
    T_ASSERT(first || s == &track.stream[1].s);
    T_ASSERT(!track.stream[!first].closed);
    T_ASSERT(track.stream[first].closed || track.n_cancelled == 1);
    return 0;
}
SN_TEST(dial_race_in_virtual_time)
{
    for (unsigned seed = 1; seed <= 50; seed++)
        T_OK(sn_sim_run(&(struct sn_sim_opts){.seed = seed}, t_race, NULL, NULL));
}

/* Over the simulated network: one host is cut off, one refuses, one answers. */
static const char *race_addr[3];
static int dial_lane(void *arg, unsigned i, struct sn_stream **ret)
{
    return sn_dial(race_addr[i], NULL, ret);
}
static void accept_again(void *arg)
{
    T_OK(sn_accept(srv.l, &srv.s));
    srv.up = true;
}
static int t_race_network(void *arg)
{
    struct sn_stream *s;
    char addr[3][32];
    struct sn_sim_host *far = far_pair(&s), *dead = sn_sim_host_new("dead");
    struct sn_sim_host *empty = sn_sim_host_new("empty"), *to[3] = {dead, empty, far};
    sn_stream_close(s);
    sn_stream_close(srv.s);
    sn_sim_partition(here(), dead, true);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(addr[i], sizeof addr[i], "%s:9", sn_sim_host_addr(to[i]));
        race_addr[i] = addr[i];
    }
    srv.up = false;
    T_OK(sn_sim_host_go(far, "acceptor", accept_again, NULL));
    T_OK(sn_sleep(SN_MS));
    int64_t t0 = sn_now();
    T_OK(sn_dial_race(3, dial_lane, NULL, &s));
    /* The second begins after 250 ms and is refused, which the first, still hoping, does not speed
     * up: the third begins after 500. */
    T_ASSERTF(sn_now() - t0 > 500 * SN_MS && sn_now() - t0 < 520 * SN_MS, "%lld ns",
              (long long)(sn_now() - t0));
    while (!srv.up) T_OK(sn_sleep(SN_MS));
    T_EQ(sn_write(s, "hi", 2), 2);
    char buf[2];
    T_OK(sn_read_full(srv.s, buf, 2));
    sn_stream_close(s);
    sn_stream_close(srv.s);
    return 0;
}
SN_TEST(dial_race_over_the_simulated_network) { T_OK(sim(t_race_network)); }

/* ---- names ---- */

static int t_lookups(void *arg)
{
    char addr[1][SN_ADDR_TEXT_MAX], text[SN_ADDR_TEXT_MAX + 8];
    struct sn_stream *s;
    struct sn_sim_host *h = sn_sim_host_new("db"), *me = sn_sim_host_cur();
    T_OK(sn_sim_host_go(h, "server", kv_server, "0.0.0.0:80"));
    T_OK(sn_sleep(SN_MS));
    int64_t *most = arg, t0 = sn_now();
    T_EQ(sn_resolve(SN_STR("db"), addr, 1), 1);
    *most = sn_now() - t0;
    T_ASSERT(*most < 40 * SN_MS + SN_MS);
    T_ASSERT(strcmp(addr[0], sn_sim_host_addr(h)) == 0);
    t0 = sn_now();
    T_EQ(sn_resolve(sn_str(sn_sim_host_addr(h)), addr, 1), 1); /* nothing to look up */
    T_ASSERT(sn_now() - t0 < 10 * SN_US);
    T_EQ(sn_resolve(SN_STR("nobody"), addr, 1), SN_E_NOT_FOUND);
    T_EQ(sn_dial("nobody:80", NULL, &s), SN_E_NOT_FOUND);
    sn_sim_fault(me, "resolve", SN_E_UNAVAILABLE, 1);
    T_EQ(sn_dial("db:80", NULL, &s), SN_E_UNAVAILABLE);
    /* A look-up that does not come in time; the next one is another. */
    int64_t prev = sn_deadline_tighten(sn_now());
    T_EQ(sn_dial("db:80", NULL, &s), SN_E_DEADLINE_EXCEEDED);
    sn_deadline_restore(prev);
    sn_sim_fault(me, "resolve", SN_E_UNAVAILABLE, 1);
    snprintf(text, sizeof text, "%s:80", sn_sim_host_addr(h));
    T_OK(sn_dial(text, NULL, &s)); /* an address asks nobody */
    sn_stream_close(s);
    sn_sim_fault(me, "resolve", SN_E_UNAVAILABLE, 0);
    sn_listener_close(kv_listener);
    return 0;
}
SN_TEST(names_are_looked_up)
{
    int64_t most = 0, took;
    for (unsigned seed = 1; seed <= 50; seed++) {
        uint64_t hash[2];
        struct sn_sim_opts o = {.seed = seed, .lookup_max_ns = 40 * SN_MS};
        for (int i = 0; i < 2; i++) {
            T_OK(sn_sim_run(&o, t_lookups, &took, &hash[i]));
            most = SN_MAX(most, took);
        }
        T_EQ(hash[0], hash[1]);
    }
    T_ASSERT(most > 20 * SN_MS); /* 50 times in the lower half: never */
}

/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/net_test.c - kernel sockets: streams, listeners, parking, datagrams, waits, faults. Each
 * test body runs under the epoll and under the io_uring poller. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/buf.h"
#include "fiber/net_int.h"

#include "harness/test.h"

/* A test body runs as the first fiber, once per poller. */
static void run_on(int (*fn)(void *), bool uring, unsigned workers)
{
    struct sn_rt_opts o = {.workers = workers, .io_uring = uring};
    sn_test_row("%s, %u workers", uring ? "io_uring" : "epoll", workers);
    int r = sn_rt_run(&o, fn, NULL);
    T_ASSERTF(r == 0, "body returned %d: %s", r, sn_diag_str(r));
}
static void run_both(int (*fn)(void *))
{
    for (int u = 0; u < 2; u++)
        for (unsigned w = 1; w <= 3; w += 2) run_on(fn, u, w);
}
#define NET_TEST(name)                 \
    static int name##_body(void *arg); \
    SN_TEST(name)                      \
    {                                  \
        run_both(name##_body);         \
    }                                  \
    static int name##_body(void *arg)

/* ---- a small echo server in both styles ---- */

static void echo_fiber(void *arg)
{
    struct sn_stream *s = arg;
    char buf[4096];
    ssize_t n;
    while ((n = sn_read(s, buf, sizeof buf)) > 0)
        if (sn_write(s, buf, (size_t)n) < 0) break;
    sn_stream_close(s);
}

static void accept_fiber(void *arg)
{
    struct sn_listener *l = arg;
    struct sn_stream *s;
    while (sn_accept(l, &s) >= 0)
        if (sn_go("echo", echo_fiber, s) < 0) sn_stream_close(s);
}

static _Atomic int parked_starts;
static void echo_parked(struct sn_stream *s, void *arg, int why)
{
    char buf[4096];
    parked_starts++;
    if (why < 0) {
        sn_stream_close(s);
        return;
    }
    do {
        ssize_t n = sn_read(s, buf, sizeof buf);
        if (n <= 0 || sn_write(s, buf, (size_t)n) < 0) {
            sn_stream_close(s);
            return;
        }
    } while (sn_stream_readable_now(s));
    sn_stream_park(s, SN_FOREVER, echo_parked, arg);
}

static void serve_fiber(void *arg) { T_EQ(sn_listener_serve(arg, NULL, echo_parked, NULL), 0); }

static void ping(struct sn_stream *s, int rounds, size_t size)
{
    char *out = sn_alloc(size), *in = sn_alloc(size);
    for (int i = 0; i < rounds; i++) {
        memset(out, 'a' + i % 26, size);
        T_EQ(sn_write(s, out, size), size);
        T_OK(sn_read_full(s, in, size));
        T_ASSERT(memcmp(in, out, size) == 0);
    }
    sn_free(out);
    sn_free(in);
}

static void addr_of(struct sn_listener *l, char *out, size_t cap)
{
    T_OK(sn_listener_addr(l, out, cap));
}

NET_TEST(tcp_echo)
{
    struct sn_listener *l;
    char addr[SN_ADDR_TEXT_MAX];
    T_OK(sn_listen("127.0.0.1:0", NULL, &l));
    addr_of(l, addr, sizeof addr);
    T_OK(sn_go("accept", accept_fiber, l));
    for (int i = 0; i < 8; i++) {
        struct sn_stream *s;
        T_OK(sn_dial(addr, NULL, &s));
        T_CSTR(s->ops->kind, "tcp");
        char peer[SN_ADDR_TEXT_MAX];
        T_OK(sn_stream_addr(s, true, peer, sizeof peer));
        T_CSTR(peer, addr);
        ping(s, 20, 1 + (size_t)i * 613);
        sn_stream_close(s);
    }
    sn_listener_close(l);
    return 0;
}

struct client {
    const char *addr;
    int rounds;
};
static void client_fiber(void *arg)
{
    struct client *c = arg;
    struct sn_stream *s;
    T_OK(sn_dial(c->addr, NULL, &s));
    ping(s, c->rounds, 100);
    sn_stream_close(s);
}

static int serve_storm(const char *listen_on, bool per_worker)
{
    struct sn_listener *l;
    struct sn_listen_opts lo = {.per_worker = per_worker};
    char addr[SN_ADDR_TEXT_MAX + 64];
    T_OK(sn_listen(listen_on, &lo, &l));
    addr_of(l, addr, sizeof addr);
    struct sn_scope_storage mem;
    struct sn_scope *server = sn_scope_begin(&mem);
    T_OK(sn_go("serve", serve_fiber, l));
    struct sn_scope_storage mem2;
    struct sn_scope *clients = sn_scope_begin(&mem2);
    struct client c = {addr, 10};
    for (int i = 0; i < 100; i++) T_OK(sn_go("client", client_fiber, &c));
    T_OK(sn_scope_end(clients));
    sn_listener_close(l);
    T_OK(sn_scope_end(server));
    return 0;
}

NET_TEST(tcp_serve_parked) { return serve_storm("127.0.0.1:0", false); }
NET_TEST(tcp_serve_per_worker) { return serve_storm("127.0.0.1:0", true); }
NET_TEST(unix_serve)
{
    char a[120];
    static int run;
    snprintf(a, sizeof a, "unix:%s/s%d", sn_test_tmpdir(), run++);
    return serve_storm(a, false);
}
NET_TEST(unix_abstract_serve)
{
    char a[120];
    static int run;
    snprintf(a, sizeof a, "unix:@sennit-test-%d-%d", getpid(), run++);
    return serve_storm(a, false);
}

/* ---- addresses ---- */

SN_TEST(addresses_parse)
{
    static const struct {
        const char *text, *host;
        int port, r;
    } row[] = {
        {"127.0.0.1:80", "127.0.0.1", 80, 0},
        {"tcp:h.example:65535", "h.example", 65535, 0},
        {":0", "", 0, 0},
        {"[::1]:443", "::1", 443, 0},
        {"::1:443", "", 0, SN_E_SYNTAX},
        {"host", "", 0, SN_E_SYNTAX},
        {"host:", "", 0, SN_E_SYNTAX},
        {"host:65536", "", 0, SN_E_SYNTAX},
        {"host:-1", "", 0, SN_E_SYNTAX},
        {"host:+80", "", 0, SN_E_SYNTAX},
        {"[::1]", "", 0, SN_E_SYNTAX},
        {"[::1]x:1", "", 0, SN_E_SYNTAX},
        {"[host]:1", "", 0, SN_E_SYNTAX},
        {"", "", 0, SN_E_SYNTAX},
        {"unix:", "", 0, SN_E_SYNTAX},
        {"tcp:", "", 0, SN_E_SYNTAX},
        {"h:000080", "", 0, SN_E_SYNTAX},
    };
    for (size_t i = 0; i < SN_COUNT_OF(row); i++) {
        struct sn_net_name n;
        sn_test_row("%s", row[i].text);
        T_EQ(sn_net_name_parse(row[i].text, &n), row[i].r);
        if (row[i].r < 0) continue;
        T_STR(n.host, row[i].host);
        T_EQ(n.port, row[i].port);
    }
    char longest[200];
    memset(longest, 'x', sizeof longest);
    memcpy(longest, "unix:", 5);
    longest[199] = 0;
    struct sn_net_name n;
    T_EQ(sn_net_name_parse(longest, &n), SN_E_SYNTAX);
}

SN_TEST(loopback_addresses)
{
    static const struct {
        const char *ip;
        bool loopback;
    } row[] = {
        {"127.0.0.1", true}, {"127.255.0.9", true}, {"::1", true},
        {"128.0.0.1", false}, {"126.255.255.255", false}, {"0.0.0.0", false},
        {"10.0.0.127", false}, {"::", false}, {"::2", false}, {"fe80::1", false},
    };
    for (size_t i = 0; i < SN_COUNT_OF(row); i++) {
        struct sn_sockaddr a;
        sn_test_row("%s", row[i].ip);
        T_ASSERT(sn_net_ip_parse(sn_str(row[i].ip), 80, &a));
        T_EQ(sn_net_is_loopback(&a), row[i].loopback);
    }
}

/* ---- a connected pair ---- */

struct pair {
    struct sn_listener *l;
    struct sn_stream *a, *b; /* a dialled, b accepted */
    char addr[SN_ADDR_TEXT_MAX + 64];
};
static void pair_open(struct pair *p, const char *listen_on)
{
    T_OK(sn_listen(listen_on, NULL, &p->l));
    addr_of(p->l, p->addr, sizeof p->addr);
    T_OK(sn_dial(p->addr, NULL, &p->a));
    T_OK(sn_accept(p->l, &p->b));
}
static void pair_close(struct pair *p)
{
    sn_stream_close(p->a);
    sn_stream_close(p->b);
    sn_listener_close(p->l);
}

static void congestion_of(int fd, char *out, size_t cap)
{
    socklen_t len = (socklen_t)cap;
    memset(out, 0, cap);
    T_EQ(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, out, &len), 0);
}

/* Both ends of a loopback connection have the plain congestion control, whatever the system's is. */
NET_TEST(loopback_is_not_paced)
{
    struct pair p;
    char name[32];
    pair_open(&p, "127.0.0.1:0");
    congestion_of(p.a->ops->fd(p.a), name, sizeof name);
    T_STR(sn_str(name), "reno");
    congestion_of(p.b->ops->fd(p.b), name, sizeof name);
    T_STR(sn_str(name), "reno");
    pair_close(&p);
    return 0;
}

NET_TEST(end_of_stream_and_half_close)
{
    struct pair p;
    char buf[64];
    pair_open(&p, ":0");
    T_EQ(sn_write(p.a, "hello", 5), 5);
    T_OK(sn_stream_shutdown(p.a));
    T_EQ(sn_read(p.b, buf, sizeof buf), 5);
    T_EQ(sn_read(p.b, buf, sizeof buf), 0);
    T_EQ(sn_read(p.b, buf, sizeof buf), 0); /* stays so, without waiting */
    T_EQ(sn_write(p.b, "still", 5), 5);     /* the other half lives */
    T_OK(sn_read_full(p.a, buf, 5));
    T_EQ(sn_read_full(p.b, buf, 1), SN_E_EOF);
    pair_close(&p);
    return 0;
}

/* A stream that is always writable: its writer gives way now and then, and that is where the other
 * fiber closes it and opens another one, whose record may be the same. */
struct usurper {
    struct sn_stream *old;
    struct pair *next;
    _Atomic bool done;
};
static void usurp(void *arg)
{
    struct usurper *u = arg;
    sn_stream_close(u->old);
    pair_open(u->next, "127.0.0.1:0");
    u->done = true;
}

NET_TEST(close_while_a_writer_gives_way)
{
    struct pair p, q;
    pair_open(&p, "127.0.0.1:0");
    struct usurper u = {.old = p.a, .next = &q};
    T_OK(sn_go_on((unsigned)sn_worker_id(), "usurper", usurp, &u));
    ssize_t n = 1;
    for (int i = 0; n > 0; i++) {
        T_ASSERT(i < 100000);
        n = sn_write(p.a, "x", 1);
    }
    T_EQ(n, SN_E_CLOSED);
    while (!u.done) T_OK(sn_sleep(SN_MS));
    sn_stream_close(p.b);
    sn_listener_close(p.l);
    pair_close(&q);
    return 0;
}

static void hard_close(struct sn_stream *s)
{
    struct linger lg = {1, 0};
    T_EQ(setsockopt(s->ops->fd(s), SOL_SOCKET, SO_LINGER, &lg, sizeof lg), 0);
    sn_stream_close(s);
}

NET_TEST(peer_reset)
{
    struct pair p;
    char buf[64];
    pair_open(&p, ":0");
    hard_close(p.a);
    T_EQ(sn_read(p.b, buf, sizeof buf), SN_E_RESET);
    T_ASSERT(sn_write(p.b, "x", 1) == SN_E_RESET);
    p.a = NULL;
    pair_close(&p);
    return 0;
}

static void read_to_result(void *arg)
{
    struct sn_stream *_Atomic *io = arg;
    char buf[8];
    ssize_t n = sn_read(*io, buf, sizeof buf);
    *io = (struct sn_stream *)(intptr_t)n;
}

NET_TEST(reset_wakes_a_waiting_reader)
{
    struct pair p;
    pair_open(&p, ":0");
    struct sn_stream *_Atomic io = p.b;
    T_OK(sn_go("reader", read_to_result, &io));
    T_OK(sn_sleep(2 * SN_MS));
    hard_close(p.a);
    while (io == p.b) T_OK(sn_sleep(SN_MS));
    T_EQ((intptr_t)io, SN_E_RESET);
    p.a = NULL;
    pair_close(&p);
    return 0;
}

NET_TEST(close_under_a_reader)
{
    for (int i = 0; i < 50; i++) {
        struct pair p;
        pair_open(&p, ":0");
        struct sn_stream *_Atomic io = p.b;
        T_OK(sn_go_on((unsigned)i % sn_worker_count(), "reader", read_to_result, &io));
        if (i % 3 == 0) sn_yield();
        while (!(sn_sock_bits(sn_sock_of(p.b)) & SN_SS_RD_BUSY)) T_OK(sn_sleep(100 * SN_US));
        sn_stream_close(p.b);
        while (io == p.b) T_OK(sn_sleep(SN_MS));
        T_EQ((intptr_t)io, SN_E_CLOSED);
        p.b = NULL;
        pair_close(&p);
    }
    return 0;
}

NET_TEST(deadlines_and_cancellation)
{
    struct pair p;
    char buf[8];
    pair_open(&p, ":0");
    int64_t t0 = sn_now(), d = sn_deadline_tighten(t0 + 5 * SN_MS);
    T_EQ(sn_read(p.b, buf, 8), SN_E_DEADLINE_EXCEEDED);
    T_ASSERT(sn_now() - t0 >= 5 * SN_MS);
    struct sn_stream *none;
    T_EQ(sn_accept(p.l, &none), SN_E_DEADLINE_EXCEEDED);
    sn_deadline_restore(d);
    T_EQ(sn_write(p.a, "late", 4), 4); /* the stream is as good as before */
    T_OK(sn_read_full(p.b, buf, 4));
    struct sn_scope_storage mem;
    struct sn_scope *sc = sn_scope_begin(&mem);
    struct sn_stream *_Atomic io = p.b;
    T_OK(sn_go("reader", read_to_result, &io));
    T_OK(sn_sleep(SN_MS));
    sn_scope_cancel(sc);
    (void)sn_scope_end(sc);
    T_EQ((intptr_t)io, SN_E_CANCELLED);
    pair_close(&p);
    return 0;
}

struct flood {
    struct sn_stream *s;
    size_t n;
    ssize_t result;
    _Atomic bool done;
};
static void flood_write(void *arg)
{
    struct flood *f = arg;
    char *buf = sn_zalloc(1, f->n);
    for (size_t i = 0; i < f->n; i++) buf[i] = (char)(i * 31 >> 3);
    struct iovec v[3] = {{buf, f->n / 3}, {buf + f->n / 3, 0}, {buf + f->n / 3, f->n - f->n / 3}};
    f->result = sn_writev(f->s, v, 3);
    sn_free(buf);
    f->done = true;
}

static void read_pattern(struct sn_stream *s, size_t n)
{
    char buf[3001];
    for (size_t at = 0; at < n;) {
        ssize_t r = sn_read(s, buf, sizeof buf);
        T_ASSERTF(r > 0, "read gave %zd at %zu", r, at);
        for (ssize_t i = 0; i < r; i++, at++) T_ASSERT(buf[i] == (char)(at * 31 >> 3));
    }
}

static int backpressure(const char *on)
{
    struct pair p;
    pair_open(&p, on);
    struct flood f = {p.a, 8u << 20, 0, false};
    T_OK(sn_go("flood", flood_write, &f));
    T_OK(sn_sleep(20 * SN_MS));
    T_ASSERT(!f.done); /* the peer does not read: it must wait */
    read_pattern(p.b, f.n);
    while (!f.done) T_OK(sn_sleep(SN_MS));
    T_EQ(f.result, f.n);
    pair_close(&p);
    return 0;
}
NET_TEST(writers_wait_for_readers_tcp) { return backpressure(":0"); }
NET_TEST(writers_wait_for_readers_unix)
{
    char a[100];
    static int run;
    snprintf(a, sizeof a, "unix:@sn-bp-%d-%d", getpid(), run++);
    return backpressure(a);
}

/* ---- dialing and listening ---- */

NET_TEST(dial_errors_name_what_failed)
{
    struct sn_stream *s = NULL;
    struct sn_listener *l, *m = NULL;
    char addr[SN_ADDR_TEXT_MAX];
    T_OK(sn_listen("127.0.0.1:0", NULL, &l));
    addr_of(l, addr, sizeof addr);
    T_EQ(sn_listen(addr, NULL, &m), SN_E_ALREADY_EXISTS);
    T_ASSERT(strstr(sn_diag_str(SN_E_ALREADY_EXISTS), addr));
    sn_listener_close(l);
    T_OK(sn_sleep(5 * SN_MS)); /* the poller's record of it goes with the tick */
    T_EQ(sn_dial(addr, NULL, &s), SN_E_REFUSED);
    T_ASSERT(strstr(sn_diag_str(SN_E_REFUSED), addr));
    T_EQ(sn_dial("unix:/nonexistent/sock", NULL, &s), SN_E_NOT_FOUND);
    T_EQ(sn_dial("127.0.0.1:0", NULL, &s), SN_E_SYNTAX);
    T_EQ(sn_dial("nonsense", NULL, &s), SN_E_SYNTAX);
    T_EQ(sn_dial("no-such-name.invalid:80", NULL, &s) < 0, 1);
    T_ASSERT(s == NULL && m == NULL);
    return 0;
}

NET_TEST(dial_from_many_sources)
{
    struct sn_listener *l;
    char addr[SN_ADDR_TEXT_MAX], peer[SN_ADDR_TEXT_MAX], local[32];
    T_OK(sn_listen("127.0.0.1:0", NULL, &l));
    addr_of(l, addr, sizeof addr);
    for (int i = 1; i < 10; i++) {
        struct sn_stream *a, *b;
        snprintf(local, sizeof local, "127.0.%d.1", i);
        struct sn_dial_opts o = {.local = local};
        T_OK(sn_dial(addr, &o, &a));
        T_OK(sn_accept(l, &b));
        T_OK(sn_stream_addr(b, true, peer, sizeof peer));
        T_ASSERT(strncmp(peer, local, strlen(local)) == 0 && peer[strlen(local)] == ':');
        sn_stream_close(a);
        sn_stream_close(b);
    }
    struct sn_dial_opts bad = {.local = "not an address"};
    struct sn_stream *s;
    T_EQ(sn_dial(addr, &bad, &s), SN_E_SYNTAX);
    sn_listener_close(l);
    return 0;
}

NET_TEST(unix_socket_file)
{
    char path[120], addr[140];
    struct stat st;
    static int run;
    snprintf(path, sizeof path, "%s/u%d", sn_test_tmpdir(), run++);
    snprintf(addr, sizeof addr, "unix:%s", path);
    struct sn_listener *l, *again;
    struct sn_listen_opts o = {.unix_mode = 0666};
    T_OK(sn_listen(addr, &o, &l));
    T_EQ(stat(path, &st), 0);
    T_EQ(st.st_mode & 0777, 0666);
    T_EQ(sn_listen(addr, NULL, &again), SN_E_ALREADY_EXISTS); /* somebody is there */
    sn_listener_close(l);
    T_ASSERT(stat(path, &st) < 0); /* and leaves no file */
    /* What a crash leaves behind does not get in the way. */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un u = {.sun_family = AF_UNIX};
    memcpy(u.sun_path, path, strlen(path) + 1);
    T_EQ(bind(fd, (struct sockaddr *)&u, sizeof u), 0);
    close(fd);
    T_OK(sn_listen(addr, NULL, &l));
    T_EQ(stat(path, &st), 0);
    T_EQ(st.st_mode & 0777, 0600);
    sn_listener_close(l);
    return 0;
}

struct acceptor {
    struct sn_listener *l;
    _Atomic bool done;
};
static void accept_to_result(void *arg)
{
    struct acceptor *a = arg;
    struct sn_stream *s;
    if (sn_accept(a->l, &s) == SN_E_CLOSED) a->done = true;
}

NET_TEST(close_wakes_every_acceptor)
{
    struct acceptor a[5];
    struct sn_listener *l;
    T_OK(sn_listen(":0", NULL, &l));
    for (int i = 0; i < 5; i++) {
        a[i].l = l;
        a[i].done = false;
        T_OK(sn_go("acceptor", accept_to_result, &a[i]));
    }
    T_OK(sn_sleep(5 * SN_MS));
    sn_listener_close(l);
    for (int i = 0; i < 5; i++)
        while (!a[i].done) T_OK(sn_sleep(SN_MS));
    return 0;
}

/* ---- parking ---- */

static _Atomic int ready_why, ready_n;
static void note_ready(struct sn_stream *s, void *arg, int why)
{
    ready_why = why;
    sn_stream_close(s);
    ready_n++;
}
static void wait_ready(int n)
{
    while (ready_n < n) T_OK(sn_sleep(SN_MS));
}

/* A write under a deadline that has passed tries once, wherever the worker's count of operations stands:
 * a TLS close_notify depends on it. A fiber that goes on nevertheless is told. */
NET_TEST(late_writes_try_once)
{
    struct pair p;
    char b;
    pair_open(&p, ":0");
    for (int i = 0; i < 300; i++) {
        int64_t prev = sn_deadline_tighten(0);
        T_EQ(sn_write(p.a, "x", 1), 1);
        sn_deadline_restore(prev);
        T_EQ(sn_read(p.b, &b, 1), 1);
    }
    int64_t prev = sn_deadline_tighten(0);
    int n = 0;
    while (n < 1000 && sn_write(p.a, "x", 1) == 1) n++;
    sn_deadline_restore(prev);
    T_ASSERTF(n < 300, "%d writes after the deadline", n);
    sn_stream_close(p.a);
    sn_stream_close(p.b);
    sn_listener_close(p.l);
    return 0;
}

NET_TEST(parked_reasons)
{
    struct pair p;
    struct sn_rt_stats st;
    ready_n = 0;
    pair_open(&p, ":0");
    int64_t t0 = sn_now();
    sn_stream_park(p.b, t0 + 20 * SN_MS, note_ready, NULL);
    sn_rt_stats(&st);
    T_EQ(st.conns_parked, 1);
    wait_ready(1);
    T_EQ(ready_why, SN_E_DEADLINE_EXCEEDED);
    T_ASSERT(sn_now() - t0 >= 20 * SN_MS);
    sn_stream_close(p.a);
    sn_listener_close(p.l);

    pair_open(&p, ":0");
    sn_stream_park(p.b, SN_FOREVER, note_ready, NULL);
    sn_parked_cancel(note_ready);
    wait_ready(2);
    T_EQ(ready_why, SN_E_CANCELLED);
    sn_stream_close(p.a);
    sn_listener_close(p.l);

    pair_open(&p, ":0");
    sn_stream_park(p.b, SN_FOREVER, note_ready, NULL);
    sn_stream_close(p.a); /* end of stream is readable */
    wait_ready(3);
    T_EQ(ready_why, 0);
    sn_listener_close(p.l);

    pair_open(&p, ":0");
    T_EQ(sn_write(p.a, "x", 1), 1);
    T_OK(sn_sleep(5 * SN_MS)); /* the event comes before the park */
    sn_stream_park(p.b, SN_FOREVER, note_ready, NULL);
    wait_ready(4);
    T_EQ(ready_why, 0);
    sn_stream_close(p.a);
    sn_listener_close(p.l);
    sn_rt_stats(&st);
    T_EQ(st.conns_parked, 0);
    return 0;
}

NET_TEST(unpark_takes_back)
{
    struct pair p;
    char buf[4];
    ready_n = 0;
    pair_open(&p, ":0");
    for (int i = 0; i < 100; i++) {
        sn_stream_park(p.b, sn_now() + SN_SEC, note_ready, NULL);
        T_ASSERT(sn_stream_unpark(p.b));
        T_ASSERT(!sn_stream_readable_now(p.b));
        T_EQ(sn_write(p.a, "ab", 2), 2);
        T_EQ(sn_read(p.b, buf, sizeof buf), 2); /* short: known to be empty, without another call */
        T_ASSERT(!sn_stream_readable_now(p.b));
    }
    T_EQ(ready_n, 0);
    pair_close(&p);
    return 0;
}

void serve_limited(void *arg);
NET_TEST(conns_max_pauses_accepting)
{
    struct sn_listener *l;
    char addr[SN_ADDR_TEXT_MAX];
    struct sn_stream *s[6];
    struct sn_rt_stats st;
    T_OK(sn_listen(":0", NULL, &l));
    addr_of(l, addr, sizeof addr);
    struct sn_scope_storage mem;
    struct sn_scope *sc = sn_scope_begin(&mem);
    T_OK(sn_go("serve", serve_limited, l));
    for (int i = 0; i < 6; i++) T_OK(sn_dial(addr, NULL, &s[i]));
    for (sn_rt_stats(&st); st.conns_parked < 3; sn_rt_stats(&st)) T_OK(sn_sleep(SN_MS));
    T_OK(sn_sleep(10 * SN_MS));
    sn_rt_stats(&st);
    T_EQ(st.conns_parked, 3);
    for (int i = 0; i < 6; i++) { /* each that leaves lets one in */
        ping(s[i], 1, 10);
        sn_stream_close(s[i]);
    }
    sn_listener_close(l);
    T_OK(sn_scope_end(sc));
    return 0;
}
void serve_limited(void *arg)
{
    struct sn_serve_opts o = {.conns_max = 3};
    T_EQ(sn_listener_serve(arg, &o, echo_parked, NULL), 0);
}

/* ---- datagrams, names, descriptors ---- */

NET_TEST(datagrams)
{
    struct sn_udp *a, *b;
    char aa[SN_ADDR_TEXT_MAX], ba[SN_ADDR_TEXT_MAX], peer[SN_ADDR_TEXT_MAX], buf[2000];
    T_OK(sn_udp_open("127.0.0.1:0", &a));
    T_OK(sn_udp_open("127.0.0.1:0", &b));
    T_OK(sn_udp_addr(a, aa, sizeof aa));
    T_OK(sn_udp_addr(b, ba, sizeof ba));
    for (int i = 0; i < 50; i++) {
        T_EQ(sn_udp_send(a, buf, (size_t)i * 20, ba), i * 20);
        T_EQ(sn_udp_recv(b, buf, sizeof buf, peer, sizeof peer), i * 20);
        T_CSTR(peer, aa);
        T_EQ(sn_udp_send(b, "r", 1, peer), 1);
        T_EQ(sn_udp_recv(a, buf, sizeof buf, NULL, 0), 1);
    }
    char *huge = sn_zalloc(1, 70000);
    T_EQ(sn_udp_send(a, huge, 70000, ba), SN_E_TOO_LARGE);
    sn_free(huge);
    sn_udp_close(b);
    T_OK(sn_sleep(2 * SN_MS));
    T_EQ(sn_udp_send(a, "x", 1, ba), 1); /* nobody there: not the sender's failure */
    T_EQ(sn_udp_send(a, "x", 1, ba), 1);
    int64_t d = sn_deadline_tighten(sn_now() + 5 * SN_MS);
    T_EQ(sn_udp_recv(a, buf, sizeof buf, NULL, 0), SN_E_DEADLINE_EXCEEDED);
    sn_deadline_restore(d);
    sn_udp_close(a);
    return 0;
}

NET_TEST(names_resolve)
{
    char ip[4][SN_ADDR_TEXT_MAX];
    T_EQ(sn_resolve(SN_STR("192.0.2.7"), ip, 4), 1);
    T_CSTR(ip[0], "192.0.2.7");
    int n = sn_resolve(SN_STR("localhost"), ip, 4);
    T_ASSERT(n >= 1 && (strcmp(ip[0], "127.0.0.1") == 0 || strcmp(ip[0], "::1") == 0));
    T_EQ(sn_resolve(SN_STR("LOCALHOST"), ip, 4), n); /* the cache does not mind the case */
    T_ASSERT(sn_resolve(SN_STR("no-such-name.invalid"), ip, 4) < 0);
    struct sn_listener *l;
    struct sn_stream *s;
    char addr[SN_ADDR_TEXT_MAX], named[80];
    T_OK(sn_listen("localhost:0", NULL, &l));
    addr_of(l, addr, sizeof addr);
    snprintf(named, sizeof named, "localhost%s", strrchr(addr, ':'));
    T_OK(sn_dial(named, NULL, &s));
    sn_stream_close(s);
    sn_listener_close(l);
    return 0;
}

static void put_byte(void *arg)
{
    T_OK(sn_sleep(5 * SN_MS));
    T_EQ(write(*(int *)arg, "x", 1), 1);
}

NET_TEST(descriptor_waits)
{
    int p[2];
    T_EQ(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
    T_ASSERT(sn_fd_wait(p[1], EPOLLOUT) & EPOLLOUT);
    int64_t d = sn_deadline_tighten(sn_now() + 5 * SN_MS);
    T_EQ(sn_fd_wait(p[0], EPOLLIN), SN_E_DEADLINE_EXCEEDED);
    sn_deadline_restore(d);
    T_OK(sn_go("writer", put_byte, &p[1]));
    T_ASSERT(sn_fd_wait(p[0], EPOLLIN) & EPOLLIN);
    char c;
    T_EQ(read(p[0], &c, 1), 1);
    T_EQ(close(p[1]), 0);
    T_ASSERT(sn_fd_wait(p[0], EPOLLIN) & EPOLLHUP);
    close(p[0]);
    T_EQ(sn_fd_wait(p[0], EPOLLIN), SN_E_INVALID_ARGUMENT);
    return 0;
}

/* ---- moving bytes ---- */

struct mover {
    struct sn_stream *s, *to;
    int fd;
    int64_t off, n, result;
    _Atomic bool done;
};
static void send_file(void *arg)
{
    struct mover *m = arg;
    m->result = sn_stream_sendfile(m->s, m->fd, m->off, m->n);
    m->done = true;
}
static void copy_all(void *arg)
{
    struct mover *m = arg;
    m->result = sn_stream_copy(m->to, m->s);
    T_OK(sn_stream_shutdown(m->to));
    m->done = true;
}

NET_TEST(files_go_out)
{
    struct pair p;
    char path[120];
    size_t n = 3u << 20;
    snprintf(path, sizeof path, "%s/f", sn_test_tmpdir());
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    char *buf = sn_alloc(n + 5);
    for (size_t i = 0; i < n; i++) buf[i + 5] = (char)(i * 31 >> 3);
    T_EQ(write(fd, buf, n + 5), n + 5);
    sn_free(buf);
    pair_open(&p, ":0");
    struct mover m = {.s = p.a, .fd = fd, .off = 5, .n = (int64_t)n};
    T_OK(sn_go("sendfile", send_file, &m));
    read_pattern(p.b, n);
    while (!m.done) T_OK(sn_sleep(SN_MS));
    T_EQ(m.result, n);
    T_EQ(sn_stream_sendfile(p.a, fd, (int64_t)n, 100), SN_E_EOF);
    T_EQ(lseek(fd, 0, SEEK_CUR), n + 5);
    close(fd);
    pair_close(&p);
    return 0;
}

NET_TEST(tunnels_splice)
{
    struct pair in, out;
    pair_open(&in, ":0");
    pair_open(&out, ":0");
    struct mover m = {.s = in.b, .to = out.a};
    T_OK(sn_go("tunnel", copy_all, &m));
    struct flood f = {in.a, 5u << 20, 0, false};
    T_OK(sn_go("flood", flood_write, &f));
    read_pattern(out.b, f.n);
    while (!f.done) T_OK(sn_sleep(SN_MS));
    for (int i = 0; i < 20; i++) { /* idle in between: the pipe goes back each time */
        char c = 0;
        T_EQ(sn_write(in.a, "y", 1), 1);
        T_OK(sn_read_full(out.b, &c, 1));
        T_EQ(c, 'y');
    }
    T_OK(sn_stream_shutdown(in.a));
    char c;
    T_EQ(sn_read(out.b, &c, 1), 0);
    while (!m.done) T_OK(sn_sleep(SN_MS));
    T_EQ(m.result, f.n + 20);
    pair_close(&in);
    pair_close(&out);
    return 0;
}

/* A tunnel stopped at any moment and taken on by other streams of the same sockets loses no byte.
 */
struct stopped {
    struct mover m;
    struct sn_buf rest;
    struct sn_fiber *_Atomic self;
};
static void copy_stopped(void *arg)
{
    struct stopped *t = arg;
    t->self = sn_self();
    t->m.result = sn_stream_copy_rest(t->m.to, t->m.s, &t->rest);
    t->m.done = true;
}

static _Atomic bool reads; /* the sockets have been full once */
static void read_slowly(void *arg)
{
    struct mover *m = arg;
    char buf[3001];
    while (!reads) T_OK(sn_sleep(SN_MS));
    for (m->off = 0; m->off < m->n;) {
        ssize_t r = sn_read(m->s, buf, sizeof buf);
        T_ASSERTF(r > 0, "read gave %zd at %lld", r, (long long)m->off);
        for (ssize_t i = 0; i < r; i++, m->off++) T_ASSERT(buf[i] == (char)(m->off * 31 >> 3));
        if (m->off % 64 == 0) T_OK(sn_sleep(SN_MS)); /* the writer must wait now and then */
    }
    m->done = true;
}

NET_TEST(tunnels_change_hands)
{
    struct pair in, out;
    pair_open(&in, ":0");
    pair_open(&out, ":0");
    struct flood f = {in.a, 24u << 20, 0,
                      false}; /* more than the sockets hold: the copy waits to write */
    struct mover reader = {.s = out.b, .n = (int64_t)f.n};
    T_OK(sn_go("flood", flood_write, &f));
    T_OK(sn_go("reader", read_slowly, &reader));
    int left = 0;
    reads = false;
    for (int turn = 0; (turn < 20 || !left) && turn < 2000 && !f.done; turn++) {
        struct stopped t = {.m = {.s = in.b, .to = out.a}};
        sn_buf_init(&t.rest, 0);
        T_OK(sn_go("tunnel", copy_stopped, &t));
        T_OK(sn_sleep(2 * SN_MS));
        while (!t.self) T_OK(sn_sleep(SN_MS));
        T_ASSERT(!t.m.done);
        sn_fiber_cancel(t.self);
        while (!t.m.done) T_OK(sn_sleep(SN_MS));
        T_EQ(t.m.result, SN_E_CANCELLED);
        left += t.rest.len > 0;
        reads = left > 0;
        /* Another owner of the same sockets, as another process would be. */
        int fd[2] = {dup(sn_stream_fd(in.b)), dup(sn_stream_fd(out.a))};
        sn_stream_close(in.b);
        sn_stream_close(out.a);
        T_OK(sn_stream_adopt(fd[0], &in.b));
        T_OK(sn_stream_adopt(fd[1], &out.a));
        if (t.rest.len) T_EQ(sn_write(out.a, t.rest.ptr, t.rest.len), t.rest.len);
        sn_buf_done(&t.rest);
    }
    T_ASSERT(left > 0); /* or the hard case was not met */
    struct mover m = {.s = in.b, .to = out.a};
    T_OK(sn_go("tunnel", copy_all, &m));
    while (!f.done) T_OK(sn_sleep(SN_MS));
    T_OK(sn_stream_shutdown(in.a));
    while (!m.done || !reader.done) T_OK(sn_sleep(SN_MS));
    pair_close(&in);
    pair_close(&out);
    int p[2];
    struct sn_stream *none;
    T_EQ(pipe(p), 0);
    T_EQ(sn_stream_adopt(p[0], &none), SN_E_INVALID_ARGUMENT);
    close(p[1]);
    return 0;
}

/* ---- injected faults ---- */

static _Atomic int emfile_left, calls;
static int accept_emfile(int fd, struct sockaddr *a, socklen_t *len, int flags)
{
    calls++;
    if (emfile_left > 0) {
        emfile_left--;
        errno = emfile_left & 1 ? EMFILE : ENFILE;
        return -1;
    }
    return accept4(fd, a, len, flags);
}
static const struct sn_sock_sys emfile_hooks = {.accept4 = accept_emfile};

static int accept_at_limit(bool serve)
{
    struct sn_listener *l;
    char addr[SN_ADDR_TEXT_MAX];
    struct sn_stream *s;
    T_OK(sn_listen(":0", NULL, &l));
    addr_of(l, addr, sizeof addr);
    emfile_left = 4;
    calls = 0;
    uint64_t hits = sn_net_file_limit_hits();
    sn_sock_sys_set(&emfile_hooks);
    struct sn_scope_storage mem;
    struct sn_scope *sc = sn_scope_begin(&mem);
    T_OK(sn_go("server", serve ? serve_fiber : accept_fiber, l));
    T_OK(sn_dial(addr, NULL, &s));
    ping(s, 1, 10); /* comes through in spite of it */
    T_EQ(emfile_left, 0);
    T_EQ(sn_net_file_limit_hits() - hits, 4);
    T_ASSERTF(calls < 40, "%d accept calls: spinning", calls);
    sn_stream_close(s);
    sn_listener_close(l);
    (void)sn_scope_end(sc);
    sn_sock_sys_set(NULL);
    return 0;
}
NET_TEST(descriptor_limit_accept) { return accept_at_limit(false); }
NET_TEST(descriptor_limit_serve) { return accept_at_limit(true); }

static _Atomic unsigned dice;
static ssize_t rough_recv(int fd, void *buf, size_t n, int flags)
{
    if (dice++ % 3 == 0) {
        errno = EINTR;
        return -1;
    }
    return recv(fd, buf, n, flags);
}
static ssize_t rough_send(int fd, const void *buf, size_t n, int flags)
{
    if (dice++ % 3 == 0) {
        errno = EINTR;
        return -1;
    }
    return send(fd, buf, dice % 2 ? SN_MIN(n, (size_t)7) : n, flags);
}
static ssize_t rough_sendmsg(int fd, const struct msghdr *m, int flags)
{
    if (dice++ % 4 == 0) {
        errno = EINTR;
        return -1;
    }
    return send(fd, m->msg_iov[0].iov_base, SN_MIN(m->msg_iov[0].iov_len, (size_t)5), flags);
}
static const struct sn_sock_sys rough_hooks = {.recv = rough_recv,
                                               .send = rough_send,
                                               .sendmsg = rough_sendmsg};

NET_TEST(short_and_interrupted_calls)
{
    struct pair p;
    pair_open(&p, ":0");
    sn_sock_sys_set(&rough_hooks);
    struct flood f = {p.a, 100000, 0, false};
    T_OK(sn_go("flood", flood_write, &f));
    read_pattern(p.b, f.n);
    while (!f.done) T_OK(sn_sleep(SN_MS));
    T_EQ(f.result, f.n);
    sn_sock_sys_set(NULL);
    pair_close(&p);
    return 0;
}

static int no_sockets(int d, int t, int p)
{
    errno = EMFILE;
    return -1;
}
static ssize_t no_memory(int fd, void *buf, size_t n, int flags)
{
    errno = ENOMEM;
    return -1;
}
static const struct sn_sock_sys no_socket_hooks = {.socket = no_sockets};
static const struct sn_sock_sys no_memory_hooks = {.recv = no_memory};

NET_TEST(no_descriptors_no_memory)
{
    struct pair p;
    struct sn_stream *s;
    struct sn_listener *l;
    char b;
    pair_open(&p, ":0");
    sn_sock_sys_set(&no_socket_hooks);
    T_EQ(sn_dial(p.addr, NULL, &s), SN_E_FILES);
    T_EQ(sn_listen(":0", NULL, &l), SN_E_FILES);
    sn_sock_sys_set(&no_memory_hooks);
    T_EQ(sn_write(p.a, "x", 1), 1);
    T_EQ(sn_read(p.b, &b, 1), SN_E_NOMEM);
    sn_sock_sys_set(NULL);
    pair_close(&p);
    return 0;
}

/* torture: the k-th allocation fails, for every k until a run passes untouched. */
static int torture_at, torture_count;
static bool torture_fail(size_t size)
{
    return __atomic_add_fetch(&torture_count, 1, __ATOMIC_RELAXED) == torture_at;
}
static const struct sn_alloc_hooks torture_hooks = {.fail = torture_fail};

static int torture_round(void)
{
    struct sn_listener *l = NULL;
    struct sn_stream *a = NULL, *b = NULL;
    struct sn_udp *u = NULL;
    char addr[SN_ADDR_TEXT_MAX];
    int r = sn_listen(":0", NULL, &l);
    if (r >= 0) r = sn_listener_addr(l, addr, sizeof addr);
    if (r >= 0) r = sn_dial(addr, NULL, &a);
    if (r >= 0) r = sn_accept(l, &b);
    if (r >= 0) r = sn_udp_open(":0", &u);
    sn_stream_close(a);
    sn_stream_close(b);
    sn_udp_close(u);
    sn_listener_close(l);
    return r;
}

static int torture_body(void *arg)
{
    int r = SN_E_NOMEM, k = 0;
    sn_alloc_set_hooks(&torture_hooks);
    for (k = 1; k < 100 && r < 0; k++) {
        torture_at = k;
        torture_count = 0;
        r = torture_round();
        T_ASSERTF(r == SN_E_NOMEM || r >= 0, "allocation %d: %s", k, sn_status_name(r));
    }
    sn_alloc_set_hooks(NULL);
    T_ASSERT(r >= 0 && k > 2);
    return 0;
}
/* A read under a deadline that has passed is a look at what is there. One that is refused because many
 * went before must leave what it did not look at readable. */
NET_TEST(refused_reads_lose_nothing)
{
    int p[2];
    char b;
    struct sn_stream *s;
    T_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p), 0);
    T_OK(sn_stream_adopt(p[0], &s));
    char all[2000] = {0};
    unsigned refused = 0;
    T_EQ(write(p[1], all, sizeof(all)), sizeof(all));
    for (size_t i = 0; i < sizeof(all); i++) {
        int64_t before = sn_deadline_tighten(sn_now());
        ssize_t n = sn_read(s, &b, 1);
        sn_deadline_restore(before);
        if (n == 1) continue;
        T_EQ(n, SN_E_DEADLINE_EXCEEDED);
        refused++;
        before = sn_deadline_tighten(sn_now() + 5 * SN_SEC);
        T_EQ(sn_read(s, &b, 1), 1);
        sn_deadline_restore(before);
    }
    T_ASSERTF(refused > 2, "%u reads were refused", refused);
    close(p[1]);
    sn_stream_close(s);
    return 0;
}

SN_TEST(failing_allocations)
{
    run_on(torture_body, false, 1);
    run_on(torture_body, true, 1);
}

/* ---- many ---- */

static void storm_client(void *arg)
{
    const char *addr = arg;
    for (int i = 0; i < 5; i++) {
        struct sn_stream *s;
        T_OK(sn_dial(addr, NULL, &s));
        if (i % 2) T_EQ(sn_write(s, "x", 1), 1);
        if (i == 3)
            hard_close(s);
        else
            sn_stream_close(s);
    }
}

NET_TEST(connection_storm)
{
    struct sn_listener *l;
    char addr[SN_ADDR_TEXT_MAX];
    T_OK(sn_listen(":0", NULL, &l));
    addr_of(l, addr, sizeof addr);
    struct sn_scope_storage m1, m2;
    struct sn_scope *server = sn_scope_begin(&m1);
    T_OK(sn_go("serve", serve_fiber, l));
    struct sn_scope *clients = sn_scope_begin(&m2);
    for (int i = 0; i < 200; i++) T_OK(sn_go("client", storm_client, addr));
    T_OK(sn_scope_end(clients));
    struct sn_rt_stats st;
    for (sn_rt_stats(&st); st.conns_open; sn_rt_stats(&st)) T_OK(sn_sleep(SN_MS));
    sn_listener_close(l);
    T_OK(sn_scope_end(server));
    return 0;
}

/* ---- a kernel that refuses io_uring ---- */

static char fallback_text[700];
static void keep_text(const char *text)
{
    snprintf(fallback_text, sizeof fallback_text, "%s", text);
}

SN_TEST(io_uring_refused_falls_back_aloud)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog prog = {SN_COUNT_OF(code), code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0)
        sn_test_skip("no seccomp filters here: errno %d", errno);
    sn_watchdog_hook = keep_text;
    run_on(tcp_echo_body, true, 2);
    T_ASSERTF(strstr(fallback_text, "using epoll: io_uring: the kernel refuses"), "%s",
              fallback_text);
}

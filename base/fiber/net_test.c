/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/net_test.c - kernel sockets: streams, listeners, parking, datagrams, waits, faults. Each
 * test body runs under the epoll and under the io_uring poller. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/alloc.h"
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
#define NET_TEST(name)            \
    static int name##_body(void *arg); \
    SN_TEST(name) { run_both(name##_body); } \
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

/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/net_park_test.c - 20,000 parked connections: what one costs, and that all still answer.
 * Server and clients are separate processes, each below the descriptor limit; nothing is done to
 * the limit itself. */
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/alloc.h"
#include "fiber/net_int.h"
#include "harness/test.h"

#define CONNS 20000
#define SERVERS 2
#define PER_SERVER (CONNS / SERVERS)
#define FD_SPARE 200

/* Bytes asked of the heap, by the alloc hooks; the allocator's own header is counted as 16. */
static int64_t heap_bytes;
static void on_alloc(void *p, size_t n)
{
    __atomic_add_fetch(&heap_bytes, (int64_t)n + 16, __ATOMIC_RELAXED);
}
static const struct sn_alloc_hooks hooks = {.on_alloc = on_alloc};

static void answer(struct sn_stream *s, void *arg, int why)
{
    char b[16];
    ssize_t n = why < 0 ? why : sn_read(s, b, sizeof b);
    if (n <= 0 || sn_write(s, b, (size_t)n) < 0)
        sn_stream_close(s);
    else
        sn_stream_park(s, sn_now_coarse() + SN_HOUR, answer, NULL);
}

struct report {
    int64_t bytes;
    uint64_t parked;
};
struct side {
    int ctl[2]; /* to and from the server process */
    char addr[SN_ADDR_TEXT_MAX];
};

static void serve(void *arg)
{
    struct sn_serve_opts o = {.idle_ns = SN_HOUR};
    (void)!sn_listener_serve(arg, &o, answer, NULL);
}

static int server_main(void *arg)
{
    struct side *me = arg;
    struct sn_listener *l;
    struct sn_rt_stats st;
    sn_alloc_set_hooks(&hooks); /* so that the listener's own memory counts as well */
    T_OK(sn_listen("127.0.0.1:0", &(struct sn_listen_opts){.per_worker = true}, &l));
    T_OK(sn_listener_addr(l, me->addr, sizeof me->addr));
    T_OK(sn_go("serve", serve, l));
    T_OK(sn_sleep(20 * SN_MS));
    T_EQ(write(me->ctl[1], me->addr, sizeof me->addr), sizeof me->addr);
    for (sn_rt_stats(&st); st.conns_parked < PER_SERVER; sn_rt_stats(&st))
        T_OK(sn_sleep(5 * SN_MS));
    struct report r = {__atomic_load_n(&heap_bytes, __ATOMIC_RELAXED), st.conns_parked};
    sn_alloc_set_hooks(NULL);
    T_EQ(write(me->ctl[1], &r, sizeof r), sizeof r);
    for (sn_rt_stats(&st); st.conns_open > 0; sn_rt_stats(&st)) T_OK(sn_sleep(5 * SN_MS));
    sn_listener_close(l);
    return 0;
}

static pid_t server_start(struct side *s)
{
    T_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s->ctl), 0);
    fflush(NULL);
    pid_t pid = fork();
    T_ASSERT(pid >= 0);
    if (pid == 0) {
        struct sn_rt_opts o = {.workers = 2};
        _exit(sn_rt_run(&o, server_main, s) == 0 ? 0 : 1);
    }
    return pid;
}

static int client_main(void *arg)
{
    struct side *s = arg;
    struct sn_stream **c = sn_zalloc(PER_SERVER, sizeof *c);
    struct report r;
    char b;
    for (int i = 0; i < PER_SERVER; i++) {
        char local[32];
        snprintf(local, sizeof local, "127.0.0.%d", 2 + i % 50);
        T_OK(sn_dial(s->addr, &(struct sn_dial_opts){.local = local}, &c[i]));
    }
    T_EQ(read(s->ctl[0], &r, sizeof r), sizeof r);
    T_EQ(r.parked, PER_SERVER);
    double each = (double)r.bytes / PER_SERVER;
    printf("%d connections parked: %.0f bytes of user memory each\n", PER_SERVER, each);
    fflush(stdout);
    T_ASSERTF(each <= SN_SOCK_BYTES_MAX, "%.0f bytes each, the budget is %d", each,
              SN_SOCK_BYTES_MAX);
    for (int i = 0; i < PER_SERVER; i += 97) { /* about 1 % */
        T_EQ(sn_write(c[i], "q", 1), 1);
        T_OK(sn_read_full(c[i], &b, 1));
        T_EQ(b, 'q');
    }
    for (int i = 0; i < PER_SERVER; i++) sn_stream_close(c[i]);
    sn_free(c);
    return 0;
}

SN_TEST_SLOW(twenty_thousand_parked_connections, 120)
{
    struct rlimit rl;
    T_EQ(getrlimit(RLIMIT_NOFILE, &rl), 0);
    if (rl.rlim_cur < PER_SERVER + FD_SPARE)
        sn_test_skip("needs %d descriptors per process, the limit is %llu", PER_SERVER + FD_SPARE,
                     (unsigned long long)rl.rlim_cur);
    struct side side[SERVERS];
    pid_t server[SERVERS], client[SERVERS];
    int status;
    for (int i = 0; i < SERVERS; i++) {
        server[i] = server_start(&side[i]);
        close(side[i].ctl[1]);
        ssize_t n = read(side[i].ctl[0], side[i].addr, sizeof side[i].addr);
        T_EQ(n, sizeof side[i].addr);
    }
    fflush(NULL);
    for (int i = 0; i < SERVERS; i++) {
        if ((client[i] = fork()) == 0) {
            struct sn_rt_opts o = {.workers = 1};
            _exit(sn_rt_run(&o, client_main, &side[i]) == 0 ? 0 : 1);
        }
    }
    for (int i = 0; i < SERVERS; i++) {
        T_ASSERT(waitpid(client[i], &status, 0) == client[i] && status == 0);
        T_ASSERT(waitpid(server[i], &status, 0) == server[i] && status == 0);
        close(side[i].ctl[0]);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* e2e/takeover_peer.c - a workload for takeover's tests and bench, with the calls that a script cannot
 * make: connects in a row as fast as they go, by io_uring, timed one by one.
 *
 *   takeover_peer uring ADDRESS PORT          connects by io_uring; prints the peer's name
 *   takeover_peer hammer ADDRESS PORT MS      connects until the time is over; prints "N connects, N failed"
 *                                             and how many each server (its first byte) took
 *   takeover_peer latency ADDRESS PORT VIP VPORT OTHER WORK ROUNDS   listens at ADDRESS and connects to it 100
 *       times in the cgroup OTHER, in WORK, and from WORK to VIP, ROUNDS times in turn; prints p50 and p90 of
 *       connect(2) in ns of each, and of what VIP costs more than OTHER the median, the 5th and 95th percentile
 *   takeover_peer serve ADDRESS PORT BYTE     accepts, sends the byte, closes; prints "ready"
 *   takeover_peer pingpong ADDRESS PORT N B   N messages of B bytes there and back; p50 in ns
 *   takeover_peer echo ADDRESS PORT           returns what it gets */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int fail(const char *what)
{
    fprintf(stderr, "takeover_peer: %s: %m\n", what);
    return 1;
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static socklen_t address(const char *host, const char *port, struct sockaddr_storage *ret)
{
    struct sockaddr_in *a = (void *)ret;
    struct sockaddr_in6 *b = (void *)ret;
    memset(ret, 0, sizeof(*ret));
    if (inet_pton(AF_INET, host, &a->sin_addr) == 1) {
        a->sin_family = AF_INET;
        a->sin_port = htons((uint16_t)strtol(port, NULL, 10));
        return sizeof(*a);
    }
    if (inet_pton(AF_INET6, host, &b->sin6_addr) != 1) return 0;
    b->sin6_family = AF_INET6;
    b->sin6_port = htons((uint16_t)strtol(port, NULL, 10));
    return sizeof(*b);
}

static int print_peer(int fd)
{
    struct sockaddr_in a;
    socklen_t n = sizeof(a);
    if (getpeername(fd, (struct sockaddr *)&a, &n) < 0) return fail("getpeername");
    printf("%s:%d\n", inet_ntoa(a.sin_addr), ntohs(a.sin_port));
    return 0;
}

/* One connect as a submission of a ring of its own. */
static int uring(const struct sockaddr_storage *a, socklen_t len)
{
    struct io_uring_params p = {0};
    int ring = (int)syscall(SYS_io_uring_setup, 4, &p);
    if (ring < 0) return fail("io_uring_setup");
    uint8_t *sq = mmap(NULL, p.sq_off.array + p.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                       ring, IORING_OFF_SQ_RING);
    uint8_t *cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_CQ_RING);
    struct io_uring_sqe *e = mmap(NULL, p.sq_entries * sizeof(*e), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                                  ring, IORING_OFF_SQES);
    if (sq == MAP_FAILED || cq == MAP_FAILED || e == MAP_FAILED) return fail("mmap");
    int fd = socket(a->ss_family, SOCK_STREAM, 0);
    *e = (struct io_uring_sqe){.opcode = IORING_OP_CONNECT, .fd = fd, .addr = (uintptr_t)a, .off = len};
    ((uint32_t *)(sq + p.sq_off.array))[0] = 0;
    __atomic_store_n((uint32_t *)(sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0) return fail("io_uring_enter");
    const struct io_uring_cqe *c = (void *)(cq + p.cq_off.cqes);
    errno = -c->res;
    if (c->res < 0) return fail("connect by io_uring");
    return print_peer(fd);
}

static int dial(const struct sockaddr_storage *a, socklen_t len)
{
    int fd = socket(a->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    /* Closed by a reset: thousands of connects would use up the ports that wait. */
    const struct linger reset = {.l_onoff = 1};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    if (connect(fd, (const struct sockaddr *)a, len) == 0) return fd;
    int e = errno;
    (void)close(fd);
    errno = e;
    return -1;
}

static int hammer(const struct sockaddr_storage *a, socklen_t len, int64_t ms)
{
    unsigned n = 0, failed = 0, took[256] = {0};
    for (int64_t until = now_ns() + ms * 1000000; now_ns() < until; n++) {
        unsigned char who = 0;
        int fd = dial(a, len);
        if (fd < 0 || read(fd, &who, 1) != 1) failed++;
        else took[who]++;
        if (fd >= 0) (void)close(fd);
    }
    printf("%u connects, %u failed", n, failed);
    for (unsigned i = 0; i < 256; i++)
        if (took[i]) printf(", %c %u", (int)i, took[i]);
    printf("\n");
    return 0;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void percentiles(int64_t *t, long n)
{
    qsort(t, (size_t)n, sizeof(*t), by_size);
    printf("%lld %lld\n", (long long)t[n / 2], (long long)t[n * 9 / 10]);
}

static int listen_at(const struct sockaddr_storage *a, socklen_t len)
{
    const int one = 1;
    int fd = socket(a->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (fd < 0 || bind(fd, (const struct sockaddr *)a, len) < 0 || listen(fd, 4096) < 0) return -1;
    printf("ready\n");
    (void)fflush(stdout);
    return fd;
}

#define BATCH 100
static int join(const char *cgroup)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
    FILE *f = fopen(path, "we");
    int r = f && fprintf(f, "%d", (int)getpid()) > 0 ? 0 : -1;
    return f && fclose(f) == 0 ? r : -1;
}

/* BATCH connects, each accepted in the same thread: nobody is woken, so what is measured is the call. */
static int batch(int listener, const struct sockaddr_storage *a, socklen_t len, int64_t *t)
{
    for (int i = 0; i < BATCH; i++) {
        int fd = socket(a->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const struct linger reset = {.l_onoff = 1};
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        int64_t from = now_ns();
        int r = connect(fd, (const struct sockaddr *)a, len);
        t[i] = now_ns() - from;
        if (r < 0) return fail("connect");
        int other = accept(listener, NULL, NULL);
        (void)close(fd);
        (void)close(other);
    }
    return 0;
}

/* The listener stays in the cgroup it was made in, whatever its process joins. */
static int latency(const struct sockaddr_storage *own, const struct sockaddr_storage *vip, socklen_t len,
                   const char *outside, const char *inside, long rounds)
{
    int l = listen_at(own, len);
    int64_t *t[3], one[3][BATCH];
    for (int k = 0; k < 3; k++) t[k] = calloc((size_t)rounds * BATCH, sizeof(**t));
    if (l < 0 || !t[0] || !t[1] || !t[2]) return fail("listen");
    int64_t *over = calloc((size_t)rounds, sizeof(*over));
    for (long r = 0; over && r < rounds; r++) {
        if (join(outside) < 0 || batch(l, own, len, one[0])) return fail(outside);
        if (join(inside) < 0 || batch(l, own, len, one[1]) || batch(l, vip, len, one[2])) return fail(inside);
        for (int k = 0; k < 3; k++) {
            qsort(one[k], BATCH, sizeof(**one), by_size);
            memcpy(t[k] + r * BATCH, one[k], sizeof(one[k]));
        }
        over[r] = one[2][BATCH / 2] - one[0][BATCH / 2];
    }
    for (int k = 0; k < 3; k++) percentiles(t[k], rounds * BATCH);
    qsort(over, (size_t)rounds, sizeof(*over), by_size);
    printf("%lld %lld %lld\n", (long long)over[rounds / 2], (long long)over[rounds / 20],
           (long long)over[rounds * 19 / 20]);
    return 0;
}

static int serve(const struct sockaddr_storage *a, socklen_t len, char who)
{
    int l = listen_at(a, len);
    if (l < 0) return fail("listen");
    for (;;) {
        int fd = accept(l, NULL, NULL);
        if (fd < 0) continue;
        (void)!write(fd, &who, 1);
        (void)close(fd);
    }
}

static int echo(const struct sockaddr_storage *a, socklen_t len)
{
    static char buf[1 << 20];
    int l = listen_at(a, len);
    if (l < 0) return fail("listen");
    for (;;) {
        int fd = accept(l, NULL, NULL);
        const int one = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        for (ssize_t n; (n = read(fd, buf, sizeof(buf))) > 0;)
            for (ssize_t at = 0, w; at < n; at += w)
                if ((w = write(fd, buf + at, (size_t)(n - at))) <= 0) break;
        (void)close(fd);
    }
}

/* Last line: how many of the bytes TCP has carried. */
static int pingpong(const struct sockaddr_storage *a, socklen_t len, long n, long bytes)
{
    char *buf = calloc(1, (size_t)bytes + 1);
    int64_t *t = calloc((size_t)n + 1, sizeof(*t));
    int fd = dial(a, len);
    const int one = 1;
    if (fd < 0 || !buf || !t) return fail("connect");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    for (long i = 0; i < n; i++) {
        int64_t from = now_ns();
        memset(buf, (int)(i & 0x7f) + 1, (size_t)bytes);
        if (write(fd, buf, (size_t)bytes) != bytes) return fail("write");
        for (long got = 0; got < bytes;) {
            ssize_t r = read(fd, buf + got, (size_t)(bytes - got));
            if (r <= 0) return fail("read");
            got += r;
        }
        for (long k = 0; k < bytes; k++)
            if (buf[k] != (char)((i & 0x7f) + 1)) return fail("other bytes came back");
        t[i] = now_ns() - from;
    }
    percentiles(t, n);
    /* By its offset in the kernel's struct tcp_info: libc's is shorter. */
    uint64_t acked = 0;
    uint8_t raw[256] = {0};
    socklen_t size = sizeof(raw);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, raw, &size) < 0 || size < 128) return fail("TCP_INFO");
    memcpy(&acked, raw + 120, sizeof(acked));
    printf("%llu of %lld bytes by TCP\n", (unsigned long long)acked, (long long)n * bytes);
    free(buf);
    free(t);
    (void)close(fd);
    return 0;
}

int main(int argc, char **argv)
{
    struct sockaddr_storage a;
    socklen_t len = argc > 3 ? address(argv[2], argv[3], &a) : 0;
    const char *verb = argc > 1 ? argv[1] : "";
    const long arg = argc > 4 ? strtol(argv[4], NULL, 10) : 0;
    if (len && strcmp(verb, "uring") == 0) return uring(&a, len);
    if (len && strcmp(verb, "echo") == 0) return echo(&a, len);
    if (len && strcmp(verb, "serve") == 0 && argc > 4) return serve(&a, len, argv[4][0]);
    if (len && strcmp(verb, "hammer") == 0 && arg > 0) return hammer(&a, len, arg);
    struct sockaddr_storage vip;
    if (len && strcmp(verb, "latency") == 0 && argc == 9 && address(argv[4], argv[5], &vip) == len)
        return latency(&a, &vip, len, argv[6], argv[7], strtol(argv[8], NULL, 10));
    if (len && strcmp(verb, "pingpong") == 0 && argc > 5)
        return pingpong(&a, len, arg, strtol(argv[5], NULL, 10));
    fprintf(stderr, "usage: see the head of takeover_peer.c\n");
    return 2;
}

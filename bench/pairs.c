/* SPDX-License-Identifier: Apache-2.0 */
/* bench/pairs - HTTP servers against each other on a machine that is not quiet.
 *
 *   pairs [-c CONNS] [-s SLICE_MS] [-n ROUNDS] [-o FILE] NAME=PORT:PID...
 *
 * Each server gets CONNS kept connections with one request outstanding on each. In every round each
 * server is driven for one slice, in an order that alternates; a slice ends when its last answer is
 * in, so the server is idle whenever its CPU time (all threads, schedstat, ns) is read. Slices are
 * short, so whatever else the machine does falls on neighbours alike, and the median of the pairwise
 * ratios against the first server, with its 95 % interval, resolves a hundredth where single runs
 * of seconds differ by tenths. Prints one Markdown row per server; -o appends the ratios of the second
 * one, a line each. Answers need a Content-Length. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SERVERS_MAX 8
#define CONNS_MAX 4096
#define ROUNDS_MAX 10000
#define ANSWER_MAX 16384
#define LATENCIES_MAX (1u << 20) /* kept per server: the first ones */

struct conn {
    int fd;
    int64_t sent_ns;
    size_t have;
    char buf[ANSWER_MAX];
};
struct server {
    const char *name;
    int port, pid, epoll_fd;
    struct conn *conns;
    double *per_cpu, *rate; /* of each round */
    float *latency_us;
    size_t n_latency;
};

static struct server servers[SERVERS_MAX];
static unsigned n_servers, conns = 64, slice_ms = 100, rounds = 60;
static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

static void die(const char *what, const char *who)
{
    fprintf(stderr, "pairs: %s %s: %s\n", who, what, strerror(errno));
    exit(1);
}
static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t); /* banned: a bench without the runtime */
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* CPU time of all threads so far; the threads sleep when this is read. */
static int64_t cpu_ns(const struct server *s)
{
    char path[300];
    int64_t sum = 0;
    snprintf(path, sizeof path, "/proc/%d/task", s->pid);
    DIR *d = opendir(path);
    if (!d) die("is gone", s->name);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        long long run = 0;
        snprintf(path, sizeof path, "/proc/%d/task/%.20s/schedstat", s->pid, e->d_name);
        FILE *f = e->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (!f) continue;
        if (fscanf(f, "%lld", &run) == 1) sum += run;
        fclose(f);
    }
    closedir(d);
    return sum;
}

static void server_open(struct server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)s->port)};
    inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
    s->epoll_fd = epoll_create1(0);
    s->conns = calloc(conns, sizeof *s->conns);
    s->per_cpu = calloc(rounds, sizeof *s->per_cpu);
    s->rate = calloc(rounds, sizeof *s->rate);
    s->latency_us = calloc(LATENCIES_MAX, sizeof *s->latency_us);
    if (!s->conns || !s->per_cpu || !s->rate || !s->latency_us) die("memory", s->name);
    for (unsigned i = 0; i < conns; i++) {
        struct conn *c = &s->conns[i];
        int one = 1;
        c->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof a) < 0) die("connect", s->name);
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
        if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) < 0) die("epoll", s->name);
    }
}

static void ask(struct server *s, struct conn *c)
{
    size_t n = sizeof request - 1;
    c->sent_ns = now_ns();
    c->have = 0;
    if (send(c->fd, request, n, MSG_NOSIGNAL) != (ssize_t)n) die("send", s->name);
}

/* Reads what is there. Returns whether the answer is whole. */
static bool answer(struct server *s, struct conn *c)
{
    ssize_t n = recv(c->fd, c->buf + c->have, ANSWER_MAX - 1 - c->have, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return false;
    if (n <= 0) die("closed a connection", s->name);
    c->have += (size_t)n;
    c->buf[c->have] = 0;
    char *end = strstr(c->buf, "\r\n\r\n"), *length = strcasestr(c->buf, "\r\nContent-Length:");
    if (!end) return false;
    if (strncmp(c->buf, "HTTP/1.1 200", 12) != 0 || !length || length > end) {
        fprintf(stderr, "pairs: %s answered: %.*s\n", s->name, (int)(end - c->buf), c->buf);
        exit(1);
    }
    return c->have >= (size_t)(end + 4 - c->buf) + strtoul(length + 17, NULL, 10);
}

/* One slice; returns the answers. */
static uint64_t slice(struct server *s, int64_t ns)
{
    struct epoll_event ev[256];
    uint64_t done = 0;
    unsigned out = conns;
    int64_t until = now_ns() + ns;
    for (unsigned i = 0; i < conns; i++) ask(s, &s->conns[i]);
    while (out > 0) {
        int n = epoll_wait(s->epoll_fd, ev, 256, 10000);
        if (n == 0) errno = ETIMEDOUT;
        if (n <= 0 && errno != EINTR) die("does not answer", s->name);
        for (int i = 0; i < n; i++) {
            struct conn *c = ev[i].data.ptr;
            if (!answer(s, c)) continue;
            int64_t now = now_ns();
            done++;
            if (s->n_latency < LATENCIES_MAX)
                s->latency_us[s->n_latency++] = (float)(now - c->sent_ns) / 1000;
            if (now < until)
                ask(s, c);
            else
                out--;
        }
    }
    return done;
}

static void measure(struct server *s, unsigned round)
{
    int64_t cpu = cpu_ns(s), from = now_ns();
    uint64_t n = slice(s, slice_ms * 1000000ll);
    int64_t took = now_ns() - from;
    usleep(500); /* its last wake-up may still be running */
    cpu = cpu_ns(s) - cpu;
    s->per_cpu[round] = (double)n * 1e9 / (double)(cpu > 0 ? cpu : 1);
    s->rate[round] = (double)n * 1e9 / (double)took;
}

static int by_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
static int by_float(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}
static double median(const double *v)
{
    double copy[ROUNDS_MAX];
    memcpy(copy, v, rounds * sizeof *v);
    qsort(copy, rounds, sizeof *copy, by_double);
    return rounds % 2 ? copy[rounds / 2] : (copy[rounds / 2 - 1] + copy[rounds / 2]) / 2;
}

static void print(struct server *s)
{
    static double ratio[ROUNDS_MAX];
    for (unsigned i = 0; i < rounds; i++) ratio[i] = servers[0].per_cpu[i] / s->per_cpu[i];
    double mid = median(ratio);
    qsort(ratio, rounds, sizeof *ratio, by_double);
    /* Ranks n/2 -+ 0.98 sqrt(n) enclose the median with 95 %. */
    int d = (int)ceil(0.98 * sqrt(rounds)), half = (int)rounds / 2;
    int low = half - d < 0 ? 0 : half - d, high = half + d >= (int)rounds ? (int)rounds - 1 : half + d;
    qsort(s->latency_us, s->n_latency, sizeof *s->latency_us, by_float);
    printf("| %s | %.0f | %.0f | %.0f | %.0f | %.3f | %.3f-%.3f |\n", s->name, median(s->per_cpu),
           median(s->rate), (double)s->latency_us[s->n_latency / 2],
           (double)s->latency_us[s->n_latency * 99 / 100], mid, ratio[low], ratio[high]);
}

int main(int argc, char **argv)
{
    const char *out = NULL;
    for (int o; (o = getopt(argc, argv, "c:s:n:o:")) != -1;) {
        if (o == 'c') conns = (unsigned)atoi(optarg);
        else if (o == 's') slice_ms = (unsigned)atoi(optarg);
        else if (o == 'n') rounds = (unsigned)atoi(optarg);
        else if (o == 'o') out = optarg;
        else return 2;
    }
    if (conns < 1 || conns > CONNS_MAX || rounds < 1 || rounds > ROUNDS_MAX) return 2;
    for (; optind < argc && n_servers < SERVERS_MAX; optind++, n_servers++) {
        struct server *s = &servers[n_servers];
        char *eq = strchr(argv[optind], '=');
        if (!eq || sscanf(eq + 1, "%d:%d", &s->port, &s->pid) != 2) return 2;
        *eq = 0;
        s->name = argv[optind];
        server_open(s);
    }
    if (n_servers == 0) return 2;
    for (unsigned i = 0; i < n_servers; i++) slice(&servers[i], 300000000), servers[i].n_latency = 0;
    for (unsigned r = 0; r < rounds; r++)
        for (unsigned i = 0; i < n_servers; i++)
            measure(&servers[r % 2 ? n_servers - 1 - i : i], r);
    printf("| server | requests per CPU-second | requests/s | P50 us | P99 us | %s / it | 95 %% |\n"
           "|---|--:|--:|--:|--:|--:|---|\n", servers[0].name);
    for (unsigned i = 0; i < n_servers; i++) print(&servers[i]);
    FILE *f = out && n_servers > 1 ? fopen(out, "a") : NULL;
    for (unsigned r = 0; f && r < rounds; r++)
        fprintf(f, "%.5f\n", servers[1].per_cpu[r] / servers[0].per_cpu[r]);
    if (f) fclose(f);
    return 0;
}

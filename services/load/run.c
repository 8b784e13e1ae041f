/* SPDX-License-Identifier: Apache-2.0 */
/* load/run.c - the parent of a load run: forks the workers, adds up what they send. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/status.h"
#include "fiber/net.h"
#include "fiber/os.h"
#include "load/load.h"

#define START_DELAY_NS (50 * SN_MS) /* for all workers to have their runtime up */
#define FRAME_BYTES_MAX (4u << 20)

struct child {
    struct gather *g;
    pid_t pid;
    int fd;
    int64_t conns_open;
    bool ended, lost;
};
struct gather {
    const struct sn_load_plan *plan;
    struct sn_load_result *res;
    void (*progress)(const struct sn_load_result *, double, double);
    struct child children[SN_LOAD_PROCS_MAX];
    struct sn_load_stats second; /* since the last whole second */
    int64_t start_ns;
    unsigned running;
};

static int64_t conns_open(const struct gather *g)
{
    int64_t n = 0;
    for (unsigned i = 0; i < g->plan->procs; i++) n += g->children[i].conns_open;
    return n;
}

/* Reads one worker's frames until its pipe ends. */
static int child_main(void *arg)
{
    struct child *c = arg;
    struct gather *g = c->g;
    struct sn_buf b;
    sn_buf_init(&b, FRAME_BYTES_MAX);
    int r;
    for (;;) {
        r = sn_buf_reserve(&b, 64u << 10);
        if (r < 0) break;
        ssize_t n = read(c->fd, b.ptr + b.len, b.cap - b.len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) {
            r = sn_fd_wait(c->fd, EPOLLIN);
            if (r < 0) break;
            continue;
        }
        if (n <= 0) break;
        b.len += (size_t)n;
        struct sn_str view = sn_buf_view(&b);
        while ((r = sn_load_stats_decode_add(&view, &g->second, &c->conns_open)) == 1) continue;
        if (r < 0) break;
        sn_buf_consume(&b, b.len - view.len);
    }
    c->ended = true;
    c->conns_open = 0;
    g->running--;
    sn_buf_done(&b);
    return r < 0 ? r : 0;
}

static int close_second(struct gather *g, double at_s, int64_t open)
{
    struct sn_load_result *res = g->res;
    const struct sn_hist *h = &g->second.hist[SN_LOAD_LATENCY];
    struct sn_load_second s = {
        .at_s = at_s,
        .requests = g->second.n.requests,
        .errors = sn_load_errors(&g->second.n),
        .conns_open = open,
        .p50_ns = sn_hist_percentile(h, 50),
        .p99_ns = sn_hist_percentile(h, 99),
        .max_ns = h->count ? h->max : 0,
        .planned = sn_load_schedule_rate(&g->plan->schedule, (int64_t)(at_s * SN_SEC) - SN_SEC / 2),
    };
    res->conns_peak = SN_MAX(res->conns_peak, s.conns_open);
    int r = sn_vec_push(&res->seconds, s);
    if (r == 0) r = sn_load_stats_add(&res->total, &g->second);
    sn_load_stats_reset(&g->second);
    return r;
}

/* Ticks until every worker has ended: seconds for the report, progress for the user. */
static int tick_main(void *arg)
{
    struct gather *g = arg;
    int64_t next = g->start_ns + SN_SEC;
    double of = g->plan->duration_ns ? (double)g->plan->duration_ns / SN_SEC : 0;
    int r = 0;
    while (r == 0 && g->running) {
        r = sn_sleep(SN_LOAD_FRAME_NS);
        int64_t now = sn_now();
        g->res->total.conns_open = conns_open(g);
        if (r == 0 && now >= next) {
            r = close_second(g, (double)(next - g->start_ns) / SN_SEC, conns_open(g));
            next += SN_SEC;
        }
        if (g->progress) g->progress(g->res, (double)(now - g->start_ns) / SN_SEC, of);
    }
    return r == SN_E_CANCELLED ? 0 : r;
}

static void stop_children(struct gather *g, int sig)
{
    for (unsigned i = 0; i < g->plan->procs; i++)
        if (g->children[i].pid > 0 && !g->children[i].ended) kill(g->children[i].pid, sig);
}

/* The first SIGINT or SIGTERM ends the workers; what they have measured is still reported. */
static int signal_main(void *arg)
{
    struct gather *g = arg;
    int sig = sn_signal_wait((const int[]){SIGINT, SIGTERM, 0});
    if (sig < 0) return 0;
    g->res->interrupted = true;
    stop_children(g, SIGTERM);
    return 0;
}

static int gather_main(void *arg)
{
    struct gather *g = arg;
    struct sn_scope_storage mem, sig_mem;
    struct sn_scope *signals = sn_scope_begin(&sig_mem);
    int r = sn_scope_go(signals, "load signals", signal_main, g);
    struct sn_scope *s = sn_scope_begin(&mem);
    for (unsigned i = 0; r == 0 && i < g->plan->procs; i++)
        r = sn_scope_go(s, "load gather", child_main, &g->children[i]);
    if (r == 0) r = sn_scope_go(s, "load tick", tick_main, g);
    int w = sn_scope_end(s);
    sn_scope_cancel(signals);
    (void)sn_scope_end(signals);
    return r < 0 ? r : w;
}

static void on_term(int sig) { _exit(0); /* banned: a signal handler may do nothing else */ }

/* In the child: SIGTERM ends it at once (frames already sent count), SIGINT is the parent's. */
static SN_NORETURN void be_worker(struct gather *g, unsigned i, int fd)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, on_term);
    signal(SIGPIPE, SIG_IGN);
    for (unsigned k = 0; k < i; k++) close(g->children[k].fd);
    int r = sn_load_worker(g->plan, i, g->start_ns, fd);
    if (r < 0 && r != SN_E_EOF) {
        char text[SN_DIAG_BYTES];
        dprintf(2, "sennit load: worker %u: %s\n", i, sn_diag_format(r, text, sizeof(text)));
    }
    _exit(r < 0 ? 1 : 0); /* banned: the forked worker never returns to its parent's code */
}

static int start_children(struct gather *g)
{
    for (unsigned i = 0; i < g->plan->procs; i++) {
        int fds[2];
        if (pipe2(fds, O_CLOEXEC) < 0) return sn_fail_errno(errno, "pipe for load worker %u", i);
        pid_t pid = fork(); /* banned: before any runtime; each worker starts its own */
        if (pid < 0) {
            close(fds[0]);
            close(fds[1]);
            return sn_fail_errno(errno, "start load worker %u", i);
        }
        if (pid == 0) {
            close(fds[0]);
            be_worker(g, i, fds[1]);
        }
        close(fds[1]);
        fcntl(fds[0], F_SETFL, O_NONBLOCK);
        g->children[i] = (struct child){.g = g, .pid = pid, .fd = fds[0]};
        g->running++;
    }
    return 0;
}

static void reap_children(struct gather *g)
{
    for (unsigned i = 0; i < g->plan->procs; i++) {
        struct child *c = &g->children[i];
        if (c->pid <= 0) continue;
        int status = 0;
        struct rusage use;
        if (wait4(c->pid, &status, 0, &use) == c->pid) {
            g->res->worker_cpu_s +=
                (double)use.ru_utime.tv_sec + (double)use.ru_stime.tv_sec +
                (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
            if (status != 0) g->res->workers_lost++;
        }
        close(c->fd);
    }
}

int sn_load_run(const struct sn_load_plan *p, struct sn_load_result *ret,
                void (*progress)(const struct sn_load_result *, double, double))
{
    SN_ASSERT(p->procs >= 1 && p->procs <= SN_LOAD_PROCS_MAX);
    struct gather *g = SN_NEW(struct gather);
    if (!g) return SN_E_NOMEM;
    *ret = (struct sn_load_result){0};
    g->plan = p;
    g->res = ret;
    g->progress = progress;
    int r = sn_load_stats_init(&ret->total);
    if (r == 0) r = sn_load_stats_init(&g->second);
    g->start_ns = sn_now() + START_DELAY_NS * (1 + p->procs / 8);
    if (r == 0) r = start_children(g);
    if (r == 0) r = sn_rt_run(&(struct sn_rt_opts){.workers = 1}, gather_main, g);
    if (r < 0) stop_children(g, SIGKILL);
    reap_children(g);
    int64_t end = SN_MIN(sn_now(), p->duration_ns ? g->start_ns + p->duration_ns : INT64_MAX);
    ret->elapsed_s = SN_MAX(1e-9, (double)(end - g->start_ns - p->warmup_ns) / SN_SEC);
    /* The last, partial second: its workers have closed their connections by now. */
    int64_t open = ret->seconds.len ? ret->seconds.ptr[ret->seconds.len - 1].conns_open : 0;
    if (r == 0 && g->second.n.requests + sn_load_errors(&g->second.n))
        r = close_second(g, (double)(end - g->start_ns) / SN_SEC, open);
    sn_load_stats_done(&g->second);
    sn_free(g);
    return r;
}

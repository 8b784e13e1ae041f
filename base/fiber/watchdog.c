/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/watchdog.c - notices fibers that keep a worker to themselves.
 * Every 10 ms it compares each worker's switch count; a worker that runs the same fiber as before
 * is a hog (its thread is on a CPU) or stuck in a blocking call (its thread sleeps). Preemption is
 * not possible in C, so it helps the others to that worker's unstarted fibers and says so, at most
 * once per occurrence and ten times per minute. */
#include "fiber/leak_int.h"
#include "fiber/sample.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define WATCH_NS (10 * SN_MS)
#define WATCH_IDLE_NS (100 * SN_MS) /* while every worker sleeps */
#define REPORT_AFTER_NS (20 * SN_MS)
#define REPORTS_PER_MINUTE 10
#define STACKS_KNOWN 64u /* fibers whose stack has been shown */
#define FRAMES_SHOWN 12u

static void report_stderr(const char *text)
{
    fprintf(stderr, "watchdog: %s\n", text);
}
void (*sn_watchdog_hook)(const char *text) = report_stderr;

static struct {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool up, stop;
    uint32_t dump;         /* __atomic: somebody wants all fibers on standard error */
    struct sigaction quit; /* SIGQUIT's before */
    bool quit_ours;
    int64_t window_at;
    unsigned window_n;
    uint64_t shown[STACKS_KNOWN];
    unsigned shown_n;
} dog = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* 'R' running, 'S' or 'D' in a system call; 0 unknown. */
static char thread_state(int tid)
{
    char path[64], text[256];
    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0) return 0;
    text[n] = 0;
    const char *p = strrchr(text, ')');
    return p && p[1] == ' ' ? p[2] : 0;
}

static int64_t cpu_time(const struct sn_worker *w)
{
    struct timespec ts;
    if (!SN_LOAD_ACQ(&w->os_tid) || clock_gettime(w->cpu_clock, &ts) != 0) return 0;
    return ts.tv_sec * SN_SEC + ts.tv_nsec;
}

/* " at f+0x1 < g+0x2 ..." for a fiber that is reported the first time. Only where it computes: a signal
 * would cut short what it sleeps in. */
static void add_stack(struct sn_worker *w, uint64_t id, char *text, size_t cap)
{
    static struct sn_sample s;
    for (unsigned i = 0; i < SN_MIN(dog.shown_n, STACKS_KNOWN); i++)
        if (dog.shown[i] == id) return;
    if (!sn_stop_sample(w, &s) || s.fiber_id != id) return;
    dog.shown[dog.shown_n++ % STACKS_KNOWN] = id;
    size_t at = strlen(text);
    for (unsigned i = 0; i < SN_MIN(s.n_pcs, FRAMES_SHOWN) && at < cap; i++) {
        char sym[160];
        if (!sn_symbolize_hook || !sn_symbolize_hook(s.pcs[i] - (i > 0), sym, sizeof(sym)))
            snprintf(sym, sizeof(sym), "%#lx", (unsigned long)s.pcs[i]);
        int n = snprintf(text + at, cap - at, "%s%s", i ? " < " : " at ", sym);
        at += n < 0 ? 0 : (size_t)n;
    }
}

/* False: it was not the fiber's fault; look again. */
static bool report(struct sn_worker *w, int64_t ns)
{
    char st = thread_state(SN_LOAD(&w->os_tid));
    /* Ready but without a CPU is the machine's doing, not the fiber's. */
    if (st == 'R' && cpu_time(w) - w->wd_cpu < REPORT_AFTER_NS / 2) return false;
    int64_t now = sn_clock_mono();
    if (now - dog.window_at > SN_MINUTE) {
        dog.window_at = now;
        dog.window_n = 0;
    }
    if (dog.window_n++ >= REPORTS_PER_MINUTE) return true;
    const struct sn_fiber *f = SN_LOAD_ACQ(&w->cur);
    uint64_t id = f ? SN_LOAD(&f->id) : 0;
    char text[2048];
    snprintf(text, sizeof(text), "fiber %llu has held worker %u for %lld ms (%s)",
             (unsigned long long)id, w->index, (long long)(ns / SN_MS),
             st == 'R' ? "computing: yield in long loops"
                       : "in a blocking call: use sn_offload");
    if (st == 'R') add_stack(w, id, text, sizeof(text));
    if (sn_watchdog_hook) sn_watchdog_hook(text);
    return true;
}

/* Returns whether the worker is awake. */
static bool check(struct sn_worker *w, int64_t now)
{
    uint64_t n = SN_LOAD(&w->switches);
    if (n != w->wd_switches || SN_LOAD(&w->sleeping) || !SN_LOAD(&w->cur)) {
        w->wd_switches = n;
        w->wd_since = now;
        w->wd_cpu = cpu_time(w);
        w->wd_reported = false;
        return !SN_LOAD(&w->sleeping);
    }
    if (SN_LOAD(&w->over_n) || SN_LOAD(&w->ring_head) != SN_LOAD(&w->ring_tail))
        sn_wake_thief_of(w);
    if (now - w->wd_since >= REPORT_AFTER_NS && !w->wd_reported) {
        w->wd_reported = report(w, now - w->wd_since);
        if (w->wd_reported) SN_STORE(&w->hogs, w->hogs + 1);
    }
    return true;
}

/* kill -QUIT: every fiber to standard error, and the program goes on. The dump is made by the
 * watchdog, so the handler need not be careful and a stuck program still answers. */
static void on_quit(int sig)
{
    (void)sig;
    SN_STORE(&dog.dump, 1);
}
static void quit_install(void)
{
    struct sigaction a = {.sa_handler = on_quit, .sa_flags = SA_RESTART | SA_ONSTACK};
    sigemptyset(&a.sa_mask);
    (void)sigaction(SIGQUIT, NULL, &dog.quit);
    /* Shells start background programs with it ignored. */
    dog.quit_ours = dog.quit.sa_handler == SIG_DFL || dog.quit.sa_handler == SIG_IGN;
    if (dog.quit_ours) (void)sigaction(SIGQUIT, &a, NULL);
}

static void *watch(void *arg)
{
    (void)arg;
    pthread_setname_np(pthread_self(), "sn-watchdog");
    /* With a single worker nobody shares its descriptors any more, and the kernel then takes no
     * reference on the file at each system call: 1.5 % of a proxied request (bench/NOTES.md). What is
     * written here goes to standard error as it was at the start. */
    if (sn_rt.n == 1) (void)syscall(SYS_close_range, 3u, ~0u, 2u /* CLOSE_RANGE_UNSHARE */);
    pthread_mutex_lock(&dog.lock);
    bool awake = true;
    while (!dog.stop) {
        int64_t at = sn_clock_mono() + (awake ? WATCH_NS : WATCH_IDLE_NS);
        struct timespec until = {at / SN_SEC, at % SN_SEC};
        (void)pthread_cond_timedwait(&dog.cond, &dog.lock, &until);
        if (dog.stop) break;
        awake = false;
        int64_t now = sn_clock_mono();
        for (unsigned i = 0; i < sn_rt.n; i++) awake |= check(&sn_rt.workers[i], now);
        sn_stacks_reclaim(now);
        if (__atomic_exchange_n(&dog.dump, 0, __ATOMIC_RELAXED)) sn_dump_fd(STDERR_FILENO);
    }
    pthread_mutex_unlock(&dog.lock);
    return NULL;
}

void sn_watchdog_start(void)
{
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(&dog.cond, &a);
    pthread_condattr_destroy(&a);
    dog.stop = false;
    quit_install();
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    dog.up = sn_thread_create(&dog.thread, NULL, watch, NULL) == 0; /* the runtime works without */
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void sn_watchdog_stop(void)
{
    if (dog.quit_ours) (void)sigaction(SIGQUIT, &dog.quit, NULL);
    pthread_mutex_lock(&dog.lock);
    dog.stop = true;
    pthread_cond_signal(&dog.cond);
    pthread_mutex_unlock(&dog.lock);
    if (dog.up) pthread_join(dog.thread, NULL);
    dog.up = false;
    pthread_cond_destroy(&dog.cond);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* harness/test.c - runs the tests of one program: a process each, with timeout, captured output
 * and leak checks. The parent never runs test code; a child reports through a shared page. */
#include "harness/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOBS_MAX 16
#define TIMEOUT_DEFAULT_S 20
#define AT_EXIT_MAX 16
#define COUNTERS_MAX 8
#define FDS_MAX 256
#define OUTPUT_SHOWN_MAX (64 << 10)

#if defined(__SANITIZE_THREAD__)
#define TIMEOUT_FACTOR 6
#elif defined(__SANITIZE_ADDRESS__)
#define TIMEOUT_FACTOR 4
#else
#define TIMEOUT_FACTOR 1
#endif

enum outcome { RUNNING, PASSED, FAILED, SKIPPED };

/* What a child tells its parent; survives the child's crash. */
struct report {
    _Atomic int outcome;
    uint64_t seed;
    char row[256];
    char message[2048];
    char tmpdir[256];
};

struct job {
    const struct sn_test *test;
    struct report *report;
    int out_fd;
    pid_t pid; /* 0 = idle */
    double started, deadline;
    bool timed_out;
};

extern const struct sn_test __start_sn_tests[] __attribute__((weak));
extern const struct sn_test __stop_sn_tests[] __attribute__((weak));
/* core's leak counter, where the program links core. */
extern int64_t sn_alloc_live(void) __attribute__((weak));

static struct report *report; /* of the running test */
static bool in_process;
static sigjmp_buf in_process_end;
static uint64_t rand_state;
static void (*at_exit_fns[AT_EXIT_MAX])(void);
static unsigned n_at_exit;
static bool fds_allowed;
static struct counter {
    const char *what;
    int64_t (*live)(void);
    int64_t before;
    bool allowed;
} counters[COUNTERS_MAX];
static unsigned n_counters;

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static unsigned env_number(const char *name, unsigned otherwise)
{
    const char *s = getenv(name);
    return s && *s ? (unsigned)strtoul(s, NULL, 10) : otherwise;
}

/* ---- what tests call ---- */

/* Ends the test from whichever thread found out; the first to speak is heard. */
static __attribute__((noreturn)) void end_test(enum outcome outcome, const char *message)
{
    static atomic_flag spoken = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&spoken) || in_process) {
        snprintf(report->message, sizeof(report->message), "%s", message);
        atomic_store(&report->outcome, outcome);
    } else {
        for (;;) pause(); /* another thread is ending the process */
    }
    fflush(stdout);
    fflush(stderr);
    if (in_process && outcome == FAILED) {
        fprintf(stderr, "%s\n", message);
        abort(); /* into the debugger */
    }
    if (in_process) siglongjmp(in_process_end, 1);
    _exit(outcome == FAILED);
}

void sn_test_fail(const char *file, int line, const char *fmt, ...)
{
    char text[1900], message[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    const char *slash = strrchr(file, '/');
    snprintf(message, sizeof(message), "%s:%d: %s", slash ? slash + 1 : file, line, text);
    end_test(FAILED, message);
}

void sn_test_skip(const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    end_test(SKIPPED, text);
}

void sn_test_row(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(report->row, sizeof(report->row), fmt, ap);
    va_end(ap);
}

void sn_test_at_exit(void (*fn)(void))
{
    if (n_at_exit == AT_EXIT_MAX)
        sn_test_fail(__FILE__, __LINE__, "more than %d sn_test_at_exit", AT_EXIT_MAX);
    at_exit_fns[n_at_exit++] = fn;
}

unsigned sn_test_cases(unsigned base)
{
    uint64_t n = (uint64_t)base * env_number("SN_TEST_SCALE", 1);
    return n > UINT32_MAX ? UINT32_MAX : n == 0 ? 1 : (unsigned)n;
}

uint64_t sn_test_seed(void) { return report->seed; }

/* splitmix64: the harness links nothing it might be testing. */
uint64_t sn_test_rand(void)
{
    uint64_t z = (rand_state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

const char *sn_test_tmpdir(void)
{
    if (report->tmpdir[0]) return report->tmpdir;
    char path[sizeof(report->tmpdir)];
    const char *base = getenv("TMPDIR");
    snprintf(path, sizeof(path), "%.200s/sn-test-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(path)) sn_test_fail(__FILE__, __LINE__, "mkdtemp %s: %m", path);
    snprintf(report->tmpdir, sizeof(report->tmpdir), "%s", path);
    return report->tmpdir;
}

void sn_test_allow_fds(void) { fds_allowed = true; }

void sn_test_leak_counter(const char *what, int64_t (*live)(void))
{
    for (unsigned i = 0; i < n_counters; i++)
        if (strcmp(counters[i].what, what) == 0) return;
    if (n_counters == COUNTERS_MAX) {
        fprintf(stderr, "more than %d leak counters\n", COUNTERS_MAX);
        abort();
    }
    counters[n_counters++] = (struct counter){.what = what, .live = live, .before = live()};
}

void sn_test_allow_live(const char *what)
{
    for (unsigned i = 0; i < n_counters; i++)
        if (strcmp(counters[i].what, what) == 0) counters[i].allowed = true;
}

#ifdef __SANITIZE_ADDRESS__
void __lsan_disable(void);
#endif
void sn_test_allow_crash_leaks(void)
{
    sn_test_allow_live("heap blocks");
#ifdef __SANITIZE_ADDRESS__
    __lsan_disable();
#endif
}

/* ---- one test, inside its process ---- */

static unsigned open_fds(int fds[FDS_MAX])
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    if (!d) return 0;
    for (struct dirent *e; (e = readdir(d)) && n < FDS_MAX;) {
        int fd = atoi(e->d_name);
        if (e->d_name[0] != '.' && fd != dirfd(d)) fds[n++] = fd;
    }
    closedir(d);
    return n;
}

static bool has_fd(const int *fds, unsigned n, int fd)
{
    for (unsigned i = 0; i < n; i++)
        if (fds[i] == fd) return true;
    return false;
}

static void check_fds(const int *before, unsigned n_before)
{
    int after[FDS_MAX];
    unsigned n = open_fds(after);
    for (unsigned i = 0; i < n; i++) {
        if (has_fd(before, n_before, after[i])) continue;
        char link[64], target[256];
        snprintf(link, sizeof(link), "/proc/self/fd/%d", after[i]);
        ssize_t len = readlink(link, target, sizeof(target) - 1);
        target[len > 0 ? len : 0] = 0;
        /* glibc's: a thread's heap shrinks at this moment. */
        if (strcmp(target, "/proc/sys/vm/overcommit_memory") == 0) continue;
        sn_test_fail("leak", 0, "descriptor %d left open: %s", after[i], target);
    }
    for (unsigned i = 0; i < n_before; i++)
        if (!has_fd(after, n, before[i]))
            sn_test_fail("leak", 0, "descriptor %d was closed by the test", before[i]);
}

static void run_body(const struct sn_test *t)
{
    int fds[FDS_MAX];
    unsigned n_fds = open_fds(fds);
    rand_state = report->seed;
    for (unsigned i = 0; i < n_counters; i++) counters[i].before = counters[i].live();
    t->fn();
    while (n_at_exit) at_exit_fns[--n_at_exit]();
    if (!fds_allowed) check_fds(fds, n_fds);
    for (unsigned i = 0; i < n_counters; i++) {
        int64_t live = counters[i].live();
        if (live != counters[i].before && !counters[i].allowed)
            sn_test_fail("leak", 0, "%lld %s more than before the test",
                         (long long)(live - counters[i].before), counters[i].what);
    }
    atomic_store(&report->outcome, PASSED);
}

static uint64_t seed_of(const struct sn_test *t)
{
    const char *s = getenv("SN_TEST_SEED");
    if (s && *s) return strtoull(s, NULL, 0);
    uint64_t h = 0xcbf29ce484222325ull; /* FNV-1a of the name */
    for (const char *p = t->name; *p; p++) h = (h ^ (uint8_t)*p) * 0x100000001b3ull;
    return h;
}

static void report_reset(struct report *r, const struct sn_test *t)
{
    memset(r, 0, sizeof(*r));
    r->seed = seed_of(t);
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    if (remove(path) < 0) fprintf(stderr, "cannot remove %s: %m\n", path);
    return 0;
}

static void remove_tmpdir(const struct report *r)
{
    if (r->tmpdir[0]) nftw(r->tmpdir, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* ---- the parent ---- */

static void start(struct job *j, const struct sn_test *t)
{
    report_reset(j->report, t);
    j->test = t;
    j->timed_out = false;
    j->out_fd = memfd_create("output", MFD_CLOEXEC);
    if (j->out_fd < 0) abort();
    fflush(stdout);
    fflush(stderr);
    j->pid = fork();
    if (j->pid < 0) {
        fprintf(stderr, "fork: %m\n");
        exit(2);
    }
    if (j->pid == 0) {
        setpgid(0, 0);
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        int null = open("/dev/null", O_RDONLY);
        if (null < 0 || dup2(null, 0) < 0 || dup2(j->out_fd, 1) < 0 || dup2(j->out_fd, 2) < 0)
            _exit(2);
        if (null > 2) close(null);
        setvbuf(stdout, NULL, _IOLBF, 0); /* a crash must not swallow what was said before it */
        report = j->report;
        run_body(t);
        exit(0); /* not _exit: LeakSanitizer and coverage report at exit */
    }
    setpgid(j->pid, j->pid);
    unsigned limit = (t->timeout_s ? (unsigned)t->timeout_s : TIMEOUT_DEFAULT_S) * TIMEOUT_FACTOR *
                     env_number("SN_TEST_TIMEOUT", 1);
    j->started = now();
    j->deadline = j->started + limit;
}

/* The end of what the test printed, indented. */
static void show_output(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    off_t from = size > OUTPUT_SHOWN_MAX ? size - OUTPUT_SHOWN_MAX : 0;
    char buf[4096];
    bool line_start = true;
    if (from) printf("    ... %lld bytes not shown\n", (long long)from);
    for (ssize_t n; (n = pread(fd, buf, sizeof(buf), from)) > 0; from += n)
        for (ssize_t i = 0; i < n; i++) {
            if (line_start) fputs("    ", stdout);
            putchar(buf[i]);
            line_start = buf[i] == '\n';
        }
    if (!line_start) putchar('\n');
}

static void describe_death(const struct job *j, int status, char *out, size_t cap)
{
    const struct report *r = j->report;
    if (j->timed_out)
        snprintf(out, cap, "timed out after %.0f s", j->deadline - j->started);
    else if (WIFSIGNALED(status))
        snprintf(out, cap, "killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else if (atomic_load(&r->outcome) == FAILED)
        snprintf(out, cap, "%s", r->message);
    else
        snprintf(out, cap, "exited with status %d", WEXITSTATUS(status));
}

static enum outcome finish(struct job *j, int status)
{
    struct report *r = j->report;
    enum outcome o = atomic_load(&r->outcome);
    kill(-j->pid, SIGKILL); /* whatever the test left running */
    bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0 && !j->timed_out;
    if (!clean || o == RUNNING) o = FAILED;
    double took = now() - j->started;
    if (o == PASSED && took < 1) {
        printf("ok %s\n", j->test->name);
    } else if (o == PASSED) {
        printf("ok %s (%.1f s)\n", j->test->name, took);
    } else if (o == SKIPPED) {
        printf("SKIP %s: %s\n", j->test->name, r->message);
    } else {
        char why[2200];
        describe_death(j, status, why, sizeof(why));
        printf("FAIL %s: %s\n", j->test->name, why);
        if (r->row[0]) printf("    at row: %s\n", r->row);
        printf("    again: SN_TEST_SEED=%llu %s %s\n", (unsigned long long)r->seed,
               program_invocation_name, j->test->name);
    }
    if (o == FAILED || env_number("SN_TEST_VERBOSE", 0)) show_output(j->out_fd);
    fflush(stdout);
    close(j->out_fd);
    remove_tmpdir(r);
    j->pid = 0;
    return o;
}

static bool selected(const struct sn_test *t, char **filters, int n)
{
    for (int i = 0; i < n; i++)
        if (strstr(t->name, filters[i]) || strstr(t->file, filters[i])) return true;
    return n == 0;
}

/* Runs up to `n_jobs` selected tests at a time; counts[outcome] are the totals. */
static void run_all(unsigned n_jobs, char **filters, int n_filters, unsigned counts[4])
{
    struct job jobs[JOBS_MAX] = {0};
    struct report *pages = mmap(NULL, n_jobs * sizeof(struct report), PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) abort();
    for (unsigned i = 0; i < n_jobs; i++) jobs[i].report = &pages[i];
    sigset_t chld;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    sigprocmask(SIG_BLOCK, &chld, NULL);
    const struct sn_test *next = __start_sn_tests;
    for (;;) {
        unsigned busy = 0;
        for (unsigned i = 0; i < n_jobs; i++) {
            struct job *j = &jobs[i];
            int status;
            if (j->pid && waitpid(j->pid, &status, WNOHANG) == j->pid) counts[finish(j, status)]++;
            if (j->pid && now() > j->deadline) {
                j->timed_out = true;
                kill(-j->pid, SIGKILL);
                kill(j->pid, SIGKILL);
            }
            while (!j->pid && next < __stop_sn_tests) {
                const struct sn_test *t = next++;
                if (selected(t, filters, n_filters)) start(j, t);
            }
            busy += j->pid != 0;
        }
        if (!busy && next >= __stop_sn_tests) break;
        sigtimedwait(&chld, NULL, &(struct timespec){.tv_nsec = 100000000});
    }
    munmap(pages, n_jobs * sizeof(struct report));
}

static void run_in_process(char **filters, int n_filters, unsigned counts[4])
{
    static struct report here;
    report = &here;
    in_process = true;
    for (const struct sn_test *volatile t = __start_sn_tests; t < __stop_sn_tests; t++) {
        if (!selected(t, filters, n_filters)) continue;
        report_reset(report, t);
        n_at_exit = 0;
        fds_allowed = false;
        printf("run %s\n", t->name);
        fflush(stdout);
        if (sigsetjmp(in_process_end, 1) == 0) run_body(t);
        enum outcome o = atomic_load(&report->outcome);
        printf(o == SKIPPED ? "SKIP %s: %s\n" : "ok %s%s\n", t->name, report->message);
        counts[o]++;
        remove_tmpdir(report);
    }
}

static unsigned default_jobs(void)
{
    cpu_set_t cpus;
    unsigned n = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? (unsigned)CPU_COUNT(&cpus) : 1;
    return n < 2 ? 1 : 2;
}

int main(int argc, char **argv)
{
    bool fork_each = true;
    argv++;
    argc--;
    if (argc && strcmp(argv[0], "--list") == 0) {
        for (const struct sn_test *t = __start_sn_tests; t < __stop_sn_tests; t++) puts(t->name);
        return 0;
    }
    if (argc && strcmp(argv[0], "--no-fork") == 0) {
        fork_each = false;
        argv++;
        argc--;
    }
    if (argc && argv[0][0] == '-') {
        fprintf(stderr, "usage: %s [--list | --no-fork] [part of a name or file]...\n",
                program_invocation_name);
        return 2;
    }
    if (&sn_alloc_live) sn_test_leak_counter("heap blocks", sn_alloc_live);
    unsigned counts[4] = {0};
    unsigned jobs = env_number("SN_TEST_JOBS", default_jobs());
    if (jobs == 0 || jobs > JOBS_MAX) jobs = JOBS_MAX;
    if (fork_each)
        run_all(jobs, argv, argc, counts);
    else
        run_in_process(argv, argc, counts);
    printf("%u passed, %u failed, %u skipped\n", counts[PASSED], counts[FAILED], counts[SKIPPED]);
    if (counts[PASSED] + counts[FAILED] + counts[SKIPPED] == 0 && argc) {
        fprintf(stderr, "no test matches\n");
        return 2;
    }
    return counts[FAILED] ? 1 : 0;
}

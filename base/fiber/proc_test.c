/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/proc_test.c - child processes and signals. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/alloc.h"
#include "fiber/net.h"
#include "fiber/os.h"
#include "fiber/sim.h"
#include "fiber/sync.h"
#include "harness/test.h"

static int run_n(unsigned workers, int (*fn)(void *), void *arg)
{
    struct sn_rt_opts o = {.workers = workers};
    return sn_rt_run(&o, fn, arg);
}

/* Runs a shell script, its output in `out`; returns the exit code. */
static int sh(const char *script, struct sn_proc_opts o, char *out, size_t cap)
{
    int p[2], code = -1;
    T_EQ(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
    const char *argv[] = {"sh", "-c", script, NULL};
    o.argv = argv;
    if (o.fds[1] == 0) o.fds[1] = p[1];
    struct sn_proc proc;
    T_OK(sn_proc_start(&o, &proc));
    close(p[1]);
    size_t n = 0;
    for (;;) {
        T_OK(sn_fd_wait(p[0], EPOLLIN));
        ssize_t r = read(p[0], out + n, cap - 1 - n);
        if (r <= 0) break;
        n += (size_t)r;
    }
    out[n] = 0;
    close(p[0]);
    T_OK(sn_proc_wait(&proc, &code));
    T_EQ(proc.pidfd, -1);
    T_EQ(sn_proc_wait(&proc, &code), SN_E_FAILED_PRECONDITION);
    T_EQ(sn_proc_signal(&proc, 0), SN_E_NOT_FOUND);
    return code;
}

static int basics(void *arg)
{
    (void)arg;
    char out[512];
    const struct sn_proc_opts o = {.fds = {-1, 0, -2}};
    T_EQ(sh("echo hello; exit 7", o, out, sizeof out), 7);
    T_CSTR(out, "hello\n");
    T_EQ(sh("kill -TERM $$", o, out, sizeof out), 128 + SIGTERM);
    T_EQ(sh("cat", o, out, sizeof out), 0); /* stdin is /dev/null */

    struct sn_proc_opts d = o;
    d.dir = "/usr/bin";
    static const char *const env[] = {"A=1", "PATH=/bin:/usr/bin", NULL};
    d.env = env;
    T_EQ(sh("pwd; echo $A; env | wc -l", d, out, sizeof out), 0);
    T_ASSERTF(strncmp(out, "/usr/bin\n1\n", 11) == 0, "output: %s", out);

    /* Only three descriptors arrive, whatever we have open without close-on-exec. */
    int leak = dup(0);
    T_EQ(sh("exec ls /proc/self/fd", o, out, sizeof out), 0); /* 3: the listing's own */
    T_CSTR(out, "0\n1\n2\n3\n");
    close(leak);

    /* Output and input exchanged: sources that are targets too. */
    struct sn_proc_opts x = o;
    x.fds[2] = 1; /* our own stdout */
    T_EQ(sh("exit 0", x, out, sizeof out), 0);

    /* No handler, no mask, SIGPIPE at its default. */
    T_EQ(sh("sed -nE '/^Sig(Blk|Ign|Cgt)/p' /proc/self/status | tr -d '\\t\\n'", o, out,
            sizeof out),
         0);
    T_ASSERTF(strncmp(out, "SigBlk:0000000000000000SigIgn:", 30) == 0 &&
                  strstr(out, "SigCgt:0000000000000000"),
              "%s", out);
    /* Others may be ignored by whoever started the tests, and stay so. */
    uint64_t ignored = strtoull(out + 30, NULL, 16);
    T_EQ(ignored >> (SIGPIPE - 1) & 1, 0);
    return 0;
}
SN_TEST(proc_basics)
{
    signal(SIGPIPE, SIG_IGN);
    T_OK(run_n(1, basics, NULL));
    T_OK(run_n(2, basics, NULL));
}

static int failures(void *arg)
{
    (void)arg;
    struct sn_proc p = {.pid = -5, .pidfd = -6};
    static const struct {
        const char *name, *dir;
        int code;
    } rows[] = {
        {"no-such-program-here", NULL, SN_E_NOT_FOUND},
        {"/no/such/program", NULL, SN_E_NOT_FOUND},
        {"/etc/passwd", NULL, SN_E_PERMISSION_DENIED},
        {"sh", "/no/such/folder", SN_E_NOT_FOUND},
        {"", NULL, SN_E_INVALID_ARGUMENT},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].name);
        const char *argv[] = {rows[i].name, NULL};
        struct sn_proc_opts o = {.argv = argv, .dir = rows[i].dir, .fds = {-1, -2, -2}};
        T_EQ(sn_proc_start(&o, &p), rows[i].code);
        char text[300];
        sn_diag_format(rows[i].code, text, sizeof text);
        if (*rows[i].name) T_ASSERTF(strstr(text, rows[i].name), "diagnostic: %s", text);
    }
    const char *argv[] = {"sh", "-c", "exit 0", NULL};
    struct sn_proc_opts bad = {.argv = argv, .fds = {-1, 900, -2}};
    T_EQ(sn_proc_start(&bad, &p), SN_E_INVALID_ARGUMENT);
    T_EQ(p.pid, -5);
    return 0;
}
SN_TEST(proc_failures) { T_OK(run_n(1, failures, NULL)); }

static int groups(void *arg)
{
    (void)arg;
    const char *argv[] = {"sh", "-c", "sleep 100 & sleep 100", NULL};
    int out[2];
    T_EQ(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
    struct sn_proc_opts o = {.argv = argv, .fds = {-1, out[1], -2}, .new_group = true,
                             .die_with_parent = true};
    struct sn_proc p;
    int code = -1;
    T_OK(sn_proc_start(&o, &p));
    close(out[1]);
    int64_t d = sn_deadline_tighten(sn_now() + 20 * SN_MS);
    T_EQ(sn_proc_wait(&p, &code), SN_E_DEADLINE_EXCEEDED);
    sn_deadline_restore(d);
    T_EQ(code, -1);
    T_OK(sn_proc_signal(&p, 0));
    T_OK(sn_proc_signal(&p, SIGKILL));
    T_OK(sn_proc_wait(&p, &code));
    T_EQ(code, 128 + SIGKILL);
    /* Every member held the pipe: its end means that none lives on. */
    T_OK(sn_fd_wait(out[0], EPOLLIN));
    char c;
    T_EQ(read(out[0], &c, 1), 0);
    close(out[0]);
    return 0;
}
SN_TEST(proc_group) { T_OK(run_n(1, groups, NULL)); }

static void one_child(void *arg)
{
    const char *argv[] = {"true", NULL};
    struct sn_proc_opts o = {.argv = argv, .fds = {-1, -1, -1}};
    struct sn_proc p;
    int code = -1;
    T_OK(sn_proc_start(&o, &p));
    T_OK(sn_proc_wait(&p, &code));
    T_EQ(code, 0);
    sn_waitgroup_done(arg);
}
static int many(void *arg)
{
    (void)arg;
    struct sn_waitgroup w = {0};
    sn_waitgroup_add(&w, 60);
    for (int i = 0; i < 60; i++) T_OK(sn_go("child", one_child, &w));
    return sn_waitgroup_wait(&w);
}
SN_TEST_SLOW(proc_many, 60) { T_OK(run_n(3, many, NULL)); }

static int in_sim(void *arg)
{
    (void)arg;
    struct sn_proc p;
    const char *argv[] = {"true", NULL};
    T_EQ(sn_proc_start(&(struct sn_proc_opts){.argv = argv}, &p), SN_E_UNIMPLEMENTED);
    int64_t d = sn_deadline_tighten(sn_now() + SN_SEC);
    T_EQ(sn_signal_wait((const int[]){SIGUSR1, 0}), SN_E_DEADLINE_EXCEEDED);
    sn_deadline_restore(d);
    return 0;
}
SN_TEST(proc_and_signals_in_simulation) { T_OK(sn_sim_run(NULL, in_sim, NULL, NULL)); }

/* ---- signals ---- */

static _Atomic int usr1_seen;
static void usr1_waiter(void *arg)
{
    (void)arg;
    T_EQ(sn_signal_wait((const int[]){SIGUSR2, SIGUSR1, 0}), SIGUSR1);
    usr1_seen++;
}
static int signals(void *arg)
{
    (void)arg;
    static const int usr1[] = {SIGUSR1, 0}, hup[] = {SIGHUP, SIGTERM, 0};
    int64_t d = sn_deadline_tighten(sn_now() + 5 * SN_MS);
    T_EQ(sn_signal_wait(usr1), SN_E_DEADLINE_EXCEEDED);
    T_EQ(sn_signal_wait(hup), SN_E_DEADLINE_EXCEEDED);
    sn_deadline_restore(d);
    T_EQ(kill(getpid(), SIGUSR1), 0); /* nobody waits: kept, once however many came */
    T_EQ(kill(getpid(), SIGUSR1), 0);
    T_OK(sn_sleep(10 * SN_MS));
    T_EQ(sn_signal_wait(usr1), SIGUSR1);
    d = sn_deadline_tighten(sn_now() + 5 * SN_MS);
    T_EQ(sn_signal_wait(usr1), SN_E_DEADLINE_EXCEEDED);
    sn_deadline_restore(d);
    struct sn_scope_storage m;
    struct sn_scope *s = sn_scope_begin(&m);
    for (int i = 0; i < 5; i++) T_OK(sn_go("waiter", usr1_waiter, NULL));
    T_OK(sn_sleep(20 * SN_MS));
    T_EQ(kill(getpid(), SIGTERM), 0);
    T_EQ(sn_signal_wait(hup), SIGTERM);
    T_EQ(usr1_seen, 0);
    T_EQ(kill(getpid(), SIGUSR1), 0);
    T_OK(sn_scope_end(s));
    T_EQ(usr1_seen, 5); /* all who wait */
    T_EQ(sn_signal_wait((const int[]){SIGKILL, 0}), SN_E_INVALID_ARGUMENT);
    T_EQ(sn_signal_wait((const int[]){SIGSEGV, 0}), SN_E_INVALID_ARGUMENT);
    T_EQ(sn_signal_wait((const int[]){65, 0}), SN_E_INVALID_ARGUMENT);
    usr1_seen = 0;
    return 0;
}
SN_TEST(signals_reach_fibers)
{
#ifdef SN_TSAN
    sn_test_skip("ThreadSanitizer delivers signals late, at its own places");
#endif
    struct sigaction before = {.sa_handler = SIG_IGN}, after;
    sigaction(SIGUSR1, &before, NULL);
    for (int i = 0; i < 3; i++) T_OK(run_n(1 + (unsigned)i, signals, NULL));
    sigaction(SIGUSR1, NULL, &after); /* the runtime is gone, and so is its handler */
    T_ASSERT(after.sa_handler == SIG_IGN);
    sigaction(SIGTERM, NULL, &after);
    T_ASSERT(after.sa_handler == SIG_DFL);
}

static int signal_storm(void *arg)
{
    (void)arg;
    int64_t d = sn_deadline_tighten(sn_now() + SN_MS);
    (void)!sn_signal_wait((const int[]){SIGUSR1, 0});
    sn_deadline_restore(d);
    for (int i = 0; i < 300; i++) { /* one at a time: each must arrive */
        T_EQ(kill(getpid(), SIGUSR1), 0);
        T_EQ(sn_signal_wait((const int[]){SIGUSR1, 0}), SIGUSR1);
    }
    return 0;
}
SN_TEST(signals_none_lost) { T_OK(run_n(2, signal_storm, NULL)); }

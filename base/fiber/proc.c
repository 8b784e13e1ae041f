/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/proc.c - child processes: started at the speed of vfork, waited for through a pidfd.
 *
 * The child shares our memory until it executes (CLONE_VM | CLONE_VFORK), so starting does not copy
 * page tables, however large the process, and it reports a failure by plain stores. It runs on a
 * stack of its own, with all signals blocked until every handler is off, and makes bare system
 * calls only. PR_SET_PDEATHSIG counts the starting *thread* as the parent, which is why this runs
 * on the worker and not on a pool thread that may end before the process does. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/alloc.h"
#include "fiber/net.h"
#include "fiber/os.h"
#include "fiber/trace_int.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#define CHILD_STACK_BYTES (16u << 10)
extern char **environ;

#ifdef SN_TSAN
/* The sanitizer's clone takes the child for a fork and resets its state there: in our memory. This
 * is the same function under libc's other name for it. */
int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
#define clone __clone
#endif

enum stage { AT_START, AT_GROUP, AT_DIR, AT_FDS, AT_EXEC };
struct child {
    const struct sn_proc_opts *opts;
    const char *path;
    pid_t parent;
    volatile int error; /* errno of the step that failed */
    volatile enum stage stage;
};

#define CHILD_CODE __attribute__((no_sanitize("address", "thread", "undefined")))

/* The kernel's own layout: libc's wrapper would be an instrumented call in sanitizer builds. */
struct kernel_sigaction {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    unsigned long mask;
};

CHILD_CODE static int child_fail(struct child *c, int err)
{
    c->error = err;
    syscall(SYS_exit_group, 127);
    return 127;
}

/* Sources below 3 are copied out of the way before the first target is overwritten. */
CHILD_CODE static int child_fds(const struct child *c)
{
    int src[3];
    for (int i = 0; i < 3; i++) {
        src[i] = c->opts->fds[i];
        if (src[i] == -2) src[i] = i;
        else if (src[i] == -1)
            src[i] = (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
        if (src[i] >= 0 && src[i] < 3 && src[i] != i)
            src[i] = (int)syscall(SYS_fcntl, src[i], F_DUPFD_CLOEXEC, 3);
        if (src[i] < 0) return errno;
    }
    for (int i = 0; i < 3; i++) {
        if (src[i] != i && syscall(SYS_dup3, src[i], i, 0) < 0) return errno;
        /* An inherited descriptor that is closed here is closed there. */
        if (src[i] == i && syscall(SYS_fcntl, i, F_SETFD, 0) < 0 && c->opts->fds[i] != -2)
            return errno;
    }
    /* Ours are close-on-exec by convention; this holds the libraries to it as well. */
    syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */);
    return 0;
}

/* A handler that ran here would run on the parent's memory; ignored signals stay ignored, save
 * SIGPIPE, which servers ignore and programs expect at its default. */
CHILD_CODE static void child_signals(void)
{
    for (int n = 1; n <= 64; n++) {
        struct kernel_sigaction a = {0};
        if (syscall(SYS_rt_sigaction, n, NULL, &a, 8) < 0) continue;
        if (a.handler == SIG_DFL || (a.handler == SIG_IGN && n != SIGPIPE)) continue;
        a = (struct kernel_sigaction){0};
        syscall(SYS_rt_sigaction, n, &a, NULL, 8);
    }
    unsigned long none = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, 8);
}

CHILD_CODE static int child_main(void *arg)
{
    struct child *c = arg;
    const struct sn_proc_opts *o = c->opts;
    if (o->die_with_parent) {
        syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        if (syscall(SYS_getppid) != c->parent) syscall(SYS_exit_group, 127);
    }
    c->stage = AT_GROUP;
    if (o->new_group && syscall(SYS_setpgid, 0, 0) < 0) return child_fail(c, errno);
    c->stage = AT_DIR;
    if (o->dir && syscall(SYS_chdir, o->dir) < 0) return child_fail(c, errno);
    c->stage = AT_FDS;
    int err = child_fds(c);
    if (err) return child_fail(c, err);
    child_signals();
    c->stage = AT_EXEC;
    syscall(SYS_execve, c->path, o->argv, o->env ? (char *const *)o->env : environ);
    return child_fail(c, errno);
}

/* ---- the parent's side ---- */

static bool runnable_file(const char *path)
{
    struct stat st;
    return access(path, X_OK) == 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* The file execvp would run: name itself with a slash, else the first match in PATH. */
static int find_program(const char *name, char *out)
{
    size_t n = strlen(name) + 1;
    if (n > PATH_MAX) return sn_fail(SN_E_INVALID_ARGUMENT, "path too long: %s", name);
    if (strchr(name, '/')) {
        memcpy(out, name, n);
        return 0;
    }
    const char *path = getenv("PATH");
    struct sn_str rest = sn_str(path && *path ? path : "/usr/local/bin:/usr/bin:/bin");
    while (rest.ptr) {
        struct sn_str dir = sn_str_cut(&rest, ':');
        if (dir.len == 0) dir = SN_STR(".");
        if (dir.len + 1 + n > PATH_MAX) continue;
        memcpy(out, dir.ptr, dir.len);
        out[dir.len] = '/';
        memcpy(out + dir.len + 1, name, n);
        if (runnable_file(out)) return 0;
    }
    return sn_fail(SN_E_NOT_FOUND, "no program %s in PATH", name);
}

static int start_failed(const struct child *c)
{
    const struct sn_proc_opts *o = c->opts;
    switch (c->stage) {
    case AT_DIR: return sn_fail_errno(c->error, "start %s: folder %s", c->path, o->dir);
    case AT_FDS: return sn_fail_errno(c->error, "start %s: descriptors", c->path);
    case AT_GROUP: return sn_fail_errno(c->error, "start %s: process group", c->path);
    default: return sn_fail_errno(c->error, "start %s", c->path);
    }
}

/* `path` and `stack` have been allocated. */
static int start(const struct sn_proc_opts *opts, char *path, char *stack, struct sn_proc *ret)
{
    int r = find_program(opts->argv[0], path);
    if (r < 0) return r;
    struct child c = {.opts = opts, .path = path, .parent = getpid()};
    int pidfd = -1;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int pid = clone(child_main, stack + CHILD_STACK_BYTES,
                    CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &c, &pidfd);
    int err = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pid < 0) return sn_fail_errno(err, "start %s", path);
    if (c.error) {
        siginfo_t si;
        while (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &si, WEXITED) < 0 && errno == EINTR) {
        }
        close(pidfd);
        return start_failed(&c);
    }
    *ret = (struct sn_proc){.pid = pid, .pidfd = pidfd, .group = opts->new_group};
    return 0;
}

int sn_proc_start(const struct sn_proc_opts *opts, struct sn_proc *ret)
{
    if (!opts->argv || !opts->argv[0] || !*opts->argv[0])
        return sn_fail(SN_E_INVALID_ARGUMENT, "start: no program named");
    if (sn_sim_on) return sn_fail(SN_E_UNIMPLEMENTED, "processes do not exist in a simulation");
    char *mem = sn_aligned_alloc(16, CHILD_STACK_BYTES + PATH_MAX);
    if (!mem) return sn_fail(SN_E_NOMEM, "start %s", opts->argv[0]);
    struct sn_worker *w = sn_worker_cur();
    sn_trace_syscall_begin(w);
    int r = start(opts, mem + CHILD_STACK_BYTES, mem, ret);
    sn_trace_syscall_end(w);
    sn_free(mem);
    return r;
}

int sn_proc_wait(struct sn_proc *p, int *ret_code)
{
    if (p->pidfd <= 0) return sn_fail(SN_E_FAILED_PRECONDITION, "process already waited for");
    int r = sn_fd_wait(p->pidfd, EPOLLIN);
    if (r < 0) return r;
    siginfo_t si = {0};
    do r = waitid((idtype_t)P_PIDFD, (id_t)p->pidfd, &si, WEXITED);
    while (r < 0 && errno == EINTR);
    if (r < 0) return sn_fail_errno(errno, "wait for process %d", p->pid);
    close(p->pidfd);
    p->pidfd = -1;
    *ret_code = si.si_code == CLD_EXITED ? si.si_status : 128 + si.si_status;
    return 0;
}

int sn_proc_signal(struct sn_proc *p, int sig)
{
    if (p->pidfd <= 0) return sn_fail(SN_E_NOT_FOUND, "signal: the process has been waited for");
    /* Not reaped yet, so its number, which is its group's, is not anyone else's. */
    long r = p->group ? kill(-p->pid, sig) : syscall(SYS_pidfd_send_signal, p->pidfd, sig, NULL, 0);
    return r < 0 ? sn_fail_errno(errno, "signal %d to process %d", sig, p->pid) : 0;
}

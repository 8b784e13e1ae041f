/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/proc.c - child processes: vfork-speed start, pidfd, wait without blocking a thread. */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fiber/net.h"
#include "fiber/os.h"
#include "fiber/rt_int.h"
#include "fiber/sim.h"

extern char **environ;

static void close_at(int *fd)
{
    if (*fd > 2) close(*fd);
}

/* The child's three descriptors, all above 2 so that placing one cannot overwrite another; -2 stays. */
static int prepare_fds(const struct sn_proc_opts *o, int ret[3])
{
    for (int i = 0; i < 3; i++) {
        ret[i] = -2;
        if (o->fds[i] == -2) continue;
        int fd = o->fds[i] == -1 ? open("/dev/null", (i ? O_WRONLY : O_RDONLY) | O_CLOEXEC) : o->fds[i];
        int above = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
        int err = errno;
        if (o->fds[i] == -1 && fd >= 0) close(fd);
        if (above < 0) {
            while (i--) close_at(&ret[i]);
            return sn_fail_errno(err, "descriptor for %s", o->argv[0]);
        }
        ret[i] = above;
    }
    return 0;
}

/* Runs in the child, in the parent's memory: only system calls. */
static SN_NORETURN void child(const struct sn_proc_opts *o, const int fds[3], int parent,
                              const sigset_t *mask, volatile int *err)
{
    struct sigaction dfl = {.sa_handler = SIG_DFL};
    sigaction(SIGPIPE, &dfl, NULL); /* ignored signals would stay ignored across exec */
    if (o->new_group) setpgid(0, 0);
    if (o->die_with_parent) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(127); /* banned: a vforked child ends by _exit only */
    }
    bool ok = !o->dir || chdir(o->dir) == 0;
    for (int i = 0; ok && i < 3; i++) ok = fds[i] < 0 || dup2(fds[i], i) >= 0;
    if (ok) {
        sigprocmask(SIG_SETMASK, mask, NULL);
        execvpe(o->argv[0], (char *const *)(uintptr_t)o->argv,
                o->env ? (char *const *)(uintptr_t)o->env : environ);
    }
    *err = errno;
    _exit(127); /* banned: a vforked child ends by _exit only */
}

static SN_NOINLINE pid_t spawn(const struct sn_proc_opts *o, const int fds[3], int *ret_err)
{
    sigset_t all, old;
    volatile int err = 0;
    int parent = getpid();
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* no handler may run in the child on shared memory */
    sigset_t none;
    sigemptyset(&none);
    pid_t pid = vfork(); /* banned: this is where processes come from */
    if (pid == 0) child(o, fds, parent, &none, &err);
    int fork_err = errno;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    *ret_err = pid < 0 ? fork_err : err;
    return pid;
}

int sn_proc_start(const struct sn_proc_opts *o, struct sn_proc *ret)
{
    if (sn_sim_active())
        return sn_fail(SN_E_UNIMPLEMENTED, "start %s: no processes in simulation", o->argv[0]);
    int fds[3], err;
    int r = prepare_fds(o, fds);
    if (r < 0) return r;
    pid_t pid = spawn(o, fds, &err);
    for (int i = 0; i < 3; i++) close_at(&fds[i]);
    if (pid < 0) return sn_fail_errno(err, "start %s", o->argv[0]);
    if (err) {
        waitpid(pid, NULL, 0); /* it has already ended */
        return sn_fail_errno(err, "start %s%s%s", o->argv[0], o->dir ? " in " : "", o->dir ? o->dir : "");
    }
    /* Unreaped, so the number cannot have been reused. */
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) {
        err = errno;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return sn_fail_errno(err, "pidfd of %s", o->argv[0]);
    }
    *ret = (struct sn_proc){.pid = pid, .pidfd = pidfd};
    return 0;
}

int sn_proc_wait(struct sn_proc *p, int *ret_code)
{
    siginfo_t info = {0};
    int r = sn_fd_wait(p->pidfd, EPOLLIN);
    if (r < 0) return r;
    while (waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED) < 0)
        if (errno != EINTR) return sn_fail_errno(errno, "wait for process %d", p->pid);
    close(p->pidfd);
    p->pidfd = -1;
    *ret_code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    return 0;
}

int sn_proc_signal(struct sn_proc *p, int sig)
{
    if (p->pidfd < 0) return SN_E_NOT_FOUND;
    if (syscall(SYS_pidfd_send_signal, p->pidfd, sig, NULL, 0) < 0)
        return sn_fail_errno(errno, "signal %d to process %d", sig, p->pid);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* cri/keeper_ns.c - the pod's namespaces: held by the keeper itself, so that no pause image and no
 * mount is needed. Containers join /proc/KEEPER/ns/. A pod-wide PID namespace needs a process 1 of
 * its own. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clusters/cri/keeper_int.h"
#include "core/status.h"

/* Process 1 of the pod's PID namespace: reaps what its containers orphan, ends with the keeper. */
static void pause_main(void)
{
    sigset_t set;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "pause");
    for (int fd = 0; fd < 1024; fd++) close(fd);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (;;) {
        int sig = sigwaitinfo(&set, NULL);
        if (sig == SIGTERM) _exit(0); /* banned: no fibers */
        while (waitpid(-1, NULL, WNOHANG) > 0) {}
    }
}

static int start_pause(pid_t *ret)
{
    struct clone_args args = {.flags = CLONE_NEWPID, .exit_signal = SIGCHLD};
    long pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid < 0) return sn_fail_errno(errno, "new PID namespace");
    if (pid == 0) pause_main();
    *ret = (pid_t)pid;
    return 0;
}

static int set_sysctl(const char *text)
{
    char path[512];
    const char *eq = strchr(text, '=');
    if (!eq || eq == text)
        return sn_fail(SN_E_INVALID_ARGUMENT, "sysctl \"%s\": expected name=value", text);
    int n = snprintf(path, sizeof path, "/proc/sys/%.*s", (int)(eq - text), text);
    if (n >= (int)sizeof path || strstr(text, ".."))
        return sn_fail(SN_E_INVALID_ARGUMENT, "sysctl \"%s\"", text);
    for (char *p = path + 10; *p; p++)
        if (*p == '.') *p = '/';
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return sn_fail_errno(errno, "sysctl %s", text);
    size_t len = strlen(eq + 1);
    int err = write(fd, eq + 1, len) == (ssize_t)len ? 0 : errno;
    close(fd);
    return err ? sn_fail_errno(err, "sysctl %s", text) : 0;
}

int keeper_namespaces(const struct sn_keeper_opts *o, pid_t *ret_pause)
{
    if (o->netns_fd >= 0 && setns(o->netns_fd, CLONE_NEWNET) < 0)
        return sn_fail_errno(errno, "enter the pod's network");
    int flags = (o->ipc ? CLONE_NEWIPC : 0) | (o->uts ? CLONE_NEWUTS : 0);
    if (flags && unshare(flags) < 0) return sn_fail_errno(errno, "new IPC and UTS namespaces");
    if (o->uts && o->hostname && *o->hostname && sethostname(o->hostname, strlen(o->hostname)) < 0)
        return sn_fail_errno(errno, "hostname %s", o->hostname);
    for (unsigned i = 0; i < o->n_sysctls; i++) {
        int r = set_sysctl(o->sysctls[i]);
        if (r < 0) return r;
    }
    return o->pid ? start_pause(ret_pause) : 0;
}

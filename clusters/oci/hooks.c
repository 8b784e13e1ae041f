/* SPDX-License-Identifier: Apache-2.0 */
/* oci/hooks.c - running one hook: the state on standard input, a timeout, no shell. */
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "clusters/oci/init_int.h"

/* A file rather than a pipe: whoever does not read it blocks nobody. */
static int state_file(const struct sn_oci_hook_state *s, const char *status, pid_t pid)
{
    char number[16];
    int n = snprintf(number, sizeof(number), "%d", (int)pid);
    struct iovec v[] = {{(void *)s->head.ptr, s->head.len},
                        {(void *)status, strlen(status)},
                        {(void *)s->middle.ptr, s->middle.len},
                        {number, (size_t)n},
                        {(void *)s->tail.ptr, s->tail.len}};
    int fd = memfd_create("state", MFD_CLOEXEC);
    if (fd < 0) return -errno;
    ssize_t want = 0;
    for (size_t i = 0; i < SN_COUNT_OF(v); i++) want += (ssize_t)v[i].iov_len;
    if (writev(fd, v, SN_COUNT_OF(v)) != want || lseek(fd, 0, SEEK_SET) < 0) {
        int e = errno;
        close(fd);
        return -e;
    }
    return fd;
}

SN_NORETURN static void run_child(const struct sn_oci_hook *h, char *const *env, int in)
{
    const char *self[] = {h->path, NULL};
    sigset_t all;
    sigemptyset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    if (dup2(in, 0) >= 0) {
        close_range(3, ~0u, 0);
        execve(h->path, (char *const *)(uintptr_t)(h->args.n ? h->args.ptr : self),
               h->env.ptr ? (char *const *)(uintptr_t)h->env.ptr : env);
    }
    _exit(errno == ENOENT ? 127 : 126); /* banned: the child of a clone */
}

static int wait_for(int pidfd, int timeout_ms, char text[SN_OCI_MESSAGE_MAX])
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    siginfo_t si = {0};
    int n;
    do
        n = poll(&p, 1, timeout_ms); /* banned: also in the child; blocks by contract */
    while (n < 0 && errno == EINTR);
    if (n == 0) sn_oci_pidfd_signal(pidfd, SIGKILL);
    while (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &si, WEXITED | __WALL) < 0)
        if (errno != EINTR) return errno;
    if (n == 0) return ETIMEDOUT;
    if (si.si_code == CLD_EXITED && si.si_status == 0) return 0;
    if (si.si_code == CLD_EXITED && si.si_status == 127) return ENOENT;
    snprintf(text, SN_OCI_MESSAGE_MAX, si.si_code == CLD_EXITED ? "exit status %d" : "signal %d",
             si.si_status);
    return -1;
}

int sn_oci_hook_run(const struct sn_oci_hook *h, char *const *env,
                    const struct sn_oci_hook_state *s, const char *status, pid_t pid,
                    char text[SN_OCI_MESSAGE_MAX])
{
    int in = state_file(s, status, pid), pidfd = -1;
    if (in < 0) return -in;
    /* No exit signal: a caller that reaps its children by SIGCHLD is not to meet this one. */
    struct clone_args a = {.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND, .pidfd = (uintptr_t)&pidfd};
    pid_t child = sn_oci_clone3(&a);
    if (child == 0) run_child(h, env, in);
    int e = child < 0 ? errno : 0;
    close(in);
    if (e) return e;
    e = wait_for(pidfd, h->timeout_s.set ? (int)(h->timeout_s.v * 1000) : -1, text);
    close(pidfd);
    return e;
}

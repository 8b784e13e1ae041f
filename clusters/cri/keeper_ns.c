/* SPDX-License-Identifier: Apache-2.0 */
/* cri/keeper_ns.c - the pod's namespaces: held by the keeper itself, so that no pause image and no
 * mount is needed. Containers join /proc/KEEPER/ns/. A pod-wide PID namespace needs a process 1 of
 * its own. */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <poll.h>
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
static void pause_main(int keeper)
{
    sigset_t set;
    struct pollfd dead = {.fd = keeper, .events = POLLIN};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* It may have ended before that was asked for, and getppid says nothing across namespaces. */
    if (poll(&dead, 1, 0) != 0) _exit(1); /* banned: no fibers */
    prctl(PR_SET_NAME, "pause");
    close_range(0, ~0u, 0);
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
    int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (self < 0) return sn_fail_errno(errno, "pidfd of the keeper");
    long pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0) pause_main(self);
    int err = errno;
    close(self);
    if (pid < 0) return sn_fail_errno(err, "new PID namespace");
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

/* What is done inside of the namespaces, by whoever has them. */
static int furnish(const struct sn_keeper_opts *o)
{
    if (o->uts && o->hostname && *o->hostname && sethostname(o->hostname, strlen(o->hostname)) < 0)
        return sn_fail_errno(errno, "hostname %s", o->hostname);
    for (unsigned i = 0; i < o->n_sysctls; i++) {
        int r = set_sysctl(o->sysctls[i]);
        if (r < 0) return r;
    }
    return 0;
}

/* ---- with a user namespace ---- */

struct word { /* of process 1, once it has furnished the pod */
    int r;
    char text[SN_DIAG_BYTES];
};

static void mapped_main(const struct sn_keeper_opts *o, int go, int said, int keeper)
{
    struct word w = {0};
    char c;
    if (read(go, &c, 1) != 1) _exit(1); /* banned: no fibers */
    if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
        w.r = sn_fail_errno(errno, "become the pod's root");
    if (w.r >= 0) w.r = furnish(o);
    if (w.r < 0) (void)sn_diag_format(w.r, w.text, sizeof w.text);
    if (write(said, &w, sizeof w) != sizeof w || w.r < 0) _exit(1); /* banned: no fibers */
    pause_main(keeper);
}

static int write_map(pid_t pid, const char *file, uint32_t host, uint32_t size)
{
    char path[48], text[48];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    int n = snprintf(text, sizeof text, "0 %u %u\n", host, size),
        fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t put = fd < 0 ? -1 : write(fd, text, (size_t)n);
    int err = errno;
    if (fd >= 0) close(fd);
    return put == n ? 0 : sn_fail_errno(err, "%s \"0 %u %u\"", file, host, size);
}

/* Process 1 has every namespace of the pod, made at once so that they belong to the user namespace:
 * only then is its root the master of the pod's network. */
static int start_mapped(const struct sn_keeper_opts *o, pid_t *ret)
{
    int go[2], said[2], r = 0;
    struct word w = {.r = SN_E_INTERNAL, .text = "the pod's process 1 ended at once"};
    struct clone_args args = {.flags = CLONE_NEWUSER | CLONE_NEWNET | (o->pid ? CLONE_NEWPID : 0) |
                                       (o->ipc ? CLONE_NEWIPC : 0) | (o->uts ? CLONE_NEWUTS : 0),
                              .exit_signal = SIGCHLD};
    if (pipe2(go, O_CLOEXEC) < 0) return sn_fail_errno(errno, "pipe");
    if (pipe2(said, O_CLOEXEC) < 0) {
        r = sn_fail_errno(errno, "pipe");
        close(go[0]), close(go[1]);
        return r;
    }
    int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    long pid = self < 0 ? -1 : syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0) {
        close(go[1]);
        mapped_main(o, go[0], said[1], self);
    }
    if (pid < 0) r = sn_fail_errno(errno, "new user namespace");
    close(go[0]), close(said[1]);
    if (self >= 0) close(self);
    if (r >= 0) r = write_map((pid_t)pid, "uid_map", o->uid_host, o->uid_size);
    if (r >= 0) r = write_map((pid_t)pid, "gid_map", o->gid_host, o->gid_size);
    if (r >= 0 && (write(go[1], "g", 1) != 1 || /* banned: no fibers */
                   read(said[0], &w, sizeof w) != sizeof w || w.r < 0))
        r = sn_fail(w.r < 0 ? w.r : SN_E_INTERNAL, "%s", w.text);
    close(go[1]), close(said[0]);
    if (r < 0 && pid > 0) (void)kill((pid_t)pid, SIGKILL);
    if (r >= 0) *ret = (pid_t)pid;
    return r;
}

static int set(int fs, const char *key, const char *value)
{
    return (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0);
}

int keeper_shm(const struct sn_keeper_opts *o)
{
    char size[24], uid[16], gid[16];
    int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC), fd = -1;
    if (fs < 0) return -1;
    snprintf(size, sizeof size, "%llu", (unsigned long long)o->shm_bytes);
    snprintf(uid, sizeof uid, "%u", o->uid_host);
    snprintf(gid, sizeof gid, "%u", o->gid_host);
    if (set(fs, "source", "shm") == 0 && set(fs, "mode", "1777") == 0 &&
        set(fs, "size", size) == 0 && set(fs, "uid", uid) == 0 && set(fs, "gid", gid) == 0 &&
        syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
                          MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    close(fs);
    if (fd < 0) return -1;
    int shown = (int)syscall(SYS_open_tree, fd, "",
                             OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (shown < 0) {
        close(fd);
        return -1;
    }
    close(shown);
    return fd;
}

int keeper_namespaces(const struct sn_keeper_opts *o, pid_t *ret_pause)
{
    if (o->uid_size) return start_mapped(o, ret_pause);
    if (o->netns_fd >= 0 && setns(o->netns_fd, CLONE_NEWNET) < 0)
        return sn_fail_errno(errno, "enter the pod's network");
    int flags = (o->ipc ? CLONE_NEWIPC : 0) | (o->uts ? CLONE_NEWUTS : 0);
    if (flags && unshare(flags) < 0) return sn_fail_errno(errno, "new IPC and UTS namespaces");
    int r = furnish(o);
    return r < 0 || !o->pid ? r : start_pause(ret_pause);
}

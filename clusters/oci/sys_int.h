/* SPDX-License-Identifier: Apache-2.0 */
/* oci/sys_int.h - system calls that libc has no function for, and small helpers around them. All of
 * them may run between clone and exec: no heap, no locks, no diagnostic; failures are -errno. */
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/base.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ull
#endif
#ifndef __GLIBC__
/* musl leaves these to the kernel's headers and syscall(2). */
#include <linux/close_range.h>
#include <linux/mount.h>
static inline int fsopen(const char *type, unsigned flags)
{
    return (int)syscall(SYS_fsopen, type, flags);
}
static inline int fsconfig(int fs, unsigned what, const char *key, const void *value, int aux)
{
    return (int)syscall(SYS_fsconfig, fs, what, key, value, aux);
}
static inline int fsmount(int fs, unsigned flags, unsigned attrs)
{
    return (int)syscall(SYS_fsmount, fs, flags, attrs);
}
static inline int open_tree(int dir, const char *path, unsigned flags)
{
    return (int)syscall(SYS_open_tree, dir, path, flags);
}
static inline int move_mount(int from_dir, const char *from, int to_dir, const char *to,
                             unsigned flags)
{
    return (int)syscall(SYS_move_mount, from_dir, from, to_dir, to, flags);
}
static inline int mount_setattr(int dir, const char *path, unsigned flags, struct mount_attr *a,
                                size_t n)
{
    return (int)syscall(SYS_mount_setattr, dir, path, flags, a, n);
}
static inline int close_range(unsigned first, unsigned last, int flags)
{
    return (int)syscall(SYS_close_range, first, last, flags);
}
#endif
#define SN_OCI_RETRIES 128 /* of openat2 while somebody renames below the root */

static inline void sn_oci_close_fd(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}
static inline pid_t sn_oci_clone3(struct clone_args *args)
{
    return (pid_t)syscall(SYS_clone3, args, sizeof(*args));
}
static inline int sn_oci_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }
static inline int sn_oci_pidfd_signal(int pidfd, int sig)
{
    return (int)syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0);
}
/* sn_oci_open_in - opens `path` as it is seen from the folder `root`: symlinks resolve inside, ".."
 * stops there, magic links of /proc are refused. Returns the descriptor (close-on-exec) or -errno.
 */
static inline int sn_oci_open_in(int root, const char *path, int flags, mode_t mode,
                                 uint64_t resolve)
{
    while (*path == '/') path++;
    struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC),
                           .mode = mode,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve};
    for (int i = 0; i < SN_OCI_RETRIES; i++) {
        int fd = (int)syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));
        if (fd >= 0) return fd;
        if (errno != EAGAIN && errno != EINTR) return -errno;
    }
    return -EAGAIN;
}
/* sn_oci_write_all - 0 or -errno. */
static inline int sn_oci_write_all(int fd, const void *data, size_t n)
{
    const char *p = data;
    while (n) {
        ssize_t w = write(fd, p, n);
        if (w < 0) {
            if (errno == EINTR) continue;
            return -errno;
        }
        p += w;
        n -= (size_t)w;
    }
    return 0;
}
/* sn_oci_write_file - one write to an existing file: what /proc and /sys want. 0 or -errno. */
static inline int sn_oci_write_file(int dir, const char *path, const void *data, size_t n)
{
    int fd = openat(dir, path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    ssize_t w = write(fd, data, n);
    int e = w < 0 ? -errno : 0;
    close(fd);
    return e;
}
/* sn_oci_read_file - up to cap - 1 bytes, NUL-terminated. The count or -errno. */
static inline ssize_t sn_oci_read_file(int dir, const char *path, char *out, size_t cap)
{
    int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    size_t n = 0;
    ssize_t r = 0;
    while (n < cap - 1 && (r = read(fd, out + n, cap - 1 - n)) != 0) {
        if (r < 0 && errno == EINTR) continue;
        if (r < 0) break;
        n += (size_t)r;
    }
    int e = r < 0 ? -errno : 0;
    close(fd);
    out[n] = 0;
    return e < 0 ? e : (ssize_t)n;
}

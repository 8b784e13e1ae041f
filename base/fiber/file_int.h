/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/file_int.h - the primitives a disk offers. There are two: the kernel's (file.c), whose
 * functions block and run on the offload pool, and the simulated one (simdisk.c), whose functions
 * suspend. Compound operations (read a whole file, replace one atomically) are written once over
 * these. */
#pragma once
#include <sys/stat.h>

#include "fiber/os.h"

struct sn_disk_ops {
    int (*open)(const char *path, int flags, unsigned mode, int *ret_fd);
    void (*close)(int fd);
    ssize_t (*pread)(int fd, void *buf, size_t n, int64_t off);
    ssize_t (*pwrite)(int fd, const void *buf, size_t n, int64_t off);
    int (*sync)(int fd);
    int (*truncate)(int fd, int64_t size);
    int (*stat)(const char *path, struct stat *ret);
    int (*rename)(const char *from, const char *to);
    int (*remove)(const char *path);
    int (*mkdir)(const char *path, unsigned mode);
    /* list - calls name(arg, s) for each entry in any order until it returns < 0. */
    int (*list)(const char *path, int (*name)(void *arg, const char *s), void *arg);
};
extern const struct sn_disk_ops sn_disk_sim;

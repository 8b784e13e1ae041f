/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/os.h - processes, signals and files for fibers. */
#pragma once
#include <signal.h>
#include <sys/stat.h>

#include "core/arena.h"
#include "core/str.h"
#include "fiber/fiber.h"

/* ---- processes ---- */
struct sn_proc_opts {
    const char *const *argv; /* argv[0] is looked up in PATH unless it has a slash; NULL-ended */
    const char *const *env;  /* NULL-ended, NULL = inherit */
    const char *dir;
    int fds[3];              /* stdin, stdout, stderr: a descriptor, -1 = /dev/null, -2 = inherit */
    bool new_group;          /* own process group, so that the whole tree can be signalled */
    bool die_with_parent;    /* SIGKILL when this process dies (PR_SET_PDEATHSIG) */
};
struct sn_proc {
    int pid, pidfd;
};
/* sn_proc_start - vfork-speed spawn. Returns 0, SN_E_NOT_FOUND, SN_E_PERMISSION_DENIED, ... */
int sn_proc_start(const struct sn_proc_opts *opts, struct sn_proc *ret) SN_MUST_CHECK;
/* sn_proc_wait - suspends until it exits. ret_code: 0..255, or 128+signal. Closes the pidfd. */
int sn_proc_wait(struct sn_proc *p, int *ret_code) SN_MUST_CHECK;
int sn_proc_signal(struct sn_proc *p, int sig);

/* ---- signals ---- */
/* sn_signal_wait - suspends until one of the signals in the 0-ended list arrives; blocks their
 * default action from the first call on. Returns the signal number, SN_E_CANCELLED,
 * SN_E_DEADLINE_EXCEEDED. */
int sn_signal_wait(const int *signals) SN_MUST_CHECK;

/* ---- files: every call runs on the offload pool (or io_uring) and suspends ---- */
#define SN_FILE_READ_MAX (256u << 20)
/* sn_file_read - the whole file into `a`, NUL-terminated. Returns 0, SN_E_NOT_FOUND,
 * SN_E_PERMISSION_DENIED, SN_E_TOO_LARGE beyond max (0 = SN_FILE_READ_MAX), SN_E_IO. */
int sn_file_read(struct sn_arena *a, const char *path, size_t max, struct sn_str *ret) SN_MUST_CHECK;
/* sn_file_write - atomically: temporary file in the same folder, fsync, rename, fsync of folder. */
int sn_file_write(const char *path, struct sn_str data, unsigned mode) SN_MUST_CHECK;
int sn_file_open(const char *path, int flags, unsigned mode, int *ret_fd) SN_MUST_CHECK;
ssize_t sn_file_pread(int fd, void *buf, size_t n, int64_t off);
ssize_t sn_file_pwrite(int fd, const void *buf, size_t n, int64_t off);
int sn_file_sync(int fd);
int sn_file_stat(const char *path, struct stat *ret) SN_MUST_CHECK;
int sn_mkdirs(const char *path, unsigned mode) SN_MUST_CHECK;

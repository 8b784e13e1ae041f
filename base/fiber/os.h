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
    bool new_group;          /* own process group, and sn_proc_signal reaches all of it */
    bool die_with_parent;    /* SIGKILL when this process dies, or the starting worker ends
                              * (PR_SET_PDEATHSIG) */
};
struct sn_proc {
    int pid, pidfd; /* pidfd -1 after sn_proc_wait */
    bool group;
};
/* sn_proc_start - vfork-speed spawn; returns when the program runs. No other descriptor of ours, no
 * handler and no signal mask is inherited; SIGPIPE is at its default.
 * Returns 0, SN_E_NOT_FOUND (program or folder), SN_E_PERMISSION_DENIED, SN_E_FILES, SN_E_NOMEM,
 * SN_E_INVALID_ARGUMENT, SN_E_UNIMPLEMENTED in simulation. Owns: *ret must be waited for.
 * Context: a fiber or thread; holds it until the child has executed, but does not suspend. */
int sn_proc_start(const struct sn_proc_opts *opts, struct sn_proc *ret) SN_MUST_CHECK;
/* sn_proc_wait - suspends until it exits. ret_code: 0..255, or 128+signal. Closes the pidfd.
 * Returns 0, SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED (the process runs on, and can be waited for
 * again), SN_E_FAILED_PRECONDITION when already waited for. */
int sn_proc_wait(struct sn_proc *p, int *ret_code) SN_MUST_CHECK;
/* sn_proc_signal - to the process, or to its group where it has its own. 0 as `sig` only asks.
 * Returns 0, SN_E_NOT_FOUND, SN_E_PERMISSION_DENIED, SN_E_INVALID_ARGUMENT. Any thread. */
int sn_proc_signal(struct sn_proc *p, int sig);

/* ---- signals ---- */
/* sn_signal_wait - suspends until one of the signals in the 0-ended list arrives; takes them away
 * from their default action from the first call on until the runtime ends. All who wait for a
 * signal get it; one that arrives while nobody waits is kept for the next call. In simulation none
 * ever comes. Returns the signal number, SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED,
 * SN_E_INVALID_ARGUMENT for what cannot or must not be caught, SN_E_FILES. */
int sn_signal_wait(const int *signals) SN_MUST_CHECK;

/* ---- files ----
 * Every call runs on the offload pool and suspends; on a plain thread it blocks. In simulation each
 * host has a disk in memory: what was written and not synced is lost, kept or torn at sector
 * boundaries when the host crashes, as the seed has it; names are safe once their folder is synced.
 * Descriptors of the two worlds are not interchangeable. Common failures: SN_E_NOT_FOUND,
 * SN_E_PERMISSION_DENIED, SN_E_ALREADY_EXISTS, SN_E_FILES, SN_E_NOMEM, SN_E_RESOURCE_EXHAUSTED
 * (disk full), SN_E_IO, SN_E_CANCELLED before the call began; the diagnostic names the path. */
#define SN_FILE_PATH_MAX 1024u /* of sn_file_write and sn_mkdirs, with the NUL */
#define SN_FILE_READ_MAX (256u << 20)
/* sn_file_read - the whole file into `a`, NUL-terminated (not counted). SN_E_TOO_LARGE beyond max
 * bytes (0 = SN_FILE_READ_MAX). */
int sn_file_read(struct sn_arena *a, const char *path, size_t max,
                 struct sn_str *ret) SN_MUST_CHECK;
/* sn_file_write - atomically: temporary file in the same folder, fsync, rename, fsync of folder.
 * After 0 the new content survives a crash; at any moment the path has the old content or the new.
 */
int sn_file_write(const char *path, struct sn_str data, unsigned mode) SN_MUST_CHECK;
/* sn_file_open - flags as open(2); O_CLOEXEC is implied. A folder opens with O_RDONLY |
 * O_DIRECTORY, for sn_file_sync. Owns: *ret_fd, for sn_file_close. */
int sn_file_open(const char *path, int flags, unsigned mode, int *ret_fd) SN_MUST_CHECK;
/* sn_file_close - never fails: what must be known to be stored is synced first. Does not suspend.
 */
void sn_file_close(int fd);
/* sn_file_pread - up to n bytes at `off`; fewer only at the end, where it returns 0. */
ssize_t sn_file_pread(int fd, void *buf, size_t n, int64_t off);
/* sn_file_pwrite - all n bytes, or an error (then any part of them may be in the file). Returns n.
 */
ssize_t sn_file_pwrite(int fd, const void *buf, size_t n, int64_t off);
/* sn_file_sync - data and size of a file (or the names in a folder) survive a crash from here on.
 * After a failure nothing is known about what was written before, and a second try proves nothing.
 */
int sn_file_sync(int fd) SN_MUST_CHECK;
int sn_file_truncate(int fd, int64_t size) SN_MUST_CHECK;
int sn_file_stat(const char *path, struct stat *ret) SN_MUST_CHECK;
/* sn_file_rename - replaces `to` atomically. Safe against a crash once the folder is synced. */
int sn_file_rename(const char *from, const char *to) SN_MUST_CHECK;
/* sn_file_remove - a file, or an empty folder. */
int sn_file_remove(const char *path) SN_MUST_CHECK;
/* sn_mkdirs - the folder and its missing parents, with `mode`; existing ones are fine. */
int sn_mkdirs(const char *path, unsigned mode) SN_MUST_CHECK;
/* sn_dir_list - names in a folder without . and .., sorted by byte, in `a`. SN_E_TOO_LARGE beyond
 * SN_DIR_NAMES_MAX. */
#define SN_DIR_NAMES_MAX (1u << 20)
int sn_dir_list(struct sn_arena *a, const char *path, struct sn_str **ret,
                size_t *ret_n) SN_MUST_CHECK;

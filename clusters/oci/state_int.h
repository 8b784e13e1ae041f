/* SPDX-License-Identifier: Apache-2.0 */
/* oci/state_int.h - a container's state: one mapped file, ROOT/ID.
 *
 * Texts are written once, before the file gets its name; what changes are a few words under a
 * seqlock. Writers hold flock(2) on the file; readers map it read-only and retry. The child of
 * create maps it as well: it waits on `start` and leaves there why it could not execute its
 * program. Whether the process lives is never stored: it is asked from the kernel, by pid and start
 * time. */
#pragma once
#include <sys/mman.h>

#include <stdatomic.h>

#include "core/base.h"
#include "core/str.h"

#define SN_OCI_STATE_MAGIC 0x325441544349534eull /* "NSICTAT2", little-endian */
#define SN_OCI_STATE_ERROR_MAX 512
#define SN_OCI_STATE_BYTES_MAX (8u << 20)

enum sn_oci_state_text {
    SN_OCI_TEXT_VERSION,
    SN_OCI_TEXT_ID,
    SN_OCI_TEXT_BUNDLE,
    SN_OCI_TEXT_ROOTFS,
    SN_OCI_TEXT_ANNOTATIONS,
    SN_OCI_TEXT_CGROUP,
    SN_OCI_TEXT_CONFIG,
    SN_OCI_TEXT_HIERARCHIES, /* sn_cgroup_host_write's */
    SN_OCI_TEXTS,
};
enum {
    SN_OCI_FLAG_TERMINAL = 1,
    SN_OCI_FLAG_SYSTEMD = 2,
    SN_OCI_FLAG_NO_CGROUP = 4,
    SN_OCI_FLAG_SHARED = 8, /* no mount namespace of its own */
    SN_OCI_FLAG_MOUNTED = 16, /* and the root is mounted in the runtime's */
    SN_OCI_FLAG_RESTORED = 32 /* by criu, which adds a time namespace */
};
enum { SN_OCI_PHASE_CREATING, SN_OCI_PHASE_CREATED, SN_OCI_PHASE_RUNNING };

struct sn_oci_state_map {
    uint64_t magic;
    uint32_t head_bytes, bytes; /* of this struct; of the file */
    _Atomic uint32_t seq;       /* odd while a writer is at work */
    _Atomic uint32_t phase;
    _Atomic uint32_t start;  /* futex: 0 waits, 1 go */
    _Atomic uint32_t failed; /* errno of the child that could not execute; `error` says more */
    _Atomic int32_t pid;     /* 0: none yet */
    uint32_t owner, flags;
    uint64_t pid_start; /* /proc/PID/stat, field 22 */
    int64_t created_ns;
    uint64_t maker_start; /* of the creating process, so that its death is seen */
    int32_t maker;
    uint32_t text_off[SN_OCI_TEXTS], text_len[SN_OCI_TEXTS];
    char error[SN_OCI_STATE_ERROR_MAX];
};

struct sn_oci_state_file {
    int fd;
    struct sn_oci_state_map *map;
    size_t bytes;
};
#define SN_OCI_STATE_NONE \
    {                     \
        .fd = -1          \
    }

struct sn_oci_state_init {
    struct sn_str text[SN_OCI_TEXTS];
    uint32_t owner, flags;
    int64_t created_ns;
};
/* sn_oci_id_check - Returns 0 or SN_E_INVALID_ARGUMENT: letters, digits and _ + - . only. */
int sn_oci_id_check(const char *id) SN_MUST_CHECK;
/* sn_oci_state_make - the file in phase creating, which gets its name when it is whole. Returns 0;
 * SN_E_ALREADY_EXISTS
 * ("container with given ID already exists"); what the kernel said. */
int sn_oci_state_make(const char *root, const char *id, const struct sn_oci_state_init *init,
                      struct sn_oci_state_file *ret) SN_MUST_CHECK;
/* sn_oci_state_exists - SN_E_ALREADY_EXISTS where there is a file of that name, before anything
 * is done for a new one; else 0. */
int sn_oci_state_exists(const char *root, const char *id) SN_MUST_CHECK;
/* sn_oci_state_load - Returns 0; SN_E_NOT_FOUND ("container does not exist"); SN_E_DATA_LOSS. */
int sn_oci_state_load(const char *root, const char *id,
                      struct sn_oci_state_file *ret) SN_MUST_CHECK;
/* sn_oci_state_keep - children that are cloned from now on have no mapping of it: whoever may look
 * at theirs, a privileged container, would come to the file. */
static inline void sn_oci_state_keep(struct sn_oci_state_file *f)
{
    (void)madvise(f->map, f->bytes, MADV_DONTFORK);
}
void sn_oci_state_done(struct sn_oci_state_file *f);
/* sn_oci_state_unlink - removes the file. */
int sn_oci_state_unlink(const char *root, const char *id) SN_MUST_CHECK;
/* sn_oci_state_lock, _unlock - writers, and operations that exclude each other (start, delete). */
int sn_oci_state_lock(struct sn_oci_state_file *f) SN_MUST_CHECK;
void sn_oci_state_unlock(struct sn_oci_state_file *f);
/* sn_oci_state_set_process - pid and its start time, under the lock of the caller's choice. */
int sn_oci_state_set_process(struct sn_oci_state_file *f, pid_t pid) SN_MUST_CHECK;
static inline struct sn_str sn_oci_state_str(const struct sn_oci_state_file *f,
                                             enum sn_oci_state_text t)
{
    return sn_str_of((const char *)f->map + f->map->text_off[t], f->map->text_len[t]);
}
struct sn_oci_state_view {
    uint32_t phase;
    pid_t pid; /* 0: none, or it has ended */
    bool maker_lives;
};
/* sn_oci_state_view - a consistent reading; asks the kernel whether the process lives. */
void sn_oci_state_view(const struct sn_oci_state_file *f, struct sn_oci_state_view *ret);
/* sn_oci_process_start - start time of a process in clock ticks, 0 where it is gone or a zombie. */
uint64_t sn_oci_process_start(pid_t pid);
/* sn_oci_set_created - ends phase creating and wakes who waits for that; _wait_created waits, at
 * most `ms`, while the phase is creating. */
void sn_oci_set_created(struct sn_oci_state_map *m);
void sn_oci_wait_created(struct sn_oci_state_map *m, int ms);
/* sn_oci_set_running - of a process that was restored: there is nothing to start. */
void sn_oci_set_running(struct sn_oci_state_map *m);
/* sn_oci_wait_start - child: until start is 1; async-signal-safe. */
void sn_oci_wait_start(struct sn_oci_state_map *m);
/* sn_oci_wake_start - sets start and wakes the child. */
void sn_oci_wake_start(struct sn_oci_state_map *m);

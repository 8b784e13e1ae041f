/* SPDX-License-Identifier: Apache-2.0 */
/* clusters/seccomp/seccomp.h - from linux.seccomp of the runtime-spec to a filter in the kernel.
 *
 * The compiler makes classic BPF: first the architecture, then a balanced tree over system call
 * numbers, argument checks at the leaves. Numbers come from a table of our own (syscalls.h), so
 * neither libseccomp nor the machine's headers decide what a name means.
 *
 * Sources: OCI runtime-spec 1.3 config-linux.md (seccomp), seccomp(2), seccomp_unotify(2),
 * Linux Documentation/userspace-api/seccomp_filter.rst. Verdicts are compared with libseccomp's. */
#pragma once
#include <linux/filter.h>

#include "core/arena.h"
#include "core/base.h"
#include "core/str.h"
#include "wire/json.h"

#define SN_SECCOMP_INSNS_MAX 4096    /* the kernel's BPF_MAXINSNS */
#define SN_SECCOMP_RULES_MAX 4096    /* entries of linux.seccomp.syscalls */
#define SN_SECCOMP_NAMES_MAX 65536   /* names over all entries */
#define SN_SECCOMP_ARGS_MAX 6        /* conditions of one entry: the calls have six arguments */
#define SN_SECCOMP_METADATA_MAX 4096 /* bytes of listenerMetadata */

struct sn_seccomp_filter {
    struct sock_filter *insns;
    uint32_t n;
    uint32_t flags; /* SECCOMP_FILTER_FLAG_*, NEW_LISTENER included where notify */
    bool notify;    /* SCMP_ACT_NOTIFY is used: load returns a descriptor */
    struct sn_str listener_path, listener_metadata; /* borrow the configuration; the caller sends */
    uint32_t unknown_names; /* names no architecture of the profile knows: skipped, as runc does */
};

/* sn_seccomp_compile - the object linux.seccomp to a program. NULL or an absent profile is the
 * caller's case. Same input, same program. What it refuses it names: field from "linux.seccomp",
 * value, what is allowed.
 * Returns 0; SN_E_INVALID_ARGUMENT; SN_E_TOO_LARGE (a limit above; the program would pass
 * SN_SECCOMP_INSNS_MAX); SN_E_NOMEM. Owns: the arena; strings borrow the tree. */
int sn_seccomp_compile(struct sn_arena *a, const struct sn_json *seccomp,
                       struct sn_seccomp_filter *ret) SN_MUST_CHECK;
/* sn_seccomp_cached - as compile, but looks for the program in a folder first and leaves it there,
 * under the profile's hash. An entry counts only where its owner is us and nobody else may write
 * it, and its own hash is right; else it is compiled anew and replaced. A folder that cannot be
 * written is no error. dir: descriptor of the runtime's own folder. ret_hit may be NULL. */
int sn_seccomp_cached(struct sn_arena *a, int dir, const struct sn_json *seccomp,
                      struct sn_seccomp_filter *ret, bool *ret_hit) SN_MUST_CHECK;
/* sn_seccomp_load - installs the filter for the calling thread (all threads with TSYNC). The caller
 * has set no_new_privs or holds CAP_SYS_ADMIN. ret_notify_fd: the listener (close-on-exec) where
 * f->notify, else -1; may be NULL where the filter has none.
 * Returns 0 or -errno. Context: async-signal-safe. */
int sn_seccomp_load(const struct sn_seccomp_filter *f, int *ret_notify_fd) SN_MUST_CHECK;

/* ---- what `features` prints --------------------------------------------------------------------
 */

/* Names as the runtime-spec writes them, NULL after the last. Known flags are those this kernel
 * supports where `probe`, else all we know. */
const char *const *sn_seccomp_action_names(void);
const char *const *sn_seccomp_operator_names(void);
const char *const *sn_seccomp_arch_names(void);
const char *const *sn_seccomp_flag_names(void);
/* sn_seccomp_flag_supported - whether this kernel takes the flag of that name. */
bool sn_seccomp_flag_supported(const char *name);

/* sn_seccomp_syscall - number of a call by name on an architecture ("SCMP_ARCH_X86_64"), -1 where
 * it has none. */
int sn_seccomp_syscall(const char *arch, struct sn_str name);

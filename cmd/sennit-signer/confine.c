/* SPDX-License-Identifier: Apache-2.0 */
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/status.h"

/* ---- memory ---- */

/* Pages are locked as they are touched: stacks of fibers reserve far more than they use. Without the
 * right to lock so much the kernel refuses, and the operator is told. */
static bool lock_memory(void)
{
    return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
}

static bool forbid_dumps(void)
{
    struct rlimit none = {0, 0};
    return setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

/* ---- files ---- */

/* The rights of Landlock's first version, which every kernel with Landlock knows. */
#define READ_RIGHTS \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE_RIGHTS                                                                        \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE |                       \
     LANDLOCK_ACCESS_FS_MAKE_REG)
#define HANDLED_RIGHTS                                                                      \
    (READ_RIGHTS | WRITE_RIGHTS | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_REMOVE_DIR | \
     LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_SOCK | \
     LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)

/* A folder that is not there needs no rule. */
static int allow(int rules, const char *path, uint64_t rights)
{
    struct landlock_path_beneath_attr a = {.allowed_access = rights};
    a.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (a.parent_fd < 0) return errno == ENOENT ? 0 : -1;
    long r = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &a, 0);
    (void)close(a.parent_fd);
    return (int)r;
}

static int confine_files(const char *const *folders, bool *ret)
{
    static const char *const system_folders[] = {"/etc", "/usr", "/lib", "/lib64", "/proc", "/sys",
                                                 "/dev"};
    struct landlock_ruleset_attr attr = {.handled_access_fs = HANDLED_RIGHTS};
    long rules = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs), 0);
    *ret = false;
    if (rules < 0 && (errno == ENOSYS || errno == EOPNOTSUPP)) return 0;
    if (rules < 0) return sn_fail_errno(errno, "landlock_create_ruleset");
    int r = 0;
    for (size_t i = 0; i < SN_COUNT_OF(system_folders) && r == 0; i++)
        r = allow((int)rules, system_folders[i], READ_RIGHTS | LANDLOCK_ACCESS_FS_EXECUTE);
    for (; *folders && r == 0; folders++)
        r = allow((int)rules, *folders, READ_RIGHTS | WRITE_RIGHTS);
    if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) r = -1;
    if (r == 0 && syscall(SYS_landlock_restrict_self, (int)rules, 0) < 0) r = -1;
    if (r < 0) r = sn_fail_errno(errno, "landlock");
    (void)close((int)rules);
    *ret = r == 0;
    return r;
}

/* ---- calls ---- */

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define DENY(name)                                              \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1),      \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

/* No other program is started, no other process looked into, nothing waits for connections. */
static int filter_calls(bool *ret)
{
    *ret = false;
#ifdef ARCH
    struct sock_filter code[] = {
        LOAD(arch),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        LOAD(nr),
#if defined(__x86_64__)
        /* The x32 numbers are other names for the same calls. */
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
#endif
        DENY(execve),
        DENY(execveat),
        DENY(ptrace),
        DENY(process_vm_readv),
        DENY(process_vm_writev),
        DENY(pidfd_getfd),
        DENY(open_by_handle_at),
        DENY(listen),
        DENY(accept),
        DENY(accept4),
        DENY(mount),
        DENY(unshare),
        DENY(setns),
        DENY(bpf),
        DENY(keyctl),
        DENY(add_key),
        DENY(kexec_load),
        DENY(init_module),
        DENY(finit_module),
        DENY(perf_event_open),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog prog = {.len = SN_COUNT_OF(code), .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return sn_fail_errno(errno, "no_new_privs");
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0)
        return errno == ENOSYS || errno == EINVAL ? 0 : sn_fail_errno(errno, "seccomp");
    *ret = true;
#endif
    return 0;
}

int confine(const char *const *folders, struct confine_result *ret)
{
    ret->memory_locked = lock_memory();
    ret->not_dumpable = forbid_dumps();
    int r = confine_files(folders, &ret->files_confined);
    return r < 0 ? r : filter_calls(&ret->calls_filtered);
}

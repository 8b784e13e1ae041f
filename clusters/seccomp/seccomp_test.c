/* SPDX-License-Identifier: Apache-2.0 */
/* Filters: their verdicts by interpretation, what is refused and how, the cache, and the kernel. */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/status.h"
#include "core/torture.h"
#include "harness/test.h"
#include "seccomp/bpf_test.h"
#include "seccomp/seccomp_int.h"

static struct sn_arena arena;

static const struct sn_json *json(const char *text)
{
    const struct sn_json *v;
    int e = sn_json_parse(&arena, sn_str(text), NULL, &v);
    T_ASSERTF(e == 0, "%s", sn_diag_str(e));
    return v;
}

static struct sn_seccomp_filter compile(const char *text)
{
    struct sn_seccomp_filter f;
    int e = sn_seccomp_compile(&arena, json(text), &f);
    T_ASSERTF(e == 0, "%s", sn_diag_str(e));
    T_ASSERT(bpf_valid(f.insns, f.n));
    return f;
}

static uint32_t ask(const struct sn_seccomp_filter *f, uint32_t arch, int nr, uint64_t a0,
                    uint64_t a1)
{
    struct seccomp_data d = {.nr = nr, .arch = arch, .args = {a0, a1}};
    return bpf_run(f->insns, &d, NULL);
}

#define ALLOW SECCOMP_RET_ALLOW
#define ERR(e) (SECCOMP_RET_ERRNO | (e))

SN_TEST(verdicts)
{
    static const char profile[] =
        "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38,"
        "\"architectures\":[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\",\"SCMP_ARCH_"
        "MIPS\"],"
        "\"syscalls\":[{\"names\":[\"read\",\"write\",\"no_such_call\"],\"action\":\"SCMP_ACT_"
        "ALLOW\"},"
        "{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,"
        "\"value\":8,\"op\":\"SCMP_CMP_EQ\"}]},"
        "{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_LOG\",\"args\":[{\"index\":0,\"value\":"
        "4294967295,\"op\":\"SCMP_CMP_EQ\"}]},"
        "{\"names\":[\"clone\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":"
        "2114060288,\"valueTwo\":0,\"op\":\"SCMP_CMP_MASKED_EQ\"}]},"
        "{\"names\":[\"fcntl\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":"
        "4294967296,\"op\":\"SCMP_CMP_LT\"},"
        "{\"index\":1,\"value\":5,\"op\":\"SCMP_CMP_GE\"}]},"
        "{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_KILL_PROCESS\"},"
        "{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_ALLOW\"},"
        "{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":97}]}";
    sn_arena_init(&arena, NULL, 0);
    struct sn_seccomp_filter f = compile(profile);
    static const struct {
        uint32_t arch;
        int nr;
        uint64_t a0, a1;
        uint32_t want;
    } rows[] = {
        {AUDIT_ARCH_X86_64, 0, 0, 0, ALLOW},
        {AUDIT_ARCH_X86_64, 2, 0, 0, ERR(38)},
        {AUDIT_ARCH_X86_64, (int)0x40000000, 0, 0, ALLOW}, /* x32 read */
        {AUDIT_ARCH_X86_64, (int)0x40000002, 0, 0, ERR(38)},
        {AUDIT_ARCH_X86_64, 100000, 0, 0, ERR(38)},
        {AUDIT_ARCH_I386, 3, 0, 0, ALLOW},
        {AUDIT_ARCH_I386, 0, 0, 0, ERR(38)},
        {AUDIT_ARCH_AARCH64, 63, 0, 0, SECCOMP_RET_KILL_THREAD},
        {AUDIT_ARCH_X86_64, 135, 8, 0, ALLOW},
        {AUDIT_ARCH_X86_64, 135, 0x100000008ull, 0, ERR(38)}, /* all 64 bits count */
        {AUDIT_ARCH_I386, 136, 0x100000008ull, 0, ALLOW},     /* there are 32 */
        {AUDIT_ARCH_X86_64, 135, 0xffffffff, 0, SECCOMP_RET_LOG},
        {AUDIT_ARCH_X86_64, 56, 0x11, 0, ALLOW},
        {AUDIT_ARCH_X86_64, 56, 0x10000011, 0, ERR(38)},
        {AUDIT_ARCH_X86_64, 72, 0xffffffff, 5, ALLOW},
        {AUDIT_ARCH_X86_64, 72, 0x100000000ull, 5, ERR(38)},
        {AUDIT_ARCH_X86_64, 72, 1, 4, ERR(38)},
        {AUDIT_ARCH_X86_64, 72, 1, 0x100000000ull, ALLOW},
        {AUDIT_ARCH_X86_64, 62, 0, 0, SECCOMP_RET_KILL_PROCESS}, /* the first of two */
        {AUDIT_ARCH_X86_64, 41, 0, 0, ERR(97)},
        {AUDIT_ARCH_I386, 102, 1, 0, ERR(97)}, /* socketcall(SYS_SOCKET) */
        {AUDIT_ARCH_I386, 102, 2, 0, ERR(38)},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%zu: arch %#x nr %d", i, rows[i].arch, rows[i].nr);
        T_EQ(ask(&f, rows[i].arch, rows[i].nr, rows[i].a0, rows[i].a1), rows[i].want);
    }
    T_EQ(f.unknown_names, 1);
    T_EQ(f.flags, SECCOMP_FILTER_FLAG_SPEC_ALLOW);
    sn_arena_done(&arena);
}

/* What is newer than the profile is not there, rather than forbidden. */
SN_TEST(newer_calls_are_enosys)
{
    sn_arena_init(&arena, NULL, 0);
    struct sn_seccomp_filter f =
        compile("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":["
                "{\"names\":[\"openat2\"],\"action\":\"SCMP_ACT_ALLOW\"}]}");
    T_EQ(ask(&f, AUDIT_ARCH_X86_64, 436, 0, 0), ERR(EPERM));
    T_EQ(ask(&f, AUDIT_ARCH_X86_64, 437, 0, 0), ALLOW);
    T_EQ(ask(&f, AUDIT_ARCH_X86_64, 438, 0, 0), ERR(ENOSYS));
    T_EQ(ask(&f, AUDIT_ARCH_X86_64, 5000, 0, 0), ERR(ENOSYS));
    T_EQ(ask(&f, AUDIT_ARCH_X86_64, -1, 0, 0), ERR(EPERM));
    T_EQ(ask(&f, AUDIT_ARCH_X86_64, (int)0x40000001, 0, 0), SECCOMP_RET_KILL_THREAD);
    f = compile("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"getcwd\"],"
                "\"action\":\"SCMP_ACT_ERRNO\"}]}");
    T_EQ(ask(&f, AUDIT_ARCH_X86_64, 438, 0, 0), ALLOW);
    sn_arena_done(&arena);
}

/* Hundreds of distinct outcomes: jumps beyond 255 instructions. */
SN_TEST(long_programs)
{
    sn_arena_init(&arena, NULL, 0);
    struct sn_buf b;
    sn_buf_init(&b, 0);
    sn_buf_cstr(&b, "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[");
    unsigned n = 0;
    for (int nr = 0; nr < 330; nr++)
        for (unsigned k = 0; k < SC_NUMBERS; k++) {
            static const char *const some[] = {"read",     "write",  "open",  "close",   "stat",
                                               "fstat",    "lstat",  "poll",  "lseek",   "mmap",
                                               "mprotect", "munmap", "brk",   "ioctl",   "access",
                                               "pipe",     "select", "msync", "mincore", "shmget",
                                               "shmat",    "dup",    "dup2",  "pause",   "alarm",
                                               "getpid",   "socket", "fork",  "vfork",   "exit"};
            if (k >= SN_COUNT_OF(some) || nr >= 9) break;
            sn_buf_printf(&b,
                          "%s{\"names\":[\"%s\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":%u,"
                          "\"args\":[{\"index\":%d,"
                          "\"op\":\"SCMP_CMP_EQ\",\"value\":%u}]}",
                          n ? "," : "", some[k], 1 + n, nr % 6, 1000 + nr);
            n++;
        }
    sn_buf_cstr(&b, "]}");
    struct sn_seccomp_filter f = compile(sn_buf_cz(&b));
    T_ASSERT(f.n > 1000);
    for (unsigned i = 0; i < n; i++) {
        static const int nrs[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 16, 21,
                                  22, 23, 26, 27, 29, 30, 32, 33, 34, 37, 39, 41, 57, 58, 60};
        struct seccomp_data d = {.nr = nrs[i % 30], .arch = AUDIT_ARCH_X86_64};
        d.args[i / 30 % 6] = 1000 + i / 30;
        T_EQ(bpf_run(f.insns, &d, NULL), ERR(1 + i));
    }
    sn_buf_done(&b);
    sn_arena_done(&arena);
}

SN_TEST(refusals)
{
    static const struct {
        const char *json, *say;
    } rows[] = {
        {"7", "linux.seccomp is 7, expected an object"},
        {"{}", "linux.seccomp.defaultAction is missing"},
        {"{\"defaultAction\":\"ALLOW\"}", "defaultAction is \"ALLOW\", expected SCMP_ACT_ALLOW"},
        {"{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}", "cannot be used as default action"},
        {"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":4096}",
         "defaultErrnoRet is 4096"},
        {"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_Z80\"]}",
         "is \"SCMP_ARCH_Z80\""},
        {"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"X\"]}",
         "linux.seccomp.flags[] is \"X\""},
        {"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"action\":\"SCMP_ACT_LOG\"}]}",
         "syscalls[0].names is missing"},
        {"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":"
         "\"X\"}]}",
         "syscalls[0].action is \"X\""},
        {"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":"
         "\"SCMP_ACT_LOG\",\"args\":[{\"index\":6,"
         "\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]}]}",
         "args[].index is 6, expected 0 to 5"},
        {"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":"
         "\"SCMP_ACT_LOG\",\"args\":[{\"index\":1,"
         "\"value\":1,\"op\":\"EQ\"}]}]}",
         "args[].op is \"EQ\""},
        {"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"write\"],\"action\":"
         "\"SCMP_ACT_NOTIFY\"}]}",
         "cannot be used for the write syscall"},
        {"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":"
         "\"SCMP_ACT_NOTIFY\"}]}",
         "listenerPath is missing"},
        {"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerMetadata\":\"x\"}",
         "without listenerPath"},
    };
    sn_arena_init(&arena, NULL, 0);
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_seccomp_filter f;
        sn_test_row("%s", rows[i].json);
        int e = sn_seccomp_compile(&arena, json(rows[i].json), &f);
        T_EQ(e, SN_E_INVALID_ARGUMENT);
        T_ASSERTF(strstr(sn_diag_str(e), rows[i].say), "said: %s", sn_diag_str(e));
    }
    sn_arena_done(&arena);
}

static const char small[] =
    "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86\"],\"syscalls\":["
    "{\"names\":[\"getcwd\",\"socket\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":77},"
    "{\"names\":[\"dup\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":78,\"args\":["
    "{\"index\":0,\"op\":\"SCMP_CMP_GT\",\"value\":5000000000}]}]}";

static int torture_compile(void *arg)
{
    struct sn_arena a;
    const struct sn_json *v;
    struct sn_seccomp_filter f;
    sn_arena_init(&a, NULL, 0);
    int e = sn_json_parse(&a, sn_str(small), NULL, &v);
    if (e == 0) e = sn_seccomp_compile(&a, v, &f);
    sn_arena_done(&a);
    return e;
}
SN_TEST(torture_of_compile)
{
    T_OK(sn_torture(torture_compile, NULL));
}

SN_TEST(cache)
{
    struct sn_seccomp_filter f, again;
    bool hit;
    char path[256];
    sn_arena_init(&arena, NULL, 0);
    const struct sn_json *v = json(small);
    int dir = open(sn_test_tmpdir(), O_RDONLY | O_DIRECTORY);
    T_OK(fchmod(dir, 0700));
    T_OK(sn_seccomp_cached(&arena, dir, v, &f, &hit));
    T_ASSERT(!hit);
    T_OK(sn_seccomp_cached(&arena, dir, v, &again, &hit));
    T_ASSERT(hit && again.n == f.n && again.flags == f.flags);
    T_ASSERT(memcmp(again.insns, f.insns, f.n * sizeof(*f.insns)) == 0);
    snprintf(path, sizeof(path), "%s/entry", sn_test_tmpdir());
    char cmd[1200];
    snprintf(cmd, sizeof(cmd), "mv %s/seccomp-* %s && rm -f %s/*.tmp", sn_test_tmpdir(), path,
             sn_test_tmpdir());
    T_EQ(system(cmd), 0);
    T_OK(sn_seccomp_cached(&arena, dir, v, &f, &hit));
    T_ASSERT(!hit);
    snprintf(cmd, sizeof(cmd),
             "e=$(echo %s/seccomp-*); printf X | dd of=$e bs=1 seek=200 conv=notrunc 2>/dev/null",
             sn_test_tmpdir());
    T_EQ(system(cmd), 0); /* a flipped instruction */
    T_OK(sn_seccomp_cached(&arena, dir, v, &again, &hit));
    T_ASSERT(!hit && memcmp(again.insns, f.insns, f.n * sizeof(*f.insns)) == 0);
    T_OK(sn_seccomp_cached(&arena, dir, v, &again, &hit));
    T_ASSERT(hit); /* mended */
    snprintf(cmd, sizeof(cmd), "chmod 0620 %s/seccomp-*", sn_test_tmpdir());
    T_EQ(system(cmd), 0);
    T_OK(sn_seccomp_cached(&arena, dir, v, &again, &hit));
    T_ASSERT(!hit); /* others could have written it */
    T_OK(fchmod(dir, 0777));
    T_OK(sn_seccomp_cached(&arena, dir, v, &again, &hit));
    T_ASSERT(!hit);
    close(dir);
    sn_arena_done(&arena);
}

SN_TEST(kernel_takes_it)
{
    sn_arena_init(&arena, NULL, 0);
    struct sn_seccomp_filter f = compile(small);
    pid_t pid = fork();
    if (pid == 0) {
        char buf[64];
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (sn_seccomp_load(&f, NULL) != 0) _exit(1);
        if (syscall(SYS_getcwd, buf, sizeof(buf)) != -1 || errno != 77) _exit(2);
        if (syscall(SYS_socket, 1, 1, 0) != -1 || errno != 77) _exit(3);
        if (syscall(SYS_dup, 5000000001ul) != -1 || errno != 78) _exit(4);
        if (syscall(SYS_dup, 5000000000ul) != -1 || errno != EBADF) _exit(5);
        _exit(syscall(SYS_getpid) > 0 ? 0 : 6);
    }
    int status;
    T_EQ(waitpid(pid, &status, 0), pid);
    T_EQ(WEXITSTATUS(status), 0);
    T_ASSERT(WIFEXITED(status));
    sn_arena_done(&arena);
}

SN_TEST(kernel_refuses_without_privilege_or_program)
{
    sn_arena_init(&arena, NULL, 0);
    struct sn_seccomp_filter f = compile(small);
    f.n = 0;
    T_EQ(sn_seccomp_load(&f, NULL), -EINVAL);
    sn_arena_done(&arena);
}

SN_TEST(notify)
{
    sn_arena_init(&arena, NULL, 0);
    struct sn_seccomp_filter f =
        compile("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/run/"
                "x\",\"listenerMetadata\":\"m\","
                "\"flags\":[\"SECCOMP_FILTER_FLAG_TSYNC\",\"SECCOMP_FILTER_FLAG_LOG\"],"
                "\"syscalls\":[{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}");
    T_ASSERT(f.notify && f.flags & SECCOMP_FILTER_FLAG_NEW_LISTENER &&
             f.flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH);
    T_STR(f.listener_path, "/run/x");
    T_STR(f.listener_metadata, "m");
    pid_t pid = fork();
    if (pid == 0) {
        int fd = -1;
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (sn_seccomp_load(&f, &fd) != 0 || fd < 0) _exit(1);
        if (!(fcntl(fd, F_GETFD) & FD_CLOEXEC)) _exit(2);
        pid_t caller = fork();
        if (caller == 0) _exit(syscall(SYS_mkdir, "/nowhere/x", 0) == -1 && errno == 55 ? 0 : 1);
        struct seccomp_notif in = {0};
        if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &in) < 0) _exit(3);
        struct seccomp_notif_resp out = {.id = in.id, .error = -55};
        if (in.data.nr != SYS_mkdir || ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &out) < 0) _exit(4);
        int status;
        waitpid(caller, &status, 0);
        _exit(status == 0 ? 0 : 5);
    }
    int status;
    T_EQ(waitpid(pid, &status, 0), pid);
    T_EQ(WEXITSTATUS(status), 0);
    sn_arena_done(&arena);
}

SN_TEST(names)
{
    T_EQ(sn_seccomp_syscall("SCMP_ARCH_X86_64", SN_STR("read")), 0);
    T_EQ(sn_seccomp_syscall("SCMP_ARCH_X86", SN_STR("read")), 3);
    T_EQ(sn_seccomp_syscall("SCMP_ARCH_AARCH64", SN_STR("read")), 63);
    T_EQ(sn_seccomp_syscall("SCMP_ARCH_X32", SN_STR("execve")), 0x40000000 + 520);
    T_EQ(sn_seccomp_syscall("SCMP_ARCH_AARCH64", SN_STR("open")), -1);
    T_EQ(sn_seccomp_syscall("SCMP_ARCH_X86_64", SN_STR("")), -1);
    T_EQ(sn_seccomp_syscall("nowhere", SN_STR("read")), -1);
    T_ASSERT(sn_seccomp_flag_supported("SECCOMP_FILTER_FLAG_LOG"));
    T_ASSERT(!sn_seccomp_flag_supported("SECCOMP_FILTER_FLAG_X"));
    T_CSTR(sn_seccomp_action_names()[0], "SCMP_ACT_ALLOW");
}

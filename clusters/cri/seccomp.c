/* SPDX-License-Identifier: Apache-2.0 */
/* cri/seccomp.c - seccomp profiles of containers: the default one, and files of the node.
 *
 * The default allows what containerd's allows (names of its contrib/seccomp, v2.4): a list for everybody, more by
 * capability; clone without new namespaces, personality and socket by argument, clone3 "not there" so that
 * libraries fall back to clone. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clusters/cri/cri_int.h"

#define PROFILE_BYTES_MAX (4u << 20)
#define NEW_NAMESPACES 0x7e020000u /* CLONE_NEW*, but for time */

static const char everybody[] =
    "_llseek _newselect accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod "
    "chown chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime "
    "clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat "
    "dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait "
    "epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 "
    "fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl "
    "fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs "
    "fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake "
    "futimesat get_robust_list get_thread_area getcpu getcwd getdents getdents64 getegid getegid32 geteuid "
    "geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid "
    "getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid getsockname "
    "getsockopt gettid gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init "
    "inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 "
    "io_setup io_submit ioctl ioprio_get ioprio_set ipc kill landlock_add_rule landlock_create_ruleset "
    "landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount listxattr listxattrat "
    "llistxattr lremovexattr lseek lsetxattr lsm_get_self_attr lsm_list_modules lsm_set_self_attr lstat "
    "lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod "
    "mknodat mlock mlock2 mlockall mmap mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive "
    "mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv "
    "msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat open openat openat2 pause "
    "pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl "
    "pread64 preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64 pwritev pwritev2 "
    "read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages "
    "removexattr removexattrat rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction "
    "rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait "
    "rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity "
    "sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 "
    "sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl "
    "semget semop semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto "
    "set_robust_list set_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 "
    "setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid "
    "setresuid32 setreuid setreuid32 setrlimit setsid setsockopt setuid setuid32 setxattr setxattrat shmat "
    "shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn socketcall socketpair "
    "splice stat stat64 statfs statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo "
    "tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime "
    "timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times "
    "tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat uretprobe utime utimensat "
    "utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev";

/* Further calls for those who hold a capability. */
static const struct {
    const char *cap, *calls;
} by_cap[] = {
    {"CAP_DAC_READ_SEARCH", "open_by_handle_at"},
    {"CAP_SYS_ADMIN",
     "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount open_tree "
     "perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare"},
    {"CAP_SYS_BOOT", "reboot"},
    {"CAP_SYS_CHROOT", "chroot"},
    {"CAP_SYS_MODULE", "delete_module init_module finit_module"},
    {"CAP_SYS_PACCT", "acct"},
    {"CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"},
    {"CAP_SYS_RAWIO", "iopl ioperm"},
    {"CAP_SYS_TIME", "settimeofday stime clock_settime clock_settime64"},
    {"CAP_SYS_TTY_CONFIG", "vhangup"},
    {"CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"},
    {"CAP_SYSLOG", "syslog"},
    {"CAP_BPF", "bpf"},
    {"CAP_PERFMON", "perf_event_open"},
};

static void calls(struct sn_jsonw *w, const char *names)
{
    struct sn_str all = sn_str(names);
    sn_jsonw_key(w, SN_STR("names"));
    sn_jsonw_array(w);
    while (all.ptr) {
        struct sn_str one = sn_str_cut(&all, ' ');
        if (one.len) sn_jsonw_str(w, one);
    }
    sn_jsonw_array_end(w);
}

static void allow(struct sn_jsonw *w, const char *names)
{
    sn_jsonw_object(w);
    calls(w, names);
    sn_jsonw_kstr(w, "action", SN_STR("SCMP_ACT_ALLOW"));
    sn_jsonw_object_end(w);
}

static void allow_arg(struct sn_jsonw *w, const char *name, unsigned index, const char *op, uint64_t value, uint64_t two)
{
    sn_jsonw_object(w);
    calls(w, name);
    sn_jsonw_kstr(w, "action", SN_STR("SCMP_ACT_ALLOW"));
    sn_jsonw_key(w, SN_STR("args"));
    sn_jsonw_array(w);
    sn_jsonw_object(w);
    sn_jsonw_ku64(w, "index", index);
    sn_jsonw_ku64(w, "value", value);
    sn_jsonw_ku64(w, "valueTwo", two);
    sn_jsonw_kstr(w, "op", sn_str(op));
    sn_jsonw_object_end(w);
    sn_jsonw_array_end(w);
    sn_jsonw_object_end(w);
}

static void by_argument(struct sn_jsonw *w, bool admin)
{
    static const uint64_t personas[] = {0, 8, 0x20000, 0x20008, 0xffffffff};
    for (size_t i = 0; i < SN_COUNT_OF(personas); i++) allow_arg(w, "personality", 0, "SCMP_CMP_EQ", personas[i], 0);
    /* Every family but AF_ALG (38) and AF_VSOCK (40), which reach beyond the pod. */
    allow_arg(w, "socket", 0, "SCMP_CMP_LT", 38, 0);
    allow_arg(w, "socket", 0, "SCMP_CMP_EQ", 39, 0);
    allow_arg(w, "socket", 0, "SCMP_CMP_GT", 40, 0);
    if (admin) return;
#ifdef __s390__
    allow_arg(w, "clone", 1, "SCMP_CMP_MASKED_EQ", NEW_NAMESPACES, 0);
#else
    allow_arg(w, "clone", 0, "SCMP_CMP_MASKED_EQ", NEW_NAMESPACES, 0);
#endif
    sn_jsonw_object(w);
    calls(w, "clone3");
    sn_jsonw_kstr(w, "action", SN_STR("SCMP_ACT_ERRNO"));
    sn_jsonw_ku64(w, "errnoRet", ENOSYS);
    sn_jsonw_object_end(w);
}

static void architectures(struct sn_jsonw *w)
{
#if defined(__x86_64__)
    static const char *const all[] = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
#elif defined(__aarch64__)
    static const char *const all[] = {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"};
#else
    static const char *const all[] = {NULL};
#endif
    if (!all[0]) return;
    sn_jsonw_key(w, SN_STR("architectures"));
    sn_jsonw_array(w);
    for (size_t i = 0; i < SN_COUNT_OF(all); i++) sn_jsonw_str(w, sn_str(all[i]));
    sn_jsonw_array_end(w);
}

int cri_seccomp_default(struct sn_arena *a, bool (*has_cap)(const char *cap, void *arg), void *arg, struct sn_str *ret)
{
    struct sn_buf b = {0};
    struct sn_jsonw w;
    sn_jsonw_init(&w, &b, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "defaultAction", SN_STR("SCMP_ACT_ERRNO"));
    architectures(&w);
    sn_jsonw_key(&w, SN_STR("syscalls"));
    sn_jsonw_array(&w);
    allow(&w, everybody);
    allow(&w, "process_vm_readv process_vm_writev ptrace");
#if defined(__x86_64__)
    allow(&w, "arch_prctl modify_ldt");
#elif defined(__aarch64__)
    allow(&w, "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls");
#endif
    for (size_t i = 0; i < SN_COUNT_OF(by_cap); i++)
        if (has_cap(by_cap[i].cap, arg)) allow(&w, by_cap[i].calls);
    by_argument(&w, has_cap("CAP_SYS_ADMIN", arg));
    sn_jsonw_array_end(&w);
    sn_jsonw_object_end(&w);
    int r = b.err;
    if (r >= 0) {
        *ret = sn_arena_str(a, sn_buf_view(&b));
        if (!ret->ptr) r = SN_E_NOMEM;
    }
    sn_buf_done(&b);
    return r;
}

static bool ctr_has(const char *cap, void *arg)
{
    const struct cri_caps *caps = arg;
    const char *name;
    for (unsigned i = 0; (name = cri_cap_name(i)); i++)
        if (!strcmp(name, cap)) return caps->bounding >> i & 1;
    return false;
}

static int localhost(struct sn_cri *s, struct sn_str ref, struct sn_arena *a, struct sn_str *ret)
{
    const struct sn_json *v;
    if (!ref.len) return sn_fail(SN_E_INVALID_ARGUMENT, "seccomp: a localhost profile needs localhost_ref");
    struct sn_str path = ref.ptr[0] == '/' ? sn_arena_str(a, ref) : sn_arena_printf(a, "%s/%.*s", s->seccomp_dir, SN_STR_ARG(ref));
    if (!path.ptr) return SN_E_NOMEM;
    int r = sn_file_read(a, path.ptr, PROFILE_BYTES_MAX, ret);
    if (r >= 0) r = sn_json_parse(a, *ret, NULL, &v);
    return r < 0 ? sn_wrap(r, "seccomp profile %s", path.ptr) : 0;
}

int cri_seccomp(struct sn_cri *s, const struct cri_ctr *c, struct sn_arena *a, struct sn_str *ret)
{
    const struct runtime_v1_linux_container_security_context *sc = c->config->linux_ ? c->config->linux_->security_context : NULL;
    struct cri_caps caps;
    *ret = (struct sn_str){0};
    if (!sc || sc->privileged) return 0;
    int type = RUNTIME_V1_SECURITY_PROFILE_PROFILE_TYPE_UNCONFINED;
    struct sn_str ref = {0}, old = sc->seccomp_profile_path;
    if (sc->seccomp) {
        type = sc->seccomp->profile_type;
        ref = sc->seccomp->localhost_ref;
    } else if (sn_str_eqc(old, "runtime/default") || sn_str_eqc(old, "docker/default")) {
        type = RUNTIME_V1_SECURITY_PROFILE_PROFILE_TYPE_RUNTIMEDEFAULT;
    } else if (sn_str_starts(old, SN_STR("localhost/"))) {
        type = RUNTIME_V1_SECURITY_PROFILE_PROFILE_TYPE_LOCALHOST;
        ref = sn_str_from(old, 10);
    } else if (old.len && !sn_str_eqc(old, "unconfined")) {
        return sn_fail(SN_E_INVALID_ARGUMENT, "seccomp_profile_path \"%.*s\": expected unconfined, runtime/default or localhost/PATH",
                       SN_STR_ARG(old));
    }
    if (type == RUNTIME_V1_SECURITY_PROFILE_PROFILE_TYPE_UNCONFINED) return 0;
    if (type == RUNTIME_V1_SECURITY_PROFILE_PROFILE_TYPE_LOCALHOST) return localhost(s, ref, a, ret);
    int r = cri_caps(sc, &caps);
    return r < 0 ? r : cri_seccomp_default(a, ctr_has, &caps, ret);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* kit/doctor.c - the probes.
 * Interfaces newer than the headers we build with are called by number, with the values of the
 * kernel's uapi headers. */
#include "kit/doctor_int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "core/status.h"
#include "core/str.h"
#include "wire/json.h"

#define MADV_GUARD_INSTALL_ 102  /* Linux 6.13 */
#define CGROUP2_MAGIC 0x63677270
#define FDS_WANTED 65536         /* below it a gateway's connections are soon limited */

struct sn_probe *sn_doctor_add(struct sn_doctor *d, const char *group, const char *name)
{
    SN_ASSERT(d->n < SN_PROBES_MAX);
    struct sn_probe *p = &d->probes[d->n++];
    *p = (struct sn_probe){.group = group, .name = name, .state = SN_PROBE_NO, .value = -1};
    return p;
}

void sn_doctor_say(struct sn_probe *p, enum sn_probe_state state, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    p->state = state;
    vsnprintf(p->detail, sizeof(p->detail), fmt, ap);
    va_end(ap);
}

void sn_doctor_answer(struct sn_probe *p, long r, int err, const char *without)
{
    const char *why = strerrordesc_np(err);
    if (r >= 0) p->state = SN_PROBE_YES;
    else
        sn_doctor_say(p, SN_PROBE_NO, "%s: %s", why ? why : "refused", without);
}

/* The first line of a small file, trimmed; false where it cannot be read. */
static bool read_line(const char *path, char *out, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, out, cap - 1);
    close(fd);
    if (n < 0) return false;
    out[n] = 0;
    out[strcspn(out, "\n")] = 0;
    return true;
}

/* ---- processor ---- */

static void probe_cpu(struct sn_doctor *d)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    unsigned a = 0, b = 0, c = 0, dx = 0;
    __get_cpuid_count(7, 0, &a, &b, &c, &dx);
    const struct {
        const char *name, *without;
        bool has;
    } rows[] = {
        {"avx2", "SSE2 code is used", __builtin_cpu_supports("avx2")},
        {"avx512f", "narrower vectors are used", __builtin_cpu_supports("avx512f")},
        {"avx512ifma", "field arithmetic uses scalar multiplication",
         __builtin_cpu_supports("avx512ifma")},
        {"bmi2", "field arithmetic uses plain multiplication", __builtin_cpu_supports("bmi2")},
        {"adx", "field arithmetic uses one carry chain", (b >> 19 & 1) != 0},
        {"sha", "SHA-256 runs in software", (b >> 29 & 1) != 0},
        {"vaes", "AES-GCM uses narrower vectors", (c >> 9 & 1) != 0},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_probe *p = sn_doctor_add(d, "cpu", rows[i].name);
        sn_doctor_say(p, rows[i].has ? SN_PROBE_YES : SN_PROBE_NO, "%s",
                      rows[i].has ? "" : rows[i].without);
    }
#endif
    cpu_set_t set;
    struct sn_probe *p = sn_doctor_add(d, "cpu", "cpus");
    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
        p->value = CPU_COUNT(&set);
        sn_doctor_say(p, SN_PROBE_YES, "%ld usable of %ld", (long)p->value,
                      sysconf(_SC_NPROCESSORS_ONLN));
    }
}

/* ---- kernel interfaces ---- */

static void probe_io_uring(struct sn_doctor *d)
{
    uint8_t params[120] = {0}; /* struct io_uring_params */
    struct sn_probe *p = sn_doctor_add(d, "kernel", "io_uring");
    long fd = syscall(SYS_io_uring_setup, 4, params);
    sn_doctor_answer(p, fd, errno, "epoll is used");
    if (fd < 0) return;
    uint32_t features;
    memcpy(&features, params + 20, sizeof(features));
    sn_doctor_say(p, SN_PROBE_YES, "features 0x%x", features);
    close((int)fd);
}

static void probe_guard(struct sn_doctor *d)
{
    struct sn_probe *p = sn_doctor_add(d, "kernel", "madv_guard_install");
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *m = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED) {
        sn_doctor_say(p, SN_PROBE_NO, "no memory to try it on");
        return;
    }
    sn_doctor_answer(p, madvise(m, page, MADV_GUARD_INSTALL_), errno,
                     "stack guards are mprotect pages, one more mapping for each stack");
    munmap(m, page);
}

static void probe_epoll(struct sn_doctor *d)
{
    struct sn_probe *p = sn_doctor_add(d, "kernel", "epoll_pwait2");
    int fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e;
    struct timespec zero = {0};
    long r = fd < 0 ? -1 : syscall(SYS_epoll_pwait2, fd, &e, 1, &zero, NULL, 0);
    sn_doctor_answer(p, r, errno, "waits are rounded up to milliseconds");
    if (fd >= 0) close(fd);
}

static void probe_calls(struct sn_doctor *d)
{
    struct sn_probe *p = sn_doctor_add(d, "kernel", "pidfd");
    long fd = syscall(SYS_pidfd_open, getpid(), 0);
    sn_doctor_answer(p, fd, errno, "processes cannot be started and waited for");
    if (fd >= 0) close((int)fd);

    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH};
    p = sn_doctor_add(d, "kernel", "openat2");
    fd = syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof(how));
    sn_doctor_answer(p, fd, errno, "static files cannot be served: paths could not be confined");
    if (fd >= 0) close((int)fd);
}

/* By the list of upper layer protocols: attaching one needs a connected socket. */
static void probe_ktls(struct sn_doctor *d)
{
    struct sn_probe *p = sn_doctor_add(d, "kernel", "ktls");
    char ulps[128] = "";
    if (read_line("/proc/sys/net/ipv4/tcp_available_ulp", ulps, sizeof(ulps)) &&
        strstr(ulps, "tls"))
        sn_doctor_say(p, SN_PROBE_YES, "tcp_available_ulp: %s", ulps);
    else
        sn_doctor_say(p, SN_PROBE_NO,
                      "no tls in tcp_available_ulp (module tls not loaded): TLS records are made "
                      "in user space");
}

static void probe_userns(struct sn_doctor *d)
{
    struct sn_probe *p = sn_doctor_add(d, "kernel", "user_namespaces");
    pid_t pid = fork(); /* banned: only a process of its own can try a namespace */
    if (pid == 0) {
        int r = syscall(SYS_unshare, CLONE_NEWUSER) == 0 ? 0 : errno;
        syscall(SYS_exit_group, r);
        __builtin_unreachable();
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        sn_doctor_say(p, SN_PROBE_NO, "could not be tried");
    else
        sn_doctor_answer(p, WEXITSTATUS(status) ? -1 : 0, WEXITSTATUS(status),
                         "containers need root");
}

/* ---- control groups and limits ---- */

static bool on_cgroup2(const char *path)
{
    struct statfs s;
    return statfs(path, &s) == 0 && s.f_type == CGROUP2_MAGIC;
}

static void probe_cgroups(struct sn_doctor *d)
{
    struct sn_probe *p = sn_doctor_add(d, "cgroup", "layout");
    char line[160] = "";
    if (on_cgroup2("/sys/fs/cgroup")) {
        sn_doctor_say(p, SN_PROBE_YES, "v2 (unified)");
        p->value = 2;
        p = sn_doctor_add(d, "cgroup", "controllers");
        bool got = read_line("/sys/fs/cgroup/cgroup.controllers", line, sizeof(line));
        sn_doctor_say(p, got && line[0] ? SN_PROBE_YES : SN_PROBE_LIMITED, "%.100s",
                      line[0] ? line : "none");
        p = sn_doctor_add(d, "cgroup", "writable");
        sn_doctor_answer(p, access("/sys/fs/cgroup/cgroup.procs", W_OK), errno,
                         "containers get no limits of their own");
        return;
    }
    bool hybrid = on_cgroup2("/sys/fs/cgroup/unified");
    bool v1 = access("/sys/fs/cgroup/memory", F_OK) == 0;
    p->value = hybrid ? 12 : v1 ? 1 : 0;
    sn_doctor_say(p, hybrid || v1 ? SN_PROBE_LIMITED : SN_PROBE_NO, "%s",
                  hybrid ? "hybrid: v1 controllers beside an empty v2 tree"
                  : v1   ? "v1"
                         : "none is mounted");
    p = sn_doctor_add(d, "cgroup", "writable");
    sn_doctor_answer(p, access("/sys/fs/cgroup/memory/cgroup.procs", W_OK), errno,
                     "containers get no limits of their own");
}

/* The tightest memory limit above this process; v1 and v2 write it differently. */
static void probe_memory(struct sn_doctor *d)
{
    static const char *const files[] = {"/sys/fs/cgroup/memory.max",
                                        "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    struct sn_probe *p = sn_doctor_add(d, "limit", "memory");
    char line[64];
    uint64_t total = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE), limit;
    p->value = (int64_t)total;
    for (size_t i = 0; i < SN_COUNT_OF(files); i++)
        if (read_line(files[i], line, sizeof(line)) && sn_str_to_u64(sn_str(line), &limit) == 0 &&
            limit < (uint64_t)p->value)
            p->value = (int64_t)limit;
    bool limited = (uint64_t)p->value < total;
    sn_doctor_say(p, limited ? SN_PROBE_LIMITED : SN_PROBE_YES, "%lld MiB%s",
                  (long long)(p->value >> 20), limited ? " by control group" : " of the machine");
}

static void probe_limits(struct sn_doctor *d)
{
    struct rlimit r;
    struct sn_probe *p = sn_doctor_add(d, "limit", "open_files");
    if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
        p->value = (int64_t)SN_MIN(r.rlim_max, (rlim_t)INT64_MAX);
        sn_doctor_say(p, r.rlim_max < FDS_WANTED ? SN_PROBE_LIMITED : SN_PROBE_YES,
                      "%llu now, at most %llu", (unsigned long long)r.rlim_cur,
                      (unsigned long long)r.rlim_max);
    }
    char line[64];
    uint64_t v;
    p = sn_doctor_add(d, "limit", "max_map_count");
    if (read_line("/proc/sys/vm/max_map_count", line, sizeof(line)) &&
        sn_str_to_u64(sn_str(line), &v) == 0) {
        p->value = (int64_t)v;
        sn_doctor_say(p, SN_PROBE_YES, "%llu mappings in one process", (unsigned long long)v);
    }
    p = sn_doctor_add(d, "limit", "somaxconn");
    if (read_line("/proc/sys/net/core/somaxconn", line, sizeof(line)) &&
        sn_str_to_u64(sn_str(line), &v) == 0) {
        p->value = (int64_t)v;
        sn_doctor_say(p, v < 4096 ? SN_PROBE_LIMITED : SN_PROBE_YES,
                      "%llu connections wait in one listener", (unsigned long long)v);
    }
}

void sn_doctor_run(struct sn_doctor *d)
{
    struct utsname u;
    d->n = 0;
    struct sn_probe *p = sn_doctor_add(d, "kernel", "release");
    if (uname(&u) == 0) sn_doctor_say(p, SN_PROBE_YES, "%s %s %s", u.sysname, u.release, u.machine);
    probe_io_uring(d);
    probe_guard(d);
    probe_epoll(d);
    probe_calls(d);
    probe_ktls(d);
    sn_doctor_bpf(d);
    probe_userns(d);
    probe_cgroups(d);
    sn_doctor_takeover(d);
    probe_memory(d);
    probe_limits(d);
    probe_cpu(d);
}

/* ---- output ---- */

static const char *state_name(enum sn_probe_state s)
{
    return s == SN_PROBE_YES ? "yes" : s == SN_PROBE_NO ? "no" : "limited";
}

const struct sn_probe *sn_doctor_find(const struct sn_doctor *d, const char *name)
{
    for (unsigned i = 0; i < d->n; i++)
        if (strcmp(d->probes[i].name, name) == 0) return &d->probes[i];
    return NULL;
}

int sn_doctor_text(const struct sn_doctor *d, struct sn_buf *out)
{
    for (unsigned i = 0; i < d->n; i++) {
        const struct sn_probe *p = &d->probes[i];
        bool first = i == 0 || strcmp(p->group, d->probes[i - 1].group) != 0;
        sn_buf_printf(out, "%-8s%-20s%-8s%s", first ? p->group : "", p->name, state_name(p->state),
                      p->detail);
        while (out->err == 0 && out->ptr[out->len - 1] == ' ') out->len--;
        sn_buf_byte(out, '\n');
    }
    return out->err;
}

int sn_doctor_json(const struct sn_doctor *d, struct sn_buf *out)
{
    struct sn_jsonw w;
    sn_jsonw_init(&w, out, &(struct sn_json_style){.indent = 2});
    sn_jsonw_object(&w);
    sn_jsonw_ki64(&w, "version", 1);
    sn_jsonw_key(&w, SN_STR("probes"));
    sn_jsonw_array(&w);
    for (unsigned i = 0; i < d->n; i++) {
        const struct sn_probe *p = &d->probes[i];
        sn_jsonw_object(&w);
        sn_jsonw_kstr(&w, "group", sn_str(p->group));
        sn_jsonw_kstr(&w, "name", sn_str(p->name));
        sn_jsonw_kstr(&w, "state", sn_str(state_name(p->state)));
        if (p->value >= 0) sn_jsonw_ki64(&w, "value", p->value);
        sn_jsonw_kstr(&w, "detail", sn_str(p->detail));
        sn_jsonw_object_end(&w);
    }
    sn_jsonw_array_end(&w);
    sn_jsonw_object_end(&w);
    return sn_buf_byte(out, '\n');
}

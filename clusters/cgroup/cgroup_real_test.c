/* SPDX-License-Identifier: Apache-2.0 */
/* Control groups on the kernel at hand: whatever layout it has. The groups lie in /sennit-test-PID.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup/cgroup_int.h"
#include "core/status.h"
#include "harness/test.h"

static struct sn_cgroup_resources parse(struct sn_arena *a, const char *json)
{
    const struct sn_json *v;
    struct sn_cgroup_resources r;
    T_OK(sn_json_parse(a, sn_str(json), NULL, &v));
    int e = sn_cgroup_resources_parse(a, v, &r);
    T_ASSERTF(e == 0, "%s", sn_diag_str(e));
    return r;
}

static struct sn_cgroup_host real;
static struct sn_cgroup *group;
static char location[64];

/* A test that fails ends at once: this process outlives it and clears away. */
static pid_t guardian;
static void guard(pid_t test)
{
    if ((guardian = fork()) != 0) return;
    setsid();
    struct pollfd fd = {.fd = (int)syscall(SYS_pidfd_open, test, 0), .events = POLLIN};
    if (fd.fd >= 0) poll(&fd, 1, 120000);
    struct sn_cgroup *cg;
    if (sn_cgroup_open(&real, location, &cg) == 0) {
        int r = sn_cgroup_kill(cg);
        if (r == 0) r = sn_cgroup_remove(cg);
        if (r < 0) fprintf(stderr, "%s\n", sn_diag_str(r));
    }
    _exit(0);
}

static void real_done(void)
{
    if (group) {
        int r = sn_cgroup_kill(group);
        if (r == 0) r = sn_cgroup_remove(group);
        if (r < 0) fprintf(stderr, "%s\n", sn_diag_str(r));
        sn_cgroup_close(group);
        group = NULL;
    }
    kill(guardian, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0) {}
    sn_cgroup_host_done(&real);
}

static void real_start(void)
{
    T_OK(sn_cgroup_probe(&real, NULL));
    if (real.layout == SN_CGROUP_NONE) sn_test_skip("no cgroup hierarchy is mounted");
    snprintf(location, sizeof(location), "/sennit-test-%d", (int)getpid());
    int r = sn_cgroup_create(&real, location, &group);
    if (r == SN_E_PERMISSION_DENIED) {
        sn_cgroup_host_done(&real);
        sn_test_skip("may not make cgroups: %s", sn_diag_str(r));
    }
    T_ASSERTF(r == 0, "%s", sn_diag_str(r));
    T_OK(prctl(PR_SET_CHILD_SUBREAPER, 1)); /* init may not reap what the groups leave behind */
    guard(getpid());
    sn_test_at_exit(real_done);
}

static bool has(enum sn_cgroup_controller c) { return real.of[c] >= 0; }

/* A child in the group, by its own hand, that says so and waits. */
static pid_t member(bool nest)
{
    int ready[2];
    T_OK(pipe(ready));
    pid_t pid = fork();
    if (pid == 0) {
        int r = sn_cgroup_attach(group, 0, false);
        if (r == 0 && nest && fork() == 0)
            for (;;) pause();
        if (write(ready[1], &r, sizeof(r)) < 0) _exit(1);
        for (;;) pause();
    }
    int r = -1;
    T_EQ(read(ready[0], &r, sizeof(r)), sizeof(r));
    T_EQ(r, 0);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void reap(pid_t pid)
{
    int status;
    T_EQ(waitpid(pid, &status, 0), pid);
}

static bool in_group(pid_t pid)
{
    char path[64], text[4096];
    snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
    FILE *f = fopen(path, "r");
    if (!f) return false;
    size_t n = fread(text, 1, sizeof(text) - 1, f), lines = 0;
    text[n] = '\0';
    fclose(f);
    for (char *p = text; (p = strstr(p, location)); p++) lines++;
    return lines == real.n;
}

SN_TEST(real_attach_and_pids)
{
    real_start();
    struct sn_arena a;
    struct sn_cgroup_pids p;
    sn_arena_init(&a, NULL, 0);
    T_EQ(sn_cgroup_populated(group), 0);
    pid_t pid = member(false);
    T_ASSERT(in_group(pid));
    T_OK(sn_cgroup_pids(group, false, &a, &p));
    T_EQ(p.n, 1);
    T_EQ(p.ptr[0], pid);
    pid_t other = fork(); /* by the parent's hand, another thread's worth of work in the kernel */
    if (other == 0)
        for (;;) pause();
    T_EQ(sn_cgroup_attach(group, other, false), 0);
    T_ASSERT(in_group(other));
    T_OK(sn_cgroup_pids(group, true, &a, &p));
    T_EQ(p.n, 2);
    T_OK(sn_cgroup_kill(group));
    reap(pid);
    reap(other);
    T_EQ(sn_cgroup_populated(group), 0);
    sn_arena_done(&a);
}

/* Prepared descriptors carry the opener's right into a user namespace. */
SN_TEST(real_attach_prepared_in_user_namespace)
{
    real_start();
    T_OK(sn_cgroup_attach_prepare(group));
    pid_t pid = fork();
    if (pid == 0) {
        if (unshare(CLONE_NEWUSER) < 0) _exit(77);
        _exit(sn_cgroup_attach(group, 0, true) == 0 ? 0 : 1);
    }
    int status;
    T_EQ(waitpid(pid, &status, 0), pid);
    if (WEXITSTATUS(status) == 77) sn_test_skip("no user namespaces");
    T_EQ(WEXITSTATUS(status), 0);
}

SN_TEST(real_create_twice_and_open)
{
    real_start();
    struct sn_cgroup *again;
    char below[96];
    T_EQ(sn_cgroup_existed(group), 0);
    T_OK(sn_cgroup_create(&real, location, &again));
    T_EQ(sn_cgroup_existed(again), (1u << real.n) - 1);
    sn_cgroup_close(again);
    snprintf(below, sizeof(below), "%s/deep/deeper", location);
    T_EQ(sn_cgroup_open(&real, below, &again), SN_E_NOT_FOUND);
    T_OK(sn_cgroup_create(&real, below, &again)); /* removed with the group above */
    for (unsigned i = 0; i < real.n; i++) T_EQ(access(sn_cgroup_dir(again, i), F_OK), 0);
    sn_cgroup_close(again);
    T_OK(sn_cgroup_open(&real, location, &again));
    T_OK(sn_cgroup_remove(again));
    T_OK(sn_cgroup_remove(again));
    T_ASSERT(sn_cgroup_dir(again, 0) == NULL);
    sn_cgroup_close(again);
    T_EQ(sn_cgroup_open(&real, location, &again), SN_E_NOT_FOUND);
}

SN_TEST(real_remove_empty)
{
    real_start();
    struct sn_cgroup *below;
    char path[96];
    snprintf(path, sizeof(path), "%s/below", location);
    T_OK(sn_cgroup_create(&real, path, &below));
    T_ASSERT(sn_cgroup_complete(below));
    T_EQ(sn_cgroup_remove_empty(group), 1); /* a group is below it */
    T_ASSERT(sn_cgroup_complete(group));
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    T_OK(sn_cgroup_attach(below, pid, false));
    T_EQ(sn_cgroup_remove_empty(below), 1); /* somebody is in it */
    kill(pid, SIGKILL);
    T_EQ(waitpid(pid, NULL, 0), pid);
    T_EQ(sn_cgroup_remove_empty(below), 0);
    T_ASSERT(!sn_cgroup_complete(below));
    sn_cgroup_close(below);
    T_EQ(sn_cgroup_remove_empty(group), 0);
}

static char state_of(pid_t pid)
{
    char path[64], text[512], *p;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    if (!f) return '?';
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    text[n] = '\0';
    fclose(f);
    return (p = strrchr(text, ')')) ? p[2] : '?';
}

SN_TEST(real_freeze)
{
    real_start();
    pid_t pid = member(true);
    T_EQ(sn_cgroup_frozen(group), 0);
    T_OK(sn_cgroup_freeze(group, true));
    T_EQ(sn_cgroup_frozen(group), 1);
    T_OK(sn_cgroup_freeze(group, true));
    T_OK(sn_cgroup_freeze(group, false));
    T_EQ(sn_cgroup_frozen(group), 0);
    T_OK(sn_cgroup_freeze(group, true));
    T_OK(sn_cgroup_kill(group)); /* frozen, with a grandchild */
    reap(pid);
    T_EQ(sn_cgroup_populated(group), 0);
    T_EQ(sn_cgroup_frozen(group), 0);
    T_EQ(state_of(pid), '?');
}

/* The same by v1's freezer alone, which a host without v2 has. */
SN_TEST(real_freeze_v1)
{
    real_start();
    int f = real.of[SN_CGROUP_FREEZER];
    if (f < 0 || real.h[f].v2) sn_test_skip("no v1 freezer");
    int8_t u = real.unified;
    real.unified = -1;
    pid_t pid = member(true);
    T_OK(sn_cgroup_freeze(group, true));
    T_EQ(sn_cgroup_frozen(group), 1);
    T_OK(sn_cgroup_signal(group, SIGTERM)); /* pending while frozen */
    T_EQ(sn_cgroup_frozen(group), 1);
    T_OK(sn_cgroup_kill(group));
    reap(pid);
    T_EQ(sn_cgroup_frozen(group), 0);
    real.unified = u;
}

SN_TEST(real_signal)
{
    real_start();
    pid_t pid = member(true);
    T_OK(sn_cgroup_signal(group, SIGTERM));
    int status;
    T_EQ(waitpid(pid, &status, 0), pid);
    T_EQ(WTERMSIG(status), SIGTERM);
}

/* A bomb that forks all the time dies wholly. */
SN_TEST(real_kill_fork_bomb)
{
    real_start();
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    if (has(SN_CGROUP_PIDS)) {
        struct sn_cgroup_resources r = parse(&a, "{\"pids\":{\"limit\":50}}");
        T_OK(sn_cgroup_apply(group, &r));
    }
    pid_t pid = fork();
    if (pid == 0) {
        if (sn_cgroup_attach(group, 0, false) < 0) _exit(1);
        signal(SIGCHLD, SIG_IGN);
        for (unsigned k = 0;; k++) {
            pid_t c = fork();
            if (c == 0 && k % 3 == 0) _exit(0);
        }
    }
    struct sn_cgroup_pids p = {0};
    while (p.n < 5) T_OK(sn_cgroup_pids(group, true, &a, &p));
    T_OK(sn_cgroup_kill(group));
    reap(pid);
    T_EQ(sn_cgroup_populated(group), 0);
    sn_arena_done(&a);
}

static void expect_file(enum sn_cgroup_controller c, const char *v1, const char *v2,
                        const char *want)
{
    bool v2_dir = false;
    char text[256];
    int dir = cg_dir(group, c, &v2_dir);
    T_ASSERT(dir >= 0);
    const char *file = v2_dir ? v2 : v1;
    T_OK(cg_read_into(dir, file, text, sizeof(text)));
    sn_test_row("%s", file);
    T_CSTR(text, want);
}

SN_TEST(real_limits)
{
    real_start();
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    if (!has(SN_CGROUP_MEMORY) || !has(SN_CGROUP_CPU) || !has(SN_CGROUP_PIDS))
        sn_test_skip("controllers missing");
    struct sn_cgroup_resources r = parse(&a, "{\"memory\":{\"limit\":67108864},\"cpu\":{\"quota\":"
                                             "20000,\"period\":50000},\"pids\":{\"limit\":20}}");
    int e = sn_cgroup_apply(group, &r);
    T_ASSERTF(e == 0, "%s", sn_diag_str(e));
    expect_file(SN_CGROUP_MEMORY, "memory.limit_in_bytes", "memory.max", "67108864");
    expect_file(SN_CGROUP_CPU, "cpu.cfs_period_us", "cpu.max",
                real.layout == SN_CGROUP_V2 ? "20000 50000" : "50000");
    expect_file(SN_CGROUP_PIDS, "pids.max", "pids.max", "20");
    bool swap = sn_cgroup_swap_accounting(&real);
    /* Up and down, limit and swap together, in every order the kernel may refuse. */
    static const char *const steps[] = {
        "{\"memory\":{\"limit\":67108864,\"swap\":67108864}}",
        "{\"memory\":{\"limit\":134217728,\"swap\":268435456}}",
        "{\"memory\":{\"limit\":33554432,\"swap\":67108864}}",
        "{\"memory\":{\"limit\":536870912,\"swap\":-1}}",
        "{\"memory\":{\"limit\":33554432,\"swap\":33554432}}",
        "{\"memory\":{\"limit\":-1,\"swap\":-1}}",
        "{\"cpu\":{\"quota\":400000,\"period\":1000000}}",
        "{\"cpu\":{\"quota\":1000,\"period\":1000}}",
        "{\"cpu\":{\"quota\":90000,\"period\":100000,\"burst\":80000}}",
        "{\"cpu\":{\"quota\":2000,\"period\":1000,\"burst\":1000}}",
        "{\"cpu\":{\"burst\":0,\"quota\":-1}}",
    };
    for (size_t i = 0; i < SN_COUNT_OF(steps); i++) {
        if (!swap && strstr(steps[i], "swap")) continue;
        sn_test_row("%s", steps[i]);
        r = parse(&a, steps[i]);
        e = sn_cgroup_apply(group, &r);
        T_ASSERTF(e == 0, "%s", sn_diag_str(e));
    }
    r = parse(&a, "{\"cpu\":{\"quota\":1}}");
    T_EQ(sn_cgroup_apply(group, &r), SN_E_INVALID_ARGUMENT);
    T_ASSERT(strstr(sn_diag_str(SN_E_INVALID_ARGUMENT), "linux.resources.cpu.quota"));
    r = parse(&a, "{\"cpu\":{\"cpus\":\"99999\"}}");
    T_ASSERT(sn_cgroup_apply(group, &r) < 0);
    sn_arena_done(&a);
}

static int open_device(const char *path)
{
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return errno;
    close(fd);
    return 0;
}

/* In the child: what may be opened. Bits of 1 << index. */
static unsigned device_bits(const char *const *paths, size_t n)
{
    int out[2];
    unsigned bits = 0;
    T_OK(pipe(out));
    pid_t pid = fork();
    if (pid == 0) {
        if (sn_cgroup_attach(group, 0, false) < 0) _exit(1);
        for (size_t i = 0; i < n; i++)
            if (open_device(paths[i]) != EPERM) bits |= 1u << i;
        if (write(out[1], &bits, sizeof(bits)) < 0) _exit(1);
        _exit(0);
    }
    T_EQ(read(out[0], &bits, sizeof(bits)), sizeof(bits));
    close(out[0]);
    close(out[1]);
    reap(pid);
    return bits;
}

static void device_steps(void)
{
    static const char *const paths[] = {"/dev/null", "/dev/zero", "/dev/full"};
    static const struct {
        const char *json;
        unsigned want;
    } steps[] = {
        {"{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]}", 0},
        {"{\"devices\":[{\"allow\":false},{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":3}]"
         "}",
         1},
        {"{\"devices\":[{\"allow\":false},{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":5},"
         "{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":7,\"access\":\"r\"}]}",
         2},
        {"{\"devices\":[{\"allow\":true},{\"allow\":false,\"type\":\"c\",\"major\":1,\"minor\":3}]"
         "}",
         6},
        {"{\"devices\":[{\"allow\":true}]}", 7},
        {"{\"devices\":[{\"allow\":false},{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":-1}]"
         "}",
         7},
        {"{\"devices\":[]}", 0},
    };
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    for (size_t i = 0; i < SN_COUNT_OF(steps); i++) {
        sn_test_row("%s", steps[i].json);
        struct sn_cgroup_resources r = parse(&a, steps[i].json);
        int e = sn_cgroup_apply(group, &r);
        T_ASSERTF(e == 0, "%s", sn_diag_str(e));
        T_EQ(device_bits(paths, SN_COUNT_OF(paths)), steps[i].want);
    }
    struct sn_cgroup_resources r = parse(&a, "{\"devices\":[{\"allow\":false}]}");
    T_OK(sn_cgroup_devices_default(&a, &r));
    T_OK(sn_cgroup_apply(group, &r));
    T_EQ(device_bits(paths, SN_COUNT_OF(paths)), 7);
    sn_arena_done(&a);
}

SN_TEST(real_devices)
{
    real_start();
    if (!has(SN_CGROUP_DEVICES)) sn_test_skip("no device control");
    device_steps();
}

/* The eBPF way, which also a hybrid host's v2 hierarchy takes. */
SN_TEST(real_devices_bpf)
{
    real_start();
    if (real.unified < 0) sn_test_skip("no v2 hierarchy");
    real.of[SN_CGROUP_DEVICES] = real.unified;
    device_steps();
}

/* Another runtime's programs, any number of them, give way. */
SN_TEST(real_devices_bpf_replaces)
{
    real_start();
    if (real.unified < 0) sn_test_skip("no v2 hierarchy");
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    int dir = sn_cgroup_fd(group);
    struct cg_devices none = {0}, all = {.allow = true};
    struct bpf_insn *p;
    size_t n;
    T_OK(cg_devices_program(&a, &none, &p, &n));
    for (int k = 0; k < 3; k++) {
        union bpf_attr load = {.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
                               .insn_cnt = (uint32_t)n,
                               .insns = (uintptr_t)p,
                               .license = (uintptr_t) "Apache-2.0"};
        int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));
        if (fd < 0) sn_test_skip("no device programs: errno %d", errno);
        union bpf_attr at = {.target_fd = (uint32_t)dir,
                             .attach_bpf_fd = (uint32_t)fd,
                             .attach_type = BPF_CGROUP_DEVICE,
                             .attach_flags = BPF_F_ALLOW_MULTI};
        T_OK(syscall(SYS_bpf, BPF_PROG_ATTACH, &at, sizeof(at)));
        close(fd);
    }
    static const char *const paths[] = {"/dev/null"};
    T_EQ(device_bits(paths, 1), 0);
    T_EQ(cg_devices_v2(&a, dir, &all), 0);
    T_EQ(device_bits(paths, 1), 1);
    T_EQ(cg_devices_v2(&a, dir, &none), 0);
    T_EQ(device_bits(paths, 1), 0);
    uint32_t ids[8];
    union bpf_attr query = {.query.target_fd = (uint32_t)dir,
                            .query.attach_type = BPF_CGROUP_DEVICE,
                            .query.prog_ids = (uintptr_t)ids,
                            .query.prog_cnt = 8};
    T_OK(syscall(SYS_bpf, BPF_PROG_QUERY, &query, sizeof(query)));
    T_EQ(query.query.prog_cnt, 1);
    sn_arena_done(&a);
}

SN_TEST(real_oom)
{
    real_start();
    struct sn_arena a;
    struct sn_cgroup_watch w;
    if (!has(SN_CGROUP_MEMORY)) sn_test_skip("no memory controller");
    sn_arena_init(&a, NULL, 0);
    struct sn_cgroup_resources r =
        parse(&a, sn_cgroup_swap_accounting(&real)
                      ? "{\"memory\":{\"limit\":16777216,\"swap\":16777216}}"
                      : "{\"memory\":{\"limit\":16777216}}");
    T_OK(sn_cgroup_apply(group, &r));
    T_OK(sn_cgroup_oom_watch(group, &w));
    uint64_t kills = 9;
    T_OK(sn_cgroup_oom_read(&w, &kills));
    T_EQ(kills, 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (sn_cgroup_attach(group, 0, false) < 0) _exit(1);
        char *p = mmap(NULL, 256 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (size_t i = 0; i < 256u << 20; i += 4096) p[i] = 1;
        _exit(0);
    }
    struct pollfd fd = {.fd = w.fd, .events = w.events};
    uint64_t total = 0;
    while (total == 0) {
        T_EQ(poll(&fd, 1, 15000), 1);
        T_OK(sn_cgroup_oom_read(&w, &kills));
        total += kills;
    }
    T_EQ(total, 1);
    int status;
    T_EQ(waitpid(pid, &status, 0), pid);
    T_EQ(WTERMSIG(status), SIGKILL);
    struct sn_cgroup_stats s;
    T_OK(sn_cgroup_stats(group, &a, &s));
    T_EQ(s.memory.oom_kill, 1);
    T_ASSERT(s.memory.memory.max > 8u << 20 || s.memory.memory.max == 0);
    T_OK(sn_cgroup_remove(group));
    T_EQ(sn_cgroup_oom_read(&w, &kills), SN_E_EOF);
    sn_cgroup_watch_close(&w);
    T_EQ(w.fd, -1);
    sn_arena_done(&a);
}

SN_TEST(real_stats)
{
    real_start();
    struct sn_arena a;
    struct sn_cgroup_stats s;
    sn_arena_init(&a, NULL, 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (sn_cgroup_attach(group, 0, false) < 0) _exit(1);
        char *p = mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (unsigned k = 0; k < 20; k++)
            for (size_t i = 0; i < 8u << 20; i += 64) p[i]++;
        _exit(0);
    }
    reap(pid);
    int e = sn_cgroup_stats(group, &a, &s);
    T_ASSERTF(e == 0, "%s", sn_diag_str(e));
    T_ASSERT(s.cpu.usage_ns > 1000000);
    if (has(SN_CGROUP_MEMORY)) T_ASSERT(s.memory.stat.n > 10);
    if (has(SN_CGROUP_MEMORY) && s.memory.memory.max) T_ASSERT(s.memory.memory.max >= 8u << 20);
    if (has(SN_CGROUP_PIDS)) T_EQ(s.pids.current, 0);
    sn_arena_done(&a);
}

SN_TEST(real_pressure)
{
    real_start();
    struct sn_cgroup_watch w;
    T_EQ(sn_cgroup_pressure_watch(group, 7, false, 1, 1, &w), SN_E_INVALID_ARGUMENT);
    int r = sn_cgroup_pressure_watch(group, SN_CGROUP_PSI_CPU, false, 1000, 2000000, &w);
    if (r == SN_E_UNIMPLEMENTED) sn_test_skip("%s", sn_diag_str(r));
    T_ASSERTF(r == 0, "%s", sn_diag_str(r));
    pid_t pids[4]; /* more runnable than processors, by affinity */
    for (int i = 0; i < 4; i++)
        if ((pids[i] = fork()) == 0) {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(0, &one);
            sched_setaffinity(0, sizeof(one), &one);
            if (sn_cgroup_attach(group, 0, false) < 0) _exit(1);
            for (;;) {}
        }
    struct pollfd fd = {.fd = w.fd, .events = w.events};
    T_EQ(poll(&fd, 1, 15000), 1);
    T_ASSERT(fd.revents & POLLPRI);
    for (int i = 0; i < 4; i++) {
        kill(pids[i], SIGKILL);
        reap(pids[i]);
    }
    sn_cgroup_watch_close(&w);
    r = sn_cgroup_level_watch(group, "high", &w);
    T_EQ(r, SN_E_INVALID_ARGUMENT);
    r = sn_cgroup_level_watch(group, "low", &w);
    T_ASSERT(r == 0 || r == SN_E_UNIMPLEMENTED);
    if (r == 0) sn_cgroup_watch_close(&w);
}

SN_TEST(real_create_remove_cycles)
{
    real_start();
    for (unsigned i = 0; i < 200; i++) {
        struct sn_cgroup *cg;
        char loc[96];
        snprintf(loc, sizeof(loc), "%s/c%u", location, i % 3);
        T_OK(sn_cgroup_create(&real, loc, &cg));
        pid_t pid = fork();
        if (pid == 0) _exit(sn_cgroup_attach(cg, 0, false) < 0);
        int status;
        T_EQ(waitpid(pid, &status, 0), pid);
        T_EQ(WEXITSTATUS(status), 0);
        T_OK(sn_cgroup_remove(cg));
        sn_cgroup_close(cg);
    }
    for (unsigned i = 0; i < real.n; i++) {
        char path[1024];
        snprintf(path, sizeof(path), "%s/c0", sn_cgroup_dir(group, i));
        T_ASSERT(access(path, F_OK) < 0);
    }
}

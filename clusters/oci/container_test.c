/* SPDX-License-Identifier: Apache-2.0 */
/* oci/container_test.c - the library on this kernel: containers whose root is the host's,
 * read-only. Each test is its own subreaper, so that nothing depends on who PID 1 is. */
#include "clusters/oci/container.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clusters/oci/parent_int.h"
#include "core/alloc.h"
#include "core/status.h"
#include "tests/harness/test.h"

/* A child of a raw clone may find locks of ThreadSanitizer's runtime held for ever. */
#ifdef SN_TSAN
#define NOT_UNDER_TSAN() sn_test_skip("ThreadSanitizer does not survive a raw clone")
#else
#define NOT_UNDER_TSAN() (void)0
#endif

#define CONFIG                                                                         \
    "{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"/"                                 \
    "\",\"readonly\":true},\"process\":{\"args\":[%s],\"cwd\":\"/\","                  \
    "\"env\":[\"PATH=/bin:/usr/"                                                       \
    "bin\"],\"noNewPrivileges\":true,\"capabilities\":{\"bounding\":[\"CAP_KILL\"]}}," \
    "\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\"},{\"destination\":\"/"   \
    "dev\",\"type\":\"tmpfs\"}],"                                                      \
    "\"linux\":{\"cgroupsPath\":\"/sennit-test-ocilib-%d/"                             \
    "%s\",\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"ipc\"}]%s}}"

static struct sn_oci_host host;
static char config[4096];
static int self; /* names the test's groups, also in a child of its */

static void remove_groups(void)
{
    char cmd[256];
    snprintf(cmd, sizeof(cmd),
             "find /sys/fs/cgroup -depth -type d -path '*sennit-test-ocilib-%d*' -exec rmdir {} + "
             "2>/dev/null",
             self);
    T_ASSERT(system(cmd) >= -1);
}

static void prepare(void)
{
    if (geteuid() != 0) sn_test_skip("needs root");
    if (unshare(CLONE_NEWNS) < 0) sn_test_skip("may not make namespaces");
    mount("", "/", NULL, MS_REC | MS_SLAVE, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    host.root = sn_test_tmpdir();
    self = (int)getpid();
    sn_test_at_exit(remove_groups);
}

static int create_more(const char *id, const char *args, const int *stdio, const char *more,
                       struct sn_oci_container **c)
{
    snprintf(config, sizeof(config), CONFIG, args, self, id, more);
    struct sn_oci_create_opts o = {
        .id = id, .bundle = "/", .config = sn_str(config), .stdio = stdio, .no_new_keyring = true};
    return sn_oci_create(&host, &o, c);
}
static int create(const char *id, const char *args, const int *stdio, struct sn_oci_container **c)
{
    return create_more(id, args, stdio, "", c);
}

static int wait_exit(int pidfd)
{
    siginfo_t si = {0};
    T_OK(waitid((idtype_t)P_PIDFD, (id_t)pidfd, &si, WEXITED));
    return si.si_code == CLD_EXITED ? si.si_status : 128 + si.si_status;
}

static size_t drain(int fd, char *out, size_t cap)
{
    size_t n = 0;
    ssize_t r;
    while (n < cap - 1 && (r = read(fd, out + n, cap - 1 - n)) > 0) n += (size_t)r;
    out[n] = 0;
    return n;
}

static enum sn_oci_status status(struct sn_oci_container *c)
{
    struct sn_arena a;
    struct sn_oci_state s;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_oci_state(c, &a, &s));
    sn_arena_done(&a);
    return s.status;
}

SN_TEST_SLOW(life, 60)
{
    NOT_UNDER_TSAN();
    struct sn_oci_container *c, *other;
    int out[2];
    char text[256];
    prepare();
    T_OK(pipe2(out, O_CLOEXEC));
    T_OK(create("life", "\"sh\",\"-c\",\"echo $$; exit 5\"", (int[3]){-1, out[1], out[1]}, &c));
    close(out[1]);
    T_EQ(status(c), SN_OCI_CREATED);
    T_EQ(create("life", "\"true\"", NULL, &other), SN_E_ALREADY_EXISTS);
    /* Another handle, as another process has it, starts it. */
    T_OK(sn_oci_open(&host, "life", &other));
    T_EQ(sn_oci_pid(other), sn_oci_pid(c));
    T_OK(sn_oci_start(other));
    T_EQ(sn_oci_start(c), SN_E_FAILED_PRECONDITION);
    T_ASSERT(drain(out[0], text, sizeof(text)) > 0);
    T_CSTR(text, "1\n");
    T_EQ(wait_exit(sn_oci_pidfd(c)), 5);
    T_EQ(status(other), SN_OCI_STOPPED);
    T_EQ(sn_oci_kill(c, SIGTERM, false), SN_E_FAILED_PRECONDITION);
    T_OK(sn_oci_delete(c, false));
    sn_oci_close(other);
    T_EQ(sn_oci_open(&host, "life", &other), SN_E_NOT_FOUND);
    sn_oci_close(c);
    close(out[0]);
}

SN_TEST_SLOW(exec_pause_kill, 60)
{
    NOT_UNDER_TSAN();
    struct sn_oci_container *c;
    struct sn_oci_process p;
    struct sn_arena a;
    struct sn_cgroup_pids pids;
    int out[2];
    char text[256];
    prepare();
    T_OK(create("e", "\"sleep\",\"1000\"", (int[3]){-1, -1, -1}, &c));
    T_OK(sn_oci_start(c));
    T_OK(pipe2(out, O_CLOEXEC));
    struct sn_oci_exec_opts o = {.process =
                                     SN_STR("{\"args\":[\"sh\",\"-c\",\"cat /proc/1/comm; id -u; "
                                            "exit 3\"],\"cwd\":\"/\",\"user\":{\"uid\":9}}"),
                                 .stdio = (int[3]){-1, out[1], 2}};
    T_OK(sn_oci_exec(c, &o, &p));
    close(out[1]);
    drain(out[0], text, sizeof(text));
    T_CSTR(text, "sleep\n9\n");
    T_EQ(wait_exit(p.pidfd), 3);
    close(p.pidfd);
    close(out[0]);
    o = (struct sn_oci_exec_opts){.process =
                                      SN_STR("{\"args\":[\"no-such-program\"],\"cwd\":\"/\"}")};
    T_EQ(sn_oci_exec(c, &o, &p), SN_E_NOT_FOUND);
    T_ASSERT(strstr(sn_diag_str(SN_E_NOT_FOUND), "executable file not found"));
    sn_arena_init(&a, NULL, 0);
    if (sn_oci_pids(c, &a, &pids) == 0) {
        T_EQ(pids.n, 1);
        T_EQ(pids.ptr[0], sn_oci_pid(c));
        T_OK(sn_oci_pause(c));
        T_EQ(status(c), SN_OCI_PAUSED);
        T_EQ(sn_oci_pause(c), SN_E_FAILED_PRECONDITION);
        o.process = SN_STR("{\"args\":[\"true\"]}");
        T_EQ(sn_oci_exec(c, &o, &p), SN_E_FAILED_PRECONDITION);
        T_OK(sn_oci_resume(c));
        T_EQ(status(c), SN_OCI_RUNNING);
    }
    sn_arena_done(&a);
    T_EQ(sn_oci_delete(c, false), SN_E_FAILED_PRECONDITION);
    int fd = dup(sn_oci_pidfd(c));
    T_OK(sn_oci_delete(c, true));
    T_EQ(wait_exit(fd), 128 + SIGKILL);
    close(fd);
    sn_oci_close(c);
}

SN_TEST_SLOW(failures_leave_nothing, 60)
{
    NOT_UNDER_TSAN();
    static const struct {
        const char *args, *more;
        int code;
        const char *says;
    } rows[] = {
        {"\"/no/such\"", "", SN_E_NOT_FOUND, "stat /no/such"},
        {"\"nothing-of-the-kind\"", "", SN_E_NOT_FOUND, "executable file not found in $PATH"},
        {"\"true\"", ",\"maskedPaths\":[1]", SN_E_INVALID_ARGUMENT, "linux.maskedPaths[0]"},
        {"\"true\"", ",\"resources\":{\"pids\":{\"limit\":\"x\"}}", SN_E_INVALID_ARGUMENT,
         "linux.resources.pids.limit"},
        {"\"true\"", ",\"rootfsPropagation\":\"x\"", SN_E_INVALID_ARGUMENT, "rootfsPropagation"},
    };
    prepare();
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_oci_container *c = NULL;
        struct sn_oci_ids ids;
        struct sn_arena a;
        sn_test_row("%s %s", rows[i].args, rows[i].more);
        int e = create_more("bad", rows[i].args, NULL, rows[i].more, &c);
        T_EQ(e, rows[i].code);
        T_ASSERTF(strstr(sn_diag_str(e), rows[i].says) != NULL, "said %s", sn_diag_str(e));
        T_ASSERT(waitpid(-1, NULL, WNOHANG | __WALL) < 0); /* no child is left, not even a zombie */
        sn_arena_init(&a, NULL, 0);
        T_OK(sn_oci_list(&host, &a, &ids));
        T_EQ(ids.n, 0);
        sn_arena_done(&a);
    }
}

/* A daemon's protection: what a container sees of the program that makes it cannot be written to,
 * neither through /proc/PID/exe nor through the mappings, and is no copy in memory. */
SN_TEST_SLOW(protected_without_a_copy, 60)
{
    NOT_UNDER_TSAN();
    prepare();
    if (!sn_oci_protects()) sn_test_skip("the kernel, or a sanitizer, does not allow it");
    struct sn_oci_container *c;
    char path[96], line[512];
    struct stat own, seen;
    int fd = sn_oci_protect_open();
    T_ASSERT(fd >= 0);
    T_EQ(stat("/proc/self/exe", &own), 0);
    T_EQ(fstat(fd, &seen), 0);
    bool overlay = seen.st_ino == own.st_ino;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    T_EQ(open(path, O_RDWR | O_CLOEXEC), -1);
    T_ASSERT(errno == EROFS || errno == EPERM);
    host.protect_fd = &fd;
    T_OK(create("p", "\"true\"", (int[3]){-1, -1, -1}, &c));
    snprintf(path, sizeof(path), "/proc/%d/exe", (int)sn_oci_pid(c));
    T_EQ(open(path, O_RDWR | O_CLOEXEC), -1);
    T_ASSERT(errno == EROFS || errno == EPERM);
    T_EQ(truncate(path, 0), -1);
    T_EQ(stat(path, &seen), 0);
    T_ASSERT(seen.st_dev != own.st_dev);
    /* Each mapping with a file, too: the link's own name is its range of addresses. */
    snprintf(path, sizeof(path), "/proc/%d/maps", (int)sn_oci_pid(c));
    FILE *maps = fopen(path, "re");
    T_ASSERT(maps);
    unsigned mapped = 0;
    while (fgets(line, sizeof(line), maps)) {
        char *at = strchr(line, ' ');
        T_ASSERT(at);
        bool text = strstr(at, "r-xp") && (strstr(at, "test_oci") || strstr(at, "memfd:"));
        *at = 0;
        if (!text) continue;
        snprintf(path, sizeof(path), "/proc/%d/map_files/%.35s", (int)sn_oci_pid(c), line);
        int w = open(path, O_RDWR | O_CLOEXEC);
        T_ASSERTF(w < 0 && (errno == EROFS || errno == EPERM || errno == EACCES),
                  "%s: %d, errno %d", path, w, errno);
        mapped++;
    }
    fclose(maps);
    T_EQ(mapped, 1);
    int pidfd = dup(sn_oci_pidfd(c));
    T_OK(sn_oci_delete(c, true));
    wait_exit(pidfd);
    close(pidfd);
    sn_oci_close(c);
    host.protect_fd = NULL;
    close(fd);
    if (!overlay) sn_test_skip("no overlay file system: it is a copy in memory here");
}

/* A maker that is killed while it holds the state's lock, as in start: the container's process must
 * not keep the lock for it, or nobody could delete what is left. */
SN_TEST_SLOW(maker_killed_with_its_lock, 60)
{
    NOT_UNDER_TSAN();
    prepare();
    struct sn_oci_container *c;
    int status;
    pid_t pid = fork();
    T_ASSERT(pid >= 0);
    if (pid == 0) {
        int r = create("killed", "\"true\"", (int[3]){-1, -1, -1}, &c);
        if (r >= 0) r = sn_oci_state_lock(&c->state);
        kill(getpid(), r < 0 ? SIGTERM : SIGKILL);
    }
    T_EQ(waitpid(pid, &status, 0), pid);
    T_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    T_OK(sn_oci_open(&host, "killed", &c));
    T_OK(sn_oci_delete(c, true));
    sn_oci_close(c);
}

/* Several threads at once: the children of one must not keep the descriptors of another's. */
#define THREADS 4
static void *one_thread(void *arg)
{
    char id[16];
    snprintf(id, sizeof(id), "t%d", (int)(intptr_t)arg);
    for (int i = 0; i < 5; i++) {
        struct sn_oci_container *c;
        char text[1024];
        snprintf(text, sizeof(text), CONFIG, "\"sh\",\"-c\",\"exit 4\"", self, id, "");
        struct sn_oci_create_opts o = {.id = id,
                                       .bundle = "/",
                                       .config = sn_str(text),
                                       .stdio = (int[3]){-1, -1, -1},
                                       .no_new_keyring = true};
        T_OK(sn_oci_create(&host, &o, &c));
        T_OK(sn_oci_start(c));
        T_EQ(wait_exit(sn_oci_pidfd(c)), 4);
        T_OK(sn_oci_delete(c, false));
        sn_oci_close(c);
    }
    return NULL;
}
SN_TEST_SLOW(threads, 120)
{
    NOT_UNDER_TSAN();
    pthread_t t[THREADS];
    prepare();
    for (int i = 0; i < THREADS; i++)
        T_EQ(pthread_create(&t[i], NULL, one_thread, (void *)(intptr_t)i), 0);
    for (int i = 0; i < THREADS; i++) T_EQ(pthread_join(t[i], NULL), 0);
}

SN_TEST_SLOW(many, 120)
{
    NOT_UNDER_TSAN();
    prepare();
    for (unsigned i = 0; i < sn_test_cases(20); i++) {
        struct sn_oci_container *c;
        T_OK(create("m", "\"true\"", (int[3]){-1, -1, -1}, &c));
        if (i % 3 == 0) T_OK(sn_oci_start(c));
        int fd = dup(sn_oci_pidfd(c));
        T_OK(sn_oci_delete(c, true));
        wait_exit(fd);
        close(fd);
        sn_oci_close(c);
    }
}

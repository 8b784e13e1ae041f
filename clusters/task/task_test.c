/* SPDX-License-Identifier: Apache-2.0 */
/* task/task_test.c - tasks of real containers, made by this process and by a zygote: streams,
 * exits, execs, terminals, the order of events, adoption, what is refused. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clusters/oci/container.h"
#include "clusters/task/task.h"
#include "clusters/task/zygote.h"
#include "core/alloc.h"
#include "fiber/net.h"
#include "tests/harness/test.h"

static const char config[] =
    "{\"ociVersion\":\"1.0.2\",\"process\":{%s\"args\":[%s],\"cwd\":\"/\",\"env\":[\"PATH=/bin\"]},"
    "\"root\":{\"path\":\"rootfs\"},\"mounts\":[{\"destination\":\"/"
    "proc\",\"type\":\"proc\",\"source\":\"proc\"},"
    "{\"destination\":\"/dev/"
    "pts\",\"type\":\"devpts\",\"source\":\"devpts\",\"options\":[\"newinstance\",\"ptmxmode="
    "0666\"]}],"
    "\"linux\":{\"cgroupsPath\":\"/sennit-test-task/"
    "%d-%s\",\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},"
    "{\"type\":\"ipc\"}]}}";

struct env {
    char dir[64], root[96], bundle[96], log[4096];
    struct sn_cgroup_host cg;
    struct sn_oci_host oci;
    struct sn_task_host *h;
    struct sn_zygote *z;
    bool zygote;
};

static void told(void *arg, const struct sn_task_event *e)
{
    static const char *const names[] = {"created", "started", "added",   "exec",   "exited",
                                        "oom",     "paused",  "resumed", "deleted"};
    struct env *v = arg;
    size_t n = strlen(v->log);
    snprintf(v->log + n, sizeof(v->log) - n, "%s%s%s", names[e->kind], e->exec_id[0] ? ":" : "",
             e->exec_id);
    n = strlen(v->log);
    if (e->kind == SN_TASK_EXITED) snprintf(v->log + n, sizeof(v->log) - n, "=%u", e->status);
    snprintf(v->log + strlen(v->log), sizeof(v->log) - strlen(v->log), " ");
}

static int sh(const char *fmt, const char *a)
{
    char cmd[512];
    snprintf(cmd, sizeof(cmd), fmt, a, a, a, a, a);
    return system(cmd);
}

static void env_up(struct env *v)
{
    T_OK(sn_cgroup_probe(&v->cg, NULL));
    snprintf(v->dir, sizeof(v->dir), "/tmp/sn_task.XXXXXX");
    T_ASSERT(mkdtemp(v->dir));
    snprintf(v->root, sizeof(v->root), "%s/state", v->dir);
    snprintf(v->bundle, sizeof(v->bundle), "%s/b", v->dir);
    T_EQ(sh("mkdir -p %s/b/rootfs/bin %s/b/rootfs/proc %s/b/rootfs/dev/pts && cp /bin/busybox "
            "%s/b/rootfs/bin/ && ln -s busybox %s/b/rootfs/bin/sh",
            v->dir),
         0);
    v->oci = (struct sn_oci_host){.root = v->root, .cgroups = &v->cg};
    T_OK(sn_task_host_open(
        &(struct sn_task_host_opts){.oci = &v->oci, .zygote = v->z, .event = told, .arg = v},
        &v->h));
}

static void env_down(struct env *v)
{
    sn_task_host_close(v->h);
    sn_cgroup_host_done(&v->cg);
    sh("rmdir %s/state; rm -rf %s/b; rmdir %s", v->dir);
    T_ASSERTF(access(v->dir, F_OK) < 0, "%s is not empty", v->dir);
    sh("for d in /sys/fs/cgroup/*/sennit-test-task; do rmdir $d 2>/dev/null; done #%s", "");
}

/* make - a task whose shell runs `script`; its output goes to DIR/out. */
static int make(struct env *v, const char *id, const char *script, struct sn_stdio_opts io,
                struct sn_task **ret)
{
    char args[256], text[1024];
    snprintf(args, sizeof(args), "\"/bin/sh\",\"-c\",\"%s\"", script);
    int n = snprintf(text, sizeof(text), config, io.terminal ? "\"terminal\":true," : "", args,
                     (int)getpid(), id);
    struct sn_task_opts o = {.id = id,
                             .bundle = v->bundle,
                             .config = sn_str_of(text, (size_t)n),
                             .io = io};
    return sn_task_create(v->h, &o, ret);
}

static void read_out(const char *path, char *out, size_t cap)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK);
    ssize_t n = fd < 0 ? 0 : read(fd, out, cap - 1);
    if (fd >= 0) close(fd);
    out[SN_MAX(n, (ssize_t)0)] = 0;
}

static bool able(void)
{
    if (geteuid() != 0 || access("/bin/busybox", X_OK) < 0) return false;
    return access("/sys/fs/cgroup", W_OK) == 0;
}
#define NEED_ROOT() \
    if (!able()) sn_test_skip("needs root, /bin/busybox and cgroups")

/* ---- a life ------------------------------------------------------------------------------------
 */

static int life_main(void *arg)
{
    struct env *v = arg;
    env_up(v);
    char out[128], path[128], uri[160];
    snprintf(path, sizeof(path), "%s/b/out", v->dir);
    snprintf(uri, sizeof(uri), "file://%s", path);
    struct sn_task *t, *same;
    struct sn_task_state st;
    T_OK(make(v, "life", "echo one; busybox sleep 0.2; exit 3", (struct sn_stdio_opts){.out = uri},
              &t));
    T_EQ(make(v, "life", "true", (struct sn_stdio_opts){0}, &same), SN_E_ALREADY_EXISTS);
    T_OK(sn_task_find(v->h, "life", &same));
    T_ASSERT(same == t);
    sn_task_unref(same);
    T_EQ(sn_task_find(v->h, "other", &same), SN_E_NOT_FOUND);
    T_OK(sn_task_state(t, "", &st));
    T_EQ(st.status, SN_TASK_IS_CREATED);
    T_EQ(sn_task_start(t, "nobody"), SN_E_NOT_FOUND);
    T_ASSERT(sn_task_start(t, "") > 0);
    T_EQ(sn_task_start(t, ""), SN_E_FAILED_PRECONDITION);
    T_EQ(sn_task_delete(t, "", false, NULL), SN_E_FAILED_PRECONDITION);
    T_OK(sn_task_wait(t, "", &st));
    T_EQ(st.exit_status, 3);
    T_EQ(sn_task_kill(t, "", 9, false), SN_E_NOT_FOUND);
    T_ASSERT(strstr(sn_diag_str(SN_E_NOT_FOUND), "process already finished"));
    T_OK(sn_task_delete(t, "", false, &st));
    T_EQ(st.exit_status, 3);
    T_EQ(sn_task_find(v->h, "life", &same), SN_E_NOT_FOUND);
    T_EQ(sn_task_pause(t), SN_E_NOT_FOUND);
    sn_task_unref(t);
    read_out(path, out, sizeof(out));
    T_CSTR(out, "one\n");
    T_CSTR(v->log, "created started exited=3 deleted ");
    env_down(v);
    return 0;
}

/* ---- execs, signals, terminals -----------------------------------------------------------------
 */

static void exec_one(struct env *v, struct sn_task *t, const char *id, const char *script,
                     struct sn_stdio_opts io, uint32_t status)
{
    char text[256];
    int n =
        snprintf(text, sizeof(text),
                 "{%s\"args\":[\"/bin/sh\",\"-c\",\"%s\"],\"cwd\":\"/\",\"env\":[\"PATH=/bin\"]}",
                 io.terminal ? "\"terminal\":true," : "", script);
    struct sn_task_state st;
    T_OK(sn_task_exec_add(t, &(struct sn_task_exec_opts){.exec_id = id,
                                                         .process = sn_str_of(text, (size_t)n),
                                                         .io = io}));
    int r = sn_task_start(t, id);
    T_ASSERTF(r > 0, "%s: %s", id, sn_diag_str(r));
    T_OK(sn_task_wait(t, id, &st));
    T_EQ(st.exit_status, status);
    T_OK(sn_task_delete(t, id, false, &st));
}

static int execs_main(void *arg)
{
    struct env *v = arg;
    env_up(v);
    struct sn_task *t;
    struct sn_task_state st;
    struct sn_arena a;
    uint32_t *pids;
    char out[256], path[128];
    snprintf(path, sizeof(path), "%s/b/fifo", v->dir);
    T_EQ(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    T_OK(make(v, "execs", "exec busybox sleep 100", (struct sn_stdio_opts){0}, &t));
    T_EQ(sn_task_exec_add(t, &(struct sn_task_exec_opts){.exec_id = ""}), SN_E_INVALID_ARGUMENT);
    T_ASSERT(sn_task_start(t, "") > 0);
    exec_one(v, t, "e1", "echo hello", (struct sn_stdio_opts){.out = path}, 0);
    T_EQ(read(reader, out, sizeof(out)), 6);
    T_ASSERT(memcmp(out, "hello\n", 6) == 0);
    exec_one(v, t, "e2", "kill -9 $$", (struct sn_stdio_opts){0}, 137);
    exec_one(v, t, "tty", "test -t 0 && echo tty",
             (struct sn_stdio_opts){.terminal = true, .out = path}, 0);
    ssize_t n = read(reader, out, sizeof(out));
    T_ASSERTF(n >= 3 && memcmp(out, "tty", 3) == 0, "%zd bytes", n);
    T_EQ(sn_task_resize(t, "", 80, 24), SN_E_FAILED_PRECONDITION);
    T_EQ(sn_task_exec_add(t,
                          &(struct sn_task_exec_opts){.exec_id = "x", .io = {.out = "ftp://x/y"}}),
         SN_E_INVALID_ARGUMENT);
    T_EQ(sn_task_exec_add(t, &(struct sn_task_exec_opts){.exec_id = "x", .io = {.in = "/no/such"}}),
         SN_E_NOT_FOUND);
    T_OK(sn_task_pause(t));
    T_OK(sn_task_state(t, "", &st));
    T_EQ(st.status, SN_TASK_IS_PAUSED);
    T_OK(sn_task_resume(t));
    sn_arena_init(&a, NULL, 0);
    T_EQ(sn_task_pids(t, &a, &pids), 1);
    T_EQ(pids[0], st.pid);
    T_CSTR(sn_task_exec_of_pid(t, st.pid), "");
    struct sn_cgroup_stats *s = SN_ARENA_NEW(&a, struct sn_cgroup_stats);
    T_OK(sn_task_stats(t, &a, s));
    T_EQ(s->pids.current, 1);
    sn_arena_done(&a);
    T_OK(sn_task_kill(t, "", 9, true));
    T_OK(sn_task_wait(t, "", &st));
    T_EQ(st.exit_status, 137);
    T_EQ(sn_task_exec_add(t, &(struct sn_task_exec_opts){.exec_id = "late"}),
         SN_E_FAILED_PRECONDITION);
    T_OK(sn_task_delete(t, "", false, NULL));
    sn_task_unref(t);
    T_CSTR(v->log,
           "created started added:e1 exec:e1 exited:e1=0 deleted:e1 added:e2 exec:e2 exited:e2=137 "
           "deleted:e2 "
           "added:tty exec:tty exited:tty=0 deleted:tty paused resumed exited=137 deleted ");
    close(reader);
    env_down(v);
    return 0;
}

/* A reader that comes late, to a process that is over in a moment. */
struct late {
    const char *path;
    int fd;
};
static void late_main(void *arg)
{
    struct late *l = arg;
    T_OK(sn_sleep(150 * SN_MS));
    l->fd = open(l->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    T_ASSERT(l->fd >= 0);
}

static int late_reader_main(void *arg)
{
    struct env *v = arg;
    env_up(v);
    struct sn_task *t;
    struct sn_task_state st;
    char path[128], out[16];
    snprintf(path, sizeof(path), "%s/b/late", v->dir);
    T_EQ(mkfifo(path, 0600), 0);
    struct late l = {path, -1};
    T_OK(sn_go_on(0, "late reader", late_main, &l));
    T_OK(make(v, "late", "echo late", (struct sn_stdio_opts){.out = path}, &t));
    T_ASSERT(sn_task_start(t, "") > 0);
    T_OK(sn_task_wait(t, "", &st));
    T_OK(sn_task_delete(t, "", false, NULL));
    sn_task_unref(t);
    T_ASSERT(l.fd >= 0);
    T_EQ(read(l.fd, out, sizeof(out)), 5);
    T_ASSERT(memcmp(out, "late\n", 5) == 0);
    T_EQ(read(l.fd, out, sizeof(out)), 0);
    close(l.fd);
    env_down(v);
    return 0;
}

/* ---- adoption, failures ------------------------------------------------------------------------
 */

static int adopt_main(void *arg)
{
    struct env *v = arg;
    env_up(v);
    struct sn_task *t;
    struct sn_task_state st;
    T_OK(make(v, "kept", "exec busybox sleep 100", (struct sn_stdio_opts){0}, &t));
    int pid = sn_task_start(t, "");
    T_ASSERT(pid > 0);
    sn_task_unref(t);
    sn_task_host_close(v->h); /* the daemon ends; its containers do not */
    v->log[0] = 0;
    T_OK(sn_task_host_open(
        &(struct sn_task_host_opts){.oci = &v->oci, .zygote = v->z, .event = told, .arg = v},
        &v->h));
    T_EQ(sn_task_adopt(v->h, "none", &t), SN_E_NOT_FOUND);
    T_OK(sn_task_adopt(v->h, "kept", &t));
    T_OK(sn_task_state(t, "", &st));
    T_EQ(st.status, SN_TASK_IS_RUNNING);
    T_EQ(st.pid, pid);
    T_CSTR(sn_task_bundle(t), v->bundle);
    T_OK(sn_task_delete(t, "", true, &st));
    T_EQ(st.exit_status, 137);
    sn_task_unref(t);
    T_CSTR(v->log, "exited=137 deleted ");
    /* What cannot be made leaves nothing. */
    struct sn_task_opts bad = {.id = "bad",
                               .bundle = v->bundle,
                               .config = SN_STR("{\"ociVersion\":\"1.0.2\",\"process\":7}")};
    T_ASSERT(sn_task_create(v->h, &bad, &t) < 0);
    bad = (struct sn_task_opts){.id = "bad", .bundle = "/no/such"};
    T_ASSERT(sn_task_create(v->h, &bad, &t) < 0);
    T_EQ(sn_task_find(v->h, "bad", &t), SN_E_NOT_FOUND);
    /* To be restored, from nothing: it stays created, and ends with a signal. */
    v->log[0] = 0;
    struct sn_task_opts gone = {.id = "gone", .bundle = v->bundle, .restore_from = "/no/such"};
    T_OK(sn_task_create(v->h, &gone, &t));
    T_OK(sn_task_state(t, "", &st));
    T_EQ(st.status, SN_TASK_IS_CREATED);
    T_EQ(st.pid, 0);
    T_EQ(sn_task_pause(t), SN_E_FAILED_PRECONDITION);
    T_ASSERT(sn_task_start(t, "") < 0);
    T_OK(sn_task_kill(t, "", 9, true));
    T_OK(sn_task_wait(t, "", &st));
    T_EQ(st.exit_status, 137);
    T_OK(sn_task_delete(t, "", false, NULL));
    sn_task_unref(t);
    T_CSTR(v->log, "created exited=137 deleted ");
    gone.id = "never";
    T_OK(sn_task_create(v->h, &gone, &t));
    T_OK(sn_task_delete(t, "", false, NULL));
    sn_task_unref(t);
    /* Created and never started. */
    T_OK(make(v, "unborn", "true", (struct sn_stdio_opts){0}, &t));
    T_OK(sn_task_delete(t, "", false, NULL));
    sn_task_unref(t);
    env_down(v);
    return 0;
}

/* orphans_main - a container without a pid namespace leaves its orphans to us. */
static int orphans_main(void *arg)
{
    struct env *v = arg;
    env_up(v);
    struct sn_task *t;
    char text[1024];
    int n = snprintf(text, sizeof(text), config, "",
                     "\"/bin/sh\",\"-c\",\"(busybox sleep 0.05 &); exec busybox sleep 100\"",
                     (int)getpid(), "orphans");
    const char *pid_ns = "{\"type\":\"pid\"},";
    char *at = strstr(text, pid_ns);
    T_ASSERT(at);
    memmove(at, at + strlen(pid_ns), strlen(at + strlen(pid_ns)) + 1);
    n -= (int)strlen(pid_ns);
    struct sn_task_opts o = {.id = "orphans",
                             .bundle = v->bundle,
                             .config = sn_str_of(text, (size_t)n)};
    T_OK(sn_task_create(v->h, &o, &t));
    T_ASSERT(sn_task_start(t, "") > 0);
    siginfo_t si = {0};
    /* The orphan has ended when a child of ours has that nobody waits for. */
    for (int i = 0; i < 500 && !si.si_pid; i++) {
        T_OK(sn_sleep(10 * SN_MS));
        T_OK(waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT));
    }
    T_ASSERT(si.si_pid > 0);
    T_ASSERT(sn_task_host_reap(v->h));
    si.si_pid = 0;
    T_OK(waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT));
    T_EQ(si.si_pid, 0);
    /* A process of the task's own is left to its watcher. */
    T_OK(sn_task_kill(t, "", 9, false));
    (void)sn_task_host_reap(v->h);
    struct sn_task_state st;
    T_OK(sn_task_wait(t, "", &st));
    T_EQ(st.exit_status, 137);
    T_OK(sn_task_delete(t, "", false, NULL));
    sn_task_unref(t);
    T_ASSERT(!sn_task_host_reap(v->h));
    env_down(v);
    return 0;
}

static void both_ways(int (*fn)(void *))
{
#ifdef SN_TSAN
    sn_test_skip("ThreadSanitizer does not survive the runtime's raw clone");
#endif
    NEED_ROOT();
    for (int z = 0; z < 2; z++) {
        struct env *v = calloc(1, sizeof(*v));
        if (z) T_OK(sn_zygote_start(&v->z));
        sn_test_row("%s", z ? "zygote" : "by itself");
        T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, fn, v));
        sn_zygote_stop(v->z);
        free(v);
    }
}

SN_TEST(life_of_a_task)
{
    both_ways(life_main);
}
SN_TEST(execs_and_signals)
{
    both_ways(execs_main);
}
SN_TEST(late_readers)
{
    both_ways(late_reader_main);
}
SN_TEST(orphans_are_reaped)
{
#ifdef SN_TSAN
    sn_test_skip("ThreadSanitizer does not survive the runtime's raw clone");
#endif
    NEED_ROOT();
    T_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    struct env *v = calloc(1, sizeof(*v));
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, orphans_main, v));
    free(v);
    T_EQ(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}
SN_TEST(adoption_and_failures)
{
    both_ways(adopt_main);
}

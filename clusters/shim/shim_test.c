/* SPDX-License-Identifier: Apache-2.0 */
/* shim/shim_test.c - root mounts, records, metrics; and events: in order and none lost, while the
 * daemon that takes them goes away and comes back. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clusters/shim/shim_int.h"
#include "containerd/linux_options.pb.h"
#include "containerd/runtime_options.pb.h"
#include "core/alloc.h"
#include "tests/harness/test.h"

/* ---- mounts ------------------------------------------------------------------------------------
 */

static char dir[64];

static void dir_new(void)
{
    snprintf(dir, sizeof(dir), "/tmp/sn_shim.XXXXXX");
    T_ASSERT(mkdtemp(dir));
}

static const char *in_dir(const char *name)
{
    static char path[4][128];
    static unsigned n;
    char *p = path[n++ % 4];
    snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
    return p;
}

static void put(const char *name, const char *text)
{
    int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    T_ASSERT(fd >= 0);
    T_EQ(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void dir_gone(void)
{
    char cmd[128];
    snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
    T_EQ(system(cmd), 0);
}

static struct containerd_types_mount *mount_of(struct sn_arena *a, const char *type,
                                               const char *source, const char *options)
{
    struct containerd_types_mount *m = containerd_types_mount_new(a);
    struct sn_str o = sn_arena_str(a, sn_str(options));
    m->type = sn_arena_str(a, sn_str(type));
    m->source = sn_arena_str(a, sn_str(source));
    while (o.ptr && o.len) T_OK(containerd_types_mount_add_options(m, sn_str_cut(&o, '|'), a));
    return m;
}

static void own_mounts(void)
{
    if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
        sn_test_skip("needs root and a mount namespace of its own");
    T_EQ(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    dir_new();
    T_EQ(mount("t", dir, "tmpfs", 0, NULL), 0); /* overlay over overlay is not for every kernel */
}

SN_TEST(root_of_folders_with_long_names)
{
    own_mounts();
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    char target[128];
    snprintf(target, sizeof(target), "%s", in_dir("root"));
    T_EQ(mkdir(target, 0755), 0);
    /* Folders with names that are longer than an option may be. */
    char deep[420], *at = deep + snprintf(deep, sizeof(deep), "%s/deep", dir);
    T_EQ(mkdir(deep, 0755), 0);
    for (int i = 0; i < 3; i++) {
        at += snprintf(at, sizeof(deep) - (size_t)(at - deep), "/%.*s", 80,
                       "a-name-of-eighty-characters-a-name-of-eighty-characters-a-name-of-eighty-"
                       "character");
        T_EQ(mkdir(deep, 0755), 0);
    }
    const char *parts[] = {"/a", "/b", "/u", "/w"};
    for (size_t i = 0; i < SN_COUNT_OF(parts); i++) {
        snprintf(at, sizeof(deep) - (size_t)(at - deep), "%s", parts[i]);
        T_EQ(mkdir(deep, 0755), 0);
    }
    *at = 0;
    T_ASSERT(strlen(deep) > 255);
    char options[4 * sizeof(deep) + 64];
    snprintf(options, sizeof(options), "workdir=%s/w|upperdir=%s/u|lowerdir=%s/a:%s/b", deep, deep,
             deep, deep);
    struct containerd_types_mount *m = mount_of(&a, "overlay", "overlay", options);
    T_OK(shim_mount_all(&m, 1, target));
    put("root/new", "x");
    T_OK(shim_unmount_all(target));
    snprintf(at, sizeof(deep) - (size_t)(at - deep), "/u/new");
    T_EQ(access(deep, R_OK), 0);
    sn_arena_done(&a);
    T_EQ(umount2(dir, 0), 0);
    dir_gone();
}

SN_TEST(root_mounts)
{
    own_mounts();
    const char *dirs[] = {"a", "b", "up", "work", "root", "src", "src/sub"};
    for (size_t i = 0; i < SN_COUNT_OF(dirs); i++) T_EQ(mkdir(in_dir(dirs[i]), 0755), 0);
    put("a/only-a", "1");
    put("b/only-b", "2");
    put("src/file", "3");
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    const char *root = in_dir("root");
    char text[512], target[128];
    snprintf(target, sizeof(target), "%s", root);
    snprintf(text, sizeof(text), "index=off|workdir=%s/work|upperdir=%s/up|lowerdir=%s/a:%s/b", dir,
             dir, dir, dir);
    struct containerd_types_mount *m[2] = {mount_of(&a, "overlay", "overlay", text)};
    T_OK(shim_mount_all(m, 1, target));
    T_EQ(access(in_dir("root/only-a"), R_OK), 0);
    T_EQ(access(in_dir("root/only-b"), R_OK), 0);
    put("root/new", "x");
    T_OK(shim_unmount_all(target));
    T_EQ(access(in_dir("up/new"), R_OK), 0);
    T_ASSERT(access(in_dir("root/new"), R_OK) < 0);
    /* A bind that may not be written to; one inside it that stays inside whatever its name says. */
    m[0] = mount_of(&a, "bind", in_dir("src"), "rbind|ro|nosuid|nodev");
    T_OK(shim_mount_all(m, 1, target));
    T_EQ(open(in_dir("root/file"), O_WRONLY), -1);
    T_EQ(errno, EROFS);
    T_OK(shim_unmount_all(target));
    m[0] = mount_of(&a, "bind", in_dir("src"), "rbind|rw");
    m[1] = mount_of(&a, "bind", in_dir("a"), "rbind|ro");
    m[1]->target = SN_STR("../../../sub");
    T_OK(shim_mount_all(m, 2, target));
    T_EQ(access(in_dir("root/sub/only-a"), R_OK), 0);
    T_OK(shim_unmount_all(in_dir("root/sub")));
    T_OK(shim_unmount_all(target));
    /* Failures name what they failed at and leave nothing. */
    m[0] = mount_of(&a, "tmpfs", "t", "size=1m");
    m[1] = mount_of(&a, "tmpfs", "t", "sizes=1m");
    T_ASSERT(shim_mount_all(m, 2, target) < 0);
    T_ASSERTF(strstr(sn_diag_str(SN_E_INVALID_ARGUMENT), "sizes"), "%s",
              sn_diag_str(SN_E_INVALID_ARGUMENT));
    T_EQ(umount2(target, 0), -1);
    T_EQ(errno, EINVAL);
    m[0] = mount_of(&a, "nosuchfs", "t", "");
    T_ASSERT(shim_mount_all(m, 1, target) < 0);
    T_OK(shim_unmount_all(in_dir("no/such/folder")));
    sn_arena_done(&a);
    T_EQ(umount2(dir, 0), 0);
    dir_gone();
}

/* ---- records -----------------------------------------------------------------------------------
 */

SN_TEST(records)
{
    dir_new();
    struct shim_record r = {.pid = 12, .status = 137, .exited_ns = 1234567890123456789}, back;
    snprintf(r.root, sizeof(r.root), "/run/a b/c");
    T_OK(shim_record_write(dir, &r));
    shim_record_read(dir, &back);
    T_EQ(back.pid, 12);
    T_EQ(back.status, 137);
    T_EQ(back.exited_ns, r.exited_ns);
    T_CSTR(back.root, "/run/a b/c");
    const char *bad[] = {"", "pid", "pid 1\nstatus 2\nexited x\n", "pid 1\nstatus 2\nexited 3\n",
                         "\xff\xff\xff"};
    for (size_t i = 0; i < SN_COUNT_OF(bad); i++) {
        put("sennit-shim", bad[i]);
        shim_record_read(dir, &back);
        T_CSTR(back.root, "");
    }
    char out[64];
    T_OK(shim_root("", "ns", out, sizeof(out)));
    T_CSTR(out, "/run/containerd/sennit/ns");
    T_EQ(shim_root("relative", "ns", out, sizeof(out)), SN_E_INVALID_ARGUMENT);
    T_EQ(shim_root("/a/long/folder/that/does/not/fit/into/so/few/bytes/as/these/here", "ns", out,
                   sizeof(out)),
         SN_E_TOO_LARGE);
    dir_gone();
}

/* ---- options -----------------------------------------------------------------------------------
 */

static struct google_protobuf_any any_of(struct sn_arena *a, const struct sn_pb_desc *d,
                                         const void *msg)
{
    struct google_protobuf_any any;
    T_OK(shim_any(a, d, msg, &any));
    return any;
}

SN_TEST(options_of_four_kinds)
{
    struct sn_arena a;
    struct shim_options o;
    sn_arena_init(&a, NULL, 0);
    T_OK(shim_options(NULL, &a, &o));
    T_ASSERT(!o.root && !o.cgroup && !o.systemd_cgroup);
    struct containerd_runc_v1_options runc = {.root = SN_STR("/r"),
                                              .shim_cgroup = SN_STR("/g"),
                                              .no_pivot_root = true,
                                              .criu_work_path = SN_STR("/w")};
    struct google_protobuf_any any = any_of(&a, &containerd_runc_v1_options_desc, &runc);
    T_OK(shim_options(&any, &a, &o));
    T_CSTR(o.root, "/r");
    T_CSTR(o.cgroup, "/g");
    T_CSTR(o.criu_work, "/w");
    T_ASSERT(o.no_pivot_root && !o.systemd_cgroup && !o.no_new_keyring);
    struct containerd_linux_runc_runc_options first = {.runtime_root = SN_STR("/old"),
                                                       .systemd_cgroup = true};
    any = any_of(&a, &containerd_linux_runc_runc_options_desc, &first);
    T_OK(shim_options(&any, &a, &o));
    T_CSTR(o.root, "/old");
    T_ASSERT(o.systemd_cgroup);
    struct containerd_linux_runc_create_options create = {.no_new_keyring = true,
                                                          .shim_cgroup = SN_STR("/h")};
    any = any_of(&a, &containerd_linux_runc_create_options_desc, &create);
    T_OK(shim_options(&any, &a, &o));
    T_CSTR(o.cgroup, "/h");
    T_ASSERT(o.no_new_keyring && !o.root);
    const struct {
        const char *text, *root, *says;
    } rows[] = {
        {"Root = '/t'\nSystemdCgroup = true\n", "/t", NULL},
        {"Root = 7", NULL, "1:1: Root: string is expected, not integer"},
        {"# none\nNoPivotRoot = \"yes\"", NULL, "2:1: NoPivotRoot: boolean is expected"},
        {"BinaryName = 'runc'", NULL, "BinaryName: one of Root, ShimCgroup"},
        {"Root", NULL, "config_body"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].text);
        struct runtimeoptions_v1_options body = {.config_body = sn_str(rows[i].text)};
        any = any_of(&a, &runtimeoptions_v1_options_desc, &body);
        int r = shim_options(&any, &a, &o);
        T_EQ(r, rows[i].says ? SN_E_INVALID_ARGUMENT : 0);
        if (rows[i].says)
            T_ASSERTF(strstr(sn_diag_str(r), rows[i].says), "%s", sn_diag_str(r));
        else
            T_CSTR(o.root, rows[i].root);
    }
    struct runtimeoptions_v1_options none = {.config_path = SN_STR("/no/such/file")};
    any = any_of(&a, &runtimeoptions_v1_options_desc, &none);
    T_EQ(shim_options(&any, &a, &o), SN_E_NOT_FOUND);
    any =
        (struct google_protobuf_any){.type_url = SN_STR("other.Options"), .value = SN_STR("\xff")};
    T_OK(shim_options(&any, &a, &o));
    sn_arena_done(&a);
}

SN_TEST(checkpoint_options)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    struct sn_oci_criu_opts o = {0};
    T_OK(shim_criu_options(NULL, &a, &o));
    T_ASSERT(o.leave_running);
    struct containerd_runc_v1_checkpoint_options q = {.exit = true,
                                                      .open_tcp = true,
                                                      .cgroups_mode = SN_STR("strict"),
                                                      .work_path = SN_STR("/w"),
                                                      .parent_path = SN_STR("p")};
    struct google_protobuf_any any = any_of(&a, &containerd_runc_v1_checkpoint_options_desc, &q);
    T_OK(shim_criu_options(&any, &a, &o));
    T_ASSERT(!o.leave_running && o.tcp_established && !o.file_locks);
    T_EQ(o.cgroups, SN_OCI_CRIU_CGROUPS_STRICT);
    T_CSTR(o.work, "/w");
    T_CSTR(o.parent, "p");
    struct containerd_linux_runc_checkpoint_options first = {.file_locks = true,
                                                             .work_path = SN_STR("/old"),
                                                             .image_path = SN_STR("/image")};
    o = (struct sn_oci_criu_opts){0};
    any = any_of(&a, &containerd_linux_runc_checkpoint_options_desc, &first);
    T_OK(shim_criu_options(&any, &a, &o));
    T_ASSERT(o.leave_running && o.file_locks && !o.parent);
    T_CSTR(o.work, "/old");
    q.cgroups_mode = SN_STR("loose");
    any = any_of(&a, &containerd_runc_v1_checkpoint_options_desc, &q);
    T_EQ(shim_criu_options(&any, &a, &o), SN_E_INVALID_ARGUMENT);
    T_ASSERT(strstr(sn_diag_str(SN_E_INVALID_ARGUMENT), "cgroups_mode loose"));
    sn_arena_done(&a);
}

/* ---- metrics -----------------------------------------------------------------------------------
 */

SN_TEST(metrics_of_both_versions)
{
    struct sn_arena a;
    struct google_protobuf_any any;
    sn_arena_init(&a, NULL, 0);
    uint64_t cpus[] = {30, 12};
    struct sn_cgroup_u64_kv stat[] = {{SN_STR_INIT("anon"), 7},
                                      {SN_STR_INIT("total_rss"), 8},
                                      {SN_STR_INIT("rss"), 9}};
    struct sn_cgroup_io_entry io[] = {{8, 0, SN_STR_INIT("Read"), 100}};
    struct sn_cgroup_stats s = {.cpu = {.usage_ns = 42, .percpu_ns = {cpus, 2}},
                                .pids = {.current = 3, .limit = UINT64_MAX},
                                .memory = {.memory = {.usage = 5, .limit = 6},
                                           .stat = {stat, 3},
                                           .oom_kill = 2},
                                .io = {.service_bytes = {io, 1}}};
    T_OK(shim_metrics(&s, &a, &any));
    T_STR(any.type_url, "io.containerd.cgroups.v1.Metrics");
    struct io_containerd_cgroups_v1_metrics *m1;
    T_OK(io_containerd_cgroups_v1_metrics_parse(any.value, 0, &a, &m1));
    T_EQ(m1->cpu->usage->total, 42);
    T_EQ(m1->cpu->usage->per_cpu.len, 2);
    T_EQ(m1->cpu->usage->per_cpu.ptr[1], 12);
    T_EQ(m1->memory->total_rss, 8);
    T_EQ(m1->memory->rss, 9);
    T_EQ(m1->memory->usage->limit, 6);
    T_EQ(m1->memory_oom_control->oom_kill, 2);
    T_EQ(m1->pids->limit, 0);
    T_EQ(m1->blkio->io_service_bytes_recursive.ptr[0]->value, 100);
    s.v2 = true;
    T_OK(shim_metrics(&s, &a, &any));
    T_STR(any.type_url, "io.containerd.cgroups.v2.Metrics");
    struct io_containerd_cgroups_v2_metrics *m2;
    T_OK(io_containerd_cgroups_v2_metrics_parse(any.value, 0, &a, &m2));
    T_EQ(m2->memory->anon, 7);
    T_EQ(m2->io->usage.ptr[0]->rbytes, 100);
    /* A pod's are its containers' together, without limits of its own. */
    struct sn_cgroup_stats sum = {0};
    s.v2 = false;
    T_OK(shim_metrics_add(&sum, &s, &a));
    T_OK(shim_metrics_add(&sum, &s, &a));
    T_OK(shim_metrics(&sum, &a, &any));
    T_OK(io_containerd_cgroups_v1_metrics_parse(any.value, 0, &a, &m1));
    T_EQ(m1->cpu->usage->total, 84);
    T_EQ(m1->memory->usage->usage, 10);
    T_EQ(m1->memory->rss, 18);
    T_EQ(stat[2].value, 9);
    T_EQ(m1->pids->current, 6);
    T_EQ(m1->pids->limit, 0);
    sn_arena_done(&a);
}

/* ---- events ------------------------------------------------------------------------------------
 */

struct taker {
    char addr[128], got[8192];
    unsigned n, refuse;
    struct sn_ttrpc_server *s;
    struct sn_listener *l;
    struct sn_event over;
};

static int take(struct sn_ttrpc_call *c, const void *req, void **rep)
{
    struct taker *t = sn_ttrpc_arg(c);
    const struct containerd_services_events_ttrpc_v1_forward_request *q = req;
    struct containerd_events_task_start *m;
    if (t->refuse && t->refuse--) return sn_fail(SN_E_UNAVAILABLE, "not now");
    T_STR(q->envelope->namespace, "ns");
    T_STR(q->envelope->topic, "/tasks/start");
    T_STR(q->envelope->event->type_url, "containerd.events.TaskStart");
    T_OK(containerd_events_task_start_parse(q->envelope->event->value, 0, sn_ttrpc_arena(c), &m));
    size_t n = strlen(t->got);
    snprintf(t->got + n, sizeof(t->got) - n, "%u ", m->pid);
    t->n++;
    return 0;
}
static const struct sn_ttrpc_method take_methods[] = {
    {.name = "Forward",
     .in = &containerd_services_events_ttrpc_v1_forward_request_desc,
     .out = &google_protobuf_empty_desc,
     .unary = take}};
static const struct sn_ttrpc_service takes = {"containerd.services.events.ttrpc.v1.Events",
                                              take_methods, 1};

static void taker_main(void *arg)
{
    struct taker *t = arg;
    T_OK(sn_ttrpc_server_run(t->s, t->l));
    sn_event_set(&t->over);
}

static void taker_up(struct taker *t)
{
    t->over = (struct sn_event){0};
    T_OK(sn_listen(t->addr, NULL, &t->l));
    T_OK(sn_ttrpc_server_new(&t->s));
    T_OK(sn_ttrpc_server_add(t->s, &takes, t));
    T_OK(sn_go_on(0, "taker", taker_main, t));
}

static void taker_down(struct taker *t)
{
    sn_ttrpc_server_stop(t->s);
    T_OK(sn_event_wait(&t->over));
    sn_ttrpc_server_free(t->s);
    sn_listener_close(t->l);
    unlink(t->addr + 5);
}

static void tell(struct shim *s, uint32_t pid)
{
    struct containerd_events_task_start m = {.container_id = SN_STR("c"), .pid = pid};
    shim_publish(s, "/tasks/start", &containerd_events_task_start_desc, &m);
}

static int events_main(void *arg)
{
    struct taker t = {.refuse = 2};
    struct shim s = {.ns = "ns"};
    dir_new();
    snprintf(t.addr, sizeof(t.addr), "unix:%s/s", dir);
    s.ttrpc_address = t.addr + 5;
    sn_list_init(&s.events);
    sn_list_init(&s.containers);
    uint32_t next = 1;
    char want[8192] = "";
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 5; i++) tell(&s, next++); /* nobody is there */
        T_OK(sn_sleep(20 * SN_MS));
        taker_up(&t);
        for (int i = 0; i < 5; i++) tell(&s, next++);
        /* Also the last answer is to arrive: an event without one is told again. */
        for (int i = 0; i < 400 && s.n_events; i++) T_OK(sn_sleep(10 * SN_MS));
        taker_down(&t);
    }
    for (uint32_t i = 1; i < next; i++)
        snprintf(want + strlen(want), sizeof(want) - strlen(want), "%u ", i);
    T_EQ(s.n_events, 0);
    T_CSTR(t.got, want);
    /* More than the limit: the oldest go, the newest arrive. */
    t.got[0] = 0;
    t.n = 0;
    for (uint32_t i = 0; i < SN_SHIM_EVENTS_MAX + 3; i++) tell(&s, i);
    T_EQ(s.n_events, SN_SHIM_EVENTS_MAX);
    taker_up(&t);
    for (int i = 0; i < 1000 && s.n_events; i++) T_OK(sn_sleep(10 * SN_MS));
    T_EQ(t.n, SN_SHIM_EVENTS_MAX);
    T_ASSERTF(strncmp(t.got, "3 4 5 ", 6) == 0, "%.20s", t.got);
    taker_down(&t);
    shim_flush(&s);
    dir_gone();
    return 0;
}
SN_TEST(events_in_order_across_restarts)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, events_main, NULL));
}

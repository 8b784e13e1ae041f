/* SPDX-License-Identifier: Apache-2.0 */
/* Control groups on trees of plain files: what is written where on v1, v2 and hybrid hosts. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup/cgroup_int.h"
#include "core/status.h"
#include "core/torture.h"
#include "harness/test.h"

/* ---- fake trees --------------------------------------------------------------------------------
 */

static char root[512];

static void put(const char *path, const char *text)
{
    char full[1024];
    snprintf(full, sizeof(full), "%s%s", root, path);
    for (char *s = full + strlen(root) + 1; (s = strchr(s, '/')); s++) {
        *s = '\0';
        if (mkdir(full, 0755) < 0) T_ASSERT(errno == EEXIST);
        *s = '/';
    }
    FILE *f = fopen(full, "w");
    T_ASSERT(f);
    fputs(text, f);
    fclose(f);
}

static const char *get(const char *path)
{
    static char text[8][4096];
    static unsigned turn;
    char full[1024], *out = text[turn++ % 8];
    snprintf(full, sizeof(full), "%s%s", root, path);
    FILE *f = fopen(full, "r");
    if (!f) return "(none)";
    size_t n = fread(out, 1, 4095, f);
    out[n] = '\0';
    fclose(f);
    return out;
}

struct expected {
    const char *file, *want;
};
static void expect(const char *dir, const struct expected *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char path[256];
        sn_test_row("%s", rows[i].file);
        snprintf(path, sizeof(path), "%s%s", dir, rows[i].file);
        T_CSTR(get(path), rows[i].want);
    }
}

static const char v1_mounts[] =
    "25 1 0:20 / / rw - ext4 /dev/vda rw\n"
    "30 25 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
    "31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "33 30 0:29 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
    "34 30 0:30 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio\n"
    "35 30 0:31 / /sys/fs/cgroup/devices rw - cgroup cgroup rw,devices\n"
    "36 30 0:32 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n"
    "37 30 0:33 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
    "38 30 0:34 / /sys/fs/cgroup/hugetlb rw - cgroup cgroup rw,hugetlb\n"
    "39 30 0:35 / /sys/fs/cgroup/net\\040cls rw - cgroup cgroup rw,net_cls,net_prio\n"
    "40 30 0:36 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
    "41 25 0:28 / /var/lib/x/memory rw - cgroup cgroup rw,memory\n";
static const char v1_own[] =
    "8:net_prio,net_cls:/\n7:memory:/user/me\n6:cpu,cpuacct:/user/me\n"
    "5:pids:/user\n4:blkio:/\n3:devices:/\n2:freezer:/\n1:name=systemd:/user/me\n0::/\n";

static void probe(struct sn_cgroup_host *h, const char *mounts, const char *own, bool rootless)
{
    snprintf(root, sizeof(root), "%s", sn_test_tmpdir());
    put("/proc/self/mountinfo", mounts);
    put("/proc/self/cgroup", own);
    for (const char *m = mounts; (m = strstr(m, " /sys/fs/cgroup")); m++) {
        char path[160];
        int n = (int)strcspn(m + 1, " \\");
        if (n == 14 && !strstr(mounts, "cgroup2 cgroup2 rw\n")) continue;
        snprintf(path, sizeof(path), "%.*s%s/cgroup.controllers", n, m + 1,
                 m[1 + n] == '\\' ? " cls" : "");
        put(path, "cpuset cpu io memory hugetlb pids rdma misc\n");
    }
    T_OK(sn_cgroup_probe(h, &(struct sn_cgroup_probe_opts){.root = root, .rootless = rootless}));
}

static const char v2_mounts[] = "30 25 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n";

/* Empty files of a group, as a kernel would make them. */
static void files(const char *dir, const char *names)
{
    char path[512];
    struct sn_str rest = sn_str(names), name;
    while (cg_next_word(&rest, &name)) {
        snprintf(path, sizeof(path), "%s/%.*s", dir, SN_STR_ARG(name));
        put(path, "");
    }
}

static struct sn_cgroup_resources parse(struct sn_arena *a, const char *json)
{
    const struct sn_json *v;
    struct sn_cgroup_resources r;
    T_OK(sn_json_parse(a, sn_str(json), NULL, &v));
    int e = sn_cgroup_resources_parse(a, v, &r);
    T_ASSERTF(e == 0, "%s", sn_diag_str(e));
    return r;
}

SN_TEST(probe_v1)
{
    struct sn_cgroup_host h;
    probe(&h, v1_mounts, v1_own, false);
    T_EQ(h.layout, SN_CGROUP_V1);
    T_EQ(h.n, 10);
    T_EQ(h.unified, -1);
    T_EQ(h.of[SN_CGROUP_CPU], h.of[SN_CGROUP_CPUACCT]);
    T_CSTR(h.h[h.of[SN_CGROUP_MEMORY]].own, "/user/me");
    T_CSTR(h.h[h.of[SN_CGROUP_NET_CLS]].own, "/"); /* listed in another order */
    T_ASSERT(strstr(h.h[h.of[SN_CGROUP_NET_CLS]].mount, "/net cls"));
    T_ASSERT(!strstr(h.h[h.of[SN_CGROUP_MEMORY]].mount, "/var/lib"));
    T_CSTR(h.h[h.of[SN_CGROUP_NAMED]].name, "name=systemd");
    T_EQ(h.of[SN_CGROUP_RDMA], -1);
    sn_cgroup_host_done(&h);
}

SN_TEST(probe_v2_and_hybrid)
{
    struct sn_cgroup_host h;
    probe(&h, v2_mounts, "0::/user.slice/a.scope\n", false);
    T_EQ(h.layout, SN_CGROUP_V2);
    T_EQ(h.of[SN_CGROUP_MEMORY], h.unified);
    T_EQ(h.of[SN_CGROUP_DEVICES], h.unified);
    T_EQ(h.of[SN_CGROUP_FREEZER], h.unified);
    T_EQ(h.of[SN_CGROUP_NET_CLS], -1);
    T_CSTR(h.h[0].own, "/user.slice/a.scope");
    sn_cgroup_host_done(&h);

    probe(&h,
          "31 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
          "32 30 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
          "1:memory:/x\n0::/y\n", false);
    T_EQ(h.layout, SN_CGROUP_HYBRID);
    T_ASSERT(!h.h[h.of[SN_CGROUP_MEMORY]].v2);
    T_EQ(h.of[SN_CGROUP_HUGETLB], h.unified);
    sn_cgroup_host_done(&h);

    probe(&h, "25 1 0:20 / / rw - ext4 /dev/vda rw\n", "", false);
    T_EQ(h.layout, SN_CGROUP_NONE);
    struct sn_cgroup *cg;
    T_EQ(sn_cgroup_create(&h, "/x", &cg), SN_E_FAILED_PRECONDITION);
    sn_cgroup_host_done(&h);
}

/* A container sees its own part of a hierarchy at the mount point. */
SN_TEST(recorded_host)
{
    struct sn_cgroup_host h, back;
    struct sn_buf text = {0};
    probe(&h, v1_mounts, v1_own, false);
    T_OK(sn_cgroup_host_write(&h, &text));
    T_OK(sn_cgroup_host_read(sn_buf_view(&text), NULL, &back));
    T_EQ(back.n, h.n);
    T_EQ(back.layout, h.layout);
    T_EQ(back.unified, h.unified);
    T_EQ(memcmp(back.of, h.of, sizeof(h.of)), 0);
    for (unsigned i = 0; i < h.n; i++) {
        T_CSTR(back.h[i].mount, h.h[i].mount);
        T_CSTR(back.h[i].name, h.h[i].name);
        T_CSTR(back.h[i].own, h.h[i].own);
        T_EQ(back.h[i].v2, h.h[i].v2);
        T_EQ(back.h[i].controllers, h.h[i].controllers);
    }
    sn_cgroup_host_done(&back);
    /* Whatever is cut off or changed is read as something or refused, and nothing is lost. */
    for (unsigned n = 0; n < sn_test_cases(3000); n++) {
        struct sn_buf other = {0};
        sn_buf_str(&other, sn_str_sub(sn_buf_view(&text), 0, sn_test_rand_below(text.len + 1)));
        if (other.len) other.ptr[sn_test_rand_below(other.len)] = (uint8_t)sn_test_rand();
        int e = sn_cgroup_host_read(sn_buf_view(&other), NULL, &back);
        T_ASSERT(e == 0 || e == SN_E_SYNTAX);
        if (e == 0) sn_cgroup_host_done(&back);
        sn_buf_done(&other);
    }
    sn_buf_done(&text);
    static const char *const bad[] = {"",
                                      "1",
                                      "3\t/a\tb\t/\n",
                                      "1x\t/a\tb\t/\n",
                                      "11\ta\tb\t/\n",
                                      "11\t/a",
                                      "11\t/a\tb\tc\n",
                                      "199999999999\t/a\tb\t/\n"};
    for (size_t i = 0; i < SN_COUNT_OF(bad); i++) {
        sn_test_row("%s", bad[i]);
        T_EQ(sn_cgroup_host_read(sn_str(bad[i]), NULL, &back), SN_E_SYNTAX);
    }
    /* A name with a control character is not written: its reader probes. */
    h.h[0].mount = "/a\nb";
    T_OK(sn_cgroup_host_write(&h, &text));
    T_EQ(text.len, 0);
    sn_cgroup_host_done(&h);
}

SN_TEST(probe_partial_mount)
{
    struct sn_cgroup_host h;
    probe(&h,
          "31 30 0:27 /docker/c1 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
          "32 30 0:28 /docker/c1 /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n",
          "1:memory:/docker/c1\n2:pids:/docker/c1/in\n", false);
    T_CSTR(h.h[h.of[SN_CGROUP_MEMORY]].own, "/");
    T_CSTR(h.h[h.of[SN_CGROUP_PIDS]].own, "/in");
    sn_cgroup_host_done(&h);
}

SN_TEST(resolve)
{
    static const struct {
        const char *path, *id, *want;
        bool systemd;
        int code;
    } rows[] = {
        {"", "c1", "/c1", false, 0},
        {"/a/b", "c1", "/a/b", false, 0},
        {"//a/./b/../c/", "c1", "/a/c", false, 0},
        {"/../../x", "c1", "/x", false, 0},
        {"/", "c1", NULL, false, SN_E_INVALID_ARGUMENT},
        {"/a/..", "c1", NULL, false, SN_E_INVALID_ARGUMENT},
        {"/a\nb", "c1", NULL, false, SN_E_INVALID_ARGUMENT},
        {"a:b:c", "c1", NULL, true, SN_E_INVALID_ARGUMENT},
        {"user-1000.slice:cri:c1", "c1", "/user.slice/user-1000.slice/cri-c1.scope", true, 0},
        {":runc:c1", "c1", "/system.slice/runc-c1.scope", true, 0},
        {"-.slice:p:n", "c1", "/p-n.scope", true, 0},
        {"kubepods.slice::n", "c1", "/kubepods.slice/n.scope", true, 0},
        {"a-b.slice:x:y-z.slice", "c1", "/a.slice/a-b.slice/y.slice/y-z.slice", true, 0},
        {"a--b.slice:x:y", "c1", NULL, true, SN_E_INVALID_ARGUMENT},
        {"system.slice:x", "c1", NULL, true, SN_E_INVALID_ARGUMENT},
        {"system.slice:x:../y", "c1", NULL, true, SN_E_INVALID_ARGUMENT},
    };
    struct sn_cgroup_host h;
    struct sn_arena a;
    probe(&h, v2_mounts, "0::/user.slice/a.scope\n", false);
    sn_arena_init(&a, NULL, 0);
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        const char *loc = NULL;
        sn_test_row("\"%s\"", rows[i].path);
        struct sn_cgroup_where w = {sn_str(rows[i].path), sn_str(rows[i].id), rows[i].systemd};
        T_EQ(sn_cgroup_resolve(&h, &w, &a, &loc), rows[i].code);
        if (rows[i].want) T_CSTR(loc, rows[i].want);
    }
    const char *loc;
    struct sn_cgroup_where rel = {SN_STR("x/y"), SN_STR("c1"), false};
    T_OK(sn_cgroup_resolve(&h, &rel, &a,
                           &loc)); /* the own group is hidden: starts at the mount point */
    T_CSTR(loc, "/x/y");
    put("/sys/fs/cgroup/user.slice/a.scope/cgroup.procs", "");
    T_OK(sn_cgroup_resolve(&h, &rel, &a, &loc));
    T_CSTR(loc, "/user.slice/x/y");
    sn_cgroup_host_done(&h);

    probe(&h, v1_mounts, v1_own, false);
    put("/sys/fs/cgroup/memory/user/me/tasks", "");
    put("/sys/fs/cgroup/cpu,cpuacct/user/me/tasks", "");
    put("/sys/fs/cgroup/pids/user/tasks", "");
    T_OK(sn_cgroup_resolve(&h, &rel, &a, &loc));
    T_STR(cg_location_path(&h, (unsigned)h.of[SN_CGROUP_MEMORY], loc), "/user/me/x/y");
    T_STR(cg_location_path(&h, (unsigned)h.of[SN_CGROUP_PIDS], loc), "/user/x/y");
    T_STR(cg_location_path(&h, (unsigned)h.of[SN_CGROUP_IO], loc), "/x/y");
    sn_arena_done(&a);
    sn_cgroup_host_done(&h);
}

SN_TEST(locations_are_checked)
{
    static const char *const bad[] = {"",           "/",     "x",
                                      "/a/../b",    "/a//b", "memory:/a/..\n",
                                      "memory:x\n", "/a/.",  "memory:/a\nb\n",
                                      "memory\n"};
    struct sn_cgroup_host h;
    struct sn_cgroup *cg;
    probe(&h, v1_mounts, v1_own, false);
    for (size_t i = 0; i < SN_COUNT_OF(bad); i++) {
        sn_test_row("\"%s\"", bad[i]);
        T_EQ(sn_cgroup_create(&h, bad[i], &cg), SN_E_INVALID_ARGUMENT);
    }
    T_EQ(sn_cgroup_open(&h, "/nobody", &cg), SN_E_NOT_FOUND);
    sn_cgroup_host_done(&h);
}

SN_TEST(weights)
{
    static const struct {
        uint64_t shares, quadratic, linear;
    } rows[] = {{1, 1, 1},
                {2, 1, 1},
                {1024, 100, 39},
                {262144, 10000, 10000},
                {300000, 10000, 10000},
                {512, 59, 20},
                {2048, 170, 79}};
    uint64_t before = 0;
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%llu", (unsigned long long)rows[i].shares);
        T_EQ(cg_weight(rows[i].linear ? rows[i].shares : 0, true), rows[i].linear);
        if (rows[i].shares == 512 || rows[i].shares == 2048) continue;
        T_EQ(cg_weight(rows[i].shares, false), rows[i].quadratic);
    }
    for (uint64_t s = 2; s <= 262144; s += 7) {
        uint64_t w = cg_weight(s, false);
        T_ASSERT(w >= before && w >= 1 && w <= 10000);
        before = w;
    }
}

static const char all_json[] =
    "{\"memory\":{\"limit\":104857600,\"reservation\":52428800,\"swap\":209715200,\"kernel\":1,"
    "\"kernelTCP\":4096,"
    "\"swappiness\":60,\"disableOOMKiller\":true,\"useHierarchy\":true,\"checkBeforeUpdate\":true},"
    "\"cpu\":{\"shares\":1024,\"quota\":50000,\"period\":100000,\"burst\":10000,\"cpus\":\"0-1\","
    "\"mems\":\"0\"},"
    "\"pids\":{\"limit\":100},"
    "\"blockIO\":{\"weight\":500,\"weightDevice\":[{\"major\":8,\"minor\":0,\"weight\":600}],"
    "\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":1000}],"
    "\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":16,\"rate\":0}]},"
    "\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4194304}]}";

SN_TEST(apply_v1_files)
{
    struct sn_cgroup_host h;
    struct sn_cgroup *cg;
    struct sn_arena a;
    probe(&h, v1_mounts, v1_own, false);
    sn_arena_init(&a, NULL, 0);
    files("/sys/fs/cgroup/memory/g",
          "memory.limit_in_bytes memory.memsw.limit_in_bytes memory.soft_limit_in_bytes "
          "memory.kmem.tcp.limit_in_bytes memory.swappiness memory.oom_control "
          "memory.use_hierarchy");
    files("/sys/fs/cgroup/cpu,cpuacct/g",
          "cpu.shares cpu.cfs_quota_us cpu.cfs_period_us cpu.cfs_burst_us cpu.idle");
    files("/sys/fs/cgroup/cpuset/g", "cpuset.cpus cpuset.mems");
    files("/sys/fs/cgroup/cpuset", "cpuset.cpus cpuset.mems");
    files("/sys/fs/cgroup/pids/g", "pids.max");
    files("/sys/fs/cgroup/blkio/g",
          "blkio.bfq.weight blkio.bfq.weight_device blkio.throttle.read_bps_device "
          "blkio.throttle.write_iops_device");
    files("/sys/fs/cgroup/hugetlb/g", "hugetlb.2MB.limit_in_bytes");
    files("/sys/fs/cgroup/net cls/g", "net_cls.classid net_prio.ifpriomap");
    put("/sys/fs/cgroup/cpuset/cpuset.cpus", "0-3\n");
    put("/sys/fs/cgroup/cpuset/cpuset.mems", "0\n");
    T_OK(sn_cgroup_create(&h, "/g", &cg));
    T_CSTR(get("/sys/fs/cgroup/cpuset/g/cpuset.cpus"), "0-3"); /* inherited */
    struct sn_cgroup_resources r = parse(&a, all_json);
    int e = sn_cgroup_apply(cg, &r);
    T_ASSERTF(e == 0, "%s", sn_diag_str(e));
    static const struct expected rows[] = {
        {"memory/g/memory.limit_in_bytes", "104857600"},
        {"memory/g/memory.memsw.limit_in_bytes", "209715200"},
        {"memory/g/memory.soft_limit_in_bytes", "52428800"},
        {"memory/g/memory.kmem.tcp.limit_in_bytes", "4096"},
        {"memory/g/memory.swappiness", "60"},
        {"memory/g/memory.oom_control", "1"},
        {"cpu,cpuacct/g/cpu.shares", "1024"},
        {"cpu,cpuacct/g/cpu.cfs_quota_us", "50000"},
        {"cpu,cpuacct/g/cpu.cfs_period_us", "100000"},
        {"cpu,cpuacct/g/cpu.cfs_burst_us", "10000"},
        {"cpuset/g/cpuset.cpus", "0-1"},
        {"pids/g/pids.max", "100"},
        {"blkio/g/blkio.bfq.weight", "500"},
        {"blkio/g/blkio.bfq.weight_device", "8:0 600"},
        {"blkio/g/blkio.throttle.read_bps_device", "8:0 1000"},
        {"blkio/g/blkio.throttle.write_iops_device", "8:16 0"},
        {"hugetlb/g/hugetlb.2MB.limit_in_bytes", "4194304"},
    };
    expect("/sys/fs/cgroup/", rows, SN_COUNT_OF(rows));
    r = parse(
        &a,
        "{\"network\":{\"classID\":1048577,\"priorities\":[{\"name\":\"eth0\",\"priority\":5}]}}");
    T_OK(sn_cgroup_apply(cg, &r));
    T_CSTR(get("/sys/fs/cgroup/net cls/g/net_cls.classid"), "1048577");
    T_CSTR(get("/sys/fs/cgroup/net cls/g/net_prio.ifpriomap"), "eth0 5");
    put("/sys/fs/cgroup/memory/g/memory.memsw.limit_in_bytes", "");
    r = parse(&a, "{\"memory\":{\"limit\":-1}}"); /* implies swap */
    T_OK(sn_cgroup_apply(cg, &r));
    T_CSTR(get("/sys/fs/cgroup/memory/g/memory.memsw.limit_in_bytes"), "-1");
    r = parse(&a, "{\"rdma\":{\"mlx4_0\":{\"hcaHandles\":3}}}");
    T_EQ(sn_cgroup_apply(cg, &r), SN_E_FAILED_PRECONDITION);
    r = parse(&a, "{\"unified\":{\"memory.high\":\"1\"}}");
    T_EQ(sn_cgroup_apply(cg, &r), SN_E_FAILED_PRECONDITION);
    sn_cgroup_close(cg);
    sn_arena_done(&a);
    sn_cgroup_host_done(&h);
}

SN_TEST(apply_v2_files)
{
    struct sn_cgroup_host h;
    struct sn_cgroup *cg;
    struct sn_arena a;
    probe(&h, v2_mounts, "0::/\n", false);
    sn_arena_init(&a, NULL, 0);
    files("/sys/fs/cgroup/p", "cgroup.subtree_control cgroup.type");
    files("/sys/fs/cgroup", "cgroup.subtree_control");
    put("/sys/fs/cgroup/p/cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma misc\n");
    put("/sys/fs/cgroup/p/g/cgroup.controllers", "memory pids\n");
    files("/sys/fs/cgroup/p/g",
          "memory.max memory.swap.max memory.low cpu.weight cpu.max cpu.max.burst cpu.idle "
          "cpuset.cpus cpuset.mems pids.max io.weight io.max hugetlb.2MB.max "
          "hugetlb.2MB.rsvd.max memory.high rdma.max");
    put("/sys/fs/cgroup/p/g/memory.current", "1\n");
    T_OK(sn_cgroup_create(&h, "/p/g", &cg));
    T_ASSERT(strstr(get("/sys/fs/cgroup/p/cgroup.subtree_control"), "+memory"));
    T_EQ(sn_cgroup_existed(cg), 1);
    struct sn_cgroup_resources r = parse(&a, all_json);
    int e = sn_cgroup_apply(cg, &r);
    T_ASSERTF(e == 0, "%s", sn_diag_str(e));
    static const struct expected rows[] = {
        {"memory.max", "104857600"},
        {"memory.swap.max", "104857600"},
        {"memory.low", "52428800"},
        {"cpu.weight", "100"},
        {"cpu.max", "50000 100000"},
        {"cpu.max.burst", "10000"},
        {"cpuset.cpus", "0-1"},
        {"cpuset.mems", "0"},
        {"pids.max", "100"},
        {"io.weight", "8:0 5960"},
        {"io.max", "8:16 wiops=max"},
        {"hugetlb.2MB.max", "4194304"},
        {"hugetlb.2MB.rsvd.max", "4194304"},
    };
    expect("/sys/fs/cgroup/p/g/", rows, SN_COUNT_OF(rows));
    put("/sys/fs/cgroup/p/g/cpu.max",
        "30000 100000"); /* plain files keep what a shorter write leaves */
    r = parse(
        &a,
        "{\"cpu\":{\"period\":200000},\"rdma\":{\"mlx4_0\":{\"hcaHandles\":3,\"hcaObjects\":9}},"
        "\"unified\":{\"memory.high\":\"77\"},\"pids\":{\"limit\":-1}}");
    T_OK(sn_cgroup_apply(cg, &r));
    T_CSTR(get("/sys/fs/cgroup/p/g/cpu.max"), "30000 200000"); /* the quota stays as it was */
    T_CSTR(get("/sys/fs/cgroup/p/g/rdma.max"), "mlx4_0 hca_handle=3 hca_object=9");
    T_CSTR(get("/sys/fs/cgroup/p/g/memory.high"), "77");
    put("/sys/fs/cgroup/p/g/pids.max", "");
    T_OK(sn_cgroup_apply(cg, &r));
    T_CSTR(get("/sys/fs/cgroup/p/g/pids.max"), "max");
    put("/sys/fs/cgroup/p/g/memory.current", "5000\n");
    r = parse(&a, "{\"memory\":{\"limit\":4096,\"checkBeforeUpdate\":true}}");
    T_EQ(sn_cgroup_apply(cg, &r), SN_E_FAILED_PRECONDITION);
    r = parse(&a, "{\"unified\":{\"hugetlb.3GB.max\":\"77\"}}");
    T_EQ(sn_cgroup_apply(cg, &r), SN_E_FAILED_PRECONDITION);
    r = parse(&a, "{\"cpu\":{\"realtimeRuntime\":1000}}");
    T_EQ(sn_cgroup_apply(cg, &r), SN_E_FAILED_PRECONDITION);
    sn_cgroup_close(cg);
    sn_arena_done(&a);
    sn_cgroup_host_done(&h);
}

SN_TEST(refusals_name_field_value_and_expectation)
{
    static const struct {
        const char *json, *say;
    } rows[] = {
        {"[]", "linux.resources is a array"},
        {"{\"memory\":7}", "linux.resources.memory is 7, expected an object"},
        {"{\"memory\":{\"limit\":\"1g\"}}",
         "linux.resources.memory.limit is \"1g\", expected bytes"},
        {"{\"memory\":{\"limit\":-2}}", "linux.resources.memory.limit is -2"},
        {"{\"memory\":{\"swappiness\":101}}", "swappiness is 101, expected 0 to 100"},
        {"{\"memory\":{\"limit\":10,\"swap\":5}}", "memory.swap is 5, expected at least"},
        {"{\"memory\":{\"disableOOMKiller\":1}}", "disableOOMKiller is 1, expected true or false"},
        {"{\"cpu\":{\"idle\":2}}", "linux.resources.cpu.idle is 2, expected 0 or 1"},
        {"{\"cpu\":{\"cpus\":\"0\\n1\"}}", "linux.resources.cpu.cpus"},
        {"{\"devices\":[{\"allow\":true},{\"type\":\"x\"}]}",
         "linux.resources.devices[1].type is \"x\""},
        {"{\"devices\":[{\"access\":\"q\"}]}", "devices[0].access is \"q\""},
        {"{\"devices\":[3]}", "linux.resources.devices is 3"},
        {"{\"devices\":[{\"major\":-5}]}", "devices[0].major is -5"},
        {"{\"blockIO\":{\"weight\":1001}}", "blockIO.weight is 1001"},
        {"{\"blockIO\":{\"weightDevice\":[{\"major\":1}]}}", "weightDevice[0].minor is missing"},
        {"{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":1,\"minor\":1,\"rate\":-1}]}}",
         "rate is -1"},
        {"{\"hugepageLimits\":[{\"pageSize\":\"../2MB\",\"limit\":1}]}", "pageSize is \"../2MB\""},
        {"{\"hugepageLimits\":[{\"pageSize\":\"2MB\"}]}", "limit is missing"},
        {"{\"network\":{\"classID\":4294967296}}", "classID is 4294967296"},
        {"{\"network\":{\"priorities\":[{\"name\":\"a b\",\"priority\":1}]}}", "name is \"a b\""},
        {"{\"rdma\":{\"a/b\":{}}}", "linux.resources.rdma"},
        {"{\"unified\":{\"../memory.max\":\"1\"}}", "linux.resources.unified"},
        {"{\"unified\":{\"cgroup.procs\":\"1\"}}", "moves or ends processes"},
        {"{\"unified\":{\"memory.max\":1}}", "expected a string"},
        {"{\"pids\":{\"limit\":1.5}}", "linux.resources.pids.limit is 1.5"},
    };
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        const struct sn_json *v;
        struct sn_cgroup_resources r;
        sn_test_row("%s", rows[i].json);
        T_OK(sn_json_parse(&a, sn_str(rows[i].json), NULL, &v));
        int e = sn_cgroup_resources_parse(&a, v, &r);
        T_EQ(e, SN_E_INVALID_ARGUMENT);
        T_ASSERTF(strstr(sn_diag_str(e), rows[i].say), "said: %s", sn_diag_str(e));
    }
    sn_arena_done(&a);
}

static int torture_parse(void *arg)
{
    struct sn_arena a;
    const struct sn_json *v;
    struct sn_cgroup_resources r;
    sn_arena_init(&a, NULL, 0);
    int e = sn_json_parse(&a, sn_str(arg), NULL, &v);
    if (e == 0) e = sn_cgroup_resources_parse(&a, v, &r);
    if (e == 0) e = sn_cgroup_devices_default(&a, &r);
    sn_arena_done(&a);
    return e;
}

SN_TEST(torture_of_parse)
{
    T_OK(sn_torture(torture_parse, (void *)(uintptr_t)all_json));
}

/* ---- device rules ------------------------------------------------------------------------------
 */

static struct sn_cgroup_device_rule rule(bool allow, char type, int major, int minor, int access)
{
    return (struct sn_cgroup_device_rule){allow, type, major, minor, (uint8_t)access};
}

/* What the specification says: each bit by the last rule that covers it. */
static bool oracle(const struct sn_cgroup_device_rule *r, size_t n, char type, int major, int minor,
                   int access)
{
    for (int bit = 1; bit <= 4; bit <<= 1) {
        bool yes = false;
        if (!(access & bit)) continue;
        for (size_t i = 0; i < n; i++)
            if (r[i].type == 'a' || (r[i].type == type && (r[i].major < 0 || r[i].major == major) &&
                                     (r[i].minor < 0 || r[i].minor == minor) && r[i].access & bit))
                yes = r[i].allow;
        if (!yes) return false;
    }
    return true;
}

/* The few instructions the program uses. */
static bool run_program(const struct bpf_insn *p, size_t n, char type, int major, int minor,
                        int access)
{
    struct bpf_cgroup_dev_ctx ctx = {(uint32_t)access << 16 | (type == 'b' ? 1u : 2u),
                                     (uint32_t)major, (uint32_t)minor};
    uint64_t reg[11] = {0};
    for (size_t i = 0; i < n; i++) {
        const struct bpf_insn *x = &p[i];
        uint64_t src = BPF_SRC(x->code) == BPF_X ? reg[x->src_reg] : (uint64_t)(int64_t)x->imm;
        switch (x->code & ~BPF_X) {
        case BPF_LDX | BPF_MEM | BPF_W: memcpy(&reg[x->dst_reg], (char *)&ctx + x->off, 4); break;
        case BPF_ALU | BPF_MOV: reg[x->dst_reg] = (uint32_t)src; break;
        case BPF_ALU | BPF_AND: reg[x->dst_reg] = (uint32_t)(reg[x->dst_reg] & src); break;
        case BPF_ALU | BPF_RSH: reg[x->dst_reg] = (uint32_t)reg[x->dst_reg] >> src; break;
        case BPF_JMP | BPF_JNE: i += reg[x->dst_reg] != src ? (size_t)x->off : 0; break;
        case BPF_JMP | BPF_JEQ: i += reg[x->dst_reg] == src ? (size_t)x->off : 0; break;
        case BPF_JMP | BPF_EXIT: return reg[0] != 0;
        default: T_ASSERTF(0, "instruction %#x", x->code);
        }
    }
    T_ASSERTF(0, "ran off the end");
    return false;
}

/* What v1's devices.allow and devices.deny hold after the folded form. */
static bool ask_v1(const struct cg_devices *d, char type, int major, int minor, int access)
{
    if (!d->allow) {
        for (size_t k = 0; k < d->n; k++) /* the kernel wants one exception with all of it */
            if (oracle(&d->rule[k], 1, type, major, minor, access)) return true;
        return false;
    }
    for (size_t k = 0; k < d->n; k++) {
        struct sn_cgroup_device_rule x = d->rule[k];
        x.allow = true;
        for (int bit = 1; bit <= 4; bit <<= 1)
            if (access & bit && oracle(&x, 1, type, major, minor, bit)) return false;
    }
    return true;
}

SN_TEST(device_rules_against_their_meaning)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    unsigned refused = 0, folded = 0;
    for (unsigned c = 0; c < sn_test_cases(3000); c++) {
        struct sn_cgroup_device_rule r[12];
        size_t n = sn_test_rand_below(12);
        for (size_t i = 0; i < n; i++) {
            bool wide = sn_test_rand_below(4) == 0;
            char type = sn_test_rand_below(8) == 0 ? 'a' : sn_test_rand_below(2) ? 'b' : 'c';
            r[i] = rule(sn_test_rand_below(2), type, wide ? -1 : (int)sn_test_rand_below(3),
                        sn_test_rand_below(4) == 0 ? -1 : (int)sn_test_rand_below(3),
                        1 + (int)sn_test_rand_below(7));
        }
        struct cg_devices d;
        struct bpf_insn *p;
        size_t np;
        T_OK(cg_devices_fold(&a, r, n, false, &d));
        T_OK(cg_devices_program(&a, &d, &p, &np));
        struct cg_devices v1;
        int e = cg_devices_fold(&a, r, n, true, &v1);
        if (e < 0) T_EQ(e, SN_E_UNIMPLEMENTED);
        e < 0 ? refused++ : folded++;
        for (int k = 0; k < 2 * 3 * 3 * 7; k++) {
            char type = k % 2 ? 'b' : 'c';
            int major = k / 2 % 3, minor = k / 6 % 3, access = 1 + k / 18;
            bool want = oracle(r, n, type, major, minor, access);
            T_EQ(run_program(p, np, type, major, minor, access), want);
            /* v1 may be narrower (it takes no two exceptions together), never wider. */
            if (e == 0 && ask_v1(&v1, type, major, minor, access)) T_ASSERT(want);
            if (e == 0 && (access == 1 || access == 2 || access == 4))
                T_EQ(ask_v1(&v1, type, major, minor, access), want);
        }
        sn_arena_reset(&a);
    }
    T_ASSERT(refused > 0 && folded > refused / 10);
    sn_arena_done(&a);
}

/* ---- statistics --------------------------------------------------------------------------------
 */

SN_TEST(stats_v1_files)
{
    struct sn_cgroup_host h;
    struct sn_cgroup *cg;
    struct sn_arena a;
    struct sn_cgroup_stats s;
    probe(&h, v1_mounts, v1_own, false);
    sn_arena_init(&a, NULL, 0);
    put("/sys/fs/cgroup/cpu,cpuacct/g/cpuacct.usage", "12345\n");
    put("/sys/fs/cgroup/cpu,cpuacct/g/cpuacct.stat", "user 3\nsystem 4\n");
    put("/sys/fs/cgroup/cpu,cpuacct/g/cpuacct.usage_percpu", "100 200 \n");
    put("/sys/fs/cgroup/cpu,cpuacct/g/cpuacct.usage_all", "cpu user system\n0 1 2\n1 3 4\n");
    put("/sys/fs/cgroup/cpu,cpuacct/g/cpu.stat",
        "nr_periods 5\nnr_throttled 6\nthrottled_time 7\nnr_bursts 8\nburst_time 9\n");
    put("/sys/fs/cgroup/memory/g/memory.usage_in_bytes", "1000\n");
    put("/sys/fs/cgroup/memory/g/memory.limit_in_bytes", "9223372036854771712\n");
    put("/sys/fs/cgroup/memory/g/memory.max_usage_in_bytes", "2000\n");
    put("/sys/fs/cgroup/memory/g/memory.failcnt", "3\n");
    put("/sys/fs/cgroup/memory/g/memory.memsw.usage_in_bytes", "1500\n");
    put("/sys/fs/cgroup/memory/g/memory.stat", "cache 17\nrss 18\ntotal_rss 19\n");
    put("/sys/fs/cgroup/memory/g/memory.oom_control",
        "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
    put("/sys/fs/cgroup/memory/g/memory.use_hierarchy", "1\n");
    put("/sys/fs/cgroup/pids/g/pids.current", "4\n");
    put("/sys/fs/cgroup/pids/g/pids.max", "max\n");
    put("/sys/fs/cgroup/blkio/g/blkio.throttle.io_serviced_recursive",
        "8:0 Read 1\n8:0 Write 2\n8:0 Total 3\nTotal 3\n");
    put("/sys/fs/cgroup/blkio/g/blkio.bfq.io_service_bytes_recursive",
        "253:1 Read 100\nTotal 100\n");
    put("/sys/fs/cgroup/hugetlb/g/hugetlb.2MB.usage_in_bytes", "0\n");
    put("/sys/fs/cgroup/hugetlb/g/hugetlb.2MB.rsvd.usage_in_bytes", "2097152\n");
    put("/sys/fs/cgroup/hugetlb/g/hugetlb.2MB.rsvd.failcnt", "1\n");
    T_OK(sn_cgroup_open(&h, "/g", &cg));
    int e = sn_cgroup_stats(cg, &a, &s);
    T_ASSERTF(e == 0, "%s", sn_diag_str(e));
    T_ASSERT(!s.v2);
    T_EQ(s.cpu.usage_ns, 12345);
    T_EQ(s.cpu.user_ns, 30000000);
    T_EQ(s.cpu.percpu_ns.n, 2);
    T_EQ(s.cpu.percpu_system_ns.ptr[1], 4);
    T_EQ(s.cpu.throttled_ns, 7);
    T_EQ(s.cpu.burst_ns, 9);
    T_EQ(s.memory.memory.usage, 1000);
    T_ASSERT(s.memory.memory.limit == UINT64_MAX);
    T_EQ(s.memory.swap.usage, 1500);
    T_ASSERT(s.memory.swap_set && !s.memory.kernel_set && s.memory.use_hierarchy);
    T_EQ(s.memory.cache, 17);
    T_EQ(s.memory.oom_kill, 2);
    T_EQ(sn_cgroup_stat_get(&s, "total_rss"), 19);
    T_EQ(sn_cgroup_stat_get(&s, "nonsense"), 0);
    T_ASSERT(s.pids.limit == UINT64_MAX && s.pids.current == 4);
    T_EQ(s.io.serviced.n, 3);
    T_EQ(s.io.service_bytes.n, 1);
    T_EQ(s.io.service_bytes.ptr[0].major, 253);
    T_STR(s.io.serviced.ptr[1].op, "Write");
    T_EQ(s.hugetlb.n, 1);
    T_EQ(s.hugetlb.ptr[0].usage, 2097152);
    T_STR(s.hugetlb.ptr[0].page_size, "2MB");
    put("/sys/fs/cgroup/memory/g/memory.stat", "cache seventeen\n");
    T_EQ(sn_cgroup_stats(cg, &a, &s), SN_E_SYNTAX);
    T_ASSERT(strstr(sn_diag_str(SN_E_SYNTAX), "memory/g/memory.stat"));
    sn_cgroup_close(cg);
    sn_arena_done(&a);
    sn_cgroup_host_done(&h);
}

SN_TEST(stats_v2_files)
{
    struct sn_cgroup_host h;
    struct sn_cgroup *cg;
    struct sn_arena a;
    struct sn_cgroup_stats s;
    probe(&h, v2_mounts, "0::/\n", false);
    sn_arena_init(&a, NULL, 0);
    put("/sys/fs/cgroup/g/cpu.stat",
        "usage_usec 10\nuser_usec 6\nsystem_usec 4\nnr_periods 1\nthrottled_usec 2\n");
    put("/sys/fs/cgroup/g/memory.current", "4096\n");
    put("/sys/fs/cgroup/g/memory.max", "max\n");
    put("/sys/fs/cgroup/g/memory.peak", "8192\n");
    put("/sys/fs/cgroup/g/memory.swap.current", "3\n");
    put("/sys/fs/cgroup/g/memory.swap.max", "4\n");
    put("/sys/fs/cgroup/g/memory.stat", "anon 1\nfile 2\nkernel_stack 3\n");
    put("/sys/fs/cgroup/g/memory.events",
        "low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\noom_group_kill 0\n");
    put("/sys/fs/cgroup/g/io.stat",
        "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n254:0 \n");
    put("/sys/fs/cgroup/g/pids.current", "7\n");
    put("/sys/fs/cgroup/g/pids.max", "8\n");
    put("/sys/fs/cgroup/g/rdma.current", "mlx4_0 hca_handle=2 hca_object=2000\n");
    put("/sys/fs/cgroup/g/rdma.max",
        "mlx4_0 hca_handle=max hca_object=3000\nocrdma1 hca_handle=1 hca_object=max\n");
    put("/sys/fs/cgroup/g/hugetlb.1GB.current", "5\n");
    put("/sys/fs/cgroup/g/hugetlb.1GB.events", "max 6\n");
    put("/sys/fs/cgroup/g/memory.pressure", "some avg10=1.50 avg60=0.25 avg300=0.00 total=99\n"
                                            "full avg10=0.50 avg60=0.00 avg300=0.00 total=11\n");
    T_OK(sn_cgroup_open(&h, "/g", &cg));
    int e = sn_cgroup_stats(cg, &a, &s);
    T_ASSERTF(e == 0, "%s", sn_diag_str(e));
    T_ASSERT(s.v2 && s.memory.psi.set && !s.cpu.psi.set);
    T_EQ(s.cpu.usage_ns, 10000);
    T_EQ(s.cpu.throttled_ns, 2000);
    T_EQ(s.memory.memory.max, 8192);
    T_ASSERT(s.memory.memory.limit == UINT64_MAX);
    T_EQ(s.memory.swap.limit, 4);
    T_EQ(s.memory.cache, 2);
    T_EQ(s.memory.oom_kill, 4);
    T_EQ(s.memory.memory.failcnt, 2);
    T_EQ(s.io.service_bytes.n, 3);
    T_STR(s.io.serviced.ptr[2].op, "Discard");
    T_EQ(s.io.serviced.ptr[2].value, 6);
    T_EQ(s.rdma.n, 2);
    T_EQ(s.rdma.ptr[0].objects_max, 3000);
    T_ASSERT(s.rdma.ptr[0].handles_max == UINT64_MAX);
    T_EQ(s.hugetlb.ptr[0].failcnt, 6);
    T_EQ(s.memory.psi.full.total_us, 11);
    T_ASSERT(s.memory.psi.some.avg10 == 1.5);
    sn_cgroup_close(cg);
    sn_arena_done(&a);
    sn_cgroup_host_done(&h);
}

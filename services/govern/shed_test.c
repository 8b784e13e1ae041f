/* SPDX-License-Identifier: Apache-2.0 */
/* govern/shed_test.c - the limit, and what the kernel writes about CPU. */
#include "govern/shed.h"

#include <stdlib.h>

#include "core/status.h"
#include "fiber/fiber.h"
#include "fiber/os.h"
#include "govern/cpu.h"
#include "harness/test.h"

/* A service of 50 us on 4 processors, 80,000 a second: whole milliseconds would call that 80 in flight. */
SN_TEST(shed_limit_in_microseconds)
{
    struct sn_gov_shed s;
    sn_gov_shed_init(&s, &(struct sn_gov_shed_opts){.processors = 2});
    int64_t now = SN_HOUR;
    T_ASSERT(sn_gov_shed_limit(&s, now) == INT64_MAX);
    for (int i = 0; i < 160000; i++, now += 12500) {
        T_ASSERT(sn_gov_shed_enter(&s, now - 50 * SN_US));
        sn_gov_shed_leave(&s, now - 50 * SN_US, now, true);
    }
    int64_t limit = sn_gov_shed_limit(&s, now);
    T_ASSERTF(limit >= 8 && limit <= 9, "a limit of %lld, expected twice 4", (long long)limit);
    /* Idle processors: nothing is refused, whatever is in flight. */
    for (int i = 0; i < 1000; i++) T_ASSERT(sn_gov_shed_enter(&s, now));
    for (int i = 0; i < 50; i++) {
        sn_gov_shed_leave(&s, now - 50 * SN_US, now, true);
        T_ASSERT(sn_gov_shed_enter(&s, now));
    }
    sn_gov_shed_cpu(&s, 950, 950);
    T_ASSERT(!sn_gov_shed_enter(&s, now));
    /* Within a second of a refusal it stays so, also where CPU fell; then not any more. */
    sn_gov_shed_cpu(&s, 100, 100);
    T_ASSERT(!sn_gov_shed_enter(&s, now + SN_SEC / 2));
    T_ASSERT(sn_gov_shed_enter(&s, now + SN_SEC + 1));
    /* A burst over the limit passes while the average is low. */
    struct sn_gov_shed calm;
    sn_gov_shed_init(&calm, NULL);
    sn_gov_shed_cpu(&calm, 1000, 0);
    for (int i = 0; i < 1000; i++, now += SN_MS) {
        T_ASSERT(sn_gov_shed_enter(&calm, now));
        sn_gov_shed_leave(&calm, now - SN_MS, now, true);
    }
    for (int i = 0; i < 100; i++) T_ASSERT(sn_gov_shed_enter(&calm, now));
}

SN_TEST(cpu_parsers)
{
    int64_t v;
    unsigned cpus;
    T_OK(sn_gov_cpu_v2_stat(SN_STR("usage_usec 1234\nuser_usec 1\nnr_periods 0\n"), &v));
    T_EQ(v, 1234 * SN_US);
    T_EQ(sn_gov_cpu_v2_stat(SN_STR("user_usec 1\n"), &v), SN_E_SYNTAX);
    T_EQ(sn_gov_cpu_v2_stat(SN_STR("usage_usec -5\n"), &v), SN_E_SYNTAX);
    T_OK(sn_gov_cpu_v2_max(SN_STR("max 100000\n"), &v));
    T_EQ(v, 0);
    T_OK(sn_gov_cpu_v2_max(SN_STR("150000 100000\n"), &v));
    T_EQ(v, 1500);
    T_EQ(sn_gov_cpu_v2_max(SN_STR("150000"), &v), SN_E_SYNTAX);
    T_EQ(sn_gov_cpu_v2_max(SN_STR("1 0"), &v), SN_E_SYNTAX);
    T_OK(sn_gov_cpu_v1_quota(SN_STR("-1\n"), SN_STR("100000\n"), &v));
    T_EQ(v, 0);
    T_OK(sn_gov_cpu_v1_quota(SN_STR("50000\n"), SN_STR("100000\n"), &v));
    T_EQ(v, 500);
    T_OK(sn_gov_cpu_proc_stat(SN_STR("cpu  100 2 30 999 5 0 7 1 0 0\ncpu0 1\ncpu1 1\nintr 5\n"), 100, &v, &cpus));
    T_EQ(v, 140 * 10 * SN_MS);
    T_EQ(cpus, 2);
    T_EQ(sn_gov_cpu_proc_stat(SN_STR("cpu  1 x 3 4\n"), 100, &v, &cpus), SN_E_SYNTAX);
    T_EQ(sn_gov_cpu_proc_stat(SN_STR("intr 5\n"), 100, &v, &cpus), SN_E_SYNTAX);
    struct sn_str path, text = SN_STR("9:name=systemd:/a\n3:cpu,cpuacct:/b\n0::/c/d\n");
    T_OK(sn_gov_cpu_cgroup_path(text, SN_STR("cpuacct"), &path));
    T_STR(path, "/b");
    T_OK(sn_gov_cpu_cgroup_path(text, SN_STR(""), &path));
    T_STR(path, "/c/d");
    T_EQ(sn_gov_cpu_cgroup_path(text, SN_STR("memory"), &path), SN_E_NOT_FOUND);
}

SN_TEST(cpu_average)
{
    struct sn_gov_cpu c = {0};
    int64_t now = SN_SEC, used = 0;
    uint32_t v = 0;
    for (int i = 0; i < 200; i++, now += SN_GOV_CPU_EVERY_NS, used += SN_GOV_CPU_EVERY_NS)
        v = sn_gov_cpu_sample(&c, now, used, 2000); /* one of two processors */
    T_ASSERTF(v >= 499 && v <= 501, "%u per mille", v);
    /* One late sample weighs as the twenty it stands for; a counter that jumps back as none. */
    v = sn_gov_cpu_sample(&c, now + 20 * SN_GOV_CPU_EVERY_NS, used + 40 * SN_GOV_CPU_EVERY_NS, 2000);
    T_ASSERTF(v > 800 && v < 840, "%u per mille", v);
    T_EQ(sn_gov_cpu_sample(&c, now + 30 * SN_SEC, 0, 2000), v);
}

/* ---- files ---- */

struct fake {
    char root[200];
    unsigned samples;
    uint32_t last;
};
static void fake_write(struct fake *f, const char *path, const char *text)
{
    char full[400], dir[400];
    snprintf(full, sizeof(full), "%s%s", f->root, path);
    snprintf(dir, sizeof(dir), "%s", full);
    *strrchr(dir, '/') = 0;
    T_OK(sn_mkdirs(dir, 0755));
    T_OK(sn_file_write(full, sn_str(text), 0644));
}
static void fake_sample(const struct sn_gov_cpu *c, void *arg)
{
    struct fake *f = arg;
    f->last = (uint32_t)c->ewma;
    char text[100];
    /* Half of the quota of two processors. */
    snprintf(text, sizeof(text), "usage_usec %llu\n", ++f->samples * 250000ull);
    fake_write(f, "/sys/fs/cgroup/app/cpu.stat", text);
}
static int watch(void *arg)
{
    int r = sn_gov_cpu_run(((struct fake *)arg)->root, fake_sample, arg);
    return r == SN_E_CANCELLED ? 0 : r;
}
static int files_main(void *arg)
{
    struct fake f = {0};
    snprintf(f.root, sizeof(f.root), "%s", sn_test_tmpdir());
    T_CSTR(sn_gov_cpu_source(f.root), "none");
    fake_write(&f, "/proc/stat", "cpu  1 2 3 4 5\ncpu0 1\n");
    T_CSTR(sn_gov_cpu_source(f.root), "/proc/stat");
    fake_write(&f, "/proc/self/cgroup", "0::/app\n1:cpu,cpuacct:/app\n");
    fake_write(&f, "/sys/fs/cgroup/cpuacct/cpuacct.usage", "5\n");
    fake_write(&f, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    fake_write(&f, "/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    T_CSTR(sn_gov_cpu_source(f.root), "/proc/stat");
    fake_write(&f, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n");
    T_CSTR(sn_gov_cpu_source(f.root), "cgroup v1");
    fake_write(&f, "/sys/fs/cgroup/app/cpu.stat", "usage_usec 0\n");
    fake_write(&f, "/sys/fs/cgroup/app/cpu.max", "200000 100000\n");
    T_CSTR(sn_gov_cpu_source(f.root), "cgroup v2");
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_scope_go(s, "cpu", watch, &f));
    T_OK(sn_sleep(SN_SEC));
    sn_scope_cancel(s);
    sn_scope_end(s);
    T_ASSERTF(f.samples >= 2, "%u samples in a second", f.samples);
    T_ASSERTF(f.last > 0 && f.last < 200, "%u per mille on the way to 500", f.last);
    T_ASSERT(strcmp(sn_gov_cpu_source(""), "none") != 0);
    return 0;
}
SN_TEST(cpu_files) { T_OK(sn_rt_run(NULL, files_main, NULL)); }

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
    sn_gov_shed_cpu(&s, 950, 950, now);
    T_ASSERT(!sn_gov_shed_enter(&s, now));
    /* Within a second of a refusal it stays so, also where CPU fell; then not any more. */
    sn_gov_shed_cpu(&s, 100, 100, now);
    T_ASSERT(!sn_gov_shed_enter(&s, now + SN_SEC / 2));
    sn_gov_shed_cpu(&s, 100, 100, now + SN_SEC);
    T_ASSERT(sn_gov_shed_enter(&s, now + SN_SEC + 1));
    /* A burst over the limit passes while the average is low. */
    struct sn_gov_shed calm;
    sn_gov_shed_init(&calm, NULL);
    for (int i = 0; i < 1000; i++, now += SN_MS) {
        if (i % 250 == 0) sn_gov_shed_cpu(&calm, 1000, 0, now);
        T_ASSERT(sn_gov_shed_enter(&calm, now));
        sn_gov_shed_leave(&calm, now - SN_MS, now, true);
    }
    for (int i = 0; i < 100; i++) T_ASSERT(sn_gov_shed_enter(&calm, now));
}

/* The sampler does not come any more, because the processors are taken: a queue is refused all the same. */
SN_TEST(shed_without_samples)
{
    struct sn_gov_shed s;
    int64_t now = SN_HOUR;
    sn_gov_shed_init(&s, NULL);
    for (int i = 0; i < 1000; i++, now += 5 * SN_MS) {
        if (i % 50 == 0) sn_gov_shed_cpu(&s, 200, 200, now);
        T_ASSERT(sn_gov_shed_enter(&s, now));
        sn_gov_shed_leave(&s, now, now + 4 * SN_MS, true);
    }
    int64_t limit = sn_gov_shed_limit(&s, now);
    T_ASSERT(limit < 10);
    unsigned in = 0;
    for (int i = 0; i < 400; i++) in += sn_gov_shed_enter(&s, now + SN_MS * i);
    T_EQ(in, 400); /* as far as it is known there is room */
    now += SN_SEC;
    T_ASSERT(!sn_gov_shed_enter(&s, now));
    sn_gov_shed_cpu(&s, 200, 200, now);
    T_ASSERT(sn_gov_shed_enter(&s, now + SN_MS));
}

/* Calls that all fail for longer than the window do not lift the limit; an idle service forgets it. */
SN_TEST(shed_while_nothing_succeeds)
{
    struct sn_gov_shed s;
    int64_t now = SN_HOUR;
    sn_gov_shed_init(&s, NULL);
    for (int i = 0; i < 1000; i++, now += 5 * SN_MS) {
        T_ASSERT(sn_gov_shed_enter(&s, now));
        sn_gov_shed_leave(&s, now, now + 4 * SN_MS, true);
    }
    int64_t limit = sn_gov_shed_limit(&s, now);
    for (int i = 0; i < 20; i++, now += SN_SEC) {
        T_ASSERT(sn_gov_shed_enter(&s, now));
        T_EQ(sn_gov_shed_limit(&s, now), limit);
        sn_gov_shed_leave(&s, now, now + SN_SEC - 1, false);
        T_ASSERT(sn_gov_shed_enter(&s, now + SN_SEC - 1)); /* so that one is always there */
        sn_gov_shed_leave(&s, now - SN_SEC, now + SN_SEC - 1, false);
    }
    now += 2 * SN_GOV_SHED_SPAN_NS;
    T_ASSERT(sn_gov_shed_limit(&s, now) == INT64_MAX);
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

SN_TEST(cpu_share_parsers)
{
    uint64_t set[SN_GOV_CPU_PROCESSORS_MAX / 64];
    int64_t v;
    unsigned cpus;
    T_OK(sn_gov_cpu_allowed(SN_STR("Name:\tx\nCpus_allowed:\tf\nCpus_allowed_list:\t0,2-3,70\n"), set));
    T_EQ(set[0], 13);
    T_EQ(set[1], 1 << 6);
    T_OK(sn_gov_cpu_allowed(SN_STR("Cpus_allowed_list:\t0-99999\n"), set)); /* as far as we look */
    T_EQ(set[SN_GOV_CPU_PROCESSORS_MAX / 64 - 1], UINT64_MAX);
    T_EQ(sn_gov_cpu_allowed(SN_STR("Cpus_allowed_list:\t3-1\n"), set), SN_E_SYNTAX);
    T_EQ(sn_gov_cpu_allowed(SN_STR("Cpus_allowed_list:\tx\n"), set), SN_E_SYNTAX);
    T_EQ(sn_gov_cpu_allowed(SN_STR("Cpus_allowed_list:\n"), set), SN_E_SYNTAX);
    T_EQ(sn_gov_cpu_allowed(SN_STR("Name: x"), set), SN_E_SYNTAX);
    struct sn_str stat = SN_STR("cpu  9 9 9 9 9\ncpu0 100 0 0 5 5 0 0 0 0 0\ncpu1 1 1 1 1 1\ncpu2 200 0 0 7\nintr 5\n");
    set[0] = 5;
    T_OK(sn_gov_cpu_busy_of(stat, set, 100, &v, &cpus));
    T_EQ(cpus, 2);
    T_EQ(v, 3 * SN_SEC);
    set[0] = 8;
    T_EQ(sn_gov_cpu_busy_of(stat, set, 100, &v, &cpus), SN_E_SYNTAX);
    T_OK(sn_gov_cpu_schedstat(SN_STR("100 20 3\n"), &v));
    T_EQ(v, 120);
    T_EQ(sn_gov_cpu_schedstat(SN_STR("100\n"), &v), SN_E_SYNTAX);
    T_EQ(sn_gov_cpu_schedstat(SN_STR("100 -1 3\n"), &v), SN_E_SYNTAX);
}

/* What is used never reaches the threshold where a neighbour takes half of the only processor. */
SN_TEST(cpu_with_neighbours)
{
    static const struct {
        const char *what;
        unsigned used, wanted, busy, cpus, millicores, expect; /* per mille of one processor; of a sample */
    } rows[] = {
        {"half of it is the neighbour's, and all is wanted", 500, 1000, 1000, 1, 1000, 1000},
        {"the neighbour has all the rest, little is wanted", 100, 150, 1000, 1, 1000, 150},
        {"threads wait for each other on a processor with room", 600, 1600, 600, 1, 1000, 600},
        {"two processors may be used, one is wanted", 500, 1000, 2000, 2, 2000, 500},
        {"a quota of half a processor", 450, 500, 1000, 1, 500, 1000},
        {"nothing is known but what is used", 500, 1000, 1000, 0, 1000, 500},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_gov_cpu c = {0};
        struct sn_gov_cpu_share share = {.cpus = rows[i].cpus};
        int64_t now = SN_SEC, used = 0, step = SN_GOV_CPU_EVERY_NS / 1000;
        sn_test_row("%s", rows[i].what);
        for (int k = 0; k < 3; k++, now += SN_GOV_CPU_EVERY_NS) {
            sn_gov_cpu_sample(&c, now, used, rows[i].millicores, &share);
            used += rows[i].used * step;
            share.wanted_ns += rows[i].wanted * step;
            share.busy_ns += rows[i].busy * step;
        }
        T_EQ(c.latest, rows[i].expect);
        share.wanted_ns = 0; /* a thread has ended with its count: what is used must do */
        sn_gov_cpu_sample(&c, now, used, rows[i].millicores, &share);
        T_EQ(c.latest, SN_MIN(rows[i].used * 1000 / rows[i].millicores, 1000u));
    }
}

SN_TEST(cpu_average)
{
    struct sn_gov_cpu c = {0};
    int64_t now = SN_SEC, used = 0;
    uint32_t v = 0;
    for (int i = 0; i < 200; i++, now += SN_GOV_CPU_EVERY_NS, used += SN_GOV_CPU_EVERY_NS)
        v = sn_gov_cpu_sample(&c, now, used, 2000, NULL); /* one of two processors */
    T_ASSERTF(v >= 499 && v <= 501, "%u per mille", v);
    /* One late sample weighs as the twenty it stands for; a counter that jumps back as none. */
    v = sn_gov_cpu_sample(&c, now + 20 * SN_GOV_CPU_EVERY_NS, used + 40 * SN_GOV_CPU_EVERY_NS, 2000,
                          NULL);
    T_ASSERTF(v > 800 && v < 840, "%u per mille", v);
    T_EQ(sn_gov_cpu_sample(&c, now + 30 * SN_SEC, 0, 2000, NULL), v);
}

/* ---- files ---- */

struct fake {
    char root[200];
    unsigned samples;
    uint32_t last, cpus;
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
    f->cpus = c->share.cpus;
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
    T_ASSERT(!sn_gov_cpu_limited(f.root));
    fake_write(&f, "/proc/stat", "cpu  1 2 3 4 5\ncpu0 1 2 3 4 5\ncpu1 1 2 3 4 5\n");
    T_CSTR(sn_gov_cpu_source(f.root), "/proc/stat");
    fake_write(&f, "/proc/self/cgroup", "0::/app\n1:cpu,cpuacct:/app\n");
    fake_write(&f, "/sys/fs/cgroup/cpuacct/cpuacct.usage", "5\n");
    fake_write(&f, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    fake_write(&f, "/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    T_CSTR(sn_gov_cpu_source(f.root), "/proc/stat");
    T_ASSERT(!sn_gov_cpu_limited(f.root));
    fake_write(&f, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n");
    T_CSTR(sn_gov_cpu_source(f.root), "cgroup v1");
    T_ASSERT(sn_gov_cpu_limited(f.root));
    fake_write(&f, "/sys/fs/cgroup/app/cpu.stat", "usage_usec 0\n");
    fake_write(&f, "/sys/fs/cgroup/app/cpu.max", "200000 100000\n");
    T_CSTR(sn_gov_cpu_source(f.root), "cgroup v2");
    T_ASSERT(sn_gov_cpu_limited(f.root));
    struct sn_scope_storage mem;
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_scope_go(s, "cpu", watch, &f));
    T_OK(sn_sleep(SN_SEC));
    sn_scope_cancel(s);
    sn_scope_end(s);
    T_ASSERTF(f.samples >= 2, "%u samples in a second", f.samples);
    T_ASSERTF(f.last > 0 && f.last < 200, "%u per mille on the way to 500", f.last);
    T_EQ(f.cpus, 0);
    /* With what threads want: nothing of the quota is used, all of both processors' time was. */
    fake_write(&f, "/proc/self/status", "Cpus_allowed_list:\t0-1\n");
    fake_write(&f, "/proc/self/task/7/schedstat", "5 5 1\n");
    fake_write(&f, "/proc/self/task/8/schedstat", "5 5 1\n");
    s = sn_scope_begin(&mem);
    T_OK(sn_scope_go(s, "cpu", watch, &f));
    T_OK(sn_sleep(SN_SEC / 2));
    sn_scope_cancel(s);
    sn_scope_end(s);
    T_EQ(f.cpus, 2);
    T_ASSERT(strcmp(sn_gov_cpu_source(""), "none") != 0);
    return 0;
}
SN_TEST(cpu_files) { T_OK(sn_rt_run(NULL, files_main, NULL)); }

/* SPDX-License-Identifier: Apache-2.0 */
/* From resources to control files. What is one number in one file is a row of cg_knobs; the rest,
 * where files depend on each other or take lists, is below. 0 in a limit means "not given", as in
 * every runtime since the first: the kernel has no use for it. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "cgroup/cgroup_int.h"
#include "core/status.h"

/* ---- one value to one file ---------------------------------------------------------------------
 */

/* A value on its way: kept as text, because a refused one may be tried again after its neighbour.
 */
struct cg_put {
    enum sn_cgroup_controller controller;
    const char *field; /* below linux.resources, for diagnostics */
    const char *file;
    bool optional; /* a kernel without the file has nothing to limit */
    char value[64];
};

static int cg_no_controller(const struct sn_cgroup *cg, enum sn_cgroup_controller c,
                            const char *field)
{
    int i = cg->host->of[c];
    if (i < 0)
        return sn_fail(SN_E_FAILED_PRECONDITION,
                       "linux.resources.%s: the %s controller is not mounted on this host", field,
                       sn_cgroup_controller_name(c));
    return sn_fail(
        SN_E_FAILED_PRECONDITION,
        "linux.resources.%s: cannot set %s limit: container could not join or create cgroup", field,
        sn_cgroup_controller_name(c));
}

static int cg_refused(const struct sn_cgroup *cg, const struct cg_put *p, int err)
{
    int i = cg_index(cg, p->controller);
    bool v2 = cg->host->h[i].v2;
    if (err == ENOENT && v2)
        return sn_fail(SN_E_FAILED_PRECONDITION,
                       "linux.resources.%s: %s has no %s: the %s controller is not enabled there",
                       p->field, cg->m[i].path, p->file, sn_cgroup_controller_name(p->controller));
    return sn_fail_errno(err, "linux.resources.%s: write \"%s\" to %s/%s", p->field, p->value,
                         cg->m[i].path, p->file);
}

static int cg_put_try(const struct sn_cgroup *cg, const struct cg_put *p)
{
    int i = cg_index(cg, p->controller);
    int r = cg_write(cg->m[i].dir, p->file, p->value, strlen(p->value));
    return r == -ENOENT && p->optional ? 0 : r;
}

static int cg_put(const struct sn_cgroup *cg, const struct cg_put *p)
{
    if (cg_index(cg, p->controller) < 0) return cg_no_controller(cg, p->controller, p->field);
    int r = cg_put_try(cg, p);
    return r < 0 ? cg_refused(cg, p, -r) : 0;
}

/* Values that bound each other (limit and swap, quota and period and burst): which one may go first
 * depends on what stands there now, so a refused one waits until another has been accepted. */
static int cg_put_together(const struct sn_cgroup *cg, const struct cg_put *p, size_t n)
{
    uint32_t left = (1u << n) - 1;
    while (left) {
        uint32_t before = left;
        size_t bad = 0;
        int r = 0;
        for (size_t k = 0; k < n; k++) {
            if (!(left & 1u << k)) continue;
            if (cg_index(cg, p[k].controller) < 0)
                return cg_no_controller(cg, p[k].controller, p[k].field);
            int e = cg_put_try(cg, &p[k]);
            if (e == 0)
                left &= ~(1u << k);
            else if (r == 0) {
                r = e;
                bad = k;
            }
        }
        if (left == before || (r < 0 && r != -EINVAL)) return cg_refused(cg, &p[bad], -r);
    }
    return 0;
}

static void cg_limit_text(char out[64], int64_t v, bool v2)
{
    if (v == -1 && v2)
        snprintf(out, 64, "max");
    else
        snprintf(out, 64, "%lld", (long long)v);
}

/* ---- the table ---------------------------------------------------------------------------------
 */

enum cg_convert {
    CG_NUMBER,
    CG_LIMIT,  /* -1 is "max" on v2 */
    CG_WEIGHT, /* cpu.shares to cpu.weight on v2 */
    CG_PIDS,
};
static const struct cg_knob {
    enum sn_cgroup_controller controller;
    const char *field, *v1, *v2; /* NULL: this version has no such limit, the field is ignored */
    size_t at;
    enum cg_convert convert;
    bool zero; /* 0 is a value, not "not given" */
    bool optional;
} cg_knobs[] = {
#define AT(f) offsetof(struct sn_cgroup_resources, f)
    {SN_CGROUP_MEMORY, "memory.reservation", "memory.soft_limit_in_bytes", "memory.low",
     AT(memory.reservation), CG_LIMIT, false, false},
    {SN_CGROUP_MEMORY, "memory.kernelTCP", "memory.kmem.tcp.limit_in_bytes", NULL,
     AT(memory.kernel_tcp), CG_LIMIT, false, true},
    {SN_CGROUP_MEMORY, "memory.swappiness", "memory.swappiness", NULL, AT(memory.swappiness),
     CG_NUMBER, true, false},
    {SN_CGROUP_CPU, "cpu.idle", "cpu.idle", "cpu.idle", AT(cpu.idle), CG_NUMBER, true, false},
    {SN_CGROUP_CPU, "cpu.shares", "cpu.shares", "cpu.weight", AT(cpu.shares), CG_WEIGHT, false,
     false},
    {SN_CGROUP_PIDS, "pids.limit", "pids.max", "pids.max", AT(pids_limit), CG_PIDS, true, false},
    {SN_CGROUP_NET_CLS, "network.classID", "net_cls.classid", NULL, AT(net_class), CG_NUMBER, true,
     false},
#undef AT
};

uint64_t cg_weight(uint64_t shares, bool linear)
{
    if (shares <= 2) return 1;
    if (shares >= 262144) return 10000;
    if (linear) return 1 + (shares - 2) * 9999 / 262142;
    /* The quadratic through (2, 1), (1024, 100) and (262144, 10000) in logarithms that containerd,
     * runc and Kubernetes agreed on, so that the default share is the default weight. */
    double l = log2((double)shares);
    return (uint64_t)ceil(pow(10, (l * l + 125 * l) / 612 - 7.0 / 34));
}

/* v1 clamps shares silently; whoever asked for 1 or 1000000 is told. */
static int cg_shares_check(const struct sn_cgroup *cg, int dir, uint64_t asked)
{
    uint64_t got;
    if (cg_read_u64(dir, "cpu.shares", &got) < 0 || got == asked) return 0;
    return sn_fail(SN_E_INVALID_ARGUMENT,
                   "linux.resources.cpu.shares is %llu: the %s allowed cpu-shares is %llu",
                   (unsigned long long)asked, asked > got ? "maximum" : "minimum",
                   (unsigned long long)got);
}

static int cg_knob(const struct sn_cgroup *cg, const struct sn_cgroup_resources *r,
                   const struct cg_knob *k)
{
    const struct sn_opt_i64 *o = (const void *)((const char *)r + k->at);
    if (!o->set || (o->v == 0 && !k->zero)) return 0;
    if (k->convert == CG_WEIGHT && r->cpu.idle.set && r->cpu.idle.v == 1)
        return 0; /* idle has no weight */
    struct cg_put p = {k->controller, k->field, NULL, k->optional, ""};
    bool v2 = false;
    int dir = cg_dir(cg, k->controller, &v2);
    p.file = v2 ? k->v2 : k->v1;
    if (dir < 0) return cg_no_controller(cg, k->controller, k->field);
    if (!p.file) return 0;
    if (k->convert == CG_WEIGHT && v2) {
        snprintf(p.value, sizeof(p.value), "%llu",
                 (unsigned long long)cg_weight((uint64_t)o->v, cg->host->weight_linear));
    } else if (k->convert == CG_PIDS) {
        /* 0 is 1: the kernel counts the container's first process in any case. */
        if (o->v < 0)
            snprintf(p.value, sizeof(p.value), "max");
        else
            snprintf(p.value, sizeof(p.value), "%lld", o->v ? (long long)o->v : 1LL);
    } else {
        cg_limit_text(p.value, o->v, v2 && k->convert == CG_LIMIT);
    }
    int e = cg_put(cg, &p);
    if (e == 0 && k->convert == CG_WEIGHT && !v2) e = cg_shares_check(cg, dir, (uint64_t)o->v);
    return e;
}

/* ---- memory ------------------------------------------------------------------------------------
 */

/* The kernel says EBUSY for a limit below what is in use; how much that is helps. */
static int cg_memory_busy(const struct sn_cgroup *cg, int dir, const struct sn_cgroup_resources *r,
                          int code)
{
    uint64_t usage = 0, peak = 0;
    if (code != SN_E_BUSY) return code;
    (void)cg_read_u64(dir, "memory.usage_in_bytes", &usage);
    (void)cg_read_u64(dir, "memory.max_usage_in_bytes", &peak);
    return sn_fail(
        SN_E_BUSY,
        "linux.resources.memory.limit: unable to set memory limit to %lld (current usage: %llu, "
        "peak usage: %llu)",
        (long long)r->memory.limit.v, (unsigned long long)usage, (unsigned long long)peak);
}

static int cg_memory_v1(const struct sn_cgroup *cg, int dir, const struct sn_cgroup_resources *r)
{
    struct cg_put p[2] = {0};
    size_t n = 0;
    int64_t limit = r->memory.limit.set ? r->memory.limit.v : 0,
            swap = r->memory.swap.set ? r->memory.swap.v : 0;
    /* Unlimited memory under an old swap limit would be refused. */
    if (limit == -1 && swap == 0 && cg_exists(dir, "memory.memsw.limit_in_bytes")) swap = -1;
    if (limit != 0) {
        p[n] =
            (struct cg_put){SN_CGROUP_MEMORY, "memory.limit", "memory.limit_in_bytes", false, ""};
        cg_limit_text(p[n++].value, limit, false);
    }
    if (swap != 0) {
        p[n] = (struct cg_put){SN_CGROUP_MEMORY, "memory.swap", "memory.memsw.limit_in_bytes",
                               swap == -1, ""};
        cg_limit_text(p[n++].value, swap, false);
    }
    int e = cg_put_together(cg, p, n);
    return limit != 0 ? cg_memory_busy(cg, dir, r, e) : e;
}

/* The specification's swap is memory + swap, v2's is swap alone. */
static int cg_swap_v2(int dir, const struct sn_cgroup_resources *r, int64_t *ret)
{
    int64_t swap = r->memory.swap.v;
    if (swap == -1) {
        *ret = -1;
        return 0;
    }
    uint64_t limit =
        r->memory.limit.set && r->memory.limit.v != 0 ? (uint64_t)r->memory.limit.v : 0;
    if (limit == 0 && cg_read_u64(dir, "memory.max", &limit) < 0) limit = 0;
    if (limit == 0 || limit == UINT64_MAX) {
        if (limit == 0)
            return sn_fail(
                SN_E_INVALID_ARGUMENT,
                "linux.resources.memory.swap: unable to set swap limit without memory limit");
        *ret = swap; /* no limit on memory: swap as it is */
        return 0;
    }
    if ((uint64_t)swap < limit)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "linux.resources.memory.swap is %lld: memory+swap limit should be >= memory "
                       "limit (%llu)",
                       (long long)swap, (unsigned long long)limit);
    *ret = swap - (int64_t)limit;
    return 0;
}

static int cg_memory_v2(const struct sn_cgroup *cg, int dir, const struct sn_cgroup_resources *r)
{
    int64_t limit = r->memory.limit.set ? r->memory.limit.v : 0, swap = 0;
    bool swap_set = r->memory.swap.set && r->memory.swap.v != 0;
    int e = swap_set ? cg_swap_v2(dir, r, &swap) : 0;
    if (e < 0) return e;
    if (limit == -1 && !swap_set) { /* as v1, where one implies the other */
        swap = -1;
        swap_set = true;
    }
    uint64_t usage;
    if (r->memory.check_before_update.v && limit > 0 &&
        cg_read_u64(dir, "memory.current", &usage) == 0 && (uint64_t)limit < usage)
        return sn_fail(SN_E_FAILED_PRECONDITION,
                       "linux.resources.memory.limit: unable to set memory limit to %lld (current "
                       "usage: %llu)",
                       (long long)limit, (unsigned long long)usage);
    if (swap_set) {
        /* Without swap accounting "none" and "any" are both what happens anyway. */
        struct cg_put p = {SN_CGROUP_MEMORY, "memory.swap", "memory.swap.max", swap <= 0, ""};
        cg_limit_text(p.value, swap, true);
        if ((e = cg_put(cg, &p)) < 0) return e;
    }
    if (limit == 0) return 0;
    struct cg_put p = {SN_CGROUP_MEMORY, "memory.limit", "memory.max", false, ""};
    cg_limit_text(p.value, limit, true);
    return cg_put(cg, &p);
}

static int cg_apply_memory(const struct sn_cgroup *cg, const struct sn_cgroup_resources *r)
{
    bool v2 = false, limits = (r->memory.limit.set && r->memory.limit.v) ||
                              (r->memory.swap.set && r->memory.swap.v);
    int dir = cg_dir(cg, SN_CGROUP_MEMORY, &v2);
    if (limits && dir < 0) return cg_no_controller(cg, SN_CGROUP_MEMORY, "memory.limit");
    int e = !limits ? 0 : v2 ? cg_memory_v2(cg, dir, r) : cg_memory_v1(cg, dir, r);
    /* v2 has neither: its hierarchy is always one, and its OOM killer cannot be switched off. */
    if (e == 0 && r->memory.use_hierarchy.v && !v2) {
        struct cg_put p = {SN_CGROUP_MEMORY, "memory.useHierarchy", "memory.use_hierarchy", true,
                           "1"};
        e = cg_put(cg, &p);
    }
    if (e == 0 && r->memory.disable_oom_killer.set && !v2 && dir >= 0) {
        int i = cg_index(cg, SN_CGROUP_MEMORY);
        struct cg_put p = {SN_CGROUP_MEMORY, "memory.disableOOMKiller", "memory.oom_control", false,
                           "1"};
        if (!r->memory.disable_oom_killer.v) p.value[0] = '0';
        if (r->memory.disable_oom_killer.v || cg->m[i].made == 0) e = cg_put(cg, &p);
    }
    return e;
}

/* ---- cpu ---------------------------------------------------------------------------------------
 */

static bool cg_given(struct sn_opt_i64 o) { return o.set && o.v != 0; }

/* v1's real-time runtime has to be there in every group above first. */
static void cg_realtime_above(const struct sn_cgroup *cg, const struct sn_cgroup_resources *r)
{
    int i = cg_index(cg, SN_CGROUP_CPU);
    if (i < 0 || cg->host->h[i].v2 || !cg_given(r->cpu.rt_runtime_us)) return;
    size_t mount = strlen(cg->host->h[i].mount);
    char path[SN_CGROUP_PATH_MAX / 2];
    if (sn_str_cz(sn_str(cg->m[i].path), path, sizeof(path)) < 0) return;
    for (char *slash = strchr(path + mount + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        uint64_t has = 0;
        *slash = '\0';
        int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        *slash = '/';
        if (dir < 0) return;
        if (cg_read_u64(dir, "cpu.rt_runtime_us", &has) == 0 && has == 0) {
            if (cg_given(r->cpu.rt_period_us))
                (void)cg_writef(dir, "cpu.rt_period_us", "%lld", (long long)r->cpu.rt_period_us.v);
            (void)cg_writef(dir, "cpu.rt_runtime_us", "%lld", (long long)r->cpu.rt_runtime_us.v);
        }
        close(dir);
    }
}

static int cg_cpu_v1(const struct sn_cgroup *cg, const struct sn_cgroup_resources *r)
{
    const struct {
        struct sn_opt_i64 v;
        const char *field, *file;
        bool zero;
    } bandwidth[] = {{r->cpu.period_us, "cpu.period", "cpu.cfs_period_us", false},
                     {r->cpu.quota_us, "cpu.quota", "cpu.cfs_quota_us", false},
                     {r->cpu.burst_us, "cpu.burst", "cpu.cfs_burst_us", true}},
      realtime[] = {{r->cpu.rt_period_us, "cpu.realtimePeriod", "cpu.rt_period_us", false},
                    {r->cpu.rt_runtime_us, "cpu.realtimeRuntime", "cpu.rt_runtime_us", false}};
    struct cg_put p[3] = {0};
    size_t n = 0;
    for (size_t k = 0; k < SN_COUNT_OF(bandwidth); k++) {
        if (!bandwidth[k].v.set || (bandwidth[k].v.v == 0 && !bandwidth[k].zero)) continue;
        p[n] = (struct cg_put){SN_CGROUP_CPU, bandwidth[k].field, bandwidth[k].file, false, ""};
        cg_limit_text(p[n++].value, bandwidth[k].v.v, false);
    }
    int e = cg_put_together(cg, p, n);
    n = 0;
    for (size_t k = 0; e == 0 && k < SN_COUNT_OF(realtime); k++) {
        if (!cg_given(realtime[k].v)) continue;
        p[n] = (struct cg_put){SN_CGROUP_CPU, realtime[k].field, realtime[k].file, false, ""};
        cg_limit_text(p[n++].value, realtime[k].v.v, false);
    }
    if (e == 0 && n > 0) {
        cg_realtime_above(cg, r);
        e = cg_put_together(cg, p, n);
    }
    return e;
}

static int cg_cpu_v2(const struct sn_cgroup *cg, int dir, const struct sn_cgroup_resources *r)
{
    struct cg_put p[2] = {0};
    size_t n = 0;
    if (cg_given(r->cpu.rt_runtime_us) || cg_given(r->cpu.rt_period_us))
        return sn_fail(SN_E_FAILED_PRECONDITION,
                       "linux.resources.cpu.realtimeRuntime: cgroup v2 has no real-time limits");
    if (cg_given(r->cpu.quota_us) || cg_given(r->cpu.period_us)) {
        char now[64], *period;
        p[n] = (struct cg_put){SN_CGROUP_CPU, "cpu.quota", "cpu.max", false, ""};
        /* One file for both: what is not given stays as it is. */
        if (cg_read_into(dir, "cpu.max", now, sizeof(now)) < 0 || !(period = strchr(now, ' ')))
            period = (char *)memcpy(now, "max 100000", 11) + 3;
        *period++ = '\0';
        char quota[64], per[64];
        cg_limit_text(quota, r->cpu.quota_us.v, true);
        cg_limit_text(per, r->cpu.period_us.v, true);
        snprintf(p[n].value, sizeof(p[n].value), "%.24s %.24s",
                 cg_given(r->cpu.quota_us) ? quota : now,
                 cg_given(r->cpu.period_us) ? per : period);
        n++;
    }
    if (r->cpu.burst_us.set) {
        p[n] = (struct cg_put){SN_CGROUP_CPU, "cpu.burst", "cpu.max.burst", false, ""};
        cg_limit_text(p[n++].value, r->cpu.burst_us.v, true);
    }
    return cg_put_together(cg, p, n);
}

static int cg_cpuset(const struct sn_cgroup *cg, const char *field, const char *file,
                     struct sn_str list)
{
    int i = cg_index(cg, SN_CGROUP_CPUSET);
    if (list.len == 0) return 0;
    if (i < 0) return cg_no_controller(cg, SN_CGROUP_CPUSET, field);
    int e = cg_write(cg->m[i].dir, file, list.ptr, list.len);
    if (e < 0)
        return sn_fail_errno(-e, "linux.resources.%s: write \"%.*s\" to %s/%s", field,
                             SN_STR_ARG(list), cg->m[i].path, file);
    return 0;
}

static int cg_apply_cpu(const struct sn_cgroup *cg, const struct sn_cgroup_resources *r)
{
    bool v2 = false;
    int dir = cg_dir(cg, SN_CGROUP_CPU, &v2);
    bool any = cg_given(r->cpu.quota_us) || cg_given(r->cpu.period_us) || r->cpu.burst_us.set ||
               cg_given(r->cpu.rt_runtime_us) || cg_given(r->cpu.rt_period_us);
    int e = 0;
    if (any && dir < 0) return cg_no_controller(cg, SN_CGROUP_CPU, "cpu");
    if (any) e = v2 ? cg_cpu_v2(cg, dir, r) : cg_cpu_v1(cg, r);
    if (e == 0) e = cg_cpuset(cg, "cpu.cpus", "cpuset.cpus", r->cpu.cpus);
    if (e == 0) e = cg_cpuset(cg, "cpu.mems", "cpuset.mems", r->cpu.mems);
    return e;
}

/* ---- blockIO -----------------------------------------------------------------------------------
 */

static int cg_put_text(const struct sn_cgroup *cg, enum sn_cgroup_controller c, const char *field,
                       const char *file, const char *value)
{
    struct cg_put p = {c, field, file, false, ""};
    int n = snprintf(p.value, sizeof(p.value), "%s", value);
    if (n < 0 || (size_t)n >= sizeof(p.value))
        return sn_fail(SN_E_TOO_LARGE, "linux.resources.%s: \"%s\" is too long", field, value);
    return cg_put(cg, &p);
}

/* Weights are the scheduler's business: BFQ has its own file with v1's scale. */
static const char *cg_weight_file(int dir, bool v2, bool device, bool *scale)
{
    *scale = false;
    if (v2) {
        if (cg_exists(dir, "io.bfq.weight")) return "io.bfq.weight";
        *scale = true;
        return "io.weight";
    }
    const char *plain = device ? "blkio.weight_device" : "blkio.weight";
    const char *bfq = device ? "blkio.bfq.weight_device" : "blkio.bfq.weight";
    return cg_exists(dir, plain) ? plain : bfq;
}

static unsigned long long cg_io_weight(int64_t w, bool scale)
{
    if (!scale) return (unsigned long long)w;
    return w <= 10 ? 1 : 1 + (unsigned long long)(w - 10) * 9999 / 990; /* 10..1000 to 1..10000 */
}

static int cg_io_weights(const struct sn_cgroup *cg, int dir, bool v2,
                         const struct sn_cgroup_resources *r)
{
    char value[64];
    bool scale;
    int e = 0;
    if (cg_given(r->io.weight)) {
        const char *file = cg_weight_file(dir, v2, false, &scale);
        snprintf(value, sizeof(value), "%llu", cg_io_weight(r->io.weight.v, scale));
        e = cg_put_text(cg, SN_CGROUP_IO, "blockIO.weight", file, value);
    }
    if (e == 0 && cg_given(r->io.leaf_weight) && !v2) {
        snprintf(value, sizeof(value), "%lld", (long long)r->io.leaf_weight.v);
        e = cg_put_text(cg, SN_CGROUP_IO, "blockIO.leafWeight", "blkio.leaf_weight", value);
    }
    for (size_t k = 0; e == 0 && k < r->io.weight_device.n; k++) {
        const struct sn_cgroup_dev_weight *w = &r->io.weight_device.ptr[k];
        const char *file = cg_weight_file(dir, v2, true, &scale);
        if (cg_given(w->weight)) {
            snprintf(value, sizeof(value), "%lld:%lld %llu", (long long)w->major,
                     (long long)w->minor, cg_io_weight(w->weight.v, scale));
            e = cg_put_text(cg, SN_CGROUP_IO, "blockIO.weightDevice", file, value);
        }
        if (e == 0 && cg_given(w->leaf_weight) && !v2) {
            snprintf(value, sizeof(value), "%lld:%lld %lld", (long long)w->major,
                     (long long)w->minor, (long long)w->leaf_weight.v);
            e = cg_put_text(cg, SN_CGROUP_IO, "blockIO.weightDevice", "blkio.leaf_weight_device",
                            value);
        }
    }
    return e;
}

static int cg_io_throttle(const struct sn_cgroup *cg, bool v2, unsigned kind,
                          const struct sn_cgroup_dev_rate *d)
{
    static const struct {
        const char *field, *v1, *v2;
    } names[SN_CGROUP_THROTTLES] = {
        {"blockIO.throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps"},
        {"blockIO.throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps"},
        {"blockIO.throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops"},
        {"blockIO.throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops"},
    };
    char value[64];
    int n = snprintf(value, sizeof(value), "%lld:%lld ", (long long)d->major, (long long)d->minor);
    /* 0 lifts a limit: that is v1's way to say it, v2 has a word. */
    if (v2 && d->rate == 0)
        snprintf(value + n, sizeof(value) - (size_t)n, "%s=max", names[kind].v2);
    else
        snprintf(value + n, sizeof(value) - (size_t)n, "%s%s%llu", v2 ? names[kind].v2 : "",
                 v2 ? "=" : "", (unsigned long long)d->rate);
    return cg_put_text(cg, SN_CGROUP_IO, names[kind].field, v2 ? "io.max" : names[kind].v1, value);
}

static int cg_apply_io(const struct sn_cgroup *cg, const struct sn_cgroup_resources *r)
{
    bool v2 = false,
         any = cg_given(r->io.weight) || cg_given(r->io.leaf_weight) || r->io.weight_device.n > 0;
    for (unsigned k = 0; k < SN_CGROUP_THROTTLES; k++) any = any || r->io.throttle[k].n > 0;
    if (!any) return 0;
    int dir = cg_dir(cg, SN_CGROUP_IO, &v2);
    if (dir < 0) return cg_no_controller(cg, SN_CGROUP_IO, "blockIO");
    int e = cg_io_weights(cg, dir, v2, r);
    for (unsigned k = 0; e == 0 && k < SN_CGROUP_THROTTLES; k++)
        for (size_t i = 0; e == 0 && i < r->io.throttle[k].n; i++)
            e = cg_io_throttle(cg, v2, k, &r->io.throttle[k].ptr[i]);
    return e;
}

/* ---- hugetlb, rdma, net_prio, unified ----------------------------------------------------------
 */

/* On a hybrid host a controller that no v1 hierarchy took may be v2's, switched off. */
static void cg_hybrid_enable(const struct sn_cgroup *cg, int i, const char *file)
{
    if (i >= 0 && cg->host->h[i].v2 && cg->host->layout == SN_CGROUP_HYBRID &&
        !cg_exists(cg->m[i].dir, file))
        (void)cg_enable_v2(cg);
}

static int cg_apply_hugetlb(const struct sn_cgroup *cg, const struct sn_cgroup_resources *r)
{
    for (size_t k = 0; k < r->hugetlb.n; k++) {
        const struct sn_cgroup_hugetlb *h = &r->hugetlb.ptr[k];
        char file[64], value[64];
        int i = cg_index(cg, SN_CGROUP_HUGETLB);
        bool v2 = i >= 0 && cg->host->h[i].v2;
        const char *tail = v2 ? "max" : "limit_in_bytes";
        snprintf(value, sizeof(value), "%llu", (unsigned long long)h->limit);
        snprintf(file, sizeof(file), "hugetlb.%.*s.%s", SN_STR_ARG(h->page_size), tail);
        cg_hybrid_enable(cg, i, file);
        int e = cg_put_text(cg, SN_CGROUP_HUGETLB, "hugepageLimits", file, value);
        if (e < 0) return e;
        /* Reservations are counted apart since 5.7; a limit on use alone ends in SIGBUS. */
        snprintf(file, sizeof(file), "hugetlb.%.*s.rsvd.%s", SN_STR_ARG(h->page_size), tail);
        struct cg_put p = {SN_CGROUP_HUGETLB, "hugepageLimits", file, true, ""};
        memcpy(p.value, value, sizeof(value));
        if ((e = cg_put(cg, &p)) < 0) return e;
    }
    return 0;
}

static int cg_apply_rdma(const struct sn_cgroup *cg, const struct sn_cgroup_resources *r)
{
    for (size_t k = 0; k < r->rdma.n; k++) {
        const struct sn_cgroup_rdma *d = &r->rdma.ptr[k];
        char value[400];
        int i = cg_index(cg, SN_CGROUP_RDMA), n;
        if (i < 0) return cg_no_controller(cg, SN_CGROUP_RDMA, "rdma");
        cg_hybrid_enable(cg, i, "rdma.max");
        n = snprintf(value, sizeof(value), "%.*s", SN_STR_ARG(d->device));
        if (d->handles.set)
            n += snprintf(value + n, sizeof(value) - (size_t)n, " hca_handle=%lld",
                          (long long)d->handles.v);
        if (d->objects.set)
            n += snprintf(value + n, sizeof(value) - (size_t)n, " hca_object=%lld",
                          (long long)d->objects.v);
        int e = cg_write(cg->m[i].dir, "rdma.max", value, (size_t)n);
        if (e < 0)
            return sn_fail_errno(-e, "linux.resources.rdma: write \"%s\" to %s/rdma.max", value,
                                 cg->m[i].path);
    }
    return 0;
}

static int cg_apply_net_prio(const struct sn_cgroup *cg, const struct sn_cgroup_resources *r)
{
    for (size_t k = 0; k < r->net_prio.n; k++) {
        const struct sn_cgroup_prio *p = &r->net_prio.ptr[k];
        int i = cg_index(cg, SN_CGROUP_NET_PRIO);
        if (i < 0) return cg_no_controller(cg, SN_CGROUP_NET_PRIO, "network.priorities");
        int e = cg_writef(cg->m[i].dir, "net_prio.ifpriomap", "%.*s %u", SN_STR_ARG(p->interface),
                          p->priority);
        if (e < 0)
            return sn_fail_errno(
                -e, "linux.resources.network.priorities: \"%.*s %u\" to %s/net_prio.ifpriomap",
                SN_STR_ARG(p->interface), p->priority, cg->m[i].path);
    }
    return 0;
}

static int cg_apply_unified(const struct sn_cgroup *cg, const struct sn_cgroup_resources *r)
{
    int dir = cg_unified(cg);
    if (r->unified.n > 0 && dir < 0)
        return sn_fail(
            SN_E_FAILED_PRECONDITION,
            "linux.resources.unified: this host has no cgroup v2 hierarchy for the container");
    for (size_t k = 0; k < r->unified.n; k++) {
        char file[256];
        struct sn_str value = r->unified.ptr[k].value, line, key = r->unified.ptr[k].key;
        if (sn_str_cz(key, file, sizeof(file)) < 0)
            return sn_fail(SN_E_INVALID_ARGUMENT, "linux.resources.unified: a key of %zu bytes",
                           key.len);
        cg_hybrid_enable(cg, cg->host->unified, file);
        bool any = false;
        /* Files that are keyed by device take one line per write. */
        while (cg_next_line(&value, &line) || !any) {
            if (!any && r->unified.ptr[k].value.len == 0) line = SN_STR("");
            any = true;
            int e = cg_write(dir, file, line.len ? line.ptr : "", line.len);
            if (e == -ENOENT)
                return sn_fail(
                    SN_E_FAILED_PRECONDITION,
                    "linux.resources.unified[\"%s\"]: controller %.*s is not available in %s", file,
                    (int)strcspn(file, "."), file, cg->m[cg->host->unified].path);
            if (e < 0)
                return sn_fail_errno(-e, "linux.resources.unified[\"%s\"]: write \"%.*s\"", file,
                                     SN_STR_ARG(line));
        }
    }
    return 0;
}

/* ---- all ---------------------------------------------------------------------------------------
 */

static int cg_apply_devices(const struct sn_cgroup *cg, const struct sn_cgroup_resources *r)
{
    if (!r->devices_set) return 0;
    struct sn_arena a;
    struct cg_devices d;
    bool v2 = false;
    int dir = cg_dir(cg, SN_CGROUP_DEVICES, &v2), e = 0;
    /* Nobody to ask, and nobody who may: a runtime without privileges cannot restrict devices. */
    if (dir < 0) return cg->host->rootless ? 0 : cg_no_controller(cg, SN_CGROUP_DEVICES, "devices");
    sn_arena_init(&a, NULL, 0);
    int f = cg_devices_fold(&a, r->devices.ptr, r->devices.n, !v2, &d);
    if (f == 0) e = v2 ? cg_devices_v2(&a, dir, &d) : cg_devices_v1(&a, dir, &d, cg->fresh);
    sn_arena_done(&a);
    if (f < 0) return f;
    if (e < 0 && !(cg->host->rootless && cg_denied(-e)))
        return sn_fail_errno(-e, "linux.resources.devices: %s %s",
                             v2 ? "attach a program to" : "write rules to",
                             cg->m[cg_index(cg, SN_CGROUP_DEVICES)].path);
    return 0;
}

int sn_cgroup_apply(struct sn_cgroup *cg, const struct sn_cgroup_resources *r)
{
    int e = cg_apply_memory(cg, r);
    for (size_t k = 0; e == 0 && k < SN_COUNT_OF(cg_knobs); k++) e = cg_knob(cg, r, &cg_knobs[k]);
    if (e == 0) e = cg_apply_cpu(cg, r);
    if (e == 0) e = cg_apply_io(cg, r);
    if (e == 0) e = cg_apply_hugetlb(cg, r);
    if (e == 0) e = cg_apply_rdma(cg, r);
    if (e == 0) e = cg_apply_net_prio(cg, r);
    if (e == 0) e = cg_apply_unified(cg, r);
    if (e == 0) e = cg_apply_devices(cg, r);
    cg->fresh = false;
    return e;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* govern/cpu.c - see cpu.h. */
#include "govern/cpu.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/status.h"
#include "fiber/fiber.h"
#include "fiber/os.h"

/* Per mille of what the process may have that it wants while nobody leaves it idle; 0 where that is not
 * known. Either number alone says little: neighbours may keep a machine busy that this process asks
 * nothing of, and its threads may wait a moment for each other on an idle one. */
static double contended(const struct sn_gov_cpu *c, const struct sn_gov_cpu_share *s, int64_t span,
                        int64_t millicores)
{
    int64_t wanted = s->wanted_ns - c->share.wanted_ns, busy = s->busy_ns - c->share.busy_ns;
    if (!s->cpus || s->cpus != c->share.cpus || wanted < 0 || busy < 0) return 0;
    double may = SN_MIN((double)millicores, 1000.0 * s->cpus);
    return SN_MIN((double)wanted / (double)span * 1e6 / may,
                  (double)busy / (double)span * 1e3 / s->cpus);
}

uint32_t sn_gov_cpu_sample(struct sn_gov_cpu *c, int64_t now_ns, int64_t used_ns, int64_t millicores,
                           const struct sn_gov_cpu_share *share)
{
    static const struct sn_gov_cpu_share none;
    if (!share) share = &none;
    int64_t span = now_ns - c->at_ns, used = used_ns - c->used_ns;
    bool first = !c->at_ns || span <= 0 || used < 0 || millicores <= 0;
    double others = first ? 0 : contended(c, share, span, millicores);
    c->at_ns = now_ns;
    c->used_ns = used_ns;
    c->share = *share;
    if (first) return (uint32_t)(c->ewma + 0.5);
    double now = (double)used / (double)span * 1e6 / (double)millicores;
    now = SN_MIN(SN_MAX(now, others), 1000.0);
    c->latest = (uint32_t)now;
    /* A sample that comes late weighs as those that it stands for. */
    double keep = 1.0;
    for (int64_t s = 0; s < span && keep > 1e-3; s += SN_GOV_CPU_EVERY_NS) keep *= SN_GOV_CPU_KEEP;
    c->ewma = c->ewma * keep + now * (1.0 - keep);
    return (uint32_t)(c->ewma + 0.5);
}

int sn_gov_cpu_v2_stat(struct sn_str text, int64_t *ret_used_ns)
{
    while (text.ptr) {
        struct sn_str line = sn_str_cut(&text, '\n'), key = sn_str_cut(&line, ' ');
        int64_t us;
        if (!sn_str_eqc(key, "usage_usec")) continue;
        if (!line.ptr || sn_str_to_i64(line, &us) < 0 || us < 0 || us > INT64_MAX / SN_US) break;
        *ret_used_ns = us * SN_US;
        return 0;
    }
    return sn_fail(SN_E_SYNTAX, "cpu.stat: a line 'usage_usec N' is expected");
}

int sn_gov_cpu_v2_max(struct sn_str text, int64_t *ret_millicores)
{
    struct sn_str rest = sn_str_trim(text), quota = sn_str_cut(&rest, ' ');
    int64_t q, p;
    if (sn_str_eqc(quota, "max")) {
        *ret_millicores = 0;
        return 0;
    }
    if (!rest.ptr || sn_str_to_i64(quota, &q) < 0 || sn_str_to_i64(rest, &p) < 0 || q <= 0 ||
        p <= 0 || q > INT64_MAX / 1000)
        return sn_fail(SN_E_SYNTAX,
                       "cpu.max: 'max PERIOD' or 'QUOTA PERIOD' is expected, not '%.*s'",
                       SN_STR_ARG(sn_str_trim(text)));
    *ret_millicores = SN_MAX(q * 1000 / p, 1);
    return 0;
}

int sn_gov_cpu_v1_quota(struct sn_str quota, struct sn_str period, int64_t *ret_millicores)
{
    int64_t q, p;
    quota = sn_str_trim(quota);
    period = sn_str_trim(period);
    if (sn_str_to_i64(quota, &q) < 0 || sn_str_to_i64(period, &p) < 0 || p <= 0 ||
        q > INT64_MAX / 1000)
        return sn_fail(SN_E_SYNTAX,
                       "cpu.cfs_quota_us, cpu.cfs_period_us: numbers are expected, not "
                       "'%.*s', '%.*s'",
                       SN_STR_ARG(quota), SN_STR_ARG(period));
    *ret_millicores = q <= 0 ? 0 : SN_MAX(q * 1000 / p, 1);
    return 0;
}

/* The columns behind "cpuN": busy ticks. */
static int busy_ticks(struct sn_str columns, int64_t *ret)
{
    int64_t busy = 0, ticks;
    unsigned column = 0;
    columns = sn_str_trim(columns);
    while (columns.ptr && column < 8) {
        struct sn_str word = sn_str_cut(&columns, ' ');
        if (sn_str_to_i64(word, &ticks) < 0 || ticks < 0 || ticks > INT64_MAX / 16 / SN_SEC)
            return sn_fail(SN_E_SYNTAX, "/proc/stat: '%.*s' is no number of ticks", SN_STR_ARG(word));
        /* idle and iowait do nothing */
        if (column != 3 && column != 4) busy += ticks;
        column++;
    }
    if (column < 4) return sn_fail(SN_E_SYNTAX, "/proc/stat: %u columns, 4 are expected", column);
    *ret = busy;
    return 0;
}

static int64_t ticks_ns(int64_t ticks, int64_t tick_hz)
{
    return (int64_t)((double)ticks * (double)SN_SEC / (double)tick_hz);
}

int sn_gov_cpu_proc_stat(struct sn_str text, int64_t tick_hz, int64_t *ret_used_ns,
                         unsigned *ret_cpus)
{
    struct sn_str first = sn_str_cut(&text, '\n');
    int64_t busy = 0;
    if (!sn_str_starts(first, SN_STR("cpu ")) || tick_hz <= 0)
        return sn_fail(SN_E_SYNTAX, "/proc/stat: a first line 'cpu  USER NICE ...' is expected");
    int r = busy_ticks(sn_str_from(first, 4), &busy);
    if (r < 0) return r;
    unsigned cpus = 0;
    while (text.ptr) cpus += sn_str_starts(sn_str_cut(&text, '\n'), SN_STR("cpu"));
    *ret_used_ns = ticks_ns(busy, tick_hz);
    *ret_cpus = SN_MAX(cpus, 1u);
    return 0;
}

int sn_gov_cpu_allowed(struct sn_str status, uint64_t ret[SN_GOV_CPU_PROCESSORS_MAX / 64])
{
    struct sn_str list = {0};
    while (status.ptr && !list.ptr) {
        struct sn_str line = sn_str_cut(&status, '\n'), key = sn_str_cut(&line, ':');
        if (sn_str_eqc(key, "Cpus_allowed_list") && line.ptr) list = sn_str_trim(line);
    }
    if (!list.len) return sn_fail(SN_E_SYNTAX, "status: a line 'Cpus_allowed_list: 0-3,8' is expected");
    memset(ret, 0, SN_GOV_CPU_PROCESSORS_MAX / 8);
    while (list.ptr) {
        struct sn_str hi = sn_str_cut(&list, ','), lo = sn_str_cut(&hi, '-');
        uint64_t from, to;
        if (sn_str_to_u64(lo, &from) < 0 || sn_str_to_u64(hi.ptr ? hi : lo, &to) < 0 || to < from)
            return sn_fail(SN_E_SYNTAX, "Cpus_allowed_list: '%.*s' is no range", SN_STR_ARG(lo));
        for (; from <= to && from < SN_GOV_CPU_PROCESSORS_MAX; from++)
            ret[from / 64] |= 1ull << from % 64;
    }
    return 0;
}

int sn_gov_cpu_busy_of(struct sn_str text, const uint64_t allowed[SN_GOV_CPU_PROCESSORS_MAX / 64],
                       int64_t tick_hz, int64_t *ret_busy_ns, unsigned *ret_cpus)
{
    int64_t all = 0, busy = 0;
    unsigned cpus = 0;
    while (text.ptr) {
        struct sn_str line = sn_str_cut(&text, '\n'), name = sn_str_cut(&line, ' ');
        uint64_t n;
        if (!sn_str_starts(name, SN_STR("cpu")) || name.len == 3) continue;
        if (sn_str_to_u64(sn_str_from(name, 3), &n) < 0 || n >= SN_GOV_CPU_PROCESSORS_MAX) continue;
        if (!(allowed[n / 64] >> n % 64 & 1)) continue;
        int r = busy_ticks(line, &busy);
        if (r < 0) return r;
        all += busy;
        cpus++;
    }
    if (!cpus || tick_hz <= 0)
        return sn_fail(SN_E_SYNTAX, "/proc/stat: no line 'cpuN USER NICE ...' of a processor to run on");
    *ret_busy_ns = ticks_ns(all, tick_hz);
    *ret_cpus = cpus;
    return 0;
}

int sn_gov_cpu_schedstat(struct sn_str text, int64_t *ret_wanted_ns)
{
    int64_t ran, waited;
    struct sn_str rest = sn_str_trim(text), first = sn_str_cut(&rest, ' ');
    if (sn_str_to_i64(first, &ran) < 0 || sn_str_to_i64(sn_str_cut(&rest, ' '), &waited) < 0 ||
        ran < 0 || waited < 0 || ran > INT64_MAX / 2 || waited > INT64_MAX / 2)
        return sn_fail(SN_E_SYNTAX, "schedstat: 'RAN WAITED N' is expected");
    *ret_wanted_ns = ran + waited;
    return 0;
}

int sn_gov_cpu_cgroup_path(struct sn_str text, struct sn_str name, struct sn_str *ret)
{
    while (text.ptr) {
        struct sn_str line = sn_str_cut(&text, '\n');
        sn_str_cut(&line, ':');
        if (!line.ptr) continue;
        struct sn_str names = sn_str_cut(&line, ':');
        if (!line.ptr) continue;
        bool hit = !name.len && !names.len;
        while (name.len && names.ptr && !hit) hit = sn_str_eq(sn_str_cut(&names, ','), name);
        if (!hit) continue;
        *ret = line;
        return 0;
    }
    return SN_E_NOT_FOUND;
}

/* ---- reading --------------------------------------------------------------------------------- */

enum source { SOURCE_V2, SOURCE_V1, SOURCE_PROC };
static const char *const source_names[] = {"cgroup v2", "cgroup v1", "/proc/stat"};

struct reader {
    const char *root;
    enum source source;
    struct sn_arena arena;
    char own[256]; /* the cgroup's path */
    int64_t used_ns, millicores;
    struct sn_gov_cpu_share share;
};

#define FILE_BYTES_MAX (64u << 10) /* what is longer (processors in /proc/stat) is cut there */

/* With plain system calls: all of a sample's files are read by one job on the offload pool, which may
 * have a long queue just when the sample is wanted most. */
static int file(struct reader *r, struct sn_str *ret, const char *dir, const char *own,
                const char *name)
{
    struct sn_str path = sn_arena_printf(&r->arena, "%s%s%s/%s", r->root, dir, own, name);
    char *text = path.ptr ? sn_arena_alloc(&r->arena, FILE_BYTES_MAX) : NULL;
    if (!text) return SN_E_NOMEM;
    int fd = open(path.ptr, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return sn_fail_errno(errno, "open %s", path.ptr);
    size_t n = 0;
    ssize_t k = 1;
    while (n < FILE_BYTES_MAX && (k = read(fd, text + n, FILE_BYTES_MAX - n)) > 0) n += (size_t)k;
    int e = k < 0 ? sn_fail_errno(errno, "read %s", path.ptr) : 0;
    close(fd);
    if (e == 0) *ret = sn_str_of(text, n);
    return e;
}

/* Inside a container the path in /proc/self/cgroup is often the host's, while its own group is
 * mounted as the top: both places are looked at. */
static int file_of_group(struct reader *r, struct sn_str *ret, const char *dir, const char *name)
{
    int e = file(r, ret, dir, r->own, name);
    return e == SN_E_NOT_FOUND && r->own[0] ? file(r, ret, dir, "", name) : e;
}

static int read_v2(struct reader *r)
{
    struct sn_str stat, max;
    int e = file_of_group(r, &stat, "/sys/fs/cgroup", "cpu.stat");
    if (e == 0) e = file_of_group(r, &max, "/sys/fs/cgroup", "cpu.max");
    if (e == 0) e = sn_gov_cpu_v2_stat(stat, &r->used_ns);
    return e == 0 ? sn_gov_cpu_v2_max(max, &r->millicores) : e;
}

static int read_v1(struct reader *r)
{
    struct sn_str used, quota, period;
    int e = file_of_group(r, &used, "/sys/fs/cgroup/cpuacct", "cpuacct.usage");
    if (e == 0) e = file_of_group(r, &quota, "/sys/fs/cgroup/cpu", "cpu.cfs_quota_us");
    if (e == 0) e = file_of_group(r, &period, "/sys/fs/cgroup/cpu", "cpu.cfs_period_us");
    if (e == 0) e = sn_str_to_i64(sn_str_trim(used), &r->used_ns);
    return e == 0 ? sn_gov_cpu_v1_quota(quota, period, &r->millicores) : e;
}

static int read_proc(struct reader *r)
{
    struct sn_str text;
    unsigned cpus;
    int e = file(r, &text, "/proc", "", "stat");
    if (e == 0) e = sn_gov_cpu_proc_stat(text, sysconf(_SC_CLK_TCK), &r->used_ns, &cpus);
    if (e == 0) r->millicores = 1000 * (int64_t)cpus;
    return e;
}

/* What the threads want of the processors they may run on. A thread that ends meanwhile is left out. */
static int read_share(struct reader *r, struct sn_gov_cpu_share *ret)
{
    uint64_t allowed[SN_GOV_CPU_PROCESSORS_MAX / 64];
    struct sn_gov_cpu_share s = {0};
    struct sn_str text;
    int e = file(r, &text, "/proc/self", "", "status");
    if (e == 0) e = sn_gov_cpu_allowed(text, allowed);
    if (e == 0) e = file(r, &text, "/proc", "", "stat");
    if (e == 0) e = sn_gov_cpu_busy_of(text, allowed, sysconf(_SC_CLK_TCK), &s.busy_ns, &s.cpus);
    struct sn_str path = sn_arena_printf(&r->arena, "%s/proc/self/task", r->root);
    DIR *threads = path.ptr ? opendir(path.ptr) : NULL;
    if (!threads) return SN_E_NOT_FOUND;
    struct dirent *t;
    for (unsigned n = 0; e == 0 && (t = readdir(threads));) {
        char own[NAME_MAX + 2];
        int64_t wanted;
        if (t->d_name[0] == '.') continue;
        if (++n > SN_GOV_CPU_THREADS_MAX) e = SN_E_TOO_LARGE;
        (void)snprintf(own, sizeof(own), "/%s", t->d_name);
        sn_arena_reset(&r->arena);
        if (e < 0 || file(r, &text, "/proc/self/task", own, "schedstat") < 0) continue;
        e = sn_gov_cpu_schedstat(text, &wanted);
        if (e == 0) s.wanted_ns += wanted;
    }
    closedir(threads);
    if (e == 0) *ret = s;
    return e;
}

static int read_once(void *arg)
{
    struct reader *r = arg;
    sn_arena_reset(&r->arena);
    r->share = (struct sn_gov_cpu_share){0};
    if (read_share(r, &r->share) < 0) sn_diag_clear(); /* kernels without it: what is used must do */
    sn_arena_reset(&r->arena);
    return r->source == SOURCE_V2 ? read_v2(r) : r->source == SOURCE_V1 ? read_v1(r) : read_proc(r);
}

static void own_path(struct reader *r, struct sn_str name)
{
    struct sn_str text, path;
    r->own[0] = 0;
    if (file(r, &text, "/proc/self", "", "cgroup") < 0) return;
    if (sn_gov_cpu_cgroup_path(text, name, &path) < 0 || path.len <= 1) return;
    if (sn_str_find(path, SN_STR("..")) >= 0 || sn_str_cz(path, r->own, sizeof(r->own)) < 0)
        r->own[0] = 0;
}

/* A group without a quota may use the whole machine: then the machine's use is what counts. */
static int source_find(void *arg)
{
    struct reader *r = arg;
    own_path(r, SN_STR(""));
    r->source = SOURCE_V2;
    if (read_once(r) == 0 && r->millicores) return 0;
    own_path(r, SN_STR("cpu"));
    r->source = SOURCE_V1;
    if (read_once(r) == 0 && r->millicores) return 0;
    r->source = SOURCE_PROC;
    return read_once(r);
}

int sn_gov_cpu_run(const char *root, void (*fn)(const struct sn_gov_cpu *c, void *arg), void *arg)
{
    struct reader r = {.root = root};
    struct sn_gov_cpu cpu = {0};
    sn_arena_init(&r.arena, NULL, 1u << 20);
    int e = sn_offload(source_find, &r);
    while (e >= 0) {
        /* A file that fails once (the group is being moved) does not end the watch. */
        if (sn_offload_first(read_once, &r) == 0) {
            sn_gov_cpu_sample(&cpu, sn_now(), r.used_ns, r.millicores, &r.share);
            fn(&cpu, arg);
        }
        e = sn_sleep(SN_GOV_CPU_EVERY_NS);
    }
    sn_arena_done(&r.arena);
    return e;
}

const char *sn_gov_cpu_source(const char *root)
{
    struct reader r = {.root = root};
    sn_arena_init(&r.arena, NULL, 1u << 20);
    int e = sn_offload(source_find, &r);
    sn_arena_done(&r.arena);
    return e < 0 ? "none" : source_names[r.source];
}

bool sn_gov_cpu_limited(const char *root)
{
    struct reader r = {.root = root};
    sn_arena_init(&r.arena, NULL, 1u << 20);
    int e = source_find(&r);
    sn_arena_done(&r.arena);
    if (e < 0) sn_diag_clear();
    return e == 0 && r.source != SOURCE_PROC;
}

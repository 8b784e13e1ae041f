/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what the kernel counts. A file that is not there means a kernel or a controller without
 * that counter and leaves zero; a file that cannot be understood is an error with its name. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "cgroup/cgroup_int.h"
#include "core/status.h"

#define CG_TICK_NS                                                                \
    10000000ull /* cpuacct.stat counts in USER_HZ, which is 100 for every program \
                 */
#define CG_USEC_NS 1000ull

/* What a reader works with; `file` is the one being read, for the diagnostic. */
struct cg_reader {
    const struct sn_cgroup *cg;
    struct sn_arena *a;
    struct sn_cgroup_stats *s;
    int index, dir;
    const char *file;
};

static bool cg_absent(int err) { return err == ENOENT || err == EOPNOTSUPP || err == ENOTSUP; }

/* A file's text; empty where there is none. */
static int cg_text(struct cg_reader *r, const char *file, struct sn_str *ret)
{
    r->file = file;
    *ret = SN_STR("");
    int e = cg_read(r->a, r->dir, file, ret);
    return e < 0 && !cg_absent(-e) ? e : 0;
}

static int cg_number(struct cg_reader *r, const char *file, uint64_t *ret)
{
    r->file = file;
    int e = cg_read_u64(r->dir, file, ret);
    return e < 0 && !cg_absent(-e) ? e : 0;
}

/* A v1 limit near the top of the range is "none": the kernel rounds it down to pages. */
static uint64_t cg_limit(uint64_t v) { return v >= (uint64_t)INT64_MAX - 0xffff ? UINT64_MAX : v; }

struct cg_key {
    const char *name;
    uint64_t *to;
    uint64_t unit;
};
/* "key value" lines into the keys given. */
static int cg_keys(struct cg_reader *r, const char *file, const struct cg_key *k, size_t n)
{
    struct sn_str text, line;
    int e = cg_text(r, file, &text);
    while (e == 0 && cg_next_line(&text, &line)) {
        struct sn_str key = sn_str_cut(&line, ' ');
        for (size_t i = 0; i < n; i++) {
            if (!sn_str_eqc(key, k[i].name)) continue;
            uint64_t v;
            if (!line.ptr || sn_str_to_u64(sn_str_trim(line), &v) < 0) return -ENOMSG;
            *k[i].to = v * k[i].unit;
        }
    }
    return e;
}

/* ---- cpu ---------------------------------------------------------------------------------------
 */

static int cg_percpu(struct cg_reader *r)
{
    __typeof__(r->s->cpu) *c = &r->s->cpu;
    struct sn_str text, line, word;
    int e = cg_text(r, "cpuacct.usage_percpu", &text);
    if (e < 0 || text.len == 0) return e;
    uint64_t *v = SN_ARENA_ARRAY(r->a, uint64_t, text.len / 2 + 1);
    size_t n = 0;
    if (!v) return -ENOMEM;
    while (cg_next_word(&text, &word))
        if (sn_str_to_u64(word, &v[n++]) < 0) return -ENOMSG;
    c->percpu_ns.ptr = v;
    c->percpu_ns.n = n;
    if ((e = cg_text(r, "cpuacct.usage_all", &text)) < 0 || text.len == 0) return e;
    uint64_t *user = SN_ARENA_ARRAY(r->a, uint64_t, text.len / 6 + 1);
    uint64_t *system = SN_ARENA_ARRAY(r->a, uint64_t, text.len / 6 + 1);
    if (!user || !system) return -ENOMEM;
    cg_next_line(&text, &line); /* "cpu user system" */
    for (n = 0; cg_next_line(&text, &line); n++) {
        struct sn_str w[3] = {0};
        for (unsigned i = 0; i < 3 && cg_next_word(&line, &word); i++) w[i] = word;
        if (sn_str_to_u64(w[1], &user[n]) < 0 || sn_str_to_u64(w[2], &system[n]) < 0)
            return -ENOMSG;
    }
    c->percpu_user_ns.ptr = user;
    c->percpu_system_ns.ptr = system;
    c->percpu_user_ns.n = c->percpu_system_ns.n = n;
    return 0;
}

static int cg_cpuacct_v1(struct cg_reader *r)
{
    __typeof__(r->s->cpu) *c = &r->s->cpu;
    const struct cg_key keys[] = {{"user", &c->user_ns, CG_TICK_NS},
                                  {"system", &c->system_ns, CG_TICK_NS}};
    int e = cg_number(r, "cpuacct.usage", &c->usage_ns);
    if (e == 0) e = cg_keys(r, "cpuacct.stat", keys, SN_COUNT_OF(keys));
    return e < 0 ? e : cg_percpu(r);
}

static int cg_cpu_v1(struct cg_reader *r)
{
    __typeof__(r->s->cpu) *c = &r->s->cpu;
    const struct cg_key keys[] = {{"nr_periods", &c->periods, 1},
                                  {"nr_throttled", &c->throttled_periods, 1},
                                  {"throttled_time", &c->throttled_ns, 1},
                                  {"nr_bursts", &c->bursts, 1},
                                  {"burst_time", &c->burst_ns, 1}};
    return cg_keys(r, "cpu.stat", keys, SN_COUNT_OF(keys));
}

static int cg_cpu_v2(struct cg_reader *r)
{
    __typeof__(r->s->cpu) *c = &r->s->cpu;
    const struct cg_key keys[] = {{"usage_usec", &c->usage_ns, CG_USEC_NS},
                                  {"user_usec", &c->user_ns, CG_USEC_NS},
                                  {"system_usec", &c->system_ns, CG_USEC_NS},
                                  {"nr_periods", &c->periods, 1},
                                  {"nr_throttled", &c->throttled_periods, 1},
                                  {"throttled_usec", &c->throttled_ns, CG_USEC_NS},
                                  {"nr_bursts", &c->bursts, 1},
                                  {"burst_usec", &c->burst_ns, CG_USEC_NS}};
    return cg_keys(r, "cpu.stat", keys, SN_COUNT_OF(keys));
}

/* ---- memory ------------------------------------------------------------------------------------
 */

static int cg_counter_v1(struct cg_reader *r, const char *prefix,
                         struct sn_cgroup_memory_counter *c, bool *set)
{
    char file[64];
    const struct {
        const char *tail;
        uint64_t *to;
    } parts[] = {{"usage_in_bytes", &c->usage},
                 {"max_usage_in_bytes", &c->max},
                 {"limit_in_bytes", &c->limit},
                 {"failcnt", &c->failcnt}};
    for (size_t i = 0; i < SN_COUNT_OF(parts); i++) {
        snprintf(file, sizeof(file), "%s%s", prefix, parts[i].tail);
        int e = cg_read_u64(r->dir, file, parts[i].to);
        if (e < 0 && cg_absent(-e) && i == 0) return 0;
        if (e < 0 && !cg_absent(-e)) {
            r->file = prefix;
            return e;
        }
    }
    c->limit = cg_limit(c->limit);
    if (set) *set = true;
    return 0;
}

static int cg_memory_stat(struct cg_reader *r)
{
    struct sn_str text, line;
    size_t lines = 1, n = 0;
    int e = cg_text(r, "memory.stat", &text);
    if (e < 0) return e;
    for (size_t i = 0; i < text.len; i++) lines += text.ptr[i] == '\n';
    struct sn_cgroup_u64_kv *kv = SN_ARENA_ARRAY(r->a, struct sn_cgroup_u64_kv, lines);
    if (!kv) return -ENOMEM;
    while (cg_next_line(&text, &line)) {
        struct sn_str key = sn_str_cut(&line, ' ');
        if (!line.ptr || sn_str_to_u64(line, &kv[n].value) < 0) return -ENOMSG;
        kv[n++].key = key;
    }
    r->s->memory.stat.ptr = kv;
    r->s->memory.stat.n = n;
    return 0;
}

static int cg_memory_v1(struct cg_reader *r)
{
    __typeof__(r->s->memory) *m = &r->s->memory;
    uint64_t hierarchy = 0;
    const struct cg_key oom[] = {{"oom_kill", &m->oom_kill, 1}};
    int e = cg_counter_v1(r, "memory.", &m->memory, NULL);
    if (e == 0) e = cg_counter_v1(r, "memory.memsw.", &m->swap, &m->swap_set);
    if (e == 0) e = cg_counter_v1(r, "memory.kmem.", &m->kernel, &m->kernel_set);
    if (e == 0) e = cg_counter_v1(r, "memory.kmem.tcp.", &m->kernel_tcp, &m->kernel_tcp_set);
    if (e == 0) e = cg_number(r, "memory.use_hierarchy", &hierarchy);
    if (e == 0) e = cg_keys(r, "memory.oom_control", oom, 1);
    if (e == 0) e = cg_memory_stat(r);
    m->use_hierarchy = hierarchy == 1;
    m->cache = sn_cgroup_stat_get(r->s, "cache");
    return e;
}

static int cg_memory_v2(struct cg_reader *r)
{
    __typeof__(r->s->memory) *m = &r->s->memory;
    const struct cg_key events[] = {{"low", &m->low, 1},
                                    {"high", &m->high, 1},
                                    {"max", &m->max_events, 1},
                                    {"oom", &m->oom, 1},
                                    {"oom_kill", &m->oom_kill, 1}};
    m->memory.limit = m->swap.limit = UINT64_MAX;
    m->use_hierarchy = true;
    int e = cg_number(r, "memory.current", &m->memory.usage);
    if (e == 0) e = cg_number(r, "memory.max", &m->memory.limit);
    if (e == 0) e = cg_number(r, "memory.peak", &m->memory.max);
    m->swap_set = cg_exists(r->dir, "memory.swap.current");
    if (e == 0) e = cg_number(r, "memory.swap.current", &m->swap.usage);
    if (e == 0) e = cg_number(r, "memory.swap.max", &m->swap.limit);
    if (e == 0) e = cg_number(r, "memory.swap.peak", &m->swap.max);
    if (e == 0) e = cg_keys(r, "memory.events", events, SN_COUNT_OF(events));
    if (e == 0) e = cg_memory_stat(r);
    m->memory.failcnt = m->max_events;
    m->cache = sn_cgroup_stat_get(r->s, "file");
    return e;
}

uint64_t sn_cgroup_stat_get(const struct sn_cgroup_stats *s, const char *name)
{
    for (size_t i = 0; i < s->memory.stat.n; i++)
        if (sn_str_eqc(s->memory.stat.ptr[i].key, name)) return s->memory.stat.ptr[i].value;
    return 0;
}

/* ---- io ----------------------------------------------------------------------------------------
 */

/* "8:0 Read 4096", or "8:0 4096" without an operation; the closing "Total 4096" is no device's. */
static int cg_io_file(struct cg_reader *r, const char *file, sn_cgroup_io_list *ret)
{
    struct sn_str text, line, word;
    int e = cg_text(r, file, &text);
    if (e < 0 || text.len == 0) return e;
    size_t lines = 1, n = 0;
    for (size_t i = 0; i < text.len; i++) lines += text.ptr[i] == '\n';
    struct sn_cgroup_io_entry *x = SN_ARENA_ARRAY(r->a, struct sn_cgroup_io_entry, lines);
    if (!x) return -ENOMEM;
    while (cg_next_line(&text, &line)) {
        struct sn_str w[3] = {0};
        unsigned k = 0;
        while (k < 3 && cg_next_word(&line, &word)) w[k++] = word;
        struct sn_str minor = w[0], major = sn_str_cut(&minor, ':');
        if (!minor.ptr) continue;
        if (k < 2 || sn_str_to_u64(major, &x[n].major) < 0 ||
            sn_str_to_u64(minor, &x[n].minor) < 0 || sn_str_to_u64(w[k - 1], &x[n].value) < 0)
            return -ENOMSG;
        x[n++].op = k == 3 ? w[1] : SN_STR("");
    }
    ret->ptr = x;
    ret->n = n;
    return 0;
}

/* Three families of counters: BFQ's, those of CFQ in old kernels, and the throttle's, which are
 * there in all but count only what passed the throttle's layer. */
static int cg_io_v1(struct cg_reader *r)
{
    __typeof__(r->s->io) *io = &r->s->io;
    const struct {
        const char *tail;
        sn_cgroup_io_list *to;
    } files[] = {{"io_service_bytes_recursive", &io->service_bytes},
                 {"io_serviced_recursive", &io->serviced},
                 {"io_queued_recursive", &io->queued},
                 {"io_service_time_recursive", &io->service_time},
                 {"io_wait_time_recursive", &io->wait_time},
                 {"io_merged_recursive", &io->merged},
                 {"time_recursive", &io->time},
                 {"sectors_recursive", &io->sectors}};
    static const char *const families[] = {"blkio.bfq.", "blkio.", "blkio.throttle."};
    for (size_t f = 0; f < SN_COUNT_OF(families); f++) {
        for (size_t i = 0; i < SN_COUNT_OF(files); i++) {
            char file[80];
            if (files[i].to->n > 0) continue;
            snprintf(file, sizeof(file), "%s%s", families[f], files[i].tail);
            int e = cg_io_file(r, file, files[i].to);
            if (e < 0) return e;
        }
    }
    return 0;
}

/* "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6": up to three operations per device. */
static int cg_io_v2(struct cg_reader *r)
{
    static const struct {
        const char *key, *op;
        bool bytes;
    } keys[] = {{"rbytes", "Read", true}, {"wbytes", "Write", true}, {"dbytes", "Discard", true},
                {"rios", "Read", false},  {"wios", "Write", false},  {"dios", "Discard", false}};
    struct sn_str text, line, word;
    int e = cg_text(r, "io.stat", &text);
    if (e < 0 || text.len == 0) return e;
    size_t lines = 1, nb = 0, nc = 0;
    for (size_t i = 0; i < text.len; i++) lines += text.ptr[i] == '\n';
    struct sn_cgroup_io_entry *bytes = SN_ARENA_ARRAY(r->a, struct sn_cgroup_io_entry, 3 * lines);
    struct sn_cgroup_io_entry *count = SN_ARENA_ARRAY(r->a, struct sn_cgroup_io_entry, 3 * lines);
    if (!bytes || !count) return -ENOMEM;
    while (cg_next_line(&text, &line)) {
        struct sn_cgroup_io_entry x = {0};
        if (!cg_next_word(&line, &word)) continue;
        struct sn_str minor = word, major = sn_str_cut(&minor, ':');
        if (!minor.ptr) continue; /* some block devices have no number here */
        if (sn_str_to_u64(major, &x.major) < 0 || sn_str_to_u64(minor, &x.minor) < 0)
            return -ENOMSG;
        uint32_t seen = 0; /* a key said twice would not fit */
        while (cg_next_word(&line, &word)) {
            struct sn_str value = word, key = sn_str_cut(&value, '=');
            for (size_t k = 0; k < SN_COUNT_OF(keys); k++) {
                if (!sn_str_eqc(key, keys[k].key) || seen & 1u << k) continue;
                seen |= 1u << k;
                if (!value.ptr || sn_str_to_u64(value, &x.value) < 0) return -ENOMSG;
                x.op = sn_str(keys[k].op);
                if (keys[k].bytes)
                    bytes[nb++] = x;
                else
                    count[nc++] = x;
            }
        }
    }
    r->s->io.service_bytes.ptr = bytes;
    r->s->io.service_bytes.n = nb;
    r->s->io.serviced.ptr = count;
    r->s->io.serviced.n = nc;
    return 0;
}

/* ---- pids, hugetlb, rdma -----------------------------------------------------------------------
 */

static int cg_pids(struct cg_reader *r)
{
    r->s->pids.limit = UINT64_MAX;
    r->s->pids.limit_set = cg_exists(r->dir, "pids.max");
    int e = cg_number(r, "pids.current", &r->s->pids.current);
    return e < 0 ? e : cg_number(r, "pids.max", &r->s->pids.limit);
}

static int cg_hugetlb_one(struct cg_reader *r, struct sn_str size, bool v2,
                          struct sn_cgroup_hugetlb_stat *h)
{
    char file[96];
    /* Reservations are what programs get or are refused; use alone is the older count. */
    const char *kind = ".rsvd";
    h->page_size = size;
    for (;;) {
        snprintf(file, sizeof(file), "hugetlb.%.*s%s.%s", SN_STR_ARG(size), kind,
                 v2 ? "current" : "usage_in_bytes");
        int e = cg_read_u64(r->dir, file, &h->usage);
        if (e == 0) break;
        if (!cg_absent(-e) || !*kind) return cg_absent(-e) ? 0 : e;
        kind = "";
    }
    if (v2) {
        struct cg_key keys[] = {{"max", &h->failcnt, 1}};
        snprintf(file, sizeof(file), "hugetlb.%.*s.events", SN_STR_ARG(size));
        return cg_keys(r, file, keys, 1);
    }
    snprintf(file, sizeof(file), "hugetlb.%.*s%s.max_usage_in_bytes", SN_STR_ARG(size), kind);
    int e = cg_number(r, file, &h->max);
    snprintf(file, sizeof(file), "hugetlb.%.*s%s.failcnt", SN_STR_ARG(size), kind);
    return e < 0 ? e : cg_number(r, file, &h->failcnt);
}

/* The sizes are in the names of the files: "hugetlb.2MB.current". */
static int cg_hugetlb(struct cg_reader *r, bool v2)
{
    struct sn_cgroup_hugetlb_stat list[16] = {0};
    struct sn_str suffix = sn_str(v2 ? ".current" : ".usage_in_bytes"), prefix = SN_STR("hugetlb.");
    size_t n = 0;
    int copy = openat(r->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), e = copy < 0 ? -errno : 0;
    DIR *d = e == 0 ? fdopendir(copy) : NULL;
    if (!d) {
        if (copy >= 0) close(copy);
        return e < 0 ? e : -ENOMEM;
    }
    struct dirent *f;
    while (e == 0 && n < SN_COUNT_OF(list) && (f = readdir(d))) {
        struct sn_str name = sn_str(f->d_name);
        if (!sn_str_starts(name, prefix) || !sn_str_ends(name, suffix)) continue;
        struct sn_str size = sn_str_sub(name, prefix.len, name.len - suffix.len);
        if (size.len == 0 || size.len > 16 || sn_str_chr(size, '.') >= 0) continue;
        struct sn_str kept = sn_arena_str(r->a, size);
        r->file = "hugetlb";
        e = kept.ptr ? cg_hugetlb_one(r, kept, v2, &list[n++]) : -ENOMEM;
    }
    closedir(d);
    struct sn_cgroup_hugetlb_stat *out = SN_ARENA_ARRAY(r->a, struct sn_cgroup_hugetlb_stat, n + 1);
    if (e < 0 || !out) return e < 0 ? e : -ENOMEM;
    memcpy(out, list, n * sizeof(*out));
    r->s->hugetlb.ptr = out;
    r->s->hugetlb.n = n;
    return 0;
}

static int cg_rdma_value(struct sn_str word, struct sn_cgroup_rdma_stat *x, bool limit)
{
    struct sn_str value = word, key = sn_str_cut(&value, '=');
    uint64_t v = UINT64_MAX;
    if (!value.ptr) return -ENOMSG;
    if (!sn_str_eqc(value, "max") && sn_str_to_u64(value, &v) < 0) return -ENOMSG;
    if (sn_str_eqc(key, "hca_handle")) *(limit ? &x->handles_max : &x->handles) = v;
    if (sn_str_eqc(key, "hca_object")) *(limit ? &x->objects_max : &x->objects) = v;
    return 0;
}

static int cg_rdma_file(struct cg_reader *r, const char *file, bool limit,
                        struct sn_cgroup_rdma_stat *list, size_t cap, size_t *n)
{
    struct sn_str text, line, word;
    int e = cg_text(r, file, &text);
    while (e == 0 && cg_next_line(&text, &line)) {
        if (!cg_next_word(&line, &word)) continue;
        size_t k = 0;
        while (k < *n && !sn_str_eq(list[k].device, word)) k++;
        if (k == cap) break;
        if (k == *n)
            list[(*n)++] = (struct sn_cgroup_rdma_stat){.device = word,
                                                        .handles_max = UINT64_MAX,
                                                        .objects_max = UINT64_MAX};
        while (e == 0 && cg_next_word(&line, &word)) e = cg_rdma_value(word, &list[k], limit);
    }
    return e;
}

static int cg_rdma(struct cg_reader *r)
{
    enum { CAP = 64 };
    struct sn_cgroup_rdma_stat *list = SN_ARENA_ARRAY(r->a, struct sn_cgroup_rdma_stat, CAP);
    size_t n = 0;
    if (!list) return -ENOMEM;
    int e = cg_rdma_file(r, "rdma.current", false, list, CAP, &n);
    if (e == 0) e = cg_rdma_file(r, "rdma.max", true, list, CAP, &n);
    r->s->rdma.ptr = list;
    r->s->rdma.n = n;
    return e;
}

/* ---- pressure ----------------------------------------------------------------------------------
 */

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" and the same for "full". */
static int cg_psi_line(struct sn_str line, struct sn_cgroup_psi *p)
{
    struct sn_str word, kind;
    if (!cg_next_word(&line, &kind)) return -ENOMSG;
    struct sn_cgroup_psi_line *l = sn_str_eqc(kind, "full") ? &p->full : &p->some;
    while (cg_next_word(&line, &word)) {
        struct sn_str value = word, key = sn_str_cut(&value, '=');
        double *avg = sn_str_eqc(key, "avg10")    ? &l->avg10
                      : sn_str_eqc(key, "avg60")  ? &l->avg60
                      : sn_str_eqc(key, "avg300") ? &l->avg300
                                                  : NULL;
        int e = !value.ptr                 ? -1
                : avg                      ? sn_str_to_double(value, avg)
                : sn_str_eqc(key, "total") ? sn_str_to_u64(value, &l->total_us)
                                           : 0;
        if (e < 0) return -ENOMSG;
    }
    return 0;
}

static int cg_psi(struct cg_reader *r, const char *file, struct sn_cgroup_psi *p)
{
    struct sn_str text, line;
    int e = cg_text(r, file, &text);
    if (e < 0 || text.len == 0) return e;
    while (e == 0 && cg_next_line(&text, &line)) e = cg_psi_line(line, p);
    p->set = e == 0;
    return e;
}

static int cg_pressure(struct cg_reader *r)
{
    int e = cg_psi(r, "cpu.pressure", &r->s->cpu.psi);
    if (e == 0) e = cg_psi(r, "memory.pressure", &r->s->memory.psi);
    return e < 0 ? e : cg_psi(r, "io.pressure", &r->s->io.psi);
}

/* ---- all ---------------------------------------------------------------------------------------
 */

static int cg_one(struct cg_reader *r, enum sn_cgroup_controller c, bool v2)
{
    switch (c) {
    case SN_CGROUP_CPUACCT: return v2 ? 0 : cg_cpuacct_v1(r);
    case SN_CGROUP_CPU: return v2 ? cg_cpu_v2(r) : cg_cpu_v1(r);
    case SN_CGROUP_MEMORY: return v2 ? cg_memory_v2(r) : cg_memory_v1(r);
    case SN_CGROUP_IO: return v2 ? cg_io_v2(r) : cg_io_v1(r);
    case SN_CGROUP_PIDS: return cg_pids(r);
    case SN_CGROUP_HUGETLB: return cg_hugetlb(r, v2);
    case SN_CGROUP_RDMA: return cg_rdma(r);
    default: return 0;
    }
}

static int cg_stats_fail(const struct cg_reader *r, int err)
{
    if (err == ENOMEM) return sn_fail(SN_E_NOMEM, "statistics of %s", r->cg->location);
    const char *path = r->cg->m[r->index].path, *file = r->file ? r->file : "";
    if (err == ENOMSG) return sn_fail(SN_E_SYNTAX, "%s/%s: not in the form we know", path, file);
    return sn_fail_errno(err, "read %s/%s", path, file);
}

int sn_cgroup_stats(const struct sn_cgroup *cg, struct sn_arena *a, struct sn_cgroup_stats *ret)
{
    struct sn_cgroup_stats s = {0};
    struct cg_reader r = {.cg = cg, .a = a, .s = &s};
    int mem = cg_index(cg, SN_CGROUP_MEMORY);
    s.v2 = mem >= 0 ? cg->host->h[mem].v2 : cg->host->layout == SN_CGROUP_V2;
    for (unsigned c = 0; c < SN_CGROUP_NAMED; c++) {
        int e;
        if ((r.index = cg_index(cg, c)) < 0) continue;
        r.dir = cg->m[r.index].dir;
        if ((e = cg_one(&r, c, cg->host->h[r.index].v2)) < 0) return cg_stats_fail(&r, -e);
        s.present |= 1u << c;
    }
    if (cg_unified(cg) >= 0) {
        r.index = cg->host->unified;
        r.dir = cg_unified(cg);
        int e = cg_pressure(&r);
        if (e < 0) return cg_stats_fail(&r, -e);
        /* v2 counts time without a controller, too. */
        if (!(s.present & (1u << SN_CGROUP_CPU | 1u << SN_CGROUP_CPUACCT)) &&
            (e = cg_cpu_v2(&r)) < 0)
            return cg_stats_fail(&r, -e);
    }
    *ret = s;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* shim/metrics.c - statistics in containerd's words: version 1 or 2, as the host's controllers are.
 */
#include "clusters/cgroup/cgroup.h"
#include "clusters/shim/shim_int.h"

int shim_any(struct sn_arena *a, const struct sn_pb_desc *d, const void *msg,
             struct google_protobuf_any *ret)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    ssize_t n = sn_pb_encode(d, msg, &b);
    struct sn_str copy = n < 0 ? (struct sn_str){0} : sn_arena_str(a, sn_buf_view(&b));
    sn_buf_done(&b);
    if (n < 0) return (int)n;
    if (!copy.ptr) return SN_E_NOMEM;
    *ret = (struct google_protobuf_any){.type_url = d->full_name, .value = copy};
    return 0;
}

#define STAT(s, name) sn_cgroup_stat_get(s, name)

static struct io_containerd_cgroups_v1_memory_entry *
entry1(struct sn_arena *a, const struct sn_cgroup_memory_counter *c)
{
    struct io_containerd_cgroups_v1_memory_entry *e = io_containerd_cgroups_v1_memory_entry_new(a);
    if (e) {
        e->limit = c->limit;
        e->usage = c->usage;
        e->max = c->max;
        e->failcnt = c->failcnt;
    }
    return e;
}

static bool memory1(const struct sn_cgroup_stats *s, struct sn_arena *a,
                    struct io_containerd_cgroups_v1_metrics *m)
{
    struct io_containerd_cgroups_v1_memory_stat *t =
        io_containerd_cgroups_v1_metrics_mut_memory(m, a);
    if (!t) return false;
#define FIELD(f, n) t->f = STAT(s, n), t->total_##f = STAT(s, "total_" n)
    FIELD(cache, "cache");
    FIELD(rss, "rss");
    FIELD(rss_huge, "rss_huge");
    FIELD(mapped_file, "mapped_file");
    FIELD(dirty, "dirty");
    FIELD(writeback, "writeback");
    FIELD(pg_pg_in, "pgpgin");
    FIELD(pg_pg_out, "pgpgout");
    FIELD(pg_fault, "pgfault");
    FIELD(pg_maj_fault, "pgmajfault");
    FIELD(inactive_anon, "inactive_anon");
    FIELD(active_anon, "active_anon");
    FIELD(inactive_file, "inactive_file");
    FIELD(active_file, "active_file");
    FIELD(unevictable, "unevictable");
#undef FIELD
    t->hierarchical_memory_limit = STAT(s, "hierarchical_memory_limit");
    t->hierarchical_swap_limit = STAT(s, "hierarchical_memsw_limit");
    t->usage = entry1(a, &s->memory.memory);
    if (s->memory.swap_set) t->swap = entry1(a, &s->memory.swap);
    if (s->memory.kernel_set) t->kernel = entry1(a, &s->memory.kernel);
    if (s->memory.kernel_tcp_set) t->kernel_tcp = entry1(a, &s->memory.kernel_tcp);
    struct io_containerd_cgroups_v1_memory_oom_control *o =
        io_containerd_cgroups_v1_metrics_mut_memory_oom_control(m, a);
    if (o) o->oom_kill = s->memory.oom_kill;
    return t->usage && o;
}

typedef struct io_containerd_cgroups_v1_blk_io_entry *(*add_io1)(
    struct io_containerd_cgroups_v1_blk_io_stat *b, struct sn_arena *a);

static bool list1(const sn_cgroup_io_list *l, struct sn_arena *a,
                  struct io_containerd_cgroups_v1_blk_io_stat *b, add_io1 add)
{
    for (size_t i = 0; i < l->n; i++) {
        struct io_containerd_cgroups_v1_blk_io_entry *e = add(b, a);
        if (!e) return false;
        e->op = l->ptr[i].op;
        e->major = l->ptr[i].major;
        e->minor = l->ptr[i].minor;
        e->value = l->ptr[i].value;
    }
    return true;
}

static bool io1(const struct sn_cgroup_stats *s, struct sn_arena *a,
                struct io_containerd_cgroups_v1_metrics *m)
{
    struct io_containerd_cgroups_v1_blk_io_stat *b =
        io_containerd_cgroups_v1_metrics_mut_blkio(m, a);
#define LIST(from, to) \
    list1(&s->io.from, a, b, io_containerd_cgroups_v1_blk_io_stat_add_##to##_recursive)
    return b && LIST(service_bytes, io_service_bytes) && LIST(serviced, io_serviced) &&
           LIST(queued, io_queued) && LIST(service_time, io_service_time) &&
           LIST(wait_time, io_wait_time) && LIST(merged, io_merged) && LIST(time, io_time) &&
           LIST(sectors, sectors);
#undef LIST
}

static int metrics1(const struct sn_cgroup_stats *s, struct sn_arena *a,
                    struct google_protobuf_any *ret)
{
    struct io_containerd_cgroups_v1_metrics *m = io_containerd_cgroups_v1_metrics_new(a);
    if (!m) return SN_E_NOMEM;
    struct io_containerd_cgroups_v1_pids_stat *p = io_containerd_cgroups_v1_metrics_mut_pids(m, a);
    struct io_containerd_cgroups_v1_cpu_stat *c = io_containerd_cgroups_v1_metrics_mut_cpu(m, a);
    struct io_containerd_cgroups_v1_cpu_usage *u =
        c ? io_containerd_cgroups_v1_cpu_stat_mut_usage(c, a) : NULL;
    struct io_containerd_cgroups_v1_throttle *t =
        c ? io_containerd_cgroups_v1_cpu_stat_mut_throttling(c, a) : NULL;
    if (!p || !u || !t || !memory1(s, a, m) || !io1(s, a, m)) return SN_E_NOMEM;
    p->current = s->pids.current;
    p->limit = s->pids.limit == UINT64_MAX ? 0 : s->pids.limit;
    u->total = s->cpu.usage_ns;
    u->kernel = s->cpu.system_ns;
    u->user = s->cpu.user_ns;
    u->per_cpu.ptr = (uint64_t *)s->cpu.percpu_ns.ptr; /* borrowed: cap is 0 */
    u->per_cpu.len = (uint32_t)s->cpu.percpu_ns.n;
    t->periods = s->cpu.periods;
    t->throttled_periods = s->cpu.throttled_periods;
    t->throttled_time = s->cpu.throttled_ns;
    for (size_t i = 0; i < s->hugetlb.n; i++) {
        struct io_containerd_cgroups_v1_hugetlb_stat *h =
            io_containerd_cgroups_v1_metrics_add_hugetlb(m, a);
        if (!h) return SN_E_NOMEM;
        h->usage = s->hugetlb.ptr[i].usage;
        h->max = s->hugetlb.ptr[i].max;
        h->failcnt = s->hugetlb.ptr[i].failcnt;
        h->pagesize = s->hugetlb.ptr[i].page_size;
    }
    return shim_any(a, &io_containerd_cgroups_v1_metrics_desc, m, ret);
}

/* Fields of version 2's memory.stat by containerd's names, in the order of the message. */
static void memory2(const struct sn_cgroup_stats *s, struct io_containerd_cgroups_v2_memory_stat *t)
{
#define FIELD(f) t->f = STAT(s, #f)
    FIELD(anon);
    FIELD(file);
    FIELD(kernel_stack);
    FIELD(slab);
    FIELD(sock);
    FIELD(shmem);
    FIELD(file_mapped);
    FIELD(file_dirty);
    FIELD(file_writeback);
    FIELD(anon_thp);
    FIELD(inactive_anon);
    FIELD(active_anon);
    FIELD(inactive_file);
    FIELD(active_file);
    FIELD(unevictable);
    FIELD(slab_reclaimable);
    FIELD(slab_unreclaimable);
    FIELD(pgfault);
    FIELD(pgmajfault);
    FIELD(workingset_nodereclaim);
    FIELD(pgrefill);
    FIELD(pgscan);
    FIELD(pgsteal);
    FIELD(pgactivate);
    FIELD(pgdeactivate);
    FIELD(pglazyfree);
    FIELD(pglazyfreed);
    FIELD(thp_fault_alloc);
    FIELD(thp_collapse_alloc);
#undef FIELD
    t->workingset_refault = STAT(s, "workingset_refault_anon") + STAT(s, "workingset_refault_file");
    t->workingset_activate =
        STAT(s, "workingset_activate_anon") + STAT(s, "workingset_activate_file");
    t->usage = s->memory.memory.usage;
    t->usage_limit = s->memory.memory.limit;
    t->max_usage = s->memory.memory.max;
    t->swap_usage = s->memory.swap.usage;
    t->swap_limit = s->memory.swap.limit;
    t->swap_max_usage = s->memory.swap.max;
}

static int metrics2(const struct sn_cgroup_stats *s, struct sn_arena *a,
                    struct google_protobuf_any *ret)
{
    struct io_containerd_cgroups_v2_metrics *m = io_containerd_cgroups_v2_metrics_new(a);
    if (!m) return SN_E_NOMEM;
    struct io_containerd_cgroups_v2_pids_stat *p = io_containerd_cgroups_v2_metrics_mut_pids(m, a);
    struct io_containerd_cgroups_v2_cpu_stat *c = io_containerd_cgroups_v2_metrics_mut_cpu(m, a);
    struct io_containerd_cgroups_v2_memory_stat *t =
        io_containerd_cgroups_v2_metrics_mut_memory(m, a);
    struct io_containerd_cgroups_v2_memory_events *e =
        io_containerd_cgroups_v2_metrics_mut_memory_events(m, a);
    struct io_containerd_cgroups_v2_io_stat *io = io_containerd_cgroups_v2_metrics_mut_io(m, a);
    if (!p || !c || !t || !e || !io) return SN_E_NOMEM;
    p->current = s->pids.current;
    p->limit = s->pids.limit == UINT64_MAX ? 0 : s->pids.limit;
    c->usage_usec = s->cpu.usage_ns / 1000;
    c->user_usec = s->cpu.user_ns / 1000;
    c->system_usec = s->cpu.system_ns / 1000;
    c->nr_periods = s->cpu.periods;
    c->nr_throttled = s->cpu.throttled_periods;
    c->throttled_usec = s->cpu.throttled_ns / 1000;
    c->nr_bursts = s->cpu.bursts;
    c->burst_usec = s->cpu.burst_ns / 1000;
    memory2(s, t);
    e->low = s->memory.low;
    e->high = s->memory.high;
    e->max = s->memory.max_events;
    e->oom = s->memory.oom;
    e->oom_kill = s->memory.oom_kill;
    for (size_t i = 0; i < s->io.service_bytes.n; i++) {
        const struct sn_cgroup_io_entry *b = &s->io.service_bytes.ptr[i];
        struct io_containerd_cgroups_v2_io_entry *x =
            io_containerd_cgroups_v2_io_stat_add_usage(io, a);
        if (!x) return SN_E_NOMEM;
        x->major = b->major;
        x->minor = b->minor;
        if (sn_str_eqc(b->op, "Read")) x->rbytes = b->value;
        if (sn_str_eqc(b->op, "Write")) x->wbytes = b->value;
    }
    return shim_any(a, &io_containerd_cgroups_v2_metrics_desc, m, ret);
}

int shim_metrics(const struct sn_cgroup_stats *st, struct sn_arena *a,
                 struct google_protobuf_any *ret)
{
    return st->v2 ? metrics2(st, a, ret) : metrics1(st, a, ret);
}

/* ---- of several --------------------------------------------------------------------------------
 */

static int stat_add(struct sn_cgroup_stats *sum, const struct sn_cgroup_stats *one,
                    struct sn_arena *a)
{
    size_t n = one->memory.stat.n, had = sum->memory.stat.n;
    if (had && had != n) return 0; /* the first one's names are the sum's */
    struct sn_cgroup_u64_kv *kv = SN_ARENA_ARRAY(a, struct sn_cgroup_u64_kv, n + 1);
    if (!kv) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        kv[i] = one->memory.stat.ptr[i];
        if (had) kv[i].value += sum->memory.stat.ptr[i].value;
    }
    sum->memory.stat.ptr = kv;
    sum->memory.stat.n = n;
    return 0;
}

int shim_metrics_add(struct sn_cgroup_stats *sum, const struct sn_cgroup_stats *one,
                     struct sn_arena *a)
{
    sum->v2 = one->v2;
    sum->cpu.usage_ns += one->cpu.usage_ns;
    sum->cpu.user_ns += one->cpu.user_ns;
    sum->cpu.system_ns += one->cpu.system_ns;
    sum->memory.memory.usage += one->memory.memory.usage;
    sum->memory.memory.limit = UINT64_MAX; /* of the pod: nobody told us */
    sum->memory.cache += one->memory.cache;
    sum->memory.oom += one->memory.oom;
    sum->memory.oom_kill += one->memory.oom_kill;
    sum->pids.current += one->pids.current;
    sum->pids.limit = UINT64_MAX;
    return stat_add(sum, one, a);
}

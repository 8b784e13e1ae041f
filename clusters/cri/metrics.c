/* SPDX-License-Identifier: Apache-2.0 */
/* cri/metrics.c - what cadvisor calls container_*, of pods and containers, for a kubelet that asks
 * us instead. */
#include <dirent.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "clusters/cri/stats_int.h"

#define COUNTER RUNTIME_V1_METRIC_TYPE_COUNTER
#define GAUGE RUNTIME_V1_METRIC_TYPE_GAUGE
#define PIDS_MAX 4096u /* of one container whose descriptors are counted */

enum metric {
    BLKIO,
    PERIODS,
    THROTTLED,
    THROTTLED_S,
    CPU_SYSTEM,
    CPU_USAGE,
    CPU_USER,
    FDS,
    INODES_FREE,
    INODES,
    FS_LIMIT,
    READ_BYTES,
    READS,
    FS_USAGE,
    WRITE_BYTES,
    WRITES,
    HUGE_MAX,
    HUGE,
    LAST_SEEN,
    CACHE,
    FAILCNT,
    FAILURES,
    KERNEL,
    MAPPED,
    MEM_MAX,
    RSS,
    SWAP,
    MEM,
    WORKING_SET,
    RX,
    RX_ERR,
    RX_DROP,
    RX_PACKETS,
    TX,
    TX_ERR,
    TX_DROP,
    TX_PACKETS,
    OOM,
    PSI_CPU_FULL,
    PSI_CPU_SOME,
    PSI_IO_FULL,
    PSI_IO_SOME,
    PSI_MEM_FULL,
    PSI_MEM_SOME,
    PROCESSES,
    SOCKETS,
    SPEC_PERIOD,
    SPEC_QUOTA,
    SPEC_SHARES,
    SPEC_MEM,
    SPEC_SWAP,
    START,
    THREADS,
    THREADS_MAX,
    METRICS,
};
/* Every metric bears the labels id and name; `label` is a third one. */
static const struct {
    const char *name, *help, *label;
    int type;
} defs[METRICS] = {
    [BLKIO] = {"container_blkio_device_usage_total", "Bytes moved to and from a block device",
               "device", COUNTER},
    [PERIODS] = {"container_cpu_cfs_periods_total", "Enforcement periods that have passed", NULL,
                 COUNTER},
    [THROTTLED] = {"container_cpu_cfs_throttled_periods_total",
                   "Periods in which the quota ran out", NULL, COUNTER},
    [THROTTLED_S] = {"container_cpu_cfs_throttled_seconds_total", "Seconds held back by the quota",
                     NULL, COUNTER},
    [CPU_SYSTEM] = {"container_cpu_system_seconds_total", "CPU seconds in the kernel", NULL,
                    COUNTER},
    [CPU_USAGE] = {"container_cpu_usage_seconds_total", "CPU seconds", NULL, COUNTER},
    [CPU_USER] = {"container_cpu_user_seconds_total", "CPU seconds in user mode", NULL, COUNTER},
    [FDS] = {"container_file_descriptors", "Open descriptors of all processes", NULL, GAUGE},
    [INODES_FREE] = {"container_fs_inodes_free", "Free inodes of the disk below", NULL, GAUGE},
    [INODES] = {"container_fs_inodes_total", "Inodes of the disk below", NULL, GAUGE},
    [FS_LIMIT] = {"container_fs_limit_bytes", "Size of the disk below", NULL, GAUGE},
    [READ_BYTES] = {"container_fs_reads_bytes_total", "Bytes read from disks", NULL, COUNTER},
    [READS] = {"container_fs_reads_total", "Reads from disks", NULL, COUNTER},
    [FS_USAGE] = {"container_fs_usage_bytes", "Bytes of the writable layer", NULL, GAUGE},
    [WRITE_BYTES] = {"container_fs_writes_bytes_total", "Bytes written to disks", NULL, COUNTER},
    [WRITES] = {"container_fs_writes_total", "Writes to disks", NULL, COUNTER},
    [HUGE_MAX] = {"container_hugetlb_max_usage_bytes", "Most huge pages in use", "pagesize", GAUGE},
    [HUGE] = {"container_hugetlb_usage_bytes", "Huge pages in use", "pagesize", GAUGE},
    [LAST_SEEN] = {"container_last_seen", "When the container was looked at, unix seconds", NULL,
                   GAUGE},
    [CACHE] = {"container_memory_cache", "Page cache", NULL, GAUGE},
    [FAILCNT] = {"container_memory_failcnt", "Times the memory limit was reached", NULL, COUNTER},
    [FAILURES] = {"container_memory_failures_total", "Page faults", "failure_type", COUNTER},
    [KERNEL] = {"container_memory_kernel_usage", "Kernel memory", NULL, GAUGE},
    [MAPPED] = {"container_memory_mapped_file", "Mapped files", NULL, GAUGE},
    [MEM_MAX] = {"container_memory_max_usage_bytes", "Most memory in use", NULL, GAUGE},
    [RSS] = {"container_memory_rss", "Anonymous memory", NULL, GAUGE},
    [SWAP] = {"container_memory_swap", "Swap in use", NULL, GAUGE},
    [MEM] = {"container_memory_usage_bytes", "Memory in use, cache included", NULL, GAUGE},
    [WORKING_SET] = {"container_memory_working_set_bytes",
                     "Memory in use without cache that can be dropped", NULL, GAUGE},
    [RX] = {"container_network_receive_bytes_total", "Bytes received", "interface", COUNTER},
    [RX_ERR] = {"container_network_receive_errors_total", "Errors while receiving", "interface",
                COUNTER},
    [RX_DROP] = {"container_network_receive_packets_dropped_total",
                 "Packets dropped while receiving", "interface", COUNTER},
    [RX_PACKETS] = {"container_network_receive_packets_total", "Packets received", "interface",
                    COUNTER},
    [TX] = {"container_network_transmit_bytes_total", "Bytes sent", "interface", COUNTER},
    [TX_ERR] = {"container_network_transmit_errors_total", "Errors while sending", "interface",
                COUNTER},
    [TX_DROP] = {"container_network_transmit_packets_dropped_total",
                 "Packets dropped while sending", "interface", COUNTER},
    [TX_PACKETS] = {"container_network_transmit_packets_total", "Packets sent", "interface",
                    COUNTER},
    [OOM] = {"container_oom_events_total", "Processes killed for memory", NULL, COUNTER},
    [PSI_CPU_FULL] = {"container_pressure_cpu_stalled_seconds_total",
                      "Seconds all tasks waited for a CPU", NULL, COUNTER},
    [PSI_CPU_SOME] = {"container_pressure_cpu_waiting_seconds_total",
                      "Seconds some task waited for a CPU", NULL, COUNTER},
    [PSI_IO_FULL] = {"container_pressure_io_stalled_seconds_total",
                     "Seconds all tasks waited for I/O", NULL, COUNTER},
    [PSI_IO_SOME] = {"container_pressure_io_waiting_seconds_total",
                     "Seconds some task waited for I/O", NULL, COUNTER},
    [PSI_MEM_FULL] = {"container_pressure_memory_stalled_seconds_total",
                      "Seconds all tasks waited for memory", NULL, COUNTER},
    [PSI_MEM_SOME] = {"container_pressure_memory_waiting_seconds_total",
                      "Seconds some task waited for memory", NULL, COUNTER},
    [PROCESSES] = {"container_processes", "Processes", NULL, GAUGE},
    [SOCKETS] = {"container_sockets", "Open sockets of all processes", NULL, GAUGE},
    [SPEC_PERIOD] = {"container_spec_cpu_period", "CPU period that was asked for, microseconds",
                     NULL, GAUGE},
    [SPEC_QUOTA] = {"container_spec_cpu_quota", "CPU quota that was asked for, microseconds", NULL,
                    GAUGE},
    [SPEC_SHARES] = {"container_spec_cpu_shares", "CPU shares that were asked for", NULL, GAUGE},
    [SPEC_MEM] = {"container_spec_memory_limit_bytes", "Memory limit that was asked for", NULL,
                  GAUGE},
    [SPEC_SWAP] = {"container_spec_memory_swap_limit_bytes",
                   "Memory and swap limit that was asked for", NULL, GAUGE},
    [START] = {"container_start_time_seconds", "When the container was started, unix seconds", NULL,
               GAUGE},
    [THREADS] = {"container_threads", "Threads", NULL, GAUGE},
    [THREADS_MAX] = {"container_threads_max", "Limit of threads; 0 is none", NULL, GAUGE},
};

static int list_metric_descriptors(struct sn_grpc_call *call,
                                   const struct runtime_v1_list_metric_descriptors_request *q,
                                   struct runtime_v1_list_metric_descriptors_response **ret)
{
    struct sn_arena *a = call->arena;
    *ret = SN_ARENA_NEW(a, struct runtime_v1_list_metric_descriptors_response);
    if (!*ret) return SN_E_NOMEM;
    for (unsigned i = 0; i < METRICS; i++) {
        struct runtime_v1_metric_descriptor *d = SN_ARENA_NEW(a,
                                                              struct runtime_v1_metric_descriptor),
                                            **at;
        const char *keys[] = {"id", "name", defs[i].label};
        at = sn_pb_array_add(&(*ret)->descriptors, sizeof *at, a);
        if (!d || !at) return SN_E_NOMEM;
        d->name = sn_str(defs[i].name);
        d->help = sn_str(defs[i].help);
        for (unsigned k = 0; k < SN_COUNT_OF(keys) && keys[k]; k++) {
            struct sn_str *key = sn_pb_array_add(&d->label_keys, sizeof *key, a);
            if (!key) return SN_E_NOMEM;
            *key = sn_str(keys[k]);
        }
        *at = d;
    }
    return 0;
}

/* ---- one object's ---- */

struct emitter {
    void *array;
    struct sn_str id, name;
    int64_t now;
    struct sn_arena *a;
    bool nomem;
};

static void emit_with(struct emitter *e, enum metric which, struct sn_str third, uint64_t v)
{
    struct runtime_v1_metric *m = SN_ARENA_NEW(e->a, struct runtime_v1_metric),
                             **at = sn_pb_array_add(e->array, sizeof *at, e->a);
    struct runtime_v1_u_int64_value *value = SN_ARENA_NEW(e->a, struct runtime_v1_u_int64_value);
    struct sn_str labels[] = {e->id, e->name, third};
    e->nomem |= !m || !at || !value;
    if (e->nomem) return;
    m->name = sn_str(defs[which].name);
    m->timestamp = e->now;
    m->metric_type = defs[which].type;
    value->value = v;
    m->value = value;
    for (unsigned k = 0; k < (defs[which].label ? 3 : 2); k++) {
        struct sn_str *l = sn_pb_array_add(&m->label_values, sizeof *l, e->a);
        if (l)
            *l = labels[k];
        else
            e->nomem = true;
    }
    *at = m;
}
static void emit(struct emitter *e, enum metric which, uint64_t v)
{
    emit_with(e, which, (struct sn_str){0}, v);
}

static uint64_t seconds(uint64_t ns) { return ns / (uint64_t)SN_SEC; }

struct counting { /* descriptors and threads, by /proc */
    struct cri_reading *q;
    uint64_t fds, sockets, threads, pids;
};

static void count_fds(struct counting *k, int pid)
{
    char path[64], link[32];
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        k->fds++;
        ssize_t n = readlinkat(dirfd(d), e->d_name, link, sizeof link);
        k->sockets += n > 7 && !memcmp(link, "socket:", 7);
    }
    if (d) closedir(d);
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) k->threads += e->d_name[0] != '.';
    if (d) closedir(d);
}

static int count(void *arg)
{
    struct counting *k = arg;
    const char *location;
    struct sn_cgroup *cg;
    struct sn_cgroup_pids pids;
    struct cri_reading *q = k->q;
    int r = sn_cgroup_resolve(&q->s->cgroups,
                              &(struct sn_cgroup_where){.path = q->cgroup, .id = sn_str(q->id)},
                              q->a, &location);
    if (r >= 0) r = sn_cgroup_open(&q->s->cgroups, location, &cg);
    if (r < 0) return r;
    r = sn_cgroup_pids(cg, true, q->a, &pids);
    for (size_t i = 0; r >= 0 && i < pids.n && i < PIDS_MAX; i++) count_fds(k, pids.ptr[i]);
    if (r >= 0) k->pids = pids.n;
    sn_cgroup_close(cg);
    return r;
}

static uint64_t io_sum(const sn_cgroup_io_list *l, const char *op)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < l->n; i++)
        if (sn_str_eqc(l->ptr[i].op, op)) sum += l->ptr[i].value;
    return sum;
}

static void emit_cpu_memory(struct emitter *e, const struct sn_cgroup_stats *st)
{
    bool v2 = st->v2;
    uint64_t swap = st->memory.swap.usage, mem = st->memory.memory.usage;
    emit(e, PERIODS, st->cpu.periods);
    emit(e, THROTTLED, st->cpu.throttled_periods);
    emit(e, THROTTLED_S, seconds(st->cpu.throttled_ns));
    emit(e, CPU_SYSTEM, seconds(st->cpu.system_ns));
    emit(e, CPU_USAGE, seconds(st->cpu.usage_ns));
    emit(e, CPU_USER, seconds(st->cpu.user_ns));
    emit(e, CACHE, st->memory.cache);
    emit(e, FAILCNT, v2 ? st->memory.max_events : st->memory.memory.failcnt);
    emit_with(e, FAILURES, SN_STR("pgfault"),
              sn_cgroup_stat_get(st, v2 ? "pgfault" : "total_pgfault"));
    emit_with(e, FAILURES, SN_STR("pgmajfault"),
              sn_cgroup_stat_get(st, v2 ? "pgmajfault" : "total_pgmajfault"));
    emit(e, KERNEL, v2 ? sn_cgroup_stat_get(st, "kernel") : st->memory.kernel.usage);
    emit(e, MAPPED, sn_cgroup_stat_get(st, v2 ? "file_mapped" : "total_mapped_file"));
    emit(e, MEM_MAX, st->memory.memory.max);
    emit(e, RSS, sn_cgroup_stat_get(st, v2 ? "anon" : "total_rss"));
    emit(e, SWAP, v2 ? swap : swap > mem ? swap - mem : 0);
    emit(e, MEM, mem);
    emit(e, WORKING_SET, cri_working_set(st));
    emit(e, OOM, st->memory.oom_kill);
    emit(e, THREADS_MAX, st->pids.limit_set && st->pids.limit != UINT64_MAX ? st->pids.limit : 0);
}

static void emit_psi(struct emitter *e, const struct sn_cgroup_psi *p, enum metric full,
                     enum metric some)
{
    if (!p->set) return;
    emit(e, full, p->full.total_us / 1000000);
    emit(e, some, p->some.total_us / 1000000);
}

static void emit_io(struct emitter *e, const struct sn_cgroup_stats *st)
{
    emit(e, READ_BYTES, io_sum(&st->io.service_bytes, "Read"));
    emit(e, WRITE_BYTES, io_sum(&st->io.service_bytes, "Write"));
    emit(e, READS, io_sum(&st->io.serviced, "Read"));
    emit(e, WRITES, io_sum(&st->io.serviced, "Write"));
    for (size_t i = 0; i < st->io.service_bytes.n; i++) {
        const struct sn_cgroup_io_entry *d = &st->io.service_bytes.ptr[i];
        struct sn_str dev = sn_arena_printf(e->a, "%llu:%llu %.*s", (unsigned long long)d->major,
                                            (unsigned long long)d->minor, SN_STR_ARG(d->op));
        emit_with(e, BLKIO, dev, d->value);
    }
    for (size_t i = 0; i < st->hugetlb.n; i++) {
        emit_with(e, HUGE, st->hugetlb.ptr[i].page_size, st->hugetlb.ptr[i].usage);
        emit_with(e, HUGE_MAX, st->hugetlb.ptr[i].page_size, st->hugetlb.ptr[i].max);
    }
    emit_psi(e, &st->cpu.psi, PSI_CPU_FULL, PSI_CPU_SOME);
    emit_psi(e, &st->io.psi, PSI_IO_FULL, PSI_IO_SOME);
    emit_psi(e, &st->memory.psi, PSI_MEM_FULL, PSI_MEM_SOME);
}

static int disk(void *arg)
{
    const char *root = ((void **)arg)[0];
    return statvfs(root, ((void **)arg)[1]) < 0 ? SN_E_IO : 0;
}

static void emit_ctr(struct sn_cri *s, struct cri_ctr *c, struct emitter *e)
{
    struct cri_reading *q = SN_ARENA_NEW(e->a, struct cri_reading);
    const struct runtime_v1_linux_container_resources *r = c->resources;
    struct sn_image_mount_info mi;
    struct statvfs vfs = {0};
    void *job[2] = {(void *)sn_image_store_root(s->images), &vfs};
    if (!q) return;
    *q = (struct cri_reading){.s = s, .a = e->a, .cgroup = cri_ctr_cgroup(c, e->a), .id = c->id};
    struct counting k = {.q = q};
    emit(e, LAST_SEEN, seconds((uint64_t)e->now));
    emit(e, START, seconds((uint64_t)c->started_ns));
    if (c->state == CRI_RUNNING && sn_offload(cri_read_cgroup, q) >= 0) {
        emit_cpu_memory(e, &q->st);
        emit_io(e, &q->st);
    }
    if (c->state == CRI_RUNNING && sn_offload(count, &k) >= 0) {
        emit(e, FDS, k.fds);
        emit(e, SOCKETS, k.sockets);
        emit(e, THREADS, k.threads);
        emit(e, PROCESSES, k.pids);
    }
    if (sn_offload(disk, job) >= 0) {
        emit(e, INODES, vfs.f_files);
        emit(e, INODES_FREE, vfs.f_ffree);
        emit(e, FS_LIMIT, (uint64_t)vfs.f_blocks * vfs.f_frsize);
    }
    if (sn_image_mount_usage(s->images, sn_str(c->id), e->a, &mi) >= 0) emit(e, FS_USAGE, mi.bytes);
    emit(e, SPEC_PERIOD, r ? (uint64_t)r->cpu_period : 0);
    emit(e, SPEC_QUOTA, r && r->cpu_quota > 0 ? (uint64_t)r->cpu_quota : 0);
    emit(e, SPEC_SHARES, r ? (uint64_t)r->cpu_shares : 0);
    emit(e, SPEC_MEM, r ? (uint64_t)r->memory_limit_in_bytes : 0);
    emit(e, SPEC_SWAP, r ? (uint64_t)r->memory_swap_limit_in_bytes : 0);
}

static void emit_net(struct cri_pod *p, struct emitter *e)
{
    struct cri_net *j = SN_ARENA_NEW(e->a, struct cri_net);
    if (!j || p->host_network || !p->ready) return;
    snprintf(j->path, sizeof j->path, "/proc/%d/ns/net", cri_pod_holder(p));
    if (sn_offload(cri_read_net, j) < 0) return;
    for (unsigned i = 0; i < j->n; i++) {
        const struct sn_rtnl_link *l = &j->links[i];
        struct sn_str nic = sn_arena_str(e->a, sn_str(l->name));
        emit_with(e, RX, nic, l->rx_bytes);
        emit_with(e, RX_ERR, nic, l->rx_errors);
        emit_with(e, RX_DROP, nic, l->rx_dropped);
        emit_with(e, RX_PACKETS, nic, l->rx_packets);
        emit_with(e, TX, nic, l->tx_bytes);
        emit_with(e, TX_ERR, nic, l->tx_errors);
        emit_with(e, TX_DROP, nic, l->tx_dropped);
        emit_with(e, TX_PACKETS, nic, l->tx_packets);
    }
}

static int pod_metrics(struct sn_cri *s, struct cri_pod *p, struct sn_arena *a,
                       struct runtime_v1_pod_sandbox_metrics **ret)
{
    struct runtime_v1_pod_sandbox_metrics *pm =
        SN_ARENA_NEW(a, struct runtime_v1_pod_sandbox_metrics);
    struct cri_ctr **all;
    size_t n = 0;
    if (!pm) return SN_E_NOMEM;
    pm->pod_sandbox_id = sn_arena_str(a, sn_str(p->id));
    struct emitter e = {&pm->metrics,
                        pm->pod_sandbox_id,
                        sn_arena_str(a, p->config->metadata->name),
                        sn_wall_now(),
                        a,
                        false};
    emit_net(p, &e);
    int r = cri_pick_ctrs(s, a, NULL, p->id, &all, &n);
    for (size_t i = 0; i < n; i++) {
        struct runtime_v1_container_metrics *cm = SN_ARENA_NEW(a,
                                                               struct runtime_v1_container_metrics),
                                            **at;
        at = sn_pb_array_add(&pm->container_metrics, sizeof *at, a);
        if (cm && at && r >= 0) {
            cm->container_id = sn_arena_str(a, sn_str(all[i]->id));
            struct emitter ce = {&cm->metrics,
                                 cm->container_id,
                                 sn_arena_str(a, all[i]->config->metadata->name),
                                 e.now,
                                 a,
                                 false};
            emit_ctr(s, all[i], &ce);
            *at = cm;
            e.nomem |= ce.nomem;
        } else {
            e.nomem = true;
        }
        cri_ctr_unref(all[i]);
    }
    *ret = pm;
    return r < 0 ? r : e.nomem ? SN_E_NOMEM : 0;
}

static int metrics_into(struct sn_cri *s, struct sn_arena *a, void *array)
{
    struct cri_pod **all;
    size_t n = 0;
    int r = cri_each_pod(s, a, &all, &n);
    for (size_t i = 0; i < n; i++) {
        struct runtime_v1_pod_sandbox_metrics *pm;
        void **at = r >= 0 ? sn_pb_array_add(array, sizeof *at, a) : NULL;
        if (r >= 0) r = at ? pod_metrics(s, all[i], a, &pm) : SN_E_NOMEM;
        if (r >= 0) *at = pm;
        cri_pod_unref(all[i]);
    }
    return r;
}

static int list_pod_sandbox_metrics(struct sn_grpc_call *call,
                                    const struct runtime_v1_list_pod_sandbox_metrics_request *q,
                                    struct runtime_v1_list_pod_sandbox_metrics_response **ret)
{
    *ret = SN_ARENA_NEW(call->arena, struct runtime_v1_list_pod_sandbox_metrics_response);
    int r = *ret ? metrics_into(call->arg, call->arena, &(*ret)->pod_metrics) : SN_E_NOMEM;
    return r < 0 ? cri_fail(call, r) : 0;
}

static int stream_pod_sandbox_metrics(struct sn_grpc_call *call,
                                      const struct runtime_v1_stream_pod_sandbox_metrics_request *q)
{
    struct runtime_v1_stream_pod_sandbox_metrics_response all = {0}, one = {0};
    int r = metrics_into(call->arg, call->arena, &all.pod_sandbox_metrics);
    for (uint32_t i = 0; r >= 0 && i < all.pod_sandbox_metrics.len; i++) {
        one.pod_sandbox_metrics.ptr = &all.pod_sandbox_metrics.ptr[i];
        one.pod_sandbox_metrics.len = 1;
        r = runtime_v1_runtime_service_stream_pod_sandbox_metrics_reply(call, &one);
    }
    return r;
}

void cri_handlers_metrics(struct runtime_v1_runtime_service_handlers *h)
{
    h->list_metric_descriptors = list_metric_descriptors;
    h->list_pod_sandbox_metrics = list_pod_sandbox_metrics;
    h->stream_pod_sandbox_metrics = stream_pod_sandbox_metrics;
}

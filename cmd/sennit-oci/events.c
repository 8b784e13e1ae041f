/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-oci/events.c - statistics and out-of-memory events as runc prints them, a JSON object a line. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "cmd.h"
#include "core/buf.h"

#define UNLIMITED 9223372036854771712ull /* what v1 prints for no limit, and so what readers expect */

static void u64s(struct sn_jsonw *w, const char *key, const uint64_t *v, size_t n)
{
    if (!n) return;
    sn_jsonw_key(w, sn_str(key));
    sn_jsonw_array(w);
    for (size_t i = 0; i < n; i++) sn_jsonw_u64(w, v[i]);
    sn_jsonw_array_end(w);
}

static void psi_line(struct sn_jsonw *w, const char *key, const struct sn_cgroup_psi_line *l)
{
    sn_jsonw_key(w, sn_str(key));
    sn_jsonw_object(w);
    sn_jsonw_kdouble(w, "avg10", l->avg10);
    sn_jsonw_kdouble(w, "avg60", l->avg60);
    sn_jsonw_kdouble(w, "avg300", l->avg300);
    sn_jsonw_ku64(w, "total", l->total_us);
    sn_jsonw_object_end(w);
}

static void psi(struct sn_jsonw *w, const struct sn_cgroup_psi *p)
{
    if (!p->set) return;
    sn_jsonw_key(w, SN_STR("psi"));
    sn_jsonw_object(w);
    psi_line(w, "some", &p->some);
    psi_line(w, "full", &p->full);
    sn_jsonw_object_end(w);
}

static void cpu(struct sn_jsonw *w, const struct sn_cgroup_stats *s)
{
    sn_jsonw_key(w, SN_STR("cpu"));
    sn_jsonw_object(w);
    sn_jsonw_key(w, SN_STR("usage"));
    sn_jsonw_object(w);
    sn_jsonw_ku64(w, "total", s->cpu.usage_ns);
    u64s(w, "percpu", s->cpu.percpu_ns.ptr, s->cpu.percpu_ns.n);
    u64s(w, "percpu_kernel", s->cpu.percpu_system_ns.ptr, s->cpu.percpu_system_ns.n);
    u64s(w, "percpu_user", s->cpu.percpu_user_ns.ptr, s->cpu.percpu_user_ns.n);
    sn_jsonw_ku64(w, "kernel", s->cpu.system_ns);
    sn_jsonw_ku64(w, "user", s->cpu.user_ns);
    sn_jsonw_object_end(w);
    sn_jsonw_key(w, SN_STR("throttling"));
    sn_jsonw_object(w);
    if (s->cpu.periods) sn_jsonw_ku64(w, "periods", s->cpu.periods);
    if (s->cpu.throttled_periods) sn_jsonw_ku64(w, "throttledPeriods", s->cpu.throttled_periods);
    if (s->cpu.throttled_ns) sn_jsonw_ku64(w, "throttledTime", s->cpu.throttled_ns);
    sn_jsonw_object_end(w);
    psi(w, &s->cpu.psi);
    sn_jsonw_object_end(w);
}

static void counter(struct sn_jsonw *w, const char *key, const struct sn_cgroup_memory_counter *c)
{
    sn_jsonw_key(w, sn_str(key));
    sn_jsonw_object(w);
    sn_jsonw_ku64(w, "limit", c->limit == UINT64_MAX ? UNLIMITED : c->limit);
    sn_jsonw_ku64(w, "usage", c->usage);
    sn_jsonw_ku64(w, "max", c->max);
    sn_jsonw_ku64(w, "failcnt", c->failcnt);
    sn_jsonw_object_end(w);
}

static void memory(struct sn_jsonw *w, const struct sn_cgroup_stats *s)
{
    sn_jsonw_key(w, SN_STR("memory"));
    sn_jsonw_object(w);
    sn_jsonw_ku64(w, "cache", s->memory.cache);
    counter(w, "usage", &s->memory.memory);
    if (s->memory.swap_set) counter(w, "swap", &s->memory.swap);
    if (s->memory.kernel_set) counter(w, "kernel", &s->memory.kernel);
    if (s->memory.kernel_tcp_set) counter(w, "kernelTCP", &s->memory.kernel_tcp);
    sn_jsonw_key(w, SN_STR("raw"));
    sn_jsonw_object(w);
    for (size_t i = 0; i < s->memory.stat.n; i++) {
        sn_jsonw_key(w, s->memory.stat.ptr[i].key);
        sn_jsonw_u64(w, s->memory.stat.ptr[i].value);
    }
    sn_jsonw_object_end(w);
    psi(w, &s->memory.psi);
    sn_jsonw_object_end(w);
}

static void io_list(struct sn_jsonw *w, const char *key, const sn_cgroup_io_list *l)
{
    if (!l->n) return;
    sn_jsonw_key(w, sn_str(key));
    sn_jsonw_array(w);
    for (size_t i = 0; i < l->n; i++) {
        sn_jsonw_object(w);
        sn_jsonw_ku64(w, "major", l->ptr[i].major);
        sn_jsonw_ku64(w, "minor", l->ptr[i].minor);
        if (l->ptr[i].op.len) sn_jsonw_kstr(w, "op", l->ptr[i].op);
        sn_jsonw_ku64(w, "value", l->ptr[i].value);
        sn_jsonw_object_end(w);
    }
    sn_jsonw_array_end(w);
}

static void io(struct sn_jsonw *w, const struct sn_cgroup_stats *s)
{
    const struct {
        const char *key;
        const sn_cgroup_io_list *list;
    } all[] = {{"ioServiceBytesRecursive", &s->io.service_bytes}, {"ioServicedRecursive", &s->io.serviced},
               {"ioQueueRecursive", &s->io.queued}, {"ioServiceTimeRecursive", &s->io.service_time},
               {"ioWaitTimeRecursive", &s->io.wait_time}, {"ioMergedRecursive", &s->io.merged},
               {"ioTimeRecursive", &s->io.time}, {"sectorsRecursive", &s->io.sectors}};
    sn_jsonw_key(w, SN_STR("blkio"));
    sn_jsonw_object(w);
    for (size_t i = 0; i < SN_COUNT_OF(all); i++) io_list(w, all[i].key, all[i].list);
    psi(w, &s->io.psi);
    sn_jsonw_object_end(w);
}

static void rest(struct sn_jsonw *w, const struct sn_cgroup_stats *s)
{
    sn_jsonw_key(w, SN_STR("pids"));
    sn_jsonw_object(w);
    sn_jsonw_ku64(w, "current", s->pids.current);
    if (s->pids.limit_set && s->pids.limit != UINT64_MAX) sn_jsonw_ku64(w, "limit", s->pids.limit);
    sn_jsonw_object_end(w);
    sn_jsonw_key(w, SN_STR("hugetlb"));
    sn_jsonw_object(w);
    for (size_t i = 0; i < s->hugetlb.n; i++) {
        sn_jsonw_key(w, s->hugetlb.ptr[i].page_size);
        sn_jsonw_object(w);
        sn_jsonw_ku64(w, "usage", s->hugetlb.ptr[i].usage);
        sn_jsonw_ku64(w, "max", s->hugetlb.ptr[i].max);
        sn_jsonw_ku64(w, "failcnt", s->hugetlb.ptr[i].failcnt);
        sn_jsonw_object_end(w);
    }
    sn_jsonw_object_end(w);
}

static int print_stats(struct app *app, struct sn_oci_container *c, struct sn_cgroup *cg)
{
    struct sn_arena a;
    struct sn_buf b = {0};
    struct sn_jsonw w;
    struct sn_cgroup_stats *s;
    sn_arena_init(&a, NULL, 0);
    s = SN_ARENA_NEW(&a, struct sn_cgroup_stats);
    int e = s ? sn_cgroup_stats(cg, &a, s) : SN_E_NOMEM;
    if (e == 0) {
        sn_jsonw_init(&w, &b, NULL);
        sn_jsonw_object(&w);
        sn_jsonw_kstr(&w, "type", SN_STR("stats"));
        sn_jsonw_kstr(&w, "id", sn_str(sn_oci_id(c)));
        sn_jsonw_key(&w, SN_STR("data"));
        sn_jsonw_object(&w);
        cpu(&w, s);
        memory(&w, s);
        io(&w, s);
        rest(&w, s);
        sn_jsonw_object_end(&w);
        sn_jsonw_object_end(&w);
        sn_buf_cstr(&b, "\n");
        e = b.err < 0 ? b.err : out_text(sn_buf_view(&b));
    }
    sn_buf_done(&b);
    sn_arena_done(&a);
    return e;
}

static int print_oom(struct sn_oci_container *c)
{
    char line[SN_OCI_ID_MAX + 64];
    int n = snprintf(line, sizeof(line), "{\"type\":\"oom\",\"id\":\"%s\"}\n", sn_oci_id(c));
    return out_text(sn_str_of(line, (size_t)n));
}

/* Until the container ends: statistics each interval, out of memory when it happens. */
static int stream(struct app *app, struct sn_oci_container *c, struct sn_cgroup *cg, int64_t interval_ns)
{
    struct sn_cgroup_watch watch = {.fd = -1};
    int e = sn_cgroup_oom_watch(cg, &watch);
    if (e < 0 && e != SN_E_UNIMPLEMENTED) return e;
    struct pollfd p[2] = {{.fd = sn_oci_pidfd(c), .events = POLLIN}, {.fd = watch.fd, .events = watch.events}};
    e = p[0].fd < 0 ? 0 : print_stats(app, c, cg);
    while (e == 0 && p[0].fd >= 0) {
        int n = poll(p, 2, (int)SN_MIN(interval_ns / SN_MS, (int64_t)INT32_MAX)); /* banned: no fibers in this program */
        if (n < 0 && errno != EINTR) e = sn_fail_errno(errno, "poll");
        if (n > 0 && p[1].revents) {
            uint64_t kills = 0;
            int r = sn_cgroup_oom_read(&watch, &kills);
            if (r < 0) p[1].fd = -1;
            while (kills-- && e == 0) e = print_oom(c);
        }
        if (p[0].revents) break;
        if (n == 0) e = print_stats(app, c, cg);
    }
    sn_cgroup_watch_close(&watch);
    return e;
}

int cmd_events(struct app *app, int argc, char **argv)
{
    bool once = false;
    const char *interval = "5s";
    const struct opt opts[] = {{"stats", 0, OPT_FLAG, &once, "print the statistics once"},
                               {"interval", 0, OPT_STR, &interval, "time between statistics (default: 5s)"},
                               {NULL, 0, OPT_FLAG, NULL, NULL}};
    if (help("events", opts, argc, argv)) return 0;
    argc--, argv++;
    int64_t ns;
    int e = opts_parse(opts, true, &argc, &argv);
    if (e < 0) return e;
    if (argc != 1) return usage("events");
    if (sn_str_to_duration(sn_str(interval), &ns) < 0 || ns <= 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "duration interval must be greater than 0, got \"%.32s\"", interval);
    struct sn_oci_container *c;
    struct sn_cgroup *cg;
    if ((e = open_container(app, argv[0], &c)) < 0) return e;
    if (!sn_oci_pid(c)) e = sn_fail(SN_E_FAILED_PRECONDITION, "container with id %s is not running", argv[0]);
    if (e == 0) e = sn_oci_cgroup(c, &cg);
    if (e == 0) e = once ? print_stats(app, c, cg) : stream(app, c, cg, SN_MAX(ns, SN_MS));
    sn_oci_close(c);
    return e;
}

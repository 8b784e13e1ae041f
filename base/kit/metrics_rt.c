/* SPDX-License-Identifier: Apache-2.0 */
/* kit/metrics_rt.c - what every process exports: the standard process_* set, the runtime's counters
 * as sennit_*, and Go's names where the meaning is the same. Each is read when scraped. */
#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "fiber/fiber.h"
#include "kit/metrics_int.h"

static void gauge(struct sn_metrics_writer *w, const char *name, const char *help, double v)
{
    sn_metrics_write(w, name, "gauge", help, NULL, v);
}
static void counter(struct sn_metrics_writer *w, const char *name, const char *help, double v)
{
    sn_metrics_write(w, name, "counter", help, NULL, v);
}
static unsigned entries(const char *folder)
{
    unsigned n = 0;
    DIR *d = opendir(folder);
    if (!d) return 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;) n += e->d_name[0] != '.';
    closedir(d);
    return n;
}
/* Fields 22 to 24 of /proc/self/stat: start time in ticks since boot, bytes, resident pages. */
static bool stat_fields(uint64_t *start, uint64_t *vsize, uint64_t *rss)
{
    char text[1024];
    FILE *f = fopen("/proc/self/stat", "re");
    if (!f) return false;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    struct sn_str s = sn_str_of(text, n);
    ssize_t name_end = sn_str_rchr(s, ')'); /* the name before it may hold anything */
    if (name_end < 0) return false;
    s = sn_str_from(s, (size_t)name_end + 2);
    for (int field = 3; s.ptr; field++) {
        struct sn_str word = sn_str_cut(&s, ' ');
        if (field == 22 && sn_str_to_u64(word, start) < 0) return false;
        if (field == 23 && sn_str_to_u64(word, vsize) < 0) return false;
        if (field == 24) return sn_str_to_u64(word, rss) == 0;
    }
    return false;
}
static double boot_time(void)
{
    char line[256];
    double t = 0;
    FILE *f = fopen("/proc/stat", "re");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "btime ", 6) == 0) t = strtod(line + 6, NULL);
    if (f) fclose(f);
    return t;
}
static void process(struct sn_metrics_writer *w)
{
    struct rusage u;
    struct rlimit fds;
    uint64_t start, vsize, rss;
    if (getrusage(RUSAGE_SELF, &u) == 0)
        counter(w, "process_cpu_seconds_total", "User and system CPU time spent.",
                (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6);
    gauge(w, "process_open_fds", "Open file descriptors.", entries("/proc/self/fd") - 1.0);
    if (getrlimit(RLIMIT_NOFILE, &fds) == 0)
        gauge(w, "process_max_fds", "Limit of open file descriptors.", (double)fds.rlim_cur);
    if (!stat_fields(&start, &vsize, &rss)) return;
    gauge(w, "process_virtual_memory_bytes", "Virtual memory size.", (double)vsize);
    gauge(w, "process_resident_memory_bytes", "Resident memory size.",
          (double)rss * (double)sysconf(_SC_PAGESIZE));
    gauge(w, "process_start_time_seconds", "Start of the process, unix time.",
          boot_time() + (double)start / (double)sysconf(_SC_CLK_TCK));
}
void sn_metrics_write_runtime(struct sn_metrics_writer *w)
{
    struct sn_rt_stats s = {0};
    struct mallinfo2 heap = mallinfo2();
    process(w);
    gauge(w, "go_goroutines", "Fibers that exist; under Go's name for Go's dashboards.",
          (double)sn_fibers_live());
    gauge(w, "go_threads", "Threads of this process.", entries("/proc/self/task"));
    gauge(w, "go_memstats_heap_alloc_bytes", "Bytes of allocated heap blocks.",
          (double)(heap.uordblks + heap.hblkhd));
    gauge(w, "sennit_heap_blocks", "Heap blocks allocated and not freed.", (double)sn_alloc_live());
    if (sn_worker_id() < 0) return; /* the runtime's counters exist while it runs */
    sn_rt_stats(&s);
    gauge(w, "sennit_workers", "Worker threads.", s.workers);
    gauge(w, "sennit_fibers", "Fibers that exist.", (double)s.fibers_live);
    gauge(w, "sennit_fibers_runnable", "Fibers ready to run.", (double)s.fibers_runnable);
    gauge(w, "sennit_fibers_parked", "Fibers waiting.", (double)s.fibers_parked);
    counter(w, "sennit_fibers_started_total", "Fibers started.", (double)s.fibers_started);
    counter(w, "sennit_switches_total", "Switches between fibers.", (double)s.switches);
    counter(w, "sennit_steals_total", "Unstarted fibers taken by another worker.",
            (double)s.steals);
    counter(w, "sennit_polls_total", "Visits to the kernel's poller.", (double)s.polls);
    counter(w, "sennit_idle_polled_seconds_total",
            "Processor time spent polling instead of sleeping, for latency.",
            (double)s.idle_polled_ns * 1e-9);
    counter(w, "sennit_wakeups_remote_total", "Wake-ups across workers.", (double)s.wakeups_remote);
    counter(w, "sennit_timers_fired_total", "Timers that expired.", (double)s.timers_fired);
    gauge(w, "sennit_conns_open", "Open connections.", (double)s.conns_open);
    gauge(w, "sennit_conns_parked", "Connections without a fiber.", (double)s.conns_parked);
    gauge(w, "sennit_stack_reserved_bytes", "Address space of fiber stacks.",
          (double)s.stack_bytes_reserved);
    gauge(w, "sennit_stack_cached_bytes", "Fiber stacks kept for reuse.",
          (double)s.stack_bytes_cached);
}

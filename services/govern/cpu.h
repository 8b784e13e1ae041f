/* SPDX-License-Identifier: Apache-2.0 */
/* govern/cpu.h - how busy the processors are that this process may use, per mille, as a moving
 * average (0.95 per 250 ms). Where a cgroup (v1 or v2) sets a quota: its use over its quota;
 * elsewhere the machine's, from /proc/stat. Neither sees a neighbour that holds the processors this
 * process waits for: so it is at least the lesser of how busy the processors are that it may run on
 * (/proc/stat, Cpus_allowed_list) and how much of them its threads want, running or waiting to (the
 * run delay in /proc/self/task/T/schedstat). The parsers are sans-I/O; one fiber reads the files. */
#pragma once
#include "core/base.h"
#include "core/str.h"

#define SN_GOV_CPU_EVERY_NS (250 * SN_MS)
#define SN_GOV_CPU_KEEP 0.95

#define SN_GOV_CPU_PROCESSORS_MAX 1024u /* numbers from here on are not looked at */
#define SN_GOV_CPU_THREADS_MAX 512u     /* with more threads, what they want is not known */

/* Counters of a process among others. */
struct sn_gov_cpu_share {
    int64_t wanted_ns; /* its threads' time running and ready to run */
    int64_t busy_ns;   /* of the processors it may run on, by whomever */
    unsigned cpus;     /* how many these are; 0 = nothing of this is known */
};
struct sn_gov_cpu {
    double ewma;
    uint32_t latest;        /* the last sample by itself */
    int64_t used_ns, at_ns; /* of the sample before; at_ns 0 = none */
    struct sn_gov_cpu_share share;
};
/* sn_gov_cpu_sample - used_ns: CPU time used so far; millicores: what may be used at once (1000 =
 * one processor); share: NULL where it is not known. Returns the average, 0..1000. A counter that went
 * backwards (in share also: a thread has ended) starts anew. */
uint32_t sn_gov_cpu_sample(struct sn_gov_cpu *c, int64_t now_ns, int64_t used_ns, int64_t millicores,
                           const struct sn_gov_cpu_share *share);

/* Parsers of what the kernel writes. Each returns 0 or SN_E_SYNTAX (the diagnostic names the file's
 * kind). */
/* sn_gov_cpu_v2_stat - cgroup v2 cpu.stat: usage_usec, to ns. */
int sn_gov_cpu_v2_stat(struct sn_str text, int64_t *ret_used_ns) SN_MUST_CHECK;
/* sn_gov_cpu_v2_max - cgroup v2 cpu.max: "max 100000" or "QUOTA PERIOD". millicores 0 = no quota.
 */
int sn_gov_cpu_v2_max(struct sn_str text, int64_t *ret_millicores) SN_MUST_CHECK;
/* sn_gov_cpu_v1_quota - cpu.cfs_quota_us (-1 = none) over cpu.cfs_period_us. */
int sn_gov_cpu_v1_quota(struct sn_str quota, struct sn_str period,
                        int64_t *ret_millicores) SN_MUST_CHECK;
/* sn_gov_cpu_proc_stat - the first line of /proc/stat: busy time of all processors (user, nice,
 * system, irq, softirq, steal), at tick_hz ticks a second, and how many "cpuN" lines there are. */
int sn_gov_cpu_proc_stat(struct sn_str text, int64_t tick_hz, int64_t *ret_used_ns,
                         unsigned *ret_cpus) SN_MUST_CHECK;
/* sn_gov_cpu_allowed - the list behind Cpus_allowed_list in /proc/self/status ("0-3,8"), as bits. */
int sn_gov_cpu_allowed(struct sn_str status,
                       uint64_t ret[SN_GOV_CPU_PROCESSORS_MAX / 64]) SN_MUST_CHECK;
/* sn_gov_cpu_busy_of - busy time of the processors in `allowed` in /proc/stat, and how many it lists. */
int sn_gov_cpu_busy_of(struct sn_str text, const uint64_t allowed[SN_GOV_CPU_PROCESSORS_MAX / 64],
                       int64_t tick_hz, int64_t *ret_busy_ns, unsigned *ret_cpus) SN_MUST_CHECK;
/* sn_gov_cpu_schedstat - /proc/PID/task/TID/schedstat: time running and time ready to run. */
int sn_gov_cpu_schedstat(struct sn_str text, int64_t *ret_wanted_ns) SN_MUST_CHECK;
/* sn_gov_cpu_cgroup_path - the path in /proc/self/cgroup of the v1 controller `name`, or of v2 for
 * "". Returns 0, SN_E_NOT_FOUND. *ret borrows text. */
int sn_gov_cpu_cgroup_path(struct sn_str text, struct sn_str name,
                           struct sn_str *ret) SN_MUST_CHECK;

/* sn_gov_cpu_run - reads every SN_GOV_CPU_EVERY_NS and hands the meter to fn, until cancelled.
 * root: "" for the real files, else a folder that stands in for "/" (tests).
 * Returns SN_E_CANCELLED, or why nothing could be read at the start. Suspends. */
int sn_gov_cpu_run(const char *root, void (*fn)(const struct sn_gov_cpu *c, void *arg),
                   void *arg) SN_MUST_CHECK;
/* sn_gov_cpu_source - "cgroup v2", "cgroup v1", "/proc/stat": what sn_gov_cpu_run reads on this
 * machine. */
const char *sn_gov_cpu_source(const char *root);
/* sn_gov_cpu_limited - whether a quota of this process's cgroup is what it may use: then processor time
 * spent on latency (polling instead of sleeping) is taken from the work. root as above. Reads files.
 * Context: an ordinary thread. */
bool sn_gov_cpu_limited(const char *root);

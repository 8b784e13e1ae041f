/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/supervise.h - keeps a set of processes running: one fiber each, restart with back-off,
 * orderly stop. What it starts dies with it (PR_SET_PDEATHSIG), also when it is killed. */
#pragma once
#include "core/str.h"
#include "core/vec.h"
#include "fiber/os.h"
#include "fiber/sync.h"

enum sn_restart { SN_RESTART_ALWAYS, SN_RESTART_ON_FAILURE, SN_RESTART_NEVER };
enum sn_proc_state {
    SN_PROC_STARTING,
    SN_PROC_RUNNING,
    SN_PROC_BACKOFF,
    SN_PROC_EXITED,
    SN_PROC_FAILED
};

#define SN_SUPERVISED_MAX 256
#define SN_BACKOFF_MIN_NS (200 * SN_MS)
#define SN_BACKOFF_MAX_NS (30 * SN_SEC)
/* A process that ran this long is trusted again: the next failure starts at the shortest back-off.
 */
#define SN_BACKOFF_RESET_NS (10 * SN_SEC)
/* Clock ticks are 10 ms: over a shorter time a share is mostly rounding. */
#define SN_CPU_WINDOW_NS SN_SEC
#define SN_SUPERVISE_GRACE_NS (5 * SN_SEC)

/* What is true of a process at one moment. */
struct sn_proc_status {
    enum sn_proc_state state;
    int pid; /* 0 while it does not run */
    int64_t started_ns;
    unsigned restarts;
    int last_code; /* 0..255, or 128 + signal */
};

struct sn_supervised {
    const char *name;
    const char *const *argv; /* NULL-ended; borrowed for the supervisor's life */
    const char *const *env;  /* NULL-ended; NULL = inherit */
    const char *dir;         /* NULL = inherit */
    int out_fd;              /* its standard output and error; -1 = nowhere, -2 = inherit */
    enum sn_restart restart;

    /* Below: supervise.c's. `now` is read and written under the supervisor's lock. */
    struct sn_proc_status now;
    struct sn_proc proc;
    int64_t backoff_ns;
    uint64_t cpu_ticks_seen; /* sn_supervised_sample's, for the share between two calls */
    int64_t cpu_seen_ns;
    int cpu_seen_pid;
    double cpu_pct;
};

struct sn_supervisor {
    SN_VEC(struct sn_supervised *) procs; /* not changed while it runs */
    int64_t grace_ns; /* SIGTERM to SIGKILL at stop; 0 = SN_SUPERVISE_GRACE_NS */
    /* Told of each start, exit and give-up, on the supervising fiber. May be NULL. */
    void (*on_event)(void *arg, const char *level, const char *text);
    void *arg;
    struct sn_mutex lock;
};

/* sn_supervisor_run - runs every process until the calling fiber's scope is cancelled, then stops
 * them all at once: SIGTERM, after grace_ns SIGKILL. None is left when it returns.
 * Returns SN_OK, or the failure to start a fiber. Suspends. */
int sn_supervisor_run(struct sn_supervisor *s) SN_MUST_CHECK;

struct sn_proc_sample {
    struct sn_proc_status status;
    uint64_t rss_bytes;
    double cpu_pct; /* of one core, over SN_CPU_WINDOW_NS or a little more; -1 where not yet known */
};
/* sn_supervised_sample - the process's state and use of memory and processor, from /proc.
 * Context: a fiber; one at a time for each process. May suspend for the lock. */
void sn_supervised_sample(struct sn_supervisor *s, struct sn_supervised *p,
                          struct sn_proc_sample *ret);
/* sn_proc_state_name - "running"; a static string. */
const char *sn_proc_state_name(enum sn_proc_state s);

/* sn_proc_usage - resident memory and processor time of `pid` (0 = this process) in clock ticks,
 * from /proc. Returns false where the process is gone. Does not suspend: procfs answers from
 * memory. */
bool sn_proc_usage(int pid, uint64_t *ret_rss_bytes, uint64_t *ret_ticks);
/* sn_cpu_share - percent of one core that `ticks` clock ticks in took_ns are. */
double sn_cpu_share(uint64_t ticks, int64_t took_ns);

/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/supervise.h - keeps a set of processes running: one fiber each, restart with back-off,
 * orderly stop. What it starts dies with it (PR_SET_PDEATHSIG), also when it is killed. */
#pragma once
#include "core/str.h"
#include "core/vec.h"
#include "fiber/os.h"
#include "fiber/sync.h"

enum sn_restart { SN_RESTART_ALWAYS, SN_RESTART_ON_FAILURE, SN_RESTART_NEVER };
enum sn_proc_state { SN_PROC_STARTING, SN_PROC_RUNNING, SN_PROC_BACKOFF, SN_PROC_EXITED, SN_PROC_FAILED };

#define SN_SUPERVISED_MAX 256
#define SN_BACKOFF_MIN_NS (200 * SN_MS)
#define SN_BACKOFF_MAX_NS (30 * SN_SEC)
/* A process that ran this long is trusted again: the next failure starts at the shortest back-off. */
#define SN_BACKOFF_RESET_NS (10 * SN_SEC)

struct sn_supervised {
    const char *name;
    const char *const *argv; /* NULL-ended; borrowed for the supervisor's life */
    const char *dir;         /* NULL = inherit */
    enum sn_restart restart;

    /* Below: the supervisor's, readable by fibers of the same worker. */
    enum sn_proc_state state;
    struct sn_proc proc;
    int64_t started_ns, backoff_ns;
    unsigned restarts;
    int last_code;
    uint64_t cpu_ticks_seen; /* for rates between two samples */
    int64_t cpu_seen_ns;
    double cpu_pct;
    uint64_t rss_bytes;
};

struct sn_supervisor {
    SN_VEC(struct sn_supervised *) procs;
    int64_t grace_ns; /* SIGTERM to SIGKILL at stop; 0 = 5 s */
    /* Told of each start, exit and give-up, on the supervising fiber. May be NULL. */
    void (*on_event)(void *arg, const char *level, const char *text);
    void *arg;
    bool stopping;
};

/* sn_supervisor_run - runs every process until the calling fiber's scope is cancelled, then stops
 * them: SIGTERM, after grace_ns SIGKILL. Returns SN_OK, or the failure to start a fiber. Suspends. */
int sn_supervisor_run(struct sn_supervisor *s) SN_MUST_CHECK;
/* sn_supervised_sample - refreshes rss_bytes and cpu_pct from /proc. Cheap; does not suspend. */
void sn_supervised_sample(struct sn_supervised *p);
const char *sn_proc_state_name(enum sn_proc_state s);

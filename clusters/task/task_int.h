/* SPDX-License-Identifier: Apache-2.0 */
/* task/task_int.h - what the files of the folder share: hosts, tasks and their processes. */
#pragma once
#include "clusters/oci/container.h"
#include "clusters/task/streams_int.h"
#include "clusters/task/task.h"
#include "core/list.h"
#include "core/map.h"
#include "fiber/sync.h"

enum process_phase {
    PHASE_NEW, /* created, or added: not yet started */
    PHASE_RUNNING,
    PHASE_ENDED,
};
/* Referenced by its task's list, its watcher and whoever works with it. */
struct process {
    struct sn_list link; /* of task->execs */
    unsigned refs;       /* under the host's lock */
    struct sn_task *task;
    char *exec_id, *in, *out, *err;
    struct sn_str spec;
    bool terminal, starting, gone; /* gone: deleted */
    enum process_phase phase;
    struct sn_stdio *io;
    int pid, pidfd; /* pidfd of the first process is the container's */
    uint32_t status;
    int64_t started_ns, exited_ns;
    struct sn_fiber *watcher;
    struct sn_cond started; /* with task->lock: no start is under way any more */
    struct sn_event ended;  /* and told */
};
struct sn_task {
    unsigned refs; /* under the host's lock */
    struct sn_task_host *host;
    char *id, *bundle;
    char *restore_from, *restore_work; /* of a checkpoint; NULL: as sn_task_opts */
    bool no_pivot, no_new_keyring;
    bool ready, paused, deleted, own_pids;
    unsigned worker; /* where its fibers live */
    struct sn_oci_container *c; /* NULL: not restored yet */
    struct sn_mutex op;   /* one call into clusters/oci at a time */
    struct sn_mutex lock; /* phases, the list, the order of events */
    struct process *init;
    struct sn_list execs;
    unsigned n_execs;
    struct sn_cgroup_watch oom;
    struct sn_fiber *oom_fiber;
    struct sn_event oom_over;
    bool oom_on;
};
struct sn_task_host {
    struct sn_task_host_opts o;
    struct sn_spin lock;
    struct sn_map tasks;
    unsigned busy; /* calls into clusters/oci under way: they have children of their own */
    bool closing;
    struct sn_waitgroup fibers; /* watchers and OOM fibers */
};

/* process.c */
struct process *process_new(struct sn_task *t, const char *exec_id, const struct sn_stdio_opts *io);
void process_ref(struct process *p);
void process_unref(struct process *p);
/* process_find - "" is the first. Returns a reference or NULL with a diagnostic (SN_E_NOT_FOUND).
 */
struct process *process_find(struct sn_task *t, const char *exec_id);
/* process_watch - waits for its end in a fiber of the task's worker. pidfd: the process's. */
int process_watch(struct process *p) SN_MUST_CHECK;
int process_signal(struct process *p, int sig) SN_MUST_CHECK;
void process_state(const struct process *p, struct sn_task_state *ret);

/* task.c */
/* host_offload - fn, a call into clusters/oci, beside the worker. */
int host_offload(struct sn_task_host *h, int (*fn)(void *arg), void *arg) SN_MUST_CHECK;
void task_tell(struct sn_task *t, enum sn_task_event_kind kind, const struct process *p);
/* task_oom_watch - from here on; a container without memory control has no such events. */
void task_oom_watch(struct sn_task *t);
/* task_own_pids - whether the container's processes end with its first one by themselves. */
bool task_own_pids(struct sn_oci_container *c);
/* task_oom_check - tells of kills that have not been told. Under task->lock. */
void task_oom_check(struct sn_task *t);

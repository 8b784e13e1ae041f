/* SPDX-License-Identifier: Apache-2.0 */
/* task/ops.c - what is done to tasks and their processes between creation and deletion. */
#include <signal.h>
#include <unistd.h>

#include "clusters/oci/checkpoint.h"
#include "clusters/task/task_int.h"
#include "clusters/task/zygote_int.h"
#include "core/alloc.h"

/* ---- start and exec ----------------------------------------------------------------------------
 */

int sn_task_exec_add(struct sn_task *t, const struct sn_task_exec_opts *opts)
{
    if (strlen(opts->exec_id) > SN_TASK_ID_MAX || !opts->exec_id[0])
        return sn_fail(SN_E_INVALID_ARGUMENT, "exec id \"%.140s\": 1 to %u bytes are expected",
                       opts->exec_id, SN_TASK_ID_MAX);
    struct process *p = process_new(t, opts->exec_id, &opts->io);
    if (!p) return SN_E_NOMEM;
    char *spec = sn_alloc(opts->process.len + 1);
    if (spec && opts->process.len) memcpy(spec, opts->process.ptr, opts->process.len);
    p->spec = sn_str_of(spec, opts->process.len);
    int r = spec ? sn_stdio_open(&opts->io, &p->io) : SN_E_NOMEM;
    if (r < 0) {
        process_unref(p);
        return r;
    }
    sn_mutex_lock_always(&t->lock);
    if (t->deleted || t->init->phase == PHASE_ENDED)
        r = sn_fail(SN_E_FAILED_PRECONDITION, "cannot exec in a stopped container: %s", t->id);
    else if (t->n_execs >= SN_TASK_EXECS_MAX)
        r = sn_fail(SN_E_RESOURCE_EXHAUSTED, "task %s has %u processes, no more are allowed", t->id,
                    t->n_execs);
    SN_LIST_EACH (&t->execs, l) {
        struct process *other = SN_LIST_ENTRY(l, struct process, link);
        if (r >= 0 && strcmp(other->exec_id, p->exec_id) == 0)
            r = sn_fail(SN_E_ALREADY_EXISTS, "process %s of task %s already exists", p->exec_id,
                        t->id);
    }
    if (r >= 0) {
        sn_list_push_back(&t->execs, &p->link);
        t->n_execs++;
        task_tell(t, SN_TASK_EXEC_ADDED, p);
    }
    sn_mutex_unlock(&t->lock);
    if (r < 0) process_unref(p);
    return r;
}

struct start_job {
    struct process *p;
    struct sn_oci_process born;
    int console;
    bool restored;
};

static int restore_job(struct start_job *j)
{
    struct sn_task *t = j->p->task;
    struct sn_oci_criu_opts o = {.images = t->restore_from, .work = t->restore_work};
    struct sn_oci_create_opts c = {.id = t->id,
                                   .bundle = t->bundle,
                                   .stdio = j->p->terminal ? NULL : j->p->io->child,
                                   .no_pivot = t->no_pivot,
                                   .no_new_keyring = t->no_new_keyring};
    if (j->p->terminal) c.ret_console = &j->console;
    int r = sn_oci_restore(t->host->o.oci, &c, &o, &t->c);
    if (r < 0) return r;
    t->own_pids = task_own_pids(t->c);
    j->p->pid = sn_oci_pid(t->c);
    j->p->pidfd = sn_oci_pidfd(t->c);
    j->restored = true;
    return 0;
}

static int start_job(void *arg)
{
    struct start_job *j = arg;
    struct sn_task *t = j->p->task;
    const struct sn_task_host_opts *h = &t->host->o;
    if (j->p == t->init) return t->c ? sn_oci_start(t->c) : restore_job(j);
    struct sn_oci_exec_opts o = {.process = j->p->spec,
                                 .stdio = j->p->terminal ? NULL : j->p->io->child};
    if (j->p->terminal) o.ret_console = &j->console;
    return h->zygote ? sn_zygote_exec(h->zygote, h->oci, t->id, &o, &j->born)
                     : sn_oci_exec(t->c, &o, &j->born);
}

/* start_over - under the lock: the start has ended, well or not. */
static int start_over(struct start_job *j, int r)
{
    struct process *p = j->p;
    struct sn_task *t = p->task;
    bool exec = p != t->init;
    if (r >= 0) {
        p->phase = PHASE_RUNNING;
        p->started_ns = sn_wall_now();
        if (exec) {
            p->pid = j->born.pid;
            p->pidfd = j->born.pidfd;
        }
        task_tell(t, exec ? SN_TASK_EXEC_STARTED : SN_TASK_STARTED, p);
        if (exec || j->restored) r = process_watch(p);
    } else if (exec) {
        /* It never ran: nobody waits for it in vain. */
        p->phase = PHASE_ENDED;
        p->status = 255;
        p->exited_ns = sn_wall_now();
    }
    p->starting = false;
    sn_cond_broadcast(&p->started);
    return r;
}

static int process_start(struct process *p)
{
    struct sn_task *t = p->task;
    sn_mutex_lock_always(&t->lock);
    int r = 0;
    if (p->phase != PHASE_NEW || p->starting || p->gone)
        r = sn_fail(SN_E_FAILED_PRECONDITION, "process %s of task %s has been started before",
                    p->exec_id, t->id);
    else if (p != t->init && t->init->phase != PHASE_RUNNING)
        r = sn_fail(SN_E_FAILED_PRECONDITION, "container %s is not running", t->id);
    else
        p->starting = true;
    sn_mutex_unlock(&t->lock);
    if (r < 0) return r;
    struct start_job j = {.p = p, .born = {.pidfd = -1}, .console = -1};
    r = sn_mutex_lock(&t->op);
    if (r >= 0) {
        r = host_offload(t->host, start_job, &j);
        sn_mutex_unlock(&t->op);
    }
    if (j.restored) task_oom_watch(t);
    if (r >= 0 && (p != t->init || j.restored)) r = sn_stdio_started(p->io, j.console, t->worker);
    if (r < 0 && j.born.pidfd >= 0) {
        kill(j.born.pid, SIGKILL);
        close(j.born.pidfd);
    }
    sn_mutex_lock_always(&t->lock);
    int pid = j.born.pid;
    r = start_over(&j, r);
    if (p == t->init) pid = p->pid;
    sn_mutex_unlock(&t->lock);
    if (r < 0 && p != t->init) sn_event_set(&p->ended);
    return r < 0 ? r : pid;
}

int sn_task_start(struct sn_task *t, const char *exec_id)
{
    struct process *p = process_find(t, exec_id);
    if (!p) return SN_E_NOT_FOUND;
    int r = process_start(p);
    process_unref(p);
    return r;
}

/* ---- looking and waiting -----------------------------------------------------------------------
 */

int sn_task_state(struct sn_task *t, const char *exec_id, struct sn_task_state *ret)
{
    struct process *p = process_find(t, exec_id);
    if (!p) return SN_E_NOT_FOUND;
    process_state(p, ret);
    process_unref(p);
    return 0;
}

int sn_task_wait(struct sn_task *t, const char *exec_id, struct sn_task_state *ret)
{
    struct process *p = process_find(t, exec_id);
    if (!p) return SN_E_NOT_FOUND;
    int r = sn_event_wait(&p->ended);
    if (r >= 0 && ret) {
        process_state(p, ret);
        ret->in = ret->out = ret->err = NULL;
    }
    process_unref(p);
    return r;
}

const char *sn_task_exec_of_pid(struct sn_task *t, uint32_t pid)
{
    const char *found = NULL;
    sn_mutex_lock_always(&t->lock);
    if (!t->deleted && (uint32_t)t->init->pid == pid) found = t->init->exec_id;
    SN_LIST_EACH (&t->execs, l) {
        struct process *p = SN_LIST_ENTRY(l, struct process, link);
        if ((uint32_t)p->pid == pid && p->phase == PHASE_RUNNING) found = p->exec_id;
    }
    sn_mutex_unlock(&t->lock);
    return found;
}

/* ---- streams -----------------------------------------------------------------------------------
 */

int sn_task_resize(struct sn_task *t, const char *exec_id, unsigned width, unsigned height)
{
    struct process *p = process_find(t, exec_id);
    if (!p) return SN_E_NOT_FOUND;
    int r = p->io ? sn_stdio_resize(p->io, width, height)
                  : sn_fail(SN_E_FAILED_PRECONDITION, "the process's terminal is not ours");
    process_unref(p);
    return r;
}

int sn_task_console(struct sn_task *t, const char *exec_id)
{
    struct process *p = process_find(t, exec_id);
    if (!p) return SN_E_NOT_FOUND;
    int fd = p->io && p->io->use_fds ? p->io->console : -1;
    process_unref(p);
    return fd >= 0
               ? fd
               : sn_fail(SN_E_FAILED_PRECONDITION, "the process has no terminal of the caller's");
}

int sn_task_close_stdin(struct sn_task *t, const char *exec_id)
{
    struct process *p = process_find(t, exec_id);
    if (!p) return SN_E_NOT_FOUND;
    sn_mutex_lock_always(&t->lock);
    if (p->io && p->phase != PHASE_ENDED) sn_stdio_close_stdin(p->io);
    sn_mutex_unlock(&t->lock);
    process_unref(p);
    return 0;
}

/* ---- calls into clusters/oci -------------------------------------------------------------------
 */

struct op {
    struct sn_task *t;
    int (*fn)(struct op *op);
    int sig;
    const struct sn_json *resources;
    struct sn_arena *arena;
    struct sn_cgroup_stats *stats;
    struct sn_cgroup_pids pids;
    const struct sn_oci_criu_opts *criu;
};

static int op_job(void *arg)
{
    struct op *op = arg;
    return op->fn(op);
}

/* op_run - beside the worker, one at a time for each container. */
static int op_run(struct op *op)
{
    struct sn_task *t = op->t;
    int r = sn_mutex_lock(&t->op);
    if (r < 0) return r;
    if (t->deleted)
        r = sn_fail(SN_E_NOT_FOUND, "container %s does not exist", t->id);
    else if (!t->c)
        r = sn_fail(SN_E_FAILED_PRECONDITION, "container %s has not been restored yet", t->id);
    else
        r = host_offload(t->host, op_job, op);
    sn_mutex_unlock(&t->op);
    return r;
}

static int op_kill(struct op *op) { return sn_oci_kill(op->t->c, op->sig, true); }
static int op_pause(struct op *op) { return sn_oci_pause(op->t->c); }
static int op_resume(struct op *op) { return sn_oci_resume(op->t->c); }
static int op_update(struct op *op) { return sn_oci_update(op->t->c, op->resources); }
static int op_pids(struct op *op) { return sn_oci_pids(op->t->c, op->arena, &op->pids); }
static int op_checkpoint(struct op *op) { return sn_oci_checkpoint(op->t->c, op->criu); }
static int op_stats(struct op *op)
{
    struct sn_cgroup *cg;
    int r = sn_oci_cgroup(op->t->c, &cg);
    return r < 0 ? r : sn_cgroup_stats(cg, op->arena, op->stats);
}

/* kill_unrestored - a task that has no process yet ends with the first signal. */
static int kill_unrestored(struct sn_task *t, int sig)
{
    struct process *p = t->init;
    sn_mutex_lock_always(&t->lock);
    int r = p->starting || p->phase != PHASE_NEW
                ? sn_fail(SN_E_FAILED_PRECONDITION, "container %s is being restored", t->id)
                : 0;
    if (r >= 0) {
        p->phase = PHASE_ENDED;
        p->status = 128 + ((uint32_t)sig & 127);
        p->exited_ns = sn_wall_now();
        task_tell(t, SN_TASK_EXITED, p);
    }
    sn_mutex_unlock(&t->lock);
    if (r >= 0) sn_event_set(&p->ended);
    return r;
}

int sn_task_kill(struct sn_task *t, const char *exec_id, int sig, bool all)
{
    struct process *p = process_find(t, exec_id);
    if (!p) return SN_E_NOT_FOUND;
    int r;
    if (p == t->init && !t->c && p->phase == PHASE_NEW) {
        r = kill_unrestored(t, sig);
    } else if (all && p == t->init) {
        struct op op = {.t = t, .fn = op_kill, .sig = sig};
        r = op_run(&op);
        /* A container whose first process has ended may hold others; without any, this is no news.
         */
        if (r < 0 && p->phase == PHASE_ENDED)
            r = sn_fail(SN_E_NOT_FOUND, "process already finished");
    } else {
        r = process_signal(p, sig);
    }
    process_unref(p);
    return r;
}

static int pause_to(struct sn_task *t, bool paused)
{
    struct op op = {.t = t, .fn = paused ? op_pause : op_resume};
    int r = op_run(&op);
    if (r < 0) return r;
    sn_mutex_lock_always(&t->lock);
    t->paused = paused;
    task_tell(t, paused ? SN_TASK_PAUSED : SN_TASK_RESUMED, NULL);
    sn_mutex_unlock(&t->lock);
    return 0;
}

int sn_task_pause(struct sn_task *t) { return pause_to(t, true); }
int sn_task_resume(struct sn_task *t) { return pause_to(t, false); }

int sn_task_update(struct sn_task *t, const struct sn_json *resources)
{
    struct op op = {.t = t, .fn = op_update, .resources = resources};
    return op_run(&op);
}

int sn_task_checkpoint(struct sn_task *t, const struct sn_oci_criu_opts *o)
{
    struct op op = {.t = t, .fn = op_checkpoint, .criu = o};
    return op_run(&op);
}

int sn_task_stats(struct sn_task *t, struct sn_arena *a, struct sn_cgroup_stats *ret)
{
    struct op op = {.t = t, .fn = op_stats, .arena = a, .stats = ret};
    return op_run(&op);
}

ssize_t sn_task_pids(struct sn_task *t, struct sn_arena *a, uint32_t **ret)
{
    struct op op = {.t = t, .fn = op_pids, .arena = a};
    int r = op_run(&op);
    if (r < 0) return r;
    if (op.pids.n > SN_TASK_PIDS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "container %s has %zu processes, at most %u are listed",
                       t->id, op.pids.n, SN_TASK_PIDS_MAX);
    uint32_t *all = SN_ARENA_ARRAY(a, uint32_t, op.pids.n + 1);
    if (!all) return SN_E_NOMEM;
    for (size_t i = 0; i < op.pids.n; i++) all[i] = (uint32_t)op.pids.ptr[i];
    *ret = all;
    return (ssize_t)op.pids.n;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* task/task.c - hosts and tasks: found by id, created, adopted, deleted; their events. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clusters/task/task_int.h"
#include "clusters/task/zygote_int.h"
#include "core/alloc.h"
#include "fiber/net.h"
#include "wire/json.h"

/* ---- hosts -------------------------------------------------------------------------------------
 */

int sn_task_host_open(const struct sn_task_host_opts *opts, struct sn_task_host **ret)
{
    struct sn_task_host *h = SN_NEW(struct sn_task_host);
    if (!h) return SN_E_NOMEM;
    h->o = *opts;
    sn_map_init(&h->tasks, sn_random(), false);
    *ret = h;
    return 0;
}

static void task_fibers_stop(struct sn_task *t)
{
    sn_mutex_lock_always(&t->lock);
    if (t->init && t->init->watcher) sn_fiber_cancel(t->init->watcher);
    SN_LIST_EACH (&t->execs, l) {
        struct process *p = SN_LIST_ENTRY(l, struct process, link);
        if (p->watcher) sn_fiber_cancel(p->watcher);
    }
    if (t->oom_fiber) sn_fiber_cancel(t->oom_fiber);
    sn_mutex_unlock(&t->lock);
}

static int fibers_wait(void *arg)
{
    struct sn_task_host *h = arg;
    return sn_waitgroup_wait(&h->fibers);
}

static void task_forget(struct sn_task *t)
{
    sn_spin_lock(&t->host->lock);
    void *was = sn_map_get(&t->host->tasks, sn_str(t->id)) == t
                    ? sn_map_del(&t->host->tasks, sn_str(t->id))
                    : NULL;
    sn_spin_unlock(&t->host->lock);
    if (was) sn_task_unref(t);
}

void sn_task_host_close(struct sn_task_host *h)
{
    if (!h) return;
    h->closing = true;
    size_t it = 0;
    for (struct sn_map_slot *s; (s = sn_map_next(&h->tasks, &it));) task_fibers_stop(s->value);
    while (sn_shield(SN_HOUR, fibers_wait, h) < 0) continue;
    for (;;) {
        it = 0;
        struct sn_map_slot *s = sn_map_next(&h->tasks, &it);
        if (!s) break;
        task_forget(s->value);
    }
    sn_map_done(&h->tasks);
    sn_free(h);
}

int host_offload(struct sn_task_host *h, int (*fn)(void *arg), void *arg)
{
    sn_spin_lock(&h->lock); /* not while others' remains are looked through */
    h->busy++;
    sn_spin_unlock(&h->lock);
    int r = sn_offload(fn, arg);
    sn_spin_lock(&h->lock);
    h->busy--;
    sn_spin_unlock(&h->lock);
    return r;
}

/* ours - whether a process is one that a watcher waits for. */
static bool ours(const struct sn_task_host *h, pid_t pid)
{
    size_t it = 0;
    for (struct sn_map_slot *s; (s = sn_map_next(&h->tasks, &it));) {
        const struct sn_task *t = s->value;
        if (t->init && t->init->pid == pid && t->init->phase != PHASE_ENDED) return true;
        SN_LIST_EACH (&t->execs, l) {
            const struct process *p = SN_LIST_ENTRY(l, struct process, link);
            if (p->pid == pid && p->phase != PHASE_ENDED) return true;
        }
    }
    return false;
}

bool sn_task_host_reap(struct sn_task_host *h)
{
    bool shared = false;
    size_t it = 0;
    sn_spin_lock(&h->lock);
    for (struct sn_map_slot *s; (s = sn_map_next(&h->tasks, &it));)
        shared |= !((const struct sn_task *)s->value)->own_pids;
    for (;;) {
        siginfo_t si = {0};
        /* The first that has ended; one of ours is its watcher's, and hides the rest until then. */
        if (h->busy || waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) < 0 || !si.si_pid) break;
        if (ours(h, si.si_pid) || waitid(P_PID, (id_t)si.si_pid, &si, WEXITED | WNOHANG) < 0) break;
    }
    sn_spin_unlock(&h->lock);
    return shared;
}

/* ---- references --------------------------------------------------------------------------------
 */

struct sn_task *sn_task_ref(struct sn_task *t)
{
    __atomic_fetch_add(&t->refs, 1, __ATOMIC_RELAXED);
    return t;
}

void sn_task_unref(struct sn_task *t)
{
    if (!t || __atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) > 0) return;
    for (struct sn_list *l; (l = sn_list_pop_front(&t->execs));)
        process_unref(SN_LIST_ENTRY(l, struct process, link));
    if (t->init) process_unref(t->init);
    if (t->oom.fd >= 0) sn_cgroup_watch_close(&t->oom);
    sn_oci_close(t->c);
    sn_free(t->id);
    sn_free(t->bundle);
    sn_free(t->restore_from);
    sn_free(t->restore_work);
    sn_free(t);
}

const char *sn_task_id(const struct sn_task *t) { return t->id; }
const char *sn_task_bundle(const struct sn_task *t) { return t->bundle; }

int sn_task_find(struct sn_task_host *h, const char *id, struct sn_task **ret)
{
    sn_spin_lock(&h->lock);
    struct sn_task *t = sn_map_get(&h->tasks, sn_str(id));
    if (t && !t->ready) t = NULL;
    if (t) sn_task_ref(t);
    sn_spin_unlock(&h->lock);
    if (!t) return sn_fail(SN_E_NOT_FOUND, "container %s does not exist", id);
    *ret = t;
    return 0;
}

/* ---- events ------------------------------------------------------------------------------------
 */

void task_tell(struct sn_task *t, enum sn_task_event_kind kind, const struct process *p)
{
    if (!t->host->o.event) return;
    struct sn_task_event e = {.kind = kind,
                              .id = t->id,
                              .exec_id = p ? p->exec_id : "",
                              .pid = p ? (uint32_t)p->pid : 0,
                              .status = p ? p->status : 0,
                              .at_ns = p ? p->exited_ns : 0,
                              .task = t};
    t->host->o.event(t->host->o.arg, &e);
}

void task_oom_check(struct sn_task *t)
{
    uint64_t kills = 0;
    if (t->oom.fd < 0 || sn_cgroup_oom_read(&t->oom, &kills) < 0 || !kills) return;
    task_tell(t, SN_TASK_OOM, NULL);
}

static void oom_main(void *arg)
{
    struct sn_task *t = arg;
    struct sn_task_host *h = t->host;
    t->oom_fiber = sn_self();
    while (!h->closing && !t->deleted && sn_fd_wait(t->oom.fd, (uint32_t)t->oom.events) >= 0) {
        sn_mutex_lock_always(&t->lock);
        uint64_t kills = 0;
        int r = sn_cgroup_oom_read(&t->oom, &kills);
        if (r >= 0 && kills) task_tell(t, SN_TASK_OOM, NULL);
        sn_mutex_unlock(&t->lock);
        if (r < 0) break;
    }
    t->oom_fiber = NULL;
    sn_event_set(&t->oom_over);
    sn_task_unref(t);
    sn_waitgroup_done(&h->fibers);
}

void task_oom_watch(struct sn_task *t)
{
    struct sn_cgroup *cg;
    if (sn_oci_cgroup(t->c, &cg) < 0 || sn_cgroup_oom_watch(cg, &t->oom) < 0) {
        t->oom.fd = -1;
        return;
    }
    sn_task_ref(t);
    sn_waitgroup_add(&t->host->fibers, 1);
    t->oom_on = sn_go_cleanup(t->worker, "memory of a task", oom_main, t) >= 0;
    if (t->oom_on) return;
    sn_waitgroup_done(&t->host->fibers);
    sn_task_unref(t);
}

/* ---- making ------------------------------------------------------------------------------------
 */

static int task_new(struct sn_task_host *h, const char *id, const char *bundle,
                    const struct sn_stdio_opts *io, struct sn_task **ret)
{
    if (strlen(id) > SN_TASK_ID_MAX || !id[0])
        return sn_fail(SN_E_INVALID_ARGUMENT, "id \"%.140s\": 1 to %u bytes are expected", id,
                       SN_TASK_ID_MAX);
    struct sn_task *t = SN_NEW(struct sn_task);
    if (!t) return SN_E_NOMEM;
    t->refs = 1;
    t->host = h;
    t->oom.fd = -1;
    t->worker = (unsigned)sn_worker_id();
    sn_list_init(&t->execs);
    size_t n = strlen(id) + 1, m = strlen(bundle) + 1;
    t->id = sn_alloc(n);
    t->bundle = sn_alloc(m);
    t->init = process_new(t, "", io);
    int r = t->id && t->bundle && t->init ? 0 : SN_E_NOMEM;
    if (r >= 0) {
        memcpy(t->id, id, n);
        memcpy(t->bundle, bundle, m);
        sn_spin_lock(&h->lock);
        if (sn_map_find(&h->tasks, sn_str(id)))
            r = SN_E_ALREADY_EXISTS;
        else if (h->tasks.len >= SN_TASK_TASKS_MAX)
            r = SN_E_RESOURCE_EXHAUSTED;
        else if ((r = sn_map_put(&h->tasks, sn_str(t->id), t, NULL)) >= 0)
            t->refs++; /* the map's */
        sn_spin_unlock(&h->lock);
        if (r == SN_E_ALREADY_EXISTS) sn_fail(r, "container with given ID already exists: %s", id);
        if (r == SN_E_RESOURCE_EXHAUSTED)
            sn_fail(r, "%u tasks, no more are allowed", SN_TASK_TASKS_MAX);
    }
    if (r < 0)
        sn_task_unref(t);
    else
        *ret = t;
    return r < 0 ? r : 0;
}

struct create_job {
    struct sn_task *t;
    const struct sn_task_opts *o;
    int console;
};

bool task_own_pids(struct sn_oci_container *c)
{
    struct sn_arena a;
    struct sn_str text;
    const struct sn_json *config;
    bool own = false;
    sn_arena_init(&a, NULL, 0);
    if (sn_oci_config(c, &a, &text) >= 0 && sn_json_parse(&a, text, NULL, &config) >= 0)
        for (SN_JSON_EACH(sn_json_path(config, "linux.namespaces"), n))
            own |= sn_str_eqc(sn_json_str(sn_json_get(n, "type")), "pid") &&
                   !sn_json_str(sn_json_get(n, "path")).len;
    sn_arena_done(&a);
    return own;
}

static int create_job(void *arg)
{
    struct create_job *j = arg;
    struct sn_task *t = j->t;
    const struct sn_task_host_opts *h = &t->host->o;
    struct sn_oci_create_opts o = {.id = t->id,
                                   .bundle = t->bundle,
                                   .config = j->o->config,
                                   .stdio = t->init->terminal ? NULL : t->init->io->child,
                                   .no_pivot = j->o->no_pivot,
                                   .no_new_keyring = j->o->no_new_keyring};
    if (t->init->terminal) o.ret_console = &j->console;
    int r = h->zygote ? sn_zygote_create(h->zygote, h->oci, &o, &t->c)
                      : sn_oci_create(h->oci, &o, &t->c);
    if (r < 0) return r;
    t->own_pids = task_own_pids(t->c);
    t->init->pid = sn_oci_pid(t->c);
    t->init->pidfd = sn_oci_pidfd(t->c);
    return 0;
}

/* task_abandon - what create had made is taken back. */
static void task_abandon(struct sn_task *t)
{
    if (t->c && sn_oci_delete(t->c, true) < 0) sn_diag_clear();
    siginfo_t si;
    uint32_t status;
    int pidfd = t->c ? t->init->pidfd : -1; /* killed just now, if it ever was */
    if (pidfd >= 0 && t->host->o.zygote &&
        sn_zygote_reap(t->host->o.zygote, t->init->pid, &status) >= 0)
        pidfd = -1;
    while (pidfd >= 0 && waitid((idtype_t)P_PIDFD, (id_t)pidfd, &si, WEXITED | __WALL) < 0 &&
           errno == EINTR)
        continue;
    task_forget(t);
    sn_task_unref(t);
}

static int task_made(struct sn_task *t, int console)
{
    struct process *p = t->init;
    int r = t->c ? sn_stdio_started(p->io, console, t->worker) : 0;
    if (r < 0) return r;
    if (t->c) task_oom_watch(t);
    sn_mutex_lock_always(&t->lock);
    task_tell(t, SN_TASK_CREATED, p);
    if (t->c) r = process_watch(p);
    sn_mutex_unlock(&t->lock);
    if (r >= 0) t->ready = true;
    return r;
}

/* restore_keep - what start will need. */
static int restore_keep(struct sn_task *t, const struct sn_task_opts *o)
{
    t->no_pivot = o->no_pivot;
    t->no_new_keyring = o->no_new_keyring;
    t->restore_from = sn_str_dup(sn_str(o->restore_from));
    if (o->restore_work) t->restore_work = sn_str_dup(sn_str(o->restore_work));
    return t->restore_from && (!o->restore_work || t->restore_work) ? 0 : SN_E_NOMEM;
}

int sn_task_create(struct sn_task_host *h, const struct sn_task_opts *opts, struct sn_task **ret)
{
    struct sn_task *t;
    int r = task_new(h, opts->id, opts->bundle, &opts->io, &t);
    if (r < 0) return r;
    struct create_job j = {.t = t, .o = opts, .console = -1};
    r = sn_stdio_open(&opts->io, &t->init->io);
    if (r >= 0) r = opts->restore_from ? restore_keep(t, opts) : host_offload(h, create_job, &j);
    if (r >= 0) r = task_made(t, j.console);
    if (r < 0) {
        struct sn_diag keep = *sn_diag();
        task_abandon(t);
        *sn_diag() = keep;
        return r;
    }
    *ret = t;
    return 0;
}

int sn_task_adopt(struct sn_task_host *h, const char *id, struct sn_task **ret)
{
    struct sn_task *t;
    struct sn_arena a;
    struct sn_oci_state st;
    int r = task_new(h, id, "", &(struct sn_stdio_opts){0}, &t);
    if (r < 0) return r;
    sn_arena_init(&a, NULL, 0);
    r = sn_oci_open(h->o.oci, id, &t->c);
    if (r >= 0) r = sn_oci_state(t->c, &a, &st);
    if (r >= 0) {
        sn_free(t->bundle);
        t->bundle = sn_alloc(st.bundle.len + 1);
        if (!t->bundle || sn_str_cz(st.bundle, t->bundle, st.bundle.len + 1) < 0) r = SN_E_NOMEM;
    }
    struct process *p = t->init;
    if (r >= 0) {
        t->own_pids = task_own_pids(t->c);
        t->paused = st.status == SN_OCI_PAUSED;
        p->terminal = st.terminal;
        p->pid = st.pid;
        p->phase = st.status == SN_OCI_STOPPED   ? PHASE_ENDED
                   : st.status == SN_OCI_CREATED ? PHASE_NEW
                                                 : PHASE_RUNNING;
        p->pidfd = sn_oci_pidfd(t->c);
        if (p->pidfd < 0) {
            p->phase = PHASE_ENDED;
            p->status = 255;
            sn_event_set(&p->ended);
        } else {
            task_oom_watch(t);
            r = process_watch(p);
        }
    }
    sn_arena_done(&a);
    if (r < 0) {
        task_forget(t);
        sn_task_unref(t);
        return r;
    }
    t->ready = true;
    *ret = t;
    return 0;
}

/* ---- unmaking ----------------------------------------------------------------------------------
 */

struct delete_job {
    struct sn_task *t;
    bool force;
};

static int delete_job(void *arg)
{
    struct delete_job *j = arg;
    return j->t->c ? sn_oci_delete(j->t->c, j->force) : 0;
}

static int delete_init(struct sn_task *t, bool force, struct sn_task_state *ret)
{
    struct process *p = t->init;
    if (p->phase == PHASE_RUNNING && !force)
        return sn_fail(SN_E_FAILED_PRECONDITION,
                       "container %s is running: it must be stopped before it is deleted", t->id);
    struct delete_job j = {t, force};
    int r = sn_mutex_lock(&t->op);
    if (r < 0) return r;
    r = t->deleted ? sn_fail(SN_E_NOT_FOUND, "container %s does not exist", t->id)
                   : host_offload(t->host, delete_job, &j);
    sn_mutex_unlock(&t->op);
    if (r < 0) return r;
    if (!t->c && p->phase == PHASE_NEW) sn_event_set(&p->ended); /* never restored */
    r = sn_event_wait(&p->ended);
    if (r < 0) return r;
    sn_mutex_lock_always(&t->lock);
    bool first = !t->deleted;
    t->deleted = true;
    if (first) task_tell(t, SN_TASK_DELETED, p);
    sn_mutex_unlock(&t->lock);
    if (ret) {
        process_state(p, ret);
        ret->in = ret->out = ret->err = NULL;
    }
    if (t->oom_fiber) sn_fiber_cancel(t->oom_fiber);
    if (t->oom_on && (r = sn_event_wait(&t->oom_over)) < 0) return r;
    task_forget(t);
    return 0;
}

static int delete_exec(struct process *p, bool force, struct sn_task_state *ret)
{
    struct sn_task *t = p->task;
    if (p->phase == PHASE_RUNNING && force) {
        int r = process_signal(p, SIGKILL);
        if (r < 0 && r != SN_E_NOT_FOUND) return r;
        r = sn_event_wait(&p->ended);
        if (r < 0) return r;
    }
    sn_mutex_lock_always(&t->lock);
    int r = 0;
    if (p->gone)
        r = sn_fail(SN_E_NOT_FOUND, "process %s of task %s does not exist", p->exec_id, t->id);
    else if (p->phase == PHASE_RUNNING || p->starting)
        r = sn_fail(SN_E_FAILED_PRECONDITION,
                    "process %s is running: it must be stopped before it is deleted", p->exec_id);
    if (r >= 0) {
        p->gone = true;
        sn_list_del(&p->link);
        t->n_execs--;
        task_tell(t, SN_TASK_DELETED, p);
    }
    sn_mutex_unlock(&t->lock);
    if (r < 0) return r;
    if (ret) {
        process_state(p, ret);
        ret->in = ret->out = ret->err = NULL;
    }
    process_unref(p);
    return 0;
}

int sn_task_delete(struct sn_task *t, const char *exec_id, bool force, struct sn_task_state *ret)
{
    struct process *p = process_find(t, exec_id);
    if (!p) return SN_E_NOT_FOUND;
    int r = p == t->init ? delete_init(t, force, ret) : delete_exec(p, force, ret);
    process_unref(p);
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* task/process.c - one process of a task: watched on its pidfd from birth to end. */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clusters/task/task_int.h"
#include "clusters/task/zygote_int.h"
#include "core/alloc.h"
#include "fiber/net.h"

/* Linux 6.13: what a pidfd knows of its process; the exit code since 6.15, also for strangers. The
 * kernel's header of that age is not on every build machine: ioctl 0xFF, 11, a struct of 64 bytes.
 */
struct pidfd_facts {
    uint64_t mask, cgroupid;
    uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
    int32_t exit_code;
};
#define PIDFD_FACTS _IOWR(0xFF, 11, struct pidfd_facts)
#define PIDFD_FACT_EXIT (1u << 3)

struct process *process_new(struct sn_task *t, const char *exec_id, const struct sn_stdio_opts *io)
{
    struct process *p = SN_NEW(struct process);
    if (!p) return NULL;
    p->refs = 1;
    p->task = t;
    p->pidfd = -1;
    p->terminal = io->terminal;
    sn_list_init(&p->link);
    p->exec_id = sn_str_dup(sn_str(exec_id));
    p->in = sn_str_dup(sn_str(io->in));
    p->out = sn_str_dup(sn_str(io->out));
    p->err = sn_str_dup(sn_str(io->err));
    if (p->exec_id && p->in && p->out && p->err) return p;
    process_unref(p);
    return NULL;
}

void process_ref(struct process *p) { __atomic_fetch_add(&p->refs, 1, __ATOMIC_RELAXED); }

void process_unref(struct process *p)
{
    if (__atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL) > 0) return;
    sn_stdio_free(p->io);
    if (p->exec_id && p->exec_id[0] && p->pidfd >= 0) close(p->pidfd);
    sn_free(p->exec_id);
    sn_free(p->in);
    sn_free(p->out);
    sn_free(p->err);
    sn_free((void *)p->spec.ptr);
    sn_free(p);
}

struct process *process_find(struct sn_task *t, const char *exec_id)
{
    struct process *found = NULL;
    sn_mutex_lock_always(&t->lock);
    if (!exec_id || !exec_id[0]) found = t->deleted ? NULL : t->init;
    SN_LIST_EACH (&t->execs, l) {
        struct process *p = SN_LIST_ENTRY(l, struct process, link);
        if (!found && exec_id && strcmp(p->exec_id, exec_id) == 0) found = p;
    }
    if (found) process_ref(found);
    sn_mutex_unlock(&t->lock);
    if (!found)
        sn_fail(SN_E_NOT_FOUND, "process %s of task %s does not exist",
                exec_id && *exec_id ? exec_id : t->id, t->id);
    return found;
}

void process_state(const struct process *p, struct sn_task_state *ret)
{
    static const enum sn_task_status by_phase[] = {SN_TASK_IS_CREATED, SN_TASK_IS_RUNNING,
                                                   SN_TASK_IS_STOPPED};
    bool paused = p->phase == PHASE_RUNNING && p->task->paused;
    *ret = (struct sn_task_state){.status = paused ? SN_TASK_IS_PAUSED : by_phase[p->phase],
                                  .pid = (uint32_t)p->pid,
                                  .exit_status = p->status,
                                  .exited_at_ns = p->exited_ns,
                                  .started_at_ns = p->started_ns,
                                  .terminal = p->terminal,
                                  .in = p->in,
                                  .out = p->out,
                                  .err = p->err};
}

int process_signal(struct process *p, int sig)
{
    if (p->phase == PHASE_ENDED || p->pidfd < 0)
        return p->phase == PHASE_NEW ? sn_fail(SN_E_FAILED_PRECONDITION,
                                               "process %s has not been started", p->exec_id)
                                     : sn_fail(SN_E_NOT_FOUND, "process already finished");
    if (syscall(SYS_pidfd_send_signal, p->pidfd, sig, NULL, 0) == 0) return 0;
    if (errno == ESRCH) return sn_fail(SN_E_NOT_FOUND, "process already finished");
    return sn_fail_errno(errno, "signal %d to process %d", sig, p->pid);
}

static uint32_t status_of(int code, int status)
{
    return code == CLD_EXITED ? (uint32_t)status & 255 : 128 + (uint32_t)status;
}

/* process_reap - its exit status: as its parent, or from the kernel's memory of it. */
static uint32_t process_reap(struct process *p)
{
    siginfo_t si = {0};
    uint32_t status;
    struct sn_zygote *z = p->task->host->o.zygote;
    if (z && sn_zygote_reap(z, p->pid, &status) >= 0) return status;
    if (waitid((idtype_t)P_PIDFD, (id_t)p->pidfd, &si, WEXITED | WNOHANG | __WALL) == 0 &&
        si.si_pid)
        return status_of(si.si_code, si.si_status);
    struct pidfd_facts f = {.mask = PIDFD_FACT_EXIT};
    if (ioctl(p->pidfd, PIDFD_FACTS, &f) == 0 && (f.mask & PIDFD_FACT_EXIT))
        return WIFEXITED(f.exit_code) ? WEXITSTATUS(f.exit_code)
                                      : 128 + (uint32_t)WTERMSIG(f.exit_code);
    return 255;
}

/* others_first - the kernel ends a container's processes with the first one of its pid namespace;
 * where the namespace is shared we do. Their exits are told before the task's. */
static void others_first(struct sn_task *t)
{
    if (!t->own_pids) {
        sn_mutex_lock_always(&t->op);
        if (sn_oci_kill(t->c, SIGKILL, true) < 0) sn_diag_clear(); /* none is left */
        sn_mutex_unlock(&t->op);
    }
    int64_t until = sn_now() + SN_STDIO_DRAIN_NS;
    for (bool again = true; again;) {
        struct process *run = NULL;
        again = false;
        sn_mutex_lock_always(&t->lock);
        SN_LIST_EACH (&t->execs, l) {
            struct process *p = SN_LIST_ENTRY(l, struct process, link);
            if (p->phase == PHASE_RUNNING) run = p;
        }
        if (run) process_ref(run);
        sn_mutex_unlock(&t->lock);
        if (!run) break;
        again = sn_event_wait_until(&run->ended, until) >= 0;
        process_unref(run);
    }
}

static void process_over(struct process *p)
{
    struct sn_task *t = p->task;
    p->status = process_reap(p);
    p->exited_ns = sn_wall_now();
    if (p->io) sn_stdio_ended(p->io);
    if (p == t->init) others_first(t);
    sn_mutex_lock_always(&t->lock);
    while (p->starting && sn_cond_wait(&p->started, &t->lock) >= 0) continue;
    task_oom_check(t);
    p->phase = PHASE_ENDED;
    task_tell(t, SN_TASK_EXITED, p);
    sn_mutex_unlock(&t->lock);
    sn_event_set(&p->ended);
}

static void watch_main(void *arg)
{
    struct process *p = arg;
    struct sn_task *t = p->task;
    p->watcher = sn_self();
    int r = t->host->closing ? SN_E_CANCELLED : sn_fd_wait(p->pidfd, EPOLLIN);
    if (r >= 0) process_over(p);
    p->watcher = NULL;
    struct sn_task_host *h = t->host;
    process_unref(p);
    sn_task_unref(t);
    sn_waitgroup_done(&h->fibers);
}

int process_watch(struct process *p)
{
    process_ref(p);
    sn_task_ref(p->task);
    sn_waitgroup_add(&p->task->host->fibers, 1);
    int r = sn_go_cleanup(p->task->worker, "exit of a process", watch_main, p);
    if (r >= 0) return 0;
    sn_waitgroup_done(&p->task->host->fibers);
    sn_task_unref(p->task);
    process_unref(p);
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "sennit/supervise.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *sn_proc_state_name(enum sn_proc_state s)
{
    static const char *const names[] = {"starting", "running", "back-off", "exited", "failed"};
    return (unsigned)s < SN_COUNT_OF(names) ? names[s] : "unknown";
}

struct watch { /* argument of one supervising fiber */
    struct sn_supervisor *sup;
    struct sn_supervised *p;
};

SN_PRINTF(3, 4)
static void tell(struct sn_supervisor *s, const char *level, const char *fmt, ...)
{
    if (!s->on_event) return;
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    s->on_event(s->arg, level, text);
}

static int wait_exit(void *arg)
{
    struct sn_supervised *p = arg;
    return sn_proc_wait(&p->proc, &p->last_code);
}

/* Runs shielded: the supervisor's scope is already cancelled, and the child must still be reaped. */
static int stop_one(void *arg)
{
    struct watch *w = arg;
    int64_t grace = w->sup->grace_ns ? w->sup->grace_ns : 5 * SN_SEC;
    (void)sn_proc_signal(&w->p->proc, SIGTERM);
    int64_t prev = sn_deadline_tighten(sn_now() + grace);
    int r = wait_exit(w->p);
    sn_deadline_restore(prev);
    if (r >= 0) return 0;
    tell(w->sup, "warn", "%s ignored SIGTERM for %lld ms; killing it", w->p->name,
         (long long)(grace / SN_MS));
    (void)sn_proc_signal(&w->p->proc, SIGKILL);
    return wait_exit(w->p);
}

/* One life of the process. Returns 0 when it ended by itself, SN_E_CANCELLED when we stopped it. */
static int run_once(struct watch *w)
{
    struct sn_supervised *p = w->p;
    struct sn_proc_opts o = {.argv = p->argv, .dir = p->dir, .fds = {-1, -2, -2},
                             .new_group = true, .die_with_parent = true};
    p->state = SN_PROC_STARTING;
    int r = sn_proc_start(&o, &p->proc);
    if (r < 0) {
        tell(w->sup, "error", "%s did not start: %s", p->name, sn_diag_str(r));
        p->last_code = 127;
        return 0;
    }
    p->state = SN_PROC_RUNNING;
    p->started_ns = sn_now();
    p->cpu_seen_ns = 0;
    tell(w->sup, "info", "%s started, pid %d", p->name, p->proc.pid);
    r = wait_exit(p);
    if (r >= 0) return 0;
    int64_t grace = w->sup->grace_ns ? w->sup->grace_ns : 5 * SN_SEC;
    (void)sn_shield(2 * grace + SN_SEC, stop_one, w);
    p->state = SN_PROC_EXITED;
    p->proc.pid = 0;
    return SN_E_CANCELLED;
}

static bool wants_restart(const struct sn_supervised *p)
{
    return p->restart == SN_RESTART_ALWAYS ||
           (p->restart == SN_RESTART_ON_FAILURE && p->last_code != 0);
}

static int watch_main(void *arg)
{
    struct watch w = *(struct watch *)arg;
    struct sn_supervised *p = w.p;
    sn_free(arg);
    for (;;) {
        int64_t began = sn_now();
        if (run_once(&w) < 0) return 0;
        p->proc.pid = 0;
        p->rss_bytes = 0;
        p->cpu_pct = 0;
        if (p->last_code < 128)
            tell(w.sup, p->last_code ? "warn" : "info", "%s exited with status %d", p->name,
                 p->last_code);
        else
            tell(w.sup, "warn", "%s was killed by signal %d", p->name, p->last_code - 128);
        if (!wants_restart(p)) {
            p->state = p->last_code ? SN_PROC_FAILED : SN_PROC_EXITED;
            return 0;
        }
        if (sn_now() - began >= SN_BACKOFF_RESET_NS || !p->backoff_ns)
            p->backoff_ns = SN_BACKOFF_MIN_NS;
        else
            p->backoff_ns = SN_MIN(p->backoff_ns * 2, (int64_t)SN_BACKOFF_MAX_NS);
        p->state = SN_PROC_BACKOFF;
        p->restarts++;
        if (sn_sleep(p->backoff_ns) < 0) return 0;
    }
}

int sn_supervisor_run(struct sn_supervisor *s)
{
    struct sn_scope_storage mem;
    struct sn_scope *scope = sn_scope_begin(&mem);
    int r = 0;
    for (size_t i = 0; i < s->procs.len && r >= 0; i++) {
        struct watch *w = sn_alloc(sizeof(*w));
        if (!w) {
            r = SN_E_NOMEM;
            break;
        }
        *w = (struct watch){s, s->procs.ptr[i]};
        r = sn_scope_go(scope, s->procs.ptr[i]->name, watch_main, w);
        if (r < 0) sn_free(w);
    }
    if (r < 0) sn_scope_cancel(scope);
    int end = sn_scope_end(scope);
    if (r < 0) return r;
    return end == SN_E_CANCELLED ? SN_OK : end;
}

/* Reads a short /proc file. Not offloaded: procfs answers from memory. */
static bool read_small(const char *path, char *out, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, out, cap - 1);
    close(fd);
    if (n <= 0) return false;
    out[n] = 0;
    return true;
}

void sn_supervised_sample(struct sn_supervised *p)
{
    char path[64], text[1024];
    if (!p->proc.pid) return;
    snprintf(path, sizeof(path), "/proc/%d/stat", p->proc.pid);
    if (!read_small(path, text, sizeof(text))) return;
    /* Fields are counted after the last ')': the command name may hold anything. proc(5). */
    const char *rest = strrchr(text, ')');
    unsigned long utime, stime;
    long rss_pages;
    if (!rest || sscanf(rest + 2,
                        "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d "
                        "%*d %*u %*u %ld",
                        &utime, &stime, &rss_pages) != 3)
        return;
    int64_t now = sn_now();
    uint64_t ticks = utime + stime;
    if (p->cpu_seen_ns && now > p->cpu_seen_ns)
        p->cpu_pct = 100.0 * (double)(ticks - p->cpu_ticks_seen) / (double)sysconf(_SC_CLK_TCK) /
                     ((double)(now - p->cpu_seen_ns) / SN_SEC);
    p->cpu_ticks_seen = ticks;
    p->cpu_seen_ns = now;
    p->rss_bytes = (uint64_t)rss_pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "sennit/supervise.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
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

static void set_state(struct watch *w, enum sn_proc_state state, int pid)
{
    sn_mutex_lock_always(&w->sup->lock);
    w->p->now.state = state;
    w->p->now.pid = pid;
    if (state == SN_PROC_RUNNING) w->p->now.started_ns = sn_now();
    if (state == SN_PROC_BACKOFF) w->p->now.restarts++;
    sn_mutex_unlock(&w->sup->lock);
}

static int64_t grace_of(const struct sn_supervisor *s)
{
    return s->grace_ns ? s->grace_ns : SN_SUPERVISE_GRACE_NS;
}

/* Runs shielded: the supervisor's scope is already cancelled, and the child must still be reaped.
 */
static int stop_one(void *arg)
{
    struct watch *w = arg;
    int code;
    (void)sn_proc_signal(&w->p->proc, SIGTERM);
    int64_t prev = sn_deadline_tighten(sn_now() + grace_of(w->sup));
    int r = sn_proc_wait(&w->p->proc, &code);
    sn_deadline_restore(prev);
    if (r >= 0) return 0;
    tell(w->sup, "warn", "%s ignored SIGTERM for %lld ms; killing it", w->p->name,
         (long long)(grace_of(w->sup) / SN_MS));
    (void)sn_proc_signal(&w->p->proc, SIGKILL);
    return sn_proc_wait(&w->p->proc, &code);
}

/* One life of the process. Returns its exit code, or SN_E_CANCELLED when we stopped it. */
static int run_once(struct watch *w)
{
    struct sn_supervised *p = w->p;
    struct sn_proc_opts o = {.argv = p->argv,
                             .env = p->env,
                             .dir = p->dir,
                             .fds = {-1, p->out_fd, p->out_fd},
                             .new_group = true,
                             .die_with_parent = true};
    int code = 127;
    set_state(w, SN_PROC_STARTING, 0);
    int r = sn_proc_start(&o, &p->proc);
    if (r == SN_E_CANCELLED) return r;
    if (r < 0) {
        tell(w->sup, "error", "%s did not start: %s", p->name, sn_diag_str(r));
        return code;
    }
    set_state(w, SN_PROC_RUNNING, p->proc.pid);
    tell(w->sup, "info", "%s started, pid %d", p->name, p->proc.pid);
    r = sn_proc_wait(&p->proc, &code);
    if (r >= 0) {
        sn_mutex_lock_always(&w->sup->lock);
        p->now.pid = 0;
        p->now.last_code = code;
        sn_mutex_unlock(&w->sup->lock);
        return code;
    }
    (void)sn_shield(2 * grace_of(w->sup) + SN_SEC, stop_one, w);
    set_state(w, SN_PROC_EXITED, 0);
    return SN_E_CANCELLED;
}

static bool wants_restart(const struct sn_supervised *p, int code)
{
    return p->restart == SN_RESTART_ALWAYS || (p->restart == SN_RESTART_ON_FAILURE && code != 0);
}

static int watch_main(void *arg)
{
    struct watch w = *(struct watch *)arg;
    struct sn_supervised *p = w.p;
    sn_free(arg);
    for (;;) {
        int64_t began = sn_now();
        int code = run_once(&w);
        if (code < 0) return 0;
        if (code < 128)
            tell(w.sup, code ? "warn" : "info", "%s exited with status %d", p->name, code);
        else
            tell(w.sup, "warn", "%s was killed by signal %d", p->name, code - 128);
        if (!wants_restart(p, code)) {
            set_state(&w, code ? SN_PROC_FAILED : SN_PROC_EXITED, 0);
            return 0;
        }
        if (sn_now() - began >= SN_BACKOFF_RESET_NS || !p->backoff_ns)
            p->backoff_ns = SN_BACKOFF_MIN_NS;
        else
            p->backoff_ns = SN_MIN(p->backoff_ns * 2, (int64_t)SN_BACKOFF_MAX_NS);
        set_state(&w, SN_PROC_BACKOFF, 0);
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
    if (r == SN_E_CANCELLED || end == SN_E_CANCELLED) return SN_OK;
    return r < 0 ? r : end;
}

/* ---- use of memory and processor ---- */

static bool read_small(const char *path, char *out, size_t cap, size_t *ret_len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, out, cap);
    close(fd);
    if (n <= 0) return false;
    *ret_len = (size_t)n;
    return true;
}

bool sn_proc_usage(int pid, uint64_t *ret_rss_bytes, uint64_t *ret_ticks)
{
    char path[48], text[1024];
    size_t len;
    if (pid)
        snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    else
        snprintf(path, sizeof(path), "/proc/self/stat");
    if (!read_small(path, text, sizeof(text), &len)) return false;
    /* Fields are counted after the last ')': the command name may hold anything. proc(5): the next
     * one is number 3, utime 14, stime 15, rss 24. */
    struct sn_str s = sn_str_of(text, len), field;
    ssize_t end = sn_str_rchr(s, ')');
    if (end < 0) return false;
    s = sn_str_trim(sn_str_from(s, (size_t)end + 1));
    uint64_t utime = 0, stime = 0, pages = 0;
    for (unsigned n = 3; n <= 24; n++) {
        field = sn_str_cut(&s, ' ');
        uint64_t *to = n == 14 ? &utime : n == 15 ? &stime : n == 24 ? &pages : NULL;
        if (to && sn_str_to_u64(field, to) < 0) return false;
    }
    *ret_rss_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    *ret_ticks = utime + stime;
    return true;
}

double sn_cpu_share(uint64_t ticks, int64_t took_ns)
{
    return 100.0 * (double)ticks / (double)sysconf(_SC_CLK_TCK) / ((double)took_ns / SN_SEC);
}

void sn_supervised_sample(struct sn_supervisor *s, struct sn_supervised *p,
                          struct sn_proc_sample *ret)
{
    sn_mutex_lock_always(&s->lock);
    *ret = (struct sn_proc_sample){.status = p->now, .cpu_pct = -1};
    sn_mutex_unlock(&s->lock);
    int pid = ret->status.pid;
    uint64_t ticks;
    if (!pid || !sn_proc_usage(pid, &ret->rss_bytes, &ticks)) return;
    int64_t now = sn_now(), took = now - p->cpu_seen_ns;
    bool same = p->cpu_seen_pid == pid;
    if (same && took < SN_CPU_WINDOW_NS) {
        ret->cpu_pct = p->cpu_pct;
        return;
    }
    p->cpu_pct = same ? sn_cpu_share(ticks - p->cpu_ticks_seen, took) : -1;
    ret->cpu_pct = p->cpu_pct;
    p->cpu_ticks_seen = ticks;
    p->cpu_seen_ns = now;
    p->cpu_seen_pid = pid;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "sennit/exhibit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/alloc.h"
#include "fiber/net.h"
#include "sennit/supervise.h"

struct run { /* one life of one exhibit */
    struct sn_exhibits *set;
    struct sn_exhibit *x;
    struct sn_proc proc;
    int out, err;       /* our ends of its pipes */
    int64_t last_ns;    /* of a line; the start before the first */
    int64_t log_off;
    char tail[SN_EXHIBIT_ERROR_MAX]; /* the newest line of standard error */
    size_t tail_len;
    bool tail_ended;
};

SN_PRINTF(3, 4)
static void tell(struct sn_exhibits *set, const char *level, const char *fmt, ...)
{
    char text[SN_EXHIBIT_ERROR_MAX + 80];
    va_list ap;
    if (!set->on_event) return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    set->on_event(set->arg, level, text);
}

/* ---- what is installed ---- */

int sn_exhibit_find(const char *path, struct sn_str program, char *out, size_t cap)
{
    struct stat st;
    bool has_slash = sn_str_chr(program, '/') >= 0;
    struct sn_str rest = has_slash ? SN_STR("") : sn_str(path);
    do {
        struct sn_str dir = sn_str_cut(&rest, ':');
        if (dir.len == 0) dir = SN_STR(".");
        int n = has_slash ? snprintf(out, cap, "%.*s", SN_STR_ARG(program))
                          : snprintf(out, cap, "%.*s/%.*s", SN_STR_ARG(dir), SN_STR_ARG(program));
        if (n < 0 || (size_t)n >= cap) return SN_E_TOO_LARGE;
        if (access(out, X_OK) == 0 && stat(out, &st) == 0 && S_ISREG(st.st_mode)) return 0;
    } while (!has_slash && rest.ptr);
    return SN_E_NOT_FOUND;
}

static uint32_t look_for(const struct sn_exhibits *set, const struct sn_exhibit *x)
{
    char file[SN_FILE_PATH_MAX];
    uint32_t missing = 0;
    for (size_t i = 0; i < x->n_needs; i++)
        if (sn_exhibit_find(set->path, x->needs[i].program, file, sizeof(file)) < 0)
            missing |= 1u << i;
    return missing;
}

/* Until everything is there. Returns 0 or SN_E_CANCELLED. */
static int wait_for_needs(struct sn_exhibits *set, struct sn_exhibit *x)
{
    for (bool told = false;; told = true) {
        uint32_t missing = look_for(set, x);
        sn_mutex_lock_always(&set->lock);
        x->missing = missing;
        if (missing) x->state = SN_EXHIBIT_MISSING;
        sn_mutex_unlock(&set->lock);
        if (!missing) return 0;
        const struct sn_exhibit_need *need = &x->needs[__builtin_ctz(missing)];
        if (!told)
            tell(set, "info", "exhibit %s waits for %.*s to be installed", x->name,
                 SN_STR_ARG(need->program));
        int r = sn_sleep(SN_EXHIBIT_LOOK_NS);
        if (r < 0) return r;
    }
}

/* ---- what it says ---- */

static void complain(struct run *run, const char *why)
{
    sn_mutex_lock_always(&run->set->lock);
    bool news = strcmp(run->x->error, why) != 0;
    snprintf(run->x->error, sizeof(run->x->error), "%s", why);
    sn_mutex_unlock(&run->set->lock);
    if (news) tell(run->set, "warn", "exhibit %s: %s", run->x->name, why);
}

static void take_line(struct run *run, struct sn_str line)
{
    struct sn_exhibit *x = run->x;
    struct sn_buf card;
    sn_buf_init(&card, 2 * SN_EXHIBIT_LINE_MAX);
    line = sn_str_trim(line);
    if (!line.len) return;
    int r = sn_exhibit_card(x->name, line, &card);
    if (r < 0) {
        char why[SN_EXHIBIT_ERROR_MAX];
        snprintf(why, sizeof(why), "what it printed is no card: %s", sn_diag_str(r));
        sn_buf_done(&card);
        complain(run, why);
        return;
    }
    int64_t now = sn_now();
    sn_mutex_lock_always(&run->set->lock);
    /* An endless one repeats itself: what took time is getting to the first card. */
    if (x->every_ns || run->last_ns == x->began_ns) x->took_ns = now - x->began_ns;
    run->last_ns = x->card_ns = now;
    sn_buf_done(&x->card);
    x->card = card;
    x->error[0] = 0;
    sn_mutex_unlock(&run->set->lock);
}

/* Bytes of a pipe: > 0, 0 at its end, SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED, SN_E_IO. */
static ssize_t pipe_read(int fd, char *buf, size_t cap)
{
    for (;;) {
        int r = sn_fd_wait(fd, EPOLLIN);
        if (r < 0) return r;
        ssize_t n = read(fd, buf, cap);
        if (n >= 0) return n;
        if (errno != EAGAIN && errno != EINTR) return sn_fail_errno(errno, "pipe");
    }
}

/* One line at a time, each in the same place; what is longer than a line may be is left out. */
static int read_cards(void *arg)
{
    struct run *run = arg;
    char *buf = sn_alloc(SN_EXHIBIT_LINE_MAX);
    size_t len = 0;
    ssize_t n = 0;
    bool skip = false;
    if (!buf) return SN_E_NOMEM;
    while ((n = pipe_read(run->out, buf + len, SN_EXHIBIT_LINE_MAX - len)) > 0) {
        len += (size_t)n;
        struct sn_str rest = sn_str_of(buf, len);
        for (ssize_t end; (end = sn_str_chr(rest, '\n')) >= 0;) {
            if (!skip) take_line(run, sn_str_sub(rest, 0, (size_t)end));
            skip = false;
            rest = sn_str_from(rest, (size_t)end + 1);
            if ((n = sn_sleep(SN_EXHIBIT_LINE_GAP_NS)) < 0) goto out;
        }
        len = rest.len;
        memmove(buf, rest.ptr, len);
        if (len < SN_EXHIBIT_LINE_MAX) continue;
        if (!skip) complain(run, "it printed a line of more than 16 KiB, which was left out");
        skip = true;
        len = 0;
    }
    if (n == 0 && len && !skip) take_line(run, sn_str_of(buf, len));
out:
    sn_free(buf);
    return (int)SN_MIN(n, 0);
}

/* Keeps the newest line that has something in it. */
static void keep_tail(struct run *run, struct sn_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\n') {
            run->tail_ended = true;
            continue;
        }
        if (run->tail_ended && c > ' ') run->tail_len = 0, run->tail_ended = false;
        if (run->tail_ended || run->tail_len + 1 == sizeof(run->tail)) continue;
        run->tail[run->tail_len++] = c >= ' ' && c <= '~' ? c : '?';
    }
}

static int read_errors(void *arg)
{
    struct run *run = arg;
    char buf[1024];
    ssize_t n;
    while ((n = pipe_read(run->err, buf, sizeof(buf))) > 0) {
        keep_tail(run, sn_str_of(buf, (size_t)n));
        if (run->x->log_fd < 0) continue;
        if (run->log_off + n > SN_EXHIBIT_LOG_MAX) {
            run->log_off = 0;
            int r = sn_file_truncate(run->x->log_fd, 0);
            if (r < 0) return r;
        }
        ssize_t r = sn_file_pwrite(run->x->log_fd, buf, (size_t)n, run->log_off);
        if (r < 0) return (int)r;
        run->log_off += n;
    }
    return (int)n;
}

/* ---- one life ---- */

static int stop_group(void *arg)
{
    struct run *run = arg;
    (void)sn_proc_signal(&run->proc, SIGTERM);
    int64_t prev = sn_deadline_tighten(sn_now() + run->set->grace_ns);
    int r = sn_fd_wait(run->proc.pidfd, EPOLLIN);
    sn_deadline_restore(prev);
    if (r < 0) (void)sn_proc_signal(&run->proc, SIGKILL);
    return 0;
}

/* What it started and left behind goes with it: while the first process has not been waited for,
 * its number is its group's. */
static int reap(void *arg)
{
    struct run *run = arg;
    int r = sn_fd_wait(run->proc.pidfd, EPOLLIN), code = -1;
    (void)sn_proc_signal(&run->proc, SIGKILL);
    if (r >= 0) r = sn_proc_wait(&run->proc, &code);
    return r < 0 ? r : code;
}

static int64_t last_line(struct run *run)
{
    sn_mutex_lock_always(&run->set->lock);
    int64_t at = run->last_ns;
    sn_mutex_unlock(&run->set->lock);
    return at;
}

/* Until it ends. Returns its exit code, SN_E_DEADLINE_EXCEEDED or SN_E_CANCELLED, with no process
 * left in any case. */
static int wait_end(struct run *run)
{
    struct sn_exhibit *x = run->x;
    int64_t from, to = x->began_ns;
    int r;
    do { /* a line of an endless one begins the time anew */
        from = to;
        int64_t prev = sn_deadline_tighten(from + x->timeout_ns);
        r = sn_fd_wait(run->proc.pidfd, EPOLLIN);
        sn_deadline_restore(prev);
        if (!x->every_ns) to = last_line(run);
    } while (r == SN_E_DEADLINE_EXCEEDED && to != from);
    if (r < 0) (void)sn_shield(run->set->grace_ns + SN_SEC, stop_group, run);
    int code = sn_shield(5 * SN_SEC, reap, run);
    return r < 0 ? r : code;
}

static int open_pipes(struct run *run, int ends[2])
{
    int p[4];
    if (pipe2(p, O_CLOEXEC) < 0) return sn_fail_errno(errno, "pipe");
    if (pipe2(p + 2, O_CLOEXEC) < 0) {
        int err = errno;
        close(p[0]);
        close(p[1]);
        return sn_fail_errno(err, "pipe");
    }
    run->out = p[0];
    run->err = p[2];
    ends[0] = p[1];
    ends[1] = p[3];
    fcntl(run->out, F_SETFL, O_NONBLOCK);
    fcntl(run->err, F_SETFL, O_NONBLOCK);
    return 0;
}

static int start(struct run *run)
{
    struct sn_exhibit *x = run->x;
    char file[SN_FILE_PATH_MAX];
    const char *argv[SN_EXHIBIT_ARGS_MAX + 1] = {file};
    int ends[2] = {-1, -1}, r = sn_exhibit_find(run->set->path, sn_str(x->argv[0]), file, sizeof(file));
    if (r < 0) return sn_fail(r, "no program %s", x->argv[0]);
    for (size_t i = 1; i <= SN_EXHIBIT_ARGS_MAX && x->argv[i]; i++) argv[i] = x->argv[i];
    r = open_pipes(run, ends);
    if (r < 0) return r;
    struct sn_proc_opts o = {.argv = argv,
                             .env = x->env,
                             .fds = {-1, ends[0], ends[1]},
                             .new_group = true,
                             .die_with_parent = true};
    r = sn_proc_start(&o, &run->proc);
    close(ends[0]);
    close(ends[1]);
    if (r >= 0) return 0;
    close(run->out);
    close(run->err);
    return r;
}

/* Readers see the end of their pipes when the group is gone; one that left the group keeps them
 * open, and is not waited for. */
static int end_readers(struct sn_scope *scope)
{
    int64_t prev = sn_deadline_tighten(sn_now() + SN_SEC / 2);
    int r = sn_scope_end(scope);
    sn_deadline_restore(prev);
    return r;
}

/* Returns the exit code, SN_E_DEADLINE_EXCEEDED, SN_E_CANCELLED, or why it did not run. */
static int run_once(struct run *run)
{
    struct sn_exhibit *x = run->x;
    struct sn_scope_storage mem;
    int64_t now = sn_now();
    sn_mutex_lock_always(&run->set->lock);
    x->state = SN_EXHIBIT_RUNNING;
    x->began_ns = run->last_ns = now;
    x->runs++;
    sn_mutex_unlock(&run->set->lock);
    int r = start(run);
    if (r < 0) return r;
    sn_mutex_lock_always(&run->set->lock);
    x->pid = run->proc.pid;
    sn_mutex_unlock(&run->set->lock);
    struct sn_scope *scope = sn_scope_begin(&mem);
    r = sn_scope_go(scope, "exhibit output", read_cards, run);
    if (r >= 0) r = sn_scope_go(scope, "exhibit errors", read_errors, run);
    if (r < 0) sn_scope_cancel(scope);
    int code = wait_end(run), end = end_readers(scope);
    /* A reader that fails takes the run with it. */
    if (code == SN_E_CANCELLED && end < 0) code = end;
    close(run->out);
    close(run->err);
    sn_mutex_lock_always(&run->set->lock);
    x->pid = 0;
    sn_mutex_unlock(&run->set->lock);
    return r < 0 ? r : code;
}

/* Says how the run went: on the card, and where it is news, among the events. */
static void settle(struct run *run, int code)
{
    struct sn_exhibit *x = run->x;
    char why[SN_EXHIBIT_ERROR_MAX] = "";
    const char *limit = x->every_ns ? "ran" : "said nothing for";
    run->tail[run->tail_len] = 0;
    if (code == SN_E_DEADLINE_EXCEEDED)
        snprintf(why, sizeof(why), "%s longer than %g s; stopped", limit,
                 (double)x->timeout_ns / SN_SEC);
    else if (code < 0)
        snprintf(why, sizeof(why), "did not start: %s", sn_diag_str(code));
    else if (code && run->tail_len)
        snprintf(why, sizeof(why), "%s", run->tail);
    else if (code > 128)
        snprintf(why, sizeof(why), "killed by signal %d", code - 128);
    else if (code)
        snprintf(why, sizeof(why), "exited with status %d", code);
    sn_mutex_lock_always(&run->set->lock);
    x->state = code ? SN_EXHIBIT_FAILED : SN_EXHIBIT_DONE;
    sn_mutex_unlock(&run->set->lock);
    if (code) complain(run, why);
}

struct job {
    struct sn_exhibits *set;
    struct sn_exhibit *x;
};
static int exhibit_main(void *arg)
{
    struct job job = *(struct job *)arg;
    int64_t backoff = SN_BACKOFF_MIN_NS;
    sn_free(arg);
    for (;;) {
        struct run run = {.set = job.set, .x = job.x};
        int code = wait_for_needs(job.set, job.x);
        if (code < 0) return 0;
        code = run_once(&run);
        if (code == SN_E_CANCELLED) return 0;
        settle(&run, code);
        if (code == 0 && !job.x->every_ns) return 0;
        if (code == 0 || sn_now() - job.x->began_ns >= SN_BACKOFF_RESET_NS)
            backoff = SN_BACKOFF_MIN_NS;
        if (sn_sleep(code ? SN_MAX(backoff, job.x->every_ns) : job.x->every_ns) < 0) return 0;
        backoff = SN_MIN(2 * backoff, (int64_t)SN_BACKOFF_MAX_NS);
    }
}

int sn_exhibits_run(struct sn_exhibits *set)
{
    struct sn_scope_storage mem;
    struct sn_scope *scope = sn_scope_begin(&mem);
    int r = 0;
    for (size_t i = 0; i < set->n && r >= 0; i++) {
        struct job *job = sn_alloc(sizeof(*job));
        if (!job) {
            r = SN_E_NOMEM;
            break;
        }
        *job = (struct job){set, &set->list[i]};
        r = sn_scope_go(scope, set->list[i].name, exhibit_main, job);
        if (r < 0) sn_free(job);
    }
    if (r < 0) sn_scope_cancel(scope);
    int end = sn_scope_end(scope);
    if (r == SN_E_CANCELLED || end == SN_E_CANCELLED) return SN_OK;
    return r < 0 ? r : end;
}

/* ---- the board's view ---- */

static void put_one(const struct sn_exhibit *x, struct sn_jsonw *w)
{
    static const char *const states[] = {"waiting", "missing", "running", "done", "failed"};
    int64_t now = sn_now();
    sn_jsonw_object(w);
    sn_jsonw_kstr(w, "name", sn_str(x->name));
    sn_jsonw_kstr(w, "title", sn_str(x->title));
    sn_jsonw_kstr(w, "state", sn_str(states[x->state]));
    sn_jsonw_ku64(w, "runs", x->runs);
    sn_jsonw_ki64(w, "pid", x->pid);
    sn_jsonw_ki64(w, "every_s", x->every_ns / SN_SEC);
    if (x->error[0]) sn_jsonw_kstr(w, "error", sn_str(x->error));
    if (x->card.len) {
        sn_jsonw_ki64(w, "took_ms", x->took_ns / SN_MS);
        sn_jsonw_ki64(w, "age_s", (now - x->card_ns) / SN_SEC);
        sn_jsonw_key(w, SN_STR("card"));
        sn_jsonw_raw(w, sn_buf_view(&x->card));
    }
    sn_jsonw_key(w, SN_STR("missing"));
    sn_jsonw_array(w);
    for (size_t i = 0; i < x->n_needs; i++) {
        if (!(x->missing & 1u << i)) continue;
        sn_jsonw_object(w);
        sn_jsonw_kstr(w, "program", x->needs[i].program);
        sn_jsonw_kstr(w, "install", x->needs[i].install);
        sn_jsonw_object_end(w);
    }
    sn_jsonw_array_end(w);
    sn_jsonw_object_end(w);
}

void sn_exhibits_json(struct sn_exhibits *set, struct sn_jsonw *w)
{
    sn_jsonw_array(w);
    sn_mutex_lock_always(&set->lock);
    for (size_t i = 0; i < set->n; i++) put_one(&set->list[i], w);
    sn_mutex_unlock(&set->lock);
    sn_jsonw_array_end(w);
}

void sn_exhibits_done(struct sn_exhibits *set)
{
    for (size_t i = 0; i < set->n; i++) {
        sn_buf_done(&set->list[i].card);
        if (set->list[i].log_fd >= 0) close(set->list[i].log_fd);
    }
    set->n = 0;
}

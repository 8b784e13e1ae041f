/* SPDX-License-Identifier: Apache-2.0 */
/* kit/debug.c - answers of /debug/pprof/, /metrics and /healthz, without HTTP around them. */
#include "kit/debug.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fiber/fiber.h"
#include "kit/metrics.h"
#include "kit/prof.h"
#include "kit/symbol.h"
#include "kit/trace.h"

#define PPROF "/debug/pprof/"
#define CPU_SECONDS_DEFAULT 30
#define TRACE_SECONDS_DEFAULT 1
#define SYMBOLS_MAX 4096

static const struct {
    const char *name, *what;
    enum sn_prof_kind kind;
} profiles[] = {
    {"allocs", "every sampled allocation since the start", SN_PROF_ALLOCS},
    {"block", "where fibers waited for each other", SN_PROF_BLOCK},
    {"goroutine", "stacks of all fibers; debug=2 for one dump of each", SN_PROF_FIBER},
    {"goroutineleak", "fibers that nothing can wake any more", SN_PROF_LEAK},
    {"heap", "memory in use, by sampled allocation", SN_PROF_HEAP},
    {"mutex", "where fibers waited for locks", SN_PROF_MUTEX},
    {"threadcreate", "threads, by who started them", SN_PROF_THREAD},
};

/* The value of a query parameter; .ptr NULL where absent. Ours hold nothing that needs decoding. */
static struct sn_str param(struct sn_str query, const char *name)
{
    while (query.ptr) {
        struct sn_str part = sn_str_cut(&query, '&'), key = sn_str_cut(&part, '=');
        if (sn_str_eqc(key, name)) return part.ptr ? part : SN_STR("");
    }
    return (struct sn_str){NULL, 0};
}
/* number - Returns 1, 0 where absent, SN_E_SYNTAX. */
static int number(struct sn_str query, const char *name, int64_t *ret)
{
    struct sn_str s = param(query, name);
    if (!s.ptr) return 0;
    return sn_str_to_i64(s, ret) < 0 || *ret < 0 ? SN_E_SYNTAX : 1;
}
static int refuse(struct sn_debug_reply *r, int status, const char *text)
{
    sn_buf_reset(&r->body);
    r->status = status;
    r->go_error = true;
    r->attachment = NULL;
    r->content_type = SN_STR("text/plain; charset=utf-8");
    return sn_buf_printf(&r->body, "%s\n", text);
}

/* ---- profiles -------------------------------------------------------------------------------- */

struct writing {
    struct sn_pprof *p;
    struct sn_buf *out;
    const char *title; /* NULL = protobuf */
};
static int write_job(void *arg)
{
    struct writing *w = arg;
    return w->title ? sn_pprof_text(w->p, w->title, w->out) : sn_pprof_write(w->p, w->out);
}
/* Symbolising reads files and runs deep: off the fiber's stack. */
static int write_profile(struct sn_pprof *p, const char *name, bool text, struct sn_debug_reply *r)
{
    struct writing w = {p, &r->body, text ? name : NULL};
    int res = sn_offload(write_job, &w);
    sn_pprof_done(p);
    if (res == SN_E_CANCELLED || res == SN_E_DEADLINE_EXCEEDED || res == SN_E_NOMEM) return res;
    if (res < 0) return refuse(r, 500, sn_diag_str(res));
    r->content_type =
        text ? SN_STR("text/plain; charset=utf-8") : SN_STR("application/octet-stream");
    if (!text) r->attachment = name;
    return 0;
}
static int cpu_profile(struct sn_str query, struct sn_debug_reply *r)
{
    int64_t seconds = CPU_SECONDS_DEFAULT;
    struct sn_pprof p;
    if (number(query, "seconds", &seconds) < 0 || seconds > SN_DEBUG_SECONDS_MAX)
        return refuse(r, 400, "seconds: a whole number up to 600");
    if (seconds == 0) seconds = CPU_SECONDS_DEFAULT;
    int res = sn_prof_cpu_start(0);
    if (res < 0) {
        char text[SN_DIAG_BYTES + 64];
        snprintf(text, sizeof text, "Could not enable CPU profiling: %s", sn_diag_str(res));
        return refuse(r, 500, text);
    }
    int slept = sn_sleep(seconds * SN_SEC);
    if ((res = sn_prof_cpu_stop(&p)) < 0) return res;
    if (slept < 0) {
        sn_pprof_done(&p);
        return slept;
    }
    return write_profile(&p, "profile", false, r);
}
struct collecting {
    enum sn_prof_kind kind;
    struct sn_pprof *p;
    int sign;
    int64_t min_ns;
};
static int collect_job(void *arg)
{
    struct collecting *c = arg;
    sn_prof_collect(c->kind, c->p, c->sign, c->min_ns);
    return 0;
}
static int collect(enum sn_prof_kind kind, struct sn_pprof *p, int sign, int64_t min_ns)
{
    struct collecting c = {kind, p, sign, min_ns};
    return kind == SN_PROF_LEAK ? sn_offload(collect_job, &c) : collect_job(&c);
}
static int profile(unsigned i, struct sn_str query, struct sn_debug_reply *r)
{
    int64_t debug = 0, seconds = 0, min = 0;
    enum sn_prof_kind kind = profiles[i].kind;
    struct sn_pprof p;
    if (number(query, "debug", &debug) < 0 || number(query, "min", &min) < 0 ||
        min > SN_FOREVER / SN_SEC)
        return refuse(r, 400, "debug, min: whole numbers");
    if (number(query, "seconds", &seconds) < 0 || seconds > SN_DEBUG_SECONDS_MAX)
        return refuse(r, 400, "seconds: a whole number up to 600");
    if (seconds && debug) return refuse(r, 400, "seconds and debug params are incompatible");
    if (debug >= 2 && kind == SN_PROF_FIBER) {
        r->content_type = SN_STR("text/plain; charset=utf-8");
        return sn_fiber_dump(&r->body);
    }
    sn_prof_open(kind, &p);
    if (seconds) {
        int64_t began = sn_now(), wall = sn_wall_now();
        int res = collect(kind, &p, -1, min * SN_SEC);
        if (res >= 0) res = sn_sleep(seconds * SN_SEC);
        if (res < 0) {
            sn_pprof_done(&p);
            return res;
        }
        sn_pprof_time(&p, wall, sn_now() - began);
    }
    int res = collect(kind, &p, 1, min * SN_SEC);
    if (res < 0) {
        sn_pprof_done(&p);
        return res;
    }
    return write_profile(&p, profiles[i].name, debug > 0, r);
}

/* ---- the execution trace --------------------------------------------------------------------- */

int sn_debug_trace(struct sn_str query, const struct sn_trace_opts *to, struct sn_debug_reply *r)
{
    double seconds = TRACE_SECONDS_DEFAULT;
    int64_t cpu = 0;
    struct sn_str s = param(query, "seconds");
    if (number(query, "cpu", &cpu) < 0 || (s.ptr && sn_str_to_double(s, &seconds) < 0) ||
        !(seconds >= 0 && seconds <= SN_DEBUG_SECONDS_MAX))
        return refuse(r, 400, "seconds: a number up to 600; cpu: 0 or 1");
    if (seconds == 0) seconds = TRACE_SECONDS_DEFAULT;
    r->content_type = SN_STR("application/octet-stream");
    r->attachment = "trace";
    /* Samples come with a CPU profile: one is taken for them, or somebody else's is there. */
    struct sn_pprof unread;
    bool sampling = cpu && sn_prof_cpu_start(0) >= 0;
    int res = sn_trace_run(to, (int64_t)(seconds * (double)SN_SEC), NULL);
    if (sampling && sn_prof_cpu_stop(&unread) >= 0) sn_pprof_done(&unread);
    if (res != SN_E_FAILED_PRECONDITION && res != SN_E_UNIMPLEMENTED) return res;
    char text[SN_DIAG_BYTES + 64];
    snprintf(text, sizeof text, "Could not enable tracing: %s", sn_diag_str(res));
    return refuse(r, 500, text);
}
static int into_body(void *arg, struct sn_str bytes) { return sn_buf_str(arg, bytes); }
static int trace(struct sn_str query, struct sn_debug_reply *r)
{
    return sn_debug_trace(query, &(struct sn_trace_opts){.write = into_body, .arg = &r->body}, r);
}

/* ---- the small ones -------------------------------------------------------------------------- */

static int cmdline_read(void *arg)
{
    struct sn_buf *b = arg;
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return SN_E_UNAVAILABLE;
    for (ssize_t n = 1; n > 0;) {
        if (sn_buf_reserve(b, 4096) < 0) break;
        n = read(fd, b->ptr + b->len, 4096);
        if (n > 0) b->len += (size_t)n;
    }
    close(fd);
    /* Arguments are separated by NUL; the last one's own terminator is no separator. */
    if (b->len && b->ptr[b->len - 1] == 0) b->len--;
    return b->err;
}
struct symbols {
    struct sn_str query;
    struct sn_buf *out;
};
static int symbols_read(void *arg)
{
    struct symbols *s = arg;
    struct sn_str rest = s->query;
    sn_buf_cstr(s->out, "num_symbols: 1\n");
    for (unsigned i = 0; rest.ptr && rest.len && i < SYMBOLS_MAX; i++) {
        char text[24], *end;
        struct sn_symbol sym;
        if (sn_str_cz(sn_str_cut(&rest, '+'), text, sizeof text) < 0) continue;
        uintptr_t pc = strtoull(text, &end, 0);
        if (*end || !pc || sn_symbol_at(pc, &sym) < 0) continue;
        sn_buf_printf(s->out, "%#lx %.*s\n", (unsigned long)pc,
                      SN_STR_ARG(sym.frames[sym.n_frames - 1].function));
    }
    return s->out->err;
}
static int index_page(struct sn_debug_reply *r)
{
    r->content_type = SN_STR("text/html; charset=utf-8");
    sn_buf_cstr(&r->body, "<!doctype html><title>/debug/pprof/</title><h1>Profiles</h1><ul>\n");
    for (unsigned i = 0; i < SN_COUNT_OF(profiles); i++)
        sn_buf_printf(&r->body, "<li><a href=\"%s?debug=1\">%s</a> %s\n", profiles[i].name,
                      profiles[i].name, profiles[i].what);
    return sn_buf_cstr(&r->body,
                       "<li><a href=\"profile?seconds=30\">profile</a> CPU, for 30 seconds\n"
                       "<li><a href=\"trace?seconds=1\">trace</a> what every fiber did, for a "
                       "second\n"
                       "<li><a href=\"cmdline\">cmdline</a> how this program was started\n"
                       "<li><a href=\"goroutine?debug=2\">all fibers</a>\n</ul>\n"
                       "<p>go tool pprof http://this-host/debug/pprof/heap\n");
}
static int pprof(struct sn_str name, struct sn_str query, struct sn_debug_reply *r)
{
    if (name.len == 0) return index_page(r);
    for (unsigned i = 0; i < SN_COUNT_OF(profiles); i++)
        if (sn_str_eqc(name, profiles[i].name)) return profile(i, query, r);
    if (sn_str_eqc(name, "profile")) return cpu_profile(query, r);
    if (sn_str_eqc(name, "cmdline")) return sn_offload(cmdline_read, &r->body);
    if (sn_str_eqc(name, "symbol")) {
        struct symbols s = {query, &r->body};
        return sn_offload(symbols_read, &s);
    }
    if (sn_str_eqc(name, "trace")) return trace(query, r);
    return refuse(r, 404, "Unknown profile");
}
static int metrics(struct sn_str accept, struct sn_debug_reply *r)
{
    return sn_metrics_text(NULL, accept, &r->body, &r->content_type);
}

bool sn_debug_owns(struct sn_str path)
{
    return sn_str_eqc(path, "/metrics") || sn_str_eqc(path, "/healthz") ||
           sn_str_eqc(path, "/debug/pprof") || sn_str_starts(path, SN_STR(PPROF));
}
int sn_debug_get(struct sn_str path, struct sn_str query, struct sn_str accept,
                 struct sn_debug_reply *r)
{
    r->status = 200;
    r->content_type = SN_STR("text/plain; charset=utf-8");
    r->attachment = NULL;
    r->go_error = false;
    if (sn_str_eqc(path, "/healthz")) return sn_buf_cstr(&r->body, "ok\n");
    if (sn_str_eqc(path, "/metrics")) return metrics(accept, r);
    if (sn_str_eqc(path, "/debug/pprof")) return pprof(SN_STR(""), query, r);
    if (sn_str_starts(path, SN_STR(PPROF)))
        return pprof(sn_str_from(path, sizeof(PPROF) - 1), query, r);
    return refuse(r, 404, "not found");
}

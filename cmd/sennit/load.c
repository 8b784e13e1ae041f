/* SPDX-License-Identifier: Apache-2.0 */
/* sennit load - HTTP load and idle connections, from many processes and source addresses. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "kit/cli.h"
#include "load/load.h"
#include "sennit/commands.h"

struct load_opts {
    struct sn_str *urls, *headers;
    size_t n_urls, n_headers;
    struct sn_str method, body, body_file, rate, sources, targets, ca, html;
    uint64_t connections, requests, procs, hold, pipeline;
    int64_t duration, warmup, timeout, ramp;
    uint16_t expect;
    double open_rate, active;
    bool no_keepalive, h2, insecure, json, quiet;
};

static const struct sn_conf_field fields[] = {
    SN_CONF_UINT(struct load_opts, connections, "connections", .letter = 'c', .def = "64", .min = 1,
                 .max = 4000000, .help = "Connections over all processes."),
    SN_CONF_DURATION(struct load_opts, duration, "duration", .letter = 'd', .def = "10s",
                     .help = "How long to run, the warm-up included; 0 = until --requests."),
    SN_CONF_UINT(struct load_opts, requests, "requests", .letter = 'n',
                 .help = "Stop after this many requests; 0 = at the end of --duration."),
    SN_CONF_STRING(struct load_opts, rate, "rate", .letter = 'r', .metavar = "RATE",
                   .help =
                       "Open loop: requests a second over all connections, sent when they are due "
                       "whatever the server does, and timed from then. Or steps FROM:TO:LENGTH, "
                       "separated by commas. Without it: closed loop."),
    SN_CONF_UINT(struct load_opts, procs, "procs", .letter = 'p', .def = "1", .min = 1, .max = 256,
                 .help = "Worker processes."),
    SN_CONF_STRING(struct load_opts, method, "method", .letter = 'm', .def = "GET",
                   .pattern = "[A-Za-z]+", .pattern_help = "an HTTP method",
                   .help = "Request method."),
    SN_CONF_LIST(struct load_opts, headers, n_headers, "header", SN_CONF_T_STRING, .letter = 'H',
                 .metavar = "NAME:VALUE", .help = "A request header; may be repeated."),
    SN_CONF_STRING(struct load_opts, body, "body", .help = "Request body."),
    SN_CONF_STRING(struct load_opts, body_file, "body-file", .metavar = "FILE",
                   .help = "Request body from a file."),
    SN_CONF_STRING(struct load_opts, targets, "targets", .metavar = "FILE",
                   .help = "Targets from a file, a line each: WEIGHT METHOD URL."),
    SN_CONF_UINT(struct load_opts, expect, "expect", .max = 599, .metavar = "STATUS",
                 .help = "Any other status is an error; 0 = any of 2xx and 3xx is right."),
    SN_CONF_DURATION(struct load_opts, warmup, "warmup", .help = "Do not measure the first part."),
    SN_CONF_DURATION(struct load_opts, timeout, "timeout", .def = "10s", .min = 1000000,
                     .max = 3600000000000, .help = "Limit of one request, and of connecting."),
    SN_CONF_DURATION(struct load_opts, ramp, "ramp",
                     .help = "Open the connections over this time."),
    SN_CONF_UINT(struct load_opts, pipeline, "pipeline", .max = SN_LOAD_PIPELINE_MAX,
                 .help = "Requests in flight on one connection (closed loop, HTTP/1.1)."),
    SN_CONF_BOOL(struct load_opts, no_keepalive, "no-keepalive",
                 .help = "A new connection for every request."),
    SN_CONF_BOOL(struct load_opts, h2, "h2",
                 .help = "HTTP/2: by ALPN on https, by prior knowledge on http."),
    SN_CONF_BOOL(struct load_opts, insecure, "insecure", .letter = 'k',
                 .help = "Do not verify the server's certificate."),
    SN_CONF_STRING(struct load_opts, ca, "ca", .metavar = "FILE",
                   .help = "Trust these certificates."),
    SN_CONF_STRING(struct load_opts, sources, "sources", .metavar = "FIRST[-LAST]",
                   .help =
                       "Local addresses to connect from, in turn, such as 127.0.0.1-127.0.0.40."),
    SN_CONF_UINT(struct load_opts, hold, "hold", .max = 4000000, .metavar = "N",
                 .help = "Open N connections, hold them idle, and use --active of them."),
    SN_CONF_DOUBLE(struct load_opts, open_rate, "open-rate", .def = "0",
                   .help = "With --hold: connections opened a second; 0 = as fast as they come."),
    SN_CONF_DOUBLE(struct load_opts, active, "active", .def = "0.01",
                   .help =
                       "With --hold: share of the connections that is used; --rate is how fast, "
                       "by default one request a second each."),
    SN_CONF_BOOL(struct load_opts, json, "json", .help = "The result as JSON on standard output."),
    SN_CONF_STRING(struct load_opts, html, "html", .metavar = "FILE",
                   .help = "Write a report with plots, one self-contained page."),
    SN_CONF_BOOL(struct load_opts, quiet, "quiet", .letter = 'q', .help = "No progress line."),
};
static const struct sn_conf_table table = SN_CONF_TABLE(struct load_opts, fields);

/* A file into the arena, before any runtime runs: the parent forks its workers later. */
static int read_file(struct sn_arena *a, struct sn_str path, struct sn_str *ret)
{
    struct sn_str name = sn_arena_str(a, path);
    struct stat st;
    int fd = name.ptr ? open(name.ptr, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0 || fstat(fd, &st) < 0)
        return sn_fail(SN_E_NOT_FOUND, "cannot read %.*s", SN_STR_ARG(path));
    char *p = st.st_size <= (64 << 20) ? sn_arena_alloc(a, (size_t)st.st_size + 1) : NULL;
    ssize_t n = p ? read(fd, p, (size_t)st.st_size) : -1;
    close(fd);
    if (n < 0) return sn_fail(SN_E_TOO_LARGE, "%.*s: larger than 64 MiB", SN_STR_ARG(path));
    *ret = sn_str_of(p, (size_t)n);
    return 0;
}

static int add_headers(struct sn_load_plan *p, const struct load_opts *o)
{
    for (size_t i = 0; i < o->n_headers; i++) {
        struct sn_str value = o->headers[i], name = sn_str_cut(&value, ':');
        if (!value.ptr || !name.len)
            return sn_fail(SN_E_SYNTAX, "header \"%.*s\": expected NAME:VALUE",
                           SN_STR_ARG(o->headers[i]));
        struct sn_load_header h = {sn_str_trim(name), sn_str_trim(value)};
        int r = sn_vec_push(&p->headers, h);
        if (r < 0) return r;
    }
    return 0;
}

static int add_target_lines(struct sn_load_plan *p, struct sn_str path, struct sn_arena *a)
{
    struct sn_str text;
    int r = read_file(a, path, &text);
    for (unsigned line = 1; r == 0 && text.ptr; line++) {
        struct sn_str rest = sn_str_trim(sn_str_cut(&text, '\n'));
        if (!rest.len || rest.ptr[0] == '#') continue;
        struct sn_load_target t = {0};
        struct sn_str weight = sn_str_cut(&rest, ' ');
        t.method = sn_str_cut(&rest, ' ');
        t.url = sn_str_trim(rest);
        if (sn_str_to_double(weight, &t.weight) < 0 || t.weight <= 0 || !t.url.len)
            return sn_fail(SN_E_SYNTAX,
                           "%.*s:%u: expected WEIGHT METHOD URL, such as 3 GET http://h/",
                           SN_STR_ARG(path), line);
        r = sn_vec_push(&p->targets, t);
    }
    return r;
}

static int add_targets(struct sn_load_plan *p, const struct load_opts *o, struct sn_arena *a)
{
    struct sn_str body = o->body;
    int r = 0;
    if (o->body_file.ptr) r = read_file(a, o->body_file, &body);
    if (r == 0 && o->targets.ptr) r = add_target_lines(p, o->targets, a);
    for (size_t i = 0; r == 0 && i < o->n_urls; i++) {
        struct sn_load_target t = {.url = o->urls[i], .method = o->method, .body = body};
        r = sn_vec_push(&p->targets, t);
    }
    return r;
}

/* "127.0.0.1-127.0.0.40", IPv4. */
static int add_sources(struct sn_load_plan *p, struct sn_str text, struct sn_arena *a)
{
    struct sn_str rest = text, first = sn_str_cut(&rest, '-');
    struct sn_str last = rest.ptr ? rest : first;
    char from[64], to[64];
    struct in_addr lo, hi;
    if (sn_str_cz(first, from, sizeof(from)) < 0 || sn_str_cz(last, to, sizeof(to)) < 0 ||
        inet_pton(AF_INET, from, &lo) != 1 || inet_pton(AF_INET, to, &hi) != 1)
        return sn_fail(SN_E_SYNTAX, "sources \"%.*s\": expected an IPv4 address or FIRST-LAST",
                       SN_STR_ARG(text));
    uint32_t x = ntohl(lo.s_addr), y = ntohl(hi.s_addr);
    if (y < x || y - x >= SN_LOAD_SOURCES_MAX)
        return sn_fail(SN_E_OUT_OF_RANGE, "sources \"%.*s\": expected 1 to %u addresses, ascending",
                       SN_STR_ARG(text), SN_LOAD_SOURCES_MAX);
    for (; x <= y; x++) {
        struct sn_str s =
            sn_arena_printf(a, "%u.%u.%u.%u", x >> 24, x >> 16 & 255, x >> 8 & 255, x & 255);
        int r = s.ptr ? sn_vec_push(&p->sources, s.ptr) : SN_E_NOMEM;
        if (r < 0) return r;
    }
    return 0;
}

/* Descriptors a worker needs beside its connections. */
#define FDS_SPARE 64u

static int check_descriptors(struct sn_load_plan *p)
{
    struct rlimit lim;
    if (getrlimit(RLIMIT_NOFILE, &lim) < 0) return 0;
    rlim_t per_proc = (p->conns + p->procs - 1) / p->procs + FDS_SPARE;
    if (per_proc > lim.rlim_max) {
        unsigned need =
            (unsigned)((p->conns + lim.rlim_max - FDS_SPARE - 1) / (lim.rlim_max - FDS_SPARE));
        return sn_fail(SN_E_FILES,
                       "%u connections in %u processes are more than the %llu descriptors "
                       "each may have; use --procs %u",
                       p->conns, p->procs, (unsigned long long)lim.rlim_max, need);
    }
    if (per_proc > lim.rlim_cur) { /* up to the hard limit is ours to ask for */
        lim.rlim_cur = lim.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &lim);
    }
    return 0;
}

static int make_plan(const struct load_opts *o, struct sn_arena *a, struct sn_load_plan *p)
{
    *p = (struct sn_load_plan){
        .mode = o->hold ? SN_LOAD_HOLD : o->rate.ptr ? SN_LOAD_OPEN : SN_LOAD_CLOSED,
        .procs = (unsigned)o->procs, .conns = (unsigned)(o->hold ? o->hold : o->connections),
        .pipeline = (unsigned)o->pipeline, .open_rate = o->open_rate, .active = o->active,
        .duration_ns = o->duration, .warmup_ns = o->warmup, .timeout_ns = o->timeout,
        .ramp_ns = o->ramp, .requests_max = o->requests, .expect_status = o->expect,
        .no_keepalive = o->no_keepalive, .insecure = o->insecure, .h2 = o->h2};
    if (o->ca.ptr) p->ca_file = sn_arena_str(a, o->ca).ptr;
    if (p->procs > p->conns) p->procs = p->conns;
    if (p->mode == SN_LOAD_HOLD && o->h2)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "--hold works with HTTP/1.1 connections, not with --h2");
    if (p->mode == SN_LOAD_OPEN || (p->mode == SN_LOAD_HOLD && o->active > 0)) {
        struct sn_str rate =
            o->rate.ptr ? o->rate : sn_arena_printf(a, "%g", o->active * (double)o->hold);
        int64_t length = o->duration ? o->duration : SN_HOUR;
        int r = sn_load_schedule_parse(rate, length, &p->schedule);
        if (r < 0) return r;
        int64_t planned = sn_load_schedule_length(&p->schedule);
        if (planned > length || !o->duration) p->duration_ns = planned;
    }
    if (!p->duration_ns && !p->requests_max)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "give --duration or --requests: neither would never end");
    if (p->duration_ns && p->warmup_ns >= p->duration_ns)
        return sn_fail(SN_E_INVALID_ARGUMENT, "--warmup must be shorter than the run");
    int r = add_headers(p, o);
    if (r == 0) r = add_targets(p, o, a);
    if (r == 0 && o->sources.ptr) r = add_sources(p, o->sources, a);
    if (r == 0) r = check_descriptors(p);
    return r < 0 ? r : sn_load_plan_prepare(p, a);
}

static void show_progress(const struct sn_load_result *r, double elapsed_s, double of_s)
{
    const struct sn_load_second *s = r->seconds.len ? &r->seconds.ptr[r->seconds.len - 1] : NULL;
    char line[160], of[32] = "";
    if (of_s > 0) snprintf(of, sizeof(of), "/%.0f", of_s);
    snprintf(line, sizeof(line),
             "%5.1f%s s  %9llu req/s  p50 %8.2f ms  p99 %8.2f ms  %lld open  %llu errors",
             elapsed_s < 0 ? 0 : elapsed_s, of, s ? (unsigned long long)s->requests : 0,
             s ? (double)s->p50_ns / 1e6 : 0, s ? (double)s->p99_ns / 1e6 : 0,
             (long long)r->total.conns_open, (unsigned long long)sn_load_errors(&r->total.n));
    fprintf(stderr, "\r%-100s", line);
}

/* path: NUL-terminated, as every operand of the command line. */
static int write_html(struct sn_str path, const struct sn_load_plan *p,
                      const struct sn_load_result *res)
{
    const char *name = path.ptr;
    struct sn_buf b;
    sn_buf_init(&b, 0);
    int r = sn_load_report_html(p, res, &b);
    FILE *f = r < 0 ? NULL : fopen(name, "we");
    if (r >= 0 && !f) r = sn_fail(SN_E_IO, "cannot write %s", name);
    if (f) {
        if (fwrite(b.ptr, 1, b.len, f) != b.len) r = sn_fail(SN_E_IO, "cannot write %s", name);
        if (fclose(f) != 0 && r >= 0) r = sn_fail(SN_E_IO, "cannot write %s", name);
    }
    sn_buf_done(&b);
    return r;
}

static int report(const struct load_opts *o, const struct sn_load_plan *p,
                  const struct sn_load_result *res)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    int r = o->json ? sn_load_report_json(p, res, &b) : sn_load_report_text(p, res, &b);
    if (r >= 0) fwrite(b.ptr, 1, b.len, stdout);
    sn_buf_done(&b);
    if (r >= 0 && o->html.ptr) r = write_html(o->html, p, res);
    return r;
}

static int run(const struct load_opts *o, struct sn_arena *a)
{
    struct sn_load_plan p;
    struct sn_load_result res = {0};
    int r = make_plan(o, a, &p);
    bool progress = !o->quiet && isatty(2);
    if (r >= 0) {
        r = sn_load_run(&p, &res, progress ? show_progress : NULL);
        if (progress) fprintf(stderr, "\r%100s\r", "");
        if (r >= 0) r = report(o, &p, &res);
        /* Nothing at all came back: the run itself failed. */
        if (r >= 0 && res.total.n.requests == 0 && sn_load_errors(&res.total.n) &&
            p.mode != SN_LOAD_HOLD)
            r = sn_fail(SN_E_UNAVAILABLE, "no request succeeded");
        sn_load_result_done(&res);
    }
    sn_vec_done(&p.targets);
    sn_vec_done(&p.headers);
    sn_vec_done(&p.sources);
    return r;
}

static int load_run(const struct sn_cli_call *call)
{
    struct load_opts o = *(const struct load_opts *)call->opts;
    o.urls = call->args;
    o.n_urls = call->n_args;
    return run(&o, call->arena);
}

const struct sn_cli_command sn_cmd_load = {
    .name = "load",
    .brief = "Puts HTTP load on a server and reports throughput and latency percentiles.",
    .usage = "URL...",
    .about =
        "Closed loop by default: every connection sends its next request when the last answer is\n"
        "complete. With --rate the loop is open: requests are due on a schedule that does not "
        "wait\n"
        "for the server, and latency counts from the due time, so a stalled server shows in the\n"
        "percentiles. With --hold connections are opened and kept, mostly idle.\n\n"
        "Examples:\n"
        "  sennit load -c 64 -d 10s http://127.0.0.1:8080/\n"
        "  sennit load --rate 2000 -c 100 -d 30s --html report.html http://127.0.0.1:8080/\n"
        "  sennit load --rate 0:5000:20s,5000:5000:1m -c 200 http://127.0.0.1:8080/\n"
        "  sennit load --hold 100000 --procs 6 --sources 127.0.0.1-127.0.0.8 -d 1m URL",
    .table = &table,
    .args_max = SN_LOAD_TARGETS_MAX,
    .run = load_run,
};

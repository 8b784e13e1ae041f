/* SPDX-License-Identifier: Apache-2.0 */
/* load/report.c - the result as a table for people, JSON for programs, a page with plots. */
#include <stdio.h>

#include "core/status.h"
#include "load/load.h"
#include "wire/json.h"

static const double percentiles[] = {50, 75, 90, 95, 99, 99.9, 99.99};

/* The generator is the bottleneck when its own lateness shows in what it measures. */
static bool generator_late(const struct sn_load_result *r)
{
    const struct sn_hist *late = &r->total.hist[SN_LOAD_LATE];
    return late->count && sn_hist_percentile(late, 99) > 5 * SN_MS;
}

static const char *mode_name(const struct sn_load_plan *p)
{
    return p->mode == SN_LOAD_OPEN ? "open loop" : p->mode == SN_LOAD_HOLD ? "hold" : "closed loop";
}

static void put_time(struct sn_buf *b, uint64_t ns, int width)
{
    char text[32];
    double v = (double)ns;
    if (ns < 1000 * 1000) snprintf(text, sizeof(text), "%.1f us", v / 1e3);
    else if (ns < 1000 * 1000 * 1000) snprintf(text, sizeof(text), "%.2f ms", v / 1e6);
    else snprintf(text, sizeof(text), "%.2f s", v / 1e9);
    sn_buf_printf(b, "%*s", width, text);
}

static void put_bytes(struct sn_buf *b, double n)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    unsigned u = 0;
    while (n >= 1024 && u + 1 < SN_COUNT_OF(units)) {
        n /= 1024;
        u++;
    }
    sn_buf_printf(b, "%.1f %s", n, units[u]);
}

static void text_latency(const struct sn_load_result *r, struct sn_buf *b)
{
    bool any = false;
    for (int i = 0; i < SN_LOAD_HISTS; i++) any |= r->total.hist[i].count != 0;
    if (!any) return;
    sn_buf_printf(b, "\n  %-12s %10s %12s %12s %12s %12s %12s\n", "", "count", "p50", "p90", "p99",
                  "p99.9", "max");
    for (int i = 0; i < SN_LOAD_HISTS; i++) {
        const struct sn_hist *h = &r->total.hist[i];
        if (!h->count) continue;
        static const char *const titles[SN_LOAD_HISTS] = {"latency", "service",   "first byte",
                                                          "connect", "handshake", "lateness"};
        sn_buf_printf(b, "  %-12s %10llu", titles[i], (unsigned long long)h->count);
        put_time(b, sn_hist_percentile(h, 50), 13);
        put_time(b, sn_hist_percentile(h, 90), 13);
        put_time(b, sn_hist_percentile(h, 99), 13);
        put_time(b, sn_hist_percentile(h, 99.9), 13);
        put_time(b, h->max, 13);
        sn_buf_byte(b, '\n');
    }
}

static void text_errors(const struct sn_load_result *r, struct sn_buf *b)
{
    const struct sn_load_counts *n = &r->total.n;
    uint64_t errors = sn_load_errors(n);
    sn_buf_printf(b, "\n  errors      %llu", (unsigned long long)errors);
    const char *sep = " (";
    for (int i = 0; i < SN_LOAD_ERRORS; i++) {
        if (!n->errors[i]) continue;
        sn_buf_printf(b, "%s%s %llu", sep, sn_load_error_names[i],
                      (unsigned long long)n->errors[i]);
        sep = ", ";
    }
    sn_buf_cstr(b, errors ? ")\n" : "\n");
    sn_buf_cstr(b, "  status     ");
    for (int i = 1; i < 6; i++)
        if (n->status[i]) sn_buf_printf(b, " %dxx %llu", i, (unsigned long long)n->status[i]);
    sn_buf_byte(b, '\n');
}

int sn_load_report_text(const struct sn_load_plan *p, const struct sn_load_result *r,
                        struct sn_buf *b)
{
    const struct sn_load_counts *n = &r->total.n;
    sn_buf_printf(b, "%s, %u %s over %u %s, %.1f s measured%s\n\n", mode_name(p), p->conns,
                  p->conns == 1 ? "connection" : "connections", p->procs,
                  p->procs == 1 ? "process" : "processes", r->elapsed_s,
                  r->interrupted ? " (interrupted)" : "");
    sn_buf_printf(b, "  requests    %llu, %.1f/s\n", (unsigned long long)n->requests,
                  (double)n->requests / r->elapsed_s);
    sn_buf_cstr(b, "  transfer    ");
    put_bytes(b, (double)n->bytes_in);
    sn_buf_cstr(b, " in, ");
    put_bytes(b, (double)n->bytes_in / r->elapsed_s);
    sn_buf_printf(b, "/s\n  connections %llu opened, %lld at the peak\n",
                  (unsigned long long)n->conns_opened, (long long)r->conns_peak);
    sn_buf_printf(b, "  generator   %.2f s CPU", r->worker_cpu_s);
    if (n->requests)
        sn_buf_printf(b, ", %.2f us a request", r->worker_cpu_s * 1e6 / (double)n->requests);
    sn_buf_byte(b, '\n');
    text_latency(r, b);
    text_errors(r, b);
    if (generator_late(r))
        sn_buf_cstr(
            b, "\n  The generator itself was late by more than 5 ms at p99: it, or this machine,\n"
               "  is the bottleneck. Use more --procs, fewer connections, or a lower --rate.\n");
    if (r->workers_lost)
        sn_buf_printf(b, "\n  %u worker %s ended before the run did; the figures lack its share.\n",
                      r->workers_lost, r->workers_lost == 1 ? "process" : "processes");
    return b->err;
}

static void json_hist(struct sn_jsonw *w, const struct sn_hist *h)
{
    sn_jsonw_object(w);
    sn_jsonw_ku64(w, "count", h->count);
    sn_jsonw_ku64(w, "min", h->count ? h->min : 0);
    sn_jsonw_kdouble(w, "mean", sn_hist_mean(h));
    for (size_t i = 0; i < SN_COUNT_OF(percentiles); i++) {
        char key[16];
        snprintf(key, sizeof(key), "p%g", percentiles[i]);
        sn_jsonw_ku64(w, key, sn_hist_percentile(h, percentiles[i]));
    }
    sn_jsonw_ku64(w, "max", h->count ? h->max : 0);
    sn_jsonw_object_end(w);
}

static void json_seconds(struct sn_jsonw *w, const struct sn_load_result *r)
{
    sn_jsonw_key(w, SN_STR("seconds"));
    sn_jsonw_array(w);
    SN_VEC_EACH(&r->seconds, s) {
        sn_jsonw_object(w);
        sn_jsonw_kdouble(w, "at_s", s->at_s);
        sn_jsonw_ku64(w, "requests", s->requests);
        sn_jsonw_ku64(w, "errors", s->errors);
        sn_jsonw_ki64(w, "connections", s->conns_open);
        sn_jsonw_ku64(w, "p50_ns", s->p50_ns);
        sn_jsonw_ku64(w, "p99_ns", s->p99_ns);
        sn_jsonw_ku64(w, "max_ns", s->max_ns);
        sn_jsonw_kdouble(w, "planned_rate", s->planned);
        sn_jsonw_object_end(w);
    }
    sn_jsonw_array_end(w);
}

/* Points of the latency curve: [percentile, ns], dense towards the tail. */
static void json_curve(struct sn_jsonw *w, const struct sn_hist *h)
{
    sn_jsonw_key(w, SN_STR("curve"));
    sn_jsonw_array(w);
    double tail = 100; /* distance from 100 %, shrinking by a tenth of a decade */
    for (int i = 0; i <= 60 && h->count && tail * (double)h->count >= 50; i++) {
        sn_jsonw_array(w);
        sn_jsonw_double(w, 100 - tail);
        sn_jsonw_u64(w, sn_hist_percentile(h, 100 - tail));
        sn_jsonw_array_end(w);
        tail *= 0.7943282347;
    }
    sn_jsonw_array_end(w);
}

static void json_body(struct sn_jsonw *w, const struct sn_load_plan *p,
                      const struct sn_load_result *r)
{
    const struct sn_load_counts *n = &r->total.n;
    sn_jsonw_ki64(w, "version", 1);
    sn_jsonw_kstr(w, "mode", sn_str(mode_name(p)));
    sn_jsonw_key(w, SN_STR("targets"));
    sn_jsonw_array(w);
    SN_VEC_EACH(&p->targets, t) sn_jsonw_str(w, t->url);
    sn_jsonw_array_end(w);
    sn_jsonw_ku64(w, "connections", p->conns);
    sn_jsonw_ku64(w, "processes", p->procs);
    sn_jsonw_kdouble(w, "elapsed_s", r->elapsed_s);
    sn_jsonw_kbool(w, "interrupted", r->interrupted);
    sn_jsonw_ku64(w, "requests", n->requests);
    sn_jsonw_kdouble(w, "requests_per_s", (double)n->requests / r->elapsed_s);
    sn_jsonw_ku64(w, "bytes_in", n->bytes_in);
    sn_jsonw_ku64(w, "bytes_out", n->bytes_out);
    sn_jsonw_ku64(w, "connections_opened", n->conns_opened);
    sn_jsonw_ki64(w, "connections_peak", r->conns_peak);
    sn_jsonw_kdouble(w, "generator_cpu_s", r->worker_cpu_s);
    sn_jsonw_kbool(w, "generator_late", generator_late(r));
    sn_jsonw_ku64(w, "workers_lost", r->workers_lost);
    sn_jsonw_key(w, SN_STR("status"));
    sn_jsonw_object(w);
    static const char *const classes[] = {"other", "1xx", "2xx", "3xx", "4xx", "5xx"};
    for (int i = 0; i < 6; i++) sn_jsonw_ku64(w, classes[i], n->status[i]);
    sn_jsonw_object_end(w);
    sn_jsonw_key(w, SN_STR("errors"));
    sn_jsonw_object(w);
    sn_jsonw_ku64(w, "total", sn_load_errors(n));
    for (int i = 0; i < SN_LOAD_ERRORS; i++) sn_jsonw_ku64(w, sn_load_error_names[i], n->errors[i]);
    sn_jsonw_object_end(w);
    sn_jsonw_key(w, SN_STR("times_ns"));
    sn_jsonw_object(w);
    for (int i = 0; i < SN_LOAD_HISTS; i++) {
        sn_jsonw_key(w, sn_str(sn_load_hist_names[i]));
        json_hist(w, &r->total.hist[i]);
    }
    sn_jsonw_object_end(w);
    json_curve(w, &r->total.hist[SN_LOAD_LATENCY]);
    json_seconds(w, r);
}

static int json_report(const struct sn_load_plan *p, const struct sn_load_result *r,
                       struct sn_buf *out, const struct sn_json_style *style)
{
    struct sn_jsonw w;
    sn_jsonw_init(&w, out, style);
    sn_jsonw_object(&w);
    json_body(&w, p, r);
    sn_jsonw_object_end(&w);
    return out->err;
}

int sn_load_report_json(const struct sn_load_plan *p, const struct sn_load_result *r,
                        struct sn_buf *out)
{
    int e = json_report(p, r, out, NULL);
    return e < 0 ? e : sn_buf_byte(out, '\n');
}

extern const unsigned char sn_load_report_page[];
extern const size_t sn_load_report_page_len;
#define DATA_MARK "\"@DATA@\""

/* The JSON goes into a script element of the page: "<" is escaped so that no text of the plan can
 * end that element. */
int sn_load_report_html(const struct sn_load_plan *p, const struct sn_load_result *r,
                        struct sn_buf *out)
{
    struct sn_str page = sn_str_of((const char *)sn_load_report_page, sn_load_report_page_len);
    ssize_t mark = sn_str_find(page, SN_STR(DATA_MARK));
    SN_ASSERT(mark >= 0);
    struct sn_buf json;
    sn_buf_init(&json, 0);
    int e = json_report(p, r, &json, NULL);
    sn_buf_str(out, sn_str_sub(page, 0, (size_t)mark));
    for (size_t i = 0; e >= 0 && i < json.len; i++) {
        if (json.ptr[i] == '<') sn_buf_cstr(out, "\\u003c");
        else sn_buf_byte(out, json.ptr[i]);
    }
    sn_buf_done(&json);
    sn_buf_str(out, sn_str_from(page, (size_t)mark + sizeof(DATA_MARK) - 1));
    return e < 0 ? e : out->err;
}

void sn_load_result_done(struct sn_load_result *r)
{
    sn_load_stats_done(&r->total);
    sn_vec_done(&r->seconds);
}

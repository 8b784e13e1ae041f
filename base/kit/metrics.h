/* SPDX-License-Identifier: Apache-2.0 */
/* kit/metrics.h - counters, gauges and histograms, and their Prometheus text.
 *
 * A counter is an array of cache lines, one per worker: adding is a plain load and store there, and
 * reading sums the lines. Threads that are no workers share one line with atomic adds. Families
 * with labels hold a bounded number of children; beyond it new label values share the child whose
 * labels all read "other", and sennit_metrics_overflow_total counts that.
 *
 *   static struct sn_counter *requests;
 *   requests = sn_counter_new(NULL, "app_requests_total", "Requests answered.", NULL);
 *   sn_counter_add(requests, 1);
 *
 * Sources: Prometheus text format 0.0.4, OpenMetrics 1.0. */
#pragma once
#include "core/buf.h"
#include "core/status.h"
#include "core/str.h"

#define SN_METRIC_LABELS_MAX 8
#define SN_METRIC_CHILDREN_DEFAULT 1000
#define SN_METRIC_BUCKETS_MAX 32

struct sn_metrics; /* a registry; NULL stands for the process's own everywhere */
struct sn_metrics *sn_metrics_new(void);
void sn_metrics_free(struct sn_metrics *m);

struct sn_counter;
struct sn_gauge;
struct sn_histogram;

/* Labels of one metric: names and values, in order; values are copied. NULL = none. */
struct sn_labels {
    unsigned n;
    struct { struct sn_str name, value; } l[SN_METRIC_LABELS_MAX];
};

/* sn_counter_new, sn_gauge_new - registers, or finds the one registered before with this name and
 * these labels. `help` is copied once per name. NULL without memory, or where the name is taken by
 * another kind or is no metric name. Owns: the registry, for its life. Any thread. */
struct sn_counter *sn_counter_new(struct sn_metrics *m, const char *name, const char *help,
                                  const struct sn_labels *labels);
struct sn_gauge *sn_gauge_new(struct sn_metrics *m, const char *name, const char *help,
                              const struct sn_labels *labels);
/* sn_histogram_new - `bounds`: n ascending upper bounds in the metric's unit (seconds by
 * convention), NULL for 5 ms to 10 s. */
struct sn_histogram *sn_histogram_new(struct sn_metrics *m, const char *name, const char *help,
                                      const struct sn_labels *labels, const double *bounds,
                                      unsigned n);

/* Adding: a few nanoseconds, any fiber or thread, never suspends. */
void sn_counter_add(struct sn_counter *c, uint64_t n);
uint64_t sn_counter_value(const struct sn_counter *c);
void sn_gauge_set(struct sn_gauge *g, double v);
void sn_gauge_add(struct sn_gauge *g, double v);
double sn_gauge_value(const struct sn_gauge *g);
void sn_histogram_observe(struct sn_histogram *h, double v);
/* sn_histogram_observe_ns - a duration, for histograms in seconds. */
static inline void sn_histogram_observe_ns(struct sn_histogram *h, int64_t ns)
{
    sn_histogram_observe(h, (double)ns * 1e-9);
}

/* sn_metrics_collect - fn is called at each scrape, before the registry's own metrics are written,
 * and may write metrics of its own with the sn_metrics_write_ calls or set gauges. At most 32. */
struct sn_metrics_writer;
int sn_metrics_collect(struct sn_metrics *m, void (*fn)(struct sn_metrics_writer *w, void *arg),
                       void *arg) SN_MUST_CHECK;
/* kind: "counter" or "gauge". Samples of one family are written one after the other; `name` is looked
 * at again by the next call: it must live as long as the scrape. */
void sn_metrics_write(struct sn_metrics_writer *w, const char *name, const char *kind,
                      const char *help, const struct sn_labels *labels, double v);

/* sn_metrics_text - the exposition: Prometheus 0.0.4, or OpenMetrics 1.0 where `accept` (an Accept
 * header's value) prefers it. *ret_type gets the content type. The process's own registry adds the
 * process_*, go_* and sennit_* runtime metrics. Reads /proc. Returns 0 or out's error. */
int sn_metrics_text(struct sn_metrics *m, struct sn_str accept, struct sn_buf *out,
                    struct sn_str *ret_type) SN_MUST_CHECK;

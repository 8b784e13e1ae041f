/* SPDX-License-Identifier: Apache-2.0 */
/* load/load.h - the load generator: plan, worker, parent.
 * `sennit load` forks worker processes (each its own runtime on one core, its own descriptors),
 * which send statistics frames over a pipe ten times a second; the parent adds them up, shows
 * progress and writes the report. */
#pragma once
#include "core/arena.h"
#include "core/buf.h"
#include "core/vec.h"
#include "load/schedule.h"
#include "load/stats.h"

#define SN_LOAD_PROCS_MAX 256u
#define SN_LOAD_TARGETS_MAX 256u
#define SN_LOAD_SOURCES_MAX 1024u
#define SN_LOAD_PIPELINE_MAX 64u
#define SN_LOAD_FRAME_NS (100 * SN_MS)

struct sn_load_target {
    struct sn_str url, method, body;
    double weight;
    /* Filled by sn_load_plan_prepare: */
    bool tls;
    struct sn_str host;    /* for SNI */
    const char *addr;      /* net.h address to connect to */
    struct sn_str request; /* HTTP/1.1 head and body, ready to send */
};
struct sn_load_header {
    struct sn_str name, value;
};
enum sn_load_mode { SN_LOAD_CLOSED, SN_LOAD_OPEN, SN_LOAD_HOLD };

struct sn_load_plan {
    enum sn_load_mode mode;
    SN_VEC(struct sn_load_target) targets;
    SN_VEC(struct sn_load_header) headers;
    SN_VEC(const char *) sources; /* local addresses, used in turn; empty = the kernel's choice */
    struct sn_load_schedule schedule; /* open loop; in hold mode the rate of active requests */
    unsigned procs, conns;            /* conns over all processes */
    unsigned pipeline;                /* requests in flight per connection, closed loop; 0 = 1 */
    double open_rate;                 /* hold: new connections a second over all; 0 = unlimited */
    double active;                    /* hold: share of connections that are used, 0..1 */
    int64_t duration_ns, warmup_ns, timeout_ns, ramp_ns;
    uint64_t requests_max;            /* 0 = until duration */
    int expect_status;                /* 0 = any 2xx or 3xx */
    bool no_keepalive, insecure, h2;
    const char *ca_file;
};

/* sn_load_plan_prepare - checks the targets' URLs and formats their requests into `a`.
 * Returns 0, SN_E_SYNTAX, SN_E_INVALID_ARGUMENT, SN_E_NOMEM; the diagnostic names the target. */
int sn_load_plan_prepare(struct sn_load_plan *p, struct sn_arena *a) SN_MUST_CHECK;

/* sn_load_worker - the body of one worker process: starts a runtime, runs share `index` of the
 * plan, writes frames to out_fd. start_ns: sn_now() at which every worker begins. Returns 0 or
 * SN_E_*. Context: an ordinary thread of a process of its own. */
int sn_load_worker(const struct sn_load_plan *p, unsigned index, int64_t start_ns, int out_fd)
    SN_MUST_CHECK;

/* One second of the run, as the reports plot it. */
struct sn_load_second {
    double at_s;
    uint64_t requests, errors;
    int64_t conns_open;
    uint64_t p50_ns, p99_ns, max_ns;
    double planned; /* rate of the schedule, 0 = closed loop */
};
struct sn_load_result {
    struct sn_load_stats total; /* after the warm-up */
    SN_VEC(struct sn_load_second) seconds;
    double elapsed_s; /* measured part */
    int64_t conns_peak;
    unsigned workers_lost; /* died before the end */
    double worker_cpu_s;
    bool interrupted;
};
/* sn_load_run - forks the workers, gathers until they end, fills *ret. progress is called about ten
 * times a second (NULL = silent). Returns 0 or SN_E_*. Must be called before any runtime or thread
 * has started in this process: it forks. SIGINT ends the run early and in order. */
int sn_load_run(const struct sn_load_plan *p, struct sn_load_result *ret,
                void (*progress)(const struct sn_load_result *so_far, double elapsed_s,
                                 double of_s)) SN_MUST_CHECK;
void sn_load_result_done(struct sn_load_result *r);

/* Reports; each appends to `out`. JSON: {"version":1,...}. HTML: one file, no outside resources. */
int sn_load_report_text(const struct sn_load_plan *p, const struct sn_load_result *r,
                        struct sn_buf *out);
int sn_load_report_json(const struct sn_load_plan *p, const struct sn_load_result *r,
                        struct sn_buf *out);
int sn_load_report_html(const struct sn_load_plan *p, const struct sn_load_result *r,
                        struct sn_buf *out);

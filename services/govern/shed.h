/* SPDX-License-Identifier: Apache-2.0 */
/* govern/shed.h - adaptive load shedding on the server: refuse what could only wait. Sans-I/O,
 * lock-free.
 *
 * Little's law over the last 5 s (50 buckets, the present one left out): the most calls that
 * finished in a bucket, as a rate, times the least mean duration (of five buckets together) is how
 * many calls in flight the machine can use. A call is refused when CPU is at or above 900 per mille
 * (EWMA 0.95 per 250 ms), or a refusal happened within the last second (cool-off), and both the
 * calls in flight and their EWMA (0.9 per finished call) exceed that number.
 *
 * Differences from the model, each tested: durations are nanoseconds, not whole milliseconds, so a
 * service of 50 us is not taken for one of 1 ms; while CPU is at 8/9 of the threshold or refusals
 * go on the least duration may only fall, because a queue would otherwise raise the limit every
 * window, without end; four times the limit in flight under a busy latest sample is refused at
 * once, because the average of CPU takes seconds to rise and the queue of these seconds many more
 * to work off; at 1000 per mille the limit is 1.5 times that number (2 times at the threshold) and
 * at least one more than there are processors: the model cuts it to a tenth, which starves the
 * machine it protects.
 *
 * Source: go-zero's adaptive shedder (constants); J. Little (1961). */
#pragma once
#include "govern/window.h"

#define SN_GOV_SHED_SPAN_NS (5 * SN_SEC)
#define SN_GOV_SHED_BUCKETS 50u
#define SN_GOV_SHED_CPU 900u /* per mille */
#define SN_GOV_SHED_COOL_NS SN_SEC
/* A latest sample older than three of its periods says that nobody came to take one: busy. */
#define SN_GOV_SHED_STALE_NS (750 * SN_MS)

struct sn_gov_shed_opts {
    uint32_t cpu_threshold; /* per mille; 0 = SN_GOV_SHED_CPU */
    uint32_t processors;    /* that this process may use; 0 = 1 */
};
struct sn_gov_shed {
    struct sn_gov_window w;                /* hi: calls finished */
    uint64_t took_ns[SN_GOV_SHED_BUCKETS]; /* their durations, by bucket */
    struct sn_gov_shed_opts opts;
    uint32_t cpu, cpu_latest; /* per mille, set by sn_gov_shed_cpu */
    int64_t sampled_at_ns;    /* 0 = never */
    int64_t inflight;
    int64_t inflight_ewma_milli;
    int64_t refused_at_ns; /* 0 = never */
    int64_t least_ns;      /* duration that the limit rests on; 0 = none yet */
    uint64_t pass_most;    /* calls in the best bucket */
    uint64_t made_head;    /* bucket for which these were made */
    uint64_t refused;
};
void sn_gov_shed_init(struct sn_gov_shed *s, const struct sn_gov_shed_opts *opts);
/* sn_gov_shed_cpu - CPU use, per mille of what the process may use: the average and the latest
 * sample (govern/cpu.h), and when that was. */
void sn_gov_shed_cpu(struct sn_gov_shed *s, uint32_t average, uint32_t latest, int64_t now_ns);
/* sn_gov_shed_enter - whether a call is admitted; if so it ends with sn_gov_shed_leave. */
bool sn_gov_shed_enter(struct sn_gov_shed *s, int64_t now_ns);
/* sn_gov_shed_leave - ok: it was done; a call that failed says nothing about capacity. */
void sn_gov_shed_leave(struct sn_gov_shed *s, int64_t start_ns, int64_t now_ns, bool ok);
/* sn_gov_shed_limit - calls in flight beyond which it refuses when hot; INT64_MAX before it knows.
 */
int64_t sn_gov_shed_limit(struct sn_gov_shed *s, int64_t now_ns);

/* SPDX-License-Identifier: Apache-2.0 */
/* load/schedule.h - when each request of an open-loop load is due.
 * A plan of steps, each holding or ramping a rate, is the integral of that rate; the k-th request
 * is due where the integral reaches k. Due times do not depend on how the server answers, which is
 * what keeps the measured latencies free of coordinated omission. Sans-I/O. */
#pragma once
#include "core/base.h"
#include "core/str.h"

#define SN_LOAD_STEPS_MAX 64u
#define SN_LOAD_RATE_MAX 1e8

struct sn_load_step {
    double from, to; /* requests per second at the step's begin and end */
    int64_t ns;      /* its length */
};
struct sn_load_schedule {
    struct sn_load_step steps[SN_LOAD_STEPS_MAX];
    unsigned n_steps;
    /* Where the next request lies; processes share one schedule by taking every `stride`-th. */
    uint64_t next, stride;
    unsigned at_step;
    double before_step;     /* requests due before at_step */
    int64_t step_begin_ns;
};

/* sn_load_schedule_parse - "500" (with `ns` as its length), "100:5000:30s" (a ramp), or several
 * separated by commas: "0:1000:10s,1000:1000:1m". A lone number needs ns > 0.
 * Returns 0, SN_E_SYNTAX or SN_E_OUT_OF_RANGE with a diagnostic that names the step. */
int sn_load_schedule_parse(struct sn_str text, int64_t ns, struct sn_load_schedule *ret)
    SN_MUST_CHECK;
/* sn_load_schedule_part - this process's share: requests index, index+count, ... */
void sn_load_schedule_part(struct sn_load_schedule *s, unsigned index, unsigned count);
/* sn_load_schedule_take - the next due time in ns after the start; false past the plan's end. */
bool sn_load_schedule_take(struct sn_load_schedule *s, int64_t *ret_ns);
/* sn_load_schedule_length - of the whole plan, ns. */
int64_t sn_load_schedule_length(const struct sn_load_schedule *s);
/* sn_load_schedule_rate - the planned rate at `ns` after the start; 0 outside the plan. */
double sn_load_schedule_rate(const struct sn_load_schedule *s, int64_t ns);

/* SPDX-License-Identifier: Apache-2.0 */
#include "load/schedule.h"

#include <math.h>

#include "core/status.h"

static int parse_rate(struct sn_str s, double *ret)
{
    int r = sn_str_to_double(s, ret);
    if (r < 0) return sn_fail(SN_E_SYNTAX, "rate \"%.*s\": expected a number", SN_STR_ARG(s));
    if (!(*ret >= 0 && *ret <= SN_LOAD_RATE_MAX))
        return sn_fail(SN_E_OUT_OF_RANGE, "rate \"%.*s\": expected 0 to %.0f a second",
                       SN_STR_ARG(s), SN_LOAD_RATE_MAX);
    return 0;
}

static int parse_step(struct sn_str text, int64_t ns, struct sn_load_step *ret)
{
    struct sn_str rest = text, from = sn_str_cut(&rest, ':');
    int r = parse_rate(from, &ret->from);
    if (r < 0) return r;
    ret->to = ret->from;
    ret->ns = ns;
    if (rest.ptr) {
        struct sn_str to = sn_str_cut(&rest, ':');
        if (!rest.ptr)
            return sn_fail(SN_E_SYNTAX,
                           "step \"%.*s\": expected FROM:TO:LENGTH, such as 100:500:30s",
                           SN_STR_ARG(text));
        r = parse_rate(to, &ret->to);
        if (r < 0) return r;
        r = sn_str_to_duration(rest, &ret->ns);
        if (r < 0)
            return sn_fail(SN_E_SYNTAX,
                           "step \"%.*s\": expected a length such as 30s, got \"%.*s\"",
                           SN_STR_ARG(text), SN_STR_ARG(rest));
    }
    if (ret->ns <= 0)
        return sn_fail(SN_E_OUT_OF_RANGE, "step \"%.*s\": its length must be positive",
                       SN_STR_ARG(text));
    return 0;
}

int sn_load_schedule_parse(struct sn_str text, int64_t ns, struct sn_load_schedule *ret)
{
    struct sn_load_schedule s = {.stride = 1};
    double total = 0;
    while (text.ptr) {
        struct sn_str step = sn_str_trim(sn_str_cut(&text, ','));
        if (s.n_steps == SN_LOAD_STEPS_MAX)
            return sn_fail(SN_E_TOO_LARGE, "more than %u steps in the rate", SN_LOAD_STEPS_MAX);
        int r = parse_step(step, ns, &s.steps[s.n_steps]);
        if (r < 0) return r;
        total += s.steps[s.n_steps].from + s.steps[s.n_steps].to;
        s.n_steps++;
    }
    if (total <= 0) return sn_fail(SN_E_OUT_OF_RANGE, "the rate is 0 throughout");
    *ret = s;
    return 0;
}

void sn_load_schedule_part(struct sn_load_schedule *s, unsigned index, unsigned count)
{
    s->next = index;
    s->stride = count;
}

static double step_requests(const struct sn_load_step *s)
{
    return (s->from + s->to) / 2 * ((double)s->ns / SN_SEC);
}

/* Seconds into the step at which `n` requests of it are due: the positive root of
 * slope/2 t^2 + from t = n, in the form that stays exact when the slope is almost 0. */
static double step_time(const struct sn_load_step *s, double n)
{
    double slope = (s->to - s->from) / ((double)s->ns / SN_SEC);
    double root = sqrt(fmax(0, s->from * s->from + 2 * slope * n));
    return s->from + root > 0 ? 2 * n / (s->from + root) : 0;
}

bool sn_load_schedule_take(struct sn_load_schedule *s, int64_t *ret_ns)
{
    double k = (double)s->next;
    while (s->at_step < s->n_steps) {
        const struct sn_load_step *step = &s->steps[s->at_step];
        double here = step_requests(step);
        if (k < s->before_step + here) {
            int64_t in_step = (int64_t)(step_time(step, k - s->before_step) * SN_SEC);
            *ret_ns = s->step_begin_ns + SN_MIN(in_step, step->ns);
            s->next += s->stride;
            return true;
        }
        s->before_step += here;
        s->step_begin_ns += step->ns;
        s->at_step++;
    }
    return false;
}

int64_t sn_load_schedule_length(const struct sn_load_schedule *s)
{
    int64_t ns = 0;
    for (unsigned i = 0; i < s->n_steps; i++) ns += s->steps[i].ns;
    return ns;
}

double sn_load_schedule_rate(const struct sn_load_schedule *s, int64_t ns)
{
    for (unsigned i = 0; i < s->n_steps; i++) {
        const struct sn_load_step *step = &s->steps[i];
        if (ns < step->ns)
            return step->from + (step->to - step->from) * ((double)ns / (double)step->ns);
        ns -= step->ns;
    }
    return 0;
}

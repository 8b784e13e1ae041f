/* SPDX-License-Identifier: Apache-2.0 */
/* govern/shed.c - see shed.h. */
#include "govern/shed.h"

#define LOAD(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define ADD(p, v) __atomic_add_fetch((p), (v), __ATOMIC_RELAXED)

#define EWMA_KEEP 0.9
#define CPU_TOP 1000u
#define CUT_MOST 0.25
#define RUSH 4
/* Queue that is allowed on top of what keeps the machine busy: without any it idles between a call
 * that ends and the next one that comes. */
#define HEADROOM 2.0
/* Buckets whose durations are averaged together: a mean of few calls is small by chance. */
#define GROUP 5

void sn_gov_shed_init(struct sn_gov_shed *s, const struct sn_gov_shed_opts *opts)
{
    memset(s, 0, sizeof(*s));
    if (opts) s->opts = *opts;
    if (!s->opts.cpu_threshold) s->opts.cpu_threshold = SN_GOV_SHED_CPU;
    if (!s->opts.processors) s->opts.processors = 1;
    sn_gov_window_init(&s->w, SN_GOV_SHED_SPAN_NS, SN_GOV_SHED_BUCKETS);
}

void sn_gov_shed_cpu(struct sn_gov_shed *s, uint32_t average, uint32_t latest, int64_t now_ns)
{
    STORE(&s->cpu, average);
    STORE(&s->cpu_latest, latest);
    STORE(&s->sampled_at_ns, now_ns);
}

static bool rushed(const struct sn_gov_shed *s, int64_t now)
{
    int64_t at = LOAD(&s->sampled_at_ns);
    return LOAD(&s->cpu_latest) >= s->opts.cpu_threshold || (at && now - at > SN_GOV_SHED_STALE_NS);
}

static bool cooling(const struct sn_gov_shed *s, int64_t now)
{
    int64_t at = LOAD(&s->refused_at_ns);
    return at && now - at < SN_GOV_SHED_COOL_NS;
}

/* Looks through the window once per bucket; whoever comes first in a bucket does. */
static void remake(struct sn_gov_shed *s, uint64_t head, int64_t now)
{
    uint64_t most = 0, least = UINT64_MAX, n_group = 0, took = 0;
    for (uint32_t back = 1; back < s->w.n && back <= head; back++) {
        uint64_t n = sn_gov_hi(sn_gov_window_at(&s->w, head, back));
        most = SN_MAX(most, n);
        n_group += n;
        /* A bucket that was passed over still has the durations of its last turn. */
        if (n) took += LOAD(&s->took_ns[(head - back) % SN_GOV_SHED_BUCKETS]);
        if (back % GROUP || !n_group) continue;
        least = SN_MIN(least, took / n_group);
        n_group = took = 0;
    }
    if (least == UINT64_MAX && n_group) least = took / n_group;
    if (!most) {
        /* Nothing succeeds: that is no reason to admit everything. Only a service that rests forgets. */
        if (LOAD(&s->inflight) > 0 || cooling(s, now)) return;
        STORE(&s->pass_most, 0);
        STORE(&s->least_ns, 0);
        return;
    }
    int64_t old = LOAD(&s->least_ns), fresh = (int64_t)SN_MIN(SN_MAX(least, 1u), (uint64_t)SN_HOUR);
    bool idle = LOAD(&s->cpu) < s->opts.cpu_threshold * 8 / 9 && !cooling(s, now);
    if (!old || fresh < old || idle) STORE(&s->least_ns, fresh);
    STORE(&s->pass_most, most);
}

static void look(struct sn_gov_shed *s, int64_t now)
{
    uint64_t head = sn_gov_window_roll(&s->w, now), made = LOAD(&s->made_head);
    if (SN_LIKELY(made == head)) return;
    if (!__atomic_compare_exchange_n(&s->made_head, &made, head, false, __ATOMIC_RELAXED,
                                     __ATOMIC_RELAXED))
        return;
    STORE(&s->took_ns[head % SN_GOV_SHED_BUCKETS], 0);
    remake(s, head, now);
}

int64_t sn_gov_shed_limit(struct sn_gov_shed *s, int64_t now_ns)
{
    look(s, now_ns);
    uint64_t most = LOAD(&s->pass_most);
    if (!most) return INT64_MAX;
    double per_s = (double)most * (double)SN_SEC / (double)s->w.width_ns;
    double use = per_s * (double)LOAD(&s->least_ns) / SN_SEC * HEADROOM;
    uint32_t cpu = SN_MIN(LOAD(&s->cpu), CPU_TOP), from = s->opts.cpu_threshold;
    if (cpu > from && from < CPU_TOP)
        use *= 1.0 - CUT_MOST * (double)(cpu - from) / (double)(CPU_TOP - from);
    int64_t floor = s->opts.processors + 1;
    return SN_MAX((int64_t)use, floor);
}

/* Whether `n` in flight are too many now. */
static bool too_many(struct sn_gov_shed *s, int64_t n, int64_t now)
{
    bool busy = LOAD(&s->cpu) >= s->opts.cpu_threshold;
    bool rush = rushed(s, now);
    if (SN_LIKELY(!busy && !rush && !cooling(s, now))) return false;
    int64_t limit = sn_gov_shed_limit(s, now);
    if (n <= limit) return false;
    /* The average takes seconds to believe in an overload; a queue of this length needs none. */
    if (rush && n / RUSH >= limit) return true;
    return (busy || cooling(s, now)) && LOAD(&s->inflight_ewma_milli) > limit * 1000;
}

bool sn_gov_shed_enter(struct sn_gov_shed *s, int64_t now_ns)
{
    int64_t n = ADD(&s->inflight, 1);
    if (SN_LIKELY(!too_many(s, n, now_ns))) return true;
    ADD(&s->inflight, -1);
    ADD(&s->refused, 1);
    /* The cool-off follows CPU, not itself, or it would never end. */
    if (LOAD(&s->cpu_latest) >= s->opts.cpu_threshold || LOAD(&s->cpu) >= s->opts.cpu_threshold)
        STORE(&s->refused_at_ns, now_ns);
    return false;
}

void sn_gov_shed_leave(struct sn_gov_shed *s, int64_t start_ns, int64_t now_ns, bool ok)
{
    int64_t n = ADD(&s->inflight, -1) + 1;
    int64_t old = LOAD(&s->inflight_ewma_milli);
    STORE(&s->inflight_ewma_milli,
          (int64_t)((double)old * EWMA_KEEP + (double)(n * 1000) * (1.0 - EWMA_KEEP)));
    if (!ok) return;
    look(s, now_ns);
    int64_t took = SN_MAX(now_ns - start_ns, 0);
    uint64_t head = sn_gov_window_roll(&s->w, now_ns);
    ADD(&s->took_ns[head % SN_GOV_SHED_BUCKETS], (uint64_t)took);
    sn_gov_window_add_bucket(&s->w, head, 1, 0);
}

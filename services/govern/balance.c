/* SPDX-License-Identifier: Apache-2.0 */
/* govern/balance.c - choosing among the endpoints of a snapshot; see balance.h. */
#include "govern/balance.h"

#include <sched.h>

#include "core/alloc.h"
#include "govern/balance_int.h"

#define DRAWS 8 /* of two different usable candidates */
#define SHARE_MIN 0.1
/* One that only fails costs a thousand times what it would: more than any slow one. */
#define SUCCESS_MIN 0.001

int sn_gov_picker_new(const struct sn_gov_balance_opts *opts, uint32_t slots,
                      struct sn_gov_picker **ret)
{
    if (!slots || slots > 4096)
        return sn_fail(SN_E_INVALID_ARGUMENT, "picker: %u slots, 1 to 4096 are expected", slots);
    struct sn_gov_picker *p = sn_aligned_alloc(SN_CACHE_LINE, sizeof(*p));
    if (!p) return SN_E_NOMEM;
    memset(p, 0, sizeof(*p));
    p->opts = *opts;
    if (!p->opts.slow_start_ns) p->opts.slow_start_ns = SN_GOV_SLOW_START_NS;
    if (p->opts.bound < 1.0) p->opts.bound = 1.25;
    p->n_slots = slots;
    p->slots = sn_aligned_alloc(SN_CACHE_LINE, slots * sizeof(*p->slots));
    p->zone = sn_alloc(opts->zone.len + 1);
    p->set = SN_NEW(struct gov_set);
    if (!p->slots || !p->zone || !p->set) {
        sn_gov_picker_free(p);
        return SN_E_NOMEM;
    }
    memset(p->slots, 0, slots * sizeof(*p->slots));
    if (opts->zone.len) memcpy(p->zone, opts->zone.ptr, opts->zone.len);
    p->zone[opts->zone.len] = 0;
    *ret = p;
    return 0;
}

void sn_gov_picker_free(struct sn_gov_picker *p)
{
    if (!p) return;
    gov_set_free(p->set);
    sn_free(p->zone);
    sn_free(p->slots);
    sn_free(p);
}

/* ---- the snapshot ---------------------------------------------------------------------------- */

/* A reader makes its turn odd before it loads the set; who replaced the set waits for each turn
 * that was odd then to move on. Both are sequentially consistent, so one of them sees the other. */
static struct gov_set *set_enter(struct sn_gov_picker *p, uint32_t slot)
{
    struct gov_slot *s = &p->slots[slot];
    SN_DCHECK(slot < p->n_slots && !(s->turn & 1));
    __atomic_exchange_n(&s->turn, s->turn + 1, __ATOMIC_SEQ_CST);
    return __atomic_load_n(&p->set, __ATOMIC_SEQ_CST);
}

static void set_leave(struct sn_gov_picker *p, uint32_t slot)
{
    struct gov_slot *s = &p->slots[slot];
    __atomic_store_n(&s->turn, s->turn + 1, __ATOMIC_RELEASE);
}

int sn_gov_picker_update(struct sn_gov_picker *p, const struct sn_gov_endpoint_spec *specs,
                         size_t n, int64_t now_ns)
{
    struct gov_set *fresh, *old = p->set;
    int r = gov_set_new(p, specs, n, old, now_ns, &fresh);
    if (r < 0) return r;
    __atomic_store_n(&p->set, fresh, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < p->n_slots; i++) {
        uint64_t seen = __atomic_load_n(&p->slots[i].turn, __ATOMIC_SEQ_CST);
        for (unsigned spins = 1;
             seen & 1 && __atomic_load_n(&p->slots[i].turn, __ATOMIC_ACQUIRE) == seen; spins++)
            if (spins % 1024 == 0) sched_yield(); /* its thread lost the processor in between */
    }
    gov_set_free(old);
    return 0;
}

/* ---- choosing -------------------------------------------------------------------------------- */

double sn_gov_endpoint_cost(const struct sn_gov_endpoint *ep, int64_t now_ns, int64_t slow_start_ns)
{
    double share = (double)LOAD(&ep->success) / SN_GOV_ONE;
    if (share < SUCCESS_MIN) share = SUCCESS_MIN;
    int64_t since = LOAD(&ep->up_since_ns);
    if (SN_UNLIKELY(since && now_ns - since < slow_start_ns)) {
        double part = (double)(now_ns - since) / (double)slow_start_ns;
        share *= SN_MAX(part, SHARE_MIN);
    }
    return sn_latency_cost(&ep->latency, now_ns) / share;
}

static bool usable(const struct sn_gov_ask *k, const struct sn_gov_endpoint *ep, bool panic)
{
    for (uint32_t i = 0; i < k->n_tried; i++)
        if (k->tried[i] == ep->key) return false;
    return panic || !LOAD(&ep->down);
}

/* Nobody would learn that the loser is well again (or faster now) if it were never asked. Not while
 * a call is on its way there: that one will tell. */
static bool force(struct sn_gov_endpoint *ep, int64_t now)
{
    int64_t at = LOAD(&ep->picked_at_ns), gap = LOAD(&ep->force_ns);
    if (SN_LIKELY(now - at < gap) || LOAD(&ep->latency.inflight)) return false;
    if (!__atomic_compare_exchange_n(&ep->picked_at_ns, &at, now, false, __ATOMIC_RELAXED,
                                     __ATOMIC_RELAXED))
        return false;
    /* The next one later, unless this one succeeds; who is only slow is asked each second. */
    if (LOAD(&ep->success) < SN_GOV_ONE) STORE(&ep->force_ns, SN_MIN(2 * gap, SN_GOV_FORCE_MAX_NS));
    return true;
}

struct sn_gov_endpoint *sn_gov_better(struct sn_gov_endpoint *a, struct sn_gov_endpoint *b,
                                      int64_t now_ns, int64_t slow_start_ns)
{
    if (sn_gov_endpoint_cost(b, now_ns, slow_start_ns) <
        sn_gov_endpoint_cost(a, now_ns, slow_start_ns)) {
        struct sn_gov_endpoint *t = a;
        a = b;
        b = t;
    }
    return force(b, now_ns) ? b : a;
}

static struct sn_gov_endpoint *pick_p2c(const struct sn_gov_picker *p, const struct gov_set *s,
                                        const struct sn_gov_ask *k, bool panic)
{
    struct sn_gov_endpoint *a = NULL, *b = NULL;
    uint64_t rnd = k->rnd;
    bool near = s->near_share >= 1.0 || (double)(rnd >> 11) * 0x1p-53 < s->near_share;
    const struct gov_tier *t = near ? &s->near : &s->far;
    for (int i = 0; i < DRAWS && !b; i++) {
        rnd = rnd * 6364136223846793005ull + 1442695040888963407ull;
        /* A zone without anybody usable: the other one, before anybody is asked twice. */
        if (i == DRAWS / 2 && !a && s->far.n_schedule && s->near.n_schedule)
            t = near ? &s->far : &s->near;
        struct sn_gov_endpoint *ep = s->eps[t->schedule[(rnd >> 32) * t->n_schedule >> 32]];
        if (!usable(k, ep, panic)) continue;
        if (!a)
            a = ep;
        else if (ep != a)
            b = ep;
    }
    return a && b ? sn_gov_better(a, b, k->now_ns, p->opts.slow_start_ns) : a;
}

/* Static stride: call number k looks at endpoint k mod n in generation k / n, and skips it in the
 * share of the generations that its weight falls short of the greatest. The heaviest is never
 * skipped. */
static struct sn_gov_endpoint *pick_wrr(struct sn_gov_picker *p, struct gov_set *s,
                                        const struct sn_gov_ask *k, bool panic)
{
    int64_t at = LOAD(&s->stride_at_ns);
    if (p->opts.load_reports && k->now_ns - at >= SN_GOV_REPORT_EVERY_NS &&
        __atomic_compare_exchange_n(&s->stride_at_ns, &at, k->now_ns, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED))
        gov_stride_build(s, true, k->now_ns);
    for (uint32_t i = 0; i < 4 * s->n; i++) {
        uint64_t turn = ADD(&p->next, 1) - 1;
        uint32_t at_ep = (uint32_t)(turn % s->n);
        uint64_t w = LOAD(&s->stride[at_ep]);
        /* The offset keeps equal weights from being skipped all in the same generation. */
        if ((turn / s->n * w + at_ep * 32768u) % 65535u < 65535u - w) continue;
        if (usable(k, s->eps[at_ep], panic)) return s->eps[at_ep];
    }
    return NULL;
}

static bool has_room(const struct sn_gov_picker *p, const struct gov_set *s, uint32_t i)
{
    double fair = (double)(LOAD(&p->inflight) + 1) * (double)s->weights[i] / s->weight_sum;
    return (double)LOAD(&s->eps[i]->latency.inflight) < p->opts.bound * fair;
}

static struct sn_gov_endpoint *pick_hash(const struct sn_gov_picker *p, const struct gov_set *s,
                                         const struct sn_gov_ask *k, bool panic)
{
    uint32_t size = s->ring ? s->n_ring : SN_SPREAD_MAGLEV;
    uint32_t at =
        s->ring ? sn_spread_ring_find(s->ring, size, k->hash) : (uint32_t)(k->hash % size);
    struct sn_gov_endpoint *spare = NULL;
    /* 8 places per endpoint pass nearly all of them; a key that finds all full goes to its first.
     */
    for (uint32_t i = 0; i < 8 * s->n + 8 && i < size; i++) {
        uint32_t place = (at + i) % size, e = s->ring ? s->ring[place].index : s->maglev[place];
        if (!usable(k, s->eps[e], panic)) continue;
        if (has_room(p, s, e)) return s->eps[e];
        if (!spare) spare = s->eps[e];
    }
    return spare;
}

static struct sn_gov_endpoint *pick_by_policy(struct sn_gov_picker *p, struct gov_set *s,
                                              const struct sn_gov_ask *k, bool panic)
{
    struct sn_gov_endpoint *ep = NULL;
    switch (p->opts.policy) {
    case SN_GOV_P2C: ep = pick_p2c(p, s, k, panic); break;
    case SN_GOV_WRR: ep = pick_wrr(p, s, k, panic); break;
    case SN_GOV_RING:
    case SN_GOV_MAGLEV: ep = pick_hash(p, s, k, panic); break;
    }
    /* Draws may miss the last usable one: look at each, from a random one on. */
    for (uint32_t i = 0; !ep && i < s->n; i++) {
        struct sn_gov_endpoint *e = s->eps[(k->rnd + i) % s->n];
        if (usable(k, e, panic)) ep = e;
    }
    return ep;
}

int sn_gov_pick(struct sn_gov_picker *p, const struct sn_gov_ask *ask, struct sn_gov_endpoint **ret)
{
    struct gov_set *s = set_enter(p, ask->slot);
    if (SN_UNLIKELY(!s->n)) {
        set_leave(p, ask->slot);
        return SN_E_UNAVAILABLE;
    }
    struct sn_gov_endpoint *ep = pick_by_policy(p, s, ask, false);
    if (SN_UNLIKELY(!ep))
        ep = pick_by_policy(p, s, ask, true); /* all down: a guess beats a sure refusal */
    if (SN_UNLIKELY(!ep)) {                   /* all tried */
        struct sn_gov_ask again = *ask;
        again.n_tried = 0;
        ep = pick_by_policy(p, s, &again, false);
        if (!ep) ep = pick_by_policy(p, s, &again, true);
    }
    ADD(&ep->refs, 1);
    set_leave(p, ask->slot);
    sn_gov_endpoint_begin(ep, ask->now_ns);
    if (p->opts.policy >= SN_GOV_RING) ADD(&p->inflight, 1);
    *ret = ep;
    return 0;
}

/* ---- results --------------------------------------------------------------------------------- */

static void success_add(struct sn_gov_endpoint *ep, bool ok, int64_t dt)
{
    uint32_t old = LOAD(&ep->success);
    if (!ok) {
        STORE(&ep->success, old / 2);
        ADD(&ep->failures, 1);
        return;
    }
    if (SN_LIKELY(old == SN_GOV_ONE)) return;
    /* One good answer after a while of silence is a quarter of the way back; many fast ones are
     * one. */
    double back = SN_MIN((double)dt / (double)(SN_LATENCY_TAU_NS + dt), 0.25);
    double now = (double)old + (SN_GOV_ONE - (double)old) * back;
    STORE(&ep->success, now > SN_GOV_ONE * 0.99 ? SN_GOV_ONE : (uint32_t)now + 1);
    STORE(&ep->force_ns, SN_GOV_FORCE_NS);
}

void sn_gov_endpoint_reset(struct sn_gov_endpoint *ep)
{
    ep->success = SN_GOV_ONE;
    ep->force_ns = SN_GOV_FORCE_NS;
}

void sn_gov_endpoint_begin(struct sn_gov_endpoint *ep, int64_t start_ns)
{
    sn_latency_begin(&ep->latency, start_ns);
    STORE(&ep->picked_at_ns, start_ns);
}

void sn_gov_endpoint_end(struct sn_gov_endpoint *ep, int64_t start_ns, int64_t now_ns,
                         enum sn_gov_result result)
{
    sn_latency_end(&ep->latency, start_ns);
    int64_t dt = now_ns - LOAD(&ep->latency.ewma_at_ns);
    if (result == SN_GOV_OK) {
        success_add(ep, true, SN_MAX(dt, 0));
        sn_latency_add(&ep->latency, now_ns - start_ns, now_ns);
    } else if (result == SN_GOV_FAILED) {
        /* A refusal at once must not look like a fast answer; a timeout is a slow one. */
        success_add(ep, false, 0);
        int64_t old = LOAD(&ep->latency.ewma_ns), rtt = now_ns - start_ns;
        if (rtt > old) sn_latency_add(&ep->latency, rtt, now_ns);
    }
}

void sn_gov_done(struct sn_gov_picker *p, struct sn_gov_endpoint *ep, int64_t start_ns,
                 int64_t now_ns, enum sn_gov_result result)
{
    if (p->opts.policy >= SN_GOV_RING) ADD(&p->inflight, -1);
    sn_gov_endpoint_end(ep, start_ns, now_ns, result);
    gov_endpoint_unref(ep);
}

void sn_gov_endpoint_health(struct sn_gov_endpoint *ep, bool up, int64_t now_ns)
{
    if (up && LOAD(&ep->down)) {
        STORE(&ep->up_since_ns, now_ns);
        STORE(&ep->success, SN_GOV_ONE);
        STORE(&ep->force_ns, SN_GOV_FORCE_NS);
    }
    STORE(&ep->down, !up);
}

void sn_gov_endpoint_report(struct sn_gov_endpoint *ep, double utilization, double qps, double eps,
                            double penalty, int64_t now_ns)
{
    if (!(qps > 0) || !(utilization >= 0) || !(eps >= 0)) return;
    double load = utilization + eps / qps * penalty;
    if (!(load > 0)) return;
    double w = qps / load * 1000.0;
    if (now_ns - LOAD(&ep->report_at_ns) > SN_GOV_REPORT_EXPIRE_NS || !LOAD(&ep->report_milli))
        STORE(&ep->report_since_ns, now_ns);
    STORE(&ep->report_at_ns, now_ns);
    STORE(&ep->report_milli, w < 1 ? 1 : w > 1e15 ? (uint64_t)1e15 : (uint64_t)w);
}

void sn_gov_picker_each(struct sn_gov_picker *p, uint32_t slot,
                        void (*fn)(struct sn_gov_endpoint *ep, void *arg), void *arg)
{
    const struct gov_set *s = set_enter(p, slot);
    for (uint32_t i = 0; i < s->n; i++) fn(s->eps[i], arg);
    set_leave(p, slot);
}

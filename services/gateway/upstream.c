/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/upstream.c - see upstream.h. */
#include "gateway/upstream.h"

#include <math.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "core/map.h"
#include "gateway/meter.h"

#define LOAD(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define ADD(p, v) __atomic_add_fetch((p), (v), __ATOMIC_RELAXED)

/* How stale the count of available endpoints may be: panic is a state of seconds. */
#define COUNT_EVERY_NS (20 * SN_MS)
#define SLOW_START_SHARE_MIN 0.1

/* ---- endpoints ------------------------------------------------------------------------------ */

struct sn_gw_endpoint *sn_gw_endpoint_new(struct sn_str addr)
{
    static uint64_t ids;
    struct sn_gw_endpoint *ep = SN_NEW(struct sn_gw_endpoint);
    char *copy = ep ? sn_alloc(addr.len + 1) : NULL;
    if (!copy) {
        sn_free(ep);
        return NULL;
    }
    memcpy(copy, addr.ptr, addr.len);
    copy[addr.len] = 0;
    ep->addr = copy;
    ep->refs = 1;
    ep->id = ADD(&ids, 1);
    return ep;
}

struct sn_gw_endpoint *sn_gw_endpoint_ref(struct sn_gw_endpoint *ep)
{
    ADD(&ep->refs, 1);
    return ep;
}

void sn_gw_endpoint_unref(struct sn_gw_endpoint *ep)
{
    if (!ep || __atomic_sub_fetch(&ep->refs, 1, __ATOMIC_ACQ_REL)) return;
    sn_gw_meter_unref(ep->meter);
    sn_free(ep->addr);
    sn_free(ep);
}

bool sn_gw_endpoint_available(const struct sn_gw_endpoint *ep, int64_t now_ns)
{
    return !LOAD(&ep->down) && !LOAD(&ep->drained) && LOAD(&ep->ejected_until_ns) <= now_ns;
}

const char *sn_gw_endpoint_state(const struct sn_gw_pool *p, const struct sn_gw_endpoint *ep,
                                 int64_t now_ns)
{
    if (LOAD(&ep->drained)) return "drained";
    if (LOAD(&ep->down)) return "unhealthy";
    if (LOAD(&ep->ejected_until_ns) > now_ns) return "ejected";
    int64_t since = LOAD(&ep->up_since_ns);
    return since && now_ns - since < p->conf->slow_start ? "slow start" : "healthy";
}

const char *sn_gw_balance_name(enum sn_gw_balance b)
{
    static const char *const names[] = {"p2c", "round_robin", "ring_hash"};
    return names[b];
}

/* ---- retry budget --------------------------------------------------------------------------- */

void sn_gw_budget_init(struct sn_gw_budget *b) { b->milli_tokens = SN_GW_BUDGET_BURST * 1000; }

void sn_gw_budget_deposit(struct sn_gw_budget *b, uint64_t percent)
{
    /* A full purse is the usual case and costs one load. */
    if (LOAD(&b->milli_tokens) < SN_GW_BUDGET_BURST * 1000)
        ADD(&b->milli_tokens, (int64_t)percent * 10);
}

bool sn_gw_budget_take(struct sn_gw_budget *b)
{
    int64_t v = LOAD(&b->milli_tokens);
    while (v >= 1000)
        if (__atomic_compare_exchange_n(&b->milli_tokens, &v, v - 1000, true, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
            return true;
    return false;
}

/* ---- patience ------------------------------------------------------------------------------- */

void sn_gw_patience_learn(struct sn_gw_patience *p, int64_t rtt_ns, int64_t now_ns)
{
    if (LOAD(&p->answers) < SN_GW_PATIENCE_ANSWERS) ADD(&p->answers, 1);
    if (now_ns - LOAD(&p->turned_at_ns) > SN_GW_PATIENCE_TURN_NS) {
        STORE(&p->slowest_ns[1], LOAD(&p->slowest_ns[0]));
        STORE(&p->slowest_ns[0], rtt_ns);
        STORE(&p->turned_at_ns, now_ns);
    } else if (rtt_ns > LOAD(&p->slowest_ns[0])) {
        STORE(&p->slowest_ns[0], rtt_ns);
    }
}

int64_t sn_gw_patience_ns(const struct sn_gw_patience *p)
{
    if (LOAD(&p->answers) < SN_GW_PATIENCE_ANSWERS) return 0;
    int64_t slowest = SN_MAX(LOAD(&p->slowest_ns[0]), LOAD(&p->slowest_ns[1]));
    return SN_MAX(2 * slowest, SN_GW_PATIENCE_MIN_NS);
}

/* ---- pools ---------------------------------------------------------------------------------- */

/* Weights and hash keys of the endpoints, and the tables made of them. */
static int tables_build(struct sn_gw_pool *p, uint64_t *w, uint64_t *keys)
{
    for (uint32_t i = 0; i < p->n; i++) {
        w[i] = p->conf->endpoints[i].weight;
        keys[i] = sn_hash(p->eps[i]->addr, strlen(p->eps[i]->addr), 0);
    }
    uint64_t total = sn_spread_reduce(w, p->n, SN_SPREAD_SCHEDULE_MAX - p->n);
    p->schedule = SN_NEW_ARRAY(uint16_t, total);
    if (!p->schedule) return SN_E_NOMEM;
    p->n_schedule = (uint32_t)total;
    int r = sn_spread_smooth(w, p->n, total, p->schedule);
    if (r == 0 && p->conf->balance == SN_GW_RING_HASH) {
        r = sn_spread_ring(keys, w, p->n, &p->ring);
        if (r > 0) p->n_ring = (uint32_t)r;
    }
    return r < 0 ? r : 0;
}

int sn_gw_pool_new(const struct sn_gw_conf_upstream *conf, struct sn_gw_endpoint **eps,
                   struct sn_gw_pool **ret)
{
    if (!conf->n_endpoints || conf->n_endpoints > SN_GW_ENDPOINTS_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "upstream %.*s: %zu endpoints, expected 1 to %u",
                       SN_STR_ARG(conf->name), conf->n_endpoints, SN_GW_ENDPOINTS_MAX);
    struct sn_gw_pool *p = SN_NEW(struct sn_gw_pool);
    uint64_t *w = p ? SN_NEW_ARRAY(uint64_t, 2 * conf->n_endpoints) : NULL;
    int r = w ? 0 : SN_E_NOMEM;
    if (r == 0) {
        p->conf = conf;
        p->n = (uint32_t)conf->n_endpoints;
        p->eps = eps;
        r = tables_build(p, w, w + p->n);
    }
    sn_free(w);
    if (r == 0) p->eps = SN_NEW_ARRAY(struct sn_gw_endpoint *, conf->n_endpoints);
    if (r < 0 || !p->eps) {
        if (p) p->eps = NULL;
        sn_gw_pool_free(p);
        return SN_E_NOMEM;
    }
    memcpy(p->eps, eps, p->n * sizeof(*eps));
    p->counted_at_ns = INT64_MIN / 2;
    *ret = p;
    return 0;
}

void sn_gw_pool_free(struct sn_gw_pool *p)
{
    if (!p) return;
    for (uint32_t i = 0; p->eps && i < p->n; i++) sn_gw_endpoint_unref(p->eps[i]);
    sn_free(p->eps);
    sn_free(p->schedule);
    sn_free(p->ring);
    sn_free(p);
}

/* ---- choosing ------------------------------------------------------------------------------- */

struct pick {
    struct sn_gw_pool *p;
    int64_t now;
    const struct sn_gw_tried *tried;
    bool panic;
};

static bool was_tried(const struct sn_gw_tried *t, const struct sn_gw_endpoint *ep)
{
    for (uint32_t i = 0; t && i < t->n; i++)
        if (t->eps[i] == ep) return true;
    return false;
}

/* How long a silent endpoint is left alone, and how far apart its probes are. */
static int64_t suspicion_ns(const struct sn_gw_pool *p)
{
    return SN_MIN(SN_GW_SUSPECT_NS, p->conf->outlier.eject);
}

static bool usable(const struct pick *k, const struct sn_gw_endpoint *ep)
{
    bool may = k->panic ? !LOAD(&ep->drained) : sn_gw_endpoint_available(ep, k->now);
    /* Keys of a ring stay where they are for as long as they can. */
    int64_t until = k->panic || k->p->conf->balance == SN_GW_RING_HASH ? 0
                                                                       : LOAD(&ep->suspect_until_ns);
    bool suspect = until && (until > k->now || /* or its probe is under way */
                             LOAD(&ep->probed_at_ns) + suspicion_ns(k->p) > k->now);
    return may && !suspect && !was_tried(k->tried, ep);
}

/* Expected wait over the endpoint's share. */
static double load_of(const struct pick *k, const struct sn_gw_endpoint *ep)
{
    double share = 1.0;
    int64_t since = LOAD(&ep->up_since_ns), slow = k->p->conf->slow_start;
    if (since && k->now - since < slow) {
        share = (double)(k->now - since) / (double)slow;
        if (share < SLOW_START_SHARE_MIN) share = SLOW_START_SHARE_MIN;
    }
    return sn_latency_cost(&ep->latency, k->now) / share;
}

static struct sn_gw_endpoint *pick_p2c(const struct pick *k, uint64_t rnd)
{
    struct sn_gw_pool *p = k->p;
    struct sn_gw_endpoint *a = NULL, *b = NULL;
    /* Drawing from the schedule makes the draw proportional to the weights. */
    for (int i = 0; i < 8 && !b; i++) {
        rnd = rnd * 6364136223846793005ull + 1442695040888963407ull;
        struct sn_gw_endpoint *ep = p->eps[p->schedule[(rnd >> 33) % p->n_schedule]];
        if (!usable(k, ep)) continue;
        if (!a)
            a = ep;
        else if (ep != a)
            b = ep;
    }
    if (!a || !b) return a;
    return load_of(k, a) <= load_of(k, b) ? a : b;
}

static struct sn_gw_endpoint *pick_scan(const struct pick *k, uint32_t from)
{
    for (uint32_t i = 0; i < k->p->n_schedule; i++) {
        struct sn_gw_endpoint *ep = k->p->eps[k->p->schedule[(from + i) % k->p->n_schedule]];
        if (usable(k, ep)) return ep;
    }
    return NULL;
}

static struct sn_gw_endpoint *pick_ring(const struct pick *k, uint64_t hash)
{
    struct sn_gw_pool *p = k->p;
    uint32_t lo = sn_spread_ring_find(p->ring, p->n_ring, hash);
    for (uint32_t i = 0; i < p->n_ring; i++) {
        struct sn_gw_endpoint *ep = p->eps[p->ring[(lo + i) % p->n_ring].index];
        if (usable(k, ep)) return ep;
    }
    return NULL;
}

static struct sn_gw_endpoint *pick_by_policy(const struct pick *k, uint64_t rnd, uint64_t hash)
{
    struct sn_gw_pool *p = k->p;
    struct sn_gw_endpoint *ep = NULL;
    switch (p->conf->balance) {
    case SN_GW_P2C: ep = pick_p2c(k, rnd); break;
    case SN_GW_ROUND_ROBIN: return pick_scan(k, ADD(&p->next, 1) - 1);
    case SN_GW_RING_HASH: return pick_ring(k, hash);
    }
    return ep ? ep : pick_scan(k, (uint32_t)(rnd >> 40));
}

static bool in_panic(struct sn_gw_pool *p, int64_t now)
{
    if (now - LOAD(&p->counted_at_ns) > COUNT_EVERY_NS) {
        uint32_t up = 0;
        for (uint32_t i = 0; i < p->n; i++) up += sn_gw_endpoint_available(p->eps[i], now);
        STORE(&p->n_up, up);
        STORE(&p->counted_at_ns, now);
    }
    uint32_t up = LOAD(&p->n_up);
    return up < p->n && (uint64_t)up * 100 < p->conf->panic_percent * p->n;
}

struct sn_gw_endpoint *sn_gw_pool_pick(struct sn_gw_pool *p, int64_t now_ns, uint64_t rnd,
                                       uint64_t hash, const struct sn_gw_tried *tried)
{
    if (p->n == 1) return p->eps[0];
    struct pick k = {.p = p, .now = now_ns, .tried = tried, .panic = in_panic(p, now_ns)};
    struct sn_gw_endpoint *ep = pick_by_policy(&k, rnd, hash);
    if (ep) return ep;
    /* Nothing fits: an untried endpoint that is held to be down, else a tried one that is up. */
    k.panic = true;
    ep = pick_by_policy(&k, rnd, hash);
    if (ep) return ep;
    k.panic = false;
    k.tried = NULL;
    ep = pick_by_policy(&k, rnd, hash);
    return ep ? ep : p->eps[p->schedule[rnd % p->n_schedule]];
}

/* ---- results -------------------------------------------------------------------------------- */

void sn_gw_endpoint_begin(struct sn_gw_endpoint *ep, int64_t now_ns)
{
    sn_latency_begin(&ep->latency, now_ns);
    int64_t until = LOAD(&ep->suspect_until_ns);
    if (SN_UNLIKELY(until && until <= now_ns)) STORE(&ep->probed_at_ns, now_ns);
}

bool sn_gw_endpoint_silent(const struct sn_gw_pool *p, struct sn_gw_endpoint *ep, int64_t start_ns,
                           int64_t now_ns)
{
    int64_t middle = start_ns + (now_ns - start_ns) / 2;
    bool others = false;
    if (LOAD(&ep->heard_ns) >= start_ns) return false;
    for (uint32_t i = 0; i < p->n && !others; i++)
        others = p->eps[i] != ep && LOAD(&p->eps[i]->heard_ns) >= middle;
    if (others && p->conf->outlier.enabled && !LOAD(&ep->suspect_until_ns))
        STORE(&ep->suspect_until_ns, now_ns + suspicion_ns(p));
    return others;
}

static uint32_t ejected_count(const struct sn_gw_pool *p, int64_t now)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n; i++) n += LOAD(&p->eps[i]->ejected_until_ns) > now;
    return n;
}

static bool eject(struct sn_gw_pool *p, struct sn_gw_endpoint *ep, int64_t now)
{
    const struct sn_gw_conf_outlier *o = &p->conf->outlier;
    if (!o->enabled || p->n < 2) return false;
    uint32_t allowed = (uint32_t)SN_MAX(1u, o->ejected_percent_max * p->n / 100);
    if (ejected_count(p, now) >= allowed) return false;
    uint32_t row = LOAD(&ep->eject_row);
    int64_t span = o->eject;
    for (uint32_t i = 0; i < row && span < o->eject_max; i++) span *= 2;
    if (span > o->eject_max) span = o->eject_max;
    STORE(&ep->ejected_until_ns, now + span);
    STORE(&ep->suspect_until_ns, now + span);
    STORE(&ep->up_since_ns, now + span);
    STORE(&ep->eject_row, row + 1);
    STORE(&ep->fail_row, 0);
    ADD(&ep->ejections, 1);
    STORE(&p->counted_at_ns, INT64_MIN / 2);
    return true;
}

bool sn_gw_endpoint_finish(struct sn_gw_pool *p, struct sn_gw_endpoint *ep, int64_t start_ns,
                           int64_t now_ns, enum sn_gw_result result)
{
    sn_latency_end(&ep->latency, start_ns);
    if (result == SN_GW_RESULT_ABANDONED) return false;
    if (p->conf->outlier.deviation > 0) ADD(result == SN_GW_RESULT_OK ? &ep->good : &ep->bad, 1);
    if (result == SN_GW_RESULT_OK) {
        sn_latency_add(&ep->latency, now_ns - start_ns, now_ns);
        if (LOAD(&ep->fail_row)) STORE(&ep->fail_row, 0);
        if (LOAD(&ep->suspect_until_ns)) STORE(&ep->suspect_until_ns, 0);
        /* Back-off is forgiven when an endpoint has lasted as long as its last ejection. */
        int64_t until = LOAD(&ep->ejected_until_ns);
        if (until && until < now_ns && now_ns - until > p->conf->outlier.eject) {
            STORE(&ep->eject_row, 0);
            STORE(&ep->ejected_until_ns, 0);
        }
        return false;
    }
    /* A failure is as bad as a slow answer, however fast it came: an endpoint that refuses at once
     * must not look like the fastest. */
    int64_t old = LOAD(&ep->latency.ewma_ns), rtt = now_ns - start_ns;
    sn_latency_add(&ep->latency, SN_MAX(rtt, SN_MIN(2 * old + 10 * SN_MS, SN_SEC)), now_ns);
    /* Fresh from an ejection, or from suspicion, one failure is enough: it was the probe. */
    int64_t suspected = LOAD(&ep->suspect_until_ns);
    bool silent = result == SN_GW_RESULT_SILENT && p->conf->outlier.enabled;
    bool probe = LOAD(&ep->eject_row) > 0 || (silent && suspected && start_ns >= suspected);
    if (silent && (!suspected || probe))
        STORE(&ep->suspect_until_ns, now_ns + suspicion_ns(p));
    uint32_t row = ADD(&ep->fail_row, 1);
    if (LOAD(&ep->ejected_until_ns) > now_ns) return false;
    return (probe || row >= p->conf->outlier.consecutive) && eject(p, ep, now_ns);
}

uint32_t sn_gw_pool_judge(struct sn_gw_pool *p, int64_t now_ns)
{
    const struct sn_gw_conf_outlier *o = &p->conf->outlier;
    double sum = 0, squares = 0;
    uint32_t n = 0, out = 0;
    if (!o->enabled || o->deviation <= 0) return 0;
    if (!p->judged_at_ns) p->judged_at_ns = now_ns;
    if (now_ns - p->judged_at_ns < o->deviation_interval) return 0;
    p->judged_at_ns = now_ns;
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t good = __atomic_exchange_n(&p->eps[i]->good, 0, __ATOMIC_RELAXED);
        uint32_t all = good + __atomic_exchange_n(&p->eps[i]->bad, 0, __ATOMIC_RELAXED);
        p->eps[i]->rate = all >= o->deviation_requests ? (double)good / all : -1;
        if (p->eps[i]->rate < 0) continue;
        n++;
        sum += p->eps[i]->rate;
    }
    if (n < o->deviation_endpoints) return 0;
    double mean = sum / n;
    for (uint32_t i = 0; i < p->n; i++)
        if (p->eps[i]->rate >= 0) squares += (p->eps[i]->rate - mean) * (p->eps[i]->rate - mean);
    double limit = mean - SN_MAX(o->deviation * sqrt(squares / n), SN_GW_RATE_GAP_MIN);
    for (uint32_t i = 0; i < p->n; i++)
        if (p->eps[i]->rate >= 0 && p->eps[i]->rate < limit &&
            LOAD(&p->eps[i]->ejected_until_ns) <= now_ns)
            out += eject(p, p->eps[i], now_ns);
    return out;
}

bool sn_gw_endpoint_checked(const struct sn_gw_pool *p, struct sn_gw_endpoint *ep, int64_t now_ns,
                            bool ok)
{
    bool down = LOAD(&ep->down);
    if (ok != down) {
        STORE(&ep->check_row, 0);
        return false;
    }
    uint32_t row = ADD(&ep->check_row, 1);
    if (row < (down ? p->conf->health.healthy : p->conf->health.unhealthy)) return false;
    STORE(&ep->check_row, 0);
    STORE(&ep->down, !down);
    if (down) STORE(&ep->up_since_ns, now_ns);
    return true;
}

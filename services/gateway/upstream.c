/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/upstream.c - see upstream.h. */
#include "gateway/upstream.h"

#include <stdlib.h>

#include "core/alloc.h"
#include "core/map.h"
#include "gateway/meter.h"

#define LOAD(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define ADD(p, v) __atomic_add_fetch((p), (v), __ATOMIC_RELAXED)

/* Half of an old latency is forgotten after about this long without a new one. */
#define EWMA_TAU_NS (600 * SN_MS)
/* Added to every latency, so that microseconds of noise between idle endpoints decide nothing. */
#define EWMA_FLOOR_NS (200 * SN_US)
/* How stale the count of available endpoints may be: panic is a state of seconds. */
#define COUNT_EVERY_NS (20 * SN_MS)
#define SLOW_START_SHARE_MIN 0.1

struct sn_gw_ring_point {
    uint64_t hash;
    uint32_t index;
};

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
    return !LOAD(&ep->down) && LOAD(&ep->ejected_until_ns) <= now_ns;
}

const char *sn_gw_endpoint_state(const struct sn_gw_pool *p, const struct sn_gw_endpoint *ep,
                                 int64_t now_ns)
{
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

/* ---- pools ---------------------------------------------------------------------------------- */

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t t = a % b;
        a = b;
        b = t;
    }
    return a;
}

/* Weights divided by their common divisor, and scaled down together if their sum is still more than
 * `max`; none falls below 1. */
static uint64_t weights_reduce(const struct sn_gw_conf_upstream *c, uint64_t max, uint64_t *w)
{
    uint64_t g = 0, sum = 0, total = 0;
    for (size_t i = 0; i < c->n_endpoints; i++) g = gcd(g, c->endpoints[i].weight);
    for (size_t i = 0; i < c->n_endpoints; i++) sum += w[i] = c->endpoints[i].weight / (g ? g : 1);
    for (size_t i = 0; i < c->n_endpoints; i++) {
        if (sum > max) w[i] = w[i] * max / sum;
        if (!w[i]) w[i] = 1;
        total += w[i];
    }
    return total;
}

/* Smooth weighted round robin, played once: every step each endpoint gains its weight, the richest
 * is chosen and pays the total. Endpoints of weight 5,1,1 come as aabacaa. */
static int schedule_build(struct sn_gw_pool *p, const uint64_t *w, uint64_t total)
{
    int64_t *credit = SN_NEW_ARRAY(int64_t, p->n);
    p->schedule = SN_NEW_ARRAY(uint16_t, total);
    if (!credit || !p->schedule) {
        sn_free(credit);
        return SN_E_NOMEM;
    }
    for (uint64_t s = 0; s < total; s++) {
        uint32_t best = 0;
        for (uint32_t i = 0; i < p->n; i++) {
            credit[i] += (int64_t)w[i];
            if (credit[i] > credit[best]) best = i;
        }
        credit[best] -= (int64_t)total;
        p->schedule[s] = (uint16_t)best;
    }
    p->n_schedule = (uint32_t)total;
    sn_free(credit);
    return 0;
}

static int ring_cmp(const void *a, const void *b)
{
    const struct sn_gw_ring_point *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static int ring_build(struct sn_gw_pool *p, const uint64_t *w, uint64_t total)
{
    size_t points = 0;
    for (uint32_t i = 0; i < p->n; i++)
        points += SN_MAX(1u, w[i] * SN_GW_RING_POINTS * p->n / total);
    p->ring = SN_NEW_ARRAY(struct sn_gw_ring_point, points);
    if (!p->ring) return SN_E_NOMEM;
    for (uint32_t i = 0; i < p->n; i++) {
        uint64_t mine = SN_MAX(1u, w[i] * SN_GW_RING_POINTS * p->n / total);
        /* The point depends on the address alone, so a changed set moves only its own keys. */
        uint64_t h = sn_hash(p->eps[i]->addr, strlen(p->eps[i]->addr), 0);
        for (uint64_t k = 0; k < mine; k++) {
            uint64_t key[2] = {h, k};
            p->ring[p->n_ring++] = (struct sn_gw_ring_point){sn_hash(key, sizeof(key), 0), i};
        }
    }
    qsort(p->ring, p->n_ring, sizeof(*p->ring), ring_cmp);
    return 0;
}

int sn_gw_pool_new(const struct sn_gw_conf_upstream *conf, struct sn_gw_endpoint **eps,
                   struct sn_gw_pool **ret)
{
    if (!conf->n_endpoints || conf->n_endpoints > SN_GW_ENDPOINTS_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "upstream %.*s: %zu endpoints, expected 1 to %u",
                       SN_STR_ARG(conf->name), conf->n_endpoints, SN_GW_ENDPOINTS_MAX);
    struct sn_gw_pool *p = SN_NEW(struct sn_gw_pool);
    uint64_t *w = p ? SN_NEW_ARRAY(uint64_t, conf->n_endpoints) : NULL;
    int r = w ? 0 : SN_E_NOMEM;
    if (r == 0) {
        p->conf = conf;
        p->n = (uint32_t)conf->n_endpoints;
        p->eps = eps;
        uint64_t total = weights_reduce(conf, SN_GW_SCHEDULE_MAX - conf->n_endpoints, w);
        r = schedule_build(p, w, total);
        if (r == 0 && conf->balance == SN_GW_RING_HASH) r = ring_build(p, w, total);
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

static bool usable(const struct pick *k, const struct sn_gw_endpoint *ep)
{
    return (k->panic || sn_gw_endpoint_available(ep, k->now)) && !was_tried(k->tried, ep);
}

/* Expected wait: what answers took lately, or how long the present ones have been waiting, times
 * the queue in front of a new one, over the endpoint's share. */
static double load_of(const struct pick *k, const struct sn_gw_endpoint *ep)
{
    int64_t n = LOAD(&ep->inflight), lat = LOAD(&ep->ewma_ns);
    int64_t idle = k->now - LOAD(&ep->ewma_at_ns);
    double wait = idle > 0 ? (double)lat * EWMA_TAU_NS / (double)(EWMA_TAU_NS + idle) : (double)lat;
    if (n > 0) {
        double age = ((double)(k->now / SN_US) - (double)LOAD(&ep->start_sum_us) / (double)n) * 1e3;
        if (age > wait) wait = age;
    }
    double share = 1.0;
    int64_t since = LOAD(&ep->up_since_ns), slow = k->p->conf->slow_start;
    if (since && k->now - since < slow) {
        share = (double)(k->now - since) / (double)slow;
        if (share < SLOW_START_SHARE_MIN) share = SLOW_START_SHARE_MIN;
    }
    return (wait + EWMA_FLOOR_NS) * (double)(n + 1) / share;
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
    uint32_t lo = 0, hi = p->n_ring;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (p->ring[mid].hash < hash)
            lo = mid + 1;
        else
            hi = mid;
    }
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
    ADD(&ep->inflight, 1);
    ADD(&ep->start_sum_us, now_ns / SN_US);
}

static void latency_add(struct sn_gw_endpoint *ep, int64_t rtt, int64_t now)
{
    int64_t old = LOAD(&ep->ewma_ns), dt = now - LOAD(&ep->ewma_at_ns);
    if (dt < 0) dt = 0;
    /* Up at once, down slowly: one slow answer is a warning, one fast answer proves nothing. */
    if (rtt < old) {
        double keep = (double)EWMA_TAU_NS / (double)(EWMA_TAU_NS + dt);
        rtt = (int64_t)((double)old * keep + (double)rtt * (1.0 - keep));
    }
    STORE(&ep->ewma_ns, rtt);
    STORE(&ep->ewma_at_ns, now);
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
    ADD(&ep->inflight, -1);
    ADD(&ep->start_sum_us, -(start_ns / SN_US));
    if (result == SN_GW_RESULT_ABANDONED) return false;
    if (result == SN_GW_RESULT_OK) {
        latency_add(ep, now_ns - start_ns, now_ns);
        if (LOAD(&ep->fail_row)) STORE(&ep->fail_row, 0);
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
    int64_t old = LOAD(&ep->ewma_ns), rtt = now_ns - start_ns;
    latency_add(ep, SN_MAX(rtt, SN_MIN(2 * old + 10 * SN_MS, SN_SEC)), now_ns);
    uint32_t row = ADD(&ep->fail_row, 1);
    /* Fresh from an ejection one failure is enough: it was the probe. */
    bool probe = LOAD(&ep->eject_row) > 0;
    if (LOAD(&ep->ejected_until_ns) > now_ns) return false;
    return (probe || row >= p->conf->outlier.consecutive) && eject(p, ep, now_ns);
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

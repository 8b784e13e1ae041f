/* SPDX-License-Identifier: Apache-2.0 */
/* govern/balance_set.c - building snapshots of endpoints. */
#include "core/alloc.h"
#include "core/map.h"
#include "govern/balance_int.h"

void gov_endpoint_unref(struct sn_gov_endpoint *ep)
{
    if (!ep || __atomic_sub_fetch(&ep->refs, 1, __ATOMIC_ACQ_REL)) return;
    if (ep->user_free) ep->user_free(ep->user);
    sn_free(ep->addr);
    sn_free(ep->zone);
    sn_free(ep);
}

static struct sn_gov_endpoint *endpoint_new(const struct sn_gov_endpoint_spec *spec, uint64_t key)
{
    struct sn_gov_endpoint *ep = sn_aligned_alloc(SN_CACHE_LINE, sizeof(*ep));
    if (!ep) return NULL;
    memset(ep, 0, sizeof(*ep));
    ep->refs = 1;
    ep->key = key;
    sn_gov_endpoint_reset(ep);
    ep->addr = sn_str_dup(spec->addr);
    ep->zone = sn_str_dup(spec->zone);
    if (ep->addr && ep->zone) return ep;
    gov_endpoint_unref(ep);
    return NULL;
}

static struct sn_gov_endpoint *find(const struct gov_set *s, struct sn_str addr, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (sn_str_eqc(addr, s->eps[i]->addr)) return s->eps[i];
    return NULL;
}

static int64_t mean_latency(const struct gov_set *s)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < s->n; i++) sum += LOAD(&s->eps[i]->latency.ewma_ns);
    return s->n ? sum / s->n : 0;
}

/* The endpoint of one spec: the old set's, or a new one. */
static int endpoint_add(struct gov_set *s, const struct sn_gov_endpoint_spec *spec,
                        const struct gov_set *old, int64_t now)
{
    struct sn_gov_endpoint *ep = find(old, spec->addr, old->n);
    if (!spec->addr.len || find(s, spec->addr, s->n) || spec->weight > 1000000)
        return sn_fail(SN_E_INVALID_ARGUMENT, "endpoint %u, '%.*s': %s", s->n,
                       SN_STR_ARG(spec->addr),
                       !spec->addr.len          ? "an address is expected"
                       : spec->weight > 1000000 ? "a weight of at most 1000000 is expected"
                                                : "listed twice");
    bool same = ep && sn_str_eqc(spec->zone, ep->zone);
    if (same) {
        ADD(&ep->refs, 1);
    } else {
        ep = endpoint_new(spec, sn_hash(spec->addr.ptr, spec->addr.len, 0));
        if (!ep) return SN_E_NOMEM;
        if (old->n) {
            ep->up_since_ns = now;
            ep->latency.ewma_ns = mean_latency(old);
            ep->latency.ewma_at_ns = now;
        }
    }
    s->weights[s->n] = spec->weight ? spec->weight : 1;
    s->weight_sum += (double)s->weights[s->n];
    s->eps[s->n++] = ep;
    return 0;
}

static int tier_build(struct gov_set *s, struct gov_tier *t, const char *zone, bool in)
{
    uint64_t w[SN_GOV_ENDPOINTS_MAX / 4], *ws = w; /* 2 KiB; larger sets from the heap */
    uint16_t *index SN_CLEANUP(sn_freep) = SN_NEW_ARRAY(uint16_t, s->n);
    uint64_t *heap SN_CLEANUP(sn_freep) =
        s->n > SN_COUNT_OF(w) ? SN_NEW_ARRAY(uint64_t, s->n) : NULL;
    if (s->n > SN_COUNT_OF(w)) ws = heap;
    if (!index || !ws) return SN_E_NOMEM;
    size_t n = 0;
    for (uint32_t i = 0; i < s->n; i++)
        if (!zone || (strcmp(zone, s->eps[i]->zone) == 0) == in) {
            ws[n] = s->weights[i];
            index[n++] = (uint16_t)i;
        }
    if (!n) return 0;
    uint64_t total = sn_spread_reduce(ws, n, SN_SPREAD_SCHEDULE_MAX - n);
    t->schedule = SN_NEW_ARRAY(uint16_t, total);
    if (!t->schedule || sn_spread_smooth(ws, n, total, t->schedule) < 0) return SN_E_NOMEM;
    t->n_schedule = (uint32_t)total;
    for (uint64_t i = 0; i < total; i++) t->schedule[i] = index[t->schedule[i]];
    return (int)n;
}

/* Candidates near and far. The own zone takes what its endpoints can bear of its clients' calls. */
static int zones_build(struct gov_set *s, const struct sn_gov_picker *p)
{
    s->near_share = 1.0;
    const char *zone = p->zone[0] ? p->zone : NULL;
    int n = tier_build(s, &s->near, zone, true);
    if (n < 0 || !zone) return n < 0 ? n : 0;
    int r = tier_build(s, &s->far, zone, false);
    if (r < 0) return r;
    double eps = (double)n / (double)s->n, clients = p->opts.zone_clients_share;
    if (n && clients > eps) s->near_share = eps / clients;
    if (!n) s->near_share = 0.0;
    return 0;
}

void gov_stride_build(struct gov_set *s, bool reports, int64_t now)
{
    double w[2] = {0, 0}; /* sum and number of the weights that reports gave */
    for (uint32_t i = 0; reports && i < s->n; i++) {
        const struct sn_gov_endpoint *ep = s->eps[i];
        uint64_t m = LOAD(&ep->report_milli);
        if (!m || now - LOAD(&ep->report_at_ns) > SN_GOV_REPORT_EXPIRE_NS ||
            now - LOAD(&ep->report_since_ns) < SN_GOV_REPORT_BLACKOUT_NS)
            continue;
        w[0] += (double)m;
        w[1] += 1;
    }
    /* Fewer than two reports say nothing about the others: configured weights. Else who has not
     * reported counts as the mean. */
    reports = w[1] >= 2;
    double top = 0;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < s->n; i++) {
            const struct sn_gov_endpoint *ep = s->eps[i];
            double mine = (double)s->weights[i];
            if (reports) {
                uint64_t m = LOAD(&ep->report_milli);
                bool known = m && now - LOAD(&ep->report_at_ns) <= SN_GOV_REPORT_EXPIRE_NS &&
                             now - LOAD(&ep->report_since_ns) >= SN_GOV_REPORT_BLACKOUT_NS;
                mine = known ? (double)m : w[0] / w[1];
            }
            if (pass == 0)
                top = SN_MAX(top, mine);
            else
                STORE(&s->stride[i], (uint16_t)SN_MAX(1.0, mine / top * 65535.0));
        }
}

static int tables_build(struct gov_set *s, const struct sn_gov_picker *p, int64_t now)
{
    if (p->opts.policy == SN_GOV_WRR) {
        s->stride = SN_NEW_ARRAY(uint16_t, s->n);
        if (!s->stride) return SN_E_NOMEM;
        s->stride_at_ns = now;
        gov_stride_build(s, p->opts.load_reports, now);
        return 0;
    }
    if (p->opts.policy == SN_GOV_P2C) return zones_build(s, p);
    uint64_t *keys SN_CLEANUP(sn_freep) = SN_NEW_ARRAY(uint64_t, s->n);
    if (!keys) return SN_E_NOMEM;
    for (uint32_t i = 0; i < s->n; i++) keys[i] = s->eps[i]->key;
    if (p->opts.policy == SN_GOV_RING) {
        int r = sn_spread_ring(keys, s->weights, s->n, &s->ring);
        s->n_ring = r < 0 ? 0 : (uint32_t)r;
        return r;
    }
    s->maglev = SN_NEW_ARRAY(uint16_t, SN_SPREAD_MAGLEV);
    return s->maglev ? sn_spread_maglev(keys, s->weights, s->n, s->maglev, SN_SPREAD_MAGLEV)
                     : SN_E_NOMEM;
}

int gov_set_new(const struct sn_gov_picker *p, const struct sn_gov_endpoint_spec *specs, size_t n,
                const struct gov_set *old, int64_t now, struct gov_set **ret)
{
    if (n > SN_GOV_ENDPOINTS_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "%zu endpoints, at most %u are expected", n,
                       SN_GOV_ENDPOINTS_MAX);
    size_t size = p->opts.subset_size && p->opts.subset_size < n ? p->opts.subset_size : n;
    struct gov_set *s = SN_NEW(struct gov_set);
    uint16_t *pick SN_CLEANUP(sn_freep) = s && n ? SN_NEW_ARRAY(uint16_t, n) : NULL;
    int r = s && (pick || !n) ? 0 : SN_E_NOMEM;
    if (r == 0 && n) {
        s->eps = SN_NEW_ARRAY(struct sn_gov_endpoint *, n);
        s->weights = SN_NEW_ARRAY(uint64_t, n);
        r = s->eps && s->weights ? sn_spread_subset(p->opts.subset_client, n, size, pick)
                                 : SN_E_NOMEM;
        for (size_t i = 0; r >= 0 && i < size; i++) r = endpoint_add(s, &specs[pick[i]], old, now);
        if (r >= 0) r = tables_build(s, p, now);
    }
    if (r < 0) {
        gov_set_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

void gov_set_free(struct gov_set *s)
{
    if (!s) return;
    for (uint32_t i = 0; i < s->n; i++) gov_endpoint_unref(s->eps[i]);
    sn_free(s->eps);
    sn_free(s->weights);
    sn_free(s->near.schedule);
    sn_free(s->far.schedule);
    sn_free(s->stride);
    sn_free(s->ring);
    sn_free(s->maglev);
    sn_free(s);
}

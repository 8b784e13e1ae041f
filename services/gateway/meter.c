/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/meter.c - see meter.h. */
#include "gateway/meter.h"

#include "core/alloc.h"

static uint64_t get(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }
static void add(uint64_t *p, uint64_t v) { __atomic_store_n(p, *p + v, __ATOMIC_RELAXED); }

int sn_gw_hist_init(struct sn_hist *h)
{
    return sn_hist_init(h, SN_GW_METER_BITS, SN_GW_METER_US_MAX);
}

struct sn_gw_meter *sn_gw_meter_new(unsigned workers)
{
    struct sn_gw_meter *m = SN_NEW(struct sn_gw_meter);
    if (!m) return NULL;
    m->refs = 1;
    m->workers = workers;
    m->shards = sn_aligned_alloc(SN_CACHE_LINE, workers * sizeof(*m->shards));
    if (m->shards) memset(m->shards, 0, workers * sizeof(*m->shards));
    int r = m->shards ? sn_gw_hist_init(&m->seen) : SN_E_NOMEM;
    if (r == 0) r = sn_gw_hist_init(&m->now);
    for (unsigned i = 0; r == 0 && i < workers; i++) r = sn_gw_hist_init(&m->shards[i].us);
    if (r < 0) {
        sn_gw_meter_unref(m);
        return NULL;
    }
    return m;
}

struct sn_gw_meter *sn_gw_meter_ref(struct sn_gw_meter *m)
{
    __atomic_add_fetch(&m->refs, 1, __ATOMIC_RELAXED);
    return m;
}

void sn_gw_meter_unref(struct sn_gw_meter *m)
{
    if (!m || __atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL)) return;
    for (unsigned i = 0; m->shards && i < m->workers; i++) sn_hist_done(&m->shards[i].us);
    sn_hist_done(&m->seen);
    sn_hist_done(&m->now);
    sn_free(m->shards);
    sn_free(m);
}

void sn_gw_meter_end(struct sn_gw_meter *m, unsigned worker, int status, int64_t took_ns,
                     uint64_t bytes_in, uint64_t bytes_out)
{
    struct sn_gw_meter_shard *s = &m->shards[worker];
    add(&s->done, 1);
    add(&s->classes[status >= 100 && status < 600 ? status / 100 : 0], 1);
    add(&s->bytes_in, bytes_in);
    add(&s->bytes_out, bytes_out);
    sn_hist_record(&s->us, took_ns > 0 ? (uint64_t)took_ns / 1000 : 0);
}

void sn_gw_meter_retry(struct sn_gw_meter *m, unsigned worker)
{
    add(&m->shards[worker].retries, 1);
}

void sn_gw_meter_totals(const struct sn_gw_meter *m, struct sn_gw_totals *ret)
{
    struct sn_gw_totals t = {0};
    for (unsigned i = 0; i < m->workers; i++) {
        const struct sn_gw_meter_shard *s = &m->shards[i];
        uint64_t done = get(&s->done); /* before begun, so that in flight is never negative */
        t.requests += done;
        t.inflight += (int64_t)(get(&s->begun) - done);
        for (int c = 0; c < 6; c++) t.classes[c] += get(&s->classes[c]);
        t.bytes_in += get(&s->bytes_in);
        t.bytes_out += get(&s->bytes_out);
        t.retries += get(&s->retries);
    }
    *ret = t;
}

/* now becomes what was recorded since `seen`; seen becomes the present sums. */
static void window_take(struct sn_gw_meter *m)
{
    struct sn_hist *w = &m->now, *seen = &m->seen;
    sn_hist_reset(w);
    for (size_t k = 0; k < w->n_counts; k++) {
        uint64_t sum = 0;
        for (unsigned i = 0; i < m->workers; i++) sum += get(&m->shards[i].us.counts[k]);
        uint64_t fresh = sum - seen->counts[k];
        seen->counts[k] = sum;
        if (!fresh) continue;
        w->counts[k] = fresh;
        w->count += fresh;
        if (w->min == UINT64_MAX) w->min = sn_hist_slot_low(w->bits, k);
        w->max = sn_hist_slot_high(w->bits, k);
        w->sum +=
            fresh * (sn_hist_slot_low(w->bits, k) + (w->max - sn_hist_slot_low(w->bits, k)) / 2);
    }
}

void sn_gw_meter_tick(struct sn_gw_meter *m, int64_t now_ns, struct sn_hist *all)
{
    window_take(m);
    int64_t span = now_ns - m->tick_ns;
    struct sn_gw_window w = {.count = m->now.count};
    if (m->tick_ns && span > 0) w.rps = (double)w.count * 1e9 / (double)span;
    if (w.count) {
        w.p50_us = sn_hist_percentile(&m->now, 50);
        w.p99_us = sn_hist_percentile(&m->now, 99);
    }
    m->tick_ns = now_ns;
    m->window = w;
    if (all) (void)!sn_hist_merge(all, &m->now);
}

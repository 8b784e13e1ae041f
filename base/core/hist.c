/* SPDX-License-Identifier: Apache-2.0 */
/* core/hist.c - reading and merging of log-linear histograms. */
#include "core/hist.h"

#include "core/alloc.h"
#include "core/status.h"

int sn_hist_init(struct sn_hist *h, unsigned bits, uint64_t value_max)
{
    if (bits < 1 || bits > SN_HIST_BITS_MAX) return SN_E_INVALID_ARGUMENT;
    if (value_max == 0) value_max = UINT64_MAX;
    size_t n = sn_hist_slot(bits, value_max) + 1;
    uint64_t *counts = SN_NEW_ARRAY(uint64_t, n);
    if (!counts) return SN_E_NOMEM;
    *h = (struct sn_hist){
        .counts = counts, .n_counts = n, .bits = bits, .value_max = value_max, .min = UINT64_MAX};
    return 0;
}

void sn_hist_done(struct sn_hist *h)
{
    sn_free(h->counts);
    *h = (struct sn_hist){.min = UINT64_MAX};
}

void sn_hist_reset(struct sn_hist *h)
{
    for (size_t i = 0; i < h->n_counts; i++) sn_hist_set_(&h->counts[i], 0);
    sn_hist_set_(&h->count, 0);
    sn_hist_set_(&h->sum, 0);
    sn_hist_set_(&h->min, UINT64_MAX);
    sn_hist_set_(&h->max, 0);
}

/* Slots below 2^(bits+1) hold one value each; above, `shift` low bits are dropped. */
uint64_t sn_hist_slot_low(unsigned bits, size_t i)
{
    if (i < (size_t)2 << bits) return i;
    unsigned shift = (unsigned)(i >> bits) - 1;
    return (uint64_t)(i - ((size_t)shift << bits)) << shift;
}

uint64_t sn_hist_slot_high(unsigned bits, size_t i)
{
    if (i < (size_t)2 << bits) return i;
    unsigned shift = (unsigned)(i >> bits) - 1;
    return sn_hist_slot_low(bits, i) + (((uint64_t)1 << shift) - 1);
}

int sn_hist_merge(struct sn_hist *into, const struct sn_hist *from)
{
    if (into->bits != from->bits || into->value_max != from->value_max)
        return SN_E_INVALID_ARGUMENT;
    for (size_t i = 0; i < into->n_counts; i++) {
        uint64_t n = sn_hist_get_(&from->counts[i]);
        if (n) sn_hist_set_(&into->counts[i], into->counts[i] + n);
    }
    sn_hist_set_(&into->count, into->count + sn_hist_get_(&from->count));
    sn_hist_set_(&into->sum, into->sum + sn_hist_get_(&from->sum));
    sn_hist_set_(&into->min, SN_MIN(into->min, sn_hist_get_(&from->min)));
    sn_hist_set_(&into->max, SN_MAX(into->max, sn_hist_get_(&from->max)));
    return 0;
}

uint64_t sn_hist_percentile(const struct sn_hist *h, double pct)
{
    /* The counters themselves, not h->count: a live histogram's may be a moment apart. */
    uint64_t total = 0, seen = 0, max = sn_hist_get_(&h->max);
    for (size_t i = 0; i < h->n_counts; i++) total += sn_hist_get_(&h->counts[i]);
    if (total == 0) return 0;
    double want = (pct < 0 ? 0 : pct > 100 ? 100 : pct) / 100 * (double)total;
    uint64_t rank = (uint64_t)want;
    if ((double)rank < want - 1e-9 * (double)total) rank++; /* 99.9/100 is not exact */
    if (rank == 0) rank = 1;
    for (size_t i = 0; i < h->n_counts; i++) {
        seen += sn_hist_get_(&h->counts[i]);
        if (seen < rank) continue;
        /* The last counter also holds what exceeds value_max. */
        if (i == h->n_counts - 1) return max;
        return SN_MIN(sn_hist_slot_high(h->bits, i), max);
    }
    return max;
}

uint64_t sn_hist_count_at_most(const struct sn_hist *h, uint64_t v)
{
    size_t last = sn_hist_slot(h->bits, v);
    uint64_t n = 0;
    for (size_t i = 0; i <= last && i < h->n_counts; i++) n += sn_hist_get_(&h->counts[i]);
    return n;
}

double sn_hist_mean(const struct sn_hist *h)
{
    uint64_t n = sn_hist_get_(&h->count);
    return n ? (double)sn_hist_get_(&h->sum) / (double)n : 0;
}

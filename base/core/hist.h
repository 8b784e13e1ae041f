/* SPDX-License-Identifier: Apache-2.0 */
/* core/hist.h - log-linear histogram of unsigned values with a bounded relative error.
 * Every power of two is cut into 2^bits equal steps, so a reported value is at most 2^-bits above
 * the recorded one (7 bits: 0.8 %), from 0 to value_max, in memory fixed at init. One thread
 * records; others may read or merge meanwhile (relaxed counters: each is right, their moments
 * differ slightly). Source: the HdrHistogram design, G. Tene. */
#pragma once
#include "core/base.h"

#define SN_HIST_BITS_MAX 14

struct sn_hist {
    uint64_t *counts;
    size_t n_counts;
    unsigned bits;
    uint64_t value_max; /* larger values count as this one in `counts`, exactly in sum and max */
    uint64_t count, sum, min, max; /* min is UINT64_MAX while count is 0; sum wraps at 2^64 */
};

/* sn_hist_init - bits 1..SN_HIST_BITS_MAX significant bits; value_max 0 means any 64-bit value.
 * Memory: 8 << bits bytes for each power of two up to value_max (7 bits to one hour of ns: 37 KiB).
 * Returns 0, SN_E_NOMEM, SN_E_INVALID_ARGUMENT. Owns: done with sn_hist_done. */
int sn_hist_init(struct sn_hist *h, unsigned bits, uint64_t value_max) SN_MUST_CHECK;
/* sn_hist_done - frees the counters. */
void sn_hist_done(struct sn_hist *h);
/* sn_hist_reset - forgets everything recorded. Context: the recording thread. */
void sn_hist_reset(struct sn_hist *h);

static inline uint64_t sn_hist_get_(const uint64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}
/* One writer: a plain load and store, no locked instruction. */
static inline void sn_hist_set_(uint64_t *p, uint64_t v)
{
    __atomic_store_n(p, v, __ATOMIC_RELAXED);
}

/* sn_hist_slot - index of the counter for `v`. Exact below 2^(bits+1). */
static inline size_t sn_hist_slot(unsigned bits, uint64_t v)
{
    unsigned top = 63u - (unsigned)__builtin_clzll(v | ((uint64_t)1 << bits));
    unsigned shift = top - bits;
    return ((size_t)shift << bits) + (size_t)(v >> shift);
}

/* sn_hist_record_n - counts the value `v` n times. Context: the recording thread. */
static inline void sn_hist_record_n(struct sn_hist *h, uint64_t v, uint64_t n)
{
    size_t i = sn_hist_slot(h->bits, SN_UNLIKELY(v > h->value_max) ? h->value_max : v);
    sn_hist_set_(&h->counts[i], h->counts[i] + n);
    sn_hist_set_(&h->count, h->count + n);
    sn_hist_set_(&h->sum, h->sum + v * n);
    if (SN_UNLIKELY(v < h->min)) sn_hist_set_(&h->min, v);
    if (SN_UNLIKELY(v > h->max)) sn_hist_set_(&h->max, v);
}
/* sn_hist_record - counts `v` once, in about two nanoseconds. Context: the recording thread. */
static inline void sn_hist_record(struct sn_hist *h, uint64_t v) { sn_hist_record_n(h, v, 1); }

/* sn_hist_merge - adds what `from` holds to `into`. Returns 0, or SN_E_INVALID_ARGUMENT where bits
 * or value_max differ. Context: the thread that records into `into`; `from` may be live. */
int sn_hist_merge(struct sn_hist *into, const struct sn_hist *from) SN_MUST_CHECK;
/* sn_hist_percentile - the smallest v such that at least pct % (0..100) of the values are <= v, as
 * the top of its step, never above the recorded maximum. 0 where nothing was recorded. */
uint64_t sn_hist_percentile(const struct sn_hist *h, double pct);
/* sn_hist_count_at_most - how many recorded values share the step of `v` or one below it: exact
 * where v+1 begins a step. For Prometheus buckets. */
uint64_t sn_hist_count_at_most(const struct sn_hist *h, uint64_t v);
/* sn_hist_mean - 0 where nothing was recorded. */
double sn_hist_mean(const struct sn_hist *h);
/* sn_hist_slot_low, _high - smallest and largest value of counter i, for walking `counts`. */
uint64_t sn_hist_slot_low(unsigned bits, size_t i);
uint64_t sn_hist_slot_high(unsigned bits, size_t i);

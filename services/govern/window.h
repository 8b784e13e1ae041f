/* SPDX-License-Identifier: Apache-2.0 */
/* govern/window.h - counts of the last seconds in buckets, updated by any worker without a lock.
 * Two counters share a word, so that an event is one atomic addition to its bucket and one to the
 * sum, and the sum of the whole window is one load. Buckets are taken out when time moves on, by
 * whoever sees it first; what is counted into a bucket at that very moment may leave with it. */
#pragma once
#include "core/base.h"

#define SN_GOV_BUCKETS_MAX 64u

struct sn_gov_window {
    int64_t width_ns; /* of a bucket */
    uint32_t n;
    uint64_t head; /* number of the present bucket: now / width */
    uint64_t sum;  /* of all buckets: hi << 32 | lo */
    uint64_t bucket[SN_GOV_BUCKETS_MAX];
};
static inline uint32_t sn_gov_hi(uint64_t v) { return (uint32_t)(v >> 32); }
static inline uint32_t sn_gov_lo(uint64_t v) { return (uint32_t)v; }

/* sn_gov_window_init - n buckets (1..SN_GOV_BUCKETS_MAX) that together span span_ns. */
void sn_gov_window_init(struct sn_gov_window *w, int64_t span_ns, uint32_t n);
/* sn_gov_window_roll - takes out the buckets whose time is over. Returns the present bucket's
 * number. */
uint64_t sn_gov_window_roll_slow(struct sn_gov_window *w, uint64_t now_bucket);
static inline uint64_t sn_gov_window_roll(struct sn_gov_window *w, int64_t now_ns)
{
    uint64_t b = (uint64_t)now_ns / (uint64_t)w->width_ns;
    uint64_t head = __atomic_load_n(&w->head, __ATOMIC_RELAXED);
    return SN_LIKELY(b <= head) ? head : sn_gov_window_roll_slow(w, b);
}
/* sn_gov_window_add - adds to the two counters of the present bucket. */
static inline void sn_gov_window_add(struct sn_gov_window *w, int64_t now_ns, uint32_t hi,
                                     uint32_t lo)
{
    uint64_t b = sn_gov_window_roll(w, now_ns), v = (uint64_t)hi << 32 | lo;
    /* The sum first: what is taken out of a bucket is then never more than the sum holds. */
    __atomic_add_fetch(&w->sum, v, __ATOMIC_RELAXED);
    __atomic_add_fetch(&w->bucket[b % w->n], v, __ATOMIC_RELAXED);
}
/* sn_gov_window_add_bucket - the same where nobody asks for the sum: one addition. `head` is of a
 * roll just now. */
static inline void sn_gov_window_add_bucket(struct sn_gov_window *w, uint64_t head, uint32_t hi,
                                            uint32_t lo)
{
    __atomic_add_fetch(&w->bucket[head % w->n], (uint64_t)hi << 32 | lo, __ATOMIC_RELAXED);
}
/* sn_gov_window_sum - both counters over the whole window; roll first. */
static inline uint64_t sn_gov_window_sum(const struct sn_gov_window *w)
{
    return __atomic_load_n(&w->sum, __ATOMIC_RELAXED);
}
/* sn_gov_window_at - both counters of the bucket `back` before the present one `head`; back < n. */
static inline uint64_t sn_gov_window_at(const struct sn_gov_window *w, uint64_t head, uint32_t back)
{
    return __atomic_load_n(&w->bucket[(head + w->n - back) % w->n], __ATOMIC_RELAXED);
}
/* sn_gov_window_clear - forgets all counts. */
void sn_gov_window_clear(struct sn_gov_window *w);

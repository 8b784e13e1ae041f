/* SPDX-License-Identifier: Apache-2.0 */
/* core/latency.h - what one server can be expected to take, for balancers: a peak-sensitive moving
 * average of its answers, and the age of what is still on the way.
 *
 * The age is kept as (count, sum of starts), so it costs O(1) however much is in flight; a server
 * that goes silent grows slow before its first answer or timeout. Updated by any worker with
 * relaxed atomics; a reader may see a value that is a moment old, and only ever errs towards
 * "younger".
 *
 * Sources: peak EWMA as in Finagle's p2c; the age of calls in flight as in Kratos' balancer, which
 * scans stamps where this sums them. */
#pragma once
#include "core/base.h"

/* Half of an old latency is forgotten after about this long without a new one. */
#define SN_LATENCY_TAU_NS (600 * SN_MS)
/* Added to every latency, so that microseconds of noise between idle servers decide nothing. */
#define SN_LATENCY_FLOOR_NS (200 * SN_US)

struct sn_latency { /* zero-initialised is ready */
    int64_t inflight;
    int64_t start_sum_us;
    int64_t ewma_ns, ewma_at_ns;
};

/* sn_latency_begin, sn_latency_end - bracket every attempt; start_ns is the same in both. The order
 * of the two sums makes a reader between them see too young an age, never one of hours. */
static inline void sn_latency_begin(struct sn_latency *l, int64_t start_ns)
{
    __atomic_add_fetch(&l->start_sum_us, start_ns / SN_US, __ATOMIC_RELAXED);
    __atomic_add_fetch(&l->inflight, 1, __ATOMIC_RELEASE);
}
static inline void sn_latency_end(struct sn_latency *l, int64_t start_ns)
{
    __atomic_add_fetch(&l->inflight, -1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&l->start_sum_us, -(start_ns / SN_US), __ATOMIC_RELEASE);
}

/* sn_latency_add - an answer took rtt_ns. Up at once, down slowly: one slow answer is a warning,
 * one fast answer proves nothing. */
static inline void sn_latency_add(struct sn_latency *l, int64_t rtt_ns, int64_t now_ns)
{
    int64_t old = __atomic_load_n(&l->ewma_ns, __ATOMIC_RELAXED);
    int64_t dt = now_ns - __atomic_load_n(&l->ewma_at_ns, __ATOMIC_RELAXED);
    if (dt < 0) dt = 0;
    if (rtt_ns < old) {
        double keep = (double)SN_LATENCY_TAU_NS / (double)(SN_LATENCY_TAU_NS + dt);
        rtt_ns = (int64_t)((double)old * keep + (double)rtt_ns * (1.0 - keep));
    }
    __atomic_store_n(&l->ewma_ns, rtt_ns, __ATOMIC_RELAXED);
    __atomic_store_n(&l->ewma_at_ns, now_ns, __ATOMIC_RELAXED);
}

/* sn_latency_cost - expected wait of one more call, ns: what answers took lately, or how long the
 * present calls have been waiting, times the queue in front of a new one. */
static inline double sn_latency_cost(const struct sn_latency *l, int64_t now_ns)
{
    int64_t n = __atomic_load_n(&l->inflight, __ATOMIC_ACQUIRE);
    int64_t lat = __atomic_load_n(&l->ewma_ns, __ATOMIC_RELAXED);
    int64_t idle = now_ns - __atomic_load_n(&l->ewma_at_ns, __ATOMIC_RELAXED);
    double wait = (double)lat;
    if (idle > 0) wait = wait * SN_LATENCY_TAU_NS / (double)(SN_LATENCY_TAU_NS + idle);
    if (n > 0) {
        int64_t sum = __atomic_load_n(&l->start_sum_us, __ATOMIC_RELAXED);
        double age = ((double)(now_ns / SN_US) - (double)sum / (double)n) * 1e3;
        if (age > wait) wait = age;
    }
    return (wait + SN_LATENCY_FLOOR_NS) * (double)(n + 1);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* govern/window.c - see window.h. */
#include "govern/window.h"

void sn_gov_window_init(struct sn_gov_window *w, int64_t span_ns, uint32_t n)
{
    SN_ASSERT(n >= 1 && n <= SN_GOV_BUCKETS_MAX && span_ns >= n);
    *w = (struct sn_gov_window){.width_ns = span_ns / n, .n = n};
}

static void take_out(struct sn_gov_window *w, uint64_t b)
{
    uint64_t v = __atomic_exchange_n(&w->bucket[b % w->n], 0, __ATOMIC_RELAXED);
    if (v) __atomic_sub_fetch(&w->sum, v, __ATOMIC_RELAXED);
}

uint64_t sn_gov_window_roll_slow(struct sn_gov_window *w, uint64_t now_bucket)
{
    uint64_t head = __atomic_load_n(&w->head, __ATOMIC_RELAXED);
    do {
        if (now_bucket <= head) return head;
    } while (!__atomic_compare_exchange_n(&w->head, &head, now_bucket, false, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    uint64_t from = now_bucket - head >= w->n ? now_bucket - w->n + 1 : head + 1;
    for (uint64_t b = from; b <= now_bucket; b++) take_out(w, b);
    return now_bucket;
}

void sn_gov_window_clear(struct sn_gov_window *w)
{
    for (uint32_t i = 0; i < w->n; i++) take_out(w, i);
}

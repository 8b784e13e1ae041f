/* SPDX-License-Identifier: Apache-2.0 */
/* govern/balance_int.h - sets and pickers, for balance.c (choosing) and balance_set.c (building).
 */
#pragma once
#include "govern/balance.h"

#define LOAD(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define ADD(p, v) __atomic_add_fetch((p), (v), __ATOMIC_RELAXED)

/* Endpoints drawn from together: those of the own zone, the others. */
struct gov_tier {
    uint16_t *schedule;
    uint32_t n_schedule;
};
struct gov_set {
    struct sn_gov_endpoint **eps;
    uint32_t n;
    uint64_t *weights;
    double weight_sum;
    struct gov_tier near, far; /* far is empty without zones */
    double near_share;         /* probability of drawing near; 1 without zones */
    /* WRR: weights scaled to 16 bits; written anew by whoever wins the second. */
    uint16_t *stride;
    int64_t stride_at_ns;
    struct sn_ring_point *ring;
    uint32_t n_ring;
    uint16_t *maglev;
};
struct gov_slot {
    uint64_t turn; /* odd while its caller looks at the set */
} SN_ALIGNED(SN_CACHE_LINE);

struct sn_gov_picker {
    struct gov_set *set; /* atomic, never NULL */
    struct sn_gov_balance_opts opts;
    char *zone;
    int64_t inflight SN_ALIGNED(SN_CACHE_LINE);
    uint64_t next SN_ALIGNED(SN_CACHE_LINE); /* WRR */
    uint32_t n_slots;
    struct gov_slot *slots;
};

void gov_endpoint_unref(struct sn_gov_endpoint *ep);
int gov_set_new(const struct sn_gov_picker *p, const struct sn_gov_endpoint_spec *specs, size_t n,
                const struct gov_set *old, int64_t now_ns, struct gov_set **ret) SN_MUST_CHECK;
void gov_set_free(struct gov_set *s);
void gov_stride_build(struct gov_set *s, bool reports, int64_t now_ns);

/* SPDX-License-Identifier: Apache-2.0 */
/* kit/prof_int.h - the lock-free table of stacks behind every profile. */
#pragma once
#include "kit/prof.h"

#define PROF_FRAMES 48
#define PROF_NAME 24
#define PROF_PROBES 32

struct prof_slot {
    uint64_t hash; /* __atomic; 0 = empty */
    uint32_t ready; /* __atomic: pcs and name are complete */
    uint32_t n;
    int64_t v[4]; /* __atomic counters */
    char name[PROF_NAME];
    uintptr_t pcs[PROF_FRAMES];
};
struct prof_table {
    struct prof_slot *slots;
    uint32_t mask;
    uint64_t lost; /* __atomic: samples that found no slot */
};
/* prof_slot_get - the slot of this stack and name; NULL where the table is full around its hash.
 * Async-signal-safe. */
struct prof_slot *prof_slot_get(struct prof_table *t, const uintptr_t *pcs, unsigned n,
                                const char *name);
static inline void prof_add(int64_t *v, int64_t by)
{
    __atomic_fetch_add(v, by, __ATOMIC_RELAXED);
}
void prof_collect_heap(struct sn_pprof *p, int sign);
void prof_heap_start(size_t rate);
void prof_heap_stop(void);
bool prof_heap_tracking(void);

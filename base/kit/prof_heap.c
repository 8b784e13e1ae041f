/* SPDX-License-Identifier: Apache-2.0 */
/* kit/prof_heap.c - the heap profile: allocations sampled by bytes, as a Poisson process, so that
 * every byte has the same chance to be seen; counts are scaled back when the profile is written.
 * Source: the estimator of tcmalloc and Go, 1 / (1 - exp(-size / rate)). */
#include <math.h>

#include "core/alloc.h"
#include "core/rand.h"
#include "fiber/leak.h"
#include "fiber/sample.h"
#include "fiber/wait.h"
#include "kit/prof_int.h"

#define HEAP_SLOTS 4096u /* distinct stacks */
#define LIVE_SLOTS 65536u /* sampled blocks alive: 32 GiB of heap at the default rate */
#define LIVE_MAX (LIVE_SLOTS / 4 * 3)
#define FILTER_SLOTS 65536u

enum { V_ALLOC_N, V_ALLOC_BYTES, V_FREE_N, V_FREE_BYTES };

struct live {
    uintptr_t ptr; /* inverted, so that it keeps nothing alive for the leak search; 0 = empty */
    size_t size;
    struct prof_slot *stack;
};
static struct prof_slot stacks[HEAP_SLOTS];
static struct prof_table table = {.slots = stacks, .mask = HEAP_SLOTS - 1};
static struct live live[LIVE_SLOTS];
static uint32_t n_live;
/* How many live samples hash here: 0 (nearly always) tells a free that it has nothing to do. */
static uint8_t filter[FILTER_SLOTS];
static struct sn_spin spin;
static double rate;
static bool tracking;

static __thread int64_t until; /* bytes to the next sample */
static __thread struct sn_rand dice;
static __thread bool diced;

static inline uint32_t slot_of(uintptr_t p) { return (uint32_t)(sn_hash_u64(p, 5) >> 48); }

static int64_t draw(void)
{
    if (!diced) {
        sn_rand_seed(&dice, (uintptr_t)&dice);
        diced = true;
    }
    return rate <= 1 ? 0 : (int64_t)(-log(1 - sn_rand_double(&dice)) * rate) + 1;
}

static void live_put(uintptr_t p, size_t size, struct prof_slot *stack)
{
    uint32_t i = slot_of(p), f = i;
    sn_spin_lock(&spin);
    if (n_live >= LIVE_MAX || filter[f] == UINT8_MAX) {
        sn_spin_unlock(&spin);
        __atomic_fetch_add(&table.lost, 1, __ATOMIC_RELAXED);
        return;
    }
    while (live[i].ptr) i = (i + 1) % LIVE_SLOTS;
    live[i] = (struct live){p, size, stack};
    n_live++;
    __atomic_store_n(&filter[f], filter[f] + 1, __ATOMIC_RELEASE);
    prof_add(&stack->v[V_ALLOC_N], 1);
    prof_add(&stack->v[V_ALLOC_BYTES], (int64_t)size);
    sn_spin_unlock(&spin);
}
/* Takes entry i out and closes the gap, so that probing still meets no hole. */
static void live_del(uint32_t i)
{
    uint32_t f = slot_of(live[i].ptr);
    __atomic_store_n(&filter[f], filter[f] - 1, __ATOMIC_RELEASE);
    n_live--;
    for (uint32_t k = (i + 1) % LIVE_SLOTS; live[k].ptr; k = (k + 1) % LIVE_SLOTS) {
        uint32_t home = slot_of(live[k].ptr);
        if ((k - home) % LIVE_SLOTS < (k - i) % LIVE_SLOTS) continue;
        live[i] = live[k];
        i = k;
    }
    live[i].ptr = 0;
}

static SN_NOINLINE void sampled(void *ptr, size_t size)
{
    uintptr_t pcs[PROF_FRAMES];
    /* Leaves out this function, the hook and the allocator. */
    unsigned n = sn_stack_here(pcs, PROF_FRAMES, 3);
    struct prof_slot *s = prof_slot_get(&table, pcs, n, "");
    if (s) live_put(~(uintptr_t)ptr, size, s);
}
static void on_alloc(void *ptr, size_t size)
{
    sn_leak_heap_add(ptr);
    if (SN_LIKELY((until -= (int64_t)size) > 0)) return;
    bool first = !diced;
    until = draw();
    if (!first) sampled(ptr, size);
}
static void on_free(void *ptr)
{
    uintptr_t p = ~(uintptr_t)ptr;
    uint32_t i = slot_of(p);
    sn_leak_heap_del(ptr);
    if (SN_LIKELY(!__atomic_load_n(&filter[i], __ATOMIC_ACQUIRE))) return;
    sn_spin_lock(&spin);
    while (live[i].ptr && live[i].ptr != p) i = (i + 1) % LIVE_SLOTS;
    if (live[i].ptr) {
        prof_add(&live[i].stack->v[V_FREE_N], 1);
        prof_add(&live[i].stack->v[V_FREE_BYTES], (int64_t)live[i].size);
        live_del(i);
    }
    sn_spin_unlock(&spin);
}
#define WIPE_BYTES_MAX 1024 /* larger blocks are rarely full of pointers, and wiping is not free */
static const struct sn_alloc_hooks hooks = {.on_alloc = on_alloc, .on_free = on_free,
                                            .wipe_bytes_max = WIPE_BYTES_MAX};

void prof_heap_start(size_t bytes)
{
    rate = (double)bytes;
    sn_leak_heap_forget(); /* what was freed while nobody listened */
    sn_alloc_set_hooks(&hooks);
    tracking = true;
}
void prof_heap_stop(void)
{
    tracking = false;
    sn_alloc_set_hooks(NULL);
    sn_leak_heap_forget();
}
bool prof_heap_tracking(void) { return tracking; }

static void scale(int64_t *n, int64_t *bytes)
{
    if (*n <= 0 || *bytes <= 0) {
        *n = *bytes = 0;
        return;
    }
    if (rate <= 1) return;
    double by = 1 / (1 - exp(-((double)*bytes / (double)*n) / rate));
    *n = (int64_t)((double)*n * by);
    *bytes = (int64_t)((double)*bytes * by);
}
void prof_collect_heap(struct sn_pprof *p, int sign)
{
    for (uint32_t i = 0; i < HEAP_SLOTS; i++) {
        struct prof_slot *s = &stacks[i];
        int64_t v[4], out[4];
        if (!__atomic_load_n(&s->ready, __ATOMIC_ACQUIRE)) continue;
        for (unsigned k = 0; k < 4; k++) v[k] = __atomic_load_n(&s->v[k], __ATOMIC_RELAXED);
        out[0] = v[V_ALLOC_N], out[1] = v[V_ALLOC_BYTES];
        out[2] = v[V_ALLOC_N] - v[V_FREE_N], out[3] = v[V_ALLOC_BYTES] - v[V_FREE_BYTES];
        scale(&out[0], &out[1]);
        scale(&out[2], &out[3]);
        for (unsigned k = 0; k < 4; k++) out[k] *= sign;
        sn_pprof_add(p, s->pcs, s->n, false, out, NULL);
    }
    sn_pprof_period(p, (struct sn_pprof_type){"space", "bytes"}, (int64_t)rate);
}

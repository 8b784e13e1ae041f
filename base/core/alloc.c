/* SPDX-License-Identifier: Apache-2.0 */
/* core/alloc.c - the heap door: libc's allocator behind counters and hooks.
 *
 * Counters: each of the first SLOTS-1 threads owns a cache line and updates it with plain (relaxed)
 * loads and stores; later threads share the last line with atomic adds. A slot is never handed to
 * another thread, so no thread-exit hook is needed and no count is ever lost. */
#include "core/alloc.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 256

struct slot {
    _Atomic uint64_t allocs, frees;
} SN_ALIGNED(SN_CACHE_LINE);

static struct slot slots[SLOTS];
static _Atomic uint32_t slots_taken;
static _Thread_local struct slot *my_slot;
static const struct sn_alloc_hooks *_Atomic hooks;

static SN_COLD SN_NOINLINE struct slot *slot_take(void)
{
    uint32_t i = atomic_fetch_add_explicit(&slots_taken, 1, memory_order_relaxed);
    /* Saturate instead of wrapping round after four thousand million threads. */
    if (i >= SLOTS - 1) atomic_store_explicit(&slots_taken, SLOTS - 1, memory_order_relaxed);
    my_slot = &slots[SN_MIN(i, (uint32_t)(SLOTS - 1))];
    return my_slot;
}

static SN_ALWAYS_INLINE void bump(struct slot *s, _Atomic uint64_t *n)
{
    if (SN_LIKELY(s != &slots[SLOTS - 1]))
        atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1,
                              memory_order_relaxed);
    else
        atomic_fetch_add_explicit(n, 1, memory_order_relaxed);
}

static SN_ALWAYS_INLINE void count_alloc(void)
{
    struct slot *s = my_slot;
    if (SN_UNLIKELY(!s)) s = slot_take();
    bump(s, &s->allocs);
}

static SN_ALWAYS_INLINE void count_free(void)
{
    struct slot *s = my_slot;
    if (SN_UNLIKELY(!s)) s = slot_take();
    bump(s, &s->frees);
}

static SN_ALWAYS_INLINE const struct sn_alloc_hooks *hooks_get(void)
{
    return atomic_load_explicit(&hooks, memory_order_acquire);
}

/* The tail of every allocation: count it, tell the observer. */
static SN_ALWAYS_INLINE void *allocated(const struct sn_alloc_hooks *h, void *p, size_t size)
{
    if (SN_UNLIKELY(!p)) return NULL;
    count_alloc();
    if (SN_UNLIKELY(h != NULL) && h->on_alloc) h->on_alloc(p, size);
    return p;
}

static SN_ALWAYS_INLINE bool vetoed(const struct sn_alloc_hooks *h, size_t size)
{
    return SN_UNLIKELY(h != NULL) && h->fail && h->fail(size);
}

void *sn_alloc(size_t size)
{
    const struct sn_alloc_hooks *h = hooks_get();
    if (vetoed(h, size)) return NULL;
    return allocated(h, malloc(size ? size : 1), size);
}

void *sn_zalloc(size_t n, size_t size)
{
    const struct sn_alloc_hooks *h = hooks_get();
    size_t total;
    if (SN_UNLIKELY(__builtin_mul_overflow(n, size, &total))) return NULL;
    if (vetoed(h, total)) return NULL;
    return allocated(h, calloc(1, total ? total : 1), total);
}

void *sn_realloc(void *ptr, size_t size)
{
    if (!ptr) return sn_alloc(size);
    const struct sn_alloc_hooks *h = hooks_get();
    if (vetoed(h, size)) return NULL;
    /* The observer must hear of the old block before another thread can be given its address. */
    size_t old = SN_UNLIKELY(h != NULL) && h->on_free ? malloc_usable_size(ptr) : 0;
    if (SN_UNLIKELY(h != NULL) && h->on_free) h->on_free(ptr);
    void *p = realloc(ptr, size ? size : 1);
    if (SN_UNLIKELY(h != NULL) && h->on_alloc) h->on_alloc(p ? p : ptr, p ? size : old);
    return p;
}

void *sn_aligned_alloc(size_t align, size_t size)
{
    SN_ASSERT(align != 0 && (align & (align - 1)) == 0);
    const struct sn_alloc_hooks *h = hooks_get();
    if (vetoed(h, size)) return NULL;
    void *p = NULL;
    if (posix_memalign(&p, SN_MAX(align, sizeof(void *)), size ? size : 1) != 0) return NULL;
    return allocated(h, p, size);
}

void sn_free(void *ptr)
{
    if (!ptr) return;
    const struct sn_alloc_hooks *h = hooks_get();
    if (SN_UNLIKELY(h != NULL) && h->on_free) h->on_free(ptr);
    if (SN_UNLIKELY(h != NULL) && h->wipe_bytes_max) {
        memset(ptr, 0, SN_MIN(malloc_usable_size(ptr), h->wipe_bytes_max));
        __asm__ volatile("" ::"r"(ptr) : "memory"); /* not to be left out before free */
    }
    count_free();
    free(ptr);
}

void sn_alloc_set_hooks(const struct sn_alloc_hooks *new_hooks)
{
    atomic_store_explicit(&hooks, new_hooks, memory_order_release);
}

void sn_alloc_stats(struct sn_alloc_stats *ret)
{
    uint64_t allocs = 0, frees = 0;
    /* Frees first: a block freed between the two sums then counts as live, never as negative. */
    for (unsigned i = 0; i < SLOTS; i++)
        frees += atomic_load_explicit(&slots[i].frees, memory_order_relaxed);
    for (unsigned i = 0; i < SLOTS; i++)
        allocs += atomic_load_explicit(&slots[i].allocs, memory_order_relaxed);
    *ret = (struct sn_alloc_stats){.allocs = allocs, .frees = frees};
}

int64_t sn_alloc_live(void)
{
    struct sn_alloc_stats s;
    sn_alloc_stats(&s);
    return (int64_t)(s.allocs - s.frees);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* core/alloc.h - the one door to the heap.
 * All base code allocates here, so that fault injection (torture tests), the heap profile and the
 * leak check see every allocation. Failure is NULL, never an abort; callers answer SN_E_NOMEM. */
#pragma once
#include "core/base.h"

/* sn_alloc - `size` bytes, uninitialised, 16-aligned; size 0 gives a unique pointer.
 * Owns: caller frees with sn_free. Context: any thread, never suspends. */
void *sn_alloc(size_t size) __attribute__((malloc));
/* sn_zalloc - n*size zeroed bytes; NULL also on multiplication overflow. */
void *sn_zalloc(size_t n, size_t size) __attribute__((malloc));
/* sn_realloc - as realloc(3), but size 0 is not free; on NULL the old block is untouched. */
void *sn_realloc(void *ptr, size_t size);
/* sn_aligned_alloc - `align` a power of two; freed with sn_free. */
void *sn_aligned_alloc(size_t align, size_t size) __attribute__((malloc));
/* sn_free - accepts NULL. */
void sn_free(void *ptr);
/* For SN_CLEANUP: char *p SN_CLEANUP(sn_freep) = ...; */
static inline void sn_freep(void *pp) { sn_free(*(void **)pp); }

#define SN_NEW(type) ((type *)sn_zalloc(1, sizeof(type)))
#define SN_NEW_ARRAY(type, n) ((type *)sn_zalloc((n), sizeof(type)))

/* Observers of allocation. `fail` is asked before each allocation and may veto it (torture);
 * `on_alloc` sees each success, `on_free` each block just before it is given back (heap profile).
 * A reallocation is a free of the old block and an allocation of the new one. All optional. */
struct sn_alloc_hooks {
    bool (*fail)(size_t size);
    void (*on_alloc)(void *ptr, size_t size);
    void (*on_free)(void *ptr);
    /* sn_free zeroes up to this many bytes first, so that a freed block keeps nothing alive for a
     * conservative search of memory (fiber/leak.h). */
    size_t wipe_bytes_max;
};
/* sn_alloc_set_hooks - installs `hooks` (borrowed, static lifetime), NULL removes them.
 * Context: while no other thread allocates, or where a torn view of one hook is harmless. */
void sn_alloc_set_hooks(const struct sn_alloc_hooks *hooks);

struct sn_alloc_stats {
    uint64_t allocs, frees; /* blocks since start; a reallocation counts as neither */
};
/* sn_alloc_stats - sums the per-thread counters: exact while nobody allocates, otherwise a moment's
 * approximation. Context: any thread; reads 256 cache lines. */
void sn_alloc_stats(struct sn_alloc_stats *ret);
/* sn_alloc_live - blocks allocated minus freed by this process: the leak check of tests. */
int64_t sn_alloc_live(void);

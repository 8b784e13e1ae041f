/* SPDX-License-Identifier: Apache-2.0 */
/* core/arena.h - bump allocation for things that die together: a request, a block, a reconcile.
 * Allocation is a pointer addition; freeing is one reset. Not thread-safe: one fiber owns one.
 * Under ASan everything past the bump pointer is poisoned, so use after reset is reported. */
#pragma once
#include "core/base.h"
#include "core/str.h"

#define SN_ARENA_ALIGN 16
#define SN_ARENA_CHUNK_DEFAULT (16u << 10)

struct sn_arena_chunk {
    struct sn_arena_chunk *next;
    size_t size; /* usable bytes after the header */
} SN_ALIGNED(SN_ARENA_ALIGN); /* where pointers have four bytes, too */

/* A LIFO of equal chunks that arenas of one worker hand around, so that a request costs no
 * malloc. Single-threaded, like its arenas. */
struct sn_arena_pool {
    struct sn_arena_chunk *free;
    size_t chunk_size;
    unsigned n_free, n_free_max;
};
/* sn_arena_pool_init - takes no memory. chunk_size: bytes with the header, at least 256 (0 =
 * SN_ARENA_CHUNK_DEFAULT); n_free_max: idle chunks kept, further ones go back to the heap. */
void sn_arena_pool_init(struct sn_arena_pool *p, size_t chunk_size, unsigned n_free_max);
/* sn_arena_pool_done - frees the idle chunks; every arena on it must be done before. */
void sn_arena_pool_done(struct sn_arena_pool *p);

struct sn_arena {
    char *cur, *end;
    struct sn_arena_chunk *chunks; /* newest first */
    struct sn_arena_pool *pool;    /* may be NULL */
    size_t used, limit;            /* bytes of chunks held, headers included; limit 0 = none */
};

/* sn_arena_init - no memory is taken until the first allocation.
 * pool: borrowed, may be NULL. limit: bytes of chunks this arena may hold, 0 for no limit. */
void sn_arena_init(struct sn_arena *a, struct sn_arena_pool *pool, size_t limit);
/* sn_arena_done - gives every chunk back; the arena is as after sn_arena_init. */
void sn_arena_done(struct sn_arena *a);
/* sn_arena_reset - forgets all allocations, keeps the current chunk (if of ordinary size). */
void sn_arena_reset(struct sn_arena *a);

void *sn_arena_alloc_slow(struct sn_arena *a, size_t size);
/* sn_arena_alloc - `size` bytes, 16-aligned, uninitialised; size 0 is a unique pointer.
 * NULL at the limit or without memory. What does not fit opens a chunk, after which the chunk
 * with more room left is the current one. */
static inline void *sn_arena_alloc(struct sn_arena *a, size_t size)
{
    size_t need = (size + (SN_ARENA_ALIGN - 1)) & ~(size_t)(SN_ARENA_ALIGN - 1);
    /* need is 0 for size 0 and where the rounding wrapped: need - 1 sends both the slow way. */
    if (SN_LIKELY(need - 1 < (size_t)(a->end - a->cur))) {
        void *p = a->cur;
        a->cur += need;
        SN_UNPOISON(p, size);
        return p;
    }
    return sn_arena_alloc_slow(a, size);
}
static inline void *sn_arena_zalloc(struct sn_arena *a, size_t size)
{
    void *p = sn_arena_alloc(a, size);
    return p ? memset(p, 0, size) : NULL;
}
#define SN_ARENA_NEW(a, type) ((type *)sn_arena_zalloc((a), sizeof(type)))
/* sn_arena_array - n*size zeroed bytes; NULL on overflow too. */
void *sn_arena_array(struct sn_arena *a, size_t n, size_t size);
#define SN_ARENA_ARRAY(a, type, n) ((type *)sn_arena_array((a), (n), sizeof(type)))

/* sn_arena_str - a NUL-terminated copy of `s` (the NUL is not counted); .ptr NULL on failure. */
struct sn_str sn_arena_str(struct sn_arena *a, struct sn_str s);
/* sn_arena_printf - formatted, NUL-terminated; .ptr NULL on failure. */
struct sn_str sn_arena_printf(struct sn_arena *a, const char *fmt, ...) SN_PRINTF(2, 3);

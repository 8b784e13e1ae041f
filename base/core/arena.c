/* SPDX-License-Identifier: Apache-2.0 */
/* core/arena.c - the slow paths of the bump allocator: chunks, pools, limits. */
#include "core/arena.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/alloc.h"

#define CHUNK_MIN 256u
#define HEADER sizeof(struct sn_arena_chunk)

_Static_assert(HEADER % SN_ARENA_ALIGN == 0, "the first allocation of a chunk must be aligned");

static char *chunk_data(struct sn_arena_chunk *c) { return (char *)(c + 1); }

static void chunk_free(struct sn_arena_pool *pool, struct sn_arena_chunk *c)
{
    if (pool && c->size + HEADER == pool->chunk_size && pool->n_free < pool->n_free_max) {
        SN_POISON(chunk_data(c), c->size);
        c->next = pool->free;
        pool->free = c;
        pool->n_free++;
        return;
    }
    SN_UNPOISON(chunk_data(c), c->size);
    sn_free(c);
}

void sn_arena_pool_init(struct sn_arena_pool *p, size_t chunk_size, unsigned n_free_max)
{
    if (chunk_size == 0) chunk_size = SN_ARENA_CHUNK_DEFAULT;
    chunk_size = SN_MAX(chunk_size, (size_t)CHUNK_MIN) & ~(size_t)(SN_ARENA_ALIGN - 1);
    *p = (struct sn_arena_pool){.chunk_size = chunk_size, .n_free_max = n_free_max};
}

void sn_arena_pool_done(struct sn_arena_pool *p)
{
    while (p->free) {
        struct sn_arena_chunk *c = p->free;
        p->free = c->next;
        SN_UNPOISON(chunk_data(c), c->size);
        sn_free(c);
    }
    p->n_free = 0;
}

void sn_arena_init(struct sn_arena *a, struct sn_arena_pool *pool, size_t limit)
{
    *a = (struct sn_arena){.pool = pool, .limit = limit};
}

void sn_arena_done(struct sn_arena *a)
{
    for (struct sn_arena_chunk *c = a->chunks, *next; c; c = next) {
        next = c->next;
        chunk_free(a->pool, c);
    }
    sn_arena_init(a, a->pool, a->limit);
}

static size_t ordinary_chunk(const struct sn_arena *a)
{
    return a->pool ? a->pool->chunk_size : SN_ARENA_CHUNK_DEFAULT;
}

void sn_arena_reset(struct sn_arena *a)
{
    struct sn_arena_chunk *keep = a->chunks;
    if (!keep || keep->size + HEADER > ordinary_chunk(a)) {
        sn_arena_done(a);
        return;
    }
    for (struct sn_arena_chunk *c = keep->next, *next; c; c = next) {
        next = c->next;
        chunk_free(a->pool, c);
    }
    keep->next = NULL;
    a->used = keep->size + HEADER;
    a->cur = chunk_data(keep);
    a->end = a->cur + keep->size;
    SN_POISON(a->cur, keep->size);
}

/* A chunk of `total` bytes with its header, whose content is poisoned; not yet linked. */
static struct sn_arena_chunk *chunk_new(struct sn_arena *a, size_t total)
{
    struct sn_arena_pool *pool = a->pool;
    struct sn_arena_chunk *c;
    if (pool && total == pool->chunk_size && pool->free) {
        c = pool->free;
        pool->free = c->next;
        pool->n_free--;
    } else {
        c = sn_alloc(total);
        if (!c) return NULL;
        c->size = total - HEADER;
        SN_POISON(chunk_data(c), c->size);
    }
    c->next = NULL;
    a->used += total;
    return c;
}

/* Why the fast path gave up: the chunk is full, there is none, size is 0, or size is absurd. */
void *sn_arena_alloc_slow(struct sn_arena *a, size_t size)
{
    size_t need;
    if (__builtin_add_overflow(size ? size : 1, SN_ARENA_ALIGN - 1 + HEADER, &need)) return NULL;
    need = (need & ~(size_t)(SN_ARENA_ALIGN - 1)) - HEADER;
    if (need <= (size_t)(a->end - a->cur)) {
        void *p = a->cur;
        a->cur += need;
        SN_UNPOISON(p, size);
        return p;
    }
    size_t left = a->limit ? (a->limit > a->used ? a->limit - a->used : 0) : SIZE_MAX;
    if (need > left || left - need < HEADER) return NULL;

    size_t ordinary = ordinary_chunk(a);
    /* Near the limit the last chunk is cut to what is left of it. */
    size_t total = SN_MIN(ordinary, left & ~(size_t)(SN_ARENA_ALIGN - 1));
    if (total < need + HEADER) total = need + HEADER;
    struct sn_arena_chunk *c = chunk_new(a, total);
    if (!c) return NULL;
    void *p = chunk_data(c);
    if (a->chunks && c->size - need < (size_t)(a->end - a->cur)) {
        c->next = a->chunks->next; /* the chunk with more room stays at the head */
        a->chunks->next = c;
    } else {
        c->next = a->chunks;
        a->chunks = c;
        a->cur = (char *)p + need;
        a->end = (char *)p + c->size;
    }
    SN_UNPOISON(p, size);
    return p;
}

void *sn_arena_array(struct sn_arena *a, size_t n, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(n, size, &total)) return NULL;
    return sn_arena_zalloc(a, total);
}

struct sn_str sn_arena_str(struct sn_arena *a, struct sn_str s)
{
    if (s.len == SIZE_MAX) return (struct sn_str){0};
    char *p = sn_arena_alloc(a, s.len + 1);
    if (!p) return (struct sn_str){0};
    if (s.len) memcpy(p, s.ptr, s.len);
    p[s.len] = 0;
    return sn_str_of(p, s.len);
}

struct sn_str sn_arena_printf(struct sn_arena *a, const char *fmt, ...)
{
    char local[256];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(local, sizeof(local), fmt, ap);
    va_end(ap);
    if (n < 0) return (struct sn_str){0};
    if ((size_t)n < sizeof(local)) return sn_arena_str(a, sn_str_of(local, (size_t)n));
    char *p = sn_arena_alloc(a, (size_t)n + 1);
    if (!p) return (struct sn_str){0};
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return sn_str_of(p, (size_t)n);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* core/ring.h - lock-free queues: a bounded ring for one producer and one consumer, and an
 * unbounded intrusive queue for many producers and one consumer.
 * They never wait and wake nobody: fibers that must sleep use a channel, or ring plus event. */
#pragma once
#include <stdatomic.h>

#include "core/base.h"

/* ---- SPSC ring ---- */

/* Indices grow without wrapping at the capacity. Each side keeps its own copy of the other's index
 * and reads the shared one only when that copy says full (or empty), so in steady flow a side
 * touches the other's cache line once per lap instead of once per element. Two lines apart,
 * because the prefetcher fetches them in pairs. */
struct sn_spsc {
    struct {
        _Atomic size_t tail; /* next to write */
        size_t head_seen;
    } p SN_ALIGNED(2 * SN_CACHE_LINE);
    struct {
        _Atomic size_t head; /* next to read */
        size_t tail_seen;
    } c SN_ALIGNED(2 * SN_CACHE_LINE);
    struct {
        char *mem;
        size_t mask, elem;
    } k SN_ALIGNED(2 * SN_CACHE_LINE); /* constant after init */
};

#define SN_SPSC_CAP_MAX ((size_t)1 << 30)
/* sn_spsc_init - room for `cap` elements (rounded up to a power of two, at most SN_SPSC_CAP_MAX) of
 * `elem` bytes. Returns 0, SN_E_NOMEM, SN_E_INVALID_ARGUMENT. */
int sn_spsc_init(struct sn_spsc *r, size_t cap, size_t elem) SN_MUST_CHECK;
/* sn_spsc_done - frees the memory; elements still inside are forgotten. */
void sn_spsc_done(struct sn_spsc *r);
static inline size_t sn_spsc_cap(const struct sn_spsc *r) { return r->k.mask + 1; }

/* Free slots as the producer may assume them; looks at the consumer only below `want`. */
static SN_ALWAYS_INLINE size_t sn_spsc_room_(struct sn_spsc *r, size_t tail, size_t want)
{
    size_t room = sn_spsc_cap(r) - (tail - r->p.head_seen);
    if (SN_LIKELY(room >= want)) return room;
    r->p.head_seen = atomic_load_explicit(&r->c.head, memory_order_acquire);
    return sn_spsc_cap(r) - (tail - r->p.head_seen);
}
static SN_ALWAYS_INLINE size_t sn_spsc_ready_(struct sn_spsc *r, size_t head, size_t want)
{
    size_t ready = r->c.tail_seen - head;
    if (SN_LIKELY(ready >= want)) return ready;
    r->c.tail_seen = atomic_load_explicit(&r->p.tail, memory_order_acquire);
    return r->c.tail_seen - head;
}

/* Copies n elements between `flat` and the ring from index `at`, which may wrap once. */
static SN_ALWAYS_INLINE void sn_spsc_copy_(struct sn_spsc *r, size_t at, char *flat, size_t n,
                                           size_t elem, bool in)
{
    size_t i = at & r->k.mask, first = SN_MIN(n, sn_spsc_cap(r) - i);
    if (in) {
        memcpy(r->k.mem + i * elem, flat, first * elem);
        if (n > first) memcpy(r->k.mem, flat + first * elem, (n - first) * elem);
    } else {
        memcpy(flat, r->k.mem + i * elem, first * elem);
        if (n > first) memcpy(flat + first * elem, r->k.mem, (n - first) * elem);
    }
}

/* A line that the other side has last used takes 60 to 250 ns to come across: asked for this many
 * bytes ahead, the transfers overlap. Measured with one side on each core: 16-21 ns for an element of
 * 8 bytes without, 5.5 with. */
#define SN_SPSC_AHEAD 256u
/* Once a line: slot `at + some` will be touched soon, if it is below `end`. */
static SN_ALWAYS_INLINE void sn_spsc_ahead_(struct sn_spsc *r, size_t at, size_t end, size_t elem,
                                            bool in)
{
    if (SN_LIKELY(at * elem % SN_CACHE_LINE >= elem)) return;
    size_t then = at + SN_SPSC_AHEAD / elem + 1;
    if (end - then > end - at) return;
    char *slot = r->k.mem + (then & r->k.mask) * elem;
    if (in) __builtin_prefetch(slot, 1);
    else __builtin_prefetch(slot, 0);
}

/* sn_spsc_push_sized - appends a copy of *src; elem must be the ring's (a constant makes the copy a
 * move or two). Returns false when full. Context: the producer. Wait-free. */
static SN_ALWAYS_INLINE bool sn_spsc_push_sized(struct sn_spsc *r, const void *src, size_t elem)
{
    size_t tail = atomic_load_explicit(&r->p.tail, memory_order_relaxed);
    SN_DCHECK(elem == r->k.elem);
    if (SN_UNLIKELY(sn_spsc_room_(r, tail, 1) == 0)) return false;
    sn_spsc_ahead_(r, tail, r->p.head_seen + sn_spsc_cap(r), elem, true);
    memcpy(r->k.mem + (tail & r->k.mask) * elem, src, elem);
    atomic_store_explicit(&r->p.tail, tail + 1, memory_order_release);
    return true;
}
/* sn_spsc_pop_sized - takes the oldest element into *dst. Returns false when empty.
 * Context: the consumer. Wait-free. */
static SN_ALWAYS_INLINE bool sn_spsc_pop_sized(struct sn_spsc *r, void *dst, size_t elem)
{
    size_t head = atomic_load_explicit(&r->c.head, memory_order_relaxed);
    SN_DCHECK(elem == r->k.elem);
    if (SN_UNLIKELY(sn_spsc_ready_(r, head, 1) == 0)) return false;
    sn_spsc_ahead_(r, head, r->c.tail_seen, elem, false);
    memcpy(dst, r->k.mem + (head & r->k.mask) * elem, elem);
    atomic_store_explicit(&r->c.head, head + 1, memory_order_release);
    return true;
}
/* sn_spsc_push(&ring, &value), sn_spsc_pop(&ring, &value) - of the pointed-to type's size. */
#define sn_spsc_push(r, p) sn_spsc_push_sized((r), (p), sizeof(*(p)))
#define sn_spsc_pop(r, p) sn_spsc_pop_sized((r), (p), sizeof(*(p)))

/* sn_spsc_push_n, sn_spsc_pop_n - up to n elements with one publication. Return how many were
 * moved, 0 when full (empty). Context: the producer (the consumer). Wait-free. */
static inline size_t sn_spsc_push_n(struct sn_spsc *r, const void *src, size_t n)
{
    size_t tail = atomic_load_explicit(&r->p.tail, memory_order_relaxed);
    n = SN_MIN(n, sn_spsc_room_(r, tail, n));
    if (n == 0) return 0;
    sn_spsc_copy_(r, tail, (char *)(uintptr_t)src, n, r->k.elem, true);
    atomic_store_explicit(&r->p.tail, tail + n, memory_order_release);
    return n;
}
static inline size_t sn_spsc_pop_n(struct sn_spsc *r, void *dst, size_t n)
{
    size_t head = atomic_load_explicit(&r->c.head, memory_order_relaxed);
    n = SN_MIN(n, sn_spsc_ready_(r, head, n));
    if (n == 0) return 0;
    sn_spsc_copy_(r, head, dst, n, r->k.elem, false);
    atomic_store_explicit(&r->c.head, head + n, memory_order_release);
    return n;
}
/* sn_spsc_len - elements inside; exact for either side about its own moves, else a snapshot. */
static inline size_t sn_spsc_len(struct sn_spsc *r)
{
    /* head first: it cannot pass a tail read later. */
    size_t head = atomic_load_explicit(&r->c.head, memory_order_acquire);
    return atomic_load_explicit(&r->p.tail, memory_order_acquire) - head;
}

/* ---- intrusive MPSC queue ---- */

/* A push is one exchange and one store and never fails. Source: D. Vyukov's intrusive MPSC node
 * queue. FIFO per producer, and globally in the order of the exchanges. */
struct sn_mpsc_node {
    _Atomic(struct sn_mpsc_node *) next;
};
struct sn_mpsc {
    _Atomic(struct sn_mpsc_node *) last SN_ALIGNED(SN_CACHE_LINE); /* producers */
    struct sn_mpsc_node *first SN_ALIGNED(SN_CACHE_LINE);          /* consumer */
    struct sn_mpsc_node stub;
};
/* sn_mpsc_init - empty. The queue must not move afterwards. */
static inline void sn_mpsc_init(struct sn_mpsc *q)
{
    atomic_init(&q->stub.next, NULL);
    atomic_init(&q->last, &q->stub);
    q->first = &q->stub;
}
/* sn_mpsc_push - appends `n`, which stays the caller's memory until popped. Returns true
 * when the queue was empty just before (now and then also when it was not), that is when a
 * sleeping consumer needs a wake-up.
 * Context: any thread. Wait-free. */
static inline bool sn_mpsc_push(struct sn_mpsc *q, struct sn_mpsc_node *n)
{
    atomic_store_explicit(&n->next, NULL, memory_order_relaxed);
    struct sn_mpsc_node *prev = atomic_exchange_explicit(&q->last, n, memory_order_acq_rel);
    /* Between these two the consumer sees the queue end at prev. */
    atomic_store_explicit(&prev->next, n, memory_order_release);
    return prev == &q->stub;
}
/* sn_mpsc_pop - the oldest node, whose memory is the caller's again; NULL when empty and also while
 * a producer is between its two steps (its node comes with a later call: see sn_mpsc_empty).
 * Context: the consumer. Never waits. */
struct sn_mpsc_node *sn_mpsc_pop(struct sn_mpsc *q);
/* sn_mpsc_empty - false from the moment a push has begun: a consumer sleeps only when this is true.
 * Context: the consumer. */
static inline bool sn_mpsc_empty(struct sn_mpsc *q)
{
    return q->first == &q->stub &&
           atomic_load_explicit(&q->last, memory_order_acquire) == &q->stub;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* core/heap.h - intrusive 4-ary min-heap: priority queues whose members can be moved and removed.
 * Four children share a cache line of pointers, which halves the depth of a binary heap. */
#pragma once
#include "core/base.h"

/* Embedded in the member; zero-initialised means in no heap. */
struct sn_heap_node {
    size_t at; /* position + 1, 0 = in no heap */
};
struct sn_heap {
    struct sn_heap_node **ptr;
    size_t len, cap;
    /* Strict order; ties come out in no particular order. */
    bool (*less)(const struct sn_heap_node *a, const struct sn_heap_node *b);
};
/* sn_heap_init - empty, takes no memory. */
void sn_heap_init(struct sn_heap *h,
                  bool (*less)(const struct sn_heap_node *, const struct sn_heap_node *));
/* sn_heap_done - frees the array; members still inside are marked as being in no heap. */
void sn_heap_done(struct sn_heap *h);
/* sn_heap_push - O(log n). Returns 0 or SN_E_NOMEM. `n` must be in no heap. */
int sn_heap_push(struct sn_heap *h, struct sn_heap_node *n) SN_MUST_CHECK;
/* sn_heap_peek - the least member, NULL when empty. */
static inline struct sn_heap_node *sn_heap_peek(const struct sn_heap *h)
{
    return h->len ? h->ptr[0] : NULL;
}
/* sn_heap_pop - removes and returns the least member, NULL when empty. */
struct sn_heap_node *sn_heap_pop(struct sn_heap *h);
/* sn_heap_remove - takes `n` out wherever it stands; nothing happens where it is in no heap. */
void sn_heap_remove(struct sn_heap *h, struct sn_heap_node *n);
/* sn_heap_update - restores order after the key of the member `n` changed either way. */
void sn_heap_update(struct sn_heap *h, struct sn_heap_node *n);
static inline bool sn_heap_linked(const struct sn_heap_node *n) { return n->at != 0; }

/* SPDX-License-Identifier: Apache-2.0 */
/* core/ring.c - set-up of the SPSC ring and the consumer's side of the MPSC queue. */
#include "core/ring.h"

#include "core/alloc.h"
#include "core/status.h"

int sn_spsc_init(struct sn_spsc *r, size_t cap, size_t elem)
{
    size_t n = 1, bytes;
    if (cap == 0 || cap > SN_SPSC_CAP_MAX || elem == 0) return SN_E_INVALID_ARGUMENT;
    while (n < cap) n *= 2;
    if (__builtin_mul_overflow(n, elem, &bytes)) return SN_E_NOMEM;
    char *mem = sn_aligned_alloc(SN_CACHE_LINE, bytes);
    if (!mem) return SN_E_NOMEM;
    memset(r, 0, sizeof(*r));
    r->k.mem = mem;
    r->k.mask = n - 1;
    r->k.elem = elem;
    return 0;
}

void sn_spsc_done(struct sn_spsc *r)
{
    sn_free(r->k.mem);
    memset(r, 0, sizeof(*r));
}

static struct sn_mpsc_node *next_of(struct sn_mpsc_node *n)
{
    return atomic_load_explicit(&n->next, memory_order_acquire);
}

/* The stub stands in the queue whenever it would otherwise be empty, because the last node cannot
 * be handed out before something else is behind it. */
struct sn_mpsc_node *sn_mpsc_pop(struct sn_mpsc *q)
{
    struct sn_mpsc_node *first = q->first, *next = next_of(first);
    if (first == &q->stub) {
        if (!next) return NULL;
        q->first = first = next;
        next = next_of(first);
    }
    if (next) {
        q->first = next;
        return first;
    }
    if (atomic_load_explicit(&q->last, memory_order_acquire) != first) return NULL;
    sn_mpsc_push(q, &q->stub);
    next = next_of(first);
    if (!next) return NULL;
    q->first = next;
    return first;
}

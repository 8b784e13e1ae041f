/* SPDX-License-Identifier: Apache-2.0 */
/* core/heap.c - sifting of the intrusive 4-ary heap. */
#include "core/heap.h"

#include "core/status.h"
#include "core/vec.h"

#define ARITY 4

void sn_heap_init(struct sn_heap *h,
                  bool (*less)(const struct sn_heap_node *, const struct sn_heap_node *))
{
    *h = (struct sn_heap){.less = less};
}

void sn_heap_done(struct sn_heap *h)
{
    for (size_t i = 0; i < h->len; i++) h->ptr[i]->at = 0;
    sn_free(h->ptr);
    sn_heap_init(h, h->less);
}

static void place(struct sn_heap *h, size_t i, struct sn_heap_node *n)
{
    h->ptr[i] = n;
    n->at = i + 1;
}

/* Moves `n`, for which position i is free, towards the root. */
static void sift_up(struct sn_heap *h, size_t i, struct sn_heap_node *n)
{
    while (i > 0) {
        size_t parent = (i - 1) / ARITY;
        if (!h->less(n, h->ptr[parent])) break;
        place(h, i, h->ptr[parent]);
        i = parent;
    }
    place(h, i, n);
}

static void sift_down(struct sn_heap *h, size_t i, struct sn_heap_node *n)
{
    for (;;) {
        size_t first = i * ARITY + 1, best = first;
        if (first >= h->len) break;
        for (size_t c = first + 1; c < first + ARITY && c < h->len; c++)
            if (h->less(h->ptr[c], h->ptr[best])) best = c;
        if (!h->less(h->ptr[best], n)) break;
        place(h, i, h->ptr[best]);
        i = best;
    }
    place(h, i, n);
}

int sn_heap_push(struct sn_heap *h, struct sn_heap_node *n)
{
    SN_DCHECK(n->at == 0);
    int r = sn_vec_reserve(h, h->len + 1);
    if (r < 0) return r;
    h->len++;
    sift_up(h, h->len - 1, n);
    return 0;
}

void sn_heap_remove(struct sn_heap *h, struct sn_heap_node *n)
{
    if (n->at == 0) return;
    size_t i = n->at - 1;
    SN_DCHECK(i < h->len && h->ptr[i] == n);
    n->at = 0;
    struct sn_heap_node *last = h->ptr[--h->len];
    if (last == n) return;
    place(h, i, last);
    sn_heap_update(h, last);
}

void sn_heap_update(struct sn_heap *h, struct sn_heap_node *n)
{
    size_t i = n->at - 1;
    SN_DCHECK(n->at != 0 && i < h->len && h->ptr[i] == n);
    if (i > 0 && h->less(n, h->ptr[(i - 1) / ARITY]))
        sift_up(h, i, n);
    else
        sift_down(h, i, n);
}

struct sn_heap_node *sn_heap_pop(struct sn_heap *h)
{
    struct sn_heap_node *n = sn_heap_peek(h);
    if (n) sn_heap_remove(h, n);
    return n;
}

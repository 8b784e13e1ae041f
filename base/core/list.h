/* SPDX-License-Identifier: Apache-2.0 */
/* core/list.h - intrusive circular doubly linked list; the head is a node too. */
#pragma once
#include "core/base.h"

struct sn_list {
    struct sn_list *next, *prev;
};
static inline void sn_list_init(struct sn_list *l) { l->next = l->prev = l; }
static inline bool sn_list_empty(const struct sn_list *l) { return l->next == l; }
static inline void sn_list_insert_(struct sn_list *n, struct sn_list *prev, struct sn_list *next)
{
    n->prev = prev;
    n->next = next;
    prev->next = n;
    next->prev = n;
}
static inline void sn_list_push_back(struct sn_list *l, struct sn_list *n)
{
    sn_list_insert_(n, l->prev, l);
}
static inline void sn_list_push_front(struct sn_list *l, struct sn_list *n)
{
    sn_list_insert_(n, l, l->next);
}
/* sn_list_del - leaves `n` self-linked, so a second delete is harmless. */
static inline void sn_list_del(struct sn_list *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    sn_list_init(n);
}
static inline bool sn_list_linked(const struct sn_list *n) { return n->next && n->next != n; }
static inline struct sn_list *sn_list_pop_front(struct sn_list *l)
{
    struct sn_list *n = l->next;
    if (n == l) return NULL;
    sn_list_del(n);
    return n;
}
#define SN_LIST_ENTRY(n, type, member) SN_CONTAINER_OF(n, type, member)
/* `it` may be deleted inside the loop; its successor may not. */
#define SN_LIST_EACH(l, it) \
    for (struct sn_list *it = (l)->next, *it##_n = it->next; it != (l); \
         it = it##_n, it##_n = it->next)

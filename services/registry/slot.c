/* SPDX-License-Identifier: Apache-2.0 */
/* registry/slot.c - a pointer that readers take with one addition.
 * The object's own count holds BIAS for the slot, so that references given back before the slot's
 * own number has been added to it never bring it to zero. */
#include "registry/backend_int.h"

#define BIAS (1LL << 40)
#define ONE (1ull << 48)
/* From so many references taken, readers move them over to the object: the 16 bits never run out.
 */
#define MOVE 0x4000ull

static void *ptr_of(uint64_t word) { return (void *)(uintptr_t)(word & (ONE - 1)); }

void *reg_slot_take(struct reg_slot *s, void (*count)(const void *obj, int64_t n))
{
    uint64_t w = __atomic_add_fetch(&s->word, ONE, __ATOMIC_ACQUIRE);
    void *obj = ptr_of(w);
    if (SN_LIKELY(w < MOVE * ONE)) return obj;
    count(obj, (int64_t)MOVE);
    while (ptr_of(w) == obj && w >= MOVE * ONE)
        if (__atomic_compare_exchange_n(&s->word, &w, w - MOVE * ONE, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE))
            return obj;
    count(obj, -(int64_t)MOVE); /* somebody else has moved them */
    return obj;
}

void reg_slot_put(struct reg_slot *s, const void *obj, void (*count)(const void *obj, int64_t n),
                  void (*drop)(const void *obj))
{
    SN_ASSERT(((uintptr_t)obj >> 48) == 0);
    if (obj) count(obj, BIAS - 1);
    uint64_t old = __atomic_exchange_n(&s->word, (uint64_t)(uintptr_t)obj, __ATOMIC_ACQ_REL);
    if (!ptr_of(old)) return;
    count(ptr_of(old), (int64_t)(old >> 48) - BIAS + 1);
    drop(ptr_of(old));
}

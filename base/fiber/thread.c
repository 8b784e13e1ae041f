/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/thread.c - threads and who started them, for the threadcreate profile. */
#include "fiber/sample.h"

#include "fiber/sched_int.h"

#define FRAMES 24

enum { SLOT_FREE, SLOT_TAKEN, SLOT_LIVE };
static struct thread_slot {
    uint32_t state; /* __atomic */
    uint32_t n;
    uintptr_t pcs[FRAMES];
    void *(*fn)(void *arg);
    void *arg;
} slots[SN_THREADS_KNOWN];

static void *body(void *arg)
{
    struct thread_slot *s = arg;
    void *r = s->fn(s->arg);
    SN_STORE_REL(&s->state, SLOT_FREE);
    return r;
}

static struct thread_slot *take(void)
{
    for (unsigned i = 0; i < SN_COUNT_OF(slots); i++) {
        uint32_t free = SLOT_FREE;
        if (SN_LOAD(&slots[i].state) == SLOT_FREE &&
            __atomic_compare_exchange_n(&slots[i].state, &free, SLOT_TAKEN, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return &slots[i];
    }
    return NULL;
}

int sn_thread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*fn)(void *arg), void *arg)
{
    struct thread_slot *s = take();
    if (!s) return pthread_create(ret, attr, fn, arg);
    uintptr_t pcs[FRAMES];
    unsigned n = sn_stack_here(pcs, FRAMES, 1);
    for (unsigned i = 0; i < n; i++) SN_STORE(&s->pcs[i], pcs[i]);
    SN_STORE(&s->n, n);
    s->fn = fn;
    s->arg = arg;
    SN_STORE_REL(&s->state, SLOT_LIVE);
    int e = pthread_create(ret, attr, body, s);
    if (e) SN_STORE_REL(&s->state, SLOT_FREE);
    return e;
}

void sn_thread_each(void (*fn)(const uintptr_t *pcs, unsigned n, void *arg), void *arg)
{
    for (unsigned i = 0; i < SN_COUNT_OF(slots); i++) {
        struct thread_slot *s = &slots[i], copy;
        if (SN_LOAD_ACQ(&s->state) != SLOT_LIVE) continue;
        /* The slot may pass to another thread meanwhile: then its stack is that one's, or mixed. */
        copy.n = SN_MIN(SN_LOAD(&s->n), (uint32_t)FRAMES);
        for (unsigned k = 0; k < copy.n; k++) copy.pcs[k] = SN_LOAD(&s->pcs[k]);
        fn(copy.pcs, copy.n, arg);
    }
}

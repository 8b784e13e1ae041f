/* SPDX-License-Identifier: Apache-2.0 */
/* registry/slot_test.c - readers and a writer on one slot: nothing is freed under a reader,
 * everything is freed in the end, and the counters of taken references never run over. */
#include "core/alloc.h"
#include "fiber/fiber.h"
#include "registry/backend_int.h"
#include "tests/harness/test.h"

struct obj {
    int64_t refs;
    uint64_t a, b; /* b is always ~a: a freed or torn object would show */
};

static void count(const void *o, int64_t n)
{
    __atomic_add_fetch(&((struct obj *)(uintptr_t)o)->refs, n, __ATOMIC_ACQ_REL);
}
static void drop(const void *o)
{
    struct obj *m = (struct obj *)(uintptr_t)o;
    if (__atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL) != 0) return;
    m->a = m->b = 0;
    sn_free(m);
}
static struct obj *make(uint64_t v)
{
    struct obj *o = SN_NEW(struct obj);
    T_ASSERT(o);
    *o = (struct obj){1, v, ~v};
    return o;
}

static struct reg_slot slot;
static bool stop;

static int reader(void *arg)
{
    uint64_t last = 0;
    while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
        for (int i = 0; i < 1000; i++) {
            struct obj *o = reg_slot_take(&slot, count);
            T_EQ(o->a, ~o->b);
            T_ASSERT(o->a >= last);
            last = o->a;
            if (i % 7 == 0) sn_yield();
            drop(o);
        }
    }
    return 0;
}

static int race_main(void *arg)
{
    struct sn_scope_storage mem;
    reg_slot_put(&slot, make(1), count, drop);
    struct sn_scope *s = sn_scope_begin(&mem);
    for (int i = 0; i < 8; i++) T_OK(sn_scope_go(s, "reader", reader, NULL));
    for (uint64_t v = 2; v < 3000; v++) {
        reg_slot_put(&slot, make(v), count, drop);
        if (v % 3 == 0) sn_yield();
        if (v % 500 == 0) T_OK(sn_sleep(2 * SN_MS));
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELEASE);
    T_OK(sn_scope_end(s));
    reg_slot_put(&slot, NULL, count, drop);
    return 0;
}

SN_TEST_SLOW(slot_readers_and_writer, 60)
{
    struct sn_rt_opts o = {.workers = 4};
    T_OK(sn_rt_run(&o, race_main, NULL));
}

/* Far more references than the slot's 16 bits count, all held at once. */
SN_TEST(slot_many_references)
{
    struct obj *o = make(5);
    reg_slot_put(&slot, o, count, drop);
    for (int i = 0; i < 300000; i++) T_ASSERT(reg_slot_take(&slot, count) == o);
    for (int i = 0; i < 150000; i++) drop(o);
    reg_slot_put(&slot, make(6), count, drop);
    T_EQ(o->refs, 150000);
    for (int i = 0; i < 149999; i++) drop(o);
    T_EQ(o->a, 5);
    drop(o);
    reg_slot_put(&slot, NULL, count, drop);
}

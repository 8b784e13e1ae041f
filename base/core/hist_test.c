/* SPDX-License-Identifier: Apache-2.0 */
#include "core/hist.h"

#include <pthread.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "core/heap.h"
#include "core/list.h"
#include "core/ring.h"
#include "core/status.h"
#include "core/torture.h"
#include "harness/test.h"

SN_TEST(hist_slots_partition_the_numbers)
{
    for (unsigned bits = 1; bits <= SN_HIST_BITS_MAX; bits++) {
        sn_test_row("%u bits", bits);
        size_t n = sn_hist_slot(bits, UINT64_MAX) + 1;
        T_EQ(sn_hist_slot_low(bits, 0), 0);
        for (size_t i = 0; i < n; i++) {
            uint64_t lo = sn_hist_slot_low(bits, i), hi = sn_hist_slot_high(bits, i);
            if (sn_hist_slot(bits, lo) != i || sn_hist_slot(bits, hi) != i)
                T_ASSERTF(false, "slot %zu", i);
            if (i + 1 < n && sn_hist_slot_low(bits, i + 1) != hi + 1)
                T_ASSERTF(false, "slot %zu", i);
            if ((double)(hi - lo) > (double)lo / (double)(1u << bits))
                T_ASSERTF(false, "slot %zu", i);
        }
        T_ASSERT(sn_hist_slot_high(bits, n - 1) == UINT64_MAX);
    }
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

SN_TEST(hist_percentiles_equal_a_sorted_list)
{
    enum { N = 4000 };
    static uint64_t v[N];
    for (unsigned round = 0; round < sn_test_cases(20); round++) {
        struct sn_hist h, half[2];
        T_OK(sn_hist_init(&h, 7, 0));
        T_OK(sn_hist_init(&half[0], 7, 0));
        T_OK(sn_hist_init(&half[1], 7, 0));
        uint64_t sum = 0;
        for (size_t i = 0; i < N; i++) {
            v[i] = sn_test_rand() >> (round + sn_test_rand_below(20));
            sum += v[i];
            sn_hist_record(&h, v[i]);
            sn_hist_record(&half[i & 1], v[i]);
        }
        qsort(v, N, sizeof(v[0]), by_value);
        T_OK(sn_hist_merge(&half[0], &half[1]));
        static const double pcts[] = {0, 1, 10, 50, 90, 99, 99.9, 99.99, 100};
        for (size_t i = 0; i < SN_COUNT_OF(pcts); i++) {
            size_t rank = (size_t)(pcts[i] * N / 100 + 0.999999);
            uint64_t exact = v[rank ? rank - 1 : 0], got = sn_hist_percentile(&h, pcts[i]);
            sn_test_row("p%g", pcts[i]);
            T_ASSERTF(got >= exact && (double)(got - exact) <= (double)exact / 128, "%llu for %llu",
                      (unsigned long long)got, (unsigned long long)exact);
            T_EQ(got, sn_hist_percentile(&half[0], pcts[i]));
        }
        T_EQ(h.count, N);
        T_EQ(h.sum, sum);
        T_EQ(h.min, v[0]);
        T_EQ(sn_hist_percentile(&h, 100), v[N - 1]);
        T_EQ(half[0].max, v[N - 1]);
        sn_hist_done(&h);
        sn_hist_done(&half[0]);
        sn_hist_done(&half[1]);
    }
}

SN_TEST(hist_edges)
{
    struct sn_hist h, other;
    T_EQ(sn_hist_init(&h, 0, 0), SN_E_INVALID_ARGUMENT);
    T_EQ(sn_hist_init(&h, SN_HIST_BITS_MAX + 1, 0), SN_E_INVALID_ARGUMENT);
    T_OK(sn_hist_init(&h, 5, 1000));
    T_EQ(sn_hist_percentile(&h, 50), 0);
    T_ASSERT(sn_hist_mean(&h) == 0);
    sn_hist_record_n(&h, 7, 3);
    sn_hist_record(&h, 123456789); /* beyond value_max */
    T_EQ(sn_hist_percentile(&h, 75), 7);
    T_EQ(sn_hist_percentile(&h, 76), 123456789);
    T_EQ(sn_hist_count_at_most(&h, 6), 0);
    T_EQ(sn_hist_count_at_most(&h, 7), 3);
    T_EQ(sn_hist_count_at_most(&h, UINT64_MAX), 4);
    T_EQ(h.sum, 123456810);
    T_OK(sn_hist_init(&other, 6, 1000));
    T_EQ(sn_hist_merge(&h, &other), SN_E_INVALID_ARGUMENT);
    sn_hist_reset(&h);
    T_EQ(sn_hist_percentile(&h, 100), 0);
    T_EQ(h.count + h.sum + h.max, 0);
    sn_hist_done(&h);
    sn_hist_done(&other);
}

/* ---- rings ---- */

SN_TEST(ring_equals_a_list)
{
    for (unsigned round = 0; round < sn_test_cases(50); round++) {
        struct sn_spsc r;
        size_t cap = 1 + sn_test_rand_below(40);
        T_OK(sn_spsc_init(&r, cap, 8));
        T_ASSERT(sn_spsc_cap(&r) >= cap && sn_spsc_cap(&r) < 2 * cap + 1);
        uint64_t in = 0, out = 0, batch[50];
        for (unsigned step = 0; step < 2000; step++) {
            size_t n = 1 + sn_test_rand_below(SN_COUNT_OF(batch)), moved;
            size_t room = sn_spsc_cap(&r) - (in - out);
            switch (sn_test_rand_below(4)) {
            case 0: T_EQ(sn_spsc_push(&r, &in), room > 0); in += room > 0; break;
            case 1:
                T_EQ(sn_spsc_pop(&r, &batch[0]), in > out);
                if (in > out) T_EQ(batch[0], out++);
                break;
            case 2:
                for (size_t i = 0; i < n; i++) batch[i] = in + i;
                moved = sn_spsc_push_n(&r, batch, n);
                T_EQ(moved, SN_MIN(n, room));
                in += moved;
                break;
            default:
                moved = sn_spsc_pop_n(&r, batch, n);
                T_EQ(moved, SN_MIN(n, (size_t)(in - out)));
                for (size_t i = 0; i < moved; i++) T_EQ(batch[i], out++);
            }
            T_EQ(sn_spsc_len(&r), in - out);
        }
        sn_spsc_done(&r);
    }
    struct sn_spsc r;
    T_EQ(sn_spsc_init(&r, 0, 8), SN_E_INVALID_ARGUMENT);
    T_EQ(sn_spsc_init(&r, SN_SPSC_CAP_MAX + 1, 8), SN_E_INVALID_ARGUMENT);
    T_EQ(sn_spsc_init(&r, 8, 0), SN_E_INVALID_ARGUMENT);
}

#define RING_ITEMS 200000u

struct triple {
    uint64_t a, b, c;
};

static void *ring_producer(void *arg)
{
    struct sn_spsc *r = arg;
    for (uint64_t i = 0; i < RING_ITEMS;) {
        struct triple t[7];
        size_t n = 1 + i % 7, k;
        for (k = 0; k < n; k++) t[k] = (struct triple){i + k, ~(i + k), (i + k) * 3};
        k = n == 1 ? sn_spsc_push(r, &t[0]) : sn_spsc_push_n(r, t, SN_MIN(n, RING_ITEMS - i));
        if (k == 0) sched_yield();
        i += k;
    }
    return NULL;
}

SN_TEST_SLOW(ring_keeps_order_between_threads, 60)
{
    struct sn_spsc r;
    pthread_t t;
    T_OK(sn_spsc_init(&r, 64, sizeof(struct triple)));
    T_EQ(pthread_create(&t, NULL, ring_producer, &r), 0);
    for (uint64_t i = 0; i < RING_ITEMS;) {
        struct triple got[5];
        size_t n = i % 5 == 0 ? sn_spsc_pop(&r, &got[0]) : sn_spsc_pop_n(&r, got, i % 5);
        if (n == 0) sched_yield();
        for (size_t k = 0; k < n; k++, i++)
            if (got[k].a != i || got[k].b != ~i || got[k].c != i * 3)
                T_ASSERTF(false, "item %d", (int)i);
    }
    T_EQ(pthread_join(t, NULL), 0);
    T_EQ(sn_spsc_len(&r), 0);
    sn_spsc_done(&r);
}

#define PRODUCERS 4
#define NODES 20000

struct msg {
    struct sn_mpsc_node node;
    unsigned producer, seq;
};
static struct msg msgs[PRODUCERS][NODES];
static struct sn_mpsc queue;

static void *mpsc_producer(void *arg)
{
    unsigned p = (unsigned)(uintptr_t)arg;
    for (unsigned i = 0; i < NODES; i++) {
        msgs[p][i].producer = p;
        msgs[p][i].seq = i;
        sn_mpsc_push(&queue, &msgs[p][i].node);
    }
    return NULL;
}

SN_TEST_SLOW(mpsc_keeps_each_producers_order, 60)
{
    pthread_t t[PRODUCERS];
    unsigned next[PRODUCERS] = {0};
    sn_mpsc_init(&queue);
    for (unsigned p = 0; p < PRODUCERS; p++)
        T_EQ(pthread_create(&t[p], NULL, mpsc_producer, (void *)(uintptr_t)p), 0);
    for (unsigned n = 0; n < PRODUCERS * NODES;) {
        struct sn_mpsc_node *node = sn_mpsc_pop(&queue);
        if (!node) {
            sched_yield();
            continue;
        }
        struct msg *m = SN_CONTAINER_OF(node, struct msg, node);
        if (m->seq != next[m->producer]++) T_ASSERTF(false, "producer %u", m->producer);
        n++;
    }
    for (unsigned p = 0; p < PRODUCERS; p++) T_EQ(pthread_join(t[p], NULL), 0);
    T_ASSERT(!sn_mpsc_pop(&queue) && sn_mpsc_empty(&queue));
}

SN_TEST(mpsc_says_when_it_was_empty)
{
    struct sn_mpsc q;
    struct sn_mpsc_node n[3];
    sn_mpsc_init(&q);
    for (int round = 0; round < 3; round++) {
        T_ASSERT(sn_mpsc_empty(&q) && !sn_mpsc_pop(&q));
        T_ASSERT(sn_mpsc_push(&q, &n[0]));
        T_ASSERT(!sn_mpsc_push(&q, &n[1]));
        T_ASSERT(!sn_mpsc_empty(&q));
        T_ASSERT(sn_mpsc_pop(&q) == &n[0]);
        T_ASSERT(!sn_mpsc_push(&q, &n[2]));
        T_ASSERT(sn_mpsc_pop(&q) == &n[1] && sn_mpsc_pop(&q) == &n[2]);
    }
}

/* ---- heap and list ---- */

struct task {
    struct sn_heap_node node;
    uint64_t key;
};
static bool task_less(const struct sn_heap_node *a, const struct sn_heap_node *b)
{
    return SN_CONTAINER_OF(a, const struct task, node)->key <
           SN_CONTAINER_OF(b, const struct task, node)->key;
}

SN_TEST(heap_equals_a_list)
{
    enum { N = 200 };
    static struct task t[N];
    struct sn_heap h;
    sn_heap_init(&h, task_less);
    for (unsigned step = 0; step < sn_test_cases(20000); step++) {
        struct task *x = &t[sn_test_rand_below(N)];
        switch (sn_test_rand_below(4)) {
        case 0:
        case 1:
            x->key = sn_heap_linked(&x->node) ? x->key : sn_test_rand_below(500);
            if (!sn_heap_linked(&x->node)) T_OK(sn_heap_push(&h, &x->node));
            break;
        case 2: sn_heap_remove(&h, &x->node); break;
        default:
            x->key = sn_test_rand_below(500);
            if (sn_heap_linked(&x->node)) sn_heap_update(&h, &x->node);
        }
        uint64_t least = UINT64_MAX, n = 0;
        for (size_t i = 0; i < N; i++) {
            if (!sn_heap_linked(&t[i].node)) continue;
            least = SN_MIN(least, t[i].key);
            n++;
        }
        T_EQ(h.len, n);
        struct sn_heap_node *top = sn_heap_peek(&h);
        T_EQ(top ? SN_CONTAINER_OF(top, struct task, node)->key : UINT64_MAX, least);
    }
    uint64_t prev = 0;
    for (struct sn_heap_node *n; (n = sn_heap_pop(&h));) {
        uint64_t key = SN_CONTAINER_OF(n, struct task, node)->key;
        T_ASSERT(key >= prev);
        prev = key;
    }
    sn_heap_done(&h);
}

static int build_all(void *arg)
{
    struct sn_hist h = {0};
    struct sn_spsc s = {0};
    struct sn_heap heap;
    struct task t = {0};
    sn_heap_init(&heap, task_less);
    int r = sn_hist_init(&h, 4, 0);
    if (r == 0) r = sn_spsc_init(&s, 4, 4);
    if (r == 0) r = sn_heap_push(&heap, &t.node);
    sn_hist_done(&h);
    sn_spsc_done(&s);
    sn_heap_done(&heap);
    return r;
}
SN_TEST(containers_torture) { T_EQ(sn_torture(build_all, NULL), 3); }

SN_TEST(list_order)
{
    struct sn_list l, n[5];
    sn_list_init(&l);
    T_ASSERT(sn_list_empty(&l) && !sn_list_pop_front(&l));
    for (int i = 1; i < 5; i++) sn_list_push_back(&l, &n[i]);
    sn_list_push_front(&l, &n[0]);
    sn_list_del(&n[2]);
    sn_list_del(&n[2]);
    T_ASSERT(!sn_list_linked(&n[2]) && sn_list_linked(&n[3]));
    const int want[] = {0, 1, 3, 4};
    size_t i = 0;
    SN_LIST_EACH(&l, it)
    {
        T_ASSERT(it == &n[want[i++]]);
        if (it == &n[3]) sn_list_del(it);
    }
    T_EQ(i, 4);
    T_ASSERT(sn_list_pop_front(&l) == &n[0]);
    T_ASSERT(l.prev == &n[4]);
}

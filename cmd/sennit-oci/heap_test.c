/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-oci/heap_test.c - the program's own malloc, under other names beside libc's. */
#include <string.h>

#include "core/base.h"
#include "harness/test.h"

void *heap_malloc(size_t n);
void heap_free(void *p);
void *heap_calloc(size_t n, size_t size);
void *heap_realloc(void *p, size_t n);
size_t heap_usable(void *p);

#define LISTED_MAX (256u << 10) /* as in heap.c */

SN_TEST(sizes)
{
    for (size_t n = 0; n < 3 * LISTED_MAX; n += n < 5000 ? 1 : 997) {
        char *p = heap_malloc(n);
        T_ASSERT(p);
        T_EQ((uintptr_t)p % 16, 0);
        size_t has = heap_usable(p);
        T_ASSERT(has >= n && (has <= n + 16 || has <= n + n / 4));
        memset(p, 1, has);
        /* The next of this size is the same block, and the one of a size that it holds. */
        heap_free(p);
        if (has > LISTED_MAX) continue;
        T_ASSERT(heap_malloc(has) == p);
        heap_free(p);
    }
    heap_free(NULL);
}

SN_TEST(too_large)
{
    T_ASSERT(!heap_malloc(SIZE_MAX));
    T_ASSERT(!heap_malloc(PTRDIFF_MAX));
    T_ASSERT(!heap_calloc(SIZE_MAX / 2, 3));
    char *p = heap_malloc(10);
    T_ASSERT(!heap_realloc(p, SIZE_MAX - 100));
    heap_free(p);
}

struct piece {
    unsigned char *p;
    size_t n;
};

static bool whole(const struct piece *x, unsigned k, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (x->p[i] != (unsigned char)(k + (unsigned)i * 7)) return false;
    return true;
}

SN_TEST(nothing_overlaps)
{
    static struct piece x[300];
    for (unsigned step = 0; step < sn_test_cases(200000); step++) {
        unsigned k = (unsigned)sn_test_rand_below(SN_COUNT_OF(x));
        size_t n = sn_test_rand_below(200) ? sn_test_rand_below(600) : sn_test_rand_below(400000);
        struct piece *t = &x[k];
        if (t->p) T_ASSERT(whole(t, k, t->n));
        if (t->p && sn_test_rand_below(3)) {
            heap_free(t->p);
            t->p = NULL;
            continue;
        }
        if (t->p) {
            t->p = heap_realloc(t->p, n);
            T_ASSERT(t->p && whole(t, k, SN_MIN(n, t->n)));
        } else if (sn_test_rand_below(2)) {
            t->p = heap_malloc(n);
        } else {
            t->p = heap_calloc(1, n);
            for (size_t i = 0; i < n; i++) T_ASSERT(t->p[i] == 0);
        }
        t->n = n;
        for (size_t i = 0; i < n; i++) t->p[i] = (unsigned char)(k + (unsigned)i * 7);
    }
    for (unsigned k = 0; k < SN_COUNT_OF(x); k++) heap_free(x[k].p);
}

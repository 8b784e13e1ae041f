/* SPDX-License-Identifier: Apache-2.0 */
#include "core/alloc.h"

#include <pthread.h>

#include "core/status.h"
#include "core/torture.h"
#include "core/vec.h"
#include "harness/test.h"

SN_TEST(alloc_counts_and_aligns)
{
    int64_t before = sn_alloc_live();
    void *p = sn_alloc(0), *q = sn_alloc(0);
    T_ASSERT(p && q && p != q);
    T_EQ(sn_alloc_live() - before, 2);
    p = sn_realloc(p, 100);
    p = sn_realloc(p, 0); /* not a free */
    T_ASSERT(p);
    T_EQ(sn_alloc_live() - before, 2);
    sn_free(p);
    sn_free(q);
    sn_free(NULL);
    T_EQ(sn_alloc_live(), before);
    T_ASSERT(!sn_zalloc(SIZE_MAX / 2, 3));
    uint64_t *z = sn_zalloc(10, 8);
    for (int i = 0; i < 10; i++) T_EQ(z[i], 0);
    sn_free(z);
    for (size_t align = 1; align <= 4096; align *= 2) {
        char *a = sn_aligned_alloc(align, 33);
        T_EQ((uintptr_t)a % align, 0);
        sn_free(a);
    }
}

static struct {
    int allocs, frees;
    size_t bytes;
    void *last_freed;
} seen;
static void see_alloc(void *p, size_t n) { seen.allocs++, seen.bytes += n; }
static void see_free(void *p) { seen.frees++, seen.last_freed = p; }
static bool veto_large(size_t n) { return n > 1000; }

SN_TEST(alloc_hooks_see_everything_and_veto)
{
    static const struct sn_alloc_hooks hooks = {veto_large, see_alloc, see_free};
    sn_alloc_set_hooks(&hooks);
    char *p = sn_alloc(10);
    memcpy(p, "kept", 5);
    uintptr_t old = (uintptr_t)p;
    T_ASSERT(!sn_alloc(1001) && !sn_zalloc(2, 501) && !sn_aligned_alloc(64, 2000));
    T_ASSERT(!sn_realloc(p, 5000));
    T_CSTR(p, "kept");
    T_EQ(seen.allocs, 1);
    p = sn_realloc(p, 500);
    T_CSTR(p, "kept");
    T_EQ(seen.allocs, 2);
    T_EQ(seen.frees, 1);
    T_ASSERT((uintptr_t)seen.last_freed == old);
    T_EQ(seen.bytes, 510);
    sn_free(p);
    T_EQ(seen.frees, 2);
    sn_alloc_set_hooks(NULL);
}

static void *churn(void *arg)
{
    void *kept = NULL;
    for (int i = 0; i < 2000; i++) {
        void *p = sn_alloc(16);
        sn_free(kept);
        kept = p;
    }
    return kept; /* freed by another thread */
}

/* More threads than counter slots: the late ones share. */
SN_TEST_SLOW(alloc_counts_across_threads, 60)
{
    int64_t before = sn_alloc_live();
    for (int wave = 0; wave < 40; wave++) {
        pthread_t t[8];
        void *p;
        for (int i = 0; i < 8; i++) T_EQ(pthread_create(&t[i], NULL, churn, NULL), 0);
        for (int i = 0; i < 8; i++) {
            T_EQ(pthread_join(t[i], &p), 0);
            sn_free(p);
        }
    }
    T_EQ(sn_alloc_live(), before);
}

/* ---- the torturer itself ---- */

static int three_blocks(void *arg)
{
    char *a SN_CLEANUP(sn_freep) = sn_alloc(1);
    if (!a) return SN_E_NOMEM;
    char *b SN_CLEANUP(sn_freep) = sn_alloc(2);
    if (!b) return SN_E_NOMEM;
    char *c SN_CLEANUP(sn_freep) = sn_zalloc(1, 3);
    return c ? 0 : SN_E_NOMEM;
}
static int leaks_on_error(void *arg)
{
    void **a = sn_alloc(sizeof(*a));
    if (!a) return SN_E_NOMEM;
    char *b = sn_alloc(2);
    if (!b) {
        *a = *(void **)arg;
        *(void **)arg = a;
        return SN_E_NOMEM;
    }
    sn_free(a);
    sn_free(b);
    return 0;
}
static int swallows(void *arg)
{
    sn_free(sn_alloc(1));
    return 0;
}

SN_TEST(torture_finds_what_it_is_for)
{
    void *leaked = NULL;
    T_EQ(sn_torture(three_blocks, NULL), 3);
    T_EQ(sn_torture(leaks_on_error, &leaked), SN_E_DATA_LOSS);
    T_CSTR(sn_diag_str(SN_E_DATA_LOSS), "torture: 1 blocks leaked at allocation 2");
    while (leaked) {
        void *next = *(void **)leaked;
        sn_free(leaked);
        leaked = next;
    }
    T_EQ(sn_torture(swallows, NULL), SN_E_INTERNAL);
    T_EQ(sn_torture_lenient(swallows, NULL), 1);
}

/* ---- vectors ---- */

static int fill_vector(void *arg)
{
    SN_VEC(int) v = {0};
    int r = 0;
    for (int i = 0; r == 0 && i < 1000; i++) r = sn_vec_push(&v, i * 3);
    for (size_t i = 0; i < v.len; i++) T_EQ(v.ptr[i], (int)i * 3);
    sn_vec_done(&v);
    return r;
}

SN_TEST(vec_grows_and_survives_failure)
{
    int n = sn_torture(fill_vector, NULL);
    T_ASSERTF(n >= 5 && n <= 10, "%d growths for 1000 pushes", n);
    SN_VEC(uint64_t) v = {0};
    T_EQ(sn_vec_reserve(&v, SIZE_MAX / 4), SN_E_NOMEM);
    T_ASSERT(v.ptr == NULL && v.cap == 0);
    uint64_t *e = sn_vec_add(&v);
    T_ASSERT(e && *e == 0);
    T_OK(sn_vec_push(&v, 5));
    sn_vec_remove_swap(&v, 0);
    T_EQ(v.len, 1);
    T_EQ(v.ptr[0], 5);
    uint64_t sum = 0;
    SN_VEC_EACH(&v, it) sum += *it;
    T_EQ(sum, 5);
    sn_vec_done(&v);
}

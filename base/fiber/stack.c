/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/stack.c - guarded stacks that cost memory only where they are touched.
 *
 * Slots are carved from large mappings without swap reservation and without huge pages, each with
 * a guard page made by MADV_GUARD_INSTALL (Linux 6.13), which needs no mapping of its own: a
 * million guarded stacks live in a few dozen mappings. Where the kernel lacks it, mprotect is used,
 * and vm.max_map_count then limits the number of stacks to about 32,000.
 *
 * A first touch costs a page fault (3-17 us measured under virtualisation), a reused stack nothing:
 * so stacks are cached per worker, last in first out; what a worker has too many of goes to a
 * common warm list with its pages; and what nobody took from there for a second gives its pages
 * back, on the watchdog's thread, where it delays nobody. The mappings stay until the runtime ends.
 */
#include "core/alloc.h"
#include "fiber/leak_int.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(a, b) 0
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#define PIDFD_SELF_PROCESS (-20000) /* the calling process, Linux 6.14 */
#define SN_STACK_GUARDS 64u /* made in one call */
#define SN_STACK_REGION (64u << 20) /* bytes per mapping */
#define SN_STACK_REFILL 8u
#define SN_STACK_BIG (1u << 20)
#define SN_STACK_PERIOD SN_SEC
#define SN_PAGE 4096u

struct region {
    struct region *next;
    char *mem;
    size_t bytes, used;
    size_t guarded; /* slots below this have their guard page */
};

static struct {
    struct sn_spin lock;
    size_t slot;
    struct region *regions;
    struct sn_stack *warm; /* resident, in nobody's cache */
    size_t warm_n, warm_min; /* and the fewest there were in this period */
    int64_t period_at;
    char **cold; /* slots without pages */
    size_t cold_n, cold_cap;
    size_t reserved;
    bool no_guard_madvise, no_guard_many;
} pool;

int sn_stacks_init(size_t slot)
{
    pool.slot = slot;
    pool.no_guard_madvise = pool.no_guard_many = false;
    return 0;
}

size_t sn_stacks_reserved(void) { return SN_LOAD(&pool.reserved); }
size_t sn_stacks_slot(void) { return pool.slot; }

/* Without the lock, which a stopped worker may hold: the list only ever grows at its head. */
SN_LEAK_RAW void sn_stacks_regions(void (*fn)(uintptr_t lo, uintptr_t hi, void *arg), void *arg)
{
    for (struct region *r = pool.regions; r; r = r->next)
        fn((uintptr_t)r->mem, (uintptr_t)r->mem + r->bytes, arg);
}

static bool guard(char *page)
{
    if (!pool.no_guard_madvise) {
        if (madvise(page, SN_PAGE, MADV_GUARD_INSTALL) == 0) return true;
        pool.no_guard_madvise = true;
    }
    return mprotect(page, SN_PAGE, PROT_NONE) == 0;
}

/* Guards of the next slots of `r`, many in one call: half the price of one each. */
static bool guard_next(struct region *r)
{
#if defined(SYS_process_madvise)
    struct iovec v[SN_STACK_GUARDS];
    unsigned n = 0;
    for (size_t at = r->guarded; n < SN_STACK_GUARDS && at + pool.slot <= r->bytes; n++) {
        v[n] = (struct iovec){r->mem + at, SN_PAGE};
        at += pool.slot;
    }
    if (!pool.no_guard_many && !pool.no_guard_madvise) {
        if (syscall(SYS_process_madvise, PIDFD_SELF_PROCESS, v, n, MADV_GUARD_INSTALL, 0) ==
            (long)n * (long)SN_PAGE) {
            r->guarded += n * pool.slot;
            return true;
        }
        pool.no_guard_many = true; /* before Linux 6.14, or a sandbox */
    }
#endif
    if (!guard(r->mem + r->guarded)) return false;
    r->guarded += pool.slot;
    return true;
}

static struct sn_stack *format(char *slot, size_t bytes, unsigned colour)
{
    uintptr_t head = ((uintptr_t)slot + bytes - sizeof(struct sn_stack)) & ~(uintptr_t)63;
    struct sn_stack *s = (struct sn_stack *)head;
    s->base = slot + SN_PAGE;
    s->top = (char *)head - (size_t)(colour % 16) * SN_CACHE_LINE;
    s->tsan = NULL;
    s->diag_used = false;
    s->vg_id = VALGRIND_STACK_REGISTER(s->base, s->top);
#ifdef SN_TSAN
    s->tsan = __tsan_create_fiber(0);
#endif
    return s;
}

static void unformat(struct sn_stack *s)
{
    VALGRIND_STACK_DEREGISTER(s->vg_id);
#ifdef SN_TSAN
    __tsan_destroy_fiber(s->tsan);
#endif
    (void)s;
}

static struct region *region_map(size_t bytes)
{
    char *m = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (m == MAP_FAILED) return NULL;
    (void)madvise(m, bytes, MADV_NOHUGEPAGE);
    struct region *r = sn_alloc(sizeof(*r));
    if (!r) {
        munmap(m, bytes);
        return NULL;
    }
    *r = (struct region){.mem = m, .bytes = bytes};
    return r;
}

static struct sn_stack *carve(void)
{
    struct region *r = pool.regions;
    if (!r || r->used + pool.slot > r->bytes) {
        size_t bytes = SN_MAX((size_t)SN_STACK_REGION, pool.slot * 16);
        r = region_map(bytes);
        if (!r) return NULL;
        r->next = pool.regions;
        pool.regions = r;
        SN_STORE(&pool.reserved, pool.reserved + bytes);
    }
    char *slot = r->mem + r->used;
    if (r->used >= r->guarded && !guard_next(r)) return NULL;
    r->used += pool.slot;
    return format(slot, pool.slot, (unsigned)(r->used / pool.slot));
}

static struct sn_stack *take_one(void)
{
    struct sn_stack *s = pool.warm;
    if (s) {
        pool.warm = s->next;
        if (--pool.warm_n < pool.warm_min) pool.warm_min = pool.warm_n;
        return s;
    }
    if (!pool.cold_n) return carve();
    char *slot = pool.cold[--pool.cold_n];
    return format(slot, pool.slot, (unsigned)((uintptr_t)slot / pool.slot));
}

struct sn_stack *sn_stack_refill(struct sn_worker *w)
{
    sn_spin_lock(&pool.lock);
    for (unsigned i = 0; i < SN_STACK_REFILL; i++) {
        struct sn_stack *s = take_one();
        if (!s) break;
        sn_stack_give(w, s);
    }
    sn_spin_unlock(&pool.lock);
    return w->stack_head;
}

void sn_stack_trim(struct sn_worker *w)
{
    if (w->stack_n <= SN_STACK_CACHE_MAX) return;
    sn_spin_lock(&pool.lock);
    while (w->stack_n > SN_STACK_CACHE_MAX / 2) {
        struct sn_stack *s = sn_stack_take(w);
        s->next = pool.warm;
        pool.warm = s;
        pool.warm_n++;
    }
    sn_spin_unlock(&pool.lock);
}

/* One warm stack becomes a cold slot. False: none, or no memory to remember it. */
static bool cool_one(void)
{
    sn_spin_lock(&pool.lock);
    struct sn_stack *s = pool.warm;
    if (s) {
        pool.warm = s->next;
        pool.warm_n--;
    }
    sn_spin_unlock(&pool.lock);
    if (!s) return false;
    char *slot = s->base - SN_PAGE;
    unformat(s);
    SN_UNPOISON(s->base, pool.slot - SN_PAGE);
    (void)madvise(s->base, pool.slot - SN_PAGE, MADV_DONTNEED);
    sn_spin_lock(&pool.lock);
    if (pool.cold_n == pool.cold_cap) {
        size_t cap = pool.cold_cap ? pool.cold_cap * 2 : 256;
        char **c = sn_realloc(pool.cold, cap * sizeof(*c));
        if (!c) { /* then it stays warm, with one page */
            s = format(slot, pool.slot, (unsigned)((uintptr_t)slot / pool.slot));
            s->next = pool.warm;
            pool.warm = s;
            pool.warm_n++;
            sn_spin_unlock(&pool.lock);
            return false;
        }
        pool.cold = c;
        pool.cold_cap = cap;
    }
    pool.cold[pool.cold_n++] = slot;
    sn_spin_unlock(&pool.lock);
    return true;
}

void sn_stacks_reclaim(int64_t now)
{
    sn_spin_lock(&pool.lock);
    size_t n = 0;
    if (now - pool.period_at >= SN_STACK_PERIOD) {
        n = pool.period_at ? pool.warm_min : 0;
        pool.period_at = now;
        pool.warm_min = pool.warm_n - n;
    }
    sn_spin_unlock(&pool.lock);
    while (n-- && cool_one()) {}
}

void sn_stacks_done(void)
{
    for (struct region *r = pool.regions, *n; r; r = n) {
        n = r->next;
        for (size_t at = 0; at < r->used; at += pool.slot) {
            uintptr_t head = (uintptr_t)r->mem + at + pool.slot - sizeof(struct sn_stack);
            struct sn_stack *st = (struct sn_stack *)(head & ~(uintptr_t)63);
            if (st->base) unformat(st); /* a cold slot reads as zeroes */
        }
        SN_UNPOISON(r->mem, r->bytes);
        munmap(r->mem, r->bytes);
        sn_free(r);
    }
    sn_free(pool.cold);
    pool.regions = NULL;
    pool.warm = NULL;
    pool.cold = NULL;
    pool.warm_n = pool.warm_min = pool.cold_n = pool.cold_cap = 0;
    pool.period_at = 0;
    SN_STORE(&pool.reserved, 0);
}

struct sn_stack *sn_stack_big(void)
{
    size_t bytes = SN_STACK_BIG + SN_PAGE;
    char *m = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (m == MAP_FAILED) return NULL;
    if (mprotect(m, SN_PAGE, PROT_NONE) != 0) {
        munmap(m, bytes);
        return NULL;
    }
    return format(m, bytes, 0);
}

void sn_stack_big_free(struct sn_stack *s)
{
    if (!s) return;
    unformat(s);
    char *m = s->base - SN_PAGE;
    SN_UNPOISON(m, SN_STACK_BIG + SN_PAGE);
    munmap(m, SN_STACK_BIG + SN_PAGE);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/sample.c - bounded frame-pointer walks for the profilers. */
#include "fiber/sample.h"

#include <pthread.h>
#include <ucontext.h>

#include "fiber/sched_int.h"

#define LEAF_BYTES_MAX 4096 /* leaf functions longer than this go without their caller */
#define SCAN_WORDS 96 /* stack words looked at for the caller of foreign code */

extern char __executable_start[], etext[];

void sn_text_range(uintptr_t *ret_from, uintptr_t *ret_to)
{
    *ret_from = (uintptr_t)__executable_start;
    *ret_to = (uintptr_t)etext;
}
static bool ours(uintptr_t pc)
{
    return pc > (uintptr_t)__executable_start + 8 && pc < (uintptr_t)etext;
}

/* Bounds of this thread's own stack. Workers learn them when they start; other threads at their
 * first sample outside a signal handler, since pthread_getattr_np may allocate. */
static __thread uintptr_t thread_lo, thread_hi;
static void learn_bounds(void)
{
    pthread_attr_t a;
    void *lo;
    size_t size;
    if (pthread_getattr_np(pthread_self(), &a) != 0) return;
    if (pthread_attr_getstack(&a, &lo, &size) == 0) {
        thread_lo = (uintptr_t)lo;
        thread_hi = thread_lo + size;
    }
    pthread_attr_destroy(&a);
}
static int worker_up(struct sn_worker *w)
{
    (void)w;
    if (!thread_hi) learn_bounds();
    return 0;
}
static const struct sn_rt_plugin plugin = {.worker_init = worker_up};
__attribute__((constructor)) static void register_plugin(void) { sn_rt_plugin_add(&plugin); }

/* The bounds of the stack that holds `sp`: the running fiber's, or the thread's own. */
static bool bounds_of(uintptr_t sp, uintptr_t *lo, uintptr_t *hi)
{
    struct sn_worker *w = sn_worker_cur();
    struct sn_fiber *f = w ? w->cur : NULL;
    if (f && f->stack) {
        *lo = (uintptr_t)f->stack->base;
        *hi = (uintptr_t)f->stack->top;
        if (sp >= *lo && sp < *hi) return true;
    }
    *lo = thread_lo;
    *hi = thread_hi;
    return sp >= *lo && sp < *hi;
}

__attribute__((no_sanitize("address", "thread"))) static unsigned walk(uintptr_t bp, uintptr_t lo,
                                                                       uintptr_t hi, uintptr_t *pcs,
                                                                       unsigned max)
{
    unsigned n = 0;
    while (n < max && bp >= lo && bp + 16 <= hi && (bp & 7) == 0) {
        uintptr_t next = ((volatile uintptr_t *)bp)[0], pc = ((volatile uintptr_t *)bp)[1];
        if (pc < 4096) break;
        pcs[n++] = pc;
        if (next <= bp) break;
        bp = next;
    }
    return n;
}

__attribute__((noinline)) unsigned sn_stack_here(uintptr_t *pcs, unsigned max, unsigned skip)
{
    uintptr_t bp = (uintptr_t)__builtin_frame_address(0), lo, hi, all[SN_SAMPLE_FRAMES_MAX];
    if (!bounds_of(bp, &lo, &hi)) {
        if (!thread_hi) learn_bounds();
        if (!bounds_of(bp, &lo, &hi)) return 0;
    }
    unsigned n = walk(bp, bp, hi, all, SN_SAMPLE_FRAMES_MAX);
    if (skip >= n) return 0;
    n = SN_MIN(n - skip, max);
    memcpy(pcs, all + skip, n * sizeof(*pcs));
    return n;
}

#if defined(__x86_64__)
/* Whether the bytes before `pc` are a call instruction: E8 rel32, or FF /2 of 2, 3 or 6 bytes. */
static bool after_call(uintptr_t pc)
{
    const uint8_t *p = (const uint8_t *)pc;
    return p[-5] == 0xe8 || (p[-2] == 0xff && (p[-1] & 0x38) == 0x10) ||
           (p[-3] == 0xff && (p[-2] & 0x38) == 0x10) || (p[-6] == 0xff && (p[-5] & 0x38) == 0x10);
}
/* Compilers leave out a leaf's frame even where frame pointers are kept; its caller is then the
 * word at the stack pointer. Believed only if it follows a direct call to an address shortly before
 * pc. */
__attribute__((no_sanitize("address", "thread"))) static uintptr_t leaf_caller(uintptr_t pc,
                                                                               uintptr_t sp,
                                                                               uintptr_t hi)
{
    int32_t rel;
    if (sp & 7 || sp + 8 > hi) return 0;
    uintptr_t v = *(volatile uintptr_t *)sp;
    if (!ours(v) || ((const uint8_t *)v)[-5] != 0xe8) return 0;
    memcpy(&rel, (const void *)(v - 4), sizeof rel);
    uintptr_t target = v + (uintptr_t)(intptr_t)rel;
    return target <= pc && pc - target < LEAF_BYTES_MAX ? v : 0;
}
#else
static bool after_call(uintptr_t pc)
{
    (void)pc;
    return true;
}
static uintptr_t leaf_caller(uintptr_t pc, uintptr_t sp, uintptr_t hi)
{
    (void)pc, (void)sp, (void)hi;
    return 0;
}
#endif

/* The return address into our code nearest the stack pointer, below the frame bp names. */
__attribute__((no_sanitize("address", "thread"))) static uintptr_t scan(uintptr_t sp, uintptr_t bp,
                                                                        uintptr_t hi)
{
    uintptr_t end = SN_MIN(hi, sp + SCAN_WORDS * sizeof(uintptr_t));
    if (bp >= sp && bp < end) end = bp;
    for (uintptr_t at = (sp + 7) & ~(uintptr_t)7; at + 8 <= end; at += 8) {
        uintptr_t v = *(volatile uintptr_t *)at;
        if (ours(v) && after_call(v)) return v;
    }
    return 0;
}

__attribute__((no_sanitize("address", "thread"))) void sn_sample_take(const void *ucontext,
                                                                      struct sn_sample *ret)
{
    const ucontext_t *u = ucontext;
    uintptr_t pc, sp, bp, lo, hi;
#if defined(__x86_64__)
    pc = (uintptr_t)u->uc_mcontext.gregs[REG_RIP];
    sp = (uintptr_t)u->uc_mcontext.gregs[REG_RSP];
    bp = (uintptr_t)u->uc_mcontext.gregs[REG_RBP];
#elif defined(__aarch64__)
    pc = u->uc_mcontext.pc;
    sp = u->uc_mcontext.sp;
    bp = u->uc_mcontext.regs[29];
#else
#error "no register names for this machine"
#endif
    struct sn_worker *w = sn_worker_cur();
    struct sn_fiber *f = w ? w->cur : NULL;
    ret->fiber_id = f ? f->id : 0;
    ret->name = f ? f->name : "";
    ret->pcs[0] = pc;
    ret->n_pcs = 1;
    if (!bounds_of(sp, &lo, &hi)) return;
    uintptr_t caller = ours(pc) ? leaf_caller(pc, sp, hi) : scan(sp, bp, hi);
    if (caller) ret->pcs[ret->n_pcs++] = caller;
    unsigned n = walk(bp, sp, hi, ret->pcs + ret->n_pcs, SN_SAMPLE_FRAMES_MAX - ret->n_pcs);
    /* The frame may be there after all, and name the same caller. */
    if (n && caller && ret->pcs[2] == caller) {
        memmove(ret->pcs + 1, ret->pcs + 2, n * sizeof(*ret->pcs));
        ret->n_pcs = 1;
    }
    ret->n_pcs += n;
}

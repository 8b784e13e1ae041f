/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/ctx.h - the context switch.
 *
 * Only stack pointer, frame pointer and resume address are saved; every other register is declared
 * clobbered, so the compiler saves what is live and nothing else. Resuming is an indirect jump, not
 * `ret`, because a return to an address the return predictor has not seen pushed costs ~20 cycles.
 * MXCSR and the x87 control word are left alone: nothing in Sennit changes them.
 *
 * Nothing is pushed below the stack pointer, so a leaf function's 128-byte red zone survives, and
 * a fresh context enters sn_ctx_boot with the stack 16-byte aligned. Under ASan and TSan the switch
 * is a call to an uninstrumented function: the instrumented inline form would check shadow memory
 * of one stack while standing on another. */
#pragma once
#include "core/base.h"

struct sn_ctx {
    void *sp, *ip, *bp;
};

/* sn_ctx_boot - where a fresh context starts: an outermost frame (frame pointer 0, CFI without a
 * return address, so unwinders stop) that calls sn_fiber_main(). */
void sn_ctx_boot(void);
/* sn_ctx_init - a context that will boot on the stack ending at `top` (16-aligned). */
static inline void sn_ctx_init(struct sn_ctx *c, void *top)
{
    c->sp = top;
    c->ip = (void *)(uintptr_t)&sn_ctx_boot;
    c->bp = NULL;
}

#if defined(SN_ASAN) || defined(SN_TSAN) || !defined(__x86_64__)
#define SN_CTX_OUT_OF_LINE 1
/* sn_ctx_switch_call - saves callee-saved registers on the stack, then switches. */
void sn_ctx_switch_call(struct sn_ctx *from, struct sn_ctx *to);
#endif

static SN_ALWAYS_INLINE void sn_ctx_switch(struct sn_ctx *from, struct sn_ctx *to)
{
#ifdef SN_CTX_OUT_OF_LINE
    sn_ctx_switch_call(from, to);
#else
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rsp, 0(%0)\n\t"
                     "movq %%rax, 8(%0)\n\t"
                     "movq %%rbp, 16(%0)\n\t"
                     "movq 16(%1), %%rbp\n\t"
                     "movq 0(%1), %%rsp\n\t"
                     "jmpq *8(%1)\n"
                     "1:"
                     : "+D"(from), "+S"(to)
                     :
                     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                       "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
                       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15",
#ifdef __AVX512F__
                       "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23",
                       "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k1",
                       "k2", "k3", "k4", "k5", "k6", "k7",
#endif
                       "memory", "cc");
#endif
}

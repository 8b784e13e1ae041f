/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/ctx.c - the entry point of fresh contexts, and the out-of-line switch for sanitizer builds
 * and for machines without an inline one. Plain assembly: nothing here may be instrumented. */
#include "fiber/ctx.h"

#if defined(__x86_64__)
__asm__(".text\n"
        ".globl sn_ctx_boot\n"
        ".type sn_ctx_boot, @function\n"
        ".p2align 4\n"
        "sn_ctx_boot:\n"
        ".cfi_startproc\n"
        ".cfi_undefined rip\n" /* outermost frame: unwinders stop here */
        "xorl %ebp, %ebp\n"
        /* What the last fiber left in registers would be saved on this stack, and taken for this
         * fiber's own by the leak search. */
        "xorl %ebx, %ebx\n xorl %r12d, %r12d\n xorl %r13d, %r13d\n"
        "xorl %r14d, %r14d\n xorl %r15d, %r15d\n"
        "call sn_fiber_main\n"
        "ud2\n"
        ".cfi_endproc\n"
        ".size sn_ctx_boot, .-sn_ctx_boot\n");
#ifdef SN_CTX_OUT_OF_LINE
__asm__(".text\n"
        ".globl sn_ctx_switch_call\n"
        ".type sn_ctx_switch_call, @function\n"
        ".p2align 4\n"
        "sn_ctx_switch_call:\n"
        "pushq %rbp\n pushq %rbx\n pushq %r12\n pushq %r13\n pushq %r14\n pushq %r15\n"
        "leaq 1f(%rip), %rax\n"
        "movq %rsp, 0(%rdi)\n movq %rax, 8(%rdi)\n movq %rbp, 16(%rdi)\n"
        "movq 16(%rsi), %rbp\n movq 0(%rsi), %rsp\n jmpq *8(%rsi)\n"
        "1: popq %r15\n popq %r14\n popq %r13\n popq %r12\n popq %rbx\n popq %rbp\n ret\n"
        ".size sn_ctx_switch_call, .-sn_ctx_switch_call\n");
#endif
#elif defined(__aarch64__)
__asm__(".text\n"
        ".globl sn_ctx_boot\n"
        ".type sn_ctx_boot, %function\n"
        "sn_ctx_boot:\n"
        ".cfi_startproc\n"
        ".cfi_undefined x30\n"
        "mov x29, #0\n mov x30, #0\n"
        "mov x19, #0\n mov x20, #0\n mov x21, #0\n mov x22, #0\n mov x23, #0\n"
        "mov x24, #0\n mov x25, #0\n mov x26, #0\n mov x27, #0\n mov x28, #0\n"
        "bl sn_fiber_main\n"
        "brk #1\n"
        ".cfi_endproc\n"
        ".globl sn_ctx_switch_call\n"
        ".type sn_ctx_switch_call, %function\n"
        "sn_ctx_switch_call:\n"
        "stp d8, d9, [sp, #-160]!\n stp d10, d11, [sp, #16]\n stp d12, d13, [sp, #32]\n"
        "stp d14, d15, [sp, #48]\n stp x19, x20, [sp, #64]\n stp x21, x22, [sp, #80]\n"
        "stp x23, x24, [sp, #96]\n stp x25, x26, [sp, #112]\n stp x27, x28, [sp, #128]\n"
        "stp x29, x30, [sp, #144]\n"
        "mov x2, sp\n adr x3, 1f\n stp x2, x3, [x0]\n str x29, [x0, #16]\n"
        "ldp x2, x3, [x1]\n ldr x29, [x1, #16]\n mov sp, x2\n br x3\n"
        "1: ldp d10, d11, [sp, #16]\n ldp d12, d13, [sp, #32]\n ldp d14, d15, [sp, #48]\n"
        "ldp x19, x20, [sp, #64]\n ldp x21, x22, [sp, #80]\n ldp x23, x24, [sp, #96]\n"
        "ldp x25, x26, [sp, #112]\n ldp x27, x28, [sp, #128]\n ldp x29, x30, [sp, #144]\n"
        "ldp d8, d9, [sp], #160\n ret\n");
#else
#error "sennit fibers know x86-64 and aarch64"
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/sample.h - call stacks for profilers: of the caller, and of whatever a signal interrupted.
 *
 * Stacks are walked by frame pointers, which this project's code keeps and libc's does not. Every
 * step stays inside the known bounds of the fiber's or thread's stack and must move outwards, so a
 * wrong frame pointer costs frames, never a fault. Where a signal hits foreign code, its caller is
 * looked for among the words on the stack (a return address into our text that follows a call). */
#pragma once
#include <pthread.h>

#include "core/base.h"

#define SN_SAMPLE_FRAMES_MAX 64

/* sn_stack_here - return addresses of the caller's stack, innermost first, leaving out `skip`
 * frames (0 = the address inside the function that calls sn_stack_here). Returns how many.
 * Context: any thread or fiber, not a signal handler; takes no lock, allocates nothing of ours. */
unsigned sn_stack_here(uintptr_t *pcs, unsigned max, unsigned skip);

struct sn_sample {
    uintptr_t pcs[SN_SAMPLE_FRAMES_MAX]; /* [0] is the interrupted instruction, the rest return */
    unsigned n_pcs;
    uint64_t fiber_id; /* 0 outside fibers */
    const char *name;  /* the fiber's; "" outside: valid until the handler returns */
};
/* sn_sample_take - what the signal whose ucontext_t this is interrupted.
 * Context: a signal handler; async-signal-safe. */
void sn_sample_take(const void *ucontext, struct sn_sample *ret);

/* sn_thread_create - pthread_create, remembering the caller's stack while the thread lives (the first
 * SN_THREADS_KNOWN of them). Returns an errno value. Any thread. */
#define SN_THREADS_KNOWN 512
int sn_thread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*fn)(void *arg), void *arg);
/* sn_thread_each - fn once per living thread made by sn_thread_create, with its creator's stack. */
void sn_thread_each(void (*fn)(const uintptr_t *pcs, unsigned n, void *arg), void *arg);

/* sn_text_range - [*ret_from, *ret_to): this program's own code. */
void sn_text_range(uintptr_t *ret_from, uintptr_t *ret_to);

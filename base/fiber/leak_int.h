/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/leak_int.h - between stopping the world (leak.c) and the search in the clone
 * (leak_scan.c). */
#pragma once
#include "fiber/leak.h"
#include "fiber/sched_int.h"

/* Nothing of this may be instrumented: it reads what it has no business with, in a clone of one
 * thread where a sanitizer's locks may be held by threads that do not exist. */
#define SN_LEAK_RAW __attribute__((no_sanitize("address", "thread", "undefined")))

/* The table of tracked blocks: one byte per 16 bytes of address space, 1 where a block starts, in
 * leaves that are mapped when first needed. */
#define SN_LEAK_ADDR_BITS 47
#define SN_LEAK_LEAF_BITS 26 /* bytes of heap per leaf */
#define SN_LEAK_LEAVES (1ull << (SN_LEAK_ADDR_BITS - SN_LEAK_LEAF_BITS))
#define SN_LEAK_LEAF_BYTES (1ull << (SN_LEAK_LEAF_BITS - 4))
extern uint8_t *sn_leak_leaves[SN_LEAK_LEAVES];
extern uint64_t sn_leak_leaf_lo, sn_leak_leaf_hi; /* __atomic: all that are there lie in [lo, hi) */

/* Where a stopped worker's thread was. */
struct sn_leak_stop {
    uintptr_t sp;           /* of the interrupted code */
    uintptr_t alt_lo, alt_hi; /* the signal's frame: all registers; 0 = on the stack itself */
};
struct sn_leak_job {
    struct sn_leak_stop at[SN_WORKERS_MAX];
    uintptr_t here_lo, here_sp;  /* the calling thread's stack: bounds and position */
    int here;                    /* its worker; -1 = none */
    struct sn_leak_found {
        struct sn_fiber *f;
        uint64_t id, word;
    } *found; /* shared with the clone */
    uint32_t *ret_n; /* shared, too */
    uint32_t found_max;
};
/* sn_leak_search - in the clone. Returns 0, or a negative value where it ran out of something. */
int sn_leak_search(struct sn_leak_job *job);

/* leak.c: the handler of the stop signal, for the process and for a worker's mask. */
void sn_stop_install(void);
void sn_stop_uninstall(void);
void sn_stop_worker(void);
/* sn_stop_sample - what worker `w` is running, by a signal to its thread. False: no answer within
 * 100 ms. Context: a thread that is no worker, one at a time. */
struct sn_sample;
bool sn_stop_sample(struct sn_worker *w, struct sn_sample *ret);
/* dump.c: a fiber as sn_fiber_each gives it; false = the record is free. */
bool sn_fiber_snapshot(struct sn_fiber *f, struct sn_fiber_info *ret);
#define SN_ALT_STACK_BYTES (64u << 10)
/* dump.c: bounds of this worker thread's signal stack; 0, 0 without one. Async-signal-safe. */
void sn_crash_alt(uintptr_t *ret_lo, uintptr_t *ret_hi);
/* stack.c: every mapping that stacks are carved from. */
void sn_stacks_regions(void (*fn)(uintptr_t lo, uintptr_t hi, void *arg), void *arg);

/* SPDX-License-Identifier: Apache-2.0 */
/* kit/prof.h - what the program is doing: CPU, heap, fibers, contention; collected here, written
 * by kit/pprof.h, served by kit/debug.h.
 *
 * CPU      a timer per thread on that thread's CPU clock; the signal it sends walks the stack of
 *          the fiber it hit and counts it in a fixed table. Samples carry the fiber's name.
 * heap     one allocation in about `heap_bytes` (Poisson) is recorded with its stack until freed.
 * fiber    every fiber's stack (Go's "goroutine").
 * block    time fibers waited on channels, selects and locks, charged to the stack that waited.
 * mutex    time fibers waited for a lock, charged to the stack that unlocked it.
 * leak     fibers that nothing can wake any more, by reachability (fiber/leak.h); where that search
 *          is impossible, those that have waited long for something other than I/O, time or the
 *          blocking pool, and the profile's comment says so.
 * Tables are fixed in size; what does not fit is counted and said in the profile's comment. */
#pragma once
#include "core/status.h"
#include "kit/pprof.h"

#define SN_PROF_HEAP_BYTES_DEFAULT (512u << 10)
#define SN_PROF_BLOCK_NS_DEFAULT (10 * SN_US)
#define SN_PROF_HZ_DEFAULT 100
#define SN_PROF_LEAK_NS_DEFAULT (5 * SN_MINUTE) /* by age */

enum sn_prof_kind {
    SN_PROF_HEAP,
    SN_PROF_ALLOCS, /* heap, with alloc_space as the default type */
    SN_PROF_FIBER,
    SN_PROF_LEAK,
    SN_PROF_BLOCK,
    SN_PROF_MUTEX,
    SN_PROF_THREAD,
    SN_PROF_KINDS,
};
struct sn_prof_opts {
    size_t heap_bytes; /* mean distance of heap samples; 0 = default, 1 = every allocation */
    int64_t block_ns;  /* shorter waits are sampled in proportion; 0 = default, 1 = all */
};
/* sn_prof_start - begins heap, block and mutex profiling, as early in main as possible: blocks
 * allocated before are not seen. Takes over the allocator's hooks. opts NULL for defaults.
 * Context: before sn_rt_run. */
void sn_prof_start(const struct sn_prof_opts *opts);
void sn_prof_stop(void);

/* sn_prof_open - sn_pprof_init with the kind's types. */
void sn_prof_open(enum sn_prof_kind kind, struct sn_pprof *p);
/* sn_prof_collect - adds the state now, times `sign` (1 or -1: for differences, collect with -1
 * first and with 1 later). leak_ns: only for SN_PROF_LEAK: fibers that have waited for less are left
 * out; 0 = none, or the default where it goes by age. Context: SN_PROF_LEAK blocks for the length of
 * the search (sn_offload); the others are short. */
void sn_prof_collect(enum sn_prof_kind kind, struct sn_pprof *p, int sign, int64_t leak_ns);

/* sn_prof_cpu_start - hz 0 = SN_PROF_HZ_DEFAULT, at most 1000. Threads that start later are not
 * sampled. Returns 0, SN_E_FAILED_PRECONDITION where a CPU profile is being taken,
 * SN_E_UNAVAILABLE where the kernel gives no timers. Any thread. */
int sn_prof_cpu_start(unsigned hz) SN_MUST_CHECK;
/* sn_prof_cpu_stop - ends it and initialises *ret with the result.
 * Returns 0, SN_E_FAILED_PRECONDITION where none was started. */
int sn_prof_cpu_stop(struct sn_pprof *ret) SN_MUST_CHECK;

/* SPDX-License-Identifier: Apache-2.0 */
/* kit/trace.h - execution traces for `go tool trace`: what every fiber and worker did, and when.
 *
 * Collects what fiber/trace.h records and writes it in the format of Go 1.26. In the reader's words,
 * a fiber is a goroutine, a worker a proc, its thread an M. A fiber's name is its label. CPU samples
 * are in it while a CPU profile is taken too (kit/prof.h). Symbols are looked up in this process.
 * Memory is bounded: where the writer is too slow, the trace ends early, says so in a log of its
 * own, and what is there is complete. One trace at a time. Not in simulation. */
#pragma once
#include "core/status.h"
#include "core/str.h"

#define SN_TRACE_MEMORY_DEFAULT ((size_t)64 << 20)
#define SN_TRACE_GENERATION_DEFAULT (1 * SN_SEC)

struct sn_trace_opts {
    /* write - takes the next bytes of the trace. A negative result ends the trace and is its result.
     * Called in one fiber; may suspend. */
    int (*write)(void *arg, struct sn_str bytes);
    void *arg;
    size_t memory_max;     /* bytes of events and tables that wait to be written; 0 = default */
    int64_t generation_ns; /* tables are written this often; 0 = default */
};
struct sn_trace_stats {
    uint64_t bytes, generations, samples_lost;
    bool ended_early; /* the writer was too slow for memory_max */
};

/* sn_trace_run - traces the whole process for duration_ns, or until it ends early.
 * Returns 0, what `write` returned, SN_E_FAILED_PRECONDITION where a trace is being taken,
 * SN_E_UNIMPLEMENTED in simulation, SN_E_NOMEM, SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED. `ret` may be
 * NULL and is set in any case. Context: a fiber. Suspends; begins and ends when each worker has come
 * to its scheduler, so a fiber that computes without a pause holds it up. */
int sn_trace_run(const struct sn_trace_opts *o, int64_t duration_ns,
                 struct sn_trace_stats *ret) SN_MUST_CHECK;

struct sn_trace;
/* sn_trace_start - the same until sn_trace_stop, in a fiber of the current scope; if that scope is
 * cancelled first, the trace ends there and `write` is not called again.
 * Returns 0, SN_E_NOMEM, SN_E_FAILED_PRECONDITION, SN_E_UNIMPLEMENTED, and as sn_go.
 * Owns: *ret, for sn_trace_stop. Context: a fiber. Suspends. */
int sn_trace_start(const struct sn_trace_opts *o, struct sn_trace **ret) SN_MUST_CHECK;
/* sn_trace_stop - writes the rest and frees `t`. Returns as sn_trace_run. Suspends, not cancellable. */
int sn_trace_stop(struct sn_trace *t, struct sn_trace_stats *ret);

/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/trace.h - the execution trace: what programs add to it, and how it is taken out.
 *
 * While a trace is on, every worker writes what its scheduler does (fibers created, started, blocked,
 * woken, ended; the worker idle and busy) into a buffer of its own, in the event encoding of Go's
 * execution trace, version 2. kit/trace.h collects the buffers, adds tables and headers, and is
 * what most programs want. Off, it costs one predictable branch on a word the scheduler has at hand.
 *
 * Time is cut into generations. A generation begins with the next event of each worker after the
 * word that says so has changed, and each event looks at that word first. So an event that follows
 * from another never lies in an earlier generation, and where the trace ends (asked to, or because
 * the buffers are full) no event is there whose cause is missing. */
#pragma once
#include "core/base.h"
#include "core/status.h"
#include "core/str.h"

/* ---- annotations: Go's runtime/trace tasks, regions and logs ---- */

/* sn_trace_on - whether this worker records now: to spare building what nobody reads. */
bool sn_trace_on(void);
/* sn_trace_task_begin - a piece of work that may span fibers; parent 0 = none. Returns its id, also
 * while no trace is on. Context: these five are for any fiber, and cost a branch while off; `name`
 * and `text` are copied, at most SN_TRACE_STRING_MAX bytes of them. */
#define SN_TRACE_STRING_MAX 1024
uint64_t sn_trace_task_begin(uint64_t parent, const char *name);
void sn_trace_task_end(uint64_t task);
/* sn_trace_region_begin, _end - a stretch of the running fiber, for `task` or 0. They nest: the end
 * has the task and name of the innermost begin. */
void sn_trace_region_begin(uint64_t task, const char *name);
void sn_trace_region_end(uint64_t task, const char *name);
/* sn_trace_log - a note at this moment, for `task` or 0. */
void sn_trace_log(uint64_t task, const char *key, struct sn_str text);

/* sn_trace_sample - what a CPU profiler's signal interrupted, into the trace if it wants samples.
 * Context: the signal handler; async-signal-safe. */
struct sn_sample;
void sn_trace_sample(const struct sn_sample *s);

/* ---- taking it out: for kit/trace.c, one caller at a time ---- */

#define SN_TRACE_BUF_BYTES (64u << 10)
#define SN_TRACE_FRAMES_MAX 32

enum sn_trace_buf_kind { SN_TRACE_EVENTS, SN_TRACE_TABLE, SN_TRACE_SAMPLES };
struct sn_trace_buf {
    struct sn_trace_buf *next;
    uint64_t began_ns; /* events count on from here */
    uint32_t gen;      /* 1, 2, ... within the trace */
    uint32_t len;
    int32_t tid;
    uint16_t worker, kind;
    uint8_t data[];
};
#define SN_TRACE_BUF_CAP (SN_TRACE_BUF_BYTES - sizeof(struct sn_trace_buf))
_Static_assert(sizeof(struct sn_trace_buf) % 8 == 0, "entries are aligned");
/* What SN_TRACE_TABLE and SN_TRACE_SAMPLES buffers hold, one after the other, each 8-aligned. */
enum sn_trace_entry_kind {
    SN_TRACE_STACK,  /* return addresses, innermost first */
    SN_TRACE_ENTRY,  /* one address: where a fiber's function begins */
    SN_TRACE_REASON, /* a pointer to a static string */
    SN_TRACE_STRING, /* bytes */
    SN_TRACE_SAMPLE, /* ns, fiber id, then addresses; the first is an instruction */
};
struct sn_trace_entry {
    uint16_t kind, len; /* bytes of data */
    uint32_t id;        /* what events call it; SAMPLE: 0 */
    uint64_t data[];
};
/* Ids below this are the collector's; the workers' are (n << SN_TRACE_ID_SHIFT) | worker, n > 0, so
 * ids whose low bits are all ones are free as well. */
#define SN_TRACE_ID_SHIFT 9
#define SN_TRACE_ID_KEY 1u  /* key and text of the note that says why a trace has ended early: */
#define SN_TRACE_ID_FULL 2u /* written by a worker, put into the table by the collector */

struct sn_trace_rec_opts {
    size_t memory_max; /* bytes of buffers, full ones that nobody has taken yet included */
    bool samples;      /* sn_trace_sample is wanted */
};
/* sn_trace_rec_start - begins to record. Returns 0, SN_E_NOMEM, SN_E_FAILED_PRECONDITION where a
 * trace is being taken, SN_E_UNIMPLEMENTED in simulation. Context: a fiber; suspends, not
 * cancellable, until every worker has come to its scheduler once. */
int sn_trace_rec_start(const struct sn_trace_rec_opts *o) SN_MUST_CHECK;
/* sn_trace_rec_turn - begins the next generation; on return the last one's buffers can be taken.
 * Returns 0, or SN_E_RESOURCE_EXHAUSTED where recording has ended because the buffers are full. As
 * sn_trace_rec_start in what it waits for. */
int sn_trace_rec_turn(void) SN_MUST_CHECK;
/* sn_trace_rec_stop - ends recording; on return all buffers can be taken. Waits likewise. Returns
 * whether it had ended by itself, the buffers being full. */
bool sn_trace_rec_stop(void);
/* sn_trace_rec_done - frees what is left. After sn_trace_rec_stop. */
void sn_trace_rec_done(void);
bool sn_trace_rec_full(void);
/* sn_trace_rec_take - the oldest full buffer; NULL: none. Owns: sn_trace_rec_give. */
struct sn_trace_buf *sn_trace_rec_take(void);
void sn_trace_rec_give(struct sn_trace_buf *b);
/* sn_trace_rec_lost - CPU samples that found no room. */
uint64_t sn_trace_rec_lost(void);

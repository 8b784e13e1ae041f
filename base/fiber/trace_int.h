/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/trace_int.h - the scheduler's side of fiber/trace.h. Each hook stands behind a test of
 * w->trace, which is NULL while no trace is on. */
#pragma once
#include "fiber/rt_int.h"
#include "fiber/trace.h"

/* The generation that events belong to from now on, and whether the buffers are full; 0 = off. */
#define SN_TRACE_FULL (1u << 31)
extern uint32_t sn_trace_word; /* __atomic */
void sn_trace_catch_up(struct sn_worker *w);
/* sn_trace_sync - on the scheduler's context, before handling anything that came from elsewhere: its
 * cause may be of a later generation than this worker's last event. */
static inline void sn_trace_sync(struct sn_worker *w)
{
    if (SN_UNLIKELY(w->trace_word != __atomic_load_n(&sn_trace_word, __ATOMIC_ACQUIRE)))
        sn_trace_catch_up(w);
}

void sn_trace_on_create(struct sn_worker *w, struct sn_fiber *f); /* before it is published */
void sn_trace_on_start(struct sn_worker *w, struct sn_fiber *f);
void sn_trace_on_block(struct sn_worker *w, struct sn_fiber *f);
void sn_trace_on_yield(struct sn_worker *w, struct sn_fiber *f);
void sn_trace_on_end(struct sn_worker *w, struct sn_fiber *f); /* before its record is free */
void sn_trace_on_name(struct sn_worker *w, struct sn_fiber *f);
/* sn_trace_on_wake - in the waker, which has claimed the wait. */
void sn_trace_on_wake(struct sn_worker *w, struct sn_fiber *f);
/* sn_trace_on_inbox - `f` came through the inbox: what its sender could not record is now. */
void sn_trace_on_inbox(struct sn_worker *w, struct sn_fiber *f);
void sn_trace_on_idle(struct sn_worker *w);
void sn_trace_on_busy(struct sn_worker *w);
/* sn_trace_syscall_begin, _end - around a system call that holds the worker. They may be called on
 * any thread and pair up in one function. */
void sn_trace_on_syscall(struct sn_worker *w, bool begin);
static inline void sn_trace_syscall_begin(struct sn_worker *w)
{
    if (SN_UNLIKELY(w && w->trace)) sn_trace_on_syscall(w, true);
}
static inline void sn_trace_syscall_end(struct sn_worker *w)
{
    if (SN_UNLIKELY(w && w->trace)) sn_trace_on_syscall(w, false);
}

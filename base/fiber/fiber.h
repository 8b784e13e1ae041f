/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/fiber.h - the runtime: fibers on all cores, time, deadlines, panics.
 *
 * A fiber is a function on its own small guarded stack, scheduled cooperatively. It starts on any
 * worker and, once started, stays on that worker (compilers cache thread-local addresses across a
 * switch, so migration is unsound in C); balance comes from stealing fibers that have not run yet
 * and connections that have no fiber. Code on a fiber may call anything that does not block the
 * thread; what does block goes through sn_offload().
 *
 * Every call documented "suspends" is a cancellation point: it returns SN_E_CANCELLED when the
 * fiber's scope is cancelled and SN_E_DEADLINE_EXCEEDED when the fiber's deadline passes. */
#pragma once
#include "core/base.h"
#include "core/status.h"

struct sn_fiber;
struct sn_scope;
typedef void (*sn_fiber_fn)(void *arg);

#define SN_FIBER_NAME_MAX 24
#define SN_STACK_DEFAULT (64u << 10) /* slot incl. guard page; committed page by page on touch */

struct sn_rt_opts {
    unsigned workers;      /* 0 = one per CPU this process may run on */
    size_t stack_bytes;    /* slot size, power of two; 0 = SN_STACK_DEFAULT */
    unsigned fibers_max;   /* 0 = 4,000,000; sn_go beyond it is SN_E_RESOURCE_EXHAUSTED */
    unsigned offload_max;  /* threads of the blocking pool; 0 = 64 */
    bool io_uring;         /* use the io_uring poller where the kernel has it; default epoll */
    int64_t idle_poll_ns;  /* a worker without work polls at most this long before it sleeps, while
                              events tend to come within it; 0 = sleeps at once. For servers whose
                              latency counts more than processor time. At most 1 ms */
};

/* sn_rt_run - starts the workers, runs fn(arg) as the first fiber ("main") and returns its value
 * when it has returned. Fibers still alive then are cancelled and joined.
 * opts: NULL for defaults. Returns fn's value, or SN_E_* where the runtime could not start.
 * Context: an ordinary thread; one runtime per process at a time. */
int sn_rt_run(const struct sn_rt_opts *opts, int (*fn)(void *arg), void *arg);

/* ---- fibers ---------------------------------------------------------------------------- */

/* sn_go - runs fn(arg) in a new fiber of the current scope's context (it inherits scope, deadline
 * and simulated host). `name` is copied, at most SN_FIBER_NAME_MAX-1 bytes; NULL = unnamed.
 * Returns 0, SN_E_NOMEM, SN_E_RESOURCE_EXHAUSTED at fibers_max, SN_E_CANCELLED in a cancelled
 * scope. Owns: arg stays the caller's. Context: a fiber (or, detached, sn_go_from_thread). */
int sn_go(const char *name, sn_fiber_fn fn, void *arg) SN_MUST_CHECK;
/* sn_go_on - as sn_go, but the fiber starts on worker `worker` (0-based) and is never stolen. */
int sn_go_on(unsigned worker, const char *name, sn_fiber_fn fn, void *arg) SN_MUST_CHECK;
/* sn_go_cleanup - as sn_go_on, but of no scope and without a deadline: what must be tidied up on a
 * worker although the caller is cancelled. The caller waits for it by means of its own.
 * Returns 0, SN_E_NOMEM, SN_E_RESOURCE_EXHAUSTED, SN_E_INVALID_ARGUMENT. */
int sn_go_cleanup(unsigned worker, const char *name, sn_fiber_fn fn, void *arg) SN_MUST_CHECK;

/* sn_self - the running fiber; NULL on an ordinary thread. */
struct sn_fiber *sn_self(void);
uint64_t sn_fiber_id(const struct sn_fiber *f); /* unique in the process, never reused */
const char *sn_fiber_name(const struct sn_fiber *f);
void sn_fiber_set_name(const char *name);
/* sn_yield - lets other ready fibers of this worker run. Suspends; not a cancellation point. */
void sn_yield(void);
/* sn_worker_id - index of the worker this fiber runs on; -1 on an ordinary thread. */
int sn_worker_id(void);
unsigned sn_worker_count(void);
/* sn_fibers_live - fibers not yet finished, in the whole process. Leak check of tests. */
int64_t sn_fibers_live(void);
/* sn_fiber_local - one pointer slot per fiber for the program above (request context). */
void **sn_fiber_local(void);

/* ---- time ------------------------------------------------------------------------------ */

/* sn_now - monotonic ns; virtual under simulation. Cheap (TSC/vDSO), exact. */
int64_t sn_now(void);
/* sn_now_coarse - monotonic ns of this worker's current tick: a memory load. For timeouts. */
int64_t sn_now_coarse(void);
/* sn_wall_now - unix ns; virtual under simulation. */
int64_t sn_wall_now(void);
/* sn_sleep - suspends for `ns`. Returns 0, SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED. */
int sn_sleep(int64_t ns) SN_MUST_CHECK;
int sn_sleep_until(int64_t at_ns) SN_MUST_CHECK;
/* sn_random - 64 random bits from the worker's generator; seeded under simulation. No secrets. */
uint64_t sn_random(void);

/* sn_deadline_tighten - the fiber's deadline becomes min(current, at_ns); returns the previous one
 * for sn_deadline_restore. Costs two stores; bracket any code:
 *   int64_t d = sn_deadline_tighten(sn_now() + 2 * SN_SEC); r = work(); sn_deadline_restore(d); */
int64_t sn_deadline_tighten(int64_t at_ns);
void sn_deadline_restore(int64_t prev_ns);
int64_t sn_deadline(void); /* SN_FOREVER where there is none */

/* ---- scopes: structured concurrency --------------------------------------------------------- */

/* A scope owns the fibers started in it: sn_scope_wait joins them all. It lives in the caller's
 * frame. Scopes nest; cancelling one cancels everything below it. */
struct sn_scope_storage {
    void *opaque[16];
};
/* sn_scope_begin - opens a scope in `mem`, child of the fiber's current one, which it replaces
 * until sn_scope_end. Context: a fiber; begin and end pair up in the same fiber, LIFO. */
struct sn_scope *sn_scope_begin(struct sn_scope_storage *mem);
/* sn_scope_go - sn_go into `s`, which may be another fiber's scope. fn's result is the fiber's:
 * the first negative one cancels the siblings and becomes the scope's. */
int sn_scope_go(struct sn_scope *s, const char *name, int (*fn)(void *arg), void *arg)
    SN_MUST_CHECK;
/* sn_scope_go_on - as sn_scope_go, but the fiber starts on worker `worker` and is never stolen. */
int sn_scope_go_on(struct sn_scope *s, unsigned worker, const char *name, int (*fn)(void *arg),
                   void *arg) SN_MUST_CHECK;
/* sn_scope_cancel - every blocking call of the scope's fibers returns SN_E_CANCELLED from now on.
 * Idempotent. Context: any fiber or thread while the scope is open. */
void sn_scope_cancel(struct sn_scope *s);
bool sn_scope_cancelled(const struct sn_scope *s);
/* sn_scope_wait - suspends until all fibers of the scope have finished. If the caller itself is
 * cancelled or past its deadline, the scope is cancelled first and still joined: no fiber
 * outlives its scope. Returns 0 or the first failure (its diagnostic moves to the caller). */
int sn_scope_wait(struct sn_scope *s) SN_MUST_CHECK;
/* sn_scope_end - sn_scope_wait, then closes the scope and restores the previous one. */
int sn_scope_end(struct sn_scope *s);
struct sn_scope *sn_scope_current(void);
/* sn_cancelled - whether the running fiber is cancelled (or past its deadline). For long loops. */
bool sn_cancelled(void);
/* sn_fiber_cancel - every blocking call of `f` returns SN_E_CANCELLED from now on, as if its scope were
 * cancelled. The caller knows that `f` has not ended. Any thread. */
void sn_fiber_cancel(struct sn_fiber *f);
/* sn_shield - runs fn(arg) with cancellation and deadline held back: cleanup that must block.
 * Bounded by `max_ns`, after which blocking calls return SN_E_DEADLINE_EXCEEDED. */
int sn_shield(int64_t max_ns, int (*fn)(void *arg), void *arg);

/* ---- panic and recover ---------------------------------------------------------------------- */

/* sn_panic - unwinds the fiber to the nearest sn_try, running SN_CLEANUP destructors on the way.
 * Without an sn_try the process prints the message with all fibers and aborts. */
SN_NORETURN void sn_panic(const char *fmt, ...) SN_PRINTF(1, 2);
/* sn_try - runs fn(arg); returns its value, or SN_E_PANIC (the diagnostic holds message and
 * backtrace) if it panicked. Frameworks wrap every handler in it. */
int sn_try(int (*fn)(void *arg), void *arg) SN_MUST_CHECK;

/* sn_death_hook - called once when the process is about to die of a panic that nobody caught, or of a
 * fault: the logger hangs here to write what it holds. Context: any thread, perhaps in a signal
 * handler, with any lock held. */
extern void (*sn_death_hook)(void);

/* ---- leaving the fiber world ----------------------------------------------------------------- */

/* sn_offload - runs fn(arg) on a thread of the blocking pool and suspends until it is done; not
 * cancellable once begun (fn may touch the caller's frame). Returns fn's value or SN_E_CANCELLED
 * before it began. For file system calls, getaddrinfo, anything that blocks. */
int sn_offload(int (*fn)(void *arg), void *arg) SN_MUST_CHECK;
/* sn_offload_first - the same, before all that waits for a thread: for what watches over the load
 * itself, and is short. */
int sn_offload_first(int (*fn)(void *arg), void *arg) SN_MUST_CHECK;
/* sn_on_big_stack - runs fn(arg) on a 1 MiB stack of this worker, without suspending inside it. */
int sn_on_big_stack(int (*fn)(void *arg), void *arg);
/* sn_go_from_thread - starts a detached fiber from a thread that is not a worker.
 * Returns as sn_go, and SN_E_FAILED_PRECONDITION where no runtime is running or its main function
 * has returned. Context: any thread, at any time. */
int sn_go_from_thread(const char *name, sn_fiber_fn fn, void *arg) SN_MUST_CHECK;

/* ---- looking inside -------------------------------------------------------------------------- */

struct sn_buf;
/* sn_fiber_dump - appends every live fiber: id, name, state, wait reason, age of the wait, stack
 * trace, in the grammar of Go's goroutine dump (debug=2), so that its tools read it. */
int sn_fiber_dump(struct sn_buf *out);
/* sn_fiber_each - calls fn once per live fiber with a snapshot; pcs innermost first. A fiber that
 * is running on another worker has its entry point only. */
struct sn_fiber_info {
    uint64_t id;
    const char *name, *state, *wait_reason; /* state: "running", "runnable", "waiting" */
    int64_t wait_since_ns;
    unsigned n_pcs;
    uintptr_t pcs[32];
    sn_fiber_fn entry;
    int worker;
};
void sn_fiber_each(void (*fn)(const struct sn_fiber_info *info, void *arg), void *arg);

/* Counters since start, summed over workers when read. */
struct sn_rt_stats {
    unsigned workers;
    int64_t fibers_live, fibers_runnable, fibers_parked;
    uint64_t fibers_started, switches, steals, polls, wakeups_remote, timers_fired;
    uint64_t idle_polled_ns; /* spent polling instead of sleeping (sn_rt_opts) */
    uint64_t conns_open, conns_parked;
    size_t stack_bytes_reserved, stack_bytes_cached;
};
void sn_rt_stats(struct sn_rt_stats *ret);

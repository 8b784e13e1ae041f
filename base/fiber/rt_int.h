/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/rt_int.h - inside of the runtime, for files of this folder only.
 *
 * One worker = one thread. A worker runs at any moment either its scheduler (on the thread's own
 * stack, "scheduler context", w->cur == NULL) or one fiber. Fibers are pinned to their worker once
 * started, so thread-local addresses a compiler keeps across a switch stay right, and everything
 * marked "owner" below is touched by that one thread without atomics. What comes from elsewhere
 * (wakes, posts) goes through the inbox. */
#pragma once
#include <time.h>

#include "core/list.h"
#include "core/rand.h"
#include "fiber/ctx.h"
#include "fiber/fiber.h"
#include "fiber/wait.h"

struct sn_worker;
struct sn_sim_host;
struct sn_trace_rec;

/* ---- posts: run a function on another worker's scheduler context ------------------------- */

/* Embedded in the object it is about, so posting never allocates. One post is in flight at a time
 * per object; fn may post it again. */
struct sn_post {
    struct sn_post *next;
    void (*fn)(struct sn_post *p); /* NULL: the post is a fiber's, make it runnable */
};
/* sn_post_send - fn(p) will run on worker `w`'s scheduler context; must not suspend.
 * Context: any thread. Also from the worker itself (then it runs on its next pass). */
void sn_post_send(struct sn_worker *w, struct sn_post *p);

/* ---- poller: one per worker ------------------------------------------------------------------ */

/* What a poller watches. Lives in type-stable memory (a slab, a frame that outlives it): an event
 * of the batch being delivered may still name it after sn_poll_del, and is then dropped because
 * `gen` differs. */
struct sn_pollee {
    int fd;
    uint16_t gen;   /* the poller's */
    uint16_t flags; /* the poller's */
    /* ready - on the scheduler context of the worker that added it; must not suspend. `events` are
     * EPOLL* bits, also under io_uring. */
    void (*ready)(struct sn_pollee *p, uint32_t events);
};

struct sn_poller;
struct sn_poller_ops {
    const char *name;
    /* init - Returns 0, or SN_E_* with a diagnostic: the runtime then falls back to epoll. */
    int (*init)(struct sn_poller *p);
    void (*done)(struct sn_poller *p);
    /* add/mod/del - `events` as for epoll_ctl, EPOLLET and EPOLLEXCLUSIVE included. Owner only.
     * Returns 0, SN_E_RESOURCE_EXHAUSTED, SN_E_NOMEM, SN_E_PERMISSION_DENIED (not pollable). */
    int (*add)(struct sn_poller *p, struct sn_pollee *e, uint32_t events);
    int (*mod)(struct sn_poller *p, struct sn_pollee *e, uint32_t events);
    void (*del)(struct sn_poller *p, struct sn_pollee *e);
    /* wait - delivers ready events by calling e->ready; timeout_ns 0 polls, < 0 waits for ever.
     * Returns the number delivered (wake-ups not counted). */
    int (*wait)(struct sn_poller *p, int64_t timeout_ns);
    /* wake - makes a wait in progress (or the next one) return. Any thread. */
    void (*wake)(struct sn_poller *p);
};
struct sn_poller {
    const struct sn_poller_ops *ops;
    struct sn_worker *worker;
    int fd, wake_fd;
    uint32_t n; /* pollees registered; at 0 a busy worker does not poll */
    void *impl;
};
extern const struct sn_poller_ops sn_poller_epoll;
/* Defined by uring.c; NULL where it is not built. */
extern const struct sn_poller_ops *const sn_poller_uring;

/* ---- fibers ---------------------------------------------------------------------------------- */

/* The wait word: (ticket << 2) | state. Tickets only grow, so a stale claim fails. */
enum { SN_WAIT_IDLE = 0, SN_WAIT_OPEN = 1, SN_WAIT_CLAIMED = 2 };

enum sn_fiber_state {
    SN_FIBER_FREE = 0, /* in a record cache */
    SN_FIBER_NEW,      /* never run: may be stolen, has no stack */
    SN_FIBER_READY,
    SN_FIBER_RUNNING,
    SN_FIBER_WAITING,
    SN_FIBER_ZOMBIE, /* on a crashed simulated host */
};
enum {
    SN_FF_PINNED = 1, /* never stolen, even unstarted */
    SN_FF_INT = 2,    /* entry is int (*)(void *): result goes to the scope */
    SN_FF_DETACHED = 4, /* root scope whatever the creator's scope is */
    SN_FF_CLEANUP = 8,  /* also where the root scope is cancelled */
};

struct sn_try_frame;
struct sn_stack;

/* Records are type-stable: carved from chunks that live as long as the runtime. */
struct sn_fiber {
    /* line 0: switch and wake */
    struct sn_ctx ctx;
    uint64_t word; /* __atomic */
    struct sn_post post; /* run queue and inbox link */
    struct sn_worker *w; /* once started or pinned */
    int wait_code;
    uint8_t state, flags;
    uint8_t cancelled; /* __atomic: by the scope, from any worker */
    uint8_t shield;    /* > 0: cancellation and deadline held back */
    /* line 1: wait */
    int64_t deadline;
    int64_t wait_at; /* when the wait in progress times out; SN_FOREVER = never */
    const char *wait_reason;
    int64_t wait_since;
    struct sn_scope *scope; /* innermost open: what sn_go inherits */
    struct sn_scope *home;  /* the one that joins this fiber */
    struct sn_stack *stack;
    struct sn_try_frame *try_top;
    /* line 2 */
    struct sn_timer timer;
    void *local;
    struct sn_sim_host *host;
    int64_t shield_deadline;
    /* line 3 */
    struct sn_list member; /* of home */
    union {
        sn_fiber_fn fn;
        int (*fn_int)(void *arg);
    };
    void *arg;
    uint64_t id;
    char name[SN_FIBER_NAME_MAX];
    /* line 4: cold */
    struct sn_post cancel_post; /* tells the owner that `cancelled` was set */
    uint32_t cancel_pending;    /* __atomic: cancel_post is in some inbox */
    uint32_t host_epoch;
    /* trace.c's; all of them stale while no trace is on */
    uint64_t traced;        /* __atomic: generation << 32 | sequence number */
    uint32_t trace_blocked; /* __atomic: the trace that saw it block and not yet wake */
    uint32_t trace_label;   /* the trace that knows its name */
} SN_ALIGNED(SN_CACHE_LINE);

/* ---- workers --------------------------------------------------------------------------------- */

#define SN_RING_SIZE 256u     /* unstarted fibers a worker offers to thieves without a lock */
#define SN_OP_BUDGET 128      /* switches between two visits to the scheduler */
#define SN_LIFO_RUNS_MAX 3    /* consecutive runs from the wake-next slot */
#define SN_SPIN_NS (50 * SN_US)
#define SN_CONTENDED_LOOK_NS (50 * SN_MS)
#define SN_CONTENDED_SWITCHES 2 /* between two looks */
#define SN_POLL_EVERY_NS (20 * SN_US) /* a busy worker polls at least this often */
#define SN_WORKERS_MAX 256u
#define SN_STEAL_WATCH_NS (10 * SN_US) /* a thief looks at a victim this long before it takes */
#define SN_STEAL_LONE_NS (100 * SN_US) /* this long before it takes the only one */
#define SN_STEAL_BACKLOG 1024u         /* unless so many wait that it need not think */
struct sn_steal_watch {
    uint32_t head; /* of the victim's ring at `at` */
    bool judged;   /* found not worth it at `at` */
    int64_t at;
};

#define SN_WHEEL0_SLOTS 256u /* 1 ms each */
#define SN_WHEELN_SLOTS 64u
#define SN_WHEEL_LEVELS 5u
struct sn_timers {
    int64_t tick;     /* next ms to expire */
    int64_t next_ns;  /* nothing fires before this; SN_FOREVER when empty */
    uint64_t n;       /* armed */
    struct sn_timer **heap; /* timers due within SN_TIMER_EXACT_NS, and all in simulation */
    size_t heap_n, heap_cap;
    bool exact; /* simulation: everything in the heap */
    uint64_t map0[SN_WHEEL0_SLOTS / 64];
    uint64_t mapn[SN_WHEEL_LEVELS - 1];
    struct sn_timer *slot0[SN_WHEEL0_SLOTS];
    struct sn_timer *slotn[SN_WHEEL_LEVELS - 1][SN_WHEELN_SLOTS];
};

/* Work and idleness in turn, by windows (sched_int.h). */
struct sn_duty {
    int64_t window_at, busy_at; /* since when: the window, the work in progress */
    int64_t busy_ns;            /* work in this window */
    bool high;                  /* so was the window before */
};

struct sn_worker {
    /* owner, hot */
    struct sn_fiber *cur; /* NULL on the scheduler context */
    int32_t budget;
    uint32_t lifo_runs;
    struct sn_fiber *lifo;
    struct sn_post *rq_head, **rq_tail;
    int64_t now; /* monotonic ns of this pass */
    struct sn_trace_rec *trace; /* NULL: no execution trace is on */
    struct sn_ctx sched;
    uint64_t switches;
    uint32_t pick_tick;
    uint32_t rq_n;
    struct sn_fiber *free_head; /* record cache */
    uint32_t free_n;
    uint32_t stack_n;
    struct sn_stack *stack_head; /* stack cache, LIFO */
    uint64_t id_next, id_end;
    uint64_t started, finished;
    struct sn_poller poller;
    struct sn_timers timers;
    struct sn_rand rand;
    int64_t polled_at;
    unsigned index;
    bool on_big_stack, in_poll;
    bool now_fresh; /* `now` was read after the last fiber ran */
    bool poller_up;
    bool starved; /* the last start found no memory for a stack */
    unsigned spin_skip, spin_misses, thief_misses;
    unsigned gaps;          /* how long it was idle of late: sn_gaps_learn */
    struct sn_duty duty;    /* how much of the time it has work */
    int64_t idle_polled_ns; /* __atomic: spent polling instead of sleeping */
    bool contended; /* as at the last look, */
    int64_t contended_look_at;
    long contended_seen; /* with so many involuntary switches of this thread */
    int64_t look_at; /* a quiet thief looks for work by itself then; 0 = not quiet */
    struct sn_steal_watch *watch; /* per victim */
    void *big_stack;
    struct sn_stack *big;
    uint64_t steals, polls, timers_fired, wakeups_remote;
    uint64_t hogs; /* the watchdog's count */
    uint32_t trace_word; /* what of sn_trace_word this worker has acted upon */
    void *net; /* net.c's per-worker state */
    int os_tid;
    void *thread_stack; /* bounds of the scheduler's stack, for sanitizers */
    size_t thread_stack_size;
    void *san_fiber;

    /* shared: the inbox and whether the worker sleeps */
    struct sn_post *inbox SN_ALIGNED(SN_CACHE_LINE); /* __atomic */
    uint32_t sleeping;                               /* __atomic */
    uint32_t stop;                                   /* __atomic */

    /* shared: stealable */
    uint32_t ring_head SN_ALIGNED(SN_CACHE_LINE); /* __atomic, thieves and owner */
    uint32_t ring_tail SN_ALIGNED(SN_CACHE_LINE); /* __atomic, owner */
    struct sn_fiber *ring[SN_RING_SIZE];
    struct sn_spin over_lock; /* overflow of the ring */
    uint32_t over_n;          /* __atomic */
    struct sn_post *over_head, **over_tail;
    /* the watchdog's */
    uint64_t wd_switches;
    int64_t wd_since, wd_cpu;
    clockid_t cpu_clock;
    bool wd_reported;
} SN_ALIGNED(SN_CACHE_LINE);

/* One worker: what only workers touch needs no locked instruction, a dozen of which a request would
 * otherwise execute. Constant while the runtime runs. */
extern bool sn_rt_single;
extern __thread struct sn_worker *sn_worker_tls __attribute__((tls_model("initial-exec")));
/* sn_worker_cur - this thread's worker; NULL on an ordinary thread. */
static inline struct sn_worker *sn_worker_cur(void) { return sn_worker_tls; }
struct sn_worker *sn_worker_at(unsigned index);

static inline int sn_poll_add(struct sn_worker *w, struct sn_pollee *e, uint32_t events)
{
    return w->poller.ops->add(&w->poller, e, events);
}
static inline int sn_poll_mod(struct sn_worker *w, struct sn_pollee *e, uint32_t events)
{
    return w->poller.ops->mod(&w->poller, e, events);
}
static inline void sn_poll_del(struct sn_worker *w, struct sn_pollee *e)
{
    w->poller.ops->del(&w->poller, e);
}

/* sn_rt_spawn_local - a detached fiber (root scope, no deadline) on the calling worker, never
 * stolen: how a ready parked connection gets its fiber. In simulation it lives on `host` (NULL =
 * the running fiber's, or main's). Returns 0, SN_E_NOMEM, SN_E_RESOURCE_EXHAUSTED.
 * Context: scheduler or fiber of a worker; does not suspend. */
int sn_rt_spawn_local(const char *name, sn_fiber_fn fn, void *arg,
                      struct sn_sim_host *host) SN_MUST_CHECK;

/* sn_wait_park_always - as sn_wait_park(t, SN_FOREVER), ignoring cancellation and deadline. */
int sn_wait_park_always(uint64_t ticket);

/* Per-worker constructors of other files of this folder: called on each worker's thread before its
 * first fiber and after its last. NULL entries are skipped. net.c sets its own. */
struct sn_rt_plugin {
    int (*worker_init)(struct sn_worker *w);
    void (*worker_done)(struct sn_worker *w);
    void (*stats)(struct sn_rt_stats *io); /* adds its counters (conns_open, conns_parked) */
};
/* sn_rt_plugin_add - before sn_rt_run, e.g. from a constructor function. At most 8. */
void sn_rt_plugin_add(const struct sn_rt_plugin *p);

/* Text for a program counter in dumps, "symbol+0xoffset" or "symbol+0xoffset file.c:123"; set by
 * the profiler, default dladdr. Returns false if it knows nothing. Must be async-signal-tolerant
 * (dumps run from the crash handler). */
extern bool (*sn_symbolize_hook)(uintptr_t pc, char *out, size_t cap);
/* What the watchdog reports ("fiber 12 "name" has held worker 0 for 23 ms"); default stderr. */
extern void (*sn_watchdog_hook)(const char *text);

/* ---- simulation ------------------------------------------------------------------------------ */
/* One worker, virtual time. Timers are exact there, so the simulated network and disk schedule
 * their events with sn_timer_arm(). sim.c owns sn_sim_run, hosts, crash, faults, sn_sim_rand;
 * simnet.c implements sn_sim_partition and sn_sim_link on host->net. */
#define SN_SIM_HOSTS_MAX 250
struct sn_sim_host {
    char name[32];
    char addr[16];
    unsigned id;       /* last byte of the address */
    uint32_t epoch;    /* crashes so far: objects of an older epoch are dead */
    void *net, *disk;  /* simnet.c's and file.c's */
    struct sn_sim_host *next;
};
extern bool sn_sim_on; /* this process runs a simulation now */
const struct sn_sim_opts *sn_sim_options(void);
struct sn_sim_host *sn_sim_host_cur(void);              /* of the running fiber; "main" otherwise */
struct sn_sim_host *sn_sim_host_find(const char *addr); /* NULL = nobody has that address */
struct sn_sim_host *sn_sim_hosts(void);
/* sn_sim_trace - folds a decision into the run's hash. */
void sn_sim_trace(uint64_t tag, uint64_t value);
/* sn_sim_fault_take - 0, or the code this call of `op` on the current host must fail with. */
int sn_sim_fault_take(const char *op);
/* Parts with state per host: crash runs on the scheduler or a fiber of a living host, after the
 * host's fibers have stopped and its epoch has moved on; done frees at the end of the run. */
struct sn_sim_part {
    void (*begin)(void);
    void (*crash)(struct sn_sim_host *h);
    void (*done)(void);
};
void sn_sim_part_add(const struct sn_sim_part *p); /* before sn_sim_run; at most 8 */

/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/sched_int.h - shared by the scheduler's own files; rt_int.h is what the rest of the folder
 * may use. */
#pragma once
#include <pthread.h>

#include "fiber/rt_int.h"

#ifdef SN_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef SN_TSAN
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
#endif

#define SN_LOAD(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define SN_LOAD_ACQ(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define SN_STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define SN_STORE_REL(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

/* ---- stacks (stack.c) ---- */

/* Sits at the very top of its slot, so it costs no page of its own. The slot: guard page, usable
 * bytes growing down from `top`, up to 15 cache lines of colour (so that equal frames of many
 * stacks do not fall into the same cache sets), this header. */
struct sn_stack {
    struct sn_stack *next;
    char *base; /* lowest usable byte */
    char *top;  /* 16-aligned initial stack pointer */
    void *tsan;
    unsigned vg_id;
    bool diag_used;
    struct sn_diag diag;
};
#define SN_STACK_CACHE_MAX 1024u /* per worker; half goes to the common warm list beyond it */
int sn_stacks_init(size_t slot);
void sn_stacks_done(void);
/* sn_stack_refill - NULL when the kernel gives no more memory. */
struct sn_stack *sn_stack_refill(struct sn_worker *w);
/* sn_stack_trim - owner, scheduler context: over the watermark, give stacks to the others. */
void sn_stack_trim(struct sn_worker *w);
/* sn_stacks_reclaim - the watchdog's thread: pages of stacks nobody wanted for a second. */
void sn_stacks_reclaim(int64_t now);
size_t sn_stacks_reserved(void);
size_t sn_stacks_slot(void);
struct sn_stack *sn_stack_big(void);
void sn_stack_big_free(struct sn_stack *s);

static inline struct sn_stack *sn_stack_take(struct sn_worker *w)
{
    struct sn_stack *s = w->stack_head;
    if (SN_UNLIKELY(!s)) s = sn_stack_refill(w);
    if (SN_UNLIKELY(!s)) return NULL;
    w->stack_head = s->next;
    SN_STORE(&w->stack_n, w->stack_n - 1);
    return s;
}
static inline void sn_stack_give(struct sn_worker *w, struct sn_stack *s)
{
    s->next = w->stack_head;
    w->stack_head = s;
    SN_STORE(&w->stack_n, w->stack_n + 1);
}

/* ---- the runtime ---- */

struct sn_scope {
    struct sn_scope *parent;
    struct sn_fiber *owner;
    struct sn_list members;  /* fibers */
    struct sn_list children; /* scopes */
    struct sn_list sibling;
    uint64_t waiter; /* ticket of the owner's wait; 0 = not waiting */
    struct sn_diag *diag; /* the first failure's, if it had one */
    int64_t count;
    struct sn_spin lock;
    int error;
    uint8_t cancelled; /* __atomic */
};
_Static_assert(sizeof(struct sn_scope) <= sizeof(struct sn_scope_storage), "scope storage");

#define SN_RECORDS_PER_CHUNK 204u /* ~64 KiB */
struct sn_chunk {
    struct sn_chunk *next;
    uint32_t used;
    char pad[SN_CACHE_LINE - 12];
    struct sn_fiber rec[SN_RECORDS_PER_CHUNK];
};

struct sn_rt {
    struct sn_worker *workers;
    unsigned n;
    unsigned fibers_max;
    bool running;
    bool uring;
    int64_t idle_poll_ns; /* sn_rt_opts' */
    uint32_t root_cancelled; /* __atomic */
    struct sn_scope root;
    /* records */
    pthread_mutex_t rec_lock;
    struct sn_chunk *chunks; /* __atomic for readers: crash handler, dump */
    struct sn_fiber *rec_free;
    unsigned rec_total;
    uint64_t next_id; /* __atomic */
    /* idle workers */
    uint32_t idle SN_ALIGNED(SN_CACHE_LINE); /* __atomic count */
    uint32_t spinning;                       /* __atomic 0/1 */
    uint32_t quiet;                          /* __atomic: 1 + the thief that will look by itself */
    uint32_t skipped;                        /* __atomic: a wake was left out meanwhile */
    uint32_t from_thread;                    /* __atomic round robin */
    int (*main_fn)(void *arg);
    void *main_arg;
    int main_result;
    pthread_t *threads;
    int init_error; /* __atomic */
    pthread_mutex_t gate_lock;
    pthread_cond_t gate_cond;
    unsigned arrived[2], expected;
    uint64_t started_outside; /* __atomic */
    unsigned zombies;         /* fibers of crashed simulated hosts */
    struct sn_diag main_diag;
};
extern struct sn_rt sn_rt;

static inline void sn_cpu_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static inline void sn_rq_push(struct sn_worker *w, struct sn_fiber *f)
{
    f->post.next = NULL;
    *w->rq_tail = &f->post;
    w->rq_tail = &f->post.next;
    SN_STORE(&w->rq_n, w->rq_n + 1);
}
static inline struct sn_fiber *sn_rq_pop(struct sn_worker *w)
{
    struct sn_post *p = w->rq_head;
    if (!p) return NULL;
    w->rq_head = p->next;
    if (!p->next) w->rq_tail = &w->rq_head;
    SN_STORE(&w->rq_n, w->rq_n - 1);
    return SN_CONTAINER_OF(p, struct sn_fiber, post);
}

/* sched.c */
/* sn_wake_thief_of - lets a sleeping worker steal from `w`. Any thread. */
void sn_wake_thief_of(struct sn_worker *w);
void sn_worker_loop(struct sn_worker *w);
/* Whether polling instead of sleeping pays: a score of the last times without work, which falls
 * faster than it rises. From SN_GAPS_SHORT on, which takes more than three short ones for each long
 * one, they count as short. */
#define SN_GAPS_MAX 32u
#define SN_GAPS_SHORT 16u
static inline unsigned sn_gaps_learn(unsigned gaps, bool was_short)
{
    return was_short ? SN_MIN(gaps + 1, SN_GAPS_MAX) : gaps - SN_MIN(gaps, 3u);
}
static inline bool sn_gaps_short(unsigned gaps) { return gaps >= SN_GAPS_SHORT; }
/* Above five eighths of the time spent on work, who waits does so for others' work, not for a
 * processor to wake up: polling only takes time from it, and makes many small batches of one. */
#define SN_DUTY_WINDOW_NS (4 * SN_MS)
static inline void sn_duty_work(struct sn_duty *d, int64_t now) { d->busy_at = now; }
/* sn_duty_idle - the work is done; d->high says whether there is much of it. */
static inline void sn_duty_idle(struct sn_duty *d, int64_t now)
{
    int64_t span = now - d->window_at;
    d->busy_ns += now - d->busy_at;
    d->busy_at = now;
    if (span < SN_DUTY_WINDOW_NS) return;
    d->high = d->busy_ns > span / 8 * 5;
    d->busy_ns = 0;
    d->window_at = now;
}
void sn_worker_init_queues(struct sn_worker *w, unsigned index);
#define SN_RECORD_CACHE_MAX 1024u /* per worker; beyond it half goes to the common list */
void sn_record_give_back(struct sn_worker *w);
void sn_fiber_enqueue_new(struct sn_worker *w, struct sn_fiber *f);
int sn_spawn(struct sn_worker *w, struct sn_scope *scope, const char *name, void *fn, void *arg,
             unsigned flags, int target, struct sn_sim_host *host);
void sn_park_switch(struct sn_worker *w, struct sn_fiber *f);
int64_t sn_clock_mono(void);

/* timer.c */
void sn_timers_init(struct sn_timers *t, int64_t now, bool exact);
void sn_timers_done(struct sn_timers *t);
void sn_timers_run(struct sn_worker *w);
int64_t sn_timers_next(struct sn_timers *t); /* SN_FOREVER when nothing is armed */

/* scope.c */
int sn_scope_enter(struct sn_scope *s, struct sn_fiber *f);
void sn_scope_leave(struct sn_scope *s, struct sn_fiber *f, int result);
void sn_cancel_all(void);
void sn_stop_workers(void);

/* offload.c */
void sn_offload_init(unsigned max);
void sn_offload_done(void);

/* watchdog.c, dump.c */
void sn_watchdog_start(void);
void sn_watchdog_stop(void);
void sn_crash_install(void);
void sn_crash_worker(struct sn_worker *w);
void sn_crash_worker_done(void);
void sn_crash_uninstall(void);
/* sn_dump_fd - every fiber, without allocation: usable from a signal handler. */
void sn_dump_fd(int fd);

/* panic.c */
SN_NORETURN void sn_panic_uncaught(const char *msg);
bool sn_panic_pending(void); /* did the last sn_try of this thread catch a panic? */
SN_NORETURN void sn_panic_again(void);
SN_NORETURN void sn_big_main(struct sn_worker *w);

/* sim.c */
struct sn_fiber *sn_sim_pick(struct sn_worker *w);
/* sn_sim_idle - jumps the clock; false = the simulation is over (deadlock, limits). */
bool sn_sim_idle(struct sn_worker *w);
void sn_sim_begin_worker(struct sn_worker *w);
int sn_sim_offload(int (*fn)(void *arg), void *arg);
void sn_sim_fiber_host(struct sn_fiber *f, const struct sn_fiber *parent, struct sn_sim_host *h);

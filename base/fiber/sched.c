/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/sched.c - workers, run queues, stealing, waiting and waking.
 *
 * A parking fiber picks its successor itself and switches to it directly; the scheduler's own
 * context is visited when the worker has nothing to run, or after SN_OP_BUDGET switches, to look at
 * the inbox, timers and descriptors. A finished fiber's stack is handed to the next unstarted fiber
 * without any switch.
 *
 * Wakes. A waker that has claimed a ticket only ever queues the fiber on its own worker: into the
 * run queue if that is the calling worker, else through the inbox. Either is read only when the
 * fiber is no longer running, so claiming and finishing a wait that has not parked yet needs no
 * hand-shake, and a same-worker wake costs one compare-and-swap in all. */
#include "fiber/sched_int.h"

#include "core/alloc.h"
#include "fiber/trace_int.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

__thread struct sn_worker *sn_worker_tls __attribute__((tls_model("initial-exec")));
struct sn_rt sn_rt;
bool sn_rt_single;
bool sn_sim_on;

struct sn_worker *sn_worker_at(unsigned index)
{
    return index < sn_rt.n ? &sn_rt.workers[index] : NULL;
}

int64_t sn_clock_mono(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * SN_SEC + ts.tv_nsec;
}

void sn_spin_lock_slow(struct sn_spin *l)
{
    for (unsigned i = 0;; i++) {
        while (SN_LOAD((uint32_t *)&l->locked)) {
            if (i++ > 200) /* the holder's thread has probably lost its CPU */
                sched_yield();
            else
                sn_cpu_pause();
        }
        uint32_t free = 0;
        if (__atomic_compare_exchange_n((uint32_t *)&l->locked, &free, 1, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return;
    }
}

/* ---- waking other workers --------------------------------------------------------------- */

static void worker_wake(struct sn_worker *w)
{
    if (SN_LOAD(&w->sleeping) && __atomic_exchange_n(&w->sleeping, 0, __ATOMIC_SEQ_CST))
        w->poller.ops->wake(&w->poller);
}

void sn_post_send(struct sn_worker *w, struct sn_post *p)
{
    struct sn_post *head = SN_LOAD(&w->inbox);
    do {
        p->next = head;
    } while (!__atomic_compare_exchange_n(&w->inbox, &head, p, true, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));
    /* Sequentially consistent against the sleeper's "sleeping = 1, then look at the inbox". */
    if (__atomic_load_n(&w->sleeping, __ATOMIC_SEQ_CST)) worker_wake(w);
}

/* One sleeping worker is told of stealable work, unless one is already looking for some. */
void sn_wake_thief_of(struct sn_worker *self)
{
    if (SN_LOAD(&sn_rt.spinning)) return;
    for (unsigned i = 1; i < sn_rt.n; i++) {
        struct sn_worker *v = &sn_rt.workers[(self->index + i) % sn_rt.n];
        if (!SN_LOAD(&v->sleeping)) continue;
        uint32_t none = 0; /* the token goes to the one being woken, so nobody wakes a second */
        if (!__atomic_compare_exchange_n(&sn_rt.spinning, &none, v->index + 1, false,
                                         __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            return;
        if (__atomic_exchange_n(&v->sleeping, 0, __ATOMIC_SEQ_CST)) {
            v->poller.ops->wake(&v->poller);
            return;
        }
        SN_STORE(&sn_rt.spinning, 0);
    }
}

/* Where thieves keep finding nothing worth taking, waking them is a waste: one of them then has
 * said it will look again by itself (thief_quiet), and producers only leave a note. */
static void offer_work(struct sn_worker *w)
{
    if (SN_LOAD(&sn_rt.spinning)) return;
    if (!SN_LOAD(&sn_rt.quiet))
        sn_wake_thief_of(w);
    else if (!SN_LOAD(&sn_rt.skipped))
        SN_STORE(&sn_rt.skipped, 1);
}

static void thief_quiet(struct sn_worker *w)
{
    if (++w->thief_misses < 2) return;
    uint32_t none = 0;
    if (!__atomic_compare_exchange_n(&sn_rt.quiet, &none, w->index + 1, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED))
        return;
    w->look_at = w->now + (SN_SPIN_NS << SN_MIN(w->thief_misses, 5u));
}

/* Back from quiet. Returns whether somebody left a note. */
static bool thief_look(struct sn_worker *w)
{
    w->look_at = 0;
    SN_STORE_REL(&sn_rt.quiet, 0);
    bool note = SN_LOAD(&sn_rt.skipped);
    SN_STORE(&sn_rt.skipped, 0);
    return note;
}

/* ---- unstarted fibers: a ring others may steal from ------------------------------------------ */

static void over_push(struct sn_worker *w, struct sn_fiber *f)
{
    f->post.next = NULL;
    sn_spin_lock(&w->over_lock);
    *w->over_tail = &f->post;
    w->over_tail = &f->post.next;
    SN_STORE(&w->over_n, w->over_n + 1);
    sn_spin_unlock(&w->over_lock);
}

static unsigned over_pop(struct sn_worker *w, struct sn_fiber **out, unsigned max)
{
    unsigned n = 0;
    sn_spin_lock(&w->over_lock);
    while (n < max && w->over_head) {
        struct sn_post *p = w->over_head;
        w->over_head = p->next;
        if (!p->next) w->over_tail = &w->over_head;
        out[n++] = SN_CONTAINER_OF(p, struct sn_fiber, post);
    }
    SN_STORE(&w->over_n, w->over_n - n);
    sn_spin_unlock(&w->over_lock);
    return n;
}

static SN_ALWAYS_INLINE bool ring_push(struct sn_worker *w, struct sn_fiber *f)
{
    uint32_t t = w->ring_tail;
    if (SN_UNLIKELY(t - SN_LOAD_ACQ(&w->ring_head) >= SN_RING_SIZE)) return false;
    SN_STORE(&w->ring[t % SN_RING_SIZE], f);
    SN_STORE_REL(&w->ring_tail, t + 1);
    return true;
}

static SN_NOINLINE struct sn_fiber *ring_refill(struct sn_worker *w)
{
    struct sn_fiber *batch[64];
    unsigned n = over_pop(w, batch, SN_COUNT_OF(batch));
    for (unsigned i = 1; i < n; i++) (void)ring_push(w, batch[i]); /* the ring was empty */
    return n ? batch[0] : NULL;
}

static SN_ALWAYS_INLINE struct sn_fiber *ring_pop(struct sn_worker *w)
{
    uint32_t h = SN_LOAD(&w->ring_head);
    while (h != w->ring_tail) {
        struct sn_fiber *f = SN_LOAD(&w->ring[h % SN_RING_SIZE]);
        if (sn_rt.n == 1) {
            SN_STORE(&w->ring_head, h + 1);
            return f;
        }
        if (__atomic_compare_exchange_n(&w->ring_head, &h, h + 1, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE))
            return f;
    }
    return SN_UNLIKELY(SN_LOAD(&w->over_n)) ? ring_refill(w) : NULL;
}

static bool has_unstarted(struct sn_worker *w)
{
    return SN_LOAD(&w->ring_tail) != SN_LOAD(&w->ring_head) || SN_LOAD(&w->over_n);
}

/* Takes up to half of what one victim offers. */
static bool steal_from(struct sn_worker *w, struct sn_worker *v)
{
    struct sn_fiber *got[64];
    unsigned n = 0;
    uint32_t h = SN_LOAD_ACQ(&v->ring_head);
    for (;;) {
        uint32_t t = SN_LOAD_ACQ(&v->ring_tail);
        n = (t - h + 1) / 2;
        if (t - h > SN_RING_SIZE) { /* head moved between the loads */
            h = SN_LOAD_ACQ(&v->ring_head);
            continue;
        }
        n = SN_MIN(n, (unsigned)SN_COUNT_OF(got));
        for (unsigned i = 0; i < n; i++) got[i] = SN_LOAD(&v->ring[(h + i) % SN_RING_SIZE]);
        if (n == 0 || __atomic_compare_exchange_n(&v->ring_head, &h, h + n, false, __ATOMIC_ACQ_REL,
                                                  __ATOMIC_ACQUIRE))
            break;
    }
    if (n == 0 && SN_LOAD(&v->over_n)) n = over_pop(v, got, SN_COUNT_OF(got));
    if (n) sn_trace_sync(w);
    for (unsigned i = 0; i < n; i++)
        if (!ring_push(w, got[i])) over_push(w, got[i]);
    SN_STORE(&w->steals, w->steals + n);
    return n > 0;
}

/* Is it worth taking from `v`? Fibers too short-lived are not: moving one to another core costs
 * more than running it. So a thief first watches a victim for SN_STEAL_WATCH_NS, and steals if at
 * the observed pace the rest would wait longer than that. A single one it leaves for longer: more
 * often than not its starter is about to wait for it (a reply, the end of a scope), and two fibers
 * that talk to each other are best off on one core: 64 ns a round trip, across cores 10 us. */
enum steal_view { STEAL_NOT, STEAL_WATCHING, STEAL_YES };

static enum steal_view steal_judge(struct sn_steal_watch *s, struct sn_worker *v)
{
    if (SN_LOAD(&v->over_n) >= SN_STEAL_BACKLOG) return STEAL_YES;
    uint32_t h = SN_LOAD_ACQ(&v->ring_head), left = SN_LOAD_ACQ(&v->ring_tail) - h;
    int64_t now = sn_clock_mono(), since = now - s->at;
    if (s->judged) { /* not worth it a moment ago */
        if (since < 10 * SN_STEAL_WATCH_NS) return STEAL_NOT;
        s->judged = false;
        s->at = 0;
        since = now;
    }
    if (since > 20 * SN_STEAL_WATCH_NS) { /* a first look, or one too old to say anything */
        *s = (struct sn_steal_watch){.head = h, .at = now};
        return STEAL_WATCHING;
    }
    if (since < (left == 1 ? SN_STEAL_LONE_NS : SN_STEAL_WATCH_NS)) return STEAL_WATCHING;
    uint32_t moved = h - s->head;
    bool worth = (int64_t)left * since >= (int64_t)moved * SN_STEAL_WATCH_NS;
    *s = (struct sn_steal_watch){.head = h, .at = worth ? 0 : now, .judged = !worth};
    return worth ? STEAL_YES : STEAL_NOT;
}

static enum steal_view steal(struct sn_worker *w)
{
    enum steal_view view = STEAL_NOT;
    unsigned start = (unsigned)sn_rand_u64(&w->rand) % sn_rt.n;
    for (unsigned i = 0; i < sn_rt.n; i++) {
        struct sn_worker *v = &sn_rt.workers[(start + i) % sn_rt.n];
        if (v == w || !has_unstarted(v)) continue;
        enum steal_view one = steal_judge(&w->watch[v->index], v);
        if (one == STEAL_YES && steal_from(w, v)) {
            w->thief_misses = 0;
            return STEAL_YES;
        }
        if (one == STEAL_WATCHING) view = STEAL_WATCHING;
    }
    return view;
}

void sn_fiber_enqueue_new(struct sn_worker *w, struct sn_fiber *f)
{
    if (f->flags & SN_FF_PINNED) {
        SN_STORE(&f->w, w); /* a canceller of everything may be reading it */
        sn_rq_push(w, f);
        return;
    }
    /* Only the first one wakes a thief: it will find the others too. */
    bool first = sn_rt.n > 1 && SN_LOAD(&sn_rt.idle) && SN_LOAD(&w->ring_head) == w->ring_tail;
    if (SN_UNLIKELY(!ring_push(w, f))) over_push(w, f);
    if (SN_UNLIKELY(first)) offer_work(w);
}

/* ---- picking and switching ------------------------------------------------------------------- */

static SN_NOINLINE void inbox_drain(struct sn_worker *w)
{
    struct sn_post *p = __atomic_exchange_n(&w->inbox, NULL, __ATOMIC_ACQUIRE), *fifo = NULL;
    while (p) { /* pushed last in, first out: restore the order of sending */
        struct sn_post *n = p->next;
        p->next = fifo;
        fifo = p;
        p = n;
    }
    sn_trace_sync(w);
    while (fifo) {
        struct sn_post *n = fifo->next;
        if (fifo->fn) {
            fifo->fn(fifo);
        } else {
            struct sn_fiber *f = SN_CONTAINER_OF(fifo, struct sn_fiber, post);
            if (SN_UNLIKELY(w->trace)) sn_trace_on_inbox(w, f);
            if (SN_LOAD(&f->state) == SN_FIBER_NEW) {
                sn_fiber_enqueue_new(w, f);
            } else {
                SN_STORE(&f->state, SN_FIBER_READY);
                sn_rq_push(w, f);
            }
        }
        fifo = n;
    }
}

/* The next fiber of this worker; NULL: go to the scheduler. Runs on fibers' stacks. */
static SN_ALWAYS_INLINE struct sn_fiber *pick(struct sn_worker *w)
{
    if (SN_UNLIKELY(--w->budget < 0)) return NULL;
    struct sn_fiber *f = w->lifo;
    if (f) {
        SN_STORE(&w->lifo, NULL);
        w->lifo_runs++;
        return f;
    }
    w->lifo_runs = 0;
    if (SN_UNLIKELY((++w->pick_tick & 7) == 0) && (f = ring_pop(w)) != NULL) return f;
    f = sn_rq_pop(w);
    if (f) return f;
    return ring_pop(w);
}

struct leave { /* what a sanitizer must know about the stack being left */
    void *fake;
};

static SN_ALWAYS_INLINE void san_leave(struct leave *l, bool for_ever, struct sn_worker *w,
                                       struct sn_fiber *to)
{
#ifdef SN_ASAN
    void *bottom = to ? to->stack->base : w->thread_stack;
    size_t size = to ? (size_t)(to->stack->top - to->stack->base) : w->thread_stack_size;
    __sanitizer_start_switch_fiber(for_ever ? NULL : &l->fake, bottom, size);
#endif
#ifdef SN_TSAN
    __tsan_switch_to_fiber(to ? to->stack->tsan : w->san_fiber, 0);
#endif
    (void)l, (void)for_ever, (void)w, (void)to;
}

static SN_ALWAYS_INLINE void san_arrive(struct leave *l)
{
#ifdef SN_ASAN
    __sanitizer_finish_switch_fiber(l ? l->fake : NULL, NULL, NULL);
#endif
    (void)l;
}

/* From now on the fiber is this worker's. A canceller stores `cancelled` and then reads `w`; the
 * fiber stores `w` and then, parking, reads `cancelled`: the exchange orders the two. */
static SN_ALWAYS_INLINE void fiber_bind(struct sn_worker *w, struct sn_fiber *f)
{
    if (sn_rt.n > 1 && f->home != &sn_rt.root)
        (void)__atomic_exchange_n(&f->w, w, __ATOMIC_SEQ_CST);
    else
        SN_STORE(&f->w, w);
}

/* A first run needs a stack. False: the kernel has no memory now; `f` waits in the overflow. */
static SN_NOINLINE bool fiber_start(struct sn_worker *w, struct sn_fiber *f)
{
    struct sn_stack *s = sn_stack_take(w);
    if (!s) {
        w->starved = true;
        if (f->flags & SN_FF_PINNED)
            sn_rq_push(w, f);
        else
            over_push(w, f);
        return false;
    }
    SN_UNPOISON(s->base, (size_t)(s->top - s->base));
    s->diag_used = false;
    f->stack = s;
    fiber_bind(w, f);
    sn_ctx_init(&f->ctx, s->top);
    return true;
}

static SN_ALWAYS_INLINE void enter(struct sn_worker *w, struct sn_fiber *next)
{
    SN_STORE_REL(&w->cur, next);
    SN_STORE(&next->state, SN_FIBER_RUNNING);
    SN_STORE(&w->switches, w->switches + 1);
    if (SN_UNLIKELY(w->trace)) sn_trace_on_start(w, next);
}

/* From a fiber's stack to `next`, or to the scheduler. Returns when `f` runs again. */
static SN_ALWAYS_INLINE void switch_from(struct sn_worker *w, struct sn_fiber *f,
                                         struct sn_fiber *next)
{
    struct leave l = {0};
    if (SN_UNLIKELY(next && !next->stack && !fiber_start(w, next))) next = NULL;
    if (SN_LIKELY(next != NULL)) {
        enter(w, next);
        san_leave(&l, false, w, next);
        sn_ctx_switch(&f->ctx, &next->ctx);
    } else {
        SN_STORE(&w->cur, NULL);
        san_leave(&l, false, w, NULL);
        sn_ctx_switch(&f->ctx, &w->sched);
    }
    san_arrive(&l);
}

/* From the scheduler into `f`; returns when some fiber comes back to the scheduler. */
static void run(struct sn_worker *w, struct sn_fiber *f)
{
    struct leave l = {0};
    if (!f->stack && !fiber_start(w, f)) return;
    enter(w, f);
    san_leave(&l, false, w, f);
    sn_ctx_switch(&w->sched, &f->ctx);
    san_arrive(&l);
}

void sn_park_switch(struct sn_worker *w, struct sn_fiber *f)
{
    SN_ASSERT(!w->on_big_stack);
    if (SN_UNLIKELY(w->trace)) sn_trace_on_block(w, f);
    SN_STORE(&f->state, SN_FIBER_WAITING);
    struct sn_fiber *next = pick(w);
    if (SN_UNLIKELY(next == f)) {
        SN_STORE(&f->state, SN_FIBER_RUNNING);
        if (SN_UNLIKELY(w->trace)) sn_trace_on_start(w, f);
        return;
    }
    switch_from(w, f, next);
}

void sn_yield(void)
{
    struct sn_worker *w = sn_worker_cur();
    struct sn_fiber *f = w->cur;
    SN_DCHECK(!w->on_big_stack);
    if (SN_UNLIKELY(w->trace)) sn_trace_on_yield(w, f);
    SN_STORE(&f->state, SN_FIBER_READY);
    sn_rq_push(w, f);
    struct sn_fiber *next = pick(w);
    if (next == f) {
        SN_STORE(&f->state, SN_FIBER_RUNNING);
        if (SN_UNLIKELY(w->trace)) sn_trace_on_start(w, f);
        return;
    }
    switch_from(w, f, next);
}

/* ---- waiting -------------------------------------------------------------------------------- */

uint64_t sn_wait_begin(const char *reason)
{
    struct sn_fiber *f = sn_worker_cur()->cur;
    uint64_t last = SN_LOAD(&f->word);
    SN_DCHECK((last & 3) != SN_WAIT_OPEN);
    uint64_t ticket = (last & ~3ull) + 4 + SN_WAIT_OPEN;
    f->wait_reason = reason;
    SN_STORE_REL(&f->word, ticket);
    return ticket;
}

bool sn_wait_claim(struct sn_fiber *f, uint64_t ticket)
{
    if (SN_LOAD(&f->word) != ticket) return false;
    return __atomic_compare_exchange_n(&f->word, &ticket, ticket + 1, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED);
}

bool sn_wait_abandon(uint64_t ticket)
{
    struct sn_fiber *f = sn_worker_cur()->cur;
    return __atomic_compare_exchange_n(&f->word, &ticket, ticket - 1, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED);
}

void sn_wait_finish(struct sn_fiber *f, int code)
{
    struct sn_worker *w = sn_worker_cur();
    f->wait_code = code;
    if (SN_UNLIKELY(w && w->trace)) sn_trace_on_wake(w, f);
    if (SN_UNLIKELY(f->w != w)) {
        if (w) SN_STORE(&w->wakeups_remote, w->wakeups_remote + 1);
        sn_post_send(f->w, &f->post);
        return;
    }
    SN_STORE(&f->state, SN_FIBER_READY);
    if (w->cur && w->lifo_runs < SN_LIFO_RUNS_MAX) {
        struct sn_fiber *old = w->lifo;
        SN_STORE(&w->lifo, f);
        if (old) sn_rq_push(w, old);
    } else {
        sn_rq_push(w, f);
    }
}

/* A wait's time is up, or the timer is a leftover of an earlier wait (they are not disarmed). */
static void wait_timeout(struct sn_timer *t)
{
    struct sn_fiber *f = SN_CONTAINER_OF(t, struct sn_fiber, timer);
    if (f->wait_at == SN_FOREVER || SN_LOAD(&f->state) != SN_FIBER_WAITING) return;
    if (f->wait_at > t->at_ns) {
        sn_timer_arm(t, f->wait_at, wait_timeout);
        return;
    }
    uint64_t word = SN_LOAD(&f->word);
    if ((word & 3) == SN_WAIT_OPEN) (void)sn_wait_wake(f, word, SN_E_DEADLINE_EXCEEDED);
}

static SN_NOINLINE int park_timed(struct sn_worker *w, struct sn_fiber *f, uint64_t ticket,
                                  int64_t at)
{
    if (at <= w->now && sn_wait_abandon(ticket)) return SN_E_DEADLINE_EXCEEDED;
    f->wait_at = at;
    if (!f->timer.state || f->timer.at_ns > at) sn_timer_arm(&f->timer, at, wait_timeout);
    f->wait_since = w->now;
    sn_park_switch(w, f);
    f->wait_at = SN_FOREVER;
    return f->wait_code;
}

int sn_wait_park(uint64_t ticket, int64_t at_ns)
{
    struct sn_worker *w = sn_worker_cur();
    struct sn_fiber *f = w->cur;
    if (SN_UNLIKELY(f->shield)) {
        at_ns = SN_MIN(at_ns, f->shield_deadline);
    } else {
        if (SN_UNLIKELY(SN_LOAD(&f->cancelled)) && sn_wait_abandon(ticket)) return SN_E_CANCELLED;
        at_ns = SN_MIN(at_ns, f->deadline);
    }
    if (at_ns != SN_FOREVER) return park_timed(w, f, ticket, at_ns);
    f->wait_since = w->now;
    sn_park_switch(w, f);
    return f->wait_code;
}

int sn_wait_park_always(uint64_t ticket)
{
    struct sn_worker *w = sn_worker_cur();
    struct sn_fiber *f = w->cur;
    (void)ticket;
    uint8_t shield = f->shield;
    int64_t until = f->shield_deadline;
    f->shield_deadline = SN_FOREVER;
    f->shield = shield | 0x80; /* cancellation, which runs on this worker, leaves it alone */
    f->wait_since = w->now;
    sn_park_switch(w, f);
    f->shield = shield;
    f->shield_deadline = until;
    return f->wait_code;
}

int sn_sleep_until(int64_t at_ns)
{
    int r = sn_wait_park(sn_wait_begin("sleep"), at_ns);
    if (r != SN_E_DEADLINE_EXCEEDED) return r;
    /* Which limit was it: the sleep's own, or the fiber's deadline before it? */
    const struct sn_fiber *f = sn_worker_cur()->cur;
    int64_t limit = f->shield ? f->shield_deadline : f->deadline;
    return limit < at_ns ? SN_E_DEADLINE_EXCEEDED : 0;
}

int sn_sleep(int64_t ns)
{
    int64_t now = sn_now();
    return sn_sleep_until(ns > SN_FOREVER - now ? SN_FOREVER - 1 : now + ns);
}

/* ---- the life of a fiber --------------------------------------------------------------------- */

static SN_ALWAYS_INLINE void finish(struct sn_worker *w, struct sn_fiber *f, int result)
{
    if (f->timer.state) sn_timer_cancel(&f->timer);
    SN_STORE(&w->finished, w->finished + 1); /* first: who joins it counts it no more */
    if (f->home != &sn_rt.root) sn_scope_leave(f->home, f, result);
    if (SN_UNLIKELY(w->trace)) sn_trace_on_end(w, f);
    SN_STORE(&f->state, SN_FIBER_FREE);
    f->stack = NULL;
    f->post.next = w->free_head ? &w->free_head->post : NULL;
    w->free_head = f;
    w->free_n++;
}

/* sn_fiber_main - every stack's outermost C frame (called by sn_ctx_boot): runs one fiber after
 * the other for as long as the next one to run is unstarted, then leaves the stack for good. */
SN_NORETURN void sn_fiber_main(void);
void sn_fiber_main(void)
{
    san_arrive(NULL);
    struct sn_worker *w = sn_worker_cur();
    if (w->big_stack) sn_big_main(w);
    struct sn_stack *stack = w->cur->stack;
    struct sn_fiber *next;
    for (;;) {
        struct sn_fiber *f = w->cur;
        int r = 0;
        if (f->flags & SN_FF_INT)
            r = f->fn_int(f->arg);
        else
            f->fn(f->arg);
        finish(w, f, r);
        next = pick(w);
        if (!next || next->stack) break;
        stack->diag_used = false;
        next->stack = stack;
        fiber_bind(w, next);
        enter(w, next);
    }
    sn_stack_give(w, stack); /* nobody takes it before this thread has left it */
    struct sn_ctx dead;
    struct leave l = {0};
    if (next) {
        enter(w, next);
        san_leave(&l, true, w, next);
        sn_ctx_switch(&dead, &next->ctx);
    } else {
        SN_STORE(&w->cur, NULL);
        san_leave(&l, true, w, NULL);
        sn_ctx_switch(&dead, &w->sched);
    }
    __builtin_unreachable();
}

/* ---- the scheduler's own loop ---------------------------------------------------------------- */

static void poll(struct sn_worker *w, int64_t timeout_ns)
{
    SN_STORE(&w->polls, w->polls + 1);
    w->in_poll = timeout_ns != 0;
    (void)w->poller.ops->wait(&w->poller, timeout_ns);
    w->in_poll = false;
    w->now = sn_clock_mono();
    w->polled_at = w->now;
    w->now_fresh = true;
}

static bool has_local(struct sn_worker *w)
{
    return w->lifo || w->rq_head || has_unstarted(w) || SN_LOAD(&w->inbox);
}

/* Looks for work for a short while instead of sleeping, because a cross-core sleep and wake costs
 * ~67 us. At most one worker does. `token` = it was woken with the right to. */
static bool spin(struct sn_worker *w)
{
    uint32_t none = 0;
    if (SN_LOAD(&sn_rt.spinning) != w->index + 1 &&
        !__atomic_compare_exchange_n(&sn_rt.spinning, &none, w->index + 1, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED))
        return false;
    bool found = false;
    int64_t until = sn_clock_mono() + SN_SPIN_NS;
    while (!found) {
        found = SN_LOAD(&w->inbox) || steal(w) == STEAL_YES;
        if (found) break;
        for (int i = 0; i < 32 && !SN_LOAD(&w->inbox); i++) sn_cpu_pause();
        int64_t now = sn_clock_mono();
        if (now >= until || now >= w->timers.next_ns || SN_LOAD(&w->stop)) break;
        if (w->poller.n && now - w->polled_at >= SN_POLL_EVERY_NS / 2) {
            poll(w, 0);
            found = w->lifo || w->rq_head;
        }
    }
    SN_STORE_REL(&sn_rt.spinning, 0);
    w->now_fresh = false;
    return found;
}

/* Whether other threads want this CPU: the kernel took it from this one more than now and then. Whoever
 * spins there keeps from others what it looks for itself: four validators on two CPUs spent 5 % of them
 * so. */
static bool contended(struct sn_worker *w)
{
    struct rusage u;
    if (w->now < w->contended_look_at) return w->contended;
    w->contended_look_at = w->now + SN_CONTENDED_LOOK_NS;
    if (getrusage(RUSAGE_THREAD, &u) < 0) return false;
    w->contended = u.ru_nivcsw - w->contended_seen >= SN_CONTENDED_SWITCHES;
    w->contended_seen = u.ru_nivcsw;
    return w->contended;
}

/* Spinning pays only if work tends to arrive: after fruitless rounds, fewer are made. */
static bool spin_worth(struct sn_worker *w)
{
    static const uint8_t skip[] = {0, 0, 1, 3, 7, 15};
    if (SN_LOAD(&sn_rt.spinning) == w->index + 1) return true;
    if (contended(w)) return false;
    if (w->spin_skip > 0) {
        w->spin_skip--;
        return false;
    }
    w->spin_skip = skip[SN_MIN(w->spin_misses, (unsigned)SN_COUNT_OF(skip) - 1)];
    return true;
}

/* Polls instead of sleeping, for latency: the way into a halted processor of a virtual machine and
 * out again takes longer than a proxy's whole work on a request, and whoever wakes it pays for the
 * interrupt. Only while short waits are the rule and there is time to spare, never where others
 * want this processor. Returns whether there is work. */
static bool idle_poll(struct sn_worker *w, int64_t begin)
{
    if (w->duty.high || !sn_gaps_short(w->gaps) || contended(w)) return false;
    int64_t until = SN_MIN(begin + sn_rt.idle_poll_ns, w->timers.next_ns);
    bool found = false;
    while (!found && w->now < until && !SN_LOAD(&w->stop)) {
        for (int i = 0; i < 4; i++) sn_cpu_pause();
        poll(w, 0);
        found = has_local(w) || (sn_rt.n > 1 && steal(w) == STEAL_YES);
    }
    SN_STORE(&w->idle_polled_ns, w->idle_polled_ns + (w->now - begin));
    return found;
}

/* Until there may be work. */
static void idle_wait(struct sn_worker *w, int64_t begin)
{
    if (sn_rt.n > 1) {
        bool asked = SN_LOAD(&sn_rt.spinning) == w->index + 1;
        if (w->look_at && w->now >= w->look_at && thief_look(w)) asked = true;
        if (asked || spin_worth(w)) {
            if (spin(w)) {
                w->spin_misses = 0;
                return;
            }
            w->spin_misses++;
        }
        if (asked) thief_quiet(w);
    }
    if (sn_rt.idle_poll_ns && idle_poll(w, begin)) return;
    sn_stack_trim(w);
    __atomic_store_n(&w->sleeping, 1, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&sn_rt.idle, 1, __ATOMIC_SEQ_CST);
    bool work = has_local(w) || __atomic_load_n(&w->inbox, __ATOMIC_SEQ_CST) || SN_LOAD(&w->stop);
    if (!work && sn_rt.n > 1) work = steal(w) != STEAL_NOT;
    if (!work) {
        int64_t next = sn_timers_next(&w->timers);
        int64_t now = sn_rt.n == 1 ? w->now : sn_clock_mono(); /* alone, it has just been read */
        if (w->look_at) next = SN_MIN(next, w->look_at);
        int64_t wait = next == SN_FOREVER ? -1 : SN_MAX(next - now, (int64_t)0);
        if (SN_UNLIKELY(w->trace)) sn_trace_on_idle(w);
        poll(w, wait);
        if (SN_UNLIKELY(w->trace)) sn_trace_on_busy(w);
    }
    __atomic_store_n(&w->sleeping, 0, __ATOMIC_SEQ_CST);
    __atomic_fetch_sub(&sn_rt.idle, 1, __ATOMIC_SEQ_CST);
}

static void idle(struct sn_worker *w)
{
    int64_t begin = w->now;
    if (sn_rt.idle_poll_ns) sn_duty_idle(&w->duty, begin);
    idle_wait(w, begin);
    if (!sn_rt.idle_poll_ns) return;
    if (!w->now_fresh) w->now = sn_clock_mono();
    w->gaps = sn_gaps_learn(w->gaps, w->now - begin <= sn_rt.idle_poll_ns);
    sn_duty_work(&w->duty, w->now);
}

void sn_worker_loop(struct sn_worker *w)
{
    for (;;) {
        w->budget = sn_sim_on ? 0 : SN_OP_BUDGET; /* 0: every choice in simulation is the seed's */
        if (!sn_sim_on && !w->now_fresh) w->now = sn_clock_mono();
        w->now_fresh = false;
        if (SN_LOAD(&w->inbox)) inbox_drain(w);
        if (w->now >= w->timers.next_ns) sn_timers_run(w);
        if (w->poller.n && !sn_sim_on && w->now - w->polled_at >= SN_POLL_EVERY_NS && has_local(w))
            poll(w, 0);
        if (sn_rt.n > 1 && SN_LOAD(&sn_rt.idle) && has_unstarted(w)) offer_work(w);
        if (w->stack_n > SN_STACK_CACHE_MAX + 64) sn_stack_trim(w);
        if (w->free_n > SN_RECORD_CACHE_MAX) sn_record_give_back(w);
        struct sn_fiber *f = SN_UNLIKELY(sn_sim_on) ? sn_sim_pick(w) : pick(w);
        if (f) {
            if (SN_UNLIKELY(SN_LOAD(&sn_rt.spinning) == w->index + 1))
                SN_STORE_REL(&sn_rt.spinning, 0);
            if (SN_UNLIKELY(w->look_at)) (void)thief_look(w); /* busy now: others must be woken */
            run(w, f);
            if (SN_UNLIKELY(w->starved)) { /* no memory for a stack: fibers must end first */
                w->starved = false;
                poll(w, SN_MS);
            }
            continue;
        }
        if (SN_UNLIKELY(sn_sim_on)) {
            if (SN_LOAD(&w->stop) || !sn_sim_idle(w)) break;
            continue;
        }
        if (has_local(w)) continue;
        if (SN_LOAD_ACQ(&w->stop)) break;
        if (sn_rt.n == 1 || steal(w) != STEAL_YES) idle(w);
    }
}

void sn_worker_init_queues(struct sn_worker *w, unsigned index)
{
    w->index = index;
    w->rq_tail = &w->rq_head;
    w->over_tail = &w->over_head;
    w->now = sn_clock_mono();
    sn_timers_init(&w->timers, w->now, false);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/rt.c - starting and ending the runtime, fiber records, and the small public calls. */
#include "fiber/sample.h"
#include "fiber/sched_int.h"
#include "fiber/trace_int.h"

#include "core/alloc.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FIBERS_MAX_DEFAULT 4000000u
#define OFFLOAD_MAX_DEFAULT 64u
#define PLUGINS_MAX 8

static const struct sn_rt_plugin *plugins[PLUGINS_MAX];
static unsigned n_plugins;

void sn_rt_plugin_add(const struct sn_rt_plugin *p)
{
    SN_ASSERT(n_plugins < PLUGINS_MAX);
    plugins[n_plugins++] = p;
}

/* ---- records --------------------------------------------------------------------------------- */

#define RECORD_BATCH 64u

/* Takes up to `batch` records from the common list or a fresh chunk, linked by post.next. */
static struct sn_fiber *records_common(unsigned batch, unsigned *ret_n, int *ret_err)
{
    struct sn_fiber *head = NULL;
    unsigned n = 0;
    *ret_err = SN_E_RESOURCE_EXHAUSTED;
    pthread_mutex_lock(&sn_rt.rec_lock);
    while (n < batch) {
        struct sn_fiber *f = sn_rt.rec_free;
        if (f) {
            struct sn_post *next = f->post.next;
            sn_rt.rec_free = next ? SN_CONTAINER_OF(next, struct sn_fiber, post) : NULL;
        } else {
            if (sn_rt.rec_total >= sn_rt.fibers_max) break;
            struct sn_chunk *c = sn_rt.chunks;
            if (!c || c->used == SN_RECORDS_PER_CHUNK) {
                c = sn_aligned_alloc(SN_CACHE_LINE, sizeof(*c));
                if (!c) {
                    *ret_err = SN_E_NOMEM;
                    break;
                }
                memset(c, 0, sizeof(*c));
                c->next = sn_rt.chunks;
                SN_STORE_REL(&sn_rt.chunks, c);
            }
            f = &c->rec[c->used];
            SN_STORE_REL(&c->used, c->used + 1);
            sn_rt.rec_total++;
        }
        f->post.next = head ? &head->post : NULL;
        head = f;
        n++;
    }
    pthread_mutex_unlock(&sn_rt.rec_lock);
    *ret_n = n;
    return head;
}

static SN_NOINLINE int record_refill(struct sn_worker *w)
{
    int err;
    w->free_head = records_common(RECORD_BATCH, &w->free_n, &err);
    return w->free_head ? 0 : err;
}

void sn_record_give_back(struct sn_worker *w)
{
    struct sn_fiber *first = w->free_head, *last = first;
    unsigned n = w->free_n / 2;
    for (unsigned i = 1; i < n; i++)
        last = SN_CONTAINER_OF(last->post.next, struct sn_fiber, post);
    struct sn_post *rest = last->post.next;
    pthread_mutex_lock(&sn_rt.rec_lock);
    last->post.next = sn_rt.rec_free ? &sn_rt.rec_free->post : NULL;
    sn_rt.rec_free = first;
    pthread_mutex_unlock(&sn_rt.rec_lock);
    w->free_head = rest ? SN_CONTAINER_OF(rest, struct sn_fiber, post) : NULL;
    w->free_n -= n;
}

static void record_return(struct sn_worker *w, struct sn_fiber *f)
{
    SN_STORE(&f->state, SN_FIBER_FREE);
    if (w) {
        f->post.next = w->free_head ? &w->free_head->post : NULL;
        w->free_head = f;
        w->free_n++;
        return;
    }
    pthread_mutex_lock(&sn_rt.rec_lock);
    f->post.next = sn_rt.rec_free ? &sn_rt.rec_free->post : NULL;
    sn_rt.rec_free = f;
    pthread_mutex_unlock(&sn_rt.rec_lock);
}

#define ID_BLOCK 1024u

static SN_ALWAYS_INLINE uint64_t next_id(struct sn_worker *w)
{
    if (SN_UNLIKELY(!w)) return __atomic_fetch_add(&sn_rt.next_id, 1, __ATOMIC_RELAXED);
    if (SN_UNLIKELY(w->id_next == w->id_end)) {
        w->id_next = __atomic_fetch_add(&sn_rt.next_id, ID_BLOCK, __ATOMIC_RELAXED);
        w->id_end = w->id_next + ID_BLOCK;
    }
    return w->id_next++;
}

static SN_ALWAYS_INLINE void set_name(struct sn_fiber *f, const char *name)
{
    if (!name) {
        f->name[0] = 0;
        return;
    }
    size_t n = strnlen(name, SN_FIBER_NAME_MAX - 1);
    memcpy(f->name, name, n);
    f->name[n] = 0;
}

/* target: worker index, or -1 for any. */
int sn_spawn(struct sn_worker *w, struct sn_scope *scope, const char *name, void *fn, void *arg,
             unsigned flags, int target, struct sn_sim_host *host)
{
    struct sn_fiber *f;
    if (SN_LIKELY(w != NULL)) {
        if (SN_UNLIKELY(!w->free_head)) {
            int r = record_refill(w);
            if (r < 0) return r;
        }
        f = w->free_head;
        w->free_head =
            f->post.next ? SN_CONTAINER_OF(f->post.next, struct sn_fiber, post) : NULL;
        w->free_n--;
    } else {
        unsigned n;
        int err;
        f = records_common(1, &n, &err);
        if (!f) return err;
    }
    const struct sn_fiber *cur = w ? w->cur : NULL;
    f->post.fn = NULL;
    SN_STORE(&f->w, NULL);
    f->flags = (uint8_t)flags;
    SN_STORE(&f->cancelled, 0);
    f->shield = 0;
    f->deadline = cur && !(flags & SN_FF_DETACHED) ? cur->deadline : SN_FOREVER;
    f->wait_at = SN_FOREVER;
    f->wait_reason = NULL;
    f->wait_since = w ? w->now : 0;
    f->scope = f->home = scope;
    f->stack = NULL;
    f->try_top = NULL;
    f->local = NULL;
    f->fn = (sn_fiber_fn)(uintptr_t)fn;
    f->arg = arg;
    SN_STORE(&f->id, next_id(w));
    set_name(f, name);
    if (SN_UNLIKELY(sn_sim_on)) sn_sim_fiber_host(f, cur, host);
    int r = 0;
    if (scope != &sn_rt.root)
        r = sn_scope_enter(scope, f);
    else if (SN_UNLIKELY(SN_LOAD(&sn_rt.root_cancelled)) && !(flags & SN_FF_CLEANUP))
        r = SN_E_CANCELLED;
    if (SN_UNLIKELY(r < 0)) {
        record_return(w, f);
        return r;
    }
    if (SN_UNLIKELY(w && w->trace)) sn_trace_on_create(w, f);
    SN_STORE_REL(&f->state, SN_FIBER_NEW);
    if (SN_LIKELY(w && target < 0)) {
        SN_STORE(&w->started, w->started + 1);
        sn_fiber_enqueue_new(w, f);
        return 0;
    }
    if (w)
        SN_STORE(&w->started, w->started + 1);
    else
        __atomic_fetch_add(&sn_rt.started_outside, 1, __ATOMIC_RELAXED);
    if (target < 0)
        target = (int)(__atomic_fetch_add(&sn_rt.from_thread, 1, __ATOMIC_RELAXED) % sn_rt.n);
    struct sn_worker *to = &sn_rt.workers[target];
    if (flags & SN_FF_PINNED) SN_STORE(&f->w, to);
    if (to == w)
        sn_fiber_enqueue_new(w, f);
    else
        sn_post_send(to, &f->post);
    return 0;
}

int sn_go(const char *name, sn_fiber_fn fn, void *arg)
{
    struct sn_worker *w = sn_worker_cur();
    SN_DCHECK(w && w->cur);
    return sn_spawn(w, w->cur->scope, name, (void *)(uintptr_t)fn, arg, 0, -1, NULL);
}

int sn_go_on(unsigned worker, const char *name, sn_fiber_fn fn, void *arg)
{
    struct sn_worker *w = sn_worker_cur();
    if (worker >= sn_rt.n)
        return sn_fail(SN_E_INVALID_ARGUMENT, "worker %u of %u", worker, sn_rt.n);
    return sn_spawn(w, w->cur->scope, name, (void *)(uintptr_t)fn, arg, SN_FF_PINNED, (int)worker,
                    NULL);
}

int sn_go_cleanup(unsigned worker, const char *name, sn_fiber_fn fn, void *arg)
{
    if (worker >= sn_rt.n)
        return sn_fail(SN_E_INVALID_ARGUMENT, "worker %u of %u", worker, sn_rt.n);
    return sn_spawn(sn_worker_cur(), &sn_rt.root, name, (void *)(uintptr_t)fn, arg,
                    SN_FF_PINNED | SN_FF_DETACHED | SN_FF_CLEANUP, (int)worker, NULL);
}

/* The door for other threads. It outlives the runtime: a thread may come when everything is gone. */
static struct {
    uint32_t open;   /* __atomic */
    uint32_t inside; /* __atomic */
} door;

/* After it nobody is inside or can come in. */
static void door_close(void)
{
    __atomic_store_n(&door.open, 0, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&door.inside, __ATOMIC_SEQ_CST)) sched_yield();
}

int sn_go_from_thread(const char *name, sn_fiber_fn fn, void *arg)
{
    int r = SN_E_FAILED_PRECONDITION;
    __atomic_fetch_add(&door.inside, 1, __ATOMIC_SEQ_CST);
    bool in = __atomic_load_n(&door.open, __ATOMIC_SEQ_CST);
    if (in)
        r = sn_spawn(sn_worker_cur(), &sn_rt.root, name, (void *)(uintptr_t)fn, arg, SN_FF_DETACHED,
                     -1, NULL);
    __atomic_fetch_sub(&door.inside, 1, __ATOMIC_SEQ_CST);
    return in ? r : sn_fail(r, "no runtime is running");
}

int sn_rt_spawn_local(const char *name, sn_fiber_fn fn, void *arg, struct sn_sim_host *host)
{
    struct sn_worker *w = sn_worker_cur();
    return sn_spawn(w, &sn_rt.root, name, (void *)(uintptr_t)fn, arg,
                    SN_FF_DETACHED | SN_FF_PINNED, (int)w->index, host);
}

/* ---- small calls ----------------------------------------------------------------------------- */

struct sn_fiber *sn_self(void)
{
    struct sn_worker *w = sn_worker_cur();
    return w ? w->cur : NULL;
}

uint64_t sn_fiber_id(const struct sn_fiber *f) { return f->id; }
const char *sn_fiber_name(const struct sn_fiber *f) { return f->name; }
void sn_fiber_set_name(const char *name)
{
    struct sn_worker *w = sn_worker_cur();
    set_name(w->cur, name);
    if (SN_UNLIKELY(w->trace)) sn_trace_on_name(w, w->cur);
}
void **sn_fiber_local(void) { return &sn_worker_cur()->cur->local; }

int sn_worker_id(void)
{
    struct sn_worker *w = sn_worker_cur();
    return w ? (int)w->index : -1;
}

unsigned sn_worker_count(void) { return sn_rt.n; }

int64_t sn_fibers_live(void)
{
    if (!sn_rt.workers) return 0;
    int64_t live = (int64_t)SN_LOAD(&sn_rt.started_outside);
    for (unsigned i = 0; i < sn_rt.n; i++)
        live += (int64_t)(SN_LOAD(&sn_rt.workers[i].started) - SN_LOAD(&sn_rt.workers[i].finished));
    return live;
}

int64_t sn_now(void)
{
    if (SN_UNLIKELY(sn_sim_on)) return sn_rt.workers[0].now;
    return sn_clock_mono();
}

int64_t sn_now_coarse(void)
{
    struct sn_worker *w = sn_worker_cur();
    return w ? w->now : sn_clock_mono();
}

/* The simulated world begins at 2025-01-01T00:00:00Z. */
#define SIM_EPOCH (1735689600LL * SN_SEC)

int64_t sn_wall_now(void)
{
    if (SN_UNLIKELY(sn_sim_on)) return SIM_EPOCH + sn_rt.workers[0].now;
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec * SN_SEC + ts.tv_nsec;
}

uint64_t sn_random(void)
{
    struct sn_worker *w = sn_worker_cur();
    if (SN_LIKELY(w != NULL)) return sn_rand_u64(&w->rand);
    static __thread struct sn_rand mine;
    static __thread bool seeded;
    if (!seeded) {
        sn_rand_seed(&mine, (uint64_t)sn_clock_mono() ^ (uint64_t)(uintptr_t)&mine);
        seeded = true;
    }
    return sn_rand_u64(&mine);
}

static struct sn_diag *fiber_diag(void)
{
    static __thread struct sn_diag outside;
    struct sn_worker *w = sn_worker_cur();
    if (!w || !w->cur || !w->cur->stack) return &outside;
    struct sn_stack *s = w->cur->stack;
    if (!s->diag_used) {
        s->diag_used = true;
        s->diag.code = 0;
        s->diag.frames = 0;
        s->diag.used = 0;
    }
    return &s->diag;
}

void sn_rt_stats(struct sn_rt_stats *ret)
{
    struct sn_rt_stats s = {.workers = sn_rt.n};
    for (unsigned i = 0; i < sn_rt.n; i++) {
        const struct sn_worker *w = &sn_rt.workers[i];
        s.fibers_started += SN_LOAD(&w->started);
        s.switches += SN_LOAD(&w->switches);
        s.steals += SN_LOAD(&w->steals);
        s.polls += SN_LOAD(&w->polls);
        s.idle_polled_ns += (uint64_t)SN_LOAD(&w->idle_polled_ns);
        s.wakeups_remote += SN_LOAD(&w->wakeups_remote);
        s.timers_fired += SN_LOAD(&w->timers_fired);
        s.stack_bytes_cached += SN_LOAD(&w->stack_n) * sn_stacks_slot();
        s.fibers_runnable += SN_LOAD(&w->rq_n) + SN_LOAD(&w->over_n) +
                             (SN_LOAD(&w->ring_tail) - SN_LOAD(&w->ring_head)) +
                             (SN_LOAD(&w->lifo) != NULL);
    }
    s.fibers_started += SN_LOAD(&sn_rt.started_outside);
    s.fibers_live = sn_fibers_live();
    s.fibers_parked = SN_MAX(s.fibers_live - s.fibers_runnable - (int64_t)sn_rt.n, (int64_t)0);
    s.stack_bytes_reserved = sn_stacks_reserved();
    for (unsigned i = 0; i < n_plugins; i++)
        if (plugins[i]->stats) plugins[i]->stats(&s);
    *ret = s;
}

/* ---- start and end --------------------------------------------------------------------------- */

/* Every fiber but main is cancelled. Repeated by the caller until they are gone, because fibers may
 * start while the records are being walked. */
void sn_cancel_all(void)
{
    SN_STORE(&sn_rt.root_cancelled, 1);
    const struct sn_fiber *self = sn_self();
    for (struct sn_chunk *c = SN_LOAD_ACQ(&sn_rt.chunks); c; c = c->next) {
        uint32_t used = SN_LOAD_ACQ(&c->used);
        for (uint32_t i = 0; i < used; i++) {
            struct sn_fiber *f = &c->rec[i];
            uint8_t st = SN_LOAD(&f->state);
            if (f == self || st == SN_FIBER_FREE || st == SN_FIBER_ZOMBIE) continue;
            sn_fiber_cancel(f);
        }
    }
}

void sn_stop_workers(void)
{
    for (unsigned i = 0; i < sn_rt.n; i++) {
        struct sn_worker *w = &sn_rt.workers[i];
        __atomic_store_n(&w->stop, 1, __ATOMIC_SEQ_CST);
        w->poller.ops->wake(&w->poller);
    }
}

static void main_fiber(void *arg)
{
    (void)arg;
    sn_rt.main_result = sn_rt.main_fn(sn_rt.main_arg);
    struct sn_fiber *self = sn_self();
    if (sn_rt.main_result < 0 && self->stack->diag_used) sn_rt.main_diag = self->stack->diag;
    self->deadline = SN_FOREVER;
    self->shield = 1;
    self->shield_deadline = SN_FOREVER;
    door_close();
    int64_t pause = 20 * SN_US;
    while (sn_fibers_live() > 1 + (int64_t)sn_rt.zombies) {
        sn_cancel_all();
        sn_yield();
        if (sn_fibers_live() > 1 + (int64_t)sn_rt.zombies) (void)!sn_sleep(pause);
        pause = SN_MIN(pause * 2, 2 * SN_MS);
    }
    sn_stop_workers();
}

static int poller_init(struct sn_worker *w)
{
    w->poller.worker = w;
    if (sn_rt.uring && sn_poller_uring) {
        w->poller.ops = sn_poller_uring;
        int r = w->poller.ops->init(&w->poller);
        if (r >= 0) return 0;
        if (w->index == 0 &&
            sn_watchdog_hook) { /* epoll does everything it does, but nobody should wonder */
            char text[SN_DIAG_BYTES + 64];
            snprintf(text, sizeof(text), "io_uring is not available, using epoll: %s",
                     sn_diag_str(r));
            sn_watchdog_hook(text);
        }
        sn_diag_clear();
    }
    w->poller.ops = &sn_poller_epoll;
    return w->poller.ops->init(&w->poller);
}

static int worker_begin(struct sn_worker *w)
{
    sn_worker_tls = w;
    if (pthread_getcpuclockid(pthread_self(), &w->cpu_clock) != 0) w->cpu_clock = -1;
    SN_STORE_REL(&w->os_tid, (int)syscall(SYS_gettid));
    pthread_attr_t a;
    if (pthread_getattr_np(pthread_self(), &a) == 0) {
        pthread_attr_getstack(&a, &w->thread_stack, &w->thread_stack_size);
        pthread_attr_destroy(&a);
    }
#ifdef SN_TSAN
    w->san_fiber = __tsan_get_current_fiber();
#endif
    sn_crash_worker(w);
    int r = poller_init(w);
    w->poller_up = r >= 0;
    for (unsigned i = 0; r >= 0 && i < n_plugins; i++)
        if (plugins[i]->worker_init) r = plugins[i]->worker_init(w);
    if (r < 0) __atomic_store_n(&sn_rt.init_error, r, __ATOMIC_SEQ_CST);
    return r;
}

static void worker_end(struct sn_worker *w)
{
    for (unsigned i = 0; i < n_plugins; i++)
        if (plugins[i]->worker_done) plugins[i]->worker_done(w);
    if (w->poller_up) w->poller.ops->done(&w->poller);
    sn_crash_worker_done();
    sn_worker_tls = NULL;
}

/* All threads meet here twice: before the first fiber (has every worker come up?) and after the
 * last (nobody's poller goes while others may still wake it). */
static void gate(unsigned k)
{
    pthread_mutex_lock(&sn_rt.gate_lock);
    sn_rt.arrived[k]++;
    pthread_cond_broadcast(&sn_rt.gate_cond);
    while (sn_rt.arrived[k] < sn_rt.expected)
        pthread_cond_wait(&sn_rt.gate_cond, &sn_rt.gate_lock);
    pthread_mutex_unlock(&sn_rt.gate_lock);
}

static void *worker_thread(void *arg)
{
    struct sn_worker *w = arg;
    char name[16];
    snprintf(name, sizeof(name), "sn-worker-%u", w->index);
    pthread_setname_np(pthread_self(), name);
    (void)!worker_begin(w);
    gate(0);
    if (!__atomic_load_n(&sn_rt.init_error, __ATOMIC_SEQ_CST)) sn_worker_loop(w);
    gate(1);
    worker_end(w);
    return NULL;
}

static unsigned cpus(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
    int n = CPU_COUNT(&set);
    return n < 1 ? 1 : (unsigned)n;
}

static int rt_alloc(const struct sn_rt_opts *o)
{
    unsigned n = o->workers ? o->workers : cpus();
    if (n > SN_WORKERS_MAX) n = SN_WORKERS_MAX;
    size_t slot = o->stack_bytes ? o->stack_bytes : SN_STACK_DEFAULT;
#if defined(SN_ASAN) || defined(SN_TSAN)
    slot = SN_MAX(slot, (size_t)SN_STACK_DEFAULT) *
           4; /* instrumented frames are several times larger */
#endif
    if (slot < 16384 || (slot & (slot - 1)))
        return sn_fail(SN_E_INVALID_ARGUMENT, "stack_bytes %zu is not a power of two >= 16384",
                       slot);
    /* Ids are never reused in the process, except that each simulation counts from 1 so that two
     * runs of a seed agree. */
    static uint64_t id;
    if (sn_rt.next_id > id) id = sn_rt.next_id;
    if (id == 0) id = 1;
    sn_rt = (struct sn_rt){.n = n, .next_id = sn_sim_on ? 1 : id, .uring = o->io_uring,
                           .idle_poll_ns = SN_MIN(o->idle_poll_ns, (int64_t)SN_MS)};
    sn_rt_single = n == 1;
    sn_rt.fibers_max = o->fibers_max ? o->fibers_max : FIBERS_MAX_DEFAULT;
    pthread_mutex_init(&sn_rt.rec_lock, NULL);
    pthread_mutex_init(&sn_rt.gate_lock, NULL);
    pthread_cond_init(&sn_rt.gate_cond, NULL);
    sn_list_init(&sn_rt.root.members);
    sn_list_init(&sn_rt.root.children);
    sn_rt.workers = sn_aligned_alloc(SN_CACHE_LINE, n * sizeof(struct sn_worker));
    sn_rt.threads = sn_zalloc(n, sizeof(pthread_t));
    if (sn_rt.workers) memset(sn_rt.workers, 0, n * sizeof(struct sn_worker));
    if (!sn_rt.workers || !sn_rt.threads) return SN_E_NOMEM;
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    for (unsigned i = 0; i < n; i++) {
        struct sn_worker *w = &sn_rt.workers[i];
        sn_worker_init_queues(w, i);
        sn_rand_seed(&w->rand, (uint64_t)ts.tv_nsec * 1000003u + (uint64_t)ts.tv_sec + i);
        w->watch = sn_zalloc(n, sizeof(*w->watch));
        if (!w->watch) return SN_E_NOMEM;
        if (sn_sim_on) sn_sim_begin_worker(w);
    }
    return sn_stacks_init(slot);
}

static void rt_free(void)
{
    for (unsigned i = 0; sn_rt.workers && i < sn_rt.n; i++) {
        sn_timers_done(&sn_rt.workers[i].timers);
        sn_free(sn_rt.workers[i].watch);
        sn_stack_big_free(sn_rt.workers[i].big);
    }
    sn_stacks_done();
    for (struct sn_chunk *c = sn_rt.chunks, *next; c; c = next) {
        next = c->next;
        sn_free(c);
    }
    sn_free(sn_rt.workers);
    sn_free(sn_rt.threads);
    pthread_mutex_destroy(&sn_rt.rec_lock);
    pthread_mutex_destroy(&sn_rt.gate_lock);
    pthread_cond_destroy(&sn_rt.gate_cond);
    sn_rt.workers = NULL;
    sn_rt.threads = NULL;
    sn_rt.chunks = NULL;
    sn_rt.n = 0;
}

/* Worker threads see the signals of the process only where somebody asks for them (signal.c). */
static unsigned start_threads(int *ret_err)
{
    sigset_t all, before;
    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGPROF);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    unsigned i;
    for (i = 1; i < sn_rt.n; i++) {
        int e = sn_thread_create(&sn_rt.threads[i], NULL, worker_thread, &sn_rt.workers[i]);
        if (e) {
            *ret_err = sn_fail_errno(e, "worker thread %u", i);
            break;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return i;
}

static int run_main(struct sn_worker *w)
{
    sn_rt.running = true;
    __atomic_store_n(&door.open, 1, __ATOMIC_SEQ_CST);
    int r = sn_spawn(w, &sn_rt.root, "main", (void *)(uintptr_t)main_fiber, NULL, SN_FF_PINNED, 0,
                     NULL);
    if (r < 0) sn_stop_workers();
    sn_worker_loop(w);
    door_close(); /* main never ran, or a simulation ended it */
    sn_rt.running = false;
    return r;
}

static int run_workers(void)
{
    struct sn_worker *w = &sn_rt.workers[0];
    int r = 0;
    sn_rt.expected = UINT_MAX;
    unsigned made = start_threads(&r); /* counting this thread */
    if (r < 0) __atomic_store_n(&sn_rt.init_error, r, __ATOMIC_SEQ_CST);
    (void)!worker_begin(w);
    if (!sn_sim_on) sn_watchdog_start();
    pthread_mutex_lock(&sn_rt.gate_lock);
    sn_rt.expected = made;
    pthread_cond_broadcast(&sn_rt.gate_cond);
    pthread_mutex_unlock(&sn_rt.gate_lock);
    gate(0);
    r = __atomic_load_n(&sn_rt.init_error, __ATOMIC_SEQ_CST);
    if (r == 0) r = run_main(w);
    /* Threads of the pool and the watchdog may still be inside a worker's wake-up. */
    sn_offload_done();
    if (!sn_sim_on) sn_watchdog_stop();
    gate(1);
    worker_end(w);
    for (unsigned i = 1; i < made; i++) pthread_join(sn_rt.threads[i], NULL);
    return r;
}

int sn_rt_run(const struct sn_rt_opts *opts, int (*fn)(void *arg), void *arg)
{
    static const struct sn_rt_opts defaults;
    if (!opts) opts = &defaults;
    SN_ASSERT(!sn_rt.running && !sn_rt.workers);
    int r = rt_alloc(opts);
    if (r < 0) {
        rt_free();
        return r;
    }
    sn_rt.main_fn = fn;
    sn_rt.main_arg = arg;
    signal(SIGPIPE, SIG_IGN); /* writes report a broken pipe as SN_E_RESET */
    sn_crash_install();
    sn_offload_init(opts->offload_max ? opts->offload_max : OFFLOAD_MAX_DEFAULT);
    sn_diag_set_provider(fiber_diag);
    r = run_workers();
    sn_crash_uninstall();
    sn_diag_set_provider(NULL);
    if (r >= 0) {
        r = sn_rt.main_result;
        if (r < 0 && sn_rt.main_diag.code == r) *sn_diag() = sn_rt.main_diag;
    }
    rt_free();
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/trace.c - recording the execution trace.
 * SPEC: the event numbers and arguments of Go 1.26's internal/trace/tracev2 (events.go, spec.go), and
 * what its reader demands of their order (internal/trace/order.go).
 *
 * All that a reader must be able to rely on:
 * - A fiber's state is said once per generation, before its first event there; who first mentions it
 *   says it. `traced` (generation, sequence number) is how they agree.
 * - A wake is recorded by the waker only if the block has been: trace_blocked is set after the block's
 *   event. Otherwise the fiber's own worker records it when the fiber comes out of the inbox, or
 *   starts.
 * - A worker that has not begun to record yet does so before it handles anything it was sent, so what
 *   happens to a fiber that is known to the trace is always recorded. */
#include "fiber/trace_int.h"

#include <errno.h>

#include "core/alloc.h"
#include "core/map.h"
#include "fiber/leak_int.h"
#include "fiber/sample.h"

#define EVENT_BYTES_MAX 64u
#define RESERVE_BYTES 512u /* for the events of one hook, and a farewell */
#define KEYS 4096u /* distinct stacks and strings a worker knows by heart, per generation */
#define KEY_PROBES 8u
#define NO_THREAD UINT64_MAX
#define DEAD UINT32_MAX /* in place of a sequence number */
#define MEMORY_MIN ((size_t)4 << 20)
#define KINDS 3 /* of buffers: a worker holds one of each */

enum event {
    EV_PROCS_CHANGE = 9,
    EV_PROC_START,
    EV_PROC_STOP,
    EV_PROC_STATUS = 13,
    EV_GO_CREATE,
    EV_GO_START = 16,
    EV_GO_DESTROY,
    EV_GO_STOP = 19,
    EV_GO_BLOCK,
    EV_GO_UNBLOCK,
    EV_GO_SYSCALL_BEGIN,
    EV_GO_SYSCALL_END,
    EV_GO_STATUS = 25,
    EV_GO_LABEL = 39,
    EV_TASK_BEGIN,
    EV_TASK_END,
    EV_REGION_BEGIN,
    EV_REGION_END,
    EV_LOG,
    EV_GO_STATUS_STACK = 48,
};
enum go_status { GO_RUNNABLE = 1, GO_RUNNING, GO_SYSCALL, GO_WAITING };
enum proc_status { PROC_RUNNING = 1, PROC_IDLE, PROC_SYSCALL };

/* One worker's; only its thread touches it. */
struct sn_trace_rec {
    struct sn_worker *w;
    uint32_t gen;
    bool running; /* not idle */
    bool in_syscall;
    bool closing;       /* the buffers are full: this hook's events are the last */
    bool silent;        /* nothing more from here */
    struct sn_fiber *f; /* whom the reader thinks running here */
    uint64_t last_ns;
    uint32_t proc_seq, ids;
    struct sn_trace_buf *events, *table, *samples;
    struct sn_post post;
    uint64_t keys[KEYS];
    uint32_t key_ids[KEYS];
};

uint32_t sn_trace_word;
static struct {
    struct sn_trace_rec *recs;
    unsigned n;
    uint32_t first;   /* the trace's first generation */
    uint32_t next;    /* of the next trace: never reused, so what fibers remember of an old one is void */
    bool samples;
    uint32_t claimed; /* __atomic: somebody takes a trace */
    uint32_t said;    /* __atomic: the farewell */
    uint32_t procs_said; /* __atomic */
    uint64_t lost;    /* __atomic */
    uint64_t tasks;   /* __atomic */
    struct sn_spin lock;
    struct sn_trace_buf *free, *full_head, **full_tail;
    size_t bufs, bufs_max;
    /* a round through all workers */
    void (*step)(struct sn_worker *w);
    uint32_t left; /* __atomic */
    struct sn_fiber *who;
    uint64_t ticket;
} trace;

/* ---- buffers --------------------------------------------------------------------------------- */

static struct sn_trace_buf *buf_new(struct sn_trace_rec *r, unsigned kind)
{
    sn_spin_lock(&trace.lock);
    struct sn_trace_buf *b = trace.free;
    bool make = !b && trace.bufs < trace.bufs_max;
    if (b) trace.free = b->next;
    trace.bufs += make;
    sn_spin_unlock(&trace.lock);
    if (make && !(b = sn_alloc(SN_TRACE_BUF_BYTES))) {
        sn_spin_lock(&trace.lock);
        trace.bufs--;
        sn_spin_unlock(&trace.lock);
    }
    if (!b) return NULL;
    *b = (struct sn_trace_buf){.gen = r->gen - trace.first + 1,
                               .tid = r->w->os_tid,
                               .worker = (uint16_t)r->w->index,
                               .kind = (uint16_t)kind,
                               .began_ns = r->last_ns};
    return b;
}
static void hand_over(struct sn_trace_buf **at)
{
    struct sn_trace_buf *b = *at;
    *at = NULL;
    if (!b) return;
    sn_spin_lock(&trace.lock);
    *trace.full_tail = b;
    trace.full_tail = &b->next;
    sn_spin_unlock(&trace.lock);
}
struct sn_trace_buf *sn_trace_rec_take(void)
{
    sn_spin_lock(&trace.lock);
    struct sn_trace_buf *b = trace.full_head;
    if (b && !(trace.full_head = b->next)) trace.full_tail = &trace.full_head;
    sn_spin_unlock(&trace.lock);
    if (b) b->next = NULL;
    return b;
}
void sn_trace_rec_give(struct sn_trace_buf *b)
{
    sn_spin_lock(&trace.lock);
    b->next = trace.free;
    trace.free = b;
    sn_spin_unlock(&trace.lock);
}

/* ---- events ---------------------------------------------------------------------------------- */

static inline uint8_t *put(uint8_t *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7) *p++ = (uint8_t)v | 0x80;
    *p++ = (uint8_t)v;
    return p;
}
static void write_event(struct sn_trace_rec *r, unsigned type, const uint64_t *args, unsigned n)
{
    struct sn_trace_buf *b = r->events;
    uint64_t now = (uint64_t)sn_clock_mono();
    if (now <= r->last_ns) now = r->last_ns + 1;
    if (b->len == 0) b->began_ns = r->last_ns = now;
    uint8_t *p = b->data + b->len;
    *p++ = (uint8_t)type;
    p = put(p, now - r->last_ns);
    for (unsigned i = 0; i < n; i++) p = put(p, args[i]);
    r->last_ns = now;
    b->len = (uint32_t)(p - b->data);
}

static void leave(struct sn_trace_rec *r)
{
    r->silent = true;
    r->w->trace = NULL;
    hand_over(&r->events);
    hand_over(&r->table);
    hand_over(&r->samples);
}
/* Says once in the trace that it ends here because the buffers are full. */
static void farewell(struct sn_trace_rec *r)
{
    uint32_t no = 0;
    if (r->f && r->events && !r->in_syscall &&
        __atomic_compare_exchange_n(&trace.said, &no, 1, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        uint64_t note[] = {0, SN_TRACE_ID_KEY, SN_TRACE_ID_FULL, 0};
        write_event(r, EV_LOG, note, SN_COUNT_OF(note));
    }
}
/* Out of buffers: announced before the first event is lost, so that nobody records what follows from
 * it. The hook that this happens in still ends in the old buffer's reserve: its causes were all there
 * when it began. */
static SN_COLD bool close_up(struct sn_trace_rec *r)
{
    uint32_t word = SN_LOAD(&sn_trace_word);
    while (word && !(word & SN_TRACE_FULL) &&
           !__atomic_compare_exchange_n(&sn_trace_word, &word, word | SN_TRACE_FULL, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {}
    r->closing = true;
    farewell(r);
    if (!r->events) leave(r);
    return !r->silent;
}
static SN_NOINLINE bool make_room(struct sn_trace_rec *r)
{
    if (r->closing) return r->events->len + EVENT_BYTES_MAX <= SN_TRACE_BUF_CAP;
    struct sn_trace_buf *b = buf_new(r, SN_TRACE_EVENTS);
    if (!b) return close_up(r);
    hand_over(&r->events);
    r->events = b;
    return true;
}
static bool emit(struct sn_trace_rec *r, unsigned type, const uint64_t *args, unsigned n)
{
    if (SN_UNLIKELY(r->silent)) return false;
    struct sn_trace_buf *b = r->events;
    if (SN_UNLIKELY(!b || b->len + EVENT_BYTES_MAX + RESERVE_BYTES > SN_TRACE_BUF_CAP) &&
        !make_room(r))
        return false;
    write_event(r, type, args, n);
    return true;
}
#define EMIT0(r, type) emit((r), (type), NULL, 0)
#define EMIT(r, type, ...)                                             \
    emit((r), (type), (const uint64_t[]){__VA_ARGS__},                 \
         sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

/* ---- tables ---------------------------------------------------------------------------------- */

static void *entry_add(struct sn_trace_rec *r, struct sn_trace_buf **at, unsigned buf_kind,
                       unsigned kind, uint32_t id, size_t len)
{
    size_t need = sizeof(struct sn_trace_entry) + ((len + 7) & ~(size_t)7);
    if (SN_UNLIKELY(!*at || (*at)->len + need > SN_TRACE_BUF_CAP)) {
        struct sn_trace_buf *b = r->silent ? NULL : buf_new(r, buf_kind);
        if (!b) return NULL;
        hand_over(at);
        *at = b;
    }
    struct sn_trace_entry *e = (struct sn_trace_entry *)(void *)((*at)->data + (*at)->len);
    *e = (struct sn_trace_entry){.kind = (uint16_t)kind, .len = (uint16_t)len, .id = id};
    (*at)->len += (uint32_t)need;
    return e->data;
}
/* What events call these bytes; 0, which is "none", where there is no room to say what it means. A
 * text whose place in `keys` is taken gets a second id. */
static uint32_t table_id(struct sn_trace_rec *r, unsigned kind, const void *data, size_t len)
{
    uint64_t key = sn_hash(data, len, kind) | 1;
    uint32_t at = 0;
    for (unsigned i = 0; i < KEY_PROBES; i++) {
        at = ((uint32_t)(key >> 32) + i) & (KEYS - 1);
        if (r->keys[at] == key) return r->key_ids[at];
        if (r->keys[at] == 0) break;
    }
    if (r->ids >= UINT32_MAX >> SN_TRACE_ID_SHIFT) return 0;
    uint32_t id = (r->ids + 1) << SN_TRACE_ID_SHIFT | r->w->index;
    void *to = entry_add(r, &r->table, SN_TRACE_TABLE, kind, id, len);
    if (!to) return 0;
    memcpy(to, data, len);
    r->ids++;
    r->keys[at] = key;
    r->key_ids[at] = id;
    return id;
}
static uint32_t string_id(struct sn_trace_rec *r, const char *text, size_t len)
{
    return len ? table_id(r, SN_TRACE_STRING, text, SN_MIN(len, (size_t)SN_TRACE_STRING_MAX)) : 0;
}
static uint32_t reason_id(struct sn_trace_rec *r, const char *reason)
{
    return reason ? table_id(r, SN_TRACE_REASON, &reason, sizeof reason) : 0;
}
static uint32_t entry_id(struct sn_trace_rec *r, const struct sn_fiber *f)
{
    uintptr_t entry = (uintptr_t)f->fn;
    return table_id(r, SN_TRACE_ENTRY, &entry, sizeof entry);
}
/* The stack here, leaving out `skip` frames of the runtime: 2 = down to the hook. */
static SN_NOINLINE uint32_t stack_id(struct sn_trace_rec *r, unsigned skip)
{
    uintptr_t pcs[SN_TRACE_FRAMES_MAX];
    unsigned n = sn_stack_here(pcs, SN_TRACE_FRAMES_MAX, skip);
    return n ? table_id(r, SN_TRACE_STACK, pcs, n * sizeof *pcs) : 0;
}

/* ---- fibers ---------------------------------------------------------------------------------- */

static inline uint32_t gen_of(uint64_t traced) { return (uint32_t)(traced >> 32); }

/* Whether it falls to this worker to say how `f` stands at the beginning of this generation. */
static bool claim(struct sn_trace_rec *r, struct sn_fiber *f)
{
    uint64_t old = SN_LOAD(&f->traced);
    return gen_of(old) != r->gen &&
           __atomic_compare_exchange_n(&f->traced, &old, (uint64_t)r->gen << 32, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}
static void mention(struct sn_trace_rec *r, struct sn_fiber *f, enum go_status s)
{
    bool here = s == GO_RUNNING || s == GO_SYSCALL;
    if (claim(r, f)) EMIT(r, EV_GO_STATUS, f->id, here ? (uint64_t)r->w->os_tid : NO_THREAD, s);
}
static uint32_t next_seq(struct sn_fiber *f)
{
    uint64_t v = SN_LOAD(&f->traced) + 1;
    SN_STORE(&f->traced, v);
    return (uint32_t)v;
}
/* Whether its block is in the trace and its wake is not. */
static bool is_blocked(struct sn_fiber *f)
{
    return SN_LOAD_ACQ(&f->trace_blocked) == trace.first;
}

static void begin_generation(struct sn_trace_rec *r, uint32_t gen)
{
    hand_over(&r->events);
    hand_over(&r->table);
    hand_over(&r->samples);
    r->gen = gen;
    r->proc_seq = r->ids = 0;
    memset(r->keys, 0, sizeof r->keys);
    unsigned proc = !r->running ? PROC_IDLE : r->in_syscall ? PROC_SYSCALL : PROC_RUNNING;
    EMIT(r, EV_PROC_STATUS, r->w->index, proc);
    if (r->f) mention(r, r->f, r->in_syscall ? GO_SYSCALL : GO_RUNNING);
    if (trace.samples && !r->silent) { /* the signal may come in between */
        struct sn_trace_buf *b = buf_new(r, SN_TRACE_SAMPLES);
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        r->samples = b;
    }
}
SN_NOINLINE void sn_trace_catch_up(struct sn_worker *w)
{
    uint32_t word = SN_LOAD_ACQ(&sn_trace_word);
    if (word == w->trace_word) return;
    struct sn_trace_rec *r = w->trace;
    if (word == 0 || (word & SN_TRACE_FULL)) {
        if (r && (word || r->closing)) farewell(r);
        if (r) leave(r);
    } else { /* where it begins, this is the scheduler's context: no fiber runs */
        if (!r) r = &trace.recs[w->index];
        begin_generation(r, word);
        if (!r->silent) w->trace = r;
    }
    w->trace_word = word;
}
static SN_NOINLINE void wake_up(struct sn_trace_rec *r)
{
    r->running = EMIT(r, EV_PROC_START, r->w->index, ++r->proc_seq);
}
/* Every hook begins here; the first that the poller's callbacks reach ends the worker's idling. NULL:
 * recording has just ended. */
static inline struct sn_trace_rec *now_in(struct sn_worker *w)
{
    sn_trace_sync(w);
    struct sn_trace_rec *r = w->trace;
    if (SN_UNLIKELY(r && !r->running)) wake_up(r);
    return r;
}

void sn_trace_on_create(struct sn_worker *w, struct sn_fiber *f)
{
    struct sn_trace_rec *r = now_in(w);
    if (!r) return;
    SN_STORE(&f->traced, (uint64_t)r->gen << 32);
    EMIT(r, EV_GO_CREATE, f->id, entry_id(r, f), r->f ? stack_id(r, 3) : 0);
}
void sn_trace_on_wake(struct sn_worker *w, struct sn_fiber *f)
{
    if (!is_blocked(f)) return;
    struct sn_trace_rec *r = now_in(w);
    if (!r) return;
    mention(r, f, GO_WAITING);
    SN_STORE(&f->trace_blocked, 0);
    EMIT(r, EV_GO_UNBLOCK, f->id, next_seq(f), r->f ? stack_id(r, 3) : 0);
}
/* A fiber that a plain thread has started is created where it arrives. */
void sn_trace_on_inbox(struct sn_worker *w, struct sn_fiber *f)
{
    if (SN_LOAD(&f->state) != SN_FIBER_NEW) {
        sn_trace_on_wake(w, f);
        return;
    }
    struct sn_trace_rec *r = now_in(w);
    if (!r) return;
    uint64_t old = SN_LOAD(&f->traced);
    bool known = gen_of(old) >= trace.first && (uint32_t)old != DEAD;
    if (known || !__atomic_compare_exchange_n(&f->traced, &old, (uint64_t)r->gen << 32, false,
                                              __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return;
    EMIT(r, EV_GO_CREATE, f->id, entry_id(r, f), 0);
}
static void label(struct sn_trace_rec *r, struct sn_fiber *f)
{
    f->trace_label = trace.first;
    if (f->name[0]) EMIT(r, EV_GO_LABEL, string_id(r, f->name, strlen(f->name)));
}
void sn_trace_on_start(struct sn_worker *w, struct sn_fiber *f)
{
    struct sn_trace_rec *r = now_in(w);
    if (!r) return;
    if (SN_UNLIKELY(is_blocked(f))) sn_trace_on_wake(w, f); /* woken before it had parked */
    mention(r, f, GO_RUNNABLE);
    if (!EMIT(r, EV_GO_START, f->id, next_seq(f))) return;
    r->f = f;
    if (SN_UNLIKELY(f->trace_label != trace.first)) {
        uint32_t no = 0;
        label(r, f);
        if (!SN_LOAD(&trace.procs_said) &&
            __atomic_compare_exchange_n(&trace.procs_said, &no, 1, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
            EMIT(r, EV_PROCS_CHANGE, sn_rt.n, 0);
    }
}
void sn_trace_on_name(struct sn_worker *w, struct sn_fiber *f)
{
    struct sn_trace_rec *r = now_in(w);
    if (r && r->f == f) label(r, f);
}
void sn_trace_on_block(struct sn_worker *w, struct sn_fiber *f)
{
    struct sn_trace_rec *r = now_in(w);
    if (!r) return;
    uint32_t stack = stack_id(r, 3);
    if (!EMIT(r, EV_GO_BLOCK, reason_id(r, f->wait_reason), stack)) return;
    r->f = NULL;
    SN_STORE_REL(&f->trace_blocked, trace.first);
}
void sn_trace_on_yield(struct sn_worker *w, struct sn_fiber *f)
{
    struct sn_trace_rec *r = now_in(w);
    (void)f;
    if (!r) return;
    uint32_t stack = stack_id(r, 3);
    if (EMIT(r, EV_GO_STOP, reason_id(r, "yield"), stack)) r->f = NULL;
}
void sn_trace_on_end(struct sn_worker *w, struct sn_fiber *f)
{
    struct sn_trace_rec *r = now_in(w);
    if (!r || !EMIT0(r, EV_GO_DESTROY)) return;
    r->f = NULL;
    f->trace_label = 0;
    SN_STORE(&f->traced, (uint64_t)r->gen << 32 | DEAD);
}
void sn_trace_on_idle(struct sn_worker *w)
{
    struct sn_trace_rec *r = now_in(w);
    if (r && EMIT0(r, EV_PROC_STOP)) r->running = false;
}
void sn_trace_on_busy(struct sn_worker *w) { (void)now_in(w); }
void sn_trace_on_syscall(struct sn_worker *w, bool begin)
{
    int saved = errno; /* the call's result */
    struct sn_trace_rec *r = now_in(w);
    if (r && r->f) { /* not the scheduler's own */
        if (begin ? EMIT(r, EV_GO_SYSCALL_BEGIN, ++r->proc_seq, stack_id(r, 2))
                  : EMIT0(r, EV_GO_SYSCALL_END))
            r->in_syscall = begin;
    }
    errno = saved;
}

/* ---- annotations ----------------------------------------------------------------------------- */

bool sn_trace_on(void)
{
    struct sn_worker *w = sn_worker_cur();
    return w && w->trace;
}
/* NULL where there is nobody to record it. */
static struct sn_trace_rec *annotator(void)
{
    struct sn_worker *w = sn_worker_cur();
    if (SN_LIKELY(!w || !w->trace)) return NULL;
    struct sn_trace_rec *r = now_in(w);
    return r && r->f && r->f == w->cur ? r : NULL;
}
uint64_t sn_trace_task_begin(uint64_t parent, const char *name)
{
    uint64_t id = __atomic_add_fetch(&trace.tasks, 1, __ATOMIC_RELAXED);
    struct sn_trace_rec *r = annotator();
    if (r) EMIT(r, EV_TASK_BEGIN, id, parent, string_id(r, name, strlen(name)), stack_id(r, 2));
    return id;
}
void sn_trace_task_end(uint64_t task)
{
    struct sn_trace_rec *r = annotator();
    if (r) EMIT(r, EV_TASK_END, task, stack_id(r, 2));
}
void sn_trace_region_begin(uint64_t task, const char *name)
{
    struct sn_trace_rec *r = annotator();
    if (r) EMIT(r, EV_REGION_BEGIN, task, string_id(r, name, strlen(name)), stack_id(r, 2));
}
void sn_trace_region_end(uint64_t task, const char *name)
{
    struct sn_trace_rec *r = annotator();
    if (r) EMIT(r, EV_REGION_END, task, string_id(r, name, strlen(name)), stack_id(r, 2));
}
void sn_trace_log(uint64_t task, const char *key, struct sn_str text)
{
    struct sn_trace_rec *r = annotator();
    if (!r) return;
    uint32_t k = string_id(r, key, strlen(key)), v = string_id(r, text.ptr, text.len);
    EMIT(r, EV_LOG, task, k, v, stack_id(r, 2));
}

/* The signal may have interrupted this very file, on the same thread: it touches `samples` only, and
 * never makes a buffer. */
void sn_trace_sample(const struct sn_sample *s)
{
    struct sn_worker *w = sn_worker_cur();
    struct sn_trace_rec *r = w ? w->trace : NULL;
    if (!r) return;
    struct sn_trace_buf *b = r->samples;
    unsigned n = SN_MIN(s->n_pcs, (unsigned)SN_TRACE_FRAMES_MAX);
    size_t len = (2 + n) * sizeof(uint64_t);
    if (!b || b->len + sizeof(struct sn_trace_entry) + len > SN_TRACE_BUF_CAP) {
        __atomic_fetch_add(&trace.lost, 1, __ATOMIC_RELAXED);
        return;
    }
    struct sn_trace_entry *e = (struct sn_trace_entry *)(void *)(b->data + b->len);
    *e = (struct sn_trace_entry){.kind = SN_TRACE_SAMPLE, .len = (uint16_t)len};
    e->data[0] = (uint64_t)sn_clock_mono();
    e->data[1] = s->fiber_id;
    memcpy(e->data + 2, s->pcs, n * sizeof(uint64_t));
    b->len += (uint32_t)(sizeof *e + len);
}

/* ---- rounds through all workers -------------------------------------------------------------- */

static void step_run(struct sn_post *p)
{
    (void)p;
    trace.step(sn_worker_cur());
    struct sn_fiber *who = trace.who; /* the next round may begin as soon as the count is 0 */
    uint64_t ticket = trace.ticket;
    if (__atomic_sub_fetch(&trace.left, 1, __ATOMIC_ACQ_REL) == 0)
        (void)sn_wait_wake(who, ticket, 0);
}
static void each_worker(void (*step)(struct sn_worker *w))
{
    trace.step = step;
    trace.who = sn_self();
    SN_STORE(&trace.left, trace.n);
    trace.ticket = sn_wait_begin("trace");
    for (unsigned i = 0; i < trace.n; i++)
        sn_post_send(&sn_rt.workers[i], &trace.recs[i].post);
    (void)!sn_wait_park_always(trace.ticket);
}

/* How a fiber stood that the trace has not seen yet. This worker's own are not running now; one that
 * nobody has started may be started by others while we look: then the claim fails. */
static void say_status(struct sn_trace_rec *r, struct sn_fiber *f)
{
    uint64_t old = SN_LOAD_ACQ(&f->traced); /* before the state: a claim then proves it current */
    uint8_t st = SN_LOAD_ACQ(&f->state);
    struct sn_worker *owner = SN_LOAD(&f->w);
    if (st == SN_FIBER_FREE || st == SN_FIBER_ZOMBIE || gen_of(old) == r->gen) return;
    if (owner != r->w && (owner || st != SN_FIBER_NEW)) return;
    uint64_t id = SN_LOAD(&f->id);
    if (!__atomic_compare_exchange_n(&f->traced, &old, (uint64_t)r->gen << 32, false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return;
    if (st != SN_FIBER_WAITING) {
        EMIT(r, EV_GO_STATUS, id, NO_THREAD, GO_RUNNABLE);
        return;
    }
    struct sn_fiber_info i;
    uint32_t stack = 0;
    if (sn_fiber_snapshot(f, &i) && i.n_pcs)
        stack = table_id(r, SN_TRACE_STACK, i.pcs, i.n_pcs * sizeof *i.pcs);
    EMIT(r, EV_GO_STATUS_STACK, id, NO_THREAD, GO_WAITING, stack);
    SN_STORE_REL(&f->trace_blocked, trace.first);
}
static void say_all(struct sn_worker *w)
{
    struct sn_trace_rec *r = now_in(w);
    for (struct sn_chunk *c = SN_LOAD_ACQ(&sn_rt.chunks); r && c; c = c->next) {
        uint32_t used = SN_LOAD_ACQ(&c->used);
        for (uint32_t i = 0; i < used && !r->silent && !r->closing; i++) say_status(r, &c->rec[i]);
    }
}

int sn_trace_rec_start(const struct sn_trace_rec_opts *o)
{
    uint32_t no = 0;
    if (sn_sim_on) return sn_fail(SN_E_UNIMPLEMENTED, "no execution traces of a simulation");
    if (!__atomic_compare_exchange_n(&trace.claimed, &no, 1, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED))
        return sn_fail(SN_E_FAILED_PRECONDITION, "an execution trace is being taken");
    trace.n = sn_rt.n;
    trace.recs = sn_zalloc(trace.n, sizeof *trace.recs);
    if (!trace.recs) {
        __atomic_store_n(&trace.claimed, 0, __ATOMIC_RELEASE);
        return SN_E_NOMEM;
    }
    trace.samples = o->samples;
    trace.bufs_max = SN_MAX(o->memory_max, MEMORY_MIN) / SN_TRACE_BUF_BYTES + trace.n * KINDS;
    trace.full_tail = &trace.full_head;
    trace.said = trace.procs_said = 0;
    trace.lost = 0;
    trace.first = SN_MAX(trace.next, 1u);
    for (unsigned i = 0; i < trace.n; i++) {
        trace.recs[i].w = &sn_rt.workers[i];
        trace.recs[i].running = true;
        trace.recs[i].post.fn = step_run;
    }
    __atomic_store_n(&sn_trace_word, trace.first, __ATOMIC_SEQ_CST);
    each_worker(sn_trace_catch_up);
    /* Only now that nothing happens unseen: */
    each_worker(say_all);
    return 0;
}
int sn_trace_rec_turn(void)
{
    uint32_t word = SN_LOAD_ACQ(&sn_trace_word);
    if ((word & SN_TRACE_FULL) ||
        !__atomic_compare_exchange_n(&sn_trace_word, &word, word + 1, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_RELAXED))
        return SN_E_RESOURCE_EXHAUSTED;
    each_worker(sn_trace_catch_up);
    return 0;
}
bool sn_trace_rec_full(void) { return SN_LOAD_ACQ(&sn_trace_word) & SN_TRACE_FULL; }
uint64_t sn_trace_rec_lost(void) { return __atomic_load_n(&trace.lost, __ATOMIC_RELAXED); }

bool sn_trace_rec_stop(void)
{
    uint32_t word = __atomic_exchange_n(&sn_trace_word, 0, __ATOMIC_SEQ_CST);
    trace.next = (word & ~SN_TRACE_FULL) + 1;
    each_worker(sn_trace_catch_up);
    return word & SN_TRACE_FULL;
}
void sn_trace_rec_done(void)
{
    for (struct sn_trace_buf *b; (b = sn_trace_rec_take());) sn_trace_rec_give(b);
    for (struct sn_trace_buf *b; (b = trace.free);) {
        trace.free = b->next;
        sn_free(b);
        trace.bufs--;
    }
    SN_ASSERT(trace.bufs == 0);
    sn_free(trace.recs);
    trace.recs = NULL;
    __atomic_store_n(&trace.claimed, 0, __ATOMIC_RELEASE);
}

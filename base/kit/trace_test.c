/* SPDX-License-Identifier: Apache-2.0 */
/* Traces of this very program, read back by a strict reader of our own: it knows the format's
 * structure and replays every event against the states of fibers, workers and threads in the order
 * Go's reader demands (SPEC: Go 1.26 internal/trace, order.go), so a trace that it takes is one that
 * `go tool trace` takes. With SN_PROFILE_DIR set traces are also written there, for
 * tests/interop/pprof.sh and the real reader. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/buf.h"
#include "core/map.h"
#include "core/torture.h"
#include "core/vec.h"
#include "fiber/chan.h"
#include "fiber/os.h"
#include "fiber/sync.h"
#include "fiber/trace.h"
#include "kit/debug.h"
#include "kit/prof.h"
#include "kit/symbol.h"
#include "kit/trace.h"
#include "tests/harness/test.h"

/* ---- the reader ------------------------------------------------------------------------------ */

#define EVENTS 53
/* Arguments after the time; -1: not an event of a thread's batch, or one we never write. */
static const signed char args_of[EVENTS] = {
    -1, -1, -1, -1, -1, -1, -1, -1, -1, 2, 2, 0, -1, 2, 3, -1, 2, 0, -1, 2, 2, 3, 2, 0, -1, 3, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1, 4, 2, 3, 3, 4, -1, -1, -1, 4, -1, -1, -1, -1};
enum { PROCS = 9, P_START, P_STOP, P_STATUS = 13, CREATE, START = 16, DESTROY, STOP = 19, BLOCK, UNBLOCK,
       SYS_BEGIN, SYS_END, STATUS = 25, LABEL = 39, TASK, TASK_END, REGION, REGION_END, LOG,
       STATUS_STACK = 48 };
enum { NONE, RUNNABLE, RUNNING, SYSCALL, WAITING };

struct event {
    uint64_t ns, a[4];
    unsigned type;
};
struct thread {
    uint64_t id, g, p; /* 0 = none; p counts from 1 */
    SN_VEC(struct event) ev;
    size_t at;
    uint64_t last_ns;
};
struct fiber {
    uint64_t seq;
    uint32_t gen;
    unsigned status, regions;
};
struct proc {
    uint64_t seq;
    uint32_t gen;
    unsigned status; /* 1 running, 2 idle, 3 in a system call; 0 never seen */
};
#define THREADS 64
#define PROCS_MAX 16
struct reader {
    struct sn_str in;
    uint32_t gen;
    struct sn_arena arena, texts;
    struct sn_map fibers, strings, stacks; /* by number; the last two per generation */
    struct thread threads[THREADS];
    unsigned n_threads;
    struct proc procs[PROCS_MAX];
    /* what was seen */
    uint64_t count[EVENTS], samples, with_creator, by_fiber;
    struct sn_map functions, reasons, labels, logs;
};

static uint64_t number(struct sn_str *s)
{
    uint64_t v = 0;
    for (unsigned shift = 0;; shift += 7) {
        T_ASSERT(s->len > 0 && shift < 70);
        uint8_t c = (uint8_t)*s->ptr;
        *s = sn_str_from(*s, 1);
        v |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80) return v;
    }
}
static struct sn_str bytes(struct sn_str *s, uint64_t n)
{
    T_ASSERT(n <= s->len);
    struct sn_str r = sn_str_of(s->ptr, n);
    *s = sn_str_from(*s, n);
    return r;
}
static unsigned byte(struct sn_str *s) { return (uint8_t)*bytes(s, 1).ptr; }

static struct sn_str key_of(struct reader *r, uint64_t id)
{
    uint64_t *k = sn_arena_alloc(&r->arena, sizeof *k);
    *k = id;
    return sn_str_of((const char *)k, sizeof *k);
}
static void *find(const struct sn_map *m, uint64_t id)
{
    return sn_map_get(m, sn_str_of((const char *)&id, sizeof id));
}
static void define(struct reader *r, struct sn_map *m, uint64_t id, void *v)
{
    T_ASSERT(id != 0);
    T_ASSERTF(!find(m, id), "%llu defined twice", (unsigned long long)id);
    T_OK(sn_map_put(m, key_of(r, id), v, NULL));
}
static void note(struct reader *r, struct sn_map *m, struct sn_str s)
{
    if (!sn_map_get(m, s)) T_OK(sn_map_put(m, sn_arena_str(&r->texts, s), r, NULL));
}
static struct sn_str string_of(struct reader *r, uint64_t id)
{
    struct sn_str *s = id ? find(&r->strings, id) : NULL;
    T_ASSERTF(!id || s, "generation %u has no string %llu", r->gen, (unsigned long long)id);
    return s ? *s : SN_STR("");
}
static void stack_check(struct reader *r, uint64_t id)
{
    T_ASSERTF(!id || find(&r->stacks, id), "generation %u has no stack %llu", r->gen,
              (unsigned long long)id);
}

static void read_strings(struct reader *r, struct sn_str b)
{
    while (b.len) {
        T_EQ(byte(&b), 5);
        uint64_t id = number(&b), n = number(&b);
        T_ASSERT(n <= 1024);
        struct sn_str *s = SN_ARENA_NEW(&r->arena, struct sn_str);
        *s = bytes(&b, n);
        define(r, &r->strings, id, s);
    }
}
/* Stacks are checked against the strings once all are there. */
struct pending {
    struct sn_str frames;
    uint64_t n;
};
static void read_stacks(struct reader *r, struct sn_str b)
{
    while (b.len) {
        T_EQ(byte(&b), 3);
        uint64_t id = number(&b);
        struct pending *p = SN_ARENA_NEW(&r->arena, struct pending);
        p->n = number(&b);
        T_ASSERT(p->n <= 128);
        p->frames = b;
        for (uint64_t i = 0; i < 4 * p->n; i++) (void)number(&b);
        define(r, &r->stacks, id, p);
    }
}
static void check_stacks(struct reader *r)
{
    size_t it = 0;
    for (struct sn_map_slot *s; (s = sn_map_next(&r->stacks, &it));) {
        struct pending *p = s->value;
        struct sn_str f = p->frames;
        for (uint64_t i = 0; i < p->n; i++) {
            T_ASSERT(number(&f) != 0);
            struct sn_str function = string_of(r, number(&f));
            T_ASSERT(function.len > 0);
            T_ASSERT(!sn_str_eqc(function, "sn_fiber_main"));
            note(r, &r->functions, function);
            (void)string_of(r, number(&f));
            (void)number(&f);
        }
    }
}
static struct thread *thread_of(struct reader *r, uint64_t id)
{
    for (unsigned i = 0; i < r->n_threads; i++)
        if (r->threads[i].id == id) return &r->threads[i];
    T_ASSERT(r->n_threads < THREADS);
    struct thread *t = &r->threads[r->n_threads++];
    *t = (struct thread){.id = id};
    return t;
}
static void read_events(struct reader *r, uint64_t m, uint64_t ns, struct sn_str b)
{
    struct thread *t = thread_of(r, m);
    T_ASSERT(m != UINT64_MAX);
    T_ASSERTF(ns >= t->last_ns, "a batch before the last one's end");
    while (b.len) {
        struct event e = {.type = byte(&b)};
        T_ASSERTF(e.type < EVENTS && args_of[e.type] >= 0, "event %u", e.type);
        ns += number(&b);
        e.ns = ns;
        for (int i = 0; i < args_of[e.type]; i++) e.a[i] = number(&b);
        T_OK(sn_vec_push(&t->ev, e));
    }
    t->last_ns = ns;
}
static void read_samples(struct reader *r, struct sn_str b)
{
    for (; b.len; r->samples++) {
        T_EQ(byte(&b), 7);
        for (int i = 0; i < 4; i++) (void)number(&b);
        /* stacks may follow in the file: all that is asked here is that it is one */
        T_ASSERT(number(&b) != 0);
    }
}
static void read_clocks(struct sn_str b, uint64_t ns)
{
    T_EQ(byte(&b), 8);
    T_EQ(number(&b), SN_SEC);
    T_EQ(byte(&b), 51);
    uint64_t at = ns + number(&b);
    T_EQ(at, number(&b));
    T_ASSERT(number(&b) > 1700000000);
    T_ASSERT(number(&b) < (uint64_t)SN_SEC);
    T_EQ(b.len, 0);
}

/* ---- replaying ---- */

static struct fiber *fiber_of(struct reader *r, uint64_t g) { return find(&r->fibers, g); }
static void fiber_add(struct reader *r, uint64_t g, unsigned status)
{
    struct fiber *f = SN_ARENA_NEW(&r->texts, struct fiber);
    uint64_t *k = sn_arena_alloc(&r->texts, sizeof *k);
    *k = g;
    *f = (struct fiber){.status = status, .gen = r->gen};
    T_OK(sn_map_put(&r->fibers, sn_str_of((const char *)k, sizeof *k), f, NULL));
}
static bool replay_status(struct reader *r, struct thread *t, const struct event *e)
{
    struct fiber *f = fiber_of(r, e->a[0]);
    unsigned s = (unsigned)e->a[2];
    T_ASSERT(s >= RUNNABLE && s <= WAITING);
    if (f) {
        T_ASSERTF(f->status == s, "G%llu is said to be %u, and was %u", (unsigned long long)e->a[0],
                  s, f->status);
        T_ASSERTF(f->gen != r->gen, "G%llu: a second status", (unsigned long long)e->a[0]);
        f->gen = r->gen;
        f->seq = 0;
    } else {
        T_ASSERTF(r->gen == 1, "G%llu turns up in generation %u", (unsigned long long)e->a[0], r->gen);
        fiber_add(r, e->a[0], s);
    }
    T_EQ(e->a[1], s == RUNNING || s == SYSCALL ? t->id : UINT64_MAX);
    if (s == RUNNING || s == SYSCALL) t->g = e->a[0];
    return true;
}
static bool replay_proc(struct reader *r, struct thread *t, const struct event *e)
{
    uint64_t id = e->type == P_STOP ? t->p - 1 : e->a[0];
    T_ASSERT(id < PROCS_MAX);
    struct proc *p = &r->procs[id];
    switch (e->type) {
    case P_STATUS:
        T_ASSERT(p->status == 0 || p->status == e->a[1]);
        *p = (struct proc){.status = (unsigned)e->a[1], .gen = r->gen};
        if (p->status != 2) t->p = id + 1;
        return true;
    case P_START:
        if (p->gen != r->gen || p->status != 2 || e->a[1] != p->seq + 1 || t->p) return false;
        p->seq++;
        p->status = 1;
        t->p = id + 1;
        return true;
    default:
        T_ASSERT(t->p && !t->g && p->status == 1);
        p->status = 2;
        t->p = 0;
        return true;
    }
}
/* A running fiber leaves its thread. */
static bool replay_leave(struct reader *r, struct thread *t, const struct event *e)
{
    struct fiber *f = fiber_of(r, t->g);
    T_ASSERT(t->p && f && f->status == RUNNING);
    if (e->type == DESTROY) {
        (void)sn_map_del(&r->fibers, sn_str_of((const char *)&t->g, sizeof t->g));
    } else {
        f->status = e->type == STOP ? RUNNABLE : WAITING;
        note(r, &r->reasons, string_of(r, e->a[0]));
        stack_check(r, e->a[1]);
    }
    t->g = 0;
    return true;
}
static bool replay_syscall(struct reader *r, struct thread *t, const struct event *e)
{
    struct fiber *f = fiber_of(r, t->g);
    T_ASSERT(t->p && f);
    struct proc *p = &r->procs[t->p - 1];
    bool begin = e->type == SYS_BEGIN;
    T_EQ(f->status, begin ? RUNNING : SYSCALL);
    T_EQ(p->status, begin ? 1 : 3);
    f->status = begin ? SYSCALL : RUNNING;
    p->status = begin ? 3 : 1;
    if (begin) {
        T_EQ(e->a[0], p->seq + 1);
        p->seq++;
        stack_check(r, e->a[1]);
    }
    return true;
}
static bool replay_note(struct reader *r, struct thread *t, const struct event *e)
{
    struct fiber *f = fiber_of(r, t->g);
    T_ASSERT(t->p && f && f->status == RUNNING);
    if (e->type == LABEL) note(r, &r->labels, string_of(r, e->a[0]));
    if (e->type == LOG) note(r, &r->logs, string_of(r, e->a[2]));
    if (e->type == LOG) T_ASSERT(string_of(r, e->a[1]).len);
    if (e->type == TASK) T_ASSERT(string_of(r, e->a[2]).len);
    if (e->type == REGION || e->type == REGION_END) T_ASSERT(string_of(r, e->a[1]).len);
    if (e->type == REGION) f->regions++;
    if (e->type == REGION_END && f->regions) f->regions--;
    if (e->type == PROCS) T_ASSERT(e->a[0] > 0);
    return true;
}
/* False: not yet, something of another thread comes first. */
static bool replay(struct reader *r, struct thread *t, const struct event *e)
{
    struct fiber *f;
    switch (e->type) {
    case P_STATUS:
    case P_START:
    case P_STOP: return replay_proc(r, t, e);
    case STATUS_STACK: stack_check(r, e->a[3]); return replay_status(r, t, e);
    case STATUS: return replay_status(r, t, e);
    case CREATE:
        T_ASSERT(t->p);
        T_ASSERTF(!fiber_of(r, e->a[0]), "G%llu exists already", (unsigned long long)e->a[0]);
        fiber_add(r, e->a[0], RUNNABLE);
        T_ASSERT(e->a[1]);
        stack_check(r, e->a[1]);
        stack_check(r, e->a[2]);
        r->with_creator += t->g != 0;
        return true;
    case START:
        f = fiber_of(r, e->a[0]);
        if (!f || f->gen != r->gen || f->status != RUNNABLE || e->a[1] != f->seq + 1) return false;
        T_ASSERT(t->p && !t->g);
        f->seq++;
        f->status = RUNNING;
        t->g = e->a[0];
        return true;
    case UNBLOCK:
        f = fiber_of(r, e->a[0]);
        if (!f || f->gen != r->gen || f->status != WAITING || e->a[1] != f->seq + 1) return false;
        f->seq++;
        f->status = RUNNABLE;
        stack_check(r, e->a[2]);
        r->by_fiber += t->g != 0;
        return true;
    case BLOCK:
    case STOP:
    case DESTROY: return replay_leave(r, t, e);
    case SYS_BEGIN:
    case SYS_END: return replay_syscall(r, t, e);
    default: return replay_note(r, t, e);
    }
}
static void replay_all(struct reader *r)
{
    for (;;) {
        bool left = false, moved = false;
        struct thread *in_order[THREADS];
        unsigned n = 0;
        for (unsigned i = 0; i < r->n_threads; i++) {
            struct thread *t = &r->threads[i];
            if (t->at == t->ev.len) continue;
            left = true;
            unsigned k = n++;
            for (; k > 0 && in_order[k - 1]->ev.ptr[in_order[k - 1]->at].ns > t->ev.ptr[t->at].ns; k--)
                in_order[k] = in_order[k - 1];
            in_order[k] = t;
        }
        if (!left) break;
        for (unsigned i = 0; i < n && !moved; i++) {
            struct thread *t = in_order[i];
            const struct event *e = &t->ev.ptr[t->at];
            if (!(moved = replay(r, t, e))) continue;
            r->count[e->type]++;
            t->at++;
        }
        if (moved) continue;
        const struct event *e = &in_order[0]->ev.ptr[in_order[0]->at];
        sn_test_fail(__FILE__, __LINE__, "generation %u: %u threads stuck, the first at event %u of %llu",
                     r->gen, n, e->type, (unsigned long long)e->a[0]);
    }
    for (unsigned i = 0; i < r->n_threads; i++) {
        r->threads[i].ev.len = 0;
        r->threads[i].at = 0;
    }
}
static bool read_generation(struct reader *r)
{
    bool clocks = false;
    if (!r->in.len) return false;
    r->gen++;
    for (unsigned type; (type = byte(&r->in)) != 52;) {
        T_EQ(type, 1);
        T_EQ(number(&r->in), r->gen);
        uint64_t m = number(&r->in), ns = number(&r->in), n = number(&r->in);
        T_ASSERT(n > 0 && n <= 65536);
        struct sn_str b = bytes(&r->in, n), rest = sn_str_from(b, 1);
        unsigned first = (uint8_t)*b.ptr;
        bool table = first == 2 || first == 4 || first == 6 || first == 50;
        T_ASSERT(table == (m == UINT64_MAX));
        if (first == 2) read_stacks(r, rest);
        else if (first == 4) read_strings(r, rest);
        else if (first == 6) read_samples(r, rest);
        else if (first == 50) {
            T_ASSERT(!clocks);
            clocks = true;
            read_clocks(rest, ns);
        } else read_events(r, m, ns, b);
    }
    T_ASSERT(clocks);
    check_stacks(r);
    replay_all(r);
    sn_map_clear(&r->strings);
    sn_map_clear(&r->stacks);
    sn_arena_reset(&r->arena);
    return true;
}

static struct reader rd;
static struct sn_buf trace_bytes;
static struct sn_map *const maps[] = {&rd.fibers, &rd.strings, &rd.stacks, &rd.functions,
                                      &rd.reasons, &rd.labels, &rd.logs};
static void reader_done(void)
{
    for (unsigned i = 0; i < SN_COUNT_OF(maps); i++) sn_map_done(maps[i]);
    for (unsigned i = 0; i < rd.n_threads; i++) sn_vec_done(&rd.threads[i].ev);
    sn_arena_done(&rd.arena);
    sn_arena_done(&rd.texts);
    memset(&rd, 0, sizeof rd);
}
static void all_done(void)
{
    reader_done();
    sn_buf_done(&trace_bytes);
    sn_symbol_close();
}
static void keep(const char *name)
{
    const char *dir = getenv("SN_PROFILE_DIR");
    char path[512];
    if (!dir) return;
    snprintf(path, sizeof path, "%s/%s.trace", dir, name);
    FILE *f = fopen(path, "wb");
    T_ASSERT(f);
    T_EQ(fwrite(trace_bytes.ptr, 1, trace_bytes.len, f), trace_bytes.len);
    fclose(f);
}
static void read_trace(const char *name)
{
    keep(name);
    reader_done();
    for (unsigned i = 0; i < SN_COUNT_OF(maps); i++) sn_map_init(maps[i], i + 1, false);
    sn_arena_init(&rd.arena, NULL, 0);
    sn_arena_init(&rd.texts, NULL, 0);
    rd.in = sn_buf_view(&trace_bytes);
    T_ASSERT(sn_str_eq(bytes(&rd.in, 16), sn_str_of("go 1.26 trace\0\0", 16)));
    while (read_generation(&rd)) {}
    sn_buf_reset(&trace_bytes);
}
#define SEEN(map, text) T_ASSERTF(sn_map_get(&rd.map, SN_STR(text)), "no \"%s\" in " #map, text)

/* ---- programs to trace ----------------------------------------------------------------------- */

static int into_bytes(void *arg, struct sn_str b)
{
    (void)arg;
    return sn_buf_str(&trace_bytes, b);
}
static const struct sn_trace_opts plain = {.write = into_bytes, .generation_ns = SN_HOUR};

static void in_runtime(unsigned workers, int (*fn)(void *))
{
    sn_test_at_exit(all_done);
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = workers}, fn, NULL));
}

static struct sn_chan *numbers;
static struct sn_event waited_for;
static void sender(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++) (void)!sn_chan_send(numbers, &i);
}
static void long_waiter(void *arg)
{
    (void)arg;
    (void)!sn_event_wait(&waited_for);
}
static int blocking_call(void *arg)
{
    (void)arg;
    return 0;
}
static int story(void *arg)
{
    (void)arg;
    struct sn_trace *t;
    struct sn_trace_stats stats;
    waited_for = (struct sn_event){0};
    numbers = sn_chan_new(sizeof(int), 0);
    T_ASSERT(numbers);
    T_OK(sn_go("here before", long_waiter, NULL));
    T_OK(sn_sleep(5 * SN_MS));
    T_OK(sn_trace_start(&plain, &t));
    T_EQ(sn_trace_start(&plain, &t), SN_E_FAILED_PRECONDITION);
    T_ASSERT(sn_trace_on());
    uint64_t task = sn_trace_task_begin(0, "order");
    sn_trace_region_begin(task, "read");
    T_OK(sn_go("sender", sender, NULL));
    for (int i = 0, v; i < 100; i++) {
        T_OK(sn_chan_recv(numbers, &v));
        T_EQ(v, i);
    }
    sn_trace_log(task, "note", SN_STR("a hundred read"));
    sn_trace_region_end(task, "read");
    sn_trace_task_end(task);
    sn_yield();
    T_OK(sn_offload(blocking_call, NULL));
    T_OK(sn_sleep(30 * SN_MS));
    sn_event_set(&waited_for);
    T_OK(sn_sleep(SN_MS));
    T_OK(sn_trace_stop(t, &stats));
    T_ASSERT(!sn_trace_on());
    T_EQ(stats.bytes, trace_bytes.len);
    T_EQ(stats.generations, 1);
    T_ASSERT(!stats.ended_early);
    sn_chan_free(numbers);
    return 0;
}
SN_TEST_SLOW(trace_story, 60)
{
    in_runtime(2, story);
    read_trace("story");
    T_EQ(rd.gen, 1);
    SEEN(labels, "sender");
    SEEN(labels, "here before");
    SEEN(reasons, "sleep");
    SEEN(reasons, "offload");
    SEEN(reasons, "yield");
    SEEN(functions, "story");
    SEEN(functions, "sender");
    SEEN(functions, "long_waiter");
    SEEN(logs, "a hundred read");
    T_EQ(rd.count[TASK], 1);
    T_EQ(rd.count[TASK_END], 1);
    T_EQ(rd.count[REGION], 1);
    T_EQ(rd.count[REGION_END], 1);
    T_EQ(rd.count[PROCS], 1);
    T_ASSERT(rd.count[CREATE] >= 2 && rd.with_creator >= 2 && rd.count[DESTROY] >= 2);
    T_ASSERT(rd.by_fiber >= 50); /* a rendezvous wakes one side each time */
    T_ASSERT(rd.count[BLOCK] >= 100 && rd.count[P_STOP] >= 1);
}

/* Everything at once on more workers than processors, over many generations. */
#define MILL_FIBERS 40
static struct sn_mutex mill_lock;
static _Atomic int mill_threads;
static void brief(void *arg) { (void)arg; }
static int reap(void *p)
{
    int code;
    return sn_proc_wait(p, &code);
}
static void process(void)
{
    const char *const argv[] = {"true", NULL};
    struct sn_proc p;
    if (sn_proc_start(&(struct sn_proc_opts){.argv = argv}, &p) < 0) return;
    (void)!sn_shield(SN_MINUTE, reap, &p);
}
static void mill(void *arg)
{
    unsigned k = (unsigned)(uintptr_t)arg;
    for (unsigned i = 0; !sn_cancelled(); i++) {
        int v = (int)i;
        int64_t before;
        switch ((i + k) % 7) {
        case 0:
            before = sn_deadline_tighten(sn_now() + SN_MS);
            (void)!sn_chan_send(numbers, &v);
            sn_deadline_restore(before);
            break;
        case 1:
            before = sn_deadline_tighten(sn_now() + 100 * SN_US);
            (void)!sn_chan_recv(numbers, &v);
            sn_deadline_restore(before);
            break;
        case 2:
            if (sn_mutex_lock(&mill_lock) < 0) return;
            sn_yield();
            sn_mutex_unlock(&mill_lock);
            break;
        case 3: (void)!sn_sleep((int64_t)(k * 7 % 50) * SN_US); break;
        case 4: (void)!sn_go(k % 2 ? "brief" : NULL, brief, NULL); break;
        case 5: (void)!sn_go_on(i % sn_worker_count(), "sent", brief, NULL); break;
        default:
            if (i % 8 == 0) (void)!sn_offload(blocking_call, NULL);
            if (i % 64 == 1) process();
            sn_yield();
        }
    }
}
static void *from_outside(void *arg)
{
    (void)arg;
    for (int i = 0; i < 400; i++) {
        (void)!sn_go_from_thread("outside", brief, NULL);
        usleep(500);
    }
    mill_threads--;
    return NULL;
}
static void mills_start(struct sn_scope_storage *mem, struct sn_scope **ret)
{
    numbers = sn_chan_new(sizeof(int), 4);
    T_ASSERT(numbers);
    *ret = sn_scope_begin(mem);
    for (uintptr_t k = 0; k < MILL_FIBERS; k++) T_OK(sn_go("mill", mill, (void *)k));
}
static void mills_stop(struct sn_scope *s)
{
    sn_scope_cancel(s);
    (void)sn_scope_end(s);
    sn_chan_free(numbers);
}
static int generations_main(void *arg)
{
    (void)arg;
    struct sn_scope_storage mem;
    struct sn_scope *s;
    struct sn_trace_stats stats;
    struct sn_trace_opts o = plain;
    pthread_t t;
    o.generation_ns = 25 * SN_MS;
    mill_threads = 1;
    T_EQ(pthread_create(&t, NULL, from_outside, NULL), 0);
    mills_start(&mem, &s);
    T_OK(sn_sleep(20 * SN_MS));
    for (int i = 0; i < 2; i++) { /* what the first has left behind must not confuse the second */
        int64_t ns = 300 * SN_MS;
        do { /* a busy machine may take long over a generation */
            T_OK(sn_trace_run(&o, ns, &stats));
            T_ASSERT(!stats.ended_early);
            read_trace(i ? "mills2" : "mills");
            T_EQ(rd.gen, stats.generations);
            ns *= 2;
        } while (rd.gen < 3);
        T_ASSERT(rd.count[CREATE] > 20 && rd.count[UNBLOCK] > 20 && rd.count[STOP] > 20);
        SEEN(labels, "mill");
        SEEN(reasons, "sync.Mutex.Lock");
        T_ASSERT(rd.count[SYS_BEGIN] > 0 && rd.count[SYS_END] > 0);
    }
    while (mill_threads) T_OK(sn_sleep(SN_MS));
    T_EQ(pthread_join(t, NULL), 0);
    mills_stop(s);
    return 0;
}
SN_TEST_SLOW(trace_generations, 120) { in_runtime(4, generations_main); }

/* A writer that does not come back while four megabytes of events are made. */
static int slow_write(void *arg, struct sn_str b)
{
    int *calls = arg;
    T_OK(sn_buf_str(&trace_bytes, b));
    bool hang = ++*calls == 3;
    while (hang && !sn_trace_rec_full()) T_OK(sn_sleep(SN_MS));
    return 0;
}
static void spinner(void *arg)
{
    (void)arg;
    while (!sn_cancelled()) sn_yield();
}
static int full_main(void *arg)
{
    (void)arg;
    struct sn_scope_storage mem;
    struct sn_trace_stats stats;
    int calls = 0;
    struct sn_trace_opts o = {.write = slow_write, .arg = &calls, .memory_max = 1,
                              .generation_ns = 5 * SN_MS};
    struct sn_scope *s = sn_scope_begin(&mem);
    for (int i = 0; i < 8; i++) T_OK(sn_go("spinner", spinner, NULL));
    T_OK(sn_trace_run(&o, SN_HOUR, &stats));
    T_ASSERT(stats.ended_early);
    sn_scope_cancel(s);
    (void)sn_scope_end(s);
    return 0;
}
SN_TEST_SLOW(trace_full_buffers_end_it_whole, 120)
{
    in_runtime(3, full_main);
    read_trace("full");
    SEEN(logs, "the trace ends here: its buffers are full");
}

/* Ends: the writer fails, the caller is cancelled, the runtime ends around it. */
static int no_write(void *arg, struct sn_str b)
{
    (void)arg, (void)b;
    return SN_E_IO;
}
static int cancelled_run(void *arg)
{
    (void)arg;
    return sn_trace_run(&plain, SN_HOUR, NULL);
}
static int ends_main(void *arg)
{
    struct sn_trace *t;
    struct sn_scope_storage mem;
    struct sn_trace_stats stats;
    T_EQ(sn_trace_run(&(struct sn_trace_opts){.write = no_write}, SN_SEC, &stats), SN_E_IO);
    T_EQ(stats.bytes, 0);
    struct sn_scope *s = sn_scope_begin(&mem);
    T_OK(sn_scope_go(s, "run", cancelled_run, NULL));
    T_OK(sn_sleep(10 * SN_MS));
    sn_scope_cancel(s);
    T_EQ(sn_scope_end(s), SN_E_CANCELLED);
    s = sn_scope_begin(&mem);
    T_OK(sn_trace_start(&plain, &t));
    sn_scope_cancel(s);
    T_EQ(sn_trace_stop(t, NULL), SN_E_CANCELLED);
    (void)sn_scope_end(s);
    sn_buf_reset(&trace_bytes);
    if (arg) return 0;
    /* and it is free for the next one */
    T_OK(sn_trace_run(&plain, 10 * SN_MS, NULL));
    return 0;
}
SN_TEST_SLOW(trace_ends, 60)
{
    in_runtime(2, ends_main);
    read_trace("ends");
}

/* Each allocation of this thread fails once: buffers (then the trace ends early), or the rest. */
static int traced_briefly(void *arg)
{
    (void)arg;
    sn_buf_reset(&trace_bytes);
    return sn_trace_run(&plain, 2 * SN_MS, NULL);
}
static int torture_main(void *arg)
{
    T_OK(traced_briefly(arg)); /* the runtime's own caches, and room for the bytes */
    int n = sn_torture_lenient(traced_briefly, NULL);
    T_ASSERTF(n >= 4, "%d failures injected", n);
    return 0;
}
SN_TEST_SLOW(trace_torture, 120)
{
    in_runtime(1, torture_main);
    read_trace("torture");
}

static int http_main(void *arg)
{
    (void)arg;
    struct sn_debug_reply r = {.status = 0};
    sn_buf_init(&r.body, 0);
    T_OK(sn_debug_get(SN_STR("/debug/pprof/trace"), SN_STR("seconds=1&cpu=1"), SN_STR(""), &r));
    T_EQ(r.status, 200);
    T_STR(r.content_type, "application/octet-stream");
    T_CSTR(r.attachment, "trace");
    T_OK(sn_buf_str(&trace_bytes, sn_buf_view(&r.body)));
    T_OK(sn_debug_get(SN_STR("/debug/pprof/trace"), SN_STR("seconds=-1"), SN_STR(""), &r));
    T_EQ(r.status, 400);
    struct sn_trace *t;
    size_t first = trace_bytes.len;
    T_OK(sn_trace_start(&(struct sn_trace_opts){.write = into_bytes}, &t));
    T_OK(sn_debug_get(SN_STR("/debug/pprof/trace"), SN_STR("seconds=1"), SN_STR(""), &r));
    T_EQ(r.status, 500);
    T_ASSERT(r.go_error && sn_str_find(sn_buf_view(&r.body), SN_STR("is being taken")) >= 0);
    sn_buf_done(&r.body);
    T_OK(sn_trace_stop(t, NULL));
    trace_bytes.len = first;
    return 0;
}
static void burn(void *arg)
{
    volatile uint64_t *sum = arg;
    while (!sn_cancelled()) {
        for (int i = 0; i < 100000; i++) *sum += (uint64_t)i;
        sn_yield();
    }
}
static int http_and_burn(void *arg)
{
    (void)arg;
    static uint64_t sum;
    T_OK(sn_go("burner", burn, &sum));
    return http_main(NULL);
}
SN_TEST_SLOW(trace_endpoint, 60)
{
    in_runtime(2, http_and_burn);
    read_trace("endpoint");
#ifndef SN_TSAN /* it delivers signals late, at its own places */
    T_ASSERT(rd.samples > 0);
#endif
    SEEN(functions, "burn");
}

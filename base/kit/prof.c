/* SPDX-License-Identifier: Apache-2.0 */
/* kit/prof.c - block, mutex, fiber, leak and thread profiles, and what they all share. */
#include "kit/prof.h"

#include <dirent.h>
#include <stdio.h>

#include "fiber/fiber.h"
#include "fiber/leak.h"
#include "fiber/sample.h"
#include "fiber/sync.h"
#include "kit/prof_int.h"

#define BLOCK_SLOTS 2048u

enum { V_COUNT, V_DELAY };
static struct prof_slot block_slots[BLOCK_SLOTS], mutex_slots[BLOCK_SLOTS];
static struct prof_table block_table = {.slots = block_slots, .mask = BLOCK_SLOTS - 1},
                         mutex_table = {.slots = mutex_slots, .mask = BLOCK_SLOTS - 1};
static int64_t block_rate;

/* Waits that are nobody's contention: for the outside world, for time, for the blocking pool. */
static bool is_idle_wait(const char *reason)
{
    static const char *const idle[] = {"IO wait", "sleep", "offload"};
    for (size_t i = 0; i < SN_COUNT_OF(idle); i++)
        if (strncmp(reason, idle[i], strlen(idle[i])) == 0) return true;
    return false;
}

static void on_block(enum sn_block_kind kind, int64_t ns)
{
    int64_t count = 1;
    if (ns <= 0) return;
    if (ns < block_rate) {
        /* Kept with probability ns/rate and weighted by its inverse, so sums stay right. */
        if ((int64_t)(sn_random() % (uint64_t)block_rate) >= ns) return;
        count = block_rate / ns;
        ns = block_rate;
    }
    uintptr_t pcs[PROF_FRAMES];
    unsigned n = sn_stack_here(pcs, PROF_FRAMES, 1); /* without this function */
    bool held = kind == SN_BLOCK_MUTEX_HELD;
    struct prof_slot *s = prof_slot_get(held ? &mutex_table : &block_table, pcs, n, "");
    if (!s) return;
    prof_add(&s->v[V_COUNT], count);
    prof_add(&s->v[V_DELAY], ns);
}
void sn_prof_start(const struct sn_prof_opts *opts)
{
    block_rate = opts && opts->block_ns ? opts->block_ns : SN_PROF_BLOCK_NS_DEFAULT;
    prof_heap_start(opts && opts->heap_bytes ? opts->heap_bytes : SN_PROF_HEAP_BYTES_DEFAULT);
    sn_block_hook = on_block;
}
void sn_prof_stop(void)
{
    sn_block_hook = NULL;
    prof_heap_stop();
}

static void collect_block(struct sn_pprof *p, const struct prof_slot *slots, int sign)
{
    for (uint32_t i = 0; i < BLOCK_SLOTS; i++) {
        const struct prof_slot *s = &slots[i];
        if (!__atomic_load_n(&s->ready, __ATOMIC_ACQUIRE)) continue;
        int64_t v[2] = {sign * __atomic_load_n(&s->v[V_COUNT], __ATOMIC_RELAXED),
                        sign * __atomic_load_n(&s->v[V_DELAY], __ATOMIC_RELAXED)};
        sn_pprof_add(p, s->pcs, s->n, false, v, NULL);
    }
    sn_pprof_period(p, (struct sn_pprof_type){"contentions", "count"}, 1);
}

struct fibers {
    struct sn_pprof *p;
    int64_t sign, older_than; /* 0 = all */
    int64_t now;
    bool by_age; /* leaks: those that wait for others, by how long */
};
static void each_fiber(const struct sn_fiber_info *i, void *arg)
{
    struct fibers *f = arg;
    int64_t one = f->sign;
    if (f->by_age && (strcmp(i->state, "waiting") != 0 || is_idle_wait(i->wait_reason))) return;
    if (f->older_than && f->now - i->wait_since_ns < f->older_than) return;
    struct sn_pprof_label label = {.key = "fiber", .str = i->name};
    uintptr_t entry = (uintptr_t)i->entry;
    if (i->n_pcs)
        sn_pprof_add(f->p, i->pcs, i->n_pcs, false, &one, i->name[0] ? &label : NULL);
    else
        sn_pprof_add(f->p, &entry, 1, true, &one, i->name[0] ? &label : NULL);
}
static void collect_fibers(struct sn_pprof *p, int sign)
{
    struct fibers f = {.p = p, .sign = sign};
    sn_fiber_each(each_fiber, &f);
    sn_pprof_period(p, (struct sn_pprof_type){"goroutine", "count"}, 1);
}
static void collect_leaks(struct sn_pprof *p, int sign, int64_t older_than)
{
    struct fibers f = {.p = p, .sign = sign, .older_than = older_than, .now = sn_now()};
    int r = sn_fiber_leaks(each_fiber, &f);
    if (r < 0) {
        char text[SN_DIAG_BYTES + 64];
        snprintf(text, sizeof text, "by age, not by reachability: %s", sn_diag_str(r));
        sn_pprof_comment(p, text);
        if (!f.older_than) f.older_than = SN_PROF_LEAK_NS_DEFAULT;
        f.by_age = true;
        sn_fiber_each(each_fiber, &f);
    } else if (!prof_heap_tracking()) {
        sn_pprof_comment(p, "the heap counts as reachable: sn_prof_start was not called");
    }
    sn_pprof_period(p, (struct sn_pprof_type){"goroutineleak", "count"}, 1);
}
struct threads {
    struct sn_pprof *p;
    int64_t sign, n;
};
static void each_thread(const uintptr_t *pcs, unsigned n, void *arg)
{
    struct threads *t = arg;
    sn_pprof_add(t->p, pcs, n, false, &t->sign, NULL);
    t->n++;
}
/* Threads that the runtime has not made (the first one, those of libraries) share an empty stack. */
static void collect_threads(struct sn_pprof *p, int sign)
{
    struct threads known = {p, sign, 0};
    int64_t n = 0;
    sn_thread_each(each_thread, &known);
    DIR *d = opendir("/proc/self/task");
    if (!d) return;
    for (struct dirent *e; (e = readdir(d)) != NULL;) n += e->d_name[0] != '.';
    closedir(d);
    n = sign * SN_MAX(n - known.n, (int64_t)0);
    sn_pprof_add(p, NULL, 0, false, &n, NULL);
    sn_pprof_period(p, (struct sn_pprof_type){"threadcreate", "count"}, 1);
}

void sn_prof_open(enum sn_prof_kind kind, struct sn_pprof *p)
{
    static const struct sn_pprof_type heap[] = {{"alloc_objects", "count"},
                                                {"alloc_space", "bytes"},
                                                {"inuse_objects", "count"},
                                                {"inuse_space", "bytes"}},
                                      block[] = {{"contentions", "count"},
                                                 {"delay", "nanoseconds"}},
                                      fiber[] = {{"goroutine", "count"}},
                                      leak[] = {{"goroutineleak", "count"}},
                                      thread[] = {{"threadcreate", "count"}};
    switch (kind) {
    case SN_PROF_HEAP: sn_pprof_init(p, heap, 4, "inuse_space"); break;
    case SN_PROF_ALLOCS: sn_pprof_init(p, heap, 4, "alloc_space"); break;
    case SN_PROF_BLOCK:
    case SN_PROF_MUTEX: sn_pprof_init(p, block, 2, NULL); break;
    case SN_PROF_LEAK: sn_pprof_init(p, leak, 1, NULL); break;
    case SN_PROF_THREAD: sn_pprof_init(p, thread, 1, NULL); break;
    default: sn_pprof_init(p, fiber, 1, NULL); break;
    }
    sn_pprof_time(p, sn_wall_now(), 0);
}
void sn_prof_collect(enum sn_prof_kind kind, struct sn_pprof *p, int sign, int64_t leak_ns)
{
    switch (kind) {
    case SN_PROF_HEAP:
    case SN_PROF_ALLOCS: prof_collect_heap(p, sign); break;
    case SN_PROF_BLOCK: collect_block(p, block_slots, sign); break;
    case SN_PROF_MUTEX: collect_block(p, mutex_slots, sign); break;
    case SN_PROF_LEAK: collect_leaks(p, sign, leak_ns); break;
    case SN_PROF_THREAD: collect_threads(p, sign); break;
    default: collect_fibers(p, sign); break;
    }
}
